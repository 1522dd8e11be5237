//! Softmax and log-softmax along the last axis, with their gradients.
//!
//! Data: contiguous rows, in registers of 16 lanes (`row_lanes`); sums are kept in 16 lanes and folded every 4,096 elements:
//!
//! ```text
//! 16 rows of at most 16, a lane a row          longer row
//!   m = max x                                    m = max x                                 pass 1
//!   y = exp(x - m), s = sum y                    y = exp(x - m), s = sum y                 pass 2: the exponentials
//!   y / s                                        y = y / s                                 pass 3
//! ```
//!
//! The passes over a row run in the first-level cache. Limit: the exponentials; for short rows the way into lanes and out.
//!
//! With `g` the gradient of the result:
//!
//! ```text
//! softmax        y = exp(x) / sum exp(x)             dx = y (g - sum g y)
//! log-softmax    y = x - log sum exp(x)              dx = g - exp(y) sum g
//! ```

use super::disjoint::{Disjoint, part};
use super::row_lanes::{
    LANES, Lanes, Pieces, Sum, block_exponentials, block_maximum, block_sum, exponentials, lanes_of, load_block,
    maximum, store_block,
};
use super::simd::Isa;
use super::vector_math::VectorMath;
use crate::for_each_isa_fused;
use std::marker::PhantomData;
use std::ops::Range;

/// Elements of a chunk.
const CHUNK: usize = 8 << 10;

/// The element types of these kernels.
pub trait SoftmaxElement: VectorMath {
    #[doc(hidden)]
    fn forward(isa: Isa, log: bool, columns: usize, x: &[Self], y: &mut [Self]);
    #[doc(hidden)]
    fn backward(isa: Isa, log: bool, columns: usize, y: &[Self], gradient: &[Self], dx: &mut [Self]);
}

macro_rules! elements {
    ($($t:ty)*) => {
        $(impl SoftmaxElement for $t {
            fn forward(isa: Isa, log: bool, columns: usize, x: &[Self], y: &mut [Self]) {
                for_each_isa_fused! {
                    fn copies(log: bool, columns: usize, x: &[$t], y: &mut [$t]) = forward_body::<$t>;
                }
                copies(isa, log, columns, x, y);
            }
            fn backward(isa: Isa, log: bool, columns: usize, y: &[Self], gradient: &[Self], dx: &mut [Self]) {
                for_each_isa_fused! {
                    fn copies(log: bool, columns: usize, y: &[$t], gradient: &[$t], dx: &mut [$t]) = backward_body::<$t>;
                }
                copies(isa, log, columns, y, gradient, dx);
            }
        })*
    };
}
elements! { f32 f64 }

#[inline(always)]
fn forward_body<const FUSED: bool, T: VectorMath>(log: bool, columns: usize, x: &[T], y: &mut [T]) {
    if columns <= LANES {
        for (x, y) in x.chunks(columns * LANES).zip(y.chunks_mut(columns * LANES)) {
            forward_block::<FUSED, T>(log, columns, x, y);
        }
        return;
    }
    let pieces = Pieces::new(columns);
    for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(columns)) {
        let shift = maximum(&pieces, x);
        if log {
            let log_sum = sum_exponentials::<FUSED, T>(&pieces, x, shift, None).v_log::<FUSED>();
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (x - shift) - log_sum;
            }
        } else {
            let scale = T::ONE / sum_exponentials::<FUSED, T>(&pieces, x, shift, Some(&mut *y));
            for y in y {
                *y *= scale;
            }
        }
    }
}

