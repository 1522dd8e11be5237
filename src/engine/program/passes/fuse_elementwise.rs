//! Joins elementwise ops and casts into chains that run as one kernel, so that what is between them never leaves the cache.
//!
//! Walking backwards, a node that is not yet part of a chain starts one; the chain takes in a producer when it is
//! elementwise, has the chain's shape (a cast may have one that is broadcast to it), and every reader of it is in the chain. What
//! stays the same from run to run is computed once and does not join what does not. The chain stands where its last node stood.

use std::collections::HashMap;

use super::rebuild::Rebuild;
use crate::core::{Result, Shape};
use crate::ops::elementwise::{Fused, Step, StepRule};
use crate::ops::{Node, Op, Producer, Value};
use crate::program::Program;
use crate::program::stable::stable;

/// Most steps and inputs of a chain: what the kernel's registers in the first-level cache hold.
pub(super) const STEPS: usize = 24;
pub(super) const INPUTS: usize = 10;

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    let readers = readers(program);
    let stable = stable(program);
    let mut chain_of: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    let mut chains: HashMap<usize, Vec<usize>> = HashMap::new();
    let lasting = |node: usize| stable[graph.nodes[node].outputs[0].0 as usize];
    for root in (0..graph.nodes.len()).rev() {
        if chain_of[root].is_some() || rule(&graph.nodes[root].op).is_none() {
            continue;
        }
        let mut members = vec![root];
        chain_of[root] = Some(root);
        let shape = graph.shape(graph.nodes[root].outputs[0]);
        loop {
            let candidate = members
                .iter()
                .flat_map(|&member| &graph.nodes[member].inputs)
                .filter_map(|&input| match graph.producer(input) {
                    Producer::Node(index, _) => Some(*index),
                    _ => None,
                })
                .filter(|&index| chain_of[index].is_none() && rule(&graph.nodes[index].op).is_some())
                .filter(|&index| fits(&graph.nodes[index].op, graph.shape(graph.nodes[index].outputs[0]), shape))
                .filter(|&index| lasting(index) == lasting(root))
                .find(|&index| {
                    let all_inside = readers[graph.nodes[index].outputs[0].0 as usize]
                        .iter()
                        .all(|reader| reader.is_some_and(|reader| chain_of[reader] == Some(root)));
                    all_inside && members.len() < STEPS && inputs_with(program, &members, index) <= INPUTS
                });
            let Some(index) = candidate else { break };
            chain_of[index] = Some(root);
            members.push(index);
        }
        if members.len() > 1 {
            members.sort_unstable();
            chains.insert(root, members);
        } else {
            chain_of[root] = None;
        }
    }
    let mut rebuild = Rebuild::new(program);
    for (index, node) in graph.nodes.iter().enumerate() {
        match chain_of[index] {
            None => rebuild.copy(node),
            Some(root) if root != index => {}
            Some(_) => write_chain(program, &mut rebuild, &chains[&index], node),
        }
    }
    rebuild.finish()
}

pub(super) fn rule(op: &Op) -> Option<StepRule> {
    match op {
        Op::Elementwise(op) => Some(StepRule::Scalar(op.rule)),
        Op::Cast(_) => Some(StepRule::Cast),
        _ => None,
    }
}

/// Whether an op of this result can be done for every element of a chain: a cast that is broadcast may be repeated.
fn fits(op: &Op, own: &Shape, chain: &Shape) -> bool {
    own == chain || matches!(op, Op::Cast(_)) && own.broadcast(chain).is_ok_and(|shape| shape == *chain)
}

/// The nodes that read every value; `None` stands for the program's results.
fn readers(program: &Program) -> Vec<Vec<Option<usize>>> {
    let mut readers = vec![Vec::new(); program.graph.values.len()];
    for (index, node) in program.graph.nodes.iter().enumerate() {
        for input in &node.inputs {
            readers[input.0 as usize].push(Some(index));
        }
    }
    for root in program.roots() {
        readers[root.0 as usize].push(None);
    }
    readers
}

/// How many values from outside a chain would read with one more member.
fn inputs_with(program: &Program, members: &[usize], more: usize) -> usize {
    let nodes = &program.graph.nodes;
    let inside = |value: &Value| members.iter().chain([&more]).any(|&member| nodes[member].outputs.contains(value));
    let mut inputs: Vec<Value> = members
        .iter()
        .chain([&more])
        .flat_map(|&member| &nodes[member].inputs)
        .copied()
        .filter(|v| !inside(v))
        .collect();
    inputs.sort_unstable();
    inputs.dedup();
    inputs.len()
}

fn write_chain(program: &Program, rebuild: &mut Rebuild, members: &[usize], root: &Node) {
    let nodes = &program.graph.nodes;
    let mut inputs: Vec<Value> = Vec::new();
    let inside: Vec<Value> = members.iter().map(|&member| nodes[member].outputs[0]).collect();
    for &member in members {
        for &input in &nodes[member].inputs {
            if !inside.contains(&input) && !inputs.contains(&input) {
                inputs.push(input);
            }
        }
    }
    let operand = |value: &Value| {
        inside.iter().position(|other| other == value).map_or_else(
            || {
                inputs
                    .iter()
                    .position(|other| other == value)
                    .expect("an operand is inside the chain or one of its inputs")
            },
            |step| inputs.len() + step,
        )
    };
    let steps = members
        .iter()
        .map(|&member| Step {
            rule: rule(&nodes[member].op).expect("members are elementwise"),
            operands: nodes[member].inputs.iter().map(operand).collect(),
            dtype: program.graph.dtype(nodes[member].outputs[0]),
        })
        .collect();
    let fused = Fused { inputs: inputs.len(), steps, outputs: vec![inputs.len() + members.len() - 1] };
    let new_inputs = rebuild.get_all(&inputs);
    let spec = program.graph.spec(root.outputs[0]).clone();
    let outputs = rebuild.new.append_inferred(Op::Fused(fused), &new_inputs, vec![spec], root.scope.clone());
    rebuild.set(root.outputs[0], outputs[0]);
}
