//! Passes keep the meaning of programs, and do what they are for.
#![allow(clippy::unwrap_used)]

mod common;
mod programs;

use common::Numbers;
use ironhorn_engine::core::{Array, DType, Dim, Shape, Spec};
use ironhorn_engine::ops::gradients::gradients;
use ironhorn_engine::ops::graph::DimRule;
use ironhorn_engine::ops::linalg::epilogue::{Epilogue, activate};
use ironhorn_engine::ops::math::cast::Cast;
use ironhorn_engine::ops::shape::iota::Iota;
use ironhorn_engine::ops::shape::slice::slice_like;
use ironhorn_engine::ops::{Graph, Op, Value};
use ironhorn_engine::program::evaluate::{evaluate, evaluate_op};
use ironhorn_engine::program::passes::{self, PASSES};
use ironhorn_engine::program::verify::verify;
use ironhorn_engine::program::{Program, show};
use ironhorn_kernels::cpu::elementwise::Scalar;
use ironhorn_kernels::cpu::gemm::Activation;
use ironhorn_kernels::cpu::gemm::bfloat::has_dot;
use ironhorn_kernels::cpu::simd::Isa;
use programs::{Ints, Sample, assert_same, interpret, op, random};

/// Casts to float32 may be rounded before or after a neighbour; beside them everything is float64.
const TOLERANCE: f64 = 1e-6;

#[test]
fn random_programs_mean_the_same_after_every_pass() {
    for seed in 0..150 {
        let Sample { program, inputs, .. } = random(seed, false);
        verify(&program).unwrap();
        let wanted = interpret(&program, &inputs, &[]).unwrap().outputs;
        let compare = |found: &Program, what: &str| {
            verify(found).unwrap_or_else(|error| panic!("seed {seed}, {what}: {error}\n{}", show::show(found)));
            for (i, (a, b)) in evaluate(found, &inputs).unwrap().iter().zip(&wanted).enumerate() {
                let text = format!("seed {seed}, {what}, output {i}\n{}", show::show(found));
                assert_same(a, b, TOLERANCE, &text);
            }
        };
        compare(&program, "no pass");
        for (name, pass) in PASSES {
            compare(&pass(&program).unwrap(), name);
        }
        let all = passes::run(program).unwrap();
        compare(&all, "all passes");
        compare(&passes::run(all).unwrap(), "all passes twice");
    }
}

#[test]
fn products_read_transposed_matrices_where_they_are() {
    let mut graph = Graph::new();
    let spec = |sizes: &[usize]| Spec::known(sizes, DType::Float64);
    let (a, b) = (graph.input(spec(&[2, 4, 3])), graph.input(spec(&[2, 5, 4])));
    let (at, bt) = (graph.transpose(a, &[0, 2, 1]).unwrap(), graph.transpose(b, &[0, 2, 1]).unwrap());
    let plain = graph.apply(op("matmul", &[]), &[at, bt]).unwrap();
    let program = Program::new(graph, vec![plain], Vec::new());
    let found = passes::run(program.clone()).unwrap();
    let [node] = found.graph.nodes.as_slice() else { panic!("{}", show::show(&found)) };
    assert!(matches!(&node.op, Op::MatMul(op) if op.transpose_a && op.transpose_b));
    let mut numbers = Numbers(3);
    let inputs = [numbers.float64(&[2, 4, 3]), numbers.float64(&[2, 5, 4])];
    let wanted = evaluate(&program, &inputs).unwrap();
    assert_same(&evaluate(&found, &inputs).unwrap()[0], &wanted[0], TOLERANCE, "products");
}

#[test]
fn passes_keep_meaning_when_rows_are_a_symbol() {
    for seed in 0..80 {
        let Sample { program, .. } = random(seed, true);
        let all = passes::run(program.clone()).unwrap();
        let columns = program.graph.shape(program.graph.inputs[0]).0[1].known().unwrap();
        for rows in [1, 2, 5] {
            let mut numbers = Numbers(seed + 1);
            let inputs = [numbers.float64(&[rows, columns]), numbers.float64(&[rows, columns])];
            let wanted = evaluate(&program, &inputs).unwrap();
            for (a, b) in evaluate(&all, &inputs).unwrap().iter().zip(&wanted) {
                assert_same(a, b, TOLERANCE, &format!("seed {seed}, {rows} rows\n{}", show::show(&all)));
            }
        }
    }
}

