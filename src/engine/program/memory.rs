//! The arena's layout: each buffer gets an offset such that buffers alive at the same time do not overlap.
//!
//! Buffers are placed largest first, each at the lowest offset where no placed buffer with a common lifetime is in the
//! way (greedy by size; Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).

use crate::core::array::ALIGNMENT;

/// A buffer needed from step `first` to step `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    pub bytes: usize,
    pub first: usize,
    pub last: usize,
}

/// The offset of every buffer, and the arena's size.
pub fn layout(buffers: &[Lifetime]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..buffers.len()).filter(|&i| buffers[i].bytes > 0).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(buffers[i].bytes), i));
    let mut offsets = vec![0; buffers.len()];
    let mut total = 0;
    // Placed buffers by offset.
    let mut placed: Vec<usize> = Vec::with_capacity(order.len());
    for i in order {
        let bytes = buffers[i].bytes.next_multiple_of(ALIGNMENT);
        let mut offset = 0;
        for &other in &placed {
            let apart = buffers[other].last < buffers[i].first || buffers[i].last < buffers[other].first;
            if apart {
                continue;
            }
            if offset + bytes <= offsets[other] {
                break;
            }
            offset = offset.max(offsets[other] + buffers[other].bytes.next_multiple_of(ALIGNMENT));
        }
        offsets[i] = offset;
        total = total.max(offset + bytes);
        let position = placed.partition_point(|&other| offsets[other] <= offset);
        placed.insert(position, i);
    }
    (offsets, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn living_buffers_never_overlap() {
        let mut state = 1u64;
        let mut random = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        for _ in 0..50 {
            let buffers: Vec<Lifetime> = (0..60)
                .map(|_| {
                    let first = random(40);
                    Lifetime { bytes: random(1000), first, last: first + random(8) }
                })
                .collect();
            let (offsets, total) = layout(&buffers);
            for (i, a) in buffers.iter().enumerate() {
                assert!(offsets[i] + a.bytes <= total || a.bytes == 0);
                assert_eq!(offsets[i] % ALIGNMENT, 0);
                for (j, b) in buffers.iter().enumerate().skip(i + 1) {
                    let together = a.first <= b.last && b.first <= a.last && a.bytes > 0 && b.bytes > 0;
                    let overlap = offsets[i] < offsets[j] + b.bytes && offsets[j] < offsets[i] + a.bytes;
                    assert!(!(together && overlap), "{a:?} at {} and {b:?} at {}", offsets[i], offsets[j]);
                }
            }
        }
    }
}
