//! The instruction set of the elementwise machine: one table with a line an instruction.
//!
//! Data: blocks of at most a few thousand elements in the first-level cache. A line says what an instruction is called
//! and what it does to one element; the table makes from it the `Scalar` enum and one loop a type and instruction set:
//!
//! ```text
//! match instruction:
//!   for i in block: output[i] = rule(a[i], b[i], c[i])      <- vectorised, the match is outside
//! ```
//!
//! Limit: reads and writes of the first-level cache for the cheap rules, arithmetic for the elementary functions.

use super::element::{Element, Storage};
use crate::cpu::elementary::Elementary;
use crate::cpu::simd::Isa;
use crate::for_each_isa_fused;

/// Types with arithmetic. Integers wrap around; integer division by zero gives zero.
pub trait Number: Storage + PartialOrd {
    const ZERO: Self;
    const ONE: Self;
    const SIX: Self;
    fn negative(self) -> Self;
    fn absolute(self) -> Self;
    fn sign(self) -> Self;
    fn add(self, other: Self) -> Self;
    fn subtract(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
    /// Rounded toward minus infinity.
    fn floor_divide(self, other: Self) -> Self;
    /// The remainder of `floor_divide`: its sign is the divisor's.
    fn modulo(self, other: Self) -> Self;
    /// The remainder of the quotient rounded toward zero: its sign is that of `self`, which it is for an integer divisor 0.
    fn remainder(self, other: Self) -> Self;
    /// Integers: by repeated multiplication; a negative exponent truncates the true value toward zero.
    fn power(self, other: Self) -> Self;
    /// NaN if either is.
    fn maximum(self, other: Self) -> Self;
    fn minimum(self, other: Self) -> Self;
}

/// The integer types.
pub trait Bits: Number {
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    /// 0 for shifts by as many bits as there are, or more; a negative number of bits counts as many.
    fn shift_left(self, bits: Self) -> Self;
    /// Copies of the sign come in; only those remain after shifts as in `shift_left`.
    fn shift_right(self, bits: Self) -> Self;
    /// The greatest common divisor, not negative; of 0 and 0 it is 0.
    fn common_divisor(self, other: Self) -> Self;
    /// The least common multiple, not negative.
    fn common_multiple(self, other: Self) -> Self;
}

/// The floating-point types.
pub trait Real: Number + Elementary {
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn trunc(self) -> Self;
    fn round_half_even(self) -> Self;
    fn is_negative(self) -> bool;
}

/// By squaring; the exponent is not negative.
macro_rules! integer_power {
    ($base:expr, $exponent:expr) => {{
        let (mut base, mut exponent, mut result) = ($base, $exponent, 1);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = base.wrapping_mul(result);
            }
            base = base.wrapping_mul(base);
            exponent >>= 1;
        }
        result
    }};
}

macro_rules! integer {
    ($($t:ty)*, $signed:ident) => {
        $(impl Number for $t {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const SIX: Self = 6;
            #[inline(always)]
            fn negative(self) -> Self {
                self.wrapping_neg()
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn subtract(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn multiply(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                if self > other { self } else { other }
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                if self < other { self } else { other }
            }
            #[inline(always)]
            fn remainder(self, other: Self) -> Self {
                if other == 0 { self } else { self.wrapping_rem(other) }
            }
            integer! { @$signed }
        }
        impl Bits for $t {
            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }
            #[inline(always)]
            fn or(self, other: Self) -> Self {
                self | other
            }
            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                self ^ other
            }
            #[inline(always)]
            fn shift_left(self, bits: Self) -> Self {
                u32::try_from(bits).ok().and_then(|bits| self.checked_shl(bits)).unwrap_or(0)
            }
            #[inline(always)]
            fn shift_right(self, bits: Self) -> Self {
                let bits = u32::try_from(bits).unwrap_or(Self::BITS);
                // In two steps, so that all bits can leave.
                if bits < Self::BITS { self >> bits } else { (self >> (Self::BITS - 1)) >> 1 }
            }
            fn common_divisor(self, other: Self) -> Self {
                let (mut a, mut b) = (self, other);
                while b != 0 {
                    (a, b) = (b, a.wrapping_rem(b));
                }
                a.absolute()
            }
            fn common_multiple(self, other: Self) -> Self {
                let divisor = self.common_divisor(other);
                if divisor == 0 { 0 } else { self.wrapping_div(divisor).wrapping_mul(other).absolute() }
            }
        })*
    };
    (@signed) => {
        #[inline(always)]
        fn absolute(self) -> Self {
            self.wrapping_abs()
        }
        #[inline(always)]
        fn sign(self) -> Self {
            self.signum()
        }
        #[inline(always)]
        fn floor_divide(self, other: Self) -> Self {
            if other == 0 {
                return 0;
            }
            let inexact = self.wrapping_rem(other) != 0 && (self < 0) != (other < 0);
            self.wrapping_div(other) - Self::from(inexact)
        }
        #[inline(always)]
        fn modulo(self, other: Self) -> Self {
            if other == 0 {
                return 0;
            }
            let remainder = self.wrapping_rem(other);
            if remainder != 0 && (remainder < 0) != (other < 0) { remainder + other } else { remainder }
        }
        #[inline(always)]
        fn power(self, other: Self) -> Self {
            if other < 0 {
                return match self {
                    1 => 1,
                    -1 => 1 - 2 * (other & 1),
                    _ => 0,
                };
            }
            integer_power!(self, other)
        }
    };
    (@unsigned) => {
        #[inline(always)]
        fn absolute(self) -> Self {
            self
        }
        #[inline(always)]
        fn sign(self) -> Self {
            Self::from(self != 0)
        }
        #[inline(always)]
        fn floor_divide(self, other: Self) -> Self {
            if other == 0 { 0 } else { self / other }
        }
        #[inline(always)]
        fn modulo(self, other: Self) -> Self {
            if other == 0 { 0 } else { self % other }
        }
        #[inline(always)]
        fn power(self, other: Self) -> Self {
            integer_power!(self, other)
        }
    };
}
integer! { i8 i16 i32 i64, signed }
integer! { u8 u16 u32 u64, unsigned }

