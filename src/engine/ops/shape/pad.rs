//! `pad(x, low, high, value)`: puts `low[k]` and `high[k]` elements of `value` before and after axis `k`.
//!
//! Gradient: the slice that was inside.

use crate::core::{Dim, Error, Result, Shape, Spec};
use crate::ops::shape::slice::{Bound, Range, Slice};
use crate::ops::{Attributes, GradContext, Operation, Real, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pad {
    pub low: Vec<usize>,
    pub high: Vec<usize>,
    pub value: Real,
}

impl Operation for Pad {
    const NAME: &'static str = "pad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let (low, high) = (attributes.sizes("low")?, attributes.sizes("high")?);
        Ok(Pad { low, high, value: Real(attributes.float("value", 0.0)?) })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        let shape = &inputs[0].shape;
        if self.low.len() != shape.rank() || self.high.len() != shape.rank() {
            return Err(Error::shape(format!(
                "pad widths for {} and {} axes, but the array has shape {shape}",
                self.low.len(),
                self.high.len()
            )));
        }
        let dims = shape.0.iter().enumerate().map(|(i, dim)| match self.low[i] + self.high[i] {
            0 => *dim,
            more => dim.map(|size| size + more),
        });
        Ok(vec![Spec::new(Shape(dims.collect()), inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        let at = |i: usize| Bound::Dim(Dim::Known(i));
        let ranges = self
            .low
            .iter()
            .zip(&self.high)
            .map(|(&low, &high)| Range {
                start: at(low),
                stop: if high == 0 { Bound::Open } else { Bound::At(-(high as i64)) },
                step: 1,
            })
            .collect();
        Ok(vec![Some(context.graph.apply(Slice { ranges }, &[g])?)])
    }
}
