//! `adam_update(learning_rate, step, p.., g.., m.., v..[, top..])`: one step of Adam (Kingma and Ba, 2014) on many
//! variables; `step` counts from 1.
//!
//! ```text
//! p = p - p weight_decay lr                         where there is decay
//! m = m + (1 - beta_1) (g - m)                      v = v + (1 - beta_2) (g^2 - v)
//! p = p - lr sqrt(1 - beta_2^step) / (1 - beta_1^step) m / (sqrt(v) + epsilon)
//! ```
//!
//! With `amsgrad` (Reddi et al., 2018) the largest `v` so far, `top`, stands in the place of `v` in the last line.
//! No gradient: it is the end of a training step.

use super::{Columns, count_and_decay, no_derivative};
use crate::core::{DType, Error, Result, Spec};
use crate::ops::{Attributes, Effects, GradContext, Operation, Real, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AdamUpdate {
    /// How many variables.
    pub count: usize,
    pub beta_1: Real,
    pub beta_2: Real,
    pub epsilon: Real,
    pub amsgrad: bool,
    /// Of every variable.
    pub weight_decay: Vec<Real>,
}

impl AdamUpdate {
    fn columns(&self) -> Columns {
        let slots: &[&str] =
            if self.amsgrad { &["momentum", "velocity", "velocity_hat"] } else { &["momentum", "velocity"] };
        Columns { scalars: 2, count: self.count, slots }
    }
}

impl Operation for AdamUpdate {
    const NAME: &'static str = "adam_update";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let (count, weight_decay) = count_and_decay(attributes)?;
        Ok(AdamUpdate {
            count,
            beta_1: Real(attributes.float("beta_1", 0.9)?),
            beta_2: Real(attributes.float("beta_2", 0.999)?),
            epsilon: Real(attributes.float("epsilon", 1e-7)?),
            amsgrad: attributes.bool("amsgrad", false)?,
            weight_decay,
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let outputs = self.columns().infer(inputs)?;
        let step = inputs[1];
        if step.rank() != 0 || !matches!(step.dtype, DType::Int32 | DType::Int64 | DType::Uint32 | DType::Uint64) {
            return Err(Error::value(format!("the step must be an int32, int64, uint32 or uint64 scalar, got {step}")));
        }
        Ok(outputs)
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Err(no_derivative(Self::NAME))
    }

    fn effects(&self) -> Effects {
        Effects::Updates
    }

    fn updated_inputs(&self) -> Vec<Option<usize>> {
        self.columns().updated().into_iter().map(Some).collect()
    }
}
