//! Counters: each counts what it says; ages, backlogs and who is slowest are told while things go on.
#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::{assert_balanced, manual, message, receive_all, single, subscribe, topic};
use ringmain::{
    Close, Dispatcher, Engine, ManualClock, Overflow, Publisher, Subscription, SubscriptionConfig,
    TopicConfig, Verdict,
};
use ringmain_ring::sync::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(10);

fn age(subscription: &Subscription) -> Option<u64> {
    let age = subscription.stats().oldest_unacked?;
    assert_eq!(age.subsec_nanos(), 0);
    Some(age.as_secs())
}

/// Publishes one message a second.
fn one_a_second(publisher: &Publisher, clock: &ManualClock, count: u64) {
    for number in 0..count {
        publisher.publish(message(number)).unwrap();
        clock.advance(SECOND);
    }
}

#[test]
fn the_oldest_unacked_is_the_oldest_leased_or_held() {
    let (engine, clock, publisher, subscription) = single(16);
    clock.advance(SECOND * 5);
    assert_eq!(age(&subscription), None);
    one_a_second(&publisher, &clock, 4);
    let mut out = subscription.pull(10).unwrap();
    assert_eq!(age(&subscription), Some(4));
    // The age is since it was published, not since it was delivered, and nothing resets it.
    clock.advance(SECOND);
    assert_eq!(age(&subscription), Some(5));
    out.remove(0).nack().unwrap();
    assert_eq!(age(&subscription), Some(5), "held");
    let again = subscription.try_recv().unwrap().unwrap();
    assert_eq!((again.id().get(), age(&subscription)), (0, Some(5)));
    out.remove(1).ack().unwrap();
    assert_eq!(age(&subscription), Some(5), "a younger one was acked");
    again.ack().unwrap();
    assert_eq!(age(&subscription), Some(4));
    clock.advance(DEADLINE);
    engine.tick();
    assert_eq!((subscription.stats().held, age(&subscription)), (2, Some(14)), "expired");
    drop(out);
    receive_all(&subscription);
    assert_eq!(age(&subscription), None);
}

#[test]
fn the_oldest_unacked_counts_backoff_keys_in_line_and_parked_ones() {
    let (engine, clock) = manual();
    let dead = engine.create_topic("dead", TopicConfig::default()).unwrap();
    let topic = topic(&engine, 16);
    let config = || SubscriptionConfig::default();
    let backoff = topic.create_subscription("backoff", config().retry(SECOND * 5, SECOND * 5)).unwrap();
    let ordered = topic.create_subscription("ordered", config().message_ordering()).unwrap();
    let parked = topic.create_subscription("parked", config().dead_letter(&dead, 5)).unwrap();
    let untouched = subscribe(&topic, "untouched");
    engine.delete_topic("dead").unwrap();
    for number in 0..3 {
        topic.publisher().publish(message(number).ordering_key("a")).unwrap();
        clock.advance(SECOND);
    }
    drop(backoff.try_recv().unwrap().unwrap());
    backoff.pull(2).unwrap().into_iter().for_each(|delivery| delivery.ack().unwrap());
    assert_eq!((backoff.stats().held, age(&backoff)), (1, Some(3)));

    let [first] = <[_; 1]>::try_from(ordered.pull(10).unwrap()).unwrap();
    assert_eq!(age(&ordered), Some(3));
    first.ack().unwrap();
    assert_eq!((ordered.stats().held, age(&ordered)), (2, Some(2)), "one is ready, one behind it");
    let second = ordered.try_recv().unwrap().unwrap();
    assert_eq!(age(&ordered), Some(2));
    second.ack().unwrap();
    assert_eq!(age(&ordered), Some(1));

    (0..30).for_each(|_| drop(parked.pull(1).unwrap()));
    assert!(parked.stats().parked > 0);
    clock.advance(SECOND * 100);
    assert_eq!(age(&parked), Some(103));
    untouched.detach();
    assert_eq!(age(&untouched), None);
}

/// While a message is in a handler, it or what waits for its key is the oldest.
#[test]
fn the_oldest_unacked_is_known_inside_a_handler() {
    let (engine, clock) = manual();
    let topic = topic(&engine, 16);
    let ordered = topic.create_subscription("sub", SubscriptionConfig::default().message_ordering()).unwrap();
    for number in 0..2 {
        topic.publisher().publish(message(number).ordering_key("a")).unwrap();
        clock.advance(SECOND);
    }
    let inside = ordered.clone();
    let mut dispatcher = Dispatcher::new().add(&ordered, move |message| {
        let oldest = age(&inside);
        let known =
            if message.id().get() == 0 { oldest >= Some(1) } else { oldest.is_none_or(|age| age <= 1) };
        if known { Verdict::Ack } else { Verdict::Nack }
    });
    dispatcher.run_until_idle();
    assert_eq!((ordered.stats().acked, ordered.stats().nacked), (2, 0));
}

