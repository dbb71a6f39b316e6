//! How many more leases there may be, in messages and in bytes.

use super::inner::SubscriptionInner;
use crate::record::Held;
use crossbeam_utils::CachePadded;
use ringmain_ring::sync::{AtomicUsize, Ordering, ordering};

/// Bytes of what is leased. Counted by side, as the leases are: those who receive and those who ack are often different
/// threads, and seldom need each other's count.
#[derive(Debug)]
pub(crate) struct ByteCredit {
    max: usize,
    /// Whether one call may go beyond the limit with what it took.
    allow_excess: bool,
    begun: CachePadded<AtomicUsize>,
    ended: CachePadded<AtomicUsize>,
    /// The size of a message for which there was not enough. A hint: what to wait for.
    wanted: AtomicUsize,
}

impl ByteCredit {
    pub(super) fn new(max: usize, allow_excess: bool) -> Self {
        Self {
            max,
            allow_excess,
            begun: CachePadded::default(),
            ended: CachePadded::default(),
            wanted: AtomicUsize::new(0),
        }
    }

    /// How many bytes are leased.
    pub(crate) fn outstanding(&self) -> usize {
        // In this order, so that the difference is never too small. Acquire: pairs with the release in `give_back`.
        let ended = self.ended.load(ordering("credit.outstanding.acquire", Ordering::Acquire));
        self.begun.load(Ordering::Relaxed).wrapping_sub(ended)
    }

    fn is_used_up(&self) -> bool {
        self.outstanding() >= self.max
    }

    /// Whether the next message may be admitted, as far as is known.
    pub(super) fn may_admit(&self) -> bool {
        let outstanding = self.outstanding();
        outstanding < self.max
            && (outstanding == 0 || outstanding + self.wanted.load(Ordering::Relaxed) <= self.max)
    }

    /// Takes credit for `size` bytes, if there is enough; for a message larger than the limit, if nothing else is out. Then
    /// [nothing is wanted](Self::want_nothing) any more.
    #[inline]
    pub(super) fn admit(&self, size: usize) -> bool {
        loop {
            let begun = self.begun.fetch_add(size, Ordering::Relaxed).wrapping_add(size);
            // Acquire: as in `outstanding`.
            let ended = self.ended.load(ordering("credit.admit.acquire", Ordering::Acquire));
            let outstanding = begun.wrapping_sub(ended);
            if outstanding <= self.max || outstanding == size || self.allow_excess {
                return true;
            }
            self.want(size);
            self.begun.fetch_sub(size, Ordering::Relaxed);
            // Who was woken by credit that came back in between saw this message counted as out, and sleeps again.
            if self.ended.load(Ordering::Relaxed) == ended {
                return false;
            }
        }
    }

    /// The message for which there was not enough is gone. Says whether there was one: then whoever looked meanwhile is to look
    /// again.
    #[inline]
    pub(super) fn want_nothing(&self) -> bool {
        let wanted = self.wanted.load(Ordering::Relaxed) != 0;
        if wanted {
            self.wanted.store(0, Ordering::Relaxed);
        }
        wanted
    }

