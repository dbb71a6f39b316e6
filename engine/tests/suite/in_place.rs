//! In-place processing: `process` and dispatchers, verdicts, panics, and how they end.

use crate::common::{
    assert_balanced, manual, message, number, receive_all, single, single_with, subscribe, topic, until,
};
use ringmain::{Dispatcher, Overflow, RecvError, SubscriptionConfig, TopicConfig, Verdict};
use ringmain_ring::sync::{AtomicU64, AtomicUsize, Ordering};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::thread;

type Log<T> = Arc<Mutex<Vec<T>>>;

/// A log that handlers write, twice.
fn log<T>() -> (Log<T>, Log<T>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    (Arc::clone(&log), log)
}

#[test]
fn process_handles_everything_and_ends_when_the_topic_is_deleted() {
    let (engine, _clock, publisher, subscription) = single(8);
    let (seen, write) = log();
    thread::scope(|scope| {
        scope.spawn(|| {
            subscription.process(move |message| {
                write.lock().unwrap().push((number(message.data()), message.id().get()));
                Verdict::Ack
            });
        });
        for number in 0..100 {
            publisher.publish(message(number)).unwrap();
        }
        engine.delete_topic("topic").unwrap();
    });
    assert_eq!(*seen.lock().unwrap(), (0..100).map(|n| (n, n)).collect::<Vec<_>>());
    assert_eq!(subscription.stats().acked, 100);
    assert_balanced(&subscription);
}

#[test]
fn a_dispatcher_serves_fifty_subscriptions_of_one_topic_and_others_of_another() {
    let (engine, _clock) = manual();
    let one = topic(&engine, 64);
    let other = engine.create_topic("other", TopicConfig::default().ring_slots(16).shards(3)).unwrap();
    let mut dispatcher = Dispatcher::new().turn_limit(7);
    let counts: Vec<_> = (0..60).map(|_| Arc::new(AtomicU64::new(0))).collect();
    let mut subscriptions = Vec::new();
    for (index, count) in counts.iter().enumerate() {
        let topic = if index < 50 { &one } else { &other };
        let subscription = subscribe(topic, &format!("sub-{index}"));
        let count = Arc::clone(count);
        dispatcher = dispatcher.add(&subscription, move |message| {
            count.fetch_add(number(message.data()), Ordering::Relaxed);
            Verdict::Ack
        });
        subscriptions.push(subscription);
    }
    let others: Vec<_> = (0..3).map(|_| other.publisher()).collect();
    for round in 0..5 {
        let publisher = one.publisher();
        for _ in 0..10 {
            publisher.publish(message(1)).unwrap();
            others[round % 3].publish(message(100)).unwrap();
        }
        assert_eq!(dispatcher.run_until_idle(), 600);
    }
    for (index, count) in counts.iter().enumerate() {
        assert_eq!(count.load(Ordering::Relaxed), if index < 50 { 50 } else { 5000 });
    }
    subscriptions.iter().for_each(assert_balanced);
}

#[test]
fn a_nacked_message_comes_again_before_what_follows_and_counts_attempts() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let (seen, write) = log();
    let mut dispatcher = Dispatcher::new().turn_limit(1).add(&subscription, move |message| {
        let (number, attempt) = (number(message.data()), message.delivery_attempt());
        write.lock().unwrap().push((number, attempt));
        if number == 0 && attempt < 3 { Verdict::Nack } else { Verdict::Ack }
    });
    for number in 0..4 {
        publisher.publish(message(number)).unwrap();
    }
    dispatcher.run_until_idle();
    assert_eq!(*seen.lock().unwrap(), [(0, 1), (0, 2), (1, 1), (0, 3), (2, 1), (3, 1)]);
    let stats = subscription.stats();
    assert_eq!((stats.acked, stats.nacked, stats.redelivered, stats.delivered), (4, 2, 2, 6));
    assert_balanced(&subscription);
}

#[test]
fn a_panic_is_a_nack_of_that_message_and_stops_nothing() {
    for overflow in [Overflow::Block, Overflow::DropOldest] {
        let (_engine, _clock, publisher, steady) = single(64);
        let config = SubscriptionConfig::default().overflow(overflow);
        let shaky = steady.topic().create_subscription("shaky", config).unwrap();
        let (seen, write) = log();
        let (also, write_also) = log();
        let mut dispatcher = Dispatcher::new()
            .add(&shaky, move |message| {
                let number = number(message.data());
                write.lock().unwrap().push((number, message.delivery_attempt()));
                if number.is_multiple_of(3) && message.delivery_attempt() < 3 {
                    resume_unwind(Box::new("a handler"));
                }
                Verdict::Ack
            })
            .add(&steady, move |message| {
                write_also.lock().unwrap().push(number(message.data()));
                Verdict::Ack
            });
        for number in 0..10 {
            publisher.publish(message(number)).unwrap();
        }
        dispatcher.run_until_idle();
        assert_eq!(*also.lock().unwrap(), (0..10).collect::<Vec<_>>());
        let mut expected: Vec<_> = (0..10).map(|number| (number, 1)).collect();
        expected.extend([0, 3, 6, 9].map(|number| (number, 2)));
        expected.extend([0, 3, 6, 9].map(|number| (number, 3)));
        assert_eq!(*seen.lock().unwrap(), expected, "{overflow:?}");
        let stats = shaky.stats();
        assert_eq!((stats.panics, stats.nacked, stats.acked, stats.held), (8, 8, 10, 0));
        assert_balanced(&shaky);
    }
}

