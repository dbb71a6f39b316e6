//! A cover: one thread that serves many cursors, and one gate that stands for them all.
//!
//! The cover's gate is the minimum of the cursors it serves, published once a turn. While a cursor is covered, its own
//! gate is off the list, so that a producer's scan costs the same with ten thousand cursors as with one.
//!
//! Other consumers may go on taking from a covered cursor: they pin what they take, and the cover's gate is never ahead
//! of a cursor.
//!
//! # The turn
//!
//! The gate stands still during a turn, since views borrowed from the turn read behind it. A cursor that is detached
//! must not hold producers up for longer, even when nobody runs the cover any more; so whoever detaches one refreshes
//! the gate, or, in the middle of a turn, leaves word (`AGAIN`) that the turn's end must look once more. A cover that is
//! left without a live cursor takes its gate off the list: nobody may ever move it again.
//!
//! Other consumers may move a covered cursor while the cover's own thread sleeps, with nothing to read. Its gate then
//! stands where the cursor was; so a producer that finds no room catches covers up before it says so or waits. In the
//! middle of a turn it leaves word, as a detacher does: the turn's end may have looked at the cursors already.

use super::gather::Gather;
use super::lines::take_lines;
use super::shared::SharedCursor;
use super::turn::Turn;
use crate::gating::{Gate, Kind};
use crate::ring::{Core, Ring};
use crate::sequence::Sequence;
use crate::sequencer::Sequencer;
use crate::sync::{AtomicBool, AtomicU32, Mutex, Ordering, broken, lock, ordering, spin_hint, thread};
use std::fmt;
use std::sync::{Arc, Weak};

pub(super) const IDLE: u32 = 0;
const BUSY: u32 = 1;
pub(super) const AGAIN: u32 = 2;

/// What a cover shares with those who detach its cursors.
pub(super) struct CoverShared<T: Send + Sync + 'static, S: Sequencer> {
    pub(super) core: Arc<Core<T, S>>,
    gate: usize,
    /// Whether the gate is on the list. Read and written by whoever holds the turn, which orders it.
    gating: AtomicBool,
    pub(super) turn: AtomicU32,
    /// Whether the last turn found nothing. Written when that changes.
    pub(super) resting: AtomicBool,
    pub(super) cursors: Mutex<Vec<SharedCursor<T, S>>>,
}

impl<T: Send + Sync + 'static, S: Sequencer> CoverShared<T, S> {
    pub(super) fn gate(&self) -> &Gate {
        self.core.gates.list(Kind::Lossless).gate(self.gate)
    }

    /// Takes the turn, which detachers and producers hold for a moment only, unless they are preempted.
    #[inline]
    fn begin(&self) {
        // Acquire: pairs with the release in `end`.
        let acquire = ordering("cover.begin.acquire", Ordering::Acquire);
        let mut spins = 0;
        while self.turn.compare_exchange_weak(IDLE, BUSY, acquire, Ordering::Relaxed).is_err() {
            if spins < 64 {
                spins += 1;
                spin_hint();
            } else {
                thread::yield_now();
            }
        }
    }

    /// Ends the turn, moving the gate to what `earliest` says; again, if a cursor was detached meanwhile.
    #[inline]
    fn end(&self, mut earliest: impl FnMut() -> Option<Sequence>) {
        let mut moved = false;
        loop {
            moved |= match earliest() {
                Some(position) => self.move_gate(position),
                None => self.leave(),
            };
            // Release: pairs with the acquire in `begin`. Fails when there was a detach.
            let release = ordering("cover.end.release", Ordering::Release);
            if self.turn.compare_exchange(BUSY, IDLE, release, Ordering::Relaxed).is_ok() {
                break;
            }
            // A swap, not a store: yet another detacher may have come by, and the next look must see its mark too.
            if broken("cover.end.stores") {
                self.turn.store(IDLE, ordering("twin", Ordering::Release));
                break;
            }
            self.turn.swap(BUSY, ordering("cover.again.acquire", Ordering::Acquire));
        }
        // Last: who is woken where it sleeps may want the turn.
        if moved {
            self.core.notify_producers();
        }
    }

    /// Takes the gate off the list, since no cursor is left to stand for. Says whether producers are to be notified.
    fn leave(&self) -> bool {
        if self.gating.load(Ordering::Relaxed) && !broken("cover.stays") {
            self.gating.store(false, Ordering::Relaxed);
            self.core.gates.control().switch_off(self.gate);
            return true;
        }
        false
    }

    /// One of the cursors was detached: see that its position no longer counts.
    pub(super) fn refresh_for_detached(&self) {
        if broken("cover.detach_not_refreshed") {
            return;
        }
        if broken("cover.detach_leaves_no_word")
            && self.turn.load(ordering("twin", Ordering::Acquire)) != IDLE
        {
            return;
        }
        // AcqRel: pairs with the exchanges in `begin` and `end`; the detached mark goes with it.
        let swap = ordering("cover.detach", Ordering::AcqRel);
        if self.turn.swap(AGAIN, swap) != IDLE && !broken("cover.detach_waits") {
            return; // the one who holds the turn sees AGAIN when it ends it
        }
        // AGAIN stays: it means held, and that `end` looks once more than it needs to.
        self.end(|| earliest(&lock(&self.cursors)));
    }

    /// Moves the gate to `position`, which no cursor is behind. Says whether that is elsewhere.
    pub(super) fn move_gate(&self, position: Sequence) -> bool {
        let moves = self.gate().position() != position;
        if moves {
            self.gate().move_to(position);
        }
        moves
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> fmt::Debug for CoverShared<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoverShared").field("gate", &self.gate().position()).finish_non_exhaustive()
    }
}

