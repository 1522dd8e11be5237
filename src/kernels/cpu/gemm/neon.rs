//! Registers of `AArch64`: 32 of 16 bytes. Columns beyond a matrix are read and written one by one.

use std::arch::aarch64::{
    float32x4_t, float64x2_t, vaddq_f32, vaddq_f64, vdupq_n_f32, vdupq_n_f64, vfmaq_f32, vfmaq_f64, vld1q_dup_f32,
    vld1q_dup_f64, vld1q_f32, vld1q_f64, vmaxq_f32, vmaxq_f64, vminq_f32, vminq_f64, vpaddq_f32, vpaddq_f64, vst1q_f32,
    vst1q_f64, vsubq_f32, vsubq_f64,
};

use super::tile::{Tile, compute};
use super::vector::{Vector, Work};

macro_rules! vector {
    (
        $name:ident($register:ty) of $element:ty, $lanes:literal lanes,
        $set:ident $splat:ident $load:ident $store:ident $fma:ident $add:ident $subtract:ident $max:ident $min:ident
        $pairs:ident
    ) => {
        /// NEON.
        #[derive(Clone, Copy)]
        pub struct $name($register);

        // SAFETY: the intrinsics, and the loops over lanes, touch exactly the lanes that the trait names.
        unsafe impl Vector for $name {
            type Element = $element;
            type Mask = usize;
            const LANES: usize = $lanes;
            const MASKS_ARE_FREE: bool = false;
            const ACCUMULATORS: usize = 24;

            #[inline(always)]
            unsafe fn mask(lanes: usize) -> usize {
                lanes
            }
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: by the trait's contract.
                Self(unsafe { $set(0.0) })
            }
            #[inline(always)]
            unsafe fn splat(from: *const $element) -> Self {
                // SAFETY: by the trait's contract.
                Self(unsafe { $splat(from) })
            }
            #[inline(always)]
            unsafe fn load(from: *const $element) -> Self {
                // SAFETY: by the trait's contract.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn load_part(from: *const $element, mask: usize) -> Self {
                let mut lanes = [0.0; $lanes];
                for (lane, value) in lanes.iter_mut().enumerate().take(mask) {
                    // SAFETY: by the trait's contract.
                    *value = unsafe { *from.add(lane) };
                }
                // SAFETY: as long as a register.
                Self(unsafe { $load(lanes.as_ptr()) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $element) {
                // SAFETY: by the trait's contract.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn store_part(self, to: *mut $element, mask: usize) {
                let mut lanes = [0.0; $lanes];
                // SAFETY: as long as a register.
                unsafe { $store(lanes.as_mut_ptr(), self.0) }
                for (lane, &value) in lanes.iter().enumerate().take(mask) {
                    // SAFETY: by the trait's contract.
                    unsafe { *to.add(lane) = value }
                }
            }
            #[inline(always)]
            unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
                // SAFETY: by the trait's contract.
                Self(unsafe { $fma(addend.0, self.0, factor.0) })
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
                // SAFETY: by the trait's contract.
                Self(unsafe { $pairs(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn relu(self) -> Self {
                // The maximum is NaN where one operand is.
                // SAFETY: by the trait's contract.
                Self(unsafe { $max(self.0, $set(0.0)) })
            }
            #[inline(always)]
            unsafe fn relu6(self) -> Self {
                // SAFETY: by the trait's contract.
                Self(unsafe { $min($max(self.0, $set(0.0)), $set(6.0)) })
            }
            #[inline(always)]
            unsafe fn tile<const ROWS: usize, const VECTORS: usize>(tile: &Tile<$element>) {
                #[target_feature(enable = "neon")]
                unsafe fn compiled<const ROWS: usize, const VECTORS: usize>(tile: &Tile<$element>) {
                    // SAFETY: as for `tile`.
                    unsafe { compute::<$name, ROWS, VECTORS>(tile) }
                }
                // SAFETY: by the trait's contract.
                unsafe { compiled::<ROWS, VECTORS>(tile) }
            }
            #[inline(always)]
            unsafe fn work<W: Work<$element>>(work: W) {
                #[target_feature(enable = "neon")]
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
    F32x4(float32x4_t) of f32, 4 lanes,
    vdupq_n_f32 vld1q_dup_f32 vld1q_f32 vst1q_f32 vfmaq_f32 vaddq_f32 vsubq_f32 vmaxq_f32 vminq_f32 vpaddq_f32
}
vector! {
    F64x2(float64x2_t) of f64, 2 lanes,
    vdupq_n_f64 vld1q_dup_f64 vld1q_f64 vst1q_f64 vfmaq_f64 vaddq_f64 vsubq_f64 vmaxq_f64 vminq_f64 vpaddq_f64
}
