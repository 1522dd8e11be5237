//! Estimates from factors in float64 or float32: `mean + bu + bi + q . p`, and SVD++'s `q . (p + implicit)`.

use super::estimator::{Estimate, Estimator, Grouping};
use super::ratings::Ratings;
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::factor::{Factor, dot};
use ironhorn_kernels::cpu::simd::Isa;

/// Items whose factors are read for a block of users before the next ones.
const ITEMS: usize = 64;

/// Fitted factors.
#[derive(Debug, Clone, Copy)]
pub struct Factors<'a, T> {
    /// Whether mean and biases take part. Without, nothing can be said about unknown users or items.
    pub biased: bool,
    pub mean: f64,
    /// Length of a row.
    pub factors: usize,
    pub user_biases: &'a [f64],
    pub item_biases: &'a [f64],
    pub user_factors: &'a [T],
    pub item_factors: &'a [T],
    /// Implicit factors of the items, and the items that each user rated.
    pub implicit: Option<(&'a [T], &'a Ratings)>,
}

/// The row of the user who was asked for last, where it is not simply theirs.
#[derive(Debug)]
pub struct UserRow<T> {
    user: Option<usize>,
    row: Vec<T>,
}

impl<T: Factor> Factors<'_, T> {
    /// # Errors
    /// Arrays that do not fit together.
    pub fn check(&self) -> Result<()> {
        let (n_users, n_items) = self.shape();
        let implicit = self.implicit.map_or(self.item_factors, |(rows, _)| rows);
        for (name, rows, values) in
            [("pu", n_users, self.user_factors), ("qi", n_items, self.item_factors), ("yj", n_items, implicit)]
        {
            if rows.checked_mul(self.factors) != Some(values.len()) {
                let factors = self.factors;
                let received = values.len();
                return Err(Error::Value(format!("{name}: expected {rows} x {factors} values, received {received}")));
            }
        }
        if let Some((_, rated)) = self.implicit
            && (rated.n_users(), rated.n_items()) != (n_users, n_items)
        {
            return Err(Error::Value(format!(
                "bu and bi: expected {} and {} values for this trainset, received {n_users} and {n_items}",
                rated.n_users(),
                rated.n_items()
            )));
        }
        Ok(())
    }

    fn own_row(&self, user: usize) -> &[T] {
        &self.user_factors[user * self.factors..(user + 1) * self.factors]
    }

    /// `p + sum_j y_j / sqrt(n)`, the sum in the order of the user's ratings.
    fn row<'s>(&'s self, user: usize, scratch: &'s mut UserRow<T>) -> &'s [T] {
        let Some((implicit, rated)) = self.implicit else { return self.own_row(user) };
        if scratch.user != Some(user) {
            scratch.user = Some(user);
            scratch.row.clear();
            scratch.row.resize(self.factors, T::ZERO);
            let items = rated.of(user).items;
            for &item in items {
                let row = &implicit[item as usize * self.factors..(item as usize + 1) * self.factors];
                for (sum, &value) in scratch.row.iter_mut().zip(row) {
                    *sum += value;
                }
            }
            let root = T::from_f64((items.len() as f64).sqrt());
            for (sum, &own) in scratch.row.iter_mut().zip(self.own_row(user)) {
                *sum = own + if items.is_empty() { T::ZERO } else { *sum / root };
            }
        }
        &scratch.row
    }

    /// Term by term, as Surprise does: the same bits however many pairs are asked for.
    #[inline]
    fn combine(&self, user: Option<usize>, item: Option<usize>, product: Option<f64>) -> Estimate {
        if !self.biased {
            return product.map_or(Estimate::Unknown, Estimate::Value);
        }
        let mut estimate = self.mean;
        estimate += user.map_or(0.0, |user| self.user_biases[user]);
        estimate += item.map_or(0.0, |item| self.item_biases[item]);
        Estimate::Value(estimate + product.unwrap_or(0.0))
    }
}

