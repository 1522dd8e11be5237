//! `dropout(x, seed)`: `x / (1 - rate)` where kept, 0 where dropped; each element is dropped with chance `rate`.
//!
//! Which elements are kept follows from the seed alone, so the gradient is `dropout(g, seed)` with the same seed: no mask is
//! stored.

use super::expect_seed;
use crate::core::{DType, Error, Result, Spec};
use crate::ops::{Attributes, GradContext, Graph, Operation, Real, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Dropout {
    pub rate: Real,
}

impl Operation for Dropout {
    const NAME: &'static str = "dropout";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(Dropout { rate: Real(attributes.float("rate", f64::NAN)?) })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        expect_seed(inputs[1])?;
        if !(0.0..=1.0).contains(&self.rate.0) {
            return Err(Error::value(format!("the rate must lie in [0, 1], got {}", self.rate.0)));
        }
        if !inputs[0].dtype.is_float() {
            return Err(Error::dtype(format!("takes floats, got {}; cast the input first", inputs[0].dtype)));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.apply(self.clone(), &[g, context.inputs[1]])?), None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let dtype = graph.dtype(inputs[0]);
        (!dtype.is_compute_float()).then(|| {
            let wide = graph.cast(inputs[0], DType::Float32)?;
            let dropped = graph.apply(self.clone(), &[wide, inputs[1]])?;
            Ok(vec![graph.cast(dropped, dtype)?])
        })
    }
}
