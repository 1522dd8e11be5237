//! NMF: `rating = q . p` with factors that are never negative, optionally with mean and biases (Luo, Zhou, Xia and Zhu,
//! 2014; updates as in Zhang, Wang, Ford and Makedon, 2006).
//!
//! An epoch is one sweep over the ratings in training order, which gathers numerators and denominators, and then one
//! multiplication of every factor; see `kernels::cpu::factor_nonnegative`.

use super::fit::{Monitor, Task};
use super::ratings::Ratings;
use super::start::{Start, check_mean, check_rates, padded, parameters};
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::factor::{Factor, Rate};
use ironhorn_kernels::cpu::factor_nonnegative::{Items, Sweep, User, multiply, sweep};
use ironhorn_kernels::cpu::simd::Isa;
use std::sync::Arc;

/// Ratings between two looks at the monitor, about.
const BLOCK: usize = 4096;

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NmfOptions {
    pub biased: bool,
    /// The mean of all ratings; not used without `biased`.
    pub mean: f64,
    pub user_bias: Rate,
    pub item_bias: Rate,
    pub user_penalty: f64,
    pub item_penalty: f64,
}

impl NmfOptions {
    /// The kernel for these options.
    ///
    /// # Errors
    /// A start of another size, a mean or rate that is not finite.
    pub(super) fn checked<T: Factor>(&self, ratings: &Ratings, start: &Start<'_>) -> Result<Sweep> {
        start.check(ratings.n_users(), ratings.n_items())?;
        let penalty = |regularization: f64| Rate { learning_rate: 0.0, regularization };
        let rates = [self.user_bias, self.item_bias, penalty(self.user_penalty), penalty(self.item_penalty)];
        check_rates(&["bu", "bi", "pu", "qi"], &rates)?;
        let mean = if self.biased { self.mean } else { 0.0 };
        check_mean(mean)?;
        Ok(Sweep {
            lines: T::lines(start.factors),
            biased: self.biased,
            mean,
            user_bias: self.user_bias,
            item_bias: self.item_bias,
        })
    }
}

/// How many ratings each user and each item has.
pub(super) fn counts(ratings: &Ratings) -> (Vec<usize>, Vec<usize>) {
    let (mut users, mut items) = (vec![0; ratings.n_users()], vec![0; ratings.n_items()]);
    for (user, count) in ratings.counts() {
        users[user as usize] += count;
    }
    for &item in ratings.items() {
        items[item as usize] += 1;
    }
    (users, items)
}

/// A fit that is under way.
#[derive(Debug)]
pub struct Nmf<T: Factor> {
    ratings: Arc<Ratings>,
    plan: Sweep,
    factors: usize,
    user_penalty: f64,
    item_penalty: f64,
    user_counts: Vec<usize>,
    item_counts: Vec<usize>,
    user_biases: Vec<f64>,
    item_biases: Vec<f64>,
    user_rows: Vec<T::Line>,
    item_rows: Vec<T::Line>,
    item_numerators: Vec<T::Line>,
    item_denominators: Vec<T::Line>,
}

impl<T: Factor> Nmf<T> {
    /// A fit that starts from these factors and biases.
    ///
    /// # Errors
    /// Arrays of another size, a mean or rate that is not finite, too little memory.
    pub fn new(ratings: Arc<Ratings>, options: NmfOptions, start: &Start<'_>) -> Result<Self> {
        let plan = options.checked::<T>(&ratings, start)?;
        let (user_counts, item_counts) = counts(&ratings);
        let (user_biases, item_biases) = start.biases(ratings.n_users(), ratings.n_items());
        let item_rows = padded::<T>(start.item_factors, ratings.n_items(), start.factors)?;
        Ok(Self {
            plan,
            factors: start.factors,
            user_penalty: options.user_penalty,
            item_penalty: options.item_penalty,
            user_counts,
            item_counts,
            user_biases,
            item_biases,
            user_rows: padded::<T>(start.user_factors, ratings.n_users(), start.factors)?,
            item_numerators: item_rows.clone(),
            item_denominators: item_rows.clone(),
            item_rows,
            ratings,
        })
    }

    /// As [`run`](Task::run), on a given instruction set.
    ///
    /// # Errors
    /// [`Error::Cancelled`]. An epoch that was stopped has changed biases and some users' factors.
    pub fn run_with(&mut self, isa: Isa, epochs: usize, monitor: &mut dyn Monitor) -> Result<()> {
        let width = self.plan.lines;
        let (mut numerator, mut denominator) = (vec![T::Line::default(); width], vec![T::Line::default(); width]);
        for _ in 0..epochs {
            self.item_numerators.fill(T::Line::default());
            self.item_denominators.fill(T::Line::default());
            let mut told = 0;
            for (user, positions) in self.ratings.runs() {
                let end = positions.end;
                let row = user * width..(user + 1) * width;
                numerator.fill(T::Line::default());
                denominator.fill(T::Line::default());
                let mut own = User {
                    bias: &mut self.user_biases[user],
                    row: &self.user_rows[row.clone()],
                    numerator: &mut numerator,
                    denominator: &mut denominator,
                };
                let mut items = Items {
                    biases: &mut self.item_biases,
                    rows: &self.item_rows,
                    numerators: &mut self.item_numerators,
                    denominators: &mut self.item_denominators,
                };
                sweep::<T>(isa, &self.plan, self.ratings.part(positions), &mut own, &mut items);
                // No later rating of this sweep reads this user's factors.
                let penalty = self.user_counts[user] as f64 * self.user_penalty;
                multiply::<T>(isa, &mut self.user_rows[row], &numerator, &denominator, penalty);
                if end - told >= BLOCK || end == self.ratings.len() {
                    monitor.advance((end - told) as u64);
                    told = end;
                    if monitor.cancelled() {
                        return Err(Error::Cancelled);
                    }
                }
            }
            for (item, &count) in self.item_counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let row = item * width..(item + 1) * width;
                let (up, down) = (&self.item_numerators[row.clone()], &self.item_denominators[row.clone()]);
                multiply::<T>(isa, &mut self.item_rows[row], up, down, count as f64 * self.item_penalty);
            }
        }
        Ok(())
    }
}

