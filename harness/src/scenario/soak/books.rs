//! The books of a soak: what was published and settled, without a list of messages.
//!
//! A soak may run for days, so its books must not grow. Of the messages that were published, and of those that each
//! subscription settled, it keeps the number and the sum of a hash of each: what is lost, or settled twice, moves one
//! of them, and nothing makes up for it but a message with the very hash.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::{Clock, TscClock};
use crate::driver::world::SubscriptionStats;
use crate::latency::Recorder;
use crate::num;
use crate::payload::{self, Corrupt, Header};

/// One message in so many panics, is nacked, is forgotten, or is fatal. Primes, so that they do not coincide.
const PANICS: u64 = 20_011;
const NACKS: u64 = 5_003;
const FORGETS: u64 = 5_009;
const KILLS: u64 = 10_007;

/// How many messages, and the sum of their hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) count: u64,
    sum: u64,
}

impl Settled {
    /// Adds a message.
    pub(crate) fn enter(&mut self, header: Header) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(payload::hash(header));
    }

    /// Takes it away again.
    fn remove(&mut self, header: Header) {
        self.count -= 1;
        self.sum = self.sum.wrapping_sub(payload::hash(header));
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { count: self.count + other.count, sum: self.sum.wrapping_add(other.sum) }
    }
}

/// What a subscription does to some of its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its handler panics.
    Panicky,
    /// It forgets deliveries until their deadline passes.
    Forgetful,
    /// It fails some for ever, which become dead letters.
    Fatal,
}

/// What becomes of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Ack,
    Nack,
    Panic,
    Forget,
}

impl Kind {
    /// The kind of a lasting subscription.
    pub(crate) fn of(subscription: usize) -> Self {
        [Self::Panicky, Self::Forgetful, Self::Fatal][subscription % 3]
    }

    /// Whether a message becomes a dead letter.
    pub(crate) fn kills(self, header: Header) -> bool {
        self == Self::Fatal && payload::hash(header).is_multiple_of(KILLS)
    }

    fn fate(self, header: Header, attempt: u32) -> Fate {
        let hash = payload::hash(header);
        if self.kills(header) {
            return Fate::Nack;
        }
        match self {
            _ if attempt > 1 => Fate::Ack,
            Self::Panicky if hash.is_multiple_of(PANICS) => Fate::Panic,
            Self::Forgetful if hash.is_multiple_of(FORGETS) => Fate::Forget,
            _ if hash.is_multiple_of(NACKS) => Fate::Nack,
            _ => Fate::Ack,
        }
    }
}

/// Where one consumer keeps its books while it serves.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) clock: TscClock,
    /// First deliveries only: the others wait for reasons of their own.
    pub(crate) latency: Recorder,
    pub(crate) acked: Settled,
    pub(crate) buried: Settled,
    pub(crate) corrupt: u64,
}

impl Desk {
    /// An empty one.
    pub(crate) fn new(clock: &TscClock) -> Self {
        Self {
            clock: clock.clone(),
            latency: Recorder::new(),
            acked: Settled::default(),
            buried: Settled::default(),
            corrupt: 0,
        }
    }

    /// Decides on a delivery and enters it. One that nobody published is acked, or it would come for ever.
    pub(crate) fn judge(&mut self, header: Result<Header, Corrupt>, kind: Kind, attempt: u32) -> Fate {
        let Ok(header) = header else {
            self.corrupt += 1;
            return Fate::Ack;
        };
        if attempt == 1 {
            self.latency.record(self.clock.now().saturating_sub(header.time));
        }
        let fate = kind.fate(header, attempt);
        if fate == Fate::Ack {
            self.acked.enter(header);
        }
        fate
    }

    /// An ack came too late to count.
    pub(crate) fn take_back(&mut self, header: Result<Header, Corrupt>) {
        if let Ok(header) = header {
            self.acked.remove(header);
        }
    }

    /// Enters a dead letter.
    pub(crate) fn bury(&mut self, header: Result<Header, Corrupt>) {
        match header {
            Ok(header) => self.buried.enter(header),
            Err(Corrupt) => self.corrupt += 1,
        }
    }
}

