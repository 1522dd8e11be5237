//! Pooling and its derivatives.

use std::slice::from_ref;

use ironhorn_engine::core::{Array, DType};
use ironhorn_engine::ops::nn::conv::Padding;
use ironhorn_engine::ops::nn::pool::{AveragePoolGrad, MaxPoolGrad, MaxPoolSelect, Pool, PoolKind, Sliding, Windows};

use crate::check::{Lcg, assert_close, cast, check_decomposition, check_gradients, numbers, run};

fn windows(sizes: &[usize], strides: &[usize], padding: Padding) -> Sliding {
    Sliding { sizes: sizes.to_vec(), strides: strides.to_vec(), padding }
}

fn pool(kind: PoolKind, windows: &Sliding) -> Pool {
    Pool { kind, windows: Windows::Sliding(windows.clone()) }
}

/// For every output, the elements of `x` in its window; `x` has two spatial axes.
fn members(windows: &Sliding, sizes: &[usize]) -> Vec<Vec<usize>> {
    let pads: Vec<(usize, usize)> =
        (0..2).map(|a| windows.padding.resolve(a, sizes[a + 1], windows.sizes[a], windows.strides[a], 1)).collect();
    let count = |a: usize| (sizes[a + 1] + pads[a].0 + pads[a].1 - windows.sizes[a]) / windows.strides[a] + 1;
    let mut all = Vec::new();
    for n in 0..sizes[0] {
        for oh in 0..count(0) {
            for ow in 0..count(1) {
                for c in 0..sizes[3] {
                    let mut window = Vec::new();
                    for kh in 0..windows.sizes[0] {
                        for kw in 0..windows.sizes[1] {
                            let h = (oh * windows.strides[0] + kh).wrapping_sub(pads[0].0);
                            let w = (ow * windows.strides[1] + kw).wrapping_sub(pads[1].0);
                            if h < sizes[1] && w < sizes[2] {
                                window.push(((n * sizes[1] + h) * sizes[2] + w) * sizes[3] + c);
                            }
                        }
                    }
                    all.push(window);
                }
            }
        }
    }
    all
}

#[test]
fn maxima_and_means_of_windows() {
    let mut random = Lcg(1);
    let cases = [
        windows(&[2, 2], &[2, 2], Padding::Valid),
        windows(&[3, 2], &[2, 1], Padding::Same),
        windows(&[3, 3], &[1, 2], Padding::Explicit(vec![(1, 0), (2, 1)])),
    ];
    for windows in cases {
        let x = random.floats(&[2, 7, 6, 3]);
        let values = numbers(&x);
        let members = members(&windows, x.sizes());
        let largest: Vec<f64> =
            members.iter().map(|w| w.iter().map(|&i| values[i]).fold(f64::NEG_INFINITY, f64::max)).collect();
        let mean: Vec<f64> =
            members.iter().map(|w| w.iter().map(|&i| values[i]).sum::<f64>() / w.len().max(1) as f64).collect();
        let maximum = run(pool(PoolKind::Max, &windows), from_ref(&x)).unwrap().remove(0);
        assert_close(&maximum, &largest, 0.0, "max");
        let average = pool(PoolKind::Average, &windows);
        assert_close(&run(average.clone(), from_ref(&x)).unwrap()[0], &mean, 1e-12, "average");
        assert_close(&run(average, &[cast(&x, DType::Float32)]).unwrap()[0], &mean, 1e-6, "float32");
        let v = random.floats(x.sizes());
        let at_largest: Vec<f64> = members
            .iter()
            .zip(&largest)
            .map(|(w, y)| w.iter().find(|&&i| values[i] == *y).map_or(0.0, |&i| numbers(&v)[i]))
            .collect();
        let selected = run(MaxPoolSelect { windows: Windows::Sliding(windows) }, &[x, v]).unwrap().remove(0);
        assert_close(&selected, &at_largest, 0.0, "select");
    }
}

#[test]
fn one_axis() {
    let x = Array::from_slice(&[1, 5, 2], &[1.0f32, 9.0, 3.0, 8.0, 2.0, 7.0, 5.0, 6.0, 4.0, 5.0]).unwrap();
    let windows = windows(&[2], &[2], Padding::Same);
    let y = run(pool(PoolKind::Max, &windows), from_ref(&x)).unwrap().remove(0);
    assert_eq!(y.sizes(), [1, 3, 2]);
    assert_eq!(numbers(&y), [3.0, 9.0, 5.0, 7.0, 4.0, 5.0]);
    let y = run(pool(PoolKind::Average, &windows), &[x]).unwrap().remove(0);
    assert_eq!(numbers(&y), [2.0, 8.5, 3.5, 6.5, 4.0, 5.0]);
}

