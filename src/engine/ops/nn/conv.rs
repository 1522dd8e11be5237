//! Convolution: `y[n, o.., f] = sum_{k.., c} x[n, o * stride + k * dilation - pad.., c] w[k.., c, f]`, channels last.
//!
//! `x` is `(batch, spatial.., channels)` with one to three spatial axes, `w` is `(kernel.., channels / groups, filters)`;
//! group `g` reads its own share of channels and makes its own share of filters. Convolution is linear in `x` and in `w`,
//! so its two gradients are ops of the same family, closed under differentiation:
//!
//! ```text
//! dx = conv_input_grad(g, w, like x)      dw = conv_kernel_grad(x, g, like w)
//! ```

use super::half_by_float32;
use crate::core::{Dim, Error, Result, Shape, Spec};
use crate::ops::linalg::epilogue::Epilogue;
use crate::ops::{Attributes, GradContext, Graph, Operation, Promotion, Value, expect_float, expect_inputs};

/// How much is padded around the spatial axes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Padding {
    Valid,
    /// As much as makes the output `ceil(size / stride)` long; the odd one goes to the end.
    Same,
    /// Before and after every spatial axis.
    Explicit(Vec<(usize, usize)>),
}

impl Padding {
    pub fn parse(attributes: &mut Attributes) -> Result<Padding> {
        let low = attributes.optional_ints("pad_low")?;
        let high = attributes.optional_ints("pad_high")?;
        if low.is_some() || high.is_some() {
            let (low, high) = (low.unwrap_or_default(), high.unwrap_or_default());
            if low.len() != high.len() || low.iter().chain(&high).any(|&pad| pad < 0) {
                return Err(Error::value(format!(
                    "pad_low and pad_high take one length of at least 0 for every spatial axis, got {low:?} and {high:?}"
                )));
            }
            return Ok(Padding::Explicit(low.iter().zip(&high).map(|(&a, &b)| (a as usize, b as usize)).collect()));
        }
        match attributes.text("padding", "valid")?.as_str() {
            "valid" => Ok(Padding::Valid),
            "same" => Ok(Padding::Same),
            other => Err(Error::value(format!("padding must be 'valid' or 'same', got '{other}'"))),
        }
    }

    /// Padding before and after an axis of known length.
    pub fn resolve(&self, axis: usize, size: usize, window: usize, stride: usize, dilation: usize) -> (usize, usize) {
        match self {
            Padding::Valid => (0, 0),
            Padding::Explicit(pairs) => pairs[axis],
            Padding::Same => {
                let reach = (window.max(1) - 1) * dilation + 1;
                let total = (size.div_ceil(stride).saturating_sub(1) * stride + reach).saturating_sub(size);
                (total / 2, total - total / 2)
            }
        }
    }

    /// Fails when the padding is given for another number of axes than `spatial`.
    pub fn check(&self, spatial: usize) -> Result<()> {
        match self {
            Padding::Explicit(pairs) if pairs.len() != spatial => {
                Err(Error::shape(format!("padding is given for {} axes, there are {spatial}", pairs.len())))
            }
            _ => Ok(()),
        }
    }

