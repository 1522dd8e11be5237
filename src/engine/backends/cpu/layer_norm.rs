//! Normalisation of rows.
//!
//! ```text
//! forward    rows
//! backward   rows, sums of chunks | merge them into d gamma and d beta, a few hundred columns at a time
//! ```

use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::layer_norm::{self as kernels, Parameters, Statistics};
use ironhorn_kernels::cpu::simd::Isa;

use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::{Error, Result, Spec};
use crate::ops::nn::layer_norm::{LayerNorm, LayerNormGrad, RowNorm};

fn geometry(op: RowNorm, x: &Spec) -> Result<(usize, Statistics)> {
    let sizes = x.shape.concrete()?;
    let (columns, lead) = sizes.split_last().ok_or_else(|| Error::internal("the op checks the rank"))?;
    Ok((lead.iter().product(), Statistics { columns: *columns, centred: op.centred, epsilon: op.epsilon.0 }))
}

pub fn forward(isa: Isa, op: &LayerNorm, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (rows, by) = geometry(op.0, &inputs[0])?;
    let (columns, elements, cost) = (by.columns, rows * by.columns, streaming(inputs, outputs, 8.0)?);
    let RowNorm { scale, offset, .. } = op.0;
    floats!(outputs[0].dtype, T => {
        let kernel = kernels::LayerNorm::<T>::new(rows, by);
        let run = move |_: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                let gamma = scale.then(|| io.input::<T>(1, columns));
                let beta = offset.then(|| io.input::<T>(1 + usize::from(scale), columns));
                let (x, y) = (io.input::<T>(0, elements), io.output::<T>(0, elements));
                kernel.run(isa, chunk, x, Parameters { gamma, beta }, y);
            }
            Ok(())
        };
        Ok(Some(Lowered::new(kernel.chunks(), run).cost(cost)))
    })
}

pub fn gradient(isa: Isa, op: &LayerNormGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (rows, by) = geometry(op.0, &inputs[1])?;
    let (columns, elements, cost) = (by.columns, rows * by.columns, streaming(inputs, outputs, 14.0)?);
    let RowNorm { scale, offset, .. } = op.0;
    let summed = scale || offset;
    floats!(outputs[0].dtype, T => {
        let kernel = kernels::LayerNorm::<T>::new(rows, by);
        let finish = if summed { kernel.finish_chunks() } else { 0 };
        let scratch = if summed { kernel.scratch_numbers() * size_of::<f64>() } else { 0 };
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`; the scratch is the sums, written in the first phase and only read
            // in the second.
            unsafe {
                let sums = || Disjoint::from_raw(io.scratch::<f64>().as_ptr(), kernel.scratch_numbers());
                if phase == 0 {
                    let (g, x) = (io.input::<T>(0, elements), io.input::<T>(1, elements));
                    let gamma = scale.then(|| io.input::<T>(2, columns));
                    let dx = io.wants(0).then(|| io.output::<T>(0, elements));
                    kernel.run_gradient(isa, chunk, x, g, gamma, dx, summed.then(sums));
                } else {
                    let sums = std::slice::from_raw_parts(sums().as_ptr(), kernel.scratch_numbers());
                    let given = |index: usize| io.wants(index).then(|| io.output::<T>(index, columns));
                    let d_gamma = scale.then(|| given(1)).flatten();
                    let d_beta = offset.then(|| given(1 + usize::from(scale))).flatten();
                    kernel.finish(chunk, sums, d_gamma, d_beta);
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(kernel.chunks(), run).then(finish).scratch(scratch).cost(cost)))
    })
}
