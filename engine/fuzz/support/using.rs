//! Uses a topic, a subscription and a publisher, whatever their settings: nothing waits for ever, nothing panics, and in
//! the end every message is accounted for.

use ringmain::{
    Close, Engine, Error, ManualClock, Message, PublishError, Publisher, RecvError, Subscription, Topic,
    TopicConfig,
};
use std::time::Duration;

/// Longer than any deadline or backoff that may be set, but for a lease that is kept alive.
const LONG: Duration = Duration::from_secs(601);
/// Rounds of publishing all that goes in and receiving some of it.
const ROUNDS: u64 = 6;
/// Looks for messages a round.
const LOOKS: u64 = 3;
/// Messages a round, at most.
const EACH: usize = 20;

pub(crate) struct Bench {
    engine: Engine,
    clock: ManualClock,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new();
        Self { engine: Engine::builder().clock(clock.clock()).build(), clock }
    }

    pub(crate) fn topic(&self, config: TopicConfig) -> Result<Topic, Error> {
        self.engine.create_topic("topic", config)
    }

    /// Publishes and receives by every way that does not wait; then closes.
    pub(crate) fn run(&self, subscription: &Subscription, publisher: &Publisher) {
        for round in 0..ROUNDS {
            Self::publish(publisher, round);
            let deliveries = Self::pull(subscription);
            for (index, delivery) in deliveries.into_iter().enumerate() {
                let attempt = delivery.delivery_attempt();
                // With a deadline of no time at all, each look redelivers.
                assert!(
                    (1..=LOOKS * (round + 1)).contains(&u64::from(attempt)),
                    "attempt {attempt} in round {round}"
                );
                match index % 4 {
                    0 => _ = delivery.ack(),
                    1 => _ = delivery.nack(),
                    2 => _ = delivery.modify_ack_deadline(Duration::from_secs(round)),
                    _ => _ = delivery.into_ack_id(),
                }
            }
            Self::balanced(subscription);
            if round % 2 == 1 {
                self.clock.advance(LONG);
                self.engine.tick();
            }
        }
        let report = self.engine.close(Close::Now);
        let stats = subscription.stats();
        assert_eq!(stats.outstanding + stats.held + stats.unread, 0, "{report:?}, {stats:?}");
        Self::balanced(subscription);
    }

    fn publish(publisher: &Publisher, round: u64) {
        for number in 0..EACH {
            let message = Message::new(vec![7; number % 5 * 3])
                .attribute("k", "v")
                .ordering_key(if number % 2 == 0 { "a" } else { "b" });
            match publisher.try_publish(message) {
                Ok(_) => {}
                Err(PublishError::Full(_) | PublishError::LimitExceeded(_)) => {
                    ["a", "b"].iter().for_each(|key| _ = publisher.resume_publishing(key));
                }
                Err(error) => panic!("round {round}: {error:?}"),
            }
        }
    }

    fn pull(subscription: &Subscription) -> Vec<ringmain::Delivery> {
        let mut deliveries = Vec::new();
        for _ in 0..LOOKS {
            match subscription.pull_into(EACH, &mut deliveries) {
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Detached) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
        deliveries
    }

    fn balanced(subscription: &Subscription) {
        let s = subscription.stats();
        let ended = s.acked + s.dead_lettered + s.filtered + s.dropped + s.discarded;
        assert_eq!(s.accepted, ended + s.outstanding + s.held + s.unread, "{s:?}");
    }
}
