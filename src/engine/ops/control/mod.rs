//! Control flow, what stops it, and functions that come from outside.

pub mod body;
pub mod cond;
pub mod custom_gradient;
pub mod host_call;
pub mod scan;
pub mod stop_gradient;
pub mod while_loop;
