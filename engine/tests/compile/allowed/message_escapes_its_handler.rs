//! The neighbour of the case refused: a handle to the message is kept.

use ringmain::{Dispatcher, Received, Verdict};

#[test]
fn main() {
    let engine = ringmain::Engine::new();
    let topic = engine.create_topic("topic", Default::default()).unwrap();
    let subscription = topic.create_subscription("sub", Default::default()).unwrap();
    topic.publisher().publish_slice(b"data").unwrap();
    let mut kept: Vec<Received> = Vec::new();
    Dispatcher::new()
        .add(&subscription, move |message| {
            kept.push(message.to_received());
            Verdict::Ack
        })
        .run_until_idle();
}
