//! What a topic's ring keeps of messages whose sizes are mixed. A process of its own, whose allocations are counted.
#![cfg(not(any(ringmain_loom, ringmain_shuttle, miri)))]

use ringmain::{Dispatcher, Engine, SubscriptionConfig, TopicConfig, Verdict};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MIB: usize = 1 << 20;

/// The buffer of a large message would be counted by nobody, were a small one published in it when it comes back.
#[test]
fn buffers_of_large_messages_do_not_fill_the_ring_with_small_ones_in_them() {
    let engine = Engine::new();
    let config = TopicConfig::default().ring_bytes(4 * MIB);
    let topic = engine.create_topic("topic", config).expect("a new topic");
    let subscription = topic.create_subscription("sub", SubscriptionConfig::default()).expect("a new one");
    let mut dispatcher = Dispatcher::new().add(&subscription, |_| Verdict::Ack);
    let publisher = topic.publisher();
    let (large, small) = (vec![1; 60 << 10], [1; 16]);
    let region = Region::new(ALLOCATOR);
    let mut most = 0;
    for number in 0..30 * 4_096 {
        let data = if number % 200 == 0 { &large[..] } else { &small };
        publisher.publish_slice(data).expect("room");
        if number % 50 == 49 {
            dispatcher.poll();
            let change = region.change();
            most = most.max(change.bytes_allocated.saturating_sub(change.bytes_deallocated));
        }
    }
    // What the ring is allowed, and the publisher's spares: 128 of at most 64 KiB.
    assert!(most < 4 * MIB + 128 * (64 << 10), "{} KiB", most >> 10);
    assert!(most > MIB, "some large ones are on the ring: {} KiB", most >> 10);
}
