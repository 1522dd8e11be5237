//! Similarities between rows `x` (users or items) over the columns `y` (items or users) that both have rated.
//!
//! Every pair's sums run over its common `y` in the order of the data, as if one thread walked through them, so results
//! are the same bits on any number of threads. Instead of walking `y` by `y` over an `n x n` table of sums, which misses
//! every cache, a row at a time is made:
//!
//! ```text
//! for x:                                   (any thread)
//!     for each y that x rated, in order:
//!         for each x' > x that rated y:    sums[x'] += terms of (r, r')
//!     similarities of row x from sums
//! ```
//!
//! Raters of a `y` are sorted by id, so that "x' > x" is the rest of a list; of a symmetric matrix only the upper half is
//! computed. The sums of one `x'` lie side by side, at most a cache line. What limits speed is the scattered read,
//! add and write of that line for each pair.

use super::fit::Monitor;
use super::parallel::for_each_chunk;
use super::ratings::Ratings;
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::disjoint::{Disjoint, part};
use ironhorn_kernels::cpu::simd::Isa;
use ironhorn_kernels::for_each_isa;

/// Side of the square tiles in which the upper half is mirrored.
const TILE: usize = 64;

/// What to compute from two rows' common ratings.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    Cosine,
    /// `1 / (mean squared difference + 1)`.
    Msd,
    Pearson,
    /// Pearson's coefficient around baselines, shrunk by support.
    PearsonBaseline {
        mean: f64,
        row_biases: Vec<f64>,
        column_biases: Vec<f64>,
        shrinkage: f64,
    },
}

/// Running sums over the common ratings of a pair.
pub trait Sums: Copy + Default + Send + Sync {
    fn add(&mut self, one: f64, other: f64);
    fn support(&self) -> f64;
}

/// Support, products, squares of either side.
#[derive(Clone, Copy, Default)]
#[repr(C, align(32))]
struct Products([f64; 4]);

impl Sums for Products {
    #[inline(always)]
    fn add(&mut self, one: f64, other: f64) {
        let terms = [1.0, one * other, one * one, other * other];
        for (sum, term) in self.0.iter_mut().zip(terms) {
            *sum += term;
        }
    }
    #[inline(always)]
    fn support(&self) -> f64 {
        self.0[0]
    }
}

/// Support, products, squares and sums of either side.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
struct Moments([f64; 8]);

impl Sums for Moments {
    #[inline(always)]
    fn add(&mut self, one: f64, other: f64) {
        let terms = [1.0, one * other, one * one, other * other, one, other, 0.0, 0.0];
        for (sum, term) in self.0.iter_mut().zip(terms) {
            *sum += term;
        }
    }
    #[inline(always)]
    fn support(&self) -> f64 {
        self.0[0]
    }
}

/// Support and squared differences.
#[derive(Clone, Copy, Default)]
#[repr(C, align(16))]
struct SquaredDifferences([f64; 2]);

impl Sums for SquaredDifferences {
    #[inline(always)]
    fn add(&mut self, one: f64, other: f64) {
        let difference = one - other;
        self.0[0] += 1.0;
        self.0[1] += difference * difference;
    }
    #[inline(always)]
    fn support(&self) -> f64 {
        self.0[0]
    }
}

/// Support and differences.
#[derive(Clone, Copy, Default)]
#[repr(C, align(16))]
pub struct Differences(pub [f64; 2]);

impl Sums for Differences {
    #[inline(always)]
    fn add(&mut self, one: f64, other: f64) {
        self.0[0] += 1.0;
        self.0[1] += one - other;
    }
    #[inline(always)]
    fn support(&self) -> f64 {
        self.0[0]
    }
}

/// One rating of an `x`: its place among the sorted raters of its `y`, and which list that is.
#[derive(Clone, Copy, Debug)]
struct Visit {
    place: u32,
    list: u32,
}

/// The common ratings of all pairs, ready to be summed row by row.
#[derive(Clone, Debug)]
pub struct Pairs {
    n_rows: usize,
    /// Raters and values of each `y`, sorted by rater, in the order of the data's `y`.
    raters: Vec<u32>,
    values: Vec<f64>,
    lists: Vec<u32>,
    visits: Vec<Visit>,
    /// Visits of row `x` are `starts[x]..starts[x + 1]`.
    starts: Vec<usize>,
}

