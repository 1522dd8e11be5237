//! The executor: threads change nothing, steps are whole, errors and interrupts leave variables as they were.
#![allow(clippy::unwrap_used)]

mod common;
mod programs;

use std::sync::{Arc, Once};

use common::{Numbers, doubles};
use ironhorn_engine::core::{Array, DType, Error, Result, Spec};
use ironhorn_engine::ops::Graph;
use ironhorn_engine::ops::reduce::ReduceKind;
use ironhorn_engine::program::{Plan, Program};
use ironhorn_engine::runtime::cancel::{INTERVAL, Interrupt};
use ironhorn_engine::runtime::compiled::Compiled;
use ironhorn_engine::runtime::source::{Column, Feed, Source};
use ironhorn_engine::runtime::threads;
use ironhorn_engine::runtime::variable::Variable;
use ironhorn_kernels::cpu::elementwise::Scalar;
use programs::{Int, Sample, float32, image_network, op, perceptron, text_network};

/// Four threads, however many cores there are.
fn four_threads() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: every test comes here before it reads the environment, and waits until this has returned.
        unsafe { std::env::set_var("IRONHORN_NUM_THREADS", "4") };
    });
    assert_eq!(threads::count(), 4);
}

fn compile(sample: &Sample) -> Compiled {
    let variables = sample.variables.iter().map(|array| Variable::new(array.clone())).collect();
    Compiled::new(sample.program.clone(), variables, "test").unwrap()
}

fn run(compiled: &Compiled, inputs: &[Array]) -> Result<Vec<Array>> {
    let mut never = || false;
    compiled.run(inputs, &mut Interrupt::new(&mut never))
}

fn state(compiled: &Compiled) -> Vec<Vec<u8>> {
    compiled.variables().iter().map(|variable| variable.get().bytes().to_vec()).collect()
}

fn bytes(arrays: &[Array]) -> Vec<Vec<u8>> {
    arrays.iter().map(|array| array.bytes().to_vec()).collect()
}

/// Large enough for threads, and of every kind of kernel.
fn large() -> Vec<Sample> {
    vec![perceptron(300, 200, true), perceptron(257, 130, false), image_network(24), text_network(40, 9)]
}

/// A plan run on this thread alone, on copies of the variables.
fn serial(sample: &Sample, compiled: &Compiled) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    use ironhorn_engine::program::evaluate::new_outputs;
    use ironhorn_engine::program::plan::Memory;
    let sizes: Vec<Vec<usize>> = sample.inputs.iter().map(|input| input.sizes().to_vec()).collect();
    let plan = Plan::new(compiled.program(), &sizes).unwrap();
    let mut variables = sample.variables.clone();
    for variable in &mut variables {
        variable.unshare().unwrap();
    }
    let arena = ironhorn_engine::core::Storage::zeroed(plan.arena_bytes).unwrap();
    let outputs = new_outputs(&plan).unwrap();
    let inputs: Vec<*const u8> = sample.inputs.iter().map(Array::as_ptr).collect();
    let slots: Vec<*mut u8> = variables.iter().map(|variable| variable.as_ptr().cast_mut()).collect();
    let places: Vec<*mut u8> = outputs.iter().map(|output| output.as_ptr().cast_mut()).collect();
    let mut ios = Vec::new();
    plan.resolve(
        &Memory { inputs: &inputs, variables: &slots, outputs: &places, prepared: &[], arena: arena.as_ptr() },
        &mut ios,
    );
    // SAFETY: memory of the planned sizes that nobody else uses.
    unsafe { plan.run_here(&ios, || false) }.unwrap();
    (bytes(&outputs), bytes(&variables))
}

#[test]
fn threads_change_no_bit() {
    four_threads();
    for sample in large() {
        let compiled = compile(&sample);
        let (outputs, variables) = serial(&sample, &compiled);
        assert_eq!(bytes(&run(&compiled, &sample.inputs).unwrap()), outputs);
        assert_eq!(state(&compiled), variables);
    }
}

