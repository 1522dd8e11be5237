//! Pixels of few output channels: registers run over the reduction instead of the channels, and are summed up at the end.
//!
//! ```text
//! for tile of 16 / CHANNELS pixels of a list      8 where there are 16 registers; any rows, any phase
//!   for tap, for register of its run              a run is a kernel row (all taps, if they touch) times the source channels
//!     w[c] = W[c][tap.b + p ..]                   1 to 4 loads
//!     for pixel
//!       x = A[pixel][tap.a + p ..]                1 load
//!       sum[pixel, c] += x w[c]                   1 to 4 multiply-adds
//!   sum's lanes are added up                      registers fold in pairs: about 3 instructions an output
//!   bias, residual and activation, 16 outputs at once
//! ```
//!
//! A tile with its registers over the channels would leave most lanes empty. The multiply-add units limit the speed; a
//! reduction of only a few registers spends as long on adding up lanes. With one channel each multiply-add would need a load
//! of its own, so that neighbouring pixels share what neighbouring taps of a row read ([`FewRows`]):
//!
//! ```text
//! for row, for tile of up to 16 pixels of it
//!   for up to 3 neighbouring taps of a kernel row, for register of source channels
//!     w[t] = W[tap + t ..]                        as many loads as taps
//!     for source pixel of the tile
//!       x = A[pixel]                              1 load
//!       sum[pixel - t] += x w[t]                  up to 3 multiply-adds
//! ```

use super::strip::opaque;
use crate::cpu::gemm::tile::Tap;
use crate::cpu::gemm::vector::{Vector, Work};
use crate::cpu::gemm::{Activation, Compute};

/// Outputs of a tile, at most.
const TILE: usize = 16;
/// Pixels beyond its end that tiles of a row may read.
pub(super) const BEYOND: usize = TILE;
/// Neighbouring taps that share loads.
const SHARED: usize = 3;

/// Outputs of a list of pixels.
pub(super) struct Few<'a, T> {
    pub a: *const T,
    /// Where each pixel's source is, to which taps are added.
    pub a_rows: &'a [isize],
    pub taps: &'a [Tap],
    /// Steps of a tap, next to each other in A and in the weights.
    pub run: usize,
    pub b: *const T,
    /// From the weights of one output channel to those of the next.
    pub b_step: usize,
    pub c: *mut T,
    /// Where each pixel's first output is; ascends.
    pub c_rows: &'a [isize],
    pub channels: usize,
    /// Null, or what is added to every pixel.
    pub bias: *const T,
    /// Null, or the sums' first values, laid out like the output.
    pub start: *const T,
    pub activation: Activation,
}

impl<T: Compute> Work<T> for &Few<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let mut channel = 0;
        while channel < self.channels {
            // Five channels are three and two.
            let left = self.channels - channel;
            let count = if left == 5 { 3 } else { left.min(4) };
            // SAFETY: the channels are inside of the output.
            unsafe {
                match (count, V::MASKS_ARE_FREE) {
                    (1, true) => self.channels::<V, 8, 1, 2, 2>(channel),
                    (2, true) => self.channels::<V, 8, 2, 1, 1>(channel),
                    (3, true) => self.channels::<V, 5, 3, 1, 1>(channel),
                    (_, true) => self.channels::<V, 4, 4, 1, 1>(channel),
                    (1, false) => self.channels::<V, 8, 1, 1, 1>(channel),
                    (2, false) => self.channels::<V, 4, 2, 1, 1>(channel),
                    (3, false) => self.channels::<V, 3, 3, 1, 1>(channel),
                    (_, false) => self.channels::<V, 2, 4, 1, 1>(channel),
                }
            }
            channel += count;
        }
    }
}

