//! Loops and choices: against the same ops unrolled, and gradients against finite differences.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Numbers, array, assert_close, check_gradients, doubles, program, run};
use ironhorn_engine::core::{Array, DType, Dim, Result, Shape, Spec};
use ironhorn_engine::ops::control::body::Body;
use ironhorn_engine::ops::control::cond::Cond;
use ironhorn_engine::ops::control::scan::Scan;
use ironhorn_engine::ops::control::while_loop::WhileLoop;
use ironhorn_engine::ops::gradients::gradients;
use ironhorn_engine::ops::linalg::matmul::MatMul;
use ironhorn_engine::ops::shape::broadcast::Broadcast;
use ironhorn_engine::ops::{Graph, Op, Value};
use ironhorn_engine::program::evaluate::{evaluate, evaluate_op};
use ironhorn_engine::program::{Program, passes};
use ironhorn_engine::runtime::eager;
use ironhorn_engine::runtime::recorder::{GradientSource, Mode, Operand, Recorder};
use ironhorn_kernels::cpu::elementwise::Scalar;

fn body(specs: &[Spec], write: impl FnOnce(&mut Graph, &[Value]) -> Result<Vec<Value>>) -> Body {
    let Program { graph, outputs, .. } = program(specs, write).unwrap();
    Body::new(graph, outputs).unwrap()
}

fn product(graph: &mut Graph, a: Value, b: Value) -> Result<Value> {
    graph.apply(MatMul::default(), &[a, b])
}

/// `h = tanh(h w + x)`, `y = h * x`: one step of a small recurrent layer.
fn step(graph: &mut Graph, v: &[Value]) -> Result<Vec<Value>> {
    let (h, x, w) = (v[0], v[1], v[2]);
    let moved = product(graph, h, w)?;
    let sum = graph.add(moved, x)?;
    let h = graph.elementwise(Scalar::Tanh, &[sum])?;
    let y = graph.mul(h, x)?;
    Ok(vec![h, y])
}

/// A scan of `step` over rows of shape `(batch, 3)`.
fn recurrent(batch: Dim, length: Dim, reverse: bool) -> Scan {
    let row = Spec::new(Shape(vec![batch, Dim::Known(3)]), DType::Float64);
    let body = body(&[row.clone(), row, Spec::known(&[3, 3], DType::Float64)], step);
    Scan { body, carries: 1, sequences: 1, length, reverse }
}

fn operands(time: usize) -> Vec<Array> {
    let mut numbers = Numbers(time as u64);
    vec![numbers.float64(&[2, 3]), numbers.float64(&[time, 2, 3]), numbers.float64(&[3, 3])]
}

/// The rows of a `(time, 2, 3)` array.
fn row(x: &Array, t: usize) -> Array {
    array(&[2, 3], &x.values::<f64>().unwrap()[t * 6..(t + 1) * 6])
}

#[test]
fn a_scan_does_its_steps_in_order() {
    for reverse in [false, true] {
        let inputs = operands(4);
        let made = evaluate_op(&recurrent(2.into(), 4.into(), reverse).into(), &inputs).unwrap();
        let (mut h, mut ys, mut history) = (inputs[0].clone(), vec![Vec::new(); 4], vec![Vec::new(); 4]);
        for t in 0..4 {
            let t = if reverse { 3 - t } else { t };
            history[t] = doubles(&h);
            let made = run(&[h, row(&inputs[1], t), inputs[2].clone()], step).unwrap();
            h = made[0].clone();
            ys[t] = doubles(&made[1]);
        }
        assert_close(&doubles(&made[0]), &doubles(&h), 1e-12, "last carry");
        assert_close(&doubles(&made[1]), &ys.concat(), 1e-12, "stacked outputs");
        assert_close(&doubles(&made[2]), &history.concat(), 1e-12, "history");
    }
}

#[test]
fn only_what_is_read_is_made() {
    let inputs = operands(3);
    let all = evaluate_op(&recurrent(2.into(), 3.into(), false).into(), &inputs).unwrap();
    for (kept, wanted) in all.iter().enumerate() {
        let scan = recurrent(2.into(), 3.into(), false);
        let one = run(&inputs, |graph, v| Ok(vec![graph.append(scan, v)?[kept]])).unwrap();
        assert_eq!(doubles(&one[0]), doubles(wanted), "output {kept}");
    }
}

