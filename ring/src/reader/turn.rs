//! A turn of a [`Cover`]: its cursors' slots, read in place.

use super::batch::View;
use super::cover::Cover;
use crate::sequence::Sequence;
use crate::sequencer::Sequencer;
use crate::sync::broken;
use std::fmt;

/// One turn over a cover's cursors. Its end moves the cover's gate to the cursor furthest behind.
#[must_use = "nothing is read until a cursor's slots are claimed"]
pub struct Turn<'a, T: Send + Sync + 'static, S: Sequencer> {
    pub(super) cover: &'a mut Cover<T, S>,
}

impl<T: Send + Sync + 'static, S: Sequencer> Turn<'_, T, S> {
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
        let gate = self.cover.cursors.get(index)?.inner.gate();
        loop {
            let from = gate.live_position()?;
            let limit = self.cover.shared.core.capacity().min(limit as u64);
            let to = self.cover.available.earlier(from.plus(limit));
            if !from.is_before(to) {
                return None;
            }
            // The cover's gate stands at or before every one of its cursors, and does not move during the turn; what
            // lies before `available` was acquired by `turn`.
            if broken("cover.gate_first") {
                let _ = self.cover.shared.move_gate(to);
            }
            if gate.advance(from, to) {
                let padded = from.is_before(self.cover.padded);
                return Some(View::new(&self.cover.shared.core.slots, from, to, padded));
            }
        }
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> Drop for Turn<'_, T, S> {
    #[inline]
    fn drop(&mut self) {
        self.cover.end();
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> fmt::Debug for Turn<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("available", &self.available()).finish_non_exhaustive()
    }
}
