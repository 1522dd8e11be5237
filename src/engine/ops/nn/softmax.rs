//! `softmax(x) = exp(x) / sum(exp(x))` and its logarithm, over the last axis.
//!
//! Gradients are written from the result `y`: `dx = y (g - sum(y g))`, and `dx = g - exp(y) sum(g)` for the logarithm.

use ironhorn_kernels::cpu::elementwise::Scalar;

use super::half_by_float32;
use crate::core::{Error, Result, Spec};
use crate::ops::reduce::ReduceKind;
use crate::ops::{Attributes, GradContext, Graph, Operation, Promotion, Value, expect_inputs};

fn infer_same(inputs: &[&Spec], count: usize) -> Result<Vec<Spec>> {
    expect_inputs(inputs, count)?;
    let x = inputs[0];
    if !x.dtype.is_float() {
        return Err(Error::dtype(format!("takes floats, got {}; cast the input first", x.dtype)));
    }
    if x.rank() == 0 {
        return Err(Error::shape("takes an array with at least one axis, got a scalar"));
    }
    match inputs.iter().find(|input| input.dtype != x.dtype || !input.shape.agrees(&x.shape)) {
        None => Ok(vec![x.clone()]),
        Some(other) => Err(Error::shape(format!("a gradient {other} for a result {x}"))),
    }
}

/// The sum over the last axis, which keeps length 1.
fn row_sum(graph: &mut Graph, x: Value) -> Result<Value> {
    graph.reduce(ReduceKind::Sum, x, &[-1], true)
}

/// `x` minus its row's maximum, and the exponential of it.
fn shifted(graph: &mut Graph, x: Value) -> Result<(Value, Value)> {
    let largest = graph.reduce(ReduceKind::Max, x, &[-1], true)?;
    let shifted = graph.sub(x, largest)?;
    Ok((shifted, graph.elementwise(Scalar::Exp, &[shifted])?))
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Softmax;

impl Operation for Softmax {
    const NAME: &'static str = "softmax";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Ok(Softmax)
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        infer_same(inputs, 1)
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.apply(SoftmaxGrad { log: false }, &[context.outputs[0], g])?)])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let plain = |graph: &mut Graph| -> Result<Vec<Value>> {
            let (_, exponentials) = shifted(graph, inputs[0])?;
            let sum = row_sum(graph, exponentials)?;
            Ok(vec![graph.div(exponentials, sum)?])
        };
        half_by_float32(self.clone(), graph, inputs).or_else(|| Some(plain(graph)))
    }

    fn promotion(&self) -> Promotion {
        Promotion::Float
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LogSoftmax;

impl Operation for LogSoftmax {
    const NAME: &'static str = "log_softmax";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Ok(LogSoftmax)
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        infer_same(inputs, 1)
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.apply(SoftmaxGrad { log: true }, &[context.outputs[0], g])?)])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let plain = |graph: &mut Graph| -> Result<Vec<Value>> {
            let (shifted, exponentials) = shifted(graph, inputs[0])?;
            let sum = row_sum(graph, exponentials)?;
            let log = graph.elementwise(Scalar::Log, &[sum])?;
            Ok(vec![graph.sub(shifted, log)?])
        };
        half_by_float32(self.clone(), graph, inputs).or_else(|| Some(plain(graph)))
    }

    fn promotion(&self) -> Promotion {
        Promotion::Float
    }
}

/// The gradient of either from its result: `(y, g)`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SoftmaxGrad {
    pub log: bool,
}

impl Operation for SoftmaxGrad {
    const NAME: &'static str = "softmax_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(SoftmaxGrad { log: attributes.bool("log", false)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        infer_same(inputs, 2)
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let v = context.gradient(0)?;
        let (y, g) = (context.inputs[0], context.inputs[1]);
        let graph = &mut *context.graph;
        if self.log {
            // dg = v - sum(v exp(y)), dy = -v exp(y) sum(g)
            let probabilities = graph.elementwise(Scalar::Exp, &[y])?;
            let product = graph.mul(v, probabilities)?;
            let expected = row_sum(graph, product)?;
            let dg = graph.sub(v, expected)?;
            let sum = row_sum(graph, g)?;
            let scaled = graph.mul(product, sum)?;
            return Ok(vec![Some(graph.neg(scaled)?), Some(dg)]);
        }
        // dg = y (v - sum(y v)), dy = v (g - sum(y g)) - g sum(y v)
        let dg = graph.apply(self.clone(), &[y, v])?;
        let (by_g, by_v) = (graph.mul(y, g)?, graph.mul(y, v)?);
        let (mean_g, mean_v) = (row_sum(graph, by_g)?, row_sum(graph, by_v)?);
        let centred = graph.sub(g, mean_g)?;
        let (first, second) = (graph.mul(v, centred)?, graph.mul(g, mean_v)?);
        Ok(vec![Some(graph.sub(first, second)?), Some(dg)])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let plain = |graph: &mut Graph| -> Result<Vec<Value>> {
            let (y, g) = (inputs[0], inputs[1]);
            if self.log {
                let sum = row_sum(graph, g)?;
                let probabilities = graph.elementwise(Scalar::Exp, &[y])?;
                let expected = graph.mul(probabilities, sum)?;
                return Ok(vec![graph.sub(g, expected)?]);
            }
            let product = graph.mul(y, g)?;
            let mean = row_sum(graph, product)?;
            let centred = graph.sub(g, mean)?;
            Ok(vec![graph.mul(y, centred)?])
        };
        half_by_float32(self.clone(), graph, inputs).or_else(|| Some(plain(graph)))
    }
}
