//! Calls of the host program: inputs are copied out of the plan's memory, because the host may keep what it is given, and
//! results are copied in. One chunk.

use super::lowered::Lowered;
use super::{Lowering, streaming};
use crate::core::{Array, Result, Spec};
use crate::ops::control::host_call::HostCall;

pub fn call(op: &HostCall, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let sizes = inputs.iter().map(|spec| Ok((spec.shape.concrete()?, spec.bytes()?))).collect::<Result<Vec<_>>>()?;
    let types: Vec<_> = inputs.iter().map(|spec| spec.dtype).collect();
    let cost = streaming(inputs, outputs, 0.0)?;
    let op = HostCall { function: op.function.clone(), outputs: outputs.to_vec() };
    let kernel = Lowered::new(1, move |_, _, io| {
        let given = sizes.iter().zip(&types).enumerate().map(|(i, ((sizes, bytes), &dtype))| {
            // SAFETY: by the contract of `Kernel::run` the input has the planned size.
            Array::from_bytes(sizes, dtype, unsafe { io.input::<u8>(i, *bytes) })
        });
        let made = op.function.0.call(given.collect::<Result<Vec<_>>>()?)?;
        op.check(&made)?;
        for (i, array) in made.iter().enumerate().filter(|(i, _)| io.wants(*i)) {
            let bytes = array.storage().bytes();
            // SAFETY: by the contract of `Kernel::run` the output has the planned size, which `check` found the array to
            // have, and nobody else writes it; the array is memory of its own.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), io.outputs[i], bytes.len()) };
        }
        Ok(())
    });
    Ok(Some(kernel.cost(cost)))
}
