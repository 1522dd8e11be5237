//! Optimizer updates, on arrays and in place on a program's variables.

use ironhorn_engine::core::{Array, DType, Error, Spec};
use ironhorn_engine::ops::update::rule_update::RuleUpdate;
use ironhorn_engine::ops::update::sum_of_squares::SumOfSquares;
use ironhorn_engine::ops::{Attribute, Attributes, Graph, Op, Real, Value};
use ironhorn_engine::program::plan::{Memory, Place};
use ironhorn_engine::program::{Plan, Program, gradients, passes};
use ironhorn_kernels::cpu::update::Rule;

use crate::check::{Lcg, assert_close, cast, numbers, run};

const RATE: f64 = 0.1;

fn update(rule: Rule, count: usize, options: &[f64], decay: &[f64]) -> RuleUpdate {
    let weight_decay = decay.iter().copied().map(Real).collect();
    RuleUpdate { weight_decay, ..RuleUpdate::new(rule, count, options) }
}

fn sgd(count: usize, momentum: f64, nesterov: bool, decay: &[f64]) -> RuleUpdate {
    match (momentum > 0.0, nesterov) {
        (false, _) => update(Rule::Sgd, count, &[], decay),
        (true, false) => update(Rule::Momentum, count, &[momentum], decay),
        (true, true) => update(Rule::Nesterov, count, &[momentum], decay),
    }
}

fn adam(count: usize, amsgrad: bool, decay: &[f64]) -> RuleUpdate {
    update(if amsgrad { Rule::AmsGrad } else { Rule::Adam }, count, &[0.9, 0.99, 1e-3], decay)
}

fn rate(dtype: DType) -> Array {
    Array::scalar(RATE, dtype).unwrap()
}

const SIZES: [&[usize]; 4] = [&[3, 5], &[], &[0, 4], &[40_000]];

/// `columns` lists of arrays of `SIZES`, with numbers of at least 0 from the list `from` on.
fn columns(random: &mut Lcg, columns: usize, from: usize, dtype: DType) -> Vec<Array> {
    let mut arrays = Vec::new();
    for column in 0..columns {
        for sizes in SIZES {
            let mut array = random.floats(sizes);
            if column >= from {
                array.make_mut::<f64>().unwrap().iter_mut().for_each(|x| *x = x.abs());
            }
            arrays.push(cast(&array, dtype));
        }
    }
    arrays
}

fn check(found: &[Array], expected: &[Vec<f64>], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_close(found, expected, tolerance, &format!("output {i}"));
    }
}

#[test]
fn sgd_follows_its_rule() {
    let mut random = Lcg(1);
    let decay = [0.0, 0.5, 0.1, 0.2];
    for (dtype, tolerance) in [(DType::Float64, 1e-14), (DType::Float32, 1e-6)] {
        for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
            let arrays = columns(&mut random, if momentum > 0.0 { 3 } else { 2 }, 9, dtype);
            let mut expected = vec![Vec::new(); arrays.len() - 4];
            for i in 0..4 {
                let column: Vec<Array> = arrays[i..].iter().step_by(4).cloned().collect();
                for row in rows(&column) {
                    let p = row[0] - row[0] * decay[i] * RATE;
                    let mut change = -RATE * row[1];
                    if momentum > 0.0 {
                        let m = momentum * row[2] - RATE * row[1];
                        expected[4 + i].push(m);
                        change = if nesterov { momentum * m - RATE * row[1] } else { m };
                    }
                    expected[i].push(p + change);
                }
            }
            for rate_dtype in [DType::Float32, DType::Float64] {
                let inputs: Vec<Array> = std::iter::once(rate(rate_dtype)).chain(arrays.iter().cloned()).collect();
                let found = run(sgd(4, momentum, nesterov, &decay), &inputs).unwrap();
                let tolerance = if rate_dtype == DType::Float32 { 1e-6f64.max(tolerance) } else { tolerance };
                check(&found, &expected, tolerance);
            }
        }
    }
}

#[test]
fn adam_follows_its_rule() {
    let mut random = Lcg(2);
    let decay = [0.1, 0.0, 0.0, 0.3];
    for (dtype, tolerance) in [(DType::Float64, 1e-13), (DType::Float32, 2e-6)] {
        for amsgrad in [false, true] {
            let arrays = columns(&mut random, if amsgrad { 5 } else { 4 }, 3, dtype);
            let step = 3;
            let alpha = RATE * (1.0 - 0.99f64.powi(step)).sqrt() / (1.0 - 0.9f64.powi(step));
            let mut expected = vec![Vec::new(); arrays.len() - 4];
            for i in 0..4 {
                let column: Vec<Array> = arrays[i..].iter().step_by(4).cloned().collect();
                for row in rows(&column) {
                    let (p, g) = (row[0], row[1]);
                    let m = row[2] + (g - row[2]) * 0.1;
                    let v = row[3] + (g * g - row[3]) * 0.01;
                    let mut root = v;
                    expected[4 + i].push(m);
                    expected[8 + i].push(v);
                    if amsgrad {
                        root = row[4].max(v);
                        expected[12 + i].push(root);
                    }
                    expected[i].push(p - p * decay[i] * RATE - m * alpha / (root.sqrt() + 1e-3));
                }
            }
            for step_dtype in [DType::Int32, DType::Int64, DType::Uint32] {
                let step = Array::scalar(f64::from(step), step_dtype).unwrap();
                let inputs: Vec<Array> = [rate(DType::Float64), step].into_iter().chain(arrays.clone()).collect();
                check(&run(adam(4, amsgrad, &decay), &inputs).unwrap(), &expected, tolerance);
            }
        }
    }
}

