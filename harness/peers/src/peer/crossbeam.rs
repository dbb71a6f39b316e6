//! `crossbeam-channel`: bounded, `send` and `recv`; for the leased cases also with the last use on a third
//! thread.

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::payload::{Message, Read, Tally};
use crate::roles::{Done, Load, Place, Roles, Sink, Source};

/// Deliveries handed to the third thread at once.
pub(crate) const HANDED_OVER: usize = 64;

struct Out<T>(Sender<T>);

impl<T: Message> Sink for Out<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        self.0.send(T::new(seq)).expect("the receiver outlives the senders");
    }
}

struct In<T> {
    receiver: Receiver<T>,
    tally: Tally,
    read: Read,
}

impl<T: Message> Source for In<T> {
    #[inline]
    fn turn(&mut self) -> u64 {
        let Ok(message) = self.receiver.recv() else { return 0 };
        self.tally.add(message.read(self.read));
        1
    }

    fn tallies(self) -> Vec<Tally> {
        vec![self.tally]
    }
}

/// The reader calls `recv` and drops what it got.
pub(crate) fn receive<T: Message>(load: &Load) -> Roles {
    let (sender, receiver) = bounded::<T>(load.capacity);
    let mut roles = Roles::of::<T>(load);
    for _ in 0..load.producers {
        roles = roles.producer(load, Out(sender.clone()));
    }
    roles.consumer(load, 1, In { receiver, tally: Tally::default(), read: load.read })
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
