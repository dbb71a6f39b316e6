//! Life-cycle events. A process of its own: with one subscriber to events, `tracing` asks the thread that comes first
//! whether anybody listens.
#![cfg(feature = "tracing")]

#[path = "listener/mod.rs"]
mod listener;

use listener::Listener;
use ringmain::{Close, Engine, Message, SubscriptionConfig, TopicConfig};
use std::fmt;
use std::sync::{Arc, Mutex};
use tracing::Event;
use tracing::field::{Field, Visit};

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[test]
fn the_life_cycle_is_told_and_messages_are_not() {
    let log = Arc::<Mutex<Vec<String>>>::default();
    let told = Arc::clone(&log);
    let writes_down = move |event: &Event<'_>| {
        let mut line = Line(String::new());
        event.record(&mut line);
        told.lock().expect("no panic").push(line.0);
    };
    tracing::subscriber::with_default(Listener(writes_down), || {
        let engine = Engine::new();
        let topic = engine.create_topic("topic", TopicConfig::default()).unwrap();
        let subscription = topic.create_subscription("sub", SubscriptionConfig::default()).unwrap();
        for _ in 0..100 {
            topic.publisher().publish(Message::new("x")).unwrap();
            subscription.recv().unwrap().ack().unwrap();
        }
        engine.delete_topic("topic").unwrap();
        engine.close(Close::Now);
    });
    let told = log.lock().unwrap();
    let expected =
        ["topic created", "subscription created", "topic deleted", "subscription detached", "engine closed"];
    assert_eq!(*told, expected);
}
