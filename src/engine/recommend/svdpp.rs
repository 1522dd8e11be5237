//! SVD++: `rating = mean + bu + bi + q . (p + sum_j y_j / sqrt(n))` over the `n` items `j` that the user rated, fitted by
//! stochastic gradient descent in float64 or float32 (Koren, "Factorization meets the neighborhood", 2008).
//!
//! Ratings are taken in training order on one thread, as for [`super::svd`]. `kernels::cpu::factor_implicit` says why
//! one rating does not cost a pass over all `y_j`.

use super::fit::{Monitor, Task};
use super::ratings::Ratings;
use super::start::{Start, check_mean, check_rates, check_rows, padded, parameters, unpadded};
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::factor::{Factor, Rate};
use ironhorn_kernels::cpu::factor_implicit::{ImplicitSgd, Items, Move, User, add_rows, move_rows, run, run_repeated};
use ironhorn_kernels::cpu::simd::Isa;
use std::sync::Arc;

/// Ratings between two looks at the monitor, about.
const BLOCK: usize = 4096;

/// How to fit: the mean of all ratings, and rates of bu, bi, pu, qi, yj.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SvdppOptions {
    pub mean: f64,
    pub rates: [Rate; 5],
}

impl SvdppOptions {
    /// The kernel for these options.
    ///
    /// # Errors
    /// A start of another size, a mean or rate that is not finite.
    pub(super) fn checked<T: Factor>(
        &self,
        ratings: &Ratings,
        start: &Start<'_>,
        implicit_factors: &[f64],
    ) -> Result<ImplicitSgd> {
        start.check(ratings.n_users(), ratings.n_items())?;
        check_rows("implicit", ratings.n_items(), start.factors, implicit_factors)?;
        check_rates(&["bu", "bi", "pu", "qi", "yj"], &self.rates)?;
        check_mean(self.mean)?;
        let [user_bias, item_bias, user_factors, item_factors, implicit_factors] = self.rates;
        Ok(ImplicitSgd {
            lines: T::lines(start.factors),
            mean: self.mean,
            user_bias,
            item_bias,
            user_factors,
            item_factors,
            implicit_factors,
        })
    }
}

/// A fit that is under way.
#[derive(Debug)]
pub struct Svdpp<T: Factor> {
    ratings: Arc<Ratings>,
    /// The items in each user's sum.
    neighbors: Arc<Ratings>,
    sgd: ImplicitSgd,
    factors: usize,
    user_biases: Vec<f64>,
    item_biases: Vec<f64>,
    user_rows: Vec<T::Line>,
    item_rows: Vec<T::Line>,
    implicit_rows: Vec<T::Line>,
    /// Whether an item stands twice in the sum of each run's user.
    repeated: Vec<bool>,
    sum: Vec<T::Line>,
    shift: Vec<T::Line>,
}

impl<T: Factor> Svdpp<T> {
    /// A fit that starts from these factors and biases, and factors of items as implicit feedback: of all that each user
    /// rated according to `neighbors`. These are the same ratings, or more.
    ///
    /// # Errors
    /// Arrays of another size, a mean or rate that is not finite, too little memory.
    pub fn new(
        ratings: Arc<Ratings>,
        neighbors: Arc<Ratings>,
        options: SvdppOptions,
        start: &Start<'_>,
        implicit_factors: &[f64],
    ) -> Result<Self> {
        let (n_users, n_items) = (ratings.n_users(), ratings.n_items());
        if (neighbors.n_users(), neighbors.n_items()) != (n_users, n_items) {
            return Err(Error::Value(format!(
                "ratings of {n_users} users and {n_items} items, but implicit ones of {} and {}",
                neighbors.n_users(),
                neighbors.n_items()
            )));
        }
        let sgd = options.checked::<T>(&ratings, start, implicit_factors)?;
        let (user_biases, item_biases) = start.biases(n_users, n_items);
        let mut last_seen = vec![usize::MAX; n_items];
        let repeated = ratings
            .runs()
            .enumerate()
            .map(|(run, (user, _))| {
                let mut twice = false;
                for &item in neighbors.of(user).items {
                    twice |= std::mem::replace(&mut last_seen[item as usize], run) == run;
                }
                twice
            })
            .collect();
        Ok(Self {
            factors: start.factors,
            user_biases,
            item_biases,
            user_rows: padded::<T>(start.user_factors, n_users, start.factors)?,
            item_rows: padded::<T>(start.item_factors, n_items, start.factors)?,
            implicit_rows: padded::<T>(implicit_factors, n_items, start.factors)?,
            repeated,
            sum: vec![T::Line::default(); sgd.lines],
            shift: vec![T::Line::default(); sgd.lines],
            sgd,
            ratings,
            neighbors,
        })
    }

