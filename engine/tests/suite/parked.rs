//! Dead letters that their topic does not take, since it is full or gone: parked, told, and never lost.

#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::failing::of;
use crate::common::{assert_balanced, manual, message, number, receive_all, subscribe, topic, until};
use ringmain::{
    Close, Dispatcher, Engine, ManualClock, RecvError, Subscription, SubscriptionConfig, Topic, TopicConfig,
    Verdict, WaitStrategy,
};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How soon a parked message is tried again by a tick.
const SOON: Duration = Duration::from_secs(1);

fn config() -> SubscriptionConfig {
    SubscriptionConfig::default()
}

/// A topic whose subscription gives up after five failures, and two slots for dead letters.
struct Scene {
    engine: Engine,
    clock: ManualClock,
    source: Topic,
    subscription: Subscription,
    letters: Subscription,
}

fn scene(config: SubscriptionConfig) -> Scene {
    let (engine, clock) = manual();
    let source = topic(&engine, 64);
    let dead = engine.create_topic("dead", TopicConfig::default().ring_slots(2)).unwrap();
    let letters = subscribe(&dead, "letters");
    let subscription = source.create_subscription("sub", config.dead_letter(&dead, 5)).unwrap();
    Scene { engine, clock, source, subscription, letters }
}

impl Scene {
    /// Publishes messages with these numbers, and has each fail five times.
    fn bury(&self, numbers: impl IntoIterator<Item = u64>) {
        let publisher = self.source.publisher();
        for number in numbers {
            publisher.publish(message(number)).unwrap();
        }
        (0..5).for_each(|_| drop(self.subscription.pull(1000).unwrap()));
    }

    #[track_caller]
    fn assert_parked(&self, parked: u64, dead_lettered: u64) {
        let stats = self.subscription.stats();
        assert_eq!(
            (stats.parked, stats.held, stats.dead_lettered),
            (parked, parked, dead_lettered),
            "{stats:?}"
        );
        assert_balanced(&self.subscription);
    }
}

#[test]
fn what_a_full_topic_does_not_take_is_parked_and_moves_when_there_is_room_and_somebody_polls() {
    let scene = scene(config());
    scene.bury(0..5);
    scene.assert_parked(3, 2);
    assert_eq!(scene.subscription.stats().held_bytes, 24);
    for _ in 0..3 {
        assert!(scene.subscription.try_recv().unwrap().is_none(), "it is not delivered again");
        scene.clock.advance(SOON);
        scene.engine.tick();
        scene.assert_parked(3, 2);
    }
    assert_eq!(receive_all(&scene.letters), [0, 1]);
    scene.clock.advance(SOON);
    assert!(scene.subscription.try_recv().unwrap().is_none());
    scene.assert_parked(1, 4);
    assert_eq!(receive_all(&scene.letters), [2, 3]);
    scene.clock.advance(SOON);
    assert_eq!(Dispatcher::new().add(&scene.subscription, |_| Verdict::Ack).poll(), 0);
    scene.assert_parked(0, 5);
    assert_eq!(scene.subscription.stats().held_bytes, 0);
    assert_eq!(receive_all(&scene.letters), [4]);
}

#[test]
fn a_tick_moves_what_is_parked_with_everything_on_it() {
    let scene = scene(config());
    scene.bury(0..2);
    let id =
        scene.source.publisher().publish(message(2).attribute("own", "kept").ordering_key("key")).unwrap();
    let published = scene.subscription.recv().unwrap().publish_time();
    scene.bury([]);
    scene.assert_parked(1, 2);
    assert_eq!(receive_all(&scene.letters), [0, 1]);
    scene.clock.advance(SOON);
    scene.engine.tick();
    scene.assert_parked(0, 3);
    let letter = scene.letters.recv().unwrap();
    assert_eq!((of(&letter), letter.ordering_key(), letter.publish_time()), ((2, 1), Some("key"), published));
    let value = |key: &str| letter.attribute(&format!("CloudPubSubDeadLetterSource{key}"));
    assert_eq!(letter.attribute("own"), Some("kept"));
    assert_eq!((value("Subscription"), value("DeliveryCount")), (Some("sub"), Some("5")));
    assert_eq!(value("MessageId"), Some(&*id.to_string()));
}

