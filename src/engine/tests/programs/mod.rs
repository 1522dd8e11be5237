//! Programs that tests of passes, plans and the executor share: random ones, and training steps as models trace them.
#![allow(dead_code, clippy::unwrap_used)]

use ironhorn_engine::core::{Array, DType, Dim, Result, Shape, Spec};
use ironhorn_engine::ops::gradients::gradients;
use ironhorn_engine::ops::reduce::ReduceKind;
use ironhorn_engine::ops::{Attribute, Attributes, Graph, Op, Producer, Value};
use ironhorn_engine::program::Program;
use ironhorn_engine::program::evaluate::evaluate_op;
use ironhorn_kernels::cpu::elementwise::Scalar;

use crate::common::Numbers;

pub use Attribute::{Bool, Int, Ints, Text};

/// An op by name and attributes.
pub fn op(name: &str, attributes: &[(&str, Attribute)]) -> Op {
    let attributes = attributes.iter().fold(Attributes::new(), |all, (key, value)| all.with(key, value.clone()));
    Op::parse(name, attributes).unwrap()
}

pub fn text(value: &str) -> Attribute {
    Text(value.to_string())
}

/// What a program gives: outputs, and what each written variable becomes.
pub struct Results {
    pub outputs: Vec<Array>,
    pub written: Vec<(usize, Array)>,
}

/// Runs a program of known shapes node by node, every value in memory of its own: the oracle for passes and plans.
pub fn interpret(program: &Program, inputs: &[Array], variables: &[Array]) -> Result<Results> {
    let graph = &program.graph;
    let mut values: Vec<Option<Array>> = graph
        .values
        .iter()
        .map(|info| match &info.producer {
            Producer::Input(index) => Some(inputs[*index].clone()),
            Producer::Variable(slot) => Some(variables[*slot].clone()),
            Producer::Constant(array) => Some(array.clone()),
            Producer::Node(..) => None,
        })
        .collect();
    for node in &graph.nodes {
        let operands: Vec<Array> = node.inputs.iter().map(|input| values[input.0 as usize].clone().unwrap()).collect();
        for (output, array) in node.outputs.iter().zip(evaluate_op(&node.op, &operands)?) {
            values[output.0 as usize] = Some(array);
        }
    }
    let get = |value: Value| values[value.0 as usize].clone().unwrap();
    Ok(Results {
        outputs: program.outputs.iter().map(|&value| get(value)).collect(),
        written: program.writes.iter().map(|&(slot, value)| (slot, get(value))).collect(),
    })
}

/// Float32 numbers between -1 and 1.
pub fn float32(numbers: &mut Numbers, sizes: &[usize]) -> Array {
    let count: usize = sizes.iter().product();
    let values: Vec<f32> = (0..count).map(|_| numbers.below(20_001) as f32 / 10_000.0 - 1.0).collect();
    Array::from_slice(sizes, &values).unwrap()
}

pub fn integers(numbers: &mut Numbers, sizes: &[usize], bound: usize) -> Array {
    let values: Vec<i32> = (0..sizes.iter().product()).map(|_| numbers.below(bound) as i32).collect();
    Array::from_slice(sizes, &values).unwrap()
}

/// A program and what it runs on.
pub struct Sample {
    pub program: Program,
    pub inputs: Vec<Array>,
    pub variables: Vec<Array>,
}

fn exactly_broadcast(a: &Shape, b: &Shape) -> bool {
    let one = Dim::Known(1);
    a.0.iter().rev().zip(b.0.iter().rev()).all(|(x, y)| x == y || *x == one || *y == one)
}

