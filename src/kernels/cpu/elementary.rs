//! Trigonometric, hyperbolic and special functions, powers and logarithms to other bases, for loops to be vectorised over.
//!
//! Data: one or two values in, one out. The `f32` rules are branch-free but for the last group; the `f64` rules call the
//! standard library, or take terms until they no longer count.
//!
//! ```text
//! sin, cos, tan   x = n pi/2 + r, |r| <= pi/4, r in f64;    a polynomial of r^2, chosen and signed by n mod 4
//! log2, log10     x = 2^e m, sqrt 1/2 <= m < sqrt 2;        s = (m - 1) / (m + 1), log m = 2 s + s^3 p(s^2) in f64
//! power           exp2(y log2 |x|) in f64, signs and special cases by selects
//! arctan          |x| > 1: pi/2 - arctan(1/x);              x + x^3 p(x^2)
//! arcsin, arccos  |x| > 1/2: by the half angle;             x + x^3 p(x^2)
//! ```
//!
//! Polynomials are minimax fits (Lawson's iteration) with errors below 5e-9. `f32` results of the first six are within 2
//! units in the last place. Reduction modulo pi/2 is exact up to [`Elementary::FAR`]; beyond it callers use the
//! standard library, which also serves where there are no vectors of `f64` with a fused multiply-add. Limit: arithmetic,
//! 15 to 40 operations an element, half of them two-wide for `f64`.

use super::error_function;
use super::vector_math::{VectorMath, polynomial};

/// More elementary functions of `f32` (vectorisable) and `f64` (the standard library's accuracy). NaN gives NaN.
#[allow(clippy::return_self_not_must_use)]
pub trait Elementary: VectorMath {
    /// Up to this size sine, cosine and tangent are right.
    const FAR: Self;
    fn v_sin<const FUSED: bool>(self) -> Self;
    fn v_cos<const FUSED: bool>(self) -> Self;
    fn v_tan<const FUSED: bool>(self) -> Self;
    /// The standard library's, for arguments beyond `FAR`.
    fn far_sin(self) -> Self;
    fn far_cos(self) -> Self;
    fn far_tan(self) -> Self;
    fn v_arcsin<const FUSED: bool>(self) -> Self;
    fn v_arccos<const FUSED: bool>(self) -> Self;
    fn v_arctan<const FUSED: bool>(self) -> Self;
    /// The angle of the point `(x, self)`.
    fn v_arctan2<const FUSED: bool>(self, x: Self) -> Self;
    fn v_sinh<const FUSED: bool>(self) -> Self;
    fn v_cosh<const FUSED: bool>(self) -> Self;
    fn v_arcsinh<const FUSED: bool>(self) -> Self;
    fn v_arccosh<const FUSED: bool>(self) -> Self;
    fn v_arctanh<const FUSED: bool>(self) -> Self;
    fn v_log2<const FUSED: bool>(self) -> Self;
    fn v_log10<const FUSED: bool>(self) -> Self;
    fn v_exp2<const FUSED: bool>(self) -> Self;
    fn v_power<const FUSED: bool>(self, exponent: Self) -> Self;
    /// `sqrt(self^2 + other^2)` without overflow on the way.
    fn v_hypot(self, other: Self) -> Self;
    /// `log(exp(self) + exp(other))`.
    fn v_logaddexp<const FUSED: bool>(self, other: Self) -> Self;
    fn cube_root(self) -> Self;
    /// `1 - erf(self)`, accurate where that is small.
    fn erfc(self) -> Self;
    /// The inverse of the error function.
    fn erfinv(self) -> Self;
    /// The modified Bessel functions of the first kind, of orders 0 and 1.
    fn bessel_i0(self) -> Self;
    fn bessel_i1(self) -> Self;
    /// The neighbour in the direction of `other`.
    fn next_after(self, other: Self) -> Self;
}

/// Adding it rounds a small `f64` to an integer, left in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// `pi / 2` in two parts; the first has 33 bits, so that its products with integers of 20 are exact.
const HALF_PI_HIGH: f64 = 1.570_796_326_734_125_6;
const HALF_PI_LOW: f64 = 6.077_100_506_506_192e-11;
/// What rounding `pi / 2` to `f32` added.
const HALF_PI_EXCESS: f32 = 4.371_139e-8;

