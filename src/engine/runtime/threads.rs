//! This process's worker threads: a rayon pool of its own, made at first use, made anew after a fork.
//!
//! The calling thread is always worker 0 and can finish any run alone; the pool holds the others. A forked child has none
//! of its parent's threads: it leaks the parent's pool (joining it would wait for threads that do not exist) and makes
//! its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

struct Pool {
    process: u32,
    threads: usize,
    /// The threads beside the caller; none when there is one thread.
    helpers: Option<Arc<ThreadPool>>,
}

static POOL: Mutex<Option<Pool>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<Pool>> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of threads that runs use, the caller included: `IRONHORN_NUM_THREADS`, else `OMP_NUM_THREADS`, else what
/// affinity and the cgroup's quota leave to this process.
pub fn count() -> usize {
    with_pool(|pool| pool.threads)
}

/// The threads beside the caller.
pub fn helpers() -> Option<Arc<ThreadPool>> {
    with_pool(|pool| pool.helpers.clone())
}

fn with_pool<R>(read: impl FnOnce(&Pool) -> R) -> R {
    let mut guard = lock();
    let process = std::process::id();
    if guard.as_ref().is_none_or(|pool| pool.process != process) {
        // A pool inherited over a fork is leaked: its threads are not in this process.
        std::mem::forget(guard.take());
        *guard = Some(new_pool(process));
    }
    read(guard.as_ref().expect("made above"))
}

/// The number that the environment asks for; an error where `IRONHORN_NUM_THREADS` is not a positive number.
/// `OMP_NUM_THREADS`, which others define, counts where it is one.
pub fn requested() -> Result<Option<usize>, String> {
    let positive = |text: String| text.trim().parse::<usize>().ok().filter(|&threads| threads > 0);
    match std::env::var("IRONHORN_NUM_THREADS") {
        Ok(text) => match positive(text.clone()) {
            Some(threads) => Ok(Some(threads)),
            None => Err(format!("IRONHORN_NUM_THREADS={text}: must be a number of threads, 1 or more")),
        },
        Err(_) => Ok(std::env::var("OMP_NUM_THREADS").ok().and_then(positive)),
    }
}

fn new_pool(process: u32) -> Pool {
    let wanted = requested().unwrap_or(None);
    let threads = wanted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).min(256);
    let helpers = (threads > 1)
        .then(|| {
            let name = |i| format!("ironhorn-{}", i + 1);
            ThreadPoolBuilder::new().num_threads(threads - 1).thread_name(name).build().ok().map(Arc::new)
        })
        .flatten();
    let threads = if helpers.is_some() { threads } else { 1 };
    Pool { process, threads, helpers }
}

/// Keeps the pool's lock; see [`super::fork`].
pub fn hold() -> impl Sized {
    lock()
}
