//! A table of leases: indexed by id, checked by generation, grown in blocks, never moved.
//!
//! A lease is a value somebody has borrowed until a deadline. Whoever ends it first (the holder's ack or nack, the
//! expiry, a close) takes the value out; everybody else finds the id stale. All of that is decided by one
//! compare-and-swap on one word an entry:
//!
//! ```text
//!   63          40 39                      2 1   0
//!   | generation  | deadline, in 16 us ticks | state |      state: vacant, reserved, live, retired
//! ```
//!
//! An extension swaps the deadline in the same word, so it races with expiry by the same rule. A generation is used
//! once; an entry that has used all 2^24 is retired, which costs its memory once for 16 million leases and makes a stale
//! id stale for ever. Deadlines wrap and are compared by signed difference: they must lie within 26 days of now.
//!
//! New leases take entries round robin, so that the receiver works ahead of the acks and seldom on the same lines.
//!
//! What expires is found by a scan that looks at few of them: see [`expiry`].

mod ending;
mod expiry;
mod lease_id;
#[cfg(all(test, not(ringmain_loom)))]
mod tests;

pub use ending::Ending;
pub use lease_id::{LeaseId, StaleLease};

use crate::gating::table::Table;
use crate::sync::{AtomicU64, AtomicUsize, MODELLED, Ordering, UnsafeCell, broken, ordering};
use crossbeam_utils::CachePadded;
use expiry::Minima;
use std::fmt;

const STATE: u64 = 0b11;
const VACANT: u64 = 0;
const RESERVED: u64 = 1;
const LIVE: u64 = 2;
const RETIRED: u64 = 3;

const DEADLINE_SHIFT: u32 = 2;
const DEADLINE_BITS: u32 = 38;
const DEADLINE: u64 = (1 << DEADLINE_BITS) - 1;
const GENERATION_SHIFT: u32 = DEADLINE_SHIFT + DEADLINE_BITS;
const GENERATIONS: u64 = 1 << (64 - GENERATION_SHIFT);
/// Nanoseconds a tick: 2^14, so that 38 bits last 52 days.
const TICK_SHIFT: u32 = 14;

/// How often to look for a vacant entry before looking at all of them. (Models have few.)
const PROBES: usize = if MODELLED { 0 } else { 32 };
#[expect(clippy::cast_possible_truncation, reason = "the high bits are not missed where a word is shorter")]
const GOLDEN: usize = 0x9e37_79b9_7f4a_7c15_u64 as usize;

fn word(generation: u64, deadline: u64, state: u64) -> u64 {
    (generation << GENERATION_SHIFT) | ((deadline & DEADLINE) << DEADLINE_SHIFT) | state
}

fn generation(word: u64) -> u64 {
    word >> GENERATION_SHIFT
}

/// Nanoseconds since whatever epoch the caller counts from, in ticks.
fn ticks(nanos: u64) -> u64 {
    (nanos >> TICK_SHIFT) & DEADLINE
}

/// Which entry to try, of `len` (a power of two), for lease number `begun`. Round robin at first; where that one is in use,
/// others may be all around it, so the next tries are anywhere, and since at most about half are in use, two do on average.
/// Then one after the other.
#[inline]
fn place(begun: usize, probe: usize, len: usize) -> usize {
    let number = begun.wrapping_add(probe);
    let anywhere = probe > 0 && probe < PROBES;
    // The high half of a product with 2^64 over the golden ratio: neighbours land far apart.
    let number = if anywhere { number.wrapping_mul(GOLDEN) >> (usize::BITS / 2) } else { number };
    number & (len - 1)
}

/// Whether the deadline in `word` has come at `now`, both in ticks.
fn is_due(word: u64, now: u64) -> bool {
    let deadline = (word >> DEADLINE_SHIFT) & DEADLINE;
    // Signed difference of 38-bit numbers.
    let ahead = now.wrapping_sub(deadline) << (64 - DEADLINE_BITS);
    (ahead as i64) >= 0
}

/// Whether so many leases are live, as it seems, though so many have ended while that was looked at. Whoever is held up in
/// between takes for live what others have begun and ended meanwhile; and a table that has grown by that never shrinks.
fn is_believed(live: usize, ended_meanwhile: usize) -> bool {
    ended_meanwhile <= live / 4 || broken("slab.grows_by_the_past")
}

struct Entry<T> {
    word: AtomicU64,
    /// A number beside the value, readable by anybody at any time.
    mark: AtomicU64,
    value: UnsafeCell<Option<T>>,
}

