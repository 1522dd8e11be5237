//! What happens to a product on its way to memory: bias, residual, activation, adding to what is there.
//!
//! Bias, residual, accumulation, `ReLU` and `ReLU6` cost next to nothing: they are part of the tile's first and last lines.
//! The other activations run over each block of the output right after it was stored, while it is in the cache; they are
//! bound by arithmetic.

use std::marker::PhantomData;

use crate::cpu::simd::Isa;
use crate::cpu::vector_math::VectorMath;
use crate::for_each_isa_fused;

/// A function that is applied to every element of an output.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Activation {
    /// `x`
    #[default]
    Linear,
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `tanh(x)`
    Tanh,
    /// `x / (1 + exp(-x))`
    Silu,
    /// `log(1 + exp(x))`
    Softplus,
    /// `exp(x) - 1` below zero, `x` above
    Elu,
    /// `x (1 + erf(x / sqrt 2)) / 2`
    Gelu,
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`
    GeluTanh,
}

impl Activation {
    pub const ALL: [Activation; 10] = [
        Activation::Linear,
        Activation::Relu,
        Activation::Relu6,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Silu,
        Activation::Softplus,
        Activation::Elu,
        Activation::Gelu,
        Activation::GeluTanh,
    ];

    /// Whether tiles apply it themselves.
    pub(crate) fn in_store(self) -> bool {
        matches!(self, Activation::Linear | Activation::Relu | Activation::Relu6)
    }

    /// Applies it to stored values, unless the tiles did.
    pub(crate) fn apply<T: VectorMath>(self, isa: Isa, values: &mut [T]) {
        if !self.in_store() {
            activate_all(isa, self, values);
        }
    }
}

/// What is added and applied: `c = activation(accumulate * c + a b + bias + residual)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Epilogue {
    /// Add to what the output holds.
    pub accumulate: bool,
    pub activation: Activation,
}

/// An array laid out like the output, read where a chunk writes. It may be the output itself, so it is no slice.
#[derive(Clone, Copy, Debug)]
pub struct Residual<'a, T> {
    start: *const T,
    length: usize,
    lifetime: PhantomData<&'a T>,
}

impl<T> Residual<'_, T> {
    /// # Safety
    /// `start` is valid for reads of `length` elements while the result lives. Nobody writes to them meanwhile, unless they are the
    /// output, all of it, of the kernel that reads them.
    pub unsafe fn from_raw(start: *const T, length: usize) -> Self {
        Self { start, length, lifetime: PhantomData }
    }

    pub fn as_ptr(&self) -> *const T {
        self.start
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl<'a, T> From<&'a [T]> for Residual<'a, T> {
    fn from(values: &'a [T]) -> Self {
        Self { start: values.as_ptr(), length: values.len(), lifetime: PhantomData }
    }
}

/// What is added to a product, but for what the output holds.
#[derive(Clone, Copy, Debug)]
pub struct Addends<'a, T> {
    /// A number for every column, added to all rows.
    pub bias: Option<&'a [T]>,
    /// A number for every element. An output that accumulates has none.
    pub residual: Option<Residual<'a, T>>,
}

impl<T> Default for Addends<'_, T> {
    fn default() -> Self {
        Self { bias: None, residual: None }
    }
}

impl<'a, T> From<Option<&'a [T]>> for Addends<'a, T> {
    /// A bias, or nothing.
    fn from(bias: Option<&'a [T]>) -> Self {
        Self { bias, residual: None }
    }
}

/// A loop in place: a closure would be compiled once, for the baseline instruction set.
macro_rules! map {
    ($values:ident, |$x:ident| $result:expr) => {
        for value in $values {
            let $x = *value;
            *value = $result;
        }
    };
}

#[inline(always)]
fn activate_body<const FUSED: bool, T: VectorMath>(activation: Activation, values: &mut [T]) {
    let half = T::from_f64(0.5);
    let six = T::from_f64(6.0);
    let sqrt_half = T::from_f64(std::f64::consts::FRAC_1_SQRT_2);
    match activation {
        Activation::Linear => {}
        Activation::Relu => map!(values, |x| if x < T::ZERO { T::ZERO } else { x }),
        Activation::Relu6 => map!(values, |x| {
            let positive = if x < T::ZERO { T::ZERO } else { x };
            if positive > six { six } else { positive }
        }),
        Activation::Sigmoid => map!(values, |x| x.v_sigmoid::<FUSED>()),
        Activation::Tanh => map!(values, |x| x.v_tanh::<FUSED>()),
        Activation::Silu => map!(values, |x| x * x.v_sigmoid::<FUSED>()),
        Activation::Softplus => map!(values, |x| x.v_softplus::<FUSED>()),
        Activation::Elu => map!(values, |x| {
            let below = x.v_expm1::<FUSED>();
            if x < T::ZERO { below } else { x }
        }),
        Activation::Gelu => map!(values, |x| half * x * (T::ONE + (x * sqrt_half).v_erf::<FUSED>())),
        Activation::GeluTanh => {
            let (cubic, scale) = (T::from_f64(0.044_715), T::from_f64((2.0 / std::f64::consts::PI).sqrt()));
            map!(values, |x| half * x * (T::ONE + (scale * (x + cubic * x * x * x)).v_tanh::<FUSED>()));
        }
    }
}

for_each_isa_fused! {
    /// Applies any activation to stored values.
    pub(crate) fn activate_all<T: VectorMath>(activation: Activation, values: &mut [T]) = activate_body;
}
