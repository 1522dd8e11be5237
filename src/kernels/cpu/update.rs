//! Optimizer steps over flat slices, and the sum of squares that clipping by global norm needs.
//!
//! Data: parameter, gradient and slots of equal length. Weight decay, the slots' update and the step are one pass:
//!
//! ```text
//! for i in chunk:  p[i], m[i], v[i] = rule(p[i], g[i], m[i], v[i])
//! ```
//!
//! ```text
//! decay     p = p - p * weight_decay * learning_rate                        before the step
//! SGD       m = momentum m - lr g;  p = p + m, or p + momentum m - lr g (nesterov);  p - lr g without momentum
//! Adam      m = m + (1 - beta_1) (g - m);  v = v + (1 - beta_2) (g^2 - v);  p = p - alpha m / (sqrt(v) + epsilon)
//!           alpha = lr sqrt(1 - beta_2^t) / (1 - beta_1^t);  amsgrad divides by the largest v so far
//! ```
//!
//! The order of operations is Keras 3's, so that trajectories agree to rounding. Limit: memory bandwidth.

use super::disjoint::{Disjoint, part};
use super::simd::Isa;
use super::vector_math::VectorMath;
use crate::for_each_isa_fused;
use std::marker::PhantomData;
use std::ops::Range;

/// Elements of a chunk.
const CHUNK: usize = 8 << 10;
/// Elements that are summed in their own precision.
const BLOCK: usize = 1024;
/// Running sums.
const LANES: usize = 32;

/// One step of stochastic gradient descent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SgdStep<T> {
    pub learning_rate: T,
    /// 0 keeps no slot.
    pub momentum: T,
    pub nesterov: bool,
    /// Decoupled; 0 for none.
    pub weight_decay: T,
    /// Multiplies the gradient: below 1 where its norm is clipped.
    pub gradient_scale: T,
}

/// One step of Adam.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AdamStep<T> {
    /// The learning rate, corrected for the slots' zero start.
    alpha: T,
    /// `1 - beta_1` and `1 - beta_2`.
    rates: [T; 2],
    epsilon: T,
    /// Weight decay times learning rate, in two factors.
    weight_decay: T,
    learning_rate: T,
    gradient_scale: T,
}

impl<T: UpdateElement> AdamStep<T> {
    /// Step number `step`, counted from 1. `weight_decay` is decoupled, 0 for none; `gradient_scale` multiplies the
    /// gradient.
    pub fn new(
        step: u64,
        learning_rate: f64,
        beta_1: f64,
        beta_2: f64,
        epsilon: f64,
        weight_decay: f64,
        gradient_scale: f64,
    ) -> Self {
        // Rounded to the parameter's type on the way, as Keras does: 1 - beta_2^step cancels, so the roundings show.
        let correction = |beta: f64| T::ONE - T::from_f64(T::from_f64(beta).to_f64().powf(step as f64));
        Self {
            alpha: T::from_f64(learning_rate) * correction(beta_2).sqrt() / correction(beta_1),
            rates: [T::from_f64(1.0 - beta_1), T::from_f64(1.0 - beta_2)],
            epsilon: T::from_f64(epsilon),
            weight_decay: T::from_f64(weight_decay),
            learning_rate: T::from_f64(learning_rate),
            gradient_scale: T::from_f64(gradient_scale),
        }
    }
}

/// What Adam keeps for a parameter: `m`, `v` and, for amsgrad, the largest `v`.
#[derive(Clone, Copy)]
pub struct AdamSlots<'a, T> {
    pub first: Disjoint<'a, T>,
    pub second: Disjoint<'a, T>,
    pub largest: Option<Disjoint<'a, T>>,
}

/// The element types of these kernels.
pub trait UpdateElement: VectorMath {
    #[doc(hidden)]
    fn sgd(isa: Isa, step: SgdStep<Self>, parameter: &mut [Self], gradient: &[Self], momentum: Option<&mut [Self]>);
    #[doc(hidden)]
    fn adam(
        isa: Isa,
        step: AdamStep<Self>,
        parameter: &mut [Self],
        gradient: &[Self],
        first: &mut [Self],
        second: &mut [Self],
        largest: Option<&mut [Self]>,
    );
    #[doc(hidden)]
    fn squares(isa: Isa, x: &[Self], result: &mut f64);
}

