//! Dead letters: when a message becomes one, what arrives, and which topics may take them. (A topic that does not take
//! them: tests/parked.rs.)

#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::failing::{FAILURES, Failing, Failure, of};
use crate::common::{Random, assert_balanced, manual, message, number, subscribe, topic, until};
use ringmain::{
    Bytes, Delivery, Dispatcher, Engine, Error, Invalid, ManualClock, Message, Overflow, Resource,
    Subscription, SubscriptionConfig, Topic, TopicConfig, Verdict,
};
use std::thread;
use std::time::Duration;

const SOURCE: &str = "CloudPubSubDeadLetterSourceSubscription";
const COUNT: &str = "CloudPubSubDeadLetterSourceDeliveryCount";
const ID: &str = "CloudPubSubDeadLetterSourceMessageId";

fn config() -> SubscriptionConfig {
    SubscriptionConfig::default()
}

/// A topic "topic", and a topic "dead" with a subscription "letters".
fn two_topics() -> (Engine, ManualClock, Topic, Topic, Subscription) {
    let (engine, clock) = manual();
    let source = topic(&engine, 64);
    let dead = engine.create_topic("dead", TopicConfig::default().ring_slots(64)).unwrap();
    let letters = subscribe(&dead, "letters");
    (engine, clock, source, dead, letters)
}

/// Nacks everything five times.
fn nack_to_death(subscription: &Subscription) {
    for _ in 0..5 {
        drop(subscription.pull(1000).unwrap());
    }
}

/// A topic of the same name in another engine is another topic.
#[test]
fn settings_are_equal_if_their_dead_letters_go_to_the_same_topic() {
    let (_engine, _clock, source, dead, _letters) = two_topics();
    let (_other, _, _, other, _) = two_topics();
    assert_eq!(config().dead_letter(&dead, 5), config().dead_letter(&dead.clone(), 5));
    let others = [
        config(),
        config().dead_letter(&dead, 6),
        config().dead_letter(&source, 5),
        config().dead_letter(&other, 5),
    ];
    for settings in others {
        assert_ne!(config().dead_letter(&dead, 5), settings);
    }
}

