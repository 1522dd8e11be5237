//! Loops and choices whose bodies are Python functions: a `Body` traces one, `scan`, `cond` and `while_loop`
//! append the op that holds it.

use std::sync::{Arc, Mutex, PoisonError};

use ironhorn_engine::core::{Dim, Error, Result, Shape, Spec};
use ironhorn_engine::ops::control::body;
use ironhorn_engine::ops::control::cond::Cond;
use ironhorn_engine::ops::control::custom_gradient::CustomGradient;
use ironhorn_engine::ops::control::scan::Scan;
use ironhorn_engine::ops::control::while_loop::WhileLoop;
use ironhorn_engine::ops::{Graph, Op, Value};
use ironhorn_engine::program::Program;
use ironhorn_engine::runtime::recorder::{Mode, Operand, Recorder};
use ironhorn_engine::runtime::variable::Variable;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::enter::guarded;
use super::errors::OrRaise;
use super::recording;
use super::symbolic_dim;
use super::tensor::Tensor;

/// A finished function: what it computes, and the values around it that it reads, which stand behind its own inputs. What the
/// variables that a branch has written are worth then stands behind what it returns.
#[derive(Clone)]
struct Function {
    program: Arc<Program>,
    captures: Vec<Operand>,
    written: Vec<Arc<Variable>>,
}

/// A function being traced to become the body of an op. Enter it, call the function with `inputs`, `finish` with what the
/// function returns, leave it.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct Body {
    recorder: Arc<Recorder>,
    inputs: Vec<Operand>,
    finished: Mutex<Option<Function>>,
}

#[pymethods]
impl Body {
    /// The function takes tensors like `carries`, and one slice of each of `sequences` along its first axis. One branch of a
    /// `cond` may write variables.
    #[new]
    #[pyo3(signature = (carries, sequences, is_branch=false))]
    fn new(
        py: Python<'_>,
        carries: Vec<PyRef<'_, Tensor>>,
        sequences: Vec<PyRef<'_, Tensor>>,
        is_branch: bool,
    ) -> PyResult<Self> {
        let mut specs: Vec<Spec> = carries.iter().map(|carry| carry.operand.spec.clone()).collect();
        for sequence in &sequences {
            let spec = &sequence.operand.spec;
            let Some((_, rest)) = spec.shape.0.split_first() else {
                return Err(Error::shape("scan goes over the first axis of xs, and one of them is a scalar"))
                    .or_raise(py);
            };
            specs.push(Spec::new(Shape(rest.to_vec()), spec.dtype));
        }
        let recorder = Recorder::new(if is_branch { Mode::Branch } else { Mode::Body });
        let inputs = specs.into_iter().map(|spec| recorder.input(spec)).collect();
        Ok(Body { recorder, inputs, finished: Mutex::new(None) })
    }

    /// The stand-ins that the function is called with.
    #[getter]
    fn inputs(&self) -> Vec<Tensor> {
        self.inputs.iter().cloned().map(Tensor::new).collect()
    }

    /// Whether the function has written a variable.
    #[getter]
    fn has_written(&self) -> bool {
        self.recorder.has_written_any()
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        recording::push_trace(Arc::clone(&slf.recorder));
        slf
    }

    fn __exit__(&self, class: Option<Bound<'_, PyType>>, _error: Py<PyAny>, _traceback: Py<PyAny>) {
        recording::pop_trace();
        if class.is_some() {
            self.recorder.close();
        }
    }

    /// Ends the function with its results.
    fn finish(&self, py: Python<'_>, outputs: Vec<PyRef<'_, Tensor>>) -> PyResult<()> {
        let outputs: Vec<Operand> = outputs.iter().map(|output| output.operand.clone()).collect();
        let (program, written, captures) = guarded(py, || self.recorder.finish(&outputs))?;
        *self.finished.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Function { program: Arc::new(program), captures, written });
        Ok(())
    }
}

impl Body {
    fn function(&self) -> Result<Function> {
        let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner).clone();
        finished.ok_or_else(|| Error::internal("a body was used before it was finished"))
    }
}

