//! What a close leaves behind: every call that waits returns, with its message; the report; and nothing goes on. (What a
//! close waits for: tests/closing.rs; streams and receipts that are awaited: tests/streams.)

use crate::common::failing::{DEADLINE, of};
use crate::common::{assert_balanced, for_a_while, manual, message, single, subscribe, topic, until};
use ringmain::{
    AckError, Close, CloseReport, Dispatcher, Engine, Error, PublishError, RecvError, SubscriptionConfig,
    TopicConfig, Verdict, WaitStrategy,
};
use ringmain_ring::sync::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Every way to an end.
const WAYS: [Option<Close>; 3] = [Some(Close::Now), Some(Close::Drain(Duration::from_millis(5))), None];

/// Closes an engine, or drops its last handle.
fn end(engine: Engine, how: Option<Close>) -> Option<CloseReport> {
    let report = how.map(|how| engine.close(how));
    drop(engine);
    report
}

fn parks(slots: usize) -> TopicConfig {
    TopicConfig::default().ring_slots(slots).wait(WaitStrategy::Park)
}

#[test]
fn every_publish_that_waits_comes_back_with_its_message() {
    for how in WAYS {
        let (engine, _clock) = manual();
        let topic = engine.create_topic("topic", parks(4).batch(2, 1 << 20)).unwrap();
        let subscription = subscribe(&topic, "sub");
        thread::scope(|scope| {
            let batch = scope.spawn(|| topic.publisher().publish_batch((0..9).map(message)).unwrap_err());
            until(|| topic.stats().published == 4);
            let timeout =
                scope.spawn(|| topic.publisher().publish_timeout(message(7), Duration::MAX).map(drop));
            let slice = scope.spawn(|| topic.publisher().publish_slice(b"x").map(drop));
            let with = scope.spawn(|| topic.publisher().publish_with(1, |buffer| buffer[0] = 1).map(drop));
            let several = scope.spawn(|| topic.publisher().publish_batch_with(2, 8, |_, _| ()).map(drop));
            let receipt = scope.spawn(|| match topic.publisher().enqueue(message(8)) {
                Ok(receipt) => receipt.wait().map(drop),
                Err(error) => {
                    assert_eq!(error.into_message(), message(8));
                    Err(PublishError::Closed(()))
                }
            });
            let flush = scope.spawn(|| {
                let publisher = topic.publisher();
                if publisher.enqueue(message(8)).is_err() {
                    return Err(PublishError::Closed(()));
                }
                publisher.flush()
            });
            let calls = [&slice, &with, &several, &receipt, &flush];
            let waits = || {
                !batch.is_finished() && !timeout.is_finished() && calls.iter().all(|call| !call.is_finished())
            };
            assert!(for_a_while(waits), "the ring is full");
            if let Some(report) = end(engine, how) {
                assert_eq!((report.unread, report.unacked), (4, 0), "{how:?}");
            }
            let error = batch.join().unwrap();
            assert_eq!(error.published.iter().map(|id| id.get()).collect::<Vec<_>>(), [0, 1, 2, 3]);
            assert!(matches!(error.error, PublishError::Closed(m) if m == message(4)), "{how:?}");
            assert_eq!(error.rest, (5..9).map(message).collect::<Vec<_>>());
            assert!(matches!(timeout.join().unwrap(), Err(PublishError::Closed(m)) if m == message(7)));
            for call in [slice, with, several, receipt, flush] {
                assert!(matches!(call.join().unwrap(), Err(PublishError::Closed(()))), "{how:?}");
            }
        });
        let stats = subscription.stats();
        assert_eq!((stats.accepted, stats.discarded), (4, 4), "{how:?}");
        assert_balanced(&subscription);
    }
}

#[test]
fn every_call_that_waits_for_a_message_returns() {
    for how in WAYS {
        let (engine, _clock) = manual();
        let topic = engine.create_topic("topic", parks(4)).unwrap();
        let other = engine.create_topic("other", parks(4)).unwrap();
        let [first, second] = [&topic, &other].map(|topic| subscribe(topic, topic.name()));
        // One more has a message out, which keeps those from their end that wait for it to come back.
        let leased = subscribe(&topic, "leased");
        topic.publisher().publish(message(0)).unwrap();
        first.recv().unwrap().ack().unwrap();
        let delivery = leased.recv().unwrap();
        let mut dispatcher = Dispatcher::new()
            .add(&first, |_| Verdict::Ack)
            .add(&second, |_| Verdict::Ack)
            .add(&leased, |_| Verdict::Ack);
        thread::scope(|scope| {
            let calls = [
                scope.spawn(|| assert!(ended(leased.recv().unwrap_err()))),
                scope.spawn(|| assert!(ended(leased.recv_timeout(Duration::MAX).unwrap_err()))),
                scope.spawn(|| assert!(leased.iter().next().is_none())),
                scope.spawn(|| assert!(leased.wait(Duration::MAX), "there is something to be told")),
                scope.spawn(|| assert!(first.wait(Duration::MAX))),
                scope.spawn(|| second.process(|_| Verdict::Ack)),
                scope.spawn(|| dispatcher.run()),
            ];
            assert!(for_a_while(|| calls.iter().all(|call| !call.is_finished())));
            let report = end(engine, how);
            assert!(
                report.is_none_or(|report| (report.unread, report.unacked) == (0, 1)),
                "{how:?}: {report:?}"
            );
            calls.into_iter().for_each(|call| call.join().unwrap());
        });
        assert_eq!(delivery.ack(), Err(AckError::Expired));
    }
}

