//! Reductions.

use ironhorn_kernels::cpu::arg_reduce::{ArgReduce as ArgReduceKernel, Extreme};
use ironhorn_kernels::cpu::reduce::{self as kernels, Reduction};
use ironhorn_kernels::cpu::simd::Isa;

use super::{Io, Lowered, Lowering, streaming};
use crate::core::{DType, Error, Spec};
use crate::ops::reduce::arg_reduce::ArgReduce;
use crate::ops::reduce::reduce::Reduce;
use crate::ops::reduce::{ReduceKind, reduced_axes};

/// Writes a lowering once for every type that reductions compute in; sixteen-bit floats decompose.
macro_rules! numbers {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            DType::Bool | DType::Uint8 => numbers!(@ u8, $t, $body),
            DType::Uint16 => numbers!(@ u16, $t, $body),
            DType::Uint32 => numbers!(@ u32, $t, $body),
            DType::Uint64 => numbers!(@ u64, $t, $body),
            DType::Int8 => numbers!(@ i8, $t, $body),
            DType::Int16 => numbers!(@ i16, $t, $body),
            DType::Int32 => numbers!(@ i32, $t, $body),
            DType::Int64 => numbers!(@ i64, $t, $body),
            DType::Float32 => numbers!(@ f32, $t, $body),
            DType::Float64 => numbers!(@ f64, $t, $body),
            DType::Float16 | DType::Bfloat16 => Ok(None),
        }
    };
    (@ $rust:ty, $t:ident, $body:expr) => {{
        type $t = $rust;
        $body
    }};
}

pub(super) use numbers;

pub fn reduce(isa: Isa, op: &Reduce, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let sizes = inputs[0].shape.concrete()?;
    let axes = reduced_axes(op.axes.as_deref(), sizes.len())?;
    let reduction = match op.kind {
        ReduceKind::Sum => Reduction::Sum,
        ReduceKind::Mean => Reduction::Mean,
        ReduceKind::Max => Reduction::Maximum,
        ReduceKind::Min => Reduction::Minimum,
        ReduceKind::Prod => Reduction::Product,
        ReduceKind::Any => Reduction::Any,
        ReduceKind::All => Reduction::All,
    };
    let cost = streaming(inputs, outputs, 1.0)?;
    numbers!(inputs[0].dtype, T => {
        let kernel = kernels::Reduce::<T>::new(reduction, &sizes, &axes).map_err(Error::Shape)?;
        let (chunks, scratch) = (kernel.chunks(), kernel.scratch());
        let (elements, results) = (kernel.elements(), kernel.outputs());
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`; the second phase has one chunk, which owns the output.
            unsafe {
                let output = io.output::<T>(0, results);
                let partial = io.scratch::<T>();
                if phase == 0 {
                    kernel.run(isa, chunk, io.input::<T>(0, elements), output, partial);
                } else {
                    kernel.finish(isa, output.range(0..results), partial.range(0..partial.len()));
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).then(usize::from(scratch > 0)).scratch(scratch).cost(cost)))
    })
}

pub fn arg_reduce(isa: Isa, op: &ArgReduce, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let sizes = inputs[0].shape.concrete()?;
    let axis = inputs[0].shape.axis(op.axis)?;
    let extreme = if op.largest { Extreme::Maximum } else { Extreme::Minimum };
    let (elements, results) = (inputs[0].shape.elements()?, outputs[0].shape.elements()?);
    let cost = streaming(inputs, outputs, 1.0)?;
    numbers!(inputs[0].dtype, T => {
        let kernel = ArgReduceKernel::<T>::new(extreme, &sizes, axis).map_err(Error::Shape)?;
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe { kernel.run(isa, chunk, io.input::<T>(0, elements), io.output::<i64>(0, results)) };
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}
