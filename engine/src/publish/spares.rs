//! Buffers that came back from the ring, waiting to be filled again.
//!
//! A publisher takes a spare, fills it, and swaps it for the buffer that the slot held a lap ago, which becomes the next
//! spare. In a steady stream nothing is allocated and nothing freed, and what the publisher's core allocated it frees.
//! What a publisher keeps is bounded: at most 1,024 spares of at most 8 KiB, or 128 of at most 64 KiB, as many of those that the
//! ring counts, and the one that came back last; and 1,024 small ones that are leased still. Batches of that many allocate nothing.

use super::returned::Returned;
use crate::message::Message;
use crate::record::{Draft, Header, Record};
use crate::topic::TopicInner;
use bytes::Bytes;
use std::collections::VecDeque;

/// A buffer for more than this is freed rather than kept.
const LARGEST: usize = 64 << 10;
/// What a buffer may have beyond what was asked for, at most.
pub(super) const SLACK: usize = 64;
/// How many spares are kept at most, and how many if they are small.
const KEEP: usize = 128;
const KEEP_SMALL: usize = 1_024;
/// How many are taken at once of those that returned to the topic.
const FETCHED: usize = 32;
/// How many that are still leased are waited for at most.
const LEASED: usize = 1_024;
/// How often one of them is looked at. (The first times after one message, two, four.)
const LOOKS: u8 = 12;
const SMALL: usize = LARGEST * KEEP / KEEP_SMALL;

#[derive(Debug)]
pub(crate) struct Spares {
    drafts: Vec<Draft>,
    /// Larger ones are for messages that the ring counts, and kept apart: it bounds the others by their number, and a large
    /// buffer for a small message would be counted by nobody.
    ordinary: usize,
    /// What a plain topic's ring gave back last, not looked at yet: its lines are on their way here.
    coming: Record,
    /// Made when it is needed: not all publishers are to be larger for it.
    seldom: Option<Box<Seldom>>,
}

/// What publishers of batches need, and those whose messages are leased.
#[derive(Debug, Default)]
struct Seldom {
    /// Larger than ordinary.
    large: VecDeque<Draft>,
    /// What a batch is gathered in: empty between batches.
    batch: Vec<Record>,
    /// What was still leased when it was looked at, to be looked at again later; and behind it whatever came since. With how
    /// often it was looked at.
    leased: VecDeque<(Record, u8)>,
    /// The same of what is coming.
    looks: u8,
}

impl Seldom {
    /// Puts it behind what waits, and returns the first of that; itself, if nothing does.
    #[inline(never)]
    fn behind_leased(&mut self, record: Record) -> Record {
        self.leased.push_back((record, 0));
        let (next, looks) = self.leased.pop_front().unwrap_or_default();
        self.looks = looks;
        next
    }
}

impl Spares {
    /// None yet. Messages of at most `threshold` bytes are not counted by the ring.
    pub(super) fn new(threshold: usize) -> Self {
        let ordinary = threshold.min(LARGEST) + SLACK;
        Self { drafts: Vec::new(), ordinary, coming: Record::default(), seldom: None }
    }

    /// A buffer with room for `len` bytes; a spare if one is large enough, or one that `returned` to the topic.
    #[inline]
    pub(super) fn take(&mut self, len: usize, returned: &Returned) -> Draft {
        match self.drafts.pop() {
            Some(spare) if spare.capacity() >= len => spare,
            spare => self.take_slowly(spare, len, returned),
        }
    }

    /// A record of `message` to be published on `topic`.
    pub(super) fn record(&mut self, message: Message, topic: &TopicInner, publish_time: u64) -> Record {
        Record::from_message(|len| self.take(len, &topic.returned), message, topic, publish_time)
    }

    /// A record of `message`, or of a [copy](Message::goes_as_copy) of its data; and then the data, to be [let go
    /// of](crate::external::let_go) where its owner's code may run.
    pub(super) fn record_or_copy(
        &mut self,
        message: Message,
        topic: &TopicInner,
        publish_time: u64,
    ) -> (Record, Option<Bytes>) {
        if message.goes_as_copy() {
            return (self.copy_of(&message, &topic.returned, publish_time), Some(message.data));
        }
        (self.record(message, topic, publish_time), None)
    }