fn tensors(operands: impl IntoIterator<Item = Operand>) -> Vec<Tensor> {
    operands.into_iter().map(Tensor::new).collect()
}

/// Repeats a body over the first axis of `sequences`, or `length` times: the last carries, then the stacked results.
#[pyfunction]
pub fn scan(
    py: Python<'_>,
    body: &Body,
    carries: Vec<PyRef<'_, Tensor>>,
    sequences: Vec<PyRef<'_, Tensor>>,
    length: &Bound<'_, PyAny>,
    reverse: bool,
) -> PyResult<Vec<Tensor>> {
    let function = body.function().or_raise(py)?;
    let length = match (length.is_none(), sequences.first()) {
        (true, Some(sequence)) => sequence.operand.spec.shape.0.first().copied().unwrap_or(Dim::Known(0)),
        _ => symbolic_dim::extract(length)?,
    };
    let made = function.program.outputs.len();
    let program = &function.program;
    let body = guarded(py, || body::Body::new(program.graph.clone(), program.outputs.clone()))?;
    let (count, slices) = (carries.len(), sequences.len());
    let scan = Scan { body, carries: count, sequences: slices, length, reverse };
    let given = carries.iter().chain(&sequences).map(|tensor| tensor.operand.clone());
    let operands: Vec<Operand> = given.chain(function.captures).collect();
    // Behind what the function returned stand the carries of every step, which only derivatives read.
    Ok(tensors(recording::apply(py, Op::Scan(scan), &operands)?.into_iter().take(made)))
}

/// Bodies that take the same operands: the first `shared` inputs of each, then what any of them captured, each once.
fn unite(functions: &[Function], shared: &[Operand]) -> Result<(Vec<body::Body>, Vec<Operand>)> {
    let mut operands = shared.to_vec();
    let mut places: Vec<Vec<usize>> = Vec::with_capacity(functions.len());
    for function in functions {
        let mut own: Vec<usize> = (0..shared.len()).collect();
        for capture in &function.captures {
            let known = operands[shared.len()..].iter().position(|known| match (&known.link, &capture.link) {
                (Some(a), Some(b)) => Arc::ptr_eq(&a.recorder, &b.recorder) && a.value == b.value,
                _ => false,
            });
            own.push(shared.len() + known.unwrap_or(operands.len() - shared.len()));
            if known.is_none() {
                operands.push(capture.clone());
            }
        }
        places.push(own);
    }
    let mut bodies = Vec::with_capacity(functions.len());
    for (function, places) in functions.iter().zip(places) {
        let own = body::Body::new(function.program.graph.clone(), function.program.outputs.clone())?;
        let mut graph = Graph::new();
        let inputs: Vec<Value> = operands.iter().map(|operand| graph.input(operand.spec.clone())).collect();
        let taken: Vec<Value> = places.into_iter().map(|place| inputs[place]).collect();
        let outputs = own.inline(&mut graph, &taken);
        bodies.push(body::Body::new(graph, outputs)?);
    }
    Ok((bodies, operands))
}

impl Function {
    /// The function that ends with the values of all of `variables`, in their order: of those that it did not write, what they
    /// are worth before it, `before`.
    fn writing(&self, variables: &[Arc<Variable>], before: &[Operand]) -> Function {
        let mut program = Program::clone(&self.program);
        let mut captures = self.captures.clone();
        let values = program.outputs.split_off(program.outputs.len() - self.written.len());
        for (variable, before) in variables.iter().zip(before) {
            let place = self.written.iter().position(|written| written.id == variable.id);
            let value = place.map_or_else(
                || {
                    captures.push(before.clone());
                    program.graph.input(before.spec.clone())
                },
                |place| values[place],
            );
            program.outputs.push(value);
        }
        Function { program: Arc::new(program), captures, written: variables.to_vec() }
    }
}

