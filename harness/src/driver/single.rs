//! A publisher with one message to publish: one of a herd.

use std::sync::Arc;

use ringmain::{Message, Publisher};

use super::{Manner, Session, refused};
use crate::fault::Fault;
use crate::inbox::Content;
use crate::keys::dealt;
use crate::mix::Patterns;
use crate::num;
use crate::payload::Header;

/// See the module. It owns what it needs, so that a task may have it.
#[derive(Debug)]
pub(crate) struct Single {
    handle: Publisher,
    patterns: Arc<Patterns>,
    publisher: usize,
    sequence: u64,
    key: Option<String>,
}

impl Single {
    /// The publisher numbered `publisher`, about to send its message `sequence`.
    pub(crate) fn new(
        session: &Session,
        publisher: usize,
        sequence: u64,
        manner: Manner<'_>,
    ) -> Result<Self, Fault> {
        let Content::Generated(patterns) = manner.content else {
            return Err(Fault::new("a herd publishes written payloads only"));
        };
        let key = manner.keys.map(|keys| super::key(dealt(publisher, sequence, num::count(keys))));
        let handle = session.topic.publisher();
        Ok(Self { handle, patterns: Arc::clone(patterns), publisher, sequence, key })
    }

    /// Writes and publishes the message, due when the herd was released; waits for room.
    pub(crate) fn publish(&self, due: u64) -> Result<(), Fault> {
        let pattern = self.patterns.of(self.size());
        if self.key.is_some() {
            return self.handle.publish(self.message(due)).map(|_id| ()).map_err(refused);
        }
        let header = self.header(due);
        let published = self.handle.publish_with(pattern.length(), |buffer| pattern.fill(buffer, header));
        published.map(|_id| ()).map_err(refused)
    }

    /// The same without blocking the thread.
    pub(crate) async fn publish_async(&self, due: u64) -> Result<(), Fault> {
        self.handle.publish_async(self.message(due)).await.map(|_id| ()).map_err(refused)
    }

    fn message(&self, due: u64) -> Message {
        let pattern = self.patterns.of(self.size());
        let mut payload = vec![0; pattern.length()];
        pattern.fill(&mut payload, self.header(due));
        let message = Message::new(payload);
        match &self.key {
            Some(key) => message.ordering_key(key),
            None => message,
        }
    }

    fn header(&self, due: u64) -> Header {
        Header { publisher: self.publisher, sequence: self.sequence, time: due }
    }

    /// Which turn of a mix it takes: publishers differ, since each has but one message.
    fn size(&self) -> u64 {
        num::count(self.publisher) + self.sequence
    }
}
