//! Runs plans: one entry into the thread pool for a run, or for a group of training steps.
//!
//! ```text
//! every worker, the caller among them:
//!   for step s in the group:
//!     for node n in the plan:                         (a phase of a kernel; before them: gather this step's rows)
//!       while a chunk of (s, n) is unclaimed: claim it, run it        its own share first, then the others'
//!       wait until all chunks of (s, n) have ended    (spin, then yield)
//! ```
//!
//! Workers have equal shares of each node's chunks, in order: a worker finds most of what it reads in its own cache, where it
//! wrote it as its share of the node before, and in the usual case no two touch the same counters. Who has done its share
//! takes chunks of the others'.
//!
//! A node is complete when its chunks are, never when threads arrive: a worker that lost its core holds up nobody unless
//! it holds a chunk. Claims carry the step's number, so a worker that wakes up late finds every node it looks at done.
//! Chunks are fixed by shapes, so results do not depend on who ran what. Small plans run on the caller alone.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::arena::Arena;
use super::cancel::Interrupt;
use super::profile::Clock;
use super::source::Feed;
use super::threads;
use crate::backends::Io;
use crate::core::{Error, Result, Storage, stop};
use crate::program::plan::{Memory, Plan};

/// Below this much work a run is not worth waking threads for.
const SERIAL_FLOPS: f64 = 60_000.0;
const SERIAL_BYTES: f64 = 200_000.0;

/// Whether so much work is best done by the caller alone.
pub fn is_small(flops: f64, bytes: f64) -> bool {
    flops < SERIAL_FLOPS && bytes < SERIAL_BYTES
}

/// What a run works on.
pub struct Task<'a> {
    pub plan: Arc<Plan>,
    pub inputs: &'a [*const u8],
    pub variables: &'a [*mut u8],
    pub outputs: &'a [*mut u8],
    /// The items of the plan's prologue.
    pub prepared: &'a [*const u8],
    /// Where inputs come from when the run is a group of steps over a data source.
    pub feed: Option<Feed>,
    pub steps: usize,
}

thread_local! {
    /// The operands of this thread's last run, whose memory the next one uses.
    static OPERANDS: Cell<Vec<Io>> = const { Cell::new(Vec::new()) };
}

/// Runs a task. `done` is set to the number of steps that ran to their end, also when the run ends early or in its first step.
///
/// # Safety
/// The addresses point to memory of the planned sizes; inputs stay readable and variables and outputs exclusively this
/// run's until it returns.
pub unsafe fn run(task: Task, interrupt: &mut Interrupt, done: &mut usize) -> Result<()> {
    *done = 0;
    if interrupt.requested() {
        return Err(Error::Cancelled);
    }
    let arena = Arena::take(task.plan.arena_bytes)?;
    let fed = match &task.feed {
        Some(feed) => Some(feed.buffers()?),
        None => None,
    };
    let fed_addresses: Option<Vec<*const u8>> =
        fed.as_ref().map(|buffers| buffers.iter().map(|buffer| buffer.as_ptr().cast_const()).collect());
    let memory = Memory {
        inputs: fed_addresses.as_deref().unwrap_or(task.inputs),
        variables: task.variables,
        outputs: task.outputs,
        prepared: task.prepared,
        arena: arena.as_ptr(),
    };
    // Taken, not borrowed: a step may call the host, which may run another plan.
    let mut ios = OPERANDS.take();
    task.plan.resolve(&memory, &mut ios);
    let cost = task.plan.cost;
    let small = is_small(cost.flops, cost.bytes);
    let single = task.plan.steps.iter().all(|step| step.phases.iter().all(|&chunks| chunks <= 1));
    let helpers = if small || single { None } else { threads::helpers() };
    let workers = if helpers.is_some() { threads::count() } else { 1 };
    let mut clock = Clock::for_run(&task.plan);
    match helpers {
        None if clock.is_none() => {
            for step in 0..task.steps {
                if let (Some(feed), Some(buffers)) = (&task.feed, &fed) {
                    for chunk in 0..feed.chunks() {
                        feed.gather(step, chunk, buffers);
                    }
                }
                // SAFETY: by this function's contract.
                unsafe { task.plan.run_here(&ios, || interrupt.requested())? };
                *done = step + 1;
            }
            OPERANDS.set(ios);
            Ok(())
        }
        helpers => {
            let operands = Operands(ios.as_ptr());
            let shared = Arc::new(Shared::new(task.plan, operands, task.feed, fed, task.steps, workers));
            if let Some(pool) = helpers {
                let worker = Arc::clone(&shared);
                pool.spawn_broadcast(move |context| worker.work(context.index() + 1, None, None));
            }
            shared.work(0, Some(interrupt), clock.as_mut());
            *done = shared.steps_done.load(Ordering::Acquire);
            // A worker may still hold a chunk of a run that failed; its memory must outlive it.
            while shared.busy.iter().any(|busy| busy.0.load(Ordering::SeqCst)) {
                std::hint::spin_loop();
            }
            drop(arena);
            OPERANDS.set(ios);
            if let Some(clock) = clock {
                clock.record(&shared.plan, *done);
            }
            match shared.error.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(error) => Err(error),
                None => Ok(()),
            }
        }
    }
}

