//! The register tile under products of bfloat16.
//!
//! ```text
//! for pair along k
//!   b[j]   = B[pair * b_step + j * 16 ..]                          VECTORS loads of 16 pairs
//!   for i in 0..ROWS
//!     a    = A[i * a_rows + pair * a_step], two neighbours         one broadcast of a pair
//!     C[i, j] += a.0 * b[j].0 + a.1 * b[j].1                       VECTORS dot products
//! ```
//!
//! At 6 x 4 or 12 x 2 registers the dot product units limit the speed. A half pair at the end of a row of A that is
//! read where it is has a zero as its second number: what follows in memory may be no number.

use super::super::epilogue::Activation;

/// Numbers in a register of sums, and pairs in one of operands.
pub(super) const LANES: usize = 16;
/// Registers across the widest tile; the others are 2 and 1 wide.
pub(super) const VECTORS: usize = 4;

/// One call of a tile. Strides are in elements.
#[derive(Clone, Copy)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only x86-64 has tiles"))]
pub(super) struct PairTile {
    pub a: *const u16,
    pub a_rows: usize,
    pub a_step: usize,
    pub pairs: usize,
    /// One more step, of which A has the first number alone.
    pub half: bool,
    /// Whole registers, also where the output has no such columns.
    pub b: *const u32,
    pub b_step: usize,
    pub c: *mut f32,
    pub c_rows: usize,
    /// Columns of the output that exist; the last register may be partly outside.
    pub columns: usize,
    /// Null, or `columns` values that are added to every row.
    pub bias: *const f32,
    /// Null, or what is added to every element; it may be `c`.
    pub start: *const f32,
    pub start_rows: usize,
    /// Applied if it is one of those that [`in_store`](Activation::in_store) names.
    pub activation: Activation,
}

#[cfg(target_arch = "x86_64")]
macro_rules! call {
    ($call:ident, $vectors:literal, $rows:ident: $($n:literal)*) => {
        match $rows {
            $($n => x86::tile::<$n, $vectors>($call),)*
            _ => unreachable!("no tile of {} x {} registers", $rows, $vectors),
        }
    };
}

/// Runs a tile of `rows` x `vectors` registers: at most 6 x 4, 12 x 2 or 12 x 1.
///
/// # Safety
/// The processor has the instruction (see [`has_dot`](super::has_dot)), and all addresses are valid.
pub(super) unsafe fn run(rows: usize, vectors: usize, call: &PairTile) {
    // SAFETY: by this function's contract.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        match vectors {
            4 => call!(call, 4, rows: 1 2 3 4 5 6),
            2 => call!(call, 2, rows: 1 2 3 4 5 6 7 8 9 10 11 12),
            _ => call!(call, 1, rows: 1 2 3 4 5 6 7 8 9 10 11 12),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!("no tile of {rows} x {vectors} registers for {} pairs", call.pairs);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Activation, LANES, PairTile};
    // Dozens of intrinsics, which no name of ours resembles.
    #[allow(clippy::wildcard_imports)]
    use std::arch::x86_64::*;
    use std::mem::transmute;

    /// One step along k: `$a` is the pair of row `$row`. Types of registers differ in name alone.
    macro_rules! step {
        ($totals:ident, $b:ident, $row:ident => $a:expr) => {
            let mut factors = [_mm512_setzero_si512(); VECTORS];
            for (j, factor) in factors.iter_mut().enumerate() {
                *factor = _mm512_loadu_si512($b.add(j * LANES).cast());
            }
            let factors = factors.map(|factor| transmute::<__m512i, __m512bh>(factor));
            for $row in 0..ROWS {
                let pair = transmute::<__m512i, __m512bh>(_mm512_set1_epi32($a));
                for j in 0..VECTORS {
                    $totals[$row][j] = _mm512_dpbf16_ps($totals[$row][j], pair, factors[j]);
                }
            }
        };
    }

    /// # Safety
    /// As for [`run`](super::run).
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    pub unsafe fn tile<const ROWS: usize, const VECTORS: usize>(call: &PairTile) {
        // SAFETY: by this function's contract; lanes outside of the output are neither read from it nor written.
        unsafe {
            let last = call.columns - (VECTORS - 1) * LANES;
            let masks: [__mmask16; VECTORS] =
                std::array::from_fn(|j| if j + 1 < VECTORS || last == LANES { 0xFFFF } else { (1 << last) - 1 });
            let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
            if !call.start.is_null() {
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        *sum = _mm512_maskz_loadu_ps(masks[j], call.start.add(row * call.start_rows + j * LANES));
                    }
                }
            }
            if !call.bias.is_null() {
                let mut bias = [_mm512_setzero_ps(); VECTORS];
                for (j, bias) in bias.iter_mut().enumerate() {
                    *bias = _mm512_maskz_loadu_ps(masks[j], call.bias.add(j * LANES));
                }
                for sums in &mut sums {
                    for (sum, bias) in sums.iter_mut().zip(bias) {
                        *sum = _mm512_add_ps(*sum, bias);
                    }
                }
            }
            let mut rows = [call.a; ROWS];
            for (row, start) in rows.iter_mut().enumerate() {
                *start = call.a.wrapping_add(row * call.a_rows);
            }
            let mut totals = sums;
            let mut at = 0;
            let mut b = call.b;
            for _ in 0..call.pairs {
                step!(totals, b, row => rows[row].wrapping_add(at).cast::<i32>().read_unaligned());
                at += call.a_step;
                b = b.wrapping_add(call.b_step);
            }
            if call.half {
                step!(totals, b, row => i32::from(*rows[row].wrapping_add(at)));
            }
            // The second operand is the result where one of the two is NaN.
            match call.activation {
                Activation::Relu => {
                    for sum in totals.as_flattened_mut() {
                        *sum = _mm512_max_ps(_mm512_setzero_ps(), *sum);
                    }
                }
                Activation::Relu6 => {
                    for sum in totals.as_flattened_mut() {
                        *sum = _mm512_min_ps(_mm512_set1_ps(6.0), _mm512_max_ps(_mm512_setzero_ps(), *sum));
                    }
                }
                _ => {}
            }
            for (row, sums) in totals.iter().enumerate() {
                for (j, sum) in sums.iter().enumerate() {
                    _mm512_mask_storeu_ps(call.c.add(row * call.c_rows + j * LANES), masks[j], *sum);
                }
            }
        }
    }
}
