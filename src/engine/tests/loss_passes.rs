//! The pass that makes one node of a training step's end: softmax, loss, gradient and hits, as models record them.
#![allow(clippy::unwrap_used)]

mod common;
mod programs;

use common::{Numbers, doubles};
use ironhorn_engine::core::{Array, DType, Dim, Shape, Spec};
use ironhorn_engine::ops::gradients::gradients;
use ironhorn_engine::ops::math::cast::Cast;
use ironhorn_engine::ops::{Graph, Value};
use ironhorn_engine::program::evaluate::evaluate;
use ironhorn_engine::program::verify::verify;
use ironhorn_engine::program::{Program, passes, show};
use ironhorn_kernels::cpu::elementwise::Scalar;
use programs::{Bool, Int, Ints, op, text};

fn count(program: &Program, name: &str) -> usize {
    program.graph.nodes.iter().filter(|node| node.op.name() == name).count()
}

/// A step's end.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "every combination is a case")]
struct Case {
    sparse: bool,
    from_logits: bool,
    /// A weight for every row, else the mean of all.
    weighted: bool,
    accuracy: bool,
    /// Class numbers as an array of columns, as data sets have them; places of targets as int32.
    columns: bool,
    labels: DType,
    /// Whether the loss's own value weighs it, so that no gradient is known before.
    by_itself: bool,
    /// Whether probabilities are results too.
    shows: bool,
}

const CLASSES: usize = 5;

impl Case {
    fn at(number: usize) -> Case {
        let bit = |i: usize| number >> i & 1 == 1;
        let labels = [DType::Int64, DType::Int32, DType::Uint8, DType::Float32][number >> 6 & 3];
        Case {
            sparse: bit(0),
            from_logits: bit(1),
            weighted: bit(2),
            accuracy: bit(3),
            columns: bit(4),
            labels,
            by_itself: bit(5) && bit(4) && bit(8),
            shows: bit(5),
        }
    }

    /// Inputs: x, targets, weights. Results: total, gradient of x, hits, probabilities.
    fn program(self) -> Program {
        let mut graph = Graph::new();
        let batch = Dim::fresh();
        let rows = |lead: &[usize], dtype| {
            let shape = std::iter::once(batch).chain(lead.iter().map(|&length| Dim::Known(length))).collect();
            Spec::new(Shape(shape), dtype)
        };
        let x = graph.input(rows(&[CLASSES], DType::Float32));
        let targets = match (self.sparse, self.columns) {
            (true, true) => rows(&[1], self.labels),
            (true, false) => rows(&[], self.labels),
            (false, _) => rows(&[CLASSES], DType::Float32),
        };
        let targets = graph.input(targets);
        let weights = graph.input(rows(&[], DType::Float32));
        let logits = graph.elementwise(Scalar::Tanh, &[x]).unwrap();
        let scores = if self.from_logits { logits } else { graph.apply(op("softmax", &[]), &[logits]).unwrap() };
        // As `keras.losses` and `keras.metrics` cast class numbers.
        let cast = |graph: &mut Graph, value: Value, dtype| graph.apply(Cast { dtype }, &[value]).unwrap();
        let squeeze = |graph: &mut Graph, value: Value| {
            let shape = ironhorn_engine::ops::shape::reshape::Reshape { shape: vec![Some(batch)] };
            if self.columns && self.sparse { graph.apply(shape, &[value]).unwrap() } else { value }
        };
        let (mut labels, mut compared) = (targets, targets);
        if self.sparse {
            let single = cast(&mut graph, targets, DType::Float32);
            labels = cast(&mut graph, single, DType::Int32);
            labels = squeeze(&mut graph, labels);
            compared = squeeze(&mut graph, single);
        }
        let mut attributes = vec![("sparse", Bool(self.sparse))];
        if !self.from_logits {
            attributes.push(("margin", ironhorn_engine::ops::Attribute::Float(1e-7)));
        }
        let losses = graph.apply(op("cross_entropy", &attributes), &[scores, labels]).unwrap();
        let mut weighed = losses;
        if self.weighted {
            weighed = graph.mul(weighed, weights).unwrap();
        }
        if self.by_itself {
            weighed = graph.mul(weighed, losses).unwrap();
        }
        let total = graph.apply(op("reduce", &[("kind", text("mean"))]), &[weighed]).unwrap();
        let found = gradients(&mut graph, &[(total, None)], &[x]).unwrap()[0].unwrap();
        let mut outputs = vec![total, found];
        if self.accuracy {
            let place = op("arg_reduce", &[("kind", text("argmax")), ("axis", Int(-1))]);
            let mut best = graph.apply(place.clone(), &[scores]).unwrap();
            if self.sparse {
                best = cast(&mut graph, best, DType::Int32);
                best = cast(&mut graph, best, DType::Float32);
            } else {
                compared = graph.apply(place, &[targets]).unwrap();
            }
            if !self.sparse && self.columns {
                best = cast(&mut graph, best, DType::Int32);
                compared = cast(&mut graph, compared, DType::Int32);
            }
            let equal = graph.elementwise(Scalar::Equal, &[compared, best]).unwrap();
            outputs.push(cast(&mut graph, equal, DType::Float32));
        }
        if self.shows {
            let square = graph.mul(scores, scores).unwrap();
            outputs
                .push(graph.apply(op("reduce", &[("kind", text("sum")), ("axis", Ints(vec![1]))]), &[square]).unwrap());
        }
        Program::new(graph, outputs, Vec::new())
    }

