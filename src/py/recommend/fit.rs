//! Fits: factors, clusters, baselines, deviations.

use super::{CtrlC, Matrices, Matrix, RatingTable, Vector, Watch, matrix};
use crate::py::enter::enter;
use ironhorn_engine::core::Error;
use ironhorn_engine::recommend::baselines::{als, sgd};
use ironhorn_engine::recommend::co_clustering::CoClustering;
use ironhorn_engine::recommend::nmf::{Nmf, NmfOptions};
use ironhorn_engine::recommend::nmf_blocks::NmfBlocks;
use ironhorn_engine::recommend::slope_one::deviations;
use ironhorn_engine::recommend::start::Start;
use ironhorn_engine::recommend::svd_blocks::SvdBlocks;
use ironhorn_engine::recommend::svdpp::{Svdpp, SvdppOptions};
use ironhorn_engine::recommend::{Progress, Svd, SvdOptions, Task};
use ironhorn_kernels::cpu::factor::Rate;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError, TryLockError};

fn rates<const N: usize>(learning_rates: [f64; N], regularizations: [f64; N]) -> [Rate; N] {
    std::array::from_fn(|index| Rate { learning_rate: learning_rates[index], regularization: regularizations[index] })
}

/// Factors that a fit starts from, with biases (else zero); and how it is computed: `single` holds factors in float32,
/// more than one of `blocks` run side by side.
#[derive(FromPyObject)]
pub struct Begin<'py> {
    #[pyo3(attribute)]
    user_factors: Matrix<'py>,
    #[pyo3(attribute)]
    item_factors: Matrix<'py>,
    #[pyo3(attribute)]
    biases: Option<(Vector<'py>, Vector<'py>)>,
    #[pyo3(attribute)]
    single: bool,
    #[pyo3(attribute)]
    blocks: usize,
}

impl Begin<'_> {
    fn start(&self) -> PyResult<Start<'_>> {
        let biases = match &self.biases {
            Some((users, items)) => Some((users.as_slice()?, items.as_slice()?)),
            None => None,
        };
        let (user_factors, item_factors) = (self.user_factors.as_slice()?, self.item_factors.as_slice()?);
        Ok(Start { factors: self.user_factors.shape()[1], user_factors, item_factors, biases })
    }
}

/// A fit that is under way.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct RecommenderFit {
    task: Mutex<Box<dyn Task>>,
    progress: Progress,
}

impl RecommenderFit {
    fn of(task: Box<dyn Task>) -> Self {
        Self { task: Mutex::new(task), progress: Progress::default() }
    }
}

fn boxed(task: impl Task + 'static) -> Box<dyn Task> {
    Box::new(task)
}

#[pymethods]
impl RecommenderFit {
    /// SVD; rates of user biases, item biases, user factors and item factors.
    #[staticmethod]
    #[pyo3(signature = (by_user, begin, biased, mean, *, learning_rates, regularizations))]
    fn svd(
        py: Python<'_>,
        by_user: &RatingTable,
        begin: Begin<'_>,
        biased: bool,
        mean: f64,
        learning_rates: [f64; 4],
        regularizations: [f64; 4],
    ) -> PyResult<Self> {
        let (start, single, blocks) = (begin.start()?, begin.single, begin.blocks);
        let [user_bias, item_bias, of_users, of_items] = rates(learning_rates, regularizations);
        let options = SvdOptions { biased, mean, user_bias, item_bias, user_factors: of_users, item_factors: of_items };
        let task = enter(py, |_| {
            let ratings = by_user.ratings.clone();
            match (single, blocks) {
                (false, 1) => Svd::<f64>::new(ratings, options, &start).map(boxed),
                (true, 1) => Svd::<f32>::new(ratings, options, &start).map(boxed),
                (false, _) => SvdBlocks::<f64>::new(&ratings, options, &start, blocks).map(boxed),
                (true, _) => SvdBlocks::<f32>::new(&ratings, options, &start, blocks).map(boxed),
            }
        })?;
        Ok(Self::of(task))
    }

    /// SVD++; rates of user biases, item biases, user, item and implicit factors. What each user has rated is taken from
    /// `neighbors`. There are no blocks: each rating moves rows of all items of its user.
    #[staticmethod]
    #[pyo3(signature = (by_user, neighbors, begin, implicit_factors, mean, *, learning_rates, regularizations))]
    fn svdpp(
        py: Python<'_>,
        by_user: &RatingTable,
        neighbors: &RatingTable,
        begin: Begin<'_>,
        implicit_factors: Matrix<'_>,
        mean: f64,
        learning_rates: [f64; 5],
        regularizations: [f64; 5],
    ) -> PyResult<Self> {
        let (start, single) = (begin.start()?, begin.single);
        let implicit = implicit_factors.as_slice()?;
        let options = SvdppOptions { mean, rates: rates(learning_rates, regularizations) };
        if begin.blocks != 1 {
            return Err(PyValueError::new_err("svdpp: there is no fit in blocks"));
        }
        let task = enter(py, |_| {
            let (ratings, neighbors) = (by_user.ratings.clone(), neighbors.ratings.clone());
            if single {
                Svdpp::<f32>::new(ratings, neighbors, options, &start, implicit).map(boxed)
            } else {
                Svdpp::<f64>::new(ratings, neighbors, options, &start, implicit).map(boxed)
            }
        })?;
        Ok(Self::of(task))
    }

