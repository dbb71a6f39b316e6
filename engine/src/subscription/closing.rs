//! How a subscription ends, and the account that it gives of itself.

use super::dead_letter::DeadLetters;
use super::inner::{End, SubscriptionInner};
use crate::observe::event;
use crate::stats::{SubscriptionStats, add, read};
use ringmain_fanout::Receiver;
use ringmain_ring::sync::{Ordering, broken, lock, ordering, thread};
use ringmain_ring::{WakeLater, now};
use std::sync::Weak;
use std::time::{Duration, Instant};

impl SubscriptionInner {
    /// Gives everything up, for good. Returns what was unread, and what was delivered and not acked.
    pub(crate) fn shut(&self, how: End) -> (u64, u64) {
        self.give_up(how, false)
    }

    /// The same, by a call that noticed that the overflow policy has detached it.
    pub(crate) fn shut_by_policy(&self) {
        self.give_up(End::Detached, true);
    }

    fn give_up(&self, how: End, noticed: bool) -> (u64, u64) {
        let both = ordering("shut.swap", Ordering::AcqRel);
        if self.end.compare_exchange(0, how as u32, both, Ordering::Relaxed).is_err() {
            return (0, 0);
        }
        self.run_dry();
        self.topic.release();
        // Detached first: then nobody takes any more, and what lies behind the position stays unread.
        let mut unread = 0;
        for (index, receiver) in self.receivers.iter().enumerate() {
            // Padding that is on its way counts as messages. (Whoever is woken by the detach may make some.)
            let _wakers = WakeLater::begin();
            let _no_padding = self.topic.shard(index).no_padding();
            unread += receiver.detach_counting();
            unread += receiver.unread(); // what was lost and not told
        }
        add(&self.given_up, unread); // and to what is discarded, below
        self.note_skipped();
        let mut unacked = 0;
        self.held.clear(|held| unacked = held);
        if broken("shut.forgets_held") {
            unacked = 0;
        }
        // From here on nothing is taken from anywhere, and what is between two states gets there in a moment. Not waited
        // for by the call that noticed what the overflow policy did: it is one of those moments. Nor for ever: so may be the
        // caller, if it is a task that was polled where it was woken.
        let patience = now() + Duration::from_secs(1);
        let wait_while = |busy: &dyn Fn() -> bool| {
            while !noticed && busy() && now() < patience {
                thread::yield_now();
            }
        };
        // Acquire: pairs with the release at the end of a call that receives: its leases are there.
        let acquire = ordering("shut.receiving.acquire", Ordering::Acquire);
        wait_while(&|| self.receiving.load(acquire) > 0);
        self.leases.expire(None, |_, lease| {
            add(&self.counters.nacked, 1);
            self.credit.give_back(lease.message.size());
            unacked += 1;
        });
        // No lease begins any more; those that others were ending meanwhile, and what was tried again, came back here.
        wait_while(&|| self.leases.live() > 0 || !self.held.is_quiet());
        // Given up where it came, and counted there: as late, or as lost before it was read.
        let late = read(&self.counters.discarded);
        add(&self.counters.discarded, unread + unacked);
        let lost = read(&self.given_up) - unread;
        (unread, unacked) = (unread + lost, unacked + late.saturating_sub(lost));
        self.changed.notify();
        for receiver in &self.receivers {
            receiver.channel().data().notify();
        }
        event!(info, "subscription detached", subscription = self.name, unread = unread, unacked = unacked);
        (unread, unacked)
    }

    /// So many messages that were unread when it was shut were found by somebody else.
    pub(super) fn gives_up(&self, unread: u64) {
        add(&self.given_up, unread);
        add(&self.counters.discarded, unread);
    }

    /// Waits until everything accepted is received and acked, or `deadline`.
    pub(crate) fn wait_until_settled(&self, deadline: Option<Instant>) {
        let late = || deadline.is_some_and(|deadline| now() >= deadline);
        let over = || self.is_over();
        while !late() {
            if over() {
                return;
            }
            self.try_what_is_parked();
            // Before the look: what comes back after it is seen to have.
            let returned = self.held.returned();
            // In this order: what is taken is in somebody's hands from then on.
            let settled = || {
                self.has_taken_all() && !self.has_work(true) && self.is_at_rest() && !self.waits_to_forward()
            };
            if !settled() {
                self.pause(deadline, || over() || settled());
                continue;
            }
            // What was taken in place, and is being handled just now, may come back yet.
            let turns: Vec<_> = lock(&self.dispatchers).iter().filter_map(Weak::upgrade).collect();
            let turns: Vec<_> = turns
                .into_iter()
                .filter_map(|turns| turns.under_way().map(|number| (turns, number)))
                .collect();
            let handled = || turns.iter().all(|(turns, number)| turns.under_way() != Some(*number));
            while !handled() && !late() {
                self.pause(deadline, handled);
            }
            // (Or failed for the last time, and was parked.)
            if self.held.returned() == returned && (settled() || broken("drain.turn_parks_unseen")) {
                return;
            }
        }
    }

