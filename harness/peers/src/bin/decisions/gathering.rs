//! Does a reader gain by letting the writer get ahead?
//!
//! A reader on the writer's heels takes each cache line while it is being written. Here one producer fills 1
//! KB buffers and swaps them into a ring (nothing is allocated), and one consumer reads either both ends or
//! every byte of each message:
//!
//! - *none*: read whatever is there, at once;
//! - *gather W/P/H*: if fewer than W messages are ready and the reader is not idle (it did not just poll in
//!   vain for long), pause once for P spin hints. A pause that brings less than a message per H hints
//!   switches gathering off, for twice as many reads as the last time (`OFF_FIRST` up to `OFF_LAST`); one
//!   that pays resets that. H is what tells a writer that is flat out from one that is merely regular: it
//!   must lie between the hints per message of the two.
//!
//! What is recommended (and used by the other experiments, `threads::Gather`) is W 64, P 256, H 12: a
//! publisher that claims by compare-and-swap needs 7-8 hints per 1 KB message even when nobody reads beside
//! it.
//!
//! The reader learns what is ready from the producer's cursor, or (*stamps*) from the stamp beside each slot,
//! as with many producers: there it looks at one stamp, W slots ahead, to see whether a pause is due. The
//! paced cases publish 3 (and 8) million messages a second by the clock and take the time from when each was
//! due to when it was read, the first tenth left out: gathering must not be paid for in latency when the
//! reader keeps up.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering::*};

use crossbeam_utils::CachePadded;
use hdrhistogram::Histogram;

use crate::lab::{Case, Outcome};
use crate::threads::{self, Patience, race};

const WORDS: usize = 128;
const OFF_FIRST: u32 = 64;
const OFF_LAST: u32 = 4096;
/// Polls in vain (a spin hint each) after which the reader counts as idle.
const IDLE_POLLS: u32 = 16;
/// The reader frees its slots at least this often, as a fraction of the ring.
const CHUNKS: u64 = 4;

#[repr(C, align(64))]
struct Payload([u64; WORDS]);

struct Slot {
    stamp: AtomicU64,
    buffer: UnsafeCell<Box<Payload>>,
}

struct Ring {
    slots: Box<[Slot]>,
    head: CachePadded<AtomicU64>,
    tail: CachePadded<AtomicU64>,
}

// SAFETY: the producer touches a slot's buffer only between seeing `tail` pass its last lap and publishing it
// (`head`, or its stamp), the consumer only between seeing it published and storing `tail`; both edges are
// release/acquire.
unsafe impl Sync for Ring {}

/// How the reader waits for more; `within` of 0 never gathers.
#[derive(Clone, Copy)]
struct Gather {
    within: u64,
    hints: u32,
    per_message: u32,
}

impl Ring {
    fn new(capacity: usize) -> Self {
        let buffer = || UnsafeCell::new(Box::new(Payload([0; WORDS])));
        let slots = (0..capacity).map(|_| Slot { stamp: AtomicU64::new(0), buffer: buffer() }).collect();
        Self { slots, head: CachePadded::default(), tail: CachePadded::default() }
    }

    fn slot(&self, sequence: u64) -> &Slot {
        &self.slots[sequence as usize & (self.slots.len() - 1)]
    }

    /// Publishes `n` messages; paced by `due` (clock ticks per message, and the first's time) if given.
    fn produce<const STAMPED: bool>(&self, n: u64, pace: Option<f64>) -> u64 {
        let clock = threads::clock();
        let start = clock.raw();
        let template = std::array::from_fn(|word| word as u64);
        let mut spare = Box::new(Payload(template));
        let mut freed = 0;
        for sequence in 0..n {
            let mut mark = sequence;
            if let Some(ticks) = pace {
                mark = start + (sequence as f64 * ticks) as u64;
                while clock.raw() < mark {}
            }
            spare.0.copy_from_slice(&template);
            spare.0[0] = mark;
            spare.0[WORDS - 1] = sequence;
            let mut patience = Patience::default();
            while sequence - freed >= self.slots.len() as u64 {
                freed = self.tail.load(Acquire);
                patience.step(1_000);
            }
            let slot = self.slot(sequence);
            // SAFETY: the gate above says the consumer is done with this slot's last lap; not yet published.
            std::mem::swap(unsafe { &mut *slot.buffer.get() }, &mut spare);
            if STAMPED {
                slot.stamp.store(sequence + 1, Release);
            } else {
                self.head.store(sequence + 1, Release);
            }
        }
        0
    }

    /// How many messages from `next` on are readable, up to `limit`.
    fn ready<const STAMPED: bool>(&self, next: u64, limit: u64) -> u64 {
        if STAMPED {
            (0..limit).take_while(|ahead| self.slot(next + ahead).stamp.load(Acquire) > next + ahead).count()
                as u64
        } else {
            self.head.load(Acquire).wrapping_sub(next).min(limit)
        }
    }

    /// Whether `many` messages are readable, without looking at each.
    fn has<const STAMPED: bool>(&self, next: u64, many: u64) -> bool {
        if STAMPED {
            self.slot(next + many - 1).stamp.load(Acquire) >= next + many
        } else {
            self.head.load(Acquire) >= next + many
        }
    }

