//! How a delivery ends: acked, nacked, expired; and where the message goes then.

use super::dead_letter::RETRY;
use super::held::Coming;
use super::inner::{Lease, SubscriptionInner};
use crate::clock::nanos;
use crate::error::AckError;
use crate::record::{Held, Received, Record};
use crate::stats::add;
use ringmain_ring::sync::{Ordering, broken, heavy_fence, light_fence, ordering, thread};
use ringmain_ring::{Ending, LeaseId, StaleLease};
use std::time::Duration;

/// How far ahead a deadline may be moved.
const LONGEST: Duration = Duration::from_secs(600);
/// How often in a row a call expires what has come due meanwhile, at most: it has something else to do.
const EXPIRED_AT_ONCE: u32 = 4;

impl SubscriptionInner {
    /// Returns the lease's handle on the message.
    #[inline]
    pub(crate) fn ack(&self, lease: LeaseId) -> Result<Record, AckError> {
        self.acks().ack(lease)
    }

    /// To ack several leases, which are late or not as of now.
    #[inline]
    pub(crate) fn acks(&self) -> Acks<'_> {
        let now = (!broken("ack.late")).then(|| self.topic.clock.now());
        Acks { subscription: self, now, ending: self.leases.ending(), acked: 0, bytes: 0 }
    }

    pub(crate) fn nack(&self, lease: LeaseId) -> Result<(), AckError> {
        let coming = self.held.coming();
        let ended = self.end(lease).map(|lease| {
            add(&self.counters.nacked, 1);
            self.failed(lease.message, lease.attempt);
        });
        self.has_come(coming);
        ended
    }

    /// Ends a lease that is not late, and gives its credit back.
    #[inline]
    fn end(&self, lease: LeaseId) -> Result<Lease, AckError> {
        let now = (!broken("ack.late")).then(|| self.topic.clock.now());
        let lease = self.leases.take(lease, now).map_err(ended)?;
        self.credit.give_back(lease.message.size());
        Ok(lease)
    }

    pub(crate) fn modify_ack_deadline(&self, lease: LeaseId, from_now: Duration) -> Result<(), AckError> {
        if from_now.is_zero() {
            return self.nack(lease);
        }
        if from_now > LONGEST {
            return Err(AckError::DeadlineTooLong(from_now));
        }
        self.extend(lease, from_now)
    }

    /// The lease ends so long from now, unless it has.
    pub(super) fn extend(&self, lease: LeaseId, from_now: Duration) -> Result<(), AckError> {
        let now = self.topic.clock.now();
        let deadline = now + nanos(from_now);
        self.leases.extend(lease, now, deadline).map_err(ended)?;
        self.is_due_at(deadline);
        Ok(())
    }

    /// A message is done with here: the next one of its ordering key may go.
    #[inline]
    pub(super) fn settle(&self, message: &Received) {
        if self.config.message_ordering
            && let Some(key) = message.ordering_key()
        {
            self.held.settle(key);
        }
    }

    /// The delivery numbered `attempt` failed: the message is to be delivered again, or is a dead letter.
    pub(crate) fn failed(&self, message: Received, attempt: u32) {
        if self.dead_letter.as_ref().is_some_and(|policy| attempt >= policy.max_delivery_attempts) {
            self.bury(message, attempt);
        } else {
            let backoff = self.config.retry.map_or(Duration::ZERO, |retry| retry.backoff(attempt));
            let due = (!backoff.is_zero()).then(|| self.topic.clock.now() + nanos(backoff));
            let next = if broken("failed.attempt_kept") { attempt } else { attempt.saturating_add(1) };
            self.held.push(Held { message, attempt: next }, due);
            if let Some(due) = due {
                self.is_due_at(due);
            }
        }
        self.held_after_all();
        if !broken("failed.in_silence") {
            self.changed.notify();
        }
    }

    /// What was to come is held, or forwarded, or did not come after all. Who looked for the end meanwhile, and found that
    /// something was coming, looks again.
    fn has_come(&self, coming: Coming<'_>) {
        drop(coming);
        if self.topic.is_closed() {
            self.changed.notify();
        }
    }

    /// Something was held: if the subscription was shut meanwhile, that may have missed it.
    pub(super) fn held_after_all(&self) {
        if self.is_shut() {
            self.held.clear(|held| add(&self.counters.discarded, held));
        }
    }

    /// Something is due at `time`: a lease ends, or a backoff. Whoever sets the earliest time tells the housekeeper, and
    /// nobody else needs to.
    #[inline]
    pub(crate) fn is_due_at(&self, time: u64) {
        // Pairs with the heavy fence in `expire_at`: the scan sees what is due, or we see that nothing is planned.
        light_fence("due.begin.no_fence");
        if time < self.due.load(Ordering::Relaxed) {
            self.due.fetch_min(time, Ordering::Relaxed);
            if let Some(housekeeper) = self.housekeeper.get() {
                housekeeper.is_due_at(time);
            }
        }
    }

    /// Expires what is due. Reads no clock while nothing can be.
    #[inline]
    pub(crate) fn expire_due(&self) {
        self.expire_due_at(|| self.topic.clock.now());
    }

    #[inline]
    pub(super) fn expire_due_at(&self, time: impl FnOnce() -> u64) {
        let due = self.due.load(Ordering::Relaxed);
        if due != u64::MAX {
            let time = time();
            if time >= due {
                self.expire_at(time);
            }
            if self.held.parked() > 0 {
                self.try_parked(time);
            }
        }
    }

    #[cold]
    fn expire_at(&self, mut time: u64) {
        for _ in 0..EXPIRED_AT_ONCE {
            // Acquire: pairs with the release store below.
            let acquire = ordering("expiring.acquire", Ordering::Acquire);
            if self.expiring.compare_exchange(false, true, acquire, Ordering::Relaxed).is_err() {
                // Somebody is at it, and until that one has said what is due next, a consumer that waits would look again at
                // once, and again: it may have been preempted by just that.
                if !broken("expiring.spins") {
                    thread::yield_now();
                }
                return;
            }
            let released = self.expire_until(time);
            // Release: pairs with the acquire above.
            self.expiring.store(false, ordering("expiring.release", Ordering::Release));
            if released && !broken("backoff.in_silence") {
                self.changed.notify();
            }
            // Who came meanwhile, with a later time, has left it to us.
            time = self.topic.clock.now();
            if time < self.due.load(Ordering::Relaxed) || broken("expiring.forgets_who_came") {
                return;
            }
        }
    }

    /// Expires what is due at `time`, and notes what is due next. Returns whether a backoff is over.
    fn expire_until(&self, time: u64) -> bool {
        // What begins during the scan lowers this again.
        self.due.store(u64::MAX, Ordering::Relaxed);
        // Pairs with the light fence in `is_due_at`.
        heavy_fence("due.scan.no_fence");
        let coming = self.held.coming();
        let lease = self.leases.expire(Some(time), |_, lease| {
            add(&self.counters.expired, 1);
            if broken("expiry.in_silence") {
                return;
            }
            if !broken("expire.credit_kept") {
                self.credit.give_back(lease.message.size());
            }
            self.failed(lease.message, lease.attempt);
        });
        self.has_come(coming);
        let (released, backoff) = self.held.release_due(time);
        let parked = (self.held.parked() > 0).then(|| time + nanos(RETRY));
        for next in [lease, backoff, parked].into_iter().flatten() {
            self.is_due_at(next);
        }
        released
    }
}

fn ended(_: StaleLease) -> AckError {
    AckError::Expired
}

/// Acks leases of one subscription. They are counted together, and whoever waits for that is told, when this is dropped.
pub(crate) struct Acks<'a> {
    subscription: &'a SubscriptionInner,
    now: Option<u64>,
    ending: Ending<'a, Lease>,
    acked: u64,
    bytes: usize,
}

impl Acks<'_> {
    /// Returns the lease's handle on the message.
    #[inline]
    pub(crate) fn ack(&mut self, lease: LeaseId) -> Result<Record, AckError> {
        let Lease { message, attempt } = self.ending.take(lease, self.now).map_err(ended)?;
        self.acked += 1;
        self.bytes += message.size();
        self.subscription.settle(&message);
        if broken("ack.comes_again") {
            self.subscription.held.push(Held { message: message.clone(), attempt: attempt + 1 }, None);
        }
        Ok(message.record)
    }
}

impl Drop for Acks<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.acked == 0 {
            return;
        }
        let Self { subscription, ending, acked, bytes, .. } = self;
        ending.count();
        subscription.credit.give_back(*bytes);
        add(&subscription.counters.acked, *acked);
        if !broken("ack.in_silence") {
            subscription.changed.notify();
        }
    }
}
