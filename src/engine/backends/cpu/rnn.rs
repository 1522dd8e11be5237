//! Recurrent layers.

use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::rnn::{Backward, Forward, Gradients, Inputs, Outputs, Saved, Shape, WeightGradients};
use ironhorn_kernels::cpu::simd::Isa;

use super::{Cost, Io, Lowered, Lowering, Prepare, floats};
use crate::core::{Result, Spec};
use crate::ops::rnn::sequence::{HIDDEN, Recurrence, Sequence, SequenceGradient, X};

fn geometry<R: Recurrence>(op: &Sequence<R>, inputs: &[Spec]) -> Result<Shape> {
    let (x, recurrent) = (inputs[X].shape.concrete()?, inputs[op.recurrent()].shape.concrete()?);
    Ok(Shape {
        cell: op.cell(),
        batch: x[0],
        time: x[1],
        features: x[2],
        units: recurrent[0],
        has_bias: op.has_bias,
        go_backwards: op.go_backwards,
        zero_output_for_mask: op.zero_output_for_mask,
    })
}

/// Operations of the products, `passes` times over, and bytes of all operands.
fn cost(shape: &Shape, inputs: &[Spec], outputs: &[Spec], passes: f64) -> Result<Cost> {
    let multiply_adds = shape.batch * shape.time * shape.width() * (shape.features + shape.units);
    let mut bytes = 0.0;
    for spec in inputs.iter().chain(outputs) {
        bytes += spec.bytes()? as f64;
    }
    Ok(Cost { flops: 2.0 * multiply_adds as f64 * passes, bytes })
}

/// Which operands the kernels read, and how long they are.
#[derive(Clone, Copy)]
struct Operands {
    shape: Shape,
    memory: Option<usize>,
    kernel: usize,
    recurrent: usize,
    bias: Option<usize>,
    mask: Option<usize>,
}

impl Operands {
    fn new<R: Recurrence>(op: &Sequence<R>, specs: &[Spec]) -> Result<Self> {
        let shape = geometry(op, specs)?;
        let (kernel, recurrent) = (op.kernel(), op.recurrent());
        Ok(Operands { shape, memory: op.memory(), kernel, recurrent, bias: op.bias(), mask: op.mask() })
    }

    fn state(&self) -> usize {
        self.shape.batch * self.shape.units
    }

    fn sequence(&self) -> usize {
        self.state() * self.shape.time
    }

    fn x(&self) -> usize {
        self.shape.batch * self.shape.time * self.shape.features
    }

    /// The operands that both directions read.
    ///
    /// # Safety
    /// As for `Kernel::run`, for a kernel lowered from an op of this shape.
    unsafe fn inputs<'a, T>(&self, io: &'a Io) -> Inputs<'a, T> {
        // SAFETY: by this function's contract; a boolean is a byte.
        unsafe {
            Inputs {
                x: io.input(X, self.x()),
                mask: self.mask.map(|mask| io.input(mask, self.shape.batch * self.shape.time)),
                initial_hidden: Some(io.input(HIDDEN, self.state())),
                initial_memory: self.memory.map(|memory| io.input(memory, self.state())),
            }
        }
    }

    /// Kernel and recurrent kernel.
    ///
    /// # Safety
    /// As for `inputs`.
    unsafe fn weights<'a, T>(&self, io: &'a Io) -> (&'a [T], &'a [T]) {
        let Shape { features, units, .. } = self.shape;
        // SAFETY: by this function's contract.
        unsafe {
            (io.input(self.kernel, features * self.shape.width()), io.input(self.recurrent, units * self.shape.width()))
        }
    }
}

/// Output `index` as `length` elements, where there is such an output and somebody reads it.
///
/// # Safety
/// As for [`Io::output`].
unsafe fn wanted<T>(io: &Io, index: Option<usize>, length: usize) -> Option<Disjoint<'_, T>> {
    // SAFETY: by this function's contract.
    index.filter(|&index| io.wants(index)).map(|index| unsafe { io.output(index, length) })
}

