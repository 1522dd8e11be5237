//! What stays the same from run to run: values that depend only on constants and on variables that the program does not
//! write.
//!
//! Such values are worth computing once. A predicting program writes no weights, a training program none of frozen layers.

use super::Program;
use crate::ops::{Effects, Op, Producer};

/// For every value of a program, whether it stays the same until a variable is written from outside.
pub fn stable(program: &Program) -> Vec<bool> {
    let graph = &program.graph;
    let mut stable: Vec<bool> =
        graph.values.iter().map(|value| matches!(value.producer, Producer::Constant(_))).collect();
    for slot in unwritten(program) {
        stable[graph.variables[slot].0 as usize] = true;
    }
    for node in &graph.nodes {
        let shape_only = node.op.shape_only();
        let mut read = node.inputs.iter().enumerate().filter(|(i, _)| !shape_only.contains(i));
        let lasts = lasts(&node.op) && read.all(|(_, input)| stable[input.0 as usize]);
        for output in &node.outputs {
            stable[output.0 as usize] = lasts;
        }
    }
    stable
}

/// The slots of variables that a program reads and does not write.
pub fn unwritten(program: &Program) -> impl Iterator<Item = usize> + '_ {
    (0..program.graph.variables.len()).filter(|slot| program.writes.iter().all(|(written, _)| written != slot))
}

/// Whether an op makes the same of the same inputs and may run ahead of others. Control flow stays where it is: it may take
/// long, or call the host.
pub fn lasts(op: &Op) -> bool {
    let control = matches!(op, Op::Scan(_) | Op::Cond(_) | Op::WhileLoop(_) | Op::HostCall(_));
    op.effects() == Effects::Pure && !control
}
