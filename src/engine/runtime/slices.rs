//! Runs of one plan on slices of a batch, or on batch after batch, when none depends on another: inference.
//!
//! ```text
//! every worker, the caller among them:       with operands and an arena of its own
//!   while a slice is unclaimed: claim it     several, where they are short
//!     for node n in the plan, for chunk of n: run it
//! ```
//!
//! Within a slice nobody waits for anybody, and what one node writes is still in the core's caches when the next one reads
//! it. Slices that are left when there are not enough for all workers run as plans usually do, on all of them. The size of a
//! slice follows from shapes alone, and a plan's results do not depend on who runs which chunk: neither do these.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::arena::{self, Arena};
use super::cancel::Interrupt;
use super::executor::{self, Task, panic_text};
use super::{profile, threads};
use crate::core::{Error, Result};
use crate::ops::Op;
use crate::program::plan::{Memory, Place, Plan};
use crate::program::{Program, by_rows};

/// What a slice's values may take, so that they stay in a core's second cache.
const ARENA: usize = 768 << 10;
/// What they may take where weights ask for more rows: a part of the third cache.
const LARGEST_ARENA: usize = 12 << 20;
/// What a byte of weights costs, in FLOPs, and which share of a slice's time their reading may take.
const FLOPS_PER_BYTE: f64 = 10.0;
const WEIGHTS_SHARE: f64 = 0.05;
/// Rows that fill the tiles of a recurrent layer, which reads its weights again in every step.
const RECURRENT_ROWS: usize = 128;
/// Work that is worth a claim.
const CLAIM_FLOPS: f64 = 1e6;
const CLAIM_BYTES: f64 = 4e6;

/// The least rows of a slice of `program`'s batches; `None` where only whole batches may run.
pub fn least_rows(program: &Program) -> Option<usize> {
    let recurrent = |op: &Op| matches!(op, Op::Lstm(_) | Op::Gru(_) | Op::SimpleRnn(_));
    let least = || if program.graph.nodes.iter().any(|node| recurrent(&node.op)) { RECURRENT_ROWS } else { 1 };
    by_rows::by_rows(program).then(least)
}

/// How many rows a slice has: as few as make its values stay in the cache, but enough that reading the weights costs little.
/// `plan` is the plan for one row; variable `slot` has `variable_bytes(slot)`.
pub fn slice_rows(plan: &Plan, least: usize, variable_bytes: impl Fn(usize) -> usize) -> usize {
    let item = |index: usize| plan.prologue.as_ref().map_or(0, |prologue| prologue.items[index].bytes);
    let mut weights = 0.0;
    for step in &plan.steps {
        for &place in step.inputs.iter().chain([&step.prepared]) {
            let bytes = match place {
                Place::Prepared(index) => item(index),
                Place::Variable(slot) => variable_bytes(slot),
                _ => 0,
            };
            // A step that looks up rows of a table does not read all of it.
            weights += (bytes as f64).min(step.cost.bytes);
        }
    }
    let for_weights = weights * FLOPS_PER_BYTE / (WEIGHTS_SHARE * plan.cost.flops).max(1.0);
    let [fitting, most] = [ARENA, LARGEST_ARENA].map(|bytes| (bytes / plan.arena_bytes.max(1)).max(1));
    (for_weights.ceil() as usize).min(most).max(fitting).max(least)
}

/// Runs of one plan, each on the rows that follow those of the one before.
pub struct Slices<'a> {
    pub plan: &'a Arc<Plan>,
    /// Where the first run's rows are, and bytes from one run's to the next's.
    pub inputs: Vec<(*const u8, usize)>,
    pub outputs: Vec<(*mut u8, usize)>,
    pub variables: &'a [*mut u8],
    /// The items of the plan's prologue.
    pub prepared: &'a [*const u8],
    pub count: usize,
}

/// Runs all slices.
///
/// # Safety
/// The plan writes no variables. The addresses point to memory of the planned sizes, for each of the runs; inputs and
/// variables stay readable and outputs exclusively this run's until it returns.
pub unsafe fn run(slices: &Slices, interrupt: &mut Interrupt) -> Result<()> {
    let Slices { plan, count, .. } = *slices;
    let (flops, bytes) = (plan.cost.flops * count as f64, plan.cost.bytes * count as f64);
    let helpers = if executor::is_small(flops, bytes) || profile::is_active() { None } else { threads::helpers() };
    let workers = threads::count();
    let apart = if helpers.is_some() { count / workers * workers } else { 0 };
    if let Some(pool) = helpers.filter(|_| apart > 0) {
        arena::keep(workers);
        let shared = Arc::new(Shared::new(slices, apart, workers));
        let worker = Arc::clone(&shared);
        pool.spawn_broadcast(move |_| worker.work(None));
        shared.work(Some(interrupt));
        shared.finish(interrupt)?;
    }
    for slice in apart..count {
        let (inputs, outputs) = (at(&slices.inputs, slice), at_mut(&slices.outputs, slice));
        let task = Task {
            plan: Arc::clone(plan),
            inputs: &inputs,
            variables: slices.variables,
            outputs: &outputs,
            prepared: slices.prepared,
            feed: None,
            steps: 1,
        };
        // SAFETY: by this function's contract.
        unsafe { executor::run(task, interrupt, &mut 0)? };
    }
    Ok(())
}

