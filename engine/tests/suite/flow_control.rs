//! Subscriber flow control: how much is leased at most, in messages and in bytes; and how much is held. (How those who
//! wait for credit sleep and wake: tests/credit_waits.rs.)
#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::{Random, assert_balanced, for_a_while, message, single_with, soon};
use ringmain::{
    AckError, Delivery, Dispatcher, Engine, ManualClock, Message, Overflow, PublishError, Publisher,
    RecvError, Subscription, SubscriptionConfig, Verdict,
};
use ringmain_ring::sync::{AtomicUsize, Ordering};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);
const ROUNDS: usize = if cfg!(debug_assertions) { 2_000 } else { 20_000 };

fn bytes(most: usize) -> SubscriptionConfig {
    SubscriptionConfig::default().max_outstanding_bytes(most)
}

/// A message of this size.
fn sized(bytes: usize) -> Message {
    Message::new(vec![0; bytes])
}

fn publish(publisher: &Publisher, sizes: &[usize]) {
    sizes.iter().for_each(|size| _ = publisher.publish(sized(*size)).unwrap());
}

/// The ids and sizes of some deliveries.
fn told(deliveries: &[Delivery]) -> Vec<(u64, usize)> {
    deliveries.iter().map(|delivery| (delivery.id().get(), delivery.data().len())).collect()
}

/// Everything that there is credit for.
fn pull(subscription: &Subscription) -> Vec<Delivery> {
    let deliveries = subscription.pull(1_000).unwrap();
    assert_balanced(subscription);
    deliveries
}

fn ack_all(deliveries: Vec<Delivery>) {
    deliveries.into_iter().for_each(|delivery| delivery.ack().unwrap());
}

#[test]
fn a_message_for_which_there_is_no_credit_stays_next() {
    for most in [1_000, 1] {
        let (_engine, _clock, publisher, subscription) = single_with(16, bytes(100));
        publish(&publisher, &[60, 50, 10, 40, 1]);
        let mut out = Vec::new();
        let mut delivered = Vec::new();
        // Nothing overtakes what does not fit: 10 and 1 would have.
        for expected in [vec![(0, 60)], vec![(1, 50), (2, 10), (3, 40)], vec![(4, 1)]] {
            for _ in 0..5 {
                let some = subscription.pull(most).unwrap();
                delivered.extend(told(&some));
                out.extend(some);
            }
            assert_eq!(delivered, expected, "{most} at most");
            let outstanding: usize = delivered.drain(..).map(|(_, size)| size).sum();
            assert_eq!(subscription.stats().outstanding_bytes, outstanding as u64);
            assert_balanced(&subscription);
            ack_all(std::mem::take(&mut out));
        }
        assert_eq!((subscription.stats().acked, subscription.stats().redelivered), (5, 0));
    }
}

/// Also when something that came back waits for the ring's turn to be over.
#[test]
fn a_message_for_which_there_is_no_credit_goes_before_what_came_back() {
    for most in [1, 1_000] {
        let (_engine, _clock, publisher, subscription) = single_with(16, bytes(100));
        publish(&publisher, &[50, 10]);
        let mut first = subscription.pull(1).unwrap();
        // Twice, so that what comes next is from the ring.
        (0..2).for_each(|_| drop(subscription.pull(1).unwrap()));
        publish(&publisher, &[60, 1]);
        assert!(subscription.pull(most).unwrap().is_empty(), "the one of 60 is next, and does not fit");
        assert_eq!(subscription.stats().outstanding, 1);
        first.remove(0).ack().unwrap();
        let mut next = subscription.pull(1).unwrap();
        next.extend(subscription.pull(1).unwrap());
        // What was taken with it is put back with it.
        assert_eq!(told(&next), [(2, 60), if most == 1 { (1, 10) } else { (3, 1) }]);
        assert_balanced(&subscription);
    }
}

