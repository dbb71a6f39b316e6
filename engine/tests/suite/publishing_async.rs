//! `publish_async` and awaited receipts: woken when there is something to do, cancelled without a trace.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, with small numbers"
)]

use crate::common::{
    Random, assert_balanced, manual, message, number, receive_all, single, subscribe, topic,
};
use crate::tasks::{Task, block_on, full, poll, poll_with, take};
use ringmain::{
    Close, Dispatcher, Engine, LimitExceeded, Message, PublishError, PublishFuture, PublisherConfig, Receipt,
    TopicConfig, Verdict, WaitStrategy,
};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;

#[test]
fn it_is_ready_at_the_first_poll_if_there_is_room_and_nothing_happens_before() {
    let (_engine, _clock, publisher, subscription) = single(4);
    let mut future = publisher.publish_async(message(1));
    assert_eq!(receive_all(&subscription), []);
    assert!(matches!(poll(&mut future), Poll::Ready(Ok(id)) if id.get() == 0));
    drop(publisher.publish_async(message(2)));
    assert_eq!(receive_all(&subscription), [1]);
    // Without a subscription it takes a number, as any publish.
    subscription.detach();
    assert!(matches!(poll(&mut publisher.publish_async(message(3))), Poll::Ready(Ok(id)) if id.get() == 1));
}

#[test]
fn it_waits_for_room_and_comes_after_what_was_enqueued() {
    let (_engine, _clock, publisher, subscription) = full(8, PublisherConfig::default());
    drop(publisher.enqueue(message(1)).unwrap());
    let (task, waker) = Task::new();
    let mut future = publisher.publish_async(message(2));
    assert!(poll_with(&mut future, &waker).is_pending());
    assert!(poll_with(&mut future, &waker).is_pending());
    assert_eq!(task.woken(), 0);
    take(&subscription);
    assert_eq!(task.woken(), 1);
    assert!(poll_with(&mut future, &waker).is_pending(), "the room was for what is staged");
    take(&subscription);
    assert_eq!(task.woken(), 2);
    assert!(poll_with(&mut future, &waker).is_ready());
    assert_eq!(receive_all(&subscription)[6..], [1, 2]);
}

#[test]
fn dropped_before_it_is_ready_it_has_published_nothing() {
    let (_engine, _clock, publisher, subscription) = full(4, PublisherConfig::default());
    let (task, waker) = Task::new();
    let mut future = publisher.publish_async(message(1));
    assert!(poll_with(&mut future, &waker).is_pending());
    drop(future);
    assert_eq!(Arc::strong_count(&task), 2, "nobody holds its waker");
    assert!(!receive_all(&subscription).contains(&1));
    assert_eq!(task.woken(), 0);
    assert_balanced(&subscription);
}

#[test]
fn errors_come_with_the_message() {
    let (engine, _clock, publisher, _subscription) = full(4, PublisherConfig::default());
    let bad = Message::new("").ordering_key("k");
    let Poll::Ready(Err(error)) = poll(&mut publisher.publish_async(bad.clone())) else {
        panic!("it is refused")
    };
    assert!(matches!(&error, PublishError::Invalid { .. }));
    assert_eq!(error.into_message(), bad);
    let (task, waker) = Task::new();
    let mut future = publisher.publish_async(message(1));
    assert!(poll_with(&mut future, &waker).is_pending());
    engine.close(Close::Now);
    assert!(task.woken() > 0);
    let closed = poll_with(&mut future, &waker);
    assert!(matches!(closed, Poll::Ready(Err(PublishError::Closed(m))) if m == message(1)));
}

#[test]
#[should_panic(expected = "not polled again")]
fn polled_after_it_was_ready_it_panics() {
    let (_engine, _clock, publisher, _subscription) = single(4);
    let mut future = publisher.publish_async(message(1));
    assert!(poll(&mut future).is_ready());
    drop(poll(&mut future));
}

