//! An axis length that is not known while a function is traced.

use ironhorn_engine::core::Dim;
use ironhorn_engine::ops::graph::DimRule;
use pyo3::prelude::*;
use pyo3::pyclass::CompareOp;
use pyo3::types::{PyList, PyTuple};

use super::convert::is_array_like;
use super::errors::{OrRaise, raise};
use super::op_handle::call;
use super::recording;
use super::tensor::Tensor;

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

/// A binary operator: on lengths if the other side is one, else on values.
fn operator<'py>(
    py: Python<'py>,
    name: &str,
    rule: Option<DimRule>,
    a: &Bound<'py, PyAny>,
    b: &Bound<'py, PyAny>,
) -> PyResult<Py<PyAny>> {
    if let (Some(rule), Ok(a), Ok(b)) = (rule, extract(a), extract(b)) {
        return derive(py, rule, a, b);
    }
    // Tensors know themselves what to do, and lists are repeated, which needs a number.
    let other = |x: &Bound<'py, PyAny>| {
        x.is_instance_of::<Tensor>()
            || x.is_instance_of::<PyList>()
            || x.is_instance_of::<PyTuple>()
            || !is_array_like(x)
    };
    if other(a) || other(b) {
        return Ok(py.NotImplemented());
    }
    call(py, name, &[a.clone(), b.clone()], None)
}

#[pymethods]
impl SymbolicDim {
    fn __add__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        if let Ok(negated) = other.cast::<NegatedDim>() {
            return derive(slf.py(), DimRule::Subtract, slf.get().dim, negated.get().dim);
        }
        match other.extract::<i64>() {
            Ok(number) if number < 0 => {
                let less = Dim::Known(usize::try_from(-number).unwrap_or(usize::MAX));
                derive(slf.py(), DimRule::Subtract, slf.get().dim, less)
            }
            _ => operator(slf.py(), "add", Some(DimRule::Add), slf.as_any(), other),
        }
    }
    fn __radd__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Self::__add__(slf, other)
    }
    fn __sub__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        operator(slf.py(), "subtract", Some(DimRule::Subtract), slf.as_any(), other)
    }
    fn __rsub__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        operator(slf.py(), "subtract", Some(DimRule::Subtract), other, slf.as_any())
    }
    fn __mul__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        operator(slf.py(), "multiply", Some(DimRule::Multiply), slf.as_any(), other)
    }
    fn __rmul__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Self::__mul__(slf, other)
    }
    fn __floordiv__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        operator(slf.py(), "floor_divide", Some(DimRule::FloorDivide), slf.as_any(), other)
    }
    fn __rfloordiv__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        operator(slf.py(), "floor_divide", Some(DimRule::FloorDivide), other, slf.as_any())
    }
    fn __mod__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        match extract(other) {
            Ok(divisor) => {
                let whole = derive(py, DimRule::FloorDivide, slf.get().dim, divisor)?;
                let whole = derive(py, DimRule::Multiply, extract(whole.bind(py))?, divisor)?;
                derive(py, DimRule::Subtract, slf.get().dim, extract(whole.bind(py))?)
            }
            Err(_) => operator(py, "mod", None, slf.as_any(), other),
        }
    }
    fn __rmod__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        match extract(other) {
            Ok(Dim::Known(length)) => {
                Self::__mod__(&Bound::new(py, SymbolicDim { dim: Dim::Known(length) })?, slf.as_any())
            }
            _ => operator(py, "mod", None, other, slf.as_any()),
        }
    }
    fn __truediv__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        operator(slf.py(), "divide", None, slf.as_any(), other)
    }
    fn __rtruediv__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        operator(slf.py(), "divide", None, other, slf.as_any())
    }
    /// The smaller of this and another length.
    fn minimum(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        derive(py, DimRule::Minimum, self.dim, extract(other)?)
    }
    fn __neg__(&self) -> NegatedDim {
        NegatedDim { dim: self.dim }
    }
    fn __richcmp__(&self, py: Python<'_>, other: &Bound<'_, PyAny>, compare: CompareOp) -> PyResult<Py<PyAny>> {
        let same = other.cast::<SymbolicDim>().is_ok_and(|other| other.get().dim == self.dim);
        let answer = match compare {
            _ if other.is_instance_of::<Tensor>() => return Ok(py.NotImplemented()),
            CompareOp::Eq => same,
            CompareOp::Ne => !same,
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => {
                return Err(raise(
                    py,
                    "TracedValueError",
                    &format!(
                        "{}a length that is not known while the model is traced was compared. Compare it as a value \
                         (ops.less(n, 3), ops.maximum(n, 3)) and choose with ops.where or ops.cond, give the Input a fixed \
                         shape, or compile with run_eagerly=True",
                        place()
                    ),
                ));
            }
        };
        Ok(answer.into_pyobject(py)?.to_owned().into_any().unbind())
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

/// A length with a minus sign: a slice bound that counts from the end, a negative number in ops.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct NegatedDim {
    pub dim: Dim,
}

#[pymethods]
impl NegatedDim {
    fn __neg__(&self) -> SymbolicDim {
        SymbolicDim { dim: self.dim }
    }
    fn __add__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match extract(other) {
            Ok(other) => derive(py, DimRule::Subtract, other, self.dim),
            Err(_) => Ok(py.NotImplemented()),
        }
    }
    fn __radd__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.__add__(py, other)
    }
    fn __sub__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match extract(other) {
            Ok(other) => {
                let sum = derive(py, DimRule::Add, self.dim, other)?;
                Ok(Py::new(py, NegatedDim { dim: extract(sum.bind(py))? })?.into_any())
            }
            Err(_) => Ok(py.NotImplemented()),
        }
    }
    #[allow(clippy::unused_self)]
    fn __repr__(&self) -> &'static str {
        "-SymbolicDim"
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
