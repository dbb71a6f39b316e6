//! Who frees a 1 KB payload?
//!
//! One producer fills 1 KB per message, one consumer reads both ends, ring 4,096. The same copy every time;
//! what differs is where its buffer comes from and which thread gives it back:
//!
//! - *consumer drops*: a fresh `Box` (or `Vec`) per message, taken out of the slot by the consumer and
//!   dropped there;
//! - *producer drops*: a fresh `Box` per message, read in place; the producer drops the slot's last one as it
//!   puts the next in;
//! - *producer reuses*: read in place; the producer fills a spare and swaps it for the slot's last one, which
//!   is the next spare;
//! - *`Bytes` taken*: a fresh `Bytes` per message, taken out by the consumer and dropped there;
//! - *`Bytes` cloned*: the consumer clones the handle and drops the clone; the producer drops the slot's last
//!   one.
//!
//! The reader gathers or not (see `gathering`): without it the reader's distance, not the allocator, sets the
//! pace of the last ones.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering::*};

use bytes::Bytes;
use crossbeam_utils::CachePadded;

use crate::lab::{Case, Outcome};
use crate::threads::{Gather, Patience, race};

const BYTES: usize = 1024;
const CAPACITY: usize = 4096;
const CHUNK: u64 = CAPACITY as u64 / 4;

/// Where buffers come from and go to. A slot holds `Option<Held>`.
trait Custody: 'static {
    type Held: Send;
    /// The producer's: a filled buffer, perhaps made from what the slot held a lap ago (or a spare of that
    /// kind).
    fn fill(spare: Option<Self::Held>, bytes: &[u8; BYTES]) -> Self::Held;
    /// The consumer's: reads what the slot holds, and leaves in it what the producer is to get back.
    fn read(slot: &mut Option<Self::Held>) -> u64;
}

/// First and last word, little endian.
fn ends(bytes: &[u8]) -> u64 {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    word(0).wrapping_add(word(BYTES - 8))
}

struct BoxToConsumer;

impl Custody for BoxToConsumer {
    type Held = Box<[u8; BYTES]>;
    fn fill(_: Option<Self::Held>, bytes: &[u8; BYTES]) -> Self::Held {
        Box::new(*bytes)
    }
    fn read(slot: &mut Option<Self::Held>) -> u64 {
        ends(&*slot.take().expect("published"))
    }
}

struct VecToConsumer;

impl Custody for VecToConsumer {
    type Held = Vec<u8>;
    fn fill(_: Option<Self::Held>, bytes: &[u8; BYTES]) -> Self::Held {
        bytes.to_vec()
    }
    fn read(slot: &mut Option<Self::Held>) -> u64 {
        ends(&slot.take().expect("published"))
    }
}

struct ProducerDrops;

impl Custody for ProducerDrops {
    type Held = Box<[u8; BYTES]>;
    fn fill(spare: Option<Self::Held>, bytes: &[u8; BYTES]) -> Self::Held {
        drop(spare);
        Box::new(*bytes)
    }
    fn read(slot: &mut Option<Self::Held>) -> u64 {
        ends(&**slot.as_ref().expect("published"))
    }
}

struct ProducerReuses;

impl Custody for ProducerReuses {
    type Held = Box<[u8; BYTES]>;
    fn fill(spare: Option<Self::Held>, bytes: &[u8; BYTES]) -> Self::Held {
        let mut buffer = spare.unwrap_or_else(|| Box::new([0; BYTES]));
        buffer.copy_from_slice(bytes);
        buffer
    }
    fn read(slot: &mut Option<Self::Held>) -> u64 {
        ends(&**slot.as_ref().expect("published"))
    }
}

struct BytesTaken;

impl Custody for BytesTaken {
    type Held = Bytes;
    fn fill(_: Option<Bytes>, bytes: &[u8; BYTES]) -> Bytes {
        Bytes::copy_from_slice(bytes)
    }
    fn read(slot: &mut Option<Bytes>) -> u64 {
        ends(&slot.take().expect("published"))
    }
}

