//! A recurrent layer over whole sequences, with Keras' semantics.
//!
//! Weights are packed once per call into blocks of units; a block has all gates of its units side by side, so that a few
//! register tiles make all that a unit's step needs and z never leaves L1 (`cell` says which products there are):
//!
//! ```text
//! chunk = a slice of the batch, through the whole of time: no barrier per step
//!   for group of steps, about 48 rows
//!     for block of 16 units (LSTM) or 64
//!       z[rows of the group, gates of the block] = [1, x] block     tiles of 6 x 64, weights from L2
//!     for step
//!       for block                                                   there and back: the last blocks are still in L1
//!         for product
//!           z[rows, gates of the block] += h block                  tiles of 6 x 64, weights from L1 and L2
//!         gates, memory, hidden                                     see `gates`
//! ```
//!
//! What x adds to z is made ahead of the steps, so that its weights are read once a group; it is the beginning of the
//! same chain of additions, so that the size of a group changes no bit. With one row the recurrent weights' way from L2
//! limits the speed, with many the multiply-add units do.
//!
//! A GRU that resets before the product goes through the blocks twice, because `(r h) recurrent` needs the reset gates of
//! all units.
//!
//! A *masked* step leaves hidden state and memory as they are. Its output is the hidden state (as Keras on JAX: the initial
//! state where nothing came before), or zeros with `zero_output_for_mask`, which Keras' `Bidirectional` sets when it
//! returns sequences. Backwards in time, `x` and the mask are read from the end and outputs stand in the order in which
//! they were made, as in Keras.

use std::ops::Range;

use super::Recurrent;
use super::cell::{Inputs, Product, Shape};
use super::gates;
use super::panels::{Rows, even_part, multiply, odd_stride};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::gemm::{PANEL, PANEL_GRAIN};
use crate::cpu::simd::{Isa, prefetch_to_write};
use crate::cpu::workspace;

/// FLOPs that make a chunk worth handing to another thread.
const CHUNK_FLOPS: usize = 100_000;
const MAX_CHUNKS: usize = 64;
/// From this batch size on, chunks have two register tiles of rows, which share each read of the weights.
const WIDE_BATCH: usize = 96;
/// Rows of z that are made from x at once.
const ROWS_AHEAD: usize = 48;
/// Rows of a register tile.
pub(super) const TILE_ROWS: usize = 6;

/// What a forward pass writes. A training pass asks for all that its cell has; `outputs` may be absent where only the last
/// state is wanted and no gradient.
#[derive(Clone, Copy)]
pub struct Outputs<'a, T> {
    /// `[batch, time, units]`
    pub outputs: Option<Disjoint<'a, T>>,
    /// `[batch, units]`
    pub last_hidden: Option<Disjoint<'a, T>>,
    /// `[batch, units]`, of a cell that has a memory.
    pub last_memory: Option<Disjoint<'a, T>>,
    /// `[batch, time, saved units]`: what `gates` saves for the way back; zeros at masked steps.
    pub gates: Option<Disjoint<'a, T>>,
    /// `[batch, time, units]`: the memory after each step.
    pub memories: Option<Disjoint<'a, T>>,
}

/// The forward pass.
#[derive(Clone, Debug)]
pub struct Forward {
    shape: Shape,
    chunks: usize,
}

/// Some units, packed together.
#[derive(Clone, Copy)]
struct Block {
    unit: usize,
    count: usize,
    /// Columns that each gate has in the block.
    width: usize,
}

impl Forward {
    pub fn new(shape: Shape) -> Self {
        let rows = if shape.batch >= WIDE_BATCH { 2 * TILE_ROWS } else { TILE_ROWS };
        let chunks = (shape.flops() / CHUNK_FLOPS).clamp(1, MAX_CHUNKS).min(shape.batch.div_ceil(rows).max(1));
        Self { shape, chunks }
    }

    /// How many calls of [`run`](Self::run), after all of [`prepare`](Self::prepare).
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// How many calls of [`prepare`](Self::prepare) come first: one a block.
    pub fn prepare_chunks(&self) -> usize {
        self.shape.units.div_ceil(self.shape.cell.block())
    }

    /// Bytes of scratch that all calls share: the packed weights.
    pub fn scratch<T>(&self) -> usize {
        self.scratch_elements() * size_of::<T>()
    }

