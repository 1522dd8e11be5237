//! Backends: what turns an op with known shapes into a kernel. `cpu` is the one there is.

pub mod cpu;

use crate::core::{Result, Spec};
use crate::ops::Op;

/// Floating-point operations and bytes that a kernel needs at least; what the profile compares time with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    pub flops: f64,
    pub bytes: f64,
}

/// A kernel lowered for fixed shapes: one or more phases, each cut into chunks that any thread may run in any order.
///
/// A phase starts when every chunk of the one before has returned: partial results are combined in a second phase, in
/// fixed order. Which thread runs what has no influence on the result.
pub trait Kernel: Send + Sync {
    /// The number of chunks of every phase, by shape alone.
    fn phases(&self) -> Vec<usize> {
        vec![1]
    }

    /// Bytes of memory that the chunks share for partial results.
    fn scratch(&self) -> usize {
        0
    }

    /// Computes one chunk of one phase.
    ///
    /// # Safety
    /// `io` points to inputs, outputs and scratch of the sizes this kernel was lowered for; no other code writes them;
    /// every chunk of the phases before has returned, and no chunk is run twice.
    unsafe fn run(&self, phase: usize, chunk: usize, io: &Io) -> Result<()>;

    /// Whether output 0 may be written over input `index` (same bytes, each element read before its place is written).
    fn in_place(&self, _index: usize) -> bool {
        false
    }

    fn cost(&self) -> Cost {
        Cost::default()
    }
}

/// Where a kernel finds its operands.
#[derive(Clone, Debug)]
pub struct Io {
    pub inputs: Vec<*const u8>,
    /// Null for an output that nobody reads and the kernel may skip.
    pub outputs: Vec<*mut u8>,
    pub scratch: *mut u8,
    pub scratch_bytes: usize,
}

// SAFETY: plain addresses; the contract of `Kernel::run` governs their use.
unsafe impl Send for Io {}
// SAFETY: as above.
unsafe impl Sync for Io {}

impl Io {
    /// Input `index` as `length` elements.
    ///
    /// # Safety
    /// The input holds at least that many elements of `T`.
    pub unsafe fn input<T>(&self, index: usize, length: usize) -> &[T] {
        // SAFETY: by this function's contract; the arena aligns every value beyond any element's need.
        unsafe { std::slice::from_raw_parts(self.inputs[index].cast::<T>(), length) }
    }

    /// Output `index` as `length` elements shared by the chunks.
    ///
    /// # Safety
    /// The output has room for that many elements of `T`.
    pub unsafe fn output<T>(&self, index: usize, length: usize) -> ironhorn_kernels::cpu::disjoint::Disjoint<'_, T> {
        // SAFETY: by this function's contract.
        unsafe { ironhorn_kernels::cpu::disjoint::Disjoint::from_raw(self.outputs[index].cast::<T>(), length) }
    }

    /// Whether somebody reads output `index`.
    pub fn wants(&self, index: usize) -> bool {
        !self.outputs[index].is_null()
    }

    /// The scratch memory as elements shared by the chunks.
    ///
    /// # Safety
    /// `T` is valid for any bytes.
    pub unsafe fn scratch<T>(&self) -> ironhorn_kernels::cpu::disjoint::Disjoint<'_, T> {
        let length = self.scratch_bytes / size_of::<T>();
        // A kernel without scratch has no address, and slices may not be null even when they are empty.
        let start = if length == 0 { std::ptr::NonNull::dangling().as_ptr() } else { self.scratch.cast::<T>() };
        // SAFETY: the scratch has `scratch_bytes` bytes and the arena's alignment.
        unsafe { ironhorn_kernels::cpu::disjoint::Disjoint::from_raw(start, length) }
    }
}

/// Lowers an op for concrete specs: a kernel, or `None` where the op must be decomposed.
pub trait Backend {
    fn lower(&self, op: &Op, inputs: &[Spec], outputs: &[Spec]) -> Result<Option<Box<dyn Kernel>>>;
}
