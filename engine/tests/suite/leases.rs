//! Leases: ack, nack, deadlines, redelivery, credit; on a clock that moves by hand.

use crate::common::failing::of;
use crate::common::{assert_balanced, message, receive_all, single, until};
use ringmain::{AckError, Delivery, Engine, RecvError, SubscriptionConfig, TopicConfig};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(1);

#[test]
fn an_acked_message_never_comes_again() {
    let (engine, clock, publisher, subscription) = single(8);
    publisher.publish(message(1)).unwrap();
    subscription.recv().unwrap().ack().unwrap();
    clock.advance(DEADLINE * 2);
    engine.tick();
    assert!(subscription.try_recv().unwrap().is_none());
    assert_balanced(&subscription);
}

#[test]
fn a_nacked_a_dropped_and_an_expired_message_come_again_and_count_attempts() {
    let (_engine, clock, publisher, subscription) = single(8);
    publisher.publish(message(1)).unwrap();
    subscription.recv().unwrap().nack().unwrap();
    let second = subscription.recv().unwrap();
    assert_eq!(of(&second), (1, 2));
    drop(second);
    let third = subscription.recv().unwrap();
    assert_eq!(of(&third), (1, 3));
    clock.advance(DEADLINE);
    let fourth = subscription.recv().unwrap();
    assert_eq!(of(&fourth), (1, 4));
    assert_eq!(third.ack(), Err(AckError::Expired));
    fourth.ack().unwrap();
    let stats = subscription.stats();
    assert_eq!((stats.delivered, stats.redelivered, stats.nacked, stats.expired), (4, 3, 2, 1));
    assert_balanced(&subscription);
}

#[test]
fn lateness_is_judged_by_the_clock_whether_or_not_anybody_has_expired_the_lease() {
    let (engine, clock, publisher, subscription) = single(8);
    for number in 0..2 {
        publisher.publish(message(number)).unwrap();
    }
    let (early, late) = (subscription.recv().unwrap(), subscription.recv().unwrap());
    clock.advance(DEADLINE - MOMENT);
    engine.tick();
    early.ack().unwrap();
    clock.advance(MOMENT);
    assert_eq!(late.modify_ack_deadline(DEADLINE), Err(AckError::Expired));
    assert_eq!(late.nack(), Err(AckError::Expired));
    assert_eq!(subscription.stats().outstanding, 1, "nobody has looked yet");
    engine.tick();
    assert_eq!((subscription.stats().outstanding, subscription.stats().held), (0, 1));
    assert_eq!(of(&subscription.recv().unwrap()), (1, 2));
}

#[test]
fn an_ack_id_works_from_anywhere_and_only_for_its_own_delivery() {
    let (_engine, clock, publisher, subscription) = single(8);
    publisher.publish(message(1)).unwrap();
    let first = subscription.recv().unwrap();
    let (stale, elsewhere) = (first.ack_id(), subscription.clone());
    first.nack().unwrap();
    assert_eq!(subscription.ack(stale), Err(AckError::Expired), "the first of ack and nack wins");
    let second = subscription.recv().unwrap().into_ack_id();
    assert_eq!(subscription.ack(stale), Err(AckError::Expired), "the id of an earlier delivery");
    assert_eq!(subscription.nack(stale), Err(AckError::Expired));
    assert_eq!(subscription.modify_ack_deadline(stale, DEADLINE), Err(AckError::Expired));
    thread::spawn(move || elsewhere.ack(second)).join().unwrap().unwrap();
    assert_eq!(subscription.ack(second), Err(AckError::Expired), "a repeat says so");
    clock.advance(DEADLINE);
    assert!(subscription.try_recv().unwrap().is_none());
}

#[test]
fn modify_ack_deadline_extends_shortens_and_nacks() {
    let (engine, clock, publisher, subscription) = single(8);
    for number in 0..3 {
        publisher.publish(message(number)).unwrap();
    }
    let [longer, shorter, zero] = [(); 3].map(|()| subscription.recv().unwrap());
    clock.advance(DEADLINE / 2);
    longer.modify_ack_deadline(DEADLINE * 2).unwrap(); // counts from now
    shorter.modify_ack_deadline(Duration::from_secs(1)).unwrap();
    zero.modify_ack_deadline(Duration::ZERO).unwrap();
    assert_eq!(of(&subscription.try_recv().unwrap().unwrap()), (2, 2));
    assert_eq!(zero.ack(), Err(AckError::Expired));
    clock.advance(Duration::from_secs(1));
    engine.tick();
    assert_eq!(shorter.ack(), Err(AckError::Expired));
    clock.advance(DEADLINE * 2 - Duration::from_secs(1) - MOMENT);
    engine.tick();
    longer.modify_ack_deadline(Duration::from_secs(600)).unwrap(); // as long as allowed
    clock.advance(Duration::from_secs(600) - MOMENT);
    engine.tick();
    longer.ack().unwrap();
    assert_balanced(&subscription);
}

