//! What others may observe: life-cycle events (feature `tracing`) and counters (feature `metrics`). Never one a message.

/// A life-cycle event, with the fields given. Without the feature it costs nothing, its arguments included. Who listens is somebody
/// else's code, and a panic of it ends here: the call that tells may be in the midst of something.
macro_rules! event {
    ($level:ident, $what:literal, $($field:ident = $value:expr),* $(,)?) => {{
        #[cfg(feature = "tracing")]
        let _panicked = $crate::external::caught(|| {
            tracing::$level!(target: "ringmain", $($field = $value,)* $what);
        });
        #[cfg(not(feature = "tracing"))]
        {
            let _ = || { $(let _ = &$value;)* };
        }
    }};
}

pub(crate) use event;

/// Whether anybody may listen to events.
pub(crate) const LISTENS: bool = cfg!(feature = "tracing");

#[cfg(feature = "metrics")]
pub(crate) use recording::Recorded;

#[cfg(feature = "metrics")]
mod recording {
    use crate::engine::Engine;
    use crate::stats::{SubscriptionStats, TopicStats};
    use metrics::{counter, gauge};
    use ringmain_ring::sync::{Mutex, lock};
    use std::collections::HashSet;

    const OF_TOPICS: [&str; 3] =
        ["ringmain_subscriptions", "ringmain_slowest_behind", "ringmain_publisher_stalled_seconds"];
    const OF_SUBSCRIPTIONS: [&str; 7] = [
        "ringmain_outstanding",
        "ringmain_outstanding_bytes",
        "ringmain_held",
        "ringmain_held_bytes",
        "ringmain_parked",
        "ringmain_unread",
        "ringmain_oldest_unacked_seconds",
    ];

    /// The topics and the subscriptions that were there when metrics were recorded last.
    #[derive(Default)]
    pub(crate) struct Recorded {
        topics: Mutex<HashSet<String>>,
        subscriptions: Mutex<HashSet<String>>,
    }

    impl Engine {
        /// Hands all counters to the [`metrics`] recorder that the program has installed: counters as absolute values
        /// (`ringmain_acked_total` and the like, labelled by subscription), and what goes up and down as gauges. Call it
        /// when the recorder is about to be read; nothing is recorded in between. The gauges of what was deleted since the last
        /// call are set to zero, once; its counters stay as they were. Costs what [`stats`](crate::Subscription::stats) costs, for
        /// each.
        pub fn record_metrics(&self) {
            self.forget_deleted();
            for topic in self.topics().iter().filter_map(|name| self.topic(name)) {
                let TopicStats { published, subscriptions, slowest } = topic.stats();
                let name = topic.name().to_owned();
                counter!("ringmain_published_total", "topic" => name.clone()).absolute(published);
                let behind = slowest.map_or(0, |slowest| slowest.behind);
                let stalled = topic.stalled().unwrap_or_default().as_secs_f64();
                set("topic", &name, OF_TOPICS, [subscriptions as f64, behind as f64, stalled]);
            }
            for subscription in self.subscriptions().iter().filter_map(|name| self.subscription(name)) {
                record(subscription.name(), &subscription.stats());
            }
        }
    }

    impl Engine {
        fn forget_deleted(&self) {
            let Recorded { topics, subscriptions } = self.recorded();
            for name in deleted(topics, self.topics()) {
                set("topic", &name, OF_TOPICS, [0.0; 3]);
            }
            for name in deleted(subscriptions, self.subscriptions()) {
                set("subscription", &name, OF_SUBSCRIPTIONS, [0.0; 7]);
            }
        }
    }

    /// What was recorded, and is not among those that are there `now`.
    fn deleted(recorded: &Mutex<HashSet<String>>, now: Vec<String>) -> Vec<String> {
        let mut recorded = lock(recorded);
        let now: HashSet<String> = now.into_iter().collect();
        let deleted = recorded.difference(&now).cloned().collect();
        *recorded = now;
        deleted
    }

    fn set<const N: usize>(label: &'static str, name: &str, gauges: [&'static str; N], values: [f64; N]) {
        for (gauge, value) in gauges.into_iter().zip(values) {
            gauge!(gauge, label => name.to_owned()).set(value);
        }
    }

    fn record(name: &str, stats: &SubscriptionStats) {
        let totals = [
            ("ringmain_accepted_total", stats.accepted),
            ("ringmain_delivered_total", stats.delivered),
            ("ringmain_acked_total", stats.acked),
            ("ringmain_nacked_total", stats.nacked),
            ("ringmain_expired_total", stats.expired),
            ("ringmain_redelivered_total", stats.redelivered),
            ("ringmain_dead_lettered_total", stats.dead_lettered),
            ("ringmain_filtered_total", stats.filtered),
            ("ringmain_dropped_total", stats.dropped),
            ("ringmain_discarded_total", stats.discarded),
            ("ringmain_handler_panics_total", stats.panics),
        ];
        for (metric, value) in totals {
            counter!(metric, "subscription" => name.to_owned()).absolute(value);
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
        let values = [outstanding, bytes, held, held_bytes, parked, unread, oldest];
        set("subscription", name, OF_SUBSCRIPTIONS, values);
    }
}
