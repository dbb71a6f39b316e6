//! Publishing that returns when the message is readable.

use super::flow_control::FlowControl;
use super::future::PublishFuture;
use super::lane::Lane;
use super::ordering::PausedKeys;
use super::refusal::{Refusal, Wait};
use super::spares::Spares;
use crate::config::PublisherConfig;
use crate::error::PublishError;
use crate::external::let_go;
use crate::message::{Message, check_data};
use crate::record::{MessageId, Record};
use crate::stats::PublisherStats;
use crate::topic::{Topic, TopicInner};
use ringmain_ring::sync::MODELLED;
use ringmain_ring::{OwnerCell, TryLock, now};
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Publishes to one topic. Threads may share one; a clone each is faster, since each owns the buffers that it fills.
///
/// Messages without an ordering key that one publisher publishes stay on one shard, in order.
///
/// Inside a handler of one of the topic's subscriptions nobody waits for room, not even up to a deadline: whatever would
/// returns [`PublishError::WouldDeadlock`] at once, whichever subscription has to make the room.
///
/// # Errors
/// A call that fails has published nothing, and gives the message back if it was given one. (`publish_batch` may have published
/// the first of its messages, and says which.) [`PublishError::Invalid`],
/// [`PublishError::Closed`] and, with an ordering key, [`PublishError::OrderingKeyPaused`] come from every form. Beyond that:
///
/// | | waits for room | and for credit, if it has [limits](#limits) | fails with |
/// |---|---|---|---|
/// | `publish`, `publish_slice`, `publish_with`, `publish_batch*` | as long as it takes | the same | `WouldDeadlock` inside a handler |
/// | `publish_timeout` | up to the time given | the same | `Full` or `LimitExceeded`; `WouldDeadlock` |
/// | `try_publish*` | not at all | not at all | `Full` or `LimitExceeded` |
/// | `publish_async` | when polled | the same | `WouldDeadlock` |
/// | `enqueue` | only when its lane is full as well | as long as it takes | `WouldDeadlock` |
///
/// With [`LimitExceeded::Error`](crate::LimitExceeded::Error) no form waits for credit: all fail with `LimitExceeded`. A panic in
/// a caller's `write` or iterator comes through, and has published nothing of that message, nor of those of a batch that the iterator
/// gave shortly before: what is not claimed yet.
///
/// # Limits
/// A publisher made by [`Topic::publisher_with`] limits what it has *outstanding*: the messages, and their bytes, in calls
/// that have not returned, receipts that have not resolved, and futures that were polled and are not ready. At the limit a
/// message is refused, or waits, first come, first served, whether by a thread or a task. A message, or a batch of
/// [`publish_batch_with`](Self::publish_batch_with), that is larger than a limit goes when nothing else is outstanding.
/// Whoever waits first publishes what is staged here.
///
/// # Memory
/// A publisher keeps buffers that came back from the ring for use again: up to 1,024 of 8 KiB or less, or 128 of 64 KiB or
/// less; besides, 128 of those that are large by [`TopicConfig::ring_bytes`](crate::TopicConfig::ring_bytes), of 64 KiB or less; and
/// the one that came back last. That is for the thread that publishes first; there may be as many for all other
/// threads, and as many for each shard that it enqueues to.
///
/// # Clones
/// A clone is a publisher of its own: it has the same limits, but counts for itself; its own paused ordering keys, none
/// at first; and its own buffers.
pub struct Publisher {
    pub(super) topic: Arc<TopicInner>,
    /// Where messages without a key go.
    pub(super) shard: usize,
    /// A message of at most so many bytes needs a slot and nothing else.
    pub(super) ordinary: usize,
    /// The buffers of the thread that publishes first, which in practice is the only one.
    own: OwnerCell<Spares>,
    /// Those of all others.
    spares: TryLock<Spares>,
    /// A lane a shard, opened by the first `enqueue`.
    pub(super) lanes: Box<[OnceLock<Arc<Lane>>]>,
    pub(super) flow: Option<Arc<FlowControl>>,
    pub(super) keys: Arc<PausedKeys>,
}

// Three cache lines. (A thousand publishers are a thousand times that.)
const _: () = assert!(MODELLED || size_of::<Publisher>() <= 3 * 64);

impl Publisher {
    pub(crate) fn new(topic: &Arc<TopicInner>, config: &PublisherConfig) -> Self {
        Self::with(topic, FlowControl::new(config))
    }

