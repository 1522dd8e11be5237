//! SVD++ in blocks that run side by side, see [`super::blocks`].
//!
//! A rating moves the implicit rows of all items of its user, those of other blocks too. What it does to them is `y = scale
//! y + shift` for all alike (see `kernels::cpu::factor_implicit`), so it can wait:
//!
//! ```text
//! cell (users U, items I), user by user:
//!     do to the rows of the user's items in I what waited; their sum, beside the sums over other blocks as last seen
//!     take the user's ratings of items in I: scale, shift
//!     do it to the rows in I and to all sums; let it wait for the rows of other blocks
//! at the end of an epoch: do all that waits
//! ```
//!
//! A user's own ratings are thus never missed; those of others reach a row's sum at the next visit. An item that a user rated
//! twice moves twice, as on one thread, but the sums count it so only from one visit to the next.

use super::blocks::{Block, Cells, gather, taken};
use super::fit::{Monitor, Task};
use super::ratings::Ratings;
use super::start::Start;
use super::svdpp::SvdppOptions;
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::factor::{Factor, Lanes};
use ironhorn_kernels::cpu::factor_implicit::{ImplicitSgd, Items, Move, User, add_rows, move_rows, run};
use ironhorn_kernels::cpu::simd::Isa;
use std::sync::Mutex;

/// What the users of a block know of each block of items: entries at `user * blocks + item block`.
#[derive(Debug)]
struct Sums<T: Factor> {
    /// The sum over the user's items there.
    rows: Vec<T::Line>,
    /// What waits for their rows, if anything does.
    waits: Vec<bool>,
    scales: Vec<f64>,
    shifts: Vec<T::Line>,
    /// How many ratings the user has in all.
    counts: Vec<usize>,
}

/// A fit that is under way.
#[derive(Debug)]
pub struct SvdppBlocks<T: Factor> {
    cells: Cells,
    sgd: ImplicitSgd,
    factors: usize,
    users: Vec<Mutex<Block<T>>>,
    sums: Vec<Mutex<Sums<T>>>,
    items: Vec<Mutex<Block<T>>>,
    implicit: Vec<Mutex<Block<T>>>,
}

impl<T: Factor> SvdppBlocks<T> {
    /// A fit that starts from these factors and biases, and factors of items as implicit feedback.
    ///
    /// # Errors
    /// No blocks, arrays of another size, a mean or rate that is not finite, too little memory.
    pub fn new(
        ratings: &Ratings,
        options: SvdppOptions,
        start: &Start<'_>,
        implicit_factors: &[f64],
        blocks: usize,
    ) -> Result<Self> {
        let sgd = options.checked::<T>(ratings, start, implicit_factors)?;
        let cells = Cells::new(ratings, blocks)?;
        let (user_biases, item_biases) = start.biases(ratings.n_users(), ratings.n_items());
        let sums = (0..blocks)
            .map(|block| {
                let counts: Vec<usize> = (0..cells.users_of(block))
                    .map(|user| (0..blocks).map(|items| cells.of(block, items).of(user).items.len()).sum())
                    .collect();
                let entries = counts.len() * blocks;
                let lines = vec![T::Line::default(); entries * sgd.lines];
                let (waits, scales) = (vec![false; entries], vec![1.0; entries]);
                Mutex::new(Sums { rows: lines.clone(), waits, scales, shifts: lines, counts })
            })
            .collect();
        Ok(Self {
            users: cells.deal_users(start.user_factors, &user_biases)?,
            items: cells.deal_items(start.item_factors, &item_biases)?,
            implicit: cells.deal_items(implicit_factors, &item_biases)?,
            sums,
            cells,
            sgd,
            factors: start.factors,
        })
    }

    /// Makes the sums over a block's items those of its rows.
    fn look(&self, isa: Isa, user_block: usize, item_block: usize) {
        let (mut sums, implicit) = (taken(&self.sums[user_block]), taken(&self.implicit[item_block]));
        let (cell, width) = (self.cells.of(user_block, item_block), self.sgd.lines);
        for (user, positions) in cell.runs() {
            let entry = user * self.cells.blocks() + item_block;
            let root = (sums.counts[user] as f64).sqrt();
            let out = &mut sums.rows[entry * width..(entry + 1) * width];
            add_rows::<T>(isa, cell.part(positions).items, &implicit.rows, root, out);
        }
    }

