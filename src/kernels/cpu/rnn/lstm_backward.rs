//! Gradients of the LSTM with respect to inputs, weights and initial state.
//!
//! With dz the gradient of the pre-activations (see `gates`) and W = [bias; kernel; recurrent]:
//!
//! ```text
//! chunk = a slice of the batch, from the last step to the first
//!   for step, backwards
//!     dh += dY_t;  dz_t, dc from the saved gates and cells
//!     dh = dz_t recurrent^T                                  tile over packed panels
//!     keep dz_t and [1, x_t, h_(t-1)]
//!     every ~128 kept rows, while they are in L2
//!       dW of the chunk += [1, x, h]^T dz                    tile over the kept rows
//!       dx = dz kernel^T                                     tile over packed panels
//! finish: dW = sum of the chunks' dW, in order
//! ```
//!
//! Each chunk has a whole dW in the scratch, so the number of chunks is bounded by memory as well as by work. The
//! multiply-add units limit the speed. Masked steps have dz = 0 and hand dh and dc on as they are; a step that is masked
//! in the whole slice is skipped.

use std::ops::Range;

use super::Recurrent;
use super::gates;
use super::lstm::{LstmInputs, LstmShape, TILE_ROWS, initial, own};
use super::panels::{Rows, even_part, multiply, odd_stride};
use crate::cpu::disjoint::{Disjoint, part};
use crate::cpu::gemm::{PANEL, PANEL_GRAIN, add, pack_panel};
use crate::cpu::simd::Isa;
use crate::cpu::workspace;

const CHUNK_FLOPS: usize = 200_000;
const MAX_CHUNKS: usize = 16;
/// Bytes of partial weight gradients, unless two chunks alone need more.
const PARTIAL_BYTES: usize = 32 << 20;
/// Rows of dz that are kept before the weights' gradient is updated.
const KEPT_ROWS: usize = 128;

/// Elements of partial gradients that make a chunk of `finish`.
const FINISH_ELEMENTS: usize = 1 << 14;

/// What the forward pass saved, and the gradients that reach it.
#[derive(Clone, Copy, Debug)]
pub struct LstmSaved<'a, T> {
    /// `[batch, time, units]`, as the forward pass put them out.
    pub outputs: &'a [T],
    /// `[batch, time, 4 units]`
    pub gates: &'a [T],
    /// `[batch, time, units]`
    pub cells: &'a [T],
    /// `[batch, time, units]`; zeros if absent.
    pub output_gradient: Option<&'a [T]>,
    /// `[batch, units]`; zeros if absent.
    pub last_hidden_gradient: Option<&'a [T]>,
    /// `[batch, units]`; zeros if absent.
    pub last_cell_gradient: Option<&'a [T]>,
}

/// What the chunks write.
#[derive(Clone, Copy)]
pub struct LstmGradients<'a, T> {
    /// `[batch, time, features]`
    pub x: Option<Disjoint<'a, T>>,
    /// `[batch, units]`
    pub initial_hidden: Option<Disjoint<'a, T>>,
    /// `[batch, units]`
    pub initial_cell: Option<Disjoint<'a, T>>,
}

/// What `finish` writes; what is absent is not wanted.
#[derive(Clone, Copy)]
pub struct LstmWeightGradients<'a, T> {
    /// `[features, 4 units]`
    pub kernel: Option<Disjoint<'a, T>>,
    /// `[units, 4 units]`
    pub recurrent: Option<Disjoint<'a, T>>,
    /// `[4 units]`, only when the shape has a bias.
    pub bias: Option<Disjoint<'a, T>>,
}

/// The backward pass: all of `prepare`, then all of `run`, then all of `finish`.
#[derive(Clone, Debug)]
pub struct LstmBackward {
    shape: LstmShape,
    chunks: usize,
}

