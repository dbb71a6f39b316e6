//! Buffers that came back from the ring, waiting to be filled again.
//!
//! A publisher takes a spare, fills it, and swaps it for the buffer that the slot held a lap ago, which becomes the next
//! spare. In a steady stream nothing is allocated and nothing freed, and what the publisher's core allocated it frees.
//! What a publisher keeps is bounded: at most 1,024 spares of at most 8 KiB, or 128 of at most 64 KiB, and the one that
//! came back last. Batches of that many allocate nothing.

use super::returned::Returned;
use crate::message::Message;
use crate::record::{Draft, Header, Record};
use crate::topic::TopicInner;

/// A buffer for more than this is freed rather than kept.
const LARGEST: usize = 64 << 10;
/// What a buffer may have beyond what was asked for, at most.
pub(super) const SLACK: usize = 64;
/// How many spares are kept at most, and how many if they are small.
const KEEP: usize = 128;
const KEEP_SMALL: usize = 1_024;
/// How many are taken at once of those that returned to the topic.
const FETCHED: usize = 32;
const SMALL: usize = LARGEST * KEEP / KEEP_SMALL;

#[derive(Debug, Default)]
pub(crate) struct Spares {
    drafts: Vec<Draft>,
    /// What a plain topic's ring gave back last, not looked at yet: its lines are on their way here.
    coming: Record,
    /// What a batch is gathered in: empty between batches.
    batch: Vec<Record>,
}

impl Spares {
    /// A buffer with room for `len` bytes; a spare if one is large enough, or one that `returned` to the topic.
    #[inline]
    pub(super) fn take(&mut self, len: usize, returned: &Returned) -> Draft {
        match self.drafts.pop() {
            Some(spare) if spare.capacity() >= len => spare,
            spare => self.take_slowly(spare, len, returned),
        }
    }

    /// A record of `message` to be published on `topic`, in any spare.
    pub(super) fn record(&mut self, message: Message, topic: &TopicInner, publish_time: u64) -> Record {
        Record::from_message(self.take(0, &topic.returned), message, topic, publish_time)
    }

    #[cold]
    fn take_slowly(&mut self, too_small: Option<Draft>, len: usize, returned: &Returned) -> Draft {
        if self.drafts.is_empty() {
            self.drafts.extend(std::iter::from_fn(|| returned.take()).take(FETCHED));
        }
        if let Some(position) = self.drafts.iter().position(|spare| spare.capacity() >= len) {
            self.drafts.extend(too_small);
            return self.drafts.swap_remove(position);
        }
        // The small one goes: the ring fills up with buffers as large as the stream needs.
        drop(too_small);
        // (Whole cache lines, so that lengths which vary a little reuse each other's.)
        Draft::for_guests(len, Header::default())
    }

    /// Keeps the buffer of a record that left the ring, or never came there, if nobody else holds it. Returns how many
    /// bytes of data and attributes it had.
    #[inline]
    pub(crate) fn put(&mut self, record: Record) -> usize {
        let (size, draft) = record.dismantle();
        if let Some(draft) = draft
            && draft.capacity() < LARGEST + SLACK
            && (self.drafts.len() < KEEP
                || (draft.capacity() < SMALL + SLACK && self.drafts.len() < KEEP_SMALL))
        {
            self.drafts.push(draft);
        }
        size
    }

    /// As [`put`](Self::put), for a record of a topic that [is plain](crate::topic::TopicInner::is_plain), by a publisher
    /// whose next message is likely to have `len` bytes. The buffer was last in the cache of the readers' core. Its lines
    /// are asked for, and it is looked at a message later, when they have come (measured: docs/decisions/0013).
    #[inline]
    pub(crate) fn put_plain(&mut self, record: Record, len: usize) {
        record.fetch(len);
        let came = std::mem::replace(&mut self.coming, record);
        debug_assert!(came.is_plain(), "nobody's `Bytes` wait for another message to be published");
        self.put(came);
    }

    /// An empty vector for a batch, to be [put back](Self::put_batch).
    pub(super) fn take_batch(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.batch)
    }

    pub(super) fn put_batch(&mut self, mut batch: Vec<Record>) {
        batch.clear();
        self.batch = batch;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(len: usize) -> Record {
        let mut draft = Spares::default().take(len, &Returned::default());
        draft.resize(len).fill(1);
        Record::new(draft)
    }

    #[test]
    fn what_is_kept_is_bounded_by_count_and_by_size() {
        let mut spares = Spares::default();
        for len in [LARGEST, LARGEST + SLACK, 10 << 20] {
            assert_eq!(spares.put(record(len)), len);
        }
        assert_eq!(spares.drafts.len(), 1, "of 64 KiB, and none larger");
        (0..2 * KEEP).for_each(|_| _ = spares.put(record(SMALL + SLACK)));
        assert_eq!(spares.drafts.len(), 128);
        (0..2 * KEEP_SMALL).for_each(|_| _ = spares.put(record(SMALL)));
        assert_eq!(spares.drafts.len(), 1_024);
        // What somebody else still holds is no spare.
        let mut spares = Spares::default();
        let held = record(8);
        assert_eq!((spares.put(held.clone()), spares.drafts.len()), (8, 0));
        assert_eq!((spares.put(held), spares.drafts.len()), (8, 1));
    }
}
