//! A close under fire: what was accepted during it is delivered, and what was not comes back.

mod common;

use common::{assert_balanced, message, subscribe, topic, until};
use ringmain::{Close, Dispatcher, Engine, PublishError, Publisher, Verdict};
use ringmain_ring::sync::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

const ROUNDS: u64 = 100;

/// Publishes until it is refused; how many were accepted.
fn publish(publisher: &Publisher) -> u64 {
    for number in 0.. {
        match publisher.publish(message(number)) {
            Ok(_) => {}
            Err(PublishError::Closed(_)) => return number,
            Err(other) => panic!("{other}"),
        }
    }
    unreachable!("it is closed some time")
}

/// Enqueues in small batches, waiting for the receipts of each.
fn enqueue(publisher: &Publisher) -> u64 {
    let mut accepted = 0;
    loop {
        let receipts: Vec<_> = (0..5).map_while(|number| publisher.enqueue(message(number)).ok()).collect();
        let all = receipts.len() == 5;
        let resolved = receipts.into_iter().filter_map(|receipt| receipt.wait().ok()).count() as u64;
        accepted += resolved;
        if !all || resolved < 5 {
            return accepted;
        }
    }
}

#[test]
fn what_is_accepted_while_a_topic_is_deleted_is_delivered() {
    for round in 0..ROUNDS {
        let engine = Engine::new();
        let topic = topic(&engine, 16);
        let (in_place, leased) = (subscribe(&topic, "in-place"), subscribe(&topic, "leased"));
        let handled = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&handled);
        let mut dispatcher = Dispatcher::new().add(&in_place, move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Verdict::Ack
        });
        let accepted = thread::scope(|scope| {
            let alone = round % 2 == 0;
            let mut publishers = vec![scope.spawn({
                let publisher = topic.publisher();
                move || publish(&publisher)
            })];
            if !alone {
                let publisher = topic.publisher();
                publishers.push(scope.spawn(move || enqueue(&publisher)));
            }
            scope.spawn(|| dispatcher.run());
            let received =
                scope.spawn(|| leased.iter().map(|delivery| delivery.unwrap().ack().unwrap()).count() as u64);
            until(|| topic.stats().published > 10 * (round % 7));
            engine.delete_topic("topic").unwrap();
            let accepted: u64 = publishers.into_iter().map(|publisher| publisher.join().unwrap()).sum();
            assert_eq!(received.join().unwrap(), accepted);
            accepted
        });
        assert_eq!(handled.load(Ordering::Relaxed), accepted);
        assert_balanced(&in_place);
        assert_balanced(&leased);
        let report = engine.close(Close::Drain(Duration::from_secs(10)));
        assert_eq!((report.unread, report.unacked), (0, 0));
    }
}

#[test]
fn a_topic_closed_while_its_first_subscription_is_made_takes_nothing() {
    for _ in 0..ROUNDS {
        let engine = Engine::new();
        let topic = topic(&engine, 16);
        let publisher = topic.publisher();
        let start = Barrier::new(2);
        thread::scope(|scope| {
            let made = scope.spawn(|| {
                start.wait();
                topic.create_subscription("sub", ringmain::SubscriptionConfig::default())
            });
            start.wait();
            engine.delete_topic("topic").unwrap();
            assert!(matches!(publisher.publish(message(1)), Err(PublishError::Closed(_))));
            drop(made.join().unwrap());
        });
    }
}
