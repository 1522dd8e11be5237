//! Matrix factorisation by stochastic gradient descent, float64 or float32, one rating after the other.
//!
//! Layout: a factor row is padded with zeros to whole cache lines ([`Line`]), so that a row starts on a line, needs no tail,
//! and padding stays zero under the update (every term of it is a product with zero).
//!
//! ```text
//! for rating r of this user, on item i:        (the user's row p stays in L1)
//!     prefetch the item row 4 ratings ahead
//!     error = r - (mean + bu + bi + p . q)
//!     bu += lr (error - reg bu);  bi likewise
//!     p   = (1 - lr reg) p + lr error q        both from the old p and q
//!     q   = (1 - lr reg) q + lr error p
//! ```
//!
//! Each rating waits for the one before it, since both touch `p`: order is part of the result. So the dot product is taken
//! out of that chain. As `p' = d p + a q`, the next rating's `next . p'` equals `d (next . p) + a (next . q)`, and both of
//! these are known before `a`, which holds the error, is: one pass over the lines updates `p` and `q` and gathers the two
//! products. What limits speed is then the multiply-add units and the stores: six vector operations, three loads and two
//! stores a line. Item rows come from L2 or L3, which the prefetch hides as long as ratings are grouped by user.
//!
//! With float32 a line holds twice as many factors. Errors and biases are float64 in both types.

use crate::cpu::float::Float;
use crate::cpu::gemm::Compute;
use crate::cpu::gemm::vector::{Vector, Work};
use crate::cpu::simd::Isa;
use std::fmt::Debug;

/// Item rows are fetched this many ratings ahead.
const AHEAD: usize = 4;

/// A type that factors are held in.
pub trait Factor: Compute {
    /// A cache line of a row.
    type Line: Lanes<Self>;
    /// Factors in a line.
    const LANES: usize;

    /// The sum of a line's lanes, halved again and again: always in the same order.
    fn total(line: &Self::Line) -> Self;

    /// Lines that a row of `factors` takes.
    fn lines(factors: usize) -> usize {
        factors.div_ceil(Self::LANES)
    }
}

/// What a line holds.
pub trait Lanes<T>: Copy + Debug + Default + PartialEq + Send + Sync + 'static {
    fn lanes(&self) -> &[T];
    fn lanes_mut(&mut self) -> &mut [T];
}

/// One cache line of a factor row.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Line<T, const LANES: usize>(pub [T; LANES]);

impl<T: Float, const LANES: usize> Default for Line<T, LANES> {
    fn default() -> Self {
        Self([T::ZERO; LANES])
    }
}

impl<T: Float, const LANES: usize> Lanes<T> for Line<T, LANES> {
    #[inline(always)]
    fn lanes(&self) -> &[T] {
        &self.0
    }
    #[inline(always)]
    fn lanes_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl Factor for f64 {
    type Line = Line<f64, 8>;
    const LANES: usize = 8;

    #[inline(always)]
    fn total(line: &Self::Line) -> f64 {
        let [a, b, c, d, e, f, g, h] = line.0;
        let [a, b, c, d] = [a + e, b + f, c + g, d + h];
        (a + c) + (b + d)
    }
}

impl Factor for f32 {
    type Line = Line<f32, 16>;
    const LANES: usize = 16;

    #[inline(always)]
    fn total(line: &Self::Line) -> f32 {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = line.0;
        let [a, b, c, d, e, f, g, h] = [a + i, b + j, c + k, d + l, e + m, f + n, g + o, h + p];
        let [a, b, c, d] = [a + e, b + f, c + g, d + h];
        (a + c) + (b + d)
    }
}

/// A learning rate and an L2 penalty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub learning_rate: f64,
    pub regularization: f64,
}

impl Rate {
    /// The parameter after a step along `gradient` from `value`.
    #[inline(always)]
    pub(super) fn step(self, value: f64, gradient: f64) -> f64 {
        value + self.learning_rate * (gradient - self.regularization * value)
    }

    /// What is left of a parameter by its penalty alone.
    #[inline(always)]
    pub(super) fn decay(self) -> f64 {
        1.0 - self.learning_rate * self.regularization
    }

