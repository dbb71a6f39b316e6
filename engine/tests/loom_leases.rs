//! A lease ends once, whoever ends it, and what was nacked or had expired comes again once: the engine's side of the races
//! that `ring/tests/loom_slab.rs` has for the lease's word alone. And what a close has to do with both.
#![cfg(all(ringmain_loom, ringmain_twins))]

#[path = "../../ring/tests/models/mod.rs"]
mod models;

use loom::thread::spawn;
use ringmain::{
    AckId, Close, Delivery, Engine, ManualClock, Message, PublishError, Publisher, RecvError, Subscription,
    SubscriptionConfig, TopicConfig, WaitStrategy,
};
use std::sync::Arc;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);

/// A topic of four slots, so that two messages make a batch, and one message published.
fn small() -> (Engine, ManualClock, Arc<Publisher>, Subscription) {
    small_that(WaitStrategy::Park, SubscriptionConfig::default())
}

/// As [`small`], by this strategy, and with such a subscription. (Under `Spin` nobody notifies, and so fewer fences hide
/// what the orderings do.)
fn small_that(
    waits: WaitStrategy,
    config: SubscriptionConfig,
) -> (Engine, ManualClock, Arc<Publisher>, Subscription) {
    let clock = ManualClock::new();
    let engine = Engine::builder().clock(clock.clock()).build();
    let topic = TopicConfig::default().ring_slots(4).wait(waits);
    let topic = engine.create_topic("topic", topic).expect("new");
    let subscription = topic.create_subscription("sub", config).expect("new");
    let publisher = Arc::new(topic.publisher());
    publisher.publish(Message::new("1")).expect("room");
    (engine, clock, publisher, subscription)
}

/// Takes the message, to be decided on by its id.
fn leased(subscription: &Subscription) -> AckId {
    subscription.recv().expect("published").into_ack_id()
}

/// How often the message comes again; acks it.
fn comes_again(subscription: &Subscription) -> usize {
    let again = || subscription.try_recv().expect("not closed");
    std::iter::from_fn(again).map(|delivery| delivery.ack().expect("in time")).count()
}

model!(
    /// Acked and nacked at once: one of the two counts, and the message comes again if it was the nack.
    ack_against_nack, broken by ["slab.take.unchecked"], {
        let (_engine, _clock, _publisher, subscription) = small();
        let id = leased(&subscription);
        let other = subscription.clone();
        let nacks = spawn(move || other.nack(id).is_ok());
        let acked = subscription.ack(id).is_ok();
        let nacked = nacks.join().unwrap();
        assert!(acked ^ nacked, "one of the two");
        assert_eq!(comes_again(&subscription), usize::from(nacked));
        assert_eq!(subscription.stats().outstanding, 0);
    }
);

model!(
    /// Two calls that receive at once, and credit for one lease: together they begin one.
    ///
    /// (Of the release, only without the fences that lie on the way: they release as well, where they are full.)
    two_calls_share_the_credit_for_one_lease, broken by [
        "credit.reserve.acquire",
        "credit.leave.release+due.begin.no_fence+padding.moved.no_fence+slab.lower.no_fence",
    ], {
        let config = SubscriptionConfig::default().max_outstanding_messages(1);
        let (_engine, _clock, publisher, subscription) = small_that(WaitStrategy::Spin, config);
        publisher.publish(Message::new("2")).unwrap();
        let other = subscription.clone();
        let receives = spawn(move || other.try_recv().unwrap());
        let mine = subscription.try_recv().unwrap();
        let others = receives.join().unwrap();
        assert_eq!(mine.iter().chain(&others).count(), 1);
    }
);

model!(
    /// Nacked while it expires: it comes again once.
    nack_against_expiry, broken by ["slab.take.unchecked"], {
        let (engine, clock, _publisher, subscription) = small();
        let id = leased(&subscription);
        let ticks = spawn(move || {
            clock.advance(DEADLINE);
            engine.tick();
            engine
        });
        let _either = subscription.nack(id);
        let _engine = ticks.join().unwrap();
        assert_eq!(comes_again(&subscription), 1);
        assert_eq!(subscription.stats().outstanding, 0);
    }
);

