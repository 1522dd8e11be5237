//! What every fit shares: how it is watched and stopped.

use crate::core::error::Result;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Watches a fit. Both calls come every few thousand ratings, and once an epoch.
pub trait Monitor {
    /// Whether the fit should stop at the next user.
    fn cancelled(&mut self) -> bool;
    /// `ratings` more were used for training.
    fn advance(&mut self, ratings: u64);
}

/// A fit that is under way and knows its own epochs.
pub trait Task: Send {
    /// Goes through all ratings `epochs` times.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::core::error::Error::Cancelled) when the monitor says so.
    fn run(&mut self, epochs: usize, monitor: &mut dyn Monitor) -> Result<()>;
    /// The parameters as they are now: values, row-major, and the length of a row; 0 for a plain vector.
    fn parameters(&self) -> Vec<(Vec<f64>, usize)>;
}

/// Two atomics to watch a fit from another thread: how far it is, and a switch that stops it.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// Ratings used for training so far, over all epochs.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Makes the fit stop with [`Error::Cancelled`](crate::core::error::Error::Cancelled).
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether `cancel` was called.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

impl Monitor for &Progress {
    fn cancelled(&mut self) -> bool {
        self.is_cancelled()
    }

    fn advance(&mut self, ratings: u64) {
        self.done.fetch_add(ratings, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Monitor, Progress};

    #[test]
    fn progress_counts_and_stops() {
        let progress = Progress::default();
        let mut monitor = &progress;
        monitor.advance(3);
        monitor.advance(4);
        assert_eq!(progress.done(), 7);
        assert!(!monitor.cancelled());
        progress.cancel();
        assert!(monitor.cancelled() && progress.is_cancelled());
    }
}