impl<T: Factor> Estimator for Factors<'_, T> {
    type Scratch = (Isa, UserRow<T>);

    fn scratch(&self) -> (Isa, UserRow<T>) {
        (Isa::active(), UserRow { user: None, row: vec![] })
    }

    fn shape(&self) -> (usize, usize) {
        (self.user_biases.len(), self.item_biases.len())
    }

    fn grouping(&self) -> Grouping {
        if self.implicit.is_some() { Grouping::ByUser } else { Grouping::Any }
    }

    fn estimate(&self, user: Option<usize>, item: Option<usize>, (isa, row): &mut (Isa, UserRow<T>)) -> Estimate {
        let product = match (user, item) {
            (Some(user), Some(item)) => {
                let q = &self.item_factors[item * self.factors..(item + 1) * self.factors];
                Some(dot(*isa, q, self.row(user, row)))
            }
            _ => None,
        };
        self.combine(user, item, product)
    }

    fn scores(&self, users: &[Option<usize>], out: &mut [f64], (isa, row): &mut (Isa, UserRow<T>)) {
        let n_items = self.shape().1;
        let mut rows = Vec::with_capacity(users.len() * self.factors);
        for &user in users {
            match user {
                Some(user) => rows.extend_from_slice(self.row(user, row)),
                None => rows.resize(rows.len() + self.factors, T::ZERO),
            }
        }
        for start in (0..n_items).step_by(ITEMS) {
            for (index, &user) in users.iter().enumerate() {
                let p = &rows[index * self.factors..(index + 1) * self.factors];
                for item in start..(start + ITEMS).min(n_items) {
                    let q = &self.item_factors[item * self.factors..(item + 1) * self.factors];
                    let product = user.map(|_| dot(*isa, q, p));
                    out[index * n_items + item] = match self.combine(user, Some(item), product) {
                        Estimate::Value(value) => value,
                        _ => f64::NAN,
                    };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Factors;
    use crate::recommend::estimator::{Estimate, Estimator, best_items};
    use crate::recommend::fit::Progress;
    use crate::recommend::ratings::Ratings;

    #[test]
    fn implicit_rows_by_hand() {
        let rated = Ratings::from_columns(&[0, 0, 0, 0], &[0, 1, 1, 0], &[1.0; 4], 2, 2).unwrap();
        let plain = Factors::<f64> {
            biased: true,
            mean: 3.0,
            factors: 1,
            user_biases: &[0.5, 0.0],
            item_biases: &[0.25, -0.5],
            user_factors: &[1.0, 2.0],
            item_factors: &[0.5, 4.0],
            implicit: None,
        };
        let model = Factors { implicit: Some((&[3.0, -1.0], &rated)), ..plain };
        model.check().unwrap();
        let mut scratch = model.scratch();
        // (3 - 1 - 1 + 3) / 2 beside p = 1.
        assert_eq!(model.estimate(Some(0), Some(0), &mut scratch), Estimate::Value(3.75 + 0.5 * 3.0));
        assert_eq!(model.estimate(Some(1), Some(1), &mut scratch), Estimate::Value(2.5 + 4.0 * 2.0));
        assert_eq!(plain.estimate(Some(0), None, &mut scratch), Estimate::Value(3.5));
        let unbiased = Factors { biased: false, ..plain };
        assert_eq!(unbiased.estimate(Some(0), None, &mut scratch), Estimate::Unknown);
        let (items, values) = best_items(&model, &[0, 1, -1], 2, None, &mut &Progress::default()).unwrap();
        assert_eq!(items, [1, 0, 1, 0, 0, 1]);
        assert_eq!(values, [15.0, 5.25, 10.5, 4.25, 3.25, 2.5]);
        let (items, _) = best_items(&unbiased, &[-1], 2, None, &mut &Progress::default()).unwrap();
        assert_eq!(items, [-1, -1]);
        let short = Factors { factors: 2, ..plain };
        assert_eq!(short.check().unwrap_err().message(), "pu: expected 2 x 2 values, received 2");
    }
}
