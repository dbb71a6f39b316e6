//! Publishing that returns when the message is readable.

use super::batcher::{Lane, Receipt};
use super::spares::Spares;
use crate::error::{BatchError, Invalid, PublishError};
use crate::message::{Message, check_data};
use crate::record::{MessageId, Record};
use crate::subscription::serving;
use crate::topic::{Topic, TopicInner};
use ringmain_fanout::{ClaimError, TryPublishError};
use ringmain_ring::{OwnerCell, TryLock, now};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Why a record was not published, in a byte.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    Full,
    Closed,
    WouldDeadlock,
}

impl Refusal {
    #[cold]
    fn of<M>(self, message: M) -> PublishError<M> {
        match self {
            Self::Full => PublishError::Full(message),
            Self::Closed => PublishError::Closed(message),
            Self::WouldDeadlock => PublishError::WouldDeadlock(message),
        }
    }
}

impl<M> From<PublishError<M>> for Refusal {
    fn from(error: PublishError<M>) -> Self {
        match error {
            PublishError::Full(_) => Self::Full,
            PublishError::WouldDeadlock(_) => Self::WouldDeadlock,
            _ => Self::Closed,
        }
    }
}

/// How long a publish may wait for room.
#[derive(Debug, Clone, Copy)]
enum Wait {
    Never,
    Until(Instant),
    Forever,
}

/// Publishes to one topic. Threads may share one; a clone each is faster, since each owns the buffers that it fills.
///
/// Messages without an ordering key that one publisher publishes stay on one shard, in order.
pub struct Publisher {
    topic: Arc<TopicInner>,
    /// Where messages without a key go.
    shard: usize,
    /// The buffers of the thread that publishes first, which in practice is the only one.
    own: OwnerCell<Spares>,
    /// Those of all others.
    spares: TryLock<Spares>,
    /// A lane a shard, opened by the first `enqueue`.
    lanes: Box<[OnceLock<Arc<Lane>>]>,
}

