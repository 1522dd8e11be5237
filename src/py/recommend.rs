//! Recommenders as Python sees them: arrays in, a fit to run and to cancel, arrays out.

use super::enter::enter;
use super::errors::to_python;
use ironhorn_engine::core::Error;
use ironhorn_engine::recommend::baselines::{als, sgd};
use ironhorn_engine::recommend::co_clustering::{CoClustering, pairwise_deviation, pairwise_mean};
use ironhorn_engine::recommend::estimator::{Clusters, Columns, SlopeOne, best_items, pairs};
use ironhorn_engine::recommend::factors::Factors;
use ironhorn_engine::recommend::knn::{Center, Neighbors, Source};
use ironhorn_engine::recommend::nmf::{Nmf, NmfOptions};
use ironhorn_engine::recommend::nmf_blocks::NmfBlocks;
use ironhorn_engine::recommend::similarity::{Measure, Similarities};
use ironhorn_engine::recommend::slope_one::deviations;
use ironhorn_engine::recommend::start::Start;
use ironhorn_engine::recommend::svd_blocks::SvdBlocks;
use ironhorn_engine::recommend::svdpp::{Svdpp, SvdppOptions};
use ironhorn_engine::recommend::{Monitor, Progress, Ratings, Svd, SvdOptions, Task};
use ironhorn_engine::runtime::cancel::Interrupt;
use ironhorn_kernels::cpu::factor::Rate;
use numpy::ndarray::Array2;
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

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

fn matrix<T: numpy::Element>(py: Python<'_>, rows: usize, columns: usize, values: Vec<T>) -> Bound<'_, PyArray2<T>> {
    let array = Array2::from_shape_vec((rows, columns), values);
    array.expect("as many values as the shape says").into_pyarray(py)
}

fn rates<const N: usize>(learning_rates: [f64; N], regularizations: [f64; N]) -> [Rate; N] {
    std::array::from_fn(|index| Rate { learning_rate: learning_rates[index], regularization: regularizations[index] })
}

/// Ratings grouped by row: by user, or by item.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct RatingTable {
    ratings: Arc<Ratings>,
}

type Row<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<f64>>);
type Matrices<'py, T> = (Bound<'py, PyArray2<T>>, Bound<'py, PyArray2<f64>>);
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

/// Similarities between the columns of a table, over the rows that both have in common.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct SimilarityTable {
    similarities: Similarities,
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

type Array1<T> = Py<PyArray1<T>>;
type Shared2<T> = Py<PyArray2<T>>;

/// The arrays of a fitted model, shared with Python.
enum Model {
    Factors(FactorArrays<f64>),
    SingleFactors(FactorArrays<f32>),
    Neighbors {
        similarities: Similar,
        raters: Arc<Ratings>,
        user_based: bool,
        k: usize,
        min_k: usize,
        mean: f64,
        center: String,
        centers: Vec<Array1<f64>>,
    },
    SlopeOne {
        by_user: Arc<Ratings>,
        means: Array1<f64>,
        frequencies: Shared2<i64>,
        deviations: Shared2<f64>,
    },
    Clusters {
        mean: f64,
        clusters: [Array1<i64>; 2],
        means: [Array1<f64>; 4],
        co_cluster_means: Shared2<f64>,
    },
}

struct FactorArrays<T> {
    biased: bool,
    mean: f64,
    biases: [Array1<f64>; 2],
    factors: [Shared2<T>; 2],
    implicit: Option<(Shared2<T>, Arc<Ratings>)>,
}

/// Factors in either type.
#[derive(FromPyObject)]
pub enum Rows {
    Double(Shared2<f64>),
    Single(Shared2<f32>),
}

#[derive(FromPyObject)]
pub enum Similar {
    Dense(Shared2<f64>),
    Rows(Py<SimilarityTable>),
}

/// A fitted model, ready to estimate. It reads the arrays that it was given, not copies.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct RatingEstimator {
    model: Model,
}

/// As `with_model`, for factors of one type.
macro_rules! with_factors {
    ($py:ident, $arrays:ident, $model:ident => $result:expr) => {{
        let FactorArrays { biased, mean, biases, factors, implicit } = $arrays;
        let [bu, bi] = biases.each_ref().map(|array| array.bind($py).readonly());
        let [pu, qi] = factors.each_ref().map(|array| array.bind($py).readonly());
        let yj = implicit.as_ref().map(|(rows, rated)| (rows.bind($py).readonly(), rated));
        let $model = Factors {
            biased: *biased,
            mean: *mean,
            factors: pu.shape()[1],
            user_biases: bu.as_slice()?,
            item_biases: bi.as_slice()?,
            user_factors: pu.as_slice()?,
            item_factors: qi.as_slice()?,
            implicit: match &yj {
                Some((rows, rated)) => Some((rows.as_slice()?, rated.as_ref())),
                None => None,
            },
        };
        $model.check().map_err(|error| to_python($py, &error))?;
        $result
    }};
}

