//! A claim: slots that are the holder's alone, written in order, published together.
//!
//! Dropping the claim publishes what was written. What was not written becomes padding that readers skip (many
//! producers) or is simply claimed again next time (one producer), so a claim that is given up, or whose holder
//! panics, strands nobody. A claim that is *forgotten* (`mem::forget`) is memory-safe, but stops the ring: readers wait
//! for it, even when the ring is closed. (One producer takes it back with its next claim.)

use crate::error::ClaimError;
use crate::ring::Core;
use crate::sequence::Sequence;
use crate::sequencer::Sequencer;
use crate::slots::Slot;
use crate::sync::broken;
use std::fmt;
use std::marker::PhantomData;

/// Who can hold a claim: a `&Ring<T, Multi>` or a `&mut SingleProducer<T>`. Not for implementing elsewhere.
#[doc(hidden)]
pub trait Claimant<T> {
    type Sequencer: Sequencer;

    fn core(&self) -> &Core<T, Self::Sequencer>;

    /// The claimed slot at `sequence`, which is not the claim's first, is written.
    fn written(&self, sequence: Sequence);

    /// Publishes the first `written` of the `count` claimed slots from `start`, and gives up the others.
    fn publish(&mut self, start: Sequence, written: u64, count: u64);
}

/// Claimed slots. Write them with [`push`](Self::push) or [`write`](Self::write), then [`publish`](Self::publish) or
/// drop.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ring = ringmain_ring::Ring::multi(8, || 0u64)?;
/// let mut cursor = ring.cursor();
/// let mut claim = ring.claim(3)?;
/// claim.push(10).ok();
/// claim.push(11).ok();
/// drop(claim); // publishes two values; the third slot is padding
/// let mut seen = Vec::new();
/// cursor.poll(64, |_, value| seen.push(*value));
/// assert_eq!(seen, [10, 11]);
/// # Ok(())
/// # }
/// ```
#[must_use = "a claim that is dropped at once publishes only padding"]
pub struct Claim<T, C: Claimant<T>> {
    claimant: C,
    start: Sequence,
    count: u64,
    written: u64,
    value: PhantomData<fn(T)>,
}

impl<T, C: Claimant<T>> Claim<T, C> {
    /// The caller vouches that `start..start + count` is claimed for `claimant`, past an acquired gate.
    pub(crate) fn new(claimant: C, start: Sequence, count: u64) -> Self {
        Self { claimant, start, count, written: 0, value: PhantomData }
    }

    /// The sequence of the first claimed slot.
    #[must_use]
    pub fn start(&self) -> Sequence {
        self.start
    }

    /// How many claimed slots are not yet written.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.count - self.written
    }

    /// The next slot to be written; has one to come fetched.
    #[inline(always)]
    fn next_slot(&self) -> &Slot<T, <C::Sequencer as Sequencer>::Stamp> {
        let (slots, next) = (&self.claimant.core().slots.0, self.start.plus(self.written));
        slots.fetch_ahead(next);
        slots.slot(next)
    }

    /// Writes the next slot; returns what it held a lap ago, for reuse.
    ///
    /// # Errors
    /// Gives `value` back when every claimed slot is written.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<T, T> {
        if self.written == self.count {
            return Err(value);
        }
        // SAFETY: the claim is ours (see `new`) and this slot of it is not yet published.
        let old = unsafe { self.next_slot().replace(value) };
        written_one(&self.claimant, self.start, &mut self.written);
        Ok(old)
    }

    /// Swaps `values` into the next slots, as far as both last; each then holds what its slot held a lap ago.
    #[inline]
    pub fn swap_all(&mut self, values: &mut [T]) {
        let mut values = values.iter_mut();
        self.write_while(|_, slot| match values.next() {
            Some(value) => {
                std::mem::swap(value, slot);
                true
            }
            None => false,
        });
    }

    /// Lets `write` change the next slot in place, from whatever it held a lap ago. If `write` panics, the slot counts
    /// as not written.
    ///
    /// # Errors
    /// [`ClaimError::Full`] when every claimed slot is written; `write` was then not called.
    #[inline]
    pub fn write<R>(&mut self, write: impl FnOnce(&mut T) -> R) -> Result<R, ClaimError> {
        if self.written == self.count {
            return Err(ClaimError::Full);
        }
        // SAFETY: the claim is ours (see `new`), this slot of it is not yet published, and the reference ends here.
        let result = write(unsafe { self.next_slot().value_mut() });
        written_one(&self.claimant, self.start, &mut self.written);
        Ok(result)
    }

    /// Lets `write` change every slot that is left, in place and in order. If it panics, that slot and those after it
    /// count as not written.
    #[inline]
    pub fn write_each(&mut self, mut write: impl FnMut(Sequence, &mut T)) {
        self.write_while(|sequence, slot| {
            write(sequence, slot);
            true
        });
    }

    /// Lets `write` change the slots that are left, until it returns false: that one then counts as not written.
    #[inline]
    fn write_while(&mut self, mut write: impl FnMut(Sequence, &mut T) -> bool) {
        let Self { claimant, start, count, written, .. } = self;
        let (head, tail) = claimant.core().slots.0.runs(start.plus(*written), start.plus(*count));
        for run in [head, tail] {
            for slot in run {
                let sequence = start.plus(*written);
                claimant.core().slots.0.fetch_ahead_in_loop(sequence);
                // SAFETY: the claim is ours (see `new`), and this slot of it is not yet published.
                if !write(sequence, unsafe { slot.value_mut() }) {
                    return;
                }
                written_one(claimant, *start, written);
            }
        }
    }

    /// Gives up the slots that are left: lets `change` change what each held a lap ago, and publishes them as padding, which
    /// no reader is shown, behind what was written. If `change` panics, so it does all the same.
    pub fn pad_each(self, mut change: impl FnMut(&mut T)) {
        let (start, count) = (self.start, self.count);
        let (head, tail) = self.claimant.core().slots.0.runs(start.plus(self.written), start.plus(count));
        for slot in head.iter().chain(tail) {
            // SAFETY: the claim is ours (see `new`), this slot of it is not yet published, and the reference ends here.
            change(unsafe { slot.value_mut() });
        }
        // and the drop publishes
    }

    /// Publishes what was written; returns how many values that were.
    pub fn publish(self) -> u64 {
        self.written // and the drop publishes
    }
}

/// One more slot of a claim is written. All but the first may be made readable at once: see `Claimant::publish`.
#[inline(always)]
fn written_one<T>(claimant: &impl Claimant<T>, start: Sequence, written: &mut u64) {
    if *written > 0 || broken("multi.batch.forward") {
        claimant.written(start.plus(*written));
    }
    *written += 1;
}

impl<T, C: Claimant<T>> Drop for Claim<T, C> {
    #[inline]
    fn drop(&mut self) {
        self.claimant.publish(self.start, self.written, self.count);
    }
}

impl<T, C: Claimant<T>> fmt::Debug for Claim<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("start", &self.start)
            .field("count", &self.count)
            .field("written", &self.written)
            .finish()
    }
}
