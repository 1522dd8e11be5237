//! `cross_entropy(x, targets)`: a loss for every row of scores `x (rows.., classes)`, without losing the small probabilities.
//!
//! ```text
//! sparse      targets (rows..) are class numbers: t is 1 there, 0 elsewhere; one outside of the classes is an error when
//!             the program runs
//! otherwise   targets t (rows.., classes)
//!
//! no margin   x are logits:          -sum t log softmax(x)
//! margin      x are probabilities:   -sum t log min(max(x / sum x, margin), 1 - margin)
//! ```
//!
//! Gradient: `dx = g (softmax(x) sum t - t)` of logits; of probabilities what the formula's parts give.
//!
//! `softmax_cross_entropy(x, targets, seed)` is the end of a training step in one pass over logits `x`, which the pass
//! `fuse_loss` makes: the losses, of `softmax(x)` where there is a margin; the gradient of `x`, `seed` being those of the losses,
//! one for all or one a row; `softmax(x)`; and 1 for every row where the first of the largest scores (logits, or probabilities
//! where there is a margin) is at the first of the largest targets, else 0. Results that nobody reads are not made.

use ironhorn_kernels::cpu::elementwise::Scalar;

use super::softmax::{LogSoftmax, Softmax, SoftmaxGrad};
use super::{gradients_of_decomposition, half_by_float32};
use crate::core::{DType, Dim, Error, Result, Shape, Spec};
use crate::ops::control::body::Body;
use crate::ops::gradients::gradients;
use crate::ops::index::one_hot::OneHot;
use crate::ops::reduce::ReduceKind;
use crate::ops::reduce::arg_reduce::ArgReduce;
use crate::ops::{Attributes, GradContext, Graph, Operation, Real, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CrossEntropy {
    pub sparse: bool,
    pub margin: Option<Real>,
}

impl CrossEntropy {
    fn from_attributes(attributes: &mut Attributes) -> Result<Self> {
        let margin = attributes.float("margin", -1.0)?;
        Ok(CrossEntropy { sparse: attributes.bool("sparse", false)?, margin: (margin >= 0.0).then_some(Real(margin)) })
    }

    /// The spec of the losses, after checking scores and targets against each other.
    fn rows(&self, x: &Spec, targets: &Spec) -> Result<Spec> {
        if !x.dtype.is_float() {
            return Err(Error::dtype(format!("takes scores of floats, got {}; cast them first", x.dtype)));
        }
        let Some((_, lead)) = x.shape.0.split_last() else {
            return Err(Error::shape("the scores need a class axis, got a scalar"));
        };
        if !self.sparse && targets.dtype != x.dtype {
            return Err(Error::dtype(format!("targets are {}, scores {}; cast one", targets.dtype, x.dtype)));
        }
        if self.sparse && !targets.dtype.is_integer() {
            return Err(Error::dtype(format!("takes integer labels, got {}; cast them to int32 first", targets.dtype)));
        }
        let wanted = if self.sparse { lead } else { &x.shape.0 };
        if !Shape(wanted.to_vec()).agrees(&targets.shape) {
            let (what, how) = if self.sparse {
                ("labels", "labels have the scores' shape without the last axis")
            } else {
                ("targets", "targets have the scores' shape")
            };
            return Err(Error::shape(format!(
                "{what} of shape {} do not fit scores of shape {}; {how}",
                targets.shape, x.shape
            )));
        }
        let known = |(&a, &b): (&Dim, &Dim)| if a.known().is_some() { a } else { b };
        Ok(Spec::new(Shape(lead.iter().zip(&targets.shape.0).map(known).collect()), x.dtype))
    }

    /// Targets as rows in the type and with the classes of `x`.
    fn weights(&self, graph: &mut Graph, x: Value, targets: Value) -> Result<Value> {
        if !self.sparse {
            return Ok(targets);
        }
        let classes = graph.shape(x).0.last().and_then(|dim| dim.known());
        let depth = classes.ok_or_else(|| Error::shape("the number of classes must be known"))?;
        let dtype = graph.dtype(x);
        graph.apply(OneHot { depth, axis: -1, dtype }, &[targets])
    }

    /// The losses in simpler ops.
    fn write(&self, graph: &mut Graph, x: Value, targets: Value) -> Result<Value> {
        let weights = self.weights(graph, x, targets)?;
        let Some(Real(margin)) = self.margin else {
            let logs = graph.apply(LogSoftmax, &[x])?;
            let product = graph.mul(logs, weights)?;
            let sum = graph.reduce(ReduceKind::Sum, product, &[-1], false)?;
            return graph.neg(sum);
        };
        let sum = graph.reduce(ReduceKind::Sum, x, &[-1], true)?;
        let share = graph.div(x, sum)?;
        let [low, high] = [margin, 1.0 - margin].map(|bound| graph.scalar(bound, graph.dtype(x)));
        let share = graph.elementwise(Scalar::Maximum, &[share, low?])?;
        let share = graph.elementwise(Scalar::Minimum, &[share, high?])?;
        let logs = graph.elementwise(Scalar::Log, &[share])?;
        let product = graph.mul(logs, weights)?;
        let sum = graph.reduce(ReduceKind::Sum, product, &[-1], false)?;
        graph.neg(sum)
    }

    /// Kernels read labels as they are in the commonest types, others as int64.
    fn with_wide_labels(
        &self,
        op: impl Into<crate::ops::Op>,
        graph: &mut Graph,
        inputs: &[Value],
    ) -> Option<Result<Vec<Value>>> {
        if !self.sparse || matches!(graph.dtype(inputs[1]), DType::Int64 | DType::Int32 | DType::Uint8) {
            return None;
        }
        let run = || -> Result<Vec<Value>> {
            let mut inputs = inputs.to_vec();
            inputs[1] = graph.cast(inputs[1], DType::Int64)?;
            graph.append(op, &inputs)
        };
        Some(run())
    }
}

impl Operation for CrossEntropy {
    const NAME: &'static str = "cross_entropy";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        CrossEntropy::from_attributes(attributes)
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        Ok(vec![self.rows(inputs[0], inputs[1])?])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        if !self.sparse && context.wanted[1] {
            return gradients_of_decomposition(self, context);
        }
        let g = context.gradient(0)?;
        let (x, targets) = (context.inputs[0], context.inputs[1]);
        let gradient = CrossEntropyGrad { loss: self.clone() };
        Ok(vec![Some(context.graph.apply(gradient, &[x, targets, g])?), None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone(), graph, inputs)
            .or_else(|| self.with_wide_labels(self.clone(), graph, inputs))
            .or_else(|| Some(self.write(graph, inputs[0], inputs[1]).map(|losses| vec![losses])))
    }
}

/// The gradient of the scores: `(x, targets, g)`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CrossEntropyGrad {
    pub loss: CrossEntropy,
}

