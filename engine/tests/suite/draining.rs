//! A drain, and the dead letters that come about during it: forwarded, waited for, and only then is their topic closed.

#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::{
    assert_balanced, for_a_while, manual, message, number, receive_all, subscribe, topic, until,
};
use ringmain::{
    Close, CloseReport, Dispatcher, Engine, Error, InPlace, Overflow, PublishError, RecvError, Subscription,
    SubscriptionConfig, Topic, TopicConfig, Verdict,
};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A subscription that gives up after five failures.
fn giving_up(topic: &Topic, name: &str, dead: &Topic) -> Subscription {
    topic.create_subscription(name, SubscriptionConfig::default().dead_letter(dead, 5)).unwrap()
}

/// Receives to the end, and acks; what it was that came, in order of publishing.
fn all_that_comes(subscription: &Subscription) -> Vec<u64> {
    let mut all: Vec<_> = subscription
        .iter()
        .map(|next| {
            let delivery = next.unwrap();
            let number = number(delivery.data());
            delivery.ack().unwrap();
            number
        })
        .collect();
    all.sort_unstable();
    all
}

fn nack_all(subscription: &Subscription, in_place: bool) {
    if in_place {
        subscription.process(|_| Verdict::Nack);
    } else {
        subscription.iter().for_each(|next| next.unwrap().nack().unwrap());
    }
}

#[test]
fn what_fails_for_the_last_time_is_forwarded_and_waited_for_along_a_chain() {
    for in_place in [false, true] {
        let engine = Engine::new();
        // In this order by chance, since the engine goes through them in that of a hash.
        let (source, dead) = (topic(&engine, 64), engine.create_topic("dead", small()).unwrap());
        let last = engine.create_topic("last", small()).unwrap();
        let failing = giving_up(&source, "failing", &dead);
        let again = giving_up(&dead, "again", &last);
        let letters = subscribe(&last, "letters");
        (0..40).for_each(|number| _ = source.publisher().publish(message(number)).unwrap());
        thread::scope(|scope| {
            let closes = scope.spawn(|| engine.close(Close::Drain(Duration::from_secs(600))));
            until(|| failing.is_topic_closed());
            scope.spawn(|| nack_all(&failing, in_place));
            scope.spawn(|| nack_all(&again, in_place));
            assert_eq!(all_that_comes(&letters), (0..40).collect::<Vec<_>>());
            assert_eq!(closes.join().unwrap(), CloseReport::default());
        });
        assert_eq!([&failing, &again].map(|one| one.stats().dead_lettered), [40, 40]);
        [&failing, &again, &letters].into_iter().for_each(assert_balanced);
    }
}

/// Fewer slots than there are letters: some are parked.
fn small() -> TopicConfig {
    TopicConfig::default().ring_slots(4)
}

/// Nine messages that failed for the last time, of which the dead-letter topic has taken four; its clock stands.
fn five_parked() -> (Engine, Subscription, Subscription) {
    let (engine, _clock) = manual();
    let (source, dead) = (topic(&engine, 64), engine.create_topic("dead", small()).unwrap());
    let (failing, letters) = (giving_up(&source, "failing", &dead), subscribe(&dead, "letters"));
    (0..9).for_each(|number| _ = source.publisher().publish(message(number)).unwrap());
    (0..5).for_each(|_| drop(failing.pull(1000).unwrap()));
    assert_eq!(failing.stats().parked, 5);
    (engine, failing, letters)
}

#[test]
fn a_drain_forwards_what_is_parked_when_there_is_room_and_its_clock_stands() {
    let (engine, failing, letters) = five_parked();
    thread::scope(|scope| {
        let closes = scope.spawn(|| engine.close(Close::Drain(Duration::from_secs(600))));
        assert!(for_a_while(|| !closes.is_finished()), "some are parked, and there may be room yet");
        assert_eq!(all_that_comes(&letters), (0..9).collect::<Vec<_>>());
        assert_eq!(closes.join().unwrap(), CloseReport::default());
    });
    assert_balanced(&failing);
}