/// A random program of small float64 arrays: elementwise ops, broadcasts, reductions, products, movements, neutral
/// elements, repeated nodes and constants; with derivatives. `symbolic` makes the number of rows a symbol.
pub fn random(seed: u64, symbolic: bool) -> Sample {
    let mut numbers = Numbers(seed * 2 + 1);
    for _ in 0..4 {
        numbers.below(2);
    }
    let (rows, columns) = (2 + numbers.below(4), 2 + numbers.below(4));
    let mut graph = Graph::new();
    let row_dim = if symbolic { Dim::fresh() } else { Dim::Known(rows) };
    let x = graph.input(Spec::new(Shape(vec![row_dim, Dim::Known(columns)]), DType::Float64));
    let y = graph.input(Spec::new(Shape(vec![row_dim, Dim::Known(columns)]), DType::Float64));
    let row = graph.constant(numbers.float64(&[columns]));
    let single = graph.constant(numbers.float64(&[1]));
    let mut pool = vec![x, y, row, single];
    for _ in 0..(8 + numbers.below(25)) {
        grow(&mut graph, &mut numbers, &mut pool, symbolic).unwrap();
    }
    let last = *pool.last().unwrap();
    let bounded = graph.elementwise(Scalar::Tanh, &[last]).unwrap();
    let mut outputs = vec![pool[pool.len() / 2], bounded];
    let found = gradients(&mut graph, &[(bounded, None)], &[x, y]).unwrap();
    outputs.extend(found.into_iter().flatten());
    if numbers.below(3) == 0 {
        outputs.push(x);
        outputs.push(outputs[0]);
    }
    let inputs = vec![numbers.float64(&[rows, columns]), numbers.float64(&[rows, columns])];
    Sample { program: Program::new(graph, outputs, Vec::new()), inputs, variables: Vec::new() }
}

/// Appends one random op, or a pattern that some pass looks for.
fn grow(graph: &mut Graph, numbers: &mut Numbers, pool: &mut Vec<Value>, symbolic: bool) -> Result<()> {
    const UNARY: [Scalar; 8] = [
        Scalar::Tanh,
        Scalar::Sin,
        Scalar::Sigmoid,
        Scalar::Relu,
        Scalar::Negative,
        Scalar::Absolute,
        Scalar::Softplus,
        Scalar::Cos,
    ];
    const BINARY: [Scalar; 5] = [Scalar::Add, Scalar::Subtract, Scalar::Multiply, Scalar::Maximum, Scalar::Minimum];
    let a = pool[numbers.below(pool.len())];
    let partners: Vec<Value> =
        pool.iter().copied().filter(|&b| exactly_broadcast(graph.shape(a), graph.shape(b))).collect();
    let b = partners[numbers.below(partners.len())];
    let rank = graph.spec(a).rank();
    let made = match numbers.below(14) {
        0 | 1 => graph.elementwise(UNARY[numbers.below(UNARY.len())], &[a])?,
        2 | 3 => graph.elementwise(BINARY[numbers.below(BINARY.len())], &[a, b])?,
        4 => {
            let test = graph.elementwise(Scalar::Greater, &[a, b])?;
            graph.select(test, a, b)?
        }
        5 if rank > 0 => {
            let kind = [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max][numbers.below(3)];
            let axis = numbers.below(rank) as i64;
            graph.reduce(kind, a, &[axis], numbers.below(2) == 0)?
        }
        6 if rank == 2 => graph.transpose(a, &[1, 0])?,
        7 if rank == 2 => {
            let turned = graph.transpose(a, &[1, 0])?;
            let square = graph.apply(op("matmul", &[]), &[a, turned])?;
            graph.elementwise(Scalar::Tanh, &[square])?
        }
        8 if rank == 2 => {
            let inner = graph.shape(a).0[1].known();
            let Some(inner) = inner else { return Ok(()) };
            let weight = graph.constant(numbers.float64(&[inner, 3]));
            let bias = graph.constant(numbers.float64(&[3]));
            let product = graph.apply(op("matmul", &[]), &[a, weight])?;
            let shifted = if numbers.below(2) == 0 { graph.add(product, bias)? } else { graph.add(bias, product)? };
            if numbers.below(4) == 0 {
                pool.push(product);
            }
            graph.elementwise(Scalar::Relu, &[shifted])?
        }
        9 => match numbers.below(6) {
            0 => graph.scale(a, 1.0)?,
            1 => graph.shift(a, 0.0)?,
            2 => {
                let negative = graph.neg(a)?;
                graph.neg(negative)?
            }
            3 => graph.apply(op("stop_gradient", &[]), &[a])?,
            4 => {
                let narrow = graph.cast(a, DType::Float32)?;
                graph.cast(narrow, DType::Float64)?
            }
            _ => {
                let (zero, one) = (graph.scalar(0.0, DType::Float64)?, graph.scalar(1.0, DType::Float64)?);
                let sum = graph.add(zero, a)?;
                let ratio = graph.div(sum, one)?;
                graph.sub(ratio, zero)?
            }
        },
        10 if rank > 0 => {
            let wide = graph.broadcast_like(pool[3], a)?;
            graph.mul(wide, a)?
        }
        11 => {
            let (first, second) = (graph.elementwise(Scalar::Sin, &[a])?, graph.elementwise(Scalar::Sin, &[a])?);
            graph.mul(first, second)?
        }
        12 if rank == 2 && !symbolic => {
            let joined = graph.append(op("concatenate", &[("axis", Int(0))]), &[a, a])?[0];
            let attributes = [
                ("starts", Attribute::OptionalInts(vec![None, None])),
                ("stops", Attribute::OptionalInts(vec![None, None])),
                ("steps", Ints(vec![2, -1])),
            ];
            graph.apply(op("slice", &attributes), &[joined])?
        }
        13 if rank == 2 && !symbolic => {
            let flat = graph.apply(op("reshape", &[("shape", Ints(vec![-1]))]), &[a])?;
            let back = graph.reshape_like(flat, a)?;
            graph.add(back, a)?
        }
        _ => {
            let constant = graph.constant(Array::scalar(0.25, DType::Float64)?);
            let folded = graph.elementwise(Scalar::Exp, &[constant])?;
            graph.mul(a, folded)?
        }
    };
    // Sums and products grow; what is far from 0 is drawn back.
    let made = if numbers.below(3) == 0 { graph.elementwise(Scalar::Tanh, &[made])? } else { made };
    pool.push(made);
    Ok(())
}

