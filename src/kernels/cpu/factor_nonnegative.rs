//! Non-negative matrix factorisation by multiplicative updates, float64 or float32 (Luo, Zhou, Xia and Zhu, "An efficient
//! non-negative matrix-factorization-based approach to collaborative filtering", 2014).
//!
//! Layout as in [`super::factor`]: rows of whole lines, padding zero; numerators and denominators likewise. A sweep takes
//! the ratings in order and only gathers; factors change after it:
//!
//! ```text
//! for rating r of this user, on item i:
//!     estimate = mean + bu + bi + p . q              error = r - estimate steps the biases
//!     user:  numerator += q r    denominator += q estimate
//!     item:  numerator += p r    denominator += p estimate
//! then, for each row:  p *= numerator / (denominator + n reg p)    where p is not zero
//! ```
//!
//! The item's three rows come from L2; with few factors the latency of the dot product is what limits speed.

use super::factor::{Factor, Lanes, Rate, UserRatings, product, splat};
use crate::cpu::gemm::vector::{Vector, Work};
use crate::cpu::simd::Isa;
use crate::for_each_isa;

/// The sweep over one user's ratings.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Lines in a row.
    pub lines: usize,
    /// Whether the biases are learned. Without, they and `mean` are to be zero.
    pub biased: bool,
    pub mean: f64,
    pub user_bias: Rate,
    pub item_bias: Rate,
}

/// A row and what is gathered for it.
#[derive(Debug)]
pub struct User<'a, T: Factor> {
    pub bias: &'a mut f64,
    pub row: &'a [T::Line],
    pub numerator: &'a mut [T::Line],
    pub denominator: &'a mut [T::Line],
}

/// All rows of items and what is gathered for them.
#[derive(Debug)]
pub struct Items<'a, T: Factor> {
    pub biases: &'a mut [f64],
    pub rows: &'a [T::Line],
    pub numerators: &'a mut [T::Line],
    pub denominators: &'a mut [T::Line],
}

/// Gathers numerators and denominators over one user's ratings, in order, and steps the biases.
///
/// # Panics
/// When a row does not have `lines` lines, or an item has no row.
pub fn sweep<T: Factor>(
    isa: Isa,
    sweep: &Sweep,
    rated: UserRatings<'_>,
    user: &mut User<'_, T>,
    items: &mut Items<'_, T>,
) {
    let lines = sweep.lines;
    assert_eq!(rated.items.len(), rated.ratings.len(), "one rating an item");
    assert!(
        user.row.len() == lines && user.numerator.len() == lines && user.denominator.len() == lines,
        "lines of the user's row"
    );
    let all = lines * items.biases.len();
    assert!(
        items.rows.len() == all && items.numerators.len() == all && items.denominators.len() == all,
        "lines of all item rows"
    );
    // SAFETY: `isa` is available.
    unsafe { T::work(isa, Gather { sweep, rated, user, items }) }
}

/// The loop nest over one user's ratings.
struct Gather<'a, 'b, 'c, T: Factor> {
    sweep: &'a Sweep,
    rated: UserRatings<'a>,
    user: &'a mut User<'b, T>,
    items: &'a mut Items<'c, T>,
}

impl<T: Factor> Work<T> for Gather<'_, '_, '_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let Self { sweep, rated, user, items } = self;
        let length = sweep.lines * T::LANES;
        let p = user.row.as_ptr().cast::<T>();
        let (up, down) = (user.numerator.as_mut_ptr().cast::<T>(), user.denominator.as_mut_ptr().cast::<T>());
        for (&item, &rating) in rated.items.iter().zip(rated.ratings) {
            let bias = &mut items.biases[item as usize];
            let place = item as usize * length;
            // SAFETY: the item has a bias, and so a row of `length` elements in all three arrays; so has the user. No two
            // of these overlap, and `length` is a multiple of the lanes of a register.
            unsafe {
                let q = items.rows.as_ptr().cast::<T>().add(place);
                let item_up = items.numerators.as_mut_ptr().cast::<T>().add(place);
                let item_down = items.denominators.as_mut_ptr().cast::<T>().add(place);
                let estimate = sweep.mean + *user.bias + *bias + product::<V>(q, p, length);
                if sweep.biased {
                    let error = rating - estimate;
                    *user.bias = sweep.user_bias.step(*user.bias, error);
                    *bias = sweep.item_bias.step(*bias, error);
                }
                let (rating, estimate) = (splat::<V>(rating), splat::<V>(estimate));
                let mut at = 0;
                while at < length {
                    let (own, other) = (V::load(p.add(at)), V::load(q.add(at)));
                    other.multiply_add(rating, V::load(up.add(at))).store(up.add(at));
                    other.multiply_add(estimate, V::load(down.add(at))).store(down.add(at));
                    own.multiply_add(rating, V::load(item_up.add(at))).store(item_up.add(at));
                    own.multiply_add(estimate, V::load(item_down.add(at))).store(item_down.add(at));
                    at += V::LANES;
                }
            }
        }
    }
}

