//! Convolution and its gradients.

use ironhorn_engine::core::{Array, DType};
use ironhorn_engine::ops::linalg::epilogue::Epilogue;
use ironhorn_engine::ops::nn::conv::{Conv, ConvInputGrad, ConvKernelGrad, Padding};
use ironhorn_engine::ops::nn::conv_transpose::ConvTranspose;
use ironhorn_kernels::cpu::gemm::Activation;

use crate::check::{Lcg, assert_close, cast, check_decomposition, check_gradients, numbers, run};

fn conv(strides: &[usize], padding: Padding, dilation: &[usize], groups: usize) -> Conv {
    Conv { strides: strides.to_vec(), padding, dilation: dilation.to_vec(), groups, epilogue: Epilogue::default() }
}

/// The sum in the op's doc, term by term, for two spatial axes.
fn naive(op: &Conv, x: &Array, w: &Array) -> Vec<f64> {
    let (xs, ws) = (x.sizes().to_vec(), w.sizes().to_vec());
    let (xv, wv) = (numbers(x), numbers(w));
    let pads: Vec<(usize, usize)> =
        (0..2).map(|a| op.padding.resolve(a, xs[a + 1], ws[a], op.strides[a], op.dilation[a])).collect();
    let out: Vec<usize> = (0..2)
        .map(|a| (xs[a + 1] + pads[a].0 + pads[a].1 - (ws[a] - 1) * op.dilation[a] - 1) / op.strides[a] + 1)
        .collect();
    let (taken, made) = (ws[2], ws[3] / op.groups);
    let mut y = Vec::new();
    for n in 0..xs[0] {
        for oh in 0..out[0] {
            for ow in 0..out[1] {
                for f in 0..ws[3] {
                    let mut sum = 0.0;
                    for kh in 0..ws[0] {
                        for kw in 0..ws[1] {
                            let h = (oh * op.strides[0] + kh * op.dilation[0]).wrapping_sub(pads[0].0);
                            let v = (ow * op.strides[1] + kw * op.dilation[1]).wrapping_sub(pads[1].0);
                            if h >= xs[1] || v >= xs[2] {
                                continue;
                            }
                            for c in 0..taken {
                                let channel = f / made * taken + c;
                                sum += xv[((n * xs[1] + h) * xs[2] + v) * xs[3] + channel]
                                    * wv[((kh * ws[1] + kw) * taken + c) * ws[3] + f];
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    y
}

#[test]
fn forward_is_the_sum() {
    let mut random = Lcg(1);
    let cases = [
        (conv(&[1, 1], Padding::Valid, &[1, 1], 1), [2, 6, 7, 3], [3, 2, 3, 5]),
        (conv(&[2, 1], Padding::Same, &[1, 2], 1), [2, 7, 6, 4], [3, 3, 4, 2]),
        (conv(&[2, 3], Padding::Explicit(vec![(2, 0), (1, 3)]), &[2, 1], 2), [1, 8, 9, 4], [2, 4, 2, 6]),
        (conv(&[1, 1], Padding::Same, &[1, 1], 3), [2, 5, 5, 3], [3, 3, 1, 3]),
        (conv(&[1, 1], Padding::Valid, &[1, 1], 1), [2, 4, 4, 8], [1, 1, 8, 3]),
    ];
    for (op, x, w) in cases {
        let (x, w) = (random.floats(&x), random.floats(&w));
        let expected = naive(&op, &x, &w);
        assert_close(&run(op.clone(), &[x.clone(), w.clone()]).unwrap()[0], &expected, 1e-12, "float64");
        let narrow = [cast(&x, DType::Float32), cast(&w, DType::Float32)];
        assert_close(&run(op, &narrow).unwrap()[0], &expected, 1e-5, "float32");
    }
}

#[test]
fn one_axis_is_an_image_of_width_one() {
    let mut random = Lcg(2);
    let (x, w) = (random.floats(&[2, 9, 4]), random.floats(&[3, 2, 6]));
    let line = conv(&[2], Padding::Same, &[2], 2);
    let image = conv(&[2, 1], Padding::Same, &[2, 1], 2);
    let y = run(line, &[x.clone(), w.clone()]).unwrap().remove(0);
    let (x, w) = (x.reshaped(&[2, 9, 1, 4]).unwrap(), w.reshaped(&[3, 1, 2, 6]).unwrap());
    assert_eq!(y.sizes(), [2, 5, 6]);
    assert_close(&y, &naive(&image, &x, &w), 1e-12, "1D");
}

#[test]
fn bias_and_relu_are_what_follows_the_sum() {
    let mut random = Lcg(3);
    let inputs = [random.floats(&[2, 6, 6, 3]), random.floats(&[3, 3, 3, 5]), random.floats(&[5])];
    let mut op = conv(&[1, 1], Padding::Same, &[1, 1], 1);
    op.epilogue = Epilogue { bias: true, residual: false, activation: Activation::Relu };
    check_decomposition(op, &inputs, 1e-12);
    let line = [random.floats(&[2, 6, 3]), random.floats(&[3, 3, 5]), random.floats(&[5])];
    let mut op = conv(&[1], Padding::Valid, &[1], 1);
    op.epilogue = Epilogue { bias: true, ..Epilogue::default() };
    check_decomposition(op, &line, 1e-12);
}

#[test]
fn residuals_and_activations_are_what_follows_the_sum() {
    let mut random = Lcg(13);
    let inputs =
        [random.floats(&[2, 6, 6, 3]), random.floats(&[3, 3, 3, 5]), random.floats(&[5]), random.floats(&[2, 6, 6, 5])];
    let depthwise = [random.floats(&[2, 6, 6, 3]), random.floats(&[3, 3, 1, 3]), random.floats(&[2, 6, 6, 3])];
    for activation in Activation::ALL {
        let mut op = conv(&[1, 1], Padding::Same, &[1, 1], 1);
        op.epilogue = Epilogue { bias: true, residual: true, activation };
        check_decomposition(op, &inputs, 1e-6);
        let mut op = conv(&[1, 1], Padding::Same, &[1, 1], 3);
        op.epilogue = Epilogue { bias: false, residual: true, activation };
        check_decomposition(op, &depthwise, 1e-6);
    }
}

#[test]
fn derivatives() {
    let mut random = Lcg(4);
    let line = [random.floats(&[2, 6, 2]), random.floats(&[3, 2, 3])];
    check_gradients(conv(&[2], Padding::Same, &[1], 1), &line, &[0], &[0, 1]);
    let image = [random.floats(&[1, 4, 4, 4]), random.floats(&[2, 2, 2, 2])];
    check_gradients(conv(&[1, 2], Padding::Explicit(vec![(1, 0), (0, 1)]), &[2, 1], 2), &image, &[0], &[0, 1]);
}

#[test]
fn derivatives_of_volumes_and_depthwise() {
    let mut random = Lcg(6);
    let volume = [random.floats(&[1, 3, 4, 3, 2]), random.floats(&[2, 3, 2, 2, 3])];
    check_gradients(conv(&[1, 2, 1], Padding::Same, &[2, 1, 1], 1), &volume, &[0], &[0, 1]);
    let image = [random.floats(&[1, 5, 4, 3]), random.floats(&[3, 2, 1, 6])];
    check_gradients(conv(&[2, 1], Padding::Same, &[1, 1], 3), &image, &[0], &[0, 1]);
}

#[test]
fn transposed_is_the_gradient_by_the_input() {
    let mut random = Lcg(7);
    let op = conv(&[2, 3], Padding::Explicit(vec![(1, 0), (0, 1)]), &[1, 1], 1);
    let transpose = ConvTranspose { conv: op.clone(), extra: vec![1, 2] };
    let (x, w) = (random.floats(&[2, 3, 2, 4]), random.floats(&[3, 2, 5, 4]));
    let y = run(transpose.clone(), &[x.clone(), w.clone()]).unwrap().remove(0);
    assert_eq!(y.sizes(), [2, 7, 6, 5]);
    let dx = run(ConvInputGrad { conv: op }, &[x.clone(), w.clone(), y.clone()]).unwrap().remove(0);
    assert_close(&y, &numbers(&dx), 0.0, "transposed");
    check_gradients(transpose, &[x, w], &[0], &[0, 1]);
    let long = ConvTranspose { conv: conv(&[2], Padding::Explicit(vec![(0, 0)]), &[1], 1), extra: vec![2] };
    let zeros = |sizes: &[usize]| Array::zeros(sizes, DType::Float32).unwrap();
    let error = run(long, &[zeros(&[1, 3, 2]), zeros(&[2, 3, 2])]).unwrap_err();
    assert!(error.message().contains("less than the stride"));
}

#[test]
fn gradients_of_many_rows_are_sums() {
    // Enough work for partial sums in scratch and a finishing phase.
    let mut random = Lcg(5);
    let op = conv(&[1, 1], Padding::Valid, &[1, 1], 1);
    let (x, w) = (random.floats(&[16, 30, 30, 8]), random.floats(&[3, 3, 8, 16]));
    let y = run(op.clone(), &[x.clone(), w.clone()]).unwrap().remove(0);
    let dw = run(ConvKernelGrad { conv: op.clone() }, &[x.clone(), y.clone(), w.clone()]).unwrap().remove(0);
    let dx = run(ConvInputGrad { conv: op }, &[y.clone(), w.clone(), x.clone()]).unwrap().remove(0);
    // <y, conv(x, w)> = <dx, x> = <dw, w>
    let dot = |a: &Array, b: &Array| numbers(a).iter().zip(numbers(b)).map(|(a, b)| a * b).sum::<f64>();
    let energy = dot(&y, &y);
    assert!((dot(&dw, &w) - energy).abs() < 1e-9 * energy);
    assert!((dot(&dx, &x) - energy).abs() < 1e-9 * energy);
}

#[test]
fn nothing_in_nothing_out() {
    let op = conv(&[1, 1], Padding::Same, &[1, 1], 1);
    let zeros = |sizes: &[usize]| Array::zeros(sizes, DType::Float32).unwrap();
    let y = run(op.clone(), &[zeros(&[0, 5, 5, 3]), zeros(&[3, 3, 3, 4])]).unwrap().remove(0);
    assert_eq!(y.sizes(), [0, 5, 5, 4]);
    let inputs = [zeros(&[0, 5, 5, 3]), zeros(&[0, 5, 5, 4]), zeros(&[3, 3, 3, 4])];
    let dw = run(ConvKernelGrad { conv: op.clone() }, &inputs).unwrap().remove(0);
    assert_close(&dw, &[0.0; 108], 0.0, "no rows");
    let y = run(op, &[zeros(&[2, 5, 5, 0]), zeros(&[3, 3, 0, 4])]).unwrap().remove(0);
    assert_close(&y, &[0.0; 200], 0.0, "no channels");
}

#[test]
fn errors_say_what_does_not_fit() {
    let zeros = |sizes: &[usize]| Array::zeros(sizes, DType::Float32).unwrap();
    let text = |op: Conv, x: &[usize], w: &[usize]| run(op, &[zeros(x), zeros(w)]).unwrap_err().message().to_string();
    let plain = || conv(&[1, 1], Padding::Valid, &[1, 1], 1);
    assert!(text(plain(), &[2, 5, 5, 3], &[3, 3, 4, 8]).contains("has 3 channels"));
    assert!(text(plain(), &[2, 5, 5, 3], &[7, 3, 3, 8]).contains("does not fit an axis of length 5"));
    assert!(text(plain(), &[2, 5, 5, 3], &[0, 3, 3, 8]).contains("has no elements"));
    assert!(text(plain(), &[2, 5, 3], &[3, 3, 8]).contains("4 axes"));
    assert!(text(conv(&[1, 1], Padding::Valid, &[1, 1], 2), &[2, 5, 5, 4], &[3, 3, 2, 3]).contains("2 groups"));
    let short = conv(&[1, 1], Padding::Explicit(vec![(1, 1)]), &[1, 1], 1);
    assert!(text(short, &[2, 5, 5, 3], &[3, 3, 3, 8]).contains("padding is given for 1 axes"));
}
