//! Order along one axis: sorted elements and their positions, the largest few, places in a sorted row.
//!
//! Elements are compared by keys (see [`Ordered`]), unsigned integers in which NaN is last and -0 equals 0. Where
//! positions are wanted, key and position are packed into one integer, so that sorting is stable and compares whole
//! registers; where only values are wanted the keys alone are sorted and turned back.
//!
//! ```text
//! Sort     for outer, tile of columns:      pack tile -> sort each column's run -> write values, positions
//! TopK     for row:                         k small: keep the best k in order while the row streams by
//!                                           else: pack the row, select the k-th, sort the k before it
//! Search   for value of the chunk:          bisect the sorted row
//! ```
//!
//! Limit: comparisons; memory for [`TopK`] of few.

mod key;
mod search;
mod top_k;

pub use key::{Ordered, Packed};
pub use search::Search;
pub use top_k::TopK;

use std::marker::PhantomData;

use super::disjoint::{Disjoint, part};
use super::workspace;

/// Elements times bits of the row's length that make a chunk.
const CHUNK_WORK: usize = 1 << 16;
const MAX_CHUNKS: usize = 64;
/// Elements of a tile of columns, about.
const TILE_ELEMENTS: usize = 1 << 14;
/// Columns that are taken together: a cache line of them.
const MAX_COLUMNS: usize = 16;

/// Rows along one axis of `[outer, length, inner]` in ascending order.
#[derive(Clone, Debug)]
pub struct Sort<T> {
    outer: usize,
    length: usize,
    inner: usize,
    columns: usize,
    units: usize,
    chunks: usize,
    element: PhantomData<T>,
}

impl<T: Ordered> Sort<T> {
    pub fn new(outer: usize, length: usize, inner: usize) -> Self {
        let columns = (TILE_ELEMENTS / length.max(1)).clamp(1, MAX_COLUMNS).min(inner.max(1));
        let units = outer * inner.div_ceil(columns);
        let work = (outer * inner).saturating_mul(length).saturating_mul(bits(length));
        let chunks = (work / CHUNK_WORK).clamp(1, MAX_CHUNKS).min(units.max(1));
        Self { outer, length, inner, columns, units, chunks, element: PhantomData }
    }

    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// Elements of the input and of each output.
    pub fn elements(&self) -> usize {
        self.outer * self.length * self.inner
    }

    /// Writes what is asked for of the chunk's rows: elements in order, and where each stood.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run(&self, chunk: usize, x: &[T], values: Option<Disjoint<'_, T>>, positions: Option<Disjoint<'_, i32>>) {
        assert_eq!(x.len(), self.elements(), "input");
        assert!(values.is_none_or(|values| values.len() == x.len()), "values");
        assert!(positions.is_none_or(|positions| positions.len() == x.len()), "positions");
        if x.is_empty() {
            return;
        }
        let tiles = self.inner.div_ceil(self.columns);
        for unit in part(self.units, self.chunks, chunk, 1) {
            let first = unit / tiles * self.length * self.inner + unit % tiles * self.columns;
            let width = self.columns.min(self.inner - unit % tiles * self.columns);
            let tile = Tile { first, width, length: self.length, stride: self.inner };
            match positions {
                Some(positions) => tile.sort_pairs(x, values, positions),
                None => {
                    if let Some(values) = values {
                        tile.sort_values(x, values);
                    }
                }
            }
        }
    }
}

/// Bits of a length, 1 at least: the depth of a sort.
fn bits(length: usize) -> usize {
    (usize::BITS - length.leading_zeros()).max(1) as usize
}

/// `width` columns of one outer index: element `(k, c)` stands at `first + k * stride + c`.
struct Tile {
    first: usize,
    width: usize,
    length: usize,
    stride: usize,
}

impl Tile {
    fn row(&self, k: usize) -> std::ops::Range<usize> {
        let start = self.first + k * self.stride;
        start..start + self.width
    }

    /// Lays every column out as a run of its own.
    fn pack<T: Copy, P>(&self, x: &[T], runs: &mut [P], mut pack: impl FnMut(T, u32) -> P) {
        for k in 0..self.length {
            for (column, &element) in x[self.row(k)].iter().enumerate() {
                runs[column * self.length + k] = pack(element, k as u32);
            }
        }
    }

