//! Makes one node of a convolution of one pixel and the depthwise convolution that alone reads its result.
//!
//! ```text
//! depthwise(relu6(pointwise(x, w) + b), v)         pointwise_depthwise(x, w, b, v)
//! ```
//!
//! The values in between, the largest of networks like `MobileNet`, are not written to memory. In training the gradient reads
//! them, so nothing changes.

use super::rebuild::{Rebuild, uses};
use crate::core::Result;
use crate::ops::nn::conv::Conv;
use crate::ops::nn::pointwise_depthwise::PointwiseDepthwise;
use crate::ops::{Graph, Node, Op, Producer, Value};
use crate::program::Program;

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    let uses = uses(program);
    let mut absorbed = vec![false; graph.nodes.len()];
    let mut fused: Vec<Option<(Op, Vec<Value>)>> = vec![None; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        let Some((producer, pointwise, depthwise)) = pair(graph, node, &uses) else { continue };
        let inputs = graph.nodes[producer].inputs.iter().chain(&node.inputs[1..]).copied().collect();
        let op = PointwiseDepthwise { pointwise: pointwise.clone(), depthwise: depthwise.clone() };
        absorbed[producer] = true;
        fused[index] = Some((Op::PointwiseDepthwise(op), inputs));
    }
    if !absorbed.contains(&true) {
        return Ok(program.clone());
    }
    let mut rebuild = Rebuild::new(program);
    for (index, node) in graph.nodes.iter().enumerate().filter(|&(index, _)| !absorbed[index]) {
        match &fused[index] {
            None => rebuild.copy(node),
            Some((op, inputs)) => {
                let inputs = rebuild.get_all(inputs);
                let spec = graph.spec(node.outputs[0]).clone();
                let output = rebuild.new.append_inferred(op.clone(), &inputs, vec![spec], node.scope.clone());
                rebuild.set(node.outputs[0], output[0]);
            }
        }
    }
    rebuild.finish()
}

/// The node that makes what the depthwise convolution `node` reads, and both convolutions.
fn pair<'a>(graph: &'a Graph, node: &'a Node, uses: &[u32]) -> Option<(usize, &'a Conv, &'a Conv)> {
    let Op::Conv(depthwise) = &node.op else { return None };
    let between = node.inputs[0];
    let Producer::Node(producer, _) = *graph.producer(between) else { return None };
    let Op::Conv(pointwise) = &graph.nodes[producer].op else { return None };
    let single = graph.shape(graph.nodes[producer].inputs[1]).0.iter().rev().skip(2).all(|dim| dim.known() == Some(1));
    let weights = &graph.shape(node.inputs[1]).0;
    let filters = weights.last().and_then(|dim| dim.known());
    let fits = single
        && pointwise.is_pointwise()
        && !pointwise.epilogue.residual
        && depthwise.groups > 1
        && filters == Some(depthwise.groups)
        && weights[weights.len() - 2].known() == Some(1)
        && !depthwise.epilogue.residual
        && depthwise.strides.len() < 3
        && uses[between.0 as usize] == 1
        && graph.dtype(between).is_compute_float();
    fits.then_some((producer, pointwise, depthwise))
}
