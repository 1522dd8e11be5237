//! Elements picked along one axis by an index of their own: `numpy.take_along_axis`, and the sum that is its gradient.
//!
//! Data: `x` is `[outer, size, inner]`, the indices and what is picked `[outer, count, inner]`. Indices may be any integer
//! that fits an `i64`; negative ones count from the end.
//!
//! ```text
//! take   for element (o, p, i) of the chunk                 out[o, p, i] = x[o, index[o, p, i], i]
//! add    for outer index, or tile of 64 columns of it, of the chunk
//!          out[o, :, tile] = 0
//!          for p, for i in tile                             out[o, index[o, p, i], i] += updates[o, p, i]
//! ```
//!
//! Chunks that add own their columns and go through the indices in order, so sums need no atomics and are the same bits
//! each time. Limit: memory, in the order that the indices give it.

use super::disjoint::{Disjoint, part};
use super::float::Float;
use super::gather::{IndexOutOfRange, resolve};

/// Elements of a chunk.
const CHUNK_ELEMENTS: usize = 1 << 14;
const MAX_CHUNKS: usize = 64;
/// Columns that belong to one chunk.
const TILE: usize = 64;

/// `out[o, p, i] = x[o, index[o, p, i], i]`.
#[derive(Clone, Debug)]
pub struct TakeAlong {
    outer: usize,
    size: usize,
    count: usize,
    inner: usize,
}

impl TakeAlong {
    pub fn new(outer: usize, size: usize, count: usize, inner: usize) -> Self {
        Self { outer, size, count, inner }
    }

    fn taken(&self) -> usize {
        self.outer * self.count * self.inner
    }

    pub fn chunks(&self) -> usize {
        (self.taken() / CHUNK_ELEMENTS).clamp(1, MAX_CHUNKS)
    }

    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run<T: Copy, I: Copy + Into<i64>>(
        &self,
        chunk: usize,
        x: &[T],
        indices: &[I],
        out: Disjoint<'_, T>,
    ) -> Result<(), IndexOutOfRange> {
        let Self { outer, size, count, inner } = *self;
        assert_eq!(x.len(), outer * size * inner, "input");
        assert_eq!((indices.len(), out.len()), (self.taken(), self.taken()), "indices and output");
        let own = part(self.taken(), self.chunks(), chunk, 1);
        // SAFETY: `part` gives every chunk its own elements.
        let places = unsafe { out.range(own.clone()) };
        // Runs of elements that have their outer index in common.
        let block = (count * inner).max(1);
        let mut at = own.start;
        while at < own.end {
            let o = at / block;
            let end = ((o + 1) * block).min(own.end);
            let from = &x[o * size * inner..(o + 1) * size * inner];
            let places = &mut places[at - own.start..end - own.start];
            let mut column = at % inner;
            for (step, (place, &index)) in places.iter_mut().zip(&indices[at..end]).enumerate() {
                *place = from[resolve(at + step, index, size)? * inner + column];
                column += 1;
                if column == inner {
                    column = 0;
                }
            }
            at = end;
        }
        Ok(())
    }
}

/// `out[o, index[o, p, i], i] += updates[o, p, i]`, from zeros: the gradient of [`TakeAlong`].
#[derive(Clone, Debug)]
pub struct AddAlong {
    outer: usize,
    size: usize,
    count: usize,
    inner: usize,
}

impl AddAlong {
    pub fn new(outer: usize, size: usize, count: usize, inner: usize) -> Self {
        Self { outer, size, count, inner }
    }

    fn units(&self) -> usize {
        self.outer * self.inner.div_ceil(TILE)
    }

