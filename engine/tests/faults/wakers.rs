//! Wakers that panic. They are called where something comes about that a task waits for: in another one's publish, receive
//! or ack, under a lane, in the midst of an expiry. None of these is to fail for it, or to stop half-way.

use super::common::failing::DEADLINE;
use super::common::{
    assert_balanced, message, number, ordering, receive_all, single, single_with, subscribe,
};
use ringmain::{DeliveryStream, Engine, TopicConfig};
use ringmain_ring::sync::{AtomicUsize, Ordering};
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

/// Counts how often it is woken, and panics at each.
#[derive(Default)]
struct Bomb(AtomicUsize);

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        // (Without the panic hook, which would fill the test's output.)
        resume_unwind(Box::new("a waker"));
    }
}

impl Bomb {
    /// The task sleeps.
    #[track_caller]
    fn polls<F: Future>(self: &Arc<Self>, future: Pin<&mut F>) {
        let waker = Waker::from(Arc::clone(self));
        assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
    }

    #[track_caller]
    fn sleeps(self: &Arc<Self>, stream: &mut DeliveryStream) {
        self.polls(pin!(futures_util::StreamExt::next(stream)));
    }

    #[track_caller]
    fn went_off(&self) {
        assert!(self.0.swap(0, Ordering::Relaxed) > 0, "it was not woken");
    }
}

#[test]
fn leases_expire_behind_one_and_expire_again() {
    let (engine, clock, publisher, subscription) = single(8);
    let (bomb, mut stream) = (Arc::new(Bomb::default()), subscription.stream());
    (0..2).for_each(|number| _ = publisher.publish(message(number)).expect("room"));
    for round in 1..4 {
        let leases = subscription.pull(9).expect("not closed");
        assert_eq!(leases.len(), 2);
        bomb.sleeps(&mut stream);
        clock.advance(DEADLINE);
        engine.tick();
        bomb.went_off();
        assert_eq!((subscription.stats().expired, subscription.stats().outstanding), (round * 2, 0));
    }
    assert_eq!(receive_all(&subscription), [0, 1]);
    assert_balanced(&subscription);
}

/// The real thread and the real clock: it survives the first, and so there is a second.
#[test]
fn the_thread_that_expires_leases_goes_on_behind_one() {
    let engine = Engine::new();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(8)).expect("a new topic");
    let subscription = subscribe(&topic, "sub");
    let (bomb, mut stream) = (Arc::new(Bomb::default()), subscription.stream());
    topic.publisher().publish(message(1)).expect("room");
    for _ in 0..2 {
        let lease = subscription.recv().expect("not closed");
        bomb.sleeps(&mut stream);
        lease.modify_ack_deadline(Duration::from_millis(5)).expect("in time");
        super::common::until(|| bomb.0.load(Ordering::Relaxed) > 0);
        bomb.went_off();
        lease.ack().expect_err("it is late");
    }
}

/// Another subscription holds the ring full, so what is enqueued stays staged until the flush.
#[test]
fn what_is_staged_is_published_once_though_one_waits_for_it() {
    let (_engine, _clock, publisher, quick) = single(8);
    let slow = subscribe(&quick.topic(), "slow");
    (0..8).for_each(|number| _ = publisher.publish(message(number)).expect("room"));
    quick.recv().expect("not closed").ack().expect("in time");
    let (data, readable) = (Arc::new(Bomb::default()), Arc::new(Bomb::default()));
    let mut receipt = publisher.enqueue(message(8)).expect("it is staged");
    readable.polls(pin!(&mut receipt));
    assert_eq!(receive_all(&quick), (1..8).collect::<Vec<_>>());
    let mut stream = quick.stream();
    data.sleeps(&mut stream);
    slow.recv().expect("not closed").ack().expect("in time");
    readable.went_off(); // there is room
    data.went_off(); // and does not look: it is still among those who sleep for data
    publisher.flush().expect("room");
    data.went_off(); // there is data
    assert_eq!(receipt.wait().expect("published").get(), 8);
    publisher.flush().expect("nothing is staged");
    assert_eq!(receive_all(&quick), [8]);
    assert_eq!(receive_all(&slow), (1..9).collect::<Vec<_>>());
    assert_balanced(&quick);
}

/// With message ordering as well, where what was taken is not handed out before the room is told of.
#[test]
fn what_is_taken_from_a_full_ring_is_delivered_though_one_waits_for_the_room() {
    for config in [Default::default(), ordering()] {
        let (_engine, _clock, publisher, subscription) = single_with(1, config);
        publisher.publish(message(0)).expect("room");
        let bomb = Arc::new(Bomb::default());
        let mut waiting = pin!(publisher.publish_async(message(1)));
        bomb.polls(waiting.as_mut());
        let delivery = subscription.try_recv().expect("not closed").expect("a message");
        bomb.went_off();
        assert_eq!(number(delivery.data()), 0);
        delivery.ack().expect("in time");
        assert!(waiting.poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert_eq!(receive_all(&subscription), [1]);
        assert_balanced(&subscription);
    }
}
