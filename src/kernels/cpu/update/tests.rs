//! Every rule beside its formula in a naive loop, on every instruction set, with chunks in another order.

use super::{Rule, Step, SumOfSquares, Update};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::float::Float;
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
const RATE: f64 = 0.01;

fn typed<T: Float>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&x| T::from_f64(x)).collect()
}

fn close<T: Float>(actual: &[T], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!((a.to_f64() - e).abs() <= tolerance * (e.abs() + 1.0), "{what} {i}: {a:?}, expected {e}");
    }
}

/// The options of a rule as its row orders them, and what its slots begin with.
fn options(rule: Rule) -> (Vec<f64>, Vec<f64>) {
    let options = rule.options().iter().map(|&name| match name {
        "momentum" | "beta_1" | "rho" => 0.9,
        "beta_2" => 0.99,
        "epsilon" => 1e-3,
        "warmup_steps" => 2.0,
        "l1" => 0.02,
        "l2" => 0.1,
        "l2_shrinkage" => 0.3,
        "beta" => 0.5,
        "power" => -0.7,
        other => panic!("no value for {other}"),
    });
    let starts = rule.slots().iter().map(|&name| if name == "accumulator" { 0.1 } else { 0.0 });
    (options.collect(), starts.collect())
}

fn product(step: i32) -> f64 {
    (1..=step).map(|step| 0.9 * (1.0 - 0.5 * 0.96f64.powi(step))).product()
}

/// The new parameter of one element in step `t`; its slots are moved.
fn naive(rule: Rule, t: i32, p: f64, g: f64, s: &mut [f64]) -> f64 {
    let (b1, b2, rho, epsilon) = (0.9, 0.99, 0.9, 1e-3);
    let [c1, c2] = [1.0 - 0.9f64.powi(t), 1.0 - 0.99f64.powi(t)];
    let moments = |s: &mut [f64]| {
        s[0] = b1 * s[0] + (1.0 - b1) * g;
        s[1] = b2 * s[1] + (1.0 - b2) * g * g;
    };
    match rule {
        Rule::Sgd => p - RATE * g,
        Rule::Momentum => {
            s[0] = 0.9 * s[0] - RATE * g;
            p + s[0]
        }
        Rule::Nesterov => {
            s[0] = 0.9 * s[0] - RATE * g;
            p + 0.9 * s[0] - RATE * g
        }
        Rule::Adam => {
            moments(s);
            p - RATE * c2.sqrt() / c1 * s[0] / (s[1].sqrt() + epsilon)
        }
        Rule::AmsGrad => {
            moments(s);
            s[2] = s[2].max(s[1]);
            p - RATE * c2.sqrt() / c1 * s[0] / (s[2].sqrt() + epsilon)
        }
        Rule::Adamax => {
            s[0] = b1 * s[0] + (1.0 - b1) * g;
            s[1] = (b2 * s[1]).max(g.abs());
            p - RATE * s[0] / (c1 * (s[1] + epsilon))
        }
        Rule::Nadam => {
            moments(s);
            let at = |step: i32| b1 * (1.0 - 0.5 * 0.96f64.powi(step));
            let m = at(t + 1) * s[0] / (1.0 - product(t + 1)) + (1.0 - at(t)) * g / (1.0 - product(t));
            p - m * RATE / ((s[1] / c2).sqrt() + epsilon)
        }
        Rule::ScheduleFreeAdamW => {
            let rate = RATE * (f64::from(t) / 2.0).min(1.0);
            s[1] = b2 * s[1] + (1.0 - b2) * g * g;
            let mean = (p - (1.0 - b1) * s[0]) / b1;
            s[0] -= rate * g / ((s[1] / c2).sqrt() + epsilon);
            let weight = 1.0 / f64::from(t);
            (1.0 - b1) * s[0] + b1 * ((1.0 - weight) * mean + weight * s[0])
        }
        Rule::RmsProp => {
            s[0] = rho * s[0] + (1.0 - rho) * g * g;
            p - RATE * g / (s[0] + epsilon).sqrt()
        }
        Rule::RmsPropMomentum => {
            s[0] = rho * s[0] + (1.0 - rho) * g * g;
            s[1] = 0.9 * s[1] + RATE * g / (s[0] + epsilon).sqrt();
            p - s[1]
        }
        Rule::RmsPropCentered => {
            s[0] = rho * s[0] + (1.0 - rho) * g * g;
            s[1] = rho * s[1] + (1.0 - rho) * g;
            p - RATE * g / (s[0] - s[1] * s[1] + epsilon).sqrt()
        }
        Rule::RmsPropCenteredMomentum => {
            s[0] = rho * s[0] + (1.0 - rho) * g * g;
            s[2] = rho * s[2] + (1.0 - rho) * g;
            s[1] = 0.9 * s[1] + RATE * g / (s[0] - s[2] * s[2] + epsilon).sqrt();
            p - s[1]
        }
        Rule::Adagrad => {
            s[0] += g * g;
            p - RATE * g / (s[0] + epsilon).sqrt()
        }
        Rule::Adadelta => {
            s[0] = rho * s[0] + (1.0 - rho) * g * g;
            let change = (s[1] + epsilon).sqrt() * g / (s[0] + epsilon).sqrt();
            s[1] = rho * s[1] + (1.0 - rho) * change * change;
            p - RATE * change
        }
        Rule::Ftrl | Rule::FtrlPower => {
            let power = if rule == Rule::Ftrl { 0.5 } else { 0.7f64 };
            let total = s[0] + g * g;
            s[1] += g + 0.6 * p - (total.powf(power) - s[0].powf(power)) / RATE * p;
            s[0] = total;
            let quadratic = total.powf(power) / RATE + 2.0 * (0.1 + 0.5 / (2.0 * RATE));
            (s[1].clamp(-0.02, 0.02) - s[1]) / quadratic
        }
        Rule::Lion => {
            let mixed = b1 * s[0] + (1.0 - b1) * g;
            s[0] = b2 * s[0] + (1.0 - b2) * g;
            p - RATE * if mixed == 0.0 { 0.0 } else { mixed.signum() }
        }
    }
}

