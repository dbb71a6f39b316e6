//! Message ordering in place, and with consumers of both kinds on one subscription; step by step, on one thread.
#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::{assert_balanced, keyed, manual, message, number, ordering, receive_all, single_with};
use futures_core::Stream;
use ringmain::{Delivery, Dispatcher, InPlace, Overflow, Subscription, Verdict};
use ringmain_ring::sync::{AtomicUsize, Ordering};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);

type Log<T> = Arc<Mutex<Vec<T>>>;

/// A log that handlers write, twice.
fn log<T>() -> (Log<T>, Log<T>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    (Arc::clone(&log), log)
}

/// What a log has gathered since this was last asked.
fn taken<T>(log: &Log<T>) -> Vec<T> {
    std::mem::take(&mut *log.lock().unwrap())
}

fn of(message: &InPlace<'_>) -> (u64, u32) {
    (number(message.data()), message.delivery_attempt())
}

fn told(deliveries: &[Delivery]) -> Vec<(u64, u32)> {
    deliveries.iter().map(|delivery| (number(delivery.data()), delivery.delivery_attempt())).collect()
}

#[test]
fn a_nack_and_a_panic_keep_their_place_and_hold_up_nobody_else() {
    for overflow in [Overflow::Block, Overflow::DropOldest] {
        let (_engine, _clock, publisher, subscription) = single_with(16, ordering().overflow(overflow));
        let (seen, write) = log();
        let mut dispatcher = Dispatcher::new().add(&subscription, move |message| {
            write.lock().unwrap().push(of(&message));
            match (message.ordering_key(), message.delivery_attempt()) {
                (Some("a"), 1) => Verdict::Nack,
                (Some("a"), 2) => resume_unwind(Box::new("a handler")),
                _ => Verdict::Ack,
            }
        });
        for number in 0..2 {
            publisher.publish(keyed("a", number)).unwrap();
            publisher.publish(keyed("b", number + 10)).unwrap();
            publisher.publish(message(number + 20)).unwrap();
        }
        assert_eq!((dispatcher.poll(), taken(&seen)), (4, vec![(0, 1), (10, 1), (20, 1), (21, 1)]));
        let stats = subscription.stats();
        assert_eq!((stats.held, stats.acked, stats.nacked), (3, 3, 1), "0, and 1 and 11 behind others");
        assert_balanced(&subscription);
        assert_eq!((dispatcher.poll(), taken(&seen)), (2, vec![(0, 2), (11, 1)]));
        assert_balanced(&subscription);
        dispatcher.run_until_idle();
        assert_eq!(taken(&seen), [(0, 3), (1, 1), (1, 2), (1, 3)]);
        let stats = subscription.stats();
        assert_eq!((stats.acked, stats.nacked, stats.panics, stats.redelivered), (6, 4, 2, 4));
        assert_eq!((stats.delivered, stats.held), (10, 0));
        assert_balanced(&subscription);
    }
}

#[test]
fn backoff_and_dead_letters_in_place() {
    let (engine, clock) = manual();
    let dead = engine.create_topic("dead", ringmain::TopicConfig::default()).unwrap();
    let letters = crate::common::subscribe(&dead, "letters");
    let topic = crate::common::topic(&engine, 16);
    let config = ordering().retry(DEADLINE, DEADLINE).dead_letter(&dead, 5);
    let subscription = topic.create_subscription("sub", config).unwrap();
    let (seen, write) = log();
    let mut dispatcher = Dispatcher::new().add(&subscription, move |message| {
        write.lock().unwrap().push(of(&message));
        if number(message.data()) == 0 { Verdict::Nack } else { Verdict::Ack }
    });
    let publisher = topic.publisher();
    for number in 0..3 {
        publisher.publish(keyed("a", number)).unwrap();
    }
    for attempt in 1..5 {
        publisher.publish(keyed("b", 9)).unwrap();
        dispatcher.run_until_idle();
        assert_eq!(taken(&seen), [(0, attempt), (9, 1)]);
        assert_eq!((subscription.stats().held, letters.stats().unread), (3, 0));
        clock.advance(DEADLINE);
    }
    dispatcher.run_until_idle();
    assert_eq!(taken(&seen), [(0, 5), (1, 1), (2, 1)]);
    let stats = subscription.stats();
    assert_eq!((stats.acked, stats.dead_lettered, stats.held), (6, 1, 0));
    assert_eq!(receive_all(&letters), [0]);
    assert_balanced(&subscription);
}

