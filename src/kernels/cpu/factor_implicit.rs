//! SVD++ by stochastic gradient descent, float64: factors of users, of items, and of items as implicit feedback (Koren,
//! "Factorization meets the neighborhood", 2008, equation 15).
//!
//! Layout as in [`super::factor`]: rows of whole lines, padding zero. A rating updates the implicit row `y_j` of every
//! item that its user has rated, by a step that is the same for all of them:
//!
//! ```text
//! for rating r of this user, on item i:             (n items rated, N = sqrt(n))
//!     z     = p + sum_j y_j / N
//!     error = r - (mean + bu + bi + q . z)
//!     y_j   = (1 - lr reg) y_j + lr error q / N     for all n items
//!     p     = (1 - lr reg) p + lr error q           q from z and the old q, bu and bi as in SVD
//! ```
//!
//! Written out, that is `n` rows read and written for each of `n` ratings. But the steps of one user compose to one:
//! every `y_j` ends as `scale y_j + shift` with a common scale and row, and the sum over `j`, all that a rating needs of
//! them, follows the same recurrence, `sum' = (1 - lr reg) sum + N lr error q / N`. So a rating costs a few passes over
//! `p`, `q`, the sum and the shift, which stay in L1, and the `y_j` are read once before and written once after a user's
//! ratings. A user who rated an item twice steps its row twice as far as others; their ratings take the long way.
//! What limits speed is the latency of one rating's dot product and update, since each rating waits for the one before.

use super::factor::{LANES, Line, Rate, UserRatings};
use crate::for_each_isa;

/// The update of one user's parameters, of the items that they rated, and of these items' implicit rows.
#[derive(Clone, Copy, Debug)]
pub struct ImplicitSgd {
    /// Lines in a row.
    pub lines: usize,
    pub mean: f64,
    pub user_bias: Rate,
    pub item_bias: Rate,
    pub user_factors: Rate,
    pub item_factors: Rate,
    pub implicit_factors: Rate,
}

/// Rows and biases of all items.
#[derive(Debug)]
pub struct Items<'a> {
    pub biases: &'a mut [f64],
    pub rows: &'a mut [Line],
    pub implicit: &'a mut [Line],
}

/// Buffers of one fit: the implicit sum, and the shift of the implicit rows.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    sum: Vec<Line>,
    shift: Vec<Line>,
}

impl ImplicitSgd {
    fn check(&self, rated: UserRatings<'_>, user_row: &[Line], items: &Items<'_>) {
        assert_eq!(rated.items.len(), rated.ratings.len(), "one rating an item");
        assert_eq!(user_row.len(), self.lines, "lines of the user's row");
        assert_eq!(items.rows.len(), self.lines * items.biases.len(), "lines of all item rows");
        assert_eq!(items.implicit.len(), items.rows.len(), "lines of all implicit rows");
    }
}

#[inline(always)]
fn dot(a: &[Line], b: &[Line], c: &[Line]) -> f64 {
    let mut sums = [0.0; LANES];
    for ((Line(a), Line(b)), Line(c)) in a.iter().zip(b).zip(c) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * (b[lane] + c[lane]);
        }
    }
    let pairs: [f64; 4] = std::array::from_fn(|lane| sums[lane] + sums[lane + 4]);
    (pairs[0] + pairs[2]) + (pairs[1] + pairs[3])
}

/// `sum_j y_j / N`, term by term in the order of `items`.
#[inline(always)]
fn implicit_sum(items: &[u32], implicit: &[Line], root: f64, sum: &mut [Line]) {
    let lines = sum.len();
    sum.fill(Line::default());
    for &item in items {
        let row = &implicit[item as usize * lines..(item as usize + 1) * lines];
        for (Line(sum), Line(y)) in sum.iter_mut().zip(row) {
            for lane in 0..LANES {
                sum[lane] += y[lane] / root;
            }
        }
    }
}

