//! Variables: all state that outlives a call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::core::{Array, Error, Result, Spec};

/// An array that programs read and write in place. Its shape and type never change.
pub struct Variable {
    /// Unique in the process; locks are taken in this order.
    pub id: u64,
    spec: Spec,
    array: RwLock<Array>,
    version: AtomicU64,
}

impl Variable {
    pub fn new(array: Array) -> Arc<Variable> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Arc::new(Variable {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            spec: array.spec(),
            array: RwLock::new(array),
            version: AtomicU64::new(0),
        })
    }

    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Counts writes. It changes before the lock under which was written is given back, so that who holds the lock sees what
    /// belongs together; what was made of the value, folded or packed, is current while this has not changed.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What the variable holds now. Later writes do not change the array that is returned.
    pub fn get(&self) -> Array {
        self.read().clone()
    }

    pub fn set(&self, array: Array) -> Result<()> {
        if array.spec() != self.spec {
            return Err(Error::shape(format!("a variable of {} cannot hold {}", self.spec, array.spec())));
        }
        let mut guard = self.array.write().unwrap_or_else(PoisonError::into_inner);
        *guard = array;
        self.written();
        Ok(())
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Array> {
        self.array.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }
}

/// The order in which variables are locked: by their ids, so that two programs cannot wait for each other.
pub fn lock_order(variables: &[Arc<Variable>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..variables.len()).collect();
    order.sort_by_key(|&slot| variables[slot].id);
    order
}

/// Locks on a program's variables for one run: shared for those it reads, exclusive for those it writes. The writes are
/// counted when the locks are given back, also after a run that failed: steps before may have written.
pub struct Held<'a> {
    readers: Vec<RwLockReadGuard<'a, Array>>,
    writers: Vec<(usize, RwLockWriteGuard<'a, Array>)>,
    /// The variables' memory, by slot.
    pub addresses: Vec<*mut u8>,
    variables: &'a [Arc<Variable>],
}

impl<'a> Held<'a> {
    /// Locks `variables` in their [`lock_order`].
    pub fn lock(variables: &'a [Arc<Variable>], order: &[usize], written: &[usize]) -> Result<Held<'a>> {
        let mut held = Held {
            readers: Vec::with_capacity(variables.len() - written.len()),
            writers: Vec::with_capacity(written.len()),
            addresses: vec![std::ptr::null_mut(); variables.len()],
            variables,
        };
        for &slot in order {
            let lock = &variables[slot].array;
            if written.contains(&slot) {
                let mut guard = lock.write().unwrap_or_else(PoisonError::into_inner);
                // Arrays handed out earlier keep what they hold.
                guard.unshare()?;
                held.addresses[slot] = guard.as_ptr().cast_mut();
                held.writers.push((slot, guard));
            } else {
                let guard = lock.read().unwrap_or_else(PoisonError::into_inner);
                held.addresses[slot] = guard.as_ptr().cast_mut();
                held.readers.push(guard);
            }
        }
        Ok(held)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for (slot, _) in &self.writers {
            self.variables[*slot].written();
        }
    }
}
