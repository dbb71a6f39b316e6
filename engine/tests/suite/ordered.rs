//! Message ordering: one message of a key at a time, in the order published, whatever becomes of it; and nobody else
//! waits for it. (On real threads: tests/ordered_threads.rs.)
#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::failing::of;
use crate::common::{assert_balanced, keyed, manual, message, number, ordering, receive_all, single_with};
use ringmain::{AckError, Close, Delivery, Engine, ManualClock, RecvError, Subscription, Topic, TopicConfig};
use std::thread;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(1);
/// For what comes at once, or never.
const LONG: Duration = Duration::from_secs(20);

/// Everything that may be delivered now.
fn pull(subscription: &Subscription) -> Vec<Delivery> {
    let deliveries = subscription.pull(1_000).unwrap();
    assert_balanced(subscription);
    deliveries
}

fn told(deliveries: &[Delivery]) -> Vec<(u64, u32)> {
    deliveries.iter().map(of).collect()
}

#[test]
fn the_next_message_of_a_key_comes_when_the_one_before_is_acked_and_nobody_else_waits() {
    let (_engine, _clock, publisher, subscription) = single_with(16, ordering());
    for message in
        [keyed("a", 1), keyed("a", 2), keyed("b", 3), message(4), keyed("a", 5), message(6), keyed("b", 7)]
    {
        publisher.publish(message).unwrap();
    }
    let mut first = pull(&subscription);
    assert_eq!(told(&first), [(1, 1), (3, 1), (4, 1), (6, 1)]);
    let stats = subscription.stats();
    assert_eq!((stats.outstanding, stats.held, stats.unread, stats.backlog()), (4, 3, 0, 3));
    assert_eq!((stats.outstanding_bytes, stats.held_bytes), (32, 24));
    assert!(pull(&subscription).is_empty());
    // Unkeyed ones are nobody's predecessors.
    first.pop().unwrap().ack().unwrap();
    first.pop().unwrap().ack().unwrap();
    assert!(pull(&subscription).is_empty());
    first.pop().unwrap().ack().unwrap();
    assert_eq!(subscription.stats().held, 3, "the next of b is held, though ready");
    let next = pull(&subscription);
    assert_eq!(told(&next), [(7, 1)]);
    first.pop().unwrap().ack().unwrap();
    assert_eq!(receive_all(&subscription), [2, 5]);
    next.into_iter().for_each(|delivery| delivery.ack().unwrap());
    let stats = subscription.stats();
    assert_eq!((stats.acked, stats.delivered, stats.redelivered, stats.held), (7, 7, 0, 0));
    assert_balanced(&subscription);
    // A key that was drained begins anew.
    publisher.publish(keyed("a", 8)).unwrap();
    publisher.publish(keyed("a", 9)).unwrap();
    assert_eq!(receive_all(&subscription), [8, 9]);
}

#[test]
fn a_redelivery_keeps_its_place() {
    type End = fn(&Subscription, &ManualClock, Delivery);
    let ends: [(&str, End); 6] = [
        ("nack", |_, _, delivery| delivery.nack().unwrap()),
        ("drop", |_, _, delivery| drop(delivery)),
        ("nack by id", |subscription, _, delivery| subscription.nack(delivery.into_ack_id()).unwrap()),
        ("a deadline of zero", |_, _, delivery| delivery.modify_ack_deadline(Duration::ZERO).unwrap()),
        ("expiry", |_, clock, delivery| {
            clock.advance(DEADLINE);
            assert_eq!(delivery.ack(), Err(AckError::Expired));
        }),
        ("expiry, held on to", |_, clock, delivery| {
            _ = delivery.into_ack_id();
            clock.advance(DEADLINE);
        }),
    ];
    for (how, end) in ends {
        let (_engine, clock, publisher, subscription) = single_with(16, ordering());
        for number in 0..4 {
            publisher.publish(keyed("a", number)).unwrap();
        }
        for number in 0..4 {
            for attempt in 1..4 {
                let mut only = pull(&subscription);
                assert_eq!(told(&only), [(number, attempt)], "{how}");
                assert!(pull(&subscription).is_empty(), "{how}");
                end(&subscription, &clock, only.remove(0));
                assert_balanced(&subscription);
                // What comes later comes later.
                if number == 0 && attempt == 1 {
                    publisher.publish(keyed("a", 4)).unwrap();
                }
            }
            let mut only = pull(&subscription);
            assert_eq!(told(&only), [(number, 4)], "{how}");
            subscription.ack(only.remove(0).into_ack_id()).unwrap();
        }
        assert_eq!(receive_all(&subscription), [4]);
        let stats = subscription.stats();
        assert_eq!((stats.acked, stats.nacked + stats.expired, stats.redelivered), (5, 12, 12), "{how}");
        assert_eq!((stats.held, stats.outstanding), (0, 0), "{how}");
    }
}

