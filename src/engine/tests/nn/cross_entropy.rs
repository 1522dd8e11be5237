//! Cross-entropy with integer labels.

use ironhorn_engine::core::{Array, DType, Error};
use ironhorn_engine::ops::nn::cross_entropy::{SparseCrossEntropy, SparseCrossEntropyGrad};

use crate::check::{Lcg, cast, check_decomposition, check_gradients, numbers, run};

#[test]
fn kernels_give_what_decompositions_give() {
    let mut random = Lcg(1);
    for (rows, classes) in [(&[4][..], 3), (&[2, 5], 10), (&[300], 100), (&[], 4)] {
        let sizes: Vec<usize> = rows.iter().copied().chain([classes]).collect();
        let (x, labels, g) = (random.floats(&sizes), random.labels(rows, classes), random.floats(rows));
        for normalized in [false, true] {
            check_decomposition(SparseCrossEntropy { normalized }, &[x.clone(), labels.clone()], 1e-12);
            let gradient = SparseCrossEntropyGrad { normalized };
            check_decomposition(gradient.clone(), &[x.clone(), labels.clone(), g.clone()], 1e-12);
            let narrow = [cast(&x, DType::Float32), labels.clone(), cast(&g, DType::Float32)];
            check_decomposition(SparseCrossEntropy { normalized }, &narrow[..2], 1e-5);
            check_decomposition(gradient, &narrow, 1e-5);
        }
    }
}

#[test]
fn labels_of_any_integer_type() {
    let x = Array::from_slice(&[2, 3], &[0.0f32, 0.0, 0.0, 1000.0, 0.0, 0.0]).unwrap();
    for dtype in [DType::Int32, DType::Uint8, DType::Int64, DType::Uint64] {
        let labels = cast(&Array::from_slice(&[2], &[2i64, 0]).unwrap(), dtype);
        let losses = run(SparseCrossEntropy { normalized: false }, &[x.clone(), labels]).unwrap().remove(0);
        let losses = numbers(&losses);
        assert!((losses[0] - 3f64.ln()).abs() < 1e-6 && losses[1] == 0.0, "{losses:?}");
    }
    let half = cast(&x, DType::Bfloat16);
    let labels = Array::from_slice(&[2], &[2i64, 0]).unwrap();
    assert_eq!(run(SparseCrossEntropy { normalized: false }, &[half, labels]).unwrap()[0].dtype(), DType::Bfloat16);
}

#[test]
fn derivatives() {
    let mut random = Lcg(2);
    let (x, labels, g) = (random.floats(&[2, 3, 4]), random.labels(&[2, 3], 4), random.floats(&[2, 3]));
    for normalized in [false, true] {
        check_gradients(SparseCrossEntropy { normalized }, &[x.clone(), labels.clone()], &[0], &[0]);
        let inputs = [x.clone(), labels.clone(), g.clone()];
        check_gradients(SparseCrossEntropyGrad { normalized }, &inputs, &[0], &[0, 2]);
    }
}

#[test]
fn no_rows_no_losses() {
    let (x, labels) = (Array::zeros(&[0, 5], DType::Float32).unwrap(), Array::zeros(&[0], DType::Int32).unwrap());
    assert_eq!(run(SparseCrossEntropy { normalized: false }, &[x, labels]).unwrap()[0].sizes(), [0]);
}

#[test]
fn errors_say_what_does_not_fit() {
    let x = Array::zeros(&[4, 10], DType::Float32).unwrap();
    let labels = Array::from_slice(&[4], &[0i32, 9, 3, 12]).unwrap();
    for normalized in [false, true] {
        let error = run(SparseCrossEntropy { normalized }, &[x.clone(), labels.clone()]).unwrap_err();
        assert!(matches!(error, Error::Value(_)));
        assert!(error.message().contains("label 12 at row 3 is outside 0..9; "), "{error}");
    }
    let negative = Array::from_slice(&[4], &[0i32, -1, 3, 2]).unwrap();
    let error = run(SparseCrossEntropy { normalized: false }, &[x.clone(), negative]).unwrap_err();
    assert!(error.message().contains("label -1 at row 1"), "{error}");
    let text = |labels: Array| {
        run(SparseCrossEntropy { normalized: false }, &[x.clone(), labels]).unwrap_err().message().to_string()
    };
    assert!(text(Array::zeros(&[5], DType::Int32).unwrap()).contains("do not fit logits of shape (4, 10)"));
    assert!(text(Array::zeros(&[4], DType::Float32).unwrap()).contains("integer labels"));
}
