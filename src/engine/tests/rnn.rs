//! The LSTM op against its decomposition, gradients against finite differences.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Numbers, array, assert_close, check_gradients, decomposed, doubles, run};
use ironhorn_engine::core::{Array, DType, Dim, Shape, Spec};
use ironhorn_engine::ops::gradients::gradients;
use ironhorn_engine::ops::math::cast::Cast;
use ironhorn_engine::ops::rnn::lstm::Lstm;
use ironhorn_engine::ops::{Graph, Op, Value};
use ironhorn_engine::program::Program;
use ironhorn_engine::program::evaluate::evaluate_op;
use ironhorn_engine::program::passes;

/// Every combination of attributes.
fn variants() -> impl Iterator<Item = Lstm> {
    (0..16).map(|bits| Lstm {
        has_bias: bits & 1 != 0,
        has_mask: bits & 2 != 0,
        go_backwards: bits & 4 != 0,
        zero_output_for_mask: bits & 8 != 0,
    })
}

fn operands(lstm: &Lstm, batch: usize, time: usize, features: usize, units: usize) -> Vec<Array> {
    let mut numbers = Numbers(3);
    let mut operands = vec![
        numbers.float64(&[batch, time, features]),
        numbers.float64(&[batch, units]),
        numbers.float64(&[batch, units]),
        numbers.float64(&[features, 4 * units]),
        numbers.float64(&[units, 4 * units]),
    ];
    if lstm.has_bias {
        operands.push(numbers.float64(&[4 * units]));
    }
    if lstm.has_mask {
        let open: Vec<bool> = (0..batch * time).map(|_| numbers.below(3) > 0).collect();
        operands.push(array(&[batch, time], &open));
    }
    operands
}

#[test]
fn the_kernel_does_what_the_definition_says() {
    for lstm in variants() {
        for (batch, time, features, units) in [(2, 3, 2, 3), (3, 5, 4, 17), (1, 1, 1, 1)] {
            let inputs = operands(&lstm, batch, time, features, units);
            let op: Op = lstm.clone().into();
            let (got, wanted) = (evaluate_op(&op, &inputs).unwrap(), decomposed(&op, &inputs));
            for (i, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
                assert_eq!(got.sizes(), wanted.sizes());
                assert_close(&doubles(got), &doubles(wanted), 1e-12, &format!("output {i} of {lstm:?}"));
            }
        }
    }
}

#[test]
fn gradients_agree_with_differences() {
    for lstm in variants() {
        let inputs = operands(&lstm, 2, 3, 2, 2);
        check_gradients(&inputs, |graph, v| Ok(graph.append(lstm.clone(), v)?[..3].to_vec()), 1e-6);
    }
    // Gradients that reach only one of the outputs.
    let lstm = Lstm { has_bias: true, has_mask: true, go_backwards: false, zero_output_for_mask: false };
    for kept in 0..3 {
        let inputs = operands(&lstm, 2, 3, 2, 2);
        check_gradients(&inputs, |graph, v| Ok(vec![graph.append(lstm.clone(), v)?[kept]]), 1e-6);
    }
}

#[test]
fn the_gradient_of_one_operand_alone_is_the_same() {
    let lstm = Lstm { has_bias: true, has_mask: false, go_backwards: false, zero_output_for_mask: false };
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

#[test]
fn second_derivatives_go_through_the_definition() {
    let lstm = Lstm { has_bias: true, has_mask: true, go_backwards: false, zero_output_for_mask: true };
    let inputs = operands(&lstm, 2, 2, 2, 2);
    check_gradients(
        &inputs,
        |graph, v| {
            let made = graph.append(lstm.clone(), v)?;
            Ok(gradients(graph, &[(made[0], None), (made[2], None)], &v[..6])?.into_iter().flatten().collect())
        },
        1e-5,
    );
}

#[test]
fn sixteen_bit_floats_are_computed_in_float32() {
    let lstm = Lstm { has_bias: false, has_mask: false, go_backwards: false, zero_output_for_mask: false };
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
    let lstm = Lstm { has_bias: true, has_mask: true, go_backwards: false, zero_output_for_mask: false };
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
    let lstm = Lstm { has_bias: true, has_mask: false, go_backwards: false, zero_output_for_mask: false };
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
        assert!(plan.arena_bytes <= plan.steps[0].scratch_bytes.next_multiple_of(64), "only the packed weights");
        let last = ironhorn_engine::program::evaluate::evaluate(&program, &inputs).unwrap();
        assert_eq!(doubles(&last[0]), doubles(&evaluate_op(&lstm.clone().into(), &inputs).unwrap()[1]));
    }
}

#[test]
fn errors_name_what_does_not_fit() {
    let lstm = Lstm { has_bias: false, has_mask: true, go_backwards: false, zero_output_for_mask: false };
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
}
