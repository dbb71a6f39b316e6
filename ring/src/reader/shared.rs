//! A cursor that several consumers advance: each message goes to one of them.
//!
//! To take a range, a consumer pins the cursor's position, moves the cursor past the range, and reads under its pin.
//! The cursor's own gate is then already free to let producers on, as far as the slowest pin allows.

use super::batch::{View, show_first};
use super::cover::CoverShared;
use crate::gating::{Gate, Kind, Pin};
use crate::ring::Core;
use crate::sequence::Sequence;
use crate::sequencer::Sequencer;
use crate::sync::{Mutex, broken, lock};
use std::fmt;
use std::sync::{Arc, Weak};

/// A common position from which any number of consumers take ranges. Clones are handles on the same cursor; the last
/// one dropped detaches it, and so does [`detach`](Self::detach), whoever else holds one.
pub struct SharedCursor<T: Send + Sync + 'static, S: Sequencer> {
    pub(super) inner: Arc<Inner<T, S>>,
}

pub(super) struct Inner<T: Send + Sync + 'static, S: Sequencer> {
    pub(super) core: Arc<Core<T, S>>,
    pub(super) gate: usize,
    /// Who stands for this cursor instead of its own gate. Changed under the gates' control mutex.
    pub(super) covers: Mutex<Vec<Weak<CoverShared<T, S>>>>,
}

