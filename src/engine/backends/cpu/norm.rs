//! Batch normalisation.
//!
//! ```text
//! forward    moments of chunks | merge them, make scale and shift | y = x scale + shift
//! backward   sums of chunks    | merge them into d gamma, d beta  | dx
//! ```

use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::float::Float;
use ironhorn_kernels::cpu::norm::{self as kernels, Normalisation};
use ironhorn_kernels::cpu::simd::Isa;

use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::{Error, Result, Spec};
use crate::ops::nn::batch_norm::{BatchNormGrad, BatchNormTrain};

fn rows(x: &Spec) -> Result<(usize, usize)> {
    let sizes = x.shape.concrete()?;
    let (channels, lead) = sizes.split_last().ok_or_else(|| Error::internal("the op checks the rank"))?;
    Ok((lead.iter().product(), *channels))
}

/// The scratch: partial sums in double precision, then `count` vectors of one number a channel.
fn scratch_bytes<T: kernels::NormElement>(kernel: &kernels::BatchNorm<T>, count: usize, channels: usize) -> usize {
    kernel.scratch() + count * channels * size_of::<T>()
}

/// The partial sums.
///
/// # Safety
/// The scratch was made with `scratch_bytes`.
unsafe fn sums<'a, T: kernels::NormElement>(io: &'a Io, kernel: &kernels::BatchNorm<T>) -> Disjoint<'a, f64> {
    // SAFETY: the scratch begins with them, aligned as every scratch is.
    unsafe { Disjoint::from_raw(io.scratch::<f64>().as_ptr(), kernel.scratch_numbers()) }
}

/// The vectors behind the partial sums.
///
/// # Safety
/// The scratch was made with `scratch_bytes`.
unsafe fn vectors<'a, T: kernels::NormElement>(
    io: &'a Io,
    kernel: &kernels::BatchNorm<T>,
    length: usize,
) -> Disjoint<'a, T> {
    // SAFETY: by this function's contract; what is before them is a multiple of eight bytes.
    unsafe { Disjoint::from_raw(io.scratch::<u8>().as_ptr().add(kernel.scratch()).cast::<T>(), length) }
}

/// Copies a vector to output `index`, if somebody reads it.
///
/// # Safety
/// The output has room for it, and no other chunk runs.
unsafe fn give<T: Copy>(io: &Io, index: usize, values: &[T]) {
    if io.wants(index) {
        // SAFETY: by this function's contract.
        unsafe { io.output::<T>(index, values.len()).range(0..values.len()) }.copy_from_slice(values);
    }
}

pub fn train(isa: Isa, op: &BatchNormTrain, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (rows, channels) = rows(&inputs[0])?;
    let weighted = inputs.len() > 3;
    let epsilon = op.epsilon.0;
    let elements = rows * channels;
    let mut cost = streaming(inputs, outputs, 8.0)?;
    cost.bytes += inputs[0].bytes()? as f64;
    floats!(outputs[0].dtype, T => {
        let kernel = kernels::BatchNorm::<T>::new(rows, channels);
        let chunks = kernel.chunks();
        let scratch = scratch_bytes(&kernel, 4, channels);
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`; the second phase has one chunk and writes the vectors, which are
            // only read in the third.
            unsafe {
                let (x, sums) = (io.input::<T>(0, elements), sums(io, &kernel));
                let vectors = vectors(io, &kernel, 4 * channels);
                match phase {
                    0 => {
                        let weights = weighted.then(|| io.input::<T>(3, rows));
                        kernel.run_moments(isa, chunk, x, weights, sums);
                    }
                    1 => {
                        let (moments, factors) = vectors.range(0..4 * channels).split_at_mut(2 * channels);
                        let (mean, variance) = moments.split_at_mut(channels);
                        let (scale, shift) = factors.split_at_mut(channels);
                        kernel.finish_moments(mean, variance, sums.range(0..sums.len()));
                        let by = Normalisation { mean, variance, epsilon: epsilon as T };
                        let (gamma, beta) = (io.input::<T>(1, channels), io.input::<T>(2, channels));
                        kernel.factors(by, Some(gamma), Some(beta), scale, shift);
                        give(io, 1, mean);
                        give(io, 2, variance);
                    }
                    _ if io.wants(0) => {
                        let factors = std::slice::from_raw_parts(vectors.as_ptr().add(2 * channels), 2 * channels);
                        let (scale, shift) = factors.split_at(channels);
                        kernel.run_apply(isa, chunk, x, scale, shift, io.output::<T>(0, elements));
                    }
                    _ => {}
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).then(1).then(chunks).scratch(scratch).cost(cost)))
    })
}

pub fn gradient(isa: Isa, op: &BatchNormGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (rows, channels) = rows(&inputs[1])?;
    let weighted = inputs.len() > 5;
    let epsilon = op.epsilon.0;
    let elements = rows * channels;
    let mut cost = streaming(inputs, outputs, 12.0)?;
    cost.bytes += 2.0 * inputs[0].bytes()? as f64;
    floats!(outputs[0].dtype, T => {
        let kernel = kernels::BatchNorm::<T>::new(rows, channels);
        let chunks = kernel.chunks();
        let scratch = scratch_bytes(&kernel, 2, channels);
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`; the second phase has one chunk and writes the vectors, which are
            // only read in the third.
            unsafe {
                let (g, x) = (io.input::<T>(0, elements), io.input::<T>(1, elements));
                let (mean, variance) = (io.input::<T>(3, channels), io.input::<T>(4, channels));
                let by = Normalisation { mean, variance, epsilon: epsilon as T };
                let (sums, vectors) = (sums(io, &kernel), vectors(io, &kernel, 2 * channels));
                match phase {
                    0 => kernel.run_gradient_sums(isa, chunk, x, g, mean, sums),
                    1 => {
                        let (d_gamma, d_beta) = vectors.range(0..2 * channels).split_at_mut(channels);
                        kernel.finish_gradient_sums(by, d_gamma, d_beta, sums.range(0..sums.len()));
                        give(io, 1, d_gamma);
                        give(io, 2, d_beta);
                    }
                    _ if io.wants(0) => {
                        let weights = weighted.then(|| io.input::<T>(5, rows));
                        let total = weights.map_or(rows as f64, |weights| weights.iter().map(|w| w.to_f64()).sum());
                        let (d_gamma, d_beta) =
                            std::slice::from_raw_parts(vectors.as_ptr(), 2 * channels).split_at(channels);
                        let (gamma, dx) = (Some(io.input::<T>(2, channels)), io.output::<T>(0, elements));
                        kernel.run_input_gradient(isa, chunk, x, g, weights, total, by, gamma, d_gamma, d_beta, dx);
                    }
                    _ => {}
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).then(1).then(chunks).scratch(scratch).cost(cost)))
    })
}
