//! `search_sorted(sorted, values)`: for each value the place, as int32, where it would be put into a sorted vector so that
//! the vector stays sorted: before its equals, or behind them. No gradient: the result is an integer.

use super::expect_int32;
use crate::core::{DType, Error, Result, Spec};
use crate::ops::{Attributes, GradContext, Operation, Promotion, Value, expect_inputs, one_of};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SearchSorted {
    /// True puts values behind their equals.
    pub behind: bool,
}

impl Operation for SearchSorted {
    const NAME: &'static str = "search_sorted";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let side = attributes.text("side", "left")?;
        Ok(SearchSorted { behind: one_of("side", &side, &[("left", false), ("right", true)])? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        let sorted = inputs[0];
        if sorted.rank() != 1 {
            return Err(Error::shape(format!(
                "the sorted sequence must be a vector, got shape {}; use ops.vectorized_map for several",
                sorted.shape
            )));
        }
        expect_int32(sorted.shape.0[0])?;
        if sorted.dtype != inputs[1].dtype {
            return Err(Error::dtype(format!("searches {} in {}; cast one of them", inputs[1].dtype, sorted.dtype)));
        }
        Ok(vec![Spec::new(inputs[1].shape.clone(), DType::Int32)])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Ok(vec![None, None])
    }

    fn promotion(&self) -> Promotion {
        Promotion::All
    }
}