    fn run_cell(&self, isa: Isa, user_block: usize, item_block: usize) {
        let (mut users, mut sums) = (taken(&self.users[user_block]), taken(&self.sums[user_block]));
        let (mut items, mut implicit) = (taken(&self.items[item_block]), taken(&self.implicit[item_block]));
        let (users, sums, items, implicit) = (&mut *users, &mut *sums, &mut *items, &mut *implicit);
        let (cell, blocks, width) = (self.cells.of(user_block, item_block), self.cells.blocks(), self.sgd.lines);
        let (mut total, mut shift) = (vec![T::Line::default(); width], vec![T::Line::default(); width]);
        for (user, positions) in cell.runs() {
            let rated = cell.part(positions);
            let (neighbors, entries) = (sums.counts[user], user * blocks..(user + 1) * blocks);
            let root = (neighbors as f64).sqrt();
            sums.arrive(isa, entries.start + item_block, rated.items, &mut implicit.rows);
            let own = (entries.start + item_block) * width..(entries.start + item_block + 1) * width;
            add_rows::<T>(isa, rated.items, &implicit.rows, root, &mut sums.rows[own]);
            total.fill(T::Line::default());
            for part in sums.rows[entries.start * width..entries.end * width].chunks_exact(width.max(1)) {
                combine::<T>(&mut total, 1.0, part, 1.0);
            }
            let mut own = User::<T> {
                row: &mut users.rows[user * width..(user + 1) * width],
                bias: &mut users.biases[user],
                sum: &mut total,
                neighbors,
            };
            let mut rows = Items::<T> { rows: &mut items.rows, biases: &mut items.biases };
            let mut scale = 1.0;
            run::<T>(isa, &self.sgd, rated, &mut own, &mut rows, &mut Move { scale: &mut scale, shift: &mut shift });
            move_rows::<T>(isa, rated.items, &mut implicit.rows, scale, &shift);
            for block in 0..blocks {
                let share = self.cells.of(user_block, block).of(user).items.len();
                if share > 0 {
                    sums.follow(entries.start + block, scale, &shift, share as f64 / root, block != item_block);
                }
            }
        }
    }

    /// Does to the rows of a cell's items what waits for them.
    fn settle(&self, isa: Isa, user_block: usize, item_block: usize) {
        let (mut sums, mut implicit) = (taken(&self.sums[user_block]), taken(&self.implicit[item_block]));
        let cell = self.cells.of(user_block, item_block);
        for (user, positions) in cell.runs() {
            let entry = user * self.cells.blocks() + item_block;
            sums.arrive(isa, entry, cell.part(positions).items, &mut implicit.rows);
        }
    }
}

impl<T: Factor> Sums<T> {
    /// Does a move to the sum of an entry; `waits` says whether its rows have yet to follow.
    fn follow(&mut self, entry: usize, scale: f64, shift: &[T::Line], share: f64, waits: bool) {
        let range = entry * shift.len()..(entry + 1) * shift.len();
        combine::<T>(&mut self.rows[range.clone()], scale, shift, share);
        if waits {
            combine::<T>(&mut self.shifts[range], scale, shift, 1.0);
            self.scales[entry] *= scale;
            self.waits[entry] = true;
        }
    }

    /// Does what waits for the rows of an entry.
    fn arrive(&mut self, isa: Isa, entry: usize, items: &[u32], implicit: &mut [T::Line]) {
        if std::mem::take(&mut self.waits[entry]) {
            let width = self.shifts.len() / self.waits.len();
            let shift = &mut self.shifts[entry * width..(entry + 1) * width];
            move_rows::<T>(isa, items, implicit, std::mem::replace(&mut self.scales[entry], 1.0), shift);
            shift.fill(T::Line::default());
        }
    }
}

/// `row = scale row + share other`
fn combine<T: Factor>(row: &mut [T::Line], scale: f64, other: &[T::Line], share: f64) {
    let (scale, share) = (T::from_f64(scale), T::from_f64(share));
    for (row, other) in row.iter_mut().zip(other) {
        for (value, &other) in row.lanes_mut().iter_mut().zip(other.lanes()) {
            *value = scale * *value + share * other;
        }
    }
}

impl<T: Factor> Task for SvdppBlocks<T> {
    fn run(&mut self, epochs: usize, monitor: &mut dyn Monitor) -> Result<()> {
        let (isa, blocks) = (Isa::active(), self.cells.blocks());
        for _ in 0..epochs {
            // The first visit looks for itself.
            self.cells.for_each(1..blocks, monitor, |users, items| self.look(isa, users, items))?;
            self.cells.for_each(0..blocks, monitor, |users, items| self.run_cell(isa, users, items))?;
            self.cells.for_each(0..blocks, monitor, |users, items| self.settle(isa, users, items))?;
            monitor.advance(self.cells.n_ratings() as u64);
            if monitor.cancelled() {
                return Err(Error::Cancelled);
            }
        }
        Ok(())
    }

