//! `Tensor`: an array that ops have made, or a value of a function that is being traced.

use ironhorn_engine::core::{Array, DType};
use ironhorn_engine::runtime::recorder::Operand;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::errors::raise;
use super::op_handle::call;
use super::symbolic_dim::place;
use super::{convert, numpy_array};

/// An n-dimensional array. Eager tensors hold data; traced ones stand for values of a program that is being traced.
#[pyclass(module = "ironhorn._core", dict, weakref)]
pub struct Tensor {
    pub operand: Operand,
}

impl Tensor {
    pub fn new(operand: Operand) -> Tensor {
        Tensor { operand }
    }

    /// The data; an error that names the layer and the remedies while tracing.
    fn array(&self, py: Python<'_>, wanted: &str) -> PyResult<Array> {
        self.operand.array.clone().ok_or_else(|| {
            raise(
                py,
                "TracedValueError",
                &format!(
                    "{}{wanted} of a traced tensor of shape {} and type {} is not known: the function is traced once and then \
                     runs compiled. Use ops.cond or ops.where for a choice, ops.while_loop or ops.scan for a loop, or compile \
                     the model with run_eagerly=True",
                    place(),
                    self.operand.spec.shape,
                    self.operand.spec.dtype
                ),
            )
        })
    }
}

/// A binary operator; `NotImplemented` for operands that are not arrays, so that Python asks the other side.
fn binary(py: Python<'_>, name: &str, a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    if !(convert::is_array_like(a) && convert::is_array_like(b)) {
        return Ok(py.NotImplemented());
    }
    call(py, name, &[a.clone(), b.clone()], None)
}

