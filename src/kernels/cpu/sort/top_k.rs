//! The largest elements of each row.

use std::marker::PhantomData;

use super::super::disjoint::{Disjoint, part};
use super::super::workspace;
use super::{MAX_CHUNKS, Ordered, Packed};

/// Up to this many are kept in order while the row streams by.
const STREAMED: usize = 32;
/// Elements that make a chunk.
const CHUNK_ELEMENTS: usize = 1 << 15;

/// The `k` largest of every row of `[rows, length]`, largest first (a NaN is the largest, 0 is above -0); of equals the
/// first in the row comes first.
#[derive(Clone, Debug)]
pub struct TopK<T> {
    rows: usize,
    length: usize,
    k: usize,
    chunks: usize,
    element: PhantomData<T>,
}

impl<T: Ordered> TopK<T> {
    /// # Panics
    /// When a row has fewer than `k` elements.
    pub fn new(rows: usize, length: usize, k: usize) -> Self {
        assert!(k <= length, "the {k} largest of {length}");
        let chunks = (rows.saturating_mul(length) / CHUNK_ELEMENTS).clamp(1, MAX_CHUNKS).min(rows.max(1));
        Self { rows, length, k, chunks, element: PhantomData }
    }

    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// Elements of the input.
    pub fn elements(&self) -> usize {
        self.rows * self.length
    }

    /// Elements of each output.
    pub fn outputs(&self) -> usize {
        self.rows * self.k
    }

    /// Writes what is asked for of the chunk's rows.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run(&self, chunk: usize, x: &[T], values: Option<Disjoint<'_, T>>, positions: Option<Disjoint<'_, i32>>) {
        let Self { length, k, .. } = *self;
        assert_eq!(x.len(), self.elements(), "input");
        if self.outputs() == 0 {
            return;
        }
        let room = if k <= STREAMED { k } else { length };
        workspace::with(room, |best: &mut [T::Packed]| {
            for row in part(self.rows, self.chunks, chunk, 1) {
                let elements = &x[row * length..(row + 1) * length];
                if k <= STREAMED {
                    stream(elements, best);
                } else {
                    for (i, (pair, &element)) in best.iter_mut().zip(elements).enumerate() {
                        *pair = T::Packed::new(element.descending_key(), i as u32);
                    }
                    if k < length {
                        best.select_nth_unstable(k - 1);
                    }
                    best[..k].sort_unstable();
                }
                let own = row * k..(row + 1) * k;
                if let Some(values) = values {
                    // SAFETY: rows of one chunk are no other's.
                    let values = unsafe { values.range(own.clone()) };
                    for (value, pair) in values.iter_mut().zip(&*best) {
                        *value = elements[pair.position() as usize];
                    }
                }
                if let Some(positions) = positions {
                    // SAFETY: as above.
                    let positions = unsafe { positions.range(own) };
                    for (position, pair) in positions.iter_mut().zip(&*best) {
                        *position = pair.position() as i32;
                    }
                }
            }
        });
    }
}

/// Leaves the first `best.len()` pairs in order: most elements of a long row are turned away by one comparison.
fn stream<T: Ordered>(row: &[T], best: &mut [T::Packed]) {
    let k = best.len();
    for (i, &element) in row.iter().enumerate() {
        let pair = T::Packed::new(element.descending_key(), i as u32);
        let mut place = i.min(k);
        if place == k {
            if pair >= best[k - 1] {
                continue;
            }
            place = k - 1;
        }
        while place > 0 && best[place - 1] > pair {
            best[place] = best[place - 1];
            place -= 1;
        }
        best[place] = pair;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Lcg;
    use super::*;

    #[test]
    fn the_largest_come_first_and_of_equals_the_first() {
        let mut random = Lcg(9);
        for [rows, length, k] in [[3, 20, 4], [2, 500, 40], [1, 64, 64], [5, 7, 7], [40, 3000, 3], [2, 5, 0], [0, 5, 2]]
        {
            let x: Vec<f32> = (0..rows * length)
                .map(|_| if random.below(30) == 0 { f32::NAN } else { random.below(25) as f32 - 9.0 })
                .collect();
            let kernel = TopK::<f32>::new(rows, length, k);
            let (mut values, mut positions) = (vec![0.0; rows * k], vec![-1; rows * k]);
            for chunk in (0..kernel.chunks()).rev() {
                kernel.run(chunk, &x, Some(Disjoint::new(&mut values)), Some(Disjoint::new(&mut positions)));
            }
            for row in 0..rows {
                let at = |i: usize| x[row * length + i];
                let mut order: Vec<usize> = (0..length).collect();
                order
                    .sort_by(|&a, &b| at(b).partial_cmp(&at(a)).unwrap_or_else(|| at(b).is_nan().cmp(&at(a).is_nan())));
                for (j, &from) in order[..k].iter().enumerate() {
                    assert_eq!(positions[row * k + j] as usize, from, "{rows} {length} {k}");
                    assert_eq!(values[row * k + j].to_bits(), at(from).to_bits());
                }
            }
        }
        let (mut values, kernel) = ([0i64; 2], TopK::<i64>::new(1, 3, 2));
        kernel.run(0, &[i64::MIN, i64::MAX, -1], Some(Disjoint::new(&mut values)), None);
        assert_eq!(values, [i64::MAX, -1]);
        let (mut positions, kernel) = ([0; 2], TopK::<f64>::new(1, 3, 2));
        kernel.run(0, &[-0.0, -1.0, 0.0], None, Some(Disjoint::new(&mut positions)));
        assert_eq!(positions, [2, 0]);
    }
}