    /// The last register of the last row may reach beyond it.
    fn scratch_elements(&self) -> usize {
        let products = self.shape.cell.products();
        products.iter().map(|product| self.packed(product)).sum::<usize>() + PANEL_GRAIN
    }

    /// Elements of a product's packed weights.
    fn packed(&self, product: &Product) -> usize {
        self.shape.depth(product) * product.gates.len() * self.shape.units.next_multiple_of(4)
    }

    fn block(&self, block: usize) -> Block {
        let unit = block * self.shape.cell.block();
        let count = (self.shape.units - unit).min(self.shape.cell.block());
        Block { unit, count, width: count.next_multiple_of(4) }
    }

    /// Where a block's weights of product `index` are packed.
    fn packed_block(&self, index: usize, block: Block) -> Range<usize> {
        let products = self.shape.cell.products();
        let first: usize = products[..index].iter().map(|product| self.packed(product)).sum();
        let size = self.shape.depth(&products[index]) * products[index].gates.len();
        first + size * block.unit..first + size * (block.unit + block.width)
    }

    /// Packs one block of the weights into the scratch: panels of 64 columns, each a run of its own.
    pub fn prepare<T: Recurrent>(
        &self,
        chunk: usize,
        kernel: &[T],
        recurrent: &[T],
        bias: Option<&[T]>,
        scratch: Disjoint<'_, T>,
    ) {
        let shape = &self.shape;
        shape.check_weights(kernel, recurrent);
        assert_eq!(bias.map_or(0, <[T]>::len), shape.bias(), "bias of {shape:?}");
        let (block, whole) = (self.block(chunk), shape.width());
        for (index, product) in shape.cell.products().iter().enumerate() {
            // SAFETY: every block has its own range of every product.
            let packed = unsafe { scratch.range(self.packed_block(index, block)) };
            let bias = bias.zip(product.bias).map(|(bias, row)| &bias[row * whole..(row + 1) * whole]);
            let rows = [bias, product.kernel.then_some(kernel), product.recurrent.then_some(recurrent)];
            let rows = rows.into_iter().flatten().flat_map(|matrix| matrix.chunks_exact(whole));
            let (depth, columns) = (shape.depth(product), product.gates.len() * block.width);
            workspace::with(columns, |line: &mut [T]| {
                for (row, weights) in rows.enumerate() {
                    for (to, column) in line.chunks_exact_mut(block.width).zip(product.gates.clone()) {
                        let at = shape.cell.gate(column) * shape.units + block.unit;
                        to[..block.count].copy_from_slice(&weights[at..at + block.count]);
                        to[block.count..].fill(T::ZERO);
                    }
                    for start in (0..columns).step_by(PANEL) {
                        let panel = &line[start..columns.min(start + PANEL)];
                        packed[depth * start + row * panel.len()..][..panel.len()].copy_from_slice(panel);
                    }
                }
            });
        }
    }

