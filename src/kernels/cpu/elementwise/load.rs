//! How the machine gets at an operand: where element `i` of the flat output order lies, and reading a block of them.
//!
//! ```text
//! Contiguous   x[i]                     used in place
//! Scalar       x[0]                     one block, filled once a chunk
//! Periodic     x[i mod p]               a row repeated: tiled once a chunk if it is short, so that every block is a window
//! Strided      x[sum index_d stride_d]  runs along the last axis: copied, filled or gathered
//! ```

use super::element::Element;
use crate::cpu::cast::convert;
use half::{bf16, f16};

/// Where the elements of an operand lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Contiguous,
    Scalar,
    Periodic(usize),
    /// The strides, in elements, of the collapsed axes.
    Strided(Vec<isize>),
}

/// The most axes that are left after merging.
pub(super) const MAX_AXES: usize = 16;

/// Merges axes that every operand walks as one, and drops those of length 1.
pub(super) fn collapse(shape: &[usize], strides: &[Vec<isize>]) -> (Vec<usize>, Vec<Vec<isize>>) {
    let mut lengths: Vec<usize> = Vec::new();
    let mut merged: Vec<Vec<isize>> = vec![Vec::new(); strides.len()];
    for (axis, &length) in shape.iter().enumerate() {
        if length == 1 {
            continue;
        }
        let mergeable = merged
            .iter()
            .zip(strides)
            .all(|(merged, strides)| merged.last().is_some_and(|&outer| outer == strides[axis] * length as isize));
        if let (true, Some(last)) = (mergeable, lengths.last_mut()) {
            *last *= length;
            for (merged, strides) in merged.iter_mut().zip(strides) {
                if let Some(last) = merged.last_mut() {
                    *last = strides[axis];
                }
            }
        } else {
            lengths.push(length);
            for (merged, strides) in merged.iter_mut().zip(strides) {
                merged.push(strides[axis]);
            }
        }
    }
    (lengths, merged)
}

impl Access {
    pub fn new(lengths: &[usize], strides: Vec<isize>) -> Access {
        let mut expected = 1;
        // How many trailing axes are dense.
        let dense = lengths.iter().zip(&strides).rev().take_while(|&(&length, &stride)| {
            let matches = stride == expected;
            expected *= length as isize;
            matches
        });
        let dense = dense.count();
        let outer = lengths.len() - dense;
        if outer == 0 {
            Access::Contiguous
        } else if strides.iter().all(|&stride| stride == 0) {
            Access::Scalar
        } else if strides[..outer].iter().all(|&stride| stride == 0) {
            Access::Periodic(lengths[outer..].iter().product())
        } else {
            Access::Strided(strides)
        }
    }
}

/// Reads elements `start .. start + length` (in flat output order) of an operand that holds `element` into `output`, as
/// `element.compute()`.
///
/// # Safety
/// `access` leads to valid elements of `input` for all those positions; `output` has room for `length`, apart from them.
pub(super) unsafe fn load(
    access: &Access,
    lengths: &[usize],
    element: Element,
    input: *const u8,
    start: usize,
    length: usize,
    output: *mut u8,
) {
    let (size, to) = (element.size(), element.compute());
    match access {
        // SAFETY: the elements asked for lie in a row.
        Access::Contiguous => unsafe { convert(element, to, input.add(start * size), output, length) },
        Access::Scalar => {
            // SAFETY: the first element is valid.
            unsafe { gather(element, input, 0, length, output) }
        }
        &Access::Periodic(period) => {
            let mut done = 0;
            while done < length {
                let offset = (start + done) % period;
                let run = (period - offset).min(length - done);
                // SAFETY: `run` ends with the period and with the block.
                unsafe { convert(element, to, input.add(offset * size), output.add(done * to.size()), run) };
                done += run;
            }
        }
        Access::Strided(strides) => {
            let axes = lengths.len();
            let mut index = [0usize; MAX_AXES];
            let mut rest = start;
            for axis in (0..axes).rev() {
                index[axis] = rest % lengths[axis];
                rest /= lengths[axis];
            }
            let inner = axes - 1;
            let mut done = 0;
            while done < length {
                let offset: isize = index[..axes].iter().zip(strides).map(|(&i, stride)| i as isize * stride).sum();
                let run = (lengths[inner] - index[inner]).min(length - done);
                // SAFETY: the positions of this run are valid by this function's contract.
                unsafe {
                    let from = input.offset(offset * size as isize);
                    let to_pointer = output.add(done * to.size());
                    if strides[inner] == 1 {
                        convert(element, to, from, to_pointer, run);
                    } else {
                        gather(element, from, strides[inner], run, to_pointer);
                    }
                }
                done += run;
                // The next run: carry into the outer axes.
                index[inner] = 0;
                for axis in (0..inner).rev() {
                    index[axis] += 1;
                    if index[axis] < lengths[axis] {
                        break;
                    }
                    index[axis] = 0;
                }
            }
        }
    }
}

/// # Safety
/// `input` holds elements `0, stride, .., (length - 1) stride`; `output` has room for `length`, apart from them.
pub(super) unsafe fn gather(element: Element, input: *const u8, stride: isize, length: usize, output: *mut u8) {
    // SAFETY: in every arm, this function's contract; same-sized unsigned integers carry the bits.
    unsafe {
        match (element, element.size()) {
            (Element::F16, _) => walk(input, stride, length, output, |x: f16| x.to_f32()),
            (Element::Bf16, _) => walk(input, stride, length, output, |x: bf16| x.to_f32()),
            (_, 1) => walk(input, stride, length, output, |x: u8| x),
            (_, 2) => walk(input, stride, length, output, |x: u16| x),
            (_, 4) => walk(input, stride, length, output, |x: u32| x),
            _ => walk(input, stride, length, output, |x: u64| x),
        }
    }
}

/// # Safety
/// As [`gather`], with elements `S` and `D`.
#[inline(always)]
unsafe fn walk<S: Copy, D: Copy>(
    input: *const u8,
    stride: isize,
    length: usize,
    output: *mut u8,
    rule: impl Fn(S) -> D,
) {
    let input = input.cast::<S>();
    // SAFETY: this function's contract.
    let output = unsafe { std::slice::from_raw_parts_mut(output.cast::<D>(), length) };
    if stride == 0 {
        if let Some(first) = output.first_mut() {
            // SAFETY: there is an element, so the input's first is valid.
            *first = rule(unsafe { *input });
            let value = *first;
            output.fill(value);
        }
        return;
    }
    for (i, to) in output.iter_mut().enumerate() {
        // SAFETY: this function's contract.
        *to = rule(unsafe { *input.offset(i as isize * stride) });
    }
}