const SIN: [f32; 3] = [-0.166_666_54, 0.008_332_132, -0.000_195_108_72];
const COS: [f32; 3] = [0.041_666_646, -0.001_388_730_6, 2.443_124_1e-5];
const SIN_WIDE: [f64; 4] =
    [-0.166_666_671_633_720_4, 0.008_333_329_111_337_662, -0.000_198_392_575_839_534_4, 2.717_568_122_534_430_6e-6];
const COS_WIDE: [f64; 4] =
    [0.041_666_667_908_430_1, -0.001_388_888_340_443_372_7, 2.479_943_759_681_191e-5, -2.720_333_895_922_522e-7];
const ARCTAN: [f32; 9] = [
    -0.333_333_02,
    0.199_986_38,
    -0.142_652_45,
    0.109_575_76,
    -0.084_194_6,
    0.058_234_558,
    -0.031_455_707,
    0.011_064_444,
    -0.001_827_213_6,
];
const ARCSIN: [f32; 5] = [0.166_667_54, 0.074_952_416, 0.045_477_1, 0.024_147_6, 0.042_218_57];
const LOG: [f64; 5] = [
    0.666_666_666_758_466_9,
    0.399_999_956_045_781_26,
    0.285_721_111_530_934_5,
    0.221_760_989_200_475_46,
    0.195_855_305_011_439_6,
];
const EXP2: [f64; 7] = [
    0.693_147_180_541_622_7,
    0.240_226_510_763_034_9,
    0.055_504_109_626_976_63,
    0.009_618_036_837_715_723,
    0.001_333_343_067_543_776_4,
    0.000_154_671_356_283_720_97,
    1.531_497_412_052_049e-5,
];
/// `sqrt(1/2)` as bits.
const SQRT_HALF_BITS: i32 = 0x3f35_04f3;

/// `(r, n)` with `x = n pi/2 + r`; of `n` the last 32 bits.
#[inline(always)]
fn quadrant<const FUSED: bool>(x: f32) -> (f64, u32) {
    let x = f64::from(x);
    let shifted = x.madd::<FUSED>(std::f64::consts::FRAC_2_PI, ROUND);
    let n = shifted - ROUND;
    (n.madd::<FUSED>(-HALF_PI_LOW, n.madd::<FUSED>(-HALF_PI_HIGH, x)), shifted.to_bits() as u32)
}

/// The sine of `n pi/2 + r`.
#[inline(always)]
fn sin_of<const FUSED: bool>(r: f32, n: u32) -> f32 {
    let square = r * r;
    let sin = (r * square).madd::<FUSED>(polynomial::<f32, FUSED, 3>(square, &SIN), r);
    let cos = (square * square).madd::<FUSED>(polynomial::<f32, FUSED, 3>(square, &COS), 1.0 - 0.5 * square);
    let chosen = if n & 1 == 0 { sin } else { cos };
    f32::from_bits(chosen.to_bits() ^ ((n & 2) << 30))
}

/// The base-2 logarithm of a positive number.
#[inline(always)]
fn log2_positive<const FUSED: bool>(x: f32) -> f64 {
    let subnormal = x < f32::MIN_POSITIVE;
    let scaled = if subnormal { x * 8_388_608.0 } else { x };
    let bits = (scaled.to_bits() as i32).wrapping_sub(SQRT_HALF_BITS);
    let exponent = f64::from(bits >> 23) + if subnormal { -23.0 } else { 0.0 };
    let m = f64::from(f32::from_bits((bits & 0x7f_ffff).wrapping_add(SQRT_HALF_BITS) as u32));
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let log = (s * square).madd::<FUSED>(polynomial::<f64, FUSED, 5>(square, &LOG), s + s);
    log.madd::<FUSED>(std::f64::consts::LOG2_E, exponent)
}

