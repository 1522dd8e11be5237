//! `matmul(a, b)`: `(.., m, k) x (.., k, n) -> (.., m, n)`, leading axes broadcast; either operand may be read transposed.
//!
//! Gradients: `da = g b^T`, `db = a^T g`, each read transposed where the operand was, summed over broadcast axes.
//! With an epilogue the op is `activation(a b + bias + residual)`, made by the `fuse_epilogue` pass after gradients are written.
//! Sums of 16-bit operands are float32, and so are addends; `widen` keeps a result in float32 where it is read so.

use super::epilogue::Epilogue;
use crate::core::{DType, Dim, Error, Result, Shape, Spec};
use crate::ops::shape::broadcast::Broadcast;
use crate::ops::shape::reshape::Reshape;
use crate::ops::{Attributes, GradContext, Graph, Operation, Promotion, Value, expect_float};

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct MatMul {
    pub transpose_a: bool,
    pub transpose_b: bool,
    pub epilogue: Epilogue,
    /// The result's type where it is not the operands'.
    pub result: Option<DType>,
}

impl Operation for MatMul {
    const NAME: &'static str = "matmul";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(MatMul {
            transpose_a: attributes.bool("transpose_a", false)?,
            transpose_b: attributes.bool("transpose_b", false)?,
            ..MatMul::default()
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        super::super::expect_inputs(inputs, 2 + self.epilogue.inputs())?;
        let (a, b) = (&inputs[0].shape, &inputs[1].shape);
        if a.rank() < 2 || b.rank() < 2 {
            return Err(Error::shape(format!("operands must have at least 2 axes, got {a} and {b}")));
        }
        let dtype = expect_float(&inputs[..2])?;
        if let Some(other) = inputs[2..].iter().find(|addend| addend.dtype != sums(dtype)) {
            return Err(Error::dtype(format!("adds {} to sums in {}", other.dtype, sums(dtype))));
        }
        let (a_lead, a_tail) = a.0.split_at(a.rank() - 2);
        let (b_lead, b_tail) = b.0.split_at(b.rank() - 2);
        let (m, k) = if self.transpose_a { (a_tail[1], a_tail[0]) } else { (a_tail[0], a_tail[1]) };
        let (k2, n) = if self.transpose_b { (b_tail[1], b_tail[0]) } else { (b_tail[0], b_tail[1]) };
        if !k.agrees(k2) {
            return Err(Error::shape(format!(
                "shapes {a} and {b} do not multiply: {} columns of the first meet {} rows of the second",
                k.known().unwrap_or(0),
                k2.known().unwrap_or(0)
            )));
        }
        let mut dims = Shape(a_lead.to_vec()).broadcast(&Shape(b_lead.to_vec()))?.0;
        dims.extend([m, n]);
        Ok(vec![Spec::new(Shape(dims), self.result.unwrap_or(dtype))])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        if !self.epilogue.is_empty() || self.result.is_some() {
            return Err(Error::internal("gradients are written before epilogues are fused"));
        }
        let g = context.gradient(0)?;
        let (a, b) = (context.inputs[0], context.inputs[1]);
        let graph = &mut *context.graph;
        if let (true, Some((rows, g_rows))) = (context.wanted[1], self.as_rows(graph, a, b, g)?) {
            // One product of all rows, where there would be one of each batch and a sum of them.
            let da = if context.wanted[0] {
                let op = MatMul { transpose_b: !self.transpose_b, ..MatMul::default() };
                Some(graph.apply(op, &[g, b])?)
            } else {
                None
            };
            let operands = if self.transpose_b { [g_rows, rows] } else { [rows, g_rows] };
            let db = graph.apply(MatMul { transpose_a: true, ..MatMul::default() }, &operands)?;
            return Ok(vec![da, Some(db)]);
        }
        let mut product = |x, transpose_a, y, transpose_b, like| -> Result<Option<Value>> {
            let op = MatMul { transpose_a, transpose_b, ..MatMul::default() };
            let full = graph.apply(op, &[x, y])?;
            Ok(Some(graph.sum_like(full, like)?))
        };
        let da = match (context.wanted[0], self.transpose_a) {
            (false, _) => None,
            (true, false) => product(g, false, b, !self.transpose_b, a)?,
            (true, true) => product(b, self.transpose_b, g, true, a)?,
        };
        let db = match (context.wanted[1], self.transpose_b) {
            (false, _) => None,
            (true, false) => product(a, !self.transpose_a, g, false, b)?,
            (true, true) => product(g, true, a, self.transpose_a, b)?,
        };
        Ok(vec![da, db])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let half = graph.dtype(inputs[0]);
        if half.is_half() {
            return Some(self.in_float32(graph, inputs, half));
        }
        let plain = MatMul { epilogue: Epilogue::default(), ..self.clone() };
        if !self.epilogue.is_empty() {
            let product = graph.apply(plain, &inputs[..2]);
            return Some(product.and_then(|y| Ok(vec![self.epilogue.decompose(graph, y, &inputs[2..])?])));
        }
        // Leading axes that broadcast both ways: repeat both operands first.
        let (a, b) = (graph.shape(inputs[0]).clone(), graph.shape(inputs[1]).clone());
        let (a_lead, a_tail) = a.0.split_at(a.rank() - 2);
        let (b_lead, b_tail) = b.0.split_at(b.rank() - 2);
        let lead = Shape(a_lead.to_vec()).broadcast(&Shape(b_lead.to_vec())).ok()?;
        let full = |tail: &[Dim]| Broadcast { shape: lead.0.iter().chain(tail).copied().collect() };
        let (a_full, b_full) = (full(a_tail), full(b_tail));
        if a_full.shape == a.0 && b_full.shape == b.0 {
            return None;
        }
        let run = || -> Result<Vec<Value>> {
            let (a, b) = (graph.apply(a_full, &inputs[..1])?, graph.apply(b_full, &inputs[1..2])?);
            graph.append(plain, &[a, b])
        };
        Some(run())
    }

    fn promotion(&self) -> Promotion {
        Promotion::Float
    }
}

