//! Control flow and what stops it.

pub mod body;
pub mod cond;
pub mod scan;
pub mod stop_gradient;
pub mod while_loop;
