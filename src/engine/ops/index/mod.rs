//! Ops that pick or place elements by index.

pub mod dynamic_slice;
pub mod one_hot;
pub mod places;
pub mod take;
pub mod take_along;
