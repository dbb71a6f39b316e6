//! Channels: a blocking `send` and a blocking `recv`, which is all that they are used by here.
//!
//! `crossbeam-channel`, `kanal`, `flume`, the standard library's `sync_channel` and `tokio`'s `mpsc` (by its
//! blocking calls, from threads) differ in nothing that the loops can see, so they share them.

use std::marker::PhantomData;
use std::sync::mpsc;

use tokio::sync::mpsc as tokio_mpsc;

use crate::latency::{Meter, Pace};
use crate::payload::{Message, Read, Tally};
use crate::roles::{Load, Place, Roles, Sink, Source};

/// A bounded channel.
pub(crate) trait Channel: 'static {
    type Sender<T: Message>: Clone + Send;
    type Receiver<T: Message>: Send;

    fn bounded<T: Message>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>);
    /// Waits for room; false when the receiver is gone.
    fn send<T: Message>(sender: &Self::Sender<T>, message: T) -> bool;
    /// Waits for a message; none when the senders are gone.
    fn recv<T: Message>(receiver: &mut Self::Receiver<T>) -> Option<T>;
}

/// A channel by the types and functions of its crate; all but `tokio` name the calls alike.
macro_rules! channel {
    ($name:ident, $sender:ty, $receiver:ty, $bounded:path, $send:ident, $recv:ident) => {
        pub(crate) struct $name;

        impl Channel for $name {
            type Sender<T: Message> = $sender;
            type Receiver<T: Message> = $receiver;

            fn bounded<T: Message>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
                $bounded(capacity)
            }

            #[inline]
            fn send<T: Message>(sender: &Self::Sender<T>, message: T) -> bool {
                sender.$send(message).is_ok()
            }

            #[inline]
            fn recv<T: Message>(receiver: &mut Self::Receiver<T>) -> Option<T> {
                receiver.$recv().into_iter().next()
            }
        }
    };
}

channel!(
    Crossbeam,
    crossbeam_channel::Sender<T>,
    crossbeam_channel::Receiver<T>,
    crossbeam_channel::bounded,
    send,
    recv
);
channel!(Kanal, kanal::Sender<T>, kanal::Receiver<T>, kanal::bounded, send, recv);
channel!(Flume, flume::Sender<T>, flume::Receiver<T>, flume::bounded, send, recv);
channel!(Std, mpsc::SyncSender<T>, mpsc::Receiver<T>, mpsc::sync_channel, send, recv);
channel!(
    Tokio,
    tokio_mpsc::Sender<T>,
    tokio_mpsc::Receiver<T>,
    tokio_mpsc::channel,
    blocking_send,
    blocking_recv
);

struct Out<C: Channel, T: Message>(C::Sender<T>);

impl<C: Channel, T: Message> Sink for Out<C, T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        assert!(C::send(&self.0, T::new(seq)), "the receiver outlives the senders");
    }
}

struct In<C: Channel, T: Message> {
    receiver: C::Receiver<T>,
    tally: Tally,
    read: Read,
    channel: PhantomData<fn(C)>,
}

impl<C: Channel, T: Message> Source for In<C, T> {
    #[inline]
    fn turn(&mut self) -> u64 {
        let Some(message) = C::recv(&mut self.receiver) else { return 0 };
        self.tally.add(message.read(self.read));
        1
    }

    fn tallies(self) -> Vec<Tally> {
        vec![self.tally]
    }
}

/// As many producers as the load has; the reader receives one by one, and drops what it got.
pub(crate) fn receive<C: Channel, T: Message>(load: &Load) -> Roles {
    let (sender, receiver) = C::bounded::<T>(load.capacity);
    let mut roles = Roles::of::<T>(load);
    for _ in 0..load.producers {
        roles = roles.producer(load, Out::<C, T>(sender.clone()));
    }
    let source = In::<C, T> { receiver, tally: Tally::default(), read: load.read, channel: PhantomData };
    roles.consumer(load, 1, source)
}

/// A paced stream, received one by one.
pub(crate) fn open_loop<C: Channel>(load: &Load) -> Roles {
    let (sender, mut receiver) = C::bounded::<u64>(load.capacity);
    let pace = Pace::new(load);
    let mut meter = Meter::new(&pace);
    Roles::of::<u64>(load)
        .publisher(move || pace.run(|seq| assert!(C::send(&sender, seq), "the receiver outlives the sender")))
        .reader(Place::Consumer(0), move || {
            while let Some(seq) = meter.listening().then(|| C::recv(&mut receiver)).flatten() {
                meter.arrived(seq);
            }
            meter.done()
        })
}
