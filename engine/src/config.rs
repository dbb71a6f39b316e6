//! Settings of topics and subscriptions. Chainable; every default is what Google Cloud Pub/Sub has, where it has one.

use crate::error::Invalid;
use ringmain_fanout::{Overflow, WaitStrategy};
use std::time::Duration;

/// Settings of a topic.
///
/// ```
/// use ringmain::{TopicConfig, WaitStrategy};
/// let config = TopicConfig::default().ring_slots(1 << 14).shards(2).wait(WaitStrategy::Spin);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct TopicConfig {
    /// Slots of each ring, a power of two. 4,096.
    pub ring_slots: usize,
    /// How many rings. 1; more only where one ring's claims are the limit.
    pub shards: usize,
    /// How publishers and subscribers wait.
    pub wait: WaitStrategy,
    /// Messages that [`enqueue`](crate::Publisher::enqueue) gathers at most. 100.
    pub batch_messages: usize,
    /// Bytes that [`enqueue`](crate::Publisher::enqueue) gathers at most. 1 MiB.
    pub batch_bytes: usize,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            ring_slots: 4096,
            shards: 1,
            wait: WaitStrategy::default(),
            batch_messages: 100,
            batch_bytes: 1 << 20,
        }
    }
}

impl TopicConfig {
    /// Sets the slots of each ring: a power of two.
    pub fn ring_slots(mut self, slots: usize) -> Self {
        self.ring_slots = slots;
        self
    }

    /// Sets the number of rings.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// Sets how publishers and subscribers wait.
    pub fn wait(mut self, wait: WaitStrategy) -> Self {
        self.wait = wait;
        self
    }

    /// Sets how much [`enqueue`](crate::Publisher::enqueue) gathers at most.
    pub fn batch(mut self, messages: usize, bytes: usize) -> Self {
        self.batch_messages = messages;
        self.batch_bytes = bytes;
        self
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        setting("ring_slots", "a power of two from 1 to 2^30", self.ring_slots, |slots| {
            slots.is_power_of_two() && slots <= 1 << 30
        })?;
        setting("shards", "1 to 1024", self.shards, |shards| (1..=1024).contains(&shards))?;
        setting("batch_messages", "1 or more", self.batch_messages, |messages| messages > 0)?;
        setting("batch_bytes", "1 or more", self.batch_bytes, |bytes| bytes > 0)
    }
}

/// Settings of a subscription.
///
/// ```
/// use ringmain::{Overflow, SubscriptionConfig};
/// use std::time::Duration;
/// let config = SubscriptionConfig::default().ack_deadline(Duration::from_secs(30)).overflow(Overflow::DropOldest);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct SubscriptionConfig {
    /// How long a leased delivery may take before it is redelivered: 10-600 s. 10 s.
    pub ack_deadline: Duration,
    /// What happens when the subscription is a whole ring behind.
    pub overflow: Overflow,
    /// Leased deliveries outstanding at most. 1,000.
    pub max_outstanding_messages: usize,
    /// Messages held at most (nacked or expired, waiting for redelivery); then nothing more is taken from the ring.
    /// 10,000.
    pub max_held_messages: usize,
}

impl Default for SubscriptionConfig {
    fn default() -> Self {
        Self {
            ack_deadline: Duration::from_secs(10),
            overflow: Overflow::default(),
            max_outstanding_messages: 1_000,
            max_held_messages: 10_000,
        }
    }
}

impl SubscriptionConfig {
    /// Sets how long a leased delivery may take before it is redelivered: 10-600 s.
    pub fn ack_deadline(mut self, deadline: Duration) -> Self {
        self.ack_deadline = deadline;
        self
    }

    /// Sets what happens when the subscription is a whole ring behind.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets how many leased deliveries may be outstanding.
    pub fn max_outstanding_messages(mut self, messages: usize) -> Self {
        self.max_outstanding_messages = messages;
        self
    }

    /// Sets how many messages may be held for redelivery.
    pub fn max_held_messages(mut self, messages: usize) -> Self {
        self.max_held_messages = messages;
        self
    }

    pub(crate) fn check(&self, manual_clock: bool) -> Result<(), Invalid> {
        let (least, most) = (Duration::from_secs(10), Duration::from_secs(600));
        if self.ack_deadline > most || (self.ack_deadline < least && !manual_clock) {
            return Err(Invalid::Setting {
                setting: "ack_deadline",
                rule: "10 to 600 s (shorter only with a manual clock)",
                actual: format!("{:?}", self.ack_deadline),
            });
        }
        let outstanding = self.max_outstanding_messages;
        setting("max_outstanding_messages", "1 or more", outstanding, |messages| messages > 0)?;
        setting("max_held_messages", "1 or more", self.max_held_messages, |messages| messages > 0)
    }
}

fn setting(
    setting: &'static str,
    rule: &'static str,
    actual: usize,
    good: impl FnOnce(usize) -> bool,
) -> Result<(), Invalid> {
    if good(actual) { Ok(()) } else { Err(Invalid::Setting { setting, rule, actual: actual.to_string() }) }
}
