//! Estimates of ratings by a fitted model: for given pairs, and the best items of a user.
//!
//! Both run on all threads and give the same bits on any number of them. Recommending goes through blocks of users; a
//! block's scores of all items, and `n` best ones of each user, are all the memory it takes.

use super::fit::Monitor;
use super::parallel::for_each_chunk;
use super::ratings::Ratings;
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::disjoint::{Disjoint, part};
use std::cmp::Ordering;

/// Pairs a chunk.
const PAIRS: usize = 1024;
/// Users whose scores of all items are held at a time, by each thread.
const USERS: usize = 8;

/// An estimate, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Estimate {
    Value(f64),
    /// A value, and how many neighbours it rests on.
    Supported(f64, u32),
    /// User or item (or both) have no ratings, and the model needs them.
    Unknown,
    /// Too few neighbours.
    TooFew,
}

/// What pairs a model likes to be asked about one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    Any,
    ByUser,
    ByItem,
}

/// A fitted model.
pub trait Estimator: Sync {
    /// What one thread keeps from one estimate to the next.
    type Scratch;

    fn scratch(&self) -> Self::Scratch;
    /// Users and items.
    fn shape(&self) -> (usize, usize);
    fn grouping(&self) -> Grouping {
        Grouping::Any
    }
    /// The estimate for inner ids within [`shape`](Self::shape); `None` is an unknown one.
    fn estimate(&self, user: Option<usize>, item: Option<usize>, scratch: &mut Self::Scratch) -> Estimate;

    /// Scores of all items for some users, row by row; NaN where there is no estimate. Values are those of
    /// [`estimate`](Self::estimate).
    fn scores(&self, users: &[Option<usize>], out: &mut [f64], scratch: &mut Self::Scratch) {
        let n_items = self.shape().1;
        for (&user, out) in users.iter().zip(out.chunks_exact_mut(n_items.max(1))) {
            for (item, out) in out.iter_mut().enumerate() {
                *out = match self.estimate(user, Some(item), scratch) {
                    Estimate::Value(value) | Estimate::Supported(value, _) => value,
                    Estimate::Unknown | Estimate::TooFew => f64::NAN,
                };
            }
        }
    }
}

/// Estimates in columns. Where a pair has none its value is NaN; `reasons` is 1 where user or item are unknown and 2 where
/// there are too few neighbours, else 0; `support` is -1 where a value rests on no neighbours.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    pub values: Vec<f64>,
    pub support: Vec<i32>,
    pub reasons: Vec<u8>,
}

/// The estimate of each (user, item) pair; a negative id is an unknown one.
///
/// # Errors
/// Columns of different lengths, ids beyond the model, [`Error::Cancelled`].
pub fn pairs<E: Estimator>(model: &E, users: &[i64], items: &[i64], monitor: &mut dyn Monitor) -> Result<Columns> {
    if users.len() != items.len() {
        return Err(Error::Value(format!("{} users but {} items to estimate", users.len(), items.len())));
    }
    let (n_users, n_items) = model.shape();
    check("user", users, n_users)?;
    check("item", items, n_items)?;
    let total = users.len();
    let mut order: Vec<u32> = Vec::new();
    let grouping = model.grouping();
    if grouping != Grouping::Any {
        let keys = if grouping == Grouping::ByUser { users } else { items };
        order.extend(0..u32::try_from(total).map_err(|_| Error::Value(format!("{total} pairs are too many")))?);
        order.sort_by_key(|&index| keys[index as usize]);
    }
    let mut found = vec![(0.0, 0_i32, 0_u8); total];
    let chunks = total.div_ceil(PAIRS);
    let out = Disjoint::new(&mut found);
    for_each_chunk(
        chunks,
        monitor,
        || model.scratch(),
        |chunk, scratch| {
            for at in part(total, chunks, chunk, 1) {
                let index = if order.is_empty() { at } else { order[at] as usize };
                let known = |id: i64| usize::try_from(id).ok();
                // SAFETY: `order` names each index once, and each place in it belongs to one chunk.
                let out = unsafe { &mut out.range(index..index + 1)[0] };
                *out = match model.estimate(known(users[index]), known(items[index]), scratch) {
                    Estimate::Value(value) => (value, -1, 0),
                    Estimate::Supported(value, support) => (value, support.cast_signed(), 0),
                    Estimate::Unknown => (f64::NAN, -1, 1),
                    Estimate::TooFew => (f64::NAN, -1, 2),
                };
            }
        },
    )?;
    let mut columns = Columns { values: vec![], support: vec![], reasons: vec![] };
    columns.values = found.iter().map(|row| row.0).collect();
    columns.support = found.iter().map(|row| row.1).collect();
    columns.reasons = found.iter().map(|row| row.2).collect();
    Ok(columns)
}

