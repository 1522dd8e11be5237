//! Cross-entropy of rows with class numbers or with rows of targets, its gradient, and whether the best score is the target's:
//! the end of a training step in one pass.
//!
//! Data: contiguous rows of scores, in registers of 16 lanes (`row_lanes`), a target a row or a row of targets, a number a row
//! of losses, hits and arriving gradients. What is not asked for is not computed.
//!
//! ```text
//! 16 rows of at most 16, a lane a row:                      longer rows, 16 at a time:
//!   m = max x, e = exp(x - m), s = sum e                      for row: m, e, s; gradient; hit      a pass each
//!   losses, gradients and hits of all 16                      losses of all 16
//! ```
//!
//! With `t` the targets (1 at a class number, else 0), `p` the scores' share in their row, `g` the gradient of the row's loss, and
//! `c = min(max(p, margin), 1 - margin)`, whose derivative `d` is 1 inside, 1/2 at an end and 0 outside:
//!
//! ```text
//! logits                   p = e / s        loss = log s sum t + sum t (m - x)       dx = g (p sum t - t)
//! softmax of logits        p = e / s        loss = -sum t log c                      dx = g (p sum d t - d t)
//! probabilities            p = x / sum x    loss = -sum t log c                      dx = g (sum d t - d t / c) / sum x
//! ```
//!
//! The last two are what clipped probabilities give; `p d / c` is `d` everywhere, which leaves nothing to cancel.
//! Limit: the exponentials; for short rows the way into lanes and out.

use super::disjoint::Disjoint;
use super::row_lanes::{LANES, Lanes, Pieces, lanes_of};
use super::simd::Isa;
use super::softmax::Rows;
use super::vector_math::VectorMath;
use crate::for_each_isa_fused;
use std::fmt::{Display, Formatter};
use std::marker::PhantomData;
use std::ops::Range;

mod block;
mod long;
#[cfg(test)]
mod tests;

/// What the rows hold, and how losses follow.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Scores {
    Logits,
    /// Logits; their softmax is clipped to `margin` from 0 and 1.
    Softmax {
        margin: f64,
    },
    /// Positive numbers; their shares are clipped to `margin` from 0 and 1.
    Probabilities {
        margin: f64,
    },
}

/// What rows are compared with.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a, T> {
    Int64(&'a [i64]),
    Int32(&'a [i32]),
    Uint8(&'a [u8]),
    /// A weight for every class of every row.
    Rows(&'a [T]),
}

impl<T> Targets<'_, T> {
    fn len(&self) -> usize {
        match self {
            Targets::Int64(labels) => labels.len(),
            Targets::Int32(labels) => labels.len(),
            Targets::Uint8(labels) => labels.len(),
            Targets::Rows(rows) => rows.len(),
        }
    }

    /// The class number of a row; 0 where there are rows.
    #[inline(always)]
    fn label(&self, row: usize) -> i64 {
        match self {
            Targets::Int64(labels) => labels[row],
            Targets::Int32(labels) => i64::from(labels[row]),
            Targets::Uint8(labels) => i64::from(labels[row]),
            Targets::Rows(_) => 0,
        }
    }
}

/// The gradients of the losses.
#[derive(Clone, Copy, Debug)]
pub enum Seed<'a, T> {
    /// The same for every row.
    One(T),
    Rows(&'a [T]),
}

impl<T: Copy> Seed<'_, T> {
    #[inline(always)]
    fn of(&self, row: usize) -> T {
        match self {
            Seed::One(seed) => *seed,
            Seed::Rows(seeds) => seeds[row],
        }
    }
}

/// What a run writes.
#[derive(Clone, Copy)]
pub struct Results<'a, T> {
    /// A number a row.
    pub losses: Option<Disjoint<'a, T>>,
    /// The gradient of the scores: rows.
    pub gradient: Option<Disjoint<'a, T>>,
    /// The shares: rows. Not of scores that are probabilities.
    pub probabilities: Option<Disjoint<'a, T>>,
    /// For every row 1 where the first of its largest logits, or shares where they are clipped, is at the first of its largest
    /// targets, else 0; a NaN is the largest. Not of scores that are probabilities.
    pub hits: Option<Disjoint<'a, T>>,
}

