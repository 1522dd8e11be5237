//! A mutable slice that several chunks of one kernel write at once, each its own part.

use std::marker::PhantomData;
use std::ops::Range;

/// A `&mut [T]` shared by the chunks of one kernel. Each chunk takes the range that is its own.
pub struct Disjoint<'a, T> {
    pointer: *mut T,
    length: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

impl<T> Clone for Disjoint<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Disjoint<'_, T> {}

// SAFETY: access goes through `range`, whose contract forbids two threads from holding overlapping parts.
unsafe impl<T: Send> Send for Disjoint<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { pointer: slice.as_mut_ptr(), length: slice.len(), lifetime: PhantomData }
    }

    /// # Safety
    /// `pointer` is valid for reads and writes of `length` elements for `'a`, and nothing else uses them meanwhile.
    pub unsafe fn from_raw(pointer: *mut T, length: usize) -> Self {
        Self { pointer, length, lifetime: PhantomData }
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub fn as_ptr(&self) -> *mut T {
        self.pointer
    }

    /// The part `range`, mutably.
    ///
    /// # Safety
    /// No other live reference overlaps `range`: the kernel's chunks partition the slice.
    ///
    /// # Panics
    /// When `range` leaves the slice.
    #[allow(clippy::mut_from_ref)]
    #[inline]
    pub unsafe fn range(&self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.length, "range {range:?} of {}", self.length);
        // SAFETY: in bounds by the assertion, unaliased by this function's contract.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(range.start), range.len()) }
    }
}

/// The part of `0..total` that chunk `index` of `chunks` covers: equal parts, rounded up to a multiple of `grain`.
#[inline]
pub fn part(total: usize, chunks: usize, index: usize, grain: usize) -> Range<usize> {
    let step = total.div_ceil(chunks.max(1)).next_multiple_of(grain.max(1));
    (index * step).min(total)..((index + 1) * step).min(total)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_cover_everything_once() {
        for total in [0, 1, 7, 64, 1000] {
            for chunks in [1, 2, 3, 8, 2000] {
                for grain in [1, 16] {
                    let mut next = 0;
                    for index in 0..chunks {
                        let range = part(total, chunks, index, grain);
                        assert!(range.start == next || range.is_empty());
                        next = next.max(range.end);
                    }
                    assert_eq!(next, total);
                }
            }
        }
    }
}
