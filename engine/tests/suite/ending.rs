//! The end of a subscription whose topic is deleted, or whose engine is closed: nobody is told of it while a message is in
//! somebody else's hands, from where it may come back; and everybody is told then.

use crate::common::{assert_balanced, for_a_while, message, number, single, topic, until};
use ringmain::{
    Close, CloseReport, Delivery, Dispatcher, Engine, PublishError, RecvError, Subscription,
    SubscriptionConfig, Verdict,
};
use ringmain_ring::sync::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const ROUNDS: u64 = 300;
/// How often each of two messages is nacked before it is acked.
const NACKS: u32 = 20;

/// Nacks a delivery, or says that it is done with, and acks it.
fn settle(delivery: Delivery, done: &AtomicUsize) {
    let enough = delivery.delivery_attempt() > NACKS;
    done.fetch_add(usize::from(enough), Ordering::Relaxed);
    if enough { delivery.ack() } else { delivery.nack() }.expect("in time");
}

/// Receives until told that it is over; by then both messages must be done with.
fn consume(
    subscription: &Subscription,
    done: &AtomicUsize,
    receive: impl Fn(&Subscription) -> Result<Vec<Delivery>, RecvError>,
) {
    loop {
        match receive(subscription) {
            Ok(deliveries) => deliveries.into_iter().for_each(|delivery| settle(delivery, done)),
            Err(error) => {
                let stats = subscription.stats();
                assert_eq!(error, RecvError::Closed);
                assert_eq!(done.load(Ordering::Relaxed), 2, "told too early: {stats:?}");
                return;
            }
        }
    }
}

/// Two messages, and three consumers that compete for them while `end` ends it all.
fn compete(round: u64, end: impl Fn(&Engine)) {
    let engine = Engine::new();
    let topic = topic(&engine, 16);
    let config = SubscriptionConfig::default();
    let config = if round.is_multiple_of(2) { config } else { config.message_ordering() };
    let subscription = topic.create_subscription("sub", config).expect("new");
    for number in 0..2 {
        topic.publisher().publish(message(number).ordering_key("key")).expect("room for two");
    }
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        let consumers = [
            scope.spawn(|| consume(&subscription, &done, |it| Ok(it.try_recv()?.into_iter().collect()))),
            scope.spawn(|| consume(&subscription, &done, |it| it.pull(2))),
            scope.spawn(|| consume(&subscription, &done, |it| Ok(vec![it.recv()?]))),
        ];
        end(&engine);
        consumers.into_iter().for_each(|consumer| consumer.join().expect("it was told in time"));
    });
    let stats = subscription.stats();
    assert_eq!((stats.acked, stats.nacked), (2, 2 * u64::from(NACKS)), "round {round}");
    assert_balanced(&subscription);
}

#[test]
fn nobody_is_told_of_the_end_while_another_call_has_a_message_in_its_hands() {
    for round in 0..ROUNDS {
        compete(round, |engine| engine.delete_topic("topic").expect("it is there"));
    }
}

#[test]
fn drain_waits_for_a_message_that_goes_from_hand_to_hand() {
    for round in 0..ROUNDS {
        compete(round, |engine| {
            let report = engine.close(Close::Drain(Duration::from_secs(20)));
            assert_eq!(report, CloseReport::default(), "round {round}");
        });
    }
}

/// One of two consumers has the last message, and goes: the other one waits for it, and gets it.
#[test]
fn the_last_message_that_one_consumer_gives_up_reaches_the_other() {
    for drain in [false, true] {
        for give_up in [|delivery: Delivery| delivery.nack().expect("in time"), drop] {
            let (engine, _clock, publisher, subscription) = single(4);
            publisher.publish(message(7)).unwrap();
            let last = subscription.recv().unwrap();
            thread::scope(|scope| {
                let other = scope.spawn(|| {
                    let delivery = subscription.recv().unwrap();
                    let seen = (number(delivery.data()), delivery.delivery_attempt());
                    delivery.ack().unwrap();
                    assert!(matches!(subscription.recv(), Err(RecvError::Closed)));
                    seen
                });
                let ends = scope.spawn(|| {
                    if drain {
                        assert_eq!(engine.close(Close::Drain(Duration::MAX)), CloseReport::default());
                    } else {
                        engine.delete_topic("topic").unwrap();
                    }
                });
                until(|| subscription.is_topic_closed());
                assert!(for_a_while(|| !other.is_finished() && (!drain || !ends.is_finished())));
                assert!(subscription.try_recv().unwrap().is_none(), "neither there nor over");
                let refused = publisher.try_publish(message(9));
                assert!(matches!(refused, Err(PublishError::Closed(back)) if back == message(9)));
                give_up(last);
                assert_eq!(other.join().unwrap(), (7, 2));
            });
            assert_balanced(&subscription);
        }
    }
}

/// What is being handled in place is its dispatcher's: whoever receives may be told of the end, and what the handler
/// nacks comes to that dispatcher again.
#[test]
fn the_last_message_that_a_handler_nacks_comes_to_its_dispatcher_again() {
    let (engine, _clock, publisher, subscription) = single(4);
    publisher.publish(message(7)).unwrap();
    engine.delete_topic("topic").unwrap();
    let other = subscription.clone();
    subscription.process(move |message| {
        if message.delivery_attempt() <= 3 {
            assert!(matches!(other.try_recv(), Ok(None) | Err(RecvError::Closed)));
            return Verdict::Nack;
        }
        Verdict::Ack
    });
    assert_eq!((subscription.stats().nacked, subscription.stats().acked), (3, 1));
    // One that is stopped leaves it behind, held and not lost: to whoever asks next.
    let (engine, _clock, publisher, subscription) = single(4);
    publisher.publish(message(8)).unwrap();
    engine.delete_topic("topic").unwrap();
    let mut dispatcher = Dispatcher::new().add(&subscription, |_| Verdict::Nack);
    assert_eq!(dispatcher.poll(), 1);
    drop(dispatcher);
    assert_eq!(crate::common::receive_all(&subscription), [8]);
    assert_balanced(&subscription);
}
