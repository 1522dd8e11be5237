//! Where the time of runs goes, node by node, while somebody asked to know.
//!
//! The thread that starts a run reads the clock whenever it leaves a node, that is when all of the node's chunks have ended.
//! Nodes follow one another, so the times add up to the run. While nobody asks, a run pays for one relaxed load.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

use crate::backends::Cost;
use crate::core::Spec;
use crate::program::Plan;

/// One op of one plan, over all its runs.
#[derive(Clone, Debug)]
pub struct Row {
    /// Numbers the plans in the order in which they first ended a run.
    pub plan: usize,
    /// The layer; empty outside of layers.
    pub scope: Arc<str>,
    pub op: &'static str,
    /// What it makes.
    pub output: Option<Spec>,
    pub calls: u64,
    pub seconds: f64,
    /// Of one call.
    pub cost: Cost,
}

/// Rows of one plan: the feed's, if it has one, then one a step.
struct Measured {
    plan: Arc<Plan>,
    number: usize,
    calls: u64,
    feed: f64,
    steps: Vec<f64>,
}

static ACTIVE: AtomicBool = AtomicBool::new(false);
/// By address; the plan is kept, so that no other takes its place.
static MEASURED: LazyLock<Mutex<HashMap<usize, Measured>>> = LazyLock::new(Mutex::default);

/// Keeps the profile's lock; see [`super::fork`].
pub fn hold() -> impl Sized {
    MEASURED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins a profile of every run of this process, and forgets the one before.
pub fn start() {
    MEASURED.lock().unwrap_or_else(PoisonError::into_inner).clear();
    ACTIVE.store(true, Ordering::SeqCst);
}

/// Whether a profile is being made.
pub fn is_active() -> bool {
    ACTIVE.load(Ordering::Relaxed)
}

/// Ends the profile and gives its rows: plans in the order of their first run, steps in the order they run.
pub fn stop() -> Vec<Row> {
    ACTIVE.store(false, Ordering::SeqCst);
    let mut measured: Vec<Measured> =
        MEASURED.lock().unwrap_or_else(PoisonError::into_inner).drain().map(|(_, measured)| measured).collect();
    measured.sort_by_key(|measured| measured.number);
    let mut rows = Vec::new();
    for Measured { plan, number, calls, feed, steps } in measured {
        if feed > 0.0 {
            let bytes = plan.inputs.iter().filter_map(|input| input.bytes().ok()).sum::<usize>();
            let cost = Cost { flops: 0.0, bytes: 2.0 * bytes as f64 };
            let output = plan.inputs.first().cloned();
            rows.push(Row { plan: number, scope: "".into(), op: "gather rows", output, calls, seconds: feed, cost });
        }
        for (step, seconds) in plan.steps.iter().zip(steps) {
            rows.push(Row {
                plan: number,
                scope: Arc::clone(&step.scope),
                op: step.name,
                output: step.spec.clone(),
                calls,
                seconds,
                cost: step.cost,
            });
        }
    }
    rows
}

/// Times the nodes of one run.
pub struct Clock {
    last: Instant,
    feed: f64,
    steps: Vec<f64>,
}

impl Clock {
    /// A clock for a run of `plan` that begins now, if a profile is being made.
    pub fn for_run(plan: &Plan) -> Option<Clock> {
        is_active().then(|| Clock { last: Instant::now(), feed: 0.0, steps: vec![0.0; plan.steps.len()] })
    }

    /// Gives the time since the last call to a step, or to the feed.
    pub fn leave(&mut self, step: Option<usize>) {
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64();
        self.last = now;
        *step.map_or(&mut self.feed, |step| &mut self.steps[step]) += seconds;
    }

    /// Adds a run that has ended, after `calls` steps, to the profile.
    pub fn record(self, plan: &Arc<Plan>, calls: usize) {
        let mut all = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
        let number = all.len();
        let measured = all.entry(Arc::as_ptr(plan) as usize).or_insert_with(|| Measured {
            plan: Arc::clone(plan),
            number,
            calls: 0,
            feed: 0.0,
            steps: vec![0.0; plan.steps.len()],
        });
        measured.calls += calls as u64;
        measured.feed += self.feed;
        for (total, seconds) in measured.steps.iter_mut().zip(self.steps) {
            *total += seconds;
        }
    }
}
