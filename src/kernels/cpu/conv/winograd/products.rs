//! The products at the points: for each, tiles x channels times channels x filters.
//!
//! ```text
//! few weights     for 4, 2 or 1 registers of filters, for 6, 10 or 12 tiles and one less, for point: M = V U
//! many            for point, for registers of filters, for tiles: M = V U, asking for U of the next point meanwhile
//!
//! M = V U         M[point][tile] = sum over channels c of V[point][tile][c] U[point][c]
//! ```
//!
//! The register tile is that of `gemm::tile`, with one distance between all rows: with few channels, a call for each
//! tile costs as much as its products. Channels are taken four at a time. Multiply-add units limit the speed; many weights
//! come from L3 or memory while those before them are multiplied.

use super::STEP;
use super::tiles::{SOURCE_POINT, SUM_POINT};
use crate::cpu::float::Float;
use crate::cpu::gemm::Compute;
use crate::cpu::gemm::vector::{Vector, Work};
use crate::cpu::simd::{Isa, prefetch_near};

/// Bytes of weights that stay in L2, beside V and M.
const FEW: usize = 256 << 10;
/// Cache lines of the next point's weights that one asks for in a step, and their size in bytes.
const ASKED: usize = 4;
const LINE: usize = 64;

/// `m[p][t] = v[p][t] u[p]` for `points` points p and `tiles` tiles t; the bias is added at one of the points.
#[derive(Clone, Copy)]
pub(super) struct Products<T> {
    pub points: usize,
    pub tiles: usize,
    pub v: *const T,
    /// Between tiles of `v`.
    pub v_stride: usize,
    /// A multiple of `STEP`.
    pub depth: usize,
    pub u: *const T,
    pub u_point: usize,
    /// Columns of `u` and `m`, a multiple of 16.
    pub width: usize,
    pub m: *mut T,
    /// Null, or `width` values.
    pub bias: *const T,
    pub bias_point: usize,
    /// Weights to ask for, and how many.
    pub ahead: *const T,
    pub ahead_length: usize,
}

/// The products of `count` times ROWS tiles and as many columns as are in VECTORS registers.
struct Rows<T, const ROWS: usize, const VECTORS: usize> {
    products: Products<T>,
    count: usize,
}

impl<T: Float, const ROWS: usize, const VECTORS: usize> Work<T> for Rows<T, ROWS, VECTORS> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let Products { points, v_stride, depth, u_point, width, mut ahead, mut ahead_length, .. } = self.products;
        // Tiles of few registers have no loads to spare.
        let asks = const { V::ACCUMULATORS > 0 && VECTORS * 8 >= V::ACCUMULATORS };
        let ask_step = ASKED * LINE / size_of::<T>();
        // SAFETY: by the contract of `Products::run`.
        unsafe {
            for point in 0..points {
                let bias = if point == self.products.bias_point { self.products.bias } else { std::ptr::null() };
                let u = self.products.u.add(point * u_point);
                let mut v = self.products.v.add(point * SOURCE_POINT);
                let mut m = self.products.m.add(point * SUM_POINT);
                for _ in 0..self.count {
                    let mut sums = [[V::zero(); VECTORS]; ROWS];
                    if !bias.is_null() {
                        for j in 0..VECTORS {
                            let bias = V::load(bias.add(j * V::LANES));
                            for sums in &mut sums {
                                sums[j] = bias;
                            }
                        }
                    }
                    let (mut from, mut factors) = (v, u);
                    // Where nothing is left, one asks for what is here.
                    let (mut ask, mut step) = (u, 0);
                    if asks && ahead_length > 0 {
                        (ask, step) = (ahead, ask_step);
                        ahead = ahead.wrapping_add(depth / STEP * ask_step);
                        ahead_length = ahead_length.saturating_sub(depth / STEP * ask_step);
                    }
                    for _ in 0..depth / STEP {
                        for k in 0..STEP {
                            let mut b = [V::zero(); VECTORS];
                            for (j, b) in b.iter_mut().enumerate() {
                                *b = V::load(factors.add(j * V::LANES));
                            }
                            for (row, sums) in sums.iter_mut().enumerate() {
                                let a = V::splat(from.add(row * v_stride + k));
                                for (sum, &b) in sums.iter_mut().zip(&b) {
                                    *sum = a.multiply_add(b, *sum);
                                }
                            }
                            factors = factors.add(width);
                        }
                        from = from.add(STEP);
                        if asks {
                            for line in 0..ASKED {
                                prefetch_near(ask.wrapping_byte_add(line * LINE));
                            }
                            ask = ask.wrapping_add(step);
                        }
                    }
                    for sums in &sums {
                        for (j, sum) in sums.iter().enumerate() {
                            sum.store(m.add(j * V::LANES));
                        }
                        m = m.add(width);
                    }
                    v = v.add(ROWS * v_stride);
                }
            }
        }
    }
}