impl Pairs {
    /// `columns` holds the raters of each `y`; `value(y, x, rating)` is what enters the sums.
    ///
    /// # Errors
    /// More than `u32::MAX` ratings.
    pub fn new(columns: &Ratings, value: impl Fn(usize, usize, f64) -> f64) -> Result<Self> {
        let (n_rows, total) = (columns.n_items(), columns.len());
        if u32::try_from(total).is_err() {
            return Err(Error::Value(format!("{total} ratings: similarities take fewer than {}", u32::MAX)));
        }
        let (mut raters, mut values) = (Vec::with_capacity(total), Vec::with_capacity(total));
        let mut lists = vec![0];
        let mut counts = vec![0_usize; n_rows + 1];
        let mut order: Vec<u32> = Vec::new();
        for (column, positions) in columns.runs() {
            let rated = columns.part(positions);
            order.clear();
            order.extend(0..rated.items.len() as u32);
            // Stable: several ratings of one pair keep their order.
            order.sort_by_key(|&at| rated.items[at as usize]);
            for &at in &order {
                let rater = rated.items[at as usize];
                raters.push(rater);
                values.push(value(column, rater as usize, rated.ratings[at as usize]));
                counts[rater as usize + 1] += 1;
            }
            lists.push(raters.len() as u32);
        }
        for row in 0..n_rows {
            counts[row + 1] += counts[row];
        }
        let starts = counts.clone();
        let mut visits = vec![Visit { place: 0, list: 0 }; total];
        for (list, ends) in lists.windows(2).enumerate() {
            for place in ends[0]..ends[1] {
                let next = &mut counts[raters[place as usize] as usize];
                visits[*next] = Visit { place, list: list as u32 };
                *next += 1;
            }
        }
        Ok(Self { n_rows, raters, values, lists, visits, starts })
    }

    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn visits_of(&self, row: usize) -> &[Visit] {
        &self.visits[self.starts[row]..self.starts[row + 1]]
    }

    /// How many pairs of ratings row `row` forms with itself: the number of its ratings, unless some `y` has several.
    pub fn own_support(&self, row: usize) -> usize {
        self.visits_of(row).chunk_by(|a, b| a.list == b.list).map(|same| same.len() * same.len()).sum()
    }

    /// The sums of all pairs, `finish`ed row by row: it gets the row, the sums with all rows after it, and the row of
    /// `out` (`width` values a row).
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn for_each_row<S: Sums, T: Send>(
        &self,
        out: &mut [T],
        monitor: &mut dyn Monitor,
        finish: impl Fn(usize, &[S], &mut [T]) + Sync,
    ) -> Result<()> {
        let width = out.len().checked_div(self.n_rows).unwrap_or(0);
        // Early rows have the most pairs, so chunks are small.
        let chunks = self.n_rows.div_ceil(8);
        let out = Disjoint::new(out);
        let isa = Isa::active();
        for_each_chunk(
            chunks,
            monitor,
            || vec![S::default(); self.n_rows],
            |chunk, sums| {
                for row in part(self.n_rows, chunks, chunk, 8) {
                    sums[row..].fill(S::default());
                    add_later(isa, self, row, sums);
                    // SAFETY: each row belongs to one chunk.
                    let out = unsafe { out.range(row * width..(row + 1) * width) };
                    finish(row, sums, out);
                }
            },
        )
    }

    /// Calls `found` with every row that has something in common with `row` and with their sums. `sums` holds a
    /// default for each row, before and after.
    pub fn for_each_partner<S: Sums>(&self, row: usize, sums: &mut [S], mut found: impl FnMut(usize, &S)) {
        add_all(Isa::active(), self, row, sums);
        for visit in self.visits_of(row) {
            let list = visit.list as usize;
            for &rater in &self.raters[self.lists[list] as usize..self.lists[list + 1] as usize] {
                let sum = std::mem::take(&mut sums[rater as usize]);
                if sum.support() > 0.0 && rater as usize != row {
                    found(rater as usize, &sum);
                }
            }
        }
    }
}

#[inline(always)]
fn add_later_body<S: Sums>(pairs: &Pairs, row: usize, sums: &mut [S]) {
    for visit in pairs.visits_of(row) {
        let (place, end) = (visit.place as usize, pairs.lists[visit.list as usize + 1] as usize);
        let own = pairs.values[place];
        for (&rater, &value) in pairs.raters[place + 1..end].iter().zip(&pairs.values[place + 1..end]) {
            sums[rater as usize].add(own, value);
        }
    }
}