/// Outputs, and what variables become.
type Built = Result<(Vec<Value>, Vec<(usize, Value)>)>;

/// `sum(loss)` and the update `p - 0.1 dp` of every variable, by the optimizer's op or by plain writes.
fn descend(graph: &mut Graph, loss: Value, fused: bool) -> Result<(Value, Vec<(usize, Value)>)> {
    let total = graph.reduce(ReduceKind::Mean, loss, &[0], false)?;
    let variables = graph.variables.clone();
    let found: Vec<Value> =
        gradients(graph, &[(total, None)], &variables)?.into_iter().map(|gradient| gradient.unwrap()).collect();
    let new = if fused {
        let rate = graph.scalar(0.1, DType::Float32)?;
        let update = op("rule_update", &[("rule", text("sgd")), ("count", Int(variables.len() as i64))]);
        let inputs: Vec<Value> = std::iter::once(rate).chain(variables.iter().copied()).chain(found).collect();
        graph.append(update, &inputs)?
    } else {
        let step = |graph: &mut Graph, (&variable, gradient): (&Value, Value)| {
            let scaled = graph.scale(gradient, 0.1)?;
            graph.sub(variable, scaled)
        };
        variables.iter().zip(found).map(|pair| step(graph, pair)).collect::<Result<Vec<_>>>()?
    };
    Ok((total, new.into_iter().enumerate().collect()))
}

/// `batch` rows through dense layers of `width`, a loss, its gradients, and the update.
pub fn perceptron(batch: usize, width: usize, fused: bool) -> Sample {
    let mut numbers = Numbers(11);
    let sizes = [vec![12, width], vec![width], vec![width, width], vec![width], vec![width, 5], vec![5]];
    let variables: Vec<Array> = sizes.iter().map(|sizes| float32(&mut numbers, sizes)).collect();
    let inputs = vec![float32(&mut numbers, &[batch, 12]), integers(&mut numbers, &[batch], 5)];
    let mut graph = Graph::new();
    let values: Vec<Value> = inputs.iter().map(|input| graph.input(input.spec())).collect();
    let slots: Vec<Value> = variables.iter().map(|variable| graph.variable(variable.spec())).collect();
    let build = |graph: &mut Graph| -> Built {
        let mut x = values[0];
        for layer in 0..3 {
            let product = graph.apply(op("matmul", &[]), &[x, slots[2 * layer]])?;
            x = graph.add(product, slots[2 * layer + 1])?;
            if layer < 2 {
                x = graph.elementwise([Scalar::Relu, Scalar::Tanh][layer], &[x])?;
            }
        }
        let loss = graph.apply(op("cross_entropy", &[("sparse", Bool(true))]), &[x, values[1]])?;
        let (total, writes) = descend(graph, loss, fused)?;
        Ok((vec![total, x], writes))
    };
    let (outputs, writes) = build(&mut graph).unwrap();
    Sample { program: Program::new(graph, outputs, writes), inputs, variables }
}

