//! The inner loops of `depthwise`: one row of outputs, or two neighbouring ones that share source rows.
//!
//! ```text
//! for 16 pixels of the row, 4 with strides        what they read stays in L1
//!   for register of channels
//!     two rows, 3 x 3 taps, stride 1              9 weights stay in registers
//!       for 4 pixels
//!         for source row of 4                     6 loads
//!           sum[row, pixel] += w x                up to 24 multiply-adds: 24 loads for 72 of them
//!     one row, any taps
//!       for 4 pixels
//!         for (plane, row) of the kernel that is inside, for tap of its row
//!           sum[pixel] += w x                     9 loads for 12 multiply-adds of a row of 3 taps
//! for border pixel, for register of channels      the taps that are inside
//! ```
//!
//! Rows of 1, 2, 3 and 5 taps without dilation have loops of their own, in which neighbouring pixels share what they load.

use super::depthwise::Taps;
use crate::cpu::gemm::tile::Tap;
use crate::cpu::gemm::vector::{Vector, Work};
use crate::cpu::gemm::{Activation, Compute};
use std::ops::Range;

/// Pixels whose sums are in registers together.
pub(super) const PIXELS: usize = 4;
/// Pixels that are worked on before the next register of channels, without strides.
pub(super) const BLOCK: usize = 16;

/// The outputs of one phase in one row or two.
pub(super) struct Rows<'a, T> {
    pub source: *const T,
    pub weights: *const T,
    /// Elements from one tap's weights to the next one's.
    pub weight_step: usize,
    /// For each kernel row that is inside: where its source row starts, and its weights. The second list is that of the next
    /// row of outputs, empty where there is none.
    pub lines: [&'a [Tap]; 2],
    pub taps: Taps,
    pub stride: usize,
    pub width: usize,
    pub channels: usize,
    /// The first output of each row.
    pub out: [*mut T; 2],
    /// Elements from one output to the next.
    pub out_step: usize,
    pub count: usize,
    pub bias: *const T,
    pub accumulate: bool,
    pub activation: Activation,
}

/// Where the three lines of two rows of outputs start, if they are neighbours with the same weights.
pub(super) fn shared([first, second]: [&[Tap]; 2]) -> Option<[isize; 4]> {
    match (first, second) {
        ([a, b, c], [d, e, f]) if b.a == d.a && c.a == e.a && [a.b, b.b, c.b] == [d.b, e.b, f.b] => {
            Some([a.a, b.a, c.a, f.a])
        }
        _ => None,
    }
}

impl<T: Compute> Work<T> for &Rows<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let interior = self.taps.interior(self.count, self.stride, self.width);
        // SAFETY: all taps of the interior are inside, and at the borders those of `inside`.
        unsafe {
            match (self.taps.count, self.taps.step, self.stride) {
                (3, 1, 1) => self.row::<V, 3, 1>(interior),
                (3, 1, 2) => self.row::<V, 3, 2>(interior),
                (5, 1, 1) => self.row::<V, 5, 1>(interior),
                (5, 1, 2) => self.row::<V, 5, 2>(interior),
                // Backwards, a stride of 2 leaves each phase one tap or two.
                (1, _, 1) => self.row::<V, 1, 1>(interior),
                (2, 1, 1) => self.row::<V, 2, 1>(interior),
                _ => self.row::<V, 0, 0>(interior),
            }
        }
    }
}

