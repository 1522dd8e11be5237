//! Estimates from nearest neighbours: the ratings of `y` by those who are most similar to `x`, weighted by similarity.
//! With users as neighbours `x` is a user and `y` an item; with items it is the other way round.
//!
//! Of the raters of `y` the `k` most similar count, equal ones in the order of the data, and of these only those of
//! positive similarity; sums run from the most similar down. Similarities come from a dense matrix, or are computed for
//! one `x` at a time, which takes memory for one row and gives the same estimates.

use super::estimator::{Estimate, Estimator, Grouping};
use super::ratings::Ratings;
use super::similarity::{RowScratch, Similarities};
use crate::core::error::{Error, Result};
use std::cmp::Ordering;

/// Where similarities come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A matrix, row-major.
    Dense(&'a [f64]),
    /// Rows on demand.
    Rows(&'a Similarities),
}

/// What ratings are measured from.
#[derive(Debug, Clone, Copy)]
pub enum Center<'a> {
    Zero,
    /// The mean of each `x`.
    Means(&'a [f64]),
    /// Mean and standard deviation of each `x`.
    Scores {
        means: &'a [f64],
        deviations: &'a [f64],
    },
    /// The mean of all ratings and the biases of users and items.
    Baselines {
        mean: f64,
        users: &'a [f64],
        items: &'a [f64],
    },
}

/// A fitted neighbourhood model.
#[derive(Debug, Clone, Copy)]
pub struct Neighbors<'a> {
    pub source: Source<'a>,
    /// Ratings grouped by `y`.
    pub raters: &'a Ratings,
    pub user_based: bool,
    pub k: usize,
    pub min_k: usize,
    pub center: Center<'a>,
}

/// The neighbours of one estimate; and, without a matrix, the row of similarities that was asked for last.
pub struct NeighborScratch {
    found: Vec<Neighbor>,
    row: Vec<f64>,
    filled: Vec<(u32, f64)>,
    current: Option<usize>,
    sums: Option<RowScratch>,
}

#[derive(Clone, Copy)]
struct Neighbor {
    similarity: f64,
    /// Position among the raters.
    place: u32,
}

fn nearer(a: &Neighbor, b: &Neighbor) -> Ordering {
    b.similarity.total_cmp(&a.similarity).then(a.place.cmp(&b.place))
}

impl Neighbors<'_> {
    /// # Errors
    /// Arrays that do not fit the ratings.
    pub fn check(&self) -> Result<()> {
        let (n_x, n_y) = (self.raters.n_items(), self.raters.n_users());
        let (n_users, n_items) = self.shape();
        let wrong = |what: &str, expected: usize, received: usize| {
            if expected == received {
                return Ok(());
            }
            Err(Error::Value(format!("{what}: expected {expected} values for this trainset, received {received}")))
        };
        match self.source {
            Source::Dense(values) => wrong("sim", n_x * n_x, values.len())?,
            Source::Rows(similarities) => wrong("similarities", n_x, similarities.n_rows())?,
        }
        debug_assert_eq!(n_x + n_y, n_users + n_items);
        match self.center {
            Center::Zero => Ok(()),
            Center::Means(means) => wrong("means", n_x, means.len()),
            Center::Scores { means, deviations } => {
                wrong("means", n_x, means.len()).and_then(|()| wrong("sigmas", n_x, deviations.len()))
            }
            Center::Baselines { users, items, .. } => {
                wrong("bu", n_users, users.len()).and_then(|()| wrong("bi", n_items, items.len()))
            }
        }
    }

    /// Keeps the `k` nearest raters of positive similarity, nearest first.
    fn select(&self, raters: &[u32], row: &[f64], found: &mut Vec<Neighbor>) {
        found.clear();
        for (place, &rater) in raters.iter().enumerate() {
            let similarity = row[rater as usize];
            if similarity > 0.0 {
                found.push(Neighbor { similarity, place: place as u32 });
            }
        }
        if found.len() > self.k {
            if self.k > 0 {
                found.select_nth_unstable_by(self.k - 1, nearer);
            }
            found.truncate(self.k);
        }
        found.sort_unstable_by(nearer);
    }

    /// Makes `scratch.row` the similarities of `x`.
    fn fill_row(similarities: &Similarities, x: usize, scratch: &mut NeighborScratch) {
        if scratch.current == Some(x) {
            return;
        }
        scratch.row.resize(similarities.n_rows(), 0.0);
        for (other, _) in scratch.filled.drain(..) {
            scratch.row[other as usize] = 0.0;
        }
        let sums = scratch.sums.get_or_insert_with(|| similarities.scratch());
        similarities.row(x, sums, &mut scratch.filled);
        scratch.filled.push((x as u32, 1.0));
        for &(other, value) in &scratch.filled {
            scratch.row[other as usize] = value;
        }
        scratch.current = Some(x);
    }
}