model!(
    /// Extended while it is nacked: it comes again once, and nothing is left of the lease.
    extend_against_nack, broken by ["slab.extend.unchecked", "slab.take.unchecked"], {
        let (_engine, _clock, _publisher, subscription) = small();
        let id = leased(&subscription);
        let other = subscription.clone();
        let extends = spawn(move || _ = other.modify_ack_deadline(id, DEADLINE));
        subscription.nack(id).unwrap();
        extends.join().unwrap();
        assert_eq!(comes_again(&subscription), 1);
        assert_eq!(subscription.stats().outstanding, 0);
    }
);

model!(
    /// Acked while the engine is closed: it counts as acked, or as what was left.
    ack_against_close, broken by ["slab.take.unchecked"], {
        let (engine, _clock, _publisher, subscription) = small();
        let id = leased(&subscription);
        let other = subscription.clone();
        let acks = spawn(move || u64::from(other.ack(id).is_ok()));
        let report = engine.close(Close::Now);
        assert_eq!(acks.join().unwrap() + report.unacked, 1);
    }
);

model!(
    /// Nacked while the engine is closed: wherever the message was just then, the report has it.
    nack_against_close, broken by ["slab.take.unchecked"], {
        let (engine, _clock, _publisher, subscription) = small();
        let id = leased(&subscription);
        let other = subscription.clone();
        let nacks = spawn(move || _ = other.nack(id));
        let report = engine.close(Close::Now);
        nacks.join().unwrap();
        assert_eq!(report.unacked, 1);
    }
);

model!(
    /// Received while the engine is closed: acked, or in the report.
    receive_against_close, broken by ["slab.take.unchecked"], {
        let (engine, _clock, _publisher, subscription) = small();
        let other = subscription.clone();
        let receives = spawn(move || match other.recv() {
            Ok(delivery) => u64::from(delivery.ack().is_ok()),
            Err(RecvError::Closed) => 0,
            Err(error) => panic!("{error}"),
        });
        let report = engine.close(Close::Now);
        assert_eq!(receives.join().unwrap() + report.unacked + report.unread, 1);
    }
);

model!(
    /// Received while the engine closes, and never acked: the close counts it.
    receive_for_ever_against_close, broken by ["shut.receiving.acquire"], {
        let (engine, _clock, _publisher, subscription) = small_that(WaitStrategy::Spin, SubscriptionConfig::default());
        let closes = spawn(move || engine.close(Close::Now));
        let _received = subscription.try_recv().map(|delivery| delivery.map(Delivery::into_ack_id));
        let report = closes.join().unwrap();
        assert_eq!(report.unacked + report.unread, 1);
    }
);

model!(
    /// Enqueued while the topic is deleted: what the receipt says is readable is received, and nothing else.
    batcher_against_close, broken by ["multi.seal.forgotten", "data.not_notified"], {
        let (engine, _clock, publisher, subscription) = small();
        // Opens the lane here: the model checker does not know how `arc_swap` hands it over.
        drop(publisher.enqueue(Message::new("1")).unwrap());
        assert_eq!(comes_again(&subscription), 2);
        let enqueues = spawn(move || match publisher.enqueue(Message::new("2")) {
            Ok(receipt) => usize::from(receipt.wait().is_ok()),
            Err(PublishError::Closed(_)) => 0,
            Err(error) => panic!("{error}"),
        });
        engine.delete_topic("topic").unwrap();
        let received = subscription.iter().map(|delivery| delivery.unwrap().ack().unwrap()).count();
        assert_eq!(enqueues.join().unwrap(), received);
    }
);

model!(
    /// A publisher flushes what a consumer that runs dry fetches just now: it is published once.
    batcher_drained_by_two, broken by ["try_lock.open"], {
        let (_engine, _clock, publisher, subscription) = small();
        drop(publisher.enqueue(Message::new("2")).unwrap()); // opens the lane
        assert_eq!(comes_again(&subscription), 2);
        publisher.publish(Message::new("3")).unwrap();
        assert!(subscription.try_recv().unwrap().is_some()); // nobody is hungry: what comes is staged
        drop(publisher.enqueue(Message::new("4")).unwrap());
        let flushing = Arc::clone(&publisher);
        let flushes = spawn(move || flushing.flush().unwrap());
        let mut seen = comes_again(&subscription);
        flushes.join().unwrap();
        seen += comes_again(&subscription);
        assert_eq!(seen, 2, "the one that was dropped, and the one that was staged");
    }
);
