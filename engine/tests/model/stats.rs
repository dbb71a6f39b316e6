//! The counters, each against what the model counted, and all of them against the equation.

use super::letter::Entry;
use super::ring::Ring;
use super::subscription::{Overflow, Sub};
use super::{Check, Model};
use std::rc::Rc;
use std::time::Duration;

/// A subscription's counters as the engine tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Observed {
    pub(crate) accepted: u64,
    pub(crate) delivered: u64,
    pub(crate) acked: u64,
    pub(crate) nacked: u64,
    pub(crate) expired: u64,
    pub(crate) redelivered: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) filtered: u64,
    pub(crate) dropped: u64,
    pub(crate) discarded: u64,
    pub(crate) panics: u64,
    pub(crate) outstanding: u64,
    pub(crate) held: u64,
    pub(crate) parked: u64,
    pub(crate) unread: u64,
    pub(crate) outstanding_bytes: u64,
    pub(crate) held_bytes: u64,
    /// The age of the oldest message that is not acked.
    pub(crate) oldest: Option<Duration>,
}

/// A topic's counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObservedTopic {
    pub(crate) published: u64,
    pub(crate) subscriptions: usize,
    pub(crate) slowest: Option<(String, u64)>,
}

impl Model {
    /// Compares a subscription's counters. Looking at them is how a subscription that is too slow is noticed.
    pub(crate) fn check_stats(&mut self, sub: usize, seen: &Observed) -> Check {
        let model = &self.subs[sub];
        if model.is_doomed() || model.may_be_doomed() && seen.discarded > 0 {
            self.notice_detached(sub)?;
        }
        let now = self.now;
        let sub = &mut self.subs[sub];
        let checked = sub.check_sums(seen).and_then(|()| match sub.shut {
            true => sub.check_shut(seen),
            false => sub.check_live(seen, now),
        });
        checked
            .map_err(|fault| format!("{}: {fault}: {seen:?}, and the model has {:?}", sub.name, sub.counts))
    }

    pub(crate) fn check_topic(&self, topic: usize, seen: &ObservedTopic) -> Check {
        let model = &self.topics[topic];
        ensure!(seen.published == model.published, "{}: {seen:?}, not {}", model.name, model.published);
        let live = || self.subs.iter().filter(|sub| sub.topic == topic && !sub.shut);
        let doomed = live().filter(|sub| sub.may_be_doomed()).count();
        let (least, most) = (live().count() - doomed, live().count());
        let count = seen.subscriptions;
        ensure!((least..=most).contains(&count), "{}: {count} subscriptions, not {most}", model.name);
        let blocking = || live().filter(|sub| sub.settings.overflow == Overflow::Block);
        let behind = |sub: &Sub| {
            let occupied = || sub.rings.iter().map(|ring| ring.occupied());
            (occupied().map(|(least, _)| least).max(), occupied().map(|(_, most)| most).max())
        };
        let Some((name, distance)) = &seen.slowest else {
            ensure!(blocking().next().is_none(), "{}: no subscription is the slowest", model.name);
            return Ok(());
        };
        let Some(sub) = blocking().find(|sub| sub.name == *name) else {
            return Err(format!("{}: {name} is the slowest, and no subscription of it", model.name));
        };
        let (least, most) = behind(sub);
        let distance = usize::try_from(*distance).ok();
        ensure!(
            (least..=most).contains(&distance),
            "{name} is {distance:?} behind, not {least:?} to {most:?}"
        );
        let slower = blocking().find(|sub| behind(sub).0 > distance);
        ensure!(
            slower.is_none(),
            "{name} is {distance:?} behind, and {} more",
            slower.map_or("", |sub| &*sub.name)
        );
        Ok(())
    }
}

impl Sub {
    fn check_sums(&self, seen: &Observed) -> Check {
        let done = seen.acked + seen.dead_lettered + seen.filtered + seen.dropped + seen.discarded;
        let left = seen.outstanding + seen.held + seen.unread;
        ensure!(
            seen.accepted == done + left,
            "{} accepted, and {} accounted for",
            seen.accepted,
            done + left
        );
        let ended = seen.acked_deliveries() + seen.outstanding;
        ensure!(seen.delivered == ended, "{} delivered, and {ended} accounted for", seen.delivered);
        let counts = &self.counts;
        for (what, seen, counted) in [
            ("accepted", seen.accepted, counts.accepted),
            ("delivered", seen.delivered, counts.delivered),
            ("acked", seen.acked, counts.acked),
            ("nacked", seen.nacked, counts.nacked),
            ("expired", seen.expired, counts.expired),
            ("redelivered", seen.redelivered, counts.redelivered),
            ("dead-lettered", seen.dead_lettered, counts.dead_lettered),
            ("panics", seen.panics, counts.panics),
        ] {
            ensure!(seen == counted, "{seen} {what}, not {counted}");
        }
        Ok(())
    }

