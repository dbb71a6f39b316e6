//! Faults that the broker before this one had, each with the test that would have found it.

use crate::common::failing::{DEADLINE, FAILURES, Failing, of};
use crate::common::{assert_balanced, manual, message, number, receive_all, single, subscribe, topic};
use ringmain::{
    AckError, Close, CloseReport, Delivery, Dispatcher, PublishError, RecvError, SubscriptionConfig,
    TopicConfig, Verdict,
};
use std::time::Duration;

fn config() -> SubscriptionConfig {
    SubscriptionConfig::default()
}

/// It kept the flow-control credit of leases that expired, until nothing was delivered any more.
#[test]
fn an_expired_lease_gives_its_credit_back_in_messages_and_in_bytes() {
    for limits in [config().max_outstanding_messages(3), config().max_outstanding_bytes(24)] {
        let (engine, clock) = manual();
        let topic = topic(&engine, 16);
        let subscription = topic.create_subscription("sub", limits).unwrap();
        (0..6).for_each(|number| _ = topic.publisher().publish(message(number)).unwrap());
        let mut lost = Vec::new();
        for round in 0..50 {
            let deliveries = subscription.pull(100).unwrap();
            assert_eq!(deliveries.len(), 3, "in round {round}");
            assert!(subscription.try_recv().unwrap().is_none());
            let stats = subscription.stats();
            assert_eq!((stats.outstanding, stats.outstanding_bytes), (3, 24));
            lost.extend(deliveries);
            clock.advance(DEADLINE);
            engine.tick();
            let stats = subscription.stats();
            assert_eq!((stats.outstanding, stats.outstanding_bytes, stats.expired), (0, 0, 3 * (round + 1)));
        }
        // Nor does what ends twice give anything back twice.
        assert!(lost.into_iter().all(|delivery| delivery.ack() == Err(AckError::Expired)));
        assert_eq!(subscription.stats().outstanding_bytes, 0);
        assert_eq!(subscription.pull(100).unwrap().len(), 3);
        assert_balanced(&subscription);
    }
}

/// It gave the credit of an acked message with an ordering key back twice, and went over the limit.
#[test]
fn an_ordered_ack_gives_its_credit_back_once() {
    for limits in [config().max_outstanding_messages(2), config().max_outstanding_bytes(16)] {
        let (engine, _clock) = manual();
        let topic = topic(&engine, 64);
        let subscription = topic.create_subscription("sub", limits.message_ordering()).unwrap();
        for number in 0..60 {
            topic.publisher().publish(message(number).ordering_key(format!("{}", number % 5))).unwrap();
        }
        let mut out: Vec<Delivery> = Vec::new();
        for acked in 0..60 {
            out.extend(subscription.pull(100).unwrap());
            let expected = (60 - acked).min(2);
            assert_eq!(out.len() as u64, expected, "after {acked} acks");
            let stats = subscription.stats();
            assert_eq!((stats.outstanding, stats.outstanding_bytes), (expected, expected * 8));
            let one = out.remove(0);
            let id = one.ack_id();
            one.ack().unwrap();
            assert_eq!(subscription.ack(id), Err(AckError::Expired));
            let stats = subscription.stats();
            assert_eq!((stats.outstanding, stats.outstanding_bytes), (expected - 1, (expected - 1) * 8));
        }
        assert_eq!(subscription.stats().acked, 60);
        assert_balanced(&subscription);
    }
}

