//! Passes: each takes a program and gives one that means the same. The list in `run` is the order.

pub mod dead_code;
pub mod fold_constants;
pub mod fold_scale;
pub mod fuse_batch_norm;
pub mod fuse_depthwise;
pub mod fuse_elementwise;
pub mod fuse_epilogue;
pub mod fuse_loss;
pub mod fuse_moments;
pub mod fuse_pool;
pub mod merge_scalars;
pub mod rebuild;
pub mod share_scalars;
pub mod simplify;
pub mod widen;

use super::Program;
use super::verify::verify;
use crate::core::Result;

/// A pass and its name.
pub type Pass = (&'static str, fn(&Program) -> Result<Program>);

/// The passes in the order they run.
pub const PASSES: [Pass; 15] = [
    ("dead_code", dead_code::run),
    ("widen", widen::run),
    ("share_scalars", share_scalars::run),
    ("simplify", simplify::run),
    ("fold_constants", fold_constants::run),
    ("fold_scale", fold_scale::run),
    ("fuse_epilogue", fuse_epilogue::run),
    ("fuse_batch_norm", fuse_batch_norm::run),
    ("fuse_depthwise", fuse_depthwise::run),
    ("fuse_moments", fuse_moments::run),
    ("fuse_pool", fuse_pool::run),
    ("fuse_loss", fuse_loss::run),
    ("fuse_elementwise", fuse_elementwise::run),
    ("merge_scalars", merge_scalars::run),
    ("dead_code", dead_code::run),
];

/// Runs every pass; in debug builds the program is verified after each.
pub fn run(program: Program) -> Result<Program> {
    let mut program = program;
    for (_, pass) in PASSES {
        program = pass(&program)?;
        if cfg!(debug_assertions) {
            verify(&program)?;
        }
    }
    Ok(program)
}