/// What `__reduce__` returns: a function, and its arguments.
type Reduced<'py> = (Bound<'py, PyAny>, (Py<PyAny>, &'static str));

#[pymethods]
impl Tensor {
    /// NumPy leaves operators with tensors to the tensor.
    #[classattr]
    #[pyo3(name = "__array_priority__")]
    const ARRAY_PRIORITY: f64 = 100.0;

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        numpy_array::shape_tuple(py, &self.operand.spec.shape)
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        self.operand.spec.dtype.name()
    }

    #[getter]
    fn ndim(&self) -> usize {
        self.operand.spec.rank()
    }

    /// Number of elements; `None` while an axis is symbolic.
    #[getter]
    fn size(&self) -> Option<usize> {
        self.operand.spec.shape.sizes().map(|sizes| sizes.iter().product())
    }

    #[getter]
    fn is_traced(&self) -> bool {
        self.operand.array.is_none()
    }

    /// The values as a NumPy array of its own. bfloat16 becomes float32.
    fn numpy(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let array = self.array(py, "the data")?;
        Ok(numpy_array::view(py, array)?.call_method0("copy")?.unbind())
    }

    /// The values as a NumPy array over the tensor's own memory; the tensor gives the memory up.
    // Python's name for it; a method of a Python class cannot take its object by value.
    #[allow(clippy::wrong_self_convention)]
    fn into_numpy(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let array = self.array(py, "the data")?;
        self.operand.array =
            Some(Array::zeros(&[0], DType::Bool).map_err(|error| super::errors::to_python(py, &error))?);
        self.operand.spec = ironhorn_engine::core::Spec::known(&[0], DType::Bool);
        self.operand.link = None;
        Ok(numpy_array::view(py, array)?.unbind())
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__(&self, py: Python<'_>, dtype: Option<&Bound<'_, PyAny>>, copy: Option<bool>) -> PyResult<Py<PyAny>> {
        let array = self.array(py, "the data")?;
        let viewed = numpy_array::view(py, array)?;
        let keywords = PyDict::new(py);
        keywords.set_item("copy", copy.unwrap_or(false))?;
        match dtype {
            Some(dtype) => Ok(viewed.call_method("astype", (dtype,), Some(&keywords))?.unbind()),
            None if copy == Some(true) => Ok(viewed.call_method0("copy")?.unbind()),
            None => Ok(viewed.unbind()),
        }
    }

    #[pyo3(signature = (**keywords))]
    fn __dlpack__(&self, py: Python<'_>, keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Py<PyAny>> {
        Ok(self.numpy(py)?.bind(py).call_method("__dlpack__", (), keywords)?.unbind())
    }

    #[allow(clippy::unused_self)]
    fn __dlpack_device__(&self) -> (i32, i32) {
        (1, 0)
    }

    /// The one element as a Python number.
    fn item(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(numpy_array::view(py, self.array(py, "the value")?)?.call_method0("item")?.unbind())
    }

    /// The elements as nested Python lists.
    fn tolist(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(numpy_array::view(py, self.array(py, "the data")?)?.call_method0("tolist")?.unbind())
    }

    fn __float__(&self, py: Python<'_>) -> PyResult<f64> {
        let array = self.array(py, "float()")?;
        array.item().map_err(|error| super::errors::to_python(py, &error))
    }

    fn __int__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let view = numpy_array::view(py, self.array(py, "int()")?)?;
        Ok(view.call_method0("__int__")?.unbind())
    }

    fn __index__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let view = numpy_array::view(py, self.array(py, "an index")?)?;
        Ok(view.call_method0("__index__")?.unbind())
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        let array = self.array(py, "bool()")?;
        match array.len() {
            1 => Ok(array.item().map_err(|error| super::errors::to_python(py, &error))? != 0.0),
            count => Err(raise(
                py,
                "ShapeError",
                &format!("a tensor of {count} elements is neither true nor false; use ops.any or ops.all"),
            )),
        }
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        match self.operand.spec.shape.0.first().map(|dim| dim.known()) {
            Some(Some(size)) => Ok(size),
            Some(None) => Err(raise(
                py,
                "TracedValueError",
                "the length of a symbolic axis is not known while tracing; use ops.shape(x)[0]",
            )),
            None => Err(pyo3::exceptions::PyTypeError::new_err("len() of a scalar tensor")),
        }
    }

    fn __iter__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let length = slf.borrow().__len__(slf.py())?;
        let items: Vec<Py<PyAny>> = (0..length)
            .map(|i| Self::__getitem__(slf, i.into_pyobject(slf.py())?.as_any()))
            .collect::<PyResult<_>>()?;
        Ok(items.into_pyobject(slf.py())?.call_method0("__iter__")?.unbind())
    }

    fn __getitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let indexing = slf.py().import("ironhorn.ops.indexing")?;
        Ok(indexing.getattr("getitem")?.call1((slf, key))?.unbind())
    }

    fn __add__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "add", slf.as_any(), other)
    }

    fn __radd__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "add", other, slf.as_any())
    }

    fn __sub__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "subtract", slf.as_any(), other)
    }

    fn __rsub__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "subtract", other, slf.as_any())
    }

    fn __mul__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "multiply", slf.as_any(), other)
    }

    fn __rmul__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "multiply", other, slf.as_any())
    }

    fn __truediv__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "divide", slf.as_any(), other)
    }

    fn __rtruediv__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "divide", other, slf.as_any())
    }

    fn __floordiv__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "floor_divide", slf.as_any(), other)
    }

    fn __rfloordiv__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "floor_divide", other, slf.as_any())
    }

    fn __mod__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "mod", slf.as_any(), other)
    }

    fn __rmod__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "mod", other, slf.as_any())
    }

    fn __and__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "logical_and", slf.as_any(), other)
    }

    fn __rand__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "logical_and", other, slf.as_any())
    }

    fn __or__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "logical_or", slf.as_any(), other)
    }

    fn __ror__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "logical_or", other, slf.as_any())
    }

    fn __xor__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "logical_xor", slf.as_any(), other)
    }

    fn __rxor__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "logical_xor", other, slf.as_any())
    }

    fn __neg__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        call(slf.py(), "negative", &[slf.as_any().clone()], None)
    }

    fn __pos__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __abs__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        call(slf.py(), "absolute", &[slf.as_any().clone()], None)
    }

    fn __invert__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        call(slf.py(), "logical_not", &[slf.as_any().clone()], None)
    }

    fn __pow__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>, _modulo: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "power", slf.as_any(), other)
    }

    fn __rpow__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>, _modulo: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        binary(slf.py(), "power", other, slf.as_any())
    }

    fn __matmul__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Ok(slf.py().import("ironhorn.ops")?.getattr("matmul")?.call1((slf, other))?.unbind())
    }

    fn __rmatmul__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Ok(slf.py().import("ironhorn.ops")?.getattr("matmul")?.call1((other, slf))?.unbind())
    }

    fn __richcmp__(
        slf: &Bound<'_, Self>,
        other: &Bound<'_, PyAny>,
        compare: pyo3::pyclass::CompareOp,
    ) -> PyResult<Py<PyAny>> {
        use pyo3::pyclass::CompareOp;
        let name = match compare {
            CompareOp::Lt => "less",
            CompareOp::Le => "less_equal",
            CompareOp::Eq => "equal",
            CompareOp::Ne => "not_equal",
            CompareOp::Gt => "greater",
            CompareOp::Ge => "greater_equal",
        };
        binary(slf.py(), name, slf.as_any(), other)
    }

    fn __hash__(slf: &Bound<'_, Self>) -> usize {
        slf.as_ptr() as usize >> 4
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let spec = &self.operand.spec;
        match &self.operand.array {
            None => Ok(format!("<traced tensor, shape={}, dtype={}>", spec.shape, spec.dtype)),
            Some(array) => {
                let text = numpy_array::view(py, array.clone())?.repr()?;
                Ok(format!("<tensor, shape={}, dtype={}, {text}>", spec.shape, spec.dtype))
            }
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let make = py.import("ironhorn._core")?.getattr("tensor")?;
        Ok((make, (self.numpy(py)?, self.operand.spec.dtype.name())))
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__(slf: Py<Self>, _memo: Py<PyAny>) -> Py<Self> {
        slf
    }
}
