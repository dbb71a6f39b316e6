//! The slots: a boxed slice of values, each beside its stamp, allocated once and always initialised.
//!
//! The stamp stands *beside* the value so that the one cache miss of a reader brings both. Who may touch which slot
//! when is decided elsewhere (claims and gates); the two unsafe methods here say what they need from there.

use crate::prefetch::{LINE, to_write};
use crate::sequence::Sequence;
use crate::sync::{AtomicU64, MODELLED, UnsafeCell};

/// Of a large slot, a producer asks for so many lines and one. Further on the core has seen that somebody writes one line
/// after the other, and asks by itself.
const MOST_LINES: usize = 3;

/// (A constant wherever it is asked.)
#[inline(always)]
fn slots_in_a_line(size: usize) -> u64 {
    if size == 0 || size > LINE { 1 } else { (LINE / size) as u64 }
}

#[derive(Debug)]
#[repr(C)]
pub(crate) struct Slot<T, Stamp> {
    pub(crate) stamp: Stamp,
    value: UnsafeCell<T>,
}

// What a ring costs a slot: a word, beside the value.
const _: () = assert!(MODELLED || size_of::<Slot<u64, AtomicU64>>() == 16);

impl<T, Stamp> Slot<T, Stamp> {
    /// Reads in place.
    ///
    /// # Safety
    /// The slot must have been published, its publication acquired by this thread, and a gate must keep producers out
    /// of it for as long as the reference lives.
    #[inline(always)]
    pub(crate) unsafe fn read(&self) -> &T {
        // SAFETY: published and acquired, so the write happened before; gated, so nobody writes during the borrow.
        self.value.with(|value| unsafe { &*value })
    }

    /// Puts `value` in and takes what was there.
    ///
    /// # Safety
    /// The caller must hold the claim of a sequence of this slot, and have acquired the gate that let it claim.
    #[inline(always)]
    pub(crate) unsafe fn replace(&self, value: T) -> T {
        // SAFETY: claimed, so no other producer writes; the gate was acquired past the last lap, so no reader reads.
        self.value.with_mut(|slot| unsafe { std::ptr::replace(slot, value) })
    }

    /// The value, for whoever holds the claim.
    ///
    /// # Safety
    /// As for [`replace`](Self::replace), for as long as the reference lives.
    #[expect(clippy::mut_from_ref, reason = "exclusive by the claim, which the caller vouches for")]
    pub(crate) unsafe fn value_mut(&self) -> &mut T {
        // SAFETY: as in `replace`, and the caller keeps the claim while it uses the reference.
        self.value.with_mut(|slot| unsafe { &mut *slot })
    }
}

/// A run of neighbouring slots.
pub(crate) type Run<'a, T, Stamp> = &'a [Slot<T, Stamp>];

#[derive(Debug)]
pub(crate) struct Slots<T, Stamp> {
    slots: Box<[Slot<T, Stamp>]>,
    mask: usize,
    /// How many slots ahead of what it writes a producer asks for lines.
    ahead: u64,
    /// What a reader that takes a slot's line over calls with the value.
    pub(crate) take: Option<fn(&T)>,
}

// SAFETY: a slot's value is written by one producer, then shared by reference among readers, then taken by another
// producer; so it must be both Send and Sync. Stamps synchronise themselves.
unsafe impl<T: Send + Sync, Stamp: Sync> Sync for Slots<T, Stamp> {}
// SAFETY: moving the whole moves the values.
unsafe impl<T: Send, Stamp: Send> Send for Slots<T, Stamp> {}

impl<T, Stamp> Slots<T, Stamp> {
    /// `capacity` slots (a power of two); slot `i` starts with the stamp `stamp(i)`. Producers ask for lines
    /// so many bytes `ahead`.
    pub(crate) fn new(
        capacity: usize,
        ahead: usize,
        mut value: impl FnMut() -> T,
        mut stamp: impl FnMut(usize) -> Stamp,
        take: Option<fn(&T)>,
    ) -> Self {
        debug_assert!(capacity.is_power_of_two());
        let slots =
            (0..capacity).map(|i| Slot { stamp: stamp(i), value: UnsafeCell::new(value()) }).collect();
        // Not so far that it meets the readers at the end of a lap.
        let ahead = ahead.div_ceil(size_of::<Slot<T, Stamp>>().max(1)).min(capacity / 8) as u64;
        Self { slots, mask: capacity - 1, ahead, take }
    }

    #[inline(always)]
    pub(crate) fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    /// The slot of `sequence`.
    #[inline(always)]
    pub(crate) fn slot(&self, sequence: Sequence) -> &Slot<T, Stamp> {
        // SAFETY: an index is masked to below the length, a power of two.
        unsafe { self.slots.get_unchecked(sequence.index(self.mask)) }
    }

