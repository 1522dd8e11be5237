//! Copying a box of elements from one strided layout to another: transpose, slice, flip, broadcast, concatenation, padding
//! and the gradients of these.
//!
//! Axes are put into the order of the output's strides, and neighbours that are contiguous on both sides become one, so
//! that most copies end as few long runs:
//!
//! ```text
//! for unit of the chunk                       a row (or 64 KiB of it), or a block of two axes
//!   runs      contiguous on both sides        copy
//!   splat     input does not move             fill
//!   transpose input moves along another axis  blocks of 32 x 32, see `transpose`
//!   strided   anything else                   one element at a time
//! ```
//!
//! Limit: memory; for short runs, the arithmetic of addresses.

use super::transpose::{BLOCK, transpose};
use super::{CHUNK_BYTES, MAX_CHUNKS, check_element_size, for_size};
use crate::cpu::disjoint::{Disjoint, part};

/// One axis: how many steps, and how far each moves in the input and in the output, in elements.
#[derive(Clone, Copy, Debug)]
struct Axis {
    extent: usize,
    input: isize,
    output: isize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Inner {
    /// The last axis is cut into `pieces` of at most `length`.
    Rows { length: usize, pieces: usize },
    /// The last two axes are cut into blocks: `rows` x `columns` of them.
    Blocks { rows: usize, columns: usize },
}

/// The strides of a dense array of this shape, in elements.
pub fn row_major(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1) as isize;
    }
    strides
}

/// A copy of the elements of a box, `shape`, from `in_offset + sum(index * in_strides)` of the input to
/// `out_offset + sum(index * out_strides)` of the output. Input strides may be zero (broadcast) or negative (reverse),
/// output strides negative.
#[derive(Clone, Debug)]
pub struct StridedCopy {
    element_size: usize,
    /// Outermost first, output strides positive and descending.
    axes: Vec<Axis>,
    inner: Inner,
    units: usize,
    elements: usize,
    input_offset: isize,
    output_offset: isize,
    /// Elements that the input and the output must have.
    input_length: usize,
    output_length: usize,
}

impl StridedCopy {
    /// Strides and offsets count elements of `element_size` bytes.
    ///
    /// # Panics
    /// When the element size is not 1, 2, 4 or 8, when the numbers of axes differ, when an address would be negative, or when
    /// two elements would go to one place of the output.
    pub fn new(
        shape: &[usize],
        in_strides: &[isize],
        out_strides: &[isize],
        in_offset: usize,
        out_offset: usize,
        element_size: usize,
    ) -> Self {
        check_element_size(element_size);
        assert!(
            shape.len() == in_strides.len() && shape.len() == out_strides.len(),
            "shape {shape:?} with strides {in_strides:?} and {out_strides:?}"
        );
        let (mut input_offset, mut output_offset) = (in_offset as isize, out_offset as isize);
        let elements: usize = shape.iter().product();
        let mut axes = Vec::with_capacity(shape.len());
        for ((&extent, &input), &output) in shape.iter().zip(in_strides).zip(out_strides) {
            if extent == 1 || elements == 0 {
                continue;
            }
            let mut axis = Axis { extent, input, output };
            if output < 0 {
                let steps = extent as isize - 1;
                input_offset += steps * input;
                output_offset += steps * output;
                axis = Axis { extent, input: -input, output: -output };
            }
            axes.push(axis);
        }
        axes.sort_by_key(|axis| std::cmp::Reverse(axis.output));
        let mut span = 0;
        for axis in axes.iter().rev() {
            assert!(axis.output > span, "two elements of {shape:?} with strides {out_strides:?} share a place");
            span += (axis.extent as isize - 1) * axis.output;
        }
        let reach = |positive: bool| -> isize {
            axes.iter().map(|a| (a.extent as isize - 1) * a.input).filter(|&d| (d > 0) == positive).sum()
        };
        let (lowest, highest) = (input_offset + reach(false), input_offset + reach(true));
        assert!(
            elements == 0 || (lowest >= 0 && output_offset >= 0),
            "shape {shape:?} with strides {in_strides:?} and {out_strides:?} reaches before the start"
        );
        let (input_length, output_length) =
            if elements == 0 { (0, 0) } else { ((highest + 1) as usize, (output_offset + span + 1) as usize) };

        let mut merged: Vec<Axis> = Vec::with_capacity(axes.len().max(1));
        for axis in axes {
            match merged.last_mut() {
                Some(outer)
                    if outer.output == axis.output * axis.extent as isize
                        && outer.input == axis.input * axis.extent as isize =>
                {
                    *outer = Axis { extent: outer.extent * axis.extent, ..axis };
                }
                _ => merged.push(axis),
            }
        }
        if merged.is_empty() {
            merged.push(Axis { extent: elements.min(1), input: 1, output: 1 });
        }
        let inner = plan_inner(&mut merged, element_size);
        let outer = |inner_axes: usize| merged[..merged.len() - inner_axes].iter().map(|a| a.extent).product::<usize>();
        let units = match inner {
            _ if elements == 0 => 0,
            Inner::Rows { pieces, .. } => outer(1) * pieces,
            Inner::Blocks { rows, columns } => outer(2) * rows * columns,
        };
        Self {
            element_size,
            axes: merged,
            inner,
            units,
            elements,
            input_offset,
            output_offset,
            input_length,
            output_length,
        }
    }