#[test]
fn where_nobody_subscribes_a_dead_letter_is_published_and_kept_by_nobody() {
    for had_one in [false, true] {
        let engine = Engine::new();
        let (source, dead) = (topic(&engine, 64), engine.create_topic("dead", small()).unwrap());
        if had_one {
            subscribe(&dead, "gone").detach();
        }
        let failing = giving_up(&source, "failing", &dead);
        (0..9).for_each(|number| _ = source.publisher().publish(message(number)).unwrap());
        thread::scope(|scope| {
            let closes = scope.spawn(|| engine.close(Close::Drain(Duration::from_secs(600))));
            until(|| failing.is_topic_closed());
            nack_all(&failing, false);
            assert_eq!(closes.join().unwrap(), CloseReport::default(), "had one: {had_one}");
        });
        assert_eq!((failing.stats().dead_lettered, dead.stats().published), (9, 9), "had one: {had_one}");
    }
}

#[test]
fn a_topic_that_waits_for_dead_letters_refuses_all_else() {
    let engine = Engine::new();
    let (source, dead) = (topic(&engine, 64), engine.create_topic("dead", small()).unwrap());
    let (failing, letters) = (giving_up(&source, "failing", &dead), subscribe(&dead, "letters"));
    source.publisher().publish(message(1)).unwrap();
    let out = failing.recv().unwrap();
    thread::scope(|scope| {
        let closes = scope.spawn(|| engine.close(Close::Drain(Duration::from_secs(600))));
        until(|| letters.is_topic_closed());
        let publisher = dead.publisher();
        assert_eq!(publisher.publish(message(2)).unwrap_err(), PublishError::Closed(message(2)));
        assert_eq!(publisher.publish_slice(b"x").unwrap_err(), PublishError::Closed(()));
        assert_eq!(publisher.enqueue(message(2)).unwrap_err(), PublishError::Closed(message(2)));
        assert_eq!(publisher.publish_batch(vec![message(2)]).unwrap_err().published.len(), 0);
        assert_eq!(dead.create_subscription("more", Default::default()).unwrap_err(), Error::Closed);
        assert_eq!(letters.recv_timeout(Duration::from_millis(20)).unwrap_err(), RecvError::Timeout);
        out.nack().unwrap();
        (0..4).for_each(|_| failing.recv().unwrap().nack().unwrap());
        assert_eq!(all_that_comes(&letters), [1]);
        assert_eq!(closes.join().unwrap(), CloseReport::default());
    });
}

#[test]
fn a_drain_whose_time_is_over_gives_dead_letters_up_that_there_was_no_room_for() {
    let (engine, failing, letters) = five_parked();
    let report = engine.close(Close::Drain(Duration::from_millis(20)));
    assert_eq!((report.unread, report.unacked), (4, 5));
    assert_eq!((failing.stats().discarded, letters.stats().discarded), (5, 4));
    [&failing, &letters].into_iter().for_each(assert_balanced);
}

/// Nobody else would make room for those that are parked.
#[test]
fn a_handler_of_dead_letters_that_closes_does_not_wait_for_more_of_them() {
    let (engine, _failing, letters) = five_parked();
    let (tell, told) = mpsc::channel();
    // (Not scoped: it may never come back.)
    thread::spawn(move || {
        letters.process(move |_| {
            tell.send(engine.close(Close::Drain(Duration::MAX))).unwrap();
            Verdict::Ack
        });
    });
    let report = told.recv_timeout(Duration::from_secs(60)).expect("it does not wait for itself");
    assert_eq!((report.unread, report.unacked), (0, 5));
}

#[test]
fn a_close_says_closed_and_a_detach_detached_whichever_came_before_the_other() {
    for how in [Close::Now, Close::Drain(Duration::ZERO)] {
        let engine = Engine::new();
        let source = engine.create_topic("topic", small()).unwrap();
        let policy = SubscriptionConfig::default().overflow(Overflow::Detach);
        let [open, detached, deleted] = ["open", "detached", "deleted"].map(|name| subscribe(&source, name));
        detached.detach();
        engine.delete_subscription("deleted").unwrap();
        let slow = source.create_subscription("slow", policy).unwrap();
        for number in 0..9 {
            source.publisher().publish(message(number)).unwrap();
            receive_all(&open);
        }
        source.publisher().publish(message(9)).unwrap();
        engine.close(how);
        open.detach();
        for (one, told) in [
            (open, RecvError::Closed),
            (detached, RecvError::Detached),
            (deleted, RecvError::Detached),
            (slow, RecvError::Detached),
        ] {
            assert_eq!(one.try_recv().unwrap_err(), told, "{one:?}");
            assert_eq!(one.recv().unwrap_err(), told, "{one:?}");
            assert_eq!(one.pull(9).unwrap_err(), told, "{one:?}");
            assert_eq!(one.recv_timeout(Duration::MAX).unwrap_err(), told, "{one:?}");
        }
    }
}

