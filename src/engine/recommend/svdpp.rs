//! SVD++: `rating = mean + bu + bi + q . (p + sum_j y_j / sqrt(n))` over the `n` items `j` that the user rated, fitted by
//! stochastic gradient descent in float64 (Koren, "Factorization meets the neighborhood", 2008).
//!
//! Ratings are taken in training order on one thread, as for [`super::svd`]. `kernels::cpu::factor_implicit` says why
//! one rating does not cost a pass over all `y_j`.

use super::fit::{Monitor, Task};
use super::ratings::Ratings;
use super::svd::{padded, unpadded};
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::factor::{Line, Rate, lines};
use ironhorn_kernels::cpu::factor_implicit::{ImplicitSgd, Items, Workspace, run, run_repeated};
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

/// A fit that is under way.
#[derive(Debug)]
pub struct Svdpp {
    ratings: Arc<Ratings>,
    sgd: ImplicitSgd,
    factors: usize,
    user_biases: Vec<f64>,
    item_biases: Vec<f64>,
    user_rows: Vec<Line>,
    item_rows: Vec<Line>,
    implicit_rows: Vec<Line>,
    /// Whether each run of ratings names an item twice.
    repeated: Vec<bool>,
    work: Workspace,
}

impl Svdpp {
    /// A fit that starts from these factors of users, items, and items as implicit feedback, and from biases of zero.
    ///
    /// # Errors
    /// Factor arrays of another size, a mean or rate that is not finite, too little memory.
    pub fn new(
        ratings: Arc<Ratings>,
        options: SvdppOptions,
        factors: usize,
        user_factors: &[f64],
        item_factors: &[f64],
        implicit_factors: &[f64],
    ) -> Result<Self> {
        let (n_users, n_items) = (ratings.n_users(), ratings.n_items());
        let arrays =
            [("user", n_users, user_factors), ("item", n_items, item_factors), ("implicit", n_items, implicit_factors)];
        check_factors(&arrays, factors)?;
        check_rates(&["bu", "bi", "pu", "qi", "yj"], &options.rates)?;
        check_mean(options.mean)?;
        let [user_bias, item_bias, user, item, implicit] = options.rates;
        let sgd = ImplicitSgd {
            lines: lines(factors),
            mean: options.mean,
            user_bias,
            item_bias,
            user_factors: user,
            item_factors: item,
            implicit_factors: implicit,
        };
        let mut last_seen = vec![usize::MAX; n_items];
        let repeated = ratings
            .runs()
            .enumerate()
            .map(|(run, (_, positions))| {
                let mut twice = false;
                for &item in ratings.part(positions).items {
                    twice |= std::mem::replace(&mut last_seen[item as usize], run) == run;
                }
                twice
            })
            .collect();
        Ok(Self {
            sgd,
            factors,
            user_biases: vec![0.0; n_users],
            item_biases: vec![0.0; n_items],
            user_rows: padded(user_factors, n_users, factors)?,
            item_rows: padded(item_factors, n_items, factors)?,
            implicit_rows: padded(implicit_factors, n_items, factors)?,
            repeated,
            work: Workspace::default(),
            ratings,
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
                let mut items = Items {
                    biases: &mut self.item_biases,
                    rows: &mut self.item_rows,
                    implicit: &mut self.implicit_rows,
                };
                let row = &mut self.user_rows[user * width..(user + 1) * width];
                let way = if repeated { run_repeated } else { run };
                let rated = self.ratings.part(positions);
                way(isa, &self.sgd, rated, row, &mut self.user_biases[user], &mut items, &mut self.work);
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

impl Task for Svdpp {
    fn run(&mut self, epochs: usize, monitor: &mut dyn Monitor) -> Result<()> {
        self.run_with(Isa::active(), epochs, monitor)
    }

    /// bu, bi, pu, qi, yj.
    fn parameters(&self) -> Vec<(Vec<f64>, usize)> {
        let rows = |rows: &[Line]| (unpadded(rows, self.factors), self.factors);
        vec![
            (self.user_biases.clone(), 0),
            (self.item_biases.clone(), 0),
            rows(&self.user_rows),
            rows(&self.item_rows),
            rows(&self.implicit_rows),
        ]
    }
}

/// # Errors
/// An array that does not hold `rows x factors` values.
pub(super) fn check_factors(arrays: &[(&str, usize, &[f64])], factors: usize) -> Result<()> {
    for (what, rows, values) in arrays {
        if rows.checked_mul(factors) != Some(values.len()) {
            return Err(Error::Value(format!(
                "initial {what} factors: expected {rows} x {factors} values, received {}",
                values.len()
            )));
        }
    }
    Ok(())
}

/// # Errors
/// A rate that is not finite.
pub(super) fn check_rates(names: &[&str], rates: &[Rate]) -> Result<()> {
    for (name, rate) in names.iter().zip(rates) {
        for (option, value) in [("lr", rate.learning_rate), ("reg", rate.regularization)] {
            if !value.is_finite() {
                return Err(Error::Value(format!("{option}_{name} is {value}; it must be a finite number")));
            }
        }
    }
    Ok(())
}

/// # Errors
/// A mean that is not finite.
pub(super) fn check_mean(mean: f64) -> Result<()> {
    if mean.is_finite() {
        return Ok(());
    }
    Err(Error::Value(format!("the mean of the ratings is {mean}; it must be a finite number")))
}

#[cfg(test)]
mod tests {
    use super::{Svdpp, SvdppOptions};
    use crate::core::error::Error;
    use crate::recommend::fit::{Progress, Task};
    use crate::recommend::ratings::Ratings;
    use ironhorn_kernels::cpu::factor::Rate;
    use ironhorn_kernels::cpu::simd::Isa;
    use std::sync::Arc;

    const RATE: Rate = Rate { learning_rate: 0.02, regularization: 0.02 };

    /// 20 users who rate 12 of 30 items; the last one rates one of them twice.
    fn fit(factors: usize) -> Svdpp {
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
        Svdpp::new(ratings, options, factors, &start(20, 0), &start(30, 17), &start(30, 5)).unwrap()
    }

    #[test]
    fn instruction_sets_agree() {
        for factors in [0, 5, 20, 100] {
            let mut reference = fit(factors);
            assert_eq!(reference.repeated.iter().filter(|&&twice| twice).count(), 1);
            reference.run_with(Isa::Scalar, 4, &mut &Progress::default()).unwrap();
            for isa in Isa::available() {
                let mut other = fit(factors);
                other.run_with(isa, 4, &mut &Progress::default()).unwrap();
                for ((got, _), (want, _)) in other.parameters().iter().zip(reference.parameters()) {
                    assert!(got.iter().zip(&want).all(|(x, y)| (x - y).abs() < 1e-12), "{isa:?}, {factors} factors");
                }
            }
        }
    }

    #[test]
    fn stops_when_told_and_names_what_does_not_fit() {
        let progress = Progress::default();
        progress.cancel();
        assert_eq!(fit(3).run(2, &mut &progress), Err(Error::Cancelled));
        let ratings = Arc::new(Ratings::from_columns(&[0], &[0], &[1.0], 1, 1).unwrap());
        let text = |rate: f64, implicit: &[f64]| {
            let rates = [RATE, RATE, RATE, RATE, Rate { learning_rate: rate, regularization: 0.0 }];
            let options = SvdppOptions { mean: 3.0, rates };
            Svdpp::new(ratings.clone(), options, 1, &[0.1], &[0.1], implicit).unwrap_err().message().to_owned()
        };
        assert_eq!(text(f64::NAN, &[0.0]), "lr_yj is NaN; it must be a finite number");
        assert_eq!(text(0.1, &[]), "initial implicit factors: expected 1 x 1 values, received 0");
    }
}
