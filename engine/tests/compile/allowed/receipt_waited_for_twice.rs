//! The neighbour of the case refused: looked at, and then waited for.

#[test]
fn main() {
    let engine = ringmain::Engine::new();
    let topic = engine.create_topic("topic", Default::default()).unwrap();
    let receipt = topic.publisher().enqueue(ringmain::Message::new("data")).unwrap();
    let _ready = receipt.is_ready();
    receipt.wait().unwrap();
}