#[inline(always)]
fn multiply_body<T: Factor>(row: &mut [T::Line], numerator: &[T::Line], denominator: &[T::Line], penalty: f64) {
    let penalty = T::from_f64(penalty);
    for ((value, up), down) in row.iter_mut().zip(numerator).zip(denominator) {
        let (value, up, down) = (value.lanes_mut(), up.lanes(), down.lanes());
        for lane in 0..T::LANES {
            let old = value[lane];
            let new = old * (up[lane] / (down[lane] + penalty * old));
            value[lane] = if old == T::ZERO { T::ZERO } else { new };
        }
    }
}

for_each_isa! {
    /// Multiplies a row by numerator over denominator; `penalty` is the regularisation times the number of ratings.
    pub fn multiply<T: Factor>(
        row: &mut [T::Line],
        numerator: &[T::Line],
        denominator: &[T::Line],
        penalty: f64,
    ) = multiply_body::<T>;
}

#[cfg(test)]
mod tests {
    use super::{Items, Sweep, User, multiply, sweep};
    use crate::cpu::factor::{Factor, Lanes, Rate, UserRatings};
    use crate::cpu::simd::Isa;

    #[test]
    fn one_rating_by_hand() {
        by_hand::<f64>();
        by_hand::<f32>();
    }

    /// All numbers but the bias' are dyadic, so that both types hold them.
    fn by_hand<T: Factor>() {
        let rate = Rate { learning_rate: 0.1, regularization: 0.0 };
        let line = |values: &[f64]| {
            let mut line = T::Line::default();
            for (lane, &value) in line.lanes_mut().iter_mut().zip(values) {
                *lane = T::from_f64(value);
            }
            line
        };
        for isa in Isa::available() {
            for biased in [false, true] {
                let plan = Sweep { lines: 1, biased, mean: 0.0, user_bias: rate, item_bias: rate };
                let (mut bias, mut up, mut down) = (0.0, [T::Line::default()], [T::Line::default()]);
                let (mut biases, mut ups, mut downs) = ([0.0; 2], [T::Line::default(); 2], [T::Line::default(); 2]);
                let row = [line(&[1.0, 2.0, 0.0])];
                let rows = [T::Line::default(), line(&[0.5, 0.25, 4.0])];
                let mut user = User { bias: &mut bias, row: &row, numerator: &mut up, denominator: &mut down };
                let mut items =
                    Items { biases: &mut biases, rows: &rows, numerators: &mut ups, denominators: &mut downs };
                let rated = UserRatings { items: &[1], ratings: &[3.0] };
                sweep::<T>(isa, &plan, rated, &mut user, &mut items);
                assert_eq!((up[0], down[0]), (line(&[1.5, 0.75, 12.0]), line(&[0.5, 0.25, 4.0])));
                assert_eq!((ups[1], downs[1]), (line(&[3.0, 6.0, 0.0]), line(&[1.0, 2.0, 0.0])));
                assert_eq!(bias, if biased { 0.1 * 2.0 } else { 0.0 });
                assert_eq!(biases, [0.0, bias]);

                let mut row = row;
                multiply::<T>(isa, &mut row, &up, &down, 0.5);
                assert_eq!(row[0], line(&[1.5 / (0.5 + 0.5), 2.0 * (0.75 / (0.25 + 1.0)), 0.0]));
            }
        }
    }
}
