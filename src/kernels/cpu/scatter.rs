//! Rows picked and changed by places of several axes.
//!
//! An index is `depth` numbers, one for each of the leading axes of an array; it names the block of `inner` elements that
//! the other axes make. Indices may be any integer that fits an `i64`.
//!
//! ```text
//! gather   for position of the chunk                out[position, :] = x[index[position], :]
//! scatter  out = x in the chunk's rows and columns
//!          for position                             out[index[position], own columns] (=, +=, max, ..) updates[position, ..]
//! ```
//!
//! Scattering chunks own columns, and rows where columns are few, never positions: every chunk goes through the indices
//! in order, so sums need no atomics and are the same bits each time. Limit: memory; for scatters into few columns, the
//! scan of the indices.

use super::disjoint::{Disjoint, part};
use super::elementwise::scalar::Number;
use super::gather::{IndexOutOfRange, Scatter as Geometry};

const CHUNK_BYTES: usize = 1 << 15;
const MAX_CHUNKS: usize = 64;

/// What an index outside of the array does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outside {
    /// Negative numbers count from the end; what is out of range then is an error.
    Refuse,
    /// Negative numbers and those out of range name nothing: gathering gives zeros, scattering skips them.
    Drop,
}

/// The axes that indices name, and what is outside of them.
#[derive(Clone, Debug)]
pub struct Places {
    sizes: Vec<usize>,
    outside: Outside,
}

impl Places {
    pub fn new(sizes: &[usize], outside: Outside) -> Self {
        Self { sizes: sizes.to_vec(), outside }
    }

    fn rows(&self) -> usize {
        self.sizes.iter().product()
    }

    /// The row that the index at `position` names, if it names one.
    #[inline(always)]
    fn row<I: Copy + Into<i64>>(&self, position: usize, indices: &[I]) -> Result<Option<usize>, IndexOutOfRange> {
        let depth = self.sizes.len();
        let mut row = 0;
        for (axis, &size) in self.sizes.iter().enumerate() {
            let index = indices[position * depth + axis].into();
            let wrapped = if index < 0 && self.outside == Outside::Refuse { index + size as i64 } else { index };
            if wrapped < 0 || wrapped as usize >= size {
                return match self.outside {
                    Outside::Refuse => Err(IndexOutOfRange { position: position * depth + axis, index, size }),
                    Outside::Drop => Ok(None),
                };
            }
            row = row * size + wrapped as usize;
        }
        Ok(Some(row))
    }
}

/// `out[position, :] = x[index[position], :]`.
#[derive(Clone, Debug)]
pub struct GatherPlaces {
    places: Places,
    count: usize,
    row_bytes: usize,
}

impl GatherPlaces {
    /// `row_bytes` is the product of the extents behind the indexed axes times the element size.
    pub fn new(places: Places, count: usize, row_bytes: usize) -> Self {
        Self { places, count, row_bytes }
    }

    pub fn chunks(&self) -> usize {
        (self.count * self.row_bytes.max(8) / CHUNK_BYTES).clamp(1, MAX_CHUNKS).min(self.count.max(1))
    }

    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run<I: Copy + Into<i64>>(
        &self,
        chunk: usize,
        x: &[u8],
        indices: &[I],
        out: Disjoint<'_, u8>,
    ) -> Result<(), IndexOutOfRange> {
        let bytes = self.row_bytes;
        assert_eq!(x.len(), self.places.rows() * bytes, "bytes of the input");
        assert_eq!(indices.len(), self.count * self.places.sizes.len(), "indices");
        assert_eq!(out.len(), self.count * bytes, "bytes of the output");
        for position in part(self.count, self.chunks(), chunk, 1) {
            // SAFETY: positions of one chunk are no other's.
            let own = unsafe { out.range(position * bytes..(position + 1) * bytes) };
            match self.places.row(position, indices)? {
                Some(row) => own.copy_from_slice(&x[row * bytes..(row + 1) * bytes]),
                None => own.fill(0),
            }
        }
        Ok(())
    }
}

