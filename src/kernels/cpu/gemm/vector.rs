//! Vector registers: one type for each instruction set and element, with the few operations that tiles need.
//!
//! Every method is inlined into a function that was compiled for the instruction set (`tile` below), where the
//! intrinsics become single instructions. [`Portable`] is plain Rust that the compiler vectorises for the target's
//! baseline: SSE2 on x86-64. The registers of `AArch64` are in `neon`.

use super::epilogue::Activation;
use super::tile::{Tile, compute};
use crate::cpu::float::Float;

/// A loop nest over registers, which [`Compute::work`](super::tile::Compute::work) compiles for each instruction set.
pub trait Work<T> {
    /// The loops; to be marked `#[inline(always)]`, as is all that they call.
    ///
    /// # Safety
    /// The instruction set of `V` is there; what else holds, the type says.
    unsafe fn run<V: Vector<Element = T>>(self);
}

/// A register of `LANES` elements.
///
/// # Safety
/// Methods run only on a machine that has the instruction set; pointers are valid for the lanes that are touched.
pub unsafe trait Vector: Copy {
    type Element: Float;
    /// Selects the first lanes.
    type Mask: Copy;
    const LANES: usize;
    /// Whether loading through a mask costs no more than loading all lanes.
    const MASKS_ARE_FREE: bool;
    /// The most registers that sums of a `stack` may have, so that factors find room too; none where it does not run.
    const ACCUMULATORS: usize;

    unsafe fn mask(lanes: usize) -> Self::Mask;
    unsafe fn zero() -> Self;
    unsafe fn splat(from: *const Self::Element) -> Self;
    unsafe fn load(from: *const Self::Element) -> Self;
    /// The lanes of `mask`, zero elsewhere; memory outside of the mask is not touched.
    unsafe fn load_part(from: *const Self::Element, mask: Self::Mask) -> Self;
    unsafe fn store(self, to: *mut Self::Element);
    unsafe fn store_part(self, to: *mut Self::Element, mask: Self::Mask);
    /// `self * factor + addend`
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn subtract(self, other: Self) -> Self;
    /// Half of the sums over the lanes of each of two registers. Registers that are folded in pairs, from `LEVEL` 0 up to
    /// that of `log2(LANES)` - 1, become one, whose lanes are the sums of theirs, in order.
    unsafe fn fold<const LEVEL: usize>(self, other: Self) -> Self;
    /// Whether the methods for half registers are there.
    const HALVES: bool = false;
    /// The lanes of `mask`, in both halves of a register; they lie in the lower half.
    unsafe fn twice(_from: *const Self::Element, _mask: Self::Mask) -> Self {
        unreachable!("no half registers")
    }
    /// The lanes of this register that `lower` names, the others of another.
    #[must_use]
    unsafe fn halves(self, _lower: Self::Mask, _upper: Self) -> Self {
        unreachable!("no half registers")
    }
    /// The upper half in the place of the lower.
    #[must_use]
    unsafe fn high(self) -> Self {
        unreachable!("no half registers")
    }
    /// `max(self, 0)`, keeping NaN.
    unsafe fn relu(self) -> Self;
    /// `min(max(self, 0), 6)`, keeping NaN.
    unsafe fn relu6(self) -> Self;
    /// An activation that tiles apply themselves; of any other, the register as it is.
    #[inline(always)]
    unsafe fn activate(self, activation: Activation) -> Self {
        // SAFETY: by the trait's contract.
        unsafe {
            match activation {
                Activation::Relu => self.relu(),
                Activation::Relu6 => self.relu6(),
                _ => self,
            }
        }
    }
    /// [`compute`], compiled for this instruction set.
    unsafe fn tile<const ROWS: usize, const VECTORS: usize>(tile: &Tile<Self::Element>);
    /// `work`, compiled for this instruction set.
    unsafe fn work<W: Work<Self::Element>>(work: W);
}

