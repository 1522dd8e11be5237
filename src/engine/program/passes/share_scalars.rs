//! Lets elementwise ops read a number that all elements of an operand share as a scalar.
//!
//! ```text
//! x * (1 / broadcast(sum(ones like x)))          x * (1 / length of x)
//! ```
//!
//! Gradients of means are made of such operands. As scalars they are no arrays to read, and no longer depend on the values whose
//! shapes they had: a loss's gradient is known before the loss.

use std::collections::HashMap;

use super::rebuild::Rebuild;
use crate::core::Result;
use crate::ops::reduce::reduce::Reduce;
use crate::ops::reduce::{ReduceKind, reduced_axes};
use crate::ops::shape::dim_value::DimValue;
use crate::ops::{Graph, Node, Op, Value};
use crate::program::Program;

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    let mut shared = Shared::new(graph);
    let mut rebuild = Rebuild::new(program);
    for node in &graph.nodes {
        let mut inputs = rebuild.get_all(&node.inputs);
        if matches!(node.op, Op::Elementwise(_)) {
            let full = graph.shape(node.outputs[0]);
            for (i, &operand) in node.inputs.iter().enumerate() {
                let covered = (0..inputs.len()).any(|j| j != i && rebuild.new.shape(inputs[j]) == full);
                if covered && graph.spec(operand).rank() > 0 && shared.is(operand) {
                    inputs[i] = shared.write(&mut rebuild, operand)?;
                }
            }
        }
        rebuild.copy_with(node, &inputs);
    }
    rebuild.finish()
}

/// The values of a graph whose elements are all one number, which is made of constants and lengths alone.
pub struct Shared<'a> {
    graph: &'a Graph,
    is: Vec<bool>,
    /// Those numbers in the program that is written.
    written: HashMap<Value, Value>,
}

impl<'a> Shared<'a> {
    pub fn new(graph: &'a Graph) -> Self {
        let scalar =
            |index: usize| graph.scalar_value(Value(index as u32)).is_some() && graph.values[index].spec.rank() == 0;
        let mut is: Vec<bool> = (0..graph.values.len()).map(scalar).collect();
        for node in &graph.nodes {
            let shares = |count: usize| node.inputs[..count].iter().all(|input| is[input.0 as usize]);
            let found = match &node.op {
                Op::BroadcastLike(_) | Op::Broadcast(_) | Op::Reshape(_) | Op::ReshapeLike(_) => shares(1),
                Op::Cast(_) | Op::Elementwise(_) => shares(node.inputs.len()),
                Op::Reduce(Reduce { kind: ReduceKind::Sum, .. }) => {
                    graph.dtype(node.inputs[0]).is_compute_float() && shares(1)
                }
                _ => false,
            };
            for output in &node.outputs {
                is[output.0 as usize] = found;
            }
        }
        Shared { graph, is, written: HashMap::new() }
    }

    pub fn is(&self, value: Value) -> bool {
        self.is[value.0 as usize]
    }

    /// Writes the number that every element of such a value is.
    pub fn write(&mut self, rebuild: &mut Rebuild, value: Value) -> Result<Value> {
        if let Some(&known) = self.written.get(&value) {
            return Ok(known);
        }
        let written = match self.graph.node_of(value) {
            None => rebuild.get(value),
            Some(node) => self.write_node(rebuild, node)?,
        };
        self.written.insert(value, written);
        Ok(written)
    }

    fn write_node(&mut self, rebuild: &mut Rebuild, node: &Node) -> Result<Value> {
        let graph = self.graph;
        match &node.op {
            Op::Cast(_) | Op::Elementwise(_) => {
                let mut scalars = Vec::with_capacity(node.inputs.len());
                for &input in &node.inputs {
                    scalars.push(self.write(rebuild, input)?);
                }
                rebuild.new.set_scope(node.scope.clone());
                rebuild.new.apply(node.op.clone(), &scalars)
            }
            Op::Reduce(Reduce { axes, .. }) => {
                let mut sum = self.write(rebuild, node.inputs[0])?;
                let from = graph.shape(node.inputs[0]);
                let new = &mut rebuild.new;
                new.set_scope(node.scope.clone());
                for axis in reduced_axes(axes.as_deref(), from.rank())? {
                    let length = if let Some(length) = from.0[axis].known() {
                        new.scalar(length as f64, new.dtype(sum))?
                    } else {
                        let length = new.apply(DimValue { dim: from.0[axis] }, &[])?;
                        new.cast(length, new.dtype(sum))?
                    };
                    sum = new.mul(sum, length)?;
                }
                Ok(sum)
            }
            _ => self.write(rebuild, node.inputs[0]),
        }
    }
}