/// On a cache line of its own, so that writing it does not disturb others.
#[derive(Default)]
#[repr(align(64))]
struct Line<T>(T);

/// Progress of one share of a node: chunks claimed in the step whose number is in the high half, and chunks ended since the
/// run began.
#[derive(Default)]
struct Progress {
    claimed: AtomicU64,
    ended: AtomicU64,
}

/// One phase of one kernel, or the feed.
struct Node {
    /// The plan's step; `None` is the feed.
    step: Option<usize>,
    phase: usize,
    chunks: usize,
    /// Of each share of the chunks.
    shares: Box<[Line<Progress>]>,
}

impl Node {
    fn new(step: Option<usize>, phase: usize, chunks: usize, workers: usize) -> Node {
        let shares = workers.min(MOST_SHARES).min(chunks);
        Node { step, phase, chunks, shares: (0..shares).map(|_| Line::default()).collect() }
    }

    /// The first chunk of a share.
    fn first(&self, share: usize) -> u64 {
        (share * self.chunks / self.shares.len()) as u64
    }

    /// Chunks that ended since the run began.
    fn ended(&self) -> u64 {
        self.shares.iter().map(|share| share.0.ended.load(Ordering::Acquire)).sum()
    }
}

/// The operands of the plan's steps, which the caller of the run owns. As the arena, they are there while a worker may hold a
/// chunk; one that wakes up later finds no chunk and does not look at them.
struct Operands(*const Io);

// SAFETY: nobody writes operands during a run, and `Io` itself may be shared.
unsafe impl Send for Operands {}
// SAFETY: as above.
unsafe impl Sync for Operands {}

/// What the workers of one run share.
struct Shared {
    plan: Arc<Plan>,
    operands: Operands,
    feed: Option<Feed>,
    fed: Option<Vec<Storage>>,
    steps: usize,
    /// The feed first, then the phases of the plan's steps.
    nodes: Vec<Node>,
    failed: AtomicBool,
    error: Mutex<Option<Error>>,
    /// Which workers are between a claim and the end of its chunk.
    busy: Box<[Line<AtomicBool>]>,
    steps_done: AtomicUsize,
    /// The user interrupted while the caller was waiting: whoever holds a chunk ends the run.
    asked: AtomicBool,
}

const STEP_SHIFT: u32 = 32;
/// Workers beyond share counters: a node's counters are looked at by everybody who waits for it.
const MOST_SHARES: usize = 8;

impl Shared {
    fn new(
        plan: Arc<Plan>,
        operands: Operands,
        feed: Option<Feed>,
        fed: Option<Vec<Storage>>,
        steps: usize,
        workers: usize,
    ) -> Shared {
        let node = |step, phase, chunks| Node::new(step, phase, chunks, workers);
        let fed_nodes = feed.iter().map(|feed| node(None, 0, feed.chunks()));
        let planned = plan.steps.iter().enumerate().flat_map(|(index, step)| {
            step.phases.iter().enumerate().map(move |(phase, &chunks)| node(Some(index), phase, chunks))
        });
        let nodes = fed_nodes.chain(planned).filter(|node| node.chunks > 0).collect();
        Shared {
            plan,
            operands,
            feed,
            fed,
            steps,
            nodes,
            failed: AtomicBool::new(false),
            error: Mutex::new(None),
            busy: (0..workers).map(|_| Line::default()).collect(),
            steps_done: AtomicUsize::new(0),
            asked: AtomicBool::new(false),
        }
    }

