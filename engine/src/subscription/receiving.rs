//! Receiving: what came back first, then the rings.

use super::credit::Credit;
use super::delivery::Delivery;
use super::inner::{Lease, Owner, SubscriptionInner};
use crate::clock::nanos;
use crate::error::RecvError;
use crate::record::{Held, MessageId, Received, Record, Taken};
use crate::stats::add;
use ringmain_fanout::{ReceiveError, Receiver};
use ringmain_ring::Handles;
use ringmain_ring::sync::{Ordering, broken};
use std::sync::Arc;
use std::time::Duration;

/// For how many messages that are chosen from a ring there is room at first.
const AT_ONCE: usize = 128;

/// For how many deliveries their owner is counted at once, at most.
const OWNED_AT_ONCE: u16 = 64;

/// What the deliveries of one call hold on to.
struct Owners<'a> {
    owner: &'a Owner,
    /// How many are counted at once.
    at_once: u16,
    /// Those that are counted, and not needed yet.
    ahead: Handles<Arc<SubscriptionInner>>,
}

impl<'a> Owners<'a> {
    #[inline]
    fn of(owner: &'a Owner, deliveries: usize) -> Self {
        let at_once = u16::try_from(deliveries).unwrap_or(OWNED_AT_ONCE).clamp(1, OWNED_AT_ONCE);
        Self { owner, at_once, ahead: Handles::default() }
    }

    #[inline]
    fn next(&mut self) -> Owner {
        if let Some(owner) = self.ahead.take() {
            return owner;
        }
        self.ahead = self.owner.handles(self.at_once);
        self.ahead.take().expect("one at least")
    }
}

impl SubscriptionInner {
    /// Takes up to `max` messages under lease and gives them to `deliver`. Never waits. Returns how many there were.
    pub(crate) fn receive(
        &self,
        owner: &Owner,
        max: usize,
        mut deliver: impl FnMut(Delivery),
    ) -> Result<usize, RecvError> {
        let time = self.topic.clock.now();
        self.expire_due_at(|| time);
        // Before anything else: who receives one that comes back with each call would never be told, nor get anything further; and
        // it takes no room.
        if let Some(lost) = self.take_lagged().filter(|_| !broken("gap.told_behind")) {
            return Err(RecvError::Lagged(lost));
        }
        let credit = Credit::reserve(self, max);
        let max = credit.granted;
        let deadline =
            time + nanos(self.config.max_lease.unwrap_or(Duration::ZERO).max(self.config.ack_deadline));
        let mut owners = Owners::of(owner, max);
        let (mut count, mut full) = self.redeliver(&mut owners, max, deadline, &mut deliver);
        if count < max && !full {
            let mut excess = Vec::new();
            let (mut delivered, mut was_wanted) = (0, false);
            let taken = self.take(max - count, count > 0, false, |message| {
                if excess.is_empty() && self.credit.admit(message.size()) {
                    was_wanted |= self.credit.want_nothing();
                    delivered += 1;
                    deliver(self.lease(&mut owners, message, 1, deadline));
                } else {
                    excess.push(Held { message: message.received(), attempt: 1 });
                }
            });
            full = !excess.is_empty();
            if full {
                self.put_back(excess);
                self.held_after_all();
            }
            // While they were in our hands, nobody who looked for something to do saw them; and what was wanted, and is leased by
            // now, counted twice.
            if (full && !broken("excess.in_silence")) || was_wanted {
                self.changed.notify();
            }
            self.held.ring_had_turn();
            count += delivered;
            taken?;
            if count == 0 && !full {
                (count, _) = self.redeliver(&mut owners, max, deadline, &mut deliver);
            }
        }
        if count == 0 && self.is_detached() {
            // Without credit nobody has looked at the rings; and it is to be told then, too.
            return Err(self.receive_error(ReceiveError::Detached));
        }
        add(&self.counters.delivered, count as u64);
        Ok(count)
    }

