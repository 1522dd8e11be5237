//! Softmax over rows.

use ironhorn_kernels::cpu::simd::Isa;
use ironhorn_kernels::cpu::softmax as kernels;

use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::{Error, Result, Spec};
use crate::ops::nn::softmax::SoftmaxGrad;

/// Operations of one exponential, by element.
const FLOPS: f64 = 12.0;

/// An array as rows of its last axis.
pub fn rows(spec: &Spec) -> Result<(usize, usize)> {
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
