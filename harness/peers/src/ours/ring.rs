//! `ringmain-ring`: single publishes and claims of a batch, read in place by a cursor that its owner polls.
//!
//! The wait strategy is `Spin`: nobody sleeps, so nobody is woken. That is what the peers' rings offer.

use ringmain_ring::{Builder, Cursor, Multi, Ring, Sequencer, Single, SingleProducer, WaitStrategy};

use crate::latency::{Port, ping_pong};
use crate::payload::{Message, Read, Tally};
use crate::roles::{Load, Roles, Sink, Source};

/// Slots that a reader frees together at most: enough to make the rest cheap, few enough to keep writers
/// going.
pub(crate) const AT_ONCE: usize = 64;

fn builder(load: &Load) -> Builder {
    Builder::new(load.capacity).wait(WaitStrategy::Spin)
}

fn single<T: Message>(load: &Load) -> (SingleProducer<T>, Ring<T, Single>) {
    builder(load).single(|| T::new(0)).expect("the table's capacities are powers of two")
}

struct One<T: Message>(SingleProducer<T>);

impl<T: Message> Sink for One<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        assert!(self.0.publish(T::new(seq)).is_ok(), "nobody closes the ring");
    }

    #[inline]
    fn send_batch(&mut self, first: u64, count: usize) {
        let mut claim = self.0.claim(count as u64).expect("nobody closes the ring, and a batch fits");
        let mut seq = first;
        claim.write_each(|_, slot| {
            slot.set(seq);
            seq += 1;
        });
        claim.publish();
    }
}

struct Many<T: Message>(Ring<T, Multi>);

impl<T: Message> Sink for Many<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        assert!(self.0.publish(T::new(seq)).is_ok(), "nobody closes the ring");
    }

    #[inline]
    fn send_batch(&mut self, first: u64, count: usize) {
        let mut claim = self.0.claim(count as u64).expect("nobody closes the ring, and a batch fits");
        let mut seq = first;
        claim.write_each(|_, slot| {
            slot.set(seq);
            seq += 1;
        });
        claim.publish();
    }
}

struct In<T: Message, S: Sequencer> {
    cursor: Cursor<T, S>,
    tally: Tally,
    read: Read,
    at_once: usize,
}

impl<T: Message, S: Sequencer> Source for In<T, S> {
    #[inline]
    fn turn(&mut self) -> u64 {
        let Self { cursor, tally, read, at_once } = self;
        cursor.poll(*at_once, |_, message| tally.add(message.read(*read))) as u64
    }

    fn tallies(self) -> Vec<Tally> {
        vec![self.tally]
    }
}

/// One producer, one cursor, which reads at most so many messages a call.
pub(crate) fn one_to_one<T: Message>(load: &Load, at_once: usize) -> Roles {
    let (producer, ring) = single::<T>(load);
    let source = In { cursor: ring.cursor(), tally: Tally::default(), read: load.read, at_once };
    Roles::of::<T>(load).producer(load, One(producer)).consumer(load, 1, source)
}

/// Several producers, one cursor, which reads at most so many messages a call.
pub(crate) fn many_producers<T: Message>(load: &Load, at_once: usize) -> Roles {
    let ring = builder(load).multi(|| T::new(0)).expect("the table's capacities are powers of two");
    let source = In { cursor: ring.cursor(), tally: Tally::default(), read: load.read, at_once };
    let mut roles = Roles::of::<T>(load);
    for _ in 0..load.producers {
        roles = roles.producer(load, Many(ring.clone()));
    }
    roles.consumer(load, 1, source)
}

struct Pair(SingleProducer<u64>, Cursor<u64, Single>);

impl Port for Pair {
    #[inline]
    fn send(&mut self, value: u64) {
        assert!(self.0.publish(value).is_ok(), "nobody closes the ring");
    }

    #[inline]
    fn receive(&mut self) -> u64 {
        // Without a hint, as the busy form of the bare ring: a reader to itself has a CPU to itself.
        let mut value = 0;
        while self.1.poll(1, |_, message| value = *message) == 0 {}
        value
    }
}

/// Two rings, one for each way.
pub(crate) fn round_trip(load: &Load) -> Roles {
    let ((there, one), (back, other)) = (single(load), single(load));
    let (here, home) = (one.cursor(), other.cursor());
    ping_pong(load, Pair(there, home), Pair(back, here))
}
