//! `ring_bytes`, where what it counts is copied.

use crate::common::{manual, subscribe};
use ringmain::{Bytes, Message, Publisher, TopicConfig};
use std::time::Duration;

/// Large for this ring, and small enough to be copied, on a topic that has seen nothing else; between others, which use their
/// slots again.
#[test]
fn what_is_copied_and_large_is_counted_out_again_however_it_was_published() {
    let ways: [fn(&Publisher, Message); 3] = [
        |publisher, message| _ = publisher.publish_timeout(message, Duration::from_secs(5)).unwrap(),
        |publisher, message| drop(publisher.publish_batch([message]).unwrap()),
        // (The next call publishes it.)
        |publisher, message| drop(publisher.enqueue(message).unwrap()),
    ];
    for publish in ways {
        let (engine, _clock) = manual();
        // Large are those above 100 bytes, and 800 of theirs may be there.
        let config = TopicConfig::default().ring_slots(8).ring_bytes(1_600);
        let topic = engine.create_topic("topic", config).unwrap();
        let (publisher, subscription) = (topic.publisher(), subscribe(&topic, "sub"));
        let few = || _ = publisher.publish_timeout(Message::new("few"), Duration::from_secs(5)).unwrap();
        let one = || subscription.recv().unwrap().ack().unwrap();
        // There is always something to read, so that what is enqueued is staged.
        (0..3).for_each(|_| few());
        for _ in 0..20 {
            one();
            publish(&publisher, Message::new(Bytes::from_static(&[7; 200])));
            for _ in 0..8 {
                one();
                few();
            }
        }
        assert!(topic.trim() <= 800);
    }
}
