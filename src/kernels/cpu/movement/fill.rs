//! One value in every element.
//!
//! ```text
//! for element of the chunk        a run of stores, bound by memory
//! ```

use super::{CHUNK_BYTES, MAX_CHUNKS, check_element_size, for_size};
use crate::cpu::disjoint::{Disjoint, part};

/// Fills a buffer of `elements`.
#[derive(Clone, Debug)]
pub struct Fill {
    elements: usize,
    element_size: usize,
}

impl Fill {
    /// # Panics
    /// When `element_size` is not 1, 2, 4 or 8.
    pub fn new(elements: usize, element_size: usize) -> Self {
        check_element_size(element_size);
        Self { elements, element_size }
    }

    pub fn chunks(&self) -> usize {
        (self.elements * self.element_size / CHUNK_BYTES).clamp(1, MAX_CHUNKS)
    }

    /// `value` is one element's bytes.
    pub fn run(&self, chunk: usize, value: &[u8], output: Disjoint<'_, u8>) {
        assert_eq!(value.len(), self.element_size, "bytes of the value");
        assert_eq!(output.len(), self.elements * self.element_size, "bytes of the output");
        let range = part(self.elements, self.chunks(), chunk, 64);
        // SAFETY: `part` gives every chunk its own range.
        let own = unsafe { output.range(range.start * self.element_size..range.end * self.element_size) };
        for_size!(self.element_size, fill(value, own));
    }
}

fn fill<T: Copy>(value: &[u8], own: &mut [u8]) {
    // SAFETY: `run` checked that `value` holds a `T`, an unsigned integer, for which any bytes will do.
    let value = unsafe { value.as_ptr().cast::<T>().read_unaligned() };
    let count = own.len() / size_of::<T>();
    let to = own.as_mut_ptr().cast::<T>();
    for index in 0..count {
        // SAFETY: `count` elements of `T` fit into `own`.
        unsafe { to.add(index).write_unaligned(value) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_gets_the_value() {
        for size in [1, 2, 4, 8] {
            for elements in [0, 1, 63, 64, 100_001] {
                let value = &[1_u8, 2, 3, 4, 5, 6, 7, 8][..size];
                let mut bytes = vec![0; elements * size];
                let kernel = Fill::new(elements, size);
                let output = Disjoint::new(&mut bytes);
                for chunk in (0..kernel.chunks()).rev() {
                    kernel.run(chunk, value, output);
                }
                assert!(bytes.chunks_exact(size).all(|element| element == value));
            }
        }
    }
}
