//! `Program`: a compiled function; `Source`: arrays that its batches are gathered from.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ironhorn_engine::core::Array;
use ironhorn_engine::program::show::show;
use ironhorn_engine::runtime::compiled::Compiled;
use ironhorn_engine::runtime::recorder::Operand;
use ironhorn_engine::runtime::source::{self, Column, Feed};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::enter::enter;
use super::errors::{OrRaise, raise};
use super::tensor::Tensor;
use super::{convert, numpy_array};

/// A compiled function. Safe to call from many threads.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct Program {
    compiled: Compiled,
    name: String,
    steps_done: AtomicUsize,
}

impl Program {
    pub fn new(compiled: Compiled, name: String) -> Program {
        Program { compiled, name, steps_done: AtomicUsize::new(0) }
    }
}

fn tensors(arrays: Vec<Array>) -> Vec<Tensor> {
    arrays.into_iter().map(|array| Tensor::new(Operand::eager(array))).collect()
}

#[pymethods]
impl Program {
    /// Runs once. Inputs are converted to the types that the function was traced with.
    fn run(&self, py: Python<'_>, inputs: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<Tensor>> {
        let graph = &self.compiled.program().graph;
        let mut arrays = Vec::with_capacity(inputs.len());
        for (input, &value) in inputs.iter().zip(&graph.inputs) {
            let operand = convert::cast(py, convert::operand(input)?.operand, graph.dtype(value))?;
            arrays.push(operand.array.ok_or_else(|| {
                raise(py, "TracedValueError", "a compiled function cannot be called with traced values")
            })?);
        }
        let outputs = enter(py, |interrupt| self.compiled.run(&arrays, interrupt))?;
        Ok(tensors(outputs))
    }

    /// Runs `steps` batches of `batch` rows of a source, in the order given (row numbers, or `None`), from position `first`
    /// on; returns the last batch's outputs. `steps_done` then says how many batches ended.
    fn run_steps(
        &self,
        py: Python<'_>,
        source: &Source,
        order: Option<&Order>,
        first: usize,
        batch: usize,
        steps: usize,
    ) -> PyResult<Vec<Tensor>> {
        let feed = Feed {
            source: Arc::clone(&source.source),
            order: order.map(|order| Arc::clone(&order.rows)),
            first,
            batch,
        };
        self.steps_done.store(0, Ordering::Release);
        let outputs = enter(py, |interrupt| {
            let mut done = 0;
            let result = self.compiled.run_steps(feed, steps, interrupt, &mut done);
            self.steps_done.store(done, Ordering::Release);
            result
        })?;
        Ok(tensors(outputs))
    }

    /// Runs every batch of a source and joins the outputs along axis 0; `None` if some output has no row for each row of its
    /// batch.
    fn run_collect(&self, py: Python<'_>, source: &Source, batch: usize) -> PyResult<Option<Vec<Tensor>>> {
        let outputs = enter(py, |interrupt| self.compiled.run_collect(&source.source, batch, interrupt))?;
        Ok(outputs.map(tensors))
    }

    /// Batches that ended in the last `run_steps`, also when it was interrupted.
    #[getter]
    fn steps_done(&self) -> usize {
        self.steps_done.load(Ordering::Acquire)
    }

    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The program after all passes, one line a node.
    fn text(&self) -> String {
        show(self.compiled.program())
    }
}

/// Row numbers in the order in which batches take them.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct Order {
    rows: Arc<Vec<usize>>,
}

#[pymethods]
impl Order {
    /// `rows` is an int64 array; every number must be below the source's number of rows.
    #[new]
    fn new(py: Python<'_>, rows: &Bound<'_, PyUntypedArray>, limit: usize) -> PyResult<Self> {
        let array = numpy_array::from_numpy(rows)?;
        let values = array.values::<i64>().or_raise(py)?;
        let rows: Option<Vec<usize>> =
            values.iter().map(|&row| usize::try_from(row).ok().filter(|&row| row < limit)).collect();
        let rows = rows.ok_or_else(|| raise(py, "IndexRangeError", &format!("row numbers must lie in 0..{limit}")))?;
        Ok(Order { rows: Arc::new(rows) })
    }

    fn __len__(&self) -> usize {
        self.rows.len()
    }
}

/// Arrays with the same number of rows, kept alive and read in place.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct Source {
    source: Arc<source::Source>,
    _arrays: Vec<Py<PyUntypedArray>>,
}

#[pymethods]
impl Source {
    #[new]
    fn new(py: Python<'_>, arrays: Vec<Bound<'_, PyUntypedArray>>) -> PyResult<Self> {
        let mut columns = Vec::with_capacity(arrays.len());
        let mut kept = Vec::with_capacity(arrays.len());
        for array in &arrays {
            let array = numpy_array::contiguous(array)?;
            let sizes = array.shape();
            if sizes.is_empty() {
                return Err(raise(py, "ShapeError", "a scalar has no rows; data must have a batch axis"));
            }
            columns.push(Column {
                address: numpy_array::address(&array) as usize,
                rows: sizes[0],
                row_sizes: sizes[1..].to_vec(),
                dtype: numpy_array::dtype_of(&array)?,
            });
            kept.push(array.unbind());
        }
        let source = source::Source::new(columns).or_raise(py)?;
        Ok(Source { source: Arc::new(source), _arrays: kept })
    }

    #[getter]
    fn rows(&self) -> usize {
        self.source.rows
    }
}
