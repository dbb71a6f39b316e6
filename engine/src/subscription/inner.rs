//! A subscription: its position on every shard, its leases, what came back, and its counters.

use super::credit::Credit;
use super::delivery::Delivery;
use super::housekeeper::Housekeeper;
use super::redelivery::Redelivery;
use crate::clock::nanos;
use crate::config::SubscriptionConfig;
use crate::error::RecvError;
use crate::record::{Held, MessageId, Received, Record};
use crate::stats::{Counters, add};
use crate::topic::{Shard, TopicInner};
use ringmain_fanout::{Overflow, ReceiveError, Receiver};
use ringmain_ring::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering, heavy_fence, light_fence};
use ringmain_ring::{Notify, Slab, spin_until, wait_any};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// How a delivery keeps its subscription alive: a count of its own, one of several, since the one who receives counts up
/// while the one who acks counts down, and a single count would travel between them with every message.
pub(crate) type Owner = Arc<Arc<SubscriptionInner>>;

/// What a lease holds: enough to deliver the message again.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) message: Received,
    pub(crate) attempt: u32,
}

#[derive(Debug)]
pub(crate) struct SubscriptionInner {
    pub(crate) name: String,
    pub(crate) config: SubscriptionConfig,
    pub(crate) topic: Arc<TopicInner>,
    /// One a shard.
    pub(crate) receivers: Box<[Receiver<Record>]>,
    /// Which shard to take from next.
    next: AtomicUsize,
    /// How much credit calls to `receive` have reserved that are under way.
    pub(super) receiving: AtomicUsize,
    /// A gap that was met behind messages, and is still to be told.
    lagged: AtomicU64,
    pub(crate) leases: Slab<Lease>,
    pub(crate) held: Redelivery,
    pub(crate) counters: Counters,
    /// No lease ends before this, on the engine's clock.
    due: AtomicU64,
    expiring: AtomicBool,
    /// Notified when something is held, or credit came back, or the subscription was shut.
    pub(crate) changed: Notify,
    pub(super) shut: AtomicBool,
    /// What was unread when it was shut.
    pub(super) given_up: AtomicU64,
    housekeeper: OnceLock<Arc<Housekeeper>>,
}

impl SubscriptionInner {
    pub(crate) fn new(
        name: &str,
        config: SubscriptionConfig,
        topic: &Arc<TopicInner>,
        shards: &[Shard],
    ) -> Arc<Self> {
        let receiver = |shard: &Shard| match config.overflow {
            Overflow::Block => shard.channel.named_receiver(name),
            lossy => shard.channel.receiver_with(name, lossy),
        };
        Arc::new(Self {
            name: name.to_owned(),
            topic: Arc::clone(topic),
            receivers: shards.iter().map(receiver).collect(),
            config,
            next: AtomicUsize::new(0),
            receiving: AtomicUsize::new(0),
            lagged: AtomicU64::new(0),
            leases: Slab::new(),
            held: Redelivery::default(),
            counters: Counters::default(),
            due: AtomicU64::new(u64::MAX),
            expiring: AtomicBool::new(false),
            changed: Notify::new(),
            shut: AtomicBool::new(false),
            given_up: AtomicU64::new(0),
            housekeeper: OnceLock::new(),
        })
    }

    pub(crate) fn set_housekeeper(&self, housekeeper: &Arc<Housekeeper>) {
        self.housekeeper.get_or_init(|| Arc::clone(housekeeper));
    }

    /// Takes up to `max` messages under lease and gives them to `deliver`. Never waits. Returns how many there were.
    pub(crate) fn receive(
        &self,
        owner: &Owner,
        max: usize,
        mut deliver: impl FnMut(Delivery),
    ) -> Result<usize, RecvError> {
        let time = self.topic.clock.now();
        if time >= self.due.load(Ordering::Relaxed) {
            self.expire_at(time);
        }
        let credit = Credit::reserve(self, max);
        let max = credit.granted;
        let deadline = time + nanos(self.config.ack_deadline);
        let mut count = self.redeliver(owner, max, deadline, &mut deliver);
        if count < max {
            let lease = |message| self.lease(owner, message, 1, deadline);
            let taken = self.take(max - count, count > 0, |message| deliver(lease(message)));
            self.held.ring_had_turn();
            count += taken?;
            if count == 0 {
                count = self.redeliver(owner, max, deadline, &mut deliver);
            }
        }
        add(&self.counters.delivered, count as u64);
        Ok(count)
    }

