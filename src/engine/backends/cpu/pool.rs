//! Pooling along one to three axes, and what its gradients need.

use ironhorn_kernels::cpu::pool as kernels;
use ironhorn_kernels::cpu::pool::{Axis, PoolShape};
use ironhorn_kernels::cpu::simd::Isa;

use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::{Error, Result, Spec};
use crate::ops::nn::pool::{
    AveragePoolGrad, MaxPoolGrad, MaxPoolPlaces, MaxPoolPlacesGrad, MaxPoolSelect, Pool, PoolKind, Sliding, Windows,
};

/// The geometry of windows over `x`: a sequence is an image of width 1, an image a volume of depth 1.
fn geometry(windows: &Windows, x: &Spec) -> Result<PoolShape> {
    let x = x.shape.concrete()?;
    let places: &[usize] = match windows.spatial() {
        1 => &[1],
        2 => &[1, 2],
        3 => &[0, 1, 2],
        _ => return Err(Error::internal("the op checks the rank")),
    };
    let mut axes = [Axis::ONE; 3];
    for (axis, &place) in places.iter().enumerate() {
        let length = x[axis + 1];
        let windows = match windows {
            Windows::Sliding(Sliding { sizes, strides, padding }) => {
                let (size, stride) = (sizes[axis], strides[axis]);
                kernels::Windows::Sliding { size, stride, padding: padding.resolve(axis, length, size, stride, 1) }
            }
            Windows::Adaptive(counts) => kernels::Windows::Adaptive { count: counts[axis] },
        };
        axes[place] = Axis { length, windows };
    }
    Ok(PoolShape { batch: x[0], axes, channels: x[places.len() + 1] })
}

/// About how many elements a window has.
fn window(shape: &PoolShape) -> f64 {
    let along = |axis: &Axis| match axis.windows {
        kernels::Windows::Sliding { size, .. } => size,
        kernels::Windows::Adaptive { count } => axis.length.div_ceil(count.max(1)),
    };
    shape.axes.iter().map(along).product::<usize>() as f64
}

/// A lowering of one kernel with these inputs (each an expression for its length) and one output.
macro_rules! lowered {
    ($isa:expr, $kernel:expr, $outputs:expr, $cost:expr, [$($index:literal : $length:expr),*] -> $out:expr) => {{
        let (isa, kernel, out, cost) = ($isa, $kernel, $out, $cost);
        floats!($outputs[0].dtype, T => {
            let chunks = kernel.chunks();
            let run = move |_: usize, chunk: usize, io: &Io| {
                // SAFETY: by the contract of `Kernel::run`.
                unsafe { kernel.run::<T>(isa, chunk, $(io.input::<T>($index, $length),)* io.output::<T>(0, out)) };
                Ok(())
            };
            Ok(Some(Lowered::new(chunks, run).cost(cost)))
        })
    }};
}

pub fn forward(isa: Isa, op: &Pool, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(&op.windows, &inputs[0])?;
    let (x, y) = (shape.input_elements(), shape.output_elements());
    let cost = streaming(inputs, outputs, window(&shape))?;
    match op.kind {
        PoolKind::Max => lowered!(isa, kernels::MaxPool::new(shape), outputs, cost, [0: x] -> y),
        PoolKind::Average => lowered!(isa, kernels::AveragePool::new(shape), outputs, cost, [0: x] -> y),
    }
}

pub fn max_gradient(isa: Isa, op: &MaxPoolGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(&op.windows, &inputs[0])?;
    let (x, y) = (shape.input_elements(), shape.output_elements());
    let cost = streaming(inputs, outputs, 2.0)?;
    lowered!(isa, kernels::MaxPoolBackward::new(shape), outputs, cost, [0: x, 1: y] -> x)
}

pub fn max_select(isa: Isa, op: &MaxPoolSelect, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(&op.windows, &inputs[0])?;
    let (x, y) = (shape.input_elements(), shape.output_elements());
    let cost = streaming(inputs, outputs, window(&shape))?;
    lowered!(isa, kernels::MaxPoolSelect::new(shape), outputs, cost, [0: x, 1: x] -> y)
}

pub fn max_places(isa: Isa, op: &MaxPoolPlaces, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(&op.windows, &inputs[0])?;
    let (x_len, y_len) = (shape.input_elements(), shape.output_elements());
    let cost = streaming(inputs, outputs, window(&shape))?;
    let (kernel, without, gated) = (kernels::MaxPoolPlaces::new(shape), kernels::MaxPool::new(shape), op.gated);
    floats!(outputs[0].dtype, T => {
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                let (x, y) = (io.input::<T>(0, x_len), io.wants(0).then(|| io.output::<T>(0, y_len)));
                match (io.wants(1), y) {
                    (true, y) => kernel.run::<T>(isa, chunk, gated, x, y, io.output::<u8>(1, y_len)),
                    (false, Some(y)) => without.run::<T>(isa, chunk, x, y),
                    (false, None) => {}
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}

pub fn max_places_gradient(isa: Isa, op: &MaxPoolPlacesGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(&op.windows, &outputs[0])?;
    let (x_len, y_len) = (shape.input_elements(), shape.output_elements());
    let cost = streaming(&inputs[..2], outputs, 1.0)?;
    let kernel = kernels::MaxPoolPlacesBackward::new(shape);
    floats!(outputs[0].dtype, T => {
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                let (g, places) = (io.input::<T>(0, y_len), io.input::<u8>(1, y_len));
                kernel.run::<T>(isa, chunk, places, g, io.output::<T>(0, x_len));
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}

pub fn max_places_sum(isa: Isa, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let channels = outputs[0].shape.elements()?;
    let elements = inputs[0].shape.elements()?;
    let kernel = kernels::MaxPoolPlacesSums::new(elements.checked_div(channels).unwrap_or(0), channels);
    let cost = streaming(inputs, outputs, 1.0)?;
    floats!(outputs[0].dtype, T => {
        let partial = kernel.partial_elements();
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`; the chunks' sums are complete in the second phase.
            unsafe {
                if phase == 0 {
                    kernel.run::<T>(isa, chunk, io.input::<u8>(1, elements), io.input::<T>(0, elements), io.scratch::<T>());
                } else {
                    let partial = std::slice::from_raw_parts(io.scratch::<T>().as_ptr().cast_const(), partial);
                    kernel.finish::<T>(isa, io.output::<T>(0, channels).range(0..channels), partial);
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(kernel.chunks(), run).then(1).scratch(partial * size_of::<T>()).cost(cost)))
    })
}

pub fn average_gradient(isa: Isa, op: &AveragePoolGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(&op.windows, &outputs[0])?;
    let (x, y) = (shape.input_elements(), shape.output_elements());
    let cost = streaming(&inputs[..1], outputs, 1.0)?;
    lowered!(isa, kernels::AveragePoolBackward::new(shape), outputs, cost, [0: y] -> x)
}
