//! Python values to operands and attributes.

use ironhorn_engine::core::{Array, DType, Dim};
use ironhorn_engine::ops::attributes::End;
use ironhorn_engine::ops::elementwise::Elementwise;
use ironhorn_engine::ops::shape::dim_value::DimValue;
use ironhorn_engine::ops::{Attribute, Attributes, Op, Promotion};
use ironhorn_engine::runtime::recorder::Operand;
use ironhorn_kernels::cpu::elementwise::Scalar;
use numpy::PyUntypedArray;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use super::errors::{OrRaise, raise};
use super::numpy_array::from_numpy;
use super::recording;
use super::symbolic_dim::{self, NegatedDim, SymbolicDim};
use super::tensor::Tensor;
use super::variable::VariableStorage;

/// How firmly an operand's type is meant: Python numbers take the type of what they meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weak {
    No,
    Bool,
    Int,
    Float,
}

/// An operand before types are brought together.
pub struct Loose {
    pub operand: Operand,
    pub weak: Weak,
}

fn strong(operand: Operand) -> Loose {
    Loose { operand, weak: Weak::No }
}

/// Whether operators take this value.
pub fn is_array_like(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<Tensor>()
        || value.is_instance_of::<VariableStorage>()
        || value.is_instance_of::<PyFloat>()
        || value.is_instance_of::<PyInt>()
        || value.is_instance_of::<SymbolicDim>()
        || value.is_instance_of::<NegatedDim>()
        || value.is_instance_of::<PyUntypedArray>()
        || value.is_instance_of::<PyList>()
        || value.is_instance_of::<PyTuple>()
        || value.hasattr("__array__").unwrap_or(false) && !value.hasattr("_keras_history").unwrap_or(false)
}

/// A Python value as an operand: tensors and variables as they are, numbers, NumPy arrays, (nested) lists.
pub fn operand(value: &Bound<'_, PyAny>) -> PyResult<Loose> {
    let py = value.py();
    if let Ok(tensor) = value.cast::<Tensor>() {
        return Ok(strong(tensor.borrow().operand.clone()));
    }
    if let Ok(variable) = value.cast::<VariableStorage>() {
        return Ok(strong(variable.borrow().read_operand(py)?));
    }
    let scalar = |number: f64, dtype, weak| -> PyResult<Loose> {
        Ok(Loose { operand: Operand::eager(Array::scalar(number, dtype).or_raise(py)?), weak })
    };
    if value.is_instance_of::<PyBool>() {
        return scalar(f64::from(u8::from(value.extract::<bool>()?)), DType::Bool, Weak::Bool);
    }
    if value.is_instance_of::<PyInt>() {
        let number: i64 = value.extract()?;
        // int32 unless the number needs more.
        return if i32::try_from(number).is_ok() {
            scalar(number as f64, DType::Int32, Weak::Int)
        } else {
            let array = Array::from_slice(&[], &[number]).or_raise(py)?;
            Ok(Loose { operand: Operand::eager(array), weak: Weak::Int })
        };
    }
    if value.is_instance_of::<PyFloat>() {
        // Held in double precision until it is known what it meets.
        return scalar(value.extract()?, DType::Float64, Weak::Float);
    }
    if let Ok(dim) = value.cast::<SymbolicDim>() {
        let mut outputs = recording::apply(py, Op::DimValue(DimValue { dim: dim.get().dim }), &[])?;
        return Ok(Loose { operand: outputs.remove(0), weak: Weak::Int });
    }
    if let Ok(negated) = value.cast::<NegatedDim>() {
        let length = recording::apply(py, Op::DimValue(DimValue { dim: negated.get().dim }), &[])?;
        let mut outputs = recording::apply(py, Op::Elementwise(Elementwise { rule: Scalar::Negative }), &length)?;
        return Ok(Loose { operand: outputs.remove(0), weak: Weak::Int });
    }
    if let Ok(array) = value.cast::<PyUntypedArray>() {
        return Ok(strong(Operand::eager(from_numpy(array)?)));
    }
    let is_list = value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>();
    if is_list && has_tensors(value)? {
        let stacked = py.import("ironhorn.ops")?.getattr("stack")?.call1((value,))?;
        return operand(&stacked);
    }
    if !is_list && !value.hasattr("__array__")? {
        return Err(PyTypeError::new_err(format!(
            "{} of type {} is not an array, a number or a nested list of numbers",
            value.repr()?,
            value.get_type().name()?
        )));
    }
    let array = py.import("numpy")?.getattr("asarray")?.call1((value,))?;
    let array = array.cast_into::<PyUntypedArray>().map_err(PyErr::from)?;
    let array = from_numpy(&array)?;
    // Python's numbers have no size; lists of them take the default types.
    let array = match (is_list, array.dtype()) {
        (true, DType::Float64) => cast_array(py, array, DType::Float32)?,
        (true, DType::Int64) => cast_array(py, array, DType::Int32)?,
        _ => array,
    };
    Ok(strong(Operand::eager(array)))
}

