//! Ops that move elements: each is one or more strided copies.

use ironhorn_kernels::cpu::movement::{Fill, StridedCopy, row_major};

use super::{Io, Lowered, Lowering, streaming};
use crate::core::{Array, DType, Result, Spec};
use crate::ops::shape::concat::Concat;
use crate::ops::shape::iota::Iota;
use crate::ops::shape::pad::Pad;
use crate::ops::shape::slice::{Slice, SliceGrad};
use crate::ops::shape::transpose::Transpose;

/// One strided copy of input 0 into output 0.
fn copy_one(copy: StridedCopy, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (input_bytes, output_bytes) = (inputs[0].bytes()?, outputs[0].bytes()?);
    let chunks = copy.chunks();
    let run = move |_: usize, chunk: usize, io: &Io| {
        // SAFETY: by the contract of `Kernel::run`.
        let (input, output) = unsafe { (io.input::<u8>(0, input_bytes), io.output::<u8>(0, output_bytes)) };
        copy.run(chunk, input, output);
        Ok(())
    };
    Ok(Some(Lowered::new(chunks, run).cost(streaming(&inputs[..1], outputs, 0.0)?)))
}

pub fn transpose(op: &Transpose, inputs: &[Spec]) -> Lowering {
    let sizes = inputs[0].shape.concrete()?;
    let copy = StridedCopy::transpose(&sizes, &op.permutation, inputs[0].dtype.size());
    let outputs = [inputs[0].clone()];
    copy_one(copy, inputs, &outputs)
}

pub fn broadcast(inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (from, to) = (inputs[0].shape.concrete()?, outputs[0].shape.concrete()?);
    copy_one(StridedCopy::broadcast(&from, &to, inputs[0].dtype.size()), inputs, outputs)
}

pub fn slice(op: &Slice, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let sizes = inputs[0].shape.concrete()?;
    let (starts, steps, counts) = split(op, &sizes)?;
    copy_one(StridedCopy::slice(&sizes, &starts, &steps, &counts, inputs[0].dtype.size()), inputs, outputs)
}

fn split(op: &Slice, sizes: &[usize]) -> Result<(Vec<usize>, Vec<isize>, Vec<usize>)> {
    let resolved = op.resolve(sizes)?;
    let starts = resolved.iter().map(|&(start, _, count)| if count == 0 { 0 } else { start }).collect();
    let steps = resolved.iter().map(|&(_, step, _)| step as isize).collect();
    Ok((starts, steps, resolved.iter().map(|&(_, _, count)| count).collect()))
}

/// Fills the output with one element, then copies the input into a box of it.
fn fill_and_place(element: Vec<u8>, copy: StridedCopy, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (input_bytes, output_bytes) = (inputs[0].bytes()?, outputs[0].bytes()?);
    let fill = Fill::new(outputs[0].shape.elements()?, element.len());
    let (fill_chunks, copy_chunks) = (fill.chunks(), copy.chunks());
    let run = move |phase: usize, chunk: usize, io: &Io| {
        // SAFETY: by the contract of `Kernel::run`.
        let (input, output) = unsafe { (io.input::<u8>(0, input_bytes), io.output::<u8>(0, output_bytes)) };
        if phase == 0 {
            fill.run(chunk, &element, output);
        } else {
            copy.run(chunk, input, output);
        }
        Ok(())
    };
    let cost = streaming(&inputs[..1], outputs, 0.0)?;
    Ok(Some(Lowered::new(fill_chunks, run).then(copy_chunks).cost(cost)))
}

pub fn slice_grad(op: &SliceGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let sizes = outputs[0].shape.concrete()?;
    let (starts, steps, counts) = split(&op.slice, &sizes)?;
    let size = inputs[0].dtype.size();
    fill_and_place(vec![0; size], StridedCopy::place(&counts, &sizes, &starts, &steps, size), inputs, outputs)
}

pub fn pad(op: &Pad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (from, to) = (inputs[0].shape.concrete()?, outputs[0].shape.concrete()?);
    let value = Array::scalar(op.value.0, inputs[0].dtype)?.bytes().to_vec();
    let steps = vec![1; from.len()];
    let copy = StridedCopy::place(&from, &to, &op.low, &steps, inputs[0].dtype.size());
    fill_and_place(value, copy, inputs, outputs)
}

pub fn concat(op: &Concat, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let to = outputs[0].shape.concrete()?;
    let axis = outputs[0].shape.axis(op.axis)?;
    let (size, output_bytes) = (outputs[0].dtype.size(), outputs[0].bytes()?);
    let out_strides = row_major(&to);
    let mut copies = Vec::with_capacity(inputs.len());
    let mut start = 0;
    for input in inputs {
        let from = input.shape.concrete()?;
        let offset = start * out_strides[axis] as usize;
        let copy = StridedCopy::new(&from, &row_major(&from), &out_strides, 0, offset, size);
        start += from[axis];
        copies.push((copy, input.bytes()?));
    }
    let chunks = copies.iter().map(|(copy, _)| copy.chunks()).sum();
    let run = move |_: usize, chunk: usize, io: &Io| {
        let mut chunk = chunk;
        for (i, (copy, bytes)) in copies.iter().enumerate() {
            if chunk < copy.chunks() {
                // SAFETY: by the contract of `Kernel::run`; inputs go to boxes of the output that do not overlap.
                let (input, output) = unsafe { (io.input::<u8>(i, *bytes), io.output::<u8>(0, output_bytes)) };
                copy.run(chunk, input, output);
                return Ok(());
            }
            chunk -= copy.chunks();
        }
        Ok(())
    };
    Ok(Some(Lowered::new(chunks, run).cost(streaming(inputs, outputs, 0.0)?)))
}

pub fn iota(op: &Iota, outputs: &[Spec]) -> Lowering {
    let sizes = outputs[0].shape.concrete()?;
    let (count, inner) = (sizes[op.axis], sizes[op.axis + 1..].iter().product::<usize>());
    let total = outputs[0].shape.elements()?;
    let dtype = op.dtype;
    let size = dtype.size();
    let run = move |_: usize, _: usize, io: &Io| {
        // SAFETY: by the contract of `Kernel::run`; the one chunk owns the whole output.
        let output = unsafe { io.output::<u8>(0, total * size).range(0..total * size) };
        for index in 0..count {
            let value = number(index, dtype)?;
            for outer in (0..total).step_by((count * inner).max(1)) {
                let first = (outer + index * inner) * size;
                for place in output[first..first + inner * size].chunks_exact_mut(size) {
                    place.copy_from_slice(&value);
                }
            }
        }
        Ok(())
    };
    Ok(Some(Lowered::new(1, run).cost(streaming(&[], outputs, 1.0)?)))
}

fn number(index: usize, dtype: DType) -> Result<Vec<u8>> {
    Ok(Array::scalar(index as f64, dtype)?.bytes().to_vec())
}
