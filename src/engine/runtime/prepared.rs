//! What compiled functions keep from run to run: the items that their plans' prologues made, folded and packed weights.
//!
//! ```text
//! run: lock variables -> is the plan's block of their versions? -> run the main steps on it
//!                                    | no
//!                                    v
//!      under one lock: take over what other plans' blocks have of the same recipes and versions, make the rest
//! ```
//!
//! A *block* is the items of one plan, each of the versions of the variables that it was made of. It is never changed: a run
//! keeps the block that it began with. The variables are locked while a block is looked up, made and used, so that their
//! versions are those of one state.
//!
//! Memory: plans of one function share equal items. Blocks of old versions are dropped, and their memory is used again,
//! when the next block is made. Beside the block made last, others are kept while all items together take no more than
//! twice that block, or 64 MiB; those that were not used for longest go.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::cancel::Interrupt;
use super::executor::{Task, run};
use super::variable::Variable;
use crate::core::{Result, Storage};
use crate::program::prologue::{Item, Prologue, RecipeId, Recipes};
use crate::program::{Plan, Program};

/// Bytes of items that a function may keep in any case.
const KEPT: usize = 64 << 20;

/// Held while a block is made: threads that need the same one wait for it, and forks do not meet it half made.
static MAKING: Mutex<()> = Mutex::new(());

/// Keeps the lock under which blocks are made; see [`super::fork`].
pub fn hold() -> impl Sized {
    lock(&MAKING)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An item's memory, and the versions of the variable slots that it was made of.
struct Made {
    storage: Storage,
    versions: Vec<(usize, u64)>,
}

impl Made {
    fn is_current(&self, variables: &[Arc<Variable>]) -> bool {
        self.versions.iter().all(|&(slot, version)| variables[slot].version() == version)
    }
}

/// The items of one plan.
pub struct Block {
    items: Vec<Arc<Made>>,
    addresses: Vec<*const u8>,
    versions: Vec<(usize, u64)>,
}

// SAFETY: the addresses point into the items' memory, which is only read.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    pub fn addresses(&self) -> &[*const u8] {
        &self.addresses
    }

    fn is_current(&self, variables: &[Arc<Variable>]) -> bool {
        self.versions.iter().all(|&(slot, version)| variables[slot].version() == version)
    }

    fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.storage.len()).sum()
    }
}

/// A plan with what its prologue has made.
pub struct Ready {
    pub plan: Arc<Plan>,
    block: Mutex<Option<Arc<Block>>>,
    /// When it last ran, by the store's clock.
    used: AtomicU64,
}

/// What the plans of one function share.
#[derive(Default)]
pub struct Store {
    recipes: Mutex<Recipes>,
    /// The plans that have a prologue.
    plans: Mutex<Vec<Weak<Ready>>>,
    clock: AtomicU64,
}

impl Store {
    /// Plans `program`, with a prologue where it has stable values.
    pub fn plan(&self, program: &Program, sizes: &[Vec<usize>]) -> Result<Arc<Ready>> {
        let plan = Arc::new(Plan::with_prologue(program, sizes, &mut lock(&self.recipes))?);
        let ready = Arc::new(Ready { plan, block: Mutex::new(None), used: AtomicU64::new(0) });
        if ready.plan.prologue.is_some() {
            let mut plans = lock(&self.plans);
            plans.retain(|plan| plan.strong_count() > 0);
            plans.push(Arc::downgrade(&ready));
        }
        Ok(ready)
    }

    /// Bytes of all items that are kept.
    pub fn bytes(&self) -> usize {
        distinct_bytes(&self.with_blocks())
    }

    /// The plans that have a block, with it.
    fn with_blocks(&self) -> Vec<(Arc<Ready>, Arc<Block>)> {
        let plans: Vec<Arc<Ready>> = lock(&self.plans).iter().filter_map(Weak::upgrade).collect();
        plans
            .into_iter()
            .filter_map(|ready| lock(&ready.block).clone().map(|block| (Arc::clone(&ready), block)))
            .collect()
    }