#[test]
fn the_oldest_unacked_may_be_on_the_ring_of_any_shard() {
    let (engine, clock) = manual();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(16).shards(3)).unwrap();
    let subscription = subscribe(&topic, "sub");
    let publishers: Vec<_> = (0..3).map(|_| topic.publisher()).collect();
    for first in 0..3 {
        for shard in 0..3 {
            publishers[(first + shard) % 3].publish(message(0)).unwrap();
            clock.advance(SECOND);
        }
        assert_eq!(age(&subscription), Some(3));
        clock.advance(SECOND * 2);
        assert_eq!(age(&subscription), Some(5));
        let some = subscription.pull(2).unwrap();
        assert_eq!(age(&subscription), Some(5), "leased or unread");
        some.into_iter().for_each(|delivery| delivery.ack().unwrap());
        receive_all(&subscription);
        assert_eq!(age(&subscription), None);
    }
}

#[test]
fn the_backlog_is_what_is_unread_and_what_is_held() {
    let (_engine, _clock, publisher, subscription) = single(16);
    let backlog = || (subscription.stats().backlog(), subscription.stats().unread, subscription.stats().held);
    assert_eq!(backlog(), (0, 0, 0));
    (0..6).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    assert_eq!(backlog(), (6, 6, 0));
    let out = subscription.pull(4).unwrap();
    assert_eq!(backlog(), (2, 2, 0), "what is out is not to be delivered");
    drop(out);
    assert_eq!(backlog(), (6, 2, 4));
    let bytes = |subscription: &Subscription| {
        (subscription.stats().held_bytes, subscription.stats().outstanding_bytes)
    };
    assert_eq!(bytes(&subscription), (32, 0));
    let out = subscription.pull(1).unwrap();
    assert_eq!((backlog(), bytes(&subscription)), ((5, 2, 3), (24, 8)));
    out.into_iter().for_each(|delivery| delivery.ack().unwrap());
    assert_eq!(receive_all(&subscription).len(), 5);
    assert_eq!((backlog(), bytes(&subscription)), ((0, 0, 0), (0, 0)));
    // What is staged was accepted, and counts.
    (0..3).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    let out = subscription.pull(1).unwrap();
    let staged = publisher.enqueue(message(9)).unwrap(); // nobody is hungry
    assert_eq!(backlog(), (3, 3, 0));
    staged.wait().unwrap();
    assert_eq!((out.len(), backlog()), (1, (3, 3, 0)));
}

fn slowest(engine: &Engine) -> Option<(String, u64)> {
    let slowest = engine.topic("topic").unwrap().stats().slowest?;
    Some((slowest.name, slowest.behind))
}

#[test]
fn the_slowest_cursor_is_named() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 64);
    assert_eq!(slowest(&engine), None);
    let [first, second, third] = ["first", "second", "third"].map(|name| subscribe(&topic, name));
    let lossy = SubscriptionConfig::default().overflow(Overflow::DropOldest);
    let lossy = topic.create_subscription("lossy", lossy).unwrap();
    let publisher = topic.publisher();
    (0..10).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    let mut dispatcher = Dispatcher::new().turn_limit(2).add(&third, |_| Verdict::Ack);
    drop(first.pull(5).unwrap());
    drop(second.pull(4).unwrap());
    assert_eq!(slowest(&engine), Some(("third".into(), 10)));
    dispatcher.poll();
    assert_eq!(slowest(&engine), Some(("third".into(), 8)));
    dispatcher.run_until_idle();
    // What is held or leased holds no slot: it does not make a cursor slow.
    assert_eq!(slowest(&engine), Some(("second".into(), 6)));
    second.detach();
    assert_eq!(slowest(&engine), Some(("first".into(), 5)));
    engine.delete_subscription("first").unwrap();
    assert_eq!(slowest(&engine), Some(("third".into(), 0)), "nobody waits for those who may lose messages");
    assert_eq!(lossy.stats().unread, 10);
    drop((dispatcher, third));
    engine.delete_subscription("third").unwrap();
    assert_eq!(slowest(&engine), None);
}

#[test]
fn the_slowest_of_all_shards_is_named() {
    let (engine, _clock) = manual();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(64).shards(3)).unwrap();
    let [one, two] = ["one", "two"].map(|name| subscribe(&topic, name));
    let publishers: Vec<_> = (0..3).map(|_| topic.publisher()).collect();
    for (publisher, count) in publishers.iter().zip([3, 9, 5]) {
        (0..count).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    }
    receive_all(&two);
    assert_eq!(slowest(&engine), Some(("one".into(), 9)));
    receive_all(&one);
    assert_eq!(slowest(&engine).map(|(_, behind)| behind), Some(0));
}