impl<T: Compute> Few<'_, T> {
    /// The outputs of `CHANNELS` channels, from `channel` on, of all pixels: tiles of `ROUNDS` times `PIXELS`, each summed in
    /// `HALVES` registers that take turns, so that there are enough multiply-adds that do not wait for each other.
    #[inline(always)]
    unsafe fn channels<
        V: Vector<Element = T>,
        const PIXELS: usize,
        const CHANNELS: usize,
        const HALVES: usize,
        const ROUNDS: usize,
    >(
        &self,
        channel: usize,
    ) {
        // SAFETY: by the caller's contract.
        unsafe {
            let mut bias = [T::ZERO; TILE];
            if !self.bias.is_null() {
                for (output, bias) in bias.iter_mut().enumerate().take(PIXELS * ROUNDS * CHANNELS) {
                    *bias = *self.bias.add(channel + output % CHANNELS);
                }
            }
            let b = self.b.wrapping_add(channel * self.b_step);
            let store = Store {
                c: self.c.wrapping_add(channel),
                start: if self.start.is_null() { self.start } else { self.start.wrapping_add(channel) },
                activation: self.activation,
            };
            let mut pixel = 0;
            while pixel < self.a_rows.len() {
                let mut sums = [V::zero(); TILE];
                for round in 0..ROUNDS {
                    let at = self.sums::<V, PIXELS, CHANNELS, HALVES>(pixel + round * PIXELS, b);
                    for (i, at) in at.into_iter().enumerate() {
                        for (j, sum) in at.into_iter().enumerate() {
                            sums[(round * PIXELS + i) * CHANNELS + j] = sum;
                        }
                    }
                }
                let end = (pixel + PIXELS * ROUNDS).min(self.a_rows.len());
                let c_rows = &self.c_rows[pixel..end];
                store.finish::<V, CHANNELS, { TILE }>(c_rows, sums, &bias);
                pixel = end;
            }
        }
    }

    /// The sums of `PIXELS` pixels, lane by lane. Pixels beyond the list are its last one.
    #[expect(clippy::needless_range_loop, reason = "sums that iterators walk over are not kept in registers")]
    #[inline(always)]
    unsafe fn sums<V: Vector<Element = T>, const PIXELS: usize, const CHANNELS: usize, const HALVES: usize>(
        &self,
        pixel: usize,
        b: *const T,
    ) -> [[V; CHANNELS]; PIXELS] {
        let last = self.a_rows.len() - 1;
        let mut a = [self.a; PIXELS];
        for (i, a) in a.iter_mut().enumerate() {
            *a = a.wrapping_offset(self.a_rows[(pixel + i).min(last)]);
        }
        // SAFETY: by the caller's contract.
        unsafe {
            let mut sums = [[[V::zero(); CHANNELS]; PIXELS]; HALVES];
            let (whole, tail) = (self.run / V::LANES, self.run % V::LANES);
            let mask = V::mask(tail);
            for tap in self.taps {
                let mut at = tap.a;
                let mut b = b.wrapping_offset(tap.b);
                for _ in 0..whole / HALVES {
                    for half in 0..HALVES {
                        let mut w = [V::zero(); CHANNELS];
                        for (j, w) in w.iter_mut().enumerate() {
                            *w = V::load(b.wrapping_add(j * self.b_step + half * V::LANES));
                        }
                        for i in 0..PIXELS {
                            let x = V::load(a[i].wrapping_offset(at).wrapping_add(half * V::LANES));
                            for j in 0..CHANNELS {
                                sums[half][i][j] = x.multiply_add(w[j], sums[half][i][j]);
                            }
                        }
                    }
                    at += (HALVES * V::LANES) as isize;
                    b = b.wrapping_add(HALVES * V::LANES);
                }
                for _ in 0..whole % HALVES {
                    let mut w = [V::zero(); CHANNELS];
                    for (j, w) in w.iter_mut().enumerate() {
                        *w = V::load(b.wrapping_add(j * self.b_step));
                    }
                    for i in 0..PIXELS {
                        let x = V::load(a[i].wrapping_offset(at));
                        for j in 0..CHANNELS {
                            sums[0][i][j] = x.multiply_add(w[j], sums[0][i][j]);
                        }
                    }
                    at += V::LANES as isize;
                    b = b.wrapping_add(V::LANES);
                }
                if tail > 0 {
                    let mut w = [V::zero(); CHANNELS];
                    for (j, w) in w.iter_mut().enumerate() {
                        *w = V::load_part(b.wrapping_add(j * self.b_step), mask);
                    }
                    for i in 0..PIXELS {
                        let x = V::load_part(a[i].wrapping_offset(at), mask);
                        for j in 0..CHANNELS {
                            sums[0][i][j] = x.multiply_add(w[j], sums[0][i][j]);
                        }
                    }
                }
            }
            let mut total = sums[0];
            for half in 1..HALVES {
                for i in 0..PIXELS {
                    for j in 0..CHANNELS {
                        total[i][j] = total[i][j].add(sums[half][i][j]);
                    }
                }
            }
            total
        }
    }
}

/// Where outputs go, and what is added to them.
struct Store<T> {
    c: *mut T,
    start: *const T,
    activation: Activation,
}

