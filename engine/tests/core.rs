//! Topics, names, ids, what a subscription sees, and what a refused publish gives back.

mod common;

use common::{manual, message, number, receive_all, single, subscribe, topic, until};
use ringmain::{
    Close, Dispatcher, Engine, Error, Invalid, Message, MessageId, PublishError, RecvError,
    SubscriptionConfig, TopicConfig, Verdict,
};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

#[test]
fn what_is_published_is_received_with_everything_on_it() {
    let before = SystemTime::now_for_tests();
    let (_engine, clock, publisher, subscription) = single(8);
    clock.advance(Duration::from_secs(100));
    let id = publisher
        .publish(Message::new("paid").attribute("region", "eu").attribute("lang", "de").ordering_key("u42"))
        .unwrap();
    let delivery = subscription.recv().unwrap();
    assert_eq!((delivery.data(), &delivery.bytes()[..], delivery.id()), (&b"paid"[..], &b"paid"[..], id));
    assert_eq!(delivery.attributes(), [("region".into(), "eu".into()), ("lang".into(), "de".into())]);
    assert_eq!((delivery.attribute("lang"), delivery.attribute("none")), (Some("de"), None));
    assert_eq!((delivery.ordering_key(), delivery.delivery_attempt()), (Some("u42"), 1));
    let age = delivery.publish_time().duration_since(before).unwrap();
    assert!((Duration::from_secs(100)..Duration::from_secs(200)).contains(&age), "{age:?}");
    delivery.ack().unwrap();
    assert!(subscription.try_recv().unwrap().is_none());
}

/// The wall clock, of which the tests read one value.
trait NowForTests {
    fn now_for_tests() -> Self;
}

impl NowForTests for SystemTime {
    #[expect(clippy::disallowed_methods, reason = "to compare a publish time with")]
    fn now_for_tests() -> Self {
        Self::now()
    }
}

#[test]
fn every_way_of_publishing_arrives() {
    let (_engine, _clock, publisher, subscription) = single(16);
    publisher.publish(message(1)).unwrap();
    publisher.try_publish(message(2)).unwrap();
    publisher.publish_timeout(message(3), Duration::ZERO).unwrap();
    publisher.publish_slice(&4u64.to_le_bytes()).unwrap();
    publisher.try_publish_slice(&5u64.to_le_bytes()).unwrap();
    publisher.publish_with(8, |buffer| buffer.copy_from_slice(&6u64.to_le_bytes())).unwrap();
    publisher.try_publish_with(8, |buffer| buffer.copy_from_slice(&7u64.to_le_bytes())).unwrap();
    publisher.publish_batch([message(8), message(9)]).unwrap();
    let write = |index: usize, buffer: &mut [u8]| buffer.copy_from_slice(&(10 + index as u64).to_le_bytes());
    publisher.publish_batch_with(3, 8, write).unwrap();
    assert_eq!(publisher.enqueue(message(13)).unwrap().wait().unwrap().get(), 12);
    publisher.clone().publish(message(14)).unwrap();
    assert_eq!(receive_all(&subscription), (1..=14).collect::<Vec<_>>());
}

#[test]
fn ids_rise_from_before_the_first_subscription_to_after_the_last() {
    for shards in [1, 3] {
        let (engine, _clock) = manual();
        let topic =
            engine.create_topic("topic", TopicConfig::default().ring_slots(4).shards(shards)).unwrap();
        let publisher = topic.publisher();
        let mut last = None;
        let mut publish = |count: u64| {
            for number in 0..count {
                let id = publisher.publish(message(number)).unwrap();
                assert!(last < Some(id), "{id} after {last:?}");
                last = Some(id);
            }
        };
        publish(10);
        assert_eq!(topic.stats().published, 10);
        let subscription = subscribe(&topic, "sub");
        publish(4);
        assert_eq!(topic.stats().published, 14);
        assert_eq!(receive_all(&subscription), [0, 1, 2, 3]);
        subscription.detach();
        publish(20); // five rings full, and nothing kept
        assert_eq!((topic.stats().published, topic.stats().subscriptions), (34, 0));
        let again = subscribe(&topic, "again");
        publish(2);
        assert_eq!(receive_all(&again), [0, 1]);
        assert_eq!(topic.stats().published, 36);
    }
}