/// `log2_positive` and its limits; NaN below 0.
#[inline(always)]
fn log2_wide<const FUSED: bool>(x: f32) -> f64 {
    let log = log2_positive::<FUSED>(x);
    let log = if x < f32::INFINITY { log } else { f64::from(x) };
    let log = if x == 0.0 { f64::NEG_INFINITY } else { log };
    if x < 0.0 { f64::NAN } else { log }
}

/// `2^x`, rounded once.
#[inline(always)]
fn exp2_wide<const FUSED: bool>(x: f64) -> f32 {
    let x = if x > 200.0 { 200.0 } else { x };
    let x = if x < -200.0 { -200.0 } else { x };
    let shifted = x + ROUND;
    let r = x - (shifted - ROUND);
    let power = f64::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(1023) << 52);
    (r.madd::<FUSED>(polynomial::<f64, FUSED, 7>(r, &EXP2), 1.0) * power) as f32
}

/// The arctangent of a number from 0 to 1.
#[inline(always)]
fn arctan_of<const FUSED: bool>(x: f32) -> f32 {
    let square = x * x;
    (x * square).madd::<FUSED>(polynomial::<f32, FUSED, 9>(square, &ARCTAN), x)
}

/// `(y, large)`: the arcsine of `|x|` is `y`, where large `pi/2 - 2 y`.
#[inline(always)]
fn arcsin_parts<const FUSED: bool>(x: f32) -> (f32, bool) {
    let x = f32::abs(x);
    let large = x > 0.5;
    let square = if large { 0.5 - 0.5 * x } else { x * x };
    let root = if large { f32::sqrt(square) } else { x };
    ((root * square).madd::<FUSED>(polynomial::<f32, FUSED, 5>(square, &ARCSIN), root), large)
}

/// `pi/2 - y`.
#[inline(always)]
fn from_half_pi(y: f32) -> f32 {
    (std::f32::consts::FRAC_PI_2 - y) - HALF_PI_EXCESS
}

/// `pi - y`.
#[inline(always)]
fn from_pi(y: f32) -> f32 {
    (std::f32::consts::PI - y) - 2.0 * HALF_PI_EXCESS
}

impl Elementary for f32 {
    const FAR: f32 = 1e6;

    #[inline(always)]
    fn v_sin<const FUSED: bool>(self) -> f32 {
        let (r, n) = quadrant::<FUSED>(self);
        let sin = sin_of::<FUSED>(r as f32, n);
        if self == 0.0 { self } else { sin }
    }

    #[inline(always)]
    fn v_cos<const FUSED: bool>(self) -> f32 {
        let (r, n) = quadrant::<FUSED>(self);
        sin_of::<FUSED>(r as f32, n.wrapping_add(1))
    }

    #[inline(always)]
    fn v_tan<const FUSED: bool>(self) -> f32 {
        let (r, n) = quadrant::<FUSED>(self);
        let square = r * r;
        let sin = (r * square).madd::<FUSED>(polynomial::<f64, FUSED, 4>(square, &SIN_WIDE), r);
        let cos = (square * square).madd::<FUSED>(polynomial::<f64, FUSED, 4>(square, &COS_WIDE), 1.0 - 0.5 * square);
        let odd = n & 1 == 1;
        let (top, bottom) = (if odd { -cos } else { sin }, if odd { sin } else { cos });
        let tan = (top / bottom) as f32;
        if self == 0.0 { self } else { tan }
    }

    fn far_sin(self) -> f32 {
        f32::sin(self)
    }

    fn far_cos(self) -> f32 {
        f32::cos(self)
    }

    fn far_tan(self) -> f32 {
        f32::tan(self)
    }

    #[inline(always)]
    fn v_arcsin<const FUSED: bool>(self) -> f32 {
        let (y, large) = arcsin_parts::<FUSED>(self);
        (if large { from_half_pi(2.0 * y) } else { y }).copysign(self)
    }

    #[inline(always)]
    fn v_arccos<const FUSED: bool>(self) -> f32 {
        let (y, large) = arcsin_parts::<FUSED>(self);
        let near = if self < 0.0 { from_pi(2.0 * y) } else { 2.0 * y };
        if large { near } else { from_half_pi(y.copysign(self)) }
    }

