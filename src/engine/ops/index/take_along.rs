//! `take_along(x, indices, axis)`: `y[.., p, ..] = x[.., indices[.., p, ..], ..]`, each element by an index of its own.
//!
//! `x` and the indices agree in every axis but one. Negative indices count from the end; one outside of the axis is an
//! error when the program runs. Gradient: every element of `g` is added where it came from ([`TakeAlongGrad`]), whose own
//! gradient is `take_along` again.

use crate::core::{DType, Dim, Error, Result, Shape, Spec};
use crate::ops::index::take::cast_indices;
use crate::ops::{Attributes, GradContext, Graph, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TakeAlong {
    pub axis: i64,
}

impl TakeAlong {
    fn infer_shape(&self, x: &Shape, indices: &Spec) -> Result<Shape> {
        if !indices.dtype.is_integer() {
            return Err(Error::dtype(format!("indices must be integers, got {}; cast them first", indices.dtype)));
        }
        let axis = x.axis(self.axis)?;
        let mut wanted = x.clone();
        if indices.rank() == x.rank() {
            wanted.0[axis] = indices.shape.0[axis];
        }
        if !wanted.agrees(&indices.shape) {
            return Err(Error::shape(format!(
                "indices of shape {} for an array of shape {x} along axis {axis}; all other axes must be equal",
                indices.shape
            )));
        }
        let known = |(&own, &given): (&Dim, &Dim)| if given.known().is_some() { given } else { own };
        Ok(Shape(wanted.0.iter().zip(&indices.shape.0).map(known).collect()))
    }
}

impl Operation for TakeAlong {
    const NAME: &'static str = "take_along";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(TakeAlong { axis: attributes.int("axis", -1)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        Ok(vec![Spec::new(self.infer_shape(&inputs[0].shape, inputs[1])?, inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let (x, indices) = (context.inputs[0], context.inputs[1]);
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.apply(TakeAlongGrad { axis: self.axis }, &[g, indices, x])?), None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        cast_indices(graph, inputs[1]).map(|indices| {
            let indices = indices?;
            graph.append(self.clone(), &[inputs[0], indices])
        })
    }
}

/// The gradient of `take_along` with respect to `x`: `(g, indices, like x)`. Elements that no index names get 0; those
/// named more than once get the sum, in the order of the indices.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TakeAlongGrad {
    pub axis: i64,
}

impl Operation for TakeAlongGrad {
    const NAME: &'static str = "take_along_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(TakeAlongGrad { axis: attributes.int("axis", -1)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 3)?;
        if !inputs[0].dtype.is_float() {
            return Err(Error::dtype(format!("takes a gradient of floats, got {}", inputs[0].dtype)));
        }
        let taken = TakeAlong { axis: self.axis }.infer_shape(&inputs[2].shape, inputs[1])?;
        if !taken.agrees(&inputs[0].shape) {
            return Err(Error::shape(format!("a gradient of shape {} for elements of shape {taken}", inputs[0].shape)));
        }
        Ok(vec![Spec::new(inputs[2].shape.clone(), inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let indices = context.inputs[1];
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.apply(TakeAlong { axis: self.axis }, &[g, indices])?), None, None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let dtype = graph.dtype(inputs[0]);
        let cast = cast_indices(graph, inputs[1]);
        if dtype.is_compute_float() && cast.is_none() {
            return None;
        }
        let run = || -> Result<Vec<Value>> {
            let wide = if dtype.is_compute_float() { dtype } else { DType::Float32 };
            let g = graph.cast(inputs[0], wide)?;
            let indices = cast.unwrap_or(Ok(inputs[1]))?;
            let sum = graph.apply(self.clone(), &[g, indices, inputs[2]])?;
            Ok(vec![graph.cast(sum, dtype)?])
        };
        Some(run())
    }

    fn shape_only(&self) -> &'static [usize] {
        &[2]
    }
}
