//! The inner loops of `depthwise_weights`: sums of products of x and dy, in registers while a few rows of pixels pass.
//!
//! ```text
//! for register of channels
//!   for group of kernel rows                      as many as have their sums in registers
//!     for row of outputs
//!       for border pixel                          columns of x that are outside take no part, or are zeros
//!       for 4 pixels of it                        their dy is in registers; ask for as much of the rows that follow
//!         for column of x that they reach
//!           for kernel row of the group           one load, whatever the number of taps that use it
//!             for tap of it:  sum[tap] += x dy
//! ```
//!
//! 3 x 3 taps of 4 pixels need 22 loads for 36 multiply-adds, and write nothing. Kernel rows of 3, 5 and 7 taps without
//! dilation, with a stride of at most 2, have these loops. All others take up to 9 taps at once, wherever they lie, with a
//! load for each multiply-add.

use super::depthwise::Taps;
use super::depthwise_row::{load, store};
use crate::cpu::gemm::Compute;
use crate::cpu::gemm::tile::Tap;
use crate::cpu::gemm::vector::{Vector, Work};
use crate::cpu::simd::prefetch;
use std::ops::Range;

/// Taps of the loops for any geometry.
const MOST_TAPS: usize = 9;
/// Pixels whose dy is in registers.
const PIXELS: usize = 4;

/// Elements of a cache line.
const fn cache_line<T>() -> usize {
    64 / size_of::<T>()
}

/// Output rows that have the same kernel rows inside.
pub(super) struct Run<'a> {
    /// For each kernel row: where the row of x starts that the first of the rows reads, and its weights.
    pub lines: &'a [Tap],
    pub rows: Range<usize>,
}

/// Output rows of one plane.
pub(super) struct Block<'a, T> {
    pub x: *const T,
    /// Elements from what a row reads to what the next one does.
    pub x_row: usize,
    /// The first row.
    pub dy: *const T,
    pub dw: *mut T,
    pub runs: &'a [Run<'a>],
    pub rows: usize,
    /// Along a row.
    pub taps: Taps,
    pub stride: usize,
    pub width: usize,
    /// Outputs of a row.
    pub count: usize,
    /// Of a pixel, and those to be computed.
    pub channels: usize,
    pub used: Range<usize>,
    /// What is read after this block: of x, and of dy; null where that is not asked for. For each cache line of dy there are
    /// some of x.
    pub next: [*const T; 2],
    pub next_lines: usize,
}

impl<T: Compute> Work<T> for &Block<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let roomy = V::ACCUMULATORS >= 24;
        let taps = if self.taps.step == 1 { self.taps.count } else { 0 };
        // SAFETY: by the caller's contract.
        unsafe {
            match (taps, self.stride) {
                (3, 1) => self.channels::<V, 3, 1>(3),
                (3, 2) => self.channels::<V, 3, 2>(3),
                (5, 1) => self.channels::<V, 5, 1>(2 + usize::from(roomy)),
                (5, 2) => self.channels::<V, 5, 2>(2 + usize::from(roomy)),
                (7, 1) => self.channels::<V, 7, 1>(1 + usize::from(roomy)),
                _ => self.channels::<V, 0, 0>(0),
            }
        }
    }
}

/// Where a call is: in the channels, whose first lanes are valid, and in the block's list of rows to ask for.
#[derive(Clone, Copy)]
struct Place<M> {
    channel: usize,
    mask: M,
    /// Selects nothing.
    none: M,
    asks: bool,
}

