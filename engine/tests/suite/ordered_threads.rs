//! Message ordering under competing consumers, on real threads: of a key, never two outstanding at once, and acks in the
//! order published; of everything, nothing lost and nothing twice.
#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::{Random, assert_balanced, manual, message, number, until};
use ringmain::{
    Delivery, Engine, ManualClock, Message, Overflow, RecvError, Subscription, SubscriptionConfig,
    TopicConfig, Verdict,
};
use ringmain_ring::sync::{AtomicBool, AtomicU64, Ordering};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const KEYS: u64 = 40;
const PUBLISHERS: u64 = 2;
const MESSAGES: u64 = if cfg!(debug_assertions) { 3_000 } else { 30_000 };

/// What consumers note down.
struct Ledger {
    /// Whether a message of the key is out, and the numbers of those acked.
    keys: Vec<(AtomicBool, Mutex<Vec<u64>>)>,
    unkeyed: AtomicU64,
    /// How often two messages of a key were out. (Noted, not panicked at: handlers may panic as they like.)
    twice: AtomicU64,
    seed: AtomicU64,
}

impl Ledger {
    fn new() -> Arc<Self> {
        let keys = (0..KEYS).map(|_| (AtomicBool::new(false), Mutex::default())).collect();
        Arc::new(Self { keys, unkeyed: AtomicU64::new(0), twice: AtomicU64::new(0), seed: AtomicU64::new(1) })
    }

    fn random(&self) -> Random {
        Random(self.seed.fetch_add(1, Ordering::Relaxed) * 0x9E37_79B9)
    }

    fn key(&self, key: &str) -> &(AtomicBool, Mutex<Vec<u64>>) {
        &self.keys[key.parse::<usize>().unwrap()]
    }

    fn begins(&self, key: &str) {
        let already = self.key(key).0.swap(true, Ordering::AcqRel);
        self.twice.fetch_add(u64::from(already), Ordering::Relaxed);
    }

    /// To be called before the message is acked or nacked.
    fn ends(&self, key: &str) {
        self.key(key).0.store(false, Ordering::Release);
    }

