//! Which deliveries a call may make.
//!
//! A call that receives [begins](Model::begin), [delivers](Model::deliver) one message after the other, and
//! [ends](Model::finish), where it must have done enough: see [`finish`](super::finish).

use super::letter::{Entry, Verdict};
use super::ring::Bounds;
use super::subscription::{Overflow, Sub};
use super::{Check, Model};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// A delivery as the receiver saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: u64,
    pub(crate) attempt: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) key: Option<String>,
    /// Since the clock's zero.
    pub(crate) time: Duration,
}

/// How a call receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// At most so many, under lease.
    Leased(usize),
    /// A turn of at most so many slots a shard.
    InPlace(usize),
}

/// A call that receives, from its beginning to its end.
#[derive(Debug)]
pub(crate) struct Call {
    pub(super) sub: usize,
    pub(super) way: Way,
    /// How many may be delivered.
    pub(super) most: usize,
    /// Whether it began with the ring's turn, in the middle of a round.
    pub(super) ring_first: bool,
    /// Whether so much was held when it began that the ring was not looked at, perhaps.
    pub(super) full: bool,
    /// The same, certainly.
    surely_full: bool,
    /// The ordering keys of what was delivered.
    pub(super) keys: BTreeSet<String>,
    /// Bytes under lease when it began, and now.
    pub(super) bytes_before: usize,
    pub(super) bytes: usize,
    /// How many were delivered, of those that came back, and from each shard.
    pub(super) returned: usize,
    pub(super) fresh: Vec<usize>,
    /// How many of the latter were surely on the ring until now.
    pub(super) from_ring: usize,
    /// Whether a gap was told.
    pub(super) lagged: bool,
}

impl Call {
    pub(super) fn count(&self) -> usize {
        self.returned + self.fresh.iter().sum::<usize>()
    }

    /// A key became free in the course of it.
    pub(super) fn free(&mut self, key: Option<String>) {
        self.keys.extend(key);
    }
}

impl Model {
    /// A call begins: what is late expires, and a new round begins if the ring had its turn.
    pub(crate) fn begin(&mut self, sub: usize, way: Way) -> Check<Call> {
        self.expire(sub)?;
        let now = self.now;
        let model = &self.subs[sub];
        // A dispatcher that would take nothing from the ring looks whether that is still there: what others publish from
        // here on, this subscription has no part in. (What a handler publishes comes later.)
        if matches!(way, Way::InPlace(_)) && !model.shut && model.was_doomed() && model.is_held_full().0 {
            self.notice_detached(sub)?;
        }
        let model = &mut self.subs[sub];
        let bytes = model.leased_bytes();
        let credit = model.settings.max_messages.saturating_sub(model.leases.len());
        let most = match way {
            Way::Leased(_) if bytes >= model.settings.max_bytes => 0,
            Way::Leased(max) => max.min(credit),
            Way::InPlace(_) => usize::MAX,
        };
        if most > 0 {
            model.begin_round(now);
        }
        let ring_first = model.round.may_be_open() && !model.is_round_due(now);
        let fresh = vec![0; model.rings.len()];
        let (surely_full, full) = model.is_held_full();
        let keys = BTreeSet::new();
        Ok(Call {
            sub,
            way,
            most,
            ring_first,
            full,
            surely_full,
            keys,
            bytes_before: bytes,
            bytes,
            returned: 0,
            fresh,
            from_ring: 0,
            lagged: false,
        })
    }

    /// A message was delivered.
    pub(crate) fn deliver(&mut self, call: &mut Call, seen: &Seen) -> Check<Rc<Entry>> {
        let now = self.now;
        let sub = &mut self.subs[call.sub];
        ensure!(!sub.shut, "{} is detached, and delivered {seen:?}", sub.name);
        let came_back = sub.returned.iter().position(|returned| returned.entry.id == seen.id);
        let delivered = match came_back {
            Some(index) => sub.redeliver(call, index, seen, now),
            None => sub.deliver_fresh(call, seen, now),
        };
        let entry = delivered.map_err(|fault| format!("{} delivered {seen:?}, but {fault}", sub.name))?;
        call.keys.extend(seen.key.clone());
        sub.counts.delivered += 1;
        sub.counts.redelivered += u64::from(seen.attempt > 1);
        ensure!(call.count() <= call.most, "{}: {} deliveries of {}", sub.name, call.count(), call.most);
        let letter = &entry.letter;
        if matches!(call.way, Way::Leased(_)) {
            let fits = sub.fits_bytes(call, letter.size());
            ensure!(fits, "{}: {} bytes are leased, and {} more", sub.name, call.bytes, letter.size());
            call.bytes += letter.size();
        }
        ensure!(
            (&seen.data, &seen.attributes, &seen.key, seen.time)
                == (&letter.data, &letter.attributes, &letter.key, letter.time),
            "{}: {seen:?} is not what was published: {letter:?}",
            sub.name
        );
        Ok(entry)
    }

    /// What an in-place handler said of a message.
    pub(crate) fn judge(&mut self, sub: usize, entry: Rc<Entry>, attempt: u32, verdict: Verdict) -> Check {
        let counts = &mut self.subs[sub].counts;
        if verdict == Verdict::Ack {
            counts.acked += 1;
            return Ok(());
        }
        counts.nacked += 1;
        counts.panics += u64::from(verdict == Verdict::Panic);
        self.fail(sub, entry, attempt)
    }

