//! `ring_bytes` and `Topic::trim`: how many payload bytes a ring holds, counted from outside, by payloads that know when
//! they are dropped.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, with small numbers"
)]

use crate::common::{Random, assert_balanced, manual, subscribe, until};
use crate::tasks::{Task, poll_with};
use ringmain::{
    Bytes, Dispatcher, Engine, Invalid, ManualClock, Message, Overflow, PublishError, Publisher, Receipt,
    RecvError, Subscription, SubscriptionConfig, Topic, TopicConfig, Verdict,
};
use ringmain_ring::sync::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const SLOTS: usize = 64;
const KIB: usize = 1 << 10;

/// How many bytes of its payloads live.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

struct Payload(Vec<u8>, Alive);

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.1.0.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

impl Alive {
    fn payload(&self, bytes: usize) -> Message {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Message::new(Bytes::from_owner(Payload(vec![7; bytes], self.clone())))
    }

    fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A topic of 64 slots whose ring holds at most 64 KiB: payloads above 512 bytes are large, and may be 32 KiB together.
fn bounded() -> (Engine, ManualClock, Topic, Publisher, Subscription) {
    bounded_by(64 * KIB)
}

fn bounded_by(ring_bytes: usize) -> (Engine, ManualClock, Topic, Publisher, Subscription) {
    let (engine, clock) = manual();
    let config = TopicConfig::default().ring_slots(SLOTS).ring_bytes(ring_bytes).batch(16, 20 * KIB);
    let topic = engine.create_topic("topic", config).unwrap();
    let subscription = subscribe(&topic, "sub");
    (engine, clock, topic.clone(), topic.publisher(), subscription)
}

fn receive(subscription: &Subscription) -> usize {
    let deliveries = subscription.pull(SLOTS).expect("attached");
    deliveries.into_iter().map(|delivery| delivery.ack().expect("in time")).count()
}

#[test]
fn with_readers_at_rest_large_payloads_never_wait_and_the_bound_holds() {
    let (_engine, _clock, topic, publisher, subscription) = bounded();
    let _rests =
        topic.create_subscription("lossy", SubscriptionConfig::default().overflow(Overflow::Detach)).unwrap();
    let alive = Alive::default();
    let mut random = Random(1);
    let mut most = 0;
    for count in 1..=2_000 {
        let bytes = 600 + random.below(8_000) as usize;
        publisher.try_publish(alive.payload(bytes)).unwrap();
        most = most.max(alive.bytes());
        assert_eq!(receive(&subscription), 1);
        assert_eq!(receive(&_rests), 1, "nobody was detached for padding");
        assert_eq!((topic.stats().published, subscription.stats().accepted), (count, count));
    }
    assert!(most <= 32 * KIB, "{most}");
    assert!(most > 20 * KIB, "what was read is kept for as long as there is room: {most}");
    assert_balanced(&subscription);
}

#[test]
fn what_is_unread_holds_large_payloads_up_like_a_full_ring_and_small_ones_not() {
    let (engine, _clock, _topic, publisher, subscription) = bounded();
    let alive = Alive::default();
    (0..8).for_each(|_| _ = publisher.try_publish(alive.payload(4 * KIB)).unwrap());
    for _ in 0..3 {
        let full = publisher.try_publish(alive.payload(4 * KIB));
        assert!(matches!(full, Err(PublishError::Full(message)) if message.data().len() == 4 * KIB));
        let full = publisher.publish_timeout(alive.payload(513), Duration::from_millis(1));
        assert!(matches!(full, Err(PublishError::Full(_))));
        let full = publisher.try_publish_slice(&[1; 600]);
        assert!(matches!(full, Err(PublishError::Full(()))));
    }
    assert_eq!(alive.bytes(), 32 * KIB);
    // Whoever could not make room has taken none.
    (8..SLOTS).for_each(|_| _ = publisher.try_publish(alive.payload(512)).unwrap());
    let (task, waker) = Task::new();
    let mut future = publisher.publish_async(alive.payload(4 * KIB));
    assert!(poll_with(&mut future, &waker).is_pending());
    thread::scope(|scope| {
        let other = publisher.clone();
        let waits = scope.spawn(move || other.publish(alive.payload(4 * KIB)));
        // (The one that is read is enough: its slot is used for padding.)
        until(|| receive(&subscription) == 0 && task.woken() > 0);
        waits.join().unwrap().unwrap();
        assert!(poll_with(&mut future, &waker).is_ready());
    });
    drop(engine);
}

#[test]
fn padding_takes_no_room_from_small_messages_once_what_is_before_it_is_read() {
    let (_engine, _clock, _topic, publisher, subscription) = bounded();
    let alive = Alive::default();
    (0..8).for_each(|_| _ = publisher.try_publish(alive.payload(4 * KIB)).unwrap());
    assert_eq!(receive(&subscription), 8);
    let small =
        |count: usize| (0..count).take_while(|_| publisher.try_publish(Message::new("x")).is_ok()).count();
    assert_eq!(small(5), 5);
    // The large ones are read, so their slots are got at, past the five that are not.
    publisher.try_publish(alive.payload(4 * KIB)).unwrap();
    assert_eq!(alive.bytes(), 7 * 4 * KIB, "one made room, and one was where it went");
    // The five are taken, and no look at what comes after.
    subscription.pull(5).unwrap().into_iter().for_each(|delivery| delivery.ack().unwrap());
    assert_eq!(small(SLOTS), SLOTS - 1);
    assert_balanced(&subscription);
}

#[test]
fn what_is_larger_than_half_the_bound_goes_alone() {
    let (_engine, _clock, topic, publisher, subscription) = bounded();
    let alive = Alive::default();
    publisher.try_publish(alive.payload(100 * KIB)).unwrap();
    assert!(publisher.try_publish(alive.payload(KIB)).is_err());
    assert!(publisher.try_publish(alive.payload(100 * KIB)).is_err());
    assert_eq!(receive(&subscription), 1);
    publisher.try_publish(alive.payload(100 * KIB)).unwrap();
    assert_eq!(alive.bytes(), 100 * KIB, "the one before it is gone");
    assert_eq!(receive(&subscription), 1);
    publisher.try_publish(alive.payload(KIB)).unwrap();
    assert_eq!(alive.bytes(), KIB);
    assert_eq!(topic.stats().published, 3);
    // Attributes count.
    let value = "x".repeat(1000);
    let heavy =
        || (0..33).fold(Message::new("d"), |message, key| message.attribute(format!("k{key}"), &value));
    assert_eq!(receive(&subscription), 1);
    publisher.try_publish(heavy()).unwrap();
    assert!(matches!(publisher.try_publish(heavy()), Err(PublishError::Full(_))));
}

#[test]
fn what_is_enqueued_is_bounded_too_and_gathers_no_more_than_can_go_together() {
    let (_engine, _clock, topic, publisher, subscription) = bounded();
    let alive = Alive::default();
    let small = |count: usize| (0..count).for_each(|_| _ = publisher.publish(Message::new("x")).unwrap());
    small(3);
    subscription.recv().unwrap().ack().unwrap();
    // 20 KiB close a batch; what would exceed the budget with it closes it as well.
    let receipts: Vec<_> = (0..4).map(|_| publisher.enqueue(alive.payload(6 * KIB)).unwrap()).collect();
    assert_eq!(topic.stats().published, 3 + 3, "the fourth would have overflowed the batch");
    drop(publisher.enqueue(alive.payload(6 * KIB)).unwrap());
    let stuck = publisher.enqueue(alive.payload(6 * KIB)).unwrap();
    // Three are unread and three are staged, and the budget is five.
    assert!(matches!(publisher.try_publish(Message::new("behind")), Err(PublishError::Full(_))));
    assert!(!stuck.is_ready());
    assert_eq!((topic.stats().published, alive.bytes()), (6, 36 * KIB));
    assert_eq!(receive(&subscription), 5);
    assert_eq!(receive(&subscription), 3, "fetched by the reader that had nothing to read");
    assert!(stuck.is_ready() && receipts.iter().all(Receipt::is_ready));
    assert!(alive.bytes() <= 32 * KIB);
    assert_balanced(&subscription);
}

#[test]
fn a_lane_stages_no_more_than_the_ring_may_hold() {
    let (engine, _clock) = manual();
    let config = TopicConfig::default().ring_slots(SLOTS).ring_bytes(64 * KIB);
    let topic = engine.create_topic("topic", config).unwrap();
    let (publisher, subscription) = (topic.publisher(), subscribe(&topic, "sub"));
    publisher.publish_batch([Message::new("x"), Message::new("y")]).unwrap();
    subscription.recv().unwrap().ack().unwrap();
    let enqueue = |kib: usize| {
        drop(publisher.enqueue(Message::new(vec![1; kib * KIB])).unwrap());
        topic.stats().published - 2
    };
    assert_eq!([enqueue(20), enqueue(12), enqueue(1)], [0, 0, 2], "though a batch may have 1 MiB");
    assert_eq!(receive(&subscription), 1 + 2);
    assert_eq!(receive(&subscription), 1);
    publisher.publish(Message::new("z")).unwrap();
    publisher.publish(Message::new("z")).unwrap();
    subscription.recv().unwrap().ack().unwrap();
    assert_eq!([enqueue(40), enqueue(1)], [5, 6], "the larger one alone");
}

#[test]
fn batches_are_bounded_and_one_that_could_never_go_is_refused() {
    let (_engine, _clock, topic, publisher, subscription) = bounded();
    let error = publisher.publish_batch_with(9, 4 * KIB, |_, _| panic!("not called")).unwrap_err();
    assert!(matches!(&error, PublishError::Invalid { reason: Invalid::Setting { .. }, .. }), "{error:?}");
    assert!(error.to_string().contains("ring_bytes"), "{error}");
    for _ in 0..20 {
        publisher.publish_batch_with(8, 4 * KIB, |_, buffer| buffer.fill(1)).unwrap();
        assert_eq!(receive(&subscription), 8);
    }
    publisher.publish_batch_with(1, 40 * KIB, |_, _| ()).unwrap();
    assert_eq!(receive(&subscription), 1);
    // The other form goes in parts; a reader makes the room between them.
    let alive = Alive::default();
    let messages: Vec<_> = [9, 9, 9, 9, 50, 9, 1, 1, 50].map(|kib| alive.payload(kib * KIB)).into();
    thread::scope(|scope| {
        let reads = scope.spawn(|| {
            let mut count = 0;
            while count < 9 {
                subscription.recv().unwrap().ack().unwrap();
                count += 1;
            }
        });
        assert_eq!(publisher.publish_batch(messages).unwrap().len(), 9);
        reads.join().unwrap();
    });
    assert!(alive.bytes() <= 50 * KIB, "the last one, alone: {}", alive.bytes());
    assert_eq!(topic.stats().published, 160 + 1 + 9);
    assert_balanced(&subscription);
}

#[test]
fn under_load_the_bound_holds_all_the_time() {
    const EACH: u64 = if cfg!(debug_assertions) { 4_000 } else { 40_000 };
    const MOST: usize = 8 * KIB;
    let engine = Engine::new();
    let config = TopicConfig::default().ring_slots(SLOTS).ring_bytes(64 * KIB).batch(16, 20 * KIB);
    let topic = engine.create_topic("topic", config).unwrap();
    let (leased, in_place) = (subscribe(&topic, "leased"), subscribe(&topic, "in-place"));
    let lossy = SubscriptionConfig::default().overflow(Overflow::DropOldest);
    let lossy = topic.create_subscription("lossy", lossy).unwrap();
    let alive = Alive::default();
    let done = AtomicBool::new(false);
    let mut dispatcher = Dispatcher::new().add(&in_place, |message| {
        assert_eq!(message.data().first(), Some(&7));
        Verdict::Ack
    });
    let most = thread::scope(|scope| {
        let watches = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(alive.bytes());
                thread::yield_now();
            }
            most
        });
        scope.spawn(|| dispatcher.run());
        scope.spawn(|| leased.iter().for_each(|delivery| delivery.unwrap().ack().unwrap()));
        scope.spawn(|| {
            loop {
                match lossy.recv() {
                    Ok(delivery) => delivery.ack().unwrap(),
                    Err(RecvError::Lagged(_)) => {}
                    Err(_) => return,
                }
            }
        });
        let publishes: Vec<_> = (0..2u64)
            .map(|thread| {
                let (publisher, alive) = (topic.publisher(), &alive);
                scope.spawn(move || {
                    let mut random = Random(thread + 5);
                    for _ in 0..EACH {
                        // So many that a ring full of them would be far beyond the bound.
                        let large = random.below(4) != 0;
                        let bytes = 1 + random.below(if large { MOST as u64 } else { 512 }) as usize;
                        let message = alive.payload(bytes);
                        match random.below(4) {
                            0 => drop(publisher.enqueue(message).unwrap()),
                            1 => drop(publisher.try_publish(message)),
                            2 => drop(publisher.publish_batch([message]).unwrap()),
                            _ => drop(publisher.publish(message).unwrap()),
                        }
                    }
                    publisher.flush().unwrap();
                })
            })
            .collect();
        let published: Vec<_> = publishes.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        engine.delete_topic("topic").unwrap(); // which lets the others go, whatever has failed
        published.into_iter().for_each(Result::unwrap);
        watches.join().unwrap()
    });
    // On the ring; in the hands of publishers, coming and going; staged; and in two deliveries.
    let hands = 2 * (2 * MOST + 20 * KIB) + 2 * MOST;
    assert!(most <= 64 * KIB + hands, "{most}");
    assert_balanced(&leased);
    assert_balanced(&in_place);
    assert_balanced(&lossy);
}

