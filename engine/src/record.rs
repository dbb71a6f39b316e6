//! A message on the ring, and how it is seen from outside.
//!
//! A slot holds one pointer, to a buffer with a reference count of its own: the publish time and, right behind it, the
//! payload bytes; behind those, what only few messages have: the ordering key and the attributes. A large payload that the
//! caller owns as `Bytes` stays where it is, and the buffer refers to it. A delivery that is leased holds a clone of the
//! pointer; nothing else is copied.

mod attributes;
mod in_place;
mod message_id;
mod received;

pub use attributes::{Attributes, AttributesIter};
pub use in_place::InPlace;
pub use message_id::MessageId;
pub use received::Received;
pub(crate) use received::Taken;

use crate::external::let_go;
use crate::message::Message;
use crate::topic::TopicInner;
use attributes::ToLabel;
use bytes::Bytes;
use ringmain_ring::{Buffer, UniqueBuffer};
use std::hint::cold_path;
use std::mem::take;
use std::ops::Deref;

/// What stands in front of the payload bytes.
#[derive(Debug, Default)]
pub(crate) struct Header {
    /// Wall time, nanoseconds since 1970.
    pub(crate) publish_time: u64,
}

/// What stands in the buffer when the payload bytes are the caller's.
#[derive(Debug)]
pub(crate) struct Callers(Bytes);

// With what a buffer has in front of it, one cache line: see `ring/src/buffer.rs`.
const _: () = assert!(size_of::<Header>() <= 8 && size_of::<Callers>() <= 32);

impl Drop for Callers {
    #[inline]
    fn drop(&mut self) {
        let_go(take(&mut self.0));
    }
}

/// A message's buffer, being filled.
pub(crate) type Draft = UniqueBuffer<Header, Callers>;

/// What a slot holds: nothing yet, or a message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record(Option<Buffer<Header, Callers>>);

impl Record {
    #[inline]
    pub(crate) fn new(draft: Draft) -> Self {
        Self(Some(draft.share()))
    }

    /// A record of `message` to be published on `topic`, in a buffer that has `room` for so many bytes. The payload stays
    /// where it is.
    pub(crate) fn from_message(
        room: impl FnOnce(usize) -> Draft,
        message: Message,
        topic: &TopicInner,
        publish_time: u64,
    ) -> Self {
        topic.is_no_longer_plain();
        let Message { data, attributes, ordering_key } = message;
        let to_label = ToLabel { key: ordering_key.as_deref(), attributes: &attributes };
        let mut draft = room(size_of::<Callers>() + to_label.room());
        draft.publish_time = publish_time;
        draft.put_guest(Callers(data));
        to_label.put(&mut draft);
        Self::new(draft)
    }

    /// As [`from_message`](Self::from_message), with a copy of the payload.
    #[inline]
    pub(crate) fn copy_of(message: &Message, room: impl FnOnce(usize) -> Draft, publish_time: u64) -> Self {
        let Message { data, attributes, ordering_key } = message;
        let to_label = ToLabel { key: ordering_key.as_deref(), attributes };
        let mut draft = room(data.len() + to_label.room());
        draft.resize(data.len()).copy_from_slice(data);
        to_label.put(&mut draft);
        draft.publish_time = publish_time;
        Self::new(draft)
    }

    /// The message that this was made from, [itself](Self::from_message) or [as a copy](Self::copy_of), when it was not published.
    pub(crate) fn into_message(self) -> Message {
        if self.0.is_none() {
            return Message::default();
        }
        let ordering_key = self.ordering_key().map(str::to_owned);
        let attributes = self.attributes().to_vec();
        let data = if self.is_plain() {
            Bytes::copy_from_slice(self.data())
        } else {
            let callers = self.recycle().ok().flatten().and_then(|mut draft| draft.take_guest());
            callers.map(|mut callers| take(&mut callers.0)).unwrap_or_default()
        };
        Message { data, attributes, ordering_key }
    }

    /// The buffer, for reuse, if there is one; or the record back, if somebody else holds it.
    #[inline]
    pub(crate) fn recycle(self) -> Result<Option<Draft>, Self> {
        match self.0.map(Buffer::into_unique) {
            None => Ok(None),
            Some(Ok(draft)) => Ok(Some(draft)),
            Some(Err(buffer)) => Err(Self(Some(buffer))),
        }
    }

