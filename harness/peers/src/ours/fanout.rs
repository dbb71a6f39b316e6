//! `ringmain-fanout`: receivers that came one by one, lossless, all served by one thread's dispatcher.
//!
//! The channel takes any number of publishers, of which one is used here. The wait strategy is `Spin`, as in
//! `ring`: the peers' pollers do not sleep either.

use std::sync::mpsc;

use ringmain_fanout::{Channel, ChannelBuilder, Dispatcher, Event, WaitStrategy};

use crate::payload::{Message, Read, Tally};
use crate::roles::{Load, Roles, Sink, Source};

/// Publishes values made outside the ring.
struct Values<T: Message>(Channel<T>);

impl<T: Message> Sink for Values<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        assert!(self.0.publish(T::new(seq)).is_ok(), "nobody closes the channel");
    }
}

/// Writes into the slots.
struct InSlot<T: Message>(Channel<T>);

impl<T: Message> Sink for InSlot<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        let mut claim = self.0.claim(1).expect("nobody closes the channel");
        claim.write(|slot| slot.set(seq)).expect("the claim has a slot");
        claim.publish();
    }
}

/// What a handler counts; given away when the dispatcher drops the handler.
struct Counting {
    tally: Tally,
    outcome: mpsc::Sender<Tally>,
    read: Read,
}

impl Counting {
    #[inline]
    fn handle<T: Message>(&mut self, event: &Event<'_, T>) {
        // Anything but a batch is a loss, which the tally will show.
        if let Event::Batch(batch) = event {
            let mut tally = self.tally;
            batch.for_each(|_, message| tally.add(message.read(self.read)));
            self.tally = tally;
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        // Nobody listens once the sample has failed for another reason.
        self.outcome.send(self.tally).ok();
    }
}

struct In<T: Message> {
    dispatcher: Dispatcher<T>,
    outcomes: mpsc::Receiver<Tally>,
}

impl<T: Message> Source for In<T> {
    #[inline]
    fn turn(&mut self) -> u64 {
        self.dispatcher.poll() as u64
    }

    fn tallies(self) -> Vec<Tally> {
        drop(self.dispatcher);
        self.outcomes.iter().collect()
    }
}

fn roles<T: Message, S: Sink>(load: &Load, sink: fn(Channel<T>) -> S) -> Roles {
    let channel = ChannelBuilder::new(load.capacity).wait(WaitStrategy::Spin).build(|| T::new(0));
    let channel = channel.expect("the table's capacities are powers of two");
    let mut dispatcher = Dispatcher::new(&channel);
    let (outcome, outcomes) = mpsc::channel();
    for _ in 0..load.receivers {
        let mut counting = Counting { tally: Tally::default(), outcome: outcome.clone(), read: load.read };
        let added = dispatcher.add(channel.receiver(), move |event| counting.handle(&event));
        assert!(added.is_ok(), "the receiver reads this very channel");
    }
    let source = In { dispatcher, outcomes };
    Roles::of::<T>(load).producer(load, sink(channel)).consumer(load, load.receivers, source)
}

/// Each message is made and then published.
pub(crate) fn values<T: Message>(load: &Load) -> Roles {
    roles(load, Values::<T>)
}

/// Each message is written where the last lap's lies.
pub(crate) fn in_slot<T: Message>(load: &Load) -> Roles {
    roles(load, InSlot::<T>)
}
