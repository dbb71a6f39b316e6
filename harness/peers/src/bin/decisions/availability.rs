//! How do readers learn that a slot of many producers is readable? Ring 4,096.
//!
//! Producers claim by gate check and compare-and-swap, write a value of 8 bytes, 64 bytes or 1 KB, and then
//! say so:
//!
//! - *stamp*: each slot holds its sequence beside the value; the reader's one miss brings both;
//! - *array*: a separate array of lap numbers, 16 to a cache line (LMAX's availability buffer);
//! - *cursor*: one published cursor, advanced in order: a producer waits for those that claimed before it.
//!
//! One consumer reads whatever is there and frees once per batch. The cursor gives it the cheapest look but
//! makes every producer wait for a preempted one; with more threads than CPUs that is the common case, and
//! the table shows it. A reader that gathers (see `gathering`) fights less for the lines that tell it, so
//! each way is shown with one too. 1, 2 and 8 producers alternate between the CPUs, the consumer has CPU 1.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

use crossbeam_utils::CachePadded;

use crate::lab::{Case, Outcome};
use crate::threads::{self, Gather, Job, Patience, producer_cpu, race};

const CAPACITY: u64 = 4096;
const CHUNK: u64 = CAPACITY / 4;
const HINTS: u32 = 32;

/// A value of `WORDS` words that carries its number at both ends.
#[derive(Clone, Copy)]
struct Value<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Value<WORDS> {
    fn ends(&self) -> u64 {
        self.0[0].wrapping_add(self.0[WORDS - 1])
    }
}

type Place<const WORDS: usize> = UnsafeCell<MaybeUninit<Value<WORDS>>>;

struct Stamped<const WORDS: usize> {
    stamp: AtomicU64,
    value: Place<WORDS>,
}

/// What tells the reader, each with the values where it wants them.
enum Tell<const WORDS: usize> {
    Stamp(Box<[Stamped<WORDS>]>),
    Array(Box<[Place<WORDS>]>, Box<[AtomicU32]>),
    Cursor(Box<[Place<WORDS>]>, CachePadded<AtomicU64>),
}

struct Ring<const WORDS: usize> {
    tell: Tell<WORDS>,
    head: CachePadded<AtomicU64>,
    tail: CachePadded<AtomicU64>,
}

// SAFETY: a place is written by the one producer that claimed its sequence after `tail` passed its last lap,
// and read by the consumer after its stamp, lap or the cursor said so; release/acquire on those orders the
// accesses.
unsafe impl<const WORDS: usize> Sync for Ring<WORDS> {}

#[derive(Clone, Copy)]
enum Way {
    Stamp,
    Array,
    Cursor,
}

fn at(sequence: u64) -> usize {
    (sequence % CAPACITY) as usize
}

/// The lap that `sequence` belongs to, counted from 1; it may wrap round, for nobody is 2^32 laps behind.
fn lap(sequence: u64) -> u32 {
    (sequence / CAPACITY + 1) as u32
}

impl<const WORDS: usize> Ring<WORDS> {
    fn new(way: Way) -> Self {
        let place = || UnsafeCell::new(MaybeUninit::new(Value([0; WORDS])));
        let places = || (0..CAPACITY).map(|_| place()).collect();
        let stamped = |_| Stamped { stamp: AtomicU64::new(0), value: place() };
        let tell = match way {
            Way::Stamp => Tell::Stamp((0..CAPACITY).map(stamped).collect()),
            Way::Array => Tell::Array(places(), (0..CAPACITY).map(|_| AtomicU32::new(0)).collect()),
            Way::Cursor => Tell::Cursor(places(), CachePadded::default()),
        };
        Self { tell, head: CachePadded::default(), tail: CachePadded::default() }
    }

    fn place(&self, sequence: u64) -> &Place<WORDS> {
        match &self.tell {
            Tell::Stamp(slots) => &slots[at(sequence)].value,
            Tell::Array(places, _) | Tell::Cursor(places, _) => &places[at(sequence)],
        }
    }

    fn produce(&self, index: u64, n: u64) -> u64 {
        let mut gate = 0;
        let mut value = Value([index; WORDS]);
        for number in index * n..(index + 1) * n {
            value.0[0] = number;
            value.0[WORDS - 1] = number;
            let sequence = self.claim(&mut gate);
            // SAFETY: claimed, and the gate has passed its last lap.
            unsafe { (*self.place(sequence).get()).write(value) };
            match &self.tell {
                Tell::Stamp(slots) => slots[at(sequence)].stamp.store(sequence + 1, Release),
                Tell::Array(_, laps) => laps[at(sequence)].store(lap(sequence), Release),
                Tell::Cursor(_, cursor) => {
                    let mut patience = Patience::default();
                    while cursor.load(Acquire) != sequence {
                        patience.step(HINTS);
                    }
                    cursor.store(sequence + 1, Release);
                }
            }
        }
        0
    }