impl<T: Send + Sync + 'static, S: Sequencer> Inner<T, S> {
    #[inline]
    pub(super) fn gate(&self) -> &Gate {
        self.core.gates.list(Kind::Lossless).gate(self.gate)
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> SharedCursor<T, S> {
    pub(crate) fn attach(core: &Arc<Core<T, S>>) -> Self {
        let (gate, _start) = core.gates.attach(Kind::Lossless, || core.sequencer.tail());
        core.notify_attached();
        let inner = Inner { core: Arc::clone(core), gate, covers: Mutex::new(Vec::new()) };
        Self { inner: Arc::new(inner) }
    }

    /// The sequence that is taken next.
    #[must_use]
    pub fn position(&self) -> Sequence {
        self.inner.gate().position()
    }

    /// Whether [`detach`](Self::detach) was called.
    #[must_use]
    pub fn is_detached(&self) -> bool {
        self.inner.gate().live_position().is_none()
    }

    /// Whether there is nothing to take now.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.ready().is_none()
    }

    /// Where the cursor stands, if there is something to take there.
    #[inline]
    fn ready(&self) -> Option<Sequence> {
        let Inner { core, .. } = &*self.inner;
        let gate = self.inner.gate();
        let mut from = gate.live_position()?;
        while core.sequencer.published(&core.slots, from, 1) == from {
            // Nothing there, unless others took it meanwhile and the slot is used again.
            let now = gate.live_position()?;
            if now == from || broken("shared.lapped") {
                return None;
            }
            from = now;
        }
        Some(from)
    }

    /// How many values are published and not yet taken; exact while nobody publishes or takes. Costs a look at each.
    #[must_use]
    pub fn unread(&self) -> u64 {
        let core = &self.inner.core;
        let position = self.inner.gate().live_position();
        position.map_or(0, |position| core.sequencer.count_values(&core.slots, position))
    }

    /// Takes at most `limit` slots for the caller alone, if any is ready. Never waits; lock-free, but when more threads hold
    /// slots of the ring than ever before.
    #[inline]
    #[must_use]
    pub fn claim(&self, limit: usize) -> Option<PinnedBatch<'_, T, S>> {
        let Inner { core, .. } = &*self.inner;
        let gate = self.inner.gate();
        let mut from = self.ready()?;
        // Whatever comes of it, a producer may have seen the pin and gone to sleep: the batch's drop wakes it.
        let pin = Some(core.gates.pin(from));
        let mut batch = PinnedBatch { core, pin, from, to: from, padded: from };
        loop {
            let limit = core.capacity().min(limit as u64);
            batch.padded = from;
            let to = core.sequencer.look(&core.slots, from, limit, &mut batch.padded);
            if broken("shared.no_pin") {
                batch.move_pin(to);
            }
            // The swap succeeds only on a live gate that still stands at `from`: nothing from there on was let go
            // when the pin was already visible to whoever sees the swap.
            if to != from && gate.advance(from, to) {
                (batch.from, batch.to) = (from, to);
                return Some(batch);
            }
            let now = gate.live_position()?;
            if to == from && (now == from || broken("shared.lapped")) {
                return None;
            }
            from = now;
            batch.move_pin(from);
            // This batch may be held for long, and a producer that saw the pin where it was may have gone to sleep.
            if !broken("pin.move.not_notified") && !broken("pin.not_notified") {
                core.notify_producers();
            }
        }
    }

    /// Shows the next unread value to `show`, if there is one, without moving the cursor: others may take it meanwhile.
    /// Producers wait for `show` if they come round to it. Never waits; lock-free, but when more threads hold
    /// slots of the ring than ever before.
    pub fn peek<R>(&self, show: impl FnOnce(Sequence, &T) -> R) -> Option<R> {
        let pinned = self.pin(self.ready()?)?;
        show_first(pinned.core, pinned.from, show)
    }

    /// Pins the cursor's position, which may be `from`: nothing is taken, and producers wait all the same.
    fn pin(&self, mut from: Sequence) -> Option<PinnedBatch<'_, T, S>> {
        let Inner { core, .. } = &*self.inner;
        let gate = self.inner.gate();
        let mut pinned = PinnedBatch { core, pin: Some(core.gates.pin(from)), from, to: from, padded: from };
        // Swapped though nothing changes: whoever moves the cursor on from here acquires our swap, and so whoever goes by
        // where it stands then sees the pin. To look whether it still stands here would not do.
        let still_here = |from| match broken("shared.peek.unswapped") {
            true => gate.live_position() == Some(from),
            false => gate.advance(from, from),
        };
        while !still_here(from) {
            from = gate.live_position()?;
            pinned.move_pin(from);
            if !broken("pin.move.not_notified") {
                core.notify_producers(); // as in `claim`
            }
        }
        (pinned.from, pinned.to) = (from, from);
        Some(pinned)
    }

    /// Gives up the position: nothing more can be taken, and no producer waits for it any longer. Ranges already taken
    /// stay readable by who took them. Returns false if it was detached before.
    pub fn detach(&self) -> bool {
        let Inner { core, gate, covers } = &*self.inner;
        let control = core.gates.control();
        if !self.inner.gate().retire() {
            return false;
        }
        control.switch_off(*gate);
        let covers: Vec<_> = lock(covers).iter().filter_map(Weak::upgrade).collect();
        drop(control);
        for cover in covers {
            cover.refresh_for_detached();
        }
        if !broken("detach.not_notified") {
            core.notify_producers();
        }
        // Consumers that wait for this cursor must notice as well.
        core.notify_readers();
        true
    }

    /// As [`detach`](Self::detach). Returns how many values were claimed (with many producers) or published (with one) and
    /// not taken, or `None` if it was detached before. Costs a look at each.
    pub fn detach_counting(&self) -> Option<u64> {
        let Inner { core, .. } = &*self.inner;
        // Until they are counted: from the detach on, producers may use the slots again.
        let _pinned = self.pin(self.inner.gate().live_position()?)?;
        self.detach().then(|| core.sequencer.count_claimed(&core.slots, self.position()))
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> Clone for SharedCursor<T, S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> Drop for Inner<T, S> {
    fn drop(&mut self) {
        self.core.gates.detach(Kind::Lossless, self.gate);
        self.core.notify_producers();
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> fmt::Debug for SharedCursor<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCursor").field("position", &self.position()).finish_non_exhaustive()
    }
}

/// A range taken from a [`SharedCursor`], readable until this is dropped, while producers wait for it.
pub struct PinnedBatch<'a, T: Send + Sync + 'static, S: Sequencer> {
    core: &'a Core<T, S>,
    pin: Option<Pin<'a>>,
    from: Sequence,
    to: Sequence,
    /// The end of the last padding in it.
    padded: Sequence,
}

impl<T: Send + Sync + 'static, S: Sequencer> PinnedBatch<'_, T, S> {
    fn move_pin(&self, position: Sequence) {
        if let Some(pin) = &self.pin {
            pin.move_to(position);
        }
    }

    /// The slots.
    #[inline]
    #[must_use]
    pub fn view(&self) -> View<'_, T, S> {
        // Published and acquired in `claim`; held by the pin until the drop.
        View::new(&self.core.slots, self.from, self.to, self.from.is_before(self.padded))
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> Drop for PinnedBatch<'_, T, S> {
    #[inline]
    fn drop(&mut self) {
        // In this order: whoever is notified looks at the pins.
        drop(self.pin.take());
        let silent = broken("pin.not_notified") || broken("detach.not_notified"); // which counts under a pin
        if !(silent && self.from == self.to) {
            self.core.notify_producers();
        }
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> fmt::Debug for PinnedBatch<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinnedBatch").field("view", &self.view()).finish()
    }
}
