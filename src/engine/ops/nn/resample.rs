//! `resample(x, axis, size)`: `x` sampled anew at `size` places along one axis, between its elements where need be.
//!
//! ```text
//! y[.., i, ..] = sum over j of w(i, j) x[.., j, ..]      j near (i + 1/2 - translation) / scale - 1/2
//! ```
//!
//! `w` falls with the distance as the interpolation says and adds up to 1 over `j`. `scale` is `size / length` unless it is
//! given. The gradient is the same sum with `i` and `j` swapped ([`ResampleGrad`]), whose own gradient is `resample`.

use ironhorn_kernels::cpu::resample::{Interpolation, Taps};

use super::half_by_float32;
use crate::core::shape::{Bindings, bind_dim};
use crate::core::{Dim, Error, Result, Shape, Spec};
use crate::ops::{Attributes, GradContext, Graph, Operation, Promotion, Real, Value, expect_inputs, one_of};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Resample {
    pub axis: i64,
    pub size: Dim,
    pub interpolation: Interpolation,
    /// Output positions for each input position; `size / length` if not given.
    pub scale: Option<Real>,
    pub translation: Real,
    /// Whether an output that stands for several inputs is made of all of them.
    pub antialias: bool,
}

impl Resample {
    fn infer_shape(&self, x: &Shape) -> Result<Shape> {
        let axis = x.axis(self.axis)?;
        if x.0[axis] == Dim::Known(0) && self.size != Dim::Known(0) {
            return Err(Error::shape(format!("axis {axis} of shape {x} has nothing to sample from")));
        }
        let mut dims = x.0.clone();
        dims[axis] = self.size;
        Ok(Shape(dims))
    }

    /// Which inputs make each output, and the elements before and behind the axis.
    pub fn taps(&self, x: &Shape) -> Result<(usize, usize, Taps)> {
        let (axis, sizes) = (x.axis(self.axis)?, x.concrete()?);
        let size = self.size.known().ok_or_else(|| Error::internal("the size is still a symbol in a plan"))?;
        let scale = self.scale.map_or_else(|| size.max(1) as f64 / sizes[axis].max(1) as f64, |scale| scale.0);
        let taps = Taps::new(sizes[axis], size, self.interpolation, scale, self.translation.0, self.antialias);
        Ok((sizes[..axis].iter().product(), sizes[axis + 1..].iter().product(), taps))
    }

    fn bound(&self, bindings: &Bindings) -> Resample {
        Resample { size: bind_dim(self.size, bindings), ..self.clone() }
    }
}

fn expect_float(spec: &Spec) -> Result<()> {
    if spec.dtype.is_float() { Ok(()) } else { Err(Error::dtype(format!("takes floats, got {}", spec.dtype))) }
}

impl Operation for Resample {
    const NAME: &'static str = "resample";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let interpolations = [
            ("linear", Interpolation::Linear),
            ("cubic", Interpolation::Cubic),
            ("lanczos3", Interpolation::Lanczos(3)),
            ("lanczos5", Interpolation::Lanczos(5)),
        ];
        let interpolation = one_of("interpolation", &attributes.text("interpolation", "linear")?, &interpolations)?;
        let [Some(size)] = attributes.dims("size")?[..] else {
            return Err(Error::value("size must be one length"));
        };
        let scale = attributes.float("scale", 0.0)?;
        if !(scale.is_finite() && scale >= 0.0) {
            return Err(Error::value(format!("scale must be a positive number, got {scale}")));
        }
        Ok(Resample {
            axis: attributes.int("axis", -1)?,
            size,
            interpolation,
            scale: (scale > 0.0).then_some(Real(scale)),
            translation: Real(attributes.float("translation", 0.0)?),
            antialias: attributes.bool("antialias", false)?,
        })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs[0])?;
        Ok(vec![Spec::new(self.infer_shape(&inputs[0].shape)?, inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let g = context.gradient(0)?;
        let x = context.inputs[0];
        Ok(vec![Some(context.graph.apply(ResampleGrad { resample: self.clone() }, &[g, x])?)])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone(), graph, inputs)
    }

    fn promotion(&self) -> Promotion {
        Promotion::Float
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        self.bound(bindings)
    }
}

/// The gradient: `(g, like x)`, each `g` shared among the inputs that it was made of.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ResampleGrad {
    pub resample: Resample,
}

impl Operation for ResampleGrad {
    const NAME: &'static str = "resample_grad";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        Ok(ResampleGrad { resample: Resample::parse(attributes)? })
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, 2)?;
        expect_float(inputs[0])?;
        let y = self.resample.infer_shape(&inputs[1].shape)?;
        if !y.agrees(&inputs[0].shape) {
            return Err(Error::shape(format!("a gradient of shape {} for an output of shape {y}", inputs[0].shape)));
        }
        Ok(vec![Spec::new(inputs[1].shape.clone(), inputs[0].dtype)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let v = context.gradient(0)?;
        Ok(vec![Some(context.graph.apply(self.resample.clone(), &[v])?), None])
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        half_by_float32(self.clone(), graph, inputs)
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        ResampleGrad { resample: self.resample.bound(bindings) }
    }

    fn shape_only(&self) -> &'static [usize] {
        &[1]
    }
}
