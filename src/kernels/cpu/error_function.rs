//! The error function, its complement and its inverse in double precision.
//!
//! Data: one value in, one out. Three rational approximations, chosen by size, the outer two times `exp(-x^2)`:
//!
//! ```text
//! |x| <= 0.46875   erf x  = x p(x^2) / q(x^2)
//! up to 4          erfc x = exp(-x^2) p(x) / q(x)
//! beyond           erfc x = exp(-x^2) (1 / sqrt pi - p(1/x^2) / q(1/x^2) / x^2) / x
//! ```
//!
//! Limit: two exponential functions and a division an element.

/// Numerators and denominators of W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of
/// Computation 23 (1969), as published, highest power first, for `|x|` up to 0.46875, up to 4, and beyond.
#[allow(clippy::excessive_precision)]
mod cody {
    pub const NEAR_TOP: [f64; 5] = [
        1.857_777_061_846_031_53e-1,
        3.161_123_743_870_565_60,
        1.138_641_541_510_501_56e2,
        3.774_852_376_853_020_21e2,
        3.209_377_589_138_469_47e3,
    ];
    pub const NEAR_BOTTOM: [f64; 5] = [
        1.0,
        2.360_129_095_234_412_09e1,
        2.440_246_379_344_441_73e2,
        1.282_616_526_077_372_28e3,
        2.844_236_833_439_170_62e3,
    ];
    pub const MIDDLE_TOP: [f64; 9] = [
        2.153_115_354_744_038_46e-8,
        5.641_884_969_886_700_89e-1,
        8.883_149_794_388_375_94,
        6.611_919_063_714_162_95e1,
        2.986_351_381_974_001_31e2,
        8.819_522_212_417_690_90e2,
        1.712_047_612_634_070_58e3,
        2.051_078_377_826_071_47e3,
        1.230_339_354_797_997_25e3,
    ];
    pub const MIDDLE_BOTTOM: [f64; 9] = [
        1.0,
        1.574_492_611_070_983_47e1,
        1.176_939_508_913_124_99e2,
        5.371_811_018_620_098_58e2,
        1.621_389_574_566_690_19e3,
        3.290_799_235_733_459_63e3,
        4.362_619_090_143_247_16e3,
        3.439_367_674_143_721_64e3,
        1.230_339_354_803_749_42e3,
    ];
    pub const FAR_TOP: [f64; 6] = [
        1.631_538_713_730_209_78e-2,
        3.053_266_349_612_323_44e-1,
        3.603_448_999_498_044_39e-1,
        1.257_817_261_112_292_46e-1,
        1.608_378_514_874_227_66e-2,
        6.587_491_615_298_378_03e-4,
    ];
    pub const FAR_BOTTOM: [f64; 6] = [
        1.0,
        2.568_520_192_289_822_42,
        1.872_952_849_923_467_25,
        5.279_051_029_514_284_12e-1,
        6.051_834_131_244_131_91e-2,
        2.335_204_976_268_691_85e-3,
    ];
}

/// `p(x) / q(x)`, both given highest power first.
fn rational<const N: usize>(x: f64, top: &[f64; N], bottom: &[f64; N]) -> f64 {
    let horner = |coefficients: &[f64; N]| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    horner(top) / horner(bottom)
}

/// `exp(-x^2)`: the square of `x` rounded to sixteenths is exact, and what is left is small.
fn bell(x: f64) -> f64 {
    let coarse = (x * 16.0).trunc() / 16.0;
    f64::exp(-coarse * coarse) * f64::exp(-(x - coarse) * (x + coarse))
}

/// `1 - erf(x)` for `x > 0.46875`.
fn complement(x: f64) -> f64 {
    const ONE_OVER_SQRT_PI: f64 = 0.564_189_583_547_756_3;
    if x <= 4.0 {
        bell(x) * rational(x, &cody::MIDDLE_TOP, &cody::MIDDLE_BOTTOM)
    } else if x < 28.0 {
        let z = 1.0 / (x * x);
        bell(x) * (ONE_OVER_SQRT_PI - z * rational(z, &cody::FAR_TOP, &cody::FAR_BOTTOM)) / x
    } else if x >= 28.0 {
        0.0
    } else {
        x
    }
}

