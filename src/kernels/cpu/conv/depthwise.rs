//! Depthwise convolution, forward and with respect to the input: every channel by itself.
//!
//! ```text
//! chunk = rows of the output's planes                        fixed by shape
//!   for two output rows, or one                              two where they are neighbours in a phase
//!     for phase                                              outputs whose taps lie alike; one but for strides backwards
//!       the loops of `depthwise_row`
//!     the activation, unless it was part of the store
//! ```
//!
//! Nothing is copied: taps that reach over the border are left out. Reading x and writing y limit the speed.
//!
//! A multiplier `m` makes `m` outputs of each channel. Forward, the rows that a block reads are first copied with every
//! channel repeated `m` times; backward, a row of repeated channels is computed aside and added up. The loops see one
//! output a channel.

use super::depthwise_row::Rows;
use super::{ConvShape, backward_taps};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::gemm::epilogue::activate_all;
use crate::cpu::gemm::tile::Tap;
use crate::cpu::gemm::{Activation, Compute, Epilogue, MOST_CHUNKS, Split};
use crate::cpu::simd::Isa;
use crate::cpu::workspace;
use std::ops::Range;

/// Elements that make a chunk.
const CHUNK_ELEMENTS: usize = 16 * 1024;
/// Elements of repeated channels that are worked on at once: a part of L2.
pub(super) const REPEATED_ELEMENTS: usize = 128 * 1024;

/// The taps of the outputs of a phase, along one axis: output `i` reads source `i * stride + offset + t * step` through tap
/// `first + t * tap_step`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taps {
    pub count: usize,
    pub offset: isize,
    pub step: usize,
    pub first: isize,
    pub tap_step: isize,
}

impl Taps {
    /// Of `(offset, tap)`, whose offsets ascend evenly.
    fn new(mut taps: impl Iterator<Item = (isize, usize)> + Clone) -> Self {
        let count = taps.clone().count();
        let (offset, first) = taps.next().map_or((0, 0), |(offset, tap)| (offset, tap as isize));
        let (second, next) = taps.next().map_or((offset + 1, first + 1), |(second, tap)| (second, tap as isize));
        Self { count, offset, step: (second - offset) as usize, first, tap_step: next - first }
    }

    /// The forward pass's.
    pub fn forward(shape: &ConvShape, axis: usize) -> Self {
        let offset = -(shape.padding[axis].0 as isize);
        Self { count: shape.kernel[axis], offset, step: shape.dilation[axis], first: 0, tap_step: 1 }
    }

    /// The taps that are inside of a source of `length` for the output whose first tap, without padding, reads `start`.
    #[inline(always)]
    pub fn inside(&self, start: usize, length: usize) -> Range<usize> {
        let first = start as isize + self.offset;
        let reached = |bound: isize| ((bound - first).max(0) as usize).div_ceil(self.step).min(self.count);
        reached(0)..reached(length as isize)
    }

    /// What tap `t` reads for such an output.
    #[inline(always)]
    pub fn source(&self, start: usize, t: usize) -> usize {
        (start as isize + self.offset + (t * self.step) as isize) as usize
    }

    /// Which of the kernel's taps `t` is.
    fn tap(&self, t: usize) -> usize {
        (self.first + t as isize * self.tap_step) as usize
    }

    /// The outputs of `0..count` that have all of their taps inside.
    pub fn interior(&self, count: usize, stride: usize, length: usize) -> Range<usize> {
        let last = length as isize - 1 - self.offset - (self.count.max(1) as isize - 1) * self.step as isize;
        let end = if last < 0 { 0 } else { (last as usize / stride + 1).min(count) };
        let start = ((-self.offset).max(0) as usize).div_ceil(stride).min(end);
        start..end
    }
}

/// Where source rows are: row `r` of the plane that the kernel's plane `k` reads starts at `first + k * plane + r * line`.
#[derive(Clone, Copy)]
pub(super) struct Place {
    first: isize,
    plane: usize,
    line: usize,
}

