//! LSTM over whole sequences, with Keras' semantics.
//!
//! ```text
//! z = [1, x_t, h_(t-1)] [bias; kernel; recurrent]       gates i, f, g (the candidate), o
//! c_t = sigmoid(z_f) c_(t-1) + sigmoid(z_i) tanh(z_g)   h_t = sigmoid(z_o) tanh(c_t)
//! ```
//!
//! Weights are packed once per call into blocks of 16 units; a block has the four gates of its units side by side, so that
//! one register tile makes all that a unit's step needs and z never leaves L1:
//!
//! ```text
//! chunk = a slice of the batch, through the whole of time: no barrier per step
//!   for step
//!     copy x_t beside h_(t-1)
//!     for block of 16 units
//!       z[rows, 4 x 16] = [1, x_t, h] block       tile of 6 x 64, weights from L2
//!       gates, cell, hidden                       see `gates`
//! ```
//!
//! The multiply-add units limit the speed while the packed weights fit in L2.
//!
//! A *masked* step leaves hidden state and cell as they are. Its output is the hidden state (as Keras on JAX: the initial
//! state where nothing came before), or zeros with `zero_output_for_mask`, which Keras' `Bidirectional` sets when it
//! returns sequences. Backwards in time, `x` and the mask are read from the end and outputs stand in the order in which
//! they were made, as in Keras.

use std::ops::Range;

use super::Recurrent;
use super::gates::{self, LANES};
use super::panels::{Rows, even_part, multiply, odd_stride};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::simd::Isa;
use crate::cpu::workspace;

/// FLOPs that make a chunk worth handing to another thread.
const CHUNK_FLOPS: usize = 100_000;
const MAX_CHUNKS: usize = 64;
/// From this batch size on, chunks have two register tiles of rows, which share each read of the weights.
const WIDE_BATCH: usize = 96;
/// Rows of a register tile.
pub(super) const TILE_ROWS: usize = 6;

/// What an LSTM computes on: `x [batch, time, features]`, `kernel [features, 4 units]`, `recurrent [units, 4 units]`,
/// `bias [4 units]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LstmShape {
    pub batch: usize,
    pub time: usize,
    pub features: usize,
    pub units: usize,
    pub has_bias: bool,
    /// Step `s` reads `x[:, time - 1 - s]`.
    pub go_backwards: bool,
    /// Masked steps put out zeros instead of the hidden state.
    pub zero_output_for_mask: bool,
}

impl LstmShape {
    /// Rows of the stacked weights: bias, kernel, recurrent.
    pub(super) fn depth(&self) -> usize {
        usize::from(self.has_bias) + self.features + self.units
    }

    /// Where step `s` reads the input.
    pub(super) fn input_step(&self, step: usize) -> usize {
        if self.go_backwards { self.time - 1 - step } else { step }
    }

    /// The first of `depth` columns that belongs to the hidden state.
    pub(super) fn hidden_start(&self) -> usize {
        self.depth() - self.units
    }

    pub(super) fn flops(&self) -> usize {
        8 * self.batch * self.time * self.units * self.depth()
    }

    pub(super) fn check_weights<T>(&self, kernel: &[T], recurrent: &[T], bias: Option<&[T]>) {
        assert_eq!(kernel.len(), self.features * 4 * self.units, "kernel of {self:?}");
        assert_eq!(recurrent.len(), self.units * 4 * self.units, "recurrent kernel of {self:?}");
        assert_eq!(bias.map(<[T]>::len), self.has_bias.then_some(4 * self.units), "bias of {self:?}");
    }
}

/// What a forward pass reads.
#[derive(Clone, Copy, Debug)]
pub struct LstmInputs<'a, T> {
    /// `[batch, time, features]`
    pub x: &'a [T],
    /// `[batch, time]`, 0 where a step is masked.
    pub mask: Option<&'a [u8]>,
    /// `[batch, units]`; zeros if absent.
    pub initial_hidden: Option<&'a [T]>,
    /// `[batch, units]`; zeros if absent.
    pub initial_cell: Option<&'a [T]>,
}