/// Borrows the arrays of a model, checks that they fit together, and evaluates an expression on it.
macro_rules! with_model {
    ($py:ident, $estimator:expr, $model:ident => $result:expr) => {
        match &$estimator.model {
            Model::Factors(arrays) => with_factors!($py, arrays, $model => $result),
            Model::SingleFactors(arrays) => with_factors!($py, arrays, $model => $result),
            Model::Neighbors { similarities, raters, user_based, k, min_k, mean, center, centers } => {
                let dense = match similarities {
                    Similar::Dense(matrix) => Some(matrix.bind($py).readonly()),
                    Similar::Rows(_) => None,
                };
                let source = match (similarities, &dense) {
                    (Similar::Rows(table), _) => Source::Rows(&table.get().similarities),
                    (Similar::Dense(_), Some(matrix)) => Source::Dense(matrix.as_slice()?),
                    (Similar::Dense(_), None) => Source::Dense(&[]),
                };
                let arrays: Vec<_> = centers.iter().map(|array| array.bind($py).readonly()).collect();
                let slices = arrays.iter().map(|array| array.as_slice()).collect::<Result<Vec<_>, _>>()?;
                let center = match (center.as_str(), slices.as_slice()) {
                    ("zero", []) => Center::Zero,
                    ("means", [means]) => Center::Means(means),
                    ("scores", [means, deviations]) => Center::Scores { means, deviations },
                    ("baselines", [users, items]) => Center::Baselines { mean: *mean, users, items },
                    _ => return Err(PyValueError::new_err(format!("no center '{center}' of {} arrays", slices.len()))),
                };
                let (user_based, k, min_k) = (*user_based, *k, *min_k);
                let $model = Neighbors { source, raters: raters.as_ref(), user_based, k, min_k, center };
                $model.check().map_err(|error| to_python($py, &error))?;
                $result
            }
            Model::SlopeOne { by_user, means, frequencies, deviations } => {
                let means = means.bind($py).readonly();
                let (frequencies, deviations) = (frequencies.bind($py).readonly(), deviations.bind($py).readonly());
                let $model = SlopeOne {
                    by_user: by_user.as_ref(),
                    user_means: means.as_slice()?,
                    frequencies: frequencies.as_slice()?,
                    deviations: deviations.as_slice()?,
                };
                $model.check().map_err(|error| to_python($py, &error))?;
                $result
            }
            Model::Clusters { mean, clusters, means, co_cluster_means } => {
                let [cltr_u, cltr_i] = clusters.each_ref().map(|array| array.bind($py).readonly());
                let [users, items, of_users, of_items] = means.each_ref().map(|array| array.bind($py).readonly());
                let co_cluster_means = co_cluster_means.bind($py).readonly();
                let $model = Clusters {
                    mean: *mean,
                    user_clusters: cltr_u.as_slice()?,
                    item_clusters: cltr_i.as_slice()?,
                    user_means: users.as_slice()?,
                    item_means: items.as_slice()?,
                    user_cluster_means: of_users.as_slice()?,
                    item_cluster_means: of_items.as_slice()?,
                    co_cluster_means: co_cluster_means.as_slice()?,
                };
                $model.check().map_err(|error| to_python($py, &error))?;
                $result
            }
        }
    };
}

type Estimated<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<u8>>);

