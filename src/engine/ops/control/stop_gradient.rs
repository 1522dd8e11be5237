//! `stop_gradient(x)`: `x`, taken as a constant by derivatives.

use crate::core::{Result, Spec};
use crate::ops::{Attributes, GradContext, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StopGradient;

impl Operation for StopGradient {
    const NAME: &'static str = "stop_gradient";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Ok(StopGradient)
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        Ok(vec![inputs[0].clone()])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Ok(vec![None])
    }
}