    /// A record of a copy of `message`, in a spare or in a buffer that `returned` to the topic.
    #[inline]
    pub(super) fn copy_of(&mut self, message: &Message, returned: &Returned, publish_time: u64) -> Record {
        Record::copy_of(message, |len| self.take(len, returned), publish_time)
    }

    #[cold]
    fn take_slowly(&mut self, too_small: Option<Draft>, len: usize, returned: &Returned) -> Draft {
        if len > self.ordinary - SLACK {
            self.drafts.extend(too_small);
            return self.take_large(len);
        }
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

    /// One that is at most twice as large, since the ring counts what is in use of it.
    fn take_large(&mut self, len: usize) -> Draft {
        let large = self.seldom.as_mut().map(|seldom| &mut seldom.large);
        let fits = |spare: &Draft| (len..=2 * len + SLACK).contains(&spare.capacity());
        let spare = large.and_then(|large| large.remove(large.iter().position(fits)?));
        spare.unwrap_or_else(|| Draft::for_guests(len, Header::default()))
    }

    /// The latest are kept, since they are of the sizes that come now.
    #[cold]
    fn keep_large(&mut self, draft: Draft) {
        if draft.capacity() < LARGEST + SLACK {
            let large = &mut self.seldom.get_or_insert_default().large;
            large.push_back(draft);
            if large.len() > KEEP {
                drop(large.pop_front());
            }
        }
    }

    /// Keeps the buffer of a record that left the ring, or never came there, if nobody else holds it. Returns how many
    /// bytes of data and attributes it had.
    #[inline]
    pub(crate) fn put(&mut self, record: Record) -> usize {
        let (size, draft) = record.dismantle();
        if let Some(draft) = draft {
            self.keep(draft);
        }
        size
    }

    #[inline(always)]
    fn keep(&mut self, draft: Draft) {
        if draft.capacity() >= self.ordinary {
            self.keep_large(draft);
        } else if self.drafts.len() < KEEP
            || (draft.capacity() < SMALL + SLACK && self.drafts.len() < KEEP_SMALL)
        {
            self.drafts.push(draft);
        }
    }

    /// As [`put`](Self::put), for a record of a topic that [is plain](crate::topic::TopicInner::is_plain), by a publisher
    /// whose next message is likely to have `len` bytes. The buffer was last in the cache of the readers' core. Its lines
    /// are asked for, and it is looked at a message later, when they have come (measured: docs/decisions/0013).
    /// What is leased still is looked at again when more messages have come, for letting go of it would have whoever acks take
    /// its line over, and give it back by the topic's shelf (measured: docs/decisions/0021).
    #[inline]
    pub(crate) fn put_plain(&mut self, record: Record, len: usize) {
        let looks = self.seldom.as_ref().map_or(0, |seldom| seldom.looks);
        let next = match &mut self.seldom {
            Some(seldom) => seldom.behind_leased(record),
            None => record,
        };
        next.fetch(len);
        let came = std::mem::replace(&mut self.coming, next);
        debug_assert!(came.is_plain(), "nobody's `Bytes` wait for another message to be published");
        match came.recycle() {
            Ok(Some(draft)) => self.keep(draft),
            Ok(None) => {}
            Err(leased) => self.put_leased(leased, looks),
        }
    }

    /// A delivery has it still. One that waits more puts off the next look at each by a message, so that after some such looks
    /// the acks are there before us. One that is never acked has made others wait in vain.
    #[cold]
    fn put_leased(&mut self, record: Record, looks: u8) {
        if record.capacity() >= SMALL + SLACK {
            return;
        }
        let seldom = self.seldom.get_or_insert_default();
        if looks < LOOKS {
            if seldom.leased.len() < LEASED {
                seldom.leased.push_back((record, looks + 1));
            }
            return;
        }
        let in_vain = seldom.leased.len().min(usize::from(LOOKS));
        let waiting: Vec<_> = seldom.leased.drain(..in_vain).collect();
        waiting.into_iter().for_each(|(record, _)| _ = self.put(record));
    }

    /// An empty vector for a batch, to be [put back](Self::put_batch).
    pub(super) fn take_batch(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.seldom.get_or_insert_default().batch)
    }

