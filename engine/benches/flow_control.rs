//! Publisher flow control: to take credit and give it back, near each limit, beyond it, and for ten who wait for it.
//!
//! Credit has no public call of its own: `publish` takes it and gives it back when it returns. It is timed through a
//! `try_publish` on a full ring, which takes credit, finds no room, gives the credit back and hands back the message:
//! nothing is stored, copied or freed. `no_limits` is what that costs without credit. What is outstanding meanwhile is in
//! futures that wait for room. Beyond a limit there is no credit, and `try_publish` is refused before it looks at the
//! ring.

use criterion::Criterion;
use criterion::measurement::{Measurement, WallTime};
use ringmain::{
    Bytes, Dispatcher, Engine, LimitExceeded, Message, PublishError, PublishFuture, Publisher,
    PublisherConfig, SubscriptionConfig, Topic, TopicConfig, Verdict,
};
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const SLOTS: usize = 64;
const KB: usize = 1 << 10;
/// Limits of the publishers measured.
const MESSAGES: usize = 1_000;
const BYTES: usize = 1 << 20;
/// How many wait for credit.
const WAITERS: usize = 10;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    take_and_give_back(&mut criterion);
    blocked(&mut criterion);
    publish(&mut criterion);
    criterion.final_summary();
}

/// A topic with one subscription, read when told to.
struct Bounded {
    topic: Topic,
    dispatcher: Dispatcher,
    // The topic lives as long as the engine.
    _engine: Engine,
}

impl Bounded {
    fn new() -> Self {
        let engine = Engine::new();
        let config = TopicConfig::default().ring_slots(SLOTS);
        let topic = engine.create_topic("topic", config).expect("a good configuration");
        let subscription =
            topic.create_subscription("reader", SubscriptionConfig::default()).expect("a good configuration");
        let dispatcher = Dispatcher::new().add(&subscription, |_| Verdict::Ack);
        Self { topic, dispatcher, _engine: engine }
    }

    fn fill(&self) {
        let publisher = self.topic.publisher();
        while publisher.try_publish(message(KB)).is_ok() {}
    }

    fn empty(&mut self) {
        while self.dispatcher.poll() > 0 {}
    }

    fn limited(&self, messages: usize, bytes: usize, action: LimitExceeded) -> Publisher {
        let config = PublisherConfig::default()
            .max_outstanding_messages(messages)
            .max_outstanding_bytes(bytes)
            .limit_exceeded(action);
        self.topic.publisher_with(config).expect("a good configuration")
    }
}

fn message(len: usize) -> Message {
    static PAYLOAD: [u8; BYTES] = [7; BYTES];
    Message::new(Bytes::from_static(&PAYLOAD[..len]))
}

type Pending<'a> = Pin<Box<PublishFuture<'a>>>;

/// A publish that holds its credit, or waits for it.
fn pending(publisher: &Publisher, len: usize) -> Pending<'_> {
    let mut future = Box::pin(publisher.publish_async(message(len)));
    assert!(poll(&mut future).is_pending(), "there is room, or no limit");
    future
}

fn poll(future: &mut Pending<'_>) -> Poll<<PublishFuture<'static> as Future>::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Credit for one message of 1 KB, taken and given back, or refused.
fn take_and_give_back(c: &mut Criterion) {
    let bounded = Bounded::new();
    bounded.fill();
    let mut group = c.benchmark_group("flow_control/try_publish_on_a_full_ring");
    // How many messages of which size are outstanding, and whether there is credit for another.
    for (name, action, outstanding, len, admitted) in [
        ("no_limits", LimitExceeded::Ignore, 0, KB, true),
        ("under_the_limits", LimitExceeded::Error, 0, KB, true),
        ("near_the_message_limit", LimitExceeded::Error, MESSAGES - 1, 1, true),
        ("near_the_byte_limit", LimitExceeded::Error, 1, BYTES - KB, true),
        ("over_the_message_limit", LimitExceeded::Error, MESSAGES, 1, false),
        ("over_the_byte_limit", LimitExceeded::Error, 1, BYTES - KB + 1, false),
    ] {
        let publisher = bounded.limited(MESSAGES, BYTES, action);
        let held: Vec<_> = (0..outstanding).map(|_| pending(&publisher, len)).collect();
        assert_eq!(publisher.stats().outstanding_messages, outstanding as u64);
        let mut message = Some(message(KB));
        group.bench_function(name, |b| {
            b.iter(|| {
                let refused = publisher.try_publish(black_box(message.take()).unwrap_or_default());
                message = Some(match refused {
                    Err(PublishError::Full(message)) if admitted => message,
                    Err(PublishError::LimitExceeded(message)) if !admitted => message,
                    other => panic!("{other:?}"),
                });
            });
        });
        drop(held);
    }
    group.finish();
}

/// Ten tasks wait for credit: it is given back, handed to each of them in turn, and each of them publishes. (Tasks rather
/// than threads: both stand in one queue, and to wake a thread is the system's doing, fifty times as long.)
fn blocked(c: &mut Criterion) {
    let mut bounded = Bounded::new();
    let publisher = bounded.limited(MESSAGES, WAITERS * KB, LimitExceeded::Block);
    c.bench_function("flow_control/blocked/10_tasks", |b| {
        b.iter_custom(|iters| {
            let mut total = Duration::ZERO;
            for _ in 0..iters {
                // All credit is with one that waits for room; then there is room, but it is not polled again.
                bounded.fill();
                let holder = pending(&publisher, WAITERS * KB);
                bounded.empty();
                let mut waiters: Vec<_> = (0..WAITERS).map(|_| pending(&publisher, KB)).collect();
                let start = WallTime.start();
                drop(holder);
                for waiter in &mut waiters {
                    assert!(black_box(poll(waiter)).is_ready());
                }
                total += WallTime.end(start);
            }
            total
        });
    });
}

/// A publish that succeeds, without limits and with: nobody subscribes, so that nothing is stored.
fn publish(c: &mut Criterion) {
    let engine = Engine::new();
    let topic = engine.create_topic("topic", TopicConfig::default()).expect("a good configuration");
    let mut group = c.benchmark_group("flow_control/publish_unstored");
    let limits = PublisherConfig::default().limit_exceeded(LimitExceeded::Error);
    for (name, config) in [("no_limits", PublisherConfig::default()), ("under_the_limits", limits)] {
        let publisher = topic.publisher_with(config).expect("a good configuration");
        group.bench_function(name, |b| {
            b.iter(|| publisher.publish_slice(black_box(&[7; 64])));
        });
    }
    group.finish();
}
