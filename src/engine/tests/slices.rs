//! Batches cut into slices: which programs may be cut, and that they give what whole batches give.
#![allow(clippy::unwrap_used)]

mod common;
mod programs;

use std::sync::Once;

use common::Numbers;
use ironhorn_engine::core::{Array, DType, Dim, Error, Result, Shape, Spec};
use ironhorn_engine::ops::shape::dim_value::DimValue;
use ironhorn_engine::ops::{Graph, Value};
use ironhorn_engine::program::by_rows::by_rows;
use ironhorn_engine::program::evaluate::evaluate;
use ironhorn_engine::program::{Plan, Program, passes};
use ironhorn_engine::runtime::cancel::Interrupt;
use ironhorn_engine::runtime::compiled::Compiled;
use ironhorn_engine::runtime::slices::{least_rows, slice_rows};
use ironhorn_engine::runtime::threads;
use ironhorn_engine::runtime::variable::Variable;
use ironhorn_kernels::cpu::elementwise::Scalar;
use programs::{Bool, Int, Ints, assert_same, float32, integers, interpret, op, random, text};

/// Four threads, however many cores there are.
fn four_threads() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: every test that starts threads comes here before, and waits until this has returned.
        unsafe { std::env::set_var("IRONHORN_NUM_THREADS", "4") };
    });
    assert_eq!(threads::count(), 4);
}

/// Rows `rows` of an array.
fn rows_of(array: &Array, rows: std::ops::Range<usize>) -> Array {
    let row_bytes = array.bytes().len() / array.sizes()[0];
    let sizes: Vec<usize> = std::iter::once(rows.len()).chain(array.sizes()[1..].iter().copied()).collect();
    Array::from_bytes(&sizes, array.dtype(), &array.bytes()[rows.start * row_bytes..rows.end * row_bytes]).unwrap()
}

#[test]
fn random_programs_that_may_be_cut_give_the_same_row_by_row() {
    let mut cut = 0;
    for seed in 0..1500 {
        let sample = random(seed, true);
        let program = passes::run(sample.program.clone()).unwrap();
        if !by_rows(&program) {
            continue;
        }
        cut += 1;
        let whole = evaluate(&program, &sample.inputs).unwrap();
        for row in 0..sample.inputs[0].sizes()[0] {
            let inputs: Vec<Array> = sample.inputs.iter().map(|input| rows_of(input, row..row + 1)).collect();
            for (got, wanted) in evaluate(&program, &inputs).unwrap().iter().zip(&whole) {
                assert_same(got, &rows_of(wanted, row..row + 1), 1e-12, &format!("seed {seed}, row {row}"));
            }
        }
    }
    assert!(cut > 100, "{cut} programs");
}

/// A program of one op, or a few, on inputs `(batch, 6, 4)` and `(batch, 4)`, and on constants of ones.
fn answer(write: impl FnOnce(&mut Graph, Dim, Value, Value) -> Result<Value>) -> bool {
    let mut graph = Graph::new();
    let batch = Dim::fresh();
    let x = graph.input(Spec::new(Shape(vec![batch, Dim::Known(6), Dim::Known(4)]), DType::Float32));
    let y = graph.input(Spec::new(Shape(vec![batch, Dim::Known(4)]), DType::Float32));
    let output = write(&mut graph, batch, x, y).unwrap();
    by_rows(&Program::new(graph, vec![output], Vec::new()))
}

fn ones(graph: &mut Graph, sizes: &[usize]) -> Value {
    let count = sizes.iter().product();
    graph.constant(Array::from_slice(sizes, &vec![1.0f32; count]).unwrap())
}

