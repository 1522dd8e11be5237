//! Cross-entropy with class numbers and with rows of targets.

use ironhorn_engine::core::{Array, DType, Error};
use ironhorn_engine::ops::Real;
use ironhorn_engine::ops::nn::cross_entropy::{CrossEntropy, CrossEntropyGrad, SoftmaxCrossEntropy};

use crate::check::{Lcg, cast, check_decomposition, check_gradients, numbers, run};

const LOGITS: CrossEntropy = CrossEntropy { sparse: true, margin: None };

fn all() -> impl Iterator<Item = CrossEntropy> {
    let margins = [None, Some(Real(0.02))];
    [false, true].into_iter().flat_map(move |sparse| margins.map(move |margin| CrossEntropy { sparse, margin }))
}

/// Scores that suit an op: probabilities are positive.
fn scores(random: &mut Lcg, op: &CrossEntropy, sizes: &[usize]) -> Array {
    let mut x = random.floats(sizes);
    if op.margin.is_some() {
        x.make_mut::<f64>().unwrap().iter_mut().for_each(|x| *x = 0.6 + *x / 2.0);
    }
    x
}

#[test]
fn kernels_give_what_decompositions_give() {
    let mut random = Lcg(1);
    for (rows, classes) in [(&[4][..], 3), (&[2, 5], 10), (&[300], 100), (&[], 4), (&[0], 4)] {
        for op in all() {
            let sizes: Vec<usize> = rows.iter().copied().chain([classes]).collect();
            let (x, g, seed) = (scores(&mut random, &op, &sizes), random.floats(rows), random.floats(&[]));
            let targets = if op.sparse { random.labels(rows, classes) } else { random.floats(&sizes) };
            let gradient = CrossEntropyGrad { loss: op.clone() };
            let end = SoftmaxCrossEntropy { loss: op.clone() };
            for (dtype, tolerance) in [(DType::Float64, 1e-12), (DType::Float32, 1e-5)] {
                let floats = [&x, &targets, &g, &seed]
                    .map(|array| if array.dtype().is_float() { cast(array, dtype) } else { array.clone() });
                let [x, targets, g, seed] = floats;
                check_decomposition(op.clone(), &[x.clone(), targets.clone()], tolerance);
                check_decomposition(gradient.clone(), &[x.clone(), targets.clone(), g.clone()], tolerance);
                check_decomposition(end.clone(), &[x.clone(), targets.clone(), g], tolerance);
                check_decomposition(end.clone(), &[x, targets, seed], tolerance);
            }
        }
    }
}

#[test]
fn labels_of_any_integer_type() {
    let x = Array::from_slice(&[2, 3], &[0.0f32, 0.0, 0.0, 1000.0, 0.0, 0.0]).unwrap();
    for dtype in [DType::Int32, DType::Uint8, DType::Int64, DType::Uint64] {
        let labels = cast(&Array::from_slice(&[2], &[2i64, 0]).unwrap(), dtype);
        let losses = run(LOGITS, &[x.clone(), labels]).unwrap().remove(0);
        let losses = numbers(&losses);
        assert!((losses[0] - 3f64.ln()).abs() < 1e-6 && losses[1] == 0.0, "{losses:?}");
    }
    let half = cast(&x, DType::Bfloat16);
    let labels = Array::from_slice(&[2], &[2i64, 0]).unwrap();
    assert_eq!(run(LOGITS, &[half, labels]).unwrap()[0].dtype(), DType::Bfloat16);
}

#[test]
fn derivatives() {
    let mut random = Lcg(2);
    for op in all() {
        let (x, g) = (scores(&mut random, &op, &[2, 3, 4]), random.floats(&[2, 3]));
        let targets = if op.sparse { random.labels(&[2, 3], 4) } else { random.floats(&[2, 3, 4]) };
        let wanted: &[usize] = if op.sparse { &[0] } else { &[0, 1] };
        check_gradients(op.clone(), &[x.clone(), targets.clone()], &[0], wanted);
        let gradient = CrossEntropyGrad { loss: op.clone() };
        let wanted: &[usize] = if op.sparse { &[0, 2] } else { &[0, 1, 2] };
        check_gradients(gradient, &[x, targets, g], &[0], wanted);
    }
}

#[test]
fn no_rows_no_losses() {
    let (x, labels) = (Array::zeros(&[0, 5], DType::Float32).unwrap(), Array::zeros(&[0], DType::Int32).unwrap());
    assert_eq!(run(LOGITS, &[x, labels]).unwrap()[0].sizes(), [0]);
}

#[test]
fn errors_say_what_does_not_fit() {
    let x = Array::zeros(&[4, 10], DType::Float32).unwrap();
    let labels = Array::from_slice(&[4], &[0i32, 9, 3, 12]).unwrap();
    for margin in [None, Some(Real(1e-7))] {
        let error = run(CrossEntropy { sparse: true, margin }, &[x.clone(), labels.clone()]).unwrap_err();
        assert!(matches!(error, Error::Value(_)));
        assert!(error.message().contains("label 12 at row 3 is outside 0..9; "), "{error}");
    }
    let negative = Array::from_slice(&[4], &[0i32, -1, 3, 2]).unwrap();
    let error = run(LOGITS, &[x.clone(), negative]).unwrap_err();
    assert!(error.message().contains("label -1 at row 1"), "{error}");
    let text = |op: CrossEntropy, targets: Array| run(op, &[x.clone(), targets]).unwrap_err().message().to_string();
    assert!(text(LOGITS, Array::zeros(&[5], DType::Int32).unwrap()).contains("do not fit scores of shape (4, 10)"));
    assert!(text(LOGITS, Array::zeros(&[4], DType::Float32).unwrap()).contains("integer labels"));
    let dense = CrossEntropy { sparse: false, margin: None };
    assert!(text(dense.clone(), Array::zeros(&[4, 9], DType::Float32).unwrap()).contains("targets of shape (4, 9)"));
    assert!(text(dense, Array::zeros(&[4, 10], DType::Float64).unwrap()).contains("targets are float64"));
}
