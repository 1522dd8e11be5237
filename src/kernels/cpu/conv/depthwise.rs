//! Depthwise convolution, forward and with respect to the input: every channel by itself.
//!
//! ```text
//! chunk = rows of the output's planes                        fixed by shape
//!   for output row
//!     for phase                                              outputs whose taps lie alike; one but for strides backwards
//!       for 8 pixels of it                                   fewer at the borders, where some taps are outside
//!         for register of channels                           innermost: memory is read and written in order
//!           for (plane, row) of the kernel that is inside, for tap of its row
//!             sum[pixel] += w[tap] x[pixel + tap]            8 sums in registers, w loaded once for all of them
//! ```
//!
//! Nothing is copied: taps that reach over the border are left out. Rows of 3 taps with a stride of 1 or 2, and what is left
//! of them in the phases of a backward pass, have loops of their own, in which neighbouring pixels share what they load. Reading x and writing y limit the speed.
//!
//! A multiplier `m` makes `m` outputs of each channel. Forward, the rows that a block reads are first copied with every
//! channel repeated `m` times; backward, a row of repeated channels is computed aside and added up. The loops above see
//! one output a channel.

use super::{ConvShape, backward_taps};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::gemm::epilogue::activate_all;
use crate::cpu::gemm::tile::Tap;
use crate::cpu::gemm::vector::{Vector, Work};
use crate::cpu::gemm::{Activation, Compute, Epilogue, MOST_CHUNKS, Split};
use crate::cpu::simd::Isa;
use crate::cpu::workspace;
use std::ops::Range;

/// Elements that make a chunk.
const CHUNK_ELEMENTS: usize = 16 * 1024;
/// Elements of repeated channels that are worked on at once: a part of L2.
pub(super) const REPEATED_ELEMENTS: usize = 128 * 1024;
/// Pixels that share the loads of weights.
pub(super) const PIXELS: usize = 8;

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

