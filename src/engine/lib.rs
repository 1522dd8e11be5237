//! The engine: ops, programs, their runtime, and the recommenders. It knows nothing of Python.
//!
//! From the bottom up: [`core`] (types, shapes, arrays, errors), [`ops`] (what programs are made of, the graph that they
//! are written into, and gradients on it), [`backends`] (ops to kernels), [`program`] (passes, plans), [`runtime`]
//! (variables, threads, execution). [`recommend`] stands beside them: recommenders are not programs.

pub mod backends;
pub mod core;
pub mod ops;
pub mod program;
pub mod recommend;
pub mod runtime;
