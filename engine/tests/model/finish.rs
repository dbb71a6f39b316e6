//! Which deliveries a call must have made.

use super::letter::Entry;
use super::receive::{Call, Way};
use super::ring::Ring;
use super::subscription::Sub;
use super::{Check, Model};
use std::collections::BTreeSet;
use std::time::Duration;

/// Whether a pull looks at everything that is there before it gives back less than it was asked for.
const LOOKS_ON: bool = true;

impl Model {
    /// The call ended: it did all that it must.
    pub(crate) fn finish(&mut self, call: &Call) -> Check {
        let (step, now) = (self.step, self.now);
        let sub = &mut self.subs[call.sub];
        if sub.shut {
            return Ok(());
        }
        let leased = matches!(call.way, Way::Leased(_));
        let stopped = leased && sub.is_stopped_by_bytes(call, now);
        if sub.looks_ahead() {
            // In place, a key may have been busy, and free again by now.
            let in_place = !leased && sub.settings.ordering;
            let keys = if in_place { call.keys.clone() } else { BTreeSet::new() };
            sub.move_off(if stopped { call.most } else { 0 }, &keys);
        }
        let checked = match call.way {
            Way::Leased(_) => sub.finish_leased(call, now),
            Way::InPlace(turn) => sub.finish_turn(call, turn, step, now),
        };
        checked.map_err(|fault| format!("{}: {fault} after {call:?}", sub.name))?;
        sub.drop_filtered();
        let exhausted = leased && call.count() < call.most && !call.lagged && !stopped;
        let exhausted = exhausted && !call.full && !sub.is_held_full().1;
        let topic = sub.topic;
        if exhausted && call.count() == 0 { self.check_nothing_left_behind(topic) } else { Ok(()) }
    }

    /// A dispatcher had nothing to do: there is nothing for this subscription.
    pub(crate) fn check_idle(&self, sub: usize) -> Check {
        let model = &self.subs[sub];
        if model.shut || model.may_be_doomed() {
            return Ok(());
        }
        let back = model.returned.iter().find(|returned| model.may_redeliver(returned, self.now));
        ensure!(back.is_none(), "{}: nothing was handled, and {back:?} came back", model.name);
        if model.is_full_ahead() {
            return Ok(());
        }
        // What was fetched in the end is for the next turn.
        let any = model.any_fresh(false, |entry| entry.step < self.step);
        ensure!(!any, "{}: nothing was handled, and there is something", model.name);
        self.check_nothing_left_behind(model.topic)
    }

    /// Whether nothing is left but what is parked, and nothing will come. Whoever asks has looked at everything.
    pub(crate) fn is_ended(&mut self, sub: usize) -> bool {
        let sub = &mut self.subs[sub];
        let mut queued = sub.rings.iter().flat_map(|ring| &ring.queue);
        let ended = self.topics[sub.topic].closed
            && !queued.any(|entry| sub.wants(entry))
            && sub.leases.is_empty()
            && sub.returned.is_empty();
        if ended {
            for ring in &mut sub.rings {
                (ring.off.least, ring.off.most) = (ring.queue.len(), ring.queue.len());
            }
            sub.drop_filtered();
        }
        ended
    }
}

impl Sub {
    /// Whether there is something that was not delivered yet and may be, of those that `fit`; if `on_ring`,
    /// surely on a ring.
    fn any_fresh(&self, on_ring: bool, fit: impl Fn(&Entry) -> bool) -> bool {
        let may_deliver = |shard: usize| {
            let Ring { queue, off, doomed, .. } = &self.rings[shard];
            let from = if on_ring || self.is_lossy() { off.most } else { 0 };
            // What was moved off is still there when the rest is not.
            let to = if *doomed { off.least } else { queue.len() };
            let fits = |index: &usize| fit(&queue[*index]);
            (from..to).filter(fits).any(|index| self.may_deliver(shard, index))
        };
        (0..self.rings.len()).any(may_deliver)
    }

    /// Whether the rings certainly have something to deliver.
    pub(super) fn offers(&self) -> bool {
        !self.is_full_ahead() && self.any_fresh(true, |_| true)
    }

    /// Whether as much might be held as may be, if all that waits for its key were moved off the rings.
    fn is_full_ahead(&self) -> bool {
        let waits = |shard: usize| {
            let ring = &self.rings[shard];
            let ahead = (ring.off.most..ring.queue.len()).map(move |index| (index, &ring.queue[index]));
            ahead.filter(move |(index, entry)| self.wants(entry) && !self.may_deliver(shard, *index))
        };
        let (mut count, mut bytes) = self.held()[1];
        for (_, entry) in (0..self.rings.len()).flat_map(waits) {
            count += 1;
            bytes += entry.letter.size();
        }
        count >= self.settings.max_held || bytes >= self.settings.max_held_bytes
    }

    /// Whether there is a message for which there is no credit.
    fn is_stopped_by_bytes(&self, call: &Call, now: Duration) -> bool {
        let too_much = |entry: &Entry| !self.fits_bytes(call, entry.letter.size());
        let back = self.returned.iter().filter(|returned| self.may_redeliver(returned, now));
        back.map(|returned| &*returned.entry).any(too_much) || self.any_fresh(false, too_much)
    }

