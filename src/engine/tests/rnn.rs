//! Recurrent ops against their decompositions, gradients against finite differences.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Numbers, array, assert_close, check_gradients, decomposed, doubles, run};
use ironhorn_engine::core::{Array, DType, Dim, Shape, Spec};
use ironhorn_engine::ops::gradients::gradients;
use ironhorn_engine::ops::math::cast::Cast;
use ironhorn_engine::ops::rnn::gru::{Gru, GruCell};
use ironhorn_engine::ops::rnn::lstm::{Lstm, LstmCell};
use ironhorn_engine::ops::rnn::sequence::{Recurrence, Sequence};
use ironhorn_engine::ops::rnn::simple_rnn::SimpleCell;
use ironhorn_engine::ops::{Graph, Value};
use ironhorn_engine::program::Program;
use ironhorn_engine::program::evaluate::evaluate_op;
use ironhorn_engine::program::passes;
use ironhorn_engine::runtime::cancel::Interrupt;
use ironhorn_engine::runtime::compiled::Compiled;
use ironhorn_engine::runtime::variable::Variable;
use ironhorn_kernels::cpu::rnn::Activation;

fn sequence<R: Recurrence>(recurrence: R, bits: usize) -> Sequence<R> {
    Sequence {
        recurrence,
        has_bias: bits & 1 != 0,
        has_mask: bits & 2 != 0,
        go_backwards: bits & 4 != 0,
        zero_output_for_mask: bits & 8 != 0,
    }
}

fn lstm(bits: usize) -> Lstm {
    sequence(LstmCell, bits)
}

/// Calls `check` with every cell.
macro_rules! for_every_cell {
    ($bits:expr, $check:ident $(, $more:expr)*) => {
        $check(&sequence(LstmCell, $bits) $(, $more)*);
        $check(&sequence(GruCell { reset_after: true }, $bits) $(, $more)*);
        $check(&sequence(GruCell { reset_after: false }, $bits) $(, $more)*);
        $check(&sequence(SimpleCell { activation: Activation::Tanh }, $bits) $(, $more)*);
        $check(&sequence(SimpleCell { activation: Activation::Relu }, $bits) $(, $more)*);
    };
}

fn operands<R: Recurrence>(op: &Sequence<R>, batch: usize, time: usize, features: usize, units: usize) -> Vec<Array> {
    let mut numbers = Numbers(3);
    let width = op.cell().gates() * units;
    let mut operands = vec![numbers.float64(&[batch, time, features])];
    operands.extend((0..op.states()).map(|_| numbers.float64(&[batch, units])));
    operands.push(numbers.float64(&[features, width]));
    operands.push(numbers.float64(&[units, width]));
    if op.has_bias {
        let rows = op.cell().bias_rows();
        operands.push(if rows > 1 { numbers.float64(&[rows, width]) } else { numbers.float64(&[width]) });
    }
    if op.has_mask {
        let open: Vec<bool> = (0..batch * time).map(|_| numbers.below(3) > 0).collect();
        operands.push(array(&[batch, time], &open));
    }
    operands
}

fn check_definition<R: Recurrence>(sequence: &Sequence<R>) {
    for (batch, time, features, units) in [(2, 3, 2, 3), (3, 5, 4, 17), (1, 1, 1, 1)] {
        let inputs = operands(sequence, batch, time, features, units);
        let op = R::op(sequence.clone());
        let (got, wanted) = (evaluate_op(&op, &inputs).unwrap(), decomposed(&op, &inputs));
        for (i, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            assert_eq!(got.sizes(), wanted.sizes());
            assert_close(&doubles(got), &doubles(wanted), 1e-12, &format!("output {i} of {sequence:?}"));
        }
    }
}

#[test]
fn the_kernel_does_what_the_definition_says() {
    for bits in 0..16 {
        for_every_cell!(bits, check_definition);
    }
}

fn check_results<R: Recurrence>(op: &Sequence<R>, results: &[usize]) {
    let inputs = operands(op, 2, 3, 2, 2);
    let pick = |graph: &mut Graph, v: &[Value]| {
        let made = graph.append(R::op(op.clone()), v)?;
        Ok(results.iter().filter(|&&result| result < op.results()).map(|&result| made[result]).collect())
    };
    check_gradients(&inputs, pick, 1e-6);
}