    pub fn chunks(&self) -> usize {
        let elements = self.outer * (self.size + self.count) * self.inner;
        (elements / CHUNK_ELEMENTS).clamp(1, MAX_CHUNKS).min(self.units().max(1))
    }

    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run<T: Float, I: Copy + Into<i64>>(
        &self,
        chunk: usize,
        indices: &[I],
        updates: &[T],
        out: Disjoint<'_, T>,
    ) -> Result<(), IndexOutOfRange> {
        let Self { outer, size, count, inner } = *self;
        let given = outer * count * inner;
        assert_eq!((indices.len(), updates.len()), (given, given), "indices and updates");
        assert_eq!(out.len(), outer * size * inner, "output");
        let tiles = inner.div_ceil(TILE);
        for unit in part(self.units(), self.chunks(), chunk, 1) {
            let (o, start) = (unit / tiles, unit % tiles * TILE);
            let end = (start + TILE).min(inner);
            if inner == 1 {
                // SAFETY: units are different places of the output, and chunks have different units.
                let own = unsafe { out.range(o * size..(o + 1) * size) };
                own.fill(T::ZERO);
                for (p, (&index, &update)) in
                    indices[o * count..(o + 1) * count].iter().zip(&updates[o * count..(o + 1) * count]).enumerate()
                {
                    own[resolve(o * count + p, index, size)?] += update;
                }
                continue;
            }
            for row in o * size..(o + 1) * size {
                // SAFETY: as above.
                unsafe { out.range(row * inner + start..row * inner + end) }.fill(T::ZERO);
            }
            for p in 0..count {
                let at = (o * count + p) * inner;
                for i in start..end {
                    let place = (o * size + resolve(at + i, indices[at + i], size)?) * inner + i;
                    // SAFETY: as above; the column is the unit's own.
                    let sum = unsafe { &mut out.range(place..place + 1)[0] };
                    *sum += updates[at + i];
                }
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

    #[test]
    fn taking_and_adding_match_loops() {
        let mut random = Lcg(1);
        for [outer, size, count, inner] in [
            [1, 5, 3, 1],
            [3, 4, 9, 1],
            [2, 6, 2, 7],
            [1, 30, 40, 150],
            [300, 20, 70, 1],
            [2, 9, 300, 65],
            [1, 4, 0, 3],
            [0, 4, 2, 3],
            [2, 4, 2, 0],
            [2, 0, 0, 3],
        ] {
            let x: Vec<f64> = (0..outer * size * inner).map(|_| random.below(1000) as f64).collect();
            let given = outer * count * inner;
            let indices: Vec<i32> = (0..given).map(|_| random.below(2 * size) as i32 - size as i32).collect();
            let updates: Vec<f64> = (0..given).map(|_| random.below(1000) as f64).collect();
            let place = |at: usize| {
                let index = indices[at];
                let row = if index < 0 { index + size as i32 } else { index } as usize;
                (at / inner / count * size + row) * inner + at % inner
            };
            let take = TakeAlong::new(outer, size, count, inner);
            let mut taken = vec![-1.0; given];
            for chunk in (0..take.chunks()).rev() {
                take.run(chunk, &x, &indices, Disjoint::new(&mut taken)).unwrap();
            }
            assert!((0..given).all(|at| taken[at] == x[place(at)]), "{outer} {size} {count} {inner}");
            let add = AddAlong::new(outer, size, count, inner);
            let mut sums = vec![-1.0; x.len()];
            for chunk in (0..add.chunks()).rev() {
                add.run(chunk, &indices, &updates, Disjoint::new(&mut sums)).unwrap();
            }
            let mut wanted = vec![0.0; x.len()];
            (0..given).for_each(|at| wanted[place(at)] += updates[at]);
            assert_eq!(sums, wanted, "{outer} {size} {count} {inner}");
        }
    }

    #[test]
    fn indices_out_of_range_are_named() {
        let error = TakeAlong::new(1, 3, 2, 1).run(0, &[1, 2, 3], &[0i64, 3], Disjoint::new(&mut [0; 2])).unwrap_err();
        assert_eq!(error, IndexOutOfRange { position: 1, index: 3, size: 3 });
        let error =
            AddAlong::new(1, 3, 1, 2).run(0, &[0i64, -4], &[1f32; 2], Disjoint::new(&mut [0.0; 6])).unwrap_err();
        assert_eq!(error, IndexOutOfRange { position: 1, index: -4, size: 3 });
    }
}