    /// Delivers at most `max` of what came back. Returns how many there were.
    #[inline]
    fn redeliver(
        &self,
        owner: &Owner,
        max: usize,
        deadline: u64,
        deliver: &mut impl FnMut(Delivery),
    ) -> usize {
        let mut count = 0;
        while count < max
            && let Some(Held { message, attempt }) = self.held.next_of_round()
        {
            deliver(self.lease(owner, message, attempt, deadline));
            count += 1;
        }
        add(&self.counters.redelivered, count as u64);
        count
    }

    #[inline]
    fn lease(&self, owner: &Owner, message: Received, attempt: u32, deadline: u64) -> Delivery {
        let id = self.leases.insert(Lease { message: message.clone(), attempt }, deadline);
        self.is_due_at(deadline);
        Delivery::new(Arc::clone(owner), message, attempt, id)
    }

    /// A lease ends at `deadline`. Whoever sets the earliest deadline tells the housekeeper, and nobody else needs to.
    #[inline]
    pub(crate) fn is_due_at(&self, deadline: u64) {
        // Pairs with the heavy fence in `expire_at`: the scan sees the lease, or we see that nothing is due.
        light_fence();
        if deadline < self.due.load(Ordering::Relaxed) {
            self.due.fetch_min(deadline, Ordering::Relaxed);
            if let Some(housekeeper) = self.housekeeper.get() {
                housekeeper.is_due_at(deadline);
            }
        }
    }

