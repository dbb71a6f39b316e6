//! Settings of a topic.

use super::setting;
use crate::error::Invalid;
use ringmain_fanout::WaitStrategy;

/// Settings of a topic.
///
/// ```
/// use ringmain::{TopicConfig, WaitStrategy};
/// let config = TopicConfig::default().ring_slots(1 << 14).shards(2).wait(WaitStrategy::Spin);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
#[must_use]
pub struct TopicConfig {
    /// Slots of each ring, a power of two from 1 to 2^30. 4,096.
    pub ring_slots: usize,
    /// How many rings, 1 to 1,024. 1; more only where one ring's claims are the limit.
    pub shards: usize,
    /// How publishers and subscribers wait.
    pub wait: WaitStrategy,
    /// Messages that [`enqueue`](crate::Publisher::enqueue) gathers, and [`publish_batch`](crate::Publisher::publish_batch)
    /// claims together, at most; and no more than half of the ring. 100.
    pub batch_messages: usize,
    /// Bytes, of data and attributes, that [`enqueue`](crate::Publisher::enqueue) gathers at most. 1 MiB.
    pub batch_bytes: usize,
    /// Payload bytes that each ring holds at most, read or not. 64 MiB. (Beside it, a topic with leased deliveries keeps
    /// spare buffers of up to half as much, until it is [trimmed](crate::Topic::trim).)
    ///
    /// Messages larger than `ring_bytes / (2 * ring_slots)` may have half of it. When it is used up, the next one needs the
    /// slot of the oldest: for a subscription that has not read that, and all before it, this is as if the ring were full,
    /// however few they are. Its [overflow policy](crate::SubscriptionConfig::overflow) applies: the publisher waits for
    /// it, or it loses them, or is detached.
    pub ring_bytes: usize,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            ring_slots: 4096,
            shards: 1,
            wait: WaitStrategy::default(),
            batch_messages: 100,
            batch_bytes: 1 << 20,
            ring_bytes: 64 << 20,
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

    /// Sets how many payload bytes each ring holds at most, read or not. A message larger than that goes alone.
    pub fn ring_bytes(mut self, bytes: usize) -> Self {
        self.ring_bytes = bytes;
        self
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        setting("ring_slots", "a power of two from 1 to 2^30", self.ring_slots, |slots| {
            slots.is_power_of_two() && slots <= 1 << 30
        })?;
        setting("shards", "1 to 1024", self.shards, |shards| (1..=1024).contains(&shards))?;
        setting("batch_messages", "1 or more", self.batch_messages, |messages| messages > 0)?;
        setting("batch_bytes", "1 or more", self.batch_bytes, |bytes| bytes > 0)?;
        setting("ring_bytes", "1 or more", self.ring_bytes, |bytes| bytes > 0)
    }
}
