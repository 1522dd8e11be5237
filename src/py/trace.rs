//! `Trace`: records a function's ops over stand-ins for its inputs.

use std::collections::HashMap;
use std::sync::Arc;

use ironhorn_engine::core::{Dim, Shape, Spec};
use ironhorn_engine::runtime::compiled::Compiled;
use ironhorn_engine::runtime::recorder::{Mode, Operand, Recorder};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::errors::OrRaise;
use super::program::Program;
use super::tensor::Tensor;
use super::{convert, recording};

/// A function being traced. Enter it, call the function with `inputs`, leave it, and `finish` with the outputs.
#[pyclass(module = "ironhorn._core")]
pub struct Trace {
    recorder: Arc<Recorder>,
    inputs: Vec<Operand>,
    name: String,
}

#[pymethods]
impl Trace {
    /// `specs` has a dtype and a shape for every input; an axis is an int, or a string that names a symbol.
    #[new]
    fn new(py: Python<'_>, specs: Vec<(String, Vec<Bound<'_, PyAny>>)>, name: String) -> PyResult<Self> {
        let recorder = Recorder::new(Mode::Trace);
        let mut symbols: HashMap<String, Dim> = HashMap::new();
        let mut inputs = Vec::with_capacity(specs.len());
        for (dtype, axes) in specs {
            let mut dims = Vec::with_capacity(axes.len());
            for axis in axes {
                dims.push(match axis.cast::<PyString>() {
                    Ok(symbol) => *symbols.entry(symbol.extract()?).or_insert_with(Dim::fresh),
                    Err(_) => Dim::Known(axis.extract()?),
                });
            }
            inputs.push(recorder.input(Spec::new(Shape(dims), convert::dtype(py, &dtype)?)));
        }
        Ok(Trace { recorder, inputs, name })
    }

    /// The stand-ins, in the order of the specs.
    #[getter]
    fn inputs(&self) -> Vec<Tensor> {
        self.inputs.iter().cloned().map(Tensor::new).collect()
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        recording::push_trace(Arc::clone(&slf.recorder));
        slf
    }

    #[allow(clippy::unused_self)]
    fn __exit__(&self, _class: Py<PyAny>, _error: Py<PyAny>, _traceback: Py<PyAny>) {
        recording::pop_trace();
    }

    /// Ends the trace and compiles it.
    fn finish(&self, py: Python<'_>, outputs: Vec<Bound<'_, PyAny>>) -> PyResult<Program> {
        let outputs =
            outputs.iter().map(|output| Ok(convert::operand(output)?.operand)).collect::<PyResult<Vec<_>>>()?;
        let (program, variables, captures) = self.recorder.finish(&outputs).or_raise(py)?;
        if !captures.is_empty() {
            return Err(super::errors::raise(
                py,
                "TracedValueError",
                "a compiled function reads a traced value of another function; pass it as an argument instead",
            ));
        }
        let name = self.name.clone();
        let compiled = py.detach(|| Compiled::new(program, variables, &name)).or_raise(py)?;
        Ok(Program::new(compiled, self.name.clone()))
    }

    /// Ends the trace; only shapes were wanted.
    fn abandon(&self) {
        self.recorder.close();
    }
}