    /// Asks for the lines of a slot that will be written soon after that of `sequence` to be brought to this core, to be
    /// written. They were last with the readers, and to wait for them is most of what it costs to publish something small
    /// (measured: docs/decisions/0020).
    #[inline(always)]
    pub(crate) fn fetch_ahead(&self, sequence: Sequence) {
        let slot = self.slot(sequence.plus(self.ahead));
        let first = std::ptr::from_ref(slot).cast::<u8>();
        for line in 0..=(size_of::<Slot<T, Stamp>>() / LINE).min(MOST_LINES) {
            to_write(first.wrapping_add(line * LINE));
        }
    }

    /// As [`fetch_ahead`](Self::fetch_ahead), for the only producer: slots that share a line ask for it once or twice, since a raw
    /// sequence counts by two. (Among several
    /// producers, whoever asked may not be the one who writes; and what lies between two publishes makes the branch a bad
    /// guess, which costs more than to ask.)
    #[inline(always)]
    pub(crate) fn fetch_ahead_in_row(&self, sequence: Sequence) {
        if sequence.raw().is_multiple_of(slots_in_a_line(size_of::<Slot<T, Stamp>>())) {
            self.fetch_ahead(sequence);
        }
    }

    /// As [`fetch_ahead`](Self::fetch_ahead), for who writes many slots in a loop, where small ones should cost nothing more.
    #[inline(always)]
    pub(crate) fn fetch_ahead_in_loop(&self, sequence: Sequence) {
        if const { size_of::<Slot<T, Stamp>>() >= LINE } {
            self.fetch_ahead(sequence);
        }
    }

    /// Calls `visit` with the stamp of one slot in each cache line of `from..to`: of as many as a line has, the last. (By
    /// number. Where in a line the first slot lies is the allocator's, so this one may lie at the beginning of the next.)
    #[inline]
    pub(crate) fn for_each_line(&self, from: Sequence, to: Sequence, mut visit: impl FnMut(&Stamp)) {
        // (A model's atomics are of any size; it is to see every slot visited.)
        let a_line = if MODELLED { 1 } else { slots_in_a_line(size_of::<Slot<T, Stamp>>()) };
        let mut last = from.plus(a_line - 1 - from.number() % a_line);
        while last.is_before(to) {
            visit(&self.slot(last).stamp);
            last = last.plus(a_line);
        }
    }

    /// The slots of `from..to` in order, as two runs, since a range may cross the end of the slice. `to` is at most
    /// one ring ahead of `from`.
    #[inline]
    pub(crate) fn runs(&self, from: Sequence, to: Sequence) -> (Run<'_, T, Stamp>, Run<'_, T, Stamp>) {
        #[expect(clippy::cast_possible_truncation, reason = "a range of slots is at most the capacity")]
        let count = from.until(to) as usize;
        let first = from.index(self.mask);
        if first + count <= self.slots.len() {
            (&self.slots[first..first + count], &[])
        } else {
            let (head, tail) = self.slots.split_at(first);
            (tail, &head[..count - tail.len()])
        }
    }
}

#[cfg(all(test, not(any(ringmain_loom, ringmain_shuttle))))]
mod tests {
    use super::*;

    /// Slots of `from..to` that are visited as those of a line, of a ring of 16 that begins `before` the end of the numbers.
    fn lines<T: Default>(before: u64, from: u64, to: u64) -> Vec<usize> {
        let slots = Slots::new(16, 0, T::default, |index| index, None);
        let zero = Sequence::new(0).minus(before);
        let mut visited = Vec::new();
        slots.for_each_line(zero.plus(from), zero.plus(to), |index| visited.push(*index));
        visited
    }

    #[test]
    fn each_line_is_visited_once_when_its_last_slot_is_among_them() {
        assert_eq!(lines::<u64>(0, 0, 8), [3, 7]);
        assert_eq!(lines::<u64>(0, 3, 8), [3, 7]);
        assert_eq!(lines::<u64>(0, 4, 7), [0; 0]);
        assert_eq!(lines::<u64>(0, 14, 20), [15, 3]);
        assert_eq!(lines::<u64>(8, 2, 16), [11, 15, 3, 7]);
        assert_eq!(lines::<[u64; 2]>(0, 1, 5), [1, 3], "24 bytes: two begin in each line");
        assert_eq!(lines::<[u64; 8]>(0, 1, 4), [1, 2, 3]);
        assert_eq!(lines::<u64>(0, 5, 5), [0; 0]);
    }
}
