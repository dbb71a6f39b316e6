//! The engine under random schedules: leases against expiry and a close, the batcher, the end, credit.
//!
//! Messages are received under lease. In place, a handler's topic is kept in a real thread-local variable, of which all
//! threads of a schedule have one between them.
#![cfg(all(ringmain_shuttle, ringmain_twins))]

#[path = "../../ring/tests/schedules/mod.rs"]
mod schedules;

use ringmain::{
    Close, Engine, LimitExceeded, ManualClock, Message, Publisher, PublisherConfig, PublisherStats,
    RecvError, Subscription, SubscriptionConfig, SubscriptionStats, TopicConfig, WaitStrategy,
};
use schedules::choose;
use shuttle::thread::{JoinHandle, spawn};
use std::sync::Arc;
use std::time::Duration;

/// The default ack deadline.
const DEADLINE: Duration = Duration::from_secs(10);

/// One topic of four slots, so that two messages make a batch, one publisher, one subscription.
fn small() -> (Engine, ManualClock, Arc<Publisher>, Subscription) {
    let clock = ManualClock::new();
    let engine = Engine::builder().clock(clock.clock()).build();
    let config = TopicConfig::default().ring_slots(4).wait(WaitStrategy::Park);
    let topic = engine.create_topic("topic", config).expect("new");
    let subscription = topic.create_subscription("sub", SubscriptionConfig::default()).expect("new");
    (engine, clock, Arc::new(topic.publisher()), subscription)
}

