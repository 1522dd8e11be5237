//! Rows of output pixels for few output channels: the tile of `gemm::tile` where it would be one or two registers wide.
//!
//! ```text
//! for tile of up to 16 pixels (12, where they are two registers wide), all of one row
//!   for tap, for p in its run
//!     b[j] = B[tap.b + p * b_step + j * LANES ..]              1 or 2 loads
//!     for i in 0..PIXELS
//!       sum[i, j] += A[i * a_step + tap.a + p] * b[j]          a broadcast from memory each
//! ```
//!
//! At one register a multiply-add needs a load of its own, so loads limit the speed: 17 for 16 multiply-adds, two of either
//! a cycle. A table of addresses, as tiles of any rows have it, would be read from the stack besides. Pixels of a row are
//! equally far apart: four pointers and three offsets reach 16 of them. Short reductions have little work per tile, so
//! that one call computes all tiles of a row.

use crate::cpu::gemm::tile::Tap;
use crate::cpu::gemm::vector::{Vector, Work};
use crate::cpu::gemm::{Activation, Compute, row_tiles};

/// The most pixels of a tile that is one register wide, and of one that is two.
const MOST: [usize; 2] = [16, 12];

/// A row of outputs.
pub(super) struct Strip<'a, T> {
    /// The first pixel's source, to which taps are added.
    pub a: *const T,
    /// Elements from a pixel's source to the next one's.
    pub a_step: usize,
    pub taps: &'a [Tap],
    /// Steps of a tap, next to each other in A.
    pub run: usize,
    pub b: *const T,
    pub b_step: usize,
    /// The first pixel's output.
    pub c: *mut T,
    pub c_step: usize,
    pub count: usize,
    /// Columns of the output, at most two registers.
    pub columns: usize,
    /// Null, or what is added to every pixel.
    pub bias: *const T,
    /// Null, or the sums' first values, laid out like the output.
    pub start: *const T,
    pub activation: Activation,
}

macro_rules! call {
    ($self:ident, $vectors:literal, $pixel:ident, $count:expr => $($n:literal)*) => {
        match $count {
            $($n => $self.tile::<V, $n, $vectors>($pixel),)*
            _ => unreachable!("row_tiles makes no wider tiles"),
        }
    };
}

impl<T: Compute> Work<T> for &Strip<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        // SAFETY: pixels are inside of the row.
        unsafe {
            if self.columns <= V::LANES {
                for pixels in row_tiles(self.count, MOST[0]) {
                    let pixel = pixels.start;
                    call!(self, 1, pixel, pixels.len() => 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
                }
            } else {
                for pixels in row_tiles(self.count, MOST[1]) {
                    let pixel = pixels.start;
                    call!(self, 2, pixel, pixels.len() => 1 2 3 4 5 6 7 8 9 10 11 12);
                }
            }
        }
    }
}

impl<T: Compute> Strip<'_, T> {
    #[expect(clippy::needless_range_loop, reason = "sums that iterators walk over are not kept in registers")]
    #[inline(always)]
    unsafe fn tile<V: Vector<Element = T>, const PIXELS: usize, const VECTORS: usize>(&self, pixel: usize) {
        // SAFETY: by the caller's contract.
        unsafe {
            let mask = V::mask(self.columns - (VECTORS - 1) * V::LANES);
            let whole = self.columns == VECTORS * V::LANES;
            let load = |from: *const T, j: usize| {
                let from = from.wrapping_add(j * V::LANES);
                if whole || j + 1 < VECTORS { V::load(from) } else { V::load_part(from, mask) }
            };
            let mut sums = [[V::zero(); VECTORS]; PIXELS];
            if !self.bias.is_null() {
                let mut bias = [V::zero(); VECTORS];
                for (j, bias) in bias.iter_mut().enumerate() {
                    *bias = load(self.bias, j);
                }
                sums = [bias; PIXELS];
            }
            if !self.start.is_null() {
                for (i, sums) in sums.iter_mut().enumerate() {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        *sum = sum.add(load(self.start.wrapping_add((pixel + i) * self.c_step), j));
                    }
                }
            }

            let mut total = sums;
            let offsets = [0, self.a_step, 2 * self.a_step, 3 * self.a_step];
            let first = self.a.wrapping_add(pixel * self.a_step);
            for tap in self.taps {
                let mut a = [first; 4];
                for (group, a) in a.iter_mut().enumerate() {
                    *a = first.wrapping_offset(tap.a).wrapping_add(4 * group * self.a_step);
                }
                let mut b = self.b.wrapping_offset(tap.b);
                for _ in 0..self.run {
                    let mut factors = [V::zero(); VECTORS];
                    for (j, factor) in factors.iter_mut().enumerate() {
                        let from = b.wrapping_add(j * V::LANES);
                        *factor = if j + 1 == VECTORS && V::MASKS_ARE_FREE {
                            V::load_part(from, mask)
                        } else {
                            V::load(from)
                        };
                    }
                    for i in 0..PIXELS {
                        let a = V::splat(a[i / 4].wrapping_add(offsets[i % 4]));
                        for j in 0..VECTORS {
                            total[i][j] = a.multiply_add(factors[j], total[i][j]);
                        }
                    }
                    a = [0, 1, 2, 3].map(
                        |group| {
                            if 4 * group < PIXELS { opaque(a[group].wrapping_add(1)) } else { a[group] }
                        },
                    );
                    b = b.wrapping_add(self.b_step);
                }
            }

            if self.activation != Activation::Linear {
                for i in 0..PIXELS {
                    for j in 0..VECTORS {
                        total[i][j] = total[i][j].activate(self.activation);
                    }
                }
            }
            let mut to = self.c.wrapping_add(pixel * self.c_step);
            for i in 0..PIXELS {
                for j in 0..VECTORS {
                    let to = to.wrapping_add(j * V::LANES);
                    if j + 1 < VECTORS || whole && !V::MASKS_ARE_FREE {
                        total[i][j].store(to);
                    } else {
                        total[i][j].store_part(to, mask);
                    }
                }
                to = to.wrapping_add(self.c_step);
            }
        }
    }
}

/// The same pointer, of which the compiler knows nothing: it would make sixteen pointers out of four, too many to hold.
#[inline(always)]
pub(super) fn opaque<T>(mut pointer: *const T) -> *const T {
    // SAFETY: no instruction at all.
    unsafe { std::arch::asm!("/* {0} */", inout(reg) pointer, options(pure, readonly, nostack, preserves_flags)) };
    pointer
}
