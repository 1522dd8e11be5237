//! A convolution of one pixel and the depthwise convolution that alone reads its result, as one op for inference.
//!
//! ```text
//! y = depthwise(pointwise(x, w[, bias]), v[, bias])        each with the activation of its epilogue
//! ```
//!
//! The pass `fuse_depthwise` makes it.

use super::conv::Conv;
use super::half_by_float32;
use crate::core::{Error, Result, Spec};
use crate::ops::{Attributes, GradContext, Graph, Operation, Promotion, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PointwiseDepthwise {
    pub pointwise: Conv,
    pub depthwise: Conv,
}

impl PointwiseDepthwise {
    /// How many inputs the first convolution has; those of the second follow, but for what it convolves.
    pub fn first_inputs(&self) -> usize {
        2 + self.pointwise.epilogue.inputs()
    }

    /// What is between the two.
    pub fn between(&self, inputs: &[&Spec]) -> Result<Spec> {
        Ok(self.pointwise.infer(&inputs[..self.first_inputs()])?.remove(0))
    }
}

impl Operation for PointwiseDepthwise {
    const NAME: &'static str = "pointwise_depthwise";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Err(Error::value("fused ops are made by passes, not by callers"))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, self.first_inputs() + 1 + self.depthwise.epilogue.inputs())?;
        let between = self.between(inputs)?;
        let second: Vec<&Spec> =
            std::iter::once(&between).chain(inputs[self.first_inputs()..].iter().copied()).collect();
        self.depthwise.infer(&second)
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Err(Error::internal("gradients are written before convolutions are fused"))
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let apart = |graph: &mut Graph| -> Result<Vec<Value>> {
            let (first, second) = inputs.split_at(self.first_inputs());
            let between = graph.apply(self.pointwise.clone(), first)?;
            let second: Vec<Value> = std::iter::once(between).chain(second.iter().copied()).collect();
            graph.append(self.depthwise.clone(), &second)
        };
        half_by_float32(self.clone(), graph, inputs).or_else(|| Some(apart(graph)))
    }

    fn promotion(&self) -> Promotion {
        Promotion::Float
    }
}
