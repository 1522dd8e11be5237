//! NumPy arrays to arrays and back.

use std::sync::Arc;

use ironhorn_engine::core::{Array, DType, Shape};
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::errors::OrRaise;

/// The element type of a NumPy array.
pub fn dtype_of(array: &Bound<'_, PyUntypedArray>) -> PyResult<DType> {
    let descr = array.dtype();
    let found = match (descr.kind(), descr.itemsize()) {
        (b'b', _) => Some(DType::Bool),
        (b'u', 1) => Some(DType::Uint8),
        (b'u', 2) => Some(DType::Uint16),
        (b'u', 4) => Some(DType::Uint32),
        (b'u', 8) => Some(DType::Uint64),
        (b'i', 1) => Some(DType::Int8),
        (b'i', 2) => Some(DType::Int16),
        (b'i', 4) => Some(DType::Int32),
        (b'i', 8) => Some(DType::Int64),
        (b'f', 2) => Some(DType::Float16),
        (b'f', 4) => Some(DType::Float32),
        (b'f', 8) => Some(DType::Float64),
        _ => DType::from_name(&descr.str()?.to_string()),
    };
    found.ok_or_else(|| {
        PyTypeError::new_err(format!(
            "arrays of NumPy type {descr} cannot be converted; use numbers or booleans (strings go through TextVectorization)"
        ))
    })
}

/// A C-ordered, native-endian NumPy array of the same elements: the array itself where it is one already.
pub fn contiguous<'py>(array: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let native = array.dtype().is_native_byteorder().unwrap_or(true);
    if array.is_c_contiguous() && native {
        return Ok(array.clone());
    }
    let py = array.py();
    let keywords = PyDict::new(py);
    if !native {
        keywords.set_item("dtype", array.dtype().call_method1("newbyteorder", ("=",))?)?;
    }
    let copied = py.import("numpy")?.getattr("ascontiguousarray")?.call((array,), Some(&keywords))?;
    let shaped = copied.call_method1("reshape", (PyTuple::new(py, array.shape())?,))?;
    shaped.cast_into::<PyUntypedArray>().map_err(PyErr::from)
}

/// The address of a contiguous array's first element.
pub fn address(array: &Bound<'_, PyUntypedArray>) -> *const u8 {
    // SAFETY: a live NumPy array; its `data` field is its first element.
    unsafe { (*array.as_array_ptr()).fields.data.cast_const().cast() }
}

/// Copies a NumPy array.
pub fn from_numpy(array: &Bound<'_, PyUntypedArray>) -> PyResult<Array> {
    let dtype = dtype_of(array)?;
    let array = contiguous(array)?;
    let sizes = array.shape().to_vec();
    let bytes = sizes.iter().product::<usize>() * dtype.size();
    // SAFETY: a contiguous array of these sizes holds that many bytes, and the GIL keeps Python code from freeing it.
    let slice =
        unsafe { std::slice::from_raw_parts(if bytes == 0 { std::ptr::dangling() } else { address(&array) }, bytes) };
    Array::from_bytes(&sizes, dtype, slice).or_raise(array.py())
}

/// Memory of an array, as NumPy reads it through `__array_interface__`.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct View {
    array: Array,
    writable: bool,
}

#[pymethods]
impl View {
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let interface = PyDict::new(py);
        interface.set_item("shape", PyTuple::new(py, self.array.sizes())?)?;
        interface.set_item("typestr", typestr(self.array.dtype()))?;
        interface.set_item("data", (self.array.as_ptr() as usize, !self.writable))?;
        interface.set_item("version", 3)?;
        Ok(interface)
    }
}

fn typestr(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "|b1",
        DType::Uint8 => "|u1",
        DType::Uint16 => "<u2",
        DType::Uint32 => "<u4",
        DType::Uint64 => "<u8",
        DType::Int8 => "|i1",
        DType::Int16 | DType::Bfloat16 => "<i2",
        DType::Int32 => "<i4",
        DType::Int64 => "<i8",
        DType::Float16 => "<f2",
        DType::Float32 => "<f4",
        DType::Float64 => "<f8",
    }
}

/// A NumPy array over the same memory: writable only when nobody else holds it.
pub fn view(py: Python<'_>, array: Array) -> PyResult<Bound<'_, PyAny>> {
    let array = if array.dtype() == DType::Bfloat16 {
        // NumPy has no bfloat16; float32 holds every value of it.
        let cast = ironhorn_engine::ops::math::cast::Cast { dtype: DType::Float32 };
        let widened = ironhorn_engine::runtime::eager::apply(&cast.into(), &[array], "").or_raise(py)?;
        widened.into_iter().next().ok_or_else(|| PyTypeError::new_err("a cast gave no result"))?
    } else {
        array
    };
    let writable = Arc::strong_count(array.storage()) == 1;
    if array.is_empty() {
        let zeros = py.import("numpy")?.getattr("zeros")?;
        return zeros.call1((PyTuple::new(py, array.sizes())?, typestr(array.dtype())));
    }
    py.import("numpy")?.getattr("asarray")?.call1((Py::new(py, View { array, writable })?,))
}

/// The shape as a tuple: ints, and `None` for symbols.
pub fn shape_tuple<'py>(py: Python<'py>, shape: &Shape) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, shape.0.iter().map(|dim| dim.known()))
}
