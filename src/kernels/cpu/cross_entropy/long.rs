//! Rows of more than 16, one after another.
//!
//! ```text
//! for row:
//!   m = max x                                    pass 1
//!   e = exp(x - m), s = sum e                    pass 2: exponentials stay where probabilities or the gradient will be
//!   terms of the loss                            pass 3, of targets only
//!   p = e / s, dx = (p - t) g                    pass 4
//! ```
//!
//! Limit: the exponentials, and the logarithms of targets.

use super::{Losses, Part, Scores, clip, first_largest};
use crate::cpu::row_lanes::{LANES, Lanes, Pieces, Sum, exponentials, maximum};
use crate::cpu::softmax::sum_exponentials;
use crate::cpu::vector_math::VectorMath;

impl<T: VectorMath> Part<'_, T> {
    #[inline(always)]
    pub(super) fn long_rows<const FUSED: bool>(mut self, pieces: &Pieces<T>) -> Losses<T> {
        let columns = self.columns;
        let mut losses = Losses::none();
        for lane in 0..self.rows() {
            let row = lane * columns..(lane + 1) * columns;
            let long = Long {
                scores: self.scores,
                pieces,
                x: &self.x[row.clone()],
                seed: self.seeds[lane],
                gradient: self.gradient.as_deref_mut().map(|gradient| &mut gradient[row.clone()]),
                probabilities: self.probabilities.as_deref_mut().map(|probabilities| &mut probabilities[row.clone()]),
                hit: self.hits.as_deref_mut().map(|hits| &mut hits[lane]),
            };
            (losses.offset[lane], losses.weight[lane], losses.argument[lane]) = match self.targets {
                None => long.with_label::<FUSED>(self.labels[lane]),
                Some(targets) => long.with_targets::<FUSED>(&targets[row]),
            };
        }
        losses
    }
}

/// Targets times the derivative of clipping, and the share that is clipped.
struct Term<T> {
    inside: T,
    clipped: T,
}

#[inline(always)]
fn term<T: VectorMath>(scores: Scores, share: T, target: T) -> Term<T> {
    if scores == Scores::Logits {
        return Term { inside: target, clipped: T::ONE };
    }
    let (clipped, inside) = clip(share, scores.margin());
    Term { inside: target * inside, clipped }
}

/// A row of more than 16.
struct Long<'a, T> {
    scores: Scores,
    pieces: &'a Pieces<T>,
    x: &'a [T],
    seed: T,
    gradient: Option<&'a mut [T]>,
    probabilities: Option<&'a mut [T]>,
    hit: Option<&'a mut T>,
}

