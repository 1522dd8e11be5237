//! Resampling along one axis: every output position is a weighted sum of a few neighbouring input positions.
//!
//! ```text
//! x (outer, input, inner) -> y (outer, output, inner)         inner: what lies behind the axis, contiguous
//!
//! chunk = (rows of y: outer x output)                         fixed by shape
//!   for row
//!     for tap of the row's output position                    its weights, made when the kernel is made
//!       y[row, ..] += weight * x[outer, tap, ..]
//! ```
//!
//! [`Taps`] holds, for each output position, where its taps start and their weights. Turning the table around gives the
//! gradient: the same loop with inputs and outputs swapped, so that neither direction scatters. A row of at least 16
//! elements is added as a vector; shorter ones (the channels of images) stay in registers while the taps are added.
//! Products and sums are rounded one by one on every instruction set. Memory limits the speed of long rows.

use crate::cpu::disjoint::Disjoint;
use crate::cpu::float::Float;
use crate::cpu::gemm::{MOST_CHUNKS, Split};
use crate::cpu::simd::Isa;
use crate::for_each_isa;
use std::f64::consts::PI;
use std::ops::Range;

/// What a tap weighs by its distance from the point where an output is sampled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Interpolation {
    /// `max(0, 1 - d)`.
    Linear,
    /// Keys' cubic convolution with a = -1/2 (Keys, 1981).
    Cubic,
    /// `sinc(d) sinc(d / radius)` within the radius (Lanczos; Duchon, 1979).
    Lanczos(u8),
}

impl Interpolation {
    /// The distance beyond which taps weigh nothing.
    fn radius(self) -> f64 {
        match self {
            Interpolation::Linear => 1.0,
            Interpolation::Cubic => 2.0,
            Interpolation::Lanczos(radius) => f64::from(radius),
        }
    }

    fn weight(self, d: f64) -> f64 {
        match self {
            Interpolation::Linear => (1.0 - d).max(0.0),
            Interpolation::Cubic if d >= 2.0 => 0.0,
            Interpolation::Cubic if d >= 1.0 => ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0,
            Interpolation::Cubic => (1.5 * d - 2.5) * d * d + 1.0,
            Interpolation::Lanczos(radius) => {
                let radius = f64::from(radius);
                if d > radius {
                    0.0
                } else if d > 1e-3 {
                    radius * (PI * d).sin() * (PI * d / radius).sin() / (PI * PI * d * d)
                } else {
                    1.0
                }
            }
        }
    }
}

/// Weights that add up to less than this stand for a point without neighbours.
const NOTHING: f64 = 1000.0 * f32::EPSILON as f64;

/// Which inputs make each output, and with what weights. The taps of an output are neighbours.
#[derive(Clone, PartialEq, Debug)]
pub struct Taps {
    /// Length of the axis that is read.
    input: usize,
    /// For each output its first tap.
    starts: Vec<usize>,
    /// Where the weights of each output start in `weights`, and where the last ones end.
    bounds: Vec<usize>,
    weights: Vec<f64>,
}

impl Taps {
    /// Output `i` is sampled at `(i + 1/2 - translation) / scale - 1/2`: the centres of pixels lie at halves. Weights are
    /// scaled to add up to one; points outside of the input weigh nothing. With `antialias` the neighbourhood grows as
    /// the output shrinks.
    pub fn new(
        input: usize,
        output: usize,
        interpolation: Interpolation,
        scale: f64,
        translation: f64,
        antialias: bool,
    ) -> Taps {
        let inverse = 1.0 / scale;
        let stretch = if antialias { inverse.max(1.0) } else { 1.0 };
        let reach = interpolation.radius() * stretch;
        let last = input as f64 - 1.0;
        let mut taps = Taps { input, starts: Vec::with_capacity(output), bounds: vec![0], weights: Vec::new() };
        for i in 0..output {
            let center = (i as f64 + 0.5) * inverse - translation * inverse - 0.5;
            let inside = center >= -0.5 && center <= last + 0.5;
            let start = (center - reach).ceil().clamp(0.0, last.max(0.0));
            let end = (center + reach).floor().clamp(-1.0, last);
            taps.starts.push(start as usize);
            if inside && end >= start {
                let first = taps.weights.len();
                taps.weights.extend(
                    (start as usize..=end as usize).map(|j| interpolation.weight((center - j as f64).abs() / stretch)),
                );
                let found = &mut taps.weights[first..];
                let total: f64 = found.iter().sum();
                let factor = if total.abs() > NOTHING { 1.0 / total } else { 0.0 };
                for weight in found {
                    *weight *= factor;
                }
            }
            taps.bounds.push(taps.weights.len());
        }
        taps
    }

