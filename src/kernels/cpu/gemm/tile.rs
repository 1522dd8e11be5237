//! The register tile under matrix products and convolutions.
//!
//! A tile is ROWS x (VECTORS registers) of an output, held in registers while a reduction runs. What is reduced is
//! described by *separable addresses*, so that one tile serves matrices, convolutions and their gradients without
//! gathering patches first:
//!
//! ```text
//! for tap in taps                                  a stretch of the reduction: all of k, a kernel row, an image row
//!   for p in 0..run                                steps inside of it
//!     b[j]   = B[tap.b + p * b_step + j * LANES ..]            VECTORS loads
//!     for i in 0..ROWS
//!       a    = A[rows[i] + tap.a + p * a_step]                 one broadcast
//!       C[i, j] += a * b[j]                                    VECTORS fused multiply-adds
//! ```
//!
//! At 6 x 4 or 12 x 2 registers the multiply-add units limit the speed: 24 of them for 10 or 14 loads. More than 24
//! accumulators spill. Bias and residual (or old output) enter as the accumulators' first values, so that storing needs no
//! more than the `ReLU`.

use super::epilogue::Activation;
use super::vector::{Portable, Vector, Work};
use crate::cpu::simd::Isa;
use crate::cpu::vector_math::VectorMath;
use crate::cpu::workspace::Plain;

/// Where one stretch of a reduction starts, in elements from `Tile::a` and `Tile::b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Tap {
    pub a: isize,
    pub b: isize,
}

// SAFETY: two numbers without padding.
unsafe impl Plain for Tap {}

/// One call of a tile. `rows` and `c_rows` hold at least as many entries as the tile has rows.
#[derive(Clone, Copy)]
pub struct Tile<'a, T> {
    pub a: *const T,
    pub rows: &'a [isize],
    pub a_step: isize,
    pub taps: &'a [Tap],
    pub run: usize,
    pub b: *const T,
    pub b_step: isize,
    pub c: *mut T,
    pub c_rows: &'a [isize],
    /// Columns of the output that exist; the last register may be partly outside.
    pub columns: usize,
    /// Null, or `columns` values that are added to every row.
    pub bias: *const T,
    /// Null, or what is added to every element: laid out like `c`, and `c` itself to add to what it holds.
    pub start: *const T,
    /// Applied if it is one of those that [`in_store`](Activation::in_store) names.
    pub activation: Activation,
}

/// The body of every tile.
///
/// # Safety
/// The instruction set of `V` is there; all addresses that the loop nest above names are valid, except that lanes of B
/// beyond `columns` need only be readable where `V` has no free masks.
#[inline(always)]
pub(super) unsafe fn compute<V: Vector, const ROWS: usize, const VECTORS: usize>(tile: &Tile<V::Element>) {
    // SAFETY: by this function's contract.
    unsafe {
        let tail = tile.columns - (VECTORS - 1) * V::LANES;
        let whole = tail == V::LANES;
        let mask = V::mask(tail);
        assert!(tile.rows.len() >= ROWS && tile.c_rows.len() >= ROWS);

        let mut sums = [[V::zero(); VECTORS]; ROWS];
        if !tile.start.is_null() {
            for (row, sums) in sums.iter_mut().enumerate() {
                let start = tile.start.offset(tile.c_rows[row]);
                for (j, sum) in sums.iter_mut().enumerate() {
                    let from = start.add(j * V::LANES);
                    *sum = if whole || j + 1 < VECTORS { V::load(from) } else { V::load_part(from, mask) };
                }
            }
        }
        if !tile.bias.is_null() {
            let mut bias = [V::zero(); VECTORS];
            for (j, bias) in bias.iter_mut().enumerate() {
                let from = tile.bias.add(j * V::LANES);
                *bias = if whole || j + 1 < VECTORS { V::load(from) } else { V::load_part(from, mask) };
            }
            for sums in &mut sums {
                for (sum, bias) in sums.iter_mut().zip(bias) {
                    *sum = sum.add(bias);
                }
            }
        }

        let mut rows = [tile.a; ROWS];
        for (row, start) in rows.iter_mut().enumerate() {
            *start = tile.a.wrapping_offset(tile.rows[row]);
        }
        reduce::<V, ROWS, VECTORS>(tile, &rows, mask, &mut sums);

        match tile.activation {
            Activation::Relu => {
                for sum in sums.as_flattened_mut() {
                    *sum = sum.relu();
                }
            }
            Activation::Relu6 => {
                for sum in sums.as_flattened_mut() {
                    *sum = sum.relu6();
                }
            }
            _ => {}
        }
        for (row, sums) in sums.iter().enumerate() {
            let c = tile.c.offset(tile.c_rows[row]);
            for (j, sum) in sums.iter().enumerate() {
                let to = c.add(j * V::LANES);
                if whole || j + 1 < VECTORS {
                    sum.store(to);
                } else {
                    sum.store_part(to, mask);
                }
            }
        }
    }
}

