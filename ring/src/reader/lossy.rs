//! A cursor that never holds producers up.
//!
//! A producer that needs the room pushes the cursor on, an eighth of a ring at a time, and counts what the cursor lost
//! on the way while the slots still stand: values, not padding. So a gap is exact, whatever else happens.
//!
//! The cursor has a holder: nobody, a reader in the act, or a producer that pushes it. A reader holds it only while it
//! clones a few values out, which bounds what a producer can ever wait for; a `try_publish` does not even wait for that.

use crate::gating::{Gate, Kind, NOBODY};
use crate::ring::Core;
use crate::sequence::Sequence;
use crate::sequencer::Sequencer;
use crate::sync::{Ordering, broken, ordering, spin_hint, thread};
use crate::wait::spin_until;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::batch::View;

const READER: u32 = 1;
const PRODUCER: u32 = 2;
const DETACHED: u32 = 3;

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
pub struct LossyCursor<T: Send + Sync + 'static, S: Sequencer> {
    core: Arc<Core<T, S>>,
    gate: usize,
}

/// The right to move the cursor.
struct Hold<'a> {
    gate: &'a Gate,
    /// What the holder word becomes: `NOBODY`, or `DETACHED` for good.
    then: u32,
}

impl Hold<'_> {
    fn let_go(&self) {
        // Release: pairs with the acquire of the next holder.
        self.gate.holder.store(self.then, ordering("lossy.holder.release", Ordering::Release));
    }
}

fn hold(gate: &Gate, who: u32) -> Result<Hold<'_>, u32> {
    // Acquire: pairs with the release in `Hold::drop`: where the last holder left the position is where it is.
    gate.holder
        .compare_exchange(NOBODY, who, ordering("lossy.holder.acquire", Ordering::Acquire), Ordering::Relaxed)
        .map(|_| Hold { gate, then: NOBODY })
}

impl<T: Send + Sync + 'static, S: Sequencer> LossyCursor<T, S> {
    pub(crate) fn attach(core: &Arc<Core<T, S>>, on_full: OnFull) -> Self {
        let kind = Kind::Lossy { policy: u32::from(on_full == OnFull::Detach) };
        let (gate, _start) = core.gates.attach(kind, || core.sequencer.tail());
        core.notify_attached();
        Self { core: Arc::clone(core), gate }
    }

    fn gate(&self) -> &Gate {
        self.core.gates.lossy.gate(self.gate)
    }

    /// The sequence that is read next.
    #[must_use]
    pub fn position(&self) -> Sequence {
        self.gate().position()
    }

    /// Reads at most `limit` slots: `copy` takes what it needs of each (clone a handle, do no work; a producer may be
    /// waiting). If `copy` panics, nothing counts as read.
    pub fn read(&self, limit: usize, mut copy: impl FnMut(Sequence, &T)) -> LossyRead {
        let gate = self.gate();
        let Some(_hold) = self.hold() else { return LossyRead::Detached };
        // Relaxed: written by holders only.
        let lost = gate.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            return LossyRead::Lagged(lost);
        }
        let from = gate.position();
        let limit = self.core.capacity().min(limit as u64);
        let to = self.core.sequencer.published(&self.core.slots, from, limit);
        if to == from {
            return LossyRead::Read(0);
        }
        // Published and acquired just now; the position, which nobody else moves while we hold it, keeps producers off.
        let count = View::new(&self.core.slots, from, to).for_each(&mut copy);
        gate.move_to(to);
        LossyRead::Read(count)
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

    /// Whether the cursor was detached, by a producer that needed the room or by [`detach`](Self::detach).
    #[must_use]
    pub fn is_detached(&self) -> bool {
        self.gate().holder.load(Ordering::Relaxed) == DETACHED
    }

    /// Gives up the position, for all who share the cursor: they read [`LossyRead::Detached`] from now on.
    pub fn detach(&self) {
        if let Some(mut reader) = self.hold() {
            reader.hold.then = DETACHED;
            drop(reader);
            self.core.notify_readers();
        }
    }

    /// Holds the cursor as its reader; `None` when it is detached.
    fn hold(&self) -> Option<ReaderHold<'_, T, S>> {
        loop {
            match hold(self.gate(), READER) {
                Ok(hold) => return Some(ReaderHold { hold, core: &self.core }),
                Err(DETACHED) => return None,
                // A producer that pushes us on, or another consumer that clones: short, unless it was preempted.
                Err(_) => {
                    spin_hint();
                    if !cfg!(ringmain_loom) {
                        thread::yield_now();
                    }
                }
            }
        }
    }

    /// Waits until there is something to read or to be told (`true`), or the ring is closed and read to its end, or
    /// `deadline` has passed (`false`).
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

