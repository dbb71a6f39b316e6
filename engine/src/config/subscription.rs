//! Settings of a subscription.

use super::setting;
use crate::error::Invalid;
use crate::topic::Topic;
use ringmain_fanout::Overflow;
use std::sync::Arc;
use std::time::Duration;

/// How long a nacked or expired message waits before it is delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// After the first failed delivery; doubled after each further one.
    #[cfg_attr(feature = "serde", serde(with = "crate::wire::duration::required"))]
    pub minimum_backoff: Duration,
    /// At most.
    #[cfg_attr(feature = "serde", serde(with = "crate::wire::duration::required"))]
    pub maximum_backoff: Duration,
}

impl Default for RetryPolicy {
    /// 10 s, at most 600 s.
    fn default() -> Self {
        Self { minimum_backoff: Duration::from_secs(10), maximum_backoff: Duration::from_secs(600) }
    }
}

impl RetryPolicy {
    /// How long to wait after the delivery numbered `attempt` failed.
    pub(crate) fn backoff(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(63);
        let doubled = self.minimum_backoff.as_nanos().saturating_mul(1 << doublings);
        let nanos = doubled.min(self.maximum_backoff.as_nanos());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Where messages go that fail too often, and how often that is.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetterPolicy {
    pub(crate) topic: Topic,
    pub(crate) max_delivery_attempts: u32,
}

impl PartialEq for DeadLetterPolicy {
    /// Of the same topic, not of one that has its name.
    fn eq(&self, other: &Self) -> bool {
        let Self { topic, max_delivery_attempts } = self;
        Arc::ptr_eq(topic.inner(), other.topic.inner())
            && *max_delivery_attempts == other.max_delivery_attempts
    }
}

impl Eq for DeadLetterPolicy {}

/// Settings of a subscription.
///
/// ```
/// use ringmain::{Overflow, SubscriptionConfig};
/// use std::time::Duration;
/// let config = SubscriptionConfig::default().ack_deadline(Duration::from_secs(30)).overflow(Overflow::DropOldest);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
#[must_use]
pub struct SubscriptionConfig {
    /// How long a leased delivery may take before it is redelivered: 10-600 s. 10 s. (Kept in ticks of 16.4 us, rounded down.)
    #[cfg_attr(feature = "serde", serde(with = "crate::wire::duration::required"))]
    pub ack_deadline: Duration,
    /// How long the lease of a [`Delivery`](crate::Delivery) is kept alive beyond that, for as long as the delivery
    /// exists. Not at all.
    #[cfg_attr(feature = "serde", serde(with = "crate::wire::duration::optional"))]
    pub max_lease: Option<Duration>,
    /// How long a nacked or expired message waits. Not at all: it comes next.
    pub retry: Option<RetryPolicy>,
    // A topic is no setting that could be read from a file: `dead_letter` sets it.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) dead_letter: Option<DeadLetterPolicy>,
    /// Whether messages of one ordering key are delivered one after the other. False.
    pub message_ordering: bool,
    /// Which messages are delivered; all when there is none. The others count as acked. See
    /// [`filter`](SubscriptionConfig::filter).
    pub filter: Option<String>,
    /// What happens when the subscription is a whole ring behind, or has not read the large payloads that use up
    /// [`ring_bytes`](crate::TopicConfig::ring_bytes), be they few.
    pub overflow: Overflow,
    /// Leased deliveries outstanding at most. 1,000.
    pub max_outstanding_messages: usize,
    /// Bytes of leased deliveries outstanding at most. 100 MiB. A message larger than that is delivered alone.
    pub max_outstanding_bytes: usize,
    /// Whether messages that were taken from the ring together are all delivered, though the last of them exceed
    /// `max_outstanding_bytes`. False.
    pub allow_excess: bool,
    /// Messages held at most (nacked, expired, in backoff, behind their key, parked); then nothing more is taken from
    /// the ring. 10,000.
    pub max_held_messages: usize,
    /// Bytes held at most. 100 MiB.
    pub max_held_bytes: usize,
}

impl Default for SubscriptionConfig {
    fn default() -> Self {
        Self {
            ack_deadline: Duration::from_secs(10),
            max_lease: None,
            retry: None,
            dead_letter: None,
            message_ordering: false,
            filter: None,
            overflow: Overflow::default(),
            max_outstanding_messages: 1_000,
            max_outstanding_bytes: 100 << 20,
            allow_excess: false,
            max_held_messages: 10_000,
            max_held_bytes: 100 << 20,
        }
    }
}

impl SubscriptionConfig {
    /// Sets how long a leased delivery may take before it is redelivered: 10-600 s.
    pub fn ack_deadline(mut self, deadline: Duration) -> Self {
        self.ack_deadline = deadline;
        self
    }

    /// Keeps the lease of each [`Delivery`](crate::Delivery) alive, from when it was delivered, for at most this long
    /// (the ack deadline to 7 days; 60 min is usual), as long as the delivery exists. A delivery turned into its ack id has the ack deadline again.
    pub fn max_lease(mut self, most: Duration) -> Self {
        self.max_lease = Some(most);
        self
    }

    /// Lets a nacked or expired message wait `min(minimum * 2^(attempt - 1), maximum)` before it is delivered again:
    /// 0-600 s each, the maximum no less than the minimum.
    pub fn retry(mut self, minimum_backoff: Duration, maximum_backoff: Duration) -> Self {
        self.retry = Some(RetryPolicy { minimum_backoff, maximum_backoff });
        self
    }

    /// Forwards a message to `topic` after exactly this many failed deliveries, 5-100, and then forgets it here. The
    /// topic must exist, and no chain of dead-letter topics may lead back. It should have a subscription: a topic that nobody
    /// subscribes to keeps nothing, and dead letters are no exception.
    ///
    /// The dead letter has the message's data, attributes and ordering key, and, as with the service, the attributes
    /// `CloudPubSubDeadLetterSourceSubscription`, `CloudPubSubDeadLetterSourceDeliveryCount` and
    /// `CloudPubSubDeadLetterSourceMessageId`.
    ///
    /// It is not serialized with the other settings, since a topic cannot be read from a file: set it again after reading them.
    pub fn dead_letter(mut self, topic: &Topic, max_delivery_attempts: u32) -> Self {
        self.dead_letter = Some(DeadLetterPolicy { topic: topic.clone(), max_delivery_attempts });
        self
    }

    /// Delivers the next message of an ordering key only when the one before it is acked or dead-lettered.
    pub fn message_ordering(mut self) -> Self {
        self.message_ordering = true;
        self
    }

    /// Delivers only messages whose attributes match: `attributes:k`, `attributes.k = "v"`, `attributes.k != "v"`,
    /// `hasPrefix(attributes.k, "p")`, with `NOT` (or `-`), `AND`, `OR` and parentheses, in at most 256 bytes.
    ///
    /// `NOT` binds tightest. `AND` and `OR` do not mix: one of them goes in parentheses. A key of other characters than ASCII
    /// letters, digits, `-` and `_` goes in quotes; in quotes, `\"` and `\\` stand for `"` and `\`. Everything is
    /// case-sensitive, the operators too. `!=` also holds when there is no such key.
    ///
    /// What does not match is passed over when somebody receives, and until then it is as unread as the rest: a subscription that
    /// nobody reads holds publishers up, whatever its filter.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Sets what happens when the subscription is a whole ring behind, or has not read the large payloads that use up
    /// [`ring_bytes`](crate::TopicConfig::ring_bytes), be they few.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets how many leased deliveries may be outstanding.
    pub fn max_outstanding_messages(mut self, messages: usize) -> Self {
        self.max_outstanding_messages = messages;
        self
    }

    /// Sets how many bytes of leased deliveries may be outstanding.
    pub fn max_outstanding_bytes(mut self, bytes: usize) -> Self {
        self.max_outstanding_bytes = bytes;
        self
    }

    /// Sets whether messages taken together are delivered together, though they exceed `max_outstanding_bytes`.
    pub fn allow_excess(mut self, allow: bool) -> Self {
        self.allow_excess = allow;
        self
    }

    /// Sets how many messages may be held for redelivery.
    pub fn max_held_messages(mut self, messages: usize) -> Self {
        self.max_held_messages = messages;
        self
    }

    /// Sets how many bytes may be held for redelivery.
    pub fn max_held_bytes(mut self, bytes: usize) -> Self {
        self.max_held_bytes = bytes;
        self
    }

    pub(crate) fn check(&self, manual_clock: bool) -> Result<(), Invalid> {
        let least = if manual_clock { Duration::ZERO } else { Duration::from_secs(10) };
        between(
            "ack_deadline",
            "10 to 600 s (shorter only with a manual clock)",
            self.ack_deadline,
            least,
            600,
        )?;
        if let Some(most) = self.max_lease {
            between(
                "max_lease",
                "the ack_deadline that is set (10 s unless it is) to 7 days",
                most,
                self.ack_deadline,
                7 * 86_400,
            )?;
        }
        if let Some(retry) = self.retry {
            between("minimum_backoff", "0 to 600 s", retry.minimum_backoff, Duration::ZERO, 600)?;
            let rule = "no less than the minimum_backoff that is set, and at most 600 s";
            between("maximum_backoff", rule, retry.maximum_backoff, retry.minimum_backoff, 600)?;
        }
        if let Some(policy) = &self.dead_letter {
            let attempts = policy.max_delivery_attempts as usize;
            setting("max_delivery_attempts", "5 to 100", attempts, |attempts| (5..=100).contains(&attempts))?;
        }
        let (messages, bytes) = (self.max_outstanding_messages, self.max_outstanding_bytes);
        setting("max_outstanding_messages", "1 or more", messages, |messages| messages > 0)?;
        setting("max_outstanding_bytes", "1 or more", bytes, |bytes| bytes > 0)?;
        setting("max_held_messages", "1 or more", self.max_held_messages, |messages| messages > 0)?;
        setting("max_held_bytes", "1 or more", self.max_held_bytes, |bytes| bytes > 0)
    }
}

fn between(
    setting: &'static str,
    rule: &'static str,
    actual: Duration,
    least: Duration,
    most_secs: u64,
) -> Result<(), Invalid> {
    if (least..=Duration::from_secs(most_secs)).contains(&actual) {
        return Ok(());
    }
    Err(Invalid::Setting { setting, rule, actual: format!("{actual:?}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_the_maximum() {
        let seconds = Duration::from_secs;
        let retry = RetryPolicy { minimum_backoff: seconds(10), maximum_backoff: seconds(60) };
        let backoffs: Vec<_> = (1..=5).map(|attempt| retry.backoff(attempt).as_secs()).collect();
        assert_eq!(backoffs, [10, 20, 40, 60, 60]);
        assert_eq!(retry.backoff(u32::MAX), seconds(60));
        assert_eq!(RetryPolicy { minimum_backoff: Duration::ZERO, ..retry }.backoff(9), Duration::ZERO);
    }
}
