//! Owners of payloads (`Bytes::from_owner`) that publish to the same topic when they are dropped: what they held is counted out by
//! then, and nothing that only their own thread could end is in their way.

#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use super::owned::owned;
use ringmain::{
    Engine, LimitExceeded, Message, Publisher, PublisherConfig, Subscription, Topic, TopicConfig,
};
use std::future::Future as _;
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

/// Four slots, and at most 4,000 bytes of payloads of more than 1,000.
fn small() -> (Engine, Topic, Subscription) {
    let engine = Engine::new();
    let config = TopicConfig::default().ring_slots(4).ring_bytes(8_000);
    let topic = engine.create_topic("topic", config).unwrap();
    let subscription = topic.create_subscription("sub", Default::default()).unwrap();
    (engine, topic, subscription)
}

fn bytes(len: usize) -> Message {
    Message::new(vec![0; len])
}

/// An owner of `len` bytes publishes as many again when `let_go` has it dropped, while another thread reads.
fn publishes_as_much(len: usize, let_go: fn(&Topic, &Publisher)) {
    let (engine, topic, subscription) = small();
    let (publisher, theirs) = (topic.publisher(), topic.publisher());
    let (say, said) = mpsc::channel();
    publisher.publish(owned(len, move || say.send(theirs.publish(bytes(len)).is_ok()).unwrap())).unwrap();
    subscription.recv().unwrap().ack().unwrap();
    thread::spawn(move || subscription.iter().for_each(|next| next.unwrap().ack().unwrap()));
    let lets_go = thread::spawn(move || let_go(&topic, &publisher));
    assert_eq!(said.recv_timeout(Duration::from_secs(60)), Ok(true));
    lets_go.join().unwrap();
    drop(engine);
}

#[test]
fn what_makes_room_for_a_large_payload_lets_go_of_one() {
    publishes_as_much(4_000, |_, publisher| _ = publisher.publish(bytes(3_900)).unwrap());
}

#[test]
fn a_large_payload_takes_the_slot_of_one() {
    publishes_as_much(2_000, |_, publisher| {
        (0..3).for_each(|_| _ = publisher.publish(bytes(10)).unwrap());
        publisher.publish(bytes(1_900)).unwrap();
    });
}

#[test]
fn a_small_payload_takes_the_slot_of_one() {
    publishes_as_much(4_000, |_, publisher| (0..4).for_each(|_| _ = publisher.publish(bytes(10)).unwrap()));
}

#[test]
fn a_batch_takes_the_slot_of_one() {
    publishes_as_much(4_000, |_, publisher| {
        (0..2).for_each(|_| drop(publisher.publish_batch(vec![bytes(10); 2]).unwrap()));
    });
}

#[test]
fn a_trim_lets_go_of_one() {
    publishes_as_much(4_000, |topic, _| _ = topic.trim());
}

#[test]
fn what_is_staged_takes_the_slot_of_one() {
    publishes_as_much(4_000, |_, publisher| {
        (0..4).for_each(|_| _ = publisher.enqueue(bytes(10)).unwrap().wait().unwrap());
    });
}

#[test]
fn a_publisher_with_limits_takes_the_slot_of_one() {
    publishes_as_much(4_000, |topic, _| {
        let limits = PublisherConfig::default().limit_exceeded(LimitExceeded::Block);
        let publisher = topic.publisher_with(limits).unwrap();
        (0..4).for_each(|_| _ = publisher.publish(bytes(10)).unwrap());
    });
}

/// How many slots an owner finds free, of four, when `let_go` has it dropped and everything is read.
fn free_for_an_owner(let_go: fn(&Topic, &Publisher)) -> usize {
    let (_engine, topic, subscription) = small();
    let (publisher, theirs) = (topic.publisher(), topic.publisher());
    let (say, said) = mpsc::channel();
    (0..2).for_each(|_| _ = publisher.publish(bytes(1)).unwrap());
    let fills = move || (0..4).filter(|_| theirs.try_publish(bytes(1)).is_ok()).count();
    publisher.publish(owned(3_000, move || say.send(fills()).unwrap())).unwrap();
    (0..3).for_each(|_| subscription.recv().unwrap().ack().unwrap());
    let_go(&topic, &publisher);
    said.recv().unwrap()
}

#[test]
fn readers_are_past_the_padding_when_owners_are_told() {
    assert_eq!(free_for_an_owner(|topic, _| _ = topic.trim()), 4);
    assert_eq!(free_for_an_owner(|_, publisher| drop(publisher.try_publish(bytes(3_500)))), 4);
}

/// With one message outstanding at most, that of the future.
fn dropped_future(ready: bool) -> (bool, u64) {
    let (_engine, topic, subscription) = small();
    (0..4).for_each(|_| _ = topic.publisher().publish(bytes(1)).unwrap());
    let limits = PublisherConfig::default().max_outstanding_messages(1).limit_exceeded(LimitExceeded::Block);
    let publisher = Arc::new(topic.publisher_with(limits).unwrap());
    let (say, said) = mpsc::channel();
    let theirs = Arc::clone(&publisher);
    let message = owned(2_000, move || {
        let published = theirs.publish_timeout(bytes(1), Duration::from_millis(500)).is_ok();
        say.send((published, theirs.stats().outstanding_messages)).unwrap();
    });
    let mut context = Context::from_waker(Waker::noop());
    // With its credit, or with a place in the queue for it, which the first then leaves to it.
    let mut first = Box::pin(publisher.publish_async(bytes(1)));
    if ready {
        assert!(first.as_mut().poll(&mut context).is_pending());
    }
    let mut future = Box::pin(publisher.publish_async(message));
    assert!(future.as_mut().poll(&mut context).is_pending());
    (0..4).for_each(|_| subscription.recv().unwrap().ack().unwrap());
    if ready {
        assert!(first.as_mut().poll(&mut context).is_ready());
    }
    drop(future);
    said.recv().unwrap()
}

#[test]
fn a_future_that_is_dropped_gives_up_its_credit_before_its_message() {
    assert_eq!(dropped_future(false), (true, 0));
    assert_eq!(dropped_future(true), (true, 0));
}
