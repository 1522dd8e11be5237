//! Gradients of a recurrent layer with respect to inputs, weights and initial state.
//!
//! With dz the gradient of z (see `gates`) and the products of `cell`:
//!
//! ```text
//! chunk = a slice of the batch, from the last step to the first
//!   for step, backwards
//!     dh += dY_t;  dz_t, dh, dc from what was saved
//!     if the reset gate acts before its product
//!       d(r h) = dz_t recurrent^T, of the candidate;  dz_t of the gate, dh += r d(r h)
//!     dh += dz_t recurrent^T                                 tile over packed panels
//!     keep dz_t and the stacked row
//!     every ~128 kept rows, while they are in L2
//!       for product: dW of the chunk += stacked^T dz         tile over the kept rows
//!       dx = dz kernel^T                                     tile over packed panels
//! finish: dW = sum of the chunks' dW, in order
//! ```
//!
//! Each chunk has a whole dW in the scratch, so the number of chunks is bounded by memory as well as by work. The
//! multiply-add units limit the speed. Masked steps have dz = 0 and hand dh and dc on as they are; a step that is masked
//! in the whole slice is skipped.

use std::ops::Range;

use super::Recurrent;
use super::cell::{Inputs, Product, Shape};
use super::forward::{TILE_ROWS, initial, own};
use super::gates;
use super::panels::{Rows, even_part, multiply, odd_stride};
use crate::cpu::disjoint::{Disjoint, part};
use crate::cpu::gemm::{PANEL, PANEL_GRAIN, add, pack_panel};
use crate::cpu::simd::{Isa, prefetch_all, prefetch_to_write};
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
pub struct Saved<'a, T> {
    /// `[batch, time, units]`, as the forward pass put them out.
    pub outputs: &'a [T],
    /// `[batch, time, saved units]`
    pub gates: &'a [T],
    /// `[batch, time, units]`; empty if the cell has no memory.
    pub memories: &'a [T],
    /// `[batch, time, units]`; zeros if absent.
    pub output_gradient: Option<&'a [T]>,
    /// `[batch, units]`; zeros if absent.
    pub last_hidden_gradient: Option<&'a [T]>,
    /// `[batch, units]`; zeros if absent.
    pub last_memory_gradient: Option<&'a [T]>,
}

/// What the chunks write.
#[derive(Clone, Copy)]
pub struct Gradients<'a, T> {
    /// `[batch, time, features]`
    pub x: Option<Disjoint<'a, T>>,
    /// `[batch, units]`
    pub initial_hidden: Option<Disjoint<'a, T>>,
    /// `[batch, units]`, of a cell that has a memory.
    pub initial_memory: Option<Disjoint<'a, T>>,
}

/// What `finish` writes, shaped as the weights; what is absent is not wanted.
#[derive(Clone, Copy)]
pub struct WeightGradients<'a, T> {
    pub kernel: Option<Disjoint<'a, T>>,
    pub recurrent: Option<Disjoint<'a, T>>,
    /// Only when the shape has a bias.
    pub bias: Option<Disjoint<'a, T>>,
}

/// The backward pass: all of `prepare`, then all of `run`, then all of `finish`.
#[derive(Clone, Debug)]
pub struct Backward {
    shape: Shape,
    chunks: usize,
}

/// A weight matrix of a product, transposed and packed in panels: `[gates of the product, rows]`.
struct Transposed {
    product: &'static Product,
    is_kernel: bool,
    /// Rows of the matrix, which are columns of the panels.
    rows: usize,
    /// Where the panels begin in the scratch.
    start: usize,
}

impl Transposed {
    fn panels(&self) -> usize {
        self.rows.div_ceil(PANEL)
    }
}

impl Backward {
    pub fn new(shape: Shape) -> Self {
        let mut kernel = Self { shape, chunks: 1 };
        let most = (PARTIAL_BYTES / (kernel.weights() * size_of::<f32>()).max(1)).clamp(2, MAX_CHUNKS);
        let groups = shape.batch.div_ceil(TILE_ROWS).max(1);
        kernel.chunks = (shape.flops() * 3 / CHUNK_FLOPS).clamp(1, most).min(groups);
        kernel
    }

    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// How many calls of [`prepare`](Self::prepare) come first.
    pub fn prepare_chunks(&self) -> usize {
        self.transposed().map(|matrix| matrix.panels()).sum()
    }

    /// How many calls of [`finish`](Self::finish) come last.
    pub fn finish_chunks(&self) -> usize {
        (self.chunks * self.weights() / FINISH_ELEMENTS).clamp(1, 16).min(self.shape.stacked().max(1))
    }

