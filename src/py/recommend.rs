//! Recommenders as Python sees them: arrays in, a fit to run and to cancel, arrays out.

use super::enter::enter;
use ironhorn_engine::core::Error;
use ironhorn_engine::recommend::{Estimates, Monitor, Progress, Ratings, Svd, SvdOptions};
use ironhorn_engine::runtime::cancel::Interrupt;
use ironhorn_kernels::cpu::factor::{Rate, dot};
use ironhorn_kernels::cpu::simd::Isa;
use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError, TryLockError};

/// Stops at Ctrl-C and at `SvdFit.cancel`, and counts.
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

/// A fit of Surprise's SVD that is under way.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct SvdFit {
    fit: Mutex<Svd>,
    progress: Progress,
}

type Parameters<'py> =
    (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>, Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<f64>>);

#[pymethods]
impl SvdFit {
    /// Ratings in training order, `counts[k]` of them by user `users[k]`; the factors to start from; learning rates and
    /// regularisations of user biases, item biases, user factors, item factors.
    #[new]
    #[pyo3(signature = (
        users, counts, items, ratings, user_factors, item_factors, biased, mean, *, learning_rates, regularizations
    ))]
    fn new(
        py: Python<'_>,
        users: PyReadonlyArray1<'_, u32>,
        counts: PyReadonlyArray1<'_, u64>,
        items: PyReadonlyArray1<'_, u32>,
        ratings: PyReadonlyArray1<'_, f64>,
        user_factors: PyReadonlyArray2<'_, f64>,
        item_factors: PyReadonlyArray2<'_, f64>,
        biased: bool,
        mean: f64,
        learning_rates: [f64; 4],
        regularizations: [f64; 4],
    ) -> PyResult<Self> {
        let (users, counts) = (users.as_slice()?, counts.as_slice()?);
        let (items, ratings) = (items.as_slice()?, ratings.as_slice()?);
        let (n_users, n_items, factors) = (user_factors.shape()[0], item_factors.shape()[0], user_factors.shape()[1]);
        let (user_factors, item_factors) = (user_factors.as_slice()?, item_factors.as_slice()?);
        let rate = |index: usize| Rate { learning_rate: learning_rates[index], regularization: regularizations[index] };
        let options = SvdOptions {
            biased,
            mean,
            user_bias: rate(0),
            item_bias: rate(1),
            user_factors: rate(2),
            item_factors: rate(3),
        };
        let fit = enter(py, |_| {
            let counts: Vec<usize> = counts.iter().map(|&count| count as usize).collect();
            let ratings = Ratings::new(users.to_vec(), &counts, items.to_vec(), ratings.to_vec(), n_users, n_items)?;
            Svd::new(ratings, options, factors, user_factors, item_factors)
        })?;
        Ok(Self { fit: Mutex::new(fit), progress: Progress::default() })
    }

    /// Goes through all ratings `epochs` times, without the GIL.
    fn run(&self, py: Python<'_>, epochs: usize) -> PyResult<()> {
        enter(py, |interrupt| match self.fit.try_lock() {
            Ok(mut fit) => fit.run(epochs, &mut Watch { interrupt, progress: &self.progress }),
            Err(TryLockError::WouldBlock) => {
                Err(Error::Value("this fit is running in another thread already; wait for it".into()))
            }
            Err(TryLockError::Poisoned(_)) => Err(Error::Internal("an earlier run of this fit panicked".into())),
        })
    }

    /// Makes a running `run` stop at the next user, from any thread.
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

    /// User biases, item biases, user factors, item factors: copies of what they are now.
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Parameters<'py>> {
        let (model, (n_users, n_items, factors)) = enter(py, |_| {
            let fit = self.fit.lock().unwrap_or_else(PoisonError::into_inner);
            Ok((fit.model(), fit.shape()))
        })?;
        let matrix = |rows: usize, values: Vec<f64>| {
            let rows = Array2::from_shape_vec((rows, factors), values);
            rows.expect("a model holds `factors` values a row").into_pyarray(py)
        };
        Ok((
            model.user_biases.into_pyarray(py),
            model.item_biases.into_pyarray(py),
            matrix(n_users, model.user_factors),
            matrix(n_items, model.item_factors),
        ))
    }
}

/// SVD's estimate of each (user, item) pair of inner ids; -1 is an unknown one.
#[pyfunction]
pub fn svd_estimates<'py>(
    py: Python<'py>,
    users: PyReadonlyArray1<'py, i64>,
    items: PyReadonlyArray1<'py, i64>,
    user_biases: PyReadonlyArray1<'py, f64>,
    item_biases: PyReadonlyArray1<'py, f64>,
    user_factors: PyReadonlyArray2<'py, f64>,
    item_factors: PyReadonlyArray2<'py, f64>,
    biased: bool,
    mean: f64,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let (users, items) = (users.as_slice()?, items.as_slice()?);
    let estimates = Estimates {
        biased,
        mean,
        factors: user_factors.shape()[1],
        user_biases: user_biases.as_slice()?,
        item_biases: item_biases.as_slice()?,
        user_factors: user_factors.as_slice()?,
        item_factors: item_factors.as_slice()?,
    };
    let values = enter(py, |_| estimates.pairs(users, items))?;
    Ok(values.into_pyarray(py))
}

/// The product of two factor rows, to the last bit as `svd_estimates` computes it.
#[pyfunction]
pub fn factor_dot(a: PyReadonlyArray1<'_, f64>, b: PyReadonlyArray1<'_, f64>) -> PyResult<f64> {
    let (a, b) = (a.as_slice()?, b.as_slice()?);
    if a.len() != b.len() {
        return Err(PyValueError::new_err(format!("factor rows of {} and {} values", a.len(), b.len())));
    }
    Ok(dot(Isa::active(), a, b))
}
