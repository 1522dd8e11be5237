//! Normalisation of rows by their own moments (layer normalisation), or by their root mean square, with its gradient.
//!
//! Data: `rows x columns`, contiguous; `n` columns, `gamma` and `beta` one number a column.
//!
//! ```text
//! y = (x - mean) r gamma + beta      mean = sum x / n, 0 for the root mean square      r = 1 / sqrt(sum (x - mean)^2 / n + e)
//!
//! for row in chunk:
//!   mean                                            pass 1, from memory
//!   sum (x - mean)^2                                pass 2
//!   y                                               pass 3
//!
//! dx = r (h - sum h / n - (x - mean) r^2 sum h (x - mean) / n),  h = g gamma      without the sum of h for the root mean square
//!
//! for row in chunk:
//!   mean                                            pass 1, from memory
//!   sum (x - mean)^2, sum h, sum h (x - mean)       pass 2
//!   dx;  d gamma += g (x - mean) r;  d beta += g    pass 3
//!   every 64 rows: add d gamma and d beta to the chunk's, in double precision
//! finish: for 512 columns: add up the chunks' in order
//! ```
//!
//! The passes over one row run in the first-level cache; sums over rows are kept in 32 lanes, folded in double precision
//! every 4,096 elements. Limit: memory bandwidth.

use super::disjoint::{Disjoint, part};
use super::simd::Isa;
use super::vector_math::VectorMath;
use super::workspace;
use crate::for_each_isa_fused;
use std::marker::PhantomData;
use std::ops::Range;

/// Lanes of a sum.
const LANES: usize = 32;
/// Elements between two folds of a sum.
const FOLD: usize = 4096;
/// Rows between two folds of the columns' sums.
const ROWS: usize = 64;
/// Elements of a chunk, and columns of one in `finish`.
const CHUNK: usize = 16 << 10;
const FINISH_COLUMNS: usize = 512;

/// The element types of these kernels.
pub trait LayerNormElement: VectorMath + workspace::Plain {
    #[doc(hidden)]
    fn forward(isa: Isa, by: Statistics, parameters: Parameters<Self>, x: &[Self], y: &mut [Self]);
    #[doc(hidden)]
    fn backward(isa: Isa, by: Statistics, work: Backward<Self>);
}

macro_rules! elements {
    ($($t:ty)*) => {
        $(impl LayerNormElement for $t {
            fn forward(isa: Isa, by: Statistics, parameters: Parameters<Self>, x: &[Self], y: &mut [Self]) {
                for_each_isa_fused! {
                    fn copies(by: Statistics, parameters: Parameters<$t>, x: &[$t], y: &mut [$t]) = forward_body::<$t>;
                }
                copies(isa, by, parameters, x, y);
            }
            fn backward(isa: Isa, by: Statistics, work: Backward<Self>) {
                for_each_isa_fused! { fn copies(by: Statistics, work: Backward<$t>) = backward_body::<$t>; }
                copies(isa, by, work);
            }
        })*
    };
}
elements! { f32 f64 }

/// What rows are normalised by.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Statistics {
    /// The length of a row.
    pub columns: usize,
    /// Whether the mean is taken off.
    pub centred: bool,
    pub epsilon: f64,
}

/// Scale and offset of the columns, where there are any.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Parameters<'a, T> {
    pub gamma: Option<&'a [T]>,
    pub beta: Option<&'a [T]>,
}

/// One chunk of the gradient.
#[doc(hidden)]
#[derive(Debug)]
pub struct Backward<'a, T> {
    x: &'a [T],
    gradient: &'a [T],
    gamma: Option<&'a [T]>,
    /// Empty if not wanted.
    dx: &'a mut [T],
    /// Two rows of sums over at most `ROWS` rows, and the chunk's: of `g (x - mean) r` and of `g`; empty if not wanted.
    room: &'a mut [T],
    sums: &'a mut [f64],
}

#[inline(always)]
fn total<T: VectorMath>(lanes: &mut [T; LANES]) -> f64 {
    let mut sum = 0.0;
    for lane in lanes {
        sum += lane.to_f64();
        *lane = T::ZERO;
    }
    sum
}