macro_rules! rows {
    ($isa:ident, $products:ident, $count:ident, $rows:ident, $vectors:literal: $($n:literal)*) => {
        match $rows {
            $($n => T::work($isa, Rows::<T, $n, $vectors> { products: $products, count: $count }),)*
            _ => unreachable!("no tile of {} x {} registers", $rows, $vectors),
        }
    };
}

impl<T: Compute> Products<T> {
    /// # Safety
    /// `isa` is available; points and the bias are valid for the tiles and columns that are named.
    pub unsafe fn run(self, isa: Isa) {
        // SAFETY: by this function's contract.
        unsafe {
            if self.points * self.depth * self.width * size_of::<T>() <= FEW {
                self.columns(isa);
                return;
            }
            for point in 0..self.points {
                let u = self.u.wrapping_add(point * self.u_point);
                let of_point = Self {
                    points: 1,
                    v: self.v.wrapping_add(point * SOURCE_POINT),
                    u,
                    m: self.m.wrapping_add(point * SUM_POINT),
                    bias: if point == self.bias_point { self.bias } else { std::ptr::null() },
                    bias_point: 0,
                    ahead: u.wrapping_add(self.u_point),
                    ahead_length: self.u_point,
                    ..self
                };
                of_point.columns(isa);
            }
        }
    }

    /// # Safety
    /// As for `run`.
    unsafe fn columns(self, isa: Isa) {
        let registers = T::tiles(isa);
        let mut column = 0;
        while column < self.width {
            let vectors = registers.vectors_for(self.width - column);
            // Twice 12 accumulators leave too few registers for the operands of four channels.
            let most = if vectors == 2 { registers.rows_for(2).min(10) } else { registers.rows_for(vectors) };
            let count = self.tiles.div_ceil(most).max(1);
            let height = self.tiles / count;
            let taller = self.tiles - count * height;
            let mut part = self;
            part.u = part.u.wrapping_add(column);
            part.m = part.m.wrapping_add(column);
            if !part.bias.is_null() {
                part.bias = part.bias.wrapping_add(column);
            }
            if column > 0 {
                part.ahead_length = 0;
            }
            for (rows, count) in [(height + 1, taller), (height, count - taller)] {
                if rows * count == 0 {
                    continue;
                }
                // SAFETY: by this function's contract.
                unsafe {
                    match (vectors, most) {
                        (4, _) => rows!(isa, part, count, rows, 4: 1 2 3 4 5 6),
                        (2, 6) => rows!(isa, part, count, rows, 2: 1 2 3 4 5 6),
                        (2, _) => rows!(isa, part, count, rows, 2: 1 2 3 4 5 6 7 8 9 10),
                        _ => rows!(isa, part, count, rows, 1: 1 2 3 4 5 6 7 8 9 10 11 12),
                    }
                }
                part.v = part.v.wrapping_add(rows * count * part.v_stride);
                part.m = part.m.wrapping_add(rows * count * part.width);
                let asked = (count * (self.depth / STEP) * ASKED * LINE / size_of::<T>()).min(part.ahead_length);
                part.ahead = part.ahead.wrapping_add(asked);
                part.ahead_length -= asked;
            }
            column += vectors * registers.lanes;
        }
    }
}
