//! Depthwise convolution with respect to its weights: `dw[k.., c] = sum over n, o.. of x[.., c] dy[n, o.., c]`.
//!
//! ```text
//! chunk = (rows of all output planes, channels)           fixed by shape
//!   for block of a plane's rows                           x and dy of it stay in L2; the next one's are asked for
//!     for register of channels
//!       for run of rows                                   those with the same kernel rows inside
//!         the loops of `depthwise_taps`                   sums stay in registers while the run's pixels pass
//! ```
//!
//! Nothing is copied: taps that reach over the border are left out. With a multiplier, rows of x are first copied with every
//! channel repeated, as in `depthwise`. Reading x and dy limits the speed.

use super::ConvShape;
use super::depthwise::{REPEATED_ELEMENTS, Read, Taps, with_repeated};
use super::depthwise_taps::{Block, Run};
use crate::cpu::gemm::tile::Tap;
use crate::cpu::gemm::{Compute, Split};
use crate::cpu::simd::Isa;
use crate::cpu::workspace;
use std::ops::Range;

/// Elements of x and dy of a block: a part of L2.
const BLOCK_ELEMENTS: usize = 80 * 1024;
/// Rows of a block, at most.
const MOST_ROWS: usize = 8;
/// Pixels that a part of the images has at least.
const PART_PIXELS: usize = 48;
/// Channels that chunks have at least, so that they read neighbouring cache lines.
const UNIT_CHANNELS: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct DepthwiseWeights {
    shape: ConvShape,
    taps: [Taps; 3],
    /// Rows of a block.
    block_rows: usize,
}

impl DepthwiseWeights {
    pub fn new(shape: &ConvShape) -> Self {
        let [_, _, width] = shape.size;
        let [_, _, count] = shape.output_size();
        let span = (shape.kernel[1] - 1) * shape.dilation[1] + 1;
        let read = width * shape.output_channels * shape.kernel[0];
        let fitting = if shape.output_group() == 1 {
            BLOCK_ELEMENTS / (read * shape.stride[1] + count * shape.output_channels).max(1)
        } else {
            (REPEATED_ELEMENTS / read.max(1)).saturating_sub(span) / shape.stride[1]
        };
        let taps = std::array::from_fn(|axis| Taps::forward(shape, axis));
        Self { shape: *shape, taps, block_rows: fitting.clamp(1, MOST_ROWS) }
    }

    /// Parts that rows and channels are cut into: at most `wanted`, and as many sums as `partial_limit`.
    pub fn cut(&self, wanted: usize, partial_limit: usize) -> [Split; 2] {
        let shape = &self.shape;
        let [depth, height, width] = shape.output_size();
        let rows = shape.batch * depth * height;
        let parts = wanted.min(rows * width / PART_PIXELS).min(partial_limit);
        let rows = Split::new(rows, parts, 1);
        let channels = shape.output_channels;
        [rows, Split::new(channels, (wanted / rows.parts).min(channels / UNIT_CHANNELS), UNIT_CHANNELS)]
    }

    /// Computes the sums over the output rows `rows`, of all planes, of some channels.
    ///
    /// # Safety
    /// `x` and `dy` are as long as the geometry says; `dw` has room for all weights, and those of these channels are this
    /// call's alone.
    pub unsafe fn run<T: Compute>(
        &self,
        isa: Isa,
        rows: Range<usize>,
        channels: &Range<usize>,
        x: &[T],
        dy: &[T],
        dw: *mut T,
    ) {
        let shape = &self.shape;
        let [depth, height, width] = shape.output_size();
        for tap in 0..shape.taps() {
            let start = tap * shape.output_channels + channels.start;
            // SAFETY: by this function's contract.
            unsafe { std::slice::from_raw_parts_mut(dw.wrapping_add(start), channels.len()) }.fill(T::ZERO);
        }
        let volume = shape.size.iter().product::<usize>() * shape.input_channels;
        let mut row = rows.start;
        while row < rows.end && width > 0 {
            let plane = row / height;
            let first = row % height;
            let lines = first..(first + (rows.end - row).min(self.block_rows)).min(height);
            let dy = &dy[row * width * shape.output_channels..];
            row += lines.len();
            let x = &x[plane / depth * volume..][..volume];
            // SAFETY: by this function's contract.
            unsafe { self.run_block(isa, plane % depth, &lines, channels, x, dy, dw) }
        }
    }

    /// Adds the rows `lines` of one plane, the first of which is `dy`.
    ///
    /// # Safety
    /// As for `run`.
    unsafe fn run_block<T: Compute>(
        &self,
        isa: Isa,
        plane: usize,
        lines: &Range<usize>,
        used: &Range<usize>,
        x: &[T],
        dy: &[T],
        dw: *mut T,
    ) {
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
        let inside = |line: usize| down.inside(line * shape.stride[1], height);
        // All of the memory that follows is read soon, if all channels are.
        let asks = shape.output_group() == 1 && *used == (0..channels);
        let ahead = (read.plane * height + read.rows.end) * width * channels;
        let next = [x.as_ptr().wrapping_add(ahead), dy.as_ptr().wrapping_add(lines.len() * count * channels)];
        with_repeated(x, shape.size, [channels, shape.output_group()], &read, |x, place| {
            workspace::with(lines.len() * planes.len() * down.count, |taps: &mut [Tap]| {
                let mut runs = [const { Run { lines: &[], rows: 0..0 } }; MOST_ROWS];
                let (mut count_of_runs, mut rest, mut line) = (0, taps, lines.start);
                while line < lines.end {
                    let rows_inside = inside(line);
                    let same = (line..lines.end).take_while(|&line| inside(line) == rows_inside).count();
                    let (own, others) = rest.split_at_mut(planes.len() * rows_inside.len());
                    let start = line * shape.stride[1];
                    let kernel_rows = planes
                        .clone()
                        .enumerate()
                        .flat_map(|(k, z)| rows_inside.clone().map(move |y| (k, y, z * down.count + y)));
                    for (tap, (k, y, kernel_row)) in own.iter_mut().zip(kernel_rows) {
                        let b = (kernel_row * across.count * channels) as isize;
                        *tap = Tap { a: place.start(k, down.source(start, y)), b };
                    }
                    let first = line - lines.start;
                    runs[count_of_runs] = Run { lines: own, rows: first..first + same };
                    (count_of_runs, rest, line) = (count_of_runs + 1, others, line + same);
                }
                let block = Block {
                    x: x.as_ptr(),
                    x_row: shape.stride[1] * width * channels,
                    dy: dy.as_ptr(),
                    dw,
                    runs: &runs[..count_of_runs],
                    rows: lines.len(),
                    taps: across,
                    stride: shape.stride[2],
                    width,
                    count,
                    channels,
                    used: used.clone(),
                    next: if asks { next } else { [std::ptr::null(); 2] },
                    next_lines: shape.stride[1] * shape.stride[2],
                };
                // SAFETY: the kernel rows are inside of x and dw, and the rows inside of dy.
                unsafe { T::work(isa, &block) }
            });
        });
    }
}