impl Place {
    #[inline(always)]
    pub fn start(&self, plane: usize, row: usize) -> isize {
        self.first + (plane * self.plane + row * self.line) as isize
    }
}

/// Source rows that outputs of one plane read: rows `rows` of `count` planes from `plane` on, `step` apart.
pub(super) struct Read {
    pub plane: usize,
    pub step: usize,
    pub count: usize,
    pub rows: Range<usize>,
}

/// Calls `body` with source rows of `channels` channels, each of which repeats one of `volume` `repeat` times.
pub(super) fn with_repeated<T: Compute, R>(
    volume: &[T],
    [_, height, width]: [usize; 3],
    [channels, repeat]: [usize; 2],
    read: &Read,
    body: impl FnOnce(&[T], Place) -> R,
) -> R {
    let line = width * channels;
    if repeat == 1 {
        let place = Place { first: (read.plane * height * line) as isize, plane: read.step * height * line, line };
        return body(volume, place);
    }
    let plane = read.rows.len() * line;
    workspace::with(read.count * plane, |buffer: &mut [T]| {
        for (k, to) in buffer.chunks_exact_mut(plane.max(1)).enumerate() {
            let first = ((read.plane + k * read.step) * height + read.rows.start) * line / repeat;
            let from = &volume[first..][..plane / repeat];
            for (to, &value) in to.chunks_exact_mut(repeat).zip(from) {
                to.fill(value);
            }
        }
        body(buffer, Place { first: -((read.rows.start * line) as isize), plane, line })
    })
}

#[derive(Clone, Debug)]
pub(super) struct Depthwise {
    batch: usize,
    /// Depth, height, width.
    source: [usize; 3],
    out: [usize; 3],
    /// Channels of the loops: those of `y`.
    channels: usize,
    /// How often a channel of the source is repeated to make them.
    source_repeat: usize,
    /// How many of them make a channel of the output.
    out_repeat: usize,
    /// Between sources of neighbouring outputs of a phase.
    stride: [usize; 3],
    /// Between outputs of a phase.
    step: [usize; 3],
    /// Of the outputs `first + i * step`, for each axis and `first`.
    phases: [Vec<Taps>; 3],
    kernel: [usize; 3],
    epilogue: Epilogue,
    rows: Split,
    /// Rows that share repeated sources.
    block_rows: usize,
}

impl Depthwise {
    pub fn forward(shape: &ConvShape, epilogue: Epilogue) -> Self {
        let wanted = Self::chunks_for(shape);
        let out = shape.output_size();
        let source_repeat = shape.output_group();
        // A block reads rows once for all kernel rows; repeating them costs a pass over memory.
        let line = shape.size[2] * shape.output_channels * shape.kernel[0];
        let span = (shape.kernel[1] - 1) * shape.dilation[1] + 1;
        let fitting = (REPEATED_ELEMENTS / line.max(1)).saturating_sub(span) / shape.stride[1];
        Self {
            batch: shape.batch,
            source: shape.size,
            out,
            channels: shape.output_channels,
            source_repeat,
            out_repeat: 1,
            stride: shape.stride,
            step: [1; 3],
            phases: std::array::from_fn(|axis| vec![Taps::forward(shape, axis)]),
            kernel: shape.kernel,
            epilogue,
            rows: Split::new(shape.batch * out[0] * out[1], wanted, 2),
            block_rows: if source_repeat == 1 { usize::MAX } else { fitting.max(1) },
        }
    }