#[test]
fn sizes_are_data_and_attributes() {
    let (_engine, _clock, publisher, subscription) = single_with(16, bytes(30));
    let attributed = || sized(10).attribute("abc", "de").attribute("f", "").ordering_key("no part of it");
    (0..3).for_each(|_| _ = publisher.publish(attributed()).unwrap());
    let out = pull(&subscription);
    assert_eq!((out.len(), subscription.stats().outstanding_bytes), (1, 16));
    drop(out);
    assert_eq!((subscription.stats().outstanding_bytes, subscription.stats().held_bytes), (0, 3 * 16));
    publisher.publish_slice(&[0; 14]).unwrap(); // in a buffer of the ring
    let mut out = pull(&subscription);
    out.pop().unwrap().ack().unwrap();
    ack_all(pull(&subscription));
    let rest = pull(&subscription);
    assert_eq!((rest.len(), subscription.stats().outstanding_bytes), (2, 30));
}

#[test]
fn a_message_larger_than_the_limit_goes_alone() {
    let (_engine, _clock, publisher, subscription) = single_with(16, bytes(100));
    publish(&publisher, &[10, 500, 500, 10, 90, 1]);
    for expected in [vec![(0, 10)], vec![(1, 500)], vec![(2, 500)], vec![(3, 10), (4, 90)], vec![(5, 1)]] {
        let out = pull(&subscription);
        assert_eq!(told(&out), expected);
        assert!(pull(&subscription).is_empty());
        assert_eq!(subscription.stats().outstanding, expected.len() as u64);
        ack_all(out);
    }
}

#[test]
fn with_allow_excess_what_is_taken_together_is_delivered_together() {
    let config = bytes(100).allow_excess(true).max_outstanding_messages(4);
    let (_engine, _clock, publisher, subscription) = single_with(16, config);
    publish(&publisher, &[60, 60, 60, 60, 60, 10]);
    let mut out = subscription.pull(1).unwrap();
    out.extend(subscription.pull(2).unwrap());
    assert_eq!(told(&out), [(0, 60), (1, 60), (2, 60)]);
    assert!(pull(&subscription).is_empty(), "beyond the limit in bytes, if not in messages");
    out.pop().unwrap().ack().unwrap();
    assert!(pull(&subscription).is_empty(), "120 are out");
    out.pop().unwrap().ack().unwrap();
    let rest = pull(&subscription);
    assert_eq!(told(&rest), [(3, 60), (4, 60), (5, 10)], "four messages are out");
    assert_eq!(subscription.stats().outstanding_bytes, 190);
}

