//! Moves a scale that follows a product into its weights, where both stay the same from run to run: batch normalisation at
//! inference.
//!
//! ```text
//! (conv(x, w) + b) * s + t      becomes      conv(x, w * s) + (b * s + t)
//! ```
//!
//! `s`, `b` and `t` are vectors along the last axis that depend on constants and unwritten variables only, like `w`. What is
//! new is of this kind, too, so plans compute it once, in their prologues; the sum becomes the product's bias in
//! `fuse_epilogue`. Nobody else may read what is in between. Rounding differs from the program as it was written, within
//! the product's own error.

use ironhorn_kernels::cpu::elementwise::Scalar;

use super::rebuild::{Rebuild, uses};
use crate::core::Result;
use crate::ops::elementwise::Elementwise;
use crate::ops::shape::reshape::Reshape;
use crate::ops::{Graph, Node, Op, Producer, Value};
use crate::program::Program;
use crate::program::stable::stable;

/// One op that follows a product: multiply or add a vector.
#[derive(Clone, Copy)]
enum Step {
    Scale(Value),
    Shift(Value),
}

/// A product and what follows it, in order.
#[derive(Clone)]
struct Chain {
    product: usize,
    steps: Vec<Step>,
}

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    let (stable, uses) = (stable(program), uses(program));
    let mut chains: Vec<Option<Chain>> = vec![None; graph.nodes.len()];
    // The nodes that end in another node's chain.
    let mut continued = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        if scaled_axis(graph, node).is_some() && stable[node.inputs[1].0 as usize] && !stable[node.inputs[0].0 as usize]
        {
            chains[index] = Some(Chain { product: index, steps: Vec::new() });
            continue;
        }
        let Op::Elementwise(Elementwise { rule: rule @ (Scalar::Multiply | Scalar::Add) }) = node.op else { continue };
        for (input, vector) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
            let Producer::Node(producer, _) = *graph.producer(input) else { continue };
            let Some(chain) = chains[producer].clone() else { continue };
            if uses[input.0 as usize] == 1 && stable[vector.0 as usize] && is_vector(graph, vector, input) {
                let step = if rule == Scalar::Multiply { Step::Scale(vector) } else { Step::Shift(vector) };
                let steps = chain.steps.into_iter().chain([step]).collect();
                chains[index] = Some(Chain { steps, ..chain });
                continued[producer] = true;
                break;
            }
        }
    }
    // What is rewritten: chains that nothing continues and that have a scale. The others are copied.
    let scales = |chain: &Chain| chain.steps.iter().any(|step| matches!(step, Step::Scale(_)));
    let ends: Vec<bool> = chains
        .iter()
        .zip(&continued)
        .map(|(chain, continued)| !continued && chain.as_ref().is_some_and(scales))
        .collect();
    let mut absorbed = vec![false; graph.nodes.len()];
    for index in (0..graph.nodes.len()).rev().filter(|&index| ends[index]) {
        let mut member = index;
        while let Some(before) = previous(graph, &chains, member) {
            absorbed[before] = true;
            member = before;
        }
    }
    let mut rebuild = Rebuild::new(program);
    for (index, node) in graph.nodes.iter().enumerate() {
        match &chains[index] {
            _ if absorbed[index] => {}
            Some(chain) if ends[index] => {
                let output = fold(&mut rebuild, &graph.nodes[chain.product], &chain.steps)?;
                rebuild.set(node.outputs[0], output);
            }
            _ => rebuild.copy(node),
        }
    }
    rebuild.finish()
}

/// The node before `index` in its chain.
fn previous(graph: &Graph, chains: &[Option<Chain>], index: usize) -> Option<usize> {
    let chain = chains[index].as_ref().filter(|chain| chain.product != index)?;
    graph.nodes[index].inputs.iter().find_map(|&input| match *graph.producer(input) {
        Producer::Node(node, _) => chains[node].as_ref().filter(|before| before.product == chain.product).map(|_| node),
        _ => None,
    })
}

/// Writes a product with scaled weights, and the sum of what is added to it.
fn fold(rebuild: &mut Rebuild, product: &Node, steps: &[Step]) -> Result<Value> {
    let axis = scaled_axis(&rebuild.old.graph, product).expect("chains begin with products");
    let inputs = rebuild.get_all(&product.inputs);
    let (mut scale, mut shift) = (None, None);
    rebuild.new.set_scope(product.scope.clone());
    for step in steps {
        match *step {
            Step::Scale(vector) => {
                let vector = rebuild.get(vector);
                let graph = &mut rebuild.new;
                scale = Some(scale.map_or(Ok(vector), |scale| graph.mul(scale, vector))?);
                shift = shift.map(|shift| graph.mul(shift, vector)).transpose()?;
            }
            Step::Shift(vector) => {
                let vector = rebuild.get(vector);
                shift = Some(shift.map_or(Ok(vector), |shift| rebuild.new.add(shift, vector))?);
            }
        }
    }
    let spec = rebuild.old.graph.spec(product.outputs[0]).clone();
    let graph = &mut rebuild.new;
    let mut weights = inputs[1];
    if let Some(scale) = scale {
        let trailing = graph.spec(weights).rank() - 1 - axis;
        let along = if trailing == 0 {
            scale
        } else {
            let shape = std::iter::once(None).chain(vec![Some(1.into()); trailing]).collect();
            graph.apply(Reshape { shape }, &[scale])?
        };
        // Weights of bfloat16 are scaled in float32 and rounded again.
        let dtype = graph.dtype(weights);
        weights = graph.cast(weights, graph.dtype(along))?;
        weights = graph.mul(weights, along)?;
        weights = graph.cast(weights, dtype)?;
    }
    let operands = [&[inputs[0], weights], &inputs[2..]].concat();
    let output = graph.append_inferred(product.op.clone(), &operands, vec![spec], product.scope.clone())[0];
    shift.map_or(Ok(output), |shift| graph.add(output, shift))
}

/// The axis of a product's weights that is the last axis of what it makes, where that can be scaled.
fn scaled_axis(graph: &Graph, node: &Node) -> Option<usize> {
    let dtype = graph.dtype(*node.outputs.first()?);
    if !dtype.is_float() || dtype.is_half() {
        return None;
    }
    match &node.op {
        Op::Conv(conv) if conv.epilogue.is_empty() => Some(graph.spec(node.inputs[1]).rank() - 1),
        Op::MatMul(matmul) if matmul.epilogue.is_empty() && graph.spec(node.inputs[1]).rank() == 2 => {
            Some(usize::from(!matmul.transpose_b))
        }
        // Among groups, an axis of the weights is a part of the filters.
        Op::ConvTranspose(op) if op.conv.groups == 1 => Some(graph.spec(node.inputs[1]).rank() - 2),
        _ => None,
    }
}

/// Whether `vector` has one number for each place of the last axis of `product`, and is of its type.
fn is_vector(graph: &Graph, vector: Value, product: Value) -> bool {
    let (vector, product) = (graph.spec(vector), graph.spec(product));
    let last = product.shape.0.last();
    vector.dtype == product.dtype
        && vector.rank() == 1
        && vector.shape.0.last() == last
        && last.is_some_and(|dim| dim.known().is_some())
}