/// The reduction.
///
/// # Safety
/// As for [`compute`].
#[inline(always)]
unsafe fn reduce<V: Vector, const ROWS: usize, const VECTORS: usize>(
    tile: &Tile<V::Element>,
    rows: &[*const V::Element; ROWS],
    mask: V::Mask,
    sums: &mut [[V; VECTORS]; ROWS],
) {
    // SAFETY: by the caller's contract.
    unsafe {
        let mut total = *sums;
        for tap in tile.taps {
            let mut at = tap.a;
            let mut b = tile.b.offset(tap.b);
            for _ in 0..tile.run {
                let mut factors = [V::zero(); VECTORS];
                for (j, factor) in factors.iter_mut().enumerate() {
                    let from = b.add(j * V::LANES);
                    *factor =
                        if j + 1 == VECTORS && V::MASKS_ARE_FREE { V::load_part(from, mask) } else { V::load(from) };
                }
                for row in 0..ROWS {
                    let a = V::splat(rows[row].wrapping_offset(at));
                    for j in 0..VECTORS {
                        total[row][j] = a.multiply_add(factors[j], total[row][j]);
                    }
                }
                at += tile.a_step;
                b = b.wrapping_offset(tile.b_step);
            }
        }
        *sums = total;
    }
}

/// The tiles that an instruction set has.
#[derive(Clone, Copy, Debug)]
pub struct Tiles {
    pub lanes: usize,
    /// Registers across: 4, 2 and 1, or 2 and 1.
    pub vectors: usize,
    /// Whether columns beyond the matrix may be read (they are masked away).
    pub masked: bool,
}

/// The most rows that any tile has.
pub const MOST_ROWS: usize = 12;

impl Tiles {
    /// The widest tile for `columns` columns that are left, in registers.
    pub fn vectors_for(&self, columns: usize) -> usize {
        let needed = columns.div_ceil(self.lanes).min(self.vectors);
        if needed == 3 { 2 } else { needed }
    }

    /// The rows of a tile that is `vectors` registers wide.
    pub fn rows_for(&self, vectors: usize) -> usize {
        match (self.vectors, vectors) {
            (4, 4) | (2, 2) => 6,
            _ => MOST_ROWS,
        }
    }
}

/// An element type that tiles compute in: `f32` or `f64`.
pub trait Compute: VectorMath + Plain {
    fn tiles(isa: Isa) -> Tiles;

    /// Runs a tile of `rows` x `vectors` registers.
    ///
    /// # Safety
    /// `isa` is available, `Tiles` has such a tile, and the addresses are valid (see the module's loop nest).
    unsafe fn tile(isa: Isa, rows: usize, vectors: usize, tile: &Tile<Self>);

    /// Runs a loop nest with the registers of `isa`.
    ///
    /// # Safety
    /// `isa` is available, and what `work` asks for holds.
    unsafe fn work<W: Work<Self>>(isa: Isa, work: W);

