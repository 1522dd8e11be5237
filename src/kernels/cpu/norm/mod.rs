//! Batch normalisation over all axes but the last: statistics, application, and both passes of the gradient.
//!
//! Data: `rows x channels`, contiguous. Rows narrower than 256 channels are taken several at a time (`width` elements), with
//! the per-channel factors repeated. Statistics are made block by block, and the blocks' means and squared deviations
//! are merged in double precision by Chan's formula:
//!
//! ```text
//! for block in chunk:                                  8,192 elements, 16 to 256 rows
//!   for row in block: sum[j] += x[j]                   the chunk's first block; later ones take the mean so far for theirs
//!   for row in block: d = x[j] - mean[j], sum[j] += d, m2[j] += d^2
//!   merge (count, mean, m2) into the chunk's           double precision; `sum` corrects the block's mean
//! finish: merge the chunks in order
//! ```
//!
//! With weights `w` a row (0 and 1 for a mask), `W = sum w`:
//!
//! ```text
//! mean = sum w x / W      variance = sum w (x - mean)^2 / W      y = relu(x scale + shift + residual)
//! d beta = sum g          d gamma = sum g (x - mean) / s,  s = sqrt(variance + epsilon)
//! dx = gamma / s (g - w / W (d beta + (x - mean) / s d gamma))
//! ```
//!
//! Limit: memory bandwidth.

mod gradient;
mod parts;
#[cfg(test)]
mod tests;

pub use gradient::{Arriving, Gate};
use gradient::{GradientSums, InputGradient, gradient_sums_body, input_gradient_body};

use super::disjoint::{Disjoint, part};
use super::simd::Isa;
use super::vector_math::VectorMath;
use super::workspace;
use crate::for_each_isa_fused;
use std::marker::PhantomData;
use std::ops::Range;

/// Rows at least this wide are taken one at a time.
const WIDE: usize = 256;
/// Elements of a block, and its least and greatest number of rows: few enough for rounding to stay small.
const BLOCK: usize = 8192;
const BLOCK_ROWS: (usize, usize) = (16, 256);
/// Elements of a chunk.
const CHUNK: usize = 16 << 10;

/// The element types of these kernels.
pub trait NormElement: VectorMath + workspace::Plain {
    #[doc(hidden)]
    fn moments(isa: Isa, work: Moments<Self>);
    #[doc(hidden)]
    fn gradient_sums(isa: Isa, work: GradientSums<Self>);
    #[doc(hidden)]
    fn affine(isa: Isa, work: Affine<Self>, y: &mut [Self]);
    #[doc(hidden)]
    fn input_gradient(isa: Isa, work: InputGradient<Self>, dx: &mut [Self]);
}

macro_rules! elements {
    ($($t:ty)*) => {
        $(impl NormElement for $t {
            fn moments(isa: Isa, work: Moments<Self>) {
                for_each_isa_fused! { fn copies(work: Moments<$t>) = moments_body::<$t>; }
                copies(isa, work);
            }
            fn gradient_sums(isa: Isa, work: GradientSums<Self>) {
                for_each_isa_fused! { fn copies(work: GradientSums<$t>) = gradient_sums_body::<$t>; }
                copies(isa, work);
            }
            fn affine(isa: Isa, work: Affine<Self>, y: &mut [Self]) {
                for_each_isa_fused! { fn copies(work: Affine<$t>, y: &mut [$t]) = affine_body::<$t>; }
                copies(isa, work, y);
            }
            fn input_gradient(isa: Isa, work: InputGradient<Self>, dx: &mut [Self]) {
                for_each_isa_fused! { fn copies(work: InputGradient<$t>, dx: &mut [$t]) = input_gradient_body::<$t>; }
                copies(isa, work, dx);
            }
        })*
    };
}
elements! { f32 f64 }

/// Rows of a block.
#[inline(always)]
fn block_of(width: usize) -> usize {
    (BLOCK / width).clamp(BLOCK_ROWS.0, BLOCK_ROWS.1)
}

