//! Lets a maximum over windows remember where it found each, for its gradient.
//!
//! ```text
//! y = pool(x)                              y, places = max_pool_places(x)
//! relu_grad(x, max_pool_grad(x, g))        max_pool_places_grad(g, places, like x)       relu_grad may be missing
//! sum over pixels of that                  max_pool_places_sum(g, places)                the bias of a convolution
//! ```
//!
//! The gradient then reads a byte and a number a window where it read `x` twice, and `x` may end with the forward pass.

use ironhorn_kernels::cpu::elementwise::Scalar;
use ironhorn_kernels::cpu::pool::MOST_PLACES;

use super::rebuild::{Rebuild, uses};
use crate::core::{DType, Result};
use crate::ops::elementwise::Elementwise;
use crate::ops::nn::pool::{MaxPoolPlaces, MaxPoolPlacesGrad, MaxPoolPlacesSum, Pool, PoolKind};
use crate::ops::{Graph, Node, Op, Value};
use crate::program::Program;

/// A maximum and its gradient, by the numbers of their nodes.
struct Pair {
    pool: usize,
    gradient: usize,
    /// The derivative of relu behind it.
    relu: Option<usize>,
    /// Sums over all pixels of the last of these.
    sums: Vec<usize>,
}

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    let pairs = pairs(program);
    if pairs.is_empty() {
        return Ok(program.clone());
    }
    let mut places: Vec<Option<Value>> = vec![None; pairs.len()];
    let mut rebuild = Rebuild::new(program);
    for (index, node) in graph.nodes.iter().enumerate() {
        let part_of = |pair: &Pair| {
            pair.pool == index || pair.gradient == index || pair.relu == Some(index) || pair.sums.contains(&index)
        };
        let Some(number) = pairs.iter().position(part_of) else {
            rebuild.copy(node);
            continue;
        };
        let pair = &pairs[number];
        if pair.pool == index {
            places[number] = Some(write_pool(&mut rebuild, node, pair.relu.is_some()));
        } else if let Some(places) = places[number] {
            if pair.sums.contains(&index) {
                write_sum(&mut rebuild, node, graph.nodes[pair.gradient].inputs[1], places);
            } else if pair.gradient == index {
                // The derivative of relu is the same value.
                write_gradient(&mut rebuild, node, pair.relu.map(|relu| &graph.nodes[relu]), places);
            }
        }
    }
    rebuild.finish()
}

fn pairs(program: &Program) -> Vec<Pair> {
    let graph = &program.graph;
    let uses = uses(program);
    let mut pairs: Vec<Pair> = Vec::new();
    for (gradient, node) in graph.nodes.iter().enumerate() {
        let Op::MaxPoolGrad(op) = &node.op else { continue };
        let x = node.inputs[0];
        let small = op.windows.pixels().is_some_and(|pixels| pixels <= MOST_PLACES);
        if !small || !graph.dtype(x).is_compute_float() {
            continue;
        }
        let is_forward = |node: &Node| match &node.op {
            Op::Pool(Pool { kind: PoolKind::Max, windows }) => *windows == op.windows && node.inputs[0] == x,
            _ => false,
        };
        let Some(pool) = graph.nodes[..gradient].iter().position(is_forward) else { continue };
        if pairs.iter().any(|pair| pair.pool == pool) {
            continue;
        }
        let dx = node.outputs[0];
        let relu = reader(graph, dx, |node| is_relu_gradient(node) && node.inputs == [x, dx])
            .filter(|&relu| uses[dx.0 as usize] == 1 && graph.spec(graph.nodes[relu].outputs[0]) == graph.spec(dx));
        let last = relu.map_or(dx, |relu| graph.nodes[relu].outputs[0]);
        let is_sum = |node: &Node| {
            let channels = graph.shape(last).0.last().filter(|channels| channels.known().is_some());
            let vector = |value: &Value| graph.shape(*value).rank() == 1 && graph.shape(*value).0.last() == channels;
            matches!(node.op, Op::SumLike(_)) && node.inputs[0] == last && vector(&node.outputs[0])
        };
        let sums = (gradient..graph.nodes.len()).filter(|&index| is_sum(&graph.nodes[index])).collect();
        pairs.push(Pair { pool, gradient, relu, sums });
    }
    pairs
}

fn is_relu_gradient(node: &Node) -> bool {
    matches!(node.op, Op::Elementwise(Elementwise { rule: Scalar::ReluGradient }))
}

/// The first node that reads `value` and is as asked for.
fn reader(graph: &Graph, value: Value, fits: impl Fn(&Node) -> bool) -> Option<usize> {
    graph.nodes.iter().position(|node| node.inputs.contains(&value) && fits(node))
}

fn write_pool(rebuild: &mut Rebuild, node: &Node, gated: bool) -> Value {
    let Op::Pool(pool) = &node.op else { unreachable!("a pair has a pool") };
    let op = MaxPoolPlaces { windows: pool.windows.clone(), gated };
    let x = rebuild.get(node.inputs[0]);
    let y = rebuild.old.graph.spec(node.outputs[0]).clone();
    let places = crate::core::Spec::new(y.shape.clone(), DType::Uint8);
    let made = rebuild.new.append_inferred(Op::MaxPoolPlaces(op), &[x], vec![y, places], node.scope.clone());
    rebuild.set(node.outputs[0], made[0]);
    made[1]
}

fn write_gradient(rebuild: &mut Rebuild, node: &Node, relu: Option<&Node>, places: Value) {
    let Op::MaxPoolGrad(op) = &node.op else { unreachable!("a pair has a gradient") };
    let op = MaxPoolPlacesGrad { windows: op.windows.clone() };
    let (x, g) = (rebuild.get(node.inputs[0]), rebuild.get(node.inputs[1]));
    let spec = rebuild.old.graph.spec(node.outputs[0]).clone();
    let made = rebuild.new.append_inferred(Op::MaxPoolPlacesGrad(op), &[g, places, x], vec![spec], node.scope.clone());
    for node in relu.into_iter().chain([node]) {
        rebuild.set(node.outputs[0], made[0]);
    }
}

/// Each `g` that has a place goes to one pixel, so their sum is that over the pixels.
fn write_sum(rebuild: &mut Rebuild, node: &Node, g: Value, places: Value) {
    let g = rebuild.get(g);
    let spec = rebuild.old.graph.spec(node.outputs[0]).clone();
    let sum = rebuild.new.append_inferred(
        Op::MaxPoolPlacesSum(MaxPoolPlacesSum),
        &[g, places],
        vec![spec],
        node.scope.clone(),
    );
    rebuild.set(node.outputs[0], sum[0]);
}
