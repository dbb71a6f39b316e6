//! Batching without a timer, driven by demand.
//!
//! A publisher that enqueues while every consumer has a backlog stages the message in its *lane*. A consumer that runs
//! dry says so (`hungry`) and drains the lanes itself before it spins or sleeps. So a lone message on an idle topic is
//! published at once; at saturation messages gather and are claimed together; and the tail never waits for the next
//! publish, because whoever wants it fetches it. (Measured against the alternatives: docs/decisions/0008.)
//!
//! Draining is a role, held through the lane's lock, so enqueuing is not lock-free: while a consumer drains a lane, its
//! publisher spins. The claim is made under that lock, which keeps a publisher's messages in order.
//!
//! # Why nothing is left behind
//!
//! The publisher stages, then fences lightly, then looks whether somebody is hungry or asleep. A consumer that is about
//! to sleep registers, fences heavily, then looks at the lanes once more. One fence comes first: either the publisher
//! sees the sleeper and drains, or the consumer sees the message. A consumer that polls looks at the lanes on every
//! poll in vain.

use super::receipt::{BatchState, CLOSED, Receipt};
use super::spares::Spares;
use crate::error::PublishError;
use crate::message::Message;
use crate::record::Record;
use crate::subscription::serving;
use crate::topic::{Shard, TopicInner};
use arc_swap::ArcSwap;
use ringmain_fanout::ClaimError;
use ringmain_ring::sync::{AtomicBool, AtomicUsize, Ordering, broken, ordering, spin_hint};
use ringmain_ring::{TryLock, TryLockGuard, spin_until, wait_any};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// The lanes of a shard, and whether one of its consumers has nothing to read.
#[derive(Debug)]
pub(crate) struct Lanes {
    hungry: AtomicBool,
    /// How many lanes have messages staged: one load tells a consumer that there is nothing to fetch.
    staged: AtomicUsize,
    lanes: ArcSwap<Vec<Arc<Lane>>>,
}

impl Lanes {
    pub(crate) fn new() -> Self {
        // Hungry until somebody has a backlog, so that an idle topic publishes at once.
        Self {
            hungry: AtomicBool::new(true),
            staged: AtomicUsize::new(0),
            lanes: ArcSwap::from_pointee(Vec::new()),
        }
    }

    /// A consumer found nothing to read: drains what is staged. Returns whether that was anything.
    pub(crate) fn run_dry(&self, shard: &Shard) -> bool {
        if !self.hungry.load(Ordering::Relaxed) {
            self.hungry.store(true, Ordering::Relaxed);
        }
        self.has_staged() && self.drain_all(shard)
    }

    #[cold]
    fn drain_all(&self, shard: &Shard) -> bool {
        let mut drained = false;
        for lane in &**self.lanes.load() {
            if lane.has_staged() {
                drained |= match lane.staged.try_lock() {
                    Some(staged) => lane.drain(staged, shard) == Drained::Everything,
                    None => {
                        // Somebody is at it: worth another look, in a moment.
                        spin_hint();
                        true
                    }
                };
            }
        }
        drained
    }

    /// Publishes what is staged, waiting for room no longer than to `deadline`.
    pub(crate) fn flush(&self, topic: &TopicInner, deadline: Option<Instant>) {
        for lane in &**self.lanes.load() {
            if lane.has_staged() {
                // Full: it is too late. Closed: its receipts say so.
                drop(lane.drain_until(topic, deadline));
            }
        }
    }

    /// The channel is closed: receipts of what is still staged say so.
    pub(crate) fn give_up(&self, shard: &Shard) {
        for lane in &**self.lanes.load() {
            lane.drain(lane.staged.lock(), shard);
        }
    }

    /// A consumer found something to read.
    #[inline]
    pub(crate) fn run_busy(&self) {
        if self.hungry.load(Ordering::Relaxed) {
            self.hungry.store(false, Ordering::Relaxed);
        }
    }

    /// Whether a message is staged. For a consumer's last look before it sleeps, too.
    pub(crate) fn has_staged(&self) -> bool {
        // Relaxed: a publisher counts its lane before it fences, and fences before it relies on being seen.
        self.staged.load(Ordering::Relaxed) != 0 && !broken("lanes.no_last_look")
    }

    fn wants(&self, shard: &Shard) -> bool {
        // The fence inside `has_sleepers` comes after the staging, and before both looks.
        shard.channel.data().has_sleepers() || self.hungry.load(Ordering::Relaxed)
    }

    /// A lane for a publisher. Lanes whose publishers are gone, and which are empty, go.
    pub(crate) fn open(&self, topic: &Arc<TopicInner>, shard: usize) -> Arc<Lane> {
        let lane = Arc::new(Lane::new(topic, shard));
        self.lanes.rcu(|lanes| {
            let in_use = |lane: &&Arc<Lane>| Arc::strong_count(lane) > 1 || lane.has_staged();
            let mut next: Vec<_> = lanes.iter().filter(in_use).cloned().collect();
            next.push(Arc::clone(&lane));
            next
        });
        lane
    }
}

/// Where one publisher's messages for one shard wait to be claimed together.
#[derive(Debug)]
pub(crate) struct Lane {
    staged: TryLock<Staged>,
    /// How many are staged; written under the lock, read by consumers without it.
    count: AtomicUsize,
    pub(super) shard: usize,
    pub(super) shards: usize,
    pub(super) topic: Weak<TopicInner>,
}

#[derive(Debug)]
struct Staged {
    records: Vec<Record>,
    bytes: usize,
    batch: Arc<BatchState>,
    spares: Spares,
}

#[derive(Debug, PartialEq, Eq)]
enum Drained {
    Everything,
    NoRoom,
    Closed,
}

