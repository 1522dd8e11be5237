//! `lstm`: a long short-term memory over whole sequences, with Keras' gates and masks.
//!
//! ```text
//! z = x_t kernel + h recurrent + bias             (batch, 4 units): gates i, f, g, o
//! c' = sigmoid(f) c + sigmoid(i) tanh(g)          h' = sigmoid(o) tanh(c')
//! ```
//!
//! Inputs: `x (batch, time, features)`, `h0` and `c0 (batch, units)`, `kernel (features, 4 units)`,
//! `recurrent (units, 4 units)`, then `bias (4 units)` and `mask`, boolean `(batch, time)`, where the attributes say so.
//! A masked step keeps `h` and `c`; its output is `h`, or zeros with `zero_output_for_mask`. With `go_backwards` time is read
//! from the end, and outputs stand in the order in which they are made.
//!
//! Outputs: `outputs (batch, time, units)`, `last_h`, `last_c`, and what the gradient reads: the activated
//! `gates (batch, time, 4 units)` and `cells (batch, time, units)`, which are not written where no gradient is taken.
//!
//! Gradient: [`LstmGrad`], backwards through time in one op. Second derivatives go through `decompose`, a `scan`.

use ironhorn_kernels::cpu::elementwise::Scalar;

use crate::core::{DType, Dim, Error, Result, Shape, Spec};
use crate::ops::control::body::Body;
use crate::ops::control::scan::Scan;
use crate::ops::gradients::{gradients, through_decompose};
use crate::ops::linalg::matmul::{Epilogue, MatMul};
use crate::ops::shape::concat::Concat;
use crate::ops::shape::reshape::Reshape;
use crate::ops::shape::slice::{Bound, Range, Slice, slice_like};
use crate::ops::{Attributes, GradContext, Graph, Op, Operation, Promotion, Value, expect_float, expect_inputs};

/// Four choices that Keras' layer makes independently of each other.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Lstm {
    pub has_bias: bool,
    pub has_mask: bool,
    pub go_backwards: bool,
    pub zero_output_for_mask: bool,
}

/// Numbers of the inputs that are always there.
pub const X: usize = 0;
pub const H: usize = 1;
pub const C: usize = 2;
pub const KERNEL: usize = 3;
pub const RECURRENT: usize = 4;
pub const BIAS: usize = 5;

impl Lstm {
    /// How many inputs have a gradient: all but the mask.
    pub fn parameters(&self) -> usize {
        5 + usize::from(self.has_bias)
    }

    pub fn inputs(&self) -> usize {
        self.parameters() + usize::from(self.has_mask)
    }

    /// Which input is the mask.
    pub fn mask(&self) -> Option<usize> {
        self.has_mask.then(|| self.parameters())
    }
}

/// The length that two axes have in common.
fn common(a: Dim, b: Dim) -> Dim {
    if a.known().is_some() { a } else { b }
}

