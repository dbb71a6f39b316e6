//! Life-cycle events. A process of its own: with one subscriber to events, `tracing` asks the thread that comes first
//! whether anybody listens.
#![cfg(feature = "tracing")]

use ringmain::{Close, Engine, Message, SubscriptionConfig, TopicConfig};
use std::fmt;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "ringmain"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().expect("no panic").push(line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn the_life_cycle_is_told_and_messages_are_not() {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
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
    let told = log.0.lock().unwrap();
    let expected =
        ["topic created", "subscription created", "topic deleted", "subscription detached", "engine closed"];
    assert_eq!(*told, expected);
}
