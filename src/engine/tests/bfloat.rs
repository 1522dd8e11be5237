//! Products of bfloat16: what programs make of them, with the machine's own product of such numbers and without.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Numbers, assert_close, doubles};
use ironhorn_engine::core::{Array, DType, Spec};
use ironhorn_engine::ops::gradients::gradients;
use ironhorn_engine::ops::linalg::epilogue::Epilogue;
use ironhorn_engine::ops::linalg::matmul::MatMul;
use ironhorn_engine::ops::math::cast::Cast;
use ironhorn_engine::ops::nn::conv::{Conv, Padding};
use ironhorn_engine::ops::{Graph, Op, Value};
use ironhorn_engine::program::evaluate::{evaluate, evaluate_op};
use ironhorn_engine::program::passes;
use ironhorn_engine::program::verify::verify;
use ironhorn_engine::program::{Program, show};
use ironhorn_kernels::cpu::elementwise::Scalar;
use ironhorn_kernels::cpu::gemm::Activation;
use ironhorn_kernels::cpu::gemm::bfloat::has_dot;
use ironhorn_kernels::cpu::simd::Isa;

const HALF: DType = DType::Bfloat16;

fn cast(array: &Array, dtype: DType) -> Array {
    evaluate_op(&Op::Cast(Cast { dtype }), std::slice::from_ref(array)).unwrap().remove(0)
}

/// Numbers that bfloat16 has.
fn numbers(random: &mut Numbers, sizes: &[usize]) -> Array {
    cast(&random.float64(sizes), HALF)
}

/// The operands as a program's inputs, in bfloat16.
fn inputs(graph: &mut Graph, arrays: &[Array]) -> Vec<Value> {
    arrays.iter().map(|array| graph.input(Spec::known(array.sizes(), HALF))).collect()
}

/// Two dense layers, the first with a relu.
fn dense(graph: &mut Graph, v: &[Value]) -> Value {
    let product = graph.apply(MatMul::default(), &[v[0], v[1]]).unwrap();
    let sum = graph.add(product, v[2]).unwrap();
    let hidden = graph.elementwise(Scalar::Relu, &[sum]).unwrap();
    let product = graph.apply(MatMul::default(), &[hidden, v[3]]).unwrap();
    graph.add(product, v[4]).unwrap()
}

#[test]
fn layers_hand_bfloat16_to_each_other() {
    let mut random = Numbers(1);
    for [rows, units, hidden, made] in [[33, 21, 40, 17], [1, 8, 64, 3], [0, 5, 6, 7], [4, 0, 6, 7]] {
        let sizes: [&[usize]; 5] = [&[rows, units], &[units, hidden], &[hidden], &[hidden, made], &[made]];
        let arrays = sizes.map(|sizes| numbers(&mut random, sizes));
        let mut graph = Graph::new();
        let values = inputs(&mut graph, &arrays);
        let y = dense(&mut graph, &values);
        let program = Program::new(graph, vec![y], Vec::new());
        let found = passes::run(program).unwrap();
        verify(&found).unwrap();
        let products = found.graph.nodes.iter().filter_map(|node| match &node.op {
            Op::MatMul(op) => Some((op.clone(), found.graph.dtype(node.inputs[0]), found.graph.dtype(node.outputs[0]))),
            _ => None,
        });
        let products: Vec<_> = products.collect();
        assert_eq!(products.len(), 2, "{}", show::show(&found));
        assert!(products[0].0.epilogue.bias && products[0].0.epilogue.activation == Activation::Relu);
        if has_dot(Isa::active()) {
            assert!(products.iter().all(|(_, from, to)| [*from, *to] == [HALF; 2]), "{}", show::show(&found));
        }
        // The same in float64, rounded where bfloat16 is stored.
        let wide = arrays.each_ref().map(|array| doubles(&cast(array, DType::Float64)));
        let layer = |x: &[f64], w: &[f64], b: &[f64], k: usize, n: usize| -> Vec<f64> {
            let at = |i: usize, j: usize| (0..k).map(|p| x[i * k + p] * w[p * n + j]).sum::<f64>() + b[j];
            (0..rows).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| at(i, j)).collect()
        };
        let between = layer(&wide[0], &wide[1], &wide[2], units, hidden);
        let between: Vec<f64> = between.into_iter().map(|x| x.max(0.0)).collect();
        let wanted = layer(&between, &wide[3], &wide[4], hidden, made);
        let y = evaluate(&found, &arrays).unwrap().remove(0);
        assert_eq!(y.dtype(), HALF);
        assert_close(&doubles(&cast(&y, DType::Float64)), &wanted, 0.02, "two layers");
    }
}

