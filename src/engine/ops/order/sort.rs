//! `sort(x, axis)`: the elements along an axis in ascending order, and as int32 where each stood.
//!
//! Equal elements keep their order; NaN is last, -0 equals 0. Gradient: every element's goes back to where it stood.

use super::expect_int32;
use crate::core::{DType, Result, Spec};
use crate::ops::index::take_along::TakeAlongGrad;
use crate::ops::{Attributes, GradContext, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sort {
    pub axis: i64,
}

impl Operation for Sort {
    const NAME: &'static str = "sort";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(Sort { axis: attributes.int("axis", -1)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        let shape = &inputs[0].shape;
        expect_int32(shape.0[shape.axis(self.axis)?])?;
        Ok(vec![inputs[0].clone(), Spec::new(shape.clone(), DType::Int32)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let (x, positions) = (context.inputs[0], context.outputs[1]);
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.apply(TakeAlongGrad { axis: self.axis }, &[g, positions, x])?)])
    }
}
