//! Batch normalisation.
//!
//! ```text
//! forward    moments of chunks | merge them, make scale and shift | y = relu(x scale + shift + residual)
//! apply      make scale and shift of moments that are known | y = relu(x scale + shift + residual)
//! backward   [scale and shift] | sums of chunks | merge them into d gamma, d beta | dx
//! ```
//!
//! Each pass walks the chunks against the direction of the one before: what that left in the cache is met first.

use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::float::Float;
use ironhorn_kernels::cpu::norm::{self as kernels, Arriving, Normalisation, Residual};
use ironhorn_kernels::cpu::simd::Isa;

use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::{Error, Result, Spec};
use crate::ops::nn::batch_norm::{BatchNormGrad, BatchNormTrain, Gate};
use crate::ops::nn::conv_moments::BatchNormApply;

fn rows(x: &Spec) -> Result<(usize, usize)> {
    let sizes = x.shape.concrete()?;
    let (channels, lead) = sizes.split_last().ok_or_else(|| Error::internal("the op checks the rank"))?;
    Ok((lead.iter().product(), *channels))
}

/// The scratch: partial sums in double precision, then `count` vectors of one number a channel.
pub(super) fn scratch_bytes<T: kernels::NormElement>(
    kernel: &kernels::BatchNorm<T>,
    count: usize,
    channels: usize,
) -> usize {
    kernel.scratch() + count * channels * size_of::<T>()
}

/// The partial sums.
///
/// # Safety
/// The scratch was made with `scratch_bytes`.
pub(super) unsafe fn sums<'a, T: kernels::NormElement>(
    io: &'a Io,
    kernel: &kernels::BatchNorm<T>,
) -> Disjoint<'a, f64> {
    // SAFETY: the scratch begins with them, aligned as every scratch is.
    unsafe { Disjoint::from_raw(io.scratch::<f64>().as_ptr(), kernel.scratch_numbers()) }
}

/// The vectors behind the partial sums.
///
/// # Safety
/// The scratch was made with `scratch_bytes`.
pub(super) unsafe fn vectors<'a, T: kernels::NormElement>(
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
pub(super) unsafe fn give<T: Copy>(io: &Io, index: usize, values: &[T]) {
    if io.wants(index) {
        // SAFETY: by this function's contract.
        unsafe { io.output::<T>(index, values.len()).range(0..values.len()) }.copy_from_slice(values);
    }
}

pub fn train(isa: Isa, op: &BatchNormTrain, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (rows, channels) = rows(&inputs[0])?;
    let (weights, residual) = op.optional(inputs.len());
    let (epsilon, relu) = (op.epsilon.0, op.relu);
    let elements = rows * channels;
    let mut cost = streaming(inputs, outputs, 8.0)?;
    cost.bytes += inputs[0].bytes()? as f64;
    floats!(outputs[0].dtype, T => {
        let kernel = kernels::BatchNorm::<T>::new(rows, channels);
        let chunks = kernel.chunks();
        let scratch = scratch_bytes(&kernel, 4, channels);
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`; the second phase has one chunk and writes the vectors, which are
            // only read in the third, where `y` may be the residual's memory.
            unsafe {
                let (x, sums) = (io.input::<T>(0, elements), sums(io, &kernel));
                let vectors = vectors(io, &kernel, 4 * channels);
                match phase {
                    0 => {
                        let weights = weights.map(|index| io.input::<T>(index, rows));
                        kernel.run_moments(isa, chunks - 1 - chunk, x, weights, sums);
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
                        let residual = match residual {
                            None => Residual::None,
                            Some(index) if std::ptr::eq(io.inputs[index], io.outputs[0]) => Residual::InPlace,
                            Some(index) => Residual::Add(io.input::<T>(index, elements)),
                        };
                        kernel.run_apply(isa, chunk, x, scale, shift, residual, relu, io.output::<T>(0, elements));
                    }
                    _ => {}
                }
            }
            Ok(())
        };
        let lowered = Lowered::new(chunks, run).then(1).then(chunks).scratch(scratch).cost(cost);
        Ok(Some(lowered.in_place(residual.into_iter().collect())))
    })
}

/// By moments that are inputs.
pub fn apply(isa: Isa, op: &BatchNormApply, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (rows, channels) = rows(&inputs[0])?;
    let BatchNormApply { epsilon, residual, relu } = *op;
    let elements = rows * channels;
    let cost = streaming(inputs, outputs, 3.0)?;
    floats!(outputs[0].dtype, T => {
        let kernel = kernels::BatchNorm::<T>::new(rows, channels);
        let chunks = kernel.chunks();
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`; the first phase has one chunk and writes the factors, which are only
            // read in the second, where `y` may be the residual's memory.
            unsafe {
                let factors = io.scratch::<T>();
                if phase == 0 {
                    let (scale, shift) = factors.range(0..2 * channels).split_at_mut(channels);
                    let vector = |index: usize| io.input::<T>(index, channels);
                    let by = Normalisation { mean: vector(3), variance: vector(4), epsilon: epsilon.0 as T };
                    kernel.factors(by, Some(vector(1)), Some(vector(2)), scale, shift);
                    return Ok(());
                }
                let factors = std::slice::from_raw_parts(factors.as_ptr().cast_const(), 2 * channels);
                let (scale, shift) = factors.split_at(channels);
                let residual = match residual {
                    false => Residual::None,
                    true if std::ptr::eq(io.inputs[5], io.outputs[0]) => Residual::InPlace,
                    true => Residual::Add(io.input::<T>(5, elements)),
                };
                let (x, y) = (io.input::<T>(0, elements), io.output::<T>(0, elements));
                kernel.run_apply(isa, chunks - 1 - chunk, x, scale, shift, residual, relu, y);
            }
            Ok(())
        };
        let lowered = Lowered::new(1, run).then(chunks).scratch(2 * channels * size_of::<T>()).cost(cost);
        Ok(Some(lowered.in_place(residual.then_some(5).into_iter().collect())))
    })
}

