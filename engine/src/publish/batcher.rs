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

use super::lane::Lane;
use super::padding::Padding;
use super::refusal::Refusal;
use crate::external::LetGoLater;
use crate::record::Record;
use crate::subscription::serving;
use crate::topic::{Shard, TopicInner};
use arc_swap::ArcSwap;
use ringmain_fanout::Channel;
use ringmain_ring::sync::{AtomicBool, AtomicUsize, Ordering, broken, fence, spin_hint};
use std::sync::Arc;
use std::time::Instant;

/// The lanes of a shard, and whether one of its consumers has nothing to read.
#[derive(Debug)]
pub(crate) struct Lanes {
    hungry: AtomicBool,
    /// How many lanes have messages staged: one load tells a consumer that there is nothing to fetch.
    staged: AtomicUsize,
    lanes: ArcSwap<Vec<Arc<Lane>>>,
    /// Here since consumers come by here when they have read something.
    pub(crate) padding: Padding,
}

impl Lanes {
    pub(crate) fn new(channel: &Channel<Record>) -> Self {
        // Hungry until somebody has a backlog, so that an idle topic publishes at once.
        Self {
            hungry: AtomicBool::new(true),
            staged: AtomicUsize::new(0),
            lanes: ArcSwap::from_pointee(Vec::new()),
            padding: Padding::new(channel),
        }
    }

    /// A consumer found nothing to read: drains what is staged. Returns whether that was anything.
    pub(crate) fn run_dry(&self, shard: &Shard, topic: &TopicInner) -> bool {
        if !self.hungry.load(Ordering::Relaxed) {
            self.hungry.store(true, Ordering::Relaxed);
        }
        self.has_staged() && self.drain_all(shard, topic)
    }

    #[cold]
    fn drain_all(&self, shard: &Shard, topic: &TopicInner) -> bool {
        let payloads = LetGoLater::begin();
        let mut drained = false;
        for lane in &**self.lanes.load() {
            if lane.has_staged() {
                drained |= lane.drain_if_room(shard).unwrap_or_else(|| {
                    // Somebody is at it: worth another look, in a moment.
                    spin_hint();
                    true
                });
            }
        }
        serving::let_go(payloads, topic);
        drained
    }

    /// Publishes what is staged in each lane, if there is room for all of that now. Waits for whoever is at a lane, which takes a
    /// moment, and for nothing else.
    pub(crate) fn drain_staged(&self, topic: &TopicInner) {
        self.drain_each(topic, |lane| lane.try_drain(topic));
    }

    /// Publishes what is staged, waiting for room no longer than to `deadline`.
    pub(crate) fn flush(&self, topic: &TopicInner, deadline: Option<Instant>) {
        self.drain_each(topic, |lane| lane.drain_until(topic, deadline, 0));
    }

    fn drain_each(&self, topic: &TopicInner, drain: impl Fn(&Lane) -> Result<(), Refusal>) {
        for lane in &**self.lanes.load() {
            // (When new messages are refused, under each lane's lock: one that was not may be being staged there just now.)
            if lane.has_staged() || topic.is_closed() {
                // Full: it is too late. Closed: its receipts say so.
                let _ = drain(lane);
            }
        }
    }

    /// The channel is closed: receipts of what is still staged say so.
    pub(crate) fn give_up(&self, shard: &Shard) {
        for lane in &**self.lanes.load() {
            lane.give_up(shard);
        }
    }

    /// A consumer found something to read.
    #[inline]
    pub(crate) fn run_busy(&self) {
        if self.hungry.load(Ordering::Relaxed) {
            self.hungry.store(false, Ordering::Relaxed);
        }
        self.padding.moved();
    }

    /// Whether a message is staged. For a consumer's last look before it sleeps, too.
    pub(crate) fn has_staged(&self) -> bool {
        // Relaxed: a publisher counts its lane before it fences, and fences before it relies on being seen.
        self.staged.load(Ordering::Relaxed) != 0 && !broken("lanes.no_last_look")
    }

    /// A lane has messages staged that had none.
    pub(super) fn filled(&self) {
        self.staged.fetch_add(1, Ordering::Relaxed);
    }

    /// A lane has none staged any more.
    pub(super) fn emptied(&self) {
        self.staged.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a consumer has nothing to read. Asked after staging.
    pub(super) fn wants(&self, shard: &Shard) -> bool {
        // The fence inside `has_sleepers` comes after the staging, and before both looks.
        shard.channel.data().has_sleepers() || self.hungry.load(Ordering::Relaxed)
    }

    /// Opens a publisher's lane. Lanes whose publishers are gone, and which are empty, go.
    pub(super) fn open(&self, lane: Lane) -> Arc<Lane> {
        let lane = Arc::new(lane);
        self.lanes.rcu(|lanes| {
            let in_use = |lane: &&Arc<Lane>| {
                let has_publisher = Arc::strong_count(lane) > 1;
                // Acquire: pairs with the release with which the publisher let go of it, after it had staged what it had.
                fence("lanes.swept.acquire", Ordering::Acquire);
                has_publisher || lane.has_staged()
            };
            let mut next: Vec<_> = lanes.iter().filter(in_use).cloned().collect();
            next.push(Arc::clone(&lane));
            next
        });
        lane
    }
}
