//! The caller's code that runs in the engine: handlers, and the `Drop` of payloads that he owns.
//!
//! The engine drops payloads where it has use for a slot or is done with a lease: in another publisher's call, in the
//! midst of an expiry, several at once at a close. A panic in the owner's `Drop` has no business there, and a second one
//! while the first unwinds would end the process. So it ends here; the panic hook has told of it.

use bytes::Bytes;
use ringmain_ring::sync::broken;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// Whether payloads that are let go of are put off, into the other one.
    static LATER: Cell<bool> = const { Cell::new(false) };
    static PUT_OFF: RefCell<Vec<Bytes>> = const { RefCell::new(Vec::new()) };
}

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
    if LATER.with(Cell::get) { put_off(bytes) } else { let_go_now(bytes) }
}

#[inline]
fn let_go_now(bytes: Bytes) {
    let _panicked = caught(|| drop(bytes));
}

fn put_off(bytes: Bytes) {
    let mut bytes = Some(bytes);
    let _gone = PUT_OFF.try_with(|put_off| {
        if let Some(bytes) = bytes.take() {
            put_off.borrow_mut().push(bytes);
        }
    });
    // At the end of the thread it may be gone, and then there is no later.
    if let Some(bytes) = bytes {
        let_go_now(bytes);
    }
}

/// While this lives, payloads that the calling thread lets go of are kept: until the outermost of these is dropped, which is to
/// be after the lock is given free for whose sake it was made. Their owners' `Drop` may come back to where that lock is.
#[must_use = "dropping it lets go of them"]
pub(crate) struct LetGoLater {
    outermost: bool,
    /// It belongs to its thread.
    not_send: PhantomData<*const ()>,
}

impl LetGoLater {
    #[inline]
    pub(crate) fn begin() -> Self {
        let outermost = !LATER.with(|later| later.replace(true));
        Self { outermost, not_send: PhantomData }
    }
}

impl Drop for LetGoLater {
    #[inline]
    fn drop(&mut self) {
        if self.outermost {
            let_go_of_all();
            LATER.with(|later| later.set(false));
        }
    }
}

fn let_go_of_all() {
    // Most often, and its memory stays where it is.
    if PUT_OFF.try_with(|put_off| put_off.borrow().is_empty()).unwrap_or(true) {
        return;
    }
    let put_off = || PUT_OFF.try_with(RefCell::take).unwrap_or_default();
    let mut all = put_off();
    // What these let go of in their turn comes here as well, rather than one within the other.
    while !all.is_empty() {
        all.drain(..).for_each(let_go_now);
        let more = put_off();
        if more.is_empty() {
            // Its memory is for next time.
            let _gone = PUT_OFF.try_with(|put_off| put_off.replace(all));
            return;
        }
        all = more;
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