#[test]
fn training_steps_mean_the_same() {
    for sample in [
        programs::perceptron(7, 9, false),
        programs::perceptron(7, 9, true),
        programs::image_network(3),
        programs::text_network(3, 5),
    ] {
        let wanted = interpret(&sample.program, &sample.inputs, &sample.variables).unwrap();
        let program = passes::run(sample.program).unwrap();
        let found = interpret(&program, &sample.inputs, &sample.variables).unwrap();
        assert_eq!(found.written.len(), sample.variables.len());
        for (a, b) in found.outputs.iter().zip(&wanted.outputs) {
            assert_same(a, b, 1e-5, "output");
        }
        for ((slot, a), (other, b)) in found.written.iter().zip(&wanted.written) {
            assert_eq!(slot, other);
            assert_same(a, b, 1e-5, "variable");
        }
    }
}

fn matrix(graph: &mut Graph) -> Value {
    graph.input(Spec::known(&[4, 3], DType::Float32))
}

fn optimised(graph: Graph, outputs: Vec<Value>) -> Program {
    passes::run(Program::new(graph, outputs, Vec::new())).unwrap()
}

fn names(program: &Program) -> Vec<&'static str> {
    program.graph.nodes.iter().map(|node| node.op.name()).collect()
}

#[test]
fn a_bias_and_a_relu_move_into_the_product() {
    let mut graph = Graph::new();
    let x = matrix(&mut graph);
    let weight = graph.input(Spec::known(&[3, 5], DType::Float32));
    let bias = graph.input(Spec::known(&[5], DType::Float32));
    let product = graph.apply(op("matmul", &[]), &[x, weight]).unwrap();
    let sum = graph.add(bias, product).unwrap();
    let y = graph.elementwise(Scalar::Relu, &[sum]).unwrap();
    let program = optimised(graph.clone(), vec![y]);
    assert_eq!(names(&program), ["matmul"]);
    assert!(matches!(&program.graph.nodes[0].op, Op::MatMul(op) if op.epilogue == Epilogue {
        bias: true,
        residual: false,
        activation: Activation::Relu,
    }));
    // Somebody else reads the product.
    let program = optimised(graph, vec![y, product]);
    assert_eq!(names(&program), ["matmul", "fused_elementwise"]);
}

/// `activation(x weight + bias + y)`, with the sum read by nobody else or by one more reader.
fn followed(activation: Activation, dtype: DType, read_twice: bool) -> Program {
    let mut graph = Graph::new();
    let spec = |sizes: &[usize]| Spec::known(sizes, dtype);
    let (x, weight) = (graph.input(spec(&[4, 3])), graph.input(spec(&[3, 5])));
    let (bias, y) = (graph.input(spec(&[5])), graph.input(spec(&[4, 5])));
    let product = graph.apply(op("matmul", &[]), &[x, weight]).unwrap();
    let sum = graph.add(product, bias).unwrap();
    let sum = graph.add(y, sum).unwrap();
    let out = activate(&mut graph, activation, sum).unwrap();
    Program::new(graph, if read_twice { vec![out, sum] } else { vec![out] }, Vec::new())
}

#[test]
fn residuals_and_activations_move_into_the_product() {
    let mut numbers = Numbers(9);
    let inputs: Vec<Array> = [&[4, 3][..], &[3, 5], &[5], &[4, 5]].iter().map(|sizes| numbers.float64(sizes)).collect();
    for activation in Activation::ALL {
        let program = followed(activation, DType::Float64, false);
        let found = passes::run(program.clone()).unwrap();
        assert_eq!(names(&found), ["matmul"], "{activation:?}");
        let wanted = Epilogue { bias: true, residual: true, activation };
        assert!(matches!(&found.graph.nodes[0].op, Op::MatMul(op) if op.epilogue == wanted));
        let all = evaluate(&program, &inputs).unwrap();
        assert_same(&evaluate(&found, &inputs).unwrap()[0], &all[0], TOLERANCE, &format!("{activation:?}"));
        assert_eq!(names(&passes::run(followed(activation, DType::Float32, false)).unwrap()), ["matmul"]);
        // Somebody else reads what the activation is applied to.
        if activation != Activation::Linear {
            let found = passes::run(followed(activation, DType::Float64, true)).unwrap();
            assert_eq!(found.graph.nodes[0].op.name(), "matmul");
            assert_eq!(found.graph.nodes.len(), 2, "{activation:?}");
            let both = evaluate(&found, &inputs).unwrap();
            assert_same(&both[0], &all[0], TOLERANCE, &format!("{activation:?}"));
        }
    }
}

