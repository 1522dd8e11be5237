//! `lstm`: a long short-term memory over whole sequences, with Keras' gates and masks.
//!
//! ```text
//! z = x_t kernel + h recurrent + bias             (batch, 4 units): gates i, f, g, o
//! c' = sigmoid(f) c + sigmoid(i) tanh(g)          h' = sigmoid(o) tanh(c')
//! ```
//!
//! Two states, hidden and memory; `bias (4 units)`. For inputs, outputs and gradient see [`super::sequence`].

use ironhorn_kernels::cpu::elementwise::Scalar;
use ironhorn_kernels::cpu::rnn::Cell;

use super::sequence::{Recurrence, Sequence, SequenceGradient, Weights, columns, product};
use crate::core::Result;
use crate::ops::shape::concat::Concat;
use crate::ops::{Attributes, Graph, Op, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LstmCell;

pub type Lstm = Sequence<LstmCell>;
pub type LstmGrad = SequenceGradient<LstmCell>;

impl Recurrence for LstmCell {
    const NAME: &'static str = "lstm";
    const GRADIENT_NAME: &'static str = "lstm_grad";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Ok(LstmCell)
    }

    fn cell(&self) -> Cell {
        Cell::Lstm
    }

    fn step(
        &self,
        step: &mut Graph,
        x: Value,
        states: &[Value],
        weights: &Weights,
    ) -> Result<(Vec<Value>, Vec<Value>)> {
        let from_x = product(step, x, weights.kernel)?;
        let from_h = product(step, states[0], weights.recurrent)?;
        let mut z = step.add(from_x, from_h)?;
        if let Some(bias) = weights.bias {
            z = step.add(z, bias)?;
        }
        let mut gates = Vec::with_capacity(4);
        for (gate, rule) in [Scalar::Sigmoid, Scalar::Sigmoid, Scalar::Tanh, Scalar::Sigmoid].into_iter().enumerate() {
            let part = columns(step, z, weights.units, gate..gate + 1)?;
            gates.push(step.elementwise(rule, &[part])?);
        }
        let kept = step.mul(gates[1], states[1])?;
        let new = step.mul(gates[0], gates[2])?;
        let memory = step.add(kept, new)?;
        let squashed = step.elementwise(Scalar::Tanh, &[memory])?;
        let hidden = step.mul(gates[3], squashed)?;
        Ok((vec![hidden, memory], vec![step.apply(Concat { axis: 1 }, &gates)?]))
    }

    fn op(sequence: Lstm) -> Op {
        sequence.into()
    }

    fn gradient_op(gradient: LstmGrad) -> Op {
        gradient.into()
    }
}