    /// Computes one slice of the batch. `scratch` holds what [`prepare`](Self::prepare) packed.
    ///
    /// # Panics
    /// When a slice does not fit the shape.
    pub fn run<T: Recurrent>(
        &self,
        isa: Isa,
        chunk: usize,
        inputs: &Inputs<'_, T>,
        outputs: &Outputs<'_, T>,
        scratch: Disjoint<'_, T>,
    ) {
        let shape = &self.shape;
        let Shape { cell, batch, time, units, .. } = *shape;
        inputs.check(shape);
        assert!(scratch.len() >= self.scratch_elements(), "scratch of {shape:?}");
        let batch_rows = even_part(batch, self.chunks, chunk);
        let rows = batch_rows.len();
        if rows == 0 || units == 0 {
            return;
        }
        // SAFETY: the packed weights are only read now.
        let packed = unsafe { std::slice::from_raw_parts(scratch.as_ptr().cast_const(), self.scratch_elements()) };
        let own = |out, row| own(out, &batch_rows, row);
        let mut all_outputs = own(outputs.outputs, time * units);
        let mut all_memories = own(outputs.memories, time * units);
        let saved = cell.saved() * units;
        let gates = own(outputs.gates, time * saved).filter(|_| saved > 0);

        let stride = odd_stride(shape.stacked());
        let hidden_columns = shape.hidden_columns();
        let memory = if cell.has_memory() { rows * units } else { 0 };
        let steps_ahead = (ROWS_AHEAD / rows).clamp(1, time.max(1));
        let z = self.prepare_chunks() * steps_ahead * rows * cell.columns() * self.block(0).width;
        let ahead_stride = odd_stride(shape.input_columns().end);
        let ahead = steps_ahead * rows * ahead_stride;
        workspace::with(rows * 2 * stride + ahead + memory + z, |room: &mut [T]| {
            let (stacked, room) = room.split_at_mut(rows * stride);
            let (next, room) = room.split_at_mut(rows * stride);
            let (ahead, room) = room.split_at_mut(ahead);
            let (memory, z) = room.split_at_mut(memory);
            if cell.has_memory() {
                initial(inputs.initial_memory, &batch_rows, memory);
            }
            for stacked in stacked.chunks_exact_mut(stride).chain(next.chunks_exact_mut(stride)) {
                shape.stack_ones(stacked);
            }
            for (row, stacked) in stacked.chunks_exact_mut(stride).enumerate() {
                let from = (batch_rows.start + row) * units;
                match inputs.initial_hidden {
                    Some(hidden) => stacked[hidden_columns.clone()].copy_from_slice(&hidden[from..from + units]),
                    None => stacked[hidden_columns.clone()].fill(T::ZERO),
                }
            }
            let mut slice = Slice {
                kernel: self,
                isa,
                rows: batch_rows.clone(),
                inputs,
                packed,
                stride,
                steps_ahead,
                ahead_stride,
                ahead,
                memory,
                z,
                gates,
            };
            let (mut slot, mut slots) = (0, 0);
            let (mut stacked, mut next) = (stacked, next);
            for step in 0..time {
                let masked = |row: usize| inputs.is_masked(shape, batch_rows.start + row, step);
                if let Some(gates) = slice.gates.as_deref().filter(|_| step + 1 < time) {
                    // Rows are far apart in memory, and too many for the processor to guess where the next step goes.
                    for at in (0..rows).map(|row| row * time + step + 1) {
                        prefetch_to_write(&gates[at * saved..][..saved]);
                        for states in all_outputs.iter().chain(&all_memories) {
                            prefetch_to_write(&states[at * units..][..units]);
                        }
                    }
                }
                if !slice.is_skipped(step) {
                    if slot == slots {
                        (slot, slots) = (0, slice.look_ahead(step));
                    }
                    slice.step(step, slot, stacked, next);
                    slot += 1;
                    std::mem::swap(&mut stacked, &mut next);
                }
                for row in 0..rows {
                    let at = (row * time + step) * units;
                    if let Some(outputs) = &mut all_outputs {
                        let to = &mut outputs[at..at + units];
                        if shape.zero_output_for_mask && masked(row) {
                            to.fill(T::ZERO);
                        } else {
                            to.copy_from_slice(&stacked[row * stride..][hidden_columns.clone()]);
                        }
                    }
                    if let Some(memories) = &mut all_memories {
                        memories[at..at + units].copy_from_slice(&slice.memory[row * units..(row + 1) * units]);
                    }
                    if let Some(gates) = &mut slice.gates
                        && masked(row)
                    {
                        gates[(row * time + step) * saved..][..saved].fill(T::ZERO);
                    }
                }
            }

            if let Some(last) = own(outputs.last_hidden, units) {
                for (to, from) in last.chunks_exact_mut(units).zip(stacked.chunks_exact(stride)) {
                    to.copy_from_slice(&from[hidden_columns.clone()]);
                }
            }
            if let Some(last) = own(outputs.last_memory, units) {
                last.copy_from_slice(slice.memory);
            }
        });
    }
}

/// One slice of the batch on its way through time.
struct Slice<'a, T> {
    kernel: &'a Forward,
    isa: Isa,
    rows: Range<usize>,
    inputs: &'a Inputs<'a, T>,
    packed: &'a [T],
    /// From one stacked row to the next.
    stride: usize,
    /// Steps whose z is made from x at once.
    steps_ahead: usize,
    ahead_stride: usize,
    /// `[steps ahead, rows, ahead_stride]`: 1 and x.
    ahead: &'a mut [T],
    /// `[rows, units]`, of a cell that has a memory.
    memory: &'a mut [T],
    /// `[blocks, steps ahead, rows, columns of a block]`
    z: &'a mut [T],
    /// `[rows, time, saved units]`
    gates: Option<&'a mut [T]>,
}