    /// NMF; `regularizations` of user biases, item biases, user and item factors, `learning_rates` of user and item biases.
    #[staticmethod]
    #[pyo3(signature = (by_user, begin, biased, mean, *, learning_rates, regularizations))]
    fn nmf(
        py: Python<'_>,
        by_user: &RatingTable,
        begin: Begin<'_>,
        biased: bool,
        mean: f64,
        learning_rates: [f64; 2],
        regularizations: [f64; 4],
    ) -> PyResult<Self> {
        let (start, single, blocks) = (begin.start()?, begin.single, begin.blocks);
        let [bias_penalty, item_bias_penalty, user_penalty, item_penalty] = regularizations;
        let [user_bias, item_bias] = rates(learning_rates, [bias_penalty, item_bias_penalty]);
        let options = NmfOptions { biased, mean, user_bias, item_bias, user_penalty, item_penalty };
        let task = enter(py, |_| {
            let ratings = by_user.ratings.clone();
            match (single, blocks) {
                (false, 1) => Nmf::<f64>::new(ratings, options, &start).map(boxed),
                (true, 1) => Nmf::<f32>::new(ratings, options, &start).map(boxed),
                (false, _) => NmfBlocks::<f64>::new(&ratings, options, &start, blocks).map(boxed),
                (true, _) => NmfBlocks::<f32>::new(&ratings, options, &start, blocks).map(boxed),
            }
        })?;
        Ok(Self::of(task))
    }

    /// Co-clustering from these clusters; `truncated` drops fractions of ratings.
    #[staticmethod]
    fn co_clustering(
        py: Python<'_>,
        by_user: &RatingTable,
        by_item: &RatingTable,
        mean: f64,
        user_clusters: PyReadonlyArray1<'_, i64>,
        item_clusters: PyReadonlyArray1<'_, i64>,
        n_clusters: (usize, usize),
        truncated: bool,
    ) -> PyResult<Self> {
        let (users, items) = (user_clusters.as_slice()?, item_clusters.as_slice()?);
        let sides = (by_user.ratings.clone(), by_item.ratings.clone());
        let fit = enter(py, |_| CoClustering::new(sides.0, sides.1, mean, users, items, n_clusters, truncated))?;
        Ok(Self::of(boxed(fit)))
    }

    /// Goes through all ratings `epochs` times, without the GIL.
    fn run(&self, py: Python<'_>, epochs: usize) -> PyResult<()> {
        enter(py, |interrupt| match self.task.try_lock() {
            Ok(mut task) => task.run(epochs, &mut Watch { interrupt, progress: &self.progress }),
            Err(TryLockError::WouldBlock) => {
                Err(Error::Value("this fit is running in another thread already; wait for it".into()))
            }
            Err(TryLockError::Poisoned(_)) => Err(Error::Internal("an earlier run of this fit panicked".into())),
        })
    }

    /// Makes a running `run` stop, from any thread.
    fn cancel(&self) {
        self.progress.cancel();
    }

    /// Whether `cancel` was called.
    #[getter]
    fn cancelled(&self) -> bool {
        self.progress.is_cancelled()
    }

    /// Ratings used for training so far.
    #[getter]
    fn done(&self) -> u64 {
        self.progress.done()
    }

    /// Copies of what the parameters are now: vectors and matrices.
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let parameters = enter(py, |_| Ok(self.task.lock().unwrap_or_else(PoisonError::into_inner).parameters()))?;
        Ok(parameters
            .into_iter()
            .map(|(values, width)| match values.len().checked_div(width) {
                None => values.into_pyarray(py).into_any(),
                Some(rows) => matrix(py, rows, width, values).into_any(),
            })
            .collect())
    }
}

type Biases<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>);

/// User and item biases by alternating least squares.
#[pyfunction]
pub fn baselines_als<'py>(
    py: Python<'py>,
    by_user: &RatingTable,
    by_item: &RatingTable,
    mean: f64,
    epochs: usize,
    user_penalty: f64,
    item_penalty: f64,
) -> PyResult<Biases<'py>> {
    let (users, items) = enter(py, |interrupt| {
        als(&by_user.ratings, &by_item.ratings, mean, epochs, user_penalty, item_penalty, &mut CtrlC(interrupt))
    })?;
    Ok((users.into_pyarray(py), items.into_pyarray(py)))
}

/// User and item biases by stochastic gradient descent.
#[pyfunction]
pub fn baselines_sgd<'py>(
    py: Python<'py>,
    by_user: &RatingTable,
    mean: f64,
    epochs: usize,
    learning_rate: f64,
    regularization: f64,
) -> PyResult<Biases<'py>> {
    let rate = Rate { learning_rate, regularization };
    let (users, items) = enter(py, |interrupt| sgd(&by_user.ratings, mean, epochs, rate, &mut CtrlC(interrupt)))?;
    Ok((users.into_pyarray(py), items.into_pyarray(py)))
}

/// Slope One's frequencies and mean deviations of all pairs of items.
#[pyfunction]
pub fn slope_one_deviations<'py>(
    py: Python<'py>,
    by_user: &RatingTable,
    truncated: bool,
) -> PyResult<Matrices<'py, i64>> {
    let n = by_user.ratings.n_items();
    let found = enter(py, |interrupt| deviations(&by_user.ratings, truncated, &mut CtrlC(interrupt)))?;
    Ok((matrix(py, n, n, found.frequencies), matrix(py, n, n, found.deviations)))
}
