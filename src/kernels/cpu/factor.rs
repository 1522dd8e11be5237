//! Matrix factorisation by stochastic gradient descent, float64, one rating after the other.
//!
//! Layout: a factor row is padded with zeros to whole cache lines of 8 doubles ([`Line`]), so that a row starts on a
//! line, needs no tail, and padding stays zero under the update (every term of it is a product with zero).
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
//! Each rating waits for the one before it, since both touch `p`: order is part of the result. The vector paths take
//! the dot product out of that chain. As `p' = d p + a q`, the next rating's `next . p'` equals
//! `d (next . p) + a (next . q)`, and both of these are known before `a`, which holds the error, is: one pass over the
//! lines updates `p` and `q` and gathers the two products. What limits speed is then the multiply-add units and the
//! stores: six vector operations, three loads and two stores a line. Item rows come from L2 or L3, which the prefetch
//! hides as long as ratings are grouped by user. The scalar path is the formulas as they stand.

use crate::cpu::simd::Isa;

/// Doubles in a cache line.
pub const LANES: usize = 8;

/// One cache line of a factor row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub struct Line(pub [f64; LANES]);

/// Item rows are fetched this many ratings ahead.
const AHEAD: usize = 4;

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
}

/// Lines that a row of `factors` doubles takes.
pub const fn lines(factors: usize) -> usize {
    factors.div_ceil(LANES)
}