    /// Tries what is parked again, if anything is.
    pub(crate) fn try_what_is_parked(&self) {
        if self.held.parked() > 0 {
            self.try_parked(self.topic.clock.now());
        }
    }

    /// Whether everything that was claimed is taken, or never will be: what is not published yet was accepted as well.
    fn has_taken_all(&self) -> bool {
        self.receivers.iter().all(|receiver| receiver.backlog() == 0) || self.is_stuck()
    }

    /// Whether enough is parked that nothing more is taken, and the dead-letter topic will take none of it.
    fn is_stuck(&self) -> bool {
        self.holds_enough() && !self.waits_to_forward() && self.held.is_all_parked(|| self.holds_enough())
    }

    /// Whether something is parked that its dead-letter topic may take yet.
    fn waits_to_forward(&self) -> bool {
        self.held.parked() > 0 && self.dead_letter.as_ref().is_some_and(DeadLetters::may_forward)
    }

    /// Waits for a moment, or until `ready`: in-place readers notify nobody but publishers.
    fn pause(&self, deadline: Option<Instant>, ready: impl FnMut() -> bool) {
        let soon = now() + Duration::from_millis(1);
        self.changed.wait_until(Some(deadline.map_or(soon, |deadline| deadline.min(soon))), ready);
    }

    /// Counts what the overflow policy dropped and the filter would not have let through.
    fn note_skipped(&self) {
        let skipped: u64 = self.receivers.iter().map(Receiver::take_skipped).sum();
        add(&self.counters.filtered, skipped);
    }

    /// What is unread. Fetches what is staged first; that may end the subscription, by its overflow policy.
    fn unread(&self) -> u64 {
        loop {
            if !self.is_shut() {
                self.run_dry();
            }
            let unread = self.receivers.iter().map(Receiver::unread).sum();
            if self.is_shut() {
                return 0;
            }
            if !self.receivers.iter().any(Receiver::is_detached) {
                return unread;
            }
            self.shut_by_policy(); // nobody has noticed yet
        }
    }

    pub(crate) fn stats(&self) -> SubscriptionStats {
        let unread = self.unread();
        self.note_skipped();
        let counters = &self.counters;
        let in_place = read(&counters.in_place);
        let (dropped, filtered) = (read(&counters.dropped), read(&counters.filtered));
        SubscriptionStats {
            accepted: read(&counters.taken) + in_place + filtered + dropped + unread + read(&self.given_up),
            delivered: read(&counters.delivered) + in_place,
            acked: read(&counters.acked) + in_place,
            nacked: read(&counters.nacked),
            expired: read(&counters.expired),
            redelivered: read(&counters.redelivered),
            dead_lettered: read(&counters.dead_lettered),
            filtered,
            dropped,
            discarded: read(&counters.discarded),
            panics: read(&counters.panics),
            outstanding: self.leases.live() as u64,
            outstanding_bytes: self.credit.outstanding() as u64,
            held: (self.held.len() - if broken("stats.parked_uncounted") { self.held.parked() } else { 0 })
                as u64,
            held_bytes: self.held.bytes() as u64,
            parked: self.held.parked() as u64,
            unread,
            oldest_unacked: self.oldest_unacked(),
        }
    }

