//! Pooling along one or two axes, and what its gradients need.

use ironhorn_kernels::cpu::pool as kernels;
use ironhorn_kernels::cpu::pool::{Padding, PoolShape};
use ironhorn_kernels::cpu::simd::Isa;

use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::{Error, Result, Spec};
use crate::ops::nn::pool::{AveragePoolGrad, MaxPoolGrad, MaxPoolSelect, Pool, PoolKind, Windows};

/// The geometry of windows over `x`; one axis is an image of width 1.
fn geometry(windows: &Windows, x: &Spec) -> Result<PoolShape> {
    let x = x.shape.concrete()?;
    let padding =
        |axis: usize| windows.padding.resolve(axis, x[axis + 1], windows.sizes[axis], windows.strides[axis], 1);
    let (batch, height, width, channels) = match *x.as_slice() {
        [batch, length, channels] => (batch, length, 1, channels),
        [batch, height, width, channels] => (batch, height, width, channels),
        _ => return Err(Error::internal("the op checks the rank")),
    };
    let ((top, bottom), flat) = (padding(0), windows.sizes.len() == 1);
    let (left, right) = if flat { (0, 0) } else { padding(1) };
    Ok(PoolShape {
        batch,
        height,
        width,
        channels,
        window_height: windows.sizes[0],
        window_width: if flat { 1 } else { windows.sizes[1] },
        stride_height: windows.strides[0],
        stride_width: if flat { 1 } else { windows.strides[1] },
        padding: Padding { top, bottom, left, right },
    })
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
    let cost = streaming(inputs, outputs, (shape.window_height * shape.window_width) as f64)?;
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
    let cost = streaming(inputs, outputs, (shape.window_height * shape.window_width) as f64)?;
    lowered!(isa, kernels::MaxPoolSelect::new(shape), outputs, cost, [0: x, 1: x] -> y)
}

pub fn average_gradient(isa: Isa, op: &AveragePoolGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(&op.windows, &outputs[0])?;
    let (x, y) = (shape.input_elements(), shape.output_elements());
    let cost = streaming(&inputs[..1], outputs, 1.0)?;
    lowered!(isa, kernels::AveragePoolBackward::new(shape), outputs, cost, [0: y] -> x)
}
