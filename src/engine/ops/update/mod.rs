//! Ends of a training step: one op for all variables of a type.

pub mod rule_update;
pub mod sum_of_squares;

use crate::core::Error;

fn no_derivative(name: &str) -> Error {
    Error::unsupported(format!(
        "{name} has no derivative: a gradient cannot go through an optimizer's step; write the step in ops instead"
    ))
}
