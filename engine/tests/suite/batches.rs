//! `publish_batch`: how much it claims at a time, and that nothing of the caller's runs under a claim.

use crate::common::{manual, message, number, receive_all, single, subscribe};
use ringmain::{Message, TopicConfig};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Were a slot claimed and not yet published while the iterator runs, what is published behind it would not be readable.
#[test]
fn the_iterator_runs_under_no_claim() {
    let (engine, _clock) = manual();
    let topic =
        engine.create_topic("topic", TopicConfig::default().ring_slots(64).batch(3, 1 << 20)).unwrap();
    let (publisher, subscription) = (topic.publisher(), subscribe(&topic, "sub"));
    let other = topic.publisher();
    let mut seen = Vec::new();
    let messages = (0..10).map(|number| {
        other.publish(message(100 + number)).unwrap();
        seen.extend(receive_all(&subscription));
        assert_eq!(seen.last(), Some(&(100 + number)), "it is readable at once");
        message(number)
    });
    let ids = publisher.publish_batch(messages).unwrap();
    assert!(ids.is_sorted() && ids.len() == 10, "in the order of the messages");
    seen.extend(receive_all(&subscription));
    seen.retain(|number| *number < 100);
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
}

#[test]
fn no_more_is_claimed_at_a_time_than_a_batch_may_have() {
    for (most, slots) in [(1, 64), (3, 64), (100, 8)] {
        let (engine, _clock) = manual();
        let config = TopicConfig::default().ring_slots(slots).batch(most, 1 << 20);
        let topic = engine.create_topic("topic", config).unwrap();
        let (publisher, subscription) = (topic.publisher(), subscribe(&topic, "sub"));
        let mut gathered = Vec::new();
        let messages = (0..20).map(|number| {
            gathered.push(number - topic.stats().published);
            receive_all(&subscription);
            message(number)
        });
        publisher.publish_batch(messages).unwrap();
        let most = most.min(slots / 2) as u64;
        assert_eq!(gathered.iter().max(), Some(&most), "of {slots} slots: {gathered:?}");
    }
}

#[test]
fn an_iterator_that_panics_strands_nobody() {
    let (engine, _clock) = manual();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(8).batch(2, 1 << 20)).unwrap();
    let (publisher, subscription) = (topic.publisher(), subscribe(&topic, "sub"));
    let messages = (0..6).map(|number| {
        if number == 5 {
            resume_unwind(Box::new("an iterator"));
        }
        message(number)
    });
    assert!(catch_unwind(AssertUnwindSafe(|| publisher.publish_batch(messages))).is_err());
    assert_eq!(receive_all(&subscription), [0, 1, 2, 3], "what was claimed by then, and nothing else");
    (0..20).for_each(|number| {
        publisher.try_publish(message(number)).unwrap();
        assert_eq!(receive_all(&subscription), [number]);
    });
}

/// What an iterator says of its length is not believed.
#[test]
fn an_error_has_the_rest_of_an_iterator_that_lies_about_its_length() {
    struct Lies<I>(I);
    impl<I: Iterator> Iterator for Lies<I> {
        type Item = I::Item;

        fn next(&mut self) -> Option<I::Item> {
            self.0.next()
        }

        fn size_hint(&self) -> (usize, Option<usize>) {
            (usize::MAX / 2, None)
        }
    }
    let (engine, _clock, publisher, _subscription) = single(256);
    let messages = (0..300).map(|number| if number == 150 { Message::new("") } else { message(number) });
    let error = publisher.publish_batch(Lies(messages)).unwrap_err();
    assert_eq!((error.published.len(), error.rest.len()), (150, 149));
    engine.delete_topic("topic").unwrap();
    let error = publisher.publish_batch(Lies((0..300).map(message))).unwrap_err();
    assert_eq!((error.published.len(), error.rest.len()), (0, 299));
}

#[test]
fn an_error_has_the_ids_so_far_the_failed_message_and_the_rest() {
    let (engine, _clock, publisher, subscription) = single(8);
    let bad = || Message::new("");
    for (before, after) in [(0, 0), (0, 3), (3, 0), (5, 7)] {
        let messages = (0..before).map(message).chain([bad()]).chain((0..after).map(message));
        let error = publisher.publish_batch(messages).unwrap_err();
        let received: Vec<_> = subscription.pull(9).unwrap();
        let ids: Vec<_> = received.iter().map(|delivery| delivery.id()).collect();
        let numbers: Vec<_> = received.iter().map(|delivery| number(delivery.data())).collect();
        assert_eq!((numbers, &ids), ((0..before).collect(), &error.published));
        assert_eq!(error.error.into_message(), bad());
        assert_eq!(error.rest, (0..after).map(message).collect::<Vec<_>>());
        received.into_iter().for_each(|delivery| delivery.ack().unwrap());
    }
    assert_eq!(publisher.publish_batch([]).unwrap(), []);
    engine.delete_topic("topic").unwrap();
    let error = publisher.publish_batch((0..5).map(message)).unwrap_err();
    assert_eq!((error.published.len(), error.error.into_message()), (0, message(0)));
    assert_eq!(error.rest, (1..5).map(message).collect::<Vec<_>>());
}
