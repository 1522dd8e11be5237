//! Moves the moments of a batch normalisation in training into the convolution before it.
//!
//! ```text
//! y = conv(x, w)                          y, mean, variance = conv_moments(x, w)
//! batch_norm_train(y, gamma, beta)        batch_norm_apply(y, gamma, beta, mean, variance)
//! ```
//!
//! Each chunk of the convolution adds its rows up while they are in the cache; a pass over `y` less.

use super::rebuild::Rebuild;
use crate::core::Result;
use crate::ops::nn::conv_moments::{BatchNormApply, ConvMoments};
use crate::ops::{Graph, Node, Op, Producer};
use crate::program::Program;

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    // The normalisation that takes its moments from each convolution.
    let mut norms: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        if let Some(conv) = convolution(graph, node) {
            norms[conv].get_or_insert(index);
        }
    }
    if norms.iter().all(Option::is_none) {
        return Ok(program.clone());
    }
    let mut rebuild = Rebuild::new(program);
    for (index, node) in graph.nodes.iter().enumerate() {
        match (&node.op, norms[index]) {
            (Op::Conv(conv), Some(norm)) => {
                let norm = &graph.nodes[norm];
                let results = [node.outputs[0], norm.outputs[1], norm.outputs[2]];
                let specs = results.iter().map(|&result| graph.spec(result).clone()).collect();
                let inputs = rebuild.get_all(&node.inputs);
                let op = Op::ConvMoments(ConvMoments { conv: conv.clone() });
                let made = rebuild.new.append_inferred(op, &inputs, specs, node.scope.clone());
                for (old, new) in results.into_iter().zip(made) {
                    rebuild.set(old, new);
                }
            }
            (Op::BatchNormTrain(op), _) if convolution(graph, node).is_some_and(|conv| norms[conv] == Some(index)) => {
                let vectors = [node.inputs[1], node.inputs[2], node.outputs[1], node.outputs[2]];
                let mut inputs = vec![node.inputs[0]];
                inputs.extend(vectors);
                inputs.extend(&node.inputs[3..]);
                let inputs = rebuild.get_all(&inputs);
                let spec = graph.spec(node.outputs[0]).clone();
                let op = Op::BatchNormApply(BatchNormApply::of(op));
                let made = rebuild.new.append_inferred(op, &inputs, vec![spec], node.scope.clone());
                rebuild.set(node.outputs[0], made[0]);
            }
            _ => rebuild.copy(node),
        }
    }
    rebuild.finish()
}

/// The convolution whose result a normalisation without weights takes the moments of.
fn convolution(graph: &Graph, node: &Node) -> Option<usize> {
    let Op::BatchNormTrain(norm) = &node.op else { return None };
    let weighted = norm.optional(node.inputs.len()).0.is_some();
    let Producer::Node(index, _) = *graph.producer(node.inputs[0]) else { return None };
    let Op::Conv(conv) = &graph.nodes[index].op else { return None };
    // Depthwise kernels, which add no residual, are decomposed where there is one.
    let fits = !weighted && !conv.epilogue.residual && graph.dtype(node.inputs[0]).is_compute_float();
    fits.then_some(index)
}