impl<T> LstmInputs<'_, T> {
    pub(super) fn check(&self, shape: &LstmShape) {
        let LstmShape { batch, time, features, units, .. } = *shape;
        assert_eq!(self.x.len(), batch * time * features, "x of {shape:?}");
        assert!(self.mask.is_none_or(|mask| mask.len() == batch * time), "mask of {shape:?}");
        assert!(self.initial_hidden.is_none_or(|h| h.len() == batch * units), "initial hidden state of {shape:?}");
        assert!(self.initial_cell.is_none_or(|c| c.len() == batch * units), "initial cell of {shape:?}");
    }

    pub(super) fn is_masked(&self, shape: &LstmShape, row: usize, step: usize) -> bool {
        self.mask.is_some_and(|mask| mask[row * shape.time + shape.input_step(step)] == 0)
    }
}

/// What a forward pass writes. A training pass asks for all of it; `outputs` may be absent where only the last state is
/// wanted and no gradient.
#[derive(Clone, Copy)]
pub struct LstmOutputs<'a, T> {
    /// `[batch, time, units]`
    pub outputs: Option<Disjoint<'a, T>>,
    /// `[batch, units]`
    pub last_hidden: Option<Disjoint<'a, T>>,
    /// `[batch, units]`
    pub last_cell: Option<Disjoint<'a, T>>,
    /// `[batch, time, 4 units]`: activated gates i, f, g, o; zeros at masked steps.
    pub gates: Option<Disjoint<'a, T>>,
    /// `[batch, time, units]`: the cell after each step.
    pub cells: Option<Disjoint<'a, T>>,
}

/// The forward pass.
#[derive(Clone, Debug)]
pub struct Lstm {
    shape: LstmShape,
    chunks: usize,
}

impl Lstm {
    pub fn new(shape: LstmShape) -> Self {
        let rows = if shape.batch >= WIDE_BATCH { 2 * TILE_ROWS } else { TILE_ROWS };
        let chunks = (shape.flops() / CHUNK_FLOPS).clamp(1, MAX_CHUNKS).min(shape.batch.div_ceil(rows).max(1));
        Self { shape, chunks }
    }

    /// How many calls of [`run`](Self::run), after all of [`prepare`](Self::prepare).
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// How many calls of [`prepare`](Self::prepare) come first.
    pub fn prepare_chunks(&self) -> usize {
        self.shape.units.div_ceil(LANES)
    }

    /// Bytes of scratch that all calls share: the packed weights.
    pub fn scratch<T>(&self) -> usize {
        self.scratch_elements() * size_of::<T>()
    }

    fn scratch_elements(&self) -> usize {
        self.shape.depth() * 4 * self.shape.units.next_multiple_of(4)
    }

    /// Units of block `block`: the first, how many, and how many the block has room for.
    fn block(&self, block: usize) -> (usize, usize, usize) {
        let unit = block * LANES;
        let count = (self.shape.units - unit).min(LANES);
        (unit, count, count.next_multiple_of(4))
    }

