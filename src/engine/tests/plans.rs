//! Plans: no two values that live at the same time share memory, and nothing is read before it is written.
#![allow(clippy::unwrap_used)]

mod common;
mod programs;

use ironhorn_engine::core::{Array, DType, Dim, Error, Shape, Spec, Storage};
use ironhorn_engine::ops::Graph;
use ironhorn_engine::program::evaluate::{evaluate, new_outputs};
use ironhorn_engine::program::plan::Memory;
use ironhorn_engine::program::{Plan, Program, passes};
use ironhorn_kernels::cpu::elementwise::Scalar;
use programs::{Results, Sample, assert_same, image_network, interpret, op, perceptron, random, text_network};

/// Runs a plan in an arena full of the byte `poison`, with the chunks of every phase in order or backwards.
fn run(plan: &Plan, sample: &Sample, poison: u8, backwards: bool) -> Results {
    let mut arena = Storage::zeroed(plan.arena_bytes).unwrap();
    arena.bytes_mut().fill(poison);
    let outputs = new_outputs(plan).unwrap();
    let mut variables = sample.variables.clone();
    for variable in &mut variables {
        variable.unshare().unwrap();
    }
    let inputs: Vec<*const u8> = sample.inputs.iter().map(Array::as_ptr).collect();
    let slots: Vec<*mut u8> = variables.iter().map(|variable| variable.as_ptr().cast_mut()).collect();
    let places: Vec<*mut u8> = outputs.iter().map(|output| output.as_ptr().cast_mut()).collect();
    let mut ios = Vec::new();
    let memory = Memory { inputs: &inputs, variables: &slots, outputs: &places, prepared: &[], arena: arena.as_ptr() };
    plan.resolve(&memory, &mut ios);
    for (step, io) in plan.steps.iter().zip(&ios) {
        for (phase, &chunks) in step.phases.iter().enumerate() {
            for chunk in 0..chunks {
                let chunk = if backwards { chunks - 1 - chunk } else { chunk };
                // SAFETY: the memory has the planned sizes and no other user; phases run in order.
                unsafe { step.kernel.run(phase, chunk, io) }.unwrap();
            }
        }
    }
    let written = plan.written.iter().map(|&slot| (slot, variables[slot].clone())).collect();
    Results { outputs, written }
}

fn plan(sample: &Sample) -> Plan {
    let program = passes::run(sample.program.clone()).unwrap();
    let sizes: Vec<Vec<usize>> = sample.inputs.iter().map(|input| input.sizes().to_vec()).collect();
    Plan::new(&program, &sizes).unwrap()
}

fn training_steps() -> Vec<(&'static str, Sample)> {
    vec![
        ("perceptron", perceptron(7, 9, false)),
        ("perceptron, fused update", perceptron(33, 40, true)),
        ("image network", image_network(3)),
        ("text network", text_network(4, 6)),
    ]
}

fn same(found: &Results, wanted: &Results, tolerance: f64, what: &str) {
    for (i, (a, b)) in found.outputs.iter().zip(&wanted.outputs).enumerate() {
        assert_same(a, b, tolerance, &format!("{what}, output {i}"));
    }
    assert_eq!(found.written.len(), wanted.written.len(), "{what}");
    for ((slot, a), (other, b)) in found.written.iter().zip(&wanted.written) {
        assert_eq!(slot, other, "{what}");
        assert_same(a, b, tolerance, &format!("{what}, variable {slot}"));
    }
}

fn bits(results: &Results) -> Vec<&[u8]> {
    results.outputs.iter().chain(results.written.iter().map(|(_, array)| array)).map(Array::bytes).collect()
}

#[test]
fn values_do_not_overlap_in_random_programs() {
    for seed in 200..320 {
        let sample = random(seed, false);
        let wanted = interpret(&sample.program, &sample.inputs, &[]).unwrap();
        let plan = plan(&sample);
        same(&run(&plan, &sample, 0xff, false), &wanted, 1e-6, &format!("seed {seed}"));
    }
}

#[test]
fn values_do_not_overlap_in_training_steps() {
    for (name, sample) in training_steps() {
        let wanted = interpret(&sample.program, &sample.inputs, &sample.variables).unwrap();
        let plan = plan(&sample);
        same(&run(&plan, &sample, 0xff, false), &wanted, 2e-5, name);
    }
}

#[test]
fn nothing_is_read_before_it_is_written() {
    let random = (400..440).map(|seed| ("random", random(seed, false)));
    for (name, sample) in training_steps().into_iter().chain(random) {
        let plan = plan(&sample);
        let clean = run(&plan, &sample, 0, false);
        for poison in [0xff, 0x41] {
            assert_eq!(bits(&run(&plan, &sample, poison, false)), bits(&clean), "{name}, poison {poison:#x}");
        }
    }
}