impl<T> Results<'_, T> {
    /// Nothing.
    pub fn none() -> Self {
        Self { losses: None, gradient: None, probabilities: None, hits: None }
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

/// The rows of one chunk.
#[doc(hidden)]
pub struct Work<'a, T> {
    scores: Scores,
    columns: usize,
    /// The first row, by which targets and seeds are found.
    first: usize,
    x: &'a [T],
    targets: Targets<'a, T>,
    seed: Seed<'a, T>,
    losses: Option<&'a mut [T]>,
    gradient: Option<&'a mut [T]>,
    probabilities: Option<&'a mut [T]>,
    hits: Option<&'a mut [T]>,
}

/// The element types of this kernel.
pub trait CrossEntropyElement: VectorMath {
    #[doc(hidden)]
    fn rows(isa: Isa, work: Work<Self>);
}

macro_rules! elements {
    ($($t:ty)*) => {
        $(impl CrossEntropyElement for $t {
            fn rows(isa: Isa, work: Work<Self>) {
                for_each_isa_fused! { fn copies(work: Work<$t>) = rows_body::<$t>; }
                copies(isa, work);
            }
        })*
    };
}
elements! { f32 f64 }

/// What the losses of 16 rows are made of: `offset + weight log(argument)`.
struct Losses<T> {
    offset: Lanes<T>,
    weight: Lanes<T>,
    argument: Lanes<T>,
}

impl<T: VectorMath> Losses<T> {
    #[inline(always)]
    fn none() -> Self {
        Self { offset: [T::ZERO; LANES], weight: [T::ZERO; LANES], argument: [T::ONE; LANES] }
    }

    #[inline(always)]
    fn write<const FUSED: bool>(&self, losses: &mut [T]) {
        let mut made = self.argument;
        let parts = self.offset.iter().zip(&self.weight).take(lanes_of::<T>(losses.len()));
        for (made, (&offset, &weight)) in made.iter_mut().zip(parts) {
            *made = offset + weight * made.v_log::<FUSED>();
        }
        losses.copy_from_slice(&made[..losses.len()]);
    }
}

#[inline(always)]
fn rows_body<const FUSED: bool, T: VectorMath>(work: Work<T>) {
    let Work { scores, columns, first, x, targets, seed, mut losses, mut gradient, mut probabilities, mut hits } = work;
    let pieces = Pieces::new(columns);
    for (number, x) in x.chunks(columns * LANES).enumerate() {
        let block = number * LANES;
        let (rows, from) = (block..block + x.len() / columns, first + block);
        let elements = rows.start * columns..rows.end * columns;
        let mut part = Part {
            scores,
            columns,
            x,
            labels: [0; LANES],
            targets: match targets {
                Targets::Rows(targets) => Some(&targets[from * columns..][..x.len()]),
                _ => None,
            },
            seeds: [T::ZERO; LANES],
            gradient: gradient.as_deref_mut().map(|gradient| &mut gradient[elements.clone()]),
            probabilities: probabilities.as_deref_mut().map(|probabilities| &mut probabilities[elements.clone()]),
            hits: hits.as_deref_mut().map(|hits| &mut hits[rows.clone()]),
        };
        for lane in 0..rows.len() {
            part.labels[lane] = targets.label(from + lane) as usize;
            part.seeds[lane] = seed.of(from + lane);
        }
        let made = if columns > LANES {
            part.long_rows::<FUSED>(&pieces)
        } else if part.targets.is_some() {
            part.block_of_targets::<FUSED>()
        } else {
            part.block_of_labels::<FUSED>()
        };
        if let Some(losses) = &mut losses {
            made.write::<FUSED>(&mut losses[rows]);
        }
    }
}

/// At most 16 rows.
struct Part<'a, T> {
    scores: Scores,
    columns: usize,
    x: &'a [T],
    labels: [usize; LANES],
    targets: Option<&'a [T]>,
    seeds: Lanes<T>,
    gradient: Option<&'a mut [T]>,
    probabilities: Option<&'a mut [T]>,
    hits: Option<&'a mut [T]>,
}

/// A share clipped to `margin` from 0 and 1, and the derivative of that.
#[inline(always)]
fn clip<T: VectorMath>(share: T, margin: f64) -> (T, T) {
    let (low, high) = (T::from_f64(margin), T::from_f64(1.0 - margin));
    let clipped = if share < low { low } else { share };
    let clipped = if clipped > high { high } else { clipped };
    // Half of it from each side: 1 inside, 1/2 at an end, 0 outside.
    let above = if share > low { T::ONE } else { T::ZERO } + if share >= low { T::ONE } else { T::ZERO };
    let below = if share < high { T::ONE } else { T::ZERO } + if share <= high { T::ONE } else { T::ZERO };
    (clipped, above * below * T::from_f64(0.25))
}

