//! Matrix products of bfloat16 with sums in float32: `C = activation(A B + bias + residual)`, stored in either
//! type.
//!
//! For processors that have a dot product of pairs (AVX-512 BF16): a register holds 16 pairs of neighbours along k,
//! and one instruction does twice the work of a float32 multiply-add. Elsewhere products of bfloat16 are those of
//! float32.
//!
//! ```text
//! pack B, and A where it is transposed           panels of 64 columns, [k / 2][64][2]; an odd k is padded with zero
//! chunk = (batches, rows of C, columns of C)     fixed by shape
//!   for block of rows, for 128 columns           at most 96 x 128 sums
//!     for block of k                             at most 1024: a panel of B stays in L2, rows of A in L1
//!       for panel, for tile of 6 x 4 registers (12 x 2, 12 x 1 at the edge): see `tile`
//!     activation, rounding
//! ```
//!
//! All of B is packed by calls of their own before the first chunk, once for as long as B stays the same. Rows of A
//! are read where they are: two neighbours are one broadcast. Large products are bound by the dot product units,
//! those of few rows by the memory that B comes from.
//!
//! Accuracy: products of two bfloat16 are exact in float32, sums are made in float32, and a bfloat16 result is
//! rounded once. The instruction takes subnormal operands (below 1.2e-38) as zero and flushes subnormal sums to
//! zero.

mod pack;
mod tile;

use half::bf16;

use super::epilogue::{Activation, Addends};
use super::tile::MOST_ROWS;
use super::{
    GROUP, GemmShape, MOST_CHUNKS, Matrix, PANEL, PANEL_GRAIN, Split, blocks, extent, packed_width, row_tiles,
};
use crate::cpu::cast::round_to_bfloat16;
use crate::cpu::disjoint::Disjoint;
use crate::cpu::simd::Isa;
use crate::cpu::workspace;
pub use pack::Packing;
use tile::{LANES, PairTile, VECTORS};

/// Multiplications that make a chunk worth its overhead.
const CHUNK_WORK: usize = 150_000;
/// Pairs along k that are worked on at once.
const DEPTH_BLOCK: usize = 512;
/// Rows that are worked on at once.
const ROW_BLOCK: usize = 96;

/// Whether products of bfloat16 run here with this instruction set.
pub fn has_dot(isa: Isa) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        isa == Isa::Avx512 && std::is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = isa;
        false
    }
}

/// The result's memory, in float32 or rounded to bfloat16.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    Wide(Disjoint<'a, f32>),
    Narrow(Disjoint<'a, bf16>),
}

/// One product of bfloat16 matrices, ready to run where [`has_dot`] says so. See the module for how it is cut.
#[derive(Clone, Debug)]
pub struct BfloatGemm {
    shape: GemmShape,
    activation: Activation,
    batches: Split,
    rows: Split,
    columns: Split,
    pack_a: Option<Packing>,
    pack_b: Packing,
}

impl BfloatGemm {
    /// `None` for shapes that would keep few threads busy: a small result and a long k.
    ///
    /// # Panics
    /// When rows or batches of the output overlap.
    pub fn new(shape: GemmShape, activation: Activation) -> Option<Self> {
        let GemmShape { batch, m, n, k, a, b, c } = shape;
        assert!(m < 2 || n == 0 || c.row_stride >= n, "rows of the output overlap: {shape:?}");
        assert!(
            batch < 2 || m == 0 || n == 0 || c.batch_stride >= (m - 1) * c.row_stride + n,
            "batches of the output overlap: {shape:?}"
        );
        let wanted = (batch * m * n * k / CHUNK_WORK).clamp(1, MOST_CHUNKS);
        let batches = Split::new(batch, wanted, 1);
        let rest = wanted / batches.parts;
        let tall = rest.min(m / ROW_BLOCK).max(1);
        let column_parts = (rest / tall).clamp(1, n.div_ceil(PANEL).max(1));
        let row_parts =
            if tall * column_parts < rest.min(12) { (rest / column_parts).min(m / 48).max(1) } else { tall };
        // Neighbours along k that are apart in memory are brought together, in panels of rows.
        let pack_a = (a.col_stride != 1 && k > 1).then(|| {
            let along = Matrix { row_stride: a.col_stride, col_stride: a.row_stride, ..a };
            Packing::new(batch, k, m, along)
        });
        let rows = Split::new(m, row_parts, if pack_a.is_some() { PANEL } else { MOST_ROWS });
        let columns = Split::new(n, column_parts, PANEL);
        let gemm = Self { shape, activation, batches, rows, columns, pack_a, pack_b: Packing::new(batch, k, n, b) };
        let narrow = k >= 2048 && k >= 4 * m.max(n) && gemm.chunks() < wanted.min(12);
        (!narrow).then_some(gemm)
    }

