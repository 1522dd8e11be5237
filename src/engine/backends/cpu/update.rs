//! Optimizer updates: one kernel for all variables, whose chunks are those of each variable one after the other.
//!
//! A plan lets an output be the very memory of the input it is the new value of. Where it is not, as in eager calls, a
//! chunk copies its own elements first and then works in place all the same.

use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::simd::Isa;
use ironhorn_kernels::cpu::update::{MAX_SCALARS, MAX_SLOTS, Step, SumOfSquares, Update};
use std::ops::Range;

use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::{DType, Error, Result, Spec};
use crate::ops::update::rule_update::RuleUpdate;

/// The variable that each chunk belongs to, and which of its chunks it is.
fn chunk_table(chunks: impl Iterator<Item = usize>) -> Vec<(usize, usize)> {
    chunks.enumerate().flat_map(|(variable, chunks)| (0..chunks).map(move |chunk| (variable, chunk))).collect()
}

/// Element `at` of an input of `length` elements, as a double.
///
/// # Safety
/// The input holds so many elements of this type.
unsafe fn scalar(io: &Io, index: usize, length: usize, at: usize, dtype: DType) -> Result<f64> {
    // SAFETY: by this function's contract.
    unsafe {
        Ok(match dtype {
            DType::Float32 => f64::from(io.input::<f32>(index, length)[at]),
            DType::Float64 => io.input::<f64>(index, length)[at],
            DType::Int32 => f64::from(io.input::<i32>(index, length)[at]),
            DType::Uint32 => f64::from(io.input::<u32>(index, length)[at]),
            DType::Int64 => io.input::<i64>(index, length)[at] as f64,
            DType::Uint64 => io.input::<u64>(index, length)[at] as f64,
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

/// One pass over parameters, gradients and slots.
pub fn rule_update(isa: Isa, op: &RuleUpdate, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (op, count, first) = (op.clone(), op.count, op.first());
    let lengths = lengths(&inputs[first..first + count])?;
    let scalars: Vec<DType> = inputs[..first].iter().map(|input| input.dtype).collect();
    let scales = op.scale().map_or(0, |index| if inputs[index].rank() == 0 { 1 } else { count });
    let options: Vec<f64> = op.options.iter().map(|option| option.0).collect();
    let slots = op.rule.slots().len();
    let cost = streaming(inputs, outputs, 4.0 + 4.0 * slots as f64)?;
    let dtype = outputs[0].dtype;
    floats!(dtype, T => {
        let table = chunk_table(lengths.iter().map(|&length| Update::<T>::new(length).chunks()));
        let chunks = table.len();
        let run = move |_: usize, chunk: usize, io: &Io| -> Result<()> {
            let (i, part) = table[chunk];
            let length = lengths[i];
            let kernel = Update::<T>::new(length);
            let range = kernel.range(part);
            // SAFETY: by the contract of `Kernel::run`; chunks have different parts.
            unsafe {
                let number = |index: usize, length: usize, at: usize| scalar(io, index, length, at, scalars[index]);
                let mut values = [0.0; MAX_SCALARS];
                for (value, index) in values.iter_mut().zip(op.scalars()) {
                    *value = number(index, 1, 0)?;
                }
                let step = Step {
                    weight_decay: op.weight_decay[i].0,
                    gradient_scale: op.scale().map_or(Ok(1.0), |index| number(index, scales, i.min(scales - 1)))?,
                    gradient_limit: op.clip.0,
                    kept_average: op.kept().map_or(Ok(0.0), |index| number(index, 1, 0))?,
                    ..Step::new(op.rule, number(0, 1, 0)?, &values[..op.scalars().len()], &options)
                };
                // Column 0 are the variables; the gradients, column 1, are not written.
                let column = |column: usize| {
                    let input = first + if column == 0 { i } else { (column + 1) * count + i };
                    in_place::<T>(io, input, column * count + i, length, range.clone())
                };
                let parameter = column(0)?;
                let mut held = [parameter; MAX_SLOTS];
                for (slot, place) in held[..slots].iter_mut().enumerate() {
                    *place = column(1 + slot)?;
                }
                let average = if op.averaged { Some(column(1 + slots)?) } else { None };
                let gradient = io.input::<T>(first + count + i, length);
                kernel.run(isa, part, &step, parameter, gradient, &held[..slots], average);
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}

/// One pass over all tensors, then one chunk that adds up what the chunks of each found.
pub fn sum_of_squares(isa: Isa, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let lengths = lengths(inputs)?;
    let cost = streaming(inputs, outputs, 2.0)?;
    floats!(outputs[0].dtype, T => {
        let kernels: Vec<SumOfSquares<T>> = lengths.iter().map(|&length| SumOfSquares::new(length)).collect();
        let table = chunk_table(kernels.iter().map(SumOfSquares::chunks));
        let chunks = table.len();
        let run = move |phase: usize, chunk: usize, io: &Io| -> Result<()> {
            // SAFETY: the scratch has a double for every chunk.
            let sums = unsafe { io.scratch::<f64>() };
            if phase == 0 {
                let (i, part) = table[chunk];
                // SAFETY: by the contract of `Kernel::run`; the places of a tensor's chunks follow one another.
                unsafe {
                    let start = chunk - part;
                    let place = Disjoint::from_raw(sums.as_ptr().add(start), kernels[i].chunks());
                    kernels[i].run(isa, part, io.input::<T>(i, lengths[i]), place);
                }
                return Ok(());
            }
            // SAFETY: the second phase has one chunk, which owns output and scratch.
            let (totals, sums) = unsafe { (io.output::<T>(0, kernels.len()).range(0..kernels.len()), sums.range(0..chunks)) };
            let mut start = 0;
            for (total, kernel) in totals.iter_mut().zip(&kernels) {
                *total = kernel.finish(&sums[start..]) as T;
                start += kernel.chunks();
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).then(1).scratch(chunks * size_of::<f64>()).cost(cost)))
    })
}
