//! Topics and subscriptions as things with names: what they may be called, who has one, and what becomes of them.
//! (Many of them: tests/resources_many.rs.)
#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

mod common;

use common::{assert_balanced, manual, message, number, receive_all, single, subscribe, topic, until};
use ringmain::{
    AckError, Engine, Error, Invalid, PublishError, RecvError, Resource, SubscriptionConfig, TopicConfig,
    Verdict,
};
use ringmain_ring::sync::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What creating a topic and a subscription of this name says.
fn create(engine: &Engine, name: &str) -> [Result<(), Error>; 2] {
    let home = engine.topic("home").unwrap();
    [
        engine.create_topic(name, TopicConfig::default()).map(drop),
        home.create_subscription(name, SubscriptionConfig::default()).map(drop),
    ]
}

#[test]
fn good_names_are_taken() {
    let (engine, _clock) = manual();
    engine.create_topic("home", TopicConfig::default()).unwrap();
    let longest = "x".repeat(255);
    for name in ["abc", "Zyx", "a-_.~+%9", "goo", "goO-g", "Google", "x-goog", &longest, "a..", "a%2F"] {
        assert_eq!(create(&engine, name), [Ok(()), Ok(())], "{name}");
        assert!(
            engine.topics().contains(&name.to_owned()) && engine.subscriptions().contains(&name.to_owned())
        );
    }
}

#[test]
fn a_bad_name_is_refused_by_the_rule_that_it_breaks() {
    let (engine, _clock) = manual();
    engine.create_topic("home", TopicConfig::default()).unwrap();
    let length = "3 to 255";
    let (first, other, goog) =
        ("start with an ASCII letter", "only ASCII letters, digits", "not start with goog");
    let long = format!("a{}", "\u{e9}".repeat(199)); // two hundred characters, of more bytes
    let mut cases = vec![
        (String::new(), length),
        ("ab".into(), length),
        ("x".repeat(256), "limited to 255, and this has 256"),
        ("x".repeat(100_000), "this has 100000"),
        ("1st".into(), first),
        ("-abc".into(), first),
        (" abc".into(), first),
        ("\u{e9}tat".into(), first),
        ("goog".into(), goog),
        ("google-orders".into(), goog),
        (long, other),
    ];
    let odd = (0..128u8).map(char::from).filter(|c| !c.is_ascii_alphanumeric() && !"-_.~+%".contains(*c));
    cases.extend(odd.map(|c| (format!("abc{c}"), other)));
    cases.push(("abc\u{200d}".into(), other));
    let mut wrong = Vec::new();
    for (name, rule) in &cases {
        for result in create(&engine, name) {
            let error = result.expect_err(name);
            let told = error.to_string();
            let is_one =
                |invalid: &Invalid| matches!(invalid, Invalid::Name { .. } | Invalid::TooMuch { .. });
            assert!(matches!(&error, Error::InvalidArgument(invalid) if is_one(invalid)), "{told}");
            assert!(told.len() < 1_000, "a name that is too long is not told in full");
            if !told.contains(rule) {
                wrong.push(told);
            }
        }
    }
    assert_eq!((engine.topics(), engine.subscriptions()), (vec!["home".into()], vec![]));
    assert!(wrong.is_empty(), "not the rule that is broken: {wrong:?}");
}

#[test]
fn names_are_taken_once_an_engine_for_each_kind() {
    let (engine, _clock) = manual();
    let (one, two) = (topic(&engine, 8), engine.create_topic("two", TopicConfig::default()).unwrap());
    subscribe(&one, "topic"); // the other kind's names do not matter
    for topic in [&one, &two] {
        let again = topic.create_subscription("topic", SubscriptionConfig::default()).unwrap_err();
        assert_eq!(again, Error::AlreadyExists(Resource::Subscription("topic".into())));
    }
    // Invalid is told first: there is none of that name for sure.
    let wrong =
        one.create_subscription("topic", SubscriptionConfig::default().max_held_bytes(0)).unwrap_err();
    assert!(matches!(wrong, Error::InvalidArgument(Invalid::Setting { .. })), "{wrong}");
    // Another engine is another world.
    let (other, _clock) = manual();
    topic(&other, 8);
    assert_eq!((other.topics().len(), other.subscriptions().len()), (1, 0));
}

#[test]
fn one_of_many_threads_gets_the_name() {
    for round in 0..50 {
        let (engine, _clock) = manual();
        let home = topic(&engine, 8);
        let won = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let topic = engine.create_topic("wanted", TopicConfig::default());
                    let subscription = home.create_subscription("wanted", SubscriptionConfig::default());
                    let of =
                        |resource: fn(String) -> Resource| Error::AlreadyExists(resource("wanted".into()));
                    let topic = (topic.map(drop), of(Resource::Topic));
                    for (created, taken) in [topic, (subscription.map(drop), of(Resource::Subscription))] {
                        match created {
                            Ok(()) => drop(won.fetch_add(1, Ordering::Relaxed)),
                            Err(error) => assert_eq!(error, taken),
                        }
                    }
                });
            }
        });
        assert_eq!((won.load(Ordering::Relaxed), home.stats().subscriptions), (2, 1), "round {round}");
    }
}

