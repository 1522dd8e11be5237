//! `sum_like(g, x)`: sums `g` over the axes in which `x` was broadcast to get `g`'s shape. The gradient of broadcasting.
//!
//! Gradient: broadcast back.

use super::ReduceKind;
use crate::core::{Dim, Error, Result, Spec};
use crate::ops::{Attributes, GradContext, Graph, Operation, Value, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SumLike;

impl SumLike {
    /// The axes of a shape `from` that are summed to reach `to`.
    pub fn axes(from: &[usize], to: &[usize]) -> Vec<usize> {
        let lead = from.len() - to.len();
        (0..from.len()).filter(|&axis| axis < lead || (to[axis - lead] == 1 && from[axis] != 1)).collect()
    }
}

impl Operation for SumLike {
    const NAME: &'static str = "sum_like";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Ok(SumLike)
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        let (from, to) = (&inputs[0].shape, &inputs[1].shape);
        let fits = to.rank() <= from.rank()
            && to.0.iter().rev().zip(from.0.iter().rev()).all(|(&a, &b)| a == Dim::Known(1) || a.agrees(b));
        if !fits {
            return Err(Error::shape(format!("{to} was never broadcast to {from}")));
        }
        Ok(vec![Spec::new(to.clone(), inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.broadcast_like(g, context.inputs[0])?), None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let (from, to) = (graph.shape(inputs[0]).sizes()?, graph.shape(inputs[1]).sizes()?);
        let axes: Vec<i64> = SumLike::axes(&from, &to).into_iter().map(|axis| axis as i64).collect();
        let mut run = || -> Result<Vec<Value>> {
            let sum = graph.reduce(ReduceKind::Sum, inputs[0], &axes, false)?;
            Ok(vec![graph.reshape_like(sum, inputs[1])?])
        };
        Some(run())
    }

    fn shape_only(&self) -> &'static [usize] {
        &[1]
    }
}
