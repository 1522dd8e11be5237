//! `sum`, `mean`, `max`, `min`, `prod`, `any`, `all` over axes.
//!
//! Gradients, with `g` broadcast back over the reduced axes: sum `g`; mean `g / n`; max and min `g` shared equally among
//! the elements that reach the extremum (as JAX does); prod `g * y / x`; any and all none.

use ironhorn_kernels::cpu::elementwise::Scalar;

use super::{half_by_float32, reduced_axes, reduced_shape};
use crate::core::{DType, Error, Result, Spec};
use crate::ops::shape::reshape::Reshape;
use crate::ops::{Attributes, GradContext, Graph, Operation, Value, expect_inputs, one_of};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReduceKind {
    Sum,
    Mean,
    Max,
    Min,
    Prod,
    Any,
    All,
}

pub const KINDS: [(&str, ReduceKind); 7] = [
    ("sum", ReduceKind::Sum),
    ("mean", ReduceKind::Mean),
    ("max", ReduceKind::Max),
    ("min", ReduceKind::Min),
    ("prod", ReduceKind::Prod),
    ("any", ReduceKind::Any),
    ("all", ReduceKind::All),
];

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reduce {
    pub kind: ReduceKind,
    /// `None` is every axis.
    pub axes: Option<Vec<i64>>,
    pub keepdims: bool,
}

impl Operation for Reduce {
    const NAME: &'static str = "reduce";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(Reduce {
            kind: one_of("kind", &attributes.text("kind", "sum")?, &KINDS)?,
            axes: attributes.optional_ints("axis")?,
            keepdims: attributes.bool("keepdims", false)?,
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        let dtype = inputs[0].dtype;
        let axes = reduced_axes(self.axes.as_deref(), inputs[0].rank())?;
        if matches!(self.kind, ReduceKind::Any | ReduceKind::All) && dtype != DType::Bool {
            return Err(Error::dtype(format!("any and all take bool, got {dtype}")));
        }
        if self.kind == ReduceKind::Mean && !dtype.is_float() {
            return Err(Error::dtype(format!("mean takes floats, got {dtype}")));
        }
        let empty = axes.iter().any(|&axis| inputs[0].shape.0[axis].known() == Some(0));
        if empty && matches!(self.kind, ReduceKind::Max | ReduceKind::Min) {
            return Err(Error::shape(format!(
                "max and min of no elements: shape {} over axes {axes:?}",
                inputs[0].shape
            )));
        }
        Ok(vec![Spec::new(reduced_shape(&inputs[0].shape, &axes, self.keepdims), dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let (x, y) = (context.inputs[0], context.outputs[0]);
        if matches!(self.kind, ReduceKind::Any | ReduceKind::All) || !context.graph.dtype(x).is_float() {
            return Ok(vec![None]);
        }
        let g = context.gradient(0)?;
        let graph = &mut *context.graph;
        let g = self.spread(graph, g, x)?;
        let result = match self.kind {
            ReduceKind::Sum => g,
            ReduceKind::Mean => {
                let ones = graph.ones_like(x)?;
                let count = graph.apply(Reduce { kind: ReduceKind::Sum, ..self.clone() }, &[ones])?;
                let count = self.spread(graph, count, x)?;
                graph.div(g, count)?
            }
            ReduceKind::Max | ReduceKind::Min => {
                let extreme = self.spread(graph, y, x)?;
                let reached = graph.elementwise(Scalar::Equal, &[x, extreme])?;
                let reached = graph.cast(reached, graph.dtype(x))?;
                let count = graph.apply(Reduce { kind: ReduceKind::Sum, ..self.clone() }, &[reached])?;
                let count = self.spread(graph, count, x)?;
                let share = graph.div(reached, count)?;
                graph.mul(g, share)?
            }
            _ => {
                let product = self.spread(graph, y, x)?;
                let ratio = graph.div(product, x)?;
                graph.mul(g, ratio)?
            }
        };
        Ok(vec![Some(result)])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone().into(), graph, inputs)
    }
}

impl Reduce {
    /// Broadcasts a reduced value back over the reduced axes of `x`.
    fn spread(&self, graph: &mut Graph, reduced: Value, x: Value) -> Result<Value> {
        let shape = graph.shape(x).clone();
        let axes = reduced_axes(self.axes.as_deref(), shape.rank())?;
        let kept = reduced_shape(&shape, &axes, true);
        let kept = if self.keepdims {
            reduced
        } else {
            graph.apply(Reshape { shape: kept.0.into_iter().map(Some).collect() }, &[reduced])?
        };
        graph.broadcast_like(kept, x)
    }
}