/// What all consumers and publishers have told so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) published: Settled,
    pub(crate) fatal: Settled,
    /// By lasting subscription.
    pub(crate) acked: Vec<Settled>,
    pub(crate) buried: Settled,
    pub(crate) corrupt: u64,
    /// Since it was taken last.
    pub(crate) latency: Option<Recorder>,
    /// Who came and went.
    pub(crate) consumers: u64,
    pub(crate) publishers: u64,
    pub(crate) subscriptions: u64,
    /// Messages that were due when their publisher left, and that it could not send in a generation more.
    pub(crate) unsent: u64,
    /// What did not add up.
    pub(crate) faults: Vec<String>,
}

/// The books that all threads write to, a few times a second each.
#[derive(Debug, Default)]
pub(crate) struct Books(Mutex<Told>);

impl Books {
    /// Books for so many lasting subscriptions.
    pub(crate) fn new(subscriptions: usize) -> Self {
        Self(Mutex::new(Told { acked: vec![Settled::default(); subscriptions], ..Told::default() }))
    }

    /// Opens them.
    pub(crate) fn open(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters what a consumer has at its desk; `subscription` is absent for dead letters.
    pub(crate) fn enter(&self, subscription: Option<usize>, desk: &Desk) {
        let mut told = self.open();
        match subscription {
            Some(subscription) => told.acked[subscription] = told.acked[subscription].and(desk.acked),
            None => told.buried = told.buried.and(desk.buried),
        }
        told.corrupt += desk.corrupt;
        told.consumers += 1;
        told.latency.get_or_insert_with(Recorder::new).merge(&desk.latency);
    }
}

/// Whether the counters of a subscription at rest add up: what it accepted is somewhere.
pub(crate) fn imbalance(name: &str, stats: &SubscriptionStats) -> Option<String> {
    let accounted = stats.acked
        + stats.dead_lettered
        + stats.filtered
        + stats.dropped
        + stats.discarded
        + stats.outstanding
        + stats.held
        + stats.unread;
    (stats.accepted != accounted).then(|| {
        let [accepted, accounted] = [stats.accepted, accounted].map(num::grouped);
        format!("{name}: {accepted} messages accepted, {accounted} accounted for")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(sequence: u64) -> Header {
        Header { publisher: 1, sequence, time: 0 }
    }

    #[test]
    fn loss_and_repeats_show_though_the_number_is_right() {
        let settled = |sequences: &[u64]| {
            let mut settled = Settled::default();
            sequences.iter().for_each(|&sequence| settled.enter(header(sequence)));
            settled
        };
        assert_eq!(settled(&[1, 2, 3]), settled(&[3, 1, 2]));
        assert_ne!(settled(&[1, 2, 3]), settled(&[1, 2]));
        assert_ne!(settled(&[1, 2, 3]), settled(&[1, 2, 2]));
        assert_eq!(settled(&[1]).and(settled(&[2])), settled(&[1, 2]));
    }

    #[test]
    fn each_kind_does_what_it_is_called_and_acks_the_second_time() {
        let fates = |kind: Kind, attempt| (0..200_000).map(move |n| kind.fate(header(n), attempt));
        let some = |kind: Kind, fate: Fate| fates(kind, 1).filter(|&one| one == fate).count();
        assert!(some(Kind::Panicky, Fate::Panic) > 2 && some(Kind::Panicky, Fate::Forget) == 0);
        assert!(some(Kind::Forgetful, Fate::Forget) > 10 && some(Kind::Forgetful, Fate::Panic) == 0);
        assert!(some(Kind::Fatal, Fate::Nack) > some(Kind::Panicky, Fate::Nack));
        assert!(fates(Kind::Forgetful, 2).all(|fate| fate == Fate::Ack));
        let killed = (0..200_000).filter(|&n| Kind::Fatal.kills(header(n))).count();
        assert_eq!(fates(Kind::Fatal, 4).filter(|&fate| fate == Fate::Nack).count(), killed);
    }

    #[test]
    fn counters_that_do_not_add_up_are_told() {
        let mut stats = SubscriptionStats::default();
        (stats.accepted, stats.acked, stats.discarded) = (10, 7, 3);
        assert_eq!(imbalance("s", &stats), None);
        stats.acked = 6;
        assert_eq!(imbalance("s", &stats).unwrap(), "s: 10 messages accepted, 9 accounted for");
    }
}