impl Publisher {
    pub(crate) fn new(topic: &Arc<TopicInner>) -> Self {
        Self {
            topic: Arc::clone(topic),
            shard: topic.next_shard(),
            own: OwnerCell::default(),
            spares: TryLock::default(),
            lanes: (0..topic.config.shards).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> Topic {
        Topic::from_inner(&self.topic)
    }

    /// Publishes `message`, waiting for room. It is readable by every subscription when this returns. The payload is
    /// held by reference.
    ///
    /// # Errors
    /// [`PublishError`], with the message.
    pub fn publish(&self, message: Message) -> Result<MessageId, PublishError<Message>> {
        self.publish_message(message, Wait::Forever)
    }

    /// Publishes `message` if there is room now. Never waits.
    ///
    /// # Errors
    /// [`PublishError`], with the message.
    pub fn try_publish(&self, message: Message) -> Result<MessageId, PublishError<Message>> {
        self.publish_message(message, Wait::Never)
    }

    /// Publishes `message`, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    /// [`PublishError`], with the message; [`PublishError::Full`] when the time is over.
    pub fn publish_timeout(
        &self,
        message: Message,
        timeout: Duration,
    ) -> Result<MessageId, PublishError<Message>> {
        self.publish_message(message, now().checked_add(timeout).map_or(Wait::Forever, Wait::Until))
    }

    /// Publishes a copy of `data`, waiting for room. The copy goes into a buffer that came back from the ring: in a
    /// steady stream nothing is allocated.
    ///
    /// # Errors
    /// [`PublishError`].
    #[inline]
    pub fn publish_slice(&self, data: &[u8]) -> Result<MessageId, PublishError<()>> {
        self.publish_filled(data.len(), Wait::Forever, |buffer| buffer.copy_from_slice(data))
    }

    /// As [`publish_slice`](Self::publish_slice), if there is room now.
    ///
    /// # Errors
    /// [`PublishError`].
    #[inline]
    pub fn try_publish_slice(&self, data: &[u8]) -> Result<MessageId, PublishError<()>> {
        self.publish_filled(data.len(), Wait::Never, |buffer| buffer.copy_from_slice(data))
    }

    /// Publishes `len` bytes that `write` writes into a buffer that came back from the ring, waiting for room. What the
    /// buffer holds before is not specified; `write` runs before anything is claimed, so it may take its time, and a
    /// panic in it strands nobody.
    ///
    /// # Errors
    /// [`PublishError`].
    #[inline]
    pub fn publish_with(
        &self,
        len: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<MessageId, PublishError<()>> {
        self.publish_filled(len, Wait::Forever, write)
    }

    /// As [`publish_with`](Self::publish_with), if there is room now. `write` may be called in vain.
    ///
    /// # Errors
    /// [`PublishError`].
    #[inline]
    pub fn try_publish_with(
        &self,
        len: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<MessageId, PublishError<()>> {
        self.publish_filled(len, Wait::Never, write)
    }

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
        let mut own = self.spares.try_lock();
        let mut fresh = Spares::default();
        let spares = own.as_deref_mut().unwrap_or(&mut fresh);
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
        let mut own = self.spares.try_lock();
        let mut fresh = Spares::default();
        let spares = own.as_deref_mut().unwrap_or(&mut fresh);
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
    }

    /// The id `index` claims after `first`, in one claim.
    fn nth_after(&self, first: MessageId, index: u64) -> MessageId {
        MessageId(first.get().wrapping_add(index.wrapping_mul(self.topic.config.shards as u64)))
    }

    /// Hands `message` to the batcher and returns at once, unless the lane is full and the ring too. While every
    /// consumer has something to read, messages gather and are claimed together; see [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`PublishError`], with the message.
    pub fn enqueue(&self, message: Message) -> Result<Receipt, PublishError<Message>> {
        if let Err(reason) = message.check() {
            return Err(PublishError::Invalid { message, reason });
        }
        // (With no subscription left, nobody would ever fetch it.)
        let Some(shards) = self.topic.stored() else {
            return self.publish(message).map(Receipt::ready);
        };
        let shard = self.shard_of(message.ordering_key.as_deref());
        let lane = self.lanes[shard].get_or_init(|| shards[shard].lanes.open(&self.topic, shard));
        lane.enqueue(&self.topic, message, |message| self.publish(message))
    }

    /// Returns when everything enqueued on this publisher before is readable; at once when there is nothing.
    ///
    /// # Errors
    /// [`PublishError::Closed`] when the topic was closed before; [`PublishError::WouldDeadlock`] inside a handler of the
    /// topic when there is no room.
    pub fn flush(&self) -> Result<(), PublishError<()>> {
        (0..self.lanes.len()).try_for_each(|shard| self.flush_lane(shard, Wait::Forever))
    }

    fn shard_of(&self, key: Option<&str>) -> usize {
        key.map_or(self.shard, |key| self.topic.shard_of_key(key))
    }

    #[inline]
    fn has_staged(&self, shard: usize) -> bool {
        self.lanes[shard].get().is_some_and(|lane| lane.has_staged())
    }

    /// What was enqueued before comes first.
    #[inline]
    fn flush_lane(&self, shard: usize, wait: Wait) -> Result<(), PublishError<()>> {
        match self.lanes[shard].get() {
            Some(lane) if lane.has_staged() => match wait {
                Wait::Never => lane.try_drain(&self.topic),
                Wait::Until(deadline) => lane.drain_until(&self.topic, Some(deadline)),
                Wait::Forever => lane.drain_until(&self.topic, None),
            },
            _ => Ok(()),
        }
    }

    fn publish_message(&self, message: Message, wait: Wait) -> Result<MessageId, PublishError<Message>> {
        if let Err(reason) = message.check() {
            return Err(PublishError::Invalid { message, reason });
        }
        let shard = self.shard_of(message.ordering_key.as_deref());
        self.with_spares(|spares| {
            let mut record = Record::from_message(spares.take(0), message, self.topic.publish_time());
            self.commit(shard, &mut record, wait, spares).map_err(|refusal| refusal.of(record.into_message()))
        })
    }

    #[inline]
    fn publish_filled(
        &self,
        len: usize,
        wait: Wait,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<MessageId, PublishError<()>> {
        if let Err(reason) = check_data(len) {
            return Err(PublishError::Invalid { message: (), reason });
        }
        let committed = self.with_spares(|spares| {
            let mut draft = spares.take(len);
            write(draft.resize(len));
            draft.publish_time = self.topic.publish_time();
            let mut record = Record::new(draft);
            let committed = self.commit(self.shard, &mut record, wait, spares);
            if committed.is_err() {
                spares.put(record);
            }
            committed
        });
        committed.map_err(|refusal| refusal.of(()))
    }

    /// Runs `publish` with this publisher's spares, or, while another thread uses those, with none.
    #[inline]
    fn with_spares<R>(&self, publish: impl FnOnce(&mut Spares) -> R) -> R {
        if let Some(mut own) = self.own.enter() {
            return publish(&mut own);
        }
        match self.spares.try_lock() {
            Some(mut spares) => publish(&mut spares),
            None => publish(&mut Spares::default()),
        }
    }

    /// Publishes one record, or leaves it where it is.
    ///
    /// What this returns fits into two registers, and must: a result that is passed through memory and read in wider
    /// pieces than it was written in waits for every store before it, the whole payload's among them.
    #[inline]
    fn commit(
        &self,
        shard: usize,
        record: &mut Record,
        wait: Wait,
        spares: &mut Spares,
    ) -> Result<MessageId, Refusal> {
        let topic = &*self.topic;
        if self.has_staged(shard) {
            self.flush_lane(shard, wait)?;
        }
        let Some(shards) = topic.stored() else { return self.commit_unstored(shard, record, wait, spares) };
        let channel = &shards[shard].channel;
        loop {
            let exchanged = match wait {
                Wait::Never => channel.try_exchange(std::mem::take(record)),
                _ => channel.exchange_or_wait(std::mem::take(record)),
            };
            match exchanged {
                Ok((sequence, old)) => {
                    spares.put(old);
                    return Ok(MessageId::new(sequence, shard, topic.config.shards));
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
        wait: Wait,
        spares: &mut Spares,
    ) -> Result<MessageId, Refusal> {
        loop {
            if self.topic.stored().is_some() {
                return self.commit(shard, record, wait, spares);
            }
            if let Some(id) = self.topic.publish_unstored(shard, 1)? {
                spares.put(std::mem::take(record));
                return Ok(id);
            }
            // The rings are there, and full of what a subscription has left behind.
            self.wait_for_room(shard, 1, wait)?;
        }
    }

    #[cold]
    fn wait_for_room(&self, shard: usize, count: u64, wait: Wait) -> Result<(), PublishError<()>> {
        let deadline = match wait {
            Wait::Never => return Err(PublishError::Full(())),
            Wait::Until(deadline) => Some(deadline),
            Wait::Forever => None,
        };
        if serving::is(&self.topic) {
            return Err(PublishError::WouldDeadlock(()));
        }
        let channel = &self.topic.shard(shard).channel;
        if channel.wait_for_room(count, deadline) { Ok(()) } else { Err(PublishError::Full(())) }
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
}

impl Publisher {
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

impl Clone for Publisher {
    /// Another publisher, with buffers and a batcher lane of its own, perhaps on another shard.
    fn clone(&self) -> Self {
        Self::new(&self.topic)
    }
}

impl Drop for Publisher {
    /// What is staged is published as far as there is room; what is not stays staged until a consumer fetches it.
    fn drop(&mut self) {
        for (shard, lane) in self.lanes.iter().enumerate() {
            if let Some(lane) = lane.get() {
                lane.drain_if_room(self.topic.shard(shard));
            }
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("topic", &self.topic.name)
            .field("shard", &self.shard)
            .finish_non_exhaustive()
    }
}
