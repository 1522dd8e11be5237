//! What every graph must keep, checked between passes in debug builds and in tests.

use super::Program;
use crate::core::{Error, Result, Spec};
use crate::ops::{Producer, Value};

/// Checks single assignment, order, and that every node's outputs have the specs that its op infers.
pub fn verify(program: &Program) -> Result<()> {
    let graph = &program.graph;
    let fail = |text: String| Err(Error::internal(format!("malformed program: {text}")));
    for (index, node) in graph.nodes.iter().enumerate() {
        for input in &node.inputs {
            if let Producer::Node(producer, _) = graph.producer(*input)
                && *producer >= index
            {
                return fail(format!("node {index} ({}) reads a value made by node {producer}", node.op.name()));
            }
        }
        for (i, output) in node.outputs.iter().enumerate() {
            if !matches!(graph.producer(*output), Producer::Node(n, k) if *n == index && *k == i) {
                return fail(format!("output {i} of node {index} ({}) is not its own", node.op.name()));
            }
        }
        let specs: Vec<&Spec> = node.inputs.iter().map(|&input| graph.spec(input)).collect();
        let inferred = node.op.infer(&specs).map_err(|error| error.at(&node.scope, node.op.name()))?;
        if inferred.len() != node.outputs.len() {
            return fail(format!("node {index} ({}) has {} outputs", node.op.name(), node.outputs.len()));
        }
        for (spec, &output) in inferred.iter().zip(&node.outputs) {
            let stored = graph.spec(output);
            if spec.dtype != stored.dtype || !spec.shape.agrees(&stored.shape) {
                return fail(format!("node {index} ({}) gives {spec}, recorded as {stored}", node.op.name()));
            }
        }
    }
    let values = graph.values.len() as u32;
    if let Some(Value(root)) = program.roots().find(|root| root.0 >= values) {
        return fail(format!("root %{root} does not exist"));
    }
    for &(slot, value) in &program.writes {
        let Some(&variable) = graph.variables.get(slot) else { return fail(format!("write to variable {slot}")) };
        let (wanted, got) = (graph.spec(variable), graph.spec(value));
        if wanted.dtype != got.dtype || !wanted.shape.agrees(&got.shape) {
            return fail(format!("variable {slot} is {wanted} and is written with {got}"));
        }
    }
    Ok(())
}
