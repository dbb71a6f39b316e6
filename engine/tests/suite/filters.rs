//! Filters of subscriptions: what does not match is acked on the spot and counted, whatever way of receiving. (What a
//! filter means: engine/src/filter.)
#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::failing::of;
use crate::common::{assert_balanced, manual, message, number, single_with};
use ringmain::{
    Dispatcher, Error, InPlace, Invalid, Message, Overflow, RecvError, Subscription, SubscriptionConfig,
    TopicConfig, Verdict,
};
use ringmain_ring::sync::{AtomicBool, Ordering};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(1);

/// Every third message has this.
const WANTED: &str = r#"attributes.kind = "wanted""#;

fn config() -> SubscriptionConfig {
    SubscriptionConfig::default().filter(WANTED)
}

fn attributed(number: u64) -> Message {
    message(number).attribute("kind", if is_wanted(number) { "wanted" } else { "other" })
}

fn is_wanted(number: u64) -> bool {
    number.is_multiple_of(3)
}

type Log = Arc<Mutex<Vec<(u64, u32)>>>;

/// A dispatcher that logs each delivery before `handle` says what to do.
fn logged(
    subscription: &Subscription,
    limit: usize,
    mut handle: impl FnMut(InPlace<'_>) -> Verdict + Send + 'static,
) -> (Log, Dispatcher) {
    let log = Log::default();
    let write = Arc::clone(&log);
    let dispatcher = Dispatcher::new().turn_limit(limit).add(subscription, move |message| {
        write.lock().unwrap().push((number(message.data()), message.delivery_attempt()));
        handle(message)
    });
    (log, dispatcher)
}

#[test]
fn what_does_not_match_is_acked_on_the_spot_leased_in_place_and_in_order() {
    for (ordering, overflow) in
        [false, true].into_iter().flat_map(|on| [(on, Overflow::Block), (on, Overflow::DropOldest)])
    {
        let config = config().overflow(overflow);
        let config = if ordering { config.message_ordering() } else { config };
        let (_engine, _clock, publisher, leased) = single_with(64, config.clone());
        let in_place = leased.topic().create_subscription("in-place", config).unwrap();
        let everything = crate::common::subscribe(&leased.topic(), "everything");
        for number in 0..30 {
            publisher.publish(attributed(number).ordering_key((number % 7).to_string())).unwrap();
        }
        assert_eq!((leased.stats().unread, leased.stats().filtered), (30, 0), "nobody has looked");
        let wanted: Vec<_> = (0..30).filter(|number| is_wanted(*number)).collect();

        let mut seen = crate::common::receive_all(&leased);
        seen.sort_unstable(); // keys wait for each other
        let (log, mut dispatcher) = logged(&in_place, 7, |_| Verdict::Ack);
        dispatcher.run_until_idle();
        let mut handled: Vec<_> = log.lock().unwrap().iter().map(|(number, _)| *number).collect();
        handled.sort_unstable();
        assert_eq!((&seen, &handled), (&wanted, &wanted), "ordering: {ordering}, {overflow:?}");
        for subscription in [&leased, &in_place] {
            let stats = subscription.stats();
            assert_eq!((stats.accepted, stats.filtered, stats.acked, stats.delivered), (30, 20, 10, 10));
            assert_eq!((stats.unread, stats.held, stats.outstanding, stats.nacked), (0, 0, 0, 0));
            assert_balanced(subscription);
        }
        assert_eq!(crate::common::receive_all(&everything).len(), 30);
        assert_eq!(everything.stats().filtered, 0);
    }
}

#[test]
fn every_operator_reaches_the_messages() {
    let (engine, _clock) = manual();
    let topic = crate::common::topic(&engine, 16);
    let cases = [
        ("attributes:region", vec![1, 2, 3]),
        (r#"attributes.region = "eu""#, vec![1]),
        (r#"attributes.region != "eu""#, vec![0, 2, 3]),
        (r#"hasPrefix(attributes.region, "us")"#, vec![2, 3]),
        ("NOT attributes:region", vec![0]),
        (r#"attributes:region AND NOT hasPrefix(attributes.region, "us-e")"#, vec![1, 3]),
        (r#"attributes.region = "eu" OR attributes.region = "us-west""#, vec![1, 3]),
        (r#"NOT (attributes:region AND (attributes.region = "eu" OR attributes:none))"#, vec![0, 2, 3]),
    ];
    let subscriptions: Vec<_> = (0..)
        .zip(&cases)
        .map(|(index, (filter, _))| {
            topic
                .create_subscription(&format!("sub-{index}"), SubscriptionConfig::default().filter(*filter))
                .unwrap()
        })
        .collect();
    topic.publisher().publish(message(0)).unwrap();
    for (number, region) in [(1, "eu"), (2, "us-east"), (3, "us-west")] {
        topic.publisher().publish(message(number).attribute("region", region)).unwrap();
    }
    for ((filter, expected), subscription) in cases.iter().zip(&subscriptions) {
        assert_eq!(crate::common::receive_all(subscription), *expected, "{filter}");
        assert_eq!(subscription.stats().filtered, 4 - expected.len() as u64, "{filter}");
    }
}

#[test]
fn a_syntax_error_names_its_column_and_creates_nothing() {
    let (engine, _clock) = manual();
    let topic = crate::common::topic(&engine, 16);
    for (filter, wrong) in [
        ("", 1),
        ("attributes", 11),
        ("attributes.kind == \"a\"", 18),
        ("attributes:a and attributes:b", 14),
        ("attributes:a AND attributes:b OR attributes:c", 31),
        ("(attributes:a", 14),
        ("attributes.kind = \"open", 19),
        ("data = \"x\"", 1),
    ] {
        let error =
            topic.create_subscription("sub", SubscriptionConfig::default().filter(filter)).unwrap_err();
        let told = error.to_string();
        let Error::InvalidArgument(Invalid::Filter { column, rule }) = error else { panic!("{told}") };
        assert_eq!(column, wrong, "{filter}: {told}");
        assert!(told.contains(&format!("column {column}")) && told.contains(rule), "{told}");
        assert!(engine.subscriptions().is_empty() && topic.stats().subscriptions == 0);
    }
    let filter = |length: usize| format!("attributes:{}", "k".repeat(length - "attributes:".len()));
    for (length, good) in [(256, true), (257, false)] {
        let config = SubscriptionConfig::default().filter(filter(length));
        match topic.create_subscription("sub", config) {
            Ok(_) => assert!(good, "{length}"),
            Err(Error::InvalidArgument(Invalid::Filter { column: 257, rule })) => {
                assert!(!good && rule.contains("256"), "{length}: {rule}");
            }
            Err(error) => panic!("{length}: {error}"),
        }
    }
}

/// What is filtered takes no credit, no place behind its key, and no room among what is held.
#[test]
fn what_is_filtered_is_in_nobodys_way() {
    let config = config().message_ordering().max_outstanding_messages(2).max_held_messages(1);
    let (_engine, _clock, publisher, subscription) = single_with(64, config);
    for number in [1, 2, 4, 0, 5, 7, 3, 8, 10, 11, 13, 6, 14] {
        publisher.publish(attributed(number).ordering_key("a")).unwrap();
    }
    let first = subscription.try_recv().unwrap().unwrap();
    assert_eq!(of(&first), (0, 1));
    assert!(subscription.pull(10).unwrap().is_empty());
    let stats = subscription.stats();
    assert_eq!((stats.filtered, stats.held, stats.outstanding), (5, 1, 1), "0 is out, and 3 waits for it");
    assert_balanced(&subscription);
    first.ack().unwrap();
    assert_eq!(crate::common::receive_all(&subscription), [3, 6]);
    assert_eq!((subscription.stats().filtered, subscription.stats().unread), (10, 0));
    assert_balanced(&subscription);
}

#[test]
fn a_full_ring_on_every_shard_without_a_match_hides_none() {
    for (most, shard) in [1, 100].into_iter().flat_map(|most| (0..4).map(move |shard| (most, shard))) {
        let (engine, _clock) = manual();
        let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(16).shards(4)).unwrap();
        let subscription = topic.create_subscription("sub", config()).unwrap();
        let publishers: Vec<_> = (0..4).map(|_| topic.publisher()).collect();
        for publisher in &publishers {
            (0..15).for_each(|_| _ = publisher.publish(attributed(1)).unwrap());
        }
        publishers[shard].publish(attributed(9)).unwrap();
        let found: Vec<_> = subscription.pull(most).unwrap().iter().map(of).collect();
        assert_eq!(found, [(9, 1)], "{most} at most, the match on shard {shard}");
    }
}

/// No call stays for ever with a publisher who never ends and whose messages never match.
#[test]
fn a_backlog_without_a_match_and_without_an_end_does_not_hold_a_call() {
    for in_place in [false, true] {
        let (engine, _clock, publisher, subscription) = single_with(16, config());
        let (stop, stopped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let stopping = Arc::clone(&stop);
        let publishing = thread::spawn(move || {
            let mut count = 0;
            while !stopping.load(Ordering::Relaxed) || count < 1_000 {
                publisher.publish(attributed(1)).unwrap();
                count += 1;
            }
            publisher.publish(attributed(0)).unwrap();
            count + 1
        });
        let (done, wait) = mpsc::channel();
        let (served, stopping) = (subscription.clone(), Arc::clone(&stopped));
        // (Not scoped: it may never come back.)
        let receiving = thread::spawn(move || {
            let (log, mut dispatcher) = logged(&served, 256, |_| Verdict::Ack);
            for _ in 0..50 {
                if in_place {
                    dispatcher.poll();
                } else {
                    let before = served.stats().filtered;
                    assert!(served.try_recv().unwrap().is_none());
                    let seen = served.stats().filtered - before;
                    assert!(seen <= 16, "one call looks at a ring's worth, not at {seen}");
                    assert!(served.pull(10).unwrap().is_empty());
                    assert_eq!(served.recv_timeout(MOMENT).unwrap_err(), RecvError::Timeout);
                }
            }
            done.send(()).unwrap();
            while in_place && log.lock().unwrap().is_empty() && !stopping.load(Ordering::Relaxed) {
                dispatcher.poll();
            }
            if !in_place {
                served.recv_timeout(Duration::from_secs(20)).unwrap().ack().unwrap();
            }
        });
        let came_back = wait.recv_timeout(Duration::from_secs(20));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(came_back, Ok(()), "in place: {in_place}");
        let published = publishing.join().unwrap();
        receiving.join().unwrap();
        let stats = subscription.stats();
        assert_eq!((stats.acked, stats.filtered, stats.accepted), (1, published - 1, published));
        assert_balanced(&subscription);
        drop(engine);
    }
}

#[test]
fn a_deleted_topic_with_nothing_left_that_matches_is_at_its_end() {
    let (engine, _clock, publisher, subscription) = single_with(16, config());
    (0..6).for_each(|number| _ = publisher.publish(attributed(number)).unwrap());
    engine.delete_topic("topic").unwrap();
    let rest = subscription.topic();
    assert_eq!(subscription.iter().map(|delivery| delivery.unwrap().ack().unwrap()).count(), 2);
    assert_eq!(subscription.recv().unwrap_err(), RecvError::Closed);
    subscription.process(|_| Verdict::Ack);
    assert_eq!((subscription.stats().filtered, rest.stats().published), (4, 6));
    assert_balanced(&subscription);
}

/// Under `DropOldest`, what is told as lost, what is filtered and what is received are all there was.
#[test]
fn with_drop_oldest_the_account_balances() {
    for in_place in [false, true] {
        let (_engine, _clock, publisher, subscription) =
            single_with(8, config().overflow(Overflow::DropOldest));
        let lost = Arc::new(Mutex::new(0));
        let (log, write, told) = (Log::default(), Log::default(), Arc::clone(&lost));
        drop(log);
        let log = Arc::clone(&write);
        let mut dispatcher = Dispatcher::new();
        if in_place {
            dispatcher = dispatcher.turn_limit(5).add_lossy(
                &subscription,
                move |message| {
                    write.lock().unwrap().push((number(message.data()), message.delivery_attempt()));
                    Verdict::Ack
                },
                move |count| *told.lock().unwrap() += count,
            );
        }
        for number in 0..500 {
            publisher.try_publish(attributed(number)).unwrap();
            if number % 29 < 9 {
                if in_place {
                    dispatcher.poll();
                } else {
                    match subscription.pull(2) {
                        Ok(deliveries) => deliveries.into_iter().for_each(|delivery| {
                            log.lock().unwrap().push(of(&delivery));
                            delivery.ack().unwrap();
                        }),
                        Err(RecvError::Lagged(count)) => *lost.lock().unwrap() += count,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            assert_eq!(subscription.stats().accepted, number + 1, "{:?}", subscription.stats());
            assert_balanced(&subscription);
        }
        let (stats, log) = (subscription.stats(), log.lock().unwrap());
        assert!(
            log.len() > 20 && log.is_sorted() && log.iter().all(|(number, _)| is_wanted(*number)),
            "{log:?}"
        );
        assert_eq!(
            (stats.acked, stats.dropped),
            (log.len() as u64, *lost.lock().unwrap()),
            "in place: {in_place}"
        );
        assert!(stats.dropped > 0 && stats.filtered > 0, "{stats:?}");
    }
}

/// Wherever a batch begins and ends, and whether its first, its last or all of its messages match, panic or are nacked.
#[test]
fn batches_of_any_length_and_panics_in_them_lose_nothing_and_repeat_nothing() {
    for (limit, wanted) in (1..=9).flat_map(|limit| (0..64u64).map(move |wanted| (limit, wanted))) {
        for overflow in [Overflow::Block, Overflow::DropOldest] {
            let config = SubscriptionConfig::default().filter("attributes:yes").overflow(overflow);
            let (_engine, _clock, publisher, subscription) = single_with(32, config);
            let matches = move |number: u64| (wanted >> (number % 6)) & 1 == 1;
            let fails = |number: u64, attempt: u32| number % 4 < 2 && attempt <= 2;
            let (log, mut dispatcher) = logged(&subscription, limit, move |message| {
                let (number, attempt) = (number(message.data()), message.delivery_attempt());
                if fails(number, attempt) && number.is_multiple_of(4) {
                    resume_unwind(Box::new("a handler"));
                }
                if fails(number, attempt) { Verdict::Nack } else { Verdict::Ack }
            });
            for number in 0..20 {
                let message = message(number);
                publisher
                    .publish(if matches(number) { message.attribute("yes", "") } else { message })
                    .unwrap();
            }
            for _ in 0..100 {
                dispatcher.poll();
            }
            assert_balanced(&subscription);
            let mut seen = log.lock().unwrap().clone();
            let firsts: Vec<_> =
                seen.iter().filter(|(_, attempt)| *attempt == 1).map(|(number, _)| *number).collect();
            assert!(firsts.is_sorted(), "{firsts:?}");
            seen.sort_unstable();
            let attempts = |number| 1..if number % 4 < 2 { 4 } else { 2 };
            let all = (0..20).filter(|number| matches(*number));
            let expected: Vec<_> =
                all.clone().flat_map(|n| attempts(n).map(move |attempt| (n, attempt))).collect();
            assert_eq!(seen, expected, "limit {limit}, matching {wanted:b}, {overflow:?}");
            let (stats, count) = (subscription.stats(), all.clone().count() as u64);
            let failed = 2 * all.clone().filter(|number| number % 4 < 2).count() as u64;
            let panics = 2 * all.filter(|number| number % 4 == 0).count() as u64;
            assert_eq!((stats.acked, stats.filtered, stats.accepted), (count, 20 - count, 20), "{stats:?}");
            assert_eq!(
                (stats.nacked, stats.panics, stats.redelivered),
                (failed, panics, failed),
                "{stats:?}"
            );
            assert_eq!(stats.delivered, count + failed);
        }
    }
}

/// A ring full of what the filter is against, and one more message that is staged: the call that fetches it looks at it.
#[test]
fn what_is_staged_behind_a_ring_without_a_match_is_found_in_the_same_call() {
    let lossy = config().overflow(Overflow::DropOldest);
    let (_engine, _clock, publisher, subscription) = single_with(4, lossy);
    let (wanted, unwanted): (Vec<u64>, Vec<u64>) = (1..100).partition(|number| is_wanted(*number));
    publisher.publish(attributed(wanted[0])).unwrap();
    subscription.recv().unwrap().ack().unwrap(); // so that nobody is known to have nothing to read
    unwanted.iter().take(4).for_each(|number| _ = publisher.publish(attributed(*number)).unwrap());
    let receipt = publisher.enqueue(attributed(wanted[1])).unwrap();
    let found = subscription.try_recv().unwrap().expect("it was enqueued before");
    assert_eq!(of(&found).0, wanted[1]);
    receipt.wait().unwrap();
}
