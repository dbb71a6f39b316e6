//! A lane: where one publisher's messages for one shard are staged, to be claimed together.
//!
//! What is staged is behind a lock, under which it is also claimed and published, so that a publisher's messages stay in
//! order whoever drains the lane. See [`batcher`](super::batcher) for who does so when.

use super::flow_control::{Amount, Credit, FlowControl};
use super::ordering::PausedKeys;
use super::payloads::Counted;
use super::receipt::{BatchState, CLOSED, Receipt};
use super::refusal::Refusal;
use super::room::wait_on_room;
use super::spares::Spares;
use crate::external::{LetGoLater, let_go};
use crate::message::Message;
use crate::record::Record;
use crate::topic::{Shard, TopicInner};
use ringmain_fanout::ClaimError;
use ringmain_ring::sync::{AtomicUsize, Ordering, broken, ordering};
use ringmain_ring::{TryLock, TryLockGuard, WakeLater};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// What a message weighs beyond its slot. Nearly all weigh nothing, and staging those is compiled apart.
pub(super) trait Weight {
    /// Whether its publisher has limits.
    const LIMITED: bool;
    /// Its size, if that may be large for the ring.
    fn size(&self) -> usize;
    /// The credit that it has.
    fn credit(self) -> Amount;
}

/// Nothing.
pub(super) struct Light;

impl Weight for Light {
    const LIMITED: bool = false;

    fn size(&self) -> usize {
        0
    }

    fn credit(self) -> Amount {
        Amount::default()
    }
}

pub(super) struct Heavy<'a> {
    pub(super) size: usize,
    /// If its publisher has limits.
    pub(super) credit: Option<Credit<'a>>,
}

impl Weight for Heavy<'_> {
    const LIMITED: bool = true;

    fn size(&self) -> usize {
        self.size
    }

    fn credit(self) -> Amount {
        self.credit.map_or(Amount::default(), Credit::hand_over)
    }
}

#[derive(Debug)]
pub(crate) struct Lane {
    staged: TryLock<Staged>,
    /// How many are staged; written under the lock, read by consumers without it.
    count: AtomicUsize,
    pub(super) shard: usize,
    pub(super) shards: usize,
    pub(super) topic: Weak<TopicInner>,
    /// Its publisher's.
    flow: Option<Arc<FlowControl>>,
    keys: Arc<PausedKeys>,
}

#[derive(Debug)]
struct Staged {
    records: Vec<Record>,
    bytes: usize,
    /// Of the payloads, the bytes that the ring counts.
    large: usize,
    /// What is given back when they are published or refused.
    credit: Amount,
    batch: Arc<BatchState>,
    /// Something that was staged was not published, since the channel was closed.
    refused: bool,
    spares: Spares,
}

#[derive(Debug)]
enum Drained {
    Everything,
    /// What is staged is of this batch.
    NoRoom(Arc<BatchState>),
    Closed,
}

impl Lane {
    pub(super) fn new(
        topic: &Arc<TopicInner>,
        shard: usize,
        flow: Option<Arc<FlowControl>>,
        keys: &Arc<PausedKeys>,
    ) -> Self {
        let staged = Staged {
            records: Vec::with_capacity(topic.largest_batch()),
            bytes: 0,
            large: 0,
            credit: Amount::default(),
            batch: BatchState::new(),
            refused: false,
            spares: Spares::new(topic.threshold),
        };
        Self {
            staged: TryLock::new(staged),
            count: AtomicUsize::new(0),
            shard,
            shards: topic.config.shards,
            topic: Arc::downgrade(topic),
            flow,
            keys: Arc::clone(keys),
        }
    }

    #[inline]
    pub(super) fn has_staged(&self) -> bool {
        // Acquire: pairs with the release store in `emptied`, so that a publisher which finds nothing staged claims
        // behind what was.
        self.count.load(ordering("lane.count.acquire", Ordering::Acquire)) != 0
    }

    pub(super) fn staged_messages(&self) -> u64 {
        self.count.load(Ordering::Relaxed) as u64
    }

    /// Whether the next message may wait here: others do, or nobody wants it now.
    #[inline]
    pub(super) fn may_gather(&self, shard: &Shard) -> bool {
        self.has_staged() || !shard.lanes.wants(shard)
    }