#[test]
fn what_queues_behind_a_stuck_key_is_bounded_in_place_too() {
    for limit in [1, 3, 256] {
        let (_engine, _clock, publisher, subscription) = single_with(16, ordering().max_held_messages(20));
        let stuck = {
            publisher.publish(keyed("a", 0)).unwrap();
            subscription.try_recv().unwrap().unwrap()
        };
        let (seen, write) = log();
        let mut dispatcher = Dispatcher::new().turn_limit(limit).add(&subscription, move |message| {
            write.lock().unwrap().push(number(message.data()));
            Verdict::Nack
        });
        let mut published = 0;
        for _ in 0..100 {
            // Every other one is behind the stuck key, and the rest have a key each.
            let key = |number: u64| if number.is_multiple_of(2) { "a".into() } else { format!("b{number}") };
            while publisher.try_publish(keyed(&key(published), published)).is_ok() {
                published += 1;
            }
            publisher.resume_publishing(&key(published));
            dispatcher.poll();
            let stats = subscription.stats();
            assert!(stats.held <= 20, "{} held, {limit} at most", stats.held);
            assert_balanced(&subscription);
        }
        assert!(taken(&seen).iter().all(|number| number % 2 == 1), "a is stuck");
        assert_eq!(subscription.stats().unread, 16);
        drop(stuck);
    }
}

/// While a message of a key is in a handler, nobody gets the next one; and while it is leased, no handler does.
#[test]
fn leased_and_in_place_consumers_respect_each_others_keys() {
    let (_engine, _clock, publisher, subscription) = single_with(16, ordering());
    for number in 0..3 {
        publisher.publish(keyed("a", number)).unwrap();
        publisher.publish(keyed("b", number + 10)).unwrap();
    }
    let (inside, pulled) = (subscription.clone(), Arc::new(Mutex::new(Vec::new())));
    let out = Arc::clone(&pulled);
    let (seen, write) = log();
    let mut dispatcher = Dispatcher::new().turn_limit(1).add(&subscription, move |message| {
        out.lock().unwrap().extend(inside.pull(100).unwrap());
        write.lock().unwrap().push(of(&message));
        Verdict::Ack
    });
    dispatcher.poll();
    assert_eq!((taken(&seen), told(&pulled.lock().unwrap())), (vec![(0, 1)], vec![(10, 1)]));
    let ten = taken(&pulled).remove(0);
    drop(dispatcher);
    let (seen, mut dispatcher) = logged(&subscription);
    dispatcher.run_until_idle();
    assert_eq!(taken(&seen), [(1, 1), (2, 1)], "b is leased");
    ten.nack().unwrap();
    dispatcher.run_until_idle();
    assert_eq!(taken(&seen), [(10, 2), (11, 1), (12, 1)]);
    assert_balanced(&subscription);
}

