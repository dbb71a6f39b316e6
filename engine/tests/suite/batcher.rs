//! The batcher, by its requirements B1 to B5 (docs/decisions/0008), and its receipts.

use crate::common::{
    assert_balanced, for_a_while, manual, message, number, receive_all, single, soon, subscribe, topic,
};
use ringmain::{
    Close, Dispatcher, LimitExceeded, Message, PublishError, Publisher, PublisherConfig, Receipt,
    Subscription, TopicConfig, Verdict, WaitStrategy,
};
use ringmain_ring::sync::{AtomicU64, AtomicUsize, Ordering};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

/// A subscription that has just read something, with `backlog` messages still before it: publishers stage.
fn busy(publisher: &Publisher, subscription: &Subscription, backlog: u64) {
    for number in 0..=backlog {
        publisher.publish(message(1000 + number)).expect("room");
    }
    subscription.recv().expect("a message").ack().expect("in time");
}

fn poll(receipt: &mut Receipt) -> Poll<Result<ringmain::MessageId, PublishError<()>>> {
    pin!(receipt).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn b1_a_lone_message_on_an_idle_topic_is_readable_at_once() {
    let (_engine, _clock, publisher, subscription) = single(8);
    for number in 0..20 {
        let mut receipt = publisher.enqueue(message(number)).unwrap();
        assert_eq!(subscription.topic().stats().published, number + 1);
        assert!(matches!(poll(&mut receipt), Poll::Ready(Ok(id)) if id.get() == number));
        assert_eq!(receive_all(&subscription), [number]);
    }
}

#[test]
fn b2_while_the_consumer_has_a_backlog_messages_gather_and_are_claimed_together() {
    let (_engine, _clock, publisher, subscription) = single(64);
    busy(&publisher, &subscription, 2);
    let other = publisher.clone();
    let receipts: Vec<_> = (0..5)
        .map(|number| {
            let receipt = publisher.enqueue(message(number)).unwrap();
            other.publish(message(100 + number)).unwrap();
            receipt
        })
        .collect();
    assert_eq!(subscription.topic().stats().published, 3 + 5, "the other publisher's only");
    let received = receive_all(&subscription);
    assert_eq!(received, [1001, 1002, 100, 101, 102, 103, 104, 0, 1, 2, 3, 4]);
    let ids: Vec<_> = receipts.into_iter().map(|receipt| receipt.wait().unwrap().get()).collect();
    assert_eq!(ids, [8, 9, 10, 11, 12]);
    assert_balanced(&subscription);
}

#[test]
fn b3_the_tail_reaches_consumers_that_poll_sleep_and_process() {
    const MESSAGES: u64 = 20_000;
    let (engine, _clock) = manual();
    let topic = topic(&engine, 64);
    let [polls, sleeps, processes] = ["polls", "sleeps", "processes"].map(|name| subscribe(&topic, name));
    let handled = Arc::new(AtomicU64::new(0));
    thread::scope(|scope| {
        let publisher = topic.publisher();
        scope.spawn(|| {
            let mut count = 0;
            while count < MESSAGES {
                count += receive_all(&polls).len() as u64;
            }
        });
        scope.spawn(|| {
            for expected in 0..MESSAGES {
                let delivery = sleeps.recv().unwrap();
                assert_eq!(number(delivery.data()), expected);
                delivery.ack().unwrap();
            }
        });
        let counted = Arc::clone(&handled);
        let mut dispatcher = Dispatcher::new();
        let stop = dispatcher.stop_handle();
        dispatcher = dispatcher.add(&processes, move |_| {
            if counted.fetch_add(1, Ordering::Relaxed) + 1 == MESSAGES {
                stop.stop();
            }
            Verdict::Ack
        });
        scope.spawn(move || dispatcher.run());
        for number in 0..MESSAGES {
            drop(publisher.enqueue(message(number)).unwrap());
            if number % 97 == 0 {
                thread::yield_now();
            }
        }
        scope.spawn(move || {
            // The publisher stays alive, and does nothing more.
            crate::common::until(|| handled.load(Ordering::Relaxed) == MESSAGES);
            drop(publisher);
        });
    });
}

#[test]
fn b3_also_when_there_was_no_room_and_another_subscription_makes_it() {
    let (_engine, _clock, publisher, quick) = single(8);
    let slow = subscribe(&quick.topic(), "slow");
    busy(&publisher, &quick, 7);
    drop(publisher.enqueue(message(1)).unwrap());
    assert_eq!(receive_all(&quick).len(), 7);
    assert!(
        quick.recv_timeout(Duration::from_millis(5)).is_err(),
        "the ring is full of what the other has not read"
    );
    thread::scope(|scope| {
        let waits = scope.spawn(|| number(quick.recv().unwrap().data()));
        slow.recv().unwrap().ack().unwrap(); // one message, and it does not run dry
        assert_eq!(waits.join().unwrap(), 1);
    });
}

/// They sleep for data. What is staged for want of room wakes them, and from then on they wait for room as well.
#[test]
fn b3_also_to_those_who_were_asleep_when_there_was_no_room() {
    for in_place in [false, true] {
        let (engine, _clock) = manual();
        let config = TopicConfig::default().ring_slots(8).wait(WaitStrategy::Park);
        let topic = engine.create_topic("topic", config).unwrap();
        let [quick, slow] = ["quick", "slow"].map(|name| subscribe(&topic, name));
        let publisher = topic.publisher();
        (0..8).for_each(|number| _ = publisher.publish(message(number)).unwrap());
        assert_eq!(receive_all(&quick).len(), 8);
        let mut dispatcher = Dispatcher::new();
        let stop = dispatcher.stop_handle();
        dispatcher = dispatcher.add(&quick, move |message| {
            assert_eq!(number(message.data()), 8);
            stop.stop();
            Verdict::Ack
        });
        thread::scope(|scope| {
            let sleeps = scope.spawn(|| {
                if in_place {
                    dispatcher.run();
                } else {
                    quick.recv().unwrap().ack().unwrap();
                }
            });
            assert!(for_a_while(|| !sleeps.is_finished()));
            drop(publisher.enqueue(message(8)).unwrap());
            slow.recv().unwrap().ack().unwrap(); // one message, and it does not run dry
            let woken = soon(|| sleeps.is_finished());
            receive_all(&slow); // which does, and so ends this in any case
            assert!(woken, "in place: {in_place}");
        });
    }
}

/// It waits in the lane then, with its credit, and whoever wants it fetches it when there is room.
#[test]
fn a_full_ring_does_not_hold_enqueue_up_though_somebody_has_nothing_to_read() {
    for (limited, bytes) in [(false, 8), (true, 8), (false, 1_500), (true, 1_500)] {
        let (engine, _clock) = manual();
        let config = TopicConfig::default().ring_slots(8).ring_bytes(16 * 1_000); // large: more than 1,000 bytes
        let topic = engine.create_topic("topic", config).unwrap();
        let limits =
            PublisherConfig::default().max_outstanding_messages(2).limit_exceeded(LimitExceeded::Block);
        let publisher = if limited { topic.publisher_with(limits).unwrap() } else { topic.publisher() };
        let [quick, slow] = ["quick", "slow"].map(|name| subscribe(&topic, name));
        for number in 0..8 {
            publisher.publish(message(number)).unwrap();
        }
        assert_eq!(receive_all(&quick).len(), 8);
        let receipts = [(); 2].map(|()| publisher.enqueue(Message::new(vec![1; bytes])).unwrap());
        assert_eq!(topic.stats().published, 8, "they are staged");
        assert_eq!(publisher.stats().outstanding_messages, if limited { 2 } else { 0 });
        for subscription in [&slow, &quick] {
            while let Some(delivery) = subscription.try_recv().unwrap() {
                delivery.ack().unwrap();
            }
        }
        assert_eq!(receipts.map(|receipt| receipt.wait().unwrap().get()), [8, 9]);
        assert_eq!(publisher.stats().outstanding_messages, 0);
        assert_balanced(&quick);
    }
}

#[test]
fn b4_a_batch_is_bounded_by_count_and_by_bytes() {
    let (engine, _clock) = manual();
    let config = TopicConfig::default().ring_slots(64).batch(3, 20);
    let topic = engine.create_topic("topic", config).unwrap();
    let (publisher, subscription) = (topic.publisher(), subscribe(&topic, "sub"));
    busy(&publisher, &subscription, 1);
    let enqueue = |bytes: usize| {
        drop(publisher.enqueue(Message::new(vec![1; bytes])).unwrap());
        topic.stats().published
    };
    assert_eq!([enqueue(1), enqueue(1), enqueue(1)], [2, 2, 5], "by count");
    assert_eq!(
        [enqueue(8), enqueue(8), enqueue(8)],
        [5, 5, 7],
        "closed before the one that would overflow it"
    );
    assert_eq!(enqueue(12), 9, "by bytes, exactly");
    assert_eq!(enqueue(50), 10, "larger than a batch: alone");
    assert_eq!([enqueue(1), enqueue(50)], [10, 12]);
    assert_eq!(enqueue(1), 12);
    let attribute = Message::new(vec![1; 2]).attribute("key", "x".repeat(15));
    drop(publisher.enqueue(attribute).unwrap());
    assert_eq!(topic.stats().published, 14, "attributes count: it overflows the batch, and fills the next");
}

#[test]
fn b5_each_publishers_order_is_kept_when_it_mixes_ways_of_publishing() {
    const MESSAGES: u64 = 10_000;
    let (engine, _clock) = manual();
    let topic = topic(&engine, 256);
    let subscription = subscribe(&topic, "sub");
    thread::scope(|scope| {
        for publisher_number in 0..2 {
            let publisher = topic.publisher();
            scope.spawn(move || {
                let mut random = crate::common::Random(publisher_number + 7);
                for number in 0..MESSAGES {
                    let data = publisher_number << 32 | number;
                    match random.below(8) {
                        0 => drop(publisher.publish(message(data)).unwrap()),
                        1 => drop(publisher.publish_slice(&data.to_le_bytes()).unwrap()),
                        2 => while publisher.try_publish(message(data)).is_err() {},
                        3 => publisher.enqueue(message(data)).unwrap().wait().map(drop).unwrap(),
                        _ => drop(publisher.enqueue(message(data)).unwrap()),
                    }
                }
            });
        }
        let mut next = [0, 0];
        for _ in 0..2 * MESSAGES {
            let delivery = subscription.recv().unwrap();
            let data = number(delivery.data());
            let expected = &mut next[(data >> 32) as usize];
            assert_eq!(data & 0xFFFF_FFFF, *expected);
            *expected += 1;
            delivery.ack().unwrap();
        }
    });
}

#[test]
fn what_is_staged_comes_before_what_is_published_and_try_publish_never_waits_for_it() {
    let (_engine, _clock, publisher, subscription) = single(16);
    busy(&publisher, &subscription, 14);
    for number in 0..3 {
        drop(publisher.enqueue(message(number)).unwrap());
    }
    // Room for two, and three are staged: the next must not slip in before them.
    assert!(matches!(publisher.try_publish(message(9)), Err(PublishError::Full(m)) if m == message(9)));
    let timeout = Duration::from_millis(1);
    assert!(matches!(publisher.publish_timeout(message(9), timeout), Err(PublishError::Full(_))));
    subscription.recv().unwrap().ack().unwrap();
    publisher.flush().unwrap();
    assert_eq!(subscription.topic().stats().published, 18);
    publisher.flush().unwrap();
    let received = receive_all(&subscription);
    assert_eq!(received[13..], [0, 1, 2]);
}

#[test]
fn flush_and_the_drop_of_a_publisher_publish_what_is_staged() {
    let (_engine, _clock, publisher, subscription) = single(8);
    busy(&publisher, &subscription, 1);
    drop(publisher.enqueue(message(1)).unwrap());
    publisher.flush().unwrap();
    assert_eq!(subscription.topic().stats().published, 3);
    drop(publisher.enqueue(message(2)).unwrap());
    drop(publisher);
    assert_eq!(subscription.topic().stats().published, 4);
    assert_eq!(receive_all(&subscription)[1..], [1, 2]);
}

#[test]
fn without_a_subscription_nothing_is_staged() {
    let (_engine, _clock, publisher, subscription) = single(8);
    busy(&publisher, &subscription, 1);
    let topic = subscription.topic();
    subscription.detach();
    for number in 0..20 {
        assert_eq!(publisher.enqueue(message(number)).unwrap().wait().unwrap().get(), 2 + number);
    }
    assert_eq!(receive_all(&subscribe(&topic, "late")), []);
}

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_receipt_resolves_by_waiting_polling_and_being_woken() {
    let (_engine, _clock, publisher, subscription) = single(4);
    busy(&publisher, &subscription, 1);
    let mut polled = publisher.enqueue(message(1)).unwrap();
    assert!(matches!(poll(&mut polled), Poll::Ready(Ok(id)) if id.get() == 2), "polling publishes");
    assert!(matches!(poll(&mut polled), Poll::Ready(Ok(id)) if id.get() == 2));
    assert_eq!(publisher.enqueue(message(2)).unwrap().wait().unwrap().get(), 3);
    // With the ring full it waits for room, and is woken by who makes some.
    publisher.publish(message(3)).unwrap();
    let full = publisher.enqueue(message(4)).unwrap();
    let (count, mut full) = (Arc::new(Count::default()), pin!(full));
    let waker = Waker::from(Arc::clone(&count));
    assert!(full.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    subscription.recv().unwrap().ack().unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    let resolved = full.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(matches!(resolved, Poll::Ready(Ok(id)) if id.get() == 5));
}

#[test]
fn receipts_of_what_was_never_published_say_closed() {
    for dropped in [false, true] {
        let (engine, _clock, publisher, subscription) = single(8);
        busy(&publisher, &subscription, 7);
        publisher.publish(message(9)).unwrap();
        let receipts: Vec<_> = (0..2).map(|number| publisher.enqueue(message(number)).unwrap()).collect();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let [mut first, second] = <[_; 2]>::try_from(receipts).unwrap();
        assert!(pin!(&mut first).poll(&mut Context::from_waker(&waker)).is_pending());
        if dropped {
            drop((engine, publisher, subscription));
        } else {
            engine.close(Close::Now);
        }
        assert!(count.0.load(Ordering::Relaxed) > 0, "who awaits it is told");
        assert!(matches!(poll(&mut first), Poll::Ready(Err(PublishError::Closed(())))));
        assert!(matches!(second.wait(), Err(PublishError::Closed(()))));
    }
}

#[test]
fn a_receipt_outlives_everything_and_still_knows_its_id() {
    let (engine, _clock) = manual();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(8).shards(2)).unwrap();
    let (first, second) = (topic.publisher(), topic.publisher());
    let subscription = subscribe(&topic, "sub");
    first.publish(message(0)).unwrap();
    for _ in 0..3 {
        second.publish(message(0)).unwrap();
    }
    subscription.pull(2).unwrap().into_iter().for_each(|delivery| delivery.ack().unwrap());
    let receipt = second.enqueue(message(1)).unwrap();
    second.flush().unwrap();
    drop((engine, topic, first, second, subscription));
    assert_eq!(receipt.wait().unwrap().get(), 7);
}
