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

#[cfg(feature = "metrics")]
mod recording {
    use crate::engine::Engine;
    use crate::stats::{SubscriptionStats, TopicStats};
    use metrics::{counter, gauge};

    impl Engine {
        /// Hands all counters to the [`metrics`] recorder that the program has installed: counters as absolute values
        /// (`ringmain_acked_total` and the like, labelled by subscription), and what goes up and down as gauges. Call it
        /// when the recorder is about to be read; nothing is recorded in between. Costs what
        /// [`stats`](crate::Subscription::stats) costs, for each.
        pub fn record_metrics(&self) {
            for topic in self.topics().iter().filter_map(|name| self.topic(name)) {
                let TopicStats { published, subscriptions, slowest } = topic.stats();
                let name = topic.name().to_owned();
                counter!("ringmain_published_total", "topic" => name.clone()).absolute(published);
                gauge!("ringmain_subscriptions", "topic" => name.clone()).set(subscriptions as f64);
                let behind = slowest.map_or(0, |slowest| slowest.behind);
                gauge!("ringmain_slowest_behind", "topic" => name.clone()).set(behind as f64);
                let stalled = topic.stalled().unwrap_or_default();
                gauge!("ringmain_publisher_stalled_seconds", "topic" => name).set(stalled.as_secs_f64());
            }
            for subscription in self.subscriptions().iter().filter_map(|name| self.subscription(name)) {
                record(subscription.name(), &subscription.stats());
            }
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
        let now = [
            ("ringmain_outstanding", stats.outstanding as f64),
            ("ringmain_outstanding_bytes", stats.outstanding_bytes as f64),
            ("ringmain_held", stats.held as f64),
            ("ringmain_held_bytes", stats.held_bytes as f64),
            ("ringmain_parked", stats.parked as f64),
            ("ringmain_unread", stats.unread as f64),
            ("ringmain_oldest_unacked_seconds", stats.oldest_unacked.unwrap_or_default().as_secs_f64()),
        ];
        for (metric, value) in now {
            gauge!(metric, "subscription" => name.to_owned()).set(value);
        }
    }
}