    /// bu, bi, pu, qi, yj.
    fn parameters(&self) -> Vec<(Vec<f64>, usize)> {
        let (user_rows, user_biases) = gather(&self.users, self.factors);
        let (item_rows, item_biases) = gather(&self.items, self.factors);
        let (implicit, _) = gather(&self.implicit, self.factors);
        let rows = [user_rows, item_rows, implicit].map(|rows| (rows, self.factors));
        [(user_biases, 0), (item_biases, 0)].into_iter().chain(rows).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::SvdppBlocks;
    use crate::core::error::Error;
    use crate::recommend::blocks::tests::{ratings, start};
    use crate::recommend::fit::{Progress, Task};
    use crate::recommend::ratings::Ratings;
    use crate::recommend::start::Start;
    use crate::recommend::svdpp::{Svdpp, SvdppOptions};
    use ironhorn_kernels::cpu::factor::{Factor, Rate};
    use std::sync::Arc;

    const RATE: Rate = Rate { learning_rate: 0.01, regularization: 0.02 };
    const OPTIONS: SvdppOptions = SvdppOptions { mean: 3.0, rates: [RATE; 5] };

    fn fit<T: Factor>(ratings: &Ratings, blocks: usize) -> SvdppBlocks<T> {
        let (users, items) = (start(31, 5), start(23, 5));
        let from = Start { factors: 5, user_factors: &users, item_factors: &items, biases: None };
        SvdppBlocks::new(ratings, OPTIONS, &from, &start(23, 5), blocks).unwrap()
    }

    /// Ratings in which no pair stands twice.
    fn distinct() -> Ratings {
        let pairs: Vec<u32> = (0..31 * 23).filter(|pair| pair * pair % 7 < 4).collect();
        let (users, items): (Vec<u32>, Vec<u32>) = pairs.iter().map(|pair| (pair / 23, pair % 23)).unzip();
        let values: Vec<f64> = pairs.iter().map(|pair| f64::from(pair * 13 % 5) + 1.0).collect();
        Ratings::from_columns(&users, &items, &values, 31, 23).unwrap()
    }

    /// The largest distance of parameters from those of the fit on one thread.
    fn gap<T: Factor>(blocks: usize) -> f64 {
        let (users, items) = (start(31, 5), start(23, 5));
        let from = Start { factors: 5, user_factors: &users, item_factors: &items, biases: None };
        let ratings = Arc::new(distinct());
        let mut plain = Svdpp::<T>::new(ratings.clone(), ratings.clone(), OPTIONS, &from, &start(23, 5)).unwrap();
        plain.run(4, &mut &Progress::default()).unwrap();
        let mut other = fit::<T>(&ratings, blocks);
        other.run(4, &mut &Progress::default()).unwrap();
        let pairs = plain.parameters().into_iter().zip(other.parameters());
        pairs.flat_map(|((a, _), (b, _))| a.into_iter().zip(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn one_block_is_the_plain_fit_and_more_are_near_it() {
        assert!(gap::<f64>(1) < 1e-14 && gap::<f32>(1) < 1e-5);
        assert!(gap::<f64>(2) < 0.05 && gap::<f64>(5) < 0.1, "{} {}", gap::<f64>(2), gap::<f64>(5));
    }

    /// With one user there is nobody whose moves could be seen late.
    #[test]
    fn blocks_of_items_alone_change_only_rounding() {
        let items: Vec<u32> = (0..23).collect();
        let values: Vec<f64> = items.iter().map(|item| f64::from(item * 7 % 5) + 1.0).collect();
        // In the order in which blocks are visited.
        let order = |blocks: u32| (0..blocks).flat_map(move |block| (block..23).step_by(blocks as usize));
        for blocks in [2_u32, 4] {
            let places: Vec<u32> = order(blocks).collect();
            let rated: Vec<f64> = places.iter().map(|&item| values[item as usize]).collect();
            let ratings = Arc::new(Ratings::from_columns(&[0; 23], &places, &rated, 1, 23).unwrap());
            let (users, rows) = (start(1, 5), start(23, 5));
            let from = Start { factors: 5, user_factors: &users, item_factors: &rows, biases: None };
            let mut plain = Svdpp::<f64>::new(ratings.clone(), ratings.clone(), OPTIONS, &from, &rows).unwrap();
            plain.run(3, &mut &Progress::default()).unwrap();
            let mut cut = SvdppBlocks::<f64>::new(&ratings, OPTIONS, &from, &rows, blocks as usize).unwrap();
            cut.run(3, &mut &Progress::default()).unwrap();
            for ((want, _), (got, _)) in plain.parameters().into_iter().zip(cut.parameters()) {
                let gap = want.iter().zip(&got).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(gap < 1e-12, "{blocks} blocks: {gap}");
            }
        }
    }

    #[test]
    fn fits_repeat_and_stop() {
        for blocks in [2, 3, 40] {
            let (mut one, mut two) = (fit::<f64>(&ratings(), blocks), fit::<f64>(&ratings(), blocks));
            one.run(6, &mut &Progress::default()).unwrap();
            for _ in 0..6 {
                two.run(1, &mut &Progress::default()).unwrap();
            }
            assert_eq!(one.parameters(), two.parameters());
            assert!(one.parameters().iter().all(|(values, _)| values.iter().all(|value| value.is_finite())));
        }
        let progress = Progress::default();
        progress.cancel();
        assert_eq!(fit::<f64>(&ratings(), 2).run(1, &mut &progress), Err(Error::Cancelled));
    }
}
