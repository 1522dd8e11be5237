//! Optimizer steps over flat slices, and the sum of squares that clipping by norm needs.
//!
//! Data: parameter, gradient and slots of equal length. One pass does it all; where gradients are clipped or averages kept,
//! it goes by blocks that stay in the first cache:
//!
//! ```text
//! for block in chunk:
//!     g = clip(g scale)
//!     p = p - p weight_decay learning_rate
//!     p, slots = rule(p, g, slots)                  a row of the table in `rules`
//!     average = kept average + (1 - kept) p
//! ```
//!
//! No operation is contracted to a fused one, so results are the same on every instruction set. Limit: memory bandwidth.

mod rules;
#[cfg(test)]
mod tests;

use super::disjoint::{Disjoint, part};
use super::float::Float;
use super::simd::Isa;
use super::vector_math::VectorMath;
use crate::{for_each_isa, for_each_isa_fused};
pub use rules::{MAX_SCALARS, MAX_SLOTS, Rule};
use std::marker::PhantomData;
use std::ops::Range;

/// Elements of a chunk.
const CHUNK: usize = 8 << 10;
/// Elements that stay in the first cache, and that are summed in their own precision.
const BLOCK: usize = 1024;
/// Running sums.
const LANES: usize = 32;

/// One step of an optimizer: everything but the data.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Step<'a> {
    pub rule: Rule,
    pub learning_rate: f64,
    /// What [`Rule::scalars`] names.
    pub scalars: &'a [f64],
    /// What [`Rule::options`] names.
    pub options: &'a [f64],
    /// Decoupled; 0 for none.
    pub weight_decay: f64,
    /// Multiplies the gradient: below 1 where its norm is clipped.
    pub gradient_scale: f64,
    /// The largest absolute value of the scaled gradient; infinity for any.
    pub gradient_limit: f64,
    /// How much of the average is kept, if there is one.
    pub kept_average: f64,
}

impl<'a> Step<'a> {
    /// A step of nothing but the rule.
    ///
    /// # Panics
    /// When there are not as many scalars and options as the rule has.
    pub fn new(rule: Rule, learning_rate: f64, scalars: &'a [f64], options: &'a [f64]) -> Self {
        assert_eq!(scalars.len(), rule.scalars().len(), "scalars of {}", rule.name());
        assert_eq!(options.len(), rule.options().len(), "options of {}", rule.name());
        Self {
            rule,
            learning_rate,
            scalars,
            options,
            weight_decay: 0.0,
            gradient_scale: 1.0,
            gradient_limit: f64::INFINITY,
            kept_average: 0.0,
        }
    }
}

/// What one chunk works on; slots that the rule has not are empty.
struct Part<'a, T> {
    parameter: &'a mut [T],
    gradient: &'a [T],
    slots: [&'a mut [T]; MAX_SLOTS],
    average: Option<&'a mut [T]>,
}

/// Calls `rule` on the whole part where there is nothing else to do, else block by block between the rest.
fn blocks<T: Float>(isa: Isa, step: &Step, part: Part<T>, rule: impl Fn(&mut [T], &[T], [&mut [T]; MAX_SLOTS])) {
    let Part { parameter, gradient, slots, average } = part;
    let scales = step.gradient_limit < f64::INFINITY || step.gradient_scale != 1.0;
    if !scales && average.is_none() {
        rule(parameter, gradient, slots);
        return;
    }
    let [scale, limit, kept] = [step.gradient_scale, step.gradient_limit, step.kept_average].map(T::from_f64);
    let mut scaled = [T::ZERO; BLOCK];
    let mut slots = slots.map(|slot| slot.chunks_mut(BLOCK));
    let mut averages = average.map(|average| average.chunks_mut(BLOCK));
    for (parameter, gradient) in parameter.chunks_mut(BLOCK).zip(gradient.chunks(BLOCK)) {
        let gradient = if scales {
            let scaled = &mut scaled[..gradient.len()];
            clip(isa, scale, limit, gradient, scaled);
            scaled
        } else {
            gradient
        };
        rule(parameter, gradient, slots.each_mut().map(|slot| slot.next().unwrap_or_default()));
        if let Some(average) = averages.as_mut().and_then(Iterator::next) {
            mix(isa, kept, parameter, average);
        }
    }
}

