//! What every fit shares: how it is watched and stopped.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Watches a fit from another thread. Both calls are cheap and come every few thousand ratings at the latest.
pub trait Monitor: Sync {
    /// Whether the fit should stop at the next user.
    fn cancelled(&self) -> bool;
    /// `ratings` more were used for training.
    fn advance(&self, ratings: u64);
}

/// A [`Monitor`] made of two atomics: how far a fit is, and a switch that stops it.
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
}

impl Monitor for Progress {
    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn advance(&self, ratings: u64) {
        self.done.fetch_add(ratings, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Monitor, Progress};

    #[test]
    fn progress_counts_and_stops() {
        let progress = Progress::default();
        progress.advance(3);
        progress.advance(4);
        assert_eq!(progress.done(), 7);
        assert!(!progress.cancelled());
        progress.cancel();
        assert!(progress.cancelled());
    }
}
