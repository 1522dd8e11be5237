//! Tiles whose last register holds half a row of two rows: for 24 or 40 columns where registers have 16.
//!
//! ```text
//! for tile in tiles of 16 x 1.5 or 8 x 2.5 registers
//!   C[i, ..] = bias + start
//!   for p in 0..depth, by four
//!     b[j]  = B[p, j * LANES ..], last = what is left of the row, in both halves
//!     for pair of rows i, i + 1
//!       C[i, j] += A[i, p] * b[j]; C[i + 1, j] += A[i + 1, p] * b[j]
//!       (C[i, last], C[i + 1, last]) += (A[i, p], A[i + 1, p]) * last      one blend of the two broadcasts
//!   store C
//! ```
//!
//! Elsewhere as `stack`. Multiply-adds limit the speed: a quarter or a sixth of them is saved.

use super::stack::Stack;
use super::tile::{Compute, Tiles};
use super::vector::{Vector, Work};
use crate::cpu::simd::Isa;

/// Steps of the reduction between two jumps.
const STEPS: usize = 4;

/// The rows of a tile for `columns` columns; none where there are no such tiles.
pub(super) fn rows_of_tile(isa: Isa, tiles: Tiles, columns: usize) -> Option<usize> {
    let halves = isa == Isa::Avx512 && (1..=tiles.lanes / 2).contains(&(columns % tiles.lanes));
    match columns / tiles.lanes {
        1 if halves => Some(16),
        2 if halves => Some(8),
        _ => None,
    }
}

impl<T: Compute> Stack<T> {
    /// Makes the rows, a multiple of what [`rows_of_tile`] says.
    ///
    /// # Safety
    /// As for [`Stack::run`].
    pub unsafe fn run_pairs(self, isa: Isa) {
        // SAFETY: by this function's contract.
        unsafe {
            if self.columns < 2 * T::tiles(isa).lanes {
                T::work(isa, Pairs::<T, 8, 1>(self));
            } else {
                T::work(isa, Pairs::<T, 4, 2>(self));
            }
        }
    }
}

/// Tiles of `PAIRS` pairs of rows, `WHOLE` registers and a half wide.
struct Pairs<T, const PAIRS: usize, const WHOLE: usize>(Stack<T>);

impl<T: Compute, const PAIRS: usize, const WHOLE: usize> Work<T> for Pairs<T, PAIRS, WHOLE> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        if V::HALVES {
            // SAFETY: by the contract of `Stack::run_pairs`.
            unsafe { compute::<V, PAIRS, WHOLE>(&self.0) }
        }
    }
}

/// What a pair of rows sums up.
#[derive(Clone, Copy)]
struct Pair<V, const WHOLE: usize> {
    rows: [[V; WHOLE]; 2],
    /// The ends of both rows.
    last: V,
}

#[inline(always)]
unsafe fn compute<V: Vector, const PAIRS: usize, const WHOLE: usize>(stack: &Stack<V::Element>) {
    let Stack { mut a, a_stride, depth, b_stride, mut c, c_stride, mut start, activation, .. } = *stack;
    // Read from memory, so that the compiler sees no stride between them, which it would make every address from.
    let offsets: [usize; PAIRS] = std::hint::black_box(std::array::from_fn(|pair| 2 * pair * a_stride));
    let end = WHOLE * V::LANES;
    // SAFETY: by the contract of `Stack::run`.
    unsafe {
        let mask = V::mask(stack.columns - end);
        // Where the compiler knows it, it makes a slower instruction of the blend.
        let lower = V::mask(std::hint::black_box(V::LANES / 2));
        let masks = [mask, lower];
        let mut bias = Pair { rows: [[V::zero(); WHOLE]; 2], last: V::zero() };
        if !stack.bias.is_null() {
            for row in &mut bias.rows {
                for (j, bias) in row.iter_mut().enumerate() {
                    *bias = V::load(stack.bias.add(j * V::LANES));
                }
            }
            bias.last = V::twice(stack.bias.add(end), mask);
        }
        for _ in 0..stack.rows / (2 * PAIRS) {
            let mut sums = [bias; PAIRS];
            if !start.is_null() {
                for (pair, sums) in sums.iter_mut().enumerate() {
                    let from = [start.add(2 * pair * c_stride), start.add((2 * pair + 1) * c_stride)];
                    for (row, from) in sums.rows.iter_mut().zip(from) {
                        for (j, sum) in row.iter_mut().enumerate() {
                            *sum = V::load(from.add(j * V::LANES)).add(*sum);
                        }
                    }
                    let last = V::twice(from[0].add(end), mask).halves(lower, V::twice(from[1].add(end), mask));
                    sums.last = last.add(sums.last);
                }
                start = start.wrapping_add(2 * PAIRS * c_stride);
            }

            let mut at = [a; PAIRS];
            for (at, offset) in at.iter_mut().zip(offsets) {
                *at = at.wrapping_add(offset);
            }
            let mut b = stack.b;
            for _ in 0..depth / STEPS {
                for step in 0..STEPS {
                    multiply(a_stride, &at, step, b.wrapping_add(step * b_stride), masks, &mut sums);
                }
                for at in &mut at {
                    *at = at.wrapping_add(STEPS);
                }
                b = b.wrapping_add(STEPS * b_stride);
            }
            for _ in 0..depth % STEPS {
                multiply(a_stride, &at, 0, b, masks, &mut sums);
                for at in &mut at {
                    *at = at.wrapping_add(1);
                }
                b = b.wrapping_add(b_stride);
            }

            for (pair, sums) in sums.iter().enumerate() {
                let to = [c.add(2 * pair * c_stride), c.add((2 * pair + 1) * c_stride)];
                for (row, to) in sums.rows.iter().zip(to) {
                    for (j, sum) in row.iter().enumerate() {
                        sum.activate(activation).store(to.add(j * V::LANES));
                    }
                }
                let last = sums.last.activate(activation);
                last.store_part(to[0].add(end), mask);
                last.high().store_part(to[1].add(end), mask);
            }
            a = a.wrapping_add(2 * PAIRS * a_stride);
            c = c.wrapping_add(2 * PAIRS * c_stride);
        }
    }
}

/// Adds the products of one step of the reduction: `b` is its row, `step` is counted from what `at` points at.
#[inline(always)]
unsafe fn multiply<V: Vector, const PAIRS: usize, const WHOLE: usize>(
    a_stride: usize,
    at: &[*const V::Element; PAIRS],
    step: usize,
    b: *const V::Element,
    [mask, lower]: [V::Mask; 2],
    sums: &mut [Pair<V, WHOLE>; PAIRS],
) {
    // SAFETY: by the contract of `Stack::run`.
    unsafe {
        let mut factors = [V::zero(); WHOLE];
        for (j, factor) in factors.iter_mut().enumerate() {
            *factor = V::load(b.wrapping_add(j * V::LANES));
        }
        let last = V::twice(b.wrapping_add(WHOLE * V::LANES), mask);
        for (sums, at) in sums.iter_mut().zip(at) {
            let low = V::splat(at.wrapping_add(step));
            let high = V::splat(at.wrapping_add(a_stride + step));
            for (row, a) in sums.rows.iter_mut().zip([low, high]) {
                for (sum, &factor) in row.iter_mut().zip(&factors) {
                    *sum = a.multiply_add(factor, *sum);
                }
            }
            sums.last = low.halves(lower, high).multiply_add(last, sums.last);
        }
    }
}
