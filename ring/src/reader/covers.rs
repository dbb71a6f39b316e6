//! The covers of a ring, as a producer sees them that finds no room.
//!
//! A cover that nobody runs just now still stands where its cursors were, though other consumers may have moved them since.
//! A producer that is held up by such a cover moves it on.

use super::cover::{AGAIN, CoverShared, IDLE, earliest};
use crate::gating::{Gates, Kind};
use crate::sequence::Sequence;
use crate::sequencer::Sequencer;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, broken, lock, ordering};
use std::fmt;
use std::sync::Weak;

/// How often a producer finds a cover in its way before it looks after one that seems to be run.
const PATIENCE: u64 = if crate::sync::MODELLED { 1 } else { 256 };

/// What a producer may do for a cover that nobody runs.
pub(super) trait CatchUp: fmt::Debug + Send + Sync {
    /// Moves the gate on to where the cursors are, or leaves word to whoever holds the turn, who then does. For a
    /// `patient` producer only if the last turn found nothing: otherwise there will be another. Returns whether it moved.
    fn catch_up(&self, patient: bool) -> bool;
}

impl<T: Send + Sync + 'static, S: Sequencer> CatchUp for CoverShared<T, S> {
    fn catch_up(&self, patient: bool) -> bool {
        // Relaxed: a hint. Nobody goes to sleep on it.
        if patient && !self.resting.load(Ordering::Relaxed) {
            return false;
        }
        if broken("cover.busy_is_not_told") && self.turn.load(Ordering::Relaxed) != IDLE {
            return false;
        }
        // Whoever holds the turn looks once more anyway. A swap though nothing changes, and AcqRel: it is to see what we
        // saw. (A turn that is merely busy may have looked already, and is left word below.)
        let swap = ordering("cover.told", Ordering::AcqRel);
        if self.turn.load(Ordering::Relaxed) == AGAIN
            && self.turn.compare_exchange(AGAIN, AGAIN, swap, Ordering::Relaxed).is_ok()
        {
            return false;
        }
        let behind = self.gate().position();
        if earliest(&lock(&self.cursors)).is_none_or(|position| !behind.is_before(position)) {
            return false;
        }
        self.refresh_for_detached();
        behind.is_before(self.gate().position())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Covers {
    /// Whether there ever was one. Relaxed: set before the cover's gate is switched on, which a producer that is held up by
    /// it has acquired.
    any: AtomicBool,
    /// How often a producer found one in its way. Relaxed: a pace.
    looks: AtomicU64,
    /// With the gates that stand for them.
    list: Mutex<Vec<(usize, Weak<dyn CatchUp>)>>,
}

impl Covers {
    /// Makes a cover known, whose gate is at the index `gate`.
    pub(super) fn add(&self, gate: usize, cover: Weak<dyn CatchUp>) {
        let mut list = lock(&self.list);
        list.retain(|(_, other)| other.strong_count() > 0);
        list.push((gate, cover));
        self.any.store(true, Ordering::Relaxed);
    }

    /// Whether a producer that has found one in its way is to look after it even if it is run: such a one moves by itself,
    /// and is not to be disturbed, but for once in a long while: whoever ran it may have stopped.
    pub(crate) fn lose_patience(&self) -> bool {
        self.looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(PATIENCE)
    }

    /// Moves the first cover on that stands before `needed`, if it can be. Returns whether it moved: then the next may be in
    /// the way. If not, the others do not matter, for this one holds the producer up; and whatever moves it will say so.
    pub(crate) fn help_first(&self, gates: &Gates, needed: Sequence, patient: impl FnOnce() -> bool) -> bool {
        if !self.any.load(Ordering::Relaxed) || broken("cover.not_helped") {
            return false;
        }
        let gates = gates.list(Kind::Lossless);
        let in_the_way = |gate| gates.is_on(gate) && gates.gate(gate).position().is_before(needed);
        // Waits for the mutex, which is held for as long as this takes, or a cover's attaching: the one who has it need
        // not be another producer, who would look after the covers for us.
        let first = lock(&self.list)
            .iter()
            .filter(|(gate, _)| in_the_way(*gate))
            .find_map(|(_, cover)| cover.upgrade());
        first.is_some_and(|cover| cover.catch_up(patient()))
    }

    #[cfg(all(test, not(any(ringmain_loom, ringmain_shuttle))))]
    pub(crate) fn known(&self) -> usize {
        lock(&self.list).len()
    }
}