#[cfg(target_arch = "x86_64")]
pub use x86::{F32x8, F32x16, F64x4, F64x8};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Tile, Vector, Work, compute};
    // Dozens of intrinsics, which no name of ours resembles.
    #[allow(clippy::wildcard_imports)]
    use std::arch::x86_64::*;

    /// `MASK_32[8 - n..]` starts with `n` selected lanes.
    static MASK_32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    static MASK_64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

    macro_rules! vector {
        (
            $(#[$meta:meta])* $name:ident($register:ty) of $element:ty, $lanes:literal lanes, $features:literal,
            free masks: $free:literal, mask $mask:ty = |$count:ident| $make_mask:expr,
            $zero:ident $splat:ident $load:ident $store:ident $fma:ident $add:ident $subtract:ident $max:ident $min:ident
            $set:ident, fold $(($low:expr, $high:expr))+,
            load_part: |$from:ident, $load_mask:ident| $load_part:expr,
            store_part: |$to:ident, $store_mask:ident, $value:ident| $store_part:expr
            $(, twice: |$half:ident, $half_mask:ident| $twice:expr, halves: $blend:ident $shuffle:ident)?
        ) => {
            $(#[$meta])*
            #[derive(Clone, Copy)]
            pub struct $name($register);

            // SAFETY: the intrinsics touch exactly the lanes that the trait names.
            unsafe impl Vector for $name {
                type Element = $element;
                type Mask = $mask;
                const LANES: usize = $lanes;
                const MASKS_ARE_FREE: bool = $free;
                // There are 32 registers where masks are free, else 16.
                const ACCUMULATORS: usize = if $free { 24 } else { 12 };

                #[inline(always)]
                unsafe fn mask($count: usize) -> $mask {
                    // SAFETY: by the trait's contract; `lanes` is at most LANES.
                    #[allow(unused_unsafe)]
                    unsafe {
                        $make_mask
                    }
                }
                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: by the trait's contract.
                    Self(unsafe { $zero() })
                }
                #[inline(always)]
                unsafe fn splat(from: *const $element) -> Self {
                    // SAFETY: by the trait's contract.
                    Self(unsafe { $splat(*from) })
                }
                #[inline(always)]
                unsafe fn load(from: *const $element) -> Self {
                    // SAFETY: by the trait's contract.
                    Self(unsafe { $load(from) })
                }
                #[inline(always)]
                unsafe fn load_part($from: *const $element, $load_mask: $mask) -> Self {
                    // SAFETY: by the trait's contract.
                    Self(unsafe { $load_part })
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $element) {
                    // SAFETY: by the trait's contract.
                    unsafe { $store(to, self.0) }
                }
                #[inline(always)]
                unsafe fn store_part(self, $to: *mut $element, $store_mask: $mask) {
                    let $value = self.0;
                    // SAFETY: by the trait's contract.
                    unsafe { $store_part }
                }
                #[inline(always)]
                unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
                    // SAFETY: by the trait's contract.
                    Self(unsafe { $fma(self.0, factor.0, addend.0) })
                }
                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    // SAFETY: by the trait's contract.
                    Self(unsafe { $add(self.0, other.0) })
                }
                #[inline(always)]
                unsafe fn subtract(self, other: Self) -> Self {
                    // SAFETY: by the trait's contract.
                    Self(unsafe { $subtract(self.0, other.0) })
                }
                #[inline(always)]
                unsafe fn fold<const LEVEL: usize>(self, other: Self) -> Self {
                    let mut level = 0;
                    let mut sum = self.0;
                    $(
                        if level == LEVEL {
                            // SAFETY: by the trait's contract.
                            sum = unsafe { $add($low(self.0, other.0), $high(self.0, other.0)) };
                        }
                        level += 1;
                    )+
                    assert!(LEVEL < level);
                    Self(sum)
                }
                $(
                    const HALVES: bool = true;
                    #[inline(always)]
                    unsafe fn twice($half: *const $element, $half_mask: $mask) -> Self {
                        // SAFETY: by the trait's contract.
                        Self(unsafe { $twice })
                    }
                    #[inline(always)]
                    unsafe fn halves(self, lower: $mask, upper: Self) -> Self {
                        // SAFETY: by the trait's contract.
                        Self(unsafe { $blend(lower, upper.0, self.0) })
                    }
                    #[inline(always)]
                    unsafe fn high(self) -> Self {
                        // SAFETY: by the trait's contract.
                        Self(unsafe { $shuffle::<0xee>(self.0, self.0) })
                    }
                )?
                #[inline(always)]
                unsafe fn relu(self) -> Self {
                    // The maximum of x86 returns its second operand when one is NaN.
                    // SAFETY: by the trait's contract.
                    Self(unsafe { $max($zero(), self.0) })
                }
                #[inline(always)]
                unsafe fn relu6(self) -> Self {
                    // As above, for the minimum too.
                    // SAFETY: by the trait's contract.
                    Self(unsafe { $min($set(6.0), $max($zero(), self.0)) })
                }
                #[inline(always)]
                unsafe fn tile<const ROWS: usize, const VECTORS: usize>(tile: &Tile<$element>) {
                    #[target_feature(enable = $features)]
                    unsafe fn compiled<const ROWS: usize, const VECTORS: usize>(tile: &Tile<$element>) {
                        // SAFETY: as for `tile`.
                        unsafe { compute::<$name, ROWS, VECTORS>(tile) }
                    }
                    // SAFETY: by the trait's contract.
                    unsafe { compiled::<ROWS, VECTORS>(tile) }
                }
                #[inline(always)]
                unsafe fn work<W: Work<$element>>(work: W) {
                    #[target_feature(enable = $features)]
                    unsafe fn compiled<W: Work<$element>>(work: W) {
                        // SAFETY: as for `work`.
                        unsafe { work.run::<$name>() }
                    }
                    // SAFETY: by the trait's contract.
                    unsafe { compiled(work) }
                }
            }
        };
    }

    vector! {
        /// AVX-512.
        F32x16(__m512) of f32, 16 lanes, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma",
        free masks: true, mask __mmask16 = |lanes| ((1_u32 << lanes) - 1) as __mmask16,
        _mm512_setzero_ps _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_fmadd_ps _mm512_add_ps _mm512_sub_ps
        _mm512_max_ps _mm512_min_ps _mm512_set1_ps,
        fold (_mm512_unpacklo_ps, _mm512_unpackhi_ps) (_mm512_shuffle_ps::<0x44>, _mm512_shuffle_ps::<0xee>)
        (_mm512_shuffle_f32x4::<0x88>, _mm512_shuffle_f32x4::<0xdd>)
        (_mm512_shuffle_f32x4::<0x88>, _mm512_shuffle_f32x4::<0xdd>),
        load_part: |from, mask| _mm512_maskz_loadu_ps(mask, from),
        store_part: |to, mask, value| _mm512_mask_storeu_ps(to, mask, value),
        twice: |from, mask| _mm512_broadcast_f32x8(_mm256_maskz_loadu_ps(mask as __mmask8, from)),
        halves: _mm512_mask_blend_ps _mm512_shuffle_f32x4
    }
    vector! {
        /// AVX-512.
        F64x8(__m512d) of f64, 8 lanes, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma",
        free masks: true, mask __mmask8 = |lanes| ((1_u32 << lanes) - 1) as __mmask8,
        _mm512_setzero_pd _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_fmadd_pd _mm512_add_pd _mm512_sub_pd
        _mm512_max_pd _mm512_min_pd _mm512_set1_pd,
        fold (_mm512_unpacklo_pd, _mm512_unpackhi_pd)
        (_mm512_shuffle_f64x2::<0x88>, _mm512_shuffle_f64x2::<0xdd>)
        (_mm512_shuffle_f64x2::<0x88>, _mm512_shuffle_f64x2::<0xdd>),
        load_part: |from, mask| _mm512_maskz_loadu_pd(mask, from),
        store_part: |to, mask, value| _mm512_mask_storeu_pd(to, mask, value),
        twice: |from, mask| _mm512_broadcast_f64x4(_mm256_maskz_loadu_pd(mask, from)),
        halves: _mm512_mask_blend_pd _mm512_shuffle_f64x2
    }
    vector! {
        /// AVX2 with FMA.
        F32x8(__m256) of f32, 8 lanes, "avx2,fma",
        free masks: false, mask __m256i = |lanes| _mm256_loadu_si256(MASK_32.as_ptr().add(8 - lanes).cast()),
        _mm256_setzero_ps _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_fmadd_ps _mm256_add_ps _mm256_sub_ps
        _mm256_max_ps _mm256_min_ps _mm256_set1_ps,
        fold (_mm256_unpacklo_ps, _mm256_unpackhi_ps) (_mm256_shuffle_ps::<0x44>, _mm256_shuffle_ps::<0xee>)
        (_mm256_permute2f128_ps::<0x20>, _mm256_permute2f128_ps::<0x31>),
        load_part: |from, mask| _mm256_maskload_ps(from, mask),
        store_part: |to, mask, value| _mm256_maskstore_ps(to, mask, value)
    }
    vector! {
        /// AVX2 with FMA.
        F64x4(__m256d) of f64, 4 lanes, "avx2,fma",
        free masks: false, mask __m256i = |lanes| _mm256_loadu_si256(MASK_64.as_ptr().add(4 - lanes).cast()),
        _mm256_setzero_pd _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_fmadd_pd _mm256_add_pd _mm256_sub_pd
        _mm256_max_pd _mm256_min_pd _mm256_set1_pd,
        fold (_mm256_unpacklo_pd, _mm256_unpackhi_pd) (_mm256_permute2f128_pd::<0x20>, _mm256_permute2f128_pd::<0x31>),
        load_part: |from, mask| _mm256_maskload_pd(from, mask),
        store_part: |to, mask, value| _mm256_maskstore_pd(to, mask, value)
    }
}

