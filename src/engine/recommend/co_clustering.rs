//! Co-clustering (George and Merugu, 2005): users and items are put into clusters, and a rating is estimated as the mean of
//! its co-cluster, corrected by how far user and item are from the means of theirs.
//!
//! An epoch takes the means, gives every user the cluster of least squared error, then every item. Within one of these
//! steps rows do not depend on one another; each row's errors are summed in the order of its ratings.

use super::fit::{Monitor, Task};
use super::parallel::for_each_chunk;
use super::ratings::Ratings;
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::disjoint::{Disjoint, part};
use std::sync::Arc;

/// Ratings a chunk, about.
const GRAIN: usize = 1 << 13;

/// Means of the clusters of users, of the clusters of items, and of the co-clusters, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Means {
    pub users: Vec<f64>,
    pub items: Vec<f64>,
    pub both: Vec<f64>,
}

/// A fit that is under way.
#[derive(Debug)]
pub struct CoClustering {
    by_user: Arc<Ratings>,
    by_item: Arc<Ratings>,
    /// Whether fractions of ratings are dropped, as Surprise does.
    truncated: bool,
    mean: f64,
    user_means: Vec<f64>,
    item_means: Vec<f64>,
    user_clusters: Vec<u32>,
    item_clusters: Vec<u32>,
    n_user_clusters: usize,
    n_item_clusters: usize,
}

impl CoClustering {
    /// A fit that starts from these clusters.
    ///
    /// # Errors
    /// Clusters that do not fit the ratings.
    pub fn new(
        by_user: Arc<Ratings>,
        by_item: Arc<Ratings>,
        mean: f64,
        user_clusters: &[i64],
        item_clusters: &[i64],
        counts: (usize, usize),
        truncated: bool,
    ) -> Result<Self> {
        let checked = |what: &str, clusters: &[i64], rows: usize, count: usize| -> Result<Vec<u32>> {
            if clusters.len() != rows {
                return Err(Error::Value(format!("clusters of {} {what}s for {rows} of them", clusters.len())));
            }
            let valid = |&cluster: &i64| u32::try_from(cluster).ok().filter(|&cluster| (cluster as usize) < count);
            let found: Option<Vec<u32>> = clusters.iter().map(valid).collect();
            found.ok_or_else(|| Error::Value(format!("a {what} is in a cluster beyond the {count} there are")))
        };
        let user_clusters = checked("user", user_clusters, by_user.n_users(), counts.0)?;
        let item_clusters = checked("item", item_clusters, by_item.n_users(), counts.1)?;
        let mean_of = |ratings: &[f64]| {
            if !truncated {
                return pairwise_mean(ratings);
            }
            // Sums of whole numbers are exact in any order.
            ratings.iter().map(|rating| rating.trunc()).sum::<f64>() / ratings.len() as f64
        };
        let means = |rows: &Ratings| (0..rows.n_users()).map(|row| mean_of(rows.of(row).ratings)).collect();
        Ok(Self {
            truncated,
            mean,
            user_means: means(&by_user),
            item_means: means(&by_item),
            user_clusters,
            item_clusters,
            n_user_clusters: counts.0,
            n_item_clusters: counts.1,
            by_user,
            by_item,
        })
    }

    fn rating(&self, rating: f64) -> f64 {
        if self.truncated { rating.trunc() } else { rating }
    }

    /// Means of the clusters as they are now; an empty one has the mean of all ratings.
    pub fn means(&self) -> Means {
        let (n_users, n_items) = (self.n_user_clusters, self.n_item_clusters);
        let mut users = vec![(0.0, 0.0); n_users];
        let mut items = vec![(0.0, 0.0); n_items];
        let mut both = vec![(0.0, 0.0); n_users * n_items];
        for (user, positions) in self.by_user.runs() {
            let rated = self.by_user.part(positions);
            let user_cluster = self.user_clusters[user] as usize;
            for (&item, &rating) in rated.items.iter().zip(rated.ratings) {
                let item_cluster = self.item_clusters[item as usize] as usize;
                let rating = self.rating(rating);
                for (sum, count) in [
                    &mut users[user_cluster],
                    &mut items[item_cluster],
                    &mut both[user_cluster * n_items + item_cluster],
                ] {
                    *sum += rating;
                    *count += 1.0;
                }
            }
        }
        let mean = |sums: Vec<(f64, f64)>| {
            sums.into_iter().map(|(sum, count)| if count > 0.0 { sum / count } else { self.mean }).collect()
        };
        Means { users: mean(users), items: mean(items), both: mean(both) }
    }