impl<T: Compute> Block<'_, T> {
    #[inline(always)]
    unsafe fn channels<V: Vector<Element = T>, const COUNT: usize, const STRIDE: usize>(&self, most: usize) {
        let mut channel = self.used.start;
        // SAFETY: by the caller's contract.
        unsafe {
            let none = V::mask(0);
            while channel < self.used.end {
                let lanes = V::LANES.min(self.used.end - channel);
                let asks = !self.next[0].is_null() && channel.is_multiple_of(cache_line::<T>());
                let place = Place { channel, mask: V::mask(lanes), none, asks };
                for run in self.runs {
                    if V::MASKS_ARE_FREE || lanes < V::LANES {
                        self.lines::<V, COUNT, STRIDE, true>(run, most, place);
                    } else {
                        self.lines::<V, COUNT, STRIDE, false>(run, most, place);
                    }
                }
                channel += lanes;
            }
        }
    }

    /// All kernel rows of a run, at most `most` at once.
    #[inline(always)]
    unsafe fn lines<V: Vector<Element = T>, const COUNT: usize, const STRIDE: usize, const MASKED: bool>(
        &self,
        run: &Run,
        most: usize,
        mut place: Place<V::Mask>,
    ) {
        let mut lines = run.lines;
        // SAFETY: by the caller's contract.
        unsafe {
            if COUNT == 0 {
                self.any_taps::<V, MASKED>(run, place);
                return;
            }
            while !lines.is_empty() {
                let some;
                (some, lines) = lines.split_at(most.min(lines.len()));
                match some.len() {
                    3 if COUNT < 7 => self.neighbours::<V, 3, COUNT, STRIDE, MASKED>(some, &run.rows, place),
                    2 => self.neighbours::<V, 2, COUNT, STRIDE, MASKED>(some, &run.rows, place),
                    _ => self.neighbours::<V, 1, COUNT, STRIDE, MASKED>(some, &run.rows, place),
                }
                place.asks = false;
            }
        }
    }

    /// `LINES` kernel rows of `COUNT` taps.
    #[inline(always)]
    unsafe fn neighbours<
        V: Vector<Element = T>,
        const LINES: usize,
        const COUNT: usize,
        const STRIDE: usize,
        const MASKED: bool,
    >(
        &self,
        lines: &[Tap],
        rows: &Range<usize>,
        place: Place<V::Mask>,
    ) {
        let channels = self.channels;
        let interior = self.taps.interior(self.count, STRIDE, self.width);
        // SAFETY: by the caller's contract.
        unsafe {
            let mut sums = [[V::zero(); COUNT]; LINES];
            for (line, sums) in lines.iter().zip(&mut sums) {
                let dw = self.dw.wrapping_offset(line.b).wrapping_add(place.channel);
                for (tap, sum) in sums.iter_mut().enumerate() {
                    *sum = load::<V, MASKED>(dw.wrapping_add(tap * channels), place.mask);
                }
            }
            for row in rows.clone() {
                let start = (row - rows.start) * self.x_row + place.channel;
                let mut x = [std::ptr::null(); LINES];
                for (line, x) in lines.iter().zip(&mut x) {
                    let first = line.a + self.taps.offset * channels as isize;
                    *x = self.x.wrapping_offset(first).wrapping_add(start);
                }
                let mut dy = self.dy.wrapping_add(row * self.count * channels + place.channel);
                let mut next = self.next_of(row, place.channel);
                let mut i = 0;
                while i < interior.start {
                    self.border::<V, LINES, COUNT, STRIDE, MASKED>(&mut sums, &mut x, &mut dy, i, place);
                    i += 1;
                }
                while i + PIXELS <= interior.end {
                    if place.asks {
                        self.ask_ahead::<PIXELS>(&mut next);
                    }
                    self.group::<V, PIXELS, LINES, COUNT, STRIDE, MASKED>(&mut sums, &mut x, &mut dy, place.mask);
                    i += PIXELS;
                }
                while i < interior.end {
                    if place.asks {
                        self.ask_ahead::<1>(&mut next);
                    }
                    self.group::<V, 1, LINES, COUNT, STRIDE, MASKED>(&mut sums, &mut x, &mut dy, place.mask);
                    i += 1;
                }
                while i < self.count {
                    self.border::<V, LINES, COUNT, STRIDE, MASKED>(&mut sums, &mut x, &mut dy, i, place);
                    i += 1;
                }
            }
            for (line, sums) in lines.iter().zip(sums) {
                let dw = self.dw.wrapping_offset(line.b).wrapping_add(place.channel);
                for (tap, sum) in sums.into_iter().enumerate() {
                    store::<V, MASKED>(sum, dw.wrapping_add(tap * channels), place.mask);
                }
            }
        }
    }

    /// `P` pixels that have all taps; `x` and `dy` move on to the next.
    #[inline(always)]
    unsafe fn group<
        V: Vector<Element = T>,
        const P: usize,
        const LINES: usize,
        const COUNT: usize,
        const STRIDE: usize,
        const MASKED: bool,
    >(
        &self,
        sums: &mut [[V; COUNT]; LINES],
        x: &mut [*const T; LINES],
        dy: &mut *const T,
        mask: V::Mask,
    ) {
        // SAFETY: by the caller's contract.
        unsafe {
            let mut gradients = [V::zero(); P];
            for (p, gradient) in gradients.iter_mut().enumerate() {
                *gradient = load::<V, MASKED>(dy.wrapping_add(p * self.channels), mask);
            }
            for column in 0..(P - 1) * STRIDE + COUNT {
                for (sums, x) in sums.iter_mut().zip(x.iter()) {
                    let value = load::<V, MASKED>(x.wrapping_add(column * self.channels), mask);
                    for (tap, sum) in sums.iter_mut().enumerate() {
                        if column >= tap && (column - tap) % STRIDE == 0 && (column - tap) / STRIDE < P {
                            *sum = value.multiply_add(gradients[(column - tap) / STRIDE], *sum);
                        }
                    }
                }
            }
            for x in x {
                *x = x.wrapping_add(P * STRIDE * self.channels);
            }
            *dy = dy.wrapping_add(P * self.channels);
        }
    }

    /// The pixel `i`, some of whose taps are outside.
    #[inline(always)]
    unsafe fn border<
        V: Vector<Element = T>,
        const LINES: usize,
        const COUNT: usize,
        const STRIDE: usize,
        const MASKED: bool,
    >(
        &self,
        sums: &mut [[V; COUNT]; LINES],
        x: &mut [*const T; LINES],
        dy: &mut *const T,
        i: usize,
        place: Place<V::Mask>,
    ) {
        let inside = self.taps.inside(i * STRIDE, self.width);
        // SAFETY: by the caller's contract; lanes that are not selected are not touched.
        unsafe {
            let gradient = load::<V, MASKED>(*dy, place.mask);
            for tap in 0..COUNT {
                if !V::MASKS_ARE_FREE && !inside.contains(&tap) {
                    continue;
                }
                let mask = if inside.contains(&tap) { place.mask } else { place.none };
                for (sums, x) in sums.iter_mut().zip(x.iter()) {
                    let value = load::<V, MASKED>(x.wrapping_add(tap * self.channels), mask);
                    sums[tap] = value.multiply_add(gradient, sums[tap]);
                }
            }
            for x in x {
                *x = x.wrapping_add(STRIDE * self.channels);
            }
            *dy = dy.wrapping_add(self.channels);
        }
    }

    /// All taps of a run, a few at once.
    #[inline(always)]
    unsafe fn any_taps<V: Vector<Element = T>, const MASKED: bool>(&self, run: &Run, place: Place<V::Mask>) {
        let taps = run.lines.len() * self.taps.count;
        let mut first = 0;
        // SAFETY: by the caller's contract.
        unsafe {
            while first < taps {
                let range = first..(first + MOST_TAPS).min(taps);
                first = range.end;
                match range.len() {
                    9 => self.some_taps::<V, 9, MASKED>(run, range, place),
                    8 => self.some_taps::<V, 8, MASKED>(run, range, place),
                    7 => self.some_taps::<V, 7, MASKED>(run, range, place),
                    6 => self.some_taps::<V, 6, MASKED>(run, range, place),
                    5 => self.some_taps::<V, 5, MASKED>(run, range, place),
                    4 => self.some_taps::<V, 4, MASKED>(run, range, place),
                    3 => self.some_taps::<V, 3, MASKED>(run, range, place),
                    2 => self.some_taps::<V, 2, MASKED>(run, range, place),
                    _ => self.some_taps::<V, 1, MASKED>(run, range, place),
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn some_taps<V: Vector<Element = T>, const COUNT: usize, const MASKED: bool>(
        &self,
        run: &Run,
        taps: Range<usize>,
        place: Place<V::Mask>,
    ) {
        let channels = self.channels;
        let interior = self.taps.interior(self.count, self.stride, self.width);
        // SAFETY: by the caller's contract; at the borders, lanes that are not selected are not touched.
        unsafe {
            let mut sums = [V::zero(); COUNT];
            let mut dw = [std::ptr::null_mut(); COUNT];
            let mut columns = [0; COUNT];
            for ((tap, dw), column) in taps.clone().zip(&mut dw).zip(&mut columns) {
                let [line, at] = [tap / self.taps.count, tap % self.taps.count];
                *dw = self.dw.wrapping_offset(run.lines[line].b).wrapping_add(at * channels + place.channel);
                *column = at;
            }
            for (sum, dw) in sums.iter_mut().zip(dw) {
                *sum = load::<V, MASKED>(dw, place.mask);
            }
            for row in run.rows.clone() {
                let start = (row - run.rows.start) * self.x_row + place.channel;
                let mut x = [std::ptr::null(); COUNT];
                for ((tap, x), column) in taps.clone().zip(&mut x).zip(columns) {
                    let first = run.lines[tap / self.taps.count].a + self.taps.offset * channels as isize;
                    *x = self.x.wrapping_offset(first).wrapping_add(start + column * self.taps.step * channels);
                }
                let dy = self.dy.wrapping_add(row * self.count * channels + place.channel);
                let mut next = self.next_of(row, place.channel);
                let asks = place.asks && taps.start == 0;
                for i in (0..interior.start).chain(interior.end..self.count) {
                    let inside = self.taps.inside(i * self.stride, self.width);
                    let gradient = load::<V, MASKED>(dy.wrapping_add(i * channels), place.mask);
                    for ((sum, x), column) in sums.iter_mut().zip(x).zip(columns) {
                        let mask = if inside.contains(&column) { place.mask } else { place.none };
                        let value = V::load_part(x.wrapping_add(i * self.stride * channels), mask);
                        *sum = value.multiply_add(gradient, *sum);
                    }
                }
                for i in interior.clone() {
                    if asks {
                        self.ask_ahead::<1>(&mut next);
                    }
                    let gradient = load::<V, MASKED>(dy.wrapping_add(i * channels), place.mask);
                    for (sum, x) in sums.iter_mut().zip(x) {
                        let value = load::<V, MASKED>(x.wrapping_add(i * self.stride * channels), place.mask);
                        *sum = value.multiply_add(gradient, *sum);
                    }
                }
            }
            for (sum, dw) in sums.into_iter().zip(dw) {
                store::<V, MASKED>(sum, dw, place.mask);
            }
        }
    }

    /// What a row of a line of channels asks for: its share of all that follows, in the order in which it lies in memory.
    #[inline(always)]
    fn next_of(&self, row: usize, channel: usize) -> [*const T; 2] {
        let line = (channel / cache_line::<T>() * self.rows + row) * self.count * cache_line::<T>();
        [self.next[0].wrapping_add(line * self.next_lines), self.next[1].wrapping_add(line)]
    }

    #[inline(always)]
    fn ask_ahead<const P: usize>(&self, next: &mut [*const T; 2]) {
        for _ in 0..P {
            for _ in 0..self.next_lines {
                prefetch(next[0], 1);
                next[0] = next[0].wrapping_add(cache_line::<T>());
            }
            prefetch(next[1], 1);
            next[1] = next[1].wrapping_add(cache_line::<T>());
        }
    }
}
