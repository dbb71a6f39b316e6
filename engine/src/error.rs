//! What can go wrong: the rule, the value and the remedy; and the message comes back.

use crate::record::MessageId;
use ringmain_fanout::BuildError;
use std::fmt;
use std::time::Duration;

/// A value that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A topic's or subscription's name.
    #[error("{name:?} is no valid name: {rule}")]
    Name {
        /// The name, or its beginning.
        name: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// Something is longer, or more, than allowed.
    #[error("{what} is limited to {limit}, and this has {actual}; make it smaller")]
    TooMuch {
        /// What is limited, with its unit.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// What was given.
        actual: usize,
    },
    /// A message with neither data nor attributes.
    #[error("a message needs data or at least one attribute, and this has neither")]
    EmptyMessage,
    /// An attribute's key.
    #[error("{key:?} is no valid attribute key: {rule}")]
    AttributeKey {
        /// The key, or its beginning.
        key: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// An ordering key of no bytes.
    #[error("an ordering key has 1 to 1024 bytes, and this has 0; leave it out instead")]
    EmptyOrderingKey,
    /// A subscription's filter.
    #[error("the filter is wrong at column {column}: {rule}")]
    Filter {
        /// Where, counted in bytes from 1.
        column: usize,
        /// What is wrong, or was expected.
        rule: &'static str,
    },
    /// A chain of dead-letter topics that leads back to where it began.
    #[error(
        "messages of topic {topic:?} would come back to it as dead letters, through {dead_letter:?}; use a topic that is no source of them"
    )]
    DeadLetterCycle {
        /// The subscription's topic.
        topic: String,
        /// Its dead-letter topic.
        dead_letter: String,
    },
    /// A setting.
    #[error("{setting} must be {rule}, and {actual} is not")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// The rule.
        rule: &'static str,
        /// What was given.
        actual: String,
    },
}

/// What an engine has by name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resource {
    /// The topic of this name.
    Topic(String),
    /// The subscription of this name.
    Subscription(String),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name:?}"),
            Self::Subscription(name) => write!(f, "subscription {name:?}"),
        }
    }
}

/// Why the control plane refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value breaks a rule.
    #[error(transparent)]
    InvalidArgument(#[from] Invalid),
    /// There is one of that name: of a subscription, in the whole engine, whichever its topic. (A subscription keeps its name when it is detached, until it is deleted.)
    #[error(
        "{0} already exists in this engine; use that one if it is the one you mean, delete it first, or choose another name"
    )]
    AlreadyExists(Resource),
    /// There is none of that name.
    #[error("{0} does not exist in this engine, or was deleted; create it first")]
    NotFound(Resource),
    /// The engine was closed.
    #[error("the engine is closed; build another")]
    Closed,
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        let BuildError::Capacity { capacity } = error else {
            unreachable!("the only way in which building a ring fails")
        };
        Self::InvalidArgument(Invalid::Setting {
            setting: "ring_slots",
            rule: "a power of two from 1 to 2^30",
            actual: capacity.to_string(),
        })
    }
}

/// Why a message was not published. It comes back.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError<M> {
    /// It breaks a rule. Nothing was claimed for it.
    #[error("{reason}")]
    Invalid {
        /// The message.
        message: M,
        /// The rule. (Its text is that of the whole, so it is not the `source` as well.)
        reason: Invalid,
    },
    /// There is no room: the slowest subscription is a whole ring behind, or large payloads that it has not read use up half of
    /// [`ring_bytes`](crate::TopicConfig::ring_bytes), or a publisher that claimed before has not published yet
    /// ([`Topic::stalled`](crate::Topic::stalled)).
    #[error(
        "the topic is full: its slowest subscription is a whole ring behind, or its unread large payloads use up half of ring_bytes; wait, read or detach the subscription that Topic::stats names as the slowest, or give it another overflow policy"
    )]
    Full(M),
    /// The engine, or the topic, was closed or deleted.
    #[error(
        "the topic was deleted, or its engine closed, as it is when its last handle is dropped; nothing more can be published to it"
    )]
    Closed(M),
    /// The topic is full, or the publisher's credit waits for room there, and the caller is inside a handler of one of the
    /// topic's subscriptions. It is told so at once, instead of waiting, whichever subscription has to make the room: that
    /// may be the handler's own, or another that the same thread serves. Try again later, or publish from another thread.
    #[error(
        "the topic is full, and waiting inside a handler of one of its own subscriptions might never end; return, and publish later"
    )]
    WouldDeadlock(M),
    /// A publish of this ordering key failed before.
    #[error(
        "an earlier publish of this ordering key failed; see to that message first, then resume_publishing"
    )]
    OrderingKeyPaused(M),
    /// The publisher has as much outstanding as it may ([`Publisher::stats`](crate::Publisher::stats) says how much), and
    /// refuses more rather than wait; or the call could not wait, or not any longer.
    #[error(
        "the publisher has as many messages or bytes outstanding as it may; wait for receipts, or use a call that waits, and LimitExceeded::Block"
    )]
    LimitExceeded(M),
}

