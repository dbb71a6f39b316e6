//! What the engine's tests share: an engine whose time stands still, a small random number generator, and the equation.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod failing;

use ringmain::{
    Engine, ManualClock, Message, Publisher, Subscription, SubscriptionConfig, Topic, TopicConfig,
};
use ringmain_ring::now;
use std::thread;
use std::time::Duration;

/// An engine whose time moves by hand.
pub(crate) fn manual() -> (Engine, ManualClock) {
    let clock = ManualClock::new();
    (Engine::builder().clock(clock.clock()).build(), clock)
}

pub(crate) fn topic(engine: &Engine, slots: usize) -> Topic {
    engine.create_topic("topic", TopicConfig::default().ring_slots(slots)).expect("a new topic")
}

pub(crate) fn subscribe(topic: &Topic, name: &str) -> Subscription {
    topic.create_subscription(name, SubscriptionConfig::default()).expect("a new subscription")
}

/// One topic, one publisher, one subscription.
pub(crate) fn single(slots: usize) -> (Engine, ManualClock, Publisher, Subscription) {
    single_with(slots, SubscriptionConfig::default())
}

/// The same, with a subscription like this.
pub(crate) fn single_with(
    slots: usize,
    config: SubscriptionConfig,
) -> (Engine, ManualClock, Publisher, Subscription) {
    let (engine, clock) = manual();
    let topic = topic(&engine, slots);
    let subscription = topic.create_subscription("sub", config).expect("a new subscription");
    (engine, clock, topic.publisher(), subscription)
}

/// With message ordering.
pub(crate) fn ordering() -> SubscriptionConfig {
    SubscriptionConfig::default().message_ordering()
}

/// A message that carries a number.
pub(crate) fn message(number: u64) -> Message {
    Message::new(number.to_le_bytes().to_vec())
}

/// The same, of `key`.
pub(crate) fn keyed(key: &str, number: u64) -> Message {
    message(number).ordering_key(key)
}

/// The number in a message's data.
pub(crate) fn number(data: &[u8]) -> u64 {
    u64::from_le_bytes(data.try_into().expect("eight bytes"))
}

/// The numbers of everything there is to receive now, acked.
pub(crate) fn receive_all(subscription: &Subscription) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Ok(Some(delivery)) = subscription.try_recv() {
        numbers.push(number(delivery.data()));
        delivery.ack().expect("in time");
    }
    numbers
}

/// Asserts the equation that holds at rest.
#[track_caller]
pub(crate) fn assert_balanced(subscription: &Subscription) {
    let s = subscription.stats();
    let ended = s.acked + s.dead_lettered + s.filtered + s.dropped + s.discarded;
    let accounted = ended + s.outstanding + s.held + s.unread;
    assert_eq!(s.accepted, accounted, "{}: {s:?}", subscription.name());
}

/// Gives way until `condition`.
pub(crate) fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// Looks at `condition` again and again for some milliseconds: what is not to happen has had its chance.
pub(crate) fn for_a_while(condition: impl Fn() -> bool) -> bool {
    let end = now() + Duration::from_millis(5);
    while now() < end {
        if !condition() {
            return false;
        }
        thread::yield_now();
    }
    condition()
}

/// Whether `condition` comes true within some seconds: for what never does when it fails.
pub(crate) fn soon(condition: impl Fn() -> bool) -> bool {
    let end = now() + Duration::from_secs(5);
    while !condition() && now() < end {
        thread::yield_now();
    }
    condition()
}

/// Xorshift: numbers that look random, the same every time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}
