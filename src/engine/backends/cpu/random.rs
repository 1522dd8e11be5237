//! Random draws.

use ironhorn_kernels::cpu::random::{Random, Stream};
use ironhorn_kernels::cpu::simd::Isa;

use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::{DType, Spec};
use crate::ops::random::dropout::Dropout;
use crate::ops::random::integers::RandomIntegers;
use crate::ops::random::normal::RandomNormal;
use crate::ops::random::truncated_normal::TruncatedNormal;
use crate::ops::random::uniform::RandomUniform;

/// Operations of one draw: ten rounds of Philox and the mapping, by element.
const FLOPS: f64 = 20.0;

/// The stream that input `index`, a seed, names.
///
/// # Safety
/// The input holds two `u32`.
unsafe fn stream(io: &Io, index: usize) -> Stream {
    // SAFETY: by this function's contract.
    let seed = unsafe { io.input::<u32>(index, 2) };
    Stream { seed: u64::from(seed[0]), offset: u64::from(seed[1]) }
}

/// A lowering of one float draw: the kernel's method and its two parameters.
macro_rules! draw {
    ($isa:expr, $outputs:expr, $method:ident, $a:expr, $b:expr) => {{
        let (isa, a, b) = ($isa, $a, $b);
        let elements = $outputs[0].shape.elements()?;
        let cost = streaming(&[], $outputs, FLOPS)?;
        let kernel = Random::new(elements);
        floats!($outputs[0].dtype, T => {
            let run = move |_: usize, chunk: usize, io: &Io| {
                // SAFETY: by the contract of `Kernel::run`; ops check that seeds are two `u32`.
                let (stream, out) = unsafe { (stream(io, 0), io.output::<T>(0, elements)) };
                kernel.$method::<T>(isa, chunk, stream, a as T, b as T, out);
                Ok(())
            };
            Ok(Some(Lowered::new(Random::new(elements).chunks(), run).cost(cost)))
        })
    }};
}

pub fn uniform(isa: Isa, op: &RandomUniform, outputs: &[Spec]) -> Lowering {
    draw!(isa, outputs, uniform, op.low.0, op.high.0)
}

pub fn normal(isa: Isa, op: &RandomNormal, outputs: &[Spec]) -> Lowering {
    draw!(isa, outputs, normal, op.mean.0, op.stddev.0)
}

pub fn truncated_normal(isa: Isa, op: &TruncatedNormal, outputs: &[Spec]) -> Lowering {
    draw!(isa, outputs, truncated_normal, op.mean.0, op.stddev.0)
}

pub fn integers(isa: Isa, op: &RandomIntegers, outputs: &[Spec]) -> Lowering {
    let (low, high) = (op.low, op.high);
    let elements = outputs[0].shape.elements()?;
    let cost = streaming(&[], outputs, FLOPS)?;
    macro_rules! integers {
        ($t:ty) => {{
            let kernel = Random::new(elements);
            let chunks = kernel.chunks();
            let run = move |_: usize, chunk: usize, io: &Io| {
                // SAFETY: as for floats.
                let (stream, out) = unsafe { (stream(io, 0), io.output::<$t>(0, elements)) };
                kernel.integers::<$t>(isa, chunk, stream, low, high, out);
                Ok(())
            };
            Ok(Some(Lowered::new(chunks, run).cost(cost)))
        }};
    }
    match outputs[0].dtype {
        DType::Int8 => integers!(i8),
        DType::Int16 => integers!(i16),
        DType::Int32 => integers!(i32),
        DType::Int64 => integers!(i64),
        DType::Uint8 => integers!(u8),
        DType::Uint16 => integers!(u16),
        DType::Uint32 => integers!(u32),
        DType::Uint64 => integers!(u64),
        _ => Ok(None),
    }
}

pub fn dropout(isa: Isa, op: &Dropout, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let rate = op.rate.0;
    let elements = outputs[0].shape.elements()?;
    let cost = streaming(&inputs[..1], outputs, FLOPS / 2.0)?;
    let kernel = Random::new(elements);
    floats!(outputs[0].dtype, T => {
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| {
            let in_place = std::ptr::eq(io.inputs[0], io.outputs[0]);
            // SAFETY: by the contract of `Kernel::run`; what is written over is read through the output alone.
            let (x, stream, out) = unsafe {
                ((!in_place).then(|| io.input::<T>(0, elements)), stream(io, 1), io.output::<T>(0, elements))
            };
            kernel.dropout::<T>(isa, chunk, stream, rate, x, out);
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost).in_place(vec![0])))
    })
}
