//! What depends on unwritten variables alone is made once, is always that of the variables' present values, is shared among
//! plans, and does not pile up.
#![allow(clippy::unwrap_used)]

mod common;
mod programs;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Numbers, doubles};
use ironhorn_engine::core::{Array, DType, Dim, Shape, Spec};
use ironhorn_engine::ops::gradients::gradients;
use ironhorn_engine::ops::graph::Producer;
use ironhorn_engine::ops::reduce::ReduceKind;
use ironhorn_engine::ops::shape::iota::Iota;
use ironhorn_engine::ops::{Graph, Op, Value};
use ironhorn_engine::program::{Plan, Program, passes, show};
use ironhorn_engine::runtime::cancel::Interrupt;
use ironhorn_engine::runtime::compiled::Compiled;
use ironhorn_engine::runtime::variable::Variable;
use ironhorn_kernels::cpu::elementwise::Scalar;
use programs::{Int, Ints, assert_same, interpret, op, random, text};

fn run(compiled: &Compiled, inputs: &[Array]) -> Vec<Array> {
    let mut never = || false;
    compiled.run(inputs, &mut Interrupt::new(&mut never)).unwrap()
}

fn sizes(inputs: &[Array]) -> Vec<Vec<usize>> {
    inputs.iter().map(|input| input.sizes().to_vec()).collect()
}

/// Numbers between -1 and 1 of a type.
fn numbers(numbers: &mut Numbers, sizes: &[usize], dtype: DType) -> Array {
    let values = numbers.float64(sizes);
    match dtype {
        DType::Float64 => values,
        _ => Array::from_slice(sizes, &doubles(&values).iter().map(|&value| value as f32).collect::<Vec<_>>()).unwrap(),
    }
}

/// A product, its inputs' sizes, and how many numbers stand along its last axis.
struct Product {
    op: Op,
    x: Vec<usize>,
    w: Vec<usize>,
    units: usize,
}

fn products() -> Vec<Product> {
    let conv = |groups: i64, padding: &str| {
        op("conv", &[("padding", text(padding)), ("strides", Ints(vec![1, 1])), ("groups", Int(groups))])
    };
    let transpose = |transpose_b: bool| op("matmul", &[("transpose_b", programs::Bool(transpose_b))]);
    let back = op(
        "conv_transpose",
        &[("pad_low", Ints(vec![0, 0])), ("pad_high", Ints(vec![0, 0])), ("strides", Ints(vec![2, 2]))],
    );
    let product = |op, x: &[usize], w: &[usize], units| Product { op, x: x.to_vec(), w: w.to_vec(), units };
    vec![
        product(conv(1, "same"), &[2, 7, 6, 3], &[3, 3, 3, 20], 20),
        product(conv(1, "valid"), &[1, 6, 6, 32], &[3, 3, 32, 16], 16),
        product(conv(1, "same"), &[2, 5, 5, 8], &[1, 1, 8, 24], 24),
        product(conv(2, "same"), &[2, 5, 5, 8], &[3, 3, 4, 12], 12),
        product(conv(6, "same"), &[2, 5, 5, 6], &[3, 3, 1, 12], 12),
        product(transpose(false), &[9, 11], &[11, 33], 33),
        product(transpose(true), &[2, 9, 11], &[33, 11], 33),
        product(back, &[2, 4, 3, 5], &[3, 3, 7, 5], 7),
    ]
}

/// A product with what follows it in a network, and its variables: weights, bias, and batch normalisation's four.
struct Layer {
    program: Program,
    input: Array,
    variables: Vec<Array>,
}

