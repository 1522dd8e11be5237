//! Ops of order: sorting, the largest few, places in a sorted row, and what runs along an axis in its order.

pub mod cumulate;
pub mod linear_recurrence;
pub mod search_sorted;
pub mod sort;
pub mod top_k;

use crate::core::{Dim, Error, Result};

/// Fails where positions along an axis of this length do not fit an int32.
fn expect_int32(length: Dim) -> Result<()> {
    match length.known() {
        Some(length) if i32::try_from(length).is_err() => {
            Err(Error::shape(format!("positions are int32, and an axis of {length} elements is longer; split it")))
        }
        _ => Ok(()),
    }
}