impl Lane {
    fn new(topic: &Arc<TopicInner>, shard: usize) -> Self {
        let staged = Staged {
            records: Vec::with_capacity(topic.largest_batch()),
            bytes: 0,
            batch: BatchState::new(),
            spares: Spares::default(),
        };
        Self {
            staged: TryLock::new(staged),
            count: AtomicUsize::new(0),
            shard,
            shards: topic.config.shards,
            topic: Arc::downgrade(topic),
        }
    }

    #[inline]
    pub(crate) fn has_staged(&self) -> bool {
        // Acquire: pairs with the release store in `drain`, so that a publisher which finds nothing staged claims
        // behind what was.
        self.count.load(ordering("lane.count.acquire", Ordering::Acquire)) != 0
    }

    /// Whether the next message may wait here: others do, or nobody wants it now.
    #[inline]
    pub(crate) fn may_gather(&self, shard: &Shard) -> bool {
        self.has_staged() || !shard.lanes.wants(shard)
    }

    /// Stages a message; publishes all that is staged when that fills a batch, or somebody has nothing to read.
    pub(crate) fn enqueue(
        self: &Arc<Self>,
        topic: &TopicInner,
        message: Message,
    ) -> Result<Receipt, PublishError<Message>> {
        let shard = topic.shard(self.shard);
        let bytes = message.data.len();
        let mut staged = loop {
            let staged = self.staged.lock();
            let count = staged.records.len();
            let over = count >= topic.largest_batch() || staged.bytes + bytes > topic.config.batch_bytes;
            if !over || count == 0 {
                break staged;
            }
            drop(staged);
            if let Err(error) = self.drain_until(topic, None) {
                return Err(error.map(|()| message));
            }
        };
        // Under the lock: either this sees the close, or `give_up` comes after it and sees the message.
        if shard.channel.is_closed() {
            return Err(PublishError::Closed(message));
        }
        let draft = staged.spares.take(0);
        staged.records.push(Record::from_message(draft, message, topic.publish_time()));
        staged.bytes += bytes;
        let count = staged.records.len();
        let receipt = Receipt::pending(&staged.batch, self, count - 1);
        self.count.store(count, Ordering::Relaxed);
        if count == 1 {
            shard.lanes.staged.fetch_add(1, Ordering::Relaxed);
        }
        let full = count >= topic.largest_batch() || staged.bytes >= topic.config.batch_bytes;
        drop(staged);
        if full || (shard.lanes.wants(shard) && !broken("enqueue.no_second_look")) {
            // Closed meanwhile: the receipt says so. Inside a handler that would wait for itself: whoever reads next
            // fetches it.
            drop(self.drain_until(topic, None));
        }
        Ok(receipt)
    }

    /// Publishes everything staged if there is room now.
    pub(crate) fn try_drain(&self, topic: &TopicInner) -> Result<(), PublishError<()>> {
        match self.drain(self.staged.lock(), topic.shard(self.shard)) {
            Drained::Everything => Ok(()),
            Drained::NoRoom => Err(PublishError::Full(())),
            Drained::Closed => Err(PublishError::Closed(())),
        }
    }

    /// Publishes everything staged, waiting for room no longer than to `deadline`. Waits without the lock, since a
    /// consumer may drain the lane meanwhile.
    pub(crate) fn drain_until(
        &self,
        topic: &TopicInner,
        deadline: Option<Instant>,
    ) -> Result<(), PublishError<()>> {
        let mut outcome = self.try_drain(topic);
        if matches!(outcome, Err(PublishError::Full(()))) {
            if serving::is(topic) {
                return Err(PublishError::WouldDeadlock(()));
            }
            let mut done = || {
                outcome = self.try_drain(topic);
                !matches!(outcome, Err(PublishError::Full(())))
            };
            let channel = &topic.shard(self.shard).channel;
            // Room comes from readers, and from whoever publishes what is claimed.
            let _ = spin_until(channel.wait_strategy(), deadline, &mut done)
                || wait_any(&[channel.room(), channel.data()], deadline, &mut done);
        }
        outcome
    }

    /// Publishes everything staged, if there is room and nobody else is at it.
    pub(crate) fn drain_if_room(&self, shard: &Shard) {
        if let Some(staged) = self.staged.try_lock() {
            self.drain(staged, shard);
        }
    }

    /// Publishes everything staged in one claim, if there is room for all of it.
    fn drain(&self, mut staged: TryLockGuard<'_, Staged>, shard: &Shard) -> Drained {
        let Staged { records, bytes, batch, spares } = &mut *staged;
        if records.is_empty() {
            return Drained::Everything;
        }
        let mut claim = match shard.channel.try_claim(records.len() as u64) {
            Ok(claim) => claim,
            Err(ClaimError::Closed) => {
                records.clear();
                *bytes = 0;
                self.emptied(shard);
                batch.resolve(CLOSED);
                *batch = BatchState::new();
                return Drained::Closed;
            }
            Err(_) => return Drained::NoRoom,
        };
        let first = claim.start();
        claim.swap_all(records);
        claim.publish();
        // What came back is looked at only now: to drop it may run code of its owner's.
        records.drain(..).for_each(|old| spares.put(old));
        *bytes = 0;
        self.emptied(shard);
        batch.resolve(first.number() << 1);
        BatchState::renew(batch);
        Drained::Everything
    }

    fn emptied(&self, shard: &Shard) {
        // Release: pairs with the acquire load in `has_staged`.
        self.count.store(0, ordering("lane.count.release", Ordering::Release));
        shard.lanes.staged.fetch_sub(1, Ordering::Relaxed);
    }
}
