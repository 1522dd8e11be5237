//! One chunk of a product of matrices: the loops inside of `chunk` in the module's picture.
//!
//! Which rows, columns and part of k it makes is decided by shape; what is here chooses blocks for the caches, packs the panels of
//! B that were not packed ahead, and calls tiles. Multiply-add units limit the speed, or memory where k is short.

use std::ops::Range;

use super::pack::{PANEL, PANEL_GRAIN, pack_panel};
use super::stack::{self, Stack};
use super::tile::{Compute, MOST_ROWS, Tap, Tile};
use super::{Activation, GROUP, Gemm, GemmShape, Part, Target, blocks, packed_width, row_tiles};
use crate::cpu::simd::Isa;
use crate::cpu::workspace;

/// Elements of A that are worked on at once.
const ROW_BLOCK_ELEMENTS: usize = 48 * 1024;

/// `range`, cut at the multiples of `step`.
fn aligned(range: Range<usize>, step: usize) -> impl Iterator<Item = Range<usize>> {
    let first = range.start / step;
    let count = if range.is_empty() { 0 } else { range.end.div_ceil(step) - first };
    (first..first + count).map(move |part| (part * step).max(range.start)..((part + 1) * step).min(range.end))
}

/// # Safety
/// The operands and the target span the shape, and `part` is this call's alone.
pub(super) unsafe fn run<T: Compute>(gemm: &Gemm, isa: Isa, part: &Part, a: &[T], b: &[T], target: &Target<T>) {
    let GemmShape { a: a_matrix, b: b_matrix, .. } = gemm.shape;
    let tiles = T::tiles(isa);
    // Rows that are a multiple of half a page apart share a set of L1, which holds 8 of them.
    let aliased = a_matrix.col_stride == 1 && (a_matrix.row_stride * size_of::<T>()).is_multiple_of(2048);
    let most_rows = if aliased { 6 } else { usize::MAX };
    let rows_of = |stride: usize| -> [isize; MOST_ROWS] { std::array::from_fn(|row| (row * stride) as isize) };
    let [a_rows, c_rows] = [rows_of(a_matrix.row_stride), rows_of(target.layout.row_stride)];
    let depth_block = part.depth.len().min(gemm.depth_block);
    let room =
        if gemm.packed_ahead { 0 } else { depth_block * part.columns.len().next_multiple_of(PANEL_GRAIN).min(GROUP) };
    let row_block = (ROW_BLOCK_ELEMENTS / depth_block.max(1)).next_multiple_of(12).max(24);
    let activation = target.epilogue.activation;

    // What is read after a panel that was packed ahead: the part's next one, or that of the chunk behind it.
    let packed_rest = |columns: &Range<usize>, depth: &Range<usize>| {
        let n = gemm.shape.n;
        let [column, row] = if columns.end < part.columns.end {
            [columns.end, depth.start]
        } else if depth.end < part.depth.end {
            [part.columns.start, depth.end]
        } else {
            [columns.end.next_multiple_of(PANEL), part.depth.start]
        };
        let whole = column / PANEL * PANEL;
        if !gemm.packed_ahead || whole >= n {
            return (std::ptr::null(), 0);
        }
        let stride = packed_width((n - whole).min(PANEL));
        let left = gemm.shape.k - row;
        (b.as_ptr().wrapping_add(whole * gemm.shape.k + row * stride), left.min(depth.len()) * stride)
    };

    workspace::with(room, |packed: &mut [T]| {
        for batch in part.batches.clone() {
            // SAFETY: inside of the operands, whose extents the caller checked.
            let (a, b, c, start) = unsafe {
                let c = target.c.add(batch * target.layout.batch_stride);
                let start = match target.addends.residual {
                    Some(residual) => residual.as_ptr().add(batch * target.layout.batch_stride),
                    None if target.epilogue.accumulate => c.cast_const(),
                    None => std::ptr::null(),
                };
                let a = a.as_ptr().add(batch * a_matrix.batch_stride);
                (a, b.as_ptr().add(batch * b_matrix.batch_stride), c, start)
            };
            for depth in blocks(part.depth.clone(), gemm.depth_block) {
                let first = depth.start == part.depth.start;
                let last = depth.end == part.depth.end;
                for group in aligned(part.columns.clone(), GROUP) {
                    let mut panels: [_; GROUP / PANEL] = std::array::from_fn(|_| (b, 0, 0..0));
                    let mut used = 0;
                    for (panel, columns) in panels.iter_mut().zip(aligned(group, PANEL)) {
                        let readable = tiles.masked || columns.len() % tiles.lanes == 0;
                        let start = depth.start * b_matrix.row_stride + columns.start * b_matrix.col_stride;
                        let from = b.wrapping_add(start);
                        if gemm.packed_ahead {
                            let whole = columns.start / PANEL * PANEL;
                            let stride = packed_width((gemm.shape.n - whole).min(PANEL));
                            let inside = depth.start * stride + columns.start - whole;
                            *panel = (b.wrapping_add(whole * gemm.shape.k + inside), stride, columns);
                        } else if gemm.in_place && readable {
                            *panel = (from, b_matrix.row_stride, columns);
                        } else {
                            let stride = columns.len().next_multiple_of(PANEL_GRAIN);
                            let to = packed[used..used + depth.len() * stride].as_mut_ptr();
                            used += depth.len() * stride;
                            // SAFETY: `from` spans the panel by B's extent, `to` was sliced to its size.
                            unsafe {
                                pack_panel(
                                    isa,
                                    from,
                                    b_matrix.row_stride,
                                    b_matrix.col_stride,
                                    depth.len(),
                                    columns.len(),
                                    to,
                                    stride,
                                );
                            }
                            *panel = (to.cast_const(), stride, columns);
                        }
                    }
                    for rows in part.rows.clone().step_by(row_block) {
                        let rows = rows..(rows + row_block).min(part.rows.end);
                        let ends = rows.end == part.rows.end;
                        for (index, (from, stride, panel)) in panels.iter().enumerate() {
                            let is_last = panels.get(index + 1).is_none_or(|(_, _, next)| next.is_empty());
                            // The first of a group are read again for each block of rows.
                            let asks = if is_last { ends } else { rows.start == part.rows.start };
                            let (mut ahead, mut ahead_length) =
                                if asks { packed_rest(panel, &depth) } else { (std::ptr::null(), 0) };
                            let mut column = panel.start;
                            while column < panel.end {
                                let stacked = a_matrix.col_stride == 1 && isa != Isa::Scalar;
                                let left = panel.end - column;
                                let vectors =
                                    if stacked { stack::vectors_for(tiles, left) } else { tiles.vectors_for(left) };
                                let columns = (vectors * tiles.lanes).min(left);
                                let bias = match target.addends.bias {
                                    Some(bias) if first => bias[column..column + columns].as_ptr(),
                                    _ => std::ptr::null(),
                                };
                                let start = if first { start } else { c.cast_const() };
                                let at = |start: *const T, offset: usize| {
                                    if start.is_null() { start } else { start.wrapping_add(offset) }
                                };
                                let activation = if last { activation } else { Activation::Linear };
                                let b = from.wrapping_add(column - panel.start);
                                if stacked {
                                    let c_start = rows.start * target.layout.row_stride + column;
                                    let a_start = if gemm.lines.is_some() { 0 } else { rows.start };
                                    let stack = Stack {
                                        a: a.wrapping_add(a_start * a_matrix.row_stride + depth.start),
                                        a_stride: a_matrix.row_stride,
                                        lines: gemm.lines,
                                        row: rows.start,
                                        depth: depth.len(),
                                        b,
                                        b_stride: *stride,
                                        c: c.wrapping_add(c_start),
                                        c_stride: target.layout.row_stride,
                                        columns,
                                        bias,
                                        start: at(start, c_start),
                                        activation,
                                        rows: rows.len(),
                                        ahead,
                                        ahead_length,
                                    };
                                    (ahead, ahead_length) = (std::ptr::null(), 0);
                                    // SAFETY: rows, columns and depth are inside of the operands.
                                    unsafe { stack.run(isa, vectors, most_rows) }
                                    column += columns;
                                    continue;
                                }
                                for tile in row_tiles(rows.len(), tiles.rows_for(vectors)) {
                                    let (row, tile_rows) = (rows.start + tile.start, tile.len());
                                    let mut a_rows = a_rows;
                                    let mut a_start = row * a_matrix.row_stride;
                                    if let Some(lines) = gemm.lines {
                                        a_start = 0;
                                        for (a_row, row) in a_rows.iter_mut().zip(row..row + tile_rows) {
                                            *a_row = lines.start(row, a_matrix.row_stride) as isize;
                                        }
                                    }
                                    let a_start = a_start + depth.start * a_matrix.col_stride;
                                    let c_start = row * target.layout.row_stride + column;
                                    let tile = Tile {
                                        a: a.wrapping_add(a_start),
                                        rows: &a_rows,
                                        a_step: a_matrix.col_stride as isize,
                                        taps: &[Tap { a: 0, b: 0 }],
                                        run: depth.len(),
                                        b,
                                        b_step: *stride as isize,
                                        c: c.wrapping_add(c_start),
                                        c_rows: &c_rows,
                                        columns,
                                        bias,
                                        start: at(start, c_start),
                                        activation,
                                    };
                                    // SAFETY: rows, columns and depth are inside of the operands.
                                    unsafe { T::tile(isa, tile_rows, vectors, &tile) }
                                }
                                column += columns;
                            }
                        }
                    }
                }
            }
            if !activation.in_store() {
                for row in part.rows.clone() {
                    // SAFETY: this part of the output is this call's alone, and no other reference to it lives.
                    let values = unsafe {
                        std::slice::from_raw_parts_mut(
                            c.add(row * target.layout.row_stride + part.columns.start),
                            part.columns.len(),
                        )
                    };
                    activation.apply(isa, values);
                }
            }
        }
    });
}