    #[inline(always)]
    fn v_arctan<const FUSED: bool>(self) -> f32 {
        let x = f32::abs(self);
        let large = x > 1.0;
        let y = arctan_of::<FUSED>(if large { 1.0 / x } else { x });
        (if large { from_half_pi(y) } else { y }).copysign(self)
    }

    #[inline(always)]
    fn v_arctan2<const FUSED: bool>(self, x: f32) -> f32 {
        let (rise, run) = (f32::abs(self), f32::abs(x));
        let steep = rise > run;
        let (small, large) = (if steep { run } else { rise }, if steep { rise } else { run });
        let ratio = small / large;
        let even = if small == 0.0 { 0.0 } else { 1.0 };
        let ratio = if small == large { even } else { ratio };
        let angle = arctan_of::<FUSED>(ratio);
        let angle = if steep { from_half_pi(angle) } else { angle };
        let angle = if x.is_sign_negative() { from_pi(angle) } else { angle };
        angle.copysign(self)
    }

    /// `(e + e / (e + 1)) / 2` with `e = expm1 |x|`: nothing cancels near zero.
    #[inline(always)]
    fn v_sinh<const FUSED: bool>(self) -> f32 {
        let x = f32::abs(self);
        let e = x.v_expm1::<FUSED>();
        let half = (0.5 * x).v_exp::<FUSED>();
        (if x > 88.0 { (0.5 * half) * half } else { 0.5 * (e + e / (e + 1.0)) }).copysign(self)
    }

    #[inline(always)]
    fn v_cosh<const FUSED: bool>(self) -> f32 {
        let x = f32::abs(self);
        let e = x.v_exp::<FUSED>();
        let half = (0.5 * x).v_exp::<FUSED>();
        if x > 88.0 { (0.5 * half) * half } else { 0.5 * e + 0.5 / e }
    }

    #[inline(always)]
    fn v_arcsinh<const FUSED: bool>(self) -> f32 {
        let x = f32::abs(self);
        let square = x * x;
        let log = (x + square / (1.0 + f32::sqrt(square + 1.0))).v_log1p::<FUSED>();
        let far = x.v_log::<FUSED>() + std::f32::consts::LN_2;
        (if x > 1e18 { far } else { log }).copysign(self)
    }

    #[inline(always)]
    fn v_arccosh<const FUSED: bool>(self) -> f32 {
        let above = self - 1.0;
        let log = (above + f32::sqrt(above * (above + 2.0))).v_log1p::<FUSED>();
        let far = self.v_log::<FUSED>() + std::f32::consts::LN_2;
        let log = if self > 1e18 { far } else { log };
        if self < 1.0 { f32::NAN } else { log }
    }

    #[inline(always)]
    fn v_arctanh<const FUSED: bool>(self) -> f32 {
        let x = f32::abs(self);
        (0.5 * (2.0 * x / (1.0 - x)).v_log1p::<FUSED>()).copysign(self)
    }

    #[inline(always)]
    fn v_log2<const FUSED: bool>(self) -> f32 {
        if FUSED { log2_wide::<FUSED>(self) as f32 } else { f32::log2(self) }
    }

    #[inline(always)]
    fn v_log10<const FUSED: bool>(self) -> f32 {
        (log2_wide::<FUSED>(self) * std::f64::consts::LOG10_2) as f32
    }

    #[inline(always)]
    fn v_exp2<const FUSED: bool>(self) -> f32 {
        exp2_wide::<FUSED>(f64::from(self))
    }

    /// C's special cases: `x^0` and `1^y` are 1, a negative base wants an integer, of which the odd ones keep its sign.
    #[inline(always)]
    fn v_power<const FUSED: bool>(self, exponent: f32) -> f32 {
        if !FUSED {
            return f32::powf(self, exponent);
        }
        let (x, y) = (f32::abs(self), exponent);
        let power = exp2_wide::<FUSED>(f64::from(y) * log2_wide::<FUSED>(x));
        // The logarithm is 0 and the exponent may be infinite.
        let power = if x == 1.0 && !f32::is_nan(y) { 1.0 } else { power };
        let half = 0.5 * y;
        let integer = f32::floor(y) == y;
        let odd = integer && f32::floor(half) != half;
        let power = if odd { power.copysign(self) } else { power };
        let power = if self < 0.0 && x < f32::INFINITY && !integer { f32::NAN } else { power };
        if y == 0.0 || self == 1.0 { 1.0 } else { power }
    }

