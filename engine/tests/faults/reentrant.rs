//! Handlers that call back into the engine: each call does what it does elsewhere, or says why not. None waits for itself.

use super::common::{assert_balanced, manual, message, number, receive_all, subscribe, topic, until};
use ringmain::{
    Close, Dispatcher, Engine, Overflow, PublishError, Publisher, RecvError, SubscriptionConfig, TopicConfig,
    Verdict,
};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

/// Has `call` made inside a handler of the first of ten messages, on a ring of sixteen slots.
fn within_a_handler<R: Send + 'static>(
    call: impl FnOnce(&Engine) -> R + Send + 'static,
) -> (Engine, Dispatcher, usize, R) {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 16);
    let subscription = subscribe(&topic, "sub");
    (0..10).for_each(|number| _ = topic.publisher().publish(message(number)).expect("room"));
    let (tell, told) = mpsc::channel();
    let (mut call, inner) = (Some(call), engine.clone());
    let mut dispatcher = Dispatcher::new().add(&subscription, move |_| {
        if let Some(call) = call.take() {
            tell.send(call(&inner)).expect("somebody listens");
        }
        Verdict::Ack
    });
    let handled = dispatcher.poll();
    let result = told.try_recv().expect("the handler ran");
    (engine, dispatcher, handled, result)
}

#[test]
fn publishing_goes_on_to_where_it_would_wait_for_itself() {
    let (engine, mut dispatcher, handled, published) = within_a_handler(|engine| {
        let publisher = engine.topic("topic").expect("there").publisher();
        let mut published = 0;
        loop {
            match publisher.publish(message(100)) {
                Ok(_) => published += 1,
                Err(PublishError::WouldDeadlock(back)) => {
                    assert_eq!(back, message(100));
                    return published;
                }
                Err(other) => panic!("{other}"),
            }
        }
    });
    assert_eq!((handled, published), (10, 6), "of 16 slots");
    assert_eq!(dispatcher.run_until_idle(), 6);
    assert_balanced(&engine.subscription("sub").expect("there"));
}

#[test]
fn a_delivery_of_the_same_subscription_is_received_and_acked_or_nacked_inside() {
    for nack in [false, true] {
        let (engine, mut dispatcher, _, received) = within_a_handler(move |engine| {
            let publisher = engine.topic("topic").expect("there").publisher();
            publisher.publish(message(100)).expect("room");
            let subscription = engine.subscription("sub").expect("there");
            let delivery = subscription.try_recv().expect("not closed").expect("what no turn has taken yet");
            let received = number(delivery.data());
            if nack { delivery.nack() } else { delivery.ack() }.expect("in time");
            received
        });
        assert_eq!(received, 100, "the batch that is being handled is the dispatcher's");
        assert_eq!(dispatcher.run_until_idle(), usize::from(nack));
        let subscription = engine.subscription("sub").expect("there");
        assert_eq!(subscription.stats().acked, 11);
        assert_balanced(&subscription);
    }
}

#[test]
fn closing_now_ends_the_batch_with_everything_accounted_for() {
    let (engine, mut dispatcher, handled, report) = within_a_handler(|engine| engine.close(Close::Now));
    assert_eq!((handled, report.unacked), (10, 0), "the batch is finished");
    dispatcher.run();
    assert_eq!(engine.close(Close::Now), Default::default());
    assert!(matches!(engine.subscription("sub").expect("there").recv(), Err(RecvError::Closed)));
}

/// Nobody else would deliver what is left, and nobody could wait for the batch that the handler is in.
#[test]
fn closing_with_a_drain_without_end_does_not_wait_for_itself() {
    let (engine, mut dispatcher, handled, report) = within_a_handler(|engine| {
        let other = engine.create_topic("other", Default::default()).expect("a new topic");
        let subscription = subscribe(&other, "other-sub");
        other.publisher().publish(message(7)).expect("room");
        let received = std::thread::spawn(move || receive_all(&subscription));
        let report = engine.close(Close::Drain(Duration::MAX));
        // What the handler does not hold up is drained as ever.
        assert_eq!(received.join().expect("no panic"), [7]);
        report
    });
    assert_eq!((handled, report.unacked), (10, 0));
    dispatcher.run();
    drop(engine);
}