    /// Packs one block of the weights into the scratch.
    pub fn prepare<T: Recurrent>(
        &self,
        chunk: usize,
        kernel: &[T],
        recurrent: &[T],
        bias: Option<&[T]>,
        scratch: Disjoint<'_, T>,
    ) {
        self.shape.check_weights(kernel, recurrent, bias);
        let (depth, units) = (self.shape.depth(), self.shape.units);
        let (unit, count, width) = self.block(chunk);
        let start = depth * 4 * unit;
        // SAFETY: every block has its own range.
        let packed = unsafe { scratch.range(start..start + depth * 4 * width) };
        let rows = bias.into_iter().flat_map(|bias| bias.chunks_exact(4 * units));
        let rows = rows.chain(kernel.chunks_exact(4 * units)).chain(recurrent.chunks_exact(4 * units));
        for (to, from) in packed.chunks_exact_mut(4 * width).zip(rows) {
            for (gate, to) in to.chunks_exact_mut(width).enumerate() {
                to[..count].copy_from_slice(&from[gate * units + unit..][..count]);
                to[count..].fill(T::ZERO);
            }
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
        inputs: &LstmInputs<'_, T>,
        outputs: &LstmOutputs<'_, T>,
        scratch: Disjoint<'_, T>,
    ) {
        let shape = &self.shape;
        let LstmShape { batch, time, features, units, .. } = *shape;
        inputs.check(shape);
        assert!(scratch.len() >= self.scratch_elements(), "scratch of {shape:?}");
        let batch_rows = even_part(batch, self.chunks, chunk);
        let rows = batch_rows.len();
        if rows == 0 || units == 0 {
            return;
        }
        let own = |out, row| own(out, &batch_rows, row);
        let mut all_outputs = own(outputs.outputs, time * units);
        let mut all_gates = own(outputs.gates, time * 4 * units);
        let mut all_cells = own(outputs.cells, time * units);

        let depth = shape.depth();
        let stride = odd_stride(depth);
        let hidden_start = shape.hidden_start();
        workspace::with(rows * (2 * stride + units + 4 * LANES), |room: &mut [T]| {
            let (stacked, room) = room.split_at_mut(rows * stride);
            let (next, room) = room.split_at_mut(rows * stride);
            let (mut stacked, mut next) = (stacked, next);
            let (cell, z) = room.split_at_mut(rows * units);
            initial(inputs.initial_cell, &batch_rows, cell);
            for (row, stacked) in stacked.chunks_exact_mut(stride).enumerate() {
                let from = (batch_rows.start + row) * units;
                match inputs.initial_hidden {
                    Some(hidden) => stacked[hidden_start..depth].copy_from_slice(&hidden[from..from + units]),
                    None => stacked[hidden_start..depth].fill(T::ZERO),
                }
            }

            for step in 0..time {
                let masked = |row: usize| inputs.is_masked(shape, batch_rows.start + row, step);
                let skip = inputs.mask.is_some() && (0..rows).all(masked);
                if !skip {
                    for (row, stacked) in stacked.chunks_exact_mut(stride).enumerate() {
                        let from = ((batch_rows.start + row) * time + shape.input_step(step)) * features;
                        let (constant, rest) = stacked.split_at_mut(usize::from(shape.has_bias));
                        constant.fill(T::ONE);
                        rest[..features].copy_from_slice(&inputs.x[from..from + features]);
                    }
                    for block in 0..self.prepare_chunks() {
                        let (unit, count, width) = self.block(block);
                        let a = Rows { start: stacked.as_ptr(), row_stride: stride, column_stride: 1 };
                        // SAFETY: the stacked rows, the packed block and z have these extents; a block's width is a
                        // multiple of 16 columns.
                        unsafe {
                            let weights = scratch.as_ptr().add(depth * 4 * unit);
                            multiply(
                                isa,
                                rows,
                                depth,
                                4 * width,
                                a,
                                weights,
                                4 * width,
                                z.as_mut_ptr(),
                                4 * width,
                                false,
                            );
                        }
                        for row in (0..rows).filter(|&row| !masked(row)) {
                            let saved = (row * time + step) * 4 * units;
                            gates::forward(
                                isa,
                                &mut gates::Forward {
                                    z: &z[row * 4 * width..(row + 1) * 4 * width],
                                    width,
                                    count,
                                    unit,
                                    units,
                                    cell: &mut cell[row * units..(row + 1) * units],
                                    hidden: &mut next[row * stride + hidden_start..row * stride + depth],
                                    gates: all_gates.as_deref_mut().map(|g| &mut g[saved..saved + 4 * units]),
                                },
                            );
                        }
                    }
                    for row in (0..rows).filter(|&row| masked(row)) {
                        let hidden = row * stride + hidden_start..row * stride + depth;
                        next[hidden.clone()].copy_from_slice(&stacked[hidden]);
                    }
                    std::mem::swap(&mut stacked, &mut next);
                }
                for row in 0..rows {
                    let at = (row * time + step) * units;
                    if let Some(outputs) = &mut all_outputs {
                        let to = &mut outputs[at..at + units];
                        if shape.zero_output_for_mask && masked(row) {
                            to.fill(T::ZERO);
                        } else {
                            to.copy_from_slice(&stacked[row * stride + hidden_start..row * stride + depth]);
                        }
                    }
                    if let Some(cells) = &mut all_cells {
                        cells[at..at + units].copy_from_slice(&cell[row * units..(row + 1) * units]);
                    }
                    if let Some(gates) = &mut all_gates
                        && masked(row)
                    {
                        gates[4 * at..4 * (at + units)].fill(T::ZERO);
                    }
                }
            }

            if let Some(last) = own(outputs.last_hidden, units) {
                for (to, from) in last.chunks_exact_mut(units).zip(stacked.chunks_exact(stride)) {
                    to.copy_from_slice(&from[hidden_start..depth]);
                }
            }
            if let Some(last) = own(outputs.last_cell, units) {
                last.copy_from_slice(cell);
            }
        });
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
