//! Cursors that pass over padding without being read.
//!
//! Padding holds nothing that anybody wants, yet a cursor that nobody reads just now stands before it, and producers
//! stand behind the cursor. Whoever publishes padding in earnest (to get at what the slots held) moves such cursors on.
//! A cursor passes over padding only up to the first value; nothing is read, so nothing is pinned.

use super::hold::Hold;
use super::lossy::LossyCursor;
use super::shared::SharedCursor;
use crate::ring::Core;
use crate::sequence::Sequence;
use crate::sequencer::Sequencer;
use crate::sync::broken;

impl<T: Send + Sync + 'static, S: Sequencer> SharedCursor<T, S> {
    /// Moves the cursor on past the padding that it stands at, if it does. Never waits; lock-free.
    pub fn pass_padding(&self) {
        let core = &*self.inner.core;
        let gate = self.inner.gate();
        while let Some(from) = gate.live_position() {
            let to = end_of_padding(core, from);
            if to == from {
                return;
            }
            // Succeeds only if the cursor still stands at `from`: then the slots that we looked at were of this lap, for
            // no producer was let past it.
            if gate.advance(from, to) {
                return core.notify_producers();
            }
        }
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> LossyCursor<T, S> {
    /// Moves the cursor on past the padding that it stands at, if it does and nobody else holds it. Never waits.
    pub fn pass_padding(&self) {
        let gate = self.core.gates.lossy.gate(self.gate);
        // To let go of it notifies producers, who would look again in vain.
        let position = gate.position();
        if end_of_padding(&self.core, position) == position {
            return;
        }
        // Held, so that nobody else moves it; whoever holds it instead is reading it, or pushing it on.
        let Ok(_hold) = Hold::take(&self.core, self.gate, gate, "lossy.padding_held") else { return };
        let from = gate.position();
        let to = end_of_padding(&self.core, from);
        if to != from {
            gate.move_to(to);
        }
    }
}

/// The end of the run of padding that begins at `from`, as far as it is published.
fn end_of_padding<T, S: Sequencer>(core: &Core<T, S>, from: Sequence) -> Sequence {
    let published = core.sequencer.published(&core.slots, from, core.capacity());
    let mut end = from;
    while end != published && (S::is_padding(&core.slots.0.slot(end).stamp) || broken("padding.values_too")) {
        end = end.plus(1);
    }
    end
}