impl LstmBackward {
    pub fn new(shape: LstmShape) -> Self {
        let partial_bytes = shape.depth() * 4 * shape.units * size_of::<f32>();
        let most = (PARTIAL_BYTES / partial_bytes.max(1)).clamp(2, MAX_CHUNKS);
        let groups = shape.batch.div_ceil(TILE_ROWS).max(1);
        let chunks = (shape.flops() * 3 / CHUNK_FLOPS).clamp(1, most).min(groups);
        Self { shape, chunks }
    }

    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// How many calls of [`prepare`](Self::prepare) come first.
    pub fn prepare_chunks(&self) -> usize {
        self.shape.units.div_ceil(PANEL) + self.shape.features.div_ceil(PANEL)
    }

    /// How many calls of [`finish`](Self::finish) come last.
    pub fn finish_chunks(&self) -> usize {
        (self.chunks * self.weights() / FINISH_ELEMENTS).clamp(1, 16).min(self.shape.depth().max(1))
    }

    /// Bytes of scratch that all calls share: packed weights and the chunks' weight gradients.
    pub fn scratch<T>(&self) -> usize {
        self.scratch_elements() * size_of::<T>()
    }

    fn scratch_elements(&self) -> usize {
        self.packed() + self.chunks * self.weights()
    }

    /// Elements of the stacked weights.
    fn weights(&self) -> usize {
        self.shape.depth() * 4 * self.shape.units
    }

    /// Elements of the packed `recurrent^T` and `kernel^T`.
    fn packed(&self) -> usize {
        self.packed_recurrent() + 4 * self.shape.units * self.shape.features.next_multiple_of(PANEL_GRAIN)
    }

    fn packed_recurrent(&self) -> usize {
        4 * self.shape.units * self.shape.units.next_multiple_of(PANEL_GRAIN)
    }

    /// Packs one panel of a transposed weight matrix into the scratch.
    pub fn prepare<T: Recurrent>(
        &self,
        isa: Isa,
        chunk: usize,
        kernel: &[T],
        recurrent: &[T],
        scratch: Disjoint<'_, T>,
    ) {
        let LstmShape { features, units, .. } = self.shape;
        assert_eq!(kernel.len(), features * 4 * units, "kernel of {:?}", self.shape);
        assert_eq!(recurrent.len(), units * 4 * units, "recurrent kernel of {:?}", self.shape);
        let recurrent_panels = units.div_ceil(PANEL);
        let (matrix, first, start, rows) = if chunk < recurrent_panels {
            (recurrent, 0, chunk * PANEL, units)
        } else {
            (kernel, self.packed_recurrent(), (chunk - recurrent_panels) * PANEL, features)
        };
        let depth = 4 * units;
        let columns = (rows - start).min(PANEL);
        let width = columns.next_multiple_of(PANEL_GRAIN);
        let offset = first + start * depth;
        // SAFETY: every panel has its own range, which holds `depth` rows of its width; rows `start..start + columns` of
        // the matrix exist.
        unsafe {
            let to = scratch.range(offset..offset + depth * width);
            if depth > 0 {
                let from = matrix[start * depth..].as_ptr();
                pack_panel(isa, from, 1, depth, depth, columns, to.as_mut_ptr(), width);
            }
        }
    }

