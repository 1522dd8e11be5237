//! Transposed convolution: every element of `x` adds the kernel, times itself, to a larger output, `stride` apart.
//!
//! ```text
//! y[n, o * stride + k * dilation - low.., f] += x[n, o.., c] w[k.., f, c]        length (o - 1) stride + reach - low - high + extra
//! ```
//!
//! `x` is `(batch, spatial.., channels)`, `w` is `(kernel.., filters / groups, channels)`. It is the gradient of a convolution
//! of `y` with respect to its input, so its own gradients are that convolution and its kernel's gradient:
//!
//! ```text
//! dx = conv(g, w)      dw = conv_kernel_grad(g, x, like w)
//! ```

use super::conv::{Conv, ConvKernelGrad, Padding};
use super::half_by_float32;
use crate::core::{Dim, Error, Result, Shape, Spec};
use crate::ops::{Attributes, GradContext, Graph, Operation, Promotion, Value, expect_float, expect_inputs};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ConvTranspose {
    /// The convolution of `y`; its padding is explicit.
    pub conv: Conv,
    /// Elements at the end of each axis that the last window does not reach; less than the stride.
    pub extra: Vec<usize>,
}

impl ConvTranspose {
    /// The shape of `y`.
    fn infer_shape(&self, x: &Shape, w: &Shape) -> Result<Shape> {
        let spatial = self.conv.strides.len();
        if x.rank() != spatial + 2 || w.rank() != spatial + 2 || self.conv.dilation.len() != spatial {
            return Err(Error::shape(format!(
                "a {spatial}D transposed convolution takes an input of {} axes (batch, {spatial} spatial, channels) and a \
                 kernel of as many, got shapes {x} and {w}",
                spatial + 2
            )));
        }
        let Padding::Explicit(padding) = &self.conv.padding else {
            return Err(Error::value("a transposed convolution takes its padding as lengths, pad_low and pad_high"));
        };
        self.conv.padding.check(spatial)?;
        if self.extra.len() != spatial
            || self.extra.iter().zip(&self.conv.strides).any(|(extra, stride)| extra >= stride)
        {
            return Err(Error::value(format!(
                "extra must be less than the stride on every axis, got {:?} for strides {:?}",
                self.extra, self.conv.strides
            )));
        }
        let (Some(filters), Some(channels)) = (w.0[spatial].known(), w.0[spatial + 1].known()) else {
            return Err(Error::shape(format!("the kernel's shape must be known, got {w}")));
        };
        if !x.0[spatial + 1].agrees(Dim::Known(channels)) {
            return Err(Error::shape(format!(
                "the input has {} channels (shape {x}), the kernel of shape {w} takes {channels}; the kernel's last axis \
                 must be as long as the input's channels",
                x.0[spatial + 1].known().unwrap_or(0)
            )));
        }
        let mut dims = vec![x.0[0]];
        for (axis, &(low, high)) in padding.iter().enumerate() {
            let (stride, dilation) = (self.conv.strides[axis], self.conv.dilation[axis]);
            let window = w.0[axis].known().ok_or_else(|| Error::shape("the kernel's size must be known"))?;
            let reach = (window.max(1) - 1) * dilation + 1;
            let Dim::Known(size) = x.0[axis + 1] else {
                let whole = stride == 1 && reach == low + high + 1 && self.extra[axis] == 0;
                dims.push(if whole { x.0[axis + 1] } else { Dim::fresh() });
                continue;
            };
            let padded = size.checked_sub(1).map(|last| last * stride + reach + self.extra[axis]);
            let length = padded.and_then(|padded| padded.checked_sub(low + high)).ok_or_else(|| {
                Error::shape(format!(
                    "axis {} of the input, of shape {x}, is too short for padding of {low} and {high}; give it at least \
                     one element more",
                    axis + 1
                ))
            })?;
            dims.push(Dim::Known(length));
        }
        dims.push(Dim::Known(filters * self.conv.groups));
        Ok(Shape(dims))
    }
}

impl Operation for ConvTranspose {
    const NAME: &'static str = "conv_transpose";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let extra = attributes.optional_ints("extra")?.unwrap_or_default();
        let conv = Conv::parse(attributes)?;
        let extra = if extra.is_empty() { vec![0; conv.strides.len()] } else { extra };
        let extra = extra.into_iter().map(|extra| usize::try_from(extra).unwrap_or(usize::MAX)).collect();
        Ok(ConvTranspose { conv, extra })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        let dtype = expect_float(inputs)?;
        let y = self.infer_shape(&inputs[0].shape, &inputs[1].shape)?;
        self.conv.infer_shape(&y, &inputs[1].shape)?;
        Ok(vec![Spec::new(y, dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        let (x, w) = (context.inputs[0], context.inputs[1]);
        let (conv, wanted) = (self.conv.clone(), context.wanted);
        let dx = if wanted[0] { Some(context.graph.apply(conv.clone(), &[g, w])?) } else { None };
        let dw = if wanted[1] { Some(context.graph.apply(ConvKernelGrad { conv }, &[g, x, w])?) } else { None };
        Ok(vec![dx, dw])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone(), graph, inputs)
    }

    fn promotion(&self) -> Promotion {
        Promotion::Float
    }
}