for_each_isa! { fn clip<T: Float>(scale: T, limit: T, gradient: &[T], scaled: &mut [T]) = clip_body; }
for_each_isa! { fn mix<T: Float>(kept: T, parameter: &[T], average: &mut [T]) = mix_body; }
for_each_isa_fused! { fn squares<T: VectorMath>(x: &[T], result: &mut f64) = squares_body; }

#[inline(always)]
fn clip_body<T: Float>(scale: T, limit: T, gradient: &[T], scaled: &mut [T]) {
    for (&g, scaled) in gradient.iter().zip(scaled) {
        *scaled = rules::within(g * scale, limit);
    }
}

#[inline(always)]
fn mix_body<T: Float>(kept: T, parameter: &[T], average: &mut [T]) {
    let rest = T::ONE - kept;
    for (&p, average) in parameter.iter().zip(average) {
        *average = *average * kept + p * rest;
    }
}

#[inline(always)]
fn squares_body<const FUSED: bool, T: VectorMath>(x: &[T], result: &mut f64) {
    let mut total = 0.0;
    for block in x.chunks(BLOCK) {
        let mut lanes = [T::ZERO; LANES];
        let (pieces, rest) = block.as_chunks::<LANES>();
        for piece in pieces {
            for (lane, &x) in lanes.iter_mut().zip(piece) {
                *lane = x.madd::<FUSED>(x, *lane);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane = x.madd::<FUSED>(x, *lane);
        }
        total += lanes.iter().map(|lane| lane.to_f64()).sum::<f64>();
    }
    *result = total;
}

fn chunks(length: usize) -> usize {
    (length / CHUNK).clamp(1, 64)
}

/// The part of chunk `chunk`, and that of every other chunk, starts at a cache line.
fn range(length: usize, chunk: usize) -> Range<usize> {
    part(length, chunks(length), chunk, 16)
}

/// A step of an optimizer on one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Update<T> {
    length: usize,
    element: PhantomData<T>,
}

impl<T: Float> Update<T> {
    pub fn new(length: usize) -> Self {
        Self { length, element: PhantomData }
    }

    pub fn chunks(&self) -> usize {
        chunks(self.length)
    }

    /// The elements that chunk `chunk` updates.
    pub fn range(&self, chunk: usize) -> Range<usize> {
        range(self.length, chunk)
    }

    /// Updates the part of chunk `chunk`.
    ///
    /// # Panics
    /// When a slice has not the parameter's length, or there are not as many slots as the rule has.
    pub fn run(
        &self,
        isa: Isa,
        chunk: usize,
        step: &Step,
        parameter: Disjoint<T>,
        gradient: &[T],
        slots: &[Disjoint<T>],
        average: Option<Disjoint<T>>,
    ) {
        assert_eq!(slots.len(), step.rule.slots().len(), "slots of {}", step.rule.name());
        let mut lengths = slots.iter().chain(&average).map(Disjoint::len).chain([parameter.len(), gradient.len()]);
        assert!(lengths.all(|length| length == self.length), "every slice has {} elements", self.length);
        let range = range(self.length, chunk);
        // SAFETY: chunks have different parts.
        let part = unsafe {
            Part {
                parameter: parameter.range(range.clone()),
                gradient: &gradient[range.clone()],
                slots: std::array::from_fn(|i| slots.get(i).map(|slot| slot.range(range.clone())).unwrap_or_default()),
                average: average.map(|average| average.range(range)),
            }
        };
        rules::apply(isa, step, part);
    }
}

/// The sum of squares of a slice, in double precision.
#[derive(Clone, Copy, Debug)]
pub struct SumOfSquares<T> {
    length: usize,
    element: PhantomData<T>,
}

impl<T: VectorMath> SumOfSquares<T> {
    pub fn new(length: usize) -> Self {
        Self { length, element: PhantomData }
    }

    pub fn chunks(&self) -> usize {
        chunks(self.length)
    }

    /// The sum over the part of chunk `chunk`, into the place `chunk` of `sums`.
    ///
    /// # Panics
    /// When `x` has not the length.
    pub fn run(&self, isa: Isa, chunk: usize, x: &[T], sums: Disjoint<f64>) {
        assert_eq!(x.len(), self.length, "elements");
        // SAFETY: chunks have different places.
        let sum = unsafe { sums.range(chunk..chunk + 1) };
        squares(isa, &x[range(self.length, chunk)], &mut sum[0]);
    }

    /// The whole sum, once all chunks have run.
    pub fn finish(&self, sums: &[f64]) -> f64 {
        sums[..self.chunks()].iter().sum()
    }
}