#[inline(always)]
fn sum<T: VectorMath>(x: &[T]) -> f64 {
    let mut result = 0.0;
    let mut lanes = [T::ZERO; LANES];
    for x in x.chunks(FOLD) {
        let (pieces, rest) = x.as_chunks::<LANES>();
        for piece in pieces {
            for (lane, &x) in lanes.iter_mut().zip(piece) {
                *lane += x;
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane += x;
        }
        result += total(&mut lanes);
    }
    result
}

#[inline(always)]
fn sum_of_squares<const FUSED: bool, T: VectorMath>(x: &[T], mean: T) -> f64 {
    let mut result = 0.0;
    let mut lanes = [T::ZERO; LANES];
    for x in x.chunks(FOLD) {
        let (pieces, rest) = x.as_chunks::<LANES>();
        for piece in pieces {
            for (lane, &x) in lanes.iter_mut().zip(piece) {
                *lane = (x - mean).madd::<FUSED>(x - mean, *lane);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane = (x - mean).madd::<FUSED>(x - mean, *lane);
        }
        result += total(&mut lanes);
    }
    result
}

impl Statistics {
    #[inline(always)]
    fn mean<T: VectorMath>(&self, row: &[T]) -> T {
        if self.centred { T::from_f64(sum(row) / self.columns as f64) } else { T::ZERO }
    }

    /// `1 / sqrt(squares / n + epsilon)`
    #[inline(always)]
    fn inverse(&self, squares: f64) -> f64 {
        1.0 / (squares / self.columns as f64 + self.epsilon).sqrt()
    }
}

#[inline(always)]
fn forward_body<const FUSED: bool, T: VectorMath>(by: Statistics, parameters: Parameters<T>, x: &[T], y: &mut [T]) {
    for (x, y) in x.chunks_exact(by.columns).zip(y.chunks_exact_mut(by.columns)) {
        let mean = by.mean(x);
        let inverse = T::from_f64(by.inverse(sum_of_squares::<FUSED, T>(x, mean)));
        match (parameters.gamma, parameters.beta) {
            (None, None) => {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = (x - mean) * inverse;
                }
            }
            (Some(gamma), None) => {
                for ((y, &x), &gamma) in y.iter_mut().zip(x).zip(gamma) {
                    *y = (x - mean) * inverse * gamma;
                }
            }
            (None, Some(beta)) => {
                for ((y, &x), &beta) in y.iter_mut().zip(x).zip(beta) {
                    *y = (x - mean).madd::<FUSED>(inverse, beta);
                }
            }
            (Some(gamma), Some(beta)) => {
                for (((y, &x), &gamma), &beta) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
                    *y = ((x - mean) * inverse).madd::<FUSED>(gamma, beta);
                }
            }
        }
    }
}

/// `sum (x - mean)^2`, `sum h` and `sum h (x - mean)`, with `h = g gamma`.
#[inline(always)]
fn gradient_sums<const FUSED: bool, T: VectorMath>(
    x: &[T],
    gradient: &[T],
    gamma: Option<&[T]>,
    mean: T,
) -> (f64, f64, f64) {
    let mut result = (0.0, 0.0, 0.0);
    let (mut squares, mut sums, mut products) = ([T::ZERO; LANES], [T::ZERO; LANES], [T::ZERO; LANES]);
    for start in (0..x.len()).step_by(FOLD) {
        let range = start..(start + FOLD).min(x.len());
        let (x, gradient) = (&x[range.clone()], &gradient[range.clone()]);
        let (pieces, rest) = x.as_chunks::<LANES>();
        let (gradient_pieces, gradient_rest) = gradient.as_chunks::<LANES>();
        if let Some(gamma) = gamma {
            let (gamma_pieces, gamma_rest) = gamma[range].as_chunks::<LANES>();
            for ((x, gradient), gamma) in pieces.iter().zip(gradient_pieces).zip(gamma_pieces) {
                for lane in 0..LANES {
                    let (d, h) = (x[lane] - mean, gradient[lane] * gamma[lane]);
                    squares[lane] = d.madd::<FUSED>(d, squares[lane]);
                    sums[lane] += h;
                    products[lane] = h.madd::<FUSED>(d, products[lane]);
                }
            }
            for (lane, ((&x, &gradient), &gamma)) in rest.iter().zip(gradient_rest).zip(gamma_rest).enumerate() {
                let (d, h) = (x - mean, gradient * gamma);
                squares[lane] = d.madd::<FUSED>(d, squares[lane]);
                sums[lane] += h;
                products[lane] = h.madd::<FUSED>(d, products[lane]);
            }
        } else {
            for (x, gradient) in pieces.iter().zip(gradient_pieces) {
                for lane in 0..LANES {
                    let (d, h) = (x[lane] - mean, gradient[lane]);
                    squares[lane] = d.madd::<FUSED>(d, squares[lane]);
                    sums[lane] += h;
                    products[lane] = h.madd::<FUSED>(d, products[lane]);
                }
            }
            for (lane, (&x, &h)) in rest.iter().zip(gradient_rest).enumerate() {
                let d = x - mean;
                squares[lane] = d.madd::<FUSED>(d, squares[lane]);
                sums[lane] += h;
                products[lane] = h.madd::<FUSED>(d, products[lane]);
            }
        }
        result.0 += total(&mut squares);
        result.1 += total(&mut sums);
        result.2 += total(&mut products);
    }
    result
}

