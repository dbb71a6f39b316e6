//! How an engine ends.

use super::EngineInner;
use crate::observe::event;
use crate::subscription::{End, SubscriptionInner, serving};
use crate::topic::{Topic, TopicInner};
use ringmain_ring::now;
use ringmain_ring::sync::{Ordering, broken, lock};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How to close an [`Engine`](crate::Engine).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Close {
    /// Refuse new messages, and wait, at most this long, until everything accepted is delivered and acked. (Calls that wait
    /// for room or credit already are refused when some comes, or at the end.) Inside a handler the subscriptions of the
    /// topics that its dispatcher serves are not waited for, since that would be for the handler itself; and if the engine
    /// is being closed already, it returns at once, and the report is the other call's.
    ///
    /// It blocks the calling thread. In a task, hand it to a thread that may block (tokio's `spawn_blocking`) and go on polling the
    /// streams: a drain on the executor's only thread waits in vain.
    ///
    /// *Handlers that publish.* All topics refuse at once, so a handler that forwards to another topic fails from then on; and
    /// if it nacks, without a [retry policy](crate::SubscriptionConfig::retry), it is called again and again. To drain a chain of
    /// topics, delete them one after the other, the first one first: [`Engine::delete_topic`](crate::Engine::delete_topic), wait
    /// until its handlers have returned (they do, when everything is handled), delete the next; then close.
    ///
    /// A message that fails for the last time meanwhile is a dead letter as always, is forwarded, and waited for: a dead-letter
    /// topic refuses what publishers bring, as all do, but is closed only when everything that may fail is settled. So whoever
    /// receives dead letters goes on until told of the end.
    Drain(Duration),
    /// Refuse new messages, nack what is outstanding, and give up what is left.
    Now,
}

/// What was left when an engine was closed, over all subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct CloseReport {
    /// Messages that no subscription had taken from its topic yet.
    pub unread: u64,
    /// Messages that were taken, and neither acked nor dropped by policy: delivered, or held since an earlier one of their
    /// ordering key was out, or there was no credit for them. (Not those that an in-place handler has in its hands at
    /// the end: it goes on with its batch, and what it nacks then is in the [`discarded`](crate::SubscriptionStats::discarded) of the
    /// subscription.)
    pub unacked: u64,
}

impl EngineInner {
    /// Closes `topic`, whose first subscription somebody may be making just now.
    pub(super) fn close_topic(&self, topic: &Topic) {
        // Under the lock that subscriptions are made under: each is made before, with rings that `close` finds, or not
        // at all.
        let subscriptions = lock(&self.subscriptions);
        topic.inner().refuse();
        drop(subscriptions);
        topic.inner().close();
    }

    /// Closes each of `topics` as soon as what is staged on it, which was accepted, is published; those that are left at the
    /// deadline then. None waits for another's room.
    fn close_as_flushed(
        &self,
        mut topics: Vec<Topic>,
        unsettled: &[Arc<SubscriptionInner>],
        deadline: Option<Instant>,
    ) {
        while !topics.is_empty() {
            // What is staged may wait for one that holds too much to read on.
            if !broken("drain.flush_parks") {
                unsettled.iter().for_each(|one| one.try_what_is_parked());
            }
            let late = deadline.is_some_and(|deadline| now() >= deadline);
            topics.retain(|topic| {
                let flushed = topic.inner().flush(Some(now()));
                let waits = !flushed && !late && !serving::is(topic.inner());
                if !waits {
                    self.close_topic(topic);
                }
                waits
            });
            // For a moment, since there is no telling which of several comes next, nor what is parked meanwhile.
            let soon = now() + Duration::from_millis(1);
            if let Some(first) = topics.first() {
                let _ = first.inner().flush(Some(deadline.map_or(soon, |deadline| deadline.min(soon))));
            }
        }
    }

    /// Closes `topics`, and waits until all subscriptions are settled. Topics that dead letters come to are closed once no more
    /// come: after those that they come from.
    fn drain(&self, mut topics: Vec<Topic>, deadline: Option<Instant>) {
        let mut unsettled: Vec<_> = lock(&self.subscriptions).values().cloned().collect();
        // A handler that closes would wait for itself: for its own batch, and for what only it may handle.
        unsettled.retain(|one| !serving::is(&one.topic));
        while !topics.is_empty() || !unsettled.is_empty() {
            unsettled.retain(|one| !one.is_over());
            // (Nor does a handler wait for dead letters that it has to make room for.)
            let awaits = |topic: &Arc<TopicInner>| {
                !serving::is(topic) && unsettled.iter().any(|one| one.forwards_to(topic))
            };
            let (later, next): (Vec<_>, _) = topics.into_iter().partition(|topic| awaits(topic.inner()));
            self.close_as_flushed(next, &unsettled, deadline);
            // No chain of them leads back, so of those that are left there is always one that nothing comes to any more.
            let (unsettled_later, settling): (Vec<_>, Vec<_>) = unsettled
                .into_iter()
                .partition(|one| later.iter().any(|topic| Arc::ptr_eq(topic.inner(), &one.topic)));
            for subscription in settling {
                subscription.wait_until_settled(deadline);
            }
            (topics, unsettled) = (later, unsettled_later);
        }
    }

    pub(super) fn close(&self, how: Close) -> CloseReport {
        let (again, topics): (bool, Vec<_>) = {
            let topics = lock(&self.topics);
            let _subscriptions = lock(&self.subscriptions);
            (self.closed.swap(true, Ordering::Relaxed), topics.values().cloned().collect())
        };
        match how {
            // Of two handlers that close, each would wait for what the other one has to handle.
            Close::Drain(_) if again && serving::any() => return CloseReport::default(),
            Close::Drain(timeout) => {
                // All at once, and not when their turn comes to be closed.
                topics.iter().for_each(|topic| topic.inner().refuse());
                self.drain(topics, now().checked_add(timeout));
            }
            Close::Now => topics.iter().for_each(|topic| self.close_topic(topic)),
        }
        let subscriptions: Vec<_> = lock(&self.subscriptions).values().cloned().collect();
        let mut report = CloseReport::default();
        for subscription in &subscriptions {
            // (What its policy has detached, and nobody has noticed yet, was not ended by the close.)
            let how = if subscription.is_detached() { End::Detached } else { End::Closed };
            let (unread, unacked) = subscription.shut(how);
            report.unread += unread;
            report.unacked += unacked;
        }
        self.housekeeper.stop();
        if !again {
            event!(info, "engine closed", unread = report.unread, unacked = report.unacked);
        }
        report
    }
}
