//! What a stream yields, when it ends, and that nothing is lost with it.

use crate::common::{assert_balanced, message, number, single};
use crate::{ByHand, DEADLINE, config, with};
use futures_util::StreamExt;
use ringmain::{Close, CloseReport, Engine, Overflow, RecvError, Subscription};
use std::task::Poll;

#[test]
fn yields_in_order_and_ends_with_the_topic_when_all_is_acked() {
    let (engine, _clock, publisher, subscription) = single(64);
    let mut stream = ByHand::new(&subscription);
    for round in 0..3 {
        stream.sleeps();
        let numbers: Vec<_> = (20 * round..20 * round + 20).collect();
        for &number in &numbers {
            publisher.publish(message(number)).unwrap();
        }
        stream.is_woken();
        assert_eq!(stream.numbers(), numbers);
    }
    publisher.publish(message(60)).unwrap();
    let last = stream.yields();
    engine.delete_topic("topic").unwrap();
    stream.sleeps(); // the last one may come back yet
    last.nack().unwrap();
    let last = stream.woken_to_yield();
    assert_eq!((number(last.data()), last.delivery_attempt()), (60, 2));
    stream.sleeps();
    last.ack().unwrap();
    stream.woken_to_end();
    assert_balanced(&subscription);
}

#[test]
fn ends_when_its_subscription_its_topic_or_the_engine_does() {
    type End = fn(&Engine, &Subscription);
    let ends: [(&str, End); 5] = [
        ("topic", |engine, _| engine.delete_topic("topic").unwrap()),
        ("drain", |engine, _| assert_eq!(engine.close(Close::Drain(DEADLINE)), CloseReport::default())),
        ("now", |engine, _| assert_eq!(engine.close(Close::Now), CloseReport::default())),
        ("detach", |_, subscription| subscription.detach()),
        ("subscription", |engine, _| engine.delete_subscription("sub").unwrap()),
    ];
    let policies = [Overflow::Block, Overflow::DropOldest, Overflow::Detach];
    for ((name, end), overflow) in ends.into_iter().flat_map(|end| policies.map(|policy| (end, policy))) {
        println!("{name}, {overflow:?}");
        let (engine, _clock, publisher, subscription) = with(config().overflow(overflow));
        let (mut stream, mut other) = (ByHand::new(&subscription), ByHand::new(&subscription));
        publisher.publish(message(1)).unwrap();
        stream.yields().ack().unwrap();
        stream.sleeps();
        other.sleeps();
        end(&engine, &subscription);
        stream.woken_to_end();
        other.woken_to_end();
    }
    let (engine, _clock, _publisher, subscription) = single(8);
    let mut stream = ByHand::new(&subscription);
    stream.sleeps();
    drop(engine);
    stream.woken_to_end();
}

#[test]
fn drains_a_deleted_topic_and_drops_the_backlog_of_a_detached_subscription() {
    let (engine, _clock, publisher, subscription) = single(8);
    let mut stream = ByHand::new(&subscription);
    stream.sleeps();
    for number in 0..3 {
        publisher.publish(message(number)).unwrap();
    }
    engine.delete_topic("topic").unwrap();
    assert_eq!(stream.numbers(), [0, 1, 2]);
    stream.ends();

    // Also what is in backoff.
    let (engine, clock, publisher, subscription) = with(config().retry(DEADLINE, DEADLINE));
    let mut stream = ByHand::new(&subscription);
    publisher.publish(message(0)).unwrap();
    stream.yields().nack().unwrap();
    engine.delete_topic("topic").unwrap();
    stream.sleeps();
    clock.advance(DEADLINE);
    engine.tick();
    stream.woken_to_yield().ack().unwrap();
    stream.ends();

    let (_engine, _clock, publisher, subscription) = single(8);
    let mut stream = ByHand::new(&subscription);
    for number in 0..3 {
        publisher.publish(message(number)).unwrap();
    }
    let first = stream.yields();
    subscription.detach();
    stream.ends();
    assert!(first.ack().is_err());
    assert_balanced(&subscription);
}

#[test]
fn tells_a_gap_and_goes_on_and_ends_when_its_policy_detaches_it() {
    let (_engine, _clock, publisher, subscription) = with(config().overflow(Overflow::DropOldest));
    let mut stream = ByHand::new(&subscription);
    stream.sleeps();
    for number in 0..20 {
        publisher.try_publish(message(number)).unwrap();
    }
    stream.is_woken();
    let Poll::Ready(Some(Err(RecvError::Lagged(lost)))) = stream.poll() else {
        panic!("the gap comes first")
    };
    assert!(lost >= 12, "the ring has 8 slots, and 20 were published: {lost}");
    assert_eq!(stream.numbers(), (lost..20).collect::<Vec<_>>());
    stream.sleeps();
    assert_balanced(&subscription);

    let (_engine, _clock, publisher, subscription) = with(config().overflow(Overflow::Detach));
    let mut stream = ByHand::new(&subscription);
    stream.sleeps();
    for number in 0..20 {
        publisher.try_publish(message(number)).unwrap();
    }
    stream.woken_to_end();
    assert_balanced(&subscription);
}

#[test]
fn a_dropped_stream_or_future_loses_nothing() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let mut stream = subscription.stream();
    for number in 0..4 {
        let mut next = ByHand::of(stream.next());
        assert!(number > 0 || next.poll_once().is_pending());
        drop(next); // asleep, or before it was polled
        publisher.publish(message(number)).unwrap();
    }
    drop(stream);
    let (mut stream, mut other) = (ByHand::new(&subscription), ByHand::new(&subscription));
    assert_eq!(stream.numbers(), [0, 1, 2, 3]);
    // Dropped asleep, beside one that stays.
    stream.sleeps();
    other.sleeps();
    drop(stream);
    publisher.publish(message(4)).unwrap();
    // Dropped with what it yielded.
    drop((other.woken_to_yield(), other));
    let again = ByHand::new(&subscription).yields();
    assert_eq!((number(again.data()), again.delivery_attempt()), (4, 2));
}

#[test]
fn two_streams_compete_and_with_message_ordering_a_key_waits() {
    let (engine, _clock, publisher, subscription) = with(config().message_ordering());
    let (mut one, mut other) = (ByHand::new(&subscription), ByHand::new(&subscription));
    one.sleeps();
    other.sleeps();
    for (number, key) in (0..).zip(["a", "a", "b", "b"]) {
        publisher.publish(message(number).ordering_key(key)).unwrap();
    }
    let first = one.woken_to_yield();
    let second = other.woken_to_yield();
    assert_eq!([&first, &second].map(|delivery| number(delivery.data())), [0, 2], "a key each");
    one.sleeps();
    other.sleeps();
    second.ack().unwrap();
    let third = one.woken_to_yield();
    assert_eq!(number(third.data()), 3, "the next of the other's key");
    one.sleeps();
    first.nack().unwrap();
    assert_eq!(other.woken_to_yield().delivery_attempt(), 2);
    third.ack().unwrap();
    engine.delete_topic("topic").unwrap();
    one.is_woken();
    assert_eq!(one.numbers(), [0, 1]);
    one.ends();
    other.ends();
    assert_balanced(&subscription);
}
