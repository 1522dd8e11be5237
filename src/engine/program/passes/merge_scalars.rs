//! Makes one node of elementwise ops on single numbers, related or not: a step's metrics and counters.
//!
//! A node costs as much as the arithmetic on a hundred numbers. The node stands where the last of them stood; those whose
//! results are read before stay where they are, and so does what is computed once for all runs.

use super::fuse_elementwise::{INPUTS, STEPS, rule};
use super::rebuild::Rebuild;
use crate::core::{Result, Spec};
use crate::ops::elementwise::{Fused, Step};
use crate::ops::{Graph, Node, Op, Value};
use crate::program::Program;
use crate::program::stable::stable;

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    let stable = stable(program);
    let is_scalar = |node: &Node| {
        (rule(&node.op).is_some() || matches!(node.op, Op::Fused(_)))
            && node.outputs.iter().all(|&output| graph.spec(output).rank() == 0 && !stable[output.0 as usize])
    };
    let mut candidates: Vec<usize> = (0..graph.nodes.len()).filter(|&index| is_scalar(&graph.nodes[index])).collect();
    leave_out(graph, &mut candidates);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for index in candidates {
        let fits = |group: &Vec<usize>| {
            let with: Vec<usize> = group.iter().copied().chain([index]).collect();
            let (inputs, steps) = parts(graph, &with);
            inputs.len() <= INPUTS && steps.len() <= STEPS
        };
        match groups.last_mut().filter(|group| fits(group)) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    for group in &mut groups {
        leave_out(graph, group);
    }
    groups.retain(|group| group.len() > 1);
    if groups.is_empty() {
        return Ok(program.clone());
    }
    let mut rebuild = Rebuild::new(program);
    for (index, node) in graph.nodes.iter().enumerate() {
        match groups.iter().find(|group| group.contains(&index)) {
            None => rebuild.copy(node),
            Some(group) if group.last() == Some(&index) => write(program, &mut rebuild, group),
            Some(_) => {}
        }
    }
    rebuild.finish()
}

/// Leaves out members whose results others read before the last member has run.
fn leave_out(graph: &Graph, group: &mut Vec<usize>) {
    loop {
        let Some(&last) = group.last() else { return };
        let is_read_before = |&member: &usize| {
            let read = |node: &Node| node.inputs.iter().any(|input| graph.nodes[member].outputs.contains(input));
            (member + 1..last).any(|index| !group.contains(&index) && read(&graph.nodes[index]))
        };
        let Some(place) = group.iter().position(is_read_before) else { return };
        group.remove(place);
    }
}

/// What members read from outside, and their steps: numbers of operands below that of inputs are inputs, others steps.
fn parts(graph: &Graph, members: &[usize]) -> (Vec<Value>, Vec<(Step, Option<Value>)>) {
    let nodes = || members.iter().map(|&member| &graph.nodes[member]);
    let mut inputs: Vec<Value> = Vec::new();
    for &input in nodes().flat_map(|node| &node.inputs) {
        if !inputs.contains(&input) && !nodes().any(|node| node.outputs.contains(&input)) {
            inputs.push(input);
        }
    }
    let mut steps: Vec<(Step, Option<Value>)> = Vec::new();
    for node in nodes() {
        let mut operands: Vec<usize> = Vec::new();
        for input in &node.inputs {
            let made =
                steps.iter().position(|(_, value)| value.as_ref() == Some(input)).map(|step| inputs.len() + step);
            operands.extend(made.or_else(|| inputs.iter().position(|other| other == input)));
        }
        match &node.op {
            Op::Fused(fused) => {
                for (number, step) in fused.steps.iter().enumerate() {
                    let chosen = step.operands.iter().map(|&operand| operands[operand]).collect();
                    let output = fused.outputs.iter().position(|&output| output == fused.inputs + number);
                    operands.push(inputs.len() + steps.len());
                    steps.push((Step { operands: chosen, ..step.clone() }, output.map(|output| node.outputs[output])));
                }
            }
            op => {
                if let Some(rule) = rule(op) {
                    let output = node.outputs[0];
                    steps.push((Step { rule, operands, dtype: graph.dtype(output) }, Some(output)));
                }
            }
        }
    }
    (inputs, steps)
}

fn write(program: &Program, rebuild: &mut Rebuild, group: &[usize]) {
    let graph = &program.graph;
    let (inputs, steps) = parts(graph, group);
    let is_read = |value: Value| {
        let outside = graph.nodes.iter().enumerate().filter(|(index, _)| !group.contains(index));
        outside.flat_map(|(_, node)| &node.inputs).any(|&input| input == value)
            || program.roots().any(|root| root == value)
    };
    let results: Vec<(usize, Value)> = steps
        .iter()
        .enumerate()
        .filter_map(|(step, (_, value))| {
            value.filter(|&value| is_read(value)).map(|value| (inputs.len() + step, value))
        })
        .collect();
    let op = Fused {
        inputs: inputs.len(),
        steps: steps.into_iter().map(|(step, _)| step).collect(),
        outputs: results.iter().map(|&(output, _)| output).collect(),
    };
    let operands = rebuild.get_all(&inputs);
    let specs: Vec<Spec> = results.iter().map(|&(_, value)| graph.spec(value).clone()).collect();
    let scope = group.last().map_or_else(|| graph.scope(), |&last| graph.nodes[last].scope.clone());
    let made = rebuild.new.append_inferred(Op::Fused(op), &operands, specs, scope);
    for (&(_, old), new) in results.iter().zip(made) {
        rebuild.set(old, new);
    }
}
