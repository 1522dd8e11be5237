//! `transpose(x, axes)`: `y[i_0, i_1, ..] = x[..]` with axis `k` of `y` being axis `axes[k]` of `x`.
//!
//! Gradient: the inverse permutation.

use crate::core::{Error, Result, Shape, Spec};
use crate::ops::{Attributes, GradContext, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Transpose {
    pub permutation: Vec<usize>,
}

impl Operation for Transpose {
    const NAME: &'static str = "transpose";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(Transpose { permutation: attributes.sizes("axes")? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        let shape = &inputs[0].shape;
        let mut sorted = self.permutation.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..shape.rank()) {
            return Err(Error::shape(format!(
                "axes {:?} are not a permutation of the {} axes of shape {shape}",
                self.permutation,
                shape.rank()
            )));
        }
        let dims = self.permutation.iter().map(|&axis| shape.0[axis]).collect();
        Ok(vec![Spec::new(Shape(dims), inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let mut inverse = vec![0; self.permutation.len()];
        for (to, &from) in self.permutation.iter().enumerate() {
            inverse[from] = to;
        }
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.transpose(g, &inverse)?)])
    }
}