#[test]
fn runs_repeat_bit_for_bit() {
    four_threads();
    for sample in large() {
        let repeat = || {
            let compiled = compile(&sample);
            let outputs: Vec<_> = (0..3).map(|_| bytes(&run(&compiled, &sample.inputs).unwrap())).collect();
            (outputs, state(&compiled))
        };
        let first = repeat();
        for _ in 0..2 {
            assert!(repeat() == first);
        }
    }
}

/// Rows for several steps of a sample that takes `batch` rows.
fn rows(sample: &Sample, count: usize) -> Vec<Array> {
    let mut numbers = Numbers(3);
    sample
        .inputs
        .iter()
        .map(|input| {
            let sizes: Vec<usize> = std::iter::once(count).chain(input.sizes()[1..].iter().copied()).collect();
            match input.dtype() {
                DType::Float32 => float32(&mut numbers, &sizes),
                _ => programs::integers(&mut numbers, &sizes, 3),
            }
        })
        .collect()
}

fn feed(arrays: &[Array], order: Option<Vec<usize>>, first: usize, batch: usize) -> Feed {
    let source = Source::new(arrays.iter().map(Column::of).collect()).unwrap();
    Feed { source: Arc::new(source), order: order.map(Arc::new), first, batch }
}

#[test]
fn many_steps_equal_one_at_a_time() {
    four_threads();
    for (sample, batch) in [
        (perceptron(8, 9, true), 8),
        (perceptron(300, 200, true), 300),
        (image_network(24), 24),
        (text_network(40, 9), 40),
    ] {
        let data = rows(&sample, 6 * batch);
        let mut numbers = Numbers(1);
        let order: Vec<usize> = (0..6 * batch).map(|_| numbers.below(6 * batch)).collect();
        let mut never = || false;
        let mut interrupt = Interrupt::new(&mut never);
        let (together, single, by_hand) = (compile(&sample), compile(&sample), compile(&sample));
        let mut done = 0;
        let last =
            together.run_steps(feed(&data, Some(order.clone()), 0, batch), 6, &mut interrupt, &mut done).unwrap();
        assert_eq!(done, 6);
        let mut outputs = Vec::new();
        for step in 0..6 {
            let one = feed(&data, Some(order.clone()), step * batch, batch);
            outputs = single.run_steps(one, 1, &mut interrupt, &mut done).unwrap();
            assert_eq!(done, 1);
        }
        assert_eq!(bytes(&last), bytes(&outputs));
        assert_eq!(state(&together), state(&single));
        for step in 0..6 {
            let picked: Vec<Array> =
                data.iter().map(|column| gather(column, &order[step * batch..(step + 1) * batch])).collect();
            outputs = run(&by_hand, &picked).unwrap();
        }
        assert_eq!(bytes(&last), bytes(&outputs));
        assert_eq!(state(&together), state(&by_hand));
    }
}

fn gather(column: &Array, rows: &[usize]) -> Array {
    let bytes = column.bytes().len() / column.sizes()[0];
    let picked: Vec<u8> =
        rows.iter().flat_map(|row| &column.bytes()[row * bytes..(row + 1) * bytes]).copied().collect();
    let sizes: Vec<usize> = std::iter::once(rows.len()).chain(column.sizes()[1..].iter().copied()).collect();
    Array::from_bytes(&sizes, column.dtype(), &picked).unwrap()
}

#[test]
fn feeds_check_their_rows() {
    four_threads();
    let sample = perceptron(8, 9, true);
    let compiled = compile(&sample);
    let data = rows(&sample, 16);
    let before = state(&compiled);
    for wrong in [feed(&data, None, 9, 8), feed(&data, Some(vec![16; 8]), 0, 8), feed(&data, Some(vec![0; 7]), 0, 8)] {
        let mut never = || false;
        let found = compiled.run_steps(wrong, 1, &mut Interrupt::new(&mut never), &mut 0);
        assert!(matches!(found, Err(Error::Index(_))));
    }
    assert_eq!(state(&compiled), before);
}

