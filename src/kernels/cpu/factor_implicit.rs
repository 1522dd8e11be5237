//! SVD++ by stochastic gradient descent, float64 or float32: factors of users, of items, and of items as implicit feedback (Koren,
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
//! `p`, `q`, the sum and the shift, which stay in L1, and the `y_j` are read once before ([`add_rows`]) and written once
//! after a user's ratings ([`move_rows`]). A user who rated an item twice steps its row twice as far as others; their
//! ratings take the long way ([`run_repeated`]). What limits speed is the latency of one rating's dot product and update,
//! since each rating waits for the one before.
//!
//! The items whose rows form the sum (`neighbors`) are usually those of the ratings; they are more where a fit goes on with
//! some ratings of a user alone.

use super::factor::{Factor, Lanes, Rate, UserRatings, splat, sum};
use crate::cpu::gemm::vector::{Vector, Work};
use crate::cpu::simd::Isa;
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

/// A user's row, bias and implicit sum.
#[derive(Debug)]
pub struct User<'a, T: Factor> {
    pub row: &'a mut [T::Line],
    pub bias: &'a mut f64,
    /// `sum_j y_j / N`, which follows the ratings.
    pub sum: &'a mut [T::Line],
    /// How many rows are in the sum.
    pub neighbors: usize,
}

/// Rows and biases of all items.
#[derive(Debug)]
pub struct Items<'a, T: Factor> {
    pub rows: &'a mut [T::Line],
    pub biases: &'a mut [f64],
}

/// What some ratings do to every implicit row of their user: `y = scale y + shift`.
#[derive(Debug)]
pub struct Move<'a, T: Factor> {
    pub scale: &'a mut f64,
    pub shift: &'a mut [T::Line],
}

impl ImplicitSgd {
    fn check<T: Factor>(&self, rated: UserRatings<'_>, user: &User<'_, T>, items: &Items<'_, T>) {
        assert_eq!(rated.items.len(), rated.ratings.len(), "one rating an item");
        assert!(user.row.len() == self.lines && user.sum.len() == self.lines, "lines of the user's row");
        assert_eq!(items.rows.len(), self.lines * items.biases.len(), "lines of all item rows");
    }
}

/// `a . (b + c)`
#[inline(always)]
fn dot<T: Factor>(a: &[T::Line], b: &[T::Line], c: &[T::Line]) -> f64 {
    let mut sums = T::Line::default();
    for ((a, b), c) in a.iter().zip(b).zip(c) {
        let (sums, a, b, c) = (sums.lanes_mut(), a.lanes(), b.lanes(), c.lanes());
        for lane in 0..T::LANES {
            sums[lane] += a[lane] * (b[lane] + c[lane]);
        }
    }
    T::total(&sums).to_f64()
}

#[inline(always)]
fn add_rows_body<T: Factor>(items: &[u32], implicit: &[T::Line], root: f64, sum: &mut [T::Line]) {
    let (lines, root) = (sum.len(), T::from_f64(root));
    sum.fill(T::Line::default());
    for &item in items {
        let row = &implicit[item as usize * lines..(item as usize + 1) * lines];
        for (sum, y) in sum.iter_mut().zip(row) {
            let (sum, y) = (sum.lanes_mut(), y.lanes());
            for lane in 0..T::LANES {
                sum[lane] += y[lane];
            }
        }
    }
    // The sum of nothing stays zero, whatever the root.
    if !items.is_empty() {
        for sum in sum.iter_mut() {
            for value in sum.lanes_mut() {
                *value = *value / root;
            }
        }
    }
}

#[inline(always)]
fn move_rows_body<T: Factor>(items: &[u32], implicit: &mut [T::Line], scale: f64, shift: &[T::Line]) {
    let (lines, scale) = (shift.len(), T::from_f64(scale));
    for &item in items {
        let row = &mut implicit[item as usize * lines..(item as usize + 1) * lines];
        for (y, shift) in row.iter_mut().zip(shift) {
            let (y, shift) = (y.lanes_mut(), shift.lanes());
            for lane in 0..T::LANES {
                y[lane] = scale * y[lane] + shift[lane];
            }
        }
    }
}

