//! Batch normalisation by the batch's moments.

use ironhorn_engine::core::{Array, DType};
use ironhorn_engine::ops::nn::batch_norm::{BatchNormGrad, BatchNormTrain, Gate};

use crate::check::{Lcg, assert_close, cast, check_decomposition, check_gradients, numbers, run};

const EPSILON: f64 = 1e-3;

fn mask(random: &mut Lcg, sizes: &[usize]) -> Array {
    let values: Vec<f64> = (0..sizes.iter().product()).map(|_| (random.below(3) > 0) as u8 as f64).collect();
    Array::from_slice(sizes, &values).unwrap()
}

fn inputs(random: &mut Lcg, sizes: &[usize], weighted: bool) -> Vec<Array> {
    let (channels, rows) = sizes.split_last().unwrap();
    let mut inputs = vec![random.floats(sizes), random.floats(&[*channels]), random.floats(&[*channels])];
    if weighted {
        inputs.push(mask(random, rows));
    }
    inputs
}

/// The gradient op's inputs for what `train` was given.
fn gradient_inputs(random: &mut Lcg, train: &[Array]) -> Vec<Array> {
    let made = run(BatchNormTrain::new(EPSILON), train).unwrap();
    let g = cast(&random.floats(train[0].sizes()), train[0].dtype());
    let mut inputs = vec![g, train[0].clone(), train[1].clone(), made[1].clone(), made[2].clone()];
    inputs.extend(train.get(3).cloned());
    inputs
}

#[test]
fn kernels_give_what_decompositions_give() {
    let mut random = Lcg(1);
    for sizes in [&[6, 3][..], &[4, 5, 5, 7], &[2, 90], &[50, 100, 16], &[1, 4]] {
        for weighted in [false, true] {
            let wide = inputs(&mut random, sizes, weighted);
            let narrow: Vec<Array> = wide.iter().map(|input| cast(input, DType::Float32)).collect();
            let single = sizes == [1, 4];
            for (inputs, tolerance) in [(wide, 1e-10), (narrow, 2e-5)] {
                check_decomposition(BatchNormTrain::new(EPSILON), &inputs, tolerance);
                if single && weighted {
                    continue;
                }
                let gradient = gradient_inputs(&mut random, &inputs);
                let scale = (sizes.iter().product::<usize>() as f64).sqrt();
                check_decomposition(BatchNormGrad::new(EPSILON), &gradient, tolerance * scale);
            }
        }
    }
}

/// With a sum and relu moved in, forwards and backwards.
#[test]
fn surrounded_kernels_give_what_decompositions_give() {
    let mut random = Lcg(7);
    for sizes in [&[6, 3][..], &[4, 5, 5, 7], &[50, 100, 16]] {
        for weighted in [false, true] {
            let plain = inputs(&mut random, sizes, weighted);
            let gradient = gradient_inputs(&mut random, &plain);
            let [residual, addend, output] = std::array::from_fn(|_| random.floats(sizes));
            for (residual, relu) in [(None, true), (Some(&residual), false), (Some(&residual), true)] {
                let inputs: Vec<Array> = plain.iter().chain(residual).cloned().collect();
                let op = BatchNormTrain { residual: residual.is_some(), relu, ..BatchNormTrain::new(EPSILON) };
                check_decomposition(op, &inputs, 1e-10);
            }
            for (gate, operand) in [(Gate::Open, None), (Gate::Output, Some(&output)), (Gate::Beta, Some(&plain[2]))] {
                for addend in [None, Some(&addend)] {
                    let inputs: Vec<Array> = gradient.iter().chain(operand).chain(addend).cloned().collect();
                    let op = BatchNormGrad { gate, addend: addend.is_some(), ..BatchNormGrad::new(EPSILON) };
                    check_decomposition(op, &inputs, 1e-7);
                }
            }
        }
    }
}

