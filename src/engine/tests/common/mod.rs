//! What tests of ops share: numbers, small programs, and gradients against finite differences.
#![allow(dead_code, clippy::unwrap_used)]

use ironhorn_engine::core::{Array, DType, Result, Spec};
use ironhorn_engine::ops::gradients::gradients;
use ironhorn_engine::ops::{Graph, Op, Value};
use ironhorn_engine::program::Program;
use ironhorn_engine::program::evaluate::evaluate;

/// Numbers that look random and are the same every time.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// Between -1 and 1.
    pub fn float64(&mut self, sizes: &[usize]) -> Array {
        let count: usize = sizes.iter().product();
        let values: Vec<f64> = (0..count).map(|_| self.below(20_001) as f64 / 10_000.0 - 1.0).collect();
        Array::from_slice(sizes, &values).unwrap()
    }
}

pub fn array<T: ironhorn_engine::core::array::Element>(sizes: &[usize], values: &[T]) -> Array {
    Array::from_slice(sizes, values).unwrap()
}

/// Every element as a double.
pub fn doubles(array: &Array) -> Vec<f64> {
    (0..array.len()).map(|i| array.element(i).unwrap()).collect()
}

/// Writes a program over inputs of the arrays' specs and runs it on them.
pub fn run(inputs: &[Array], write: impl FnOnce(&mut Graph, &[Value]) -> Result<Vec<Value>>) -> Result<Vec<Array>> {
    let specs: Vec<Spec> = inputs.iter().map(Array::spec).collect();
    evaluate(&program(&specs, write)?, inputs)
}

/// A program over inputs of these specs.
pub fn program(specs: &[Spec], write: impl FnOnce(&mut Graph, &[Value]) -> Result<Vec<Value>>) -> Result<Program> {
    let mut graph = Graph::new();
    let values: Vec<Value> = specs.iter().map(|spec| graph.input(spec.clone())).collect();
    let outputs = write(&mut graph, &values)?;
    Ok(Program::new(graph, outputs, Vec::new()))
}

pub fn assert_close(got: &[f64], wanted: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    for (i, (a, b)) in got.iter().zip(wanted).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}, element {i}: {a} and {b}");
    }
}

/// Compares the gradients of what `write` makes, every output weighted by fixed numbers, with central differences. The
/// float64 inputs are the parameters; those of other types are left alone.
pub fn check_gradients(inputs: &[Array], write: impl Fn(&mut Graph, &[Value]) -> Result<Vec<Value>>, tolerance: f64) {
    let weights = |outputs: &[Array]| -> Vec<Array> {
        let mut numbers = Numbers(77);
        outputs.iter().map(|output| numbers.float64(output.sizes())).collect()
    };
    let forward = |inputs: &[Array]| run(inputs, &write).unwrap();
    let seeds = weights(&forward(inputs));
    let parameters: Vec<usize> = (0..inputs.len()).filter(|&i| inputs[i].dtype() == DType::Float64).collect();
    let all: Vec<Array> = inputs.iter().chain(&seeds).cloned().collect();
    let analytic = run(&all, |graph, values| {
        let (values, seeds) = values.split_at(inputs.len());
        let outputs = write(graph, values)?;
        let targets: Vec<_> = outputs.into_iter().zip(seeds).map(|(output, &seed)| (output, Some(seed))).collect();
        let sources: Vec<Value> = parameters.iter().map(|&i| values[i]).collect();
        let found = gradients(graph, &targets, &sources)?;
        found.into_iter().zip(&sources).map(|(g, &source)| g.map_or_else(|| graph.zeros_like(source), Ok)).collect()
    })
    .unwrap();
    let loss = |inputs: &[Array]| -> f64 {
        forward(inputs)
            .iter()
            .zip(&seeds)
            .map(|(output, seed)| doubles(output).iter().zip(doubles(seed)).map(|(a, b)| a * b).sum::<f64>())
            .sum()
    };
    let step = 1e-5;
    for (gradient, &parameter) in analytic.iter().zip(&parameters) {
        let mut numeric = Vec::with_capacity(inputs[parameter].len());
        for element in 0..inputs[parameter].len() {
            let moved = |by: f64| {
                let mut inputs = inputs.to_vec();
                inputs[parameter].make_mut::<f64>().unwrap()[element] += by;
                loss(&inputs)
            };
            numeric.push((moved(step) - moved(-step)) / (2.0 * step));
        }
        assert_close(&doubles(gradient), &numeric, tolerance, &format!("gradient of input {parameter}"));
    }
}

/// An op applied to arrays through its decomposition.
pub fn decomposed(op: &Op, inputs: &[Array]) -> Vec<Array> {
    run(inputs, |graph, values| op.decompose(graph, values).expect("the op decomposes")).unwrap()
}