/// A clip at 0 and 6 is a relu6, wherever the bounds stand; a clip at other numbers is not.
#[test]
fn clips_move_into_the_product() {
    for (upper, nodes) in [(6.0, 1), (5.0, 2)] {
        let mut graph = Graph::new();
        let x = matrix(&mut graph);
        let weight = graph.input(Spec::known(&[3, 5], DType::Float32));
        let product = graph.apply(op("matmul", &[]), &[x, weight]).unwrap();
        let (zero, upper) = (graph.scalar(0.0, DType::Float32).unwrap(), graph.scalar(upper, DType::Float32).unwrap());
        let positive = graph.elementwise(Scalar::Maximum, &[zero, product]).unwrap();
        let y = graph.elementwise(Scalar::Minimum, &[upper, positive]).unwrap();
        let program = optimised(graph, vec![y]);
        assert_eq!(program.graph.nodes.len(), nodes, "{}", show::show(&program));
    }
}

/// `a + a w`: the sum may not be written over what other rows of the product still read.
#[test]
fn a_residual_that_the_product_reads_keeps_its_memory() {
    let mut graph = Graph::new();
    let spec = |sizes: &[usize]| Spec::known(sizes, DType::Float64);
    let (input, weight) = (graph.input(spec(&[200, 64])), graph.input(spec(&[64, 64])));
    let a = graph.elementwise(Scalar::Sin, &[input]).unwrap();
    let product = graph.apply(op("matmul", &[]), &[a, weight]).unwrap();
    let y = graph.add(a, product).unwrap();
    let program = Program::new(graph, vec![y], Vec::new());
    let found = passes::run(program.clone()).unwrap();
    assert_eq!(names(&found), ["sin", "matmul"]);
    let mut numbers = Numbers(4);
    let inputs = [numbers.float64(&[200, 64]), numbers.float64(&[64, 64])];
    let wanted = evaluate(&program, &inputs).unwrap();
    assert_same(&evaluate(&found, &inputs).unwrap()[0], &wanted[0], TOLERANCE, "residual");
}

/// relu6, sigmoid and tanh are in the store while training too, because their derivatives read the output.
#[test]
fn derivatives_that_read_the_output_let_activations_move() {
    for rule in [Scalar::Relu, Scalar::Relu6, Scalar::Sigmoid, Scalar::Tanh] {
        let mut graph = Graph::new();
        let x = matrix(&mut graph);
        let weight = graph.input(Spec::known(&[3, 5], DType::Float32));
        let product = graph.apply(op("matmul", &[]), &[x, weight]).unwrap();
        let y = graph.elementwise(rule, &[product]).unwrap();
        let total = graph.apply(op("reduce", &[("kind", programs::text("sum"))]), &[y]).unwrap();
        let gradient = gradients(&mut graph, &[(total, None)], &[weight]).unwrap()[0].unwrap();
        let program = optimised(graph, vec![total, gradient]);
        assert!(!names(&program).contains(&rule.name()), "{}", show::show(&program));
    }
}

#[test]
fn a_chain_becomes_one_kernel() {
    let mut graph = Graph::new();
    let (x, y) = (matrix(&mut graph), matrix(&mut graph));
    let row = graph.input(Spec::known(&[3], DType::Float32));
    let sum = graph.add(x, row).unwrap();
    let product = graph.mul(sum, y).unwrap();
    let wide = graph.cast(product, DType::Float64).unwrap();
    let tanh = graph.elementwise(Scalar::Tanh, &[wide]).unwrap();
    let program = optimised(graph, vec![tanh]);
    assert_eq!(names(&program), ["fused_elementwise"]);
    assert_eq!(program.graph.nodes[0].inputs.len(), 3);
}

#[test]
fn long_chains_are_cut() {
    let mut graph = Graph::new();
    let x = matrix(&mut graph);
    let mut y = x;
    for _ in 0..100 {
        y = graph.elementwise(Scalar::Sin, &[y]).unwrap();
    }
    let program = optimised(graph, vec![y]);
    assert!(names(&program).iter().all(|&name| name == "fused_elementwise"));
    assert!((4..=6).contains(&program.graph.nodes.len()));
}