/// The real thread and the real clock.
#[test]
fn housekeeping_moves_what_is_parked_when_nobody_polls() {
    let engine = Engine::new();
    let source = topic(&engine, 8);
    let dead = engine.create_topic("dead", TopicConfig::default().ring_slots(1)).unwrap();
    let letters = subscribe(&dead, "letters");
    let subscription = source.create_subscription("sub", config().dead_letter(&dead, 5)).unwrap();
    (0..3).for_each(|number| _ = source.publisher().publish(message(number)).unwrap());
    (0..5).for_each(|_| drop(subscription.pull(9).unwrap()));
    for number in 0..3 {
        // (While the thread tries one it is neither parked nor forwarded.)
        until(|| subscription.stats().parked == 2 - number);
        let letter = letters.recv().unwrap();
        assert_eq!(of(&letter), (number, 1));
        letter.ack().unwrap();
        until(|| subscription.stats().dead_lettered == (number + 2).min(3));
    }
    assert_eq!(subscription.stats().parked, 0);
    assert_balanced(&subscription);
}

#[test]
fn what_a_deleted_topic_does_not_take_stays_and_is_counted() {
    let scene = scene(config());
    scene.engine.delete_topic("dead").unwrap();
    scene.bury(0..3);
    scene.assert_parked(3, 0);
    scene.engine.create_topic("dead", TopicConfig::default()).unwrap();
    for _ in 0..3 {
        scene.clock.advance(SOON);
        scene.engine.tick();
        assert!(scene.subscription.try_recv().unwrap().is_none());
        scene.assert_parked(3, 0);
    }
    let stats = scene.subscription.stats();
    assert_eq!((stats.backlog(), stats.held_bytes, stats.delivered), (3, 24, 15));
    scene.subscription.detach();
    assert_eq!(scene.subscription.stats().discarded, 3);
    scene.assert_parked(0, 0);
}

#[test]
fn what_was_parked_when_the_topic_went_stays_parked() {
    let scene = scene(config());
    scene.bury(0..4);
    scene.engine.delete_topic("dead").unwrap();
    assert_eq!(receive_all(&scene.letters), [0, 1], "what it took is delivered");
    scene.clock.advance(SOON);
    scene.engine.tick();
    scene.assert_parked(2, 2);
    assert_eq!(scene.letters.recv().unwrap_err(), RecvError::Closed);
}

#[test]
fn what_is_parked_stalls_neither_messages_nor_keys_nor_the_end() {
    for in_place in [false, true] {
        let scene = scene(config().message_ordering());
        scene.engine.delete_topic("dead").unwrap();
        let publisher = scene.source.publisher();
        for number in 0..8 {
            publisher
                .publish(message(number).ordering_key(if number < 6 { "key" } else { "other" }))
                .unwrap();
        }
        scene.engine.delete_topic("topic").unwrap();
        let (seen, sees) = mpsc::channel();
        if in_place {
            // Returns: the end of what can be handled is the end.
            scene.subscription.process(move |message| {
                let number = number(message.data());
                if number.is_multiple_of(2) {
                    return Verdict::Nack;
                }
                seen.send(number).unwrap();
                Verdict::Ack
            });
        } else {
            for delivery in scene.subscription.iter() {
                let delivery = delivery.unwrap();
                let number = number(delivery.data());
                if number.is_multiple_of(2) {
                    drop(delivery);
                } else {
                    delivery.ack().unwrap();
                    seen.send(number).unwrap();
                }
            }
            drop(seen);
        }
        let mut seen: Vec<_> = sees.iter().collect();
        seen.sort_unstable();
        assert_eq!(seen, [1, 3, 5, 7]);
        scene.assert_parked(4, 0);
        assert_eq!(scene.subscription.recv().unwrap_err(), RecvError::Closed);
    }
}

#[test]
fn close_does_not_wait_for_what_is_parked_and_counts_it() {
    for how in [Close::Drain(Duration::MAX), Close::Now] {
        let scene = scene(config());
        scene.bury(0..5);
        assert_eq!(receive_all(&scene.letters), [0, 1]);
        scene.engine.delete_topic("dead").unwrap();
        let report = scene.engine.close(how);
        assert_eq!((report.unread, report.unacked), (0, 3), "{how:?}");
        assert_eq!(scene.subscription.stats().discarded, 3);
        scene.assert_parked(0, 2);
    }
}

