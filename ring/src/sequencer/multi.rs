//! Many producers: gate check, then compare-and-swap, then a stamp beside the value.
//!
//! The gate is checked *before* the claim: a producer that finds the ring full has claimed nothing, so a `try_publish`
//! never leaves a hole, and nobody queues up behind a claim that waits (a fetch-add before the check convoys).
//!
//! While a ring has had one producing thread only, that thread claims with plain stores (see `owner`); the second one
//! to come revokes that, once.
//!
//! Closing sets the tag of the claim cursor, so a claim either lies before the close, and will be published, or fails.
//!
//! A slot is readable when its stamp equals its sequence. A batch stamps each slot as it is written, but for the first,
//! which it stamps last: a reader waits at the first, and then finds all of the batch at once.
//!
//! A claim that is dropped unwritten cannot be taken back (others have claimed behind it), so it is published as
//! *padding*: a stamp with the tag set, which readers skip.

use super::{Sequencer, SlotsOf, sealed::Sealed};
use crate::claim::{Claim, Claimant};
use crate::error::{ClaimError, Closed, TryPublishError};
use crate::owner::{Bias, Cursor};
use crate::ring::{Core, Ring};
use crate::sequence::{Sequence, TAG};
use crate::sync::{AtomicU64, Ordering, broken, ordering};
use crossbeam_utils::CachePadded;

/// The sequencer of a ring with any number of producers, who publish through the [`Ring`] itself.
#[derive(Debug)]
pub struct Multi {
    /// Everything before this is claimed. Compare-and-swapped by the producers; stored by a lone one. Its tag closes the
    /// ring, for good: no claim can follow it.
    cursor: CachePadded<Cursor>,
    bias: Bias,
}

impl Sealed for Multi {}

impl Sequencer for Multi {
    const ALONE: bool = false;

    /// The sequence that the slot was last published for, tagged when it was padding.
    type Stamp = AtomicU64;

    fn new(start: Sequence) -> Self {
        Self { cursor: CachePadded::new(Cursor::new(start.raw())), bias: Bias::new() }
    }

    fn unpublished(first: Sequence, capacity: u64) -> AtomicU64 {
        AtomicU64::new(first.minus(capacity).raw())
    }

    fn tail(&self) -> Sequence {
        // Relaxed: what attaching needs of it comes from the fences in `Gates`.
        Sequence::from_raw(self.cursor.claimed.load(Ordering::Relaxed))
    }

    fn seal(&self) {
        if !broken("multi.seal.bias_kept") {
            self.bias.end(&self.cursor);
        }
        // Relaxed: claims are refused by this word's own order. Who must see the last of them acquires `Core::closed`.
        if !broken("multi.seal.forgotten") {
            self.cursor.claimed.fetch_or(TAG, Ordering::Relaxed);
        }
    }

    fn end_of_claims(&self) -> Sequence {
        self.tail()
    }

    #[inline]
    fn look<T>(
        &self,
        slots: &SlotsOf<T, Self>,
        from: Sequence,
        limit: u64,
        padded: &mut Sequence,
    ) -> Sequence {
        // Acquire: pairs with the release store in `Ring::stamp`; the value comes with it.
        let acquire = ordering("multi.stamp.acquire", Ordering::Acquire);
        let mut end = from;
        let last = from.plus(limit);
        while end != last {
            let stamp = slots.0.slot(end).stamp.load(acquire);
            if Sequence::from_raw(stamp) != end {
                break;
            }
            end = end.plus(1);
            if stamp & TAG != 0 {
                *padded = end;
            }
        }
        end
    }

    fn count_values<T>(&self, slots: &SlotsOf<T, Self>, from: Sequence) -> u64 {
        count_stamped(slots, from, self.tail(), 0)
    }

    fn count_claimed<T>(&self, slots: &SlotsOf<T, Self>, from: Sequence) -> u64 {
        let tail = self.tail();
        from.until(tail) - count_stamped(slots, from, tail, TAG)
    }

    #[inline]
    fn take_lines<T>(&self, slots: &SlotsOf<T, Self>, from: Sequence, to: Sequence) {
        // Release: for whoever acquires this stamp instead of the claimant's; the caller acquired that one.
        let release = ordering("multi.taken.release", Ordering::Release);
        slots.0.for_each_line(from, to, |stamp| stamp.store(stamp.load(Ordering::Relaxed), release));
    }