/// At most 16 rows of at most 16.
#[inline(always)]
fn forward_block<const FUSED: bool, T: VectorMath>(log: bool, columns: usize, x: &[T], y: &mut [T]) {
    let rows = x.len() / columns;
    let mut block = load_block(x, rows, columns);
    let values = &mut block.0[..columns];
    let shift = block_maximum(values);
    if log {
        let mut exponentials = load_block(x, rows, columns);
        let exponentials = &mut exponentials.0[..columns];
        block_exponentials::<FUSED, T>(exponentials, &shift, rows);
        let mut logs = block_sum(exponentials);
        for sum in logs.iter_mut().take(lanes_of::<T>(rows)) {
            *sum = sum.v_log::<FUSED>();
        }
        for column in &mut *values {
            for ((x, &shift), &log) in column.iter_mut().zip(&shift).zip(&logs) {
                *x = (*x - shift) - log;
            }
        }
    } else {
        block_exponentials::<FUSED, T>(values, &shift, rows);
        let scale = block_sum(values).map(|sum| T::ONE / sum);
        for column in &mut *values {
            for (x, &scale) in column.iter_mut().zip(&scale) {
                *x *= scale;
            }
        }
    }
    store_block(&block, rows, columns, y);
}

/// `sum exp(x - shift)` of a row of more than 16; the exponentials go to `y`, if there is one.
#[inline(always)]
pub(super) fn sum_exponentials<const FUSED: bool, T: VectorMath>(
    pieces: &Pieces<T>,
    x: &[T],
    shift: T,
    y: Option<&mut [T]>,
) -> T {
    let whole = x.as_chunks::<LANES>().0;
    let tail = pieces.tail(x).map(|tail| exponentials::<FUSED, T>(tail, shift));
    let mut sum = Sum::new();
    match y {
        Some(y) => {
            for (to, piece) in y.as_chunks_mut::<LANES>().0.iter_mut().zip(whole) {
                *to = exponentials::<FUSED, T>(piece, shift);
                sum.add(to);
            }
            if let (Some(to), Some(tail)) = (pieces.tail_mut(y), tail) {
                *to = tail;
            }
        }
        None => {
            for piece in whole {
                sum.add(&exponentials::<FUSED, T>(piece, shift));
            }
        }
    }
    if let Some(tail) = tail {
        sum.add(&pieces.own(&tail));
    }
    sum.finish()
}

#[inline(always)]
fn backward_body<const FUSED: bool, T: VectorMath>(log: bool, columns: usize, y: &[T], gradient: &[T], dx: &mut [T]) {
    if columns <= LANES {
        let width = columns * LANES;
        for ((y, gradient), dx) in y.chunks(width).zip(gradient.chunks(width)).zip(dx.chunks_mut(width)) {
            backward_block::<FUSED, T>(log, columns, y, gradient, dx);
        }
        return;
    }
    let pieces = Pieces::new(columns);
    let rows = y.chunks_exact(columns).zip(gradient.chunks_exact(columns)).zip(dx.chunks_exact_mut(columns));
    for ((y, gradient), dx) in rows {
        let mut sum = Sum::new();
        for (y, gradient) in y.as_chunks::<LANES>().0.iter().zip(gradient.as_chunks::<LANES>().0) {
            sum.add(&backward_terms(log, y, gradient));
        }
        if let (Some(y), Some(gradient)) = (pieces.tail(y), pieces.tail(gradient)) {
            sum.add(&pieces.own(&backward_terms(log, y, gradient)));
        }
        let sum = sum.finish();
        for ((dx, &y), &gradient) in dx.iter_mut().zip(y).zip(gradient) {
            *dx = if log { gradient - y.v_exp::<FUSED>() * sum } else { y * (gradient - sum) };
        }
    }
}

/// What the gradient's sum adds up.
#[inline(always)]
fn backward_terms<T: VectorMath>(log: bool, y: &Lanes<T>, gradient: &Lanes<T>) -> Lanes<T> {
    let mut terms = *gradient;
    if !log {
        for (term, &y) in terms.iter_mut().zip(y) {
            *term *= y;
        }
    }
    terms
}

/// At most 16 rows of at most 16.
#[inline(always)]
fn backward_block<const FUSED: bool, T: VectorMath>(log: bool, columns: usize, y: &[T], gradient: &[T], dx: &mut [T]) {
    let rows = y.len() / columns;
    let (mut y, gradient) = (load_block(y, rows, columns), load_block(gradient, rows, columns));
    let (values, gradient) = (&mut y.0[..columns], &gradient.0[..columns]);
    let mut sum = [T::ZERO; LANES];
    for (y, gradient) in values.iter().zip(gradient) {
        let terms = backward_terms(log, y, gradient);
        sum.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
    }
    if log {
        block_exponentials::<FUSED, T>(values, &[T::ZERO; LANES], rows);
    }
    for (y, gradient) in values.iter_mut().zip(gradient) {
        for ((y, &gradient), &sum) in y.iter_mut().zip(gradient).zip(&sum) {
            *y = if log { gradient - *y * sum } else { *y * (gradient - sum) };
        }
    }
    store_block(&y, rows, columns, dx);
}

