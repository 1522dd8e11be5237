//! Ops of neural networks.

pub mod batch_norm;
pub mod conv;
pub mod conv_moments;
pub mod conv_transpose;
pub mod cross_entropy;
pub mod layer_norm;
pub mod pointwise_depthwise;
pub mod pool;
pub mod resample;
pub mod softmax;

use crate::core::{DType, Error, Result};
use crate::ops::control::body::Body;
use crate::ops::gradients::gradients;
use crate::ops::{GradContext, Graph, Op, Operation, Value};

/// An op of 16-bit floats, which are storage: computed in float32 and rounded once; `None` for other types.
pub fn half_by_float32(op: impl Into<Op>, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
    let half = inputs.iter().map(|&input| graph.dtype(input)).find(|dtype| dtype.is_half())?;
    let run = || -> Result<Vec<Value>> {
        let mut wide = Vec::with_capacity(inputs.len());
        for &input in inputs {
            let dtype = if graph.dtype(input).is_half() { DType::Float32 } else { graph.dtype(input) };
            wide.push(graph.cast(input, dtype)?);
        }
        let results = graph.append(op, &wide)?;
        results.into_iter().map(|result| graph.cast(result, half)).collect()
    };
    Some(run())
}

/// The gradients of a fused op through its decomposition: for outputs and orders of differentiation that have no fused
/// kernel.
fn gradients_of_decomposition(op: &impl Operation, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
    // In a graph of its own, whose inputs do not depend on one another.
    let mut graph = Graph::new();
    graph.set_scope(context.graph.scope());
    let inputs: Vec<Value> =
        context.inputs.iter().map(|&input| graph.input(context.graph.spec(input).clone())).collect();
    let outputs =
        op.decompose(&mut graph, &inputs).ok_or_else(|| Error::internal("a fused op without a decomposition"))??;
    let (mut targets, mut arriving) = (Vec::new(), Vec::new());
    for (&output, gradient) in outputs.iter().zip(context.gradients) {
        if let Some(gradient) = *gradient {
            targets.push((output, Some(graph.input(context.graph.spec(gradient).clone()))));
            arriving.push(gradient);
        }
    }
    let wanted: Vec<usize> = (0..inputs.len()).filter(|&i| context.wanted[i]).collect();
    let sources: Vec<Value> = wanted.iter().map(|&i| inputs[i]).collect();
    let found = gradients(&mut graph, &targets, &sources)?;
    let body = Body::new(graph, found.iter().copied().flatten().collect())?;
    let operands: Vec<Value> = context.inputs.iter().copied().chain(arriving).collect();
    let mut written = body.inline(context.graph, &operands).into_iter();
    let mut all = vec![None; inputs.len()];
    for (&i, gradient) in wanted.iter().zip(found) {
        all[i] = gradient.and_then(|_| written.next());
    }
    Ok(all)
}
