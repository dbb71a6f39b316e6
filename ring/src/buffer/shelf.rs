//! Where buffers wait that somebody else than their filler had last, and is done with.
//!
//! A row of places, each empty or with the pointer to a buffer, which whoever swaps it in gives away and whoever swaps it
//! out owns. That is all that two threads ever agree on. Two numbers say where the next one goes, and where the oldest
//! should be; they are hints. Taken from far behind, they cost a buffer its way back and nothing else, so nobody loops, and
//! nobody waits: a few places are tried, and a buffer that found none is the caller's again.

use super::UniqueBuffer;
use super::block::{Block, Head};
use crate::sync::{AtomicPtr, AtomicUsize, Ordering, broken, ordering};
use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};

/// How many places are tried. (Models have few.)
const TRIES: usize = if crate::sync::MODELLED { 2 } else { 4 };

/// A bounded pile of buffers, for any number of threads that put and that take: lock-free, and nearly first in, first out.
///
/// ```
/// use ringmain_ring::{Shelf, UniqueBuffer};
/// let shelf = Shelf::<u64>::new(8);
/// shelf.put(UniqueBuffer::new(64, 1)).expect("room for 8");
/// let buffer = shelf.take().expect("put just now");
/// assert!(*buffer == 1 && shelf.take().is_none());
/// ```
///
/// What lives too short does not come in by way of a reference:
///
/// ```compile_fail,E0597
/// use ringmain_ring::{Shelf, UniqueBuffer};
/// let shelf: Shelf<(), &'static String> = Shelf::new(1);
/// {
///     let local = String::from("gone");
///     let shorter: &Shelf<(), &String> = &shelf;
///     let mut buffer = UniqueBuffer::for_guests(0, ());
///     buffer.put_guest(&local);
///     shorter.put(buffer).expect("room");
/// }
/// ```
pub struct Shelf<H, G = ()> {
    places: Box<[AtomicPtr<Head<H>>]>,
    /// Where the next one goes. Written by those who put, and in a line of its own as they are often other threads.
    end: CachePadded<AtomicUsize>,
    /// Where the oldest should be.
    start: CachePadded<AtomicUsize>,
    /// It owns buffers. In a cell, since they are put there by reference: a shelf for guests that live long is none for others.
    _buffers: PhantomData<Cell<UniqueBuffer<H, G>>>,
}

impl<H, G> Shelf<H, G> {
    /// For at most so many buffers, rounded up to a power of two.
    ///
    /// # Panics
    /// If that is no `usize`, or more than can be allocated.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let places = capacity.checked_next_power_of_two().expect("a power of two that is a usize");
        Self {
            places: (0..places).map(|_| AtomicPtr::new(null_mut())).collect(),
            end: CachePadded::default(),
            start: CachePadded::default(),
            _buffers: PhantomData,
        }
    }

    /// How many fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.places.len()
    }

    /// The places to try: a few, from this one on.
    fn places_from(&self, number: usize) -> impl Iterator<Item = (usize, &AtomicPtr<Head<H>>)> {
        (0..TRIES).map(move |more| {
            let number = number.wrapping_add(more);
            (number.wrapping_add(1), &self.places[number & (self.places.len() - 1)])
        })
    }

    /// Puts a buffer there for somebody else.
    ///
    /// # Errors
    /// Gives it back when no room was found for it.
    #[inline]
    pub fn put(&self, buffer: UniqueBuffer<H, G>) -> Result<(), UniqueBuffer<H, G>> {
        let head = buffer.0.0.as_ptr();
        let end = self.end.load(Ordering::Relaxed);
        for (next, place) in self.places_from(end) {
            // Release: pairs with the acquire in `take_from`: what was read and written here lies before it is written there.
            let release = ordering("shelf.put.release", Ordering::Release);
            if broken("shelf.put.unchecked") {
                place.store(head, release);
            } else if place.compare_exchange(null_mut(), head, release, Ordering::Relaxed).is_err() {
                continue;
            }
            #[expect(clippy::mem_forget, reason = "the place owns it now")]
            std::mem::forget(buffer);
            // (Unless somebody else did: a number from long ago would lead those after us astray.)
            let _ = self.end.compare_exchange(end, next, Ordering::Relaxed, Ordering::Relaxed);
            return Ok(());
        }
        Err(buffer)
    }

    /// Takes a buffer that somebody put there: the oldest, or nearly. `None` when none was found.
    #[inline]
    pub fn take(&self) -> Option<UniqueBuffer<H, G>> {
        let start = self.start.load(Ordering::Relaxed);
        self.places_from(start).find_map(|(next, place)| {
            let taken = Self::take_from(place)?;
            let _ = self.start.compare_exchange(start, next, Ordering::Relaxed, Ordering::Relaxed);
            Some(taken)
        })
    }

    #[inline]
    fn take_from(place: &AtomicPtr<Head<H>>) -> Option<UniqueBuffer<H, G>> {
        // (Looked at first: swapping would take the line from whoever is about to put one there.)
        let seen = NonNull::new(place.load(Ordering::Relaxed))?;
        // Acquire: pairs with the release in `put`.
        let acquire = ordering("shelf.take.acquire", Ordering::Acquire);
        let head = if broken("shelf.take.unchecked") {
            place.store(null_mut(), Ordering::Relaxed);
            seen
        } else {
            NonNull::new(place.swap(null_mut(), acquire))?
        };
        Some(UniqueBuffer(Block::of(head)))
    }

    /// Frees all buffers that are there.
    pub fn clear(&self) {
        self.places.iter().for_each(|place| drop(Self::take_from(place)));
    }
}

