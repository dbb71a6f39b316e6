//! A subscription: its position on every shard, its leases, what came back, and its counters.

use super::delivery::Delivery;
use super::housekeeper::Housekeeper;
use super::redelivery::Redelivery;
use crate::clock::nanos;
use crate::config::SubscriptionConfig;
use crate::error::RecvError;
use crate::record::{Held, MessageId, Received, Record};
use crate::stats::{Counters, SubscriptionStats, add, read};
use crate::topic::{Shard, TopicInner};
use ringmain_fanout::{Overflow, ReceiveError, Receiver};
use ringmain_ring::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use ringmain_ring::{Notify, Slab, now, spin_until, wait_any};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

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
    pub(crate) leases: Slab<Lease>,
    pub(crate) held: Redelivery,
    pub(crate) counters: Counters,
    /// No lease ends before this, on the engine's clock.
    due: AtomicU64,
    expiring: AtomicBool,
    /// Notified when something is held, or credit came back, or the subscription was shut.
    pub(crate) changed: Notify,
    shut: AtomicBool,
    /// What was unread when it was shut.
    given_up: AtomicU64,
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
        self: &Arc<Self>,
        max: usize,
        mut deliver: impl FnMut(Delivery),
    ) -> Result<usize, RecvError> {
        let time = self.topic.clock.now();
        if time >= self.due.load(Ordering::Relaxed) {
            self.expire_at(time);
        }
        let max = max.min(self.config.max_outstanding_messages.saturating_sub(self.leases.live()));
        let deadline = time + nanos(self.config.ack_deadline);
        let mut count = 0;
        let mut redeliver = |this: &Arc<Self>, count: &mut usize| {
            while *count < max
                && let Some(Held { message, attempt }) = this.held.next_of_round()
            {
                add(&this.counters.redelivered, 1);
                deliver(this.lease(message, attempt, deadline));
                *count += 1;
            }
        };
        redeliver(self, &mut count);
        let taken = self.take(max - count, |this, message| deliver(this.lease(message, 1, deadline)));
        match taken {
            Ok(taken) => count += taken,
            Err(error) if count == 0 => return Err(error),
            Err(_) => {} // told next time; for now there is something to deliver
        }
        if count < max {
            self.held.new_round();
        }
        add(&self.counters.delivered, count as u64);
        Ok(count)
    }

    fn lease(self: &Arc<Self>, message: Received, attempt: u32, deadline: u64) -> Delivery {
        let id = self.leases.insert(Lease { message: message.clone(), attempt }, deadline);
        self.is_due_at(deadline);
        Delivery::new(Arc::clone(self), message, attempt, id)
    }

    /// A lease ends at `deadline`.
    pub(crate) fn is_due_at(&self, deadline: u64) {
        if deadline < self.due.load(Ordering::Relaxed) {
            self.due.fetch_min(deadline, Ordering::Relaxed);
        }
        if let Some(housekeeper) = self.housekeeper.get() {
            housekeeper.is_due_at(deadline);
        }
    }

    /// Takes up to `max` messages from the rings.
    fn take(
        self: &Arc<Self>,
        max: usize,
        mut take: impl FnMut(&Arc<Self>, Received),
    ) -> Result<usize, RecvError> {
        if max == 0 || self.held.len() >= self.config.max_held_messages {
            return Ok(0);
        }
        let shards = self.receivers.len();
        let mut count = 0;
        for _ in 0..2 {
            for _ in 0..shards {
                let shard = self.next.fetch_add(1, Ordering::Relaxed) % shards;
                let receiver = &self.receivers[shard];
                // Again while there is padding only.
                while count < max && receiver.has_work() {
                    let taken = receiver.take(max - count, |sequence, record| {
                        let id = MessageId::new(sequence, shard, shards);
                        take(self, Received { record: record.clone(), id });
                    });
                    match taken {
                        Ok(taken) => count += taken,
                        Err(error) if count == 0 => return Err(self.receive_error(error)),
                        Err(_) => break,
                    }
                }
                if count == max {
                    break;
                }
            }
            if count > 0 {
                self.topic.shards().unwrap_or(&[]).iter().for_each(|shard| shard.lanes.run_busy());
                break;
            }
            if !self.run_dry() {
                break;
            }
        }
        add(&self.counters.taken, count as u64);
        Ok(count)
    }

    pub(crate) fn receive_error(&self, error: ReceiveError) -> RecvError {
        match error {
            ReceiveError::Lagged(lost) => {
                add(&self.counters.dropped, lost);
                RecvError::Lagged(lost)
            }
            _ => RecvError::Detached,
        }
    }

    /// There is nothing to read: fetches what publishers have staged. Returns whether that was anything.
    pub(crate) fn run_dry(&self) -> bool {
        let mut drained = false;
        for shard in self.topic.shards().unwrap_or(&[]) {
            drained |= shard.lanes.run_dry(shard);
        }
        drained
    }

    /// Whether there may be something to receive, or to be told.
    pub(crate) fn has_work(&self) -> bool {
        self.is_shut()
            || self.held.len() > 0
            || self.receivers.iter().any(Receiver::has_work)
            || self.topic.shards().unwrap_or(&[]).iter().any(|shard| shard.lanes.has_staged())
    }

    /// Whether nothing is left and nothing will come.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_shut() || (self.topic.is_closed() && !self.has_work() && self.leases.live() == 0)
    }

    /// Waits until there may be something to receive, or `deadline`; `false` for the latter.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        let credit = || self.leases.live() < self.config.max_outstanding_messages;
        let due = || self.topic.clock.now() >= self.due.load(Ordering::Relaxed);
        let mut ready = || (self.has_work() && credit()) || due() || self.topic.is_closed();
        if spin_until(self.topic.config.wait, deadline, &mut ready) {
            return true;
        }
        let mut notifies: Vec<&Notify> =
            self.receivers.iter().map(|receiver| receiver.channel().data()).collect();
        notifies.push(&self.changed);
        wait_any(&notifies, deadline, &mut ready)
    }

    /// Puts a message back, to be delivered again.
    pub(crate) fn hold(&self, message: Received, attempt: u32) {
        self.held.push(Held { message, attempt: attempt.saturating_add(1) });
        self.changed.notify();
    }

    /// Expires what is due.
    pub(crate) fn expire_due(&self) {
        let time = self.topic.clock.now();
        if time >= self.due.load(Ordering::Relaxed) {
            self.expire_at(time);
        }
    }

    #[cold]
    fn expire_at(&self, time: u64) {
        if self.expiring.swap(true, Ordering::Acquire) {
            return; // somebody is at it
        }
        // Leases that begin during the scan lower this again.
        self.due.store(u64::MAX, Ordering::Relaxed);
        let earliest = self.leases.expire(Some(time), |_, lease| {
            add(&self.counters.expired, 1);
            self.hold(lease.message, lease.attempt);
        });
        if let Some(earliest) = earliest {
            self.due.fetch_min(earliest, Ordering::Relaxed);
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

    /// Gives everything up, for good. Returns what was unread, and what was delivered and not acked.
    pub(crate) fn shut(&self) -> (u64, u64) {
        if self.shut.swap(true, Ordering::AcqRel) {
            return (0, 0);
        }
        self.topic.release();
        let unread = self.unread();
        for receiver in &self.receivers {
            receiver.detach();
        }
        add(&self.given_up, unread);
        let mut unacked = self.held.clear() as u64;
        self.leases.expire(None, |_, _| {
            add(&self.counters.nacked, 1);
            unacked += 1;
        });
        add(&self.counters.discarded, unread + unacked);
        self.changed.notify();
        for receiver in &self.receivers {
            receiver.channel().data().notify();
        }
        (unread, unacked)
    }

    /// Waits until everything accepted is received and acked, or `deadline`.
    pub(crate) fn wait_until_settled(&self, deadline: Instant) {
        let settled = || self.is_shut() || (!self.has_work() && self.leases.live() == 0);
        // In-place readers notify nobody but publishers, so look every now and then.
        while !settled() && now() < deadline {
            let soon = deadline.min(now() + Duration::from_millis(1));
            self.changed.wait_until(Some(soon), settled);
        }
    }

    fn unread(&self) -> u64 {
        self.run_dry();
        self.receivers.iter().map(Receiver::unread).sum()
    }

    pub(crate) fn stats(&self) -> SubscriptionStats {
        let counters = &self.counters;
        let in_place = read(&counters.in_place);
        let (unread, dropped) = (self.unread(), read(&counters.dropped));
        SubscriptionStats {
            accepted: read(&counters.taken) + in_place + dropped + unread + read(&self.given_up),
            delivered: read(&counters.delivered) + in_place,
            acked: read(&counters.acked) + in_place,
            nacked: read(&counters.nacked),
            expired: read(&counters.expired),
            redelivered: read(&counters.redelivered),
            dropped,
            discarded: read(&counters.discarded),
            panics: read(&counters.panics),
            outstanding: self.leases.live() as u64,
            held: self.held.len() as u64,
            unread,
        }
    }
}

impl Drop for SubscriptionInner {
    fn drop(&mut self) {
        self.shut();
    }
}