fn ended(error: RecvError) -> bool {
    error == RecvError::Closed
}

#[test]
fn close_now_nacks_what_is_outstanding() {
    let (engine, clock) = manual();
    let topic = topic(&engine, 16);
    let dead = engine.create_topic("dead", TopicConfig::default()).unwrap();
    let letters = subscribe(&dead, "letters");
    let config = SubscriptionConfig::default().dead_letter(&dead, 5).max_lease(Duration::from_secs(3600));
    let subscription = topic.create_subscription("sub", config).unwrap();
    (0..4).for_each(|number| _ = topic.publisher().publish(message(number)).unwrap());
    subscription.recv().unwrap().ack().unwrap();
    (0..2).for_each(|_| drop(subscription.pull(2).unwrap()));
    let mut out = subscription.pull(9).unwrap(); // the ring's turn
    out.extend(subscription.pull(9).unwrap());
    assert_eq!(out.iter().map(of).collect::<Vec<_>>(), [(3, 1), (1, 3), (2, 3)]);
    let by_id = out.pop().unwrap().into_ack_id();
    let report = engine.close(Close::Now);
    assert_eq!((report.unread, report.unacked), (0, 3));
    let stats = subscription.stats();
    assert_eq!((stats.nacked, stats.outstanding, stats.outstanding_bytes, stats.discarded), (4 + 3, 0, 0, 3));
    assert_eq!(subscription.ack(by_id), Err(AckError::Expired));
    assert_eq!(subscription.nack(by_id), Err(AckError::Expired));
    assert_eq!(out[0].modify_ack_deadline(DEADLINE), Err(AckError::Expired));
    assert!(out.into_iter().all(|delivery| delivery.ack() == Err(AckError::Expired)));
    clock.advance(DEADLINE);
    engine.tick();
    assert_eq!(subscription.stats().nacked, 7, "once");
    assert_eq!(letters.stats().accepted, 0, "nobody is to blame");
    assert_balanced(&subscription);
}

#[test]
fn the_report_counts_what_is_left_in_every_state_and_nothing_else() {
    for how in [Close::Now, Close::Drain(Duration::from_millis(2))] {
        let (engine, clock) = manual();
        let topic = topic(&engine, 64);
        let dead = engine.create_topic("dead", TopicConfig::default()).unwrap();
        let second = Duration::from_secs(1);
        let config = SubscriptionConfig::default()
            .dead_letter(&dead, 5)
            .retry(second, second)
            .filter("NOT attributes:no");
        let subscription = topic.create_subscription("sub", config).unwrap();
        engine.delete_topic("dead").unwrap();
        let publisher = topic.publisher();
        publisher.publish(message(0)).unwrap(); // parked
        for _ in 0..5 {
            drop(subscription.recv().unwrap());
            clock.advance(second);
        }
        (1..5).for_each(|number| _ = publisher.publish(message(number)).unwrap());
        publisher.publish(message(5).attribute("no", "")).unwrap(); // filtered
        let mut all = subscription.pull(9).unwrap().into_iter();
        let [ready, backoff, acked, leased] = [(); 4].map(|()| all.next().unwrap());
        assert_eq!(subscription.stats().filtered, 1);
        drop(ready);
        clock.advance(second);
        engine.tick();
        drop(backoff);
        acked.ack().unwrap();
        (6..9).for_each(|number| _ = publisher.publish(message(number)).unwrap()); // unread
        let stats = subscription.stats();
        assert_eq!((stats.parked, stats.held, stats.outstanding, stats.unread), (1, 3, 1, 3));
        // Others: of a topic that is deleted, detached, deleted, and with nothing left.
        let other = engine.create_topic("other", TopicConfig::default()).unwrap();
        let [orphan, detached, drained] =
            ["orphan", "detached", "drained"].map(|name| subscribe(&other, name));
        subscribe(&other, "deleted");
        (0..2).for_each(|number| _ = other.publisher().publish(message(number)).unwrap());
        engine.delete_topic("other").unwrap();
        engine.delete_subscription("deleted").unwrap();
        detached.detach();
        assert_eq!(crate::common::receive_all(&drained), [0, 1]);
        let report = engine.close(how);
        assert_eq!((report.unread, report.unacked), (3 + 2, 4), "{how:?}");
        assert!(leased.ack().is_err());
        let discarded = [&subscription, &orphan, &detached, &drained].map(|one| {
            assert_balanced(one);
            one.stats().discarded
        });
        assert_eq!(discarded, [7, 2, 2, 0], "{how:?}");
        assert_eq!(engine.close(how), CloseReport::default(), "once is enough");
    }
}

