//! Arithmetic that is not elementwise arithmetic.

pub mod cast;
