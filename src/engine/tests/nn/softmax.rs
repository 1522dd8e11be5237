//! Softmax, its logarithm, and their derivatives.

use std::slice::from_ref;

use ironhorn_engine::core::{Array, DType};
use ironhorn_engine::ops::Op;
use ironhorn_engine::ops::nn::softmax::{LogSoftmax, Softmax, SoftmaxGrad};

use crate::check::{Lcg, cast, check_decomposition, check_gradients, numbers, run};

#[test]
fn kernels_give_what_decompositions_give() {
    let mut random = Lcg(1);
    for sizes in [&[5][..], &[3, 10], &[2, 3, 33], &[1, 1000]] {
        let (x, g) = (random.floats(sizes), random.floats(sizes));
        for op in [Op::from(Softmax), Op::from(LogSoftmax)] {
            check_decomposition(op.clone(), from_ref(&x), 1e-12);
            check_decomposition(op.clone(), &[cast(&x, DType::Float32)], 1e-5);
            let y = run(op.clone(), from_ref(&x)).unwrap().remove(0);
            let gradient = SoftmaxGrad { log: op == LogSoftmax.into() };
            check_decomposition(gradient.clone(), &[y.clone(), g.clone()], 1e-12);
            check_decomposition(gradient, &[cast(&y, DType::Float32), cast(&g, DType::Float32)], 1e-5);
        }
    }
}

#[test]
fn large_logits_do_not_overflow() {
    let x = Array::from_slice(&[2, 2], &[1000.0f32, 0.0, -1000.0, -1000.0]).unwrap();
    assert_eq!(numbers(&run(Softmax, from_ref(&x)).unwrap()[0]), [1.0, 0.0, 0.5, 0.5]);
    let logs = numbers(&run(LogSoftmax, &[x]).unwrap()[0]);
    assert_eq!(logs[..2], [0.0, -1000.0]);
}

#[test]
fn derivatives() {
    let mut random = Lcg(2);
    check_gradients(Softmax, &[random.floats(&[2, 3, 4])], &[0], &[0]);
    check_gradients(LogSoftmax, &[random.floats(&[3, 4])], &[0], &[0]);
    for log in [false, true] {
        let inputs = [random.floats(&[2, 5]), random.floats(&[2, 5])];
        check_gradients(SoftmaxGrad { log }, &inputs, &[0], &[0, 1]);
    }
}

#[test]
fn halves_are_computed_in_float32() {
    let x = cast(&Lcg(3).floats(&[4, 7]), DType::Float16);
    let y = run(Softmax, from_ref(&x)).unwrap().remove(0);
    assert_eq!(y.dtype(), DType::Float16);
    check_decomposition(LogSoftmax, from_ref(&x), 0.0);
    check_decomposition(SoftmaxGrad { log: false }, &[y, x], 0.0);
}

#[test]
fn zero_sizes_and_errors() {
    for sizes in [[0, 3], [3, 0]] {
        let x = Array::zeros(&sizes, DType::Float32).unwrap();
        assert_eq!(run(Softmax, &[x]).unwrap()[0].sizes(), sizes);
    }
    let text = |array: Array| run(Softmax, &[array]).unwrap_err().message().to_string();
    assert!(text(Array::zeros(&[], DType::Float32).unwrap()).contains("at least one axis"));
    assert!(text(Array::zeros(&[3], DType::Int32).unwrap()).contains("cast the input first"));
}
