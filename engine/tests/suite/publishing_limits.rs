//! Publisher flow control (docs: `Publisher`): what is outstanding, and what happens at the limit.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, with small numbers"
)]

use crate::common::{manual, message, receive_all, subscribe, topic, until};
use crate::tasks::{Task, full, poll, poll_with, take};
use ringmain::{
    Close, Dispatcher, Error, LimitExceeded, Message, PublishError, Publisher, PublisherConfig, Verdict,
};
use ringmain_ring::sync::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

fn limits(messages: usize, bytes: usize, action: LimitExceeded) -> PublisherConfig {
    PublisherConfig::default()
        .max_outstanding_messages(messages)
        .max_outstanding_bytes(bytes)
        .limit_exceeded(action)
}

fn messages(limit: usize, action: LimitExceeded) -> PublisherConfig {
    limits(limit, usize::MAX, action)
}

fn outstanding(publisher: &Publisher) -> (u64, u64, usize) {
    let stats = publisher.stats();
    (stats.outstanding_messages, stats.outstanding_bytes, stats.waiting)
}

fn of_bytes(bytes: usize) -> Message {
    Message::new(vec![1; bytes])
}

#[test]
fn without_limits_nothing_is_counted() {
    let (_engine, _clock, publisher, _subscription) = full(4, limits(1, 1, LimitExceeded::Ignore));
    let mut futures = [0, 1].map(|number| publisher.publish_async(message(number)));
    assert!(futures.iter_mut().all(|future| poll(future).is_pending()));
    drop(publisher.enqueue(message(2)).unwrap());
    assert_eq!(outstanding(&publisher), (0, 0, 0));
}

#[test]
fn at_the_limit_messages_are_refused_and_come_back() {
    let (_engine, _clock, publisher, subscription) = full(8, messages(2, LimitExceeded::Error));
    let mut first = publisher.enqueue(message(1)).unwrap();
    drop(publisher.enqueue(message(2)).unwrap());
    assert_eq!(outstanding(&publisher), (2, 16, 0));
    let refused = |error: PublishError<Message>| {
        assert!(matches!(error, PublishError::LimitExceeded(_)), "{error:?}");
        assert_eq!(error.into_message(), message(9));
        assert_eq!(outstanding(&publisher), (2, 16, 0));
    };
    refused(publisher.publish(message(9)).unwrap_err());
    refused(publisher.try_publish(message(9)).unwrap_err());
    refused(publisher.publish_timeout(message(9), Duration::from_secs(600)).unwrap_err());
    refused(publisher.enqueue(message(9)).map(drop).unwrap_err());
    let Poll::Ready(Err(error)) = poll(&mut publisher.publish_async(message(9))) else {
        panic!("it is refused")
    };
    refused(error);
    let batch = publisher.publish_batch([message(9), message(10)]).unwrap_err();
    assert_eq!((batch.published.len(), &batch.rest[..]), (0, &[message(10)][..]));
    refused(batch.error);
    assert!(matches!(publisher.publish_slice(b"x"), Err(PublishError::LimitExceeded(()))));
    assert!(matches!(publisher.publish_batch_with(1, 1, |_, _| ()), Err(PublishError::LimitExceeded(()))));
    // Two are read: what is staged is published by the next that needs the credit.
    take(&subscription);
    take(&subscription);
    assert!(poll(&mut first).is_ready());
    assert_eq!(outstanding(&publisher), (0, 0, 0));
}

#[test]
fn bytes_are_those_of_data_and_attributes_and_the_limit_is_exact() {
    let (_engine, _clock, publisher, _subscription) = full(64, limits(100, 20, LimitExceeded::Error));
    drop(publisher.enqueue(of_bytes(9).attribute("ab", "c").ordering_key("not counted")).unwrap());
    assert_eq!(outstanding(&publisher), (1, 12, 0));
    assert!(matches!(publisher.enqueue(of_bytes(9)), Err(PublishError::LimitExceeded(_))));
    drop(publisher.enqueue(of_bytes(8)).unwrap());
    assert_eq!(outstanding(&publisher), (2, 20, 0));
}

