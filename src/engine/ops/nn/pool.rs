//! Pooling: the maximum or mean of `x` over windows of one to three spatial axes, channels last.
//!
//! ```text
//! x (batch, spatial.., channels) -> y (batch, windows.., channels)
//! ```
//!
//! Windows slide, or (adaptive) cut every axis into a number of parts, rounded outwards. Padding takes no part: it is never the maximum, and a mean counts only what is inside. The gradient of a maximum goes
//! to the first one of its window. Each gradient is linear in what arrives, with the other's op as its derivative:
//!
//! ```text
//! max      dx = max_pool_grad(x, g)              its gradient for g: max_pool_select(x, v), v at x's first maximum
//! average  dx = average_pool_grad(g, like x)     its gradient for g: the average pool of v
//! ```
//!
//! In training the pass `fuse_pool` lets the forward pass keep where maxima are (`max_pool_places`), so that the backward
//! pass reads neither `x` nor `y` (`max_pool_places_grad`).

use ironhorn_kernels::cpu::pool::MOST_PLACES;

use super::half_by_float32;
use crate::core::{DType, Dim, Error, Result, Shape, Spec};
use crate::ops::nn::conv::Padding;
use crate::ops::{Attributes, GradContext, Graph, Operation, Promotion, Value, expect_inputs, one_of};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PoolKind {
    Max,
    Average,
}

/// Where windows lie, for every spatial axis.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Windows {
    Sliding(Sliding),
    /// How many windows there are. Number `i` of `n` covers `floor(i length / n) .. ceil((i + 1) length / n)`.
    Adaptive(Vec<usize>),
}

/// Windows of one size.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sliding {
    pub sizes: Vec<usize>,
    pub strides: Vec<usize>,
    pub padding: Padding,
}

impl Windows {
    fn parse(attributes: &mut Attributes) -> Result<Windows> {
        if let Some(counts) = attributes.optional_ints("outputs")? {
            let counts: Vec<usize> = counts.iter().map(|&count| usize::try_from(count).unwrap_or(0)).collect();
            return Ok(Windows::Adaptive(counts));
        }
        let sizes = attributes.sizes("window")?;
        let strides = attributes.sizes_or("strides", &sizes)?;
        Ok(Windows::Sliding(Sliding { sizes, strides, padding: Padding::parse(attributes)? }))
    }

    pub fn spatial(&self) -> usize {
        match self {
            Windows::Sliding(sliding) => sliding.sizes.len(),
            Windows::Adaptive(counts) => counts.len(),
        }
    }

    /// Elements of a window, where that is the same for all.
    pub fn pixels(&self) -> Option<usize> {
        match self {
            Windows::Sliding(sliding) => {
                sliding.sizes.iter().try_fold(1usize, |pixels, &size| pixels.checked_mul(size))
            }
            Windows::Adaptive(_) => None,
        }
    }

    /// The shape of what is pooled from `x`.
    fn infer_shape(&self, x: &Shape) -> Result<Shape> {
        let spatial = self.spatial();
        if !(1..=3).contains(&spatial) {
            return Err(Error::unsupported(format!(
                "pooling over {spatial} spatial axes; one to three are supported, so fold further axes into the batch"
            )));
        }
        if x.rank() != spatial + 2 {
            return Err(Error::shape(format!(
                "a window over {spatial} axes takes an input of {} axes (batch, spatial.., channels), got shape {x}",
                spatial + 2
            )));
        }
        let mut dims = vec![x.0[0]];
        match self {
            Windows::Sliding(Sliding { sizes, strides, padding }) => {
                if strides.len() != spatial {
                    return Err(Error::shape(format!("{} strides for a window over {spatial} axes", strides.len())));
                }
                if sizes.contains(&0) || strides.contains(&0) {
                    return Err(Error::value("windows and strides must be at least 1"));
                }
                padding.check(spatial)?;
                for axis in 0..spatial {
                    dims.push(padding.output(axis, x.0[axis + 1], sizes[axis], strides[axis], 1)?);
                }
            }
            Windows::Adaptive(counts) => {
                if counts.contains(&0) || x.0[1..=spatial].contains(&Dim::Known(0)) {
                    return Err(Error::shape(format!(
                        "adaptive pooling makes at least one output of at least one element on every spatial axis, got \
                         {counts:?} outputs for shape {x}"
                    )));
                }
                dims.extend(counts.iter().map(|&count| Dim::Known(count)));
            }
        }
        dims.push(x.0[spatial + 1]);
        Ok(Shape(dims))
    }

