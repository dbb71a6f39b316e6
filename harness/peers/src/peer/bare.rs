//! The floor: a ring for one producer and one consumer with nothing on it that could be left out.
//!
//! Two positions count messages: `tail` those written, `head` those read; each is written by one side. Each
//! side works from its own copy of its own position and a remembered copy of the other's, which it rereads
//! only when that copy no longer suffices, so that in a steady stream a position's cache line crosses once
//! per many messages.
//!
//! No wake-up, no drop, no second consumer, no detaching, no error: what a ring costs beyond this is the
//! price of those.
//!
//! Why the accesses are sound: the producer touches the slot of position `n` only after it has seen `head > n
//! - capacity` and before `tail` passes `n`; the consumer only after it has seen `tail > n` and before `head`
//! passes `n`. Publishing a position is a Release store and seeing it an Acquire load, so each side's
//! accesses to a slot happen before the other's next ones. `Writer` and `Reader` exist once each and are not
//! `Clone`.

#![expect(unsafe_code, reason = "the floor is what unchecked code can do on this machine")]

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};

use crossbeam_utils::CachePadded;

use crate::latency::{Meter, Pace, Port, ping_pong};
use crate::payload::{Message, Read, Tally};
use crate::roles::{Load, Patience, Place, Roles, Sink, Source};

struct Shared<T> {
    slots: Box<[UnsafeCell<T>]>,
    tail: CachePadded<AtomicUsize>,
    head: CachePadded<AtomicUsize>,
}

// SAFETY: the protocol above gives a slot to one side at a time, which moves or borrows the `T` in it across
// threads; the rest is atomics. `T: Sync` is not needed because the sides never look at one slot together.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// The slot of the message with this position.
    #[inline]
    fn slot(&self, position: usize) -> *mut T {
        let index = position & (self.slots.len() - 1);
        // SAFETY: the length is a power of two, so the mask keeps the index below it.
        unsafe { self.slots.get_unchecked(index) }.get()
    }
}

/// The producer's side.
pub(crate) struct Writer<T> {
    shared: Arc<Shared<T>>,
    tail: usize,
    /// Positions below this one are free to write, as last seen.
    limit: usize,
}

/// The consumer's side.
pub(crate) struct Reader<T> {
    shared: Arc<Shared<T>>,
    head: usize,
    /// Positions below this one are readable, as last seen.
    limit: usize,
}

/// A ring of `capacity` slots, a power of two, all holding clones of `blank`.
pub(crate) fn ring<T: Clone>(capacity: usize, blank: &T) -> (Writer<T>, Reader<T>) {
    assert!(capacity.is_power_of_two(), "a capacity of {capacity} is not a power of two");
    let shared = Arc::new(Shared {
        slots: (0..capacity).map(|_| UnsafeCell::new(blank.clone())).collect(),
        tail: CachePadded::new(AtomicUsize::new(0)),
        head: CachePadded::new(AtomicUsize::new(0)),
    });
    (Writer { shared: shared.clone(), tail: 0, limit: capacity }, Reader { shared, head: 0, limit: 0 })
}

impl<T> Writer<T> {
    /// Lets `write` set `count` slots and publishes them together; false, and nothing done, without room for
    /// all.
    #[inline]
    pub(crate) fn try_write(&mut self, count: usize, mut write: impl FnMut(usize, &mut T)) -> bool {
        if self.limit - self.tail < count {
            // Acquire pairs with the reader's Release of `head`: its reads are over before a slot is written
            // again.
            self.limit = self.shared.head.load(Acquire) + self.shared.slots.len();
            if self.limit - self.tail < count {
                return false;
            }
        }
        for index in 0..count {
            let slot = self.shared.slot(self.tail + index);
            // SAFETY: the position is below `limit`, so the reader is done with the slot, and `tail` has not
            // passed it.
            write(index, unsafe { &mut *slot });
        }
        self.tail += count;
        // Release pairs with the reader's Acquire of `tail`: it sees the slots as written.
        self.shared.tail.store(self.tail, Release);
        true
    }
}