fn check(what: &str, ids: &[i64], count: usize) -> Result<()> {
    match ids.iter().find(|&&id| usize::try_from(id).is_ok_and(|id| id >= count)) {
        Some(id) => Err(Error::Value(format!("{what} {id} is beyond the {count} that were fitted"))),
        None => Ok(()),
    }
}

/// What stands in the places of a user for whom there are fewer than `n` items.
pub const NONE: i32 = -1;

/// The `n` items of highest estimate for each user, best first, equal ones by ascending id: ids and estimates, `n` a user.
/// Items without an estimate are left out, as are those in `seen`.
///
/// # Errors
/// Ids beyond the model, too little memory, [`Error::Cancelled`].
pub fn best_items<E: Estimator>(
    model: &E,
    users: &[i64],
    n: usize,
    seen: Option<&Ratings>,
    monitor: &mut dyn Monitor,
) -> Result<(Vec<i32>, Vec<f64>)> {
    let (n_users, n_items) = model.shape();
    check("user", users, n_users)?;
    let n = n.min(n_items);
    let places = users.len().checked_mul(n);
    let mut items = super::similarity::zeros(places, "recommendations")?;
    let mut estimates = super::similarity::zeros(places, "recommendations")?;
    let chunks = users.len().div_ceil(USERS);
    let (ids, values) = (Disjoint::new(&mut items), Disjoint::new(&mut estimates));
    for_each_chunk(
        chunks,
        monitor,
        || (model.scratch(), vec![0.0; USERS * n_items], Vec::with_capacity(n)),
        |chunk, (scratch, scores, best)| {
            let range = part(users.len(), chunks, chunk, USERS);
            let block: Vec<Option<usize>> = users[range.clone()].iter().map(|&id| usize::try_from(id).ok()).collect();
            let scores = &mut scores[..block.len() * n_items];
            model.scores(&block, scores, scratch);
            for (row, (index, user)) in range.zip(block).enumerate() {
                let scores = &mut scores[row * n_items..(row + 1) * n_items];
                if let (Some(seen), Some(user)) = (seen, user) {
                    for &item in seen.of(user).items {
                        scores[item as usize] = f64::NAN;
                    }
                }
                top(scores, n, best);
                // SAFETY: each user's places belong to one chunk.
                let (ids, values) =
                    unsafe { (ids.range(index * n..(index + 1) * n), values.range(index * n..(index + 1) * n)) };
                ids.fill(NONE);
                values.fill(f64::NAN);
                for ((id, value), &(score, item)) in ids.iter_mut().zip(values).zip(best.iter()) {
                    (*id, *value) = (item.cast_signed(), score);
                }
            }
        },
    )?;
    Ok((items, estimates))
}

/// Higher scores first, then lower ids.
fn better(a: &(f64, u32), b: &(f64, u32)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// The `n` best scores and where they are, best first; NaN is none.
fn top(scores: &[f64], n: usize, best: &mut Vec<(f64, u32)>) {
    best.clear();
    if n == 0 {
        return;
    }
    // A heap whose root is the worst kept: most scores are turned away by one comparison.
    let mut worst = f64::NEG_INFINITY;
    for (item, &score) in scores.iter().enumerate() {
        if best.len() < n {
            if !score.is_nan() {
                best.push((score, item as u32));
                if best.len() == n {
                    best.sort_unstable_by(|a, b| better(b, a));
                    worst = best[0].0;
                }
            }
        } else if score > worst {
            best[0] = (score, item as u32);
            sink(best);
            worst = best[0].0;
        }
    }
    best.sort_unstable_by(better);
}

/// Restores the heap after its root was replaced: every parent is worse than its children.
fn sink(heap: &mut [(f64, u32)]) {
    let mut parent = 0;
    loop {
        let mut worst = parent;
        for child in [2 * parent + 1, 2 * parent + 2] {
            if child < heap.len() && better(&heap[worst], &heap[child]) == Ordering::Less {
                worst = child;
            }
        }
        if worst == parent {
            return;
        }
        heap.swap(parent, worst);
        parent = worst;
    }
}

/// Fitted Slope One.
#[derive(Debug, Clone, Copy)]
pub struct SlopeOne<'a> {
    pub by_user: &'a Ratings,
    pub user_means: &'a [f64],
    pub frequencies: &'a [i64],
    pub deviations: &'a [f64],
}

impl SlopeOne<'_> {
    /// # Errors
    /// Arrays that do not fit the ratings.
    pub fn check(&self) -> Result<()> {
        let n = self.by_user.n_items();
        let expected = (self.by_user.n_users(), n * n, n * n);
        let received = (self.user_means.len(), self.frequencies.len(), self.deviations.len());
        fits("user_mean, freq, dev", &expected, &received)
    }
}

