//! What a subscription has, by where it is: not delivered yet, leased, come back, or done with.

use super::failing::Buried;
use super::filter::Filter;
use super::lease::{Lease, LeaseNo};
use super::letter::Entry;
use super::ring::Ring;
use super::round::Round;
use super::topic::Topic;
use super::{Check, Model};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overflow {
    Block,
    DropOldest,
    Detach,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) ack_deadline: Duration,
    pub(crate) max_lease: Option<Duration>,
    /// The least and the most that a message waits before it comes again.
    pub(crate) retry: Option<(Duration, Duration)>,
    /// Which topic, and after how many failed deliveries.
    pub(crate) dead_letter: Option<(usize, u32)>,
    pub(crate) ordering: bool,
    pub(crate) filter: Option<Filter>,
    pub(crate) overflow: Overflow,
    pub(crate) max_messages: usize,
    pub(crate) max_bytes: usize,
    pub(crate) allow_excess: bool,
    pub(crate) max_held: usize,
    pub(crate) max_held_bytes: usize,
}

/// A message that came back.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) entry: Rc<Entry>,
    /// Which delivery the next one is.
    pub(crate) attempt: u32,
    /// Not before.
    pub(crate) ready: Duration,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) delivered: u64,
    pub(crate) acked: u64,
    pub(crate) nacked: u64,
    pub(crate) expired: u64,
    pub(crate) redelivered: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) filtered: u64,
    pub(crate) panics: u64,
    /// Told as gaps.
    pub(crate) dropped: u64,
    pub(crate) discarded: u64,
    /// How many of those discarded may have been filtered, or told as gaps, instead.
    pub(crate) perhaps_filtered: u64,
    pub(crate) perhaps_dropped: u64,
}

#[derive(Debug)]
pub(crate) struct Sub {
    pub(crate) name: String,
    pub(crate) topic: usize,
    pub(crate) settings: Settings,
    /// Detached, deleted or closed.
    pub(crate) shut: bool,
    /// Whether it was the close of its engine that has shut it, if that is known.
    pub(crate) by_close: Option<bool>,
    pub(crate) rings: Vec<Ring>,
    pub(crate) returned: Vec<Returned>,
    /// Given up, and not in the dead-letter topic yet.
    pub(crate) buried: Vec<Buried>,
    /// Where its dead letters without a key go.
    pub(crate) dead_letter_shard: Option<usize>,
    pub(crate) leases: BTreeMap<LeaseNo, Lease>,
    pub(crate) round: Round,
    pub(crate) counts: Counts,
    /// How many messages were told to be lost, and not yet found missing.
    pub(crate) told: usize,
}

impl Sub {
    pub(crate) fn new(name: String, topic: usize, shards: usize, settings: Settings) -> Self {
        Self {
            name,
            topic,
            settings,
            shut: false,
            by_close: None,
            rings: (0..shards).map(|_| Ring::default()).collect(),
            returned: Vec::new(),
            buried: Vec::new(),
            dead_letter_shard: None,
            leases: BTreeMap::new(),
            round: Round::default(),
            counts: Counts::default(),
            told: 0,
        }
    }

    /// Whether the filter lets a message through.
    pub(crate) fn wants(&self, entry: &Entry) -> bool {
        self.settings.filter.as_ref().is_none_or(|filter| filter.matches(&entry.letter.attributes))
    }

    /// Whether messages may leave the ring undelivered, and not be lost.
    pub(crate) fn looks_ahead(&self) -> bool {
        self.settings.ordering || self.settings.filter.is_some() || self.settings.max_bytes < 1 << 20
    }

    pub(crate) fn is_lossy(&self) -> bool {
        self.settings.overflow == Overflow::DropOldest
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.rings.iter().any(|ring| ring.doomed)
    }

    /// Before the call under way.
    pub(super) fn was_doomed(&self) -> bool {
        self.rings.iter().any(|ring| ring.before.1)
    }

    pub(crate) fn may_be_doomed(&self) -> bool {
        self.rings.iter().any(|ring| ring.may_be_doomed)
    }

    /// Whether a message of this key must be settled before the next of the key is delivered.
    pub(crate) fn is_key_busy(&self, key: Option<&str>) -> bool {
        let is_it = |entry: &Entry| key.is_some() && entry.key() == key;
        self.settings.ordering
            && (self.leases.values().any(|lease| is_it(&lease.entry))
                || self.returned.iter().any(|returned| is_it(&returned.entry)))
    }

    /// Whether what is at `index` of a shard's queue may be delivered, as far as filter and keys are concerned.
    pub(crate) fn may_deliver(&self, shard: usize, index: usize) -> bool {
        let queue = &self.rings[shard].queue;
        let entry = &queue[index];
        let first_of_key = || {
            entry.key().is_none()
                || !self.settings.ordering
                || !queue.range(..index).any(|other| other.key() == entry.key() && self.wants(other))
        };
        self.wants(entry) && !self.is_key_busy(entry.key()) && first_of_key()
    }