#[test]
fn each_end_of_a_lease_gives_its_credit_back_exactly_once() {
    type End = fn(&Engine, &ManualClock, &Subscription, Vec<Delivery>);
    let ends: [(&str, End); 10] = [
        ("ack", |_, _, _, out| ack_all(out)),
        ("all at once", |_, _, _, mut out| Delivery::ack_all(&mut out).unwrap()),
        ("all at once, by id", |_, _, subscription, out| {
            let mut ids: Vec<_> = out.into_iter().map(Delivery::into_ack_id).collect();
            subscription.ack_all(&mut ids).unwrap();
        }),
        ("nack", |_, _, _, out| out.into_iter().for_each(|delivery| delivery.nack().unwrap())),
        ("drop", |_, _, _, out| drop(out)),
        ("zero", |_, _, _, out| {
            out.into_iter().for_each(|delivery| {
                delivery.modify_ack_deadline(Duration::ZERO).unwrap();
                assert_eq!(delivery.ack(), Err(AckError::Expired));
            });
        }),
        ("by id", |_, _, subscription, out| {
            for delivery in out {
                let id = delivery.into_ack_id();
                subscription.ack(id).unwrap();
                assert_eq!(
                    (subscription.ack(id), subscription.nack(id)),
                    (Err(AckError::Expired), Err(AckError::Expired))
                );
            }
        }),
        ("by id, the delivery dropped later", |_, _, subscription, out| {
            out.iter().for_each(|delivery| subscription.ack(delivery.ack_id()).unwrap());
        }),
        ("tick", |engine, clock, _, out| {
            clock.advance(DEADLINE);
            engine.tick();
            out.into_iter().for_each(|delivery| assert_eq!(delivery.ack(), Err(AckError::Expired)));
        }),
        ("late, then expired by a poll", |_, clock, subscription, out| {
            clock.advance(DEADLINE);
            out.into_iter().for_each(|delivery| assert_eq!(delivery.nack(), Err(AckError::Expired)));
            assert_eq!(subscription.stats().outstanding, 3, "nobody has looked");
            let again = subscription.pull(1).unwrap();
            assert_eq!(subscription.stats().outstanding, 1);
            ack_all(again);
        }),
    ];
    for (how, end) in ends {
        let config = bytes(100).max_outstanding_messages(3);
        let (engine, clock, publisher, subscription) = single_with(64, config);
        for _ in 0..10 {
            publish(&publisher, &[20, 30, 50]);
        }
        for round in 0..8 {
            let out = pull(&subscription);
            // In whatever order they come back, three at most, or 100 bytes.
            assert!((2..=3).contains(&out.len()), "{how}, round {round}: {:?}", told(&out));
            assert_eq!(subscription.stats().outstanding, out.len() as u64, "{how}");
            let size: usize = told(&out).iter().map(|(_, size)| size).sum();
            assert!((70..=100).contains(&size), "{how}, round {round}: {:?}", told(&out));
            assert_eq!(subscription.stats().outstanding_bytes, size as u64, "{how}");
            if out.len() < 3 {
                ack_all(out);
                continue;
            }
            end(&engine, &clock, &subscription, out);
            let stats = subscription.stats();
            assert_eq!((stats.outstanding, stats.outstanding_bytes), (0, 0), "{how}: {stats:?}");
            assert_balanced(&subscription);
        }
        let out = subscription.pull(2).unwrap();
        subscription.detach();
        let stats = subscription.stats();
        assert_eq!((stats.outstanding, stats.outstanding_bytes, stats.held_bytes), (0, 0, 0), "{how}, shut");
        drop(out);
        assert_eq!(subscription.stats().outstanding_bytes, 0, "{how}, shut");
    }
}

#[test]
fn consumers_at_the_same_time_do_not_exceed_the_bytes_together() {
    let (_engine, _clock, publisher, subscription) =
        single_with(4096, bytes(1_000).max_outstanding_messages(40));
    let mut random = Random(7);
    for round in 0..100 {
        for _ in 0..32 {
            let size = if random.below(10) == 0 { 2_000 } else { 1 + random.below(200) };
            publish(&publisher, &[usize::try_from(size).unwrap()]);
        }
        for _ in 0..8 {
            let pulled: Vec<_> = thread::scope(|scope| {
                let puller = || (0..3).flat_map(|_| subscription.pull(7).unwrap()).collect::<Vec<_>>();
                let pullers: Vec<_> = (0..3).map(|_| scope.spawn(puller)).collect();
                pullers.into_iter().flat_map(|puller| puller.join().unwrap()).collect()
            });
            let size: usize = told(&pulled).iter().map(|(_, size)| size).sum();
            let fits = size <= 1_000 || pulled.len() == 1;
            assert!(fits && pulled.len() <= 40, "round {round}: {:?}", told(&pulled));
            let stats = subscription.stats();
            assert_eq!((stats.outstanding, stats.outstanding_bytes), (pulled.len() as u64, size as u64));
            assert_balanced(&subscription);
            for (index, delivery) in pulled.into_iter().enumerate() {
                if index % 4 == 3 { drop(delivery) } else { delivery.ack().unwrap() }
            }
        }
        for _ in 0..100 {
            ack_all(subscription.pull(40).unwrap());
        }
        assert_eq!((subscription.stats().backlog(), subscription.stats().outstanding), (0, 0));
    }
    assert_eq!(subscription.stats().acked, 3_200);
}

