//! Topics, ids, and what a subscription sees. (What is refused: tests/refusals.rs.)

use crate::common::{manual, message, number, receive_all, single, subscribe, topic, until};
use ringmain::{
    Bytes, Dispatcher, Engine, ManualClock, Message, MessageId, PublishError, RecvError, SubscriptionConfig,
    TopicConfig, Verdict,
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
    let attributes = delivery.attributes();
    assert_eq!(attributes, [("region", "eu"), ("lang", "de")]);
    assert_ne!(attributes, [("lang", "de"), ("region", "eu")]);
    assert_ne!(attributes, [("region", "eu")]);
    assert_eq!(attributes, attributes.to_vec());
    assert_eq!((attributes.len(), attributes.is_empty(), attributes.get("lang")), (2, false, Some("de")));
    assert_eq!(format!("{attributes:?}"), r#"{"region": "eu", "lang": "de"}"#);
    let mut pairs = attributes.into_iter();
    assert_eq!((pairs.len(), pairs.next(), pairs.len()), (2, Some(("region", "eu")), 1));
    assert_eq!((pairs.next(), pairs.next()), (Some(("lang", "de")), None));
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

/// A payload that knows whether somebody keeps it.
struct Kept(#[expect(dead_code, reason = "counted by its reference")] Arc<()>);

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &[9; 600]
    }
}

#[test]
fn a_topic_without_a_subscription_keeps_nothing() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 8);
    let publisher = topic.publisher();
    let (count, mut published) = (Arc::new(()), 0);
    let message = || Message::new(Bytes::from_owner(Kept(Arc::clone(&count))));
    for round in 0..3 {
        for _ in 0..3 {
            publisher.publish(message()).unwrap();
            publisher.try_publish(message()).unwrap();
            publisher.enqueue(message()).unwrap().wait().unwrap();
            publisher.publish_batch([message(), message()]).unwrap();
            assert_eq!(Arc::strong_count(&count), 1, "in round {round}");
        }
        published += 15;
        assert_eq!(topic.stats().published, published);
        // Then with one that comes and goes; what it leaves behind is read.
        let subscription = subscribe(&topic, &format!("sub-{round}"));
        publisher.publish(message()).unwrap();
        published += 1;
        subscription.recv().unwrap().ack().unwrap();
        topic.trim();
        subscription.detach();
    }
}

#[test]
fn a_callers_payload_among_written_ones_is_read_and_goes_when_its_slot_is_used_again() {
    let (_engine, _clock, publisher, subscription) = single(4);
    let (seen, write) = (Arc::new(Mutex::new(Vec::new())), publisher.clone());
    let log = Arc::clone(&seen);
    let mut dispatcher = Dispatcher::new().add(&subscription, move |message| {
        log.lock().unwrap().push(message.data().to_vec());
        Verdict::Ack
    });
    let mut written = |byte| _ = write.publish_with(1, |data| data.fill(byte)).unwrap();
    // Two laps of a topic that has seen nothing else, so that its publisher has buffers on their way back.
    for byte in 0..8 {
        written(byte);
        dispatcher.run_until_idle();
    }
    let count = Arc::new(());
    publisher.publish(Message::new(Bytes::from_owner(Kept(Arc::clone(&count))))).unwrap();
    written(8);
    dispatcher.run_until_idle();
    (9..11).for_each(&mut written);
    dispatcher.run_until_idle();
    assert_eq!(Arc::strong_count(&count), 2, "its slot has not been used again");
    written(11);
    assert_eq!(Arc::strong_count(&count), 1, "its slot was used again by the other publisher");
    dispatcher.run_until_idle();
    let mut expected: Vec<_> = (0..12).map(|byte| vec![byte]).collect();
    expected.insert(8, vec![9; 600]);
    assert_eq!(*seen.lock().unwrap(), expected);
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
            crate::common::assert_balanced(&subscription);
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

/// However often its clock is handed out.
#[test]
fn engines_on_one_manual_clock_have_one_wall_time() {
    let clock = ManualClock::new();
    let published = || {
        let engine = Engine::builder().clock(clock.clock()).build();
        let topic = topic(&engine, 4);
        let subscription = subscribe(&topic, "sub");
        topic.publisher().publish(message(1)).unwrap();
        let delivery = subscription.recv().unwrap();
        let time = delivery.publish_time();
        delivery.ack().unwrap();
        time
    };
    assert_eq!(published(), published());
}