    /// What a step along `error` times other parameters multiplies: the parameters themselves, and the others.
    ///
    /// # Safety
    /// The instruction set is there.
    #[inline(always)]
    pub(super) unsafe fn registers<V: Vector>(self, error: f64) -> (V, V) {
        // SAFETY: by this function's contract.
        unsafe { (splat(self.decay()), splat(self.learning_rate * error)) }
    }
}

/// The update of one user's parameters, and of the items that they rated.
#[derive(Clone, Copy, Debug)]
pub struct FactorSgd {
    /// Lines in a row, see [`Factor::lines`].
    pub lines: usize,
    /// Whether the biases are learned. Without, they and `mean` are to be zero.
    pub biased: bool,
    pub mean: f64,
    pub user_bias: Rate,
    pub item_bias: Rate,
    pub user_factors: Rate,
    pub item_factors: Rate,
}

/// One user's ratings, in order.
#[derive(Clone, Copy, Debug)]
pub struct UserRatings<'a> {
    pub items: &'a [u32],
    pub ratings: &'a [f64],
}

impl FactorSgd {
    /// Takes one user's ratings, in order: updates `user_row`, `user_bias`, and the rows and biases of their items.
    ///
    /// # Panics
    /// When a row does not have `self.lines` lines, or an item has no row or bias.
    pub fn run<T: Factor>(
        &self,
        isa: Isa,
        rated: UserRatings<'_>,
        user_row: &mut [T::Line],
        user_bias: &mut f64,
        item_rows: &mut [T::Line],
        item_biases: &mut [f64],
    ) {
        assert_eq!(rated.items.len(), rated.ratings.len(), "one rating an item");
        assert_eq!(user_row.len(), self.lines, "lines of the user's row");
        assert_eq!(item_rows.len(), self.lines * item_biases.len(), "lines of all item rows");
        let highest = rated.items.iter().copied().max().map_or(0, |item| item as usize + 1);
        assert!(highest <= item_biases.len(), "item {} of {}", highest.wrapping_sub(1), item_biases.len());
        let user = user_row.as_mut_ptr().cast::<T>();
        let items = item_rows.as_mut_ptr().cast::<T>();
        // SAFETY: `isa` is available; the user's row and the items' are apart (two exclusive borrows), and every item was
        // checked to have a row of `self.lines` lines and a bias.
        unsafe { T::work(isa, Pass { sgd: self, rated, user, user_bias, items, item_biases }) }
    }

    /// The error of one rating; steps both biases along it.
    #[inline(always)]
    fn error(&self, rating: f64, dot: f64, user_bias: &mut f64, item_bias: &mut f64) -> f64 {
        let error = rating - (self.mean + *user_bias + *item_bias + dot);
        if self.biased {
            *user_bias = self.user_bias.step(*user_bias, error);
            *item_bias = self.item_bias.step(*item_bias, error);
        }
        error
    }
}

/// The loop nest over one user's ratings.
struct Pass<'a, T> {
    sgd: &'a FactorSgd,
    rated: UserRatings<'a>,
    user: *mut T,
    user_bias: &'a mut f64,
    items: *mut T,
    item_biases: &'a mut [f64],
}

/// What one rating multiplies rows with.
struct Steps<V> {
    user_decay: V,
    item_decay: V,
    user_step: V,
    item_step: V,
}

/// Updates one register of `p` and `q`, and adds its part of `next . p` and `next . q` to the two sums.
///
/// # Safety
/// All three addresses are valid for a register, and `p` and `q` do not overlap.
#[inline(always)]
unsafe fn update<V: Vector>(
    p: *mut V::Element,
    q: *mut V::Element,
    next: *const V::Element,
    steps: &Steps<V>,
    with_user: V,
    with_item: V,
) -> (V, V) {
    // SAFETY: by this function's contract.
    unsafe {
        let (old_p, old_q, ahead) = (V::load(p), V::load(q), V::load(next));
        let sums = (ahead.multiply_add(old_p, with_user), ahead.multiply_add(old_q, with_item));
        steps.user_step.multiply_add(old_q, steps.user_decay.multiply_add(old_p, V::zero())).store(p);
        steps.item_step.multiply_add(old_p, steps.item_decay.multiply_add(old_q, V::zero())).store(q);
        sums
    }
}