fn layer(product: &Product, dtype: DType, bias: bool) -> Layer {
    let mut state = Numbers(11);
    let mut graph = Graph::new();
    let x = graph.input(Spec::known(&product.x, dtype));
    let w = graph.variable(Spec::known(&product.w, dtype));
    let vectors: Vec<Value> = (0..5).map(|_| graph.variable(Spec::known(&[product.units], dtype))).collect();
    let mut y = graph.apply(product.op.clone(), &[x, w]).unwrap();
    if bias {
        y = graph.add(y, vectors[0]).unwrap();
    }
    y = normalize(&mut graph, y, &vectors[1..]);
    y = graph.elementwise(Scalar::Relu, &[y]).unwrap();
    let variables = std::iter::once(numbers(&mut state, &product.w, dtype))
        .chain((0..5).map(|_| numbers(&mut state, &[product.units], dtype)))
        .collect();
    let input = numbers(&mut state, &product.x, dtype);
    Layer { program: Program::new(graph, vec![y], Vec::new()), input, variables }
}

/// Batch normalisation at inference: gamma, beta, mean, and something that is made a variance.
fn normalize(graph: &mut Graph, y: Value, vectors: &[Value]) -> Value {
    let square = graph.mul(vectors[3], vectors[3]).unwrap();
    let variance = graph.shift(square, 0.1).unwrap();
    let rsqrt = graph.elementwise(Scalar::Rsqrt, &[variance]).unwrap();
    let factor = graph.mul(rsqrt, vectors[0]).unwrap();
    let mean = graph.mul(vectors[2], factor).unwrap();
    let shift = graph.sub(vectors[1], mean).unwrap();
    let scaled = graph.mul(y, factor).unwrap();
    graph.add(scaled, shift).unwrap()
}

fn compile(program: &Program, variables: &[Array]) -> Compiled {
    let variables = variables.iter().map(|array| Variable::new(array.clone())).collect();
    Compiled::new(program.clone(), variables, "test").unwrap()
}

#[test]
fn batch_normalisation_folds_into_the_product_before_it() {
    for product in products() {
        for (dtype, tolerance) in [(DType::Float32, 2e-5), (DType::Float64, 1e-12)] {
            for bias in [false, true] {
                let Layer { program, input, variables } = layer(&product, dtype, bias);
                let inputs = [input];
                let wanted = interpret(&program, &inputs, &variables).unwrap();
                let compiled = compile(&program, &variables);
                let what = format!("{:?}, {dtype}, bias {bias}", product.op);
                for _ in 0..2 {
                    assert_same(&run(&compiled, &inputs)[0], &wanted.outputs[0], tolerance, &what);
                }
                let plan = compiled.plan(&sizes(&inputs)).unwrap();
                // A transposed convolution takes no bias in its store.
                let most = 1 + usize::from(matches!(product.op, Op::ConvTranspose(_)));
                let steps: Vec<_> = plan.steps.iter().map(|step| step.name).collect();
                assert!(steps.len() <= most, "{what}: {steps:?}\n{}", show::show(compiled.program()));
            }
        }
    }
}

#[test]
fn scales_of_other_axes_or_other_readers_stay() {
    let spec = |sizes: &[usize]| Spec::known(sizes, DType::Float64);
    let mut graph = Graph::new();
    let x = graph.input(spec(&[2, 5, 5, 5]));
    let (w, rows) = (graph.variable(spec(&[3, 3, 5, 5])), graph.variable(spec(&[5, 1, 1])));
    let factor = graph.variable(spec(&[5]));
    let conv = op("conv", &[("padding", text("same")), ("strides", Ints(vec![1, 1]))]);
    let y = graph.apply(conv, &[x, w]).unwrap();
    let (across, along) = (graph.mul(y, rows).unwrap(), graph.mul(y, factor).unwrap());
    let program = Program::new(graph, vec![across, along], Vec::new());
    let mut state = Numbers(5);
    let variables = [state.float64(&[3, 3, 5, 5]), state.float64(&[5, 1, 1]), state.float64(&[5])];
    let inputs = [state.float64(&[2, 5, 5, 5])];
    let wanted = interpret(&program, &inputs, &variables).unwrap();
    for (a, b) in run(&compile(&program, &variables), &inputs).iter().zip(&wanted.outputs) {
        assert_same(a, b, 1e-12, "scales that stay");
    }
}