#[inline(always)]
fn add_all_body<S: Sums>(pairs: &Pairs, row: usize, sums: &mut [S]) {
    for visit in pairs.visits_of(row) {
        let list = visit.list as usize;
        let range = pairs.lists[list] as usize..pairs.lists[list + 1] as usize;
        let own = pairs.values[visit.place as usize];
        for (&rater, &value) in pairs.raters[range.clone()].iter().zip(&pairs.values[range]) {
            sums[rater as usize].add(own, value);
        }
    }
}

for_each_isa! { fn add_later<S: Sums>(pairs: &Pairs, row: usize, sums: &mut [S]) = add_later_body; }
for_each_isa! { fn add_all<S: Sums>(pairs: &Pairs, row: usize, sums: &mut [S]) = add_all_body; }

fn cosine(sums: &Products) -> f64 {
    let [_, product, one, other] = sums.0;
    let norms = (one * other).sqrt();
    if norms == 0.0 { 0.0 } else { product / norms }
}

fn msd(sums: &SquaredDifferences) -> f64 {
    let [support, squares] = sums.0;
    if support == 0.0 { 0.0 } else { 1.0 / (squares / support + 1.0) }
}

fn pearson(sums: &Moments) -> f64 {
    let [support, product, one_square, other_square, one, other, ..] = sums.0;
    let covariance = support * product - one * other;
    let deviations = ((support * one_square - one * one) * (support * other_square - other * other)).sqrt();
    if deviations == 0.0 { 0.0 } else { covariance / deviations }
}

fn shrunk(sums: &Products, shrinkage: f64) -> f64 {
    cosine(sums) * ((sums.0[0] - 1.0) / (sums.0[0] - 1.0 + shrinkage))
}

/// Similarities of rows, computed all at once or one row at a time.
#[derive(Clone, Debug)]
pub struct Similarities {
    pairs: Pairs,
    measure: Measure,
    min_support: f64,
}

impl Similarities {
    /// `columns` holds the raters of each `y`, in the order in which sums are taken.
    ///
    /// # Errors
    /// Biases of another length, too many ratings.
    pub fn new(columns: &Ratings, measure: Measure, min_support: f64) -> Result<Self> {
        let (pairs, min_support) = match &measure {
            Measure::PearsonBaseline { mean, row_biases, column_biases, .. } => {
                if (row_biases.len(), column_biases.len()) != (columns.n_items(), columns.n_users()) {
                    return Err(Error::Value(format!(
                        "pearson_baseline: {} and {} biases for {} rows and {} columns",
                        row_biases.len(),
                        column_biases.len(),
                        columns.n_items(),
                        columns.n_users()
                    )));
                }
                let center = |y: usize, x: usize, rating: f64| rating - ((mean + column_biases[y]) + row_biases[x]);
                // With one common rating the coefficient is 1 or -1, whatever the ratings are.
                (Pairs::new(columns, center)?, min_support.max(2.0))
            }
            _ => (Pairs::new(columns, |_, _, rating| rating)?, min_support),
        };
        Ok(Self { pairs, measure, min_support })
    }

    pub fn n_rows(&self) -> usize {
        self.pairs.n_rows()
    }

    /// The whole symmetric matrix, row-major, with ones on the diagonal.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::OutOfMemory`].
    pub fn dense(&self, monitor: &mut dyn Monitor) -> Result<Vec<f64>> {
        let n = self.n_rows();
        let mut out = zeros(n.checked_mul(n), &format!("similarities of {n} rows"))?;
        match &self.measure {
            Measure::Cosine => self.upper(&mut out, monitor, cosine)?,
            Measure::Msd => self.upper(&mut out, monitor, msd)?,
            Measure::Pearson => self.upper(&mut out, monitor, pearson)?,
            &Measure::PearsonBaseline { shrinkage, .. } => {
                self.upper(&mut out, monitor, |sums| shrunk(sums, shrinkage))?;
            }
        }
        mirror(&mut out, n, monitor, |value| value)?;
        Ok(out)
    }

    fn upper<S: Sums>(
        &self,
        out: &mut [f64],
        monitor: &mut dyn Monitor,
        similarity: impl Fn(&S) -> f64 + Sync,
    ) -> Result<()> {
        self.pairs.for_each_row(out, monitor, |row, sums: &[S], out| {
            out[row] = 1.0;
            for (sum, out) in sums.iter().zip(out).skip(row + 1) {
                if sum.support() >= self.min_support {
                    *out = similarity(sum);
                }
            }
        })
    }

