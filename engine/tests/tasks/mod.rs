//! Polling by hand, and a ring that is full.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use crate::common::{manual, message};
use ringmain::{
    Engine, ManualClock, Publisher, PublisherConfig, Subscription, SubscriptionConfig, TopicConfig,
};
use ringmain_ring::sync::{AtomicUsize, Ordering};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Polls once, with nobody to be woken.
pub(crate) fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A task: counts how often it was woken.
#[derive(Default)]
pub(crate) struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let task = Arc::new(Self::default());
        (Arc::clone(&task), Waker::from(task))
    }

    pub(crate) fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls until ready; parks in between.
pub(crate) fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    loop {
        if let Poll::Ready(output) = poll_with(&mut future, &waker) {
            return output;
        }
        thread::park();
    }
}

/// A topic whose ring of `slots` (at least two) is full, while its only subscription counts as busy: so what is
/// enqueued is staged, and stays so until something is received.
pub(crate) fn full(slots: usize, config: PublisherConfig) -> (Engine, ManualClock, Publisher, Subscription) {
    let (engine, clock) = manual();
    let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(slots)).expect("a new topic");
    let subscription = topic.create_subscription("sub", SubscriptionConfig::default()).expect("new");
    let filler = topic.publisher();
    for number in 0..slots as u64 {
        filler.publish(message(1000 + number)).expect("room");
    }
    subscription.recv().expect("a message").ack().expect("in time");
    filler.publish(message(1000 + slots as u64)).expect("room");
    let publisher = topic.publisher_with(config).expect("good settings");
    (engine, clock, publisher, subscription)
}

/// Receives and acks one message.
pub(crate) fn take(subscription: &Subscription) {
    subscription.try_recv().expect("attached").expect("a message").ack().expect("in time");
}