#[test]
fn random_programs_mean_the_same_with_a_prologue() {
    let mut prologues = 0;
    for seed in 0..150 {
        let mut sample = random(seed, false);
        // The second input becomes a variable.
        let graph = &mut sample.program.graph;
        let value = graph.inputs.pop().unwrap();
        graph.values[value.0 as usize].producer = Producer::Variable(0);
        graph.variables.push(value);
        let variables = [sample.inputs.pop().unwrap()];
        let compiled = compile(&sample.program, &variables);
        for factor in [1.0, -0.5] {
            let changed: Vec<f64> = doubles(&variables[0]).iter().map(|value| value * factor).collect();
            let changed = Array::from_slice(variables[0].sizes(), &changed).unwrap();
            compiled.variables()[0].set(changed.clone()).unwrap();
            let wanted = interpret(&sample.program, &sample.inputs, &[changed]).unwrap();
            for _ in 0..2 {
                for (i, (a, b)) in run(&compiled, &sample.inputs).iter().zip(&wanted.outputs).enumerate() {
                    assert_same(a, b, 1e-6, &format!("seed {seed}, output {i}\n{}", show::show(compiled.program())));
                }
            }
        }
        prologues += usize::from(compiled.plan(&sizes(&sample.inputs)).unwrap().prologue.is_some());
    }
    assert!(prologues > 50, "{prologues} of these programs have a prologue");
}

/// `(conv(x, w), largest of w)` of a symbolic number of images: one reads packed weights, the other what the variable holds.
fn packed_and_plain() -> Program {
    let mut graph = Graph::new();
    let image = Shape(vec![Dim::fresh(), Dim::Known(4), Dim::Known(4), Dim::Known(2)]);
    let x = graph.input(Spec::new(image, DType::Float32));
    let w = graph.variable(Spec::known(&[3, 3, 2, 20], DType::Float32));
    let conv = op("conv", &[("padding", text("valid")), ("strides", Ints(vec![1, 1]))]);
    let y = graph.apply(conv, &[x, w]).unwrap();
    let zero = graph.scale(x, 0.0).unwrap();
    let nothing = graph.reduce(ReduceKind::Sum, zero, &[0, 1, 2, 3], false).unwrap();
    let shifted = graph.add(w, nothing).unwrap();
    let largest = graph.reduce(ReduceKind::Max, shifted, &[0, 1, 2, 3], false).unwrap();
    Program::new(graph, vec![y, largest], Vec::new())
}

fn filled(sizes: &[usize], value: f32) -> Array {
    Array::from_slice(sizes, &vec![value; sizes.iter().product()]).unwrap()
}

#[test]
fn packing_is_left_to_the_prologue() {
    let compiled = compile(&packed_and_plain(), &[filled(&[3, 3, 2, 20], 1.0)]);
    let plan = compiled.plan(&[vec![2, 4, 4, 2]]).unwrap();
    let conv = plan.steps.iter().find(|step| step.name == "conv").unwrap();
    assert_eq!(conv.phases[0], 0, "weights are packed in every run");
    assert_eq!(plan.prologue.as_ref().unwrap().items.len(), 1);
    let whole = Plan::new(compiled.program(), &[vec![2, 4, 4, 2]]).unwrap();
    assert!(whole.steps.iter().any(|step| step.name == "conv" && step.phases[0] > 0));
}

#[test]
fn assignments_are_seen_at_once() {
    let compiled = compile(&packed_and_plain(), &[filled(&[3, 3, 2, 20], 1.0)]);
    for (value, rows) in [(1.0, 2), (3.0, 2), (3.0, 5), (-2.0, 5), (-2.0, 2), (4.0, 1)] {
        compiled.variables()[0].set(filled(&[3, 3, 2, 20], value)).unwrap();
        let found = run(&compiled, &[filled(&[rows, 4, 4, 2], 1.0)]);
        assert!(doubles(&found[0]).iter().all(|&y| y == f64::from(value) * 18.0), "{value}, {rows} rows");
    }
}

