//! Computes nodes whose inputs are all constants, when the result is small.

use super::rebuild::Rebuild;
use crate::core::Result;
use crate::ops::{Effects, Producer};
use crate::program::Program;
use crate::program::evaluate::evaluate_op;

/// Elements of the largest result worth keeping in a program.
const LARGEST: usize = 1 << 16;

pub fn run(program: &Program) -> Result<Program> {
    let mut rebuild = Rebuild::new(program);
    for node in &program.graph.nodes {
        let inputs = rebuild.get_all(&node.inputs);
        let constants: Option<Vec<_>> = inputs
            .iter()
            .map(|&input| match rebuild.new.producer(input) {
                Producer::Constant(array) => Some(array.clone()),
                _ => None,
            })
            .collect();
        let small = node.outputs.iter().all(|&output| {
            program.graph.shape(output).sizes().is_some_and(|sizes| sizes.iter().product::<usize>() <= LARGEST)
        });
        match constants {
            Some(arrays) if small && !arrays.is_empty() && node.op.effects() == Effects::Pure => {
                for (&old, array) in node
                    .outputs
                    .iter()
                    .zip(evaluate_op(&node.op, &arrays).map_err(|error| error.at(&node.scope, node.op.name()))?)
                {
                    let constant = rebuild.new.constant(array);
                    rebuild.set(old, constant);
                }
            }
            _ => rebuild.copy(node),
        }
    }
    rebuild.finish()
}