    /// A dense array of `shape` with its axes permuted: axis `i` of the output is axis `permutation[i]` of the input.
    pub fn transpose(shape: &[usize], permutation: &[usize], element_size: usize) -> Self {
        let strides = row_major(shape);
        let out_shape: Vec<usize> = permutation.iter().map(|&axis| shape[axis]).collect();
        let in_strides: Vec<isize> = permutation.iter().map(|&axis| strides[axis]).collect();
        Self::new(&out_shape, &in_strides, &row_major(&out_shape), 0, 0, element_size)
    }

    /// A dense array of `shape` repeated along its axes of extent 1 (and new leading ones) to a dense `out_shape`.
    ///
    /// # Panics
    /// When the shapes do not broadcast.
    pub fn broadcast(shape: &[usize], out_shape: &[usize], element_size: usize) -> Self {
        assert!(shape.len() <= out_shape.len(), "{shape:?} does not broadcast to {out_shape:?}");
        let leading = out_shape.len() - shape.len();
        let mut strides = vec![0; leading];
        for ((&extent, &out), stride) in shape.iter().zip(&out_shape[leading..]).zip(row_major(shape)) {
            assert!(extent == out || extent == 1, "{shape:?} does not broadcast to {out_shape:?}");
            strides.push(if extent == 1 { 0 } else { stride });
        }
        Self::new(out_shape, &strides, &row_major(out_shape), 0, 0, element_size)
    }

    /// A dense array with some axes reversed.
    pub fn flip(shape: &[usize], axes: &[usize], element_size: usize) -> Self {
        let mut strides = row_major(shape);
        let mut offset = 0;
        for &axis in axes {
            offset += strides[axis] as usize * shape[axis].saturating_sub(1);
            strides[axis] = -strides[axis];
        }
        Self::new(shape, &strides, &row_major(shape), offset, 0, element_size)
    }

    /// `output = input[starts[0] : : steps[0], ..]`, dense, `out_shape[i]` elements along axis `i`. Steps may be negative.
    pub fn slice(shape: &[usize], starts: &[usize], steps: &[isize], out_shape: &[usize], element_size: usize) -> Self {
        let (strides, offset) = sliced(shape, starts, steps);
        Self::new(out_shape, &strides, &row_major(out_shape), offset, 0, element_size)
    }

    /// `output[starts[0] : : steps[0], ..] = input`: what [`StridedCopy::slice`] read is written, the rest of the output
    /// stays. With steps of 1 this places one part of a concatenation, or the middle of a padded array.
    pub fn place(shape: &[usize], out_shape: &[usize], starts: &[usize], steps: &[isize], element_size: usize) -> Self {
        let (strides, offset) = sliced(out_shape, starts, steps);
        Self::new(shape, &row_major(shape), &strides, 0, offset, element_size)
    }

    pub fn chunks(&self) -> usize {
        (self.elements * self.element_size / CHUNK_BYTES).clamp(1, MAX_CHUNKS).min(self.units.max(1))
    }

    /// Copies chunk `chunk`.
    pub fn run(&self, chunk: usize, input: &[u8], output: Disjoint<'_, u8>) {
        let size = self.element_size;
        assert!(
            input.len() >= self.input_length * size && output.len() >= self.output_length * size,
            "a copy from {} and to {} elements got {} and {} bytes",
            self.input_length,
            self.output_length,
            input.len(),
            output.len()
        );
        let units = part(self.units, self.chunks(), chunk, 1);
        for_size!(size, copy_units(self, units, input.as_ptr(), output.as_ptr()));
    }