#[test]
fn detaching_deleting_and_subscribing_inside_do_what_they_do_outside() {
    let (engine, mut dispatcher, handled, ()) = within_a_handler(|engine| {
        let topic = engine.topic("topic").expect("there");
        let second = subscribe(&topic, "second");
        topic.publisher().publish(message(50)).expect("room");
        assert_eq!(receive_all(&second), [50], "from now on");
        engine.delete_subscription("second").expect("there");
        assert!(matches!(second.recv(), Err(RecvError::Detached)));
        engine.subscription("sub").expect("there").detach();
        let lossy = SubscriptionConfig::default().overflow(Overflow::DropOldest);
        let third = topic.create_subscription("third", lossy).expect("a new name");
        engine.delete_topic("topic").expect("there");
        assert!(matches!(topic.publisher().publish(message(51)), Err(PublishError::Closed(_))));
        assert!(matches!(third.recv(), Err(RecvError::Closed)));
    });
    assert_eq!(handled, 10, "the batch is finished");
    dispatcher.run();
    assert_balanced(&engine.subscription("sub").expect("there"));
    engine.create_topic("topic", Default::default()).expect("the name is free");
}

/// The handler has the last handle on everything, and lets go of it.
#[test]
fn dropping_everything_inside_ends_the_batch_and_then_the_dispatcher() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 16);
    let (publisher, subscription) = (topic.publisher(), subscribe(&topic, "sub"));
    (0..3).for_each(|number| _ = publisher.publish(message(number)).expect("room"));
    let mut deliveries = subscription.pull(1).expect("not closed");
    let serving = Dispatcher::new();
    let everything = Arc::new(Mutex::new(None));
    let taken = Arc::clone(&everything);
    let (tell, told) = mpsc::channel();
    let mut dispatcher = serving.add(&subscription, move |message| {
        let everything = taken.lock().expect("no panic").take();
        drop(everything);
        tell.send(number(message.data())).expect("somebody listens");
        Verdict::Ack
    });
    let delivery = deliveries.pop().expect("one");
    *everything.lock().expect("no panic") = Some((engine, topic, publisher, subscription, delivery));
    assert_eq!(dispatcher.poll(), 2);
    dispatcher.run();
    drop(dispatcher);
    assert_eq!(told.iter().collect::<Vec<_>>(), [1, 2], "the batch was its own; what was leased is gone");
}

#[test]
fn a_dispatcher_is_run_and_stopped_within_a_handler() {
    let (_engine, mut dispatcher, handled, inner) = within_a_handler(|engine| {
        let topic = engine.topic("topic").expect("there");
        let second = subscribe(&topic, "second");
        topic.publisher().publish(message(50)).expect("room");
        let mut inner = Dispatcher::new().add(&second, |_| Verdict::Ack);
        let handled = inner.run_until_idle();
        inner.stop_handle().stop();
        inner.run();
        handled
    });
    assert_eq!((handled, inner), (10, 1));
    assert_eq!(dispatcher.run_until_idle(), 1);
}

/// Two topics that one dispatcher serves: what the handler of the first does, given the second's publisher, and whether it
/// was still waiting a while later.
fn in_a_pipeline<R: Send + 'static>(
    call: impl FnOnce(&Engine, &Publisher) -> R + Send + 'static,
) -> (Engine, Dispatcher, R) {
    let (engine, _clock) = manual();
    let (first, second) = (topic(&engine, 16), engine.create_topic("second", small()).expect("a new topic"));
    let (source, sink) = (subscribe(&first, "source"), subscribe(&second, "sink"));
    first.publisher().publish(message(0)).expect("room");
    let (tell, told) = mpsc::channel();
    let (mut call, inner) = (Some(call), engine.clone());
    let mut dispatcher = Dispatcher::new()
        .add(&source, move |_| {
            if let Some(call) = call.take() {
                tell.send(call(&inner, &second.publisher())).expect("somebody listens");
            }
            Verdict::Ack
        })
        .add(&sink, |_| Verdict::Ack);
    let polled = std::thread::spawn(move || {
        dispatcher.poll();
        dispatcher
    });
    let result = told.recv_timeout(Duration::from_secs(20)).expect("it does not wait for itself");
    (engine, polled.join().expect("no panic"), result)
}