#[test]
fn inside_a_handler_that_would_have_to_make_the_room_it_says_so() {
    let (_engine, _clock, publisher, subscription) = single(2);
    let told = Arc::new(Mutex::new(None));
    let inside = (publisher.clone(), Arc::clone(&told));
    let mut dispatcher = Dispatcher::new().turn_limit(1).add(&subscription, move |_| {
        *inside.1.lock().unwrap() = Some(poll(&mut inside.0.publish_async(message(9))));
        Verdict::Ack
    });
    publisher.publish(message(0)).unwrap();
    publisher.publish(message(0)).unwrap();
    dispatcher.poll();
    let told = told.lock().unwrap().take();
    assert!(matches!(told, Some(Poll::Ready(Err(PublishError::WouldDeadlock(m)))) if m == message(9)));
}

/// Nobody has the credit who waits for the handler: it was granted to a task that has not been polled since.
#[test]
fn inside_a_handler_it_waits_for_credit_that_can_come() {
    let limits = PublisherConfig::default().max_outstanding_messages(1).limit_exceeded(LimitExceeded::Block);
    let (_engine, _clock, publisher, subscription) = full(4, limits);
    let publisher = Arc::new(publisher);
    let mut futures = [(); 2].map(|()| publisher.publish_async(message(1)));
    assert!(futures.iter_mut().all(|future| poll(future).is_pending()), "room, and credit, are waited for");
    receive_all(&subscription);
    let [has_credit, mut is_granted_it] = futures;
    drop(has_credit);
    subscription.topic().publisher().publish(message(2)).unwrap();
    let told = Arc::new(Mutex::new(None));
    let inside = (Arc::clone(&publisher), Arc::clone(&told));
    let mut dispatcher = Dispatcher::new().turn_limit(1).add(&subscription, move |_| {
        *inside.1.lock().unwrap() = Some(poll(&mut inside.0.publish_async(message(9))).is_pending());
        Verdict::Ack
    });
    dispatcher.poll();
    assert_eq!(*told.lock().unwrap(), Some(true));
    assert!(poll(&mut is_granted_it).is_ready());
}

/// However often it is polled, by whichever task: one place in each list, for the last of them. `make_room` notifies so
/// many lists that it is in.
fn is_registered_once<F: Future + Unpin>(mut future: F, lists: usize, make_room: impl FnOnce()) {
    let tasks: Vec<_> = (0..3).map(|_| Task::new()).collect();
    for (_, waker) in &tasks {
        for _ in 0..100 {
            assert!(poll_with(&mut future, waker).is_pending());
        }
    }
    let (last, waker) = &tasks[2];
    assert!(Arc::strong_count(last) <= 4, "{} of its wakers", Arc::strong_count(last));
    make_room();
    assert!(tasks[..2].iter().all(|(task, _)| task.woken() == 0 && Arc::strong_count(task) == 2));
    assert_eq!(last.woken(), lists);
    assert!(poll_with(&mut future, waker).is_ready());
    drop(future);
    assert_eq!(Arc::strong_count(last), 2, "nobody holds its waker");
}

#[test]
fn polls_do_not_pile_up() {
    let (_engine, _clock, publisher, subscription) = full(8, PublisherConfig::default());
    is_registered_once(publisher.publish_async(message(1)), 1, || take(&subscription));
    let receipt = publisher.enqueue(message(2)).unwrap();
    is_registered_once(receipt, 1, || take(&subscription));
    // One that is dropped while it is awaited is forgotten.
    let mut receipt = publisher.enqueue(message(3)).unwrap();
    let (task, waker) = Task::new();
    assert!(poll_with(&mut receipt, &waker).is_pending());
    drop(receipt);
    assert_eq!(Arc::strong_count(&task), 2);
    // And one that waits for credit.
    let config = PublisherConfig::default().max_outstanding_messages(1).limit_exceeded(LimitExceeded::Block);
    let (_engine, _clock, publisher, subscription) = full(8, config);
    drop(publisher.enqueue(message(1)).unwrap());
    is_registered_once(publisher.publish_async(message(2)), 2, || {
        take(&subscription);
        take(&subscription);
        publisher.flush().unwrap();
    });
}

