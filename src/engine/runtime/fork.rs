//! Forking: the locks of the process are held over the fork, so that the child finds them free.
//!
//! A thread that held one of them while another forked would leave it locked for ever in the child. The forking thread
//! therefore takes all of them before the fork and gives them back after it, in the parent and in the child.

use std::any::Any;
use std::cell::RefCell;

use super::{arena, eager, prepared, profile, threads};

thread_local! {
    static HELD: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// Called before a fork, by the thread that forks.
pub fn before() {
    // First the one under which the others are taken.
    let held: Vec<Box<dyn Any>> = vec![
        Box::new(prepared::hold()),
        Box::new(threads::hold()),
        Box::new(arena::hold()),
        Box::new(eager::hold()),
        Box::new(profile::hold()),
    ];
    HELD.with_borrow_mut(|slot| *slot = held);
}

/// Called after a fork, in the parent and in the child.
pub fn after() {
    HELD.with_borrow_mut(Vec::clear);
}