#[test]
fn backoff_lets_no_later_message_of_the_key_overtake_and_holds_up_nobody_else() {
    let (engine, clock, publisher, subscription) = single_with(16, ordering().retry(DEADLINE, DEADLINE * 4));
    for number in 0..3 {
        publisher.publish(keyed("a", number)).unwrap();
        publisher.publish(keyed("b", number + 10)).unwrap();
        publisher.publish(message(number + 20)).unwrap();
    }
    for (attempt, backoff) in [(1, DEADLINE), (2, DEADLINE * 2), (3, DEADLINE * 4)] {
        let first = subscription.try_recv().unwrap().unwrap();
        assert_eq!(of(&first), (0, attempt));
        first.nack().unwrap();
        let others = receive_all(&subscription);
        assert_eq!(others, if attempt == 1 { vec![10, 20, 11, 21, 12, 22] } else { vec![] });
        assert_eq!((subscription.stats().held, subscription.stats().unread), (3, 0));
        clock.advance(backoff - MOMENT);
        engine.tick();
        assert!(pull(&subscription).is_empty());
        publisher.publish(keyed("b", 30)).unwrap();
        assert_eq!(receive_all(&subscription), [30]);
        clock.advance(MOMENT);
    }
    assert_eq!(receive_all(&subscription), [0, 1, 2]);
    assert_balanced(&subscription);
}

#[test]
fn a_dead_letter_frees_its_key_at_once_also_when_it_must_be_parked() {
    for full in [false, true] {
        let (engine, _clock) = manual();
        let dead = engine.create_topic("dead", TopicConfig::default().ring_slots(1)).unwrap();
        let letters = crate::common::subscribe(&dead, "letters");
        if full {
            dead.publisher().publish(message(9)).unwrap();
        }
        let topic = crate::common::topic(&engine, 16);
        let subscription = topic.create_subscription("sub", ordering().dead_letter(&dead, 5)).unwrap();
        let publisher = topic.publisher();
        for number in 0..3 {
            publisher.publish(keyed("a", number)).unwrap();
        }
        for attempt in 1..=5 {
            let only = pull(&subscription);
            assert_eq!(told(&only), [(0, attempt)]);
        }
        let mut next = pull(&subscription);
        assert_eq!(told(&next), [(1, 1)], "full: {full}");
        let stats = subscription.stats();
        assert_eq!((stats.dead_lettered, stats.parked), if full { (0, 1) } else { (1, 0) });
        assert_eq!(stats.held, if full { 2 } else { 1 }, "what is parked is held");
        next.remove(0).ack().unwrap();
        if full {
            assert_eq!(receive_all(&letters), [9]);
        }
        assert_eq!(receive_all(&subscription), [2]);
        engine.tick();
        let letter = letters.try_recv().unwrap().unwrap();
        assert_eq!((number(letter.data()), letter.ordering_key()), (0, Some("a")));
        letter.ack().unwrap();
        let stats = subscription.stats();
        assert_eq!((stats.acked, stats.dead_lettered, stats.held, stats.parked), (2, 1, 0, 0));
        assert_balanced(&subscription);
    }
}

