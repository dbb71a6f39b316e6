//! Publishing many at once: filled first, then claimed and published together.

use super::flow_control::{Amount, Credit};
use super::publisher::Publisher;
use super::refusal::{Refusal, Wait};
use super::spares::Spares;
use crate::error::{BatchError, Invalid, PublishError};
use crate::external::let_go;
use crate::message::{Message, check_data};
use crate::record::{MessageId, Record};
use crate::topic::Shard;
use ringmain_fanout::{ClaimError, Sequence};
use std::iter::Peekable;

/// In a batch of so many, each buffer that comes back is waited for as in single publishes. In larger ones so many are looked at in
/// a row that the core waits for several at once (measured: docs/decisions/0013).
const FEW: usize = 64;

impl Publisher {
    /// Publishes `count` messages of `len` bytes each, claimed and published together; `write` is given each one's
    /// number and buffer, before anything is claimed. Waits for room. Returns the id of the first; the others' follow at
    /// a distance of the topic's number of shards.
    ///
    /// A steady stream of batches of at most 1,024 messages of at most 8 KiB, or 128 of at most 64 KiB, allocates
    /// nothing.
    ///
    /// # Errors
    /// [`PublishError`]: none of them was published. `count` is at most half the ring, and what the topic's `ring_bytes`
    /// allows.
    pub fn publish_batch_with(
        &self,
        count: usize,
        len: usize,
        mut write: impl FnMut(usize, &mut [u8]),
    ) -> Result<MessageId, PublishError<()>> {
        let invalid = |reason| Err(PublishError::Invalid { message: (), reason });
        let not_so_many =
            |rule| invalid(Invalid::Setting { setting: "a batch's count", rule, actual: count.to_string() });
        if let Err(reason) = check_data(len) {
            return invalid(reason);
        }
        if count == 0 || count > (self.topic.config.ring_slots / 2).max(1) {
            return not_so_many("1 to half of the topic's ring_slots");
        }
        let bytes = count.saturating_mul(len);
        let large = if len > self.topic.threshold { bytes } else { 0 };
        if count > 1 && large > self.topic.config.ring_bytes / 2 {
            return not_so_many("1, or as many messages as fit into half of the topic's ring_bytes");
        }
        let published = self.with_spares(|spares| {
            let mut records = spares.take_batch();
            let time = self.topic.publish_time();
            records.extend((0..count).map(|index| {
                let mut draft = spares.take(len, &self.topic.returned);
                write(index, draft.resize(len));
                draft.publish_time = time;
                Record::new(draft)
            }));
            let _payloads = self.payloads_after_credit();
            let credit = |flow| self.credit(flow, Amount::new(count, bytes), Wait::Forever);
            let published =
                self.flow.as_deref().map(credit).transpose().and_then(|_credit| {
                    self.claim_and_publish(self.shard, &mut records, count, large, spares)
                });
            records.drain(..).for_each(|record| _ = spares.put(record)); // if they were not published
            spares.put_batch(records);
            published
        });
        published.map_err(|refusal| refusal.of(()))
    }

