//! A close under fire: what was accepted during it is delivered, and what was not comes back.

#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::{
    assert_balanced, for_a_while, manual, message, number, receive_all, soon, subscribe, topic, until,
};
use ringmain::{
    Close, CloseReport, Delivery, Dispatcher, Engine, Overflow, PublishError, Publisher, Subscription,
    SubscriptionConfig, TopicConfig, Verdict,
};
use ringmain_ring::now;
use ringmain_ring::sync::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, mpsc};
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
                topic.create_subscription("sub", SubscriptionConfig::default())
            });
            start.wait();
            engine.delete_topic("topic").unwrap();
            assert!(matches!(publisher.publish(message(1)), Err(PublishError::Closed(_))));
            drop(made.join().unwrap());
        });
    }
}

/// Runs `close(Drain)` without end on another thread, and calls `meanwhile` when publishing is refused already; then it
/// is still waiting. Returns what it reports.
fn while_it_drains(
    engine: &Engine,
    subscription: &Subscription,
    meanwhile: impl FnOnce(&dyn Fn() -> bool),
) -> CloseReport {
    thread::scope(|scope| {
        let close = scope.spawn(|| engine.close(Close::Drain(Duration::MAX)));
        until(|| subscription.is_topic_closed());
        let waits = || for_a_while(|| !close.is_finished());
        assert!(waits(), "there is something to wait for");
        meanwhile(&waits);
        close.join().unwrap()
    })
}

#[test]
fn drain_waits_for_a_backoff_and_a_tick_that_ends_it_wakes_who_receives() {
    let (engine, clock) = manual();
    let topic = topic(&engine, 16);
    let minute = Duration::from_secs(60);
    let config = SubscriptionConfig::default().retry(minute, minute);
    let subscription = topic.create_subscription("sub", config).unwrap();
    let publisher = topic.publisher();
    (0..2).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    (0..2).for_each(|_| subscription.recv().unwrap().nack().unwrap());
    let report = while_it_drains(&engine, &subscription, |waits| {
        thread::scope(|scope| {
            let receives = scope.spawn(|| {
                subscription.recv().unwrap().ack().unwrap();
                subscription.recv().unwrap().nack().unwrap();
            });
            clock.advance(minute);
            engine.tick();
            receives.join().unwrap();
        });
        assert!(waits(), "one waits again");
        clock.advance(minute);
        let last = subscription.recv().unwrap();
        assert_eq!((number(last.data()), last.delivery_attempt()), (1, 3));
        assert!(waits(), "and is leased");
        last.ack().unwrap();
    });
    assert_eq!(report, CloseReport::default());
    assert_balanced(&subscription);
}

/// The ways in which a handler may come by a message.
fn in_place_configs() -> [SubscriptionConfig; 3] {
    let config = SubscriptionConfig::default;
    [config(), config().message_ordering(), config().overflow(Overflow::DropOldest)]
}

#[test]
fn drain_waits_for_a_handler_and_for_what_it_nacks() {
    for config in in_place_configs() {
        let (engine, _clock) = manual();
        let topic = topic(&engine, 16);
        let subscription = topic.create_subscription("sub", config.clone()).unwrap();
        let publisher = topic.publisher();
        (0..2).for_each(|number| _ = publisher.publish(message(number).ordering_key("key")).unwrap());
        let (enters, entered) = mpsc::channel();
        let (verdict, verdicts) = mpsc::channel();
        thread::scope(|scope| {
            let consumer = subscription.clone();
            scope.spawn(move || {
                consumer.process(move |message| {
                    enters.send((number(message.data()), message.delivery_attempt())).unwrap();
                    verdicts.recv().unwrap()
                });
            });
            // Others serve it too, and are idle.
            let idle = Dispatcher::new().add(&subscription, |_| Verdict::Ack);
            let mut story = vec![entered.recv().unwrap()];
            let report = while_it_drains(&engine, &subscription, |waits| {
                for answer in [Verdict::Nack, Verdict::Ack, Verdict::Nack] {
                    verdict.send(answer).unwrap();
                    story.push(entered.recv().unwrap());
                    assert!(waits(), "it is being handled: {story:?} under {config:?}");
                }
                verdict.send(Verdict::Ack).unwrap();
            });
            drop(idle);
            assert_eq!(report, CloseReport::default(), "{config:?}");
            let expected = if config.message_ordering {
                [(0, 1), (0, 2), (1, 1), (1, 2)]
            } else {
                [(0, 1), (1, 1), (0, 2), (0, 3)]
            };
            assert_eq!(story, expected, "{config:?}");
        });
        assert_eq!((subscription.stats().acked, subscription.stats().nacked), (2, 2));
        assert_balanced(&subscription);
    }
}

