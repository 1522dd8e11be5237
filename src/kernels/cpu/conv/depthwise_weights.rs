//! Depthwise convolution with respect to its weights: `dw[k.., c] = sum over n, o.. of x[.., c] dy[n, o.., c]`.
//!
//! ```text
//! for output row (of a chunk)
//!   for 8 pixels of it                              fewer at the borders, where some taps are outside
//!     for register of channels                      innermost: x and dy are read in order
//!       for kernel row that is inside
//!         for tap of it                             dw stays in L1: one load and one store for 8 pixels
//!           dw[tap] += x[pixel + tap] dy[pixel]
//! ```
//!
//! Kernel rows of 3 taps with a stride of 1 or 2 have loops of their own, in which neighbouring pixels share what they load.
//! With a multiplier, rows of x are first copied with every channel repeated, as in `depthwise`. Reading x and dy limits
//! the speed.

use super::ConvShape;
use super::depthwise::{REPEATED_ELEMENTS, Read, Taps, with_repeated};
use super::depthwise_row::{load, store};
use crate::cpu::gemm::Compute;
use crate::cpu::gemm::tile::Tap;
use crate::cpu::gemm::vector::{Vector, Work};
use crate::cpu::simd::Isa;
use crate::cpu::workspace;
use std::ops::Range;

/// Pixels that share loads and stores of weights.
const PIXELS: usize = 8;

#[derive(Clone, Debug)]
pub(super) struct DepthwiseWeights {
    shape: ConvShape,
    taps: [Taps; 3],
    /// Rows that share repeated sources.
    block_rows: usize,
}

/// One row of outputs.
struct Row<'a, T> {
    x: *const T,
    dy: *const T,
    dw: *mut T,
    /// For each kernel row that is inside: where its row of x starts, and its weights.
    lines: &'a [Tap],
    taps: Taps,
    stride: usize,
    width: usize,
    channels: usize,
    count: usize,
}

impl DepthwiseWeights {
    pub fn new(shape: &ConvShape) -> Self {
        let line = (shape.size[2] * shape.output_channels * shape.kernel[0]).max(1);
        let span = (shape.kernel[1] - 1) * shape.dilation[1] + 1;
        let fitting = (REPEATED_ELEMENTS / line).saturating_sub(span) / shape.stride[1];
        let block_rows = if shape.output_group() == 1 { usize::MAX } else { fitting.max(1) };
        Self { shape: *shape, taps: std::array::from_fn(|axis| Taps::forward(shape, axis)), block_rows }
    }

    /// Adds the output rows `rows`, of all planes, to `dw`.
    ///
    /// # Safety
    /// `x` and `dy` are as long as the geometry says; `dw` has room for all weights, and is this call's alone.
    pub unsafe fn add<T: Compute>(&self, isa: Isa, rows: Range<usize>, x: &[T], dy: &[T], dw: *mut T) {
        let shape = &self.shape;
        let [depth, height, width] = shape.output_size();
        let volume = shape.size.iter().product::<usize>() * shape.input_channels;
        let mut row = rows.start;
        while row < rows.end {
            let plane = row / height;
            let first = row % height;
            let lines = first..(first + (rows.end - row).min(self.block_rows)).min(height);
            let dy = &dy[row * width * shape.output_channels..];
            row += lines.len();
            let x = &x[plane / depth * volume..][..volume];
            // SAFETY: by this function's contract.
            unsafe { self.add_block(isa, plane % depth, lines, x, dy, dw) }
        }
    }

    /// Adds the rows `lines` of one plane, the first of which is `dy`.
    ///
    /// # Safety
    /// As for `add`.
    unsafe fn add_block<T: Compute>(&self, isa: Isa, plane: usize, lines: Range<usize>, x: &[T], dy: &[T], dw: *mut T) {
        let shape = &self.shape;
        let channels = shape.output_channels;
        let [deep, down, across] = self.taps;
        let [depth, height, width] = shape.size;
        let [_, _, count] = shape.output_size();
        let start = plane * shape.stride[0];
        let planes = deep.inside(start, depth);
        if planes.is_empty() {
            return;
        }
        // Where the first row and the last reach, at most.
        let top = (lines.start * shape.stride[1]) as isize + down.offset;
        let bottom = ((lines.end - 1) * shape.stride[1] + (down.count - 1) * down.step) as isize + down.offset + 1;
        let rows = top.clamp(0, height as isize) as usize..bottom.clamp(0, height as isize) as usize;
        let read = Read { plane: deep.source(start, planes.start), step: deep.step, count: planes.len(), rows };
        with_repeated(x, shape.size, [channels, shape.output_group()], &read, |x, place| {
            workspace::with(planes.len() * down.count, |taps: &mut [Tap]| {
                for (line, dy) in lines.zip(dy.chunks_exact(count * channels)) {
                    let start = line * shape.stride[1];
                    let mut used = 0;
                    for (k, z) in planes.clone().enumerate() {
                        for y in down.inside(start, height) {
                            let b = ((z * down.count + y) * across.count * channels) as isize;
                            taps[used] = Tap { a: place.start(k, down.source(start, y)), b };
                            used += 1;
                        }
                    }
                    let row = Row {
                        x: x.as_ptr(),
                        dy: dy.as_ptr(),
                        dw,
                        lines: &taps[..used],
                        taps: across,
                        stride: shape.stride[2],
                        width,
                        channels,
                        count,
                    };
                    // SAFETY: the kernel rows are inside of x and dw, and dy is a whole row.
                    unsafe { T::work(isa, &row) }
                }
            });
        });
    }
}