impl Operation for Lstm {
    const NAME: &'static str = "lstm";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(Lstm {
            has_bias: attributes.bool("has_bias", false)?,
            has_mask: attributes.bool("has_mask", false)?,
            go_backwards: attributes.bool("go_backwards", false)?,
            zero_output_for_mask: attributes.bool("zero_output_for_mask", false)?,
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, self.inputs())?;
        let floats = &inputs[..self.parameters()];
        let dtype = floats[0].dtype;
        if dtype.is_compute_float() || !dtype.is_float() {
            expect_float(floats)?;
        } else if let Some(other) = floats.iter().find(|spec| spec.dtype != dtype) {
            return Err(Error::dtype(format!("inputs have types {dtype} and {}; cast them to one type", other.dtype)));
        }
        let (x, h) = (&inputs[X].shape, &inputs[H].shape);
        if x.rank() != 3 {
            return Err(Error::shape(format!("takes sequences of shape (batch, time, features), got {x}")));
        }
        let (batch, time, features) = (x.0[0], x.0[1], x.0[2]);
        let Some(units) = inputs[RECURRENT].shape.0.first().and_then(|dim| dim.known()) else {
            return Err(Error::shape(format!(
                "the recurrent kernel must be (units, 4 units), got {}",
                inputs[RECURRENT].shape
            )));
        };
        let (gates, units) = (Dim::Known(4 * units), Dim::Known(units));
        let expect = |name: &str, shape: &Shape, wanted: Vec<Dim>| {
            let wanted = Shape(wanted);
            if shape.agrees(&wanted) {
                Ok(())
            } else {
                Err(Error::shape(format!("{name} must have shape {wanted} beside sequences of shape {x}, got {shape}")))
            }
        };
        expect("the kernel", &inputs[KERNEL].shape, vec![features, gates])?;
        expect("the recurrent kernel", &inputs[RECURRENT].shape, vec![units, gates])?;
        expect("the initial hidden state", h, vec![batch, units])?;
        expect("the initial cell", &inputs[C].shape, vec![batch, units])?;
        if self.has_bias {
            expect("the bias", &inputs[BIAS].shape, vec![gates])?;
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
        let state = spec(&[batch, units]);
        Ok(vec![sequence.clone(), state.clone(), state, spec(&[batch, time, gates]), sequence])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        if context.gradients[3].is_some() || context.gradients[4].is_some() {
            return Err(Error::unsupported("the saved gates and cells of an lstm have no derivative of their own"));
        }
        let given = [0, 1, 2].map(|i| context.gradients[i].is_some());
        let mut operands = context.inputs.to_vec();
        operands.extend([0, 3, 4].map(|i| context.outputs[i]));
        operands.extend(context.gradients[..3].iter().flatten());
        let mut found: Vec<Option<Value>> =
            context.graph.append(LstmGrad { lstm: self.clone(), given }, &operands)?.into_iter().map(Some).collect();
        found.resize(context.inputs.len(), None);
        Ok(found)
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        if graph.dtype(inputs[X]).is_compute_float() {
            return Some(self.through_scan(graph, inputs));
        }
        Some(in_float32(graph, self.clone().into(), inputs))
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

impl Lstm {
    /// The definition: a scan over time.
    fn through_scan(&self, graph: &mut Graph, inputs: &[Value]) -> Result<Vec<Value>> {
        let spec = graph.spec(inputs[H]).clone();
        let units = graph.shape(inputs[RECURRENT]).0[0].known().ok_or_else(|| Error::internal("unknown units"))?;
        let x = graph.transpose(inputs[X], &[1, 0, 2])?;
        let mask = self.mask().map(|mask| graph.transpose(inputs[mask], &[1, 0])).transpose()?;
        let sequences: Vec<Value> = std::iter::once(x).chain(mask).collect();
        let captures: Vec<Value> = inputs[KERNEL..self.parameters()].to_vec();

        let mut step = Graph::new();
        step.set_scope(graph.scope());
        let (h, c) = (step.input(spec.clone()), step.input(spec.clone()));
        let slices: Vec<Value> = sequences
            .iter()
            .map(|&sequence| {
                let whole = graph.spec(sequence);
                step.input(Spec::new(Shape(whole.shape.0[1..].to_vec()), whole.dtype))
            })
            .collect();
        let weights: Vec<Value> = captures.iter().map(|&capture| step.input(graph.spec(capture).clone())).collect();
        let product = |step: &mut Graph, a: Value, b: Value| {
            step.apply(MatMul { transpose_a: false, transpose_b: false, epilogue: Epilogue::default() }, &[a, b])
        };
        let from_x = product(&mut step, slices[0], weights[0])?;
        let from_h = product(&mut step, h, weights[1])?;
        let mut z = step.add(from_x, from_h)?;
        if let Some(&bias) = weights.get(2) {
            z = step.add(z, bias)?;
        }
        let mut gates = Vec::with_capacity(4);
        for (gate, rule) in [Scalar::Sigmoid, Scalar::Sigmoid, Scalar::Tanh, Scalar::Sigmoid].into_iter().enumerate() {
            let part = slice_like(&mut step, z, 1, Dim::Known(gate * units), Dim::Known((gate + 1) * units))?;
            gates.push(step.elementwise(rule, &[part])?);
        }
        let kept = step.mul(gates[1], c)?;
        let new = step.mul(gates[0], gates[2])?;
        let mut cell = step.add(kept, new)?;
        let squashed = step.elementwise(Scalar::Tanh, &[cell])?;
        let mut hidden = step.mul(gates[3], squashed)?;
        let mut saved = step.apply(Concat { axis: 1 }, &gates)?;
        let mut output = hidden;
        if let Some(&open) = slices.get(1) {
            let rows = step.shape(open).0[0];
            let open = step.apply(Reshape { shape: vec![Some(rows), Some(Dim::Known(1))] }, &[open])?;
            let zero = step.scalar(0.0, spec.dtype)?;
            let shown = if self.zero_output_for_mask { zero } else { h };
            output = step.select(open, hidden, shown)?;
            hidden = step.select(open, hidden, h)?;
            cell = step.select(open, cell, c)?;
            saved = step.select(open, saved, zero)?;
        }
        let scan = Scan {
            body: Body::new(step, vec![hidden, cell, output, saved, cell])?,
            carries: 2,
            sequences: sequences.len(),
            length: graph.shape(x).0[0],
            reverse: self.go_backwards,
        };
        let operands: Vec<Value> = [inputs[H], inputs[C]].into_iter().chain(sequences).chain(captures).collect();
        let made = graph.append(scan, &operands)?;
        let mut sequence = |value: Value| -> Result<Value> {
            // A scan backwards stacks where it reads; an LSTM, in the order in which steps are made.
            let ordered = if self.go_backwards {
                let flipped = Range { start: Bound::Open, stop: Bound::Open, step: -1 };
                graph.apply(Slice { ranges: vec![flipped] }, &[value])?
            } else {
                value
            };
            graph.transpose(ordered, &[1, 0, 2])
        };
        Ok(vec![sequence(made[2])?, made[0], made[1], sequence(made[3])?, sequence(made[4])?])
    }
}

/// The gradients of [`Lstm`]: its inputs, its outputs `outputs`, `gates` and `cells`, and those gradients of `outputs`, `last_h`
/// and `last_c` that are `given`. Gives the gradients of all inputs but the mask.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LstmGrad {
    pub lstm: Lstm,
    pub given: [bool; 3],
}

