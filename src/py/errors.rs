//! The engine's errors as the classes of `ironhorn.errors`.

use ironhorn_engine::core::Error;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyType;

/// The Python exception for an engine error.
pub fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error {
        Error::Shape(_) => "ShapeError",
        Error::DType(_) => "DTypeError",
        Error::Value(_) => "ValueRangeError",
        Error::Index(_) => "IndexRangeError",
        Error::Traced(_) => "TracedValueError",
        Error::Unsupported(_) => "UnsupportedError",
        Error::OutOfMemory(_) => "OutOfMemory",
        Error::Internal(_) => "InternalError",
        Error::Cancelled => return PyKeyboardInterrupt::new_err(()),
    };
    raise(py, class, error.message())
}

/// An exception of `ironhorn.errors` by the name of its class.
pub fn raise(py: Python<'_>, class: &str, text: &str) -> PyErr {
    let found = py
        .import("ironhorn.errors")
        .and_then(|module| module.getattr(class))
        .and_then(|found| found.cast_into::<PyType>().map_err(PyErr::from));
    match found {
        Ok(class) => PyErr::from_type(class, (text.to_string(),)),
        Err(_) => PyRuntimeError::new_err(text.to_string()),
    }
}

/// Turns engine results into Python results.
pub trait OrRaise<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for ironhorn_engine::core::Result<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| to_python(py, &error))
    }
}