impl<T: Factor> Work<T> for Pass<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let Self { sgd, rated, user, user_bias, items, item_biases } = self;
        let Some(&first) = rated.items.first() else { return };
        let length = sgd.lines * T::LANES;
        // SAFETY: every item has a row of `length` elements, a multiple of the lanes of a register, and so has the user, by
        // the contract of `FactorSgd::run`.
        unsafe {
            let (user_decay, item_decay) = (splat::<V>(sgd.user_factors.decay()), splat::<V>(sgd.item_factors.decay()));
            let mut item = first as usize;
            let mut q = items.add(item * length);
            let mut product = product::<V>(user, q, length);
            for (index, &rating) in rated.ratings.iter().enumerate() {
                if let Some(&ahead) = rated.items.get(index + AHEAD) {
                    let row = items.add(ahead as usize * length);
                    for line in 0..sgd.lines {
                        prefetch(row.add(line * T::LANES));
                    }
                }
                let error = sgd.error(rating, product, user_bias, item_biases.get_unchecked_mut(item));
                let step = sgd.user_factors.learning_rate * error;
                let item_step = splat::<V>(sgd.item_factors.learning_rate * error);
                let steps = Steps { user_decay, item_decay, user_step: splat::<V>(step), item_step };
                // Past the last rating its own row stands in, and the products are not used.
                let next_item = rated.items.get(index + 1).map_or(item, |&next| next as usize);
                let next = items.add(next_item * length);
                let (mut with_user, mut with_item) = (V::zero(), V::zero());
                let (mut with_user_too, mut with_item_too) = (V::zero(), V::zero());
                let mut at = 0;
                while at + 2 * V::LANES <= length {
                    let second = at + V::LANES;
                    (with_user, with_item) =
                        update(user.add(at), q.add(at), next.add(at), &steps, with_user, with_item);
                    (with_user_too, with_item_too) =
                        update(user.add(second), q.add(second), next.add(second), &steps, with_user_too, with_item_too);
                    at += 2 * V::LANES;
                }
                if at < length {
                    (with_user, with_item) =
                        update(user.add(at), q.add(at), next.add(at), &steps, with_user, with_item);
                }
                product = if next_item == item {
                    // The same item again (or the end): its row has just changed, so the products are stale.
                    self::product::<V>(user, q, length)
                } else {
                    let with_user = sum(with_user.add(with_user_too));
                    let with_item = sum(with_item.add(with_item_too));
                    sgd.user_factors.decay().mul_add(with_user, step * with_item)
                };
                (item, q) = (next_item, next);
            }
        }
    }
}

/// A register of one value.
///
/// # Safety
/// The instruction set is there.
#[inline(always)]
pub(super) unsafe fn splat<V: Vector>(value: f64) -> V {
    let value = V::Element::from_f64(value);
    // SAFETY: `value` is one element.
    unsafe { V::splat(&raw const value) }
}

/// Asks for the cache line at an address.
#[inline(always)]
fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching cannot fault, and SSE is part of the baseline.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// The lanes' sum.
///
/// # Safety
/// The instruction set is there.
#[inline(always)]
pub(super) unsafe fn sum<V: Vector<Element: Factor>>(register: V) -> f64 {
    let mut line = <V::Element as Factor>::Line::default();
    // SAFETY: a line has at least the lanes of a register.
    unsafe { register.store(line.lanes_mut().as_mut_ptr()) };
    V::Element::total(&line).to_f64()
}