    /// Reads `n` messages, handing each to `read`; returns the sum of what that gave.
    fn consume<const STAMPED: bool>(
        &self,
        n: u64,
        gather: Gather,
        mut read: impl FnMut(&Payload) -> u64,
    ) -> u64 {
        let limit = self.slots.len() as u64 / CHUNKS;
        let (mut next, mut sum, mut off, mut off_for) = (0, 0_u64, 0, OFF_FIRST);
        while next < n {
            let mut polls = 0;
            let mut patience = Patience::default();
            while !self.has::<STAMPED>(next, 1) {
                polls += 1;
                patience.step(100_000);
            }
            if off > 0 {
                off -= 1;
            } else if polls < IDLE_POLLS && gather.within > 0 && !self.has::<STAMPED>(next, gather.within) {
                let before = self.ready::<STAMPED>(next, gather.within);
                (0..gather.hints).for_each(|_| std::hint::spin_loop());
                if self.has::<STAMPED>(next, before + u64::from(gather.hints / gather.per_message)) {
                    off_for = OFF_FIRST;
                } else {
                    off = off_for;
                    off_for = (off_for * 2).min(OFF_LAST);
                }
            }
            let end = next + self.ready::<STAMPED>(next, limit);
            while next < end {
                // SAFETY: published (an acquire load said so) and not freed until `tail` is stored below.
                sum = sum.wrapping_add(read(unsafe { &*self.slot(next).buffer.get() }));
                next += 1;
            }
            self.tail.store(next, Release);
        }
        sum
    }
}

fn ends(payload: &Payload) -> u64 {
    payload.0[0].wrapping_add(payload.0[WORDS - 1])
}

fn every_byte(payload: &Payload) -> u64 {
    payload.0.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

/// Sum of the template's inner words, which `every_byte` adds to the ends.
const INNER: u64 = (WORDS as u64 - 2) * (WORDS as u64 - 1) / 2;

fn flat_out<const STAMPED: bool>(capacity: usize, gather: Gather, every: bool, n: u64) -> Outcome {
    let ring = Ring::new(capacity);
    let read = if every { every_byte } else { ends };
    let (seconds, sums) = race(vec![
        (0, Box::new(|| ring.produce::<STAMPED>(n, None))),
        (1, Box::new(|| ring.consume::<STAMPED>(n, gather, read))),
    ]);
    assert_eq!(sums[1], n * (n - 1) + if every { n * INNER } else { 0 }, "messages lost, doubled or torn");
    Outcome::rate(n, seconds)
}

fn paced<const STAMPED: bool>(rate: u64, gather: Gather, n: u64) -> Outcome {
    let ring = Ring::new(4096);
    let clock = threads::clock();
    let ticks_per_second = 1e18 / clock.delta_as_nanos(0, 1_000_000_000) as f64;
    let mut late = Histogram::<u64>::new_with_bounds(1, 1 << 40, 3).expect("valid bounds");
    let mut sum = 0_u64;
    let (seconds, _) = race(vec![
        (0, Box::new(|| ring.produce::<STAMPED>(n, Some(ticks_per_second / rate as f64)))),
        (
            1,
            Box::new(|| {
                ring.consume::<STAMPED>(n, gather, |payload| {
                    sum += payload.0[WORDS - 1];
                    if payload.0[WORDS - 1] > n / 10 {
                        late.saturating_record(clock.raw().saturating_sub(payload.0[0]));
                    }
                    0
                })
            }),
        ),
    ]);
    assert_eq!(sum, n * (n - 1) / 2, "messages lost or doubled");
    let at = |quantile| clock.delta_as_nanos(0, late.value_at_quantile(quantile)) as f64;
    Outcome { seconds, figures: vec![("p50 ns", at(0.5)), ("p90 ns", at(0.9))] }
}

fn choices() -> Vec<(String, Gather)> {
    let mut choices = vec![("none".to_string(), Gather { within: 0, hints: 0, per_message: 1 })];
    let settings = [
        (16, 64, 16),
        (16, 256, 16),
        (64, 64, 16),
        (64, 128, 8),
        (64, 256, 8),
        (64, 256, 12),
        (64, 256, 16),
        (256, 256, 16),
        (256, 1024, 8),
        (256, 1024, 16),
    ];
    for (within, hints, per_message) in settings {
        let name = format!("gather W={within} P={hints} H={per_message}");
        choices.push((name, Gather { within, hints, per_message }));
    }
    choices
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (stamped, capacity, every) in [
        (false, 4096, false),
        (false, 4096, true),
        (false, 1024, false),
        (false, 1024, true),
        (true, 4096, false),
        (true, 4096, true),
    ] {
        let what = if every { "every byte" } else { "ends" };
        let how = if stamped { ", stamps" } else { "" };
        for (name, gather) in choices() {
            let setting = format!("1 KB flat out, ring {capacity}, {what} read{how}");
            let body = if stamped { flat_out::<true> } else { flat_out::<false> };
            cases.push(Case::new(setting, name, move |n| body(capacity, gather, every, n)));
        }
    }
    for (rate, stamped) in [(3_000_000, false), (3_000_000, true), (8_000_000, false)] {
        let how = if stamped { ", stamps" } else { "" };
        for (name, gather) in choices() {
            let setting = format!("1 KB paced at {} M/s, ring 4096{how}", rate / 1_000_000);
            let body = if stamped { paced::<true> } else { paced::<false> };
            cases.push(Case::new(setting, name, move |n| body(rate, gather, n)).sized(rate / 50));
        }
    }
    cases
}
