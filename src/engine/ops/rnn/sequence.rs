//! What the recurrent ops share: a whole sequence as one op, for any [`Recurrence`].
//!
//! Inputs: `x (batch, time, features)`, the initial states `(batch, units)`, `kernel (features, gates units)`,
//! `recurrent (units, gates units)`, then `bias` and `mask`, boolean `(batch, time)`, where the attributes say so.
//! A masked step keeps the states; its output is the hidden state, or zeros with `zero_output_for_mask`. With `go_backwards`
//! time is read from the end, and outputs stand in the order in which they are made.
//!
//! Outputs: `outputs (batch, time, units)`, the last states, and what the gradient reads beside `outputs`: the saved gates
//! and, of a cell with a memory, the memory after each step. They are not written where no gradient is taken.
//!
//! Gradient: [`SequenceGradient`], backwards through time in one op. Second derivatives go through `decompose`, a `scan`.

use std::fmt::Debug;
use std::hash::Hash;

use ironhorn_kernels::cpu::rnn::Cell;

use crate::core::{DType, Dim, Error, Result, Shape, Spec};
use crate::ops::control::body::Body;
use crate::ops::control::scan::Scan;
use crate::ops::gradients::{gradients, through_decompose};
use crate::ops::linalg::matmul::MatMul;
use crate::ops::shape::reshape::Reshape;
use crate::ops::shape::slice::{Bound, Range, Slice, slice_like};
use crate::ops::{Attributes, GradContext, Graph, Op, Operation, Promotion, Value, expect_float, expect_inputs};

/// A cell that is run along the time axis.
pub trait Recurrence: Clone + PartialEq + Eq + Hash + Debug + Send + Sync + 'static {
    const NAME: &'static str;
    const GRADIENT_NAME: &'static str;

    fn parse(attributes: &mut Attributes) -> Result<Self>;

    /// What the kernels call it.
    fn cell(&self) -> Cell;

    /// One step: the next states, hidden state first, and the gates to save.
    fn step(&self, step: &mut Graph, x: Value, states: &[Value], weights: &Weights)
    -> Result<(Vec<Value>, Vec<Value>)>;

    fn op(sequence: Sequence<Self>) -> Op;

    fn gradient_op(gradient: SequenceGradient<Self>) -> Op;
}

/// Weights as a step sees them.
pub struct Weights {
    pub kernel: Value,
    pub recurrent: Value,
    pub bias: Option<Value>,
    pub units: usize,
}

/// `a b`
pub fn product(step: &mut Graph, a: Value, b: Value) -> Result<Value> {
    step.apply(MatMul::default(), &[a, b])
}

/// Gates `gates` of `count` that stand side by side in the columns of `z`.
pub fn columns(step: &mut Graph, z: Value, units: usize, gates: std::ops::Range<usize>) -> Result<Value> {
    slice_like(step, z, 1, Dim::Known(gates.start * units), Dim::Known(gates.end * units))
}

/// Four choices that Keras' layers make independently of each other.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sequence<R> {
    pub recurrence: R,
    pub has_bias: bool,
    pub has_mask: bool,
    pub go_backwards: bool,
    pub zero_output_for_mask: bool,
}

/// Numbers of the inputs that stand at the same place for every cell.
pub const X: usize = 0;
pub const HIDDEN: usize = 1;
const MEMORY: usize = 2;

impl<R: Recurrence> Sequence<R> {
    pub fn cell(&self) -> Cell {
        self.recurrence.cell()
    }

    pub fn states(&self) -> usize {
        1 + usize::from(self.cell().has_memory())
    }

    /// Which input is the initial memory.
    pub fn memory(&self) -> Option<usize> {
        self.cell().has_memory().then_some(MEMORY)
    }

    pub fn kernel(&self) -> usize {
        HIDDEN + self.states()
    }

    pub fn recurrent(&self) -> usize {
        self.kernel() + 1
    }

    /// Which input is the bias.
    pub fn bias(&self) -> Option<usize> {
        self.has_bias.then(|| self.recurrent() + 1)
    }

