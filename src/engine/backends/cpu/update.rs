//! Optimizer updates: one kernel for all variables, whose chunks are those of each variable one after the other.
//!
//! A plan lets an output be the very memory of the input it is the new value of. Where it is not, as in eager calls, a
//! chunk copies its own elements first and then works in place all the same.

use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::simd::Isa;
use ironhorn_kernels::cpu::update::{Adam, AdamSlots, AdamStep, Sgd, SgdStep};
use std::ops::Range;

use super::{Cost, Io, Lowered, Lowering, floats};
use crate::core::{DType, Error, Result, Spec};
use crate::ops::update::adam::AdamUpdate;
use crate::ops::update::sgd::SgdUpdate;

/// The variable that each chunk belongs to, and which of its chunks it is.
fn chunk_table(chunks: impl Iterator<Item = usize>) -> Vec<(usize, usize)> {
    chunks.enumerate().flat_map(|(variable, chunks)| (0..chunks).map(move |chunk| (variable, chunk))).collect()
}

/// A scalar input as a double.
///
/// # Safety
/// The input holds one element of this type.
unsafe fn scalar(io: &Io, index: usize, dtype: DType) -> Result<f64> {
    // SAFETY: by this function's contract.
    unsafe {
        Ok(match dtype {
            DType::Float32 => f64::from(io.input::<f32>(index, 1)[0]),
            DType::Float64 => io.input::<f64>(index, 1)[0],
            DType::Int32 => f64::from(io.input::<i32>(index, 1)[0]),
            DType::Uint32 => f64::from(io.input::<u32>(index, 1)[0]),
            DType::Int64 => io.input::<i64>(index, 1)[0] as f64,
            DType::Uint64 => io.input::<u64>(index, 1)[0] as f64,
            other => return Err(Error::internal(format!("a scalar of type {other} in an update"))),
        })
    }
}

/// Output `output`, whose part `range` holds what input `input` does.
///
/// # Safety
/// Both hold `length` elements; they are the same memory or do not overlap; no other chunk uses `range`.
unsafe fn in_place<T: Copy>(
    io: &Io,
    input: usize,
    output: usize,
    length: usize,
    range: Range<usize>,
) -> Result<Disjoint<'_, T>> {
    if !io.wants(output) {
        return Err(Error::unsupported("every result of an update must be written to its variable or returned"));
    }
    // SAFETY: by this function's contract.
    unsafe {
        let place = io.output::<T>(output, length);
        if !std::ptr::eq(io.inputs[input], io.outputs[output].cast_const()) {
            let from = &io.input::<T>(input, length)[range.clone()];
            place.range(range).copy_from_slice(from);
        }
        Ok(place)
    }
}

fn lengths(variables: &[Spec]) -> Result<Vec<usize>> {
    variables.iter().map(|variable| variable.shape.elements()).collect()
}

/// The cost of reading `read` and writing `written` arrays a variable.
fn cost(lengths: &[usize], dtype: DType, flops: f64, arrays: f64) -> Cost {
    let total: f64 = lengths.iter().map(|&length| length as f64).sum();
    Cost { flops: total * flops, bytes: total * arrays * dtype.size() as f64 }
}

pub fn sgd(isa: Isa, op: &SgdUpdate, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (op, count) = (op.clone(), op.count);
    let lengths = lengths(&inputs[1..=count])?;
    let rate_dtype = inputs[0].dtype;
    let dtype = outputs[0].dtype;
    let cost = if op.has_slots() { cost(&lengths, dtype, 4.0, 5.0) } else { cost(&lengths, dtype, 2.0, 3.0) };
    floats!(dtype, T => {
        let table = chunk_table(lengths.iter().map(|&length| Sgd::<T>::new(length).chunks()));
        let chunks = table.len();
        let run = move |_: usize, chunk: usize, io: &Io| -> Result<()> {
            let (i, part) = table[chunk];
            let length = lengths[i];
            let kernel = Sgd::<T>::new(length);
            let range = kernel.range(part);
            // SAFETY: by the contract of `Kernel::run`; chunks have different parts.
            unsafe {
                let step = SgdStep {
                    learning_rate: scalar(io, 0, rate_dtype)? as T,
                    momentum: op.momentum.0 as T,
                    nesterov: op.nesterov,
                    weight_decay: op.weight_decay[i].0 as T,
                    gradient_scale: 1.0,
                };
                let parameter = in_place::<T>(io, 1 + i, i, length, range.clone())?;
                let momentum = if op.has_slots() {
                    Some(in_place::<T>(io, 1 + 2 * count + i, count + i, length, range)?)
                } else {
                    None
                };
                kernel.run(isa, part, step, parameter, io.input::<T>(1 + count + i, length), momentum);
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}

pub fn adam(isa: Isa, op: &AdamUpdate, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (op, count) = (op.clone(), op.count);
    let lengths = lengths(&inputs[2..2 + count])?;
    let (rate_dtype, step_dtype) = (inputs[0].dtype, inputs[1].dtype);
    let dtype = outputs[0].dtype;
    let cost = cost(&lengths, dtype, 12.0, if op.amsgrad { 9.0 } else { 7.0 });
    floats!(dtype, T => {
        let table = chunk_table(lengths.iter().map(|&length| Adam::<T>::new(length).chunks()));
        let chunks = table.len();
        let run = move |_: usize, chunk: usize, io: &Io| -> Result<()> {
            let (i, part) = table[chunk];
            let length = lengths[i];
            let kernel = Adam::<T>::new(length);
            let range = kernel.range(part);
            // SAFETY: by the contract of `Kernel::run`; chunks have different parts.
            unsafe {
                let (rate, number) = (scalar(io, 0, rate_dtype)?, scalar(io, 1, step_dtype)?);
                let (decay, epsilon) = (op.weight_decay[i].0, op.epsilon.0);
                let step = AdamStep::<T>::new(number as u64, rate, op.beta_1.0, op.beta_2.0, epsilon, decay, 1.0);
                let slot = |column: usize| {
                    let input = 2 + (1 + column) * count + i;
                    in_place::<T>(io, input, column * count + i, length, range.clone())
                };
                let parameter = in_place::<T>(io, 2 + i, i, length, range.clone())?;
                let largest = if op.amsgrad { Some(slot(3)?) } else { None };
                let slots = AdamSlots { first: slot(1)?, second: slot(2)?, largest };
                kernel.run(isa, part, step, parameter, io.input::<T>(2 + count + i, length), slots);
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}
