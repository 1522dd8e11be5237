//! Rows picked by index: taking, scattering, one-hot rows.
//!
//! Every kernel here sees `[outer, size, inner]`: rows of `inner` elements, `size` of them along the indexed axis. Indices
//! may be any integer that fits an `i64`; negative ones count from the end, as in `NumPy`.
//!
//! ```text
//! take          for (o, position) of the chunk          out[o, position, :] = x[o, index[position], :]
//! scatter_add   for (o, position)                       out[o, index[position], own columns] += updates[o, position, ..]
//! scatter_rows  the same with `=`, in order, so the last of several wins
//! one_hot       for (o, i) of the chunk                 out[o, :, i] = off; out[o, index[o, i], i] = on
//! ```
//!
//! Scattering chunks own columns, and rows where columns are few, never positions: every chunk goes through the indices
//! in order, so sums need no atomics and are the same bits each time. It first collects a batch of the rows that are its own,
//! without a branch, then moves them and fetches those to come, which no hardware could guess. Limit: memory; for scatters
//! into few columns, the scan of the indices.

use std::fmt;

use crate::cpu::disjoint::{Disjoint, part};
use crate::cpu::float::Float;
use crate::cpu::simd::{Isa, prefetch};
use crate::for_each_isa;

/// Bytes that make a chunk worth handing to another thread.
const CHUNK_BYTES: usize = 1 << 15;
const MAX_CHUNKS: usize = 64;
/// A scattering chunk owns at least this many bytes of every row, where it has so many: whole cache lines.
const COLUMN_BYTES: usize = 256;
const MAX_COLUMN_PARTS: usize = 8;
const MAX_ROW_PARTS: usize = 8;
/// Indices that a scattering chunk looks through before it moves the rows among them that are its own.
const BATCH: usize = 256;
/// Moves ahead whose rows are fetched.
const AHEAD: usize = 6;

/// An index that points outside of its axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexOutOfRange {
    /// Where it stands among the indices.
    pub position: usize,
    pub index: i64,
    /// The axis' length.
    pub size: usize,
}

impl fmt::Display for IndexOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, index, size } = self;
        write!(f, "index {index} at position {position} is out of range for an axis of size {size}")
    }
}
impl std::error::Error for IndexOutOfRange {}

/// `index` as a row number; negative ones count from the end.
#[inline(always)]
pub(super) fn resolve<I: Copy + Into<i64>>(position: usize, index: I, size: usize) -> Result<usize, IndexOutOfRange> {
    let index = index.into();
    let wrapped = if index < 0 { index + size as i64 } else { index };
    if wrapped >= 0 && (wrapped as usize) < size {
        Ok(wrapped as usize)
    } else {
        Err(IndexOutOfRange { position, index, size })
    }
}

/// The first index that is out of range, as an error. Kernels check too; this is for a look before anything is written.
pub fn check_indices<I: Copy + Into<i64>>(indices: &[I], size: usize) -> Result<(), IndexOutOfRange> {
    indices.iter().enumerate().try_for_each(|(position, &index)| resolve(position, index, size).map(|_| ()))
}

/// `out[outer, count, inner] = x[outer, indices[count], inner]`, for rows of any element type: `numpy.take` along an axis,
/// embedding lookup, and (with `outer` 1) gathering a batch from a data source.
#[derive(Clone, Debug)]
pub struct Take {
    outer: usize,
    size: usize,
    count: usize,
    row_bytes: usize,
}

impl Take {
    /// `row_bytes` is the product of the extents behind the axis times the element size.
    pub fn new(outer: usize, size: usize, count: usize, row_bytes: usize) -> Self {
        Self { outer, size, count, row_bytes }
    }

    pub fn chunks(&self) -> usize {
        let rows = self.outer * self.count;
        (rows * self.row_bytes / CHUNK_BYTES).clamp(1, MAX_CHUNKS).min(rows.max(1))
    }

