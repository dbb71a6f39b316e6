//! What an enqueued message's publisher gets at once, and its id when the message is readable.

use super::lane::Lane;
use super::refusal::Refusal;
use super::room::Outlook;
use crate::error::PublishError;
use crate::record::MessageId;
use crate::subscription::serving;
use crate::topic::TopicInner;
use ringmain_fanout::Sequence;
use ringmain_ring::sync::{AtomicU64, Ordering, broken, fence, ordering};
use ringmain_ring::{Notify, Sleeper, before_sleep};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// No id yet.
const PENDING: u64 = u64::MAX;
/// Never an id.
pub(super) const CLOSED: u64 = u64::MAX - 2;

/// What the receipts of one batch share.
#[derive(Debug)]
pub(super) struct BatchState {
    /// The number of the batch's first sequence, shifted left by one; or `PENDING`; or `CLOSED`.
    first: AtomicU64,
    resolved: Notify,
}

impl BatchState {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { first: AtomicU64::new(PENDING), resolved: Notify::new() })
    }

    /// A state for the next batch: this one again, if nobody kept a receipt.
    pub(super) fn renew(this: &mut Arc<Self>) {
        match Arc::get_mut(this) {
            Some(state) => state.first = AtomicU64::new(PENDING),
            None => *this = Self::new(),
        }
    }

    /// The batch's first sequence, once it is readable; or that it was refused, since the topic was closed.
    pub(super) fn outcome(&self) -> Option<Result<Sequence, Refusal>> {
        // Acquire: pairs with the release store in `resolve`.
        match self.first.load(ordering("receipt.acquire", Ordering::Acquire)) {
            PENDING => None,
            CLOSED => Some(Err(Refusal::Closed)),
            first => Some(Ok(Sequence::new(first >> 1))),
        }
    }

    pub(super) fn resolve(&self, first: u64) {
        // Release: pairs with the acquire load in `outcome`.
        self.first.store(first, ordering("receipt.release", Ordering::Release));
        if !broken("receipt.in_silence") {
            self.resolved.notify();
        }
    }
}

/// Resolves to the id of an enqueued message, when it is readable: by [`wait`](Self::wait), or by awaiting it.
///
/// Dropping it is fine: the message is published all the same, unless its topic ends before there is room for it. Waiting for it publishes what its publisher has staged. Inside a
/// handler of the topic either says [`PublishError::WouldDeadlock`] when there is no room for the message yet; it stays staged.
#[derive(Debug)]
#[must_use = "drop it if the id is of no interest"]
pub struct Receipt(State);

#[derive(Debug)]
enum State {
    Ready(MessageId),
    Pending(Pending),
}

#[derive(Debug)]
struct Pending {
    batch: Arc<BatchState>,
    lane: Arc<Lane>,
    index: u64,
    /// The task that awaits it, in the lists of all who may wake it.
    sleeper: Option<Arc<Sleeper>>,
    /// Whether publishers wake it as well, since one of them may be in the way.
    hears_publishers: bool,
}

impl Receipt {
    pub(super) fn ready(id: MessageId) -> Self {
        Self(State::Ready(id))
    }

    pub(super) fn pending(batch: &Arc<BatchState>, lane: &Arc<Lane>, index: usize) -> Self {
        Self(State::Pending(Pending {
            batch: Arc::clone(batch),
            lane: Arc::clone(lane),
            index: index as u64,
            sleeper: None,
            hears_publishers: false,
        }))
    }

    /// The id, when the message is readable.
    ///
    /// # Errors
    /// [`PublishError::Closed`] when the topic was closed before the message was published;
    /// [`PublishError::WouldDeadlock`] inside a handler of the topic, when there is no room for the message yet.
    pub fn wait(self) -> Result<MessageId, PublishError<()>> {
        if let Some(outcome) = self.outcome() {
            return outcome;
        }
        if let State::Pending(Pending { lane, batch, .. }) = &self.0
            && let Some(topic) = lane.topic.upgrade()
            && let Err(Refusal::WouldDeadlock) = lane.end_drain(&topic, batch, None, 0)
        {
            return Err(PublishError::WouldDeadlock(()));
        }
        // Resolved by now, under the lane's lock; or the topic is gone, and what was staged with it.
        self.outcome().unwrap_or(Err(PublishError::Closed(())))
    }

