//! What a steady stream allocates, counted: nothing.
//!
//! One test function, since the allocator counts for the whole process.

mod common;

use common::{message, single};
use ringmain::{
    Bytes, Delivery, Dispatcher, LimitExceeded, Message, Publisher, PublisherConfig, Subscription,
    SubscriptionConfig, Verdict,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::collections::VecDeque;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SLOTS: usize = 256;
const MESSAGES: u64 = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };

/// Allocations and reallocations per `run`, after a warm-up of as much.
fn allocations(what: &str, mut run: impl FnMut(u64)) -> usize {
    (0..MESSAGES).for_each(&mut run);
    let region = Region::new(ALLOCATOR);
    (0..MESSAGES).for_each(&mut run);
    let change = region.change();
    let count = change.allocations + change.reallocations;
    println!("{what}: {count} allocations in {MESSAGES} messages");
    count
}

fn in_place(what: &str, publish: impl Fn(&Publisher, u64)) -> usize {
    in_place_on(SLOTS, what, publish)
}

fn in_place_on(slots: usize, what: &str, publish: impl Fn(&Publisher, u64)) -> usize {
    let (_engine, _clock, publisher, subscription) = single(slots);
    handled(what, &publisher, &subscription, Dispatcher::poll, publish)
}

/// Handled in place.
fn handled(
    what: &str,
    publisher: &Publisher,
    subscription: &Subscription,
    poll: fn(&mut Dispatcher) -> usize,
    publish: impl Fn(&Publisher, u64),
) -> usize {
    let mut dispatcher = Dispatcher::new().add(subscription, |message| {
        assert!(!message.data().is_empty());
        Verdict::Ack
    });
    allocations(what, |number| {
        publish(publisher, number);
        if number % 100 == 0 {
            poll(&mut dispatcher);
        }
    })
}

/// Publishes, and acks what it has received together, when the ring has used the slots again: the deliveries have the buffers.
fn acked_together(what: &str, publisher: &Publisher, subscription: &Subscription) -> usize {
    let data = [7; 1024];
    let mut pulled = Vec::with_capacity(2 * SLOTS);
    allocations(what, |number| {
        assert!(publisher.try_publish_slice(&data).is_ok(), "the ring keeps moving");
        if number % 3 == 0 {
            subscription.pull_into(64, &mut pulled).expect("attached");
            if pulled.len() > SLOTS {
                Delivery::ack_all(&mut pulled).expect("in time");
            }
        }
    })
}

/// Publishes, receives under lease and acks, with so many always in hand.
fn leased(what: &str, publisher: &Publisher, subscription: &Subscription, in_hand: usize) -> usize {
    let data = [7; 1024];
    let mut out: VecDeque<Delivery> = VecDeque::with_capacity(in_hand + 1);
    let mut reused = Vec::with_capacity(64);
    allocations(what, |number| {
        assert!(publisher.try_publish_slice(&data).is_ok(), "the ring keeps moving");
        if number % 3 == 0 {
            subscription.pull_into(64, &mut reused).expect("attached");
            for delivery in reused.drain(..) {
                out.push_back(delivery);
                if out.len() > in_hand {
                    out.pop_front().expect("more than none").ack().expect("in time");
                }
            }
        }
    })
}

