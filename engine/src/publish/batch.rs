//! Publishing many at once: filled first, then claimed and published together.

use super::publisher::Publisher;
use super::refusal::Wait;
use super::spares::Spares;
use crate::error::{BatchError, Invalid, PublishError};
use crate::message::{Message, check_data};
use crate::record::{MessageId, Record};
use ringmain_fanout::ClaimError;

impl Publisher {
    /// Publishes `count` messages of `len` bytes each, claimed and published together; `write` is given each one's
    /// number and buffer, before anything is claimed. Waits for room. Returns the id of the first; the others' follow at
    /// a distance of the topic's number of shards.
    ///
    /// # Errors
    /// [`PublishError`]: none of them was published. `count` is at most half the ring.
    pub fn publish_batch_with(
        &self,
        count: usize,
        len: usize,
        mut write: impl FnMut(usize, &mut [u8]),
    ) -> Result<MessageId, PublishError<()>> {
        let invalid = |reason| Err(PublishError::Invalid { message: (), reason });
        if let Err(reason) = check_data(len) {
            return invalid(reason);
        }
        if count == 0 || count > (self.topic.config.ring_slots / 2).max(1) {
            let rule = "1 to half of the topic's ring_slots";
            return invalid(Invalid::Setting { setting: "a batch's count", rule, actual: count.to_string() });
        }
        self.flush_lane(self.shard, Wait::Forever)?;
        self.with_spares(|spares| {
            let time = self.topic.publish_time();
            let mut records: Vec<Record> = (0..count)
                .map(|index| {
                    let mut draft = spares.take(len);
                    write(index, draft.resize(len));
                    draft.publish_time = time;
                    Record::new(draft)
                })
                .collect();
            self.claim_and_publish(self.shard, &mut records, spares)
        })
    }

    /// Publishes all messages, a claim of at most the topic's `batch_messages` at a time, waiting for room. The iterator
    /// does not run under a claim. Returns the ids in the order of the messages.
    ///
    /// # Errors
    /// [`BatchError`] with the ids so far, the failed message and the rest.
    pub fn publish_batch(
        &self,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<Vec<MessageId>, BatchError<Message>> {
        let mut published = Vec::new();
        let mut messages = messages.into_iter().peekable();
        self.with_spares(|spares| {
            let mut records = Vec::with_capacity(self.topic.largest_batch());
            while let Some(next) = messages.peek() {
                let shard = self.shard_of(next.ordering_key.as_deref());
                let time = self.topic.publish_time();
                // As many as go to one shard, and are good.
                let mut refused = None;
                while records.len() < self.topic.largest_batch() && refused.is_none() {
                    let same = |message: &Message| self.shard_of(message.ordering_key.as_deref()) == shard;
                    match messages.next_if(same) {
                        None => break,
                        Some(message) => match message.check() {
                            Ok(()) => records.push(Record::from_message(spares.take(0), message, time)),
                            Err(reason) => refused = Some(PublishError::Invalid { message, reason }),
                        },
                    }
                }
                let count = records.len() as u64;
                if count > 0 {
                    match self.claim_and_publish(shard, &mut records, spares) {
                        Ok(first) => published.extend((0..count).map(|index| self.nth_after(first, index))),
                        Err(error) => {
                            let mut rest = records.into_iter().map(Record::into_message);
                            let failed = rest.next().unwrap_or_default();
                            let rest =
                                rest.chain(refused.map(PublishError::into_message)).chain(messages).collect();
                            return Err(BatchError { published, error: error.map(|()| failed), rest });
                        }
                    }
                }
                if let Some(error) = refused {
                    return Err(BatchError { published, error, rest: messages.collect() });
                }
            }
            Ok(published)
        })
    }

    /// The id `index` claims after `first`, in one claim.
    fn nth_after(&self, first: MessageId, index: u64) -> MessageId {
        MessageId(first.get().wrapping_add(index.wrapping_mul(self.topic.config.shards as u64)))
    }

    /// Publishes all records in one claim, leaving none; or none, leaving all. Returns the id of the first.
    fn claim_and_publish(
        &self,
        shard: usize,
        records: &mut Vec<Record>,
        spares: &mut Spares,
    ) -> Result<MessageId, PublishError<()>> {
        self.flush_lane(shard, Wait::Forever)?;
        let topic = &*self.topic;
        let count = records.len() as u64;
        let first = match topic.stored() {
            None => self.publish_unstored(shard, count)?,
            Some(shards) => {
                let mut claim = loop {
                    match shards[shard].channel.try_claim(count) {
                        Ok(claim) => break claim,
                        Err(ClaimError::Closed) => return Err(PublishError::Closed(())),
                        Err(_) => self.wait_for_room(shard, count, Wait::Forever)?,
                    }
                };
                let first = claim.start();
                claim.swap_all(records);
                claim.publish();
                MessageId::new(first, shard, topic.config.shards)
            }
        };
        // What came back is looked at only now: to drop it may run code of its owner's.
        records.drain(..).for_each(|old| spares.put(old));
        Ok(first)
    }

    /// Takes `count` numbers and keeps nothing; returns the first.
    #[cold]
    fn publish_unstored(&self, shard: usize, count: u64) -> Result<MessageId, PublishError<()>> {
        loop {
            match self.topic.publish_unstored(shard, count)? {
                Some(first) => return Ok(first),
                None => self.wait_for_room(shard, count, Wait::Forever)?,
            }
        }
    }
}