#[test]
fn predictions_see_what_training_wrote() {
    let spec = Spec::known(&[3, 3, 2, 20], DType::Float32);
    let variable = Variable::new(filled(&[3, 3, 2, 20], 1.0));
    let predict = Compiled::new(packed_and_plain(), vec![Arc::clone(&variable)], "predict").unwrap();
    let mut graph = Graph::new();
    let w = graph.variable(spec);
    let (rate, gradient) =
        (graph.scalar(0.5, DType::Float32).unwrap(), graph.input(Spec::known(&[3, 3, 2, 20], DType::Float32)));
    let update = op("rule_update", &[("rule", text("sgd")), ("count", Int(1))]);
    let updated = graph.apply(update, &[rate, w, gradient]).unwrap();
    let train = Program::new(graph, Vec::new(), vec![(0, updated)]);
    let train = Compiled::new(train, vec![Arc::clone(&variable)], "train").unwrap();
    assert!(train.plan(&[vec![3, 3, 2, 20]]).unwrap().prologue.is_none());
    for step in 0..4 {
        let found = run(&predict, &[filled(&[1, 4, 4, 2], 1.0)]);
        let weight = 1.0 - 0.5 * f64::from(step);
        assert!(doubles(&found[0]).iter().all(|&y| y == weight * 18.0), "step {step}");
        run(&train, &[filled(&[3, 3, 2, 20], 1.0)]);
    }
}

#[test]
fn a_run_sees_one_state_while_others_assign() {
    let compiled = compile(&packed_and_plain(), &[filled(&[3, 3, 2, 20], 0.0)]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for rows in [1, 3] {
            let (compiled, stop) = (&compiled, &stop);
            scope.spawn(move || {
                let inputs = [filled(&[rows, 4, 4, 2], 1.0)];
                while !stop.load(Ordering::Acquire) {
                    let found = run(compiled, &inputs);
                    let weight = doubles(&found[1])[0];
                    assert!(doubles(&found[0]).iter().all(|&y| y == weight * 18.0), "packed weights of another state");
                }
            });
        }
        for value in 1..400 {
            compiled.variables()[0].set(filled(&[3, 3, 2, 20], value as f32)).unwrap();
            let found = run(&compiled, &[filled(&[2, 4, 4, 2], 1.0)]);
            assert!(doubles(&found[0]).iter().all(|&y| y == f64::from(value) * 18.0));
        }
        stop.store(true, Ordering::Release);
    });
}

#[test]
fn batches_of_all_sizes_share_what_is_prepared() {
    let compiled = compile(&packed_and_plain(), &[filled(&[3, 3, 2, 20], 1.0)]);
    run(&compiled, &[filled(&[1, 4, 4, 2], 1.0)]);
    let one = compiled.prepared_bytes();
    assert!(one > 0);
    for rows in 2..40 {
        run(&compiled, &[filled(&[rows, 4, 4, 2], 1.0)]);
    }
    assert_eq!(compiled.prepared_bytes(), one);
    // Old versions go when the first plan needs the present one.
    compiled.variables()[0].set(filled(&[3, 3, 2, 20], 2.0)).unwrap();
    run(&compiled, &[filled(&[1, 4, 4, 2], 1.0)]);
    assert_eq!(compiled.prepared_bytes(), one);
}

#[test]
fn what_cannot_be_shared_is_bounded() {
    // The first rows of a table, as many as the batch has: each plan has an item of its own.
    let (rows, columns) = (16, 1 << 18);
    let mut graph = Graph::new();
    let batch = Dim::fresh();
    let x = graph.input(Spec::new(Shape(vec![batch, Dim::Known(1)]), DType::Float32));
    let table = graph.variable(Spec::known(&[rows, columns], DType::Float32));
    let numbers = graph.apply(Iota { shape: vec![batch], axis: 0, dtype: DType::Int32 }, &[]).unwrap();
    let head = graph.apply(op("take", &[("axis", Int(0))]), &[table, numbers]).unwrap();
    let product = graph.mul(head, x).unwrap();
    let sum = graph.reduce(ReduceKind::Max, product, &[1], false).unwrap();
    let compiled = compile(&Program::new(graph, vec![sum], Vec::new()), &[filled(&[rows, columns], 3.0)]);
    for count in (1..=rows).chain([2, 9, 16]) {
        let found = run(&compiled, &[filled(&[count, 1], 2.0)]);
        assert_eq!(doubles(&found[0]), vec![6.0; count]);
        assert!(compiled.prepared_bytes() >= count * columns * 4, "{count} rows are not kept");
        assert!(compiled.prepared_bytes() <= 64 << 20, "{} bytes", compiled.prepared_bytes());
    }
}

