//! Lease extension: a live delivery keeps its lease up to `max_lease`, and only as long as it lives.

#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::failing::{DEADLINE, of};
use crate::common::{assert_balanced, manual, message, subscribe, topic};
use ringmain::{AckError, Engine, ManualClock, Publisher, Subscription, SubscriptionConfig};
use std::thread;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const MOMENT: Duration = Duration::from_millis(1);

fn config() -> SubscriptionConfig {
    SubscriptionConfig::default()
}

/// One topic, one publisher, one subscription whose leases are kept for an hour; three messages.
fn three() -> (Engine, ManualClock, Publisher, Subscription) {
    let (engine, clock) = manual();
    let topic = topic(&engine, 64);
    let subscription = topic.create_subscription("sub", config().max_lease(HOUR)).unwrap();
    let publisher = topic.publisher();
    (0..3).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    (engine, clock, publisher, subscription)
}

#[test]
fn a_live_delivery_outlives_the_ack_deadline_and_is_acked_up_to_max_lease() {
    let (engine, clock, _publisher, subscription) = three();
    let [first, second, third] = [(); 3].map(|()| subscription.recv().unwrap());
    for _ in 0..359 {
        clock.advance(DEADLINE);
        engine.tick();
        assert!(subscription.try_recv().unwrap().is_none(), "no redelivery while the lease is live");
    }
    clock.advance(DEADLINE - MOMENT);
    assert_eq!(subscription.stats().expired, 0);
    first.ack().unwrap();
    second.nack().unwrap();
    assert_eq!(of(&subscription.recv().unwrap()), (1, 2));
    clock.advance(MOMENT);
    assert_eq!(third.ack(), Err(AckError::Expired), "at max_lease it is over, and nobody need have looked");
    engine.tick();
    assert_eq!(subscription.stats().expired, 1);
    let mut again: Vec<_> = subscription.pull(9).unwrap().iter().map(of).collect();
    again.sort_unstable();
    assert_eq!(again, [(1, 3), (2, 2)]);
    assert_balanced(&subscription);
}

#[test]
fn each_delivery_has_its_own_hour_a_redelivery_too() {
    let (engine, clock, publisher, subscription) = three();
    drop(subscription.recv().unwrap());
    clock.advance(HOUR / 2);
    let again = subscription.recv().unwrap();
    assert_eq!(of(&again), (0, 2));
    let [second, third] = [(); 2].map(|()| subscription.recv().unwrap());
    clock.advance(HOUR / 4);
    publisher.publish(message(3)).unwrap();
    let fourth = subscription.recv().unwrap();
    clock.advance(HOUR * 3 / 4 - MOMENT);
    engine.tick();
    again.ack().unwrap();
    clock.advance(MOMENT);
    for late in [second, third] {
        assert_eq!(late.ack(), Err(AckError::Expired));
    }
    fourth.ack().unwrap();
    assert_balanced(&subscription);
}

#[test]
fn a_delivery_that_is_dropped_is_nacked_at_once() {
    let (_engine, _clock, _publisher, subscription) = three();
    let delivery = subscription.recv().unwrap();
    thread::scope(|scope| scope.spawn(|| drop(delivery)).join()).unwrap();
    assert_eq!((subscription.stats().nacked, subscription.stats().outstanding), (1, 0));
    assert_eq!(of(&subscription.recv().unwrap()), (0, 2));
    assert_balanced(&subscription);
}

#[test]
fn an_ack_id_that_is_left_of_a_delivery_has_the_ack_deadline_from_then() {
    let (engine, clock, _publisher, subscription) = three();
    let [first, second, third] = [(); 3].map(|()| subscription.recv().unwrap());
    let while_it_lives = first.ack_id();
    clock.advance(HOUR / 2);
    let [second, third] = [second, third].map(ringmain::Delivery::into_ack_id);
    clock.advance(DEADLINE - MOMENT);
    engine.tick();
    subscription.ack(second).unwrap();
    clock.advance(MOMENT);
    assert_eq!(subscription.ack(third), Err(AckError::Expired));
    assert_eq!(of(&subscription.recv().unwrap()), (2, 2));
    subscription.ack(while_it_lives).unwrap();
    assert_eq!(first.ack(), Err(AckError::Expired), "acked by its id");
    assert_eq!((subscription.stats().acked, subscription.stats().nacked), (2, 1));
    assert_balanced(&subscription);
}

