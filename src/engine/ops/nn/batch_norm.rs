//! `batch_norm_train(x, gamma, beta[, weights][, residual])`: batch normalisation of the last axis by the batch's own moments
//! (Ioffe and Szegedy, 2015), with the moments as further results.
//!
//! ```text
//! x (rows.., channels), gamma and beta (channels,), weights (rows..), ones when there are none; W = sum(weights)
//! mean = sum(weights x) / W        variance = sum(weights (x - mean)^2) / W        both 0 when W is
//! y = (x - mean) / sqrt(variance + epsilon) gamma + beta
//! y = relu(y + residual)             either, both or none: the pass `fuse_batch_norm` moves them in, after gradients are written
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
pub(super) fn check(x: &Spec, parameters: &[(&str, &Spec)], weights: Option<&&Spec>) -> Result<(Spec, Spec)> {
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
pub(super) struct Moments {
    pub mean: Value,
    pub variance: Value,
    /// `(x - mean)` and `1 / sqrt(variance + epsilon)`.
    centred: Value,
    inverse: Value,
    /// Every row's part in a mean, `(rows.., 1)`; `None` is the same for all.
    share: Option<Value>,
    /// All axes but the last.
    axes: Vec<i64>,
}

impl Moments {
    pub fn write(graph: &mut Graph, x: Value, weights: Option<&Value>, epsilon: f64) -> Result<Moments> {
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
        moments.inverse = inverse(graph, moments.variance, epsilon)?;
        Ok(moments)
    }

    /// Those that somebody else made.
    pub fn known(graph: &mut Graph, x: Value, mean: Value, variance: Value, epsilon: f64) -> Result<Moments> {
        let (centred, inverse) = (graph.sub(x, mean)?, inverse(graph, variance, epsilon)?);
        Ok(Moments { mean, variance, centred, inverse, share: None, axes: Vec::new() })
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

    pub fn apply(&self, graph: &mut Graph, gamma: Value, beta: Value) -> Result<Value> {
        let normalized = self.normalized(graph)?;
        let scaled = graph.mul(normalized, gamma)?;
        graph.add(scaled, beta)
    }
}

/// `1 / sqrt(variance + epsilon)`
fn inverse(graph: &mut Graph, variance: Value, epsilon: f64) -> Result<Value> {
    let shifted = graph.shift(variance, epsilon)?;
    graph.elementwise(Scalar::Rsqrt, &[shifted])
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BatchNormTrain {
    pub epsilon: Real,
    /// Whether the last input is added to `y`.
    pub residual: bool,
    /// Whether `y` ends in relu.
    pub relu: bool,
}

impl BatchNormTrain {
    pub fn new(epsilon: f64) -> BatchNormTrain {
        BatchNormTrain { epsilon: Real(epsilon), residual: false, relu: false }
    }

    /// The places of the weights and of what is added to `y`, among so many inputs.
    pub fn optional(&self, inputs: usize) -> (Option<usize>, Option<usize>) {
        let weighted = inputs > 3 + usize::from(self.residual);
        (weighted.then_some(3), self.residual.then(|| inputs - 1))
    }
}

impl Operation for BatchNormTrain {
    const NAME: &'static str = "batch_norm_train";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(BatchNormTrain::new(attributes.float("epsilon", 1e-3)?))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let (weights, residual) = self.optional(inputs.len());
        expect_inputs(inputs, 3 + usize::from(weights.is_some()) + usize::from(self.residual))?;
        let weights = weights.map(|index| &inputs[index]);
        let (y, channel) = check(inputs[0], &[("gamma", inputs[1]), ("beta", inputs[2])], weights)?;
        if let Some(residual) = residual.map(|index| inputs[index]) {
            expect_same("a residual", residual, &y)?;
        }
        Ok(vec![y, channel.clone(), channel])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        if self.residual || self.relu {
            return Err(Error::internal("gradients are written before a sum and relu are moved into a normalisation"));
        }
        let moments_reached = context.gradients[1].is_some() || context.gradients[2].is_some();
        if moments_reached || context.wanted.get(3).is_some_and(|&wanted| wanted) {
            return gradients_of_decomposition(self, context);
        }
        let g = context.gradient(0)?;
        let mut operands = vec![g, context.inputs[0], context.inputs[1], context.outputs[1], context.outputs[2]];
        operands.extend(context.inputs.get(3));
        let found = context.graph.append(BatchNormGrad::new(self.epsilon.0), &operands)?;
        let mut all: Vec<Option<Value>> = found.into_iter().map(Some).collect();
        all.resize(context.inputs.len(), None);
        Ok(all)
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let plain = |graph: &mut Graph| -> Result<Vec<Value>> {
            let (weights, residual) = self.optional(inputs.len());
            let moments = Moments::write(graph, inputs[0], weights.map(|index| &inputs[index]), self.epsilon.0)?;
            let mut y = moments.apply(graph, inputs[1], inputs[2])?;
            if let Some(residual) = residual {
                y = graph.add(y, inputs[residual])?;
            }
            if self.relu {
                y = graph.elementwise(Scalar::Relu, &[y])?;
            }
            Ok(vec![y, moments.mean, moments.variance])
        };
        half_by_float32(self.clone(), graph, inputs).or_else(|| Some(plain(graph)))
    }
}

/// Fails unless `found` has type and shape of `y`.
pub(super) fn expect_same(what: &str, found: &Spec, y: &Spec) -> Result<()> {
    if found.dtype == y.dtype && found.shape.agrees(&y.shape) {
        Ok(())
    } else {
        Err(Error::shape(format!("{what} {found} for an output {y}")))
    }
}

/// Which part of the gradient that arrives at relu goes on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Gate {
    /// All of it: there is no relu.
    #[default]
    Open,
    /// Where an input, the output of relu, is above 0.
    Output,
    /// Where `(x - mean) / sqrt(variance + epsilon) gamma + beta` is, `beta` an input: `y` made again.
    Beta,
}

/// The gradients of `x`, `gamma` and `beta` from that of `y`: `(g, x, gamma, mean, variance[, weights][, output or
/// beta][, addend])`, where the moments are those of `x`. With a gate or an addend, which the pass `fuse_batch_norm` moves in,
/// the gradient of `y` is `gate(g + addend)`, and a further result.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BatchNormGrad {
    pub epsilon: Real,
    pub gate: Gate,
    pub addend: bool,
}

