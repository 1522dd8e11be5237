//! SVD in blocks that run side by side, see [`super::blocks`]; a cell is taken user by user, in training order.

use super::blocks::{Block, Cells, gather, taken};
use super::fit::{Monitor, Task};
use super::ratings::Ratings;
use super::start::Start;
use super::svd::SvdOptions;
use crate::core::error::{Error, Result};
use ironhorn_kernels::cpu::factor::{Factor, FactorSgd};
use ironhorn_kernels::cpu::simd::Isa;
use std::sync::Mutex;

/// A fit that is under way.
#[derive(Debug)]
pub struct SvdBlocks<T: Factor> {
    cells: Cells,
    sgd: FactorSgd,
    factors: usize,
    users: Vec<Mutex<Block<T>>>,
    items: Vec<Mutex<Block<T>>>,
}

impl<T: Factor> SvdBlocks<T> {
    /// A fit that starts from these factors and biases.
    ///
    /// # Errors
    /// No blocks, arrays of another size, a mean or rate that is not finite, too little memory.
    pub fn new(ratings: &Ratings, options: SvdOptions, start: &Start<'_>, blocks: usize) -> Result<Self> {
        let sgd = options.checked::<T>(ratings, start)?;
        let cells = Cells::new(ratings, blocks)?;
        let (user_biases, item_biases) = start.biases(ratings.n_users(), ratings.n_items());
        let users = cells.deal_users(start.user_factors, &user_biases)?;
        let items = cells.deal_items(start.item_factors, &item_biases)?;
        Ok(Self { cells, sgd, factors: start.factors, users, items })
    }

    fn run_cell(&self, isa: Isa, user_block: usize, item_block: usize) {
        let (mut users, mut items) = (taken(&self.users[user_block]), taken(&self.items[item_block]));
        let (users, items) = (&mut *users, &mut *items);
        let cell = self.cells.of(user_block, item_block);
        let width = self.sgd.lines;
        for (user, positions) in cell.runs() {
            let row = &mut users.rows[user * width..(user + 1) * width];
            let rated = cell.part(positions);
            self.sgd.run::<T>(isa, rated, row, &mut users.biases[user], &mut items.rows, &mut items.biases);
        }
    }
}

impl<T: Factor> Task for SvdBlocks<T> {
    fn run(&mut self, epochs: usize, monitor: &mut dyn Monitor) -> Result<()> {
        let isa = Isa::active();
        for _ in 0..epochs {
            self.cells.for_each(0..self.cells.blocks(), monitor, |users, items| self.run_cell(isa, users, items))?;
            monitor.advance(self.cells.n_ratings() as u64);
            if monitor.cancelled() {
                return Err(Error::Cancelled);
            }
        }
        Ok(())
    }

    /// bu, bi, pu, qi.
    fn parameters(&self) -> Vec<(Vec<f64>, usize)> {
        let (user_rows, user_biases) = gather(&self.users, self.factors);
        let (item_rows, item_biases) = gather(&self.items, self.factors);
        vec![(user_biases, 0), (item_biases, 0), (user_rows, self.factors), (item_rows, self.factors)]
    }
}

#[cfg(test)]
mod tests {
    use super::SvdBlocks;
    use crate::core::error::Error;
    use crate::recommend::blocks::tests::{ratings, start};
    use crate::recommend::fit::{Progress, Task};
    use crate::recommend::start::Start;
    use crate::recommend::svd::{Svd, SvdOptions};
    use ironhorn_kernels::cpu::factor::{Factor, Rate};
    use std::sync::Arc;

    const OPTIONS: SvdOptions = {
        let rate = Rate { learning_rate: 0.02, regularization: 0.02 };
        SvdOptions { biased: true, mean: 3.0, user_bias: rate, item_bias: rate, user_factors: rate, item_factors: rate }
    };

    fn fit<T: Factor>(blocks: usize) -> SvdBlocks<T> {
        let (users, items) = (start(31, 5), start(23, 5));
        let start = Start { factors: 5, user_factors: &users, item_factors: &items, biases: None };
        SvdBlocks::new(&ratings(), OPTIONS, &start, blocks).unwrap()
    }

    fn one_block_is_plain<T: Factor>() {
        let (users, items) = (start(31, 5), start(23, 5));
        let start = Start { factors: 5, user_factors: &users, item_factors: &items, biases: None };
        let mut plain = Svd::<T>::new(Arc::new(ratings()), OPTIONS, &start).unwrap();
        plain.run(4, &mut &Progress::default()).unwrap();
        let mut one = fit::<T>(1);
        one.run(4, &mut &Progress::default()).unwrap();
        assert_eq!(plain.parameters(), one.parameters());
    }

    #[test]
    fn one_block_is_the_plain_fit() {
        one_block_is_plain::<f64>();
        one_block_is_plain::<f32>();
    }

    #[test]
    fn fits_repeat() {
        for blocks in [2, 3, 7, 40] {
            let (mut one, mut two) = (fit::<f64>(blocks), fit::<f64>(blocks));
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
    fn stops_when_told() {
        let progress = Progress::default();
        progress.cancel();
        assert_eq!(fit::<f64>(2).run(1, &mut &progress), Err(Error::Cancelled));
    }
}
