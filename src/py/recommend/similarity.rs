//! Similarities of users or of items.

use super::{CtrlC, RatingTable, Vector, matrix};
use crate::py::enter::enter;
use ironhorn_engine::recommend::similarity::{Measure, Similarities};
use numpy::{IntoPyArray, PyArray1, PyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Similarities between the columns of a table, over the rows that both have in common.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct SimilarityTable {
    pub(super) similarities: Similarities,
}

#[pymethods]
impl SimilarityTable {
    /// `measure` is "cosine", "msd", "pearson" or `"pearson_baseline"`, which takes the mean, biases of columns and rows, and
    /// the shrinkage.
    #[new]
    #[pyo3(signature = (ratings, measure, min_support, baselines=None))]
    fn new(
        py: Python<'_>,
        ratings: &RatingTable,
        measure: &str,
        min_support: f64,
        baselines: Option<(f64, Vector<'_>, Vector<'_>, f64)>,
    ) -> PyResult<Self> {
        let measure = match (measure, baselines) {
            ("cosine", None) => Measure::Cosine,
            ("msd", None) => Measure::Msd,
            ("pearson", None) => Measure::Pearson,
            ("pearson_baseline", Some((mean, columns, rows, shrinkage))) => Measure::PearsonBaseline {
                mean,
                row_biases: columns.as_slice()?.to_vec(),
                column_biases: rows.as_slice()?.to_vec(),
                shrinkage,
            },
            _ => return Err(PyValueError::new_err(format!("no similarity '{measure}' with these arguments"))),
        };
        let similarities = enter(py, |_| Similarities::new(&ratings.ratings, measure, min_support))?;
        Ok(Self { similarities })
    }

    /// The whole matrix.
    fn dense<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let n = self.similarities.n_rows();
        let values = enter(py, |interrupt| self.similarities.dense(&mut CtrlC(interrupt)))?;
        Ok(matrix(py, n, n, values))
    }

    /// One row of the matrix.
    fn row<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let n = self.similarities.n_rows();
        if row >= n {
            return Err(PyValueError::new_err(format!("row {row} of {n}")));
        }
        let values = enter(py, |_| {
            let mut found = Vec::new();
            self.similarities.row(row, &mut self.similarities.scratch(), &mut found);
            let mut values = vec![0.0; n];
            values[row] = 1.0;
            for (other, value) in found {
                values[other as usize] = value;
            }
            Ok(values)
        })?;
        Ok(values.into_pyarray(py))
    }
}
