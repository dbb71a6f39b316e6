//! What one thread does nearly always, without a locked instruction.
//!
//! A locked instruction (a swap, a compare-and-swap) waits until every store before it has reached the cache. Behind a
//! kilobyte of payload that is most of what a publish costs, so a ring with one publishing thread should not pay it.
//!
//! [`OwnerCell`] is a value that the first thread to use it may use from then on. [`Bias`] lets the first producer of a
//! ring claim with plain stores until a second one appears, which revokes that for good: it says so, fences heavily,
//! and waits until the owner is out of the few instructions in which it does not look. (The owner's side is a light
//! fence; where there is no cheap one, nobody is ever biased.)

use crate::sync::{
    self, AtomicBool, AtomicU64, Ordering, UnsafeCell, broken, heavy_fence, light_fence, ordering, thread,
};
use crossbeam_utils::CachePadded;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A number for the calling thread, at least 2 and never used again.
#[inline]
pub(crate) fn this_thread() -> u64 {
    #[cfg(any(ringmain_loom, ringmain_shuttle))]
    {
        use std::hash::BuildHasher;
        let hasher = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default();
        hasher.hash_one(thread::current().id()) | 3
    }
    #[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
    {
        let id = ID.get();
        if id != UNNUMBERED { id } else { new_id() }
    }
}

/// As [`this_thread`], without a call: a number that is nobody's while the thread has none.
#[inline(always)]
fn this_thread_so_far() -> u64 {
    #[cfg(any(ringmain_loom, ringmain_shuttle))]
    return this_thread();
    #[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
    ID.get()
}

/// Neither a thread's number nor "nobody yet".
#[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
const UNNUMBERED: u64 = 1;

#[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
thread_local!(static ID: std::cell::Cell<u64> = const { std::cell::Cell::new(UNNUMBERED) });

#[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
#[cold]
fn new_id() -> u64 {
    static NEXT: std::sync::LazyLock<AtomicU64> = std::sync::LazyLock::new(|| AtomicU64::new(2));
    let id = NEXT.fetch_add(2, Ordering::Relaxed);
    ID.set(id);
    id
}

/// A value for one thread: the first that uses it.
///
/// ```
/// let cell = ringmain_ring::OwnerCell::new(1);
/// *cell.enter().expect("nobody owned it") += 1;
/// std::thread::scope(|scope| {
///     scope.spawn(|| assert!(cell.enter().is_none(), "it belongs to the other thread"));
/// });
/// assert_eq!(*cell.enter().unwrap(), 2);
/// ```
pub struct OwnerCell<T> {
    owner: AtomicU64,
    /// Whether the owner is inside, so that it does not enter twice. Read and written by the owner alone.
    busy: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: one thread ever gets at the value through a shared reference; it moves there once, and to whoever drops it.
unsafe impl<T: Send> Sync for OwnerCell<T> {}
// SAFETY: moving the cell moves the value.
unsafe impl<T: Send> Send for OwnerCell<T> {}

impl<T> OwnerCell<T> {
    /// Wraps `value`; nobody owns it yet.
    pub fn new(value: T) -> Self {
        Self { owner: AtomicU64::new(0), busy: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The value, if the calling thread owns it (or nobody does yet) and does not use it already.
    #[inline]
    pub fn enter(&self) -> Option<OwnerGuard<'_, T>> {
        let me = this_thread();
        // Relaxed: only this thread ever writes this thread's number, so it reads what it wrote itself.
        let owner = self.owner.load(Ordering::Relaxed);
        let mine = owner == me
            || (owner == 0
                && self.owner.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed).is_ok());
        let mine = mine || broken("owner.unchecked");
        if !mine || self.busy.load(Ordering::Relaxed) {
            return None;
        }
        self.busy.store(true, Ordering::Relaxed);
        Some(OwnerGuard { cell: self, here: PhantomData })
    }
}

/// The right to use the value of an [`OwnerCell`], until dropped. Stays on its thread.
#[must_use = "dropping the guard ends the use"]
pub struct OwnerGuard<'a, T> {
    cell: &'a OwnerCell<T>,
    /// Neither Send nor Sync: another thread must not get at the value.
    here: PhantomData<*const ()>,
}

impl<T> Deref for OwnerGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this thread owns the value, and there is one guard at a time.
        self.cell.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for OwnerGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this thread owns the value, there is one guard at a time, and it is borrowed mutably.
        self.cell.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for OwnerGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.cell.busy.store(false, Ordering::Relaxed);
    }
}

