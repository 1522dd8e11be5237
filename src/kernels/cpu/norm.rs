//! Batch normalisation over all axes but the last: statistics, application, and both passes of the gradient.
//!
//! Data: `rows x channels`, contiguous. Rows narrower than 64 channels are taken several at a time (`width` elements), with
//! the per-channel factors repeated. Statistics are made block by block, two passes over a block that fits the cache, and
//! the blocks' means and squared deviations are merged in double precision by Chan's formula:
//!
//! ```text
//! for block in chunk:                                  8,192 elements, 32 to 256 rows
//!   for row in block: sum[j] += x[j]                   pass 1, from memory
//!   for row in block: m2[j] += (x[j] - mean[j])^2      pass 2, from the cache
//!   merge (count, mean, m2) into the chunk's           double precision
//! finish: merge the chunks in order
//! ```
//!
//! With weights `w` a row (0 and 1 for a mask), `W = sum w`:
//!
//! ```text
//! mean = sum w x / W      variance = sum w (x - mean)^2 / W      y = x scale + shift
//! d beta = sum g          d gamma = sum g (x - mean) / s,  s = sqrt(variance + epsilon)
//! dx = gamma / s (g - w / W (d beta + (x - mean) / s d gamma))
//! ```
//!
//! Limit: memory bandwidth.

use super::disjoint::{Disjoint, part};
use super::simd::Isa;
use super::vector_math::VectorMath;
use super::workspace;
use crate::for_each_isa_fused;
use std::marker::PhantomData;
use std::ops::Range;

/// Rows at least this wide are taken one at a time.
const WIDE: usize = 64;
/// Elements of a block, and its least and greatest number of rows: few enough for rounding to stay small.
const BLOCK: usize = 8192;
const BLOCK_ROWS: (usize, usize) = (32, 256);
/// Elements of a chunk.
const CHUNK: usize = 16 << 10;

