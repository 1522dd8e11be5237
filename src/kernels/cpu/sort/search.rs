//! Places in a sorted row.

use std::marker::PhantomData;

use super::super::disjoint::{Disjoint, part};
use super::{CHUNK_WORK, MAX_CHUNKS, Ordered, bits};

/// For each of `count` values the place in a sorted row of `length` where it would be put: before its equals, or behind
/// them.
#[derive(Clone, Debug)]
pub struct Search<T> {
    length: usize,
    count: usize,
    behind: bool,
    chunks: usize,
    element: PhantomData<T>,
}

impl<T: Ordered> Search<T> {
    pub fn new(length: usize, count: usize, behind: bool) -> Self {
        let chunks = (count.saturating_mul(bits(length)) / CHUNK_WORK).clamp(1, MAX_CHUNKS).min(count.max(1));
        Self { length, count, behind, chunks, element: PhantomData }
    }

    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run(&self, chunk: usize, sorted: &[T], values: &[T], places: Disjoint<'_, i32>) {
        assert_eq!((sorted.len(), values.len(), places.len()), (self.length, self.count, self.count), "lengths");
        let own = part(self.count, self.chunks, chunk, 1);
        // SAFETY: `part` gives every chunk its own places.
        let places = unsafe { places.range(own.clone()) };
        for (place, value) in places.iter_mut().zip(&values[own]) {
            let key = value.key();
            let found = if self.behind {
                sorted.partition_point(|x| x.key() <= key)
            } else {
                sorted.partition_point(|x| x.key() < key)
            };
            *place = found as i32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Lcg;
    use super::*;

    #[test]
    fn places_are_before_or_behind_equals() {
        let mut random = Lcg(3);
        for [length, count] in [[0, 3], [1, 9], [50, 200], [1000, 20_000]] {
            let mut sorted: Vec<f64> = (0..length).map(|_| random.below(60) as f64).collect();
            sorted.sort_by(f64::total_cmp);
            let values: Vec<f64> = (0..count)
                .map(|_| if random.below(9) == 0 { f64::NAN } else { random.below(62) as f64 - 1.0 })
                .collect();
            for behind in [false, true] {
                let kernel = Search::<f64>::new(length, count, behind);
                let mut places = vec![-1; count];
                for chunk in (0..kernel.chunks()).rev() {
                    kernel.run(chunk, &sorted, &values, Disjoint::new(&mut places));
                }
                for (&place, &value) in places.iter().zip(&values) {
                    let before = |x: f64| if behind { x <= value } else { x < value };
                    let wanted = sorted.iter().filter(|&&x| value.is_nan() || before(x)).count();
                    assert_eq!(place as usize, wanted, "{value} {behind}");
                }
            }
        }
    }
}