#[test]
fn what_is_known_is_not_computed() {
    let mut graph = Graph::new();
    let x = matrix(&mut graph);
    let turned = graph.transpose(x, &[1, 0]).unwrap();
    let back = graph.transpose(turned, &[1, 0]).unwrap();
    let same = graph.scale(back, 1.0).unwrap();
    let negative = graph.neg(same).unwrap();
    let positive = graph.neg(negative).unwrap();
    let unused = graph.elementwise(Scalar::Exp, &[x]).unwrap();
    assert_ne!(unused, positive);
    let program = optimised(graph, vec![positive]);
    assert!(program.graph.nodes.is_empty(), "{}", show::show(&program));
    assert_eq!(program.outputs, program.graph.inputs);
}

#[test]
fn constants_are_folded_and_repeated_nodes_shared() {
    let mut graph = Graph::new();
    let x = matrix(&mut graph);
    let two = graph.constant(Array::from_slice(&[3], &[1.0f32, 2.0, 3.0]).unwrap());
    let four = graph.elementwise(Scalar::Square, &[two]).unwrap();
    let reduced = op("reduce", &[("kind", programs::text("sum")), ("axis", Ints(vec![0]))]);
    let (a, b) = (graph.apply(reduced.clone(), &[x]).unwrap(), graph.apply(reduced, &[x]).unwrap());
    let scaled = graph.mul(a, four).unwrap();
    let y = graph.add(scaled, b).unwrap();
    let program = optimised(graph, vec![y]);
    assert_eq!(names(&program), ["reduce", "fused_elementwise"]);
}

#[test]
fn passes_leave_the_signature_alone() {
    // An input that nobody reads, an output that is an input, an output that stands twice.
    let mut graph = Graph::new();
    let (x, _unused) = (matrix(&mut graph), matrix(&mut graph));
    let variable = graph.variable(Spec::known(&[3], DType::Float32));
    let y = graph.elementwise(Scalar::Exp, &[x]).unwrap();
    let twice = graph.scale(variable, 2.0).unwrap();
    let program = passes::run(Program::new(graph, vec![y, x, y, variable], vec![(0, twice)])).unwrap();
    assert_eq!((program.graph.inputs.len(), program.graph.variables.len()), (2, 1));
    assert_eq!(program.outputs.len(), 4);
    assert_eq!(program.outputs[0], program.outputs[2]);
    assert_eq!(program.outputs[1], program.graph.inputs[0]);
    assert_eq!(program.outputs[3], program.graph.variables[0]);
    assert_eq!(program.writes.len(), 1);
}

#[test]
fn lengths_of_values_that_nobody_reads_are_known() {
    // Indices along two slices of a vector of unknown length; the slices themselves are not read, and are one.
    let mut graph = Graph::new();
    let x = graph.input(Spec::new(Shape(vec![Dim::fresh()]), DType::Float64));
    let mut outputs = Vec::new();
    for _ in 0..2 {
        let slice = slice_like(&mut graph, x, 0, Dim::Known(1), Dim::Known(3)).unwrap();
        let length = graph.shape(slice).0[0];
        let twice = graph.derive_dim(DimRule::Multiply, length, Dim::Known(2)).unwrap();
        outputs.push(graph.apply(Iota { shape: vec![twice], axis: 0, dtype: DType::Int32 }, &[]).unwrap());
    }
    let program = passes::run(Program::new(graph, outputs, Vec::new())).unwrap();
    assert_eq!(program.graph.nodes.len(), 3, "{}", show::show(&program));
    for (rows, wanted) in [(5, 4), (2, 2), (1, 0)] {
        for made in evaluate(&program, &[Array::zeros(&[rows], DType::Float64).unwrap()]).unwrap() {
            assert_eq!(made.sizes(), [wanted]);
        }
    }
}