fn small() -> TopicConfig {
    TopicConfig::default().ring_slots(16)
}

#[test]
fn a_pipeline_publishes_to_where_it_would_wait_for_itself() {
    let (engine, mut dispatcher, (published, back, batch)) = in_a_pipeline(|_, publisher| {
        let mut published = 0;
        let back = loop {
            match publisher.publish(message(published)) {
                Ok(_) => published += 1,
                Err(error) => break error,
            }
        };
        (published, back, publisher.publish_batch(vec![message(1), message(2)]))
    });
    assert_eq!(published, 16);
    assert!(matches!(back, PublishError::WouldDeadlock(_)), "{back}");
    assert!(matches!(batch.expect_err("no room").error, PublishError::WouldDeadlock(_)));
    dispatcher.run_until_idle();
    assert_balanced(&engine.subscription("sink").expect("there"));
}

#[test]
fn a_pipeline_that_closes_with_a_drain_does_not_wait_for_its_other_end() {
    let (_engine, mut dispatcher, report) = in_a_pipeline(|engine, publisher| {
        publisher.publish(message(1)).expect("room");
        engine.close(Close::Drain(Duration::MAX))
    });
    assert_eq!((report.unread, report.unacked), (1, 0), "what only it would handle");
    dispatcher.run();
}

/// Each would wait for what the other one has to handle.
#[test]
fn of_two_handlers_that_close_with_a_drain_the_second_leaves_it_to_the_first() {
    let (engine, _clock) = manual();
    let (first, second) = (topic(&engine, 16), engine.create_topic("second", small()).expect("a new topic"));
    let (tell, told) = mpsc::channel();
    let both = Arc::new(Barrier::new(2));
    let served =
        [(subscribe(&first, "one"), first), (subscribe(&second, "two"), second)].map(|(one, topic)| {
            (0..3).for_each(|number| _ = topic.publisher().publish(message(number)).expect("room"));
            let (engine, tell, both) = (engine.clone(), tell.clone(), Arc::clone(&both));
            let mut closes = true;
            let mut dispatcher = Dispatcher::new().add(&one, move |_| {
                if std::mem::take(&mut closes) {
                    both.wait();
                    tell.send(engine.close(Close::Drain(Duration::MAX))).expect("somebody listens");
                }
                Verdict::Ack
            });
            std::thread::spawn(move || dispatcher.run());
            one
        });
    for _ in &served {
        let report = told.recv_timeout(Duration::from_secs(20)).expect("neither waits for the other");
        assert_eq!((report.unread, report.unacked), (0, 0), "all is handled");
    }
    for subscription in &served {
        until(|| subscription.stats().acked == 3);
    }
}

/// The same dispatcher serves a subscription that publishers wait for, and would have to make room.
#[test]
fn publishing_while_a_gap_is_told_goes_on_to_where_it_would_wait_for_itself() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 4);
    let block = subscribe(&topic, "block");
    let config = SubscriptionConfig::default().overflow(Overflow::DropOldest);
    let lossy = topic.create_subscription("lossy", config).expect("a new name");
    for number in 0..8 {
        topic.publisher().publish(message(number)).expect("room");
        if number < 4 {
            block.recv().expect("not closed").ack().expect("in time");
        }
    }
    let (tell, told) = mpsc::channel();
    let mut publisher = Some(topic.publisher()); // the first time only: it makes another gap
    let publish = move |_| {
        let Some(publisher) = publisher.take() else { return };
        let publish = |number| publisher.publish_timeout(message(number), Duration::from_millis(100));
        let refused = (0..9).find_map(|number| publish(number).err().map(|error| (number, error)));
        tell.send(refused).expect("somebody listens");
    };
    let mut dispatcher =
        Dispatcher::new().add(&block, |_| Verdict::Ack).add_lossy(&lossy, |_| Verdict::Ack, publish);
    dispatcher.poll();
    let (number, error) = told.try_recv().expect("a gap was told").expect("there is not so much room");
    assert_eq!((number, error), (4, PublishError::WouldDeadlock(message(4))));
    dispatcher.run_until_idle();
    assert_eq!(lossy.stats().acked, 4);
    assert_balanced(&block);
    assert_balanced(&lossy);
}

