//! Resampling along one axis, and its gradient.

use ironhorn_kernels::cpu::resample as kernels;
use ironhorn_kernels::cpu::simd::Isa;

use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::Spec;
use crate::ops::nn::resample::{Resample, ResampleGrad};

fn lower(isa: Isa, (outer, inner, taps): (usize, usize, kernels::Taps), inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let cost = streaming(inputs, outputs, 2.0 * taps.mean())?;
    floats!(outputs[0].dtype, T => {
        let kernel = kernels::Resample::<T>::new(outer, inner, taps);
        let (read, written) = (kernel.input_elements(), kernel.output_elements());
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe { kernel.run(isa, chunk, io.input::<T>(0, read), io.output::<T>(0, written)) };
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}

pub fn forward(isa: Isa, op: &Resample, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    lower(isa, op.taps(&inputs[0].shape)?, inputs, outputs)
}

pub fn gradient(isa: Isa, op: &ResampleGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (outer, inner, taps) = op.resample.taps(&outputs[0].shape)?;
    lower(isa, (outer, inner, taps.transposed()), &inputs[..1], outputs)
}
