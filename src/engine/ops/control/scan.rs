//! `scan`: a loop over the first axis of some arrays, with values carried from step to step.
//!
//! ```text
//! carry = initial carry
//! for t in 0..length (backwards with `reverse`):
//!     history[t] = carry
//!     carry, y[t] = body(carry, x[t], captures)
//! ```
//!
//! Inputs are carries, sequences and captures; outputs are the last carries, the stacked `y`s and the histories. The
//! histories are there for the gradient and cost nothing where nobody reads them.
//!
//! Gradient: a scan in the other direction. A step computes the body again from `history[t]`, then the body's derivative;
//! it carries the gradients of the carries and the sums of the captures' gradients, and stacks the gradients of `x[t]`.

use super::body::Body;
use crate::core::shape::{Bindings, bind_dim};
use crate::core::{Dim, Error, Result, Shape, Spec};
use crate::ops::gradients::gradients;
use crate::ops::{Attributes, GradContext, Graph, Operation, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Scan {
    /// Takes carries, one slice of every sequence, and the captures; gives the next carries and one slice of every `y`.
    pub body: Body,
    /// How many inputs are carries, and how many after them are sequences.
    pub carries: usize,
    pub sequences: usize,
    /// How many steps; sequences must agree.
    pub length: Dim,
    /// From the last step to the first.
    pub reverse: bool,
}

impl Scan {
    /// How many sequences the body makes.
    pub fn stacked(&self) -> usize {
        self.body.outputs().len() - self.carries
    }

    /// What the body is given at one step, for inputs of these specs.
    pub fn step_specs(&self, inputs: &[&Spec]) -> Vec<Spec> {
        let sequences = self.carries..self.carries + self.sequences;
        let step = |(i, spec): (usize, &&Spec)| {
            let skipped = usize::from(sequences.contains(&i));
            Spec::new(Shape(spec.shape.0[skipped..].to_vec()), spec.dtype)
        };
        inputs.iter().enumerate().map(step).collect()
    }

    fn infer_length(&self, inputs: &[&Spec]) -> Result<Dim> {
        let mut length = self.length;
        for spec in &inputs[self.carries..self.carries + self.sequences] {
            let Some(&found) = spec.shape.0.first() else {
                return Err(Error::shape(
                    "a scan goes over the first axis of its sequences, and one of them is a scalar",
                ));
            };
            if !found.agrees(length) {
                return Err(Error::shape(format!(
                    "sequences of a scan have lengths {} and {}; all of them, and `length`, must be the same",
                    length.known().unwrap_or(0),
                    found.known().unwrap_or(0)
                )));
            }
            if length.known().is_none() {
                length = found;
            }
        }
        Ok(length)
    }
}

impl Operation for Scan {
    const NAME: &'static str = "scan";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Err(Error::value("a scan is made from a function, with ops.scan"))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        if inputs.len() < self.carries + self.sequences {
            return Err(Error::value(format!(
                "takes at least {} inputs, got {}",
                self.carries + self.sequences,
                inputs.len()
            )));
        }
        let length = self.infer_length(inputs)?;
        let made = self.body.infer(&self.step_specs(inputs))?;
        for (i, (before, after)) in inputs.iter().zip(&made[..self.carries]).enumerate() {
            if before.dtype != after.dtype || !before.shape.agrees(&after.shape) {
                return Err(Error::shape(format!(
                    "carry {i} starts as {before} and is {after} after one step; every step must return carries of the same \
                     shapes and types"
                )));
            }
        }
        let stack = |spec: &Spec| {
            Spec::new(Shape(std::iter::once(length).chain(spec.shape.0.iter().copied()).collect()), spec.dtype)
        };
        let carried = inputs[..self.carries].iter().map(|spec| (*spec).clone());
        let histories = inputs[..self.carries].iter().map(|spec| stack(spec));
        Ok(carried.chain(made[self.carries..].iter().map(stack)).chain(histories).collect())
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let (inputs, outputs) = (context.inputs, context.outputs);
        let captures = self.carries + self.sequences;
        let is_float = |i: &usize| self.body.input(*i).dtype.is_float();
        let is_wanted = |i: &usize| context.wanted[*i] && is_float(i);
        let carried: Vec<usize> = (0..self.carries).filter(is_float).collect();
        let sliced: Vec<usize> = (self.carries..captures).filter(is_wanted).collect();
        let summed: Vec<usize> = (captures..inputs.len()).filter(is_wanted).collect();
        // The stacked outputs, histories among them, that a gradient reached.
        let histories = self.carries + self.stacked();
        let reached: Vec<usize> = (self.carries..outputs.len()).filter(|&i| context.gradients[i].is_some()).collect();

        let mut step = Graph::new();
        step.set_scope(context.graph.scope());
        let declared = |step: &mut Graph, i: usize| step.input(self.body.input(i).clone());
        let carry_gradients: Vec<Value> = carried.iter().map(|&i| declared(&mut step, i)).collect();
        let sums: Vec<Value> = summed.iter().map(|&i| declared(&mut step, i)).collect();
        let mut operands: Vec<Value> = (0..captures).map(|i| declared(&mut step, i)).collect();
        let arriving: Vec<Value> = reached
            .iter()
            .map(|&i| {
                let spec = if i < histories { self.body.output(i) } else { self.body.input(i - histories) };
                step.input(spec.clone())
            })
            .collect();
        operands.extend((captures..inputs.len()).map(|i| declared(&mut step, i)));
        let made = self.body.inline(&mut step, &operands);
        let from_carries = carried.iter().zip(&carry_gradients).map(|(&i, &gradient)| (made[i], Some(gradient)));
        let from_stacked = reached
            .iter()
            .zip(&arriving)
            .map(|(&i, &gradient)| (if i < histories { made[i] } else { operands[i - histories] }, Some(gradient)));
        let targets: Vec<(Value, Option<Value>)> = from_carries.chain(from_stacked).collect();
        let sources: Vec<Value> = carried.iter().chain(&summed).chain(&sliced).map(|&i| operands[i]).collect();
        let found = gradients(&mut step, &targets, &sources)?;
        let mut results = Vec::with_capacity(sources.len());
        for (k, (&source, gradient)) in sources.iter().zip(found).enumerate() {
            let gradient = match gradient {
                Some(gradient) => gradient,
                None => step.zeros_like(source)?,
            };
            let sum = k.checked_sub(carried.len()).and_then(|k| sums.get(k));
            results.push(match sum {
                Some(&sum) => step.add(sum, gradient)?,
                None => gradient,
            });
        }

        let mut operands = Vec::new();
        for &i in &carried {
            operands.push(context.gradient(i)?);
        }
        for &i in &summed {
            operands.push(context.graph.zeros_like(inputs[i])?);
        }
        operands.extend(&outputs[histories..]);
        operands.extend(&inputs[self.carries..captures]);
        operands.extend(reached.iter().filter_map(|&i| context.gradients[i]));
        operands.extend(&inputs[captures..]);
        let backwards = Scan {
            body: Body::new(step, results)?,
            carries: carried.len() + summed.len(),
            sequences: captures + reached.len(),
            length: self.length,
            reverse: !self.reverse,
        };
        let found = context.graph.append(backwards, &operands)?;
        let mut all = vec![None; inputs.len()];
        for (&i, &gradient) in carried.iter().chain(&summed).chain(&sliced).zip(&found) {
            all[i] = Some(gradient);
        }
        Ok(all)
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        Scan { body: self.body.bind(bindings), length: bind_dim(self.length, bindings), ..self.clone() }
    }
}
