//! The length of an axis as a value: an int32 scalar that the plan knows. No inputs, so no gradient.

use crate::core::shape::{Bindings, bind_dim};
use crate::core::{DType, Dim, Error, Result, Spec};
use crate::ops::{Attributes, GradContext, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DimValue {
    pub dim: Dim,
}

impl Operation for DimValue {
    const NAME: &'static str = "dim_value";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        match attributes.dims("dim")?.as_slice() {
            [Some(dim)] => Ok(DimValue { dim: *dim }),
            other => Err(Error::value(format!("dim_value takes one length, got {}", other.len()))),
        }
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 0)?;
        Ok(vec![Spec::scalar(DType::Int32)])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Ok(Vec::new())
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        DimValue { dim: bind_dim(self.dim, bindings) }
    }
}
