//! Publishing that does not wait to be readable: `enqueue`, and `flush`.

use super::flow_control::Amount;
use super::lane::{Heavy, Lane, Light, Weight};
use super::publisher::Publisher;
use super::receipt::Receipt;
use super::refusal::{Refusal, Wait};
use crate::error::PublishError;
use crate::message::Message;
use std::sync::Arc;

impl Publisher {
    /// Hands `message` to the batcher and returns at once. While every consumer has something to read, messages gather and
    /// are claimed together; see [`flush`](Self::flush).
    ///
    /// It waits in two cases: for room, when the ring is full and so is the batch that the publisher gathers for it
    /// (by [`batch_messages`](crate::TopicConfig::batch_messages), at most half of the ring, or by its bytes); and for credit, when
    /// the publisher has a limit and [`LimitExceeded::Block`](crate::LimitExceeded::Block). In a task, use [`publish_async`](Self::publish_async), which
    /// waits for either without a thread.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), with the message. [`PublishError::Closed`] also comes by the receipt, when the topic is
    /// closed before the message is published.
    pub fn enqueue(&self, message: Message) -> Result<Receipt, PublishError<Message>> {
        if let Err(reason) = message.check() {
            return Err(self.failed(PublishError::Invalid { message, reason }));
        }
        let Some(shard) = self.route(message.ordering_key.as_deref()) else {
            return Err(PublishError::OrderingKeyPaused(message));
        };
        let size = message.size();
        let enqueued = if size > self.ordinary {
            self.enqueue_heavy(shard, message, size)
        } else {
            self.enqueue_admitted(shard, message, Light)
        };
        enqueued.map_err(|error| self.failed(error))
    }

    #[cold]
    fn enqueue_heavy(
        &self,
        shard: usize,
        message: Message,
        size: usize,
    ) -> Result<Receipt, PublishError<Message>> {
        let _payloads = self.payloads_after_credit();
        let credit = |flow| self.credit(flow, Amount::new(1, size), Wait::Forever);
        match self.flow.as_deref().map(credit).transpose() {
            Ok(credit) => self.enqueue_admitted(shard, message, Heavy { size, credit }),
            Err(refusal) => Err(refusal.of(message)),
        }
    }

    /// Enqueues a good message for which there is credit, in its weight.
    #[inline]
    fn enqueue_admitted<W: Weight>(
        &self,
        shard: usize,
        message: Message,
        weight: W,
    ) -> Result<Receipt, PublishError<Message>> {
        match self.gathering(shard) {
            None => match self.publish_admitted(shard, message, Wait::Never) {
                Err(PublishError::Full(message)) => self.enqueue_behind(shard, message, weight),
                published => published.map(Receipt::ready),
            },
            Some(lane) => {
                lane.enqueue(&self.topic, message, weight).map_err(|(refusal, message)| refusal.of(message))
            }
        }
    }

    /// Somebody wants the message, and there is no room for it: it waits in the lane, and whoever wants it fetches it.
    #[cold]
    fn enqueue_behind<W: Weight>(
        &self,
        shard: usize,
        message: Message,
        weight: W,
    ) -> Result<Receipt, PublishError<Message>> {
        match self.lane(shard) {
            // (With its credit, until it is published.)
            None => self.publish_admitted(shard, message, Wait::Forever).map(Receipt::ready),
            Some(lane) => {
                lane.enqueue(&self.topic, message, weight).map_err(|(refusal, message)| refusal.of(message))
            }
        }
    }

    /// The lane of a shard, if a message may wait in it. (With no subscription left, nobody would ever fetch it.)
    #[inline]
    fn gathering(&self, shard: usize) -> Option<&Arc<Lane>> {
        let here = &self.topic.stored()?[shard];
        let open = || here.lanes.open(Lane::new(&self.topic, shard, self.flow.clone(), &self.keys));
        let lane = self.lanes[shard].get_or_init(open);
        lane.may_gather(here).then_some(lane)
    }

    /// Returns when everything enqueued on this publisher before is readable; at once when there is nothing.
    ///
    /// # Errors
    /// [`PublishError::Closed`] when the topic was closed before all of it was; [`PublishError::WouldDeadlock`] inside a
    /// handler of the topic when there is no room.
    pub fn flush(&self) -> Result<(), PublishError<()>> {
        self.flush_lanes().map_err(|refusal| refusal.of(()))
    }

    /// Publishes everything that was enqueued before; it does not wait for what is enqueued meanwhile, so all lanes are looked
    /// at first.
    fn flush_lanes(&self) -> Result<(), Refusal> {
        let mut waiting = Vec::new();
        // (On a closed topic: what was staged and refused.)
        for (_, lane) in self.lanes().filter(|(_, lane)| lane.has_staged() || self.topic.is_closed()) {
            if let Some(batch) = lane.begin_drain(&self.topic)? {
                waiting.push((lane, batch));
            }
        }
        waiting.into_iter().try_for_each(|(lane, batch)| lane.end_drain(&self.topic, &batch, None, 0))
    }
}
