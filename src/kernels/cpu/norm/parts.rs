//! Statistics of rows that another kernel has just made: its chunks are the parts, whose rows are still in the cache.
//!
//! ```text
//! for part, on the thread that made its rows: (count, mean, m2) of these rows      as in `run_moments`
//! finish: merge the parts in order
//! ```
//!
//! Limit: the arithmetic on rows that come from L2.

use super::{BatchNorm, NormElement};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::simd::Isa;

impl<T: NormElement> BatchNorm<T> {
    /// Statistics of `rows` that are cut into `parts` by somebody else.
    pub fn of_parts(rows: usize, channels: usize, parts: usize) -> Self {
        Self { chunks: parts.max(1), ..Self::new(rows, channels) }
    }

    /// The statistics of part `part`, whose whole rows are `x`, into scratch of `scratch_numbers()`.
    ///
    /// # Panics
    /// When `x` is not made of rows, or there are fewer parts.
    pub fn run_part_moments(&self, isa: Isa, part: usize, x: &[T], scratch: Disjoint<f64>) {
        assert!(part < self.chunks, "part {part} of {}", self.chunks);
        assert!(x.len().is_multiple_of(self.channels.max(1)), "{} elements of {} channels", x.len(), self.channels);
        let row = self.scratch_row();
        // SAFETY: parts have different places in scratch.
        let result = unsafe { scratch.range(part * row..(part + 1) * row) };
        self.moments_of(isa, x, None, result);
    }
}