/// On a topic whose ring is full something is staged; the others are not to wait for it.
#[test]
fn a_drain_closes_every_topic_that_has_nothing_staged_at_once() {
    for round in 0..8 {
        let engine = Engine::builder().seed(round).build();
        let small = TopicConfig::default().ring_slots(16);
        let make = |name| engine.create_topic(name, small.clone()).unwrap();
        let [stuck, free] = ["stuck", "free"].map(make);
        let [stuck_sub, free_sub] = [subscribe(&stuck, "stuck-sub"), subscribe(&free, "free-sub")];
        let (publisher, other) = (stuck.publisher(), free.publisher());
        (0..16).for_each(|number| _ = publisher.try_publish(message(number)).unwrap());
        let staged = publisher.enqueue(message(16)).unwrap();
        thread::scope(|scope| {
            let closing = scope.spawn(|| engine.close(Close::Drain(Duration::from_mins(1))));
            until(|| matches!(other.try_publish(message(0)), Err(PublishError::Closed(_))));
            assert!(!closing.is_finished(), "it waits for the stuck one");
            receive_all(&free_sub);
            until(|| {
                receive_all(&stuck_sub);
                closing.is_finished()
            });
            assert_eq!(closing.join().unwrap(), CloseReport::default());
        });
        staged.wait().unwrap();
        assert_eq!(stuck_sub.stats().acked, 17);
    }
}

/// Else publishers that never rest would keep it from its end, and what they publish meanwhile from being delivered.
#[test]
fn a_drain_that_waits_for_what_is_staged_takes_nothing_more() {
    for shards in [1, 2] {
        let (engine, _clock) = manual();
        let config = TopicConfig::default().ring_slots(8).shards(shards);
        let topic = engine.create_topic("topic", config).unwrap();
        let subscription = subscribe(&topic, "sub");
        let publishers: Vec<_> = (0..shards).map(|_| topic.publisher()).collect();
        (0..8).for_each(|number| _ = publishers[0].publish(message(number)).unwrap());
        let staged = publishers[0].enqueue(message(8)).unwrap();
        thread::scope(|scope| {
            let closing = scope.spawn(|| engine.close(Close::Drain(Duration::from_secs(10))));
            let refuses = soon(|| subscription.is_topic_closed());
            for publisher in &publishers {
                let refused = |result: Result<(), PublishError<_>>| {
                    assert!(matches!(result, Err(PublishError::Closed(back)) if back == message(9)));
                };
                refused(publisher.enqueue(message(9)).map(drop));
                refused(publisher.try_publish(message(9)).map(drop));
                refused(publisher.publish_batch([message(9)]).map(drop).map_err(|batch| batch.error));
                let filled = publisher.publish_batch_with(1, 8, |_, _| ());
                assert!(matches!(filled, Err(PublishError::Closed(()))));
            }
            assert!(refuses && !closing.is_finished() && !staged.is_ready(), "it waits for room");
            assert!(soon(|| {
                receive_all(&subscription);
                closing.is_finished()
            }));
            assert_eq!(closing.join().unwrap(), CloseReport::default());
        });
        staged.wait().unwrap();
        assert_eq!(subscription.stats().acked, 9);
    }
}

