//! What every setting is when nobody sets it, as docs/SEMANTICS.md says; and that those numbers are what is done.

use crate::common::{manual, message};
use ringmain::{
    Bytes, LimitExceeded, Message, Overflow, PublishError, PublisherConfig, RetryPolicy, SubscriptionConfig,
    TopicConfig, WaitStrategy,
};
use std::time::Duration;

const MIB: usize = 1 << 20;

#[test]
fn defaults_are_those_of_the_page() {
    let TopicConfig { ring_slots, shards, wait, batch_messages, batch_bytes, ring_bytes, .. } =
        TopicConfig::default();
    assert_eq!((ring_slots, shards, ring_bytes), (4_096, 1, 64 * MIB));
    assert_eq!((batch_messages, batch_bytes, wait), (100, MIB, WaitStrategy::SpinThenPark));

    let subscription = SubscriptionConfig::default();
    assert_eq!((subscription.ack_deadline, subscription.max_lease), (Duration::from_secs(10), None));
    assert_eq!((subscription.retry, subscription.filter.as_deref()), (None, None));
    assert_eq!((subscription.message_ordering, subscription.overflow), (false, Overflow::Block));
    assert_eq!(subscription.max_outstanding_messages, 1_000);
    assert_eq!((subscription.max_outstanding_bytes, subscription.allow_excess), (100 * MIB, false));
    assert_eq!((subscription.max_held_messages, subscription.max_held_bytes), (10_000, 100 * MIB));

    let retry = RetryPolicy::default();
    assert_eq!(retry.minimum_backoff, Duration::from_secs(10));
    assert_eq!(retry.maximum_backoff, Duration::from_secs(600));

    let publisher = PublisherConfig::default();
    assert_eq!((publisher.max_outstanding_messages, publisher.max_outstanding_bytes), (1_000, 10 * MIB));
    assert_eq!(publisher.limit_exceeded, LimitExceeded::Ignore);
}

#[test]
fn a_ring_has_4096_slots_and_a_subscription_1000_messages_out() {
    let (engine, clock) = manual();
    let topic = engine.create_topic("topic", TopicConfig::default()).unwrap();
    let subscription = crate::common::subscribe(&topic, "sub");
    let publisher = topic.publisher();
    (0..4_096).for_each(|number| _ = publisher.try_publish(message(number)).unwrap());
    assert!(matches!(publisher.try_publish(message(0)), Err(PublishError::Full(_))));
    let out = subscription.pull(2_000).unwrap();
    assert_eq!((out.len(), subscription.pull(1).unwrap().len()), (1_000, 0));
    clock.advance(Duration::from_secs(10) - Duration::from_nanos(1));
    engine.tick();
    assert_eq!(subscription.stats().expired, 0);
    clock.advance(Duration::from_nanos(1));
    engine.tick();
    assert_eq!(subscription.stats().expired, 1_000);
    drop(out);
}

#[test]
fn a_subscription_has_100_mib_out() {
    let (engine, _clock) = manual();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_bytes(usize::MAX)).unwrap();
    let subscription = crate::common::subscribe(&topic, "sub");
    let large = Bytes::from(vec![0; 10 * MIB]);
    (0..21).for_each(|_| _ = topic.publisher().publish(Message::new(large.clone())).unwrap());
    let out: Vec<_> = std::iter::from_fn(|| subscription.try_recv().unwrap()).collect();
    assert_eq!((out.len(), subscription.stats().outstanding_bytes), (10, 100 << 20));
    assert_eq!((subscription.stats().held, subscription.stats().unread), (0, 11));
}

#[test]
fn a_subscription_holds_10000_messages_or_100_mib() {
    for (size, count) in [(1, 10_000), (10 * MIB, 10)] {
        let (engine, _clock) = manual();
        let config = TopicConfig::default().ring_bytes(usize::MAX);
        let topic = engine.create_topic("topic", config).unwrap();
        let minute = Duration::from_secs(60);
        let config = SubscriptionConfig::default().retry(minute, minute);
        let subscription = topic.create_subscription("sub", config).unwrap();
        let data = Bytes::from(vec![0; size]);
        for held in 1..=count {
            topic.publisher().publish(Message::new(data.clone())).unwrap();
            subscription.try_recv().unwrap().expect("less is held").nack().unwrap();
            assert!(held % 1_000 != 0 || subscription.stats().held == held);
        }
        topic.publisher().publish(Message::new(data)).unwrap();
        assert!(subscription.try_recv().unwrap().is_none(), "so much is held that the ring is left alone");
        assert_eq!((subscription.stats().held, subscription.stats().unread), (count, 1));
    }
}

#[test]
fn a_batch_is_100_messages_or_1_mib() {
    for (size, count) in [(1, 100), (MIB / 4, 4), (MIB / 4 + 1, 3)] {
        let (engine, _clock) = manual();
        let topic = engine.create_topic("topic", TopicConfig::default()).unwrap();
        let (publisher, subscription) = (topic.publisher(), crate::common::subscribe(&topic, "sub"));
        (0..2).for_each(|number| _ = publisher.publish(message(number)).unwrap());
        subscription.recv().unwrap().ack().unwrap(); // busy from now on: messages gather
        let data = Bytes::from(vec![0; size]);
        let gathered = (0..).take_while(|_| {
            drop(publisher.enqueue(Message::new(data.clone())).unwrap());
            topic.stats().published == 2
        });
        // The last one of a batch by count, or that fills it, publishes it; else the one that it would overflow by.
        let expected = if size * count < MIB && count < 100 { count } else { count - 1 };
        assert_eq!(gathered.count(), expected, "of {size} bytes");
        assert_eq!(topic.stats().published, 2 + count as u64, "of {size} bytes");
    }
}

#[test]
fn a_publisher_with_limits_has_1000_messages_and_10_mib_outstanding() {
    for (size, count) in [(1, 1_000), (MIB, 10)] {
        let (engine, _clock) = manual();
        let config = TopicConfig::default().ring_slots(4_096).batch(2_000, usize::MAX);
        let topic = engine.create_topic("topic", config).unwrap();
        let subscription = crate::common::subscribe(&topic, "sub");
        // All but full, so that what is enqueued stays staged.
        (0..4_096).for_each(|number| _ = topic.publisher().publish(message(number)).unwrap());
        subscription.recv().unwrap().ack().unwrap();
        topic.publisher().publish(message(0)).unwrap();
        let limits = PublisherConfig::default().limit_exceeded(LimitExceeded::Error);
        let publisher = topic.publisher_with(limits).unwrap();
        let data = Bytes::from(vec![0; size]);
        for _ in 0..count {
            drop(publisher.enqueue(Message::new(data.clone())).unwrap());
        }
        let refused = publisher.enqueue(Message::new(data)).map(drop);
        assert!(matches!(refused, Err(PublishError::LimitExceeded(_))), "{refused:?}");
        assert_eq!(publisher.stats().outstanding_messages, count);
    }
}
