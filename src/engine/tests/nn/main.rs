//! Ops of neural networks and optimizer updates: kernels against naive loops and decompositions, derivatives against
//! finite differences.

mod check;
mod conv;