#[test]
fn trim_drops_what_everybody_has_read_and_nothing_else() {
    // By reference, and not large, is what has 513 to 1,024 bytes.
    let (_engine, _clock, topic, publisher, subscription) = bounded_by(128 * KIB);
    assert_eq!(topic.trim(), 0);
    let lossy = SubscriptionConfig::default().overflow(Overflow::DropOldest);
    let lossy = topic.create_subscription("lossy", lossy).unwrap();
    let alive = Alive::default();
    for _ in 0..3 {
        (0..10).for_each(|_| _ = publisher.publish(alive.payload(600)).unwrap());
        (0..5).for_each(|_| _ = publisher.publish(alive.payload(2 * KIB)).unwrap());
        assert_eq!((receive(&subscription), receive(&lossy)), (15, 15));
        let kept = subscription.pull(1).unwrap().len();
        assert_eq!((topic.trim(), alive.bytes(), kept), (10 * 600 + 5 * 2 * KIB, 0, 0));
        assert_eq!(topic.trim(), 0);
        // There is room for as much as before, though nobody has polled since.
        assert_eq!(topic.stats().slowest.unwrap().behind, 0);
    }
    assert_eq!(topic.stats().published, 45);
    (0..SLOTS).for_each(|_| _ = publisher.try_publish(alive.payload(1)).unwrap());
    assert_eq!(receive(&subscription), SLOTS);
    assert_eq!(receive(&lossy), SLOTS, "nothing was lost");
    assert_balanced(&subscription);
    assert_balanced(&lossy);
}

