//! Matrix products: `C = activation(A B + bias + residual)` or `C += A B`, batched, either operand transposed by its strides.
//!
//! ```text
//! chunk = (batches, rows of C, columns of C, part of k)       fixed by shape; `finish` adds up partial sums over k
//!   for batch
//!     for block of k         at most 768 (128 where A is transposed): a panel of B stays in L2, rows of A in L1
//!       for 128 columns      two panels of B, packed unless they can be read where they are
//!         for block of rows  A's block stays in L2
//!           for panel, for tile of 6 x 4 registers (8 x 3, 12 x 2, 24 x 1 at the edge): see `stack`, and `pairs` for
//!                      half registers; where A is transposed, `tile`
//! ```
//!
//! A `Gemm` that packs ahead has B packed, all of it, by calls of their own before the first chunk: once for all chunks,
//! and for as long as B stays the same. A is never packed: a tile broadcasts single elements of it, and those of one block of
//! k are in L1 whatever the strides are; its rows may lie in `lines`. Large products are bound by the multiply-add units.
//! Products with one row or one column (`vector_product`) read every element of the matrix once and are bound by memory.

pub mod bfloat;
pub mod epilogue;
mod lines;
mod matrix_product;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pack;
mod pairs;
mod stack;
pub mod tile;
pub(crate) mod vector;
mod vector_product;

use std::ops::Range;

pub use epilogue::{Activation, Addends, Epilogue, Residual};
pub use tile::Compute;

use crate::cpu::disjoint::Disjoint;
use crate::cpu::float::Float;
use crate::cpu::simd::Isa;
use crate::for_each_isa;
use lines::Lines;
pub(crate) use pack::{PANEL, PANEL_GRAIN, pack_panel};

/// Where the elements of a batch of matrices are: `batch * batch_stride + row * row_stride + column * col_stride`.
///
/// A batch stride of 0 uses one matrix for every batch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Matrix {
    pub row_stride: usize,
    pub col_stride: usize,
    pub batch_stride: usize,
}

/// Where the elements of the result are; its columns are next to each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Output {
    pub row_stride: usize,
    pub batch_stride: usize,
}

/// `C[batch, m, n] = A[batch, m, k] B[batch, k, n]`
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct GemmShape {
    pub batch: usize,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: Matrix,
    pub b: Matrix,
    pub c: Output,
}

impl GemmShape {
    /// Row-major matrices without gaps. A transposed operand is stored as `[k, m]` or `[n, k]`.
    pub fn contiguous(batch: usize, m: usize, n: usize, k: usize, transpose_a: bool, transpose_b: bool) -> Self {
        let matrix = |rows: usize, columns: usize, transposed: bool| Matrix {
            row_stride: if transposed { 1 } else { columns },
            col_stride: if transposed { rows } else { 1 },
            batch_stride: rows * columns,
        };
        Self {
            batch,
            m,
            n,
            k,
            a: matrix(m, k, transpose_a),
            b: matrix(k, n, transpose_b),
            c: Output { row_stride: n, batch_stride: m * n },
        }
    }
}

/// `0..total` in parts that are equal but for one grain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Split {
    total: usize,
    grain: usize,
    pub(crate) parts: usize,
}

impl Split {
    /// At most `wanted` parts, each a multiple of `grain` but for the last. There are fewer where more would not make the
    /// longest part shorter.
    pub(crate) fn new(total: usize, wanted: usize, grain: usize) -> Self {
        let longest = total.div_ceil(wanted.max(1)).next_multiple_of(grain).max(1);
        Self { total, grain, parts: total.div_ceil(longest).max(1) }
    }

    pub(crate) fn range(&self, part: usize) -> Range<usize> {
        let grains = self.total.div_ceil(self.grain);
        let bound = |part: usize| (part * grains / self.parts * self.grain).min(self.total);
        bound(part)..bound(part + 1)
    }

    /// No part is longer.
    fn longest(&self) -> usize {
        (self.total.div_ceil(self.grain).div_ceil(self.parts) * self.grain).min(self.total)
    }
}

