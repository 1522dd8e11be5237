//! `bitcast(x, dtype)`: the same bytes, read as another type. Where elements of the two types differ in size, the last axis
//! gets so much longer or shorter.
//!
//! Gradient: none; the numbers have nothing to do with each other.

use crate::core::{DType, Dim, Error, Result, Shape, Spec};
use crate::ops::{Attributes, GradContext, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Bitcast {
    pub dtype: DType,
}

impl Operation for Bitcast {
    const NAME: &'static str = "bitcast";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let dtype = attributes.dtype("dtype")?.ok_or_else(|| Error::dtype("bitcast needs a dtype"))?;
        Ok(Bitcast { dtype })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        let (from, to) = (inputs[0].dtype, self.dtype);
        if (from == DType::Bool) != (to == DType::Bool) {
            return Err(Error::dtype(format!("cannot view {from} as {to}: not every byte is a boolean; cast instead")));
        }
        let mut shape = inputs[0].shape.clone();
        if from.size() != to.size() {
            let refuse = || {
                Error::shape(format!(
                    "cannot view {from} of shape {} as {to}: the bytes of its last axis must make whole elements of {} bytes",
                    inputs[0].shape,
                    to.size()
                ))
            };
            let last = shape.0.last_mut().ok_or_else(refuse)?;
            *last = match last.known() {
                Some(length) if (length * from.size()).is_multiple_of(to.size()) => {
                    Dim::Known(length * from.size() / to.size())
                }
                Some(_) => return Err(refuse()),
                None => Dim::fresh(),
            };
        }
        Ok(vec![Spec::new(Shape(shape.0), to)])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Ok(vec![None])
    }
}