#[test]
fn trim_spares_what_is_unread_or_held_and_leaves_room() {
    for overflow in [Overflow::Block, Overflow::DropOldest, Overflow::Detach] {
        // By reference, and not large, is what has 513 to 1,024 bytes.
        let (_engine, _clock, topic, publisher, subscription) = bounded_by(128 * KIB);
        let other =
            topic.create_subscription("other", SubscriptionConfig::default().overflow(overflow)).unwrap();
        let alive = Alive::default();
        (0..20).for_each(|_| _ = publisher.publish(alive.payload(1_000)).unwrap());
        assert_eq!(receive(&subscription), 20);
        let mut held = other.pull(2).unwrap();
        // 46 slots are free, of which 16 stay so: what is trimmed had no payload yet.
        assert_eq!((topic.trim(), alive.bytes()), (0, 20_000));
        (0..SLOTS / 4).for_each(|_| _ = publisher.try_publish(alive.payload(600)).unwrap());
        held.extend(other.pull(SLOTS).unwrap());
        assert_eq!(held.len(), 20 + SLOTS / 4, "nothing was lost");
        assert_eq!(receive(&subscription), SLOTS / 4);
        assert_eq!(topic.trim(), 18 * 1_000 + SLOTS / 4 * 600, "the slots of two were used again");
        assert_eq!(alive.bytes(), 2_000 + 18_000 + SLOTS / 4 * 600, "a delivery keeps its payload");
        assert_eq!(held[0].data(), [7; 1_000]);
        held.into_iter().for_each(|delivery| delivery.ack().unwrap());
        assert_eq!(alive.bytes(), 0);
        assert_balanced(&other);
    }
}

