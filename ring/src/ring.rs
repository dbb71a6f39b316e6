//! The ring: slots, a sequencer, the gates, and who waits for what. Everything else is a handle on one.

use crate::builder::Builder;
use crate::error::BuildError;
use crate::gating::Gates;
use crate::gating::predicate::Predicates;
use crate::reader::{Cover, Covers, Cursor, LossyCursor, OnFull, SharedCursor};
use crate::sequence::Sequence;
use crate::sequencer::{Multi, Sequencer, Single, SingleProducer, SlotsOf};
use crate::slots::Slots;
use crate::sync::{AtomicBool, AtomicU64, Ordering, broken, ordering, thread};
use crate::wait::{Notify, WaitStrategy, spin_pausing, wait_any};
use crossbeam_utils::CachePadded;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// What all handles of one ring share.
#[doc(hidden)]
#[derive(Debug)]
pub struct Core<T, S: Sequencer> {
    pub(crate) slots: SlotsOf<T, S>,
    pub(crate) sequencer: S,
    pub(crate) gates: Gates,
    /// Of the lossy gates.
    pub(crate) predicates: Predicates<T>,
    gate: CachePadded<GateCache>,
    data: Notify,
    room: Notify,
    wait: WaitStrategy,
    /// In lines of their own: producers that wait for room write there, and what is above is read by those that do not.
    pub(crate) covers: CachePadded<Covers>,
}

/// What every producer reads on every publish, and hardly anybody ever writes.
#[derive(Debug)]
struct GateCache {
    /// The gate as last scanned. Behind the truth, never ahead of it.
    seen: AtomicU64,
    closed: AtomicBool,
}

impl<T, S: Sequencer> Core<T, S> {
    pub(crate) fn new(slots: Slots<T, S::Stamp>, start: Sequence, wait: WaitStrategy) -> Self {
        Self {
            slots: SlotsOf(slots),
            sequencer: S::new(start),
            gates: Gates::new(),
            predicates: Predicates::new(),
            gate: CachePadded::new(GateCache {
                seen: AtomicU64::new(start.raw()),
                closed: AtomicBool::new(false),
            }),
            data: Notify::new(),
            room: Notify::new(),
            wait,
            covers: CachePadded::default(),
        }
    }

    #[inline(always)]
    pub(crate) fn capacity(&self) -> u64 {
        self.slots.0.capacity()
    }

    /// The gate as last scanned.
    #[inline(always)]
    pub(crate) fn cached_gate(&self) -> Sequence {
        // Acquire: pairs with the release in `cache_gate`: the scanner's acquired reads become ours.
        Sequence::from_raw(self.gate.seen.load(ordering("gate.cached.acquire", Ordering::Acquire)))
    }

    #[inline(always)]
    pub(crate) fn is_closed(&self) -> bool {
        // Acquire: pairs with the release store in `close`: the end of claims is there to be seen.
        self.gate.closed.load(ordering("closed.acquire", Ordering::Acquire))
    }

    /// Whether nothing is left to be read from `position` on, and never will be.
    pub(crate) fn is_at_end(&self, position: Sequence) -> bool {
        self.is_closed() && (position == self.sequencer.end_of_claims() || broken("close.end_unseen"))
    }

    fn close(&self) {
        self.sequencer.seal();
        // Release: pairs with the acquire load in `is_closed`.
        self.gate.closed.store(true, ordering("closed.release", Ordering::Release));
        if !broken("close.not_notified") {
            self.data.notify();
            self.room.notify();
        }
    }

    /// Scans the gates, pushing lossy ones on as far as a claim up to `end` needs and the others allow.
    ///
    /// Covers that hold it up are [helped](Covers::help_first); by a producer that is not `patient`, since it is about to
    /// sleep or to say that the ring is full, even if they seem to be run.
    #[cold]
    pub(crate) fn reread_gate(&self, end: Sequence, patient: bool) -> Sequence {
        let needed = end.minus(self.capacity());
        let mut patience = None;
        loop {
            // Where the walk over published slots begins; with one producer there is none.
            let seen = if S::ALONE { self.sequencer.tail() } else { self.cached_gate() };
            let lossless = self.gates.scan(|| self.sequencer.published(&self.slots, seen, self.capacity()));
            let gate = if self.gates.lossy.is_empty() {
                lossless
            } else {
                crate::reader::push_lossy(self, end, lossless)
            };
            let patient = || *patience.get_or_insert_with(|| patient && !self.covers.lose_patience());
            if needed.distance_from(gate) > 0 && self.covers.help_first(&self.gates, needed, patient) {
                continue;
            }
            self.cache_gate(gate);
            return gate;
        }
    }