#[test]
fn where_nobody_parks_tasks_have_themselves_polled() {
    let (engine, _clock) = manual();
    let config = TopicConfig::default().ring_slots(2).wait(WaitStrategy::Spin);
    let topic = engine.create_topic("topic", config).unwrap();
    let subscription = subscribe(&topic, "sub");
    let publisher = topic.publisher();
    publisher.publish(message(0)).unwrap();
    publisher.publish(message(1)).unwrap();
    let (task, waker) = Task::new();
    let mut future = publisher.publish_async(message(2));
    for polls in 1..4 {
        assert!(poll_with(&mut future, &waker).is_pending());
        assert_eq!(task.woken(), polls);
    }
    thread::scope(|scope| {
        let publishes = scope.spawn(|| block_on(future));
        take(&subscription);
        assert_eq!(publishes.join().unwrap().unwrap().get(), 2);
    });
}

#[test]
fn a_task_that_waits_does_not_stop_others_from_gathering() {
    let (_engine, _clock, publisher, subscription) = full(16, PublisherConfig::default());
    let other = publisher.clone();
    let mut waits = other.publish_async(message(1));
    assert!(poll(&mut waits).is_pending());
    // Were it taken for a consumer that sleeps, this would wait for room.
    let receipts: Vec<_> = (2..6).map(|number| publisher.enqueue(message(number)).unwrap()).collect();
    assert!(receipts.iter().all(|receipt| !receipt.is_ready()));
    let mut awaited = publisher.enqueue(message(6)).unwrap();
    assert!(poll(&mut awaited).is_pending());
    drop(publisher.enqueue(message(7)).unwrap());
    assert!(!awaited.is_ready());
    drop(subscription);
}

#[test]
fn futures_that_come_and_go_among_threads_lose_nothing_and_publish_nothing_twice() {
    const EACH: u64 = if cfg!(debug_assertions) { 3_000 } else { 30_000 };
    let engine = Engine::new();
    let topic = topic(&engine, 4);
    let subscription = subscribe(&topic, "sub");
    let (received, published) = thread::scope(|scope| {
        let receives = scope.spawn(|| {
            let mut seen = Vec::new();
            while let Ok(delivery) = subscription.recv() {
                seen.push(number(delivery.data()));
                delivery.ack().unwrap();
            }
            seen
        });
        let publishes: Vec<_> = (0..3u64)
            .map(|thread| {
                let publisher = topic.publisher();
                scope.spawn(move || {
                    let mut random = Random(thread + 3);
                    let mut published = Vec::new();
                    for count in 0..EACH {
                        let number = thread << 32 | count;
                        let mut future = publisher.publish_async(message(number));
                        let outcome = match random.below(4) {
                            // Polled a few times, and given up.
                            0 => (0..random.below(4)).map(|_| poll(&mut future)).find(Poll::is_ready),
                            _ => Some(Poll::Ready(block_on(future))),
                        };
                        if let Some(Poll::Ready(outcome)) = outcome {
                            outcome.unwrap();
                            published.push(number);
                        }
                    }
                    published
                })
            })
            .collect();
        let published: HashSet<_> = publishes.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        engine.delete_topic("topic").unwrap();
        (receives.join().unwrap(), published)
    });
    assert_eq!(received.len(), published.len());
    assert_eq!(HashSet::from_iter(received), published);
    assert_balanced(&subscription);
}

#[test]
fn a_task_and_a_thread_that_wait_for_the_same_room_both_get_theirs() {
    let (_engine, _clock, publisher, subscription) = full(4, PublisherConfig::default());
    let blocks = publisher.clone();
    thread::scope(|scope| {
        let thread = scope.spawn(|| blocks.publish(message(1)).unwrap());
        let task = scope.spawn(|| block_on(publisher.publish_async(message(2))).unwrap());
        take(&subscription);
        take(&subscription);
        thread.join().unwrap();
        task.join().unwrap();
    });
    let mut received = receive_all(&subscription)[2..].to_vec();
    received.sort_unstable();
    assert_eq!(received, [1, 2]);
}

#[test]
fn futures_and_receipts_may_be_sent() {
    fn is_send<T: Send>() {}
    is_send::<PublishFuture<'static>>();
    is_send::<Receipt>();
}