/// The element types of these kernels.
pub trait NormElement: VectorMath + workspace::Plain {
    #[doc(hidden)]
    fn moments(isa: Isa, work: Moments<Self>);
    #[doc(hidden)]
    fn gradient_sums(isa: Isa, work: GradientSums<Self>);
    #[doc(hidden)]
    fn affine(isa: Isa, x: &[Self], scale: &[Self], shift: &[Self], y: &mut [Self]);
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
            fn affine(isa: Isa, x: &[Self], scale: &[Self], shift: &[Self], y: &mut [Self]) {
                for_each_isa_fused! { fn copies(x: &[$t], scale: &[$t], shift: &[$t], y: &mut [$t]) = affine_body::<$t>; }
                copies(isa, x, scale, shift, y);
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

/// The sum over the repetitions of channel `channel`.
#[inline(always)]
fn fold<T: NormElement>(values: &[T], channel: usize, channels: usize) -> f64 {
    let mut sum = values[channel].to_f64();
    for repeated in values[channels..].chunks_exact(channels) {
        sum += repeated[channel].to_f64();
    }
    sum
}

/// Four rows at a time, then the rest one by one.
#[inline(always)]
fn four_rows<T>(x: &[T], width: usize) -> (impl Iterator<Item = [&[T]; 4]>, impl Iterator<Item = &[T]>) {
    let fours = x.chunks_exact(4 * width);
    let rest = fours.remainder().chunks(width);
    let split = move |four| {
        let (ab, cd): (&[T], &[T]) = <[T]>::split_at(four, 2 * width);
        let ((a, b), (c, d)) = (ab.split_at(width), cd.split_at(width));
        [a, b, c, d]
    };
    (fours.map(split), rest)
}

#[inline(always)]
fn moments_body<const FUSED: bool, T: NormElement>(work: Moments<T>) {
    let Moments { x, weights, channels, room, result } = work;
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
            None => {
                let (fours, rest) = four_rows(block, width);
                for [a, b, c, d] in fours {
                    for ((((sum, &a), &b), &c), &d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                        *sum += (a + b) + (c + d);
                    }
                }
                for row in rest {
                    for (sum, &x) in sums.iter_mut().zip(row) {
                        *sum += x;
                    }
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
        for channel in 0..channels {
            let block_mean = T::from_f64(fold(sums, channel, channels) * inverse);
            for repeated in means.chunks_exact_mut(channels) {
                repeated[channel] = block_mean;
            }
        }
        // The differences' own sum corrects for the rounding of the mean.
        sums.fill(T::ZERO);
        match weights {
            None => {
                let (fours, rest) = four_rows(block, width);
                for [a, b, c, d] in fours {
                    let slots = sums.iter_mut().zip(&mut *deviations).zip(&*means);
                    for ((((((sum, deviation), &mean), &a), &b), &c), &d) in slots.zip(a).zip(b).zip(c).zip(d) {
                        let (a, b, c, d) = (a - mean, b - mean, c - mean, d - mean);
                        *sum += (a + b) + (c + d);
                        let squares = a.madd::<FUSED>(a, b * b) + c.madd::<FUSED>(c, d * d);
                        *deviation += squares;
                    }
                }
                for row in rest {
                    for (((sum, deviation), &mean), &x) in sums.iter_mut().zip(&mut *deviations).zip(&*means).zip(row) {
                        let difference = x - mean;
                        *sum += difference;
                        *deviation = difference.madd::<FUSED>(difference, *deviation);
                    }
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
        for channel in 0..channels {
            let correction = fold(sums, channel, channels) * inverse;
            let block_mean = means[channel].to_f64() + correction;
            let block_deviations = fold(deviations, channel, channels) - correction * correction * weight;
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

/// One chunk of the gradient's sums.
#[doc(hidden)]
#[derive(Debug)]
pub struct GradientSums<'a, T> {
    x: &'a [T],
    gradient: &'a [T],
    channels: usize,
    /// Per-channel means repeated, then two rows of sums, `width` elements each.
    room: &'a mut [T],
    /// `sum g` and `sum g (x - mean)`.
    result: &'a mut [f64],
}

#[inline(always)]
fn gradient_sums_body<const FUSED: bool, T: NormElement>(work: GradientSums<T>) {
    let GradientSums { x, gradient, channels, room, result } = work;
    let width = room.len() / 3;
    let (means, rest) = room.split_at_mut(width);
    let (sums, products) = rest.split_at_mut(width);
    let (sum_result, product_result) = result.split_at_mut(channels);
    sum_result.fill(0.0);
    product_result.fill(0.0);
    let block = block_of(width) * width;
    for (x, gradient) in x.chunks(block).zip(gradient.chunks(block)) {
        sums.fill(T::ZERO);
        products.fill(T::ZERO);
        let (fours, rest) = four_rows(x, width);
        let (gradient_fours, gradient_rest) = four_rows(gradient, width);
        for ([a, b, c, d], [ga, gb, gc, gd]) in fours.zip(gradient_fours) {
            let slots = sums.iter_mut().zip(&mut *products).zip(&*means);
            let rows = a.iter().zip(b).zip(c).zip(d).zip(ga).zip(gb).zip(gc).zip(gd);
            for (((sum, product), &mean), (((((((&a, &b), &c), &d), &ga), &gb), &gc), &gd)) in slots.zip(rows) {
                *sum += (ga + gb) + (gc + gd);
                let first = (a - mean).madd::<FUSED>(ga, (b - mean) * gb);
                *product += first + (c - mean).madd::<FUSED>(gc, (d - mean) * gd);
            }
        }
        for (x, gradient) in rest.zip(gradient_rest) {
            for ((((sum, product), &mean), &x), &gradient) in
                sums.iter_mut().zip(&mut *products).zip(&*means).zip(x).zip(gradient)
            {
                *sum += gradient;
                *product = gradient.madd::<FUSED>(x - mean, *product);
            }
        }
        for channel in 0..channels {
            sum_result[channel] += fold(sums, channel, channels);
            product_result[channel] += fold(products, channel, channels);
        }
    }
}

/// `y = x scale + shift`, the factors as long as a row of `width`.
#[inline(always)]
fn affine_body<const FUSED: bool, T: NormElement>(x: &[T], scale: &[T], shift: &[T], y: &mut [T]) {
    for (x, y) in x.chunks(scale.len()).zip(y.chunks_mut(scale.len())) {
        for (((y, &x), &scale), &shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
            *y = x.madd::<FUSED>(scale, shift);
        }
    }
}

/// One chunk of the input's gradient.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct InputGradient<'a, T> {
    x: &'a [T],
    gradient: &'a [T],
    weights: Option<&'a [T]>,
    channels: usize,
    /// Four rows of factors `a`, `mean`, `b`, `c`: `dx = a g - w (b + c (x - mean))`.
    factors: &'a [T],
}

#[inline(always)]
fn input_gradient_body<const FUSED: bool, T: NormElement>(work: InputGradient<T>, dx: &mut [T]) {
    let InputGradient { x, gradient, weights, channels, factors } = work;
    let width = factors.len() / 4;
    let (a, rest) = factors.split_at(width);
    let (mean, rest) = rest.split_at(width);
    let (b, c) = rest.split_at(width);
    let step = if weights.is_some() { channels } else { width };
    let rows = x.chunks(step).zip(gradient.chunks(step)).zip(dx.chunks_mut(step));
    match weights {
        None => {
            for ((x, gradient), dx) in rows {
                for ((((((dx, &x), &gradient), &a), &mean), &b), &c) in
                    dx.iter_mut().zip(x).zip(gradient).zip(a).zip(mean).zip(b).zip(c)
                {
                    *dx = a.madd::<FUSED>(gradient, -(x - mean).madd::<FUSED>(c, b));
                }
            }
        }
        Some(weights) => {
            for (((x, gradient), dx), &weight) in rows.zip(weights) {
                for ((((((dx, &x), &gradient), &a), &mean), &b), &c) in
                    dx.iter_mut().zip(x).zip(gradient).zip(a).zip(mean).zip(b).zip(c)
                {
                    let through = select_weighted::<FUSED, T>(weight, (x - mean).madd::<FUSED>(c, b), T::ZERO);
                    *dx = a * gradient - through;
                }
            }
        }
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
        if self.channels == 0 {
            result.fill(0.0);
            return;
        }
        let rows = self.rows_of(chunk);
        // With weights, rows are taken one at a time.
        let width = if weights.is_some() { self.channels } else { self.width() };
        workspace::with(3 * width, |room: &mut [T]| {
            let (x, weights) = (&x[self.elements_of(chunk)], weights.map(|weights| &weights[rows]));
            T::moments(isa, Moments { x, weights, channels: self.channels, room, result });
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

    /// `y = x scale + shift` for chunk `chunk`.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run_apply(&self, isa: Isa, chunk: usize, x: &[T], scale: &[T], shift: &[T], y: Disjoint<T>) {
        self.check(&[x.len(), y.len()], None, &[scale.len(), shift.len()]);
        if self.channels == 0 {
            return;
        }
        let range = self.elements_of(chunk);
        // SAFETY: chunks have different rows.
        let y = unsafe { y.range(range.clone()) };
        if self.group == 1 {
            T::affine(isa, &x[range], scale, shift, y);
            return;
        }
        workspace::with(2 * self.width(), |room: &mut [T]| {
            let (repeated_scale, repeated_shift) = room.split_at_mut(self.width());
            repeat(scale, repeated_scale);
            repeat(shift, repeated_shift);
            T::affine(isa, &x[range], repeated_scale, repeated_shift, y);
        });
    }

    /// Sums for the gradients of chunk `chunk`, into scratch of `scratch_numbers()`.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run_gradient_sums(
        &self,
        isa: Isa,
        chunk: usize,
        x: &[T],
        gradient: &[T],
        mean: &[T],
        scratch: Disjoint<f64>,
    ) {
        self.check(&[x.len(), gradient.len()], None, &[mean.len()]);
        if self.channels == 0 {
            return;
        }
        let (row, range) = (self.scratch_row(), self.elements_of(chunk));
        // SAFETY: chunks have different parts of scratch.
        let result = unsafe { scratch.range(chunk * row..chunk * row + 2 * self.channels) };
        workspace::with(3 * self.width(), |room: &mut [T]| {
            repeat(mean, &mut room[..self.width()]);
            let (x, gradient) = (&x[range.clone()], &gradient[range]);
            T::gradient_sums(isa, GradientSums { x, gradient, channels: self.channels, room, result });
        });
    }

    /// The gradients of `gamma` and `beta`, once the sums of all chunks are there.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn finish_gradient_sums(&self, by: Normalisation<T>, d_gamma: &mut [T], d_beta: &mut [T], scratch: &[f64]) {
        self.check(&[], None, &[by.mean.len(), by.variance.len(), d_gamma.len(), d_beta.len()]);
        let parts = scratch.chunks_exact(self.scratch_row()).take(self.chunks);
        for channel in 0..self.channels {
            let (mut sum, mut product) = (0.0, 0.0);
            for part in parts.clone() {
                sum += part[channel];
                product += part[self.channels + channel];
            }
            d_beta[channel] = T::from_f64(sum);
            d_gamma[channel] = T::from_f64(product / (by.variance[channel] + by.epsilon).to_f64().sqrt());
        }
    }

    /// The input's gradient for chunk `chunk`, from those of `gamma` and `beta`; `total` is what `finish_moments` gave
    /// (the number of rows without weights).
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run_input_gradient(
        &self,
        isa: Isa,
        chunk: usize,
        x: &[T],
        gradient: &[T],
        weights: Option<&[T]>,
        total: f64,
        by: Normalisation<T>,
        gamma: Option<&[T]>,
        d_gamma: &[T],
        d_beta: &[T],
        dx: Disjoint<T>,
    ) {
        let channels = [by.mean.len(), by.variance.len(), d_gamma.len(), d_beta.len()];
        self.check(&[x.len(), gradient.len(), dx.len()], weights, &channels);
        if self.channels == 0 {
            return;
        }
        let width = if weights.is_some() { self.channels } else { self.width() };
        let share = if total == 0.0 { 0.0 } else { 1.0 / total };
        workspace::with(4 * width, |factors: &mut [T]| {
            for (column, channel) in (0..self.channels).cycle().take(width).enumerate() {
                let inverse = 1.0 / (by.variance[channel] + by.epsilon).to_f64().sqrt();
                let a = gamma.map_or(1.0, |gamma| gamma[channel].to_f64()) * inverse;
                factors[column] = T::from_f64(a);
                factors[width + column] = by.mean[channel];
                factors[2 * width + column] = T::from_f64(a * share * d_beta[channel].to_f64());
                factors[3 * width + column] = T::from_f64(a * share * inverse * d_gamma[channel].to_f64());
            }
            let (range, rows) = (self.elements_of(chunk), self.rows_of(chunk));
            let (x, gradient) = (&x[range.clone()], &gradient[range.clone()]);
            let weights = weights.map(|weights| &weights[rows]);
            let work = InputGradient { x, gradient, weights, channels: self.channels, factors };
            // SAFETY: chunks have different rows.
            T::input_gradient(isa, work, unsafe { dx.range(range) });
        });
    }
}

/// Fills `to` with `from` over and over.
fn repeat<T: Copy>(from: &[T], to: &mut [T]) {
    for to in to.chunks_exact_mut(from.len()) {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchNorm, NormElement, Normalisation};
    use crate::cpu::disjoint::Disjoint;
    use crate::cpu::simd::Isa;

    struct Lcg(u64);
    impl Lcg {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % bound
        }
        fn numbers<T: NormElement>(&mut self, count: usize, offset: f64) -> Vec<T> {
            (0..count).map(|_| T::from_f64(self.below(2001) as f64 / 1000.0 - 1.0 + offset)).collect()
        }
    }

    const EPSILON: f64 = 1e-3;

    struct Results<T> {
        mean: Vec<T>,
        variance: Vec<T>,
        y: Vec<T>,
        dx: Vec<T>,
        d_gamma: Vec<T>,
        d_beta: Vec<T>,
    }

    struct Case<T> {
        rows: usize,
        channels: usize,
        x: Vec<T>,
        gradient: Vec<T>,
        gamma: Vec<T>,
        beta: Vec<T>,
        weights: Option<Vec<T>>,
    }

    impl<T: NormElement> Case<T> {
        fn run(&self, isa: Isa) -> Results<T> {
            let kernel = BatchNorm::<T>::new(self.rows, self.channels);
            let mut scratch = vec![f64::NAN; kernel.scratch_numbers()];
            let zeros = || vec![T::ZERO; self.channels];
            let (mut mean, mut variance, mut scale, mut shift) = (zeros(), zeros(), zeros(), zeros());
            let (mut y, mut dx) = (self.x.clone(), self.x.clone());
            let weights = self.weights.as_deref();
            let chunks = || (0..kernel.chunks()).rev();
            for chunk in chunks() {
                kernel.run_moments(isa, chunk, &self.x, weights, Disjoint::new(&mut scratch));
            }
            let total = kernel.finish_moments(&mut mean, &mut variance, &scratch);
            let (mean, variance) = (mean, variance);
            let by = Normalisation { mean: &mean, variance: &variance, epsilon: T::from_f64(EPSILON) };
            kernel.factors(by, Some(&self.gamma), Some(&self.beta), &mut scale, &mut shift);
            for chunk in chunks() {
                kernel.run_apply(isa, chunk, &self.x, &scale, &shift, Disjoint::new(&mut y));
            }
            scratch.fill(f64::NAN);
            for chunk in chunks() {
                kernel.run_gradient_sums(isa, chunk, &self.x, &self.gradient, &mean, Disjoint::new(&mut scratch));
            }
            let (mut d_gamma, mut d_beta) = (zeros(), zeros());
            kernel.finish_gradient_sums(by, &mut d_gamma, &mut d_beta, &scratch);
            for chunk in chunks() {
                kernel.run_input_gradient(
                    isa,
                    chunk,
                    &self.x,
                    &self.gradient,
                    weights,
                    total,
                    by,
                    Some(&self.gamma),
                    &d_gamma,
                    &d_beta,
                    Disjoint::new(&mut dx),
                );
            }
            Results { mean, variance, y, dx, d_gamma, d_beta }
        }

        fn naive(&self) -> Results<f64> {
            let (rows, channels) = (self.rows, self.channels);
            let at = |values: &[T], row: usize, channel: usize| values[row * channels + channel].to_f64();
            let weight = |row: usize| self.weights.as_ref().map_or(1.0, |weights| weights[row].to_f64());
            let total: f64 = (0..rows).map(weight).sum();
            let share = if total == 0.0 { 0.0 } else { 1.0 / total };
            let mut results = Results {
                mean: vec![0.0; channels],
                variance: vec![0.0; channels],
                y: vec![0.0; rows * channels],
                dx: vec![0.0; rows * channels],
                d_gamma: vec![0.0; channels],
                d_beta: vec![0.0; channels],
            };
            for channel in 0..channels {
                let mean: f64 = (0..rows).map(|row| weight(row) * at(&self.x, row, channel)).sum::<f64>() * share;
                let square = |row: usize| weight(row) * (at(&self.x, row, channel) - mean).powi(2);
                let variance = (0..rows).map(square).sum::<f64>() * share;
                let deviation = (variance + EPSILON).sqrt();
                let normal = |row: usize| (at(&self.x, row, channel) - mean) / deviation;
                let (gamma, beta) = (self.gamma[channel].to_f64(), self.beta[channel].to_f64());
                let d_beta: f64 = (0..rows).map(|row| at(&self.gradient, row, channel)).sum();
                let d_gamma: f64 = (0..rows).map(|row| at(&self.gradient, row, channel) * normal(row)).sum();
                for row in 0..rows {
                    results.y[row * channels + channel] = normal(row) * gamma + beta;
                    results.dx[row * channels + channel] = gamma / deviation
                        * (at(&self.gradient, row, channel) - weight(row) * share * (d_beta + normal(row) * d_gamma));
                }
                (results.mean[channel], results.variance[channel]) = (mean, variance);
                (results.d_gamma[channel], results.d_beta[channel]) = (d_gamma, d_beta);
            }
            results
        }
    }

    fn check<T: NormElement>(tolerance: f64) {
        let mut random = Lcg(1);
        let shapes =
            [(1, 1), (7, 3), (100, 10), (33, 64), (2000, 16), (5000, 3), (300, 200), (3, 1500), (0, 4), (4, 0)];
        for (rows, channels) in shapes {
            for weighted in [false, true] {
                let weights = weighted.then(|| (0..rows).map(|_| T::from_f64(random.below(3) as f64)).collect());
                let case = Case::<T> {
                    rows,
                    channels,
                    x: random.numbers(rows * channels, 3.0),
                    gradient: random.numbers(rows * channels, 0.1),
                    gamma: random.numbers(channels, 1.5),
                    beta: random.numbers(channels, 0.0),
                    weights,
                };
                let expected = case.naive();
                for isa in Isa::available() {
                    let actual = case.run(isa);
                    let close = |name: &str, actual: &[T], expected: &[f64], scale: f64| {
                        for (a, e) in actual.iter().zip(expected) {
                            assert!(
                                (a.to_f64() - e).abs() <= tolerance * (e.abs() + scale),
                                "{isa:?} {name} {rows} x {channels}, weighted {weighted}: {a:?}, expected {e}"
                            );
                        }
                    };
                    close("mean", &actual.mean, &expected.mean, 0.0);
                    close("variance", &actual.variance, &expected.variance, 1e-3);
                    close("y", &actual.y, &expected.y, 3.0 / EPSILON.sqrt());
                    let rows = rows as f64;
                    close("d gamma", &actual.d_gamma, &expected.d_gamma, rows.max(10.0));
                    close("d beta", &actual.d_beta, &expected.d_beta, rows.max(1.0));
                    close("dx", &actual.dx, &expected.dx, 1.0 / EPSILON);
                }
            }
        }
    }

    #[test]
    fn single_precision() {
        check::<f32>(5e-7);
    }

    #[test]
    fn double_precision() {
        check::<f64>(1e-13);
    }

    #[test]
    fn large_means_do_not_drown_the_variance() {
        let mut random = Lcg(2);
        let (rows, channels) = (20_000, 8);
        let x: Vec<f32> = random.numbers(rows * channels, 1000.0);
        let kernel = BatchNorm::<f32>::new(rows, channels);
        for isa in Isa::available() {
            let mut scratch = vec![0.0; kernel.scratch_numbers()];
            for chunk in 0..kernel.chunks() {
                kernel.run_moments(isa, chunk, &x, None, Disjoint::new(&mut scratch));
            }
            let (mut mean, mut variance) = (vec![0f32; channels], vec![0f32; channels]);
            kernel.finish_moments(&mut mean, &mut variance, &scratch);
            for channel in 0..channels {
                let values = || x.iter().skip(channel).step_by(channels).map(|&x| f64::from(x));
                let exact_mean = values().sum::<f64>() / rows as f64;
                let exact = values().map(|x| (x - exact_mean).powi(2)).sum::<f64>() / rows as f64;
                assert!((f64::from(variance[channel]) / exact - 1.0).abs() < 2e-6, "{} {exact}", variance[channel]);
                assert!((f64::from(mean[channel]) / exact_mean - 1.0).abs() < 1e-7);
            }
        }
    }

    #[test]
    fn masked_rows_may_hold_anything() {
        let x = [1.0f32, f32::NAN, 3.0];
        let kernel = BatchNorm::<f32>::new(3, 1);
        let mut scratch = vec![0.0; kernel.scratch_numbers()];
        kernel.run_moments(Isa::active(), 0, &x, Some(&[1.0, 0.0, 1.0]), Disjoint::new(&mut scratch));
        let (mut mean, mut variance) = ([0.0], [0.0]);
        let total = kernel.finish_moments(&mut mean, &mut variance, &scratch);
        assert_eq!((total, mean, variance), (2.0, [2.0], [1.0]));
    }
}
