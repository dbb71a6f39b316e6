//! What a publish is refused for, and that the message comes back.

use crate::common::{for_a_while, manual, message, receive_all, single, subscribe, topic};
use ringmain::{
    Close, Dispatcher, Engine, Error, Invalid, Message, PublishError, Resource, SubscriptionConfig,
    TopicConfig, Verdict,
};
use ringmain_ring::now;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[test]
fn a_refused_message_comes_back_and_the_reason_names_the_rule() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let long = |n: usize| "x".repeat(n);
    let many = (0..101).fold(Message::new("d"), |m, i| m.attribute(format!("k{i}"), "v"));
    for (bad, rule) in [
        (Message::new(""), "neither"),
        (Message::new(vec![0; (10 << 20) + 1]), "10485760"),
        (many, "100"),
        (Message::new("d").attribute("", "v"), "1 to 256"),
        (Message::new("d").attribute(long(257), "v"), "257"),
        (Message::new("d").attribute("goog", "v"), "goog"),
        (Message::new("d").attribute("k", long(1025)), "1024"),
        (Message::new("d").ordering_key(""), "ordering key"),
        (Message::new("d").ordering_key(long(1025)), "1024"),
    ] {
        let receipt = publisher.enqueue(bad.clone()).map(drop).unwrap_err();
        assert_eq!(receipt.into_message(), bad);
        let error = publisher.try_publish(bad.clone()).unwrap_err();
        assert!(matches!(error, PublishError::Invalid { .. }) && error.to_string().contains(rule), "{error}");
        assert_eq!(publisher.publish(bad.clone()).unwrap_err().into_message(), bad);
    }
    assert!(matches!(
        publisher.publish_slice(b""),
        Err(PublishError::Invalid { reason: Invalid::EmptyMessage, .. })
    ));
    assert!(publisher.publish_with(0, |_| panic!("not called")).is_err());
    for count in [0, 5] {
        let error = publisher.publish_batch_with(count, 8, |_, _| panic!("not called")).unwrap_err();
        assert!(error.to_string().contains("half"), "{error}");
    }
    assert_eq!(subscription.stats().accepted, 0);
}

#[test]
fn a_failed_batch_tells_what_was_published_what_failed_and_what_is_left() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let error = publisher.publish_batch([message(1), Message::new(""), message(3)]).unwrap_err();
    assert_eq!((error.published.len(), error.rest.len()), (1, 1));
    assert_eq!((error.error.into_message(), &error.rest[0]), (Message::new(""), &message(3)));
    assert_eq!(receive_all(&subscription), [1]);
}

#[test]
fn full_and_closed_give_the_message_back() {
    let (engine, _clock, publisher, subscription) = single(4);
    for number in 0..4 {
        publisher.try_publish(message(number)).unwrap();
    }
    assert!(matches!(publisher.try_publish(message(9)), Err(PublishError::Full(m)) if m == message(9)));
    assert!(matches!(publisher.try_publish_slice(b"x"), Err(PublishError::Full(()))));
    let timeout = Duration::from_millis(1);
    assert!(
        matches!(publisher.publish_timeout(message(9), timeout), Err(PublishError::Full(m)) if m == message(9))
    );
    assert_eq!(receive_all(&subscription), [0, 1, 2, 3]);
    publisher.publish_timeout(message(4), Duration::MAX).unwrap();
    engine.close(Close::Now);
    assert!(matches!(publisher.publish(message(9)), Err(PublishError::Closed(m)) if m == message(9)));
    assert!(matches!(publisher.try_publish(message(9)), Err(PublishError::Closed(m)) if m == message(9)));
    assert!(matches!(publisher.enqueue(message(9)), Err(PublishError::Closed(m)) if m == message(9)));
    assert!(matches!(publisher.publish_slice(b"x"), Err(PublishError::Closed(()))));
    assert!(matches!(engine.create_topic("other", TopicConfig::default()), Err(Error::Closed)));
}

#[test]
fn publish_timeout_waits_for_room_and_as_long_as_it_says() {
    let (_engine, _clock, publisher, subscription) = single(1);
    publisher.publish(message(0)).unwrap();
    let (began, timeout) = (now(), Duration::from_millis(3));
    assert!(matches!(publisher.publish_timeout(message(9), timeout), Err(PublishError::Full(_))));
    assert!(now() - began >= timeout);
    thread::scope(|scope| {
        let waits = scope.spawn(|| publisher.publish_timeout(message(1), Duration::from_secs(600)));
        assert!(for_a_while(|| !waits.is_finished()), "there is no room");
        subscription.recv().unwrap().ack().unwrap();
        assert_eq!(waits.join().unwrap().unwrap().get(), 1);
    });
    assert_eq!(receive_all(&subscription), [1]);
}