#[test]
fn what_does_not_exist_is_not_found() {
    let (engine, _clock) = manual();
    let gone = topic(&engine, 8);
    subscribe(&gone, "sub");
    engine.delete_topic("topic").unwrap();
    assert_eq!(engine.delete_topic("topic"), Err(Error::NotFound(Resource::Topic("topic".into()))));
    assert!(engine.topic("topic").is_none());
    engine.delete_subscription("sub").unwrap();
    assert_eq!(engine.delete_subscription("sub"), Err(Error::NotFound(Resource::Subscription("sub".into()))));
    assert!(engine.subscription("sub").is_none());
    let late = gone.create_subscription("late", SubscriptionConfig::default()).unwrap_err();
    assert!(engine.subscriptions().is_empty());
    assert_eq!(
        late,
        Error::NotFound(Resource::Topic("topic".into())),
        "the engine is not closed: only the topic is gone"
    );
}

#[test]
fn listings_are_in_order_and_up_to_date() {
    let (engine, _clock) = manual();
    assert!(engine.topics().is_empty() && engine.subscriptions().is_empty());
    for name in ["cherry", "apple", "banana"] {
        let topic = engine.create_topic(name, TopicConfig::default()).unwrap();
        for kind in ["-2", "-1"] {
            subscribe(&topic, &format!("{name}{kind}"));
        }
    }
    assert_eq!(engine.topics(), ["apple", "banana", "cherry"]);
    let all = ["apple-1", "apple-2", "banana-1", "banana-2", "cherry-1", "cherry-2"];
    assert_eq!(engine.subscriptions(), all);
    engine.delete_topic("banana").unwrap();
    engine.subscription("apple-1").unwrap().detach();
    engine.delete_subscription("cherry-2").unwrap();
    assert_eq!(engine.topics(), ["apple", "cherry"]);
    assert_eq!(
        engine.subscriptions(),
        all[..5],
        "what is detached, or whose topic is gone, is there until deleted"
    );
    assert_eq!(engine.clone().subscription("banana-1").unwrap().topic().name(), "banana");
}

#[test]
fn subscriptions_of_a_deleted_topic_have_nothing_to_do_with_its_successor() {
    let (engine, _clock, publisher, subscription) = single(8);
    publisher.publish(message(1)).unwrap();
    let leased = subscription.try_recv().unwrap().unwrap();
    publisher.publish(message(2)).unwrap();
    assert!(!subscription.is_topic_closed());
    engine.delete_topic("topic").unwrap();
    assert!(subscription.is_topic_closed());
    let successor = topic(&engine, 8);
    assert_eq!(subscribe(&successor, "other").try_recv().map(|none| none.is_none()), Ok(true));
    successor.publisher().publish(message(3)).unwrap();
    assert!(matches!(publisher.publish(message(4)), Err(PublishError::Closed(m)) if m == message(4)));
    assert!(matches!(publisher.try_publish(message(4)), Err(PublishError::Closed(_))));
    let again = successor.create_subscription("sub", SubscriptionConfig::default()).unwrap_err();
    assert_eq!(
        again,
        Error::AlreadyExists(Resource::Subscription("sub".into())),
        "it lives on, with its name"
    );
    assert_eq!(receive_all(&subscription), [2]);
    assert!(subscription.try_recv().unwrap().is_none(), "one is leased, and may come back");
    leased.ack().unwrap();
    assert_eq!(subscription.try_recv().unwrap_err(), RecvError::Closed);
    assert!(subscription.is_topic_closed());
    assert_balanced(&subscription);
}

#[test]
fn a_subscription_outlives_its_handles_and_keeps_its_name_until_it_is_deleted() {
    let (engine, _clock, publisher, subscription) = single(1);
    publisher.publish(message(1)).unwrap();
    let topic = subscription.topic();
    drop(subscription);
    assert!(
        matches!(publisher.try_publish(message(2)), Err(PublishError::Full(_))),
        "it holds publishers up"
    );
    assert_eq!(receive_all(&engine.subscription("sub").unwrap()), [1]);
    engine.subscription("sub").unwrap().detach();
    let again = || topic.create_subscription("sub", SubscriptionConfig::default());
    let error = again().unwrap_err();
    assert!(error.to_string().starts_with("subscription \"sub\" already exists in this engine; "), "{error}");
    assert_eq!((topic.subscriptions().len(), engine.subscriptions().len()), (0, 1));
    engine.delete_subscription("sub").unwrap();
    assert!(again().is_ok());
}

