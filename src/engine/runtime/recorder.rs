//! What records ops: a *trace*, whose values have no data yet, or a *tape*, which remembers what eager ops computed.
//!
//! Both append to a [`Graph`]. A trace becomes a program. A tape's gradient appends derivatives to its graph and computes
//! just the appended nodes, so that `fit`, `GradientTape` and second derivatives share one implementation.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::eager;
use super::variable::Variable;
use crate::core::{Array, Error, Result, Spec};
use crate::ops::control::stop_gradient::StopGradient;
use crate::ops::{Graph, Op, Producer, Value};
use crate::program::{Program, gradients};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Trace,
    /// The trace of a function that becomes the body of an op: what it reads from around it becomes an input, and it writes
    /// nothing.
    Body,
    /// The trace of one of the two functions of a choice: as `Body`, but what it writes into variables becomes results.
    Branch,
    Tape,
}

/// A value of some recorder.
#[derive(Clone)]
pub struct Link {
    pub recorder: Arc<Recorder>,
    pub value: Value,
}

/// An operand as callers hold it: data, a place in a recorder's graph, or both.
#[derive(Clone)]
pub struct Operand {
    pub spec: Spec,
    pub array: Option<Array>,
    pub link: Option<Link>,
}

impl Mode {
    /// Whether what is traced becomes the body of an op.
    pub fn is_body(self) -> bool {
        matches!(self, Mode::Body | Mode::Branch)
    }
}

impl Operand {
    pub fn eager(array: Array) -> Operand {
        Operand { spec: array.spec(), array: Some(array), link: None }
    }
}

pub struct Recorder {
    pub mode: Mode,
    state: Mutex<State>,
    /// Tapes that may still ask for derivatives.
    tapes: AtomicUsize,
}

#[derive(Default)]
struct State {
    graph: Graph,
    /// A tape's data.
    data: HashMap<Value, Array>,
    /// A trace's variables by slot, or those that a branch has written; and what each is worth now.
    variables: Vec<Arc<Variable>>,
    current: HashMap<u64, Value>,
    /// Reads of each variable, each with what tells it from others: on a tape the variable's version, in a trace the value
    /// that was assigned before. Reads before any assignment in a trace are the slot's value and do not stand here.
    reads: HashMap<u64, Vec<(u64, Value)>>,
    /// Values of outer recorders that this trace reads, and its own inputs for them.
    captures: Vec<(Operand, Value)>,
    constants: HashMap<usize, (Array, Value)>,
    closed: bool,
}

impl State {
    fn known_read(&self, variable: &Variable, tag: u64) -> Option<Value> {
        self.reads.get(&variable.id)?.iter().find(|(known, _)| *known == tag).map(|&(_, value)| value)
    }

    fn new_read(&mut self, variable: &Variable, tag: u64, value: Value) -> Value {
        self.reads.entry(variable.id).or_default().push((tag, value));
        value
    }
}

