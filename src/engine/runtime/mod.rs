//! What runs programs: variables, threads, the executor, the step loop, eager ops and the recorder of traces and tapes.

pub mod arena;
pub mod cancel;
pub mod compiled;
pub mod eager;
pub mod executor;
pub mod fork;
pub mod prepared;
pub mod profile;
pub mod recorder;
pub mod slices;
pub mod source;
pub mod threads;
pub mod variable;
