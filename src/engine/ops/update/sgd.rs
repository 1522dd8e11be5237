//! `sgd_update(lr, params.., gradients.., [momentums..])`: stochastic gradient descent, by Keras' order of operations.
//!
//! ```text
//! p -= p * decay * lr
//! without momentum    p -= lr g
//! with momentum       m = momentum m - lr g;   p += m         (Nesterov: p += momentum m - lr g)
//! ```
//!
//! Outputs are the new parameters and the new momentums. It has no derivative.

use super::{check_columns, parse_decay};
use crate::core::{Error, Result, Spec};
use crate::ops::{Attributes, Effects, GradContext, Operation, Real, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SgdUpdate {
    pub count: usize,
    pub momentum: Real,
    pub nesterov: bool,
    pub weight_decay: Vec<Real>,
}

impl SgdUpdate {
    pub fn has_slots(&self) -> bool {
        self.momentum.0 != 0.0
    }
}

impl Operation for SgdUpdate {
    const NAME: &'static str = "sgd_update";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(SgdUpdate {
            count: attributes.int("count", 0)?.max(0) as usize,
            momentum: Real(attributes.float("momentum", 0.0)?),
            nesterov: attributes.bool("nesterov", false)?,
            weight_decay: parse_decay(attributes)?,
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        check_columns(inputs, 1, self.count, 2 + usize::from(self.has_slots()), &self.weight_decay)?;
        Ok(self.updated_inputs().into_iter().map(|input| inputs[input].clone()).collect())
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Err(Error::unsupported("an optimizer's update has no derivative; write the update in ops to differentiate it"))
    }

    fn effects(&self) -> Effects {
        Effects::Updates
    }

    fn updated_inputs(&self) -> Vec<usize> {
        let parameters = 1..=self.count;
        let slots = 1 + 2 * self.count..1 + 3 * self.count;
        if self.has_slots() { parameters.chain(slots).collect() } else { parameters.collect() }
    }
}
