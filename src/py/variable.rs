//! `VariableStorage`: what a `Variable` keeps its value in.

use std::sync::Arc;

use ironhorn_engine::core::DType;
use ironhorn_engine::runtime::recorder::Operand;
use ironhorn_engine::runtime::variable::Variable;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::tensor::Tensor;
use super::{convert, numpy_array, recording};

/// An array that programs read and write in place. `Variable` derives from it.
#[pyclass(module = "ironhorn._core", subclass, dict, weakref)]
pub struct VariableStorage {
    pub variable: Option<Arc<Variable>>,
    /// Whether layers that compute in another type than their weights' read it in that type.
    #[pyo3(get, set)]
    pub autocast: bool,
}

impl VariableStorage {
    /// The value here and now, in the type that the layer being called computes in.
    pub fn read_operand(&self, py: Python<'_>) -> PyResult<Operand> {
        let operand = recording::read(self.inner()?);
        convert::cast(py, operand, self.type_when_read()?)
    }

    fn type_when_read(&self) -> PyResult<DType> {
        let own = self.inner()?.spec().dtype;
        Ok(recording::autocast().filter(|_| self.autocast && own.is_float()).unwrap_or(own))
    }

    pub fn inner(&self) -> PyResult<&Arc<Variable>> {
        self.variable.as_ref().ok_or_else(|| {
            pyo3::exceptions::PyRuntimeError::new_err("the variable has no value yet; its layer was not built")
        })
    }
}

#[pymethods]
impl VariableStorage {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, pyo3::types::PyDict>>) -> Self {
        VariableStorage { variable: None, autocast: true }
    }

    /// Gives the variable its first value, and with it its shape and type for good.
    fn initialize(&mut self, py: Python<'_>, value: &Bound<'_, PyAny>, dtype: &str) -> PyResult<()> {
        let operand = convert::operand(value)?.operand;
        let operand = convert::cast(py, operand, convert::dtype(py, dtype)?)?;
        let array = operand.array.ok_or_else(|| {
            super::errors::raise(
                py,
                "TracedValueError",
                "a variable cannot be initialised with a traced value; use numbers or arrays",
            )
        })?;
        self.variable = Some(Variable::new(array));
        Ok(())
    }

    /// The value as a tensor.
    fn read(&self, py: Python<'_>) -> PyResult<Tensor> {
        Ok(Tensor::new(self.read_operand(py)?))
    }

    /// Changes the value; in a trace, when the program runs.
    fn write(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let variable = self.inner()?;
        let operand = convert::operand(value)?.operand;
        let operand = convert::cast(py, operand, variable.spec().dtype)?;
        recording::write(py, variable, &operand)
    }

    /// The value as a NumPy array of its own; never traced.
    fn numpy(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let array = self.inner()?.get();
        Ok(numpy_array::view(py, array)?.call_method0("copy")?.unbind())
    }

    #[getter]
    fn storage_shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        numpy_array::shape_tuple(py, &self.inner()?.spec().shape)
    }

    /// The type that the value is read in here and now.
    #[getter]
    fn read_dtype(&self) -> PyResult<&'static str> {
        Ok(self.type_when_read()?.name())
    }

    #[getter]
    fn storage_dtype(&self) -> PyResult<&'static str> {
        Ok(self.inner()?.spec().dtype.name())
    }

    /// Counts writes.
    #[getter]
    fn version(&self) -> PyResult<u64> {
        Ok(self.inner()?.version())
    }

    /// Unique in the process.
    #[getter]
    fn identity(&self) -> PyResult<u64> {
        Ok(self.inner()?.id)
    }
}
