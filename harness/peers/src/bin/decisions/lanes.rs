//! Lanes and the role: what `claim` and `batcher` share of the ways that stage values before they reach the
//! ring.
//!
//! Every producer has a bounded single-producer queue, its lane. Whoever holds the role (a try-flag: nobody
//! waits for it) drains all lanes into the ring, of which it is then the only writer. Letting go of the role
//! is a read-modify-write, as trying for it is: if a producer pushed and then failed to get the role, the
//! holder's release comes after that attempt, reads from it, and so the holder's look at the lanes afterwards
//! sees the push. Nothing staged is forgotten.
//!
//! A holder that is preempted stops everybody who needs the role, so nothing here is lock-free.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};

use crossbeam_utils::CachePadded;

use crate::threads::Patience;

/// Entries of one lane.
const LANE: u64 = 512;

struct Lane<T> {
    entries: Box<[UnsafeCell<T>]>,
    pushed: CachePadded<AtomicU64>,
    taken: CachePadded<AtomicU64>,
}

pub(crate) struct Lanes<T> {
    role: CachePadded<AtomicBool>,
    lanes: Box<[Lane<T>]>,
}

// SAFETY: an entry belongs to the lane's producer until `pushed` passes it and to the role's holder until
// `taken` does; release/acquire on both hands it over, as the swaps of `role` do from holder to holder.
unsafe impl<T: Send> Sync for Lanes<T> {}

impl<T> Lanes<T> {
    pub(crate) fn new(count: usize, make: impl Fn() -> T) -> Self {
        let lane = |_| Lane {
            entries: (0..LANE).map(|_| UnsafeCell::new(make())).collect(),
            pushed: CachePadded::default(),
            taken: CachePadded::default(),
        };
        Self { role: CachePadded::default(), lanes: (0..count).map(lane).collect() }
    }

    /// Stages what `exchange` puts into the next entry of lane `index`; while that is full, does `meanwhile`
    /// and waits `hints` before it yields. `taken` caches how far the lane was drained.
    ///
    /// # Safety
    /// One thread at a time pushes to a lane.
    pub(crate) unsafe fn push(
        &self,
        index: usize,
        hints: u32,
        taken: &mut u64,
        meanwhile: impl Fn(),
        exchange: impl FnOnce(&mut T),
    ) {
        let lane = &self.lanes[index];
        let at = lane.pushed.load(Relaxed);
        let mut patience = Patience::default();
        while at - *taken >= LANE {
            *taken = lane.taken.load(Acquire);
            if at - *taken >= LANE {
                meanwhile();
                patience.step(hints);
            }
        }
        // SAFETY: the lane's one producer (the caller's promise); the entry's last lap was taken (acquire
        // above).
        exchange(unsafe { &mut *lane.entries[(at % LANE) as usize].get() });
        lane.pushed.store(at + 1, Release);
    }

    /// Hands at most `room` staged entries to `each`, lane by lane.
    ///
    /// # Safety
    /// For the role's holder only: call it inside `combine` or `once`.
    pub(crate) unsafe fn drain(&self, room: u64, mut each: impl FnMut(&mut T)) {
        let mut room = room;
        for lane in &self.lanes {
            let first = lane.taken.load(Relaxed);
            let count = (lane.pushed.load(Acquire) - first).min(room);
            for at in first..first + count {
                // SAFETY: pushed and not yet taken, and the caller holds the role.
                each(unsafe { &mut *lane.entries[(at % LANE) as usize].get() });
            }
            if count > 0 {
                lane.taken.store(first + count, Release);
            }
            room -= count;
        }
    }

    /// Takes the role while something is staged and nobody else has it; `drain` says whether it moved
    /// anything.
    pub(crate) fn combine(&self, hints: u32, drain: impl Fn() -> bool) {
        let mut patience = Patience::default();
        while !self.role.swap(true, AcqRel) {
            let moved = drain();
            self.role.swap(false, AcqRel);
            if self.staged() == 0 {
                return;
            }
            if !moved {
                patience.step(hints);
            }
        }
    }

    /// One try for the role, for a consumer that will be back anyway.
    pub(crate) fn once(&self, drain: impl FnOnce() -> bool) {
        if !self.role.swap(true, AcqRel) {
            drain();
            self.role.store(false, Release);
        }
    }

    /// Whether everything pushed to lane `index` has been drained; for its producer.
    pub(crate) fn taken_all(&self, index: usize) -> bool {
        let lane = &self.lanes[index];
        lane.taken.load(Acquire) == lane.pushed.load(Relaxed)
    }

    /// How much the lanes hold, at least for a moment.
    pub(crate) fn staged(&self) -> u64 {
        // `taken` first: it never passes what `pushed` says later.
        let waiting = |lane: &Lane<T>| {
            let taken = lane.taken.load(Acquire);
            lane.pushed.load(Acquire) - taken
        };
        self.lanes.iter().map(waiting).sum()
    }
}