#[test]
fn what_came_back_goes_first_and_each_at_most_once_before_the_rings_turn() {
    let (_engine, _clock, publisher, subscription) = single(64);
    for number in 0..20 {
        publisher.publish(message(number)).unwrap();
    }
    // Nack everything there is, one by one.
    let story: Vec<_> = (0..10)
        .map(|_| {
            let delivery = subscription.try_recv().unwrap().unwrap();
            let told = of(&delivery);
            delivery.nack().unwrap();
            told
        })
        .collect();
    let expected = [(0, 1), (0, 2), (1, 1), (0, 3), (1, 2), (2, 1), (0, 4), (1, 3), (2, 2), (3, 1)];
    assert_eq!(story, expected);
    // In bulk: all that came back, then the ring.
    let bulk: Vec<_> = subscription.pull(6).unwrap().iter().map(of).collect();
    assert_eq!(bulk, [(0, 5), (1, 4), (2, 3), (3, 2), (4, 1), (5, 1)]);
}

#[test]
fn a_consumer_that_always_nacks_does_not_starve_the_ring_and_publishers_go_on() {
    let (_engine, _clock, publisher, subscription) = single(4);
    let mut highest = 0;
    for round in 0..200 {
        while publisher.try_publish(message(round)).is_ok() {}
        let delivery = subscription.recv().unwrap();
        highest = highest.max(of(&delivery).0);
    }
    assert!(highest > 10, "the ring moved on to {highest}");
    let last = subscription.stats();
    assert!(last.held > 5, "{last:?}");
    assert_balanced(&subscription);
}

#[test]
fn what_came_back_is_there_for_a_try_recv_on_an_empty_ring() {
    let (_engine, _clock, publisher, subscription) = single(4);
    publisher.publish(message(1)).unwrap();
    for attempt in 1..20 {
        let delivery = subscription.try_recv().unwrap().expect("it came back");
        assert_eq!(of(&delivery), (1, attempt));
    }
}

#[test]
fn deliveries_are_acked_on_another_thread_in_any_order() {
    let (_engine, clock, publisher, subscription) = single(1024);
    let (sender, receiver) = mpsc::channel::<Delivery>();
    let acker = thread::spawn(move || {
        let mut waiting: Vec<_> = receiver.iter().collect();
        while let Some(last) = waiting.pop() {
            last.ack().unwrap();
            if !waiting.is_empty() {
                waiting.swap_remove(0).ack().unwrap();
            }
        }
    });
    for number in 0..1000 {
        publisher.publish(message(number)).unwrap();
        sender.send(subscription.recv().unwrap()).unwrap();
    }
    drop(sender);
    acker.join().unwrap();
    clock.advance(DEADLINE);
    assert!(subscription.try_recv().unwrap().is_none());
    assert_eq!(subscription.stats().acked, 1000);
    assert_balanced(&subscription);
}

#[test]
fn at_the_outstanding_limit_nothing_is_delivered_until_credit_comes_back() {
    let (_engine, clock, publisher, other) = single(64);
    let config = SubscriptionConfig::default().max_outstanding_messages(3);
    let subscription = other.topic().create_subscription("limited", config).unwrap();
    for number in 0..10 {
        publisher.publish(message(number)).unwrap();
    }
    let mut deliveries = subscription.pull(100).unwrap();
    assert_eq!(deliveries.len(), 3);
    assert!(subscription.try_recv().unwrap().is_none());
    assert_eq!(subscription.recv_timeout(MOMENT).unwrap_err(), RecvError::Timeout);
    deliveries.pop().unwrap().ack().unwrap();
    let one = subscription.pull(100).unwrap();
    assert_eq!(one.len(), 1);
    one.into_iter().next().unwrap().nack().unwrap();
    assert_eq!(subscription.pull(100).unwrap().iter().map(of).collect::<Vec<_>>(), [(3, 2)]);
    clock.advance(DEADLINE);
    assert_eq!(subscription.pull(100).unwrap().len(), 3);
    assert!(deliveries.into_iter().all(|delivery| delivery.ack().is_err()));
    assert_balanced(&subscription);
}