/// `range` in blocks of equal size, at most `most` each; at least one, which may be empty.
pub(crate) fn blocks(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = range.len().div_ceil(most).max(1);
    let step = range.len().div_ceil(count).max(1);
    (0..count).map(move |block| {
        let start = (range.start + block * step).min(range.end);
        start..(start + step).min(range.end)
    })
}

/// Tiles of nearly equal height, at most `most`, that cover `0..count`.
pub(crate) fn row_tiles(count: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let tiles = count.div_ceil(most);
    let height = count.checked_div(tiles).unwrap_or(0);
    let taller = count - tiles * height;
    (0..tiles).map(move |tile| {
        let start = tile * height + tile.min(taller);
        start..start + height + usize::from(tile < taller)
    })
}

/// Elements that a batch of `rows` x `columns` spans.
fn extent(batch: usize, rows: usize, columns: usize, matrix: Matrix) -> usize {
    if batch == 0 || rows == 0 || columns == 0 {
        return 0;
    }
    (batch - 1) * matrix.batch_stride + (rows - 1) * matrix.row_stride + (columns - 1) * matrix.col_stride + 1
}

/// Columns of all packed panels that hold `columns`.
fn packed_width(columns: usize) -> usize {
    columns / PANEL * PANEL + (columns % PANEL).next_multiple_of(PANEL_GRAIN)
}

/// FLOPs that make a chunk worth its overhead.
const CHUNK_FLOPS: usize = 150_000;
/// Bytes of a matrix that make a chunk of a product with a vector.
const CHUNK_ELEMENTS: usize = 16 * 1024;
pub(crate) const MOST_CHUNKS: usize = 64;
/// As many chunks as make one more than another thread's no matter.
const EQUAL_PARTS: usize = 24;
/// Elements of partial sums, all parts together.
const MOST_PARTIAL: usize = 1 << 20;
/// Columns of B that are packed at once.
const GROUP: usize = 2 * PANEL;
/// Elements of B that are packed ahead.
const LEAST_PACKED: usize = 16 * 1024;
const MOST_PACKED: usize = 4 << 20;
/// Rows of a panel that are packed at once.
const PACKED_ROWS: usize = 128;

/// Parts of rows and of columns for about `wanted` chunks: tall ones first, then panels, then less of either.
fn share(m: usize, n: usize, wanted: usize) -> [usize; 2] {
    let tall = wanted.min(m / 96).max(1);
    let mut columns = (wanted / tall).clamp(1, n.div_ceil(PANEL).max(1));
    let mut rows = tall;
    let enough = wanted.min(12);
    if rows * columns < enough {
        rows = (wanted / columns).min(m / 48).max(1);
    }
    if rows * columns < enough && !columns.is_multiple_of(4) {
        columns = (wanted / rows).min(n / PANEL * 2).max(columns);
    }
    [rows, columns]
}

/// One matrix product, ready to run. See the module for how it is cut.
#[derive(Clone, Debug)]
pub struct Gemm {
    shape: GemmShape,
    epilogue: Epilogue,
    /// One row or one column: the matrix streams past a vector.
    is_vector: bool,
    batches: Split,
    rows: Split,
    columns: Split,
    depth: Split,
    depth_block: usize,
    /// Where rows of A lie in lines.
    lines: Option<Lines>,
    /// Read B's full panels where they are.
    in_place: bool,
    /// B was packed before the first chunk.
    packed_ahead: bool,
}

impl Gemm {
    /// # Panics
    /// When rows or batches of the output overlap.
    pub fn new(shape: GemmShape, epilogue: Epilogue) -> Self {
        Self::with_partial_limit(shape, epilogue, MOST_PARTIAL)
    }

