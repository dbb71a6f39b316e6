//! All that wakes a stream.

use crate::common::{assert_balanced, manual, message, number, receive_all, single, subscribe};
use crate::{ByHand, DEADLINE, config, stuck, with};
use futures_util::StreamExt;
use ringmain::{Dispatcher, Publisher, TopicConfig, Verdict, WaitStrategy};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(1);

#[test]
fn every_way_to_publish() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let mut stream = ByHand::new(&subscription);
    let ways: [fn(&Publisher); 6] = [
        |publisher| assert!(publisher.publish(message(1)).is_ok()),
        |publisher| assert!(publisher.try_publish(message(1)).is_ok()),
        |publisher| assert!(publisher.publish_slice(&1_u64.to_le_bytes()).is_ok()),
        |publisher| assert!(publisher.publish_with(8, |buffer| buffer[0] = 1).is_ok()),
        |publisher| assert!(publisher.publish_batch([message(1)]).is_ok()),
        |publisher| assert!(publisher.enqueue(message(1)).is_ok()),
    ];
    for way in ways {
        stream.sleeps();
        way(&publisher);
        stream.woken_to_yield().ack().unwrap();
    }
}

/// There a publish notifies nobody, so a stream that waited for that would wait for ever.
#[test]
fn where_nobody_parks_a_stream_has_itself_polled() {
    let (engine, _clock) = manual();
    let settings = TopicConfig::default().ring_slots(8).wait(WaitStrategy::Spin);
    let topic = engine.create_topic("topic", settings).unwrap();
    let subscription = subscribe(&topic, "sub");
    let mut stream = ByHand::new(&subscription);
    for _ in 0..3 {
        stream.sleeps();
        stream.is_woken();
    }
    let mut stream = stream.inner;
    thread::scope(|scope| {
        let receives = scope.spawn(|| futures_executor::block_on(stream.next()));
        topic.publisher().publish(message(1)).unwrap();
        let received = receives.join().unwrap();
        assert_eq!(number(received.unwrap().unwrap().data()), 1);
    });
}

/// The stream has a backlog, so `enqueue` stages; another subscription holds the ring full, so what is staged cannot be
/// fetched; and when there is room, that is what the stream sleeps for.
#[test]
fn room_for_what_is_staged() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let slow = stuck(&subscription);
    let mut stream = ByHand::new(&subscription);
    drop(publisher.enqueue(message(8)).unwrap());
    assert_eq!(subscription.topic().stats().published, 8, "the last one is staged");
    assert_eq!(stream.numbers(), (1..8).collect::<Vec<_>>());
    stream.sleeps();
    slow.recv().unwrap().ack().unwrap();
    stream.woken_to_yield().ack().unwrap();
    // With room, what is staged is fetched before anybody sleeps.
    assert_eq!(receive_all(&slow).len(), 8);
    for number in 0..3 {
        publisher.publish(message(number)).unwrap();
    }
    stream.yields().ack().unwrap();
    drop(publisher.enqueue(message(3)).unwrap());
    assert_eq!(subscription.topic().stats().published, 12);
    assert_eq!(stream.numbers(), [1, 2, 3]);
}

/// Another subscription has a backlog, which would be a reason to stage.
#[test]
fn a_message_that_is_enqueued_while_others_are_busy() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let busy = subscribe(&subscription.topic(), "busy");
    let mut stream = ByHand::new(&subscription);
    for number in 0..2 {
        publisher.publish(message(number)).unwrap();
    }
    assert_eq!(stream.numbers(), [0, 1]);
    stream.sleeps();
    busy.recv().unwrap().ack().unwrap();
    drop(publisher.enqueue(message(2)).unwrap());
    assert_eq!(number(stream.woken_to_yield().data()), 2);
}

