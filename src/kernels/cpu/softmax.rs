//! Softmax, log-softmax and sparse categorical cross-entropy along the last axis, with their gradients.
//!
//! Data: contiguous rows. A row is walked in pieces of 16 elements, the last one padded so that it takes the same vector
//! instructions; sums are kept in 16 lanes and folded every 4,096 elements:
//!
//! ```text
//! for row in chunk:
//!   m = max x                                  pass 1
//!   y = exp(x - m), s = sum y                  pass 2: the exponentials
//!   y = y / s                                  pass 3
//! ```
//!
//! The passes over one row run in the first-level cache. Limit: the exponentials.
//!
//! Formulas, with `g` the gradient of the result and `n` the label:
//!
//! ```text
//! softmax        y = exp(x) / sum exp(x)             dx = y (g - sum g y)
//! log-softmax    y = x - log sum exp(x)              dx = g - exp(y) sum g
//! cross-entropy  y = log sum exp(x) - x[n]           dx = (softmax(x) - onehot(n)) g
//! ```

use super::disjoint::{Disjoint, part};
use super::simd::Isa;
use super::vector_math::VectorMath;
use crate::for_each_isa_fused;
use std::fmt::{Display, Formatter};
use std::marker::PhantomData;
use std::ops::Range;

/// Elements of a piece.
const LANES: usize = 16;
/// Pieces between two folds of a sum.
const FOLD: usize = 256;
/// Elements of a chunk.
const CHUNK: usize = 8 << 10;

/// The element types of these kernels.
pub trait SoftmaxElement: VectorMath {
    #[doc(hidden)]
    fn forward(isa: Isa, log: bool, columns: usize, x: &[Self], y: &mut [Self]);
    #[doc(hidden)]
    fn backward(isa: Isa, log: bool, columns: usize, y: &[Self], gradient: &[Self], dx: &mut [Self]);
    #[doc(hidden)]
    fn losses(isa: Isa, columns: usize, ignored: Option<i64>, x: &[Self], labels: &[i64], losses: &mut [Self]);
    #[doc(hidden)]
    fn loss_gradients(
        isa: Isa,
        columns: usize,
        ignored: Option<i64>,
        x: &[Self],
        labels: &[i64],
        gradient: &[Self],
        dx: &mut [Self],
    );
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
            fn losses(isa: Isa, columns: usize, ignored: Option<i64>, x: &[Self], labels: &[i64], losses: &mut [Self]) {
                for_each_isa_fused! {
                    fn copies(columns: usize, ignored: Option<i64>, x: &[$t], labels: &[i64], losses: &mut [$t])
                        = losses_body::<$t>;
                }
                copies(isa, columns, ignored, x, labels, losses);
            }
            fn loss_gradients(
                isa: Isa, columns: usize, ignored: Option<i64>, x: &[Self], labels: &[i64], gradient: &[Self],
                dx: &mut [Self],
            ) {
                for_each_isa_fused! {
                    fn copies(
                        columns: usize, ignored: Option<i64>, x: &[$t], labels: &[i64], gradient: &[$t], dx: &mut [$t],
                    ) = loss_gradients_body::<$t>;
                }
                copies(isa, columns, ignored, x, labels, gradient, dx);
            }
        })*
    };
}
elements! { f32 f64 }

/// A row in whole pieces and a last one, padded with `padding`.
#[inline(always)]
fn pieces<T: VectorMath>(x: &[T], padding: T) -> (&[[T; LANES]], [T; LANES]) {
    let (whole, rest) = x.as_chunks::<LANES>();
    let mut last = [padding; LANES];
    last[..rest.len()].copy_from_slice(rest);
    (whole, last)
}

#[inline(always)]
fn fold<T: VectorMath>(lanes: &[T; LANES], mut combine: impl FnMut(T, T) -> T) -> T {
    let mut lanes = *lanes;
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            lanes[i] = combine(lanes[i], lanes[i + width]);
        }
    }
    lanes[0]
}