    #[inline(always)]
    fn v_hypot(self, other: f32) -> f32 {
        let (x, y) = (f64::from(self), f64::from(other));
        let length = f64::sqrt(x * x + y * y) as f32;
        let infinite = f32::abs(self) == f32::INFINITY || f32::abs(other) == f32::INFINITY;
        if infinite { f32::INFINITY } else { length }
    }

    #[inline(always)]
    fn v_logaddexp<const FUSED: bool>(self, other: f32) -> f32 {
        let larger = if self > other { self } else { other };
        let sum = larger + (-f32::abs(self - other)).v_exp::<FUSED>().v_log1p::<FUSED>();
        // Equal infinities, and NaN.
        if f32::is_nan(self - other) { self + other } else { sum }
    }

    fn cube_root(self) -> f32 {
        f32::cbrt(self)
    }

    fn erfc(self) -> f32 {
        error_function::erfc(f64::from(self)) as f32
    }

    fn erfinv(self) -> f32 {
        error_function::erfinv(f64::from(self)) as f32
    }

    fn bessel_i0(self) -> f32 {
        bessel_i(0, f64::from(self)) as f32
    }

    fn bessel_i1(self) -> f32 {
        bessel_i(1, f64::from(self)) as f32
    }

    #[inline(always)]
    fn next_after(self, other: f32) -> f32 {
        let up = f32::from_bits(self.to_bits().wrapping_add(1));
        let down = f32::from_bits(self.to_bits().wrapping_sub(1));
        let moved = if (other > self) == (self > 0.0) { up } else { down };
        let moved = if self == 0.0 { f32::from_bits(1).copysign(other) } else { moved };
        let moved = if self == other { other } else { moved };
        if f32::is_nan(self) || f32::is_nan(other) { f32::NAN } else { moved }
    }
}

impl Elementary for f64 {
    const FAR: f64 = f64::INFINITY;

    fn v_sin<const FUSED: bool>(self) -> f64 {
        f64::sin(self)
    }

    fn v_cos<const FUSED: bool>(self) -> f64 {
        f64::cos(self)
    }

    fn v_tan<const FUSED: bool>(self) -> f64 {
        f64::tan(self)
    }

    fn far_sin(self) -> f64 {
        f64::sin(self)
    }

    fn far_cos(self) -> f64 {
        f64::cos(self)
    }

    fn far_tan(self) -> f64 {
        f64::tan(self)
    }

    fn v_arcsin<const FUSED: bool>(self) -> f64 {
        f64::asin(self)
    }

    fn v_arccos<const FUSED: bool>(self) -> f64 {
        f64::acos(self)
    }

    fn v_arctan<const FUSED: bool>(self) -> f64 {
        f64::atan(self)
    }

    fn v_arctan2<const FUSED: bool>(self, x: f64) -> f64 {
        f64::atan2(self, x)
    }

    fn v_sinh<const FUSED: bool>(self) -> f64 {
        f64::sinh(self)
    }

    fn v_cosh<const FUSED: bool>(self) -> f64 {
        f64::cosh(self)
    }

    fn v_arcsinh<const FUSED: bool>(self) -> f64 {
        f64::asinh(self)
    }

    fn v_arccosh<const FUSED: bool>(self) -> f64 {
        let above = self - 1.0;
        if self < 1.0 {
            f64::NAN
        } else if self > 1e150 {
            f64::ln(self) + std::f64::consts::LN_2
        } else {
            f64::ln_1p(above + f64::sqrt(above * (above + 2.0)))
        }
    }

    fn v_arctanh<const FUSED: bool>(self) -> f64 {
        let x = f64::abs(self);
        (0.5 * f64::ln_1p(2.0 * x / (1.0 - x))).copysign(self)
    }