/// `a . b` over `length` elements; in four sums that run side by side, to cover the latency of a multiply-add.
///
/// # Safety
/// The instruction set is there, and both addresses are valid for `length` elements.
#[inline(always)]
pub(super) unsafe fn product<V: Vector<Element: Factor>>(
    a: *const V::Element,
    b: *const V::Element,
    length: usize,
) -> f64 {
    // SAFETY: every load ends at `length` at most, or is masked beyond it.
    unsafe {
        let (mut first, mut second, mut third, mut fourth) = (V::zero(), V::zero(), V::zero(), V::zero());
        let mut at = 0;
        while at + 4 * V::LANES <= length {
            let (x, y) = (a.add(at), b.add(at));
            first = V::load(x).multiply_add(V::load(y), first);
            second = V::load(x.add(V::LANES)).multiply_add(V::load(y.add(V::LANES)), second);
            third = V::load(x.add(2 * V::LANES)).multiply_add(V::load(y.add(2 * V::LANES)), third);
            fourth = V::load(x.add(3 * V::LANES)).multiply_add(V::load(y.add(3 * V::LANES)), fourth);
            at += 4 * V::LANES;
        }
        while at + V::LANES <= length {
            first = V::load(a.add(at)).multiply_add(V::load(b.add(at)), first);
            at += V::LANES;
        }
        if at < length {
            let mask = V::mask(length - at);
            second = V::load_part(a.add(at), mask).multiply_add(V::load_part(b.add(at), mask), second);
        }
        sum(first.add(second).add(third.add(fourth)))
    }
}

/// `a . b`. The sum's order depends on the length and on `isa` only, so equal rows give equal bits wherever they lie.
///
/// # Panics
/// When the lengths differ.
pub fn dot<T: Factor>(isa: Isa, a: &[T], b: &[T]) -> f64 {
    assert_eq!(a.len(), b.len(), "lengths of a dot product");
    let mut found = 0.0;
    // SAFETY: `isa` is available, and lengths are equal.
    unsafe { T::work(isa, Dot { a, b, found: &mut found }) }
    found
}

struct Dot<'a, T> {
    a: &'a [T],
    b: &'a [T],
    found: &'a mut f64,
}

impl<T: Factor> Work<T> for Dot<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        // SAFETY: the slices have equal lengths.
        *self.found = unsafe { product::<V>(self.a.as_ptr(), self.b.as_ptr(), self.a.len()) };
    }
}

#[cfg(test)]
mod tests {
    use super::{Factor, FactorSgd, Lanes, Line, Rate, UserRatings, dot};
    use crate::cpu::simd::Isa;

    /// A small generator of uniform numbers in -1..1 and of indices.
    struct Draws(u64);

    impl Draws {
        fn bits(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.0 >> 33
        }
        fn uniform(&mut self) -> f64 {
            self.bits() as f64 / f64::from(1 << 30) - 1.0
        }
        fn below(&mut self, limit: usize) -> usize {
            self.bits() as usize % limit
        }
        fn rows<T: Factor>(&mut self, rows: usize, factors: usize) -> Vec<T::Line> {
            let mut out = vec![T::Line::default(); rows * T::lines(factors)];
            for row in 0..rows {
                for factor in 0..factors {
                    let line = &mut out[row * T::lines(factors) + factor / T::LANES];
                    line.lanes_mut()[factor % T::LANES] = T::from_f64(self.uniform() * 0.3);
                }
            }
            out
        }
    }

    /// The update as the formulas have it, one factor at a time.
    fn naive(
        sgd: &FactorSgd,
        rated: UserRatings<'_>,
        p: &mut [f64],
        user_bias: &mut f64,
        q: &mut [Vec<f64>],
        item_biases: &mut [f64],
    ) {
        for (&item, &rating) in rated.items.iter().zip(rated.ratings) {
            let item = item as usize;
            let mut product = 0.0;
            for (x, y) in p.iter().zip(&q[item]) {
                product += x * y;
            }
            let error = rating - (sgd.mean + *user_bias + item_biases[item] + product);
            if sgd.biased {
                *user_bias += sgd.user_bias.learning_rate * (error - sgd.user_bias.regularization * *user_bias);
                item_biases[item] +=
                    sgd.item_bias.learning_rate * (error - sgd.item_bias.regularization * item_biases[item]);
            }
            for (x, y) in p.iter_mut().zip(&mut q[item]) {
                let (old_p, old_q) = (*x, *y);
                *x += sgd.user_factors.learning_rate * (error * old_q - sgd.user_factors.regularization * old_p);
                *y += sgd.item_factors.learning_rate * (error * old_p - sgd.item_factors.regularization * old_q);
            }
        }
    }