// What a lease costs beside its value.
const _: () = assert!(MODELLED || size_of::<Entry<&()>>() <= 16 + size_of::<&()>());

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self {
            word: AtomicU64::new(word(0, 0, VACANT)),
            mark: AtomicU64::new(0),
            value: UnsafeCell::new(None),
        }
    }
}

// SAFETY: the word lets one thread at a time at the value, which moves between threads.
unsafe impl<T: Send> Sync for Entry<T> {}
// SAFETY: moving the entry moves the value.
unsafe impl<T: Send> Send for Entry<T> {}

impl<T> Entry<T> {
    /// Swaps the value for another.
    ///
    /// # Safety
    /// The caller must have swapped the word to `RESERVED`, with acquire, and not yet away from it.
    unsafe fn exchange(&self, value: Option<T>) -> Option<T> {
        // SAFETY: reserved, so nobody else is at the value; acquired, so the last one was done before.
        self.value.with_mut(|slot| unsafe { std::ptr::replace(slot, value) })
    }
}

#[derive(Debug)]
struct Begun {
    count: AtomicUsize,
    /// How many had ended when somebody last looked.
    ended: AtomicUsize,
}

/// Leases of `T`. Inserting, taking, extending and expiring are lock-free but for the growing of the table.
pub struct Slab<T: Send> {
    entries: Table<Entry<T>>,
    minima: Minima,
    /// How many entries there are.
    len: AtomicUsize,
    /// Written by those who begin leases.
    begun: CachePadded<Begun>,
    /// How many have ended. Written by those who end them, who are often other threads.
    ended: CachePadded<AtomicUsize>,
}

