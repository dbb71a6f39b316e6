//! Waking later than one is told to.
//!
//! A waker is somebody else's code. It may run its task at once, and that may come back to where its notifier is: to a lock
//! that the notifier holds, which would then wait for its own thread. So whoever notifies under a lock puts the waking off
//! until the lock is given free. To those who are to be woken it is the same as a notifier that was preempted.

use super::Sleeper;
use crate::guarded::guarded;
use crate::sync::thread_local;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, needs_drop, take};
use std::sync::Arc;

/// What becomes of who is to be woken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Now,
    /// Nobody was to be woken so far.
    Later,
    /// Somebody was, and is in [`PUT_OFF`].
    Waiting,
}

/// Who was put off. Without a destructor, or it would be gone before other things of its thread are: they may begin to put
/// off, or end it, when they are dropped at the thread's end. The outermost [`WakeLater`] takes out what is in it.
type PutOff = RefCell<ManuallyDrop<Vec<Arc<Sleeper>>>>;

const _: () = assert!(!needs_drop::<PutOff>());

#[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
thread_local! {
    static WHEN: Cell<When> = const { Cell::new(When::Now) };
    static PUT_OFF: PutOff = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}
// (A model's threads have no constants.)
#[cfg(any(ringmain_loom, ringmain_shuttle))]
thread_local! {
    static WHEN: Cell<When> = Cell::new(When::Now);
    static PUT_OFF: PutOff = PutOff::default();
}

/// While this lives, whatever the calling thread notifies puts off the waking: until the outermost of these is dropped, which
/// is to be after the lock is given free for whose sake it was made. Do not wait meanwhile. One that is forgotten
/// (`mem::forget`) keeps all that its thread puts off from being woken.
///
/// ```
/// use ringmain_ring::{Notify, Sleeper, WakeLater};
/// let (notify, sleeper) = (Notify::new(), Sleeper::thread());
/// notify.register(&sleeper).stay();
/// let later = WakeLater::begin();
/// notify.notify();
/// assert!(!sleeper.is_woken());
/// drop(later);
/// assert!(sleeper.is_woken());
/// ```
#[must_use = "dropping it wakes"]
#[derive(Debug)]
pub struct WakeLater {
    outermost: bool,
    /// It belongs to its thread.
    not_send: PhantomData<*const ()>,
}

impl WakeLater {
    /// Puts off the waking from now on.
    #[inline]
    pub fn begin() -> Self {
        let outermost = WHEN.with(|when| {
            let outermost = when.get() == When::Now;
            if outermost {
                when.set(When::Later);
            }
            outermost
        });
        Self { outermost, not_send: PhantomData }
    }
}

impl Drop for WakeLater {
    #[inline]
    fn drop(&mut self) {
        if self.outermost && WHEN.with(|when| when.replace(When::Now)) == When::Waiting {
            wake_all();
        }
    }
}

#[cold]
fn wake_all() {
    // (Taken out first: a waker may put off others in its turn.)
    let sleepers = PUT_OFF.with(|put_off| take(&mut *put_off.borrow_mut()));
    ManuallyDrop::into_inner(sleepers).into_iter().for_each(now);
}

/// Wakes the sleeper, now or when the lock is given free under which somebody notifies.
pub(super) fn wake(sleeper: Arc<Sleeper>) {
    if WHEN.with(Cell::get) == When::Now {
        return now(sleeper);
    }
    PUT_OFF.with(|put_off| put_off.borrow_mut().push(sleeper));
    WHEN.with(|when| when.set(When::Waiting));
}

/// Whatever the waker does, the others are woken, and the caller, who may be in the midst of something, goes on.
fn now(sleeper: Arc<Sleeper>) {
    guarded((), || sleeper.wake());
    guarded((), || drop(sleeper));
}
