//! Reductions over axes.

pub mod arg_reduce;
#[allow(clippy::module_inception)]
pub mod reduce;
pub mod sum_like;

pub use reduce::ReduceKind;

use crate::core::{DType, Dim, Result, Shape};
use crate::ops::{Graph, Op, Value};

/// A reduction of 16-bit floats, which are storage: computed in float32, rounded once.
pub fn half_by_float32(op: Op, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
    let dtype = graph.dtype(inputs[0]);
    if !dtype.is_float() || dtype.is_compute_float() {
        return None;
    }
    let run = || -> Result<Vec<Value>> {
        let wide = inputs.iter().map(|&input| graph.cast(input, DType::Float32)).collect::<Result<Vec<_>>>()?;
        let result = graph.apply(op, &wide)?;
        let back = if graph.dtype(result).is_float() { graph.cast(result, dtype)? } else { result };
        Ok(vec![back])
    };
    Some(run())
}

/// The axes as sorted indices; `None` is all of them.
pub fn reduced_axes(axes: Option<&[i64]>, rank: usize) -> Result<Vec<usize>> {
    let Some(axes) = axes else { return Ok((0..rank).collect()) };
    let mut found =
        axes.iter().map(|&axis| crate::core::shape::normalize_axis(axis, rank)).collect::<Result<Vec<_>>>()?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// A shape without `axes`, or with length 1 in their place.
pub fn reduced_shape(shape: &Shape, axes: &[usize], keepdims: bool) -> Shape {
    let dims = shape.0.iter().enumerate().filter_map(|(i, &dim)| match (axes.contains(&i), keepdims) {
        (false, _) => Some(dim),
        (true, true) => Some(Dim::Known(1)),
        (true, false) => None,
    });
    Shape(dims.collect())
}
