//! What sleeping costs: wakers are kept by whoever may wake them, and must not pile up there.

use crate::common::{message, single};
use crate::{ByHand, config, with};
use futures_util::StreamExt;

/// A few for each thing that it waits for: what changes, a ring's data, and its room.
const FEW: usize = 8;

/// As a task does that waits for something else as well, and is polled whenever that moves.
#[test]
fn many_polls_in_vain_leave_few_wakers() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let mut stream = ByHand::new(&subscription);
    for _ in 0..1000 {
        stream.sleeps();
    }
    assert!(stream.wakers() <= FEW, "{} wakers after 1000 polls", stream.wakers());
    publisher.publish(message(1)).unwrap();
    let wakes = stream.count.take();
    assert!((1..=FEW).contains(&wakes), "woken {wakes} times by one message");
}

/// Each message wakes the stream and is not for it: what it registered for and did not happen must not be left behind.
#[test]
fn many_wake_ups_in_vain_leave_few_wakers() {
    let (_engine, _clock, publisher, subscription) = with(config().filter("attributes:wanted"));
    let mut stream = ByHand::new(&subscription);
    for number in 0..1000 {
        stream.sleeps();
        publisher.publish(message(number)).unwrap();
        stream.is_woken();
    }
    assert!(stream.wakers() <= FEW, "{} wakers after 1000 messages", stream.wakers());
}

/// The same while it works: every message is yielded, and none is acked yet.
#[test]
fn many_messages_leave_few_wakers() {
    let (_engine, _clock, publisher, subscription) = with(config().max_outstanding_messages(2000));
    let mut stream = ByHand::new(&subscription);
    let mut leases = Vec::new();
    for number in 0..1000 {
        stream.sleeps();
        publisher.publish(message(number)).unwrap();
        leases.push(stream.woken_to_yield());
    }
    assert!(stream.wakers() <= FEW, "{} wakers after 1000 messages", stream.wakers());
}

/// A stream for each wait, dropped asleep: a task that is gone is not kept alive by what it waited for.
#[test]
fn a_dropped_stream_leaves_no_waker() {
    let (_engine, _clock, _publisher, subscription) = single(8);
    let mut stream = ByHand::of(());
    for _ in 0..100 {
        let mut next = subscription.stream();
        let mut next = ByHand { inner: next.next(), count: std::mem::take(&mut stream.count) };
        assert!(next.poll_once().is_pending());
        stream.count = next.count;
    }
    assert_eq!(stream.wakers(), 0, "wakers of streams that are gone");
}