impl<T: Send> Slab<T> {
    /// No leases, and no memory for any.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: Table::new(),
            minima: Minima::new(),
            len: AtomicUsize::new(0),
            begun: CachePadded::new(Begun { count: AtomicUsize::new(0), ended: AtomicUsize::new(0) }),
            ended: CachePadded::new(AtomicUsize::new(0)),
        }
    }

    /// How many leases are live.
    #[must_use]
    pub fn live(&self) -> usize {
        // In this order, so that the difference is never too small. Acquire: pairs with the release in `Ending::count`.
        let ended = self.ended.load(ordering("slab.live.acquire", Ordering::Acquire));
        self.begun.count.load(Ordering::Relaxed).wrapping_sub(ended)
    }

    /// At most how many leases are live, and exactly how many if that is more than `enough`. Spares those who begin
    /// leases a look at what those who end them are writing.
    #[must_use]
    pub fn live_at_most(&self, enough: usize) -> usize {
        let seen = self.begun.ended.load(Ordering::Relaxed);
        let live = self.begun.count.load(Ordering::Relaxed).wrapping_sub(seen);
        if live <= enough {
            return live;
        }
        // Acquire: as in `live`.
        let ended = self.ended.load(ordering("slab.live_at_most.acquire", Ordering::Acquire));
        self.begun.ended.store(ended, Ordering::Relaxed);
        self.begun.count.load(Ordering::Relaxed).wrapping_sub(ended)
    }

    /// Begins a lease of `value` until `deadline` (nanoseconds since the caller's epoch, and within 26 days of now: one that is
    /// further ahead counts as past). Grows the table, under a
    /// mutex, when more than half of it is in use.
    pub fn insert(&self, value: T, deadline: u64) -> LeaseId {
        self.insert_marked(value, deadline, 0)
    }

    /// As [`insert`](Self::insert), with a number beside it for [`least_mark`](Self::least_mark).
    pub fn insert_marked(&self, value: T, deadline: u64, mark: u64) -> LeaseId {
        let begun = self.begun.count.fetch_add(1, Ordering::Relaxed);
        let len = self.len.load(ordering("slab.len.acquire", Ordering::Acquire));
        let live = self.live_at_most(len / 2);
        if live * 2 > len {
            self.grow_for_live(len);
        }
        loop {
            let len = self.len.load(ordering("slab.len.again.acquire", Ordering::Acquire));
            for probe in 0..PROBES + len {
                let index = place(begun, probe, len);
                let entry = self.entries.at(index).expect("below the length");
                let vacant = entry.word.load(Ordering::Relaxed);
                if vacant & STATE != VACANT {
                    continue;
                }
                let reserved = vacant | RESERVED;
                // Acquire: pairs with the release store in `Ending::take_at`: the last value is gone.
                let acquire = ordering("slab.insert.acquire", Ordering::Acquire);
                if broken("slab.insert.unchecked") {
                    entry.word.store(reserved, Ordering::Relaxed);
                } else if entry.word.compare_exchange(vacant, reserved, acquire, Ordering::Relaxed).is_err() {
                    continue;
                }
                // SAFETY: reserved just now.
                let _vacant: Option<T> = unsafe { entry.exchange(Some(value)) };
                // Relaxed: goes with the word, below.
                entry.mark.store(mark, Ordering::Relaxed);
                let generation = generation(vacant);
                // Release: pairs with the acquire swap in `Ending::take_at`; the value goes with it.
                let release = ordering("slab.insert.release", Ordering::Release);
                entry.word.store(word(generation, ticks(deadline), LIVE), release);
                self.minima.lower(index, deadline);
                #[expect(clippy::cast_possible_truncation, reason = "24 bits, and a table of 2^28 entries")]
                return LeaseId { index: index as u32, generation: generation as u32 };
            }
            self.grow(len * 2);
        }
    }

    /// More than half of the `len` entries seem to be in use.
    #[cold]
    fn grow_for_live(&self, len: usize) {
        let ended = || self.ended.load(Ordering::Relaxed);
        loop {
            let before = ended();
            let live = self.live();
            if live * 2 <= len {
                return;
            }
            if is_believed(live, ended().wrapping_sub(before)) {
                return self.grow(live * 2);
            }
        }
    }

    #[cold]
    fn grow(&self, len: usize) {
        // By doubling: the mutex is not for every insert of a table that fills up.
        let len = len.next_power_of_two().max(if MODELLED { 2 } else { 16 });
        self.entries.grow_to(len - 1);
        self.minima.grow_to(len - 1);
        // Release: pairs with the acquire loads of it; the table reaches so far.
        self.len.fetch_max(len, ordering("slab.len.release", Ordering::Release));
    }

    /// Ends a lease and takes its value, if its deadline has not come at `now`. `None` for `now` ends it however late.
    /// (Deadlines wrap: by a `now` that is 26 days or more past one, it has not come.)
    ///
    /// # Errors
    /// [`StaleLease`] when somebody ended it before, or it is too late.
    pub fn take(&self, id: LeaseId, now: Option<u64>) -> Result<T, StaleLease> {
        self.ending().take(id, now)
    }

    /// Moves the deadline of a lease that is not late at `now` (as [`take`](Self::take) sees it), to within 26 days of that.
    ///
    /// # Errors
    /// [`StaleLease`] when somebody ended it before, or it is too late.
    pub fn extend(&self, id: LeaseId, now: u64, deadline: u64) -> Result<(), StaleLease> {
        let entry = self.entries.at(id.index as usize).ok_or(StaleLease::Ended)?;
        let mut seen = entry.word.load(Ordering::Relaxed);
        loop {
            if seen & STATE != LIVE || generation(seen) != u64::from(id.generation) {
                return Err(StaleLease::Ended);
            }
            if is_due(seen, ticks(now)) {
                return Err(StaleLease::Late);
            }
            let extended = word(generation(seen), ticks(deadline), LIVE);
            // Relaxed: a swap continues what `insert` released, for the one who takes the value; we do not look at it.
            if broken("slab.extend.unchecked") {
                entry.word.store(extended, ordering("twin", Ordering::Release));
                return Ok(());
            }
            match entry.word.compare_exchange(seen, extended, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    self.minima.lower(id.index as usize, deadline); // it may be an earlier one
                    return Ok(());
                }
                Err(now) => seen = now,
            }
        }
    }

    /// The least mark of a live lease: exact while none begins or ends.
    #[must_use]
    pub fn least_mark(&self) -> Option<u64> {
        let mut least: Option<u64> = None;
        let len = self.len.load(ordering("slab.marks.len.acquire", Ordering::Acquire));
        self.entries.for_each(len, |_, entry| {
            // Acquire: pairs with the release store in `insert`; the mark goes with the word.
            let word = entry.word.load(ordering("slab.mark.acquire", Ordering::Acquire));
            if word & STATE == LIVE {
                let mark = entry.mark.load(Ordering::Relaxed);
                least = Some(least.unwrap_or(mark).min(mark));
            }
        });
        least
    }
}

impl<T: Send> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Send> fmt::Debug for Slab<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slab").field("live", &self.live()).finish_non_exhaustive()
    }
}