    fn finish_leased(&mut self, call: &Call, now: Duration) -> Check {
        let count = call.count();
        if count == call.most {
            if call.from_ring > 0 {
                self.round.ends();
            }
            return Ok(());
        }
        if self.is_stopped_by_bytes(call, now) {
            if !self.is_round_due(now) {
                self.round.becomes_unclear();
            }
            return Ok(());
        }
        ensure!(!self.is_round_due(now), "a message that came back is not delivered");
        let nothing_comes = count > 0 || !self.returned.iter().any(|back| self.may_redeliver(back, now));
        ensure!(nothing_comes, "nothing was delivered, though a message came back");
        // What was moved off the ring, and whose key became free since, may have to wait for the ring's turn.
        let nothing_is_ready = count > 0 || !self.any_fresh(false, |_| true) || self.is_full_ahead();
        ensure!(nothing_is_ready, "nothing was delivered, though there is something");
        let full = call.full || self.is_held_full().1 || count > 0 && self.may_be_doomed();
        ensure!(full || count > 0 || !self.is_doomed(), "it was not told that it is detached");
        // A gap that is met behind messages is told next time, and what is behind it waits.
        let gap_is_next = count > 0 && self.lost().1 > 0;
        ensure!(full || count > 0 || self.lost().0 == 0, "a gap is not told: {:?}", self.lost());
        let gives_up = !LOOKS_ON && (self.rings.len() > 1 || self.looks_ahead());
        ensure!(gap_is_next || gives_up || full && count > 0 || !self.offers(), "the ring has more");
        if self.is_lossy() && !gap_is_next && !gives_up && !full {
            // Nothing is left on the rings: all that was lost is told.
            let left = |ring: &Ring| ring.queue.iter().filter(|entry| self.wants(entry)).count();
            let left: usize = self.rings.iter().map(left).sum();
            ensure!(left == self.told, "{left} messages are missing, and a loss of {} was told", self.told);
            let unwanted: usize = self.rings.iter().map(|ring| ring.queue.len()).sum::<usize>() - left;
            self.counts.filtered += unwanted as u64;
            self.told = 0;
            self.rings.iter_mut().for_each(Ring::empty);
        }
        // After the ring's turn, what was held has gone in a new round, in which the ring has not had its turn.
        let ring_was_first = call.ring_first && call.from_ring == 0 && count > 0;
        match count > call.returned {
            _ if !ring_was_first => self.round.ends(),
            true => self.round.becomes_unclear(),
            false => {}
        }
        if LOOKS_ON && !full && !self.is_lossy() {
            // Who asked for more has looked at everything.
            for ring in &mut self.rings {
                ring.off.least = ring.off.most;
            }
        }
        Ok(())
    }

    fn finish_turn(&mut self, call: &Call, turn: usize, step: u64, now: Duration) -> Check {
        if self.may_be_doomed() {
            return Ok(()); // it was noticed, and everything given up, perhaps
        }
        ensure!(!self.is_round_due(now), "a message that came back is not delivered");
        // A handler has published: what the ring had when this one had its turn, which may have been before, is not known.
        let unclear = self.round.is_unclear();
        self.round.ends();
        let took = call.from_ring > 0;
        let held = self.returned.len();
        ensure!(!took || held <= self.settings.max_held, "{held} messages are held");
        let (count, bytes) = self.held()[1];
        let binding = call.full
            || count + turn * self.rings.len() > self.settings.max_held
            || bytes >= self.settings.max_held_bytes;
        for (shard, ring) in self.rings.iter().enumerate() {
            let count = call.fresh[shard];
            // What was moved off before goes in addition to a turn.
            ensure!(self.looks_ahead() || count <= turn, "{count} messages of shard {shard} in one turn");
            if unclear || ring.doomed || self.is_lossy() && (call.lagged || ring.off.most > 0) || binding {
                continue;
            }
            // What was staged until the turn's end is for the next.
            let is_there = |index: &usize| ring.queue[*index].step < step;
            let there = (0..ring.queue.len()).filter(is_there);
            if self.looks_ahead() {
                let mut within = there.take_while(|index| *index < turn);
                // What was moved off before may have to wait for the ring's turn.
                let waits = |index: usize| call.ring_first && index < ring.off.most;
                let first = within.find(|index| self.may_deliver(shard, *index) && !waits(*index));
                // What was delivered may have freed its key, or been a turn's worth.
                ensure!(first.is_none() || call.count() > 0, "shard {shard} has more: {first:?}");
            } else {
                let left = there.count();
                ensure!(count == turn || left == 0, "shard {shard} has {left} more");
            }
        }
        Ok(())
    }

    /// A call is under way, which delivers these: what cannot be delivered now may have been moved off the rings.
    pub(crate) fn takes(&mut self, ids: impl IntoIterator<Item = u64>) {
        for ring in &mut self.rings {
            (ring.taking, ring.pushed, ring.before) = (0, false, (ring.off.least, ring.doomed));
        }
        for id in ids {
            let shard = usize::try_from(id % self.rings.len() as u64).expect("small");
            self.rings[shard].taking += 1;
        }
        if self.looks_ahead() {
            self.move_off(0, &BTreeSet::new());
            for shard in 0..self.rings.len() {
                let waits = |index: &usize| !self.may_deliver(shard, *index);
                self.rings[shard].waiting = (0..self.rings[shard].queue.len()).filter(waits).count();
            }
        }
    }

    /// What cannot be delivered now may have been moved off the rings: what the filter is against, and what waits for its
    /// key, now or when one of these `keys` was busy; and `more`, for want of credit.
    fn move_off(&mut self, more: usize, keys: &BTreeSet<String>) {
        for shard in 0..self.rings.len() {
            let Ring { queue, off, .. } = &self.rings[shard];
            let was_busy = |index: &usize| queue[*index].key().is_some_and(|key| keys.contains(key));
            let may_stay = (off.most..queue.len()).filter(|index| !was_busy(index));
            let mut may_stay = may_stay.filter(|index| self.may_deliver(shard, *index));
            let stays = may_stay.nth(more).unwrap_or(queue.len());
            self.rings[shard].off.most = stays.max(self.rings[shard].off.most);
        }
    }
}
