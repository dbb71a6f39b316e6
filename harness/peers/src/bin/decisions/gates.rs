//! What does finding the slowest of N cursors cost, and attaching N cursors?
//!
//! A publisher that finds its cached gate used up must learn the minimum over all cursors that hold slots.
//! Here N cursors exist, and one thread scans them again and again, alone (*quiet*) or while a second one
//! advances them in turn, as a dispatcher would (*moving*):
//!
//! - *flat padded*, *flat packed*: an array, a cursor per cache line or eight;
//! - *epoch*: `crossbeam_epoch::Atomic<Vec<Arc<cursor>>>`, pinned for every scan, copied on every attach;
//! - *blocks*: an append-only list of blocks of 64 packed cursors and a bitmap of those in use;
//! - *published minimum*: the dispatcher that serves all N writes one word, and the gate reads that. The
//!   table also says what the dispatcher pays for it: a pass over its own packed cursors (*flat packed,
//!   quiet*) once per turn, on its own time.
//!
//! Attaching N one after another compares the epoch array (N copies) with the blocks. All scans must find the
//! true minimum.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, OnceLock};

use crossbeam_epoch as epoch;
use crossbeam_utils::CachePadded;

use crate::lab::{Case, Outcome};
use crate::threads::{Job, race};

const BLOCK: usize = 64;

/// Some cursors: attach one, move one, find the minimum.
trait Cursors: Sync {
    fn empty() -> Self;
    /// `count` cursors at `at`; not timed.
    fn filled(count: usize, at: u64) -> Self
    where
        Self: Sized,
    {
        let cursors = Self::empty();
        (0..count).for_each(|_| cursors.attach(at));
        cursors
    }
    fn attach(&self, at: u64);
    fn advance(&self, index: usize, to: u64);
    fn minimum(&self) -> u64;
}

/// An array of a fixed size; attaching counts up.
struct Flat<C>(Box<[C]>, AtomicUsize);

trait Word: Default + Sync {
    fn word(&self) -> &AtomicU64;
}

impl Word for AtomicU64 {
    fn word(&self) -> &AtomicU64 {
        self
    }
}

impl Word for CachePadded<AtomicU64> {
    fn word(&self) -> &AtomicU64 {
        self
    }
}

impl<C: Word> Cursors for Flat<C> {
    fn empty() -> Self {
        Self((0..10_000).map(|_| C::default()).collect(), AtomicUsize::new(0))
    }

    fn attach(&self, at: u64) {
        let index = self.1.load(Relaxed);
        self.0[index].word().store(at, Relaxed);
        self.1.store(index + 1, Release);
    }

    fn advance(&self, index: usize, to: u64) {
        self.0[index].word().store(to, Release);
    }

    fn minimum(&self) -> u64 {
        let used = &self.0[..self.1.load(Acquire)];
        used.iter().fold(u64::MAX, |least, cursor| least.min(cursor.word().load(Acquire)))
    }
}

/// Copied on every attach; the old array is freed when no scan can hold it.
struct Epoch(epoch::Atomic<Vec<Arc<CachePadded<AtomicU64>>>>);

impl Cursors for Epoch {
    fn empty() -> Self {
        Self(epoch::Atomic::new(Vec::new()))
    }

    fn filled(count: usize, at: u64) -> Self {
        let cursor = || Arc::new(CachePadded::new(AtomicU64::new(at)));
        Self(epoch::Atomic::new((0..count).map(|_| cursor()).collect()))
    }

    fn attach(&self, at: u64) {
        let guard = epoch::pin();
        let old = self.0.load(Acquire, &guard);
        // SAFETY: never null, and freed only through the epoch that `guard` pins.
        let mut cursors = unsafe { old.deref() }.clone();
        cursors.push(Arc::new(CachePadded::new(AtomicU64::new(at))));
        self.0.store(epoch::Owned::new(cursors), Release);
        // SAFETY: just unlinked, by the only thread that attaches.
        unsafe { guard.defer_destroy(old) };
    }

    fn advance(&self, index: usize, to: u64) {
        let guard = epoch::pin();
        // SAFETY: as in `attach`.
        let cursors = unsafe { self.0.load(Acquire, &guard).deref() };
        cursors[index].store(to, Release);
    }

    fn minimum(&self) -> u64 {
        let guard = epoch::pin();
        // SAFETY: as in `attach`.
        let cursors = unsafe { self.0.load(Acquire, &guard).deref() };
        cursors.iter().fold(u64::MAX, |least, cursor| least.min(cursor.load(Acquire)))
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        // SAFETY: no scan can be running on a table that is being dropped.
        drop(unsafe { std::mem::replace(&mut self.0, epoch::Atomic::null()).into_owned() });
    }
}

/// Blocks are never moved or freed while the table lives, so a scan needs no protection.
struct Blocks {
    first: Block,
    attached: AtomicUsize,
    /// Where the next attach goes; only attaches (control plane) use it.
    last: AtomicPtr<Block>,
}

struct Block {
    active: AtomicU64,
    cursors: [AtomicU64; BLOCK],
    next: OnceLock<Box<Block>>,
}

impl Block {
    fn new() -> Self {
        Self {
            active: AtomicU64::new(0),
            cursors: [const { AtomicU64::new(0) }; BLOCK],
            next: OnceLock::new(),
        }
    }
}

thread_local! {
    /// The mover's place in the list, so that advancing in turn does not walk it.
    static PLACE: Cell<*const Block> = const { Cell::new(std::ptr::null()) };
}

