//! Where does the state of an outstanding delivery live, and what holds its payload?
//!
//! One thread receives: it takes leases, and passes their ids to a second thread, which acknowledges them in
//! batches of 64 or one at a time; at most 2,048 are under way. Every 1,024th lease is past its deadline at
//! once, and the receiver runs an expirer every 1,024 leases, so acks and expiry do race; each message must
//! be settled exactly once.
//!
//! - *atomic word*: {deadline, generation, leased} in one word of a table that grows by blocks and never
//!   moves; ack and expiry are one compare-and-swap each; the expirer skips 64 entries at a time by their
//!   minimum. With one receiver a lease is a store; *by CAS* is what many receivers of one table need;
//! - *`Mutex<HashMap>`*: one lock, a multiplicative hash, locked once per batch;
//! - *sharded slab*: 16 mutexes, each over a vector with a free list, locked once per batch.
//!
//! The table of atomic words is in this file, those with locks in `locked`; `handles` answers the second half
//! of the question.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

use crate::handles;
use crate::lab::{Case, Outcome};
use crate::locked::{Map, Slab};
use crate::threads::race;

const OUTSTANDING: u64 = 2048;
const EXPIRE_EVERY: u64 = 1024;
const BLOCK: usize = 1024;
const BLOCKS: usize = 64;
const FAR: u64 = 1 << 38;

/// A table of leases. Messages are their numbers; ids are the table's own.
pub(crate) trait Leases: Sync {
    fn new() -> Self;
    /// Leases messages `first..first + ids.len()`, each with `deadline(message)`.
    fn lease(&self, first: u64, ids: &mut [u64]);
    /// The sum of (message + 1) over those that this call settled.
    fn ack(&self, ids: &[u64]) -> u64;
    /// Settles all whose deadline is not after `now`; their sum as above.
    fn expire(&self, now: u64) -> u64;
}

/// By logical time, which is the number of messages leased; every 1,024th is due at once.
pub(crate) fn deadline(message: u64) -> u64 {
    if message.is_multiple_of(1024) { message } else { message + FAR }
}

/// 39 bits of deadline above 24 of generation above one: leased or free.
fn word(deadline: u64, generation: u64, leased: bool) -> u64 {
    deadline << 25 | (generation & 0xFF_FFFF) << 1 | u64::from(leased)
}

fn generation(word: u64) -> u64 {
    word >> 1 & 0xFF_FFFF
}

struct Entry {
    word: AtomicU64,
    message: AtomicU64,
}

struct Block {
    entries: [Entry; BLOCK],
    earliest: [AtomicU64; BLOCK / 64],
}

struct Words<const BY_CAS: bool> {
    blocks: [OnceLock<Box<Block>>; BLOCKS],
    grown: AtomicUsize,
    next: AtomicUsize,
}

impl<const BY_CAS: bool> Words<BY_CAS> {
    fn block(&self, index: usize) -> &Block {
        self.blocks[index].get_or_init(|| {
            let entry = || Entry { word: AtomicU64::new(0), message: AtomicU64::new(0) };
            self.grown.fetch_max(index + 1, Release);
            Box::new(Block {
                entries: std::array::from_fn(|_| entry()),
                earliest: [const { AtomicU64::new(u64::MAX) }; BLOCK / 64],
            })
        })
    }

    /// A free entry: the next in turn, growing by a block when a whole turn found none.
    fn take(&self, message: u64) -> u64 {
        let mut tries = 0;
        loop {
            let slots = self.grown.load(Relaxed).max(1) * BLOCK;
            let index = self.next.load(Relaxed);
            self.next.store(if index + 1 < slots { index + 1 } else { 0 }, Relaxed);
            let block = self.block(index / BLOCK);
            let entry = &block.entries[index % BLOCK];
            let free = entry.word.load(Acquire);
            if free & 1 == 0 {
                let due = deadline(message);
                let leased = word(due, generation(free), true);
                // By CAS, a reserved entry is one with the last possible deadline, which nobody acks, as
                // nobody has its id.
                let reserved = word(FAR * 2 - 1, generation(free), true);
                if !BY_CAS || entry.word.compare_exchange(free, reserved, Acquire, Relaxed).is_ok() {
                    entry.message.store(message, Relaxed);
                    entry.word.store(leased, Release);
                    let earliest = &block.earliest[index % BLOCK / 64];
                    if due < earliest.load(Relaxed) {
                        earliest.fetch_min(due, AcqRel);
                    }
                    return (index as u64) << 24 | generation(free);
                }
            }
            tries += 1;
            if tries >= slots {
                self.next.store(slots, Relaxed);
                assert!(slots < BLOCKS * BLOCK, "more leases than the outstanding limit allows");
                self.block(slots / BLOCK);
                tries = 0;
            }
        }
    }