#[test]
fn a_stop_handle_ends_run_from_outside_and_from_a_handler() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let mut dispatcher = Dispatcher::new().add(&subscription, |_| Verdict::Ack);
    let stop = dispatcher.stop_handle();
    thread::scope(|scope| {
        scope.spawn(|| dispatcher.run());
        publisher.publish(message(1)).unwrap();
        until(|| subscription.stats().acked == 1);
        stop.stop();
    });
    let mut inside = Dispatcher::new();
    let stop = inside.stop_handle();
    inside = inside.add(&subscription, move |_| {
        stop.stop();
        Verdict::Ack
    });
    publisher.publish(message(2)).unwrap();
    inside.run();
}

#[test]
fn run_ends_when_every_subscription_is_detached() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let mut dispatcher = Dispatcher::new().add(&subscription, |_| Verdict::Ack);
    thread::scope(|scope| {
        scope.spawn(|| dispatcher.run());
        publisher.publish(message(1)).unwrap();
        until(|| subscription.stats().acked == 1);
        subscription.detach();
    });
    assert_eq!(subscription.recv().unwrap_err(), RecvError::Detached);
}

#[test]
fn run_until_idle_returns_although_another_subscription_holds_the_ring_up() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let stuck = subscribe(&subscription.topic(), "stuck");
    let mut dispatcher = Dispatcher::new().turn_limit(1).add(&subscription, |_| Verdict::Ack);
    for number in 0..8 {
        publisher.publish(message(number)).unwrap();
    }
    dispatcher.poll();
    publisher.enqueue(message(8)).map(drop).unwrap(); // staged: there is a backlog
    assert_eq!(dispatcher.run_until_idle(), 7);
    assert_eq!(receive_all(&stuck), (0..9).collect::<Vec<_>>());
    assert_eq!(dispatcher.run_until_idle(), 1);
}

#[test]
fn dispatchers_on_two_threads_compete() {
    let (engine, _clock) = manual();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(32).shards(2)).unwrap();
    let subscription = subscribe(&topic, "sub");
    let (sum, attempts) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
    thread::scope(|scope| {
        for _ in 0..2 {
            let (sum, attempts, subscription) =
                (Arc::clone(&sum), Arc::clone(&attempts), subscription.clone());
            scope.spawn(move || {
                subscription.process(move |message| {
                    attempts.fetch_add(1, Ordering::Relaxed);
                    if number(message.data()).is_multiple_of(10) && message.delivery_attempt() == 1 {
                        return Verdict::Nack;
                    }
                    sum.fetch_add(number(message.data()), Ordering::Relaxed);
                    Verdict::Ack
                });
            });
        }
        let publishers = [topic.publisher(), topic.publisher()];
        for number in 0..5000 {
            publishers[(number % 2) as usize].publish(message(number)).unwrap();
        }
        engine.delete_topic("topic").unwrap();
    });
    assert_eq!(sum.load(Ordering::Relaxed), (0..5000).sum());
    assert_eq!(attempts.load(Ordering::Relaxed), 5500);
    assert_eq!((subscription.stats().acked, subscription.stats().redelivered), (5000, 500));
    assert_balanced(&subscription);
}

#[test]
fn a_handler_that_detaches_its_own_subscription_finishes_its_batch() {
    let (_engine, _clock, publisher, subscription) = single(8);
    let own = subscription.clone();
    let mut dispatcher = Dispatcher::new().add(&subscription, move |_| {
        own.detach();
        Verdict::Nack
    });
    for number in 0..4 {
        publisher.publish(message(number)).unwrap();
    }
    dispatcher.run();
    let stats = subscription.stats();
    assert_eq!((stats.accepted, stats.nacked, stats.discarded, stats.held), (4, 4, 4, 0));
    assert_balanced(&subscription);
}

#[test]
fn a_topic_whose_last_subscription_is_detached_under_a_dispatcher_takes_messages() {
    let (_engine, _clock, publisher, subscription) = single(4);
    let _dispatcher = Dispatcher::new().add(&subscription, |_| Verdict::Ack);
    subscription.detach();
    for number in 0..20 {
        publisher.try_publish(message(number)).unwrap();
    }
}

#[test]
fn a_turn_is_longer_for_a_subscription_that_is_alone() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 1_024);
    let (one, other) = (subscribe(&topic, "one"), subscribe(&topic, "other"));
    let publisher = topic.publisher();
    for number in 0..1_000 {
        publisher.publish(message(number)).unwrap();
    }
    let mut both = Dispatcher::new().add(&one, |_| Verdict::Ack).add(&other, |_| Verdict::Ack);
    assert_eq!(both.poll(), 2 * 128);
    drop(both);
    let mut alone = Dispatcher::new().add(&one, |_| Verdict::Ack);
    assert_eq!((alone.poll(), alone.poll(), alone.poll()), (512, 1_000 - 128 - 512, 0));
    let mut as_told = Dispatcher::new().turn_limit(7).add(&other, |_| Verdict::Ack);
    assert_eq!(as_told.poll(), 7);
}

/// A consumer under lease, who has credit for one of the messages that he takes, has the others held at once: more than may
/// be held, just when the dispatcher asks how many more that is.
#[test]
fn what_is_held_meanwhile_leaves_no_room_to_hold() {
    let config = SubscriptionConfig::default().max_held_messages(1).max_outstanding_bytes(8);
    let (engine, _clock, publisher, subscription) = single_with(8, config);
    let mut dispatcher = Dispatcher::new().add(&subscription, |_| Verdict::Ack);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..20_000 {
                publisher.publish_batch([number; 4].map(message)).unwrap();
                subscription.pull(4).unwrap().into_iter().for_each(|delivery| delivery.ack().unwrap());
                receive_all(&subscription);
            }
            engine.delete_topic("topic").unwrap();
        });
        dispatcher.run();
    });
    assert_balanced(&subscription);
}