macro_rules! elements {
    ($($t:ty)*) => {
        $(impl UpdateElement for $t {
            fn sgd(
                isa: Isa, step: SgdStep<Self>, parameter: &mut [Self], gradient: &[Self], momentum: Option<&mut [Self]>,
            ) {
                for_each_isa_fused! {
                    fn copies(step: SgdStep<$t>, parameter: &mut [$t], gradient: &[$t], momentum: Option<&mut [$t]>)
                        = sgd_body::<$t>;
                }
                copies(isa, step, parameter, gradient, momentum);
            }
            fn adam(
                isa: Isa, step: AdamStep<Self>, parameter: &mut [Self], gradient: &[Self], first: &mut [Self],
                second: &mut [Self], largest: Option<&mut [Self]>,
            ) {
                for_each_isa_fused! {
                    fn copies(
                        step: AdamStep<$t>, parameter: &mut [$t], gradient: &[$t], first: &mut [$t], second: &mut [$t],
                        largest: Option<&mut [$t]>,
                    ) = adam_body::<$t>;
                }
                copies(isa, step, parameter, gradient, first, second, largest);
            }
            fn squares(isa: Isa, x: &[Self], result: &mut f64) {
                for_each_isa_fused! { fn copies(x: &[$t], result: &mut f64) = squares_body::<$t>; }
                copies(isa, x, result);
            }
        })*
    };
}
elements! { f32 f64 }

#[inline(always)]
fn decayed<T: VectorMath>(parameter: T, weight_decay: T, learning_rate: T) -> T {
    parameter - parameter * weight_decay * learning_rate
}

#[inline(always)]
fn sgd_body<const FUSED: bool, T: VectorMath>(
    step: SgdStep<T>,
    parameter: &mut [T],
    gradient: &[T],
    momentum: Option<&mut [T]>,
) {
    let SgdStep { learning_rate, momentum: rate, nesterov, weight_decay, gradient_scale } = step;
    let Some(slots) = momentum else {
        for (p, &g) in parameter.iter_mut().zip(gradient) {
            *p = decayed(*p, weight_decay, learning_rate) - g * gradient_scale * learning_rate;
        }
        return;
    };
    // Two loops, so that neither has a choice inside.
    if nesterov {
        for ((p, &g), m) in parameter.iter_mut().zip(gradient).zip(slots) {
            let change = -(g * gradient_scale * learning_rate);
            *m = m.madd::<FUSED>(rate, change);
            *p = decayed(*p, weight_decay, learning_rate) + m.madd::<FUSED>(rate, change);
        }
    } else {
        for ((p, &g), m) in parameter.iter_mut().zip(gradient).zip(slots) {
            *m = m.madd::<FUSED>(rate, -(g * gradient_scale * learning_rate));
            *p = decayed(*p, weight_decay, learning_rate) + *m;
        }
    }
}

#[inline(always)]
fn adam_body<const FUSED: bool, T: VectorMath>(
    step: AdamStep<T>,
    parameter: &mut [T],
    gradient: &[T],
    first: &mut [T],
    second: &mut [T],
    largest: Option<&mut [T]>,
) {
    let AdamStep { alpha, rates, epsilon, weight_decay, learning_rate, gradient_scale } = step;
    let slots = parameter.iter_mut().zip(gradient).zip(first).zip(second);
    if let Some(largest) = largest {
        for ((((p, &g), m), v), top) in slots.zip(largest) {
            let g = g * gradient_scale;
            *m = (g - *m).madd::<FUSED>(rates[0], *m);
            *v = (g * g - *v).madd::<FUSED>(rates[1], *v);
            // A NaN wins.
            *top = if *top > *v { *top } else { *v };
            *p = decayed(*p, weight_decay, learning_rate) - *m * alpha / (top.sqrt() + epsilon);
        }
    } else {
        for (((p, &g), m), v) in slots {
            let g = g * gradient_scale;
            *m = (g - *m).madd::<FUSED>(rates[0], *m);
            *v = (g * g - *v).madd::<FUSED>(rates[1], *v);
            *p = decayed(*p, weight_decay, learning_rate) - *m * alpha / (v.sqrt() + epsilon);
        }
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

/// Stochastic gradient descent on one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Sgd<T> {
    length: usize,
    element: PhantomData<T>,
}

impl<T: UpdateElement> Sgd<T> {
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

    /// Updates the part of chunk `chunk`; `momentum` is the slot, given exactly if `step.momentum` is not 0.
    ///
    /// # Panics
    /// When a slice has not the parameter's length, or the slot is missing or superfluous.
    pub fn run(
        &self,
        isa: Isa,
        chunk: usize,
        step: SgdStep<T>,
        parameter: Disjoint<T>,
        gradient: &[T],
        momentum: Option<Disjoint<T>>,
    ) {
        assert!(parameter.len() == self.length && gradient.len() == self.length, "parameter and gradient");
        assert!(momentum.is_none_or(|slot| slot.len() == self.length), "momentum");
        assert_eq!(momentum.is_some(), step.momentum != T::ZERO, "a slot if there is momentum");
        let range = range(self.length, chunk);
        // SAFETY: chunks have different parts.
        let (parameter, momentum) =
            unsafe { (parameter.range(range.clone()), momentum.map(|slot| slot.range(range.clone()))) };
        T::sgd(isa, step, parameter, &gradient[range], momentum);
    }
}

/// Adam on one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Adam<T> {
    length: usize,
    element: PhantomData<T>,
}