/// Whether a nested list holds tensors (or lengths known only to the trace).
fn has_tensors(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    for item in value.try_iter()? {
        let item = item?;
        let nested = item.is_instance_of::<PyList>() || item.is_instance_of::<PyTuple>();
        if item.is_instance_of::<Tensor>()
            || item.is_instance_of::<VariableStorage>()
            || item.is_instance_of::<SymbolicDim>()
            || (nested && has_tensors(&item)?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn cast_array(py: Python<'_>, array: Array, dtype: DType) -> PyResult<Array> {
    let op = Op::Cast(ironhorn_engine::ops::math::cast::Cast { dtype });
    let mut outputs = ironhorn_engine::runtime::eager::apply(&op, &[array], "").or_raise(py)?;
    Ok(outputs.remove(0))
}

/// `operand` in another type, through the trace or tape that records.
pub fn cast(py: Python<'_>, operand: Operand, dtype: DType) -> PyResult<Operand> {
    if operand.spec.dtype == dtype {
        return Ok(operand);
    }
    if let (Some(array), None) = (&operand.array, &operand.link) {
        return Ok(Operand::eager(cast_array(py, array.clone(), dtype)?));
    }
    let op = Op::Cast(ironhorn_engine::ops::math::cast::Cast { dtype });
    Ok(recording::apply(py, op, &[operand])?.remove(0))
}

/// The type that operands have in common by Keras' rules.
fn common_dtype(operands: &[Loose]) -> DType {
    let strong = operands.iter().filter(|loose| loose.weak == Weak::No).map(|loose| loose.operand.spec.dtype);
    let strong = strong.reduce(DType::promote);
    let weak = operands.iter().map(|loose| loose.weak).max_by_key(|weak| *weak as u8).unwrap_or(Weak::No);
    match (strong, weak) {
        (Some(DType::Bool) | None, Weak::Int) => DType::Int32,
        (Some(dtype), Weak::No | Weak::Bool | Weak::Int) => dtype,
        (Some(dtype), Weak::Float) if dtype.is_float() => dtype,
        (_, Weak::Float) => DType::Float32,
        (None, Weak::Bool | Weak::No) => DType::Bool,
    }
}

/// Refuses a Python integer that the type it takes cannot hold.
fn check_fits(py: Python<'_>, loose: &Loose, dtype: DType) -> PyResult<()> {
    let (Weak::Int, true, Some(array)) = (loose.weak, dtype.is_integer(), &loose.operand.array) else {
        return Ok(());
    };
    let bits = i32::try_from(8 * dtype.size()).expect("a type has few bits");
    let (low, high) = if dtype.name().starts_with('u') {
        (0.0, 2f64.powi(bits))
    } else {
        (-2f64.powi(bits - 1), 2f64.powi(bits - 1))
    };
    let number = array.item().or_raise(py)?;
    if (low..high).contains(&number) {
        return Ok(());
    }
    Err(raise(
        py,
        "ValueRangeError",
        &format!("the number {number} does not fit {dtype}; cast the tensor to a wider type"),
    ))
}

/// Casts operands as the op's promotion rule says.
pub fn promote(py: Python<'_>, op: &Op, operands: Vec<Loose>) -> PyResult<Vec<Operand>> {
    let cast_all = |operands: Vec<Loose>, dtype: DType| -> PyResult<Vec<Operand>> {
        operands
            .into_iter()
            .map(|loose| {
                check_fits(py, &loose, dtype)?;
                cast(py, loose.operand, dtype)
            })
            .collect()
    };
    match op.promotion() {
        Promotion::Keep => operands
            .into_iter()
            .map(|loose| match loose.weak {
                Weak::Float => cast(py, loose.operand, DType::Float32),
                _ => Ok(loose.operand),
            })
            .collect(),
        Promotion::All => {
            let dtype = common_dtype(&operands);
            cast_all(operands, dtype)
        }
        Promotion::Float => {
            let dtype = common_dtype(&operands);
            cast_all(operands, if dtype.is_float() { dtype } else { DType::Float32 })
        }
        Promotion::Bool => cast_all(operands, DType::Bool),
        Promotion::AllButCondition => {
            let mut operands = operands;
            let condition = operands.remove(0);
            let dtype = common_dtype(&operands);
            let mut all = vec![cast(py, condition.operand, DType::Bool)?];
            all.extend(cast_all(operands, dtype)?);
            Ok(all)
        }
    }
}

/// Keyword arguments as attributes.
pub fn attributes(keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Attributes> {
    let mut attributes = Attributes::new();
    if let Some(keywords) = keywords {
        for (name, value) in keywords.iter() {
            let name: String = name.extract()?;
            let value = if name == "starts" || name == "stops" { ends(&value)? } else { attribute(&value)? };
            attributes.0.insert(name, value);
        }
    }
    Ok(attributes)
}

/// Slice bounds: numbers, lengths, negated lengths, None.
fn ends(value: &Bound<'_, PyAny>) -> PyResult<Attribute> {
    let end = |item: Bound<'_, PyAny>| -> PyResult<End> {
        if item.is_none() {
            return Ok(End::Open);
        }
        if let Ok(negated) = item.cast::<NegatedDim>() {
            return Ok(End::Back(negated.get().dim));
        }
        match item.cast::<SymbolicDim>() {
            Ok(symbol) => Ok(End::Dim(symbol.get().dim)),
            Err(_) => Ok(End::At(item.extract()?)),
        }
    };
    Ok(Attribute::Ends(value.try_iter()?.map(|item| end(item?)).collect::<PyResult<_>>()?))
}

fn attribute(value: &Bound<'_, PyAny>) -> PyResult<Attribute> {
    if value.is_none() {
        return Ok(Attribute::None);
    }
    if value.is_instance_of::<PyBool>() {
        return Ok(Attribute::Bool(value.extract()?));
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(Attribute::Float(value.extract()?));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Attribute::Text(text.extract()?));
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items: Vec<Bound<'_, PyAny>> = value.try_iter()?.collect::<PyResult<_>>()?;
        if items.iter().any(PyAnyMethods::is_instance_of::<SymbolicDim>) {
            let dims = items.iter().map(|item| match item.extract::<i64>() {
                Ok(-1) => Ok(None),
                _ => symbolic_dim::extract(item).map(Some),
            });
            return Ok(Attribute::Dims(dims.collect::<PyResult<_>>()?));
        }
        if items.iter().any(PyAnyMethods::is_none) {
            return Ok(Attribute::OptionalInts(items.iter().map(PyAnyMethods::extract).collect::<PyResult<_>>()?));
        }
        if items.iter().any(PyAnyMethods::is_instance_of::<PyFloat>) {
            return Ok(Attribute::Floats(items.iter().map(PyAnyMethods::extract).collect::<PyResult<_>>()?));
        }
        return Ok(Attribute::Ints(items.iter().map(PyAnyMethods::extract).collect::<PyResult<_>>()?));
    }
    if let Ok(number) = value.extract::<i64>() {
        return Ok(Attribute::Int(number));
    }
    if let Ok(number) = value.extract::<f64>() {
        return Ok(Attribute::Float(number));
    }
    Err(PyTypeError::new_err(format!("{} cannot be an attribute of an op", value.repr()?)))
}

/// A dtype by name.
pub fn dtype(py: Python<'_>, name: &str) -> PyResult<DType> {
    DType::from_name(name).ok_or_else(|| {
        let known: Vec<_> = DType::ALL.iter().map(|dtype| dtype.name()).collect();
        raise(py, "DTypeError", &format!("unknown dtype '{name}'; known are {}", known.join(", ")))
    })
}

/// `value` as a tensor, in type `dtype` when one is given.
#[pyfunction]
#[pyo3(signature = (value, dtype=None))]
pub fn tensor(py: Python<'_>, value: &Bound<'_, PyAny>, dtype: Option<&str>) -> PyResult<Tensor> {
    let loose = operand(value)?;
    let wanted = match (dtype, loose.weak) {
        (Some(name), _) => Some(self::dtype(py, name)?),
        (None, Weak::Float) => Some(DType::Float32),
        (None, _) => None,
    };
    let operand = match wanted {
        Some(wanted) => cast(py, loose.operand, wanted)?,
        None => loose.operand,
    };
    Ok(Tensor::new(operand))
}

/// The shape of a tensor as ints and `SymbolicDim`s.
#[pyfunction]
pub fn symbolic_shape<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyTuple>> {
    let dims: Vec<Py<PyAny>> = tensor
        .operand
        .spec
        .shape
        .0
        .iter()
        .map(|&dim: &Dim| symbolic_dim::to_python(py, dim))
        .collect::<PyResult<_>>()?;
    PyTuple::new(py, dims)
}