/// Counts steps in one variable, adds up what `take` finds in another; `width` columns.
fn counting(width: usize, batch: usize) -> Sample {
    let mut graph = Graph::new();
    let indices = graph.input(Spec::known(&[batch], DType::Int32));
    let table = graph.constant(float32(&mut Numbers(4), &[10, width]));
    let count = graph.variable(Spec::known(&[], DType::Int64));
    let total = graph.variable(Spec::known(&[batch, width], DType::Float32));
    let found = graph.apply(op("take", &[("axis", Int(0))]), &[table, indices]).unwrap();
    let mut busy = graph.elementwise(Scalar::Tanh, &[found]).unwrap();
    for _ in 0..3 {
        let sum = graph.reduce(ReduceKind::Mean, busy, &[1], true).unwrap();
        busy = graph.sub(busy, sum).unwrap();
    }
    let one = graph.scalar(1.0, DType::Int64).unwrap();
    let next = graph.add(count, one).unwrap();
    let sum = graph.add(total, found).unwrap();
    let program = Program::new(graph, vec![busy], vec![(0, next), (1, sum)]);
    Sample {
        program,
        inputs: vec![Array::from_slice(&[batch], &vec![1i32; batch]).unwrap()],
        variables: vec![
            Array::zeros(&[], DType::Int64).unwrap(),
            Array::zeros(&[batch, width], DType::Float32).unwrap(),
        ],
    }
}

#[test]
fn an_error_leaves_the_state_of_the_last_whole_step() {
    four_threads();
    for (width, batch) in [(3, 4), (700, 300)] {
        let sample = counting(width, batch);
        let compiled = compile(&sample);
        let mut indices: Vec<i32> = (0..5 * batch as i32).map(|i| i % 10).collect();
        indices[2 * batch + batch / 2] = 77;
        let data = [Array::from_slice(&[5 * batch], &indices).unwrap()];
        let mut never = || false;
        let mut done = 9;
        let found = compiled.run_steps(feed(&data, None, 0, batch), 5, &mut Interrupt::new(&mut never), &mut done);
        assert!(matches!(found, Err(Error::Index(_))), "{:?}", found.err());
        assert_eq!(done, 2);
        let wanted = compile(&sample);
        wanted.run_steps(feed(&data, None, 0, batch), 2, &mut Interrupt::new(&mut never), &mut 0).unwrap();
        assert_eq!(state(&compiled), state(&wanted));
        // The executor goes on as if nothing had been.
        run(&compiled, &sample.inputs).unwrap();
        assert_eq!(doubles(&compiled.variables()[0].get()), [3.0]);
    }
}

#[test]
fn an_interrupt_leaves_the_state_of_the_last_whole_step() {
    four_threads();
    for (width, batch) in [(3, 4), (700, 300)] {
        let sample = counting(width, batch);
        let compiled = compile(&sample);
        let order = vec![0usize; batch];
        let data = [Array::from_slice(&[batch], &vec![1i32; batch]).unwrap()];
        let (mut asked, mut done, mut total) = (0, 0, 0);
        let mut ask = || {
            asked += 1;
            true
        };
        let mut interrupt = Interrupt::new(&mut ask);
        loop {
            let some = feed(&data, Some(order.repeat(2000)), 0, batch);
            let found = compiled.run_steps(some, 2000, &mut interrupt, &mut done);
            total += done;
            match found {
                Ok(_) => assert_eq!(done, 2000),
                Err(error) => {
                    assert_eq!(error, Error::Cancelled);
                    break;
                }
            }
        }
        assert_eq!(asked, 1);
        assert_eq!(doubles(&compiled.variables()[0].get()), [total as f64], "steps are whole");
        let expected = compile(&sample);
        let mut never = || false;
        let all = feed(&data, Some(order.repeat(total)), 0, batch);
        expected.run_steps(all, total, &mut Interrupt::new(&mut never), &mut 0).unwrap();
        assert_eq!(state(&compiled), state(&expected));
    }
}

