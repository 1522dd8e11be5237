//! From drafts of steps to a plan: lifetimes of buffers, memory taken over from inputs that end, offsets in the arena.

use std::sync::Arc;

use super::memory::{Lifetime, layout};
use super::plan::{Place, Plan, PlanStep};
use super::prologue::RecipeId;
use crate::backends::{Cost, Kernel};
use crate::core::{Array, Spec};

/// A piece of memory while a plan is made. Views share one.
pub(super) struct Buffer {
    pub place: Place,
    pub bytes: usize,
    /// Made or changed in the final phase.
    pub late: bool,
    /// How it is made, where it stays the same from run to run.
    pub recipe: Option<RecipeId>,
    /// Made by the prologue.
    pub early: bool,
}

/// Which phases of a kernel a step runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Preparing,
    Prepared,
}

pub(super) struct Draft {
    pub kernel: Arc<dyn Kernel>,
    pub part: Part,
    /// The buffer of the prepared memory, where steps of the prologue and of the plan share it.
    pub prepared: Option<usize>,
    pub name: &'static str,
    pub scope: Arc<str>,
    pub spec: Option<Spec>,
    pub inputs: Vec<usize>,
    pub outputs: Vec<Option<usize>>,
}

impl Draft {
    fn cost(&self) -> Cost {
        match (self.part, self.kernel.prepare()) {
            (Part::Preparing, Some(prepare)) => Cost { flops: 0.0, bytes: 2.0 * prepare.bytes as f64 },
            _ => self.kernel.cost(),
        }
    }
}

/// Finds lifetimes, lets outputs take over the memory of inputs that end there, and fixes offsets.
pub(super) fn arrange(drafts: Vec<Draft>, buffers: &mut [Buffer], constants: &[Array]) -> Plan {
    let mut last_read = vec![0; buffers.len()];
    for (index, draft) in drafts.iter().enumerate() {
        for &buffer in draft.inputs.iter().chain(draft.outputs.iter().flatten()) {
            last_read[buffer] = index;
        }
    }
    // `home[buffer]` is the lifetime that the buffer shares with those it took its memory from.
    let mut home: Vec<Option<usize>> = vec![None; buffers.len()];
    let mut lifetimes: Vec<Lifetime> = Vec::new();
    let mut steps = Vec::with_capacity(drafts.len());
    let mut cost = Cost::default();
    for (index, draft) in drafts.into_iter().enumerate() {
        for (position, &output) in draft.outputs.iter().enumerate() {
            let Some(output) = output else { continue };
            if buffers[output].place != Place::Nowhere || home[output].is_some() {
                continue;
            }
            let taken = (0..draft.inputs.len()).filter(|_| position == 0).find(|&i| {
                let input = draft.inputs[i];
                home[input].is_some()
                    && last_read[input] == index
                    && buffers[input].bytes == buffers[output].bytes
                    && draft.kernel.in_place(i)
                    && draft.inputs.iter().filter(|&&other| home[other] == home[input]).count() == 1
            });
            let lifetime = if let Some(i) = taken {
                home[draft.inputs[i]].expect("checked above")
            } else {
                lifetimes.push(Lifetime { bytes: buffers[output].bytes, first: index, last: index });
                lifetimes.len() - 1
            };
            lifetimes[lifetime].last = lifetimes[lifetime].last.max(last_read[output]);
            home[output] = Some(lifetime);
            buffers[output].place = Place::Arena(lifetime);
        }
        let mut own = |bytes: usize| {
            if bytes == 0 {
                return Place::Nowhere;
            }
            lifetimes.push(Lifetime { bytes, first: index, last: index });
            Place::Arena(lifetimes.len() - 1)
        };
        let scratch_bytes = draft.kernel.scratch();
        let (preparing, prepared_bytes) =
            draft.kernel.prepare().map_or((0, 0), |prepare| (prepare.phases, prepare.bytes));
        let left_out = draft.part == Part::Whole && draft.kernel.prepares_to_keep();
        let prepared_bytes = if left_out { 0 } else { prepared_bytes };
        let place = |buffer: usize| buffers[buffer].place;
        let scratch_bytes = if draft.part == Part::Preparing { 0 } else { scratch_bytes };
        let scratch = own(scratch_bytes);
        let prepared = draft.prepared.map_or_else(|| own(prepared_bytes), place);
        let mut phases = draft.kernel.phases();
        match draft.part {
            Part::Whole if left_out => phases[..preparing].fill(0),
            Part::Whole => {}
            Part::Preparing => phases[preparing..].fill(0),
            Part::Prepared => phases[..preparing].fill(0),
        }
        let step_cost = draft.cost();
        cost.flops += step_cost.flops;
        cost.bytes += step_cost.bytes;
        steps.push(PlanStep {
            inputs: draft.inputs.iter().map(|&buffer| place(buffer)).collect(),
            outputs: draft.outputs.iter().map(|buffer| buffer.map_or(Place::Nowhere, place)).collect(),
            phases,
            kernel: draft.kernel,
            cost: step_cost,
            name: draft.name,
            scope: draft.scope,
            spec: draft.spec,
            scratch,
            scratch_bytes,
            prepared,
            prepared_bytes,
        });
    }
    let (offsets, arena_bytes) = layout(&lifetimes);
    Plan {
        final_phase: steps.len(),
        steps,
        constants: constants.to_vec(),
        offsets,
        arena_bytes,
        inputs: Vec::new(),
        outputs: Vec::new(),
        written: Vec::new(),
        cost,
        prologue: None,
    }
}