    /// The offsets, in elements, of the `index`-th combination of the first `count` axes.
    fn outer_offsets(&self, count: usize, mut index: usize) -> (isize, isize) {
        let (mut input, mut output) = (self.input_offset, self.output_offset);
        for axis in self.axes[..count].iter().rev() {
            let step = (index % axis.extent) as isize;
            index /= axis.extent;
            input += step * axis.input;
            output += step * axis.output;
        }
        (input, output)
    }
}

fn sliced(shape: &[usize], starts: &[usize], steps: &[isize]) -> (Vec<isize>, usize) {
    let strides = row_major(shape);
    let offset = strides.iter().zip(starts).map(|(&stride, &start)| stride as usize * start).sum();
    (strides.iter().zip(steps).map(|(stride, step)| stride * step).collect(), offset)
}

/// How the last axes are walked. For a transposing copy, the axis along which the input is contiguous comes second to last.
fn plan_inner(axes: &mut Vec<Axis>, element_size: usize) -> Inner {
    let last = axes[axes.len() - 1];
    if last.output == 1
        && !matches!(last.input, -1..=1)
        && let Some(at) = axes.iter().position(|axis| axis.input == 1)
        && axes[at].extent >= 4
        && last.extent >= 4
    {
        let axis = axes.remove(at);
        axes.insert(axes.len() - 1, axis);
        return Inner::Blocks { rows: axis.extent.div_ceil(BLOCK), columns: last.extent.div_ceil(BLOCK) };
    }
    let length = (CHUNK_BYTES / element_size).min(last.extent.max(1));
    Inner::Rows { length, pieces: last.extent.div_ceil(length) }
}

fn copy_units<T: Copy + Default>(
    kernel: &StridedCopy,
    units: std::ops::Range<usize>,
    input: *const u8,
    output: *mut u8,
) {
    let (input, output) = (input.cast::<T>(), output.cast::<T>());
    let count = kernel.axes.len();
    let last = kernel.axes[count - 1];
    match kernel.inner {
        Inner::Blocks { rows, columns } => {
            let axis = kernel.axes[count - 2];
            for unit in units {
                let (outer, block) = (unit / (rows * columns), unit % (rows * columns));
                let (row, column) = (block / columns * BLOCK, block % columns * BLOCK);
                let (from, to) = kernel.outer_offsets(count - 2, outer);
                let from = from + row as isize + column as isize * last.input;
                let to = to + row as isize * axis.output + column as isize;
                // SAFETY: the block lies within the two axes, so its addresses lie within the lengths that `run`
                // checked. No two elements share a place in the output (`new` checked the strides), and no two chunks
                // have a block in common.
                unsafe {
                    transpose::<T>(
                        input.wrapping_offset(from).cast(),
                        last.input,
                        output.wrapping_offset(to).cast(),
                        axis.output,
                        (axis.extent - row).min(BLOCK),
                        (last.extent - column).min(BLOCK),
                    );
                }
            }
        }
        Inner::Rows { length, pieces } => {
            // Rows along the second to last axis follow one another without new divisions.
            let (middle, outer) = if count > 1 {
                (kernel.axes[count - 2], count - 2)
            } else {
                (Axis { extent: 1, input: 0, output: 0 }, 0)
            };
            let mut unit = units.start;
            while unit < units.end {
                let (row, piece) = (unit / pieces, unit % pieces);
                let step = row % middle.extent;
                let rows = if pieces == 1 { (middle.extent - step).min(units.end - unit) } else { 1 };
                let (from, to) = kernel.outer_offsets(outer, row / middle.extent);
                let start = (piece * length) as isize;
                let from = from + step as isize * middle.input + start * last.input;
                let to = to + step as isize * middle.output + start * last.output;
                let run = length.min(last.extent - piece * length);
                for row in 0..rows as isize {
                    // SAFETY: as for blocks, for a part of one row.
                    unsafe {
                        copy_row(
                            input.wrapping_offset(from + row * middle.input),
                            last.input,
                            output.wrapping_offset(to + row * middle.output),
                            last.output,
                            run,
                        );
                    }
                }
                unit += rows;
            }
        }
    }
}