#[test]
fn a_closed_engine_is_closed_for_all_its_handles() {
    for how in [Close::Now, Close::Drain(Duration::MAX)] {
        let (engine, _clock) = manual();
        let topic = topic(&engine, 16);
        let (publisher, subscription) = (topic.publisher(), subscribe(&topic, "sub"));
        assert_eq!(engine.clone().close(how), CloseReport::default());
        let closed = |result: Result<_, PublishError<_>>| matches!(result, Err(PublishError::Closed(m)) if m == message(1));
        assert!(closed(publisher.publish(message(1))) && closed(topic.publisher().publish(message(1))));
        assert_eq!(engine.create_topic("another", TopicConfig::default()).unwrap_err(), Error::Closed);
        let another = topic.create_subscription("another", SubscriptionConfig::default());
        assert_eq!(another.unwrap_err(), Error::Closed);
        assert!(ended(subscription.recv().unwrap_err()) && ended(subscription.try_recv().unwrap_err()));
        assert!(ended(subscription.pull(1).unwrap_err()));
        engine.tick();
        assert_eq!(engine.close(how), CloseReport::default());
        assert_balanced(&subscription);
    }
}

#[test]
fn an_engine_without_handles_is_closed_also_for_topics_that_live_on() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 16);
    let unheard = engine.create_topic("unheard", TopicConfig::default()).unwrap();
    let (publisher, subscription) = (topic.publisher(), subscribe(&topic, "sub"));
    publisher.publish(message(0)).unwrap();
    drop(engine);
    for publisher in [publisher, unheard.publisher()] {
        assert!(matches!(publisher.publish(message(1)), Err(PublishError::Closed(m)) if m == message(1)));
    }
    let another = unheard.create_subscription("another", SubscriptionConfig::default());
    assert_eq!(another.unwrap_err(), Error::Closed);
    assert!(ended(subscription.recv().unwrap_err()));
    assert_eq!(subscription.stats().discarded, 1);
}

#[test]
fn what_is_staged_is_refused_by_the_close_itself() {
    let (engine, _clock, publisher, subscription) = single(8);
    (0..8).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    let receipt = publisher.enqueue(message(8)).unwrap();
    assert!(!receipt.is_ready(), "a ring behind");
    engine.delete_topic(subscription.topic().name()).unwrap();
    assert!(receipt.is_ready(), "before anybody waits for it, publishes or receives");
    assert!(matches!(receipt.wait(), Err(PublishError::Closed(()))));
    assert!(matches!(publisher.flush(), Err(PublishError::Closed(()))), "it was not published");
    assert!(matches!(publisher.flush(), Err(PublishError::Closed(()))), "and will not be");
    publisher.clone().flush().expect("nothing was enqueued there");
}

/// Though somebody is staging one more just then.
#[test]
fn what_is_staged_and_has_room_goes_when_its_topic_is_deleted() {
    for round in 0..500 {
        let (engine, _clock) = manual();
        let config = TopicConfig::default().ring_slots(4_096).batch(2_000, 1 << 20);
        let topic = engine.create_topic("topic", config).unwrap();
        let (publisher, subscription) = (topic.publisher(), subscribe(&topic, "sub"));
        (0..3).for_each(|number| _ = publisher.publish(message(number)).unwrap());
        subscription.recv().unwrap().ack().unwrap(); // busy: what is enqueued is staged
        let staged = AtomicUsize::new(0);
        let (before, receipts) = thread::scope(|scope| {
            let stages = scope.spawn(|| {
                let enqueue = |number| {
                    let receipt = publisher.enqueue(message(number)).ok();
                    staged.fetch_add(1, Ordering::Relaxed);
                    receipt
                };
                (0..1_900).map_while(enqueue).collect::<Vec<_>>()
            });
            until(|| staged.load(Ordering::Relaxed) > 50 + round % 50);
            let before = staged.load(Ordering::Relaxed).min(1_900) - 1;
            engine.delete_topic("topic").unwrap();
            (before, stages.join().unwrap())
        });
        let published = receipts.into_iter().take(before).filter_map(|receipt| receipt.wait().ok());
        assert_eq!(published.count(), before, "round {round}");
    }
}
