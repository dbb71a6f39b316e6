//! Payloads whose owner panics when it is dropped (`Bytes::from_owner`). The engine drops them at many places: under a
//! publish that uses their slot again, at an ack, on expiry, at a close. None of these is to fail for it, or to stop half-way.

use super::common::failing::DEADLINE;
use super::common::{assert_balanced, manual, message, receive_all, single, subscribe, topic};
use bytes::Bytes;
use ringmain::{Close, Dispatcher, Message, PublishError, SubscriptionConfig, TopicConfig, Verdict};
use ringmain_ring::sync::{AtomicUsize, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// Too long to be copied and let go of at once.
const LONG: usize = 600;

/// Counts its drops, and panics at each.
struct Bomb {
    data: Vec<u8>,
    drops: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Bomb {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        // (Without the panic hook, which would fill the test's output.)
        resume_unwind(Box::new("the owner of a payload"));
    }
}

/// Makes bombs, and knows how many went off.
#[derive(Default)]
struct Bombs(Arc<AtomicUsize>);

impl Bombs {
    fn message(&self, len: usize) -> Message {
        let bomb = Bomb { data: vec![1; len], drops: Arc::clone(&self.0) };
        Message::new(Bytes::from_owner(bomb))
    }

    fn dropped(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn the_bombs_do_go_off() {
    let bombs = Bombs::default();
    catch_unwind(AssertUnwindSafe(|| drop(bombs.message(1)))).expect_err("it panics");
    assert_eq!(bombs.dropped(), 1);
}

/// Small ones, and large ones that the ring's budget counts: were one not counted out, the budget would run dry.
#[test]
fn who_uses_the_slot_again_publishes_all_the_same() {
    let (engine, _clock) = manual();
    let config = TopicConfig::default().ring_slots(4).ring_bytes(40_000);
    let topic = engine.create_topic("topic", config).expect("a new topic");
    let (publisher, subscription) = (topic.publisher(), subscribe(&topic, "sub"));
    let bombs = Bombs::default();
    for round in 0..60 {
        let len = [LONG, 7_000, 13_000][round % 3];
        match round % 4 {
            0 => _ = publisher.publish(bombs.message(len)).expect("there is room"),
            1 => _ = publisher.try_publish(bombs.message(len)).expect("there is room"),
            2 => drop(publisher.publish_batch([bombs.message(len)]).expect("there is room")),
            _ => _ = publisher.enqueue(bombs.message(len)).expect("there is room").wait().expect("it goes"),
        }
        assert_eq!(subscription.recv().expect("not closed").data().len(), len);
        // (Dropped, it was nacked: it comes again.)
        subscription.recv().expect("not closed").ack().expect("in time");
    }
    assert!(bombs.dropped() > 50, "{}", bombs.dropped());
    assert!(topic.trim() > 0, "the last of them");
    assert_eq!(bombs.dropped(), 60);
    assert_balanced(&subscription);
}

#[test]
fn leases_expire_and_dead_letters_go_on_behind_one() {
    let (engine, clock) = manual();
    let (topic, letters) = (topic(&engine, 2), engine.create_topic("letters", Default::default()));
    let config = SubscriptionConfig::default().dead_letter(&letters.expect("a new topic"), 5);
    let subscription = topic.create_subscription("sub", config).expect("a new subscription");
    let bombs = Bombs::default();
    topic.publisher().publish(bombs.message(LONG)).expect("room");
    let first = subscription.recv().expect("not closed").into_ack_id();
    // Its slots are used again: the lease has the last of it.
    (0..4).for_each(|number| {
        topic.publisher().publish(message(number)).expect("room");
        let _id = subscription.recv().expect("not closed").into_ack_id();
    });
    assert_eq!((subscription.stats().outstanding, bombs.dropped()), (5, 0));
    for _ in 0..5 {
        clock.advance(DEADLINE);
        engine.tick();
        assert_eq!(subscription.stats().outstanding, 0, "all have expired");
        for delivery in subscription.pull(9).expect("not closed") {
            let _id = delivery.into_ack_id();
        }
    }
    subscription.ack(first).expect_err("long ago");
    assert_eq!((subscription.stats().dead_lettered, bombs.dropped()), (5, 1));
    assert_balanced(&subscription);
}

#[test]
fn an_ack_a_handler_a_detach_and_a_close_are_done_with_several() {
    for how in 0..5 {
        let (engine, _clock, publisher, subscription) = single(4);
        let other = subscribe(&publisher.topic(), "other");
        let bombs = Bombs::default();
        (0..3).for_each(|_| _ = publisher.publish(bombs.message(LONG)).expect("room"));
        let deliveries = subscription.pull(2).expect("not closed");
        assert_eq!(receive_all_sizes(&other), [LONG; 3]);
        let mut deliveries = Some(deliveries);
        let mut take = || deliveries.take().into_iter().flatten();
        match how {
            0 => take().for_each(|delivery| delivery.ack().expect("in time")),
            1 => {
                take().for_each(drop);
                assert_eq!(Dispatcher::new().add(&subscription, |_| Verdict::Ack).run_until_idle(), 3);
            }
            2 => subscription.detach(),
            3 => _ = engine.close(Close::Now),
            _ => engine.delete_topic("topic").expect("there"),
        }
        assert_balanced(&subscription);
        drop((engine, publisher, subscription, other, deliveries));
        assert_eq!(bombs.dropped(), 3, "each once, after {how}");
    }
}

#[test]
fn what_was_staged_and_is_refused_at_a_close_is_refused_to_the_last() {
    let (engine, _clock, publisher, subscription) = single(4);
    let bombs = Bombs::default();
    // The ring is full, and its consumer busy: what is enqueued is staged, and stays so.
    (0..4).for_each(|number| _ = publisher.publish(message(number)).expect("room"));
    subscription.recv().expect("not closed").ack().expect("in time");
    publisher.publish(message(4)).expect("room");
    let receipt = publisher.enqueue(bombs.message(LONG).ordering_key("key")).expect("staged");
    assert!(!receipt.is_ready());
    engine.close(Close::Now);
    assert_eq!(bombs.dropped(), 1);
    assert!(matches!(receipt.wait(), Err(PublishError::Closed(()))), "and its receipt knows");
    assert!(publisher.resume_publishing("key"), "a failure as any other");
    assert_balanced(&subscription);
}

fn receive_all_sizes(subscription: &ringmain::Subscription) -> Vec<usize> {
    let mut sizes = Vec::new();
    while let Ok(Some(delivery)) = subscription.try_recv() {
        sizes.push(delivery.data().len());
        delivery.ack().expect("in time");
    }
    sizes
}

/// What comes back in an error is the caller's again, and so is its panic.
#[test]
fn what_is_refused_comes_back_whole() {
    let (_engine, _clock, publisher, subscription) = single(1);
    let bombs = Bombs::default();
    publisher.publish(message(1)).expect("room");
    let back = publisher.try_publish(bombs.message(LONG)).expect_err("full").into_message();
    assert_eq!((back.data().len(), bombs.dropped()), (LONG, 0));
    catch_unwind(AssertUnwindSafe(|| drop(back))).expect_err("it panics");
    assert_eq!(bombs.dropped(), 1);
    assert_eq!(receive_all(&subscription), [1]);
}