#[pymethods]
impl RatingEstimator {
    /// `mean + bu + bi + q . p`, or `q . p` alone; with `implicit` rows `p` becomes `p + sum(y) / sqrt(n)`. All factors are
    /// of one type.
    #[staticmethod]
    #[pyo3(signature = (biased, mean, user_biases, item_biases, user_factors, item_factors, implicit=None))]
    fn factors(
        biased: bool,
        mean: f64,
        user_biases: Array1<f64>,
        item_biases: Array1<f64>,
        user_factors: Rows,
        item_factors: Rows,
        implicit: Option<(Rows, PyRef<'_, RatingTable>)>,
    ) -> PyResult<Self> {
        let biases = [user_biases, item_biases];
        let model = match (user_factors, item_factors, implicit) {
            (Rows::Double(users), Rows::Double(items), None) => {
                Model::Factors(FactorArrays { biased, mean, biases, factors: [users, items], implicit: None })
            }
            (Rows::Double(users), Rows::Double(items), Some((Rows::Double(rows), table))) => {
                let implicit = Some((rows, table.ratings.clone()));
                Model::Factors(FactorArrays { biased, mean, biases, factors: [users, items], implicit })
            }
            (Rows::Single(users), Rows::Single(items), None) => {
                Model::SingleFactors(FactorArrays { biased, mean, biases, factors: [users, items], implicit: None })
            }
            (Rows::Single(users), Rows::Single(items), Some((Rows::Single(rows), table))) => {
                let implicit = Some((rows, table.ratings.clone()));
                Model::SingleFactors(FactorArrays { biased, mean, biases, factors: [users, items], implicit })
            }
            _ => return Err(PyValueError::new_err("factors are of different types; make them all of one")),
        };
        Ok(Self { model })
    }

    /// From the `k` nearest raters. `center` is "zero", "means" (of each x), "scores" (means and deviations of each x) or
    /// "baselines" (biases of users and items), with its arrays.
    #[staticmethod]
    fn neighbors(
        similarities: Similar,
        raters: &RatingTable,
        user_based: bool,
        k: usize,
        min_k: usize,
        mean: f64,
        center: String,
        centers: Vec<Array1<f64>>,
    ) -> Self {
        let raters = raters.ratings.clone();
        Self { model: Model::Neighbors { similarities, raters, user_based, k, min_k, mean, center, centers } }
    }

    /// Slope One.
    #[staticmethod]
    fn slope_one(
        by_user: &RatingTable,
        means: Array1<f64>,
        frequencies: Shared2<i64>,
        deviations: Shared2<f64>,
    ) -> Self {
        let by_user = by_user.ratings.clone();
        Self { model: Model::SlopeOne { by_user, means, frequencies, deviations } }
    }

    /// Co-clustering: clusters of users and items; means of users, items, user clusters, item clusters; means of
    /// co-clusters.
    #[staticmethod]
    fn clusters(
        mean: f64,
        clusters: [Array1<i64>; 2],
        means: [Array1<f64>; 4],
        co_cluster_means: Shared2<f64>,
    ) -> Self {
        Self { model: Model::Clusters { mean, clusters, means, co_cluster_means } }
    }

    /// Estimates of (user, item) pairs of inner ids, -1 for an unknown one: values (NaN where there is none); how many
    /// neighbours each rests on (-1: not a matter of neighbours); why there is none (1: unknown ids, 2: too few
    /// neighbours, else 0).
    fn pairs<'py>(
        &self,
        py: Python<'py>,
        users: PyReadonlyArray1<'py, i64>,
        items: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Estimated<'py>> {
        let (users, items) = (users.as_slice()?, items.as_slice()?);
        let Columns { values, support, reasons } = with_model!(py, self, model => {
            enter(py, |interrupt| pairs(&model, users, items, &mut CtrlC(interrupt)))?
        });
        Ok((values.into_pyarray(py), support.into_pyarray(py), reasons.into_pyarray(py)))
    }

    /// As `pairs`, for one pair.
    fn pair(&self, py: Python<'_>, user: i64, item: i64) -> PyResult<(f64, i32, u8)> {
        let found = with_model!(py, self, model => {
            enter(py, |interrupt| pairs(&model, &[user], &[item], &mut CtrlC(interrupt)))?
        });
        Ok((found.values[0], found.support[0], found.reasons[0]))
    }

    /// The best items of each user, without those in `seen`: ids, -1 where there are no more, and estimates.
    #[pyo3(signature = (users, n, seen=None))]
    fn best<'py>(
        &self,
        py: Python<'py>,
        users: PyReadonlyArray1<'py, i64>,
        n: usize,
        seen: Option<&RatingTable>,
    ) -> PyResult<Matrices<'py, i32>> {
        let users = users.as_slice()?;
        let seen = seen.map(|table| table.ratings.as_ref());
        let (items, estimates) = with_model!(py, self, model => {
            enter(py, |interrupt| best_items(&model, users, n, seen, &mut CtrlC(interrupt)))?
        });
        let width = items.len().checked_div(users.len()).unwrap_or(0);
        Ok((matrix(py, users.len(), width, items), matrix(py, users.len(), width, estimates)))
    }
}