#[test]
fn a_dead_letter_whose_topic_is_gone_does_not_stall_its_key() {
    let (engine, clock) = manual();
    let dead = engine.create_topic("dead", TopicConfig::default()).unwrap();
    let topic = crate::common::topic(&engine, 16);
    let subscription = topic.create_subscription("sub", ordering().dead_letter(&dead, 5)).unwrap();
    engine.delete_topic("dead").unwrap();
    for number in 0..10 {
        topic.publisher().publish(keyed("a", number)).unwrap();
    }
    for number in 0..10 {
        for attempt in 1..=5 {
            // By turns: dropped, and expired.
            let only = pull(&subscription);
            assert_eq!(told(&only), [(number, attempt)]);
            if attempt % 2 == 0 {
                only.into_iter().for_each(|delivery| _ = delivery.into_ack_id());
                clock.advance(DEADLINE);
            }
        }
    }
    assert!(pull(&subscription).is_empty());
    let stats = subscription.stats();
    assert_eq!((stats.parked, stats.held, stats.dead_lettered), (10, 10, 0));
    assert_balanced(&subscription);
}

#[test]
fn hundreds_queued_behind_a_key_are_in_nobodys_way() {
    for most in [1, 7, 1_000] {
        let (_engine, _clock, publisher, subscription) = single_with(1024, ordering());
        (0..700).for_each(|number| _ = publisher.publish(keyed("a", number)).unwrap());
        publisher.publish(keyed("b", 1_000)).unwrap();
        publisher.publish(message(1_001)).unwrap();
        let mut out = Vec::new();
        while out.len() < 3 {
            let some = subscription.pull(most).unwrap();
            assert!(!some.is_empty(), "{:?} of {most} at most", told(&out));
            out.extend(some);
        }
        assert_eq!(told(&out), [(0, 1), (1_000, 1), (1_001, 1)]);
        assert_eq!((subscription.stats().held, subscription.stats().held_bytes), (699, 699 * 8));
        out.into_iter().for_each(|delivery| delivery.ack().unwrap());
        assert_eq!(receive_all(&subscription), (1..700).collect::<Vec<_>>());
        assert_eq!((subscription.stats().acked, subscription.stats().held_bytes), (702, 0));
        assert_balanced(&subscription);
    }
}

/// A key for each shard.
fn keys_by_shard(engine: &Engine, shards: usize) -> Vec<String> {
    let topic = engine.create_topic("scratch", TopicConfig::default().shards(shards)).unwrap();
    let publisher = topic.publisher();
    let shard = |key: &String| publisher.publish(keyed(key, 0)).unwrap().get() % shards as u64;
    let found = |wanted| (0..).map(|n| format!("key-{n}")).find(|key| shard(key) == wanted);
    (0..shards as u64).map(|wanted| found(wanted).expect("some key hashes to it")).collect()
}

#[test]
fn a_stuck_key_on_every_shard_hides_no_other_message() {
    for (most, shard) in [1, 100].into_iter().flat_map(|most| (0..4).map(move |shard| (most, shard))) {
        let (engine, _clock) = manual();
        let keys = keys_by_shard(&engine, 4);
        let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(64).shards(4)).unwrap();
        let subscription = topic.create_subscription("sub", ordering()).unwrap();
        let publishers: Vec<_> = (0..4).map(|_| topic.publisher()).collect(); // one a shard, for what has no key
        keys.iter().for_each(|key| _ = publishers[0].publish(keyed(key, 0)).unwrap());
        let stuck = subscription.pull(4).unwrap();
        assert_eq!(stuck.len(), 4);
        for key in &keys {
            (0..63).for_each(|number| _ = publishers[0].publish(keyed(key, number + 1)).unwrap());
        }
        publishers[shard].publish(message(99)).unwrap();
        let only = subscription.pull(most).unwrap();
        assert_eq!(told(&only), [(99, 1)], "{most} at most, the message on shard {shard}");
    }
}