impl<'a, T: Recurrent> Slice<'a, T> {
    /// Whether a step is masked in the whole slice.
    fn is_skipped(&self, step: usize) -> bool {
        self.inputs.mask.is_some() && self.steps(step, true).next().is_none()
    }

    /// What x adds to the z of `first` and the next steps that are not skipped; how many steps these are.
    fn look_ahead(&mut self, first: usize) -> usize {
        let shape = &self.kernel.shape;
        let (features, rows) = (shape.features, self.rows.len());
        let mut slots = 0;
        for step in first..shape.time {
            if slots == self.steps_ahead {
                break;
            }
            if self.is_skipped(step) {
                continue;
            }
            let to = self.ahead[slots * rows * self.ahead_stride..].chunks_exact_mut(self.ahead_stride);
            for (row, to) in self.rows.clone().zip(to) {
                let from = (row * shape.time + shape.input_step(step)) * features;
                if shape.has_bias {
                    to[0] = T::ONE;
                }
                to[shape.input_columns()].copy_from_slice(&self.inputs.x[from..from + features]);
            }
            slots += 1;
        }
        let (rows, depth) = (slots * rows, shape.input_columns().end);
        let a = Rows { start: self.ahead.as_ptr(), row_stride: self.ahead_stride, column_stride: 1 };
        for index in 0..self.kernel.prepare_chunks() {
            let block = self.kernel.block(index);
            let (start, z_stride) = self.z_of(index, 0);
            let left_out = shape.cell.left_out();
            if !left_out.is_empty() {
                for z in self.z[start..start + rows * z_stride].chunks_exact_mut(z_stride) {
                    z[left_out.start * block.width..left_out.end * block.width].fill(T::ZERO);
                }
            }
            self.panels(0, block, 0..depth, rows, a, start, z_stride, false);
        }
        slots
    }

    /// From the hidden states in `stacked` to those in `next`; the step's z is the one in `slot` of those ahead.
    fn step(&mut self, step: usize, slot: usize, stacked: &mut [T], next: &mut [T]) {
        let shape = &self.kernel.shape;
        let two_stages = shape.cell.has_two_stages();
        let blocks = self.kernel.prepare_chunks();
        for block in 0..blocks {
            let block = if slot.is_multiple_of(2) { block } else { blocks - 1 - block };
            self.products(false, block, slot, stacked);
            if two_stages {
                self.reset(step, block, slot, stacked);
            } else {
                self.finish_block(step, block, slot, stacked, next);
            }
        }
        if two_stages {
            for block in 0..blocks {
                self.products(true, block, slot, stacked);
                self.finish_block(step, block, slot, stacked, next);
            }
        }
        let hidden = shape.hidden_columns();
        for row in self.steps(step, false) {
            let hidden = row * self.stride + hidden.start..row * self.stride + hidden.end;
            next[hidden.clone()].copy_from_slice(&stacked[hidden]);
        }
    }

