//! CPU kernels. One file a kernel; `simd` picks the instruction set once per process.

pub mod arg_reduce;
pub mod cast;
pub mod conv;
pub mod disjoint;
pub mod elementary;
pub mod elementwise;
pub mod error_function;
pub mod factor;
pub mod float;
pub mod gather;
pub mod gemm;
pub mod layer_norm;
pub mod movement;
pub mod norm;
pub mod pool;
pub mod random;
pub mod reduce;
pub mod resample;
pub mod rnn;
pub mod simd;
pub mod softmax;
pub mod update;
pub mod vector_math;
pub mod workspace;
