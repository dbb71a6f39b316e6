//! A listener to life-cycle events that waits for somebody else. A process of its own: see `events.rs`.
#![cfg(feature = "tracing")]

#[path = "listener/mod.rs"]
mod listener;

use listener::Listener;
use ringmain::{Engine, SubscriptionConfig, TopicConfig};
use std::sync::mpsc;
use std::time::Duration;
use tracing::Event;

/// It publishes each event, and the next one only when the one before is read.
#[test]
fn a_listener_may_wait_for_whoever_sleeps() {
    let log = Engine::new();
    let lines = log.create_topic("lines", TopicConfig::default().ring_slots(1)).unwrap();
    let reader = lines.create_subscription("reader", SubscriptionConfig::default()).unwrap();
    let publisher = lines.publisher();
    let publishes = move |_: &Event<'_>| (0..2).for_each(|_| _ = publisher.publish_slice(b"event").unwrap());
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || reader.iter().for_each(|next| next.unwrap().ack().unwrap()));
    std::thread::spawn(move || {
        tracing::subscriber::with_default(Listener(publishes), || {
            let engine = Engine::new();
            let topic = engine.create_topic("topic", TopicConfig::default()).unwrap();
            for _ in 0..20 {
                topic.create_subscription("sub", SubscriptionConfig::default()).unwrap();
                std::thread::park_timeout(Duration::from_millis(1)); // the reader goes to sleep
                engine.delete_subscription("sub").unwrap();
            }
            engine.delete_topic("topic").unwrap();
        });
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(60)).expect("it does not wait for ever");
}