    /// Whether the message is readable, or will never be: [`wait`](Self::wait) would return at once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.outcome().is_some()
    }

    fn outcome(&self) -> Option<Result<MessageId, PublishError<()>>> {
        let (batch, lane, index) = match &self.0 {
            State::Ready(id) => return Some(Ok(*id)),
            State::Pending(Pending { batch, lane, index, .. }) => (batch, lane, *index),
        };
        let id = |first: Sequence| MessageId::new(first.plus(index), lane.shard, lane.shards);
        batch.outcome().map(|first| first.map(id).map_err(|refusal| refusal.of(())))
    }
}

impl Future for Receipt {
    type Output = Result<MessageId, PublishError<()>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(outcome) = this.outcome() {
            return Poll::Ready(outcome);
        }
        let State::Pending(pending) = &mut this.0 else { return Poll::Pending };
        let Some(topic) = pending.lane.topic.upgrade() else {
            // What was staged went with it, unless it was published since the look.
            fence("receipt.gone.acquire", Ordering::Acquire);
            return Poll::Ready(this.outcome().unwrap_or(Err(PublishError::Closed(()))));
        };
        // Woken when somebody publishes it, and when there may be room to do so ourselves.
        pending.register(&topic, context.waker());
        pending.try_again(&topic);
        match this.outcome() {
            Some(outcome) => Poll::Ready(outcome),
            // To wait for room inside a handler of the topic is to wait for oneself.
            None if serving::is(&topic) => Poll::Ready(Err(PublishError::WouldDeadlock(()))),
            None => {
                // Where nobody parks, nobody is told of room.
                if !topic.config.wait.parks() {
                    context.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }
}

impl Pending {
    /// Puts the task into the lists of all who may wake it: once, however often it is polled.
    fn register(&mut self, topic: &TopicInner, waker: &Waker) {
        // Woken, it is out of one list, and not of the others.
        if self.sleeper.as_ref().is_some_and(|sleeper| sleeper.wakes(waker) && !sleeper.is_woken()) {
            return;
        }
        self.unregister(Some(topic));
        let sleeper = Sleeper::task(waker);
        self.batch.resolved.register(&sleeper).stay();
        topic.shard(self.lane.shard).channel.room().register(&sleeper).stay();
        self.sleeper = Some(sleeper);
    }

    /// Publishes what is staged if there is room by now; if not, and that is a publisher's doing, he wakes the task as well.
    fn try_again(&mut self, topic: &TopicInner) {
        let shard = topic.shard(self.lane.shard);
        before_sleep();
        let outlook = Outlook::of(shard, self.lane.staged_messages());
        let full = matches!(self.lane.try_drain(topic), Err(Refusal::Full));
        if full && !self.hears_publishers && outlook.was_a_publisher(shard) {
            self.hears_publishers = true;
            if let Some(sleeper) = &self.sleeper {
                shard.channel.data().register(sleeper).stay();
            }
            before_sleep();
            let _ = self.lane.try_drain(topic);
        }
    }

    /// Nobody awaits it any more.
    #[cold]
    fn give_up(&mut self) {
        let topic = self.lane.topic.upgrade();
        self.unregister(topic.as_deref());
    }

    fn unregister(&mut self, topic: Option<&TopicInner>) {
        let Some(sleeper) = self.sleeper.take() else { return };
        self.batch.resolved.unregister(&sleeper);
        let hears_publishers = std::mem::take(&mut self.hears_publishers);
        if let Some(topic) = topic {
            let channel = &topic.shard(self.lane.shard).channel;
            channel.room().unregister(&sleeper);
            if hears_publishers {
                channel.data().unregister(&sleeper);
            }
        }
    }
}

impl Drop for Pending {
    #[inline]
    fn drop(&mut self) {
        if self.sleeper.is_some() {
            self.give_up();
        }
    }
}