/// The places of optional inputs.
pub struct GradientInputs {
    pub weights: Option<usize>,
    pub gate: Option<usize>,
    pub addend: Option<usize>,
}

impl BatchNormGrad {
    pub fn new(epsilon: f64) -> BatchNormGrad {
        BatchNormGrad { epsilon: Real(epsilon), gate: Gate::Open, addend: false }
    }

    /// Where things stand among so many inputs.
    pub fn optional(&self, inputs: usize) -> GradientInputs {
        let more = usize::from(self.gate != Gate::Open) + usize::from(self.addend);
        let weights = (inputs > 5 + more).then_some(5);
        let gate = (self.gate != Gate::Open).then(|| inputs - more);
        GradientInputs { weights, gate, addend: self.addend.then(|| inputs - 1) }
    }

    /// Whether the gradient of `y` is a result.
    pub fn passes_on(&self) -> bool {
        self.addend || self.gate != Gate::Open
    }
}

impl Operation for BatchNormGrad {
    const NAME: &'static str = "batch_norm_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(BatchNormGrad::new(attributes.float("epsilon", 1e-3)?))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let places = self.optional(inputs.len());
        let optional = [places.weights, places.gate, places.addend];
        expect_inputs(inputs, 5 + optional.iter().flatten().count())?;
        let mut channels = vec![("gamma", inputs[2]), ("mean", inputs[3]), ("variance", inputs[4])];
        if let (Gate::Beta, Some(index)) = (self.gate, places.gate) {
            channels.push(("beta", inputs[index]));
        }
        let (dx, channel) = check(inputs[1], &channels, places.weights.map(|index| &inputs[index]))?;
        expect_same("a gradient", inputs[0], &dx)?;
        if let (Gate::Output, Some(index)) = (self.gate, places.gate) {
            expect_same("an output of relu", inputs[index], &dx)?;
        }
        if let Some(index) = places.addend {
            expect_same("a gradient", inputs[index], &dx)?;
        }
        let mut results = vec![dx.clone(), channel.clone(), channel];
        results.extend(self.passes_on().then_some(dx));
        Ok(results)
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        gradients_of_decomposition(self, context)
    }

    /// Makes the moments from `x` again, so that derivatives go through them.
    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let plain = |graph: &mut Graph| -> Result<Vec<Value>> {
            let places = self.optional(inputs.len());
            let (mut g, x, gamma) = (inputs[0], inputs[1], inputs[2]);
            let weights = places.weights.map(|index| &inputs[index]);
            let moments = Moments::write(graph, x, weights, self.epsilon.0)?;
            if let Some(addend) = places.addend {
                g = graph.add(g, inputs[addend])?;
            }
            if let Some(index) = places.gate {
                let output = match self.gate {
                    Gate::Beta => moments.apply(graph, gamma, inputs[index])?,
                    _ => inputs[index],
                };
                g = graph.elementwise(Scalar::ReluGradient, &[output, g])?;
            }
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
            let mut results = vec![graph.mul(rest, factor)?, d_gamma, d_beta];
            results.extend(self.passes_on().then_some(g));
            Ok(results)
        };
        half_by_float32(self.clone(), graph, inputs).or_else(|| Some(plain(graph)))
    }
}
