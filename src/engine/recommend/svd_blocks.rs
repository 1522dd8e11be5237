//! SVD on several threads with a result that depends on the number of blocks alone (the scheme of Gemulla, Nijkamp, Haas and
//! Sismanis, "Large-scale matrix factorization with distributed stochastic gradient descent", 2011).
//!
//! Users and items are dealt into `blocks` blocks each, so that ratings fall into a square of cells. Cells that share
//! neither users nor items cannot disturb one another:
//!
//! ```text
//! epoch:  for shift in 0..blocks:
//!             for block in 0..blocks, side by side:    cell (users of block, items of block + shift)
//!                 user by user, ratings in training order: the update of `kernels::cpu::factor`
//! ```
//!
//! Every rating is used once an epoch, in another order than on one thread: the fit is as good, but not the same numbers.

use super::fit::{Monitor, Task};
use super::parallel::for_each_chunk;
use super::ratings::Ratings;
use super::svd::{SvdOptions, padded, unpadded};
use super::svdpp::{check_factors, check_mean, check_rates};
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::factor::{FactorSgd, Line, lines};
use ironhorn_kernels::cpu::simd::Isa;
use std::sync::{Mutex, PoisonError};

/// Rows and biases of the users or items of one block; row `id` lies in block `id % blocks` at `id / blocks`.
#[derive(Debug)]
struct Block {
    rows: Vec<Line>,
    biases: Vec<f64>,
}

/// A fit that is under way.
#[derive(Debug)]
pub struct SvdBlocks {
    /// Cell `(u, i)` at `u * blocks + i`, with ids within the blocks.
    cells: Vec<Ratings>,
    sgd: FactorSgd,
    factors: usize,
    users: Vec<Mutex<Block>>,
    items: Vec<Mutex<Block>>,
    n_users: usize,
    n_items: usize,
    n_ratings: usize,
}

/// How many of `count` ids are dealt to block `block`.
fn size(count: usize, blocks: usize, block: usize) -> usize {
    (count + blocks - 1 - block) / blocks
}

impl SvdBlocks {
    /// A fit that starts from these factors and from biases of zero.
    ///
    /// # Errors
    /// No blocks, factor arrays of another size, a mean or rate that is not finite, too little memory.
    pub fn new(
        ratings: &Ratings,
        options: SvdOptions,
        factors: usize,
        user_factors: &[f64],
        item_factors: &[f64],
        blocks: usize,
    ) -> Result<Self> {
        let (n_users, n_items) = (ratings.n_users(), ratings.n_items());
        if blocks == 0 {
            return Err(Error::Value("a fit in 0 blocks: there must be 1 or more".into()));
        }
        check_factors(&[("user", n_users, user_factors), ("item", n_items, item_factors)], factors)?;
        let rates = [options.user_bias, options.item_bias, options.user_factors, options.item_factors];
        check_rates(&["bu", "bi", "pu", "qi"], &rates)?;
        let mean = if options.biased { options.mean } else { 0.0 };
        check_mean(mean)?;
        Ok(Self {
            cells: cells(ratings, blocks)?,
            sgd: FactorSgd {
                lines: lines(factors),
                biased: options.biased,
                mean,
                user_bias: options.user_bias,
                item_bias: options.item_bias,
                user_factors: options.user_factors,
                item_factors: options.item_factors,
            },
            factors,
            users: dealt(user_factors, n_users, factors, blocks)?,
            items: dealt(item_factors, n_items, factors, blocks)?,
            n_users,
            n_items,
            n_ratings: ratings.len(),
        })
    }

    fn run_cell(&self, isa: Isa, user_block: usize, item_block: usize) {
        // No other cell of the same step has these blocks: the locks are there for the compiler.
        let mut users = self.users[user_block].lock().unwrap_or_else(PoisonError::into_inner);
        let mut items = self.items[item_block].lock().unwrap_or_else(PoisonError::into_inner);
        let (users, items) = (&mut *users, &mut *items);
        let cell = &self.cells[user_block * self.users.len() + item_block];
        let width = self.sgd.lines;
        for (user, positions) in cell.runs() {
            let row = &mut users.rows[user * width..(user + 1) * width];
            let rated = cell.part(positions);
            self.sgd.run(isa, rated, row, &mut users.biases[user], &mut items.rows, &mut items.biases);
        }
    }

    /// Rows and biases in the order of ids.
    fn gathered(&self, blocks: &[Mutex<Block>], count: usize) -> (Vec<f64>, Vec<f64>) {
        let (mut rows, mut biases) = (vec![0.0; count * self.factors], vec![0.0; count]);
        for (index, block) in blocks.iter().enumerate() {
            let block = block.lock().unwrap_or_else(PoisonError::into_inner);
            let values = unpadded(&block.rows, self.factors);
            for (local, bias) in block.biases.iter().enumerate() {
                let id = local * blocks.len() + index;
                biases[id] = *bias;
                let row = &values[local * self.factors..(local + 1) * self.factors];
                rows[id * self.factors..(id + 1) * self.factors].copy_from_slice(row);
            }
        }
        (rows, biases)
    }
}