    /// Publishes all messages, a claim of at most the topic's `batch_messages` at a time, waiting for room. The iterator
    /// does not run under a claim, nor while credit is held. Returns the ids in the order of the messages.
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
            let mut records = spares.take_batch();
            while let Some(next) = messages.peek() {
                let shard = self.shard_of(next.ordering_key.as_deref());
                let (large, refused) = self.gather(shard, &mut messages, &mut records, spares);
                if let Err(refusal) = self.publish_all(shard, &mut records, large, &mut published, spares) {
                    let mut rest = records.into_iter().map(Record::into_message);
                    let error = refusal.of(rest.next().unwrap_or_default());
                    let rest = pushed(rest.chain(refused.map(PublishError::into_message)).chain(messages));
                    return Err(BatchError { published, error: self.failed(error), rest });
                }
                if let Some(error) = refused {
                    return Err(BatchError { published, error: self.failed(error), rest: pushed(messages) });
                }
            }
            spares.put_batch(records);
            Ok(published)
        })
    }

    /// Gathers as many messages as go to one shard, are good, and may go together. Returns how many bytes of them the
    /// ring counts, and the message that ended it by breaking a rule.
    fn gather(
        &self,
        shard: usize,
        messages: &mut Peekable<impl Iterator<Item = Message>>,
        records: &mut Vec<Record>,
        spares: &mut Spares,
    ) -> (usize, Option<PublishError<Message>>) {
        let limit = self.flow.as_deref().map(|flow| flow.limit());
        let most = limit.map_or(u64::MAX, Amount::messages).min(self.topic.largest_batch() as u64);
        let most_bytes = limit.map_or(u64::MAX, Amount::bytes);
        let time = self.topic.publish_time();
        let (mut bytes, mut large) = (0, 0);
        loop {
            let gathered = records.len() as u64;
            let counted = |size| if size > self.topic.threshold { size } else { 0 };
            let fits = |message: &Message| {
                let size = message.size();
                gathered == 0
                    || (gathered < most
                        && bytes + size as u64 <= most_bytes
                        && large + counted(size) <= self.topic.config.ring_bytes / 2)
            };
            let joins =
                |message: &Message| self.shard_of(message.ordering_key.as_deref()) == shard && fits(message);
            let Some(message) = messages.next_if(joins) else { return (large, None) };
            if let Err(reason) = message.check() {
                return (large, Some(PublishError::Invalid { message, reason }));
            }
            if self.route(message.ordering_key.as_deref()).is_none() {
                return (large, Some(PublishError::OrderingKeyPaused(message)));
            }
            let size = message.size();
            bytes += size as u64;
            large += counted(size);
            let (record, copied) = spares.record_or_copy(message, &self.topic, time);
            records.push(record);
            copied.into_iter().for_each(let_go);
        }
    }

    /// Publishes all records; or those before the first that is refused, which it leaves with the rest.
    fn publish_all(
        &self,
        shard: usize,
        records: &mut Vec<Record>,
        large: usize,
        published: &mut Vec<MessageId>,
        spares: &mut Spares,
    ) -> Result<(), Refusal> {
        while !records.is_empty() {
            let _payloads = self.payloads_after_credit();
            let (count, _credit) = self.credit_for(records)?;
            let counted = |record: &Record| Some(record.size()).filter(|size| *size > self.topic.threshold);
            // The large ones among them, counted anew in the rare case that there is credit for a part.
            let large = match large {
                0 => 0,
                _ => records[..count].iter().filter_map(counted).sum(),
            };
            let first = self.claim_and_publish(shard, records, count, large, spares)?;
            published.extend((0..count as u64).map(|index| self.nth_after(first, index)));
        }
        Ok(())
    }

    /// Credit for all records, waiting for it; or, for a publisher that does not wait, for as many as there is some for.
    fn credit_for(&self, records: &[Record]) -> Result<(usize, Vec<Credit<'_>>), Refusal> {
        let Some(flow) = self.flow.as_deref() else { return Ok((records.len(), Vec::new())) };
        let sizes = records.iter().map(Record::size);
        if flow.blocks() {
            let amount = Amount::new(records.len(), sizes.sum());
            return Ok((records.len(), vec![self.credit(flow, amount, Wait::Forever)?]));
        }
        let mut credits = Vec::with_capacity(records.len());
        for size in sizes {
            match self.credit(flow, Amount::new(1, size), Wait::Never) {
                Ok(credit) => credits.push(credit),
                Err(refusal) if credits.is_empty() => return Err(refusal),
                Err(_) => break,
            }
        }
        Ok((credits.len(), credits))
    }

    /// The id `index` claims after `first`, in one claim.
    fn nth_after(&self, first: MessageId, index: u64) -> MessageId {
        MessageId(first.get().wrapping_add(index.wrapping_mul(self.topic.config.shards as u64)))
    }

    /// Publishes the first `count` records in one claim, and takes them out; or none. The ring counts so many bytes of
    /// them. Returns the id of the first.
    fn claim_and_publish(
        &self,
        shard: usize,
        records: &mut Vec<Record>,
        count: usize,
        large: usize,
        spares: &mut Spares,
    ) -> Result<MessageId, Refusal> {
        self.flush_lane(shard, Wait::Forever, count as u64)?;
        let Some(shards) = self.topic.stored() else {
            let first = self.publish_unstored(shard, count as u64)?;
            records.drain(..count).for_each(|record| _ = spares.put(record));
            return Ok(first);
        };
        let counted = match large {
            0 => None,
            bytes => Some(self.count(shard, bytes, Wait::Forever, count as u64)?),
        };
        let places = shards[shard].payloads.places_of(&records[..count], counted.is_some());
        let len = records.first().map_or(0, Record::size);
        let first = self.swap_in(&shards[shard], shard, &mut records[..count])?;
        if let Some(counted) = counted {
            counted.published(places.into_iter().map(|(index, size)| (first.plus(index), size)));
        }
        // What came back is let go of only now, and counted out before: to drop it may run code of its owner's.
        let plain = self.topic.is_plain();
        if plain && count <= FEW {
            records.drain(..count).for_each(|old| spares.put_plain(old, len));
        } else {
            if !plain {
                records[..count].iter().for_each(|old| shards[shard].left(old.size_if_any()));
            }
            records.drain(..count).for_each(|old| _ = spares.put(old));
        }
        Ok(MessageId::new(first, shard, self.topic.config.shards))
    }

    /// Claims as many slots, and publishes the records in them. Returns the first sequence.
    fn swap_in(&self, here: &Shard, shard: usize, records: &mut [Record]) -> Result<Sequence, Refusal> {
        let count = records.len() as u64;
        let mut claim = loop {
            match here.channel.try_claim(count) {
                Ok(claim) => break claim,
                Err(ClaimError::Closed) => return Err(Refusal::Closed),
                Err(_) => self.wait_for_room(shard, count, Wait::Forever)?,
            }
        };
        let first = claim.start();
        claim.swap_all(records);
        claim.publish();
        Ok(first)
    }

    /// Takes `count` numbers and keeps nothing; returns the first.
    #[cold]
    fn publish_unstored(&self, shard: usize, count: u64) -> Result<MessageId, Refusal> {
        loop {
            if self.topic.is_closed() {
                return Err(Refusal::Closed);
            }
            match self.topic.publish_unstored(shard, count)? {
                Some(first) => return Ok(first),
                None => self.wait_for_room(shard, count, Wait::Forever)?,
            }
        }
    }
}

/// As `collect`, without a look at what a caller's iterator says of its length.
fn pushed(messages: impl Iterator<Item = Message>) -> Vec<Message> {
    let mut all = Vec::new();
    messages.for_each(|message| all.push(message));
    all
}