#[test]
fn what_queues_behind_a_stuck_key_is_bounded_and_then_the_ring_fills_up() {
    for most in [1, 3, 1_000] {
        for bytes in [false, true] {
            let config =
                if bytes { ordering().max_held_bytes(20 * 8) } else { ordering().max_held_messages(20) };
            let (_engine, _clock, publisher, subscription) = single_with(16, config);
            let mut published = 0;
            let mut stuck = Vec::new();
            for _ in 0..100 {
                while publisher.try_publish(keyed("a", published)).is_ok() {
                    published += 1;
                }
                publisher.resume_publishing("a");
                stuck.extend(subscription.pull(most).unwrap());
                // Bytes are counted when they are there: one call may go beyond.
                let beyond = if bytes { u64::try_from(most.min(16) - 1).unwrap() } else { 0 };
                let held = subscription.stats().held;
                assert!(held <= 20 + beyond, "{held} held, {most} at most, by bytes: {bytes}");
            }
            assert_eq!((told(&stuck), subscription.stats().unread), (vec![(0, 1)], 16));
            assert_balanced(&subscription);
            stuck.remove(0).ack().unwrap();
            let mut expected = 1;
            while expected < published {
                let only = subscription.pull(most).unwrap();
                assert_eq!(told(&only), [(expected, 1)], "{most} at most, by bytes: {bytes}");
                only.into_iter().for_each(|delivery| delivery.ack().unwrap());
                expected += 1;
            }
        }
    }
}

#[test]
fn detaching_and_closing_count_what_is_queued() {
    for close in [false, true] {
        let (engine, _clock, publisher, subscription) = single_with(16, ordering());
        for number in 0..6 {
            publisher.publish(keyed("a", number)).unwrap();
            publisher.publish(keyed("b", number)).unwrap();
        }
        let mut out = subscription.pull(10).unwrap();
        assert_eq!((out.len(), subscription.stats().held, subscription.stats().unread), (2, 10, 0));
        out.remove(0).nack().unwrap();
        if close {
            let report = engine.close(Close::Now);
            assert_eq!(report.unread + report.unacked, 12);
        } else {
            subscription.detach();
        }
        let told = if close { RecvError::Closed } else { RecvError::Detached };
        assert_eq!(subscription.pull(10).unwrap_err(), told);
        assert_eq!(out.remove(0).ack(), Err(AckError::Expired));
        let stats = subscription.stats();
        assert_eq!((stats.accepted, stats.discarded, stats.held, stats.outstanding), (12, 12, 0, 0));
        assert_balanced(&subscription);
    }
}

#[test]
fn closing_with_a_drain_and_deleting_the_topic_deliver_what_is_queued() {
    for close in [false, true] {
        let (engine, _clock, publisher, subscription) = single_with(16, ordering());
        (0..12).for_each(|number| _ = publisher.publish(keyed("a", number)).unwrap());
        let first = pull(&subscription);
        thread::scope(|scope| {
            let report = scope.spawn(|| {
                if close {
                    return Some(engine.close(Close::Drain(LONG)));
                }
                engine.delete_topic("topic").unwrap();
                None
            });
            crate::common::until(|| subscription.is_topic_closed());
            first.into_iter().for_each(|delivery| delivery.ack().unwrap());
            for expected in 1..12 {
                let next = subscription.recv_timeout(LONG).unwrap();
                assert_eq!(of(&next), (expected, 1));
                next.ack().unwrap();
            }
            assert!(report.join().unwrap().is_none_or(|report| report == ringmain::CloseReport::default()));
        });
        assert_eq!(subscription.try_recv().unwrap_err(), RecvError::Closed);
    }
}

#[test]
fn without_message_ordering_keys_mean_nothing() {
    let (_engine, _clock, publisher, ordered) = single_with(16, ordering());
    let topic: Topic = ordered.topic();
    let plain = crate::common::subscribe(&topic, "plain");
    (0..5).for_each(|number| _ = publisher.publish(keyed("a", number)).unwrap());
    let all = pull(&plain);
    assert_eq!(told(&all), (0..5).map(|number| (number, 1)).collect::<Vec<_>>());
    assert_eq!(told(&pull(&ordered)), [(0, 1)]);
    drop(all);
    assert_eq!(told(&pull(&plain)).len(), 5);
    assert_eq!((plain.stats().held, ordered.stats().held), (5, 5));
}