#[test]
fn no_steps_leave_the_carry() {
    let made = evaluate_op(&recurrent(2.into(), 0.into(), false).into(), &operands(0)).unwrap();
    assert_eq!(doubles(&made[0]), doubles(&operands(0)[0]));
    assert_eq!((made[1].sizes(), made[2].sizes()), (&[0, 2, 3][..], &[0, 2, 3][..]));
    check_gradients(
        &operands(0),
        |graph, v| Ok(graph.append(recurrent(2.into(), 0.into(), false), v)?[..2].to_vec()),
        1e-8,
    );
}

#[test]
fn gradients_of_a_scan_agree_with_differences() {
    for reverse in [false, true] {
        let scan = recurrent(2.into(), 4.into(), reverse);
        check_gradients(&operands(4), |graph, v| Ok(graph.append(scan.clone(), v)?[..2].to_vec()), 1e-6);
        // The history is an output like others: what second derivatives read.
        check_gradients(&operands(4), |graph, v| graph.append(scan.clone(), v), 1e-6);
    }
}

#[test]
fn second_derivatives_of_a_scan_agree_with_differences() {
    let scan = recurrent(2.into(), 3.into(), false);
    check_gradients(
        &operands(3),
        |graph, v| {
            let made = graph.append(scan.clone(), v)?;
            let found = gradients(graph, &[(made[0], None), (made[1], None)], v)?;
            Ok(found.into_iter().flatten().collect())
        },
        1e-6,
    );
}

#[test]
fn one_program_serves_many_lengths() {
    let (batch, time) = (Dim::fresh(), Dim::fresh());
    let spec = |dims: &[Dim]| Spec::new(Shape(dims.to_vec()), DType::Float64);
    let three = Dim::Known(3);
    let specs = [spec(&[batch, three]), spec(&[time, batch, three]), spec(&[three, three])];
    let write = |graph: &mut Graph, v: &[Value]| {
        let made = graph.append(recurrent(batch, time, false), v)?;
        let found = gradients(graph, &[(made[1], None)], v)?;
        Ok(made[..2].iter().copied().chain(found.into_iter().flatten()).collect())
    };
    let traced = passes::run(program(&specs, write).unwrap()).unwrap();
    for length in [1, 5] {
        let inputs = operands(length);
        let got = evaluate(&traced, &inputs).unwrap();
        let wanted = run(&inputs, |graph, v| {
            let made = graph.append(recurrent(2.into(), length.into(), false), v)?;
            let found = gradients(graph, &[(made[1], None)], v)?;
            Ok(made[..2].iter().copied().chain(found.into_iter().flatten()).collect())
        });
        for (got, wanted) in got.iter().zip(wanted.unwrap()) {
            assert_close(&doubles(got), &doubles(&wanted), 1e-12, "a symbolic length");
        }
    }
}

#[test]
fn a_body_may_use_lengths_of_the_program_around_it() {
    // c_next = c + broadcast(1, (rows,)), where only the outer program knows how long `rows` is.
    let rows = Dim::fresh();
    let carry = Spec::new(Shape(vec![rows]), DType::Float64);
    let body = body(std::slice::from_ref(&carry), |graph, v| {
        let one = graph.scalar(1.0, DType::Float64)?;
        let ones = graph.apply(Broadcast { shape: vec![rows] }, &[one])?;
        Ok(vec![graph.add(v[0], ones)?])
    });
    let scan = Scan { body, carries: 1, sequences: 0, length: 3.into(), reverse: false };
    let program = program(&[carry], |graph, v| Ok(graph.append(scan, v)?[..1].to_vec())).unwrap();
    let made = evaluate(&passes::run(program).unwrap(), &[array(&[2], &[0f64, 10.])]).unwrap();
    assert_eq!(doubles(&made[0]), [3., 13.]);
}

#[test]
fn integers_are_carried_and_have_no_gradient() {
    let specs = [Spec::scalar(DType::Int32), Spec::scalar(DType::Float64), Spec::scalar(DType::Float64)];
    let body = body(&specs, |graph, v| {
        let count = graph.shift(v[0], 1.0)?;
        let number = graph.cast(count, DType::Float64)?;
        let grown = graph.mul(v[1], v[2])?;
        Ok(vec![count, graph.add(grown, number)?])
    });
    let scan = Scan { body, carries: 2, sequences: 0, length: 3.into(), reverse: false };
    let inputs = [array(&[], &[0i32]), array(&[], &[0.5f64]), array(&[], &[2f64])];
    let made = evaluate_op(&scan.clone().into(), &inputs).unwrap();
    assert_eq!((doubles(&made[0]), doubles(&made[1])), (vec![3.0], vec![15.0]));
    check_gradients(&inputs, |graph, v| Ok(vec![graph.append(scan.clone(), v)?[1]]), 1e-6);
}

