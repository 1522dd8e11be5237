//! Optimizer updates: the tensors of one op one after the other, each cut into chunks.
//!
//! ```text
//! phase 0 (one chunk)   copy what is not updated in place
//! phase 1               for tensor, for chunk of it: one pass over parameter, gradient and slots
//! ```

use ironhorn_kernels::cpu::simd::Isa;
use ironhorn_kernels::cpu::update::{Adam, AdamSlots, AdamStep, Sgd, SgdStep};

use super::{Cost, Io, Lowered, Lowering, floats};
use crate::core::{DType, Error, Result, Spec};
use crate::ops::update::adam::AdamUpdate;
use crate::ops::update::sgd::SgdUpdate;

/// Reads a scalar input of any numeric type that a learning rate or a step may have.
fn number(io: &Io, input: usize, dtype: DType) -> Result<f64> {
    // SAFETY: by the contract of `Kernel::run` the input holds one element of its type.
    unsafe {
        Ok(match dtype {
            DType::Float32 => f64::from(io.input::<f32>(input, 1)[0]),
            DType::Float64 => io.input::<f64>(input, 1)[0],
            DType::Int32 => f64::from(io.input::<i32>(input, 1)[0]),
            DType::Int64 => io.input::<i64>(input, 1)[0] as f64,
            other => return Err(Error::dtype(format!("a learning rate or step of type {other}; use float32 or int32"))),
        })
    }
}

/// Copies the inputs that are updated to outputs that lie elsewhere.
fn copy_apart(io: &Io, updated: &[usize], bytes: &[usize]) {
    for (output, &input) in updated.iter().enumerate() {
        if io.outputs[output].cast_const() != io.inputs[input] {
            // SAFETY: by the contract of `Kernel::run` both hold this tensor's bytes, and different buffers do not overlap.
            unsafe { std::ptr::copy_nonoverlapping(io.inputs[input], io.outputs[output], bytes[output]) };
        }
    }
}

/// The tensor that a chunk belongs to, and the chunk's number in it.
fn locate(chunks: &[usize], chunk: usize) -> (usize, usize) {
    let mut chunk = chunk;
    for (tensor, &count) in chunks.iter().enumerate() {
        if chunk < count {
            return (tensor, chunk);
        }
        chunk -= count;
    }
    unreachable!("a chunk beyond the last tensor")
}

fn rate(decay: &[crate::ops::Real], tensor: usize) -> f64 {
    decay.get(tensor).map_or(0.0, |rate| rate.0)
}

pub fn sgd(isa: Isa, op: &SgdUpdate, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let op = op.clone();
    let count = op.count;
    let lengths = inputs[1..=count].iter().map(|spec| spec.shape.elements()).collect::<Result<Vec<_>>>()?;
    let bytes = outputs.iter().map(Spec::bytes).collect::<Result<Vec<_>>>()?;
    let updated = crate::ops::Operation::updated_inputs(&op);
    let rate_dtype = inputs[0].dtype;
    let total = lengths.iter().sum::<usize>() as f64;
    let cost = Cost { flops: 3.0 * total, bytes: 3.0 * total * inputs[1].dtype.size() as f64 };
    floats!(inputs[1].dtype, T => {
        let kernels: Vec<Sgd<T>> = lengths.iter().map(|&length| Sgd::new(length)).collect();
        let chunks: Vec<usize> = kernels.iter().map(Sgd::chunks).collect();
        let all = chunks.iter().sum();
        let run = move |phase: usize, chunk: usize, io: &Io| {
            if phase == 0 {
                copy_apart(io, &updated, &bytes);
                return Ok(());
            }
            let (tensor, chunk) = locate(&chunks, chunk);
            let step = SgdStep {
                learning_rate: number(io, 0, rate_dtype)? as T,
                momentum: op.momentum.0 as T,
                nesterov: op.nesterov,
                weight_decay: rate(&op.weight_decay, tensor) as T,
                gradient_scale: 1.0,
            };
            let length = lengths[tensor];
            // SAFETY: by the contract of `Kernel::run`; chunks write parts of their own.
            unsafe {
                let slot = op.has_slots().then(|| io.output::<T>(count + tensor, length));
                let gradient = io.input::<T>(1 + count + tensor, length);
                kernels[tensor].run(isa, chunk, step, io.output::<T>(tensor, length), gradient, slot);
            }
            Ok(())
        };
        Ok(Some(Lowered::new(1, run).then(all).cost(cost)))
    })
}

pub fn adam(isa: Isa, op: &AdamUpdate, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let op = op.clone();
    let count = op.count;
    let lengths = inputs[2..2 + count].iter().map(|spec| spec.shape.elements()).collect::<Result<Vec<_>>>()?;
    let bytes = outputs.iter().map(Spec::bytes).collect::<Result<Vec<_>>>()?;
    let updated = crate::ops::Operation::updated_inputs(&op);
    let dtypes = (inputs[0].dtype, inputs[1].dtype);
    let total = lengths.iter().sum::<usize>() as f64;
    let cost = Cost { flops: 12.0 * total, bytes: 7.0 * total * inputs[2].dtype.size() as f64 };
    floats!(inputs[2].dtype, T => {
        let kernels: Vec<Adam<T>> = lengths.iter().map(|&length| Adam::new(length)).collect();
        let chunks: Vec<usize> = kernels.iter().map(Adam::chunks).collect();
        let all = chunks.iter().sum();
        let run = move |phase: usize, chunk: usize, io: &Io| {
            if phase == 0 {
                copy_apart(io, &updated, &bytes);
                return Ok(());
            }
            let (tensor, chunk) = locate(&chunks, chunk);
            let (rate_now, step) = (number(io, 0, dtypes.0)?, number(io, 1, dtypes.1)?);
            let decay = rate(&op.weight_decay, tensor);
            let step =
                AdamStep::<T>::new(step as u64, rate_now, op.beta_1.0, op.beta_2.0, op.epsilon.0, decay, 1.0);
            let length = lengths[tensor];
            // SAFETY: by the contract of `Kernel::run`; chunks write parts of their own.
            unsafe {
                let slots = AdamSlots {
                    first: io.output::<T>(count + tensor, length),
                    second: io.output::<T>(2 * count + tensor, length),
                    largest: op.amsgrad.then(|| io.output::<T>(3 * count + tensor, length)),
                };
                let gradient = io.input::<T>(2 + count + tensor, length);
                kernels[tensor].run(isa, chunk, step, io.output::<T>(tensor, length), gradient, slots);
            }
            Ok(())
        };
        Ok(Some(Lowered::new(1, run).then(all).cost(cost)))
    })
}