/// Rows, and how they are cut into chunks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub rows: usize,
    pub columns: usize,
}

impl Rows {
    pub fn chunks(self) -> usize {
        (self.rows.saturating_mul(self.columns) / CHUNK).clamp(1, 64).min(self.rows.max(1))
    }

    pub fn rows(self, chunk: usize) -> Range<usize> {
        part(self.rows, self.chunks(), chunk, 1)
    }

    pub fn elements(self, rows: &Range<usize>) -> Range<usize> {
        rows.start * self.columns..rows.end * self.columns
    }

    pub fn is_empty(self) -> bool {
        self.rows == 0 || self.columns == 0
    }

    pub fn check(self, lengths: &[usize]) {
        assert!(lengths.iter().all(|&length| length == self.rows * self.columns), "{lengths:?} elements for {self:?}");
    }
}

/// Softmax or log-softmax of rows.
#[derive(Clone, Copy, Debug)]
pub struct Softmax<T> {
    rows: Rows,
    log: bool,
    element: PhantomData<T>,
}

impl<T: SoftmaxElement> Softmax<T> {
    /// Of `rows` rows of `columns` elements; the logarithm of it if `log`.
    pub fn new(rows: usize, columns: usize, log: bool) -> Self {
        Self { rows: Rows { rows, columns }, log, element: PhantomData }
    }

    pub fn chunks(&self) -> usize {
        self.rows.chunks()
    }

    /// Computes the rows of chunk `chunk`.
    ///
    /// # Panics
    /// When a slice does not have `rows * columns` elements.
    pub fn run(&self, isa: Isa, chunk: usize, x: &[T], y: Disjoint<T>) {
        self.rows.check(&[x.len(), y.len()]);
        if self.rows.is_empty() {
            return;
        }
        let range = self.rows.elements(&self.rows.rows(chunk));
        // SAFETY: chunks have different rows.
        T::forward(isa, self.log, self.rows.columns, &x[range.clone()], unsafe { y.range(range) });
    }

    /// The gradient of the input from the result `y` and its gradient, for the rows of chunk `chunk`.
    ///
    /// # Panics
    /// When a slice does not have `rows * columns` elements.
    pub fn run_gradient(&self, isa: Isa, chunk: usize, y: &[T], gradient: &[T], dx: Disjoint<T>) {
        self.rows.check(&[y.len(), gradient.len(), dx.len()]);
        if self.rows.is_empty() {
            return;
        }
        let range = self.rows.elements(&self.rows.rows(chunk));
        let (y, gradient) = (&y[range.clone()], &gradient[range.clone()]);
        // SAFETY: chunks have different rows.
        T::backward(isa, self.log, self.rows.columns, y, gradient, unsafe { dx.range(range) });
    }
}

#[cfg(test)]
mod tests {
    use super::{Softmax, SoftmaxElement};
    use crate::cpu::disjoint::Disjoint;
    use crate::cpu::simd::Isa;

