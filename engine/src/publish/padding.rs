//! Padding, and how readers get past it.
//!
//! Slots that were claimed to get at what they held are published as padding. A reader skips it, but only when it reads:
//! one that rests would rest before it, and publishers would wait for it though there is nothing that it has to read. So
//! whoever makes padding moves the readers past it that stand there; and a reader that had something to read before the
//! padding, and takes the last of that, moves itself, and whoever else is as far.
//!
//! The two meet as a sleeper and a notifier do. The one who makes padding says how far it reaches, fences heavily, and
//! looks where the readers are. A reader moves, fences lightly, and looks how far the padding reaches. One of the fences
//! comes first: either the reader is seen where it is now, or it sees the padding.

use crate::record::Record;
use ringmain_fanout::{Channel, Sequence};
use ringmain_ring::sync::{AtomicU64, Ordering, broken, heavy_fence, light_fence, ordering};

/// The padding of one ring.
#[derive(Debug)]
pub(crate) struct Padding {
    channel: Channel<Record>,
    /// How many slots there were: numbers that no message has. Relaxed: a sum.
    count: AtomicU64,
    /// The number after the last of it.
    end: AtomicU64,
    /// Every reader is past all of it before this number.
    passed: AtomicU64,
}

impl Padding {
    pub(super) fn new(channel: &Channel<Record>) -> Self {
        Self {
            channel: channel.clone(),
            count: AtomicU64::new(0),
            end: AtomicU64::new(0),
            passed: AtomicU64::new(0),
        }
    }

    /// Numbers that no message has.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// So many numbers are no messages'.
    pub(super) fn uses_up(&self, count: u64) {
        self.count.fetch_add(count, Ordering::Relaxed);
    }

    /// So many slots from `first` on were published as padding, whoever has their numbers. It is to be [settled](Self::settle).
    pub(super) fn made(&self, first: Sequence, count: u64) {
        // Release: pairs with the acquire in `pass`; the stamps go with it.
        let release = ordering("padding.end.release", Ordering::Release);
        self.end.fetch_max(first.plus(count).number(), release);
    }

    /// The same, of slots that nobody is to read, since nobody seemed to subscribe: settled, if somebody does after all, and they are
    /// `read`. (Who comes just now [settles](Self::settle) as well, and so this need not fence heavily for nobody.)
    pub(super) fn skipped(&self, first: Sequence, count: u64, read: impl Fn() -> bool) {
        self.made(first, count);
        if self.is_unpassed() && read() {
            self.settle();
        }
    }

    /// Moves the readers past the padding that stand before it.
    pub(super) fn settle(&self) {
        heavy_fence("padding.made.no_fence");
        // To pass is a look at every reader.
        if self.is_ahead() {
            self.pass();
        }
    }

    /// A reader has moved, and may stand before padding now.
    #[inline]
    pub(super) fn moved(&self) {
        if self.is_unpassed() && !broken("padding.not_passed") {
            self.pass();
        }
    }

    /// Whether a reader may stand before padding, as of now.
    #[inline]
    fn is_unpassed(&self) -> bool {
        light_fence("padding.moved.no_fence");
        self.is_ahead()
    }

    /// Whether a reader may stand before padding, as of the fence before.
    #[inline]
    fn is_ahead(&self) -> bool {
        // Relaxed: the fence orders them.
        self.end.load(Ordering::Relaxed) > self.passed.load(Ordering::Relaxed)
    }

    #[cold]
    fn pass(&self) {
        // Acquire: pairs with the release in `made`.
        let end = self.end.load(ordering("padding.end.acquire", Ordering::Acquire));
        self.channel.pass_padding();
        if self.channel.earliest(true).number() >= end {
            self.passed.fetch_max(end, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Close, Engine, Subscription, Topic, TopicConfig};
    use ringmain_ring::now;
    use std::time::Duration;

    /// A publisher saw no subscription; one was created; and then its message takes a number, and is kept nowhere.
    fn published_before_a_subscription() -> (Engine, Topic, Subscription) {
        let engine = Engine::new();
        let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(4)).unwrap();
        let subscription = topic.create_subscription("sub", Default::default()).unwrap();
        topic.inner().publish_unstored(0, 1).unwrap();
        assert_eq!((topic.stats().published, subscription.stats().unread), (1, 0));
        (engine, topic, subscription)
    }

    #[test]
    fn nobody_rests_before_a_number_that_nobody_is_to_read() {
        let (_engine, topic, _subscription) = published_before_a_subscription();
        (0..4).for_each(|number| _ = topic.publisher().try_publish_slice(&[number]).unwrap());
    }

    #[test]
    fn a_drain_does_not_wait_for_a_number_that_nobody_is_to_read() {
        let (engine, _topic, _subscription) = published_before_a_subscription();
        let begin = now();
        engine.close(Close::Drain(Duration::from_secs(60)));
        assert!(begin.elapsed() < Duration::from_secs(30));
    }
}