    /// Takes up to `max` messages from the rings. A gap is an error if nothing else is delivered at the same time
    /// (`already`); otherwise it is told next time, since the messages come before it.
    fn take(&self, max: usize, already: bool, mut take: impl FnMut(Received)) -> Result<usize, RecvError> {
        if max == 0 || self.held.len() >= self.config.max_held_messages {
            return Ok(0);
        }
        if self.lagged.load(Ordering::Relaxed) != 0 {
            return if already {
                Ok(0)
            } else {
                self.take_lagged().map_or(Ok(0), |lost| Err(RecvError::Lagged(lost)))
            };
        }
        let shards = self.receivers.len();
        let mut count = 0;
        'taking: for _ in 0..2 {
            for _ in 0..shards {
                let shard = if shards == 1 { 0 } else { self.next.fetch_add(1, Ordering::Relaxed) % shards };
                let receiver = &self.receivers[shard];
                // Again while there is padding only.
                while count < max && receiver.has_work() {
                    let taken = receiver.take(max - count, |sequence, record| {
                        let id = MessageId::new(sequence, shard, shards);
                        take(Received { record: record.clone(), id });
                    });
                    match taken {
                        Ok(taken) => count += taken,
                        Err(error) => match self.receive_error(error) {
                            error if count == 0 && !already => return Err(error),
                            RecvError::Lagged(lost) => {
                                self.lagged.fetch_add(lost, Ordering::Relaxed);
                                break 'taking;
                            }
                            _ => break 'taking, // told again next time
                        },
                    }
                }
                if count == max {
                    break;
                }
            }
            if count > 0 {
                break;
            }
            if !self.run_dry() {
                break;
            }
        }
        if count > 0 {
            self.topic.shards().unwrap_or(&[]).iter().for_each(|shard| shard.lanes.run_busy());
            add(&self.counters.taken, count as u64);
        }
        Ok(count)
    }

    fn receive_error(&self, error: ReceiveError) -> RecvError {
        match error {
            ReceiveError::Lagged(lost) => {
                add(&self.counters.dropped, lost);
                RecvError::Lagged(lost)
            }
            _ => {
                self.shut();
                RecvError::Detached
            }
        }
    }

    /// A gap that is still to be told.
    pub(crate) fn take_lagged(&self) -> Option<u64> {
        if self.lagged.load(Ordering::Relaxed) == 0 {
            return None;
        }
        Some(self.lagged.swap(0, Ordering::Relaxed)).filter(|lost| *lost > 0)
    }

    /// There is nothing to read: fetches what publishers have staged. Returns whether that was anything.
    pub(crate) fn run_dry(&self) -> bool {
        let mut drained = false;
        for shard in self.topic.shards().unwrap_or(&[]) {
            drained |= shard.lanes.run_dry(shard);
        }
        drained
    }

    /// Whether there is something to receive, or to be told.
    pub(crate) fn has_readable(&self) -> bool {
        self.is_shut()
            || self.held.len() > 0
            || self.lagged.load(Ordering::Relaxed) != 0
            || self.receivers.iter().any(Receiver::has_work)
    }

    /// Whether publishers have staged something.
    pub(crate) fn has_staged(&self) -> bool {
        self.topic.shards().unwrap_or(&[]).iter().any(|shard| shard.lanes.has_staged())
    }

    /// Whether there may be something to receive, or to be told: for a last look before sleeping. When something was
    /// `stuck` before, staged with no room on the ring, fetches it if there is room now; the sleeper must then be woken
    /// by room as well.
    pub(crate) fn has_work(&self, stuck: bool) -> bool {
        self.has_readable() || if stuck { self.run_dry() } else { self.has_staged() }
    }

    /// Whether nothing is left and nothing will come.
    pub(crate) fn is_finished(&self) -> bool {
        // What is claimed and not yet published was accepted: the end comes after it.
        let at_end = |receiver: &Receiver<Record>| receiver.channel().is_closed() && receiver.backlog() == 0;
        self.is_shut()
            || (self.receivers.iter().all(at_end) && !self.has_readable() && self.leases.live() == 0)
    }

    /// Waits until there may be something to receive, or `deadline`; `false` for the latter.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        let stuck = self.has_staged();
        let credit = || self.leases.live() < self.config.max_outstanding_messages;
        let due = || self.topic.clock.now() >= self.due.load(Ordering::Relaxed);
        let mut ready = || (credit() && self.has_work(stuck)) || due() || self.is_finished();
        if spin_until(self.topic.config.wait, deadline, &mut ready) {
            return true;
        }
        let mut notifies = vec![&self.changed];
        self.add_notifies(stuck, &mut notifies);
        wait_any(&notifies, deadline, &mut ready)
    }

    /// Adds what wakes a reader of the rings.
    pub(crate) fn add_notifies<'a>(&'a self, stuck: bool, notifies: &mut Vec<&'a Notify>) {
        for receiver in &self.receivers {
            notifies.push(receiver.channel().data());
            if stuck {
                notifies.push(receiver.channel().room());
            }
        }
    }

    /// Puts a message back, to be delivered again.
    pub(crate) fn hold(&self, message: Received, attempt: u32) {
        self.held.push(Held { message, attempt: attempt.saturating_add(1) });
        if self.is_shut() {
            // Shut meanwhile, which may have missed this one.
            add(&self.counters.discarded, self.held.clear() as u64);
        }
        self.changed.notify();
    }

    /// Expires what is due. Reads no clock while there are no leases.
    #[inline]
    pub(crate) fn expire_due(&self) {
        let due = self.due.load(Ordering::Relaxed);
        if due != u64::MAX {
            let time = self.topic.clock.now();
            if time >= due {
                self.expire_at(time);
            }
        }
    }

    #[cold]
    fn expire_at(&self, time: u64) {
        if self.expiring.swap(true, Ordering::Acquire) {
            return; // somebody is at it
        }
        // Leases that begin during the scan lower this again.
        self.due.store(u64::MAX, Ordering::Relaxed);
        // Pairs with the light fence in `is_due_at`.
        heavy_fence();
        let earliest = self.leases.expire(Some(time), |_, lease| {
            add(&self.counters.expired, 1);
            self.hold(lease.message, lease.attempt);
        });
        if let Some(earliest) = earliest {
            self.is_due_at(earliest);
        }
        self.expiring.store(false, Ordering::Release);
    }

    /// No lease ends before this.
    pub(crate) fn due(&self) -> u64 {
        self.due.load(Ordering::Relaxed)
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Relaxed)
    }
}

impl Drop for SubscriptionInner {
    fn drop(&mut self) {
        self.shut();
    }
}
