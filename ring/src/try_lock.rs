//! A value behind a flag that is tried, never waited for.
//!
//! For state that one thread uses nearly always and that has another way out when it is taken: a publisher's spare
//! buffers (taken: allocate), a lane of staged messages (taken: somebody is draining it). Whoever must get in spins and
//! gives way; nothing sleeps on it. Two uncontended atomic operations a use, no system call.

use crate::sync::{self, AtomicBool, Ordering, UnsafeCell, broken, ordering, thread};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A value that at most one thread at a time may use.
///
/// ```
/// let counter = ringmain_ring::TryLock::new(1);
/// let mut held = counter.try_lock().expect("nobody else is here");
/// *held += 1;
/// assert!(counter.try_lock().is_none());
/// drop(held);
/// assert_eq!(*counter.try_lock().unwrap(), 2);
/// ```
pub struct TryLock<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the flag lets one thread at a time at the value, so sharing the lock moves the value between threads at most.
unsafe impl<T: Send> Sync for TryLock<T> {}
// SAFETY: moving the lock moves the value.
unsafe impl<T: Send> Send for TryLock<T> {}

impl<T> TryLock<T> {
    /// Wraps `value`.
    pub fn new(value: T) -> Self {
        Self { held: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The value, unless somebody else uses it.
    #[inline]
    pub fn try_lock(&self) -> Option<TryLockGuard<'_, T>> {
        // Acquire: pairs with the release store in the guard's drop.
        let acquire = ordering("try_lock.acquire", Ordering::Acquire);
        // A compare-and-swap, not a swap: who finds it taken writes nothing, and leaves the line to who has it.
        let taken = self.held.compare_exchange(false, true, acquire, Ordering::Relaxed).is_err();
        if taken && !broken("try_lock.open") {
            None
        } else {
            Some(TryLockGuard { lock: self, not_sync: PhantomData })
        }
    }

    /// The value, spinning and giving way until whoever uses it is done. For uses that are known to be short.
    #[inline]
    pub fn lock(&self) -> TryLockGuard<'_, T> {
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            self.give_way();
        }
    }

    #[cold]
    fn give_way(&self) {
        for _ in 0..64 {
            if sync::MODELLED {
                break; // a model's interest is in the giving way
            }
            if !self.held.load(Ordering::Relaxed) {
                return;
            }
            sync::spin_hint();
        }
        thread::yield_now();
    }
}

impl<T> fmt::Debug for TryLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryLock").finish_non_exhaustive()
    }
}

impl<T: Default> Default for TryLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// The right to use the value of a [`TryLock`], until dropped.
#[must_use = "dropping the guard gives the value free"]
pub struct TryLockGuard<'a, T> {
    lock: &'a TryLock<T>,
    /// Takes away the Sync that a reference to the lock has: it asks for `T: Send` only, but a guard shared among
    /// threads gives them `&T` at the same time.
    not_sync: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives `&T` and nothing else.
unsafe impl<T: Sync> Sync for TryLockGuard<'_, T> {}
// SAFETY: the flag belongs to no thread, so the guard may be dropped on another; the value goes with it.
unsafe impl<T: Send> Send for TryLockGuard<'_, T> {}

impl<T> Deref for TryLockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: we hold the flag, so nobody else has a reference; ours ends with the guard's borrow.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for TryLockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: we hold the flag, and the guard is borrowed mutably.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for TryLockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the acquire in `try_lock`.
        self.lock.held.store(false, ordering("try_lock.release", Ordering::Release));
    }
}

impl<T: fmt::Debug> fmt::Debug for TryLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