    /// Walks all steps and nodes. The caller passes its interrupt, and a clock where a profile is made; helpers have none.
    fn work(&self, worker: usize, mut interrupt: Option<&mut Interrupt>, mut clock: Option<&mut Clock>) {
        for step in 0..self.steps as u64 {
            for node in &self.nodes {
                let chunks = node.chunks as u64;
                let mut share = worker % node.shares.len();
                for _ in 0..node.shares.len() {
                    while let Some(chunk) = self.claim(step, node, share, worker) {
                        self.run_chunk(step, node, share, chunk, interrupt.as_deref_mut());
                        self.busy[worker].0.store(false, Ordering::SeqCst);
                    }
                    share = (share + 1) % node.shares.len();
                }
                let mut spins = 0u32;
                while node.ended() < (step + 1) * chunks {
                    if self.failed.load(Ordering::SeqCst) {
                        return;
                    }
                    spins += 1;
                    if spins < 2_000 {
                        std::hint::spin_loop();
                    } else {
                        // Nodes may end at any time, and the final phase may begin: only a worker with a chunk may stop.
                        if interrupt.as_deref_mut().is_some_and(Interrupt::requested) {
                            self.asked.store(true, Ordering::Release);
                        }
                        std::thread::yield_now();
                    }
                }
                if self.failed.load(Ordering::SeqCst) {
                    return;
                }
                if let Some(clock) = clock.as_deref_mut() {
                    clock.leave(node.step);
                }
            }
            self.steps_done.fetch_max(step as usize + 1, Ordering::AcqRel);
        }
    }

    /// Takes the next unclaimed chunk of a share of a node in a step. Then the worker is busy.
    fn claim(&self, step: u64, node: &Node, share: usize, worker: usize) -> Option<u64> {
        let (first, end) = (node.first(share), node.first(share + 1));
        let claimed = &node.shares[share].0.claimed;
        let mut seen = claimed.load(Ordering::Acquire);
        let next = |seen: u64| match (seen >> STEP_SHIFT).cmp(&(step + 1)) {
            std::cmp::Ordering::Less => first,
            std::cmp::Ordering::Equal => first + (seen & u64::from(u32::MAX)),
            std::cmp::Ordering::Greater => end,
        };
        if next(seen) >= end {
            return None;
        }
        // Raised before asking whether the run has failed, while the caller asks who is busy after learning that it has: in one
        // order for all, so that memory is not freed under a worker.
        let busy = &self.busy[worker].0;
        busy.store(true, Ordering::SeqCst);
        loop {
            let chunk = next(seen);
            if chunk >= end || self.failed.load(Ordering::SeqCst) {
                busy.store(false, Ordering::SeqCst);
                return None;
            }
            let wanted = ((step + 1) << STEP_SHIFT) | (chunk - first + 1);
            match claimed.compare_exchange_weak(seen, wanted, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(chunk),
                Err(changed) => seen = changed,
            }
        }
    }

    /// Runs a chunk, or ends the run when the user asked for that and variables are not being written: the node is not
    /// complete while a chunk is held, so nobody is in the final phase if it is not part of it.
    fn run_chunk(&self, step: u64, node: &Node, share: usize, chunk: u64, mut interrupt: Option<&mut Interrupt>) {
        let mut asked =
            || self.asked.load(Ordering::Acquire) || interrupt.as_deref_mut().is_some_and(Interrupt::requested);
        let early = node.step.is_none_or(|step| step < self.plan.final_phase);
        let mut work = || -> Result<()> {
            if self.failed.load(Ordering::Acquire) {
                return Ok(());
            }
            if early && asked() {
                return Err(Error::Cancelled);
            }
            match node.step {
                None => {
                    if let (Some(feed), Some(buffers)) = (&self.feed, &self.fed) {
                        feed.gather(step as usize, chunk as usize, buffers);
                    }
                }
                Some(index) => {
                    let planned = &self.plan.steps[index];
                    // SAFETY: `run` resolved operands for every step of the plan, and waits for this chunk before it lets them
                    // go.
                    let io = unsafe { &*self.operands.0.add(index) };
                    // SAFETY: `run`'s caller vouches for the memory; this chunk was claimed by this worker alone, and the
                    // nodes before are complete.
                    let run = || unsafe { planned.kernel.run(node.phase, chunk as usize, io) };
                    let result = if early { stop::during(&mut asked, run) } else { stop::never(run) };
                    result.map_err(|error| error.at(&planned.scope, planned.name))?;
                }
            }
            Ok(())
        };
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut work)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(error),
            Err(panic) => self.fail(Error::internal(panic_text(&panic))),
        }
        if !self.failed.load(Ordering::Acquire) {
            node.shares[share].0.ended.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn fail(&self, error: Error) {
        let mut slot = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(error);
        drop(slot);
        self.failed.store(true, Ordering::SeqCst);
    }
}

/// The message of a caught panic.
pub fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text =
        panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref::<String>().cloned());
    format!("a kernel panicked ({}); this is a bug in Ironhorn, please report it", text.unwrap_or_default())
}
