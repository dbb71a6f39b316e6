//! Many topics, and many subscriptions on one: what each costs in bytes and in time, counted and printed.
//!
//! The tests take turns, since the allocator counts for the whole process.
#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

mod common;

use common::{assert_balanced, manual, message, number, receive_all, subscribe};
use ringmain::{Dispatcher, Subscription, Topic, TopicConfig, Verdict};
use ringmain_ring::now;
use ringmain_ring::sync::{AtomicU64, Ordering};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::io::{Write, stderr};
use std::sync::{Arc, Mutex, PoisonError};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static TURN: Mutex<()> = Mutex::new(());

/// Runs `run`, prints its time and what it leaves allocated, per one of `count`, and returns the bytes with its result.
fn measured<R>(what: &str, count: usize, run: impl FnOnce() -> R) -> (isize, R) {
    let region = Region::new(ALLOCATOR);
    let start = now();
    let result = run();
    let nanos = start.elapsed().as_nanos() / count as u128;
    let change = region.change();
    let signed = |bytes: usize| isize::try_from(bytes).expect("less than half of all memory");
    let left = signed(change.bytes_allocated) - signed(change.bytes_deallocated);
    let each = left / signed(count);
    let calls = change.allocations / count;
    // To the real stderr: what `println!` says, the test harness captures in a growing buffer, which would be counted.
    let said =
        writeln!(stderr(), "{what}: {nanos} ns, {each} bytes kept, {calls} allocations each, of {count}");
    said.expect("stderr");
    (each, result)
}

#[test]
fn a_ring_and_leases_are_allocated_when_needed_and_not_before() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (engine, _clock) = manual();
    let (bytes, topic) = measured("a topic of 4,096 slots", 1, || {
        engine.create_topic("topic", TopicConfig::default()).unwrap()
    });
    assert!(bytes < 4_096, "{bytes}");
    let publisher = topic.publisher();
    let (bytes, ()) = measured("1,000 messages to nobody", 1, || {
        (0..1_000).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    });
    assert!(bytes < 4_096, "{bytes}");
    let (ring, first) = measured("the first subscription", 1, || subscribe(&topic, "first"));
    assert!(ring >= 4_096 * 8, "here comes the ring: {ring}");
    let (bytes, second) = measured("the second subscription", 1, || subscribe(&topic, "second"));
    assert!(bytes < 4_096, "no leases yet: {bytes}");
    let mut dispatcher = Dispatcher::new().add(&second, |_| Verdict::Ack);
    publisher.publish(message(1)).unwrap();
    dispatcher.poll();
    let (bytes, ()) = measured("1,000 messages in place", 1, || {
        for number in 0..1_000 {
            publisher.publish_slice(&u64::to_le_bytes(number)).unwrap();
            dispatcher.poll();
            // (They are held in the ring, and so is a buffer each.)
        }
    });
    let (first_lease, delivery) = measured("the first lease", 1, || first.try_recv().unwrap().unwrap());
    assert!((1..65_536).contains(&first_lease), "a block of the table: {first_lease}");
    assert!(bytes < 1_000 * 256, "{bytes}");
    delivery.ack().unwrap();
    let (more, out) = measured("1,000 leases", 1_000, || first.pull(1_000).unwrap());
    assert!((1..1_024).contains(&more), "more blocks: {more}");
    drop(out);
}

/// Adds up the numbers of all messages, in place.
fn add(dispatcher: Dispatcher, subscription: &Subscription, sum: &Arc<AtomicU64>) -> Dispatcher {
    let sum = Arc::clone(sum);
    dispatcher.add(subscription, move |message| {
        sum.fetch_add(number(message.data()), Ordering::Relaxed);
        Verdict::Ack
    })
}