/// What surrounds a rule: weight decay, scale and limit of gradients, kept share of the average.
type Around = (f64, f64, f64, Option<f64>);

fn check<T: Float>(rule: Rule, (decay, scale, limit, kept): Around, tolerance: f64) {
    let mut random = Lcg(rule as u64);
    for length in LENGTHS {
        let start = random.numbers(length);
        let gradients: Vec<Vec<f64>> = (0..3).map(|_| random.numbers(length)).collect();
        let (options, starts) = options(rule);
        let begin = |i: usize| vec![starts[i]; length];
        let mut expected: Vec<Vec<f64>> = [start.clone()].into_iter().chain((0..starts.len()).map(begin)).collect();
        let mut expected_average = vec![0.0; length];
        for (t, gradient) in gradients.iter().enumerate() {
            for i in 0..length {
                let p = expected[0][i] * (1.0 - decay * RATE);
                let mut slots: Vec<f64> = expected[1..].iter().map(|slot| slot[i]).collect();
                let g = (gradient[i] * scale).clamp(-limit, limit);
                expected[0][i] = naive(rule, t as i32 + 1, p, g, &mut slots);
                for (slot, value) in expected[1..].iter_mut().zip(slots) {
                    slot[i] = value;
                }
                let kept = kept.unwrap_or_default();
                expected_average[i] = kept * expected_average[i] + (1.0 - kept) * expected[0][i];
            }
        }
        let mut first: Option<Vec<T>> = None;
        for isa in Isa::available() {
            let mut parameter = typed::<T>(&start);
            let mut slots: Vec<Vec<T>> = (0..starts.len()).map(|i| typed(&begin(i))).collect();
            let mut average = typed::<T>(&vec![0.0; length]);
            let kernel = Update::<T>::new(length);
            for (t, gradient) in gradients.iter().enumerate() {
                let gradient = typed::<T>(gradient);
                let t = t as i32 + 1;
                let scalars: Vec<f64> = rule
                    .scalars()
                    .iter()
                    .map(|&name| if name == "product" { product(t) } else { f64::from(t) })
                    .collect();
                let step = Step {
                    weight_decay: decay,
                    gradient_scale: scale,
                    gradient_limit: limit,
                    kept_average: kept.unwrap_or_default(),
                    ..Step::new(rule, RATE, &scalars, &options)
                };
                for chunk in (0..kernel.chunks()).rev() {
                    let slots: Vec<Disjoint<T>> = slots.iter_mut().map(|slot| Disjoint::new(slot)).collect();
                    let average = kept.is_some().then(|| Disjoint::new(&mut average));
                    kernel.run(isa, chunk, &step, Disjoint::new(&mut parameter), &gradient, &slots, average);
                }
            }
            let what = format!("{} {isa:?} {length}", rule.name());
            close(&parameter, &expected[0], tolerance, &what);
            for ((slot, expected), name) in slots.iter().zip(&expected[1..]).zip(rule.slots()) {
                close(slot, expected, tolerance, &format!("{what} {name}"));
            }
            if kept.is_some() {
                close(&average, &expected_average, tolerance, &format!("{what} average"));
            }
            assert_eq!(
                first.get_or_insert_with(|| parameter.clone()),
                &parameter,
                "{what}: as on every other processor"
            );
        }
    }
}

#[test]
fn rules_match_their_formulas() {
    for &rule in Rule::ALL {
        for around in [(0.0, 1.0, f64::INFINITY, None), (0.1, 0.5, f64::INFINITY, Some(0.75)), (0.0, 1.0, 0.25, None)] {
            check::<f32>(rule, around, 2e-5);
            check::<f64>(rule, around, 1e-12);
        }
    }
}

#[test]
fn a_gradient_that_is_not_a_number_shows() {
    for &rule in Rule::ALL {
        let (options, starts) = options(rule);
        for limit in [f64::INFINITY, 0.5] {
            let mut parameter = vec![1.0f32; 3];
            let mut slots: Vec<Vec<f32>> = starts.iter().map(|&start| vec![start as f32; 3]).collect();
            let slots: Vec<Disjoint<f32>> = slots.iter_mut().map(|slot| Disjoint::new(slot)).collect();
            let scalars = vec![0.5; rule.scalars().len()];
            let step = Step { gradient_limit: limit, ..Step::new(rule, RATE, &scalars, &options) };
            let gradient = [0.1, f32::NAN, 0.2];
            Update::new(3).run(Isa::active(), 0, &step, Disjoint::new(&mut parameter), &gradient, &slots, None);
            let found: Vec<bool> = parameter.iter().map(|p| p.is_nan()).collect();
            assert_eq!(found, [false, true, false], "{}", rule.name());
        }
    }
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
            let mut sums = vec![0.0; kernel.chunks()];
            for chunk in (0..kernel.chunks()).rev() {
                kernel.run(isa, chunk, &single, Disjoint::new(&mut sums));
            }
            assert!((kernel.finish(&sums) - expected).abs() <= 1e-6 * expected, "{isa:?} {length}");
        }
    }
}