/// Images through two convolutions with batch normalisation and pooling.
pub fn image_network(batch: usize) -> Sample {
    let mut numbers = Numbers(5);
    let sizes = [vec![3, 3, 2, 8], vec![8], vec![8], vec![3, 3, 8, 6], vec![6], vec![6 * 3 * 3, 4]];
    let variables: Vec<Array> = sizes.iter().map(|sizes| float32(&mut numbers, sizes)).collect();
    let inputs = vec![float32(&mut numbers, &[batch, 12, 12, 2]), integers(&mut numbers, &[batch], 4)];
    let mut graph = Graph::new();
    let values: Vec<Value> = inputs.iter().map(|input| graph.input(input.spec())).collect();
    let slots: Vec<Value> = variables.iter().map(|variable| graph.variable(variable.spec())).collect();
    let conv = op("conv", &[("padding", text("same")), ("strides", Ints(vec![1, 1]))]);
    let pool = |kind| op("pool", &[("kind", text(kind)), ("window", Ints(vec![2, 2]))]);
    let build = |graph: &mut Graph| -> Built {
        let x = graph.apply(conv.clone(), &[values[0], slots[0]])?;
        let normal = graph.append(op("batch_norm_train", &[]), &[x, slots[1], slots[2]])?;
        let x = graph.elementwise(Scalar::Relu, &[normal[0]])?;
        let x = graph.apply(pool("max"), &[x])?;
        let x = graph.apply(conv.clone(), &[x, slots[3]])?;
        let x = graph.add(x, slots[4])?;
        let x = graph.elementwise(Scalar::Relu, &[x])?;
        let x = graph.apply(pool("average"), &[x])?;
        let x = graph.apply(op("reshape", &[("shape", Ints(vec![-1, 6 * 3 * 3]))]), &[x])?;
        let x = graph.apply(op("matmul", &[]), &[x, slots[5]])?;
        let loss = graph.apply(op("cross_entropy", &[("sparse", Bool(true))]), &[x, values[1]])?;
        let (total, writes) = descend(graph, loss, false)?;
        Ok((vec![total, normal[1], normal[2]], writes))
    };
    let (outputs, writes) = build(&mut graph).unwrap();
    Sample { program: Program::new(graph, outputs, writes), inputs, variables }
}

/// Words through an embedding and a masked LSTM.
pub fn text_network(batch: usize, time: usize) -> Sample {
    let mut numbers = Numbers(9);
    let (features, units) = (6, 8);
    let sizes =
        [vec![20, features], vec![features, 4 * units], vec![units, 4 * units], vec![4 * units], vec![units, 3]];
    let variables: Vec<Array> = sizes.iter().map(|sizes| float32(&mut numbers, sizes)).collect();
    let inputs = vec![integers(&mut numbers, &[batch, time], 20), integers(&mut numbers, &[batch], 3)];
    let mut graph = Graph::new();
    let values: Vec<Value> = inputs.iter().map(|input| graph.input(input.spec())).collect();
    let slots: Vec<Value> = variables.iter().map(|variable| graph.variable(variable.spec())).collect();
    let build = |graph: &mut Graph| -> Built {
        let zero = graph.constant(Array::scalar(0.0, DType::Int32)?);
        let mask = graph.elementwise(Scalar::NotEqual, &[values[0], zero])?;
        let words = graph.apply(op("take", &[("axis", Int(0))]), &[slots[0], values[0]])?;
        let state = graph.constant(Array::zeros(&[batch, units], DType::Float32)?);
        let lstm = op("lstm", &[("has_bias", Bool(true)), ("has_mask", Bool(true))]);
        let made = graph.append(lstm, &[words, state, state, slots[1], slots[2], slots[3], mask])?;
        let x = graph.apply(op("matmul", &[]), &[made[1], slots[4]])?;
        let loss = graph.apply(op("cross_entropy", &[("sparse", Bool(true))]), &[x, values[1]])?;
        let (total, writes) = descend(graph, loss, false)?;
        Ok((vec![total, x], writes))
    };
    let (outputs, writes) = build(&mut graph).unwrap();
    Sample { program: Program::new(graph, outputs, writes), inputs, variables }
}

/// Every element of both as doubles, close to each other.
pub fn assert_same(got: &Array, wanted: &Array, tolerance: f64, what: &str) {
    assert_eq!(got.spec(), wanted.spec(), "{what}");
    crate::common::assert_close(&crate::common::doubles(got), &crate::common::doubles(wanted), tolerance, what);
}