#[test]
fn without_a_subscription_left_payloads_go_with_their_slots() {
    let (_engine, _clock, topic, publisher, subscription) = bounded();
    let alive = Alive::default();
    (0..10).for_each(|_| _ = publisher.publish(alive.payload(2 * KIB)).unwrap());
    subscription.detach();
    assert_eq!(alive.bytes(), 20 * KIB);
    (0..SLOTS).for_each(|_| _ = publisher.publish(alive.payload(4 * KIB)).unwrap());
    assert_eq!((alive.bytes(), topic.stats().published), (0, 10 + SLOTS as u64));
    // And what was counted is so no longer.
    let late = subscribe(&topic, "late");
    (0..8).for_each(|_| _ = publisher.try_publish(alive.payload(4 * KIB)).unwrap());
    assert_eq!(receive(&late), 8);
    late.detach();
    assert_eq!(topic.trim(), 32 * KIB);
}

#[test]
fn a_dispatcher_at_rest_is_moved_past_padding() {
    let (_engine, _clock, topic, publisher, subscription) = bounded();
    receive(&subscription);
    subscription.detach();
    let served = subscribe(&topic, "served");
    let mut dispatcher = Dispatcher::new().add(&served, |_| Verdict::Ack);
    let alive = Alive::default();
    for _ in 0..50 {
        publisher.try_publish(alive.payload(20 * KIB)).unwrap();
        assert!(dispatcher.run_until_idle() > 0);
        assert!(alive.bytes() <= 32 * KIB);
    }
    assert_eq!(topic.trim(), alive.bytes() + 20 * KIB);
    (0..SLOTS).for_each(|_| _ = publisher.try_publish(Message::new("x")).unwrap());
}
