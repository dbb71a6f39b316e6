//! Code of the caller's that runs on a consumer's thread, or in the midst of a detach.

use super::common::{assert_balanced, manual, message, subscribe, topic};
use ringmain::{
    Bytes, Dispatcher, Message, Overflow, PublishError, Subscription, SubscriptionConfig, Verdict,
};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// A payload whose owner does so when it goes.
struct Large<F: FnMut() + Send>(F);

impl<F: FnMut() + Send> AsRef<[u8]> for Large<F> {
    fn as_ref(&self) -> &[u8] {
        &[7; 1_000]
    }
}

impl<F: FnMut() + Send> Drop for Large<F> {
    fn drop(&mut self) {
        self.0();
    }
}

fn owned(dropped: impl FnMut() + Send + 'static) -> Message {
    Message::new(Bytes::from_owner(Large(dropped)))
}

#[test]
fn a_gap_that_a_dispatcher_meets_in_the_midst_of_a_detach_is_counted() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 8);
    let lossy = SubscriptionConfig::default().overflow(Overflow::DropOldest);
    let [detached, busy] =
        ["detached", "busy"].map(|name| topic.create_subscription(name, lossy.clone()).expect("new"));
    let publisher = topic.publisher();
    let polls: Arc<Mutex<Option<Dispatcher>>> = Arc::default();
    for _ in 0..8 {
        let polls = Arc::clone(&polls);
        let poll = move || _ = polls.lock().expect("no panic").take().map(|mut dispatcher| dispatcher.poll());
        publisher.publish(owned(poll)).expect("lossy");
    }
    busy.recv().expect("published").ack().expect("in time");
    let staged = publisher.enqueue(message(0)).expect("staged");
    assert!(!staged.is_ready(), "somebody is busy");
    let (tell, told) = mpsc::channel();
    let dispatcher =
        Dispatcher::new().add_lossy(&detached, |_| Verdict::Ack, move |lost| _ = tell.send(lost));
    *polls.lock().expect("no panic") = Some(dispatcher);
    // Fetches what is staged, which pushes the subscription on, and lets the owner go whose slot that takes.
    detached.detach();
    assert!(polls.lock().expect("no panic").is_none(), "it polled");
    assert!(told.try_recv().is_err(), "a gap went with the backlog");
    let stats = detached.stats();
    // It was faster than the detach with the rest.
    assert_eq!((stats.accepted, stats.acked, stats.discarded, stats.dropped), (9, 7, 2, 0), "{stats:?}");
    assert_balanced(&detached);
}

/// How often the owner published, and that the next time would have been for ever.
fn owner_publishes(consume: fn(&Subscription)) -> usize {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 4);
    let subscription = subscribe(&topic, "sub");
    let (publisher, theirs) = (topic.publisher(), topic.publisher());
    let (tell, told) = mpsc::channel();
    let publish = move || loop {
        match theirs.publish(message(9)) {
            Ok(_) => tell.send(true).expect("somebody listens"),
            Err(PublishError::WouldDeadlock(_)) => return tell.send(false).expect("somebody listens"),
            Err(other) => panic!("{other}"),
        }
    };
    publisher.publish(owned(publish)).expect("room");
    (1..4).for_each(|number| _ = publisher.publish(message(number)).expect("room"));
    (0..3).for_each(|_| subscription.recv().expect("published").ack().expect("in time"));
    drop(publisher.enqueue(message(4)).expect("staged"));
    let (done, is_done) = mpsc::channel();
    let consumer = subscription.clone();
    std::thread::spawn(move || {
        consume(&consumer);
        done.send(()).expect("somebody waits");
    });
    is_done.recv_timeout(Duration::from_secs(5)).expect("it does not wait for itself");
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told.last(), Some(&false), "{told:?}");
    told.len() - 1
}

/// What is staged is fetched by a consumer that has nothing to read, and its slot may be that of somebody's payload.
#[test]
fn an_owner_that_publishes_on_a_consumers_thread_goes_on_to_where_it_would_wait_for_itself() {
    let leased = owner_publishes(|subscription| {
        // The last of before, then what was staged.
        (0..2).for_each(|_| subscription.recv().expect("published").ack().expect("in time"));
    });
    let in_place = owner_publishes(|subscription| {
        let mut dispatcher = Dispatcher::new().add(subscription, |_| Verdict::Ack);
        while dispatcher.poll() > 0 {}
    });
    assert_eq!((leased, in_place), (3, 3), "of four slots, one of which is what was staged");
}