impl<T> fmt::Debug for OwnerGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerGuard").finish_non_exhaustive()
    }
}

impl<T: Default> Default for OwnerCell<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for OwnerCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerCell").finish_non_exhaustive()
    }
}

/// Nobody is biased any more.
const REVOKED: u64 = u64::MAX;
/// Somebody is waiting for the owner to notice.
const REVOKING: u64 = u64::MAX - 2;

/// Announced by an owner that has noticed: no end of a claim.
const NOWHERE: u64 = u64::MAX;

/// Which thread may claim with plain stores.
#[derive(Debug)]
pub(crate) struct Bias {
    owner: CachePadded<AtomicU64>,
}

/// The claim cursor, and where the biased owner is about to move it: both its own, in one line.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) claimed: AtomicU64,
    /// What `claimed` is, but for the few instructions in which the owner moves it. (A flag would be one store a message
    /// more: it would have to be set and taken back.)
    announced: AtomicU64,
}

impl Cursor {
    pub(crate) fn new(start: u64) -> Self {
        Self { claimed: AtomicU64::new(start), announced: AtomicU64::new(start) }
    }
}

impl Bias {
    /// Biased towards whoever comes first.
    pub(crate) fn new() -> Self {
        let owner = if sync::light_fence_is_light() { 0 } else { REVOKED };
        Self { owner: CachePadded::new(AtomicU64::new(owner)) }
    }

    /// Whether the calling thread may try [`store`](Self::store). If not, it may swap: whoever was biased is no more.
    #[inline]
    pub(crate) fn is_mine(&self, cursor: &Cursor) -> bool {
        // Acquire: pairs with the release store in `revoke`: the owner's last plain store is visible.
        let owner = self.owner.load(ordering("bias.owner.acquire", Ordering::Acquire));
        if owner == REVOKED {
            return false;
        }
        owner == this_thread() || self.is_mine_now(cursor)
    }

    /// Whether the calling thread is the owner already: [`is_mine`](Self::is_mine) of nearly every message, without a call.
    #[inline(always)]
    pub(crate) fn is_mine_already(&self) -> bool {
        // Relaxed: only this thread ever writes this thread's number, so it reads what it wrote itself.
        self.owner.load(Ordering::Relaxed) == this_thread_so_far()
    }

    #[cold]
    fn is_mine_now(&self, cursor: &Cursor) -> bool {
        let me = this_thread();
        loop {
            // Acquire: as in `is_mine`.
            let owner = self.owner.load(ordering("bias.slow.acquire", Ordering::Acquire));
            match owner {
                0 if self.owner.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed).is_ok() => {
                    return true;
                }
                REVOKED => return false,
                0 => {}
                REVOKING => thread::yield_now(),
                _ => self.revoke(owner, cursor),
            }
        }
    }

    /// Revokes the bias, whoever had it; nobody stores from the return on.
    pub(crate) fn end(&self, cursor: &Cursor) {
        loop {
            // Acquire: as in `is_mine`.
            match self.owner.load(ordering("bias.end.acquire", Ordering::Acquire)) {
                REVOKED => return,
                REVOKING => thread::yield_now(),
                0 => {
                    // Release: as in `revoke`, though there is nothing yet that it could make visible.
                    let release = ordering("bias.end.release", Ordering::Release);
                    let _ = self.owner.compare_exchange(0, REVOKED, release, Ordering::Relaxed);
                }
                owner => self.revoke(owner, cursor),
            }
        }
    }

    /// Takes the bias from `owner`, and waits until it has noticed or cannot be in the way.
    fn revoke(&self, owner: u64, cursor: &Cursor) {
        if self.owner.compare_exchange(owner, REVOKING, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        heavy_fence("bias.revoke.no_fence"); // pairs with the light fence in `store`
        // Acquire: pairs with the release store in `store`: the cursor is where the owner left it. (If the owner was in time,
        // the fences show what it has announced, and that the cursor is there is what is waited for.)
        let acquire = ordering("bias.announced.acquire", Ordering::Acquire);
        let is_moving = || match cursor.announced.load(acquire) {
            NOWHERE => false,
            end => end != cursor.claimed.load(Ordering::Relaxed),
        };
        while is_moving() && !broken("bias.no_wait") {
            thread::yield_now();
        }
        // Release: pairs with the acquire load in `is_mine`.
        self.owner.store(REVOKED, ordering("bias.revoked.release", Ordering::Release));
    }

    /// Moves the cursor to `end`, by the owner, who alone moves it; or returns false, since it was revoked.
    #[inline(always)]
    pub(crate) fn store(&self, cursor: &Cursor, end: u64) -> bool {
        cursor.announced.store(end, Ordering::Relaxed);
        light_fence("bias.store.no_fence"); // pairs with the heavy fence in `revoke`
        let owner = self.owner.load(Ordering::Relaxed);
        let mine = owner != REVOKING && owner != REVOKED;
        if mine {
            // Relaxed: who revokes reads this word itself, and passes on that it has.
            cursor.claimed.store(end, Ordering::Relaxed);
        } else if !broken("bias.not_told") {
            // Not back to where the cursor is: we swap it like the others from now on, without waiting for the revoker.
            // Release: pairs with the acquire load in `revoke`.
            cursor.announced.store(NOWHERE, ordering("bias.nowhere.release", Ordering::Release));
        }
        mine
    }
}