#[test]
fn what_is_larger_than_a_limit_goes_alone() {
    for action in [LimitExceeded::Block, LimitExceeded::Error] {
        let (_engine, _clock, publisher, subscription) = full(64, limits(3, 20, action));
        drop(publisher.enqueue(of_bytes(50)).unwrap());
        assert_eq!(outstanding(&publisher), (1, 50, 0));
        assert!(matches!(publisher.try_publish(of_bytes(1)), Err(PublishError::LimitExceeded(_))));
        assert!(matches!(publisher.try_publish(of_bytes(50)), Err(PublishError::LimitExceeded(_))));
        take(&subscription);
        // Nothing is outstanding once what is staged is published, so the next one may go; there is no room for it yet.
        let error = publisher.try_publish(of_bytes(50)).unwrap_err();
        assert!(matches!(error, PublishError::Full(_)), "{error:?}");
        assert_eq!(outstanding(&publisher), (0, 0, 0));
        (0..5).for_each(|_| take(&subscription));
        // So may a batch of more messages than the limit, which goes whole or not at all.
        assert!(publisher.publish_batch_with(5, 1, |_, _| ()).is_ok());
    }
}

#[test]
fn nothing_is_taken_for_what_is_refused_anyway() {
    let (_engine, _clock, publisher, _subscription) = full(4, messages(1, LimitExceeded::Error));
    drop(publisher.enqueue(message(1)).unwrap());
    let bad = || Message::new("");
    assert!(matches!(publisher.publish(bad()), Err(PublishError::Invalid { .. })));
    assert!(matches!(publisher.enqueue(bad()), Err(PublishError::Invalid { .. })));
    assert!(matches!(publisher.publish_slice(b""), Err(PublishError::Invalid { .. })));
    assert!(matches!(
        poll(&mut publisher.publish_async(bad())),
        Poll::Ready(Err(PublishError::Invalid { .. }))
    ));
    assert_eq!(outstanding(&publisher), (1, 8, 0));
}

#[test]
fn try_never_waits_and_a_timeout_is_in_all() {
    let (_engine, _clock, publisher, subscription) = full(4, messages(1, LimitExceeded::Block));
    drop(publisher.enqueue(message(1)).unwrap());
    assert!(
        matches!(publisher.try_publish(message(2)), Err(PublishError::LimitExceeded(m)) if m == message(2))
    );
    assert!(matches!(publisher.try_publish_slice(b"x"), Err(PublishError::LimitExceeded(()))));
    for timeout in [Duration::ZERO, Duration::from_millis(1)] {
        let error = publisher.publish_timeout(message(2), timeout).unwrap_err();
        assert!(matches!(error, PublishError::LimitExceeded(_)), "{error:?}");
        assert_eq!(outstanding(&publisher), (1, 8, 0), "and nobody is left in the queue");
    }
    take(&subscription);
    // There is credit now, once what is staged is published, and no room.
    let error = publisher.publish_timeout(message(2), Duration::from_millis(1)).unwrap_err();
    assert!(matches!(error, PublishError::Full(_)), "{error:?}");
}

#[test]
fn whoever_waits_is_served_in_order_threads_and_tasks_alike() {
    let (_engine, _clock, publisher, subscription) = full(8, messages(1, LimitExceeded::Block));
    drop(publisher.enqueue(message(0)).unwrap());
    let (task, waker) = Task::new();
    let [mut first, mut second, mut fourth] =
        [1, 2, 4].map(|number| publisher.publish_async(message(number)));
    assert!(poll_with(&mut first, &waker).is_pending());
    assert!(poll(&mut second).is_pending());
    thread::scope(|scope| {
        let third = scope.spawn(|| publisher.publish(message(3)));
        until(|| publisher.stats().waiting == 3);
        assert!(poll(&mut fourth).is_pending());
        (0..5).for_each(|_| take(&subscription));
        // The thread has published what was staged, or will, and the first in the queue has its credit.
        until(|| task.woken() > 0 && publisher.stats().waiting == 3);
        assert!(poll(&mut fourth).is_pending() && poll(&mut second).is_pending(), "not their turn");
        assert!(!third.is_finished());
        assert!(poll_with(&mut first, &waker).is_ready());
        assert!(poll(&mut fourth).is_pending(), "not its turn");
        assert!(poll(&mut second).is_ready());
        third.join().unwrap().unwrap();
        assert!(poll(&mut fourth).is_ready());
    });
    assert_eq!(receive_all(&subscription)[3..], [0, 1, 2, 3, 4]);
    assert_eq!(outstanding(&publisher), (0, 0, 0));
}

