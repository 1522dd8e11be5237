//! Whether the run that this thread works for is to end: what kernels that take long, such as loops, ask between steps.
//!
//! The executor says how to find out while it runs a kernel ([`during`]). The kernel asks ([`requested`]) and ends with
//! `Error::Cancelled` when the answer is yes.

use std::cell::Cell;
use std::ptr::NonNull;

type Ask<'a> = dyn FnMut() -> bool + 'a;

thread_local! {
    static ASK: Cell<Option<NonNull<Ask<'static>>>> = const { Cell::new(None) };
}

/// Puts back what this thread asked before.
struct Restore(Option<NonNull<Ask<'static>>>);

impl Drop for Restore {
    fn drop(&mut self) {
        ASK.set(self.0);
    }
}

/// Runs `work`, in which [`requested`] asks `ask`.
pub fn during<R>(ask: &mut Ask, work: impl FnOnce() -> R) -> R {
    let asked = NonNull::from(ask);
    // SAFETY: only the lifetime changes. The pointer is used by this thread alone and within this call: `Restore` takes it
    // out when `work` returns or unwinds, and `ask` is borrowed until then.
    let asked = unsafe { std::mem::transmute::<NonNull<Ask<'_>>, NonNull<Ask<'static>>>(asked) };
    let _restore = Restore(ASK.replace(Some(asked)));
    work()
}

/// Runs `work`, in which nothing may end early: variables are being written.
pub fn never<R>(work: impl FnOnce() -> R) -> R {
    let _restore = Restore(ASK.take());
    work()
}

/// Whether to end now. `false` where nobody said how to find out.
pub fn requested() -> bool {
    let Some(mut ask) = ASK.take() else { return false };
    let _restore = Restore(Some(ask));
    // SAFETY: `during` has not returned, so the closure that it borrows lives; it was taken out, so no second call borrows
    // it meanwhile.
    unsafe { ask.as_mut()() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_answer_counts() {
        assert!(!requested());
        let mut asked = 0;
        let mut ask = || {
            asked += 1;
            // Asking while being asked is answered with no.
            requested() || asked > 1
        };
        let answers = during(&mut ask, || {
            let first = requested();
            let inner = during(&mut || true, requested);
            (first, inner, never(requested), requested())
        });
        assert_eq!(answers, (false, true, false, true));
        assert!(!requested());
    }

    #[test]
    fn an_unwinding_run_leaves_nothing_behind() {
        let caught = std::panic::catch_unwind(|| during(&mut || true, || panic!("in a kernel")));
        assert!(caught.is_err() && !requested());
    }
}
