//! Passes that are for training steps: what surrounds a normalisation becomes part of it.
#![allow(clippy::unwrap_used)]

mod common;
mod programs;

use common::Numbers;
use ironhorn_engine::core::{Array, DType, Dim, Shape, Spec};
use ironhorn_engine::ops::gradients::gradients;
use ironhorn_engine::ops::{Graph, Value};
use ironhorn_engine::program::evaluate::evaluate;
use ironhorn_engine::program::passes;
use ironhorn_engine::program::verify::verify;
use ironhorn_engine::program::{Program, show};
use ironhorn_kernels::cpu::elementwise::Scalar;
use programs::{Ints, op};

fn count(program: &Program, name: &str) -> usize {
    program.graph.nodes.iter().filter(|node| node.op.name() == name).count()
}

/// Two normalisations that are added, relu, one that is added to that, relu, and all gradients: sums and relus, and their
/// derivatives, become part of the normalisations, and not a bit changes.
#[test]
fn normalisations_take_in_what_surrounds_them() {
    let mut numbers = Numbers(11);
    let (rows, channels) = (50, 6);
    let mut graph = Graph::new();
    let image = Spec::new(Shape(vec![Dim::fresh(), Dim::Known(channels)]), DType::Float32);
    let x = graph.input(image);
    let vectors: Vec<Value> = (0..9).map(|_| graph.input(Spec::known(&[channels], DType::Float32))).collect();
    let norm = |graph: &mut Graph, x: Value, i: usize| {
        let x = graph.mul(x, vectors[3 * i]).unwrap();
        graph.append(op("batch_norm_train", &[]), &[x, vectors[3 * i + 1], vectors[3 * i + 2]]).unwrap()
    };
    let (first, second) = (norm(&mut graph, x, 0), norm(&mut graph, x, 1));
    let relu = |graph: &mut Graph, x: Value| graph.elementwise(Scalar::Relu, &[x]).unwrap();
    let sum = graph.add(first[0], second[0]).unwrap();
    let middle = relu(&mut graph, sum);
    let through = relu(&mut graph, middle);
    let third = norm(&mut graph, through, 2);
    let sum = graph.add(middle, third[0]).unwrap();
    let last = relu(&mut graph, sum);
    let square = graph.mul(last, last).unwrap();
    let loss = graph.apply(op("reduce", &[("kind", programs::text("sum"))]), &[square]).unwrap();
    let sources: Vec<Value> = std::iter::once(x).chain(vectors.iter().copied()).collect();
    let found = gradients(&mut graph, &[(loss, None)], &sources).unwrap();
    let outputs: Vec<Value> = found.into_iter().flatten().chain([last, first[1], second[2], third[1]]).collect();
    let program = Program::new(graph, outputs, Vec::new());
    let fused = passes::fuse_batch_norm::run(&program).unwrap();
    verify(&fused).unwrap();
    assert_eq!((count(&program, "relu"), count(&fused, "relu")), (3, 1), "{}", show::show(&fused));
    assert_eq!((count(&program, "relu_grad"), count(&fused, "relu_grad")), (3, 1), "{}", show::show(&fused));
    let mut single = |sizes: &[usize]| programs::float32(&mut numbers, sizes);
    for rows in [rows, 1, 0] {
        let inputs: Vec<Array> =
            std::iter::once(single(&[rows, channels])).chain((0..9).map(|_| single(&[channels]))).collect();
        let wanted = evaluate(&program, &inputs).unwrap();
        for (i, (a, b)) in evaluate(&fused, &inputs).unwrap().iter().zip(&wanted).enumerate() {
            assert_eq!(common::doubles(a), common::doubles(b), "output {i}, {rows} rows");
        }
    }
}

