//! Whether a dispatcher is in the middle of a turn, for those who wait until it is not.

use ringmain_ring::sync::{AtomicU64, Ordering, ordering};

/// How many turns a dispatcher has begun and ended. Odd within one.
#[derive(Debug, Default)]
pub(crate) struct Turns(AtomicU64);

impl Turns {
    /// A turn begins; it ends when the guard is dropped.
    #[inline]
    pub(super) fn begin(&self) -> InTurn<'_> {
        let turns = self.0.load(Ordering::Relaxed);
        // Relaxed: what the turn takes from a ring is taken with release, after this.
        self.0.store(turns.wrapping_add(1), Ordering::Relaxed);
        InTurn { turns: self, number: turns }
    }

    /// The turn under way, if there is one.
    pub(super) fn under_way(&self) -> Option<u64> {
        // Acquire: pairs with the release store at the end of a turn: what it held and counted is there to be seen.
        Some(self.0.load(ordering("turns.acquire", Ordering::Acquire))).filter(|turns| turns % 2 == 1)
    }
}

pub(super) struct InTurn<'a> {
    turns: &'a Turns,
    number: u64,
}

impl Drop for InTurn<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the acquire load in `under_way`.
        self.turns.0.store(self.number.wrapping_add(2), ordering("turns.release", Ordering::Release));
    }
}
