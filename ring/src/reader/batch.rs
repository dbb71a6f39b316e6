//! A view of published slots, read in place.

use crate::ring::Core;
use crate::sequence::Sequence;
use crate::sequencer::{Sequencer, SlotsOf};
use crate::slots::Slot;
use crate::sync::broken;
use std::fmt;

/// Values read where they stand, in order, padding skipped. Somebody holds producers back while it lives.
pub struct View<'a, T, S: Sequencer> {
    slots: &'a SlotsOf<T, S>,
    from: Sequence,
    to: Sequence,
    /// Whether there may be padding in it. Then every stamp is looked at; else none is, which more than halves what a
    /// small value costs each of many readers.
    padded: bool,
}

impl<'a, T, S: Sequencer> View<'a, T, S> {
    /// The caller vouches that `from..to` is published, acquired by this thread, and gated for `'a`; and, unless it is
    /// `padded`, that there is no padding in it.
    #[inline]
    pub(crate) fn new(slots: &'a SlotsOf<T, S>, from: Sequence, to: Sequence, padded: bool) -> Self {
        Self { slots, from, to, padded }
    }

    /// The sequence of the first slot.
    #[must_use]
    pub fn start(&self) -> Sequence {
        self.from
    }

    /// The sequence after the last slot.
    #[must_use]
    pub fn end(&self) -> Sequence {
        self.to
    }

    /// How many slots, padding included.
    #[must_use]
    pub fn len(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a view is at most a ring, whose size is a usize"
        )]
        let len = self.from.until(self.to) as usize;
        len
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// The view without its first `skip` slots.
    #[must_use]
    pub fn after(&self, skip: usize) -> Self {
        let skip = skip.min(self.len()) as u64;
        Self { from: self.from.plus(skip), ..*self }
    }

    /// Calls `read` with each value and its sequence; returns how many there were.
    #[inline]
    pub fn for_each(&self, mut read: impl FnMut(Sequence, &'a T)) -> usize {
        let (head, tail) = self.slots.0.runs(self.from, self.to);
        let mut sequence = self.from;
        if !self.padded || broken("view.padding_unseen") {
            for run in [head, tail] {
                for slot in run {
                    read(sequence, in_view::<T, S>(slot));
                    sequence = sequence.plus(1);
                }
            }
            return head.len() + tail.len();
        }
        let mut count = 0;
        for run in [head, tail] {
            for slot in run {
                if let Some(value) = value::<T, S>(slot) {
                    read(sequence, value);
                    count += 1;
                }
                sequence = sequence.plus(1);
            }
        }
        count
    }

    /// How many values, padding not included. Reads stamps at most.
    #[must_use]
    pub fn count_values(&self) -> u64 {
        if !self.padded {
            return self.from.until(self.to);
        }
        let (head, tail) = self.slots.0.runs(self.from, self.to);
        head.iter().chain(tail).filter(|slot| !S::is_padding(&slot.stamp)).count() as u64
    }

    /// The values with their sequences.
    pub fn iter(&self) -> impl Iterator<Item = (Sequence, &'a T)> + use<'a, T, S> {
        let (head, tail) = self.slots.0.runs(self.from, self.to);
        let from = self.from;
        head.iter()
            .chain(tail)
            .zip(0u64..)
            .filter_map(move |(slot, offset)| value::<T, S>(slot).map(|value| (from.plus(offset), value)))
    }
}

/// The value of a slot in a view, unless it is padding.
#[inline(always)]
fn value<T, S: Sequencer>(slot: &Slot<T, S::Stamp>) -> Option<&T> {
    (!S::is_padding(&slot.stamp)).then(|| in_view::<T, S>(slot))
}

#[inline(always)]
fn in_view<T, S: Sequencer>(slot: &Slot<T, S::Stamp>) -> &T {
    // SAFETY: slots reach this function through a `View` only, whose maker vouched for them.
    unsafe { slot.read() }
}

/// Shows the first value that is published at or after `from`, padding skipped, to `show`, if there is one. The caller
/// vouches that producers are held back from `from` on until this returns.
pub(super) fn show_first<T, S: Sequencer, R>(
    core: &Core<T, S>,
    from: Sequence,
    show: impl FnOnce(Sequence, &T) -> R,
) -> Option<R> {
    let mut from = from;
    loop {
        let next = core.sequencer.published(&core.slots, from, 1);
        if next == from {
            return None;
        }
        // Published and acquired just now.
        if let Some((sequence, value)) = View::new(&core.slots, from, next, true).iter().next() {
            return Some(show(sequence, value));
        }
        from = next;
    }
}

impl<T, S: Sequencer> fmt::Debug for View<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("from", &self.from).field("to", &self.to).finish()
    }
}
