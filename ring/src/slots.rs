//! The slots: a boxed slice of values, each beside its stamp, allocated once and always initialised.
//!
//! The stamp stands *beside* the value so that the one cache miss of a reader brings both. Who may touch which slot
//! when is decided elsewhere (claims and gates); the two unsafe methods here say what they need from there.

use crate::sequence::Sequence;
use crate::sync::UnsafeCell;

#[derive(Debug)]
#[repr(C)]
pub(crate) struct Slot<T, Stamp> {
    pub(crate) stamp: Stamp,
    value: UnsafeCell<T>,
}

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
}

// SAFETY: a slot's value is written by one producer, then shared by reference among readers, then taken by another
// producer; so it must be both Send and Sync. Stamps synchronise themselves.
unsafe impl<T: Send + Sync, Stamp: Sync> Sync for Slots<T, Stamp> {}
// SAFETY: moving the whole moves the values.
unsafe impl<T: Send, Stamp: Send> Send for Slots<T, Stamp> {}

impl<T, Stamp> Slots<T, Stamp> {
    /// `capacity` slots (a power of two); slot `i` starts with the stamp `stamp(i)`.
    pub(crate) fn new(
        capacity: usize,
        mut value: impl FnMut() -> T,
        mut stamp: impl FnMut(usize) -> Stamp,
    ) -> Self {
        debug_assert!(capacity.is_power_of_two());
        let slots =
            (0..capacity).map(|i| Slot { stamp: stamp(i), value: UnsafeCell::new(value()) }).collect();
        Self { slots, mask: capacity - 1 }
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
