//! Publisher flow control: how much may be outstanding, and who is next.
//!
//! Outstanding are the messages in calls that have not returned, and in receipts that have not resolved. Each holds
//! *credit*, messages and bytes, and gives it back once: a call when it returns, what is staged when it leaves its lane.
//!
//! One word has all of it: how many messages, how many bytes, and whether anybody waits. To take credit is to swap the
//! word, to give it back to subtract. Whoever finds too little joins a queue and marks the word; from then on nobody
//! takes credit past the queue, and whoever gives some back hands it to the first in it, and on, as far as it goes. A
//! call that blocks and a task that awaits stand in the same queue.
//!
//! What is staged in the publisher's lanes holds credit for nothing but want of somebody who fetches it, so whoever waits
//! publishes it first. Nothing may stay staged behind his back: he marks the word, fences heavily, and looks at the
//! lanes; whoever stages fences lightly, looks at the mark, and publishes it or [nudges](FlowControl::nudge) him.
//!
//! A publisher without limits has none of this, not even a count.

use crate::config::{LimitExceeded, PublisherConfig};
use crossbeam_utils::CachePadded;
use ringmain_ring::Notify;
use ringmain_ring::sync::{AtomicBool, AtomicU64, Mutex, Ordering, broken, light_fence, lock};
use std::collections::VecDeque;
use std::sync::Arc;

/// Set while anybody waits.
const WAITED_FOR: u64 = 1 << 63;
/// One message; the bytes are counted below it.
const MESSAGE: u64 = 1 << 40;
/// Limits beyond these are taken for these: 4 Mi messages, 512 GiB. So no sum touches the next field.
const MOST_MESSAGES: u64 = 1 << 22;
const MOST_BYTES: u64 = 1 << 39;

/// Messages and their bytes, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Amount(u64);

impl Amount {
    #[inline]
    pub(super) fn new(messages: usize, bytes: usize) -> Self {
        Self((messages as u64).min(MOST_MESSAGES) * MESSAGE + (bytes as u64).min(MOST_BYTES))
    }

    pub(super) fn messages(self) -> u64 {
        (self.0 & !WAITED_FOR) / MESSAGE
    }

    pub(super) fn bytes(self) -> u64 {
        self.0 % MESSAGE
    }

    /// With `other`, when both are outstanding: then no field overflows.
    #[inline]
    pub(super) fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

/// The limits of one publisher, and what it has outstanding.
#[derive(Debug)]
pub(super) struct FlowControl {
    /// An [`Amount`], and [`WAITED_FOR`]. Relaxed throughout: it counts, and orders nothing.
    outstanding: CachePadded<AtomicU64>,
    limit: Amount,
    blocks: bool,
    /// Of the messages outstanding, those in calls that wait for room on a ring.
    stalled: AtomicU64,
    queue: Mutex<VecDeque<Arc<Ticket>>>,
}

/// A place in the queue.
#[derive(Debug)]
pub(super) struct Ticket {
    amount: Amount,
    granted: AtomicBool,
    nudged: AtomicBool,
    pub(super) notify: Notify,
}

impl Ticket {
    pub(super) fn is_granted(&self) -> bool {
        // Relaxed: credit guards nothing.
        self.granted.load(Ordering::Relaxed)
    }

    /// Whether something may have been staged, or stalled, since this was last asked.
    pub(super) fn take_nudge(&self) -> bool {
        self.nudged.swap(false, Ordering::Relaxed)
    }
}

impl FlowControl {
    /// `None` when nothing is limited.
    pub(super) fn new(config: &PublisherConfig) -> Option<Arc<Self>> {
        let blocks = match config.limit_exceeded {
            LimitExceeded::Ignore => return None,
            LimitExceeded::Block => true,
            LimitExceeded::Error => false,
        };
        Some(Self::with(Amount::new(config.max_outstanding_messages, config.max_outstanding_bytes), blocks))
    }