fn fits<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, received: &T) -> Result<()> {
    if expected == received {
        return Ok(());
    }
    Err(Error::Value(format!("{what}: expected {expected:?} values for this trainset, received {received:?}")))
}

impl Estimator for SlopeOne<'_> {
    type Scratch = ();

    fn scratch(&self) {}

    fn shape(&self) -> (usize, usize) {
        (self.by_user.n_users(), self.by_user.n_items())
    }

    fn estimate(&self, user: Option<usize>, item: Option<usize>, (): &mut ()) -> Estimate {
        let (Some(user), Some(item)) = (user, item) else { return Estimate::Unknown };
        let n = self.by_user.n_items();
        let frequencies = &self.frequencies[item * n..(item + 1) * n];
        let deviations = &self.deviations[item * n..(item + 1) * n];
        let (mut sum, mut count) = (0.0, 0.0);
        for &other in self.by_user.of(user).items {
            if frequencies[other as usize] > 0 {
                sum += deviations[other as usize];
                count += 1.0;
            }
        }
        let mean = self.user_means[user];
        Estimate::Value(if count > 0.0 { mean + sum / count } else { mean })
    }
}

/// Fitted co-clusters.
#[derive(Debug, Clone, Copy)]
pub struct Clusters<'a> {
    pub mean: f64,
    pub user_clusters: &'a [i64],
    pub item_clusters: &'a [i64],
    pub user_means: &'a [f64],
    pub item_means: &'a [f64],
    pub user_cluster_means: &'a [f64],
    pub item_cluster_means: &'a [f64],
    pub co_cluster_means: &'a [f64],
}

impl Clusters<'_> {
    /// # Errors
    /// Arrays that do not fit together.
    pub fn check(&self) -> Result<()> {
        let (n_users, n_items) = (self.user_cluster_means.len(), self.item_cluster_means.len());
        fits("avg_cocltr", &(n_users * n_items), &self.co_cluster_means.len())?;
        fits("user_mean, item_mean", &self.shape(), &(self.user_means.len(), self.item_means.len()))?;
        for (name, clusters, count) in
            [("cltr_u", self.user_clusters, n_users), ("cltr_i", self.item_clusters, n_items)]
        {
            if clusters
                .iter()
                .any(|&cluster| usize::try_from(cluster).is_ok_and(|cluster| cluster >= count) || cluster < 0)
            {
                return Err(Error::Value(format!("{name} names a cluster beyond the {count} there are")));
            }
        }
        Ok(())
    }
}

