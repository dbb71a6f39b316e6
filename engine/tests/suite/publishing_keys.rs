//! Ordering keys at the publisher: a failure pauses the key until `resume_publishing`.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, with small numbers"
)]

use crate::common::{Random, manual, message, number, single, subscribe, topic};
use crate::tasks::{full, poll, take};
use ringmain::{
    Close, Dispatcher, Engine, LimitExceeded, Message, MessageId, PublishError, Publisher, PublisherConfig,
    TopicConfig, Verdict,
};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

fn keyed(number: u64, key: &str) -> Message {
    message(number).ordering_key(key)
}

fn is_paused<T>(outcome: &Result<T, PublishError<Message>>) -> bool {
    matches!(outcome, Err(PublishError::OrderingKeyPaused(_)))
}

/// Every way of publishing a message that waits for nothing.
fn every_way(publisher: &Publisher, message: &Message) -> Vec<Result<MessageId, PublishError<Message>>> {
    let Poll::Ready(awaited) = poll(&mut publisher.publish_async(message.clone())) else {
        return vec![];
    };
    vec![
        publisher.try_publish(message.clone()),
        publisher.publish_timeout(message.clone(), Duration::ZERO),
        publisher.publish(message.clone()),
        publisher
            .enqueue(message.clone())
            .and_then(|receipt| receipt.wait().map_err(|_| PublishError::Closed(message.clone()))),
        publisher.publish_batch([message.clone()]).map(|ids| ids[0]).map_err(|error| error.error),
        awaited,
    ]
}

#[test]
fn a_failure_pauses_the_key_and_no_other_until_it_is_resumed() {
    let (_engine, _clock, publisher, subscription) = full(4, PublisherConfig::default());
    assert!(matches!(publisher.try_publish(keyed(1, "a")), Err(PublishError::Full(_))));
    (0..3).for_each(|_| take(&subscription));
    for outcome in every_way(&publisher, &keyed(2, "a")) {
        assert!(is_paused(&outcome), "{outcome:?}");
        assert_eq!(outcome.unwrap_err().into_message(), keyed(2, "a"));
    }
    publisher.publish(keyed(3, "b")).unwrap();
    publisher.publish(message(4)).unwrap();
    publisher.clone().publish(keyed(5, "a")).unwrap(); // a publisher of its own
    assert!(is_paused(&publisher.try_publish(keyed(6, "a"))));
    assert!(!publisher.resume_publishing("b"), "it was not paused");
    assert!(publisher.resume_publishing("a"));
    assert!(!publisher.resume_publishing("a"));
    take(&subscription);
    publisher.publish(keyed(7, "a")).unwrap();
}

#[test]
fn every_way_to_fail_pauses() {
    type Fails = fn(&Publisher) -> PublishError<Message>;
    let limited = PublisherConfig::default().max_outstanding_messages(1).limit_exceeded(LimitExceeded::Error);
    let ways: [(&str, Fails); 10] = [
        ("try_publish", |publisher| publisher.try_publish(keyed(1, "k")).unwrap_err()),
        ("publish_timeout", |publisher| {
            publisher.publish_timeout(keyed(1, "k"), Duration::ZERO).unwrap_err()
        }),
        ("invalid", |publisher| publisher.publish(Message::new("").ordering_key("k")).unwrap_err()),
        ("invalid, enqueued", |publisher| {
            publisher.enqueue(Message::new("").ordering_key("k")).map(drop).unwrap_err()
        }),
        ("invalid, in a batch", |publisher| {
            publisher.publish_batch([Message::new("").ordering_key("k")]).unwrap_err().error
        }),
        ("invalid, awaited", |publisher| {
            let mut future = publisher.publish_async(Message::new("").ordering_key("k"));
            let Poll::Ready(outcome) = poll(&mut future) else { panic!("it is refused") };
            outcome.unwrap_err()
        }),
        ("no credit", |publisher| {
            drop(publisher.enqueue(message(0)).unwrap());
            publisher.publish(keyed(1, "k")).unwrap_err()
        }),
        ("no credit, enqueued", |publisher| {
            drop(publisher.enqueue(message(0)).unwrap());
            publisher.enqueue(keyed(1, "k")).map(drop).unwrap_err()
        }),
        ("no credit, in a batch", |publisher| {
            drop(publisher.enqueue(message(0)).unwrap());
            publisher.publish_batch([keyed(1, "k")]).unwrap_err().error
        }),
        ("no credit, awaited", |publisher| {
            drop(publisher.enqueue(message(0)).unwrap());
            let Poll::Ready(outcome) = poll(&mut publisher.publish_async(keyed(1, "k"))) else {
                panic!("it is refused")
            };
            outcome.unwrap_err()
        }),
    ];
    for (way, fails) in ways {
        let (_engine, _clock, publisher, _subscription) = full(8, limited.clone());
        let error = fails(&publisher);
        assert!(!matches!(error, PublishError::OrderingKeyPaused(_)), "{way}: {error:?}");
        assert!(is_paused(&publisher.try_publish(keyed(2, "k"))), "{way}");
        assert!(!is_paused(&publisher.try_publish(keyed(2, "l"))), "{way}");
        assert!(publisher.resume_publishing("k"), "{way}");
        assert!(publisher.resume_publishing("l"), "the ring is full");
    }
}

#[test]
fn what_is_no_valid_key_is_not_kept() {
    let (_engine, _clock, publisher, _subscription) = single(4);
    let long = "x".repeat(1025);
    for key in ["", &long] {
        for _ in 0..2 {
            assert!(matches!(publisher.publish(keyed(1, key)), Err(PublishError::Invalid { .. })));
        }
        assert!(!publisher.resume_publishing(key));
    }
}