/// Element by element, what several arrays hold there.
fn rows(columns: &[Array]) -> Vec<Vec<f64>> {
    let columns: Vec<Vec<f64>> = columns.iter().map(numbers).collect();
    (0..columns[0].len()).map(|e| columns.iter().map(|column| column[e]).collect()).collect()
}

/// Runs a program on variables, which it writes.
fn run_on(program: &Program, variables: &mut [Array], inputs: &[Array]) -> Plan {
    let sizes: Vec<Vec<usize>> = inputs.iter().map(|input| input.sizes().to_vec()).collect();
    let plan = Plan::new(program, &sizes).unwrap();
    let mut arena = vec![0f64; plan.arena_bytes / 8 + 16];
    let addresses: Vec<*const u8> = inputs.iter().map(Array::as_ptr).collect();
    let variables: Vec<*mut u8> =
        variables.iter_mut().map(|v| v.make_mut::<f64>().unwrap().as_mut_ptr().cast()).collect();
    let start = arena.as_mut_ptr().cast::<u8>();
    let offset = start.align_offset(64);
    let memory = Memory {
        inputs: &addresses,
        variables: &variables,
        outputs: &[],
        prepared: &[],
        arena: start.wrapping_add(offset),
    };
    let mut ios = Vec::new();
    plan.resolve(&memory, &mut ios);
    // SAFETY: the variables are this function's own, the arena is long enough, and there are no outputs.
    unsafe { plan.run_here(&ios, || false).unwrap() };
    plan
}

#[test]
fn variables_are_updated_in_place() {
    let mut random = Lcg(3);
    let specs: Vec<Spec> = [&[4, 3][..], &[7]].iter().map(|sizes| Spec::known(sizes, DType::Float64)).collect();
    let mut graph = Graph::new();
    let variables: Vec<Value> = (0..4).map(|i| graph.variable(specs[i % 2].clone())).collect();
    let arriving: Vec<Value> = specs.iter().map(|spec| graph.input(spec.clone())).collect();
    let rate_value = graph.scalar(RATE, DType::Float64).unwrap();
    let (p, m) = variables.split_at(2);
    let operands: Vec<Value> = [&[rate_value], p, &arriving, m].concat();
    let op = sgd(2, 0.9, false, &[0.0, 0.0]);
    let made = graph.append(op.clone(), &operands).unwrap();
    let writes = made.into_iter().enumerate().collect();
    let program = passes::run(Program::new(graph, Vec::new(), writes)).unwrap();

    let mut held: Vec<Array> = (0..4).map(|i| random.floats(&specs[i % 2].shape.sizes().unwrap())).collect();
    let inputs: Vec<Array> = specs.iter().map(|spec| random.floats(&spec.shape.sizes().unwrap())).collect();
    let eager: Vec<Array> = [&[rate(DType::Float64)], &held[..2], &inputs, &held[2..]].concat();
    let expected: Vec<Vec<f64>> = run(op, &eager).unwrap().iter().map(numbers).collect();
    let plan = run_on(&program, &mut held, &inputs);
    check(&held, &expected, 0.0);
    assert_eq!(plan.steps.len(), 1, "no copies");
    assert_eq!(plan.steps[0].outputs, (0..4).map(Place::Variable).collect::<Vec<_>>());
    assert_eq!(plan.final_phase, 0);
}

#[test]
fn errors_name_the_variable() {
    let array = |sizes: &[usize]| Array::zeros(sizes, DType::Float32).unwrap();
    let text = |op: Op, inputs: &[Array]| run(op, inputs).unwrap_err().message().to_string();
    let plain = || Op::from(sgd(2, 0.0, false, &[0.0, 0.0]));
    let good = [rate(DType::Float32), array(&[2]), array(&[3]), array(&[2]), array(&[3])];
    assert!(run(plain(), &good).is_ok());
    let mut bad = good.clone();
    bad[4] = array(&[4]);
    assert!(text(plain(), &bad).contains("gradient 1 is float32(4,)"));
    bad[4] = Array::zeros(&[3], DType::Float64).unwrap();
    assert!(text(plain(), &bad).contains("gradient 1 is float64(3,); it must have type float32"));
    assert!(text(plain(), &good[..4]).contains("5 inputs in all, got 4"));
    let mut whole = good.clone();
    whole[0] = Array::scalar(1.0, DType::Int32).unwrap();
    assert!(text(plain(), &whole).contains("learning rate"));
    let halves: Vec<Array> = good.iter().map(|array| cast(array, DType::Float16)).collect();
    let halves = [&good[..1], &halves[1..]].concat();
    assert!(text(plain(), &halves).contains("float32 or float64, got float16"));
    let step = Array::scalar(1.0, DType::Float32).unwrap();
    let inputs: Vec<Array> = [good[0].clone(), step].into_iter().chain((0..4).map(|_| array(&[2]))).collect();
    assert!(text(adam(1, false, &[0.0]).into(), &inputs).contains("the step must be"));
}