struct BytesCloned;

impl Custody for BytesCloned {
    type Held = Bytes;
    fn fill(spare: Option<Bytes>, bytes: &[u8; BYTES]) -> Bytes {
        drop(spare);
        Bytes::copy_from_slice(bytes)
    }
    fn read(slot: &mut Option<Bytes>) -> u64 {
        let owned = slot.clone().expect("published");
        ends(&owned)
    }
}

struct Ring<C: Custody> {
    slots: Box<[UnsafeCell<Option<C::Held>>]>,
    head: CachePadded<AtomicU64>,
    tail: CachePadded<AtomicU64>,
}

// SAFETY: a slot belongs to the producer until `head` passes it and to the consumer until `tail` does;
// release/acquire on both hands it over, and what it holds is `Send`.
unsafe impl<C: Custody> Sync for Ring<C> {}

impl<C: Custody> Ring<C> {
    fn new() -> Self {
        let slots = (0..CAPACITY).map(|_| UnsafeCell::new(None)).collect();
        Self { slots, head: CachePadded::default(), tail: CachePadded::default() }
    }

    fn slot(&self, sequence: u64) -> *mut Option<C::Held> {
        self.slots[sequence as usize % CAPACITY].get()
    }

    fn produce(&self, n: u64) -> u64 {
        let mut bytes = [7; BYTES];
        let (mut freed, mut spare) = (0, None);
        for number in 0..n {
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            bytes[BYTES - 8..].copy_from_slice(&number.to_le_bytes());
            let held = C::fill(spare.take(), &bytes);
            let mut patience = Patience::default();
            while number - freed >= CAPACITY as u64 {
                freed = self.tail.load(Acquire);
                patience.step(1_000);
            }
            // SAFETY: `tail` has passed this slot's last lap, and `head` has not reached it.
            spare = unsafe { (*self.slot(number)).replace(held) };
            self.head.store(number + 1, Release);
        }
        0
    }

    fn consume(&self, gather: bool, n: u64) -> u64 {
        let (mut next, mut sum) = (0, 0_u64);
        let (mut patience, mut gathering) = (Patience::default(), Gather::default());
        while next < n {
            let mut head = self.head.load(Acquire);
            if head == next {
                patience.step(100_000);
                continue;
            }
            patience.reset();
            if gather {
                gathering.pause(|ahead| self.head.load(Acquire) >= next + ahead);
                head = self.head.load(Acquire);
            }
            let end = head.min(next + CHUNK);
            while next < end {
                // SAFETY: `head` has passed this slot, `tail` has not.
                sum = sum.wrapping_add(C::read(unsafe { &mut *self.slot(next) }));
                next += 1;
            }
            self.tail.store(next, Release);
        }
        sum
    }
}

fn flat_out<C: Custody>(gather: bool, n: u64) -> Outcome {
    let ring = Ring::<C>::new();
    let (seconds, sums) =
        race(vec![(0, Box::new(|| ring.produce(n))), (1, Box::new(|| ring.consume(gather, n)))]);
    assert_eq!(sums[1], n * (n - 1), "messages lost, doubled or torn");
    Outcome::rate(n, seconds)
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for gather in [false, true] {
        let setting = format!(
            "1 KB, 1 producer, ring 4096, reader {}",
            if gather { "gathers" } else { "does not gather" }
        );
        let mut add = |name: &str, body: fn(bool, u64) -> Outcome| {
            cases.push(Case::new(setting.clone(), name, move |n| body(gather, n)));
        };
        add("consumer drops Box", flat_out::<BoxToConsumer>);
        add("consumer drops Vec", flat_out::<VecToConsumer>);
        add("producer drops old Box", flat_out::<ProducerDrops>);
        add("producer reuses old Box", flat_out::<ProducerReuses>);
        add("Bytes taken by consumer", flat_out::<BytesTaken>);
        add("Bytes cloned by consumer", flat_out::<BytesCloned>);
    }
    cases
}