#[inline(always)]
fn run_body(
    sgd: &ImplicitSgd,
    rated: UserRatings<'_>,
    user_row: &mut [Line],
    user_bias: &mut f64,
    items: &mut Items<'_>,
    work: &mut Workspace,
) {
    sgd.check(rated, user_row, items);
    let lines = sgd.lines;
    let count = rated.items.len() as f64;
    let root = count.sqrt();
    let Workspace { sum, shift } = work;
    sum.resize(lines, Line::default());
    shift.clear();
    shift.resize(lines, Line::default());
    let (user_decay, item_decay) = (sgd.user_factors.decay(), sgd.item_factors.decay());
    let implicit_decay = sgd.implicit_factors.decay();
    let mut scale = 1.0;
    implicit_sum(rated.items, items.implicit, root, sum);
    for (&item, &rating) in rated.items.iter().zip(rated.ratings) {
        let item = item as usize;
        let row = &mut items.rows[item * lines..(item + 1) * lines];
        let error = rating - (sgd.mean + *user_bias + items.biases[item] + dot(row, user_row, sum));
        *user_bias = sgd.user_bias.step(*user_bias, error);
        items.biases[item] = sgd.item_bias.step(items.biases[item], error);
        let user_step = sgd.user_factors.learning_rate * error;
        let item_step = sgd.item_factors.learning_rate * error;
        let implicit_step = sgd.implicit_factors.learning_rate * error / root;
        let sum_step = implicit_step * root;
        for (((Line(p), Line(q)), Line(sum)), Line(shift)) in
            user_row.iter_mut().zip(row).zip(sum.iter_mut()).zip(shift.iter_mut())
        {
            for lane in 0..LANES {
                let (old_p, old_q, old_sum) = (p[lane], q[lane], sum[lane]);
                p[lane] = user_decay * old_p + user_step * old_q;
                q[lane] = item_decay * old_q + item_step * (old_p + old_sum);
                sum[lane] = implicit_decay * old_sum + sum_step * old_q;
                shift[lane] = implicit_decay * shift[lane] + implicit_step * old_q;
            }
        }
        scale *= implicit_decay;
    }
    for &item in rated.items {
        let row = &mut items.implicit[item as usize * lines..(item as usize + 1) * lines];
        for (Line(y), Line(shift)) in row.iter_mut().zip(shift.iter()) {
            for lane in 0..LANES {
                y[lane] = scale * y[lane] + shift[lane];
            }
        }
    }
}

#[inline(always)]
fn run_repeated_body(
    sgd: &ImplicitSgd,
    rated: UserRatings<'_>,
    user_row: &mut [Line],
    user_bias: &mut f64,
    items: &mut Items<'_>,
    work: &mut Workspace,
) {
    sgd.check(rated, user_row, items);
    let lines = sgd.lines;
    let root = (rated.items.len() as f64).sqrt();
    let Workspace { sum, shift } = work;
    sum.resize(lines, Line::default());
    shift.resize(lines, Line::default());
    let (user_decay, item_decay) = (sgd.user_factors.decay(), sgd.item_factors.decay());
    let implicit_decay = sgd.implicit_factors.decay();
    for (&item, &rating) in rated.items.iter().zip(rated.ratings) {
        let item = item as usize;
        implicit_sum(rated.items, items.implicit, root, sum);
        let row = &mut items.rows[item * lines..(item + 1) * lines];
        let error = rating - (sgd.mean + *user_bias + items.biases[item] + dot(row, user_row, sum));
        *user_bias = sgd.user_bias.step(*user_bias, error);
        items.biases[item] = sgd.item_bias.step(items.biases[item], error);
        let user_step = sgd.user_factors.learning_rate * error;
        let item_step = sgd.item_factors.learning_rate * error;
        let implicit_step = sgd.implicit_factors.learning_rate * error / root;
        for (((Line(p), Line(q)), Line(sum)), Line(step)) in
            user_row.iter_mut().zip(row).zip(sum.iter()).zip(shift.iter_mut())
        {
            for lane in 0..LANES {
                let (old_p, old_q) = (p[lane], q[lane]);
                p[lane] = user_decay * old_p + user_step * old_q;
                q[lane] = item_decay * old_q + item_step * (old_p + sum[lane]);
                step[lane] = implicit_step * old_q;
            }
        }
        for &item in rated.items {
            let row = &mut items.implicit[item as usize * lines..(item as usize + 1) * lines];
            for (Line(y), Line(step)) in row.iter_mut().zip(shift.iter()) {
                for lane in 0..LANES {
                    y[lane] = implicit_decay * y[lane] + step[lane];
                }
            }
        }
    }
}

for_each_isa! {
    /// Takes all ratings of a user who rated each item once, in order.
    ///
    /// # Panics
    /// When a row does not have `lines` lines, or an item has no row.
    pub fn run(
        sgd: &ImplicitSgd,
        rated: UserRatings<'_>,
        user_row: &mut [Line],
        user_bias: &mut f64,
        items: &mut Items<'_>,
        work: &mut Workspace,
    ) = run_body;
}

for_each_isa! {
    /// As [`run`], for a user who may have rated an item several times; for each rating it takes time by the number of
    /// all their ratings.
    ///
    /// # Panics
    /// As [`run`].
    pub fn run_repeated(
        sgd: &ImplicitSgd,
        rated: UserRatings<'_>,
        user_row: &mut [Line],
        user_bias: &mut f64,
        items: &mut Items<'_>,
        work: &mut Workspace,
    ) = run_repeated_body;
}

#[cfg(test)]
mod tests {
    use super::{ImplicitSgd, Items, Workspace, run, run_repeated};
    use crate::cpu::factor::{LANES, Line, Rate, UserRatings, lines};
    use crate::cpu::simd::Isa;