    /// As [`run`](Task::run), on a given instruction set.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn run_with(&mut self, isa: Isa, epochs: usize, monitor: &mut dyn Monitor) -> Result<()> {
        let width = self.sgd.lines;
        for _ in 0..epochs {
            let mut told = 0;
            for ((user, positions), &repeated) in self.ratings.runs().zip(&self.repeated) {
                let end = positions.end;
                let (rated, neighbors) = (self.ratings.part(positions), self.neighbors.of(user).items);
                let mut own = User {
                    row: &mut self.user_rows[user * width..(user + 1) * width],
                    bias: &mut self.user_biases[user],
                    sum: &mut self.sum,
                    neighbors: neighbors.len(),
                };
                let mut items = Items { rows: &mut self.item_rows, biases: &mut self.item_biases };
                let implicit = &mut self.implicit_rows;
                if repeated {
                    run_repeated::<T>(isa, &self.sgd, rated, neighbors, &mut own, &mut items, implicit);
                } else {
                    let mut scale = 1.0;
                    add_rows::<T>(isa, neighbors, implicit, (neighbors.len() as f64).sqrt(), own.sum);
                    let mut moved = Move { scale: &mut scale, shift: &mut self.shift };
                    run::<T>(isa, &self.sgd, rated, &mut own, &mut items, &mut moved);
                    move_rows::<T>(isa, neighbors, implicit, scale, &self.shift);
                }
                if end - told >= BLOCK || end == self.ratings.len() {
                    monitor.advance((end - told) as u64);
                    told = end;
                    if monitor.cancelled() {
                        return Err(Error::Cancelled);
                    }
                }
            }
        }
        Ok(())
    }
}

impl<T: Factor> Task for Svdpp<T> {
    fn run(&mut self, epochs: usize, monitor: &mut dyn Monitor) -> Result<()> {
        self.run_with(Isa::active(), epochs, monitor)
    }

    /// bu, bi, pu, qi, yj.
    fn parameters(&self) -> Vec<(Vec<f64>, usize)> {
        let biases: [&[f64]; 2] = [&self.user_biases, &self.item_biases];
        let mut all = parameters::<T>(biases, [&self.user_rows, &self.item_rows], self.factors);
        all.push((unpadded::<T>(&self.implicit_rows, self.factors), self.factors));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{Svdpp, SvdppOptions};
    use crate::core::error::Error;
    use crate::recommend::fit::{Progress, Task};
    use crate::recommend::ratings::Ratings;
    use crate::recommend::start::Start;
    use ironhorn_kernels::cpu::factor::{Factor, Rate};
    use ironhorn_kernels::cpu::simd::Isa;
    use std::sync::Arc;

    const RATE: Rate = Rate { learning_rate: 0.02, regularization: 0.02 };

    /// 20 users who rate 12 of 30 items; the last one rates one of them twice.
    fn fit<T: Factor>(factors: usize) -> Svdpp<T> {
        let (mut users, mut items, mut values) = (vec![], vec![], vec![]);
        for user in 0..20_u32 {
            for step in 0..12 {
                users.push(user);
                items.push((user * 7 + step * 7) % 30);
                values.push(1.0 + f64::from((user * 3 + step) % 5));
            }
        }
        items[239] = items[228];
        let ratings = Arc::new(Ratings::from_columns(&users, &items, &values, 20, 30).unwrap());
        let start = |rows: usize, shift: usize| {
            (0..rows * factors).map(|k| ((k + shift) * 37 % 101) as f64 / 505.0 - 0.1).collect::<Vec<f64>>()
        };
        let options = SvdppOptions { mean: 3.0, rates: [RATE; 5] };
        let (users, items) = (start(20, 0), start(30, 17));
        let from = Start { factors, user_factors: &users, item_factors: &items, biases: None };
        Svdpp::new(ratings.clone(), ratings, options, &from, &start(30, 5)).unwrap()
    }

    #[test]
    fn instruction_sets_and_types_agree() {
        for factors in [0, 5, 20, 100] {
            let mut reference = fit::<f64>(factors);
            assert_eq!(reference.repeated.iter().filter(|&&twice| twice).count(), 1);
            reference.run_with(Isa::Scalar, 4, &mut &Progress::default()).unwrap();
            for isa in Isa::available() {
                let (mut double, mut single) = (fit::<f64>(factors), fit::<f32>(factors));
                double.run_with(isa, 4, &mut &Progress::default()).unwrap();
                single.run_with(isa, 4, &mut &Progress::default()).unwrap();
                for (got, tolerance) in [(double.parameters(), 1e-12), (single.parameters(), 2e-6)] {
                    for ((got, _), (want, _)) in got.iter().zip(reference.parameters()) {
                        let close = got.iter().zip(&want).all(|(x, y)| (x - y).abs() < tolerance);
                        assert!(close, "{isa:?}, {factors} factors");
                    }
                }
            }
        }
    }

    #[test]
    fn stops_when_told_and_names_what_does_not_fit() {
        let progress = Progress::default();
        progress.cancel();
        assert_eq!(fit::<f64>(3).run(2, &mut &progress), Err(Error::Cancelled));
        let ratings = Arc::new(Ratings::from_columns(&[0], &[0], &[1.0], 1, 1).unwrap());
        let text = |rate: f64, implicit: &[f64]| {
            let rates = [RATE, RATE, RATE, RATE, Rate { learning_rate: rate, regularization: 0.0 }];
            let options = SvdppOptions { mean: 3.0, rates };
            let start = Start { factors: 1, user_factors: &[0.1], item_factors: &[0.1], biases: None };
            let found = Svdpp::<f64>::new(ratings.clone(), ratings.clone(), options, &start, implicit);
            found.unwrap_err().message().to_owned()
        };
        assert_eq!(text(f64::NAN, &[0.0]), "lr_yj is NaN; it must be a finite number");
        assert_eq!(text(0.1, &[]), "initial implicit factors: expected 1 x 1 values, received 0");
    }
}
