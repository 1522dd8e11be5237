//! `iota(shape, axis)`: every element is its index along `axis`. No inputs, so no gradient.

use crate::core::shape::{Bindings, bind_dim};
use crate::core::{DType, Dim, Error, Result, Shape, Spec};
use crate::ops::{Attributes, GradContext, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Iota {
    pub shape: Vec<Dim>,
    pub axis: usize,
    pub dtype: DType,
}

impl Operation for Iota {
    const NAME: &'static str = "iota";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let shape: Option<Vec<Dim>> = attributes.dims("shape")?.into_iter().collect();
        let shape = shape.ok_or_else(|| Error::shape("iota needs every length of its shape"))?;
        let axis = Shape(shape.clone()).axis(attributes.int("axis", 0)?)?;
        Ok(Iota { shape, axis, dtype: attributes.dtype("dtype")?.unwrap_or(DType::Int32) })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 0)?;
        Ok(vec![Spec::new(Shape(self.shape.clone()), self.dtype)])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Ok(Vec::new())
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        Iota { shape: self.shape.iter().map(|&dim| bind_dim(dim, bindings)).collect(), ..self.clone() }
    }
}
