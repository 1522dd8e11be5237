//! `sum_of_squares(x..)`: of every tensor, as a vector with one element a tensor.
//!
//! ```text
//! result[i] = sum of x[i]^2 over all elements of x[i]
//! ```
//!
//! It is what clipping gradients by their norm needs, in one pass over all of them. No gradient: it belongs to the end of
//! a training step.

use super::no_derivative;
use crate::core::{Error, Result, Spec};
use crate::ops::{Attributes, GradContext, Operation, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SumOfSquares;

impl Operation for SumOfSquares {
    const NAME: &'static str = "sum_of_squares";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Ok(SumOfSquares)
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let Some(first) = inputs.first() else {
            return Err(Error::value("takes one tensor at least".to_string()));
        };
        if let Some(found) = inputs.iter().find(|x| x.dtype != first.dtype || !x.dtype.is_compute_float()) {
            return Err(Error::dtype(format!("takes tensors all of float32 or all of float64, got {found}")));
        }
        Ok(vec![Spec::known(&[inputs.len()], first.dtype)])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Err(no_derivative(Self::NAME))
    }
}
