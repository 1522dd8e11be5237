//! `random_integers(seed)`: integers from `[low, high)`, each as likely as any other. No gradient.

use super::{Drawn, expect_seed};
use crate::core::shape::Bindings;
use crate::core::{DType, Error, Result, Shape, Spec};
use crate::ops::{Attributes, GradContext, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RandomIntegers {
    pub drawn: Drawn,
    pub low: i64,
    pub high: i64,
}

impl RandomIntegers {
    /// The least and the greatest `i64` that the type can hold.
    fn limits(dtype: DType) -> Option<(i64, i64)> {
        Some(match dtype {
            DType::Int8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
            DType::Int16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
            DType::Int32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
            DType::Int64 => (i64::MIN, i64::MAX),
            DType::Uint8 => (0, i64::from(u8::MAX)),
            DType::Uint16 => (0, i64::from(u16::MAX)),
            DType::Uint32 => (0, i64::from(u32::MAX)),
            DType::Uint64 => (0, i64::MAX),
            _ => return None,
        })
    }
}

impl Operation for RandomIntegers {
    const NAME: &'static str = "random_integers";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let drawn = Drawn::parse(attributes, DType::Int32)?;
        let (Some(low), Some(high)) = (attributes.optional_int("low")?, attributes.optional_int("high")?) else {
            return Err(Error::value("random_integers needs low and high"));
        };
        Ok(RandomIntegers { drawn, low, high })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        expect_seed(inputs[0])?;
        let (low, high, dtype) = (self.low, self.high, self.drawn.dtype);
        let Some((least, greatest)) = RandomIntegers::limits(dtype) else {
            return Err(Error::dtype(format!("draws integers, got dtype {dtype}; cast them afterwards")));
        };
        if low >= high {
            return Err(Error::value(format!("there is no integer in [{low}, {high}); high must be above low")));
        }
        if low < least || high - 1 > greatest {
            return Err(Error::value(format!("integers from [{low}, {high}) do not fit {dtype}")));
        }
        Ok(vec![Spec::new(Shape(self.drawn.shape.clone()), dtype)])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Ok(vec![None])
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        RandomIntegers { drawn: self.drawn.bind(bindings), ..self.clone() }
    }
}
