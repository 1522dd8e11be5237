//! How a long run hears that the user wants it to stop.

use std::time::{Duration, Instant};

/// How often a run looks at signals.
pub const INTERVAL: Duration = Duration::from_millis(50);

/// Asks, at most every [`INTERVAL`], whether to stop.
pub struct Interrupt<'a> {
    ask: &'a mut dyn FnMut() -> bool,
    next: Instant,
}

impl<'a> Interrupt<'a> {
    pub fn new(ask: &'a mut dyn FnMut() -> bool) -> Self {
        Interrupt { ask, next: Instant::now() + INTERVAL }
    }

    /// Whether the run should stop now.
    pub fn requested(&mut self) -> bool {
        if Instant::now() < self.next {
            return false;
        }
        self.next = Instant::now() + INTERVAL;
        (self.ask)()
    }
}
