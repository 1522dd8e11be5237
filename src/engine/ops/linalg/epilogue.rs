//! What is done to a product, or a convolution, before it is stored: `activation(product + bias + residual)`.
//!
//! The pass `fuse_epilogue` moves the ops that follow a product into its epilogue; [`decompose`](Epilogue::decompose) writes
//! them again, and so says what they look like.

use ironhorn_kernels::cpu::elementwise::Scalar;
use ironhorn_kernels::cpu::gemm::Activation;

use crate::core::Result;
use crate::ops::{Graph, Value};

/// Which addends follow the op's own inputs, and what is applied to the sum.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Epilogue {
    /// An input of shape `(n,)` is added to every row.
    pub bias: bool,
    /// An input of the output's shape is added; it follows the bias.
    pub residual: bool,
    pub activation: Activation,
}

impl Epilogue {
    pub fn is_empty(self) -> bool {
        self == Epilogue::default()
    }

    /// How many inputs it adds to those of the product.
    pub fn inputs(self) -> usize {
        usize::from(self.bias) + usize::from(self.residual)
    }

    /// Which inputs of a product of two operands are the bias and the residual.
    pub fn positions(self) -> (Option<usize>, Option<usize>) {
        (self.bias.then_some(2), self.residual.then_some(2 + usize::from(self.bias)))
    }

    /// The epilogue in ops; `addends` are its inputs.
    pub fn decompose(self, graph: &mut Graph, product: Value, addends: &[Value]) -> Result<Value> {
        let sum = addends.iter().take(self.inputs()).try_fold(product, |sum, &addend| graph.add(sum, addend))?;
        activate(graph, self.activation, sum)
    }
}

/// `activation(x)` in the ops that Python's functions of these names consist of.
pub fn activate(graph: &mut Graph, activation: Activation, x: Value) -> Result<Value> {
    use Scalar as S;
    match activation {
        Activation::Linear => Ok(x),
        Activation::Relu => graph.elementwise(S::Relu, &[x]),
        Activation::Relu6 => graph.elementwise(S::Relu6, &[x]),
        Activation::Sigmoid => graph.elementwise(S::Sigmoid, &[x]),
        Activation::Tanh => graph.elementwise(S::Tanh, &[x]),
        Activation::Softplus => graph.elementwise(S::Softplus, &[x]),
        Activation::Silu => {
            let gate = graph.elementwise(S::Sigmoid, &[x])?;
            graph.mul(x, gate)
        }
        Activation::Elu => {
            let zero = graph.scalar(0.0, graph.dtype(x))?;
            let negative = graph.elementwise(S::Minimum, &[x, zero])?;
            let below = graph.elementwise(S::Expm1, &[negative])?;
            let above = graph.elementwise(S::Greater, &[x, zero])?;
            graph.select(above, x, below)
        }
        Activation::Gelu => {
            let scaled = graph.scale(x, 0.5_f64.sqrt())?;
            let odd = graph.elementwise(S::Erf, &[scaled])?;
            gated(graph, x, odd)
        }
        Activation::GeluTanh => {
            let square = graph.mul(x, x)?;
            let cube = graph.mul(square, x)?;
            let cubic = graph.scale(cube, 0.044_715)?;
            let sum = graph.add(x, cubic)?;
            let scaled = graph.scale(sum, (2.0 / std::f64::consts::PI).sqrt())?;
            let odd = graph.elementwise(S::Tanh, &[scaled])?;
            gated(graph, x, odd)
        }
    }
}

/// `x (odd + 1) / 2`
fn gated(graph: &mut Graph, x: Value, odd: Value) -> Result<Value> {
    let gate = graph.shift(odd, 1.0)?;
    let product = graph.mul(x, gate)?;
    graph.scale(product, 0.5)
}
