//! Ordering keys at the publisher: after a failure, a key is paused.
//!
//! Were the next message of the key published after one has failed, the order would be broken for good. So it fails as
//! well, and all that come after it, until whoever publishes has seen to it and says so
//! ([`Publisher::resume_publishing`]). Every failure counts, as in Google's clients: no room, no credit, a message that
//! breaks a rule, a topic that is closed, also when it shows only in the receipt. To give up a future before it is
//! ready is no failure.
//!
//! A failure is rare, so a mutex will do. While no key is paused, a message with a key costs one load, and one without a
//! key nothing.

use super::publisher::Publisher;
use crate::error::PublishError;
use crate::message::{MAX_ORDERING_KEY, Message};
use foldhash::fast::RandomState;
use ringmain_ring::sync::{AtomicUsize, Mutex, Ordering, lock};
use std::collections::HashSet;

/// The keys of one publisher that are paused.
#[derive(Debug, Default)]
pub(super) struct PausedKeys {
    /// How many. Relaxed: the messages of a key have one publishing thread, or no order.
    count: AtomicUsize,
    keys: Mutex<HashSet<String, RandomState>>,
}

impl PausedKeys {
    #[inline]
    pub(super) fn is_paused(&self, key: &str) -> bool {
        self.count.load(Ordering::Relaxed) != 0 && self.has(key)
    }

    #[cold]
    fn has(&self, key: &str) -> bool {
        lock(&self.keys).contains(key)
    }

    /// A message of this key was not published.
    #[cold]
    pub(super) fn pause(&self, key: &str) {
        let mut keys = lock(&self.keys);
        keys.insert(key.to_owned());
        self.count.store(keys.len(), Ordering::Relaxed);
    }

    fn resume(&self, key: &str) -> bool {
        let mut keys = lock(&self.keys);
        let paused = keys.remove(key);
        self.count.store(keys.len(), Ordering::Relaxed);
        paused
    }
}

impl Publisher {
    /// Takes messages with this ordering key again, after one of them has failed. Returns whether the key was paused.
    ///
    /// If a publish of a message with an ordering key fails, for whatever reason, later ones with that key fail with
    /// [`PublishError::OrderingKeyPaused`], so that they do not overtake it: publish the failed message again, or leave
    /// it out, but say so first. Other keys, and messages without one, go on. The same holds when the receipt of an
    /// enqueued message says that it was not published. Keys are paused for one publisher; its clones know nothing of
    /// it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ringmain::{Engine, Message, PublishError, SubscriptionConfig, TopicConfig};
    /// let engine = Engine::new();
    /// let orders = engine.create_topic("orders", TopicConfig::default().ring_slots(1))?;
    /// let billing = orders.create_subscription("billing", SubscriptionConfig::default())?;
    /// let publisher = orders.publisher();
    /// let message = |data: &'static str| Message::new(data).ordering_key("u42");
    /// publisher.publish(message("first"))?;
    /// let failed = publisher.try_publish(message("second")).unwrap_err().into_message(); // the ring is full
    /// billing.recv()?.ack()?;
    /// assert!(matches!(publisher.publish(message("third")), Err(PublishError::OrderingKeyPaused(_))));
    /// publisher.resume_publishing("u42");
    /// publisher.publish(failed)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume_publishing(&self, key: &str) -> bool {
        self.keys.resume(key)
    }

    /// The shard of a message of this key, unless the key is paused.
    #[inline]
    pub(super) fn route(&self, key: Option<&str>) -> Option<usize> {
        match key {
            None => Some(self.shard),
            Some(key) if self.keys.is_paused(key) => None,
            Some(key) => Some(self.topic.shard_of_key(key)),
        }
    }

    /// Notes that a message was not published.
    #[cold]
    pub(super) fn failed(&self, error: PublishError<Message>) -> PublishError<Message> {
        if matches!(error, PublishError::OrderingKeyPaused(_)) {
            return error; // and paused it stays, unless it was resumed just now
        }
        error.map(|message| {
            // What is no valid key needs no pausing, and no room.
            let key = message.ordering_key.as_ref();
            if let Some(key) = key.filter(|key| (1..=MAX_ORDERING_KEY).contains(&key.len())) {
                self.keys.pause(key);
            }
            message
        })
    }
}