#[test]
fn a_batch_has_ids_of_its_own_with_and_without_subscriptions() {
    for shards in [1, 3] {
        let (engine, _clock) = manual();
        let topic =
            engine.create_topic("topic", TopicConfig::default().ring_slots(64).shards(shards)).unwrap();
        let publishers: Vec<_> = (0..3).map(|_| topic.publisher()).collect();
        let mut ids = Vec::new();
        for round in 0..3 {
            if round == 1 {
                subscribe(&topic, "sub");
            } else if round == 2 {
                engine.delete_subscription("sub").unwrap();
            }
            for publisher in &publishers {
                let keyed = |n: u64| message(n).ordering_key(format!("{}", n % 3));
                ids.extend(publisher.publish_batch((0..5).map(message)).unwrap().iter().map(|id| id.get()));
                ids.extend(publisher.publish_batch((0..5).map(keyed)).unwrap().iter().map(|id| id.get()));
                ids.push(publisher.publish(message(9)).unwrap().get());
                let first = publisher.publish_batch_with(4, 1, |_, buffer| buffer[0] = 1).unwrap();
                let step = shards as u64;
                ids.extend((0..4).map(|n| first.get() + n * step));
            }
        }
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), topic.stats().published), (count, count as u64));
    }
}

#[test]
fn publishing_without_rings_is_counted_once_while_a_subscription_is_created() {
    for round in 0..100 {
        let (engine, _clock) = manual();
        let topic = topic(&engine, 1024);
        thread::scope(|scope| {
            let publishers: Vec<_> = (0..2)
                .map(|_| {
                    let publisher = topic.publisher();
                    scope.spawn(move || {
                        (0..100).map(|n| publisher.publish(message(n)).unwrap()).collect::<Vec<_>>()
                    })
                })
                .collect();
            until(|| topic.stats().published >= round);
            let subscription = subscribe(&topic, "sub");
            let mut ids: Vec<_> = publishers.into_iter().flat_map(|p| p.join().unwrap()).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!((ids.len(), topic.stats().published), (200, 200));
            common::assert_balanced(&subscription);
        });
    }
}

#[test]
fn a_new_subscription_sees_nothing_from_before_and_everything_after() {
    let (_engine, _clock, publisher, first) = single(8);
    publisher.publish(message(1)).unwrap();
    let second = subscribe(&first.topic(), "second");
    publisher.publish(message(2)).unwrap();
    assert_eq!((receive_all(&first), receive_all(&second)), (vec![1, 2], vec![2]));
}

#[test]
fn a_refused_message_comes_back_and_the_reason_names_the_rule() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let long = |n: usize| "x".repeat(n);
    let many = (0..101).fold(Message::new("d"), |m, i| m.attribute(format!("k{i}"), "v"));
    for (bad, rule) in [
        (Message::new(""), "neither"),
        (Message::new(vec![0; (10 << 20) + 1]), "10485760"),
        (many, "100"),
        (Message::new("d").attribute(long(257), "v"), "1 to 256"),
        (Message::new("d").attribute("goog", "v"), "goog"),
        (Message::new("d").attribute("k", long(1025)), "1024"),
        (Message::new("d").ordering_key(""), "ordering key"),
        (Message::new("d").ordering_key(long(1025)), "1024"),
    ] {
        let receipt = publisher.enqueue(bad.clone()).map(drop).unwrap_err();
        assert_eq!(receipt.into_message(), bad);
        let error = publisher.try_publish(bad.clone()).unwrap_err();
        assert!(matches!(error, PublishError::Invalid { .. }) && error.to_string().contains(rule), "{error}");
        assert_eq!(publisher.publish(bad.clone()).unwrap_err().into_message(), bad);
    }
    assert!(matches!(
        publisher.publish_slice(b""),
        Err(PublishError::Invalid { reason: Invalid::EmptyMessage, .. })
    ));
    assert!(publisher.publish_with(0, |_| panic!("not called")).is_err());
    for count in [0, 5] {
        let error = publisher.publish_batch_with(count, 8, |_, _| panic!("not called")).unwrap_err();
        assert!(error.to_string().contains("half"), "{error}");
    }
    assert_eq!(subscription.stats().accepted, 0);
}