    /// Stages a message; publishes all that is staged when that fills a batch, or somebody has nothing to read, or waits
    /// for credit.
    #[inline]
    pub(super) fn enqueue<W: Weight>(
        self: &Arc<Self>,
        topic: &TopicInner,
        message: Message,
        weight: W,
    ) -> Result<Receipt, (Refusal, Message)> {
        let shard = topic.shard(self.shard);
        let bytes = message.size();
        let large = shard.payloads.large(weight.size());
        let mut staged = loop {
            let staged = self.staged.lock();
            let count = staged.records.len();
            let over = count >= topic.largest_batch()
                || staged.bytes + bytes > topic.config.batch_bytes
                || (large > 0 && !shard.payloads.fits(staged.large + large));
            if !over || count == 0 {
                break staged;
            }
            drop(staged);
            if let Err(refusal) = self.drain_until(topic, None, 1) {
                return Err((refusal, message));
            }
        };
        // Under the lock: either this sees the refusal, or whoever flushes or closes comes after it and sees the message.
        if topic.is_closed() {
            return Err((Refusal::Closed, message));
        }
        if large > 0 {
            topic.is_no_longer_plain(); // what is counted is looked at when its slot is used again, to be counted out
        }
        let (record, copied) = staged.spares.record_or_copy(message, topic, topic.publish_time());
        staged.records.push(record);
        staged.bytes += bytes;
        staged.large += large;
        staged.credit = staged.credit.plus(weight.credit());
        let count = staged.records.len();
        let receipt = Receipt::pending(&staged.batch, self, count - 1);
        self.count.store(count, Ordering::Relaxed);
        if count == 1 {
            shard.lanes.filled();
        }
        let full = count >= topic.largest_batch() || staged.bytes >= topic.config.batch_bytes;
        drop(staged);
        if full {
            // Closed meanwhile: the receipt says so. Inside a handler that would wait for itself: whoever reads next
            // fetches it.
            if matches!(self.drain_until(topic, None, 0), Err(Refusal::WouldDeadlock)) {
                self.stays(shard, count);
            }
        } else {
            // Without room, whoever wants it fetches it when there is some; and so does who waits for credit.
            let wanted = shard.lanes.wants(shard) && !broken("enqueue.no_second_look");
            let waits = |flow: &&Arc<FlowControl>| flow.is_waited_for() && !broken("flow.staged_in_silence");
            let flow = self.flow.as_ref().filter(|flow| W::LIMITED && waits(flow));
            if (wanted || flow.is_some()) && matches!(self.try_drain(topic), Err(Refusal::Full)) {
                self.stays(shard, count);
                if let Some(flow) = flow {
                    flow.nudge();
                }
            }
        }
        copied.into_iter().for_each(let_go);
        Ok(receipt)
    }

    /// What was staged stays so, for want of room. If it is the first, those who sleep for data have not seen anything staged
    /// here: they look again, and from then on sleep for room as well.
    #[cold]
    fn stays(&self, shard: &Shard, count: usize) {
        if count == 1 && !broken("enqueue.stays_in_silence") {
            shard.channel.data().notify();
        }
    }

    /// Publishes everything staged if there is room now.
    pub(super) fn try_drain(&self, topic: &TopicInner) -> Result<(), Refusal> {
        self.begin_drain(topic).and_then(|waiting| waiting.map_or(Ok(()), |_| Err(Refusal::Full)))
    }

    /// Publishes everything staged if there is room now. Else it is of the batch that this returns, for
    /// [`end_drain`](Self::end_drain).
    pub(super) fn begin_drain(&self, topic: &TopicInner) -> Result<Option<Arc<BatchState>>, Refusal> {
        match self.drain(self.staged.lock(), topic.shard(self.shard)) {
            Drained::Everything => Ok(None),
            Drained::NoRoom(batch) => Ok(Some(batch)),
            Drained::Closed => Err(Refusal::Closed),
        }
    }

    /// Publishes everything staged, waiting for room no longer than to `deadline`; but not for what is staged meanwhile. The
    /// caller has credit for so many messages that are not staged.
    pub(super) fn drain_until(
        &self,
        topic: &TopicInner,
        deadline: Option<Instant>,
        messages: u64,
    ) -> Result<(), Refusal> {
        match self.begin_drain(topic)? {
            Some(batch) => self.end_drain(topic, &batch, deadline, messages),
            None => Ok(()),
        }
    }

    /// Waits until this batch of the lane is published, by whomever. Waits without the lock, since a consumer may drain the
    /// lane meanwhile, and others may stage what is of the next batch.
    pub(super) fn end_drain(
        &self,
        topic: &TopicInner,
        batch: &BatchState,
        deadline: Option<Instant>,
        messages: u64,
    ) -> Result<(), Refusal> {
        // In this order: whoever has drained the lane before us has resolved the batch by then.
        let done = || !matches!(self.try_drain(topic), Err(Refusal::Full)) || batch.outcome().is_some();
        if !done() {
            wait_on_room(topic, self.shard, deadline, self.flow.as_deref(), messages, done)?;
        }
        batch.outcome().unwrap_or(Err(Refusal::Full)).map(drop)
    }

    /// Publishes everything staged, if there is room; says whether. `None`: somebody else is at it.
    pub(super) fn drain_if_room(&self, shard: &Shard) -> Option<bool> {
        self.staged.try_lock().map(|staged| matches!(self.drain(staged, shard), Drained::Everything))
    }

