//! One producer: a published cursor, stored with release once per publish or batch.
//!
//! In the steady state the producer writes one shared line, the cursor's, and reads none: the last gate that it saw it keeps.
//! An unfinished claim is simply not published: the next claim takes the same slots, and no padding is ever needed.
//!
//! Each claim is announced in a line that nobody else reads until the ring is closed; then readers stay until the last
//! announced claim is published, or taken back. What is announced is also where the next claim begins: a word for that would
//! be one store a message more, of the few that a core remembers (docs/decisions/0023). (The light fence in between is free where the system has `membarrier`, and
//! costs a full one elsewhere.)

use super::{Sequencer, SlotsOf, sealed::Sealed};
use crate::claim::{Claim, Claimant};
use crate::error::{ClaimError, Closed, TryPublishError};
use crate::ring::{Core, Ring};
use crate::sequence::{Sequence, TAG};
use crate::sync::{AtomicBool, AtomicU64, Ordering, broken, heavy_fence, light_fence, ordering};
use crossbeam_utils::CachePadded;
use std::sync::Arc;

/// The sequencer of a ring with one producer, its [`SingleProducer`].
#[derive(Debug)]
pub struct Single {
    /// Everything before this is readable. Written by the producer alone.
    published: CachePadded<AtomicU64>,
    own: CachePadded<Own>,
}

/// What the producer writes and reads per claim, and everybody else when the ring is closed.
#[derive(Debug)]
struct Own {
    /// The end of the last claim (tagged while a [`Claim`] of it is out), announced before `sealed` is looked at: either the producer sees the seal, or whoever
    /// sealed sees the claim.
    claimed: AtomicU64,
    sealed: AtomicBool,
}

impl Sealed for Single {}

impl Sequencer for Single {
    const ALONE: bool = true;

    type Stamp = ();

    fn new(start: Sequence) -> Self {
        let own = Own { claimed: AtomicU64::new(start.raw()), sealed: AtomicBool::new(false) };
        Self { published: CachePadded::new(AtomicU64::new(start.raw())), own: CachePadded::new(own) }
    }

    fn unpublished(_first: Sequence, _capacity: u64) {}

    fn tail(&self) -> Sequence {
        // Relaxed: what attaching needs of it comes from the fences in `Gates`, and readers look at `published`.
        Sequence::from_raw(self.published.load(Ordering::Relaxed))
    }

    fn seal(&self) {
        self.own.sealed.store(true, Ordering::Relaxed);
        heavy_fence("single.seal.no_fence"); // pairs with the light fence in `SingleProducer::reserve`
    }

    fn end_of_claims(&self) -> Sequence {
        // Relaxed: the fences in `seal` and `reserve` see to it that this is the last claim, or a later word on it.
        Sequence::from_raw(self.own.claimed.load(Ordering::Relaxed))
    }

    #[inline]
    fn look<T>(
        &self,
        _slots: &SlotsOf<T, Self>,
        from: Sequence,
        limit: u64,
        _padded: &mut Sequence,
    ) -> Sequence {
        // Acquire: pairs with the release store in `SingleProducer::publish_to`; the values come with it.
        let acquire = ordering("single.published.acquire", Ordering::Acquire);
        let published = Sequence::from_raw(self.published.load(acquire));
        published.earlier(from.plus(limit))
    }

    fn count_values<T>(&self, _slots: &SlotsOf<T, Self>, from: Sequence) -> u64 {
        from.until(self.tail())
    }

    fn count_claimed<T>(&self, slots: &SlotsOf<T, Self>, from: Sequence) -> u64 {
        self.count_values(slots, from)
    }

    #[inline(always)]
    fn is_padding((): &()) -> bool {
        false
    }
}

/// The only producer of a [`Ring<T, Single>`]. Methods take `&mut self`: the type system is what keeps it single.
#[derive(Debug)]
pub struct SingleProducer<T: Send + Sync + 'static> {
    core: Arc<Core<T, Single>>,
    /// A gate seen some time ago. Gates only move forward, so it is never too far.
    gate: Sequence,
}