#[test]
fn gradients_agree_with_differences() {
    for bits in 0..16 {
        for_every_cell!(bits, check_results, &[0, 1, 2]);
    }
    // Gradients that reach only one of the outputs.
    for kept in 0..2 {
        for_every_cell!(3, check_results, &[kept]);
    }
    check_results(&lstm(3), &[2]);
}

#[test]
fn the_gradient_of_one_operand_alone_is_the_same() {
    let lstm = lstm(1);
    let inputs = operands(&lstm, 7, 4, 3, 5);
    let alone = |parameters: &[usize]| {
        run(&inputs, |graph, v| {
            let made = graph.append(lstm.clone(), v)?;
            let sources: Vec<Value> = parameters.iter().map(|&i| v[i]).collect();
            Ok(gradients(graph, &[(made[0], None)], &sources)?.into_iter().flatten().collect())
        })
        .unwrap()
    };
    let all = alone(&[0, 1, 2, 3, 4, 5]);
    for (i, wanted) in all.iter().enumerate() {
        assert_eq!(doubles(&alone(&[i])[0]), doubles(wanted), "input {i}");
    }
}

fn check_second_derivatives<R: Recurrence>(op: &Sequence<R>) {
    let inputs = operands(op, 2, 2, 2, 2);
    let first = |graph: &mut Graph, v: &[Value]| {
        let made = graph.append(R::op(op.clone()), v)?;
        let targets = [(made[0], None), (made[op.states()], None)];
        Ok(gradients(graph, &targets, &v[..op.parameters()])?.into_iter().flatten().collect())
    };
    check_gradients(&inputs, first, 1e-5);
}

#[test]
fn second_derivatives_go_through_the_definition() {
    for_every_cell!(11, check_second_derivatives);
}

#[test]
fn sixteen_bit_floats_are_computed_in_float32() {
    let lstm = lstm(0);
    let cast =
        |array: &Array, dtype| evaluate_op(&Cast { dtype }.into(), std::slice::from_ref(array)).unwrap().remove(0);
    let half: Vec<Array> = operands(&lstm, 2, 3, 2, 3).iter().map(|array| cast(array, DType::Float16)).collect();
    let wide: Vec<Array> = half.iter().map(|array| cast(array, DType::Float32)).collect();
    let with_gradient = |inputs: &[Array]| {
        run(inputs, |graph, v| {
            let made = graph.append(lstm.clone(), v)?;
            let found = gradients(graph, &[(made[0], None)], v)?;
            Ok(made[..3].iter().copied().chain(found.into_iter().flatten()).collect())
        })
        .unwrap()
    };
    for (got, wanted) in with_gradient(&half).iter().zip(with_gradient(&wide)) {
        assert_eq!(got.dtype(), DType::Float16);
        assert_close(&doubles(got), &doubles(&wanted), 4e-3, "float16");
    }
}

#[test]
fn zero_sizes() {
    let lstm = lstm(3);
    for (batch, time, features, units) in [(0, 3, 2, 2), (2, 0, 2, 2), (2, 3, 0, 2)] {
        let inputs = operands(&lstm, batch, time, features, units);
        let made = evaluate_op(&lstm.clone().into(), &inputs).unwrap();
        assert_eq!(made[0].sizes(), [batch, time, units]);
        if time == 0 {
            assert_eq!((doubles(&made[1]), doubles(&made[2])), (doubles(&inputs[1]), doubles(&inputs[2])));
        }
        check_gradients(&inputs, |graph, v| Ok(graph.append(lstm.clone(), v)?[..3].to_vec()), 1e-6);
    }
}

#[test]
fn batch_and_time_may_be_symbols_and_inference_saves_nothing() {
    let lstm = lstm(1);
    let (batch, time) = (Dim::fresh(), Dim::fresh());
    let spec = |dims: &[Dim]| Spec::new(Shape(dims.to_vec()), DType::Float64);
    let known = Dim::Known;
    let mut graph = Graph::new();
    let v: Vec<Value> = [
        spec(&[batch, time, known(2)]),
        spec(&[batch, known(3)]),
        spec(&[batch, known(3)]),
        spec(&[known(2), known(12)]),
        spec(&[known(3), known(12)]),
        spec(&[known(12)]),
    ]
    .map(|spec| graph.input(spec))
    .to_vec();
    let made = graph.append(lstm.clone(), &v).unwrap();
    assert_eq!(*graph.shape(made[0]), Shape(vec![batch, time, known(3)]));
    let program = passes::run(Program::new(graph, vec![made[1]], Vec::new())).unwrap();
    for (batch, time) in [(1, 4), (5, 2)] {
        let inputs = operands(&lstm, batch, time, 2, 3);
        let sizes: Vec<Vec<usize>> = inputs.iter().map(|input| input.sizes().to_vec()).collect();
        let plan = ironhorn_engine::program::Plan::new(&program, &sizes).unwrap();
        assert!(plan.arena_bytes <= plan.steps[0].prepared_bytes.next_multiple_of(64), "only the packed weights");
        let last = ironhorn_engine::program::evaluate::evaluate(&program, &inputs).unwrap();
        assert_eq!(doubles(&last[0]), doubles(&evaluate_op(&lstm.clone().into(), &inputs).unwrap()[1]));
    }
}