#[inline(always)]
fn larger<T: VectorMath>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

/// The maximum of a row. It may pass over a NaN, which then shows in the sum of exponentials.
#[inline(always)]
fn maximum<T: VectorMath>(x: &[T]) -> T {
    let (whole, last) = pieces(x, T::NEG_INFINITY);
    let mut lanes = last;
    for piece in whole {
        for (lane, &x) in lanes.iter_mut().zip(piece) {
            *lane = larger(x, *lane);
        }
    }
    fold(&lanes, larger)
}

/// A sum in 16 lanes, folded into one number from time to time.
struct Sum<T> {
    lanes: [T; LANES],
    pieces: usize,
    total: T,
}

impl<T: VectorMath> Sum<T> {
    #[inline(always)]
    fn new() -> Self {
        Self { lanes: [T::ZERO; LANES], pieces: 0, total: T::ZERO }
    }

    #[inline(always)]
    fn add(&mut self, piece: &[T; LANES]) {
        for (lane, &value) in self.lanes.iter_mut().zip(piece) {
            *lane += value;
        }
        self.pieces += 1;
        if self.pieces == FOLD {
            self.total += fold(&self.lanes, |a, b| a + b);
            self.lanes = [T::ZERO; LANES];
            self.pieces = 0;
        }
    }

    #[inline(always)]
    fn finish(&self) -> T {
        self.total + fold(&self.lanes, |a, b| a + b)
    }
}

/// `exp(x - shift)` of one piece.
#[inline(always)]
fn exponentials<const FUSED: bool, T: VectorMath>(x: &[T; LANES], shift: T) -> [T; LANES] {
    let mut y = [T::ZERO; LANES];
    for (y, &x) in y.iter_mut().zip(x) {
        *y = (x - shift).v_exp::<FUSED>();
    }
    y
}

/// `sum exp(x - shift)`; the exponentials go to `y`, if there is one, as long as `x`.
#[inline(always)]
fn sum_exponentials<const FUSED: bool, T: VectorMath>(x: &[T], shift: T, y: Option<&mut [T]>) -> T {
    let (whole, last) = pieces(x, T::NEG_INFINITY);
    let mut sum = Sum::new();
    let last = exponentials::<FUSED, T>(&last, shift);
    match y {
        Some(y) => {
            let (to, rest) = y.as_chunks_mut::<LANES>();
            for (to, piece) in to.iter_mut().zip(whole) {
                *to = exponentials::<FUSED, T>(piece, shift);
                sum.add(to);
            }
            rest.copy_from_slice(&last[..rest.len()]);
        }
        None => {
            for piece in whole {
                sum.add(&exponentials::<FUSED, T>(piece, shift));
            }
        }
    }
    if !x.len().is_multiple_of(LANES) {
        sum.add(&last);
    }
    sum.finish()
}

#[inline(always)]
fn forward_body<const FUSED: bool, T: VectorMath>(log: bool, columns: usize, x: &[T], y: &mut [T]) {
    for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(columns)) {
        let shift = maximum(x);
        if log {
            let log_sum = sum_exponentials::<FUSED, T>(x, shift, None).v_log::<FUSED>();
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (x - shift) - log_sum;
            }
        } else {
            let scale = T::ONE / sum_exponentials::<FUSED, T>(x, shift, Some(&mut *y));
            for y in y.iter_mut() {
                *y *= scale;
            }
        }
    }
}

