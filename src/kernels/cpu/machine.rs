//! What this processor can do at most, measured in about a millisecond: the floors that a profile compares times with.
//!
//! ```text
//! for round in ROUNDS
//!   for sum in 12 registers      independent, so that the latency of one hides behind the others
//!     sum = sum * factor + term
//! ```

use std::hint::black_box;
use std::time::Instant;

use super::gemm::Compute;
use super::gemm::vector::{Vector, Work};
use super::simd::Isa;

const ROUNDS: usize = 100_000;
const SUMS: usize = 12;

/// The loop nest; gives the number of lanes.
struct Rounds<'a> {
    lanes: &'a mut usize,
}

impl Work<f32> for Rounds<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = f32>>(self) {
        // SAFETY: the caller has the instruction set of `V`; the addresses are those of two locals.
        unsafe {
            let (factor, term) = (V::splat(&raw const FACTOR), V::splat(&raw const TERM));
            let mut sums = [term; SUMS];
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = sum.multiply_add(factor, term);
                }
            }
            black_box(sums);
        }
        *self.lanes = V::LANES;
    }
}

static FACTOR: f32 = 0.999_999;
static TERM: f32 = 1e-6;

/// The float32 operations a second of one thread of this instruction set, a multiply-add being two: the best of three
/// measurements.
pub fn multiply_add_rate(isa: Isa) -> f64 {
    let mut best = 0.0f64;
    for _ in 0..3 {
        let mut lanes = 0;
        let start = Instant::now();
        // SAFETY: `isa` is one that this processor has; the loop touches registers only.
        unsafe { <f32 as Compute>::work(isa, Rounds { lanes: &mut lanes }) };
        best = best.max(2.0 * (ROUNDS * SUMS * lanes) as f64 / start.elapsed().as_secs_f64());
    }
    best
}

/// The bytes a second that one thread moves between blocks beyond any cache, reads and writes counted: the best of three.
pub fn copy_rate() -> f64 {
    const BYTES: usize = 48 << 20;
    let from = vec![1u8; BYTES];
    let mut to = vec![0u8; BYTES];
    let mut best = 0.0f64;
    for _ in 0..3 {
        let start = Instant::now();
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
        best = best.max(2.0 * BYTES as f64 / start.elapsed().as_secs_f64());
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_some_processor() {
        for isa in Isa::available() {
            let rate = multiply_add_rate(isa);
            assert!((1e6..1e13).contains(&rate), "{isa:?}: {rate}");
        }
        assert!((1e6..1e13).contains(&copy_rate()));
    }
}