fn at(places: &[(*const u8, usize)], slice: usize) -> Vec<*const u8> {
    places.iter().map(|&(first, step)| first.wrapping_add(slice * step)).collect()
}

fn at_mut(places: &[(*mut u8, usize)], slice: usize) -> Vec<*mut u8> {
    places.iter().map(|&(first, step)| first.wrapping_add(slice * step)).collect()
}

/// What the workers of one run share. One that wakes up late finds no slice, and looks at no address.
struct Shared {
    plan: Arc<Plan>,
    inputs: Vec<(*const u8, usize)>,
    outputs: Vec<(*mut u8, usize)>,
    variables: Vec<*mut u8>,
    prepared: Vec<*const u8>,
    count: usize,
    /// Slices of one claim.
    grain: usize,
    claimed: AtomicUsize,
    busy: AtomicUsize,
    failed: AtomicBool,
    error: Mutex<Option<Error>>,
}

// SAFETY: the caller of `run` vouches for the memory while a slice is unclaimed or runs; slices write rows of their own.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn new(slices: &Slices, count: usize, workers: usize) -> Shared {
        let cost = slices.plan.cost;
        let worth = (CLAIM_FLOPS / cost.flops.max(1.0)).min(CLAIM_BYTES / cost.bytes.max(1.0));
        Shared {
            plan: Arc::clone(slices.plan),
            inputs: slices.inputs.clone(),
            outputs: slices.outputs.clone(),
            variables: slices.variables.to_vec(),
            prepared: slices.prepared.to_vec(),
            count,
            grain: (worth.ceil() as usize).clamp(1, count.div_ceil(4 * workers)),
            claimed: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            error: Mutex::new(None),
        }
    }

    /// Runs slices until none is left. The caller looks at interrupts.
    fn work(&self, mut interrupt: Option<&mut Interrupt>) {
        let mut arena = None;
        let mut ios = Vec::new();
        loop {
            // Raised before asking what is left and whether the run has failed, while the caller asks who is busy after that.
            self.busy.fetch_add(1, Ordering::SeqCst);
            let first = self.claimed.fetch_add(self.grain, Ordering::SeqCst);
            if first < self.count && !self.failed.load(Ordering::SeqCst) {
                let mut work = || -> Result<()> {
                    let arena = match &arena {
                        Some(arena) => arena,
                        None => arena.insert(Arena::take(self.plan.arena_bytes)?),
                    };
                    for slice in first..(first + self.grain).min(self.count) {
                        let (inputs, outputs) = (at(&self.inputs, slice), at_mut(&self.outputs, slice));
                        let memory = Memory {
                            inputs: &inputs,
                            variables: &self.variables,
                            outputs: &outputs,
                            prepared: &self.prepared,
                            arena: arena.as_ptr(),
                        };
                        self.plan.resolve(&memory, &mut ios);
                        let asked = || {
                            self.failed.load(Ordering::Acquire)
                                || interrupt.as_deref_mut().is_some_and(Interrupt::requested)
                        };
                        // SAFETY: `run`'s caller vouches for the memory; this worker claimed the slice, and the arena is its
                        // own.
                        unsafe { self.plan.run_here(&ios, asked)? };
                    }
                    Ok(())
                };
                match std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut work)) {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => self.fail(error),
                    Err(panic) => self.fail(Error::internal(panic_text(&panic))),
                }
            }
            self.busy.fetch_sub(1, Ordering::SeqCst);
            if first >= self.count || self.failed.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Waits until every slice that was claimed has ended.
    fn finish(&self, interrupt: &mut Interrupt) -> Result<()> {
        let mut spins = 0u32;
        while self.busy.load(Ordering::SeqCst) > 0 {
            spins += 1;
            if spins < 2_000 {
                std::hint::spin_loop();
            } else {
                if !self.failed.load(Ordering::SeqCst) && interrupt.requested() {
                    self.fail(Error::Cancelled);
                }
                std::thread::yield_now();
            }
        }
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    fn fail(&self, error: Error) {
        let mut slot = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(error);
        drop(slot);
        self.failed.store(true, Ordering::SeqCst);
    }
}
