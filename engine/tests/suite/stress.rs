//! Everything at once, on real threads: the ledger balances, and a close lets nobody hang.

use crate::common::{assert_balanced, manual, message, number, receive_all, subscribe};
use ringmain::{
    Close, Delivery, Dispatcher, Engine, Overflow, PublishError, RecvError, SubscriptionConfig, TopicConfig,
    Verdict, WaitStrategy,
};
use ringmain_ring::sync::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const MESSAGES: u64 = if cfg!(debug_assertions) { 5_000 } else { 50_000 };
const PUBLISHERS: u64 = 4;

#[test]
fn four_publishers_three_kinds_of_subscriptions_and_others_that_come_and_go() {
    let engine = Engine::new();
    let config = TopicConfig::default().ring_slots(64).shards(2);
    let topic = engine.create_topic("topic", config).unwrap();
    let in_place = subscribe(&topic, "in-place");
    let leased = subscribe(&topic, "leased");
    let lossy = SubscriptionConfig::default().overflow(Overflow::DropOldest);
    let lossy = topic.create_subscription("lossy", lossy).unwrap();
    let done = AtomicBool::new(false);
    let (in_place_sum, lost) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|which| {
                let publisher = topic.publisher();
                scope.spawn(move || {
                    for number in 0..MESSAGES {
                        match (number + which) % 3 {
                            0 => drop(publisher.publish(message(number)).unwrap()),
                            1 => drop(publisher.enqueue(message(number)).unwrap()),
                            _ => drop(publisher.publish_slice(&number.to_le_bytes()).unwrap()),
                        }
                    }
                    publisher.flush().unwrap();
                })
            })
            .collect();
        let sum = Arc::clone(&in_place_sum);
        scope.spawn(|| {
            in_place.process(move |message| {
                let number = number(message.data());
                if number.is_multiple_of(100) && message.delivery_attempt() == 1 {
                    return Verdict::Nack;
                }
                sum.fetch_add(number, Ordering::Relaxed);
                Verdict::Ack
            });
        });
        let (sender, receiver) = mpsc::channel::<Delivery>();
        scope.spawn(|| {
            for delivery in leased.iter() {
                sender.send(delivery.unwrap()).unwrap();
            }
            drop(sender);
        });
        let acker = scope.spawn(move || {
            let mut sum = 0;
            for delivery in receiver {
                if delivery.delivery_attempt() == 1 && number(delivery.data()).is_multiple_of(50) {
                    continue; // dropped: a nack
                }
                sum += number(delivery.data());
                delivery.ack().unwrap();
            }
            sum
        });
        let gaps = Arc::clone(&lost);
        scope.spawn(|| {
            let told = move |count| _ = gaps.fetch_add(count, Ordering::Relaxed);
            Dispatcher::new().add_lossy(&lossy, |_| Verdict::Ack, told).run();
        });
        scope.spawn(|| {
            let mut random = crate::common::Random(5);
            for round in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let passing =
                    topic.create_subscription(&format!("passing-{round}"), SubscriptionConfig::default());
                let Ok(passing) = passing else { break }; // the topic is deleted
                for _ in 0..random.below(5) {
                    drop(passing.pull(10)); // or the topic is deleted
                }
                if random.below(2) == 0 {
                    passing.detach();
                }
                engine.delete_subscription(&format!("passing-{round}")).unwrap();
                assert_balanced(&passing);
            }
        });
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        done.store(true, Ordering::Relaxed);
        engine.delete_topic("topic").unwrap();
        assert_eq!(acker.join().unwrap(), PUBLISHERS * (0..MESSAGES).sum::<u64>());
    });
    assert_eq!(in_place_sum.load(Ordering::Relaxed), PUBLISHERS * (0..MESSAGES).sum::<u64>());
    for subscription in [&in_place, &leased, &lossy] {
        assert_balanced(subscription);
        let stats = subscription.stats();
        assert_eq!(stats.accepted, PUBLISHERS * MESSAGES);
        assert_eq!((stats.outstanding, stats.held, stats.unread, stats.discarded), (0, 0, 0, 0));
        assert_eq!(stats.acked + stats.dropped, stats.accepted);
    }
    assert_eq!(lossy.stats().dropped, lost.load(Ordering::Relaxed));
    assert_eq!(engine.close(Close::Drain(Duration::from_secs(1))), ringmain::CloseReport::default());
}

