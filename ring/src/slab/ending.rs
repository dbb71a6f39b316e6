//! How leases end: whoever swaps the word has the value.

use super::{
    Entry, GENERATIONS, LIVE, LeaseId, RESERVED, RETIRED, STATE, Slab, StaleLease, VACANT, generation,
    is_due, ticks, word,
};
use crate::sync::{Ordering, broken, ordering};
use std::fmt;
use std::mem::take;

/// Ends leases, and counts them together: each is [live](Slab::live) until this has [counted](Self::count), or is dropped.
pub struct Ending<'a, T: Send> {
    slab: &'a Slab<T>,
    ended: usize,
}

impl<T: Send> Slab<T> {
    /// To end several leases with one count.
    #[inline]
    pub fn ending(&self) -> Ending<'_, T> {
        Ending { slab: self, ended: 0 }
    }
}

impl<T: Send> Ending<'_, T> {
    /// Ends a lease and takes its value, as [`Slab::take`].
    ///
    /// # Errors
    /// [`StaleLease`] when somebody ended it before, or it is too late.
    #[inline]
    pub fn take(&mut self, id: LeaseId, now: Option<u64>) -> Result<T, StaleLease> {
        let entry = self.slab.entries.at(id.index as usize).ok_or(StaleLease::Ended)?;
        let mut seen = entry.word.load(Ordering::Relaxed);
        loop {
            if seen & STATE != LIVE || generation(seen) != u64::from(id.generation) {
                return Err(StaleLease::Ended);
            }
            if now.is_some_and(|now| is_due(seen, ticks(now))) {
                return Err(StaleLease::Late);
            }
            match self.take_at(entry, seen) {
                Ok(value) => return Ok(value),
                Err(now) => seen = now,
            }
        }
    }

    /// Takes the value of a lease whose word is `seen`, or says what the word is now.
    #[inline]
    pub(super) fn take_at(&mut self, entry: &Entry<T>, seen: u64) -> Result<T, u64> {
        let generation = generation(seen);
        let reserved = word(generation, 0, RESERVED);
        // Acquire: pairs with the release store in `insert_marked`; the value comes with it.
        let acquire = ordering("slab.take.acquire", Ordering::Acquire);
        if broken("slab.take.unchecked") {
            entry.word.store(reserved, Ordering::Relaxed);
        } else {
            entry.word.compare_exchange(seen, reserved, acquire, Ordering::Relaxed)?;
        }
        // SAFETY: reserved just now.
        let value = unsafe { entry.exchange(None) };
        let (next, state) =
            if generation + 1 == GENERATIONS { (generation, RETIRED) } else { (generation + 1, VACANT) };
        let next = if broken("slab.generation.kept") { generation } else { next };
        // Release: pairs with the acquire swap in `insert_marked`.
        entry.word.store(word(next, 0, state), ordering("slab.take.release", Ordering::Release));
        self.ended += 1;
        value.ok_or(seen)
    }

    /// Counts what has ended so far.
    #[inline]
    pub fn count(&mut self) {
        let ended = take(&mut self.ended);
        if ended > 0 && !broken("slab.ending.uncounted") {
            // Release: pairs with the acquire loads in `live` and `live_at_most`; the beginnings go with the ends.
            self.slab.ended.fetch_add(ended, ordering("slab.ended.release", Ordering::Release));
        }
    }
}

impl<T: Send> Drop for Ending<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.count();
    }
}

impl<T: Send> fmt::Debug for Ending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ending").field("ended", &self.ended).finish_non_exhaustive()
    }
}
