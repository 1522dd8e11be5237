//! Copies of whole buffers: outputs that are inputs, and what is written back to variables when a program ends.

use crate::backends::{Io, Kernel};
use crate::core::Result;

/// Copies input `i` to output `i`, `bytes[i]` bytes each.
pub struct CopyMany {
    pub bytes: Vec<usize>,
}

impl Kernel for CopyMany {
    unsafe fn run(&self, _phase: usize, _chunk: usize, io: &Io) -> Result<()> {
        for (i, &bytes) in self.bytes.iter().enumerate() {
            if !io.outputs[i].is_null() {
                // SAFETY: by the contract of `Kernel::run` both sides hold `bytes[i]` bytes; `copy` allows them to be one.
                unsafe { std::ptr::copy(io.inputs[i], io.outputs[i], bytes) };
            }
        }
        Ok(())
    }
}