impl<T: UpdateElement> Adam<T> {
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
    /// When a slice has not the parameter's length.
    pub fn run(
        &self,
        isa: Isa,
        chunk: usize,
        step: AdamStep<T>,
        parameter: Disjoint<T>,
        gradient: &[T],
        slots: AdamSlots<T>,
    ) {
        let AdamSlots { first, second, largest } = slots;
        let lengths = [parameter.len(), gradient.len(), first.len(), second.len()];
        assert!(lengths.iter().all(|&length| length == self.length), "{lengths:?} elements, not {}", self.length);
        assert!(largest.is_none_or(|slot| slot.len() == self.length), "the largest second moment");
        let range = range(self.length, chunk);
        // SAFETY: chunks have different parts.
        unsafe {
            let largest = largest.map(|slot| slot.range(range.clone()));
            let (first, second) = (first.range(range.clone()), second.range(range.clone()));
            T::adam(isa, step, parameter.range(range.clone()), &gradient[range], first, second, largest);
        }
    }
}

/// The sum of squares of a slice, in double precision.
#[derive(Clone, Copy, Debug)]
pub struct SumOfSquares<T> {
    length: usize,
    element: PhantomData<T>,
}

impl<T: UpdateElement> SumOfSquares<T> {
    pub fn new(length: usize) -> Self {
        Self { length, element: PhantomData }
    }

    pub fn chunks(&self) -> usize {
        chunks(self.length)
    }

    /// Bytes of scratch: a double a chunk.
    pub fn scratch(&self) -> usize {
        self.chunks() * size_of::<f64>()
    }

    /// The sum over the part of chunk `chunk`, into its place in `scratch`.
    ///
    /// # Panics
    /// When `x` has not the length.
    pub fn run(&self, isa: Isa, chunk: usize, x: &[T], scratch: Disjoint<f64>) {
        assert_eq!(x.len(), self.length, "elements");
        // SAFETY: chunks have different places.
        let result = unsafe { scratch.range(chunk..chunk + 1) };
        T::squares(isa, &x[range(self.length, chunk)], &mut result[0]);
    }