#[cfg(all(test, not(ringmain_loom)))]
mod tests {
    use super::*;

    fn elsewhere<R: Send>(run: impl FnOnce() -> R + Send) -> R {
        std::thread::scope(|scope| scope.spawn(run).join().expect("it does not panic"))
    }

    #[test]
    fn every_thread_has_a_number_of_its_own() {
        let (mine, other) = (this_thread(), elsewhere(this_thread));
        assert!(mine >= 2 && other >= 2 && mine != other);
        assert_eq!(this_thread(), mine);
    }

    #[test]
    fn a_cell_is_the_first_threads_once_at_a_time() {
        let cell = OwnerCell::<u32>::default();
        let mut guard = cell.enter().expect("nobody owns it");
        *guard += 7;
        assert!(cell.enter().is_none(), "it is entered");
        assert_eq!(*guard, 7);
        drop(guard);
        assert_eq!(cell.enter().map(|guard| *guard), Some(7));
        assert!(elsewhere(|| cell.enter().is_none()), "it has an owner");
        assert!(cell.enter().is_some());
    }

    /// As where fences are light, whether they are here or not.
    fn bias() -> (Bias, Cursor) {
        (Bias { owner: CachePadded::new(AtomicU64::new(0)) }, Cursor::new(10))
    }

    #[test]
    fn the_first_thread_is_biased_until_another_comes() {
        let (bias, cursor) = bias();
        for end in [12, 14] {
            assert!(bias.is_mine(&cursor) && bias.is_mine_already());
            assert!(bias.store(&cursor, end));
            assert_eq!(cursor.claimed.load(Ordering::Relaxed), end);
        }
        assert!(!elsewhere(|| bias.is_mine(&cursor)), "it revokes, and is not biased itself");
        assert_eq!(bias.owner.load(Ordering::Relaxed), REVOKED);
        assert!(!bias.store(&cursor, 99) && !bias.is_mine(&cursor) && !bias.is_mine_already());
        assert_eq!(cursor.claimed.load(Ordering::Relaxed), 14, "what came too late was not stored");
        assert_eq!(cursor.announced.load(Ordering::Relaxed), NOWHERE, "and is not waited for");
        bias.owner.store(REVOKING, Ordering::Relaxed);
        assert!(!bias.store(&cursor, 99), "nor while somebody revokes it");
    }

    #[test]
    fn its_end_is_for_good_whoever_had_it() {
        for owned in [false, true] {
            let (bias, cursor) = bias();
            if owned {
                assert!(bias.is_mine(&cursor));
            }
            bias.end(&cursor);
            bias.end(&cursor);
            assert_eq!(bias.owner.load(Ordering::Relaxed), REVOKED);
            assert!(!bias.is_mine(&cursor));
        }
    }

    #[test]
    fn who_revokes_waits_for_a_move_under_way() {
        for noticed in [false, true] {
            let (bias, cursor) = bias();
            assert!(bias.is_mine(&cursor));
            cursor.announced.store(12, Ordering::Relaxed);
            std::thread::scope(|scope| {
                let other = scope.spawn(|| bias.is_mine(&cursor));
                while bias.owner.load(Ordering::Acquire) != REVOKING {
                    thread::yield_now();
                }
                (0..100).for_each(|_| thread::yield_now());
                assert!(!other.is_finished(), "the owner may yet store");
                if noticed {
                    assert!(!bias.store(&cursor, 12));
                    // As it goes on: it swaps like the others.
                    cursor.claimed.store(14, Ordering::Relaxed);
                } else {
                    cursor.claimed.store(12, Ordering::Relaxed);
                }
                assert!(!other.join().unwrap());
            });
        }
    }
}
