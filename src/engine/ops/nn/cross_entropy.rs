//! `sparse_cross_entropy(x, labels)`: `-log softmax(x)[label]` for every row of logits `x (rows.., classes)` and class
//! numbers `labels (rows..)`, in one pass and without losing the small probabilities.
//!
//! With `normalized`, `x` holds logarithms of probabilities already, and the loss is `-x[label]`. A label outside of the
//! classes is an error when the program runs.
//!
//! Gradient: `dx = g (softmax(x) - one_hot(label))`, or `-g one_hot(label)`.

use super::half_by_float32;
use super::softmax::{LogSoftmax, Softmax, SoftmaxGrad};
use crate::core::{DType, Dim, Error, Result, Shape, Spec};
use crate::ops::index::one_hot::OneHot;
use crate::ops::reduce::ReduceKind;
use crate::ops::shape::reshape::Reshape;
use crate::ops::{Attributes, GradContext, Graph, Operation, Value, expect_inputs};

/// The shape of the rows, after checking logits and labels against each other.
fn rows(x: &Spec, labels: &Spec) -> Result<Shape> {
    if !x.dtype.is_float() {
        return Err(Error::dtype(format!("takes logits of floats, got {}; cast them first", x.dtype)));
    }
    if !labels.dtype.is_integer() {
        return Err(Error::dtype(format!("takes integer labels, got {}; cast them to int32 first", labels.dtype)));
    }
    let Some((_, lead)) = x.shape.0.split_last() else {
        return Err(Error::shape("the logits need a class axis, got a scalar"));
    };
    let lead = Shape(lead.to_vec());
    if !lead.agrees(&labels.shape) {
        return Err(Error::shape(format!(
            "labels of shape {} do not fit logits of shape {}; labels have the logits' shape without the last axis",
            labels.shape, x.shape
        )));
    }
    let known = |(&a, &b): (&Dim, &Dim)| if a.known().is_some() { a } else { b };
    Ok(Shape(lead.0.iter().zip(&labels.shape.0).map(known).collect()))
}

/// `one_hot(labels)` in the type and with the classes of `x`.
fn hot(graph: &mut Graph, x: Value, labels: Value) -> Result<Value> {
    let classes = graph.shape(x).0.last().and_then(|dim| dim.known());
    let depth = classes.ok_or_else(|| Error::shape("the number of classes must be known"))?;
    let dtype = graph.dtype(x);
    graph.apply(OneHot { depth, axis: -1, dtype }, &[labels])
}

/// A value a row as a column beside the classes.
fn column(graph: &mut Graph, row_values: Value) -> Result<Value> {
    let mut shape: Vec<Option<Dim>> = graph.shape(row_values).0.iter().copied().map(Some).collect();
    shape.push(Some(Dim::Known(1)));
    graph.apply(Reshape { shape }, &[row_values])
}

/// Kernels read labels as int64.
fn with_wide_labels<O: Operation>(op: &O, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>>
where
    crate::ops::Op: From<O>,
{
    if graph.dtype(inputs[1]) == DType::Int64 {
        return None;
    }
    let mut run = || -> Result<Vec<Value>> {
        let mut inputs = inputs.to_vec();
        inputs[1] = graph.cast(inputs[1], DType::Int64)?;
        graph.append(op.clone(), &inputs)
    };
    Some(run())
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SparseCrossEntropy {
    pub normalized: bool,
}

impl Operation for SparseCrossEntropy {
    const NAME: &'static str = "sparse_cross_entropy";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(SparseCrossEntropy { normalized: attributes.bool("normalized", false)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        Ok(vec![Spec::new(rows(inputs[0], inputs[1])?, inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        let (x, labels) = (context.inputs[0], context.inputs[1]);
        let gradient = SparseCrossEntropyGrad { normalized: self.normalized };
        Ok(vec![Some(context.graph.apply(gradient, &[x, labels, g])?), None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let plain = |graph: &mut Graph| -> Result<Vec<Value>> {
            let (x, labels) = (inputs[0], inputs[1]);
            let logs = if self.normalized { x } else { graph.apply(LogSoftmax, &[x])? };
            let hot = hot(graph, x, labels)?;
            let product = graph.mul(logs, hot)?;
            let sum = graph.reduce(ReduceKind::Sum, product, &[-1], false)?;
            Ok(vec![graph.neg(sum)?])
        };
        half_by_float32(self.clone(), graph, inputs)
            .or_else(|| with_wide_labels(self, graph, inputs))
            .or_else(|| Some(plain(graph)))
    }
}

/// The gradient of the logits: `(x, labels, g)`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SparseCrossEntropyGrad {
    pub normalized: bool,
}

impl Operation for SparseCrossEntropyGrad {
    const NAME: &'static str = "sparse_cross_entropy_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(SparseCrossEntropyGrad { normalized: attributes.bool("normalized", false)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 3)?;
        let losses = Spec::new(rows(inputs[0], inputs[1])?, inputs[0].dtype);
        if inputs[2].dtype != losses.dtype || !inputs[2].shape.agrees(&losses.shape) {
            return Err(Error::shape(format!("a gradient {} for losses {losses}", inputs[2])));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let v = context.gradient(0)?;
        let (x, labels, g) = (context.inputs[0], context.inputs[1], context.inputs[2]);
        let graph = &mut *context.graph;
        let hot = hot(graph, x, labels)?;
        // dg = sum(v (p - hot)); x is in p alone: dx = d softmax(v g).
        let mut dx = None;
        let slope = if self.normalized {
            graph.neg(hot)?
        } else {
            let p = graph.apply(Softmax, &[x])?;
            let g = column(graph, g)?;
            let arriving = graph.mul(v, g)?;
            dx = Some(graph.apply(SoftmaxGrad { log: false }, &[p, arriving])?);
            graph.sub(p, hot)?
        };
        let product = graph.mul(v, slope)?;
        let dg = graph.reduce(ReduceKind::Sum, product, &[-1], false)?;
        Ok(vec![dx, None, Some(dg)])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let plain = |graph: &mut Graph| -> Result<Vec<Value>> {
            let (x, labels) = (inputs[0], inputs[1]);
            let hot = hot(graph, x, labels)?;
            let slope = if self.normalized {
                graph.neg(hot)?
            } else {
                let p = graph.apply(Softmax, &[x])?;
                graph.sub(p, hot)?
            };
            let g = column(graph, inputs[2])?;
            Ok(vec![graph.mul(slope, g)?])
        };
        half_by_float32(self.clone(), graph, inputs)
            .or_else(|| with_wide_labels(self, graph, inputs))
            .or_else(|| Some(plain(graph)))
    }
}
