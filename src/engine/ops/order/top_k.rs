//! `top_k(x, k)`: the `k` largest elements of the last axis, largest first, and as int32 where they stand.
//!
//! Of equal elements the first comes first; a NaN is the largest, 0 is above -0. Gradient: every element's goes back to
//! where it stands.

use super::expect_int32;
use crate::core::{DType, Dim, Error, Result, Spec};
use crate::ops::index::take_along::TakeAlongGrad;
use crate::ops::{Attributes, GradContext, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TopK {
    pub k: usize,
}

impl Operation for TopK {
    const NAME: &'static str = "top_k";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let k = attributes.int("k", 1)?;
        Ok(TopK { k: usize::try_from(k).map_err(|_| Error::value(format!("k must be 0 or more, got {k}")))? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        let mut shape = inputs[0].shape.clone();
        let axis = shape.axis(-1)?;
        expect_int32(shape.0[axis])?;
        if shape.0[axis].known().is_some_and(|length| length < self.k) {
            let message =
                format!("the {} largest of the last axis of shape {shape}; k may be its length at most", self.k);
            return Err(Error::shape(message));
        }
        shape.0[axis] = Dim::Known(self.k);
        Ok(vec![Spec::new(shape.clone(), inputs[0].dtype), Spec::new(shape, DType::Int32)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let (x, positions) = (context.inputs[0], context.outputs[1]);
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.apply(TakeAlongGrad { axis: -1 }, &[g, positions, x])?)])
    }
}
