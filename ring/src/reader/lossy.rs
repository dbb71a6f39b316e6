//! A cursor that never holds producers up.
//!
//! A producer that needs the room pushes the cursor on, an eighth of a ring at a time, and counts what the cursor lost
//! on the way while the slots still stand: values, not padding. So a gap is exact, whatever else happens.
//!
//! The cursor has a holder: nobody, a reader in the act, or a producer that pushes it (see `hold`, `push`). A reader holds
//! it only while it clones a few values out, which bounds what a producer can ever wait for; a `try_publish` does not even
//! wait for that.

use super::batch::{View, show_first};
use super::hold::{Denied, Hold, mark};
use crate::gating::predicate::Predicate;
use crate::gating::{DETACHED, DETACHES, FILTERS, GONE, Gate, Kind, LEAVES};
use crate::ring::Core;
use crate::sequence::Sequence;
use crate::sequencer::Sequencer;
use crate::sync::{Ordering, broken, ordering, spin_hint};
use crate::wait::spin_until;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// How often a peek tries to hold a cursor that others hold.
const TRIES: u32 = if crate::sync::MODELLED { 1 } else { 100 };

/// What happens to a cursor that is a whole ring behind when a producer needs the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFull {
    /// It loses the oldest values, and is told how many.
    DropOldest,
    /// It is detached, and told so.
    Detach,
}

/// What a lossy read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossyRead {
    /// So many values were read; 0 when there is nothing now.
    Read(usize),
    /// So many values were lost since the last read. Nothing was read; reading goes on after the gap.
    Lagged(u64),
    /// The cursor was detached because it was too slow.
    Detached,
}

/// A reader that loses values rather than holding producers up. Several consumers may share it.
///
/// # Predicates
///
/// A reader that leaves some values out anyway can say which, by
/// [`lossy_cursor_where`](crate::Ring::lossy_cursor_where). Then, of the values that a producer pushes the cursor past,
/// those that match the predicate count as lost, and the others as [skipped](Self::take_skipped). What is *read* is not
/// filtered: the reader looks at that itself. Under [`OnFull::Detach`] nothing is passed over, and so nothing looked at.
///
/// The predicate is called by producers that wait for room, one at a time: it must be quick, and neither publish on this
/// ring nor wait for anything. If it panics, the value counts as lost. It is dropped when the cursor is detached, by
/// whoever detaches it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain_ring::{LossyRead, OnFull, Ring};
/// let ring = Ring::multi(8, || 0u64)?;
/// let cursor = ring.lossy_cursor_where(OnFull::DropOldest, |value| value % 4 == 0);
/// for value in 0..16 {
///     ring.publish(value)?;
/// }
/// assert_eq!(cursor.read(8, |_, _| ()), LossyRead::Lagged(2)); // 0 and 4
/// assert_eq!(cursor.take_skipped(), 6); // 1, 2, 3, 5, 6 and 7
/// assert_eq!(cursor.read(8, |sequence, value| assert_eq!(sequence.number(), *value)), LossyRead::Read(8));
/// # Ok(())
/// # }
/// ```
///
/// # From within
///
/// What is called while the cursor is held, the closure of [`read`](Self::read) or [`peek`](Self::peek) and the
/// predicate, should not come back to the same cursor, but may: it then reads and sees nothing, and if it detaches or
/// drops the cursor, that takes effect when it returns.
pub struct LossyCursor<T: Send + Sync + 'static, S: Sequencer> {
    pub(super) core: Arc<Core<T, S>>,
    pub(super) gate: usize,
}

