//! Estimates of ratings, and the best items of users.

use super::{CtrlC, Matrices, RatingTable, SimilarityTable, matrix};
use crate::py::enter::enter;
use crate::py::errors::to_python;
use ironhorn_engine::recommend::Ratings;
use ironhorn_engine::recommend::estimator::{Clusters, Columns, SlopeOne, best_items, pairs};
use ironhorn_engine::recommend::factors::Factors;
use ironhorn_engine::recommend::knn::{Center, Neighbors, Source};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::Arc;

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