/// Takes ratings of a user in whose sum no item stands twice, in order; what they do to the implicit rows is left in
/// `moved`.
///
/// # Panics
/// When a row does not have `lines` lines, or an item has no row.
pub fn run<T: Factor>(
    isa: Isa,
    sgd: &ImplicitSgd,
    rated: UserRatings<'_>,
    user: &mut User<'_, T>,
    items: &mut Items<'_, T>,
    moved: &mut Move<'_, T>,
) {
    sgd.check(rated, user, items);
    assert_eq!(moved.shift.len(), sgd.lines, "lines of the shift");
    // SAFETY: `isa` is available.
    unsafe { T::work(isa, Pass { sgd, rated, user, items, moved }) }
}

/// The loop nest over one user's ratings.
struct Pass<'a, 'b, 'c, 'd, T: Factor> {
    sgd: &'a ImplicitSgd,
    rated: UserRatings<'a>,
    user: &'a mut User<'b, T>,
    items: &'a mut Items<'c, T>,
    moved: &'a mut Move<'d, T>,
}

/// `value = decay value + step other`, one register of each; the old value.
///
/// # Safety
/// The address is valid for a register, and the instruction set is there.
#[inline(always)]
unsafe fn follow<V: Vector>(value: *mut V::Element, decay: V, step: V, other: V) -> V {
    // SAFETY: by this function's contract.
    unsafe {
        let old = V::load(value);
        step.multiply_add(other, decay.multiply_add(old, V::zero())).store(value);
        old
    }
}

impl<T: Factor> Work<T> for Pass<'_, '_, '_, '_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let Self { sgd, rated, user, items, moved } = self;
        let length = sgd.lines * T::LANES;
        let root = (user.neighbors as f64).sqrt();
        *moved.scale = 1.0;
        moved.shift.fill(T::Line::default());
        let (p, implicit) = (user.row.as_mut_ptr().cast::<T>(), user.sum.as_mut_ptr().cast::<T>());
        let shift = moved.shift.as_mut_ptr().cast::<T>();
        for (&item, &rating) in rated.items.iter().zip(rated.ratings) {
            let bias = &mut items.biases[item as usize];
            // SAFETY: the item has a bias, and so a row of `length` elements; so have the user, the sum and the shift. No two
            // of these overlap, and `length` is a multiple of the lanes of a register.
            unsafe {
                let q = items.rows.as_mut_ptr().cast::<T>().add(item as usize * length);
                let (mut even, mut odd) = (V::zero(), V::zero());
                let mut at = 0;
                while at < length {
                    let part = V::load(p.add(at)).add(V::load(implicit.add(at)));
                    (even, odd) = (odd, V::load(q.add(at)).multiply_add(part, even));
                    at += V::LANES;
                }
                let error = rating - (sgd.mean + *user.bias + *bias + sum(even.add(odd)));
                *user.bias = sgd.user_bias.step(*user.bias, error);
                *bias = sgd.item_bias.step(*bias, error);
                let (user_decay, user_step) = sgd.user_factors.registers::<V>(error);
                let (item_decay, item_step) = sgd.item_factors.registers::<V>(error);
                let (decay, step) = sgd.implicit_factors.registers::<V>(error / root);
                let sum_step = splat::<V>(sgd.implicit_factors.learning_rate * error);
                at = 0;
                while at < length {
                    let old_q = V::load(q.add(at));
                    let old_p = follow(p.add(at), user_decay, user_step, old_q);
                    let old_sum = follow(implicit.add(at), decay, sum_step, old_q);
                    follow(shift.add(at), decay, step, old_q);
                    follow(q.add(at), item_decay, item_step, old_p.add(old_sum));
                    at += V::LANES;
                }
            }
            *moved.scale *= sgd.implicit_factors.decay();
        }
    }
}