    /// Fails unless `pooled` has the shape of what is pooled from `x`.
    fn check_pooled(&self, x: &Shape, pooled: &Shape) -> Result<()> {
        let y = self.infer_shape(x)?;
        if y.agrees(pooled) {
            Ok(())
        } else {
            Err(Error::shape(format!("a gradient of shape {pooled} for an output of shape {y}")))
        }
    }
}

fn expect_same_float(inputs: &[&Spec]) -> Result<()> {
    let dtype = inputs[0].dtype;
    if !dtype.is_float() {
        return Err(Error::dtype(format!("takes floats, got {dtype}; cast the input first")));
    }
    match inputs.iter().find(|input| input.dtype != dtype) {
        None => Ok(()),
        Some(other) => {
            Err(Error::dtype(format!("inputs have types {dtype} and {}; cast them to one type", other.dtype)))
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pool {
    pub kind: PoolKind,
    pub windows: Windows,
}

impl Operation for Pool {
    const NAME: &'static str = "pool";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let kinds = [("max", PoolKind::Max), ("average", PoolKind::Average)];
        Ok(Pool { kind: one_of("kind", &attributes.text("kind", "")?, &kinds)?, windows: Windows::parse(attributes)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        expect_same_float(inputs)?;
        Ok(vec![Spec::new(self.windows.infer_shape(&inputs[0].shape)?, inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        let (x, windows) = (context.inputs[0], self.windows.clone());
        let dx = match self.kind {
            PoolKind::Max => context.graph.apply(MaxPoolGrad { windows }, &[x, g])?,
            PoolKind::Average => context.graph.apply(AveragePoolGrad { windows }, &[g, x])?,
        };
        Ok(vec![Some(dx)])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone(), graph, inputs)
    }

    fn promotion(&self) -> Promotion {
        Promotion::Float
    }
}

/// The gradient of a maximum: `(x, g)`, each `g` at the first maximum of its window.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MaxPoolGrad {
    pub windows: Windows,
}

impl Operation for MaxPoolGrad {
    const NAME: &'static str = "max_pool_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(MaxPoolGrad { windows: Windows::parse(attributes)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        expect_same_float(inputs)?;
        self.windows.check_pooled(&inputs[0].shape, &inputs[1].shape)?;
        Ok(vec![inputs[0].clone()])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let v = context.gradient(0)?;
        let select = MaxPoolSelect { windows: self.windows.clone() };
        // Where the maximum lies does not change with x, almost everywhere.
        Ok(vec![None, Some(context.graph.apply(select, &[context.inputs[0], v])?)])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone(), graph, inputs)
    }
}

/// `y`, and for each of its elements the number, in its window, of the pixel it came from, a byte: row by row, 255 for none.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MaxPoolPlaces {
    pub windows: Windows,
    /// Whether maxima that are not above 0 have no place: `x` is the output of relu, whose derivative is part of the gradient.
    pub gated: bool,
}

impl Operation for MaxPoolPlaces {
    const NAME: &'static str = "max_pool_places";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(MaxPoolPlaces { windows: Windows::parse(attributes)?, gated: attributes.bool("gated", false)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        expect_same_float(inputs)?;
        let fits = self.windows.pixels().is_some_and(|pixels| pixels <= MOST_PLACES);
        if !fits || !inputs[0].dtype.is_compute_float() {
            return Err(Error::unsupported(format!(
                "places of {} in windows {:?}; windows have a fixed size of at most {MOST_PLACES} elements, of float32 or \
                 float64",
                inputs[0].dtype, self.windows
            )));
        }
        let shape = self.windows.infer_shape(&inputs[0].shape)?;
        Ok(vec![Spec::new(shape.clone(), inputs[0].dtype), Spec::new(shape, DType::Uint8)])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Err(Error::internal("gradients are written before places are kept"))
    }
}

/// The gradient of [`MaxPoolPlaces`]: `(g, places, like x)`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MaxPoolPlacesGrad {
    pub windows: Windows,
}

