//! Functions of Python as ops: what NumPy computes, such as factorizations, inside programs.
//!
//! A call takes the GIL for as long as it lasts. The thread that started the run has let go of it, and no lock of the engine
//! that other Python code needs is held, so that any thread may come to make the call.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use ironhorn_engine::core::{Array, Error, Result, Shape, Spec};
use ironhorn_engine::ops::Op;
use ironhorn_engine::ops::control::body;
use ironhorn_engine::ops::control::host_call::{Derivative, Host, HostCall};
use ironhorn_engine::runtime::recorder::{Mode, Operand, Recorder};
use numpy::PyUntypedArray;
use pyo3::exceptions::{PyException, PyMemoryError, PyNotImplementedError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use super::enter::guarded;
use super::errors::OrRaise;
use super::tensor::Tensor;
use super::{convert, numpy_array, recording, symbolic_dim};

/// A function of NumPy arrays that returns one or several, and its derivative in ops.
struct Function {
    name: &'static str,
    call: Py<PyAny>,
    derivative: Option<Py<PyAny>>,
}

/// What a Python exception is to the engine. Its class gets lost where the engine has none for it.
fn from_python(py: Python<'_>, error: &PyErr) -> Error {
    let value = error.value(py);
    let text = value.str().map_or_else(|_| "an error without a text".to_string(), |text| text.to_string());
    if !error.is_instance_of::<PyException>(py) {
        return Error::Cancelled;
    }
    if error.is_instance_of::<PyNotImplementedError>(py) {
        return Error::Unsupported(text);
    }
    if error.is_instance_of::<PyMemoryError>(py) {
        return Error::OutOfMemory(text);
    }
    if error.is_instance_of::<pyo3::exceptions::PyValueError>(py) {
        return Error::Value(text);
    }
    let class = value.get_type().name().map_or_else(|_| String::new(), |name| name.to_string());
    Error::Value(format!("{class}: {text}"))
}

impl Function {
    fn call_python(&self, py: Python<'_>, inputs: Vec<Array>) -> PyResult<Vec<Array>> {
        let given = inputs.into_iter().map(|array| numpy_array::view(py, array)).collect::<PyResult<Vec<_>>>()?;
        let made = self.call.bind(py).call1(PyTuple::new(py, given)?)?;
        let made: Vec<Bound<'_, PyAny>> = match made.cast::<PyTuple>() {
            Ok(several) => several.iter().collect(),
            Err(_) => vec![made],
        };
        let numpy = py.import("numpy")?;
        let asarray = numpy.getattr("asarray")?;
        made.iter().map(|array| numpy_array::from_numpy(asarray.call1((array,))?.cast::<PyUntypedArray>()?)).collect()
    }

    /// Traces the derivative: a function of inputs, outputs and gradients (None where none has arrived) that returns one
    /// gradient an input, or None.
    fn trace(
        &self,
        py: Python<'_>,
        inputs: &[Spec],
        outputs: &[Spec],
        reached: &[bool],
        wanted: &[bool],
    ) -> PyResult<Derivative> {
        let Some(derivative) = &self.derivative else {
            return Err(PyNotImplementedError::new_err("it has no derivative; wrap its inputs in ops.stop_gradient"));
        };
        let recorder = Recorder::new(Mode::Body);
        let stand_in = |spec: &Spec| Tensor::new(recorder.input(spec.clone()));
        let given: Vec<Tensor> = inputs.iter().map(stand_in).collect();
        let made: Vec<Tensor> = outputs.iter().map(stand_in).collect();
        let arrived = outputs.iter().zip(reached).map(|(spec, reached)| reached.then(|| stand_in(spec)));
        let arrived = PyTuple::new(py, arrived.collect::<Vec<_>>())?;
        recording::push_trace(Arc::clone(&recorder));
        let found = derivative.bind(py).call1((PyTuple::new(py, given)?, PyTuple::new(py, made)?, arrived));
        recording::pop_trace();
        let (mut of, mut results) = (Vec::new(), Vec::new());
        for (index, gradient) in found?.try_iter()?.enumerate() {
            let gradient = gradient?;
            if wanted.get(index) == Some(&true) && !gradient.is_none() {
                of.push(index);
                results.push(gradient.cast::<Tensor>()?.borrow().operand.clone());
            }
        }
        let (program, _, captures) = recorder.finish(&results).or_raise(py)?;
        if !captures.is_empty() {
            return Err(Error::internal("a derivative reads what it was not given")).or_raise(py);
        }
        Ok(Derivative { body: body::Body::new(program.graph, program.outputs).or_raise(py)?, of })
    }
}

impl ironhorn_engine::ops::control::host_call::HostFunction for Function {
    fn name(&self) -> &'static str {
        self.name
    }

    fn call(&self, inputs: Vec<Array>) -> Result<Vec<Array>> {
        Python::attach(|py| self.call_python(py, inputs).map_err(|error| from_python(py, &error)))
    }

    fn derivative(&self, inputs: &[Spec], outputs: &[Spec], reached: &[bool], wanted: &[bool]) -> Result<Derivative> {
        Python::attach(|py| self.trace(py, inputs, outputs, reached, wanted).map_err(|error| from_python(py, &error)))
    }
}

/// The one copy of a name, which lives as long as the process. Names are those of functions in the library's source.
fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept: &'static str = Box::leak(name.to_string().into_boxed_str());
    names.insert(kept);
    kept
}

/// A function of NumPy arrays, ready to be called by ops. Two are the same only if they are one object.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct HostFunction {
    host: Host,
}

#[pymethods]
impl HostFunction {
    #[new]
    #[pyo3(signature = (name, call, derivative=None))]
    fn new(name: &str, call: Py<PyAny>, derivative: Option<Py<PyAny>>) -> Self {
        HostFunction { host: Host(Arc::new(Function { name: interned(name), call, derivative })) }
    }
}

/// Calls a function of the host: at once with arrays, else as a node of the trace. `outputs` has a dtype and a shape for
/// every result.
#[pyfunction]
pub fn host_call(
    py: Python<'_>,
    function: &HostFunction,
    inputs: Vec<PyRef<'_, Tensor>>,
    outputs: Vec<(String, Vec<Bound<'_, PyAny>>)>,
) -> PyResult<Py<PyList>> {
    let mut specs = Vec::with_capacity(outputs.len());
    for (dtype, axes) in outputs {
        let dims = axes.iter().map(symbolic_dim::extract).collect::<PyResult<Vec<_>>>()?;
        specs.push(Spec::new(Shape(dims), convert::dtype(py, &dtype)?));
    }
    let op = HostCall { function: function.host.clone(), outputs: specs };
    let operands: Vec<Operand> = inputs.iter().map(|input| input.operand.clone()).collect();
    let arrays: Option<Vec<Array>> = operands.iter().map(|operand| operand.array.clone()).collect();
    let made = match (recording::trace(), arrays) {
        (None, Some(arrays)) => {
            let scope = recording::scope();
            let name = op.function.0.name();
            let made = guarded(py, || {
                let made = op.function.0.call(arrays).and_then(|made| op.check(&made).map(|()| made));
                made.map_err(|error| error.at(&scope, name))
            })?;
            recording::remember(py, Op::HostCall(op), &operands, made)?
        }
        _ => recording::apply(py, Op::HostCall(op), &operands)?,
    };
    Ok(PyList::new(py, made.into_iter().map(Tensor::new))?.unbind())
}
