//! The two passes of batch normalisation's gradient, behind the sum and the `relu` that end the forward pass.
//!
//! ```text
//! for row (of `width`) in chunk:
//!   g = gate(gradient + addend)                        on the fly; rare combinations in room that stays in the cache
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
    /// Per-channel means repeated, two rows of sums, a row of `y`'s gradient: `width` elements each.
    room: &'a mut [T],
    /// `sum g` and `sum g (x - mean)`.
    result: &'a mut [f64],
}

#[inline(always)]
pub(super) fn gradient_sums_body<const FUSED: bool, T: NormElement>(work: GradientSums<T>) {
    let GradientSums { x, arriving, mut passed, channels, room, result } = work;
    let width = room.len() / 4;
    let (means, rest) = room.split_at_mut(width);
    let (sums, rest) = rest.split_at_mut(width);
    let (products, staged) = rest.split_at_mut(width);
    let (sum_result, product_result) = result.split_at_mut(channels);
    sum_result.fill(0.0);
    product_result.fill(0.0);
    let whole = arriving.gradient.unwrap_or_default();
    let block = block_of(width) * width;
    for (index, x) in x.chunks(block).enumerate() {
        sums.fill(T::ZERO);
        products.fill(T::ZERO);
        let mut at = index * block;
        for x in x.chunks(width) {
            let own = at..at + x.len();
            at = own.end;
            let g = &whole[own.clone()];
            let slots = Slots { sums, products, means };
            match (arriving.addend, arriving.gate, &mut passed) {
                (None, Gate::Open, None) => sum_row::<FUSED, T>(slots, x, g),
                (None, Gate::Input { scale, shift }, None) => sum_gated_row::<FUSED, T>(slots, x, g, scale, shift),
                (None, Gate::Output(y), Some(passed)) => {
                    sum_passed_row::<FUSED, T>(slots, x, g, &y[own.clone()], &mut passed[own]);
                }
                (Some(addend), Gate::Output(y), Some(passed)) => {
                    let (addend, y) = (&addend[own.clone()], &y[own.clone()]);
                    sum_added_row::<FUSED, T>(slots, x, g, addend, y, &mut passed[own]);
                }
                (_, _, passed) => {
                    let to = match passed {
                        Some(passed) => &mut passed[own.clone()],
                        None => &mut staged[..x.len()],
                    };
                    stage::<FUSED, T>(&arriving, own.start, x, g, to);
                    sum_row::<FUSED, T>(slots, x, to);
                }
            }
        }
        fold(sums, sum_result);
        fold(products, product_result);
    }
}

/// The sums that a row is added to: functions of their own, whose arguments are known to be apart.
struct Slots<'a, T> {
    sums: &'a mut [T],
    products: &'a mut [T],
    means: &'a [T],
}

