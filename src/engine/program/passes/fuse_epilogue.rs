//! Moves a bias and a relu that follow a product into the product's store.
//!
//! `relu(matmul(a, b) + bias)` becomes one node when nobody else reads the values in between and the bias is a vector
//! along the last axis. Derivatives of relu read the output, so training programs fuse too.

use ironhorn_kernels::cpu::elementwise::Scalar;

use super::rebuild::{Rebuild, uses};
use crate::core::Result;
use crate::ops::elementwise::Elementwise;
use crate::ops::linalg::matmul::Epilogue;
use crate::ops::{Graph, Op, Producer, Value};
use crate::program::Program;

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    let uses = uses(program);
    let mut rebuild = Rebuild::new(program);
    // A node that was absorbed is written where its last part stood.
    let mut absorbed = vec![false; graph.nodes.len()];
    let mut fused: Vec<Option<(Op, Vec<Value>)>> = vec![None; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        let Op::Elementwise(Elementwise { rule }) = node.op else { continue };
        for (position, &input) in node.inputs.iter().enumerate() {
            let Producer::Node(producer, _) = *graph.producer(input) else { continue };
            if uses[input.0 as usize] != 1 || absorbed[producer] {
                continue;
            }
            let (op, inputs) = match &fused[producer] {
                Some((op, inputs)) => (op, inputs),
                None => (&graph.nodes[producer].op, &graph.nodes[producer].inputs),
            };
            let Some(epilogue) = epilogue(op) else { continue };
            let wider = match rule {
                Scalar::Relu if !epilogue.relu => Some((Epilogue { relu: true, ..epilogue }, None)),
                Scalar::Add if epilogue.is_empty() => {
                    let bias = node.inputs[1 - position];
                    is_bias(graph, bias, input).then_some((Epilogue { bias: true, ..epilogue }, Some(bias)))
                }
                _ => None,
            };
            if let Some((wider, bias)) = wider {
                let inputs = inputs.iter().copied().chain(bias).collect();
                fused[index] = Some((with_epilogue(op, wider), inputs));
                absorbed[producer] = true;
                break;
            }
        }
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        if absorbed[index] {
            continue;
        }
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

/// The epilogue of an op that can have one.
fn epilogue(op: &Op) -> Option<Epilogue> {
    match op {
        Op::MatMul(matmul) => Some(matmul.epilogue),
        Op::Conv(conv) => Some(conv.epilogue),
        _ => None,
    }
}

fn with_epilogue(op: &Op, epilogue: Epilogue) -> Op {
    match op {
        Op::MatMul(matmul) => Op::MatMul(crate::ops::linalg::matmul::MatMul { epilogue, ..matmul.clone() }),
        Op::Conv(conv) => Op::Conv(crate::ops::nn::conv::Conv { epilogue, ..conv.clone() }),
        other => other.clone(),
    }
}

/// Whether `bias` is a vector as long as the product's last axis.
fn is_bias(graph: &Graph, bias: Value, product: Value) -> bool {
    let (bias, product) = (graph.spec(bias), graph.spec(product));
    bias.rank() == 1 && bias.shape.0.last() == product.shape.0.last() && bias.shape.0[0].known().is_some()
}
