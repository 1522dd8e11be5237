//! SVD: `rating = mean + bu + bi + p . q`, fitted by stochastic gradient descent in float64 (Funk 2006; Koren, Bell and
//! Volinsky, "Matrix factorization techniques for recommender systems", 2009, equation 5).
//!
//! An epoch goes through the ratings once, user by user, always in the same order: the order is part of the result, so
//! one fit runs on one thread. Several fits (folds) run side by side.

use super::fit::Monitor;
use super::ratings::Ratings;
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::factor::{FactorSgd, LANES, Line, Rate, lines};
use ironhorn_kernels::cpu::simd::Isa;

/// Ratings between two looks at the monitor, about: far below a millisecond.
const BLOCK: usize = 4096;

/// How to fit. Factors and their initial values come with the arrays given to [`Svd::new`].
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

/// A fit that is under way: run some epochs, look at it or print, run some more, then take the model.
#[derive(Debug)]
pub struct Svd {
    ratings: Ratings,
    sgd: FactorSgd,
    factors: usize,
    user_biases: Vec<f64>,
    item_biases: Vec<f64>,
    user_rows: Vec<Line>,
    item_rows: Vec<Line>,
}

/// The fitted parameters, row-major without padding.
#[derive(Debug, Clone, PartialEq)]
pub struct SvdModel {
    pub user_biases: Vec<f64>,
    pub item_biases: Vec<f64>,
    pub user_factors: Vec<f64>,
    pub item_factors: Vec<f64>,
}

impl Svd {
    /// A fit of `ratings` that starts from these factors (`n_users` and `n_items` rows of `factors` values) and from
    /// biases of zero.
    ///
    /// # Errors
    /// Factor arrays of another size, a mean or rate that is not finite, too little memory.
    pub fn new(
        ratings: Ratings,
        options: SvdOptions,
        factors: usize,
        user_factors: &[f64],
        item_factors: &[f64],
    ) -> Result<Self> {
        for (what, rows, values) in
            [("user", ratings.n_users(), user_factors), ("item", ratings.n_items(), item_factors)]
        {
            if rows.checked_mul(factors) != Some(values.len()) {
                return Err(Error::Value(format!(
                    "initial {what} factors: expected {rows} x {factors} values, received {}",
                    values.len()
                )));
            }
        }
        let rates = [options.user_bias, options.item_bias, options.user_factors, options.item_factors];
        for (name, rate) in ["bu", "bi", "pu", "qi"].into_iter().zip(rates) {
            for (option, value) in [("lr", rate.learning_rate), ("reg", rate.regularization)] {
                if !value.is_finite() {
                    return Err(Error::Value(format!("{option}_{name} is {value}; it must be a finite number")));
                }
            }
        }
        let mean = if options.biased { options.mean } else { 0.0 };
        if !mean.is_finite() {
            return Err(Error::Value(format!("the mean of the ratings is {mean}; it must be a finite number")));
        }
        let sgd = FactorSgd {
            lines: lines(factors),
            biased: options.biased,
            mean,
            user_bias: options.user_bias,
            item_bias: options.item_bias,
            user_factors: options.user_factors,
            item_factors: options.item_factors,
        };
        Ok(Self {
            sgd,
            factors,
            user_biases: vec![0.0; ratings.n_users()],
            item_biases: vec![0.0; ratings.n_items()],
            user_rows: padded(user_factors, ratings.n_users(), factors)?,
            item_rows: padded(item_factors, ratings.n_items(), factors)?,
            ratings,
        })
    }

    /// Goes through all ratings `epochs` times.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when the monitor says so, within a few thousand ratings. The parameters are then those
    /// after the last rating used.
    pub fn run(&mut self, epochs: usize, monitor: &mut dyn Monitor) -> Result<()> {
        self.run_with(Isa::active(), epochs, monitor)
    }

