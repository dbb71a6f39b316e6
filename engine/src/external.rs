//! The caller's code that runs in the engine: handlers, and the `Drop` of payloads that he owns.
//!
//! The engine drops payloads where it has use for a slot or is done with a lease: in another publisher's call, in the
//! midst of an expiry, several at once at a close. A panic in the owner's `Drop` has no business there, and a second one
//! while the first unwinds would end the process. So it ends here; the panic hook has told of it.

use bytes::Bytes;
use ringmain_ring::sync::broken;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops a payload that the caller owns. A call of its own: inlined into all that drops a record, it would keep that from
/// being inlined on the way of messages that have no such payload.
#[inline(never)]
pub(crate) fn let_go(bytes: Bytes) {
    if broken("payload.leaks") {
        #[expect(clippy::mem_forget, reason = "the broken variant of a test")]
        return std::mem::forget(bytes);
    }
    if broken("payload.panics") {
        return drop(bytes);
    }
    let _panicked = caught(|| drop(bytes));
}

/// Runs code of the caller's: `None` if it panics. What it panics with goes quietly, too.
#[inline]
pub(crate) fn caught<R>(run: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => Some(result),
        Err(panic) => {
            #[expect(clippy::mem_forget, reason = "it panics when it is dropped, as what it came from did")]
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
                std::mem::forget(again);
            }
            None
        }
    }
}