    /// What is made of A before the first chunk, if anything.
    pub fn pack_a(&self) -> Option<&Packing> {
        self.pack_a.as_ref()
    }

    /// What is made of B before the first chunk.
    pub fn pack_b(&self) -> &Packing {
        &self.pack_b
    }

    /// How many parts the product is cut into.
    pub fn chunks(&self) -> usize {
        self.batches.parts * self.rows.parts * self.columns.parts
    }

    /// Computes one chunk. `packed_a` is what [`pack_a`](Self::pack_a) made, if it packs; then `a` is not read. A bias
    /// has `n` elements, a residual is laid out like `c`; it may be `c` itself where that is float32.
    ///
    /// # Panics
    /// When a slice is too short for the geometry, or the processor has no such instruction.
    pub fn run(
        &self,
        isa: Isa,
        chunk: usize,
        a: &[bf16],
        packed_a: &[u32],
        packed_b: &[u32],
        addends: Addends<f32>,
        c: Target,
    ) {
        let GemmShape { batch, m, n, k, .. } = self.shape;
        assert!(has_dot(isa), "{isa:?} has no dot product of bfloat16");
        assert!(chunk < self.chunks(), "chunk {chunk} of {}", self.chunks());
        match &self.pack_a {
            Some(packing) => assert!(packed_a.len() >= packing.elements(), "A is too short for {:?}", self.shape),
            None => assert!(a.len() >= extent(batch, m, k, self.shape.a), "A is too short for {:?}", self.shape),
        }
        assert!(packed_b.len() >= self.pack_b.elements(), "B is too short for {:?}", self.shape);
        let layout =
            Matrix { row_stride: self.shape.c.row_stride, col_stride: 1, batch_stride: self.shape.c.batch_stride };
        let extent = extent(batch, m, n, layout);
        let room = match c {
            Target::Wide(c) => c.len(),
            Target::Narrow(c) => c.len(),
        };
        assert!(room >= extent, "C is too short for {:?}", self.shape);
        assert!(addends.bias.is_none_or(|bias| bias.len() >= n), "the bias is too short for {:?}", self.shape);
        assert!(
            addends.residual.is_none_or(|residual| residual.len() >= extent),
            "the residual is too short for {:?}",
            self.shape
        );
        let [chunk, columns] = [chunk / self.columns.parts, chunk % self.columns.parts];
        let [batches, rows] = [chunk / self.rows.parts, chunk % self.rows.parts];
        let (rows, columns) = (self.rows.range(rows), self.columns.range(columns));
        let row_block = if self.pack_a.is_some() { PANEL } else { ROW_BLOCK };
        // Sums that are rounded when they are complete are kept here meanwhile.
        let kept = if matches!(c, Target::Narrow(_)) { row_block * GROUP } else { 0 };
        workspace::with(kept, |sums: &mut [f32]| {
            for batch in self.batches.range(batches) {
                for first in rows.clone().step_by(row_block) {
                    let rows = first..(first + row_block).min(rows.end);
                    for group in columns.clone().step_by(GROUP) {
                        let group = group..(group + GROUP).min(columns.end);
                        let place = |row: usize| batch * layout.batch_stride + row * layout.row_stride + group.start;
                        // SAFETY: the block is inside of operands and output, whose extents were checked, and this
                        // chunk's alone; the workspace holds as many rows and columns.
                        unsafe {
                            let start = place(rows.start);
                            let (to, to_stride) = match c {
                                Target::Wide(c) => (c.as_ptr().add(start), layout.row_stride),
                                Target::Narrow(_) => (sums.as_mut_ptr(), GROUP),
                            };
                            let block = Block { batch, rows: rows.clone(), columns: group.clone(), to, to_stride };
                            let residual =
                                addends.residual.map_or(std::ptr::null(), |residual| residual.as_ptr().add(start));
                            self.block(&block, a, packed_a, packed_b, addends.bias, residual);
                            for row in rows.clone() {
                                let from = to.add((row - rows.start) * to_stride);
                                let values = std::slice::from_raw_parts_mut(from, group.len());
                                self.activation.apply(isa, values);
                                if let Target::Narrow(c) = c {
                                    round_to_bfloat16(isa, values, c.range(place(row)..place(row) + group.len()));
                                }
                            }
                        }
                    }
                }
            }
        });
    }

