//! Leaves out nodes whose outputs nobody reads.

use super::rebuild::Rebuild;
use crate::core::Result;
use crate::ops::{Effects, Producer};
use crate::program::Program;

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    let mut live = vec![false; graph.nodes.len()];
    let mut stack: Vec<usize> = program.roots().filter_map(|root| producer(program, root)).collect();
    stack.extend(graph.nodes.iter().enumerate().filter(|(_, n)| n.op.effects() == Effects::Updates).map(|(i, _)| i));
    while let Some(index) = stack.pop() {
        if !std::mem::replace(&mut live[index], true) {
            stack.extend(graph.nodes[index].inputs.iter().filter_map(|&input| producer(program, input)));
        }
    }
    let mut rebuild = Rebuild::new(program);
    for (node, _) in graph.nodes.iter().zip(&live).filter(|(_, live)| **live) {
        rebuild.copy(node);
    }
    rebuild.finish()
}

fn producer(program: &Program, value: crate::ops::Value) -> Option<usize> {
    match program.graph.producer(value) {
        Producer::Node(index, _) => Some(*index),
        _ => None,
    }
}
