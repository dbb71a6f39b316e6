//! Leases: ack, nack, and the deadline.

use super::letter::Entry;
use super::{Check, Model};
use std::rc::Rc;
use std::time::Duration;

/// Which lease, of all there ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LeaseNo(pub(crate) u64);

#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) entry: Rc<Entry>,
    pub(crate) attempt: u32,
    pub(crate) deadline: Duration,
}

impl Lease {
    pub(crate) fn is_late(&self, now: Duration) -> bool {
        now >= self.deadline
    }
}

/// What a call about a lease came to.
pub(crate) type Outcome = Result<(), ringmain::AckError>;

impl Model {
    /// A delivery is leased.
    pub(crate) fn lease(&mut self, sub: usize, entry: Rc<Entry>, attempt: u32) -> LeaseNo {
        self.leases += 1;
        let no = LeaseNo(self.leases);
        let sub = &mut self.subs[sub];
        // Kept alive while the delivery exists, which says so itself when it does no longer.
        let lease = sub.settings.ack_deadline.max(sub.settings.max_lease.unwrap_or_default());
        sub.leases.insert(no, Lease { entry, attempt, deadline: self.now + lease });
        no
    }

    /// Whether a lease is live: not ended, and in time.
    fn is_live(&self, sub: usize, lease: LeaseNo) -> bool {
        self.subs[sub].leases.get(&lease).is_some_and(|lease| !lease.is_late(self.now))
    }

    /// Whether `outcome` is right for a call about `lease`; if so, whether it takes effect.
    fn judge_outcome(&mut self, sub: usize, lease: LeaseNo, outcome: Outcome) -> Check<bool> {
        let live = self.is_live(sub, lease);
        if live && outcome.is_err() && self.subs[sub].may_be_doomed() {
            self.notice_detached(sub)?; // somebody has noticed, and ended all leases
            return Ok(false);
        }
        ensure!(
            outcome.is_ok() == live,
            "{}: {outcome:?} for lease {lease:?} = {:?} at {:?}",
            self.subs[sub].name,
            self.subs[sub].leases.get(&lease),
            self.now
        );
        Ok(live)
    }

    pub(crate) fn ack(&mut self, sub: usize, lease: LeaseNo, outcome: Outcome) -> Check {
        if self.judge_outcome(sub, lease, outcome)? {
            self.subs[sub].leases.remove(&lease);
            self.subs[sub].counts.acked += 1;
        }
        Ok(())
    }

    pub(crate) fn nack(&mut self, sub: usize, lease: LeaseNo, outcome: Outcome) -> Check {
        if self.judge_outcome(sub, lease, outcome)? {
            self.nack_live(sub, lease)?;
        }
        Ok(())
    }

    /// A delivery was dropped: a nack that tells nobody what came of it.
    pub(crate) fn drop_delivery(&mut self, sub: usize, lease: LeaseNo) -> Check {
        if self.is_live(sub, lease) {
            self.nack_live(sub, lease)?;
        }
        Ok(())
    }

    fn nack_live(&mut self, sub: usize, lease: LeaseNo) -> Check {
        let Some(lease) = self.subs[sub].leases.remove(&lease) else { return Ok(()) };
        self.subs[sub].counts.nacked += 1;
        self.fail(sub, lease.entry, lease.attempt)
    }

    pub(crate) fn modify(
        &mut self,
        sub: usize,
        lease: LeaseNo,
        from_now: Duration,
        outcome: Outcome,
    ) -> Check {
        if from_now.is_zero() {
            return self.nack(sub, lease, outcome);
        }
        if self.judge_outcome(sub, lease, outcome)? {
            let deadline = self.now + from_now;
            if let Some(lease) = self.subs[sub].leases.get_mut(&lease) {
                lease.deadline = deadline;
            }
        }
        Ok(())
    }

    /// The delivery became its id: its lease has the ack deadline again.
    pub(crate) fn becomes_id(&mut self, sub: usize, lease: LeaseNo) {
        let (now, live) = (self.now, self.is_live(sub, lease));
        let sub = &mut self.subs[sub];
        if let Some(lease) = sub.leases.get_mut(&lease).filter(|_| live && sub.settings.max_lease.is_some()) {
            lease.deadline = now + sub.settings.ack_deadline;
        }
    }

    /// Ends what is late: at a poll, or at a tick.
    pub(crate) fn expire(&mut self, sub: usize) -> Check {
        let late = |(no, lease): (&LeaseNo, &Lease)| lease.is_late(self.now).then_some(*no);
        let late: Vec<_> = self.subs[sub].leases.iter().filter_map(late).collect();
        for no in late {
            if let Some(lease) = self.subs[sub].leases.remove(&no) {
                self.subs[sub].counts.expired += 1;
                self.fail(sub, lease.entry, lease.attempt)?;
            }
        }
        Ok(())
    }

    /// Time was given to everything.
    pub(crate) fn tick(&mut self) -> Check {
        (0..self.subs.len()).try_for_each(|sub| self.expire(sub))
    }
}
