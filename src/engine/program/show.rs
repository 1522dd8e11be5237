//! A program as text: one line a node. `IRONHORN_DEBUG=program` prints every program to standard error when it is made.

use std::fmt::Write;

use super::Program;
use crate::ops::{Graph, Producer, Value};

pub fn show(program: &Program) -> String {
    let graph = &program.graph;
    let mut text = String::new();
    let names = |values: &[Value]| values.iter().map(|&value| name(graph, value)).collect::<Vec<_>>().join(", ");
    for &input in &graph.inputs {
        let _ = writeln!(text, "{} = input: {}", name(graph, input), graph.spec(input));
    }
    for &variable in &graph.variables {
        let _ = writeln!(text, "{} = variable: {}", name(graph, variable), graph.spec(variable));
    }
    for node in &graph.nodes {
        let specs: Vec<String> = node.outputs.iter().map(|&output| graph.spec(output).to_string()).collect();
        let place = if node.scope.is_empty() { String::new() } else { format!("   # {}", node.scope) };
        let _ = writeln!(
            text,
            "{} = {:?}({}): {}{place}",
            names(&node.outputs),
            node.op,
            names(&node.inputs),
            specs.join(", ")
        );
    }
    for &(slot, value) in &program.writes {
        let _ = writeln!(text, "$v{slot} <- {}", name(graph, value));
    }
    let _ = writeln!(text, "return {}", names(&program.outputs));
    text
}

fn name(graph: &Graph, value: Value) -> String {
    match graph.producer(value) {
        Producer::Input(index) => format!("$in{index}"),
        Producer::Variable(slot) => format!("$v{slot}"),
        Producer::Constant(array) if array.len() == 1 => {
            array.item().map_or_else(|_| format!("%{}", value.0), |number| format!("{number}"))
        }
        Producer::Constant(array) => format!("const {}", array.spec()),
        Producer::Node(..) => format!("%{}", value.0),
    }
}

/// Whether `IRONHORN_DEBUG` (a comma-separated list) names `topic`.
pub fn debugging(topic: &str) -> bool {
    std::env::var("IRONHORN_DEBUG").is_ok_and(|topics| topics.split(',').any(|found| found.trim() == topic))
}

/// Writes a text for someone debugging to standard error.
pub fn report(title: &str, text: &str) {
    eprintln!("--- ironhorn: {title}\n{text}");
}
