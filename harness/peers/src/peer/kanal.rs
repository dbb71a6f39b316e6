//! `kanal` by its bulk call: the reader takes all that is ready under one lock. Received one by one it is among
//! the `channels`.

use kanal::{Receiver, Sender, bounded};

use crate::payload::{Message, Read, Tally};
use crate::roles::{Load, Roles, Sink, Source};

struct Out<T>(Sender<T>);

impl<T: Message> Sink for Out<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        self.0.send(T::new(seq)).expect("the receiver outlives the senders");
    }
}

/// Takes all that is ready; waits for one when there is nothing.
struct In<T> {
    receiver: Receiver<T>,
    drained: Vec<T>,
    tally: Tally,
    read: Read,
}

impl<T: Message> Source for In<T> {
    #[inline]
    fn turn(&mut self) -> u64 {
        let Self { receiver, drained, tally, read } = self;
        if receiver.drain_into(drained).unwrap_or(0) == 0 {
            drained.extend(receiver.recv());
        }
        let count = drained.len() as u64;
        drained.drain(..).for_each(|message| tally.add(message.read(*read)));
        count
    }

    fn tallies(self) -> Vec<Tally> {
        vec![self.tally]
    }
}

/// The reader calls `drain_into`.
pub(crate) fn drain<T: Message>(load: &Load) -> Roles {
    let (sender, receiver) = bounded::<T>(load.capacity);
    let drained = Vec::with_capacity(load.capacity);
    let mut roles = Roles::of::<T>(load);
    for _ in 0..load.producers {
        roles = roles.producer(load, Out(sender.clone()));
    }
    roles.consumer(load, 1, In { receiver, drained, tally: Tally::default(), read: load.read })
}
