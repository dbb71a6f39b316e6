//! Publishing by histories that nobody wrote down: every way of publishing, in any order, against a model of what is
//! outstanding; and from several threads at once. And what a topic tells of itself.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, with small numbers"
)]

use crate::common::{Random, assert_balanced, manual, number, receive_all, subscribe, until};
use crate::tasks::{block_on, poll};
use ringmain::{
    Engine, LimitExceeded, Message, PublishError, PublishFuture, Publisher, PublisherConfig, Receipt,
    Subscription, SubscriptionConfig, Topic, TopicConfig,
};
use ringmain_ring::sync::{AtomicBool, AtomicU64, Ordering};
use std::collections::HashSet;
use std::task::Poll;
use std::thread;
use std::time::Duration;

const MOST: u64 = 5;
const MOST_BYTES: u64 = 150;

fn limits(action: LimitExceeded) -> PublisherConfig {
    PublisherConfig::default()
        .max_outstanding_messages(MOST as usize)
        .max_outstanding_bytes(MOST_BYTES as usize)
        .limit_exceeded(action)
}

/// A message with its number, made `bytes` long or more.
fn sized(number: u64, bytes: u64) -> Message {
    let mut data = number.to_le_bytes().to_vec();
    data.resize(8.max(bytes as usize), 0);
    Message::new(data)
}

fn number_of(data: &[u8]) -> u64 {
    number(&data[..8])
}

/// What the model knows of one publisher.
struct History<'a> {
    publisher: &'a Publisher,
    topic: &'a Topic,
    subscription: &'a Subscription,
    random: Random,
    next: u64,
    receipts: Vec<(Receipt, u64)>,
    /// In the order in which they were polled first.
    futures: Vec<(PublishFuture<'a>, u64)>,
    received: u64,
}

impl History<'_> {
    fn message(&mut self) -> (Message, u64) {
        self.next += 1;
        let bytes = match self.random.below(20) {
            0 => 2 * MOST_BYTES,
            _ => 8 + self.random.below(60),
        };
        (sized(self.next, bytes), bytes)
    }

    fn room(&self) -> u64 {
        8 - self.topic.stats().slowest.expect("one subscription").behind
    }

    fn step(&mut self) {
        let (message, bytes) = self.message();
        let never = Duration::ZERO;
        match self.random.below(14) {
            0 => drop(self.publisher.try_publish(message)),
            1 => drop(self.publisher.publish_timeout(message, never)),
            2 => drop(self.publisher.try_publish_slice(message.data())),
            3 => drop(self.publisher.try_publish_with(bytes as usize, |buffer| buffer.fill(0))),
            4 | 5 if self.may_stage(bytes) => {
                if let Ok(receipt) = self.publisher.enqueue(message) {
                    self.receipts.push((receipt, bytes));
                }
            }
            6 | 7 => {
                let mut future = self.publisher.publish_async(message);
                if poll(&mut future).is_pending() {
                    self.futures.push((future, bytes));
                }
            }
            8 if !self.futures.is_empty() => {
                let which = self.random.below(self.futures.len() as u64) as usize;
                if poll(&mut self.futures[which].0).is_ready() {
                    drop(self.futures.remove(which));
                }
            }
            9 if !self.futures.is_empty() => {
                let which = self.random.below(self.futures.len() as u64) as usize;
                drop(self.futures.remove(which));
            }
            10 if !self.receipts.is_empty() => {
                let which = self.random.below(self.receipts.len() as u64) as usize;
                if poll(&mut self.receipts[which].0).is_ready() {
                    drop(self.receipts.remove(which));
                }
            }
            11 if self.publisher.stats().outstanding_messages == 0 && self.room() >= 4 => {
                drop(self.publisher.publish_batch((0..4).map(|_| sized(0, 40)).chain([Message::new("")])));
                drop(self.publisher.publish_batch_with(0, 8, |_, _| ()));
            }
            _ => {
                let most = 1 + self.random.below(8) as usize;
                for delivery in self.subscription.pull(most).unwrap_or_default() {
                    delivery.ack().expect("in time");
                    self.received += 1;
                }
            }
        }
        self.check();
    }

    /// Whether an enqueue would not wait: neither for credit, nor for the room of a batch that is full, nor, when nothing
    /// is staged and somebody looks hungry, for its own.
    fn may_stage(&self, bytes: u64) -> bool {
        let stats = self.publisher.stats();
        let staged = self.receipts.iter().filter(|(receipt, _)| !receipt.is_ready()).count();
        let credit = stats.waiting == 0
            && stats.outstanding_messages < MOST
            && (stats.outstanding_messages == 0 || stats.outstanding_bytes + bytes <= MOST_BYTES);
        credit && staged < 3 && (staged > 0 || self.room() > 0)
    }

    fn check(&self) {
        let stats = self.publisher.stats();
        let receipts = self.receipts.iter().filter(|(receipt, _)| !receipt.is_ready());
        // The first of the futures have credit, the others wait for it.
        let granted = self.futures.len() - stats.waiting;
        let outstanding =
            receipts.map(|(_, bytes)| bytes).chain(self.futures[..granted].iter().map(|(_, b)| b));
        let (messages, bytes) = outstanding.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes));
        assert_eq!((stats.outstanding_messages, stats.outstanding_bytes), (messages, bytes));
        assert!(messages <= MOST && (bytes <= MOST_BYTES || messages == 1), "{stats:?}");
    }
}

