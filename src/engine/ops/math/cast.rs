//! `cast(x, dtype)`: the same numbers in another type. Floats to integers truncate towards zero and saturate.
//!
//! Gradient: cast back, when both types are floats; integers and booleans have none.

use crate::core::{DType, Error, Result, Spec};
use crate::ops::{Attributes, GradContext, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cast {
    pub dtype: DType,
}

impl Operation for Cast {
    const NAME: &'static str = "cast";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let dtype = attributes.dtype("dtype")?.ok_or_else(|| Error::dtype("cast needs a dtype"))?;
        Ok(Cast { dtype })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        Ok(vec![Spec::new(inputs[0].shape.clone(), self.dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let from = context.graph.dtype(context.inputs[0]);
        if !(from.is_float() && self.dtype.is_float()) {
            return Ok(vec![None]);
        }
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.cast(g, from)?)])
    }
}