#[test]
fn a_failed_batch_tells_what_was_published_what_failed_and_what_is_left() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let error = publisher.publish_batch([message(1), Message::new(""), message(3)]).unwrap_err();
    assert_eq!((error.published.len(), error.rest.len()), (1, 1));
    assert_eq!((error.error.into_message(), &error.rest[0]), (Message::new(""), &message(3)));
    assert_eq!(receive_all(&subscription), [1]);
}

#[test]
fn full_and_closed_give_the_message_back() {
    let (engine, _clock, publisher, subscription) = single(4);
    for number in 0..4 {
        publisher.try_publish(message(number)).unwrap();
    }
    assert!(matches!(publisher.try_publish(message(9)), Err(PublishError::Full(m)) if m == message(9)));
    assert!(matches!(publisher.try_publish_slice(b"x"), Err(PublishError::Full(()))));
    let timeout = Duration::from_millis(1);
    assert!(
        matches!(publisher.publish_timeout(message(9), timeout), Err(PublishError::Full(m)) if m == message(9))
    );
    assert_eq!(receive_all(&subscription), [0, 1, 2, 3]);
    publisher.publish_timeout(message(4), Duration::MAX).unwrap();
    engine.close(Close::Now);
    assert!(matches!(publisher.publish(message(9)), Err(PublishError::Closed(m)) if m == message(9)));
    assert!(matches!(publisher.try_publish(message(9)), Err(PublishError::Closed(m)) if m == message(9)));
    assert!(matches!(publisher.enqueue(message(9)), Err(PublishError::Closed(m)) if m == message(9)));
    assert!(matches!(publisher.publish_slice(b"x"), Err(PublishError::Closed(()))));
    assert!(matches!(engine.create_topic("other", TopicConfig::default()), Err(Error::Closed)));
}

#[test]
fn a_handler_that_would_wait_for_itself_is_told_so() {
    let (_engine, _clock, publisher, subscription) = single(4);
    let told = Arc::new(Mutex::new(Vec::new()));
    let inside = (publisher.clone(), Arc::clone(&told));
    let mut dispatcher = Dispatcher::new().add(&subscription, move |first| {
        if first.id().get() == 0 {
            return Verdict::Ack; // from now on the subscription counts as busy, and messages are staged
        }
        let (publisher, told) = &inside;
        let mut told = told.lock().unwrap();
        let result = loop {
            if let Err(error) = publisher.publish(message(1)) {
                break error;
            }
        };
        told.push(matches!(&result, PublishError::WouldDeadlock(m) if *m == message(1)));
        // The same of everything that may wait for room.
        let enqueued = (0..).find_map(|_| publisher.enqueue(message(2)).err()).expect("the lane fills up");
        told.push(matches!(enqueued, PublishError::WouldDeadlock(m) if m == message(2)));
        told.push(matches!(publisher.flush(), Err(PublishError::WouldDeadlock(()))));
        told.push(matches!(publisher.publish_slice(b"x"), Err(PublishError::WouldDeadlock(()))));
        told.push(matches!(publisher.try_publish_slice(b"x"), Err(PublishError::Full(()))));
        Verdict::Ack
    });
    for _ in 0..2 {
        publisher.publish(message(0)).unwrap();
        dispatcher.poll();
    }
    assert_eq!(*told.lock().unwrap(), [true; 5]);
    // What was accepted comes, in order.
    drop(dispatcher);
    let received = receive_all(&subscription);
    assert!(received.is_sorted() && received.contains(&2), "{received:?}");
}

#[test]
fn names_are_checked_and_unique() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 8);
    for bad in ["ab", "1st", "a b", "google"] {
        assert!(matches!(engine.create_topic(bad, TopicConfig::default()), Err(Error::InvalidArgument(_))));
        assert!(matches!(
            topic.create_subscription(bad, SubscriptionConfig::default()),
            Err(Error::InvalidArgument(_))
        ));
    }
    let again = engine.create_topic("topic", TopicConfig::default()).unwrap_err();
    assert_eq!(again, Error::AlreadyExists("topic".into()));
    subscribe(&topic, "sub");
    let again = topic.create_subscription("sub", SubscriptionConfig::default()).unwrap_err();
    assert_eq!(again, Error::AlreadyExists("sub".into()));
    assert_eq!(engine.delete_topic("none"), Err(Error::NotFound("none".into())));
    assert_eq!(engine.delete_subscription("none"), Err(Error::NotFound("none".into())));
    assert!(engine.topic("none").is_none() && engine.subscription("none").is_none());
    assert_eq!(engine.topic("topic").unwrap().name(), "topic");
    assert_eq!(engine.subscription("sub").unwrap().name(), "sub");
    engine.delete_subscription("sub").unwrap();
    assert!(engine.subscription("sub").is_none());
    subscribe(&topic, "sub");
}

