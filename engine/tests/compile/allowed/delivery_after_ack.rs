//! The neighbour of the case refused: read first, then acked.

#[test]
fn main() {
    let engine = ringmain::Engine::new();
    let topic = engine.create_topic("topic", Default::default()).unwrap();
    let subscription = topic.create_subscription("sub", Default::default()).unwrap();
    topic.publisher().publish_slice(b"data").unwrap();
    let delivery = subscription.recv().unwrap();
    assert_eq!(delivery.data(), b"data");
    delivery.ack().unwrap();
}
