//! The position of the maximum or minimum along one axis.
//!
//! Data: `outer x length x inner`, contiguous.
//!
//! ```text
//! inner = 1                                    inner > 1
//!   for row:                                     for outer, tile of 256 columns:
//!     best = maximum of the row, vectorised        for position along the axis:
//!     first position that holds it                   for column: if x beats best: keep x and position
//! ```
//!
//! The first of equals wins, and a NaN is the most extreme. Limit: memory bandwidth for long rows, comparisons for columns.

use super::disjoint::{Disjoint, part};
use super::reduce::{BLOCK, CHUNK, Reducible, RuleName};
use super::simd::Isa;
use std::marker::PhantomData;
use std::ops::Range;

/// Columns that are taken together.
const TILE: usize = 256;

/// Which extreme an [`ArgReduce`] looks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Extreme {
    Maximum,
    Minimum,
}

/// The position of the first extreme along one axis; a NaN is the most extreme.
#[derive(Clone, Debug)]
pub struct ArgReduce<T> {
    extreme: Extreme,
    outer: usize,
    length: usize,
    inner: usize,
    units: usize,
    chunks: usize,
    element: PhantomData<T>,
}

impl<T: Reducible> ArgReduce<T> {
    /// Along axis `axis` of an array of `shape`.
    pub fn new(extreme: Extreme, shape: &[usize], axis: usize) -> Result<Self, String> {
        let name = if extreme == Extreme::Maximum { "argmax" } else { "argmin" };
        if axis >= shape.len() {
            return Err(format!("{name}: axis {axis} of an array of shape {shape:?}"));
        }
        let (outer, inner): (usize, usize) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
        let length = shape[axis];
        if length == 0 && outer * inner > 0 {
            return Err(format!("{name} of no elements: axis {axis} of an array of shape {shape:?}"));
        }
        let units = outer * inner.div_ceil(if inner == 1 { 1 } else { TILE });
        let traffic = (outer * inner).saturating_mul(length).saturating_mul(size_of::<T>());
        let chunks = (traffic / CHUNK).clamp(1, 64).min(units.max(1));
        Ok(Self { extreme, outer, length, inner, units, chunks, element: PhantomData })
    }

    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// Elements of the result.
    pub fn outputs(&self) -> usize {
        self.outer * self.inner
    }

    /// Computes chunk `chunk`.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run(&self, isa: Isa, chunk: usize, input: &[T], output: Disjoint<i64>) {
        assert_eq!(input.len(), self.outer * self.length * self.inner, "input");
        assert_eq!(output.len(), self.outputs(), "output");
        if self.outputs() == 0 {
            return;
        }
        let (units, length) = (part(self.units, self.chunks, chunk, 1), self.length);
        if self.inner == 1 {
            // SAFETY: a unit is one result, and chunks have different units.
            let results = unsafe { output.range(units.clone()) };
            for (result, row) in results.iter_mut().zip(input[units.start * length..].chunks_exact(length)) {
                *result = self.locate_in_row(isa, row) as i64;
            }
            return;
        }
        let tiles = self.inner.div_ceil(TILE);
        for unit in units {
            let (outer, column) = (unit / tiles, unit % tiles * TILE);
            let columns = column..(column + TILE).min(self.inner);
            let origin = outer * self.inner;
            // SAFETY: units are different results, and chunks have different units.
            let results = unsafe { output.range(origin + columns.start..origin + columns.end) };
            self.locate_in_columns(&input[origin * length..(origin + self.inner) * length], &columns, results);
        }
    }

    fn locate_in_row(&self, isa: Isa, row: &[T]) -> usize {
        let rule = if self.extreme == Extreme::Maximum { RuleName::Maximum } else { RuleName::Minimum };
        let blocks = row.chunks(BLOCK).map(|block| T::block(isa, rule, block));
        let best = blocks.fold(rule.neutral(), |best, x| rule.combine(best, x));
        let found =
            if is_nan(best) { row.iter().position(|&x| is_nan(x)) } else { row.iter().position(|&x| x == best) };
        found.unwrap_or(0)
    }

    fn locate_in_columns(&self, rows: &[T], columns: &Range<usize>, results: &mut [i64]) {
        let mut best = [T::ZERO; TILE];
        best[..results.len()].copy_from_slice(&rows[columns.clone()]);
        results.fill(0);
        for (position, row) in rows.chunks_exact(self.inner).enumerate().skip(1) {
            for ((result, best), &x) in results.iter_mut().zip(&mut best).zip(&row[columns.clone()]) {
                let beats = if self.extreme == Extreme::Maximum { x > *best } else { x < *best };
                let better = beats || (is_nan(x) && !is_nan(*best));
                *best = if better { x } else { *best };
                *result = if better { position as i64 } else { *result };
            }
        }
    }
}