// SAFETY: a place moves buffers between threads; nobody sees into one that is there.
unsafe impl<H: Send, G: Send> Send for Shelf<H, G> {}
// SAFETY: as for Send.
unsafe impl<H: Send, G: Send> Sync for Shelf<H, G> {}

impl<H, G> Drop for Shelf<H, G> {
    fn drop(&mut self) {
        // (Together: if one panics, the others go all the same.)
        let left: Vec<_> = self.places.iter().filter_map(Self::take_from).collect();
        drop(left);
    }
}

impl<H, G> fmt::Debug for Shelf<H, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(ringmain_loom, ringmain_shuttle))))]
mod tests {
    use super::*;
    use crate::sync::AtomicU64;
    use std::sync::Arc;

    fn numbered(number: u64) -> UniqueBuffer<u64> {
        UniqueBuffer::new(8, number)
    }

    fn all(shelf: &Shelf<u64>) -> Vec<u64> {
        std::iter::from_fn(|| shelf.take()).map(|buffer| *buffer).collect()
    }

    #[test]
    fn they_come_in_the_order_in_which_they_went_round_after_round() {
        let shelf = Shelf::new(4);
        for round in 0..10 {
            let numbers: Vec<_> = (0..3).map(|number| round * 10 + number).collect();
            numbers.iter().for_each(|number| shelf.put(numbered(*number)).unwrap());
            assert_eq!(all(&shelf), numbers);
        }
        assert!(shelf.take().is_none());
    }

    #[test]
    fn what_has_no_room_is_given_back_and_the_order_survives_that() {
        let shelf = Shelf::new(3);
        assert_eq!(shelf.capacity(), 4, "a power of two");
        (0..4).for_each(|number| shelf.put(numbered(number)).unwrap());
        for number in 4..8 {
            assert_eq!(*shelf.put(numbered(number)).unwrap_err(), number);
        }
        assert_eq!(shelf.take().map(|buffer| *buffer), Some(0));
        shelf.put(numbered(9)).unwrap();
        assert_eq!(all(&shelf), [1, 2, 3, 9]);
    }

    #[test]
    fn one_for_more_than_can_be_counted_is_refused() {
        for capacity in [usize::MAX, usize::MAX / 2 + 2] {
            assert!(std::panic::catch_unwind(|| Shelf::<u64>::new(capacity)).is_err(), "{capacity}");
        }
        assert_eq!(Shelf::<u64>::new(0).capacity(), 1);
    }

    #[test]
    fn one_that_was_put_behind_the_others_is_found() {
        let shelf = Shelf::<u64>::new(8);
        // As a thread does that took its number long ago.
        shelf.end.store(TRIES - 1, Ordering::Relaxed);
        shelf.put(numbered(1)).unwrap();
        assert_eq!(all(&shelf), [1]);
        assert_eq!(shelf.start.load(Ordering::Relaxed), TRIES, "and the next one is looked for behind it");
    }

    #[test]
    fn what_is_left_goes_with_it_or_when_it_is_cleared() {
        let witness = Arc::new(());
        let put = |shelf: &Shelf<_>| {
            (0..5).for_each(|_| shelf.put(UniqueBuffer::new(1, Arc::clone(&witness))).unwrap());
        };
        let shelf = Shelf::new(8);
        put(&shelf);
        assert_eq!(Arc::strong_count(&witness), 6);
        shelf.clear();
        assert_eq!(Arc::strong_count(&witness), 1);
        put(&shelf);
        drop(shelf);
        assert_eq!(Arc::strong_count(&witness), 1);
    }

    /// Of the buffer that it is in, and of the others.
    #[test]
    fn a_guest_that_panics_leaves_nothing_behind() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                std::panic::resume_unwind(Box::new("a guest"));
            }
        }
        let witness = Arc::new(());
        let shelf = Shelf::new(8);
        for number in 0..5 {
            let mut buffer = UniqueBuffer::for_guests(0, Arc::clone(&witness));
            if number == 2 {
                buffer.put_guest(Bomb);
            }
            shelf.put(buffer).unwrap();
        }
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(shelf)));
        assert!(dropped.is_err(), "it panics");
        assert_eq!(Arc::strong_count(&witness), 1);
    }

    #[test]
    fn none_is_lost_and_none_is_had_twice_between_threads() {
        const EACH: u64 = if cfg!(miri) { 100 } else { 100_000 };
        let shelf = Shelf::new(16);
        let (sum, given_back, taken) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let all_put = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let (shelf, given_back, sum, taken) = (&shelf, &given_back, &sum, &taken);
                let all_put = &all_put;
                scope.spawn(move || {
                    for number in 0..EACH {
                        if let Err(back) = shelf.put(numbered(2 * number + thread)) {
                            given_back.fetch_add(*back, Ordering::Relaxed);
                        }
                    }
                    all_put.fetch_add(1, Ordering::Relaxed);
                });
                scope.spawn(move || {
                    // (Once more at the least: they may all have been put before this thread ran.)
                    let mut ends = false;
                    while !ends {
                        ends = all_put.load(Ordering::Relaxed) == 2;
                        if let Some(buffer) = shelf.take() {
                            taken.fetch_add(1, Ordering::Relaxed);
                            sum.fetch_add(*buffer, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert!(taken.into_inner() > 0, "somebody got something");
        let left: u64 = shelf.places.iter().filter_map(Shelf::<u64>::take_from).map(|buffer| *buffer).sum();
        assert_eq!(given_back.into_inner() + sum.into_inner() + left, (0..2 * EACH).sum::<u64>());
    }
}
