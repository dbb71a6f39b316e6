//! How do producers get their slots?
//!
//! One ring of 4,096 slots, one consumer that reads in batches and frees once per batch; 1, 2 or 8 producers
//! that publish single values of 8 or 120 bytes as fast as they can. Producers alternate between the two CPUs
//! (*meeting*: half of them share the consumer's), or all run on the other CPU (*apart*: they never run at
//! the same time as each other).
//!
//! - *cas*: look at the (cached) gate, then compare-and-swap the claim, write, stamp the slot; *+ backoff*
//!   spins after a lost CAS; *+ gathering* has the reader pause as `gathering` found best, for lanes gather
//!   by nature and that would be unfair;
//! - *plain claim*: the same without the locked instruction, for one producer only: what the lock costs;
//! - *fetch_add*: claim first, wait for the gate with the claim in hand, write, stamp;
//! - *combining*: push into a lane of one's own, then try to take the role; who has it drains every lane into
//!   the ring and looks again after letting go (see `lanes`);
//! - *consumer drains*: push into a lane; the consumer, when it runs dry, takes the role and moves all lanes
//!   into the ring.
//!
//! With the two lane forms a push returns before the value is in the ring; with the first two it is readable
//! on return.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering::*};

use crossbeam_utils::{Backoff, CachePadded};

use crate::lab::{Case, Outcome};
use crate::lanes::Lanes;
use crate::threads::{self, Gather, Job, Patience, producer_cpu, race};

const CAPACITY: u64 = 4096;
/// The consumer frees at least this often.
const CHUNK: u64 = CAPACITY / 4;
/// Spin hints before a waiter yields its CPU.
const HINTS: u32 = 32;

/// A value that carries its number.
trait Value: Copy + Send + 'static {
    /// Zero-sized, to align slots whose size is a multiple of a line.
    type Line: Copy + Send + Sync;
    fn of(number: u64) -> Self;
    fn number(&self) -> u64;
}

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line;

impl Value for u64 {
    type Line = ();
    fn of(number: u64) -> Self {
        number
    }
    fn number(&self) -> u64 {
        *self
    }
}

impl Value for [u64; 15] {
    type Line = Line;
    fn of(number: u64) -> Self {
        [number; 15]
    }
    fn number(&self) -> u64 {
        self[0] ^ self[7] ^ self[14]
    }
}

#[repr(C)]
struct Slot<V: Value> {
    line: [V::Line; 0],
    stamp: AtomicU64,
    value: UnsafeCell<V>,
}

/// A ring with what all four ways need; each uses its part.
struct Ring<V: Value> {
    slots: Box<[Slot<V>]>,
    /// Next sequence to claim (or, for the role holder, to publish).
    head: CachePadded<AtomicU64>,
    tail: CachePadded<AtomicU64>,
    lanes: Lanes<V>,
}

// SAFETY: a slot is written by the one producer that claimed its sequence (or by the role's holder) after
// `tail` passed its last lap, and read by the consumer after its stamp or `head` said so; release/acquire on
// those orders the accesses.
unsafe impl<V: Value> Sync for Ring<V> {}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Plain,
    Cas,
    CasBackoff,
    CasGathering,
    FetchAdd,
    Combining,
    ConsumerDrains,
}

impl<V: Value> Ring<V> {
    fn new(producers: usize) -> Self {
        let slot = |_| Slot { line: [], stamp: AtomicU64::new(0), value: UnsafeCell::new(V::of(0)) };
        Self {
            slots: (0..CAPACITY).map(slot).collect(),
            head: CachePadded::default(),
            tail: CachePadded::default(),
            lanes: Lanes::new(producers, || V::of(0)),
        }
    }

    fn slot(&self, sequence: u64) -> &Slot<V> {
        &self.slots[(sequence % CAPACITY) as usize]
    }

    fn fill(&self, sequence: u64, value: V) -> &Slot<V> {
        let slot = self.slot(sequence);
        // SAFETY: the caller owns this sequence and has seen the gate pass its last lap.
        unsafe { *slot.value.get() = value };
        slot
    }

    /// Whether `sequence` has no room yet; signed, because a stale head may lie behind the gate.
    fn full(&self, sequence: u64, gate: &mut u64) -> bool {
        let over = |gate: u64| sequence.wrapping_sub(gate) as i64 >= CAPACITY as i64;
        over(*gate) && {
            *gate = self.tail.load(Acquire);
            over(*gate)
        }
    }

    fn produce(&self, way: Way, index: u64, n: u64) -> u64 {
        let mut gate = 0;
        for number in index * n..(index + 1) * n {
            let value = V::of(number);
            match way {
                Way::Cas | Way::CasGathering => self.publish_cas(value, &mut gate, false),
                Way::CasBackoff => self.publish_cas(value, &mut gate, true),
                Way::Plain => self.publish_plain(value, &mut gate),
                Way::FetchAdd => self.publish_fetch_add(value, &mut gate),
                Way::Combining => {
                    self.stage(index, value, &mut gate, || self.lanes.combine(HINTS, || self.drain()));
                    self.lanes.combine(HINTS, || self.drain());
                }
                Way::ConsumerDrains => self.stage(index, value, &mut gate, || {}),
            }
        }
        0
    }

