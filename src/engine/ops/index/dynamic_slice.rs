//! `dynamic_slice(x, starts, shape)` and `slice_update(x, starts, updates)`: a box of an array read and replaced, where the
//! box's corner is known only when the program runs.
//!
//! `starts` holds one integer for each axis, a negative one counted from its end. The box is then moved so that it lies in
//! the array, as JAX does. Gradients: of the slice, `g` put into zeros; of the update, `g` with zeros in the box, and the
//! box of `g`.

use crate::core::shape::{Bindings, bind_dim};
use crate::core::{Dim, Error, Result, Shape, Spec};
use crate::ops::index::take::cast_indices;
use crate::ops::{Attributes, GradContext, Graph, Operation, Value, expect_inputs};

/// Fails unless a box of `lengths` fits into `x` and `starts` is a corner.
fn check(x: &Spec, starts: &Spec, lengths: &[Dim]) -> Result<()> {
    if !starts.dtype.is_integer() {
        return Err(Error::dtype(format!("start indices must be integers, got {}; cast them first", starts.dtype)));
    }
    if starts.rank() != 1 || starts.shape.0[0].known() != Some(x.rank()) || lengths.len() != x.rank() {
        return Err(Error::shape(format!(
            "start indices of shape {} and a box of shape {} for an array of shape {}; each needs one number an axis",
            starts.shape,
            Shape(lengths.to_vec()),
            x.shape
        )));
    }
    let fits = |(length, size): (&Dim, &Dim)| match (length.known(), size.known()) {
        (Some(length), Some(size)) => length <= size,
        _ => true,
    };
    if lengths.iter().zip(&x.shape.0).all(fits) {
        return Ok(());
    }
    Err(Error::shape(format!("a box of shape {} is larger than the array's {}", Shape(lengths.to_vec()), x.shape)))
}

/// The box of `shape` at `starts`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DynamicSlice {
    pub shape: Vec<Dim>,
}

impl Operation for DynamicSlice {
    const NAME: &'static str = "dynamic_slice";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let shape: Option<Vec<Dim>> = attributes.dims("shape")?.into_iter().collect();
        shape.map(|shape| DynamicSlice { shape }).ok_or_else(|| Error::shape("needs every length of the box"))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        check(inputs[0], inputs[1], &self.shape)?;
        Ok(vec![Spec::new(Shape(self.shape.clone()), inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let (x, starts) = (context.inputs[0], context.inputs[1]);
        let g = context.gradient(0)?;
        let zeros = context.graph.zeros_like(x)?;
        Ok(vec![Some(context.graph.apply(SliceUpdate, &[zeros, starts, g])?), None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        cast_indices(graph, inputs[1]).map(|starts| {
            let starts = starts?;
            graph.append(self.clone(), &[inputs[0], starts])
        })
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        DynamicSlice { shape: self.shape.iter().map(|&dim| bind_dim(dim, bindings)).collect() }
    }
}

/// `x` with `updates` in the box at `starts`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SliceUpdate;

impl Operation for SliceUpdate {
    const NAME: &'static str = "slice_update";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Ok(SliceUpdate)
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 3)?;
        check(inputs[0], inputs[1], &inputs[2].shape.0)?;
        if inputs[0].dtype != inputs[2].dtype {
            let (x, updates) = (inputs[0].dtype, inputs[2].dtype);
            return Err(Error::dtype(format!("updates of {updates} for an array of {x}; cast them")));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let (starts, updates) = (context.inputs[1], context.inputs[2]);
        let g = context.gradient(0)?;
        let graph = &mut *context.graph;
        let zeros = graph.zeros_like(updates)?;
        let of_x = graph.apply(SliceUpdate, &[g, starts, zeros])?;
        let shape = graph.shape(updates).0.clone();
        Ok(vec![Some(of_x), None, Some(graph.apply(DynamicSlice { shape }, &[g, starts])?)])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        cast_indices(graph, inputs[1]).map(|starts| {
            let starts = starts?;
            graph.append(SliceUpdate, &[inputs[0], starts, inputs[2]])
        })
    }
}