/// # Safety
/// `run` elements at these strides are valid, and nobody else uses those of `to`.
#[inline]
unsafe fn copy_row<T: Copy>(from: *const T, from_stride: isize, to: *mut T, to_stride: isize, run: usize) {
    // SAFETY: by the contract. Elements may be unaligned for `T`: arrays from outside are not the arena's.
    unsafe {
        match (from_stride, to_stride) {
            (1, 1) => to.cast::<u8>().copy_from_nonoverlapping(from.cast::<u8>(), run * size_of::<T>()),
            (0, 1) => {
                let value = from.read_unaligned();
                for index in 0..run {
                    to.add(index).write_unaligned(value);
                }
            }
            (-1, 1) => {
                for index in 0..run {
                    to.add(index).write_unaligned(from.wrapping_sub(index).read_unaligned());
                }
            }
            _ => {
                for index in 0..run as isize {
                    let value = from.wrapping_offset(index * from_stride).read_unaligned();
                    to.wrapping_offset(index * to_stride).write_unaligned(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) as usize) % limit
        }
        fn shape(&mut self, rank: usize, limit: usize) -> Vec<usize> {
            (0..rank).map(|_| self.below(limit)).collect()
        }
        fn shuffled(&mut self, count: usize) -> Vec<usize> {
            let mut order: Vec<usize> = (0..count).collect();
            for index in (1..count).rev() {
                order.swap(index, self.below(index + 1));
            }
            order
        }
    }

    fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
        let total: usize = shape.iter().product();
        (0..total)
            .map(|mut flat| {
                let mut index = vec![0; shape.len()];
                for axis in (0..shape.len()).rev() {
                    index[axis] = flat % shape[axis];
                    flat /= shape[axis];
                }
                index
            })
            .collect()
    }

    fn flat(index: &[usize], shape: &[usize]) -> usize {
        index.iter().zip(shape).fold(0, |at, (&i, &extent)| at * extent + i)
    }

    /// Runs the kernel on numbered elements, chunks shuffled, at addresses that are not aligned; returns element numbers.
    fn copied(kernel: &StridedCopy, inputs: usize, outputs: usize, size: usize, numbers: &mut Numbers) -> Vec<u64> {
        let mut input = vec![0; 1];
        for number in 0..inputs {
            input.extend_from_slice(&(number as u64 + 1).to_le_bytes()[..size]);
        }
        let mut output = vec![0; outputs * size + 1];
        let out = Disjoint::new(&mut output[1..]);
        for chunk in numbers.shuffled(kernel.chunks()) {
            kernel.run(chunk, &input[1..], out);
        }
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
        output[1..].chunks_exact(size).map(number).collect()
    }

    fn wrapped(number: usize, size: usize) -> u64 {
        let number = number as u64 + 1;
        if size == 8 { number } else { number & ((1 << (8 * size)) - 1) }
    }

    #[test]
    fn transposes_match_indexing() {
        let mut numbers = Numbers(1);
        let fixed = [(vec![70, 45], vec![1, 0]), (vec![3, 40, 41], vec![0, 2, 1]), (vec![400, 300], vec![1, 0])];
        let random = (0..150).map(|_| {
            let rank = numbers.below(6);
            (numbers.shape(rank, 12), numbers.shuffled(rank))
        });
        let cases: Vec<_> = random.chain(fixed).collect();
        for (case, (shape, permutation)) in cases.iter().enumerate() {
            let size = [1, 2, 4, 8][case % 4];
            let total: usize = shape.iter().product();
            let kernel = StridedCopy::transpose(shape, permutation, size);
            let output = copied(&kernel, total, total, size, &mut numbers);
            let out_shape: Vec<usize> = permutation.iter().map(|&axis| shape[axis]).collect();
            for index in indices(&out_shape) {
                let mut from = vec![0; shape.len()];
                for (axis, &source) in permutation.iter().enumerate() {
                    from[source] = index[axis];
                }
                assert_eq!(output[flat(&index, &out_shape)], wrapped(flat(&from, shape), size), "{shape:?}");
            }
        }
    }

    #[test]
    fn slices_and_their_gradients_match_indexing() {
        let mut numbers = Numbers(2);
        for case in 0..200 {
            let size = [1, 2, 4, 8][case % 4];
            let rank = 1 + numbers.below(4);
            let shape: Vec<usize> = (0..rank).map(|_| 1 + numbers.below(14)).collect();
            let (mut starts, mut steps, mut out_shape) = (vec![], vec![], vec![]);
            for &extent in &shape {
                let start = numbers.below(extent);
                let step: isize = [1, 1, 2, 3, -1, -2][numbers.below(6)];
                let room = if step > 0 { extent - start } else { start + 1 };
                out_shape.push(numbers.below(room.div_ceil(step.unsigned_abs()) + 1));
                starts.push(start);
                steps.push(step);
            }
            let total: usize = shape.iter().product();
            let taken: usize = out_shape.iter().product();
            let source = |index: &[usize]| {
                let at: Vec<usize> =
                    (0..rank).map(|a| (starts[a] as isize + index[a] as isize * steps[a]) as usize).collect();
                flat(&at, &shape)
            };
            let kernel = StridedCopy::slice(&shape, &starts, &steps, &out_shape, size);
            let output = copied(&kernel, total, taken, size, &mut numbers);
            let mut expected = vec![0; total];
            for (at, index) in indices(&out_shape).iter().enumerate() {
                assert_eq!(output[at], wrapped(source(index), size), "{shape:?} {starts:?} {steps:?} {out_shape:?}");
                expected[source(index)] = wrapped(at, size);
            }
            let kernel = StridedCopy::place(&out_shape, &shape, &starts, &steps, size);
            assert_eq!(copied(&kernel, taken, total, size, &mut numbers), expected);
        }
    }

    #[test]
    fn broadcasts_and_flips_match_indexing() {
        let mut numbers = Numbers(3);
        for case in 0..150 {
            let size = [1, 2, 4, 8][case % 4];
            let out_rank = numbers.below(5);
            let out_shape: Vec<usize> = (0..out_rank).map(|_| 1 + numbers.below(9)).collect();
            let leading = numbers.below(out_rank + 1);
            let shape: Vec<usize> =
                out_shape[leading..].iter().map(|&extent| if numbers.below(2) == 0 { 1 } else { extent }).collect();
            let total: usize = shape.iter().product();
            let kernel = StridedCopy::broadcast(&shape, &out_shape, size);
            let output = copied(&kernel, total, out_shape.iter().product(), size, &mut numbers);
            for (at, index) in indices(&out_shape).iter().enumerate() {
                let from: Vec<usize> = index[leading..].iter().zip(&shape).map(|(&i, &e)| i.min(e - 1)).collect();
                assert_eq!(output[at], wrapped(flat(&from, &shape), size), "{shape:?} {out_shape:?}");
            }

            let axes: Vec<usize> = (0..out_rank).filter(|_| numbers.below(2) == 0).collect();
            let total: usize = out_shape.iter().product();
            let kernel = StridedCopy::flip(&out_shape, &axes, size);
            let output = copied(&kernel, total, total, size, &mut numbers);
            for (at, index) in indices(&out_shape).iter().enumerate() {
                let mut from = index.clone();
                for &axis in &axes {
                    from[axis] = out_shape[axis] - 1 - from[axis];
                }
                assert_eq!(output[at], wrapped(flat(&from, &out_shape), size), "{out_shape:?} {axes:?}");
            }
        }
    }

    #[test]
    fn long_rows_are_cut() {
        let kernel = StridedCopy::flip(&[1_000_003], &[], 4);
        assert!(kernel.chunks() > 10);
        let output = copied(&kernel, 1_000_003, 1_000_003, 4, &mut Numbers(4));
        assert!(output.iter().enumerate().all(|(at, &value)| value == at as u64 + 1));
        let kernel = StridedCopy::flip(&[300_001], &[0], 8);
        let output = copied(&kernel, 300_001, 300_001, 8, &mut Numbers(5));
        assert!(output.iter().enumerate().all(|(at, &value)| value == 300_001 - at as u64));
    }

    #[test]
    #[should_panic(expected = "share a place")]
    fn overlapping_outputs_are_refused() {
        StridedCopy::new(&[3, 3], &[3, 1], &[1, 1], 0, 0, 4);
    }

    #[test]
    #[should_panic(expected = "before the start")]
    fn negative_addresses_are_refused() {
        StridedCopy::new(&[3], &[-1], &[1], 1, 0, 4);
    }
}