    /// There was not enough for a message of `size` bytes, which is next.
    fn want(&self, size: usize) {
        self.wanted.store(size, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn give_back(&self, size: usize) {
        // Release: pairs with the acquire loads above, so that an end that is counted comes with its beginning.
        self.ended.fetch_add(size, ordering("credit.ended.release", Ordering::Release));
    }
}

impl SubscriptionInner {
    /// A message that was held is handled in place, or is leased by now. If it is the one for which there was no credit, there may
    /// be some for those that come after it.
    pub(super) fn needs_no_credit(&self) {
        if self.credit.want_nothing() {
            self.changed.notify();
        }
    }

    /// These were taken, and there is no credit for them. Whatever is next then is what to wait for: if somebody else puts messages
    /// back at the same time, theirs may be.
    pub(super) fn put_back(&self, messages: Vec<Held>) {
        self.held.put_back(messages, |next| self.credit.want(next.message.size()));
    }
}

/// What one call reserves at most: 256 of them fit a number.
const MOST_RESERVED: usize = usize::MAX >> 8;

/// Credit for leases, held while a call receives: calls at the same time do not exceed the limit together.
pub(super) struct Credit<'a> {
    subscription: &'a SubscriptionInner,
    reserved: usize,
    pub(super) granted: usize,
}

impl<'a> Credit<'a> {
    #[inline]
    pub(super) fn reserve(subscription: &'a SubscriptionInner, max: usize) -> Self {
        let limit = subscription.config.max_outstanding_messages;
        let reserved = if subscription.credit.is_used_up() { 0 } else { max.min(limit).min(MOST_RESERVED) };
        // Acquire: pairs with the release in `drop`. Whose reservation we do not see, their leases we do.
        let acquire = ordering("credit.reserve.acquire", Ordering::Acquire);
        let others = subscription.receiving.fetch_add(reserved, acquire);
        let unreserved = limit.saturating_sub(others.saturating_add(reserved));
        let left = limit.saturating_sub(subscription.leases.live_at_most(unreserved).saturating_add(others));
        Self { subscription, reserved, granted: reserved.min(left) }
    }
}

impl Drop for Credit<'_> {
    #[inline]
    fn drop(&mut self) {
        // Acquire as well: the last to leave sees what the others have left.
        let both = ordering("credit.leave", Ordering::AcqRel);
        let before = self.subscription.receiving.fetch_sub(self.reserved, both);
        if before == self.reserved {
            self.subscription.hands_are_empty();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Message, SubscriptionConfig, TopicConfig};

    /// Who looks for the end must see that somebody receives.
    #[test]
    fn what_calls_reserve_together_is_not_nothing_however_much_it_is() {
        let engine = Engine::new();
        let topic = engine.create_topic("topic", TopicConfig::default()).unwrap();
        let config = SubscriptionConfig::default().max_outstanding_messages(usize::MAX);
        let subscription = topic.create_subscription("subscription", config).unwrap();
        let inner = subscription.inner();
        let all = Credit::reserve(inner, usize::MAX);
        let one = Credit::reserve(inner, 1);
        assert!(all.granted >= 1 << 24 && one.granted == 1, "there is no limit");
        assert!(!inner.is_at_rest(), "two calls receive");
        drop(all);
        assert!(!inner.is_at_rest(), "one does");
        drop(one);
        assert!(inner.is_at_rest());
    }

    /// Two calls at the same time have taken a message each that there is no credit for, and put them back the other way
    /// round: what is waited for is credit for the one in front.
    #[test]
    fn who_waits_for_credit_is_told_when_it_is_enough_for_the_next_message() {
        let engine = Engine::new();
        let topic = engine.create_topic("topic", TopicConfig::default()).unwrap();
        let config = SubscriptionConfig::default().max_outstanding_bytes(100);
        let subscription = topic.create_subscription("subscription", config).unwrap();
        for size in [45, 50, 10, 90] {
            topic.publisher().publish(Message::new(vec![1; size])).unwrap();
        }
        let [first, _second] = [(); 2].map(|()| subscription.try_recv().unwrap().unwrap());
        let inner = subscription.inner();
        let take = || {
            let mut taken = Vec::new();
            let took = inner.take(1, false, false, |message| {
                assert!(!inner.credit.admit(message.size()), "95 of 100 are out");
                taken.push(Held { message: message.received(), attempt: 1 });
            });
            assert_eq!(took, Ok(1));
            taken
        };
        let (small, large) = (take(), take());
        for taken in [large, small] {
            inner.put_back(taken);
        }
        inner.held.ring_had_turn();
        first.ack().unwrap(); // 50 are out
        assert!(inner.has_credit(), "for 10 bytes");
        assert_eq!(subscription.try_recv().unwrap().unwrap().data().len(), 10);
    }
}
