//! A receipt gives its id once.

fn main() {
    let engine = ringmain::Engine::new();
    let topic = engine.create_topic("topic", Default::default()).unwrap();
    let receipt = topic.publisher().enqueue(ringmain::Message::new("data")).unwrap();
    receipt.wait().unwrap();
    receipt.wait().unwrap();
}