impl<T> Reader<T> {
    /// Shows `read` up to `most` messages that are ready and frees their slots together; answers how many.
    #[inline]
    pub(crate) fn read(&mut self, most: usize, mut read: impl FnMut(&T)) -> usize {
        if self.limit == self.head {
            // Acquire pairs with the writer's Release of `tail`.
            self.limit = self.shared.tail.load(Acquire);
        }
        let count = (self.limit - self.head).min(most);
        for position in self.head..self.head + count {
            let slot = self.shared.slot(position);
            // SAFETY: the position is below `limit`, so it is written, and `head` has not passed it.
            read(unsafe { &*slot });
        }
        if count > 0 {
            self.head += count;
            // Release pairs with the writer's Acquire of `head`.
            self.shared.head.store(self.head, Release);
        }
        count
    }
}

struct Out<T> {
    writer: Writer<T>,
    patience: Patience,
}

impl<T: Message> Sink for Out<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        while !self.writer.try_write(1, |_, slot| slot.set(seq)) {
            self.patience.wait();
        }
    }

    #[inline]
    fn send_batch(&mut self, first: u64, count: usize) {
        while !self.writer.try_write(count, |index, slot| slot.set(first + index as u64)) {
            self.patience.wait();
        }
    }
}

struct In<T> {
    reader: Reader<T>,
    most: usize,
    tally: Tally,
    read: Read,
}

impl<T: Message> Source for In<T> {
    #[inline]
    fn turn(&mut self) -> u64 {
        let Self { reader, most, tally, read } = self;
        reader.read(*most, |message| tally.add(message.read(*read))) as u64
    }

    fn tallies(self) -> Vec<Tally> {
        vec![self.tally]
    }
}

fn spsc<T: Message>(load: &Load, most: usize) -> Roles {
    let (writer, reader) = ring(load.capacity, &T::new(0));
    let source = In { reader, most, tally: Tally::default(), read: load.read };
    Roles::of::<T>(load).producer(load, Out { writer, patience: load.patience() }).consumer(load, 1, source)
}

/// The reader frees each slot by itself.
pub(crate) fn one_by_one<T: Message>(load: &Load) -> Roles {
    spsc::<T>(load, 1)
}

/// The reader takes whatever is ready.
pub(crate) fn all_ready<T: Message>(load: &Load) -> Roles {
    spsc::<T>(load, usize::MAX)
}

/// A paced stream, read by a spinning thread.
pub(crate) fn open_loop(load: &Load) -> Roles {
    let (mut writer, mut reader) = ring(load.capacity, &0_u64);
    let pace = Pace::new(load);
    let mut meter = Meter::new(&pace);
    Roles::of::<u64>(load)
        .publisher(move || pace.run(|seq| while !writer.try_write(1, |_, slot| *slot = seq) {}))
        .reader(Place::Consumer(0), move || {
            while meter.listening() {
                if reader.read(usize::MAX, |seq| meter.arrived(*seq)) == 0 {
                    std::hint::spin_loop();
                }
            }
            meter.done()
        })
}

/// The two directions of a connection; waits by spinning, with the processor's hint or without.
struct Pair<const HINT: bool>(Writer<u64>, Reader<u64>);

impl<const HINT: bool> Pair<HINT> {
    #[inline]
    fn wait() {
        if HINT {
            std::hint::spin_loop();
        }
    }
}

impl<const HINT: bool> Port for Pair<HINT> {
    #[inline]
    fn send(&mut self, value: u64) {
        while !self.0.try_write(1, |_, slot| *slot = value) {
            Self::wait();
        }
    }

    #[inline]
    fn receive(&mut self) -> u64 {
        let mut value = 0;
        while self.1.read(1, |message| value = *message) == 0 {
            Self::wait();
        }
        value
    }
}

/// Two rings, one for each way.
pub(crate) fn round_trip<const HINT: bool>(load: &Load) -> Roles {
    let (there, here) = ring(load.capacity, &0);
    let (back, home) = ring(load.capacity, &0);
    ping_pong(load, Pair::<HINT>(there, home), Pair::<HINT>(back, here))
}
