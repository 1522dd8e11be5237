//! An axis length that is not known while a function is traced.

use ironhorn_engine::core::Dim;
use ironhorn_engine::ops::graph::DimRule;
use pyo3::prelude::*;

use super::errors::{OrRaise, raise};
use super::recording;

/// The length of an axis while tracing. It can be added to, subtracted, multiplied and divided (floor), used as a length in
/// shapes, and used as an int32 value in ops.
#[pyclass(module = "ironhorn._core", frozen)]
#[derive(Clone)]
pub struct SymbolicDim {
    pub dim: Dim,
}

/// A length from Python: an int or a `SymbolicDim`.
pub fn extract(value: &Bound<'_, PyAny>) -> PyResult<Dim> {
    match value.cast::<SymbolicDim>() {
        Ok(symbolic) => Ok(symbolic.get().dim),
        Err(_) => Ok(Dim::Known(value.extract()?)),
    }
}

/// A length as Python has it.
pub fn to_python(py: Python<'_>, dim: Dim) -> PyResult<Py<PyAny>> {
    match dim {
        Dim::Known(size) => Ok(size.into_pyobject(py)?.into_any().unbind()),
        symbolic @ Dim::Symbol(_) => Ok(Py::new(py, SymbolicDim { dim: symbolic })?.into_any()),
    }
}

fn derive(py: Python<'_>, rule: DimRule, a: Dim, b: Dim) -> PyResult<Py<PyAny>> {
    let Some(trace) = recording::trace() else {
        return Err(raise(py, "TracedValueError", "a symbolic axis length has no meaning outside its trace"));
    };
    let dim = trace.with_graph(|graph| graph.derive_dim(rule, a, b)).or_raise(py)?;
    to_python(py, dim)
}

#[pymethods]
impl SymbolicDim {
    fn __add__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match extract(other) {
            Ok(other) => derive(py, DimRule::Add, self.dim, other),
            Err(_) => Ok(py.NotImplemented()),
        }
    }
    fn __radd__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.__add__(py, other)
    }
    fn __sub__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match extract(other) {
            Ok(other) => derive(py, DimRule::Subtract, self.dim, other),
            Err(_) => Ok(py.NotImplemented()),
        }
    }
    fn __rsub__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match extract(other) {
            Ok(other) => derive(py, DimRule::Subtract, other, self.dim),
            Err(_) => Ok(py.NotImplemented()),
        }
    }
    fn __mul__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match extract(other) {
            Ok(other) => derive(py, DimRule::Multiply, self.dim, other),
            Err(_) => Ok(py.NotImplemented()),
        }
    }
    fn __rmul__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.__mul__(py, other)
    }
    fn __floordiv__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match extract(other) {
            Ok(other) => derive(py, DimRule::FloorDivide, self.dim, other),
            Err(_) => Ok(py.NotImplemented()),
        }
    }
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<SymbolicDim>().is_ok_and(|other| other.get().dim == self.dim)
    }
    fn __hash__(&self) -> u64 {
        match self.dim {
            Dim::Known(size) => size as u64,
            Dim::Symbol(symbol) => u64::from(symbol.0) | 1 << 40,
        }
    }
    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        Err(self.unknown(py))
    }
    fn __int__(&self, py: Python<'_>) -> PyResult<usize> {
        Err(self.unknown(py))
    }
    fn __index__(&self, py: Python<'_>) -> PyResult<usize> {
        Err(self.unknown(py))
    }
    #[allow(clippy::unused_self)]
    fn __repr__(&self) -> &'static str {
        "SymbolicDim"
    }
}

impl SymbolicDim {
    #[allow(clippy::unused_self)]
    fn unknown(&self, py: Python<'_>) -> PyErr {
        raise(
            py,
            "TracedValueError",
            &format!(
                "{}the length of this axis is not known while the model is traced; use it through ops (ops.shape(x)[i] in \
                 ops.reshape, arithmetic), give the Input a fixed shape, or compile with run_eagerly=True",
                place()
            ),
        )
    }
}

/// "layer 'path': " when a layer is being called.
pub fn place() -> String {
    let scope = recording::scope();
    if scope.is_empty() { String::new() } else { format!("layer '{scope}': ") }
}