    /// The sums of one block, with bias, residual, and an activation that tiles apply.
    ///
    /// # Safety
    /// All addresses of the block are valid, and nobody else uses what is written. `residual` is null or the block's
    /// first element, in rows as far apart as the output's.
    unsafe fn block(
        &self,
        block: &Block,
        a: &[bf16],
        packed_a: &[u32],
        packed_b: &[u32],
        bias: Option<&[f32]>,
        residual: *const f32,
    ) {
        let GemmShape { k, n, a: matrix, c, .. } = self.shape;
        let (rows, columns) = (&block.rows, &block.columns);
        let pairs = k.div_ceil(2);
        let packed_b = &packed_b[self.pack_b.start(block.batch)..];
        // Elements of A between neighbouring rows, and from a pair to the next.
        let (a, row_stride, step) = if let Some(packing) = &self.pack_a {
            // Blocks of rows are panels.
            let stride = packed_width((self.shape.m - rows.start).min(PANEL));
            let start = packing.start(block.batch) + rows.start * pairs;
            (packed_a[start..].as_ptr().cast::<u16>(), 2, 2 * stride)
        } else {
            let start = block.batch * matrix.batch_stride + rows.start * matrix.row_stride;
            (a.as_ptr().cast::<u16>().wrapping_add(start), matrix.row_stride, 2)
        };
        // A pair that ends beyond a row of A that is read where it is.
        let has_half = self.pack_a.is_none() && k % 2 == 1;
        // Rows that are a multiple of half a page apart share a set of L1, which holds few of them.
        let aliased = self.pack_a.is_none() && (row_stride * size_of::<bf16>()).is_multiple_of(2048);
        let most_rows = if aliased { 6 } else { MOST_ROWS };
        for depth in blocks(0..pairs, DEPTH_BLOCK) {
            let (first, last) = (depth.start == 0, depth.end == pairs);
            let half = last && has_half;
            for panel in columns.clone().step_by(PANEL) {
                let width = (n - panel).min(PANEL).next_multiple_of(PANEL_GRAIN);
                let panel_end = (panel + PANEL).min(columns.end);
                let mut column = panel;
                while column < panel_end {
                    let needed = (panel_end - column).div_ceil(LANES).min(VECTORS);
                    let vectors = if needed == 3 { 2 } else { needed };
                    let width_here = (vectors * LANES).min(panel_end - column);
                    let bias = match bias {
                        Some(bias) if first => bias[column..column + width_here].as_ptr(),
                        _ => std::ptr::null(),
                    };
                    let tall = if vectors == VECTORS { 6 } else { most_rows };
                    for tile in row_tiles(rows.len(), tall) {
                        let across = column - columns.start;
                        let to = block.to.wrapping_add(tile.start * block.to_stride + across);
                        let (start, start_stride) = match (first, residual.is_null()) {
                            (false, _) => (to.cast_const(), block.to_stride),
                            (true, true) => (std::ptr::null(), 0),
                            (true, false) => (residual.wrapping_add(tile.start * c.row_stride + across), c.row_stride),
                        };
                        let b_start = panel * pairs + depth.start * width + (column - panel);
                        let call = PairTile {
                            a: a.wrapping_add(tile.start * row_stride + depth.start * step),
                            a_rows: row_stride,
                            a_step: step,
                            pairs: depth.len() - usize::from(half),
                            half,
                            b: packed_b.as_ptr().wrapping_add(b_start),
                            b_step: width,
                            c: to,
                            c_rows: block.to_stride,
                            columns: width_here,
                            bias,
                            start,
                            start_rows: start_stride,
                            activation: if last { self.activation } else { Activation::Linear },
                        };
                        // SAFETY: by this function's contract; the instruction set was checked.
                        unsafe { tile::run(tile.len(), vectors, &call) }
                    }
                    column += width_here;
                }
            }
        }
    }
}

/// Rows and columns of one batch's result that are made together, and where their sums are.
struct Block {
    batch: usize,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    to: *mut f32,
    to_stride: usize,
}

#[cfg(test)]
mod tests;
