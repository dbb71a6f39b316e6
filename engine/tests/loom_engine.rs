//! The engine's own orderings, every schedule: the batcher's hand-over, receipts, deadlines, the end,
//! credit, padding.
#![cfg(all(ringmain_loom, ringmain_twins))]

#[path = "../../ring/tests/models/mod.rs"]
mod models;

use loom::thread::spawn;
use ringmain::{
    Engine, LimitExceeded, ManualClock, Message, Publisher, PublisherConfig, PublisherStats, RecvError,
    Subscription, SubscriptionConfig, TopicConfig, WaitStrategy,
};
use ringmain_ring::sync::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// One topic of four slots, so that two messages make a batch, one publisher, one subscription.
fn small(wait: WaitStrategy) -> (Engine, ManualClock, Arc<Publisher>, Subscription) {
    let clock = ManualClock::new();
    let engine = Engine::builder().clock(clock.clock()).build();
    let config = TopicConfig::default().ring_slots(4).wait(wait);
    let topic = engine.create_topic("topic", config).expect("new");
    let subscription = topic.create_subscription("sub", SubscriptionConfig::default()).expect("new");
    let publisher = Arc::new(topic.publisher());
    // Opens the lane here: the model checker does not know how `arc_swap` hands it over.
    drop(publisher.enqueue(Message::new("0")).expect("room for one"));
    assert_eq!(receive(&subscription), b'0');
    (engine, clock, publisher, subscription)
}

fn one_outstanding() -> PublisherConfig {
    PublisherConfig::default().max_outstanding_messages(1).limit_exceeded(LimitExceeded::Block)
}

fn receive(subscription: &Subscription) -> u8 {
    let delivery = subscription.recv().expect("nobody closes it");
    let data = delivery.data()[0];
    delivery.ack().expect("in time");
    data
}

model!(
    /// A message is staged while the consumer runs dry: it fetches it, or is woken. Nobody calls the publisher again.
    batcher_hands_the_tail_over,
    broken by ["enqueue.no_second_look", "lanes.no_last_look", "has_sleepers.no_fence"], {
        let (_engine, _clock, publisher, subscription) = small(WaitStrategy::Park);
        // Somebody has something to read, so that what is enqueued now is staged.
        publisher.publish(Message::new("1")).unwrap();
        assert_eq!(receive(&subscription), b'1');
        let staging = Arc::clone(&publisher);
        let enqueues = spawn(move || drop(staging.enqueue(Message::new("2")).unwrap()));
        assert_eq!(receive(&subscription), b'2');
        enqueues.join().unwrap();
    }
);

model!(
    /// Whoever sees a receipt resolved can read the message.
    receipt_resolves_to_what_is_readable, broken by ["receipt.release", "receipt.acquire"], {
        let (_engine, _clock, publisher, subscription) = small(WaitStrategy::Spin);
        publisher.publish(Message::new("1")).unwrap();
        assert_eq!(receive(&subscription), b'1');
        let receipt = publisher.enqueue(Message::new("2")).unwrap();
        let reader = subscription.clone();
        let reads = spawn(move || {
            if receipt.is_ready() {
                assert!(reader.try_recv().unwrap().is_some(), "it is readable");
            }
        });
        publisher.flush().unwrap();
        reads.join().unwrap();
    }
);

model!(
    /// A lease begins while another thread expires what is due: its deadline is not forgotten.
    lease_against_expiry, broken by ["due.begin.no_fence+due.scan.no_fence"], {
        let (engine, clock, publisher, subscription) = small(WaitStrategy::Park);
        publisher.publish(Message::new("1")).unwrap();
        publisher.publish(Message::new("2")).unwrap();
        std::mem::forget(subscription.recv().unwrap());
        clock.advance(Duration::from_secs(10));
        let other = subscription.clone();
        let leases = spawn(move || std::mem::forget(other.try_recv().unwrap()));
        engine.tick();
        leases.join().unwrap();
        clock.advance(Duration::from_secs(10));
        engine.tick();
        let stats = subscription.stats();
        assert_eq!(stats.outstanding, 0, "{stats:?}, everything has expired by now");
    }
);

