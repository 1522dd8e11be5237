//! Control flow and what stops it.

pub mod stop_gradient;