    /// The table with inputs and outputs swapped: which outputs each input is a tap of.
    #[must_use]
    pub fn transposed(&self) -> Taps {
        // For each input the outputs from the first to the last that has it for a tap.
        let mut ranges: Vec<Range<usize>> = vec![0..0; self.input];
        for i in 0..self.len() {
            for j in self.taps(i) {
                if ranges[j].is_empty() {
                    ranges[j].start = i;
                }
                ranges[j].end = i + 1;
            }
        }
        let mut turned =
            Taps { input: self.len(), starts: Vec::with_capacity(self.input), bounds: vec![0], weights: Vec::new() };
        for (j, outputs) in ranges.into_iter().enumerate() {
            turned.starts.push(outputs.start);
            turned.weights.extend(outputs.map(|i| {
                let taps = self.taps(i);
                if taps.contains(&j) { self.weights[self.bounds[i] + j - taps.start] } else { 0.0 }
            }));
            turned.bounds.push(turned.weights.len());
        }
        turned
    }

    /// Length of the axis that is written.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The inputs of output `i`.
    fn taps(&self, i: usize) -> Range<usize> {
        self.starts[i]..self.starts[i] + self.bounds[i + 1] - self.bounds[i]
    }

    /// The mean number of taps of an output.
    pub fn mean(&self) -> f64 {
        self.weights.len() as f64 / self.len().max(1) as f64
    }
}

/// `y[.., i, ..] = sum of weight * x[.., tap, ..]` over the taps of `i`.
#[derive(Clone, Debug)]
pub struct Resample<T> {
    outer: usize,
    inner: usize,
    taps: Taps,
    weights: Vec<T>,
    rows: Split,
}

/// Products that make a chunk.
const CHUNK_PRODUCTS: f64 = 32.0 * 1024.0;

impl<T: Float> Resample<T> {
    pub fn new(outer: usize, inner: usize, taps: Taps) -> Self {
        let rows = outer * taps.len();
        let products = (rows * inner) as f64 * taps.mean();
        let wanted = (products / CHUNK_PRODUCTS) as usize;
        let weights = taps.weights.iter().map(|&weight| T::from_f64(weight)).collect();
        Resample { outer, inner, taps, weights, rows: Split::new(rows, wanted.clamp(1, MOST_CHUNKS), 1) }
    }

    /// How many parts the result is cut into.
    pub fn chunks(&self) -> usize {
        self.rows.parts
    }

    /// Elements of `x`.
    pub fn input_elements(&self) -> usize {
        self.outer * self.taps.input * self.inner
    }

    /// Elements of `y`.
    pub fn output_elements(&self) -> usize {
        self.outer * self.taps.len() * self.inner
    }

    /// Computes one part of `y`.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run(&self, isa: Isa, chunk: usize, x: &[T], y: Disjoint<T>) {
        let rows = self.rows.range(chunk);
        // SAFETY: chunks have disjoint rows.
        let y = unsafe { y.range(rows.start * self.inner..rows.end * self.inner) };
        resample(isa, self, rows, &x[..self.input_elements()], y);
    }
}

// The bodies below are plain loops: a closure would be compiled once, for the baseline instruction set.

/// Rows of a few elements: they stay in registers.
#[inline(always)]
fn short<T: Float, const L: usize>(x: &[T], weights: &[T], y: &mut [T]) {
    let mut total = [T::ZERO; L];
    for (x, &weight) in x.chunks_exact(L).zip(weights) {
        for (total, &x) in total.iter_mut().zip(x) {
            *total += weight * x;
        }
    }
    y.copy_from_slice(&total);
}

#[inline(always)]
fn resample_body<T: Float>(kernel: &Resample<T>, rows: Range<usize>, x: &[T], y: &mut [T]) {
    let inner = kernel.inner;
    if inner == 0 {
        return;
    }
    let length = kernel.taps.len();
    let plane = kernel.taps.input * inner;
    for (row, y) in rows.zip(y.chunks_exact_mut(inner)) {
        let i = row % length;
        let weights = &kernel.weights[kernel.taps.bounds[i]..kernel.taps.bounds[i + 1]];
        let first = row / length * plane + kernel.taps.starts[i] * inner;
        let x = &x[first..][..weights.len() * inner];
        match inner {
            1 => short::<T, 1>(x, weights, y),
            2 => short::<T, 2>(x, weights, y),
            3 => short::<T, 3>(x, weights, y),
            4 => short::<T, 4>(x, weights, y),
            8 => short::<T, 8>(x, weights, y),
            _ => {
                y.fill(T::ZERO);
                for (x, &weight) in x.chunks_exact(inner).zip(weights) {
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y += weight * x;
                    }
                }
            }
        }
    }
}