/// A topic "dead" that takes one letter at a time, and has one, of message 1; and who has failed for the last time with it.
fn one_letter_at_a_time(engine: &Engine) -> (Topic, Subscription, Subscription) {
    let dead = engine.create_topic("dead", TopicConfig::default().ring_slots(1)).unwrap();
    let letters = subscribe(&dead, "letters");
    let source = engine.create_topic("source", TopicConfig::default().ring_slots(8)).unwrap();
    let failing =
        source.create_subscription("failing", SubscriptionConfig::default().dead_letter(&dead, 5)).unwrap();
    source.publisher().publish(message(1)).unwrap();
    (0..5).for_each(|_| failing.recv().unwrap().nack().unwrap());
    (source, failing, letters)
}

/// Receives dead letters, but not at once.
fn read_late(letters: &Subscription, millis: u64) -> Vec<u64> {
    thread::park_timeout(Duration::from_millis(millis));
    all_that_comes(letters)
}

#[test]
fn a_letter_that_somebody_tries_again_is_waited_for() {
    for round in 0..50 {
        let (engine, _clock) = manual();
        let (source, failing, letters) = one_letter_at_a_time(&engine);
        source.publisher().publish(message(2)).unwrap();
        (0..5).for_each(|_| failing.recv().unwrap().nack().unwrap());
        assert_eq!((failing.stats().dead_lettered, failing.stats().parked), (1, 1));
        thread::scope(|scope| {
            scope.spawn(|| while !matches!(failing.try_recv(), Err(RecvError::Closed)) {});
            let reads = scope.spawn(|| read_late(&letters, 5));
            let report = engine.close(Close::Drain(Duration::from_secs(20)));
            assert_eq!(
                (report, reads.join().unwrap()),
                (CloseReport::default(), vec![1, 2]),
                "round {round}"
            );
        });
        assert_balanced(&failing);
    }
}

/// The last failure comes in place, while the drain waits for the turn, and its letter finds no room.
#[test]
fn a_letter_that_is_parked_at_the_end_of_a_turn_is_waited_for() {
    let engine = Engine::new();
    let (source, failing, letters) = one_letter_at_a_time(&engine);
    source.publisher().publish(message(2)).unwrap();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let handler = move |message: InPlace<'_>| {
                if message.delivery_attempt() == 5 {
                    tell.send(()).unwrap();
                    thread::park_timeout(Duration::from_millis(50)); // it works on it
                }
                Verdict::Nack
            };
            Dispatcher::new().add(&failing, handler).run();
        });
        told.recv().unwrap();
        let reads = scope.spawn(|| read_late(&letters, 150));
        let report = engine.close(Close::Drain(Duration::from_secs(20)));
        assert_eq!((report, reads.join().unwrap()), (CloseReport::default(), vec![1, 2]));
    });
    assert_balanced(&failing);
}

/// What is staged waits for the ring, the ring for who holds too much to read on, and he for the letter.
#[test]
fn a_drain_that_waits_for_what_is_staged_tries_again_what_is_parked() {
    let (engine, _clock) = manual();
    let source = engine.create_topic("source", TopicConfig::default().ring_slots(4)).unwrap();
    let dead = engine.create_topic("dead", TopicConfig::default().ring_slots(1)).unwrap();
    let config = SubscriptionConfig::default().dead_letter(&dead, 5).max_held_messages(1);
    let failing = source.create_subscription("failing", config).unwrap();
    let letters = subscribe(&dead, "letters");
    dead.publisher().publish(message(100)).unwrap();
    let publisher = source.publisher();
    publisher.publish(message(1)).unwrap();
    (0..5).for_each(|_| drop(failing.pull(1).unwrap()));
    assert_eq!(failing.stats().parked, 1);
    (2..6).for_each(|n| _ = publisher.publish(message(n)).unwrap());
    let receipt = publisher.enqueue(message(6)).unwrap();
    let report = thread::scope(|scope| {
        scope.spawn(|| failing.iter().for_each(|delivery| delivery.unwrap().ack().unwrap()));
        thread::park_timeout(Duration::from_millis(20)); // it sleeps
        let closes = scope.spawn(|| engine.close(Close::Drain(Duration::from_secs(5))));
        assert_eq!(all_that_comes(&letters), [1, 100]);
        closes.join().unwrap()
    });
    assert_eq!(report, CloseReport::default());
    assert!(receipt.wait().is_ok());
}