    /// Delivers at most `max` of what came back. Returns how many there were, and whether there is no credit for more.
    #[inline]
    fn redeliver(
        &self,
        owners: &mut Owners<'_>,
        max: usize,
        deadline: u64,
        deliver: &mut impl FnMut(Delivery),
    ) -> (usize, bool) {
        let mut count = 0;
        let admit = |held: &Held| self.credit.admit(held.message.size());
        while count < max
            && let Some(next) = self.held.next_of_round_if(admit)
        {
            let Some(Held { message, attempt }) = next else { return (count, true) };
            self.needs_no_credit();
            add(&self.counters.redelivered, u64::from(attempt > 1));
            deliver(self.lease(owners, Taken::Here(message), attempt, deadline));
            count += 1;
        }
        (count, false)
    }

    #[inline]
    fn lease(&self, owners: &mut Owners<'_>, message: Taken<'_>, attempt: u32, deadline: u64) -> Delivery {
        let (message, leased) = message.received_twice();
        let published = message.published_at();
        let id = self.leases.insert_marked(Lease { message: leased, attempt }, deadline, published);
        self.is_due_at(deadline);
        Delivery::new(owners.next(), message, attempt, id)
    }

    /// Takes up to `max` messages from the rings that may be delivered now. A gap is an error if nothing else is
    /// delivered at the same time (`already`); otherwise it is told next time, since the messages come before it.
    ///
    /// With message ordering, no more is taken than may be held, and when it is handled `in_place`, where what is delivered
    /// may be back in a moment, that is counted in.
    pub(crate) fn take(
        &self,
        max: usize,
        already: bool,
        in_place: bool,
        mut take: impl FnMut(Taken<'_>),
    ) -> Result<usize, RecvError> {
        if self.is_shut() && !already {
            return Err(self.ended()); // a gap that was still to be told went with the backlog
        }
        if self.holds_enough() {
            // Not to be read; but to be told if that was too much for the overflow policy.
            return if !already && self.is_detached() {
                Err(self.receive_error(ReceiveError::Detached))
            } else {
                Ok(0)
            };
        }
        if max == 0 {
            return Ok(0);
        }
        if self.lagged.load(Ordering::Relaxed) != 0 {
            return if already {
                Ok(0)
            } else {
                self.take_lagged().map_or(Ok(0), |lost| Err(RecvError::Lagged(lost)))
            };
        }
        let shards = self.receivers.len();
        // Another one for each call, and then one after the other: whoever else receives at the same time does not keep a call
        // from any of them.
        let first = if shards == 1 { 0 } else { self.next.fetch_add(1, Ordering::Relaxed) };
        let mut count = 0;
        'taking: for _ in 0..2 {
            // Messages that a filter or a key may pass over: as many as there is room for, and once more what was staged.
            let mut looks = self.topic.config.ring_slots * shards;
            for number in 0..shards {
                let shard = first.wrapping_add(number) % shards;
                let receiver = &self.receivers[shard];
                // Again while there is nothing but padding, and what is not to be delivered now.
                while count < max && looks > 0 && receiver.has_work() {
                    let most =
                        (max - count).min(looks).min(self.room_behind_keys(if in_place { count } else { 0 }));
                    if most == 0 {
                        break 'taking;
                    }
                    match self.take_from(receiver, shard, most, &mut take) {
                        Ok((seen, taken)) => {
                            count += taken;
                            looks -= seen.clamp(1, looks);
                            if taken < seen && self.holds_enough() {
                                break 'taking;
                            }
                        }
                        Err(error) => match self.receive_error(error) {
                            error if count == 0 && !already => return Err(error),
                            RecvError::Lagged(lost) => {
                                self.lagged.fetch_add(lost, Ordering::Relaxed);
                                break 'taking;
                            }
                            _ => break 'taking, // told again next time
                        },
                    }
                }
                if count == max {
                    break;
                }
            }
            if count > 0 {
                break;
            }
            if !self.run_dry() {
                break;
            }
        }
        if count > 0 {
            self.topic.shards().unwrap_or(&[]).iter().for_each(|shard| shard.lanes.run_busy());
        }
        Ok(count)
    }