#[test]
fn consumers_at_the_same_time_do_not_exceed_the_limit_together() {
    let (_engine, _clock, publisher, other) = single(4096);
    let config = SubscriptionConfig::default().max_outstanding_messages(100);
    let subscription = other.topic().create_subscription("limited", config).unwrap();
    for round in 0..50 {
        for number in 0..64 {
            publisher.publish(message(number)).unwrap();
        }
        let pulled: Vec<_> = thread::scope(|scope| {
            let pullers: Vec<_> = (0..3).map(|_| scope.spawn(|| subscription.pull(100).unwrap())).collect();
            pullers.into_iter().flat_map(|puller| puller.join().unwrap()).collect()
        });
        assert!(pulled.len() <= 100, "{} in round {round}", pulled.len());
        assert_eq!(subscription.stats().outstanding, pulled.len() as u64);
        pulled.into_iter().for_each(|delivery| delivery.ack().unwrap());
    }
}

#[test]
fn a_consumer_asleep_for_want_of_credit_wakes_when_it_comes_back() {
    let (_engine, _clock, publisher, other) = single(64);
    let config = SubscriptionConfig::default().max_outstanding_messages(1);
    let subscription = other.topic().create_subscription("limited", config).unwrap();
    publisher.publish(message(1)).unwrap();
    publisher.publish(message(2)).unwrap();
    let first = subscription.recv().unwrap();
    thread::scope(|scope| {
        let second = scope.spawn(|| of(&subscription.recv().unwrap()));
        first.ack().unwrap();
        assert_eq!(second.join().unwrap(), (2, 1));
    });
}

#[test]
fn recv_timeout_is_over_in_time_also_on_a_deleted_topic_with_leases_out() {
    let (engine, _clock, publisher, subscription) = single(8);
    assert_eq!(subscription.recv_timeout(MOMENT).unwrap_err(), RecvError::Timeout);
    publisher.publish(message(1)).unwrap();
    let delivery = subscription.recv_timeout(Duration::MAX).unwrap();
    engine.delete_topic("topic").unwrap();
    assert_eq!(subscription.recv_timeout(MOMENT).unwrap_err(), RecvError::Timeout);
    thread::scope(|scope| {
        let waits = scope.spawn(|| subscription.recv().map(|again| of(&again)));
        delivery.nack().unwrap();
        assert_eq!(waits.join().unwrap(), Ok((1, 2)));
    });
    assert_eq!(receive_all(&subscription), [1]);
    assert_eq!(subscription.recv().unwrap_err(), RecvError::Closed);
}

#[test]
fn a_sleeping_consumer_is_woken_by_a_tick_that_expires() {
    let (engine, clock, publisher, subscription) = single(8);
    publisher.publish(message(1)).unwrap();
    let lost = subscription.recv().unwrap();
    thread::scope(|scope| {
        let again = scope.spawn(|| of(&subscription.recv().unwrap()));
        clock.advance(DEADLINE);
        engine.tick();
        assert_eq!(again.join().unwrap(), (1, 2));
    });
    assert!(lost.ack().is_err());
}

/// The real thread and the real clock: a deadline is at least 10 s by configuration, but may be shortened afterwards.
#[test]
fn housekeeping_expires_a_lease_that_nobody_polls_for() {
    let engine = Engine::new();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(8)).unwrap();
    let subscription = crate::common::subscribe(&topic, "sub");
    topic.publisher().publish(message(1)).unwrap();
    let first = subscription.recv().unwrap();
    first.modify_ack_deadline(Duration::from_millis(5)).unwrap();
    until(|| subscription.stats().expired == 1);
    assert!(first.ack().is_err());
    // And again, with the thread asleep until a later deadline.
    let second = subscription.recv().unwrap();
    second.modify_ack_deadline(Duration::from_millis(5)).unwrap();
    until(|| subscription.stats().held == 1);
    assert_eq!(subscription.recv().unwrap().delivery_attempt(), 3);
}

#[test]
fn what_is_held_is_bounded_and_then_the_ring_fills_up() {
    let (_engine, _clock, publisher, other) = single(8);
    other.detach();
    let config = SubscriptionConfig::default().max_held_messages(5);
    let subscription = other.topic().create_subscription("bounded", config).unwrap();
    let mut published = 0;
    for _ in 0..100 {
        while publisher.try_publish(message(0)).is_ok() {
            published += 1;
        }
        drop(subscription.pull(1).unwrap());
    }
    assert_eq!((subscription.stats().held, published), (5, 13));
    assert_balanced(&subscription);
}