#[test]
fn a_detach_is_told_to_every_handle_and_every_way_of_receiving() {
    for delete in [false, true] {
        let (engine, _clock, publisher, subscription) = single(8);
        (0..6).for_each(|number| _ = publisher.publish(message(number)).unwrap());
        subscription.try_recv().unwrap().unwrap().nack().unwrap();
        let mut leased = subscription.pull(3).unwrap();
        let other = engine.subscription("sub").unwrap();
        if delete {
            engine.delete_subscription("sub").unwrap()
        } else {
            other.detach()
        }
        subscription.detach(); // and nothing more happens
        for handle in [&subscription, &other, &subscription.clone()] {
            assert_eq!(handle.try_recv().unwrap_err(), RecvError::Detached);
            assert_eq!(handle.recv().unwrap_err(), RecvError::Detached);
            assert_eq!(handle.recv_timeout(Duration::MAX).unwrap_err(), RecvError::Detached);
            assert_eq!(handle.pull(10).unwrap_err(), RecvError::Detached);
            assert!(handle.iter().next().is_none());
            handle.process(|_| Verdict::Ack);
            assert!(handle.wait(Duration::MAX), "there is something to be told");
        }
        assert_eq!(leased.remove(0).ack(), Err(AckError::Expired));
        drop(leased);
        let stats = subscription.stats();
        assert_eq!(
            (stats.accepted, stats.discarded, stats.unread, stats.held, stats.outstanding),
            (6, 6, 0, 0, 0)
        );
        assert_eq!((stats.acked, stats.backlog(), stats.oldest_unacked), (0, 0, None));
        assert_balanced(&subscription);
        let topic = subscription.topic();
        assert_eq!((topic.stats().subscriptions, topic.stats().slowest), (0, None));
        assert!(!subscription.is_topic_closed());
        assert_eq!(engine.subscriptions().is_empty(), delete);
    }
}

#[test]
fn a_detach_lets_go_whom_the_subscription_held_up_and_who_waited_on_it() {
    for (how, in_place) in ["detach", "delete"].into_iter().flat_map(|how| [(how, false), (how, true)]) {
        let (engine, _clock, publisher, subscription) = single(4);
        (0..4).for_each(|number| _ = publisher.publish(message(number)).unwrap());
        let idle = subscribe(&engine.create_topic("idle", TopicConfig::default()).unwrap(), "idle");
        let (done, wait) = mpsc::channel();
        thread::scope(|scope| {
            let blocked = done.clone();
            scope.spawn(move || {
                let id = publisher.publish(message(4)).unwrap();
                blocked.send(id.get()).unwrap();
            });
            let waiting = idle.clone();
            scope.spawn(move || {
                if in_place {
                    waiting.process(|_| Verdict::Ack);
                } else {
                    assert_eq!(waiting.recv().unwrap_err(), RecvError::Detached);
                }
                done.send(99).unwrap();
            });
            thread::yield_now();
            for subscription in [&subscription, &idle] {
                match how {
                    "detach" => subscription.detach(),
                    _ => engine.delete_subscription(subscription.name()).unwrap(),
                }
            }
            let mut came: Vec<_> =
                (0..2).map(|_| wait.recv_timeout(Duration::from_secs(20)).unwrap()).collect();
            came.sort_unstable();
            assert_eq!(came, [4, 99], "{how}");
        });
    }
}

/// Every message whose publish starts after `create_subscription` returns is seen, and none whose publish returned
/// before it was called; with a publisher that never pauses.
#[test]
fn a_new_subscription_begins_between_two_messages() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 1024);
    let (begun, returned, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let publisher = topic.publisher();
            for number in 1.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                begun.store(number, Ordering::SeqCst);
                publisher.publish(message(number)).unwrap();
                returned.store(number, Ordering::SeqCst);
            }
        });
        for round in 0..200 {
            until(|| returned.load(Ordering::SeqCst) > round * 10);
            let before = returned.load(Ordering::SeqCst);
            let subscription = subscribe(&topic, &format!("sub-{round}"));
            let after = begun.load(Ordering::SeqCst);
            until(|| returned.load(Ordering::SeqCst) > after || subscription.stats().unread > 20);
            let seen: Vec<_> =
                subscription.pull(20).unwrap().iter().map(|delivery| number(delivery.data())).collect();
            assert!(before < seen[0] && seen[0] <= after + 1, "{before} < {} <= {after} + 1", seen[0]);
            assert!(seen.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{seen:?}");
            engine.delete_subscription(&format!("sub-{round}")).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}