    pub fn run<I: Copy + Into<i64>>(
        &self,
        chunk: usize,
        x: &[u8],
        indices: &[I],
        out: Disjoint<'_, u8>,
    ) -> Result<(), IndexOutOfRange> {
        let Self { outer, size, count, row_bytes } = *self;
        assert_eq!(x.len(), outer * size * row_bytes, "bytes of the input");
        assert_eq!(indices.len(), count, "indices");
        assert_eq!(out.len(), outer * count * row_bytes, "bytes of the output");
        if count == 0 {
            return Ok(());
        }
        let rows = part(outer * count, self.chunks(), chunk, 1);
        // SAFETY: `part` gives every chunk its own rows.
        let own = unsafe { out.range(rows.start * row_bytes..rows.end * row_bytes) };
        match row_bytes {
            1 => take_elements::<1, I>(rows, size, x, indices, own),
            2 => take_elements::<2, I>(rows, size, x, indices, own),
            4 => take_elements::<4, I>(rows, size, x, indices, own),
            8 => take_elements::<8, I>(rows, size, x, indices, own),
            _ => {
                let (mut o, mut position) = (rows.start / count, rows.start % count);
                for at in 0..rows.len() {
                    // Which row is next no hardware could guess.
                    if let Some(&next) = indices.get(position + AHEAD) {
                        let next = next.into();
                        let row = (o * size) as i64 + if next < 0 { next + size as i64 } else { next };
                        prefetch(x.as_ptr().wrapping_offset((row * row_bytes as i64) as isize), row_bytes);
                    }
                    let from = (o * size + resolve(position, indices[position], size)?) * row_bytes;
                    own[at * row_bytes..(at + 1) * row_bytes].copy_from_slice(&x[from..from + row_bytes]);
                    position += 1;
                    if position == count {
                        (o, position) = (o + 1, 0);
                    }
                }
                Ok(())
            }
        }
    }
}

/// Rows of one element.
fn take_elements<const BYTES: usize, I: Copy + Into<i64>>(
    rows: std::ops::Range<usize>,
    size: usize,
    x: &[u8],
    indices: &[I],
    own: &mut [u8],
) -> Result<(), IndexOutOfRange> {
    let (x, _) = x.as_chunks::<BYTES>();
    let (own, _) = own.as_chunks_mut::<BYTES>();
    for (row, own) in rows.zip(own) {
        let (o, position) = (row / indices.len(), row % indices.len());
        *own = x[o * size + resolve(position, indices[position], size)?];
    }
    Ok(())
}

/// Which rows and columns of `[outer, size, inner]` a scattering chunk owns.
#[derive(Clone, Debug)]
pub(super) struct Scatter {
    outer: usize,
    size: usize,
    count: usize,
    inner: usize,
    column_parts: usize,
    column_grain: usize,
    /// Parts of the rows of all `outer` together.
    row_parts: usize,
}

/// What one chunk owns.
pub(super) struct Own {
    pub(super) rows: std::ops::Range<usize>,
    pub(super) columns: std::ops::Range<usize>,
}

impl Scatter {
    pub(super) fn new(outer: usize, size: usize, count: usize, inner: usize, element_size: usize) -> Self {
        let bytes = outer * (size + 2 * count) * inner * element_size;
        let wanted = (bytes / CHUNK_BYTES).clamp(1, MAX_COLUMN_PARTS * MAX_ROW_PARTS);
        let column_parts = (inner * element_size / COLUMN_BYTES).clamp(1, MAX_COLUMN_PARTS.min(wanted));
        let row_parts = wanted.div_ceil(column_parts).min(MAX_ROW_PARTS).min(outer * size).max(1);
        // Where columns already make enough chunks, another scan of the indices would only cost.
        let row_parts = if column_parts >= MAX_COLUMN_PARTS { 1 } else { row_parts };
        let column_grain = (64 / element_size).max(1);
        Self { outer, size, count, inner, column_parts, column_grain, row_parts }
    }