/// Two messages may be out, and as many threads as there can be want them.
#[test]
fn consumers_in_step_do_not_exceed_the_messages_together() {
    let config = SubscriptionConfig::default().max_outstanding_messages(2);
    let (_engine, _clock, publisher, subscription) = single_with(4096, config);
    publish(&publisher, &[1; 100]);
    let step = Barrier::new(3);
    let exceeded = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    step.wait();
                    let pulled = subscription.pull(2).unwrap();
                    if step.wait().is_leader() {
                        let out = subscription.stats().outstanding;
                        exceeded.fetch_add(usize::from(out > 2), Ordering::Relaxed);
                        (0..out).for_each(|_| publish(&publisher, &[1]));
                    }
                    step.wait();
                    ack_all(pulled);
                }
            });
        }
    });
    assert_eq!(exceeded.load(Ordering::Relaxed), 0);
    assert_balanced(&subscription);
}

/// What there was no credit for was handled in place, which needs none: what comes next is not measured by it.
#[test]
fn what_was_too_large_and_went_another_way_keeps_nothing_back() {
    let (_engine, _clock, publisher, subscription) = single_with(16, bytes(100));
    publish(&publisher, &[60, 50]);
    let out = subscription.recv().unwrap();
    assert!(subscription.try_recv().unwrap().is_none(), "110 bytes are too many");
    assert_eq!(Dispatcher::new().add(&subscription, |_| Verdict::Ack).poll(), 1);
    thread::scope(|scope| {
        let waits = scope.spawn(|| subscription.recv().unwrap().data().len());
        assert!(for_a_while(|| !waits.is_finished()), "there is nothing");
        publish(&publisher, &[10]);
        let came = soon(|| waits.is_finished());
        out.ack().unwrap(); // which ends this in any case
        assert!(came, "70 are not");
        assert_eq!(waits.join().unwrap(), 10);
    });
}

/// A subscription that holds as much as it may: nacked, and waiting for their turn or their backoff.
fn full_of_held(config: SubscriptionConfig, in_place: bool) -> (Engine, Publisher, Subscription) {
    let backoff = config.retry(DEADLINE, DEADLINE);
    let (engine, _clock, publisher, subscription) = single_with(8, backoff);
    let mut dispatcher = Dispatcher::new();
    if in_place {
        dispatcher = dispatcher.turn_limit(1).add(&subscription, |_| Verdict::Nack);
    }
    for _ in 0..20 {
        drop(publisher.try_publish(message(1)));
        dispatcher.poll();
        if !in_place {
            drop(subscription.pull(1));
        }
    }
    (engine, publisher, subscription)
}

#[test]
fn when_enough_is_held_the_ring_is_left_alone_and_the_overflow_policy_applies() {
    let limits: [fn() -> SubscriptionConfig; 2] = [
        || SubscriptionConfig::default().max_held_messages(5),
        || SubscriptionConfig::default().max_held_bytes(40),
    ];
    for (in_place, limit) in [false, true].into_iter().flat_map(|kind| limits.map(|limit| (kind, limit))) {
        let (_engine, publisher, subscription) = full_of_held(limit(), in_place);
        assert_eq!((subscription.stats().held, subscription.stats().held_bytes), (5, 40));
        assert_eq!((subscription.stats().unread, subscription.stats().backlog()), (8, 13));
        assert!(matches!(publisher.try_publish(message(1)), Err(PublishError::Full(_))));
        assert_balanced(&subscription);

        let (_engine, publisher, subscription) =
            full_of_held(limit().overflow(Overflow::DropOldest), in_place);
        for _ in 0..20 {
            publisher.try_publish(message(1)).unwrap();
            assert!(subscription.try_recv().unwrap().is_none());
        }
        let stats = subscription.stats();
        assert_eq!((stats.accepted, stats.held, stats.delivered), (40, 5, 5));
        assert_balanced(&subscription);

        let (_engine, publisher, subscription) = full_of_held(limit().overflow(Overflow::Detach), in_place);
        publisher.try_publish(message(1)).unwrap();
        if in_place {
            let mut dispatcher = Dispatcher::new().add(&subscription, |_| Verdict::Ack);
            assert_eq!((dispatcher.poll(), dispatcher.poll()), (0, 0));
        }
        assert_eq!(subscription.try_recv().unwrap_err(), RecvError::Detached);
        let stats = subscription.stats();
        assert_eq!((stats.held, stats.discarded), (0, stats.accepted));
        assert_balanced(&subscription);
    }
}
