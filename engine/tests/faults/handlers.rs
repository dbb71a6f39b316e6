//! Handlers that panic while something else goes wrong: under each overflow policy on a full ring, during a close, while
//! leases expire, and with a panic that panics in its turn.

use super::common::failing::DEADLINE;
use super::common::{assert_balanced, manual, message, receive_all, subscribe, topic, until};
use ringmain::{Close, Dispatcher, Overflow, RecvError, SubscriptionConfig, TopicConfig, Verdict};
use std::panic::{panic_any, resume_unwind};
use std::thread;
use std::time::Duration;

fn fail() -> Verdict {
    resume_unwind(Box::new("a handler"))
}

/// A handler that fails at every message, with no room to hold them: its policy decides, and no other subscription suffers.
#[test]
fn on_a_full_ring_the_overflow_policy_decides_and_nobody_else_suffers() {
    for overflow in [Overflow::Block, Overflow::DropOldest, Overflow::Detach] {
        let (engine, _clock) = manual();
        let topic = topic(&engine, 4);
        let config = SubscriptionConfig::default().overflow(overflow).max_held_messages(2);
        let failing = topic.create_subscription("failing", config).expect("a new subscription");
        let well = subscribe(&topic, "well");
        let mut dispatcher = Dispatcher::new().add(&failing, |_| fail());
        let mut received = Vec::new();
        let mut full = 0;
        for number in 0..20 {
            full += u64::from(topic.publisher().try_publish(message(number)).is_err());
            received.extend(receive_all(&well));
            dispatcher.poll();
        }
        assert_eq!(received.len() as u64, 20 - full, "{overflow:?}");
        let stats = failing.stats();
        match overflow {
            Overflow::Block => assert_eq!((full, stats.held, stats.unread), (14, 2, 4), "{stats:?}"),
            Overflow::DropOldest => assert_eq!((full, stats.held), (0, 2), "{stats:?}"),
            _ => assert!(matches!(failing.recv(), Err(RecvError::Detached)), "{stats:?}"),
        }
        assert!(stats.panics > 1, "{stats:?}");
        assert_balanced(&failing);
        // Whoever gives it up sets the others free.
        failing.detach();
        topic.publisher().try_publish(message(99)).expect("nobody is waited for");
    }
}

/// The publisher sleeps on a full ring; the thread of the only consumer ends by a panic of its own, outside a handler.
#[test]
fn a_publisher_that_waits_goes_on_when_the_thread_of_the_only_consumer_dies_and_another_comes() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 2);
    let subscription = subscribe(&topic, "sub");
    let publisher = topic.publisher();
    thread::scope(|scope| {
        let publishing =
            scope.spawn(|| (0..20).for_each(|number| assert!(publisher.publish(message(number)).is_ok())));
        let dying = scope.spawn(|| {
            let mut dispatcher = Dispatcher::new().turn_limit(1).add(&subscription, |_| fail());
            until(|| topic.stats().published > 2 || dispatcher_polled(&topic));
            dispatcher.poll();
            resume_unwind(Box::new("the thread"));
        });
        dying.join().expect_err("it died");
        let mut received = Vec::new();
        until_received(&subscription, &mut received, 20);
        publishing.join().expect("all are published");
        received.sort_unstable();
        assert_eq!(received, (0..20).collect::<Vec<_>>());
    });
    assert_balanced(&subscription);
}

/// Whether there is a full ring for a dispatcher to poll.
fn dispatcher_polled(topic: &ringmain::Topic) -> bool {
    topic.stats().slowest.is_some_and(|slowest| slowest.behind == 2)
}

fn until_received(subscription: &ringmain::Subscription, received: &mut Vec<u64>, count: usize) {
    while received.len() < count {
        received.extend(receive_all(subscription));
        thread::yield_now();
    }
}

