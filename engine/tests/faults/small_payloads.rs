//! Payloads that are copied, whose owner hears of it in the midst of the call that publishes them, and panics or publishes.

use super::common::{assert_balanced, message, single};
use super::owned::owned;
use ringmain::{LimitExceeded, Message, Publisher, PublisherConfig, Subscription};
use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

fn small(dropped: impl FnMut() + Send + 'static) -> Message {
    owned(100, dropped)
}

/// A consumer that has taken one message and has so many to go is busy: for it messages gather.
fn read_one_of(publisher: &Publisher, subscription: &Subscription, backlog: u64) {
    (0..backlog).for_each(|number| _ = publisher.publish(message(number)).expect("room"));
    if backlog > 0 {
        publisher.publish(message(backlog)).expect("room");
        subscription.recv().expect("open").ack().expect("in time");
    }
}

type Publish = fn(&Publisher, Message);

const WAYS: [(&str, Publish); 6] = [
    ("publish", |publisher, message| _ = publisher.publish(message).expect("room")),
    ("publish, with a key", |publisher, message| {
        publisher.publish(message.ordering_key("k")).expect("room");
    }),
    ("try_publish", |publisher, message| _ = publisher.try_publish(message).expect("room")),
    ("publish_async", |publisher, message| {
        let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
        let published = std::pin::Pin::new(&mut publisher.publish_async(message)).poll(context);
        assert!(published.is_ready(), "there is room");
    }),
    ("publish_batch", |publisher, message| drop(publisher.publish_batch([message]).expect("room"))),
    ("enqueue", |publisher, message| drop(publisher.enqueue(message).expect("room"))),
];

#[test]
fn a_panic_of_an_owner_ends_in_the_call_that_copied() {
    for ((name, publish), backlog) in WAYS.into_iter().flat_map(|way| [(way, 0), (way, 3)]) {
        let (_engine, _clock, publisher, subscription) = single(16);
        read_one_of(&publisher, &subscription, backlog);
        let (drops, dropped) = mpsc::channel();
        publish(
            &publisher,
            small(move || {
                drops.send(()).expect("somebody listens");
                resume_unwind(Box::new("the owner of a payload"));
            }),
        );
        assert_eq!(dropped.try_iter().count(), 1, "{name}");
        publisher.flush().expect("open");
        let arrived = subscription.pull(9).expect("open");
        assert_eq!(arrived.len() as u64, backlog + 1, "{name}");
        arrived.into_iter().for_each(|delivery| delivery.ack().expect("in time"));
        assert_balanced(&subscription);
    }
}

/// On the same publisher, with something to read so that what is enqueued is staged, and without; with credit for one
/// message, and without limits.
#[test]
fn an_owner_may_publish_and_enqueue_in_the_call_that_copied() {
    let limits = PublisherConfig::default().max_outstanding_messages(1).limit_exceeded(LimitExceeded::Block);
    for (name, publish) in WAYS {
        for (backlog, limited) in [(0, false), (3, false), (0, true), (3, true)] {
            // What is staged keeps its credit, and the owner's would have to wait for room.
            if limited && backlog > 0 && name == "enqueue" {
                continue;
            }
            let (_engine, _clock, publisher, subscription) = single(16);
            read_one_of(&publisher, &subscription, backlog);
            let topic = publisher.topic();
            let publisher =
                if limited { topic.publisher_with(limits.clone()) } else { Ok(topic.publisher()) };
            let publisher = Arc::new(publisher.expect("good limits"));
            let (done, is_done) = mpsc::channel();
            let (by, again) = (Arc::clone(&publisher), done.clone());
            let owned = small(move || {
                by.publish(message(8)).expect("room");
                if !limited {
                    drop(by.enqueue(message(9)).expect("room"));
                }
                again.send("the owner").expect("somebody listens");
            });
            let call = thread::spawn(move || {
                publish(&publisher, owned);
                publisher.flush().expect("open");
                done.send("the call").expect("somebody listens");
            });
            let come = || is_done.recv_timeout(Duration::from_secs(5));
            assert_eq!((come(), come()), (Ok("the owner"), Ok("the call")), "{name}, {backlog}, {limited}");
            call.join().expect("nothing panics");
            let arrived = subscription.pull(16).expect("open");
            assert_eq!(arrived.len() as u64, backlog + 2 + u64::from(!limited), "{name}");
            arrived.into_iter().for_each(|delivery| delivery.ack().expect("in time"));
            assert_balanced(&subscription);
        }
    }
}
