//! Optimizer updates: one op for all variables of a type.
//!
//! Inputs are columns: some scalars, then the variables, then a gradient for each, then a slot of each kind for each.
//! Outputs are the new values of the variables and of the slots, in the same order.

pub mod adam;
pub mod sgd;

use crate::core::{Error, Result, Spec};
use crate::ops::{Attributes, Real};

/// How the inputs of an update are laid out.
#[derive(Clone, Copy)]
struct Columns {
    scalars: usize,
    count: usize,
    slots: &'static [&'static str],
}

impl Columns {
    /// Which input each output is the new value of.
    fn updated(self) -> Vec<usize> {
        let variables = self.scalars..self.scalars + self.count;
        let slots = self.scalars + 2 * self.count..self.scalars + (2 + self.slots.len()) * self.count;
        variables.chain(slots).collect()
    }

    /// The outputs' specs, after checking gradients and slots against their variables.
    fn infer(self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let columns = 2 + self.slots.len();
        if self.count == 0 || inputs.len() != self.scalars + columns * self.count {
            let kinds = ["a variable", "a gradient"].iter().chain(self.slots).copied().collect::<Vec<_>>().join(", ");
            return Err(Error::value(format!(
                "takes {} scalars and {kinds} for each of {} variables, {} inputs in all, got {}",
                self.scalars,
                self.count,
                self.scalars + columns * self.count,
                inputs.len()
            )));
        }
        let rate = inputs[0];
        if rate.rank() != 0 || !rate.dtype.is_compute_float() {
            return Err(Error::value(format!("the learning rate must be a float32 or float64 scalar, got {rate}")));
        }
        let variables = &inputs[self.scalars..self.scalars + self.count];
        let dtype = variables[0].dtype;
        if !dtype.is_compute_float() {
            return Err(Error::dtype(format!("updates variables of float32 or float64, got {dtype}")));
        }
        for (column, name) in ["variable", "gradient"].iter().chain(self.slots).enumerate() {
            for (i, variable) in variables.iter().enumerate() {
                let found = inputs[self.scalars + column * self.count + i];
                if found.dtype != dtype || !found.shape.agrees(&variable.shape) {
                    return Err(Error::shape(format!(
                        "{name} {i} is {found}; it must have type {dtype}, as variable 0, and shape {}, as variable {i}",
                        variable.shape
                    )));
                }
            }
        }
        Ok(self.updated().into_iter().map(|input| inputs[input].clone()).collect())
    }
}

/// The number of variables, and each one's decay: none given is 0 for all.
fn count_and_decay(attributes: &mut Attributes) -> Result<(usize, Vec<Real>)> {
    let count = attributes.int("count", 0)?;
    let count = usize::try_from(count).map_err(|_| Error::value(format!("count cannot be negative, got {count}")))?;
    let decay: Vec<Real> = attributes.floats("weight_decay")?.into_iter().map(Real).collect();
    if decay.is_empty() {
        return Ok((count, vec![Real(0.0); count]));
    }
    if decay.len() != count {
        return Err(Error::value(format!("weight_decay has {} numbers for {count} variables", decay.len())));
    }
    Ok((count, decay))
}

fn no_derivative(name: &str) -> Error {
    Error::unsupported(format!(
        "{name} has no derivative: a gradient cannot go through an optimizer's step; write the step in ops instead"
    ))
}