/// The type in which elements of a type are added up.
fn sums(dtype: DType) -> DType {
    if dtype.is_half() { DType::Float32 } else { dtype }
}

impl MatMul {
    /// A product of 16-bit floats as one of float32.
    fn in_float32(&self, graph: &mut Graph, inputs: &[Value], half: DType) -> Result<Vec<Value>> {
        let mut wide = vec![graph.cast(inputs[0], DType::Float32)?, graph.cast(inputs[1], DType::Float32)?];
        wide.extend(&inputs[2..]);
        let product = graph.append(MatMul { result: None, ..self.clone() }, &wide)?[0];
        Ok(vec![graph.cast(product, self.result.unwrap_or(half))?])
    }

    /// `a` and the result's gradient as matrices, where `a` is a batch of matrices and `b` is one.
    fn as_rows(&self, graph: &mut Graph, a: Value, b: Value, g: Value) -> Result<Option<(Value, Value)>> {
        let last = |graph: &Graph, value: Value| graph.shape(value).0.last().and_then(|dim| dim.known());
        let flat = graph.shape(a).rank() > 2 && graph.shape(b).rank() == 2 && !self.transpose_a;
        let mut rows = |value: Value| -> Result<Option<Value>> {
            match last(graph, value) {
                Some(columns) if flat && columns > 0 => {
                    Ok(Some(graph.apply(Reshape { shape: vec![None, Some(Dim::Known(columns))] }, &[value])?))
                }
                _ => Ok(None),
            }
        };
        Ok(match (rows(a)?, rows(g)?) {
            (Some(a), Some(g)) => Some((a, g)),
            _ => None,
        })
    }
}