#[test]
fn a_future_that_is_given_up_pauses_nothing() {
    let (_engine, _clock, publisher, subscription) = full(4, PublisherConfig::default());
    let mut future = publisher.publish_async(keyed(1, "k"));
    assert!(poll(&mut future).is_pending());
    drop(future);
    take(&subscription);
    publisher.publish(keyed(2, "k")).unwrap();
    // One that waits while its key is paused fails like the others.
    let mut waits = publisher.publish_async(keyed(3, "k"));
    assert!(poll(&mut waits).is_pending());
    assert!(publisher.try_publish(keyed(4, "k")).is_err());
    take(&subscription);
    assert!(matches!(poll(&mut waits), Poll::Ready(Err(PublishError::OrderingKeyPaused(_)))));
}

#[test]
fn a_receipt_that_says_closed_pauses_the_key() {
    let (engine, _clock, publisher, _subscription) = full(8, PublisherConfig::default());
    let receipts =
        [keyed(1, "a"), message(2), keyed(3, "b")].map(|message| publisher.enqueue(message).unwrap());
    engine.close(Close::Now);
    for receipt in receipts {
        assert!(matches!(receipt.wait(), Err(PublishError::Closed(()))));
    }
    for key in ["a", "b"] {
        assert!(is_paused(&publisher.publish(keyed(4, key))));
        assert!(publisher.resume_publishing(key));
        assert!(matches!(publisher.publish(keyed(4, key)), Err(PublishError::Closed(_))));
        assert!(is_paused(&publisher.publish(keyed(5, key))), "and again");
    }
    assert!(matches!(publisher.publish(message(6)), Err(PublishError::Closed(_))));
    assert!(matches!(publisher.publish(keyed(6, "c")), Err(PublishError::Closed(_))));
}

#[test]
fn would_deadlock_pauses_the_key() {
    let (_engine, _clock, publisher, subscription) = single(2);
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let inside = (publisher.clone(), Arc::clone(&outcomes));
    let mut dispatcher = Dispatcher::new().add(&subscription, move |_| {
        let (publisher, outcomes) = &inside;
        let outcome = publisher.publish(keyed(1, "k")).unwrap_err();
        outcomes.lock().unwrap().push(outcome);
        Verdict::Ack
    });
    publisher.publish(message(0)).unwrap();
    publisher.publish(message(0)).unwrap();
    dispatcher.poll();
    let outcomes = outcomes.lock().unwrap();
    assert!(matches!(outcomes[0], PublishError::WouldDeadlock(_)));
    assert!(matches!(outcomes[1], PublishError::OrderingKeyPaused(_)));
}

#[test]
fn a_batch_stops_at_a_paused_key_and_pauses_the_one_that_failed() {
    let (engine, _clock) = manual();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(8).shards(2)).unwrap();
    let _subscription = subscribe(&topic, "sub");
    let publisher = topic.publisher();
    let bad = Message::new("").ordering_key("a");
    let batch = [keyed(1, "a"), keyed(2, "b"), bad.clone(), keyed(4, "a"), keyed(5, "b")];
    let error = publisher.publish_batch(batch).unwrap_err();
    assert_eq!((error.published.len(), error.error.into_message()), (2, bad));
    assert_eq!(error.rest, [keyed(4, "a"), keyed(5, "b")]);
    let error =
        publisher.publish_batch([keyed(5, "b"), message(6), keyed(4, "a"), keyed(7, "b")]).unwrap_err();
    assert_eq!((error.published.len(), &error.rest[..]), (2, &[keyed(7, "b")][..]));
    assert!(matches!(error.error, PublishError::OrderingKeyPaused(message) if message == keyed(4, "a")));
    assert!(!publisher.resume_publishing("b"), "what was not tried has not failed");
    assert!(publisher.resume_publishing("a"));
    publisher.publish_batch([keyed(4, "a"), keyed(7, "b")]).unwrap();
}

#[test]
fn no_message_overtakes_one_of_its_key_that_failed() {
    const MESSAGES: u64 = 5_000;
    let engine = Engine::new();
    let topic = topic(&engine, 8);
    let subscription = subscribe(&topic, "sub");
    let publisher = topic.publisher();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random(5);
            let mut next = [0; 3];
            let mut pending: Vec<(usize, u64)> = Vec::new();
            while next.iter().sum::<u64>() < MESSAGES || !pending.is_empty() {
                // A few publishes, whatever becomes of them, as by one who looks at the outcomes later.
                let failed: Vec<(usize, u64)> = pending
                    .drain(..)
                    .chain((0..5).map(|_| {
                        let key = usize::try_from(random.below(3)).unwrap();
                        next[key] += 1;
                        (key, next[key] - 1)
                    }))
                    .filter(|(key, number)| {
                        publisher.try_publish(keyed(*number, ["a", "b", "c"][*key])).is_err()
                    })
                    .collect();
                pending = failed;
                for key in ["a", "b", "c"] {
                    publisher.resume_publishing(key);
                }
                thread::yield_now();
            }
            engine.delete_topic("topic").unwrap();
        });
        let mut next = std::collections::HashMap::new();
        while let Ok(delivery) = subscription.recv() {
            let expected = next.entry(delivery.ordering_key().unwrap().to_owned()).or_insert(0);
            assert_eq!(number(delivery.data()), *expected);
            *expected += 1;
            delivery.ack().unwrap();
        }
        assert!(next.values().sum::<u64>() >= MESSAGES);
    });
}