impl<T: Compute> Rows<'_, T> {
    /// All outputs. `COUNT` and `STRIDE` are 0 or those of the row, whose taps are neighbours then.
    #[inline(always)]
    unsafe fn row<V: Vector<Element = T>, const COUNT: usize, const STRIDE: usize>(&self, interior: Range<usize>) {
        let sources = if COUNT == 3 && STRIDE == 1 { shared(self.lines) } else { None };
        let rows = 1 + usize::from(!self.out[1].is_null());
        // SAFETY: by the caller's contract.
        unsafe {
            // With strides, pixels share little in L1, and memory is better read in order.
            let block = if STRIDE > 1 { PIXELS } else { BLOCK };
            for start in interior.clone().step_by(block) {
                let outputs = start..(start + block).min(interior.end);
                if let Some(sources) = &sources {
                    self.channels::<V, _>(&mut Pair { rows: self, outputs, sources });
                } else {
                    for row in 0..rows {
                        let outputs = outputs.clone();
                        self.channels::<V, _>(&mut Single::<_, COUNT, STRIDE> { rows: self, outputs, row });
                    }
                }
            }
            for i in (0..interior.start).chain(interior.end..self.count) {
                let taps = self.taps.inside(i * self.stride, self.width);
                for row in 0..rows {
                    let taps = taps.clone();
                    self.channels::<V, _>(&mut Border::<_, COUNT, STRIDE> { rows: self, i, taps, row });
                }
            }
        }
    }

    /// Calls `body` for each register of channels.
    #[inline(always)]
    unsafe fn channels<V: Vector<Element = T>, B: Body<V>>(&self, body: &mut B) {
        // SAFETY: by the caller's contract.
        unsafe { for_each_register::<V, B>(self.channels, body) }
    }

    /// The first values of the sums of `P` outputs.
    #[inline(always)]
    unsafe fn start<V: Vector<Element = T>, const P: usize, const MASKED: bool>(
        &self,
        out: *mut T,
        channel: usize,
        mask: V::Mask,
    ) -> [V; P] {
        // SAFETY: by the caller's contract.
        unsafe {
            let mut sums = [V::zero(); P];
            if !self.bias.is_null() {
                sums = [load::<V, MASKED>(self.bias.add(channel), mask); P];
            }
            if self.accumulate {
                for (p, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.add(load::<V, MASKED>(out.add(p * self.out_step), mask));
                }
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn finish<V: Vector<Element = T>, const P: usize, const MASKED: bool>(
        &self,
        sums: [V; P],
        out: *mut T,
        mask: V::Mask,
    ) {
        for (p, sum) in sums.into_iter().enumerate() {
            // SAFETY: by the caller's contract.
            unsafe { store::<V, MASKED>(sum.activate(self.activation), out.add(p * self.out_step), mask) }
        }
    }

    /// Two rows of `P` outputs.
    #[inline(always)]
    unsafe fn pair<V: Vector<Element = T>, const P: usize, const MASKED: bool>(
        &self,
        i: usize,
        channel: usize,
        mask: V::Mask,
        sources: &[isize; 4],
        weights: &[[V; 3]; 3],
    ) {
        let channels = self.channels;
        let at = (i as isize + self.taps.offset) * channels as isize + channel as isize;
        let out = self.out.map(|out| out.wrapping_add(i * self.out_step + channel));
        // SAFETY: by the caller's contract.
        unsafe {
            let mut sums =
                [self.start::<V, P, MASKED>(out[0], channel, mask), self.start::<V, P, MASKED>(out[1], channel, mask)];
            for (line, source) in sources.iter().enumerate() {
                let from = self.source.wrapping_offset(source + at);
                let mut x = [V::zero(); PIXELS + 2];
                for (column, x) in x.iter_mut().enumerate().take(P + 2) {
                    *x = load::<V, MASKED>(from.wrapping_add(column * channels), mask);
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    if line >= row && line < row + 3 {
                        for t in 0..3 {
                            for (p, sum) in sums.iter_mut().enumerate() {
                                *sum = x[p + t].multiply_add(weights[line - row][t], *sum);
                            }
                        }
                    }
                }
            }
            for (sums, out) in sums.into_iter().zip(out) {
                self.finish::<V, P, MASKED>(sums, out, mask);
            }
        }
    }

    /// `P` outputs of one row; those of `taps` count.
    #[inline(always)]
    unsafe fn single<
        V: Vector<Element = T>,
        const P: usize,
        const COUNT: usize,
        const STRIDE: usize,
        const MASKED: bool,
    >(
        &self,
        row: usize,
        i: usize,
        taps: Range<usize>,
        channel: usize,
        mask: V::Mask,
    ) {
        let channels = self.channels;
        let out = self.out[row].wrapping_add(i * self.out_step + channel);
        let start = (i * self.stride) as isize + self.taps.offset;
        let source = self.source.wrapping_offset(start * channels as isize + channel as isize);
        let tap_step = self.taps.tap_step * self.weight_step as isize;
        let weights = self.weights.wrapping_add(channel);
        let (stride, step, count) =
            if COUNT > 0 { (STRIDE, 1, COUNT) } else { (self.stride, self.taps.step, self.taps.count) };
        // SAFETY: by the caller's contract.
        unsafe {
            let mut sums = self.start::<V, P, MASKED>(out, channel, mask);
            for line in self.lines[row] {
                let source = source.wrapping_offset(line.a);
                let weights = weights.wrapping_offset(line.b);
                for t in 0..count {
                    if P == 1 && !taps.contains(&t) {
                        continue;
                    }
                    let weight = load::<V, MASKED>(weights.wrapping_offset(t as isize * tap_step), mask);
                    for (p, sum) in sums.iter_mut().enumerate() {
                        let pixel = load::<V, MASKED>(source.wrapping_add((p * stride + t * step) * channels), mask);
                        *sum = pixel.multiply_add(weight, *sum);
                    }
                }
            }
            self.finish::<V, P, MASKED>(sums, out, mask);
        }
    }
}

/// What happens to each register of channels.
pub(super) trait Body<V: Vector> {
    /// # Safety
    /// As for the loop nest that it is part of.
    unsafe fn run<const MASKED: bool>(&mut self, channel: usize, mask: V::Mask);
}

/// # Safety
/// What `body` asks for holds.
#[inline(always)]
pub(super) unsafe fn for_each_register<V: Vector, B: Body<V>>(channels: usize, body: &mut B) {
    let mut channel = 0;
    // SAFETY: by this function's contract.
    unsafe {
        while channel + V::LANES <= channels {
            body.run::<false>(channel, V::mask(V::LANES));
            channel += V::LANES;
        }
        if channel < channels {
            body.run::<true>(channel, V::mask(channels - channel));
        }
    }
}

/// Outputs of two rows that have all taps.
struct Pair<'a, 'b, T> {
    rows: &'a Rows<'b, T>,
    outputs: Range<usize>,
    sources: &'a [isize; 4],
}

impl<T: Compute, V: Vector<Element = T>> Body<V> for Pair<'_, '_, T> {
    #[inline(always)]
    unsafe fn run<const MASKED: bool>(&mut self, channel: usize, mask: V::Mask) {
        let Self { rows, outputs, sources } = self;
        // SAFETY: by the caller's contract.
        unsafe {
            let mut weights = [[V::zero(); 3]; 3];
            for (line, weights) in rows.lines[0].iter().zip(&mut weights) {
                for (t, weight) in weights.iter_mut().enumerate() {
                    let tap = t as isize * rows.taps.tap_step * rows.weight_step as isize + channel as isize;
                    *weight = load::<V, MASKED>(rows.weights.wrapping_offset(line.b + tap), mask);
                }
            }
            let mut i = outputs.start;
            while i + PIXELS <= outputs.end {
                rows.pair::<V, PIXELS, MASKED>(i, channel, mask, sources, &weights);
                i += PIXELS;
            }
            while i < outputs.end {
                rows.pair::<V, 1, MASKED>(i, channel, mask, sources, &weights);
                i += 1;
            }
        }
    }
}

/// Outputs of one row that have all taps.
struct Single<'a, 'b, T, const COUNT: usize, const STRIDE: usize> {
    rows: &'a Rows<'b, T>,
    outputs: Range<usize>,
    row: usize,
}

impl<T: Compute, V: Vector<Element = T>, const COUNT: usize, const STRIDE: usize> Body<V>
    for Single<'_, '_, T, COUNT, STRIDE>
{
    #[inline(always)]
    unsafe fn run<const MASKED: bool>(&mut self, channel: usize, mask: V::Mask) {
        let Self { rows, outputs, row } = self;
        let taps = 0..rows.taps.count;
        let mut i = outputs.start;
        // SAFETY: by the caller's contract.
        unsafe {
            while i + PIXELS <= outputs.end {
                rows.single::<V, PIXELS, COUNT, STRIDE, MASKED>(*row, i, taps.clone(), channel, mask);
                i += PIXELS;
            }
            while i < outputs.end {
                rows.single::<V, 1, COUNT, STRIDE, MASKED>(*row, i, taps.clone(), channel, mask);
                i += 1;
            }
        }
    }
}

/// An output for which some taps are outside.
struct Border<'a, 'b, T, const COUNT: usize, const STRIDE: usize> {
    rows: &'a Rows<'b, T>,
    i: usize,
    taps: Range<usize>,
    row: usize,
}

impl<T: Compute, V: Vector<Element = T>, const COUNT: usize, const STRIDE: usize> Body<V>
    for Border<'_, '_, T, COUNT, STRIDE>
{
    #[inline(always)]
    unsafe fn run<const MASKED: bool>(&mut self, channel: usize, mask: V::Mask) {
        let taps = self.taps.clone();
        // SAFETY: by the caller's contract.
        unsafe { self.rows.single::<V, 1, COUNT, STRIDE, MASKED>(self.row, self.i, taps, channel, mask) }
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
