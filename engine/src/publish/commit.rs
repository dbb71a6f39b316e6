//! The way of one record onto the ring: what is staged first, then credit, payload budget and a slot, or a refusal.
//!
//! Nearly every record needs a slot only. The others, those of a publisher with limits and those with a large payload,
//! are told apart by one comparison.

use super::flow_control::Amount;
use super::payloads::Counted;
use super::publisher::Publisher;
use super::refusal::{Refusal, Wait};
use super::room::{told, wait_on_room};
use super::spares::Spares;
use crate::record::{MessageId, Record};
use crate::subscription::serving;
use crate::topic::Shard;
use ringmain_fanout::{ClaimError, Sequence, TryPublishError};
use std::mem::ManuallyDrop;

impl Publisher {
    /// Has `write` fill a buffer of `len` bytes, and publishes it.
    #[inline(always)]
    pub(super) fn fill_and_commit(
        &self,
        len: usize,
        wait: Wait,
        write: impl FnOnce(&mut [u8]),
        spares: &mut Spares,
    ) -> Result<MessageId, Refusal> {
        let mut draft = spares.take(len, &self.topic.returned);
        write(draft.resize(len));
        draft.publish_time = self.topic.publish_time();
        // Committed, it is on the ring, and there is nothing here to be dropped.
        let mut record = ManuallyDrop::new(Record::new(draft));
        let committed = self.commit(self.shard, &mut record, len, wait, spares);
        if committed.is_err() {
            spares.put(ManuallyDrop::into_inner(record));
        }
        committed
    }