/// It delivered later messages of a key while an earlier one waited out its backoff.
#[test]
fn backoff_lets_no_later_message_of_the_key_overtake() {
    for failure in FAILURES {
        let (engine, clock) = manual();
        let topic = topic(&engine, 16);
        let settings = config().message_ordering().retry(Duration::from_secs(10), Duration::from_secs(20));
        let subscription = topic.create_subscription("sub", settings).unwrap();
        let failing = Failing { engine: &engine, clock: &clock, subscription: &subscription };
        let publisher = topic.publisher();
        publisher.publish(message(0).ordering_key("key")).unwrap();
        for (attempt, backoff) in [(1, 10), (2, 20), (3, 20)] {
            assert_eq!(failing.fail(failure), Some((0, attempt)), "{failure:?}");
            publisher.publish(message(u64::from(attempt)).ordering_key("key")).unwrap();
            publisher.publish(message(100).ordering_key("other")).unwrap();
            publisher.publish(message(101)).unwrap();
            assert_eq!(receive_all(&subscription), [100, 101], "others go on");
            clock.advance(Duration::from_secs(backoff) - Duration::from_nanos(1));
            engine.tick();
            assert_eq!(receive_all(&subscription), [], "{failure:?}");
            clock.advance(Duration::from_nanos(1));
        }
        assert_eq!(receive_all(&subscription), [0, 1, 2, 3], "{failure:?}");
        assert_balanced(&subscription);
    }
}

/// It took a message off the subscription, did not find the dead-letter topic, and dropped it.
#[test]
fn no_message_is_lost_when_the_dead_letter_topic_is_missing() {
    for failure in FAILURES {
        let (engine, clock) = manual();
        let topic = topic(&engine, 16);
        let dead = engine.create_topic("dead", TopicConfig::default()).unwrap();
        let subscription = topic.create_subscription("sub", config().dead_letter(&dead, 5)).unwrap();
        engine.delete_topic("dead").unwrap();
        drop(dead);
        topic.publisher().publish(message(1)).unwrap();
        let failing = Failing { engine: &engine, clock: &clock, subscription: &subscription };
        for attempt in 1..=5 {
            assert_eq!(failing.fail(failure), Some((1, attempt)));
        }
        for _ in 0..3 {
            clock.advance(DEADLINE);
            engine.tick();
            assert_eq!(failing.fail(failure), None, "it is no longer delivered");
            let stats = subscription.stats();
            assert_eq!((stats.parked, stats.held, stats.held_bytes), (1, 1, 8), "{failure:?}");
            assert_eq!((stats.dead_lettered, stats.discarded, stats.backlog()), (0, 0, 1));
            assert_balanced(&subscription);
        }
        assert_eq!(engine.close(Close::Drain(Duration::MAX)).unacked, 1, "and whoever closes is told");
    }
}

/// It returned an id for a message whose topic had been deleted, and kept it nowhere.
#[test]
fn a_publish_to_a_topic_that_vanished_fails_with_its_message() {
    // With a consumer that is busy, what is enqueued would be staged.
    for (subscribed, busy, recreated) in [
        (false, false, false),
        (false, false, true),
        (true, false, false),
        (true, true, false),
        (true, true, true),
    ] {
        let (engine, _clock) = manual();
        let old = topic(&engine, 16);
        let publisher = old.publisher();
        let subscription = subscribed.then(|| subscribe(&old, "sub"));
        publisher.publish(message(0)).unwrap();
        publisher.enqueue(message(1)).unwrap().wait().unwrap();
        let consumer = subscription.as_ref().filter(|_| busy);
        let mut out: Vec<_> = consumer.map(|consumer| consumer.recv().unwrap()).into_iter().collect();
        if busy {
            drop(publisher.enqueue(message(2)).unwrap());
        }
        engine.delete_topic("topic").unwrap();
        out.extend(consumer.map(|consumer| consumer.recv().unwrap())); // and there is more
        let new = recreated.then(|| subscribe(&topic(&engine, 16), "new"));
        for publisher in [&publisher, &publisher.clone(), &old.publisher()] {
            let closed = |result: Result<_, PublishError<_>>| matches!(result, Err(PublishError::Closed(m)) if m == message(2));
            assert!(closed(publisher.publish(message(2)).map(drop)));
            assert!(closed(publisher.try_publish(message(2)).map(drop)));
            assert!(closed(publisher.publish_timeout(message(2), Duration::MAX).map(drop)));
            assert!(closed(publisher.enqueue(message(2)).map(drop)), "busy: {busy}");
            let slices = [publisher.publish_slice(b"2"), publisher.publish_with(1, |buffer| buffer[0] = 2)];
            assert!(slices.iter().all(|slice| matches!(slice, Err(PublishError::Closed(())))));
            let batch = publisher.publish_batch([message(2), message(3)]).unwrap_err();
            assert_eq!((batch.published.len(), batch.rest), (0, vec![message(3)]));
            assert!(closed(Err(batch.error)));
        }
        let staged = u64::from(busy);
        assert_eq!(old.stats().published, 2 + staged);
        drop(out);
        if let Some(subscription) = subscription {
            let accepted: Vec<_> = (0..2 + staged).collect();
            assert_eq!(receive_all(&subscription), accepted, "what was accepted is delivered");
            assert_eq!(subscription.recv().unwrap_err(), RecvError::Closed);
            assert_balanced(&subscription);
        }
        assert!(
            new.is_none_or(|new| receive_all(&new).is_empty()),
            "a topic of the same name is another one"
        );
    }
}