impl Estimator for Neighbors<'_> {
    type Scratch = NeighborScratch;

    fn scratch(&self) -> NeighborScratch {
        NeighborScratch { found: vec![], row: vec![], filled: vec![], current: None, sums: None }
    }

    fn shape(&self) -> (usize, usize) {
        let (n_x, n_y) = (self.raters.n_items(), self.raters.n_users());
        if self.user_based { (n_x, n_y) } else { (n_y, n_x) }
    }

    fn grouping(&self) -> Grouping {
        match (self.source, self.user_based) {
            (Source::Dense(_), _) => Grouping::Any,
            (Source::Rows(_), true) => Grouping::ByUser,
            (Source::Rows(_), false) => Grouping::ByItem,
        }
    }

    fn scores(&self, users: &[Option<usize>], out: &mut [f64], scratch: &mut NeighborScratch) {
        let n_items = self.shape().1;
        let mut ask = |index: usize, item: usize| {
            out[index * n_items + item] = match self.estimate(users[index], Some(item), scratch) {
                Estimate::Value(value) | Estimate::Supported(value, _) => value,
                Estimate::Unknown | Estimate::TooFew => f64::NAN,
            };
        };
        // Where similarities are computed on demand, one row of them serves one x.
        if self.user_based {
            (0..users.len()).for_each(|index| (0..n_items).for_each(|item| ask(index, item)));
        } else {
            (0..n_items).for_each(|item| (0..users.len()).for_each(|index| ask(index, item)));
        }
    }

    fn estimate(&self, user: Option<usize>, item: Option<usize>, scratch: &mut NeighborScratch) -> Estimate {
        let mut baseline = 0.0;
        if let Center::Baselines { mean, users, items } = self.center {
            baseline = mean;
            baseline += user.map_or(0.0, |user| users[user]);
            baseline += item.map_or(0.0, |item| items[item]);
        }
        let (Some(user), Some(item)) = (user, item) else {
            let baselines = matches!(self.center, Center::Baselines { .. });
            return if baselines { Estimate::Value(baseline) } else { Estimate::Unknown };
        };
        let (x, y) = if self.user_based { (user, item) } else { (item, user) };
        let rated = self.raters.of(y);
        let mut found = std::mem::take(&mut scratch.found);
        match self.source {
            Source::Dense(values) => {
                let n = self.raters.n_items();
                self.select(rated.items, &values[x * n..(x + 1) * n], &mut found);
            }
            Source::Rows(similarities) => {
                Self::fill_row(similarities, x, scratch);
                self.select(rated.items, &scratch.row, &mut found);
            }
        }
        let (mut weight, mut sum) = (0.0, 0.0);
        for &Neighbor { similarity, place } in &found {
            let (rater, rating) = (rated.items[place as usize] as usize, rated.ratings[place as usize]);
            weight += similarity;
            sum += match self.center {
                Center::Zero => similarity * rating,
                Center::Means(means) => similarity * (rating - means[rater]),
                Center::Scores { means, deviations } => similarity * (rating - means[rater]) / deviations[rater],
                Center::Baselines { mean, users, items } => {
                    let (of_rater, of_y) =
                        if self.user_based { (users[rater], items[y]) } else { (items[rater], users[y]) };
                    similarity * (rating - (mean + of_rater + of_y))
                }
            };
        }
        let support = found.len();
        scratch.found = found;
        let enough = support >= self.min_k;
        let mean = match self.center {
            Center::Zero if !enough || support == 0 => return Estimate::TooFew,
            Center::Zero => return Estimate::Supported(sum / weight, support as u32),
            Center::Means(means) | Center::Scores { means, .. } => means[x],
            Center::Baselines { .. } => baseline,
        };
        let mut value = mean;
        if support > 0 {
            let shift = if enough { sum / weight } else { 0.0 };
            value += if let Center::Scores { deviations, .. } = self.center { shift * deviations[x] } else { shift };
        }
        Estimate::Supported(value, support as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::{Center, Neighbors, Source};
    use crate::recommend::estimator::{Estimate, Estimator, pairs};
    use crate::recommend::fit::Progress;
    use crate::recommend::ratings::Ratings;
    use crate::recommend::similarity::{Measure, Similarities};

    #[test]
    fn neighbours_by_hand() {
        // Four users; the item was rated by users 1, 2, 3. User 0 is nearest to 2, then to 1 and 3 alike.
        let raters = Ratings::from_columns(&[0, 0, 0], &[3, 1, 2], &[1.0, 2.0, 5.0], 1, 4).unwrap();
        let mut sim = vec![0.0; 16];
        sim[..4].copy_from_slice(&[1.0, 0.5, 0.75, 0.5]);
        let model = |k: usize, min_k: usize, center| Neighbors {
            source: Source::Dense(&sim),
            raters: &raters,
            user_based: true,
            k,
            min_k,
            center,
        };
        let ask = |model: Neighbors<'_>| {
            model.check().unwrap();
            model.estimate(Some(0), Some(0), &mut model.scratch())
        };
        // Of the two alike the first in the data counts.
        assert_eq!(ask(model(2, 1, Center::Zero)), Estimate::Supported((0.75 * 5.0 + 0.5) / 1.25, 2));
        assert_eq!(ask(model(3, 4, Center::Zero)), Estimate::TooFew);
        assert_eq!(ask(model(0, 0, Center::Zero)), Estimate::TooFew);
        let means = [3.0, 2.0, 4.0, 1.0];
        assert_eq!(ask(model(1, 1, Center::Means(&means))), Estimate::Supported(3.0 + 0.75 / 0.75, 1));
        assert_eq!(ask(model(1, 2, Center::Means(&means))), Estimate::Supported(3.0, 1));
        let deviations = [2.0, 1.0, 0.5, 1.0];
        let scores = Center::Scores { means: &means, deviations: &deviations };
        assert_eq!(ask(model(1, 1, scores)), Estimate::Supported(3.0 + 2.0 * 2.0, 1));
        let baselines = Center::Baselines { mean: 3.0, users: &[0.5, 0.0, 1.0, 0.0], items: &[0.25] };
        assert_eq!(ask(model(1, 1, baselines)), Estimate::Supported(3.75 + 0.75 * 0.75 / 0.75, 1));
        let model = model(1, 1, baselines);
        assert_eq!(model.estimate(Some(0), None, &mut model.scratch()), Estimate::Value(3.5));
        let short = Neighbors { center: Center::Means(&means[..2]), ..model };
        assert_eq!(short.check().unwrap_err().message(), "means: expected 4 values for this trainset, received 2");
    }

    #[test]
    fn rows_on_demand_give_what_the_matrix_gives() {
        let users: Vec<u32> = (0..900).map(|k| k * 7 % 40).collect();
        let items: Vec<u32> = (0..900).map(|k| (k * k + k / 7) % 30).collect();
        let values: Vec<f64> = (0..900).map(|k| 1.0 + f64::from(k * 13 % 9) / 2.0).collect();
        for user_based in [true, false] {
            let raters = if user_based {
                Ratings::from_columns(&items, &users, &values, 30, 40).unwrap()
            } else {
                Ratings::from_columns(&users, &items, &values, 40, 30).unwrap()
            };
            for measure in [Measure::Msd, Measure::Pearson, Measure::Cosine] {
                let similarities = Similarities::new(&raters, measure, 2.0).unwrap();
                let dense = similarities.dense(&mut &Progress::default()).unwrap();
                let center = Center::Zero;
                let model = |source| Neighbors { source, raters: &raters, user_based, k: 5, min_k: 1, center };
                let asked: Vec<i64> = (0..3000).map(|k| k * 11 % 40).collect();
                let about: Vec<i64> = (0..3000).map(|k| k * 17 % 30).collect();
                let [a, b] = [Source::Dense(&dense), Source::Rows(&similarities)]
                    .map(|source| pairs(&model(source), &asked, &about, &mut &Progress::default()).unwrap());
                assert_eq!((&a.support, &a.reasons), (&b.support, &b.reasons));
                assert!(
                    a.values.iter().zip(&b.values).all(|(x, y)| x.to_bits() == y.to_bits() || (x - y).abs() < 1e-12)
                );
            }
        }
    }
}
