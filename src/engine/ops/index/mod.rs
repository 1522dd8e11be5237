//! Ops that pick or place elements by index.

pub mod one_hot;
pub mod take;
