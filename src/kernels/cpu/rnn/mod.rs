//! Recurrent layers: whole sequences in one kernel, forwards and backwards.

mod gates;
mod lstm;
mod lstm_backward;
mod panels;
#[cfg(test)]
mod tests;

pub use lstm::{Lstm, LstmInputs, LstmOutputs, LstmShape};
pub use lstm_backward::{LstmBackward, LstmGradients, LstmSaved, LstmWeightGradients};

use crate::cpu::gemm::Compute;
use crate::cpu::vector_math::VectorMath;

/// The element types that recurrent kernels compute in: `f32` and `f64`.
pub trait Recurrent: Compute + VectorMath {}
impl Recurrent for f32 {}
impl Recurrent for f64 {}