    /// To be called before the message is acked.
    fn acked(&self, key: Option<&str>, number: u64) {
        match key {
            Some(key) => self.key(key).1.lock().unwrap().push(number),
            None => drop(self.unkeyed.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Every keyed message was acked in its turn, and every other one was acked.
    fn check(&self, subscription: &Subscription) {
        assert_eq!(self.twice.load(Ordering::Relaxed), 0, "two messages of a key were out at once");
        for key in 0..KEYS {
            let (out, acked) = &self.keys[usize::try_from(key).unwrap()];
            let expected = (0..MESSAGES).filter(|number| number % 5 != 4 && number % KEYS == key);
            assert!(acked.lock().unwrap().iter().copied().eq(expected), "of key {key}");
            assert!(!out.load(Ordering::Relaxed));
        }
        assert_eq!(self.unkeyed.load(Ordering::Relaxed), MESSAGES / 5);
        let stats = subscription.stats();
        assert_eq!((stats.accepted, stats.acked), (MESSAGES, MESSAGES), "{stats:?}");
        assert_eq!((stats.held, stats.held_bytes, stats.outstanding, stats.outstanding_bytes), (0, 0, 0, 0));
        assert_balanced(subscription);
    }
}

/// Every fifth has no key.
fn numbered(number: u64) -> Message {
    let message = message(number);
    if number % 5 == 4 { message } else { message.ordering_key((number % KEYS).to_string()) }
}

/// Receives under lease, keeps some deliveries in hand, and ends them in any order and way.
fn leased(subscription: &Subscription, ledger: &Ledger) {
    let mut random = ledger.random();
    let mut hand: Vec<Delivery> = Vec::new();
    let mut end = |delivery: Delivery| {
        if let Some(key) = delivery.ordering_key() {
            ledger.ends(key);
        }
        match random.below(8) {
            0 => drop(delivery),
            1 => delivery.nack().unwrap(),
            _ => {
                ledger.acked(delivery.ordering_key(), number(delivery.data()));
                delivery.ack().unwrap();
            }
        }
    };
    let mut random = ledger.random();
    loop {
        match subscription.pull(1 + usize::try_from(random.below(20)).unwrap()) {
            Ok(deliveries) if deliveries.is_empty() => {
                hand.drain(..).for_each(&mut end);
                assert!(subscription.wait(Duration::from_secs(20)), "nothing more comes");
            }
            Ok(deliveries) => {
                deliveries
                    .iter()
                    .filter_map(|delivery| delivery.ordering_key())
                    .for_each(|key| ledger.begins(key));
                hand.extend(deliveries);
                while hand.len() as u64 > random.below(30) {
                    let which = usize::try_from(random.below(hand.len() as u64)).unwrap();
                    end(hand.swap_remove(which));
                }
            }
            Err(RecvError::Closed) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Handles in place; acks, nacks and panics.
fn in_place(subscription: &Subscription, ledger: &Arc<Ledger>) {
    let mut random = ledger.random();
    let ledger = Arc::clone(ledger);
    subscription.process(move |message| {
        if let Some(key) = message.ordering_key() {
            ledger.begins(key);
            if random.below(16) == 0 {
                thread::yield_now();
            }
            ledger.ends(key);
        }
        match random.below(16) {
            0 => resume_unwind(Box::new("a handler")),
            1 => Verdict::Nack,
            _ => {
                ledger.acked(message.ordering_key(), number(message.data()));
                Verdict::Ack
            }
        }
    });
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Leased,
    InPlace,
}

fn run(kinds: &[Kind], shards: usize, config: SubscriptionConfig) {
    let engine = Engine::new();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(64).shards(shards)).unwrap();
    let subscription = topic.create_subscription("sub", config.message_ordering()).unwrap();
    let ledger = Ledger::new();
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|which| {
                let publisher = topic.publisher();
                // A key belongs to one publisher.
                let mine = move |number: &u64| number % KEYS % PUBLISHERS == which;
                scope.spawn(move || {
                    for number in (0..MESSAGES).filter(mine) {
                        if number % 7 < 3 {
                            drop(publisher.enqueue(numbered(number)).unwrap());
                        } else {
                            publisher.publish(numbered(number)).unwrap();
                        }
                    }
                    publisher.flush().unwrap();
                })
            })
            .collect();
        let consumers: Vec<_> = kinds
            .iter()
            .map(|kind| {
                let (subscription, ledger) = (&subscription, &ledger);
                scope.spawn(move || match kind {
                    Kind::Leased => leased(subscription, ledger),
                    Kind::InPlace => in_place(subscription, ledger),
                })
            })
            .collect();
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        engine.delete_topic("topic").unwrap();
        consumers.into_iter().for_each(|consumer| consumer.join().unwrap());
    });
    ledger.check(&subscription);
}

/// Three of each mixture, and few of them in hand, so that everything waits for everything.
fn small() -> SubscriptionConfig {
    SubscriptionConfig::default()
        .max_outstanding_messages(25)
        .max_outstanding_bytes(160)
        .max_held_messages(50)
}

#[test]
fn leased_consumers_compete() {
    for shards in [1, 3] {
        run(&[Kind::Leased; 2], shards, SubscriptionConfig::default());
        run(&[Kind::Leased; 3], shards, small());
    }
}

#[test]
fn dispatchers_compete() {
    for shards in [1, 3] {
        run(&[Kind::InPlace; 2], shards, SubscriptionConfig::default());
        run(&[Kind::InPlace; 3], shards, small());
    }
}

#[test]
fn leased_and_in_place_consumers_compete() {
    for shards in [1, 3] {
        run(&[Kind::Leased, Kind::InPlace], shards, SubscriptionConfig::default());
        run(&[Kind::Leased, Kind::InPlace, Kind::Leased], shards, small());
    }
}

/// Expires leases under their holders' hands until `stop`.
fn hurry(engine: &Engine, clock: &ManualClock, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        clock.advance(Duration::from_millis(1));
        engine.tick();
        thread::yield_now();
    }
}

/// With leases that expire under their holders, a holder does not know that its message is out again; but the acks that
/// count are in the order published, each message's once.
#[test]
fn acks_that_are_in_time_are_in_order() {
    for overflow in [Overflow::Block, Overflow::DropOldest] {
        let (engine, clock) = manual();
        let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(64).shards(2)).unwrap();
        let config = SubscriptionConfig::default()
            .message_ordering()
            .overflow(overflow)
            .ack_deadline(Duration::from_millis(20))
            .retry(Duration::from_millis(1), Duration::from_millis(3));
        let subscription = topic.create_subscription("sub", config).unwrap();
        let ledger = Ledger::new();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| hurry(&engine, &clock, &stop));
            let consumers: Vec<_> = (0..2)
                .map(|_| {
                    let (subscription, ledger) = (&subscription, &ledger);
                    scope.spawn(move || {
                        let mut random = ledger.random();
                        let mut is_first = true;
                        for delivery in subscription.iter() {
                            let Ok(delivery) = delivery else { continue }; // a gap
                            if std::mem::take(&mut is_first) {
                                until(|| subscription.stats().expired > 0);
                            }
                            if random.below(10) == 0 {
                                (0..random.below(50)).for_each(|_| thread::yield_now());
                            }
                            let Some(key) = delivery.ordering_key().map(str::to_owned) else {
                                ledger
                                    .unkeyed
                                    .fetch_add(u64::from(delivery.ack().is_ok()), Ordering::Relaxed);
                                continue;
                            };
                            // The next ack of the key comes after this one, and waits for the lock.
                            let mut acked = ledger.key(&key).1.lock().unwrap();
                            let number = number(delivery.data());
                            if delivery.ack().is_ok() {
                                acked.push(number);
                            }
                        }
                    })
                })
                .collect();
            let publisher = topic.publisher();
            (0..MESSAGES / 2).for_each(|number| _ = publisher.publish(numbered(number)).unwrap());
            engine.delete_topic("topic").unwrap();
            consumers.into_iter().for_each(|consumer| consumer.join().unwrap());
            stop.store(true, Ordering::Relaxed);
        });
        let stats = subscription.stats();
        assert_balanced(&subscription);
        let mut total = ledger.unkeyed.load(Ordering::Relaxed);
        for (key, (_, acked)) in ledger.keys.iter().enumerate() {
            let acked = acked.lock().unwrap();
            assert!(acked.is_sorted_by(|a, b| a < b), "{overflow:?}, key {key}: {acked:?}");
            total += acked.len() as u64;
        }
        assert_eq!((stats.acked, stats.acked + stats.dropped), (total, MESSAGES / 2), "{stats:?}");
        assert!(stats.expired > 0, "{stats:?}");
    }
}