    struct Lcg(u64);
    impl Lcg {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % bound
        }
        fn numbers(&mut self, count: usize, scale: f64) -> Vec<f64> {
            (0..count).map(|_| (self.below(2001) as f64 / 1000.0 - 1.0) * scale).collect()
        }
    }

    const SHAPES: [(usize, usize); 9] =
        [(1, 1), (3, 10), (130, 10), (7, 16), (5, 33), (2, 1000), (300, 100), (2, 20_000), (0, 5)];

    fn softmax<T: SoftmaxElement>(isa: Isa, shape: (usize, usize), log: bool, x: &[T]) -> Vec<T> {
        let kernel = Softmax::<T>::new(shape.0, shape.1, log);
        let mut y = vec![T::ONE; x.len()];
        for chunk in (0..kernel.chunks()).rev() {
            kernel.run(isa, chunk, x, Disjoint::new(&mut y));
        }
        y
    }

    fn gradient<T: SoftmaxElement>(isa: Isa, shape: (usize, usize), log: bool, y: &[T], g: &[T]) -> Vec<T> {
        let kernel = Softmax::<T>::new(shape.0, shape.1, log);
        let mut dx = vec![T::ONE; y.len()];
        for chunk in (0..kernel.chunks()).rev() {
            kernel.run_gradient(isa, chunk, y, g, Disjoint::new(&mut dx));
        }
        dx
    }

    fn naive(columns: usize, log: bool, x: &[f64]) -> Vec<f64> {
        let mut y = Vec::new();
        for row in x.chunks(columns) {
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|x| (x - largest).exp()).sum();
            y.extend(row.iter().map(|x| if log { x - largest - sum.ln() } else { (x - largest).exp() / sum }));
        }
        y
    }

    fn naive_gradient(columns: usize, log: bool, y: &[f64], g: &[f64]) -> Vec<f64> {
        let mut dx = Vec::new();
        for (y, g) in y.chunks(columns).zip(g.chunks(columns)) {
            let sum: f64 = y.iter().zip(g).map(|(y, g)| if log { *g } else { y * g }).sum();
            dx.extend(y.iter().zip(g).map(|(y, g)| if log { g - y.exp() * sum } else { y * (g - sum) }));
        }
        dx
    }

    fn close<T: SoftmaxElement>(actual: &[T], expected: &[f64], tolerance: f64, what: &str) {
        for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
            let difference = (a.to_f64() - e).abs();
            assert!(difference <= tolerance * e.abs().max(1e-3), "{what}, element {i}: {a:?}, expected {e}");
        }
    }

    fn rounded<T: SoftmaxElement>(x: &[f64]) -> (Vec<T>, Vec<f64>) {
        let typed: Vec<T> = x.iter().map(|&x| T::from_f64(x)).collect();
        let back = typed.iter().map(|x| x.to_f64()).collect();
        (typed, back)
    }

    fn check<T: SoftmaxElement>(tolerance: f64) {
        let mut random = Lcg(1);
        for (rows, columns) in SHAPES {
            let (x, wide) = rounded::<T>(&random.numbers(rows * columns, 8.0));
            let (g, wide_g) = rounded::<T>(&random.numbers(rows * columns, 1.0));
            for log in [false, true] {
                let expected = naive(columns, log, &wide);
                let (y, wide_y) = rounded::<T>(&expected);
                let expected_gradient = naive_gradient(columns, log, &wide_y, &wide_g);
                for isa in Isa::available() {
                    let what = format!("{isa:?} {rows} x {columns}, log {log}");
                    // A log-probability near zero is the difference of larger numbers.
                    let scale = if log { 20.0 } else { 1.0 };
                    close(&softmax(isa, (rows, columns), log, &x), &expected, tolerance * scale, &what);
                    let scale = if log { columns.max(1000) as f64 } else { 1e3 };
                    let actual = gradient(isa, (rows, columns), log, &y, &g);
                    close(&actual, &expected_gradient, tolerance * scale, &what);
                }
            }
        }
    }

    #[test]
    fn single_precision() {
        check::<f32>(2e-6);
    }

    #[test]
    fn double_precision() {
        check::<f64>(1e-13);
    }

    #[test]
    fn extremes() {
        let infinity = f32::INFINITY;
        for isa in Isa::available() {
            let masked = softmax(isa, (1, 4), false, &[0.0, -infinity, 0.0, -infinity]);
            assert_eq!(masked, [0.5, 0.0, 0.5, 0.0]);
            assert_eq!(softmax(isa, (1, 3), false, &[1e30f32, 0.0, -1e30]), [1.0, 0.0, 0.0]);
            assert!(softmax(isa, (1, 3), false, &[f32::NAN, 0.0, 1.0]).iter().all(|y| y.is_nan()));
            assert!(softmax(isa, (1, 2), true, &[0.0f32, f32::NAN]).iter().all(|y| y.is_nan()));
        }
    }
}
