//! The optional features: settings from a file, counters for a recorder. (Life-cycle events have a process of their own.)

#[cfg(feature = "serde")]
mod serde {
    use ringmain::{
        Engine, LimitExceeded, Message, Overflow, PublisherConfig, SubscriptionConfig, SubscriptionStats,
        TopicConfig, WaitStrategy,
    };
    use std::time::Duration;

    #[test]
    fn settings_are_read_and_what_is_left_out_is_as_by_default() {
        let topic: TopicConfig = serde_json::from_str(r#"{"ring_slots": 64, "wait": "Park"}"#).unwrap();
        assert_eq!((topic.ring_slots, topic.wait, topic.shards), (64, WaitStrategy::Park, 1));
        let subscription: SubscriptionConfig = serde_json::from_str(
            r#"{"overflow": "DropOldest", "filter": "attributes:k", "message_ordering": true,
                "ack_deadline": "1.5s", "max_lease": "1h 30m",
                "retry": {"minimum_backoff": "500ms", "maximum_backoff": "9s"}}"#,
        )
        .unwrap();
        assert_eq!(subscription.overflow, Overflow::DropOldest);
        assert_eq!(subscription.retry.unwrap().minimum_backoff, Duration::from_millis(500));
        assert_eq!(subscription.retry.unwrap().maximum_backoff, Duration::from_secs(9));
        assert_eq!(subscription.ack_deadline, Duration::from_millis(1_500));
        assert_eq!(subscription.max_lease, Some(Duration::from_mins(90)));
        assert_eq!(subscription.max_outstanding_messages, 1_000);
        let publisher: PublisherConfig = serde_json::from_str(r#"{"limit_exceeded": "Block"}"#).unwrap();
        assert_eq!(publisher.limit_exceeded, LimitExceeded::Block);
        // A name that there is not is told, with those there are.
        let misspelt = serde_json::from_str::<SubscriptionConfig>(r#"{"ack_deadlin": "30s"}"#);
        let told = misspelt.unwrap_err().to_string();
        assert!(told.contains("ack_deadlin") && told.contains("`ack_deadline`"), "{told}");
        assert!(serde_json::from_str::<TopicConfig>(r#"{"ring_slot": 64}"#).is_err());
        for wrong in ["30", "-30s", "soon", ""] {
            let wrong = format!(r#"{{"ack_deadline": "{wrong}"}}"#);
            assert!(serde_json::from_str::<SubscriptionConfig>(&wrong).is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<PublisherConfig>(r#"{"limit": "Block"}"#).is_err());
        // A value that breaks a rule is found when it is used, with the rule.
        let wrong: TopicConfig = serde_json::from_str(r#"{"ring_slots": 63}"#).unwrap();
        let refused = Engine::new().create_topic("topic", wrong).unwrap_err();
        assert!(refused.to_string().contains("ring_slots must be a power of two"), "{refused}");
    }

    #[test]
    fn a_message_is_read_and_written_as_pub_sub_does() {
        let message =
            Message::new("paid\0\u{ff}").attribute("z", "1").attribute("a", "2").ordering_key("u42");
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(text, r#"{"data":"cGFpZADDvw==","attributes":{"z":"1","a":"2"},"orderingKey":"u42"}"#);
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
        let bare = Message::new("");
        assert_eq!(serde_json::to_string(&bare).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<Message>("{}").unwrap(), bare);
        // As a service would send it: with what it adds, and nothing said twice.
        let received = r#"{"messageId": "7", "data": "cGFpZA==", "attributes": {"k": "1", "k": "2"}}"#;
        let received: Message = serde_json::from_str(received).unwrap();
        assert_eq!(received, Message::new("paid").attribute("k", "2"));
        // As protocol buffers have it in JSON.
        for text in [r#"{"data": "_-8"}"#, r#"{"data": "/+8="}"#, r#"{"data": "_-8=", "attributes": null}"#] {
            assert_eq!(
                serde_json::from_str::<Message>(text).unwrap(),
                Message::new(&b"\xff\xef"[..]),
                "{text}"
            );
        }
        let plain = r#"{"data": "cGFpZA==", "attributes": {}, "orderingKey": ""}"#;
        assert_eq!(
            serde_json::from_str::<Message>(plain).unwrap(),
            Message::new("paid"),
            "as it is written with defaults"
        );
        let snake = r#"{"data": null, "attributes": {"k": "1"}, "ordering_key": "u42"}"#;
        let expected = Message::new("").attribute("k", "1").ordering_key("u42");
        assert_eq!(serde_json::from_str::<Message>(snake).unwrap(), expected);
        assert!(serde_json::from_str::<Message>(r#"{"data": 7}"#).is_err());
        let wrong = serde_json::from_str::<Message>(r#"{"data": "not base64!"}"#).unwrap_err();
        assert!(wrong.to_string().contains("data is not base64"), "{wrong}");
        let many = (0..101).fold(Message::new("d"), |m, i| m.attribute(format!("k{i}"), ""));
        let wrong = serde_json::from_str::<Message>(&serde_json::to_string(&many).unwrap()).unwrap_err();
        assert!(wrong.to_string().contains("at most 100 attributes"), "{wrong}");
    }

    /// In this one, fields have no names.
    #[test]
    fn a_message_survives_a_format_that_is_no_text() {
        let whole = Message::new("paid").attribute("k", "1").ordering_key("u42");
        let parts = [Message::new(""), Message::new("paid"), Message::new("").ordering_key("u42"), whole];
        for message in parts {
            let bytes = postcard::to_allocvec(&message).unwrap();
            assert_eq!(postcard::from_bytes::<Message>(&bytes).unwrap(), message);
        }
    }

    #[test]
    fn settings_and_counters_survive_a_round_trip() {
        let plain = SubscriptionConfig::default()
            .filter("attributes:k")
            .retry(Duration::ZERO, Duration::from_nanos(7));
        for settings in [plain.clone(), plain.max_lease(Duration::MAX)] {
            let written = serde_json::to_string(&settings).unwrap();
            assert_eq!(serde_json::from_str::<SubscriptionConfig>(&written).unwrap(), settings, "{written}");
            let written = postcard::to_allocvec(&settings).unwrap();
            assert_eq!(postcard::from_bytes::<SubscriptionConfig>(&written).unwrap(), settings);
        }
        let stats = SubscriptionStats::default();
        let read: SubscriptionStats = serde_json::from_str(&serde_json::to_string(&stats).unwrap()).unwrap();
        assert_eq!(read, stats);
    }
}

#[cfg(feature = "metrics")]
mod metrics {
    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };
    use ringmain::{Engine, Message, SubscriptionConfig, TopicConfig};
    use std::collections::{HashMap, HashSet};
    use std::sync::{Arc, Mutex};

    /// The last value of each metric, by name and labels; and the names that were described.
    #[derive(Clone, Default)]
    struct Last(Arc<Mutex<HashMap<String, f64>>>, Arc<Mutex<HashSet<String>>>);

    impl Last {
        fn describe(&self, name: &KeyName, meaning: &str) {
            assert!(meaning.ends_with('.'), "{meaning}");
            self.1.lock().expect("no panic").insert(name.as_str().to_owned());
        }
    }

    struct One(Last, String);

    impl One {
        fn of(last: &Last, key: &Key) -> Arc<Self> {
            let labels: Vec<_> =
                key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            Arc::new(Self(last.clone(), format!("{}{{{}}}", key.name(), labels.join(","))))
        }

        fn set(&self, value: f64) {
            self.0.0.lock().expect("no panic").insert(self.1.clone(), value);
        }
    }

    impl CounterFn for One {
        fn increment(&self, _: u64) {
            unreachable!("counters are recorded as they are");
        }
        fn absolute(&self, value: u64) {
            self.set(value as f64);
        }
    }

    impl GaugeFn for One {
        fn increment(&self, _: f64) {
            unreachable!("gauges are set");
        }
        fn decrement(&self, _: f64) {
            unreachable!("gauges are set");
        }
        fn set(&self, value: f64) {
            Self::set(self, value);
        }
    }

    impl Recorder for Last {
        fn describe_counter(&self, name: KeyName, _: Option<Unit>, meaning: SharedString) {
            self.describe(&name, &meaning);
        }
        fn describe_gauge(&self, name: KeyName, _: Option<Unit>, meaning: SharedString) {
            self.describe(&name, &meaning);
        }
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(One::of(self, key))
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(One::of(self, key))
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn counters_are_recorded_when_asked_for() {
        let last = Last::default();
        metrics::with_local_recorder(&last, || {
            let engine = Engine::new();
            let topic = engine.create_topic("topic", TopicConfig::default()).unwrap();
            let subscription = topic.create_subscription("sub", SubscriptionConfig::default()).unwrap();
            for _ in 0..3 {
                topic.publisher().publish(Message::new("x")).unwrap();
            }
            subscription.recv().unwrap().ack().unwrap();
            assert!(last.0.lock().unwrap().is_empty(), "nothing is recorded in between");
            engine.record_metrics();
        });
        let values = last.0.lock().unwrap();
        assert_eq!(values["ringmain_published_total{topic=topic}"], 3.0);
        assert_eq!(values["ringmain_acked_total{topic=topic,subscription=sub}"], 1.0);
        assert_eq!(values["ringmain_unread{topic=topic,subscription=sub}"], 2.0);
        let recorded: HashSet<_> =
            values.keys().filter_map(|name| Some(name.split_once('{')?.0.to_owned())).collect();
        assert_eq!(*last.1.lock().unwrap(), recorded, "those that are recorded are described");
    }

    #[test]
    fn gauges_of_what_was_deleted_are_set_to_zero_once_and_counters_stay() {
        let last = Last::default();
        metrics::with_local_recorder(&last, || {
            let engine = Engine::new();
            let topic = engine.create_topic("topic", TopicConfig::default()).unwrap();
            let _one = topic.create_subscription("one", SubscriptionConfig::default()).unwrap();
            let _two = topic.create_subscription("two", SubscriptionConfig::default()).unwrap();
            topic.publisher().publish(Message::new("x")).unwrap();
            engine.record_metrics();
            engine.delete_subscription("one").unwrap();
            engine.delete_topic("topic").unwrap();
            engine.record_metrics();
            let values = std::mem::take(&mut *last.0.lock().unwrap());
            let of = |name: &str| values.get(name).copied();
            assert_eq!(of("ringmain_unread{topic=topic,subscription=one}"), Some(0.0));
            assert_eq!(of("ringmain_oldest_unacked_seconds{topic=topic,subscription=one}"), Some(0.0));
            assert_eq!(of("ringmain_slowest_behind{topic=topic}"), Some(0.0));
            assert_eq!(of("ringmain_accepted_total{topic=topic,subscription=one}"), Some(1.0));
            assert_eq!(of("ringmain_unread{topic=topic,subscription=two}"), Some(1.0));
            engine.record_metrics();
            assert!(last.0.lock().unwrap().keys().all(|name| name.contains("=two")), "forgotten");
        });
    }
}
