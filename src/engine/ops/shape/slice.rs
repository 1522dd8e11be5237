//! `x[start:stop:step, ..]`: NumPy's basic slicing with one entry an axis; steps may be negative.
//!
//! Gradient: the gradient's elements put back where they came from, zeros elsewhere ([`SliceGrad`]), whose own gradient
//! is the slice again.

use crate::core::shape::{Bindings, bind_dim};
use crate::core::{Dim, Error, Result, Shape, Spec};
use crate::ops::attributes::End;
use crate::ops::{Attributes, GradContext, Graph, Operation, Value, expect_inputs};

/// One end of a range.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Bound {
    /// Counted from the front, or from the end when negative; clipped to the axis.
    At(i64),
    /// A length that the plan knows, clipped to the axis.
    Dim(Dim),
    /// As many before the end; none before it, which Python writes -0, is the front.
    Back(Dim),
    /// As far as the axis goes.
    Open,
}

/// `start:stop:step` along one axis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Range {
    pub start: Bound,
    pub stop: Bound,
    pub step: i64,
}

impl Range {
    pub const FULL: Range = Range { start: Bound::Open, stop: Bound::Open, step: 1 };

    pub fn is_full(&self) -> bool {
        *self == Range::FULL || (self.start == Bound::At(0) && self.stop == Bound::Open && self.step == 1)
    }

    /// The first index and the number of indices on an axis of `size`, by Python's rules for slices.
    pub fn resolve(&self, size: usize) -> Result<(usize, usize)> {
        let size = size as i64;
        let (low, high) = if self.step > 0 { (0, size) } else { (-1, size - 1) };
        let clip = |bound: Bound, open: i64| -> Result<i64> {
            Ok(match bound {
                Bound::Open => open,
                Bound::At(i) => (if i < 0 { i + size } else { i }).clamp(low, high),
                Bound::Dim(Dim::Known(n)) => (n as i64).clamp(low, high),
                Bound::Back(Dim::Known(0)) => 0i64.clamp(low, high),
                Bound::Back(Dim::Known(n)) => (size - n as i64).clamp(low, high),
                Bound::Dim(Dim::Symbol(_)) | Bound::Back(Dim::Symbol(_)) => {
                    return Err(Error::index(
                        "a bound that was computed from lengths is negative here; where that may happen, use ops.take with \
                         indices from ops.arange",
                    ));
                }
            })
        };
        let (start, stop) = if self.step > 0 {
            (clip(self.start, 0)?, clip(self.stop, size)?)
        } else {
            (clip(self.start, size - 1)?, clip(self.stop, -1)?)
        };
        let span = if self.step > 0 { stop - start } else { start - stop };
        let count = if span <= 0 { 0 } else { (span + self.step.abs() - 1) / self.step.abs() };
        Ok((start.max(0) as usize, count as usize))
    }

    fn bind(self, bindings: &Bindings) -> Range {
        let bind = |bound| match bound {
            Bound::Dim(dim) => Bound::Dim(bind_dim(dim, bindings)),
            Bound::Back(dim) => Bound::Back(bind_dim(dim, bindings)),
            other => other,
        };
        Range { start: bind(self.start), stop: bind(self.stop), step: self.step }
    }

