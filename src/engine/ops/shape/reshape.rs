//! `reshape(x, shape)`: the same elements in the same order under another shape; one length may be -1.
//!
//! Gradient: reshape back.

use crate::core::shape::{Bindings, bind_dim};
use crate::core::{Dim, Error, Result, Shape, Spec};
use crate::ops::{Attributes, GradContext, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reshape {
    /// `None` is the length that follows from the others.
    pub shape: Vec<Option<Dim>>,
}

impl Operation for Reshape {
    const NAME: &'static str = "reshape";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let shape = attributes.dims("shape")?;
        if shape.iter().filter(|dim| dim.is_none()).count() > 1 {
            return Err(Error::shape("only one length of a new shape can be -1"));
        }
        Ok(Reshape { shape })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        let from = &inputs[0].shape;
        let refuse = || {
            let to: Vec<String> = self
                .shape
                .iter()
                .map(|dim| {
                    dim.map_or("-1".to_string(), |dim| dim.known().map_or("None".to_string(), |n| n.to_string()))
                })
                .collect();
            Error::shape(format!(
                "cannot reshape {from} to ({}): the number of elements must stay the same",
                to.join(", ")
            ))
        };
        let known: usize = self.shape.iter().flatten().filter_map(|dim| dim.known()).product();
        let shape = match from.sizes() {
            Some(sizes) if self.shape.iter().flatten().all(|dim| dim.known().is_some()) => {
                let total: usize = sizes.iter().product();
                let missing = if self.shape.iter().any(Option::is_none) {
                    if known == 0 || !total.is_multiple_of(known) {
                        return Err(refuse());
                    }
                    total / known
                } else {
                    1
                };
                if known * missing != total {
                    return Err(refuse());
                }
                self.shape.iter().map(|dim| dim.unwrap_or(Dim::Known(missing))).collect()
            }
            _ => self.shape.iter().map(|dim| dim.unwrap_or_else(|| self.missing(from))).collect(),
        };
        Ok(vec![Spec::new(Shape(shape), inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.reshape_like(g, context.inputs[0])?)])
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        Reshape { shape: self.shape.iter().map(|dim| dim.map(|dim| bind_dim(dim, bindings))).collect() }
    }
}

impl Reshape {
    /// The missing length of a shape with symbols, after cancelling the symbols that stand on both sides.
    fn missing(&self, from: &Shape) -> Dim {
        let mut left: Vec<Dim> = from.0.clone();
        let mut right = 1usize;
        for dim in self.shape.iter().flatten() {
            match dim {
                Dim::Known(size) => right *= size,
                symbol @ Dim::Symbol(_) => match left.iter().position(|other| other == symbol) {
                    Some(found) => drop(left.remove(found)),
                    None => return Dim::fresh(),
                },
            }
        }
        let known: usize = left.iter().filter_map(|dim| dim.known()).product();
        let symbols: Vec<Dim> = left.into_iter().filter(|dim| dim.known().is_none()).collect();
        match symbols.as_slice() {
            [] if right > 0 && known.is_multiple_of(right) => Dim::Known(known / right),
            [symbol] if known == right => *symbol,
            _ => Dim::fresh(),
        }
    }
}

/// `reshape` to the shape of a second input, of which only the shape is read.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ReshapeLike;

impl Operation for ReshapeLike {
    const NAME: &'static str = "reshape_like";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Ok(ReshapeLike)
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        let (from, to) = (&inputs[0].shape, &inputs[1].shape);
        if let (Some(a), Some(b)) = (from.sizes(), to.sizes())
            && a.iter().product::<usize>() != b.iter().product::<usize>()
        {
            return Err(Error::shape(format!("cannot reshape {from} to {to}")));
        }
        Ok(vec![Spec::new(to.clone(), inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.reshape_like(g, context.inputs[0])?), None])
    }

    fn shape_only(&self) -> &'static [usize] {
        &[1]
    }
}