    /// Whether each row of the outputs is made of the same rows of the inputs that are `own`, and of the others as a whole.
    pub fn takes_rows(&self, own: &[bool]) -> bool {
        let weights = self.kernel()..self.recurrent() + 1 + usize::from(self.has_bias);
        own.iter().enumerate().all(|(i, &own)| own != weights.contains(&i))
    }

    /// How many inputs have a gradient: all but the mask.
    pub fn parameters(&self) -> usize {
        self.recurrent() + 1 + usize::from(self.has_bias)
    }

    pub fn inputs(&self) -> usize {
        self.parameters() + usize::from(self.has_mask)
    }

    /// Which input is the mask.
    pub fn mask(&self) -> Option<usize> {
        self.has_mask.then(|| self.parameters())
    }

    /// How many outputs are for a caller: the sequence and the last states.
    pub fn results(&self) -> usize {
        1 + self.states()
    }

    /// Which output are the saved gates.
    pub fn gates(&self) -> Option<usize> {
        (self.cell().saved() > 0).then(|| self.results())
    }

    /// Which output is the memory after each step.
    pub fn memories(&self) -> Option<usize> {
        self.cell().has_memory().then(|| self.results() + 1)
    }

    /// The outputs that the gradient reads.
    pub fn saved(&self) -> impl Iterator<Item = usize> {
        std::iter::once(0).chain(self.gates()).chain(self.memories())
    }
}

/// The length that two axes have in common.
fn common(a: Dim, b: Dim) -> Dim {
    if a.known().is_some() { a } else { b }
}

impl<R: Recurrence> Operation for Sequence<R> {
    const NAME: &'static str = R::NAME;

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(Sequence {
            recurrence: R::parse(attributes)?,
            has_bias: attributes.bool("has_bias", false)?,
            has_mask: attributes.bool("has_mask", false)?,
            go_backwards: attributes.bool("go_backwards", false)?,
            zero_output_for_mask: attributes.bool("zero_output_for_mask", false)?,
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, self.inputs())?;
        let floats = &inputs[..self.parameters()];
        let dtype = expect_float(floats)?;
        let (x, h) = (&inputs[X].shape, &inputs[HIDDEN].shape);
        if x.rank() != 3 {
            return Err(Error::shape(format!("takes sequences of shape (batch, time, features), got {x}")));
        }
        let (batch, time, features) = (x.0[0], x.0[1], x.0[2]);
        let (cell, recurrent) = (self.cell(), &inputs[self.recurrent()].shape);
        let width = match cell.gates() {
            1 => "units".to_string(),
            gates => format!("{gates} units"),
        };
        let Some(units) = recurrent.0.first().and_then(|dim| dim.known()) else {
            return Err(Error::shape(format!("the recurrent kernel must be (units, {width}), got {recurrent}")));
        };
        let known = Dim::Known;
        let (gates, units) = (known(cell.gates() * units), known(units));
        let expect = |name: &str, shape: &Shape, wanted: Vec<Dim>| {
            let wanted = Shape(wanted);
            if shape.agrees(&wanted) {
                Ok(())
            } else {
                Err(Error::shape(format!("{name} must have shape {wanted} beside sequences of shape {x}, got {shape}")))
            }
        };
        expect("the kernel", &inputs[self.kernel()].shape, vec![features, gates])?;
        expect("the recurrent kernel", recurrent, vec![units, gates])?;
        expect("the initial hidden state", h, vec![batch, units])?;
        if let Some(memory) = self.memory() {
            expect("the initial cell", &inputs[memory].shape, vec![batch, units])?;
        }
        if let Some(bias) = self.bias() {
            let rows = (cell.bias_rows() > 1).then(|| known(cell.bias_rows()));
            expect("the bias", &inputs[bias].shape, rows.into_iter().chain([gates]).collect())?;
        }
        if let Some(mask) = self.mask() {
            expect("the mask", &inputs[mask].shape, vec![batch, time])?;
            if inputs[mask].dtype != DType::Bool {
                return Err(Error::dtype(format!("the mask must be boolean, got {}", inputs[mask].dtype)));
            }
        }
        let batch = common(batch, h.0[0]);
        let spec = |dims: &[Dim]| Spec::new(Shape(dims.to_vec()), dtype);
        let sequence = spec(&[batch, time, units]);
        let mut made = vec![sequence.clone()];
        made.extend((0..self.states()).map(|_| spec(&[batch, units])));
        if cell.saved() > 0 {
            let saved = units.known().map_or(units, |units| known(cell.saved() * units));
            made.push(spec(&[batch, time, saved]));
        }
        made.extend(self.memories().map(|_| sequence));
        Ok(made)
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let results = self.results();
        if context.gradients[results..].iter().any(Option::is_some) {
            return Err(Error::unsupported(format!("what a {} saves has no derivative of its own", R::NAME)));
        }
        let given = context.gradients[..results].iter().map(Option::is_some).collect();
        let mut operands = context.inputs.to_vec();
        operands.extend(self.saved().map(|i| context.outputs[i]));
        operands.extend(context.gradients[..results].iter().flatten());
        let gradient = R::gradient_op(SequenceGradient { sequence: self.clone(), given });
        let mut found: Vec<Option<Value>> = context.graph.append(gradient, &operands)?.into_iter().map(Some).collect();
        found.resize(context.inputs.len(), None);
        Ok(found)
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        if graph.dtype(inputs[X]).is_compute_float() {
            return Some(self.through_scan(graph, inputs));
        }
        Some(in_float32(graph, R::op(self.clone()), inputs))
    }