impl Estimator for Clusters<'_> {
    type Scratch = ();

    fn scratch(&self) {}

    fn shape(&self) -> (usize, usize) {
        (self.user_clusters.len(), self.item_clusters.len())
    }

    fn estimate(&self, user: Option<usize>, item: Option<usize>, (): &mut ()) -> Estimate {
        let (Some(user), Some(item)) = (user, item) else { return Estimate::Value(self.mean) };
        let (of_user, of_item) = (self.user_clusters[user] as usize, self.item_clusters[item] as usize);
        Estimate::Value(
            self.co_cluster_means[of_user * self.item_cluster_means.len() + of_item] + self.user_means[user]
                - self.user_cluster_means[of_user]
                + self.item_means[item]
                - self.item_cluster_means[of_item],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Clusters, Columns, Estimate, Estimator, Grouping, SlopeOne, best_items, pairs, top};
    use crate::recommend::fit::Progress;
    use crate::recommend::ratings::Ratings;

    /// Estimates `(user * 7 + item * 5) % 11`, none for users 3, 13, ...; remembers the user it was asked about.
    struct Table(Grouping);

    impl Estimator for Table {
        type Scratch = usize;
        fn scratch(&self) -> usize {
            0
        }
        fn shape(&self) -> (usize, usize) {
            (50, 40)
        }
        fn grouping(&self) -> Grouping {
            self.0
        }
        fn estimate(&self, user: Option<usize>, item: Option<usize>, asked: &mut usize) -> Estimate {
            *asked += 1;
            match (user, item) {
                (Some(user), Some(_)) if user % 10 == 3 => Estimate::TooFew,
                (Some(user), Some(item)) => Estimate::Supported(((user * 7 + item * 5) % 11) as f64, item as u32),
                _ => Estimate::Unknown,
            }
        }
    }

    #[test]
    fn pairs_come_back_in_order() {
        let users: Vec<i64> = (0..5000).map(|k| k * 31 % 51 - 1).collect();
        let items: Vec<i64> = (0..5000).map(|k| k * 17 % 41 - 1).collect();
        let progress = Progress::default();
        let any = pairs(&Table(Grouping::Any), &users, &items, &mut &progress).unwrap();
        for grouping in [Grouping::ByUser, Grouping::ByItem] {
            let Columns { values, support, reasons } = pairs(&Table(grouping), &users, &items, &mut &progress).unwrap();
            assert_eq!((&support, &reasons), (&any.support, &any.reasons));
            for (index, (&user, &item)) in users.iter().zip(&items).enumerate() {
                let reason = if user < 0 || item < 0 { 1 } else { u8::from(user % 10 == 3) * 2 };
                assert_eq!(reasons[index], reason);
                if reason == 0 {
                    assert_eq!((values[index], i64::from(support[index])), (((user * 7 + item * 5) % 11) as f64, item));
                } else {
                    assert!(values[index].is_nan() && support[index] == -1);
                }
            }
        }
        let error = pairs(&Table(Grouping::Any), &[50], &[0], &mut &progress).unwrap_err();
        assert_eq!(error.message(), "user 50 is beyond the 50 that were fitted");
    }

    #[test]
    fn best_items_are_those_of_a_full_sort() {
        let seen = Ratings::from_columns(&[5, 5, 7], &[2, 13, 0], &[1.0; 3], 50, 40).unwrap();
        let users: Vec<i64> = (-1..50).rev().collect();
        let (items, values) =
            best_items(&Table(Grouping::Any), &users, 6, Some(&seen), &mut &Progress::default()).unwrap();
        for (row, &user) in users.iter().enumerate() {
            let mut want: Vec<(i64, i32)> = (0..40)
                .filter(|&item| user >= 0 && user % 10 != 3 && !seen.of(user as usize).items.contains(&(item as u32)))
                .map(|item| (-((user * 7 + i64::from(item) * 5) % 11), item))
                .collect();
            want.sort_unstable();
            want.resize(want.len().max(6), (0, -1));
            for place in 0..6 {
                let (score, item) = want[place];
                assert_eq!(items[row * 6 + place], item, "user {user}");
                assert!(item < 0 || values[row * 6 + place] == -score as f64);
            }
        }
        let (items, _) = best_items(&Table(Grouping::Any), &[1], 100, None, &mut &Progress::default()).unwrap();
        assert_eq!(items.len(), 40, "no more than there are");
    }

    #[test]
    fn top_of_ties_and_nothing() {
        let mut best = vec![];
        top(&[1.0, f64::NAN, 1.0, 2.0, 1.0, f64::NEG_INFINITY], 3, &mut best);
        assert_eq!(best, [(2.0, 3), (1.0, 0), (1.0, 2)]);
        top(&[f64::NAN; 4], 2, &mut best);
        assert!(best.is_empty());
        top(&[1.0], 0, &mut best);
        assert!(best.is_empty());
    }

    #[test]
    fn slope_one_and_clusters_by_hand() {
        let by_user = Ratings::from_columns(&[0, 0, 1], &[0, 1, 0], &[4.0, 3.0, 2.0], 2, 2).unwrap();
        let slope = SlopeOne {
            by_user: &by_user,
            user_means: &[3.5, 2.0],
            frequencies: &[2, 1, 1, 1],
            deviations: &[0.0, 1.0, -1.0, 0.0],
        };
        slope.check().unwrap();
        assert_eq!(slope.estimate(Some(1), Some(1), &mut ()), Estimate::Value(1.0));
        assert_eq!(slope.estimate(Some(0), Some(1), &mut ()), Estimate::Value(3.0));
        assert_eq!(slope.estimate(None, Some(1), &mut ()), Estimate::Unknown);
        let short = SlopeOne { user_means: &[], ..slope };
        assert!(short.check().unwrap_err().message().starts_with("user_mean, freq, dev: expected (2, 4, 4) values"));

        let clusters = Clusters {
            mean: 3.0,
            user_clusters: &[0, 1],
            item_clusters: &[0],
            user_means: &[3.5, 2.0],
            item_means: &[2.5],
            user_cluster_means: &[3.0, 2.5],
            item_cluster_means: &[3.25],
            co_cluster_means: &[4.0, 1.0],
        };
        clusters.check().unwrap();
        assert_eq!(clusters.estimate(Some(1), Some(0), &mut ()), Estimate::Value(1.0 + 2.0 - 2.5 + 2.5 - 3.25));
        assert_eq!(clusters.estimate(Some(1), None, &mut ()), Estimate::Value(3.0));
        let error = Clusters { user_clusters: &[2], ..clusters }.check().unwrap_err();
        assert!(error.message().contains("user_mean, item_mean"));
    }
}
