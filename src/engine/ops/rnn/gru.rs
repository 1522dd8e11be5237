//! `gru`: gated recurrent units over whole sequences (Cho et al., 2014, "Learning phrase representations using RNN
//! encoder-decoder"), with Keras' gates z, r, candidate and its two places for the reset gate.
//!
//! ```text
//! z, r = sigmoid(x_t kernel + bias[0] + h recurrent + bias[1])
//! c = tanh(x_t kernel + bias[0] + r (h recurrent + bias[1]))      with reset_after, the default
//! c = tanh(x_t kernel + bias + (r h) recurrent)                   without
//! h' = z h + (1 - z) c
//! ```
//!
//! One state; `bias (2, 3 units)` with `reset_after`, else `(3 units)`. For inputs, outputs and gradient see
//! [`super::sequence`].

use ironhorn_kernels::cpu::elementwise::Scalar;
use ironhorn_kernels::cpu::rnn::Cell;

use super::sequence::{Recurrence, Sequence, SequenceGradient, Weights, columns, product};
use crate::core::{Dim, Result};
use crate::ops::shape::concat::Concat;
use crate::ops::shape::slice::slice_like;
use crate::ops::{Attributes, Graph, Op, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct GruCell {
    /// Whether the reset gate acts on the product with the recurrent kernel, or on the state before that product.
    pub reset_after: bool,
}

pub type Gru = Sequence<GruCell>;
pub type GruGrad = SequenceGradient<GruCell>;

/// `value + row of bias`
fn biased(step: &mut Graph, value: Value, bias: Option<Value>, row: usize) -> Result<Value> {
    let Some(bias) = bias else { return Ok(value) };
    let bias = match step.shape(bias).rank() {
        1 => bias,
        _ => slice_like(step, bias, 0, Dim::Known(row), Dim::Known(row + 1))?,
    };
    step.add(value, bias)
}

impl Recurrence for GruCell {
    const NAME: &'static str = "gru";
    const GRADIENT_NAME: &'static str = "gru_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(GruCell { reset_after: attributes.bool("reset_after", true)? })
    }

    fn cell(&self) -> Cell {
        Cell::Gru { reset_after: self.reset_after }
    }

    fn step(
        &self,
        step: &mut Graph,
        x: Value,
        states: &[Value],
        weights: &Weights,
    ) -> Result<(Vec<Value>, Vec<Value>)> {
        let (h, units) = (states[0], weights.units);
        let from_x = product(step, x, weights.kernel)?;
        let from_x = biased(step, from_x, weights.bias, 0)?;
        let from_h = if self.reset_after {
            let from_h = product(step, h, weights.recurrent)?;
            biased(step, from_h, weights.bias, 1)?
        } else {
            let gates = columns(step, weights.recurrent, units, 0..2)?;
            product(step, h, gates)?
        };
        let mut gates = Vec::with_capacity(4);
        for gate in 0..2 {
            let a = columns(step, from_x, units, gate..gate + 1)?;
            let b = columns(step, from_h, units, gate..gate + 1)?;
            let sum = step.add(a, b)?;
            gates.push(step.elementwise(Scalar::Sigmoid, &[sum])?);
        }
        let from_state = if self.reset_after {
            gates.insert(0, columns(step, from_h, units, 2..3)?);
            step.mul(gates[2], gates[0])?
        } else {
            let reset = step.mul(gates[1], h)?;
            let candidate = columns(step, weights.recurrent, units, 2..3)?;
            product(step, reset, candidate)?
        };
        let candidate = columns(step, from_x, units, 2..3)?;
        let candidate = step.add(candidate, from_state)?;
        let candidate = step.elementwise(Scalar::Tanh, &[candidate])?;
        gates.push(candidate);
        let difference = step.sub(h, candidate)?;
        let kept = step.mul(gates[usize::from(self.reset_after)], difference)?;
        let hidden = step.add(kept, candidate)?;
        Ok((vec![hidden], vec![step.apply(Concat { axis: 1 }, &gates)?]))
    }

    fn op(sequence: Gru) -> Op {
        sequence.into()
    }

    fn gradient_op(gradient: GruGrad) -> Op {
        gradient.into()
    }
}
