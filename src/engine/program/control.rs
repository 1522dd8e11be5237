//! Control flow in plans: the bodies of `scan`, `cond` and `while_loop` become plans of their own, which one kernel runs on
//! its thread.
//!
//! ```text
//! scan   for t in steps:  resolve the body's operands for t; run its plan     memory: the kernel's scratch
//! cond   read the condition; run one of two plans             in a final phase: on the variables that it writes
//! while  run the condition's plan, then the body's, until it is false
//! ```
//!
//! A step of a scan reads its slices and captures where they lie and writes its slices of the outputs there. A carry lives
//! in its history where that is kept, else in two buffers in turn. Steps run one after the other on one thread: scans suit
//! many small steps; what is large belongs into ops. Loops look at interrupts before every step.

use super::memory::{Lifetime, layout};
use super::plan::{Memory, Plan};
use super::{Program, passes};
use crate::backends::{Cost, Io, Kernel};
use crate::core::{Error, Result, Spec, stop};
use crate::ops::control::body::Body;
use crate::ops::control::cond::Cond;
use crate::ops::control::scan::Scan;
use crate::ops::control::while_loop::WhileLoop;
use crate::ops::{Graph, Value};

/// The plan of a body that makes the outputs `kept`.
fn plan(body: &Body, inputs: &[Spec], kept: &[usize]) -> Result<Plan> {
    let outputs = kept.iter().map(|&i| body.outputs()[i]).collect();
    let program = passes::run(Program::new(body.graph().clone(), outputs, Vec::new()))?;
    let sizes = inputs.iter().map(|spec| spec.shape.concrete()).collect::<Result<Vec<_>>>()?;
    Plan::new(&program, &sizes)
}

/// Whether output `index` is read: an empty list says that all are, and an only output always is.
fn is_wanted(wanted: &[bool], index: usize) -> bool {
    wanted.len() < 2 || wanted[index]
}

struct Carry {
    bytes: usize,
    /// Offsets of two buffers in the scratch.
    buffers: [usize; 2],
    /// Whether the history is kept.
    kept: bool,
}

struct ScanKernel {
    plan: Plan,
    arena: usize,
    carries: Vec<Carry>,
    /// Bytes of one slice of every sequence.
    slices: Vec<usize>,
    /// Bytes of one slice of every output that is stacked, and which output it is.
    stacked: Vec<(usize, usize)>,
    /// The number of the first history among the outputs.
    histories: usize,
    length: usize,
    reverse: bool,
    scratch: usize,
}

pub fn scan(op: &Scan, inputs: &[Spec], outputs: &[Spec], wanted: &[bool]) -> Result<Box<dyn Kernel>> {
    let specs: Vec<&Spec> = inputs.iter().collect();
    let steps = op.step_specs(&specs);
    let histories = op.carries + op.stacked();
    let read: Vec<usize> = (op.carries..histories).filter(|&i| is_wanted(wanted, i)).collect();
    let kept: Vec<usize> = (0..op.carries).chain(read.iter().copied()).collect();
    let plan = plan(&op.body, &steps, &kept)?;
    // The length stands in every stacked output, the histories among them; without any, in the op.
    let length = match (outputs.get(op.carries), op.length.known()) {
        (Some(spec), _) => spec.shape.concrete()?[0],
        (None, Some(length)) => length,
        (None, None) => return Err(Error::internal("the length of a scan is still a symbol in a plan")),
    };
    let mut parts = vec![Lifetime { bytes: plan.arena_bytes, first: 0, last: 0 }];
    for spec in &steps[..op.carries] {
        parts.extend([Lifetime { bytes: spec.bytes()?, first: 0, last: 0 }; 2]);
    }
    let (offsets, scratch) = layout(&parts);
    let carries = (0..op.carries)
        .map(|i| Carry {
            bytes: parts[1 + 2 * i].bytes,
            buffers: [offsets[1 + 2 * i], offsets[2 + 2 * i]],
            kept: is_wanted(wanted, histories + i),
        })
        .collect();
    let slices = steps[op.carries..op.carries + op.sequences].iter().map(Spec::bytes).collect::<Result<Vec<_>>>()?;
    let stacked = read.iter().zip(&plan.outputs[op.carries..]).map(|(&i, spec)| Ok((spec.bytes()?, i)));
    Ok(Box::new(ScanKernel {
        stacked: stacked.collect::<Result<Vec<_>>>()?,
        arena: offsets[0],
        carries,
        slices,
        histories,
        length,
        reverse: op.reverse,
        scratch,
        plan,
    }))
}

impl ScanKernel {
    /// Where step `step` stands in sequences.
    fn position(&self, step: usize) -> usize {
        if self.reverse { self.length - 1 - step } else { step }
    }

    /// Where carry `i` is when `step` begins.
    fn carry(&self, io: &Io, i: usize, step: usize) -> *mut u8 {
        let carry = &self.carries[i];
        if carry.kept {
            io.outputs[self.histories + i].wrapping_add(self.position(step) * carry.bytes)
        } else if step == 0 {
            io.inputs[i].cast_mut()
        } else {
            io.scratch.wrapping_add(carry.buffers[step % 2])
        }
    }

