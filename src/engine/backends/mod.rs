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

    /// What the first phases make of some inputs alone, if they do; see [`Prepare`].
    fn prepare(&self) -> Option<&Prepare> {
        None
    }

    /// Whether the phases that prepare are left out where what they make would not be kept. Prepared memory is empty then, and
    /// later phases read all inputs.
    fn prepares_to_keep(&self) -> bool {
        false
    }

    /// Computes one chunk of one phase.
    ///
    /// # Safety
    /// `io` points to inputs, outputs, scratch and prepared memory of the sizes this kernel was lowered for; no other code
    /// writes them; every chunk of the phases before has returned, in this run or, where they only prepare, in one before
    /// it; and no chunk is run twice.
    unsafe fn run(&self, phase: usize, chunk: usize, io: &Io) -> Result<()>;

    /// Whether output 0 may be written over input `index` (same bytes, each element read before its place is written).
    fn in_place(&self, _index: usize) -> bool {
        false
    }

    fn cost(&self) -> Cost {
        Cost::default()
    }
}

/// What the first phases of a kernel make of some of its inputs alone, packed weights for example: *prepared memory*.
///
/// Where these inputs are the same from run to run (weights, while nobody writes them), the phases run once and their memory
/// is kept; elsewhere they run each time, with memory of the arena. A kernel cannot tell. In return
///
/// - phases `0..phases` read no other input, write prepared memory ([`Io::prepared`]) and nothing else: no output, no
///   scratch;
/// - later phases read prepared memory and do not write it, and they do not read `inputs` (which need not exist then:
///   `io.input(i, ..)` may be called for them in the first phases only);
/// - two kernels of one op whose `inputs` are equal and whose `bytes` and `layout` are equal prepare the same bytes: kernels for
///   batches of different sizes then share them. `layout` holds whatever the contents depend on beside op and inputs;
///   best nothing that depends on the batch.
///
/// ```text
/// Lowered::new(packing_chunks, run).then(chunks).prepare(Prepare { inputs: vec![1], phases: 1, bytes, layout })
/// run = |phase, chunk, io| if phase == 0 { pack(io.input(1, ..), io.prepared()) } else { product(io.input(0, ..), io.prepared(), ..) }
/// ```
///
/// A kernel that needs no packing for its geometry declares nothing, or no bytes, and reads the input in any phase.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Prepare {
    pub inputs: Vec<usize>,
    /// How many of the first phases prepare.
    pub phases: usize,
    pub bytes: usize,
    pub layout: Vec<usize>,
}

/// Where a kernel finds its operands.
#[derive(Clone, Debug)]
pub struct Io {
    pub inputs: Vec<*const u8>,
    /// Null for an output that nobody reads and the kernel may skip.
    pub outputs: Vec<*mut u8>,
    pub scratch: *mut u8,
    pub scratch_bytes: usize,
    pub prepared: *mut u8,
    pub prepared_bytes: usize,
}

// SAFETY: plain addresses; the contract of `Kernel::run` governs their use.
unsafe impl Send for Io {}
// SAFETY: as above.
unsafe impl Sync for Io {}

impl Io {
    /// No operands.
    pub fn empty() -> Io {
        Io {
            inputs: Vec::new(),
            outputs: Vec::new(),
            scratch: std::ptr::null_mut(),
            scratch_bytes: 0,
            prepared: std::ptr::null_mut(),
            prepared_bytes: 0,
        }
    }

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
        // SAFETY: the scratch has `scratch_bytes` bytes and the arena's alignment.
        unsafe { shared(self.scratch, self.scratch_bytes) }
    }

    /// The prepared memory as elements shared by the chunks: written in the first phases only, see [`Prepare`].
    ///
    /// # Safety
    /// `T` is valid for any bytes.
    pub unsafe fn prepared<T>(&self) -> ironhorn_kernels::cpu::disjoint::Disjoint<'_, T> {
        // SAFETY: the prepared memory has `prepared_bytes` bytes and the arena's alignment.
        unsafe { shared(self.prepared, self.prepared_bytes) }
    }
}

/// # Safety
/// `start` points to `bytes` bytes, aligned for `T` and alive as long as the result.
unsafe fn shared<'a, T>(start: *mut u8, bytes: usize) -> ironhorn_kernels::cpu::disjoint::Disjoint<'a, T> {
    let length = bytes / size_of::<T>();
    // A kernel without such memory has no address, and slices may not be null even when they are empty.
    let start = if length == 0 { std::ptr::NonNull::dangling().as_ptr() } else { start.cast::<T>() };
    // SAFETY: by this function's contract.
    unsafe { ironhorn_kernels::cpu::disjoint::Disjoint::from_raw(start, length) }
}

/// Lowers an op for concrete specs: a kernel, or `None` where the op must be decomposed.
pub trait Backend {
    fn lower(&self, op: &Op, inputs: &[Spec], outputs: &[Spec]) -> Result<Option<Box<dyn Kernel>>>;
}