impl LstmGrad {
    /// Which operand is the gradient of output `index`, if it is there.
    pub fn gradient(&self, index: usize) -> Option<usize> {
        let before = self.given[..index].iter().filter(|&&given| given).count();
        self.given[index].then(|| self.lstm.inputs() + 3 + before)
    }
}

impl Operation for LstmGrad {
    const NAME: &'static str = "lstm_grad";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Err(Error::value("lstm_grad is made by the derivative of lstm"))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let own = self.lstm.inputs();
        let given = self.given.iter().filter(|&&given| given).count();
        expect_inputs(inputs, own + 3 + given)?;
        let made = self.lstm.infer(&inputs[..own])?;
        let check = |got: &Spec, wanted: &Spec| {
            let fits = got.dtype == wanted.dtype && got.shape.agrees(&wanted.shape);
            if fits { Ok(()) } else { Err(Error::shape(format!("{got} for an lstm that makes {wanted}"))) }
        };
        for (got, wanted) in inputs[own..own + 3].iter().zip([0, 3, 4]) {
            check(got, &made[wanted])?;
        }
        for (i, wanted) in made[..3].iter().enumerate() {
            if let Some(operand) = self.gradient(i) {
                check(inputs[operand], wanted)?;
            }
        }
        Ok(inputs[..self.lstm.parameters()].iter().map(|spec| (*spec).clone()).collect())
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        through_decompose(&self.clone().into(), context)
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        if !graph.dtype(inputs[X]).is_compute_float() {
            return Some(in_float32(graph, self.clone().into(), inputs));
        }
        let mut run = || -> Result<Vec<Value>> {
            let made = self.lstm.through_scan(graph, &inputs[..self.lstm.inputs()])?;
            let targets: Vec<_> =
                (0..3).filter_map(|i| self.gradient(i).map(|operand| (made[i], Some(inputs[operand])))).collect();
            let sources = &inputs[..self.lstm.parameters()];
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