impl CrossEntropyGrad {
    fn write(&self, graph: &mut Graph, inputs: &[Value]) -> Result<Vec<Value>> {
        // In a graph of its own, whose inputs do not depend on one another.
        let mut own = Graph::new();
        own.set_scope(graph.scope());
        let values: Vec<Value> = inputs.iter().map(|&input| own.input(graph.spec(input).clone())).collect();
        let losses = self.loss.write(&mut own, values[0], values[1])?;
        let found = gradients(&mut own, &[(losses, Some(values[2]))], &values[..1])?;
        let dx = found[0].ok_or_else(|| Error::internal("losses depend on scores"))?;
        Ok(Body::new(own, vec![dx])?.inline(graph, inputs))
    }
}

impl Operation for CrossEntropyGrad {
    const NAME: &'static str = "cross_entropy_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(CrossEntropyGrad { loss: CrossEntropy::from_attributes(attributes)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 3)?;
        let losses = self.loss.rows(inputs[0], inputs[1])?;
        if inputs[2].dtype != losses.dtype || !inputs[2].shape.agrees(&losses.shape) {
            return Err(Error::shape(format!("a gradient {} for losses {losses}", inputs[2])));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        gradients_of_decomposition(self, context)
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone(), graph, inputs)
            .or_else(|| self.loss.with_wide_labels(self.clone(), graph, inputs))
            .or_else(|| Some(self.write(graph, inputs)))
    }
}

/// Losses, gradient of the logits, probabilities and hits: `(x, targets, seed)`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SoftmaxCrossEntropy {
    pub loss: CrossEntropy,
}

impl SoftmaxCrossEntropy {
    fn write(&self, graph: &mut Graph, inputs: &[Value]) -> Result<Vec<Value>> {
        let (x, targets) = (inputs[0], inputs[1]);
        let probabilities = graph.apply(Softmax, &[x])?;
        let scores = if self.loss.margin.is_some() { probabilities } else { x };
        let losses = graph.apply(self.loss.clone(), &[scores, targets])?;
        let seed = graph.broadcast_like(inputs[2], losses)?;
        let gradient = CrossEntropyGrad { loss: self.loss.clone() };
        let mut gradient = graph.apply(gradient, &[scores, targets, seed])?;
        if self.loss.margin.is_some() {
            gradient = graph.apply(SoftmaxGrad { log: false }, &[probabilities, gradient])?;
        }
        let place = ArgReduce { largest: true, axis: -1, keepdims: false };
        let best = graph.apply(place.clone(), &[scores])?;
        let target =
            if self.loss.sparse { graph.cast(targets, DType::Int64)? } else { graph.apply(place, &[targets])? };
        let hit = graph.elementwise(Scalar::Equal, &[best, target])?;
        let hits = graph.cast(hit, graph.dtype(x))?;
        Ok(vec![losses, gradient, probabilities, hits])
    }
}

impl Operation for SoftmaxCrossEntropy {
    const NAME: &'static str = "softmax_cross_entropy";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Err(Error::value("fused ops are made by passes, not by callers"))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 3)?;
        let (x, seed) = (inputs[0], inputs[2]);
        let losses = self.loss.rows(x, inputs[1])?;
        if seed.dtype != losses.dtype || (seed.rank() > 0 && !seed.shape.agrees(&losses.shape)) {
            return Err(Error::shape(format!("a gradient {seed} for losses {losses}")));
        }
        Ok(vec![losses.clone(), x.clone(), x.clone(), losses])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Err(Error::internal("gradients are written before losses are fused"))
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone(), graph, inputs)
            .or_else(|| self.loss.with_wide_labels(self.clone(), graph, inputs))
            .or_else(|| Some(self.write(graph, inputs)))
    }
}