/// A drain waits for what a panic brought back, and that is delivered once more.
#[test]
fn a_drain_waits_for_what_a_panic_brought_back() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 8);
    let subscription = subscribe(&topic, "sub");
    (0..5).for_each(|number| _ = topic.publisher().publish(message(number)).expect("room"));
    thread::scope(|scope| {
        let handling = subscription.clone();
        scope.spawn(move || {
            handling.process(|message| if message.delivery_attempt() < 3 { fail() } else { Verdict::Ack });
        });
        let report = engine.close(Close::Drain(Duration::from_secs(60)));
        assert_eq!((report.unread, report.unacked), (0, 0));
    });
    let stats = subscription.stats();
    assert_eq!((stats.acked, stats.panics, stats.delivered), (5, 10, 15));
    assert_balanced(&subscription);
}

/// Expiry and panics bring messages back to the same subscription; a close in the midst of it counts them all.
#[test]
fn expiry_panics_and_a_close_add_up() {
    for polls in 0..6 {
        let (engine, clock) = manual();
        let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(8)).expect("a new topic");
        let subscription = subscribe(&topic, "sub");
        (0..8).for_each(|number| _ = topic.publisher().publish(message(number)).expect("room"));
        let leased = subscription.pull(3).expect("not closed");
        let mut dispatcher = Dispatcher::new().turn_limit(2).add(&subscription, |_| fail());
        for _ in 0..polls {
            dispatcher.poll();
            clock.advance(DEADLINE / 3);
        }
        let report = engine.close(Close::Now);
        assert_eq!(report.unread + report.unacked, 8, "after {polls} polls");
        leased.into_iter().for_each(|delivery| _ = delivery.ack().expect_err("it is over"));
        assert_balanced(&subscription);
    }
}

/// What a handler panics with is dropped by the engine, and may panic when it is.
#[test]
fn a_panic_that_panics_when_it_is_dropped_is_a_nack_as_any_other() {
    struct Again;
    impl Drop for Again {
        fn drop(&mut self) {
            resume_unwind(Box::new("what a handler panicked with"));
        }
    }
    let (engine, _clock) = manual();
    let topic = topic(&engine, 8);
    let subscription = subscribe(&topic, "sub");
    (0..5).for_each(|number| _ = topic.publisher().publish(message(number)).expect("room"));
    let mut dispatcher = Dispatcher::new().add(&subscription, |message| {
        if message.delivery_attempt() < 3 { panic_any(Again) } else { Verdict::Ack }
    });
    dispatcher.run_until_idle();
    let stats = subscription.stats();
    assert_eq!((stats.acked, stats.panics, stats.delivered), (5, 10, 15), "{stats:?}");
    assert_balanced(&subscription);
}

/// What is told of a gap is code of the caller's as the handler is; with message ordering it is told on another way.
#[test]
fn a_panic_while_a_gap_is_told_is_counted_and_stops_nothing() {
    for ordered in [false, true] {
        let (engine, _clock) = manual();
        let topic = topic(&engine, 4);
        let mut config = SubscriptionConfig::default().overflow(Overflow::DropOldest);
        config.message_ordering = ordered;
        let lossy = topic.create_subscription("lossy", config).expect("a new subscription");
        let other = engine.create_topic("other", TopicConfig::default()).expect("a new topic");
        let well = subscribe(&other, "well");
        (0..10).for_each(|number| _ = topic.publisher().publish(message(number)).expect("room"));
        let mut dispatcher = Dispatcher::new()
            .add_lossy(&lossy, |_| Verdict::Ack, |lost| resume_unwind(Box::new(lost)))
            .add(&well, |_| Verdict::Ack);
        other.publisher().publish(message(0)).expect("room");
        dispatcher.run_until_idle();
        let stats = lossy.stats();
        assert_eq!((stats.acked, stats.dropped, stats.panics), (4, 6, 1), "{stats:?}");
        assert_eq!(well.stats().acked, 1);
        assert_balanced(&lossy);
    }
}
