//! Consumers that compete for a subscription's messages.

use crate::common::{assert_balanced, manual, message};
use ringmain::{Publisher, Subscription, SubscriptionConfig, TopicConfig};
use ringmain_ring::sync::{AtomicU64, Ordering};
use std::thread;

const MESSAGES: u64 = 10_000;

/// How often two that call `try_recv` were told that there is nothing, while there was much.
fn told_of_nothing(publisher: &Publisher, subscription: &Subscription) -> u64 {
    (0..MESSAGES).for_each(|number| _ = publisher.publish(message(number)).expect("room"));
    let (left, nothing) = (AtomicU64::new(MESSAGES), AtomicU64::new(0));
    let consume = || {
        while left.load(Ordering::Relaxed) > 100 {
            match subscription.try_recv().expect("open") {
                Some(delivery) => {
                    left.fetch_sub(1, Ordering::Relaxed);
                    delivery.ack().expect("in time");
                }
                None => _ = nothing.fetch_add(1, Ordering::Relaxed),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(consume);
        }
    });
    while let Some(delivery) = subscription.try_recv().expect("open") {
        delivery.ack().expect("in time");
    }
    nothing.into_inner()
}

/// (A few times it is told so for want of credit, if the other is off its CPU with some of it in its hands.)
#[test]
fn each_call_looks_at_every_shard_whoever_else_does_at_the_same_time() {
    let (engine, _clock) = manual();
    let config = TopicConfig::default().ring_slots(1 << 14).shards(2);
    let topic = engine.create_topic("topic", config).unwrap();
    let subscription = topic.create_subscription("sub", SubscriptionConfig::default()).unwrap();
    let publishers = [topic.publisher(), topic.publisher()];
    let nothing: u64 =
        (0..3).flat_map(|_| &publishers).map(|publisher| told_of_nothing(publisher, &subscription)).sum();
    assert!(nothing < MESSAGES / 100, "{nothing} times in {}", 6 * MESSAGES);
    assert_balanced(&subscription);
}
