//! What is forgotten (`mem::forget`) and so never ends by itself: memory stays sound, and what has a deadline comes back.
#![expect(clippy::mem_forget, reason = "as a careless user might")]

use super::common::failing::DEADLINE;
use super::common::{assert_balanced, message, number, receive_all, single};
use ringmain::{Dispatcher, Verdict};
use std::mem::forget;

#[test]
fn a_forgotten_delivery_comes_again_after_its_deadline() {
    let (engine, clock, publisher, subscription) = single(4);
    publisher.publish(message(1)).expect("room");
    forget(subscription.recv());
    assert!(subscription.try_recv().expect("not closed").is_none());
    // It holds no slot: several laps go by.
    for number in 2..20 {
        publisher.try_publish(message(number)).expect("room");
        assert_eq!(receive_all(&subscription), [number]);
    }
    clock.advance(DEADLINE);
    engine.tick();
    let again = subscription.recv().expect("not closed");
    assert_eq!((number(again.data()), again.delivery_attempt()), (1, 2));
    again.ack().expect("in time");
    assert_balanced(&subscription);
}

/// With expiry at the limit of what may be outstanding: the credit of what was forgotten comes back.
#[test]
fn forgotten_deliveries_give_their_credit_back_when_they_expire() {
    let (engine, clock, publisher, subscription) = single(4096);
    for round in 0..3 {
        for number in 0..1_001 {
            publisher.publish(message(number)).expect("room");
        }
        let taken = subscription.pull(9_999).expect("not closed");
        assert_eq!(taken.len(), 1_000, "in round {round}");
        forget(taken);
        assert!(subscription.pull(1).expect("not closed").is_empty());
        clock.advance(DEADLINE);
        engine.tick();
        assert_eq!(subscription.stats().outstanding, 0);
        assert_eq!(receive_all(&subscription).len(), 1_001);
    }
    assert_balanced(&subscription);
}

#[test]
fn a_forgotten_dispatcher_holds_nobody_up_once_its_subscription_is_detached() {
    let (engine, _clock, publisher, subscription) = single(4);
    let mut dispatcher = Dispatcher::new().add(&subscription, |_| Verdict::Ack);
    publisher.publish(message(1)).expect("room");
    assert_eq!(dispatcher.poll(), 1);
    forget(dispatcher);
    (0..4).for_each(|number| _ = publisher.try_publish(message(number)).expect("room"));
    publisher.try_publish(message(5)).expect_err("nobody reads");
    // Whoever is left can still read in its place,
    assert_eq!(receive_all(&subscription).len(), 4);
    (0..4).for_each(|number| _ = publisher.try_publish(message(number)).expect("room"));
    // or give it up.
    engine.delete_subscription("sub").expect("there");
    (0..9).for_each(|number| _ = publisher.try_publish(message(number)).expect("nobody is waited for"));
    assert_balanced(&subscription);
}

#[test]
fn forgotten_receipts_publishers_and_iterators_hold_nothing_up() {
    let (engine, _clock, publisher, subscription) = single(4);
    for number in 0..20 {
        forget(publisher.enqueue(message(number)).expect("room"));
        forget(publisher.clone());
        forget(publisher.publish_async(message(99)));
        assert_eq!(receive_all(&subscription), [number]);
    }
    forget(publisher);
    forget(engine.clone());
    let left = engine.close(ringmain::Close::Now);
    assert_eq!((left.unread, left.unacked), (0, 0));
    assert_balanced(&subscription);
}
