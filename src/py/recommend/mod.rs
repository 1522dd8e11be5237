//! Recommenders as Python sees them: arrays in, a fit to run and to cancel, arrays out.

mod estimator;
mod fit;
mod ratings;
mod similarity;

pub use estimator::RatingEstimator;
pub use fit::{RecommenderFit, baselines_als, baselines_sgd, slope_one_deviations};
pub use ratings::RatingTable;
pub use similarity::SimilarityTable;

use ironhorn_engine::recommend::{Monitor, Progress};
use ironhorn_engine::runtime::cancel::Interrupt;
use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

/// Stops at Ctrl-C.
struct CtrlC<'a, 'b>(&'a mut Interrupt<'b>);

impl Monitor for CtrlC<'_, '_> {
    fn cancelled(&mut self) -> bool {
        self.0.requested()
    }

    fn advance(&mut self, _: u64) {}
}

/// Stops at Ctrl-C and at a fit's `cancel`, and counts.
struct Watch<'a, 'b> {
    interrupt: &'a mut Interrupt<'b>,
    progress: &'a Progress,
}

impl Monitor for Watch<'_, '_> {
    fn cancelled(&mut self) -> bool {
        self.progress.is_cancelled() || self.interrupt.requested()
    }

    fn advance(&mut self, ratings: u64) {
        let mut progress = self.progress;
        progress.advance(ratings);
    }
}

type Vector<'py> = PyReadonlyArray1<'py, f64>;
type Matrix<'py> = PyReadonlyArray2<'py, f64>;
type Matrices<'py, T> = (Bound<'py, PyArray2<T>>, Bound<'py, PyArray2<f64>>);

fn matrix<T: numpy::Element>(py: Python<'_>, rows: usize, columns: usize, values: Vec<T>) -> Bound<'_, PyArray2<T>> {
    let array = Array2::from_shape_vec((rows, columns), values);
    array.expect("as many values as the shape says").into_pyarray(py)
}