    fn check_shut(&mut self, seen: &Observed) -> Check {
        let left = (seen.outstanding, seen.held, seen.unread, seen.parked);
        ensure!(left == (0, 0, 0, 0), "shut, and something is left");
        let counts = &mut self.counts;
        let filtered = seen.filtered.checked_sub(counts.filtered);
        ensure!(filtered.is_some_and(|more| more <= counts.perhaps_filtered), "{} filtered", seen.filtered);
        let dropped = seen.dropped.checked_sub(counts.dropped);
        ensure!(dropped.is_some_and(|more| more <= counts.perhaps_dropped), "{} dropped", seen.dropped);
        // The rest was discarded, by the equation. From now on nothing changes.
        counts.filtered = seen.filtered;
        counts.dropped = seen.dropped;
        (counts.perhaps_filtered, counts.perhaps_dropped) = (0, 0);
        Ok(())
    }

    fn check_live(&mut self, seen: &Observed, now: Duration) -> Check {
        self.check_undelivered(seen)?;
        let [least, most] = self.held();
        for (what, seen, least, most) in [
            ("outstanding", seen.outstanding, self.leases.len(), self.leases.len()),
            ("outstanding bytes", seen.outstanding_bytes, self.leased_bytes(), self.leased_bytes()),
            ("parked", seen.parked, self.buried.len(), self.buried.len()),
            ("held", seen.held, least.0, most.0),
            ("held bytes", seen.held_bytes, least.1, most.1),
            ("discarded", seen.discarded, 0, 0),
        ] {
            let right = (least as u64..=most as u64).contains(&seen);
            ensure!(right, "{seen} {what}, not {least} to {most}");
        }
        self.check_oldest(seen.oldest, now)
    }

    /// The oldest message of those that are not settled, where of a ring the next one counts: what was enqueued or came
    /// as a dead letter may be older than what is before it. What is filtered out or lost may count until it is found out.
    fn check_oldest(&self, seen: Option<Duration>, now: Duration) -> Check {
        let age = |entry: &Rc<Entry>| now - entry.letter.time;
        let leased = self.leases.values().map(|lease| &lease.entry);
        let returned = self.returned.iter().map(|returned| &returned.entry);
        let buried = self.buried.iter().map(|buried| &buried.entry);
        // The next one is one of these, if there is one for certain.
        let next = |ring: &Ring| {
            let may_be_next = ring.queue.range(ring.off.least..).take(ring.off.most - ring.off.least + 1);
            may_be_next.map(age).min().filter(|_| ring.off.most < ring.queue.len())
        };
        let surely = leased.chain(returned).chain(buried).map(age);
        let least = surely.chain(self.rings.iter().filter_map(next)).max();
        let most = self.rings.iter().flat_map(|ring| &ring.queue).map(age).max().max(least);
        ensure!(least <= seen && seen <= most, "the oldest is of {seen:?} ago, not {least:?} to {most:?}");
        Ok(())
    }

    /// What was not delivered yet is unread, held, filtered out or lost.
    fn check_undelivered(&mut self, seen: &Observed) -> Check {
        let unread = usize::try_from(seen.unread).unwrap_or(usize::MAX);
        let queues = || self.rings.iter().map(|ring| &ring.queue);
        let fresh: usize = queues().map(|queue| queue.len()).sum();
        let unwanted = queues().flatten().filter(|entry| !self.wants(entry)).count() as u64;
        let filtered = seen.filtered.checked_sub(self.counts.filtered);
        ensure!(filtered.is_some_and(|more| more <= unwanted), "{} filtered out", seen.filtered);
        let (_, lost) = self.lost();
        let untold = seen.dropped.checked_sub(self.counts.dropped);
        ensure!(untold.is_some_and(|untold| untold <= lost as u64), "{} dropped", seen.dropped);
        if self.is_lossy() {
            return Ok(()); // The rest by the equation.
        }
        let least: usize = self.rings.iter().map(|ring| ring.off.least).sum();
        let most: usize = self.rings.iter().map(|ring| ring.off.most).sum();
        let off = fresh.checked_sub(unread);
        let right = off.is_some_and(|off| (least..=most).contains(&off));
        ensure!(right, "{unread} unread, not {} to {}", fresh - most, fresh - least);
        if let ([ring], Some(off)) = (&mut *self.rings, off) {
            (ring.off.least, ring.off.most) = (off, off);
            ring.may_be_doomed = false;
            self.drop_filtered();
            ensure!(self.counts.filtered == seen.filtered, "{} filtered out", seen.filtered);
        }
        Ok(())
    }
}

impl Observed {
    /// How many deliveries have ended.
    fn acked_deliveries(&self) -> u64 {
        self.acked + self.nacked + self.expired
    }
}