impl<M> PublishError<M> {
    /// The message that was not published.
    pub fn into_message(self) -> M {
        match self {
            Self::Invalid { message, .. }
            | Self::Full(message)
            | Self::Closed(message)
            | Self::WouldDeadlock(message)
            | Self::OrderingKeyPaused(message)
            | Self::LimitExceeded(message) => message,
        }
    }

    /// The same error about something else.
    pub(crate) fn map<N>(self, other: impl FnOnce(M) -> N) -> PublishError<N> {
        match self {
            Self::Invalid { message, reason } => PublishError::Invalid { message: other(message), reason },
            Self::Full(message) => PublishError::Full(other(message)),
            Self::Closed(message) => PublishError::Closed(other(message)),
            Self::WouldDeadlock(message) => PublishError::WouldDeadlock(other(message)),
            Self::OrderingKeyPaused(message) => PublishError::OrderingKeyPaused(other(message)),
            Self::LimitExceeded(message) => PublishError::LimitExceeded(other(message)),
        }
    }
}

// Not derived: the message need not be printable, and would drown the reason.
impl<M> fmt::Debug for PublishError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { reason, .. } => f.debug_tuple("Invalid").field(reason).finish(),
            Self::Full(_) => f.write_str("Full(..)"),
            Self::Closed(_) => f.write_str("Closed(..)"),
            Self::WouldDeadlock(_) => f.write_str("WouldDeadlock(..)"),
            Self::OrderingKeyPaused(_) => f.write_str("OrderingKeyPaused(..)"),
            Self::LimitExceeded(_) => f.write_str("LimitExceeded(..)"),
        }
    }
}

/// Why a batch ended early: what was published, what failed, and what was not tried.
#[derive(Debug, thiserror::Error)]
#[error("{} messages were published, then one failed: {error}", .published.len())]
pub struct BatchError<M> {
    /// The ids of the messages before the failed one.
    pub published: Vec<MessageId>,
    /// The failed message and why.
    pub error: PublishError<M>,
    /// The messages after it.
    pub rest: Vec<M>,
}

/// Why nothing was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The subscription was too slow and lost this many messages, exactly. The next call goes on after them.
    #[error("the subscription was too slow and lost {0} messages; receiving goes on after them")]
    Lagged(u64),
    /// The subscription was detached, or deleted, by a call or by [`Overflow::Detach`](crate::Overflow::Detach): its backlog is
    /// gone and nothing new comes.
    #[error("the subscription was detached; delete it and create another")]
    Detached,
    /// The engine is closed, or the topic deleted, and everything that was there has been received, or was given up by the close
    /// (what that was, [`CloseReport`](crate::CloseReport) counts).
    #[error("the topic is deleted, or its engine closed, and nothing is left to receive")]
    Closed,
    /// Nothing came in the time given; or something did, and as much is outstanding as the subscription may have.
    #[error(
        "no message came in time, or as much is outstanding as max_outstanding_messages and max_outstanding_bytes allow"
    )]
    Timeout,
}

/// Why an ack, a nack or a moved deadline had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// This delivery has ended before: its deadline passed, it was acked or nacked, or its subscription was detached or its engine
    /// closed. What ended it stands. Or its id is of another subscription.
    #[error(
        "this delivery has ended before (its deadline passed, it was acked or nacked, or its subscription was detached or its engine closed), or its id is another subscription's"
    )]
    Expired,
    /// A deadline may be moved to 600 s from now at most, as often as wanted. Nothing has changed.
    #[error(
        "an ack deadline of {0:?} from now is longer than 600 s; move it by at most 600 s, and again before those are over"
    )]
    DeadlineTooLong(Duration),
}
