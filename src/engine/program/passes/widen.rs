//! Lets ops that compute work on 16-bit floats in float32: a cast before each such operand and one behind each result.
//!
//! ```text
//! bfloat16 product:   x bf16 -> cast -> matmul in float32 -> cast -> y bf16
//! ```
//!
//! A plan would do the same op by op (see `decompose`); here the casts become part of the program, so that the chains of
//! elementwise ops around them take them in, which load and store 16 bits. Ops that only move elements take 16-bit floats
//! as they are, and elementwise ops compute in float32 by themselves.

use super::rebuild::Rebuild;
use crate::core::{DType, Result, Spec};
use crate::ops::math::cast::Cast;
use crate::ops::{Node, Op, Value};
use crate::program::Program;

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    let is_narrow = |node: &Node| computes(&node.op) && node.inputs.iter().any(|&input| graph.dtype(input).is_half());
    if !graph.nodes.iter().any(is_narrow) {
        return Ok(program.clone());
    }
    let mut rebuild = Rebuild::new(program);
    for node in &graph.nodes {
        if is_narrow(node) {
            widen(program, &mut rebuild, node)?;
        } else {
            rebuild.copy(node);
        }
    }
    rebuild.finish()
}

fn widen(program: &Program, rebuild: &mut Rebuild, node: &Node) -> Result<()> {
    let scope = &node.scope;
    let cast = |rebuild: &mut Rebuild, value: Value, spec: Spec| {
        let op = Op::Cast(Cast { dtype: spec.dtype });
        rebuild.new.append_inferred(op, &[value], vec![spec], scope.clone())[0]
    };
    let mut inputs = Vec::with_capacity(node.inputs.len());
    for input in rebuild.get_all(&node.inputs) {
        let Spec { shape, dtype } = rebuild.new.spec(input).clone();
        inputs.push(if dtype.is_half() { cast(rebuild, input, Spec::new(shape, DType::Float32)) } else { input });
    }
    // The types follow from the op; the lengths are known by the symbols that the results had before.
    let specs: Vec<&Spec> = inputs.iter().map(|&input| rebuild.new.spec(input)).collect();
    let inferred = node.op.infer(&specs).map_err(|error| error.at(scope, node.op.name()))?;
    let wide = node.outputs.iter().zip(inferred);
    let wide = wide.map(|(&output, spec)| Spec::new(program.graph.shape(output).clone(), spec.dtype)).collect();
    let outputs = rebuild.new.append_inferred(node.op.clone(), &inputs, wide, scope.clone());
    for (&old, new) in node.outputs.iter().zip(outputs) {
        let spec = program.graph.spec(old).clone();
        let new = if rebuild.new.dtype(new) == spec.dtype { new } else { cast(rebuild, new, spec) };
        rebuild.set(old, new);
    }
    Ok(())
}

/// Whether an op adds or multiplies and is not elementwise.
fn computes(op: &Op) -> bool {
    matches!(
        op,
        Op::MatMul(_)
            | Op::Conv(_)
            | Op::ConvInputGrad(_)
            | Op::ConvKernelGrad(_)
            | Op::ConvTranspose(_)
            | Op::Reduce(_)
            | Op::SumLike(_)
            | Op::Pool(_)
            | Op::MaxPoolGrad(_)
            | Op::AveragePoolGrad(_)
            | Op::Resample(_)
            | Op::ResampleGrad(_)
            | Op::Softmax(_)
            | Op::LogSoftmax(_)
            | Op::SoftmaxGrad(_)
            | Op::SparseCrossEntropy(_)
            | Op::SparseCrossEntropyGrad(_)
            | Op::BatchNormTrain(_)
            | Op::BatchNormGrad(_)
            | Op::LayerNorm(_)
            | Op::LayerNormGrad(_)
            | Op::Cumulate(_)
            | Op::LinearRecurrence(_)
    )
}
