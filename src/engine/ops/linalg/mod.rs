//! Linear algebra.

pub mod epilogue;
pub mod matmul;
