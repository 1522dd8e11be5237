//! Ops of neural networks and optimizer updates: kernels against naive loops and decompositions, derivatives against
//! finite differences.
#![allow(clippy::unwrap_used)]

mod batch_norm;
mod check;
mod conv;
mod cross_entropy;
mod layer_norm;
mod pool;
mod resample;
mod softmax;
mod update;
