//! The counters, handed to a recorder of the `metrics` crate: under which names, with which labels, and what each means.

use crate::engine::Engine;
use crate::stats::{SubscriptionStats, TopicStats};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use ringmain_ring::sync::{Mutex, lock};
use std::collections::HashSet;
use std::hash::Hash;

/// A metric's name, and what it means.
type Metric = (&'static str, &'static str);

const PUBLISHED: Metric =
    ("ringmain_published_total", "Messages published, those that no subscription was there for included.");

const OF_TOPICS: [Metric; 3] = [
    ("ringmain_subscriptions", "Subscriptions that the topic has."),
    (
        "ringmain_slowest_behind",
        "Slots that the subscription furthest behind, of those that publishers wait for, has not read.",
    ),
    (
        "ringmain_publisher_stalled_seconds",
        "How long a publisher has been stopped between claiming a slot and publishing it.",
    ),
];

const TOTALS: [Metric; 11] = [
    ("ringmain_accepted_total", "Messages published to the topic since the subscription was made."),
    ("ringmain_delivered_total", "Deliveries, redeliveries included."),
    ("ringmain_acked_total", "Messages acked."),
    ("ringmain_nacked_total", "Deliveries that ended in a nack, a panic of the handler, or were dropped."),
    ("ringmain_expired_total", "Deliveries whose deadline passed."),
    ("ringmain_redelivered_total", "Deliveries that were not the first of their message."),
    ("ringmain_dead_lettered_total", "Messages forwarded to the dead-letter topic."),
    ("ringmain_filtered_total", "Messages that the filter did not let through."),
    ("ringmain_dropped_total", "Messages lost to the overflow policy."),
    ("ringmain_discarded_total", "Messages given up by a detach or a close."),
    ("ringmain_handler_panics_total", "Handlers that panicked."),
];

const OF_SUBSCRIPTIONS: [Metric; 7] = [
    ("ringmain_outstanding", "Messages leased, and neither acked nor nacked nor expired."),
    ("ringmain_outstanding_bytes", "Their bytes."),
    (
        "ringmain_held",
        "Messages off the ring and not leased: nacked, expired, in backoff, behind their key, or parked.",
    ),
    ("ringmain_held_bytes", "Their bytes."),
    ("ringmain_parked", "Of those held, dead letters that their topic would not take."),
    ("ringmain_unread", "Messages on the ring that nobody has taken yet."),
    (
        "ringmain_oldest_unacked_seconds",
        "How long ago the oldest message was published that is unread, held or outstanding.",
    ),
];

/// A subscription's topic, and its name.
type Labels = (String, String);

/// The topics and the subscriptions that were there when metrics were recorded last.
#[derive(Default)]
pub(crate) struct Recorded {
    topics: Mutex<HashSet<String>>,
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
        let labels = |one: &crate::Subscription| (one.topic().name().to_owned(), one.name().to_owned());
        let Recorded { topics: topics_before, subscriptions: subscriptions_before } = self.recorded();
        for name in deleted(topics_before, topics.iter().map(|topic| topic.name().to_owned())) {
            set_of_topic(&name, [0.0; 3]);
        }
        for labels in deleted(subscriptions_before, subscriptions.iter().map(labels)) {
            set_of_subscription(&labels, [0.0; 7]);
        }
        for topic in &topics {
            let TopicStats { published, subscriptions, slowest } = topic.stats();
            let name = topic.name().to_owned();
            counter!(PUBLISHED.0, "topic" => name.clone()).absolute(published);
            let behind = slowest.map_or(0, |slowest| slowest.behind);
            let stalled = topic.stalled().unwrap_or_default().as_secs_f64();
            set_of_topic(&name, [subscriptions as f64, behind as f64, stalled]);
        }
        for subscription in &subscriptions {
            record(&labels(subscription), &subscription.stats());
        }
    }
}

/// Each time, since a recorder may have been installed after the last one. It takes no more than the names.
fn describe() {
    for (name, meaning) in TOTALS.into_iter().chain([PUBLISHED]) {
        describe_counter!(name, meaning);
    }
    for (name, meaning) in OF_TOPICS.into_iter().chain(OF_SUBSCRIPTIONS) {
        describe_gauge!(name, meaning);
    }
}

/// What was recorded, and is not among those that are there `now`.
fn deleted<L: Hash + Eq + Clone>(recorded: &Mutex<HashSet<L>>, now: impl Iterator<Item = L>) -> Vec<L> {
    let mut recorded = lock(recorded);
    let now: HashSet<L> = now.collect();
    let deleted = recorded.difference(&now).cloned().collect();
    *recorded = now;
    deleted
}

fn set_of_topic(name: &str, values: [f64; 3]) {
    for ((metric, _), value) in OF_TOPICS.into_iter().zip(values) {
        gauge!(metric, "topic" => name.to_owned()).set(value);
    }
}

fn set_of_subscription((topic, name): &Labels, values: [f64; 7]) {
    for ((metric, _), value) in OF_SUBSCRIPTIONS.into_iter().zip(values) {
        gauge!(metric, "topic" => topic.clone(), "subscription" => name.clone()).set(value);
    }
}

fn record(labels: &Labels, stats: &SubscriptionStats) {
    let totals = [
        stats.accepted,
        stats.delivered,
        stats.acked,
        stats.nacked,
        stats.expired,
        stats.redelivered,
        stats.dead_lettered,
        stats.filtered,
        stats.dropped,
        stats.discarded,
        stats.panics,
    ];
    let (topic, name) = labels;
    for ((metric, _), value) in TOTALS.into_iter().zip(totals) {
        counter!(metric, "topic" => topic.clone(), "subscription" => name.clone()).absolute(value);
    }
    let counts = [
        stats.outstanding,
        stats.outstanding_bytes,
        stats.held,
        stats.held_bytes,
        stats.parked,
        stats.unread,
    ];
    let [outstanding, bytes, held, held_bytes, parked, unread] = counts.map(|count| count as f64);
    let oldest = stats.oldest_unacked.unwrap_or_default().as_secs_f64();
    set_of_subscription(labels, [outstanding, bytes, held, held_bytes, parked, unread, oldest]);
}
