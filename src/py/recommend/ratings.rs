//! Ratings of a training set.

use super::Vector;
use crate::py::enter::enter;
use ironhorn_engine::recommend::Ratings;
use ironhorn_engine::recommend::co_clustering::{pairwise_deviation, pairwise_mean};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::Arc;

/// Ratings grouped by row: by user, or by item.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct RatingTable {
    pub(super) ratings: Arc<Ratings>,
}

type Row<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<f64>>);
type Grouped<'py> =
    (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<f64>>);

#[pymethods]
impl RatingTable {
    /// `counts[k]` ratings of row `rows[k]`, run after run.
    #[new]
    fn new(
        py: Python<'_>,
        rows: PyReadonlyArray1<'_, u32>,
        counts: PyReadonlyArray1<'_, u64>,
        columns: PyReadonlyArray1<'_, u32>,
        ratings: Vector<'_>,
        n_rows: usize,
        n_columns: usize,
    ) -> PyResult<Self> {
        let (rows, counts) = (rows.as_slice()?, counts.as_slice()?);
        let (columns, ratings) = (columns.as_slice()?, ratings.as_slice()?);
        let ratings = enter(py, |_| {
            let counts: Vec<usize> = counts.iter().map(|&count| count as usize).collect();
            Ratings::new(rows.to_vec(), &counts, columns.to_vec(), ratings.to_vec(), n_rows, n_columns)
        })?;
        Ok(Self { ratings: Arc::new(ratings) })
    }

    /// Groups columns by row; rows come in ascending order, ratings of a row in the order of the columns.
    #[staticmethod]
    fn from_columns(
        py: Python<'_>,
        rows: PyReadonlyArray1<'_, u32>,
        columns: PyReadonlyArray1<'_, u32>,
        ratings: Vector<'_>,
        n_rows: usize,
        n_columns: usize,
    ) -> PyResult<Self> {
        let (rows, columns, ratings) = (rows.as_slice()?, columns.as_slice()?, ratings.as_slice()?);
        let ratings = enter(py, |_| Ratings::from_columns(rows, columns, ratings, n_rows, n_columns))?;
        Ok(Self { ratings: Arc::new(ratings) })
    }

    /// Rows, counts, columns and ratings, as `__new__` takes them.
    fn grouped<'py>(&self, py: Python<'py>) -> Grouped<'py> {
        let (rows, counts): (Vec<u32>, Vec<u64>) =
            self.ratings.counts().map(|(row, count)| (row, count as u64)).unzip();
        (
            rows.into_pyarray(py),
            counts.into_pyarray(py),
            self.ratings.items().to_vec().into_pyarray(py),
            self.ratings.values().to_vec().into_pyarray(py),
        )
    }

    /// Columns and ratings of one row.
    fn row<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Row<'py>> {
        if row >= self.ratings.n_users() {
            return Err(PyValueError::new_err(format!("row {row} of {}", self.ratings.n_users())));
        }
        let rated = self.ratings.of(row);
        Ok((rated.items.to_vec().into_pyarray(py), rated.ratings.to_vec().into_pyarray(py)))
    }

    /// The mean of each row, 0 for one without ratings.
    fn means<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.of_rows(pairwise_mean).into_pyarray(py)
    }

    /// The population standard deviation of each row, 0 for one without ratings.
    fn deviations<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.of_rows(pairwise_deviation).into_pyarray(py)
    }

    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.ratings.n_users(), self.ratings.n_items())
    }

    /// The lowest and the highest rating; infinite ones without any.
    fn bounds(&self) -> (f64, f64) {
        let start = (f64::INFINITY, f64::NEG_INFINITY);
        self.ratings.values().iter().fold(start, |(low, high), &value| (low.min(value), high.max(value)))
    }

    fn __len__(&self) -> usize {
        self.ratings.len()
    }
}

impl RatingTable {
    fn of_rows(&self, value: fn(&[f64]) -> f64) -> Vec<f64> {
        let rows = (0..self.ratings.n_users()).map(|row| self.ratings.of(row).ratings);
        rows.map(|ratings| if ratings.is_empty() { 0.0 } else { value(ratings) }).collect()
    }
}
