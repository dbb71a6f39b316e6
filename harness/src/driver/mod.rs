//! The only part of the harness that knows the engine.
//!
//! A [`Session`] is one topic with its subscriptions; a [`Sender`] is what a publisher thread publishes through, a
//! [`Receiver`] what a consumer thread polls. All three use the engine as any application would, through its public
//! face: the figures are those of the engine, not of a shortcut into it.

mod receive;
mod single;
pub(crate) mod world;

pub(crate) use receive::Receiver;
pub(crate) use single::Single;

use std::fmt::Display;

use ringmain::{
    Close, Engine, Message, Overflow, Publisher, Subscription, SubscriptionConfig, Topic, TopicConfig,
    WaitStrategy,
};

use crate::cli::{Mode, OverflowPolicy, Wait};
use crate::fault::Fault;
use crate::handicap::{self, Handicap};
use crate::inbox::Content;
use crate::inject::{Brake, Inject};
use crate::keys::dealt;
use crate::num;
use crate::payload::Header;
use crate::publish::Sink;

/// The engine's version: that of the workspace, which all its packages share.
pub(crate) const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What to build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) ring: usize,
    pub(crate) shards: usize,
    pub(crate) wait: Wait,
    pub(crate) overflow: OverflowPolicy,
    pub(crate) subscriptions: usize,
    pub(crate) mode: Mode,
    /// Whether subscriptions keep the order of ordering keys.
    pub(crate) keyed: bool,
}

/// The engine's own counters of a subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) delivered: u64,
    pub(crate) acked: u64,
    pub(crate) redelivered: u64,
    pub(crate) dropped: u64,
    /// Unread, leased or held.
    pub(crate) backlog: u64,
}

/// A topic with its subscriptions.
#[derive(Debug)]
pub(crate) struct Session {
    engine: Engine,
    topic: Topic,
    subscriptions: Vec<Subscription>,
    mode: Mode,
}

fn topic_config(setup: &Setup) -> TopicConfig {
    TopicConfig::default().ring_slots(setup.ring).shards(setup.shards).wait(match setup.wait {
        Wait::Spin => WaitStrategy::Spin,
        Wait::SpinThenPark => WaitStrategy::SpinThenPark,
        Wait::Park => WaitStrategy::Park,
    })
}

impl Session {
    /// Builds an engine for one run.
    pub(crate) fn open(setup: &Setup) -> Result<Self, Fault> {
        let refused = |error| Fault::new(format!("the engine refused the configuration: {error}"));
        let engine = Engine::new();
        let topic = engine.create_topic("load", topic_config(setup)).map_err(refused)?;
        let overflow = match setup.overflow {
            OverflowPolicy::Block => Overflow::Block,
            OverflowPolicy::DropOldest => Overflow::DropOldest,
            OverflowPolicy::Detach => Overflow::Detach,
        };
        let subscriptions = (0..setup.subscriptions)
            .map(|number| {
                let config = SubscriptionConfig::default().overflow(overflow);
                let config = if setup.keyed { config.message_ordering() } else { config };
                topic.create_subscription(&format!("load-{number}"), config).map_err(refused)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { engine, topic, subscriptions, mode: setup.mode })
    }

    /// Closes the engine, so that every call that waits in it returns.
    pub(crate) fn abort(&self) {
        self.engine.close(Close::Now);
    }

    /// Messages that the overflow policy took from a subscription so far.
    pub(crate) fn dropped(&self, subscription: usize) -> u64 {
        self.subscriptions[subscription].stats().dropped
    }

    /// Messages published so far, by the engine's count.
    pub(crate) fn published(&self) -> u64 {
        self.topic.stats().published
    }

    /// The engine's counters of a subscription.
    pub(crate) fn counters(&self, subscription: usize) -> Counters {
        let stats = self.subscriptions[subscription].stats();
        Counters {
            delivered: stats.delivered,
            acked: stats.acked,
            redelivered: stats.redelivered,
            dropped: stats.dropped,
            backlog: stats.unread + stats.outstanding + stats.held,
        }
    }
}

/// The most messages of `length` bytes that a topic with so many slots a ring takes in one call: the rule of
/// [`Publisher::publish_batch_with`].
pub(crate) fn largest_batch(ring: usize, length: usize) -> usize {
    let (slots, bytes) = (ring / 2, TopicConfig::default().ring_bytes / 2);
    // Payloads of which a whole ring has room there are not counted.
    let fit = if length > bytes / ring { bytes / length } else { slots };
    slots.min(fit).max(1)
}

/// How a thread publishes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner<'a> {
    pub(crate) content: &'a Content,
    /// Messages claimed together at most.
    pub(crate) batch: u64,
    /// Ordering keys that the messages of each publisher are dealt onto.
    pub(crate) keys: Option<usize>,
    pub(crate) inject: Option<Inject>,
}