#[test]
fn what_keeps_rows_apart_may_be_cut() {
    assert!(answer(|graph, _, _, y| graph.elementwise(Scalar::Relu, &[y])));
    assert!(answer(|graph, _, x, _| graph.apply(op("reduce", &[("axis", Ints(vec![1, -1]))]), &[x])));
    assert!(answer(|graph, _, x, _| graph.transpose(x, &[0, 2, 1])));
    assert!(answer(|graph, _, x, _| graph.apply(op("concatenate", &[("axis", Int(-1))]), &[x, x])));
    assert!(answer(|graph, batch, x, _| {
        let shape = ironhorn_engine::ops::shape::reshape::Reshape { shape: vec![Some(batch), None] };
        graph.apply(shape, &[x])
    }));
    assert!(answer(|graph, _, _, y| {
        let w = ones(graph, &[4, 3]);
        graph.apply(op("matmul", &[]), &[y, w])
    }));
    assert!(answer(|graph, _, x, _| graph.apply(op("matmul", &[("transpose_b", Bool(true))]), &[x, x])));
    assert!(answer(|graph, _, x, y| {
        let column = graph.apply(op("reduce", &[("axis", Ints(vec![1]))]), &[x])?;
        graph.add(column, y)
    }));
    assert!(answer(|graph, _, x, _| {
        let w = ones(graph, &[3, 4, 2]);
        graph.apply(op("conv", &[("strides", Ints(vec![1])), ("padding", text("same"))]), &[x, w])
    }));
    assert!(
        answer(|graph, _, x, _| graph.apply(op("pool", &[("kind", text("max")), ("window", Ints(vec![2]))]), &[x]))
    );
    assert!(answer(|graph, _, x, _| graph.apply(op("softmax", &[]), &[x])));
}

#[test]
fn what_mixes_rows_may_not_be_cut() {
    assert!(!answer(|graph, _, _, y| {
        let mean = graph.reduce(ironhorn_engine::ops::reduce::ReduceKind::Mean, y, &[0], true)?;
        graph.sub(y, mean)
    }));
    assert!(!answer(|graph, _, _, y| graph.transpose(y, &[1, 0])));
    assert!(!answer(|graph, _, _, y| graph.apply(op("matmul", &[("transpose_b", Bool(true))]), &[y, y])));
    assert!(!answer(|graph, _, x, y| graph.add(x, y)), "(batch, 6, 4) + (batch, 4) meets rows of y on axis 1");
    assert!(!answer(|graph, _, _, y| graph.apply(op("concatenate", &[("axis", Int(0))]), &[y, y])));
    assert!(!answer(|graph, _, _, y| graph.apply(op("cumulate", &[("axis", Int(0))]), &[y])));
    assert!(!answer(|graph, _, _, y| graph.apply(op("reduce", &[]), &[y])));
    assert!(!answer(|graph, batch, _, y| {
        let count = graph.apply(DimValue { dim: batch }, &[])?;
        let count = graph.cast(count, DType::Float32)?;
        graph.div(y, count)
    }));
    assert!(!answer(|graph, batch, _, y| {
        let shape = ironhorn_engine::ops::shape::reshape::Reshape { shape: vec![None, Some(batch)] };
        graph.apply(shape, &[y])
    }));
    assert!(!answer(|graph, _, _, _| Ok(ones(graph, &[4]))), "an output that has no rows");
}

/// Images through two convolutions and a dense layer, with weights in variables: much memory, few weights.
fn images() -> (Program, Vec<Array>, Vec<usize>) {
    let mut numbers = Numbers(5);
    let sizes = [vec![3, 3, 3, 16], vec![16], vec![3, 3, 16, 16], vec![24 * 24 * 16, 5]];
    let variables: Vec<Array> = sizes.iter().map(|sizes| float32(&mut numbers, sizes)).collect();
    let mut graph = Graph::new();
    let image = vec![Dim::fresh(), Dim::Known(48), Dim::Known(48), Dim::Known(3)];
    let x = graph.input(Spec::new(Shape(image), DType::Float32));
    let slots: Vec<Value> = variables.iter().map(|variable| graph.variable(variable.spec())).collect();
    let conv = op("conv", &[("padding", text("same")), ("strides", Ints(vec![1, 1]))]);
    let mut build = || -> Result<Value> {
        let y = graph.apply(conv.clone(), &[x, slots[0]])?;
        let y = graph.add(y, slots[1])?;
        let y = graph.elementwise(Scalar::Relu, &[y])?;
        let pooled = graph.apply(op("pool", &[("kind", text("max")), ("window", Ints(vec![2, 2]))]), &[y])?;
        let y = graph.apply(conv.clone(), &[pooled, slots[2]])?;
        let y = graph.add(y, pooled)?;
        let y = graph.apply(op("reshape", &[("shape", Ints(vec![-1, 24 * 24 * 16]))]), &[y])?;
        let y = graph.apply(op("matmul", &[]), &[y, slots[3]])?;
        let y = graph.scale(y, 1e-3)?;
        graph.apply(op("softmax", &[]), &[y])
    };
    let output = build().unwrap();
    (Program::new(graph, vec![output], Vec::new()), variables, vec![48, 48, 3])
}

