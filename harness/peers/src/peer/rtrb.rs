//! `rtrb`: a ring for one producer and one consumer; `push` and `pop`, and chunks.

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use crate::payload::{Message, Read, Tally};
use crate::roles::{Load, Patience, Roles, Sink, Source};

struct Out<T> {
    producer: Producer<T>,
    patience: Patience,
}

impl<T: Message> Sink for Out<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        let mut message = T::new(seq);
        while let Err(PushError::Full(rejected)) = self.producer.push(message) {
            message = rejected;
            self.patience.wait();
        }
    }

    #[inline]
    fn send_batch(&mut self, first: u64, count: usize) {
        loop {
            if let Ok(chunk) = self.producer.write_chunk_uninit(count) {
                chunk.fill_from_iter((first..).map(T::new));
                return;
            }
            self.patience.wait();
        }
    }
}

/// Takes whatever is ready as one chunk, of at most so many messages.
struct Chunks<T> {
    consumer: Consumer<T>,
    tally: Tally,
    read: Read,
    limit: usize,
}

impl<T: Message> Source for Chunks<T> {
    #[inline]
    fn turn(&mut self) -> u64 {
        // Where not all of it is wanted, what is known to be there is enough, and costs no look at the producer's line.
        let known = if self.limit == usize::MAX { 0 } else { self.consumer.cached_slots() };
        let ready = if known > 0 { known } else { self.consumer.slots() }.min(self.limit);
        let Ok(chunk) = self.consumer.read_chunk(ready) else { return 0 };
        let (first, second) = chunk.as_slices();
        let mut tally = self.tally;
        first.iter().chain(second).for_each(|message| tally.add(message.read(self.read)));
        self.tally = tally;
        chunk.commit_all();
        ready as u64
    }

    fn tallies(self) -> Vec<Tally> {
        vec![self.tally]
    }
}

/// Takes messages one by one.
struct Pops<T>(Chunks<T>);

impl<T: Message> Source for Pops<T> {
    #[inline]
    fn turn(&mut self) -> u64 {
        let Chunks { consumer, tally, read, .. } = &mut self.0;
        match consumer.pop() {
            Ok(message) => {
                tally.add(message.read(*read));
                1
            }
            Err(_) => 0,
        }
    }

    fn tallies(self) -> Vec<Tally> {
        self.0.tallies()
    }
}

fn ends<T: Message>(load: &Load, limit: usize) -> (Out<T>, Chunks<T>) {
    let (producer, consumer) = RingBuffer::new(load.capacity);
    let out = Out { producer, patience: load.patience() };
    (out, Chunks { consumer, tally: Tally::default(), read: load.read, limit })
}

/// The reader pops.
pub(crate) fn pop<T: Message>(load: &Load) -> Roles {
    let (sink, source) = ends::<T>(load, 1);
    Roles::of::<T>(load).producer(load, sink).consumer(load, 1, Pops(source))
}

/// The reader takes chunks of at most `limit` messages.
pub(crate) fn chunks<T: Message>(load: &Load, limit: usize) -> Roles {
    let (sink, source) = ends::<T>(load, limit);
    Roles::of::<T>(load).producer(load, sink).consumer(load, 1, source)
}
