//! Rows of at most 16, 16 at once: a lane is a row.
//!
//! ```text
//! for column:  m = max(m, x)            for column:  p = e / s, dx = (p - t) g        elements go in and out one by one
//! for column:  e = exp(x - m), s += e   16 losses, hits
//! ```
//!
//! Limit: the way into lanes and out; with rows of targets their logarithms.

#![allow(clippy::needless_range_loop, reason = "a lane is a place in several arrays")]

use super::{Losses, Part, Scores, clip, first_largest};
use crate::cpu::row_lanes::{
    Block, LANES, Lanes, block_exponentials, block_maximum, block_sum, lanes_of, load_block, store_block,
};
use crate::cpu::vector_math::VectorMath;

impl<T: VectorMath> Part<'_, T> {
    pub(super) fn rows(&self) -> usize {
        self.x.len() / self.columns
    }

    /// Unnormalised shares of short rows, the scores that became 1, and the rows' sums.
    #[inline(always)]
    fn parts<const FUSED: bool>(&self) -> (Block<T>, Lanes<T>, Lanes<T>) {
        let rows = self.rows();
        let mut block = load_block(self.x, rows, self.columns);
        let (values, mut shift) = (&mut block.0[..self.columns], [T::ZERO; LANES]);
        if self.scores.is_softmax() {
            shift = block_maximum(values);
            block_exponentials::<FUSED, T>(values, &shift, rows);
        }
        let sum = block_sum(values);
        (block, shift, sum)
    }

    /// Short rows with class numbers.
    #[inline(always)]
    pub(super) fn block_of_labels<const FUSED: bool>(mut self) -> Losses<T> {
        let (columns, rows) = (self.columns, self.rows());
        let (mut block, shift, sum) = self.parts::<FUSED>();
        let (mut losses, mut inside) = (Losses::none(), [T::ONE; LANES]);
        if self.scores == Scores::Logits {
            losses.argument = sum;
            for (lane, row) in self.x.chunks_exact(columns).enumerate().take(LANES) {
                // The difference first: it is small where the sum is.
                losses.offset[lane] = shift[lane] - row[self.labels[lane]];
                losses.weight[lane] = T::ONE;
            }
        } else {
            let mut shares = [T::ONE; LANES];
            for (lane, share) in shares.iter_mut().enumerate().take(rows) {
                *share = block.0[self.labels[lane] % LANES][lane];
            }
            losses.weight = [-T::ONE; LANES];
            for lane in 0..LANES {
                (losses.argument[lane], inside[lane]) = clip(shares[lane] / sum[lane], self.scores.margin());
            }
        }
        let mut scale = sum;
        for sum in &mut scale {
            *sum = T::ONE / *sum;
        }
        if !self.scores.is_softmax() {
            if let Some(gradient) = self.gradient {
                for lane in 0..LANES {
                    inside[lane] *= self.seeds[lane] * scale[lane];
                }
                let mut made = Block([inside; LANES]);
                for lane in 0..rows {
                    made.0[self.labels[lane] % LANES][lane] -= inside[lane] / losses.argument[lane];
                }
                store_block(&made, rows, columns, gradient);
            }
            return losses;
        }
        self.write_shares(&mut block, &shift, &scale, self.labels);
        if let Some(gradient) = self.gradient {
            for lane in 0..LANES {
                inside[lane] *= self.seeds[lane];
            }
            for column in &mut block.0[..columns] {
                for lane in 0..LANES {
                    column[lane] *= inside[lane];
                }
            }
            for lane in 0..rows {
                block.0[self.labels[lane] % LANES][lane] -= inside[lane];
            }
            store_block(&block, rows, columns, gradient);
        }
        losses
    }

    /// Makes the shares of short rows; writes probabilities and hits.
    #[inline(always)]
    fn write_shares(&mut self, block: &mut Block<T>, shift: &Lanes<T>, scale: &Lanes<T>, labels: [usize; LANES]) {
        let (rows, values) = (self.rows(), &mut block.0[..self.columns]);
        for column in &mut *values {
            for lane in 0..LANES {
                column[lane] *= scale[lane];
            }
        }
        if let Some(hits) = &mut self.hits {
            let of_logits = self.scores == Scores::Logits;
            let (scores, largest) =
                if of_logits { (load_block(self.x, rows, self.columns), shift) } else { (*block, scale) };
            // From the last to the first: the first stays. Of NaN, all are.
            let mut best = [T::ZERO; LANES];
            for (number, column) in scores.0.iter().enumerate().take(self.columns).rev() {
                let number = T::from_f64(number as f64);
                for lane in 0..LANES {
                    best[lane] = if column[lane] < largest[lane] { best[lane] } else { number };
                }
            }
            for ((lane, hit), label) in hits.iter_mut().enumerate().zip(labels) {
                let mut place = best[lane];
                if of_logits && scale[lane].is_nan() {
                    place = T::from_f64(first_largest(&self.x[lane * self.columns..], self.columns)[0] as f64);
                }
                *hit = if place == T::from_f64(label as f64) { T::ONE } else { T::ZERO };
            }
        }
        if let Some(probabilities) = &mut self.probabilities {
            store_block(block, rows, self.columns, probabilities);
        }
    }

    /// Short rows with rows of targets.
    #[inline(always)]
    pub(super) fn block_of_targets<const FUSED: bool>(mut self) -> Losses<T> {
        let (columns, rows, scores) = (self.columns, self.rows(), self.scores);
        let (mut block, shift, sum) = self.parts::<FUSED>();
        let targets = self.targets.unwrap_or_default();
        let mut inside = load_block(targets, rows, columns);
        let mut losses = Losses::none();
        let mut scale = sum;
        for sum in &mut scale {
            *sum = T::ONE / *sum;
        }
        let mut clipped = [[T::ONE; LANES]; LANES];
        if scores == Scores::Logits {
            let x = load_block(self.x, rows, columns);
            losses.argument = sum;
            for (x, targets) in x.0.iter().zip(&inside.0).take(columns) {
                for lane in 0..LANES {
                    losses.offset[lane] += targets[lane] * (shift[lane] - x[lane]);
                    losses.weight[lane] += targets[lane];
                }
            }
        } else {
            for ((part, targets), clipped) in block.0.iter().zip(&mut inside.0).zip(&mut clipped).take(columns) {
                let mut logs = [T::ONE; LANES];
                for lane in 0..LANES {
                    let inside;
                    (clipped[lane], inside) = clip(part[lane] / sum[lane], scores.margin());
                    logs[lane] = targets[lane];
                    targets[lane] *= inside;
                }
                for lane in 0..lanes_of::<T>(rows) {
                    losses.offset[lane] += -(logs[lane] * clipped[lane].v_log::<FUSED>());
                }
            }
        }
        let labels = if self.hits.is_some() { first_largest(targets, columns) } else { [0; LANES] };
        if scores.is_softmax() {
            self.write_shares(&mut block, &shift, &scale, labels);
        }
        if let Some(gradient) = self.gradient {
            let weight = block_sum(&inside.0[..columns]);
            for ((share, inside), clipped) in block.0.iter_mut().zip(&inside.0).zip(&clipped).take(columns) {
                for lane in 0..LANES {
                    share[lane] = if scores.is_softmax() {
                        (share[lane] * weight[lane] - inside[lane]) * self.seeds[lane]
                    } else {
                        (weight[lane] - inside[lane] / clipped[lane]) * (self.seeds[lane] * scale[lane])
                    };
                }
            }
            store_block(&block, rows, columns, gradient);
        }
        losses
    }
}
