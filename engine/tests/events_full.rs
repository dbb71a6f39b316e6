//! A publisher that waits for room for long is told of, with the subscription that it waits for. A process of its own: see
//! `events.rs`.
#![cfg(feature = "tracing")]

#[path = "listener/mod.rs"]
mod listener;

use listener::Listener;
use ringmain::{Engine, Message, SubscriptionConfig, TopicConfig};
use std::fmt;
use std::sync::mpsc;
use std::time::Duration;
use tracing::Event;
use tracing::field::{Field, Visit};

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!("{}={value:?};", field.name()));
    }
}

#[test]
fn who_waits_for_room_for_a_second_is_told_of_once() {
    let (tell, told) = mpsc::channel();
    let tells = move |event: &Event<'_>| {
        let mut line = Line(String::new());
        event.record(&mut line);
        if line.0.contains("waits for room") {
            tell.send(line.0).expect("somebody listens");
        }
    };
    tracing::subscriber::set_global_default(Listener(tells)).unwrap();
    for (size, bytes) in [(1, 64 << 20), (3_000, 8_000)] {
        let engine = Engine::new();
        let config = TopicConfig::default().ring_slots(4).ring_bytes(bytes);
        let topic = engine.create_topic("topic", config).unwrap();
        let forgotten = topic.create_subscription("forgotten", SubscriptionConfig::default()).unwrap();
        let publisher = topic.publisher();
        while publisher.try_publish(Message::new(vec![1; size])).is_ok() {}
        assert!(
            publisher.publish_timeout(Message::new("in time"), Duration::from_millis(50)).is_err()
                || size > 1
        );
        let waits = std::thread::spawn(move || publisher.publish(Message::new(vec![1; size])).map(drop));
        let line = told.recv_timeout(Duration::from_secs(60)).unwrap();
        let full = topic.stats().slowest.unwrap().behind;
        for part in ["topic=\"topic\"", "subscription=\"forgotten\"", &format!("behind={full}")] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        assert!(told.recv_timeout(Duration::from_millis(1_500)).is_err(), "once");
        while !waits.is_finished() {
            if let Ok(delivery) = forgotten.recv_timeout(Duration::from_millis(10)) {
                delivery.ack().unwrap();
            }
        }
        waits.join().unwrap().unwrap();
    }
}