/// Plain Rust, 16 bytes wide.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub struct Portable<T, const LANES: usize>([T; LANES]);

// SAFETY: the loops touch exactly the lanes that the trait names.
unsafe impl<T: Float, const LANES: usize> Vector for Portable<T, LANES> {
    type Element = T;
    type Mask = usize;
    const LANES: usize = LANES;
    const MASKS_ARE_FREE: bool = false;
    const ACCUMULATORS: usize = 0;

    #[inline(always)]
    unsafe fn mask(lanes: usize) -> usize {
        lanes
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([T::ZERO; LANES])
    }
    #[inline(always)]
    unsafe fn splat(from: *const T) -> Self {
        // SAFETY: by the trait's contract.
        Self([unsafe { *from }; LANES])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: by the trait's contract.
        Self(unsafe { from.cast::<[T; LANES]>().read() })
    }
    #[inline(always)]
    unsafe fn load_part(from: *const T, mask: usize) -> Self {
        let mut lanes = [T::ZERO; LANES];
        for (lane, value) in lanes.iter_mut().enumerate().take(mask) {
            // SAFETY: by the trait's contract.
            *value = unsafe { *from.add(lane) };
        }
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: by the trait's contract.
        unsafe { to.cast::<[T; LANES]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut T, mask: usize) {
        for (lane, &value) in self.0.iter().enumerate().take(mask) {
            // SAFETY: by the trait's contract.
            unsafe { *to.add(lane) = value }
        }
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        let mut lanes = addend.0;
        for ((sum, &left), &right) in lanes.iter_mut().zip(&self.0).zip(&factor.0) {
            *sum = if cfg!(target_arch = "aarch64") { left.mul_add(right, *sum) } else { left * right + *sum };
        }
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        let mut lanes = self.0;
        for (sum, &value) in lanes.iter_mut().zip(&other.0) {
            *sum += value;
        }
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn subtract(self, other: Self) -> Self {
        let mut lanes = self.0;
        for (difference, &value) in lanes.iter_mut().zip(&other.0) {
            *difference -= value;
        }
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn fold<const LEVEL: usize>(self, other: Self) -> Self {
        let mut lanes = self.0;
        for (half, from) in [self.0, other.0].iter().enumerate() {
            for pair in 0..LANES / 2 {
                lanes[half * (LANES / 2) + pair] = from[2 * pair] + from[2 * pair + 1];
            }
        }
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        let mut lanes = self.0;
        for value in &mut lanes {
            *value = if *value < T::ZERO { T::ZERO } else { *value };
        }
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn relu6(self) -> Self {
        let six = T::from_f64(6.0);
        let mut lanes = self.0;
        for value in &mut lanes {
            *value = if *value < T::ZERO { T::ZERO } else { *value };
            *value = if *value > six { six } else { *value };
        }
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn tile<const ROWS: usize, const VECTORS: usize>(tile: &Tile<T>) {
        // SAFETY: by the trait's contract.
        unsafe { compute::<Self, ROWS, VECTORS>(tile) }
    }
    #[inline(always)]
    unsafe fn work<W: Work<T>>(work: W) {
        // SAFETY: by the trait's contract.
        unsafe { work.run::<Self>() }
    }
}
