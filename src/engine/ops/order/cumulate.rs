//! `cumulate(x, axis, kind)`: running sums or products, `y[i] = x[0] (+ or *) .. x[i]`.
//!
//! `reverse` runs from the end; `exclusive` leaves an element's own value out of its result. Gradients, with the shift that
//! `exclusive` asks for: of a sum the sum of `g` in the other direction; of a product `e[i] r[i]`, where `e` is the
//! exclusive product and `r[i] = g[i] + x[i + 1] r[i + 1]` a [`LinearRecurrence`], so that zeros are as any number.

use super::linear_recurrence::{LinearRecurrence, shift};
use crate::core::{DType, Error, Result, Spec};
use crate::ops::{Attributes, GradContext, Graph, Operation, Value, expect_inputs, one_of};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CumulateKind {
    Sum,
    Product,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cumulate {
    pub kind: CumulateKind,
    pub axis: i64,
    pub reverse: bool,
    pub exclusive: bool,
}

impl Operation for Cumulate {
    const NAME: &'static str = "cumulate";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let kinds = [("sum", CumulateKind::Sum), ("product", CumulateKind::Product)];
        Ok(Cumulate {
            kind: one_of("kind", &attributes.text("kind", "sum")?, &kinds)?,
            axis: attributes.int("axis", -1)?,
            reverse: attributes.bool("reverse", false)?,
            exclusive: attributes.bool("exclusive", false)?,
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        inputs[0].shape.axis(self.axis)?;
        if inputs[0].dtype == DType::Bool {
            return Err(Error::dtype("adds and multiplies numbers, got bool; cast to int32 first"));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let x = context.inputs[0];
        let g = context.gradient(0)?;
        let graph = &mut *context.graph;
        if self.kind == CumulateKind::Sum {
            return Ok(vec![Some(graph.apply(Cumulate { reverse: !self.reverse, ..self.clone() }, &[g])?)]);
        }
        let axis = graph.shape(x).axis(self.axis)?;
        let others = graph.apply(Cumulate { exclusive: true, ..self.clone() }, &[x])?;
        // What element i is multiplied into from i on; an exclusive product takes it up one step later.
        let g = if self.exclusive { shift(graph, g, axis, self.reverse)? } else { g };
        // Backwards the factor between i and i + 1 is x[i + 1], where the recurrence looks for it. Forwards, between
        // i - 1 and i, it is x[i - 1].
        let factors = if self.reverse { shift(graph, x, axis, true)? } else { x };
        let onward = graph.apply(LinearRecurrence { axis: self.axis, reverse: !self.reverse }, &[factors, g])?;
        Ok(vec![Some(graph.mul(others, onward)?)])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        crate::ops::reduce::half_by_float32(self.clone().into(), graph, inputs)
    }
}