    fn has_symbol(&self) -> bool {
        [self.start, self.stop]
            .iter()
            .any(|bound| matches!(bound, Bound::Dim(Dim::Symbol(_)) | Bound::Back(Dim::Symbol(_))))
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Slice {
    /// One range an axis; missing ones are full.
    pub ranges: Vec<Range>,
}

impl Slice {
    fn infer_shape(&self, from: &Shape) -> Result<Shape> {
        if self.ranges.len() > from.rank() {
            return Err(Error::index(format!("{} indices for an array of shape {from}", self.ranges.len())));
        }
        let mut dims = from.0.clone();
        for (dim, range) in dims.iter_mut().zip(&self.ranges) {
            if range.is_full() {
                continue;
            }
            *dim = match *dim {
                Dim::Known(size) if !range.has_symbol() => Dim::Known(range.resolve(size)?.1),
                Dim::Symbol(_) if *range == (Range { start: Bound::Open, stop: Bound::Open, step: -1 }) => *dim,
                _ => Dim::fresh(),
            };
        }
        Ok(Shape(dims))
    }

    /// Start index, step and count along every axis of an array with `sizes`.
    pub fn resolve(&self, sizes: &[usize]) -> Result<Vec<(usize, i64, usize)>> {
        sizes
            .iter()
            .enumerate()
            .map(|(axis, &size)| {
                let range = self.ranges.get(axis).unwrap_or(&Range::FULL);
                let (start, count) = range.resolve(size)?;
                Ok((start, range.step, count))
            })
            .collect()
    }

    fn bound(&self, bindings: &Bindings) -> Slice {
        Slice { ranges: self.ranges.iter().map(|range| range.bind(bindings)).collect() }
    }
}

impl Operation for Slice {
    const NAME: &'static str = "slice";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let starts = attributes.bounds("starts")?;
        let stops = attributes.bounds("stops")?;
        let steps = attributes.ints("steps")?;
        if starts.len() != stops.len() || starts.len() != steps.len() {
            return Err(Error::value("starts, stops and steps must have the same length"));
        }
        if steps.contains(&0) {
            return Err(Error::value("slice step cannot be zero"));
        }
        let bound = |end: &End| match *end {
            End::Open => Bound::Open,
            End::At(index) => Bound::At(index),
            End::Dim(dim) => Bound::Dim(dim),
            End::Back(dim) => Bound::Back(dim),
        };
        let ranges = starts
            .iter()
            .zip(&stops)
            .zip(&steps)
            .map(|((start, stop), &step)| Range { start: bound(start), stop: bound(stop), step })
            .collect();
        Ok(Slice { ranges })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        Ok(vec![Spec::new(self.infer_shape(&inputs[0].shape)?, inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.apply(SliceGrad { slice: self.clone() }, &[g, context.inputs[0]])?)])
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        self.bound(bindings)
    }
}

/// Puts the elements of `g` where the slice took them from an array shaped like the second input; zeros elsewhere.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SliceGrad {
    pub slice: Slice,
}

impl Operation for SliceGrad {
    const NAME: &'static str = "slice_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(SliceGrad { slice: Slice::parse(attributes)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        let cut = self.slice.infer_shape(&inputs[1].shape)?;
        if !cut.agrees(&inputs[0].shape) {
            return Err(Error::shape(format!("a gradient of shape {} for a slice of shape {cut}", inputs[0].shape)));
        }
        Ok(vec![Spec::new(inputs[1].shape.clone(), inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        Ok(vec![Some(context.graph.apply(self.slice.clone(), &[g])?), None])
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        SliceGrad { slice: self.slice.bound(bindings) }
    }

    fn shape_only(&self) -> &'static [usize] {
        &[1]
    }
}

/// `x[start:stop]` along one axis.
pub fn slice_like(graph: &mut Graph, x: Value, axis: usize, start: Dim, stop: Dim) -> Result<Value> {
    let mut ranges = vec![Range::FULL; axis];
    ranges.push(Range { start: Bound::Dim(start), stop: Bound::Dim(stop), step: 1 });
    graph.apply(Slice { ranges }, &[x])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_python() {
        let range = |start: Option<i64>, stop: Option<i64>, step| Range {
            start: start.map_or(Bound::Open, Bound::At),
            stop: stop.map_or(Bound::Open, Bound::At),
            step,
        };
        assert_eq!(range(None, None, -1).resolve(4).unwrap(), (3, 4));
        assert_eq!(range(Some(-3), None, 2).resolve(5).unwrap(), (2, 2));
        assert_eq!(range(Some(10), Some(20), 1).resolve(5).unwrap(), (5, 0));
        assert_eq!(range(Some(3), Some(0), -2).resolve(5).unwrap(), (3, 2));
        assert_eq!(range(None, None, 1).resolve(0).unwrap(), (0, 0));
    }
}
