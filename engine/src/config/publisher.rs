//! Settings of a publisher.

use super::setting;
use crate::error::Invalid;

/// What a publisher does with a message that would exceed its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum LimitExceeded {
    /// Publishes all the same: the limits cost nothing then.
    #[default]
    Ignore,
    /// Waits until enough is completed, first come, first served.
    Block,
    /// Refuses it: [`PublishError::LimitExceeded`](crate::PublishError::LimitExceeded).
    Error,
}

/// Settings of a publisher. Its limits count for nothing until [`limit_exceeded`](Self::limit_exceeded) says what happens beyond
/// them.
///
/// Payloads of which this publisher uses the slots again go when its call ends, though it waits for room meanwhile: their owners
/// (`Bytes::from_owner`) may publish by it as well, and what they need is what the call has. So who consumes is not to wait for
/// such a payload to go before it reads on.
///
/// ```
/// use ringmain::{LimitExceeded, PublisherConfig};
/// let config = PublisherConfig::default().max_outstanding_messages(100).limit_exceeded(LimitExceeded::Block);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
#[must_use]
pub struct PublisherConfig {
    /// Messages in calls and receipts not yet completed, at most. 1,000. (Beyond 4 Mi it is taken for 4 Mi.)
    pub max_outstanding_messages: usize,
    /// Bytes, data and attributes, in calls and receipts not yet completed, at most. 10 MiB. A message larger than that
    /// is admitted alone. (Beyond 512 GiB it is taken for 512 GiB.)
    pub max_outstanding_bytes: usize,
    /// What happens beyond these limits. [`LimitExceeded::Ignore`].
    pub limit_exceeded: LimitExceeded,
}

impl Default for PublisherConfig {
    fn default() -> Self {
        Self {
            max_outstanding_messages: 1_000,
            max_outstanding_bytes: 10 << 20,
            limit_exceeded: LimitExceeded::default(),
        }
    }
}

impl PublisherConfig {
    /// Sets how many messages may be outstanding. Without effect under [`LimitExceeded::Ignore`], the default.
    pub fn max_outstanding_messages(mut self, messages: usize) -> Self {
        self.max_outstanding_messages = messages;
        self
    }

    /// Sets how many bytes may be outstanding. Without effect under [`LimitExceeded::Ignore`], the default.
    pub fn max_outstanding_bytes(mut self, bytes: usize) -> Self {
        self.max_outstanding_bytes = bytes;
        self
    }

    /// Sets what happens beyond the limits.
    pub fn limit_exceeded(mut self, action: LimitExceeded) -> Self {
        self.limit_exceeded = action;
        self
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let messages = self.max_outstanding_messages;
        setting("max_outstanding_messages", "1 or more", messages, |messages| messages > 0)?;
        setting("max_outstanding_bytes", "1 or more", self.max_outstanding_bytes, |bytes| bytes > 0)
    }
}