#[test]
fn drain_gives_up_when_its_time_is_over_and_says_what_is_left() {
    let time = Duration::from_millis(5);
    for config in in_place_configs() {
        let (engine, _clock) = manual();
        let topic = topic(&engine, 16);
        let subscription = topic.create_subscription("sub", config).unwrap();
        let other = subscribe(&topic, "other");
        let publisher = topic.publisher();
        (0..4).for_each(|number| _ = publisher.publish(message(number)).unwrap());
        let leased = other.recv().unwrap();
        let (enters, entered) = mpsc::channel();
        let (verdict, verdicts) = mpsc::channel();
        thread::scope(|scope| {
            let consumer = subscription.clone();
            scope.spawn(move || {
                Dispatcher::new()
                    .turn_limit(1)
                    .add(&consumer, move |_| {
                        enters.send(()).unwrap();
                        verdicts.recv().unwrap()
                    })
                    .run();
            });
            entered.recv().unwrap();
            let began = now();
            let report = engine.close(Close::Drain(time));
            assert!(now() - began >= time);
            // What is just being handled counts as neither.
            assert_eq!((report.unread, report.unacked), (3 + 3, 1));
            assert_eq!(engine.close(Close::Drain(Duration::MAX)), CloseReport::default(), "once is enough");
            verdict.send(Verdict::Ack).unwrap();
            drop(verdict);
        });
        assert!(leased.ack().is_err());
        assert_eq!(subscription.stats().acked, 1);
        assert_balanced(&subscription);
        assert_balanced(&other);
    }
}

/// Whoever is between two states while the close looks is neither here nor there, and must not be missed.
#[test]
fn drain_misses_nothing_that_is_just_coming_back() {
    let ways: [fn(&Subscription); 4] = [
        |subscription| subscription.process(|message| verdict(message.delivery_attempt())),
        |subscription| {
            let mut dispatcher =
                Dispatcher::new().add(subscription, |message| verdict(message.delivery_attempt()));
            until(|| subscription.is_topic_closed());
            while subscription.stats().discarded + subscription.stats().acked == 0 {
                dispatcher.poll();
                thread::yield_now();
            }
        },
        |subscription| subscription.iter().for_each(|delivery| settle(delivery.unwrap())),
        |subscription| {
            let (sender, receiver) = mpsc::channel();
            thread::scope(|scope| {
                scope.spawn(|| receiver.into_iter().for_each(settle));
                subscription.iter().for_each(|delivery| sender.send(delivery.unwrap()).unwrap());
                drop(sender);
            });
        },
    ];
    for round in 0..50 {
        for (way, consume) in ways.into_iter().enumerate() {
            let engine = Engine::new();
            let topic = topic(&engine, 16);
            let subscription = subscribe(&topic, "sub");
            topic.publisher().publish(message(0)).unwrap();
            let report = thread::scope(|scope| {
                scope.spawn(|| consume(&subscription));
                engine.close(Close::Drain(Duration::from_secs(10)))
            });
            assert_eq!(report, CloseReport::default(), "round {round}, way {way}");
            let stats = subscription.stats();
            assert_eq!((stats.acked, stats.nacked, stats.discarded), (1, 19, 0), "round {round}, way {way}");
        }
    }
}

fn verdict(attempt: u32) -> Verdict {
    thread::yield_now();
    if attempt < 20 { Verdict::Nack } else { Verdict::Ack }
}

fn settle(delivery: Delivery) {
    match verdict(delivery.delivery_attempt()) {
        Verdict::Ack => delivery.ack().unwrap(),
        Verdict::Nack => delivery.nack().unwrap(),
    }
}

/// The report is what was discarded, though others nack, poll and try dead letters again meanwhile.
#[test]
fn the_report_of_a_close_in_the_midst_of_it_all_is_exact() {
    let consume = |subscription: &Subscription| while subscription.try_recv().is_ok() {};
    for round in 0..4 * ROUNDS {
        let engine = Engine::new();
        let topic = topic(&engine, 16);
        let dead = engine.create_topic("dead", TopicConfig::default()).unwrap();
        let config = SubscriptionConfig::default().dead_letter(&dead, 5);
        let parks = topic.create_subscription("parks", config).unwrap();
        let nacks = subscribe(&topic, "nacks");
        engine.delete_topic("dead").unwrap();
        (0..2).for_each(|number| _ = topic.publisher().publish(message(number)).unwrap());
        let report = thread::scope(|scope| {
            let subscription = if round % 2 == 0 { &parks } else { &nacks };
            (0..2).for_each(|_| drop(scope.spawn(|| consume(subscription))));
            until(|| subscription.stats().nacked >= 10);
            engine.close(Close::Now)
        });
        let stats = [&parks, &nacks].map(Subscription::stats);
        assert_eq!(report.unread + report.unacked, 4, "round {round}: {report:?}, {stats:#?}");
        assert_eq!(stats.map(|stats| stats.discarded), [2, 2], "round {round}: {report:?}, {stats:#?}");
    }
}