    fn v_log2<const FUSED: bool>(self) -> f64 {
        f64::log2(self)
    }

    fn v_log10<const FUSED: bool>(self) -> f64 {
        f64::log10(self)
    }

    fn v_exp2<const FUSED: bool>(self) -> f64 {
        f64::exp2(self)
    }

    fn v_power<const FUSED: bool>(self, exponent: f64) -> f64 {
        f64::powf(self, exponent)
    }

    fn v_hypot(self, other: f64) -> f64 {
        f64::hypot(self, other)
    }

    fn v_logaddexp<const FUSED: bool>(self, other: f64) -> f64 {
        if (self - other).is_nan() {
            return self + other;
        }
        let larger = if self > other { self } else { other };
        larger + f64::exp(-f64::abs(self - other)).ln_1p()
    }

    fn cube_root(self) -> f64 {
        f64::cbrt(self)
    }

    fn erfc(self) -> f64 {
        error_function::erfc(self)
    }

    fn erfinv(self) -> f64 {
        error_function::erfinv(self)
    }

    fn bessel_i0(self) -> f64 {
        bessel_i(0, self)
    }

    fn bessel_i1(self) -> f64 {
        bessel_i(1, self)
    }

    fn next_after(self, other: f64) -> f64 {
        if self.is_nan() || other.is_nan() {
            f64::NAN
        } else if self == other {
            other
        } else if self == 0.0 {
            f64::from_bits(1).copysign(other)
        } else if (other > self) == (self > 0.0) {
            f64::from_bits(self.to_bits() + 1)
        } else {
            f64::from_bits(self.to_bits() - 1)
        }
    }
}

/// `I_n(x)`, n = 0 or 1: up to 30 its power series, of which all terms are positive, beyond that its asymptotic one
/// (Abramowitz and Stegun, 9.6.10 and 9.7.1).
fn bessel_i(n: u32, x: f64) -> f64 {
    let (z, order) = (x.abs(), f64::from(n));
    let sign = if n == 1 && x < 0.0 { -1.0 } else { 1.0 };
    if z == f64::INFINITY {
        return sign * z;
    }
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    if z <= 30.0 {
        let square = 0.25 * z * z;
        while term > 1e-17 * sum {
            term *= square / (k * (k + order));
            sum += term;
            k += 1.0;
        }
        return if n == 1 { 0.5 * x * sum } else { sum + 0.0 * z };
    }
    while term.abs() > 1e-17 {
        let odd = 2.0 * k - 1.0;
        term *= (odd * odd - 4.0 * order * order) / (8.0 * k * z);
        sum += term;
        k += 1.0;
    }
    let half = f64::exp(0.5 * z);
    sign * half * (sum / f64::sqrt(std::f64::consts::TAU * z)) * half
}

#[cfg(test)]
mod tests {
    use super::{Elementary, bessel_i};
    use crate::cpu::simd::Isa;
    use crate::for_each_isa_fused;