#[inline(always)]
fn backward_body<const FUSED: bool, T: VectorMath>(log: bool, columns: usize, y: &[T], gradient: &[T], dx: &mut [T]) {
    let rows = y.chunks_exact(columns).zip(gradient.chunks_exact(columns)).zip(dx.chunks_exact_mut(columns));
    for ((y, gradient), dx) in rows {
        let (whole, last) = pieces(gradient, T::ZERO);
        let (whole_y, last_y) = pieces(y, T::ZERO);
        let mut sum = Sum::new();
        for (gradient, y) in whole.iter().zip(whole_y).chain([(&last, &last_y)]) {
            let mut terms = *gradient;
            if !log {
                for (term, &y) in terms.iter_mut().zip(y) {
                    *term *= y;
                }
            }
            sum.add(&terms);
        }
        let sum = sum.finish();
        if log {
            for ((dx, &y), &gradient) in dx.iter_mut().zip(y).zip(gradient) {
                *dx = gradient - y.v_exp::<FUSED>() * sum;
            }
        } else {
            for ((dx, &y), &gradient) in dx.iter_mut().zip(y).zip(gradient) {
                *dx = y * (gradient - sum);
            }
        }
    }
}

#[inline(always)]
fn losses_body<const FUSED: bool, T: VectorMath>(
    columns: usize,
    ignored: Option<i64>,
    x: &[T],
    labels: &[i64],
    losses: &mut [T],
) {
    for ((x, &label), loss) in x.chunks_exact(columns).zip(labels).zip(losses) {
        if Some(label) == ignored {
            *loss = T::ZERO;
            continue;
        }
        let shift = maximum(x);
        // The difference first: it is small where the sum is.
        *loss = sum_exponentials::<FUSED, T>(x, shift, None).v_log::<FUSED>() + (shift - x[label as usize]);
    }
}

#[inline(always)]
fn loss_gradients_body<const FUSED: bool, T: VectorMath>(
    columns: usize,
    ignored: Option<i64>,
    x: &[T],
    labels: &[i64],
    gradient: &[T],
    dx: &mut [T],
) {
    let rows = x.chunks_exact(columns).zip(labels).zip(gradient).zip(dx.chunks_exact_mut(columns));
    for (((x, &label), &gradient), dx) in rows {
        if Some(label) == ignored {
            dx.fill(T::ZERO);
            continue;
        }
        let scale = T::ONE / sum_exponentials::<FUSED, T>(x, maximum(x), Some(&mut *dx));
        let at_label = dx[label as usize] * scale - T::ONE;
        let factor = scale * gradient;
        for dx in dx.iter_mut() {
            *dx *= factor;
        }
        dx[label as usize] = at_label * gradient;
    }
}

/// Rows per chunk and the rows of chunk `chunk`.
#[derive(Clone, Copy, Debug)]
struct Rows {
    rows: usize,
    columns: usize,
}

impl Rows {
    fn chunks(self) -> usize {
        (self.rows.saturating_mul(self.columns) / CHUNK).clamp(1, 64).min(self.rows.max(1))
    }

    fn rows(self, chunk: usize) -> Range<usize> {
        part(self.rows, self.chunks(), chunk, 1)
    }

    fn elements(self, rows: &Range<usize>) -> Range<usize> {
        rows.start * self.columns..rows.end * self.columns
    }

    fn is_empty(self) -> bool {
        self.rows == 0 || self.columns == 0
    }

    fn check(self, lengths: &[usize]) {
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

/// A label that names no class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LabelError {
    pub row: usize,
    pub label: i64,
    pub classes: usize,
}

impl Display for LabelError {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        let Self { row, label, classes } = self;
        write!(f, "label {label} at row {row} is out of range for {classes} classes")?;
        if *classes > 0 { write!(f, " (0 to {})", classes - 1) } else { Ok(()) }
    }
}

impl std::error::Error for LabelError {}

/// Cross-entropy of logits with integer labels, a loss a row.
#[derive(Clone, Copy, Debug)]
pub struct SparseCrossEntropy<T> {
    rows: Rows,
    ignored: Option<i64>,
    normalized: bool,
    element: PhantomData<T>,
}

impl<T: SoftmaxElement> SparseCrossEntropy<T> {
    /// Of `rows` rows of `classes` logits; rows labelled `ignored` have loss and gradient 0.
    pub fn new(rows: usize, classes: usize, ignored: Option<i64>) -> Self {
        Self { rows: Rows { rows, columns: classes }, ignored, normalized: false, element: PhantomData }
    }