/// The ratings of each cell, user by user in training order.
fn cells(ratings: &Ratings, blocks: usize) -> Result<Vec<Ratings>> {
    #[derive(Default, Clone)]
    struct Cell {
        users: Vec<u32>,
        counts: Vec<usize>,
        items: Vec<u32>,
        values: Vec<f64>,
    }
    let mut found = vec![Cell::default(); blocks * blocks];
    for (user, positions) in ratings.runs() {
        let (block, local) = (user % blocks, (user / blocks) as u32);
        let row = &mut found[block * blocks..(block + 1) * blocks];
        let rated = ratings.part(positions);
        for (&item, &value) in rated.items.iter().zip(rated.ratings) {
            let cell = &mut row[item as usize % blocks];
            if cell.users.last() == Some(&local) {
                if let Some(count) = cell.counts.last_mut() {
                    *count += 1;
                }
            } else {
                cell.users.push(local);
                cell.counts.push(1);
            }
            cell.items.push(item / blocks as u32);
            cell.values.push(value);
        }
    }
    let shape =
        |cell: usize| (size(ratings.n_users(), blocks, cell / blocks), size(ratings.n_items(), blocks, cell % blocks));
    let make = |(index, cell): (usize, Cell)| {
        let (n_users, n_items) = shape(index);
        Ratings::new(cell.users, &cell.counts, cell.items, cell.values, n_users, n_items)
    };
    found.into_iter().enumerate().map(make).collect()
}

/// Rows dealt into blocks, with biases of zero.
fn dealt(values: &[f64], count: usize, factors: usize, blocks: usize) -> Result<Vec<Mutex<Block>>> {
    (0..blocks)
        .map(|block| {
            let mut own = Vec::with_capacity(size(count, blocks, block) * factors);
            for id in (block..count).step_by(blocks) {
                own.extend_from_slice(&values[id * factors..(id + 1) * factors]);
            }
            let count = size(count, blocks, block);
            Ok(Mutex::new(Block { rows: padded(&own, count, factors)?, biases: vec![0.0; count] }))
        })
        .collect()
}

impl Task for SvdBlocks {
    fn run(&mut self, epochs: usize, monitor: &mut dyn Monitor) -> Result<()> {
        let (isa, blocks) = (Isa::active(), self.users.len());
        for _ in 0..epochs {
            for shift in 0..blocks {
                for_each_chunk(
                    blocks,
                    monitor,
                    || (),
                    |block, ()| self.run_cell(isa, block, (block + shift) % blocks),
                )?;
            }
            monitor.advance(self.n_ratings as u64);
            if monitor.cancelled() {
                return Err(Error::Cancelled);
            }
        }
        Ok(())
    }

    /// bu, bi, pu, qi.
    fn parameters(&self) -> Vec<(Vec<f64>, usize)> {
        let (user_rows, user_biases) = self.gathered(&self.users, self.n_users);
        let (item_rows, item_biases) = self.gathered(&self.items, self.n_items);
        vec![(user_biases, 0), (item_biases, 0), (user_rows, self.factors), (item_rows, self.factors)]
    }
}

#[cfg(test)]
mod tests {
    use super::SvdBlocks;
    use crate::core::error::Error;
    use crate::recommend::fit::{Progress, Task};
    use crate::recommend::ratings::Ratings;
    use crate::recommend::svd::{Svd, SvdOptions};
    use ironhorn_kernels::cpu::factor::Rate;

    const OPTIONS: SvdOptions = {
        let rate = Rate { learning_rate: 0.02, regularization: 0.02 };
        SvdOptions { biased: true, mean: 3.0, user_bias: rate, item_bias: rate, user_factors: rate, item_factors: rate }
    };

    fn ratings() -> Ratings {
        let users: Vec<u32> = (0..500).map(|k| k * 7 % 31).collect();
        let items: Vec<u32> = (0..500).map(|k| (k * k + k / 7) % 23).collect();
        let values: Vec<f64> = users.iter().zip(&items).map(|(u, i)| f64::from((u * i) % 5) + 1.0).collect();
        Ratings::from_columns(&users, &items, &values, 31, 23).unwrap()
    }

    fn start(rows: usize, factors: usize) -> Vec<f64> {
        (0..rows * factors).map(|k| (k * 37 % 101) as f64 / 505.0 - 0.1).collect()
    }

    fn fit(blocks: usize) -> SvdBlocks {
        SvdBlocks::new(&ratings(), OPTIONS, 5, &start(31, 5), &start(23, 5), blocks).unwrap()
    }

    #[test]
    fn one_block_is_the_plain_fit() {
        let mut plain = Svd::new(ratings(), OPTIONS, 5, &start(31, 5), &start(23, 5)).unwrap();
        plain.run(4, &mut &Progress::default()).unwrap();
        let mut one = fit(1);
        one.run(4, &mut &Progress::default()).unwrap();
        let (want, got) = (plain.model(), one.parameters());
        assert_eq!((&got[0].0, &got[1].0), (&want.user_biases, &want.item_biases));
        assert_eq!((&got[2].0, &got[3].0), (&want.user_factors, &want.item_factors));
    }

    #[test]
    fn every_rating_is_in_one_cell_and_fits_repeat() {
        for blocks in [2, 3, 7, 40] {
            let (mut one, mut two) = (fit(blocks), fit(blocks));
            assert_eq!(one.cells.iter().map(Ratings::len).sum::<usize>(), 500);
            assert_eq!(one.parameters()[2].0, start(31, 5));
            assert_eq!(one.parameters()[3].0, start(23, 5));
            one.run(6, &mut &Progress::default()).unwrap();
            for _ in 0..6 {
                two.run(1, &mut &Progress::default()).unwrap();
            }
            assert_eq!(one.parameters(), two.parameters());
        }
    }

    #[test]
    fn stops_when_told_and_wants_a_block() {
        let progress = Progress::default();
        progress.cancel();
        assert_eq!(fit(2).run(1, &mut &progress), Err(Error::Cancelled));
        let error = SvdBlocks::new(&ratings(), OPTIONS, 0, &[], &[], 0).unwrap_err();
        assert_eq!(error.message(), "a fit in 0 blocks: there must be 1 or more");
    }
}