macro_rules! sum_rows {
    ($($(#[$meta:meta])* fn $name:ident($($array:ident),*; $($out:ident)?) |$x:ident, $g:ident| $gradient:expr;)*) => {
        $(
            $(#[$meta])*
            #[inline(always)]
            fn $name<const FUSED: bool, T: NormElement>(
                slots: Slots<T>,
                x: &[T],
                g: &[T],
                $($array: &[T],)*
                $($out: &mut [T],)?
            ) {
                #[inline(always)]
                fn apart<const FUSED: bool, T: NormElement>(
                    sums: &mut [T],
                    products: &mut [T],
                    means: &[T],
                    x: &[T],
                    g: &[T],
                    $($array: &[T],)*
                    $($out: &mut [T],)?
                ) {
                    let count = x.len();
                    let (sums, products) = (&mut sums[..count], &mut products[..count]);
                    let (means, g) = (&means[..count], &g[..count]);
                    $(let $array = &$array[..count];)*
                    $(let $out = &mut $out[..count];)?
                    for index in 0..count {
                        let ($x, $g) = (x[index], g[index]);
                        $(let $array = $array[index];)*
                        let gradient = $gradient;
                        $($out[index] = gradient;)?
                        sums[index] += gradient;
                        products[index] = gradient.madd::<FUSED>($x - means[index], products[index]);
                    }
                }
                apart::<FUSED, T>(slots.sums, slots.products, slots.means, x, g, $($array,)* $($out)?);
            }
        )*
    };
}
sum_rows! {
    fn sum_row(;) |x, g| g;
    fn sum_gated_row(scale, shift;) |x, g| if x.madd::<FUSED>(scale, shift) > T::ZERO { g } else { T::ZERO };
    fn sum_passed_row(y; to) |x, g| if y > T::ZERO { g } else { T::ZERO };
    fn sum_added_row(addend, y; to) |x, g| if y > T::ZERO { g + addend } else { T::ZERO };
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
    /// A row of `y`'s gradient.
    room: &'a mut [T],
}

#[inline(always)]
pub(super) fn input_gradient_body<const FUSED: bool, T: NormElement>(work: InputGradient<T>, dx: &mut [T]) {
    let InputGradient { x, arriving, weights, channels, factors, room } = work;
    let width = factors.len() / 4;
    let (a, rest) = factors.split_at(width);
    let (mean, rest) = rest.split_at(width);
    let (b, c) = rest.split_at(width);
    let factors = Factors { a, mean, b, c };
    for (index, (x, dx)) in x.chunks(width).zip(dx.chunks_mut(width)).enumerate() {
        let at = index * width;
        let own = at..at + x.len();
        match (arriving.gradient, arriving.addend, arriving.gate, weights) {
            (Some(g), None, Gate::Open, None) => row::<FUSED, T>(factors, x, dx, &g[own]),
            (Some(g), None, Gate::Input { scale, shift }, None) => {
                gated_row::<FUSED, T>(factors, x, dx, &g[own], scale, shift);
            }
            (None, None, Gate::Open, None) => row_in_place::<FUSED, T>(factors, x, dx),
            (None, None, Gate::Input { scale, shift }, None) => {
                gated_row_in_place::<FUSED, T>(factors, x, dx, scale, shift);
            }
            (g, _, _, weights) => {
                let to = &mut room[..x.len()];
                stage::<FUSED, T>(&arriving, at, x, g.map_or(&*dx, |g| &g[own]), to);
                match weights {
                    None => row::<FUSED, T>(factors, x, dx, to),
                    Some(weights) => {
                        let weights = &weights[at / channels..];
                        weighted_rows::<FUSED, T>(factors, x, dx, to, weights, channels);
                    }
                }
            }
        }
    }
}

/// The factors of a row.
#[derive(Clone, Copy)]
struct Factors<'a, T> {
    a: &'a [T],
    mean: &'a [T],
    b: &'a [T],
    c: &'a [T],
}

macro_rules! gradient_rows {
    ($($(#[$meta:meta])* fn $name:ident($($array:ident),*) |$x:ident, $dx:ident| $gradient:expr;)*) => {
        $(
            $(#[$meta])*
            #[inline(always)]
            fn $name<const FUSED: bool, T: NormElement>(factors: Factors<T>, x: &[T], dx: &mut [T], $($array: &[T]),*) {
                let count = x.len();
                let Factors { a, mean, b, c } = factors;
                let (a, mean, b, c, to) = (&a[..count], &mean[..count], &b[..count], &c[..count], &mut dx[..count]);
                $(let $array = &$array[..count];)*
                for index in 0..count {
                    let ($x, $dx) = (x[index], to[index]);
                    $(let $array = $array[index];)*
                    let gradient: T = $gradient;
                    to[index] = a[index].madd::<FUSED>(gradient, -($x - mean[index]).madd::<FUSED>(c[index], b[index]));
                }
            }
        )*
    };
}
gradient_rows! {
    fn row(g) |x, _dx| g;
    fn gated_row(g, scale, shift) |x, _dx| if x.madd::<FUSED>(scale, shift) > T::ZERO { g } else { T::ZERO };
    fn row_in_place() |x, dx| dx;
    fn gated_row_in_place(scale, shift) |x, dx| if x.madd::<FUSED>(scale, shift) > T::ZERO { dx } else { T::ZERO };
}

/// Rows that have weights.
#[inline(always)]
fn weighted_rows<const FUSED: bool, T: NormElement>(
    factors: Factors<T>,
    x: &[T],
    dx: &mut [T],
    g: &[T],
    weights: &[T],
    channels: usize,
) {
    let Factors { a, mean, b, c } = factors;
    let rows = x.chunks(channels).zip(g.chunks(channels)).zip(dx.chunks_mut(channels));
    for (((x, gradient), dx), &weight) in rows.zip(weights) {
        for ((((((dx, &x), &gradient), &a), &mean), &b), &c) in
            dx.iter_mut().zip(x).zip(gradient).zip(a).zip(mean).zip(b).zip(c)
        {
            let through = select_weighted::<FUSED, T>(weight, (x - mean).madd::<FUSED>(c, b), T::ZERO);
            *dx = a * gradient - through;
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
        workspace::with(6 * self.width(), |room: &mut [T]| {
            let (room, gate) = room.split_at_mut(4 * self.width());
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
        workspace::with(7 * width, |room: &mut [T]| {
            let (repeated, rest) = room.split_at_mut(4 * width);
            let (room, gate) = rest.split_at_mut(width);
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
