//! Convolutions and their gradients, along one to three axes.

use ironhorn_kernels::cpu::conv::{
    ConvBackwardInput, ConvBackwardWeights, ConvForward, ConvShape, PointwiseDepthwise as PointwiseDepthwiseKernel,
};
use ironhorn_kernels::cpu::gemm::Epilogue;
use ironhorn_kernels::cpu::norm::BatchNorm;
use ironhorn_kernels::cpu::simd::Isa;

use super::norm::{give, scratch_bytes, sums, vectors};
use super::{Cost, Io, Lowered, Lowering, Prepare, addends, floats};
use crate::core::{Error, Result, Spec};
use crate::ops::nn::conv::{Conv, ConvKernelGrad};
use crate::ops::nn::pointwise_depthwise::PointwiseDepthwise;

/// The geometry of a convolution of `x` with the kernel `w`: a sequence is an image of width 1, an image a volume of
/// depth 1.
fn geometry(conv: &Conv, x: &Spec, w: &Spec) -> Result<ConvShape> {
    let (x, w) = (x.shape.concrete()?, w.shape.concrete()?);
    let places: &[usize] = match conv.strides.len() {
        1 => &[1],
        2 => &[1, 2],
        3 => &[0, 1, 2],
        _ => return Err(Error::internal("the op checks the rank")),
    };
    let spatial = places.len();
    let mut shape = ConvShape {
        batch: x[0],
        size: [1; 3],
        input_channels: x[spatial + 1],
        output_channels: w[spatial + 1],
        kernel: [1; 3],
        stride: [1; 3],
        dilation: [1; 3],
        groups: conv.groups,
        padding: [(0, 0); 3],
    };
    for (axis, &place) in places.iter().enumerate() {
        let (size, window, stride, dilation) = (x[axis + 1], w[axis], conv.strides[axis], conv.dilation[axis]);
        (shape.size[place], shape.kernel[place]) = (size, window);
        (shape.stride[place], shape.dilation[place]) = (stride, dilation);
        shape.padding[place] = conv.padding.resolve(axis, size, window, stride, dilation);
    }
    Ok(shape)
}

fn cost(shape: &ConvShape, element: usize) -> Cost {
    let (x, w, y) = (shape.input_elements(), shape.weight_elements(), shape.output_elements());
    let taps = w.checked_div(shape.output_channels).unwrap_or(0);
    Cost { flops: 2.0 * y as f64 * taps as f64, bytes: (x + w + y) as f64 * element as f64 }
}