impl<T: Compute> Store<T> {
    /// Adds up the lanes of each sum and writes `CHANNELS` outputs of some pixels: sums go pixel by pixel, as does `bias`.
    #[inline(always)]
    unsafe fn finish<V: Vector<Element = T>, const CHANNELS: usize, const COUNT: usize>(
        &self,
        c_rows: &[isize],
        mut sums: [V; COUNT],
        bias: &[T; COUNT],
    ) {
        let used = c_rows.len() * CHANNELS;
        let (first, last) = (c_rows[0], c_rows[c_rows.len() - 1]);
        let together = (last - first) as usize == used - CHANNELS;
        let to = self.c.wrapping_offset(first);
        // SAFETY: by the caller's contract.
        unsafe {
            if V::LANES > 1 {
                fold::<V, 0, COUNT>(&mut sums);
            }
            if V::LANES > 2 {
                fold::<V, 1, COUNT>(&mut sums);
            }
            if V::LANES > 4 {
                fold::<V, 2, COUNT>(&mut sums);
            }
            if V::LANES > 8 {
                fold::<V, 3, COUNT>(&mut sums);
            }
            let mut outputs = [T::ZERO; COUNT];
            if !self.start.is_null() {
                for (row, outputs) in c_rows.iter().zip(outputs.chunks_exact_mut(CHANNELS)) {
                    for (j, output) in outputs.iter_mut().enumerate() {
                        *output = *self.start.offset(*row).add(j);
                    }
                }
            }
            for (index, sum) in sums.into_iter().enumerate().take(COUNT / V::LANES) {
                let at = index * V::LANES;
                let mut sum = sum.add(V::load(bias.as_ptr().add(at)));
                if !self.start.is_null() {
                    sum = sum.add(V::load(outputs.as_ptr().add(at)));
                }
                let sum = sum.activate(self.activation);
                let count = used.saturating_sub(at).min(V::LANES);
                if together && count == V::LANES {
                    sum.store(to.wrapping_add(at));
                } else if together && V::MASKS_ARE_FREE {
                    sum.store_part(to.wrapping_add(at), V::mask(count));
                } else {
                    sum.store(outputs.as_mut_ptr().add(at));
                }
            }
            let written = match together {
                true if V::MASKS_ARE_FREE => used,
                true => used / V::LANES * V::LANES,
                false => 0,
            };
            for output in written..used {
                *self.c.offset(c_rows[output / CHANNELS]).add(output % CHANNELS) = outputs[output];
            }
        }
    }
}

/// One step of adding up lanes, which halves the number of registers.
#[inline(always)]
unsafe fn fold<V: Vector, const LEVEL: usize, const COUNT: usize>(sums: &mut [V; COUNT]) {
    for i in 0..COUNT >> (LEVEL + 1) {
        // SAFETY: by the caller's contract.
        sums[i] = unsafe { sums[2 * i].fold::<LEVEL>(sums[2 * i + 1]) };
    }
}

/// Outputs of one channel whose sources are neighbours: rows of pixels.
pub(super) struct FewRows<'a, T> {
    pub a: *const T,
    /// Where the source of each row's first pixel is.
    pub a_rows: &'a [isize],
    /// Source channels of a pixel in memory, and those that the sums run over.
    pub a_step: usize,
    pub channels: usize,
    /// The first tap of each kernel row, and how many neighbours it has with it, in A and in the weights.
    pub taps: &'a [Tap],
    pub across: usize,
    pub b: *const T,
    pub c: *mut T,
    pub c_rows: &'a [isize],
    /// From an output to the next one of the row.
    pub c_step: usize,
    pub count: usize,
    /// Null, or what is added to every pixel.
    pub bias: *const T,
    /// Null, or the sums' first values, laid out like the output.
    pub start: *const T,
    pub activation: Activation,
}

/// The body once for each pixel: the compiler leaves so long a loop as it is, and its sums in memory.
macro_rules! unrolled {
    ($pixel:ident in $($n:literal)* => $body:stmt) => {
        $({
            let $pixel: usize = $n;
            $body
        })*
    };
}

