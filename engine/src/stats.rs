//! Counters, readable at any time without stopping anything.

use crossbeam_utils::CachePadded;
use ringmain_fanout::Slowest;
use ringmain_ring::sync::{AtomicU64, Ordering};
use std::time::Duration;

/// What a topic has done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct TopicStats {
    /// Messages published, those that no subscription was there for included.
    pub published: u64,
    /// How many subscriptions there are; one that its overflow policy has detached counts until a receive, or its stats,
    /// have noticed.
    pub subscriptions: usize,
    /// The subscription furthest behind, among those that publishers wait for, and by how many slots.
    pub slowest: Option<Slowest>,
}

/// What a publisher with limits has outstanding, see [`Publisher`](crate::Publisher).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct PublisherStats {
    /// Messages in calls that have not returned, and in receipts and futures that are not ready.
    pub outstanding_messages: u64,
    /// Their bytes, data and attributes.
    pub outstanding_bytes: u64,
    /// Calls and futures that wait for less to be outstanding.
    pub waiting: usize,
}

/// What a subscription has done. At rest,
/// `accepted = acked + dead_lettered + filtered + dropped + discarded + outstanding + held + unread`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct SubscriptionStats {
    /// Messages published to the topic since the subscription was made. (What a handler has in its hands, its batch and all,
    /// counts when the batch is done. Of a subscription that its overflow policy has detached, what was published before
    /// somebody noticed counts as well, and so do slots that were used up for [`Topic::trim`](crate::Topic::trim) and `ring_bytes`
    /// meanwhile.)
    pub accepted: u64,
    /// Deliveries, redeliveries included.
    pub delivered: u64,
    /// Messages acked.
    pub acked: u64,
    /// Deliveries that ended in a nack, a panic of the handler or a dropped [`Delivery`](crate::Delivery) included.
    pub nacked: u64,
    /// Deliveries whose deadline passed.
    pub expired: u64,
    /// Deliveries that were not the first of their message.
    pub redelivered: u64,
    /// Messages forwarded to the dead-letter topic.
    pub dead_lettered: u64,
    /// Messages that the filter did not let through.
    pub filtered: u64,
    /// Messages lost to the overflow policy.
    pub dropped: u64,
    /// Messages given up by a detach or a close.
    pub discarded: u64,
    /// Handlers that panicked, of messages or of [gaps](crate::Dispatcher::add_lossy).
    pub panics: u64,
    /// Leased and not yet ended.
    pub outstanding: u64,
    /// Their bytes.
    pub outstanding_bytes: u64,
    /// Off the ring and not leased: nacked, expired, in backoff, behind their key, or parked.
    pub held: u64,
    /// Their bytes.
    pub held_bytes: u64,
    /// Of those held, dead letters that their topic would not take. They are tried again.
    pub parked: u64,
    /// On the ring and not yet taken. Of a subscription under [`Overflow::DropOldest`](crate::Overflow::DropOldest) also what has
    /// been overwritten since: it counts as [`dropped`](Self::dropped) when somebody receives again, and is told so.
    pub unread: u64,
    /// How long ago the oldest message was published that is outstanding, held or unread. Of what is unread, the next message
    /// of each shard is looked at: the oldest, but on a topic of dead letters, which keep their time of publishing.
    pub oldest_unacked: Option<Duration>,
}

impl SubscriptionStats {
    /// What is still to be delivered: unread and held.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.unread + self.held
    }
}

/// The counters behind [`SubscriptionStats`]. Relaxed throughout: each is a sum that orders nothing.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) delivered: AtomicU64,
    /// In a line of its own: acks come from other threads than deliveries.
    pub(crate) acked: CachePadded<AtomicU64>,
    pub(crate) nacked: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) redelivered: AtomicU64,
    pub(crate) dead_lettered: AtomicU64,
    pub(crate) filtered: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) discarded: AtomicU64,
    pub(crate) panics: AtomicU64,
    /// In a line of its own, too. Messages delivered in place and acked at once: taken, delivered and acked in one addition a batch.
    pub(crate) in_place: CachePadded<AtomicU64>,
    /// Other messages taken from the ring.
    pub(crate) taken: AtomicU64,
}

#[inline]
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

#[inline]
pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
