//! Elementary functions that loops can be vectorised over.
//!
//! Data: one value in, one value out. The `f32` rules are branch-free (every special case is a select), so that a loop
//! around one becomes one vector instruction per line; the `f64` rules call the standard library, accurate first.
//!
//! ```text
//! exp    x = n ln 2 + r, |r| <= ln 2 / 2;   exp x = 2^n (1 + r + r^2 q(r))
//! log    x = 2^e (1 + f), sqrt 1/2 <= 1 + f < sqrt 2;   log x = e ln 2 + f - f^2 / 2 + f^3 p(f)
//! ```
//!
//! Polynomials are minimax fits (Lawson's iteration) whose own error is below 2e-8, so rounding is what remains: at most
//! about 2e-7 relative. Limit: arithmetic, 10 to 25 operations an element. The constant parameter `FUSED` says whether
//! `a * b + c` is one instruction here; [`crate::for_each_isa_fused`] sets it.

use super::error_function::erf;
use super::float::Float;

/// Compiles `$body::<FUSED, ..>` once per instruction set, `FUSED` being true where there is a fused multiply-add, and
/// calls the copy that `isa` names. Otherwise as [`crate::for_each_isa`].
///
/// ```
/// use ironhorn_kernels::cpu::{simd::Isa, vector_math::VectorMath};
/// use ironhorn_kernels::for_each_isa_fused;
///
/// #[inline(always)]
/// fn exp_body<const FUSED: bool>(x: &mut [f32]) {
///     for value in x {
///         *value = value.v_exp::<FUSED>();
///     }
/// }
/// for_each_isa_fused! { fn exp_all(x: &mut [f32]) = exp_body; }
///
/// let mut x = [0.0, f32::NEG_INFINITY];
/// exp_all(Isa::active(), &mut x);
/// assert_eq!(x, [1.0, 0.0]);
/// ```
#[macro_export]
macro_rules! for_each_isa_fused {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $(<$t:ident : $bound:path>)? ($($arg:ident : $ty:ty),* $(,)?)
        $(-> $result:ty)? = $body:ident $(::<$($fixed:ty),+>)?;) => {
        $(#[$meta])*
        #[allow(unused_unsafe)]
        $vis fn $name $(<$t: $bound>)? (isa: $crate::cpu::simd::Isa, $($arg: $ty),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2 $(<$t: $bound>)? ($($arg: $ty),*) $(-> $result)? {
                $body::<true $(, $t)? $($(, $fixed)+)?>($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512 $(<$t: $bound>)? ($($arg: $ty),*) $(-> $result)? {
                $body::<true $(, $t)? $($(, $fixed)+)?>($($arg),*)
            }
            match isa {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `Isa::available` found these features before this value could be made active.
                $crate::cpu::simd::Isa::Avx2 => unsafe { avx2($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                $crate::cpu::simd::Isa::Avx512 => unsafe { avx512($($arg),*) },
                $crate::cpu::simd::Isa::Neon => $body::<true $(, $t)? $($(, $fixed)+)?>($($arg),*),
                _ => $body::<false $(, $t)? $($(, $fixed)+)?>($($arg),*),
            }
        }
    };
}

/// Elementary functions of `f32` (vectorisable) and `f64` (the standard library's accuracy).
///
/// NaN gives NaN; results too small to be normal may be zero.
#[allow(clippy::return_self_not_must_use)]
pub trait VectorMath: Float {
    /// `self * a + b`: one rounding where `FUSED`, two otherwise.
    fn madd<const FUSED: bool>(self, a: Self, b: Self) -> Self;
    fn v_exp<const FUSED: bool>(self) -> Self;
    fn v_expm1<const FUSED: bool>(self) -> Self;
    /// `log(0)` is minus infinity, of a negative number NaN.
    fn v_log<const FUSED: bool>(self) -> Self;
    fn v_log1p<const FUSED: bool>(self) -> Self;
    fn v_tanh<const FUSED: bool>(self) -> Self;
    /// `1 / (1 + exp(-x))`.
    fn v_sigmoid<const FUSED: bool>(self) -> Self;
    /// `log(1 + exp(x))`, without overflow.
    fn v_softplus<const FUSED: bool>(self) -> Self;
    fn v_erf<const FUSED: bool>(self) -> Self;
}

/// `c[0] + c[1] x + c[2] x^2 + ..`, by Horner's rule.
#[inline(always)]
pub(super) fn polynomial<T: VectorMath, const FUSED: bool, const N: usize>(x: T, coefficients: &[T; N]) -> T {
    let mut sum = coefficients[N - 1];
    for &coefficient in coefficients.iter().rev().skip(1) {
        sum = sum.madd::<FUSED>(x, coefficient);
    }
    sum
}

/// Adding it rounds a small `f32` to an integer, left in the low bits.
const ROUND: f32 = 12_582_912.0;
/// `ln 2` in two parts; the first has 9 bits, so that its products with exponents are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// `sqrt(1/2)` as bits.
const SQRT_HALF_BITS: i32 = 0x3f35_04f3;
const EXP: [f32; 5] = [0.5, 0.166_665_43, 0.041_666_28, 0.008_366_611, 0.001_394_649_4];
const LOG: [f32; 8] =
    [0.333_333_16, -0.250_008_1, 0.200_022_86, -0.166_245_54, 0.141_811_97, -0.131_287_68, 0.128_816_22, -0.078_595_46];
/// `erf(x) / x - 1` in `x^2`, for `|x| < ERF_SPLIT`.
const ERF_SMALL: [f32; 6] =
    [0.128_379_15, -0.376_125_07, 0.112_819_55, -0.026_771_283, 0.004_999_601_3, -0.000_602_180_7];
/// `-log(1 - erf(x)) / x` in `x`, from there to 4, where `erf` is 1.
const ERF_LARGE: [f32; 7] =
    [1.128_648_5, 0.635_151_3, 0.106_236_89, -0.023_762_075, 0.003_642_465, -0.000_322_805_4, 1.123_146_6e-5];
const ERF_SPLIT: f32 = 0.92;

/// `(exp(r) - 1, 2^n1, 2^n2, 2^-n2)` with `x = (n1 + n2) ln 2 + r`. The power is in two factors, so that neither overflows.
#[inline(always)]
fn exp_parts<const FUSED: bool>(x: f32) -> (f32, f32, f32, f32) {
    let x = x.clamp(-104.0, 89.0);
    let shifted = x.madd::<FUSED>(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let r = n.madd::<FUSED>(-LN_2_LOW, n.madd::<FUSED>(-LN_2_HIGH, x));
    let q = polynomial::<f32, FUSED, 5>(r, &EXP);
    let first = exponent >> 1;
    let second = exponent.wrapping_sub(first);
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) << 23) as u32);
    ((r * r).madd::<FUSED>(q, r), power(first), power(second), power(second.wrapping_neg()))
}

impl VectorMath for f32 {
    #[inline(always)]
    fn madd<const FUSED: bool>(self, a: f32, b: f32) -> f32 {
        if FUSED { f32::mul_add(self, a, b) } else { self * a + b }
    }

    #[inline(always)]
    fn v_exp<const FUSED: bool>(self) -> f32 {
        let (p, first, second, _) = exp_parts::<FUSED>(self);
        (1.0 + p) * first * second
    }

    #[inline(always)]
    fn v_expm1<const FUSED: bool>(self) -> f32 {
        let (p, first, second, inverse) = exp_parts::<FUSED>(self);
        first.madd::<FUSED>(p, first - inverse) * second
    }

    #[inline(always)]
    fn v_log<const FUSED: bool>(self) -> f32 {
        let subnormal = self < f32::MIN_POSITIVE;
        let scaled = if subnormal { self * 8_388_608.0 } else { self };
        let bits = (scaled.to_bits() as i32).wrapping_sub(SQRT_HALF_BITS);
        let exponent = (bits >> 23) as f32 + if subnormal { -23.0 } else { 0.0 };
        let f = f32::from_bits((bits & 0x7f_ffff).wrapping_add(SQRT_HALF_BITS) as u32) - 1.0;
        let square = f * f;
        let mut sum = f * square * polynomial::<f32, FUSED, 8>(f, &LOG);
        sum = exponent.madd::<FUSED>(LN_2_LOW, sum);
        sum = f + square.madd::<FUSED>(-0.5, sum);
        sum = exponent.madd::<FUSED>(LN_2_HIGH, sum);
        let sum = if self < f32::INFINITY { sum } else { self };
        let sum = if self == 0.0 { f32::NEG_INFINITY } else { sum };
        if self < 0.0 { f32::NAN } else { sum }
    }

    /// Kahan's correction: what rounding `1 + x` lost comes back to first order.
    #[inline(always)]
    fn v_log1p<const FUSED: bool>(self) -> f32 {
        let u = 1.0 + self;
        let corrected = u.v_log::<FUSED>() + (self - (u - 1.0)) / u;
        let outside = if self < -1.0 { f32::NAN } else { self };
        let outside = if self == -1.0 { f32::NEG_INFINITY } else { outside };
        if self > -1.0 && self < f32::INFINITY { corrected } else { outside }
    }

    /// `-e / (2 + e)` with `e = expm1(-2 |x|)`: nothing cancels near zero.
    #[inline(always)]
    fn v_tanh<const FUSED: bool>(self) -> f32 {
        let e = (-2.0 * f32::abs(self)).v_expm1::<FUSED>();
        (-e / (2.0 + e)).copysign(self)
    }

    #[inline(always)]
    fn v_sigmoid<const FUSED: bool>(self) -> f32 {
        1.0 / (1.0 + (-self).v_exp::<FUSED>())
    }

    #[inline(always)]
    fn v_softplus<const FUSED: bool>(self) -> f32 {
        let positive = if self < 0.0 { 0.0 } else { self };
        positive + (-f32::abs(self)).v_exp::<FUSED>().v_log1p::<FUSED>()
    }

    #[inline(always)]
    fn v_erf<const FUSED: bool>(self) -> f32 {
        let x = f32::abs(self);
        let small = x.madd::<FUSED>(polynomial::<f32, FUSED, 6>(x * x, &ERF_SMALL), x);
        let clamped = if x > 4.0 { 4.0 } else { x };
        let exponent = clamped * polynomial::<f32, FUSED, 7>(clamped, &ERF_LARGE);
        let large = 1.0 - (-exponent).v_exp::<FUSED>();
        (if x < ERF_SPLIT { small } else { large }).copysign(self)
    }
}

impl VectorMath for f64 {
    #[inline(always)]
    fn madd<const FUSED: bool>(self, a: f64, b: f64) -> f64 {
        if FUSED { f64::mul_add(self, a, b) } else { self * a + b }
    }

    #[inline(always)]
    fn v_exp<const FUSED: bool>(self) -> f64 {
        f64::exp(self)
    }

    #[inline(always)]
    fn v_expm1<const FUSED: bool>(self) -> f64 {
        f64::exp_m1(self)
    }

    #[inline(always)]
    fn v_log<const FUSED: bool>(self) -> f64 {
        f64::ln(self)
    }

    #[inline(always)]
    fn v_log1p<const FUSED: bool>(self) -> f64 {
        f64::ln_1p(self)
    }

    #[inline(always)]
    fn v_tanh<const FUSED: bool>(self) -> f64 {
        f64::tanh(self)
    }

    #[inline(always)]
    fn v_sigmoid<const FUSED: bool>(self) -> f64 {
        1.0 / (1.0 + f64::exp(-self))
    }

    #[inline(always)]
    fn v_softplus<const FUSED: bool>(self) -> f64 {
        let positive = if self < 0.0 { 0.0 } else { self };
        positive + f64::exp(-f64::abs(self)).ln_1p()
    }

    #[inline(always)]
    fn v_erf<const FUSED: bool>(self) -> f64 {
        erf(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{VectorMath, erf};
    use crate::cpu::simd::Isa;

    #[derive(Clone, Copy, Debug)]
    enum Function {
        Exp,
        Expm1,
        Log,
        Log1p,
        Tanh,
        Sigmoid,
        Softplus,
        Erf,
    }
    const ALL: [Function; 8] = [
        Function::Exp,
        Function::Expm1,
        Function::Log,
        Function::Log1p,
        Function::Tanh,
        Function::Sigmoid,
        Function::Softplus,
        Function::Erf,
    ];

    #[inline(always)]
    fn body<const FUSED: bool>(function: Function, x: &mut [f32]) {
        match function {
            Function::Exp => x.iter_mut().for_each(|x| *x = x.v_exp::<FUSED>()),
            Function::Expm1 => x.iter_mut().for_each(|x| *x = x.v_expm1::<FUSED>()),
            Function::Log => x.iter_mut().for_each(|x| *x = x.v_log::<FUSED>()),
            Function::Log1p => x.iter_mut().for_each(|x| *x = x.v_log1p::<FUSED>()),
            Function::Tanh => x.iter_mut().for_each(|x| *x = x.v_tanh::<FUSED>()),
            Function::Sigmoid => x.iter_mut().for_each(|x| *x = x.v_sigmoid::<FUSED>()),
            Function::Softplus => x.iter_mut().for_each(|x| *x = x.v_softplus::<FUSED>()),
            Function::Erf => x.iter_mut().for_each(|x| *x = x.v_erf::<FUSED>()),
        }
    }
    for_each_isa_fused! { fn apply(function: Function, x: &mut [f32]) = body; }

    fn reference(function: Function, x: f64) -> f64 {
        match function {
            Function::Exp => x.exp(),
            Function::Expm1 => x.exp_m1(),
            Function::Log => x.ln(),
            Function::Log1p => x.ln_1p(),
            Function::Tanh => x.tanh(),
            Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Function::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Function::Erf => erf(x),
        }
    }

    #[test]
    fn single_precision_is_within_a_few_roundings() {
        // Every 1009th bit pattern, and the interval that matters densely.
        let mut inputs: Vec<f32> = (0..=u32::MAX).step_by(20011).map(f32::from_bits).collect();
        inputs.extend((-200_000..200_000).map(|i| i as f32 * 5.3e-4));
        inputs.extend((-20_000..20_000).map(|i| i as f32 * 1.1e-4));
        for isa in Isa::available() {
            for function in ALL {
                let mut outputs = inputs.clone();
                apply(isa, function, &mut outputs);
                let mut worst = (0.0, 0.0);
                for (&x, &y) in inputs.iter().zip(&outputs) {
                    let expected = reference(function, f64::from(x));
                    let single = expected as f32;
                    if single.is_nan() {
                        assert!(y.is_nan(), "{function:?}({x:e}) = {y:e}, expected NaN");
                    } else if single.is_infinite() {
                        assert!(y == single || y.abs() > 3.4e38, "{function:?}({x:e}) = {y:e}, expected {single}");
                    } else if expected.abs() < 2.0 * f64::from(f32::MIN_POSITIVE) {
                        assert!(f64::from(y).abs() < 4.0 * f64::from(f32::MIN_POSITIVE), "{function:?}({x:e}) = {y:e}");
                    } else {
                        let error = ((f64::from(y) - expected) / expected).abs();
                        if error.is_nan() || error > worst.0 {
                            worst = (error, x);
                        }
                    }
                }
                assert!(worst.0 < 2.6e-7, "{isa:?} {function:?}: error {:e} at {:e}", worst.0, worst.1);
            }
        }
    }

    #[test]
    fn special_values() {
        let infinity = f32::INFINITY;
        for isa in Isa::available() {
            let one = |function, x: f32| {
                let mut values = [x; 19];
                apply(isa, function, &mut values);
                assert!(values.iter().all(|v| v.to_bits() == values[0].to_bits()));
                values[0]
            };
            assert_eq!(one(Function::Exp, -infinity), 0.0);
            assert_eq!(one(Function::Exp, infinity), infinity);
            assert_eq!(one(Function::Expm1, -infinity), -1.0);
            assert_eq!(one(Function::Log, 0.0), -infinity);
            assert_eq!(one(Function::Log, infinity), infinity);
            assert!(one(Function::Log, -1.0).is_nan());
            assert_eq!(one(Function::Log1p, -1.0), -infinity);
            assert!(one(Function::Log1p, -1.5).is_nan());
            assert_eq!(one(Function::Tanh, infinity), 1.0);
            assert_eq!(one(Function::Tanh, -infinity), -1.0);
            assert_eq!(one(Function::Sigmoid, -infinity), 0.0);
            assert_eq!(one(Function::Sigmoid, infinity), 1.0);
            assert_eq!(one(Function::Erf, -infinity), -1.0);
            for function in ALL {
                assert!(one(function, f32::NAN).is_nan(), "{function:?}(NaN)");
            }
        }
    }
}