    /// Puts each row (user or item) into the cluster of least squared error.
    fn assign(&mut self, means: &Means, users: bool, monitor: &mut dyn Monitor) -> Result<()> {
        let mut chosen = std::mem::take(if users { &mut self.user_clusters } else { &mut self.item_clusters });
        let rows = if users { &self.by_user } else { &self.by_item };
        let n_clusters = if users { self.n_user_clusters } else { self.n_item_clusters };
        let (count, chunks) = (chosen.len(), rows.len() / GRAIN + 1);
        let out = Disjoint::new(&mut chosen);
        let outcome = for_each_chunk(
            chunks,
            monitor,
            || vec![0.0; n_clusters],
            |chunk, errors: &mut Vec<f64>| {
                let range = part(count, chunks, chunk, 1);
                // SAFETY: `part` gives each chunk rows of its own.
                let out = unsafe { out.range(range.clone()) };
                for (row, out) in range.zip(out) {
                    errors.fill(0.0);
                    let rated = rows.of(row);
                    for (&column, &rating) in rated.items.iter().zip(rated.ratings) {
                        let (rating, column) = (self.rating(rating), column as usize);
                        for (cluster, error) in errors.iter_mut().enumerate() {
                            // Term by term from the left, as the estimate is taken.
                            let estimate = if users {
                                let other = self.item_clusters[column] as usize;
                                means.both[cluster * self.n_item_clusters + other] + self.user_means[row]
                                    - means.users[cluster]
                                    + self.item_means[column]
                                    - means.items[other]
                            } else {
                                let other = self.user_clusters[column] as usize;
                                means.both[other * self.n_item_clusters + cluster] + self.user_means[column]
                                    - means.users[other]
                                    + self.item_means[row]
                                    - means.items[cluster]
                            };
                            *error += (rating - estimate) * (rating - estimate);
                        }
                    }
                    let mut best = 0;
                    for (cluster, &error) in errors.iter().enumerate() {
                        if error < errors[best] {
                            best = cluster;
                        }
                    }
                    *out = best as u32;
                }
            },
        );
        *(if users { &mut self.user_clusters } else { &mut self.item_clusters }) = chosen;
        outcome
    }
}

impl Task for CoClustering {
    fn run(&mut self, epochs: usize, monitor: &mut dyn Monitor) -> Result<()> {
        for _ in 0..epochs {
            let means = self.means();
            self.assign(&means, true, monitor)?;
            self.assign(&means, false, monitor)?;
            monitor.advance(self.by_user.len() as u64);
            if monitor.cancelled() {
                return Err(Error::Cancelled);
            }
        }
        Ok(())
    }

    /// Clusters of users and items, means of users and items, means of user clusters, item clusters and co-clusters.
    fn parameters(&self) -> Vec<(Vec<f64>, usize)> {
        let clusters = |clusters: &[u32]| clusters.iter().map(|&cluster| f64::from(cluster)).collect();
        let means = self.means();
        vec![
            (clusters(&self.user_clusters), 0),
            (clusters(&self.item_clusters), 0),
            (self.user_means.clone(), 0),
            (self.item_means.clone(), 0),
            (means.users, 0),
            (means.items, 0),
            (means.both, self.n_item_clusters),
        ]
    }
}

/// The mean as NumPy takes it: pairwise sums of blocks of up to 128 values, eight partial sums in a block.
pub fn pairwise_mean(values: &[f64]) -> f64 {
    pairwise_sum(values.len(), &|index| values[index]) / values.len() as f64
}

