//! Leaves out nodes whose outputs nobody reads, unless a length that others speak of is known from them alone: plans learn
//! lengths where they infer shapes.

use std::collections::HashSet;

use super::rebuild::Rebuild;
use crate::core::shape::Bindings;
use crate::core::{Dim, Result, Symbol};
use crate::ops::{Effects, Graph, Producer, Value};
use crate::program::Program;

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    let mut live = vec![false; graph.nodes.len()];
    let mut stack: Vec<usize> = program.roots().filter_map(|root| producer(program, root)).collect();
    stack.extend(graph.nodes.iter().enumerate().filter(|(_, n)| n.op.effects() == Effects::Updates).map(|(i, _)| i));
    while !stack.is_empty() {
        while let Some(index) = stack.pop() {
            if !std::mem::replace(&mut live[index], true) {
                stack.extend(graph.nodes[index].inputs.iter().filter_map(|&input| producer(program, input)));
            }
        }
        stack = sources_of_lengths(graph, &live);
    }
    let mut rebuild = Rebuild::new(program);
    for (node, _) in graph.nodes.iter().zip(&live).filter(|(_, live)| **live) {
        rebuild.copy(node);
    }
    rebuild.finish()
}

/// The dead nodes that make lengths which live nodes speak of.
fn sources_of_lengths(graph: &Graph, live: &[bool]) -> Vec<usize> {
    let symbols = |value: Value| {
        graph.shape(value).0.iter().filter_map(|&dim| match dim {
            Dim::Symbol(symbol) => Some(symbol),
            Dim::Known(_) => None,
        })
    };
    // What is known without the dead nodes: a node makes the lengths of its results that are neither its inputs' nor spoken of
    // by its op.
    let mut known: HashSet<Symbol> =
        graph.inputs.iter().chain(&graph.variables).flat_map(|&value| symbols(value)).collect();
    for (node, _) in graph.nodes.iter().zip(live).filter(|(_, live)| **live) {
        let taken: HashSet<Symbol> = node.inputs.iter().flat_map(|&input| symbols(input)).collect();
        let made: HashSet<Symbol> = node.outputs.iter().flat_map(|&output| symbols(output)).collect();
        let made = made.into_iter().filter(|symbol| !known.contains(symbol) && !taken.contains(symbol));
        let made: Vec<Symbol> =
            made.filter(|&symbol| node.op.bind(&Bindings::from([(symbol, 1)])) == node.op).collect();
        known.extend(made);
    }
    for derived in &graph.derived {
        if [derived.a, derived.b].iter().all(|dim| is_known(*dim, &known)) {
            known.insert(derived.symbol);
        }
    }
    let missing: Vec<(usize, Symbol)> = (0..live.len())
        .filter(|&index| !live[index])
        .flat_map(|index| {
            graph.nodes[index].outputs.iter().flat_map(|&output| symbols(output)).map(move |s| (index, s))
        })
        .filter(|(_, symbol)| !known.contains(symbol))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    // What live nodes speak of and is not known, and what that follows from.
    let mut asked: HashSet<Symbol> = missing.iter().map(|&(_, symbol)| symbol).collect();
    asked.extend(graph.derived.iter().map(|derived| derived.symbol).filter(|symbol| !known.contains(symbol)));
    let every: Bindings = asked.iter().map(|&symbol| (symbol, 1)).collect();
    let mut wanted: HashSet<Symbol> = HashSet::new();
    for (node, _) in graph.nodes.iter().zip(live).filter(|(_, live)| **live) {
        if node.op.bind(&every) != node.op {
            wanted.extend(asked.iter().filter(|&&symbol| node.op.bind(&Bindings::from([(symbol, 1)])) != node.op));
        }
    }
    for derived in graph.derived.iter().rev().filter(|derived| !known.contains(&derived.symbol)) {
        if wanted.contains(&derived.symbol) {
            wanted.extend([derived.a, derived.b].iter().filter_map(|dim| match dim {
                Dim::Symbol(symbol) => Some(*symbol),
                Dim::Known(_) => None,
            }));
        }
    }
    let mut found: Vec<usize> =
        missing.into_iter().filter(|(_, symbol)| wanted.contains(symbol)).map(|(index, _)| index).collect();
    found.dedup();
    found
}

fn is_known(dim: Dim, known: &HashSet<Symbol>) -> bool {
    match dim {
        Dim::Symbol(symbol) => known.contains(&symbol),
        Dim::Known(_) => true,
    }
}

fn producer(program: &Program, value: Value) -> Option<usize> {
    match program.graph.producer(value) {
        Producer::Node(index, _) => Some(*index),
        _ => None,
    }
}