/// The error function to about 5e-16.
pub fn erf(x: f64) -> f64 {
    let y = x.abs();
    if y <= 0.468_75 {
        return x * rational(y * y, &cody::NEAR_TOP, &cody::NEAR_BOTTOM);
    }
    (1.0 - complement(y)).copysign(x)
}

/// `1 - erf(x)`, as accurate where it is small.
pub fn erfc(x: f64) -> f64 {
    if x.abs() <= 0.468_75 {
        1.0 - erf(x)
    } else if x < 0.0 {
        2.0 - complement(-x)
    } else {
        complement(x)
    }
}

/// Halley's iteration from S. Winitzki's closed form (2008), which is right to 0.4 %. Beyond 1/2 it solves for the
/// complement, which the subtraction from 1 gives exactly.
pub fn erfinv(x: f64) -> f64 {
    const A: f64 = 0.147;
    let z = x.abs();
    if z >= 1.0 || z.is_nan() || z == 0.0 {
        let edge = if z == 1.0 { f64::INFINITY } else { f64::NAN };
        return if z == 0.0 { x } else { edge.copysign(x) };
    }
    let log = f64::ln_1p(-z * z);
    let half = std::f64::consts::FRAC_2_PI / A + 0.5 * log;
    // The difference of the two terms, without cancelling near 0.
    let mut y = f64::sqrt(-log / A / (half + f64::sqrt(half * half - log / A)));
    for _ in 0..3 {
        let error = if z < 0.5 { erf(y) - z } else { (1.0 - z) - erfc(y) };
        let step = error / (std::f64::consts::FRAC_2_SQRT_PI * f64::exp(-y * y));
        y -= step / (1.0 + y * step);
    }
    y.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::{erf, erfc, erfinv};

    #[test]
    fn error_function() {
        // From C's erf.
        let known = [
            (1e-10, 1.128_379_167_095_512_6e-10),
            (0.25, 0.276_326_390_168_236_9),
            (0.468_75, 0.492_613_473_217_938_3),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.5, 0.999_593_047_982_555),
            (4.0, 0.999_999_984_582_742_1),
            (5.0, 0.999_999_999_998_462_6),
            (7.0, 1.0),
        ];
        for (x, expected) in known {
            assert!((erf(x) / expected - 1.0).abs() < 1e-15, "erf({x}) = {:e}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
        assert!(erf(f64::NAN).is_nan());
        assert_eq!(erf(f64::INFINITY), 1.0);
    }

    #[test]
    fn complement() {
        // From C's erfc.
        let known = [
            (-3.0, 1.999_977_909_503_001_5),
            (-0.2, 1.222_702_589_210_478_6),
            (0.3, 0.671_373_240_540_872_6),
            (1.0, 0.157_299_207_050_285_13),
            (3.5, 7.430_983_723_414_128e-7),
            (5.0, 1.537_459_794_428_035_1e-12),
            (12.25, 3.094_126_740_540_21e-67),
            (26.0, 5.663_192_408_856_143e-296),
        ];
        for (x, expected) in known {
            assert!((erfc(x) / expected - 1.0).abs() < 2e-15, "erfc({x}) = {:e}", erfc(x));
        }
        assert_eq!((erfc(f64::INFINITY), erfc(f64::NEG_INFINITY)), (0.0, 2.0));
        assert!(erfc(f64::NAN).is_nan());
    }

    #[test]
    fn inverse() {
        for i in 1..2000 {
            let x = f64::from(i) / 2000.0;
            for x in [x, x * 1e-9, -x] {
                let back = erf(erfinv(x));
                assert!((back / x - 1.0).abs() < 1e-15, "erfinv({x}) = {:e}", erfinv(x));
            }
            // The tail is a matter of the complement.
            let rest = (-f64::from(i) * 0.018).exp2() * 0.5;
            let back = erfc(erfinv(1.0 - rest));
            assert!((back / (1.0 - (1.0 - rest)) - 1.0).abs() < 1e-13, "erfinv(1 - {rest})");
        }
        assert_eq!((erfinv(1.0), erfinv(-1.0), erfinv(0.0)), (f64::INFINITY, f64::NEG_INFINITY, 0.0));
        assert!(erfinv(1.5).is_nan() && erfinv(f64::NAN).is_nan());
    }
}
