//! Stalls: a publisher that was stopped between its claim and its publish.
//!
//! No code of the caller's runs there, so a claim lasts for a moment, unless the thread is stopped in it: by a debugger, a
//! `SIGSTOP`, or a machine with more to do than it can. Nobody can go on in its place, for it may go on itself: readers
//! wait at its slot, and publishers at the end of the ring. (`try_publish` says `Full`, and never waits for it.) What can
//! be done is to say so. Whoever asks finds the first slot that is claimed and not published, and since when it was found
//! to be that one: nothing is timed on the way of a message.

use crate::observe::event;
use crate::topic::Topic;
use ringmain_fanout::Sequence;
use ringmain_ring::sync::{Mutex, broken, lock};
use std::time::Duration;

/// From when on a claim is worth a word. Nobody is preempted for so long on a machine that is well.
const LONG: u64 = 1_000_000_000;

/// What was found at the last look at one ring.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Sequence,
    since: u64,
    told: bool,
}

impl Stall {
    /// `unpublished` is the first claim that is not published `now`. Returns for how long it was found to be that, in
    /// nanoseconds, and whether that is long for the first time.
    fn look(&self, unpublished: Option<Sequence>, now: u64) -> Option<(u64, bool)> {
        let mut last = lock(&self.seen);
        let Some(at) = unpublished else {
            *last = None;
            return None;
        };
        let seen = match *last {
            Some(seen) if seen.at == at && !broken("stall.since.forgotten") => seen,
            _ => Seen { at, since: now, told: false },
        };
        let age = now.saturating_sub(seen.since);
        *last = Some(Seen { told: age >= LONG, ..seen });
        Some((age, age >= LONG && !seen.told))
    }
}

impl Topic {
    /// For how long a publisher is known to have been between its claim and its publish: since the first of the calls
    /// that found it there. `None` when there is none; zero, now and then, while all is well. Readers get nothing that
    /// was published behind it, and at the end of the ring publishers wait. Asked every half second, it tells of a thread
    /// that is stopped there within one; from a second on it is also told as an event (feature `tracing`), once.
    ///
    /// Stops nobody. Costs a look at up to a lap of slots.
    #[must_use]
    pub fn stalled(&self) -> Option<Duration> {
        let inner = self.inner();
        let mut longest = None;
        for shard in inner.shards().unwrap_or(&[]) {
            let unpublished = shard.channel.unpublished();
            let found = shard.stall.look(unpublished, inner.clock.now());
            if let Some((age, true)) = found {
                event!(warn, "publisher stalled between claim and publish", topic = inner.name, nanos = age);
            }
            longest = longest.max(found.map(|(age, _)| Duration::from_nanos(age)));
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use crate::{Engine, ManualClock, Message, PublishError, TopicConfig};
    use std::time::Duration;

    const HALF: Duration = Duration::from_millis(500);

    #[test]
    fn a_publisher_stopped_after_its_claim_is_told_within_a_second_and_try_publish_goes_on() {
        let clock = ManualClock::new();
        let engine = Engine::builder().clock(clock.clock()).build();
        let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(4)).unwrap();
        assert_eq!(topic.stalled(), None, "no ring, no claim");
        let subscription = topic.create_subscription("sub", Default::default()).unwrap();
        let publisher = topic.publisher();
        for lap in 0..3 {
            publisher.publish(Message::new("before")).unwrap();
            assert_eq!(topic.stalled(), None, "published is not stalled");
            // As a publisher does that is stopped there.
            let claim = topic.inner().shard(0).channel.try_claim(1).unwrap();
            assert_eq!(topic.stalled(), Some(Duration::ZERO));
            publisher.try_publish(Message::new("behind")).unwrap();
            clock.advance(HALF);
            assert_eq!(topic.stalled(), Some(HALF));
            clock.advance(HALF);
            assert_eq!(topic.stalled(), Some(2 * HALF), "in lap {lap}");
            subscription.recv().unwrap().ack().unwrap();
            assert!(subscription.try_recv().unwrap().is_none(), "nothing is read past a claim");
            publisher.try_publish(Message::new("behind")).unwrap();
            publisher.try_publish(Message::new("behind")).unwrap();
            assert!(matches!(publisher.try_publish(Message::new("full")), Err(PublishError::Full(_))));
            assert_eq!(topic.stalled(), Some(2 * HALF), "the first one counts, and all the lap is looked at");
            drop(claim);
            assert_eq!(topic.stalled(), None, "it goes on");
            for _ in 0..3 {
                subscription.recv().unwrap().ack().unwrap();
            }
        }
    }

    #[test]
    fn one_claim_after_the_other_is_no_stall() {
        let clock = ManualClock::new();
        let engine = Engine::builder().clock(clock.clock()).build();
        let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(4).shards(2)).unwrap();
        let _subscription = topic.create_subscription("sub", Default::default()).unwrap();
        let claim = |shard| topic.inner().shard(shard).channel.try_claim(1).unwrap();
        let mut claims = [claim(0), claim(1)];
        assert_eq!(topic.stalled(), Some(Duration::ZERO));
        for _ in 0..2 {
            clock.advance(HALF);
            let next = topic.inner().shard(0).channel.try_claim(1).unwrap();
            drop(std::mem::replace(&mut claims[0], next));
            assert!(topic.stalled() >= Some(HALF), "on the other shard");
        }
        let [first, second] = claims;
        drop(second);
        assert_eq!(topic.stalled(), Some(Duration::ZERO), "another one than before");
        drop(first);
        assert_eq!(topic.stalled(), None);
    }
}