#[test]
fn gradients_are_products_of_bfloat16() {
    let mut random = Numbers(2);
    let arrays = [numbers(&mut random, &[50, 33]), numbers(&mut random, &[33, 18]), numbers(&mut random, &[50, 18])];
    let mut graph = Graph::new();
    let values = inputs(&mut graph, &arrays);
    let y = graph.apply(MatMul::default(), &values[..2]).unwrap();
    let found = gradients(&mut graph, &[(y, Some(values[2]))], &values[..2]).unwrap();
    let outputs: Vec<Value> = found.into_iter().flatten().collect();
    // A weight's gradient goes on in float32: nobody reads it rounded.
    let wide = graph.cast(outputs[1], DType::Float32).unwrap();
    let program = passes::run(Program::new(graph, vec![outputs[0], wide], Vec::new())).unwrap();
    verify(&program).unwrap();
    if has_dot(Isa::active()) {
        assert_eq!(program.graph.nodes.len(), 2, "{}", show::show(&program));
    }
    let got = evaluate(&program, &arrays).unwrap();
    assert_eq!([got[0].dtype(), got[1].dtype()], [HALF, DType::Float32]);
    let [x, w, g] = arrays.each_ref().map(|array| doubles(&cast(array, DType::Float64)));
    let sum = |count: usize, term: &dyn Fn(usize) -> f64| (0..count).map(term).sum::<f64>();
    let dx: Vec<f64> = (0..50 * 33).map(|i| sum(18, &|j| g[i / 33 * 18 + j] * w[i % 33 * 18 + j])).collect();
    let dw: Vec<f64> = (0..33 * 18).map(|i| sum(50, &|r| x[r * 33 + i / 18] * g[r * 18 + i % 18])).collect();
    assert_close(&doubles(&cast(&got[0], DType::Float64)), &dx, 2.0_f64.powi(-8), "dx");
    assert_close(&doubles(&cast(&got[1], DType::Float64)), &dw, 1e-6, "dw");
}

/// Kernels of one pixel are products of pixels, with their gradients; others are computed in float32.
#[test]
fn pointwise_convolutions_are_products() {
    let mut random = Numbers(4);
    for (window, stride, batch, groups) in [(1, 1, 2, 1), (1, 1, 0, 1), (1, 2, 2, 1), (1, 1, 2, 3), (2, 1, 2, 1)] {
        let conv = Conv {
            strides: vec![stride; 2],
            padding: Padding::Valid,
            dilation: vec![1; 2],
            groups,
            epilogue: Epilogue::default(),
        };
        let out = [5_usize, 7].map(|size| (size - window) / stride + 1);
        let sizes: [&[usize]; 3] = [&[batch, 5, 7, 9], &[window, window, 9 / groups, 6], &[batch, out[0], out[1], 6]];
        let arrays = sizes.map(|sizes| numbers(&mut random, sizes));
        let results = |dtype: DType| {
            let mut graph = Graph::new();
            let values: Vec<Value> =
                arrays.iter().map(|array| graph.input(Spec::known(array.sizes(), dtype))).collect();
            let y = graph.apply(conv.clone(), &values[..2]).unwrap();
            let found = gradients(&mut graph, &[(y, Some(values[2]))], &values[..2]).unwrap();
            let outputs = std::iter::once(y).chain(found.into_iter().flatten()).collect();
            let program = passes::run(Program::new(graph, outputs, Vec::new())).unwrap();
            verify(&program).unwrap();
            let inputs = arrays.each_ref().map(|array| cast(array, dtype));
            (evaluate(&program, &inputs).unwrap(), program)
        };
        let ((found, program), (wanted, _)) = (results(HALF), results(DType::Float64));
        let products = program.graph.nodes.iter().filter(|node| matches!(node.op, Op::MatMul(_))).count();
        let pointwise = window * stride * groups == 1 && has_dot(Isa::active());
        assert_eq!(products, if pointwise { 3 } else { 0 }, "{}", show::show(&program));
        for (found, wanted) in found.iter().zip(&wanted) {
            assert_eq!((found.dtype(), found.sizes()), (HALF, wanted.sizes()));
            let found = doubles(&cast(found, DType::Float64));
            assert_close(&found, &doubles(wanted), 2.0_f64.powi(-8), "a convolution");
        }
    }
}

/// Batches that share an operand or do not, broadcasting both ways, sums that have no kernel of bfloat16: eager and in programs.
#[test]
fn batches_and_long_sums() {
    let mut random = Numbers(3);
    for (a, b) in [
        (&[3, 5, 7][..], &[3, 7, 4][..]),
        (&[3, 5, 7], &[7, 4]),
        (&[5, 7], &[3, 7, 4]),
        (&[2, 1, 5, 7], &[3, 7, 4]),
        (&[2, 0, 7], &[2, 7, 4]),
        (&[2, 5, 0], &[0, 4]),
        (&[6, 9000], &[9000, 5]),
    ] {
        let arrays = [numbers(&mut random, a), numbers(&mut random, b)];
        let wide = arrays.each_ref().map(|array| cast(array, DType::Float64));
        let op = Op::MatMul(MatMul::default());
        let wanted = doubles(&evaluate_op(&op, &wide).unwrap()[0]);
        let mut graph = Graph::new();
        let values = inputs(&mut graph, &arrays);
        let y = graph.apply(MatMul::default(), &values).unwrap();
        let program = passes::run(Program::new(graph, vec![y], Vec::new())).unwrap();
        for y in [evaluate_op(&op, &arrays).unwrap().remove(0), evaluate(&program, &arrays).unwrap().remove(0)] {
            assert_eq!(y.dtype(), HALF);
            assert_close(&doubles(&cast(&y, DType::Float64)), &wanted, 2.0_f64.powi(-8), &format!("{a:?} {b:?}"));
        }
    }
}