/// Publishes for the publishers of one thread.
#[derive(Debug)]
pub(crate) struct Sender<'a> {
    /// By number; `None` for those of other threads.
    publishers: Vec<Option<Publisher>>,
    manner: Manner<'a>,
    /// The ordering keys by number.
    keys: Vec<String>,
    brake: Option<Brake>,
    handicap: Option<Handicap>,
}

impl<'a> Sender<'a> {
    /// A handle for each of `publishers`.
    pub(crate) fn new(session: &Session, publishers: &[usize], manner: Manner<'a>) -> Self {
        let count = publishers.iter().max().map_or(0, |last| last + 1);
        let mut handles: Vec<Option<Publisher>> = (0..count).map(|_| None).collect();
        for &publisher in publishers {
            handles[publisher] = Some(session.topic.publisher());
        }
        let keys = (0..manner.keys.unwrap_or(0)).map(key).collect();
        let (brake, handicap) = (Brake::new(manner.inject), Handicap::new());
        Self { publishers: handles, manner, keys, brake, handicap }
    }
}

impl Sink for Sender<'_> {
    #[inline]
    fn send(
        &mut self,
        publisher: usize,
        first: u64,
        count: u64,
        time: impl Fn(u64) -> u64,
    ) -> Result<(), Fault> {
        if let Some(brake) = &mut self.brake {
            brake.hold(count);
        }
        let Some(handle) = &self.publishers[publisher] else {
            return Err(Fault::new(format!("publisher {publisher} belongs to another thread")));
        };
        handicap::worked(&mut self.handicap, count);
        match self.manner.content {
            Content::Generated(patterns) => {
                let header = |i: u64| Header { publisher, sequence: first + i, time: time(i) };
                let mut sent = 0;
                while sent < count {
                    let together = (count - sent).min(self.manner.batch);
                    let pattern = patterns.of(first + sent);
                    if !self.keys.is_empty() {
                        let mut payload = vec![0; pattern.length()];
                        pattern.fill(&mut payload, header(sent));
                        let key = &self.keys[dealt(publisher, first + sent, num::count(self.keys.len()))];
                        handle.publish(Message::new(payload).ordering_key(key)).map_err(refused)?;
                    } else if together == 1 {
                        handle
                            .publish_with(pattern.length(), |buffer| pattern.fill(buffer, header(sent)))
                            .map_err(refused)?;
                    } else {
                        handle
                            .publish_batch_with(num::index(together), pattern.length(), |i, buffer| {
                                pattern.fill(buffer, header(sent + num::count(i)));
                            })
                            .map_err(refused)?;
                    }
                    sent += together;
                }
            }
            Content::Lines { lines, stamps, referenced } => {
                for n in first..first + count {
                    stamps.put(n, time(n - first));
                    if *referenced || lines.keyed() {
                        let message = Message::new(lines.reference(n));
                        let keyed = match lines.key(n) {
                            Some(key) => message.ordering_key(key),
                            None => message,
                        };
                        handle.publish(keyed).map_err(refused)?;
                    } else {
                        handle.publish_slice(lines.payload(n)).map_err(refused)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn batch(&self) -> u64 {
        self.manner.batch
    }
}

/// The name of an ordering key.
fn key(number: usize) -> String {
    format!("key-{number}")
}

#[cold]
fn refused(error: impl Display) -> Fault {
    Fault::new(format!("the engine refused a message: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_takes_the_largest_batch_and_not_one_more() {
        for (ring, length) in [(64, 1_024), (4_096, 1_024), (4_096, 8_193), (4_096, 1 << 20), (256, 9 << 20)]
        {
            let config = TopicConfig::default().ring_slots(ring);
            let engine = Engine::new();
            let topic = engine.create_topic("load", config).unwrap();
            let takes =
                |count| topic.publisher().publish_batch_with(count, length, |_, _| ()).map(|_id| ()).is_ok();
            let most = largest_batch(ring, length);
            assert_eq!((takes(most), takes(most + 1)), (true, false), "{most} of {length} in {ring}");
        }
    }
}
