//! Waiting for room on a shard, as a thread or as a task; and for whom it is that one waits.
//!
//! Room comes from readers that move on. It may also come from a publisher: at the end of the ring nobody gets past a slot that
//! is claimed and not published yet.

use super::flow_control::FlowControl;
use super::refusal::Refusal;
use crate::observe::{LISTENS, event};
use crate::subscription::serving;
use crate::topic::{Shard, TopicInner};
use ringmain_fanout::Sequence;
use ringmain_ring::sync::broken;
use ringmain_ring::{Notify, now, spin_until, wait_any};
use std::time::{Duration, Instant};

/// What wakes a thread that waits for room on a shard: readers that move on and payloads that go; and whoever publishes
/// what is claimed.
pub(super) fn on_room(topic: &TopicInner, shard: usize) -> [&Notify; 2] {
    let channel = &topic.shard(shard).channel;
    [channel.room(), channel.data()]
}

/// Waits until `done`, which room on the shard may bring about, or until `deadline`. Whoever waits has credit for so many
/// messages.
pub(super) fn wait_on_room(
    topic: &TopicInner,
    shard: usize,
    deadline: Option<Instant>,
    flow: Option<&FlowControl>,
    messages: u64,
    mut done: impl FnMut() -> bool,
) -> Result<(), Refusal> {
    // First: it tells those who wait for credit of what is stuck.
    let _stalled = flow.map(|flow| flow.stall(messages));
    if serving::is(topic) {
        return Err(Refusal::WouldDeadlock);
    }
    // In time or not: what came of it, `done` has seen.
    let _ = spin_until(topic.config.wait, deadline, &mut done)
        || told(topic, shard, deadline, |deadline| wait_any(&on_room(topic, shard), deadline, &mut done));
    Ok(())
}

/// How long somebody waits before those who listen to events are told.
const LONG: Duration = Duration::from_secs(1);

/// Waits by `wait`, until the deadline that it is given. Where somebody may listen to events, it is told once if that takes long, and
/// who is in the way: who forgets to read a subscription would find its publishers hanging, and no word of it.
pub(super) fn told(
    topic: &TopicInner,
    shard: usize,
    deadline: Option<Instant>,
    mut wait: impl FnMut(Option<Instant>) -> bool,
) -> bool {
    let soon = LISTENS.then(|| now() + LONG);
    if let Some(soon) = soon.filter(|soon| deadline.is_none_or(|deadline| *soon < deadline)) {
        if wait(Some(soon)) {
            return true;
        }
        let slowest = topic.shard(shard).channel.slowest();
        event!(
            warn,
            "a publisher waits for room",
            topic = topic.name,
            subscription = slowest.as_ref().map_or("", |slowest| &slowest.name),
            behind = slowest.as_ref().map_or(0, |slowest| slowest.behind),
        );
    }
    wait(deadline)
}

/// What stands in the way of a task that is about to try whether there is room on a shard, and is in the list of those who wait
/// for readers.
///
/// Only if it is a publisher is the task to stand in the list of those who wait for data as well. Others take one who sleeps there
/// for a consumer and stop gathering, and a task may sleep for long.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outlook {
    /// Readers: the one who moves on wakes the task.
    Readers,
    /// A publisher, maybe.
    Publisher,
    /// No publisher has claimed something before this and not published it.
    NobodyBefore(Sequence),
}

impl Outlook {
    /// For a task that wants so many slots.
    pub(super) fn of(shard: &Shard, slots: u64) -> Self {
        if shard.room(false) < slots {
            return Self::Readers;
        }
        // In this order: what is claimed in between lies behind.
        let tail = shard.channel.tail();
        match shard.channel.unpublished() {
            Some(_) => Self::Publisher,
            None => Self::NobodyBefore(tail),
        }
    }

    /// Asked when there was no room: whether a publisher may be why, maybe one who has published since.
    pub(super) fn was_a_publisher(self, shard: &Shard) -> bool {
        match self {
            _ if broken("room.not_from_publishers") => false,
            Self::Readers => false,
            Self::Publisher => true,
            Self::NobodyBefore(tail) => shard.channel.tail() != tail,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Engine, Message, Overflow, Publisher, SubscriptionConfig, TopicConfig};
    use ringmain_ring::sync::{AtomicUsize, Ordering};
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// On a ring of four slots, whose reader holds nobody back, a publisher is stopped after its claim, and the others go on to the
    /// end of the lap. There `wait` waits, and the one who was stopped is all that it waits for.
    fn is_woken_by_the_publisher(
        config: TopicConfig,
        wait: impl for<'a> FnOnce(&'a Publisher) -> Pin<Box<dyn Future<Output = bool> + 'a>>,
    ) {
        let engine = Engine::new();
        let topic = engine.create_topic("topic", config.ring_slots(4)).unwrap();
        let lossy = SubscriptionConfig::default().overflow(Overflow::DropOldest);
        let _subscription = topic.create_subscription("sub", lossy).unwrap();
        let claim = topic.inner().shard(0).channel.try_claim(1).unwrap();
        let publisher = topic.publisher();
        (0..3).for_each(|_| _ = publisher.try_publish(Message::new("x")).unwrap());
        let mut waits = wait(&publisher);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut poll = || waits.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(poll().is_pending());
        assert!(poll().is_pending(), "also when it is polled again");
        claim.publish();
        assert!(count.0.load(Ordering::Relaxed) > 0, "it was not woken; when it is polled: {:?}", poll());
        assert_eq!(poll(), Poll::Ready(true));
    }

    #[test]
    fn a_publisher_that_goes_on_wakes_tasks_that_publish() {
        for (bytes, size) in [(64 << 20, 1), (8_000, 2_000)] {
            let message = Message::new(vec![1; size]);
            is_woken_by_the_publisher(TopicConfig::default().ring_bytes(bytes), |publisher| {
                Box::pin(async move { publisher.publish_async(message).await.is_ok() })
            });
        }
    }

    #[test]
    fn a_publisher_that_goes_on_wakes_tasks_that_await_a_receipt() {
        is_woken_by_the_publisher(TopicConfig::default(), |publisher| {
            let receipt = publisher.enqueue(Message::new("y")).unwrap();
            Box::pin(async { receipt.await.is_ok() })
        });
    }
}