#[test]
fn a_nack_a_lease_that_expires_and_a_deadline_of_zero() {
    let (engine, clock, publisher, subscription) = with(config());
    let mut stream = ByHand::new(&subscription);
    publisher.publish(message(1)).unwrap();
    let lease = subscription.recv().unwrap();
    stream.sleeps();
    clock.advance(DEADLINE - MOMENT);
    engine.tick();
    stream.sleeps(); // not a moment too early
    clock.advance(MOMENT);
    engine.tick();
    let second = stream.woken_to_yield();
    assert_eq!((second.delivery_attempt(), lease.ack().is_err()), (2, true));
    stream.sleeps();
    second.modify_ack_deadline(Duration::ZERO).unwrap();
    let third = stream.woken_to_yield();
    stream.sleeps();
    third.nack().unwrap();
    let fourth = stream.woken_to_yield();
    stream.sleeps();
    drop(fourth);
    assert_eq!(stream.woken_to_yield().delivery_attempt(), 5);
}

#[test]
fn the_end_of_a_backoff() {
    let (engine, clock, publisher, subscription) = with(config().retry(DEADLINE, DEADLINE * 2));
    let mut stream = ByHand::new(&subscription);
    publisher.publish(message(1)).unwrap();
    stream.yields().nack().unwrap();
    for (backoff, attempt) in [(DEADLINE, 2), (DEADLINE * 2, 3), (DEADLINE * 2, 4)] {
        stream.sleeps();
        clock.advance(backoff - MOMENT);
        engine.tick();
        stream.sleeps(); // not a moment too early
        clock.advance(MOMENT);
        engine.tick();
        let delivery = stream.woken_to_yield();
        assert_eq!(delivery.delivery_attempt(), attempt);
        delivery.nack().unwrap();
    }
    assert_balanced(&subscription);
}

/// With credit for one message, an end of its lease is what the next delivery waits for. (Which message that is: as
/// redeliveries and the ring take turns.)
#[test]
fn credit_that_comes_back_in_messages_and_in_bytes() {
    for config in [config().max_outstanding_messages(1), config().max_outstanding_bytes(12)] {
        let (engine, clock, publisher, subscription) = with(config);
        let (mut stream, mut other) = (ByHand::new(&subscription), ByHand::new(&subscription));
        for number in 0..4 {
            publisher.publish(message(number)).unwrap();
        }
        let first = stream.yields();
        stream.sleeps();
        other.sleeps();
        assert_eq!(number(first.data()), 0);
        first.ack().unwrap();
        let second = other.woken_to_yield();
        assert_eq!(number(second.data()), 1);
        stream.is_woken(); // too, and comes too late
        stream.sleeps();
        second.nack().unwrap();
        let late = stream.woken_to_yield();
        stream.sleeps();
        clock.advance(DEADLINE);
        engine.tick();
        let next = stream.woken_to_yield();
        assert!(late.ack().is_err());
        stream.sleeps();
        drop(next);
        stream.is_woken();
        let mut numbers = stream.numbers();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3]);
        assert_balanced(&subscription);
    }
}

/// As much is held as may be, so that nothing is taken from the ring, until a backoff ends and what is held is acked.
#[test]
fn room_to_hold() {
    let (engine, clock, publisher, subscription) =
        with(config().retry(DEADLINE, DEADLINE).max_held_messages(1));
    let mut stream = ByHand::new(&subscription);
    publisher.publish(message(0)).unwrap();
    publisher.publish(message(1)).unwrap();
    stream.yields().nack().unwrap();
    stream.sleeps();
    assert_eq!(stream.count.take(), 0, "there is something on the ring, and nothing to be woken for");
    clock.advance(DEADLINE);
    engine.tick();
    let again = stream.woken_to_yield();
    assert_eq!(again.delivery_attempt(), 2);
    assert_eq!(stream.numbers(), [1]);
    again.ack().unwrap();
}

#[test]
fn an_ordering_key_whose_message_is_a_dead_letter() {
    let (engine, _clock, publisher, _subscription) = with(config());
    let graves = engine.create_topic("graves", TopicConfig::default().ring_slots(8)).unwrap();
    let ordered = config().message_ordering().dead_letter(&graves, 5);
    let subscription = publisher.topic().create_subscription("ordered", ordered).unwrap();
    let mut stream = ByHand::new(&subscription);
    for number in 0..2 {
        publisher.publish(message(number).ordering_key("k")).unwrap();
    }
    for attempt in 1..=5 {
        let delivery = stream.yields();
        assert_eq!((number(delivery.data()), delivery.delivery_attempt()), (0, attempt));
        stream.sleeps();
        delivery.nack().unwrap();
        stream.is_woken();
    }
    assert_eq!(stream.numbers(), [1]);
}

