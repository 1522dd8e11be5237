//! `simple_rnn`: one activation of input and state over whole sequences (Elman, 1990, "Finding structure in time").
//!
//! ```text
//! h' = activation(x_t kernel + h recurrent + bias)            activation: tanh or relu
//! ```
//!
//! One state; `bias (units)`. Nothing is saved for the gradient but the outputs. For inputs, outputs and gradient see
//! [`super::sequence`].

use ironhorn_kernels::cpu::elementwise::Scalar;
use ironhorn_kernels::cpu::rnn::{Activation, Cell};

use super::sequence::{Recurrence, Sequence, SequenceGradient, Weights, product};
use crate::core::{Error, Result};
use crate::ops::{Attributes, Graph, Op, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SimpleCell {
    pub activation: Activation,
}

pub type SimpleRnn = Sequence<SimpleCell>;
pub type SimpleRnnGrad = SequenceGradient<SimpleCell>;

impl Recurrence for SimpleCell {
    const NAME: &'static str = "simple_rnn";
    const GRADIENT_NAME: &'static str = "simple_rnn_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let activation = match attributes.text("activation", "tanh")?.as_str() {
            "tanh" => Activation::Tanh,
            "relu" => Activation::Relu,
            other => return Err(Error::value(format!("activation must be tanh or relu, got {other:?}"))),
        };
        Ok(SimpleCell { activation })
    }

    fn cell(&self) -> Cell {
        Cell::Simple(self.activation)
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
        let rule = match self.activation {
            Activation::Tanh => Scalar::Tanh,
            Activation::Relu => Scalar::Relu,
        };
        Ok((vec![step.elementwise(rule, &[z])?], Vec::new()))
    }

    fn op(sequence: SimpleRnn) -> Op {
        sequence.into()
    }

    fn gradient_op(gradient: SimpleRnnGrad) -> Op {
        gradient.into()
    }
}
