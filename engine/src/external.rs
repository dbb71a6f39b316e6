//! A payload that the caller owns, and code of his that runs when it goes.
//!
//! The engine drops payloads where it has use for a slot or is done with a lease: in another publisher's call, in the
//! midst of an expiry, several at once at a close. A panic in the owner's `Drop` has no business there, and a second one
//! while the first unwinds would end the process. So it ends here; the panic hook has told of it.

use bytes::Bytes;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes of the caller's, which go quietly.
#[derive(Debug)]
pub(crate) struct External(Bytes);

impl External {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The bytes, which are the caller's again.
    pub(crate) fn into_bytes(mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }
}

impl Deref for External {
    type Target = Bytes;

    #[inline]
    fn deref(&self) -> &Bytes {
        &self.0
    }
}

impl Drop for External {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.0);
        let _panicked = caught(|| drop(bytes));
    }
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