    fn with(topic: &Arc<TopicInner>, flow: Option<Arc<FlowControl>>) -> Self {
        Self {
            topic: Arc::clone(topic),
            shard: topic.next_shard(),
            ordinary: if flow.is_some() { 0 } else { topic.threshold },
            own: OwnerCell::new(Spares::new(topic.threshold)),
            spares: TryLock::new(Spares::new(topic.threshold)),
            lanes: (0..topic.config.shards).map(|_| OnceLock::new()).collect(),
            flow,
            keys: Arc::default(),
        }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> Topic {
        Topic::from_inner(&self.topic)
    }

    /// Publishes `message`, waiting for room. It is readable by every subscription when this returns, unless another
    /// publisher is at that moment between its claim of an earlier slot and its publish: then as soon as that one goes on
    /// ([`Topic::stalled`]). Large data is held by reference: see [`Message`].
    ///
    /// # Errors
    /// [`PublishError`], with the message; which, says [the table](Self#errors).
    pub fn publish(&self, message: Message) -> Result<MessageId, PublishError<Message>> {
        self.publish_message(message, Wait::Forever)
    }

    /// Publishes `message` if there is room now. Never waits. Of a message with an ordering key any refusal, also for want of
    /// room, pauses the key: call [`resume_publishing`](Self::resume_publishing) before trying again.
    ///
    /// # Errors
    /// [`PublishError`], with the message; which, says [the table](Self#errors).
    pub fn try_publish(&self, message: Message) -> Result<MessageId, PublishError<Message>> {
        self.publish_message(message, Wait::Never)
    }

    /// Publishes `message`, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    /// [`PublishError`], with the message; when the time is over [`PublishError::Full`], or, if it was credit that did not
    /// come, [`PublishError::LimitExceeded`].
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
    /// [`PublishError`]; which, says [the table](Self#errors).
    #[inline]
    pub fn publish_slice(&self, data: &[u8]) -> Result<MessageId, PublishError<()>> {
        self.publish_filled(data.len(), Wait::Forever, |buffer| buffer.copy_from_slice(data))
    }

    /// As [`publish_slice`](Self::publish_slice), if there is room now.
    ///
    /// # Errors
    /// [`PublishError`]; which, says [the table](Self#errors).
    #[inline]
    pub fn try_publish_slice(&self, data: &[u8]) -> Result<MessageId, PublishError<()>> {
        self.publish_filled(data.len(), Wait::Never, |buffer| buffer.copy_from_slice(data))
    }

    /// Publishes `len` bytes that `write` writes into a buffer that came back from the ring, waiting for room. What the
    /// buffer holds before is not specified; `write` runs before anything is claimed, so it may take its time, and a
    /// panic in it strands nobody.
    ///
    /// # Errors
    /// [`PublishError`]; which, says [the table](Self#errors).
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
    /// [`PublishError`]; which, says [the table](Self#errors).
    #[inline]
    pub fn try_publish_with(
        &self,
        len: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<MessageId, PublishError<()>> {
        self.publish_filled(len, Wait::Never, write)
    }

    /// Publishes `message`, waiting for credit and room without a thread. Nothing happens before the future is polled;
    /// dropped before it is ready, it has published nothing and holds no credit. Of several futures that wait for credit,
    /// the one polled first goes first: it holds its place until it is ready, so one that is kept and not polled again holds up
    /// all behind it, threads among them. Poll it or drop it.
    ///
    /// Its place in the order, also that of its ordering key, is the one that it has when it is ready: what the same publisher
    /// publishes while it waits for room comes before it. To keep an order, await one before you begin the next.
    ///
    /// On a topic whose [`WaitStrategy`](crate::WaitStrategy) never parks, a future that waits for room has itself polled
    /// all the time.
    ///
    /// # Errors
    /// [`PublishError`], with the message; which, says [the table](Self#errors).
    pub fn publish_async(&self, message: Message) -> PublishFuture<'_> {
        PublishFuture::new(self, message)
    }

    /// Publishes a good message for which there is credit.
    pub(super) fn publish_admitted(
        &self,
        shard: usize,
        message: Message,
        wait: Wait,
    ) -> Result<MessageId, PublishError<Message>> {
        if message.goes_as_copy() {
            return self.publish_copy(message, |record, size, spares| {
                self.commit_admitted(shard, record, size, wait, spares)
            });
        }
        self.with_spares(|spares| {
            let size = message.size();
            let mut record = spares.record(message, &self.topic, self.topic.publish_time());
            self.commit_admitted(shard, &mut record, size, wait, spares)
                .map_err(|refusal| refusal.of(record.into_message()))
        })
    }

    /// What the publisher has outstanding, if it has limits; without, nothing is counted.
    #[must_use]
    pub fn stats(&self) -> PublisherStats {
        let Some(flow) = &self.flow else { return PublisherStats::default() };
        let outstanding = flow.outstanding();
        PublisherStats {
            outstanding_messages: outstanding.messages(),
            outstanding_bytes: outstanding.bytes(),
            waiting: flow.waiting(),
        }
    }

    pub(super) fn shard_of(&self, key: Option<&str>) -> usize {
        key.map_or(self.shard, |key| self.topic.shard_of_key(key))
    }

    fn publish_message(&self, message: Message, wait: Wait) -> Result<MessageId, PublishError<Message>> {
        let len = message.data.len();
        let as_copy = message.goes_as_copy();
        if as_copy && len != 0 && message.ordering_key.is_none() && message.attributes.is_empty() {
            let committed = self.fill(len, wait, |buffer| buffer.copy_from_slice(&message.data));
            return copied(message, committed);
        }
        if let Err(reason) = message.check() {
            return Err(self.failed(PublishError::Invalid { message, reason }));
        }
        match self.route(message.ordering_key.as_deref()) {
            Some(shard) if as_copy => self
                .publish_copy(message, |record, size, spares| self.commit(shard, record, size, wait, spares))
                .map_err(|error| self.failed(error)),
            Some(shard) => self.publish_referred(shard, message, wait),
            None => Err(PublishError::OrderingKeyPaused(message)),
        }
    }

    /// Has `commit` publish a copy of the message.
    #[inline]
    fn publish_copy(
        &self,
        message: Message,
        commit: impl FnOnce(&mut Record, usize, &mut Spares) -> Result<MessageId, Refusal>,
    ) -> Result<MessageId, PublishError<Message>> {
        let committed = self.with_spares(|spares| {
            let time = self.topic.publish_time();
            let mut record = ManuallyDrop::new(spares.copy_of(&message, &self.topic.returned, time));
            let committed = commit(&mut record, message.size(), spares);
            if committed.is_err() {
                spares.put(ManuallyDrop::into_inner(record));
            }
            committed
        });
        copied(message, committed)
    }

    fn publish_referred(
        &self,
        shard: usize,
        message: Message,
        wait: Wait,
    ) -> Result<MessageId, PublishError<Message>> {
        self.with_spares(|spares| {
            let size = message.size();
            let record = spares.record(message, &self.topic, self.topic.publish_time());
            // Committed, it is on the ring, and there is nothing here to be dropped.
            let mut record = ManuallyDrop::new(record);
            self.commit(shard, &mut record, size, wait, spares).map_err(|refusal| {
                let message = ManuallyDrop::into_inner(record).into_message();
                self.failed(refusal.of(message))
            })
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
        self.fill(len, wait, write).map_err(|refusal| refusal.of(()))
    }

    /// Has `write` fill a buffer of `len` bytes, and publishes it.
    #[inline]
    fn fill(&self, len: usize, wait: Wait, write: impl FnOnce(&mut [u8])) -> Result<MessageId, Refusal> {
        // The usual case is compiled into the caller, where `len` may be known.
        match self.own.enter() {
            Some(mut own) => self.fill_and_commit(len, wait, write, &mut own),
            None => self.fill_others(len, wait, write),
        }
    }

    /// Runs `publish` with this publisher's spares, or, while another thread uses those, with none.
    #[inline]
    pub(super) fn with_spares<R>(&self, publish: impl FnOnce(&mut Spares) -> R) -> R {
        if let Some(mut own) = self.own.enter() {
            return publish(&mut own);
        }
        self.with_others(publish)
    }

    /// As [`with_spares`](Self::with_spares), for a thread that may not use the owner's.
    pub(super) fn with_others<R>(&self, publish: impl FnOnce(&mut Spares) -> R) -> R {
        match self.spares.try_lock() {
            Some(mut spares) => publish(&mut spares),
            None => publish(&mut Spares::new(self.topic.threshold)),
        }
    }

    pub(super) fn lane(&self, shard: usize) -> Option<&Arc<Lane>> {
        self.lanes[shard].get()
    }

    /// The lanes that are open, with their shards.
    pub(super) fn lanes(&self) -> impl Iterator<Item = (usize, &Arc<Lane>)> {
        self.lanes.iter().enumerate().filter_map(|(shard, lane)| Some((shard, lane.get()?)))
    }

    #[inline]
    pub(super) fn has_staged(&self, shard: usize) -> bool {
        self.lane(shard).is_some_and(|lane| lane.has_staged())
    }
}

/// A copy of the data was published, or the message comes back.
#[inline]
fn copied(
    message: Message,
    committed: Result<MessageId, Refusal>,
) -> Result<MessageId, PublishError<Message>> {
    match committed {
        Ok(id) => {
            let_go(message.data);
            Ok(id)
        }
        Err(refusal) => Err(refusal.of(message)),
    }
}

impl Clone for Publisher {
    /// Another publisher, with limits, paused keys, buffers and a batcher lane of its own, perhaps on another shard.
    fn clone(&self) -> Self {
        Self::with(&self.topic, self.flow.as_ref().map(|flow| flow.another()))
    }
}

impl Drop for Publisher {
    /// What is staged for a shard is published if there is room for all of it now; else it stays staged until a consumer fetches it.
    fn drop(&mut self) {
        for (shard, lane) in self.lanes() {
            lane.drain_if_room(self.topic.shard(shard));
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
