//! Fits on several threads with a result that depends on the number of blocks alone (the scheme of Gemulla, Nijkamp, Haas and
//! Sismanis, "Large-scale matrix factorization with distributed stochastic gradient descent", 2011).
//!
//! Users and items are dealt into `blocks` blocks each, so that ratings fall into a square of cells. Cells that share
//! neither users nor items cannot disturb one another:
//!
//! ```text
//! for shift in 0..blocks:
//!     for block in 0..blocks, side by side:    cell (users of block, items of block + shift)
//! ```
//!
//! Every rating is used once, in another order than on one thread: the fit is as good, but not the same numbers.

use super::fit::Monitor;
use super::parallel::for_each_chunk;
use super::ratings::Ratings;
use super::start::{padded, unpadded};
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::factor::Factor;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Ratings in cells. User `id` lies in block `id % blocks` at `id / blocks`, and items likewise.
#[derive(Debug)]
pub(super) struct Cells {
    /// Cell `(u, i)` at `u * blocks + i`, with ids within the blocks.
    ratings: Vec<Ratings>,
    blocks: usize,
    n_users: usize,
    n_items: usize,
    n_ratings: usize,
}

/// Rows and biases of the users or items of one block.
#[derive(Debug)]
pub(super) struct Block<T: Factor> {
    pub rows: Vec<T::Line>,
    pub biases: Vec<f64>,
}

/// No other cell of the same step has this block: the lock is there for the compiler.
pub(super) fn taken<B>(block: &Mutex<B>) -> MutexGuard<'_, B> {
    block.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many of `count` ids are dealt to block `block`.
fn size(count: usize, blocks: usize, block: usize) -> usize {
    (count + blocks - 1 - block) / blocks
}

impl Cells {
    /// Deals ratings; those of a user in a cell keep their order.
    ///
    /// # Errors
    /// No blocks.
    pub fn new(ratings: &Ratings, blocks: usize) -> Result<Self> {
        #[derive(Default, Clone)]
        struct Cell {
            users: Vec<u32>,
            counts: Vec<usize>,
            items: Vec<u32>,
            values: Vec<f64>,
        }
        if blocks == 0 {
            return Err(Error::Value("a fit in 0 blocks: there must be 1 or more".into()));
        }
        let (n_users, n_items) = (ratings.n_users(), ratings.n_items());
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
        let make = |(index, cell): (usize, Cell)| {
            let (of_users, of_items) = (size(n_users, blocks, index / blocks), size(n_items, blocks, index % blocks));
            Ratings::new(cell.users, &cell.counts, cell.items, cell.values, of_users, of_items)
        };
        let n_ratings = ratings.len();
        let ratings = found.into_iter().enumerate().map(make).collect::<Result<_>>()?;
        Ok(Self { ratings, blocks, n_users, n_items, n_ratings })
    }

    pub fn blocks(&self) -> usize {
        self.blocks
    }

    pub fn n_ratings(&self) -> usize {
        self.n_ratings
    }

    pub fn of(&self, user_block: usize, item_block: usize) -> &Ratings {
        &self.ratings[user_block * self.blocks + item_block]
    }

    /// Calls `work(user block, item block)` for the cells of these shifts, side by side where they share no block.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn for_each(
        &self,
        shifts: Range<usize>,
        monitor: &mut dyn Monitor,
        work: impl Fn(usize, usize) + Sync,
    ) -> Result<()> {
        for shift in shifts {
            for_each_chunk(self.blocks, monitor, || (), |block, ()| work(block, (block + shift) % self.blocks))?;
        }
        Ok(())
    }

    /// Deals the users' rows and biases into blocks.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn deal_users<T: Factor>(&self, rows: &[f64], biases: &[f64]) -> Result<Vec<Mutex<Block<T>>>> {
        deal(rows, biases, self.n_users, self.blocks)
    }

    /// Deals the items' rows and biases into blocks.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn deal_items<T: Factor>(&self, rows: &[f64], biases: &[f64]) -> Result<Vec<Mutex<Block<T>>>> {
        deal(rows, biases, self.n_items, self.blocks)
    }
}

fn deal<T: Factor>(rows: &[f64], biases: &[f64], count: usize, blocks: usize) -> Result<Vec<Mutex<Block<T>>>> {
    let factors = rows.len().checked_div(count).unwrap_or(0);
    (0..blocks)
        .map(|block| {
            let mut own = Vec::with_capacity(size(count, blocks, block) * factors);
            for id in (block..count).step_by(blocks) {
                own.extend_from_slice(&rows[id * factors..(id + 1) * factors]);
            }
            let rows = padded::<T>(&own, size(count, blocks, block), factors)?;
            Ok(Mutex::new(Block { rows, biases: biases.iter().copied().skip(block).step_by(blocks).collect() }))
        })
        .collect()
}

/// Rows of `factors` values and biases, in the order of ids.
pub(super) fn gather<T: Factor>(blocks: &[Mutex<Block<T>>], factors: usize) -> (Vec<f64>, Vec<f64>) {
    let counts: Vec<usize> = blocks.iter().map(|block| taken(block).biases.len()).collect();
    let count = counts.iter().sum::<usize>();
    let (mut rows, mut biases) = (vec![0.0; count * factors], vec![0.0; count]);
    for (index, block) in blocks.iter().enumerate() {
        let block = taken(block);
        let values = unpadded::<T>(&block.rows, factors);
        for (local, bias) in block.biases.iter().enumerate() {
            let id = local * blocks.len() + index;
            biases[id] = *bias;
            let row = &values[local * factors..(local + 1) * factors];
            rows[id * factors..(id + 1) * factors].copy_from_slice(row);
        }
    }
    (rows, biases)
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Cells, gather};
    use crate::recommend::ratings::Ratings;

    /// 500 ratings of 31 users for 23 items; some pairs twice.
    pub fn ratings() -> Ratings {
        let users: Vec<u32> = (0..500).map(|k| k * 7 % 31).collect();
        let items: Vec<u32> = (0..500).map(|k| (k * k + k / 7) % 23).collect();
        let values: Vec<f64> = users.iter().zip(&items).map(|(u, i)| f64::from((u * i) % 5) + 1.0).collect();
        Ratings::from_columns(&users, &items, &values, 31, 23).unwrap()
    }

    pub fn start(rows: usize, factors: usize) -> Vec<f64> {
        (0..rows * factors).map(|k| (k * 37 % 101) as f64 / 505.0 - 0.1).collect()
    }

    #[test]
    fn what_is_dealt_can_be_gathered() {
        for blocks in [1, 2, 3, 7, 40] {
            let cells = Cells::new(&ratings(), blocks).unwrap();
            assert_eq!(cells.ratings.iter().map(Ratings::len).sum::<usize>(), 500);
            let (rows, biases) = (start(31, 5), start(31, 1));
            assert_eq!(gather(&cells.deal_users::<f64>(&rows, &biases).unwrap(), 5), (rows, biases));
        }
        let error = Cells::new(&ratings(), 0).unwrap_err();
        assert_eq!(error.message(), "a fit in 0 blocks: there must be 1 or more");
    }
}
