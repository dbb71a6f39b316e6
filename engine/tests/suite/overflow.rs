//! Overflow policies of subscriptions: exact gaps, a detach that is told, and bounds on what is held.

#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::{assert_balanced, manual, message, number, receive_all, single, single_with};
use ringmain::{
    AckError, Close, Delivery, Dispatcher, Engine, Message, Overflow, PublishError, RecvError, Subscription,
    SubscriptionConfig, TopicConfig, Verdict,
};
use ringmain_ring::now;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Log<T> = Arc<Mutex<Vec<T>>>;

/// A log that handlers write, twice.
fn log<T>() -> (Log<T>, Log<T>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    (Arc::clone(&log), log)
}

#[test]
fn what_is_unread_and_large_is_given_up_for_ring_bytes_by_its_policy_long_before_the_ring_is_full() {
    for overflow in [Overflow::Block, Overflow::DropOldest, Overflow::Detach] {
        let (engine, _clock) = manual();
        let config = TopicConfig::default().ring_slots(64).ring_bytes(2 * 2_000);
        let topic = engine.create_topic("topic", config).unwrap();
        let config = SubscriptionConfig::default().overflow(overflow);
        let subscription = topic.create_subscription("sub", config).unwrap();
        // Large are those above 31 bytes, and there may be 2,000 of them together.
        let publish = || topic.publisher().try_publish(Message::new(vec![7; 1_000]));
        (0..2).for_each(|_| _ = publish().unwrap());
        let third = publish();
        let received = subscription.try_recv();
        match overflow {
            Overflow::Block => assert!(matches!(third, Err(PublishError::Full(_)))),
            Overflow::DropOldest => {
                // The first for its bytes; and the slot after it, the second's, is the next one.
                assert!(matches!(received, Err(RecvError::Lagged(2))), "{received:?}");
                assert_eq!(subscription.pull(9).unwrap().len(), 1);
            }
            _ => assert!(matches!(received, Err(RecvError::Detached))),
        }
        drop(received);
        assert_balanced(&subscription);
    }
}

#[test]
fn drop_oldest_tells_exact_gaps_in_place_and_leased() {
    let (_engine, _clock, publisher, first) = single(8);
    let topic = first.topic();
    first.detach();
    let config = SubscriptionConfig::default().overflow(Overflow::DropOldest);
    let [in_place, leased] =
        ["in-place", "leased"].map(|name| topic.create_subscription(name, config.clone()).unwrap());
    let (story, write) = log();
    let lagged = Arc::clone(&write);
    let mut dispatcher = Dispatcher::new().add_lossy(
        &in_place,
        move |message| {
            write.lock().unwrap().push(i64::try_from(number(message.data())).unwrap());
            Verdict::Ack
        },
        move |lost| lagged.lock().unwrap().push(-i64::try_from(lost).unwrap()),
    );
    for number in 1..=20 {
        publisher.try_publish(message(number)).unwrap();
    }
    dispatcher.run_until_idle();
    let mut told = Vec::new();
    loop {
        match leased.try_recv() {
            Ok(Some(delivery)) => {
                told.push(i64::try_from(number(delivery.data())).unwrap());
                delivery.ack().unwrap();
            }
            Ok(None) => break,
            Err(RecvError::Lagged(lost)) => told.push(-i64::try_from(lost).unwrap()),
            Err(error) => panic!("{error}"),
        }
    }
    let story = story.lock().unwrap();
    for told in [&*story, &told] {
        assert!(told[0] < 0, "the gap comes first: {told:?}");
        assert_eq!(told[1..], (1 - told[0]..=20).collect::<Vec<_>>());
    }
    assert_eq!(in_place.stats().accepted, 20);
    assert_eq!(leased.stats().accepted, 20);
    assert_balanced(&in_place);
    assert_balanced(&leased);
}