/// A maximum over windows of a relu, with a bias before it: the gradients of input and bias by places, and not a bit of the
/// former changes. Windows that overlap, and one without a relu.
#[test]
fn maxima_remember_their_places() {
    let mut numbers = Numbers(12);
    for (window, stride, relu) in [(2, 2, true), (3, 2, true), (2, 2, false)] {
        let mut graph = Graph::new();
        let image = vec![Dim::fresh(), Dim::Known(7), Dim::Known(6), Dim::Known(5)];
        let x = graph.input(Spec::new(Shape(image), DType::Float32));
        let bias = graph.input(Spec::known(&[5], DType::Float32));
        let sum = graph.add(x, bias).unwrap();
        let source = if relu { graph.elementwise(Scalar::Relu, &[sum]).unwrap() } else { sum };
        let (size, strides) = (Ints(vec![window, window]), Ints(vec![stride, stride]));
        let pool = op("pool", &[("kind", programs::text("max")), ("window", size), ("strides", strides)]);
        let y = graph.apply(pool, &[source]).unwrap();
        let square = graph.mul(y, y).unwrap();
        let loss = graph.apply(op("reduce", &[("kind", programs::text("sum"))]), &[square]).unwrap();
        let found = gradients(&mut graph, &[(loss, None)], &[x, bias]).unwrap();
        let outputs: Vec<Value> = [y].into_iter().chain(found.into_iter().flatten()).collect();
        let program = Program::new(graph, outputs, Vec::new());
        let fused = passes::fuse_pool::run(&program).unwrap();
        verify(&fused).unwrap();
        for gone in ["pool", "max_pool_grad", "relu_grad"] {
            assert_eq!(count(&fused, gone), 0, "{}", show::show(&fused));
        }
        assert_eq!(count(&fused, "max_pool_places"), 1);
        for rows in [4, 1, 0] {
            let inputs = [programs::float32(&mut numbers, &[rows, 7, 6, 5]), programs::float32(&mut numbers, &[5])];
            let (wanted, found) = (evaluate(&program, &inputs).unwrap(), evaluate(&fused, &inputs).unwrap());
            for i in 0..2 {
                assert_eq!(common::doubles(&found[i]), common::doubles(&wanted[i]), "output {i}, {rows} rows");
            }
            common::assert_close(&common::doubles(&found[2]), &common::doubles(&wanted[2]), 1e-5, "bias");
        }
    }
}

/// Convolutions of every kind with a normalisation behind each: its moments are the convolution's, and equal those that a
/// pass of their own makes, whether chunks make whole rows or not.
#[test]
fn convolutions_give_moments() {
    let mut numbers = Numbers(13);
    // Input channels, filters, window, stride, groups: pointwise, Winograd, direct, strips, depthwise, many filters.
    let cases = [
        (8, 24, 1, 1, 1),
        (16, 16, 3, 1, 1),
        (16, 20, 3, 2, 1),
        (3, 16, 3, 1, 1),
        (6, 12, 3, 1, 6),
        (32, 300, 3, 2, 1),
    ];
    for (channels, filters, window, stride, groups) in cases {
        let mut graph = Graph::new();
        let image = vec![Dim::fresh(), Dim::Known(9), Dim::Known(10), Dim::Known(channels)];
        let x = graph.input(Spec::new(Shape(image), DType::Float32));
        let w = graph.input(Spec::known(&[window, window, channels / groups, filters], DType::Float32));
        let vectors = [(); 2].map(|()| graph.input(Spec::known(&[filters], DType::Float32)));
        let attributes = [
            ("strides", Ints(vec![stride as i64; 2])),
            ("groups", programs::Int(groups as i64)),
            ("padding", programs::text("same")),
        ];
        let y = graph.apply(op("conv", &attributes), &[x, w]).unwrap();
        let normal = graph.append(op("batch_norm_train", &[]), &[y, vectors[0], vectors[1]]).unwrap();
        let square = graph.mul(normal[0], normal[0]).unwrap();
        // The sum of squares is always the same.
        let cube = graph.mul(square, normal[0]).unwrap();
        let loss = graph.apply(op("reduce", &[("kind", programs::text("sum"))]), &[cube]).unwrap();
        let found = gradients(&mut graph, &[(loss, None)], &[w, vectors[0]]).unwrap();
        let outputs: Vec<Value> = normal.into_iter().chain(found.into_iter().flatten()).collect();
        let program = Program::new(graph, outputs, Vec::new());
        let fused = passes::fuse_moments::run(&program).unwrap();
        verify(&fused).unwrap();
        let names = ["conv", "batch_norm_train", "conv_moments", "batch_norm_apply"];
        assert_eq!(names.map(|name| count(&fused, name)), [0, 0, 1, 1], "{}", show::show(&fused));
        for rows in [17, 1, 0] {
            let mut single = |sizes: &[usize]| programs::float32(&mut numbers, sizes);
            let inputs = [
                single(&[rows, 9, 10, channels]),
                single(&[window, window, channels / groups, filters]),
                single(&[filters]),
                single(&[filters]),
            ];
            let (wanted, found) = (evaluate(&program, &inputs).unwrap(), evaluate(&fused, &inputs).unwrap());
            for (i, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                let what = format!("output {i}, {rows} rows of {channels} to {filters}, {window} taps");
                let (found, wanted) = (common::doubles(found), common::doubles(wanted));
                let scale = wanted.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
                for (found, wanted) in found.iter().zip(&wanted) {
                    assert!((found - wanted).abs() <= 1e-5 * scale, "{what}: {found}, not {wanted}");
                }
            }
        }
    }
}
