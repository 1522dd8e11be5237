//! Baselines, `mean + bu + bi` (Koren, "Factor in the neighbors", 2010, section 2.1): by alternating least squares or by
//! stochastic gradient descent.
//!
//! ALS solves all item biases from the user biases and then the other way round; rows do not depend on one another, and
//! the sum of a row is taken in the order of its ratings. Gradient descent takes the ratings in training order, on one
//! thread.

use super::fit::Monitor;
use super::parallel::for_each_chunk;
use super::ratings::Ratings;
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::disjoint::{Disjoint, part};
use ironhorn_kernels::cpu::factor::Rate;

/// Ratings a chunk, about.
const GRAIN: usize = 1 << 15;

/// User and item biases by alternating least squares.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn als(
    by_user: &Ratings,
    by_item: &Ratings,
    mean: f64,
    epochs: usize,
    user_penalty: f64,
    item_penalty: f64,
    monitor: &mut dyn Monitor,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut user_biases = vec![0.0; by_user.n_users()];
    let mut item_biases = vec![0.0; by_user.n_items()];
    for _ in 0..epochs {
        solve(by_item, mean, item_penalty, &user_biases, &mut item_biases, monitor)?;
        solve(by_user, mean, user_penalty, &item_biases, &mut user_biases, monitor)?;
    }
    Ok((user_biases, item_biases))
}

/// The best bias of each row, given those of the columns.
fn solve(
    rows: &Ratings,
    mean: f64,
    penalty: f64,
    columns: &[f64],
    out: &mut [f64],
    monitor: &mut dyn Monitor,
) -> Result<()> {
    let (count, chunks) = (out.len(), rows.len() / GRAIN + 1);
    let out = Disjoint::new(out);
    for_each_chunk(
        chunks,
        monitor,
        || (),
        |chunk, ()| {
            let range = part(count, chunks, chunk, 1);
            // SAFETY: `part` gives each chunk rows of its own.
            let out = unsafe { out.range(range.clone()) };
            for (row, bias) in range.zip(out) {
                let rated = rows.of(row);
                let mut deviation = 0.0;
                for (&column, &rating) in rated.items.iter().zip(rated.ratings) {
                    deviation += rating - mean - columns[column as usize];
                }
                *bias = deviation / (penalty + rated.items.len() as f64);
            }
        },
    )
}

/// User and item biases by stochastic gradient descent.
///
/// # Errors
/// [`Error::Cancelled`], and a rate that is not finite.
pub fn sgd(
    by_user: &Ratings,
    mean: f64,
    epochs: usize,
    rate: Rate,
    monitor: &mut dyn Monitor,
) -> Result<(Vec<f64>, Vec<f64>)> {
    for (name, value) in [("learning_rate", rate.learning_rate), ("reg", rate.regularization)] {
        if !value.is_finite() {
            return Err(Error::Value(format!("bsl_options: {name} is {value}; it must be a finite number")));
        }
    }
    let Rate { learning_rate, regularization } = rate;
    let mut user_biases = vec![0.0; by_user.n_users()];
    let mut item_biases = vec![0.0; by_user.n_items()];
    for _ in 0..epochs {
        for (user, positions) in by_user.runs() {
            let rated = by_user.part(positions);
            let mut user_bias = user_biases[user];
            for (&item, &rating) in rated.items.iter().zip(rated.ratings) {
                let item_bias = &mut item_biases[item as usize];
                let error = rating - (mean + user_bias + *item_bias);
                user_bias += learning_rate * (error - regularization * user_bias);
                *item_bias += learning_rate * (error - regularization * *item_bias);
            }
            user_biases[user] = user_bias;
        }
        monitor.advance(by_user.len() as u64);
        if monitor.cancelled() {
            return Err(Error::Cancelled);
        }
    }
    Ok((user_biases, item_biases))
}

#[cfg(test)]
mod tests {
    use super::{als, sgd};
    use crate::core::error::Error;
    use crate::recommend::fit::Progress;
    use crate::recommend::ratings::Ratings;
    use ironhorn_kernels::cpu::factor::Rate;

    fn both_sides() -> (Ratings, Ratings) {
        let (users, items, ratings) = ([0, 0, 1, 1, 2], [0, 1, 1, 0, 1], [4.0, 3.0, 5.0, 1.0, 2.5]);
        let by_user = Ratings::from_columns(&users, &items, &ratings, 3, 2).unwrap();
        (by_user, Ratings::from_columns(&items, &users, &ratings, 2, 3).unwrap())
    }

    #[test]
    fn one_epoch_by_hand() {
        let (by_user, by_item) = both_sides();
        let (users, items) = als(&by_user, &by_item, 3.0, 1, 1.0, 2.0, &mut &Progress::default()).unwrap();
        assert_eq!(items, [(1.0 - 2.0) / 4.0, (0.0 + 2.0 - 0.5) / 5.0]);
        assert_eq!(users[2], (2.5 - 3.0 - items[1]) / 2.0);

        let rate = Rate { learning_rate: 0.5, regularization: 0.0 };
        let (users, items) = sgd(&by_user, 3.0, 1, rate, &mut &Progress::default()).unwrap();
        // User 0: errors 1 and -0.5; user 1 then meets item biases of 0.5 and -0.25.
        assert_eq!((users[0], users[1]), (0.5 - 0.25, 1.125 + 0.5 * (1.0 - 3.0 - 1.125 - 0.5)));
        assert_eq!(items[0], 0.5 + 0.5 * (1.0 - 3.0 - 1.125 - 0.5));
    }

    #[test]
    fn stops_when_told() {
        let (by_user, by_item) = both_sides();
        let progress = Progress::default();
        progress.cancel();
        assert_eq!(als(&by_user, &by_item, 3.0, 1, 1.0, 2.0, &mut &progress), Err(Error::Cancelled));
        let rate = Rate { learning_rate: f64::NAN, regularization: 0.0 };
        let text = sgd(&by_user, 3.0, 1, rate, &mut &progress).unwrap_err();
        assert_eq!(text.message(), "bsl_options: learning_rate is NaN; it must be a finite number");
    }
}
