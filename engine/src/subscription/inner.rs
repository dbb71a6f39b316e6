//! A subscription: its position on every shard, its leases, what came back, and its counters.

use super::credit::ByteCredit;
use super::dead_letter::DeadLetters;
use super::held::HeldMessages;
use super::housekeeper::Housekeeper;
use super::turns::Turns;
use crate::config::SubscriptionConfig;
use crate::error::RecvError;
use crate::filter::Filter;
use crate::record::{Received, Record};
use crate::stats::Counters;
use crate::topic::{Shard, TopicInner};
use ringmain_fanout::{Overflow, Receiver};
use ringmain_ring::sync::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize, MODELLED, Mutex, Ordering, broken, light_fence, ordering,
};
use ringmain_ring::{Buffer, Notify, Slab, WaitStrategy, now, spin_until, wait_any};
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

/// How a delivery keeps its subscription alive: a count of its own, one of several, since the one who receives counts up
/// while the one who acks counts down, and a single count would travel between them with every message.
pub(crate) type Owner = Buffer<Arc<SubscriptionInner>>;

/// How a subscription ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// It was detached, deleted, or too slow for its overflow policy.
    Detached = 1,
    /// Its engine was closed.
    Closed = 2,
}

/// What a lease holds: enough to deliver the message again.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) message: Received,
    pub(crate) attempt: u32,
}

// With the word and the mark of its entry, a lease is 48 bytes.
const _: () = assert!(MODELLED || size_of::<Option<Lease>>() <= 32);

#[derive(Debug)]
pub(crate) struct SubscriptionInner {
    pub(crate) name: String,
    /// A number that no other subscription of the process has.
    pub(super) serial: u64,
    pub(crate) config: SubscriptionConfig,
    pub(crate) topic: Arc<TopicInner>,
    /// One a shard.
    pub(crate) receivers: Box<[Receiver<Record>]>,
    pub(super) filter: Option<Filter>,
    pub(super) dead_letter: Option<DeadLetters>,
    /// Which shard to take from next.
    pub(super) next: AtomicUsize,
    /// How much credit calls to `receive` have reserved that are under way.
    pub(super) receiving: AtomicUsize,
    /// A gap that was met behind messages, and is still to be told.
    pub(super) lagged: AtomicU64,
    pub(crate) leases: Slab<Lease>,
    pub(crate) credit: ByteCredit,
    pub(crate) held: HeldMessages,
    pub(crate) counters: Counters,
    /// Nothing is due before this, on the engine's clock: no lease ends, no backoff.
    pub(super) due: AtomicU64,
    pub(super) expiring: AtomicBool,
    /// Notified when something is held, or credit came back, or the subscription was shut.
    pub(crate) changed: Notify,
    /// How it has ended, if it has.
    pub(super) end: AtomicU32,
    /// What was unread when it was shut.
    pub(super) given_up: AtomicU64,
    pub(super) housekeeper: OnceLock<Arc<Housekeeper>>,
    /// Of the dispatchers that serve this.
    pub(super) dispatchers: Mutex<Vec<Weak<Turns>>>,
}

// Twenty pairs of cache lines: what one thread writes is not beside what another reads.
const _: () = assert!(MODELLED || size_of::<SubscriptionInner>() <= 20 * 128);

impl SubscriptionInner {
    pub(crate) fn new(
        name: &str,
        config: SubscriptionConfig,
        filter: Option<Filter>,
        topic: &Arc<TopicInner>,
        shards: &[Shard],
    ) -> Arc<Self> {
        let receiver = |shard: &Shard| match (config.overflow, &filter) {
            (Overflow::Block, _) => shard.channel.named_receiver(name),
            (lossy, _) if broken("lag.counts_filtered") => shard.channel.receiver_with(name, lossy),
            (lossy, None) => shard.channel.receiver_with(name, lossy),
            (lossy, Some(filter)) => {
                // A gap does not count what the filter would not have let through.
                let filter = filter.clone();
                shard.channel.receiver_where(name, lossy, move |record| filter.matches(&record.attributes()))
            }
        };
        let receivers = shards.iter().map(receiver).collect();
        shards.iter().for_each(Shard::is_joined);
        Arc::new(Self {
            name: name.to_owned(),
            // Each of these is seeded at random.
            serial: foldhash::quality::RandomState::default().hash_one(name),
            topic: Arc::clone(topic),
            receivers,
            filter,
            dead_letter: config.dead_letter.as_ref().map(DeadLetters::new),
            credit: ByteCredit::new(config.max_outstanding_bytes, config.allow_excess),
            config,
            next: AtomicUsize::new(0),
            receiving: AtomicUsize::new(0),
            lagged: AtomicU64::new(0),
            leases: Slab::new(),
            held: HeldMessages::default(),
            counters: Counters::default(),
            due: AtomicU64::new(u64::MAX),
            expiring: AtomicBool::new(false),
            changed: Notify::new(),
            end: AtomicU32::new(0),
            given_up: AtomicU64::new(0),
            housekeeper: OnceLock::new(),
            dispatchers: Mutex::new(Vec::new()),
        })
    }

