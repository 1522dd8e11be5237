//! Cross-entropy against naive loops in double precision, for every instruction set.

use super::{CrossEntropy, CrossEntropyElement, LabelError, Results, Scores, Seed, Targets};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::simd::Isa;

struct Lcg(u64);
impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
    fn number(&mut self, scale: f64) -> f64 {
        (self.below(2001) as f64 / 1000.0 - 1.0) * scale
    }
}

const MARGIN: f64 = 1e-3;
const SCORES: [Scores; 3] =
    [Scores::Logits, Scores::Softmax { margin: MARGIN }, Scores::Probabilities { margin: MARGIN }];
const SHAPES: [(usize, usize); 14] = [
    (1, 1),
    (1, 10),
    (3, 10),
    (130, 10),
    (7, 16),
    (40, 3),
    (9, 17),
    (5, 33),
    (33, 2),
    (2, 1000),
    (300, 100),
    (2, 20_000),
    (0, 5),
    (18, 15),
];

/// Losses, gradient, probabilities and hits.
type All<T> = [Vec<T>; 4];

fn argmax(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// What one row gives, by the formulas' own steps.
fn naive(scores: Scores, x: &[f64], targets: &[f64], seed: f64) -> All<f64> {
    let (largest, margin) = (x.iter().copied().fold(f64::NEG_INFINITY, f64::max), scores.margin());
    let parts: Vec<f64> = match scores {
        Scores::Probabilities { .. } => x.to_vec(),
        _ => x.iter().map(|x| (x - largest).exp()).collect(),
    };
    let sum: f64 = parts.iter().sum();
    let shares: Vec<f64> = parts.iter().map(|part| part / sum).collect();
    let (mut loss, mut by_share) = (0.0, vec![0.0; x.len()]);
    for i in 0..x.len() {
        let clipped = if scores == Scores::Logits { shares[i] } else { shares[i].clamp(margin, 1.0 - margin) };
        loss -= if targets[i] == 0.0 { 0.0 } else { targets[i] * clipped.ln() };
        by_share[i] = if clipped == shares[i] { -seed * targets[i] / clipped } else { 0.0 };
    }
    // Through the division by the sum, then through the exponential.
    let mean: f64 = by_share.iter().zip(&shares).map(|(g, share)| g * share).sum();
    let gradient = (0..x.len())
        .map(|i| match scores {
            Scores::Probabilities { .. } => (by_share[i] - mean) / sum,
            Scores::Logits => seed * (shares[i] * targets.iter().sum::<f64>() - targets[i]),
            Scores::Softmax { .. } => (by_share[i] - mean) * shares[i],
        })
        .collect();
    let hit = f64::from(u8::from(argmax(x) == argmax(targets)));
    [vec![loss], gradient, shares, vec![hit]]
}

/// Runs a kernel for the results that `wanted` names; others stay as they are.
fn run<T: CrossEntropyElement>(
    isa: Isa,
    kernel: &CrossEntropy<T>,
    x: &[T],
    targets: Targets<T>,
    seed: Seed<T>,
    wanted: [bool; 4],
) -> Result<All<T>, LabelError> {
    let rows = kernel.rows.rows;
    let mut all = [rows, x.len(), x.len(), rows].map(|length| vec![T::from_f64(7.0); length]);
    let [losses, gradient, probabilities, hits] = &mut all;
    let results = Results {
        losses: wanted[0].then(|| Disjoint::new(losses)),
        gradient: wanted[1].then(|| Disjoint::new(gradient)),
        probabilities: wanted[2].then(|| Disjoint::new(probabilities)),
        hits: wanted[3].then(|| Disjoint::new(hits)),
    };
    for chunk in (0..kernel.chunks()).rev() {
        kernel.run(isa, chunk, x, targets, seed, results)?;
    }
    Ok(all)
}

fn rounded<T: CrossEntropyElement>(values: impl Iterator<Item = f64>) -> (Vec<T>, Vec<f64>) {
    let typed: Vec<T> = values.map(T::from_f64).collect();
    let wide = typed.iter().map(|value| value.to_f64()).collect();
    (typed, wide)
}

fn check<T: CrossEntropyElement>(tolerance: f64) {
    let mut random = Lcg(2);
    for (case, (rows, columns)) in SHAPES.into_iter().enumerate() {
        for scores in SCORES {
            let of_probabilities = matches!(scores, Scores::Probabilities { .. });
            let (x, wide) = rounded::<T>(
                (0..rows * columns)
                    .map(|_| if of_probabilities { random.number(0.5) + 0.6 } else { random.number(8.0) }),
            );
            let (seeds, wide_seeds) = rounded::<T>((0..rows).map(|_| random.number(1.0)));
            let labels: Vec<i64> = (0..rows).map(|_| random.below(columns) as i64).collect();
            let (soft, wide_soft) = rounded::<T>((0..rows * columns).map(|_| random.number(0.5) + 0.5));
            let small: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
            let bytes: Vec<u8> = labels.iter().map(|&label| label as u8).collect();
            for (dense, one_seed) in [(false, false), (false, true), (true, false), (true, true)] {
                let seed = if one_seed { Seed::One(T::from_f64(0.25)) } else { Seed::Rows(&seeds) };
                let mut expected: All<f64> = Default::default();
                for row in 0..rows {
                    let mut weights = vec![0.0; columns];
                    weights[labels[row] as usize] = 1.0;
                    let weights = if dense { &wide_soft[row * columns..][..columns] } else { &weights[..] };
                    let seed = if one_seed { 0.25 } else { wide_seeds[row] };
                    let made = naive(scores, &wide[row * columns..][..columns], weights, seed);
                    for (all, made) in expected.iter_mut().zip(made) {
                        all.extend(made);
                    }
                }
                let targets = match case % 3 {
                    _ if dense => Targets::Rows(&soft),
                    0 => Targets::Int64(&labels),
                    1 => Targets::Int32(&small),
                    _ if columns > 256 => Targets::Int64(&labels),
                    _ => Targets::Uint8(&bytes),
                };
                let kernel = CrossEntropy::<T>::new(rows, columns, scores);
                for isa in Isa::available() {
                    for wanted in 1..16 {
                        let wanted = [0, 1, 2, 3].map(|bit| wanted >> bit & 1 == 1);
                        if of_probabilities && (wanted[2] || wanted[3]) {
                            continue;
                        }
                        let found = run(isa, &kernel, &x, targets, seed, wanted).unwrap();
                        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                            let what = format!("{isa:?} {scores:?} {rows} x {columns}, dense {dense}, {wanted:?}: {i}");
                            if wanted[i] {
                                close(found, expected, tolerance * if i == 3 { 0.0 } else { 1.0 }, &what);
                            } else {
                                assert!(found.iter().all(|&value| value == T::from_f64(7.0)), "{what}");
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Within `tolerance` of the largest value, which differences of shares have rounding of.
fn close<T: CrossEntropyElement>(found: &[T], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.1_f64, |most, value| most.max(value.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found.to_f64() - expected).abs();
        assert!(difference <= tolerance * scale, "{what}, element {i}: {found:?}, expected {expected}");
    }
}

#[test]
fn single_precision() {
    check::<f32>(4e-6);
}

#[test]
fn double_precision() {
    check::<f64>(1e-12);
}

/// The first of equals is the best, and a NaN is better than any number, as `argmax` of the probabilities, or of the logits, has it.
#[test]
fn ties_and_nans() {
    for isa in Isa::available() {
        for columns in [4, 40] {
            let mut x = vec![-2.0f32; columns * 6];
            let set = |x: &mut [f32], row: usize, at: &[(usize, f32)]| {
                for &(place, value) in at {
                    x[row * columns + place] = value;
                }
            };
            let last = columns - 1;
            set(&mut x, 0, &[(1, 3.0), (last, 3.0)]);
            set(&mut x, 1, &[(1, 3.0), (last, 3.0)]);
            // The exponentials are equal, the logits are not.
            for row in [2, 3] {
                set(&mut x, row, &[(0, 1e-9), (last, 2e-9)]);
            }
            set(&mut x, 4, &[(2, f32::NAN)]);
            set(&mut x, 5, &[(2, f32::NAN)]);
            let labels = [1, last as i64, last as i64, 0, 2, 0];
            let kernel = CrossEntropy::<f32>::new(6, columns, Scores::Softmax { margin: 1e-7 });
            for wanted in [[false, false, false, true], [true; 4]] {
                let all = run(isa, &kernel, &x, Targets::Int64(&labels), Seed::One(1.0), wanted).unwrap();
                assert_eq!(all[3], [1.0, 0.0, 0.0, 1.0, 0.0, 1.0], "{isa:?} {columns}");
                let kernel = CrossEntropy::<f32>::new(6, columns, Scores::Logits);
                let of_logits = run(isa, &kernel, &x, Targets::Int64(&labels), Seed::One(1.0), wanted).unwrap();
                assert_eq!(of_logits[3], [1.0, 0.0, 1.0, 0.0, 1.0, 0.0], "{isa:?} {columns}");
                if wanted[0] {
                    assert!(all[0][4].is_nan() && all[1][4 * columns].is_nan() && all[2][4 * columns].is_nan());
                }
            }
        }
    }
}

/// Where a share is clipped, nothing comes back; at an end, half of it does.
#[test]
fn clipped_shares_have_no_gradient() {
    let kernel = CrossEntropy::<f32>::new(3, 2, Scores::Softmax { margin: 0.25 });
    let (x, labels) = ([0.0, 5.0, 5.0, 0.0, 0.0, 3.0f32.ln()], [0, 0, 1]);
    for isa in Isa::available() {
        let [losses, gradient, ..] = run(isa, &kernel, &x, Targets::Int64(&labels), Seed::One(1.0), [true; 4]).unwrap();
        assert_eq!(gradient[..4], [0.0; 4]);
        assert!((losses[0] - 4f32.ln()).abs() < 1e-6 && (losses[1] + 0.75f32.ln()).abs() < 1e-6, "{losses:?}");
    }
    let kernel = CrossEntropy::<f64>::new(1, 2, Scores::Probabilities { margin: 0.25 });
    for isa in Isa::available() {
        let [_, gradient, ..] =
            run(isa, &kernel, &[1.0, 3.0], Targets::Int64(&[1]), Seed::One(1.0), [false, true, false, false]).unwrap();
        assert_eq!(gradient, [0.125, 0.125 - 0.125 / 0.75]);
    }
}

#[test]
fn a_label_out_of_range_is_named() {
    let x = vec![0.0; 30];
    for scores in SCORES {
        let kernel = CrossEntropy::<f32>::new(3, 10, scores);
        let try_labels = |labels: &[i64]| {
            run(Isa::active(), &kernel, &x, Targets::Int64(labels), Seed::One(1.0), [true, true, false, false])
        };
        let error = try_labels(&[3, 12, 0]).unwrap_err();
        assert_eq!(error.to_string(), "label 12 at row 1 is out of range for 10 classes (0 to 9)");
        assert!(try_labels(&[3, 9, -1]).is_err());
        assert!(try_labels(&[3, 9, 0]).is_ok());
    }
}