    fn settle(&self, entry: &Entry, seen: u64) -> u64 {
        // Read before the swap that frees the entry: if the swap succeeds, this was the lease's message.
        let message = entry.message.load(Relaxed);
        let freed = word(0, generation(seen) + 1, false);
        if entry.word.compare_exchange(seen, freed, AcqRel, Relaxed).is_ok() { message + 1 } else { 0 }
    }
}

impl<const BY_CAS: bool> Leases for Words<BY_CAS> {
    fn new() -> Self {
        let table = Self {
            blocks: [const { OnceLock::new() }; BLOCKS],
            grown: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
        };
        table.block(0);
        table
    }

    fn lease(&self, first: u64, ids: &mut [u64]) {
        for (message, id) in (first..).zip(ids) {
            *id = self.take(message);
        }
    }

    fn ack(&self, ids: &[u64]) -> u64 {
        let mut sum = 0;
        for &id in ids {
            let index = (id >> 24) as usize;
            let entry = &self.block(index / BLOCK).entries[index % BLOCK];
            let seen = entry.word.load(Acquire);
            if seen & 1 == 1 && generation(seen) == id & 0xFF_FFFF {
                sum += self.settle(entry, seen);
            }
        }
        sum
    }

    fn expire(&self, now: u64) -> u64 {
        let mut sum = 0;
        for index in 0..self.grown.load(Acquire) {
            let block = self.block(index);
            for (earliest, entries) in block.earliest.iter().zip(block.entries.chunks(64)) {
                if earliest.load(Relaxed) > now {
                    continue;
                }
                // Reset first: a lease that lowers it from here on is kept, one from before is in the scan.
                earliest.swap(u64::MAX, AcqRel);
                let mut least = u64::MAX;
                for entry in entries {
                    let seen = entry.word.load(Acquire);
                    if seen & 1 == 1 && seen >> 25 <= now {
                        sum += self.settle(entry, seen);
                    } else if seen & 1 == 1 {
                        least = least.min(seen >> 25);
                    }
                }
                earliest.fetch_min(least, AcqRel);
            }
        }
        sum
    }
}

fn flat_out<L: Leases>(batch: usize, n: u64) -> Outcome {
    let n = n.next_multiple_of(64);
    let (leases, pipe) = (L::new(), handles::Pipe::new(OUTSTANDING));
    let receive = || {
        let mut ids = vec![0; batch];
        let (mut sum, mut message, mut tail) = (0, 0, 0);
        while message < n {
            pipe.wait_for_room(message, batch as u64, &mut tail);
            leases.lease(message, &mut ids);
            pipe.push(message, &ids);
            message += batch as u64;
            if message.is_multiple_of(EXPIRE_EVERY) {
                sum += leases.expire(message);
            }
        }
        sum
    };
    let acknowledge = || {
        let mut ids = vec![0; batch];
        let (mut sum, mut next) = (0, 0);
        while next < n {
            pipe.pop(next, &mut ids);
            sum += leases.ack(&ids);
            next += batch as u64;
            pipe.free(next);
        }
        sum
    };
    let (seconds, sums) = race(vec![(0, Box::new(receive)), (1, Box::new(acknowledge))]);
    assert_eq!(
        sums.iter().sum::<u64>() + leases.expire(u64::MAX - 1),
        n * (n + 1) / 2,
        "settled twice or never"
    );
    Outcome::rate(n, seconds)
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for batch in [64, 1] {
        let setting = format!("lease state, {batch} per call");
        let mut add = |name: &str, body: fn(usize, u64) -> Outcome| {
            cases.push(Case::new(setting.clone(), name, move |n| body(batch, n)));
        };
        add("atomic word, one receiver", flat_out::<Words<false>>);
        add("atomic word, by CAS", flat_out::<Words<true>>);
        add("Mutex<HashMap>", flat_out::<Map>);
        add("sharded mutex slab", flat_out::<Slab>);
    }
    cases.extend(handles::cases());
    cases
}
