//! NMF in blocks that run side by side, see [`super::blocks`]: each cell gathers for its users and items, and when all have
//! done so every block's factors are multiplied. Sums run in another order than on one thread; biases, which step during
//! the sweep, do so too.

use super::blocks::{Block, Cells, gather, taken};
use super::fit::{Monitor, Task};
use super::nmf::{NmfOptions, counts};
use super::parallel::for_each_chunk;
use super::ratings::Ratings;
use super::start::Start;
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::factor::Factor;
use ironhorn_kernels::cpu::factor_nonnegative::{Items, Sweep, User, multiply, sweep};
use ironhorn_kernels::cpu::simd::Isa;
use std::sync::Mutex;

/// What is gathered for the rows of a block, and how much each row is held back.
#[derive(Debug)]
struct Gathered<T: Factor> {
    numerators: Vec<T::Line>,
    denominators: Vec<T::Line>,
    /// Regularisation times the number of ratings; nothing for a row without any.
    penalties: Vec<Option<f64>>,
}

/// One side of the ratings.
#[derive(Debug)]
struct Side<T: Factor> {
    blocks: Vec<Mutex<Block<T>>>,
    gathered: Vec<Mutex<Gathered<T>>>,
}

/// A fit that is under way.
#[derive(Debug)]
pub struct NmfBlocks<T: Factor> {
    cells: Cells,
    plan: Sweep,
    factors: usize,
    users: Side<T>,
    items: Side<T>,
}

impl<T: Factor> Side<T> {
    fn new(blocks: Vec<Mutex<Block<T>>>, counts: &[usize], penalty: f64) -> Self {
        let gathered = blocks.iter().enumerate().map(|(index, block)| {
            let empty = vec![T::Line::default(); taken(block).rows.len()];
            let own = counts.iter().skip(index).step_by(blocks.len());
            let penalties = own.map(|&count| (count > 0).then_some(count as f64 * penalty)).collect();
            Mutex::new(Gathered { numerators: empty.clone(), denominators: empty, penalties })
        });
        Self { gathered: gathered.collect(), blocks }
    }

    /// Multiplies the rows of a block by what was gathered, which starts again from zero.
    fn multiply(&self, isa: Isa, index: usize, width: usize) {
        let (mut block, mut gathered) = (taken(&self.blocks[index]), taken(&self.gathered[index]));
        let Gathered { numerators, denominators, penalties } = &mut *gathered;
        for (row, penalty) in penalties.iter().enumerate() {
            let range = row * width..(row + 1) * width;
            if let Some(penalty) = *penalty {
                let (up, down) = (&numerators[range.clone()], &denominators[range.clone()]);
                multiply::<T>(isa, &mut block.rows[range], up, down, penalty);
            }
        }
        numerators.fill(T::Line::default());
        denominators.fill(T::Line::default());
    }
}

impl<T: Factor> NmfBlocks<T> {
    /// A fit that starts from these factors and biases.
    ///
    /// # Errors
    /// No blocks, arrays of another size, a mean or rate that is not finite, too little memory.
    pub fn new(ratings: &Ratings, options: NmfOptions, start: &Start<'_>, blocks: usize) -> Result<Self> {
        let plan = options.checked::<T>(ratings, start)?;
        let cells = Cells::new(ratings, blocks)?;
        let (user_biases, item_biases) = start.biases(ratings.n_users(), ratings.n_items());
        let (user_counts, item_counts) = counts(ratings);
        let users = cells.deal_users(start.user_factors, &user_biases)?;
        let items = cells.deal_items(start.item_factors, &item_biases)?;
        Ok(Self {
            users: Side::new(users, &user_counts, options.user_penalty),
            items: Side::new(items, &item_counts, options.item_penalty),
            cells,
            plan,
            factors: start.factors,
        })
    }

    fn run_cell(&self, isa: Isa, user_block: usize, item_block: usize) {
        let (mut users, mut of_users) =
            (taken(&self.users.blocks[user_block]), taken(&self.users.gathered[user_block]));
        let (mut items, mut of_items) =
            (taken(&self.items.blocks[item_block]), taken(&self.items.gathered[item_block]));
        let (users, of_users, items, of_items) = (&mut *users, &mut *of_users, &mut *items, &mut *of_items);
        let cell = self.cells.of(user_block, item_block);
        let mut items = Items::<T> {
            biases: &mut items.biases,
            rows: &items.rows,
            numerators: &mut of_items.numerators,
            denominators: &mut of_items.denominators,
        };
        for (user, positions) in cell.runs() {
            let row = user * self.plan.lines..(user + 1) * self.plan.lines;
            let mut own = User::<T> {
                bias: &mut users.biases[user],
                row: &users.rows[row.clone()],
                numerator: &mut of_users.numerators[row.clone()],
                denominator: &mut of_users.denominators[row],
            };
            sweep::<T>(isa, &self.plan, cell.part(positions), &mut own, &mut items);
        }
    }
}