    fn claim(&self, gate: &mut u64) -> u64 {
        let mut patience = Patience::default();
        let mut next = self.head.load(Relaxed);
        loop {
            if next.wrapping_sub(*gate) as i64 >= CAPACITY as i64 {
                *gate = self.tail.load(Acquire);
                if next.wrapping_sub(*gate) as i64 >= CAPACITY as i64 {
                    patience.step(HINTS);
                    next = self.head.load(Relaxed);
                    continue;
                }
            }
            match self.head.compare_exchange_weak(next, next + 1, Relaxed, Relaxed) {
                Ok(_) => return next,
                Err(now) => next = now,
            }
        }
    }

    /// Whether `many` values from `next` on are readable; with stamps and laps a look at the last of them.
    fn has(&self, next: u64, many: u64) -> bool {
        let last = next + many - 1;
        match &self.tell {
            Tell::Stamp(slots) => slots[at(last)].stamp.load(Acquire) == last + 1,
            Tell::Array(_, laps) => laps[at(last)].load(Acquire) == lap(last),
            Tell::Cursor(_, cursor) => cursor.load(Acquire) > last,
        }
    }

    fn consume(&self, gather: bool, n: u64) -> u64 {
        let (mut next, mut sum) = (0, 0_u64);
        let (mut patience, mut gathering) = (Patience::default(), Gather::default());
        while next < n {
            let start = next;
            if gather && self.has(next, 1) {
                gathering.pause(|ahead| self.has(next, ahead));
            }
            let limit = n.min(start + CHUNK);
            match &self.tell {
                Tell::Stamp(slots) => {
                    while next < limit && slots[at(next)].stamp.load(Acquire) == next + 1 {
                        sum = sum.wrapping_add(self.read(next));
                        next += 1;
                    }
                }
                Tell::Array(_, laps) => {
                    while next < limit && laps[at(next)].load(Acquire) == lap(next) {
                        sum = sum.wrapping_add(self.read(next));
                        next += 1;
                    }
                }
                Tell::Cursor(_, cursor) => {
                    let end = cursor.load(Acquire).min(limit);
                    while next < end {
                        sum = sum.wrapping_add(self.read(next));
                        next += 1;
                    }
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

    fn read(&self, sequence: u64) -> u64 {
        // SAFETY: published, and not freed until `tail` passes it.
        unsafe { (*self.place(sequence).get()).assume_init_ref() }.ends()
    }
}

fn flat_out<const WORDS: usize>(way: Way, producers: u64, gather: bool, n: u64) -> Outcome {
    let ring = &Ring::<WORDS>::new(way);
    let each = n / producers;
    let total = each * producers;
    let mut jobs: Vec<(usize, Job<'_>)> = vec![(1, Box::new(move || ring.consume(gather, total)))];
    for index in 0..producers {
        jobs.push((producer_cpu(index as usize), Box::new(move || ring.produce(index, each))));
    }
    let (seconds, sums) = race(jobs);
    assert_eq!(sums[0], total * (total - 1), "values lost, doubled or torn");
    Outcome::rate(total, seconds)
}

pub(crate) fn cases() -> Vec<Case> {
    let ways = [
        ("stamp beside the value", Way::Stamp),
        ("availability array", Way::Array),
        ("ordered cursor", Way::Cursor),
    ];
    type Body = fn(Way, u64, bool, u64) -> Outcome;
    let sizes: [(&str, Body); 3] =
        [("u64", flat_out::<1>), ("64 B", flat_out::<8>), ("1 KB", flat_out::<128>)];
    let mut cases = Vec::new();
    for (producers, gather) in [(1, false), (1, true), (2, false), (2, true), (8, false), (8, true)] {
        let how = if gather { ", reader gathers" } else { "" };
        for (size, body) in sizes {
            for (name, way) in ways {
                let setting = format!("{}, {size}{how}", threads::producers(producers as usize));
                cases.push(Case::new(setting, name, move |n| body(way, producers, gather, n)));
            }
        }
    }
    cases
}
