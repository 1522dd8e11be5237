//! Softmax and cross-entropy over rows.

use ironhorn_kernels::cpu::simd::Isa;
use ironhorn_kernels::cpu::softmax::{self as kernels, LabelError};

use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::{DType, Error, Result, Spec};
use crate::ops::nn::softmax::SoftmaxGrad;

/// Operations of one exponential, by element.
const FLOPS: f64 = 12.0;

/// An array as rows of its last axis.
fn rows(spec: &Spec) -> Result<(usize, usize)> {
    let sizes = spec.shape.concrete()?;
    let (columns, lead) = sizes.split_last().ok_or_else(|| Error::internal("the op checks the rank"))?;
    Ok((lead.iter().product(), *columns))
}

pub fn forward(isa: Isa, log: bool, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (rows, columns) = rows(&inputs[0])?;
    let (elements, cost) = (rows * columns, streaming(inputs, outputs, FLOPS)?);
    floats!(outputs[0].dtype, T => {
        let kernel = kernels::Softmax::<T>::new(rows, columns, log);
        let run = move |_: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe { kernel.run(isa, chunk, io.input::<T>(0, elements), io.output::<T>(0, elements)) };
            Ok(())
        };
        Ok(Some(Lowered::new(kernel.chunks(), run).cost(cost)))
    })
}

pub fn gradient(isa: Isa, op: &SoftmaxGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (rows, columns) = rows(&inputs[0])?;
    let flops = if op.log { FLOPS } else { 4.0 };
    let (elements, cost) = (rows * columns, streaming(inputs, outputs, flops)?);
    let log = op.log;
    floats!(outputs[0].dtype, T => {
        let kernel = kernels::Softmax::<T>::new(rows, columns, log);
        let run = move |_: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            let (y, g, dx) =
                unsafe { (io.input::<T>(0, elements), io.input::<T>(1, elements), io.output::<T>(0, elements)) };
            kernel.run_gradient(isa, chunk, y, g, dx);
            Ok(())
        };
        Ok(Some(Lowered::new(kernel.chunks(), run).cost(cost)))
    })
}

fn out_of_range(error: LabelError) -> Error {
    let LabelError { row, label, classes } = error;
    let range = match classes {
        0 => "there are no classes".to_string(),
        _ => format!("is outside 0..{}", classes - 1),
    };
    Error::value(format!(
        "label {label} at row {row} {range}; give the model's last layer one output for every class, and count labels \
         from 0"
    ))
}

pub fn losses(isa: Isa, normalized: bool, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    if inputs[1].dtype != DType::Int64 {
        return Ok(None);
    }
    let (rows, classes) = rows(&inputs[0])?;
    let cost = streaming(inputs, outputs, FLOPS * classes as f64)?;
    floats!(outputs[0].dtype, T => {
        let kernel = kernels::SparseCrossEntropy::<T>::new(rows, classes, None);
        let kernel = if normalized { kernel.normalized() } else { kernel };
        let run = move |_: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            let (x, labels, losses) =
                unsafe { (io.input::<T>(0, rows * classes), io.input::<i64>(1, rows), io.output::<T>(0, rows)) };
            kernel.run(isa, chunk, x, labels, losses).map_err(out_of_range)
        };
        Ok(Some(Lowered::new(kernel.chunks(), run).cost(cost)))
    })
}

pub fn loss_gradients(isa: Isa, normalized: bool, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    if inputs[1].dtype != DType::Int64 {
        return Ok(None);
    }
    let (rows, classes) = rows(&inputs[0])?;
    let cost = streaming(inputs, outputs, FLOPS)?;
    floats!(outputs[0].dtype, T => {
        let kernel = kernels::SparseCrossEntropy::<T>::new(rows, classes, None);
        let kernel = if normalized { kernel.normalized() } else { kernel };
        let run = move |_: usize, chunk: usize, io: &Io| {
            let elements = rows * classes;
            // SAFETY: by the contract of `Kernel::run`.
            let (x, labels, g, dx) = unsafe {
                let (x, g) = (io.input::<T>(0, elements), io.input::<T>(2, rows));
                (x, io.input::<i64>(1, rows), g, io.output::<T>(0, elements))
            };
            kernel.run_gradient(isa, chunk, x, labels, g, dx).map_err(out_of_range)
        };
        Ok(Some(Lowered::new(kernel.chunks(), run).cost(cost)))
    })
}