    /// Where step `step` leaves carry `i`.
    fn next_carry(&self, io: &Io, i: usize, step: usize) -> *mut u8 {
        if step + 1 < self.length {
            self.carry(io, i, step + 1)
        } else if io.wants(i) {
            io.outputs[i]
        } else {
            io.scratch.wrapping_add(self.carries[i].buffers[(step + 1) % 2])
        }
    }
}

impl Kernel for ScanKernel {
    fn scratch(&self) -> usize {
        self.scratch
    }

    unsafe fn run(&self, _phase: usize, _chunk: usize, io: &Io) -> Result<()> {
        for (i, carry) in self.carries.iter().enumerate() {
            let to = match (self.length, carry.kept) {
                (0, _) => io.outputs[i],
                (_, true) => self.carry(io, i, 0),
                (_, false) => continue,
            };
            if !to.is_null() {
                // SAFETY: by the contract of `Kernel::run` both hold one carry.
                unsafe { std::ptr::copy_nonoverlapping(io.inputs[i], to, carry.bytes) };
            }
        }
        let captures = self.carries.len() + self.slices.len();
        let mut ios = Vec::new();
        for step in 0..self.length {
            if stop::requested() {
                return Err(Error::Cancelled);
            }
            let position = self.position(step);
            let carries = (0..self.carries.len()).map(|i| self.carry(io, i, step).cast_const());
            let slices = self
                .slices
                .iter()
                .enumerate()
                .map(|(i, &bytes)| io.inputs[self.carries.len() + i].wrapping_add(position * bytes));
            let inputs: Vec<*const u8> = carries.chain(slices).chain(io.inputs[captures..].iter().copied()).collect();
            let next = (0..self.carries.len()).map(|i| self.next_carry(io, i, step));
            let stacked = self.stacked.iter().map(|&(bytes, output)| io.outputs[output].wrapping_add(position * bytes));
            let outputs: Vec<*mut u8> = next.chain(stacked).collect();
            let arena = io.scratch.wrapping_add(self.arena);
            self.plan.resolve(
                &Memory { inputs: &inputs, variables: &[], outputs: &outputs, prepared: &[], arena },
                &mut ios,
            );
            // SAFETY: by the contract of `Kernel::run` the operands have the planned sizes, and slices lie within them. What
            // the step writes (its slices, the next carries, its arena) overlaps nothing that it reads: carries alternate
            // between two places, or go on in the history.
            unsafe { self.plan.run_within(&ios)? };
        }
        Ok(())
    }

    fn cost(&self) -> Cost {
        let steps = self.length as f64;
        Cost { flops: self.plan.cost.flops * steps, bytes: self.plan.cost.bytes * steps }
    }
}

struct CondKernel {
    on_true: Plan,
    on_false: Plan,
    /// Which operands the bodies only read, numbered as the kernel's inputs.
    read: Vec<usize>,
    /// Which outputs somebody reads, and which are variables that the bodies work on.
    kept: Vec<usize>,
    written: Vec<usize>,
}

/// A `cond` whose outputs `over` lie where the variables lie that they are the values of.
pub fn cond(op: &Cond, inputs: &[Spec], wanted: &[bool], over: &[bool]) -> Result<Box<dyn Kernel>> {
    let kept: Vec<usize> = (0..over.len()).filter(|&i| !over[i] && is_wanted(wanted, i)).collect();
    let variables: Vec<(usize, usize)> = op.written.iter().copied().filter(|&(output, _)| over[output]).collect();
    let read: Vec<usize> =
        (0..inputs.len() - 1).filter(|&i| variables.iter().all(|&(_, operand)| operand != i)).collect();
    let plan = |body: &Body| -> Result<Plan> {
        let mut graph = Graph::new();
        let operands: Vec<Value> = (0..inputs.len() - 1)
            .map(|i| {
                let spec = body.input(i).clone();
                if read.contains(&i) { graph.input(spec) } else { graph.variable(spec) }
            })
            .collect();
        // Variables have their slots in the order of the operands.
        let slot = |operand: Value, graph: &Graph| graph.variables.iter().position(|&variable| variable == operand);
        let results = body.inline(&mut graph, &operands);
        let mut writes = Vec::new();
        for &(output, operand) in &variables {
            match slot(operands[operand], &graph) {
                Some(slot) if results[output] != operands[operand] => writes.push((slot, results[output])),
                _ => {}
            }
        }
        let outputs = kept.iter().map(|&i| results[i]).collect();
        let program = passes::run(Program::new(graph, outputs, writes))?;
        let sizes = read.iter().map(|&i| inputs[1 + i].shape.concrete()).collect::<Result<Vec<_>>>()?;
        Plan::new(&program, &sizes)
    };
    let (on_true, on_false) = (plan(&op.on_true)?, plan(&op.on_false)?);
    let mut written = variables;
    written.sort_unstable_by_key(|&(_, operand)| operand);
    Ok(Box::new(CondKernel {
        on_true,
        on_false,
        read: read.into_iter().map(|i| i + 1).collect(),
        kept,
        written: written.into_iter().map(|(output, _)| output).collect(),
    }))
}

