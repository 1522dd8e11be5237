//! SVD: `rating = mean + bu + bi + p . q`, fitted by stochastic gradient descent in float64 or float32 (Funk 2006; Koren,
//! Bell and Volinsky, "Matrix factorization techniques for recommender systems", 2009, equation 5).
//!
//! An epoch goes through the ratings once, user by user, always in the same order: the order is part of the result, so
//! one fit runs on one thread. Several fits (folds) run side by side.

use super::fit::{Monitor, Task};
use super::ratings::Ratings;
use super::start::{Start, check_mean, check_rates, padded, parameters};
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::factor::{Factor, FactorSgd, Rate};
use ironhorn_kernels::cpu::simd::Isa;
use std::sync::Arc;

/// Ratings between two looks at the monitor, about: far below a millisecond.
const BLOCK: usize = 4096;

/// How to fit. Factors and their initial values come with the [`Start`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SvdOptions {
    /// Whether the mean and the biases take part.
    pub biased: bool,
    /// The mean of all ratings; not used without `biased`.
    pub mean: f64,
    pub user_bias: Rate,
    pub item_bias: Rate,
    pub user_factors: Rate,
    pub item_factors: Rate,
}

impl SvdOptions {
    /// The kernel for these options.
    ///
    /// # Errors
    /// A start of another size, a mean or rate that is not finite.
    pub(super) fn checked<T: Factor>(&self, ratings: &Ratings, start: &Start<'_>) -> Result<FactorSgd> {
        start.check(ratings.n_users(), ratings.n_items())?;
        let rates = [self.user_bias, self.item_bias, self.user_factors, self.item_factors];
        check_rates(&["bu", "bi", "pu", "qi"], &rates)?;
        let mean = if self.biased { self.mean } else { 0.0 };
        check_mean(mean)?;
        Ok(FactorSgd {
            lines: T::lines(start.factors),
            biased: self.biased,
            mean,
            user_bias: self.user_bias,
            item_bias: self.item_bias,
            user_factors: self.user_factors,
            item_factors: self.item_factors,
        })
    }
}

/// A fit that is under way: run some epochs, look at it or print, run some more, then take the parameters.
#[derive(Debug)]
pub struct Svd<T: Factor> {
    ratings: Arc<Ratings>,
    sgd: FactorSgd,
    factors: usize,
    user_biases: Vec<f64>,
    item_biases: Vec<f64>,
    user_rows: Vec<T::Line>,
    item_rows: Vec<T::Line>,
}

impl<T: Factor> Svd<T> {
    /// A fit of `ratings` that starts from these factors and biases.
    ///
    /// # Errors
    /// Arrays of another size, a mean or rate that is not finite, too little memory.
    pub fn new(ratings: Arc<Ratings>, options: SvdOptions, start: &Start<'_>) -> Result<Self> {
        let sgd = options.checked::<T>(&ratings, start)?;
        let (user_biases, item_biases) = start.biases(ratings.n_users(), ratings.n_items());
        Ok(Self {
            sgd,
            factors: start.factors,
            user_biases,
            item_biases,
            user_rows: padded::<T>(start.user_factors, ratings.n_users(), start.factors)?,
            item_rows: padded::<T>(start.item_factors, ratings.n_items(), start.factors)?,
            ratings,
        })
    }