#[inline(always)]
fn run_repeated_body<T: Factor>(
    sgd: &ImplicitSgd,
    rated: UserRatings<'_>,
    neighbors: &[u32],
    user: &mut User<'_, T>,
    items: &mut Items<'_, T>,
    implicit: &mut [T::Line],
) {
    sgd.check(rated, user, items);
    let lines = sgd.lines;
    let root = (user.neighbors as f64).sqrt();
    let mut steps = vec![T::Line::default(); lines];
    let (user_decay, item_decay) = (T::from_f64(sgd.user_factors.decay()), T::from_f64(sgd.item_factors.decay()));
    for (&item, &rating) in rated.items.iter().zip(rated.ratings) {
        let item = item as usize;
        add_rows_body::<T>(neighbors, implicit, root, user.sum);
        let row = &mut items.rows[item * lines..(item + 1) * lines];
        let error = rating - (sgd.mean + *user.bias + items.biases[item] + dot::<T>(row, user.row, user.sum));
        *user.bias = sgd.user_bias.step(*user.bias, error);
        items.biases[item] = sgd.item_bias.step(items.biases[item], error);
        let user_step = T::from_f64(sgd.user_factors.learning_rate * error);
        let item_step = T::from_f64(sgd.item_factors.learning_rate * error);
        let implicit_step = T::from_f64(sgd.implicit_factors.learning_rate * error / root);
        for (((p, q), sum), step) in user.row.iter_mut().zip(row).zip(user.sum.iter()).zip(steps.iter_mut()) {
            let (p, q, sum, step) = (p.lanes_mut(), q.lanes_mut(), sum.lanes(), step.lanes_mut());
            for lane in 0..T::LANES {
                let (old_p, old_q) = (p[lane], q[lane]);
                p[lane] = user_decay * old_p + user_step * old_q;
                q[lane] = item_decay * old_q + item_step * (old_p + sum[lane]);
                step[lane] = implicit_step * old_q;
            }
        }
        move_rows_body::<T>(neighbors, implicit, sgd.implicit_factors.decay(), &steps);
    }
}

for_each_isa! {
    /// Makes `sum` the sum of the rows of `items`, in their order, over `root`.
    ///
    /// # Panics
    /// When an item has no row of `sum.len()` lines.
    pub fn add_rows<T: Factor>(items: &[u32], implicit: &[T::Line], root: f64, sum: &mut [T::Line]) = add_rows_body::<T>;
}

for_each_isa! {
    /// `y = scale y + shift` for the rows of `items`.
    ///
    /// # Panics
    /// When an item has no row of `shift.len()` lines.
    pub fn move_rows<T: Factor>(
        items: &[u32],
        implicit: &mut [T::Line],
        scale: f64,
        shift: &[T::Line],
    ) = move_rows_body::<T>;
}

for_each_isa! {
    /// As [`run`], for a user in whose sum items may stand several times; for each rating it takes time by the number of
    /// `neighbors`, and moves their rows.
    ///
    /// # Panics
    /// As [`run`].
    pub fn run_repeated<T: Factor>(
        sgd: &ImplicitSgd,
        rated: UserRatings<'_>,
        neighbors: &[u32],
        user: &mut User<'_, T>,
        items: &mut Items<'_, T>,
        implicit: &mut [T::Line],
    ) = run_repeated_body::<T>;
}

#[cfg(test)]
mod tests {
    use super::{ImplicitSgd, Items, Move, User, add_rows, move_rows, run, run_repeated};
    use crate::cpu::factor::{Factor, Lanes, Rate, UserRatings};
    use crate::cpu::simd::Isa;