impl<T: Send + Sync + 'static> SingleProducer<T> {
    pub(crate) fn new(ring: &Ring<T, Single>) -> Self {
        Self { core: Arc::clone(&ring.core), gate: ring.core.sequencer.tail() }
    }

    /// Publishes `value` if there is room; returns its sequence.
    ///
    /// The value that the slot held a lap ago is dropped after the publish, on this thread.
    ///
    /// # Errors
    /// [`TryPublishError::Full`] or [`TryPublishError::Closed`], with the value.
    #[inline(always)]
    pub fn try_publish(&mut self, value: T) -> Result<Sequence, TryPublishError<T>> {
        self.try_exchange(value).map(|(sequence, _old)| sequence)
    }

    /// As [`try_publish`](Self::try_publish), and gives back what the slot held a lap ago, for reuse.
    ///
    /// # Errors
    /// As [`try_publish`](Self::try_publish).
    #[inline(always)]
    pub fn try_exchange(&mut self, value: T) -> Result<(Sequence, T), TryPublishError<T>> {
        let sequence = match self.reserve(1, 0) {
            Ok(sequence) => sequence,
            Err(ClaimError::Closed) => return Err(TryPublishError::Closed(value)),
            Err(_) => return Err(TryPublishError::Full(value)),
        };
        self.core.slots.0.fetch_ahead_in_row(sequence);
        // SAFETY: we are the only producer, and `reserve` acquired a gate past the last lap of this slot.
        let old = unsafe { self.core.slots.0.slot(sequence).replace(value) };
        self.publish_to(sequence.plus(1));
        Ok((sequence, old))
    }

    /// Publishes `value`, waiting for room by the ring's wait strategy.
    ///
    /// # Errors
    /// [`Closed`] with the value when the ring is closed.
    #[inline(always)]
    pub fn publish(&mut self, value: T) -> Result<Sequence, Closed<T>> {
        match self.try_publish(value) {
            Ok(sequence) => Ok(sequence),
            Err(TryPublishError::Closed(back)) => Err(Closed(back)),
            Err(TryPublishError::Full(back)) => self.publish_waiting(back),
        }
    }

    #[cold]
    fn publish_waiting(&mut self, mut value: T) -> Result<Sequence, Closed<T>> {
        loop {
            let _room = self.core.wait_for_room(self.next().plus(1), None);
            match self.try_publish(value) {
                Ok(sequence) => return Ok(sequence),
                Err(TryPublishError::Closed(back)) => return Err(Closed(back)),
                Err(TryPublishError::Full(back)) => value = back,
            }
        }
    }

    /// Claims `count` slots to be written in order and published together, waiting for room.
    ///
    /// # Errors
    /// [`ClaimError::Closed`], or [`ClaimError::TooLarge`] for more than the ring has.
    #[inline]
    pub fn claim(&mut self, count: u64) -> Result<Claim<T, &mut Self>, ClaimError> {
        let start = loop {
            match self.reserve(count, TAG) {
                Ok(start) => break start,
                Err(ClaimError::Full) => {
                    let _room = self.core.wait_for_room(self.next().plus(count), None);
                }
                Err(error) => return Err(error),
            }
        };
        Ok(Claim::new(self, start, count))
    }

    /// As [`claim`](Self::claim), without waiting.
    ///
    /// # Errors
    /// As [`claim`](Self::claim), and [`ClaimError::Full`].
    #[inline]
    pub fn try_claim(&mut self, count: u64) -> Result<Claim<T, &mut Self>, ClaimError> {
        let start = self.reserve(count, TAG)?;
        Ok(Claim::new(self, start, count))
    }

    /// The ring that this produces for.
    #[must_use]
    pub fn ring(&self) -> Ring<T, Single> {
        Ring { core: Arc::clone(&self.core) }
    }

    /// Where the next claim begins, unless a [`Claim`] is out.
    #[inline(always)]
    fn next(&self) -> Sequence {
        self.core.sequencer.end_of_claims()
    }

    /// Makes the next `count` slots ours to write, and returns the first; `publish_to` or `take_back` follows. With `TAG` for
    /// a [`Claim`], until it comes back.
    #[inline(always)]
    fn reserve(&mut self, count: u64, tag: u64) -> Result<Sequence, ClaimError> {
        let own = &self.core.sequencer.own;
        if own.claimed.load(Ordering::Relaxed) & TAG != 0 {
            self.take_back(); // it was forgotten
        }
        let (start, capacity) = (self.next(), self.core.slots.0.capacity());
        let end = start.plus(count);
        if count > capacity || end.minus(capacity).distance_from(self.gate) > 0 {
            self.look_for_room(count)?;
        }
        let own = &self.core.sequencer.own;
        if !broken("single.claim.unannounced") {
            own.claimed.store(end.raw() | tag, Ordering::Relaxed);
        }
        light_fence("single.claim.no_fence"); // pairs with the heavy fence in `Single::seal`
        if own.sealed.load(Ordering::Relaxed) {
            self.take_back();
            return Err(ClaimError::Closed);
        }
        Ok(start)
    }

    /// Ends a claim at what is published of it, and tells readers, who may be waiting for the rest.
    #[cold]
    fn take_back(&self) {
        if !broken("single.claim.not_taken_back") {
            self.core.sequencer.own.claimed.store(self.core.sequencer.tail().raw(), Ordering::Relaxed);
        }
        self.core.notify_readers();
    }

    #[cold]
    fn look_for_room(&mut self, count: u64) -> Result<(), ClaimError> {
        let capacity = self.core.slots.0.capacity();
        if self.core.sequencer.own.sealed.load(Ordering::Relaxed) {
            return Err(ClaimError::Closed);
        }
        if count > capacity {
            return Err(ClaimError::TooLarge { count, capacity });
        }
        let end = self.next().plus(count);
        self.gate = self.core.reread_gate(end, false);
        if end.minus(capacity).distance_from(self.gate) <= 0 { Ok(()) } else { Err(ClaimError::Full) }
    }

    #[inline]
    fn publish_to(&mut self, end: Sequence) {
        // Release: pairs with the acquire load in `Single::look`; the values go with it.
        let release = ordering("single.published.release", Ordering::Release);
        self.core.sequencer.published.store(end.raw(), release);
        self.core.notify_readers();
    }
}

