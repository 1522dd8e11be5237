//! CPU kernels. One file a kernel; `simd` picks the instruction set once per process.

pub mod disjoint;
pub mod float;
pub mod simd;
pub mod vector_math;
pub mod random;
