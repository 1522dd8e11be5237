//! `adam_update(lr, step, params.., gradients.., firsts.., seconds.., [largests..])`: Adam (Kingma and Ba, 2014), by Keras'
//! order of operations.
//!
//! ```text
//! p -= p * decay * lr
//! alpha = lr sqrt(1 - beta_2^step) / (1 - beta_1^step)
//! m += (g - m)(1 - beta_1);   v += (g^2 - v)(1 - beta_2);   p -= m alpha / (sqrt(v) + epsilon)
//! AMSGrad: the root is taken of the largest v so far
//! ```
//!
//! Outputs are the new parameters and slots. It has no derivative.

use super::{check_columns, parse_decay};
use crate::core::{Error, Result, Spec};
use crate::ops::{Attributes, Effects, GradContext, Operation, Real, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AdamUpdate {
    pub count: usize,
    pub beta_1: Real,
    pub beta_2: Real,
    pub epsilon: Real,
    pub amsgrad: bool,
    pub weight_decay: Vec<Real>,
}

impl Operation for AdamUpdate {
    const NAME: &'static str = "adam_update";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(AdamUpdate {
            count: attributes.int("count", 0)?.max(0) as usize,
            beta_1: Real(attributes.float("beta_1", 0.9)?),
            beta_2: Real(attributes.float("beta_2", 0.999)?),
            epsilon: Real(attributes.float("epsilon", 1e-7)?),
            amsgrad: attributes.bool("amsgrad", false)?,
            weight_decay: parse_decay(attributes)?,
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        check_columns(inputs, 2, self.count, 4 + usize::from(self.amsgrad), &self.weight_decay)?;
        Ok(self.updated_inputs().into_iter().map(|input| inputs[input].clone()).collect())
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Err(Error::unsupported("an optimizer's update has no derivative; write the update in ops to differentiate it"))
    }

    fn effects(&self) -> Effects {
        Effects::Updates
    }

    fn updated_inputs(&self) -> Vec<usize> {
        let columns = if self.amsgrad { 5 } else { 4 };
        (2..2 + self.count).chain(2 + 2 * self.count..2 + columns * self.count).collect()
    }
}