#[test]
fn credit_is_conserved_at_every_step_of_any_history() {
    for seed in 1..=150 {
        let (engine, _clock) = manual();
        let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(8)).unwrap();
        let subscription = subscribe(&topic, "sub");
        let action = if seed % 2 == 0 { LimitExceeded::Block } else { LimitExceeded::Error };
        let publisher = topic.publisher_with(limits(action)).unwrap();
        let mut history = History {
            publisher: &publisher,
            topic: &topic,
            subscription: &subscription,
            random: Random(seed),
            next: 0,
            receipts: Vec::new(),
            futures: Vec::new(),
            received: 0,
        };
        (0..200).for_each(|_| history.step());
        // However it ends: closed, or dropped, or read to the end.
        match seed % 3 {
            0 => drop(engine.close(ringmain::Close::Now)),
            1 => {
                history.receipts.clear();
                until(|| receive_count(&subscription) == 0 && publisher.flush().is_ok());
            }
            _ => {}
        }
        history.futures.clear();
        let staged = history.receipts.drain(..).filter(|(receipt, _)| !receipt.is_ready()).count() as u64;
        drop(history);
        let stats = publisher.stats();
        assert_eq!((stats.outstanding_messages, stats.waiting), (staged, 0));
        assert!(staged == 0 || seed % 3 == 2);
        until(|| seed % 3 == 0 || (receive_count(&subscription) == 0 && publisher.flush().is_ok()));
        assert_eq!((publisher.stats().outstanding_messages, publisher.stats().outstanding_bytes), (0, 0));
        assert_balanced(&subscription);
    }
}

fn receive_count(subscription: &Subscription) -> usize {
    let deliveries = subscription.pull(100).unwrap_or_default();
    deliveries.into_iter().map(|delivery| delivery.ack().expect("in time")).count()
}

#[test]
fn threads_that_share_a_publisher_never_exceed_its_limits_and_lose_nothing() {
    const EACH: u64 = if cfg!(debug_assertions) { 3_000 } else { 30_000 };
    let engine = Engine::new();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(16)).unwrap();
    let subscription = subscribe(&topic, "sub");
    let publisher = topic.publisher_with(limits(LimitExceeded::Block)).unwrap();
    let (done, accepted) = (AtomicBool::new(false), AtomicU64::new(0));
    let received = thread::scope(|scope| {
        let receives = scope.spawn(|| {
            let mut seen = HashSet::new();
            while let Ok(delivery) = subscription.recv() {
                assert!(seen.insert(number_of(delivery.data())), "it is delivered once");
                delivery.ack().unwrap();
            }
            seen
        });
        let watches = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let stats = publisher.stats();
                let (messages, bytes) = (stats.outstanding_messages, stats.outstanding_bytes);
                assert!(messages <= MOST && (bytes <= MOST_BYTES || messages == 1), "{stats:?}");
                thread::yield_now();
            }
        });
        let publishes: Vec<_> = (0..3u64)
            .map(|thread| {
                let (publisher, accepted) = (&publisher, &accepted);
                scope.spawn(move || {
                    let mut random = Random(thread + 11);
                    for count in 0..EACH {
                        let message = sized(thread << 32 | count, random.below(70));
                        let published = match random.below(8) {
                            0 => publisher.publish_batch([message]).is_ok(),
                            1 => publisher.publish_slice(message.data()).is_ok(),
                            2 => publisher.try_publish(message).is_ok(),
                            3 => publisher.publish_timeout(message, Duration::from_micros(20)).is_ok(),
                            4 => publisher.enqueue(message).unwrap().wait().is_ok(),
                            5 => publisher.enqueue(message).map(drop).is_ok(),
                            6 => {
                                // Given up, unless it is ready at once.
                                matches!(poll(&mut publisher.publish_async(message)), Poll::Ready(Ok(_)))
                            }
                            _ => block_on(publisher.publish_async(message)).is_ok(),
                        };
                        accepted.fetch_add(u64::from(published), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        publishes.into_iter().for_each(|thread| thread.join().unwrap());
        publisher.flush().unwrap();
        assert_eq!(publisher.stats(), ringmain::PublisherStats::default());
        done.store(true, Ordering::Relaxed);
        watches.join().unwrap();
        engine.delete_topic("topic").unwrap();
        receives.join().unwrap()
    });
    assert_eq!(received.len() as u64, accepted.load(Ordering::Relaxed));
    assert_balanced(&subscription);
}

#[test]
fn a_topic_lists_its_live_subscriptions_and_says_when_it_is_deleted() {
    let (engine, _clock) = manual();
    let create = |name: &str| engine.create_topic(name, TopicConfig::default().ring_slots(4)).unwrap();
    let (first, second) = (create("first"), create("second"));
    assert!(first.subscriptions().is_empty());
    let [b, _a, c] = ["bbb", "aaa", "ccc"].map(|name| subscribe(&first, name));
    let other = second.create_subscription("other", SubscriptionConfig::default()).unwrap();
    assert_eq!(first.subscriptions(), ["aaa", "bbb", "ccc"]);
    assert_eq!(second.subscriptions(), ["other"]);
    b.detach();
    engine.delete_subscription("ccc").unwrap();
    assert_eq!(first.subscriptions(), ["aaa"], "not {c:?}");
    assert!(!first.is_deleted());
    engine.delete_topic("first").unwrap();
    assert!(first.is_deleted() && !second.is_deleted());
    assert_eq!(first.subscriptions(), ["aaa"], "it lives on, and drains");
    assert!(b.topic().is_deleted() && !other.topic().is_deleted());
    assert!(!create("first").is_deleted(), "another one of that name");
    assert!(first.is_deleted());
    assert!(matches!(first.publisher().publish(Message::new("x")), Err(PublishError::Closed(_))));
    assert_eq!(receive_all(&other), []);
}