    /// `to[c * to_stride + r] = from[r * from_stride + c]`
    ///
    /// # Safety
    /// `isa` is available and all addresses are valid.
    unsafe fn transpose(
        isa: Isa,
        from: *const Self,
        from_stride: usize,
        rows: usize,
        columns: usize,
        to: *mut Self,
        to_stride: usize,
    );
}

macro_rules! call {
    ($v:ty, $tile:ident, $vectors:literal, $rows:ident: $($n:literal)*) => {
        match $rows {
            $($n => <$v>::tile::<$n, $vectors>($tile),)*
            _ => unreachable!("no tile of {} x {} registers", $rows, $vectors),
        }
    };
}

macro_rules! call_wide {
    ($v:ty, $tile:ident, $rows:ident, $vectors:ident) => {
        match $vectors {
            4 => call!($v, $tile, 4, $rows: 1 2 3 4 5 6),
            2 => call!($v, $tile, 2, $rows: 1 2 3 4 5 6 7 8 9 10 11 12),
            _ => call!($v, $tile, 1, $rows: 1 2 3 4 5 6 7 8 9 10 11 12),
        }
    };
}

macro_rules! call_narrow {
    ($v:ty, $tile:ident, $rows:ident, $vectors:ident) => {
        match $vectors {
            2 => call!($v, $tile, 2, $rows: 1 2 3 4 5 6),
            _ => call!($v, $tile, 1, $rows: 1 2 3 4 5 6 7 8 9 10 11 12),
        }
    };
}

macro_rules! compute {
    ($t:ty, $avx512:ident, $avx2:ident, $neon:ident, $portable:ty, $transpose:ident, $lanes:literal) => {
        impl Compute for $t {
            #[inline]
            fn tiles(isa: Isa) -> Tiles {
                match isa {
                    Isa::Avx512 => Tiles { lanes: 4 * $lanes, vectors: 4, masked: true },
                    Isa::Avx2 => Tiles { lanes: 2 * $lanes, vectors: 2, masked: false },
                    Isa::Neon => Tiles { lanes: $lanes, vectors: 4, masked: false },
                    Isa::Scalar => Tiles { lanes: $lanes, vectors: 2, masked: false },
                }
            }

            unsafe fn tile(isa: Isa, rows: usize, vectors: usize, tile: &Tile<$t>) {
                // SAFETY: by this function's contract.
                unsafe {
                    match isa {
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx512 => call_wide!(super::vector::$avx512, tile, rows, vectors),
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx2 => call_narrow!(super::vector::$avx2, tile, rows, vectors),
                        #[cfg(target_arch = "aarch64")]
                        Isa::Neon => call_wide!(super::neon::$neon, tile, rows, vectors),
                        _ => call_narrow!($portable, tile, rows, vectors),
                    }
                }
            }

            unsafe fn work<W: Work<$t>>(isa: Isa, work: W) {
                // SAFETY: by this function's contract.
                unsafe {
                    match isa {
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx512 => super::vector::$avx512::work(work),
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx2 => super::vector::$avx2::work(work),
                        #[cfg(target_arch = "aarch64")]
                        Isa::Neon => super::neon::$neon::work(work),
                        _ => <$portable>::work(work),
                    }
                }
            }

            unsafe fn transpose(
                isa: Isa,
                from: *const $t,
                from_stride: usize,
                rows: usize,
                columns: usize,
                to: *mut $t,
                to_stride: usize,
            ) {
                // SAFETY: by this function's contract.
                unsafe { super::pack::$transpose(isa, from, from_stride, rows, columns, to, to_stride) }
            }
        }
    };
}
compute!(f32, F32x16, F32x8, F32x4, Portable<f32, 4>, transpose_f32, 4);
compute!(f64, F64x8, F64x4, F64x2, Portable<f64, 2>, transpose_f64, 2);