/// A task may be polled with another waker than before, since it moved: the last one counts.
#[test]
fn the_last_waker_is_woken() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let mut stream = ByHand::new(&subscription);
    stream.sleeps();
    let before = std::mem::take(&mut stream.count);
    stream.sleeps();
    publisher.publish(message(1)).unwrap();
    stream.woken_to_yield().ack().unwrap();
    assert!(before.take() <= 2, "the former one is woken in vain, if at all");
}

/// A filter passes over as many messages in one look as a ring has slots. With more rings than looks, the rest is still
/// there when the stream goes to sleep, though nothing further happens that could wake it.
#[test]
fn what_is_left_when_a_filter_has_passed_over_enough() {
    let (engine, _clock) = manual();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(8).shards(8)).unwrap();
    let subscription = topic.create_subscription("sub", config().filter("attributes:wanted")).unwrap();
    let publishers = [(); 8].map(|()| topic.publisher()); // a shard each
    for publisher in &publishers {
        for number in 0..7 {
            publisher.try_publish(message(number)).unwrap();
        }
    }
    publishers[7].try_publish(message(7).attribute("wanted", "")).unwrap();
    let mut stream = ByHand::new(&subscription);
    let mut polls = 1;
    while stream.poll().is_pending() {
        assert!(stream.count.take() > 0, "asleep after {polls} polls: {:?}", subscription.stats());
        polls += 1;
    }
    assert_eq!(subscription.stats().filtered, 56);
}

/// A dispatcher handles a message of a key in place; the next one of that key is then ready, for whoever comes first.
#[test]
fn an_ordering_key_whose_message_was_handled_in_place() {
    let (_engine, _clock, publisher, subscription) = with(config().message_ordering());
    let stream = Arc::new(Mutex::new(ByHand::new(&subscription)));
    let competitor = Arc::clone(&stream);
    let mut dispatcher = Dispatcher::new().turn_limit(1).add(&subscription, move |_| {
        competitor.lock().unwrap().sleeps(); // the key is under way
        Verdict::Ack
    });
    for number in 0..2 {
        publisher.publish(message(number).ordering_key("k")).unwrap();
    }
    assert_eq!(dispatcher.poll(), 1);
    drop(dispatcher); // it will not come back for the other one
    let mut stream = stream.lock().unwrap();
    assert_eq!(number(stream.woken_to_yield().data()), 1);
}

/// Two dead letters are parked, and that is all that may be held: nothing is taken from the ring until there is less.
#[test]
fn room_for_one_of_the_letters_that_are_parked() {
    let (engine, clock) = manual();
    let source = engine.create_topic("source", TopicConfig::default()).unwrap();
    let dead = engine.create_topic("dead", TopicConfig::default().ring_slots(1)).unwrap();
    let letters = subscribe(&dead, "letters");
    let settings = config().dead_letter(&dead, 5).max_held_messages(2);
    let subscription = source.create_subscription("sub", settings).unwrap();
    dead.publisher().publish(message(0)).unwrap();
    let publisher = source.publisher();
    (1..3).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    (0..5).for_each(|_| drop(subscription.pull(2).unwrap()));
    assert_eq!(subscription.stats().parked, 2);
    let mut stream = ByHand::new(&subscription);
    publisher.publish(message(3)).unwrap();
    stream.sleeps();
    assert_eq!(receive_all(&letters), [0]);
    clock.advance(Duration::from_secs(1));
    engine.tick();
    stream.is_woken(); // before the statistics are asked for, which look at the ring and wake it, too
    assert_eq!(subscription.stats().parked, 1);
    assert_eq!(number(stream.yields().data()), 3);
}