/// The population standard deviation, likewise.
pub fn pairwise_deviation(values: &[f64]) -> f64 {
    let mean = pairwise_mean(values);
    let square = |index: usize| (values[index] - mean) * (values[index] - mean);
    (pairwise_sum(values.len(), &square) / values.len() as f64).sqrt()
}

fn pairwise_sum(count: usize, value: &dyn Fn(usize) -> f64) -> f64 {
    if count < 8 {
        return (0..count).map(value).fold(0.0, |sum, value| sum + value);
    }
    if count <= 128 {
        let mut sums: [f64; 8] = std::array::from_fn(value);
        let whole = count - count % 8;
        for start in (8..whole).step_by(8) {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum += value(start + lane);
            }
        }
        let sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
        return (whole..count).map(value).fold(sum, |sum, value| sum + value);
    }
    let half = count / 2 - count / 2 % 8;
    pairwise_sum(half, value) + pairwise_sum(count - half, &|index| value(half + index))
}

#[cfg(test)]
mod tests {
    use super::{CoClustering, pairwise_deviation, pairwise_mean};
    use crate::core::error::Error;
    use crate::recommend::fit::{Progress, Task};
    use crate::recommend::ratings::Ratings;
    use std::sync::Arc;

    fn sides() -> (Arc<Ratings>, Arc<Ratings>) {
        let users: Vec<u32> = (0..200).map(|k| k * 7 % 20).collect();
        let items: Vec<u32> = (0..200).map(|k| (k * k + k / 11) % 25).collect();
        // Users and items of like parity agree.
        let values: Vec<f64> =
            users.iter().zip(&items).map(|(u, i)| if (u + i) % 2 == 0 { 4.5 } else { 1.5 }).collect();
        let by_user = Ratings::from_columns(&users, &items, &values, 20, 25).unwrap();
        (Arc::new(by_user), Arc::new(Ratings::from_columns(&items, &users, &values, 25, 20).unwrap()))
    }

    #[test]
    fn finds_two_blocks() {
        let (by_user, by_item) = sides();
        let users: Vec<i64> = (0..20).map(|u| i64::from(u % 2 == 1 || u == 4)).collect();
        let items: Vec<i64> = (0..25).map(|i| i64::from(i % 2 == 1 && i != 7)).collect();
        for truncated in [false, true] {
            let mut fit =
                CoClustering::new(by_user.clone(), by_item.clone(), 3.0, &users, &items, (2, 2), truncated).unwrap();
            fit.run(5, &mut &Progress::default()).unwrap();
            assert_eq!(fit.user_clusters, (0..20).map(|u| u % 2).collect::<Vec<u32>>());
            assert_eq!(fit.means().both, if truncated { [4.0, 1.0, 1.0, 4.0] } else { [4.5, 1.5, 1.5, 4.5] });
        }
        let error = CoClustering::new(by_user.clone(), by_item.clone(), 3.0, &users, &items, (1, 2), true).unwrap_err();
        assert_eq!(error.message(), "a user is in a cluster beyond the 1 there are");
        let mut fit = CoClustering::new(by_user, by_item, 3.0, &users, &items, (2, 2), false).unwrap();
        let progress = Progress::default();
        progress.cancel();
        assert_eq!(fit.run(1, &mut &progress), Err(Error::Cancelled));
        assert_eq!((fit.user_clusters.len(), fit.item_clusters.len()), (20, 25));
    }

    #[test]
    fn means_of_every_length() {
        for count in [1, 7, 8, 9, 127, 128, 129, 1000] {
            let values: Vec<f64> = (0..count).map(|k| f64::from(k * 37 % 11) / 3.0).collect();
            let mean = values.iter().sum::<f64>() / f64::from(count);
            assert!((pairwise_mean(&values) - mean).abs() < 1e-12);
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / f64::from(count);
            assert!((pairwise_deviation(&values) - variance.sqrt()).abs() < 1e-12);
        }
    }
}