    /// Bytes of scratch that all calls share: packed weights and the chunks' weight gradients.
    pub fn scratch<T>(&self) -> usize {
        self.scratch_elements() * size_of::<T>()
    }

    fn scratch_elements(&self) -> usize {
        self.packed() + self.chunks * self.weights()
    }

    /// Elements of the products' stacked weights.
    fn weights(&self) -> usize {
        self.weights_before(self.shape.cell.products().len())
    }

    /// Elements of the stacked weights of the first `count` products.
    fn weights_before(&self, count: usize) -> usize {
        let products = self.shape.cell.products()[..count].iter();
        products.map(|product| self.shape.depth(product) * product.gates.len() * self.shape.units).sum()
    }

    fn transposed(&self) -> impl Iterator<Item = Transposed> {
        let Shape { cell, features, units, .. } = self.shape;
        let matrices = cell.products().iter().flat_map(move |product| {
            let kernel = product.kernel.then_some((product, true, features));
            kernel.into_iter().chain(product.recurrent.then_some((product, false, units)))
        });
        matrices.scan(0, move |next, (product, is_kernel, rows)| {
            let start = *next;
            *next += product.gates.len() * units * rows.next_multiple_of(PANEL_GRAIN);
            Some(Transposed { product, is_kernel, rows, start })
        })
    }

    /// Elements of the packed matrices.
    fn packed(&self) -> usize {
        let size = |m: Transposed| m.product.gates.len() * self.shape.units * m.rows.next_multiple_of(PANEL_GRAIN);
        self.transposed().map(size).sum()
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
        self.shape.check_weights(kernel, recurrent);
        let units = self.shape.units;
        let mut panel = chunk;
        for matrix in self.transposed() {
            if panel >= matrix.panels() {
                panel -= matrix.panels();
                continue;
            }
            let (row, whole) = (panel * PANEL, self.shape.width());
            let columns = (matrix.rows - row).min(PANEL);
            let width = columns.next_multiple_of(PANEL_GRAIN);
            let depth = matrix.product.gates.len() * units;
            let from = if matrix.is_kernel { kernel } else { recurrent };
            let offset = matrix.start + row * depth;
            // SAFETY: every panel has its own range, which holds `depth` rows of its width.
            let to = unsafe { scratch.range(offset..offset + depth * width) };
            if units > 0 {
                for (to, column) in to.chunks_exact_mut(units * width).zip(matrix.product.gates.clone()) {
                    let from = from[row * whole + self.shape.cell.gate(column) * units..].as_ptr();
                    // SAFETY: rows `row..row + columns` of the matrix exist, and in them the units of every gate.
                    unsafe { pack_panel(isa, from, 1, whole, units, columns, to.as_mut_ptr(), width) };
                }
            }
            return;
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
        inputs: &Inputs<'_, T>,
        saved: &Saved<'_, T>,
        gradients: &Gradients<'_, T>,
        scratch: Disjoint<'_, T>,
    ) {
        let shape = &self.shape;
        let Shape { cell, batch, time, features, units, .. } = *shape;
        inputs.check(shape);
        assert_eq!(saved.outputs.len(), batch * time * units, "outputs of {shape:?}");
        assert_eq!(saved.gates.len(), batch * time * cell.saved() * units, "gates of {shape:?}");
        assert_eq!(
            saved.memories.len(),
            if cell.has_memory() { batch * time * units } else { 0 },
            "memory of {shape:?}"
        );
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
        let (stacked_stride, z_stride) = (odd_stride(shape.stacked()), odd_stride(cell.columns() * units));
        let (kept_stacked, kept_z) = (count * kept_steps * stacked_stride, count * kept_steps * z_stride);
        let memory = if cell.has_memory() { count * units } else { 0 };
        let reset = if cell.has_two_stages() { count * units } else { 0 };
        // The last register of the last row of dz may reach beyond it.
        let room = kept_stacked + kept_z + PANEL_GRAIN + count * units + memory + reset;
        let needs_table = inputs.mask.is_some() && shape.zero_output_for_mask;
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
                let (stacked, room) = room.split_at_mut(kept_stacked);
                let (z, room) = room.split_at_mut(kept_z + PANEL_GRAIN);
                let (hidden_gradient, room) = room.split_at_mut(count * units);
                let (memory_gradient, reset_gradient) = room.split_at_mut(memory);
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
                    memory_gradient,
                    reset_gradient,
                    weights,
                    x,
                };
                slice.run(kept_steps);
                if let Some(to) = own(gradients.initial_hidden, &slice.rows, units) {
                    to.copy_from_slice(slice.hidden_gradient);
                }
                if let Some(to) = own(gradients.initial_memory, &slice.rows, units) {
                    to.copy_from_slice(slice.memory_gradient);
                }
            });
        });
    }

    /// Adds the chunks' weight gradients in order.
    pub fn finish<T: Recurrent>(
        &self,
        isa: Isa,
        chunk: usize,
        gradients: &WeightGradients<'_, T>,
        scratch: Disjoint<'_, T>,
    ) {
        let shape = &self.shape;
        let (units, whole) = (shape.units, shape.width());
        let fits = |to: Option<Disjoint<'_, T>>, wanted: usize| to.is_none_or(|to| to.len() == wanted);
        assert!(fits(gradients.kernel, shape.features * whole), "kernel gradient of {shape:?}");
        assert!(fits(gradients.recurrent, units * whole), "recurrent gradient of {shape:?}");
        assert!(fits(gradients.bias, shape.bias()), "bias gradient of {shape:?}");
        assert!(scratch.len() >= self.scratch_elements(), "scratch of {shape:?}");
        // SAFETY: all chunks are complete, so the scratch is only read now.
        let partial = unsafe {
            std::slice::from_raw_parts(scratch.as_ptr().cast_const().add(self.packed()), self.chunks * self.weights())
        };
        let all = shape.cell.products();
        for row in part(shape.stacked(), self.finish_chunks(), chunk, 1) {
            let index = (0..all.len()).find(|&index| row < shape.operand(index).end).unwrap_or(all.len() - 1);
            let product = &all[index];
            let at = row - shape.operand(index).start;
            let bias = product.bias.filter(|_| shape.has_bias);
            let ones = usize::from(bias.is_some());
            let features = usize::from(product.kernel) * shape.features;
            let (target, target_row) = match bias {
                Some(bias) if at == 0 => (gradients.bias, bias),
                _ if at < ones + features => (gradients.kernel, at - ones),
                _ => (gradients.recurrent, at - ones - features),
            };
            let Some(target) = target else { continue };
            let from = self.weights_before(index) + at * product.gates.len() * units;
            for (position, column) in product.gates.clone().enumerate() {
                let start = target_row * whole + shape.cell.gate(column) * units;
                // SAFETY: a row of the stacked weights belongs to one chunk, and no two products share a gate of a row.
                let to = unsafe { target.range(start..start + units) };
                let from = from + position * units;
                to.copy_from_slice(&partial[from..from + units]);
                for chunk in 1..self.chunks {
                    add(isa, to, &partial[chunk * self.weights() + from..][..units]);
                }
            }
        }
    }
}

