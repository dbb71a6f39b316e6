//! A message as an in-place handler sees it.

use super::message_id::MessageId;
use super::{Attributes, Received, Record};
use std::fmt;
use std::time::{Duration, SystemTime};

/// A message read where it stands. What an in-place handler is given.
#[derive(Clone, Copy)]
pub struct InPlace<'a> {
    record: &'a Record,
    data: &'a [u8],
    id: MessageId,
    attempt: u32,
}

impl<'a> InPlace<'a> {
    #[inline]
    pub(crate) fn new(record: &'a Record, id: MessageId, attempt: u32) -> Self {
        Self { record, data: record.data(), id, attempt }
    }

    /// As [`new`](Self::new), for the first delivery of a record that is known to be plain: a loop over many of them does
    /// without looking whose payload each is.
    #[inline]
    pub(crate) fn plain(record: &'a Record, id: MessageId) -> Self {
        Self { record, data: record.plain_data(), id, attempt: 1 }
    }

    /// The payload.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The message's number.
    #[inline]
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// How often it has been delivered on this subscription, this time included.
    #[inline]
    #[must_use]
    pub fn delivery_attempt(&self) -> u32 {
        self.attempt
    }

    /// When it was published: the wall clock when the engine started, plus monotonic time.
    #[must_use]
    pub fn publish_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.record.buffer().publish_time)
    }

    /// The attributes, in the order in which they were added.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        self.record.attributes()
    }

    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&'a str> {
        self.attributes().get(key)
    }

    /// The ordering key.
    #[must_use]
    pub fn ordering_key(&self) -> Option<&'a str> {
        self.record.ordering_key()
    }

    /// The message to keep: a reference is counted, the payload is not copied.
    #[must_use]
    pub fn to_received(&self) -> Received {
        Received { record: self.record.clone(), id: self.id }
    }
}

impl fmt::Debug for InPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InPlace")
            .field("id", &self.id)
            .field("attempt", &self.attempt)
            .field("bytes", &self.data().len())
            .field("ordering_key", &self.ordering_key())
            .field("attributes", &self.attributes())
            .finish_non_exhaustive()
    }
}