    /// The same limits, for another publisher.
    pub(super) fn another(&self) -> Arc<Self> {
        Self::with(self.limit, self.blocks)
    }

    fn with(limit: Amount, blocks: bool) -> Arc<Self> {
        Arc::new(Self {
            outstanding: CachePadded::new(AtomicU64::new(0)),
            limit,
            blocks,
            stalled: AtomicU64::new(0),
            queue: Mutex::new(VecDeque::new()),
        })
    }

    pub(super) fn limit(&self) -> Amount {
        self.limit
    }

    /// Whether to wait at the limit, rather than refuse.
    pub(super) fn blocks(&self) -> bool {
        self.blocks
    }

    pub(super) fn outstanding(&self) -> Amount {
        Amount(self.outstanding.load(Ordering::Relaxed) & !WAITED_FOR)
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.queue).len()
    }

    /// Whether `amount` may go when so much is outstanding. What is larger than a limit may go alone.
    fn admits(&self, outstanding: Amount, amount: Amount) -> bool {
        outstanding.messages() == 0
            || (outstanding.messages() + amount.messages() <= self.limit.messages()
                && outstanding.bytes() + amount.bytes() <= self.limit.bytes())
    }

    /// Credit for `amount`, if there is enough and nobody waits for it.
    pub(super) fn try_take(&self, amount: Amount) -> Option<Credit<'_>> {
        let mut word = self.outstanding.load(Ordering::Relaxed);
        loop {
            if word & WAITED_FOR != 0 || !self.admits(Amount(word), amount) {
                return None;
            }
            match self.swap(word, word + amount.0) {
                Ok(()) => return Some(Credit { flow: self, amount }),
                Err(now) => word = now,
            }
        }
    }

    fn swap(&self, from: u64, to: u64) -> Result<(), u64> {
        let swapped = self.outstanding.compare_exchange_weak(from, to, Ordering::Relaxed, Ordering::Relaxed);
        swapped.map(drop)
    }

    /// Credit comes back: to the first in the queue, if there is one.
    #[inline]
    pub(super) fn give_back(&self, amount: Amount) {
        let before = self.outstanding.fetch_sub(amount.0, Ordering::Relaxed);
        debug_assert!(
            Amount(before).messages() >= amount.messages() && Amount(before).bytes() >= amount.bytes()
        );
        if before & WAITED_FOR != 0 {
            self.grant();
        }
    }

    /// Joins the queue. Dropping the place leaves it.
    pub(super) fn join(&self, amount: Amount) -> Place<'_> {
        let ticket = Arc::new(Ticket {
            amount,
            granted: AtomicBool::new(false),
            nudged: AtomicBool::new(false),
            notify: Notify::new(),
        });
        {
            let mut queue = lock(&self.queue);
            queue.push_back(Arc::clone(&ticket));
            if !broken("flow.unmarked") {
                self.outstanding.fetch_or(WAITED_FOR, Ordering::Relaxed);
            }
        }
        // What came back before the mark was there went to nobody.
        if !broken("flow.no_second_look") {
            self.grant();
        }
        Place { flow: self, ticket, taken: false }
    }

    /// Hands credit to the first in the queue, and on, as far as it goes.
    #[cold]
    fn grant(&self) {
        // One at a time: a waker is somebody else's code, and not to be called under the lock.
        while let Some(ticket) = self.grant_first() {
            ticket.notify.notify();
        }
    }

    fn grant_first(&self) -> Option<Arc<Ticket>> {
        let mut queue = lock(&self.queue);
        let amount = queue.front()?.amount;
        let mut word = self.outstanding.load(Ordering::Relaxed);
        loop {
            if !self.admits(Amount(word & !WAITED_FOR), amount) {
                return None;
            }
            match self.swap(word, word + amount.0) {
                Ok(()) => break,
                Err(now) => word = now,
            }
        }
        let ticket = queue.pop_front();
        self.unmark_if_empty(&queue);
        if let Some(ticket) = &ticket {
            ticket.granted.store(true, Ordering::Relaxed);
        }
        ticket
    }

    fn unmark_if_empty(&self, queue: &VecDeque<Arc<Ticket>>) {
        if queue.is_empty() {
            self.outstanding.fetch_and(!WAITED_FOR, Ordering::Relaxed);
        }
    }

    fn leave(&self, ticket: &Arc<Ticket>) {
        let waiting = {
            let mut queue = lock(&self.queue);
            let place = queue.iter().position(|other| Arc::ptr_eq(other, ticket));
            place.and_then(|place| queue.remove(place)).inspect(|_| self.unmark_if_empty(&queue)).is_some()
        };
        if waiting {
            self.grant(); // the next may fit where this one did not
        } else {
            self.give_back(ticket.amount); // granted meanwhile
        }
    }

    /// Whether anybody waits. Call it after staging what he would have to know of.
    pub(super) fn is_waited_for(&self) -> bool {
        // Pairs with the heavy fence of who waits, between his mark and his look.
        light_fence("flow.waited_for.no_fence");
        self.outstanding.load(Ordering::Relaxed) & WAITED_FOR != 0
    }

    /// Has everybody who waits look again: something is staged for which there is no room, or a call waits for room.
    #[cold]
    pub(super) fn nudge(&self) {
        let queue: Vec<_> = lock(&self.queue).iter().cloned().collect();
        for ticket in queue {
            ticket.nudged.store(true, Ordering::Relaxed);
            ticket.notify.notify();
        }
    }

    /// A call with credit for so many messages waits for room until the guard is dropped.
    pub(super) fn stall(&self, messages: u64) -> Stalled<'_> {
        self.stalled.fetch_add(messages, Ordering::Relaxed);
        if self.is_waited_for() {
            self.nudge();
        }
        Stalled { flow: self, messages }
    }

    /// Whether everything outstanding waits for room, when so many messages are `staged` without any. Asked by one who
    /// stands in the queue, and has fenced: nothing else becomes outstanding then, but for those before him.
    pub(super) fn is_stuck(&self, staged: impl FnOnce() -> u64) -> bool {
        let _queue = lock(&self.queue);
        // In this order: what goes on meanwhile is counted too often rather than too rarely.
        let outstanding = self.outstanding().messages();
        let stalled = self.stalled.load(Ordering::Relaxed);
        outstanding > 0 && outstanding <= stalled + staged()
    }
}

