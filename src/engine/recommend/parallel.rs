//! Work in chunks that do not depend on one another, on all threads of the process.

use super::fit::Monitor;
use crate::core::error::{Error, Result};
use crate::runtime::threads;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Runs `work` for each chunk once. Any thread may run any chunk, so a chunk writes only what is its own. Each thread
/// makes its own `state` (buffers); the calling thread looks at the monitor between its chunks.
///
/// # Errors
/// [`Error::Cancelled`] when the monitor says so; some chunks have not been run then.
pub fn for_each_chunk<S>(
    chunks: usize,
    monitor: &mut dyn Monitor,
    state: impl Fn() -> S + Sync,
    work: impl Fn(usize, &mut S) + Sync,
) -> Result<()> {
    let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let claim = || {
        let chunk = next.fetch_add(1, Ordering::Relaxed);
        (chunk < chunks && !stopped.load(Ordering::Relaxed)).then_some(chunk)
    };
    let help = |stop: &mut dyn FnMut() -> bool| {
        let Some(mut chunk) = claim() else { return };
        let mut own = state();
        loop {
            work(chunk, &mut own);
            if stop() {
                stopped.store(true, Ordering::Relaxed);
            }
            match claim() {
                Some(more) => chunk = more,
                None => return,
            }
        }
    };
    match threads::helpers() {
        Some(pool) if chunks > 1 => pool.in_place_scope(|scope| {
            for _ in 0..pool.current_num_threads().min(chunks - 1) {
                scope.spawn(|_| help(&mut || false));
            }
            help(&mut || monitor.cancelled());
        }),
        _ => help(&mut || monitor.cancelled()),
    }
    if stopped.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::for_each_chunk;
    use crate::core::error::Error;
    use crate::recommend::fit::Progress;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_chunk_runs_once_or_stops() {
        let progress = Progress::default();
        let counts: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
        let work = |chunk: usize, (): &mut ()| {
            counts[chunk].fetch_add(1, Ordering::Relaxed);
        };
        for_each_chunk(100, &mut &progress, || (), work).unwrap();
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        for_each_chunk(0, &mut &progress, || (), work).unwrap();
        progress.cancel();
        assert_eq!(for_each_chunk(1_000_000, &mut &progress, || (), |_, ()| ()), Err(Error::Cancelled));
    }
}
