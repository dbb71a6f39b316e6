//! A topic that is kept busy: its consumer always has a backlog, so that the batcher gathers.
//!
//! While a consumer has nothing to read, whatever is enqueued is published at once, and there is no batch to measure.
//! Here a backlog of more than one turn stands, and is never read to its end.

use ringmain::{
    Bytes, Dispatcher, Engine, Message, Publisher, SubscriptionConfig, Topic, TopicConfig, Verdict,
};

/// Slots of the ring: room for a lap of the largest batches.
const SLOTS: usize = 1 << 15;
/// Messages that the consumer takes in a turn.
const TURN: usize = 64;
/// The least backlog between turns.
const STANDING: u64 = 2 * TURN as u64;

pub(crate) struct Busy {
    topic: Topic,
    publisher: Publisher,
    dispatcher: Dispatcher,
    /// Messages that the dispatcher has handled.
    read: u64,
    // The topic lives as long as the engine.
    _engine: Engine,
}

impl Busy {
    /// A topic whose batches close at so many messages or so many bytes.
    pub(crate) fn new(messages: usize, bytes: usize) -> Self {
        let engine = Engine::new();
        let config = TopicConfig::default().ring_slots(SLOTS).batch(messages, bytes);
        let topic = engine.create_topic("busy", config).expect("a good configuration");
        let subscription =
            topic.create_subscription("reader", SubscriptionConfig::default()).expect("a good configuration");
        let dispatcher = Dispatcher::new().turn_limit(TURN).add(&subscription, |_| Verdict::Ack);
        let publisher = topic.publisher();
        let mut busy = Self { topic, publisher, dispatcher, read: 0, _engine: engine };
        for _ in 0..2 * STANDING {
            busy.publisher.publish(message(64)).expect("room");
        }
        busy.read_down();
        busy
    }

    /// A publisher of its own, with these messages staged and nothing of them published.
    pub(crate) fn staged(&mut self, messages: impl IntoIterator<Item = Message>) -> Publisher {
        self.read_down();
        let publisher = self.publisher.clone();
        for message in messages {
            let receipt = publisher.enqueue(message).expect("the lane is open");
            assert!(!receipt.is_ready(), "the batcher does not gather");
        }
        publisher
    }

    /// The publisher that is always the same, with room for what it will publish.
    pub(crate) fn publisher(&mut self) -> &Publisher {
        self.read_down();
        &self.publisher
    }

    /// Reads until little more than the standing backlog is left, so that there is room for the next lap. (The
    /// subscription's own count of it is not asked: that would fetch what is staged.)
    fn read_down(&mut self) {
        let published = self.topic.stats().published;
        while published - self.read >= STANDING + TURN as u64 {
            self.read += self.dispatcher.poll() as u64;
        }
    }
}

/// A message of `len` bytes, held by reference.
pub(crate) fn message(len: usize) -> Message {
    static PAYLOAD: [u8; 1 << 17] = [7; 1 << 17];
    Message::new(Bytes::from_static(&PAYLOAD[..len]))
}
