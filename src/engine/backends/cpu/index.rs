//! Taking and placing by index.

use ironhorn_kernels::cpu::gather;
use ironhorn_kernels::cpu::simd::Isa;

use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::{Array, DType, Error, Result, Spec};
use crate::ops::index::one_hot::OneHot;
use crate::ops::index::take::{Take, TakeGrad};

/// Calls `$body` with `$i` the type of the indices; `None` for types that do not fit an `i64`.
macro_rules! indices {
    ($dtype:expr, $i:ident => $body:expr) => {
        match $dtype {
            DType::Int64 => {
                type $i = i64;
                $body
            }
            DType::Int32 => {
                type $i = i32;
                $body
            }
            DType::Int16 => {
                type $i = i16;
                $body
            }
            DType::Int8 => {
                type $i = i8;
                $body
            }
            DType::Uint32 => {
                type $i = u32;
                $body
            }
            DType::Uint16 => {
                type $i = u16;
                $body
            }
            DType::Uint8 => {
                type $i = u8;
                $body
            }
            _ => Ok(None),
        }
    };
}

pub(super) fn out_of_range(error: gather::IndexOutOfRange) -> Error {
    Error::index(error.to_string())
}

/// `[outer, size, inner]` around one axis.
pub(super) fn around(sizes: &[usize], axis: usize) -> (usize, usize, usize) {
    (sizes[..axis].iter().product(), sizes[axis], sizes[axis + 1..].iter().product())
}

pub fn take(op: &Take, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let axis = inputs[0].shape.axis(op.axis)?;
    let (outer, size, inner) = around(&inputs[0].shape.concrete()?, axis);
    let count = inputs[1].shape.elements()?;
    let (x_bytes, out_bytes) = (inputs[0].bytes()?, outputs[0].bytes()?);
    let kernel = gather::Take::new(outer, size, count, inner * inputs[0].dtype.size());
    // Rows of x that are not named are not read.
    let cost = streaming(&[inputs[1].clone(), outputs[0].clone()], outputs, 0.0)?;
    indices!(inputs[1].dtype, I => {
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| -> Result<()> {
            // SAFETY: by the contract of `Kernel::run`.
            let (x, indices, out) =
                unsafe { (io.input::<u8>(0, x_bytes), io.input::<I>(1, count), io.output::<u8>(0, out_bytes)) };
            kernel.run(chunk, x, indices, out).map_err(out_of_range)
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}

pub fn take_grad(isa: Isa, op: &TakeGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let axis = outputs[0].shape.axis(op.axis)?;
    let (outer, size, inner) = around(&outputs[0].shape.concrete()?, axis);
    let count = inputs[1].shape.elements()?;
    let (g_len, out_len) = (inputs[0].shape.elements()?, outputs[0].shape.elements()?);
    let kernel = gather::ScatterAdd::new(outer, size, count, inner, true);
    let cost = streaming(&inputs[..2], outputs, 1.0)?;
    indices!(inputs[1].dtype, I => floats!(outputs[0].dtype, T => {
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| -> Result<()> {
            // SAFETY: by the contract of `Kernel::run`.
            let (g, indices, out) =
                unsafe { (io.input::<T>(0, g_len), io.input::<I>(1, count), io.output::<T>(0, out_len)) };
            kernel.run::<T, I>(isa, chunk, indices, g, out).map_err(out_of_range)
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    }))
}

pub fn one_hot(op: &OneHot, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = outputs[0].shape.concrete()?;
    let axis = outputs[0].shape.axis(op.axis)?;
    let (outer, depth, inner) = around(&shape, axis);
    let kernel = gather::OneHot::new(outer, depth, inner);
    // Elements are placed as their bytes, one kernel for each width.
    let on = Array::scalar(1.0, op.dtype)?;
    let cost = streaming(inputs, outputs, 1.0)?;
    let (count, out_len) = (inputs[0].shape.elements()?, outputs[0].shape.elements()?);
    macro_rules! place {
        ($i:ident, $word:ty) => {{
            let on = <$word>::from_ne_bytes(on.bytes().try_into().map_err(|_| Error::internal("the width of an element"))?);
            let chunks = kernel.chunks();
            let run = move |_: usize, chunk: usize, io: &Io| {
                // SAFETY: by the contract of `Kernel::run`; the word is as wide as the element, and zero bytes are the zero
                // of every element type.
                let (indices, out) = unsafe { (io.input::<$i>(0, count), io.output::<$word>(0, out_len)) };
                kernel.run(chunk, indices, on, 0, out);
                Ok(())
            };
            Ok(Some(Lowered::new(chunks, run).cost(cost)))
        }};
    }
    indices!(inputs[0].dtype, I => match op.dtype.size() {
        1 => place!(I, u8),
        2 => place!(I, u16),
        4 => place!(I, u32),
        _ => place!(I, u64),
    })
}