/// One chunk of statistics.
#[doc(hidden)]
#[derive(Debug)]
pub struct Moments<'a, T> {
    x: &'a [T],
    weights: Option<&'a [T]>,
    channels: usize,
    /// A row of sums, of means, and of squared deviations, `width` elements each.
    room: &'a mut [T],
    /// Two numbers a channel: a block's sums and squared deviations.
    folds: &'a mut [f64],
    /// The weight of the chunk, its means, its squared deviations.
    result: &'a mut [f64],
}

/// Merges the mean and squared deviations of more elements into those of one channel: `share` is their part of the whole
/// weight, `total` the weight before.
#[inline(always)]
fn merge(total: f64, share: f64, mean: &mut f64, deviations: &mut f64, block_mean: f64, block_deviations: f64) {
    let difference = block_mean - *mean;
    *mean += difference * share;
    *deviations += block_deviations + difference * difference * total * share;
}

/// Adds the repetitions of every channel to its total.
#[inline(always)]
fn fold<T: NormElement>(values: &[T], totals: &mut [f64]) {
    for repeated in values.chunks_exact(totals.len()) {
        for (total, value) in totals.iter_mut().zip(repeated) {
            *total += value.to_f64();
        }
    }
}

// Loops over rows are functions of their own: slices that are arguments are known to be apart.

#[inline(always)]
fn add_row<T: NormElement>(sums: &mut [T], row: &[T]) {
    let sums = &mut sums[..row.len()];
    for index in 0..row.len() {
        sums[index] += row[index];
    }
}

#[inline(always)]
fn add_deviation<const FUSED: bool, T: NormElement>(sums: &mut [T], squares: &mut [T], means: &[T], row: &[T]) {
    let count = row.len();
    let (sums, squares, means) = (&mut sums[..count], &mut squares[..count], &means[..count]);
    for index in 0..count {
        let difference = row[index] - means[index];
        sums[index] += difference;
        squares[index] = difference.madd::<FUSED>(difference, squares[index]);
    }
}

/// Two rows.
#[inline(always)]
fn add_deviations<const FUSED: bool, T: NormElement>(sums: &mut [T], squares: &mut [T], means: &[T], a: &[T], b: &[T]) {
    let count = a.len();
    let (sums, squares, means, b) = (&mut sums[..count], &mut squares[..count], &means[..count], &b[..count]);
    for index in 0..count {
        let (a, b) = (a[index] - means[index], b[index] - means[index]);
        sums[index] += a + b;
        squares[index] = a.madd::<FUSED>(a, b.madd::<FUSED>(b, squares[index]));
    }
}