    fn inputs(self, numbers: &mut Numbers, rows: usize) -> Vec<Array> {
        let x = programs::float32(numbers, &[rows, CLASSES]);
        let targets = if self.sparse {
            let sizes = if self.columns { vec![rows, 1] } else { vec![rows] };
            let labels = programs::integers(numbers, &sizes, CLASSES);
            let mut all = evaluate_cast(&labels, self.labels);
            all.truncate(1);
            all.remove(0)
        } else {
            programs::float32(numbers, &[rows, CLASSES])
        };
        vec![x, targets, programs::float32(numbers, &[rows])]
    }
}

fn evaluate_cast(array: &Array, dtype: DType) -> Vec<Array> {
    ironhorn_engine::program::evaluate::evaluate_op(&Cast { dtype }.into(), std::slice::from_ref(array)).unwrap()
}

/// Every way in which a model records its end gives the same with and without the passes, and becomes one node.
#[test]
fn ends_of_training_steps_are_one_node() {
    let mut numbers = Numbers(21);
    for number in 0..512 {
        let case = Case::at(number);
        let program = case.program();
        let fused = passes::run(program.clone()).unwrap();
        verify(&fused).unwrap();
        let left = |names: &[&str]| names.iter().map(|name| count(&fused, name)).sum::<usize>();
        let text = || format!("{case:?}\n{}", show::show(&fused));
        if case.by_itself {
            assert_eq!(left(&["cross_entropy_grad"]), 1, "{}", text());
        } else {
            assert_eq!(left(&["softmax_cross_entropy"]), 1, "{}", text());
            let gone = ["softmax", "cross_entropy", "cross_entropy_grad", "softmax_grad"];
            assert_eq!(left(&gone), 0, "{}", text());
        }
        // Class numbers that are floats may be no whole numbers, which the comparison sees.
        let whole = !case.sparse || case.labels.is_integer();
        if case.accuracy && (!case.by_itself || !case.from_logits) {
            assert_eq!(left(&["arg_reduce"]), usize::from(!whole), "{}", text());
        }
        for rows in [33, 1, 0] {
            let inputs = case.inputs(&mut numbers, rows);
            let (wanted, found) = (evaluate(&program, &inputs).unwrap(), evaluate(&fused, &inputs).unwrap());
            for (i, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                assert_eq!(found.spec(), wanted.spec());
                for (found, wanted) in doubles(found).iter().zip(&doubles(wanted)) {
                    let same = (found - wanted).abs() <= 2e-6 || (found.is_nan() && wanted.is_nan());
                    assert!(same, "output {i}, {rows} rows: {found}, not {wanted}: {}", text());
                }
            }
        }
    }
}

/// A label outside of the classes is an error, fused or not.
#[test]
fn labels_out_of_range_are_errors() {
    let case = Case { labels: DType::Int64, columns: false, ..Case::at(0b1001) };
    let inputs = [
        Array::zeros(&[2, CLASSES], DType::Float32).unwrap(),
        Array::from_slice(&[2], &[0_i64, 5]).unwrap(),
        Array::zeros(&[2], DType::Float32).unwrap(),
    ];
    let error = evaluate(&passes::run(case.program()).unwrap(), &inputs).unwrap_err();
    assert!(error.message().contains("label 5 at row 1 is outside 0..4"), "{error}");
}

