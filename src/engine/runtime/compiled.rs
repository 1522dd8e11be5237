//! A traced function, compiled: its program after passes, its variables, and a plan for each set of input shapes.

use std::sync::{Arc, Mutex, PoisonError};

use super::cancel::Interrupt;
use super::executor::{Task, run};
use super::prepared::{Ready, Store};
use super::source::{Feed, Source};
use super::variable::{Held, Variable, lock_order};
use crate::core::{Array, Error, Result, Shape, Storage};
use crate::program::cache::Cache;
use crate::program::evaluate::new_outputs;
use crate::program::{Plan, Program, passes, show, verify};

/// Plans kept by one function. Plans hold no memory, so this bounds planning work, not bytes; what their prologues have made
/// is bounded by the store.
const PLANS: usize = 256;

pub struct Compiled {
    program: Program,
    variables: Vec<Arc<Variable>>,
    lock_order: Vec<usize>,
    plans: Mutex<Cache<Vec<Vec<usize>>, Arc<Ready>>>,
    store: Store,
}

impl Compiled {
    /// Verifies and optimises a traced program. `variables` are the program's, by slot.
    pub fn new(program: Program, variables: Vec<Arc<Variable>>, name: &str) -> Result<Compiled> {
        verify::verify(&program)?;
        if show::debugging("trace") {
            show::report(&format!("{name}, as traced"), &show::show(&program));
        }
        let program = passes::run(program)?;
        if show::debugging("program") {
            show::report(name, &show::show(&program));
        }
        let lock_order = lock_order(&variables);
        let plans = Mutex::new(Cache::new(PLANS));
        Ok(Compiled { program, variables, lock_order, plans, store: Store::default() })
    }

    pub fn program(&self) -> &Program {
        &self.program
    }

    pub fn variables(&self) -> &[Arc<Variable>] {
        &self.variables
    }

    /// The plan for inputs of these sizes, made on first use.
    pub fn plan(&self, sizes: &[Vec<usize>]) -> Result<Arc<Plan>> {
        Ok(Arc::clone(&self.ready(sizes)?.plan))
    }

    /// What the prologues of all plans have made and is kept, in bytes.
    pub fn prepared_bytes(&self) -> usize {
        self.store.bytes()
    }

    fn ready(&self, sizes: &[Vec<usize>]) -> Result<Arc<Ready>> {
        if let Some(ready) = self.plans.lock().unwrap_or_else(PoisonError::into_inner).get(sizes) {
            return Ok(ready);
        }
        let ready = self.store.plan(&self.program, sizes)?;
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).insert(sizes.to_vec(), Arc::clone(&ready));
        Ok(ready)
    }

    /// Runs once on arrays.
    pub fn run(&self, inputs: &[Array], interrupt: &mut Interrupt) -> Result<Vec<Array>> {
        let sizes: Vec<Vec<usize>> = inputs.iter().map(|input| input.sizes().to_vec()).collect();
        let ready = self.ready(&sizes)?;
        let plan = &ready.plan;
        let addresses: Vec<*const u8> = inputs.iter().map(Array::as_ptr).collect();
        let outputs = new_outputs(plan)?;
        let output_addresses: Vec<*mut u8> = outputs.iter().map(|output| output.as_ptr().cast_mut()).collect();
        // SAFETY: arrays of the planned sizes, alive during the call; the outputs are fresh.
        unsafe { self.execute(&ready, &addresses, &output_addresses, None, 1, interrupt, &mut 0)? };
        Ok(outputs)
    }

    /// Runs `steps` batches of a source; returns the last step's outputs. `done` counts the steps that ended.
    pub fn run_steps(
        &self,
        feed: Feed,
        steps: usize,
        interrupt: &mut Interrupt,
        done: &mut usize,
    ) -> Result<Vec<Array>> {
        feed.check(steps)?;
        let ready = self.ready(&feed.source.batch_sizes(feed.batch))?;
        let plan = &ready.plan;
        let outputs = new_outputs(plan)?;
        let output_addresses: Vec<*mut u8> = outputs.iter().map(|output| output.as_ptr().cast_mut()).collect();
        // SAFETY: the feed was checked against its source, whose owner keeps it alive; the outputs are fresh.
        unsafe { self.execute(&ready, &[], &output_addresses, Some(feed), steps, interrupt, done)? };
        Ok(outputs)
    }

    /// Runs every batch of a source in order and joins the outputs along axis 0. `None` when some output has no row for
    /// each row of its batch.
    pub fn run_collect(&self, source: &Source, batch: usize, interrupt: &mut Interrupt) -> Result<Option<Vec<Array>>> {
        let rows = source.rows;
        let mut collected: Vec<(Vec<usize>, crate::core::DType, Storage, usize)> = Vec::new();
        let mut first = 0;
        while first < rows || collected.is_empty() {
            let count = batch.min(rows - first);
            let ready = self.ready(&source.batch_sizes(count))?;
            let plan = &ready.plan;
            let mut addresses = Vec::with_capacity(plan.outputs.len());
            for (i, spec) in plan.outputs.iter().enumerate() {
                let sizes = spec.shape.concrete()?;
                if sizes.first() != Some(&count) {
                    return Ok(None);
                }
                if first == 0 {
                    let all: Vec<usize> = std::iter::once(rows).chain(sizes[1..].iter().copied()).collect();
                    let full = crate::core::Spec::known(&all, spec.dtype);
                    let row_bytes = sizes[1..].iter().product::<usize>() * spec.dtype.size();
                    collected.push((all, spec.dtype, Storage::zeroed(full.bytes()?)?, row_bytes));
                } else if collected[i].0[1..] != sizes[1..] {
                    let (before, now) = (Shape::known(&collected[i].0), &spec.shape);
                    return Err(Error::shape(format!(
                        "batches gave outputs of shapes {before} and {now}, which do not join"
                    )));
                }
                addresses.push(collected[i].2.as_ptr().wrapping_add(first * collected[i].3));
            }
            let inputs: Vec<*const u8> = source
                .columns
                .iter()
                .map(|column| {
                    let row_bytes = column.row_sizes.iter().product::<usize>() * column.dtype.size();
                    (column.address as *const u8).wrapping_add(first * row_bytes)
                })
                .collect();
            // SAFETY: the batch is rows `first..first + count` of the source, which its owner keeps alive; each output
            // points to as many rows of fresh storage.
            unsafe { self.execute(&ready, &inputs, &addresses, None, 1, interrupt, &mut 0)? };
            first += count;
            if rows == 0 {
                break;
            }
        }
        let arrays =
            collected.into_iter().map(|(sizes, dtype, storage, _)| Array::from_storage(&sizes, dtype, storage));
        arrays.collect::<Result<Vec<_>>>().map(Some)
    }

    /// # Safety
    /// As for [`run`].
    unsafe fn execute(
        &self,
        ready: &Ready,
        inputs: &[*const u8],
        outputs: &[*mut u8],
        feed: Option<Feed>,
        steps: usize,
        interrupt: &mut Interrupt,
        done: &mut usize,
    ) -> Result<()> {
        let held = Held::lock(&self.variables, &self.lock_order, &ready.plan.written)?;
        // SAFETY: the variables are locked.
        let block = unsafe { self.store.prepared(ready, &self.variables, &held.addresses)? };
        let prepared = block.as_ref().map_or(&[][..], |block| block.addresses());
        let task =
            Task { plan: Arc::clone(&ready.plan), inputs, variables: &held.addresses, outputs, prepared, feed, steps };
        // SAFETY: by this function's contract, and the locks just taken; the block lives until the run has ended.
        unsafe { run(task, interrupt, done) }
    }
}