    fn promotion(&self) -> Promotion {
        Promotion::Keep
    }
}

/// An op of 16-bit floats, which are storage: computed in float32, rounded once.
fn in_float32(graph: &mut Graph, op: Op, inputs: &[Value]) -> Result<Vec<Value>> {
    let dtype = graph.dtype(inputs[X]);
    let mut wide = Vec::with_capacity(inputs.len());
    for &input in inputs {
        wide.push(if graph.dtype(input) == dtype { graph.cast(input, DType::Float32)? } else { input });
    }
    let outputs = graph.append(op, &wide)?;
    outputs.into_iter().map(|output| graph.cast(output, dtype)).collect()
}

impl<R: Recurrence> Sequence<R> {
    /// The definition: a scan over time.
    fn through_scan(&self, graph: &mut Graph, inputs: &[Value]) -> Result<Vec<Value>> {
        let spec = graph.spec(inputs[HIDDEN]).clone();
        let units = graph.shape(inputs[self.recurrent()]).0[0].known();
        let units = units.ok_or_else(|| Error::internal("unknown units"))?;
        let x = graph.transpose(inputs[X], &[1, 0, 2])?;
        let mask = self.mask().map(|mask| graph.transpose(inputs[mask], &[1, 0])).transpose()?;
        let sequences: Vec<Value> = std::iter::once(x).chain(mask).collect();
        let captures: Vec<Value> = inputs[self.kernel()..self.parameters()].to_vec();

        let mut step = Graph::new();
        step.set_scope(graph.scope());
        let states: Vec<Value> = (0..self.states()).map(|_| step.input(spec.clone())).collect();
        let slices: Vec<Value> = sequences
            .iter()
            .map(|&sequence| {
                let whole = graph.spec(sequence);
                step.input(Spec::new(Shape(whole.shape.0[1..].to_vec()), whole.dtype))
            })
            .collect();
        let weights: Vec<Value> = captures.iter().map(|&capture| step.input(graph.spec(capture).clone())).collect();
        let weights = Weights { kernel: weights[0], recurrent: weights[1], bias: weights.get(2).copied(), units };
        let (mut next, mut saved) = self.recurrence.step(&mut step, slices[0], &states, &weights)?;
        let mut output = next[0];
        if let Some(&open) = slices.get(1) {
            let rows = step.shape(open).0[0];
            let open = step.apply(Reshape { shape: vec![Some(rows), Some(Dim::Known(1))] }, &[open])?;
            let zero = step.scalar(0.0, spec.dtype)?;
            let shown = if self.zero_output_for_mask { zero } else { states[0] };
            output = step.select(open, output, shown)?;
            for (next, &state) in next.iter_mut().zip(&states) {
                *next = step.select(open, *next, state)?;
            }
            for gates in &mut saved {
                *gates = step.select(open, *gates, zero)?;
            }
        }
        let memory = next.get(1).copied();
        let stacked: Vec<Value> = std::iter::once(output).chain(saved).chain(memory).collect();
        let scan = Scan {
            body: Body::new(step, next.into_iter().chain(stacked.iter().copied()).collect())?,
            carries: self.states(),
            sequences: sequences.len(),
            length: graph.shape(x).0[0],
            reverse: self.go_backwards,
        };
        let initial = inputs[HIDDEN..self.kernel()].iter().copied();
        let operands: Vec<Value> = initial.chain(sequences).chain(captures).collect();
        let made = graph.append(scan, &operands)?;
        let mut sequence = |value: Value| -> Result<Value> {
            // A scan backwards stacks where it reads; a layer, in the order in which steps are made.
            let ordered = if self.go_backwards {
                let flipped = Range { start: Bound::Open, stop: Bound::Open, step: -1 };
                graph.apply(Slice { ranges: vec![flipped] }, &[value])?
            } else {
                value
            };
            graph.transpose(ordered, &[1, 0, 2])
        };
        let (last, stacked) = made[..self.states() + stacked.len()].split_at(self.states());
        let mut results = vec![sequence(stacked[0])?];
        results.extend(last);
        for &saved in &stacked[1..] {
            results.push(sequence(saved)?);
        }
        Ok(results)
    }
}