    /// As [`run`](Task::run), on a given instruction set.
    ///
    /// # Errors
    /// As `run`.
    pub fn run_with(&mut self, isa: Isa, epochs: usize, monitor: &mut dyn Monitor) -> Result<()> {
        let Self { ratings, sgd, user_biases, item_biases, user_rows, item_rows, .. } = self;
        for _ in 0..epochs {
            let mut told = 0;
            for (user, positions) in ratings.runs() {
                let row = &mut user_rows[user * sgd.lines..(user + 1) * sgd.lines];
                let mut start = positions.start;
                while start < positions.end {
                    let end = positions.end.min(start + BLOCK);
                    sgd.run::<T>(isa, ratings.part(start..end), row, &mut user_biases[user], item_rows, item_biases);
                    start = end;
                    if end - told >= BLOCK || end == ratings.len() {
                        monitor.advance((end - told) as u64);
                        told = end;
                        if monitor.cancelled() {
                            return Err(Error::Cancelled);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl<T: Factor> Task for Svd<T> {
    /// Goes through all ratings `epochs` times. Stops within a few thousand ratings; parameters are then those after the
    /// last rating used.
    fn run(&mut self, epochs: usize, monitor: &mut dyn Monitor) -> Result<()> {
        self.run_with(Isa::active(), epochs, monitor)
    }

    /// bu, bi, pu, qi.
    fn parameters(&self) -> Vec<(Vec<f64>, usize)> {
        let biases: [&[f64]; 2] = [&self.user_biases, &self.item_biases];
        parameters::<T>(biases, [&self.user_rows, &self.item_rows], self.factors)
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Svd, SvdOptions};
    use crate::core::error::Error;
    use crate::recommend::estimator::pairs;
    use crate::recommend::factors::Factors;
    use crate::recommend::fit::{Monitor, Progress, Task};
    use crate::recommend::ratings::Ratings;
    use crate::recommend::start::Start;
    use ironhorn_kernels::cpu::factor::{Factor, Rate};
    use ironhorn_kernels::cpu::simd::Isa;
    use std::sync::Arc;

    const OPTIONS: SvdOptions = {
        let rate = Rate { learning_rate: 0.02, regularization: 0.02 };
        SvdOptions { biased: true, mean: 3.0, user_bias: rate, item_bias: rate, user_factors: rate, item_factors: rate }
    };

    /// 30 users who rate 20 of 40 items each by a rule of rank one.
    fn ratings() -> Ratings {
        let mut items = Vec::new();
        let mut values = Vec::new();
        for user in 0..30_u32 {
            for step in 0..20 {
                let item = (user * 7 + step * 3) % 40;
                items.push(item);
                values.push(3.0 + (f64::from(user) - 14.5) * (f64::from(item) - 19.5) / 150.0);
            }
        }
        Ratings::new((0..30).collect(), &[20; 30], items, values, 30, 40).unwrap()
    }

    fn fit<T: Factor>(factors: usize) -> Svd<T> {
        let start = |rows: usize, shift: usize| {
            (0..rows * factors).map(|k| ((k + shift) * 37 % 101) as f64 / 505.0 - 0.1).collect::<Vec<f64>>()
        };
        let (users, items) = (start(30, 0), start(40, 17));
        let start = Start { factors, user_factors: &users, item_factors: &items, biases: None };
        Svd::new(Arc::new(ratings()), OPTIONS, &start).unwrap()
    }

    fn squared_error<T: Factor>(fit: &Svd<T>) -> f64 {
        let model = fit.parameters();
        let ratings = ratings();
        let (mut users, mut items, mut want) = (vec![], vec![], vec![]);
        for (user, positions) in ratings.runs() {
            let part = ratings.part(positions);
            users.extend(part.items.iter().map(|_| user as i64));
            items.extend(part.items.iter().map(|&item| i64::from(item)));
            want.extend_from_slice(part.ratings);
        }
        let estimates = Factors {
            biased: true,
            mean: OPTIONS.mean,
            factors: fit.factors,
            user_biases: &model[0].0,
            item_biases: &model[1].0,
            user_factors: &model[2].0,
            item_factors: &model[3].0,
            implicit: None,
        };
        let got = pairs(&estimates, &users, &items, &mut &Progress::default()).unwrap().values;
        got.iter().zip(&want).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / want.len() as f64
    }

    #[test]
    fn learns_a_rule_of_rank_one() {
        learns::<f64>();
        learns::<f32>();
    }

    fn learns<T: Factor>() {
        let mut fit = fit::<T>(10);
        let before = squared_error(&fit);
        fit.run(300, &mut &Progress::default()).unwrap();
        let after = squared_error(&fit);
        assert!(before > 0.4 && after < 0.01, "{before} -> {after}");
    }

    #[test]
    fn epochs_in_one_call_or_in_many_give_the_same_bits() {
        let (mut once, mut often) = (fit::<f64>(12), fit::<f64>(12));
        once.run(6, &mut &Progress::default()).unwrap();
        for _ in 0..6 {
            often.run(1, &mut &Progress::default()).unwrap();
        }
        assert_eq!(once.parameters(), often.parameters());
    }

    #[test]
    fn instruction_sets_and_types_agree() {
        for factors in [0, 5, 100, 150] {
            let mut reference = fit::<f64>(factors);
            reference.run_with(Isa::Scalar, 5, &mut &Progress::default()).unwrap();
            for isa in Isa::available() {
                let (mut double, mut single) = (fit::<f64>(factors), fit::<f32>(factors));
                double.run_with(isa, 5, &mut &Progress::default()).unwrap();
                single.run_with(isa, 5, &mut &Progress::default()).unwrap();
                for (got, tolerance) in [(double.parameters(), 1e-12), (single.parameters(), 2e-6)] {
                    for ((got, _), (want, _)) in got.iter().zip(reference.parameters()) {
                        assert_eq!(got.len(), want.len());
                        let close = got.iter().zip(&want).all(|(x, y)| (x - y).abs() < tolerance);
                        assert!(close, "{isa:?}, {factors} factors");
                    }
                }
            }
        }
    }

    /// Says stop once this many ratings were used.
    struct StopAfter(u64, u64);

    impl Monitor for StopAfter {
        fn cancelled(&mut self) -> bool {
            self.0 >= self.1
        }
        fn advance(&mut self, ratings: u64) {
            self.0 += ratings;
        }
    }

    #[test]
    fn stops_when_told() {
        let mut few = fit::<f64>(4);
        let mut monitor = StopAfter(0, 700);
        assert_eq!(few.run(1000, &mut monitor), Err(Error::Cancelled));
        assert_eq!(monitor.0, 1200, "after an epoch");

        let items = vec![0; 3 * BLOCK + 5];
        let values = vec![3.0; items.len()];
        let ratings = Ratings::new(vec![0], &[items.len()], items, values, 1, 1).unwrap();
        let start = Start { factors: 2, user_factors: &[0.1; 2], item_factors: &[0.1; 2], biases: None };
        let mut many = Svd::<f64>::new(Arc::new(ratings), OPTIONS, &start).unwrap();
        let mut monitor = StopAfter(0, 1);
        assert_eq!(many.run(1, &mut monitor), Err(Error::Cancelled));
        assert_eq!(monitor.0, BLOCK as u64, "within a user of many ratings");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let text = |options: SvdOptions, factors: usize, users: usize| {
            let start = Start { factors, user_factors: &vec![0.0; users], item_factors: &[0.0; 80], biases: None };
            Svd::<f64>::new(Arc::new(ratings()), options, &start).unwrap_err().message().to_owned()
        };
        assert_eq!(text(OPTIONS, 2, 59), "initial user factors: expected 30 x 2 values, received 59");
        let rate = Rate { learning_rate: f64::INFINITY, regularization: 0.0 };
        assert_eq!(
            text(SvdOptions { item_factors: rate, ..OPTIONS }, 2, 60),
            "lr_qi is inf; it must be a finite number"
        );
        assert!(text(SvdOptions { mean: f64::NAN, ..OPTIONS }, 2, 60).contains("the mean of the ratings is NaN"));
    }
}