    /// As [`fill_and_commit`](Self::fill_and_commit), by a thread that does not own this publisher's spares.
    #[inline(never)]
    pub(super) fn fill_others(
        &self,
        len: usize,
        wait: Wait,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<MessageId, Refusal> {
        self.with_others(|spares| self.fill_and_commit(len, wait, write, spares))
    }

    /// Publishes one record of so many bytes, or leaves it where it is, within the publisher's limits.
    ///
    /// What this returns fits into two registers, and must: a result that is passed through memory and read in wider
    /// pieces than it was written in waits for every store before it, the whole payload's among them.
    #[inline]
    pub(super) fn commit(
        &self,
        shard: usize,
        record: &mut Record,
        size: usize,
        wait: Wait,
        spares: &mut Spares,
    ) -> Result<MessageId, Refusal> {
        if size > self.ordinary {
            return self.commit_limited(shard, record, size, wait, spares);
        }
        if self.has_staged(shard) {
            self.flush_lane(shard, wait, 1)?;
        }
        let Some(shards) = self.topic.stored() else {
            return self.commit_unstored(shard, record, size, wait, spares);
        };
        let sequence = self.exchange((&shards[shard], shard), record, size, wait, spares, |_| ())?;
        Ok(MessageId::new(sequence, shard, self.topic.config.shards))
    }

    #[cold]
    fn commit_limited(
        &self,
        shard: usize,
        record: &mut Record,
        size: usize,
        wait: Wait,
        spares: &mut Spares,
    ) -> Result<MessageId, Refusal> {
        let _payloads = self.payloads_after_credit();
        let credit = |flow| self.credit(flow, Amount::new(1, size), wait);
        let _credit = self.flow.as_deref().map(credit).transpose()?;
        self.commit_admitted(shard, record, size, wait, spares)
    }

    /// As [`commit`](Self::commit), without regard to the publisher's limits.
    #[cold]
    pub(super) fn commit_admitted(
        &self,
        shard: usize,
        record: &mut Record,
        size: usize,
        wait: Wait,
        spares: &mut Spares,
    ) -> Result<MessageId, Refusal> {
        self.flush_lane(shard, wait, 1)?;
        match self.topic.stored() {
            Some(shards) => self.commit_stored(shards, shard, record, size, wait, spares),
            None => self.commit_unstored(shard, record, size, wait, spares),
        }
    }

    /// As [`commit_admitted`](Self::commit_admitted), where nothing is staged and somebody subscribes.
    #[cold]
    pub(super) fn commit_stored(
        &self,
        shards: &[Shard],
        shard: usize,
        record: &mut Record,
        size: usize,
        wait: Wait,
        spares: &mut Spares,
    ) -> Result<MessageId, Refusal> {
        let here = &shards[shard];
        // (Counted only now, and not before another flush: what is staged may need what is counted for us.)
        let large = size > self.topic.threshold;
        let mut counted = if large { Some(self.count(shard, size, wait, 1)?) } else { None };
        let exchanged = self.exchange((here, shard), record, size, wait, spares, |sequence| {
            if let Some(counted) = counted.take() {
                counted.published(std::iter::once((sequence, size)));
            }
        });
        match (counted, exchanged) {
            (Some(counted), Err(Refusal::Full)) => counted.take_back(),
            (counted, _) => drop(counted),
        }
        Ok(MessageId::new(exchanged?, shard, self.topic.config.shards))
    }

    /// Publishes one record whose payload, if it is large, is counted; says where it was `published` before what was there before
    /// is let go of.
    #[inline(always)]
    fn exchange(
        &self,
        (here, shard): (&Shard, usize),
        record: &mut Record,
        size: usize,
        wait: Wait,
        spares: &mut Spares,
        published: impl FnOnce(Sequence),
    ) -> Result<Sequence, Refusal> {
        loop {
            let exchanged = match wait {
                Wait::Never => here.channel.try_exchange(std::mem::take(record)),
                _ => here.channel.exchange_or_wait(std::mem::take(record)),
            };
            match exchanged {
                Ok((sequence, old)) => {
                    if self.topic.is_plain() {
                        spares.put_plain(old, size);
                        published(sequence);
                    } else {
                        // In this order: its owner, who may publish here, finds that it is counted out, and where the new one is.
                        here.left(old.size_if_any());
                        published(sequence);
                        spares.put(old);
                    }
                    return Ok(sequence);
                }
                Err(TryPublishError::Full(back)) => *record = back,
                Err(error) => {
                    *record = error.into_inner();
                    return Err(Refusal::Closed);
                }
            }
            self.wait_for_room(shard, 1, wait)?;
        }
    }

    /// Takes a number and keeps nothing; or, if a subscription came meanwhile, publishes.
    #[cold]
    fn commit_unstored(
        &self,
        shard: usize,
        record: &mut Record,
        size: usize,
        wait: Wait,
        spares: &mut Spares,
    ) -> Result<MessageId, Refusal> {
        loop {
            if self.topic.stored().is_some() {
                return self.commit_admitted(shard, record, size, wait, spares);
            }
            if self.topic.is_closed() {
                return Err(Refusal::Closed);
            }
            if let Some(id) = self.topic.publish_unstored(shard, 1)? {
                spares.put(std::mem::take(record));
                return Ok(id);
            }
            // The rings are there, and full of what a subscription has left behind.
            self.wait_for_room(shard, 1, wait)?;
        }
    }

    /// What was enqueued before comes first. The caller has credit for so many messages.
    #[inline]
    pub(super) fn flush_lane(&self, shard: usize, wait: Wait, messages: u64) -> Result<(), Refusal> {
        match self.lane(shard) {
            // What is to come behind it is refused at once; what is staged goes without it.
            Some(lane) if lane.has_staged() && self.topic.is_closed() => Err(Refusal::Closed),
            Some(lane) if lane.has_staged() => match wait {
                Wait::Never => lane.try_drain(&self.topic),
                Wait::Until(deadline) => lane.drain_until(&self.topic, Some(deadline), messages),
                Wait::Forever => lane.drain_until(&self.topic, None, messages),
            },
            _ => Ok(()),
        }
    }

    /// Waits until there may be room for `count` messages, for which the caller has credit.
    #[cold]
    pub(super) fn wait_for_room(&self, shard: usize, count: u64, wait: Wait) -> Result<(), Refusal> {
        let deadline = wait.deadline(Refusal::Full)?;
        if serving::is(&self.topic) {
            return Err(Refusal::WouldDeadlock);
        }
        let _stalled = self.flow.as_ref().map(|flow| flow.stall(count));
        let channel = &self.topic.shard(shard).channel;
        let in_time = told(&self.topic, shard, deadline, |deadline| channel.wait_for_room(count, deadline));
        if self.topic.is_closed() {
            Err(Refusal::Closed)
        } else if in_time {
            Ok(())
        } else {
            Err(Refusal::Full)
        }
    }

    /// Counts so many bytes, of the large ones among so many `messages` for which the caller has credit, once the ring may
    /// hold them.
    #[cold]
    pub(super) fn count(
        &self,
        shard: usize,
        bytes: usize,
        wait: Wait,
        messages: u64,
    ) -> Result<Counted<'_>, Refusal> {
        self.topic.is_no_longer_plain();
        let here = self.topic.shard(shard);
        let mut counted = here.count(bytes, messages);
        if counted == Err(ClaimError::Full) {
            let deadline = wait.deadline(Refusal::Full)?;
            wait_on_room(&self.topic, shard, deadline, self.flow.as_deref(), messages, || {
                counted = here.count(bytes, messages);
                counted != Err(ClaimError::Full) || self.topic.is_closed()
            })?;
        }
        match counted {
            Ok(()) => Ok(Counted::new(here, bytes)),
            Err(_) if self.topic.is_closed() => Err(Refusal::Closed),
            Err(_) => Err(Refusal::Full),
        }
    }
}
