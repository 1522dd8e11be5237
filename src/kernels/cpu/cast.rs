//! Conversion between any two element types.
//!
//! Data: two contiguous arrays of equal length. One loop per pair of types, which the compiler vectorises where the
//! baseline instruction set allows, and for every one between float32 and bfloat16; float16 goes through the processor's own
//! conversion where it has one. Limit:
//! memory bandwidth.
//!
//! ```text
//! chunk: 64 KiB of traffic
//!   for i in chunk: output[i] = input[i] as To
//! ```
//!
//! Float to integer truncates toward zero and saturates, NaN becomes 0; integer to narrower integer wraps; anything
//! nonzero is true.

use super::disjoint::part;
use super::elementwise::element::{Boolean, Element, with_element};
use super::simd::Isa;
use crate::for_each_isa;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// `self`, as a `D`.
trait CastTo<D> {
    fn cast_to(self) -> D;
}

macro_rules! numbers {
    ($($from:ty),*) => {
        $(
            numbers! { @row $from => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64 }
            impl CastTo<Boolean> for $from {
                #[inline(always)]
                fn cast_to(self) -> Boolean {
                    Boolean(u8::from(self != 0 as $from))
                }
            }
            impl CastTo<$from> for Boolean {
                #[inline(always)]
                fn cast_to(self) -> $from {
                    u8::from(self.0 != 0) as $from
                }
            }
        )*
    };
    (@row $from:ty => $($to:ty),*) => {
        $(impl CastTo<$to> for $from {
            #[inline(always)]
            #[allow(trivial_numeric_casts)]
            fn cast_to(self) -> $to {
                self as $to
            }
        })*
    };
}
numbers! { u8, u16, u32, u64, i8, i16, i32, i64, f32, f64 }

impl CastTo<Boolean> for Boolean {
    #[inline(always)]
    fn cast_to(self) -> Boolean {
        Boolean(u8::from(self.0 != 0))
    }
}

macro_rules! halves {
    ($half:ty: $($number:ty),*) => {
        $(
            impl CastTo<$half> for $number {
                #[inline(always)]
                fn cast_to(self) -> $half {
                    <$half>::from_f64(self as f64)
                }
            }
            impl CastTo<$number> for $half {
                #[inline(always)]
                fn cast_to(self) -> $number {
                    self.to_f32() as $number
                }
            }
        )*
        impl CastTo<Boolean> for $half {
            #[inline(always)]
            fn cast_to(self) -> Boolean {
                Boolean(u8::from(self.to_f32() != 0.0))
            }
        }
        impl CastTo<$half> for Boolean {
            #[inline(always)]
            fn cast_to(self) -> $half {
                if self.0 != 0 { <$half>::ONE } else { <$half>::ZERO }
            }
        }
        impl CastTo<f16> for $half {
            #[inline(always)]
            fn cast_to(self) -> f16 {
                f16::from_f32(self.to_f32())
            }
        }
        impl CastTo<bf16> for $half {
            #[inline(always)]
            fn cast_to(self) -> bf16 {
                bf16::from_f32(self.to_f32())
            }
        }
    };
}
halves! { f16: u8, u16, u32, u64, i8, i16, i32, i64, f32, f64 }
halves! { bf16: u8, u16, u32, u64, i8, i16, i32, i64, f32, f64 }

/// # Safety
/// `input` and `output` are aligned, valid for reading and writing `length` elements, and do not overlap.
unsafe fn convert_typed<S: CastTo<D> + Copy, D>(input: *const u8, output: *mut u8, length: usize) {
    // SAFETY: this function's contract.
    let (input, output) = unsafe {
        (
            std::slice::from_raw_parts(input.cast::<S>(), length),
            std::slice::from_raw_parts_mut(output.cast::<D>(), length),
        )
    };
    for (to, from) in output.iter_mut().zip(input) {
        *to = from.cast_to();
    }
}

