//! A cursor with one owner, who moves it after reading.

use super::batch::View;
use super::gather::Gather;
use super::lines::take_lines;
use crate::gating::Kind;
use crate::ring::{Core, Ring};
use crate::sequence::Sequence;
use crate::sequencer::Sequencer;
use crate::sync::broken;
use crate::wait::spin_until;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// A reader with a position of its own, which no value escapes: producers wait for it.
///
/// Dropping it detaches it, and wakes producers that waited for it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut producer, ring) = ringmain_ring::Ring::single(1024, || 0u64)?;
/// let mut cursor = ring.cursor();
/// let reader = std::thread::spawn(move || {
///     let mut sum = 0;
///     while cursor.wait(None) {
///         cursor.poll(64, |_, value| sum += value);
///     }
///     sum
/// });
/// for value in 1..=100 {
///     producer.publish(value)?;
/// }
/// ring.close();
/// assert_eq!(reader.join().unwrap(), 5050);
/// # Ok(())
/// # }
/// ```
pub struct Cursor<T: Send + Sync + 'static, S: Sequencer> {
    core: Arc<Core<T, S>>,
    gate: usize,
    position: Sequence,
    seen: Seen,
}

/// What a cursor has seen of its ring.
#[derive(Debug)]
struct Seen {
    /// How far the ring is published.
    available: Sequence,
    /// The end of the last padding.
    padded: Sequence,
    gather: Gather,
}

impl Seen {
    /// Whether there is anything to read at `position`, by what was seen or else by a look.
    #[inline]
    fn is_ready<T, S: Sequencer>(&mut self, core: &Core<T, S>, position: Sequence) -> bool {
        self.available != position || self.look(core, position)
    }

    /// Looks how far the ring is published from `position` on; whether there is anything to read.
    #[inline]
    fn look<T, S: Sequencer>(&mut self, core: &Core<T, S>, position: Sequence) -> bool {
        let Self { available, padded, gather } = self;
        let capacity = core.capacity();
        let mut look = || {
            *available = core.sequencer.look(&core.slots, position, capacity, padded);
            (position.until(*available), available.number())
        };
        let (ready, end) = look();
        gather.after(ready, end, look) > 0
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> Cursor<T, S> {
    pub(crate) fn attach(core: &Arc<Core<T, S>>) -> Self {
        let (gate, position) = core.gates.attach(Kind::Lossless, || core.sequencer.tail());
        core.notify_attached();
        let seen = Seen { available: position, padded: position, gather: Gather::default() };
        Self { core: Arc::clone(core), gate, position, seen }
    }

    /// The position: the sequence that is read next.
    #[must_use]
    pub fn position(&self) -> Sequence {
        self.position
    }

    /// Reads at most `limit` slots in place and moves on; returns how many values were read. Never waits.
    ///
    /// If `read` panics, what it was called with counts as read, and so does the rest of the batch.
    #[inline]
    pub fn poll(&mut self, limit: usize, mut read: impl FnMut(Sequence, &T)) -> usize {
        match self.batch(limit) {
            Some(batch) => batch.for_each(&mut read),
            None => 0,
        }
    }

    /// The next at most `limit` slots, if any is ready. The cursor moves past them when the batch is dropped.
    #[inline]
    pub fn batch(&mut self, limit: usize) -> Option<Batch<'_, T, S>> {
        if !self.seen.is_ready(&self.core, self.position) {
            return None;
        }
        let limit = self.core.capacity().min(limit as u64);
        let end = self.seen.available.earlier(self.position.plus(limit));
        (end != self.position).then_some(Batch { cursor: self, end })
    }

    /// Waits until there is something to read (`true`), be it padding alone, or the ring is closed and read to its end, or
    /// `deadline` has passed (`false`).
    pub fn wait(&mut self, deadline: Option<Instant>) -> bool {
        let Self { core, position, seen, .. } = self;
        let mut ready = || seen.is_ready(core, *position) || core.is_at_end(*position);
        if !spin_until(core.wait_strategy(), deadline, &mut ready) {
            core.data().wait_until(deadline, ready);
        }
        seen.is_ready(core, *position)
    }

    /// The ring that this reads.
    #[must_use]
    pub fn ring(&self) -> Ring<T, S> {
        Ring { core: Arc::clone(&self.core) }
    }

    #[inline]
    fn move_to(&mut self, position: Sequence) {
        self.position = position;
        self.core.gates.list(Kind::Lossless).gate(self.gate).move_to(position);
        self.core.notify_producers();
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> Drop for Cursor<T, S> {
    fn drop(&mut self) {
        self.core.gates.detach(Kind::Lossless, self.gate);
        if !broken("detach.not_notified") {
            self.core.notify_producers();
        }
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> fmt::Debug for Cursor<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("position", &self.position).finish_non_exhaustive()
    }
}

/// Slots being read by a [`Cursor`]; the cursor moves past them when this is dropped.
pub struct Batch<'a, T: Send + Sync + 'static, S: Sequencer> {
    cursor: &'a mut Cursor<T, S>,
    end: Sequence,
}

impl<T: Send + Sync + 'static, S: Sequencer> Batch<'_, T, S> {
    /// The slots.
    #[inline]
    #[must_use]
    pub fn view(&self) -> View<'_, T, S> {
        // Published and acquired by the cursor's look; gated by its position until the drop.
        let Cursor { core, position, seen, .. } = &*self.cursor;
        View::new(&core.slots, *position, self.end, position.is_before(seen.padded))
    }

    /// Calls `read` with each value and its sequence; returns how many there were.
    #[inline]
    pub fn for_each(&self, mut read: impl FnMut(Sequence, &T)) -> usize {
        self.view().for_each(&mut read)
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> Drop for Batch<'_, T, S> {
    #[inline]
    fn drop(&mut self) {
        let Cursor { core, position, seen, .. } = &*self.cursor;
        let Seen { available, padded, gather } = seen;
        if broken("lines.taken_late") {
            let (core, position, available, padded) = (Arc::clone(core), *position, *available, *padded);
            self.cursor.move_to(self.end);
            return take_lines(&core, position, self.end, available, padded);
        }
        if !gather.waited_long() {
            take_lines(core, *position, self.end, *available, *padded);
        }
        self.cursor.move_to(self.end);
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> fmt::Debug for Batch<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("view", &self.view()).finish()
    }
}