#[test]
fn settings_are_checked_and_the_error_names_them() {
    let (engine, _clock) = manual();
    for (config, setting) in [
        (TopicConfig::default().ring_slots(1000), "ring_slots"),
        (TopicConfig::default().shards(0), "shards"),
        (TopicConfig::default().batch(0, 1), "batch_messages"),
        (TopicConfig::default().batch(1, 0), "batch_bytes"),
    ] {
        let error = engine.create_topic("topic", config).unwrap_err().to_string();
        assert!(error.contains(setting), "{error}");
    }
    let topic = topic(&engine, 8);
    let default = SubscriptionConfig::default;
    for (config, setting) in [
        (default().ack_deadline(Duration::from_secs(601)), "ack_deadline"),
        (default().max_outstanding_messages(0), "max_outstanding_messages"),
        (default().max_held_messages(0), "max_held_messages"),
    ] {
        let error = topic.create_subscription("sub", config).unwrap_err().to_string();
        assert!(error.contains(setting), "{error}");
    }
    // Short deadlines are for clocks that move by hand.
    let short = default().ack_deadline(Duration::from_secs(9));
    topic.create_subscription("sub", short.clone()).unwrap();
    let real = Engine::builder().build();
    assert!(common::topic(&real, 8).create_subscription("sub", short).is_err());
}

#[test]
fn a_deleted_topic_leaves_its_subscriptions_draining() {
    let (engine, _clock, publisher, subscription) = single(8);
    publisher.publish(message(1)).unwrap();
    publisher.publish(message(2)).unwrap();
    engine.delete_topic("topic").unwrap();
    assert!(matches!(publisher.publish(message(3)), Err(PublishError::Closed(_))));
    assert!(subscription.topic().create_subscription("late", SubscriptionConfig::default()).is_err());
    let first = subscription.recv().unwrap();
    assert_eq!(receive_all(&subscription), [2]);
    first.nack().unwrap();
    let again = subscription.recv().unwrap();
    assert_eq!((number(again.data()), again.delivery_attempt()), (1, 2));
    again.ack().unwrap();
    assert_eq!(subscription.recv().unwrap_err(), RecvError::Closed);
    assert!(subscription.iter().next().is_none());
    let recreated = topic(&engine, 8);
    assert_eq!(recreated.stats().published, 0);
}

#[test]
fn a_detached_subscription_says_so_and_its_backlog_is_gone() {
    let (_engine, _clock, publisher, subscription) = single(4);
    for number in 0..4 {
        publisher.publish(message(number)).unwrap();
    }
    let leased = subscription.recv().unwrap();
    subscription.detach();
    for number in 0..20 {
        publisher.try_publish(message(number)).unwrap();
    }
    assert_eq!(subscription.recv().unwrap_err(), RecvError::Detached);
    assert_eq!(subscription.pull(3).unwrap_err(), RecvError::Detached);
    assert!(leased.ack().is_err());
    let stats = subscription.stats();
    assert_eq!((stats.accepted, stats.discarded), (4, 4));
}

#[test]
fn ids_are_unique_across_shards_and_rise_in_each() {
    let (engine, _clock) = manual();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(128).shards(4)).unwrap();
    let subscription = subscribe(&topic, "sub");
    let publisher = topic.publisher();
    let mut ids: Vec<MessageId> = Vec::new();
    for round in 0..20 {
        for key in ["a", "b", "c", "d", "e", "f"] {
            ids.push(publisher.publish(message(round).ordering_key(key)).unwrap());
        }
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 120);
    let mut last = std::collections::HashMap::new();
    while let Some(delivery) = subscription.try_recv().unwrap() {
        let key = delivery.ordering_key().unwrap().to_owned();
        let (round, id) = (number(delivery.data()), delivery.id());
        let before = last.insert(key, (round, id));
        assert!(before.is_none_or(|(r, i)| r + 1 == round && i < id), "each key in order");
        delivery.ack().unwrap();
    }
    assert!(last.values().all(|(round, _)| *round == 19));
}
