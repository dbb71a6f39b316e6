//! Streams and receipts on two executors: the small one of the `futures` crates, and a current-thread `tokio`. What
//! wakes them comes from other threads here, whenever it comes; a wake-up that is lost is a hang.

use crate::common::{Random, assert_balanced, manual, message, number, receive_all, single, topic, until};
use crate::{ByHand, config, stuck};
use futures_util::StreamExt;
use futures_util::future::join;
use ringmain::{Delivery, DeliveryStream};
use ringmain_ring::now;
use ringmain_ring::sync::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Runs `test` on each executor.
fn on_each(test: impl AsyncFn()) {
    futures_executor::block_on(test());
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(test());
}

/// Acks everything until the stream ends, but for one message in seven, which is nacked the first time. Returns the
/// numbers of what it acked.
async fn consume(mut stream: DeliveryStream) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(delivery) = stream.next().await {
        let delivery = delivery.expect("no gap");
        let number = number(delivery.data());
        if number.is_multiple_of(7) && delivery.delivery_attempt() == 1 {
            delivery.nack().expect("in time");
        } else {
            numbers.push(number);
            delivery.ack().expect("in time");
        }
    }
    numbers
}

/// Every number was acked once.
#[track_caller]
fn assert_all(mut numbers: Vec<u64>, count: u64) {
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..count), "{} of {count}", numbers.len());
}

#[test]
fn a_stream_yields_all_that_another_thread_publishes_in_order() {
    const MESSAGES: u64 = 20_000;
    on_each(async || {
        let (engine, _clock, publisher, subscription) = single(64);
        let mut stream = subscription.stream();
        let publishing = thread::spawn(move || {
            for number in 0..MESSAGES {
                if number % 3 == 0 {
                    publisher.publish(message(number)).expect("room");
                } else {
                    drop(publisher.enqueue(message(number)).expect("room"));
                }
            }
            publisher.flush().expect("room");
            engine.delete_topic("topic").expect("there is one");
            engine // which would close with the thread, and drop what is left
        });
        for expected in 0..MESSAGES {
            let delivery = stream.next().await.expect("a message").expect("no gap");
            assert_eq!(number(delivery.data()), expected);
            delivery.ack().expect("in time");
        }
        assert!(stream.next().await.is_none());
        let _engine = publishing.join().expect("no panic");
        assert_balanced(&subscription);
    });
}

/// Two streams in one task, with little credit, on a small ring.
#[test]
fn two_streams_of_one_subscription_compete_in_one_task() {
    const MESSAGES: u64 = 5_000;
    on_each(async || {
        let (engine, _clock, publisher, subscription) = single(8);
        let publishing = thread::spawn(move || {
            for number in 0..MESSAGES {
                publisher.publish(message(number)).expect("room");
            }
            engine.delete_topic("topic").expect("there is one");
            engine
        });
        let (one, other) = join(consume(subscription.stream()), consume(subscription.stream())).await;
        let _engine = publishing.join().expect("no panic");
        assert_all([one, other].concat(), MESSAGES);
        assert_eq!(subscription.stats().redelivered, MESSAGES.div_ceil(7));
        assert_balanced(&subscription);
    });
}

/// Two executors on two threads, a stream each; and a thread that takes a few messages and leaves them to others.
#[test]
fn two_executors_compete_for_credit() {
    const MESSAGES: u64 = 5_000;
    for seed in 1..=3 {
        let (engine, _clock) = manual();
        let topic = topic(&engine, 16);
        let config = config().max_outstanding_messages(2);
        let subscription = topic.create_subscription("sub", config).unwrap();
        thread::scope(|scope| {
            let one = scope.spawn(|| futures_executor::block_on(consume(subscription.stream())));
            let other = scope.spawn(|| {
                let tokio = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                tokio.block_on(consume(subscription.stream()))
            });
            let mut random = Random(seed);
            let publisher = topic.publisher();
            for number in 0..MESSAGES {
                publisher.publish(message(number)).unwrap();
                if random.below(8) == 0 {
                    drop(subscription.try_recv().unwrap());
                }
            }
            engine.delete_topic("topic").unwrap();
            assert_all([one.join().unwrap(), other.join().unwrap()].concat(), MESSAGES);
        });
        assert_balanced(&subscription);
    }
}

/// There is credit for one message, and another thread looks once in each round: it may have the credit just when the
/// stream looks, and then find nothing itself. Whatever the two see, one of them has the message in the end.
#[test]
fn who_looks_in_vain_leaves_the_credit_to_a_stream() {
    const ROUNDS: u64 = 20_000;
    let (engine, _clock) = manual();
    let topic = topic(&engine, 16);
    let subscription = topic.create_subscription("sub", config().max_outstanding_messages(1)).unwrap();
    let (round, acked) = (AtomicU64::new(0), AtomicU64::new(0));
    let ack = |delivery: Delivery| {
        delivery.ack().expect("in time");
        acked.fetch_add(1, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let stream = subscription.stream();
            futures_executor::block_on(stream.for_each(async |delivery| ack(delivery.expect("no gap"))));
        });
        scope.spawn(|| {
            for number in 1..=ROUNDS {
                until(|| round.load(Ordering::Relaxed) >= number);
                subscription.try_recv().unwrap_or(None).into_iter().for_each(ack);
            }
        });
        let publisher = topic.publisher();
        for number in 1..=ROUNDS {
            round.store(number, Ordering::Relaxed);
            (0..number % 40 * 20).for_each(|_| std::hint::spin_loop());
            publisher.publish(message(number)).unwrap();
            let late = now() + Duration::from_secs(5);
            until(|| acked.load(Ordering::Relaxed) == number || now() > late);
            if acked.load(Ordering::Relaxed) < number {
                let stats = subscription.stats();
                subscription.detach(); // which ends the stream
                round.store(ROUNDS, Ordering::Relaxed);
                panic!("nobody was woken in round {number}: {stats:?}");
            }
        }
        engine.delete_topic("topic").unwrap();
    });
}

#[test]
fn receipts_resolve_at_once_or_when_there_is_room() {
    on_each(async || {
        let (_engine, _clock, publisher, quick) = single(8);
        assert_eq!(publisher.enqueue(message(0)).unwrap().await.unwrap().get(), 0, "idle: at once");
        assert_eq!(receive_all(&quick), [0]);
        let slow = stuck(&quick);
        let [mut first, second] = [9, 10].map(|number| publisher.enqueue(message(number)).unwrap());
        assert!(ByHand::of(&mut first).poll_once().is_pending());
        let reading = thread::spawn(move || {
            for subscription in [&slow, &quick, &slow] {
                subscription.recv().unwrap().ack().unwrap();
            }
            (slow, quick) // which would leave, and make room for all
        });
        let (second, first) = join(second, first).await;
        assert_eq!([first.unwrap().get(), second.unwrap().get()], [9, 10]);
        let _subscriptions = reading.join().unwrap();
    });
}

/// One thread for a publisher that awaits each receipt, and for the stream that makes room for the next one.
#[test]
fn a_task_enqueues_and_awaits_beside_a_stream_on_the_same_thread() {
    const MESSAGES: u64 = 1_000;
    on_each(async || {
        let (engine, _clock, publisher, subscription) = single(8);
        let publish = async {
            for number in 0..MESSAGES {
                let receipt = publisher.enqueue(message(number)).expect("room in the lane");
                receipt.await.expect("room in the end");
            }
            engine.delete_topic("topic").expect("there is one");
        };
        let (numbers, ()) = join(consume(subscription.stream()), publish).await;
        assert_all(numbers, MESSAGES);
    });
}
