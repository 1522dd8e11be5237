//! `random_uniform(seed)`: numbers from `[low, high)`, each as likely as any other. No gradient: the input is an integer.

use half::{bf16, f16};
use ironhorn_kernels::cpu::elementwise::Scalar;

use super::Drawn;
use crate::core::shape::Bindings;
use crate::core::{Array, DType, Error, Result, Spec};
use crate::ops::{Attributes, GradContext, Graph, Operation, Real, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RandomUniform {
    pub drawn: Drawn,
    pub low: Real,
    pub high: Real,
}

impl Operation for RandomUniform {
    const NAME: &'static str = "random_uniform";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(RandomUniform {
            drawn: Drawn::parse(attributes, DType::Float32)?,
            low: Real(attributes.float("low", 0.0)?),
            high: Real(attributes.float("high", 1.0)?),
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let (low, high) = (self.low.0, self.high.0);
        if !(low <= high && low.is_finite() && high.is_finite()) {
            return Err(Error::value(format!("draws from [low, high) need finite low <= high, got [{low}, {high})")));
        }
        self.drawn.infer_float(inputs)
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Ok(vec![None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let narrow = self.drawn.by_float32(graph, inputs, |drawn| RandomUniform { drawn, ..self.clone() }.into())?;
        // Rounding to 16 bits may reach the high end, which is no member.
        let dtype = self.drawn.dtype;
        Some(narrow.and_then(|drawn| {
            let top =
                if self.low == self.high { Ok(Array::scalar(self.high.0, dtype)?) } else { below(self.high.0, dtype) };
            let top = graph.constant(top?);
            Ok(vec![graph.elementwise(Scalar::Minimum, &[drawn[0], top])?])
        }))
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        RandomUniform { drawn: self.drawn.bind(bindings), ..self.clone() }
    }
}

/// The largest 16-bit float below `value`.
fn below(value: f64, dtype: DType) -> Result<Array> {
    let step = |bits: u16, negative: bool| match (bits & 0x7FFF, negative) {
        (0, _) => 0x8001,
        (_, false) => bits - 1,
        (_, true) => bits + 1,
    };
    match dtype {
        DType::Float16 => {
            let near = f16::from_f64(value);
            let under = if near.to_f64() < value {
                near
            } else {
                f16::from_bits(step(near.to_bits(), near.is_sign_negative()))
            };
            Array::from_slice(&[], &[under])
        }
        DType::Bfloat16 => {
            let near = bf16::from_f64(value);
            let under = if near.to_f64() < value {
                near
            } else {
                bf16::from_bits(step(near.to_bits(), near.is_sign_negative()))
            };
            Array::from_slice(&[], &[under])
        }
        other => Err(Error::internal(format!("{other} is no 16-bit float"))),
    }
}
