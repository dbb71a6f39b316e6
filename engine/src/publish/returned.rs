//! Buffers that a delivery had last.
//!
//! While a message is leased, its slot may be used again: the buffer stays with the lease, and does not come back to the
//! publisher by way of the ring. Whoever ends the delivery would free what the publisher's thread allocated, which costs
//! both of them more than all the rest (measured: docs/decisions/0021). So it goes onto a shelf of its topic, from which
//! publishers without a spare take before they allocate.

use super::spares::SLACK;
use crate::record::{Callers, Draft, Header, Record};
use crate::topic::TopicInner;
use ringmain_ring::Shelf;
use std::sync::OnceLock;

/// The shelf of a topic; there with the first buffer that comes.
#[derive(Debug, Default)]
pub(crate) struct Returned(OnceLock<Box<Shelf<Header, Callers>>>);

impl Returned {
    /// A buffer, if there is one.
    #[inline]
    pub(super) fn take(&self) -> Option<Draft> {
        self.0.get()?.take()
    }

    /// Frees them.
    pub(crate) fn clear(&self) {
        if let Some(shelf) = self.0.get() {
            shelf.clear();
        }
    }
}

impl TopicInner {
    /// A delivery lets go of its record. The buffer is kept if nobody else holds it and it is not large: as many as a ring
    /// has slots, which together are about half of what a ring may hold.
    #[inline]
    pub(crate) fn reclaim(&self, record: Record) {
        if let Ok(Some(draft)) = record.recycle() {
            self.keep(draft);
        }
    }

    /// The same of a delivery's record and of its lease's, which are of one message.
    #[inline]
    pub(crate) fn reclaim_both(&self, record: Record, leased: Record) {
        if let Some(draft) = record.reunite(leased) {
            self.keep(draft);
        }
    }

    fn keep(&self, mut draft: Draft) {
        drop(draft.take_guest());
        if draft.capacity() < self.threshold + SLACK {
            let shelf = self.returned.0.get_or_init(|| Box::new(Shelf::new(self.config.ring_slots)));
            // (Without room there, it is freed.)
            drop(shelf.put(draft));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Message, TopicConfig};

    fn topic() -> (Engine, crate::Topic) {
        let engine = Engine::new();
        let config = TopicConfig::default().ring_slots(4).ring_bytes(8 * 1_000);
        let topic = engine.create_topic("topic", config).unwrap();
        (engine, topic)
    }

    fn record(len: usize) -> Record {
        let mut draft = Draft::for_guests(len, Header::default());
        draft.resize(len).fill(1);
        Record::new(draft)
    }

    #[test]
    fn a_buffer_is_kept_that_nobody_else_holds_and_as_many_as_there_are_slots() {
        let (_engine, topic) = topic();
        let topic = topic.inner();
        let shared = record(10);
        topic.reclaim(shared.clone());
        topic.reclaim(Record::default());
        assert!(topic.returned.take().is_none());
        topic.reclaim(shared);
        assert!(topic.returned.take().is_some_and(|draft| draft.capacity() >= 10));
        (0..10).for_each(|_| topic.reclaim(record(10)));
        assert_eq!(std::iter::from_fn(|| topic.returned.take()).count(), 4);
    }

    #[test]
    fn a_large_one_is_freed_and_a_callers_payload_is_let_go_of_at_once() {
        let (_engine, topic) = topic();
        let topic = topic.inner();
        topic.reclaim(record(2_000));
        assert!(topic.returned.take().is_none());
        topic.reclaim(record(1_000));
        assert!(topic.returned.take().is_some());
        let payload = bytes::Bytes::from(vec![1; 100]);
        let draft = Draft::for_guests(0, Header::default());
        topic.reclaim(Record::from_message(|_| draft, Message::new(payload.clone()), topic, 0));
        assert!(payload.is_unique(), "though its buffer is kept");
        assert!(topic.returned.take().is_some_and(|mut draft| draft.take_guest().is_none()));
    }

    #[test]
    fn trimming_frees_them() {
        let (_engine, topic) = topic();
        topic.inner().reclaim(record(10));
        topic.trim();
        assert!(topic.inner().returned.take().is_none());
    }
}