    pub fn backward(shape: &ConvShape, epilogue: Epilogue) -> Self {
        let wanted = Self::chunks_for(shape);
        let phases = std::array::from_fn(|axis| {
            let taps = |first| {
                let [kernel, dilation, stride] = [shape.kernel[axis], shape.dilation[axis], shape.stride[axis]];
                Taps::new(backward_taps(first, kernel, dilation, stride, shape.padding[axis].0))
            };
            (0..shape.stride[axis]).map(taps).collect()
        });
        Self {
            batch: shape.batch,
            source: shape.output_size(),
            out: shape.size,
            channels: shape.output_channels,
            source_repeat: 1,
            out_repeat: shape.output_group(),
            stride: [1; 3],
            step: shape.stride,
            phases,
            kernel: shape.kernel,
            epilogue,
            rows: Split::new(shape.batch * shape.size[0] * shape.size[1], wanted, 2),
            block_rows: usize::MAX,
        }
    }

    fn chunks_for(shape: &ConvShape) -> usize {
        (shape.input_elements().max(shape.output_elements()) / CHUNK_ELEMENTS).clamp(1, MOST_CHUNKS)
    }

    pub fn chunks(&self) -> usize {
        self.rows.parts
    }

    /// The rows of the output that a chunk makes.
    pub fn rows_of(&self, chunk: usize) -> Range<usize> {
        self.rows.range(chunk)
    }

    /// Computes one chunk of the output.
    pub fn run<T: Compute>(
        &self,
        isa: Isa,
        chunk: usize,
        source: &[T],
        weights: &[T],
        bias: Option<&[T]>,
        out: Disjoint<T>,
    ) {
        let volume = self.source.iter().product::<usize>() * self.channels.checked_div(self.source_repeat).unwrap_or(0);
        let out_channels = self.channels.checked_div(self.out_repeat).unwrap_or(0);
        let [out_depth, out_height, out_width] = self.out;
        let line = out_width * out_channels;
        assert!(chunk < self.chunks(), "chunk {chunk} of {}", self.chunks());
        assert!(source.len() >= self.batch * volume, "the source is too short");
        assert!(weights.len() >= self.kernel.iter().product::<usize>() * self.channels, "the weights are too short");
        assert!(bias.is_none_or(|bias| bias.len() >= out_channels), "the bias is too short");
        let rows = self.rows.range(chunk);
        // SAFETY: chunks have disjoint rows.
        let out = unsafe { out.range(rows.start * line..rows.end * line) };
        if line == 0 {
            return;
        }
        let mut rest = out;
        let mut row = rows.start;
        while row < rows.end {
            let plane = row / out_height;
            let first = row % out_height;
            let lines = first..(first + (rows.end - row).min(self.block_rows)).min(out_height);
            row += lines.len();
            let block;
            (block, rest) = rest.split_at_mut(lines.len() * line);
            let source = &source[plane / out_depth * volume..][..volume];
            self.run_block(isa, plane % out_depth, lines, source, weights, bias, block);
        }
    }

    /// Computes the rows `lines` of one plane.
    fn run_block<T: Compute>(
        &self,
        isa: Isa,
        plane: usize,
        lines: Range<usize>,
        source: &[T],
        weights: &[T],
        bias: Option<&[T]>,
        out: &mut [T],
    ) {
        let [depth, height, _] = self.source;
        let deep = self.phases[0][plane % self.step[0]];
        let start = plane / self.step[0] * self.stride[0];
        let planes = deep.inside(start, depth);
        let mut rows: Option<Range<usize>> = None;
        for line in lines.clone() {
            let (down, start) = (self.phases[1][line % self.step[1]], line / self.step[1] * self.stride[1]);
            let inside = down.inside(start, height);
            if !inside.is_empty() {
                let reads = down.source(start, inside.start)..down.source(start, inside.end - 1) + 1;
                let rows = rows.get_or_insert_with(|| reads.clone());
                *rows = rows.start.min(reads.start)..rows.end.max(reads.end);
            }
        }
        let (rows, count) = (rows.unwrap_or_default(), planes.len());
        let first = if count == 0 { 0 } else { deep.source(start, planes.start) };
        let read = Read { plane: first, step: deep.step, count, rows };
        let repeated = [self.channels, self.source_repeat];
        let out_line = out.len() / lines.len();
        with_repeated(source, self.source, repeated, &read, |source, place| {
            let room = count * self.kernel[1];
            // Neighbouring rows share most of what they read.
            let most = if self.step[1] == 1 && self.out_repeat == 1 { 2 } else { 1 };
            workspace::with(2 * room, |taps: &mut [Tap]| {
                let (first, second) = taps.split_at_mut(room);
                let mut tap_lists = [first, second];
                let mut line = lines.start;
                for out in out.chunks_mut(most * out_line) {
                    let mut used = [0; 2];
                    for ((line, taps), used) in (line..line + out.len() / out_line).zip(&mut tap_lists).zip(&mut used) {
                        let (down, start) = (self.phases[1][line % self.step[1]], line / self.step[1] * self.stride[1]);
                        for (k, z) in planes.clone().enumerate() {
                            for y in down.inside(start, height) {
                                let kernel_row = deep.tap(z) * self.kernel[1] + down.tap(y);
                                let b = (kernel_row * self.kernel[2] * self.channels) as isize;
                                taps[*used] = Tap { a: place.start(k, down.source(start, y)), b };
                                *used += 1;
                            }
                        }
                    }
                    line += out.len() / out_line;
                    let lists = [&tap_lists[0][..used[0]], &tap_lists[1][..used[1]]];
                    self.run_rows(isa, source, weights, lists, bias, out);
                    self.epilogue.activation.apply(isa, out);
                }
            });
        });
    }

