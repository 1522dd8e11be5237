//! `layer_norm(x[, gamma][, beta])`: rows normalised by their own moments (Ba, Kiros and Hinton, 2016), or by their root
//! mean square (Zhang and Sennrich, 2019).
//!
//! ```text
//! x (rows.., columns), gamma and beta (columns,)
//! mean = sum(x) / columns, 0 where rows are not centred       variance = sum((x - mean)^2) / columns
//! y = (x - mean) / sqrt(variance + epsilon) gamma + beta
//! ```
//!
//! Gradient, with `n = (x - mean) / sqrt(variance + epsilon)` and `h = g gamma`: `d beta = sum(g)` and `d gamma = sum(g n)`
//! over the rows, and `dx = (h - mean(h) - n mean(h n)) / sqrt(variance + epsilon)`, without `mean(h)` where rows are not
//! centred; made by one fused op, which makes the moments again: they cost less than reading them would save.

use ironhorn_kernels::cpu::elementwise::Scalar;

use super::{gradients_of_decomposition, half_by_float32};
use crate::core::{Error, Result, Shape, Spec};
use crate::ops::reduce::ReduceKind;
use crate::ops::{Attributes, GradContext, Graph, Operation, Real, Value, expect_inputs};

/// How rows are normalised, and what with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RowNorm {
    pub epsilon: Real,
    /// Whether the mean is taken off.
    pub centred: bool,
    /// Whether there is a gamma, and a beta.
    pub scale: bool,
    pub offset: bool,
}

impl RowNorm {
    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(RowNorm {
            epsilon: Real(attributes.float("epsilon", 1e-3)?),
            centred: attributes.bool("centred", true)?,
            scale: attributes.bool("scale", false)?,
            offset: attributes.bool("offset", false)?,
        })
    }

    /// `(x - mean) / sqrt(variance + epsilon)` and `1 / sqrt(variance + epsilon)`.
    fn normalized(self, graph: &mut Graph, x: Value) -> Result<(Value, Value)> {
        let mut centred = x;
        if self.centred {
            let mean = row_mean(graph, x)?;
            centred = graph.sub(x, mean)?;
        }
        let square = graph.mul(centred, centred)?;
        let variance = row_mean(graph, square)?;
        let shifted = graph.shift(variance, self.epsilon.0)?;
        let inverse = graph.elementwise(Scalar::Rsqrt, &[shifted])?;
        Ok((graph.mul(centred, inverse)?, inverse))
    }
}

/// The specs of `y` and of a column's number, after checking the inputs against each other.
fn check(x: &Spec, parameters: &[(&str, &Spec)]) -> Result<(Spec, Spec)> {
    if !x.dtype.is_float() {
        return Err(Error::dtype(format!("takes floats, got {}; cast the input first", x.dtype)));
    }
    let Some(&last) = x.shape.0.last() else {
        return Err(Error::shape("takes an array with at least one axis, got a scalar"));
    };
    let mut columns = last;
    for (name, parameter) in parameters {
        if parameter.dtype != x.dtype {
            return Err(Error::dtype(format!(
                "{name} has type {} and the input {}; cast them to one type",
                parameter.dtype, x.dtype
            )));
        }
        if !parameter.shape.agrees(&Shape(vec![columns])) {
            return Err(Error::shape(format!(
                "{name} of shape {} does not fit the last axis of an input of shape {}",
                parameter.shape, x.shape
            )));
        }
        if columns.known().is_none() {
            columns = parameter.shape.0[0];
        }
    }
    Ok((x.clone(), Spec::new(Shape(vec![columns]), x.dtype)))
}

/// The mean over the last axis, which keeps length 1.
fn row_mean(graph: &mut Graph, x: Value) -> Result<Value> {
    graph.reduce(ReduceKind::Mean, x, &[-1], true)
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LayerNorm(pub RowNorm);

impl Operation for LayerNorm {
    const NAME: &'static str = "layer_norm";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        RowNorm::parse(attributes).map(LayerNorm)
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1 + usize::from(self.0.scale) + usize::from(self.0.offset))?;
        let names = [("gamma", self.0.scale), ("beta", self.0.offset)];
        let present = names.into_iter().filter(|(_, present)| *present).map(|(name, _)| name);
        let parameters: Vec<_> = present.zip(inputs[1..].iter().copied()).collect();
        Ok(vec![check(inputs[0], &parameters)?.0])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        let mut operands = vec![g, context.inputs[0]];
        operands.extend(self.0.scale.then(|| context.inputs[1]));
        // Sums over rows that nobody asked for are not made.
        let offset = self.0.offset && context.wanted.last() == Some(&true);
        let wanted = RowNorm { offset, ..self.0 };
        let mut found =
            context.graph.append(LayerNormGrad(wanted), &operands)?.into_iter().map(Some).collect::<Vec<_>>();
        found.resize(context.inputs.len(), None);
        Ok(found)
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let plain = |graph: &mut Graph| -> Result<Vec<Value>> {
            let (mut y, _) = self.0.normalized(graph, inputs[0])?;
            if self.0.scale {
                y = graph.mul(y, inputs[1])?;
            }
            if self.0.offset {
                y = graph.add(y, inputs[1 + usize::from(self.0.scale)])?;
            }
            Ok(vec![y])
        };
        half_by_float32(self.clone(), graph, inputs).or_else(|| Some(plain(graph)))
    }
}

/// The gradients of `x`, and of `gamma` and `beta` where there are such, from that of `y`: `(g, x[, gamma])`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LayerNormGrad(pub RowNorm);

impl Operation for LayerNormGrad {
    const NAME: &'static str = "layer_norm_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        RowNorm::parse(attributes).map(LayerNormGrad)
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2 + usize::from(self.0.scale))?;
        let gamma: Vec<_> = inputs.get(2).map(|gamma| ("gamma", *gamma)).into_iter().collect();
        let (dx, column) = check(inputs[1], &gamma)?;
        if inputs[0].dtype != dx.dtype || !inputs[0].shape.agrees(&dx.shape) {
            return Err(Error::shape(format!("a gradient {} for an output {dx}", inputs[0])));
        }
        let mut outputs = vec![dx];
        outputs.resize(1 + usize::from(self.0.scale) + usize::from(self.0.offset), column);
        Ok(outputs)
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        gradients_of_decomposition(self, context)
    }

    /// Makes the moments from `x` again, so that derivatives go through them.
    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let plain = |graph: &mut Graph| -> Result<Vec<Value>> {
            let (g, x) = (inputs[0], inputs[1]);
            let (n, inverse) = self.0.normalized(graph, x)?;
            let h = if self.0.scale { graph.mul(g, inputs[2])? } else { g };
            let along = graph.mul(h, n)?;
            let slope = row_mean(graph, along)?;
            let along = graph.mul(n, slope)?;
            let mut rest = graph.sub(h, along)?;
            if self.0.centred {
                let offset = row_mean(graph, h)?;
                rest = graph.sub(rest, offset)?;
            }
            let mut results = vec![graph.mul(rest, inverse)?];
            let rows: Vec<i64> = (0..graph.shape(x).rank() as i64 - 1).collect();
            if self.0.scale {
                let product = graph.mul(g, n)?;
                results.push(graph.reduce(ReduceKind::Sum, product, &rows, false)?);
            }
            if self.0.offset {
                results.push(graph.reduce(ReduceKind::Sum, g, &rows, false)?);
            }
            Ok(results)
        };
        half_by_float32(self.clone(), graph, inputs).or_else(|| Some(plain(graph)))
    }
}