#[inline(always)]
fn moments_body<const FUSED: bool, T: NormElement>(work: Moments<T>) {
    let Moments { x, weights, channels, room, folds, result } = work;
    let width = room.len() / 3;
    let group = width / channels;
    let (sums, rest) = room.split_at_mut(width);
    let (means, deviations) = rest.split_at_mut(width);
    let (total, result) = result.split_at_mut(1);
    let (mean, m2) = result.split_at_mut(channels);
    total[0] = 0.0;
    mean.fill(0.0);
    m2.fill(0.0);
    let block_rows = block_of(width) * group;
    for (index, block) in x.chunks(block_rows * channels).enumerate() {
        let rows = block.len() / channels;
        let weights = weights.map(|weights| &weights[index * block_rows..index * block_rows + rows]);
        let weight = match weights {
            None => rows as f64,
            Some(weights) => weights.iter().map(|weight| weight.to_f64()).sum(),
        };
        if weight == 0.0 {
            continue;
        }
        sums.fill(T::ZERO);
        deviations.fill(T::ZERO);
        match weights {
            // What is known of the mean will do: the differences' own mean is added to it below.
            None if total[0] > 0.0 => {}
            None => {
                for rows in block.chunks(width) {
                    add_row(sums, rows);
                }
            }
            Some(weights) => {
                for (row, &weight) in block.chunks_exact(channels).zip(weights) {
                    for (sum, &x) in sums.iter_mut().zip(row) {
                        *sum = select_weighted::<FUSED, T>(weight, x, *sum);
                    }
                }
            }
        }
        let inverse = 1.0 / weight;
        let block_sums = &mut folds[..channels];
        let known = weights.is_none() && total[0] > 0.0;
        if !known {
            block_sums.fill(0.0);
            fold(sums, block_sums);
        }
        for (channel, first) in means[..channels].iter_mut().enumerate() {
            *first = T::from_f64(if known { mean[channel] } else { block_sums[channel] * inverse });
        }
        let (first, repeated) = means.split_at_mut(channels);
        repeat(first, repeated);
        // The differences' own sum corrects for the rounding of the mean.
        sums.fill(T::ZERO);
        match weights {
            None => {
                let mut pairs = block.chunks_exact(2 * width);
                for pair in &mut pairs {
                    let (a, b) = pair.split_at(width);
                    add_deviations::<FUSED, T>(sums, deviations, means, a, b);
                }
                for row in pairs.remainder().chunks(width) {
                    add_deviation::<FUSED, T>(sums, deviations, means, row);
                }
            }
            Some(weights) => {
                for (row, &weight) in block.chunks_exact(channels).zip(weights) {
                    for (((sum, deviation), &mean), &x) in sums.iter_mut().zip(&mut *deviations).zip(&*means).zip(row) {
                        let difference = x - mean;
                        *sum = select_weighted::<FUSED, T>(weight, difference, *sum);
                        *deviation = select_weighted::<FUSED, T>(weight, difference * difference, *deviation);
                    }
                }
            }
        }
        let share = weight / (total[0] + weight);
        folds.fill(0.0);
        let (block_sums, block_squares) = folds.split_at_mut(channels);
        fold(sums, block_sums);
        fold(deviations, block_squares);
        for channel in 0..channels {
            let correction = block_sums[channel] * inverse;
            let block_mean = means[channel].to_f64() + correction;
            let block_deviations = block_squares[channel] - correction * correction * weight;
            merge(total[0], share, &mut mean[channel], &mut m2[channel], block_mean, block_deviations);
        }
        total[0] += weight;
    }
}

/// `weight * x + sum`, where nothing of weight 0 counts, not even infinities.
#[inline(always)]
fn select_weighted<const FUSED: bool, T: VectorMath>(weight: T, x: T, sum: T) -> T {
    if weight == T::ZERO { sum } else { weight.madd::<FUSED>(x, sum) }
}

/// What is added to `x scale + shift`.
#[derive(Clone, Copy, Debug)]
pub enum Residual<'a, T> {
    None,
    Add(&'a [T]),
    /// What `y` holds, which is written over.
    InPlace,
}

/// One chunk of the application: `y = relu(x scale + shift + residual)`, the factors as long as a row of `width`.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a, T> {
    x: &'a [T],
    scale: &'a [T],
    shift: &'a [T],
    residual: Residual<'a, T>,
    relu: bool,
}