    /// At most `most_partial` elements of partial sums.
    fn with_partial_limit(shape: GemmShape, epilogue: Epilogue, most_partial: usize) -> Self {
        let GemmShape { batch, m, n, k, a, b, c } = shape;
        assert!(m < 2 || n == 0 || c.row_stride >= n, "rows of the output overlap: {shape:?}");
        assert!(
            batch < 2 || m == 0 || n == 0 || c.batch_stride >= (m - 1) * c.row_stride + n,
            "batches of the output overlap: {shape:?}"
        );
        let is_vector = m == 1 || n == 1;
        let work = batch * m * n * k;
        let chunk_work = if is_vector { CHUNK_ELEMENTS } else { CHUNK_FLOPS / 2 };
        let wanted = (work / chunk_work).clamp(1, MOST_CHUNKS);
        let batches = Split::new(batch, wanted, 1);
        let rest = wanted / batches.parts;
        let partial_limit = most_partial / (batch * m * n).max(1);
        let (row_parts, column_parts, depth_parts);
        if is_vector {
            let length = m.max(n);
            let length_stride = if m == 1 { b.col_stride } else { a.row_stride };
            if length_stride == 1 && length > 1 {
                // Whole rows of the matrix are added up: the parts are rows.
                depth_parts = rest.min(k / 64).min(partial_limit);
                (row_parts, column_parts) = (1, 1);
            } else {
                depth_parts = (rest / length.max(1)).min(k / 4096).min(partial_limit);
                (row_parts, column_parts) = if m == 1 { (1, rest) } else { (rest, 1) };
            }
        } else {
            let deep = k >= 2048 && k >= 4 * m.max(n);
            depth_parts = if deep { rest.min(k / 256).min(partial_limit) } else { 1 };
            let rest = rest / depth_parts.max(1);
            [row_parts, column_parts] = share(m, n, rest);
        }
        let rows = Split::new(m, row_parts, if is_vector { 1 } else { 12 });
        // Few parts are as equal as they can be: a part of a panel is still a cache line of output.
        let fine = is_vector || row_parts * column_parts < EQUAL_PARTS;
        let columns = Split::new(n, column_parts, if fine { PANEL_GRAIN } else { PANEL });
        let depth = Split::new(k, depth_parts, 1);
        let rows_of_chunk = rows.longest();
        let in_place =
            b.col_stride == 1 && (b.row_stride <= PANEL || (rows_of_chunk <= 48 && k <= 512) || rows_of_chunk <= 12);
        let depth_block = if a.col_stride == 1 { 768 } else { 128 };
        Self {
            shape,
            epilogue,
            is_vector,
            batches,
            rows,
            columns,
            depth,
            depth_block,
            lines: None,
            in_place,
            packed_ahead: false,
        }
    }

    /// As [`new`](Self::new), but never with partial sums over k: without [`finish`](Self::finish) and scratch.
    ///
    /// # Panics
    /// As `new`.
    pub fn without_partial_sums(shape: GemmShape, epilogue: Epilogue) -> Self {
        Self::with_partial_limit(shape, epilogue, 0)
    }

    /// Lets [`prepare`](Self::prepare) pack B where that pays: where one matrix B serves every batch, and chunks would pack
    /// much of it, each for itself.
    #[must_use]
    pub fn packing_ahead(mut self) -> Self {
        let GemmShape { batch, n, k, b, .. } = self.shape;
        let shared = batch == 1 || b.batch_stride == 0;
        let worth = (LEAST_PACKED..=MOST_PACKED).contains(&(k * n));
        self.packed_ahead = worth && shared && !self.in_place && !self.is_vector && !self.needs_finish();
        self
    }

    /// Elements of the packed B: panels next to each other, each of `k` rows.
    pub fn prepared_elements(&self) -> usize {
        if self.packed_ahead { self.shape.k * packed_width(self.shape.n) } else { 0 }
    }

    fn packing(&self) -> Split {
        let pieces = self.shape.n.div_ceil(PANEL) * self.shape.k.div_ceil(PACKED_ROWS);
        Split::new(pieces, (self.prepared_elements() / CHUNK_ELEMENTS / 2).clamp(1, MOST_CHUNKS), 1)
    }

    /// Calls of [`prepare`](Self::prepare) that precede the first chunk; none where chunks read B itself.
    pub fn prepare_chunks(&self) -> usize {
        if self.packed_ahead { self.packing().parts } else { 0 }
    }

