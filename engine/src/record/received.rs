//! A message as who receives it under lease has it.

use super::{Attributes, Callers, Header, InPlace, MessageId, Record};
use crate::message::Message;
use bytes::Bytes;
use ringmain_ring::Buffer;
use std::fmt;
use std::time::SystemTime;

/// A message as a subscriber sees it: what was published, and what the engine added.
#[derive(Clone)]
pub struct Received {
    pub(crate) record: Record,
    pub(crate) id: MessageId,
}

impl Received {
    fn as_in_place(&self) -> InPlace<'_> {
        InPlace::new(&self.record, self.id, 1)
    }

    /// Data and attribute bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.record.size()
    }

    /// When it was published, in nanoseconds since 1970.
    #[inline]
    pub(crate) fn published_at(&self) -> u64 {
        self.record.published_at()
    }

    /// A message to be published elsewhere, with other attributes: the payload by reference.
    pub(crate) fn forwarded(&self, more: &[(&str, String)]) -> Message {
        let kept = self.attributes().into_iter().filter(|(key, _)| more.iter().all(|(new, _)| new != key));
        Message {
            data: self.bytes(),
            attributes: kept
                .chain(more.iter().map(|(key, value)| (*key, &**value)))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            ordering_key: self.ordering_key().map(str::to_owned),
        }
    }

    /// The payload.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.as_in_place().data()
    }

    /// The payload as `Bytes`, which may outlive everything else: by reference, never copied.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        match self.record.buffer().guest() {
            Some(callers) => callers.0.clone(),
            None => Bytes::from_owner(Payload(self.record.buffer().clone())),
        }
    }

    /// The message's number.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// When it was published: the wall clock when the engine started, plus monotonic time.
    #[must_use]
    pub fn publish_time(&self) -> SystemTime {
        self.as_in_place().publish_time()
    }

    /// The attributes, in the order in which they were added.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'_> {
        self.record.attributes()
    }

    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes().get(key)
    }

    /// The ordering key.
    #[must_use]
    pub fn ordering_key(&self) -> Option<&str> {
        self.record.ordering_key()
    }
}

// Not derived: what a message is to people, and not where it is kept. Nor its data, which may be long.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("id", &self.id)
            .field("bytes", &self.data().len())
            .field("ordering_key", &self.ordering_key())
            .field("attributes", &self.attributes())
            .finish_non_exhaustive()
    }
}

/// The same again, to be published elsewhere: the payload by reference, and a copy of the rest.
impl From<&Received> for Message {
    fn from(received: &Received) -> Self {
        received.forwarded(&[])
    }
}

/// A message that is taken from a ring to be delivered.
pub(crate) enum Taken<'a> {
    /// It stands on the ring as yet.
    There(&'a Record, MessageId),
    Here(Received),
}

impl Taken<'_> {
    /// Data and attribute bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::There(record, _) => record.size(),
            Self::Here(message) => message.size(),
        }
    }

    #[inline]
    pub(crate) fn received(self) -> Received {
        match self {
            Self::There(record, id) => Received { record: record.clone(), id },
            Self::Here(message) => message,
        }
    }

    /// For a delivery and for its lease.
    #[inline]
    pub(crate) fn received_twice(self) -> (Received, Received) {
        match self {
            Self::There(record, id) => {
                let (one, two) = record.clone_twice();
                (Received { record: one, id }, Received { record: two, id })
            }
            Self::Here(message) => (message.clone(), message),
        }
    }
}

/// Lets `Bytes` own the buffer that its bytes are in.
struct Payload(Buffer<Header, Callers>);

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}