model!(
    /// Two consumers, a message, and nothing more to come: neither is told so before it is to be acked, and both are then.
    the_end_is_told_to_all_and_not_too_early, broken by ["end.in_silence", "end.hands_unseen"], {
        let (engine, _clock, publisher, subscription) = small(WaitStrategy::Park);
        publisher.publish(Message::new("1")).unwrap();
        engine.delete_topic("topic").unwrap();
        let decided = Arc::new(AtomicUsize::new(0));
        let to_the_end = |subscription: &Subscription, decided: &AtomicUsize| {
            let error = loop {
                match subscription.recv() {
                    Ok(delivery) => {
                        decided.fetch_add(1, Ordering::Relaxed);
                        delivery.ack().unwrap();
                    }
                    Err(error) => break error,
                }
            };
            assert_eq!(error, RecvError::Closed);
            assert_eq!(decided.load(Ordering::Relaxed), 1, "it is being acked at least");
        };
        let (other, also) = (subscription.clone(), Arc::clone(&decided));
        let ends = spawn(move || to_the_end(&other, &also));
        to_the_end(&subscription, &decided);
        ends.join().unwrap();
    }
);

model!(
    /// A message is nacked while somebody looks for the end: it is on its way back, or there, and this is not the end.
    what_is_just_coming_back_is_not_missed_at_the_end, broken by ["end.coming_unseen", "end.return_unseen"], {
        let (engine, _clock, publisher, subscription) = small(WaitStrategy::Park);
        publisher.publish(Message::new("1")).unwrap();
        let last = subscription.recv().unwrap();
        engine.delete_topic("topic").unwrap();
        let nacks = spawn(move || last.nack().unwrap());
        let again = subscription.try_recv().expect("it comes back");
        nacks.join().unwrap();
        assert_eq!(again.map_or_else(|| receive(&subscription), |again| again.data()[0]), b'1');
    }
);

model!(
    /// A publisher that may have one message outstanding, and two threads: the credit that one gives back is not missed
    /// by the other.
    credit_goes_to_who_waits_for_it, broken by ["flow.unmarked", "flow.no_second_look"], {
        let (_engine, _clock, publisher, _subscription) = small(WaitStrategy::Park);
        let limited = Arc::new(publisher.topic().publisher_with(one_outstanding()).unwrap());
        let other = Arc::clone(&limited);
        let publishes = spawn(move || _ = other.publish(Message::new("1")).unwrap());
        limited.publish(Message::new("2")).unwrap();
        publishes.join().unwrap();
        assert_eq!(limited.stats(), PublisherStats::default());
    }
);

model!(
    /// What is staged holds credit until somebody publishes it: who waits for that credit does, also if it is staged
    /// behind his back.
    who_waits_for_credit_publishes_what_is_staged, broken by ["flow.staged_in_silence"], {
        let (_engine, _clock, publisher, subscription) = small(WaitStrategy::Park);
        let limited = Arc::new(publisher.topic().publisher_with(one_outstanding()).unwrap());
        drop(limited.enqueue(Message::new("1")).unwrap());
        assert_eq!(receive(&subscription), b'1'); // from now on nobody is hungry, and messages are staged
        let staging = Arc::clone(&limited);
        let enqueues = spawn(move || drop(staging.enqueue(Message::new("2")).unwrap()));
        limited.publish(Message::new("3")).unwrap();
        enqueues.join().unwrap();
    }
);

model!(
    /// Slots are used as padding while a reader takes the last message before them: nobody rests in front of them, and
    /// there is room for a whole ring again.
    nobody_rests_before_padding, broken by ["padding.made.no_fence", "padding.moved.no_fence+padding.made.no_fence", "padding.not_passed"], {
        let (_engine, _clock, publisher, subscription) = small(WaitStrategy::Park);
        publisher.publish(Message::new("1")).unwrap();
        let topic = publisher.topic();
        let trims = spawn(move || _ = topic.trim());
        assert_eq!(receive(&subscription), b'1');
        trims.join().unwrap();
        for number in 0..4 {
            assert!(publisher.try_publish(Message::new("2")).is_ok(), "the {number}th of four");
        }
    }
);
