//! `crossbeam`: its `ArrayQueue`, which never waits by itself, and its channel with the last use of each message
//! on a third thread. The channel by itself is among the `channels`.

use std::sync::Arc;

use crossbeam_channel::{Sender, bounded};
use crossbeam_queue::ArrayQueue;

use crate::payload::{Message, Read, Tally};
use crate::roles::{Done, Load, Patience, Place, Roles, Sink, Source};

/// Deliveries handed to the third thread at once.
pub(crate) const HANDED_OVER: usize = 64;

struct Out<T>(Sender<T>);

impl<T: Message> Sink for Out<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        self.0.send(T::new(seq)).expect("the receiver outlives the senders");
    }
}

/// The reader calls `recv`, and a third thread drops the messages, handed over 64 at a time.
pub(crate) fn drop_elsewhere<T: Message>(load: &Load) -> Roles {
    let (sender, receiver) = bounded::<T>(load.capacity);
    let (hand_over, handed) = bounded::<Vec<T>>(load.capacity / HANDED_OVER);
    let (messages, read, ticker) = (load.messages, load.read, load.ticker.clone());
    Roles::of::<T>(load)
        .producer(load, Out(sender))
        .reader(Place::Consumer(0), move || {
            let mut tally = Tally::default();
            let mut held = Vec::with_capacity(HANDED_OVER);
            while tally.count < messages {
                let Ok(message) = receiver.recv() else { break };
                tally.add(message.read(read));
                held.push(message);
                if held.len() == HANDED_OVER || tally.count == messages {
                    let full = std::mem::replace(&mut held, Vec::with_capacity(HANDED_OVER));
                    hand_over.send(full).expect("the third thread waits for the last message");
                }
            }
            Done { tallies: vec![tally], ..Done::default() }
        })
        .reader(Place::Anywhere, move || {
            handed.iter().for_each(drop);
            Done { ended: Some(ticker.now()), ..Done::default() }
        })
}

struct Pushes<T>(Arc<ArrayQueue<T>>, Patience);

impl<T: Message> Sink for Pushes<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        let mut message = T::new(seq);
        while let Err(rejected) = self.0.push(message) {
            message = rejected;
            self.1.wait();
        }
        self.1.reset();
    }
}

struct Pops<T> {
    queue: Arc<ArrayQueue<T>>,
    tally: Tally,
    read: Read,
}

impl<T: Message> Source for Pops<T> {
    #[inline]
    fn turn(&mut self) -> u64 {
        let Some(message) = self.queue.pop() else { return 0 };
        self.tally.add(message.read(self.read));
        1
    }

    fn tallies(self) -> Vec<Tally> {
        vec![self.tally]
    }
}

/// `ArrayQueue`: pushes and pops, waiting as the other rings do.
pub(crate) fn queue<T: Message>(load: &Load) -> Roles {
    let queue = Arc::new(ArrayQueue::<T>::new(load.capacity));
    let mut roles = Roles::of::<T>(load);
    for _ in 0..load.producers {
        roles = roles.producer(load, Pushes(queue.clone(), load.patience()));
    }
    roles.consumer(load, 1, Pops { queue, tally: Tally::default(), read: load.read })
}
