//! `broadcast_to(x, shape)`: repeats `x` along new leading axes and along its axes of length 1.
//!
//! Gradient: the sum over the repeated axes.

use crate::core::shape::{Bindings, bind_dim};
use crate::core::{Dim, Error, Result, Shape, Spec};
use crate::ops::{Attributes, GradContext, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Broadcast {
    pub shape: Vec<Dim>,
}

fn check(from: &Shape, to: &Shape) -> Result<()> {
    let fits = from.rank() <= to.rank()
        && from.0.iter().rev().zip(to.0.iter().rev()).all(|(&a, &b)| a == Dim::Known(1) || a.agrees(b));
    if fits { Ok(()) } else { Err(Error::shape(format!("cannot broadcast {from} to {to}"))) }
}

impl Operation for Broadcast {
    const NAME: &'static str = "broadcast_to";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let shape: Option<Vec<Dim>> = attributes.dims("shape")?.into_iter().collect();
        shape
            .map(|shape| Broadcast { shape })
            .ok_or_else(|| Error::shape("broadcast_to needs every length of the new shape"))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        let to = Shape(self.shape.clone());
        check(&inputs[0].shape, &to)?;
        Ok(vec![Spec::new(to, inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.sum_like(g, context.inputs[0])?)])
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        Broadcast { shape: self.shape.iter().map(|&dim| bind_dim(dim, bindings)).collect() }
    }
}

/// `broadcast_to` the shape of a second input, of which only the shape is read.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BroadcastLike;

impl Operation for BroadcastLike {
    const NAME: &'static str = "broadcast_like";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Ok(BroadcastLike)
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        check(&inputs[0].shape, &inputs[1].shape)?;
        Ok(vec![Spec::new(inputs[1].shape.clone(), inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.sum_like(g, context.inputs[0])?), None])
    }

    fn shape_only(&self) -> &'static [usize] {
        &[1]
    }
}