    /// The same for logits that are logarithms of probabilities already: the loss is `-x[label]`.
    #[must_use]
    pub fn normalized(self) -> Self {
        Self { normalized: true, ..self }
    }

    pub fn chunks(&self) -> usize {
        self.rows.chunks()
    }

    /// Where in the logits a row's label stands; nowhere for one that is ignored.
    fn place(&self, row: usize, label: i64) -> Option<usize> {
        (Some(label) != self.ignored).then(|| row * self.rows.columns + label as usize)
    }

    fn check(&self, rows: &Range<usize>, labels: &[i64]) -> Result<(), LabelError> {
        let classes = self.rows.columns;
        let valid = |&label: &i64| (0..classes as i64).contains(&label) || Some(label) == self.ignored;
        match labels[rows.clone()].iter().position(|label| !valid(label)) {
            Some(row) => Err(LabelError { row: rows.start + row, label: labels[rows.start + row], classes }),
            None => Ok(()),
        }
    }

    /// The losses of the rows of chunk `chunk`; an error if one's label is out of range, and then none is written.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run(
        &self,
        isa: Isa,
        chunk: usize,
        logits: &[T],
        labels: &[i64],
        losses: Disjoint<T>,
    ) -> Result<(), LabelError> {
        self.rows.check(&[logits.len()]);
        assert_eq!((labels.len(), losses.len()), (self.rows.rows, self.rows.rows), "labels and losses");
        let rows = self.rows.rows(chunk);
        self.check(&rows, labels)?;
        if self.normalized {
            // SAFETY: chunks have different rows.
            let losses = unsafe { losses.range(rows.clone()) };
            for ((row, loss), &label) in rows.zip(losses).zip(&labels[self.rows.rows(chunk)]) {
                *loss = match self.place(row, label) {
                    Some(place) => -logits[place],
                    None => T::ZERO,
                };
            }
        } else if self.rows.columns > 0 {
            let (x, labels) = (&logits[self.rows.elements(&rows)], &labels[rows.clone()]);
            // SAFETY: chunks have different rows.
            T::losses(isa, self.rows.columns, self.ignored, x, labels, unsafe { losses.range(rows) });
        } else {
            // SAFETY: as above; the labels are all ignored.
            unsafe { losses.range(rows) }.fill(T::ZERO);
        }
        Ok(())
    }

    /// The gradient of the logits from that of the losses, for the rows of chunk `chunk`.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run_gradient(
        &self,
        isa: Isa,
        chunk: usize,
        logits: &[T],
        labels: &[i64],
        gradient: &[T],
        dx: Disjoint<T>,
    ) -> Result<(), LabelError> {
        self.rows.check(&[logits.len(), dx.len()]);
        assert_eq!((labels.len(), gradient.len()), (self.rows.rows, self.rows.rows), "labels and gradients");
        let rows = self.rows.rows(chunk);
        self.check(&rows, labels)?;
        if self.rows.is_empty() {
            return Ok(());
        }
        let range = self.rows.elements(&rows);
        if self.normalized {
            // SAFETY: chunks have different rows.
            let dx = unsafe { dx.range(range.clone()) };
            dx.fill(T::ZERO);
            for row in rows {
                if let Some(place) = self.place(row, labels[row]) {
                    dx[place - range.start] = -gradient[row];
                }
            }
            return Ok(());
        }
        let (x, labels, gradient) = (&logits[range.clone()], &labels[rows.clone()], &gradient[rows]);
        // SAFETY: chunks have different rows.
        T::loss_gradients(isa, self.rows.columns, self.ignored, x, labels, gradient, unsafe { dx.range(range) });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{LabelError, Softmax, SoftmaxElement, SparseCrossEntropy};
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
    fn logarithms_of_probabilities_are_picked() {
        let kernel = SparseCrossEntropy::<f32>::new(3, 2, Some(-1)).normalized();
        let (x, labels, g) = ([-0.5, -1.0, -2.0, -0.1, -3.0, -4.0], [1, -1, 0], [2.0, 3.0, 4.0]);
        let (mut losses, mut dx) = ([9.0; 3], [9.0; 6]);
        kernel.run(Isa::active(), 0, &x, &labels, Disjoint::new(&mut losses)).unwrap();
        kernel.run_gradient(Isa::active(), 0, &x, &labels, &g, Disjoint::new(&mut dx)).unwrap();
        assert_eq!((losses, dx), ([1.0, 0.0, 3.0], [0.0, -2.0, 0.0, 0.0, -4.0, 0.0]));
        assert!(kernel.run(Isa::active(), 0, &x, &[0, 2, 0], Disjoint::new(&mut losses)).is_err());
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

    fn cross_entropy<T: SoftmaxElement>(
        isa: Isa,
        kernel: &SparseCrossEntropy<T>,
        x: &[T],
        labels: &[i64],
        g: &[T],
    ) -> Result<(Vec<T>, Vec<T>), LabelError> {
        let (mut losses, mut dx) = (vec![T::ONE; labels.len()], vec![T::ONE; x.len()]);
        for chunk in (0..kernel.chunks()).rev() {
            kernel.run(isa, chunk, x, labels, Disjoint::new(&mut losses))?;
            kernel.run_gradient(isa, chunk, x, labels, g, Disjoint::new(&mut dx))?;
        }
        Ok((losses, dx))
    }

    fn check_cross_entropy<T: SoftmaxElement>(tolerance: f64) {
        let mut random = Lcg(2);
        for (rows, columns) in SHAPES {
            let (x, wide) = rounded::<T>(&random.numbers(rows * columns, 8.0));
            let (g, wide_g) = rounded::<T>(&random.numbers(rows, 1.0));
            let labels: Vec<i64> =
                (0..rows).map(|row| if row % 5 == 4 { -1 } else { random.below(columns) as i64 }).collect();
            let (log, plain) = (naive(columns, true, &wide), naive(columns, false, &wide));
            let (mut losses, mut dx) = (vec![0.0; rows], vec![0.0; rows * columns]);
            for row in (0..rows).filter(|&row| labels[row] >= 0) {
                losses[row] = -log[row * columns + labels[row] as usize];
                for column in 0..columns {
                    let hot = f64::from(u8::from(column as i64 == labels[row]));
                    dx[row * columns + column] = (plain[row * columns + column] - hot) * wide_g[row];
                }
            }
            let kernel = SparseCrossEntropy::<T>::new(rows, columns, Some(-1));
            for isa in Isa::available() {
                let (actual, actual_dx) = cross_entropy(isa, &kernel, &x, &labels, &g).unwrap();
                close(&actual, &losses, tolerance * 10.0, "losses");
                close(&actual_dx, &dx, tolerance * 10.0, "gradients");
            }
        }
    }

    #[test]
    fn cross_entropy_matches_a_naive_loop() {
        check_cross_entropy::<f32>(2e-6);
        check_cross_entropy::<f64>(1e-13);
    }

    #[test]
    fn a_label_out_of_range_is_named() {
        let kernel = SparseCrossEntropy::<f32>::new(3, 10, None);
        let (x, g) = (vec![0.0; 30], vec![1.0; 3]);
        let error = cross_entropy(Isa::active(), &kernel, &x, &[3, 12, 0], &g).unwrap_err();
        assert_eq!(error.to_string(), "label 12 at row 1 is out of range for 10 classes (0 to 9)");
        assert!(cross_entropy(Isa::active(), &kernel, &x, &[3, 9, -1], &g).is_err());
        assert!(cross_entropy(Isa::active(), &kernel, &x, &[3, 9, 0], &g).is_ok());
    }
}
