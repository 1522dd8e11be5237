//! `op("name")`: one callable for arrays and traced values.

use ironhorn_engine::ops::Op;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::convert::{attributes, operand, promote};
use super::errors::OrRaise;
use super::recording;
use super::tensor::Tensor;

/// An op by name. Calling it with arrays runs it; with traced values it appends to the trace.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct OpHandle {
    name: String,
}

/// Applies the op called `name`: one tensor, or a tuple of them.
pub fn call(
    py: Python<'_>,
    name: &str,
    inputs: &[Bound<'_, PyAny>],
    keywords: Option<&Bound<'_, PyDict>>,
) -> PyResult<Py<PyAny>> {
    let op =
        Op::parse(name, attributes(keywords)?).map_err(|error| error.at(&recording::scope(), name)).or_raise(py)?;
    let loose = inputs.iter().map(operand).collect::<PyResult<Vec<_>>>()?;
    let operands = promote(py, &op, loose)?;
    let mut outputs = recording::apply(py, op, &operands)?;
    if outputs.len() == 1 {
        return Ok(Py::new(py, Tensor::new(outputs.remove(0)))?.into_any());
    }
    let tensors = outputs.into_iter().map(|output| Py::new(py, Tensor::new(output))).collect::<PyResult<Vec<_>>>()?;
    Ok(PyTuple::new(py, tensors)?.into_any().unbind())
}

#[pymethods]
impl OpHandle {
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    #[pyo3(signature = (*inputs, **keywords))]
    fn __call__(
        &self,
        py: Python<'_>,
        inputs: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let inputs: Vec<Bound<'_, PyAny>> = inputs.iter().collect();
        call(py, &self.name, &inputs, keywords)
    }

    fn __repr__(&self) -> String {
        format!("<op {}>", self.name)
    }
}

/// The op called `name`.
#[pyfunction]
pub fn op(name: &str) -> PyResult<OpHandle> {
    if Op::names().contains(&name) {
        Ok(OpHandle { name: name.to_string() })
    } else {
        Err(pyo3::exceptions::PyAttributeError::new_err(format!("there is no op named '{name}'")))
    }
}

/// The names of all ops.
#[pyfunction]
pub fn op_names() -> Vec<&'static str> {
    Op::names()
}
