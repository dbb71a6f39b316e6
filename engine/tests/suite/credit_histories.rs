//! Flow control after any history: what is outstanding is the sum over the deliveries that live, and within its limits;
//! and a detach in the middle of everything leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::{Random, assert_balanced, manual};
use ringmain::{
    AckError, Delivery, Engine, ManualClock, Message, RecvError, SubscriptionConfig, TopicConfig,
};
use std::thread;
use std::time::Duration;

const HISTORIES: u64 = 300;
const STEPS: u64 = 300;

struct Limits {
    messages: u64,
    bytes: u64,
    allow_excess: bool,
}

fn small(random: &mut Random, limit: u64) -> usize {
    usize::try_from(random.below(limit)).unwrap()
}

/// Deliveries that live, each with the time when it ends by itself.
#[derive(Default)]
struct Out(Vec<(Delivery, Duration)>);

impl Out {
    fn some(&mut self, random: &mut Random) -> Option<Delivery> {
        let count = self.0.len() as u64;
        (count > 0).then(|| self.0.swap_remove(small(random, count)).0)
    }

    fn bytes(&self) -> u64 {
        self.0.iter().map(|(delivery, _)| delivery.data().len() as u64).sum()
    }
}

fn history(seed: u64) {
    let mut random = Random(seed * 0x9E37_79B9 + 1);
    let (engine, clock) = manual();
    let config = TopicConfig::default().ring_slots(32).shards(1 + small(&mut random, 3));
    let topic = engine.create_topic("topic", config).unwrap();
    let limits = Limits {
        messages: 1 + random.below(8),
        bytes: [1, 60, 100, 400, 10_000][small(&mut random, 5)],
        allow_excess: random.below(4) == 0,
    };
    let mut config = SubscriptionConfig::default()
        .max_outstanding_messages(usize::try_from(limits.messages).unwrap())
        .max_outstanding_bytes(usize::try_from(limits.bytes).unwrap())
        .allow_excess(limits.allow_excess)
        .max_held_messages(1 + small(&mut random, 30));
    if random.below(3) == 0 {
        config = config.message_ordering();
    }
    if random.below(3) == 0 {
        config = config.retry(Duration::from_secs(1), Duration::from_secs(8));
    }
    let subscription = topic.create_subscription("sub", config).unwrap();
    let (mut out, mut acked, mut now) = (Out::default(), Vec::new(), Duration::ZERO);
    let mut published = Vec::new();
    for step in 0..STEPS {
        match random.below(12) {
            0..4 => {
                let mut message = Message::new(vec![0; 1 + small(&mut random, 120)]);
                if random.below(2) == 0 {
                    message = message.ordering_key(["a", "b"][small(&mut random, 2)]);
                }
                // (Another publisher each time: where there is no room, a publisher pauses the key.)
                published.extend(topic.publisher().try_publish(message));
            }
            4..7 => {
                let deliveries = subscription.pull(small(&mut random, 5)).unwrap();
                out.0
                    .extend(deliveries.into_iter().map(|delivery| (delivery, now + Duration::from_secs(10))));
            }
            7 => {
                if let Some(delivery) = out.some(&mut random) {
                    acked.push(delivery.id());
                    let id = delivery.ack_id();
                    if step % 2 == 0 {
                        delivery.ack().unwrap()
                    } else {
                        subscription.ack(id).unwrap()
                    }
                    assert_eq!(subscription.ack(id), Err(AckError::Expired));
                }
            }
            8 => {
                if let Some(delivery) = out.some(&mut random) {
                    let id = delivery.ack_id();
                    if step % 2 == 0 {
                        delivery.nack().unwrap()
                    } else {
                        drop(delivery)
                    }
                    assert_eq!(subscription.nack(id), Err(AckError::Expired));
                }
            }
            9 => {
                if let Some(delivery) = out.some(&mut random) {
                    let longer = Duration::from_secs(random.below(20));
                    delivery.modify_ack_deadline(longer).unwrap();
                    if !longer.is_zero() {
                        out.0.push((delivery, now + longer));
                    }
                }
            }
            10 => expire(&engine, &clock, &mut now, &mut out, Duration::from_secs(random.below(6))),
            _ => engine.tick(),
        }
        let stats = subscription.stats();
        assert_eq!(
            (stats.outstanding, stats.outstanding_bytes),
            (out.0.len() as u64, out.bytes()),
            "step {step}"
        );
        assert!(stats.outstanding <= limits.messages, "step {step}: {stats:?}");
        let fits = stats.outstanding_bytes <= limits.bytes || stats.outstanding == 1 || limits.allow_excess;
        assert!(fits, "step {step}: {stats:?}");
        assert!((stats.held == 0) == (stats.held_bytes == 0), "step {step}: {stats:?}");
        assert_balanced(&subscription);
    }
    // Everything comes in the end, once.
    out.0.clear();
    for _ in 0..STEPS {
        for delivery in subscription.pull(100).unwrap() {
            acked.push(delivery.id());
            delivery.ack().unwrap();
        }
        clock.advance(Duration::from_secs(1));
    }
    acked.sort_unstable();
    published.sort_unstable();
    assert_eq!(acked, published);
    let stats = subscription.stats();
    assert_eq!((stats.outstanding_bytes, stats.held_bytes, stats.acked), (0, 0, published.len() as u64));
}

/// Lets time pass, and what is too late then end.
fn expire(engine: &Engine, clock: &ManualClock, now: &mut Duration, out: &mut Out, by: Duration) {
    clock.advance(by);
    *now += by;
    engine.tick();
    for (late, _) in out.0.extract_if(.., |(_, deadline)| *deadline <= *now) {
        assert_eq!(late.ack(), Err(AckError::Expired));
    }
}

#[test]
fn what_is_outstanding_is_the_sum_over_live_deliveries_after_any_history() {
    for seed in 0..HISTORIES {
        if let Err(panic) = std::panic::catch_unwind(|| history(seed)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Consumers who take more than there is credit for put it back; a detach meanwhile finds that, too.
#[test]
fn a_detach_among_busy_consumers_leaves_nothing_held() {
    for round in 0..300 {
        let (engine, _clock) = manual();
        let topic = crate::common::topic(&engine, 64);
        let mut config = SubscriptionConfig::default().max_outstanding_bytes(100);
        if round % 3 == 0 {
            config = config.message_ordering();
        }
        let subscription = topic.create_subscription("sub", config).unwrap();
        thread::scope(|scope| {
            for consumer in 0..2 {
                let subscription = &subscription;
                scope.spawn(move || {
                    let mut kept = Vec::new();
                    for number in 0.. {
                        match subscription.pull(20) {
                            Ok(deliveries) => kept.extend(deliveries),
                            Err(RecvError::Detached) => break,
                            Err(error) => panic!("{error}"),
                        }
                        if consumer == 0 && number % 3 == 0 {
                            kept.clear();
                        } else {
                            kept.drain(..).for_each(|delivery| _ = delivery.ack()); // or it was detached
                        }
                    }
                });
            }
            for number in 0..round {
                let message = Message::new(vec![0; 40]).ordering_key(["a", "b"][number % 2]);
                drop(topic.publisher().try_publish(message));
            }
            subscription.detach();
        });
        let stats = subscription.stats();
        assert_eq!((stats.held, stats.held_bytes, stats.unread), (0, 0, 0), "round {round}: {stats:?}");
        assert_balanced(&subscription);
    }
}