    /// The channel is closed: refuses what is still staged.
    pub(super) fn give_up(&self, shard: &Shard) {
        self.drain(self.staged.lock(), shard);
    }

    /// Publishes everything staged in one claim, if there is room for all of it.
    fn drain(&self, staged: TryLockGuard<'_, Staged>, shard: &Shard) -> Drained {
        // Whoever is woken may enqueue here at once, and so may the owner of a payload that goes: so neither before the lane is
        // given free, which is first.
        let _payloads = LetGoLater::begin();
        let _wakers = WakeLater::begin();
        let mut staged = staged;
        let Staged { records, large, spares, .. } = &mut *staged;
        if records.is_empty() {
            return if staged.refused { Drained::Closed } else { Drained::Everything };
        }
        let slots = records.len() as u64;
        let places = shard.payloads.places_of(records, *large > 0);
        let claimed = count(shard, slots, *large).and_then(|counted| match shard.channel.try_claim(slots) {
            Ok(claim) => Ok((claim, counted)),
            Err(error) => {
                // Nobody is to wait for bytes that only this lane can publish.
                counted.into_iter().for_each(Counted::take_back);
                Err(error)
            }
        });
        let (mut claim, counted) = match claimed {
            Ok(claimed) => claimed,
            Err(ClaimError::Closed) => {
                self.refuse(&mut staged, shard);
                return Drained::Closed;
            }
            Err(_) => return Drained::NoRoom(Arc::clone(&staged.batch)),
        };
        let first = claim.start();
        claim.swap_all(records);
        claim.publish();
        for old in records.drain(..) {
            shard.left(spares.put(old));
        }
        if let Some(counted) = counted {
            counted.published(places.into_iter().map(|(index, size)| (first.plus(index), size)));
        }
        self.emptied(&mut staged, shard);
        staged.batch.resolve(first.number() << 1);
        BatchState::renew(&mut staged.batch);
        Drained::Everything
    }

    /// Nothing staged will be published.
    #[cold]
    fn refuse(&self, staged: &mut Staged, shard: &Shard) {
        for record in staged.records.drain(..) {
            // (Not as a message: the owner of its payload may panic, and is nobody's business here.)
            if let Some(key) = record.ordering_key() {
                self.keys.pause(key);
            }
            if broken("refuse.as_messages") {
                drop(record.into_message());
            }
        }
        self.emptied(staged, shard);
        staged.refused = true;
        staged.batch.resolve(CLOSED);
        staged.batch = BatchState::new();
    }

    /// Nothing is staged any more. Its credit comes back before its receipts resolve.
    fn emptied(&self, staged: &mut Staged, shard: &Shard) {
        (staged.bytes, staged.large) = (0, 0);
        // Release: pairs with the acquire load in `has_staged`.
        self.count.store(0, ordering("lane.count.release", Ordering::Release));
        shard.lanes.emptied();
        if let Some(flow) = &self.flow {
            let credit = std::mem::take(&mut staged.credit);
            flow.give_back(if broken("lane.credit_kept") { Amount::default() } else { credit });
        }
    }
}

/// Counts `large` bytes that are about to be published in so many slots, if they are any.
fn count(shard: &Shard, slots: u64, large: usize) -> Result<Option<Counted<'_>>, ClaimError> {
    if large == 0 {
        return Ok(None);
    }
    // Looked at first, lest counting makes padding for nothing.
    if !shard.channel.is_closed() && shard.room(false) < slots {
        return Err(ClaimError::Full);
    }
    shard.count(large, slots)?;
    Ok(Some(Counted::new(shard, large)))
}

#[cfg(test)]
mod tests {
    use crate::{Engine, Message, Overflow, SubscriptionConfig, TopicConfig};

    /// A publisher that is stopped after its claim keeps it from the last slot of the lap, for a moment.
    #[test]
    fn nobody_waits_for_bytes_of_what_a_lane_cannot_publish() {
        let engine = Engine::new();
        let config = TopicConfig::default().ring_slots(4).ring_bytes(8_000);
        let topic = engine.create_topic("topic", config).unwrap();
        let lossy = SubscriptionConfig::default().overflow(Overflow::DropOldest);
        let _subscription = topic.create_subscription("sub", lossy).unwrap();
        let (one, two) = (topic.publisher(), topic.publisher());
        let claim = topic.inner().shard(0).channel.try_claim(1).unwrap();
        (0..3).for_each(|_| _ = two.try_publish(Message::new("x")).unwrap());
        let receipt = one.enqueue(Message::new(vec![1; 3_000])).unwrap();
        assert!(!receipt.is_ready(), "it is staged");
        claim.publish();
        two.try_publish(Message::new(vec![2; 3_000])).unwrap();
    }
}
