//! `kanal`: a channel behind a small lock; `send`, and `recv` or `drain_into`. Both sides park when they have
//! waited.

use kanal::{Receiver, Sender, bounded};

use crate::latency::{Meter, Pace};
use crate::payload::{Message, Read, Tally};
use crate::roles::{Load, Place, Roles, Sink, Source};

struct Out<T>(Sender<T>);

impl<T: Message> Sink for Out<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        self.0.send(T::new(seq)).expect("the receiver outlives the senders");
    }
}

struct In<T> {
    receiver: Receiver<T>,
    drained: Vec<T>,
    tally: Tally,
    read: Read,
}

/// Receives messages one by one.
struct One<T>(In<T>);

impl<T: Message> Source for One<T> {
    #[inline]
    fn turn(&mut self) -> u64 {
        let In { receiver, tally, read, .. } = &mut self.0;
        receiver.recv().map_or(0, |message| {
            tally.add(message.read(*read));
            1
        })
    }

    fn tallies(self) -> Vec<Tally> {
        vec![self.0.tally]
    }
}

/// Takes all that is ready under one lock; waits for one when there is nothing.
struct All<T>(In<T>);

impl<T: Message> Source for All<T> {
    #[inline]
    fn turn(&mut self) -> u64 {
        let In { receiver, drained, tally, read } = &mut self.0;
        if receiver.drain_into(drained).unwrap_or(0) == 0 {
            drained.extend(receiver.recv());
        }
        let count = drained.len() as u64;
        drained.drain(..).for_each(|message| tally.add(message.read(*read)));
        count
    }

    fn tallies(self) -> Vec<Tally> {
        vec![self.0.tally]
    }
}

fn roles<T: Message, S: Source>(load: &Load, source: fn(In<T>) -> S) -> Roles {
    let (sender, receiver) = bounded::<T>(load.capacity);
    let drained = Vec::with_capacity(load.capacity);
    let mut roles = Roles::of::<T>(load);
    for _ in 0..load.producers {
        roles = roles.producer(load, Out(sender.clone()));
    }
    roles.consumer(load, 1, source(In { receiver, drained, tally: Tally::default(), read: load.read }))
}

/// The reader calls `recv`.
pub(crate) fn receive<T: Message>(load: &Load) -> Roles {
    roles(load, One::<T>)
}

/// The reader calls `drain_into`.
pub(crate) fn drain<T: Message>(load: &Load) -> Roles {
    roles(load, All::<T>)
}

/// A paced stream, read by `recv`.
pub(crate) fn open_loop(load: &Load) -> Roles {
    let (sender, receiver) = bounded::<u64>(load.capacity);
    let pace = Pace::new(load);
    let mut meter = Meter::new(&pace);
    Roles::of::<u64>(load)
        .publisher(move || pace.run(|seq| sender.send(seq).expect("the receiver outlives the sender")))
        .reader(Place::Consumer(0), move || {
            while let Some(seq) = meter.listening().then(|| receiver.recv().ok()).flatten() {
                meter.arrived(seq);
            }
            meter.done()
        })
}
