//! Who waits for credit, or for room to hold more: they sleep although there is work, and are woken when it may be done.
#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::{assert_balanced, manual, message, until};
use futures_core::Stream;
use ringmain::{
    Close, Delivery, DeliveryStream, Dispatcher, Engine, ManualClock, Message, Publisher, RecvError,
    Subscription, SubscriptionConfig, TopicConfig, Verdict, WaitStrategy,
};
use ringmain_ring::sync::{AtomicUsize, Ordering};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(30);
/// For what comes at once, or never.
const LONG: Duration = Duration::from_secs(20);

fn bytes(most: usize) -> SubscriptionConfig {
    SubscriptionConfig::default().max_outstanding_bytes(most)
}

fn messages(most: usize) -> SubscriptionConfig {
    SubscriptionConfig::default().max_outstanding_messages(most)
}

/// One topic, one publisher and one subscription, whose waiting is parking from the first moment on.
fn single(config: SubscriptionConfig) -> (Engine, ManualClock, Publisher, Subscription) {
    let (engine, clock) = manual();
    let topic = TopicConfig::default().ring_slots(8).wait(WaitStrategy::Park);
    let topic = engine.create_topic("topic", topic).unwrap();
    let subscription = topic.create_subscription("sub", config).unwrap();
    (engine, clock, topic.publisher(), subscription)
}

fn publish(publisher: &Publisher, sizes: &[usize]) {
    sizes.iter().for_each(|size| _ = publisher.publish(Message::new(vec![0; *size])).unwrap());
}

/// A stream that counts how often its task was woken.
struct Task {
    stream: Pin<Box<DeliveryStream>>,
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    fn new(subscription: &Subscription) -> Self {
        Self { stream: Box::pin(subscription.stream()), wakes: Arc::default() }
    }

    /// What there is now; `None` also puts the task to sleep.
    fn poll(&mut self) -> Option<Delivery> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        match self.stream.as_mut().poll_next(&mut Context::from_waker(&waker)) {
            Poll::Ready(Some(Ok(delivery))) => Some(delivery),
            Poll::Ready(other) => panic!("{other:?}"),
            Poll::Pending => None,
        }
    }

    fn was_woken(&self) -> bool {
        self.wakes.0.swap(0, Ordering::Relaxed) > 0
    }
}

#[test]
fn a_task_is_woken_by_every_end_of_a_lease_that_gives_credit_back() {
    type End = fn(&Engine, &ManualClock, &Subscription, Delivery);
    let ends: [(&str, End); 7] = [
        ("ack", |_, _, _, delivery| delivery.ack().unwrap()),
        ("ack all", |_, _, _, delivery| Delivery::ack_all(&mut vec![delivery]).unwrap()),
        ("ack all by id", |_, _, subscription, delivery| {
            subscription.ack_all(&mut vec![delivery.into_ack_id()]).unwrap();
        }),
        ("ack by id", |_, _, subscription, delivery| subscription.ack(delivery.into_ack_id()).unwrap()),
        ("nack", |_, _, _, delivery| delivery.nack().unwrap()),
        ("drop", |_, _, _, delivery| drop(delivery)),
        ("expiry", |engine, clock, _, delivery| {
            clock.advance(DEADLINE);
            engine.tick();
            assert!(delivery.ack().is_err());
        }),
    ];
    for (how, end) in ends {
        for config in [messages(1), bytes(10), bytes(3)] {
            let (engine, clock, publisher, subscription) = single(config);
            publish(&publisher, &[6, 6]);
            let first = subscription.try_recv().unwrap().unwrap();
            let mut task = Task::new(&subscription);
            assert!(task.poll().is_none() && !task.was_woken());
            end(&engine, &clock, &subscription, first);
            assert!(task.was_woken(), "{how}");
            let next = task.poll().expect("there is credit");
            assert_eq!(subscription.stats().outstanding, 1);
            next.ack().unwrap();
            assert_balanced(&subscription);
        }
    }
}

