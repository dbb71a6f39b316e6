//! `thingbuf`'s blocking channel, written and read where the messages lie, which is what it is made for.

use thingbuf::Recycle;
use thingbuf::mpsc::blocking::{Receiver, Sender, with_recycle};

use crate::payload::{Message, Read, Tally};
use crate::roles::{Load, Roles, Sink, Source};

/// Leaves what was read in its slot, to be overwritten there.
#[derive(Clone)]
struct Keep;

impl<T: Message> Recycle<T> for Keep {
    fn new_element(&self) -> T {
        T::new(0)
    }

    #[inline]
    fn recycle(&self, _element: &mut T) {}
}

struct Out<T>(Sender<T, Keep>);

impl<T: Message> Sink for Out<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        self.0.send_ref().expect("the receiver outlives the senders").set(seq);
    }
}

struct In<T> {
    receiver: Receiver<T, Keep>,
    tally: Tally,
    read: Read,
}

impl<T: Message> Source for In<T> {
    #[inline]
    fn turn(&mut self) -> u64 {
        let Some(message) = self.receiver.recv_ref() else { return 0 };
        self.tally.add(message.read(self.read));
        1
    }

    fn tallies(self) -> Vec<Tally> {
        vec![self.tally]
    }
}

/// The reader calls `recv_ref`.
pub(crate) fn receive<T: Message>(load: &Load) -> Roles {
    let (sender, receiver) = with_recycle(load.capacity, Keep);
    let mut roles = Roles::of::<T>(load);
    for _ in 0..load.producers {
        roles = roles.producer(load, Out::<T>(sender.clone()));
    }
    roles.consumer(load, 1, In { receiver, tally: Tally::default(), read: load.read })
}