#[test]
fn a_small_message_does_not_overtake_a_large_one_that_waits() {
    let (_engine, _clock, publisher, _subscription) = full(64, limits(100, 100, LimitExceeded::Block));
    drop(publisher.enqueue(of_bytes(60)).unwrap());
    let mut large = publisher.publish_async(of_bytes(50));
    let mut small = publisher.publish_async(of_bytes(10));
    assert!(poll(&mut large).is_pending() && poll(&mut small).is_pending());
    assert!(matches!(publisher.try_publish(of_bytes(1)), Err(PublishError::LimitExceeded(_))));
    assert_eq!(outstanding(&publisher), (1, 60, 2));
    // When it gives up, the next one gets what it would not fit into.
    drop(large);
    assert_eq!(outstanding(&publisher), (2, 70, 0));
    // A future that has credit gives it back as well.
    drop(small);
    assert_eq!(outstanding(&publisher), (1, 60, 0));
}

#[test]
fn a_close_ends_every_wait_and_every_message_comes_back() {
    let (engine, _clock, publisher, subscription) = full(4, messages(1, LimitExceeded::Block));
    let receipt = publisher.enqueue(message(0)).unwrap();
    let (task, waker) = Task::new();
    let mut future = publisher.publish_async(message(1));
    assert!(poll_with(&mut future, &waker).is_pending());
    thread::scope(|scope| {
        let waits = scope.spawn(|| publisher.publish(message(2)));
        until(|| publisher.stats().waiting == 2);
        engine.close(Close::Now);
        assert!(matches!(waits.join().unwrap(), Err(PublishError::Closed(m)) if m == message(2)));
    });
    assert!(task.woken() > 0);
    let Poll::Ready(Err(PublishError::Closed(back))) = poll(&mut future) else { panic!("it is closed") };
    assert_eq!(back, message(1));
    assert!(matches!(receipt.wait(), Err(PublishError::Closed(()))));
    assert_eq!(outstanding(&publisher), (0, 0, 0));
    drop(subscription);
}

#[test]
fn inside_a_handler_it_waits_only_for_what_can_come() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 8);
    let subscription = subscribe(&topic, "sub");
    let publisher = topic.publisher_with(messages(1, LimitExceeded::Block)).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let inside = (publisher.clone(), Arc::clone(&told));
    let mut dispatcher = Dispatcher::new().turn_limit(1).add(&subscription, move |first| {
        let (publisher, told) = &inside;
        if first.id().get() != 1 {
            return Verdict::Ack;
        }
        // While there is room, what is staged is published, and its credit comes back: nobody waits. (Slots 2 and 0.)
        for number in 3..9 {
            drop(publisher.enqueue(message(number)).unwrap());
        }
        // Now the ring is full but for one slot, and one message is staged.
        drop(publisher.enqueue(message(9)).unwrap());
        assert_eq!(publisher.stats().outstanding_messages, 1);
        // Nobody but this handler makes room.
        for refused in [
            publisher.publish(message(10)).unwrap_err(),
            publisher.enqueue(message(10)).map(drop).unwrap_err(),
            publisher.publish_batch([message(10)]).unwrap_err().error,
        ] {
            assert!(matches!(&refused, PublishError::WouldDeadlock(m) if *m == message(10)), "{refused:?}");
            told.lock().unwrap().push(publisher.stats().waiting);
        }
        Verdict::Ack
    });
    publisher.publish(message(0)).unwrap();
    publisher.publish(message(1)).unwrap();
    publisher.publish(message(2)).unwrap();
    dispatcher.poll();
    dispatcher.poll();
    assert_eq!(*told.lock().unwrap(), [0, 0, 0]);
}