#[test]
fn errors_name_what_does_not_fit() {
    let lstm = lstm(2);
    let refuse = |change: &dyn Fn(&mut Vec<Array>)| {
        let mut inputs = operands(&lstm, 2, 3, 4, 5);
        change(&mut inputs);
        evaluate_op(&lstm.clone().into(), &inputs).unwrap_err().message().to_string()
    };
    assert_eq!(
        refuse(&|v| v[0] = Array::zeros(&[2, 4], DType::Float64).unwrap()),
        "lstm: takes sequences of shape (batch, time, features), got (2, 4)"
    );
    assert_eq!(
        refuse(&|v| v[3] = Array::zeros(&[3, 20], DType::Float64).unwrap()),
        "lstm: the kernel must have shape (4, 20) beside sequences of shape (2, 3, 4), got (3, 20)"
    );
    assert_eq!(
        refuse(&|v| v[5] = Array::zeros(&[2, 3], DType::Float64).unwrap()),
        "lstm: the mask must be boolean, got float64"
    );
    assert_eq!(
        refuse(&|v| v[1] = Array::zeros(&[2, 5], DType::Float32).unwrap()),
        "lstm: inputs have types float64 and float32; cast them to one type"
    );
    let gru: Gru = sequence(GruCell { reset_after: true }, 1);
    let mut inputs = operands(&gru, 2, 3, 4, 5);
    inputs[4] = Array::zeros(&[15], DType::Float64).unwrap();
    assert_eq!(
        evaluate_op(&gru.into(), &inputs).unwrap_err().message(),
        "gru: the bias must have shape (2, 15) beside sequences of shape (2, 3, 4), got (15,)"
    );
}

/// Weights that are variables are packed once, and again when one of them was assigned.
fn check_prepared<R: Recurrence>(sequence: &Sequence<R>) {
    let mut operands = operands(sequence, 3, 4, 5, 17);
    let op = R::op(sequence.clone());
    let weights = sequence.kernel()..sequence.bias().unwrap_or(sequence.recurrent()) + 1;
    let mut graph = Graph::new();
    let values: Vec<Value> = operands
        .iter()
        .enumerate()
        .map(|(i, array)| if weights.contains(&i) { graph.variable(array.spec()) } else { graph.input(array.spec()) })
        .collect();
    let y = graph.append(op.clone(), &values).unwrap()[0];
    let variables = operands[weights.clone()].iter().map(|array| Variable::new(array.clone())).collect();
    let compiled = Compiled::new(Program::new(graph, vec![y], Vec::new()), variables, "test").unwrap();
    let others: Vec<usize> = (0..operands.len()).filter(|i| !weights.contains(i)).collect();
    let sizes: Vec<Vec<usize>> = others.iter().map(|&i| operands[i].sizes().to_vec()).collect();
    assert_eq!(compiled.plan(&sizes).unwrap().steps[0].phases[0], 0, "weights are packed in every run");
    for changed in std::iter::once(None).chain(weights.clone().map(Some)) {
        if let Some(changed) = changed {
            operands[changed] = Numbers(50).float64(operands[changed].sizes());
            compiled.variables()[changed - weights.start].set(operands[changed].clone()).unwrap();
        }
        let wanted = evaluate_op(&op, &operands).unwrap();
        let inputs: Vec<Array> = others.iter().map(|&i| operands[i].clone()).collect();
        for _ in 0..2 {
            let mut never = || false;
            let found = compiled.run(&inputs, &mut Interrupt::new(&mut never)).unwrap();
            assert_eq!(found[0].bytes(), wanted[0].bytes(), "{sequence:?} after a change of {changed:?}");
        }
    }
}

#[test]
fn packed_weights_follow_variables() {
    for bits in [0, 1] {
        for_every_cell!(bits, check_prepared);
    }
}