    /// Buffers for [`row`](Self::row), to be used again and again by one thread.
    pub fn scratch(&self) -> RowScratch {
        let n = self.n_rows();
        RowScratch(match &self.measure {
            Measure::Msd => RowSums::SquaredDifferences(vec![SquaredDifferences::default(); n]),
            Measure::Pearson => RowSums::Moments(vec![Moments::default(); n]),
            Measure::Cosine | Measure::PearsonBaseline { .. } => RowSums::Products(vec![Products::default(); n]),
        })
    }

    /// Appends the rows that have enough in common with `row`, and their similarities, to `out`; itself is not among
    /// them. Values are those of [`dense`](Self::dense).
    pub fn row(&self, row: usize, scratch: &mut RowScratch, out: &mut Vec<(u32, f64)>) {
        match (&self.measure, &mut scratch.0) {
            (Measure::Cosine, RowSums::Products(sums)) => self.partners(row, sums, out, cosine),
            (&Measure::PearsonBaseline { shrinkage, .. }, RowSums::Products(sums)) => {
                self.partners(row, sums, out, |sum| shrunk(sum, shrinkage));
            }
            (Measure::Msd, RowSums::SquaredDifferences(sums)) => self.partners(row, sums, out, msd),
            (Measure::Pearson, RowSums::Moments(sums)) => self.partners(row, sums, out, pearson),
            _ => unreachable!("the scratch of another measure"),
        }
    }

    fn partners<S: Sums>(&self, row: usize, sums: &mut [S], out: &mut Vec<(u32, f64)>, similarity: impl Fn(&S) -> f64) {
        self.pairs.for_each_partner(row, sums, |other, sum| {
            if sum.support() >= self.min_support {
                out.push((other as u32, similarity(sum)));
            }
        });
    }
}

/// Running sums of one row with all others.
pub struct RowScratch(RowSums);

enum RowSums {
    Products(Vec<Products>),
    Moments(Vec<Moments>),
    SquaredDifferences(Vec<SquaredDifferences>),
}

/// Zeros, or an error that says how many bytes were wanted.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn zeros<T: Clone + Default>(count: Option<usize>, what: &str) -> Result<Vec<T>> {
    let mut out = Vec::new();
    let wanted = count.unwrap_or(usize::MAX / size_of::<T>());
    out.try_reserve_exact(wanted).map_err(|_| {
        Error::OutOfMemory(format!("{what} need {} bytes of memory", wanted.saturating_mul(size_of::<T>())))
    })?;
    out.resize(wanted, T::default());
    Ok(out)
}

