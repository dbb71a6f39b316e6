//! How a subscription ends, and the account that it gives of itself.

use super::inner::SubscriptionInner;
use crate::stats::{SubscriptionStats, add, read};
use ringmain_fanout::Receiver;
use ringmain_ring::now;
use ringmain_ring::sync::Ordering;
use std::time::{Duration, Instant};

impl SubscriptionInner {
    /// Gives everything up, for good. Returns what was unread, and what was delivered and not acked.
    pub(crate) fn shut(&self) -> (u64, u64) {
        if self.shut.swap(true, Ordering::AcqRel) {
            return (0, 0);
        }
        self.run_dry();
        self.topic.release();
        // Detached first: then nobody takes any more, and what lies behind the position stays unread.
        let mut unread = 0;
        for receiver in &self.receivers {
            receiver.detach();
            unread += receiver.backlog() + receiver.unread(); // what was lost and not told
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
    pub(crate) fn wait_until_settled(&self, deadline: Option<Instant>) {
        let settled = || self.is_shut() || (!self.has_work(true) && self.leases.live() == 0);
        let late = || deadline.is_some_and(|deadline| now() >= deadline);
        // In-place readers notify nobody but publishers, so look every now and then.
        while !settled() && !late() {
            let soon = now() + Duration::from_millis(1);
            self.changed.wait_until(Some(deadline.map_or(soon, |deadline| deadline.min(soon))), settled);
        }
    }

    fn unread(&self) -> u64 {
        if self.is_shut() {
            return 0;
        }
        self.run_dry();
        self.receivers.iter().map(Receiver::unread).sum()
    }

    pub(crate) fn stats(&self) -> SubscriptionStats {
        if self.receivers.iter().any(Receiver::is_detached) {
            self.shut(); // by its overflow policy, and nobody has noticed yet
        }
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