impl Recorder {
    pub fn new(mode: Mode) -> Arc<Recorder> {
        Arc::new(Recorder { mode, state: Mutex::new(State::default()), tapes: AtomicUsize::new(0) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An input of a trace.
    pub fn input(self: &Arc<Self>, spec: Spec) -> Operand {
        let value = self.state().graph.input(spec.clone());
        Operand { spec, array: None, link: Some(Link { recorder: Arc::clone(self), value }) }
    }

    pub fn set_scope(&self, scope: &str) {
        self.state().graph.set_scope(Arc::from(scope));
    }

    /// Lets code write into the graph directly (derived lengths).
    pub fn with_graph<R>(&self, write: impl FnOnce(&mut Graph) -> R) -> R {
        write(&mut self.state().graph)
    }

    /// The value that `operand` has in this recorder's graph.
    fn value_of(&self, state: &mut State, operand: &Operand) -> Result<Value> {
        if let Some(link) = &operand.link
            && std::ptr::eq(Arc::as_ptr(&link.recorder), self)
        {
            return Ok(link.value);
        }
        match (&operand.array, &operand.link) {
            (array, Some(link)) if self.mode.is_body() || (self.mode == Mode::Trace && array.is_none()) => {
                if array.is_none() && link.recorder.state_closed() {
                    return Err(Error::Traced(format!(
                        "a value of shape {} was made while another function was traced and has no meaning outside it; \
                         return it from that function instead of storing it",
                        operand.spec.shape
                    )));
                }
                let known = state.captures.iter().find(|(captured, _)| {
                    captured
                        .link
                        .as_ref()
                        .is_some_and(|other| Arc::ptr_eq(&other.recorder, &link.recorder) && other.value == link.value)
                });
                if let Some((_, value)) = known {
                    return Ok(*value);
                }
                let value = state.graph.input(operand.spec.clone());
                state.captures.push((operand.clone(), value));
                Ok(value)
            }
            (Some(array), _) => {
                let key = Arc::as_ptr(array.storage()) as usize;
                if let Some((held, value)) = state.constants.get(&key)
                    && held.spec() == array.spec()
                {
                    return Ok(*value);
                }
                let value = state.graph.constant(array.clone());
                state.constants.insert(key, (array.clone(), value));
                if self.mode == Mode::Tape {
                    state.data.insert(value, array.clone());
                }
                Ok(value)
            }
            _ => Err(Error::Traced(format!(
                "a traced value of shape {} has no data and cannot be used by an eager computation",
                operand.spec.shape
            ))),
        }
    }

    fn state_closed(&self) -> bool {
        self.state().closed
    }

    fn operand(self: &Arc<Self>, state: &State, value: Value, array: Option<Array>) -> Operand {
        let spec = state.graph.spec(value).clone();
        Operand { spec, array, link: Some(Link { recorder: Arc::clone(self), value }) }
    }

    /// Appends an op to a trace.
    pub fn append(self: &Arc<Self>, op: Op, inputs: &[Operand]) -> Result<Vec<Operand>> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::Traced("the trace that this value belongs to has ended".into()));
        }
        let values = inputs.iter().map(|input| self.value_of(&mut state, input)).collect::<Result<Vec<_>>>()?;
        let outputs = state.graph.append(op, &values)?;
        Ok(outputs.into_iter().map(|value| self.operand(&state, value, None)).collect())
    }

    /// Remembers on a tape that `op` made `outputs` of `inputs`.
    pub fn remember(self: &Arc<Self>, op: Op, inputs: &[Operand], outputs: Vec<Array>) -> Result<Vec<Operand>> {
        let mut state = self.state();
        let values = inputs.iter().map(|input| self.value_of(&mut state, input)).collect::<Result<Vec<_>>>()?;
        let specs = outputs.iter().map(Array::spec).collect();
        let scope = state.graph.scope();
        let made = state.graph.append_inferred(op, &values, specs, scope);
        let mut operands = Vec::with_capacity(made.len());
        for (value, array) in made.into_iter().zip(outputs) {
            state.data.insert(value, array.clone());
            operands.push(self.operand(&state, value, Some(array)));
        }
        Ok(operands)
    }

    /// A tensor on a tape, so that gradients can be taken with respect to it.
    pub fn watch(self: &Arc<Self>, operand: &Operand) -> Result<Operand> {
        let mut state = self.state();
        let array = operand.array.clone();
        let linked = operand.link.as_ref().filter(|link| std::ptr::eq(Arc::as_ptr(&link.recorder), Arc::as_ptr(self)));
        let value = match (linked, &array) {
            (Some(link), _) => link.value,
            (None, Some(data)) => {
                // A value of its own: other uses of the same memory stay constants.
                let value = state.graph.input(data.spec());
                state.data.insert(value, data.clone());
                value
            }
            (None, None) => self.value_of(&mut state, operand)?,
        };
        Ok(self.operand(&state, value, array))
    }

