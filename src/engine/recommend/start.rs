//! What fits of factors start from, and how rows lie in memory.

use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::factor::{Factor, Lanes, Rate};

/// Factors, row-major, and biases.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// Length of a row.
    pub factors: usize,
    pub user_factors: &'a [f64],
    pub item_factors: &'a [f64],
    /// Biases of users and of items; zero where there are none.
    pub biases: Option<(&'a [f64], &'a [f64])>,
}

impl Start<'_> {
    /// # Errors
    /// Arrays of another size than these users and items need.
    pub(super) fn check(&self, n_users: usize, n_items: usize) -> Result<()> {
        check_rows("user", n_users, self.factors, self.user_factors)?;
        check_rows("item", n_items, self.factors, self.item_factors)?;
        match self.biases {
            Some((users, items)) if (users.len(), items.len()) != (n_users, n_items) => Err(Error::Value(format!(
                "initial biases: expected {n_users} and {n_items} values, received {} and {}",
                users.len(),
                items.len()
            ))),
            _ => Ok(()),
        }
    }

    /// Biases of users and of items.
    pub(super) fn biases(&self, n_users: usize, n_items: usize) -> (Vec<f64>, Vec<f64>) {
        match self.biases {
            Some((users, items)) => (users.to_vec(), items.to_vec()),
            None => (vec![0.0; n_users], vec![0.0; n_items]),
        }
    }
}

/// # Errors
/// An array that does not hold `rows x factors` values.
pub(super) fn check_rows(what: &str, rows: usize, factors: usize, values: &[f64]) -> Result<()> {
    if rows.checked_mul(factors) == Some(values.len()) {
        return Ok(());
    }
    Err(Error::Value(format!("initial {what} factors: expected {rows} x {factors} values, received {}", values.len())))
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

/// Rows of whole lines, filled up with zeros.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(super) fn padded<T: Factor>(values: &[f64], rows: usize, factors: usize) -> Result<Vec<T::Line>> {
    let lines = T::lines(factors);
    let mut out = Vec::new();
    let count = rows * lines;
    out.try_reserve_exact(count).map_err(|_| {
        let bytes = count.saturating_mul(size_of::<T::Line>());
        Error::OutOfMemory(format!("{rows} rows of {factors} factors need {bytes} bytes; use fewer factors"))
    })?;
    if factors > 0 {
        for row in values.chunks_exact(factors) {
            for part in row.chunks(T::LANES) {
                let mut line = T::Line::default();
                for (lane, &value) in line.lanes_mut().iter_mut().zip(part) {
                    *lane = T::from_f64(value);
                }
                out.push(line);
            }
        }
    }
    Ok(out)
}

/// Undoes [`padded`].
pub(super) fn unpadded<T: Factor>(rows: &[T::Line], factors: usize) -> Vec<f64> {
    let lines = T::lines(factors);
    let mut out = Vec::with_capacity(rows.len().checked_div(lines).map_or(0, |count| count * factors));
    for row in rows.chunks_exact(lines.max(1)) {
        let mut left = factors;
        for line in row {
            let taken = left.min(T::LANES);
            out.extend(line.lanes()[..taken].iter().map(|value| value.to_f64()));
            left -= taken;
        }
    }
    out
}

/// What a fit has learned, as Python takes it: bu, bi, pu and qi, each with the length of its rows, 0 for a vector.
pub(super) fn parameters<T: Factor>(
    biases: [&[f64]; 2],
    rows: [&[T::Line]; 2],
    factors: usize,
) -> Vec<(Vec<f64>, usize)> {
    let biases = biases.map(|biases| (biases.to_vec(), 0));
    biases.into_iter().chain(rows.map(|rows| (unpadded::<T>(rows, factors), factors))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Start, padded, unpadded};
    use ironhorn_kernels::cpu::factor::Factor;

    fn there_and_back<T: Factor>() {
        for factors in [0, 1, 7, 8, 16, 17, 100] {
            let values: Vec<f64> = (0..3 * factors).map(|k| k as f64 / 4.0).collect();
            let rows = padded::<T>(&values, 3, factors).unwrap();
            assert_eq!((rows.len(), unpadded::<T>(&rows, factors)), (3 * T::lines(factors), values));
        }
    }

    #[test]
    fn rows_of_both_types_come_back() {
        there_and_back::<f64>();
        there_and_back::<f32>();
    }

    #[test]
    fn biases_of_another_size_are_named() {
        let start = Start { factors: 1, user_factors: &[0.0], item_factors: &[0.0; 2], biases: Some((&[1.0], &[2.0])) };
        assert_eq!(
            start.check(1, 2).unwrap_err().message(),
            "initial biases: expected 1 and 2 values, received 1 and 1"
        );
    }
}