/// Acks everything, and logs it.
fn logged(subscription: &Subscription) -> (Log<(u64, u32)>, Dispatcher) {
    let (seen, write) = log();
    let dispatcher = Dispatcher::new().add(subscription, move |message| {
        write.lock().unwrap().push(of(&message));
        Verdict::Ack
    });
    (seen, dispatcher)
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A consumer that sleeps is woken when the message before the one that it could have is done with, however that is.
#[test]
fn a_sleeper_is_woken_when_its_key_is_free() {
    for how in ["ack", "ack in place", "dead letter", "dead letter in place", "parked"] {
        let (engine, _clock) = manual();
        let dead = engine.create_topic("dead", ringmain::TopicConfig::default()).unwrap();
        let topic = crate::common::topic(&engine, 16);
        let subscription = topic.create_subscription("sub", ordering().dead_letter(&dead, 5)).unwrap();
        if how == "parked" {
            engine.delete_topic("dead").unwrap();
        }
        topic.publisher().publish(keyed("a", 0)).unwrap();
        topic.publisher().publish(keyed("a", 1)).unwrap();
        if how.starts_with("dead") || how == "parked" {
            (0..4).for_each(|_| subscription.try_recv().unwrap().unwrap().nack().unwrap());
        }
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut stream = Box::pin(subscription.stream());
        let mut asleep = move || {
            let mut context = Context::from_waker(&waker);
            matches!(stream.as_mut().poll_next(&mut context), Poll::Pending)
        };
        if how.ends_with("in place") {
            let verdict = if how.starts_with("ack") { Verdict::Ack } else { Verdict::Nack };
            let mut dispatcher = Dispatcher::new().turn_limit(1).add(&subscription, move |_| {
                assert!(asleep(), "the message before it is being handled");
                verdict
            });
            while dispatcher.poll() == 0 {} // it may be the ring's turn first
            assert_eq!(subscription.stats().panics, 0);
        } else {
            let first = subscription.try_recv().unwrap().unwrap();
            assert!(asleep());
            if how == "ack" { first.ack().unwrap() } else { first.nack().unwrap() }
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1, "{how}");
        assert_eq!(receive_all(&subscription), [1], "{how}");
        assert_balanced(&subscription);
    }
}

#[test]
fn a_handler_that_detaches_its_own_subscription_leaves_nothing_behind() {
    let (_engine, _clock, publisher, subscription) = single_with(16, ordering());
    let own = subscription.clone();
    let mut dispatcher = Dispatcher::new().add(&subscription, move |message| {
        own.detach();
        if number(message.data()) == 10 { Verdict::Ack } else { Verdict::Nack }
    });
    for number in 0..3 {
        publisher.publish(keyed("a", number)).unwrap();
        publisher.publish(keyed("b", number + 10)).unwrap();
    }
    dispatcher.run();
    let stats = subscription.stats();
    assert_eq!((stats.accepted, stats.acked, stats.discarded), (6, 1, 5), "{stats:?}");
    assert_eq!((stats.held, stats.held_bytes, stats.outstanding), (0, 0, 0));
    assert_balanced(&subscription);
}

/// Of a lossy subscription, the messages that are left are in order; the account is exact.
#[test]
fn under_drop_oldest_what_is_left_of_a_key_is_in_order() {
    let config = ordering().overflow(Overflow::DropOldest).max_held_messages(5);
    let (_engine, _clock, publisher, subscription) = single_with(8, config);
    let mut seen: [Vec<u64>; 2] = [Vec::new(), Vec::new()];
    let (mut lost, mut out) = (0, Vec::new());
    for round in 0..200u64 {
        (0..round % 7).for_each(|_| {
            let number = subscription.topic().stats().published;
            publisher.publish(keyed(["a", "b"][(number % 2) as usize], number)).unwrap();
        });
        match subscription.pull(3) {
            Ok(deliveries) => out.extend(deliveries),
            Err(ringmain::RecvError::Lagged(count)) => lost += count,
            Err(error) => panic!("{error}"),
        }
        if round % 3 == 0 {
            for delivery in out.drain(..) {
                let number = number(delivery.data());
                if delivery.delivery_attempt() == 1 && number.is_multiple_of(5) {
                    delivery.nack().unwrap();
                } else {
                    seen[(number % 2) as usize].push(number);
                    delivery.ack().unwrap();
                }
            }
        }
        assert_balanced(&subscription);
    }
    assert!(seen.iter().all(|numbers| numbers.len() > 20 && numbers.is_sorted()), "{seen:?}");
    assert!(lost > 50, "{lost}");
    let stats = subscription.stats();
    assert_eq!(stats.dropped, lost);
}
