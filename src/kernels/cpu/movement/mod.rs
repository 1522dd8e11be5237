//! Moving elements without computing: permuted, sliced, flipped, broadcast, concatenated, padded, filled.
//!
//! Elements are blocks of 1, 2, 4 or 8 bytes here, so one kernel serves every dtype.

mod fill;
mod strided_copy;
mod transpose;

pub use fill::Fill;
pub use strided_copy::{StridedCopy, row_major};

/// Calls `$function::<T>($arguments)` with `T` the unsigned integer of `$size` bytes.
macro_rules! for_size {
    ($size:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $size {
            1 => $function::<u8>($($argument),*),
            2 => $function::<u16>($($argument),*),
            4 => $function::<u32>($($argument),*),
            8 => $function::<u64>($($argument),*),
            size => unreachable!("elements of {size} bytes"),
        }
    };
}
use for_size;

/// Bytes that make a chunk worth handing to another thread.
const CHUNK_BYTES: usize = 1 << 16;
const MAX_CHUNKS: usize = 64;

fn check_element_size(element_size: usize) {
    assert!(matches!(element_size, 1 | 2 | 4 | 8), "elements of {element_size} bytes: 1, 2, 4 and 8 can be moved");
}
