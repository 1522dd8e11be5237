//! `one_hot(indices, depth, axis)`: a new axis of `depth` that holds 1 at the index and 0 elsewhere.
//!
//! As in Keras, an index outside of `[0, depth)` gives zeros alone. No gradient: the input is an integer.

use crate::core::{DType, Dim, Error, Result, Spec};
use crate::ops::index::take::narrow_indices;
use crate::ops::{Attributes, GradContext, Graph, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct OneHot {
    pub depth: usize,
    /// Where the new axis stands in the result.
    pub axis: i64,
    pub dtype: DType,
}

impl Operation for OneHot {
    const NAME: &'static str = "one_hot";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let depth = attributes.int("depth", -1)?;
        Ok(OneHot {
            depth: usize::try_from(depth).map_err(|_| Error::value(format!("depth must be 0 or more, got {depth}")))?,
            axis: attributes.int("axis", -1)?,
            dtype: attributes.dtype("dtype")?.unwrap_or(DType::Float32),
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        if !inputs[0].dtype.is_integer() {
            return Err(Error::dtype(format!("takes integers, got {}; cast them first", inputs[0].dtype)));
        }
        let mut shape = inputs[0].shape.clone();
        let axis = crate::core::shape::normalize_axis(self.axis, shape.rank() + 1)?;
        shape.0.insert(axis, Dim::Known(self.depth));
        Ok(vec![Spec::new(shape, self.dtype)])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Ok(vec![None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        (graph.dtype(inputs[0]) == DType::Uint64).then(|| {
            let indices = narrow_indices(graph, inputs[0])?;
            graph.append(self.clone(), &[indices])
        })
    }
}
