//! Ops that move elements and change shapes.

pub mod broadcast;
pub mod concat;
pub mod dim_value;
pub mod iota;
pub mod pad;
pub mod reshape;
pub mod slice;
pub mod transpose;