#[inline(always)]
fn affine_body<const FUSED: bool, T: NormElement>(work: Affine<T>, y: &mut [T]) {
    let Affine { x, scale, shift, residual, relu } = work;
    let width = scale.len();
    // A NaN stays one.
    let positive = |y: T| if y < T::ZERO { T::ZERO } else { y };
    let rows = x.chunks(width).zip(y.chunks_mut(width));
    macro_rules! rows {
        (|$x:ident, $y:ident| $result:expr) => {
            for (x, y) in rows {
                for ((($y, &$x), &scale), &shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
                    let $x = $x.madd::<FUSED>(scale, shift);
                    *$y = $result;
                }
            }
        };
        (|$x:ident, $residual:ident in $all:ident| $result:expr) => {
            for ((x, y), residual) in rows.zip($all.chunks(width)) {
                let factors = x.iter().zip(scale).zip(shift);
                for ((y, ((&$x, &scale), &shift)), &$residual) in y.iter_mut().zip(factors).zip(residual) {
                    let $x = $x.madd::<FUSED>(scale, shift);
                    *y = $result;
                }
            }
        };
    }
    match (residual, relu) {
        (Residual::None, false) => rows!(|x, y| x),
        (Residual::None, true) => rows!(|x, y| positive(x)),
        (Residual::InPlace, false) => rows!(|x, y| x + *y),
        (Residual::InPlace, true) => rows!(|x, y| positive(x + *y)),
        (Residual::Add(all), false) => rows!(|x, residual in all| x + residual),
        (Residual::Add(all), true) => rows!(|x, residual in all| positive(x + residual)),
    }
}

/// Batch normalisation of `rows x channels`.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<T> {
    rows: usize,
    channels: usize,
    /// Rows taken as one.
    group: usize,
    chunks: usize,
    element: PhantomData<T>,
}

/// What a training step computes from its input: per channel, from `finish_moments`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Normalisation<'a, T> {
    pub mean: &'a [T],
    /// Biased: divided by the count.
    pub variance: &'a [T],
    pub epsilon: T,
}

impl<T: NormElement> BatchNorm<T> {
    pub fn new(rows: usize, channels: usize) -> Self {
        let group = if channels < WIDE { (2 * WIDE / channels.max(1)).clamp(1, rows.max(1)) } else { 1 };
        let chunks = (rows.saturating_mul(channels) / CHUNK).clamp(1, 64).min(rows.max(1));
        Self { rows, channels, group, chunks, element: PhantomData }
    }

    /// For every one of the passes.
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// How many `f64` of scratch the statistics need, and the gradient's sums too.
    pub fn scratch_numbers(&self) -> usize {
        self.chunks * self.scratch_row()
    }

    /// The same in bytes.
    pub fn scratch(&self) -> usize {
        self.scratch_numbers() * size_of::<f64>()
    }

    fn scratch_row(&self) -> usize {
        1 + 2 * self.channels
    }

    fn width(&self) -> usize {
        self.group * self.channels
    }

    fn elements(&self) -> usize {
        self.rows * self.channels
    }

    fn rows_of(&self, chunk: usize) -> Range<usize> {
        part(self.rows, self.chunks, chunk, self.group)
    }

    fn elements_of(&self, chunk: usize) -> Range<usize> {
        let rows = self.rows_of(chunk);
        rows.start * self.channels..rows.end * self.channels
    }

    fn check(&self, arrays: &[usize], weights: Option<&[T]>, channels: &[usize]) {
        assert!(arrays.iter().all(|&length| length == self.elements()), "{arrays:?} elements, not {}", self.elements());
        assert!(channels.iter().all(|&length| length == self.channels), "{channels:?} channels, not {}", self.channels);
        assert!(weights.is_none_or(|weights| weights.len() == self.rows), "one weight a row");
    }

