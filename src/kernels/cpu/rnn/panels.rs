//! Products of a few rows with a packed matrix: what one time step needs.
//!
//! ```text
//! for tile of registers across the panel's columns       64 columns: one tile on AVX-512, four on AVX2
//!   for tile of at most 6 rows                           the panel stays in L1 from one row tile to the next
//!     the register tile of `gemm::tile` over all of k
//! ```

use crate::cpu::gemm::tile::{MOST_ROWS, Tap, Tile};
use crate::cpu::gemm::{Activation, Compute, row_tiles};
use crate::cpu::simd::Isa;

/// A matrix whose rows are `row_stride` apart and whose columns are `column_stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<T> {
    pub start: *const T,
    pub row_stride: usize,
    pub column_stride: usize,
}

/// `C[rows, columns] (+)= A[rows, k] B[k, columns]`, with `b_stride` from one row of B to the next and `c_stride` in C.
///
/// # Safety
/// `isa` is available. A, C and B are valid for these extents, B also for its columns rounded up to a multiple of 16. Nobody
/// else uses C.
pub(super) unsafe fn multiply<T: Compute>(
    isa: Isa,
    rows: usize,
    k: usize,
    columns: usize,
    a: Rows<T>,
    b: *const T,
    b_stride: usize,
    c: *mut T,
    c_stride: usize,
    accumulate: bool,
) {
    let tiles = T::tiles(isa);
    let offsets = |stride: usize| -> [isize; MOST_ROWS] { std::array::from_fn(|row| (row * stride) as isize) };
    let (a_rows, c_rows) = (offsets(a.row_stride), offsets(c_stride));
    let mut column = 0;
    while column < columns {
        let vectors = tiles.vectors_for(columns - column);
        let width = (vectors * tiles.lanes).min(columns - column);
        for tile in row_tiles(rows, tiles.rows_for(vectors)) {
            let to = c.wrapping_add(tile.start * c_stride + column);
            // SAFETY: rows and columns are within the extents that the caller vouches for.
            unsafe {
                T::tile(
                    isa,
                    tile.len(),
                    vectors,
                    &Tile {
                        a: a.start.wrapping_add(tile.start * a.row_stride),
                        rows: &a_rows,
                        a_step: a.column_stride as isize,
                        taps: &[Tap { a: 0, b: 0 }],
                        run: k,
                        b: b.wrapping_add(column),
                        b_step: b_stride as isize,
                        c: to,
                        c_rows: &c_rows,
                        columns: width,
                        bias: std::ptr::null(),
                        start: if accumulate { to } else { std::ptr::null() },
                        activation: Activation::Linear,
                    },
                );
            }
        }
        column += width;
    }
}

/// A stride of at least `length` elements that is an odd number of cache lines (of `f32`), so that a column of rows is spread
/// over all sets of the cache.
pub(super) fn odd_stride(length: usize) -> usize {
    (length.div_ceil(16) | 1) * 16
}

/// Rows of chunk `chunk` when `total` rows are cut into `chunks` parts of nearly equal size.
pub(super) fn even_part(total: usize, chunks: usize, chunk: usize) -> std::ops::Range<usize> {
    total * chunk / chunks..total * (chunk + 1) / chunks
}