#[test]
fn attributes() {
    let rule = |name: &str| {
        let name = Attribute::Text(name.to_string());
        Attributes::new().with("rule", name).with("count", Attribute::Int(2))
    };
    let decay = |decay: Vec<f64>| rule("sgd").with("weight_decay", Attribute::Floats(decay));
    assert_eq!(Op::parse("rule_update", decay(Vec::new())).unwrap(), sgd(2, 0.0, false, &[0.0, 0.0]).into());
    let wrong = |attributes: Attributes, text: &str| {
        let error = Op::parse("rule_update", attributes).unwrap_err();
        assert!(error.message().contains(text), "{error}");
    };
    wrong(decay(vec![0.1]), "1 numbers for 2 variables");
    wrong(rule("sgd_momentum"), "rule 'sgd_momentum' needs the number 'momentum'");
    wrong(rule("adamant"), "no rule 'adamant'; known are sgd,");
    wrong(rule("sgd").with("clip", Attribute::Float(0.0)), "clip must be above 0");
    wrong(rule("sgd").with("rho", Attribute::Float(0.9)), "no attribute 'rho'");
}

#[test]
fn gradients_are_scaled_and_clipped_and_averages_kept() {
    let mut random = Lcg(5);
    for dtype in [DType::Float32, DType::Float64] {
        for scales in [vec![0.5], vec![0.5, 1.0, 2.0, 0.25]] {
            let mut op = sgd(4, 0.0, false, &[0.0, 0.5, 0.0, 0.0]);
            (op.clip, op.scaled, op.averaged) = (Real(0.4), true, true);
            let arrays = columns(&mut random, 3, 9, dtype);
            let mut expected = vec![Vec::new(); 8];
            for i in 0..4 {
                let column: Vec<Array> = arrays[i..].iter().step_by(4).cloned().collect();
                for row in rows(&column) {
                    let gradient = (row[1] * scales[i.min(scales.len() - 1)]).clamp(-0.4, 0.4);
                    let p = row[0] * (1.0 - op.weight_decay[i].0 * RATE) - RATE * gradient;
                    expected[i].push(p);
                    expected[4 + i].push(0.75 * row[2] + 0.25 * p);
                }
            }
            let scale = match scales[..] {
                [scale] => Array::scalar(scale, DType::Float64).unwrap(),
                _ => Array::from_slice(&[4], &scales).unwrap(),
            };
            let kept = Array::scalar(0.75, DType::Float32).unwrap();
            let inputs: Vec<Array> = [rate(DType::Float64), scale, kept].into_iter().chain(arrays).collect();
            check(&run(op, &inputs).unwrap(), &expected, if dtype == DType::Float32 { 1e-6 } else { 1e-14 });
        }
    }
    let inputs = [rate(DType::Float64), Array::from_slice(&[2], &[1.0, 2.0]).unwrap()];
    let inputs: Vec<Array> = inputs.into_iter().chain((0..2).map(|_| random.floats(&[3]))).collect();
    let op = RuleUpdate { scaled: true, ..sgd(1, 0.0, false, &[0.0]) };
    assert!(run(op, &inputs).unwrap_err().message().contains("the scale must be one float32 or float64, or 1"));
}

#[test]
fn sums_of_squares_of_many_tensors() {
    let mut random = Lcg(6);
    for (dtype, tolerance) in [(DType::Float32, 1e-6), (DType::Float64, 1e-13)] {
        let arrays = columns(&mut random, 1, 9, dtype);
        let expected: Vec<f64> = arrays.iter().map(|x| numbers(x).iter().map(|x| x * x).sum()).collect();
        let found = run(SumOfSquares, &arrays).unwrap();
        for (found, expected) in numbers(&found[0]).iter().zip(expected) {
            assert!((found - expected).abs() <= tolerance * expected, "{found}, expected {expected}");
        }
    }
    let whole = Array::zeros(&[2], DType::Int32).unwrap();
    assert!(run(SumOfSquares, &[whole]).unwrap_err().message().contains("got int32(2,)"));
}

#[test]
fn there_is_no_derivative() {
    let mut graph = Graph::new();
    let spec = Spec::known(&[3], DType::Float64);
    let (p, g) = (graph.input(spec.clone()), graph.input(spec));
    let rate = graph.scalar(RATE, DType::Float64).unwrap();
    let made = graph.append(sgd(1, 0.0, false, &[0.0]), &[rate, p, g]).unwrap();
    let error = gradients(&mut graph, &[(made[0], None)], &[p]).unwrap_err();
    assert!(matches!(&error, Error::Unsupported(text) if text.contains("no derivative")), "{error}");
}
