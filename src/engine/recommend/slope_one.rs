//! Slope One (Lemire and Maclachlan, 2005): the mean deviation between the ratings of any two items, over the users who
//! rated both.

use super::fit::Monitor;
use super::ratings::Ratings;
use super::similarity::{Differences, Pairs, mirror, zeros};
use crate::core::error::Result;

/// For all pairs of items, row-major: how many times both were rated by one user, and the mean of the first one's rating
/// minus the second one's, which is NaN where there is no such user.
#[derive(Debug, Clone, PartialEq)]
pub struct Deviations {
    pub frequencies: Vec<i64>,
    pub deviations: Vec<f64>,
}

/// Computes all deviations. `truncated` drops the fractions of ratings, as Surprise does.
///
/// # Errors
/// Cancelled, too little memory.
pub fn deviations(by_user: &Ratings, truncated: bool, monitor: &mut dyn Monitor) -> Result<Deviations> {
    let n = by_user.n_items();
    let pairs = Pairs::new(by_user, |_, _, rating| if truncated { rating.trunc() } else { rating })?;
    let what = format!("deviations between {n} items");
    let mut deviations = zeros(n.checked_mul(n), &what)?;
    let mut frequencies: Vec<i64> = zeros(n.checked_mul(n), &what)?;
    pairs.for_each_row(&mut deviations, monitor, |row, sums: &[Differences], out| {
        for (sum, out) in sums.iter().zip(out).skip(row + 1) {
            *out = sum.0[1] / sum.0[0];
        }
    })?;
    pairs.for_each_row(&mut frequencies, monitor, |row, sums: &[Differences], out| {
        out[row] = pairs.own_support(row) as i64;
        for (sum, out) in sums.iter().zip(out).skip(row + 1) {
            *out = sum.0[0] as i64;
        }
    })?;
    mirror(&mut deviations, n, monitor, |value: f64| -value)?;
    mirror(&mut frequencies, n, monitor, |value| value)?;
    Ok(Deviations { frequencies, deviations })
}

#[cfg(test)]
mod tests {
    use super::deviations;
    use crate::recommend::fit::Progress;
    use crate::recommend::ratings::Ratings;

    #[test]
    fn by_hand() {
        let (users, items) = ([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 1, 1]);
        let ratings = Ratings::from_columns(&users, &items, &[4.5, 3.0, 2.0, 4.5, 1.0, 2.0], 3, 3).unwrap();
        let got = deviations(&ratings, false, &mut &Progress::default()).unwrap();
        assert_eq!(got.frequencies, [2, 2, 0, 2, 6, 0, 0, 0, 0]);
        assert_eq!(got.deviations[..2], [0.0, (1.5 - 2.5) / 2.0]);
        assert_eq!(got.deviations[3..5], [0.5, 0.0]);
        assert!(got.deviations[2].is_nan() && got.deviations[7].is_nan() && got.deviations[8] == 0.0);
        let got = deviations(&ratings, true, &mut &Progress::default()).unwrap();
        assert_eq!(got.deviations[1], (1.0 - 2.0) / 2.0);
    }
}
