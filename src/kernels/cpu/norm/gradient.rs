//! The two passes of batch normalisation's gradient, behind the sum and the `relu` that end the forward pass.
//!
//! ```text
//! for 4 rows (of `width`) in chunk:                    they stay in the first-level cache
//!   g = gate(gradient + addend)                        where there is something to do; into `passed`, or room
//!   sum += g, product += g (x - mean)                  first pass; blocks' sums are added in double precision
//!   dx = a g - w (b + c (x - mean))                    second pass
//! ```
//!
//! The gate of `y = relu(x scale + shift)` is made again from `x`, so that the passes read two arrays, not three.

use super::super::disjoint::Disjoint;
use super::super::simd::Isa;
use super::super::workspace;
use super::{BatchNorm, NormElement, Normalisation, block_of, fold, repeat, select_weighted};

/// Which part of the gradient that arrives at `relu(y)` goes on to `y`.
#[derive(Clone, Copy, Debug)]
pub enum Gate<'a, T> {
    /// All of it: there is no `relu`.
    Open,
    /// Where this result of `relu` is above 0.
    Output(&'a [T]),
    /// Where `x scale + shift` is: what `relu` was given, made again. The factors are those of `run_apply`.
    Input { scale: &'a [T], shift: &'a [T] },
}

/// The gradient of `y`: `gate(gradient + addend)`.
#[derive(Clone, Copy, Debug)]
pub struct Arriving<'a, T> {
    /// `None`: what `dx` holds, which the second pass writes over.
    pub gradient: Option<&'a [T]>,
    pub addend: Option<&'a [T]>,
    pub gate: Gate<'a, T>,
}

impl<'a, T> Arriving<'a, T> {
    /// A gradient that is taken as it comes.
    pub fn plain(gradient: &'a [T]) -> Self {
        Self { gradient: Some(gradient), addend: None, gate: Gate::Open }
    }

    fn lengths(&self) -> impl Iterator<Item = usize> {
        let output = if let Gate::Output(y) = self.gate { Some(y) } else { None };
        [self.gradient, self.addend, output].into_iter().flatten().map(<[T]>::len)
    }

    /// The part of a chunk, its gate's factors repeated into `room`, two rows.
    fn part(self, range: &std::ops::Range<usize>, room: &'a mut [T]) -> Self
    where
        T: Copy,
    {
        let own = |values: &'a [T]| &values[range.clone()];
        let gate = match self.gate {
            Gate::Open => Gate::Open,
            Gate::Output(y) => Gate::Output(own(y)),
            Gate::Input { scale, shift } => {
                let (scales, shifts) = room.split_at_mut(room.len() / 2);
                repeat(scale, scales);
                repeat(shift, shifts);
                Gate::Input { scale: scales, shift: shifts }
            }
        };
        Self { gradient: self.gradient.map(own), addend: self.addend.map(own), gate }
    }

    /// Whether the gradient may be read where it is.
    #[inline(always)]
    fn is_plain(&self) -> bool {
        self.gradient.is_some() && self.addend.is_none() && matches!(self.gate, Gate::Open)
    }
}

/// `to = gate(gradient + addend)` for the elements from `at` on, whose `x` and gradient are given.
#[inline(always)]
fn stage<const FUSED: bool, T: NormElement>(work: &Arriving<T>, at: usize, x: &[T], gradient: &[T], to: &mut [T]) {
    let end = at + to.len();
    let pass = |open: bool, gradient: T| if open { gradient } else { T::ZERO };
    match (work.addend.map(|addend| &addend[at..end]), work.gate) {
        (None, Gate::Open) => to.copy_from_slice(gradient),
        (Some(addend), Gate::Open) => {
            for ((to, &g), &addend) in to.iter_mut().zip(gradient).zip(addend) {
                *to = g + addend;
            }
        }
        (None, Gate::Output(y)) => {
            for ((to, &g), &y) in to.iter_mut().zip(gradient).zip(&y[at..end]) {
                *to = pass(y > T::ZERO, g);
            }
        }
        (Some(addend), Gate::Output(y)) => {
            for (((to, &g), &addend), &y) in to.iter_mut().zip(gradient).zip(addend).zip(&y[at..end]) {
                *to = pass(y > T::ZERO, g + addend);
            }
        }
        (None, Gate::Input { scale, shift }) => {
            let width = scale.len();
            for ((to, g), x) in to.chunks_mut(width).zip(gradient.chunks(width)).zip(x.chunks(width)) {
                for ((((to, &g), &x), &scale), &shift) in to.iter_mut().zip(g).zip(x).zip(scale).zip(shift) {
                    *to = pass(x.madd::<FUSED>(scale, shift) > T::ZERO, g);
                }
            }
        }
        (Some(addend), Gate::Input { scale, shift }) => {
            let width = scale.len();
            let rows = to.chunks_mut(width).zip(gradient.chunks(width)).zip(x.chunks(width)).zip(addend.chunks(width));
            for (((to, g), x), addend) in rows {
                let elements = to.iter_mut().zip(g).zip(x).zip(scale).zip(shift).zip(addend);
                for (((((to, &g), &x), &scale), &shift), &addend) in elements {
                    *to = pass(x.madd::<FUSED>(scale, shift) > T::ZERO, g + addend);
                }
            }
        }
    }
}

/// One chunk of the gradient's sums.
#[doc(hidden)]
#[derive(Debug)]
pub struct GradientSums<'a, T> {
    x: &'a [T],
    arriving: Arriving<'a, T>,
    /// Where `y`'s gradient goes, if somebody wants it.
    passed: Option<&'a mut [T]>,
    channels: usize,
    /// Per-channel means repeated, two rows of sums, four rows of `y`'s gradient: `width` elements each.
    room: &'a mut [T],
    /// `sum g` and `sum g (x - mean)`.
    result: &'a mut [f64],
}