/// The outputs of one phase in one row.
struct Row<'a, T> {
    source: *const T,
    weights: *const T,
    /// For each kernel row that is inside: where its source row starts, and its weights.
    lines: &'a [Tap],
    taps: Taps,
    stride: usize,
    width: usize,
    channels: usize,
    out: *mut T,
    /// Elements from one output to the next.
    out_step: usize,
    count: usize,
    bias: *const T,
    accumulate: bool,
    activation: Activation,
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
            rows: Split::new(shape.batch * out[0] * out[1], wanted, 1),
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
            rows: Split::new(shape.batch * shape.size[0] * shape.size[1], wanted, 1),
            block_rows: usize::MAX,
        }
    }

    fn chunks_for(shape: &ConvShape) -> usize {
        (shape.input_elements().max(shape.output_elements()) / CHUNK_ELEMENTS).clamp(1, MOST_CHUNKS)
    }

    pub fn chunks(&self) -> usize {
        self.rows.parts
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
        let mut rest = &mut *out;
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
        self.epilogue.activation.apply(isa, out);
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
            workspace::with(count * self.kernel[1], |taps: &mut [Tap]| {
                for (line, out) in lines.zip(out.chunks_exact_mut(out_line)) {
                    let (down, start) = (self.phases[1][line % self.step[1]], line / self.step[1] * self.stride[1]);
                    let mut used = 0;
                    for (k, z) in planes.clone().enumerate() {
                        for y in down.inside(start, height) {
                            let kernel_row = deep.tap(z) * self.kernel[1] + down.tap(y);
                            let b = (kernel_row * self.kernel[2] * self.channels) as isize;
                            taps[used] = Tap { a: place.start(k, down.source(start, y)), b };
                            used += 1;
                        }
                    }
                    self.run_row(isa, source, weights, &taps[..used], bias, out);
                }
            });
        });
    }

    /// Computes one row, which sums over the kernel rows `lines`.
    fn run_row<T: Compute>(
        &self,
        isa: Isa,
        source: &[T],
        weights: &[T],
        lines: &[Tap],
        bias: Option<&[T]>,
        out: &mut [T],
    ) {
        let [_, _, width] = self.source;
        let [_, _, out_width] = self.out;
        let (stride, step) = (self.stride[2], self.step[2]);
        let whole = self.out_repeat == 1;
        let phases = |to: *mut T| {
            for (first, &taps) in self.phases[2].iter().enumerate().take(out_width) {
                let row = Row {
                    source: source.as_ptr(),
                    weights: weights.as_ptr().wrapping_offset(taps.first * self.channels as isize),
                    lines,
                    taps,
                    stride,
                    width,
                    channels: self.channels,
                    out: to.wrapping_add(first * self.channels),
                    out_step: step * self.channels,
                    count: (out_width - first).div_ceil(step),
                    bias: bias.filter(|_| whole).map_or(std::ptr::null(), <[T]>::as_ptr),
                    accumulate: whole && self.epilogue.accumulate,
                    activation: if whole { self.epilogue.activation } else { Activation::Linear },
                };
                // SAFETY: the kernel rows are inside of the source and the weights, the outputs inside of the row, which
                // is this call's alone.
                unsafe { T::work(isa, &row) }
            }
        };
        if whole {
            phases(out.as_mut_ptr());
            return;
        }
        workspace::with(out_width * self.channels, |repeated: &mut [T]| {
            phases(repeated.as_mut_ptr());
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

impl<T: Compute> Work<T> for &Row<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let interior = self.taps.interior(self.count, self.stride, self.width);
        // SAFETY: all taps of the interior are inside, and at the borders those of `inside`.
        unsafe {
            match (self.taps.count, self.taps.step, self.stride) {
                (3, 1, 1) => self.pixels::<V, 3, 1>(interior.clone()),
                (3, 1, 2) => self.pixels::<V, 3, 2>(interior.clone()),
                // Backwards, a stride of 2 leaves each phase one tap or two.
                (1, _, 1) => self.pixels::<V, 1, 1>(interior.clone()),
                (2, 1, 1) => self.pixels::<V, 2, 1>(interior.clone()),
                _ => self.pixels::<V, 0, 0>(interior.clone()),
            }
            for i in (0..interior.start).chain(interior.end..self.count) {
                self.group::<V, 1, 0, 0>(i, self.taps.inside(i * self.stride, self.width));
            }
        }
    }
}

impl<T: Compute> Row<'_, T> {
    /// Outputs that have all taps. `COUNT` and `STRIDE` are 0 or those of the row, whose taps are neighbours.
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

    /// The outputs `i..i + P` over some of the taps.
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
        let out = self.out.wrapping_add(i * self.out_step + channel);
        let start = (i * self.stride + taps.start * self.taps.step) as isize + self.taps.offset;
        let source = self.source.wrapping_offset(start * channels as isize + channel as isize);
        let tap_step = self.taps.tap_step * channels as isize;
        let weights = self.weights.wrapping_offset(taps.start as isize * tap_step + channel as isize);
        let (stride, step, count) =
            if COUNT > 0 { (STRIDE, 1, COUNT) } else { (self.stride, self.taps.step, taps.len()) };
        // SAFETY: by the caller's contract.
        unsafe {
            let mut sums = [V::zero(); P];
            if self.accumulate {
                for (p, sum) in sums.iter_mut().enumerate() {
                    *sum = load::<V, MASKED>(out.add(p * self.out_step), mask);
                }
            }
            if !self.bias.is_null() {
                let bias = load::<V, MASKED>(self.bias.add(channel), mask);
                for sum in &mut sums {
                    *sum = sum.add(bias);
                }
            }
            for line in self.lines {
                let source = source.wrapping_offset(line.a);
                let weights = weights.wrapping_offset(line.b);
                for t in 0..count {
                    let weight = load::<V, MASKED>(weights.wrapping_offset(t as isize * tap_step), mask);
                    for (p, sum) in sums.iter_mut().enumerate() {
                        let pixel = load::<V, MASKED>(source.wrapping_add((p * stride + t * step) * channels), mask);
                        *sum = pixel.multiply_add(weight, *sum);
                    }
                }
            }
            for (p, sum) in sums.into_iter().enumerate() {
                let sum = sum.activate(self.activation);
                store::<V, MASKED>(sum, out.add(p * self.out_step), mask);
            }
        }
    }
}

/// # Safety
/// The lanes are valid.
#[inline(always)]
pub(super) unsafe fn load<V: Vector, const MASKED: bool>(from: *const V::Element, mask: V::Mask) -> V {
    // SAFETY: by this function's contract.
    unsafe { if MASKED { V::load_part(from, mask) } else { V::load(from) } }
}

/// # Safety
/// The lanes are valid.
#[inline(always)]
pub(super) unsafe fn store<V: Vector, const MASKED: bool>(value: V, to: *mut V::Element, mask: V::Mask) {
    // SAFETY: by this function's contract.
    unsafe { if MASKED { value.store_part(to, mask) } else { value.store(to) } }
}