fn compile(program: &Program, variables: &[Array]) -> Compiled {
    let variables = variables.iter().map(|array| Variable::new(array.clone())).collect();
    Compiled::new(program.clone(), variables, "test").unwrap()
}

fn run(compiled: &Compiled, inputs: &[Array]) -> Result<Vec<Array>> {
    let mut never = || false;
    compiled.run(inputs, &mut Interrupt::new(&mut never))
}

#[test]
fn slices_give_what_whole_batches_give() {
    four_threads();
    let (program, variables, row) = images();
    let compiled = compile(&program, &variables);
    let one = Plan::new(compiled.program(), &[[&[1], row.as_slice()].concat()]).unwrap();
    let size = slice_rows(&one, least_rows(compiled.program()).unwrap(), |_| 0);
    for count in [1, size, 3 * size + 1, 4 * size, 9 * size + size / 2] {
        let x = float32(&mut Numbers(count as u64), &[[count].as_slice(), &row].concat());
        let got = run(&compiled, std::slice::from_ref(&x)).unwrap();
        let wanted = interpret(&program, std::slice::from_ref(&x), &variables).unwrap().outputs;
        assert_same(&got[0], &wanted[0], 1e-5, &format!("{count} rows, {size} at once"));
        assert_eq!(got[0].bytes(), run(&compiled, std::slice::from_ref(&x)).unwrap()[0].bytes(), "{count} rows twice");
    }
}

/// Looks up rows of a table of 50 by `(batch, 20000)` numbers.
fn lookup() -> Compiled {
    let mut graph = Graph::new();
    let x = graph.input(Spec::new(Shape(vec![Dim::fresh(), Dim::Known(20_000)]), DType::Int32));
    let table = float32(&mut Numbers(1), &[50, 16]);
    let slot = graph.variable(table.spec());
    let rows = graph.apply(op("take", &[("axis", Int(0))]), &[slot, x]).unwrap();
    let rows = graph.elementwise(Scalar::Tanh, &[rows]).unwrap();
    let sum = graph.reduce(ironhorn_engine::ops::reduce::ReduceKind::Sum, rows, &[1], false).unwrap();
    compile(&Program::new(graph, vec![sum], Vec::new()), &[table])
}

#[test]
fn an_error_in_one_slice_ends_the_run() {
    four_threads();
    let compiled = lookup();
    let mut x = integers(&mut Numbers(2), &[16, 20_000], 50);
    assert!(run(&compiled, std::slice::from_ref(&x)).is_ok());
    x.make_mut::<i32>().unwrap()[9 * 20_000 + 5] = 50;
    let error = run(&compiled, std::slice::from_ref(&x)).unwrap_err();
    assert!(error.to_string().contains("50"), "{error}");
    x.make_mut::<i32>().unwrap()[9 * 20_000 + 5] = 49;
    assert!(run(&compiled, std::slice::from_ref(&x)).is_ok());
}

#[test]
fn an_interrupt_ends_the_run() {
    four_threads();
    let compiled = lookup();
    let x = integers(&mut Numbers(2), &[400, 20_000], 50);
    let mut at_once = || true;
    let mut interrupt = Interrupt::new(&mut at_once);
    std::thread::sleep(ironhorn_engine::runtime::cancel::INTERVAL);
    assert!(matches!(compiled.run(&[x], &mut interrupt), Err(Error::Cancelled)));
}
