//! Ratings grouped by user, in training order.

use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::factor::UserRatings;
use std::ops::Range;

/// Runs of ratings, each of one user. Users, and ratings within a run, keep the order in which they are trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratings {
    users: Vec<u32>,
    /// Run `k` is `starts[k]..starts[k + 1]` of `items` and `values`.
    starts: Vec<usize>,
    items: Vec<u32>,
    values: Vec<f64>,
    /// Where the ratings of each user lie; empty for a user without any.
    places: Vec<(usize, usize)>,
    n_users: usize,
    n_items: usize,
}

impl Ratings {
    /// Run `k` holds `counts[k]` ratings of user `users[k]`.
    ///
    /// # Errors
    /// Lengths that do not fit together, ids beyond `n_users` or `n_items`, a rating that is not finite.
    pub fn new(
        users: Vec<u32>,
        counts: &[usize],
        items: Vec<u32>,
        ratings: Vec<f64>,
        n_users: usize,
        n_items: usize,
    ) -> Result<Self> {
        let invalid = |text: String| Err(Error::Value(text));
        if users.len() != counts.len() {
            return invalid(format!("{} users but {} counts of ratings", users.len(), counts.len()));
        }
        if items.len() != ratings.len() {
            return invalid(format!("{} items but {} ratings", items.len(), ratings.len()));
        }
        let mut starts = Vec::with_capacity(counts.len() + 1);
        let mut total = 0_usize;
        starts.push(0);
        for &count in counts {
            total = total.saturating_add(count);
            starts.push(total);
        }
        if total != items.len() {
            return invalid(format!("the counts add up to {total} ratings, but there are {}", items.len()));
        }
        if let Some(user) = users.iter().find(|&&user| user as usize >= n_users) {
            return invalid(format!("user {user} is beyond the {n_users} users of the trainset"));
        }
        if let Some(item) = items.iter().find(|&&item| item as usize >= n_items) {
            return invalid(format!("item {item} is beyond the {n_items} items of the trainset"));
        }
        let mut places = vec![(0, 0); n_users];
        for (&user, ends) in users.iter().zip(starts.windows(2)) {
            places[user as usize] = (ends[0], ends[1]);
        }
        let out = Self { users, starts, items, values: ratings, places, n_users, n_items };
        if let Some(index) = out.values.iter().position(|rating| !rating.is_finite()) {
            let run = out.starts.partition_point(|&start| start <= index) - 1;
            return invalid(format!(
                "the rating of user {} for item {} (inner ids) is {}; ratings must be finite numbers",
                out.users[run], out.items[index], out.values[index]
            ));
        }
        Ok(out)
    }

    /// Groups columns of users, items and ratings by user; each user's ratings keep their order.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_columns(users: &[u32], items: &[u32], ratings: &[f64], n_users: usize, n_items: usize) -> Result<Self> {
        if users.len() != items.len() || users.len() != ratings.len() {
            return Err(Error::Value(format!(
                "columns of {} users, {} items and {} ratings: lengths must be equal",
                users.len(),
                items.len(),
                ratings.len()
            )));
        }
        if let Some(user) = users.iter().find(|&&user| user as usize >= n_users) {
            return Err(Error::Value(format!("user {user} is beyond the {n_users} users of the trainset")));
        }
        let mut counts = vec![0_usize; n_users];
        for &user in users {
            counts[user as usize] += 1;
        }
        let mut next: Vec<usize> = Vec::with_capacity(n_users);
        let mut total = 0;
        for &count in &counts {
            next.push(total);
            total += count;
        }
        let (mut sorted_items, mut sorted_ratings) = (vec![0; items.len()], vec![0.0; items.len()]);
        for ((&user, &item), &rating) in users.iter().zip(items).zip(ratings) {
            let place = &mut next[user as usize];
            sorted_items[*place] = item;
            sorted_ratings[*place] = rating;
            *place += 1;
        }
        let users = (0..u32::try_from(n_users).unwrap_or(u32::MAX)).collect();
        Self::new(users, &counts, sorted_items, sorted_ratings, n_users, n_items)
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn n_users(&self) -> usize {
        self.n_users
    }

    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// Each user with the positions of their ratings, in training order.
    pub fn runs(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        self.users.iter().zip(self.starts.windows(2)).map(|(&user, ends)| (user as usize, ends[0]..ends[1]))
    }

    /// The ratings of one user, in their order.
    pub fn of(&self, user: usize) -> UserRatings<'_> {
        let (start, end) = self.places[user];
        self.part(start..end)
    }

    /// All ratings, run after run.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The users in training order, and how many ratings each has.
    pub fn counts(&self) -> impl Iterator<Item = (u32, usize)> {
        self.users.iter().zip(self.starts.windows(2)).map(|(&user, ends)| (user, ends[1] - ends[0]))
    }

    /// The items of all ratings, run after run.
    pub fn items(&self) -> &[u32] {
        &self.items
    }

    /// The ratings at these positions.
    pub fn part(&self, positions: Range<usize>) -> UserRatings<'_> {
        UserRatings { items: &self.items[positions.clone()], ratings: &self.values[positions] }
    }
}

#[cfg(test)]
mod tests {
    use super::Ratings;

    #[test]
    fn runs_keep_their_order() {
        let ratings = Ratings::new(vec![2, 0], &[1, 2], vec![1, 0, 1], vec![3.0, 4.0, 5.0], 3, 2).unwrap();
        assert_eq!(ratings.runs().collect::<Vec<_>>(), [(2, 0..1), (0, 1..3)]);
        assert_eq!(ratings.part(1..3).items, [0, 1]);
        assert_eq!((ratings.len(), ratings.is_empty(), ratings.n_users(), ratings.n_items()), (3, false, 3, 2));
    }

    #[test]
    fn columns_are_grouped_in_their_order() {
        let got = Ratings::from_columns(&[1, 0, 1, 1], &[2, 1, 0, 2], &[1.0, 2.0, 3.0, 4.0], 3, 3).unwrap();
        assert_eq!(got.runs().collect::<Vec<_>>(), [(0, 0..1), (1, 1..4), (2, 4..4)]);
        assert_eq!((got.of(1).items, got.of(1).ratings), (&[2, 0, 2][..], &[1.0, 3.0, 4.0][..]));
        assert!(got.of(2).items.is_empty());
        let error = Ratings::from_columns(&[3], &[0], &[1.0], 3, 1).unwrap_err();
        assert_eq!(error.message(), "user 3 is beyond the 3 users of the trainset");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let text = |users: &[u32], counts: &[usize], items: &[u32], ratings: &[f64]| {
            Ratings::new(users.to_vec(), counts, items.to_vec(), ratings.to_vec(), 2, 2)
                .unwrap_err()
                .message()
                .to_owned()
        };
        assert_eq!(text(&[0], &[1, 1], &[0, 0], &[1.0, 1.0]), "1 users but 2 counts of ratings");
        assert_eq!(text(&[0], &[1], &[0], &[]), "1 items but 0 ratings");
        assert_eq!(text(&[0], &[2], &[0], &[1.0]), "the counts add up to 2 ratings, but there are 1");
        assert_eq!(text(&[2], &[1], &[0], &[1.0]), "user 2 is beyond the 2 users of the trainset");
        assert_eq!(text(&[0], &[1], &[9], &[1.0]), "item 9 is beyond the 2 items of the trainset");
        assert_eq!(
            text(&[0, 1], &[1, 2], &[0, 0, 1], &[1.0, 2.0, f64::NAN]),
            "the rating of user 1 for item 1 (inner ids) is NaN; ratings must be finite numbers"
        );
    }
}
