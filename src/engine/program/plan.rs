//! A program for given input shapes: kernels in order, and where each finds its operands.
//!
//! A plan holds offsets, no memory. What its prologue makes is the runtime's to keep.
//!
//! Phases: first everything that reads variables, then the *final phase*, which writes them: optimizer updates in place,
//! and one write-back of what else was assigned. Errors and interrupts act before the final phase only, so variables are
//! always those of a whole run.

use std::sync::Arc;

use super::Program;
use super::planner::Planner;
use super::prologue::{Prologue, Recipes};
use crate::backends::{Cost, Io, Kernel};
use crate::core::{Array, Error, Result, Spec, stop};

/// Where an operand lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Input(usize),
    Variable(usize),
    Constant(usize),
    /// In the arena, at this buffer's offset.
    Arena(usize),
    Output(usize),
    /// What the prologue made: an item of it.
    Prepared(usize),
    /// Nobody reads it.
    Nowhere,
}

/// One kernel and its operands.
#[derive(Clone)]
pub struct PlanStep {
    pub kernel: Arc<dyn Kernel>,
    pub cost: Cost,
    pub name: &'static str,
    pub scope: Arc<str>,
    /// What it makes; `None` for what only moves data into place.
    pub spec: Option<Spec>,
    pub inputs: Vec<Place>,
    pub outputs: Vec<Place>,
    pub scratch: Place,
    pub scratch_bytes: usize,
    pub prepared: Place,
    pub prepared_bytes: usize,
    /// Chunks of every phase; none of phases that run elsewhere.
    pub phases: Vec<usize>,
}

impl PlanStep {
    /// Runs the kernel's phases and chunks one after the other.
    ///
    /// # Safety
    /// `io` was resolved for this step of a plan, for memory that is valid, of the planned sizes, and used by nobody else.
    unsafe fn run_here(&self, io: &Io) -> Result<()> {
        for (phase, &chunks) in self.phases.iter().enumerate() {
            for chunk in 0..chunks {
                // SAFETY: by this function's contract, and the order.
                unsafe { self.kernel.run(phase, chunk, io) }.map_err(|error| error.at(&self.scope, self.name))?;
            }
        }
        Ok(())
    }
}

/// A program ready to run on inputs of fixed shapes.
pub struct Plan {
    pub steps: Vec<PlanStep>,
    /// The first step of the final phase.
    pub final_phase: usize,
    pub constants: Vec<Array>,
    pub offsets: Vec<usize>,
    pub arena_bytes: usize,
    pub inputs: Vec<Spec>,
    pub outputs: Vec<Spec>,
    /// Which variables the plan writes.
    pub written: Vec<usize>,
    pub cost: Cost,
    /// What need not run each time, where the plan was made with one.
    pub prologue: Option<Box<Prologue>>,
}

/// The memory that a run of a plan uses.
#[derive(Clone, Copy)]
pub struct Memory<'a> {
    pub inputs: &'a [*const u8],
    pub variables: &'a [*mut u8],
    pub outputs: &'a [*mut u8],
    /// The items of the plan's prologue.
    pub prepared: &'a [*const u8],
    pub arena: *mut u8,
}

impl Plan {
    /// Plans `program` for inputs of these sizes; all of it runs each time.
    pub fn new(program: &Program, inputs: &[Vec<usize>]) -> Result<Plan> {
        Planner::new(program, None).plan(inputs)
    }

    /// As `new`, but what stays the same while variables do is the plan's prologue.
    pub fn with_prologue(program: &Program, inputs: &[Vec<usize>], recipes: &mut Recipes) -> Result<Plan> {
        Planner::new(program, Some(recipes)).plan(inputs)
    }

    fn address(&self, place: Place, memory: &Memory) -> *mut u8 {
        match place {
            Place::Input(i) => memory.inputs[i].cast_mut(),
            Place::Variable(i) => memory.variables[i],
            Place::Constant(i) => self.constants[i].as_ptr().cast_mut(),
            Place::Arena(i) => memory.arena.wrapping_add(self.offsets[i]),
            Place::Output(i) => memory.outputs[i],
            Place::Prepared(i) => memory.prepared[i].cast_mut(),
            Place::Nowhere => std::ptr::null_mut(),
        }
    }

    /// Every step's operands as addresses, into the first of `ios`, which are reused from run to run.
    pub fn resolve(&self, memory: &Memory, ios: &mut Vec<Io>) {
        if ios.len() < self.steps.len() {
            ios.resize_with(self.steps.len(), Io::empty);
        }
        for (step, io) in self.steps.iter().zip(ios) {
            io.inputs.clear();
            io.inputs.extend(step.inputs.iter().map(|&place| self.address(place, memory).cast_const()));
            io.outputs.clear();
            io.outputs.extend(step.outputs.iter().map(|&place| self.address(place, memory)));
            io.scratch = self.address(step.scratch, memory);
            io.scratch_bytes = step.scratch_bytes;
            io.prepared = self.address(step.prepared, memory);
            io.prepared_bytes = step.prepared_bytes;
        }
    }

    /// Runs every step on this thread. Until the final phase it ends when `interrupted` says so; kernels that take long ask
    /// it, too.
    ///
    /// # Safety
    /// `ios` was resolved from this plan for memory that is valid, of the planned sizes, and used by nobody else.
    pub unsafe fn run_here(&self, ios: &[Io], mut interrupted: impl FnMut() -> bool) -> Result<()> {
        let (main, last) = self.steps.split_at(self.final_phase);
        for (step, io) in main.iter().zip(ios) {
            if interrupted() {
                return Err(Error::Cancelled);
            }
            // SAFETY: by this function's contract.
            stop::during(&mut interrupted, || unsafe { step.run_here(io) })?;
        }
        // SAFETY: as above.
        stop::never(|| last.iter().zip(&ios[main.len()..]).try_for_each(|(step, io)| unsafe { step.run_here(io) }))
    }

    /// Runs every step on this thread, as part of a step of another plan.
    ///
    /// # Safety
    /// As for [`Plan::run_here`].
    pub unsafe fn run_within(&self, ios: &[Io]) -> Result<()> {
        // SAFETY: by this function's contract.
        self.steps.iter().zip(ios).try_for_each(|(step, io)| unsafe { step.run_here(io) })
    }
}