macro_rules! real {
    ($($t:ty)*) => {
        $(
            impl Number for $t {
                const ZERO: Self = 0.0;
                const ONE: Self = 1.0;
                const SIX: Self = 6.0;
                #[inline(always)]
                fn negative(self) -> Self {
                    -self
                }
                #[inline(always)]
                fn absolute(self) -> Self {
                    <$t>::abs(self)
                }
                #[inline(always)]
                fn sign(self) -> Self {
                    let signed = if self < 0.0 { -1.0 } else { self };
                    if self > 0.0 { 1.0 } else { signed }
                }
                #[inline(always)]
                fn add(self, other: Self) -> Self {
                    self + other
                }
                #[inline(always)]
                fn subtract(self, other: Self) -> Self {
                    self - other
                }
                #[inline(always)]
                fn multiply(self, other: Self) -> Self {
                    self * other
                }
                fn floor_divide(self, other: Self) -> Self {
                    if other == 0.0 {
                        return self / other;
                    }
                    let remainder = self % other;
                    let adjust = remainder != 0.0 && (remainder < 0.0) != (other < 0.0);
                    let quotient = (self - remainder) / other - if adjust { 1.0 } else { 0.0 };
                    if quotient == 0.0 {
                        return <$t>::copysign(0.0, self / other);
                    }
                    // The division may have rounded away from the integer that it stands for.
                    let floor = <$t>::floor(quotient);
                    if quotient - floor > 0.5 { floor + 1.0 } else { floor }
                }
                fn modulo(self, other: Self) -> Self {
                    let remainder = self % other;
                    if remainder == 0.0 {
                        <$t>::copysign(0.0, other)
                    } else if (remainder < 0.0) != (other < 0.0) {
                        remainder + other
                    } else {
                        remainder
                    }
                }
                fn remainder(self, other: Self) -> Self {
                    self % other
                }
                fn power(self, other: Self) -> Self {
                    <$t>::powf(self, other)
                }
                #[inline(always)]
                fn maximum(self, other: Self) -> Self {
                    let larger = if self > other { self } else { other };
                    if <$t>::is_nan(self) { self } else { larger }
                }
                #[inline(always)]
                fn minimum(self, other: Self) -> Self {
                    let smaller = if self < other { self } else { other };
                    if <$t>::is_nan(self) { self } else { smaller }
                }
            }
            impl Real for $t {
                #[inline(always)]
                fn floor(self) -> Self {
                    <$t>::floor(self)
                }
                #[inline(always)]
                fn ceil(self) -> Self {
                    <$t>::ceil(self)
                }
                #[inline(always)]
                fn round_half_even(self) -> Self {
                    <$t>::round_ties_even(self)
                }
                #[inline(always)]
                fn trunc(self) -> Self {
                    <$t>::trunc(self)
                }
                #[inline(always)]
                fn is_negative(self) -> bool {
                    <$t>::is_sign_negative(self)
                }
            }
        )*
    };
}
real! { f32 f64 }

