//! Recurrent layers.

use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::rnn::{
    Lstm as Forward, LstmBackward, LstmGradients, LstmInputs, LstmOutputs, LstmSaved, LstmShape, LstmWeightGradients,
};
use ironhorn_kernels::cpu::simd::Isa;

use super::{Cost, Io, Lowered, Lowering, floats};
use crate::core::{Result, Spec};
use crate::ops::rnn::lstm::{BIAS, C, H, KERNEL, Lstm, LstmGrad, RECURRENT, X};

fn geometry(op: &Lstm, inputs: &[Spec]) -> Result<LstmShape> {
    let (x, recurrent) = (inputs[X].shape.concrete()?, inputs[RECURRENT].shape.concrete()?);
    Ok(LstmShape {
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
fn cost(shape: &LstmShape, inputs: &[Spec], outputs: &[Spec], passes: f64) -> Result<Cost> {
    let multiply_adds = shape.batch * shape.time * 4 * shape.units * (shape.features + shape.units);
    let mut bytes = 0.0;
    for spec in inputs.iter().chain(outputs) {
        bytes += spec.bytes()? as f64;
    }
    Ok(Cost { flops: 2.0 * multiply_adds as f64 * passes, bytes })
}

/// The operands that both directions read.
///
/// # Safety
/// As for `Kernel::run`, for a kernel lowered from an `lstm` of this shape.
unsafe fn inputs<'a, T>(io: &'a Io, shape: &LstmShape, mask: Option<usize>) -> LstmInputs<'a, T> {
    let LstmShape { batch, time, features, units, .. } = *shape;
    // SAFETY: by this function's contract; a boolean is a byte.
    unsafe {
        LstmInputs {
            x: io.input(X, batch * time * features),
            mask: mask.map(|mask| io.input(mask, batch * time)),
            initial_hidden: Some(io.input(H, batch * units)),
            initial_cell: Some(io.input(C, batch * units)),
        }
    }
}

/// Output `index` as `length` elements, where somebody reads it.
///
/// # Safety
/// As for [`Io::output`].
unsafe fn wanted<T>(io: &Io, index: usize, length: usize) -> Option<Disjoint<'_, T>> {
    // SAFETY: by this function's contract.
    io.wants(index).then(|| unsafe { io.output(index, length) })
}

pub fn lstm(isa: Isa, op: &Lstm, specs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(op, specs)?;
    let LstmShape { batch, time, features, units, .. } = shape;
    let mask = op.mask();
    let kernel = Forward::new(shape);
    let cost = cost(&shape, specs, outputs, 1.0)?;
    floats!(outputs[0].dtype, T => {
        let (prepare, chunks, scratch) = (kernel.prepare_chunks(), kernel.chunks(), kernel.scratch::<T>());
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                if phase == 0 {
                    let weights = io.input::<T>(KERNEL, features * 4 * units);
                    let recurrent = io.input::<T>(RECURRENT, units * 4 * units);
                    let bias = shape.has_bias.then(|| io.input::<T>(BIAS, 4 * units));
                    kernel.prepare(chunk, weights, recurrent, bias, io.scratch::<T>());
                } else {
                    let outputs = LstmOutputs {
                        outputs: wanted::<T>(io, 0, batch * time * units),
                        last_hidden: wanted(io, 1, batch * units),
                        last_cell: wanted(io, 2, batch * units),
                        gates: wanted(io, 3, batch * time * 4 * units),
                        cells: wanted(io, 4, batch * time * units),
                    };
                    kernel.run(isa, chunk, &inputs(io, &shape, mask), &outputs, io.scratch::<T>());
                }
            }
            Ok(())
        };
        Ok(Some(Lowered::new(prepare, run).then(chunks).scratch(scratch).cost(cost)))
    })
}

pub fn lstm_grad(isa: Isa, op: &LstmGrad, specs: &[Spec], outputs: &[Spec]) -> Lowering {
    let shape = geometry(&op.lstm, specs)?;
    let LstmShape { batch, time, features, units, .. } = shape;
    let (mask, saved) = (op.lstm.mask(), op.lstm.inputs());
    let given = [0, 1, 2].map(|i| op.gradient(i));
    let kernel = LstmBackward::new(shape);
    let cost = cost(&shape, specs, outputs, 2.0)?;
    floats!(outputs[0].dtype, T => {
        let (prepare, chunks, finish) = (kernel.prepare_chunks(), kernel.chunks(), kernel.finish_chunks());
        let scratch = kernel.scratch::<T>();
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                match phase {
                    0 => {
                        let weights = io.input::<T>(KERNEL, features * 4 * units);
                        let recurrent = io.input::<T>(RECURRENT, units * 4 * units);
                        kernel.prepare(isa, chunk, weights, recurrent, io.scratch::<T>());
                    }
                    1 => {
                        let saved = LstmSaved {
                            outputs: io.input::<T>(saved, batch * time * units),
                            gates: io.input(saved + 1, batch * time * 4 * units),
                            cells: io.input(saved + 2, batch * time * units),
                            output_gradient: given[0].map(|i| io.input(i, batch * time * units)),
                            last_hidden_gradient: given[1].map(|i| io.input(i, batch * units)),
                            last_cell_gradient: given[2].map(|i| io.input(i, batch * units)),
                        };
                        let gradients = LstmGradients {
                            x: wanted::<T>(io, X, batch * time * features),
                            initial_hidden: wanted(io, H, batch * units),
                            initial_cell: wanted(io, C, batch * units),
                        };
                        kernel.run(isa, chunk, &inputs(io, &shape, mask), &saved, &gradients, io.scratch::<T>());
                    }
                    _ => {
                        let gradients = LstmWeightGradients {
                            kernel: wanted::<T>(io, KERNEL, features * 4 * units),
                            recurrent: wanted(io, RECURRENT, units * 4 * units),
                            bias: if shape.has_bias { wanted(io, BIAS, 4 * units) } else { None },
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