/// Copies the upper half of an `n x n` matrix to the lower half, through `change`.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn mirror<T: Copy + Send>(
    matrix: &mut [T],
    n: usize,
    monitor: &mut dyn Monitor,
    change: impl Fn(T) -> T + Sync,
) -> Result<()> {
    let tiles = n.div_ceil(TILE);
    let (length, matrix) = (matrix.len(), Disjoint::new(matrix));
    debug_assert_eq!(length, n * n);
    for_each_chunk(
        tiles,
        monitor,
        || (),
        |tile, ()| {
            let rows = tile * TILE..((tile + 1) * TILE).min(n);
            for other in 0..=tile {
                for row in rows.clone() {
                    for column in other * TILE..((other + 1) * TILE).min(row) {
                        // SAFETY: `column < row`: what is written lies below the diagonal, in rows of this chunk alone;
                        // what is read lies above it, and nobody writes there.
                        unsafe {
                            *matrix.as_ptr().add(row * n + column) = change(*matrix.as_ptr().add(column * n + row));
                        }
                    }
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::{Measure, Similarities};
    use crate::core::error::Error;
    use crate::recommend::fit::Progress;
    use crate::recommend::ratings::Ratings;

    /// 70 rows over 30 columns; some pairs twice.
    fn columns() -> Ratings {
        let (mut columns, mut rows, mut values) = (vec![], vec![], vec![]);
        for step in 0..900_u32 {
            columns.push(step * 7 % 30);
            rows.push((step * step + step / 7) % 70);
            values.push(f64::from(step * 31 % 9) / 3.0 + 0.3);
        }
        Ratings::from_columns(&columns, &rows, &values, 30, 70).unwrap()
    }

    fn measures() -> Vec<Measure> {
        vec![
            Measure::Cosine,
            Measure::Msd,
            Measure::Pearson,
            Measure::PearsonBaseline {
                mean: 1.5,
                row_biases: (0..70).map(|x| f64::from(x) / 100.0).collect(),
                column_biases: (0..30).map(|y| f64::from(y) / -90.0).collect(),
                shrinkage: 10.0,
            },
        ]
    }

    /// Straight from the definition, from a list of common ratings.
    fn naive(columns: &Ratings, measure: &Measure, min_support: f64, one: usize, other: usize) -> f64 {
        let mut common = vec![];
        for (y, positions) in columns.runs() {
            let rated = columns.part(positions);
            let of = |x: usize| {
                let rated = rated.items.iter().zip(rated.ratings).filter(move |(rater, _)| **rater as usize == x);
                rated.map(move |(_, &rating)| match measure {
                    Measure::PearsonBaseline { mean, row_biases, column_biases, .. } => {
                        rating - (mean + column_biases[y] + row_biases[x])
                    }
                    _ => rating,
                })
            };
            for a in of(one) {
                common.extend(of(other).map(|b| (a, b)));
            }
        }
        let n = common.len() as f64;
        let sum = |f: &dyn Fn(f64, f64) -> f64| common.iter().map(|&(a, b)| f(a, b)).sum::<f64>();
        let raw = sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
        match measure {
            _ if n < min_support.max(1.0) => 0.0,
            Measure::Cosine => raw,
            Measure::Msd => 1.0 / (sum(&|a, b| (a - b) * (a - b)) / n + 1.0),
            Measure::Pearson => {
                let (ma, mb) = (sum(&|a, _| a) / n, sum(&|_, b| b) / n);
                let spread = (sum(&|a, _| (a - ma).powi(2)) * sum(&|_, b| (b - mb).powi(2))).sqrt();
                if spread < 1e-9 { 0.0 } else { sum(&|a, b| (a - ma) * (b - mb)) / spread }
            }
            Measure::PearsonBaseline { shrinkage, .. } if n >= 2.0 => raw * (n - 1.0) / (n - 1.0 + shrinkage),
            Measure::PearsonBaseline { .. } => 0.0,
        }
    }

    #[test]
    fn every_measure_follows_its_definition() {
        let columns = columns();
        for measure in measures() {
            for min_support in [1.0, 4.0] {
                let similarities = Similarities::new(&columns, measure.clone(), min_support).unwrap();
                let dense = similarities.dense(&mut &Progress::default()).unwrap();
                let mut scratch = similarities.scratch();
                for x in 0..70 {
                    assert_eq!(dense[x * 70 + x], 1.0);
                    let mut row = vec![0.0; 70];
                    row[x] = 1.0;
                    let mut found = vec![];
                    similarities.row(x, &mut scratch, &mut found);
                    for (other, value) in found {
                        row[other as usize] = value;
                    }
                    for other in (0..70).filter(|&other| other != x) {
                        let (got, want) = (dense[x * 70 + other], naive(&columns, &measure, min_support, x, other));
                        assert!((got - want).abs() < 1e-7, "{measure:?}: {x}, {other}: {got} for {want}");
                        assert!((row[other] - got).abs() < 1e-9);
                        assert_eq!(got.to_bits(), dense[other * 70 + x].to_bits());
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_in_common_is_zero() {
        let columns = Ratings::from_columns(&[0, 1, 0], &[0, 1, 2], &[0.0, 2.0, 0.0], 2, 3).unwrap();
        for measure in [Measure::Cosine, Measure::Pearson] {
            let similarities = Similarities::new(&columns, measure, 0.0).unwrap();
            let dense = similarities.dense(&mut &Progress::default()).unwrap();
            assert_eq!(dense, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        }
        let none = Ratings::from_columns(&[], &[], &[], 0, 0).unwrap();
        let similarities = Similarities::new(&none, Measure::Msd, 1.0).unwrap();
        assert!(similarities.dense(&mut &Progress::default()).unwrap().is_empty());
    }

    #[test]
    fn stops_when_told_and_names_wrong_biases() {
        let progress = Progress::default();
        progress.cancel();
        let similarities = Similarities::new(&columns(), Measure::Msd, 1.0).unwrap();
        assert_eq!(similarities.dense(&mut &progress), Err(Error::Cancelled));
        let measure = Measure::PearsonBaseline { mean: 0.0, row_biases: vec![], column_biases: vec![], shrinkage: 1.0 };
        let error = Similarities::new(&columns(), measure, 1.0).unwrap_err();
        assert_eq!(error.message(), "pearson_baseline: 0 and 0 biases for 70 rows and 30 columns");
    }
}
