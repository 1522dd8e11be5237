//! `argmax` and `argmin` along one axis: the first index that reaches the extremum. No gradient: the result is an integer.

use super::{half_by_float32, reduced_shape};
use crate::core::{DType, Error, Result, Spec};
use crate::ops::{Attributes, GradContext, Graph, Operation, Value, expect_inputs, one_of};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ArgReduce {
    /// True finds the largest, false the smallest.
    pub largest: bool,
    pub axis: i64,
    pub keepdims: bool,
}

impl Operation for ArgReduce {
    const NAME: &'static str = "arg_reduce";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(ArgReduce {
            largest: one_of("kind", &attributes.text("kind", "argmax")?, &[("argmax", true), ("argmin", false)])?,
            axis: attributes.int("axis", -1)?,
            keepdims: attributes.bool("keepdims", false)?,
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        let axis = inputs[0].shape.axis(self.axis)?;
        if inputs[0].shape.0[axis].known() == Some(0) {
            return Err(Error::shape(format!("argmax of no elements: shape {} along axis {axis}", inputs[0].shape)));
        }
        Ok(vec![Spec::new(reduced_shape(&inputs[0].shape, &[axis], self.keepdims), DType::Int64)])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Ok(vec![None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone().into(), graph, inputs)
    }
}
