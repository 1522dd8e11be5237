//! `batch_norm_train(x, gamma, beta[, weights])`: batch normalisation of the last axis by the batch's own moments
//! (Ioffe and Szegedy, 2015), with the moments as further results.
//!
//! ```text
//! x (rows.., channels), gamma and beta (channels,), weights (rows..), ones when there are none; W = sum(weights)
//! mean = sum(weights x) / W        variance = sum(weights (x - mean)^2) / W        both 0 when W is
//! y = (x - mean) / sqrt(variance + epsilon) gamma + beta
//! ```
//!
//! Gradient, with `n = (x - mean) / sqrt(variance + epsilon)`: `d beta = sum(g)`, `d gamma = sum(g n)`, and
//! `dx = gamma / sqrt(variance + epsilon) (g - weights / W (d beta + n d gamma))`, made by one fused op. Gradients that
//! reach the moments, and those of the weights, go through the decomposition.

use ironhorn_kernels::cpu::elementwise::Scalar;

use super::{gradients_of_decomposition, half_by_float32};
use crate::core::{Dim, Error, Result, Shape, Spec};
use crate::ops::reduce::ReduceKind;
use crate::ops::shape::reshape::Reshape;
use crate::ops::{Attributes, GradContext, Graph, Operation, Real, Value, expect_inputs};

/// The specs of `y` and of a channel's number, after checking the inputs against each other.
fn check(x: &Spec, parameters: &[(&str, &Spec)], weights: Option<&&Spec>) -> Result<(Spec, Spec)> {
    if !x.dtype.is_float() {
        return Err(Error::dtype(format!("takes floats, got {}; cast the input first", x.dtype)));
    }
    let Some((&last, lead)) = x.shape.0.split_last() else {
        return Err(Error::shape("takes an array with a channel axis, got a scalar"));
    };
    let mut channels = last;
    for (name, parameter) in parameters {
        if parameter.dtype != x.dtype {
            return Err(Error::dtype(format!(
                "{name} has type {} and the input {}; cast them to one type",
                parameter.dtype, x.dtype
            )));
        }
        if !parameter.shape.agrees(&Shape(vec![channels])) {
            return Err(Error::shape(format!(
                "{name} of shape {} does not fit the last axis of an input of shape {}",
                parameter.shape, x.shape
            )));
        }
        if channels.known().is_none() {
            channels = parameter.shape.0[0];
        }
    }
    let fits = |weights: &&Spec| weights.dtype == x.dtype && weights.shape.agrees(&Shape(lead.to_vec()));
    if let Some(weights) = weights.filter(|weights| !fits(weights)) {
        return Err(Error::shape(format!(
            "weights {weights} do not fit an input {x}; they have its type and its shape without the last axis"
        )));
    }
    Ok((x.clone(), Spec::new(Shape(vec![channels]), x.dtype)))
}

/// Moments of `x` written in ops.
struct Moments {
    mean: Value,
    variance: Value,
    /// `(x - mean)` and `1 / sqrt(variance + epsilon)`.
    centred: Value,
    inverse: Value,
    /// Every row's part in a mean, `(rows.., 1)`; `None` is the same for all.
    share: Option<Value>,
    /// All axes but the last.
    axes: Vec<i64>,
}

impl Moments {
    fn write(graph: &mut Graph, x: Value, weights: Option<&Value>, epsilon: f64) -> Result<Moments> {
        let axes: Vec<i64> = (0..graph.shape(x).rank() as i64 - 1).collect();
        let share = match weights {
            None => None,
            Some(&weights) => {
                let mut column: Vec<Option<Dim>> = graph.shape(weights).0.iter().copied().map(Some).collect();
                column.push(Some(Dim::Known(1)));
                let column = graph.apply(Reshape { shape: column }, &[weights])?;
                let total = graph.reduce(ReduceKind::Sum, weights, &axes, false)?;
                let dtype = graph.dtype(x);
                let (zero, one) = (graph.scalar(0.0, dtype)?, graph.scalar(1.0, dtype)?);
                let nothing = graph.elementwise(Scalar::Equal, &[total, zero])?;
                let total = graph.select(nothing, one, total)?;
                Some(graph.div(column, total)?)
            }
        };
        let mut moments = Moments { mean: x, variance: x, centred: x, inverse: x, share, axes };
        moments.mean = moments.average(graph, x)?;
        moments.centred = graph.sub(x, moments.mean)?;
        let square = graph.mul(moments.centred, moments.centred)?;
        moments.variance = moments.average(graph, square)?;
        let shifted = graph.shift(moments.variance, epsilon)?;
        moments.inverse = graph.elementwise(Scalar::Rsqrt, &[shifted])?;
        Ok(moments)
    }