    /// As [`run`](Self::run), on a given instruction set.
    ///
    /// # Errors
    /// As `run`.
    pub fn run_with(&mut self, isa: Isa, epochs: usize, monitor: &mut dyn Monitor) -> Result<()> {
        let Self { ratings, sgd, user_biases, item_biases, user_rows, item_rows, .. } = self;
        for _ in 0..epochs {
            let mut told = 0;
            for (user, positions) in ratings.runs() {
                let user_row = &mut user_rows[user * sgd.lines..(user + 1) * sgd.lines];
                let mut start = positions.start;
                while start < positions.end {
                    let end = positions.end.min(start + BLOCK);
                    sgd.run(isa, ratings.part(start..end), user_row, &mut user_biases[user], item_rows, item_biases);
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

    /// Ratings in one epoch.
    pub fn epoch_len(&self) -> usize {
        self.ratings.len()
    }

    /// Users, items and factors.
    pub fn shape(&self) -> (usize, usize, usize) {
        (self.ratings.n_users(), self.ratings.n_items(), self.factors)
    }

    /// The parameters as they are now.
    pub fn model(&self) -> SvdModel {
        SvdModel {
            user_biases: self.user_biases.clone(),
            item_biases: self.item_biases.clone(),
            user_factors: unpadded(&self.user_rows, self.factors),
            item_factors: unpadded(&self.item_rows, self.factors),
        }
    }
}

/// Rows of whole lines, filled up with zeros.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(super) fn padded(values: &[f64], rows: usize, factors: usize) -> Result<Vec<Line>> {
    let lines = lines(factors);
    let mut out = Vec::new();
    let count = rows * lines;
    out.try_reserve_exact(count).map_err(|_| {
        let bytes = count.saturating_mul(size_of::<Line>());
        Error::OutOfMemory(format!("{rows} rows of {factors} factors need {bytes} bytes; use fewer factors"))
    })?;
    if factors > 0 {
        for row in values.chunks_exact(factors) {
            for part in row.chunks(LANES) {
                let mut line = Line::default();
                line.0[..part.len()].copy_from_slice(part);
                out.push(line);
            }
        }
    }
    Ok(out)
}

pub(super) fn unpadded(rows: &[Line], factors: usize) -> Vec<f64> {
    let lines = lines(factors);
    let mut out = Vec::with_capacity(rows.len().checked_div(lines).map_or(0, |count| count * factors));
    for row in rows.chunks_exact(lines.max(1)) {
        let mut left = factors;
        for line in row {
            let taken = left.min(LANES);
            out.extend_from_slice(&line.0[..taken]);
            left -= taken;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Svd, SvdOptions};
    use crate::core::error::Error;
    use crate::recommend::estimator::pairs;
    use crate::recommend::factors::Factors;
    use crate::recommend::fit::{Monitor, Progress};
    use crate::recommend::ratings::Ratings;
    use ironhorn_kernels::cpu::factor::Rate;
    use ironhorn_kernels::cpu::simd::Isa;

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

    fn fit(factors: usize) -> Svd {
        let start = |rows: usize, shift: usize| {
            (0..rows * factors).map(|k| ((k + shift) * 37 % 101) as f64 / 505.0 - 0.1).collect::<Vec<f64>>()
        };
        Svd::new(ratings(), OPTIONS, factors, &start(30, 0), &start(40, 17)).unwrap()
    }

    fn squared_error(fit: &Svd) -> f64 {
        let model = fit.model();
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
            factors: fit.shape().2,
            user_biases: &model.user_biases,
            item_biases: &model.item_biases,
            user_factors: &model.user_factors,
            item_factors: &model.item_factors,
            implicit: None,
        };
        let got = pairs(&estimates, &users, &items, &mut &Progress::default()).unwrap().values;
        got.iter().zip(&want).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / want.len() as f64
    }

    #[test]
    fn learns_a_rule_of_rank_one() {
        let mut fit = fit(10);
        let before = squared_error(&fit);
        fit.run(300, &mut &Progress::default()).unwrap();
        let after = squared_error(&fit);
        assert!(before > 0.4 && after < 0.01, "{before} -> {after}");
    }

    #[test]
    fn epochs_in_one_call_or_in_many_give_the_same_bits() {
        let (mut once, mut often) = (fit(12), fit(12));
        once.run(6, &mut &Progress::default()).unwrap();
        for _ in 0..6 {
            often.run(1, &mut &Progress::default()).unwrap();
        }
        assert_eq!(once.model(), often.model());
    }

    #[test]
    fn instruction_sets_agree() {
        for factors in [0, 5, 100, 150] {
            let mut reference = fit(factors);
            reference.run_with(Isa::Scalar, 5, &mut &Progress::default()).unwrap();
            let want = reference.model();
            for isa in Isa::available() {
                let mut other = fit(factors);
                other.run_with(isa, 5, &mut &Progress::default()).unwrap();
                let got = other.model();
                let pairs = [(&got.user_factors, &want.user_factors), (&got.item_biases, &want.item_biases)];
                for (a, b) in pairs {
                    assert_eq!(a.len(), b.len());
                    assert!(a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-12), "{isa:?}, {factors} factors");
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
        let mut few = fit(4);
        assert_eq!(few.epoch_len(), 600);
        let mut monitor = StopAfter(0, 700);
        assert_eq!(few.run(1000, &mut monitor), Err(Error::Cancelled));
        assert_eq!(monitor.0, 1200, "after an epoch");

        let items = vec![0; 3 * BLOCK + 5];
        let values = vec![3.0; items.len()];
        let ratings = Ratings::new(vec![0], &[items.len()], items, values, 1, 1).unwrap();
        let mut many = Svd::new(ratings, OPTIONS, 2, &[0.1; 2], &[0.1; 2]).unwrap();
        let mut monitor = StopAfter(0, 1);
        assert_eq!(many.run(1, &mut monitor), Err(Error::Cancelled));
        assert_eq!(monitor.0, BLOCK as u64, "within a user of many ratings");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let text = |options: SvdOptions, factors: usize, users: usize| {
            Svd::new(ratings(), options, factors, &vec![0.0; users], &vec![0.0; 80]).unwrap_err().message().to_owned()
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