#[test]
fn frozen_layers_are_prepared_in_training() {
    let spec = |sizes: &[usize]| Spec::known(sizes, DType::Float64);
    let mut graph = Graph::new();
    let x = graph.input(spec(&[2, 6, 6, 3]));
    let frozen = graph.variable(spec(&[3, 3, 3, 20]));
    let trained = graph.variable(spec(&[3, 3, 20, 10]));
    let vectors: Vec<Value> = (0..4).map(|_| graph.variable(spec(&[20]))).collect();
    let conv = || op("conv", &[("padding", text("same")), ("strides", Ints(vec![1, 1]))]);
    let hidden = graph.apply(conv(), &[x, frozen]).unwrap();
    let hidden = normalize(&mut graph, hidden, &vectors);
    let hidden = graph.elementwise(Scalar::Relu, &[hidden]).unwrap();
    let y = graph.apply(conv(), &[hidden, trained]).unwrap();
    let square = graph.mul(y, y).unwrap();
    let loss = graph.reduce(ReduceKind::Mean, square, &[0, 1, 2, 3], false).unwrap();
    let gradient = gradients(&mut graph, &[(loss, None)], &[trained]).unwrap()[0].unwrap();
    let rate = graph.scalar(0.1, DType::Float64).unwrap();
    let update = op("rule_update", &[("rule", text("sgd")), ("count", Int(1))]);
    let updated = graph.apply(update, &[rate, trained, gradient]).unwrap();
    let program = Program::new(graph, vec![loss], vec![(1, updated)]);
    let mut state = Numbers(9);
    let mut variables = vec![state.float64(&[3, 3, 3, 20]), state.float64(&[3, 3, 20, 10])];
    variables.extend((0..4).map(|_| state.float64(&[20])));
    let inputs = [state.float64(&[2, 6, 6, 3])];
    let compiled = compile(&program, &variables);
    let plan = compiled.plan(&sizes(&inputs)).unwrap();
    assert_eq!(plan.prologue.as_ref().unwrap().variables, [0, 2, 3, 4, 5], "all but the trained kernel");
    let packs: Vec<usize> = plan.steps.iter().filter(|step| step.name == "conv").map(|step| step.phases[0]).collect();
    assert!(packs[0] == 0 && packs[1] > 0, "{packs:?}");
    for step in 0..3 {
        let wanted = interpret(&program, &inputs, &variables).unwrap();
        let found = run(&compiled, &inputs);
        assert_same(&found[0], &wanted.outputs[0], 1e-12, &format!("loss of step {step}"));
        variables[1] = wanted.written[0].1.clone();
        assert_same(&compiled.variables()[1].get(), &variables[1], 1e-12, &format!("weights after step {step}"));
    }
}

#[test]
fn written_scales_do_not_fold() {
    // The scale has a derivative of its own and changes: nothing folds.
    let Layer { program, input, variables } = layer(&products()[0], DType::Float64, true);
    let mut program = program;
    let (factor, output) = (program.graph.variables[2], program.outputs[0]);
    let gradient = gradients(&mut program.graph, &[(output, None)], &[factor]).unwrap()[0].unwrap();
    program.outputs.push(gradient);
    program.writes.push((2, gradient));
    let wanted = interpret(&program, std::slice::from_ref(&input), &variables).unwrap();
    let found = passes::run(program.clone()).unwrap();
    let again = interpret(&found, &[input], &variables).unwrap();
    for (a, b) in again.outputs.iter().zip(&wanted.outputs) {
        assert_same(a, b, 1e-10, "outputs");
    }
}