pub fn gradient(isa: Isa, op: &BatchNormGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (rows, channels) = rows(&inputs[1])?;
    let (places, gate) = (op.optional(inputs.len()), op.gate);
    let epsilon = op.epsilon.0;
    let elements = rows * channels;
    let mut cost = streaming(inputs, outputs, 12.0)?;
    cost.bytes += 2.0 * inputs[0].bytes()? as f64;
    floats!(outputs[0].dtype, T => {
        let kernel = kernels::BatchNorm::<T>::new(rows, channels);
        let chunks = kernel.chunks();
        // The gate's factors, the gradients of gamma and beta, the factors of dx.
        let scratch = scratch_bytes(&kernel, 8, channels);
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`; phases of one chunk write vectors, which later ones only read. `dx`,
            // which the last phase writes, may be the memory of `g`, which is then read through it.
            unsafe {
                let x = io.input::<T>(1, elements);
                let (mean, variance) = (io.input::<T>(3, channels), io.input::<T>(4, channels));
                let by = Normalisation { mean, variance, epsilon: epsilon as T };
                let gamma = Some(io.input::<T>(2, channels));
                let (sums, vectors) = (sums(io, &kernel), vectors(io, &kernel, 8 * channels));
                if phase == 0 {
                    let (scale, shift) = vectors.range(0..2 * channels).split_at_mut(channels);
                    kernel.factors(by, gamma, places.gate.map(|index| io.input::<T>(index, channels)), scale, shift);
                    return Ok(());
                }
                let weights = places.weights.map(|index| io.input::<T>(index, rows));
                if phase == 2 {
                    let (d, factors) = vectors.range(2 * channels..8 * channels).split_at_mut(2 * channels);
                    let (d_gamma, d_beta) = d.split_at_mut(channels);
                    kernel.finish_gradient_sums(by, d_gamma, d_beta, sums.range(0..sums.len()));
                    let total = weights.map_or(rows as f64, |weights| weights.iter().map(|w| w.to_f64()).sum());
                    kernel.gradient_factors(by, gamma, d_gamma, d_beta, total, factors);
                    give(io, 1, d_gamma);
                    give(io, 2, d_beta);
                    return Ok(());
                }
                let known = |first: usize, count: usize| {
                    std::slice::from_raw_parts(vectors.as_ptr().add(first * channels), count * channels)
                };
                let passes_on = io.outputs.len() > 3 && io.wants(3);
                let arriving = Arriving {
                    gradient: None,
                    addend: places.addend.map(|index| io.input::<T>(index, elements)),
                    gate: match (gate, places.gate) {
                        (Gate::Output, Some(index)) => kernels::Gate::Output(io.input::<T>(index, elements)),
                        (Gate::Beta, _) => kernels::Gate::Input { scale: known(0, 1), shift: known(1, 1) },
                        _ => kernels::Gate::Open,
                    },
                };
                if phase == 1 {
                    let arriving = Arriving { gradient: Some(io.input::<T>(0, elements)), ..arriving };
                    let passed = passes_on.then(|| io.output::<T>(3, elements));
                    kernel.run_gradient_sums(isa, chunks - 1 - chunk, x, arriving, mean, passed, sums);
                } else if io.wants(0) {
                    let in_place = std::ptr::eq(io.inputs[0], io.outputs[0]);
                    let arriving = if passes_on {
                        Arriving::plain(std::slice::from_raw_parts(io.outputs[3].cast::<T>(), elements))
                    } else {
                        Arriving { gradient: (!in_place).then(|| io.input::<T>(0, elements)), ..arriving }
                    };
                    let dx = io.output::<T>(0, elements);
                    kernel.run_input_gradient(isa, chunk, x, arriving, weights, known(4, 4), dx);
                }
            }
            Ok(())
        };
        let prepare = usize::from(gate == Gate::Beta);
        let lowered = Lowered::new(prepare, run).then(chunks).then(1).then(chunks);
        Ok(Some(lowered.scratch(scratch).cost(cost).in_place(vec![0])))
    })
}
