//! Normalisation of rows by their own moments.

use ironhorn_engine::core::{Array, DType};
use ironhorn_engine::ops::Real;
use ironhorn_engine::ops::nn::layer_norm::{LayerNorm, LayerNormGrad, RowNorm};

use crate::check::{Lcg, cast, check_decomposition, check_gradients, numbers, run};

fn kinds() -> impl Iterator<Item = RowNorm> {
    (0..8).map(|bits| RowNorm { epsilon: Real(1e-3), centred: bits & 1 > 0, scale: bits & 2 > 0, offset: bits & 4 > 0 })
}

fn inputs(random: &mut Lcg, by: RowNorm, sizes: &[usize]) -> Vec<Array> {
    let columns = &sizes[sizes.len() - 1..];
    let mut inputs = vec![random.floats(sizes)];
    inputs.extend((0..usize::from(by.scale) + usize::from(by.offset)).map(|_| random.floats(columns)));
    inputs
}

/// The gradient op's inputs beside those of the op itself.
fn gradient_inputs(random: &mut Lcg, by: RowNorm, forward: &[Array]) -> Vec<Array> {
    let mut inputs = vec![cast(&random.floats(forward[0].sizes()), forward[0].dtype()), forward[0].clone()];
    inputs.extend(by.scale.then(|| forward[1].clone()));
    inputs
}

#[test]
fn kernels_give_what_decompositions_give() {
    let mut random = Lcg(1);
    for by in kinds() {
        for sizes in [&[6, 3][..], &[4, 5, 7], &[2, 1], &[200, 96], &[5]] {
            let wide = inputs(&mut random, by, sizes);
            let narrow: Vec<Array> = wide.iter().map(|input| cast(input, DType::Float32)).collect();
            for (inputs, tolerance) in [(wide, 1e-10), (narrow, 2e-5)] {
                check_decomposition(LayerNorm(by), &inputs, tolerance);
                let gradient = gradient_inputs(&mut random, by, &inputs);
                check_decomposition(LayerNormGrad(by), &gradient, tolerance * (sizes[0] as f64).sqrt());
            }
        }
    }
}

#[test]
fn derivatives() {
    let mut random = Lcg(2);
    for by in kinds() {
        let forward = inputs(&mut random, by, &[3, 2, 4]);
        let all: Vec<usize> = (0..forward.len()).collect();
        check_gradients(LayerNorm(by), &forward, &[0], &all);
        check_gradients(LayerNorm(by), &forward, &[0], &[0]);
    }
}

#[test]
fn halves_and_zero_sizes() {
    let mut random = Lcg(3);
    for by in kinds() {
        let forward: Vec<Array> =
            inputs(&mut random, by, &[6, 4]).iter().map(|input| cast(input, DType::Bfloat16)).collect();
        check_decomposition(LayerNorm(by), &forward, 0.0);
        check_decomposition(LayerNormGrad(by), &gradient_inputs(&mut random, by, &forward), 0.0);
        for sizes in [[0, 3], [3, 0]] {
            let forward = inputs(&mut random, by, &sizes);
            assert_eq!(run(LayerNorm(by), &forward).unwrap()[0].sizes(), sizes);
            let made = run(LayerNormGrad(by), &gradient_inputs(&mut random, by, &forward)).unwrap();
            for gradient in &made[1..] {
                assert_eq!(numbers(gradient), vec![0.0; sizes[1]]);
            }
        }
    }
}

#[test]
fn errors_say_what_does_not_fit() {
    let zeros = |sizes: &[usize], dtype| Array::zeros(sizes, dtype).unwrap();
    let by = RowNorm { epsilon: Real(1e-3), centred: true, scale: true, offset: true };
    let text = |inputs: &[Array]| run(LayerNorm(by), inputs).unwrap_err().message().to_string();
    let (x, good) = (zeros(&[4, 3], DType::Float32), zeros(&[3], DType::Float32));
    let short = text(&[x.clone(), good.clone(), zeros(&[2], DType::Float32)]);
    assert!(short.contains("beta of shape (2,) does not fit"), "{short}");
    assert!(text(&[x, zeros(&[3], DType::Float64), good]).contains("gamma has type float64"));
}
