//! Ops on arrays, at once: plans of one op, kept by op and specs.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::cancel::Interrupt;
use super::executor::{Task, run};
use crate::core::{Array, Result, Spec};
use crate::ops::Op;
use crate::program::cache::Cache;
use crate::program::evaluate::new_outputs;
use crate::program::{Plan, Program};

type Plans = Mutex<Cache<(Op, Vec<Spec>), Arc<Plan>>>;

static PLANS: LazyLock<Plans> = LazyLock::new(|| Mutex::new(Cache::new(1024)));

/// Keeps the plans' lock; see [`super::fork`].
pub fn hold() -> impl Sized {
    PLANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Applies `op` to `inputs`; errors name `scope`, the layer that is being called.
pub fn apply(op: &Op, inputs: &[Array], scope: &str) -> Result<Vec<Array>> {
    let specs: Vec<Spec> = inputs.iter().map(Array::spec).collect();
    let key = (op.clone(), specs);
    let found = PLANS.lock().unwrap_or_else(PoisonError::into_inner).get(&key);
    let plan = if let Some(plan) = found {
        plan
    } else {
        let sizes: Vec<Vec<usize>> = inputs.iter().map(|input| input.sizes().to_vec()).collect();
        let program = Program::of_op(op.clone(), &key.1).map_err(|error| error.at(scope, op.name()))?;
        let plan = Arc::new(Plan::new(&program, &sizes).map_err(|error| error.at(scope, op.name()))?);
        PLANS.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&plan));
        plan
    };
    let outputs = new_outputs(&plan)?;
    let input_addresses: Vec<*const u8> = inputs.iter().map(Array::as_ptr).collect();
    let output_addresses: Vec<*mut u8> = outputs.iter().map(|output| output.as_ptr().cast_mut()).collect();
    let task = Task {
        plan,
        inputs: &input_addresses,
        variables: &[],
        outputs: &output_addresses,
        prepared: &[],
        feed: None,
        steps: 1,
    };
    let mut never = || false;
    // SAFETY: inputs live until the call returns and are only read; the outputs are fresh and of the planned sizes.
    unsafe { run(task, &mut Interrupt::new(&mut never), &mut 0) }.map_err(|error| error.at(scope, op.name()))?;
    Ok(outputs)
}