    /// A gap was told.
    pub(crate) fn lag(&mut self, call: &mut Call, count: u64) -> Check {
        let sub = &mut self.subs[call.sub];
        let lost = usize::try_from(count).unwrap_or(usize::MAX);
        let (_, most) = sub.lost();
        ensure!(0 < lost && lost <= most, "{} told a gap of {count}, and lost at most {most}", sub.name);
        ensure!(call.count() == 0 || call.way != Way::Leased(1), "a gap and a message in one");
        call.lagged = true;
        sub.round.ends(); // that was the ring's turn
        sub.told += lost;
        sub.counts.dropped += count;
        sub.match_gap();
        Ok(())
    }
}

impl Sub {
    /// Whether so many bytes more may be leased.
    pub(super) fn fits_bytes(&self, call: &Call, size: usize) -> bool {
        let Self { settings, .. } = self;
        let excess = settings.allow_excess && call.bytes_before < settings.max_bytes;
        call.bytes + size <= settings.max_bytes || call.bytes == 0 || excess
    }

    fn redeliver(&mut self, call: &mut Call, index: usize, seen: &Seen, now: Duration) -> Check<Rc<Entry>> {
        let returned = &self.returned[index];
        ensure!(self.may_redeliver(returned, now), "it may not be, at {now:?}: {returned:?}");
        ensure!(seen.attempt == returned.attempt, "the attempt is {}", returned.attempt);
        let ring_is_done = !self.offers();
        let went = self.round.has_gone(seen.id);
        ensure!(!went || ring_is_done, "it was redelivered before, and the ring has not had its turn since");
        let next = went || call.ring_first && call.count() == 0;
        if ring_is_done && next && !self.round.is_unclear() {
            self.round.ends();
            self.begin_round(now);
        }
        self.round.goes(seen.id);
        call.returned += 1;
        Ok(self.returned.remove(index).entry)
    }

    fn deliver_fresh(&mut self, call: &mut Call, seen: &Seen, now: Duration) -> Check<Rc<Entry>> {
        let shard = usize::try_from(seen.id % self.rings.len() as u64).expect("small");
        let ring = &self.rings[shard];
        let there = ring.queue.binary_search_by_key(&seen.id, |entry| entry.id);
        let Ok(index) = there else {
            return Err(format!("it is not there, or done with; the buried are {:?}", self.buried));
        };
        ensure!(seen.attempt == 1, "it was never delivered before");
        let entry = Rc::clone(&ring.queue[index]);
        let gone = ring.before.1 && index >= ring.off.most;
        ensure!(!gone, "a whole ring was unread, which detaches the subscription");
        ensure!(self.wants(&entry), "the filter is against it");
        ensure!(self.may_deliver(shard, index), "an earlier one of its key is not settled");
        if index >= ring.off.least {
            // It was on the ring, or may have been.
            let certain = index >= ring.off.most;
            ensure!(
                !certain || !self.is_round_due(now),
                "a message that came back goes first: {:?}",
                self.round
            );
            let first = call.fresh.iter().all(|count| *count == 0);
            let full = certain && first && call.surely_full && self.is_held_full().0;
            ensure!(!full, "as much is held as may be: {:?}", self.held());
        }
        if index < ring.off.least && call.ring_first && call.count() == 0 {
            // What was moved off is the last of the round under way, or the first of the next, after the ring's turn.
            self.round.becomes_unclear();
        } else if index < ring.off.least {
            self.round.goes_first();
        } else if index < ring.off.most {
            self.round.becomes_unclear();
        } else {
            call.from_ring += 1;
        }
        self.skip(shard, index, &entry)?;
        call.fresh[shard] += 1;
        Ok(entry)
    }

    /// Takes a message out; those before it must have been passed over rightly.
    fn skip(&mut self, shard: usize, index: usize, entry: &Entry) -> Check {
        let ring = &self.rings[shard];
        for (position, other) in ring.first(index).enumerate().filter(|(_, other)| self.wants(other)) {
            let waits = self.settings.ordering && other.key().is_some() && other.key() != entry.key();
            let passed = if self.is_lossy() { position < ring.off.most } else { waits };
            ensure!(passed, "message {} comes before it", other.id);
        }
        let ring = &mut self.rings[shard];
        // (What came in the course of this call may have pushed out what is behind it.)
        let least = ring.off.least.min(ring.before.0);
        let lost = self.settings.overflow == Overflow::DropOldest && index < least;
        ensure!(!lost, "it was lost: {} slots were unread", ring.queue.len());
        let filter = &self.settings.filter;
        let unwanted =
            |other: &Entry| filter.as_ref().is_some_and(|filter| !filter.matches(&other.letter.attributes));
        let filtered = ring.remove(index, unwanted);
        self.counts.filtered += filtered as u64;
        let index = index - filtered;
        ring.take(index);
        if self.is_lossy() {
            ensure!(
                index <= self.told,
                "{index} messages before it were lost, and {} of them told",
                self.told
            );
            self.told -= index;
            let ring = &mut self.rings[shard];
            ring.remove(index, |_| true);
            ring.off = if ring.pushed { ring.off } else { Bounds::default() };
        }
        Ok(())
    }

    /// A gap was told: if it can only be one thing, finds out what.
    fn match_gap(&mut self) {
        let [ring] = &mut *self.rings else { return };
        let filter = &self.settings.filter;
        let wanted =
            |entry: &Entry| filter.as_ref().is_none_or(|filter| filter.matches(&entry.letter.attributes));
        let Some(last) = (0..ring.queue.len()).filter(|index| wanted(&ring.queue[*index])).nth(self.told - 1)
        else {
            return;
        };
        self.counts.filtered += ring.remove(last + 1, |entry| !wanted(entry)) as u64;
        ring.remove(self.told, |_| true);
        self.told = 0;
    }
}