    /// The rows of the slice that make the step, or those that are masked.
    fn steps(&self, step: usize, makes: bool) -> impl Iterator<Item = usize> + use<'a, T> {
        let (shape, inputs, first) = (&self.kernel.shape, self.inputs, self.rows.start);
        (0..self.rows.len()).filter(move |row| inputs.is_masked(shape, first + row, step) != makes)
    }

    /// Where a block's z of a step ahead is, and the length of its rows.
    fn z_of(&self, block: usize, slot: usize) -> (usize, usize) {
        let cell = self.kernel.shape.cell;
        let rows = self.rows.len();
        let whole = self.steps_ahead * rows * cell.columns() * self.kernel.block(0).width;
        let z_stride = cell.columns() * self.kernel.block(block).width;
        (block * whole + slot * rows * z_stride, z_stride)
    }

    /// z of one block: the products that wait for the reset gate, or those that do not.
    fn products(&mut self, resets: bool, block: usize, slot: usize, stacked: &[T]) {
        let shape = &self.kernel.shape;
        let (start, z_stride) = self.z_of(block, slot);
        let block = self.kernel.block(block);
        for (index, product) in shape.cell.products().iter().enumerate().filter(|(_, p)| p.resets == resets) {
            let made = if index == 0 { shape.input_columns().end } else { 0 };
            let (operand, depth) = (shape.operand(index), shape.depth(product));
            if made < depth {
                let a = stacked[operand.start + made..].as_ptr();
                let a = Rows { start: a, row_stride: self.stride, column_stride: 1 };
                self.panels(index, block, made..depth, self.rows.len(), a, start, z_stride, true);
            }
        }
    }

    /// Rows `depth` of product `index`'s weights for one block: `z[start..] (+)= a weights`.
    #[expect(clippy::too_many_arguments, reason = "a product's extents")]
    fn panels(
        &mut self,
        index: usize,
        block: Block,
        depth: Range<usize>,
        rows: usize,
        a: Rows<T>,
        start: usize,
        z_stride: usize,
        accumulate: bool,
    ) {
        let product = &self.kernel.shape.cell.products()[index];
        let whole = self.kernel.shape.depth(product);
        let weights = &self.packed[self.kernel.packed_block(index, block).start..];
        let columns = product.gates.len() * block.width;
        let z = &mut self.z[start..start + rows * z_stride];
        for start in (0..columns).step_by(PANEL) {
            let width = (columns - start).min(PANEL);
            let panel = weights[whole * start + depth.start * width..].as_ptr();
            let to = z[product.gates.start * block.width + start..].as_mut_ptr();
            // SAFETY: `a` has this many rows of the depth, which is a part of the packed panel's; z has as many rows of
            // `z_stride`; behind the last panel there is room for a register.
            unsafe {
                multiply(self.isa, rows, depth.len(), width, a, panel, width, to, z_stride, accumulate);
            }
        }
    }

    /// The reset gates of one block, and `r h` into the stacked rows.
    fn reset(&mut self, step: usize, block: usize, slot: usize, stacked: &mut [T]) {
        let kernel = self.kernel;
        let shape = &kernel.shape;
        let (start, z_stride) = self.z_of(block, slot);
        let (units, hidden) = (shape.units, shape.hidden_columns());
        let Block { unit, count, width } = kernel.block(block);
        for row in self.steps(step, true) {
            let (before, after) = stacked[row * self.stride..][..self.stride].split_at_mut(hidden.end);
            let pass = gates::Reset {
                z: &self.z[start + row * z_stride + width..][..width],
                previous: &before[hidden.start + unit..][..count],
                product: &mut after[unit..][..count],
                gate: self
                    .gates
                    .as_deref_mut()
                    .map(|gates| &mut gates[(row * shape.time + step) * 3 * units + units + unit..][..count]),
            };
            gates::reset(self.isa, pass);
        }
    }

    /// Hidden states and memory of one block, from its z.
    fn finish_block(&mut self, step: usize, block: usize, slot: usize, stacked: &[T], next: &mut [T]) {
        let kernel = self.kernel;
        let shape = &kernel.shape;
        let (start, z_stride) = self.z_of(block, slot);
        let (units, hidden, saved) = (shape.units, shape.hidden_columns(), shape.cell.saved() * shape.units);
        let Block { unit, count, width } = kernel.block(block);
        for row in self.steps(step, true) {
            let own = row * self.stride + hidden.start + unit..row * self.stride + hidden.start + unit + count;
            let pass = gates::Forward {
                z: &self.z[start + row * z_stride..][..z_stride],
                width,
                previous: &stacked[own.clone()],
                hidden: &mut next[own],
                memory: if shape.cell.has_memory() { &mut self.memory[row * units + unit..][..count] } else { &mut [] },
                units,
                gates: self.gates.as_deref_mut().map(|gates| {
                    &mut gates[(row * shape.time + step) * saved + unit..(row * shape.time + step + 1) * saved]
                }),
            };
            gates::forward(self.isa, shape.cell, pass);
        }
    }
}

/// The rows of `out` that are a chunk's own.
pub(super) fn own<'a, T>(out: Option<Disjoint<'a, T>>, rows: &Range<usize>, row: usize) -> Option<&'a mut [T]> {
    // SAFETY: chunks have slices of the batch that do not overlap, and take each output once.
    out.map(|out| unsafe { out.range(rows.start * row..rows.end * row) })
}

/// `to = from[rows]`, or zeros.
pub(super) fn initial<T: Recurrent>(from: Option<&[T]>, rows: &Range<usize>, to: &mut [T]) {
    match from {
        Some(from) => {
            let units = to.len() / rows.len();
            to.copy_from_slice(&from[rows.start * units..rows.end * units]);
        }
        None => to.fill(T::ZERO),
    }
}
