//! Panels of B: columns copied next to each other, so that a tile reads its registers from consecutive addresses.
//!
//! A panel is `depth` rows of `stride` elements (at most [`PANEL`], a multiple of 16); columns that the matrix does not
//! have are zero. Packing costs about as much as one tile's pass over the panel, so it pays from a few tiles on. When B
//! is transposed, packing transposes it in blocks of one register square.

use super::tile::Compute;
use crate::cpu::simd::Isa;

/// Columns of a full panel.
pub const PANEL: usize = 64;
/// Panels are padded to a multiple of this many columns: the widest register of any instruction set.
pub const PANEL_GRAIN: usize = 16;

/// Copies `depth` x `columns` elements of B, whose strides are given, into a panel of width `stride`.
///
/// # Safety
/// `isa` is available; `from` is valid for the elements named, `to` for `depth * stride`; `columns <= stride`.
pub unsafe fn pack_panel<T: Compute>(
    isa: Isa,
    from: *const T,
    row_stride: usize,
    column_stride: usize,
    depth: usize,
    columns: usize,
    to: *mut T,
    stride: usize,
) {
    // SAFETY: by this function's contract.
    unsafe {
        if column_stride == 1 {
            for row in 0..depth {
                std::ptr::copy_nonoverlapping(from.add(row * row_stride), to.add(row * stride), columns);
            }
        } else if row_stride == 1 {
            T::transpose(isa, from, column_stride, columns, depth, to, stride);
        } else {
            for row in 0..depth {
                for column in 0..columns {
                    *to.add(row * stride + column) = *from.add(row * row_stride + column * column_stride);
                }
            }
        }
        if columns < stride {
            for row in 0..depth {
                std::slice::from_raw_parts_mut(to.add(row * stride + columns), stride - columns).fill(T::ZERO);
            }
        }
    }
}