    /// The weighted mean over the rows.
    fn average(&self, graph: &mut Graph, x: Value) -> Result<Value> {
        match self.share {
            None => graph.reduce(ReduceKind::Mean, x, &self.axes, false),
            Some(share) => {
                let parts = graph.mul(x, share)?;
                graph.reduce(ReduceKind::Sum, parts, &self.axes, false)
            }
        }
    }

    fn normalized(&self, graph: &mut Graph) -> Result<Value> {
        graph.mul(self.centred, self.inverse)
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BatchNormTrain {
    pub epsilon: Real,
}

impl Operation for BatchNormTrain {
    const NAME: &'static str = "batch_norm_train";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(BatchNormTrain { epsilon: Real(attributes.float("epsilon", 1e-3)?) })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, if inputs.len() == 4 { 4 } else { 3 })?;
        let (y, channel) = check(inputs[0], &[("gamma", inputs[1]), ("beta", inputs[2])], inputs.get(3))?;
        Ok(vec![y, channel.clone(), channel])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let moments_reached = context.gradients[1].is_some() || context.gradients[2].is_some();
        if moments_reached || context.wanted.get(3).is_some_and(|&wanted| wanted) {
            return gradients_of_decomposition(self, context);
        }
        let g = context.gradient(0)?;
        let mut operands = vec![g, context.inputs[0], context.inputs[1], context.outputs[1], context.outputs[2]];
        operands.extend(context.inputs.get(3));
        let found = context.graph.append(BatchNormGrad { epsilon: self.epsilon }, &operands)?;
        let mut all: Vec<Option<Value>> = found.into_iter().map(Some).collect();
        all.resize(context.inputs.len(), None);
        Ok(all)
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let plain = |graph: &mut Graph| -> Result<Vec<Value>> {
            let moments = Moments::write(graph, inputs[0], inputs.get(3), self.epsilon.0)?;
            let normalized = moments.normalized(graph)?;
            let scaled = graph.mul(normalized, inputs[1])?;
            Ok(vec![graph.add(scaled, inputs[2])?, moments.mean, moments.variance])
        };
        half_by_float32(self.clone(), graph, inputs).or_else(|| Some(plain(graph)))
    }
}

/// The gradients of `x`, `gamma` and `beta` from that of `y`: `(g, x, gamma, mean, variance[, weights])`, where the moments
/// are those of `x`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BatchNormGrad {
    pub epsilon: Real,
}

impl Operation for BatchNormGrad {
    const NAME: &'static str = "batch_norm_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(BatchNormGrad { epsilon: Real(attributes.float("epsilon", 1e-3)?) })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, if inputs.len() == 6 { 6 } else { 5 })?;
        let channels = [("gamma", inputs[2]), ("mean", inputs[3]), ("variance", inputs[4])];
        let (dx, channel) = check(inputs[1], &channels, inputs.get(5))?;
        if inputs[0].dtype != dx.dtype || !inputs[0].shape.agrees(&dx.shape) {
            return Err(Error::shape(format!("a gradient {} for an output {dx}", inputs[0])));
        }
        Ok(vec![dx, channel.clone(), channel])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        gradients_of_decomposition(self, context)
    }

    /// Makes the moments from `x` again, so that derivatives go through them.
    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let plain = |graph: &mut Graph| -> Result<Vec<Value>> {
            let (g, x, gamma) = (inputs[0], inputs[1], inputs[2]);
            let moments = Moments::write(graph, x, inputs.get(5), self.epsilon.0)?;
            let n = moments.normalized(graph)?;
            let by_n = graph.mul(g, n)?;
            let d_gamma = graph.reduce(ReduceKind::Sum, by_n, &moments.axes, false)?;
            let d_beta = graph.reduce(ReduceKind::Sum, g, &moments.axes, false)?;
            // What moves the mean and the deviation, shared among the rows as they were.
            let (offset, slope) = match moments.share {
                None => (moments.average(graph, g)?, moments.average(graph, by_n)?),
                Some(_) => (d_beta, d_gamma),
            };
            let along = graph.mul(n, slope)?;
            let mut common = graph.add(along, offset)?;
            if let Some(share) = moments.share {
                common = graph.mul(common, share)?;
            }
            let rest = graph.sub(g, common)?;
            let factor = graph.mul(gamma, moments.inverse)?;
            Ok(vec![graph.mul(rest, factor)?, d_gamma, d_beta])
        };
        half_by_float32(self.clone(), graph, inputs).or_else(|| Some(plain(graph)))
    }
}