#[test]
fn a_gap_met_behind_a_redelivery_is_told_next() {
    let (_engine, _clock, publisher, first) = single(8);
    let topic = first.topic();
    first.detach();
    let config = SubscriptionConfig::default().overflow(Overflow::DropOldest);
    let subscription = topic.create_subscription("lossy", config).unwrap();
    publisher.publish(message(0)).unwrap();
    subscription.recv().unwrap().nack().unwrap();
    for number in 1..=20 {
        publisher.publish(message(number)).unwrap();
    }
    let back = subscription.pull(10).unwrap();
    assert_eq!(back.len(), 1, "what came back, and then the gap is in the way");
    let Err(RecvError::Lagged(lost)) = subscription.pull(10) else { panic!("the gap") };
    let rest = subscription.pull(10).unwrap();
    assert_eq!((number(rest[0].data()), rest.len() as u64), (lost + 1, 20 - lost));
    assert_balanced(&subscription);
}

#[test]
fn detach_by_policy_is_told_and_what_was_not_read_counts_as_discarded() {
    for leased in [true, false] {
        let (_engine, _clock, publisher, other) = single(8);
        let config = SubscriptionConfig::default().overflow(Overflow::Detach);
        let subscription = other.topic().create_subscription("impatient", config).unwrap();
        let mut dispatcher = Dispatcher::new();
        if !leased {
            dispatcher = dispatcher.add(&subscription, |_| Verdict::Ack);
        }
        for number in 0..9 {
            assert_eq!(other.topic().stats().subscriptions, 2);
            publisher.try_publish(message(number)).unwrap();
            assert_eq!(receive_all(&other), [number]);
        }
        if leased {
            assert_eq!(subscription.recv().unwrap_err(), RecvError::Detached);
        } else {
            assert_eq!(dispatcher.run_until_idle(), 0);
        }
        let stats = subscription.stats();
        assert_eq!((stats.accepted, stats.discarded, stats.unread), (9, 9, 0), "leased: {leased}");
        assert_eq!(other.topic().stats().subscriptions, 1);
        assert_balanced(&subscription);
    }
}

#[test]
fn a_gap_that_was_not_told_before_a_detach_is_not_told_after_it() {
    let config = SubscriptionConfig::default().overflow(Overflow::DropOldest);
    let (_engine, _clock, publisher, subscription) = single_with(4, config);
    publisher.publish(message(0)).unwrap();
    subscription.recv().unwrap().nack().unwrap();
    (1..9).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    // What came back goes before the gap, which is told the next time.
    assert_eq!(subscription.pull(10).unwrap().len(), 1);
    subscription.detach();
    let (gaps, write) = log();
    let mut dispatcher = Dispatcher::new().add_lossy(
        &subscription,
        |_| Verdict::Ack,
        move |lost| write.lock().unwrap().push(lost),
    );
    assert_eq!(dispatcher.run_until_idle(), 0);
    assert_eq!(*gaps.lock().unwrap(), [0; 0]);
    assert_balanced(&subscription);
}

#[test]
fn a_handler_that_always_nacks_holds_no_more_than_is_allowed() {
    let (_engine, _clock, publisher, other) = single(64);
    other.detach();
    let config = SubscriptionConfig::default().max_held_messages(10);
    let subscription = other.topic().create_subscription("bounded", config).unwrap();
    let mut dispatcher = Dispatcher::new().add(&subscription, |_| Verdict::Nack);
    for _ in 0..50 {
        while publisher.try_publish(message(1)).is_ok() {}
        dispatcher.poll();
        assert!(subscription.stats().held <= 10, "{:?}", subscription.stats());
    }
    assert_balanced(&subscription);
}

