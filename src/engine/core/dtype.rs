//! Element types and Keras' promotion rules.

use std::fmt;

/// The element type of an array. Sixteen-bit floats are storage types: arithmetic on them computes in float32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum DType {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Bfloat16,
    Float16,
    Float32,
    Float64,
}

use DType::{Bfloat16, Bool, Float16, Float32, Float64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};

impl DType {
    pub const ALL: [DType; 13] =
        [Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Bfloat16, Float16, Float32, Float64];

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Bool | Uint8 | Int8 => 1,
            Uint16 | Int16 | Bfloat16 | Float16 => 2,
            Uint32 | Int32 | Float32 => 4,
            Uint64 | Int64 | Float64 => 8,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Bool => "bool",
            Uint8 => "uint8",
            Uint16 => "uint16",
            Uint32 => "uint32",
            Uint64 => "uint64",
            Int8 => "int8",
            Int16 => "int16",
            Int32 => "int32",
            Int64 => "int64",
            Bfloat16 => "bfloat16",
            Float16 => "float16",
            Float32 => "float32",
            Float64 => "float64",
        }
    }

    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    pub fn is_float(self) -> bool {
        matches!(self, Bfloat16 | Float16 | Float32 | Float64)
    }

    /// float16 or bfloat16: stored in 16 bits, computed in float32.
    pub fn is_half(self) -> bool {
        matches!(self, Bfloat16 | Float16)
    }

    /// float32 or float64: the types that kernels compute in.
    pub fn is_compute_float(self) -> bool {
        matches!(self, Float32 | Float64)
    }

    pub fn is_integer(self) -> bool {
        !self.is_float() && self != Bool
    }

    fn is_unsigned(self) -> bool {
        matches!(self, Uint8 | Uint16 | Uint32 | Uint64)
    }

    /// The type of a result of two typed operands, as Keras (and JAX) promote: no value is looked at, and integers
    /// beside floats take the float's type.
    #[must_use]
    pub fn promote(self, other: DType) -> DType {
        if self == other {
            return self;
        }
        let (low, high) = if self < other { (self, other) } else { (other, self) };
        match (low, high) {
            (Bool, other) => other,
            (Bfloat16, Float16) => Float32,
            (low, high) if low.is_float() || high.is_float() => {
                if low.is_float() {
                    high
                } else {
                    high.max(if high.is_float() { high } else { Float32 })
                }
            }
            (Uint64, signed) if !signed.is_unsigned() => Float32,
            (unsigned, signed) if unsigned.is_unsigned() && !signed.is_unsigned() => {
                if signed.size() > unsigned.size() {
                    signed
                } else {
                    match unsigned.size() {
                        1 => Int16,
                        2 => Int32,
                        _ => Int64,
                    }
                }
            }
            (_, high) => high,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_symmetric_and_follows_keras() {
        for a in DType::ALL {
            for b in DType::ALL {
                assert_eq!(a.promote(b), b.promote(a), "{a} {b}");
            }
        }
        assert_eq!(Int32.promote(Float32), Float32);
        assert_eq!(Int64.promote(Float16), Float16);
        assert_eq!(Uint8.promote(Int8), Int16);
        assert_eq!(Uint32.promote(Int32), Int64);
        assert_eq!(Bfloat16.promote(Float16), Float32);
        assert_eq!(Bool.promote(Int8), Int8);
        assert_eq!(Float32.promote(Float64), Float64);
    }
}