impl Kernel for CondKernel {
    fn scratch(&self) -> usize {
        self.on_true.arena_bytes.max(self.on_false.arena_bytes)
    }

    unsafe fn run(&self, _phase: usize, _chunk: usize, io: &Io) -> Result<()> {
        // SAFETY: by the contract of `Kernel::run` input 0 is one boolean, a byte.
        let condition = unsafe { *io.inputs[0] } != 0;
        let plan = if condition { &self.on_true } else { &self.on_false };
        let inputs: Vec<*const u8> = self.read.iter().map(|&i| io.inputs[i]).collect();
        let outputs: Vec<*mut u8> = self.kept.iter().map(|&i| io.outputs[i]).collect();
        let variables: Vec<*mut u8> = self.written.iter().map(|&i| io.outputs[i]).collect();
        let mut ios = Vec::new();
        plan.resolve(
            &Memory { inputs: &inputs, variables: &variables, outputs: &outputs, prepared: &[], arena: io.scratch },
            &mut ios,
        );
        // SAFETY: by the contract of `Kernel::run`; the scratch has room for the larger of the two arenas. A variable that the
        // bodies work on is the output's memory, which the planner gives only where nobody else reads it then.
        unsafe { plan.run_within(&ios) }
    }

    fn cost(&self) -> Cost {
        let (a, b) = (self.on_true.cost, self.on_false.cost);
        Cost { flops: a.flops.max(b.flops), bytes: a.bytes.max(b.bytes) }
    }
}

struct WhileKernel {
    condition: Plan,
    body: Plan,
    /// Bytes of every carry.
    carries: Vec<usize>,
    /// Offsets in the scratch: the arena, the condition's result, and two buffers for every carry.
    arena: usize,
    test: usize,
    buffers: Vec<[usize; 2]>,
    scratch: usize,
    limit: Option<u64>,
}

pub fn while_loop(op: &WhileLoop, inputs: &[Spec]) -> Result<Box<dyn Kernel>> {
    let condition = plan(&op.condition, inputs, &[0])?;
    let body = plan(&op.body, inputs, &(0..op.carries).collect::<Vec<_>>())?;
    let carries = inputs[..op.carries].iter().map(Spec::bytes).collect::<Result<Vec<_>>>()?;
    let part = |bytes: usize| Lifetime { bytes, first: 0, last: 0 };
    let mut parts = vec![part(condition.arena_bytes.max(body.arena_bytes)), part(1)];
    parts.extend(carries.iter().flat_map(|&bytes| [part(bytes); 2]));
    let (offsets, scratch) = layout(&parts);
    Ok(Box::new(WhileKernel {
        condition,
        body,
        carries,
        arena: offsets[0],
        test: offsets[1],
        buffers: offsets[2..].chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect(),
        scratch,
        limit: op.limit,
    }))
}

impl Kernel for WhileKernel {
    fn scratch(&self) -> usize {
        self.scratch
    }

    unsafe fn run(&self, _phase: usize, _chunk: usize, io: &Io) -> Result<()> {
        let at = |offset: usize| io.scratch.wrapping_add(offset);
        let mut inputs = io.inputs.clone();
        let mut ios = Vec::new();
        let mut steps = 0;
        while self.limit.is_none_or(|limit| steps < limit) {
            if stop::requested() {
                return Err(Error::Cancelled);
            }
            let memory = Memory {
                inputs: &inputs,
                variables: &[],
                outputs: &[at(self.test)],
                prepared: &[],
                arena: at(self.arena),
            };
            self.condition.resolve(&memory, &mut ios);
            // SAFETY: by the contract of `Kernel::run` the operands have the planned sizes; the condition writes its byte and
            // the arena, which nothing else uses now.
            let goes_on = unsafe {
                self.condition.run_within(&ios)?;
                *at(self.test) != 0
            };
            if !goes_on {
                break;
            }
            let next: Vec<*mut u8> = self.buffers.iter().map(|pair| at(pair[(steps % 2) as usize])).collect();
            let memory =
                Memory { inputs: &inputs, variables: &[], outputs: &next, prepared: &[], arena: at(self.arena) };
            self.body.resolve(&memory, &mut ios);
            // SAFETY: as above; a step reads its carries from where the one before wrote them and writes the other buffers.
            unsafe { self.body.run_within(&ios)? };
            for (input, carry) in inputs.iter_mut().zip(next) {
                *input = carry.cast_const();
            }
            steps += 1;
        }
        for (i, &bytes) in self.carries.iter().enumerate() {
            if io.wants(i) {
                // SAFETY: by the contract of `Kernel::run` the output holds one carry, and so does where the last step left
                // it, which is no output.
                unsafe { std::ptr::copy_nonoverlapping(inputs[i], io.outputs[i], bytes) };
            }
        }
        Ok(())
    }

    fn cost(&self) -> Cost {
        // As if it made one step; nobody knows how many it makes.
        let (a, b) = (self.condition.cost, self.body.cost);
        Cost { flops: a.flops + b.flops, bytes: a.bytes + b.bytes }
    }
}