#[test]
fn a_steady_stream_allocates_nothing() {
    let data = [7; 4096];
    let kib = in_place("in place, publish_slice, 1 KiB", |publisher, _| {
        publisher.publish_slice(&data[..1024]).unwrap();
    });
    assert_eq!(kib, 0);
    let length = |number: u64| 1 + usize::try_from(number.wrapping_mul(0x9E37_79B9) >> 7).unwrap() % 4096;
    let varying = in_place("in place, publish_with, varying lengths", |publisher, number| {
        publisher.publish_with(length(number), |buffer| buffer[0] = 1).unwrap();
    });
    // The ring's buffers grow to what the stream needs, each when it is first too small.
    assert!(varying < SLOTS, "{varying}");
    let kept = Bytes::from(vec![1; 1024]);
    let by_reference = in_place("in place, publish, the caller's Bytes", |publisher, _| {
        publisher.publish(Message::new(kept.clone())).unwrap();
    });
    assert_eq!(by_reference, 0);
    let batches = in_place("in place, publish_batch_with, 8 at a time", |publisher, number| {
        if number % 8 == 0 {
            publisher.publish_batch_with(8, 1024, |_, buffer| buffer[0] = 1).unwrap();
        }
    });
    assert_eq!(batches, 0);
    let batches = in_place("in place, publish_batch_with, 100 at a time, then 3", |publisher, number| {
        match number % 100 {
            0 => drop(publisher.publish_batch_with(100, 1024, |_, buffer| buffer[0] = 1)),
            50 => drop(publisher.publish_batch_with(3, 1024, |_, buffer| buffer[0] = 1)),
            _ => {}
        }
    });
    assert_eq!(batches, 0);
    let batches = in_place_on(4_096, "in place, publish_batch_with, 1,000 at a time", |publisher, number| {
        if number % 1_000 == 0 {
            publisher.publish_batch_with(1_000, 1024, |_, buffer| buffer[0] = 1).unwrap();
        }
    });
    assert_eq!(batches, 0);
    let limits = PublisherConfig::default().limit_exceeded(LimitExceeded::Block);
    let (engine, _clock, _publisher, subscription) = single(SLOTS);
    let limited = subscription.topic().publisher_with(limits).unwrap();
    assert_eq!(leased("leased, with limits", &limited, &subscription, 0), 0);
    drop(engine);

    let (_engine, _clock, publisher, subscription) = single(SLOTS);
    assert_eq!(leased("leased, acked at once", &publisher, &subscription, 0), 0);
    assert_eq!(leased("leased, 100 in hand", &publisher, &subscription, 100), 0);
    // More than the ring has slots, which are used again while the deliveries still hold their buffers.
    assert_eq!(leased("leased, 800 in hand", &publisher, &subscription, 800), 0);
    assert_eq!(acked_together("leased, acked together", &publisher, &subscription), 0);
    common::assert_balanced(&subscription);

    for first in [message(42), Message::new(vec![42; 5_000])] {
        let (_engine, _clock, publisher, subscription) = single(SLOTS);
        publisher.publish(first.clone()).unwrap();
        let for_ever = subscription.recv().unwrap();
        assert_eq!(leased("leased, and one message never acked", &publisher, &subscription, 0), 0);
        assert_eq!((for_ever.data(), subscription.stats().outstanding), (&first.data()[..], 1));
        for_ever.ack().unwrap();
    }
    let copied = in_place("in place, publish, small Bytes", |publisher, _| {
        publisher.publish(Message::new(Bytes::from_static(&[7; 512]))).unwrap();
    });
    assert_eq!(copied, 0);
    // Counted, and where they are is known, until their slots are used again.
    let large = Bytes::from(vec![1; 9_000]);
    let counted =
        in_place_on(4_096, "in place, publish, large for the ring, one of ten", |publisher, number| {
            let data = if number % 10 == 0 { large.clone() } else { Bytes::from_static(b"small") };
            publisher.publish(Message::new(data)).unwrap();
        });
    assert_eq!(counted, 0);
    let key = in_place("in place, publish, small Bytes with an ordering key", |publisher, _| {
        publisher.publish(Message::new(Bytes::from_static(&[7; 512])).ordering_key("key")).unwrap();
    });
    assert_eq!(key as u64, MESSAGES, "the key that is given, and goes with the message");

    let enqueued = in_place("in place, enqueue, the caller's Bytes", |publisher, _| {
        drop(publisher.enqueue(Message::new(kept.clone())).unwrap());
    });
    assert!(enqueued as u64 <= MESSAGES / 100, "one a batch at most, for its receipts: {enqueued}");
    let with_key = in_place("in place, publish, the caller's Bytes with an ordering key", |publisher, _| {
        publisher.publish(Message::new(kept.clone()).ordering_key("key")).unwrap();
    });
    assert_eq!(with_key as u64, MESSAGES, "the same");
    let attributes = in_place("in place, publish, small Bytes with two attributes", |publisher, _| {
        let message = Message::new(Bytes::from_static(b"data"));
        publisher.publish(message.attribute("region", "eu").attribute("tier", "gold")).unwrap();
    });
    assert_eq!(
        attributes as u64,
        5 * MESSAGES,
        "the strings that are given, and what the message has them in"
    );

    // Key by key: each message leaves the ring, and its buffer and its key's entry are used again.
    let (_engine, _clock, publisher, first) = single(SLOTS);
    let config = SubscriptionConfig::default().message_ordering();
    let ordered = publisher.topic().create_subscription("ordered", config).unwrap();
    first.detach();
    let in_order = handled(
        "in place, ordered, ten keys",
        &publisher,
        &ordered,
        Dispatcher::run_until_idle,
        |publisher, number| {
            let key =
                ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"][usize::try_from(number % 10).unwrap()];
            publisher.publish(Message::new(Bytes::from_static(b"data")).ordering_key(key)).unwrap();
        },
    );
    let batches = MESSAGES / 100;
    assert!((in_order as u64) < MESSAGES + 2 * batches, "the keys, and a list for each turn: {in_order}");
    common::assert_balanced(&ordered);
}