#[test]
fn rows_of_weight_zero_do_not_count() {
    let x = Array::from_slice(&[4, 1], &[1.0f32, 100.0, 3.0, -50.0]).unwrap();
    let one = Array::from_slice(&[1], &[1.0f32]).unwrap();
    let zero = Array::zeros(&[1], DType::Float32).unwrap();
    let weights = Array::from_slice(&[4], &[1.0f32, 0.0, 1.0, 0.0]).unwrap();
    let op = BatchNormTrain::new(0.0);
    let made = run(op.clone(), &[x.clone(), one.clone(), zero.clone(), weights]).unwrap();
    assert_eq!((numbers(&made[1]), numbers(&made[2])), (vec![2.0], vec![1.0]));
    assert_close(&made[0], &[-1.0, 98.0, 1.0, -52.0], 1e-6, "y");
    let nothing = Array::zeros(&[4], DType::Float32).unwrap();
    let made = run(BatchNormTrain::new(1.0), &[x, one, zero, nothing]).unwrap();
    assert_eq!((numbers(&made[1]), numbers(&made[2])), (vec![0.0], vec![0.0]));
}

#[test]
fn derivatives() {
    let mut random = Lcg(2);
    for weighted in [false, true] {
        let train = inputs(&mut random, &[2, 3, 2], weighted);
        let op = BatchNormTrain::new(EPSILON);
        check_gradients(op.clone(), &train, &[0], &[0, 1, 2]);
        // Gradients that reach the moments, alone and beside y's.
        check_gradients(op.clone(), &train, &[1, 2], &[0]);
        check_gradients(op, &train, &[0, 1, 2], &[0, 1, 2]);
    }
    // Weights that are not 0 or 1 have a gradient too.
    let mut train = inputs(&mut random, &[5, 2], false);
    train.push(Array::from_slice(&[5], &[0.5, 1.0, 2.0, 0.25, 1.5]).unwrap());
    check_gradients(BatchNormTrain::new(EPSILON), &train, &[0, 1, 2], &[0, 3]);
}

#[test]
fn halves_and_zero_sizes() {
    let mut random = Lcg(3);
    let train: Vec<Array> =
        inputs(&mut random, &[6, 4], true).iter().map(|input| cast(input, DType::Bfloat16)).collect();
    check_decomposition(BatchNormTrain::new(EPSILON), &train, 0.0);
    check_decomposition(BatchNormGrad::new(EPSILON), &gradient_inputs(&mut random, &train), 0.0);
    for sizes in [[0, 3], [3, 0]] {
        let train: Vec<Array> =
            inputs(&mut random, &sizes, false).iter().map(|input| cast(input, DType::Float32)).collect();
        let made = run(BatchNormTrain::new(EPSILON), &train).unwrap();
        assert_eq!(made[0].sizes(), sizes);
        assert_eq!(numbers(&made[1]), vec![0.0; sizes[1]]);
        let made = run(BatchNormGrad::new(EPSILON), &gradient_inputs(&mut random, &train)).unwrap();
        assert_eq!(numbers(&made[2]), vec![0.0; sizes[1]]);
    }
}

#[test]
fn errors_say_what_does_not_fit() {
    let zeros = |sizes: &[usize], dtype| Array::zeros(sizes, dtype).unwrap();
    let text = |inputs: &[Array]| run(BatchNormTrain::new(EPSILON), inputs).unwrap_err().message().to_string();
    let (x, good) = (zeros(&[4, 3], DType::Float32), zeros(&[3], DType::Float32));
    let short = text(&[x.clone(), good.clone(), zeros(&[2], DType::Float32)]);
    assert!(short.contains("beta of shape (2,) does not fit"), "{short}");
    assert!(text(&[x.clone(), zeros(&[3], DType::Float64), good.clone()]).contains("gamma has type float64"));
    let weights = text(&[x, good.clone(), good, zeros(&[3], DType::Float32)]);
    assert!(weights.contains("weights float32(3,) do not fit"), "{weights}");
}
