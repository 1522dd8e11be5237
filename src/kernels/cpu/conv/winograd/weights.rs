//! The transform of weights, `U = G g G^T`: 3 x 3 taps to the points of a tile, a register of filters at a time, along
//! columns first. Stores limit it. In the backward pass the taps are turned round and transposed on their way.

use std::ops::Range;

use super::{GRAIN, Tiling, Winograd};
use crate::cpu::float::Float;
use crate::cpu::gemm::Compute;
use crate::cpu::gemm::vector::{Vector, Work};
use crate::cpu::simd::Isa;
use crate::cpu::workspace;

impl Winograd {
    /// Transforms the weights of 16 channels and of `filters`, a panel; those that do not exist are zeros. `to` is where
    /// the first of them goes at the first point.
    ///
    /// # Safety
    /// `w` holds all weights; `to` is valid for these at every point.
    pub(super) unsafe fn transform_weights<T: Compute>(
        &self,
        isa: Isa,
        w: &[T],
        channel: usize,
        filters: &Range<usize>,
        to: *mut T,
    ) {
        let [rows, columns] = [GRAIN.min(self.channels - channel), filters.len()];
        let width = columns.next_multiple_of(GRAIN);
        let transform = |from: *const T, tap_stride: usize, row_stride: usize| {
            let point = self.weight_point(width);
            let geometry = Taps { from, tap_stride, row_stride, rows, columns, width, to, point };
            // SAFETY: by this function's contract.
            unsafe {
                match self.tiling {
                    Tiling::Four => T::work(isa, Weights::<T, 6>(geometry)),
                    Tiling::Off | Tiling::Two => T::work(isa, Weights::<T, 4>(geometry)),
                }
            }
        };
        if !self.backward {
            transform(w[channel * self.filters + filters.start..].as_ptr(), self.channels * self.filters, self.filters);
            return;
        }
        // `w` is [tap][filter][channel] here.
        workspace::with(9 * rows * columns, |taps: &mut [T]| {
            for (tap, to) in taps.chunks_exact_mut(rows * columns).enumerate() {
                let from = ((8 - tap) * self.filters + filters.start) * self.channels + channel;
                // SAFETY: rows of these channels of these filters, inside of the weights; `to` has room for all.
                unsafe {
                    T::transpose(isa, w[from..].as_ptr(), self.channels, columns, rows, to.as_mut_ptr(), columns);
                }
            }
            transform(taps.as_ptr(), rows * columns, columns);
        });
    }
}

/// 16 rows of weights, `width` wide, of which `rows` and `columns` exist.
struct Taps<T> {
    from: *const T,
    tap_stride: usize,
    row_stride: usize,
    rows: usize,
    columns: usize,
    width: usize,
    to: *mut T,
    /// Between points of `to`, whose rows are neighbours.
    point: usize,
}

struct Weights<T, const SIDE: usize>(Taps<T>);

/// `G g`
#[inline(always)]
unsafe fn line<V: Vector, const SIDE: usize>(factors: &[V; 4], g: [V; 3]) -> [V; SIDE] {
    // SAFETY: by the caller's contract.
    unsafe {
        let zero = V::zero();
        let mut line = [zero; SIDE];
        line[0] = g[0];
        line[SIDE - 1] = g[2];
        if SIDE == 4 {
            let half = factors[0];
            let [even, odd] = [g[0].add(g[2]).multiply_add(half, zero), g[1].multiply_add(half, zero)];
            line[1] = even.add(odd);
            line[2] = even.subtract(odd);
        } else {
            let [quarter, sixth, twelfth, twenty_fourth] = *factors;
            line[0] = g[0].multiply_add(quarter, zero);
            let near = zero.subtract(g[0].add(g[2]).multiply_add(sixth, zero));
            let near_odd = g[1].multiply_add(sixth, zero);
            let far = g[0].multiply_add(twenty_fourth, g[2].multiply_add(sixth, zero));
            let far_odd = g[1].multiply_add(twelfth, zero);
            line[1] = near.subtract(near_odd);
            line[2] = near.add(near_odd);
            line[3] = far.add(far_odd);
            line[4] = far.subtract(far_odd);
        }
        line
    }
}

impl<T: Float, const SIDE: usize> Work<T> for Weights<T, SIDE> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let Taps { from: taps, tap_stride, row_stride, rows, columns: filters, width, to, point } = self.0;
        let numbers = if SIDE == 4 { [0.5; 4] } else { [1.0 / 4.0, 1.0 / 6.0, 1.0 / 12.0, 1.0 / 24.0] };
        // SAFETY: by the contract of `Work::run`, taps and points exist.
        unsafe {
            let mut factors = [V::zero(); 4];
            for (factor, number) in factors.iter_mut().zip(numbers) {
                *factor = V::splat(&T::from_f64(number));
            }
            for row in 0..GRAIN {
                for column in (0..width).step_by(V::LANES) {
                    let lanes = if row < rows { filters.saturating_sub(column).min(V::LANES) } else { 0 };
                    let mask = V::mask(lanes);
                    let from = taps.wrapping_add(row * row_stride + column);
                    let to = to.add(row * width + column);
                    let mut columns = [[V::zero(); SIDE]; 3];
                    for (j, column) in columns.iter_mut().enumerate() {
                        let mut taps = [V::zero(); 3];
                        for (i, tap) in taps.iter_mut().enumerate() {
                            *tap = V::load_part(from.wrapping_add((i * 3 + j) * tap_stride), mask);
                        }
                        *column = line(&factors, taps);
                    }
                    let [left, middle, right] = columns;
                    for (i, ((left, middle), right)) in left.into_iter().zip(middle).zip(right).enumerate() {
                        let points: [V; SIDE] = line(&factors, [left, middle, right]);
                        for (j, value) in points.into_iter().enumerate() {
                            value.store(to.add((i * SIDE + j) * point));
                        }
                    }
                }
            }
        }
    }
}
