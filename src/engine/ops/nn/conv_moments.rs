//! A convolution that gives the moments of its result, and a normalisation by moments that are known.
//!
//! ```text
//! y, mean, variance = conv_moments(x, w[, bias])       y = conv(x, w, ..), its mean and biased variance per channel
//! batch_norm_apply(x, gamma, beta, mean, variance[, residual])
//!                   = relu((x - mean) / sqrt(variance + epsilon) gamma + beta + residual)      relu may be missing
//! ```
//!
//! The pass `fuse_moments` makes them of a convolution and the normalisation behind it, once gradients are written.

use super::batch_norm::{BatchNormTrain, Moments, check, expect_same};
use super::conv::Conv;
use super::half_by_float32;
use crate::core::{Error, Result, Shape, Spec};
use crate::ops::{Attributes, GradContext, Graph, Operation, Promotion, Real, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ConvMoments {
    pub conv: Conv,
}

impl Operation for ConvMoments {
    const NAME: &'static str = "conv_moments";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(ConvMoments { conv: Conv::parse(attributes)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let y = self.conv.infer(inputs)?.remove(0);
        let channel = Spec::new(Shape(y.shape.0.last().copied().into_iter().collect()), y.dtype);
        Ok(vec![y, channel.clone(), channel])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Err(Error::internal("gradients are written before moments are moved into a convolution"))
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let plain = |graph: &mut Graph| -> Result<Vec<Value>> {
            let y = graph.apply(self.conv.clone(), inputs)?;
            let moments = Moments::write(graph, y, None, 0.0)?;
            Ok(vec![y, moments.mean, moments.variance])
        };
        half_by_float32(self.clone(), graph, inputs).or_else(|| Some(plain(graph)))
    }

    fn promotion(&self) -> Promotion {
        Promotion::Float
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BatchNormApply {
    pub epsilon: Real,
    /// Whether the last input is added.
    pub residual: bool,
    pub relu: bool,
}

impl BatchNormApply {
    /// What `norm` does with moments that are known.
    pub fn of(norm: &BatchNormTrain) -> BatchNormApply {
        BatchNormApply { epsilon: norm.epsilon, residual: norm.residual, relu: norm.relu }
    }
}

impl Operation for BatchNormApply {
    const NAME: &'static str = "batch_norm_apply";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(BatchNormApply::of(&BatchNormTrain::parse(attributes)?))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 5 + usize::from(self.residual))?;
        let names = ["gamma", "beta", "mean", "variance"];
        let vectors: Vec<(&str, &Spec)> = names.into_iter().zip(inputs[1..5].iter().copied()).collect();
        let (y, _) = check(inputs[0], &vectors, None)?;
        if self.residual {
            expect_same("a residual", inputs[5], &y)?;
        }
        Ok(vec![y])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Err(Error::internal("gradients are written before moments are moved into a convolution"))
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let plain = |graph: &mut Graph| -> Result<Vec<Value>> {
            let mut y = Moments::known(graph, inputs[0], inputs[3], inputs[4], self.epsilon.0)?
                .apply(graph, inputs[1], inputs[2])?;
            if self.residual {
                y = graph.add(y, inputs[5])?;
            }
            if self.relu {
                y = graph.elementwise(ironhorn_kernels::cpu::elementwise::Scalar::Relu, &[y])?;
            }
            Ok(vec![y])
        };
        half_by_float32(self.clone(), graph, inputs).or_else(|| Some(plain(graph)))
    }
}