    /// How many windows fit along an axis.
    pub fn output(&self, axis: usize, size: Dim, window: usize, stride: usize, dilation: usize) -> Result<Dim> {
        let Dim::Known(size) = size else {
            return Ok(if stride == 1 && *self == Padding::Same { size } else { Dim::fresh() });
        };
        let (before, after) = self.resolve(axis, size, window, stride, dilation);
        let reach = (window.max(1) - 1) * dilation + 1;
        match (size + before + after).checked_sub(reach) {
            Some(rest) => Ok(Dim::Known(rest / stride + 1)),
            None => Err(Error::shape(format!(
                "a window that reaches over {reach} does not fit an axis of length {size}; use padding='same', a smaller \
                 window, or larger inputs"
            ))),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Conv {
    pub strides: Vec<usize>,
    pub padding: Padding,
    pub dilation: Vec<usize>,
    pub groups: usize,
    pub epilogue: Epilogue,
}

impl Conv {
    fn spatial(&self) -> usize {
        self.strides.len()
    }

    /// Whether a kernel of one pixel makes every pixel of the output from the one at its place.
    pub fn is_pointwise(&self) -> bool {
        let padded = matches!(&self.padding, Padding::Explicit(pairs) if pairs.iter().any(|&pair| pair != (0, 0)));
        !padded && self.groups == 1 && self.strides.iter().all(|&stride| stride == 1)
    }

    fn plain(&self) -> Conv {
        Conv { epilogue: Epilogue::default(), ..self.clone() }
    }

    /// Checks `x` and `w` against each other and gives the output's shape.
    pub(super) fn infer_shape(&self, x: &Shape, w: &Shape) -> Result<Shape> {
        let spatial = self.spatial();
        if !(1..=3).contains(&spatial) {
            return Err(Error::unsupported(format!(
                "convolution over {spatial} axes; one to three are supported, so fold further axes into the batch"
            )));
        }
        if x.rank() != spatial + 2 || w.rank() != spatial + 2 {
            return Err(Error::shape(format!(
                "a {spatial}D convolution takes an input of {} axes (batch, {spatial} spatial, channels) and a kernel of as \
                 many, got shapes {x} and {w}",
                spatial + 2
            )));
        }
        if self.dilation.len() != spatial {
            return Err(Error::shape(format!("{} dilations for {spatial} spatial axes", self.dilation.len())));
        }
        self.padding.check(spatial)?;
        if self.strides.contains(&0) || self.dilation.contains(&0) || self.groups == 0 {
            return Err(Error::value("strides, dilation and groups must be at least 1"));
        }
        let (channels, taken) = (x.0[spatial + 1], w.0[spatial]);
        let (Some(taken), Some(filters)) = (taken.known(), w.0[spatial + 1].known()) else {
            return Err(Error::shape(format!("the kernel's shape must be known, got {w}")));
        };
        if !channels.agrees(Dim::Known(taken * self.groups)) {
            return Err(Error::shape(format!(
                "the input has {} channels (shape {x}), the kernel of shape {w} with {} groups takes {}; the last axis must \
                 hold the channels the layer was built for",
                channels.known().unwrap_or(0),
                self.groups,
                taken * self.groups
            )));
        }
        if filters % self.groups != 0 {
            return Err(Error::shape(format!("{filters} filters cannot be split into {} groups", self.groups)));
        }
        let mut dims = vec![x.0[0]];
        for axis in 0..spatial {
            let window = w.0[axis].known().ok_or_else(|| Error::shape("the kernel's size must be known"))?;
            if window == 0 {
                return Err(Error::shape(format!(
                    "a kernel of shape {w} has no elements; its size must be at least 1"
                )));
            }
            dims.push(self.padding.output(axis, x.0[axis + 1], window, self.strides[axis], self.dilation[axis])?);
        }
        dims.push(Dim::Known(filters));
        Ok(Shape(dims))
    }
}

impl Operation for Conv {
    const NAME: &'static str = "conv";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let strides = attributes.sizes("strides")?;
        Ok(Conv {
            dilation: attributes.sizes_or("dilation", &vec![1; strides.len()])?,
            strides,
            padding: Padding::parse(attributes)?,
            groups: attributes.int("groups", 1)?.max(0) as usize,
            epilogue: Epilogue::default(),
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2 + self.epilogue.inputs())?;
        let dtype = expect_float(inputs)?;
        Ok(vec![Spec::new(self.infer_shape(&inputs[0].shape, &inputs[1].shape)?, dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        if !self.epilogue.is_empty() {
            return Err(Error::internal("gradients are written before epilogues are fused"));
        }
        let g = context.gradient(0)?;
        let (x, w) = (context.inputs[0], context.inputs[1]);
        let (conv, wanted) = (self.clone(), context.wanted);
        let dx =
            if wanted[0] { Some(context.graph.apply(ConvInputGrad { conv: conv.clone() }, &[g, w, x])?) } else { None };
        let dw = if wanted[1] { Some(context.graph.apply(ConvKernelGrad { conv }, &[x, g, w])?) } else { None };
        Ok(vec![dx, dw])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        if self.epilogue.is_empty() {
            return half_by_float32(self.clone(), graph, inputs);
        }
        let product = graph.apply(self.plain(), &inputs[..2]);
        Some(product.and_then(|y| Ok(vec![self.epilogue.decompose(graph, y, &inputs[2..])?])))
    }

    fn promotion(&self) -> Promotion {
        Promotion::Float
    }
}

/// The gradient of a convolution with respect to its input: `(g, w, like x)`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ConvInputGrad {
    pub conv: Conv,
}

impl Operation for ConvInputGrad {
    const NAME: &'static str = "conv_input_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(ConvInputGrad { conv: Conv::parse(attributes)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 3)?;
        let dtype = expect_float(&inputs[..2])?;
        check_gradient(&self.conv, &inputs[2].shape, &inputs[1].shape, &inputs[0].shape)?;
        Ok(vec![Spec::new(inputs[2].shape.clone(), dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let gg = context.gradient(0)?;
        let (g, w) = (context.inputs[0], context.inputs[1]);
        let conv = self.conv.clone();
        let dg = if context.wanted[0] { Some(context.graph.apply(conv.clone(), &[gg, w])?) } else { None };
        let dw =
            if context.wanted[1] { Some(context.graph.apply(ConvKernelGrad { conv }, &[gg, g, w])?) } else { None };
        Ok(vec![dg, dw, None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone(), graph, inputs)
    }

    fn shape_only(&self) -> &'static [usize] {
        &[2]
    }
}

/// The gradient of a convolution with respect to its kernel: `(x, g, like w)`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ConvKernelGrad {
    pub conv: Conv,
}

impl Operation for ConvKernelGrad {
    const NAME: &'static str = "conv_kernel_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(ConvKernelGrad { conv: Conv::parse(attributes)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 3)?;
        let dtype = expect_float(&inputs[..2])?;
        check_gradient(&self.conv, &inputs[0].shape, &inputs[2].shape, &inputs[1].shape)?;
        Ok(vec![Spec::new(inputs[2].shape.clone(), dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let gg = context.gradient(0)?;
        let (x, g) = (context.inputs[0], context.inputs[1]);
        let conv = self.conv.clone();
        let dx = if context.wanted[0] {
            Some(context.graph.apply(ConvInputGrad { conv: conv.clone() }, &[g, gg, x])?)
        } else {
            None
        };
        let dg = if context.wanted[1] { Some(context.graph.apply(conv, &[x, gg])?) } else { None };
        Ok(vec![dx, dg, None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone(), graph, inputs)
    }

    fn shape_only(&self) -> &'static [usize] {
        &[2]
    }
}

fn check_gradient(conv: &Conv, x: &Shape, w: &Shape, g: &Shape) -> Result<()> {
    let y = conv.infer_shape(x, w)?;
    if y.agrees(g) { Ok(()) } else { Err(Error::shape(format!("a gradient of shape {g} for an output of shape {y}"))) }
}