#[test]
fn a_handler_that_would_wait_for_itself_is_told_so() {
    let (_engine, _clock, publisher, subscription) = single(4);
    let told = Arc::new(Mutex::new(Vec::new()));
    let inside = (publisher.clone(), Arc::clone(&told));
    let mut dispatcher = Dispatcher::new().add(&subscription, move |first| {
        if first.id().get() == 0 {
            return Verdict::Ack; // from now on the subscription counts as busy, and messages are staged
        }
        let (publisher, told) = &inside;
        let mut told = told.lock().unwrap();
        let result = loop {
            if let Err(error) = publisher.publish(message(1)) {
                break error;
            }
        };
        told.push(matches!(&result, PublishError::WouldDeadlock(m) if *m == message(1)));
        // The same of everything that may wait for room.
        let enqueued = (0..).find_map(|_| publisher.enqueue(message(2)).err()).expect("the lane fills up");
        told.push(matches!(enqueued, PublishError::WouldDeadlock(m) if m == message(2)));
        told.push(matches!(publisher.flush(), Err(PublishError::WouldDeadlock(()))));
        told.push(matches!(publisher.publish_slice(b"x"), Err(PublishError::WouldDeadlock(()))));
        told.push(matches!(publisher.try_publish_slice(b"x"), Err(PublishError::Full(()))));
        Verdict::Ack
    });
    for _ in 0..2 {
        publisher.publish(message(0)).unwrap();
        dispatcher.poll();
    }
    assert_eq!(*told.lock().unwrap(), [true; 5]);
    // What was accepted comes, in order.
    drop(dispatcher);
    let received = receive_all(&subscription);
    assert!(received.is_sorted() && received.contains(&2), "{received:?}");
}

#[test]
fn a_handler_within_a_handler_that_would_wait_for_the_outer_one_is_told_so() {
    let (engine, _clock, publisher, subscription) = single(4);
    let other = engine.create_topic("other", TopicConfig::default()).unwrap();
    let inner = other.create_subscription("inner", SubscriptionConfig::default()).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (inside, notes) = (publisher.clone(), Arc::clone(&told));
    let within = move |_: ringmain::InPlace<'_>| {
        let error = (0..).find_map(|_| inside.publish(message(1)).err()).expect("the topic fills up");
        notes.lock().unwrap().push(matches!(error, PublishError::WouldDeadlock(_)));
        Verdict::Ack
    };
    let mut nested = Dispatcher::new().add(&inner, within);
    let mut dispatcher = Dispatcher::new().add(&subscription, move |_| {
        nested.poll();
        Verdict::Ack
    });
    other.publisher().publish(message(0)).unwrap();
    publisher.publish(message(0)).unwrap();
    dispatcher.poll();
    assert_eq!(*told.lock().unwrap(), [true]);
    // Outside again, waiting is waiting.
    assert!(matches!(publisher.try_publish(message(2)), Err(PublishError::Full(_)) | Ok(_)));
}

#[test]
fn names_are_checked_and_unique() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 8);
    for bad in ["ab", "1st", "a b", "google"] {
        assert!(matches!(engine.create_topic(bad, TopicConfig::default()), Err(Error::InvalidArgument(_))));
        assert!(matches!(
            topic.create_subscription(bad, SubscriptionConfig::default()),
            Err(Error::InvalidArgument(_))
        ));
    }
    let again = engine.create_topic("topic", TopicConfig::default()).unwrap_err();
    assert_eq!(again, Error::AlreadyExists(Resource::Topic("topic".into())));
    subscribe(&topic, "sub");
    let again = topic.create_subscription("sub", SubscriptionConfig::default()).unwrap_err();
    assert_eq!(again, Error::AlreadyExists(Resource::Subscription("sub".into())));
    assert_eq!(engine.delete_topic("none"), Err(Error::NotFound(Resource::Topic("none".into()))));
    assert_eq!(
        engine.delete_subscription("none"),
        Err(Error::NotFound(Resource::Subscription("none".into())))
    );
    assert!(engine.topic("none").is_none() && engine.subscription("none").is_none());
    assert_eq!(engine.topic("topic").unwrap().name(), "topic");
    assert_eq!(engine.subscription("sub").unwrap().name(), "sub");
    engine.delete_subscription("sub").unwrap();
    assert!(engine.subscription("sub").is_none());
    subscribe(&topic, "sub");
}

#[test]
fn settings_are_checked_and_the_error_names_them() {
    let (engine, _clock) = manual();
    for (config, setting) in [
        (TopicConfig::default().ring_slots(1000), "ring_slots"),
        (TopicConfig::default().shards(0), "shards"),
        (TopicConfig::default().batch(0, 1), "batch_messages"),
        (TopicConfig::default().batch(1, 0), "batch_bytes"),
    ] {
        let error = engine.create_topic("topic", config).unwrap_err().to_string();
        assert!(error.contains(setting), "{error}");
    }
    let topic = topic(&engine, 8);
    let default = SubscriptionConfig::default;
    for (config, setting) in [
        (default().ack_deadline(Duration::from_secs(601)), "ack_deadline"),
        (default().max_outstanding_messages(0), "max_outstanding_messages"),
        (default().max_held_messages(0), "max_held_messages"),
    ] {
        let error = topic.create_subscription("sub", config).unwrap_err().to_string();
        assert!(error.contains(setting), "{error}");
    }
    // Short deadlines are for clocks that move by hand.
    let short = default().ack_deadline(Duration::from_secs(9));
    topic.create_subscription("sub", short.clone()).unwrap();
    let real = Engine::builder().build();
    assert!(crate::common::topic(&real, 8).create_subscription("sub", short).is_err());
}
