//! Convolutions and their gradients, along one or two axes.

use ironhorn_kernels::cpu::conv::{ConvBackwardInput, ConvBackwardWeights, ConvForward, ConvShape, Padding};
use ironhorn_kernels::cpu::gemm::{Activation, Epilogue};
use ironhorn_kernels::cpu::simd::Isa;

use super::{Cost, Io, Lowered, Lowering, floats};
use crate::core::{Error, Result, Spec};
use crate::ops::nn::conv::{Conv, ConvInputGrad, ConvKernelGrad};

/// The geometry of a convolution of `x` with the kernel `w`.
fn geometry(conv: &Conv, x: &Spec, w: &Spec) -> Result<ConvShape> {
    let (x, w) = (x.shape.concrete()?, w.shape.concrete()?);
    let padding =
        |axis: usize| conv.padding.resolve(axis, x[axis + 1], w[axis], conv.strides[axis], conv.dilation[axis]);
    match (x.as_slice(), w.as_slice()) {
        (&[batch, length, channels], &[kernel, _, filters]) => {
            let (before, after) = padding(0);
            let steps = [kernel, conv.strides[0], conv.dilation[0], conv.groups];
            Ok(ConvShape::sequence([batch, length, channels, filters], steps, [before, after]))
        }
        (&[batch, height, width, input_channels], &[kernel_height, kernel_width, _, output_channels]) => {
            let ((top, bottom), (left, right)) = (padding(0), padding(1));
            Ok(ConvShape {
                batch,
                height,
                width,
                input_channels,
                output_channels,
                kernel_height,
                kernel_width,
                stride_height: conv.strides[0],
                stride_width: conv.strides[1],
                dilation_height: conv.dilation[0],
                dilation_width: conv.dilation[1],
                groups: conv.groups,
                padding: Padding { top, bottom, left, right },
            })
        }
        _ => Err(Error::unsupported(format!(
            "convolution over {} axes; one and two are supported, so fold further axes into the batch",
            x.len().saturating_sub(2)
        ))),
    }
}

fn cost(shape: &ConvShape, element: usize) -> Cost {
    let (x, w, y) = (shape.input_elements(), shape.weight_elements(), shape.output_elements());
    let taps = w.checked_div(shape.output_channels).unwrap_or(0);
    Cost { flops: 2.0 * y as f64 * taps as f64, bytes: (x + w + y) as f64 * element as f64 }
}

pub fn forward(isa: Isa, op: &Conv, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(op, &inputs[0], &inputs[1])?;
    let activation = if op.epilogue.relu { Activation::Relu } else { Activation::Linear };
    let kernel = ConvForward::new(shape, Epilogue { accumulate: false, activation });
    let (x_len, w_len, y_len) = (shape.input_elements(), shape.weight_elements(), shape.output_elements());
    let has_bias = op.epilogue.bias;
    let cost = cost(&shape, outputs[0].dtype.size());
    floats!(outputs[0].dtype, T => {
        let (prepare, chunks, scratch) = (kernel.prepare_chunks(), kernel.chunks(), kernel.scratch::<T>());
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                let w = io.input::<T>(1, w_len);
                if phase == 0 {
                    kernel.prepare::<T>(isa, chunk, w, io.scratch::<T>());
                } else {
                    let bias = has_bias.then(|| io.input::<T>(2, shape.output_channels));
                    let (x, y) = (io.input::<T>(0, x_len), io.output::<T>(0, y_len));
                    kernel.run::<T>(isa, chunk, x, w, bias, y, io.scratch::<T>());
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(prepare, run).then(chunks).scratch(scratch).cost(cost)))
    })
}

pub fn input_gradient(isa: Isa, op: &ConvInputGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(&op.conv, &outputs[0], &inputs[1])?;
    let kernel = ConvBackwardInput::new(shape, Epilogue::default());
    let (x_len, w_len, y_len) = (shape.input_elements(), shape.weight_elements(), shape.output_elements());
    let cost = cost(&shape, outputs[0].dtype.size());
    floats!(outputs[0].dtype, T => {
        let (prepare, chunks, scratch) = (kernel.prepare_chunks(), kernel.chunks(), kernel.scratch::<T>());
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                let w = io.input::<T>(1, w_len);
                if phase == 0 {
                    kernel.prepare::<T>(isa, chunk, w, io.scratch::<T>());
                } else {
                    let (dy, dx) = (io.input::<T>(0, y_len), io.output::<T>(0, x_len));
                    kernel.run::<T>(isa, chunk, dy, w, None, dx, io.scratch::<T>());
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(prepare, run).then(chunks).scratch(scratch).cost(cost)))
    })
}

pub fn kernel_gradient(isa: Isa, op: &ConvKernelGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(&op.conv, &inputs[0], &outputs[0])?;
    let kernel = ConvBackwardWeights::new(shape);
    let (x_len, w_len, y_len) = (shape.input_elements(), shape.weight_elements(), shape.output_elements());
    let cost = cost(&shape, outputs[0].dtype.size());
    floats!(outputs[0].dtype, T => {
        let (chunks, finish, scratch) = (kernel.chunks(), kernel.finish_chunks(), kernel.scratch::<T>());
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                let dw = io.output::<T>(0, w_len);
                if phase == 0 {
                    let (x, dy) = (io.input::<T>(0, x_len), io.input::<T>(1, y_len));
                    kernel.run::<T>(isa, chunk, x, dy, dw, io.scratch::<T>());
                } else {
                    kernel.finish::<T>(isa, chunk, dw, io.scratch::<T>());
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).then(finish).scratch(scratch).cost(cost)))
    })
}