    pub(super) fn chunks(&self) -> usize {
        self.column_parts * self.row_parts
    }

    pub(super) fn own(&self, chunk: usize) -> Own {
        Own {
            rows: part(self.outer * self.size, self.row_parts, chunk / self.column_parts, 1),
            columns: part(self.inner, self.column_parts, chunk % self.column_parts, self.column_grain),
        }
    }

    /// Calls `visit` with batches of moves to rows that are `own`, in the order of the indices.
    #[inline(always)]
    fn visit<I: Copy + Into<i64>>(
        &self,
        own: &Own,
        indices: &[I],
        mut visit: impl FnMut(&[Move]),
    ) -> Result<(), IndexOutOfRange> {
        assert_eq!(indices.len(), self.count, "indices");
        let mut moves = [Move::default(); BATCH];
        for o in 0..self.outer {
            let first = o * self.size;
            if first >= own.rows.end || first + self.size <= own.rows.start {
                continue;
            }
            for (batch, indices) in indices.chunks(BATCH).enumerate() {
                let mut count = 0;
                for (at, &index) in indices.iter().enumerate() {
                    let position = batch * BATCH + at;
                    let row = first + resolve(position, index, self.size)?;
                    moves[count] = Move { row, update: o * self.count + position };
                    count += usize::from(own.rows.contains(&row));
                }
                visit(&moves[..count]);
            }
        }
        // A chunk without rows still reports what its siblings do.
        if self.size == 0 { check_indices(indices, self.size) } else { Ok(()) }
    }
}

/// An update and the row of the output that it goes to.
#[derive(Clone, Copy, Default)]
struct Move {
    row: usize,
    update: usize,
}

/// `out[outer, size, inner] (+)= sum over positions of updates[outer, position, inner]` at each position's index: the
/// gradient of [`Take`], in the order of the positions.
#[derive(Clone, Debug)]
pub struct ScatterAdd {
    geometry: Scatter,
    zero_first: bool,
}

impl ScatterAdd {
    /// `zero_first` starts from zeros; otherwise the sums are added to what `out` holds.
    pub fn new(outer: usize, size: usize, count: usize, inner: usize, zero_first: bool) -> Self {
        Self { geometry: Scatter::new(outer, size, count, inner, size_of::<f32>()), zero_first }
    }

    pub fn chunks(&self) -> usize {
        self.geometry.chunks()
    }

    pub fn run<T: Float, I: Copy + Into<i64>>(
        &self,
        isa: Isa,
        chunk: usize,
        indices: &[I],
        updates: &[T],
        out: Disjoint<'_, T>,
    ) -> Result<(), IndexOutOfRange> {
        let Scatter { outer, size, count, inner, .. } = self.geometry;
        assert_eq!(updates.len(), outer * count * inner, "updates");
        assert_eq!(out.len(), outer * size * inner, "output");
        let own = self.geometry.own(chunk);
        let part_of = |row: usize| row * inner + own.columns.start..row * inner + own.columns.end;
        if self.zero_first {
            if own.columns.len() == inner {
                // SAFETY: whole rows that are this chunk's own.
                unsafe { out.range(own.rows.start * inner..own.rows.end * inner) }.fill(T::ZERO);
            } else {
                for row in own.rows.clone() {
                    // SAFETY: rows and columns of one chunk are no other's.
                    unsafe { out.range(part_of(row)) }.fill(T::ZERO);
                }
            }
        }
        self.geometry.visit(&own, indices, |moves| add_rows(isa, moves, inner, &own, updates, out))
    }
}