    #[inline(always)]
    fn is_padding(stamp: &AtomicU64) -> bool {
        // Relaxed: `published` acquired this stamp already, and a gate keeps it as it is.
        stamp.load(Ordering::Relaxed) & TAG != 0 && !broken("padding.is_read")
    }
}

/// How many slots of `from..to` have their sequence for a stamp, with this tag.
fn count_stamped<T>(slots: &SlotsOf<T, Multi>, from: Sequence, to: Sequence, tag: u64) -> u64 {
    let last_lap = from.later(to.minus(slots.0.capacity()));
    let sequences = (0..last_lap.until(to)).map(|offset| last_lap.plus(offset));
    // Relaxed: a count that is exact at rest only.
    let stamp = |sequence: Sequence| slots.0.slot(sequence).stamp.load(Ordering::Relaxed);
    sequences.filter(|sequence| stamp(*sequence) == sequence.raw() | tag).count() as u64
}

impl<T: Send + Sync + 'static> Ring<T, Multi> {
    /// Publishes `value` if there is room; returns its sequence. It is readable when this returns, though a reader
    /// that goes in order reaches it only after the slots claimed before it.
    ///
    /// The value that the slot held a lap ago is dropped after the publish, on this thread.
    ///
    /// # Errors
    /// [`TryPublishError::Full`] or [`TryPublishError::Closed`], with the value.
    #[inline(always)]
    pub fn try_publish(&self, value: T) -> Result<Sequence, TryPublishError<T>> {
        self.try_exchange(value).map(|(sequence, _old)| sequence)
    }

    /// As [`try_publish`](Self::try_publish), and gives back what the slot held a lap ago, for reuse.
    ///
    /// # Errors
    /// As [`try_publish`](Self::try_publish).
    #[inline(always)]
    pub fn try_exchange(&self, value: T) -> Result<(Sequence, T), TryPublishError<T>> {
        self.exchange_once(value, false)
    }

    /// As [`try_exchange`](Self::try_exchange), for a caller who will wait for room if there is none: it does not look
    /// after covers that seem to be run, which waiting does.
    ///
    /// # Errors
    /// As [`try_publish`](Self::try_publish).
    #[inline(always)]
    pub fn exchange_or_wait(&self, value: T) -> Result<(Sequence, T), TryPublishError<T>> {
        self.exchange_once(value, true)
    }

    #[inline(always)]
    fn exchange_once(&self, value: T, patient: bool) -> Result<(Sequence, T), TryPublishError<T>> {
        self.exchange_alone(value).or_else(|value| self.exchange_among_others(value, patient))
    }

    /// Publishes `value` by the lone producer where that takes nothing but a few plain stores; else gives it back.
    ///
    /// Part of the caller, and calls nothing: its lines are with the readers, and a core waits for as many lines at a time
    /// as it has stores to remember, among which what a call saves on the stack is most (measured: docs/decisions/0023).
    #[inline(always)]
    fn exchange_alone(&self, value: T) -> Result<(Sequence, T), T> {
        let Some(sequence) = self.claim_alone(1) else { return Err(value) };
        Ok((sequence, self.put(sequence, value)))
    }

    /// As [`exchange_once`](Self::exchange_once), whoever else publishes: out of line, lest every caller has all of it.
    #[inline(never)]
    fn exchange_among_others(&self, value: T, patient: bool) -> Result<(Sequence, T), TryPublishError<T>> {
        self.exchange_in_turn(value, patient)
    }

    /// The same inside the caller, which is out of line itself.
    #[inline(always)]
    fn exchange_in_turn(&self, value: T, patient: bool) -> Result<(Sequence, T), TryPublishError<T>> {
        let sequence = match self.claim_range(1, patient) {
            Ok(sequence) => sequence,
            Err(ClaimError::Closed) => return Err(TryPublishError::Closed(value)),
            Err(_) => return Err(TryPublishError::Full(value)),
        };
        Ok((sequence, self.put(sequence, value)))
    }

    /// Puts `value` into the slot of `sequence`, which the caller has claimed alone, and publishes it; returns what was there.
    #[inline(always)]
    fn put(&self, sequence: Sequence, value: T) -> T {
        let slots = &self.core.slots.0;
        slots.fetch_ahead(sequence);
        // SAFETY: the claim gave this sequence to the caller alone and acquired a gate past its slot's last lap.
        let old = unsafe { slots.slot(sequence).replace(value) };
        self.stamp(sequence, 0);
        self.core.notify_readers();
        old
    }

    /// Publishes `value`, waiting for room by the ring's wait strategy.
    ///
    /// # Errors
    /// [`Closed`] with the value when the ring is closed.
    #[inline(always)]
    pub fn publish(&self, value: T) -> Result<Sequence, Closed<T>> {
        self.exchange(value).map(|(sequence, _old)| sequence)
    }

    /// As [`publish`](Self::publish), and gives back what the slot held a lap ago, for reuse.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    #[inline(always)]
    pub fn exchange(&self, value: T) -> Result<(Sequence, T), Closed<T>> {
        self.exchange_alone(value).or_else(|value| self.exchange_waiting(value))
    }

    #[inline(never)]
    fn exchange_waiting(&self, mut value: T) -> Result<(Sequence, T), Closed<T>> {
        loop {
            match self.exchange_in_turn(value, true) {
                Ok(published) => return Ok(published),
                Err(TryPublishError::Closed(back)) => return Err(Closed(back)),
                Err(TryPublishError::Full(back)) => value = back,
            }
            let _room = self.core.wait_for_room(self.core.sequencer.tail().plus(1), None);
        }
    }

    /// Claims `count` slots, or none, to be written in order and published together, waiting for room for all of them.
    ///
    /// # Errors
    /// [`ClaimError::Closed`], or [`ClaimError::TooLarge`] for more than the ring has.
    #[inline]
    pub fn claim(&self, count: u64) -> Result<Claim<T, &Self>, ClaimError> {
        let start = match self.claim_alone(count) {
            Some(start) => start,
            None => self.claim_waiting(count)?,
        };
        Ok(Claim::new(self, start, count))
    }

    #[inline(never)]
    fn claim_waiting(&self, count: u64) -> Result<Sequence, ClaimError> {
        loop {
            match self.claim_range(count, true) {
                Err(ClaimError::Full) => {
                    let _room = self.core.wait_for_room(self.core.sequencer.tail().plus(count), None);
                }
                claimed_or_refused => return claimed_or_refused,
            }
        }
    }

    /// As [`claim`](Self::claim), without waiting.
    ///
    /// # Errors
    /// As [`claim`](Self::claim), and [`ClaimError::Full`].
    #[inline]
    pub fn try_claim(&self, count: u64) -> Result<Claim<T, &Self>, ClaimError> {
        let start = match self.claim_alone(count) {
            Some(start) => start,
            None => self.claim_range(count, false)?,
        };
        Ok(Claim::new(self, start, count))
    }

    /// The first sequence that is claimed and not yet published: readers wait there. For a moment that is usual; for
    /// longer, a producer is stopped between the two, or has forgotten its [`Claim`]. Costs a look at up to a lap of
    /// slots, and stops nobody.
    #[must_use]
    pub fn unpublished(&self) -> Option<Sequence> {
        let end = self.tail();
        // Nothing before the gate is unpublished, for the gate has passed it; and nothing before the last lap.
        let lap = end.minus(self.core.capacity());
        let gate = self.core.cached_gate();
        let start = if gate.is_before(lap) { lap } else { gate };
        let is_stale = |sequence: &Sequence| {
            // Relaxed: whoever reads the value acquires. Ahead of the sequence, the slot is a lap further already.
            let stamp = self.core.slots.0.slot(*sequence).stamp.load(Ordering::Relaxed);
            Sequence::from_raw(stamp).is_before(*sequence) && !broken("unpublished.unseen")
        };
        (0..end.distance_from(start).max(0).unsigned_abs()).map(|offset| start.plus(offset)).find(is_stale)
    }

    /// As [`claim_range`](Self::claim_range), if the caller is the lone producer and there is room as far as it knows.
    #[inline(always)]
    fn claim_alone(&self, count: u64) -> Option<Sequence> {
        let Multi { cursor, bias } = &self.core.sequencer;
        if !bias.is_mine_already() {
            return None;
        }
        // Relaxed: as in `claim_range`. (Before a ring is closed, the bias is ended: there is no tag to look for.)
        let start = Sequence::from_raw(cursor.claimed.load(Ordering::Relaxed));
        let (end, most) = (start.plus(count), self.core.capacity());
        // (More than the ring has, by far, may come round to where there seems to be room. Nothing: as in `claim_range`.)
        let fits = count.wrapping_sub(1) < most;
        let has_room = fits && end.minus(most).distance_from(self.core.cached_gate()) <= 0;
        ((has_room || broken("alone.gate.ignored")) && bias.store(cursor, end.raw())).then_some(start)
    }

    /// Claims `count` sequences for the caller alone, and acquires a gate past the last lap of their slots.
    #[inline(always)]
    fn claim_range(&self, count: u64, patient: bool) -> Result<Sequence, ClaimError> {
        let capacity = self.core.slots.0.capacity();
        let Multi { cursor, bias } = &self.core.sequencer;
        let claimed = &cursor.claimed;
        // (A claim of nothing as one of many: who ends the bias could not see a move to where the cursor is.)
        let mut alone = (count > 0 || broken("multi.nothing.stored")) && bias.is_mine(cursor);
        if count > capacity {
            return Err(ClaimError::TooLarge { count, capacity });
        }
        // Relaxed: the gate orders what may be overwritten, stamps what is read, and the fences in `Gates` attaching.
        let mut seen = claimed.load(Ordering::Relaxed);
        loop {
            if seen & TAG != 0 {
                return Err(ClaimError::Closed);
            }
            let start = Sequence::from_raw(seen);
            let gate = self.core.cached_gate();
            let end = start.plus(count);
            // Signed: with a stale `start` the gate may be ahead of it; then the swap fails and we look again.
            if end.minus(capacity).distance_from(gate) > 0
                && end.minus(capacity).distance_from(self.core.reread_gate(end, patient)) > 0
                && !broken("multi.gate.ignored")
            {
                let now = claimed.load(Ordering::Relaxed);
                if now == seen {
                    return Err(ClaimError::Full);
                }
                seen = now;
                continue;
            }
            if broken("multi.claim.not_swapped") {
                claimed.store(end.raw(), Ordering::Relaxed);
                return Ok(start);
            }
            if alone {
                // While the bias is ours, no other thread moves the cursor; but a scan runs wakers and the like, which may publish.
                let moved = claimed.load(Ordering::Relaxed) != seen && !broken("alone.unaware");
                if !moved && bias.store(cursor, end.raw()) {
                    return Ok(start);
                }
                alone = moved;
                seen = claimed.load(Ordering::Relaxed);
                continue;
            }
            match claimed.compare_exchange_weak(seen, end.raw(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(start),
                Err(now) => seen = now,
            }
        }
    }

    /// Makes the claimed and written (or, with `TAG`, given up) slot of `sequence` readable.
    #[inline(always)]
    fn stamp(&self, sequence: Sequence, tag: u64) {
        // As in a ring whose producers publish by moving one common cursor: each waits for the one before it.
        while broken("multi.publish.waits")
            && self.unpublished().is_some_and(|first| first.is_before(sequence))
        {
            crate::sync::spin_hint();
        }
        // Release: pairs with the acquire load in `Multi::look`; the value goes with it.
        let release = ordering("multi.stamp.release", Ordering::Release);
        self.core.slots.0.slot(sequence).stamp.store(sequence.raw() | tag, release);
    }
}

impl<T: Send + Sync + 'static> Claimant<T> for &Ring<T, Multi> {
    type Sequencer = Multi;

    #[inline(always)]
    fn core(&self) -> &Core<T, Multi> {
        &self.core
    }

    #[inline(always)]
    fn written(&self, sequence: Sequence) {
        self.stamp(sequence, 0);
    }

    #[inline]
    fn publish(&mut self, start: Sequence, written: u64, count: u64) {
        if count == 0 {
            return;
        }
        if !broken("claim.drop.forgets") {
            for index in written.max(1)..count {
                self.stamp(start.plus(index), TAG);
            }
        }
        // The first one last: readers wait at it, and find the others behind it.
        self.stamp(start, if written == 0 { TAG } else { 0 });
        self.core.notify_readers();
    }
}