    /// A variable's value: in a trace what it is worth at this point, on a tape what it holds.
    pub fn read(self: &Arc<Self>, variable: &Arc<Variable>) -> Operand {
        let mut state = self.state();
        if self.mode == Mode::Tape {
            let (version, array) = (variable.version(), variable.get());
            let value = state.known_read(variable, version).unwrap_or_else(|| {
                let value = state.graph.input(array.spec());
                state.data.insert(value, array.clone());
                state.new_read(variable, version, value)
            });
            return self.operand(&state, value, Some(array));
        }
        let assigned = state.current.get(&variable.id).copied();
        let value = match assigned {
            Some(assigned) if self.mode == Mode::Branch || assigned != Self::slot_value(&mut state, variable) => {
                let tag = u64::from(assigned.0);
                state.known_read(variable, tag).unwrap_or_else(|| {
                    // Derivatives by the variable end here; they do not go on through the assignment.
                    let value = state.graph.apply(StopGradient, &[assigned]).expect("any value can be read");
                    state.new_read(variable, tag, value)
                })
            }
            _ => Self::slot_value(&mut state, variable),
        };
        self.operand(&state, value, None)
    }

    /// Whether the variable was written in this trace.
    pub fn has_written(&self, variable: &Variable) -> bool {
        self.state().current.contains_key(&variable.id)
    }

    /// Whether any variable was written in this trace.
    pub fn has_written_any(&self) -> bool {
        !self.state().current.is_empty()
    }

    /// The value that a variable's slot starts with; makes the slot on first use.
    fn slot_value(state: &mut State, variable: &Arc<Variable>) -> Value {
        if let Some(slot) = state.variables.iter().position(|known| known.id == variable.id) {
            state.graph.variables[slot]
        } else {
            state.variables.push(Arc::clone(variable));
            state.graph.variable(variable.spec().clone())
        }
    }

    /// Records in a trace that the variable is worth `operand` from here on.
    pub fn write(self: &Arc<Self>, variable: &Arc<Variable>, operand: &Operand) -> Result<()> {
        if self.mode == Mode::Body {
            return Err(Error::unsupported(
                "a function given to ops.scan, ops.while_loop or ops.fori_loop cannot write variables (a seed generator writes its \
                 state, too); return the new value from the function and assign it outside, or draw random numbers outside",
            ));
        }
        let mut state = self.state();
        if self.mode == Mode::Trace {
            Self::slot_value(&mut state, variable);
        } else if !state.current.contains_key(&variable.id) {
            state.variables.push(Arc::clone(variable));
        }
        let value = self.value_of(&mut state, operand)?;
        let (wanted, got) = (variable.spec(), state.graph.spec(value));
        if wanted.dtype != got.dtype || !wanted.shape.agrees(&got.shape) {
            return Err(Error::shape(format!("a variable of {wanted} cannot hold {got}")));
        }
        state.current.insert(variable.id, value);
        Ok(())
    }

    /// Ends a trace: the program, its variables by slot, and what it captured from outer recorders. A branch has no slots:
    /// what the variables that it wrote are worth at its end stands behind the outputs.
    pub fn finish(&self, outputs: &[Operand]) -> Result<(Program, Vec<Arc<Variable>>, Vec<Operand>)> {
        let mut state = self.state();
        let mut values = outputs.iter().map(|output| self.value_of(&mut state, output)).collect::<Result<Vec<_>>>()?;
        state.closed = true;
        let graph = std::mem::take(&mut state.graph);
        let variables = std::mem::take(&mut state.variables);
        let mut current = std::mem::take(&mut state.current);
        if self.mode == Mode::Branch {
            values.extend(variables.iter().filter_map(|variable| current.remove(&variable.id)));
        }
        let writes = variables
            .iter()
            .enumerate()
            .filter_map(|(slot, variable)| current.get(&variable.id).map(|&value| (slot, value)))
            .filter(|&(slot, value)| graph.variables[slot] != value)
            .collect();
        let captures = std::mem::take(&mut state.captures).into_iter().map(|(operand, _)| operand).collect();
        state.constants.clear();
        Ok((Program::new(graph, values, writes), variables, captures))
    }

    /// One more tape records here.
    pub fn hold(&self) {
        self.tapes.fetch_add(1, Ordering::AcqRel);
    }