for_each_isa! { fn resample<T: Float>(kernel: &Resample<T>, rows: Range<usize>, x: &[T], y: &mut [T]) = resample_body; }

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Interpolation; 4] =
        [Interpolation::Linear, Interpolation::Cubic, Interpolation::Lanczos(3), Interpolation::Lanczos(5)];

    struct Lcg(u64);

    impl Lcg {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % bound
        }
    }

    /// The whole matrix of weights, by the definition.
    fn matrix(input: usize, output: usize, by: Interpolation, scale: f64, shift: f64, antialias: bool) -> Vec<f64> {
        let stretch = if antialias { (1.0 / scale).max(1.0) } else { 1.0 };
        let mut matrix = Vec::new();
        for i in 0..output {
            let center = (i as f64 + 0.5 - shift) / scale - 0.5;
            let row: Vec<f64> = (0..input).map(|j| by.weight((center - j as f64).abs() / stretch)).collect();
            let total: f64 = row.iter().sum();
            let inside = center >= -0.5 && center <= input as f64 - 0.5 && total.abs() > NOTHING;
            matrix.extend(row.iter().map(|w| if inside { w / total } else { 0.0 }));
        }
        matrix
    }

    fn run<T: Float>(kernel: &Resample<T>, x: &[T], random: &mut Lcg) -> Vec<T> {
        let mut results: Vec<Vec<T>> = Vec::new();
        for isa in Isa::available() {
            let mut y = vec![T::from_f64(f64::NAN); kernel.output_elements()];
            let shared = Disjoint::new(&mut y);
            let mut chunks: Vec<usize> = (0..kernel.chunks()).collect();
            while !chunks.is_empty() {
                let chunk = chunks.swap_remove(random.below(chunks.len()));
                kernel.run(isa, chunk, x, shared);
            }
            results.push(y);
        }
        for other in &results[1..] {
            assert_eq!(results[0], *other, "instruction sets differ");
        }
        results.swap_remove(0)
    }

    #[test]
    fn products_with_the_matrix_of_weights() {
        let mut random = Lcg(1);
        for round in 0..120 {
            let by = ALL[round % ALL.len()];
            let (input, output) = (1 + random.below(12), 1 + random.below(12));
            let (outer, inner) = (random.below(4), [0, 1, 2, 3, 4, 5, 8, 19][random.below(8)]);
            let plain = random.below(2) == 0;
            let scale = if plain { output as f64 / input as f64 } else { 0.3 + random.below(30) as f64 / 10.0 };
            let shift = if plain { 0.0 } else { random.below(50) as f64 / 10.0 - 2.5 };
            let antialias = random.below(2) == 0;
            let weights = matrix(input, output, by, scale, shift, antialias);
            let taps = Taps::new(input, output, by, scale, shift, antialias);
            let x: Vec<f64> = (0..outer * input * inner).map(|_| random.below(2000) as f64 / 1000.0 - 1.0).collect();
            let y = run(&Resample::new(outer, inner, taps.clone()), &x, &mut random);
            let turned = run(&Resample::new(outer, inner, taps.transposed()), &y, &mut random);
            for o in 0..outer {
                for k in 0..inner {
                    let at = |v: &[f64], length: usize, i: usize| v[(o * length + i) * inner + k];
                    for i in 0..output {
                        let expected: f64 = (0..input).map(|j| weights[i * input + j] * at(&x, input, j)).sum();
                        assert!((at(&y, output, i) - expected).abs() < 1e-12, "{by:?} {input} to {output}");
                    }
                    for j in 0..input {
                        let expected: f64 = (0..output).map(|i| weights[i * input + j] * at(&y, output, i)).sum();
                        assert!((at(&turned, input, j) - expected).abs() < 1e-12, "{by:?} {output} from {input}");
                    }
                }
            }
        }
    }

    #[test]
    fn many_chunks_in_float32() {
        let mut random = Lcg(2);
        let (outer, inner, input, output) = (30, 33, 40, 90);
        let taps = Taps::new(input, output, Interpolation::Linear, output as f64 / input as f64, 0.0, false);
        let x: Vec<f32> = (0..outer * input * inner).map(|i| (i % 101) as f32 / 100.0).collect();
        let kernel = Resample::new(outer, inner, taps);
        assert!(kernel.chunks() > 1);
        let y = run(&kernel, &x, &mut random);
        // Halves of pixels: (0 + 1/2) * 40 / 90 - 1/2 < 0, so that the first output is the first input.
        assert_eq!(y[..inner], x[..inner]);
        assert!(y.iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn nothing_in_nothing_out() {
        for (input, output) in [(0, 3), (3, 0), (0, 0)] {
            let taps = Taps::new(input, output, Interpolation::Cubic, 1.0, 0.0, false);
            let y = run(&Resample::<f64>::new(2, 2, taps.clone()), &vec![1.0; 2 * input * 2], &mut Lcg(3));
            assert_eq!(y, vec![0.0; 2 * output * 2]);
            let back = run(&Resample::<f64>::new(2, 2, taps.transposed()), &y, &mut Lcg(4));
            assert_eq!(back, vec![0.0; 2 * input * 2]);
        }
    }
}