/// Of an engine whose topics have small rings: creates, publishes to, drains and drops `count` topics, a subscription
/// each.
fn topics(count: usize, slots: usize) -> (isize, isize) {
    let (engine, _clock) = manual();
    let names: Vec<_> = (0..count).map(|number| format!("topic-{number}")).collect();
    let config = || TopicConfig::default().ring_slots(slots);
    let create = |name: &String| engine.create_topic(name, config()).unwrap();
    let (topic, topics) = measured("create a topic", count, || names.iter().map(create).collect::<Vec<_>>());
    let create = |(topic, name): (&Topic, &String)| subscribe(topic, name);
    let (subscription, subscriptions) = measured("its first subscription", count, || {
        topics.iter().zip(&names).map(create).collect::<Vec<_>>()
    });
    measured("publish to it", count, || {
        (0..)
            .zip(&topics)
            .for_each(|(number, topic)| _ = topic.publisher().publish(message(number)).unwrap());
    });
    measured("drain it, leased", count, || {
        (0..).zip(&subscriptions).for_each(|(number, one)| assert_eq!(receive_all(one), [number]));
    });
    // A thousand each: adding one to a dispatcher costs a look at every other topic that it serves.
    let handled = Arc::new(AtomicU64::new(0));
    let (_, mut dispatchers) = measured("put it under a dispatcher", count, || {
        let under =
            |some: &[Subscription]| some.iter().fold(Dispatcher::new(), |to, one| add(to, one, &handled));
        subscriptions.chunks(1_000).map(under).collect::<Vec<_>>()
    });
    measured("publish to it again", count, || {
        topics.iter().for_each(|topic| _ = topic.publisher().publish(message(1)).unwrap());
    });
    measured("drain it, in place", count, || {
        dispatchers.iter_mut().map(Dispatcher::run_until_idle).sum::<usize>()
    });
    measured("a turn with nothing to do", count, || {
        dispatchers.iter_mut().map(Dispatcher::poll).sum::<usize>()
    });
    assert_eq!(handled.load(Ordering::Relaxed), count as u64);
    measured("look at its counters", count, || {
        subscriptions.iter().for_each(|one| {
            assert_eq!(one.stats().acked, 2);
            assert_balanced(one);
        });
    });
    measured("a tick", count, || engine.tick());
    assert_eq!((engine.topics().len(), engine.subscriptions().len()), (count, count));
    measured("delete it and its subscription", count, || {
        for name in &names {
            engine.delete_topic(name).unwrap();
            engine.delete_subscription(name).unwrap();
        }
    });
    measured("drop the handles", count, || drop((dispatchers, topics, subscriptions)));
    measured("drop the engine", count, || drop(engine));
    (topic, subscription)
}

#[test]
#[cfg_attr(debug_assertions, ignore = "a hundred thousand rings and leases: run with --release")]
fn a_hundred_thousand_topics() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (kept, (topic, subscription)) = measured("all and everything", 100_000, || topics(100_000, 16));
    assert!(topic < 512, "{topic} bytes a topic");
    assert!(subscription < 8_192, "{subscription} bytes a first subscription, with the ring");
    assert!(kept <= 0, "{kept} bytes a topic are left");
}

/// Of one topic: creates, publishes to, drains and drops `count` subscriptions.
fn subscriptions(count: usize) -> isize {
    const MESSAGES: u64 = 100;
    let (engine, _clock) = manual();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(1024)).unwrap();
    let one_more = |number: usize| subscribe(&topic, &format!("sub-{number}"));
    drop(one_more(count)); // the ring
    let create = || (0..count).map(one_more).collect::<Vec<Subscription>>();
    let (each, subscriptions) = measured("create a subscription", count, create);
    let publisher = topic.publisher();
    let publish = || (1..=MESSAGES).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    measured("publish 100 messages, for each", count, publish);
    measured("drain it of 100, leased", count, || {
        subscriptions.iter().for_each(|one| assert_eq!(receive_all(one).len() as u64, MESSAGES));
    });
    let sum = Arc::new(AtomicU64::new(0));
    let (_, mut dispatcher) = measured("put it under one dispatcher", count, || {
        subscriptions.iter().fold(Dispatcher::new(), |to, one| add(to, one, &sum))
    });
    engine.delete_subscription(&format!("sub-{count}")).unwrap();
    measured("publish 100 messages again, for each", count, publish);
    measured("drain it of 100, in place", count, || dispatcher.run_until_idle());
    assert_eq!(sum.load(Ordering::Relaxed), count as u64 * (1..=MESSAGES).sum::<u64>());
    measured("find the slowest", 1, || assert!(topic.stats().slowest.is_some()));
    measured("look at its counters", count, || subscriptions.iter().for_each(assert_balanced));
    measured("detach it, under a dispatcher", count / 10, || {
        subscriptions[..count / 10].iter().for_each(Subscription::detach);
    });
    measured("take it out of the dispatcher", count / 10, || dispatcher.run_until_idle());
    drop(dispatcher);
    measured("delete it", count, || {
        (0..count).for_each(|number| engine.delete_subscription(&format!("sub-{number}")).unwrap());
    });
    assert_eq!(topic.stats().subscriptions, 0);
    each
}

#[test]
#[cfg_attr(debug_assertions, ignore = "measures: run with --release")]
fn ten_thousand_subscriptions_on_one_topic() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (kept, each) = measured("all and everything", 10_000, || subscriptions(10_000));
    assert!(each < 4_096, "{each} bytes a subscription");
    assert!(kept <= 0, "{kept} bytes a subscription are left");
}

/// The same in small, so that every build runs it.
#[test]
fn some_hundreds_of_each() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // What there is once a process, and of the size that it comes to.
    let _before = (topics(300, 1), subscriptions(300));
    let (kept, _) = measured("all and everything", 300, || topics(300, 1));
    assert!(kept <= 8, "{kept} bytes a topic are left");
    let (kept, _) = measured("all and everything", 300, || subscriptions(300));
    assert!(kept <= 8, "{kept} bytes a subscription are left");
}