#[test]
fn inside_a_handler_it_does_not_wait_for_one_who_waits_for_the_handler() {
    for by_task in [false, true] {
        let (engine, _clock) = manual();
        let topic = topic(&engine, 4);
        let subscription = subscribe(&topic, "sub");
        let filler = topic.publisher();
        let shared = Arc::new(topic.publisher_with(messages(1, LimitExceeded::Block)).unwrap());
        (0..4).for_each(|number| _ = filler.publish(message(number)).unwrap());
        let (entered, told) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let inside = (Arc::clone(&shared), Arc::clone(&entered), Arc::clone(&told));
        let mut dispatcher = Dispatcher::new().add(&subscription, move |_| {
            let (publisher, entered, told) = &inside;
            if !entered.swap(true, Ordering::Relaxed) {
                until(|| publisher.stats().outstanding_messages == 1);
                // The other one has the credit, and waits for room, or is about to.
                let refused = publisher.publish(message(9)).unwrap_err();
                assert!(
                    matches!(&refused, PublishError::WouldDeadlock(m) if *m == message(9)),
                    "{refused:?}"
                );
                told.fetch_add(1, Ordering::Relaxed);
            }
            Verdict::Ack
        });
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                until(|| entered.load(Ordering::Relaxed));
                if by_task {
                    crate::tasks::block_on(shared.publish_async(message(4)))
                } else {
                    shared.publish(message(4))
                }
            });
            dispatcher.poll();
            other.join().unwrap().unwrap();
        });
        assert_eq!(told.load(Ordering::Relaxed), 1);
        assert_eq!(outstanding(&shared), (0, 0, 0));
    }
}

#[test]
fn code_of_the_callers_runs_without_credit() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 64);
    let _subscription = subscribe(&topic, "sub");
    let publisher = topic.publisher_with(messages(1, LimitExceeded::Block)).unwrap();
    // Were it to hold credit, these would wait for themselves.
    publisher.publish_with(1, |_| _ = publisher.publish(message(1)).unwrap()).unwrap();
    publisher.publish_batch_with(2, 1, |_, _| _ = publisher.publish(message(1)).unwrap()).unwrap();
    let messages = (0..3).map(|number| {
        publisher.publish(message(number)).unwrap();
        message(number)
    });
    publisher.publish_batch(messages).unwrap();
    let panics = std::panic::AssertUnwindSafe(|| publisher.publish_with(1, |_| panic!("in passing")));
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!(outstanding(&publisher), (0, 0, 0));
    assert_eq!(topic.stats().published, 1 + 1 + 2 + 2 + 3 + 3);
}

#[test]
fn a_clone_has_the_same_limits_and_counts_for_itself() {
    let (_engine, _clock, publisher, _subscription) = full(4, messages(1, LimitExceeded::Error));
    drop(publisher.enqueue(message(1)).unwrap());
    let clone = publisher.clone();
    assert_eq!(outstanding(&clone), (0, 0, 0));
    drop(clone.enqueue(message(2)).unwrap());
    assert!(matches!(clone.enqueue(message(3)), Err(PublishError::LimitExceeded(_))));
}

#[test]
fn settings_are_checked() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 4);
    for (config, setting) in [
        (limits(0, 1, LimitExceeded::Block), "max_outstanding_messages"),
        (limits(1, 0, LimitExceeded::Ignore), "max_outstanding_bytes"),
    ] {
        let error = topic.publisher_with(config).map(drop).unwrap_err();
        assert!(
            matches!(&error, Error::InvalidArgument(_)) && error.to_string().contains(setting),
            "{error}"
        );
    }
    // Limits that nobody reaches are none.
    let publisher = topic.publisher_with(limits(usize::MAX, usize::MAX, LimitExceeded::Error)).unwrap();
    publisher.publish(message(1)).unwrap();
}

#[test]
fn a_batch_goes_in_parts_that_the_limits_allow() {
    for action in [LimitExceeded::Block, LimitExceeded::Error] {
        let (engine, _clock) = manual();
        let topic = topic(&engine, 64);
        let subscription = subscribe(&topic, "sub");
        let publisher = topic.publisher_with(limits(3, 20, action)).unwrap();
        assert_eq!(publisher.publish_batch((0..10).map(message)).unwrap().len(), 10);
        assert_eq!(receive_all(&subscription), Vec::from_iter(0..10));
        let sizes = [1, 50, 9, 9, 9, 60].map(of_bytes);
        assert_eq!(publisher.publish_batch(sizes).unwrap().len(), 6, "the larger ones alone");
        assert_eq!(outstanding(&publisher), (0, 0, 0));
    }
}