#[inline(always)]
pub(super) fn gradient_sums_body<const FUSED: bool, T: NormElement>(work: GradientSums<T>) {
    let GradientSums { x, arriving, mut passed, channels, room, result } = work;
    let width = room.len() / 7;
    let (means, rest) = room.split_at_mut(width);
    let (sums, rest) = rest.split_at_mut(width);
    let (products, staged) = rest.split_at_mut(width);
    let (sum_result, product_result) = result.split_at_mut(channels);
    sum_result.fill(0.0);
    product_result.fill(0.0);
    let whole = arriving.gradient.unwrap_or_default();
    let in_place = arriving.is_plain() && passed.is_none();
    let block = block_of(width) * width;
    for (index, x) in x.chunks(block).enumerate() {
        sums.fill(T::ZERO);
        products.fill(T::ZERO);
        let mut at = index * block;
        for x in x.chunks(4 * width) {
            let mut gradient = &whole[at..at + x.len()];
            if !in_place {
                let to = match &mut passed {
                    Some(passed) => &mut passed[at..at + x.len()],
                    None => &mut staged[..x.len()],
                };
                stage::<FUSED, T>(&arriving, at, x, gradient, to);
                gradient = to;
            }
            at += x.len();
            if x.len() == 4 * width {
                let ([a, b, c, d], [ga, gb, gc, gd]) = (quarters(x, width), quarters(gradient, width));
                let slots = sums.iter_mut().zip(&mut *products).zip(&*means);
                let rows = a.iter().zip(b).zip(c).zip(d).zip(ga).zip(gb).zip(gc).zip(gd);
                for (((sum, product), &mean), (((((((&a, &b), &c), &d), &ga), &gb), &gc), &gd)) in slots.zip(rows) {
                    *sum += (ga + gb) + (gc + gd);
                    let first = (a - mean).madd::<FUSED>(ga, (b - mean) * gb);
                    *product += first + (c - mean).madd::<FUSED>(gc, (d - mean) * gd);
                }
                continue;
            }
            for (x, gradient) in x.chunks(width).zip(gradient.chunks(width)) {
                let slots = sums.iter_mut().zip(&mut *products).zip(&*means);
                for (((sum, product), &mean), (&x, &gradient)) in slots.zip(x.iter().zip(gradient)) {
                    *sum += gradient;
                    *product = gradient.madd::<FUSED>(x - mean, *product);
                }
            }
        }
        for channel in 0..channels {
            sum_result[channel] += fold(sums, channel, channels);
            product_result[channel] += fold(products, channel, channels);
        }
    }
}

/// Four rows.
#[inline(always)]
fn quarters<T>(rows: &[T], width: usize) -> [&[T]; 4] {
    let (ab, cd) = rows.split_at(2 * width);
    let ((a, b), (c, d)) = (ab.split_at(width), cd.split_at(width));
    [a, b, c, d]
}

/// One chunk of the input's gradient.
#[doc(hidden)]
#[derive(Debug)]
pub struct InputGradient<'a, T> {
    x: &'a [T],
    arriving: Arriving<'a, T>,
    weights: Option<&'a [T]>,
    channels: usize,
    /// Four rows of factors `a`, `mean`, `b`, `c`: `dx = a g - w (b + c (x - mean))`.
    factors: &'a [T],
    /// Four rows of `y`'s gradient.
    room: &'a mut [T],
}

