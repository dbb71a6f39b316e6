//! The counters, handed to a recorder of the `metrics` crate: under which names, with which labels, and what each means.

use crate::engine::Engine;
use crate::stats::{SubscriptionStats, TopicStats};
use crate::subscription::Subscription;
use crate::topic::Topic;
use metrics::{Label, counter, describe_counter, describe_gauge, gauge};
use ringmain_ring::sync::{Mutex, lock};
use std::collections::HashSet;
use std::time::Duration;

/// A metric's name, what it means, and where it is found.
type Metric<S, N> = (&'static str, &'static str, fn(&S) -> N);

/// What a topic has done, and for how long a publisher of it has been stopped.
type OfTopic = (TopicStats, Duration);

const PUBLISHED: Metric<OfTopic, u64> = (
    "ringmain_published_total",
    "Messages published, those that no subscription was there for included.",
    |(stats, _)| stats.published,
);

const OF_TOPICS: [Metric<OfTopic, f64>; 3] = [
    ("ringmain_subscriptions", "Subscriptions that the topic has.", |(stats, _)| stats.subscriptions as f64),
    (
        "ringmain_slowest_behind",
        "Slots that the subscription furthest behind, of those that publishers wait for, has not read.",
        |(stats, _)| stats.slowest.as_ref().map_or(0, |slowest| slowest.behind) as f64,
    ),
    (
        "ringmain_publisher_stalled_seconds",
        "How long a publisher has been stopped between claiming a slot and publishing it.",
        |(_, stalled)| stalled.as_secs_f64(),
    ),
];

const TOTALS: [Metric<SubscriptionStats, u64>; 11] = [
    (
        "ringmain_accepted_total",
        "Messages published to the topic since the subscription was made.",
        |stats| stats.accepted,
    ),
    ("ringmain_delivered_total", "Deliveries, redeliveries included.", |stats| stats.delivered),
    ("ringmain_acked_total", "Messages acked.", |stats| stats.acked),
    (
        "ringmain_nacked_total",
        "Deliveries that ended in a nack, a panic of the handler, or were dropped.",
        |stats| stats.nacked,
    ),
    ("ringmain_expired_total", "Deliveries whose deadline passed.", |stats| stats.expired),
    ("ringmain_redelivered_total", "Deliveries that were not the first of their message.", |stats| {
        stats.redelivered
    }),
    ("ringmain_dead_lettered_total", "Messages forwarded to the dead-letter topic.", |stats| {
        stats.dead_lettered
    }),
    ("ringmain_filtered_total", "Messages that the filter did not let through.", |stats| stats.filtered),
    ("ringmain_dropped_total", "Messages lost to the overflow policy.", |stats| stats.dropped),
    ("ringmain_discarded_total", "Messages given up by a detach or a close.", |stats| stats.discarded),
    ("ringmain_handler_panics_total", "Handlers that panicked.", |stats| stats.panics),
];

const OF_SUBSCRIPTIONS: [Metric<SubscriptionStats, f64>; 7] = [
    ("ringmain_outstanding", "Messages leased, and neither acked nor nacked nor expired.", |stats| {
        stats.outstanding as f64
    }),
    ("ringmain_outstanding_bytes", "Their bytes.", |stats| stats.outstanding_bytes as f64),
    (
        "ringmain_held",
        "Messages off the ring and not leased: nacked, expired, in backoff, behind their key, or parked.",
        |stats| stats.held as f64,
    ),
    ("ringmain_held_bytes", "Their bytes.", |stats| stats.held_bytes as f64),
    ("ringmain_parked", "Of those held, dead letters that their topic would not take.", |stats| {
        stats.parked as f64
    }),
    ("ringmain_unread", "Messages on the ring that nobody has taken yet.", |stats| stats.unread as f64),
    (
        "ringmain_oldest_unacked_seconds",
        "How long ago the oldest message was published that is unread, held or outstanding.",
        |stats| stats.oldest_unacked.unwrap_or_default().as_secs_f64(),
    ),
];

/// Tell one topic, or one subscription, from the others.
type Labels = Vec<Label>;

/// The topics and the subscriptions that were there when metrics were recorded last.
#[derive(Default)]
pub(crate) struct Recorded {
    topics: Mutex<HashSet<Labels>>,
    subscriptions: Mutex<HashSet<Labels>>,
}

impl Engine {
    /// Hands all counters to the [`metrics`] recorder that the program has installed, with what each means: counters as
    /// absolute values (`ringmain_acked_total` and the like), and what goes up and down as gauges; all with a label `topic`,
    /// and those of a subscription with a label `subscription` as well. Call it when the recorder is about to be read; nothing
    /// is recorded in between. The gauges of what was deleted since the last call are set to zero, once; its counters stay as they
    /// were. Costs what [`stats`](crate::Subscription::stats) costs, for each.
    pub fn record_metrics(&self) {
        describe();
        let topics: Vec<_> = self.topics().iter().filter_map(|name| self.topic(name)).collect();
        let subscriptions = self.subscriptions();
        let subscriptions: Vec<_> = subscriptions.iter().filter_map(|name| self.subscription(name)).collect();
        let recorded = self.recorded();
        for labels in deleted(&recorded.topics, topics.iter().map(of_topic)) {
            set(&labels, &OF_TOPICS, None);
        }
        for labels in deleted(&recorded.subscriptions, subscriptions.iter().map(of_subscription)) {
            set(&labels, &OF_SUBSCRIPTIONS, None);
        }
        for topic in &topics {
            let (labels, stats) = (of_topic(topic), (topic.stats(), topic.stalled().unwrap_or_default()));
            count(&labels, &[PUBLISHED], &stats);
            set(&labels, &OF_TOPICS, Some(&stats));
        }
        for subscription in &subscriptions {
            let (labels, stats) = (of_subscription(subscription), subscription.stats());
            count(&labels, &TOTALS, &stats);
            set(&labels, &OF_SUBSCRIPTIONS, Some(&stats));
        }
    }
}

fn of_topic(topic: &Topic) -> Labels {
    vec![Label::new("topic", topic.name().to_owned())]
}

fn of_subscription(subscription: &Subscription) -> Labels {
    let mut labels = of_topic(&subscription.topic());
    labels.push(Label::new("subscription", subscription.name().to_owned()));
    labels
}

/// Each time, since a recorder may have been installed after the last one. It takes no more than the names.
fn describe() {
    describe_counter!(PUBLISHED.0, PUBLISHED.1);
    TOTALS.iter().for_each(|(name, meaning, _)| describe_counter!(*name, *meaning));
    OF_TOPICS.iter().for_each(|(name, meaning, _)| describe_gauge!(*name, *meaning));
    OF_SUBSCRIPTIONS.iter().for_each(|(name, meaning, _)| describe_gauge!(*name, *meaning));
}

/// What was recorded, and is not among those that are there `now`.
fn deleted(recorded: &Mutex<HashSet<Labels>>, now: impl Iterator<Item = Labels>) -> Vec<Labels> {
    let mut recorded = lock(recorded);
    let now: HashSet<Labels> = now.collect();
    let deleted = recorded.difference(&now).cloned().collect();
    *recorded = now;
    deleted
}

fn count<S>(labels: &[Label], metrics: &[Metric<S, u64>], stats: &S) {
    for (name, _, value) in metrics {
        counter!(*name, labels.to_vec()).absolute(value(stats));
    }
}

/// Zero, of what is gone.
fn set<S>(labels: &[Label], metrics: &[Metric<S, f64>], stats: Option<&S>) {
    for (name, _, value) in metrics {
        gauge!(*name, labels.to_vec()).set(stats.map_or(0.0, value));
    }
}