/// What an instruction takes and gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// A number to one of its type.
    NumberUnary,
    /// A float to one of its type.
    FloatUnary,
    /// A float to a truth value.
    FloatTest,
    /// Two numbers of one type to a third.
    NumberBinary,
    /// As `NumberBinary`, and two truth values to a third.
    OrderBinary,
    /// Two floats of one type to a third.
    FloatBinary,
    /// Two integers of one type to a third.
    IntegerBinary,
    /// Two elements of any one type to a truth value.
    Compare,
    /// A truth value to another.
    LogicalUnary,
    /// Two truth values to a third.
    LogicalBinary,
    /// A truth value and two elements of any one type to one of them.
    Select,
}

macro_rules! elementwise_table {
    (
        NumberUnary { $($(#[$nu_doc:meta])* $nu:ident $nu_name:literal |$nu_x:ident| $nu_rule:expr;)* }
        FloatUnary { $($(#[$fu_doc:meta])* $fu:ident $fu_name:literal |$fu_x:ident| $fu_rule:expr;)* }
        FloatTest { $($(#[$ft_doc:meta])* $ft:ident $ft_name:literal |$ft_x:ident| $ft_rule:expr;)* }
        NumberBinary { $($(#[$nb_doc:meta])* $nb:ident $nb_name:literal |$nb_x:ident, $nb_y:ident| $nb_rule:expr;)* }
        OrderBinary { $($(#[$ob_doc:meta])* $ob:ident $ob_name:literal |$ob_x:ident, $ob_y:ident| $ob_rule:expr;)* }
        FloatBinary { $($(#[$fb_doc:meta])* $fb:ident $fb_name:literal |$fb_x:ident, $fb_y:ident| $fb_rule:expr;)* }
        IntegerBinary { $($(#[$ib_doc:meta])* $ib:ident $ib_name:literal |$ib_x:ident, $ib_y:ident| $ib_rule:expr;)* }
        Compare { $($(#[$c_doc:meta])* $c:ident $c_name:literal |$c_x:ident, $c_y:ident| $c_rule:expr;)* }
        LogicalUnary { $($(#[$lu_doc:meta])* $lu:ident $lu_name:literal |$lu_x:ident| $lu_rule:expr;)* }
        LogicalBinary { $($(#[$lb_doc:meta])* $lb:ident $lb_name:literal |$lb_x:ident, $lb_y:ident| $lb_rule:expr;)* }
        Select { $($(#[$s_doc:meta])* $s:ident $s_name:literal |$s_c:ident, $s_x:ident, $s_y:ident| $s_rule:expr;)* }
    ) => {
        /// An instruction of the elementwise machine.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        pub enum Scalar {
            $($(#[$nu_doc])* $nu,)* $($(#[$fu_doc])* $fu,)* $($(#[$ft_doc])* $ft,)* $($(#[$nb_doc])* $nb,)*
            $($(#[$ob_doc])* $ob,)* $($(#[$fb_doc])* $fb,)* $($(#[$ib_doc])* $ib,)* $($(#[$c_doc])* $c,)* $($(#[$lu_doc])* $lu,)*
            $($(#[$lb_doc])* $lb,)* $($(#[$s_doc])* $s,)*
        }

        impl Scalar {
            /// Every instruction.
            pub const ALL: &'static [Scalar] = &[
                $(Scalar::$nu,)* $(Scalar::$fu,)* $(Scalar::$ft,)* $(Scalar::$nb,)* $(Scalar::$ob,)* $(Scalar::$fb,)*
                $(Scalar::$ib,)* $(Scalar::$c,)* $(Scalar::$lu,)* $(Scalar::$lb,)* $(Scalar::$s,)*
            ];

            pub fn name(self) -> &'static str {
                match self {
                    $(Scalar::$nu => $nu_name,)* $(Scalar::$fu => $fu_name,)* $(Scalar::$ft => $ft_name,)*
                    $(Scalar::$nb => $nb_name,)* $(Scalar::$ob => $ob_name,)* $(Scalar::$fb => $fb_name,)*
                    $(Scalar::$ib => $ib_name,)* $(Scalar::$c => $c_name,)* $(Scalar::$lu => $lu_name,)* $(Scalar::$lb => $lb_name,)*
                    $(Scalar::$s => $s_name,)*
                }
            }

            pub fn family(self) -> Family {
                match self {
                    $(Scalar::$nu => Family::NumberUnary,)* $(Scalar::$fu => Family::FloatUnary,)*
                    $(Scalar::$ft => Family::FloatTest,)* $(Scalar::$nb => Family::NumberBinary,)*
                    $(Scalar::$ob => Family::OrderBinary,)* $(Scalar::$fb => Family::FloatBinary,)*
                    $(Scalar::$ib => Family::IntegerBinary,)* $(Scalar::$c => Family::Compare,)* $(Scalar::$lu => Family::LogicalUnary,)*
                    $(Scalar::$lb => Family::LogicalBinary,)* $(Scalar::$s => Family::Select,)*
                }
            }
        }

        #[inline(always)]
        fn number_unary<const FUSED: bool, T: Number>(op: Scalar, x: &[T], output: &mut [T]) {
            match op {
                $(Scalar::$nu => for (output, &$nu_x) in output.iter_mut().zip(x) { *output = $nu_rule; },)*
                _ => unreachable!("{op:?} does not take one number"),
            }
        }

        #[inline(always)]
        fn number_binary<const FUSED: bool, T: Number>(op: Scalar, x: &[T], y: &[T], output: &mut [T]) {
            let pairs = output.iter_mut().zip(x.iter().zip(y));
            match op {
                $(Scalar::$nb => for (output, (&$nb_x, &$nb_y)) in pairs { *output = $nb_rule; },)*
                $(Scalar::$ob => for (output, (&$ob_x, &$ob_y)) in pairs { *output = $ob_rule; },)*
                _ => unreachable!("{op:?} does not take two numbers"),
            }
        }

        #[inline(always)]
        fn float_unary<const FUSED: bool, T: Real>(op: Scalar, x: &[T], output: &mut [T]) {
            match op {
                $(Scalar::$fu => for (output, &$fu_x) in output.iter_mut().zip(x) { *output = $fu_rule; },)*
                _ => number_unary::<FUSED, T>(op, x, output),
            }
        }

        #[inline(always)]
        fn float_test<const FUSED: bool, T: Real>(op: Scalar, x: &[T], output: &mut [u8]) {
            match op {
                $(Scalar::$ft => for (output, &$ft_x) in output.iter_mut().zip(x) { *output = u8::from($ft_rule); },)*
                _ => unreachable!("{op:?} does not test one float"),
            }
        }

        #[inline(always)]
        fn float_binary<const FUSED: bool, T: Real>(op: Scalar, x: &[T], y: &[T], output: &mut [T]) {
            let pairs = output.iter_mut().zip(x.iter().zip(y));
            match op {
                $(Scalar::$fb => for (output, (&$fb_x, &$fb_y)) in pairs { *output = $fb_rule; },)*
                _ => number_binary::<FUSED, T>(op, x, y, output),
            }
        }

        #[inline(always)]
        fn integer_binary<T: Bits>(op: Scalar, x: &[T], y: &[T], output: &mut [T]) {
            let pairs = output.iter_mut().zip(x.iter().zip(y));
            match op {
                $(Scalar::$ib => for (output, (&$ib_x, &$ib_y)) in pairs { *output = $ib_rule; },)*
                _ => unreachable!("{op:?} does not take two integers"),
            }
        }

        #[inline(always)]
        fn compare<const FUSED: bool, T: Number>(op: Scalar, x: &[T], y: &[T], output: &mut [u8]) {
            let pairs = output.iter_mut().zip(x.iter().zip(y));
            match op {
                $(Scalar::$c => for (output, (&$c_x, &$c_y)) in pairs { *output = u8::from($c_rule); },)*
                _ => unreachable!("{op:?} does not compare"),
            }
        }

        #[inline(always)]
        fn logical<const FUSED: bool>(op: Scalar, x: &[u8], y: &[u8], output: &mut [u8]) {
            let pairs = output.iter_mut().zip(x.iter().zip(y));
            match op {
                $(Scalar::$lu => for (output, (&$lu_x, _)) in pairs {
                    let $lu_x = $lu_x != 0;
                    *output = u8::from($lu_rule);
                },)*
                $(Scalar::$lb => for (output, (&$lb_x, &$lb_y)) in pairs {
                    let ($lb_x, $lb_y) = ($lb_x != 0, $lb_y != 0);
                    *output = u8::from($lb_rule);
                },)*
                _ => unreachable!("{op:?} is not logical"),
            }
        }

        #[inline(always)]
        fn select<const FUSED: bool, T: Copy>(condition: &[u8], x: &[T], y: &[T], output: &mut [T]) {
            $(for (output, (&$s_c, (&$s_x, &$s_y))) in output.iter_mut().zip(condition.iter().zip(x.iter().zip(y))) {
                let $s_c = $s_c != 0;
                *output = $s_rule;
            })*
        }
    };
}

elementwise_table! {
    NumberUnary {
        Negative "negative" |x| x.negative();
        Absolute "absolute" |x| x.absolute();
        /// -1, 0 or 1; NaN of NaN.
        Sign "sign" |x| x.sign();
        Square "square" |x| x.multiply(x);
        Relu "relu" |x| if x < <T as Number>::ZERO { <T as Number>::ZERO } else { x };
        Relu6 "relu6" |x| {
            let positive = if x < <T as Number>::ZERO { <T as Number>::ZERO } else { x };
            if positive > <T as Number>::SIX { <T as Number>::SIX } else { positive }
        };
    }
    FloatUnary {
        Sqrt "sqrt" |x| x.sqrt();
        Rsqrt "rsqrt" |x| <T as Number>::ONE / x.sqrt();
        Reciprocal "reciprocal" |x| <T as Number>::ONE / x;
        Exp "exp" |x| x.v_exp::<FUSED>();
        Expm1 "expm1" |x| x.v_expm1::<FUSED>();
        Log "log" |x| x.v_log::<FUSED>();
        Log1p "log1p" |x| x.v_log1p::<FUSED>();
        Log2 "log2" |x| x.v_log2::<FUSED>();
        Log10 "log10" |x| x.v_log10::<FUSED>();
        Exp2 "exp2" |x| x.v_exp2::<FUSED>();
        Cbrt "cbrt" |x| x.cube_root();
        Sin "sin" |x| x.v_sin::<FUSED>();
        Cos "cos" |x| x.v_cos::<FUSED>();
        Tan "tan" |x| x.v_tan::<FUSED>();
        Arcsin "arcsin" |x| x.v_arcsin::<FUSED>();
        Arccos "arccos" |x| x.v_arccos::<FUSED>();
        Arctan "arctan" |x| x.v_arctan::<FUSED>();
        Sinh "sinh" |x| x.v_sinh::<FUSED>();
        Cosh "cosh" |x| x.v_cosh::<FUSED>();
        Arcsinh "arcsinh" |x| x.v_arcsinh::<FUSED>();
        Arccosh "arccosh" |x| x.v_arccosh::<FUSED>();
        Arctanh "arctanh" |x| x.v_arctanh::<FUSED>();
        Tanh "tanh" |x| x.v_tanh::<FUSED>();
        Sigmoid "sigmoid" |x| x.v_sigmoid::<FUSED>();
        Softplus "softplus" |x| x.v_softplus::<FUSED>();
        Erf "erf" |x| x.v_erf::<FUSED>();
        Erfc "erfc" |x| x.erfc();
        Erfinv "erfinv" |x| x.erfinv();
        I0 "i0" |x| x.bessel_i0();
        I1 "i1" |x| x.bessel_i1();
        Floor "floor" |x| x.floor();
        Ceil "ceil" |x| x.ceil();
        Trunc "trunc" |x| x.trunc();
        /// To the nearest integer, halves to the even one.
        Round "round" |x| x.round_half_even();
    }
    FloatTest {
        IsNan "isnan" |x| x.is_nan();
        IsInf "isinf" |x| x.absolute() == T::INFINITY;
        IsFinite "isfinite" |x| x.absolute() < T::INFINITY;
        SignBit "signbit" |x| x.is_negative();
    }
    NumberBinary {
        Add "add" |x, y| x.add(y);
        Subtract "subtract" |x, y| x.subtract(y);
        Multiply "multiply" |x, y| x.multiply(y);
        FloorDivide "floor_divide" |x, y| x.floor_divide(y);
        Modulo "mod" |x, y| x.modulo(y);
        Fmod "fmod" |x, y| x.remainder(y);
        Power "power" |x, y| x.power(y);
        /// Of relu's output `x`, the gradient `y` where relu let its input pass.
        ReluGradient "relu_grad" |x, y| if x > <T as Number>::ZERO { y } else { <T as Number>::ZERO };
        /// Of relu6's output `x`, likewise.
        Relu6Gradient "relu6_grad" |x, y| {
            let passed = x > <T as Number>::ZERO && x < <T as Number>::SIX;
            if passed { y } else { <T as Number>::ZERO }
        };
    }
    OrderBinary {
        Maximum "maximum" |x, y| x.maximum(y);
        Minimum "minimum" |x, y| x.minimum(y);
    }
    FloatBinary {
        Divide "divide" |x, y| x / y;
        Arctan2 "arctan2" |x, y| x.v_arctan2::<FUSED>(y);
        Hypot "hypot" |x, y| x.v_hypot(y);
        LogAddExp "logaddexp" |x, y| x.v_logaddexp::<FUSED>(y);
        NextAfter "nextafter" |x, y| x.next_after(y);
    }
    IntegerBinary {
        BitwiseAnd "bitwise_and" |x, y| x.and(y);
        BitwiseOr "bitwise_or" |x, y| x.or(y);
        BitwiseXor "bitwise_xor" |x, y| x.xor(y);
        LeftShift "left_shift" |x, y| x.shift_left(y);
        RightShift "right_shift" |x, y| x.shift_right(y);
        Gcd "gcd" |x, y| x.common_divisor(y);
        Lcm "lcm" |x, y| x.common_multiple(y);
    }
    Compare {
        Equal "equal" |x, y| x == y;
        NotEqual "not_equal" |x, y| x != y;
        Less "less" |x, y| x < y;
        LessEqual "less_equal" |x, y| x <= y;
        Greater "greater" |x, y| x > y;
        GreaterEqual "greater_equal" |x, y| x >= y;
    }
    LogicalUnary {
        LogicalNot "logical_not" |x| !x;
    }
    LogicalBinary {
        LogicalAnd "logical_and" |x, y| x & y;
        LogicalOr "logical_or" |x, y| x | y;
        LogicalXor "logical_xor" |x, y| x ^ y;
    }
    Select {
        /// `where(condition, x, y)`.
        Select "select" |condition, x, y| if condition { x } else { y };
    }
}

impl Scalar {
    /// How many inputs it takes.
    pub fn arity(self) -> usize {
        match self.family() {
            Family::NumberUnary | Family::FloatUnary | Family::FloatTest | Family::LogicalUnary => 1,
            Family::Select => 3,
            _ => 2,
        }
    }

    /// Whether it is defined on `element` (for `Select`, the type of the two alternatives).
    pub fn accepts(self, element: Element) -> bool {
        match self.family() {
            Family::NumberUnary | Family::NumberBinary => element != Element::Bool,
            Family::FloatUnary | Family::FloatTest | Family::FloatBinary => element.is_float(),
            Family::IntegerBinary => element.is_integer(),
            Family::OrderBinary | Family::Compare | Family::Select => true,
            Family::LogicalUnary | Family::LogicalBinary => element == Element::Bool,
        }
    }

    /// What it gives when it works on `element`.
    #[must_use]
    pub fn result(self, element: Element) -> Element {
        match self.family() {
            Family::FloatTest | Family::Compare | Family::LogicalUnary | Family::LogicalBinary => Element::Bool,
            _ => element.compute(),
        }
    }

    /// Roughly how many cheap instructions it takes an element.
    pub(super) fn cost(self, element: Element) -> usize {
        match self {
            Scalar::Modulo | Scalar::Fmod | Scalar::FloorDivide | Scalar::Gcd | Scalar::Lcm => 100,
            Scalar::Erfc | Scalar::Erfinv | Scalar::I0 | Scalar::I1 => 400,
            Scalar::Cbrt => 80,
            Scalar::Power | Scalar::Arctan2 | Scalar::Hypot | Scalar::LogAddExp if element == Element::F64 => 150,
            Scalar::Power if !element.is_float() => 40,
            Scalar::Power | Scalar::Arctan2 | Scalar::LogAddExp => 30,
            Scalar::Hypot => 8,
            Scalar::Sqrt | Scalar::Rsqrt | Scalar::Reciprocal | Scalar::Divide => 4,
            Scalar::Floor | Scalar::Ceil | Scalar::Trunc | Scalar::Round => 2,
            _ if self.family() == Family::FloatUnary => {
                if element == Element::F64 {
                    80
                } else {
                    12
                }
            }
            _ => 1,
        }
    }
}

/// Results whose arguments lie beyond the reach of the vectorised rule, once more.
#[inline(always)]
fn mend<T: Real>(exact: fn(T) -> T, x: &[T], output: &mut [T]) {
    let far = |x: T| x.absolute() > T::FAR;
    if x.iter().fold(0, |count, &x| count + u32::from(far(x))) > 0 {
        for (output, &x) in output.iter_mut().zip(x).filter(|(_, x)| far(**x)) {
            *output = exact(x);
        }
    }
}

#[inline(always)]
fn real_unary<const FUSED: bool, T: Real>(op: Scalar, x: &[T], output: &mut [T]) {
    float_unary::<FUSED, T>(op, x, output);
    match op {
        Scalar::Sin => mend(T::far_sin, x, output),
        Scalar::Cos => mend(T::far_cos, x, output),
        Scalar::Tan => mend(T::far_tan, x, output),
        _ => {}
    }
}

#[inline(always)]
fn real_binary<const FUSED: bool, T: Real>(op: Scalar, x: &[T], y: &[T], output: &mut [T]) {
    if op == Scalar::Power {
        for (output, (&x, &y)) in output.iter_mut().zip(x.iter().zip(y)) {
            *output = x.v_power::<FUSED>(y);
        }
    } else {
        float_binary::<FUSED, T>(op, x, y, output);
    }
}

/// One instruction applied to blocks: inputs (unused ones may be anything), output, length.
pub(super) type Loop = unsafe fn(Isa, Scalar, [*const u8; 3], *mut u8, usize);

/// The loops of one compute type.
trait Lanes: Number {
    fn unary(isa: Isa, op: Scalar, x: &[Self], output: &mut [Self]);
    fn binary(isa: Isa, op: Scalar, x: &[Self], y: &[Self], output: &mut [Self]);
    fn compare(isa: Isa, op: Scalar, x: &[Self], y: &[Self], output: &mut [u8]);
}

trait FloatLanes: Lanes {
    fn test(isa: Isa, op: Scalar, x: &[Self], output: &mut [u8]);
}

/// Loops compiled for every instruction set.
macro_rules! lanes {
    ($t:ty, $unary:ident, $binary:ident) => {
        impl Lanes for $t {
            #[inline]
            fn unary(isa: Isa, op: Scalar, x: &[Self], output: &mut [Self]) {
                for_each_isa_fused! { fn copies(op: Scalar, x: &[$t], output: &mut [$t]) = $unary::<$t>; }
                copies(isa, op, x, output);
            }
            #[inline]
            fn binary(isa: Isa, op: Scalar, x: &[Self], y: &[Self], output: &mut [Self]) {
                for_each_isa_fused! { fn copies(op: Scalar, x: &[$t], y: &[$t], output: &mut [$t]) = $binary::<$t>; }
                copies(isa, op, x, y, output);
            }
            #[inline]
            fn compare(isa: Isa, op: Scalar, x: &[Self], y: &[Self], output: &mut [u8]) {
                for_each_isa_fused! { fn copies(op: Scalar, x: &[$t], y: &[$t], output: &mut [u8]) = compare::<$t>; }
                copies(isa, op, x, y, output);
            }
        }
    };
}
lanes! { f32, real_unary, real_binary }
lanes! { f64, real_unary, real_binary }
lanes! { i32, number_unary, number_binary }
lanes! { i64, number_unary, number_binary }

macro_rules! float_lanes {
    ($t:ty) => {
        impl FloatLanes for $t {
            #[inline]
            fn test(isa: Isa, op: Scalar, x: &[Self], output: &mut [u8]) {
                for_each_isa_fused! { fn copies(op: Scalar, x: &[$t], output: &mut [u8]) = float_test::<$t>; }
                copies(isa, op, x, output);
            }
        }
    };
}
float_lanes! { f32 }
float_lanes! { f64 }

/// Loops compiled once, for the baseline.
macro_rules! baseline_lanes {
    ($($t:ty)*) => {
        $(impl Lanes for $t {
            fn unary(_: Isa, op: Scalar, x: &[Self], output: &mut [Self]) {
                number_unary::<false, $t>(op, x, output);
            }
            fn binary(_: Isa, op: Scalar, x: &[Self], y: &[Self], output: &mut [Self]) {
                number_binary::<false, $t>(op, x, y, output);
            }
            fn compare(_: Isa, op: Scalar, x: &[Self], y: &[Self], output: &mut [u8]) {
                compare::<false, $t>(op, x, y, output);
            }
        })*
    };
}
baseline_lanes! { u8 u16 u32 u64 i8 i16 }

/// The loops of the integer types, compiled once, for the baseline.
trait IntegerLanes: Lanes {
    fn integers(op: Scalar, x: &[Self], y: &[Self], output: &mut [Self]);
}

impl<T: Bits + Lanes> IntegerLanes for T {
    fn integers(op: Scalar, x: &[Self], y: &[Self], output: &mut [Self]) {
        integer_binary(op, x, y, output);
    }
}

for_each_isa_fused! { fn logical_all(op: Scalar, x: &[u8], y: &[u8], output: &mut [u8]) = logical; }
for_each_isa_fused! { fn select_u8(condition: &[u8], x: &[u8], y: &[u8], output: &mut [u8]) = select::<u8>; }
for_each_isa_fused! { fn select_u16(condition: &[u8], x: &[u16], y: &[u16], output: &mut [u16]) = select::<u16>; }
for_each_isa_fused! { fn select_u32(condition: &[u8], x: &[u32], y: &[u32], output: &mut [u32]) = select::<u32>; }
for_each_isa_fused! { fn select_u64(condition: &[u8], x: &[u64], y: &[u64], output: &mut [u64]) = select::<u64>; }

/// # Safety
/// `pointer` is aligned and valid for `length` elements.
#[inline(always)]
unsafe fn read<'a, T>(pointer: *const u8, length: usize) -> &'a [T] {
    // SAFETY: this function's contract.
    unsafe { std::slice::from_raw_parts(pointer.cast(), length) }
}

/// # Safety
/// As [`read`], and nothing else refers to the elements.
#[inline(always)]
unsafe fn write<'a, T>(pointer: *mut u8, length: usize) -> &'a mut [T] {
    // SAFETY: this function's contract.
    unsafe { std::slice::from_raw_parts_mut(pointer.cast(), length) }
}

/// # Safety
/// The inputs that the instruction takes are valid for `length` elements, the output too and overlaps none of them.
unsafe fn unary_loop<T: Lanes>(isa: Isa, op: Scalar, [x, ..]: [*const u8; 3], output: *mut u8, length: usize) {
    // SAFETY: this function's contract.
    unsafe { T::unary(isa, op, read(x, length), write(output, length)) }
}

/// # Safety
/// As [`unary_loop`].
unsafe fn test_loop<T: FloatLanes>(isa: Isa, op: Scalar, [x, ..]: [*const u8; 3], output: *mut u8, length: usize) {
    // SAFETY: this function's contract.
    unsafe { T::test(isa, op, read(x, length), write(output, length)) }
}

/// # Safety
/// As [`unary_loop`].
unsafe fn binary_loop<T: Lanes>(isa: Isa, op: Scalar, [x, y, _]: [*const u8; 3], output: *mut u8, length: usize) {
    // SAFETY: this function's contract.
    unsafe { T::binary(isa, op, read(x, length), read(y, length), write(output, length)) }
}

/// # Safety
/// As [`unary_loop`].
unsafe fn integer_loop<T: IntegerLanes>(_: Isa, op: Scalar, [x, y, _]: [*const u8; 3], output: *mut u8, length: usize) {
    // SAFETY: this function's contract.
    unsafe { T::integers(op, read(x, length), read(y, length), write(output, length)) }
}

/// # Safety
/// As [`unary_loop`].
unsafe fn compare_loop<T: Lanes>(isa: Isa, op: Scalar, [x, y, _]: [*const u8; 3], output: *mut u8, length: usize) {
    // SAFETY: this function's contract.
    unsafe { T::compare(isa, op, read(x, length), read(y, length), write(output, length)) }
}

/// # Safety
/// As [`unary_loop`].
unsafe fn logical_loop(isa: Isa, op: Scalar, [x, y, _]: [*const u8; 3], output: *mut u8, length: usize) {
    let y = if op.arity() == 1 { x } else { y };
    // SAFETY: this function's contract.
    unsafe { logical_all(isa, op, read(x, length), read(y, length), write(output, length)) }
}

macro_rules! select_loop {
    ($name:ident, $select:ident) => {
        /// # Safety
        /// As [`unary_loop`].
        unsafe fn $name(isa: Isa, _: Scalar, [condition, x, y]: [*const u8; 3], output: *mut u8, length: usize) {
            // SAFETY: this function's contract.
            unsafe { $select(isa, read(condition, length), read(x, length), read(y, length), write(output, length)) }
        }
    };
}
select_loop! { select_1, select_u8 }
select_loop! { select_2, select_u16 }
select_loop! { select_4, select_u32 }
select_loop! { select_8, select_u64 }

impl Scalar {
    /// The loop that applies it to blocks of `element`, which it must accept.
    pub(super) fn block_loop(self, element: Element) -> Loop {
        macro_rules! number {
            ($generic:ident) => {
                match element.compute() {
                    Element::Bool | Element::U8 => $generic::<u8>,
                    Element::U16 => $generic::<u16>,
                    Element::U32 => $generic::<u32>,
                    Element::U64 => $generic::<u64>,
                    Element::I8 => $generic::<i8>,
                    Element::I16 => $generic::<i16>,
                    Element::I32 => $generic::<i32>,
                    Element::I64 => $generic::<i64>,
                    Element::F64 => $generic::<f64>,
                    Element::F32 | Element::F16 | Element::Bf16 => $generic::<f32>,
                }
            };
        }
        match self.family() {
            Family::NumberUnary | Family::FloatUnary => number!(unary_loop),
            Family::NumberBinary | Family::OrderBinary | Family::FloatBinary => number!(binary_loop),
            Family::IntegerBinary => match element {
                Element::U16 => integer_loop::<u16>,
                Element::U32 => integer_loop::<u32>,
                Element::U64 => integer_loop::<u64>,
                Element::I8 => integer_loop::<i8>,
                Element::I16 => integer_loop::<i16>,
                Element::I32 => integer_loop::<i32>,
                Element::I64 => integer_loop::<i64>,
                _ => integer_loop::<u8>,
            },
            Family::FloatTest if element == Element::F64 => test_loop::<f64>,
            Family::FloatTest => test_loop::<f32>,
            Family::Compare => number!(compare_loop),
            Family::LogicalUnary | Family::LogicalBinary => logical_loop,
            Family::Select => match element.compute().size() {
                1 => select_1,
                2 => select_2,
                4 => select_4,
                _ => select_8,
            },
        }
    }
}
