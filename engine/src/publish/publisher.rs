//! Publishing that returns when the message is readable.

use super::batcher::Lane;
use super::receipt::Receipt;
use super::refusal::{Refusal, Wait};
use super::spares::Spares;
use crate::error::PublishError;
use crate::message::{Message, check_data};
use crate::record::{MessageId, Record};
use crate::subscription::serving;
use crate::topic::{Topic, TopicInner};
use ringmain_fanout::TryPublishError;
use ringmain_ring::{OwnerCell, TryLock, now};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Publishes to one topic. Threads may share one; a clone each is faster, since each owns the buffers that it fills.
///
/// Messages without an ordering key that one publisher publishes stay on one shard, in order.
pub struct Publisher {
    pub(super) topic: Arc<TopicInner>,
    /// Where messages without a key go.
    pub(super) shard: usize,
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
        let shard = self.shard_of(message.ordering_key.as_deref());
        let Some(shards) = self.topic.stored() else {
            return self.publish_checked(shard, message, Wait::Forever).map(Receipt::ready);
        };
        let lane = self.lanes[shard].get_or_init(|| shards[shard].lanes.open(&self.topic, shard));
        if lane.may_gather(&shards[shard]) {
            lane.enqueue(&self.topic, message)
        } else {
            self.publish_checked(shard, message, Wait::Forever).map(Receipt::ready)
        }
    }

    /// Returns when everything enqueued on this publisher before is readable; at once when there is nothing.
    ///
    /// # Errors
    /// [`PublishError::Closed`] when the topic was closed before; [`PublishError::WouldDeadlock`] inside a handler of the
    /// topic when there is no room.
    pub fn flush(&self) -> Result<(), PublishError<()>> {
        (0..self.lanes.len()).try_for_each(|shard| self.flush_lane(shard, Wait::Forever))
    }

    pub(super) fn shard_of(&self, key: Option<&str>) -> usize {
        key.map_or(self.shard, |key| self.topic.shard_of_key(key))
    }

    #[inline]
    fn has_staged(&self, shard: usize) -> bool {
        self.lanes[shard].get().is_some_and(|lane| lane.has_staged())
    }

    /// What was enqueued before comes first.
    #[inline]
    pub(super) fn flush_lane(&self, shard: usize, wait: Wait) -> Result<(), PublishError<()>> {
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
        self.publish_checked(shard, message, wait)
    }

    fn publish_checked(
        &self,
        shard: usize,
        message: Message,
        wait: Wait,
    ) -> Result<MessageId, PublishError<Message>> {
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
    pub(super) fn with_spares<R>(&self, publish: impl FnOnce(&mut Spares) -> R) -> R {
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
    pub(super) fn commit(
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
    pub(super) fn wait_for_room(&self, shard: usize, count: u64, wait: Wait) -> Result<(), PublishError<()>> {
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