for_each_isa! {
    fn add_rows<T: Float>(moves: &[Move], inner: usize, own: &Own, updates: &[T], out: Disjoint<'_, T>) = add_rows_body;
}

#[inline(always)]
fn add_rows_body<T: Float>(moves: &[Move], inner: usize, own: &Own, updates: &[T], out: Disjoint<'_, T>) {
    let columns = &own.columns;
    for (at, &Move { row, update }) in moves.iter().enumerate() {
        if let Some(next) = moves.get(at + AHEAD) {
            prefetch(out.as_ptr().wrapping_add(next.row * inner + columns.start), columns.len());
            prefetch(updates.as_ptr().wrapping_add(next.update * inner + columns.start), columns.len());
        }
        let part_of = |row: usize| row * inner + columns.start..row * inner + columns.end;
        // SAFETY: rows and columns of one chunk are no other's, and no other reference to this part lives now.
        let to = unsafe { out.range(part_of(row)) };
        for (to, &update) in to.iter_mut().zip(&updates[part_of(update)]) {
            *to += update;
        }
    }
}

/// `out[outer, indices[position], inner] = updates[outer, position, inner]`; of several updates of one row the last stays.
/// Rows that no index names keep what they hold.
#[derive(Clone, Debug)]
pub struct ScatterRows {
    geometry: Scatter,
}

impl ScatterRows {
    /// `row_bytes` is the product of the extents behind the axis times the element size.
    pub fn new(outer: usize, size: usize, count: usize, row_bytes: usize) -> Self {
        Self { geometry: Scatter::new(outer, size, count, row_bytes, 1) }
    }

    pub fn chunks(&self) -> usize {
        self.geometry.chunks()
    }

    pub fn run<I: Copy + Into<i64>>(
        &self,
        chunk: usize,
        indices: &[I],
        updates: &[u8],
        out: Disjoint<'_, u8>,
    ) -> Result<(), IndexOutOfRange> {
        let Scatter { outer, size, count, inner, .. } = self.geometry;
        assert_eq!(updates.len(), outer * count * inner, "bytes of the updates");
        assert_eq!(out.len(), outer * size * inner, "bytes of the output");
        let own = self.geometry.own(chunk);
        let part_of = |row: usize| row * inner + own.columns.start..row * inner + own.columns.end;
        self.geometry.visit(&own, indices, |moves| {
            for &Move { row, update } in moves {
                // SAFETY: rows and columns of one chunk are no other's, and no other reference to them lives now.
                unsafe { out.range(part_of(row)) }.copy_from_slice(&updates[part_of(update)]);
            }
        })
    }
}

/// `out[outer, indices[outer, inner], inner] = on`, `off` elsewhere. As in Keras, an index outside of [0, depth) gives a row
/// of `off`.
#[derive(Clone, Debug)]
pub struct OneHot {
    outer: usize,
    depth: usize,
    inner: usize,
}

impl OneHot {
    /// The indices are `[outer, inner]`; the new axis of `depth` goes between.
    pub fn new(outer: usize, depth: usize, inner: usize) -> Self {
        Self { outer, depth, inner }
    }

    pub fn chunks(&self) -> usize {
        (self.outer * self.depth * self.inner * 4 / CHUNK_BYTES).clamp(1, MAX_CHUNKS).min(self.outer.max(1))
    }

    pub fn run<T: Copy, I: Copy + Into<i64>>(&self, chunk: usize, indices: &[I], on: T, off: T, out: Disjoint<'_, T>) {
        let Self { outer, depth, inner } = *self;
        assert_eq!(indices.len(), outer * inner, "indices");
        assert_eq!(out.len(), outer * depth * inner, "output");
        let rows = part(outer, self.chunks(), chunk, 1);
        let block = depth * inner;
        // SAFETY: `part` gives every chunk its own rows.
        let own = unsafe { out.range(rows.start * block..rows.end * block) };
        own.fill(off);
        for (at, &index) in indices[rows.start * inner..rows.end * inner].iter().enumerate() {
            let index = index.into();
            if index >= 0 && (index as usize) < depth {
                own[at / inner * block + index as usize * inner + at % inner] = on;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) as usize) % limit
        }
        fn indices(&mut self, count: usize, size: usize) -> Vec<i64> {
            (0..count).map(|_| self.below(2 * size) as i64 - size as i64).collect()
        }
        fn floats(&mut self, count: usize) -> Vec<f64> {
            (0..count).map(|_| self.below(2000) as f64 / 1000.0 - 1.0).collect()
        }
        fn order(&mut self, count: usize) -> Vec<usize> {
            let mut order: Vec<usize> = (0..count).collect();
            for index in (1..count).rev() {
                order.swap(index, self.below(index + 1));
            }
            order
        }
    }

    fn row(index: i64, size: usize) -> usize {
        if index < 0 { (index + size as i64) as usize } else { index as usize }
    }

    /// outer, size, count, inner
    const GEOMETRIES: [[usize; 4]; 12] = [
        [1, 10, 7, 3],
        [3, 5, 4, 1],
        [2, 6, 9, 8],
        [1, 500, 300, 128],
        [4, 50, 70, 33],
        [1, 3, 5000, 4],
        [1, 30_000, 40, 2],
        [1, 7, 0, 3],
        [0, 7, 2, 3],
        [2, 7, 2, 0],
        [1, 40, 2000, 300],
        [1, 0, 0, 5],
    ];

    #[test]
    fn take_matches_loops() {
        let mut numbers = Numbers(1);
        for (case, [outer, size, count, inner]) in GEOMETRIES.into_iter().enumerate() {
            let element = [1, 2, 4, 8][case % 4];
            let row_bytes = inner * element;
            let x: Vec<u8> = (0..outer * size * row_bytes).map(|_| numbers.below(256) as u8).collect();
            let indices = if size == 0 { vec![] } else { numbers.indices(count, size) };
            let mut expected = Vec::new();
            for o in 0..outer {
                for &index in &indices {
                    let from = (o * size + row(index, size)) * row_bytes;
                    expected.extend_from_slice(&x[from..from + row_bytes]);
                }
            }
            let kernel = Take::new(outer, size, count, row_bytes);
            let mut out = vec![0; outer * count * row_bytes];
            let part = Disjoint::new(&mut out);
            for chunk in numbers.order(kernel.chunks()) {
                kernel.run(chunk, &x, &indices, part).unwrap();
            }
            assert_eq!(out, expected);
            let small: Vec<i32> = indices.iter().map(|&i| i as i32).collect();
            out.fill(0);
            let part = Disjoint::new(&mut out);
            for chunk in numbers.order(kernel.chunks()) {
                kernel.run(chunk, &x, &small, part).unwrap();
            }
            assert_eq!(out, expected);
        }
    }

    fn scatter_add_matches<T: Float>(isa: Isa) {
        let mut numbers = Numbers(2);
        for (case, [outer, size, count, inner]) in GEOMETRIES.into_iter().enumerate() {
            let zero_first = case % 2 == 0;
            let indices = if size == 0 { vec![] } else { numbers.indices(count, size) };
            let updates: Vec<T> = numbers.floats(outer * count * inner).into_iter().map(T::from_f64).collect();
            let before: Vec<T> = numbers.floats(outer * size * inner).into_iter().map(T::from_f64).collect();
            let mut expected = if zero_first { vec![T::ZERO; before.len()] } else { before.clone() };
            for o in 0..outer {
                for (position, &index) in indices.iter().enumerate() {
                    for i in 0..inner {
                        expected[(o * size + row(index, size)) * inner + i] +=
                            updates[(o * count + position) * inner + i];
                    }
                }
            }
            let kernel = ScatterAdd::new(outer, size, count, inner, zero_first);
            let mut out = before;
            let part = Disjoint::new(&mut out);
            for chunk in numbers.order(kernel.chunks()) {
                kernel.run(isa, chunk, &indices, &updates, part).unwrap();
            }
            assert!(out == expected, "{outer} {size} {count} {inner}");
        }
    }

    #[test]
    fn scatter_add_matches_loops_bit_for_bit() {
        for isa in Isa::available() {
            scatter_add_matches::<f32>(isa);
            scatter_add_matches::<f64>(isa);
        }
    }

    #[test]
    fn scatter_rows_keeps_the_last() {
        let mut numbers = Numbers(3);
        for [outer, size, count, inner] in GEOMETRIES {
            let indices = if size == 0 { vec![] } else { numbers.indices(count, size) };
            let updates: Vec<u8> = (0..outer * count * inner).map(|_| numbers.below(256) as u8).collect();
            let mut out = vec![7; outer * size * inner];
            let mut expected = out.clone();
            for o in 0..outer {
                for (position, &index) in indices.iter().enumerate() {
                    let to = (o * size + row(index, size)) * inner;
                    let from = (o * count + position) * inner;
                    expected[to..to + inner].copy_from_slice(&updates[from..from + inner]);
                }
            }
            let kernel = ScatterRows::new(outer, size, count, inner);
            let part = Disjoint::new(&mut out);
            for chunk in numbers.order(kernel.chunks()) {
                kernel.run(chunk, &indices, &updates, part).unwrap();
            }
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn one_hot_matches_loops() {
        let mut numbers = Numbers(4);
        for [outer, depth, inner] in [[5, 4, 1], [1, 3, 6], [3, 7, 2], [0, 3, 1], [4, 0, 2], [3, 3, 0], [3000, 40, 1]] {
            let indices: Vec<i32> = (0..outer * inner).map(|_| numbers.below(depth + 4) as i32 - 2).collect();
            let kernel = OneHot::new(outer, depth, inner);
            let mut out = vec![9.0_f32; outer * depth * inner];
            let part = Disjoint::new(&mut out);
            for chunk in numbers.order(kernel.chunks()) {
                kernel.run(chunk, &indices, 1.0, 0.0, part);
            }
            for (at, &value) in out.iter().enumerate() {
                let (o, d, i) = (at / (depth * inner), at / inner % depth, at % inner);
                assert_eq!(value, f32::from(indices[o * inner + i] == d as i32));
            }
        }
    }

    #[test]
    fn bad_indices_are_named() {
        let wrong = IndexOutOfRange { position: 2, index: 5, size: 4 };
        assert_eq!(wrong.to_string(), "index 5 at position 2 is out of range for an axis of size 4");
        let indices = [0_i64, -4, 5, 1];
        assert_eq!(check_indices(&indices, 4), Err(wrong));
        assert_eq!(check_indices(&[-5_i64], 4), Err(IndexOutOfRange { position: 0, index: -5, size: 4 }));
        assert_eq!(check_indices(&[i64::MIN], 4), Err(IndexOutOfRange { position: 0, index: i64::MIN, size: 4 }));
        for row_bytes in [1, 3] {
            let mut out = vec![0; 4 * row_bytes];
            let kernel = Take::new(1, 4, 4, row_bytes);
            let result = kernel.run(0, &vec![0; 4 * row_bytes], &indices, Disjoint::new(&mut out));
            assert_eq!(result, Err(wrong));
        }
        let mut out = [0.0_f32; 8];
        let kernel = ScatterAdd::new(1, 4, 4, 2, true);
        assert_eq!(kernel.run(Isa::Scalar, 0, &indices, &[0.0; 8], Disjoint::new(&mut out)), Err(wrong));
        let mut out = [0; 8];
        let kernel = ScatterRows::new(1, 4, 4, 2);
        assert_eq!(kernel.run(0, &indices, &[0; 8], Disjoint::new(&mut out)), Err(wrong));
        let kernel = Take::new(1, 0, 1, 1);
        let result = kernel.run(0, &[], &[0_i64], Disjoint::new(&mut [0]));
        assert_eq!(result, Err(IndexOutOfRange { position: 0, index: 0, size: 0 }));
    }
}