impl Scores {
    fn margin(self) -> f64 {
        match self {
            Scores::Logits => 0.0,
            Scores::Softmax { margin } | Scores::Probabilities { margin } => margin,
        }
    }

    fn is_softmax(self) -> bool {
        !matches!(self, Scores::Probabilities { .. })
    }
}

/// Where the first of the largest targets of each of at most 16 rows is; a NaN is the largest.
fn first_largest<T: VectorMath>(targets: &[T], columns: usize) -> [usize; LANES] {
    let mut all = [0; LANES];
    for (best, row) in all.iter_mut().zip(targets.chunks_exact(columns)) {
        for (place, &target) in row.iter().enumerate() {
            if target > row[*best] || (target.is_nan() && !row[*best].is_nan()) {
                *best = place;
            }
        }
    }
    all
}

/// Cross-entropy of rows.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy<T> {
    rows: Rows,
    scores: Scores,
    element: PhantomData<T>,
}

impl<T: CrossEntropyElement> CrossEntropy<T> {
    /// Of `rows` rows of `classes` scores.
    pub fn new(rows: usize, classes: usize, scores: Scores) -> Self {
        Self { rows: Rows { rows, columns: classes }, scores, element: PhantomData }
    }

    pub fn chunks(&self) -> usize {
        self.rows.chunks()
    }

    /// Computes the rows of chunk `chunk`; an error if a label is out of range, and then nothing is written.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says, or for shares or hits of probabilities.
    pub fn run(
        &self,
        isa: Isa,
        chunk: usize,
        x: &[T],
        targets: Targets<T>,
        seed: Seed<T>,
        results: Results<T>,
    ) -> Result<(), LabelError> {
        let Results { losses, gradient, probabilities, hits } = results;
        let count = self.rows.rows;
        self.rows.check(&[x.len()]);
        let of_probabilities = matches!(self.scores, Scores::Probabilities { .. });
        assert!(!of_probabilities || (probabilities.is_none() && hits.is_none()), "shares of probabilities");
        for rows in [&gradient, &probabilities].into_iter().flatten() {
            self.rows.check(&[rows.len()]);
        }
        for numbers in [&losses, &hits].into_iter().flatten() {
            assert_eq!(numbers.len(), count, "a number a row");
        }
        match targets {
            Targets::Rows(rows) => self.rows.check(&[rows.len()]),
            labels => assert_eq!(labels.len(), count, "labels"),
        }
        assert!(!matches!(seed, Seed::Rows(seeds) if seeds.len() != count), "a gradient a row");
        let rows = self.rows.rows(chunk);
        if !matches!(targets, Targets::Rows(_)) {
            self.check_labels(rows.clone(), targets)?;
        }
        let elements = self.rows.elements(&rows);
        let (first, x) = (rows.start, &x[elements.clone()]);
        // SAFETY: chunks have different rows.
        let (losses, hits) =
            unsafe { (losses.map(|losses| losses.range(rows.clone())), hits.map(|hits| hits.range(rows.clone()))) };
        // SAFETY: as above.
        let (gradient, probabilities) = unsafe {
            (
                gradient.map(|gradient| gradient.range(elements.clone())),
                probabilities.map(|probabilities| probabilities.range(elements)),
            )
        };
        if self.rows.columns == 0 {
            // A sum of nothing; there is no class to hit.
            losses.into_iter().chain(hits).for_each(|numbers| numbers.fill(T::ZERO));
            return Ok(());
        }
        let (scores, columns) = (self.scores, self.rows.columns);
        T::rows(isa, Work { scores, columns, first, x, targets, seed, losses, gradient, probabilities, hits });
        Ok(())
    }

    fn check_labels(&self, mut rows: Range<usize>, targets: Targets<T>) -> Result<(), LabelError> {
        let classes = self.rows.columns;
        let valid = |row: usize| (0..classes as i64).contains(&targets.label(row));
        match rows.find(|&row| !valid(row)) {
            Some(row) => Err(LabelError { row, label: targets.label(row), classes }),
            None => Ok(()),
        }
    }
}