    /// The whole sum, once all chunks have run.
    pub fn finish(&self, scratch: &[f64]) -> f64 {
        scratch[..self.chunks()].iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{Adam, AdamSlots, AdamStep, Sgd, SgdStep, SumOfSquares, UpdateElement};
    use crate::cpu::disjoint::Disjoint;
    use crate::cpu::simd::Isa;

    struct Lcg(u64);
    impl Lcg {
        fn numbers(&mut self, count: usize) -> Vec<f64> {
            (0..count)
                .map(|_| {
                    self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    // Exact in single precision.
                    ((self.0 >> 33) % 2049) as f64 / 1024.0 - 1.0
                })
                .collect()
        }
    }

    const LENGTHS: [usize; 5] = [0, 1, 37, 1000, 50_001];

    fn typed<T: UpdateElement>(x: &[f64]) -> Vec<T> {
        x.iter().map(|&x| T::from_f64(x)).collect()
    }

    fn close<T: UpdateElement>(actual: &[T], expected: &[f64], tolerance: f64, what: &str) {
        for (a, e) in actual.iter().zip(expected) {
            assert!((a.to_f64() - e).abs() <= tolerance * (e.abs() + 1.0), "{what}: {a:?}, expected {e}");
        }
    }

    fn check_sgd<T: UpdateElement>(tolerance: f64) {
        let mut random = Lcg(1);
        for length in LENGTHS {
            let (start, gradient) = (random.numbers(length), random.numbers(length));
            for (momentum, nesterov, decay) in
                [(0.0, false, 0.0), (0.9, false, 0.0), (0.9, true, 0.1), (0.0, false, 0.1)]
            {
                let (rate, scale) = (0.1, 0.5);
                let (mut p, mut m) = (start.clone(), vec![0.0; length]);
                for _ in 0..3 {
                    for i in 0..length {
                        let change = -gradient[i] * scale * rate;
                        p[i] -= p[i] * decay * rate;
                        m[i] = momentum * m[i] + change;
                        p[i] += if nesterov { momentum * m[i] + change } else { m[i] };
                    }
                }
                for isa in Isa::available() {
                    let (mut parameter, mut slot) = (typed::<T>(&start), typed::<T>(&vec![0.0; length]));
                    let gradient = typed::<T>(&gradient);
                    let step = SgdStep {
                        learning_rate: T::from_f64(rate),
                        momentum: T::from_f64(momentum),
                        nesterov,
                        weight_decay: T::from_f64(decay),
                        gradient_scale: T::from_f64(scale),
                    };
                    let kernel = Sgd::<T>::new(length);
                    for _ in 0..3 {
                        for chunk in (0..kernel.chunks()).rev() {
                            let slot = (momentum != 0.0).then(|| Disjoint::new(&mut slot));
                            kernel.run(isa, chunk, step, Disjoint::new(&mut parameter), &gradient, slot);
                        }
                    }
                    close(&parameter, &p, tolerance, "sgd");
                }
            }
        }
    }

    fn check_adam<T: UpdateElement>(tolerance: f64) {
        let mut random = Lcg(2);
        for length in LENGTHS {
            let start = random.numbers(length);
            let gradients: Vec<Vec<f64>> = (0..3).map(|_| random.numbers(length)).collect();
            for (amsgrad, decay) in [(false, 0.0), (true, 0.0), (false, 0.04)] {
                let (rate, beta_1, beta_2, epsilon) = (0.01, 0.9, 0.99, 1e-7);
                let (mut p, mut m) = (start.clone(), vec![0.0f64; length]);
                let (mut v, mut top) = (vec![0.0f64; length], vec![0.0f64; length]);
                for (t, gradient) in gradients.iter().enumerate() {
                    let t = t as i32 + 1;
                    for (i, g) in gradient.iter().enumerate() {
                        p[i] -= p[i] * decay * rate;
                        m[i] = beta_1 * m[i] + (1.0 - beta_1) * g;
                        v[i] = beta_2 * v[i] + (1.0 - beta_2) * g * g;
                        top[i] = if amsgrad { top[i].max(v[i]) } else { v[i] };
                        let alpha = rate * (1.0 - beta_2.powi(t)).sqrt() / (1.0 - beta_1.powi(t));
                        p[i] -= alpha * m[i] / (top[i].sqrt() + epsilon);
                    }
                }
                for isa in Isa::available() {
                    let zeros = || typed::<T>(&vec![0.0; length]);
                    let (mut parameter, mut first, mut second) = (typed::<T>(&start), zeros(), zeros());
                    let mut largest = zeros();
                    let kernel = Adam::<T>::new(length);
                    for (t, gradient) in gradients.iter().enumerate() {
                        let gradient = typed::<T>(gradient);
                        let step = AdamStep::new(t as u64 + 1, rate, beta_1, beta_2, epsilon, decay, 1.0);
                        for chunk in (0..kernel.chunks()).rev() {
                            let slots = AdamSlots {
                                first: Disjoint::new(&mut first),
                                second: Disjoint::new(&mut second),
                                largest: amsgrad.then(|| Disjoint::new(&mut largest)),
                            };
                            kernel.run(isa, chunk, step, Disjoint::new(&mut parameter), &gradient, slots);
                        }
                    }
                    close(&parameter, &p, tolerance, "adam");
                    close(&first, &m, tolerance, "first moment");
                    close(&second, &v, tolerance, "second moment");
                }
            }
        }
    }

    #[test]
    fn sgd_matches_its_formula() {
        check_sgd::<f32>(5e-7);
        check_sgd::<f64>(1e-15);
    }

    #[test]
    fn adam_matches_its_formula() {
        check_adam::<f32>(1e-6);
        check_adam::<f64>(1e-13);
    }

    #[test]
    fn sums_of_squares() {
        let mut random = Lcg(3);
        for length in LENGTHS {
            let x = random.numbers(length);
            let expected: f64 = x.iter().map(|x| x * x).sum();
            let single: Vec<f32> = typed(&x);
            for isa in Isa::available() {
                let kernel = SumOfSquares::<f32>::new(length);
                let mut scratch = vec![0.0; kernel.scratch() / 8];
                for chunk in (0..kernel.chunks()).rev() {
                    kernel.run(isa, chunk, &single, Disjoint::new(&mut scratch));
                }
                assert!((kernel.finish(&scratch) - expected).abs() <= 1e-6 * expected, "{isa:?} {length}");
            }
        }
    }
}
