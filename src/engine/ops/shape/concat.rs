//! `concatenate(xs, axis)`: joins arrays that agree in every other axis.
//!
//! Gradient: each input gets its own slice of the gradient.

use crate::core::{Dim, Error, Result, Shape, Spec};
use crate::ops::graph::DimRule;
use crate::ops::shape::slice::slice_like;
use crate::ops::{Attributes, GradContext, Operation, Promotion, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Concat {
    pub axis: i64,
}

impl Operation for Concat {
    const NAME: &'static str = "concatenate";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(Concat { axis: attributes.int("axis", -1)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let Some(first) = inputs.first() else { return Err(Error::value("needs at least one array")) };
        let axis = first.shape.axis(self.axis)?;
        let mut shape = first.shape.clone();
        for input in &inputs[1..] {
            let fits = input.rank() == first.rank()
                && input.shape.0.iter().zip(&first.shape.0).enumerate().all(|(i, (a, b))| i == axis || a.agrees(*b));
            if !fits {
                return Err(Error::shape(format!(
                    "shapes {} and {} cannot be joined along axis {}: every other axis must have the same length",
                    first.shape, input.shape, self.axis
                )));
            }
            if input.dtype != first.dtype {
                return Err(Error::dtype(format!("types {} and {} differ", first.dtype, input.dtype)));
            }
            for (i, dim) in shape.0.iter_mut().enumerate() {
                if i != axis && dim.known().is_none() {
                    *dim = input.shape.0[i];
                }
            }
        }
        let total = inputs.iter().map(|input| input.shape.0[axis].known()).sum::<Option<usize>>();
        shape.0[axis] = match total {
            Some(total) => Dim::Known(total),
            None if inputs.len() == 1 => first.shape.0[axis],
            None => Dim::fresh(),
        };
        Ok(vec![Spec::new(Shape(shape.0), first.dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        let axis = context.graph.shape(context.inputs[0]).axis(self.axis)?;
        let mut start = Dim::Known(0);
        let mut gradients = Vec::with_capacity(context.inputs.len());
        for &input in context.inputs {
            let size = context.graph.shape(input).0[axis];
            let stop = context.graph.derive_dim(DimRule::Add, start, size)?;
            gradients.push(Some(slice_like(context.graph, g, axis, start, stop)?));
            start = stop;
        }
        Ok(gradients)
    }

    fn promotion(&self) -> Promotion {
        Promotion::All
    }
}
