//! What a publish costs with many subscriptions on its topic, all served by one dispatcher, none of which lags.
//!
//! The publisher publishes a burst, and waits until every subscription has had it before it publishes the next:
//! so nobody lags, the ring is never full, and the time of the bursts is the time of the publishes. A subscription
//! says that it has had a burst once per burst, by a counter that the publisher looks at now and then only, so that
//! the looking costs the dispatcher nothing to speak of.
//!
//! Once a lap the publisher has to find out how far the readers are, which is where many of them could cost. So the
//! figure is the mean of a lap, and of several laps the median one.

use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ringmain::{Close, Dispatcher, Engine, InPlace, SubscriptionConfig, TopicConfig, Verdict, WaitStrategy};

use crate::measure::Bench;
use crate::payload::{Message as _, Read, Tally, fill};
use crate::roles::Place;
use crate::series::median;

const SLOTS: usize = 1_024;
const RING: u64 = SLOTS as u64;
const BURST: u64 = 64;
const LAPS: u64 = 4;
/// About what ten thousand subscriptions take for a burst.
const REST_NANOS: u64 = 2_000_000;
/// No burst takes this long to reach everybody.
const STUCK_NANOS: u64 = 30_000_000_000;

/// With one subscription.
pub(crate) fn one(bench: &Bench) -> Result<f64, String> {
    publish_cost(bench, 1, WaitStrategy::default(), 0)
}

/// With one subscription, but as long between two bursts as ten thousand take, and a dispatcher that does not go to sleep
/// in between (ten thousand keep it busy): so nobody has to be woken.
pub(crate) fn one_rested(bench: &Bench) -> Result<f64, String> {
    publish_cost(bench, 1, WaitStrategy::Spin, REST_NANOS)
}

/// With ten thousand.
pub(crate) fn ten_thousand(bench: &Bench) -> Result<f64, String> {
    publish_cost(bench, 10_000, WaitStrategy::default(), 0)
}

/// What one subscription has had; given away with its handler.
struct Counting {
    tally: Tally,
    bursts: Arc<AtomicU64>,
    outcome: mpsc::Sender<Tally>,
}

impl Counting {
    #[inline]
    fn handle(&mut self, message: &InPlace<'_>) -> Verdict {
        self.tally.add(message.data().first_chunk().map_or(0, |word| u64::from_le_bytes(*word)));
        if self.tally.count.is_multiple_of(BURST) {
            // All handlers are one thread's: nobody else writes. Release pairs with the publisher's Acquire.
            self.bursts.store(self.bursts.load(Relaxed) + 1, Release);
        }
        Verdict::Ack
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        // Nobody listens once the sample has failed for another reason.
        self.outcome.send(self.tally).ok();
    }
}

/// Nanoseconds for one publish, in bursts that are at least `rest` nanoseconds apart.
fn publish_cost(bench: &Bench, subscriptions: u64, wait: WaitStrategy, rest: u64) -> Result<f64, String> {
    let engine = Engine::new();
    let config = TopicConfig::default().ring_slots(SLOTS).wait(wait);
    let topic = engine.create_topic("topic", config).map_err(|error| error.to_string())?;
    let bursts = Arc::new(AtomicU64::new(0));
    let (outcome, outcomes) = mpsc::channel();
    let mut dispatcher = Dispatcher::new();
    for index in 0..subscriptions {
        let subscription =
            topic.create_subscription(&format!("subscription-{index}"), SubscriptionConfig::default());
        let subscription = subscription.map_err(|error| error.to_string())?;
        let mut counting =
            Counting { tally: Tally::default(), bursts: bursts.clone(), outcome: outcome.clone() };
        dispatcher = dispatcher.add(&subscription, move |message| counting.handle(&message));
    }
    drop(outcome);
    let publisher = topic.publisher();
    let ticker = &bench.ticker;
    let publish = || {
        bench.cpus.pin(Place::Producer(0), 1)?;
        let mut costs = Vec::new();
        for lap in 0..LAPS {
            let mut nanos = 0;
            for burst in lap * RING / BURST..(lap + 1) * RING / BURST {
                let from = ticker.now();
                for seq in burst * BURST..(burst + 1) * BURST {
                    let published = publisher.publish_with(8, |buffer| fill(buffer, seq));
                    assert!(published.is_ok(), "nobody has closed the engine yet");
                }
                let to = ticker.now();
                nanos += ticker.nanos(from, to);
                while bursts.load(Acquire) < (burst + 1) * subscriptions
                    || ticker.nanos(to, ticker.now()) < rest
                {
                    (0..64).for_each(|_| std::hint::spin_loop());
                    if ticker.nanos(to, ticker.now()) > STUCK_NANOS {
                        return Err("a burst did not reach everybody; messages were lost".to_owned());
                    }
                }
            }
            costs.push(nanos as f64 / RING as f64);
        }
        Ok(costs)
    };
    let costs = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let pinned = bench.cpus.pin(Place::Consumer(0), 1);
            dispatcher.run();
            drop(dispatcher);
            pinned
        });
        let costs = scope.spawn(publish).join();
        engine.close(Close::Drain(Duration::from_secs(30)));
        match (costs, reader.join()) {
            (Ok(costs), Ok(pinned)) => pinned.and(costs),
            _ => Err("a thread panicked".to_owned()),
        }
    })?;
    let messages = LAPS * RING;
    let expected = Tally { count: messages, sum: u64::total(messages, Read::Every) };
    let tallies: Vec<_> = outcomes.iter().collect();
    if tallies.len() as u64 != subscriptions || tallies.iter().any(|tally| *tally != expected) {
        return Err(format!("not every subscription has read {expected:?}; messages were lost"));
    }
    Ok(median(&costs))
}