    /// A tape is gone. With the last one goes what was recorded, though tensors made meanwhile may live on.
    pub fn release(&self) {
        if self.tapes.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close();
        }
    }

    /// Ends a trace whose result nobody wants.
    pub fn close(&self) {
        *self.state() = State { closed: true, ..State::default() };
    }

    /// Gradients of `targets` with respect to sources: operands, or the variables' reads.
    pub fn gradients(
        self: &Arc<Self>,
        targets: &[(Operand, Option<Operand>)],
        sources: &[GradientSource],
    ) -> Result<Vec<Option<Operand>>> {
        let mut state = self.state();
        // A variable's derivative is the sum of those by each of its reads.
        let mut wanted: Vec<Vec<Value>> = Vec::with_capacity(sources.len());
        for source in sources {
            wanted.push(match source {
                GradientSource::Operand(operand) => {
                    let value = self.value_of(&mut state, operand)?;
                    // On a tape, what was neither watched nor computed is a constant.
                    let fixed = self.mode == Mode::Tape && constant(&state.graph, value).is_some();
                    if fixed { Vec::new() } else { vec![value] }
                }
                GradientSource::Variable(variable) => {
                    let slot = (self.mode == Mode::Trace).then(|| Self::slot_value(&mut state, variable));
                    let reads = state.reads.get(&variable.id).into_iter().flatten().map(|&(_, value)| value);
                    slot.into_iter().chain(reads).collect()
                }
            });
        }
        let mut seeded = Vec::with_capacity(targets.len());
        for (target, seed) in targets {
            let value = self.value_of(&mut state, target)?;
            let seed = seed.as_ref().map(|seed| self.value_of(&mut state, seed)).transpose()?;
            seeded.push((value, seed));
        }
        let present: Vec<Value> = wanted.iter().flatten().copied().collect();
        let first = state.graph.nodes.len();
        let mut found = gradients(&mut state.graph, &seeded, &present)?.into_iter();
        let mut sums: Vec<Option<Value>> = Vec::with_capacity(wanted.len());
        for values in &wanted {
            let mut sum = None;
            for part in found.by_ref().take(values.len()).flatten() {
                sum = Some(match sum {
                    Some(so_far) => state.graph.add(so_far, part)?,
                    None => part,
                });
            }
            sums.push(sum);
        }
        if self.mode == Mode::Tape {
            compute(&mut state, first, &sums)?;
        }
        Ok(sums
            .into_iter()
            .map(|value| {
                value.map(|value| {
                    let array = state.data.get(&value).cloned().or_else(|| constant(&state.graph, value));
                    self.operand(&state, value, if self.mode == Mode::Tape { array } else { None })
                })
            })
            .collect())
    }
}

/// What a gradient is taken with respect to.
#[derive(Clone)]
pub enum GradientSource {
    Operand(Operand),
    Variable(Arc<Variable>),
}

fn constant(graph: &Graph, value: Value) -> Option<Array> {
    match graph.producer(value) {
        Producer::Constant(array) => Some(array.clone()),
        _ => None,
    }
}

/// Computes the nodes from number `first` on that `roots` need.
fn compute(state: &mut State, first: usize, roots: &[Option<Value>]) -> Result<()> {
    let mut needed = vec![false; state.graph.nodes.len()];
    let mut stack: Vec<Value> = roots.iter().flatten().copied().collect();
    while let Some(value) = stack.pop() {
        if let Producer::Node(index, _) = *state.graph.producer(value)
            && index >= first
            && !needed[index]
        {
            needed[index] = true;
            stack.extend(&state.graph.nodes[index].inputs);
        }
    }
    for index in (first..needed.len()).filter(|&index| needed[index]) {
        let node = state.graph.nodes[index].clone();
        let inputs = node
            .inputs
            .iter()
            .map(|&input| {
                state
                    .data
                    .get(&input)
                    .cloned()
                    .or_else(|| constant(&state.graph, input))
                    .ok_or_else(|| Error::internal(format!("the tape lost an input of {}", node.op.name())))
            })
            .collect::<Result<Vec<_>>>()?;
        let outputs = eager::apply(&node.op, &inputs, &node.scope)?;
        for (&value, array) in node.outputs.iter().zip(outputs) {
            state.data.insert(value, array);
        }
    }
    Ok(())
}