    /// Goes through one slice of the batch. `scratch` holds what [`prepare`](Self::prepare) packed.
    ///
    /// # Panics
    /// When a slice does not fit the shape.
    pub fn run<T: Recurrent>(
        &self,
        isa: Isa,
        chunk: usize,
        inputs: &LstmInputs<'_, T>,
        saved: &LstmSaved<'_, T>,
        gradients: &LstmGradients<'_, T>,
        scratch: Disjoint<'_, T>,
    ) {
        let shape = &self.shape;
        let LstmShape { batch, time, features, units, .. } = *shape;
        inputs.check(shape);
        assert_eq!(saved.outputs.len(), batch * time * units, "outputs of {shape:?}");
        assert_eq!(saved.gates.len(), batch * time * 4 * units, "gates of {shape:?}");
        assert_eq!(saved.cells.len(), batch * time * units, "cells of {shape:?}");
        assert!(saved.output_gradient.is_none_or(|g| g.len() == batch * time * units), "gradient of {shape:?}");
        assert!(scratch.len() >= self.scratch_elements(), "scratch of {shape:?}");
        let rows = even_part(batch, self.chunks, chunk);
        let start = self.packed() + chunk * self.weights();
        let x = own(gradients.x, &rows, time * features);
        // SAFETY: every chunk has its own weight gradient; the packed weights are only read now.
        let (weights, packed) = unsafe {
            (
                scratch.range(start..start + self.weights()),
                std::slice::from_raw_parts(scratch.as_ptr().cast_const(), self.packed()),
            )
        };
        if rows.is_empty() || units == 0 {
            weights.fill(T::ZERO);
            if let Some(x) = x {
                x.fill(T::ZERO);
            }
            return;
        }
        let count = rows.len();
        let kept_steps = (KEPT_ROWS / count).clamp(1, time.max(1));
        let (stacked_stride, z_stride) = (odd_stride(shape.depth()), odd_stride(4 * units));
        let needs_table = inputs.mask.is_some() && shape.zero_output_for_mask;
        let room = count * (kept_steps * (stacked_stride + z_stride) + 2 * units);
        workspace::with(if needs_table { count * time } else { 0 }, |last_seen: &mut [usize]| {
            for (row, table) in last_seen.chunks_exact_mut(time.max(1)).enumerate() {
                let mut seen = 0;
                for (step, entry) in table.iter_mut().enumerate() {
                    *entry = seen;
                    if !inputs.is_masked(shape, rows.start + row, step) {
                        seen = step + 1;
                    }
                }
            }
            workspace::with(room, |room: &mut [T]| {
                let (stacked, room) = room.split_at_mut(count * kept_steps * stacked_stride);
                let (z, room) = room.split_at_mut(count * kept_steps * z_stride);
                let (hidden_gradient, cell_gradient) = room.split_at_mut(count * units);
                let mut slice = Slice {
                    kernel: self,
                    isa,
                    rows,
                    inputs,
                    saved,
                    packed,
                    last_seen,
                    stacked_stride,
                    z_stride,
                    stacked,
                    z,
                    hidden_gradient,
                    cell_gradient,
                    weights,
                    x,
                };
                slice.run(kept_steps);
                if let Some(to) = own(gradients.initial_hidden, &slice.rows, units) {
                    to.copy_from_slice(slice.hidden_gradient);
                }
                if let Some(to) = own(gradients.initial_cell, &slice.rows, units) {
                    to.copy_from_slice(slice.cell_gradient);
                }
            });
        });
    }

    /// Adds the chunks' weight gradients in order.
    pub fn finish<T: Recurrent>(
        &self,
        isa: Isa,
        chunk: usize,
        gradients: &LstmWeightGradients<'_, T>,
        scratch: Disjoint<'_, T>,
    ) {
        let LstmShape { features, units, has_bias, .. } = self.shape;
        let width = 4 * units;
        let length = |gradient: Option<Disjoint<'_, T>>| gradient.map(|gradient| gradient.len());
        let fits = |length: Option<usize>, wanted: usize| length.is_none_or(|length| length == wanted);
        assert!(fits(length(gradients.kernel), features * width), "kernel gradient of {:?}", self.shape);
        assert!(fits(length(gradients.recurrent), units * width), "recurrent gradient of {:?}", self.shape);
        assert!(fits(length(gradients.bias), width), "bias gradient of {:?}", self.shape);
        assert!(has_bias || gradients.bias.is_none(), "bias gradient of {:?}", self.shape);
        assert!(scratch.len() >= self.scratch_elements(), "scratch of {:?}", self.shape);
        // SAFETY: all chunks are complete, so the scratch is only read now.
        let partial = unsafe {
            std::slice::from_raw_parts(scratch.as_ptr().cast_const().add(self.packed()), self.chunks * self.weights())
        };
        let bias = usize::from(has_bias);
        for row in part(self.shape.depth(), self.finish_chunks(), chunk, 1) {
            let (target, at) = if row < bias {
                (gradients.bias, 0)
            } else if row < bias + features {
                (gradients.kernel, row - bias)
            } else {
                (gradients.recurrent, row - bias - features)
            };
            let Some(target) = target else { continue };
            // SAFETY: every row belongs to one chunk.
            let to = unsafe { target.range(at * width..(at + 1) * width) };
            to.copy_from_slice(&partial[row * width..][..width]);
            for chunk in 1..self.chunks {
                add(isa, to, &partial[chunk * self.weights() + row * width..][..width]);
            }
        }
    }
}

