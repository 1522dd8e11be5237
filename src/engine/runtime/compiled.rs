//! A traced function, compiled: its program after passes, its variables, and a plan for each set of input shapes.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::cancel::Interrupt;
use super::executor::{Task, run};
use super::prepared::{Ready, Store};
use super::slices::{self, Slices};
use super::source::{Column, Feed, Source};
use super::variable::{Held, Variable, lock_order};
use crate::core::{Array, DType, Error, Result, Shape, Spec, Storage};
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
    /// See [`slices::least_rows`].
    least_rows: OnceLock<Option<usize>>,
}

/// Outputs of all batches, joined along axis 0.
struct Collected {
    sizes: Vec<usize>,
    dtype: DType,
    storage: Storage,
    row_bytes: usize,
}

impl Collected {
    fn new(rows: usize, row_sizes: &[usize], dtype: DType) -> Result<Collected> {
        let sizes: Vec<usize> = std::iter::once(rows).chain(row_sizes.iter().copied()).collect();
        let storage = Storage::zeroed(Spec::known(&sizes, dtype).bytes()?)?;
        Ok(Collected { sizes, dtype, storage, row_bytes: row_sizes.iter().product::<usize>() * dtype.size() })
    }

    fn row(&self, row: usize) -> *mut u8 {
        self.storage.as_ptr().wrapping_add(row * self.row_bytes)
    }

    fn into_array(self) -> Result<Array> {
        Array::from_storage(&self.sizes, self.dtype, self.storage)
    }
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
        Ok(Compiled { program, variables, lock_order, plans, store: Store::default(), least_rows: OnceLock::new() })
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
        if let Some(outputs) = self.run_sliced(inputs, interrupt)? {
            return Ok(outputs);
        }
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

    /// Runs `steps` batches of a source; returns the last step's outputs. `done` is set to the number of steps that ended,
    /// also when the run fails or ends before its first.
    pub fn run_steps(
        &self,
        feed: Feed,
        steps: usize,
        interrupt: &mut Interrupt,
        done: &mut usize,
    ) -> Result<Vec<Array>> {
        *done = 0;
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
        let size = self.run_rows(source, batch.clamp(1, rows.max(1)))?;
        let mut collected: Vec<Collected> = Vec::new();
        let mut first = 0;
        while first < rows || collected.is_empty() {
            let count = size.min(rows - first);
            let runs = (rows - first).checked_div(count).unwrap_or(1);
            let ready = self.ready(&source.batch_sizes(count))?;
            let plan = &ready.plan;
            let mut outputs = Vec::with_capacity(plan.outputs.len());
            for (i, spec) in plan.outputs.iter().enumerate() {
                let sizes = spec.shape.concrete()?;
                if sizes.first() != Some(&count) {
                    return Ok(None);
                }
                if first == 0 {
                    collected.push(Collected::new(rows, &sizes[1..], spec.dtype)?);
                } else if collected[i].sizes[1..] != sizes[1..] {
                    let (before, now) = (Shape::known(&collected[i].sizes), &spec.shape);
                    return Err(Error::shape(format!(
                        "batches gave outputs of shapes {before} and {now}, which do not join"
                    )));
                }
                outputs.push((collected[i].row(first), count * collected[i].row_bytes));
            }
            let inputs = source.columns.iter().map(|column| (column.row(first), count * column.row_bytes())).collect();
            // SAFETY: the runs read rows `first..first + runs * count` of the source, which its owner keeps alive; each
            // output points to as many rows of fresh storage.
            unsafe { self.execute_slices(&ready, inputs, outputs, runs, interrupt)? };
            first += runs * count;
            if rows == 0 {
                break;
            }
        }
        collected.into_iter().map(Collected::into_array).collect::<Result<Vec<_>>>().map(Some)
    }

    /// As `run`, slice by slice where the batch has several.
    fn run_sliced(&self, inputs: &[Array], interrupt: &mut Interrupt) -> Result<Option<Vec<Array>>> {
        let rows = inputs.first().and_then(|input| input.sizes().first().copied()).unwrap_or(0);
        let agree = inputs.iter().all(|input| input.sizes().first() == Some(&rows));
        if rows < 2 || !agree || self.least_rows().is_none_or(|least| rows <= least) {
            return Ok(None);
        }
        let source = Source::new(inputs.iter().map(Column::of).collect())?;
        if self.run_rows(&source, rows)? == rows { Ok(None) } else { self.run_collect(&source, rows, interrupt) }
    }

    fn least_rows(&self) -> Option<usize> {
        *self.least_rows.get_or_init(|| slices::least_rows(&self.program))
    }

    /// How many rows of a source run at once, where batches have `batch`.
    fn run_rows(&self, source: &Source, batch: usize) -> Result<usize> {
        match self.least_rows() {
            Some(least) if batch > least => {
                let one = self.ready(&source.batch_sizes(1))?;
                let rows =
                    slices::slice_rows(&one.plan, least, |slot| self.variables[slot].spec().bytes().unwrap_or(0));
                Ok(rows.min(batch))
            }
            _ => Ok(batch),
        }
    }

    /// # Safety
    /// As for [`slices::run`], but that plans which write variables run in order.
    unsafe fn execute_slices(
        &self,
        ready: &Ready,
        inputs: Vec<(*const u8, usize)>,
        outputs: Vec<(*mut u8, usize)>,
        count: usize,
        interrupt: &mut Interrupt,
    ) -> Result<()> {
        if !ready.plan.written.is_empty() {
            for run in 0..count {
                let inputs: Vec<_> = inputs.iter().map(|&(first, step)| first.wrapping_add(run * step)).collect();
                let outputs: Vec<_> = outputs.iter().map(|&(first, step)| first.wrapping_add(run * step)).collect();
                // SAFETY: by this function's contract.
                unsafe { self.execute(ready, &inputs, &outputs, None, 1, interrupt, &mut 0)? };
            }
            return Ok(());
        }
        let held = Held::lock(&self.variables, &self.lock_order, &[])?;
        // SAFETY: the variables are locked.
        let block = unsafe { self.store.prepared(ready, &self.variables, &held.addresses)? };
        let prepared = block.as_ref().map_or(&[][..], |block| block.addresses());
        let slices = Slices { plan: &ready.plan, inputs, outputs, variables: &held.addresses, prepared, count };
        // SAFETY: by this function's contract, and the locks just taken; the block lives until the run has ended.
        unsafe { slices::run(&slices, interrupt) }
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
