//! Kernels: slices and geometry in, slices out.
//!
//! Nothing here knows of graphs, tensors or Python. Every kernel that is worth running on several threads is cut into
//! *chunks* that depend on its shape alone: `chunks()` says how many there are, `run(chunk, ..)` computes one, writing
//! only its own part of the output (see [`cpu::disjoint`]). The caller decides who runs which chunk, so results do not
//! depend on the number of threads.
//!
//! ```
//! use ironhorn_kernels::cpu::simd::Isa;
//! println!("kernels run on {:?}", Isa::active());
//! ```

pub mod cpu;