/// One slice of the batch on its way back through time.
struct Slice<'a, T> {
    kernel: &'a Backward,
    isa: Isa,
    rows: Range<usize>,
    inputs: &'a Inputs<'a, T>,
    saved: &'a Saved<'a, T>,
    packed: &'a [T],
    /// `[rows, time]`: one more than the last step before this one that was not masked. Empty where outputs are states.
    last_seen: &'a [usize],
    stacked_stride: usize,
    z_stride: usize,
    /// `[kept steps, rows, stacked_stride]`
    stacked: &'a mut [T],
    /// `[kept steps, rows, z_stride]`
    z: &'a mut [T],
    /// `[rows, units]` each, the last two where the cell has such
    hidden_gradient: &'a mut [T],
    memory_gradient: &'a mut [T],
    reset_gradient: &'a mut [T],
    /// The products' weights, one after the other.
    weights: &'a mut [T],
    /// `[rows, time, features]`
    x: Option<&'a mut [T]>,
}

impl<T: Recurrent> Slice<'_, T> {
    fn run(&mut self, kept_steps: usize) {
        let shape = self.kernel.shape;
        initial(self.saved.last_hidden_gradient, &self.rows, self.hidden_gradient);
        if shape.cell.has_memory() {
            initial(self.saved.last_memory_gradient, &self.rows, self.memory_gradient);
        }
        let count = self.rows.len();
        let mut kept = 0;
        let mut flushed = false;
        // The steps that are kept, to know where their input gradients go.
        workspace::with(kept_steps, |steps: &mut [usize]| {
            for step in (0..shape.time).rev() {
                self.add_output_gradient(step);
                if self.inputs.mask.is_some() && (0..count).all(|row| self.is_masked(row, step)) {
                    self.clear_input_gradient(step);
                    continue;
                }
                for row in 0..count {
                    self.fetch(row, step);
                    self.step_row(kept, row, step);
                }
                if shape.cell.has_two_stages() {
                    self.reset_product(kept, step);
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

    fn is_masked(&self, row: usize, step: usize) -> bool {
        self.inputs.is_masked(&self.kernel.shape, self.rows.start + row, step)
    }

    /// `dh += dY`, but for masked steps that put out zeros.
    fn add_output_gradient(&mut self, step: usize) {
        let Some(gradient) = self.saved.output_gradient else { return };
        let Shape { time, units, zero_output_for_mask, .. } = self.kernel.shape;
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

    /// Asks for what a row reads in the step before `step`, which comes next. Rows are far apart in memory, and too many for the
    /// processor to guess.
    fn fetch(&self, row: usize, step: usize) {
        let Shape { cell, time, features, units, .. } = self.kernel.shape;
        let Some(before) = step.checked_sub(1) else { return };
        let at = (self.rows.start + row) * time + before;
        let saved = cell.saved() * units;
        prefetch_all(&self.saved.gates[at * saved..][..saved]);
        prefetch_all(
            &self.inputs.x[((self.rows.start + row) * time + self.kernel.shape.input_step(before)) * features..]
                [..features],
        );
        if before > 0 {
            prefetch_all(&self.saved.outputs[(at - 1) * units..][..units]);
        }
        if cell.has_memory() && before > 0 {
            prefetch_all(&self.saved.memories[(at - 1) * units..][..units]);
        }
        if let Some(gradient) = self.saved.output_gradient {
            prefetch_all(&gradient[at * units..][..units]);
        }
        if let Some(x) = &self.x {
            let to = row * time + self.kernel.shape.input_step(before);
            prefetch_to_write(&x[to * features..][..features]);
        }
    }

    /// dz and the stacked row of one row at one step, but for what waits for `r h`.
    fn step_row(&mut self, kept: usize, row: usize, step: usize) {
        let shape = &self.kernel.shape;
        let Shape { cell, time, features, units, .. } = *shape;
        let masked = self.is_masked(row, step);
        let slot = kept * self.rows.len() + row;
        let z = &mut self.z[slot * self.z_stride..][..cell.columns() * units];
        let stacked = &mut self.stacked[slot * self.stacked_stride..][..shape.stacked()];
        if masked {
            z.fill(T::ZERO);
            stacked.fill(T::ZERO);
            return;
        }
        let batch_row = self.rows.start + row;
        let state = |step: usize| (batch_row * time + step) * units..(batch_row * time + step + 1) * units;
        let x = (batch_row * time + shape.input_step(step)) * features;
        shape.stack_input(stacked, &self.inputs.x[x..x + features]);
        let previous = &mut stacked[shape.hidden_columns()];
        let seen = self.last_seen.get(row * time + step).copied().unwrap_or(step);
        match (seen, self.inputs.initial_hidden) {
            (0, Some(hidden)) => previous.copy_from_slice(&hidden[batch_row * units..][..units]),
            (0, None) => previous.fill(T::ZERO),
            (seen, _) => previous.copy_from_slice(&self.saved.outputs[state(seen - 1)]),
        }
        let own = row * units..(row + 1) * units;
        let (memory, previous_memory, memory_gradient) = if cell.has_memory() {
            let previous = match (step, self.inputs.initial_memory) {
                (0, memory) => memory.map(|memory| &memory[batch_row * units..][..units]),
                _ => Some(&self.saved.memories[state(step - 1)]),
            };
            (&self.saved.memories[state(step)], previous, &mut self.memory_gradient[own.clone()])
        } else {
            (&[][..], None, &mut [][..])
        };
        let saved = cell.saved() * units;
        let pass = gates::Backward {
            gates: &self.saved.gates[(batch_row * time + step) * saved..][..saved],
            memory,
            previous_memory,
            hidden: &self.saved.outputs[state(step)],
            previous,
            hidden_gradient: &mut self.hidden_gradient[own],
            memory_gradient,
            z_gradient: z,
        };
        gates::backward(self.isa, cell, pass);
    }

    /// The gradient of `r h`, and through it that of the reset gate and of `h`.
    fn reset_product(&mut self, kept: usize, step: usize) {
        let shape = self.kernel.shape;
        let Shape { time, units, .. } = shape;
        for matrix in self.kernel.transposed().filter(|matrix| matrix.product.resets) {
            let to = self.reset_gradient.as_mut_ptr();
            // SAFETY: `r h` has `rows` rows of units.
            unsafe { self.through(&matrix, kept, to, units, false) };
        }
        let reset_columns = shape.operand(2);
        for row in (0..self.rows.len()).filter(|&row| !self.inputs.is_masked(&shape, self.rows.start + row, step)) {
            let slot = kept * self.rows.len() + row;
            let saved = ((self.rows.start + row) * time + step) * 3 * units;
            let own = row * units..(row + 1) * units;
            let stacked = &mut self.stacked[slot * self.stacked_stride..][..shape.stacked()];
            let (stacked, reset) = stacked.split_at_mut(reset_columns.start);
            let pass = gates::ResetBackward {
                gate: &self.saved.gates[saved + units..saved + 2 * units],
                previous: &stacked[shape.hidden_columns()],
                reset_gradient: &self.reset_gradient[own.clone()],
                reset,
                hidden_gradient: &mut self.hidden_gradient[own],
                z_gradient: &mut self.z[slot * self.z_stride + units..][..units],
            };
            gates::reset_backward(self.isa, pass);
        }
    }

    /// `dh += dz recurrent^T`: what goes past the products is there already, and the dz of masked rows is 0.
    fn hidden_product(&mut self, kept: usize) {
        for matrix in self.kernel.transposed().filter(|matrix| !matrix.is_kernel && !matrix.product.resets) {
            let to = self.hidden_gradient.as_mut_ptr();
            // SAFETY: dh has `rows` rows of units.
            unsafe { self.through(&matrix, kept, to, self.kernel.shape.units, true) };
        }
    }

    /// `to (+)= dz matrix^T` for the rows of one kept step.
    ///
    /// # Safety
    /// `to` has this slice's rows, `stride` apart, of as many columns as the matrix has rows, which nobody else uses.
    unsafe fn through(&self, matrix: &Transposed, kept: usize, to: *mut T, stride: usize, accumulate: bool) {
        let count = self.rows.len();
        let units = self.kernel.shape.units;
        let depth = matrix.product.gates.len() * units;
        let z = self.z[kept * count * self.z_stride + matrix.product.gates.start * units..].as_ptr();
        let a = Rows { start: z, row_stride: self.z_stride, column_stride: 1 };
        for row in (0..matrix.rows).step_by(PANEL) {
            let columns = (matrix.rows - row).min(PANEL);
            let panel = self.packed[matrix.start + row * depth..].as_ptr();
            let width = columns.next_multiple_of(PANEL_GRAIN);
            // SAFETY: dz has `count` rows of the product's gates, the panel `depth` rows of its width; `to` by this
            // function's contract.
            unsafe { multiply(self.isa, count, depth, columns, a, panel, width, to.add(row), stride, accumulate) };
        }
    }

    /// The weights' gradient, and the input's at `steps`, from all that was kept.
    fn flush(&mut self, steps: &[usize], accumulate: bool) {
        let shape = self.kernel.shape;
        let Shape { time, features, units, .. } = shape;
        let kept = steps.len() * self.rows.len();
        for (index, product) in shape.cell.products().iter().enumerate() {
            let (operand, width) = (shape.operand(index), product.gates.len() * units);
            if operand.is_empty() {
                continue;
            }
            let weights = &mut self.weights[self.kernel.weights_before(index)..][..operand.len() * width];
            let stacked = self.stacked[operand.start..].as_ptr();
            let a = Rows { start: stacked, row_stride: 1, column_stride: self.stacked_stride };
            for column in (0..width).step_by(PANEL) {
                let columns = (width - column).min(PANEL);
                let z = self.z[product.gates.start * units + column..].as_ptr();
                let to = weights[column..].as_mut_ptr();
                // SAFETY: `kept` rows were kept, of the operand's columns and of dz (with room for a register behind the
                // last); the gradient has a row of `width` for each column of the operand.
                unsafe { multiply(self.isa, operand.len(), kept, columns, a, z, self.z_stride, to, width, accumulate) };
            }
        }
        let Some(x) = self.x.take() else { return };
        for matrix in self.kernel.transposed().filter(|matrix| matrix.is_kernel && matrix.rows > 0) {
            for (slot, &step) in steps.iter().enumerate() {
                let to = x[shape.input_step(step) * features..].as_mut_ptr();
                // SAFETY: rows of dx are `time * features` apart, and this step's has room for all features.
                unsafe { self.through(&matrix, slot, to, time * features, false) };
            }
        }
        self.x = Some(x);
    }
}