#[inline(always)]
fn round_body(from: &[f32], to: &mut [bf16]) {
    for (to, from) in to.iter_mut().zip(from) {
        let bits = from.to_bits();
        // To the nearest, ties to even; NaN stays NaN.
        let rounded = (bits.wrapping_add(0x7FFF + ((bits >> 16) & 1)) >> 16) as u16;
        let quiet = (bits >> 16) as u16 | 0x40;
        *to = bf16::from_bits(if bits & 0x7FFF_FFFF > 0x7F80_0000 { quiet } else { rounded });
    }
}

for_each_isa! {
    /// float32 as bfloat16, to the nearest, ties to even.
    pub fn round_to_bfloat16(from: &[f32], to: &mut [bf16]) = round_body;
}

#[inline(always)]
fn widen_body(from: &[bf16], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = f32::from_bits(u32::from(from.to_bits()) << 16);
    }
}

for_each_isa! {
    /// bfloat16 as float32, which has all its numbers.
    fn widen_bfloat16(from: &[bf16], to: &mut [f32]) = widen_body;
}

/// Converts `length` elements at `input` to those at `output`.
///
/// # Safety
/// `input` holds `length` elements `from`, `output` has room for as many `to`, both aligned to their elements, not
/// overlapping.
pub unsafe fn convert(from: Element, to: Element, input: *const u8, output: *mut u8, length: usize) {
    // SAFETY: in every arm, this function's contract.
    unsafe {
        if from == to {
            std::ptr::copy_nonoverlapping(input, output, length * from.size());
            return;
        }
        let single_in = || std::slice::from_raw_parts(input.cast::<f32>(), length);
        let single_out = || std::slice::from_raw_parts_mut(output.cast::<f32>(), length);
        match (from, to) {
            (Element::F16, Element::F32) => {
                std::slice::from_raw_parts(input.cast::<f16>(), length).convert_to_f32_slice(single_out());
            }
            (Element::Bf16, Element::F32) => {
                widen_bfloat16(Isa::active(), std::slice::from_raw_parts(input.cast::<bf16>(), length), single_out());
            }
            (Element::F32, Element::F16) => {
                std::slice::from_raw_parts_mut(output.cast::<f16>(), length).convert_from_f32_slice(single_in());
            }
            (Element::F32, Element::Bf16) => {
                let output = std::slice::from_raw_parts_mut(output.cast::<bf16>(), length);
                round_to_bfloat16(Isa::active(), single_in(), output);
            }
            _ => with_element!(from, S => with_element!(to, D => convert_typed::<S, D>(input, output, length))),
        }
    }
}

/// The conversion of one contiguous array.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    from: Element,
    to: Element,
    length: usize,
}

impl Cast {
    pub fn new(from: Element, to: Element, length: usize) -> Self {
        Self { from, to, length }
    }

    pub fn chunks(&self) -> usize {
        (self.length * (self.from.size() + self.to.size()) / (64 << 10)).clamp(1, 64)
    }