    /// The items that `ready` reads, made of what the variables hold now; `None` where it has no prologue.
    ///
    /// # Safety
    /// `variables` are locked, and `addresses` is where they lie.
    pub unsafe fn prepared(
        &self,
        ready: &Ready,
        variables: &[Arc<Variable>],
        addresses: &[*mut u8],
    ) -> Result<Option<Arc<Block>>> {
        let Some(prologue) = &ready.plan.prologue else { return Ok(None) };
        ready.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let current = || lock(&ready.block).clone().filter(|block| block.is_current(variables));
        if let Some(block) = current() {
            return Ok(Some(block));
        }
        let _making = lock(&MAKING);
        if let Some(block) = current() {
            return Ok(Some(block));
        }
        let mut there: HashMap<RecipeId, Arc<Made>> = HashMap::new();
        let mut free = Vec::new();
        for (other, block) in self.with_blocks() {
            if let Some(prologue) = &other.plan.prologue {
                let current = prologue.items.iter().zip(&block.items).filter(|(_, made)| made.is_current(variables));
                there.extend(current.map(|(item, made)| (item.recipe, Arc::clone(made))));
            }
            if !block.is_current(variables) {
                *lock(&other.block) = None;
                free.push(block);
            }
        }
        let mut free = unused(free);
        // SAFETY: by this function's contract.
        let block = Arc::new(unsafe { make(prologue, variables, addresses, &there, &mut free)? });
        drop((there, free));
        *lock(&ready.block) = Some(Arc::clone(&block));
        self.forget(ready, &block);
        Ok(Some(block))
    }

    /// Drops blocks of other plans that were not used for longest, until what is kept is little beside `block`.
    fn forget(&self, ready: &Ready, block: &Block) {
        let most = KEPT.max(2 * block.bytes());
        let mut blocks = self.with_blocks();
        blocks.sort_by_key(|(other, _)| std::cmp::Reverse(other.used.load(Ordering::Relaxed)));
        while distinct_bytes(&blocks) > most {
            match blocks.pop() {
                Some((other, _)) if std::ptr::eq(Arc::as_ptr(&other), ready) => {}
                Some((other, _)) => *lock(&other.block) = None,
                None => break,
            }
        }
    }
}

/// The bytes of blocks that may share items.
fn distinct_bytes(blocks: &[(Arc<Ready>, Arc<Block>)]) -> usize {
    let items: HashMap<*const Made, usize> =
        blocks.iter().flat_map(|(_, block)| &block.items).map(|made| (Arc::as_ptr(made), made.storage.len())).collect();
    items.values().sum()
}

/// The memory of old blocks that nobody else has.
fn unused(blocks: Vec<Arc<Block>>) -> Vec<Storage> {
    let mut items: Vec<Arc<Made>> = Vec::new();
    for block in blocks.into_iter().filter_map(Arc::into_inner) {
        items.extend(block.items);
    }
    items.sort_by_key(Arc::as_ptr);
    items.dedup_by(|a, b| Arc::ptr_eq(a, b));
    items.into_iter().filter_map(Arc::into_inner).map(|made| made.storage).collect()
}

/// Makes the items that are not `there`, in `free` memory where some fits.
///
/// # Safety
/// `variables` are locked, and `addresses` is where they lie.
unsafe fn make(
    prologue: &Prologue,
    variables: &[Arc<Variable>],
    addresses: &[*mut u8],
    there: &HashMap<RecipeId, Arc<Made>>,
    free: &mut Vec<Storage>,
) -> Result<Block> {
    let versions = |slots: &[usize]| slots.iter().map(|&slot| (slot, variables[slot].version())).collect::<Vec<_>>();
    let mut missing = Vec::with_capacity(prologue.items.len());
    let mut items = Vec::with_capacity(prologue.items.len());
    for item in &prologue.items {
        let found = there.get(&item.recipe).cloned();
        missing.push(found.is_none());
        items.push(match found {
            Some(made) => made,
            None => Arc::new(Made { storage: memory(item, free)?, versions: versions(&item.variables) }),
        });
    }
    if missing.contains(&true) {
        let outputs: Vec<*mut u8> = items.iter().map(|made| made.storage.as_ptr()).collect();
        let task = Task {
            plan: Arc::new(prologue.part(&missing)),
            inputs: &[],
            variables: addresses,
            outputs: &outputs,
            prepared: &[],
            feed: None,
            steps: 1,
        };
        // It is short, and asking for signals would take the GIL, for which a fork may wait that waits for this lock.
        let mut never = || false;
        // SAFETY: the variables are locked by this function's contract; the part writes the missing items only, which are
        // this call's own, and reads the others.
        unsafe { run(task, &mut Interrupt::new(&mut never), &mut 0)? };
    }
    let addresses = items.iter().map(|made| made.storage.as_ptr().cast_const()).collect();
    Ok(Block { items, addresses, versions: versions(&prologue.variables) })
}

fn memory(item: &Item, free: &mut Vec<Storage>) -> Result<Storage> {
    match free.iter().position(|storage| storage.len() == item.bytes) {
        Some(index) => Ok(free.swap_remove(index)),
        None => Storage::zeroed(item.bytes),
    }
}
