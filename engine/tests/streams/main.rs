//! `Subscription::stream`, and receipts as futures: by hand, with a waker that counts, and on two executors.
//!
//! By hand, a test says exactly when a stream goes to sleep, and everything that gives it something to yield must wake
//! it: a wake-up that is forgotten shows at once, and not as a hang. Time moves by hand, too. [`yielding`] is about what
//! a stream yields and when it ends, [`waking`] about all that wakes it, [`eager`] about wakers that poll it at
//! once, [`bounds`] about what sleeping costs, [`receipts`] about the futures that `enqueue` returns, and [`executors`]
//! about two real ones.

mod bounds;
#[path = "../common/mod.rs"]
mod common;
mod eager;
mod executors;
mod receipts;
mod waking;
mod yielding;

use common::{manual, message, number, subscribe, topic};
use futures_util::Stream;
use ringmain::{
    Delivery, DeliveryStream, Engine, ManualClock, Publisher, RecvError, Subscription, SubscriptionConfig,
};
use ringmain_ring::sync::{AtomicUsize, Ordering};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);

/// A waker that counts.
#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    /// How often it was woken since it was last asked.
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stream, or another future, polled by hand.
struct ByHand<S> {
    inner: S,
    count: Arc<Count>,
}

impl<S> ByHand<S> {
    fn of(inner: S) -> Self {
        Self { inner, count: Arc::default() }
    }

    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.count))
    }

    /// How many wakers of it are about: what its sleep costs.
    fn wakers(&self) -> usize {
        Arc::strong_count(&self.count) - 1
    }
}

impl<F: Future + Unpin> ByHand<F> {
    fn poll_once(&mut self) -> Poll<F::Output> {
        let waker = self.waker();
        Pin::new(&mut self.inner).poll(&mut Context::from_waker(&waker))
    }
}

impl ByHand<DeliveryStream> {
    fn new(subscription: &Subscription) -> Self {
        Self::of(subscription.stream())
    }

    fn poll(&mut self) -> Poll<Option<Result<Delivery, RecvError>>> {
        let waker = self.waker();
        Pin::new(&mut self.inner).poll_next(&mut Context::from_waker(&waker))
    }

    /// There is nothing to yield: from here on it is to be woken.
    #[track_caller]
    fn sleeps(&mut self) {
        self.count.take();
        let polled = self.poll();
        assert!(polled.is_pending(), "there is nothing to yield, and yet: {polled:?}");
    }

    #[track_caller]
    fn is_woken(&self) {
        assert!(self.count.take() > 0, "it was not woken");
    }

    #[track_caller]
    fn yields(&mut self) -> Delivery {
        match self.poll() {
            Poll::Ready(Some(Ok(delivery))) => delivery,
            other => panic!("not a delivery: {other:?}"),
        }
    }

    /// It was woken, and yields a message.
    #[track_caller]
    fn woken_to_yield(&mut self) -> Delivery {
        self.is_woken();
        self.yields()
    }

    /// It ends, and goes on saying so.
    #[track_caller]
    fn ends(&mut self) {
        for _ in 0..2 {
            assert!(matches!(self.poll(), Poll::Ready(None)), "it is not at its end");
        }
    }

    #[track_caller]
    fn woken_to_end(&mut self) {
        self.is_woken();
        self.ends();
    }

    /// The numbers of everything that it yields now, acked.
    fn numbers(&mut self) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Poll::Ready(Some(Ok(delivery))) = self.poll() {
            numbers.push(number(delivery.data()));
            delivery.ack().expect("in time");
        }
        numbers
    }
}

fn config() -> SubscriptionConfig {
    SubscriptionConfig::default()
}

/// A subscription of its own settings, on a ring of 8.
fn with(config: SubscriptionConfig) -> (Engine, ManualClock, Publisher, Subscription) {
    let (engine, clock) = manual();
    let topic = topic(&engine, 8);
    let subscription = topic.create_subscription("sub", config).expect("good settings");
    (engine, clock, topic.publisher(), subscription)
}

/// Leaves `quick` a backlog on a ring of 8 that another subscription, which this returns, holds full: what is enqueued
/// now is staged, and stays so until there is room and somebody fetches it.
fn stuck(quick: &Subscription) -> Subscription {
    let slow = subscribe(&quick.topic(), "slow");
    let publisher = quick.topic().publisher();
    for number in 0..8 {
        publisher.publish(message(number)).expect("room");
    }
    quick.recv().expect("a message").ack().expect("in time");
    slow
}