    /// Two clones, for one count.
    #[inline]
    fn clone_twice(&self) -> (Self, Self) {
        let twice = self.0.as_ref().map(Buffer::clone_twice);
        twice.map_or_else(Default::default, |(one, two)| (Self(Some(one)), Self(Some(two))))
    }

    /// Lets go of two records of the same message, and returns the buffer, for reuse, if these were the last.
    #[inline]
    pub(crate) fn reunite(self, other: Self) -> Option<Draft> {
        self.0?.reunite(other.0?)
    }

    /// How many bytes its buffer has room for.
    pub(crate) fn capacity(&self) -> usize {
        self.0.as_ref().map_or(0, Buffer::capacity)
    }

    /// Has what writing `len` bytes into its buffer needs brought to this core. A hint: nothing is looked at.
    #[inline]
    pub(crate) fn fetch(&self, len: usize) {
        if let Some(buffer) = &self.0 {
            buffer.fetch(len);
        }
    }

    /// Takes the first line of the buffer over from the publisher, to whom that it is shared costs more. Nothing is read.
    pub(crate) fn take_line(&self) {
        if let Some(buffer) = &self.0 {
            buffer.take_line();
        }
    }

    /// Whether there is no payload of a caller's in it.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.as_ref().is_none_or(|buffer| buffer.guest().is_none())
    }

    /// Data and attribute bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        size(self.buffer())
    }

    /// Data and attribute bytes, none if there is no message.
    #[inline]
    pub(crate) fn size_if_any(&self) -> usize {
        self.0.as_ref().map_or(0, size)
    }

    /// As [`size_if_any`](Self::size_if_any); and the buffer, empty, if nobody else holds it.
    #[inline]
    pub(crate) fn dismantle(self) -> (usize, Option<Draft>) {
        let Some(buffer) = self.0 else { return (0, None) };
        let size = buffer.bytes().len() + attributes::bytes(&buffer);
        let callers = |callers: &Callers| callers.0.len();
        match buffer.into_unique() {
            Ok(mut draft) => (size + draft.take_guest().as_ref().map_or(0, callers), Some(draft)),
            Err(buffer) => (size + buffer.guest().map_or(0, callers), None),
        }
    }

    /// When it was published, in nanoseconds since 1970.
    #[inline]
    pub(crate) fn published_at(&self) -> u64 {
        self.buffer().publish_time
    }

    /// The payload. Never panics: a handler that does not either is compiled into a loop that keeps its state in registers.
    #[inline]
    fn data(&self) -> &[u8] {
        debug_assert!(self.0.is_some(), "see `buffer`");
        let Some(buffer) = &self.0 else {
            cold_path();
            return &[];
        };
        let bytes = buffer.bytes();
        if !bytes.is_empty() {
            return bytes;
        }
        // Not rare, but the other way should be the straight one: a handler's loop over what is in cache runs at a few
        // cycles a message, and a taken jump is one of them.
        cold_path();
        buffer.guest().map_or(&[], |callers| &callers.0)
    }

    /// The payload of a record that is known to be [plain](Self::is_plain).
    #[inline]
    fn plain_data(&self) -> &[u8] {
        debug_assert!(self.is_plain(), "see `InPlace::plain`");
        match &self.0 {
            Some(buffer) => buffer.bytes(),
            None => &[],
        }
    }

    /// The attributes.
    #[inline]
    pub(crate) fn attributes(&self) -> Attributes<'_> {
        Attributes::of(self.buffer())
    }

    /// The ordering key, if it has one.
    #[inline]
    pub(crate) fn ordering_key(&self) -> Option<&str> {
        attributes::ordering_key(self.buffer())
    }

    /// The message. A slot that a reader is shown always has one.
    #[inline]
    fn buffer(&self) -> &Buffer<Header, Callers> {
        self.0.as_ref().expect("a slot is published with a message in it, or as padding")
    }
}

/// Data and attribute bytes.
#[inline]
fn size(buffer: &Buffer<Header, Callers>) -> usize {
    let data = buffer.guest().map_or(buffer.bytes().len(), |callers| callers.0.len());
    data + attributes::bytes(buffer)
}

/// A record that has left the ring without being acked: nacked, or its lease expired.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) message: Received,
    /// The attempt that the next delivery will be.
    pub(crate) attempt: u32,
}

impl Deref for Held {
    type Target = Received;

    fn deref(&self) -> &Received {
        &self.message
    }
}
