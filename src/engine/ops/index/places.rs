//! Rows picked and changed by places of several axes: `gather_nd` and `scatter_nd`.
//!
//! The indices are `(count, depth)`: each row names a place of the leading `depth` axes. Negative indices count from the
//! end and one out of range is an error when the program runs, unless `drop` is set: then both name nothing, and gathering
//! gives zeros there, scattering leaves the update out.
//!
//! Gradients, with `y` the result, `x[i]` what the indices gather of `x`:
//!
//! ```text
//! gather       x: scatter-add of g onto zeros
//! add          x: g                                    updates: g[i]
//! set          x: g, 0 where something was put         updates: g[i], of several updates of a place only the last's
//! max, min     x and updates that equal y share g among them (as JAX does)
//! mul          each g times the product of the others at its place, zeros counted apart so that none is divided by
//! ```

use ironhorn_kernels::cpu::elementwise::Scalar;

use crate::core::{DType, Dim, Error, Result, Shape, Spec};
use crate::ops::index::take::cast_indices;
use crate::ops::shape::broadcast::Broadcast;
use crate::ops::shape::iota::Iota;
use crate::ops::shape::reshape::Reshape;
use crate::ops::{Attributes, GradContext, Graph, Operation, Value, expect_inputs, one_of};

/// The number of indices, how many axes each names; fails for indices that are none.
fn places(x: &Spec, indices: &Spec) -> Result<(Dim, usize)> {
    if !indices.dtype.is_integer() {
        return Err(Error::dtype(format!("indices must be integers, got {}; cast them first", indices.dtype)));
    }
    let &[count, depth] = indices.shape.0.as_slice() else {
        return Err(Error::shape(format!("indices must have two axes, (count, depth), got shape {}", indices.shape)));
    };
    match depth.known() {
        Some(depth) if depth <= x.rank() => Ok((count, depth)),
        _ => Err(Error::shape(format!("indices of shape {} for an array of shape {}", indices.shape, x.shape))),
    }
}

/// `y[i, ..] = x[indices[i], ..]`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct GatherNd {
    pub drop: bool,
}

impl Operation for GatherNd {
    const NAME: &'static str = "gather_nd";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(GatherNd { drop: attributes.bool("drop", false)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        let (count, depth) = places(inputs[0], inputs[1])?;
        Ok(vec![Spec::new(Shape([&[count], &inputs[0].shape.0[depth..]].concat()), inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let (x, indices) = (context.inputs[0], context.inputs[1]);
        let g = context.gradient(0)?;
        let zeros = context.graph.zeros_like(x)?;
        let add = ScatterNd { kind: ScatterKind::Add, drop: self.drop };
        Ok(vec![Some(context.graph.apply(add, &[zeros, indices, g])?), None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        cast_indices(graph, inputs[1]).map(|indices| {
            let indices = indices?;
            graph.append(self.clone(), &[inputs[0], indices])
        })
    }
}

/// What an update does to what is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ScatterKind {
    Set,
    Add,
    Max,
    Min,
    Mul,
}

/// `y = x`, then for every index in order `y[indices[i], ..] (=, +=, max, min, *=) updates[i, ..]`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ScatterNd {
    pub kind: ScatterKind,
    pub drop: bool,
}

impl Operation for ScatterNd {
    const NAME: &'static str = "scatter_nd";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let kinds = [
            ("set", ScatterKind::Set),
            ("add", ScatterKind::Add),
            ("max", ScatterKind::Max),
            ("min", ScatterKind::Min),
            ("mul", ScatterKind::Mul),
        ];
        Ok(ScatterNd {
            kind: one_of("kind", &attributes.text("kind", "set")?, &kinds)?,
            drop: attributes.bool("drop", false)?,
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 3)?;
        let (x, updates) = (inputs[0], inputs[2]);
        let (count, depth) = places(x, inputs[1])?;
        let wanted = Shape([&[count], &x.shape.0[depth..]].concat());
        if !wanted.agrees(&updates.shape) {
            return Err(Error::shape(format!(
                "updates of shape {} for {} places of an array of shape {}; they must have shape {wanted}",
                updates.shape,
                inputs[1].shape.0[0].known().map_or("None".to_string(), |n| n.to_string()),
                x.shape
            )));
        }
        if x.dtype != updates.dtype {
            return Err(Error::dtype(format!("updates of {} for an array of {}; cast them", updates.dtype, x.dtype)));
        }
        if x.dtype == DType::Bool && self.kind != ScatterKind::Set {
            return Err(Error::dtype("combines numbers, got bool; cast to int32 first"));
        }
        Ok(vec![x.clone()])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let &[x, indices, updates] = context.inputs else { return Err(Error::internal("inputs of a scatter")) };
        if !context.graph.dtype(x).is_float() {
            return Ok(vec![None, None, None]);
        }
        let (y, g) = (context.outputs[0], context.gradient(0)?);
        let mut rule = Rule { graph: context.graph, indices, drop: self.drop };
        let (of_x, of_updates) = match self.kind {
            ScatterKind::Add => (g, rule.gather(g)?),
            ScatterKind::Set => rule.replaced(g, updates)?,
            ScatterKind::Max | ScatterKind::Min => rule.shared(g, y, x, updates)?,
            ScatterKind::Mul => rule.others(g, x, updates)?,
        };
        Ok(vec![Some(of_x), None, Some(of_updates)])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let dtype = graph.dtype(inputs[0]);
        let half = dtype.is_float() && !dtype.is_compute_float() && self.kind != ScatterKind::Set;
        let cast = cast_indices(graph, inputs[1]);
        if !half && cast.is_none() {
            return None;
        }
        let run = || -> Result<Vec<Value>> {
            let wide = if half { DType::Float32 } else { dtype };
            let (x, updates) = (graph.cast(inputs[0], wide)?, graph.cast(inputs[2], wide)?);
            let indices = cast.unwrap_or(Ok(inputs[1]))?;
            let result = graph.apply(self.clone(), &[x, indices, updates])?;
            Ok(vec![graph.cast(result, dtype)?])
        };
        Some(run())
    }
}

/// The gradients of a scatter, over the same indices.
struct Rule<'a> {
    graph: &'a mut Graph,
    indices: Value,
    drop: bool,
}

