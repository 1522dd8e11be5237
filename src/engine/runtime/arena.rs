//! One pool of arenas: many plans, few blocks of memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::core::{Result, Storage};

static FREE: Mutex<Vec<Storage>> = Mutex::new(Vec::new());

/// Arenas that are kept when nobody uses them.
static KEPT: AtomicUsize = AtomicUsize::new(4);

/// Says that a run uses `count` arenas at once.
pub fn keep(count: usize) {
    KEPT.fetch_max(count, Ordering::Relaxed);
}

/// An arena for the length of one run, or of a group of steps.
pub struct Arena(Option<Storage>);

impl Arena {
    /// An arena of at least `bytes`: the smallest free one that fits, else a new one.
    pub fn take(bytes: usize) -> Result<Arena> {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = free.iter().enumerate().filter(|(_, storage)| storage.len() >= bytes);
        let best = fits.min_by_key(|(_, storage)| storage.len()).map(|(index, _)| index);
        // An arena much larger than asked for stays for those who need it.
        let best = best.filter(|&index| free[index].len() <= bytes.max(1 << 20) * 8);
        let storage = if let Some(index) = best {
            free.swap_remove(index)
        } else {
            drop(free);
            Storage::zeroed(bytes)?
        };
        Ok(Arena(Some(storage)))
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.0.as_ref().map_or(std::ptr::null_mut(), Storage::as_ptr)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if let Some(storage) = self.0.take() {
            let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
            free.push(storage);
            if free.len() > KEPT.load(Ordering::Relaxed) {
                let smallest = free.iter().enumerate().min_by_key(|(_, storage)| storage.len()).map(|(index, _)| index);
                if let Some(smallest) = smallest {
                    drop(free.swap_remove(smallest));
                }
            }
        }
    }
}

/// Keeps the pool's lock; see [`super::fork`].
pub fn hold() -> impl Sized {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives back every free arena to the system.
pub fn release() {
    FREE.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