#[test]
fn scans_nest() {
    let mut numbers = Numbers(8);
    let inputs = [numbers.float64(&[2, 3]), numbers.float64(&[2, 4, 2, 3]), numbers.float64(&[3, 3])];
    let inner = recurrent(2.into(), 4.into(), true);
    let specs = [[2, 3].as_slice(), &[4, 2, 3], &[3, 3]].map(|sizes| Spec::known(sizes, DType::Float64));
    let outer = Scan {
        body: body(&specs, |graph, v| Ok(graph.append(inner, v)?[..2].to_vec())),
        carries: 1,
        sequences: 1,
        length: 2.into(),
        reverse: false,
    };
    check_gradients(&inputs, |graph, v| Ok(graph.append(outer.clone(), v)?[..2].to_vec()), 1e-6);
}

#[test]
fn errors_say_what_does_not_fit() {
    let scan = recurrent(2.into(), 4.into(), false);
    let error = evaluate_op(&scan.into(), &operands(3)).unwrap_err();
    assert_eq!(
        error.message(),
        "scan: sequences of a scan have lengths 4 and 3; all of them, and `length`, must be the same"
    );
    let spec = Spec::known(&[2], DType::Float32);
    let body = body(std::slice::from_ref(&spec), |graph, v| Ok(vec![graph.cast(v[0], DType::Float64)?]));
    let scan = Scan { body, carries: 1, sequences: 0, length: 2.into(), reverse: false };
    let error = evaluate_op(&scan.into(), &[array(&[2], &[0f32; 2])]).unwrap_err();
    assert_eq!(
        error.message(),
        "scan: carry 0 starts as float32(2,) and is float64(2,) after one step; every step must return carries of the same \
         shapes and types"
    );
}

/// `x > 0 ? tanh(x w) : x * x`, both of shape (3,); the second does not read `w`.
fn choice() -> Cond {
    let specs = [Spec::known(&[3], DType::Float64), Spec::known(&[3], DType::Float64)];
    let on_true = body(&specs, |graph, v| {
        let product = graph.mul(v[0], v[1])?;
        Ok(vec![graph.elementwise(Scalar::Tanh, &[product])?, v[0]])
    });
    let on_false = body(&specs, |graph, v| Ok(vec![graph.mul(v[0], v[0])?, v[0]]));
    Cond::new(on_true, on_false)
}

#[test]
fn a_cond_runs_one_of_two() {
    let (x, w) = (array(&[3], &[1f64, 2., 3.]), array(&[3], &[0.5f64; 3]));
    for (condition, wanted) in [(true, [0.5f64, 1.0, 1.5].map(f64::tanh)), (false, [1., 4., 9.])] {
        let inputs = [array(&[], &[condition]), x.clone(), w.clone()];
        let made = evaluate_op(&choice().into(), &inputs).unwrap();
        assert_close(&doubles(&made[0]), &wanted, 1e-12, "cond");
        check_gradients(&inputs, |graph, v| graph.append(choice(), v), 1e-6);
        check_gradients(&inputs, |graph, v| Ok(vec![graph.append(choice(), v)?[1]]), 1e-6);
        check_gradients(
            &inputs,
            |graph, v| {
                let made = graph.append(choice(), v)?;
                Ok(gradients(graph, &[(made[0], None)], &v[1..])?.into_iter().flatten().collect())
            },
            1e-6,
        );
    }
    let error = evaluate_op(&choice().into(), &[array(&[1], &[true]), x, w]).unwrap_err();
    assert_eq!(error.message(), "cond: the condition must be a boolean scalar, got bool(1,)");
}

#[test]
fn branches_must_agree() {
    let spec = Spec::known(&[3], DType::Float64);
    let same = body(std::slice::from_ref(&spec), |_, v| Ok(v.to_vec()));
    let first = body(std::slice::from_ref(&spec), |graph, v| {
        Ok(vec![graph.reduce(ironhorn_engine::ops::reduce::ReduceKind::Sum, v[0], &[0], false)?])
    });
    let cond = Cond::new(same, first);
    let error = evaluate_op(&cond.into(), &[array(&[], &[true]), array(&[3], &[0f64; 3])]).unwrap_err();
    assert_eq!(
        error.message(),
        "cond: one function returns float64(3,) and the other float64(); both must return the same shapes and types"
    );
}