impl Rule<'_> {
    fn gather(&mut self, x: Value) -> Result<Value> {
        self.graph.apply(GatherNd { drop: self.drop }, &[x, self.indices])
    }

    fn scatter(&mut self, kind: ScatterKind, x: Value, updates: Value) -> Result<Value> {
        self.graph.apply(ScatterNd { kind, drop: self.drop }, &[x, self.indices, updates])
    }

    /// Set: nothing of `x` is left where something was put, and nothing of an update that a later one replaced.
    fn replaced(&mut self, g: Value, updates: Value) -> Result<(Value, Value)> {
        let zeros = self.graph.zeros_like(updates)?;
        let of_x = self.scatter(ScatterKind::Set, g, zeros)?;
        let (count, depth) = places(self.graph.spec(g), self.graph.spec(self.indices))?;
        let leading = self.graph.shape(g).0[..depth].to_vec();
        let numbers = self.graph.apply(Iota { shape: vec![count], axis: 0, dtype: DType::Int32 }, &[])?;
        let zero = self.graph.scalar(0.0, DType::Int32)?;
        let nobody = self.graph.apply(Broadcast { shape: leading }, &[zero])?;
        let last = self.scatter(ScatterKind::Set, nobody, numbers)?;
        let last = self.gather(last)?;
        let stays = self.graph.elementwise(Scalar::Equal, &[last, numbers])?;
        let mut shape = vec![Some(count)];
        shape.resize(self.graph.shape(updates).rank(), Some(Dim::Known(1)));
        let stays = self.graph.apply(Reshape { shape }, &[stays])?;
        let of_updates = self.gather(g)?;
        let zero = self.graph.scalar(0.0, self.graph.dtype(g))?;
        Ok((of_x, self.graph.select(stays, of_updates, zero)?))
    }

    /// Max and min: all that reach the extremum share.
    fn shared(&mut self, g: Value, y: Value, x: Value, updates: Value) -> Result<(Value, Value)> {
        let dtype = self.graph.dtype(x);
        let there = self.graph.elementwise(Scalar::Equal, &[x, y])?;
        let there = self.graph.cast(there, dtype)?;
        let reached = self.gather(y)?;
        let came = self.graph.elementwise(Scalar::Equal, &[updates, reached])?;
        let came = self.graph.cast(came, dtype)?;
        let count = self.scatter(ScatterKind::Add, there, came)?;
        let share = self.graph.div(g, count)?;
        let shares = self.gather(share)?;
        Ok((self.graph.mul(there, share)?, self.graph.mul(came, shares)?))
    }

    /// Mul: the product of the others is that of all that are not zero, over one's own; with one zero among them, it is
    /// there for that one alone.
    fn others(&mut self, g: Value, x: Value, updates: Value) -> Result<(Value, Value)> {
        let dtype = self.graph.dtype(x);
        let ones = self.graph.ones_like(x)?;
        let product = self.scatter(ScatterKind::Mul, ones, updates)?;
        let of_x = self.graph.mul(g, product)?;

        let (zero, one) = (self.graph.scalar(0.0, dtype)?, self.graph.scalar(1.0, dtype)?);
        let (x_zero, x_safe) = self.without_zeros(x, zero, one)?;
        let (update_zero, update_safe) = self.without_zeros(updates, zero, one)?;
        let (x_counts, update_counts) = (self.graph.cast(x_zero, dtype)?, self.graph.cast(update_zero, dtype)?);
        let zeros = self.scatter(ScatterKind::Add, x_counts, update_counts)?;
        let zeros = self.gather(zeros)?;
        let product = self.scatter(ScatterKind::Mul, x_safe, update_safe)?;
        let weighted = self.graph.mul(g, product)?;
        let weighted = self.gather(weighted)?;
        let divided = self.graph.div(weighted, update_safe)?;
        // How many zeros the others hold.
        let own = self.graph.cast(update_zero, dtype)?;
        let others = self.graph.sub(zeros, own)?;
        let none = self.graph.elementwise(Scalar::Equal, &[others, zero])?;
        Ok((of_x, self.graph.select(none, divided, zero)?))
    }

    /// Where `x` is zero, and `x` with ones there.
    fn without_zeros(&mut self, x: Value, zero: Value, one: Value) -> Result<(Value, Value)> {
        let is_zero = self.graph.elementwise(Scalar::Equal, &[x, zero])?;
        Ok((is_zero, self.graph.select(is_zero, one, x)?))
    }
}
