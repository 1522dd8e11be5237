//! Resampling and its derivatives.

use std::slice::from_ref;

use ironhorn_engine::core::{Array, DType, Dim};
use ironhorn_engine::ops::Real;
use ironhorn_engine::ops::nn::resample::{Resample, ResampleGrad};
use ironhorn_kernels::cpu::resample::Interpolation;

use crate::check::{Lcg, assert_close, cast, check_decomposition, check_gradients, run};

fn resample(axis: i64, size: usize, interpolation: Interpolation) -> Resample {
    let translation = Real(0.0);
    Resample { axis, size: Dim::Known(size), interpolation, scale: None, translation, antialias: false }
}

#[test]
fn centres_of_pixels_lie_at_halves() {
    let x = Array::from_slice(&[1, 2], &[0.0f32, 4.0]).unwrap();
    let y = run(resample(1, 4, Interpolation::Linear), from_ref(&x)).unwrap().remove(0);
    assert_close(&y, &[0.0, 1.0, 3.0, 4.0], 0.0, "twice as many");
    let halved = Resample { antialias: true, ..resample(-1, 1, Interpolation::Linear) };
    assert_close(&run(halved, from_ref(&x)).unwrap()[0], &[2.0], 0.0, "the mean");
    let shifted = Resample { scale: Some(Real(1.0)), translation: Real(1.0), ..resample(1, 3, Interpolation::Linear) };
    assert_close(&run(shifted, &[x]).unwrap()[0], &[0.0, 0.0, 4.0], 0.0, "moved by one");
}

#[test]
fn derivatives() {
    let mut random = Lcg(1);
    for (axis, size, interpolation) in [
        (1, 5, Interpolation::Linear),
        (0, 2, Interpolation::Cubic),
        (2, 7, Interpolation::Lanczos(3)),
        (-1, 2, Interpolation::Lanczos(5)),
    ] {
        let op = resample(axis, size, interpolation);
        check_gradients(op.clone(), &[random.floats(&[3, 4, 3])], &[0], &[0]);
        let antialias = Resample { antialias: true, ..op };
        check_gradients(antialias, &[random.floats(&[3, 4, 3])], &[0], &[0]);
    }
    let grad = ResampleGrad { resample: resample(1, 5, Interpolation::Linear) };
    check_gradients(grad, &[random.floats(&[2, 5, 2]), random.floats(&[2, 3, 2])], &[0], &[0]);
}

#[test]
fn halves_are_resampled_in_float32() {
    let x = cast(&Lcg(3).floats(&[2, 4]), DType::Bfloat16);
    check_decomposition(resample(1, 7, Interpolation::Cubic), from_ref(&x), 0.0);
}

#[test]
fn errors_say_what_does_not_fit() {
    let text = |op: Resample, sizes: &[usize], dtype| {
        run(op, &[Array::zeros(sizes, dtype).unwrap()]).unwrap_err().message().to_string()
    };
    let op = || resample(1, 4, Interpolation::Linear);
    assert!(text(op(), &[2, 0], DType::Float32).contains("nothing to sample from"));
    assert!(text(op(), &[2], DType::Float32).contains("out of range"));
    assert!(text(op(), &[2, 3], DType::Int32).contains("takes floats"));
}