    fn sort_pairs<T: Ordered>(&self, x: &[T], values: Option<Disjoint<'_, T>>, positions: Disjoint<'_, i32>) {
        workspace::with(self.width * self.length, |runs: &mut [T::Packed]| {
            self.pack(x, runs, |element, k| T::Packed::new(element.key(), k));
            runs.chunks_exact_mut(self.length).for_each(<[T::Packed]>::sort_unstable);
            for k in 0..self.length {
                // SAFETY: tiles are different places of the output, and chunks have different tiles.
                let places = unsafe { positions.range(self.row(k)) };
                for (column, place) in places.iter_mut().enumerate() {
                    *place = runs[column * self.length + k].position() as i32;
                }
                if let Some(values) = values {
                    // SAFETY: as above.
                    let sorted = unsafe { values.range(self.row(k)) };
                    for (column, (value, &place)) in sorted.iter_mut().zip(places.iter()).enumerate() {
                        *value = x[self.first + place as usize * self.stride + column];
                    }
                }
            }
        });
    }

    fn sort_values<T: Ordered>(&self, x: &[T], values: Disjoint<'_, T>) {
        workspace::with(self.width * self.length, |runs: &mut [T::Key]| {
            self.pack(x, runs, |element, _| element.exact_key());
            runs.chunks_exact_mut(self.length).for_each(<[T::Key]>::sort_unstable);
            for k in 0..self.length {
                // SAFETY: tiles are different places of the output, and chunks have different tiles.
                let sorted = unsafe { values.range(self.row(k)) };
                for (column, value) in sorted.iter_mut().enumerate() {
                    *value = T::from_exact_key(runs[column * self.length + k]);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;

    pub struct Lcg(pub u64);
    impl Lcg {
        pub fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % bound
        }
    }

    /// NumPy's order: NaN last.
    fn compare(a: f64, b: f64) -> Ordering {
        a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    }

    fn check<T: Ordered + std::fmt::Debug>(make: impl Fn(f64) -> T, double: impl Fn(T) -> f64, special: &[f64]) {
        let mut random = Lcg(5);
        for [outer, length, inner] in [
            [3, 17, 1],
            [1, 1, 5],
            [2, 100, 7],
            [1, 3000, 1],
            [4, 9, 40],
            [2, 2000, 33],
            [0, 4, 2],
            [2, 0, 2],
            [2, 3, 0],
        ] {
            let x: Vec<T> = (0..outer * length * inner)
                .map(|_| match random.below(12) {
                    0 if !special.is_empty() => make(special[random.below(special.len())]),
                    _ => make(random.below(40) as f64 - if special.is_empty() { 0.0 } else { 20.0 }),
                })
                .collect();
            let kernel = Sort::<T>::new(outer, length, inner);
            let (mut values, mut alone) = (x.clone(), x.clone());
            let mut positions = vec![-1; x.len()];
            for chunk in (0..kernel.chunks()).rev() {
                kernel.run(chunk, &x, Some(Disjoint::new(&mut values)), Some(Disjoint::new(&mut positions)));
                kernel.run(chunk, &x, Some(Disjoint::new(&mut alone)), None);
            }
            for o in 0..outer {
                for i in 0..inner {
                    let at = |k: usize| (o * length + k) * inner + i;
                    let mut order: Vec<usize> = (0..length).collect();
                    order.sort_by(|&a, &b| compare(double(x[at(a)]), double(x[at(b)])));
                    for (k, &from) in order.iter().enumerate() {
                        assert_eq!(positions[at(k)] as usize, from, "{outer} {length} {inner}");
                        let wanted = double(x[at(from)]);
                        for got in [double(values[at(k)]), double(alone[at(k)])] {
                            assert!(got == wanted || (got.is_nan() && wanted.is_nan()), "{got} {wanted}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rows_are_in_order_and_equals_keep_theirs() {
        let special = [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0];
        check(|x| x as f32, f64::from, &special);
        check(|x| x, |x| x, &special);
        check(half::f16::from_f64, f64::from, &special);
        check(half::bf16::from_f64, f64::from, &special);
        check(|x| x as i8, f64::from, &[-128.0, 127.0]);
        check(|x| x as i16, f64::from, &[-32768.0]);
        check(|x| x as i32, f64::from, &[f64::from(i32::MIN), f64::from(i32::MAX)]);
        check(|x| x as i64, |x| x as f64, &[-1e15]);
        check(|x| x as u8, f64::from, &[]);
        check(|x| x as u16, f64::from, &[]);
        check(|x| x as u32, f64::from, &[]);
        check(|x| x as u64, |x| x as f64, &[]);
    }
}
