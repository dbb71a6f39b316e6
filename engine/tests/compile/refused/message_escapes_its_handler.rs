//! What a handler is shown in place is gone when it returns.

use ringmain::{Dispatcher, Verdict};

fn main() {
    let engine = ringmain::Engine::new();
    let topic = engine.create_topic("topic", Default::default()).unwrap();
    let subscription = topic.create_subscription("sub", Default::default()).unwrap();
    topic.publisher().publish_slice(b"data").unwrap();
    let mut kept: Vec<&'static [u8]> = Vec::new();
    Dispatcher::new()
        .add(&subscription, move |message| {
            kept.push(message.data());
            Verdict::Ack
        })
        .run_until_idle();
}