    /// Remembers a scan's result, unless a faster scan got further: the cache must not go back, for the walk over
    /// published slots starts at it, and would stop at once at a slot that has been used again since. (A lone producer for
    /// good keeps the gate from its own scan, and nobody else asks.)
    fn cache_gate(&self, gate: Sequence) {
        if S::ALONE {
            return;
        }
        let mut seen = self.gate.seen.load(Ordering::Relaxed);
        while Sequence::from_raw(seen).is_before(gate) || broken("gate.cache.backwards") {
            // Release: pairs with the acquire load in `cached_gate`. Acquire: continues what other scans acquired.
            let both = ordering("gate.cache", Ordering::AcqRel);
            match self.gate.seen.compare_exchange_weak(seen, gate.raw(), both, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    #[inline(always)]
    pub(crate) fn notify_readers(&self) {
        if self.wait.parks() && !broken("data.not_notified") {
            self.data.notify();
        }
    }

    #[inline(always)]
    pub(crate) fn notify_producers(&self) {
        if self.wait.parks() && !broken("room.not_notified") {
            self.room.notify();
        }
    }

    /// After attaching: a producer may have found the new gate before it stood where it starts, and gone to sleep.
    pub(crate) fn notify_attached(&self) {
        if !broken("attach.not_notified") {
            self.notify_producers();
        }
    }

    /// Waits until there may be room for a claim up to `end`, or the ring is closed (`true`), or until `deadline`
    /// (`false`).
    #[cold]
    pub(crate) fn wait_for_room(&self, end: Sequence, deadline: Option<Instant>) -> bool {
        let needed = end.minus(self.capacity());
        let mut ready = || self.is_closed() || needed.distance_from(self.reread_gate(end, true)) <= 0;
        // A ring that is full moves on by a batch at a time: look a few times, then let the readers run. (A model's
        // interest is in what comes after.)
        if !crate::sync::MODELLED {
            for look in 0..LOOKS_FOR_ROOM {
                if ready() {
                    return true;
                }
                (0..1 << look).for_each(|_| crate::sync::spin_hint());
            }
            thread::yield_now();
        }
        // Room comes from readers that move on; but also, while a slot is claimed and not yet written, from the
        // producer that publishes it.
        let sources: &[&Notify] =
            if broken("room.not_from_producers") { &[&self.room] } else { &[&self.room, &self.data] };
        spin_pausing(self.wait, deadline, PAUSE, &mut ready)
            || wait_any(sources, deadline, &mut || {
                self.is_closed() || needed.distance_from(self.reread_gate(end, false)) <= 0
            })
    }

    pub(crate) fn wait_strategy(&self) -> WaitStrategy {
        self.wait
    }

    pub(crate) fn data(&self) -> &Notify {
        &self.data
    }
}

/// How often a producer looks for room before it gives way, with a pause that doubles each time, up to [`PAUSE`].
const LOOKS_FOR_ROOM: u32 = PAUSE.ilog2() + 1;
/// Spin hints between two looks for room, in the long run. Each look takes lines from the readers, and they are who makes the room:
/// without a pause they are a quarter slower (measured: docs/decisions/0023).
const PAUSE: u32 = 16;

/// A handle on a ring. Cheap to clone. With [`Multi`] it is also how values are published.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain_ring::Ring;
/// let ring = Ring::multi(1024, || 0u64)?;
/// let mut cursor = ring.cursor();
/// ring.publish(7)?;
/// assert_eq!(cursor.poll(64, |sequence, value| assert_eq!((sequence.number(), *value), (0, 7))), 1);
/// # Ok(())
/// # }
/// ```
pub struct Ring<T, S: Sequencer = Multi> {
    pub(crate) core: Arc<Core<T, S>>,
}

impl<T: Send + Sync + 'static> Ring<T, Multi> {
    /// A ring of `capacity` slots for any number of producers, each slot filled by `value` to begin with.
    ///
    /// # Errors
    /// [`BuildError`] when the capacity is not a power of two.
    pub fn multi(capacity: usize, value: impl FnMut() -> T) -> Result<Self, BuildError> {
        Builder::new(capacity).multi(value)
    }
}

impl<T: Send + Sync + 'static> Ring<T, Single> {
    /// A ring of `capacity` slots and its only producer, each slot filled by `value` to begin with.
    ///
    /// # Errors
    /// [`BuildError`] when the capacity is not a power of two.
    pub fn single(
        capacity: usize,
        value: impl FnMut() -> T,
    ) -> Result<(SingleProducer<T>, Self), BuildError> {
        Builder::new(capacity).single(value)
    }
}

impl<T: Send + Sync + 'static, S: Sequencer> Ring<T, S> {
    /// How many slots there are.
    #[must_use]
    pub fn capacity(&self) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "it was a usize")]
        let capacity = self.core.capacity() as usize;
        capacity
    }

    /// A new cursor, which reads everything whose publish starts after this returns, and holds producers back until
    /// it has. Locks; reads no slot.
    #[must_use]
    pub fn cursor(&self) -> Cursor<T, S> {
        Cursor::attach(&self.core)
    }

    /// A new cursor that several consumers advance together, each reading what it took.
    #[must_use]
    pub fn shared_cursor(&self) -> SharedCursor<T, S> {
        SharedCursor::attach(&self.core)
    }

    /// A new cursor that never holds producers back: what `on_full` says happens to it instead.
    #[must_use]
    pub fn lossy_cursor(&self, on_full: OnFull) -> LossyCursor<T, S> {
        LossyCursor::attach(&self.core, on_full, None)
    }

    /// As [`lossy_cursor`](Self::lossy_cursor), for a reader that leaves out what does not match `predicate`: a gap does not
    /// count that either. See [`LossyCursor`] for who calls it when.
    #[must_use]
    pub fn lossy_cursor_where(
        &self,
        on_full: OnFull,
        predicate: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> LossyCursor<T, S> {
        LossyCursor::attach(&self.core, on_full, Some(Box::new(predicate)))
    }

    /// A cover: one thread that serves many shared cursors, and one gate that stands for them all.
    #[must_use]
    pub fn cover(&self) -> Cover<T, S> {
        Cover::attach(&self.core)
    }

    /// Waits until there may be room to claim `count` slots (at most the capacity), or the ring is closed (`true`), or
    /// until `deadline` (`false`). Others may be faster: try, and wait again.
    #[must_use]
    pub fn wait_for_room(&self, count: u64, deadline: Option<Instant>) -> bool {
        self.core.wait_for_room(self.tail().plus(count.min(self.core.capacity())), deadline)
    }

    /// The end of what is claimed (with many producers) or published (with one).
    #[must_use]
    pub fn tail(&self) -> Sequence {
        self.core.sequencer.tail()
    }

    /// Whether the ring is closed, and a reader at `position` has read all that was ever accepted.
    #[must_use]
    pub fn is_at_end(&self, position: Sequence) -> bool {
        self.core.is_at_end(position)
    }

    /// Refuses publishing from now on, and wakes everybody who waits. What was accepted stays readable, and will be read:
    /// a reader comes to the end only after the last claim that succeeded.
    ///
    /// Does not wait for claims under way.
    pub fn close(&self) {
        self.core.close();
    }

    /// Whether [`close`](Self::close) was called. (For a moment before it says so, publishing may be refused already.)
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.is_closed()
    }

    /// Notified after each publish, unless the strategy is [`WaitStrategy::Spin`].
    #[must_use]
    pub fn data(&self) -> &Notify {
        &self.core.data
    }

    /// Notified whenever a reader moves on, unless the strategy is [`WaitStrategy::Spin`].
    #[must_use]
    pub fn room(&self) -> &Notify {
        &self.core.room
    }

    /// How waiting is done here.
    #[must_use]
    pub fn wait_strategy(&self) -> WaitStrategy {
        self.core.wait
    }
}

impl<T, S: Sequencer> Clone for Ring<T, S> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core) }
    }
}

impl<T, S: Sequencer> fmt::Debug for Ring<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("capacity", &self.core.capacity())
            .field("tail", &self.core.sequencer.tail())
            .field("closed", &self.core.is_closed())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(ringmain_loom, ringmain_shuttle))))]
mod tests {
    use super::*;
    use crate::gating::Kind;

    #[test]
    fn covers_that_are_gone_are_forgotten() {
        let ring = Ring::multi(4, || 0).unwrap();
        (0..100).for_each(|_| drop(ring.cover()));
        let cover = ring.cover();
        assert_eq!(ring.core.covers.known(), 1);
        drop(cover);
        let (gate, _) = ring.core.gates.attach(Kind::Lossless, || Sequence::new(0));
        assert!(gate < 2, "and their gates are used again");
    }
}