impl<T: Compute> Work<T> for &FewRows<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let tiles = self.count.div_ceil(if V::MASKS_ARE_FREE { TILE } else { TILE / 2 });
        let size = self.count.div_ceil(tiles);
        for row in 0..self.a_rows.len() {
            for start in (0..self.count).step_by(size) {
                let pixels = size.min(self.count - start);
                // SAFETY: the pixels are inside of the row.
                unsafe {
                    match size {
                        15.. if V::MASKS_ARE_FREE => self.tile::<V, TILE>(row, start, pixels),
                        9.. if V::MASKS_ARE_FREE => self.tile::<V, { TILE - 2 }>(row, start, pixels),
                        _ => self.tile::<V, 8>(row, start, pixels),
                    }
                }
            }
        }
    }
}

impl<T: Compute> FewRows<'_, T> {
    /// Computes `used` of `PIXELS` pixels, from `start` on.
    #[inline(always)]
    unsafe fn tile<V: Vector<Element = T>, const PIXELS: usize>(&self, row: usize, start: usize, used: usize) {
        let a = self.a.wrapping_offset(self.a_rows[row]).wrapping_add(start * self.a_step);
        // SAFETY: by the caller's contract.
        unsafe {
            let mut sums = [V::zero(); PIXELS];
            for t in (0..self.across).step_by(SHARED) {
                match self.across - t {
                    1 => self.taps::<V, PIXELS, 1>(a, t, &mut sums),
                    2 => self.taps::<V, PIXELS, 2>(a, t, &mut sums),
                    _ => self.taps::<V, PIXELS, SHARED>(a, t, &mut sums),
                }
            }
            let mut all = [V::zero(); TILE];
            all[..PIXELS].copy_from_slice(&sums);
            let mut c_rows = [0; PIXELS];
            for (p, c_row) in c_rows.iter_mut().enumerate() {
                *c_row = self.c_rows[row] + ((start + p) * self.c_step) as isize;
            }
            let bias = if self.bias.is_null() { T::ZERO } else { *self.bias };
            let store = Store { c: self.c, start: self.start, activation: self.activation };
            store.finish::<V, 1, TILE>(&c_rows[..used], all, &[bias; TILE]);
        }
    }

    /// Adds the products of `TAPS` neighbouring taps from `t` on, of all kernel rows.
    #[inline(always)]
    unsafe fn taps<V: Vector<Element = T>, const PIXELS: usize, const TAPS: usize>(
        &self,
        a: *const T,
        t: usize,
        sums: &mut [V; PIXELS],
    ) {
        let (whole, tail) = (self.channels / V::LANES, self.channels % V::LANES);
        let offsets = [0, self.a_step, 2 * self.a_step, 3 * self.a_step];
        let mut total = *sums;
        // SAFETY: by the caller's contract.
        unsafe {
            let mask = V::mask(tail);
            for tap in self.taps {
                let mut a = a.wrapping_offset(tap.a).wrapping_add(t * self.a_step);
                let mut b = self.b.wrapping_offset(tap.b).wrapping_add(t * self.channels);
                for _ in 0..whole {
                    let mut w = [V::zero(); TAPS];
                    for (t, w) in w.iter_mut().enumerate() {
                        *w = V::load(b.wrapping_add(t * self.channels));
                    }
                    let mut at = opaque(a);
                    unrolled! { pixel in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 => if pixel < PIXELS + TAPS - 1 {
                        let x = V::load(at.wrapping_add(offsets[pixel % 4]));
                        for t in 0..TAPS {
                            if pixel >= t && pixel - t < PIXELS {
                                total[pixel - t] = x.multiply_add(w[t], total[pixel - t]);
                            }
                        }
                        if pixel % 4 == 3 {
                            at = opaque(at.wrapping_add(4 * self.a_step));
                        }
                    } }
                    a = a.wrapping_add(V::LANES);
                    b = b.wrapping_add(V::LANES);
                }
                if tail > 0 {
                    let mut w = [V::zero(); TAPS];
                    for (t, w) in w.iter_mut().enumerate() {
                        *w = V::load_part(b.wrapping_add(t * self.channels), mask);
                    }
                    let mut at = opaque(a);
                    unrolled! { pixel in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 => if pixel < PIXELS + TAPS - 1 {
                        let x = V::load_part(at.wrapping_add(offsets[pixel % 4]), mask);
                        for t in 0..TAPS {
                            if pixel >= t && pixel - t < PIXELS {
                                total[pixel - t] = x.multiply_add(w[t], total[pixel - t]);
                            }
                        }
                        if pixel % 4 == 3 {
                            at = opaque(at.wrapping_add(4 * self.a_step));
                        }
                    } }
                }
            }
        }
        *sums = total;
    }
}
