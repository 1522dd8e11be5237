//! `take(x, indices, axis)`: `y[.., i.., ..] = x[.., indices[i..], ..]`, the rows of `x` that the indices name.
//!
//! The shape of the indices stands in the place of the axis. Negative indices count from the end; one outside of the axis
//! is an error when the program runs. Embedding lookup is `take` along axis 0.
//!
//! Gradient: every row of `g` is added to the row of `x` it came from ([`TakeGrad`]), whose own gradient is `take` again.

use crate::core::{DType, Error, Result, Shape, Spec};
use crate::ops::{Attributes, GradContext, Graph, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Take {
    pub axis: i64,
}

impl Take {
    fn infer_shape(&self, x: &Shape, indices: &Spec) -> Result<Shape> {
        if !indices.dtype.is_integer() {
            return Err(Error::dtype(format!("indices must be integers, got {}; cast them first", indices.dtype)));
        }
        let axis = x.axis(self.axis)?;
        Ok(Shape([&x.0[..axis], &indices.shape.0, &x.0[axis + 1..]].concat()))
    }
}

/// Indices that kernels read as they are fit an `i64`; `uint64` is cast.
pub fn narrow_indices(graph: &mut Graph, indices: Value) -> Result<Value> {
    if graph.dtype(indices) == DType::Uint64 { graph.cast(indices, DType::Int64) } else { Ok(indices) }
}

/// As `narrow_indices` for kernels that read int32 and int64 alone; `None` where the indices are one of these.
pub fn cast_indices(graph: &mut Graph, indices: Value) -> Option<Result<Value>> {
    match graph.dtype(indices) {
        DType::Int32 | DType::Int64 => None,
        _ => Some(graph.cast(indices, DType::Int64)),
    }
}

impl Operation for Take {
    const NAME: &'static str = "take";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(Take { axis: attributes.int("axis", 0)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        Ok(vec![Spec::new(self.infer_shape(&inputs[0].shape, inputs[1])?, inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let (x, indices) = (context.inputs[0], context.inputs[1]);
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.apply(TakeGrad { axis: self.axis }, &[g, indices, x])?), None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        (graph.dtype(inputs[1]) == DType::Uint64).then(|| {
            let indices = narrow_indices(graph, inputs[1])?;
            graph.append(self.clone(), &[inputs[0], indices])
        })
    }
}

/// The gradient of `take` with respect to `x`: `(g, indices, like x)`. Rows that no index names get zeros; rows named more
/// than once get the sum, in the order of the indices.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TakeGrad {
    pub axis: i64,
}

impl Operation for TakeGrad {
    const NAME: &'static str = "take_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(TakeGrad { axis: attributes.int("axis", 0)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 3)?;
        if !inputs[0].dtype.is_float() {
            return Err(Error::dtype(format!("takes a gradient of floats, got {}", inputs[0].dtype)));
        }
        let taken = Take { axis: self.axis }.infer_shape(&inputs[2].shape, inputs[1])?;
        if !taken.agrees(&inputs[0].shape) {
            return Err(Error::shape(format!("a gradient of shape {} for rows of shape {taken}", inputs[0].shape)));
        }
        Ok(vec![Spec::new(inputs[2].shape.clone(), inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.apply(Take { axis: self.axis }, &[g, context.inputs[1]])?), None, None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let dtype = graph.dtype(inputs[0]);
        if dtype.is_compute_float() && graph.dtype(inputs[1]) != DType::Uint64 {
            return None;
        }
        let mut run = || -> Result<Vec<Value>> {
            // 16-bit floats are storage: their sums are made in float32 and rounded once.
            let wide = if dtype.is_compute_float() { dtype } else { DType::Float32 };
            let g = graph.cast(inputs[0], wide)?;
            let indices = narrow_indices(graph, inputs[1])?;
            let sum = graph.apply(self.clone(), &[g, indices, inputs[2]])?;
            Ok(vec![graph.cast(sum, dtype)?])
        };
        Some(run())
    }

    fn shape_only(&self) -> &'static [usize] {
        &[2]
    }
}