/// What the one body or the other returns. Bodies of a `cond` have no inputs of their own: all they read is captured. Variables
/// that either writes are written with what they are worth behind the one that was chosen.
#[pyfunction]
pub fn cond(py: Python<'_>, condition: &Tensor, on_true: &Body, on_false: &Body) -> PyResult<Vec<Tensor>> {
    let mut functions = [on_true.function().or_raise(py)?, on_false.function().or_raise(py)?];
    let mut written: Vec<Arc<Variable>> = Vec::new();
    for variable in functions.iter().flat_map(|function| &function.written) {
        if written.iter().all(|known| known.id != variable.id) {
            written.push(Arc::clone(variable));
        }
    }
    let before: Vec<Operand> = written.iter().map(recording::read).collect();
    for function in &mut functions {
        *function = function.writing(&written, &before);
    }
    let (mut bodies, mut operands) = guarded(py, || unite(&functions, &[]))?;
    let (on_false, on_true) = (bodies.remove(1), bodies.remove(0));
    let first = on_true.outputs().len() - written.len();
    let is_same = |operand: &Operand, before: &Operand| match (&operand.link, &before.link) {
        (Some(a), Some(b)) => Arc::ptr_eq(&a.recorder, &b.recorder) && a.value == b.value,
        _ => false,
    };
    let places = before.iter().map(|before| operands.iter().position(|operand| is_same(operand, before)));
    let places = places.enumerate().filter_map(|(i, place)| Some((first + i, place?))).collect();
    operands.insert(0, condition.operand.clone());
    let mut results = recording::apply(py, Op::Cond(Cond { on_true, on_false, written: places }), &operands)?;
    let values = results.split_off(results.len() - written.len());
    for (variable, value) in written.iter().zip(&values) {
        recording::write(py, variable, value)?;
    }
    Ok(tensors(results))
}

/// `outputs` with a derivative by `arguments` that `rule`, a body of the gradients of the outputs, gives: its results are those
/// of the arguments number `of`. Without a rule there is no derivative.
#[pyfunction]
pub fn custom_gradient(
    py: Python<'_>,
    rule: Option<&Body>,
    outputs: Vec<PyRef<'_, Tensor>>,
    arguments: Vec<PyRef<'_, Tensor>>,
    of: Vec<usize>,
) -> PyResult<Vec<Tensor>> {
    let function = rule.map(|rule| rule.function().or_raise(py)).transpose()?;
    let given = outputs.iter().chain(&arguments).map(|tensor| tensor.operand.clone());
    let captures = function.iter().flat_map(|function| function.captures.iter().cloned());
    let operands: Vec<Operand> = given.chain(captures).collect();
    let rule = match &function {
        Some(Function { program, .. }) => {
            Some(guarded(py, || body::Body::new(program.graph.clone(), program.outputs.clone()))?)
        }
        None => None,
    };
    let op = Op::CustomGradient(CustomGradient { rule, outputs: outputs.len(), arguments: arguments.len(), of });
    let arrays: Option<Vec<_>> = outputs.iter().map(|output| output.operand.array.clone()).collect();
    match (recording::trace(), arrays) {
        (None, Some(arrays)) => Ok(tensors(recording::remember(py, op, &operands, arrays)?)),
        _ => Ok(tensors(recording::apply(py, op, &operands)?)),
    }
}

/// Repeats a body on `carries` while the condition, another body over them, holds, but at most `limit` times.
#[pyfunction]
pub fn while_loop(
    py: Python<'_>,
    condition: &Body,
    body: &Body,
    carries: Vec<PyRef<'_, Tensor>>,
    limit: Option<u64>,
) -> PyResult<Vec<Tensor>> {
    let functions = [condition.function().or_raise(py)?, body.function().or_raise(py)?];
    let carries: Vec<Operand> = carries.iter().map(|carry| carry.operand.clone()).collect();
    let (mut bodies, operands) = guarded(py, || unite(&functions, &carries))?;
    let (body, condition) = (bodies.remove(1), bodies.remove(0));
    let op = WhileLoop { condition, body, carries: carries.len(), limit };
    Ok(tensors(recording::apply(py, Op::WhileLoop(op), &operands)?))
}