impl<T: Factor> Task for Nmf<T> {
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
    use super::{Nmf, NmfOptions};
    use crate::core::error::Error;
    use crate::recommend::fit::{Progress, Task};
    use crate::recommend::ratings::Ratings;
    use crate::recommend::start::Start;
    use ironhorn_kernels::cpu::factor::{Factor, Rate};
    use ironhorn_kernels::cpu::simd::Isa;
    use std::sync::Arc;

    const RATE: Rate = Rate { learning_rate: 0.01, regularization: 0.02 };

    fn columns() -> (Vec<u32>, Vec<u32>, Vec<f64>) {
        let users: Vec<u32> = (0..300).map(|k| k * 7 % 20).collect();
        let items: Vec<u32> = (0..300).map(|k| (k * k + k / 11) % 25).collect();
        let values = (0..300).map(|k| 1.0 + f64::from(k * 13 % 5)).collect();
        (users, items, values)
    }

    fn start(rows: usize, factors: usize, shift: usize) -> Vec<f64> {
        (0..rows * factors).map(|k| ((k + shift) * 37 % 101) as f64 / 101.0).collect()
    }

    fn fit<T: Factor>(factors: usize, biased: bool) -> Nmf<T> {
        let (users, items, values) = columns();
        let ratings = Arc::new(Ratings::from_columns(&users, &items, &values, 20, 25).unwrap());
        let options =
            NmfOptions { biased, mean: 3.0, user_bias: RATE, item_bias: RATE, user_penalty: 0.06, item_penalty: 0.05 };
        let (users, items) = (start(20, factors, 0), start(25, factors, 9));
        let from = Start { factors, user_factors: &users, item_factors: &items, biases: None };
        Nmf::new(ratings, options, &from).unwrap()
    }

    /// One unbiased epoch from the formulas.
    fn naive(p: &[f64], q: &[f64], factors: usize) -> (Vec<f64>, Vec<f64>) {
        let (users, items, values) = columns();
        let side = |rows: usize, own: &[u32], mine: &[f64], others: &[u32], theirs: &[f64], penalty: f64| {
            let mut out = mine.to_vec();
            for row in 0..rows {
                for f in 0..factors {
                    let (mut up, mut down, mut count) = (0.0, 0.0, 0.0);
                    for ((&a, &b), &r) in own.iter().zip(others).zip(&values) {
                        if a as usize == row {
                            let (a, b) = (a as usize * factors, b as usize * factors);
                            let estimate: f64 = (0..factors).map(|g| mine[a + g] * theirs[b + g]).sum();
                            up += theirs[b + f] * r;
                            down += theirs[b + f] * estimate;
                            count += 1.0;
                        }
                    }
                    let old = mine[row * factors + f];
                    if old != 0.0 && count > 0.0 {
                        out[row * factors + f] = old * up / (down + count * penalty * old);
                    }
                }
            }
            out
        };
        (side(20, &users, p, &items, q, 0.06), side(25, &items, q, &users, p, 0.05))
    }

    #[test]
    fn follows_the_formulas_on_every_instruction_set() {
        follows_the_formulas::<f64>(1e-11);
        follows_the_formulas::<f32>(1e-5);
        let mut biased = fit::<f64>(4, true);
        biased.run(3, &mut &Progress::default()).unwrap();
        assert!(biased.parameters()[1].0.iter().any(|&bias| bias != 0.0));
    }

    fn follows_the_formulas<T: Factor>(tolerance: f64) {
        for factors in [1, 7, 15, 16] {
            let (p, q) = naive(&start(20, factors, 0), &start(25, factors, 9), factors);
            for isa in Isa::available() {
                let mut fit = fit::<T>(factors, false);
                fit.run_with(isa, 1, &mut &Progress::default()).unwrap();
                let got = fit.parameters();
                for ((got, width), want) in got[2..].iter().zip([&p, &q]) {
                    assert_eq!(*width, factors);
                    assert!(got.iter().zip(want).all(|(x, y)| (x - y).abs() < tolerance), "{isa:?}, {factors} factors");
                }
                assert!(got[0].0.iter().all(|&bias| bias == 0.0));
            }
        }
    }

    #[test]
    fn stops_when_told() {
        let progress = Progress::default();
        progress.cancel();
        assert_eq!(fit::<f64>(3, false).run(2, &mut &progress), Err(Error::Cancelled));
    }
}