/// What an update does to what is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Combine {
    Add,
    /// NaN if either is.
    Max,
    Min,
    Mul,
}

/// `out = x`, then for every position in order `out[index[position], :] (=, +=, max, ..) updates[position, :]`.
#[derive(Clone, Debug)]
pub struct ScatterPlaces {
    places: Places,
    count: usize,
    inner: usize,
    geometry: Geometry,
}

impl ScatterPlaces {
    pub fn new(places: Places, count: usize, inner: usize, element_size: usize) -> Self {
        let geometry = Geometry::new(1, places.rows(), count, inner, element_size);
        Self { places, count, inner, geometry }
    }

    pub fn chunks(&self) -> usize {
        self.geometry.chunks()
    }

    /// The last update of a place stays.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn set<T: Copy, I: Copy + Into<i64>>(
        &self,
        chunk: usize,
        x: &[T],
        indices: &[I],
        updates: &[T],
        out: Disjoint<'_, T>,
    ) -> Result<(), IndexOutOfRange> {
        self.visit(chunk, x, indices, updates, out, <[T]>::copy_from_slice)
    }

    /// Updates and what is there are combined; integers wrap around.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn combine<T: Number, I: Copy + Into<i64>>(
        &self,
        rule: Combine,
        chunk: usize,
        x: &[T],
        indices: &[I],
        updates: &[T],
        out: Disjoint<'_, T>,
    ) -> Result<(), IndexOutOfRange> {
        self.visit(chunk, x, indices, updates, out, |to, updates| {
            let pairs = to.iter_mut().zip(updates);
            match rule {
                Combine::Add => pairs.for_each(|(to, &update)| *to = to.add(update)),
                Combine::Max => pairs.for_each(|(to, &update)| *to = to.maximum(update)),
                Combine::Min => pairs.for_each(|(to, &update)| *to = to.minimum(update)),
                Combine::Mul => pairs.for_each(|(to, &update)| *to = to.multiply(update)),
            }
        })
    }

    /// Copies `x`, then calls `change(own columns of a place, those of its update)` in the order of the indices.
    #[inline(always)]
    fn visit<T: Copy, I: Copy + Into<i64>>(
        &self,
        chunk: usize,
        x: &[T],
        indices: &[I],
        updates: &[T],
        out: Disjoint<'_, T>,
        change: impl Fn(&mut [T], &[T]),
    ) -> Result<(), IndexOutOfRange> {
        let Self { places, count, inner, geometry } = self;
        let elements = places.rows() * inner;
        assert_eq!((x.len(), out.len()), (elements, elements), "elements");
        assert_eq!((indices.len(), updates.len()), (count * places.sizes.len(), count * inner), "indices and updates");
        let own = geometry.own(chunk);
        let part_of = |row: usize| row * inner + own.columns.start..row * inner + own.columns.end;
        if own.columns.len() == *inner {
            let all = own.rows.start * inner..own.rows.end * inner;
            // SAFETY: whole rows that are this chunk's own.
            unsafe { out.range(all.clone()) }.copy_from_slice(&x[all]);
        } else {
            for row in own.rows.clone() {
                // SAFETY: rows and columns of one chunk are no other's.
                unsafe { out.range(part_of(row)) }.copy_from_slice(&x[part_of(row)]);
            }
        }
        for position in 0..*count {
            let Some(row) = places.row(position, indices)? else { continue };
            if own.rows.contains(&row) {
                // SAFETY: as above; no other reference to this part lives now.
                change(unsafe { out.range(part_of(row)) }, &updates[part_of(position)]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lcg(u64);
    impl Lcg {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % bound
        }
    }

    type Rule = fn(u32, u32) -> u32;

    #[test]
    fn gathering_and_scattering_match_loops() {
        let mut random = Lcg(4);
        for (sizes, count, inner) in [
            (&[5][..], 9, 3),
            (&[3, 4], 20, 1),
            (&[2, 3, 4], 7, 5),
            (&[40, 30], 5000, 1),
            (&[6], 400, 700),
            (&[], 3, 4),
            (&[4], 0, 3),
            (&[2, 3], 4, 0),
            (&[0, 3], 0, 2),
        ] {
            for outside in [Outside::Refuse, Outside::Drop] {
                let rows: usize = sizes.iter().product();
                let mut indices: Vec<i64> = Vec::new();
                let mut wanted: Vec<Option<usize>> = Vec::new();
                for _ in 0..count {
                    let mut row = Some(0);
                    for &size in sizes {
                        let index = if outside == Outside::Drop {
                            random.below(size + 2) as i64 - 1
                        } else {
                            random.below(2 * size) as i64 - size as i64
                        };
                        indices.push(index);
                        let wrapped = if outside == Outside::Refuse { index.rem_euclid(size as i64) } else { index };
                        let inside = (0..size as i64).contains(&wrapped);
                        row = row.filter(|_| inside).map(|row| row * size + wrapped as usize);
                    }
                    wanted.push(row);
                }
                let x: Vec<u32> = (0..rows * inner).map(|_| random.below(1000) as u32).collect();
                let updates: Vec<u32> = (0..count * inner).map(|_| random.below(1000) as u32).collect();
                let bytes = |x: &[u32]| -> Vec<u8> { x.iter().flat_map(|x| x.to_ne_bytes()).collect() };

                let gather = GatherPlaces::new(Places::new(sizes, outside), count, 4 * inner);
                let mut out = vec![7; count * inner * 4];
                for chunk in (0..gather.chunks()).rev() {
                    gather.run(chunk, &bytes(&x), &indices, Disjoint::new(&mut out)).unwrap();
                }
                let naive: Vec<u32> = wanted
                    .iter()
                    .flat_map(|row| (0..inner).map(move |i| (row, i)))
                    .map(|(row, i)| row.map_or(0, |row| x[row * inner + i]))
                    .collect();
                assert_eq!(out, bytes(&naive), "{sizes:?} {count} {inner}");

                let rules: [(Option<Combine>, Rule); 5] = [
                    (None, |_, new| new),
                    (Some(Combine::Add), u32::wrapping_add),
                    (Some(Combine::Max), std::cmp::max),
                    (Some(Combine::Min), std::cmp::min),
                    (Some(Combine::Mul), u32::wrapping_mul),
                ];
                for (combine, rule) in rules {
                    let scatter = ScatterPlaces::new(Places::new(sizes, outside), count, inner, 4);
                    let mut out = vec![0; x.len()];
                    for chunk in (0..scatter.chunks()).rev() {
                        let to = Disjoint::new(&mut out);
                        match combine {
                            None => scatter.set(chunk, &x, &indices, &updates, to),
                            Some(combine) => scatter.combine(combine, chunk, &x, &indices, &updates, to),
                        }
                        .unwrap();
                    }
                    let mut naive = x.clone();
                    for (position, row) in wanted.iter().enumerate() {
                        for i in 0..inner {
                            if let Some(row) = row {
                                naive[row * inner + i] = rule(naive[row * inner + i], updates[position * inner + i]);
                            }
                        }
                    }
                    assert_eq!(out, naive, "{sizes:?} {count} {inner}");
                }
            }
        }
    }

    #[test]
    fn places_out_of_range_are_named() {
        let gather = GatherPlaces::new(Places::new(&[2, 3], Outside::Refuse), 2, 1);
        let error = gather.run(0, &[0; 6], &[1i32, -3, 0, 3], Disjoint::new(&mut [0; 2])).unwrap_err();
        assert_eq!(error, IndexOutOfRange { position: 3, index: 3, size: 3 });
    }
}