/// One slice of the batch on its way back through time.
struct Slice<'a, T> {
    kernel: &'a LstmBackward,
    isa: Isa,
    rows: Range<usize>,
    inputs: &'a LstmInputs<'a, T>,
    saved: &'a LstmSaved<'a, T>,
    packed: &'a [T],
    /// `[rows, time]`: one more than the last step before this one that was not masked. Empty where outputs are states.
    last_seen: &'a [usize],
    stacked_stride: usize,
    z_stride: usize,
    /// `[kept steps, rows, stacked_stride]`: rows `[1, x, h]`.
    stacked: &'a mut [T],
    /// `[kept steps, rows, z_stride]`
    z: &'a mut [T],
    /// `[rows, units]` each
    hidden_gradient: &'a mut [T],
    cell_gradient: &'a mut [T],
    /// `[depth, 4 units]`
    weights: &'a mut [T],
    /// `[rows, time, features]`
    x: Option<&'a mut [T]>,
}

impl<T: Recurrent> Slice<'_, T> {
    fn run(&mut self, kept_steps: usize) {
        let shape = self.kernel.shape;
        initial(self.saved.last_hidden_gradient, &self.rows, self.hidden_gradient);
        initial(self.saved.last_cell_gradient, &self.rows, self.cell_gradient);
        let count = self.rows.len();
        let mut kept = 0;
        let mut flushed = false;
        // The steps that are kept, to know where their input gradients go.
        workspace::with(kept_steps, |steps: &mut [usize]| {
            for step in (0..shape.time).rev() {
                self.add_output_gradient(step);
                if self.inputs.mask.is_some() && self.rows.clone().all(|row| self.inputs.is_masked(&shape, row, step)) {
                    self.clear_input_gradient(step);
                    continue;
                }
                for row in 0..count {
                    self.step_row(kept, row, step);
                }
                self.hidden_product(kept);
                steps[kept] = step;
                kept += 1;
                if kept == kept_steps {
                    self.flush(&steps[..kept], flushed);
                    (kept, flushed) = (0, true);
                }
            }
            if kept > 0 || !flushed {
                self.flush(&steps[..kept], flushed);
            }
        });
    }

    /// `dh += dY`, but for masked steps that put out zeros.
    fn add_output_gradient(&mut self, step: usize) {
        let Some(gradient) = self.saved.output_gradient else { return };
        let LstmShape { time, units, zero_output_for_mask, .. } = self.kernel.shape;
        for (row, to) in self.rows.clone().zip(self.hidden_gradient.chunks_exact_mut(units)) {
            if !(zero_output_for_mask && self.inputs.is_masked(&self.kernel.shape, row, step)) {
                add(self.isa, to, &gradient[(row * time + step) * units..][..units]);
            }
        }
    }

    fn clear_input_gradient(&mut self, step: usize) {
        let shape = self.kernel.shape;
        if let Some(x) = &mut self.x {
            for row in 0..self.rows.len() {
                let at = (row * shape.time + shape.input_step(step)) * shape.features;
                x[at..at + shape.features].fill(T::ZERO);
            }
        }
    }

    /// dz and `[1, x, h]` of one row at one step.
    fn step_row(&mut self, kept: usize, row: usize, step: usize) {
        let shape = &self.kernel.shape;
        let LstmShape { time, features, units, .. } = *shape;
        let slot = kept * self.rows.len() + row;
        let z = &mut self.z[slot * self.z_stride..][..4 * units];
        let stacked = &mut self.stacked[slot * self.stacked_stride..][..shape.depth()];
        let batch_row = self.rows.start + row;
        if self.inputs.is_masked(shape, batch_row, step) {
            z.fill(T::ZERO);
            stacked.fill(T::ZERO);
            return;
        }
        let state = |step: usize| (batch_row * time + step) * units..(batch_row * time + step + 1) * units;
        let seen = self.last_seen.get(row * time + step).copied().unwrap_or(step);
        let previous_hidden = match (seen, self.inputs.initial_hidden) {
            (0, hidden) => hidden.map(|hidden| &hidden[batch_row * units..][..units]),
            (seen, _) => Some(&self.saved.outputs[state(seen - 1)]),
        };
        let (constant, rest) = stacked.split_at_mut(usize::from(shape.has_bias));
        constant.fill(T::ONE);
        let x = (batch_row * time + shape.input_step(step)) * features;
        rest[..features].copy_from_slice(&self.inputs.x[x..x + features]);
        match previous_hidden {
            Some(hidden) => rest[features..].copy_from_slice(hidden),
            None => rest[features..].fill(T::ZERO),
        }
        let gate_start = (batch_row * time + step) * 4 * units;
        let own = row * units..(row + 1) * units;
        gates::backward(
            self.isa,
            &mut gates::Backward {
                units,
                gates: &self.saved.gates[gate_start..gate_start + 4 * units],
                cell: &self.saved.cells[state(step)],
                previous_cell: match (step, self.inputs.initial_cell) {
                    (0, cell) => cell.map(|cell| &cell[batch_row * units..][..units]),
                    _ => Some(&self.saved.cells[state(step - 1)]),
                },
                hidden_gradient: &mut self.hidden_gradient[own.clone()],
                cell_gradient: &mut self.cell_gradient[own],
                z_gradient: z,
            },
        );
    }

    /// `dh += dz recurrent^T`. Rows that were not masked start from zero, the others have dz = 0.
    fn hidden_product(&mut self, kept: usize) {
        let units = self.kernel.shape.units;
        let count = self.rows.len();
        let z = self.z[kept * count * self.z_stride..].as_ptr();
        for start in (0..units).step_by(PANEL) {
            let columns = (units - start).min(PANEL);
            let a = Rows { start: z, row_stride: self.z_stride, column_stride: 1 };
            let panel = self.packed[start * 4 * units..].as_ptr();
            let width = columns.next_multiple_of(PANEL_GRAIN);
            let to = self.hidden_gradient[start..].as_mut_ptr();
            // SAFETY: dz has `count` rows of 4 units here, the panel 4 units rows of its width, dh `count` rows of units.
            unsafe { multiply(self.isa, count, 4 * units, columns, a, panel, width, to, units, true) };
        }
    }

    /// The weights' gradient, and the input's at `steps`, from all that was kept.
    fn flush(&mut self, steps: &[usize], accumulate: bool) {
        let shape = self.kernel.shape;
        let LstmShape { time, features, units, .. } = shape;
        let (depth, width, count) = (shape.depth(), 4 * units, self.rows.len());
        for column in (0..width).step_by(PANEL) {
            let columns = (width - column).min(PANEL);
            let a = Rows { start: self.stacked.as_ptr(), row_stride: 1, column_stride: self.stacked_stride };
            let z = self.z[column..].as_ptr();
            let to = self.weights[column..].as_mut_ptr();
            // SAFETY: `steps.len() * count` rows were kept, of `depth` and 4 units columns (dz's stride has room for the
            // last register); the gradient has `depth` rows of 4 units.
            unsafe {
                multiply(self.isa, depth, steps.len() * count, columns, a, z, self.z_stride, to, width, accumulate);
            }
        }
        let Some(x) = &mut self.x else { return };
        for start in (0..features).step_by(PANEL) {
            let columns = (features - start).min(PANEL);
            let panel = self.packed[self.kernel.packed_recurrent() + start * width..].as_ptr();
            for (slot, &step) in steps.iter().enumerate() {
                let z = self.z[slot * count * self.z_stride..].as_ptr();
                let a = Rows { start: z, row_stride: self.z_stride, column_stride: 1 };
                let to = x[shape.input_step(step) * features + start..].as_mut_ptr();
                // SAFETY: as for `hidden_product`; rows of dx are `time * features` apart.
                unsafe {
                    multiply(
                        self.isa,
                        count,
                        width,
                        columns,
                        a,
                        panel,
                        columns.next_multiple_of(PANEL_GRAIN),
                        to,
                        time * features,
                        false,
                    );
                }
            }
        }
    }
}
