//! `truncated_normal(seed)`: numbers from a normal distribution, drawn again while further than twon//! standard deviations from the mean. No gradient: the input is an integer.

use super::Drawn;
use crate::core::shape::Bindings;
use crate::core::{DType, Error, Result, Spec};
use crate::ops::{Attributes, GradContext, Graph, Operation, Real, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TruncatedNormal {
    pub drawn: Drawn,
    pub mean: Real,
    pub stddev: Real,
}

impl Operation for TruncatedNormal {
    const NAME: &'static str = "truncated_normal";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(TruncatedNormal {
            drawn: Drawn::parse(attributes, DType::Float32)?,
            mean: Real(attributes.float("mean", 0.0)?),
            stddev: Real(attributes.float("stddev", 1.0)?),
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        if self.stddev.0.is_nan() || self.stddev.0 < 0.0 {
            return Err(Error::value(format!("the standard deviation must be 0 or more, got {}", self.stddev.0)));
        }
        self.drawn.infer_float(inputs)
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Ok(vec![None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        self.drawn.by_float32(graph, inputs, |drawn| TruncatedNormal { drawn, ..self.clone() }.into())
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        TruncatedNormal { drawn: self.drawn.bind(bindings), ..self.clone() }
    }
}