    fn publish_cas(&self, value: V, gate: &mut u64, backoff: bool) {
        let (mut patience, lost) = (Patience::default(), Backoff::new());
        let mut next = self.head.load(Relaxed);
        loop {
            if self.full(next, gate) {
                patience.step(HINTS);
                next = self.head.load(Relaxed);
                continue;
            }
            match self.head.compare_exchange_weak(next, next + 1, Relaxed, Relaxed) {
                Ok(_) => break,
                Err(now) => next = now,
            }
            if backoff {
                lost.spin();
                next = self.head.load(Relaxed);
            }
        }
        self.fill(next, value).stamp.store(next + 1, Release);
    }

    fn publish_plain(&self, value: V, gate: &mut u64) {
        let next = self.head.load(Relaxed);
        let mut patience = Patience::default();
        while self.full(next, gate) {
            patience.step(HINTS);
        }
        self.head.store(next + 1, Relaxed);
        self.fill(next, value).stamp.store(next + 1, Release);
    }

    fn publish_fetch_add(&self, value: V, gate: &mut u64) {
        let next = self.head.fetch_add(1, Relaxed);
        let mut patience = Patience::default();
        while self.full(next, gate) {
            patience.step(HINTS);
        }
        self.fill(next, value).stamp.store(next + 1, Release);
    }

    fn stage(&self, index: u64, value: V, taken: &mut u64, meanwhile: impl Fn()) {
        // SAFETY: producer `index` is one thread, and only it pushes to that lane.
        unsafe { self.lanes.push(index as usize, HINTS, taken, meanwhile, |entry| *entry = value) };
    }

    /// Moves what the lanes hold, as far as there is room, into the ring under one claim. Only with the role.
    fn drain(&self) -> bool {
        let start = self.head.load(Relaxed);
        let room = CAPACITY - (start - self.tail.load(Acquire));
        let mut next = start;
        let each = |value: &mut V| {
            self.fill(next, *value);
            next += 1;
        };
        // SAFETY: all callers hold the role.
        unsafe { self.lanes.drain(room, each) };
        if next > start {
            self.head.store(next, Release);
        }
        next > start
    }

    fn consume(&self, way: Way, n: u64) -> u64 {
        let (mut next, mut sum) = (0, 0_u64);
        let (mut patience, mut gather) = (Patience::default(), Gather::default());
        while next < n {
            let start = next;
            if way == Way::CasGathering && self.has(next, 1) {
                gather.pause(|ahead| self.has(next, ahead));
            }
            if matches!(way, Way::Combining | Way::ConsumerDrains) {
                let mut head = self.head.load(Acquire);
                if head == next && way == Way::ConsumerDrains {
                    self.lanes.once(|| self.drain());
                    head = self.head.load(Acquire);
                }
                let end = head.min(next + CHUNK);
                while next < end {
                    sum = sum.wrapping_add(self.read(next));
                    next += 1;
                }
            } else {
                while next < start + CHUNK && self.slot(next).stamp.load(Acquire) == next + 1 {
                    sum = sum.wrapping_add(self.read(next));
                    next += 1;
                }
            }
            if next > start {
                self.tail.store(next, Release);
                patience.reset();
            } else {
                patience.step(HINTS);
            }
        }
        sum
    }

    fn has(&self, next: u64, many: u64) -> bool {
        self.slot(next + many - 1).stamp.load(Acquire) >= next + many
    }

    fn read(&self, sequence: u64) -> u64 {
        // SAFETY: published, and not freed until `tail` passes it.
        unsafe { &*self.slot(sequence).value.get() }.number()
    }
}

fn flat_out<V: Value>(way: Way, producers: usize, apart: bool, n: u64) -> Outcome {
    let ring = Ring::<V>::new(producers);
    let (each, ring) = (n / producers as u64, &ring);
    let total = each * producers as u64;
    let mut jobs: Vec<(usize, Job<'_>)> = vec![(1, Box::new(move || ring.consume(way, total)))];
    for index in 0..producers {
        let cpu = if apart { 0 } else { producer_cpu(index) };
        jobs.push((cpu, Box::new(move || ring.produce(way, index as u64, each))));
    }
    let (seconds, sums) = race(jobs);
    assert_eq!(sums[0], (0..total).fold(0, |sum, number| sum + V::of(number).number()), "lost or doubled");
    Outcome::rate(total, seconds)
}

pub(crate) fn cases() -> Vec<Case> {
    let ways = [
        ("plain claim, stamp", Way::Plain),
        ("cas, stamp", Way::Cas),
        ("cas + backoff, stamp", Way::CasBackoff),
        ("cas, stamp + gathering", Way::CasGathering),
        ("fetch_add, stamp", Way::FetchAdd),
        ("combining publishers", Way::Combining),
        ("consumer drains lanes", Way::ConsumerDrains),
    ];
    let mut cases = Vec::new();
    for (producers, apart) in [(1, true), (2, false), (2, true), (8, false), (8, true)] {
        for large in [false, true] {
            let what = if large { "120 B" } else { "u64" };
            let place = ["", ", meeting", ", apart"][if producers == 1 { 0 } else { 1 + usize::from(apart) }];
            for (name, way) in ways {
                if way == Way::Plain && producers > 1 {
                    continue;
                }
                let body = if large { flat_out::<[u64; 15]> } else { flat_out::<u64> };
                let setting = format!("{}{place}, {what}", threads::producers(producers));
                cases.push(Case::new(setting, name, move |n| body(way, producers, apart, n)));
            }
        }
    }
    cases
}