impl<T: Send + Sync + 'static> Claimant<T> for &mut SingleProducer<T> {
    type Sequencer = Single;

    #[inline(always)]
    fn core(&self) -> &Core<T, Single> {
        &self.core
    }

    #[inline(always)]
    fn written(&self, _sequence: Sequence) {}

    #[inline]
    fn publish(&mut self, start: Sequence, written: u64, count: u64) {
        // What was not written was never published: the next claim begins there.
        if written > 0 {
            self.publish_to(start.plus(written));
        }
        if written == count {
            self.core.sequencer.own.claimed.store(start.plus(count).raw(), Ordering::Relaxed);
        } else {
            self.take_back();
        }
    }
}

#[cfg(all(test, not(any(ringmain_loom, ringmain_shuttle))))]
mod tests {
    use super::*;
    use crate::gating::Kind;
    use std::cell::{Cell, RefCell};

    /// Until it stands where it begins, its gate stands where the ring was when it came.
    #[test]
    fn a_reader_that_attaches_while_laps_go_by_leaves_room_for_the_next() {
        let (producer, ring) = Ring::single(4, || 0u64).unwrap();
        let (producer, stands) = (RefCell::new(producer), Cell::new(false));
        let room = || producer.borrow_mut().try_publish(0).is_ok();
        let (_gate, start) = ring.core.gates.attach(Kind::Lossless, || {
            let tail = ring.core.sequencer.tail();
            if stands.replace(true) {
                assert!(!room(), "it is held back from five laps ago");
            } else {
                (0..20).for_each(|_| assert!(room(), "nobody reads yet"));
            }
            tail
        });
        assert_eq!(start.number(), 20);
        (0..4).for_each(|_| assert!(room(), "as far as the reader lets it"));
        assert!(!room());
    }
}
