//! A subscriber to events that panics, as one does that writes where nobody reads any more. A process of its own: it hears the events
//! of all threads.
#![cfg(feature = "tracing")]

#[path = "listener/mod.rs"]
mod listener;

use listener::Listener;
use ringmain::{Engine, ManualClock, Message, SubscriptionConfig, TopicConfig};
use std::time::Duration;
use tracing::Event;

/// It is told of a dead letter that has to be parked, in the midst of an expiry.
#[test]
fn behind_one_letters_are_parked_and_leases_expire() {
    const DEADLINE: Duration = Duration::from_secs(1);
    let panics = |event: &Event<'_>| panic!("told: {:?}", event.metadata().level());
    tracing::subscriber::set_global_default(Listener(panics)).unwrap();
    let clock = ManualClock::new();
    let engine = Engine::builder().clock(clock.clock()).build();
    let letters = engine.create_topic("letters", TopicConfig::default().ring_slots(1)).unwrap();
    let _stands = letters.create_subscription("stands", SubscriptionConfig::default()).unwrap();
    letters.publisher().publish(Message::new("full")).unwrap();
    let topic = engine.create_topic("topic", TopicConfig::default()).unwrap();
    let config = SubscriptionConfig::default().ack_deadline(DEADLINE).dead_letter(&letters, 5);
    let subscription = topic.create_subscription("sub", config).unwrap();
    topic.publisher().publish(Message::new("a")).unwrap();
    for _attempt in 1..=5 {
        let _id = subscription.recv().unwrap().into_ack_id();
        clock.advance(DEADLINE);
        engine.tick();
    }
    topic.publisher().publish(Message::new("b")).unwrap();
    let _id = subscription.recv().unwrap().into_ack_id();
    clock.advance(DEADLINE);
    engine.tick();
    let stats = subscription.stats();
    assert_eq!((stats.outstanding, stats.parked, stats.held), (0, 1, 2), "{stats:?}");
}
