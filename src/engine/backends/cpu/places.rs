//! Elements, rows and boxes at places that are known only when the program runs.

use ironhorn_kernels::cpu::along;
use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::movement::{StridedCopy, row_major};
use ironhorn_kernels::cpu::scatter::{Combine, GatherPlaces, Outside, Places, ScatterPlaces};

use super::index::{around, out_of_range};
use super::reduce::numbers;
use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::{DType, Result, Spec};
use crate::ops::index::places::{GatherNd, ScatterKind, ScatterNd};
use crate::ops::index::take_along::{TakeAlong, TakeAlongGrad};

/// Calls `$body` with `$i` the type of the indices; others are cast by their op's `decompose`.
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
            _ => Ok(None),
        }
    };
}

/// Calls `$body` with `$t` an unsigned integer as wide as an element.
macro_rules! words {
    ($size:expr, $t:ident => $body:expr) => {
        match $size {
            1 => {
                type $t = u8;
                $body
            }
            2 => {
                type $t = u16;
                $body
            }
            4 => {
                type $t = u32;
                $body
            }
            _ => {
                type $t = u64;
                $body
            }
        }
    };
}

pub fn take_along(op: &TakeAlong, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let axis = inputs[0].shape.axis(op.axis)?;
    let (outer, size, inner) = around(&inputs[0].shape.concrete()?, axis);
    let count = outputs[0].shape.concrete()?[axis];
    let (x_len, taken) = (inputs[0].shape.elements()?, outputs[0].shape.elements()?);
    let kernel = along::TakeAlong::new(outer, size, count, inner);
    let cost = streaming(&inputs[1..2], outputs, 1.0)?;
    indices!(inputs[1].dtype, I => words!(inputs[0].dtype.size(), T => {
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| -> Result<()> {
            // SAFETY: by the contract of `Kernel::run`; the word is as wide as the element.
            let (x, indices, out) =
                unsafe { (io.input::<T>(0, x_len), io.input::<I>(1, taken), io.output::<T>(0, taken)) };
            kernel.run(chunk, x, indices, out).map_err(out_of_range)
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    }))
}

pub fn take_along_grad(op: &TakeAlongGrad, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let axis = outputs[0].shape.axis(op.axis)?;
    let (outer, size, inner) = around(&outputs[0].shape.concrete()?, axis);
    let count = inputs[1].shape.concrete()?[axis];
    let (given, out_len) = (inputs[0].shape.elements()?, outputs[0].shape.elements()?);
    let kernel = along::AddAlong::new(outer, size, count, inner);
    let cost = streaming(&inputs[..2], outputs, 1.0)?;
    indices!(inputs[1].dtype, I => floats!(outputs[0].dtype, T => {
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| -> Result<()> {
            // SAFETY: by the contract of `Kernel::run`.
            let (g, indices, out) =
                unsafe { (io.input::<T>(0, given), io.input::<I>(1, given), io.output::<T>(0, out_len)) };
            kernel.run(chunk, indices, g, out).map_err(out_of_range)
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    }))
}

/// Number of indices, the axes that they name, and elements behind these.
fn places(x: &Spec, indices: &Spec, drop: bool) -> Result<(usize, Places, usize)> {
    let (sizes, counts) = (x.shape.concrete()?, indices.shape.concrete()?);
    let (named, behind) = sizes.split_at(counts[1]);
    let outside = if drop { Outside::Drop } else { Outside::Refuse };
    Ok((counts[0], Places::new(named, outside), behind.iter().product()))
}

pub fn gather(op: &GatherNd, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (count, places, inner) = places(&inputs[0], &inputs[1], op.drop)?;
    let kernel = GatherPlaces::new(places, count, inner * inputs[0].dtype.size());
    let (x_bytes, numbers, out_bytes) = (inputs[0].bytes()?, inputs[1].shape.elements()?, outputs[0].bytes()?);
    let cost = streaming(&inputs[1..2], outputs, 1.0)?;
    indices!(inputs[1].dtype, I => {
        let chunks = kernel.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| -> Result<()> {
            // SAFETY: by the contract of `Kernel::run`.
            let (x, indices, out) =
                unsafe { (io.input::<u8>(0, x_bytes), io.input::<I>(1, numbers), io.output::<u8>(0, out_bytes)) };
            kernel.run(chunk, x, indices, out).map_err(out_of_range)
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}

pub fn scatter(op: &ScatterNd, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (count, places, inner) = places(&inputs[0], &inputs[1], op.drop)?;
    let kernel = ScatterPlaces::new(places, count, inner, inputs[0].dtype.size());
    let (elements, numbers) = (inputs[0].shape.elements()?, inputs[1].shape.elements()?);
    let updated = inputs[2].shape.elements()?;
    let cost = streaming(inputs, outputs, 1.0)?;
    let chunks = kernel.chunks();
    macro_rules! run {
        ($t:ident, $i:ident, $call:expr) => {{
            let run = move |_: usize, chunk: usize, io: &Io| -> Result<()> {
                // SAFETY: by the contract of `Kernel::run`; a word is as wide as the element.
                let (x, indices, updates, out) = unsafe {
                    (
                        io.input::<$t>(0, elements),
                        io.input::<$i>(1, numbers),
                        io.input::<$t>(2, updated),
                        io.output::<$t>(0, elements),
                    )
                };
                let call = $call;
                call(&kernel, chunk, x, indices, updates, out).map_err(out_of_range)
            };
            Ok(Some(Lowered::new(chunks, run).cost(cost)))
        }};
    }
    let rule = match op.kind {
        ScatterKind::Set => {
            return indices!(inputs[1].dtype, I => words!(inputs[0].dtype.size(), T => {
                run!(T, I, ScatterPlaces::set::<T, I>)
            }));
        }
        ScatterKind::Add => Combine::Add,
        ScatterKind::Max => Combine::Max,
        ScatterKind::Min => Combine::Min,
        ScatterKind::Mul => Combine::Mul,
    };
    indices!(inputs[1].dtype, I => numbers!(inputs[0].dtype, T => {
        run!(T, I, |kernel: &ScatterPlaces, chunk, x: &[T], indices: &[I], updates: &[T], out| {
            kernel.combine(rule, chunk, x, indices, updates, out)
        })
    }))
}

/// A box in an array: where it starts follows from indices, negative ones counted from the end; then it is moved so that
/// it lies in the array.
struct Corner {
    sizes: Vec<usize>,
    lengths: Vec<usize>,
    strides: Vec<isize>,
}

impl Corner {
    fn new(array: &Spec, cut: &Spec) -> Result<Self> {
        let (sizes, lengths) = (array.shape.concrete()?, cut.shape.concrete()?);
        let strides = row_major(&sizes);
        Ok(Corner { sizes, lengths, strides })
    }

    /// The box's first element, counted in the array.
    fn offset<I: Copy + Into<i64>>(&self, starts: &[I]) -> usize {
        let axes = starts.iter().zip(&self.sizes).zip(&self.lengths).zip(&self.strides);
        axes.map(|(((&start, &size), &length), &stride)| {
            let start = start.into();
            let start = if start < 0 { start + size as i64 } else { start };
            start.clamp(0, (size - length) as i64) as usize * stride as usize
        })
        .sum()
    }
}

pub fn dynamic_slice(inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let corner = Corner::new(&inputs[0], &outputs[0])?;
    let size = inputs[0].dtype.size();
    let copy = StridedCopy::new(&corner.lengths, &corner.strides, &row_major(&corner.lengths), 0, 0, size);
    let (from, to, axes) = (inputs[0].bytes()?, outputs[0].bytes()?, inputs[0].rank());
    let cost = streaming(&[], &[outputs[0].clone(), outputs[0].clone()], 0.0)?;
    indices!(inputs[1].dtype, I => {
        let chunks = copy.chunks();
        let run = move |_: usize, chunk: usize, io: &Io| {
            if to > 0 {
                // SAFETY: by the contract of `Kernel::run`.
                let (x, starts, out) = unsafe { (io.input::<u8>(0, from), io.input::<I>(1, axes), io.output::<u8>(0, to)) };
                copy.run(chunk, &x[corner.offset(starts) * size..], out);
            }
            Ok(())
        };
        Ok(Some(Lowered::new(chunks, run).cost(cost)))
    })
}

pub fn slice_update(inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let corner = Corner::new(&inputs[0], &inputs[2])?;
    let size = inputs[0].dtype.size();
    let whole = StridedCopy::new(&corner.sizes, &corner.strides, &corner.strides, 0, 0, size);
    let place = StridedCopy::new(&corner.lengths, &row_major(&corner.lengths), &corner.strides, 0, 0, size);
    let (bytes, given, axes) = (inputs[0].bytes()?, inputs[2].bytes()?, inputs[0].rank());
    let cost = streaming(inputs, outputs, 0.0)?;
    indices!(inputs[1].dtype, I => {
        let (whole_chunks, place_chunks) = (whole.chunks(), place.chunks());
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            let (x, starts, updates, out) = unsafe {
                (io.input::<u8>(0, bytes), io.input::<I>(1, axes), io.input::<u8>(2, given), io.output::<u8>(0, bytes))
            };
            if phase == 0 {
                whole.run(chunk, x, out);
            } else if given > 0 {
                let skipped = corner.offset(starts) * size;
                // SAFETY: the rest of the output from the box's first element on, which lies in it because the box does.
                let rest = unsafe { Disjoint::from_raw(out.as_ptr().add(skipped), bytes - skipped) };
                place.run(chunk, updates, rest);
            }
            Ok(())
        };
        Ok(Some(Lowered::new(whole_chunks, run).then(place_chunks).cost(cost)))
    })
}