fn only(subscription: &Subscription) -> Delivery {
    let mut all = subscription.pull(1000).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn exactly_so_many_failures_of_any_kind_make_a_dead_letter() {
    let mut random = Random(7);
    let mut mixed = |_| FAILURES[usize::try_from(random.below(6)).unwrap()];
    let alike = FAILURES.into_iter().map(|failure| vec![failure; 5]);
    let stories = alike.chain((0..60).map(|n| (0..5 + n % 4).map(&mut mixed).collect()).collect::<Vec<_>>());
    for story in stories {
        let (engine, clock, source, dead, letters) = two_topics();
        let most = u32::try_from(story.len()).unwrap();
        let subscription = source.create_subscription("sub", config().dead_letter(&dead, most)).unwrap();
        source.publisher().publish(message(3)).unwrap();
        let failing = Failing { engine: &engine, clock: &clock, subscription: &subscription };
        for (attempt, failure) in (1..).zip(&story) {
            assert!(letters.try_recv().unwrap().is_none(), "not before attempt {attempt} of {story:?}");
            assert_eq!(failing.fail(*failure), Some((3, attempt)), "{story:?}");
        }
        let letter = only(&letters);
        assert_eq!((of(&letter), letter.attribute(COUNT)), ((3, 1), Some(&*most.to_string())), "{story:?}");
        assert!(subscription.try_recv().unwrap().is_none(), "it has left: {story:?}");
        assert_eq!(Dispatcher::new().add(&subscription, |_| Verdict::Ack).run_until_idle(), 0);
        let stats = subscription.stats();
        assert_eq!((stats.accepted, stats.dead_lettered, stats.acked), (1, 1, 0), "{story:?}");
        assert_eq!((stats.held, stats.parked, stats.outstanding, stats.outstanding_bytes), (0, 0, 0, 0));
        let expired = story.iter().filter(|failure| **failure == Failure::Expire).count() as u64;
        assert_eq!((stats.expired, stats.nacked), (expired, u64::from(most) - expired), "{story:?}");
        assert_eq!((stats.delivered, stats.redelivered), (u64::from(most), u64::from(most) - 1));
        assert_balanced(&subscription);
        assert_balanced(&letters);
    }
}

#[test]
fn acked_at_the_last_attempt_is_acked_and_the_limits_are_5_to_100() {
    let (_engine, _clock, source, dead, letters) = two_topics();
    for most in [5, 100] {
        let name = format!("sub-{most}");
        let subscription = source.create_subscription(&name, config().dead_letter(&dead, most)).unwrap();
        let publisher = source.publisher();
        publisher.publish(message(1)).unwrap();
        (1..most).for_each(|_| subscription.recv().unwrap().nack().unwrap());
        let last = subscription.recv().unwrap();
        assert_eq!(last.delivery_attempt(), most);
        last.ack().unwrap();
        assert!(letters.try_recv().unwrap().is_none());
        publisher.publish(message(2)).unwrap();
        (0..most).for_each(|_| subscription.recv().unwrap().nack().unwrap());
        only(&letters).ack().unwrap();
        assert_eq!((subscription.stats().acked, subscription.stats().dead_lettered), (1, 1));
        subscription.detach();
    }
    for (most, value) in
        [(0, "0 is not"), (4, "4 is not"), (101, "101 is not"), (u32::MAX, "4294967295 is not")]
    {
        let error = source.create_subscription("sub", config().dead_letter(&dead, most)).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
        let error = error.to_string();
        assert!(
            ["max_delivery_attempts", "5 to 100", value].iter().all(|part| error.contains(part)),
            "{error}"
        );
    }
}

#[test]
fn a_dead_letter_has_everything_the_message_had_and_says_where_it_is_from() {
    let (_engine, clock, source, dead, letters) = two_topics();
    let subscription = source.create_subscription("billing", config().dead_letter(&dead, 5)).unwrap();
    let publisher = source.publisher();
    let data = Bytes::from(vec![7; 3000]);
    let whole =
        Message::new(data.clone()).attribute("region", "eu").attribute("lang", "de").ordering_key("u42");
    publisher.publish(message(0)).unwrap();
    subscription.recv().unwrap().ack().unwrap();
    clock.advance(Duration::from_secs(1000));
    let id = publisher.publish(whole).unwrap();
    publisher.publish_slice(&[8; 3000]).unwrap();
    clock.advance(Duration::from_secs(1000));
    let sources: Vec<_> =
        subscription.pull(9).unwrap().iter().map(|d| (d.bytes(), d.publish_time())).collect();
    (0..4).for_each(|_| drop(subscription.pull(9).unwrap()));
    // The source's ring goes on, and its messages may be gone for long.
    for number in 0..200 {
        publisher.publish(message(number)).unwrap();
        subscription.recv().unwrap().ack().unwrap();
    }
    let arrived = letters.pull(9).unwrap();
    assert_eq!(arrived.len(), 2);
    for (letter, (data, published)) in arrived.iter().zip(&sources) {
        assert_eq!(letter.data(), data);
        assert_eq!(letter.data().as_ptr(), data.as_ptr(), "by reference");
        assert_eq!(letter.publish_time(), *published, "when it was published first");
        assert_eq!(letter.delivery_attempt(), 1);
    }
    assert_eq!(arrived[0].data().as_ptr(), data.as_ptr(), "the caller's own bytes");
    let own = [("region", "eu"), ("lang", "de")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let new = |id: u64| [(SOURCE, "billing".into()), (COUNT, "5".into()), (ID, id.to_string())];
    let new = |id| new(id).map(|(key, value)| (key.to_owned(), value));
    assert_eq!(arrived[0].attributes(), [&own[..], &new(id.get())].concat());
    assert_eq!(arrived[1].attributes(), new(id.get() + 1));
    assert_eq!((arrived[0].ordering_key(), arrived[1].ordering_key()), (Some("u42"), None));
    assert_eq!([arrived[0].id().get(), arrived[1].id().get()], [0, 1], "ids of its new topic");
    assert_eq!(dead.stats().published, 2);
}

#[test]
fn a_message_as_large_as_allowed_is_no_less_a_dead_letter() {
    let (_engine, _clock, source, dead, letters) = two_topics();
    let subscription = source.create_subscription("sub", config().dead_letter(&dead, 5)).unwrap();
    let many = (0..100).fold(Message::new("d"), |m, i| m.attribute(format!("k{i}"), "v"));
    source.publisher().publish(many).unwrap();
    source.publisher().publish(Message::new(vec![1; 10 << 20])).unwrap();
    nack_to_death(&subscription);
    let arrived = letters.pull(9).unwrap();
    assert_eq!(arrived[0].attributes().len(), 103);
    assert_eq!((arrived[1].data().len(), arrived[1].attributes().len()), (10 << 20, 3));
}

#[test]
fn a_dead_letter_of_a_dead_letter_names_the_last_source_only() {
    let (engine, _clock, source, dead, letters) = two_topics();
    let subscription = source.create_subscription("first", config().dead_letter(&dead, 5)).unwrap();
    let last = engine.create_topic("last", TopicConfig::default()).unwrap();
    let second = dead.create_subscription("second", config().dead_letter(&last, 6)).unwrap();
    let end = subscribe(&last, "end");
    dead.publisher().publish(message(0)).unwrap();
    second.recv().unwrap().ack().unwrap();
    source.publisher().publish(message(1).attribute("own", "kept").ordering_key("key")).unwrap();
    nack_to_death(&subscription);
    nack_to_death(&second);
    assert!(end.try_recv().unwrap().is_none(), "attempts are counted from one again");
    drop(second.recv().unwrap());
    let letter = only(&end);
    let expected = [("own", "kept"), (SOURCE, "second"), (COUNT, "6"), (ID, "1")];
    assert_eq!(letter.attributes(), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!((of(&letter), letter.ordering_key()), ((1, 1), Some("key")));
    assert_eq!(letters.pull(9).unwrap()[1].attribute(SOURCE), Some("first"));
    [&subscription, &second, &end, &letters].into_iter().for_each(assert_balanced);
}

#[test]
fn a_dead_letter_topic_that_nobody_subscribes_to_takes_them_and_keeps_nothing() {
    let (engine, _clock, source, dead, _letters) = two_topics();
    engine.delete_subscription("letters").unwrap();
    let subscription = source.create_subscription("sub", config().dead_letter(&dead, 5)).unwrap();
    (0..100).for_each(|number| {
        source.publisher().publish(message(number)).unwrap();
        nack_to_death(&subscription);
    });
    assert_eq!((subscription.stats().dead_lettered, subscription.stats().parked), (100, 0));
    assert_eq!(dead.stats().published, 100);
    assert!(subscribe(&dead, "late").try_recv().unwrap().is_none());
    assert_balanced(&subscription);
}

#[test]
fn a_dead_letter_never_stalls_its_ordering_key() {
    for in_place in [false, true] {
        let (_engine, _clock, source, dead, letters) = two_topics();
        let settings = config().message_ordering().dead_letter(&dead, 5);
        let subscription = source.create_subscription("sub", settings).unwrap();
        for number in 0..6 {
            source.publisher().publish(message(number).ordering_key("key")).unwrap();
        }
        if in_place {
            let handler =
                |m: ringmain::InPlace<'_>| if number(m.data()) < 3 { Verdict::Nack } else { Verdict::Ack };
            Dispatcher::new().add(&subscription, handler).run_until_idle();
        } else {
            for _ in 0..18 {
                let delivery = subscription.try_recv().unwrap().expect("the key goes on");
                if number(delivery.data()) < 3 { drop(delivery) } else { delivery.ack().unwrap() }
            }
        }
        let dead: Vec<_> = letters.pull(9).unwrap().iter().map(|letter| number(letter.data())).collect();
        assert_eq!(dead, [0, 1, 2]);
        assert_eq!((subscription.stats().acked, subscription.stats().dead_lettered), (3, 3));
        assert_balanced(&subscription);
    }
}

#[test]
fn the_topic_must_exist_when_the_policy_is_set() {
    let (engine, _clock, source, dead, _letters) = two_topics();
    let elsewhere = topic(&Engine::new(), 8);
    let refused = |to: &Topic, name: &str| {
        let error = source.create_subscription("sub", config().dead_letter(to, 5)).unwrap_err();
        assert_eq!(error, Error::NotFound(Resource::Topic(name.into())));
        assert!(error.to_string().contains(name), "{error}");
        assert!(engine.subscription("sub").is_none());
    };
    refused(&elsewhere, "topic"); // of this name there is one here
    engine.delete_topic("dead").unwrap();
    refused(&dead, "dead");
    let again = engine.create_topic("dead", TopicConfig::default()).unwrap();
    refused(&dead, "dead"); // the old one is still gone
    source.create_subscription("sub", config().dead_letter(&again, 5)).unwrap();
}

#[test]
fn cycles_are_refused_until_a_link_is_deleted() {
    let (engine, _clock) = manual();
    let [one, two, three] =
        ["one", "two", "three"].map(|name| engine.create_topic(name, TopicConfig::default()).unwrap());
    let link =
        |from: &Topic, to: &Topic, name: &str| from.create_subscription(name, config().dead_letter(to, 5));
    let cycle = |from: &Topic, to: &Topic| {
        let (topic, dead_letter) = (from.name().to_owned(), to.name().to_owned());
        let cycle = Error::InvalidArgument(Invalid::DeadLetterCycle { topic, dead_letter });
        assert_eq!(link(from, to, "refused").unwrap_err(), cycle);
        assert!([from.name(), to.name()].iter().all(|name| cycle.to_string().contains(*name)), "{cycle}");
    };
    [&one, &two, &three].into_iter().for_each(|topic| cycle(topic, topic));
    link(&one, &two, "one-two").unwrap();
    cycle(&two, &one);
    link(&two, &three, "two-three").unwrap();
    cycle(&three, &one);
    cycle(&three, &two);
    link(&one, &three, "one-three").unwrap(); // two ways there, and none back
    assert!(engine.subscription("refused").is_none());
    engine.delete_subscription("one-two").unwrap();
    cycle(&three, &one);
    engine.delete_subscription("one-three").unwrap();
    link(&three, &one, "three-one").unwrap();
    cycle(&one, &two);
    link(&two, &one, "two-one").unwrap();
}

#[test]
fn whoever_competes_every_message_fails_exactly_so_often_and_arrives_once() {
    const MESSAGES: u64 = 300;
    let engine = Engine::new(); // whose housekeeping moves what is parked meanwhile
    let source = topic(&engine, 64);
    let dead = engine.create_topic("dead", TopicConfig::default().ring_slots(64)).unwrap();
    let letters = subscribe(&dead, "letters");
    let lossy = config().overflow(Overflow::DropOldest);
    let _lossy = dead.create_subscription("lossy", lossy).unwrap(); // is in nobody's way
    let subscription = source.create_subscription("sub", config().dead_letter(&dead, 5)).unwrap();
    thread::scope(|scope| {
        for nacks in [true, false] {
            let subscription = subscription.clone();
            scope.spawn(move || {
                subscription.iter().for_each(|delivery| {
                    if nacks { delivery.unwrap().nack().unwrap() } else { drop(delivery) }
                });
            });
        }
        scope.spawn(|| subscription.process(|_| Verdict::Nack));
        let arrived = scope.spawn(|| {
            let all = (0..MESSAGES).zip(letters.iter()).map(|(_, letter)| {
                let letter = letter.unwrap();
                let told = (number(letter.data()), letter.attribute(COUNT).unwrap().to_owned());
                letter.ack().unwrap();
                told
            });
            all.collect::<Vec<_>>()
        });
        (0..MESSAGES).for_each(|number| _ = source.publisher().publish(message(number)).unwrap());
        let mut arrived = arrived.join().unwrap();
        arrived.sort_unstable();
        assert_eq!(arrived, (0..MESSAGES).map(|number| (number, "5".to_owned())).collect::<Vec<_>>());
        until(|| subscription.stats().dead_lettered == MESSAGES);
        engine.delete_topic("topic").unwrap();
    });
    let stats = subscription.stats();
    assert_eq!((stats.accepted, stats.delivered, stats.redelivered), (MESSAGES, MESSAGES * 5, MESSAGES * 4));
    assert_eq!((stats.nacked, stats.acked, stats.held), (MESSAGES * 5, 0, 0));
    assert!(letters.try_recv().unwrap().is_none());
    assert_balanced(&subscription);
    assert_balanced(&letters);
}