/// The gradients of a [`Sequence`]: its inputs, the outputs that it saves for this, and those gradients of `outputs` and of
/// the last states that are `given`. Gives the gradients of all inputs but the mask.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SequenceGradient<R> {
    pub sequence: Sequence<R>,
    pub given: Vec<bool>,
}

impl<R: Recurrence> SequenceGradient<R> {
    /// Which operand is the first output that was saved.
    pub fn saved(&self) -> usize {
        self.sequence.inputs()
    }

    /// Which operand is the gradient of output `index`, if it is there.
    pub fn gradient(&self, index: usize) -> Option<usize> {
        let before = self.given.get(..index)?.iter().filter(|&&given| given).count();
        self.given.get(index)?.then(|| self.saved() + self.sequence.saved().count() + before)
    }
}

impl<R: Recurrence> Operation for SequenceGradient<R> {
    const NAME: &'static str = R::GRADIENT_NAME;

    fn parse(_: &mut Attributes) -> Result<Self> {
        Err(Error::value(format!("{} is made by the derivative of {}", R::GRADIENT_NAME, R::NAME)))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let own = self.sequence.inputs();
        let saved = self.sequence.saved().count();
        let given = self.given.iter().filter(|&&given| given).count();
        expect_inputs(inputs, own + saved + given)?;
        let made = self.sequence.infer(&inputs[..own])?;
        let check = |got: &Spec, wanted: &Spec| {
            let fits = got.dtype == wanted.dtype && got.shape.agrees(&wanted.shape);
            if fits { Ok(()) } else { Err(Error::shape(format!("{got} for a {} that makes {wanted}", R::NAME))) }
        };
        for (got, wanted) in inputs[own..own + saved].iter().zip(self.sequence.saved()) {
            check(got, &made[wanted])?;
        }
        for (i, wanted) in made[..self.given.len()].iter().enumerate() {
            if let Some(operand) = self.gradient(i) {
                check(inputs[operand], wanted)?;
            }
        }
        Ok(inputs[..self.sequence.parameters()].iter().map(|spec| (*spec).clone()).collect())
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        through_decompose(&R::gradient_op(self.clone()), context)
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        if !graph.dtype(inputs[X]).is_compute_float() {
            return Some(in_float32(graph, R::gradient_op(self.clone()), inputs));
        }
        let mut run = || -> Result<Vec<Value>> {
            let made = self.sequence.through_scan(graph, &inputs[..self.sequence.inputs()])?;
            let given = (0..self.given.len()).filter_map(|i| Some((made[i], Some(inputs[self.gradient(i)?]))));
            let targets: Vec<_> = given.collect();
            let sources = &inputs[..self.sequence.parameters()];
            let mut found = Vec::with_capacity(sources.len());
            for (&source, gradient) in sources.iter().zip(gradients(graph, &targets, sources)?) {
                found.push(match gradient {
                    Some(gradient) => gradient,
                    None => graph.zeros_like(source)?,
                });
            }
            Ok(found)
        };
        Some(run())
    }
}