    fn noise(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) as f64 / f64::from(1 << 31) - 0.5
    }

    fn rows<T: Factor>(count: usize, factors: usize, seed: &mut u64) -> Vec<T::Line> {
        let mut out = vec![T::Line::default(); count * T::lines(factors)];
        for row in out.chunks_mut(T::lines(factors).max(1)) {
            for factor in 0..factors {
                row[factor / T::LANES].lanes_mut()[factor % T::LANES] = T::from_f64(0.4 * noise(seed));
            }
        }
        out
    }

    fn flat<T: Factor>(rows: &[T::Line]) -> Vec<f64> {
        rows.iter().flat_map(|line| line.lanes().iter().map(|value| value.to_f64()).collect::<Vec<_>>()).collect()
    }

    /// The formulas, one factor and one rating at a time; p, q, y, bu, bi after.
    fn naive(
        sgd: &ImplicitSgd,
        (rated, neighbors): (UserRatings<'_>, &[u32]),
        p: &mut [f64],
        q: &mut [f64],
        y: &mut [f64],
        bu: &mut f64,
        bi: &mut [f64],
    ) {
        let (width, root) = (p.len(), (neighbors.len() as f64).sqrt());
        for (&i, &r) in rated.items.iter().zip(rated.ratings) {
            let i = i as usize;
            let z: Vec<f64> =
                (0..width).map(|f| neighbors.iter().map(|&j| y[j as usize * width + f] / root).sum()).collect();
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
                for &j in neighbors {
                    let value = &mut y[j as usize * width + f];
                    *value = step(sgd.implicit_factors, *value, error * old_q / root);
                }
            }
        }
    }

    #[test]
    fn both_ways_follow_the_formulas() {
        follow_the_formulas::<f64>(1e-13);
        follow_the_formulas::<f32>(2e-6);
    }

    fn follow_the_formulas<T: Factor>(tolerance: f64) {
        let mut seed = 11;
        let mut rate = || Rate { learning_rate: 0.03 + 0.02 * noise(&mut seed), regularization: 0.05 };
        let rates = [rate(), rate(), rate(), rate(), rate()];
        for factors in [0, 1, 8, 20, 100] {
            for (rated_items, more, repeated) in [
                (vec![3_u32, 0, 8, 5, 1, 7], vec![], false),
                (vec![2], vec![], false),
                (vec![2, 4], vec![8, 0, 1], false),
                (vec![], vec![], false),
                (vec![4, 4, 2, 4, 0], vec![], true),
                (vec![4, 1], vec![1, 3], true),
                (vec![6, 1], vec![], true),
            ] {
                let sgd = ImplicitSgd {
                    lines: T::lines(factors),
                    mean: 3.0,
                    user_bias: rates[0],
                    item_bias: rates[1],
                    user_factors: rates[2],
                    item_factors: rates[3],
                    implicit_factors: rates[4],
                };
                let ratings: Vec<f64> = rated_items.iter().map(|_| 3.0 + 4.0 * noise(&mut seed)).collect();
                let rated = UserRatings { items: &rated_items, ratings: &ratings };
                let neighbors = [&rated_items[..], &more].concat();
                let (user, row, implicit) = (
                    rows::<T>(1, factors, &mut seed),
                    rows::<T>(9, factors, &mut seed),
                    rows::<T>(9, factors, &mut seed),
                );
                let (mut p, mut q, mut y) = (flat::<T>(&user), flat::<T>(&row), flat::<T>(&implicit));
                let (mut bu, mut bi) = (0.1, vec![0.2; 9]);
                naive(&sgd, (rated, &neighbors), &mut p, &mut q, &mut y, &mut bu, &mut bi);
                for isa in Isa::available() {
                    let (mut got_user, mut got_row, mut got_implicit) = (user.clone(), row.clone(), implicit.clone());
                    let (mut bias, mut biases) = (0.1, vec![0.2; 9]);
                    let mut sum = vec![T::Line::default(); sgd.lines];
                    let mut own =
                        User { row: &mut got_user, bias: &mut bias, sum: &mut sum, neighbors: neighbors.len() };
                    let mut items = Items { rows: &mut got_row, biases: &mut biases };
                    if repeated {
                        run_repeated::<T>(isa, &sgd, rated, &neighbors, &mut own, &mut items, &mut got_implicit);
                    } else {
                        let (mut scale, mut shift) = (0.0, own.row.to_vec());
                        add_rows::<T>(isa, &neighbors, &got_implicit, (neighbors.len() as f64).sqrt(), own.sum);
                        let mut moved = Move { scale: &mut scale, shift: &mut shift };
                        run::<T>(isa, &sgd, rated, &mut own, &mut items, &mut moved);
                        move_rows::<T>(isa, &neighbors, &mut got_implicit, scale, &shift);
                    }
                    let close = |got: &[f64], want: &[f64]| {
                        got.len() == want.len() && got.iter().zip(want).all(|(a, b)| (a - b).abs() < tolerance)
                    };
                    let case = format!("{isa:?}, {factors} factors, {rated_items:?}");
                    assert!(close(&flat::<T>(&got_user), &p) && (bias - bu).abs() < tolerance, "user: {case}");
                    assert!(close(&flat::<T>(&got_row), &q) && close(&biases, &bi), "items: {case}");
                    assert!(close(&flat::<T>(&got_implicit), &y), "implicit: {case}");
                }
            }
        }
    }
}