/// A reader's hold. A producer may have found the cursor held and gone to sleep, so letting go wakes it, however the
/// read ended.
struct ReaderHold<'a, T, S: Sequencer> {
    hold: Hold<'a>,
    core: &'a Core<T, S>,
}

impl<T, S: Sequencer> Drop for ReaderHold<'_, T, S> {
    fn drop(&mut self) {
        self.hold.let_go();
        if !broken("lossy.not_notified") {
            self.core.notify_producers();
        }
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> Drop for LossyCursor<T, S> {
    fn drop(&mut self) {
        // Detached first: no producer may be pushing a gate that is about to be used again.
        self.detach();
        self.core.gates.detach(Kind::Lossy { policy: 0 }, self.gate);
        self.core.notify_producers();
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> fmt::Debug for LossyCursor<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LossyCursor").field("position", &self.position()).finish_non_exhaustive()
    }
}

/// The gate with the lossy cursors taken into account: those that stand in the way of a claim up to `end` are pushed
/// on, unless somebody holds them, or the lossless gate would not let the claim through anyway.
pub(crate) fn push_lossy<T, S: Sequencer>(core: &Core<T, S>, end: Sequence, lossless: Sequence) -> Sequence {
    let needed = end.minus(core.capacity());
    let blocked = lossless.is_before(needed);
    let target = needed.plus(core.capacity() / 8).earlier(lossless);
    let mut earliest = lossless;
    core.gates.lossy.for_each(|gate| {
        let mut position = gate.position();
        if position.is_before(needed) && !blocked {
            let held = if broken("lossy.not_pushed_is_ignored") { target } else { position };
            position = push(core, gate, target).unwrap_or(held);
        }
        // Acquire: pairs with the release in `Hold::let_go`: what the one who was detached read lies before.
        if gate.holder.load(ordering("lossy.detached.acquire", Ordering::Acquire)) != DETACHED {
            earliest = earliest.earlier(position);
        }
    });
    earliest
}

/// Pushes one cursor on to `target`, or detaches it. Returns where it stands then, if nobody else holds it.
fn push<T, S: Sequencer>(core: &Core<T, S>, gate: &Gate, target: Sequence) -> Option<Sequence> {
    let mut hold = match hold(gate, PRODUCER) {
        Ok(hold) => hold,
        Err(_) if broken("lossy.push_held") => Hold { gate, then: NOBODY },
        Err(_) => return None,
    };
    let from = gate.position();
    if !from.is_before(target) {
        hold.let_go();
        return Some(from);
    }
    if gate.policy.load(Ordering::Relaxed) != 0 {
        hold.then = DETACHED;
        hold.let_go();
        core.notify_readers();
        core.notify_producers();
        return Some(target);
    }
    // `target` is not past the lossless gate, so all of this is published, and was acquired with that gate.
    let lost = View::new(&core.slots, from, target).count_values();
    if !broken("lossy.lost.uncounted") {
        gate.lost.fetch_add(lost, Ordering::Relaxed);
    }
    gate.move_to(target);
    hold.let_go();
    // Another producer may have found the cursor held by us, and gone to sleep.
    core.notify_producers();
    Some(target)
}