/// The update of one user's parameters, and of the items that they rated.
#[derive(Clone, Copy, Debug)]
pub struct FactorSgd {
    /// Lines in a row, see [`lines`].
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
    pub fn run(
        &self,
        isa: Isa,
        rated: UserRatings<'_>,
        user_row: &mut [Line],
        user_bias: &mut f64,
        item_rows: &mut [Line],
        item_biases: &mut [f64],
    ) {
        assert_eq!(rated.items.len(), rated.ratings.len(), "one rating an item");
        assert_eq!(user_row.len(), self.lines, "lines of the user's row");
        assert_eq!(item_rows.len(), self.lines * item_biases.len(), "lines of all item rows");
        let highest = rated.items.iter().copied().max().map_or(0, |item| item as usize + 1);
        assert!(highest <= item_biases.len(), "item {} of {}", highest.wrapping_sub(1), item_biases.len());
        match isa {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an available `Isa::Avx512` means that these features were detected; items were checked above.
            Isa::Avx512 => unsafe { avx512::run(self, rated, user_row, user_bias, item_rows, item_biases) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above, for AVX2 and FMA.
            Isa::Avx2 => unsafe { avx2::run(self, rated, user_row, user_bias, item_rows, item_biases) },
            _ => scalar::run(self, rated, user_row, user_bias, item_rows, item_biases),
        }
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

/// `a . b`. The sum's order depends on the length and on `isa` only, so equal rows give equal bits wherever they lie.
///
/// # Panics
/// When the lengths differ.
pub fn dot(isa: Isa, a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "lengths of a dot product");
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an available `Isa::Avx512` means that these features were detected; lengths are equal.
        Isa::Avx512 => unsafe { avx512::dot(a, b) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above, for AVX2 and FMA.
        Isa::Avx2 => unsafe { avx2::dot(a, b) },
        _ => scalar::dot(a, b),
    }
}

mod scalar {
    use super::{FactorSgd, LANES, Line, UserRatings};

    pub fn dot(a: &[f64], b: &[f64]) -> f64 {
        let mut sums = [0.0; LANES];
        let (a_lines, a_tail) = a.as_chunks::<LANES>();
        let (b_lines, b_tail) = b.as_chunks::<LANES>();
        for (x, y) in a_lines.iter().zip(b_lines) {
            for lane in 0..LANES {
                sums[lane] += x[lane] * y[lane];
            }
        }
        for (lane, (x, y)) in a_tail.iter().zip(b_tail).enumerate() {
            sums[lane] += x * y;
        }
        sums.iter().sum()
    }

    pub fn run(
        sgd: &FactorSgd,
        rated: UserRatings<'_>,
        user_row: &mut [Line],
        user_bias: &mut f64,
        item_rows: &mut [Line],
        item_biases: &mut [f64],
    ) {
        let (user_decay, item_decay) = (sgd.user_factors.decay(), sgd.item_factors.decay());
        for (&item, &rating) in rated.items.iter().zip(rated.ratings) {
            let item = item as usize;
            let item_row = &mut item_rows[item * sgd.lines..(item + 1) * sgd.lines];
            let mut sums = [0.0; LANES];
            for (Line(p), Line(q)) in user_row.iter().zip(item_row.iter()) {
                for lane in 0..LANES {
                    sums[lane] += p[lane] * q[lane];
                }
            }
            let error = sgd.error(rating, sums.iter().sum(), user_bias, &mut item_biases[item]);
            let user_step = sgd.user_factors.learning_rate * error;
            let item_step = sgd.item_factors.learning_rate * error;
            for (Line(p), Line(q)) in user_row.iter_mut().zip(item_row) {
                for lane in 0..LANES {
                    let (old_p, old_q) = (p[lane], q[lane]);
                    p[lane] = user_decay * old_p + user_step * old_q;
                    q[lane] = item_decay * old_q + item_step * old_p;
                }
            }
        }
    }
}

/// The loop nest, for the registers of one instruction set.
#[cfg(target_arch = "x86_64")]
macro_rules! vector_path {
    (
        $features:literal, $width:expr, $zero:ident, $set:ident, $load:ident, $store:ident, $add:ident, $mul:ident, $fma:ident
    ) => {
        /// # Safety
        /// Every item of `rated` has a row of `sgd.lines` lines in `item_rows` and a bias.
        #[target_feature(enable = $features)]
        pub unsafe fn run(
            sgd: &FactorSgd,
            rated: UserRatings<'_>,
            user_row: &mut [Line],
            user_bias: &mut f64,
            item_rows: &mut [Line],
            item_biases: &mut [f64],
        ) {
            let Some(&first) = rated.items.first() else { return };
            let length = sgd.lines * LANES;
            let user = user_row.as_mut_ptr().cast::<f64>();
            let items = item_rows.as_mut_ptr().cast::<f64>();
            let user_decay = $set(sgd.user_factors.decay());
            let item_decay = $set(sgd.item_factors.decay());
            // SAFETY: every row that is touched lies within `item_rows` by this function's contract, the user's row is
            // apart from them (two exclusive borrows), and `Line` is aligned to 64 bytes. Prefetching cannot fault.
            unsafe {
                let product_with_user = |row: *const f64| {
                    dot(std::slice::from_raw_parts(user, length), std::slice::from_raw_parts(row, length))
                };
                let mut item = first as usize;
                let mut q = items.add(item * length);
                let mut product = product_with_user(q);
                for (index, &rating) in rated.ratings.iter().enumerate() {
                    if let Some(&ahead) = rated.items.get(index + AHEAD) {
                        for line in 0..sgd.lines {
                            _mm_prefetch::<_MM_HINT_T0>(items.add(ahead as usize * length + line * LANES).cast());
                        }
                    }
                    let error = sgd.error(rating, product, user_bias, item_biases.get_unchecked_mut(item));
                    let step = sgd.user_factors.learning_rate * error;
                    let (user_step, item_step) = ($set(step), $set(sgd.item_factors.learning_rate * error));
                    // Past the last rating its own row stands in, and the products are not used.
                    let next_item = rated.items.get(index + 1).map_or(item, |&next| next as usize);
                    let next = items.add(next_item * length);
                    let (mut with_user, mut with_item) = ([$zero(); 2], [$zero(); 2]);
                    let mut update = |start: usize, chain: usize| {
                        let (old_p, old_q) = ($load(user.add(start)), $load(q.add(start)));
                        let ahead = $load(next.add(start));
                        with_user[chain] = $fma(ahead, old_p, with_user[chain]);
                        with_item[chain] = $fma(ahead, old_q, with_item[chain]);
                        $store(user.add(start), $fma(user_step, old_q, $mul(user_decay, old_p)));
                        $store(q.add(start), $fma(item_step, old_p, $mul(item_decay, old_q)));
                    };
                    let mut start = 0;
                    while start + 2 * $width <= length {
                        update(start, 0);
                        update(start + $width, 1);
                        start += 2 * $width;
                    }
                    if start < length {
                        update(start, 0);
                    }
                    product = if next_item == item {
                        // The same item again (or the end): its row has just changed, so the products are stale.
                        product_with_user(q)
                    } else {
                        let with_user = sum($add(with_user[0], with_user[1]));
                        let with_item = sum($add(with_item[0], with_item[1]));
                        sgd.user_factors.decay().mul_add(with_user, step * with_item)
                    };
                    (item, q) = (next_item, next);
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{AHEAD, FactorSgd, LANES, Line, UserRatings};
    use std::arch::x86_64::{
        __m256d, _MM_HINT_T0, _mm_add_pd, _mm_add_sd, _mm_cvtsd_f64, _mm_prefetch, _mm_unpackhi_pd, _mm256_add_pd,
        _mm256_castpd256_pd128, _mm256_extractf128_pd, _mm256_fmadd_pd, _mm256_load_pd, _mm256_loadu_pd, _mm256_mul_pd,
        _mm256_set1_pd, _mm256_setzero_pd, _mm256_store_pd,
    };

    /// Doubles in a register.
    const WIDTH: usize = 4;

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn sum(x: __m256d) -> f64 {
        let pair = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
        _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub fn dot(a: &[f64], b: &[f64]) -> f64 {
        let length = a.len().min(b.len());
        let (x, y) = (a.as_ptr(), b.as_ptr());
        let mut sums = [_mm256_setzero_pd(); 4];
        let mut start = 0;
        // SAFETY: every load ends at `length` at most, which is within both slices.
        unsafe {
            while start + sums.len() * WIDTH <= length {
                for (chain, part) in sums.iter_mut().enumerate() {
                    let at = start + chain * WIDTH;
                    *part = _mm256_fmadd_pd(_mm256_loadu_pd(x.add(at)), _mm256_loadu_pd(y.add(at)), *part);
                }
                start += sums.len() * WIDTH;
            }
            while start + WIDTH <= length {
                sums[0] = _mm256_fmadd_pd(_mm256_loadu_pd(x.add(start)), _mm256_loadu_pd(y.add(start)), sums[0]);
                start += WIDTH;
            }
        }
        let tail: f64 = a[start..].iter().zip(&b[start..]).map(|(x, y)| x * y).sum();
        sum(_mm256_add_pd(_mm256_add_pd(sums[0], sums[1]), _mm256_add_pd(sums[2], sums[3]))) + tail
    }

    vector_path!(
        "avx2,fma",
        WIDTH,
        _mm256_setzero_pd,
        _mm256_set1_pd,
        _mm256_load_pd,
        _mm256_store_pd,
        _mm256_add_pd,
        _mm256_mul_pd,
        _mm256_fmadd_pd
    );
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{AHEAD, FactorSgd, LANES, Line, UserRatings};
    use std::arch::x86_64::{
        __m512d, _MM_HINT_T0, _mm_prefetch, _mm512_add_pd, _mm512_fmadd_pd, _mm512_load_pd, _mm512_loadu_pd,
        _mm512_maskz_loadu_pd, _mm512_mul_pd, _mm512_reduce_add_pd, _mm512_set1_pd, _mm512_setzero_pd, _mm512_store_pd,
    };

    /// Sums that run side by side, to cover the latency of a multiply-add.
    const CHAINS: usize = 4;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    fn sum(x: __m512d) -> f64 {
        _mm512_reduce_add_pd(x)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    pub fn dot(a: &[f64], b: &[f64]) -> f64 {
        let length = a.len().min(b.len());
        let (x, y) = (a.as_ptr(), b.as_ptr());
        let mut sums = [_mm512_setzero_pd(); CHAINS];
        let mut start = 0;
        // SAFETY: every load ends at `length` at most, which is within both slices, or is masked beyond it.
        unsafe {
            while start + CHAINS * LANES <= length {
                for (chain, part) in sums.iter_mut().enumerate() {
                    let at = start + chain * LANES;
                    *part = _mm512_fmadd_pd(_mm512_loadu_pd(x.add(at)), _mm512_loadu_pd(y.add(at)), *part);
                }
                start += CHAINS * LANES;
            }
            while start < length {
                let mask = if length - start >= LANES { u8::MAX } else { (1 << (length - start)) - 1 };
                let (x, y) = (_mm512_maskz_loadu_pd(mask, x.add(start)), _mm512_maskz_loadu_pd(mask, y.add(start)));
                sums[0] = _mm512_fmadd_pd(x, y, sums[0]);
                start += LANES;
            }
        }
        sum(_mm512_add_pd(_mm512_add_pd(sums[0], sums[1]), _mm512_add_pd(sums[2], sums[3])))
    }

    vector_path!(
        "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma",
        LANES,
        _mm512_setzero_pd,
        _mm512_set1_pd,
        _mm512_load_pd,
        _mm512_store_pd,
        _mm512_add_pd,
        _mm512_mul_pd,
        _mm512_fmadd_pd
    );
}

#[cfg(test)]
mod tests {
    use super::{FactorSgd, LANES, Line, Rate, UserRatings, dot, lines};
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
        fn rows(&mut self, rows: usize, factors: usize) -> Vec<Line> {
            let mut out = vec![Line::default(); rows * lines(factors)];
            for row in 0..rows {
                for factor in 0..factors {
                    out[row * lines(factors) + factor / LANES].0[factor % LANES] = self.uniform() * 0.3;
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

    #[test]
    fn every_path_follows_the_formulas() {
        let mut draws = Draws(3);
        for factors in [0, 1, 3, 8, 20, 64, 100, 104, 128, 129, 200] {
            for (items, count) in [(1, 5), (3, 40), (50, 300), (7, 1), (4, 0)] {
                for biased in [true, false] {
                    let mut rate = || Rate {
                        learning_rate: 0.02 + 0.01 * draws.uniform(),
                        regularization: 0.05 + 0.04 * draws.uniform(),
                    };
                    let sgd = FactorSgd {
                        lines: lines(factors),
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
                    let user = draws.rows(1, factors);
                    let rows = draws.rows(items, factors);

                    let flat = |rows: &[Line]| rows.iter().flat_map(|line| line.0).collect::<Vec<f64>>();
                    let mut p = flat(&user);
                    let mut q: Vec<Vec<f64>> =
                        (0..items).map(|i| flat(&rows[i * sgd.lines..(i + 1) * sgd.lines])).collect();
                    let (mut bias, mut biases) = (0.0, vec![0.0; items]);
                    naive(&sgd, rated, &mut p, &mut bias, &mut q, &mut biases);

                    for isa in Isa::available() {
                        let (mut got_user, mut got_rows) = (user.clone(), rows.clone());
                        let (mut got_bias, mut got_biases) = (0.0, vec![0.0; items]);
                        sgd.run(isa, rated, &mut got_user, &mut got_bias, &mut got_rows, &mut got_biases);
                        let close = |got: &[f64], want: &[f64]| {
                            got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12) && got.len() == want.len()
                        };
                        let case = format!("{isa:?}, {factors} factors, {count} ratings of {items} items");
                        assert!(close(&flat(&got_user), &p), "user row: {case}");
                        assert!(close(&flat(&got_rows), &q.concat()), "item rows: {case}");
                        assert!(close(&got_biases, &biases) && (got_bias - bias).abs() < 1e-12, "biases: {case}");
                        for row in got_rows.chunks(sgd.lines.max(1)) {
                            assert!(
                                flat(row)[factors.min(sgd.lines * LANES)..].iter().all(|&x| x == 0.0),
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
        for length in 0..70 {
            let a: Vec<f64> = (0..length).map(|_| draws.uniform()).collect();
            let b: Vec<f64> = (0..length).map(|_| draws.uniform()).collect();
            let want: f64 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            for isa in Isa::available() {
                assert!((dot(isa, &a, &b) - want).abs() < 1e-13, "{isa:?} {length}");
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
        sgd.run(Isa::Scalar, rated, &mut [Line::default()], &mut 0.0, &mut rows, &mut [0.0; 3]);
    }
}