macro_rules! transpose {
    ($(#[$meta:meta])* $name:ident, $t:ty, $narrow:literal $narrow_kernel:ident, $wide:literal $wide_kernel:ident) => {
        $(#[$meta])*
        ///
        /// # Safety
        /// `isa` is available; `from` is valid for `rows` rows of `columns`, `to` for `columns` rows of `rows`.
        pub(super) unsafe fn $name(
            isa: Isa,
            from: *const $t,
            from_stride: usize,
            rows: usize,
            columns: usize,
            to: *mut $t,
            to_stride: usize,
        ) {
            // SAFETY: by this function's contract; blocks and edges stay inside of the two matrices.
            unsafe {
                let block = match isa {
                    Isa::Avx512 => $wide,
                    Isa::Avx2 => $narrow,
                    _ => 1,
                };
                let [whole_rows, whole_columns] =
                    if block > 1 { [rows - rows % block, columns - columns % block] } else { [0, 0] };
                #[cfg(target_arch = "x86_64")]
                for column in (0..whole_columns).step_by(block) {
                    for row in (0..whole_rows).step_by(block) {
                        let from = from.add(row * from_stride + column);
                        let to = to.add(column * to_stride + row);
                        if block == $wide {
                            x86::$wide_kernel(from, from_stride, to, to_stride);
                        } else {
                            x86::$narrow_kernel(from, from_stride, to, to_stride);
                        }
                    }
                }
                for column in 0..columns {
                    let first = if column < whole_columns { whole_rows } else { 0 };
                    for row in first..rows {
                        *to.add(column * to_stride + row) = *from.add(row * from_stride + column);
                    }
                }
            }
        }
    };
}
transpose!(/// Transposes a matrix of `f32`.
    transpose_f32, f32, 8 transpose_8x8, 16 transpose_16x16);
transpose!(/// Transposes a matrix of `f64`.
    transpose_f64, f64, 4 transpose_4x4, 8 transpose_8x8_f64);

#[cfg(target_arch = "x86_64")]
mod x86 {
    // Dozens of intrinsics, which no name of ours resembles.
    #[allow(clippy::wildcard_imports)]
    use std::arch::x86_64::*;

    /// # Safety
    /// AVX2 is available; both 8 x 8 blocks are valid.
    #[target_feature(enable = "avx2")]
    pub unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: by this function's contract.
        unsafe {
            // Halves of rows i and i + 4 side by side: the lane crossing happens in the load.
            let pair = |row: usize, column: usize| {
                let low = _mm256_castps128_ps256(_mm_loadu_ps(from.add(row * from_stride + column)));
                _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(from.add((row + 4) * from_stride + column)))
            };
            for half in [0, 4] {
                let [r0, r1, r2, r3] = [pair(0, half), pair(1, half), pair(2, half), pair(3, half)];
                let [t0, t1] = [_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1)];
                let [t2, t3] = [_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3)];
                let to = to.add(half * to_stride);
                _mm256_storeu_ps(to, _mm256_shuffle_ps::<0x44>(t0, t2));
                _mm256_storeu_ps(to.add(to_stride), _mm256_shuffle_ps::<0xEE>(t0, t2));
                _mm256_storeu_ps(to.add(2 * to_stride), _mm256_shuffle_ps::<0x44>(t1, t3));
                _mm256_storeu_ps(to.add(3 * to_stride), _mm256_shuffle_ps::<0xEE>(t1, t3));
            }
        }
    }

    /// # Safety
    /// AVX-512 is available; both 16 x 16 blocks are valid.
    #[target_feature(enable = "avx512f,avx512dq")]
    pub unsafe fn transpose_16x16(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: by this function's contract.
        unsafe {
            for column in [0, 4, 8, 12] {
                // Four elements each of rows i, i + 4, i + 8 and i + 12 side by side.
                let four = |row: usize| {
                    let quarter = |row: usize| _mm_loadu_ps(from.add(row * from_stride + column));
                    let whole = _mm512_castps128_ps512(quarter(row));
                    let whole = _mm512_insertf32x4::<1>(whole, quarter(row + 4));
                    let whole = _mm512_insertf32x4::<2>(whole, quarter(row + 8));
                    _mm512_insertf32x4::<3>(whole, quarter(row + 12))
                };
                let [r0, r1, r2, r3] = [four(0), four(1), four(2), four(3)];
                let [t0, t1] = [_mm512_unpacklo_ps(r0, r1), _mm512_unpackhi_ps(r0, r1)];
                let [t2, t3] = [_mm512_unpacklo_ps(r2, r3), _mm512_unpackhi_ps(r2, r3)];
                let to = to.add(column * to_stride);
                _mm512_storeu_ps(to, _mm512_shuffle_ps::<0x44>(t0, t2));
                _mm512_storeu_ps(to.add(to_stride), _mm512_shuffle_ps::<0xEE>(t0, t2));
                _mm512_storeu_ps(to.add(2 * to_stride), _mm512_shuffle_ps::<0x44>(t1, t3));
                _mm512_storeu_ps(to.add(3 * to_stride), _mm512_shuffle_ps::<0xEE>(t1, t3));
            }
        }
    }

    /// # Safety
    /// AVX-512 is available; both 8 x 8 blocks are valid.
    #[target_feature(enable = "avx512f,avx512dq")]
    pub unsafe fn transpose_8x8_f64(from: *const f64, from_stride: usize, to: *mut f64, to_stride: usize) {
        // SAFETY: by this function's contract.
        unsafe {
            for column in [0, 2, 4, 6] {
                // Two elements each of rows i, i + 2, i + 4 and i + 6 side by side.
                let four = |row: usize| {
                    let quarter = |row: usize| _mm_loadu_pd(from.add(row * from_stride + column));
                    let whole = _mm512_castpd128_pd512(quarter(row));
                    let whole = _mm512_insertf64x2::<1>(whole, quarter(row + 2));
                    let whole = _mm512_insertf64x2::<2>(whole, quarter(row + 4));
                    _mm512_insertf64x2::<3>(whole, quarter(row + 6))
                };
                let [r0, r1] = [four(0), four(1)];
                let to = to.add(column * to_stride);
                _mm512_storeu_pd(to, _mm512_unpacklo_pd(r0, r1));
                _mm512_storeu_pd(to.add(to_stride), _mm512_unpackhi_pd(r0, r1));
            }
        }
    }

    /// # Safety
    /// AVX2 is available; both 4 x 4 blocks are valid.
    #[target_feature(enable = "avx2")]
    pub unsafe fn transpose_4x4(from: *const f64, from_stride: usize, to: *mut f64, to_stride: usize) {
        // SAFETY: by this function's contract.
        unsafe {
            let pair = |row: usize, column: usize| {
                let low = _mm256_castpd128_pd256(_mm_loadu_pd(from.add(row * from_stride + column)));
                _mm256_insertf128_pd::<1>(low, _mm_loadu_pd(from.add((row + 2) * from_stride + column)))
            };
            for half in [0, 2] {
                let [r0, r1] = [pair(0, half), pair(1, half)];
                let to = to.add(half * to_stride);
                _mm256_storeu_pd(to, _mm256_unpacklo_pd(r0, r1));
                _mm256_storeu_pd(to.add(to_stride), _mm256_unpackhi_pd(r0, r1));
            }
        }
    }
}