#[test]
fn what_has_expired_does_not_live_again_as_an_ack_id() {
    let (engine, clock, _publisher, subscription) = three();
    let late = subscription.recv().unwrap();
    clock.advance(HOUR);
    let late = late.into_ack_id(); // and nobody has noticed yet that it is late
    assert_eq!(subscription.ack(late), Err(AckError::Expired));
    engine.tick();
    assert_eq!(of(&subscription.recv().unwrap()), (0, 2));
    assert_eq!(subscription.ack(late), Err(AckError::Expired));
}

#[test]
fn without_max_lease_an_ack_id_keeps_the_deadline_that_its_delivery_had() {
    let (engine, clock) = manual();
    let subscription = subscribe(&topic(&engine, 8), "sub");
    subscription.topic().publisher().publish(message(0)).unwrap();
    let delivery = subscription.recv().unwrap();
    clock.advance(DEADLINE / 2);
    let id = delivery.into_ack_id();
    clock.advance(DEADLINE / 2);
    assert_eq!(subscription.ack(id), Err(AckError::Expired));
}

#[test]
fn modify_ack_deadline_counts_from_now_with_max_lease_as_without() {
    let (engine, clock, _publisher, subscription) = three();
    let [shorter, zero, longer] = [(); 3].map(|()| subscription.recv().unwrap());
    shorter.modify_ack_deadline(DEADLINE).unwrap();
    zero.modify_ack_deadline(Duration::ZERO).unwrap();
    assert_eq!(zero.ack(), Err(AckError::Expired));
    let zero = subscription.recv().unwrap();
    assert_eq!(of(&zero), (1, 2));
    clock.advance(DEADLINE);
    assert_eq!(shorter.ack(), Err(AckError::Expired));
    engine.tick();
    assert_eq!(of(&subscription.recv().unwrap()), (0, 2));
    clock.advance(HOUR - DEADLINE - MOMENT);
    longer.modify_ack_deadline(DEADLINE).unwrap();
    clock.advance(DEADLINE - MOMENT);
    longer.ack().unwrap();
}

#[test]
fn max_lease_is_the_ack_deadline_to_7_days() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 8);
    let week = Duration::from_secs(7 * 86_400);
    let over = week + Duration::from_nanos(1);
    let under = DEADLINE - Duration::from_nanos(1);
    for (most, value) in [(over, "604800.000000001s"), (under, "9.999999999s"), (Duration::ZERO, "0ns")] {
        let error = topic.create_subscription("sub", config().max_lease(most)).unwrap_err();
        assert!(matches!(error, ringmain::Error::InvalidArgument(_)), "{error:?}");
        let error = error.to_string();
        assert!(
            ["max_lease", "the ack_deadline that is set", "to 7 days", value]
                .iter()
                .all(|part| error.contains(part)),
            "{error}"
        );
    }
    for most in [DEADLINE, week] {
        topic.create_subscription("sub", config().max_lease(most)).unwrap();
        engine.delete_subscription("sub").unwrap();
    }
}

#[test]
fn an_id_that_is_kept_without_any_deadline_expires_at_once_and_is_not_nacked() {
    let (engine, clock) = manual();
    let config = config().max_lease(HOUR).ack_deadline(Duration::ZERO);
    let subscription = topic(&engine, 4).create_subscription("sub", config).unwrap();
    subscription.topic().publisher().publish(message(0)).unwrap();
    let id = subscription.recv().unwrap().into_ack_id();
    clock.advance(MOMENT);
    assert_eq!(subscription.ack(id), Err(AckError::Expired));
    engine.tick();
    let stats = subscription.stats();
    assert_eq!((stats.expired, stats.nacked), (1, 0));
}
