//! `linear_recurrence(a, b, axis)`: `r[i] = b[i] + a[i] r[i - 1]` along an axis, `r[0] = b[0]`.
//!
//! In reverse `r[i] = b[i] + a[i + 1] r[i + 1]`: `a[i]` stands between `i - 1` and `i` in both directions. Gradients: that
//! of `b` is the recurrence of `g` with the same `a` in the other direction, `l`; that of `a` is `l[i] r[i - 1]`, in
//! reverse `l[i - 1] r[i]`, and 0 at the start.

use crate::core::{Error, Result, Spec};
use crate::ops::shape::pad::Pad;
use crate::ops::shape::slice::{Bound, Range, Slice};
use crate::ops::{Attributes, GradContext, Graph, Operation, Real, Value, expect_float, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LinearRecurrence {
    pub axis: i64,
    pub reverse: bool,
}

impl Operation for LinearRecurrence {
    const NAME: &'static str = "linear_recurrence";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(LinearRecurrence { axis: attributes.int("axis", -1)?, reverse: attributes.bool("reverse", false)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        inputs[1].shape.axis(self.axis)?;
        if !inputs[0].shape.agrees(&inputs[1].shape) {
            return Err(Error::shape(format!("factors {} for terms {}", inputs[0].shape, inputs[1].shape)));
        }
        expect_float(inputs)?;
        Ok(vec![inputs[1].clone()])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let (a, result) = (context.inputs[0], context.outputs[0]);
        let g = context.gradient(0)?;
        let graph = &mut *context.graph;
        let axis = graph.shape(a).axis(self.axis)?;
        let back = graph.apply(LinearRecurrence { reverse: !self.reverse, ..self.clone() }, &[a, g])?;
        let (late, early) = if self.reverse { (result, back) } else { (back, result) };
        let early = shift(graph, early, axis, true)?;
        Ok(vec![Some(graph.mul(late, early)?), Some(back)])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        crate::ops::reduce::half_by_float32(self.clone().into(), graph, inputs)
    }
}

/// The elements one step along an axis from where they were, towards the end or the start; the place left free holds 0.
pub fn shift(graph: &mut Graph, x: Value, axis: usize, towards_end: bool) -> Result<Value> {
    let mut widths = vec![0; graph.shape(x).rank()];
    let none = widths.clone();
    widths[axis] = 1;
    let (low, high) = if towards_end { (widths, none) } else { (none, widths) };
    let padded = graph.apply(Pad { low, high, value: Real(0.0) }, &[x])?;
    let mut ranges = vec![Range::FULL; axis];
    ranges.push(if towards_end {
        Range { start: Bound::Open, stop: Bound::At(-1), step: 1 }
    } else {
        Range { start: Bound::At(1), stop: Bound::Open, step: 1 }
    });
    let moved = graph.apply(Slice { ranges }, &[padded])?;
    // Where the length is a symbol, padding and cutting made another of it.
    graph.reshape_like(moved, x)
}