pub fn forward<R: Recurrence>(isa: Isa, op: &Sequence<R>, specs: &[Spec], outputs: &[Spec]) -> Lowering {
    let operands = Operands::new(op, specs)?;
    let shape = operands.shape;
    let last_memory = operands.memory;
    let (gates, memories) = (op.gates(), op.memories());
    let kernel = Forward::new(shape);
    let cost = cost(&shape, specs, outputs, 1.0)?;
    floats!(outputs[0].dtype, T => {
        let (packing, chunks) = (kernel.prepare_chunks(), kernel.chunks());
        // Packed weights are cut by features and units.
        let inputs = [operands.kernel, operands.recurrent].into_iter().chain(operands.bias).collect();
        let prepare = Prepare { inputs, phases: 1, bytes: kernel.scratch::<T>(), layout: Vec::new() };
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                if phase == 0 {
                    let (weights, recurrent) = operands.weights::<T>(io);
                    let bias = operands.bias.map(|bias| io.input::<T>(bias, shape.bias()));
                    kernel.prepare(chunk, weights, recurrent, bias, io.prepared::<T>());
                } else {
                    let (state, sequence) = (operands.state(), operands.sequence());
                    let outputs = Outputs {
                        outputs: wanted::<T>(io, Some(0), sequence),
                        last_hidden: wanted(io, Some(1), state),
                        last_memory: wanted(io, last_memory, state),
                        gates: wanted(io, gates, shape.cell.saved() * sequence),
                        memories: wanted(io, memories, sequence),
                    };
                    kernel.run(isa, chunk, &operands.inputs(io), &outputs, io.prepared::<T>());
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(packing, run).then(chunks).prepare(prepare).cost(cost)))
    })
}

pub fn backward<R: Recurrence>(isa: Isa, op: &SequenceGradient<R>, specs: &[Spec], outputs: &[Spec]) -> Lowering {
    let operands = Operands::new(&op.sequence, specs)?;
    let shape = operands.shape;
    let saved: Vec<usize> = op.sequence.saved().collect();
    let operand_of = |output: Option<usize>| {
        output.and_then(|output| saved.iter().position(|&saved| saved == output)).map(|place| op.saved() + place)
    };
    let (first, gates, memories) = (op.saved(), operand_of(op.sequence.gates()), operand_of(op.sequence.memories()));
    let given = [0, 1, 2].map(|i| op.gradient(i));
    let kernel = Backward::new(shape);
    let cost = cost(&shape, specs, outputs, 2.0)?;
    floats!(outputs[0].dtype, T => {
        let (prepare, chunks, finish) = (kernel.prepare_chunks(), kernel.chunks(), kernel.finish_chunks());
        let scratch = kernel.scratch::<T>();
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                match phase {
                    0 => {
                        let (weights, recurrent) = operands.weights::<T>(io);
                        kernel.prepare(isa, chunk, weights, recurrent, io.scratch::<T>());
                    }
                    1 => {
                        let (state, sequence) = (operands.state(), operands.sequence());
                        let saved = Saved {
                            outputs: io.input::<T>(first, sequence),
                            gates: gates.map_or(&[], |i| io.input(i, shape.cell.saved() * sequence)),
                            memories: memories.map_or(&[], |i| io.input(i, sequence)),
                            output_gradient: given[0].map(|i| io.input(i, sequence)),
                            last_hidden_gradient: given[1].map(|i| io.input(i, state)),
                            last_memory_gradient: given[2].map(|i| io.input(i, state)),
                        };
                        let gradients = Gradients {
                            x: wanted::<T>(io, Some(X), operands.x()),
                            initial_hidden: wanted(io, Some(HIDDEN), state),
                            initial_memory: wanted(io, operands.memory, state),
                        };
                        kernel.run(isa, chunk, &operands.inputs(io), &saved, &gradients, io.scratch::<T>());
                    }
                    _ => {
                        let gradients = WeightGradients {
                            kernel: wanted::<T>(io, Some(operands.kernel), shape.features * shape.width()),
                            recurrent: wanted(io, Some(operands.recurrent), shape.units * shape.width()),
                            bias: wanted(io, operands.bias, shape.bias()),
                        };
                        kernel.finish(isa, chunk, &gradients, io.scratch::<T>());
                    }
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(prepare, run).then(chunks).then(finish).scratch(scratch).cost(cost)))
    })
}
