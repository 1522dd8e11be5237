//! Arithmetic that is not elementwise arithmetic.

pub mod bitcast;
pub mod cast;