#[test]
fn adaptive_windows_cut_an_axis_into_parts() {
    let x = Array::from_slice(&[1, 5, 1], &[1.0f32, 9.0, 3.0, 8.0, 2.0]).unwrap();
    // 0..2, 1..4, 3..5
    let pool = |kind| Pool { kind, windows: Windows::Adaptive(vec![3]) };
    assert_eq!(numbers(&run(pool(PoolKind::Max), from_ref(&x)).unwrap()[0]), [9.0, 9.0, 8.0]);
    let average = numbers(&run(pool(PoolKind::Average), from_ref(&x)).unwrap()[0]);
    assert!(average.iter().zip([5.0, 20.0 / 3.0, 5.0]).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn derivatives() {
    let mut random = Lcg(2);
    for kind in [PoolKind::Max, PoolKind::Average] {
        let volume = windows(&[2, 3, 2], &[1, 2, 2], Padding::Same);
        check_gradients(pool(kind, &volume), &[random.floats(&[1, 3, 4, 3, 2])], &[0], &[0]);
        let parts = Pool { kind, windows: Windows::Adaptive(vec![3, 2]) };
        check_gradients(parts, &[random.floats(&[1, 4, 5, 2])], &[0], &[0]);
        let flat = windows(&[3], &[2], Padding::Same);
        check_gradients(pool(kind, &flat), &[random.floats(&[2, 7, 2])], &[0], &[0]);
        let image = windows(&[2, 3], &[1, 2], Padding::Valid);
        check_gradients(pool(kind, &image), &[random.floats(&[1, 4, 7, 2])], &[0], &[0]);
    }
    let windows = Windows::Sliding(windows(&[2, 2], &[2, 1], Padding::Same));
    let (x, g, v) = (random.floats(&[1, 3, 3, 2]), random.floats(&[1, 2, 3, 2]), random.floats(&[1, 3, 3, 2]));
    check_gradients(MaxPoolGrad { windows: windows.clone() }, &[x.clone(), g.clone()], &[0], &[1]);
    check_gradients(MaxPoolSelect { windows: windows.clone() }, &[x.clone(), v], &[0], &[1]);
    check_gradients(AveragePoolGrad { windows }, &[g, x], &[0], &[0]);
}

#[test]
fn halves_are_pooled_in_float32() {
    let x = cast(&Lcg(3).floats(&[1, 4, 4, 2]), DType::Bfloat16);
    let windows = windows(&[2, 2], &[2, 2], Padding::Valid);
    check_decomposition(pool(PoolKind::Average, &windows), from_ref(&x), 0.0);
    let y = run(pool(PoolKind::Max, &windows), from_ref(&x)).unwrap().remove(0);
    assert_eq!(y.dtype(), DType::Bfloat16);
    let dx = run(MaxPoolGrad { windows: Windows::Sliding(windows) }, &[x, y]).unwrap().remove(0);
    assert_eq!((dx.dtype(), dx.sizes()), (DType::Bfloat16, &[1, 4, 4, 2][..]));
}

#[test]
fn nothing_in_nothing_out() {
    let windows = windows(&[2, 2], &[2, 2], Padding::Valid);
    for sizes in [[0, 4, 4, 3], [2, 4, 4, 0]] {
        let x = Array::zeros(&sizes, DType::Float32).unwrap();
        let y = run(pool(PoolKind::Max, &windows), from_ref(&x)).unwrap().remove(0);
        assert_eq!(y.sizes(), [sizes[0], 2, 2, sizes[3]]);
        let dx = run(MaxPoolGrad { windows: Windows::Sliding(windows.clone()) }, &[x, y]).unwrap().remove(0);
        assert_eq!(dx.sizes(), sizes);
    }
}

#[test]
fn errors_say_what_does_not_fit() {
    let text = |windows: Sliding, sizes: &[usize], dtype| {
        let error = run(pool(PoolKind::Max, &windows), &[Array::zeros(sizes, dtype).unwrap()]).unwrap_err();
        error.message().to_string()
    };
    let plain = || windows(&[3, 3], &[1, 1], Padding::Valid);
    assert!(text(plain(), &[1, 2, 5, 1], DType::Float32).contains("does not fit an axis of length 2"));
    assert!(text(plain(), &[1, 5, 1], DType::Float32).contains("4 axes"));
    assert!(text(plain(), &[1, 5, 5, 1], DType::Int32).contains("cast the input first"));
    assert!(text(windows(&[3, 3], &[1], Padding::Valid), &[1, 5, 5, 1], DType::Float32).contains("1 strides"));
    assert!(text(windows(&[0, 3], &[1, 1], Padding::Valid), &[1, 5, 5, 1], DType::Float32).contains("at least 1"));
    let four = windows(&[2; 4], &[1; 4], Padding::Valid);
    assert!(text(four, &[1, 5, 5, 5, 5, 1], DType::Float32).contains("4 spatial axes"));
    let adaptive = Pool { kind: PoolKind::Max, windows: Windows::Adaptive(vec![2]) };
    let error = run(adaptive, &[Array::zeros(&[1, 0, 3], DType::Float32).unwrap()]).unwrap_err();
    assert!(error.message().contains("at least one element"));
}
