//! What the tests of this folder share: arrays of numbers, comparison, derivatives by finite differences.

use ironhorn_engine::core::{Array, DType, Result, Spec};
use ironhorn_engine::ops::reduce::ReduceKind;
use ironhorn_engine::ops::reduce::reduce::Reduce;
use ironhorn_engine::ops::{Graph, Op, Value};
use ironhorn_engine::program::evaluate::{evaluate, evaluate_op};
use ironhorn_engine::program::{Program, gradients, passes};

/// A small generator of numbers.
pub struct Lcg(pub u64);

impl Lcg {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// Numbers in -1..1, all different.
    pub fn floats(&mut self, sizes: &[usize]) -> Array {
        let count: usize = sizes.iter().product();
        let values: Vec<f64> =
            (0..count).map(|i| (self.below(2000) as f64 + i as f64 / count as f64) / 1000.0 - 1.0).collect();
        Array::from_slice(sizes, &values).unwrap()
    }

    pub fn labels(&mut self, sizes: &[usize], classes: usize) -> Array {
        let values: Vec<i64> = (0..sizes.iter().product()).map(|_| self.below(classes) as i64).collect();
        Array::from_slice(sizes, &values).unwrap()
    }
}

/// The same numbers in another type.
pub fn cast(array: &Array, dtype: DType) -> Array {
    evaluate_op(&ironhorn_engine::ops::math::cast::Cast { dtype }.into(), std::slice::from_ref(array))
        .unwrap()
        .remove(0)
}

pub fn numbers(array: &Array) -> Vec<f64> {
    (0..array.len()).map(|i| array.element(i).unwrap()).collect()
}

pub fn assert_close(found: &Array, expected: &[f64], tolerance: f64, what: &str) {
    let found = numbers(found);
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found == expected || (found.is_nan() && expected.is_nan());
        let close = (found - expected).abs() <= tolerance * (1.0 + expected.abs());
        assert!(same || close, "{what}: {found} is not {expected} at {i}");
    }
}

pub fn run(op: impl Into<Op>, inputs: &[Array]) -> Result<Vec<Array>> {
    evaluate_op(&op.into(), inputs)
}

/// Runs a graph as compiled programs do: after the passes.
fn compute(graph: Graph, outputs: Vec<Value>, inputs: &[Array]) -> Vec<Array> {
    evaluate(&passes::run(Program::new(graph, outputs, Vec::new())).unwrap(), inputs).unwrap()
}

/// What the op's decomposition gives.
pub fn run_decomposed(op: impl Into<Op>, inputs: &[Array]) -> Vec<Array> {
    let mut graph = Graph::new();
    let values: Vec<Value> = inputs.iter().map(|input| graph.input(input.spec())).collect();
    let outputs = op.into().decompose(&mut graph, &values).expect("the op has a decomposition").unwrap();
    compute(graph, outputs, inputs)
}

/// The kernel gives what the decomposition gives.
pub fn check_decomposition(op: impl Into<Op>, inputs: &[Array], tolerance: f64) {
    let op = op.into();
    let fused = run(op.clone(), inputs).unwrap();
    let plain = run_decomposed(op.clone(), inputs);
    assert_eq!(fused.len(), plain.len());
    for (i, (fused, plain)) in fused.iter().zip(&plain).enumerate() {
        assert_eq!(fused.spec(), plain.spec());
        assert_close(fused, &numbers(plain), tolerance, &format!("output {i} of {op:?}"));
    }
}

/// `sum(values * fixed numbers)`, so that no direction is special.
fn weigh(graph: &mut Graph, value: Value, seed: u64) -> Value {
    let sizes = graph.shape(value).sizes().unwrap();
    let weights = graph.constant(Lcg(seed).floats(&sizes));
    let product = graph.mul(value, weights).unwrap();
    graph.apply(Reduce { kind: ReduceKind::Sum, axes: None, keepdims: false }, &[product]).unwrap()
}

/// A scalar made of some outputs of an op, or (order 1) of its gradients.
struct Scalar {
    op: Op,
    specs: Vec<Spec>,
    outputs: Vec<usize>,
    wanted: Vec<usize>,
    order: usize,
}

impl Scalar {
    fn write(&self) -> (Graph, Vec<Value>, Value) {
        let mut graph = Graph::new();
        let inputs: Vec<Value> = self.specs.iter().map(|spec| graph.input(spec.clone())).collect();
        let results = graph.append(self.op.clone(), &inputs).unwrap();
        let sources: Vec<Value> = self.wanted.iter().map(|&i| inputs[i]).collect();
        let mut terms: Vec<Value> = self.outputs.iter().map(|&i| results[i]).collect();
        let mut total = total(&mut graph, &terms);
        for _ in 0..self.order {
            terms = gradients(&mut graph, &[(total, None)], &sources).unwrap().into_iter().flatten().collect();
            total = self::total(&mut graph, &terms);
        }
        (graph, sources, total)
    }

    fn value(&self, inputs: &[Array]) -> f64 {
        let (graph, _, total) = self.write();
        compute(graph, vec![total], inputs)[0].item().unwrap()
    }

    fn gradients(&self, inputs: &[Array]) -> Vec<Array> {
        let (mut graph, sources, total) = self.write();
        let found = gradients(&mut graph, &[(total, None)], &sources).unwrap();
        let outputs = found
            .into_iter()
            .zip(&sources)
            .map(|(gradient, &source)| gradient.unwrap_or_else(|| graph.zeros_like(source).unwrap()))
            .collect();
        compute(graph, outputs, inputs)
    }
}

fn total(graph: &mut Graph, terms: &[Value]) -> Value {
    let mut total = graph.scalar(0.0, DType::Float64).unwrap();
    for (i, &term) in terms.iter().enumerate() {
        let weighed = weigh(graph, term, 91 + i as u64);
        total = graph.add(total, weighed).unwrap();
    }
    total
}

/// First and second derivatives of an op's outputs with respect to the `wanted` inputs, all float64, against central
/// differences.
pub fn check_gradients(op: impl Into<Op>, inputs: &[Array], outputs: &[usize], wanted: &[usize]) {
    let op = op.into();
    let specs: Vec<Spec> = inputs.iter().map(Array::spec).collect();
    for order in 0..2 {
        let scalar =
            Scalar { op: op.clone(), specs: specs.clone(), outputs: outputs.to_vec(), wanted: wanted.to_vec(), order };
        let found = scalar.gradients(inputs);
        let step = 1e-5;
        for (&index, found) in wanted.iter().zip(&found) {
            let mut expected = Vec::new();
            for element in 0..inputs[index].len() {
                let at = |offset: f64| {
                    let mut moved = inputs.to_vec();
                    moved[index].make_mut::<f64>().unwrap()[element] += offset;
                    scalar.value(&moved)
                };
                expected.push((at(step) - at(-step)) / (2.0 * step));
            }
            assert_close(found, &expected, 2e-6, &format!("derivative {} of {op:?} by input {index}", order + 1));
        }
    }
}