#[inline(always)]
fn is_nan<T: Reducible>(x: T) -> bool {
    x.partial_cmp(&x).is_none()
}

#[cfg(test)]
mod tests {
    use super::{ArgReduce, Extreme};
    use crate::cpu::disjoint::Disjoint;
    use crate::cpu::reduce::Reducible;
    use crate::cpu::simd::Isa;

    struct Lcg(u64);
    impl Lcg {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % bound
        }
    }

    fn locate<T: Reducible>(extreme: Extreme, isa: Isa, shape: &[usize], axis: usize, input: &[T]) -> Vec<i64> {
        let kernel = ArgReduce::<T>::new(extreme, shape, axis).unwrap();
        let mut output = vec![-1; kernel.outputs()];
        for chunk in (0..kernel.chunks()).rev() {
            kernel.run(isa, chunk, input, Disjoint::new(&mut output));
        }
        output
    }

    #[test]
    fn the_first_extreme_is_found() {
        let mut random = Lcg(13);
        for case in 0..120 {
            let mut shape: Vec<usize> = (0..=random.below(3)).map(|_| 1 + random.below(12)).collect();
            if case % 11 == 0 {
                shape.push(700);
            }
            let axis = random.below(shape.len());
            let elements: usize = shape.iter().product();
            let input: Vec<f32> =
                (0..elements).map(|_| if random.below(40) == 0 { f32::NAN } else { random.below(6) as f32 }).collect();
            let inner: usize = shape[axis + 1..].iter().product();
            for extreme in [Extreme::Maximum, Extreme::Minimum] {
                let expected: Vec<i64> = (0..elements / shape[axis])
                    .map(|output| {
                        let at = |k: usize| input[(output / inner * shape[axis] + k) * inner + output % inner];
                        let mut best = 0;
                        for k in 1..shape[axis] {
                            let beats = if extreme == Extreme::Maximum { at(k) > at(best) } else { at(k) < at(best) };
                            if beats || (at(k).is_nan() && !at(best).is_nan()) {
                                best = k;
                            }
                        }
                        best as i64
                    })
                    .collect();
                for isa in Isa::available() {
                    assert_eq!(
                        locate(extreme, isa, &shape, axis, &input),
                        expected,
                        "{isa:?} {extreme:?} {shape:?} {axis}"
                    );
                }
            }
        }
        assert_eq!(locate(Extreme::Maximum, Isa::active(), &[2, 3], 1, &[3u8, 1, 3, 0, 9, 9]), [0, 1]);
    }

    #[test]
    fn nan_wins() {
        for isa in Isa::available() {
            for length in [3, 100, 5000] {
                for at in [0, length / 2, length - 1] {
                    let mut x = vec![1.0f32; length];
                    x[at] = f32::NAN;
                    assert_eq!(locate(Extreme::Maximum, isa, &[length], 0, &x), [at as i64]);
                    assert_eq!(locate(Extreme::Minimum, isa, &[length], 0, &x), [at as i64]);
                }
            }
        }
    }

    #[test]
    fn nothing_to_search() {
        assert!(locate::<f32>(Extreme::Maximum, Isa::active(), &[0, 3], 1, &[]).is_empty());
        let error = ArgReduce::<f32>::new(Extreme::Minimum, &[2, 0], 1).err().unwrap();
        assert_eq!(error, "argmin of no elements: axis 1 of an array of shape [2, 0]");
    }
}