    pub(super) fn put_batch(&mut self, mut batch: Vec<Record>) {
        batch.clear();
        self.seldom.get_or_insert_default().batch = batch;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(len: usize) -> Record {
        let mut draft = Spares::new(usize::MAX).take(len, &Returned::default());
        draft.resize(len).fill(1);
        Record::new(draft)
    }

    #[test]
    fn what_is_kept_is_bounded_by_count_and_by_size() {
        let mut spares = Spares::new(usize::MAX);
        for len in [LARGEST, LARGEST + SLACK, 10 << 20] {
            assert_eq!(spares.put(record(len)), len);
        }
        assert_eq!(spares.drafts.len(), 1, "of 64 KiB, and none larger");
        (0..2 * KEEP).for_each(|_| _ = spares.put(record(SMALL + SLACK)));
        assert_eq!(spares.drafts.len(), 128);
        (0..2 * KEEP_SMALL).for_each(|_| _ = spares.put(record(SMALL)));
        assert_eq!(spares.drafts.len(), 1_024);
        // What somebody else still holds is no spare.
        let mut spares = Spares::new(usize::MAX);
        let held = record(8);
        assert_eq!((spares.put(held.clone()), spares.drafts.len()), (8, 0));
        assert_eq!((spares.put(held), spares.drafts.len()), (8, 1));
    }

    #[test]
    fn large_buffers_are_for_large_messages_of_about_their_size() {
        let mut spares = Spares::new(1_000);
        let sizes = [1_000, 5_000, 9_000, 40_000, LARGEST + SLACK];
        sizes.into_iter().for_each(|len| _ = spares.put(record(len)));
        let mut took = |len| spares.take(len, &Returned::default()).capacity();
        assert!((1_000..1_100).contains(&took(10)) && took(10) < 100, "none of the large ones");
        assert!((5_000..5_100).contains(&took(4_000)) && (4_000..4_100).contains(&took(4_000)));
        assert!((40_000..40_100).contains(&took(30_000)) && (1_001..1_100).contains(&took(1_001)));
        for len in (2_000..4_000).step_by(10) {
            spares.put(record(len));
        }
        let kept = &spares.seldom.as_ref().unwrap().large;
        assert_eq!(kept.len(), KEEP);
        assert!(kept[0].capacity() > 2_700, "the latest");
    }

    fn waiting(spares: &Spares) -> usize {
        spares.seldom.as_ref().map_or(0, |seldom| seldom.leased.len())
    }

    #[test]
    fn few_wait_behind_one_that_is_never_acked_and_not_for_ever() {
        let mut spares = Spares::new(usize::MAX);
        let lease = record(8);
        spares.put_plain(lease.clone(), 8);
        let waiting_then = |_| {
            let draft = spares.take(8, &Returned::default());
            spares.put_plain(Record::new(draft), 8);
            waiting(&spares)
        };
        let waiting: Vec<_> = (0..200).map(waiting_then).collect();
        assert_eq!(waiting.iter().max(), Some(&usize::from(LOOKS)));
        assert_eq!(waiting.last(), Some(&0));
        assert_eq!(spares.drafts.len(), 12, "those that waited with it");
        drop(lease);
    }

    #[test]
    fn what_is_still_leased_when_it_comes_back_is_looked_at_again() {
        let mut spares = Spares::new(usize::MAX);
        let lease = record(1_000);
        spares.put_plain(lease.clone(), 8);
        spares.put_plain(record(8), 8);
        assert_eq!((spares.drafts.len(), waiting(&spares)), (0, 1));
        drop(lease);
        for kept in 1..=4 {
            spares.put_plain(record(8), 8);
            assert_eq!((spares.drafts.len(), waiting(&spares)), (kept, 1));
        }
        let acked = spares.drafts.iter().position(|draft| draft.capacity() >= 1_000);
        assert_eq!(acked, Some(1), "behind the one that came a message later");
        // Deliveries that last for ever do not make it grow for ever, and large buffers do not wait at all.
        let leases: Vec<_> = (0..2 * LEASED).map(|_| record(8)).collect();
        leases.iter().for_each(|lease| spares.put_plain(lease.clone(), 8));
        assert_eq!(waiting(&spares), LEASED);
        let (large, mut spares) = (record(SMALL + SLACK), Spares::new(usize::MAX));
        (0..2).for_each(|_| spares.put_plain(large.clone(), 8));
        assert_eq!(waiting(&spares), 0);
    }
}