#[test]
fn a_run_that_ends_before_its_first_step_has_done_none() {
    four_threads();
    for (width, batch) in [(3, 4), (700, 300)] {
        let sample = counting(width, batch);
        let compiled = compile(&sample);
        let data = [Array::from_slice(&[batch], &vec![1i32; batch]).unwrap()];
        let before = state(&compiled);
        let mut done = 9;
        let mut ask = || true;
        let mut interrupt = Interrupt::new(&mut ask);
        std::thread::sleep(INTERVAL);
        let found = compiled.run_steps(feed(&data, None, 0, batch), 1, &mut interrupt, &mut done);
        assert_eq!((found.err(), done), (Some(Error::Cancelled), 0));
        done = 9;
        let wrong = feed(&data, Some(vec![0; batch - 1]), 0, batch);
        let found = compiled.run_steps(wrong, 1, &mut interrupt, &mut done);
        assert!(matches!(found, Err(Error::Index(_))));
        assert_eq!(done, 0);
        assert_eq!(state(&compiled), before);
    }
}

#[test]
fn one_program_runs_on_many_threads_at_once() {
    four_threads();
    for width in [9, 200] {
        let mut sample = perceptron(250, width, false);
        sample.program.writes.clear();
        let compiled = compile(&sample);
        let wanted = bytes(&run(&compiled, &sample.inputs).unwrap());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        assert!(bytes(&run(&compiled, &sample.inputs).unwrap()) == wanted);
                    }
                });
            }
        });
    }
}

#[test]
fn arrays_read_from_variables_keep_their_values() {
    four_threads();
    let sample = perceptron(8, 9, true);
    let compiled = compile(&sample);
    let held: Vec<Array> = compiled.variables().iter().map(|variable| variable.get()).collect();
    let before = bytes(&held);
    let versions: Vec<u64> = compiled.variables().iter().map(|variable| variable.version()).collect();
    run(&compiled, &sample.inputs).unwrap();
    assert_eq!(bytes(&held), before);
    assert_ne!(state(&compiled), before);
    for (variable, version) in compiled.variables().iter().zip(versions) {
        assert_eq!(variable.version(), version + 1);
    }
}

#[test]
fn collected_outputs_are_the_batches_outputs() {
    four_threads();
    let mut graph = Graph::new();
    let rows = ironhorn_engine::core::Dim::fresh();
    let columns = ironhorn_engine::core::Dim::Known(7);
    let x = graph.input(Spec::new(ironhorn_engine::core::Shape(vec![rows, columns]), DType::Float32));
    let y = graph.apply(op("softmax", &[]), &[x]).unwrap();
    let sum = graph.reduce(ReduceKind::Sum, y, &[1], false).unwrap();
    let whole = graph.reduce(ReduceKind::Sum, y, &[0], false).unwrap();
    let data = float32(&mut Numbers(2), &[23, 7]);
    let source = Source::new(vec![Column::of(&data)]).unwrap();
    let collect = |outputs| {
        let compiled = Compiled::new(Program::new(graph.clone(), outputs, Vec::new()), Vec::new(), "rows").unwrap();
        let mut never = || false;
        let found = compiled.run_collect(&source, 5, &mut Interrupt::new(&mut never)).unwrap();
        (found, run(&compiled, std::slice::from_ref(&data)).unwrap())
    };
    let (found, wanted) = collect(vec![y, sum]);
    let found = found.unwrap();
    assert_eq!((found[0].sizes(), found[1].sizes()), ([23, 7].as_slice(), [23].as_slice()));
    for (a, b) in found.iter().zip(&wanted) {
        programs::assert_same(a, b, 1e-6, "collected");
    }
    assert!(collect(vec![y, whole]).0.is_none());
}
