//! `sgd_update(learning_rate, p.., g.., m..)`: one step of stochastic gradient descent on many variables.
//!
//! ```text
//! p = p - p weight_decay lr                         where there is decay
//! p = p - lr g                                      without momentum, and without slots m
//! m = momentum m - lr g;   p = p + m                or, nesterov, p = p + momentum m - lr g
//! ```
//!
//! No gradient: it is the end of a training step.

use super::{Columns, count_and_decay, no_derivative};
use crate::core::{Error, Result, Spec};
use crate::ops::{Attributes, Effects, GradContext, Operation, Real, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SgdUpdate {
    /// How many variables.
    pub count: usize,
    pub momentum: Real,
    pub nesterov: bool,
    /// Of every variable.
    pub weight_decay: Vec<Real>,
}

impl SgdUpdate {
    /// Whether there is a slot for every variable.
    pub fn has_slots(&self) -> bool {
        self.momentum.0 != 0.0
    }

    fn columns(&self) -> Columns {
        let slots: &[&str] = if self.has_slots() { &["momentum"] } else { &[] };
        Columns { scalars: 1, count: self.count, slots }
    }
}

impl Operation for SgdUpdate {
    const NAME: &'static str = "sgd_update";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let (count, weight_decay) = count_and_decay(attributes)?;
        let momentum = attributes.float("momentum", 0.0)?;
        // A momentum must not vanish where it is rounded to float32.
        if !(0.0..=1.0).contains(&momentum) || (momentum > 0.0 && momentum < 1e-30) {
            return Err(Error::value(format!("momentum must be 0, or between 1e-30 and 1, got {momentum}")));
        }
        Ok(SgdUpdate {
            count,
            momentum: Real(momentum.abs()),
            nesterov: attributes.bool("nesterov", false)?,
            weight_decay,
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        self.columns().infer(inputs)
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
