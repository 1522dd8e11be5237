//! Panels of pairs: two neighbours along k in 32 bits, columns next to each other.
//!
//! ```text
//! batch, panel of 64 columns, pair along k, column -> (x[2 pair, column], x[2 pair + 1, column])
//! ```
//!
//! Columns and the neighbour that the matrix does not have are zero. Where columns are neighbours in memory, two
//! rows are interleaved; where rows are, pairs exist already and are transposed as numbers of 32 bits. Limit:
//! memory bandwidth.

use half::bf16;

use super::super::tile::Compute;
use super::super::{MOST_CHUNKS, Matrix, PANEL, PANEL_GRAIN, Split, extent, packed_width};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::simd::Isa;
use crate::for_each_isa;

/// Pairs of a panel that are packed at once.
const PIECE: usize = 64;
/// Pairs that make a chunk.
const CHUNK: usize = 8 * 1024;

/// How the matrices of a batch, each of `k` rows, become panels.
#[derive(Clone, Debug)]
pub struct Packing {
    /// Matrices that differ: one where every batch has the same.
    batches: usize,
    k: usize,
    columns: usize,
    matrix: Matrix,
}

impl Packing {
    pub(super) fn new(batch: usize, k: usize, columns: usize, matrix: Matrix) -> Self {
        let batches = if matrix.batch_stride == 0 { batch.min(1) } else { batch };
        Self { batches, k, columns, matrix }
    }

    fn one(&self) -> usize {
        self.k.div_ceil(2) * packed_width(self.columns)
    }

    /// Pairs of all panels.
    pub fn elements(&self) -> usize {
        self.batches * self.one()
    }

    /// Where the panels of a batch start.
    pub(super) fn start(&self, batch: usize) -> usize {
        if self.batches > 1 { batch * self.one() } else { 0 }
    }

    /// All matrices, all panels, all pieces.
    fn pieces(&self) -> Split {
        let pieces = self.batches * self.columns.div_ceil(PANEL) * self.k.div_ceil(2 * PIECE);
        Split::new(pieces, (self.elements() / CHUNK).clamp(1, MOST_CHUNKS), 1)
    }

    /// Calls of [`run`](Self::run).
    pub fn chunks(&self) -> usize {
        self.pieces().parts
    }

    /// Packs one part of the matrices.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run(&self, isa: Isa, chunk: usize, from: &[bf16], packed: Disjoint<u32>) {
        let Matrix { row_stride, col_stride, batch_stride } = self.matrix;
        assert!(chunk < self.chunks(), "chunk {chunk} of {}", self.chunks());
        assert!(from.len() >= extent(self.batches, self.k, self.columns, self.matrix), "the matrix is too short");
        let (panels, deep) = (self.columns.div_ceil(PANEL), self.k.div_ceil(2 * PIECE));
        for piece in self.pieces().range(chunk) {
            let [panel, piece] = [piece / deep, piece % deep];
            let [batch, panel] = [panel / panels, panel % panels * PANEL];
            let columns = (self.columns - panel).min(PANEL);
            let rows = piece * 2 * PIECE..((piece + 1) * 2 * PIECE).min(self.k);
            let width = columns.next_multiple_of(PANEL_GRAIN);
            let start = self.start(batch) + panel * self.k.div_ceil(2) + piece * PIECE * width;
            // SAFETY: pieces are apart.
            let to = unsafe { packed.range(start..start + rows.len().div_ceil(2) * width) };
            let from = &from[batch * batch_stride + rows.start * row_stride + panel * col_stride..];
            pack(isa, from, [row_stride, col_stride], rows.len(), columns, to);
        }
    }
}

/// Packs `rows` x `columns` of a matrix, whose strides are given, into as many pairs as `to` has.
fn pack(isa: Isa, from: &[bf16], strides: [usize; 2], rows: usize, columns: usize, to: &mut [u32]) {
    let [row_stride, col_stride] = strides;
    let width = to.len() / rows.div_ceil(2);
    let whole = rows.is_multiple_of(2) && col_stride.is_multiple_of(2) && from.as_ptr().cast::<f32>().is_aligned();
    if col_stride == 1 {
        interleave(isa, from, row_stride, rows, columns, width, to);
    } else if row_stride == 1 && whole {
        let (pairs, stride) = (rows / 2, col_stride / 2);
        // SAFETY: `columns` rows of `pairs` aligned pairs, and the room for their transpose, lie in the two slices;
        // numbers of 32 bits are moved as they are.
        unsafe {
            let (from, to) = (from.as_ptr().cast::<f32>(), to.as_mut_ptr().cast::<f32>());
            <f32 as Compute>::transpose(isa, from, stride, columns, pairs, to, width);
        }
        for row in to.chunks_exact_mut(width) {
            row[columns..].fill(0);
        }
    } else {
        for (pair, row) in to.chunks_exact_mut(width).enumerate() {
            let at = |row: usize, column: usize| {
                if row < rows { u32::from(from[row * row_stride + column * col_stride].to_bits()) } else { 0 }
            };
            for (column, to) in row[..columns].iter_mut().enumerate() {
                *to = at(2 * pair, column) | at(2 * pair + 1, column) << 16;
            }
            row[columns..].fill(0);
        }
    }
}

#[inline(always)]
fn interleave_body(from: &[bf16], row_stride: usize, rows: usize, columns: usize, width: usize, to: &mut [u32]) {
    for (pair, to) in to.chunks_exact_mut(width).enumerate() {
        let first = &from[2 * pair * row_stride..][..columns];
        if 2 * pair + 1 < rows {
            let second = &from[(2 * pair + 1) * row_stride..][..columns];
            for ((to, first), second) in to.iter_mut().zip(first).zip(second) {
                *to = u32::from(first.to_bits()) | u32::from(second.to_bits()) << 16;
            }
        } else {
            for (to, first) in to.iter_mut().zip(first) {
                *to = u32::from(first.to_bits());
            }
        }
        to[columns..].fill(0);
    }
}

for_each_isa! {
    /// Packs rows whose columns are neighbours.
    fn interleave(
        from: &[bf16], row_stride: usize, rows: usize, columns: usize, width: usize, to: &mut [u32],
    ) = interleave_body;
}
