//! Sorting, the largest few, places in a sorted row, running sums and products.

use ironhorn_kernels::cpu::cumulate::{Cumulate as CumulateKernel, Recurrence, Running};
use ironhorn_kernels::cpu::sort;

use super::index::around;
use super::reduce::numbers;
use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::{DType, Spec};
use crate::ops::order::cumulate::{Cumulate, CumulateKind};
use crate::ops::order::linear_recurrence::LinearRecurrence;
use crate::ops::order::search_sorted::SearchSorted;
use crate::ops::order::sort::Sort;
use crate::ops::order::top_k::TopK;

/// Writes a lowering once for every type that has an order.
macro_rules! ordered {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            DType::Float16 => {
                type $t = half::f16;
                $body
            }
            DType::Bfloat16 => {
                type $t = half::bf16;
                $body
            }
            other => numbers!(other, $t => $body),
        }
    };
}

/// Binary logarithm: comparisons an element.
fn depth(length: usize) -> f64 {
    (length.max(2) as f64).log2()
}

pub fn sort(op: &Sort, inputs: &[Spec]) -> Lowering {
    let (outer, length, inner) = around(&inputs[0].shape.concrete()?, inputs[0].shape.axis(op.axis)?);
    let elements = inputs[0].shape.elements()?;
    let cost = streaming(inputs, inputs, depth(length))?;
    ordered!(inputs[0].dtype, T => {
        let kernel = sort::Sort::<T>::new(outer, length, inner);
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`; outputs that nobody reads are not touched.
            unsafe {
                let values = io.wants(0).then(|| io.output::<T>(0, elements));
                let positions = io.wants(1).then(|| io.output::<i32>(1, elements));
                kernel.run(chunk, io.input::<T>(0, elements), values, positions);
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}

pub fn top_k(op: &TopK, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let sizes = inputs[0].shape.concrete()?;
    let length = sizes.last().copied().unwrap_or(1);
    let rows = sizes[..sizes.len().saturating_sub(1)].iter().product();
    let cost = streaming(inputs, outputs, depth(op.k))?;
    ordered!(inputs[0].dtype, T => {
        let kernel = sort::TopK::<T>::new(rows, length, op.k);
        let (chunks, elements, results) = (kernel.chunks(), kernel.elements(), kernel.outputs());
        let run = move |_: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`; outputs that nobody reads are not touched.
            unsafe {
                let values = io.wants(0).then(|| io.output::<T>(0, results));
                let positions = io.wants(1).then(|| io.output::<i32>(1, results));
                kernel.run(chunk, io.input::<T>(0, elements), values, positions);
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}

pub fn search_sorted(op: &SearchSorted, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (length, count) = (inputs[0].shape.elements()?, inputs[1].shape.elements()?);
    let cost = streaming(inputs, outputs, depth(length))?;
    ordered!(inputs[0].dtype, T => {
        let kernel = sort::Search::<T>::new(length, count, op.behind);
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe { kernel.run(chunk, io.input::<T>(0, length), io.input::<T>(1, count), io.output::<i32>(0, count)) };
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}

pub fn cumulate(op: &Cumulate, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (outer, length, inner) = around(&inputs[0].shape.concrete()?, inputs[0].shape.axis(op.axis)?);
    let elements = inputs[0].shape.elements()?;
    let running = if op.kind == CumulateKind::Sum { Running::Sum } else { Running::Product };
    let cost = streaming(inputs, outputs, 1.0)?;
    numbers!(inputs[0].dtype, T => {
        let kernel = CumulateKernel::<T>::new(running, op.reverse, op.exclusive, [outer, length, inner]);
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe { kernel.run(chunk, io.input::<T>(0, elements), io.output::<T>(0, elements)) };
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}

pub fn linear_recurrence(op: &LinearRecurrence, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (outer, length, inner) = around(&inputs[1].shape.concrete()?, inputs[1].shape.axis(op.axis)?);
    let elements = inputs[1].shape.elements()?;
    let cost = streaming(inputs, outputs, 2.0)?;
    floats!(inputs[1].dtype, T => {
        let kernel = Recurrence::<T>::new(op.reverse, [outer, length, inner]);
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                let (a, b) = (io.input::<T>(0, elements), io.input::<T>(1, elements));
                kernel.run(chunk, a, b, io.output::<T>(0, elements));
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}
