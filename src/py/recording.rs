//! What records the ops of this thread: the trace that is being made, and the tape that is open.

use std::cell::RefCell;
use std::sync::Arc;

use ironhorn_engine::core::{Array, DType, Error};
use ironhorn_engine::ops::Op;
use ironhorn_engine::runtime::eager;
use ironhorn_engine::runtime::recorder::{Operand, Recorder};
use ironhorn_engine::runtime::variable::Variable;
use pyo3::prelude::*;

use super::enter::guarded;
use super::errors::OrRaise;

#[derive(Default)]
struct Recording {
    /// `None` where recording is paused.
    traces: Vec<Option<Arc<Recorder>>>,
    tape: Option<(Arc<Recorder>, usize)>,
    scopes: Vec<String>,
    /// The type that variables are read in by the layer that is being called, where it is not their own.
    autocast: Option<DType>,
}

thread_local! {
    static RECORDING: RefCell<Recording> = RefCell::default();
}

/// The innermost trace.
pub fn trace() -> Option<Arc<Recorder>> {
    RECORDING.with_borrow(|recording| recording.traces.last().cloned().flatten())
}

/// The open tape, if no trace is being made.
pub fn tape() -> Option<Arc<Recorder>> {
    RECORDING.with_borrow(|recording| {
        let tape = recording.tape.as_ref().filter(|_| recording.traces.is_empty());
        tape.map(|(tape, _)| Arc::clone(tape))
    })
}

/// What reads of a variable go through: a body captures what the trace or tape around it reads, unless it wrote the variable.
pub fn variable_reader(variable: &Variable) -> Option<Arc<Recorder>> {
    RECORDING.with_borrow(|recording| {
        for trace in recording.traces.iter().rev() {
            match trace {
                Some(trace) if trace.mode.is_body() && !trace.has_written(variable) => {}
                other => return other.clone(),
            }
        }
        recording.tape.as_ref().map(|(tape, _)| Arc::clone(tape))
    })
}

/// What a variable is worth here and now: a place in the trace, or data (which an open tape remembers reading).
pub fn read(variable: &Arc<Variable>) -> Operand {
    match variable_reader(variable) {
        Some(recorder) => recorder.read(variable),
        None => Operand::eager(variable.get()),
    }
}

/// Changes a variable, to a value of its type; in a trace, when the program runs.
pub fn write(py: Python<'_>, variable: &Arc<Variable>, value: &Operand) -> PyResult<()> {
    match (trace(), &value.array) {
        (Some(trace), _) => trace.write(variable, value).or_raise(py),
        (None, Some(array)) => variable.set(array.clone()).or_raise(py),
        (None, None) => {
            Err(super::errors::raise(py, "TracedValueError", "a traced value cannot be stored outside its trace"))
        }
    }
}

pub fn push_trace(trace: Arc<Recorder>) {
    RECORDING.with_borrow_mut(|recording| recording.traces.push(Some(trace)));
    apply_scope();
}

pub fn pop_trace() {
    RECORDING.with_borrow_mut(|recording| recording.traces.pop());
}

/// A `with` block in which ops run eagerly and unrecorded, also while a function is traced.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct Paused;

#[pymethods]
#[allow(clippy::unused_self)]
impl Paused {
    #[new]
    fn new() -> Self {
        Paused
    }

    fn __enter__(&self) {
        RECORDING.with_borrow_mut(|recording| recording.traces.push(None));
    }

    fn __exit__(&self, _class: Py<PyAny>, _error: Py<PyAny>, _traceback: Py<PyAny>) {
        pop_trace();
    }
}

/// Opens a tape; tapes that are open at the same time share one recorder, so that derivatives of derivatives meet.
pub fn open_tape(new: impl FnOnce() -> Arc<Recorder>) -> Arc<Recorder> {
    RECORDING.with_borrow_mut(|recording| {
        let (tape, depth) = recording.tape.get_or_insert_with(|| (new(), 0));
        *depth += 1;
        Arc::clone(tape)
    })
}

pub fn close_tape() {
    RECORDING.with_borrow_mut(|recording| {
        if let Some((_, depth)) = &mut recording.tape {
            *depth -= 1;
            if *depth == 0 {
                recording.tape = None;
            }
        }
    });
}

/// The path of the layer that is being called.
pub fn scope() -> String {
    RECORDING.with_borrow(|recording| recording.scopes.join("/"))
}

fn apply_scope() {
    if let Some(trace) = trace() {
        trace.set_scope(&scope());
    }
}

/// Names the layer whose call begins.
#[pyfunction]
pub fn push_scope(name: String) {
    RECORDING.with_borrow_mut(|recording| recording.scopes.push(name));
    apply_scope();
}

/// The layer's call has ended.
#[pyfunction]
pub fn pop_scope() {
    RECORDING.with_borrow_mut(|recording| recording.scopes.pop());
    apply_scope();
}

/// The type that float variables are read in on this thread.
pub fn autocast() -> Option<DType> {
    RECORDING.with_borrow(|recording| recording.autocast)
}

/// Says what type float variables are read in from now on; `None` is their own.
#[pyfunction]
#[pyo3(signature = (dtype))]
pub fn set_autocast(py: Python<'_>, dtype: Option<&str>) -> PyResult<()> {
    let dtype = dtype.map(|name| super::convert::dtype(py, name)).transpose()?;
    RECORDING.with_borrow_mut(|recording| recording.autocast = dtype);
    Ok(())
}

/// Whether this thread is tracing a function.
#[pyfunction]
pub fn is_tracing() -> bool {
    trace().is_some()
}

/// Whether derivatives by what this thread computes may be asked for.
#[pyfunction]
pub fn is_recording() -> bool {
    trace().is_some() || tape().is_some()
}

/// Applies an op to operands: appended to the trace, or run at once (and remembered by the tape).
pub fn apply(py: Python<'_>, op: Op, operands: &[Operand]) -> PyResult<Vec<Operand>> {
    if let Some(trace) = trace() {
        return guarded(py, || trace.append(op, operands));
    }
    let arrays: Option<Vec<_>> = operands.iter().map(|operand| operand.array.clone()).collect();
    let Some(arrays) = arrays else {
        return Err(Error::Traced(
            "a traced value was used after its function had been traced; return it from the function instead".into(),
        ))
        .or_raise(py);
    };
    let scope = scope();
    let outputs = py.detach(|| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| eager::apply(&op, &arrays, &scope)))
            .unwrap_or_else(|panic| Err(Error::internal(ironhorn_engine::runtime::executor::panic_text(&panic))))
    });
    remember(py, op, operands, outputs.or_raise(py)?)
}

/// What an op has made, remembered by the tape if there is one.
pub fn remember(py: Python<'_>, op: Op, operands: &[Operand], outputs: Vec<Array>) -> PyResult<Vec<Operand>> {
    match tape() {
        Some(tape) => {
            tape.set_scope(&scope());
            guarded(py, || tape.remember(op, operands, outputs))
        }
        None => Ok(outputs.into_iter().map(Operand::eager).collect()),
    }
}