/// Whatever they wait for, credit or messages.
#[test]
fn a_task_is_woken_by_every_end_of_its_subscription() {
    type End = fn(&Engine, &Subscription);
    let ends: [(&str, End); 4] = [
        ("detach", |_, subscription| subscription.detach()),
        ("delete", |engine, _| engine.delete_subscription("sub").unwrap()),
        ("close", |engine, _| _ = engine.close(Close::Now)),
        ("topic", |engine, _| engine.delete_topic("topic").unwrap()),
    ];
    for ((how, end), has_credit) in ends.into_iter().flat_map(|end| [(end, false), (end, true)]) {
        let (engine, _clock, publisher, subscription) = single(messages(1));
        let mut first = None;
        if !has_credit {
            publish(&publisher, &[1, 1]);
            first = subscription.try_recv().unwrap();
        }
        let mut task = Task::new(&subscription);
        assert!(task.poll().is_none());
        end(&engine, &subscription);
        if how == "topic" {
            first.into_iter().for_each(|delivery| delivery.ack().unwrap());
        }
        assert!(task.was_woken(), "{how}");
        assert_eq!(subscription.try_recv().is_ok(), how == "topic" && !has_credit, "{how}");
    }
}

#[test]
fn a_thread_asleep_for_want_of_bytes_wakes_when_there_are_enough() {
    let (_engine, _clock, publisher, subscription) = single(bytes(100));
    publish(&publisher, &[40, 30, 60]);
    let mut out = subscription.pull(10).unwrap();
    assert_eq!(out.len(), 2);
    thread::scope(|scope| {
        let third = scope.spawn(|| subscription.recv_timeout(LONG).map(|delivery| delivery.data().len()));
        until(|| subscription.stats().held == 1); // it does not fit, and is held
        out.pop().unwrap().ack().unwrap(); // now it does
        assert_eq!(third.join().unwrap(), Ok(60));
    });
    assert_balanced(&subscription);
}

#[test]
fn who_was_refused_once_does_not_wait_when_the_next_message_fits() {
    let (_engine, _clock, publisher, subscription) = single(bytes(100));
    publish(&publisher, &[40, 30, 60]);
    let [first, second] = subscription.pull(10).unwrap().try_into().unwrap();
    second.ack().unwrap();
    let third = subscription.recv_timeout(LONG).unwrap();
    first.ack().unwrap();
    publish(&publisher, &[10]);
    assert!(subscription.wait(LONG), "of 100 bytes 60 are out");
    assert_eq!(subscription.stats().outstanding_bytes, 60);
    drop(third);
}

/// How long this thread has run.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

/// Waits in vain, and sleeps meanwhile.
#[track_caller]
fn sleeps(what: &str, subscription: &Subscription) {
    assert!(subscription.stats().backlog() > 0, "{what}: there is work");
    let before = cpu_time();
    assert_eq!(subscription.recv_timeout(PAUSE).unwrap_err(), RecvError::Timeout, "{what}");
    assert!(!subscription.wait(PAUSE), "{what}");
    if let (Some(before), Some(after)) = (before, cpu_time()) {
        assert!(after - before < PAUSE / 2, "{what}: it ran for {:?} of {:?}", after - before, PAUSE * 2);
    }
    assert_balanced(subscription);
}

#[test]
fn a_thread_without_credit_sleeps_although_there_is_work() {
    let (_engine, _clock, publisher, subscription) = single(messages(2));
    publish(&publisher, &[1; 8]);
    let out = subscription.pull(10).unwrap();
    sleeps("no credit for a message", &subscription);
    drop(out);

    for sizes in [[100, 1, 1], [99, 2, 1], [60, 60, 1], [500, 1, 1], [1, 500, 1]] {
        let (_engine, _clock, publisher, subscription) = single(bytes(100));
        publish(&publisher, &sizes);
        let out = subscription.pull(10).unwrap();
        assert_eq!(out.len(), 1);
        sleeps("no credit for its bytes", &subscription);
        drop(out);
    }
}

