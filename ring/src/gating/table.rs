//! An append-only table: segments that double, never move and are freed with the table alone.
//!
//! Readers index it and walk it without a lock and without reclamation, which is what publishers need of the gates;
//! growing takes a mutex, which only attaching does.

use crate::sync::{AtomicPtr, Mutex, Ordering, lock, ordering};
use std::fmt;
use std::ptr;

/// The first segment's length. A topic with a subscription or two never needs a second.
const FIRST: usize = 4;
const SEGMENTS: usize = if crate::sync::MODELLED { 4 } else { 26 };

pub(crate) struct Table<T> {
    /// Segment `k` has `FIRST << k` entries, or is null.
    segments: [AtomicPtr<T>; SEGMENTS],
    growing: Mutex<()>,
}

impl<T: Default + Sync> Table<T> {
    pub(crate) fn new() -> Self {
        Self { segments: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())), growing: Mutex::new(()) }
    }

    /// Which segment, and where in it.
    fn locate(index: usize) -> (usize, usize) {
        // (Where a word is that short, the last indexes are in no segment.)
        let biased = index.saturating_add(FIRST);
        let segment = (biased.ilog2() - FIRST.ilog2()) as usize;
        (segment, biased - (FIRST << segment))
    }

    /// The entry at `index`, if the table has grown that far.
    #[inline]
    pub(crate) fn at(&self, index: usize) -> Option<&T> {
        let (segment, offset) = Self::locate(index);
        // Acquire: pairs with the release store in `grow_to`; the entries come initialised.
        let entries = self.segments.get(segment)?.load(ordering("table.segment.acquire", Ordering::Acquire));
        if entries.is_null() {
            return None;
        }
        // SAFETY: `locate` keeps the offset below the segment's length.
        let entry = unsafe { entries.add(offset) };
        // SAFETY: a segment that is not null is initialised and lives as long as the table.
        Some(unsafe { &*entry })
    }

    /// The entry at `index`, growing the table as needed. Locks.
    pub(crate) fn grow_to(&self, index: usize) -> &T {
        let (segment, _) = Self::locate(index);
        assert!(segment < SEGMENTS, "a table has at most {} entries", FIRST << SEGMENTS);
        {
            let _growing = lock(&self.growing);
            for (k, slot) in self.segments.iter().enumerate().take(segment + 1) {
                if slot.load(Ordering::Relaxed).is_null() {
                    let entries: Box<[T]> = (0..FIRST << k).map(|_| T::default()).collect();
                    // Release: pairs with the acquire load in `at`.
                    let release = ordering("table.segment.release", Ordering::Release);
                    slot.store(Box::into_raw(entries).cast(), release);
                }
            }
        }
        self.at(index).expect("grown above")
    }

    /// Walks the entries below `len` in order, a segment at a time.
    #[inline]
    pub(crate) fn for_each(&self, len: usize, mut visit: impl FnMut(usize, &T)) {
        let mut index = 0;
        while index < len {
            let Some(entry) = self.at(index) else { return };
            visit(index, entry);
            index += 1;
        }
    }
}

impl<T> Drop for Table<T> {
    fn drop(&mut self) {
        // (Together: if one entry panics, those behind it go all the same.)
        let _segments: [Option<Box<[T]>>; SEGMENTS] = std::array::from_fn(|k| {
            let entries = self.segments[k].load(Ordering::Relaxed);
            let segment = ptr::slice_from_raw_parts_mut(entries, FIRST << k);
            // SAFETY: it came from `Box::into_raw` of a slice of this length, and nobody can hold a reference.
            (!entries.is_null()).then(|| unsafe { Box::from_raw(segment) })
        });
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Table")
    }
}

#[cfg(all(test, not(any(ringmain_loom, ringmain_shuttle))))]
mod tests {
    use super::*;
    use crate::sync::AtomicU64;

    #[test]
    fn indexes_are_dense_and_stable() {
        let table = Table::<AtomicU64>::new();
        assert!(table.at(0).is_none());
        let n = if cfg!(miri) { 60 } else { 1000 };
        for i in 0..n {
            table.grow_to(i).store(i as u64, Ordering::Relaxed);
        }
        let first: *const AtomicU64 = table.at(0).unwrap();
        table.grow_to(5 * n);
        assert!(ptr::eq(first, table.at(0).unwrap()));
        let mut sum = 0;
        table.for_each(n, |_, entry| sum += entry.load(Ordering::Relaxed));
        assert_eq!(sum, (n as u64 - 1) * n as u64 / 2);
    }
}