#[test]
fn every_counter_counts_what_it_says() {
    let (engine, clock) = manual();
    let dead = engine.create_topic("dead", TopicConfig::default()).unwrap();
    let topic = topic(&engine, 16);
    let config = SubscriptionConfig::default().dead_letter(&dead, 5).filter("attributes:yes");
    let subscription = topic.create_subscription("sub", config).unwrap();
    let publisher = topic.publisher();
    (0..8).for_each(|number| _ = publisher.publish(message(number).attribute("yes", "")).unwrap());
    (0..2).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    assert_eq!((topic.stats().published, topic.stats().subscriptions), (10, 1));
    let mut out = subscription.pull(100).unwrap();
    out.pop().unwrap().ack().unwrap();
    out.pop().unwrap().nack().unwrap();
    drop(out.pop().unwrap());
    clock.advance(DEADLINE);
    engine.tick();
    assert!(out.pop().unwrap().ack().is_err(), "too late, and counted once");
    drop(out);
    let stats = subscription.stats();
    assert_eq!((stats.accepted, stats.filtered, stats.delivered, stats.redelivered), (10, 2, 8, 0));
    assert_eq!((stats.acked, stats.nacked, stats.expired, stats.held), (1, 2, 5, 7));
    assert_balanced(&subscription);
    for _ in 0..20 {
        drop(subscription.pull(7).unwrap());
    }
    let stats = subscription.stats();
    assert_eq!((stats.dead_lettered, stats.acked, stats.held, stats.parked), (7, 1, 0, 0));
    assert_eq!((stats.delivered, stats.redelivered, stats.nacked, stats.expired), (36, 28, 30, 5));
    assert_eq!((stats.dropped, stats.discarded, stats.panics), (0, 0, 0));
    assert_eq!(dead.stats().published, 7);
    assert_balanced(&subscription);
    publisher.publish(message(1)).unwrap();
    subscription.detach();
    assert_eq!((subscription.stats().discarded, topic.stats().subscriptions), (1, 0));
    assert_balanced(&subscription);
}

#[test]
fn counters_are_read_while_everything_goes_on() {
    let engine = Engine::new();
    let topic = topic(&engine, 64);
    let (leased, in_place) = (subscribe(&topic, "leased"), subscribe(&topic, "in-place"));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| leased.iter().for_each(|delivery| delivery.unwrap().ack().unwrap()));
        scope.spawn(|| in_place.process(|_| Verdict::Ack));
        scope.spawn(|| {
            let mut before = [(0, 0, 0); 2];
            while !done.load(Ordering::Relaxed) {
                for (subscription, before) in [&leased, &in_place].into_iter().zip(&mut before) {
                    let stats = subscription.stats();
                    let now = (stats.delivered, stats.acked, topic.stats().published);
                    assert!(
                        now.0 >= before.0 && now.1 >= before.1 && now.2 >= before.2,
                        "{now:?} {before:?}"
                    );
                    assert!(
                        stats.acked <= now.2 && stats.unread <= 64 && stats.outstanding <= 1_000,
                        "{stats:?}"
                    );
                    assert!(topic.stats().slowest.is_some_and(|slowest| slowest.behind <= 64));
                    *before = now;
                }
            }
        });
        let publisher = topic.publisher();
        (0..20_000).for_each(|number| _ = publisher.publish(message(number)).unwrap());
        done.store(true, Ordering::Relaxed);
        engine.delete_topic("topic").unwrap();
    });
    for subscription in [&leased, &in_place] {
        assert_eq!(subscription.stats().acked, 20_000);
        assert_balanced(subscription);
    }
}

#[test]
fn who_leaves_counts_what_it_has_not_read_and_no_padding() {
    for (overflow, closes) in [Overflow::Block, Overflow::DropOldest, Overflow::Detach]
        .into_iter()
        .flat_map(|way| [(way, false), (way, true)])
    {
        let (engine, _clock) = manual();
        let topic = topic(&engine, 64);
        let (publisher, quick) = (topic.publisher(), subscribe(&topic, "quick"));
        let config = SubscriptionConfig::default().overflow(overflow);
        let slow = topic.create_subscription("slow", config).unwrap();
        let publish = |count| (0..count).for_each(|_| _ = publisher.publish(message(0)).unwrap());
        publish(32);
        assert_eq!([&quick, &slow].map(|one| receive_all(one).len()), [32, 32]);
        publish(5);
        assert_eq!(receive_all(&quick).len(), 5);
        assert!(topic.trim() > 0, "by padding, behind what the slow one has to read");
        publish(2);
        if closes {
            assert_eq!(engine.close(Close::Now).unread, 7 + 2);
        } else {
            slow.detach();
        }
        assert_eq!((slow.stats().accepted, slow.stats().discarded), (32 + 7, 7), "{overflow:?}");
        assert_balanced(&slow);
    }
}