    /// The statistics of chunk `chunk`, into scratch of `scratch_numbers()`.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run_moments(&self, isa: Isa, chunk: usize, x: &[T], weights: Option<&[T]>, scratch: Disjoint<f64>) {
        self.check(&[x.len()], weights, &[]);
        let row = self.scratch_row();
        // SAFETY: chunks have different parts of scratch.
        let result = unsafe { scratch.range(chunk * row..(chunk + 1) * row) };
        let weights = weights.map(|weights| &weights[self.rows_of(chunk)]);
        self.moments_of(isa, &x[self.elements_of(chunk)], weights, result);
    }

    /// The statistics of some rows.
    fn moments_of(&self, isa: Isa, x: &[T], weights: Option<&[T]>, result: &mut [f64]) {
        if self.channels == 0 {
            result.fill(0.0);
            return;
        }
        // With weights, rows are taken one at a time.
        let width = if weights.is_some() { self.channels } else { self.width() };
        workspace::with(2 * self.channels, |folds: &mut [f64]| {
            workspace::with(3 * width, |room: &mut [T]| {
                T::moments(isa, Moments { x, weights, channels: self.channels, room, folds, result });
            });
        });
    }

    /// Mean and biased variance per channel, once all chunks have run; 0 if there is nothing to average. Gives the
    /// weight of all rows.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn finish_moments(&self, mean: &mut [T], variance: &mut [T], scratch: &[f64]) -> f64 {
        self.check(&[], None, &[mean.len(), variance.len()]);
        let parts = || scratch.chunks_exact(self.scratch_row()).take(self.chunks);
        for channel in 0..self.channels {
            let (mut total, mut merged_mean, mut deviations) = (0.0, 0.0, 0.0);
            for part in parts().filter(|part| part[0] != 0.0) {
                let (part_mean, part_deviations) = (part[1 + channel], part[1 + self.channels + channel]);
                let share = part[0] / (total + part[0]);
                merge(total, share, &mut merged_mean, &mut deviations, part_mean, part_deviations);
                total += part[0];
            }
            mean[channel] = T::from_f64(merged_mean);
            // A NaN stays one.
            let spread = if deviations < 0.0 { 0.0 } else { deviations };
            variance[channel] = T::from_f64(if total == 0.0 { 0.0 } else { spread / total });
        }
        parts().map(|part| part[0]).sum()
    }

    /// `scale = gamma / sqrt(variance + epsilon)` and `shift = beta - mean scale`, for `run_apply`; `gamma` defaults to 1,
    /// `beta` to 0.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn factors(
        &self,
        by: Normalisation<T>,
        gamma: Option<&[T]>,
        beta: Option<&[T]>,
        scale: &mut [T],
        shift: &mut [T],
    ) {
        self.check(&[], None, &[by.mean.len(), by.variance.len(), scale.len(), shift.len()]);
        for channel in 0..self.channels {
            let deviation = (by.variance[channel] + by.epsilon).to_f64().sqrt();
            let factor = gamma.map_or(1.0, |gamma| gamma[channel].to_f64()) / deviation;
            let offset = beta.map_or(0.0, |beta| beta[channel].to_f64()) - by.mean[channel].to_f64() * factor;
            (scale[channel], shift[channel]) = (T::from_f64(factor), T::from_f64(offset));
        }
    }

    /// `y = x scale + shift + residual` for chunk `chunk`, or `relu` of it.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run_apply(
        &self,
        isa: Isa,
        chunk: usize,
        x: &[T],
        scale: &[T],
        shift: &[T],
        residual: Residual<T>,
        relu: bool,
        y: Disjoint<T>,
    ) {
        self.check(&[x.len(), y.len()], None, &[scale.len(), shift.len()]);
        if self.channels == 0 {
            return;
        }
        let range = self.elements_of(chunk);
        let residual = match residual {
            Residual::Add(all) => {
                self.check(&[all.len()], None, &[]);
                Residual::Add(&all[range.clone()])
            }
            other => other,
        };
        // SAFETY: chunks have different rows.
        let y = unsafe { y.range(range.clone()) };
        let x = &x[range];
        if self.group == 1 {
            T::affine(isa, Affine { x, scale, shift, residual, relu }, y);
            return;
        }
        workspace::with(2 * self.width(), |room: &mut [T]| {
            let (repeated_scale, repeated_shift) = room.split_at_mut(self.width());
            repeat(scale, repeated_scale);
            repeat(shift, repeated_shift);
            T::affine(isa, Affine { x, scale: repeated_scale, shift: repeated_shift, residual, relu }, y);
        });
    }
}

/// Fills `to` with `from` over and over.
fn repeat<T: Copy>(from: &[T], to: &mut [T]) {
    for to in to.chunks_exact_mut(from.len()) {
        to.copy_from_slice(from);
    }
}
