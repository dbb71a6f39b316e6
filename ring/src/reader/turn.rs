//! A turn of a [`Cover`]: its cursors' slots, read in place.

use super::batch::View;
use super::cover::Cover;
use crate::gating::Kind;
use crate::sequence::Sequence;
use crate::sequencer::Sequencer;
use crate::sync::broken;
use std::cell::Cell;
use std::fmt;

/// One turn over a cover's cursors. Its end moves the cover's gate to the cursor furthest behind.
#[must_use = "nothing is read until a cursor's slots are claimed"]
pub struct Turn<'a, T: Send + Sync + 'static, S: Sequencer> {
    pub(super) cover: &'a mut Cover<T, S>,
    met: Met,
}

/// Where the cursors stood, if they were claimed from one after the other: then the turn's end need not go to each of
/// them once more, for a line or two that handlers have pushed out of the nearest cache. They may have moved on since,
/// by other consumers' doing, but not back.
#[derive(Debug, Default)]
struct Met {
    /// How many of the first ones.
    count: Cell<usize>,
    least: Cell<Option<Sequence>>,
}

impl Met {
    /// The cursor at `index` stands at `position`, or is gone.
    #[inline]
    fn meet(&self, index: usize, position: Option<Sequence>) {
        if self.count.get() == index {
            self.count.set(index + 1);
            self.least.set(self.least.get().into_iter().chain(position).reduce(Sequence::earlier));
        }
    }
}

impl<'a, T: Send + Sync + 'static, S: Sequencer> Turn<'a, T, S> {
    pub(super) fn new(cover: &'a mut Cover<T, S>) -> Self {
        Self { cover, met: Met::default() }
    }

    /// How many cursors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cover.cursors.len()
    }

    /// Whether there is no cursor.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cover.cursors.is_empty()
    }

    /// The end of what this turn can read.
    #[must_use]
    pub fn available(&self) -> Sequence {
        self.cover.available
    }

    /// Takes at most `limit` slots from the cursor at `index` (0 up to [`len`](Self::len)), if any is ready.
    #[inline]
    #[must_use]
    pub fn claim(&self, index: usize, limit: usize) -> Option<View<'_, T, S>> {
        let core = &self.cover.shared.core;
        let gate = core.gates.list(Kind::Lossless).gate(self.cover.cursors.get(index)?.gate);
        loop {
            let Some(from) = gate.live_position() else {
                self.met.meet(index, None);
                return None;
            };
            let limit = core.capacity().min(limit as u64);
            let to = self.cover.available.earlier(from.plus(limit));
            if !from.is_before(to) {
                self.met.meet(index, Some(from));
                return None;
            }
            // The cover's gate stands at or before every one of its cursors, and does not move during the turn; what
            // lies before `available` was acquired by `turn`.
            if broken("cover.gate_first") {
                self.cover.shared.move_gate(to);
            }
            if gate.advance(from, to) {
                self.met.meet(index, Some(to));
                let padded = from.is_before(self.cover.padded);
                return Some(View::new(&core.slots, from, to, padded));
            }
        }
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> Drop for Turn<'_, T, S> {
    #[inline]
    fn drop(&mut self) {
        let all = self.met.count.get() == self.cover.cursors.len();
        self.cover.end(all.then(|| self.met.least.get()));
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> fmt::Debug for Turn<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("available", &self.available()).finish_non_exhaustive()
    }
}
