//! Temporary buffers of one thread: packed panels, padded image rows, address tables.
//!
//! A kernel that needs room while it computes a chunk asks for it here instead of allocating. Every thread keeps its
//! buffers and hands them out again, 64-byte aligned, so that in the steady state nothing is allocated. Calls may be
//! nested: an inner call gets another buffer than the outer one, and the same one every time.

use std::cell::RefCell;
use std::mem::size_of;

/// A type for which every bit pattern is a value, so that a recycled buffer may be read as it.
///
/// # Safety
/// Every bit pattern is valid, the type has no padding and no destructor, and its alignment is at most 64.
pub unsafe trait Plain: Copy + 'static {}
// SAFETY: any bits are a number.
unsafe impl Plain for f32 {}
// SAFETY: any bits are a number.
unsafe impl Plain for f64 {}
// SAFETY: any bits are a number.
unsafe impl Plain for isize {}
// SAFETY: any bits are a number.
unsafe impl Plain for usize {}
// SAFETY: any bits are a number.
unsafe impl Plain for u8 {}
// SAFETY: any bits are a number.
unsafe impl Plain for u16 {}
// SAFETY: any bits are a number.
unsafe impl Plain for u32 {}
// SAFETY: any bits are a number.
unsafe impl Plain for u64 {}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

thread_local! {
    static FREE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `body` with `length` elements of room. What they hold is unspecified.
pub fn with<T: Plain, R>(length: usize, body: impl FnOnce(&mut [T]) -> R) -> R {
    let mut lines = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    let needed = (length * size_of::<T>()).div_ceil(size_of::<Line>());
    if lines.len() < needed {
        lines.resize(needed, Line([0; 64]));
    }
    // SAFETY: the lines hold at least `length` elements, are aligned to 64 bytes, initialised, and any bits are a `T`;
    // they are this call's alone, because the vector left the free list.
    let room = unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast::<T>(), length) };
    let result = body(room);
    FREE.with_borrow_mut(|free| free.push(lines));
    result
}

#[cfg(test)]
mod tests {
    use super::with;

    #[test]
    fn nested_buffers_are_apart_and_come_back() {
        let first = with(100, |outer: &mut [f32]| {
            outer.fill(1.0);
            with(50, |inner: &mut [f64]| inner.fill(2.0));
            assert!(outer.iter().all(|&x| x == 1.0));
            outer.as_ptr() as usize
        });
        let second = with(100, |outer: &mut [f32]| outer.as_ptr() as usize);
        assert_eq!(first, second);
        assert_eq!(first % 64, 0);
        with(0, |nothing: &mut [isize]| assert!(nothing.is_empty()));
    }
}