    /// Computes one row or two, which sum over the kernel rows `lines`.
    fn run_rows<T: Compute>(
        &self,
        isa: Isa,
        source: &[T],
        weights: &[T],
        lines: [&[Tap]; 2],
        bias: Option<&[T]>,
        out: &mut [T],
    ) {
        let [_, _, width] = self.source;
        let [_, _, out_width] = self.out;
        let (stride, step) = (self.stride[2], self.step[2]);
        let whole = self.out_repeat == 1;
        let phases = |to: *mut T, rows: usize| {
            for (first, &taps) in self.phases[2].iter().enumerate().take(out_width) {
                let second = if rows == 2 { to.wrapping_add(out_width * self.channels) } else { std::ptr::null_mut() };
                let rows = Rows {
                    source: source.as_ptr(),
                    weights: weights.as_ptr().wrapping_offset(taps.first * self.channels as isize),
                    weight_step: self.channels,
                    lines,
                    taps,
                    stride,
                    width,
                    channels: self.channels,
                    out: [to, second].map(|to| if to.is_null() { to } else { to.wrapping_add(first * self.channels) }),
                    out_step: step * self.channels,
                    count: (out_width - first).div_ceil(step),
                    bias: bias.filter(|_| whole).map_or(std::ptr::null(), <[T]>::as_ptr),
                    accumulate: whole && self.epilogue.accumulate,
                    activation: if whole { self.epilogue.activation } else { Activation::Linear },
                };
                // SAFETY: the kernel rows are inside of the source and the weights, the outputs inside of the rows, which
                // are this call's alone.
                unsafe { T::work(isa, &rows) }
            }
        };
        if whole {
            phases(out.as_mut_ptr(), out.len() / (out_width * self.channels));
            return;
        }
        workspace::with(out_width * self.channels, |repeated: &mut [T]| {
            phases(repeated.as_mut_ptr(), 1);
            for (pixel, repeated) in
                out.chunks_exact_mut(self.channels / self.out_repeat).zip(repeated.chunks_exact(self.channels))
            {
                for (channel, (out, repeated)) in
                    pixel.iter_mut().zip(repeated.chunks_exact(self.out_repeat)).enumerate()
                {
                    let mut sum = if self.epilogue.accumulate { *out } else { T::ZERO };
                    sum += bias.map_or(T::ZERO, |bias| bias[channel]);
                    for &value in repeated {
                        sum += value;
                    }
                    *out = sum;
                }
            }
            if self.epilogue.activation.in_store() {
                activate_all(isa, self.epilogue.activation, out);
            }
        });
    }
}