impl Operation for MaxPoolPlacesGrad {
    const NAME: &'static str = "max_pool_places_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(MaxPoolPlacesGrad { windows: Windows::parse(attributes)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 3)?;
        expect_same_float(&[inputs[0], inputs[2]])?;
        for pooled in &inputs[..2] {
            self.windows.check_pooled(&inputs[2].shape, &pooled.shape)?;
        }
        if inputs[1].dtype != DType::Uint8 {
            return Err(Error::dtype(format!("places are bytes, got {}", inputs[1].dtype)));
        }
        Ok(vec![inputs[2].clone()])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Err(Error::internal("gradients are written before places are kept"))
    }

    fn shape_only(&self) -> &'static [usize] {
        &[2]
    }
}

/// `(g, places)`: the sum of `g` over all windows that have a place, for every channel.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MaxPoolPlacesSum;

impl Operation for MaxPoolPlacesSum {
    const NAME: &'static str = "max_pool_places_sum";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Ok(MaxPoolPlacesSum)
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        let (g, places) = (inputs[0], inputs[1]);
        if !g.dtype.is_compute_float() || places.dtype != DType::Uint8 || !g.shape.agrees(&places.shape) {
            return Err(Error::shape(format!("takes float32 or float64 and a byte for each, got {g} and {places}")));
        }
        let channels = g.shape.0.last().copied().ok_or_else(|| Error::shape("takes an array with channels"))?;
        Ok(vec![Spec::new(Shape(vec![channels]), g.dtype)])
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Err(Error::internal("gradients are written before places are kept"))
    }
}

/// `(x, v)`: the element of `v` where `x` has the first maximum of each window.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MaxPoolSelect {
    pub windows: Windows,
}

impl Operation for MaxPoolSelect {
    const NAME: &'static str = "max_pool_select";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(MaxPoolSelect { windows: Windows::parse(attributes)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        expect_same_float(inputs)?;
        let (x, v) = (&inputs[0].shape, &inputs[1].shape);
        if !x.agrees(v) {
            return Err(Error::shape(format!("x of shape {x} and v of shape {v} must have one shape")));
        }
        Ok(vec![Spec::new(self.windows.infer_shape(x)?, inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        let place = MaxPoolGrad { windows: self.windows.clone() };
        Ok(vec![None, Some(context.graph.apply(place, &[context.inputs[0], g])?)])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone(), graph, inputs)
    }
}

/// The gradient of a mean: `(g, like x)`, each `g` shared among its window.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AveragePoolGrad {
    pub windows: Windows,
}

impl Operation for AveragePoolGrad {
    const NAME: &'static str = "average_pool_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(AveragePoolGrad { windows: Windows::parse(attributes)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        expect_same_float(&inputs[..1])?;
        self.windows.check_pooled(&inputs[1].shape, &inputs[0].shape)?;
        Ok(vec![Spec::new(inputs[1].shape.clone(), inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let v = context.gradient(0)?;
        let average = Pool { kind: PoolKind::Average, windows: self.windows.clone() };
        Ok(vec![Some(context.graph.apply(average, &[v])?), None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone(), graph, inputs)
    }

    fn shape_only(&self) -> &'static [usize] {
        &[1]
    }
}