#[inline(always)]
fn backward_body<const FUSED: bool, T: VectorMath>(by: Statistics, work: Backward<T>) {
    let Backward { x, gradient, gamma, dx, room, sums } = work;
    let (by_scale, by_offset) = room.split_at_mut(room.len() / 2);
    sums.fill(0.0);
    let block = ROWS * by.columns;
    let mut dx = dx.chunks_exact_mut(by.columns);
    for (x, gradient) in x.chunks(block).zip(gradient.chunks(block)) {
        by_scale.fill(T::ZERO);
        by_offset.fill(T::ZERO);
        let rows = x.chunks_exact(by.columns).zip(gradient.chunks_exact(by.columns));
        for (x, gradient) in rows {
            let dx = dx.next().unwrap_or_default();
            let mean = by.mean(x);
            let (squares, sum, product) = gradient_sums::<FUSED, T>(x, gradient, gamma, mean);
            let inverse = by.inverse(squares);
            let count = by.columns as f64;
            let offset = T::from_f64(if by.centred { -sum / count * inverse } else { 0.0 });
            let slope = T::from_f64(-product / count * inverse * inverse * inverse);
            let inverse = T::from_f64(inverse);
            match gamma {
                Some(gamma) => {
                    for (((dx, &x), &gradient), &gamma) in dx.iter_mut().zip(x).zip(gradient).zip(gamma) {
                        let along = (x - mean).madd::<FUSED>(slope, offset);
                        *dx = (gradient * gamma).madd::<FUSED>(inverse, along);
                    }
                }
                None => {
                    for ((dx, &x), &gradient) in dx.iter_mut().zip(x).zip(gradient) {
                        let along = (x - mean).madd::<FUSED>(slope, offset);
                        *dx = gradient.madd::<FUSED>(inverse, along);
                    }
                }
            }
            let columns = by_scale.iter_mut().zip(&mut *by_offset);
            for (((by_scale, by_offset), &x), &gradient) in columns.zip(x).zip(gradient) {
                *by_scale = ((x - mean) * inverse).madd::<FUSED>(gradient, *by_scale);
                *by_offset += gradient;
            }
        }
        for (sum, &value) in sums.iter_mut().zip(by_scale.iter().chain(&*by_offset)) {
            *sum += value.to_f64();
        }
    }
}

/// Normalisation of the rows of `rows x columns`.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<T> {
    rows: usize,
    by: Statistics,
    chunks: usize,
    element: PhantomData<T>,
}

impl<T: LayerNormElement> LayerNorm<T> {
    pub fn new(rows: usize, by: Statistics) -> Self {
        let chunks = (rows.saturating_mul(by.columns) / CHUNK).clamp(1, 64).min(rows.max(1));
        Self { rows, by, chunks, element: PhantomData }
    }

    /// For the result and for the gradient.
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// How many `f64` of scratch the sums over rows need.
    pub fn scratch_numbers(&self) -> usize {
        self.chunks * 2 * self.by.columns
    }

    /// How many calls of [`finish`](Self::finish) follow the last chunk of the gradient.
    pub fn finish_chunks(&self) -> usize {
        self.by.columns.div_ceil(FINISH_COLUMNS).clamp(1, 64)
    }

    fn elements_of(&self, chunk: usize) -> Range<usize> {
        let rows = part(self.rows, self.chunks, chunk, 1);
        rows.start * self.by.columns..rows.end * self.by.columns
    }

    fn check(&self, arrays: &[usize], columns: &[Option<&[T]>]) {
        let elements = self.rows * self.by.columns;
        assert!(arrays.iter().all(|&length| length == elements), "{arrays:?} elements, not {elements}");
        let fit = columns.iter().flatten().all(|vector| vector.len() == self.by.columns);
        assert!(fit, "scale and offset are not {} long", self.by.columns);
    }