impl<T: VectorMath> Long<'_, T> {
    /// Offset, weight and argument of the loss.
    #[inline(always)]
    fn with_label<const FUSED: bool>(mut self, label: usize) -> (T, T, T) {
        let (shift, sum) = self.sum::<FUSED>();
        let scale = T::ONE / sum;
        let mut loss = (shift - self.x[label], T::ONE, sum);
        let mut inside = self.seed;
        if self.scores != Scores::Logits {
            let (clipped, slope) = clip(self.part::<FUSED>(label, shift) / sum, self.scores.margin());
            loss = (T::ZERO, -T::ONE, clipped);
            inside *= slope;
        }
        self.write_hit::<FUSED>(label, shift, scale);
        self.normalise(scale);
        if let Some(gradient) = &mut self.gradient {
            match (&self.probabilities, self.scores.is_softmax()) {
                (_, false) => {
                    gradient.fill(inside * scale);
                    gradient[label] -= inside * scale / loss.2;
                }
                (Some(shares), true) => {
                    gradient.iter_mut().zip(&**shares).for_each(|(to, &share)| *to = share * inside);
                    gradient[label] -= inside;
                }
                (None, true) => {
                    gradient.iter_mut().for_each(|to| *to = *to * scale * inside);
                    gradient[label] -= inside;
                }
            }
        }
        loss
    }

    #[inline(always)]
    fn with_targets<const FUSED: bool>(mut self, targets: &[T]) -> (T, T, T) {
        let (shift, sum) = self.sum::<FUSED>();
        let scale = T::ONE / sum;
        let (mut offset, mut weight) = (Sum::new(), Sum::new());
        let (whole, tail) = (targets.as_chunks::<LANES>().0, self.pieces.last);
        for at in (0..whole.len()).map(|piece| piece * LANES).chain(tail) {
            let targets = &targets[at..at + LANES];
            let shares = self.shares::<FUSED>(at, shift, scale);
            let (mut terms, mut inside) = ([T::ZERO; LANES], [T::ZERO; LANES]);
            if self.scores == Scores::Logits {
                for lane in 0..LANES {
                    terms[lane] = targets[lane] * (shift - self.x[at + lane]);
                    inside[lane] = targets[lane];
                }
            } else {
                for lane in 0..LANES {
                    let term = term(self.scores, shares[lane], targets[lane]);
                    inside[lane] = term.inside;
                    terms[lane] = term.clipped;
                }
                for lane in 0..LANES {
                    terms[lane] = -(targets[lane] * terms[lane].v_log::<FUSED>());
                }
            }
            let own = tail == Some(at);
            offset.add(&if own { self.pieces.own(&terms) } else { terms });
            weight.add(&if own { self.pieces.own(&inside) } else { inside });
        }
        let (offset, weight) = (offset.finish(), weight.finish());
        if self.hit.is_some() {
            self.write_hit::<FUSED>(first_largest(targets, targets.len())[0], shift, scale);
        }
        self.normalise(scale);
        self.write_gradient(targets, weight, scale);
        match self.scores {
            Scores::Logits => (offset, weight, sum),
            _ => (offset, T::ZERO, T::ONE),
        }
    }

    /// The gradient of a row of targets, `weight` being the sum of those inside. It holds the exponentials where there are no
    /// probabilities.
    #[inline(always)]
    fn write_gradient(&mut self, targets: &[T], weight: T, scale: T) {
        let (scores, seed) = (self.scores, self.seed);
        let term = |share: T, target: T| term(scores, share, target);
        let Some(gradient) = &mut self.gradient else { return };
        if !scores.is_softmax() {
            for ((to, &x), &target) in gradient.iter_mut().zip(self.x).zip(targets) {
                let term = term(x * scale, target);
                *to = (weight - term.inside / term.clipped) * (seed * scale);
            }
        } else if let Some(shares) = &self.probabilities {
            for ((to, &share), &target) in gradient.iter_mut().zip(&**shares).zip(targets) {
                *to = (share * weight - term(share, target).inside) * seed;
            }
        } else {
            for (to, &target) in gradient.iter_mut().zip(targets) {
                let share = *to * scale;
                *to = (share * weight - term(share, target).inside) * seed;
            }
        }
    }

    /// The largest score and the sum of unnormalised shares. Exponentials go to where probabilities are wanted, or else the
    /// gradient.
    #[inline(always)]
    fn sum<const FUSED: bool>(&mut self) -> (T, T) {
        if self.scores.is_softmax() {
            let shift = maximum(self.pieces, self.x);
            let parts = self.probabilities.as_deref_mut().or(self.gradient.as_deref_mut());
            return (shift, sum_exponentials::<FUSED, T>(self.pieces, self.x, shift, parts));
        }
        let mut sum = Sum::new();
        self.x.as_chunks::<LANES>().0.iter().for_each(|piece| sum.add(piece));
        if let Some(tail) = self.pieces.tail(self.x) {
            sum.add(&self.pieces.own(tail));
        }
        (T::ZERO, sum.finish())
    }

    /// The unnormalised share of a class, behind [`Self::sum`].
    #[inline(always)]
    fn part<const FUSED: bool>(&self, at: usize, shift: T) -> T {
        match self.probabilities.as_deref().or(self.gradient.as_deref()) {
            _ if !self.scores.is_softmax() => self.x[at],
            Some(parts) => parts[at],
            None => (self.x[at] - shift).v_exp::<FUSED>(),
        }
    }

    /// The shares of 16 classes, behind [`Self::sum`].
    #[inline(always)]
    fn shares<const FUSED: bool>(&self, at: usize, shift: T, scale: T) -> Lanes<T> {
        let x: Lanes<T> = self.x[at..].first_chunk().copied().unwrap_or([T::ZERO; LANES]);
        let parts = self.probabilities.as_deref().or(self.gradient.as_deref());
        let mut shares = match parts.and_then(|parts| parts[at..].first_chunk()) {
            _ if !self.scores.is_softmax() => x,
            Some(parts) => *parts,
            None => exponentials::<FUSED, T>(&x, shift),
        };
        for share in &mut shares {
            *share *= scale;
        }
        shares
    }

    /// Says whether `label` has the first of the largest logits, or of the largest shares, behind [`Self::sum`]; those are `scale`,
    /// the share of the exponential 1.
    #[inline(always)]
    fn write_hit<const FUSED: bool>(&mut self, label: usize, shift: T, scale: T) {
        if self.hit.is_none() {
            return;
        }
        let of_logits = self.scores == Scores::Logits;
        let mut best = if of_logits {
            self.x[label] == shift && !self.x[..label].contains(&shift)
        } else {
            self.part::<FUSED>(label, shift) * scale == scale
        };
        // Seldom further: another class before the label with as large a share.
        let mut at = 0;
        while best && at < label && !of_logits {
            let from = at.min(self.x.len() - LANES);
            for (lane, &share) in self.shares::<FUSED>(from, shift, scale).iter().enumerate() {
                best &= from + lane >= label || share != scale;
            }
            at += LANES;
        }
        if scale.is_nan() {
            best = label == if of_logits { first_largest(self.x, self.x.len())[0] } else { 0 };
        }
        if let Some(hit) = &mut self.hit {
            **hit = if best { T::ONE } else { T::ZERO };
        }
    }

    /// Makes probabilities of exponentials.
    #[inline(always)]
    fn normalise(&mut self, scale: T) {
        if let Some(probabilities) = &mut self.probabilities {
            probabilities.iter_mut().for_each(|share| *share *= scale);
        }
    }
}
