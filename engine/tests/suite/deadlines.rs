//! Deadlines to their limits, and who wins: what tests/leases.rs leaves out.

use crate::common::failing::{DEADLINE, of};
use crate::common::{assert_balanced, manual, message, receive_all, single, subscribe, topic};
use ringmain::{AckError, Engine, Error, SubscriptionConfig};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(1);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_ack_deadline_is_the_subscriptions_own() {
    let (engine, clock) = manual();
    let topic = topic(&engine, 8);
    for limit in [1, 10, 600] {
        let config = SubscriptionConfig::default().ack_deadline(seconds(limit));
        let subscription = topic.create_subscription("sub", config).unwrap();
        topic.publisher().publish(message(0)).unwrap();
        topic.publisher().publish(message(1)).unwrap();
        let [first, second] = [(); 2].map(|()| subscription.recv().unwrap());
        clock.advance(seconds(limit) - MOMENT);
        engine.tick();
        assert!(subscription.try_recv().unwrap().is_none());
        first.ack().unwrap();
        clock.advance(MOMENT);
        assert_eq!(of(&subscription.recv().unwrap()), (1, 2));
        assert_eq!(second.nack(), Err(AckError::Expired));
        engine.delete_subscription("sub").unwrap();
    }
}

#[test]
fn ack_deadlines_are_10_to_600_s_and_shorter_ones_for_manual_clocks() {
    let (by_hand, _clock) = manual();
    let real = Engine::new();
    let create = |engine: &Engine, deadline| {
        let topic = engine.topic("topic").unwrap_or_else(|| topic(engine, 8));
        let created = topic.create_subscription("sub", SubscriptionConfig::default().ack_deadline(deadline));
        created.inspect(|_| engine.delete_subscription("sub").unwrap()).map(drop)
    };
    let over = seconds(600) + Duration::from_nanos(1);
    let under = seconds(10) - Duration::from_nanos(1);
    for (engine, deadline, value) in
        [(&by_hand, over, "600.000000001s"), (&real, over, "600.000000001s"), (&real, under, "9.999999999s")]
    {
        let error = create(engine, deadline).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
        let error = error.to_string();
        assert!(["ack_deadline", "10 to 600 s", value].iter().all(|part| error.contains(part)), "{error}");
    }
    for (engine, deadline) in
        [(&by_hand, Duration::ZERO), (&by_hand, MOMENT), (&real, seconds(10)), (&real, seconds(600))]
    {
        create(engine, deadline).unwrap();
    }
}

#[test]
fn a_deadline_is_moved_by_600_s_at_most_and_again_and_again() {
    let (engine, clock, publisher, subscription) = single(8);
    publisher.publish(message(0)).unwrap();
    publisher.publish(message(1)).unwrap();
    let [renewed, left] = [(); 2].map(|()| subscription.recv().unwrap());
    renewed.modify_ack_deadline(seconds(600)).unwrap();
    left.modify_ack_deadline(seconds(600)).unwrap();
    for _ in 0..10 {
        clock.advance(seconds(600) - MOMENT);
        engine.tick();
        renewed.modify_ack_deadline(seconds(600)).unwrap();
    }
    assert_eq!(of(&subscription.recv().unwrap()), (1, 2));
    assert_eq!(left.modify_ack_deadline(seconds(600)), Err(AckError::Expired));
    assert_eq!(left.ack(), Err(AckError::Expired), "which nothing brings back");
    renewed.ack().unwrap();
}

#[test]
fn a_deadline_beyond_600_s_is_refused_and_changes_nothing() {
    for longer in [seconds(600) + MOMENT, seconds(601), Duration::MAX] {
        let (_engine, clock, publisher, subscription) = single(8);
        publisher.publish(message(0)).unwrap();
        let delivery = subscription.recv().unwrap();
        let refused = [
            delivery.modify_ack_deadline(longer),
            subscription.modify_ack_deadline(delivery.ack_id(), longer),
        ];
        assert_eq!(refused, [Err(AckError::DeadlineTooLong(longer)); 2]);
        let says = refused[0].unwrap_err().to_string();
        assert!(says.contains("600 s") && says.contains(&format!("{longer:?}")), "{says}");
        clock.advance(seconds(10) - MOMENT);
        delivery.modify_ack_deadline(seconds(600)).unwrap(); // as long as allowed
        clock.advance(seconds(600));
        assert_eq!(delivery.ack(), Err(AckError::Expired));
    }
}

/// Time is the engine's: whatever the machine's clocks do meanwhile.
#[test]
fn nothing_expires_while_the_engines_clock_stands() {
    let (engine, clock) = manual();
    let config = SubscriptionConfig::default().ack_deadline(MOMENT);
    let subscription = topic(&engine, 8).create_subscription("sub", config).unwrap();
    subscription.topic().publisher().publish(message(0)).unwrap();
    let delivery = subscription.recv().unwrap();
    assert!(crate::common::for_a_while(|| {
        engine.tick();
        subscription.try_recv().unwrap().is_none()
    }));
    let before = delivery.publish_time();
    delivery.ack().unwrap();
    clock.advance(seconds(1));
    subscription.topic().publisher().publish(message(1)).unwrap();
    assert_eq!(subscription.recv().unwrap().publish_time().duration_since(before).unwrap(), seconds(1));
}

#[test]
fn of_ack_nack_and_expiry_at_the_same_time_one_wins() {
    const ROUNDS: u64 = 300;
    let (engine, clock, publisher, subscription) = single(8);
    let barrier = Barrier::new(3);
    let mut acked = 0;
    for round in 0..ROUNDS {
        publisher.publish(message(round)).unwrap();
        let id = subscription.recv().unwrap().into_ack_id();
        let (acks, nacks) = thread::scope(|scope| {
            let acks = scope.spawn(|| {
                barrier.wait();
                subscription.ack(id)
            });
            let nacks = scope.spawn(|| {
                barrier.wait();
                subscription.nack(id)
            });
            barrier.wait();
            if round % 3 == 0 {
                clock.advance(DEADLINE);
                engine.tick();
            }
            (acks.join().unwrap(), nacks.join().unwrap())
        });
        assert!(acks.is_err() || nacks.is_err());
        assert!(acks.is_ok() || nacks.is_ok() || round % 3 == 0);
        acked += u64::from(acks.is_ok());
        let again = receive_all(&subscription);
        assert_eq!(again, if acks.is_ok() { vec![] } else { vec![round] }, "redelivered unless acked");
        let stats = subscription.stats();
        assert_eq!((stats.acked, stats.outstanding, stats.outstanding_bytes), (round + 1, 0, 0));
    }
    let stats = subscription.stats();
    assert_eq!(stats.nacked + stats.expired + acked, ROUNDS);
    assert_balanced(&subscription);
}

#[test]
fn an_ack_id_means_nothing_to_another_subscription() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 8);
    let [one, other] = ["one", "other"].map(|name| subscribe(&topic, name));
    topic.publisher().publish(message(0)).unwrap();
    let [id, others] = [&one, &other].map(|subscription| subscription.recv().unwrap().into_ack_id());
    assert_ne!(id, others);
    assert_eq!(other.ack(id), Err(AckError::Expired), "it stands for a delivery of another subscription");
    assert_eq!(other.nack(id), Err(AckError::Expired));
    assert_eq!(other.modify_ack_deadline(id, DEADLINE), Err(AckError::Expired));
    other.ack(others).unwrap();
    one.ack(id).unwrap();
}