#[test]
fn a_tape_differentiates_scans_of_arrays() {
    let inputs = operands(3);
    let op: Op = recurrent(2.into(), 3.into(), false).into();
    let tape = Recorder::new(Mode::Tape);
    let watched: Vec<Operand> =
        inputs.iter().map(|input| tape.watch(&Operand::eager(input.clone())).unwrap()).collect();
    let made = eager::apply(&op, &inputs, "").unwrap();
    let made = tape.remember(op.clone(), &watched, made).unwrap();
    let sources: Vec<GradientSource> = watched.iter().cloned().map(GradientSource::Operand).collect();
    let found = tape.gradients(&[(made[1].clone(), None)], &sources).unwrap();
    let wanted = run(&inputs, |graph, v| {
        let made = graph.append(op, v)?;
        Ok(gradients(graph, &[(made[1], None)], v)?.into_iter().flatten().collect())
    });
    for (got, wanted) in found.into_iter().zip(wanted.unwrap()) {
        assert_close(&doubles(&got.unwrap().array.unwrap()), &doubles(&wanted), 1e-12, "on a tape");
    }
}

/// Doubles `x` and counts while its sum is below `bound`: carries `x` and the count, the bound is captured.
fn doubling(limit: Option<u64>) -> WhileLoop {
    let specs = [Spec::known(&[2], DType::Float64), Spec::scalar(DType::Int32), Spec::scalar(DType::Float64)];
    let condition = body(&specs, |graph, v| {
        let sum = graph.reduce(ironhorn_engine::ops::reduce::ReduceKind::Sum, v[0], &[0], false)?;
        Ok(vec![graph.elementwise(Scalar::Less, &[sum, v[2]])?])
    });
    let body = body(&specs, |graph, v| Ok(vec![graph.scale(v[0], 2.0)?, graph.shift(v[1], 1.0)?]));
    WhileLoop { condition, body, carries: 2, limit }
}

#[test]
fn a_while_loop_goes_on_while_its_condition_holds() {
    let inputs = |bound: f64| [array(&[2], &[1f64, 2.]), array(&[], &[0i32]), array(&[], &[bound])];
    for (bound, limit, steps) in
        [(20.0, None, 3), (0.0, None, 0), (1e9, Some(5), 5), (20.0, Some(0), 0), (5.0, Some(9), 1)]
    {
        let made = evaluate_op(&doubling(limit).into(), &inputs(bound)).unwrap();
        let factor = f64::from(1 << steps);
        assert_eq!((doubles(&made[0]), doubles(&made[1])), (vec![factor, 2.0 * factor], vec![f64::from(steps)]));
    }
    let one = run(&inputs(20.0), |graph, v| Ok(vec![graph.append(doubling(None), v)?[1]])).unwrap();
    assert_eq!(doubles(&one[0]), [3.0]);
    let error = run(&inputs(20.0), |graph, v| {
        let made = graph.append(doubling(None), v)?;
        Ok(gradients(graph, &[(made[0], None)], &v[..1])?.into_iter().flatten().collect())
    });
    assert!(error.unwrap_err().message().contains("a while_loop has no derivative"));
}

#[test]
fn a_while_loop_with_a_limit_has_derivatives() {
    // x <- sin(x) * w, at most five times, while sum(x) is below the bound: it ends after some steps, at once, or never.
    let specs = [Spec::known(&[2], DType::Float64), Spec::known(&[2], DType::Float64), Spec::scalar(DType::Float64)];
    let condition = body(&specs, |graph, v| {
        let sum = graph.reduce(ironhorn_engine::ops::reduce::ReduceKind::Sum, v[0], &[0], false)?;
        Ok(vec![graph.elementwise(Scalar::Less, &[sum, v[2]])?])
    });
    let body = body(&specs, |graph, v| {
        let sine = graph.elementwise(Scalar::Sin, &[v[0]])?;
        Ok(vec![graph.mul(sine, v[1])?])
    });
    let op = WhileLoop { condition, body, carries: 1, limit: Some(5) };
    for bound in [1.9, 0.0, 100.0] {
        let inputs = [array(&[2], &[0.5f64, 0.7]), array(&[2], &[1.5f64, 1.7]), array(&[], &[bound])];
        check_gradients(&inputs, |graph, v| graph.append(op.clone(), v), 1e-6);
        check_gradients(
            &inputs,
            |graph, v| {
                let made = graph.append(op.clone(), v)?;
                Ok(gradients(graph, &[(made[0], None)], &v[..2])?.into_iter().flatten().collect())
            },
            1e-5,
        );
    }
}