    /// Converts the part of the array that chunk `chunk` covers.
    ///
    /// # Safety
    /// `input` holds `length` elements `from`, `output` has room for as many `to`, both aligned to their elements, not
    /// overlapping; no two threads run the same chunk at once.
    pub unsafe fn run(&self, chunk: usize, input: *const u8, output: *mut u8) {
        let range = part(self.length, self.chunks(), chunk, 64);
        // SAFETY: `part` stays inside the arrays of this function's contract.
        unsafe {
            let input = input.add(range.start * self.from.size());
            let output = output.add(range.start * self.to.size());
            convert(self.from, self.to, input, output, range.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cast, Element, round_to_bfloat16};
    use crate::cpu::simd::Isa;
    use half::{bf16, f16};

    fn cast<S: Copy, D: Copy + Default>(from: Element, to: Element, input: &[S]) -> Vec<D> {
        let mut output = vec![D::default(); input.len()];
        let kernel = Cast::new(from, to, input.len());
        for chunk in (0..kernel.chunks()).rev() {
            // SAFETY: the arrays are as long as the kernel was told, of the types that the test names.
            unsafe { kernel.run(chunk, input.as_ptr().cast(), output.as_mut_ptr().cast()) };
        }
        output
    }

    #[test]
    fn floats_truncate_and_saturate() {
        let x = [1.9f32, -1.9, f32::NAN, 1e20, -1e20, 300.0, -0.0];
        assert_eq!(cast::<_, i32>(Element::F32, Element::I32, &x), [1, -1, 0, i32::MAX, i32::MIN, 300, 0]);
        assert_eq!(cast::<_, u8>(Element::F32, Element::U8, &x), [1, 0, 0, 255, 0, 255, 0]);
        assert_eq!(cast::<_, u8>(Element::F32, Element::Bool, &x), [1, 1, 1, 1, 1, 1, 0]);
    }

    #[test]
    fn integers_wrap_and_booleans_are_zero_or_one() {
        assert_eq!(cast::<_, i8>(Element::I32, Element::I8, &[257i32, -1, 128]), [1, -1, -128]);
        assert_eq!(cast::<_, f64>(Element::U64, Element::F64, &[u64::MAX, 3]), [u64::MAX as f64, 3.0]);
        assert_eq!(cast::<_, f32>(Element::Bool, Element::F32, &[0u8, 1, 1]), [0.0, 1.0, 1.0]);
    }

    #[test]
    fn halves_round_to_nearest_even() {
        let x: Vec<f32> = (0..1000).map(|i| (i as f32 - 500.0) * 0.7371).collect();
        let halves: Vec<f16> = cast(Element::F32, Element::F16, &x);
        assert!(halves.iter().zip(&x).all(|(h, &x)| *h == f16::from_f32(x)));
        let brains: Vec<bf16> = cast(Element::F32, Element::Bf16, &x);
        assert!(brains.iter().zip(&x).all(|(h, &x)| *h == bf16::from_f32(x)));
        let back: Vec<f32> = cast(Element::F16, Element::F32, &halves);
        assert!(back.iter().zip(&halves).all(|(b, h)| *b == h.to_f32()));
        let doubles: Vec<f64> = cast(Element::Bf16, Element::F64, &brains);
        assert!(doubles.iter().zip(&brains).all(|(d, h)| *d == h.to_f64()));
    }

    #[test]
    fn every_pair_keeps_small_numbers() {
        for from in Element::ALL {
            for to in Element::ALL {
                for length in [0, 1, 5, 40_000] {
                    let ones: Vec<u8> = (0..length).map(|i| u8::from(i % 3 == 0)).collect();
                    let mut first = vec![0u64; length];
                    let mut second = vec![0u64; length];
                    let mut last = vec![0u8; length];
                    // SAFETY: eight bytes an element are room for any type, and aligned for it.
                    unsafe {
                        super::convert(Element::U8, from, ones.as_ptr(), first.as_mut_ptr().cast(), length);
                        super::convert(from, to, first.as_ptr().cast(), second.as_mut_ptr().cast(), length);
                        super::convert(to, Element::U8, second.as_ptr().cast(), last.as_mut_ptr(), length);
                    }
                    assert_eq!(ones, last, "{from:?} to {to:?}");
                }
            }
        }
    }

    /// As the type itself rounds, on every instruction set.
    #[test]
    fn bfloat16_is_rounded_to_the_nearest() {
        let mut values: Vec<f32> = (0..=u16::MAX).map(|high| f32::from_bits(u32::from(high) << 16 | 0x8000)).collect();
        values.extend((0..=u16::MAX).map(|high| f32::from_bits(u32::from(high) << 16 | 0x7FFF)));
        values.extend((0..=u16::MAX).map(|high| f32::from_bits(u32::from(high) << 16 | 0x8001)));
        for isa in Isa::available() {
            let mut found = vec![bf16::ZERO; values.len()];
            round_to_bfloat16(isa, &values, &mut found);
            for (found, value) in found.iter().zip(&values) {
                assert_eq!(found.to_bits(), bf16::from_f32(*value).to_bits(), "{value} {isa:?}");
            }
        }
    }
}