/// `square(tanh(a b)) + x` in bfloat16: one product and one chain, which stores 16 bits and rounds once.
#[test]
fn sixteen_bit_floats_compute_in_float32_between_products_and_chains() {
    let mut graph = Graph::new();
    let spec = |sizes: &[usize]| Spec::known(sizes, DType::Bfloat16);
    let (a, b, x) = (graph.input(spec(&[4, 3])), graph.input(spec(&[3, 5])), graph.input(spec(&[5])));
    let product = graph.apply(op("matmul", &[]), &[a, b]).unwrap();
    let y = graph.elementwise(Scalar::Tanh, &[product]).unwrap();
    let y = graph.elementwise(Scalar::Square, &[y]).unwrap();
    let y = graph.add(y, x).unwrap();
    assert_eq!(graph.dtype(y), DType::Bfloat16);
    let program = Program::new(graph, vec![y], Vec::new());
    let found = passes::run(program.clone()).unwrap();
    verify(&found).unwrap();
    let casts = if has_dot(Isa::active()) { 0 } else { 2 };
    assert_eq!(names(&found), [&["cast"; 2][..casts], &["matmul", "fused_elementwise"]].concat());
    assert_eq!(found.graph.dtype(found.outputs[0]), DType::Bfloat16);
    let mut numbers = Numbers(5);
    let mut input = |sizes: &[usize]| {
        let cast = Op::Cast(Cast { dtype: DType::Bfloat16 });
        evaluate_op(&cast, &[numbers.float64(sizes)]).unwrap().remove(0)
    };
    let inputs = [input(&[4, 3]), input(&[3, 5]), input(&[5])];
    let wide = |array: &Array| {
        evaluate_op(&Op::Cast(Cast { dtype: DType::Float64 }), std::slice::from_ref(array)).unwrap().remove(0)
    };
    let (one_by_one, at_once) = (evaluate(&program, &inputs).unwrap(), evaluate(&found, &inputs).unwrap());
    // Three more roundings, of a part in 256 each, to numbers of up to 3.
    assert_same(&wide(&at_once[0]), &wide(&one_by_one[0]), 0.03, "bfloat16");
}

/// A convolution of one pixel and the depthwise one behind it are one node where nobody else reads what is between, whether
/// the kernel takes them (images) or they are decomposed again (two outputs a channel are left alone).
#[test]
fn depthwise_convolutions_take_in_the_product_before_them() {
    let mut numbers = Numbers(17);
    let count = |program: &Program, name| program.graph.nodes.iter().filter(|node| node.op.name() == name).count();
    for (height, width, stride, filters, also_read, fuses) in [
        (9, 10, 1, 12, false, true),
        (9, 10, 2, 12, false, true),
        (1, 1, 1, 12, false, true),
        (9, 10, 1, 24, false, false),
        (9, 10, 1, 12, true, false),
    ] {
        let mut graph = Graph::new();
        let image = vec![Dim::fresh(), Dim::Known(height), Dim::Known(width), Dim::Known(5)];
        let x = graph.input(Spec::new(Shape(image), DType::Float32));
        let sizes = [vec![1, 1, 5, 12], vec![12], vec![3, 3, 1, filters], vec![filters]];
        let weights: Vec<Value> = sizes.iter().map(|sizes| graph.input(Spec::known(sizes, DType::Float32))).collect();
        let pointwise = op("conv", &[("strides", Ints(vec![1, 1]))]);
        let attributes = [
            ("strides", Ints(vec![stride, stride])),
            ("groups", programs::Int(12)),
            ("padding", programs::text("same")),
        ];
        let between = graph.apply(pointwise, &[x, weights[0]]).unwrap();
        let between = graph.add(between, weights[1]).unwrap();
        let between = activate(&mut graph, Activation::Relu6, between).unwrap();
        let y = graph.apply(op("conv", &attributes), &[between, weights[2]]).unwrap();
        let y = graph.add(y, weights[3]).unwrap();
        let y = activate(&mut graph, Activation::Silu, y).unwrap();
        let outputs = if also_read { vec![y, between] } else { vec![y] };
        let program = Program::new(graph, outputs, Vec::new());
        let fused = passes::run(program.clone()).unwrap();
        verify(&fused).unwrap();
        assert_eq!(count(&fused, "pointwise_depthwise"), usize::from(fuses), "{}", show::show(&fused));
        for rows in [3, 1, 0] {
            let mut inputs = vec![programs::float32(&mut numbers, &[rows, height, width, 5])];
            inputs.extend(sizes.iter().map(|sizes| programs::float32(&mut numbers, sizes)));
            let wanted = interpret(&program, &inputs, &[]).unwrap().outputs;
            for (found, wanted) in evaluate(&fused, &inputs).unwrap().iter().zip(&wanted) {
                assert_same(found, wanted, 1e-5, &format!("{rows} rows of {height} x {width}, strides {stride}"));
            }
        }
    }
}