/// The position of the live cursor that is furthest behind.
#[inline]
pub(super) fn earliest<T: Send + Sync + 'static, S: Sequencer>(
    cursors: &[SharedCursor<T, S>],
) -> Option<Sequence> {
    cursors.iter().filter_map(|cursor| cursor.inner.gate().live_position()).reduce(Sequence::earlier)
}

impl<T: Send + Sync + 'static, S: Sequencer> Drop for CoverShared<T, S> {
    fn drop(&mut self) {
        self.core.gates.detach(Kind::Lossless, self.gate);
        self.core.notify_producers();
    }
}

/// Serves many [`SharedCursor`]s of one ring from one thread.
pub struct Cover<T: Send + Sync + 'static, S: Sequencer> {
    pub(super) shared: Arc<CoverShared<T, S>>,
    /// The same cursors as the shared ones, reachable without a lock.
    pub(super) cursors: Vec<SharedCursor<T, S>>,
    pub(super) available: Sequence,
    /// The end of the last padding that was seen.
    pub(super) padded: Sequence,
    gather: Gather,
    in_turn: bool,
    /// Where the gate stood when the turn began, if lines are to be taken over from there.
    stood: Option<Sequence>,
}

impl<T: Send + Sync + 'static, S: Sequencer> Cover<T, S> {
    pub(crate) fn attach(core: &Arc<Core<T, S>>) -> Self {
        let (gate, start) = core.gates.attach(Kind::Lossless, || core.sequencer.tail());
        core.gates.control().switch_off(gate); // on when there is a cursor to stand for
        core.notify_attached();
        let shared = CoverShared {
            core: Arc::clone(core),
            gate,
            gating: AtomicBool::new(false),
            turn: AtomicU32::new(IDLE),
            resting: AtomicBool::new(true),
            cursors: Mutex::new(Vec::new()),
        };
        let shared = Arc::new(shared);
        let weak: Weak<CoverShared<T, S>> = Arc::downgrade(&shared);
        core.covers.add(gate, weak);
        Self {
            shared,
            cursors: Vec::new(),
            available: start,
            padded: start,
            gather: Gather::default(),
            in_turn: false,
            stood: None,
        }
    }

    /// The ring whose cursors this serves.
    #[must_use]
    pub fn ring(&self) -> Ring<T, S> {
        Ring { core: Arc::clone(&self.shared.core) }
    }

    /// Serves `cursor` from now on, at the index returned: the number of cursors so far.
    ///
    /// # Errors
    /// Gives the cursor back when it stands on another ring.
    pub fn add(&mut self, cursor: SharedCursor<T, S>) -> Result<usize, SharedCursor<T, S>> {
        let core = Arc::clone(&self.shared.core);
        if !Arc::ptr_eq(&core, &cursor.inner.core) {
            return Err(cursor);
        }
        // Held, so that nobody moves the gate by a list without the new cursor.
        self.begin();
        let control = core.gates.control();
        let position = cursor.position();
        if broken("cover.add.off_first") {
            control.switch_off(cursor.inner.gate);
        }
        // First this gate goes back to where the cursor stands, then the cursor's own goes off the list.
        let gate = self.shared.gate();
        if !self.shared.gating.load(Ordering::Relaxed) {
            self.shared.gating.store(true, Ordering::Relaxed);
            gate.move_to(position);
            self.available = position;
            control.switch_on(self.shared.gate);
        } else {
            gate.move_to(gate.position().earlier(position));
            self.available = self.available.earlier(position);
            control.announce();
        }
        if !broken("cover.members_stay") {
            control.switch_off(cursor.inner.gate);
        }
        lock(&cursor.inner.covers).push(Arc::downgrade(&self.shared));
        lock(&self.shared.cursors).push(cursor.clone());
        drop(control);
        self.cursors.push(cursor);
        self.end();
        Ok(self.cursors.len() - 1)
    }

    /// Gives a cursor back: its own gate counts again, unless another cover still serves it. The last cursor takes the
    /// index of the one removed, as in `Vec::swap_remove`.
    pub fn swap_remove(&mut self, index: usize) -> Option<SharedCursor<T, S>> {
        if index >= self.cursors.len() {
            return None;
        }
        self.begin();
        let cursor = self.cursors.swap_remove(index);
        lock(&self.shared.cursors).swap_remove(index);
        self.release(&cursor);
        self.end();
        Some(cursor)
    }

    /// Takes the turn, unless an earlier one was forgotten (`mem::forget`): then it is still ours.
    #[inline]
    fn begin(&mut self) {
        if !self.in_turn {
            self.shared.begin();
            self.in_turn = true;
        }
    }

    /// Ends the turn.
    #[inline]
    pub(super) fn end(&mut self) {
        let Self { shared, cursors, available, padded, .. } = self;
        match self.stood.take() {
            Some(stood) if !broken("lines.taken_late") => {
                let mut stood = Some(stood); // the gate has moved on, if the end is to look again
                shared.end(|| {
                    let to = earliest(cursors)?;
                    if let Some(from) = stood.take() {
                        take_lines(&shared.core, from, to, *available, *padded);
                    }
                    Some(to)
                });
            }
            late => {
                shared.end(|| earliest(cursors));
                if let Some(from) = late {
                    take_lines(&shared.core, from, shared.gate().position(), *available, *padded);
                }
            }
        }
        self.in_turn = false;
    }

    fn release(&self, cursor: &SharedCursor<T, S>) {
        let control = self.shared.core.gates.control();
        let mut covers = lock(&cursor.inner.covers);
        if let Some(mine) = covers.iter().position(|cover| cover.as_ptr() == Arc::as_ptr(&self.shared)) {
            covers.swap_remove(mine);
        }
        if covers.is_empty() && !cursor.is_detached() && !broken("cover.release.forgets") {
            control.switch_on(cursor.inner.gate);
        }
    }

    /// How many cursors are served.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cursors.len()
    }

    /// Whether no cursor is served.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cursors.is_empty()
    }

    /// Looks what is published, and begins a turn over the cursors. Never waits, but for a producer or a detacher that
    /// holds the turn for a moment.
    #[inline]
    pub fn turn(&mut self) -> Turn<'_, T, S> {
        self.begin();
        let Self { shared, available, padded, gather, stood, .. } = self;
        let core = &*shared.core;
        let behind = shared.gate().position();
        let mut look = || {
            // The gate may have been moved past what we saw, for cursors that are gone.
            let from = available.later(behind);
            let limit = core.capacity() - behind.until(from);
            *available = core.sequencer.look(&core.slots, from, limit, padded);
            (behind.until(*available), available.number())
        };
        let (ready, end) = look();
        if shared.resting.load(Ordering::Relaxed) != (ready == 0) {
            shared.resting.store(ready == 0, Ordering::Relaxed);
        }
        // (A gate that is not on the list holds nobody back from what is behind it.)
        let gated = shared.gating.load(Ordering::Relaxed) || broken("lines.taken_ungated");
        if gather.after(ready, end, look) > 0 && gated && !gather.waited_long() {
            *stood = Some(behind);
        }
        Turn { cover: self }
    }

    /// Whether something was published since the last turn: a hint that takes no turn, for whoever looks all the time.
    #[inline]
    #[must_use]
    pub fn has_news(&self) -> bool {
        let core = &*self.shared.core;
        // (Where others read on, the gate may have been moved past what we saw.)
        let next = self.available.later(self.shared.gate().position());
        core.sequencer.published(&core.slots, next, 1) != next
    }

    /// Whether a turn would find something to read. Used before sleeping.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.cursors.iter().any(|cursor| !cursor.is_drained())
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> Drop for Cover<T, S> {
    fn drop(&mut self) {
        self.begin();
        lock(&self.shared.cursors).clear();
        let cursors = std::mem::take(&mut self.cursors);
        cursors.iter().for_each(|cursor| self.release(cursor));
        // The gate is given back with the last handle on `shared`; off the list from here on. And the cursors come last, if these
        // are the last handles: that wakes producers, and so runs code of others.
        self.end();
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> fmt::Debug for Cover<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cover").field("cursors", &self.cursors.len()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(ringmain_loom)))]
mod tests {
    use super::*;

    /// What a producer's scan looks at, however many cursors there are: or publishing costs more with each of them.
    #[test]
    fn one_gate_stands_for_a_thousand_cursors() {
        let ring = Ring::multi(4, || 0).unwrap();
        let gates = || {
            let mut count = 0;
            ring.core.gates.list(Kind::Lossless).for_each(|_, _| count += 1);
            count
        };
        let many = if cfg!(miri) { 70 } else { 1_000 }; // more than a word of the bitmap
        let mut cover = ring.cover();
        let cursors: Vec<_> = (0..many).map(|_| ring.shared_cursor()).collect();
        assert_eq!(gates(), many);
        cursors.iter().for_each(|cursor| _ = cover.add(cursor.clone()).unwrap());
        assert_eq!(gates(), 1);
        drop(cover);
        assert_eq!(gates(), many);
    }
}
