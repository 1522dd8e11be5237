//! Programs: a graph with outputs and variable writes; passes, verification, and plans for given shapes.

mod arrange;
pub mod by_rows;
pub mod cache;
mod control;
pub mod evaluate;
mod in_place;
pub mod memory;
pub mod passes;
pub mod plan;
mod planner;
pub mod prologue;
pub mod show;
pub mod stable;
pub mod verify;

use crate::core::Spec;
use crate::ops::{Graph, Value};

pub use crate::ops::gradients::gradients;
pub use plan::Plan;

/// A finished trace: what runs when a compiled function is called.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub graph: Graph,
    pub outputs: Vec<Value>,
    /// Variable `slot` holds `value` after the program has run.
    pub writes: Vec<(usize, Value)>,
}

impl Program {
    pub fn new(graph: Graph, outputs: Vec<Value>, writes: Vec<(usize, Value)>) -> Program {
        Program { graph, outputs, writes }
    }

    /// The program that applies one op.
    pub fn of_op(op: crate::ops::Op, inputs: &[Spec]) -> crate::core::Result<Program> {
        let mut graph = Graph::new();
        let values: Vec<Value> = inputs.iter().map(|spec| graph.input(spec.clone())).collect();
        let outputs = graph.append(op, &values)?;
        Ok(Program::new(graph, outputs, Vec::new()))
    }

    /// Everything that must be computed: outputs first, then what variables become.
    pub fn roots(&self) -> impl Iterator<Item = Value> + '_ {
        self.outputs.iter().copied().chain(self.writes.iter().map(|&(_, value)| value))
    }
}
