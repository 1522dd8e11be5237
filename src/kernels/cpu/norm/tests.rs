//! Batch normalisation against naive loops.

use super::{Arriving, BatchNorm, Gate, NormElement, Normalisation, Residual};
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
            let y = Disjoint::new(&mut y);
            kernel.run_apply(isa, chunk, &self.x, &scale, &shift, Residual::None, false, y);
        }
        scratch.fill(f64::NAN);
        let arriving = Arriving::plain(&self.gradient);
        for chunk in chunks() {
            let scratch = Disjoint::new(&mut scratch);
            kernel.run_gradient_sums(isa, chunk, &self.x, arriving, &mean, None, scratch);
        }
        let (mut d_gamma, mut d_beta) = (zeros(), zeros());
        kernel.finish_gradient_sums(by, &mut d_gamma, &mut d_beta, &scratch);
        let mut factors = vec![T::ZERO; 4 * self.channels];
        kernel.gradient_factors(by, Some(&self.gamma), &d_gamma, &d_beta, total, &mut factors);
        for chunk in chunks() {
            let dx = Disjoint::new(&mut dx);
            kernel.run_input_gradient(isa, chunk, &self.x, arriving, weights, &factors, dx);
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
    let shapes = [(1, 1), (7, 3), (100, 10), (33, 64), (2000, 16), (5000, 3), (300, 200), (3, 1500), (0, 4), (4, 0)];
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

/// Parts of any size, some empty, in any order: as accurate as chunks, and the same bits however they are run.
fn check_parts<T: NormElement>(tolerance: f64) {
    let mut random = Lcg(4);
    for (channels, offset) in [(1, 0.0), (3, 100.0), (16, 1.0), (64, 0.0), (300, 10.0)] {
        let parts: Vec<usize> = [700, 0, 1, 37, 1024, 5].into_iter().map(|rows| rows * channels).collect();
        let count: usize = parts.iter().sum();
        let rows = count / channels;
        let x: Vec<T> = random.numbers(count, offset);
        let kernel = BatchNorm::<T>::of_parts(rows, channels, parts.len());
        for isa in Isa::available() {
            let moments = |order: &[usize]| {
                let mut scratch = vec![f64::NAN; kernel.scratch_numbers()];
                for &part in order {
                    let start: usize = parts[..part].iter().sum();
                    let x = &x[start..start + parts[part]];
                    kernel.run_part_moments(isa, part, x, Disjoint::new(&mut scratch));
                }
                let (mut mean, mut variance) = (vec![T::ZERO; channels], vec![T::ZERO; channels]);
                assert_eq!(kernel.finish_moments(&mut mean, &mut variance, &scratch), rows as f64);
                [mean, variance].map(|values| values.iter().map(|value| value.to_f64()).collect::<Vec<_>>())
            };
            let found = moments(&[0, 1, 2, 3, 4, 5]);
            assert_eq!(found, moments(&[3, 5, 1, 0, 4, 2]), "{isa:?}");
            for channel in 0..channels {
                let values = || x.iter().skip(channel).step_by(channels).map(|x| x.to_f64());
                let mean = values().sum::<f64>() / rows as f64;
                let variance = values().map(|x| (x - mean).powi(2)).sum::<f64>() / rows as f64;
                let [found_mean, found] = [found[0][channel], found[1][channel]];
                assert!((found_mean - mean).abs() <= tolerance * (offset + 1.0), "{isa:?} {found_mean} {mean}");
                assert!((found / variance - 1.0).abs() <= 10.0 * tolerance, "{isa:?} {found} {variance}");
            }
        }
    }
}

#[test]
fn parts_in_single_precision() {
    check_parts::<f32>(2e-7);
}

#[test]
fn parts_in_double_precision() {
    check_parts::<f64>(1e-12);
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

/// What surrounds the normalisation changes nothing but its own part: the same bits as one after the other.
fn check_surroundings<T: NormElement>() {
    let mut random = Lcg(3);
    for (rows, channels) in [(1, 1), (7, 3), (100, 10), (33, 64), (2000, 16), (300, 200), (5, 700)] {
        let count = rows * channels;
        let x: Vec<T> = random.numbers(count, 0.5);
        let [mut gradient, addend, residual] = std::array::from_fn(|_| random.numbers::<T>(count, 0.0));
        gradient[0] = T::from_f64(f64::NAN);
        let [mean, scale, shift] = std::array::from_fn(|_| random.numbers::<T>(channels, 0.0));
        let factors: Vec<T> = random.numbers(4 * channels, 0.0);
        let weights: Vec<T> = random.numbers(rows, 1.0);
        let kernel = BatchNorm::<T>::new(rows, channels);
        let chunks = || (0..kernel.chunks()).rev();
        let bits = |values: &[T]| values.iter().map(|value| value.to_f64().to_bits()).collect::<Vec<_>>();
        for isa in Isa::available() {
            let apply = |residual: Residual<T>, relu: bool, start: &[T]| {
                let mut y = start.to_vec();
                for chunk in chunks() {
                    kernel.run_apply(isa, chunk, &x, &scale, &shift, residual, relu, Disjoint::new(&mut y));
                }
                y
            };
            let positive = |y: T| if y < T::ZERO { T::ZERO } else { y };
            let plain = apply(Residual::None, false, &x);
            let sum: Vec<T> = plain.iter().zip(&residual).map(|(&y, &residual)| y + residual).collect();
            for (relu, last) in [(false, (|y| y) as fn(T) -> T), (true, positive)] {
                let ended = |y: &[T]| bits(&y.iter().map(|&y| last(y)).collect::<Vec<_>>());
                assert_eq!(bits(&apply(Residual::None, relu, &x)), ended(&plain));
                assert_eq!(bits(&apply(Residual::Add(&residual), relu, &x)), ended(&sum));
                assert_eq!(bits(&apply(Residual::InPlace, relu, &residual)), ended(&sum));
            }

            let relu: Vec<T> = plain.iter().map(|&y| positive(y)).collect();
            let gradients = |arriving: Arriving<T>, passed: bool, in_place: bool| {
                let mut scratch = vec![0.0; kernel.scratch_numbers()];
                let mut through = vec![T::ZERO; if passed { count } else { 0 }];
                for chunk in chunks() {
                    let to = passed.then(|| Disjoint::new(&mut through));
                    kernel.run_gradient_sums(isa, chunk, &x, arriving, &mean, to, Disjoint::new(&mut scratch));
                }
                let mut dx = gradient.clone();
                let gradient = arriving.gradient.filter(|_| !in_place);
                for chunk in chunks() {
                    let arriving = Arriving { gradient, ..arriving };
                    let weights = passed.then_some(weights.as_slice());
                    kernel.run_input_gradient(isa, chunk, &x, arriving, weights, &factors, Disjoint::new(&mut dx));
                }
                (scratch.iter().map(|sum| sum.to_bits()).collect::<Vec<_>>(), bits(&dx), through)
            };
            for more in [None, Some(addend.as_slice())] {
                let gates = [Gate::Open, Gate::Output(&relu), Gate::Input { scale: &scale, shift: &shift }];
                for gate in gates {
                    let open = |index: usize| matches!(gate, Gate::Open) || plain[index] > T::ZERO;
                    let whole = |index: usize| more.map_or(gradient[index], |more| gradient[index] + more[index]);
                    let reached: Vec<T> =
                        (0..count).map(|index| if open(index) { whole(index) } else { T::ZERO }).collect();
                    let arriving = Arriving { gradient: Some(&gradient), addend: more, gate };
                    for passed in [false, true] {
                        let (sums, dx, _) = gradients(Arriving::plain(&reached), passed, false);
                        for in_place in [false, true] {
                            let (found_sums, found, through) = gradients(arriving, passed, in_place);
                            assert_eq!((&found_sums, &found), (&sums, &dx), "{isa:?} {rows} x {channels} {gate:?}");
                            assert!(!passed || bits(&through) == bits(&reached));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn surroundings_in_single_precision() {
    check_surroundings::<f32>();
}

#[test]
fn surroundings_in_double_precision() {
    check_surroundings::<f64>();
}