#[inline(always)]
pub(super) fn input_gradient_body<const FUSED: bool, T: NormElement>(work: InputGradient<T>, dx: &mut [T]) {
    let InputGradient { x, arriving, weights, channels, factors, room } = work;
    let width = factors.len() / 4;
    let (a, rest) = factors.split_at(width);
    let (mean, rest) = rest.split_at(width);
    let (b, c) = rest.split_at(width);
    let step = if weights.is_some() { channels } else { width };
    let in_place = arriving.is_plain();
    for (index, (x, dx)) in x.chunks(4 * width).zip(dx.chunks_mut(4 * width)).enumerate() {
        let at = index * 4 * width;
        let gradient = arriving.gradient.map_or(&*dx, |gradient| &gradient[at..at + x.len()]);
        let gradient = if in_place {
            // Read where it is; told apart from `dx` by its type.
            &arriving.gradient.unwrap_or_default()[at..at + x.len()]
        } else {
            let to = &mut room[..x.len()];
            stage::<FUSED, T>(&arriving, at, x, gradient, to);
            &*to
        };
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
                for (((x, gradient), dx), &weight) in rows.zip(&weights[at / channels..]) {
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
}

impl<T: NormElement> BatchNorm<T> {
    /// Sums for the gradients of chunk `chunk`, into scratch of `scratch_numbers()`. `passed` becomes the gradient of `y`.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says, or the gradient is not given.
    pub fn run_gradient_sums(
        &self,
        isa: Isa,
        chunk: usize,
        x: &[T],
        arriving: Arriving<T>,
        mean: &[T],
        passed: Option<Disjoint<T>>,
        scratch: Disjoint<f64>,
    ) {
        assert!(arriving.gradient.is_some(), "the first pass reads the gradient");
        self.check_arriving(x, arriving, passed.map(|passed| passed.len()));
        self.check(&[], None, &[mean.len()]);
        if self.channels == 0 {
            return;
        }
        let (row, range) = (self.scratch_row(), self.elements_of(chunk));
        // SAFETY: chunks have different parts of scratch, and different rows.
        let (result, passed) = unsafe {
            (
                scratch.range(chunk * row..chunk * row + 2 * self.channels),
                passed.map(|passed| passed.range(range.clone())),
            )
        };
        workspace::with(9 * self.width(), |room: &mut [T]| {
            let (room, gate) = room.split_at_mut(7 * self.width());
            repeat(mean, &mut room[..self.width()]);
            let arriving = arriving.part(&range, gate);
            let x = &x[range.clone()];
            T::gradient_sums(isa, GradientSums { x, arriving, passed, channels: self.channels, room, result });
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

    /// The four factors of every channel that `run_input_gradient` takes, from the gradients of `gamma` and `beta`; `total`
    /// is what `finish_moments` gave (the number of rows without weights).
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn gradient_factors(
        &self,
        by: Normalisation<T>,
        gamma: Option<&[T]>,
        d_gamma: &[T],
        d_beta: &[T],
        total: f64,
        factors: &mut [T],
    ) {
        let channels = self.channels;
        self.check(&[], None, &[by.mean.len(), by.variance.len(), d_gamma.len(), d_beta.len()]);
        assert_eq!(factors.len(), 4 * channels, "four factors a channel");
        let share = if total == 0.0 { 0.0 } else { 1.0 / total };
        for channel in 0..channels {
            let inverse = 1.0 / (by.variance[channel] + by.epsilon).to_f64().sqrt();
            let a = gamma.map_or(1.0, |gamma| gamma[channel].to_f64()) * inverse;
            factors[channel] = T::from_f64(a);
            factors[channels + channel] = by.mean[channel];
            factors[2 * channels + channel] = T::from_f64(a * share * d_beta[channel].to_f64());
            factors[3 * channels + channel] = T::from_f64(a * share * inverse * d_gamma[channel].to_f64());
        }
    }

    /// The input's gradient for chunk `chunk`, by the factors of `gradient_factors`.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run_input_gradient(
        &self,
        isa: Isa,
        chunk: usize,
        x: &[T],
        arriving: Arriving<T>,
        weights: Option<&[T]>,
        factors: &[T],
        dx: Disjoint<T>,
    ) {
        self.check_arriving(x, arriving, Some(dx.len()));
        self.check(&[], weights, &[]);
        assert_eq!(factors.len(), 4 * self.channels, "four factors a channel");
        if self.channels == 0 {
            return;
        }
        let width = self.width();
        workspace::with(10 * width, |room: &mut [T]| {
            let (repeated, rest) = room.split_at_mut(4 * width);
            let (room, gate) = rest.split_at_mut(4 * width);
            for (row, factor) in repeated.chunks_exact_mut(width).zip(factors.chunks_exact(self.channels)) {
                repeat(factor, row);
            }
            let (range, rows) = (self.elements_of(chunk), self.rows_of(chunk));
            let (x, arriving) = (&x[range.clone()], arriving.part(&range, gate));
            let weights = weights.map(|weights| &weights[rows]);
            let work = InputGradient { x, arriving, weights, channels: self.channels, factors: repeated, room };
            // SAFETY: chunks have different rows.
            T::input_gradient(isa, work, unsafe { dx.range(range) });
        });
    }

    fn check_arriving(&self, x: &[T], arriving: Arriving<T>, other: Option<usize>) {
        let lengths: Vec<usize> = arriving.lengths().chain([x.len()]).chain(other).collect();
        self.check(&lengths, None, &[]);
        if let Gate::Input { scale, shift } = arriving.gate {
            self.check(&[], None, &[scale.len(), shift.len()]);
        }
    }
}