/// With `moments`, mean and variance of every channel of the result are further results: chunks that make whole rows add
/// them up at once, else a pass of its own does.
pub fn forward(isa: Isa, op: &Conv, moments: bool, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(op, &inputs[0], &inputs[1])?;
    let (epilogue, in_place) = (op.epilogue, op.epilogue.positions().1);
    let mut kernel = ConvForward::new(shape, Epilogue { accumulate: false, activation: epilogue.activation });
    if moments {
        kernel = kernel.by_rows();
    }
    if epilogue.residual && !kernel.adds_residual() {
        return Ok(None);
    }
    let (x_len, w_len, y_len) = (shape.input_elements(), shape.weight_elements(), shape.output_elements());
    let channels = shape.output_channels;
    let mut cost = cost(&shape, outputs[0].dtype.size());
    if epilogue.residual {
        cost.bytes += outputs[0].bytes()? as f64;
    }
    floats!(outputs[0].dtype, T => {
        let prepare = Prepare { inputs: vec![1], phases: 1, bytes: kernel.prepared::<T>(), layout: kernel.layout() };
        let (packing, chunks, packed) = (kernel.prepare_chunks(), kernel.chunks(), prepare.bytes > 0);
        let rows = y_len.checked_div(channels).unwrap_or(0);
        let own_rows = moments && (0..chunks).all(|chunk| kernel.pixels(chunk).is_some());
        let norm = if own_rows { BatchNorm::<T>::of_parts(rows, channels, chunks) } else { BatchNorm::new(rows, channels) };
        let (later, finish) = (if moments && !own_rows { norm.chunks() } else { 0 }, usize::from(moments));
        let scratch = if moments { scratch_bytes(&norm, 2, channels) } else { 0 };
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`; a chunk's pixels are its own, also after it made them, and phases
            // after that only read them.
            unsafe {
                match phase {
                    0 => kernel.prepare::<T>(isa, chunk, io.input::<T>(1, w_len), io.prepared::<T>()),
                    1 => {
                        let w = if packed { &[] } else { io.input::<T>(1, w_len) };
                        let addends = addends::<T>(epilogue, io, channels, y_len);
                        let (x, y) = (io.input::<T>(0, x_len), io.output::<T>(0, y_len));
                        kernel.run::<T>(isa, chunk, x, w, addends, y, io.prepared::<T>());
                        if let Some(pixels) = kernel.pixels(chunk).filter(|_| own_rows) {
                            let y = y.range(pixels.start * channels..pixels.end * channels);
                            norm.run_part_moments(isa, chunk, y, sums(io, &norm));
                        }
                    }
                    2 => {
                        let y = std::slice::from_raw_parts(io.output::<T>(0, y_len).as_ptr().cast_const(), y_len);
                        norm.run_moments(isa, norm.chunks() - 1 - chunk, y, None, sums(io, &norm));
                    }
                    _ => {
                        let vectors = vectors(io, &norm, 2 * channels).range(0..2 * channels);
                        let (mean, variance) = vectors.split_at_mut(channels);
                        norm.finish_moments(mean, variance, sums(io, &norm).range(0..norm.scratch_numbers()));
                        give(io, 1, mean);
                        give(io, 2, variance);
                    }
                }
            }
            Ok(())
        };
        let lowered = Lowered::new(packing, run).then(chunks).then(later).then(finish).scratch(scratch);
        Ok(Some(lowered.prepare(prepare).cost(cost).in_place(in_place.into_iter().collect())))
    })
}

/// A convolution of one pixel and the depthwise one behind it, for what the kernel takes.
pub fn pointwise_depthwise(isa: Isa, op: &PointwiseDepthwise, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let first = op.first_inputs();
    let between = op.between(&inputs.iter().collect::<Vec<_>>())?;
    let (pointwise, shape) =
        (geometry(&op.pointwise, &inputs[0], &inputs[1])?, geometry(&op.depthwise, &between, &inputs[first])?);
    let activations = [op.pointwise.epilogue.activation, op.depthwise.epilogue.activation];
    let Some(kernel) = PointwiseDepthwiseKernel::new(pointwise.input_channels, shape, activations) else {
        return Ok(None);
    };
    let (x_len, w_len) = (pointwise.input_elements(), pointwise.weight_elements());
    let (v_len, y_len, channels) = (shape.weight_elements(), shape.output_elements(), shape.output_channels);
    let places = [(op.pointwise.epilogue.bias, 2), (op.depthwise.epilogue.bias, first + 1)];
    let element = outputs[0].dtype.size();
    let mut cost = cost(&pointwise, element);
    cost.flops += self::cost(&shape, element).flops;
    cost.bytes = ((x_len + w_len + v_len + y_len) * element) as f64;
    floats!(outputs[0].dtype, T => {
        let prepare = Prepare { inputs: vec![1], phases: 1, bytes: kernel.prepared::<T>(), layout: kernel.layout() };
        let (packing, chunks) = (kernel.prepare_chunks(), kernel.chunks());
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                if phase == 0 {
                    kernel.prepare::<T>(isa, chunk, io.input::<T>(1, w_len), io.prepared::<T>());
                } else {
                    let biases = places.map(|(present, place)| present.then(|| io.input::<T>(place, channels)));
                    let (x, v) = (io.input::<T>(0, x_len), io.input::<T>(first, v_len));
                    kernel.run::<T>(isa, chunk, x, v, biases, io.output::<T>(0, y_len), io.prepared::<T>());
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(packing, run).then(chunks).prepare(prepare).cost(cost)))
    })
}

/// The gradient with respect to the input, and what is computed like it: a transposed convolution.
pub fn input_gradient(isa: Isa, conv: &Conv, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(conv, &outputs[0], &inputs[1])?;
    let kernel = ConvBackwardInput::new(shape, Epilogue::default());
    let (x_len, w_len, y_len) = (shape.input_elements(), shape.weight_elements(), shape.output_elements());
    let cost = cost(&shape, outputs[0].dtype.size());
    floats!(outputs[0].dtype, T => {
        let prepare = Prepare { inputs: vec![1], phases: 1, bytes: kernel.prepared::<T>(), layout: kernel.layout() };
        let (packing, chunks, packed) = (kernel.prepare_chunks(), kernel.chunks(), prepare.bytes > 0);
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                if phase == 0 {
                    kernel.prepare::<T>(isa, chunk, io.input::<T>(1, w_len), io.prepared::<T>());
                } else {
                    let w = if packed { &[] } else { io.input::<T>(1, w_len) };
                    let (dy, dx) = (io.input::<T>(0, y_len), io.output::<T>(0, x_len));
                    kernel.run::<T>(isa, chunk, dy, w, None, dx, io.prepared::<T>());
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(packing, run).then(chunks).prepare(prepare).cost(cost)))
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