/// Publishes when it is dropped.
struct Publishes {
    publisher: Arc<Publisher>,
    outcome: mpsc::Sender<bool>,
}

impl AsRef<[u8]> for Publishes {
    fn as_ref(&self) -> &[u8] {
        &[0; 1_000]
    }
}

impl Drop for Publishes {
    fn drop(&mut self) {
        let enqueued = self.publisher.enqueue(message(99));
        let published = self.publisher.try_publish(message(99));
        self.outcome.send(enqueued.is_ok() && published.is_ok()).expect("somebody listens");
    }
}

/// A ring of four that is full, with a message of [`Publishes`] first, or staged behind it.
fn with_an_owner_that_publishes(
    first: bool,
) -> (Engine, Arc<Publisher>, ringmain::Subscription, mpsc::Receiver<bool>) {
    let (engine, _clock) = manual();
    // Large are those above 800 bytes.
    let config = TopicConfig::default().ring_slots(4).ring_bytes(6_400);
    let topic = engine.create_topic("topic", config).expect("a new topic");
    let (publisher, subscription) = (Arc::new(topic.publisher()), subscribe(&topic, "sub"));
    let (outcome, outcomes) = mpsc::channel();
    let owner = Publishes { publisher: Arc::clone(&publisher), outcome };
    let theirs = ringmain::Message::new(bytes::Bytes::from_owner(owner));
    if first {
        publisher.publish(theirs).expect("room");
        (0..3).for_each(|number| _ = publisher.publish(message(number)).expect("room"));
        // All but one: its consumer is busy, and what is enqueued is staged.
        (0..3).for_each(|_| subscription.recv().expect("not closed").ack().expect("in time"));
    } else {
        (0..4).for_each(|number| _ = publisher.publish(message(number)).expect("room"));
        drop(publisher.enqueue(theirs).expect("staged"));
    }
    (engine, publisher, subscription, outcomes)
}

/// Has `call` drop the owner, on a thread of its own, since one that waits for itself never comes back.
fn comes_back(first: bool, call: fn(&Engine, &Publisher)) -> bool {
    let (engine, publisher, subscription, outcomes) = with_an_owner_that_publishes(first);
    let (done, is_done) = mpsc::channel();
    let calls = std::thread::spawn(move || {
        call(&engine, &publisher);
        done.send(engine).expect("somebody waits");
    });
    let _engine = is_done.recv_timeout(Duration::from_secs(5)).expect("it comes back");
    calls.join().expect("nothing panics");
    assert_balanced(&subscription);
    outcomes.recv_timeout(Duration::from_secs(5)).expect("the owner was dropped")
}

/// The lane's lock is not held then, under whichever call, and what it publishes goes the usual way.
#[test]
fn an_owner_that_publishes_when_its_payload_is_dropped_waits_for_nobody() {
    // A small one takes the slot; a large one has what the ring holds taken out first.
    comes_back(true, |_, publisher| {
        drop(publisher.enqueue(message(5)).expect("staged, or published"));
        publisher.flush().expect("there is room");
    });
    comes_back(true, |_, publisher| {
        drop(publisher.enqueue(ringmain::Message::new(vec![1; 1_500])).expect("staged, or published"));
        publisher.flush().expect("there is room");
    });
    assert!(!comes_back(false, |engine, _| engine.delete_topic("topic").expect("there")), "it is closed");
    assert!(!comes_back(false, |engine, _| _ = engine.close(Close::Now)), "it is closed");
}
