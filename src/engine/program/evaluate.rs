//! Runs a small program at once on this thread: constant folding, and the test oracle for plans that run in parallel.

use super::Program;
use super::plan::{Memory, Plan};
use crate::core::{Array, Result, Storage};
use crate::ops::Op;

/// Applies one op to arrays.
pub fn evaluate_op(op: &Op, inputs: &[Array]) -> Result<Vec<Array>> {
    let specs: Vec<_> = inputs.iter().map(Array::spec).collect();
    evaluate(&Program::of_op(op.clone(), &specs)?, inputs)
}

/// Runs a program that has no variables.
pub fn evaluate(program: &Program, inputs: &[Array]) -> Result<Vec<Array>> {
    let sizes: Vec<Vec<usize>> = inputs.iter().map(|input| input.sizes().to_vec()).collect();
    let plan = Plan::new(program, &sizes)?;
    let arena = Storage::zeroed(plan.arena_bytes)?;
    let outputs = new_outputs(&plan)?;
    let input_addresses: Vec<*const u8> = inputs.iter().map(Array::as_ptr).collect();
    let output_addresses: Vec<*mut u8> = outputs.iter().map(|output| output.as_ptr().cast_mut()).collect();
    let memory = Memory {
        inputs: &input_addresses,
        variables: &[],
        outputs: &output_addresses,
        prepared: &[],
        arena: arena.as_ptr(),
    };
    let mut ios = Vec::new();
    plan.resolve(&memory, &mut ios);
    // SAFETY: the arena and the fresh outputs have the planned sizes and no other user; inputs are only read.
    unsafe { plan.run_here(&ios, || false)? };
    Ok(outputs)
}

/// Arrays for a plan's outputs.
pub fn new_outputs(plan: &Plan) -> Result<Vec<Array>> {
    plan.outputs.iter().map(|spec| Array::zeros(&spec.shape.concrete()?, spec.dtype)).collect()
}