    fn flat<T: Factor>(rows: &[T::Line]) -> Vec<f64> {
        rows.iter().flat_map(|line| line.lanes().iter().map(|value| value.to_f64()).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn every_path_follows_the_formulas() {
        follows_the_formulas::<f64>(1e-12);
        follows_the_formulas::<f32>(2e-5);
    }

    fn follows_the_formulas<T: Factor>(tolerance: f64) {
        let mut draws = Draws(3);
        for factors in [0, 1, 3, 8, 20, 64, 100, 104, 128, 129, 200] {
            for (items, count) in [(1, 5), (3, 40), (50, 300), (7, 1), (4, 0)] {
                for biased in [true, false] {
                    let mut rate = || Rate {
                        learning_rate: 0.02 + 0.01 * draws.uniform(),
                        regularization: 0.05 + 0.04 * draws.uniform(),
                    };
                    let sgd = FactorSgd {
                        lines: T::lines(factors),
                        biased,
                        mean: if biased { 3.5 } else { 0.0 },
                        user_bias: rate(),
                        item_bias: rate(),
                        user_factors: rate(),
                        item_factors: rate(),
                    };
                    let rated_items: Vec<u32> = (0..count).map(|_| draws.below(items) as u32).collect();
                    let ratings: Vec<f64> = (0..count).map(|_| 1.0 + draws.below(5) as f64).collect();
                    let rated = UserRatings { items: &rated_items, ratings: &ratings };
                    let user = draws.rows::<T>(1, factors);
                    let rows = draws.rows::<T>(items, factors);

                    let mut p = flat::<T>(&user);
                    let mut q: Vec<Vec<f64>> =
                        (0..items).map(|i| flat::<T>(&rows[i * sgd.lines..(i + 1) * sgd.lines])).collect();
                    let (mut bias, mut biases) = (0.0, vec![0.0; items]);
                    naive(&sgd, rated, &mut p, &mut bias, &mut q, &mut biases);

                    for isa in Isa::available() {
                        let (mut got_user, mut got_rows) = (user.clone(), rows.clone());
                        let (mut got_bias, mut got_biases) = (0.0, vec![0.0; items]);
                        sgd.run::<T>(isa, rated, &mut got_user, &mut got_bias, &mut got_rows, &mut got_biases);
                        let close = |got: &[f64], want: &[f64]| {
                            got.iter().zip(want).all(|(a, b)| (a - b).abs() < tolerance) && got.len() == want.len()
                        };
                        let case = format!("{isa:?}, {factors} factors, {count} ratings of {items} items");
                        assert!(close(&flat::<T>(&got_user), &p), "user row: {case}");
                        assert!(close(&flat::<T>(&got_rows), &q.concat()), "item rows: {case}");
                        assert!(close(&got_biases, &biases) && (got_bias - bias).abs() < tolerance, "biases: {case}");
                        for row in got_rows.chunks(sgd.lines.max(1)) {
                            assert!(
                                flat::<T>(row)[factors.min(sgd.lines * T::LANES)..].iter().all(|&x| x == 0.0),
                                "padding: {case}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn dot_products_of_every_length() {
        let mut draws = Draws(5);
        for length in 0..150 {
            let a: Vec<f64> = (0..length).map(|_| draws.uniform()).collect();
            let b: Vec<f64> = (0..length).map(|_| draws.uniform()).collect();
            let want: f64 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            let [single_a, single_b] = [&a, &b].map(|row| row.iter().map(|&value| value as f32).collect::<Vec<_>>());
            for isa in Isa::available() {
                assert!((dot(isa, &a, &b) - want).abs() < 1e-13, "{isa:?} {length}");
                assert!((dot(isa, &single_a, &single_b) - want).abs() < 1e-5, "{isa:?} {length}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "item 3 of 3")]
    fn an_item_without_a_row_is_refused() {
        let rate = Rate { learning_rate: 0.1, regularization: 0.1 };
        let sgd = FactorSgd {
            lines: 1,
            biased: true,
            mean: 0.0,
            user_bias: rate,
            item_bias: rate,
            user_factors: rate,
            item_factors: rate,
        };
        let rated = UserRatings { items: &[3], ratings: &[1.0] };
        let mut rows = [Line::default(); 3];
        sgd.run::<f64>(Isa::Scalar, rated, &mut [Line::default()], &mut 0.0, &mut rows, &mut [0.0; 3]);
    }
}