impl<T: Factor> Task for NmfBlocks<T> {
    fn run(&mut self, epochs: usize, monitor: &mut dyn Monitor) -> Result<()> {
        let (isa, blocks, width) = (Isa::active(), self.cells.blocks(), self.plan.lines);
        for _ in 0..epochs {
            self.cells.for_each(0..blocks, monitor, |users, items| self.run_cell(isa, users, items))?;
            for_each_chunk(
                2 * blocks,
                monitor,
                || (),
                |chunk, ()| {
                    let side = if chunk < blocks { &self.users } else { &self.items };
                    side.multiply(isa, chunk % blocks, width);
                },
            )?;
            monitor.advance(self.cells.n_ratings() as u64);
            if monitor.cancelled() {
                return Err(Error::Cancelled);
            }
        }
        Ok(())
    }

    /// bu, bi, pu, qi.
    fn parameters(&self) -> Vec<(Vec<f64>, usize)> {
        let (user_rows, user_biases) = gather(&self.users.blocks, self.factors);
        let (item_rows, item_biases) = gather(&self.items.blocks, self.factors);
        vec![(user_biases, 0), (item_biases, 0), (user_rows, self.factors), (item_rows, self.factors)]
    }
}

#[cfg(test)]
mod tests {
    use super::NmfBlocks;
    use crate::core::error::Error;
    use crate::recommend::blocks::tests::ratings;
    use crate::recommend::fit::{Progress, Task};
    use crate::recommend::nmf::{Nmf, NmfOptions};
    use crate::recommend::start::Start;
    use ironhorn_kernels::cpu::factor::{Factor, Rate};
    use std::sync::Arc;

    fn options(biased: bool) -> NmfOptions {
        let rate = Rate { learning_rate: 0.01, regularization: 0.02 };
        NmfOptions { biased, mean: 3.0, user_bias: rate, item_bias: rate, user_penalty: 0.06, item_penalty: 0.05 }
    }

    fn start(rows: usize) -> Vec<f64> {
        (0..rows * 5).map(|k| (k * 37 % 101) as f64 / 101.0).collect()
    }

    fn fit<T: Factor>(biased: bool, blocks: usize) -> NmfBlocks<T> {
        let (users, items) = (start(31), start(23));
        let start = Start { factors: 5, user_factors: &users, item_factors: &items, biases: None };
        NmfBlocks::new(&ratings(), options(biased), &start, blocks).unwrap()
    }

    /// The largest distance of parameters from those of the fit on one thread.
    fn gap<T: Factor>(biased: bool, blocks: usize) -> f64 {
        let (users, items) = (start(31), start(23));
        let start = Start { factors: 5, user_factors: &users, item_factors: &items, biases: None };
        let mut plain = Nmf::<T>::new(Arc::new(ratings()), options(biased), &start).unwrap();
        plain.run(4, &mut &Progress::default()).unwrap();
        let mut other = fit::<T>(biased, blocks);
        other.run(4, &mut &Progress::default()).unwrap();
        let pairs = plain.parameters().into_iter().zip(other.parameters());
        pairs.flat_map(|((a, _), (b, _))| a.into_iter().zip(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn one_block_is_the_plain_fit_and_more_are_near_it() {
        assert!(gap::<f64>(true, 1) < 1e-12 && gap::<f32>(true, 1) < 1e-5);
        // Without biases only the order of sums differs.
        assert!(gap::<f64>(false, 3) < 1e-12);
        assert!(gap::<f64>(true, 3) < 0.05);
    }

    #[test]
    fn fits_repeat_and_stop() {
        for blocks in [2, 3, 40] {
            let (mut one, mut two) = (fit::<f64>(true, blocks), fit::<f64>(true, blocks));
            one.run(6, &mut &Progress::default()).unwrap();
            for _ in 0..6 {
                two.run(1, &mut &Progress::default()).unwrap();
            }
            assert_eq!(one.parameters(), two.parameters());
        }
        let progress = Progress::default();
        progress.cancel();
        assert_eq!(fit::<f64>(true, 2).run(1, &mut &progress), Err(Error::Cancelled));
    }
}
