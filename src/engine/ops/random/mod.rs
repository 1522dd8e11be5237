//! Random draws. Each takes a seed, `uint32 (2,)`: the key of the stream and the number of the draw, so that a seed gives
//! the same numbers wherever and however often it is used. Who draws advances the number (`ironhorn.random`).

pub mod dropout;
pub mod integers;
pub mod normal;
pub mod truncated_normal;
pub mod uniform;

use crate::core::shape::{Bindings, bind_dim};
use crate::core::{DType, Dim, Error, Result, Shape, Spec};
use crate::ops::{Attributes, Graph, Op, Value, expect_inputs};

/// Fails unless `seed` is one.
fn expect_seed(seed: &Spec) -> Result<()> {
    if seed.dtype == DType::Uint32 && seed.shape.agrees(&Shape::known(&[2])) {
        Ok(())
    } else {
        Err(Error::value(format!("the seed must be uint32(2,), a seed and a counter, got {seed}")))
    }
}

/// Shape and type of what is drawn.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Drawn {
    pub shape: Vec<Dim>,
    pub dtype: DType,
}

impl Drawn {
    fn parse(attributes: &mut Attributes, default: DType) -> Result<Drawn> {
        let shape: Option<Vec<Dim>> = attributes.dims("shape")?.into_iter().collect();
        let shape = shape.ok_or_else(|| Error::shape("a draw needs every length of its shape"))?;
        Ok(Drawn { shape, dtype: attributes.dtype("dtype")?.unwrap_or(default) })
    }

    fn infer_float(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        expect_seed(inputs[0])?;
        if !self.dtype.is_float() {
            return Err(Error::dtype(format!("draws floats, got dtype {}; draw integers with randint", self.dtype)));
        }
        Ok(vec![Spec::new(Shape(self.shape.clone()), self.dtype)])
    }

    fn bind(&self, bindings: &Bindings) -> Drawn {
        Drawn { shape: self.shape.iter().map(|&dim| bind_dim(dim, bindings)).collect(), dtype: self.dtype }
    }

    /// 16-bit floats are drawn in float32, `op` says how, and rounded.
    fn by_float32(
        &self,
        graph: &mut Graph,
        inputs: &[Value],
        op: impl FnOnce(Drawn) -> Op,
    ) -> Option<Result<Vec<Value>>> {
        (!self.dtype.is_compute_float()).then(|| {
            let wide = graph.apply(op(Drawn { dtype: DType::Float32, ..self.clone() }), inputs)?;
            Ok(vec![graph.cast(wide, self.dtype)?])
        })
    }
}
