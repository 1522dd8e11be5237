//! Batches of Surprise's predictions: from rows of raw ids to inner ids, and from estimates to a list of named tuples.
//!
//! For an algorithm of few operations a rating, making the Python objects is nearly all of the time. A prediction is an
//! instance of a subclass of `tuple` and a dictionary; the tuple is made without its Python `__new__`, the dictionary
//! copied from a template, and the garbage collector rests meanwhile: nothing of what is made can be garbage.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

type Inner<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

/// Inner ids of rows of (raw user id, raw item id, rating), -1 for unknown ones. Rows that are other iterables of three
/// are replaced by tuples in the list itself.
#[pyfunction]
pub fn inner_ids<'py>(
    rows: &Bound<'py, PyList>,
    users: &Bound<'py, PyDict>,
    items: &Bound<'py, PyDict>,
) -> PyResult<Inner<'py>> {
    let py = rows.py();
    let (mut inner_users, mut inner_items) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    let find = |ids: &Bound<'py, PyDict>, raw: &Bound<'py, PyAny>| match ids.get_item(raw)? {
        Some(inner) => inner.extract(),
        None => Ok(-1_i64),
    };
    for index in 0..rows.len() {
        let row = rows.get_item(index)?;
        let row = match row.cast_into::<PyTuple>() {
            Ok(row) => row,
            Err(other) => {
                let row = PyTuple::new(py, other.into_inner().try_iter()?.collect::<PyResult<Vec<_>>>()?)?;
                rows.set_item(index, &row)?;
                row
            }
        };
        if row.len() != 3 {
            return Err(PyValueError::new_err(format!(
                "row {index} of the testset has {} values; expected user, item, rating",
                row.len()
            )));
        }
        inner_users.push(find(users, &row.get_item(0)?)?);
        inner_items.push(find(items, &row.get_item(1)?)?);
    }
    Ok((inner_users.into_pyarray(py), inner_items.into_pyarray(py)))
}

/// Stops the garbage collector of this process as long as it lives, if it was not stopped. It must not be kept where the
/// GIL is given up.
struct Rest(bool);

impl Rest {
    fn new(_: Python<'_>) -> Self {
        // SAFETY: the GIL is held, as the token says.
        Self(unsafe { ffi::PyGC_Disable() } == 1)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if self.0 {
            // SAFETY: a `Rest` lives in one function of this file, which holds the GIL.
            unsafe { ffi::PyGC_Enable() };
        }
    }
}

/// Makes instances of a named tuple, as `tuple.__new__` does.
struct Maker<'py> {
    kind: Bound<'py, PyType>,
    new: ffi::newfunc,
}

impl<'py> Maker<'py> {
    fn new(kind: &Bound<'py, PyType>) -> PyResult<Self> {
        let tuple = kind.py().get_type::<PyTuple>();
        if !kind.is_subclass(&tuple)? {
            return Err(PyTypeError::new_err(format!("{kind} is no named tuple")));
        }
        // SAFETY: this slot of a type holds null or a function of this very signature.
        let new: Option<ffi::newfunc> =
            unsafe { std::mem::transmute(ffi::PyType_GetSlot(tuple.as_type_ptr(), ffi::Py_tp_new)) };
        let new = new.ok_or_else(|| PyTypeError::new_err("tuple has no __new__"))?;
        Ok(Self { kind: kind.clone(), new })
    }

    fn make<const N: usize>(&self, values: [Bound<'py, PyAny>; N]) -> PyResult<Bound<'py, PyAny>> {
        let py = self.kind.py();
        let arguments = PyTuple::new(py, [PyTuple::new(py, values)?])?;
        // SAFETY: the function is the constructor of tuples, which takes a subclass of `tuple`, a tuple of arguments and
        // no keywords, and returns a new reference, or null with an exception set.
        unsafe {
            let made = (self.new)(self.kind.as_type_ptr(), arguments.as_ptr(), std::ptr::null_mut());
            Bound::from_owned_ptr_or_err(py, made)
        }
    }
}

/// A list of predictions of the named tuple `kind`: rows of `inner_ids` with their estimates, clipped to `scale` as
/// Python's `min` and `max` do, and details. Where `reasons` is `n > 0` the estimate is `default` and the details give
/// `texts[n - 1]`; where `support` is not negative the details give it as `actual_k`. Estimates are floats of Python's, or
/// those of `scalars`, a list of NumPy's.
#[pyfunction]
#[pyo3(signature = (kind, rows, values, support, reasons, scale, default, texts, scalars=None))]
pub fn make_predictions<'py>(
    kind: &Bound<'py, PyType>,
    rows: &Bound<'py, PyList>,
    values: PyReadonlyArray1<'py, f64>,
    support: PyReadonlyArray1<'py, i32>,
    reasons: PyReadonlyArray1<'py, u8>,
    scale: (Bound<'py, PyAny>, Bound<'py, PyAny>),
    default: &Bound<'py, PyAny>,
    texts: (String, String),
    scalars: Option<&Bound<'py, PyList>>,
) -> PyResult<Bound<'py, PyList>> {
    let py = kind.py();
    let (values, support, reasons) = (values.as_slice()?, support.as_slice()?, reasons.as_slice()?);
    let count = rows.len();
    let lengths = [values.len(), support.len(), reasons.len(), scalars.map_or(count, PyListMethods::len)];
    if lengths != [count; 4] {
        return Err(PyValueError::new_err(format!("{count} rows, but {lengths:?} values")));
    }
    let (low, high): (f64, f64) = (scale.0.extract()?, scale.1.extract()?);
    let maker = Maker::new(kind)?;
    let (impossible, actual) = (intern!(py, "was_impossible"), intern!(py, "actual_k"));
    let plain = PyDict::new(py);
    plain.set_item(impossible, false)?;
    let supported = PyDict::new(py);
    supported.set_item(actual, 0)?;
    supported.set_item(impossible, false)?;
    let absent = [texts.0, texts.1].map(|text| {
        let details = PyDict::new(py);
        details.set_item(impossible, true)?;
        details.set_item(intern!(py, "reason"), text)?;
        Ok::<_, PyErr>(details)
    });
    let [unknown, too_few] = absent;
    let absent = [unknown?, too_few?];

    let _rest = Rest::new(py);
    let found = PyList::empty(py);
    for index in 0..count {
        let row = rows.get_item(index)?;
        let row = row.cast::<PyTuple>()?;
        let value = values[index];
        let (estimate, details) = match reasons[index] {
            0 => {
                let estimate = if value.is_nan() || value >= high {
                    scale.1.clone()
                } else if value <= low {
                    scale.0.clone()
                } else if let Some(scalars) = scalars {
                    scalars.get_item(index)?
                } else {
                    value.into_pyobject(py)?.into_any()
                };
                let details = if support[index] < 0 {
                    plain.copy()?
                } else {
                    let details = supported.copy()?;
                    details.set_item(actual, support[index])?;
                    details
                };
                (estimate, details)
            }
            reason => {
                let details = absent.get(usize::from(reason) - 1);
                let details = details.ok_or_else(|| PyValueError::new_err(format!("no reason {reason}")))?;
                (default.clone(), details.copy()?)
            }
        };
        let prediction =
            maker.make([row.get_item(0)?, row.get_item(1)?, row.get_item(2)?, estimate, details.into_any()])?;
        found.append(prediction)?;
    }
    Ok(found)
}