#[test]
fn a_gap_does_not_count_what_the_filter_would_not_have_let_through() {
    for shards in [1, 2] {
        let (engine, _clock) = manual();
        let config = TopicConfig::default().ring_slots(16).shards(shards);
        let topic = engine.create_topic("topic", config).unwrap();
        let config = SubscriptionConfig::default().overflow(Overflow::DropOldest).filter("attributes:odd");
        let subscription = topic.create_subscription("sub", config).unwrap();
        let publisher = topic.publisher();
        let (mut received, mut lost) = (0, 0);
        for round in 0..50 {
            for value in 0..(round * 7) % 90 {
                let plain = message(value);
                publisher.publish(if value % 2 == 1 { plain.attribute("odd", "") } else { plain }).unwrap();
            }
            loop {
                match subscription.try_recv() {
                    Ok(Some(delivery)) => {
                        assert_eq!(number(delivery.data()) % 2, 1);
                        delivery.ack().unwrap();
                        received += 1;
                    }
                    Ok(None) => break,
                    Err(RecvError::Lagged(gap)) => lost += gap,
                    Err(other) => panic!("{other}"),
                }
            }
            let stats = subscription.stats();
            let published = topic.stats().published;
            let odd = (0..=round).map(|round| (round * 7) % 90 / 2).sum::<u64>();
            assert_eq!((stats.acked, stats.dropped), (received, lost), "{stats:?}");
            assert_eq!(received + lost, odd, "{stats:?}");
            assert_eq!((stats.filtered, stats.accepted), (published - odd, published), "{stats:?}");
        }
        assert!(lost > 0 && received > 0);
    }
}

/// A blocking reader that has just made room, and a subscription that the policy ends with the next message: the look that
/// publishes what is staged accounts for everything.
#[test]
fn a_look_that_publishes_what_ends_the_subscription_accounts_for_it() {
    let (_engine, _clock, publisher, blocking) = single(4);
    let config = SubscriptionConfig::default().overflow(Overflow::Detach);
    let detached = blocking.topic().create_subscription("detached", config).unwrap();
    (0..4).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    blocking.recv().unwrap().ack().unwrap();
    let receipt = publisher.enqueue(message(4)).unwrap();
    let stats = detached.stats();
    assert_eq!((stats.accepted, stats.discarded), (5, 5), "{stats:?}");
    assert_eq!(detached.stats(), stats, "and so it stays");
    assert_eq!(detached.try_recv().unwrap_err(), RecvError::Detached);
    receipt.wait().unwrap();
    assert_balanced(&detached);
}

/// A subscription that has as much out as it may, in messages or in bytes, and was detached by its policy since.
fn detached_without_credit(in_bytes: bool) -> (Engine, Subscription, Delivery) {
    let detach = SubscriptionConfig::default().overflow(Overflow::Detach);
    let detach = if in_bytes { detach.max_outstanding_bytes(12) } else { detach.max_outstanding_messages(1) };
    let (engine, _clock, publisher, subscription) = single_with(8, detach);
    (0..2).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    let delivery = subscription.recv().unwrap();
    // In bytes there is some left, for less than the next one has, which is then held.
    assert!(subscription.try_recv().unwrap().is_none());
    (0..20).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    (engine, subscription, delivery)
}

#[test]
fn a_detach_is_told_also_where_there_is_no_credit() {
    type Receives = fn(&Subscription) -> Result<(), RecvError>;
    let receives: [Receives; 4] = [
        |subscription| subscription.try_recv().map(drop),
        |subscription| subscription.pull(9).map(drop),
        |subscription| subscription.recv_timeout(Duration::from_secs(5)).map(drop),
        |subscription| {
            assert!(subscription.wait(Duration::from_secs(5)), "there is something to be told");
            subscription.try_recv().map(drop)
        },
    ];
    for (receive, in_bytes) in receives.into_iter().flat_map(|one| [(one, false), (one, true)]) {
        let (_engine, subscription, delivery) = detached_without_credit(in_bytes);
        assert_eq!(receive(&subscription), Err(RecvError::Detached));
        assert_eq!(delivery.ack(), Err(AckError::Expired), "what it had is given up");
        assert_balanced(&subscription);
    }
}

#[test]
fn a_subscription_that_its_policy_has_detached_is_not_listed_and_no_drain_waits_for_it() {
    let (engine, subscription, _delivery) = detached_without_credit(false);
    assert_eq!(subscription.topic().subscriptions(), [""; 0]);
    let begin = now();
    let report = engine.close(Close::Drain(Duration::from_secs(5)));
    assert!(begin.elapsed() < Duration::from_secs(5));
    // One that was delivered; and of those that it could read, and of the one that was too much, none.
    assert_eq!((report.unread, report.unacked), (21, 1));
    assert_balanced(&subscription);
}