    /// Packs a part of B into [`prepared_elements`](Self::prepared_elements) elements.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn prepare<T: Compute>(&self, isa: Isa, chunk: usize, b: &[T], prepared: Disjoint<T>) {
        let GemmShape { n, k, b: matrix, .. } = self.shape;
        assert!(chunk < self.prepare_chunks(), "chunk {chunk} of {}", self.prepare_chunks());
        assert!(b.len() >= extent(1, k, n, matrix), "B is too short for {:?}", self.shape);
        let pieces = k.div_ceil(PACKED_ROWS);
        for piece in self.packing().range(chunk) {
            let [panel, rows] = [piece / pieces * PANEL, piece % pieces * PACKED_ROWS];
            let (columns, rows) = (panel..(panel + PANEL).min(n), rows..(rows + PACKED_ROWS).min(k));
            let stride = packed_width(columns.len());
            let start = panel * k + rows.start * stride;
            let [row_stride, column_stride] = [matrix.row_stride, matrix.col_stride];
            // SAFETY: pieces are apart; the source was checked, the destination is sliced to its size.
            unsafe {
                let to = prepared.range(start..start + rows.len() * stride).as_mut_ptr();
                let from = b.as_ptr().add(rows.start * row_stride + columns.start * column_stride);
                pack_panel(isa, from, row_stride, column_stride, rows.len(), columns.len(), to, stride);
            }
        }
    }

    /// How many parts the product is cut into.
    pub fn chunks(&self) -> usize {
        self.batches.parts * self.rows.parts * self.columns.parts * self.depth.parts
    }

    /// The rows that a chunk makes, batches one after the other, if it makes whole rows that are neighbours.
    pub fn rows_of(&self, chunk: usize) -> Option<Range<usize>> {
        let whole = self.columns.parts == 1 && self.depth.parts == 1;
        match (self.batches.parts, self.rows.parts) {
            _ if !whole => None,
            (_, 1) => {
                let batches = self.batches.range(chunk);
                Some(batches.start * self.shape.m..batches.end * self.shape.m)
            }
            _ if self.shape.batch == 1 => Some(self.rows.range(chunk)),
            _ => None,
        }
    }

    /// Bytes of scratch that all chunks share.
    pub fn scratch<T>(&self) -> usize {
        self.scratch_elements() * size_of::<T>()
    }

    fn scratch_elements(&self) -> usize {
        if self.needs_finish() { self.depth.parts * self.shape.batch * self.shape.m * self.shape.n } else { 0 }
    }

    fn needs_finish(&self) -> bool {
        self.depth.parts > 1
    }

    /// How many calls of [`finish`](Self::finish) follow the last chunk; often none.
    pub fn finish_chunks(&self) -> usize {
        if self.needs_finish() { self.finish_rows().parts } else { 0 }
    }

    fn finish_rows(&self) -> Split {
        let rows = self.shape.batch * self.shape.m;
        Split::new(rows, (self.scratch_elements() / CHUNK_ELEMENTS).clamp(1, MOST_CHUNKS), 1)
    }

    /// Computes one chunk. `b` is what [`prepare`](Self::prepare) made of B where it had chunks, else B. A bias has `n`
    /// elements, a residual is laid out like `c`; `scratch` holds [`scratch`](Self::scratch) bytes.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run<T: Compute>(
        &self,
        isa: Isa,
        chunk: usize,
        a: &[T],
        b: &[T],
        addends: Addends<T>,
        c: Disjoint<T>,
        scratch: Disjoint<T>,
    ) {
        let GemmShape { batch, m, n, k, .. } = self.shape;
        assert!(chunk < self.chunks(), "chunk {chunk} of {}", self.chunks());
        assert!(a.len() >= self.a_extent(), "A is too short for {:?}", self.shape);
        let b_elements = if self.packed_ahead { self.prepared_elements() } else { extent(batch, k, n, self.shape.b) };
        assert!(b.len() >= b_elements, "B is too short for {:?}", self.shape);
        self.check_output(&addends, c, scratch);

        let [chunk, depth] = [chunk / self.depth.parts, chunk % self.depth.parts];
        let [chunk, columns] = [chunk / self.columns.parts, chunk % self.columns.parts];
        let [batches, rows] = [chunk / self.rows.parts, chunk % self.rows.parts];
        let part = Part {
            batches: self.batches.range(batches),
            rows: self.rows.range(rows),
            columns: self.columns.range(columns),
            depth: self.depth.range(depth),
        };
        if part.batches.is_empty() || part.rows.is_empty() || part.columns.is_empty() {
            return;
        }
        let target = if self.needs_finish() {
            let size = batch * m * n;
            Target {
                // SAFETY: the scratch holds `depth.parts` results, by the check above.
                c: unsafe { scratch.as_ptr().add(depth * size) },
                layout: Output { row_stride: n, batch_stride: m * n },
                epilogue: Epilogue::default(),
                addends: Addends::default(),
            }
        } else {
            Target { c: c.as_ptr(), layout: self.shape.c, epilogue: self.epilogue, addends }
        };
        if self.is_vector {
            vector_product::run(self, isa, &part, a, b, &target);
        } else {
            // SAFETY: the extents were checked; chunks have disjoint parts of the output.
            unsafe { matrix_product::run(self, isa, &part, a, b, &target) }
        }
    }

    fn check_output<T: Compute>(&self, addends: &Addends<T>, c: Disjoint<T>, scratch: Disjoint<T>) {
        let GemmShape { batch, m, n, .. } = self.shape;
        let Output { row_stride, batch_stride } = self.shape.c;
        let extent = extent(batch, m, n, Matrix { row_stride, col_stride: 1, batch_stride });
        assert!(c.len() >= extent, "C is too short for {:?}", self.shape);
        assert!(addends.bias.is_none_or(|bias| bias.len() >= n), "the bias is too short for {:?}", self.shape);
        assert!(
            addends.residual.is_none_or(|residual| residual.len() >= extent && !self.epilogue.accumulate),
            "the residual is too short for {:?}, or the output accumulates",
            self.shape
        );
        assert!(scratch.len() >= self.scratch_elements(), "the scratch is too short for {:?}", self.shape);
    }

    /// Adds the partial sums of all chunks in order. Called for each of [`finish_chunks`](Self::finish_chunks) when all
    /// chunks are complete.
    pub fn finish<T: Compute>(
        &self,
        isa: Isa,
        chunk: usize,
        addends: Addends<T>,
        c: Disjoint<T>,
        scratch: Disjoint<T>,
    ) {
        let GemmShape { batch, m, n, .. } = self.shape;
        self.check_output(&addends, c, scratch);
        assert!(chunk < self.finish_chunks(), "chunk {chunk} of {}", self.finish_chunks());
        // A bias runs along n, also where the row of the output is a column of the product.
        for row in self.finish_rows().range(chunk) {
            let start = (row / m) * self.shape.c.batch_stride + (row % m) * self.shape.c.row_stride;
            // SAFETY: every row belongs to one chunk; the scratch is only read now.
            let (to, sums) = unsafe {
                (c.range(start..start + n), std::slice::from_raw_parts(scratch.as_ptr(), self.scratch_elements()))
            };
            match addends.residual {
                // SAFETY: as long as the output. Where it is the output, this row is unchanged.
                Some(residual) => unsafe { std::ptr::copy(residual.as_ptr().add(start), to.as_mut_ptr(), n) },
                None if self.epilogue.accumulate => {}
                None => to.fill(T::ZERO),
            }
            add(isa, to, &sums[row * n..][..n]);
            for part in 1..self.depth.parts {
                add(isa, to, &sums[part * batch * m * n + row * n..][..n]);
            }
            if let Some(bias) = addends.bias {
                add(isa, to, &bias[..n]);
            }
            if self.epilogue.activation != Activation::Linear {
                epilogue::activate_all(isa, self.epilogue.activation, to);
            }
        }
    }
}

/// What one chunk computes.
struct Part {
    batches: Range<usize>,
    rows: Range<usize>,
    columns: Range<usize>,
    depth: Range<usize>,
}

/// Where a chunk stores, and how.
struct Target<'a, T> {
    c: *mut T,
    layout: Output,
    epilogue: Epilogue,
    addends: Addends<'a, T>,
}

#[inline(always)]
fn add_body<T: Float>(to: &mut [T], from: &[T]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

for_each_isa! {
    /// `to += from`
    pub(crate) fn add<T: Float>(to: &mut [T], from: &[T]) = add_body;
}

#[cfg(test)]
pub(crate) mod tests;