    /// How long ago the oldest message was published that is outstanding, held or next on a ring.
    fn oldest_unacked(&self) -> Option<Duration> {
        let unread = self.receivers.iter().map(|receiver| receiver.peek(|_, record| record.published_at()));
        let known = [self.leases.least_mark(), self.held.oldest()];
        let oldest = known.into_iter().chain(unread).flatten().min()?;
        Some(Duration::from_nanos(self.topic.publish_time().saturating_sub(oldest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Close, CloseReport, Engine, ManualClock, Message, Overflow, SubscriptionConfig, TopicConfig,
    };
    use std::sync::Arc;

    /// What it has claimed is accepted, and so was what others published behind it.
    #[test]
    fn a_drain_waits_for_a_publisher_that_is_stopped_after_its_claim() {
        let engine = Engine::new();
        let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(4)).unwrap();
        let subscription = topic.create_subscription("sub", SubscriptionConfig::default()).unwrap();
        let claim = topic.inner().shard(0).channel.try_claim(1).unwrap();
        topic.publisher().publish(Message::new("behind")).unwrap();
        std::thread::scope(|scope| {
            let receives =
                scope.spawn(|| subscription.iter().map(|next| next.unwrap().ack().unwrap()).count());
            let closes = scope.spawn(|| engine.close(Close::Drain(Duration::from_secs(600))));
            while !topic.inner().is_closed() {
                thread::yield_now();
            }
            for _ in 0..1_000 {
                thread::yield_now();
                assert!(!closes.is_finished(), "{:?}", subscription.stats());
            }
            drop(claim);
            assert_eq!((closes.join().unwrap(), receives.join().unwrap()), (CloseReport::default(), 1));
        });
    }

    /// A handler that nacks finds it shut: what it gives up is counted before whoever shuts it reads the count.
    #[test]
    fn what_is_given_up_is_counted_before_it_is_dropped() {
        struct Owned<F: FnMut()>(F);
        impl<F: FnMut()> AsRef<[u8]> for Owned<F> {
            fn as_ref(&self) -> &[u8] {
                &[7; 1_000]
            }
        }
        impl<F: FnMut()> Drop for Owned<F> {
            fn drop(&mut self) {
                self.0();
            }
        }
        let engine = Engine::new();
        let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(1)).unwrap();
        let subscription = topic.create_subscription("sub", SubscriptionConfig::default()).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let inner = Arc::clone(subscription.inner());
        let dropped = Owned(move || tell.send(read(&inner.counters.discarded)).unwrap());
        topic.publisher().publish(Message::new(bytes::Bytes::from_owner(dropped))).unwrap();
        subscription.recv().unwrap().nack().unwrap();
        topic.publisher().publish(Message::new("takes its slot")).unwrap();
        let inner = subscription.inner();
        inner.end.store(End::Detached as u32, Ordering::Relaxed);
        inner.held_after_all();
        assert_eq!(told.try_recv(), Ok(1));
    }

    /// Claimed and not stamped yet, it looks like messages.
    #[test]
    fn padding_that_is_on_its_way_is_no_message_to_who_is_detached() {
        for overflow in [Overflow::Block, Overflow::DropOldest] {
            let engine = Engine::new();
            let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(4)).unwrap();
            let config = SubscriptionConfig::default().overflow(overflow);
            let subscription = topic.create_subscription("sub", config).unwrap();
            topic.publisher().publish(Message::new("a message")).unwrap();
            let shard = topic.inner().shard(0);
            let making = shard.no_padding();
            let claim = shard.channel.try_claim(2).unwrap();
            std::thread::scope(|scope| {
                let detaches = scope.spawn(|| subscription.detach());
                for _ in 0..1_000 {
                    thread::yield_now();
                    assert!(!detaches.is_finished(), "it counts what is there: {:?}", subscription.stats());
                }
                claim.pad_each(|_| ());
                drop(making);
            });
            let stats = subscription.stats();
            assert_eq!((stats.accepted, stats.discarded), (1, 1), "{overflow:?}");
        }
    }

    /// Enough is held, and is then delivered and acked while a drain looks whether all is settled.
    #[test]
    fn nothing_is_settled_while_something_unread_may_be_taken_yet() {
        let clock = ManualClock::new();
        let engine = Engine::builder().clock(clock.clock()).build();
        let topic = engine.create_topic("topic", TopicConfig::default()).unwrap();
        let second = Duration::from_secs(1);
        let config = SubscriptionConfig::default().max_held_messages(1).retry(second, second);
        let subscription = topic.create_subscription("sub", config).unwrap();
        (0..2).for_each(|_| _ = topic.publisher().publish(Message::new("x")).unwrap());
        subscription.recv().unwrap().nack().unwrap(); // in backoff, and enough is held
        let inner = subscription.inner();
        let looked = inner.has_taken_all() && !inner.has_work(true);
        clock.advance(second);
        subscription.recv().unwrap().ack().unwrap();
        assert!(!looked || !inner.is_at_rest(), "{:?}", subscription.stats());
    }

    #[test]
    fn what_somebody_finds_lost_who_was_faster_than_the_close_was_unread() {
        let engine = Engine::new();
        let topic = engine.create_topic("topic", TopicConfig::default()).unwrap();
        let subscription = topic.create_subscription("sub", SubscriptionConfig::default()).unwrap();
        (0..2).for_each(|_| _ = topic.publisher().publish(Message::new("x")).unwrap());
        let _leased = subscription.recv().unwrap();
        subscription.inner().gives_up(3);
        let report = engine.close(Close::Now);
        assert_eq!((report.unread, report.unacked), (1 + 3, 1));
        assert_eq!(subscription.stats().discarded, 5);
    }
}
