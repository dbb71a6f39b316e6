//! The ledger: after any history of publishing, receiving, acking, nacking, expiring, detaching and closing, every
//! message accepted is accounted for.

use crate::common::{Random, assert_balanced, manual, message};
use ringmain::{
    Close, Delivery, Dispatcher, Overflow, RecvError, Subscription, SubscriptionConfig, TopicConfig, Verdict,
};
use std::time::Duration;

const HISTORIES: u64 = 300;
const STEPS: u64 = 200;

struct Consumer {
    subscription: Subscription,
    /// In place, or leased with what is out.
    dispatcher: Option<Dispatcher>,
    out: Vec<Delivery>,
    /// Published since its attach, to the topic.
    before: u64,
    lossless: bool,
    gone: bool,
}

impl Consumer {
    fn step(&mut self, random: &mut Random) {
        if let Some(dispatcher) = &mut self.dispatcher {
            dispatcher.poll();
            return;
        }
        match random.below(4) {
            0 | 1 => match self.subscription.pull(random_size(random)) {
                Ok(deliveries) => self.out.extend(deliveries),
                Err(RecvError::Lagged(_)) => assert!(!self.lossless),
                Err(_) => assert!(self.gone || !self.lossless),
            },
            2 => drop(self.some(random).map(Delivery::ack)),
            _ => drop(self.some(random).map(Delivery::nack)),
        }
    }

    fn some(&mut self, random: &mut Random) -> Option<Delivery> {
        let count = self.out.len() as u64;
        (count > 0).then(|| self.out.swap_remove(usize::try_from(random.below(count)).expect("small")))
    }

    fn check(&self, published: u64) {
        assert_balanced(&self.subscription);
        let stats = self.subscription.stats();
        if !self.gone && self.lossless {
            assert_eq!(stats.accepted, published - self.before, "{stats:?}");
        }
        assert!(stats.accepted <= published - self.before, "{stats:?}");
        assert!(stats.redelivered <= stats.nacked + stats.expired, "{stats:?}");
        assert_eq!(
            stats.delivered,
            stats.acked + stats.nacked + stats.expired + stats.outstanding,
            "{stats:?}"
        );
    }
}

fn random_size(random: &mut Random) -> usize {
    usize::try_from(random.below(6)).expect("small") + 1
}

fn history(seed: u64) {
    let mut random = Random(seed * 0x9E37_79B9 + 1);
    let (engine, clock) = manual();
    let shards = 1 + usize::try_from(random.below(2)).expect("small");
    let config = TopicConfig::default().ring_slots(16).shards(shards).batch(4, 1 << 20);
    let topic = engine.create_topic("topic", config).expect("new");
    let publishers = [topic.publisher(), topic.publisher()];
    let mut consumers: Vec<Consumer> = Vec::new();
    for step in 0..STEPS {
        let which = usize::try_from(random.below(consumers.len().max(1) as u64)).expect("small");
        match random.below(20) {
            0 if consumers.len() < 6 => {
                let overflow = [Overflow::Block, Overflow::DropOldest, Overflow::Detach]
                    [usize::try_from(random.below(3)).expect("small")];
                let config = SubscriptionConfig::default()
                    .overflow(overflow)
                    .max_outstanding_messages(random_size(&mut random))
                    .max_held_messages(random_size(&mut random) * 2);
                publishers.iter().for_each(|publisher| drop(publisher.flush()));
                let before = topic.stats().published;
                let subscription = topic.create_subscription(&format!("sub-{step}"), config).expect("new");
                let dispatcher = (random.below(2) == 0).then(|| {
                    let mut verdicts = Random(seed + step + 1);
                    Dispatcher::new().turn_limit(3).add(&subscription, move |_| match verdicts.below(8) {
                        0 => std::panic::resume_unwind(Box::new("a handler")),
                        1 | 2 => Verdict::Nack,
                        _ => Verdict::Ack,
                    })
                });
                let lossless = overflow == Overflow::Block;
                consumers.push(Consumer {
                    subscription,
                    dispatcher,
                    out: vec![],
                    before,
                    lossless,
                    gone: false,
                });
            }
            1 => clock.advance(Duration::from_secs(random.below(12))),
            2 => engine.tick(),
            3 if !consumers.is_empty() && random.below(4) == 0 => {
                consumers[which].subscription.detach();
                consumers[which].gone = true;
                // The ring's cover gates for a detached member until somebody polls.
                drop(consumers[which].dispatcher.take());
            }
            4..=9 => {
                let publisher = &publishers[usize::try_from(random.below(2)).expect("two")];
                // Enqueue only where it cannot wait for room that this thread alone would make.
                if random.below(2) == 0 && topic.stats().slowest.is_none_or(|slowest| slowest.behind < 8) {
                    publisher.enqueue(message(step)).map(drop).expect("room");
                } else {
                    drop(publisher.try_publish(message(step)));
                }
            }
            _ => {
                if let Some(consumer) = consumers.get_mut(which) {
                    consumer.step(&mut random);
                }
            }
        }
        if step % 16 == 0 {
            consumers.iter().for_each(|consumer| _ = consumer.subscription.stats()); // fetches what is staged
            consumers.iter().for_each(|consumer| consumer.check(topic.stats().published));
        }
    }
    // At the end, half are closed as they are, and half are drained first.
    if seed.is_multiple_of(2) {
        for consumer in &mut consumers {
            consumer.out.clear();
        }
    }
    engine.close(Close::Now);
    for consumer in &mut consumers {
        consumer.gone = true;
        consumer.check(topic.stats().published);
        let stats = consumer.subscription.stats();
        assert_eq!((stats.outstanding, stats.held, stats.unread), (0, 0, 0));
        if consumer.lossless && consumer.dispatcher.is_some() {
            assert_eq!(stats.accepted, topic.stats().published - consumer.before, "lived to the end");
        }
        assert!(consumer.out.drain(..).all(|delivery| delivery.ack().is_err()));
        consumer.check(topic.stats().published);
    }
}

#[test]
fn every_history_balances() {
    for seed in 0..HISTORIES {
        if let Err(panic) = std::panic::catch_unwind(|| history(seed)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