/// Everything that may be held is, none of it may be delivered now, and there is more on the ring.
fn stuck(how: &str) -> (Engine, Publisher, Subscription, Option<Delivery>) {
    let config = SubscriptionConfig::default().max_held_messages(3);
    let config = match how {
        "backoff" => config.retry(DEADLINE, DEADLINE),
        "key" => config.message_ordering(),
        _ => config,
    };
    let (engine, _clock) = manual();
    let park = TopicConfig::default().ring_slots(8).wait(WaitStrategy::Park);
    let dead = engine.create_topic("dead", park.clone()).unwrap();
    let topic = engine.create_topic("topic", park).unwrap();
    let config = if how == "parked" { config.dead_letter(&dead, 5) } else { config };
    let subscription = topic.create_subscription("sub", config).unwrap();
    engine.delete_topic("dead").unwrap();
    let publisher = topic.publisher();
    let mut kept = None;
    for number in 0..20 {
        // (Another publisher each time: where there is no room, a publisher pauses the key.)
        drop(topic.publisher().try_publish(message(number).ordering_key("a")));
        for _ in 0..5 {
            match subscription.try_recv().unwrap() {
                Some(first) if how == "key" => kept = Some(first),
                other => drop(other),
            }
        }
    }
    let stats = subscription.stats();
    assert_eq!((stats.held, stats.unread, stats.parked > 0), (3, 8, how == "parked"), "{how}: {stats:?}");
    (engine, publisher, subscription, kept)
}

#[test]
fn a_thread_sleeps_when_enough_is_held_although_there_is_more_on_the_ring() {
    for how in ["backoff", "key", "parked"] {
        let (_engine, _publisher, subscription, _kept) = stuck(how);
        sleeps(how, &subscription);
    }
}

#[test]
fn run_until_idle_returns_when_enough_is_held_although_there_is_more_on_the_ring() {
    for how in ["backoff", "key", "parked"] {
        let (_engine, _publisher, subscription, _kept) = stuck(how);
        let (done, wait) = mpsc::channel();
        let served = subscription.clone();
        // (Not scoped: it may never come back.)
        thread::spawn(move || {
            let mut dispatcher = Dispatcher::new().add(&served, |_| Verdict::Ack);
            done.send(dispatcher.run_until_idle()).unwrap();
        });
        assert_eq!(wait.recv_timeout(LONG / 10), Ok(0), "{how}: `run_until_idle` never waits");
    }
}

#[test]
fn a_dispatcher_sleeps_when_enough_is_held_although_there_is_more_on_the_ring() {
    for how in ["backoff", "key", "parked"] {
        let (_engine, _publisher, subscription, _kept) = stuck(how);
        let mut dispatcher = Dispatcher::new().add(&subscription, |_| Verdict::Ack);
        let stop = dispatcher.stop_handle();
        thread::scope(|scope| {
            let used = scope.spawn(move || {
                let before = cpu_time()?;
                dispatcher.run();
                Some(cpu_time()? - before)
            });
            drop(subscription.topic().publisher().publish_timeout(message(1), PAUSE)); // full: just that long
            stop.stop();
            let used = used.join().unwrap();
            assert!(used.is_none_or(|used| used < PAUSE / 2), "{how}: it ran for {used:?} of {PAUSE:?}");
        });
    }
}

#[test]
fn a_detach_by_policy_is_told_when_enough_is_held() {
    for in_place in [false, true] {
        let config = SubscriptionConfig::default()
            .max_held_messages(3)
            .retry(DEADLINE, DEADLINE)
            .overflow(ringmain::Overflow::Detach);
        let (_engine, _clock, publisher, subscription) = single(config);
        publish(&publisher, &[1; 3]);
        drop(subscription.pull(3).unwrap());
        publish(&publisher, &[1; 9]); // one too many
        let (done, wait) = mpsc::channel();
        let served = subscription.clone();
        // (Not scoped: it may never come back.)
        thread::spawn(move || {
            if in_place {
                Dispatcher::new().add(&served, |_| Verdict::Ack).run();
            } else {
                assert_eq!(served.recv().unwrap_err(), RecvError::Detached);
            }
            done.send(()).unwrap();
        });
        assert_eq!(wait.recv_timeout(LONG / 10), Ok(()), "in place: {in_place}");
        assert_eq!((subscription.stats().held, subscription.stats().discarded), (0, 12));
        assert_balanced(&subscription);
    }
}
