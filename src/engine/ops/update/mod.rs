//! Optimizer updates: one op for all variables of a type, in place in the program's final phase.

pub mod adam;
pub mod sgd;

use crate::core::{Error, Result, Spec};
use crate::ops::{Attributes, Real};

/// The decay rate of every variable; an empty list means none.
fn parse_decay(attributes: &mut Attributes) -> Result<Vec<Real>> {
    Ok(attributes.floats("weight_decay")?.into_iter().map(Real).collect())
}

/// Checks `scalars` scalar inputs and then columns of `count` tensors each; every column must look like the first.
fn check_columns(inputs: &[&Spec], scalars: usize, count: usize, columns: usize, decay: &[Real]) -> Result<()> {
    if count == 0 || inputs.len() != scalars + columns * count {
        return Err(Error::value(format!(
            "{columns} lists of {count} tensors after {scalars} numbers were expected, got {} inputs",
            inputs.len()
        )));
    }
    if !decay.is_empty() && decay.len() != count {
        return Err(Error::value(format!("{} decay rates for {count} variables", decay.len())));
    }
    if let Some(number) = inputs[..scalars].iter().find(|spec| spec.rank() != 0) {
        return Err(Error::shape(format!("the learning rate and the step must be scalars, got shape {}", number.shape)));
    }
    let parameters = &inputs[scalars..scalars + count];
    if !parameters[0].dtype.is_compute_float() {
        return Err(Error::dtype(format!("variables of type {} cannot be trained; use float32", parameters[0].dtype)));
    }
    for (position, spec) in inputs[scalars..].iter().enumerate() {
        let parameter = parameters[position % count];
        if spec.dtype != parameters[0].dtype || !spec.shape.agrees(&parameter.shape) {
            return Err(Error::shape(format!(
                "variable {} is {parameter}, but its {} is {spec}",
                position % count,
                if position / count == 1 { "gradient" } else { "slot" }
            )));
        }
    }
    Ok(())
}
