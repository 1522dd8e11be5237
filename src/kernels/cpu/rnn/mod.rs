//! Recurrent layers: whole sequences in one kernel, forwards and backwards, for every cell.

mod backward;
mod cell;
mod forward;
mod gates;
mod panels;
#[cfg(test)]
mod tests;

pub use backward::{Backward, Gradients, Saved, WeightGradients};
pub use cell::{Activation, Cell, Inputs, Shape};
pub use forward::{Forward, Outputs};

use crate::cpu::gemm::Compute;
use crate::cpu::vector_math::VectorMath;

/// The element types that recurrent kernels compute in: `f32` and `f64`.
pub trait Recurrent: Compute + VectorMath {}
impl Recurrent for f32 {}
impl Recurrent for f64 {}