/// Two losses of one softmax: one of them takes it in, both are right.
#[test]
fn a_second_loss_reads_the_probabilities() {
    let mut numbers = Numbers(22);
    let mut graph = Graph::new();
    let rows = Dim::fresh();
    let spec = |shape: Vec<Dim>, dtype| Spec::new(Shape(shape), dtype);
    let x = graph.input(spec(vec![rows, Dim::Known(7)], DType::Float64));
    let labels = [(); 2].map(|()| graph.input(spec(vec![rows], DType::Int32)));
    let p = graph.apply(op("softmax", &[]), &[x]).unwrap();
    let attributes = [("sparse", Bool(true)), ("margin", ironhorn_engine::ops::Attribute::Float(1e-3))];
    let losses = labels.map(|labels| graph.apply(op("cross_entropy", &attributes), &[p, labels]).unwrap());
    let both = graph.add(losses[0], losses[1]).unwrap();
    let total = graph.apply(op("reduce", &[("kind", text("mean"))]), &[both]).unwrap();
    let found = gradients(&mut graph, &[(total, None)], &[x]).unwrap()[0].unwrap();
    let program = Program::new(graph, vec![total, found], Vec::new());
    let fused = passes::run(program.clone()).unwrap();
    assert_eq!(count(&fused, "softmax_cross_entropy"), 1, "{}", show::show(&fused));
    let inputs = [
        numbers.float64(&[9, 7]),
        programs::integers(&mut numbers, &[9], 7),
        programs::integers(&mut numbers, &[9], 7),
    ];
    let (wanted, found) = (evaluate(&program, &inputs).unwrap(), evaluate(&fused, &inputs).unwrap());
    for (found, wanted) in found.iter().zip(&wanted) {
        common::assert_close(&doubles(found), &doubles(wanted), 1e-12, "two losses");
    }
}

/// Gradients of means read a number, not arrays of it.
#[test]
fn shared_numbers_are_scalars() {
    let mut graph = Graph::new();
    let x = graph.input(Spec::new(Shape(vec![Dim::fresh(), Dim::Known(3)]), DType::Float32));
    let square = graph.mul(x, x).unwrap();
    let rows = graph.apply(op("reduce", &[("kind", text("mean")), ("axis", Ints(vec![1]))]), &[square]).unwrap();
    let mean = graph.apply(op("reduce", &[("kind", text("mean"))]), &[rows]).unwrap();
    let found = gradients(&mut graph, &[(mean, None)], &[x]).unwrap()[0].unwrap();
    let program = Program::new(graph, vec![found], Vec::new());
    let fused = passes::run(program.clone()).unwrap();
    assert_eq!(count(&fused, "broadcast_like") + count(&fused, "reduce"), 0, "{}", show::show(&fused));
    let mut numbers = Numbers(23);
    for rows in [4, 1, 0] {
        let inputs = [programs::float32(&mut numbers, &[rows, 3])];
        let (wanted, found) = (evaluate(&program, &inputs).unwrap(), evaluate(&fused, &inputs).unwrap());
        common::assert_close(&doubles(&found[0]), &doubles(&wanted[0]), 1e-6, "mean");
    }
}

/// Counters and means on single numbers, some read in between: one node, the same numbers.
#[test]
fn single_numbers_are_one_node() {
    let mut graph = Graph::new();
    let x = graph.input(Spec::known(&[6], DType::Float32));
    let slots = [DType::Float32, DType::Float32, DType::Int64].map(|dtype| graph.variable(Spec::scalar(dtype)));
    let sum = graph.apply(op("reduce", &[("kind", text("sum"))]), &[x]).unwrap();
    let total = graph.add(slots[0], sum).unwrap();
    let count_of = graph.shift(slots[1], 6.0).unwrap();
    let steps = graph.shift(slots[2], 1.0).unwrap();
    let scaled = graph.mul(x, count_of).unwrap();
    let mean = graph.div(total, count_of).unwrap();
    let root = graph.elementwise(Scalar::Absolute, &[mean]).unwrap();
    let again = graph.shift(slots[2], 1.0).unwrap();
    let shown = graph.add(root, total).unwrap();
    let writes = vec![(0, total), (1, count_of), (2, again)];
    let program = Program::new(graph, vec![shown, scaled, steps], writes);
    let fused = passes::run(program.clone()).unwrap();
    verify(&fused).unwrap();
    let scalars = fused.graph.nodes.iter().filter(|node| fused.graph.spec(node.outputs[0]).rank() == 0).count();
    // The sum, the count that is read before the others are known, and all else.
    assert_eq!(scalars, 3, "{}", show::show(&fused));
    let mut numbers = Numbers(24);
    let inputs = [programs::float32(&mut numbers, &[6])];
    let variables = [
        Array::scalar(0.5, DType::Float32).unwrap(),
        Array::scalar(7.0, DType::Float32).unwrap(),
        Array::scalar(41.0, DType::Int64).unwrap(),
    ];
    let wanted = programs::interpret(&program, &inputs, &variables).unwrap();
    let found = programs::interpret(&fused, &inputs, &variables).unwrap();
    for (found, wanted) in found.outputs.iter().zip(&wanted.outputs) {
        assert_eq!(doubles(found), doubles(wanted));
    }
    for ((slot, found), (_, wanted)) in found.written.iter().zip(&wanted.written) {
        assert_eq!(doubles(found), doubles(wanted), "slot {slot}");
    }
}
