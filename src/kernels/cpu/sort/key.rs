//! Elements as unsigned integers in the same order.

use half::{bf16, f16};

use crate::cpu::workspace::Plain;

/// A key and a position in one integer: the key decides, then the position.
pub trait Packed: Plain + Ord {
    type Key;
    fn new(key: Self::Key, position: u32) -> Self;
    fn position(self) -> u32;
}

/// An element type with NumPy's order: ascending, NaN last, -0 equal to 0.
pub trait Ordered: Copy + Send + Sync + 'static {
    type Key: Plain + Ord;
    type Packed: Packed<Key = Self::Key>;
    fn key(self) -> Self::Key;
    /// The complement of the exact key: descending order, NaN first, 0 before -0 (as XLA ranks them).
    fn descending_key(self) -> Self::Key;
    /// A key in the same order that also tells -0 from 0, so that [`Ordered::from_exact_key`] is its inverse (NaN comes
    /// back as a NaN, not bit for bit).
    fn exact_key(self) -> Self::Key;
    fn from_exact_key(key: Self::Key) -> Self;
}

macro_rules! packed {
    ($($key:ty => $packed:ty),*) => {
        $(impl Packed for Pair<$key, $packed> {
            type Key = $key;
            #[inline(always)]
            fn new(key: $key, position: u32) -> Self {
                Pair(<$packed>::from(key) << 32 | <$packed>::from(position), std::marker::PhantomData)
            }
            #[inline(always)]
            fn position(self) -> u32 {
                self.0 as u32
            }
        }
        // SAFETY: one integer beside a field without size: any bits are a value.
        unsafe impl Plain for Pair<$key, $packed> {})*
    };
}

/// A packed key, remembering the key's width.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Pair<K, P>(P, std::marker::PhantomData<K>);

packed! { u8 => u64, u16 => u64, u32 => u64, u64 => u128 }

macro_rules! unsigned {
    ($($t:ty => $packed:ty),*) => {
        $(impl Ordered for $t {
            type Key = $t;
            type Packed = Pair<$t, $packed>;
            #[inline(always)]
            fn key(self) -> $t {
                self
            }
            #[inline(always)]
            fn descending_key(self) -> $t {
                !self
            }
            #[inline(always)]
            fn exact_key(self) -> $t {
                self
            }
            #[inline(always)]
            fn from_exact_key(key: $t) -> $t {
                key
            }
        })*
    };
}
unsigned! { u8 => u64, u16 => u64, u32 => u64, u64 => u128 }

macro_rules! signed {
    ($($t:ty, $key:ty => $packed:ty),*) => {
        $(impl Ordered for $t {
            type Key = $key;
            type Packed = Pair<$key, $packed>;
            #[inline(always)]
            fn key(self) -> $key {
                (self ^ <$t>::MIN).cast_unsigned()
            }
            #[inline(always)]
            fn descending_key(self) -> $key {
                !self.key()
            }
            #[inline(always)]
            fn exact_key(self) -> $key {
                self.key()
            }
            #[inline(always)]
            fn from_exact_key(key: $key) -> $t {
                key.cast_signed() ^ <$t>::MIN
            }
        })*
    };
}
signed! { i8, u8 => u64, i16, u16 => u64, i32, u32 => u64, i64, u64 => u128 }

macro_rules! floats {
    ($($t:ty, $key:ty => $packed:ty);*) => {
        $(impl Ordered for $t {
            type Key = $key;
            type Packed = Pair<$key, $packed>;
            #[inline(always)]
            fn key(self) -> $key {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                if self.to_bits() == SIGN { SIGN } else { self.exact_key() }
            }
            #[inline(always)]
            fn descending_key(self) -> $key {
                !self.exact_key()
            }
            #[inline(always)]
            fn exact_key(self) -> $key {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                let bits = self.to_bits();
                if self.is_nan() {
                    <$key>::MAX
                } else if bits & SIGN == 0 {
                    bits | SIGN
                } else {
                    !bits
                }
            }
            #[inline(always)]
            fn from_exact_key(key: $key) -> $t {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                <$t>::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN })
            }
        })*
    };
}
floats! { f16, u16 => u64; bf16, u16 => u64; f32, u32 => u64; f64, u64 => u128 }