    /// Whether a message that came back may be delivered again now.
    pub(crate) fn may_redeliver(&self, returned: &Returned, now: Duration) -> bool {
        let entry = &returned.entry;
        let is_it = |other: &Entry| other.id < entry.id && other.key() == entry.key();
        let key_is_free = || {
            !self.leases.values().any(|lease| lease.entry.key() == entry.key())
                && !self.returned.iter().any(|other| is_it(&other.entry))
        };
        let ordered = self.settings.ordering && entry.key().is_some();
        returned.ready <= now && (!ordered || key_is_free())
    }

    /// How much is off the ring and not leased, at least and at most, each in messages and bytes.
    pub(crate) fn held(&self) -> [(usize, usize); 2] {
        let back = self.returned.iter().map(|returned| &returned.entry);
        let back: Vec<_> = back.chain(self.buried.iter().map(|buried| &buried.entry)).collect();
        let held = |off: fn(&Ring) -> usize| {
            let ahead = |ring| Ring::first(ring, if self.is_lossy() { 0 } else { off(ring) });
            let ahead = self.rings.iter().flat_map(ahead).filter(|entry| self.wants(entry));
            let sizes = back.iter().copied().chain(ahead).map(|entry| entry.letter.size());
            sizes.fold((0, 0), |(count, bytes), size| (count + 1, bytes + size))
        };
        [held(|ring| ring.off.least), held(|ring| ring.off.most)]
    }

    /// Whether so much is held that nothing further is taken from the ring: certainly, and perhaps.
    pub(crate) fn is_held_full(&self) -> (bool, bool) {
        let Settings { max_held, max_held_bytes, .. } = self.settings;
        let [least, most] = self.held().map(|(count, bytes)| count >= max_held || bytes >= max_held_bytes);
        (least, most)
    }

    /// Bytes under lease.
    pub(crate) fn leased_bytes(&self) -> usize {
        self.leases.values().map(|lease| lease.entry.letter.size()).sum()
    }

    /// How many messages are lost and not yet told, at least and at most.
    pub(crate) fn lost(&self) -> (usize, usize) {
        if !self.is_lossy() {
            return (0, 0);
        }
        let count = |ring: &Ring, count| ring.queue.range(..count).filter(|entry| self.wants(entry)).count();
        let least: usize = self.rings.iter().map(|ring| count(ring, ring.off.least)).sum();
        let most: usize = self.rings.iter().map(|ring| count(ring, ring.off.most)).sum();
        (least.saturating_sub(self.told), most.saturating_sub(self.told))
    }

    /// What has certainly left the ring and does not match is done with.
    pub(crate) fn drop_filtered(&mut self) {
        let filter = &self.settings.filter;
        let unwanted =
            |entry: &Entry| filter.as_ref().is_some_and(|filter| !filter.matches(&entry.letter.attributes));
        for ring in &mut self.rings {
            self.counts.filtered += ring.remove(ring.off.least, unwanted) as u64;
        }
    }

    /// Everything is given up.
    pub(crate) fn shut(&mut self) -> Left {
        if self.shut {
            return Left::default();
        }
        self.shut = true;
        self.by_close = Some(false);
        self.drop_filtered();
        let lost = self.lost().1;
        let fresh: usize = self.rings.iter().map(|ring| ring.queue.len()).sum();
        let unwanted = |ring: &Ring| ring.queue.iter().filter(|entry| !self.wants(entry)).count();
        let unwanted: usize = self.rings.iter().map(unwanted).sum();
        let left = Left {
            fresh: (fresh - self.told) as u64,
            unacked: (self.returned.len() + self.buried.len() + self.leases.len()) as u64,
            unsure: (unwanted + lost) as u64,
        };
        let counts = &mut self.counts;
        counts.nacked += self.leases.len() as u64;
        counts.discarded += left.fresh + left.unacked;
        counts.perhaps_filtered += unwanted as u64;
        counts.perhaps_dropped += lost as u64;
        self.told = 0;
        self.leases.clear();
        self.returned.clear();
        self.buried.clear();
        self.rings.iter_mut().for_each(|ring| *ring = Ring::default());
        left
    }
}

/// What was given up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Left {
    /// Never delivered.
    pub(crate) fresh: u64,
    /// Delivered, and not acked.
    pub(crate) unacked: u64,
    /// How many of the former may have been filtered, or told as lost.
    pub(crate) unsure: u64,
}

impl Model {
    pub(crate) fn create_topic(&mut self, name: String, slots: usize, shards: usize) {
        self.topics.push(Topic::new(name, slots, shards));
    }

    pub(crate) fn create_subscription(&mut self, name: String, topic: usize, settings: Settings) {
        self.subs.push(Sub::new(name, topic, self.topics[topic].shards, settings));
    }

    /// A subscription that was too slow under [`Overflow::Detach`] is detached, and somebody has noticed.
    pub(crate) fn notice_detached(&mut self, sub: usize) -> Check {
        let sub = &mut self.subs[sub];
        ensure!(sub.shut || sub.may_be_doomed(), "{} is detached, and nothing happened to it", sub.name);
        sub.shut();
        Ok(())
    }
}
