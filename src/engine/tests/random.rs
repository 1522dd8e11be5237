//! Random draws: the same for the same seed, in range, with the moments they should have.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Numbers, array, check_gradients, doubles, program};
use ironhorn_engine::core::{Array, DType, Dim, Shape, Spec};
use ironhorn_engine::ops::random::dropout::Dropout;
use ironhorn_engine::ops::{Attribute, Attributes, Op, Real};
use ironhorn_engine::program::evaluate::{evaluate, evaluate_op};

fn draw(name: &str, size: i64, dtype: &str, parameters: &[(&str, f64)]) -> Op {
    let mut attributes =
        Attributes::new().with("shape", Attribute::Ints(vec![size])).with("dtype", Attribute::Text(dtype.into()));
    for &(parameter, value) in parameters {
        let value = if name == "random_integers" { Attribute::Int(value as i64) } else { Attribute::Float(value) };
        attributes = attributes.with(parameter, value);
    }
    Op::parse(name, attributes).unwrap()
}

fn seed(seed: u32, counter: u32) -> Array {
    array(&[2], &[seed, counter])
}

fn values(op: &Op, seed: Array) -> Vec<f64> {
    doubles(&evaluate_op(op, &[seed]).unwrap()[0])
}

fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / values.len() as f64).sqrt())
}

#[test]
fn draws_follow_the_seed_and_the_counter() {
    for name in ["random_uniform", "random_normal", "truncated_normal"] {
        for dtype in ["float32", "float64", "float16", "bfloat16"] {
            let op = draw(name, 100, dtype, &[]);
            assert_eq!(values(&op, seed(1, 2)), values(&op, seed(1, 2)), "{name}");
            assert_ne!(values(&op, seed(1, 2)), values(&op, seed(1, 3)), "{name}");
            assert_ne!(values(&op, seed(1, 2)), values(&op, seed(2, 2)), "{name}");
        }
    }
}

#[test]
fn distributions_have_their_moments() {
    let uniform = values(&draw("random_uniform", 40_000, "float32", &[("low", -1.0), ("high", 3.0)]), seed(5, 0));
    let (mean, deviation) = moments(&uniform);
    assert!((mean - 1.0).abs() < 0.03 && (deviation - 4.0 / 12f64.sqrt()).abs() < 0.02, "{mean} {deviation}");
    assert!(uniform.iter().all(|v| (-1.0..3.0).contains(v)));
    let normal = values(&draw("random_normal", 40_000, "float64", &[("mean", 2.0), ("stddev", 3.0)]), seed(5, 1));
    let (mean, deviation) = moments(&normal);
    assert!((mean - 2.0).abs() < 0.06 && (deviation - 3.0).abs() < 0.05, "{mean} {deviation}");
    let cut = values(&draw("truncated_normal", 40_000, "float32", &[("stddev", 0.5)]), seed(5, 2));
    assert!(cut.iter().all(|v| v.abs() <= 1.0));
    assert!((moments(&cut).1 - 0.5 * 0.8796).abs() < 0.01);
}

#[test]
fn sixteen_bit_uniforms_stay_below_the_high_end() {
    for dtype in ["float16", "bfloat16"] {
        for (low, high) in [(0.0, 1.0), (-1.0, 0.0), (-3.0, -2.0), (0.0, 0.1)] {
            let drawn = values(&draw("random_uniform", 20_000, dtype, &[("low", low), ("high", high)]), seed(9, 9));
            let greatest = drawn.iter().copied().fold(f64::MIN, f64::max);
            assert!(greatest < high, "{dtype} [{low}, {high}): {greatest}");
        }
    }
}

#[test]
fn integers_cover_their_range() {
    for dtype in DType::ALL.into_iter().filter(|dtype| dtype.is_integer()) {
        let drawn = values(&draw("random_integers", 500, dtype.name(), &[("low", 3.0), ("high", 7.0)]), seed(1, 1));
        for wanted in 3..7 {
            assert!(drawn.contains(&f64::from(wanted)), "{dtype} {wanted}");
        }
        assert!(drawn.iter().all(|v| (3.0..7.0).contains(v)));
    }
    let refuse = |dtype: &str, low: f64, high: f64| {
        let op = draw("random_integers", 1, dtype, &[("low", low), ("high", high)]);
        evaluate_op(&op, &[seed(0, 0)]).unwrap_err().message().to_string()
    };
    assert!(refuse("uint8", 0.0, 257.0).contains("integers from [0, 257) do not fit uint8"));
    assert!(refuse("int32", 4.0, 4.0).contains("there is no integer in [4, 4)"));
    assert!(refuse("float32", 0.0, 4.0).contains("draws integers, got dtype float32"));
}

#[test]
fn what_is_no_seed_is_refused() {
    let op = draw("random_normal", 3, "float32", &[]);
    let error = evaluate_op(&op, &[array(&[2], &[1i64, 2])]).unwrap_err();
    assert_eq!(error.message(), "random_normal: the seed must be uint32(2,), a seed and a counter, got int64(2,)");
}

#[test]
fn shapes_may_be_symbolic_or_empty() {
    let rows = Dim::fresh();
    let attributes = Attributes::new().with("shape", Attribute::Dims(vec![Some(rows), Some(Dim::Known(3))]));
    let op = Op::parse("random_uniform", attributes).unwrap();
    let x = Spec::new(Shape(vec![rows]), DType::Float32);
    let program = program(&[x, Spec::known(&[2], DType::Uint32)], |graph, v| graph.append(op, &v[1..])).unwrap();
    for count in [0, 5] {
        let drawn = evaluate(&program, &[Array::zeros(&[count], DType::Float32).unwrap(), seed(3, 3)]).unwrap();
        assert_eq!(drawn[0].sizes(), [count, 3]);
    }
}

#[test]
fn dropout_drops_its_share_and_keeps_the_sum() {
    let x = array(&[20_000], &vec![1f32; 20_000]);
    let op: Op = Dropout { rate: Real(0.25) }.into();
    let dropped = doubles(&evaluate_op(&op, &[x.clone(), seed(4, 4)]).unwrap()[0]);
    let share = dropped.iter().filter(|v| **v == 0.0).count() as f64 / dropped.len() as f64;
    assert!((share - 0.25).abs() < 0.02, "{share}");
    assert!(dropped.iter().all(|&v| v == 0.0 || (v - 4.0 / 3.0).abs() < 1e-6));
    for (rate, wanted) in [(0.0, 1.0), (1.0, 0.0)] {
        let all = evaluate_op(&Dropout { rate: Real(rate) }.into(), &[x.clone(), seed(4, 4)]).unwrap();
        assert!(doubles(&all[0]).iter().all(|&v| v == wanted));
    }
    let error = evaluate_op(&Dropout { rate: Real(1.5) }.into(), &[x, seed(4, 4)]).unwrap_err();
    assert_eq!(error.message(), "dropout: the rate must lie in [0, 1], got 1.5");
    let half = array(&[2], &[half::bf16::from_f32(2.0); 2]);
    assert_eq!(
        evaluate_op(&Dropout { rate: Real(0.0) }.into(), &[half, seed(0, 0)]).unwrap()[0].dtype(),
        DType::Bfloat16
    );
}

#[test]
fn the_gradient_of_dropout_uses_the_same_mask() {
    let x = Numbers(3).float64(&[7, 5]);
    check_gradients(&[x, seed(11, 0)], |graph, v| graph.append(Dropout { rate: Real(0.4) }, v), 1e-8);
}