impl<T: Send + Sync + 'static, S: Sequencer> LossyCursor<T, S> {
    pub(crate) fn attach(core: &Arc<Core<T, S>>, on_full: OnFull, predicate: Option<Predicate<T>>) -> Self {
        let detaches = if on_full == OnFull::Detach { DETACHES } else { 0 };
        let filters = if predicate.is_some() { FILTERS } else { 0 };
        let kind = Kind::Lossy { policy: detaches | filters };
        let (gate, _start) = core.gates.attach_with(
            kind,
            || core.sequencer.tail(),
            |gate| {
                if predicate.is_some() {
                    // SAFETY: whoever attaches a gate holds it, and has acquired it as its last owner left it.
                    let _none: Option<Predicate<T>> = unsafe { core.predicates.exchange(gate, predicate) };
                }
            },
        );
        core.notify_attached();
        Self { core: Arc::clone(core), gate }
    }

    fn gate(&self) -> &Gate {
        self.core.gates.lossy.gate(self.gate)
    }

    /// Holds the cursor, waiting for whoever else does.
    fn hold(&self, twin: &str) -> Result<Hold<'_, T, S>, Denied> {
        Hold::wait(&self.core, self.gate, self.gate(), twin)
    }

    /// The sequence that is read next.
    #[must_use]
    pub fn position(&self) -> Sequence {
        self.gate().position()
    }

    /// Reads at most `limit` slots, and goes on behind them while they are padding: `copy` takes what it needs of each (clone a
    /// handle, do no work; a producer may be waiting). If `copy` panics, nothing counts as read.
    ///
    /// Called from within its own `copy`, or the cursor's predicate, it reads nothing: `Read(0)`.
    pub fn read(&self, limit: usize, mut copy: impl FnMut(Sequence, &T)) -> LossyRead {
        let hold = match self.hold("lossy.read_held") {
            Ok(hold) => hold,
            Err(Denied::Mine) => return LossyRead::Read(0),
            Err(_) => return LossyRead::Detached,
        };
        let gate = hold.gate();
        // Relaxed: written by holders only.
        let lost = gate.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            return LossyRead::Lagged(lost);
        }
        let position = gate.position();
        let (mut end, mut count) = (position, 0);
        // Behind padding too, no further than a ring: the position, which nobody else moves while we hold it, keeps
        // producers off that far.
        while count == 0 {
            let limit = (self.core.capacity() - position.until(end)).min(limit as u64);
            let to = self.core.sequencer.published(&self.core.slots, end, limit);
            if to == end {
                break;
            }
            // Published and acquired just now.
            count = View::new(&self.core.slots, end, to, true).for_each(&mut copy);
            end = to;
        }
        if end != position {
            gate.move_to(end);
        }
        LossyRead::Read(count)
    }

    /// Shows the next unread value to `show`, if there is one, without moving the cursor. Takes no notice of a loss that
    /// is still to be told. As in [`read`](Self::read), a producer may be waiting for `show`.
    ///
    /// Never waits: `None` also when others hold the cursor, try after try.
    pub fn peek<R>(&self, show: impl FnOnce(Sequence, &T) -> R) -> Option<R> {
        let gate = self.gate();
        for _ in 0..TRIES {
            match Hold::take(&self.core, self.gate, gate, "lossy.peek_held") {
                // Held until after `show`, so the position keeps producers off.
                Ok(hold) => {
                    let shown = show_first(&self.core, gate.position(), show);
                    drop(hold);
                    return shown;
                }
                Err(Denied::Busy) => spin_hint(),
                Err(_) => return None,
            }
        }
        None
    }

    /// Whether there is something to read, or to be told.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let gate = self.gate();
        let mut position = gate.position();
        loop {
            if self.is_detached()
                || gate.lost.load(Ordering::Relaxed) != 0
                || self.core.sequencer.published(&self.core.slots, position, 1) != position
            {
                return true;
            }
            // Nothing there, unless the cursor was pushed on meanwhile and the slot is used again.
            let now = gate.position();
            if now == position {
                return false;
            }
            position = now;
        }
    }

    /// How many values are published and not yet read; exact while nobody publishes or reads. Costs a look at each.
    #[must_use]
    pub fn unread(&self) -> u64 {
        if self.is_detached() {
            0
        } else {
            self.core.sequencer.count_values(&self.core.slots, self.position())
        }
    }

    /// How many values were lost and not yet told.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.gate().lost.load(Ordering::Relaxed)
    }

    /// How many values were passed over, since this was last called, that the predicate did not match: neither read nor
    /// lost. Exact while nobody publishes.
    #[must_use = "what is taken is not counted again"]
    pub fn take_skipped(&self) -> u64 {
        // Relaxed: a sum, and each addition to it is taken once.
        self.gate().skipped.swap(0, Ordering::Relaxed)
    }

    /// Whether the cursor was detached, by a producer that needed the room or by [`detach`](Self::detach).
    #[must_use]
    pub fn is_detached(&self) -> bool {
        self.gate().holder.load(Ordering::Relaxed) == DETACHED
    }

    /// Gives up the position, for all who share the cursor: they read [`LossyRead::Detached`] from now on.
    pub fn detach(&self) {
        self.leave(LEAVES);
    }

    /// As [`detach`](Self::detach). Returns how many values were claimed (with many producers) or published (with one) and
    /// neither read nor lost. If a producer has detached the cursor before, that includes what came since, and padding that is
    /// more than a ring behind. Costs a look at each.
    pub fn detach_counting(&self) -> u64 {
        let count = || self.core.sequencer.count_claimed(&self.core.slots, self.position());
        match self.hold("lossy.leave_held") {
            Ok(hold) => {
                let count = count(); // while the slots are held
                hold.leave(LEAVES);
                count
            }
            Err(denied) => {
                if matches!(denied, Denied::Mine) {
                    mark(self.gate(), LEAVES);
                }
                count()
            }
        }
    }

    /// Detaches the cursor, and does what else `marks` say, now or at the end of this thread's own hold. Returns false if
    /// the cursor was detached before.
    fn leave(&self, marks: u64) -> bool {
        match self.hold("lossy.leave_held") {
            Ok(hold) => hold.leave(marks),
            Err(Denied::Mine) if !broken("lossy.mine_at_once") => mark(self.gate(), marks),
            Err(_) => return false,
        }
        true
    }

    /// Waits until there is something to read or to be told (`true`), be it padding alone, or the ring is closed and read to
    /// its end, or `deadline` has passed (`false`).
    #[must_use]
    pub fn wait(&self, deadline: Option<Instant>) -> bool {
        let at_end = || self.core.is_at_end(self.position());
        let ready = || self.has_work() || at_end();
        loop {
            let in_time = spin_until(self.core.wait_strategy(), deadline, ready)
                || self.core.data().wait_until(deadline, ready);
            // In this order: at the end there may still be a loss to be told.
            let ended = at_end() || !in_time;
            if self.has_work() {
                return true;
            }
            if ended {
                return false;
            }
            // Another consumer of this cursor was faster.
        }
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> Drop for LossyCursor<T, S> {
    fn drop(&mut self) {
        // Detached first: no producer may be pushing a gate that is about to be used again.
        if self.leave(LEAVES | GONE) {
            return;
        }
        // Acquire: pairs with the release in `Hold::end`, where somebody else detached it: the gate's next owner finds it
        // as that one left it, without a predicate.
        let _detached = self.gate().holder.load(ordering("lossy.drop.acquire", Ordering::Acquire));
        self.core.gates.detach(Kind::Lossy { policy: 0 }, self.gate);
        self.core.notify_producers();
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> fmt::Debug for LossyCursor<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LossyCursor").field("position", &self.position()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(ringmain_loom, ringmain_shuttle))))]
mod tests {
    use super::*;
    use crate::ring::Ring;
    use std::sync::Mutex;

    #[test]
    fn a_cursor_that_is_gone_leaves_its_gate_to_the_next_however_it_went() {
        let ring = Ring::multi(4, || 0u64).unwrap();
        let publish = |count| (0..count).for_each(|value| assert!(ring.try_publish(value).is_ok()));
        let is_free = || {
            ring.core.gates.lossy.for_each(|gate, _| panic!("gate {gate} is on the list"));
            assert_eq!(ring.lossy_cursor(OnFull::DropOldest).gate, 0);
        };
        is_free();
        let detached = ring.lossy_cursor(OnFull::Detach);
        publish(9);
        assert!(detached.is_detached());
        drop(detached);
        is_free();
        let detached = ring.lossy_cursor(OnFull::DropOldest);
        detached.detach();
        drop(detached);
        is_free();
        // By its own predicate, in the middle of being pushed on.
        let kept = Arc::new(Mutex::new(None));
        let within = Arc::clone(&kept);
        let drops = move |_: &u64| within.lock().is_ok_and(|mut kept| kept.take().is_none());
        *kept.lock().unwrap() = Some(ring.lossy_cursor_where(OnFull::DropOldest, drops));
        publish(9);
        assert!(kept.lock().unwrap().is_none());
        is_free();
    }
}