    /// Name, rule, reference in double precision, allowed error in units in the last place.
    macro_rules! functions {
        ($($name:ident $rule:ident $limit:literal |$x:ident| $reference:expr;)*) => {
            $(mod $name {
                use super::Elementary;
                #[inline(always)]
                fn body<const FUSED: bool>(x: &mut [f32]) {
                    for x in x {
                        *x = x.$rule::<FUSED>();
                    }
                }
                crate::for_each_isa_fused! { pub fn apply(x: &mut [f32]) = body; }
                pub fn reference($x: f64) -> f64 {
                    $reference
                }
            })*
            type Function = (&'static str, fn(Isa, &mut [f32]), fn(f64) -> f64, f64);
            const FUNCTIONS: &[Function] = &[$((stringify!($name), $name::apply, $name::reference, $limit),)*];
        };
    }
    functions! {
        sin v_sin 2.0 |x| x.sin();
        cos v_cos 2.0 |x| x.cos();
        tan v_tan 1.0 |x| x.tan();
        arcsin v_arcsin 3.0 |x| x.asin();
        arccos v_arccos 3.0 |x| x.acos();
        arctan v_arctan 2.0 |x| x.atan();
        log2 v_log2 1.0 |x| x.log2();
        log10 v_log10 0.6 |x| x.log10();
        exp2 v_exp2 0.6 |x| x.exp2();
        sinh v_sinh 5.0 |x| x.sinh();
        cosh v_cosh 5.0 |x| x.cosh();
        arcsinh v_arcsinh 4.0 |x| x.asinh();
        arccosh v_arccosh 4.0 |x| x.v_arccosh::<false>();
        arctanh v_arctanh 5.0 |x| x.v_arctanh::<false>();
    }

    /// The distance in units in the last place of the exact value; 0 where both are the same special value.
    fn distance(found: f32, exact: f64) -> f64 {
        let single = exact as f32;
        if single.is_nan() || found.is_nan() {
            return if single.is_nan() && found.is_nan() { 0.0 } else { f64::INFINITY };
        }
        if found == single {
            return 0.0;
        }
        let size = f64::from(single.abs()).clamp(f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
        let unit = (size.log2().floor() - 23.0).exp2();
        let found = if found.is_infinite() { f64::from(f32::MAX).copysign(found.into()) } else { f64::from(found) };
        (found - exact.clamp(-f64::from(f32::MAX), f64::from(f32::MAX))).abs() / unit
    }

    /// Bit patterns of all sizes, and what programs use, densely.
    fn inputs() -> Vec<f32> {
        let mut inputs: Vec<f32> = (0..=u32::MAX).step_by(40_009).map(f32::from_bits).collect();
        inputs.extend((-100_000..100_000).map(|i| i as f32 * 1.07e-3));
        inputs.extend((-50_000..50_000).map(|i| i as f32 * 2.0e-5));
        inputs.extend((0..20_000).map(|i| 1.0 + (i - 10_000) as f32 * f32::EPSILON * 17.0));
        for k in -2000i16..2000 {
            let multiple = f64::from(k) * std::f64::consts::FRAC_PI_2;
            let near = multiple as f32;
            inputs.extend([near, f32::from_bits(near.to_bits() + 1), (multiple * 311.0) as f32, f32::from(k)]);
        }
        inputs
    }

    #[test]
    fn single_precision_is_within_a_few_units() {
        let inputs = inputs();
        for isa in Isa::available() {
            for &(name, apply, reference, limit) in FUNCTIONS {
                let mut outputs = inputs.clone();
                apply(isa, &mut outputs);
                let mut worst = (0.0, 0.0);
                for (&x, &y) in inputs.iter().zip(&outputs) {
                    if matches!(name, "sin" | "cos" | "tan") && x.abs() > f32::FAR && x.is_finite() {
                        continue;
                    }
                    let error = distance(y, reference(f64::from(x)));
                    if error > worst.0 {
                        worst = (error, x);
                    }
                }
                assert!(worst.0 <= limit, "{isa:?} {name}: {} units at {:e}", worst.0, worst.1);
            }
        }
    }

    #[inline(always)]
    fn pairs_body<const FUSED: bool>(kind: usize, x: &[f32], y: &[f32], output: &mut [f32]) {
        for (output, (&x, &y)) in output.iter_mut().zip(x.iter().zip(y)) {
            *output = match kind {
                0 => x.v_power::<FUSED>(y),
                1 => x.v_arctan2::<FUSED>(y),
                2 => x.v_hypot(y),
                _ => x.v_logaddexp::<FUSED>(y),
            };
        }
    }
    for_each_isa_fused! { fn pairs(kind: usize, x: &[f32], y: &[f32], output: &mut [f32]) = pairs_body; }

    /// Name, reference in double precision, allowed error.
    type Reference = (&'static str, fn(f64, f64) -> f64, f64);

    #[test]
    fn functions_of_two_numbers() {
        let special = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            2.0,
            -2.0,
            3.0,
            -3.0,
            0.5,
            -0.5,
            2.5,
            -7.25,
            1e-40,
            -1e-40,
            1e30,
            -1e30,
            16_777_217.0,
            8_388_609.0,
            f32::MAX,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            f32::MIN_POSITIVE,
            88.0,
        ];
        let (mut x, mut y): (Vec<f32>, Vec<f32>) = (Vec::new(), Vec::new());
        for a in special {
            for b in special {
                x.push(a);
                y.push(b);
            }
        }
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from_bits((state >> 1) % 0x1000_0000 + 0x3800_0000) * if state & 1 == 0 { 1.0 } else { -1.0 }
        };
        for _ in 0..100_000 {
            x.push(random().abs());
            y.push(random());
        }
        for _ in 0..20_000 {
            x.push(random());
            y.push(random().round());
        }
        let references: [Reference; 4] = [
            ("power", f64::powf, 1.0),
            ("arctan2", f64::atan2, 3.0),
            ("hypot", f64::hypot, 0.6),
            ("logaddexp", |x, y| x.v_logaddexp::<false>(y), f64::NAN),
        ];
        for isa in Isa::available() {
            for (kind, &(name, reference, limit)) in references.iter().enumerate() {
                let mut outputs = vec![0.0; x.len()];
                pairs(isa, kind, &x, &y, &mut outputs);
                for ((&x, &y), &found) in x.iter().zip(&y).zip(&outputs) {
                    let exact = reference(f64::from(x), f64::from(y));
                    if limit.is_nan() {
                        let scale = 1.0 + f64::from(x.abs().min(y.abs()));
                        let near = (f64::from(found) - exact).abs() <= 3e-7 * scale.max(exact.abs());
                        let same = exact as f32 == found || (exact.is_nan() && found.is_nan());
                        assert!(near || same, "{isa:?} {name}({x:e}, {y:e}) = {found:e}, expected {exact:e}");
                    } else {
                        let error = distance(found, exact);
                        assert!(error <= limit, "{isa:?} {name}({x:e}, {y:e}) = {found:e}, expected {exact:e}");
                        let zero = exact as f32 == 0.0 && exact == 0.0;
                        assert!(!zero || found.is_sign_negative() == exact.is_sign_negative(), "{name}({x:e}, {y:e})");
                    }
                }
            }
        }
    }

    #[test]
    fn neighbours() {
        assert_eq!(1.0f32.next_after(2.0), 1.0 + f32::EPSILON);
        assert_eq!((-1.0f64).next_after(-2.0), -1.0 - f64::EPSILON);
        assert_eq!(0.0f32.next_after(-1.0), -f32::from_bits(1));
        assert_eq!(f64::from_bits(1).next_after(-1.0), 0.0);
        assert_eq!(f32::MAX.next_after(f32::INFINITY), f32::INFINITY);
        assert_eq!(f32::INFINITY.next_after(0.0), f32::MAX);
        assert_eq!(3.0f64.next_after(3.0), 3.0);
        assert!(f32::NAN.next_after(1.0).is_nan() && 1.0f64.next_after(f64::NAN).is_nan());
    }

    #[test]
    fn bessel_functions() {
        // From NumPy's i0, and tables of I1.
        for (x, expected) in [(0.0, 1.0), (0.5, 1.063_483_370_741_323_5), (3.0, 4.880_792_585_865_024)] {
            assert!((bessel_i(0, x) / expected - 1.0f64).abs() < 1e-15, "I0({x}) = {:e}", bessel_i(0, x));
        }
        for (x, expected) in [(1.0, 0.565_159_103_992_485), (2.0, 1.590_636_854_637_329)] {
            assert!((bessel_i(1, x) / expected - 1.0f64).abs() < 2e-15, "I1({x}) = {:e}", bessel_i(1, x));
        }
        // Both series where they meet.
        for n in [0, 1] {
            let (near, far) = (bessel_i(n, 30.0), bessel_i(n, 30.0f64.next_after(31.0)));
            assert!((near / far - 1.0).abs() < 2e-14);
        }
        assert!(bessel_i(0, f64::NAN).is_nan());
        assert_eq!((bessel_i(0, 800.0), bessel_i(1, f64::NEG_INFINITY)), (f64::INFINITY, f64::NEG_INFINITY));
    }
}