#[test]
fn chunks_may_run_in_any_order() {
    let mut chunks = 0;
    let samples = [perceptron(300, 200, true), image_network(24), text_network(24, 7)];
    for sample in &samples {
        let plan = plan(sample);
        chunks += plan.steps.iter().flat_map(|step| &step.phases).filter(|&&chunks| chunks > 1).count();
        assert_eq!(bits(&run(&plan, sample, 0xff, true)), bits(&run(&plan, sample, 0xff, false)));
    }
    assert!(chunks > 10, "these programs hardly have chunks");
}

#[test]
fn memory_is_used_again() {
    // A long chain needs the memory of a few values, not of all.
    let mut graph = Graph::new();
    let x = graph.input(Spec::known(&[64, 64], DType::Float32));
    let weight = graph.constant(Array::zeros(&[64, 64], DType::Float32).unwrap());
    let mut y = x;
    for _ in 0..30 {
        y = graph.apply(op("matmul", &[]), &[y, weight]).unwrap();
    }
    let plan = Plan::new(&Program::new(graph, vec![y], Vec::new()), &[vec![64, 64]]).unwrap();
    let scratch: usize = plan.steps.iter().map(|step| step.scratch_bytes).max().unwrap();
    assert!(plan.arena_bytes <= 3 * 64 * 64 * 4 + scratch, "{} bytes", plan.arena_bytes);
}

#[test]
fn variables_are_written_last() {
    for (name, sample) in training_steps() {
        let plan = plan(&sample);
        let writes = |place: &ironhorn_engine::program::plan::Place| {
            matches!(place, ironhorn_engine::program::plan::Place::Variable(_))
        };
        let first = plan.steps.iter().position(|step| step.outputs.iter().any(writes)).unwrap();
        assert!(first >= plan.final_phase, "{name}: step {first} writes a variable before the final phase");
        assert_eq!(plan.written, (0..sample.variables.len()).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn fused_updates_write_in_place() {
    let plan = plan(&perceptron(7, 9, true));
    assert_eq!(plan.steps.len() - plan.final_phase, 1, "an update in place needs no write-back");
}

#[test]
fn an_output_that_reads_a_variable_sees_the_value_before_the_step() {
    let mut graph = Graph::new();
    let variable = graph.variable(Spec::known(&[3], DType::Float32));
    let gradient = graph.input(Spec::known(&[3], DType::Float32));
    let rate = graph.scalar(1.0, DType::Float32).unwrap();
    let new = graph
        .apply(
            op("rule_update", &[("rule", programs::text("sgd")), ("count", programs::Int(1))]),
            &[rate, variable, gradient],
        )
        .unwrap();
    let doubled = graph.scale(variable, 2.0).unwrap();
    let shown = graph.shift(new, 0.5).unwrap();
    let values = |numbers: &[f32]| Array::from_slice(&[3], numbers).unwrap();
    let sample = Sample {
        program: Program::new(graph, vec![variable, doubled, new, shown], vec![(0, new)]),
        inputs: vec![values(&[1.0, 1.0, 1.0])],
        variables: vec![values(&[1.0, 2.0, 3.0])],
    };
    let found = run(&plan(&sample), &sample, 0xff, false);
    let numbers: Vec<Vec<f64>> = found.outputs.iter().map(common::doubles).collect();
    assert_eq!(numbers, [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 2.0], [0.5, 1.5, 2.5]]);
    assert_eq!(common::doubles(&found.written[0].1), [0.0, 1.0, 2.0]);
}

#[test]
fn lengths_are_checked_when_a_plan_is_made() {
    let mut graph = Graph::new();
    let rows = Dim::fresh();
    let spec = |columns| Spec::new(Shape(vec![rows, Dim::Known(columns)]), DType::Float32);
    let (a, b) = (graph.input(spec(3)), graph.input(spec(3)));
    let sum = graph.elementwise(Scalar::Add, &[a, b]).unwrap();
    let program = Program::new(graph, vec![sum], Vec::new());
    assert!(Plan::new(&program, &[vec![4, 3], vec![4, 3]]).is_ok());
    let refused = |sizes: [Vec<usize>; 2]| match Plan::new(&program, &sizes) {
        Err(Error::Shape(text)) => text,
        other => panic!("{:?}", other.err()),
    };
    assert!(refused([vec![4, 3], vec![5, 3]]).contains("4 and 5"));
    assert!(refused([vec![4, 2], vec![4, 3]]).contains("(4, 2)"));
    assert!(refused([vec![4], vec![4, 3]]).contains("(4,)"));
}

#[test]
fn plans_of_nothing() {
    let sample = perceptron(3, 4, false);
    let program = passes::run(sample.program.clone()).unwrap();
    let plan = Plan::new(&program, &[vec![3, 12], vec![3]]).unwrap();
    assert!(plan.arena_bytes > 0);
    let mut graph = Graph::new();
    let x = graph.input(Spec::known(&[0, 3], DType::Float64));
    let y = graph.elementwise(Scalar::Exp, &[x]).unwrap();
    let nothing = Program::new(graph, vec![y], Vec::new());
    let found = evaluate(&nothing, &[Array::zeros(&[0, 3], DType::Float64).unwrap()]).unwrap();
    assert_eq!(found[0].sizes(), [0, 3]);
}