impl<T: Compute> Work<T> for &Row<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let interior = self.taps.interior(self.count, self.stride, self.width);
        // SAFETY: all taps of the interior are inside, and at the borders those of `inside`.
        unsafe {
            for i in 0..interior.start {
                self.group::<V, 1, 0, 0>(i, self.taps.inside(i * self.stride, self.width));
            }
            match (self.taps.count, self.taps.step, self.stride) {
                (3, 1, 1) => self.pixels::<V, 3, 1>(interior.clone()),
                (3, 1, 2) => self.pixels::<V, 3, 2>(interior.clone()),
                _ => self.pixels::<V, 0, 0>(interior.clone()),
            }
            for i in interior.end..self.count {
                self.group::<V, 1, 0, 0>(i, self.taps.inside(i * self.stride, self.width));
            }
        }
    }
}

impl<T: Compute> Row<'_, T> {
    /// Pixels that have all taps. `COUNT` and `STRIDE` are 0 or those of the row, whose taps are neighbours.
    #[inline(always)]
    unsafe fn pixels<V: Vector<Element = T>, const COUNT: usize, const STRIDE: usize>(&self, outputs: Range<usize>) {
        let taps = 0..self.taps.count;
        let mut i = outputs.start;
        // SAFETY: by the caller's contract.
        unsafe {
            while i + PIXELS <= outputs.end {
                self.group::<V, PIXELS, COUNT, STRIDE>(i, taps.clone());
                i += PIXELS;
            }
            if i + PIXELS / 2 <= outputs.end {
                self.group::<V, { PIXELS / 2 }, COUNT, STRIDE>(i, taps.clone());
                i += PIXELS / 2;
            }
            while i < outputs.end {
                self.group::<V, 1, COUNT, STRIDE>(i, taps.clone());
                i += 1;
            }
        }
    }

    /// The pixels `i..i + P` with some of the taps.
    #[inline(always)]
    unsafe fn group<V: Vector<Element = T>, const P: usize, const COUNT: usize, const STRIDE: usize>(
        &self,
        i: usize,
        taps: Range<usize>,
    ) {
        let lanes = V::LANES;
        let mut channel = 0;
        // SAFETY: by the caller's contract.
        unsafe {
            while channel + lanes <= self.channels {
                self.register::<V, P, COUNT, STRIDE, false>(i, taps.clone(), channel, V::mask(lanes));
                channel += lanes;
            }
            if channel < self.channels {
                self.register::<V, P, COUNT, STRIDE, true>(i, taps, channel, V::mask(self.channels - channel));
            }
        }
    }

    #[inline(always)]
    unsafe fn register<
        V: Vector<Element = T>,
        const P: usize,
        const COUNT: usize,
        const STRIDE: usize,
        const MASKED: bool,
    >(
        &self,
        i: usize,
        taps: Range<usize>,
        channel: usize,
        mask: V::Mask,
    ) {
        let channels = self.channels;
        let start = (i * self.stride + taps.start * self.taps.step) as isize + self.taps.offset;
        let x = self.x.wrapping_offset(start * channels as isize + channel as isize);
        let dw = self.dw.wrapping_add(taps.start * channels + channel);
        // SAFETY: by the caller's contract.
        unsafe {
            let mut dy = [V::zero(); P];
            for (p, dy) in dy.iter_mut().enumerate() {
                *dy = load::<V, MASKED>(self.dy.add((i + p) * channels + channel), mask);
            }
            for line in self.lines {
                let x = x.wrapping_offset(line.a);
                let dw = dw.wrapping_offset(line.b);
                if COUNT > 0 {
                    let mut sums = [V::zero(); COUNT];
                    for (t, sum) in sums.iter_mut().enumerate() {
                        *sum = load::<V, MASKED>(dw.add(t * channels), mask);
                    }
                    for (p, &dy) in dy.iter().enumerate() {
                        for (t, sum) in sums.iter_mut().enumerate() {
                            *sum = load::<V, MASKED>(x.add((p * STRIDE + t) * channels), mask).multiply_add(dy, *sum);
                        }
                    }
                    for (t, sum) in sums.into_iter().enumerate() {
                        store::<V, MASKED>(sum, dw.add(t * channels), mask);
                    }
                } else {
                    for t in 0..taps.len() {
                        let mut sum = load::<V, MASKED>(dw.add(t * channels), mask);
                        for (p, &dy) in dy.iter().enumerate() {
                            let from = x.add((p * self.stride + t * self.taps.step) * channels);
                            sum = load::<V, MASKED>(from, mask).multiply_add(dy, sum);
                        }
                        store::<V, MASKED>(sum, dw.add(t * channels), mask);
                    }
                }
            }
        }
    }
}