    /// `y` for chunk `chunk`.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run(&self, isa: Isa, chunk: usize, x: &[T], parameters: Parameters<T>, y: Disjoint<T>) {
        self.check(&[x.len(), y.len()], &[parameters.gamma, parameters.beta]);
        if self.by.columns == 0 {
            return;
        }
        let range = self.elements_of(chunk);
        // SAFETY: chunks have different rows.
        let y = unsafe { y.range(range.clone()) };
        T::forward(isa, self.by, parameters, &x[range], y);
    }

    /// `dx` for chunk `chunk`, if it is wanted; with scratch of `scratch_numbers()`, the chunk's part of the sums over rows
    /// too.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run_gradient(
        &self,
        isa: Isa,
        chunk: usize,
        x: &[T],
        gradient: &[T],
        gamma: Option<&[T]>,
        dx: Option<Disjoint<T>>,
        scratch: Option<Disjoint<f64>>,
    ) {
        self.check(&[x.len(), gradient.len(), dx.map_or(x.len(), |dx| dx.len())], &[gamma]);
        if self.by.columns == 0 {
            return;
        }
        let (range, row) = (self.elements_of(chunk), 2 * self.by.columns);
        workspace::with(scratch.map_or(0, |_| row), |room: &mut [T]| {
            // SAFETY: chunks have different rows, and different parts of scratch.
            let (dx, sums) = unsafe {
                let sums = scratch.map(|scratch| scratch.range(chunk * row..(chunk + 1) * row));
                let dx = dx.map(|dx| dx.range(range.clone()));
                (dx.unwrap_or_default(), sums.unwrap_or_default())
            };
            let (x, gradient) = (&x[range.clone()], &gradient[range.clone()]);
            T::backward(isa, self.by, Backward { x, gradient, gamma, dx, room, sums });
        });
    }

    /// Part `chunk` of the gradients of gamma and beta, once the sums of all chunks are there.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn finish(&self, chunk: usize, scratch: &[f64], d_gamma: Option<Disjoint<T>>, d_beta: Option<Disjoint<T>>) {
        let columns = self.by.columns;
        let range = part(columns, self.finish_chunks(), chunk, 16);
        for (which, target) in [d_gamma, d_beta].into_iter().enumerate() {
            let Some(target) = target else { continue };
            assert_eq!(target.len(), columns, "the gradient of a scale or offset");
            // SAFETY: chunks have different columns.
            let target = unsafe { target.range(range.clone()) };
            for (to, column) in target.iter_mut().zip(range.clone()) {
                let parts = scratch[..self.scratch_numbers()].chunks_exact(2 * columns);
                *to = T::from_f64(parts.map(|part| part[which * columns + column]).sum());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LayerNorm, LayerNormElement, Parameters, Statistics};
    use crate::cpu::disjoint::Disjoint;
    use crate::cpu::simd::Isa;

    struct Lcg(u64);
    impl Lcg {
        fn number(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
        }
        fn numbers<T: LayerNormElement>(&mut self, count: usize) -> Vec<T> {
            (0..count).map(|_| T::from_f64(self.number())).collect()
        }
    }

    /// Chunks in an order that is not theirs.
    fn shuffled(count: usize) -> impl Iterator<Item = usize> {
        (0..count).rev().step_by(2).chain((0..count).rev().skip(1).step_by(2))
    }

    fn assert_close<T: LayerNormElement>(found: &[T], wanted: &[f64], tolerance: f64, what: &str) {
        assert_eq!(found.len(), wanted.len());
        let scale = wanted.iter().fold(1.0, |largest: f64, value| largest.max(value.abs()));
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found.to_f64() - wanted).abs() <= tolerance * scale, "{what}: {found:?} for {wanted}");
        }
    }

    fn check<T: LayerNormElement>(tolerance: f64) {
        let mut random = Lcg(7);
        let sizes = [(1, 1), (3, 5), (7, 16), (130, 33), (300, 100), (2, 5000), (64, 768), (0, 4), (4, 0)];
        for (rows, columns) in sizes {
            for centred in [true, false] {
                let by = Statistics { columns, centred, epsilon: 1e-3 };
                let kernel = LayerNorm::<T>::new(rows, by);
                let x: Vec<T> = random.numbers(rows * columns);
                let g: Vec<T> = random.numbers(rows * columns);
                let (gamma, beta): (Vec<T>, Vec<T>) = (random.numbers(columns), random.numbers(columns));
                for (scaled, shifted) in [(true, true), (true, false), (false, true), (false, false)] {
                    let gamma = scaled.then_some(gamma.as_slice());
                    let beta = shifted.then_some(beta.as_slice());
                    let (mut y, mut dx) = (vec![0.0; rows * columns], vec![0.0; rows * columns]);
                    let (mut d_gamma, mut d_beta) = (vec![0.0; columns], vec![0.0; columns]);
                    for row in 0..rows {
                        let at = |column: usize| row * columns + column;
                        let n = columns as f64;
                        let mean = if centred { (0..columns).map(|c| x[at(c)].to_f64()).sum::<f64>() / n } else { 0.0 };
                        let d = |c: usize| x[at(c)].to_f64() - mean;
                        let r = 1.0 / ((0..columns).map(|c| d(c) * d(c)).sum::<f64>() / n + by.epsilon).sqrt();
                        let scale = |c: usize| gamma.map_or(1.0, |gamma| gamma[c].to_f64());
                        let h = |c: usize| g[at(c)].to_f64() * scale(c);
                        let first = if centred { (0..columns).map(h).sum::<f64>() / n } else { 0.0 };
                        let second = (0..columns).map(|c| h(c) * d(c) * r).sum::<f64>() / n;
                        for c in 0..columns {
                            y[at(c)] = d(c) * r * scale(c) + beta.map_or(0.0, |beta| beta[c].to_f64());
                            dx[at(c)] = r * (h(c) - first - d(c) * r * second);
                            d_gamma[c] += g[at(c)].to_f64() * d(c) * r;
                            d_beta[c] += g[at(c)].to_f64();
                        }
                    }
                    for isa in Isa::available() {
                        let what = format!("{rows} x {columns}, {isa:?}, {centred} {scaled} {shifted}");
                        let mut found = vec![T::ZERO; rows * columns];
                        for chunk in shuffled(kernel.chunks()) {
                            kernel.run(isa, chunk, &x, Parameters { gamma, beta }, Disjoint::new(&mut found));
                        }
                        assert_close(&found, &y, tolerance, &what);
                        let mut sums = vec![f64::NAN; kernel.scratch_numbers()];
                        for wanted in [false, true] {
                            for chunk in shuffled(kernel.chunks()) {
                                let sums = wanted.then(|| Disjoint::new(&mut sums));
                                let found = (!wanted).then(|| Disjoint::new(&mut found));
                                kernel.run_gradient(isa, chunk, &x, &g, gamma, found, sums);
                            }
                            assert_close(&found, &dx, tolerance, &what);
                        }
                        let (mut by_gamma, mut by_beta) = (vec![T::ZERO; columns], vec![T::ZERO; columns]);
                        for chunk in shuffled(kernel.finish_chunks()) {
                            let by_gamma = Some(Disjoint::new(&mut by_gamma));
                            kernel.finish(chunk, &sums, by_gamma, Some(Disjoint::new(&mut by_beta)));
                        }
                        assert_close(&by_gamma, &d_gamma, tolerance, &what);
                        assert_close(&by_beta, &d_beta, tolerance, &what);
                    }
                }
            }
        }
    }

    #[test]
    fn float32_agrees_with_loops() {
        check::<f32>(3e-6);
    }

    #[test]
    fn float64_agrees_with_loops() {
        check::<f64>(1e-13);
    }

    #[test]
    fn a_large_mean_does_not_drown_the_deviations() {
        let x: Vec<f32> = (0..1024).map(|i| 1000.0 + (i % 7) as f32 / 8.0).collect();
        let kernel = LayerNorm::<f32>::new(1, Statistics { columns: 1024, centred: true, epsilon: 0.0 });
        let values = || x.iter().map(|&x| f64::from(x));
        let mean = values().sum::<f64>() / 1024.0;
        let deviation = (values().map(|x| (x - mean).powi(2)).sum::<f64>() / 1024.0).sqrt();
        let wanted: Vec<f64> = values().map(|x| (x - mean) / deviation).collect();
        for isa in Isa::available() {
            let mut y = vec![0.0f32; 1024];
            kernel.run(isa, 0, &x, Parameters { gamma: None, beta: None }, Disjoint::new(&mut y));
            assert_close(&y, &wanted, 2e-4, &format!("{isa:?}"));
        }
    }
}
