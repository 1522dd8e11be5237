//! The block of a copy whose input is contiguous along one axis and whose output along another.
//!
//! ```text
//! for i in steps of 8         along the input's contiguous axis, at most BLOCK
//!   for j in steps of 8       along the output's contiguous axis, at most BLOCK
//!     read 8 runs of 8, write 8 runs of 8
//! ```
//!
//! Both sides touch whole cache lines while the block (BLOCK x BLOCK elements) stays in L1, whatever the strides are.

/// Elements of a block along either axis.
pub(super) const BLOCK: usize = 32;
/// Elements of a register-sized square.
const SQUARE: usize = 8;

/// `to[i * to_stride + j] = from[i + j * from_stride]` for `i < rows`, `j < columns`; strides in elements.
///
/// # Safety
/// All these addresses are valid for elements of `T`, and nobody else uses those of `to`.
pub(super) unsafe fn transpose<T: Copy + Default>(
    from: *const u8,
    from_stride: isize,
    to: *mut u8,
    to_stride: isize,
    rows: usize,
    columns: usize,
) {
    let (from, to) = (from.cast::<T>(), to.cast::<T>());
    // SAFETY: squares and edges stay within `rows` x `columns`, whose addresses are valid by the contract.
    unsafe {
        for i in (0..rows).step_by(SQUARE) {
            for j in (0..columns).step_by(SQUARE) {
                let from = from.offset(i as isize + j as isize * from_stride);
                let to = to.offset(i as isize * to_stride + j as isize);
                let (height, width) = ((rows - i).min(SQUARE), (columns - j).min(SQUARE));
                if height == SQUARE && width == SQUARE {
                    let mut square = [[T::default(); SQUARE]; SQUARE];
                    for (column, run) in square.iter_mut().enumerate() {
                        *run = from.offset(column as isize * from_stride).cast::<[T; SQUARE]>().read_unaligned();
                    }
                    #[allow(clippy::needless_range_loop)]
                    for row in 0..SQUARE {
                        let run: [T; SQUARE] = std::array::from_fn(|column| square[column][row]);
                        to.offset(row as isize * to_stride).cast::<[T; SQUARE]>().write_unaligned(run);
                    }
                } else {
                    for row in 0..height as isize {
                        for column in 0..width as isize {
                            let value = from.offset(row + column * from_stride).read_unaligned();
                            to.offset(row * to_stride + column).write_unaligned(value);
                        }
                    }
                }
            }
        }
    }
}