    pub(crate) fn set_housekeeper(&self, housekeeper: &Arc<Housekeeper>) {
        self.housekeeper.get_or_init(|| Arc::clone(housekeeper));
    }

    /// There is nothing to read: fetches what publishers have staged. Returns whether that was anything.
    pub(crate) fn run_dry(&self) -> bool {
        let mut drained = false;
        for shard in self.topic.shards().unwrap_or(&[]) {
            drained |= shard.lanes.run_dry(shard, &self.topic);
        }
        drained
    }

    /// Whether there is something to receive, or to be told.
    pub(crate) fn has_readable(&self) -> bool {
        self.is_shut()
            || self.held.ready() > 0
            || self.lagged.load(Ordering::Relaxed) != 0
            || self.receivers.iter().any(|receiver| {
                // When enough is held, what is on the ring is not to be had; but a detach is to be told.
                if self.holds_enough() { receiver.is_detached() } else { receiver.has_work() }
            })
    }

    /// Whether there is credit for one more lease, as far as is known.
    pub(super) fn has_credit(&self) -> bool {
        self.leases.live() < self.config.max_outstanding_messages && self.credit.may_admit()
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
        self.is_shut() || (self.receivers.iter().all(at_end) && !self.has_readable() && self.is_at_rest())
    }

    /// Whether nothing is held and to be delivered yet, nor in the hands of a call that receives, nor leased, nor on its
    /// way back. (What a dispatcher handles in place is that dispatcher's: if it comes back, the next turn has it.)
    pub(super) fn is_at_rest(&self) -> bool {
        // In this order, which is the messages' own: one that moves on meanwhile is met at a later place, or has come back
        // to the first, and that was counted.
        let returned = self.held.returned();
        !self.held.awaits_delivery()
            // Acquire: pairs with the release at the end of a call that receives: its leases are there.
            && (self.receiving.load(ordering("end.receiving.acquire", Ordering::Acquire)) == 0
                || broken("end.hands_unseen"))
            && self.leases.live() == 0
            && (!self.held.is_coming() || broken("end.coming_unseen"))
            && (self.held.returned() == returned || broken("end.return_unseen"))
    }

    /// No call receives any more. One that looked for the end meanwhile found that this was not it, and may be asleep.
    #[inline]
    pub(super) fn hands_are_empty(&self) {
        // Pairs with the heavy fence of who is about to sleep: he has seen that nobody receives, or we see the close
        // that he has seen.
        light_fence("end.hands.no_fence");
        if self.topic.is_closed() && !broken("end.in_silence") && self.is_finished() {
            self.changed.notify();
        }
    }

    /// Waits until there may be something to receive, or `deadline`; `false` for the latter.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        let starved = !self.has_credit();
        if starved {
            self.let_others_ack(deadline);
        }
        let ready = self.sleep_until_ready(deadline);
        if starved && ready {
            self.let_others_ack(deadline);
        }
        ready
    }

    /// There is no credit, or only just. Whoever acks may need this CPU; and if one message were taken for each ack, every
    /// message would be a switch between the two (measured: docs/decisions/0021). So gives way as long as that brings more
    /// credit, and until half of it is back.
    #[cold]
    fn let_others_ack(&self, deadline: Option<Instant>) {
        let enough = self.config.max_outstanding_messages / 2;
        let mut live = usize::MAX;
        // Whether in time or not: what follows is a matter of what there is now.
        let _ = spin_until(WaitStrategy::Park, deadline, || {
            let before = std::mem::replace(&mut live, self.leases.live());
            live <= enough
                || (live == before && self.has_credit())
                || deadline.is_some_and(|deadline| now() >= deadline)
        });
    }

    fn sleep_until_ready(&self, deadline: Option<Instant>) -> bool {
        let stuck = self.has_staged();
        let due = || self.topic.clock.now() >= self.due.load(Ordering::Relaxed);
        let mut ready = || {
            (self.has_credit() && self.has_work(stuck)) || due() || self.is_finished() || self.is_detached()
        };
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

    /// Whether the overflow policy has ended it. Whoever notices tells so, and shuts it; credit or none.
    pub(crate) fn is_detached(&self) -> bool {
        self.config.overflow == Overflow::Detach && self.receivers.iter().any(Receiver::is_detached)
    }

    /// No lease ends before this.
    pub(crate) fn due(&self) -> u64 {
        self.due.load(Ordering::Relaxed)
    }

    /// Whether it has ended, be it that nobody has noticed.
    pub(crate) fn is_over(&self) -> bool {
        self.is_shut() || self.is_detached()
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.end.load(Ordering::Relaxed) != 0
    }

    /// What whoever receives is told of its end, if nothing is left and nothing comes.
    pub(crate) fn ended(&self) -> RecvError {
        // Whoever was told by a ring or by a list that it was shut finds how: that was said first.
        if self.end.load(Ordering::Relaxed) == End::Detached as u32 {
            RecvError::Detached
        } else {
            RecvError::Closed
        }
    }
}

impl Drop for SubscriptionInner {
    fn drop(&mut self) {
        self.shut(End::Closed);
    }
}
