//! Pins: one word a reader that is in the act, see "Pins" in the [argument](super).

use crate::sequence::Sequence;
#[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
use crate::sync::AtomicUsize;
use crate::sync::{AtomicU64, Ordering, ordering};

/// Holds producers back while somebody reads what no gate protects any more.
#[derive(Debug)]
pub(crate) struct Pin<'a> {
    word: &'a AtomicU64,
}

impl<'a> Pin<'a> {
    /// A pin in `word`, which is engaged, and nobody else's.
    pub(super) fn new(word: &'a AtomicU64) -> Self {
        Self { word }
    }

    /// Moves the pin. Only forward, to a position at which a gate still stands.
    #[inline]
    pub(crate) fn move_to(&self, position: Sequence) {
        // Release: pairs with the acquire load in `scan`. Not for this reader's sake but for the one that held this pin
        // before: what it read must have happened before a producer that sees only this store goes on.
        self.word.store(position.tagged(), ordering("pin.move.release", Ordering::Release));
    }
}

impl Drop for Pin<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the acquire load in `scan`; what was read was read before.
        self.word.store(0, ordering("pin.release", Ordering::Release));
    }
}

/// Where this thread looks for a free pin first, so that threads do not meet on one.
pub(super) fn hint() -> usize {
    #[cfg(any(ringmain_loom, ringmain_shuttle))]
    return 0;
    #[cfg(not(any(ringmain_loom, ringmain_shuttle)))]
    {
        use std::cell::Cell;
        static NEXT: std::sync::LazyLock<AtomicUsize> = std::sync::LazyLock::new(|| AtomicUsize::new(0));
        thread_local!(static HINT: Cell<Option<usize>> = const { Cell::new(None) });
        HINT.with(|hint| {
            hint.get().unwrap_or_else(|| {
                let mine = NEXT.fetch_add(1, Ordering::Relaxed);
                hint.set(Some(mine));
                mine
            })
        })
    }
}