fn all<T>(threads: Vec<JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn message(thread: u64, number: u64) -> Message {
    Message::new(format!("{thread}{number}"))
}

/// Whether all that was accepted is accounted for.
fn is_balanced(stats: &SubscriptionStats) -> bool {
    let ended = stats.acked + stats.dead_lettered + stats.dropped + stats.filtered + stats.discarded;
    stats.accepted == ended + stats.outstanding + stats.held + stats.unread
}

/// Receives until nothing will come; acks, nacks, drops or forgets what comes. How many were acked.
fn receive_to_the_end(subscription: &Subscription) -> u64 {
    let mut acked = 0;
    loop {
        match subscription.recv() {
            Ok(delivery) => match choose(6) {
                0 => _ = delivery.nack(),
                1 => drop(delivery),
                2 => _ = delivery.into_ack_id(), // nobody acks it: its lease ends by itself
                3 => {
                    let _late = delivery.modify_ack_deadline(DEADLINE);
                    acked += u64::from(delivery.ack().is_ok());
                }
                _ => acked += u64::from(delivery.ack().is_ok()),
            },
            Err(RecvError::Closed) => return acked,
            Err(other) => panic!("{other}"),
        }
    }
}

schedules!(
    /// Leases end by ack, nack and time while the topic is deleted: each message is acked once, and everybody comes to
    /// the end.
    leases_against_expiry_and_the_end, 500 of each,
    broken by ["slab.take.unchecked", "end.in_silence", "wait.no_recheck"], {
        let (engine, clock, publisher, subscription) = small();
        let publishers: Vec<_> = (0..2)
            .map(|thread| {
                let publisher = Arc::clone(&publisher);
                spawn(move || {
                    (0..3).filter(|number| publisher.publish(message(thread, *number)).is_ok()).count() as u64
                })
            })
            .collect();
        let consumers: Vec<_> = (0..2)
            .map(|_| {
                let subscription = subscription.clone();
                spawn(move || receive_to_the_end(&subscription))
            })
            .collect();
        let (ticking, watched) = (engine.clone(), subscription.clone());
        let ticks = spawn(move || {
            // Until all is acked, for what is forgotten comes back by this alone.
            while watched.stats().acked < 6 {
                clock.advance(DEADLINE);
                ticking.tick();
                shuttle::thread::yield_now();
            }
        });
        assert_eq!(all(publishers), [3, 3]);
        engine.delete_topic("topic").unwrap();
        assert_eq!(all(consumers).iter().sum::<u64>(), 6);
        ticks.join().unwrap();
        let stats = subscription.stats();
        assert!(is_balanced(&stats) && stats.acked == 6 && stats.outstanding == 0, "{stats:?}");
    }
);

schedules!(
    /// The engine is closed in the midst of publishing, receiving and expiring: every call returns, and every message
    /// that was accepted is acked or in the report.
    closed_in_the_middle, 500 of each, broken by ["expiring.spins", "slab.take.unchecked", "multi.seal.forgotten"], {
        let (engine, clock, publisher, subscription) = small();
        let publishers: Vec<_> = (0..2)
            .map(|thread| {
                let publisher = Arc::clone(&publisher);
                spawn(move || {
                    (0..4).take_while(|number| publisher.publish(message(thread, *number)).is_ok()).count() as u64
                })
            })
            .collect();
        let consumers: Vec<_> = (0..2)
            .map(|_| {
                let subscription = subscription.clone();
                spawn(move || {
                    let mut acked = 0;
                    while let Ok(delivery) = subscription.recv() {
                        match choose(4) {
                            0 => _ = delivery.into_ack_id(),
                            1 => _ = delivery.nack(),
                            _ => acked += u64::from(delivery.ack().is_ok()),
                        }
                    }
                    acked
                })
            })
            .collect();
        let ticking = engine.clone();
        let ticks = spawn(move || {
            for _ in 0..3 {
                clock.advance(DEADLINE);
                ticking.tick();
            }
        });
        for _ in 0..choose(30) {
            shuttle::thread::yield_now();
        }
        let report = engine.close(Close::Now);
        let published: u64 = all(publishers).iter().sum();
        let acked: u64 = all(consumers).iter().sum();
        ticks.join().unwrap();
        assert_eq!(acked + report.unread + report.unacked, published, "{report:?}");
        let stats = subscription.stats();
        assert!(is_balanced(&stats) && stats.acked == acked, "{stats:?}");
    }
);

schedules!(
    /// Two publishers enqueue, two consumers receive: nobody calls the publishers again, and nothing stays behind.
    the_batcher_keeps_nothing, 500 of each,
    broken by ["enqueue.no_second_look", "lanes.no_last_look", "data.not_notified"], {
        let (engine, _clock, publisher, subscription) = small();
        let publishers: Vec<_> = (0..2)
            .map(|thread| {
                let publisher = if thread == 0 { Arc::clone(&publisher) } else { Arc::new(publisher.topic().publisher()) };
                spawn(move || {
                    for number in 0..4 {
                        let receipt = publisher.enqueue(message(thread, number)).unwrap();
                        if choose(4) == 0 {
                            receipt.wait().unwrap();
                        }
                    }
                    publisher // lives on: what it has staged goes without it
                })
            })
            .collect();
        let consumers: Vec<_> = (0..2)
            .map(|_| {
                let subscription = subscription.clone();
                spawn(move || {
                    for _ in 0..4 {
                        subscription.recv().unwrap().ack().unwrap();
                    }
                })
            })
            .collect();
        all(consumers);
        drop(all(publishers));
        assert_eq!(subscription.stats().acked, 8);
        drop(engine);
    }
);

schedules!(
    /// Three threads publish through a publisher that may have one message outstanding, now and then by the batcher: all
    /// get their turn, and the credit comes back.
    credit_goes_round, 500 of each,
    broken by ["flow.unmarked", "flow.no_second_look", "room.not_notified"], {
        let (_engine, _clock, publisher, subscription) = small();
        let config = PublisherConfig::default().max_outstanding_messages(1).limit_exceeded(LimitExceeded::Block);
        let limited = Arc::new(publisher.topic().publisher_with(config).unwrap());
        let publishers: Vec<_> = (0..3)
            .map(|thread| {
                let limited = Arc::clone(&limited);
                spawn(move || {
                    for number in 0..3 {
                        if choose(2) == 0 {
                            drop(limited.enqueue(message(thread, number)).unwrap());
                        } else {
                            let _id = limited.publish(message(thread, number)).unwrap();
                        }
                    }
                })
            })
            .collect();
        for _ in 0..9 {
            subscription.recv().unwrap().ack().unwrap();
        }
        all(publishers);
        limited.flush().unwrap();
        assert_eq!(limited.stats(), PublisherStats::default());
    }
);
