//! Code of somebody else's that runs in a call which has nothing to do with it: a waker, a predicate. Whoever makes that
//! call does not suffer if it panics; the panic hook has told of it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs it; this is `otherwise` if it panics. What it panics with goes quietly, too.
#[inline]
pub(crate) fn guarded<R>(otherwise: R, run: impl FnOnce() -> R) -> R {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result,
        // A model checker that has found something must be heard.
        Err(panic) if crate::sync::MODELLED => resume_unwind(panic),
        Err(panic) => {
            #[expect(clippy::mem_forget, reason = "it panics when it is dropped, as what it came from did")]
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
                std::mem::forget(again);
            }
            otherwise
        }
    }
}