#[test]
fn every_call_that_waits_returns_at_a_close_with_its_message() {
    for wait in [WaitStrategy::Park, WaitStrategy::SpinThenPark, WaitStrategy::Spin] {
        for how in [Close::Now, Close::Drain(Duration::from_millis(5))] {
            let (engine, _clock) = manual();
            let config = TopicConfig::default().ring_slots(4).wait(wait);
            let topic = engine.create_topic("topic", config).unwrap();
            let full = subscribe(&topic, "full");
            let other = engine.create_topic("other", TopicConfig::default().wait(wait)).unwrap();
            let [receives, processes] = ["receives", "processes"].map(|name| subscribe(&other, name));
            let publisher = topic.publisher();
            (0..4).for_each(|number| _ = publisher.publish(message(number)).unwrap());
            thread::scope(|scope| {
                let publishes: Vec<_> = (0..2)
                    .map(|number| {
                        let publisher = topic.publisher();
                        scope.spawn(move || publisher.publish(message(number)))
                    })
                    .collect();
                let enqueues = scope.spawn(|| {
                    let publisher = topic.publisher();
                    (0..).find_map(|number| match publisher.enqueue(message(number)) {
                        Ok(receipt) => receipt.wait().err().map(drop),
                        Err(_) => Some(()),
                    })
                });
                let slices = scope.spawn(|| topic.publisher().publish_slice(b"x"));
                let receiver = scope.spawn(|| receives.recv().map(drop));
                scope.spawn(|| processes.process(|_| Verdict::Ack));
                thread::yield_now();
                let report = engine.close(how);
                assert_eq!((report.unread, report.unacked), (4, 0));
                for (number, publish) in (0..).zip(publishes) {
                    let error = publish.join().unwrap().unwrap_err();
                    assert!(matches!(error, PublishError::Closed(m) if m == message(number)));
                }
                assert!(matches!(slices.join().unwrap(), Err(PublishError::Closed(()))));
                assert_eq!(enqueues.join().unwrap(), Some(()));
                assert_eq!(receiver.join().unwrap(), Err(RecvError::Closed));
            });
            assert_balanced(&full);
        }
    }
}

#[test]
fn close_drain_waits_for_what_was_accepted_and_staged_and_for_leases() {
    let (engine, _clock) = manual();
    let topic = crate::common::topic(&engine, 8);
    let subscription = subscribe(&topic, "sub");
    let publisher = topic.publisher();
    (0..8).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    let first = subscription.recv().unwrap();
    publisher.publish(message(8)).unwrap();
    let staged = publisher.enqueue(message(9)).unwrap(); // the ring is full
    thread::scope(|scope| {
        let close = scope.spawn(|| engine.close(Close::Drain(Duration::MAX)));
        let mut seen = Vec::new();
        while seen.len() < 9 {
            seen.extend(receive_all(&subscription));
            thread::yield_now();
        }
        assert_eq!(seen, (1..10).collect::<Vec<_>>());
        assert!(!close.is_finished(), "a lease is out");
        first.nack().unwrap();
        assert_eq!(receive_all(&subscription), [0]);
        assert_eq!(close.join().unwrap(), ringmain::CloseReport::default());
    });
    assert_eq!(staged.wait().unwrap().get(), 9);
    assert_eq!(subscription.recv().unwrap_err(), RecvError::Closed);
    assert_balanced(&subscription);
}

#[test]
fn close_now_reports_what_is_left_and_so_does_the_last_engine_dropped() {
    for dropped in [false, true] {
        let (engine, _clock) = manual();
        let topic = crate::common::topic(&engine, 8);
        let subscription = subscribe(&topic, "sub");
        let publisher = topic.publisher();
        (0..8).for_each(|number| _ = publisher.publish(message(number)).unwrap());
        let leased = subscription.pull(3).unwrap();
        subscription.recv().unwrap().nack().unwrap();
        if dropped {
            drop(engine.clone());
            assert!(publisher.try_publish(message(8)).is_ok());
            drop(engine);
        } else {
            let report = engine.close(Close::Now);
            assert_eq!((report.unread, report.unacked), (4, 4));
            assert_eq!(engine.close(Close::Now), ringmain::CloseReport::default());
        }
        assert!(matches!(publisher.publish(message(9)), Err(PublishError::Closed(_))));
        assert!(leased.into_iter().all(|delivery| delivery.ack().is_err()));
        assert_eq!(subscription.stats().discarded, subscription.stats().accepted);
        assert_balanced(&subscription);
    }
}