/// It wiped everybody's topics and messages when one client was closed.
#[test]
fn whoever_drops_one_handle_takes_nothing_from_the_others() {
    let (engine, clock, publisher, subscription) = single(16);
    let other = subscribe(&subscription.topic(), "other");
    (0..3).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    let leased = subscription.recv().unwrap();
    subscription.recv().unwrap().nack().unwrap();
    let untouched = |held: u64| {
        let stats = subscription.stats();
        assert_eq!(
            (stats.accepted, stats.outstanding, stats.held, stats.discarded),
            (3, 1, held, 0),
            "{stats:?}"
        );
        assert_eq!(other.stats().unread, 3);
    };
    let (engine_clone, publisher_clone, subscription_clone) =
        (engine.clone(), publisher.clone(), subscription.clone());
    untouched(1);
    drop(subscription_clone);
    drop(engine.subscription("sub").unwrap());
    drop(engine.topic("topic").unwrap());
    untouched(1);
    drop(publisher_clone);
    drop(subscription.topic().publisher());
    untouched(1);
    drop(engine_clone);
    drop(engine.clone());
    untouched(1);
    drop(Dispatcher::new().add(&subscription, |_| Verdict::Ack));
    drop(clock);
    untouched(1);
    leased.ack().unwrap();
    assert_eq!(receive_all(&subscription), [1, 2]);
    publisher.publish(message(3)).unwrap();
    assert_eq!(receive_all(&subscription), [3]);
    assert_eq!(receive_all(&other), [0, 1, 2, 3]);
}

/// The same of the last handle on a subscription or a topic: both are the engine's, until they are deleted.
#[test]
fn a_subscription_and_a_topic_without_handles_keep_their_messages() {
    let (engine, clock, publisher, subscription) = single(16);
    let id = {
        publisher.publish(message(0)).unwrap();
        publisher.publish(message(1)).unwrap();
        publisher.publish(message(2)).unwrap();
        subscription.recv().unwrap().nack().unwrap();
        let both = [(); 2].map(|()| subscription.recv().unwrap());
        both.map(Delivery::into_ack_id)
    };
    drop((publisher, subscription));
    engine.topic("topic").unwrap().publisher().publish(message(3)).unwrap();
    let again = engine.subscription("sub").unwrap();
    again.ack(id[0]).unwrap();
    clock.advance(DEADLINE);
    assert_eq!(again.ack(id[1]), Err(AckError::Expired));
    let mut all = receive_all(&again);
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3], "0 was acked by its id, 1 came back, and nobody lost 3");
    assert_eq!(engine.close(Close::Now), CloseReport::default());
}

/// Deliveries outlive the handle that they came through, and end as if it were there.
#[test]
fn deliveries_outlive_the_handle_that_received_them() {
    let (_engine, _clock, publisher, subscription) = single(16);
    (0..3).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    let consumer = subscription.clone();
    let mut deliveries = consumer.pull(3).unwrap();
    drop(consumer);
    assert_eq!(number(deliveries[2].data()), 2);
    deliveries.pop().unwrap().ack().unwrap();
    deliveries.pop().unwrap().nack().unwrap();
    drop(deliveries);
    assert_eq!(subscription.pull(9).unwrap().iter().map(of).collect::<Vec<_>>(), [(1, 2), (0, 2)]);
    assert_balanced(&subscription);
}
