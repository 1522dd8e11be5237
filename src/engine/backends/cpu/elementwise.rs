//! Elementwise ops and chains, on the elementwise machine.

use ironhorn_kernels::cpu::cast;
use ironhorn_kernels::cpu::elementwise::{Elementwise as Machine, Program, Register};
use ironhorn_kernels::cpu::simd::Isa;

use super::{Lowered, Lowering, element, streaming};
use crate::core::{Error, Result, Spec};
use crate::ops::elementwise::{Elementwise, Fused, StepRule};

/// The strides in elements of an operand broadcast to `shape`: 0 where it repeats.
pub fn broadcast_strides(operand: &[usize], shape: &[usize]) -> Vec<isize> {
    let lead = shape.len() - operand.len();
    let mut strides = vec![0; shape.len()];
    let mut stride = 1;
    for axis in (0..operand.len()).rev() {
        if operand[axis] != 1 {
            strides[lead + axis] = stride;
        }
        stride *= operand[axis] as isize;
    }
    strides
}

pub fn lower(isa: Isa, op: &Elementwise, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    machine(isa, inputs, outputs, |program, registers| Ok(vec![program.apply(op.rule, registers)?]))
}

pub fn lower_fused(isa: Isa, op: &Fused, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    machine(isa, inputs, outputs, |program, registers| {
        let mut values = registers.to_vec();
        for step in &op.steps {
            let operands: Vec<Register> = step.operands.iter().map(|&operand| values[operand]).collect();
            values.push(match step.rule {
                StepRule::Scalar(rule) => {
                    let result = program.apply(rule, &operands)?;
                    // Sixteen-bit floats round after every op, as they do when ops run one by one.
                    if program.element(result) == element(step.dtype) {
                        result
                    } else {
                        program.cast(result, element(step.dtype))
                    }
                }
                StepRule::Cast => program.cast(operands[0], element(step.dtype)),
            });
        }
        Ok(op.outputs.iter().map(|&out| values[out]).collect())
    })
}

fn machine(
    isa: Isa,
    inputs: &[Spec],
    outputs: &[Spec],
    write: impl FnOnce(&mut Program, &[Register]) -> std::result::Result<Vec<Register>, String>,
) -> Lowering {
    let shape = outputs[0].shape.concrete()?;
    let mut program = Program::default();
    let registers: Vec<Register> = inputs.iter().map(|input| program.operand(element(input.dtype))).collect();
    let results = write(&mut program, &registers).map_err(Error::Internal)?;
    for (register, output) in results.iter().zip(outputs) {
        program.output(*register, element(output.dtype)).map_err(Error::Internal)?;
    }
    let strides = inputs
        .iter()
        .map(|input| Ok(broadcast_strides(&input.shape.concrete()?, &shape)))
        .collect::<Result<Vec<_>>>()?;
    let machine = Machine::new(program, &shape, &strides).map_err(Error::Unsupported)?;
    // Of several results, one may be stored before another's operands are read.
    let in_place = (0..inputs.len())
        .filter(|&i| outputs.len() == 1 && inputs[i].shape == outputs[0].shape && inputs[i].dtype == outputs[0].dtype)
        .collect();
    let cost = streaming(inputs, outputs, 1.0)?;
    let chunks = machine.chunks();
    let run = move |_: usize, chunk: usize, io: &super::Io| {
        // SAFETY: by the contract of `Kernel::run` operands and outputs have the planned sizes; the plan lets an output share
        // memory only with an input of the same shape and type, whole.
        unsafe { machine.run(isa, chunk, &io.inputs, &io.outputs) };
        Ok(())
    };
    Ok(Some(Lowered::new(chunks, run).cost(cost).in_place(in_place)))
}

pub fn lower_cast(inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let kernel = cast::Cast::new(element(inputs[0].dtype), element(outputs[0].dtype), inputs[0].shape.elements()?);
    let run = move |_: usize, chunk: usize, io: &super::Io| {
        // SAFETY: by the contract of `Kernel::run`; the output never shares the input's memory.
        unsafe { kernel.run(chunk, io.inputs[0], io.outputs[0]) };
        Ok(())
    };
    Ok(Some(Lowered::new(kernel.chunks(), run).cost(streaming(inputs, outputs, 1.0)?)))
}

/// A copy, in pieces for the threads.
pub fn lower_bitcast(inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    const PIECE: usize = 1 << 18;
    let bytes = inputs[0].bytes()?;
    let run = move |_: usize, chunk: usize, io: &super::Io| {
        let start = chunk * PIECE;
        // SAFETY: by the contract of `Kernel::run` both sides hold `bytes` bytes and do not share memory.
        unsafe {
            let (from, to) = (io.inputs[0].add(start), io.outputs[0].add(start));
            std::ptr::copy_nonoverlapping(from, to, PIECE.min(bytes - start));
        }
        Ok(())
    };
    Ok(Some(Lowered::new(bytes.div_ceil(PIECE), run).cost(streaming(inputs, outputs, 1.0)?)))
}