    /// Takes up to `max` messages from one ring. Returns how many there were, and how many may be delivered now.
    #[inline]
    fn take_from(
        &self,
        receiver: &Receiver<Record>,
        shard: usize,
        max: usize,
        take: &mut impl FnMut(Taken<'_>),
    ) -> Result<(usize, usize), ReceiveError> {
        let shards = self.receivers.len();
        if self.filter.is_none() && !self.config.message_ordering {
            let taken = receiver.take(max, |sequence, record| {
                take(Taken::There(record, MessageId::new(sequence, shard, shards)));
            })?;
            add(&self.counters.taken, taken as u64);
            return Ok((taken, taken));
        }
        let mut chosen = Vec::with_capacity(max.min(AT_ONCE));
        let matched = |sequence, record: &Record| {
            self.matches(record)
                .then(|| Received { record: record.clone(), id: MessageId::new(sequence, shard, shards) })
        };
        let mut kept = 0;
        let seen = if self.config.message_ordering {
            // Whoever takes a message of a key also says that it is under way, before anybody takes the next.
            self.held.in_order(|store| {
                receiver.take(max, |sequence, record| {
                    if let Some(message) = matched(sequence, record) {
                        kept += 1;
                        chosen.extend(store.admit(message));
                    }
                })
            })?
        } else {
            receiver.take(max, |sequence, record| {
                if let Some(message) = matched(sequence, record) {
                    kept += 1;
                    chosen.push(message);
                }
            })?
        };
        add(&self.counters.taken, kept);
        if !broken("filter.uncounted") {
            add(&self.counters.filtered, seen as u64 - kept);
        }
        let count = chosen.len();
        chosen.into_iter().map(Taken::Here).for_each(take);
        Ok((seen, count))
    }

    /// Whether the filter, if there is one, lets it through.
    #[inline]
    pub(super) fn matches(&self, record: &Record) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(&record.attributes()))
    }

    /// Whether so much is held that nothing more is taken from the rings.
    pub(super) fn holds_enough(&self) -> bool {
        self.room_to_hold() == 0
    }

    /// How many more messages may be held, all of which a handler may nack at once.
    #[inline]
    pub(super) fn room_to_hold(&self) -> usize {
        let Self { config, held, .. } = self;
        if broken("held.unbounded") {
            usize::MAX
        } else if held.bytes() >= config.max_held_bytes {
            0
        } else {
            config.max_held_messages.saturating_sub(held.len()) // more may be held: leases end as they like
        }
    }

    /// How many messages may be taken at once, when `coming` may be held as well: with message ordering, all of them may
    /// have to queue behind others of their keys.
    #[inline]
    fn room_behind_keys(&self, coming: usize) -> usize {
        if self.config.message_ordering && !broken("keys.unbounded") {
            self.config.max_held_messages.saturating_sub(self.held.len().saturating_add(coming))
        } else {
            usize::MAX
        }
    }

    fn receive_error(&self, error: ReceiveError) -> RecvError {
        match error {
            ReceiveError::Lagged(lost) => {
                add(&self.counters.dropped, lost);
                RecvError::Lagged(if broken("lag.one_less") { lost.saturating_sub(1) } else { lost })
            }
            _ => {
                self.shut_by_policy();
                self.ended()
            }
        }
    }

    /// A gap that is still to be told.
    pub(crate) fn take_lagged(&self) -> Option<u64> {
        if self.lagged.load(Ordering::Relaxed) == 0 || self.is_shut() {
            return None;
        }
        Some(self.lagged.swap(0, Ordering::Relaxed)).filter(|lost| *lost > 0)
    }
}