#[test]
fn at_the_limit_of_what_is_held_the_ring_is_left_alone_until_the_parked_ones_move() {
    let scene = scene(config().max_held_messages(3));
    scene.bury(0..2);
    scene.bury(2..5);
    scene.assert_parked(3, 2);
    scene.bury(5..7);
    assert_eq!(scene.subscription.stats().unread, 2);
    assert_eq!(receive_all(&scene.letters), [0, 1]);
    scene.clock.advance(SOON);
    assert_eq!(receive_all(&scene.subscription), [5, 6], "in the same poll that makes the room");
    scene.assert_parked(1, 4);
}

#[test]
fn a_consumer_asleep_at_the_limit_wakes_when_the_parked_ones_move() {
    let (engine, clock) = manual();
    let settings = TopicConfig::default().wait(WaitStrategy::Park);
    let source = engine.create_topic("topic", settings).unwrap();
    let dead = engine.create_topic("dead", TopicConfig::default().ring_slots(1)).unwrap();
    let letters = subscribe(&dead, "letters");
    let settings = config().dead_letter(&dead, 5).max_held_messages(1);
    let subscription = source.create_subscription("sub", settings).unwrap();
    for number in 0..3 {
        source.publisher().publish(message(number)).unwrap();
    }
    (0..10).for_each(|_| drop(subscription.recv().unwrap()));
    assert_eq!((subscription.stats().parked, subscription.stats().unread), (1, 1));
    thread::scope(|scope| {
        let next = scope.spawn(|| of(&subscription.recv().unwrap()));
        assert!(crate::common::for_a_while(|| !next.is_finished()));
        letters.recv().unwrap().ack().unwrap();
        clock.advance(SOON);
        engine.tick();
        assert_eq!(next.join().unwrap(), (2, 1));
    });
}

#[test]
fn a_handler_of_both_topics_is_not_waited_for() {
    let scene = scene(config());
    let (told, tells) = mpsc::channel();
    // One thread handles the messages and their dead letters: had it to wait for room, it would wait for itself.
    let mut dispatcher =
        Dispatcher::new().add(&scene.subscription, |_| Verdict::Nack).add(&scene.letters, move |letter| {
            told.send(number(letter.data())).unwrap();
            Verdict::Ack
        });
    for number in 0..20 {
        scene.source.publisher().publish(message(number)).unwrap();
    }
    let mut arrived = Vec::new();
    while arrived.len() < 20 {
        dispatcher.poll();
        arrived.extend(tells.try_iter());
    }
    assert_eq!(arrived, (0..20).collect::<Vec<_>>());
    scene.assert_parked(0, 20);
}

/// Two keys that go to different shards of this topic, which has two.
fn keys_apart(topic: &Topic) -> [String; 2] {
    let publisher = topic.publisher();
    let shard = |key: &str| publisher.publish(message(0).ordering_key(key)).unwrap().get() % 2;
    let first = shard("first");
    let other = (0..).map(|number| number.to_string()).find(|key| shard(key) != first).unwrap();
    ["first".to_owned(), other]
}

#[test]
fn a_full_shard_holds_up_no_letter_for_another() {
    for turned in [false, true] {
        let (engine, _clock) = manual();
        let source = topic(&engine, 64);
        let dead = engine.create_topic("dead", TopicConfig::default().ring_slots(1).shards(2)).unwrap();
        let [mut full, mut free] = keys_apart(&dead);
        if turned {
            std::mem::swap(&mut full, &mut free);
        }
        let letters = subscribe(&dead, "letters");
        let subscription = source.create_subscription("sub", config().dead_letter(&dead, 5)).unwrap();
        let (publisher, filler) = (source.publisher(), dead.publisher());
        for key in [&full, &free] {
            filler.publish(message(0).ordering_key(key)).unwrap();
        }
        publisher.publish(message(1).ordering_key(&full)).unwrap();
        publisher.publish(message(2).ordering_key(&free)).unwrap();
        (0..5).for_each(|_| drop(subscription.pull(9).unwrap()));
        assert_eq!(subscription.stats().parked, 2);
        let taken = letters.pull(2).unwrap();
        assert_eq!(taken.len(), 2);
        taken.into_iter().for_each(|letter| letter.ack().unwrap());
        filler.publish(message(0).ordering_key(&full)).unwrap();
        engine.tick();
        assert_eq!((subscription.stats().parked, subscription.stats().dead_lettered), (1, 1));
        let arrived = letters.pull(2).unwrap();
        assert_eq!(arrived.iter().map(|letter| number(letter.data())).max(), Some(2));
        assert_balanced(&subscription);
    }
}