    fn noise(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) as f64 / f64::from(1 << 31) - 0.5
    }

    fn rows(count: usize, factors: usize, seed: &mut u64) -> Vec<Line> {
        let mut out = vec![Line::default(); count * lines(factors)];
        for row in out.chunks_mut(lines(factors).max(1)) {
            for factor in 0..factors {
                row[factor / LANES].0[factor % LANES] = 0.4 * noise(seed);
            }
        }
        out
    }

    fn flat(rows: &[Line]) -> Vec<f64> {
        rows.iter().flat_map(|line| line.0).collect()
    }

    /// The formulas, one factor and one rating at a time; p, q, y, bu, bi after.
    fn naive(
        sgd: &ImplicitSgd,
        rated: UserRatings<'_>,
        p: &mut [f64],
        q: &mut [f64],
        y: &mut [f64],
        bu: &mut f64,
        bi: &mut [f64],
    ) {
        let (width, root) = (p.len(), (rated.items.len() as f64).sqrt());
        for (&i, &r) in rated.items.iter().zip(rated.ratings) {
            let i = i as usize;
            let z: Vec<f64> =
                (0..width).map(|f| rated.items.iter().map(|&j| y[j as usize * width + f] / root).sum()).collect();
            let product: f64 = (0..width).map(|f| q[i * width + f] * (p[f] + z[f])).sum();
            let error = r - (sgd.mean + *bu + bi[i] + product);
            let step = |rate: Rate, value: f64, gradient: f64| {
                value + rate.learning_rate * (gradient - rate.regularization * value)
            };
            *bu = step(sgd.user_bias, *bu, error);
            bi[i] = step(sgd.item_bias, bi[i], error);
            for f in 0..width {
                let (old_p, old_q) = (p[f], q[i * width + f]);
                p[f] = step(sgd.user_factors, old_p, error * old_q);
                q[i * width + f] = step(sgd.item_factors, old_q, error * (old_p + z[f]));
                for &j in rated.items {
                    let value = &mut y[j as usize * width + f];
                    *value = step(sgd.implicit_factors, *value, error * old_q / root);
                }
            }
        }
    }

    #[test]
    fn both_ways_follow_the_formulas() {
        let mut seed = 11;
        let mut rate = || Rate { learning_rate: 0.03 + 0.02 * noise(&mut seed), regularization: 0.05 };
        let rates = [rate(), rate(), rate(), rate(), rate()];
        for factors in [0, 1, 8, 20, 100] {
            for (rated_items, repeated) in [
                (vec![3_u32, 0, 8, 5, 1, 7], false),
                (vec![2], false),
                (vec![], false),
                (vec![4, 4, 2, 4, 0], true),
                (vec![6, 1], true),
            ] {
                let sgd = ImplicitSgd {
                    lines: lines(factors),
                    mean: 3.0,
                    user_bias: rates[0],
                    item_bias: rates[1],
                    user_factors: rates[2],
                    item_factors: rates[3],
                    implicit_factors: rates[4],
                };
                let ratings: Vec<f64> = rated_items.iter().map(|_| 3.0 + 4.0 * noise(&mut seed)).collect();
                let rated = UserRatings { items: &rated_items, ratings: &ratings };
                let (user, row, implicit) =
                    (rows(1, factors, &mut seed), rows(9, factors, &mut seed), rows(9, factors, &mut seed));
                let (mut p, mut q, mut y) = (flat(&user), flat(&row), flat(&implicit));
                let (mut bu, mut bi) = (0.1, vec![0.2; 9]);
                naive(&sgd, rated, &mut p, &mut q, &mut y, &mut bu, &mut bi);
                for isa in Isa::available() {
                    let (mut got_user, mut got_row, mut got_implicit) = (user.clone(), row.clone(), implicit.clone());
                    let (mut got_bias, mut biases) = (0.1, vec![0.2; 9]);
                    let mut items = Items { biases: &mut biases, rows: &mut got_row, implicit: &mut got_implicit };
                    let mut work = Workspace::default();
                    let way = if repeated { run_repeated } else { run };
                    way(isa, &sgd, rated, &mut got_user, &mut got_bias, &mut items, &mut work);
                    let close = |got: &[f64], want: &[f64]| {
                        got.len() == want.len() && got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-13)
                    };
                    let case = format!("{isa:?}, {factors} factors, {rated_items:?}");
                    assert!(close(&flat(&got_user), &p) && (got_bias - bu).abs() < 1e-13, "user: {case}");
                    assert!(close(&flat(&got_row), &q) && close(&biases, &bi), "items: {case}");
                    assert!(close(&flat(&got_implicit), &y), "implicit: {case}");
                }
            }
        }
    }
}
