//! Acking what was received together.

use crate::common::failing::of;
use crate::common::{
    assert_balanced, keyed, manual, message, ordering, receive_all, single, single_with, subscribe,
};
use ringmain::{
    AckError, AckId, Bytes, Delivery, Engine, Message, Subscription, SubscriptionConfig, TopicConfig,
};
use std::sync::mpsc;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(1);

fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| of(delivery).0).collect()
}

#[test]
fn what_was_pulled_is_acked_at_once_and_what_is_late_stays_in_the_vector() {
    let (engine, clock, publisher, subscription) = single(16);
    (0..8).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    let mut pulled = subscription.pull(8).unwrap();
    for late in [1, 4, 5, 7] {
        pulled[late].modify_ack_deadline(MOMENT).unwrap();
    }
    clock.advance(MOMENT);
    assert_eq!(Delivery::ack_all(&mut pulled), Err(AckError::Expired));
    assert_eq!(numbers(&pulled), [1, 4, 5, 7], "in order");
    let stats = subscription.stats();
    assert_eq!((stats.acked, stats.outstanding, stats.nacked), (4, 4, 0), "nobody has looked yet");
    assert_eq!(Delivery::ack_all(&mut pulled), Err(AckError::Expired), "a repeat changes nothing");
    drop(pulled);
    assert_eq!(subscription.stats().nacked, 0, "what is late is not nacked");
    let mut again = subscription.pull(8).unwrap();
    assert_eq!(again.iter().map(of).collect::<Vec<_>>(), [(1, 2), (4, 2), (5, 2), (7, 2)]);
    let room = again.capacity();
    assert_eq!(Delivery::ack_all(&mut again), Ok(()));
    assert_eq!((again.len(), again.capacity()), (0, room), "the vector may be used again");
    assert_eq!(Delivery::ack_all(&mut again), Ok(()), "and nothing is nothing");
    clock.advance(DEADLINE * 2);
    engine.tick();
    assert!(receive_all(&subscription).is_empty(), "an acked message never comes again");
    assert_balanced(&subscription);
}

#[test]
fn deliveries_of_several_subscriptions_are_acked_each_on_its_own() {
    let (engine, clock) = manual();
    let slow = Engine::new(); // another engine, and another clock
    let topic =
        |engine: &Engine| engine.create_topic("topic", TopicConfig::default().ring_slots(16)).unwrap();
    let (one, two) = (topic(&engine), topic(&slow));
    let subscriptions =
        [("sub-a", &one), ("sub-b", &one), ("sub-c", &two)].map(|(name, topic)| subscribe(topic, name));
    for number in 0..4 {
        for topic in [&one, &two] {
            topic.publisher().publish(message(number)).unwrap();
        }
    }
    let mut all: Vec<_> =
        (0..4).flat_map(|_| subscriptions.each_ref().map(|each| each.recv().unwrap())).collect();
    clock.advance(DEADLINE);
    assert_eq!(Delivery::ack_all(&mut all), Err(AckError::Expired));
    assert_eq!(numbers(&all), [0, 0, 1, 1, 2, 2, 3, 3], "those of the other engine were in time");
    let acked = subscriptions.each_ref().map(|each| each.stats().acked);
    assert_eq!(acked, [0, 0, 4]);
    drop(all);
    assert_eq!(subscriptions.each_ref().map(receive_all), [vec![0, 1, 2, 3], vec![0, 1, 2, 3], vec![]]);
    subscriptions.iter().for_each(assert_balanced);
}

#[test]
fn ids_are_acked_at_once_and_those_of_what_is_over_stay() {
    let (_engine, clock, publisher, subscription) = single(16);
    let other = subscribe(&subscription.topic(), "other");
    (0..5).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    let pulled = subscription.pull(5).unwrap();
    let mut ids: Vec<_> = pulled.iter().map(Delivery::ack_id).collect();
    let (twice, foreign) = (ids[2], other.recv().unwrap().into_ack_id());
    ids.extend([twice, foreign]);
    pulled[3].modify_ack_deadline(MOMENT).unwrap();
    clock.advance(MOMENT);
    let late = ids[3];
    assert_eq!(subscription.ack_all(&mut ids), Err(AckError::Expired));
    assert_eq!(ids, [late, twice, foreign], "late, acked before, another subscription's");
    assert_eq!((subscription.stats().acked, other.stats().acked), (4, 0));
    let mut foreign = vec![foreign];
    assert_eq!(other.ack_all(&mut foreign), Ok(()));
    assert!(foreign.is_empty());
    drop(pulled);
    assert_eq!(receive_all(&subscription), [3]);
    assert_balanced(&subscription);
}

type AckAll = fn(&Subscription, Vec<Delivery>);

const WAYS: [(&str, AckAll); 2] = [
    ("deliveries", |_, mut pulled| Delivery::ack_all(&mut pulled).expect("in time")),
    ("ids", |subscription, pulled| {
        let mut ids: Vec<AckId> = pulled.into_iter().map(Delivery::into_ack_id).collect();
        subscription.ack_all(&mut ids).expect("in time");
    }),
];

#[test]
fn the_next_of_each_key_may_go() {
    for (how, ack_all) in WAYS {
        let (_engine, _clock, publisher, subscription) = single_with(16, ordering());
        for number in 0..6 {
            publisher.publish(keyed(["a", "b", "c"][number % 3], number as u64)).unwrap();
        }
        let pulled = subscription.pull(8).unwrap();
        assert_eq!(numbers(&pulled), [0, 1, 2], "{how}");
        ack_all(&subscription, pulled);
        assert_eq!(receive_all(&subscription), [3, 4, 5], "{how}");
        assert_balanced(&subscription);
    }
}

/// Tells, when it is dropped, what can be received then.
struct Receives(Subscription, mpsc::Sender<Option<u64>>);

impl AsRef<[u8]> for Receives {
    fn as_ref(&self) -> &[u8] {
        &[7; 8_192]
    }
}

impl Drop for Receives {
    fn drop(&mut self) {
        let delivery = self.0.try_recv().expect("attached");
        self.1.send(delivery.as_ref().map(|delivery| of(delivery).0)).expect("somebody listens");
    }
}

/// It has counted by then: with credit for one lease there is that one to be had.
#[test]
fn the_owner_of_a_payload_comes_back_to_a_subscription_that_has_credit_again() {
    for (how, ack_all) in WAYS {
        let config = SubscriptionConfig::default().max_outstanding_messages(1);
        let (_engine, _clock, publisher, subscription) = single_with(4, config);
        let (tell, told) = mpsc::channel();
        let receives = Receives(subscription.clone(), tell);
        publisher.publish(Message::new(Bytes::from_owner(receives))).unwrap();
        let pulled = subscription.pull(1).unwrap();
        (1..5).for_each(|number| _ = publisher.publish(message(number)).unwrap()); // its slot is used again
        assert!(told.try_recv().is_err(), "{how}: the lease has it");
        ack_all(&subscription, pulled);
        assert_eq!(told.try_recv(), Ok(Some(1)), "{how}");
        assert_eq!(receive_all(&subscription), [1, 2, 3, 4], "{how}: dropped there, it was nacked");
        assert_balanced(&subscription);
    }
}