impl Cursors for Blocks {
    fn empty() -> Self {
        Self { first: Block::new(), attached: AtomicUsize::new(0), last: AtomicPtr::default() }
    }

    fn attach(&self, at: u64) {
        let index = self.attached.fetch_add(1, Relaxed);
        let last = self.last.load(Relaxed);
        // SAFETY: null at first, else a block of this table, which lives as long.
        let mut block = unsafe { last.as_ref() }.unwrap_or(&self.first);
        if index > 0 && index.is_multiple_of(BLOCK) {
            block = block.next.get_or_init(|| Box::new(Block::new()));
            self.last.store(std::ptr::from_ref(block).cast_mut(), Relaxed);
        }
        block.cursors[index % BLOCK].store(at, Relaxed);
        block.active.fetch_or(1 << (index % BLOCK), Release);
    }

    fn advance(&self, index: usize, to: u64) {
        let mut block = PLACE.get();
        if index.is_multiple_of(BLOCK) {
            // SAFETY: set by this thread to a block of the table that it now advances from index 0 on, in
            // turn.
            let next = if index == 0 { None } else { unsafe { &*block }.next.get().map(|next| &**next) };
            block = next.unwrap_or(&self.first);
            PLACE.set(block);
        }
        // SAFETY: as above.
        unsafe { &*block }.cursors[index % BLOCK].store(to, Release);
    }

    fn minimum(&self) -> u64 {
        let mut least = u64::MAX;
        let mut block = Some(&self.first);
        while let Some(here) = block {
            let mut active = here.active.load(Acquire);
            if active == u64::MAX {
                least = here.cursors.iter().fold(least, |least, cursor| least.min(cursor.load(Acquire)));
                active = 0;
            }
            while active != 0 {
                least = least.min(here.cursors[active.trailing_zeros() as usize].load(Acquire));
                active &= active - 1;
            }
            block = here.next.get().map(|next| &**next);
        }
        least
    }
}

/// One dispatcher serves all cursors: it writes them unshared, and their minimum once per turn.
struct Published {
    own: Flat<AtomicU64>,
    minimum: CachePadded<AtomicU64>,
}

impl Cursors for Published {
    fn empty() -> Self {
        Self { own: Flat::empty(), minimum: CachePadded::new(AtomicU64::new(u64::MAX)) }
    }

    fn attach(&self, at: u64) {
        self.own.attach(at);
        self.minimum.fetch_min(at, Release);
    }

    fn advance(&self, index: usize, to: u64) {
        self.own.advance(index, to);
        if index + 1 == self.own.1.load(Relaxed) {
            self.minimum.store(self.own.minimum(), Release);
        }
    }

    fn minimum(&self) -> u64 {
        self.minimum.load(Acquire)
    }
}

/// `scans` scans over `count` cursors; with `moving`, one thread sends all of them round and round meanwhile.
fn scan<C: Cursors>(count: usize, moving: bool, scans: u64) -> Outcome {
    let cursors = C::filled(count, 1);
    let done = CachePadded::new(AtomicU64::new(0));
    let (seconds, results) = {
        let (cursors, done) = (&cursors, &done);
        let scan = move || {
            let mut highest = 0;
            for _ in 0..scans {
                let minimum = black_box(cursors.minimum());
                assert!(minimum >= highest, "the minimum of cursors that only advance went back");
                highest = minimum;
            }
            done.store(1, Release);
            highest
        };
        let mover = move || {
            let mut to = 1;
            while done.load(Relaxed) == 0 {
                to += 1;
                (0..count).for_each(|index| cursors.advance(index, to));
            }
            to
        };
        let mut jobs: Vec<(usize, Job<'_>)> = vec![(0, Box::new(scan))];
        if moving {
            jobs.push((1, Box::new(mover)));
        }
        race(jobs)
    };
    assert_eq!(cursors.minimum(), if moving { results[1] } else { 1 }, "not the minimum");
    Outcome::nanos(scans, seconds)
}

fn attach<C: Cursors>(count: u64) -> Outcome {
    let (seconds, sums) = race(vec![(
        0,
        Box::new(|| {
            let cursors = C::empty();
            (0..count).for_each(|index| cursors.attach(7 + index));
            cursors.minimum()
        }),
    )]);
    assert_eq!(sums[0], 7, "not the minimum");
    Outcome::nanos(count, seconds)
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for moving in [false, true] {
        for count in [1, 10, 100, 1_000, 10_000] {
            let setting =
                format!("ns per scan of {count} cursors, {}", if moving { "moving" } else { "quiet" });
            let mut add = |name: &str, body: fn(usize, bool, u64) -> Outcome| {
                cases.push(Case::new(setting.clone(), name, move |n| body(count, moving, n)));
            };
            add("flat padded", scan::<Flat<CachePadded<AtomicU64>>>);
            add("flat packed", scan::<Flat<AtomicU64>>);
            add("epoch", scan::<Epoch>);
            add("blocks", scan::<Blocks>);
            add("published minimum", scan::<Published>);
        }
    }
    for count in [100, 1_000, 10_000] {
        let setting = format!("ns per attach, {count} one after another");
        cases.push(Case::new(setting.clone(), "epoch", attach::<Epoch>).sized(count));
        cases.push(Case::new(setting, "blocks", attach::<Blocks>).sized(count));
    }
    cases
}