/// Credit that is held; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Credit<'a> {
    flow: &'a FlowControl,
    amount: Amount,
}

impl Credit<'_> {
    /// The credit, to be given back by who has it now.
    pub(super) fn hand_over(mut self) -> Amount {
        std::mem::take(&mut self.amount)
    }
}

impl Drop for Credit<'_> {
    fn drop(&mut self) {
        if self.amount != Amount::default() {
            self.flow.give_back(self.amount);
        }
    }
}

/// A place in the queue, or what was granted there; dropping it gives up either.
#[derive(Debug)]
pub(super) struct Place<'a> {
    flow: &'a FlowControl,
    pub(super) ticket: Arc<Ticket>,
    taken: bool,
}

impl<'a> Place<'a> {
    /// The credit, once it is granted.
    pub(super) fn take(mut self) -> Option<Credit<'a>> {
        self.taken = self.ticket.is_granted();
        self.taken.then(|| Credit { flow: self.flow, amount: self.ticket.amount })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.taken {
            self.flow.leave(&self.ticket);
        }
    }
}

/// While this lives, so many messages wait for room.
#[derive(Debug)]
pub(super) struct Stalled<'a> {
    flow: &'a FlowControl,
    messages: u64,
}

impl Drop for Stalled<'_> {
    fn drop(&mut self) {
        self.flow.stalled.fetch_sub(self.messages, Ordering::Relaxed);
    }
}
