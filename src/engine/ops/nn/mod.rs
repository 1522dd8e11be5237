//! Ops of neural networks.

pub mod conv;
