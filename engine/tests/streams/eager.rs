//! Wakers that run their task where they are woken: inside whatever call it is that gives it something to do. What the task
//! then calls must not find a lock held by that call, for it would wait for its own thread.

use crate::common::{assert_balanced, message, number, ordering, receive_all, single, single_with};
use crate::{ByHand, DEADLINE, config, stuck, with};
use futures_util::{Stream, StreamExt};
use ringmain::{DeliveryStream, LimitExceeded, Message, PublisherConfig};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Polls at once, where it is woken: while a lease expires, inside a publish.
struct Eager {
    stream: Mutex<Option<DeliveryStream>>,
    numbers: Mutex<Vec<u64>>,
}

impl Wake for Eager {
    fn wake(self: Arc<Self>) {
        // A wake-up while it polls finds no stream here, and is none.
        let Some(mut stream) = self.stream.lock().expect("no panic").take() else { return };
        let waker = Waker::from(Arc::clone(&self));
        let mut context = Context::from_waker(&waker);
        while let Poll::Ready(Some(Ok(delivery))) = Pin::new(&mut stream).poll_next(&mut context) {
            self.numbers.lock().expect("no panic").push(number(delivery.data()));
            delivery.ack().expect("in time");
        }
        *self.stream.lock().expect("no panic") = Some(stream);
    }
}

#[test]
fn a_waker_that_polls_where_it_is_woken() {
    let (engine, clock, publisher, subscription) = with(config());
    let stream = Mutex::new(Some(subscription.stream()));
    let eager = Arc::new(Eager { stream, numbers: Mutex::default() });
    publisher.publish(message(0)).unwrap();
    let lease = subscription.recv().unwrap();
    Arc::clone(&eager).wake();
    clock.advance(DEADLINE);
    engine.tick();
    publisher.publish(message(1)).unwrap();
    drop(publisher.enqueue(message(2)).unwrap());
    assert_eq!(*eager.numbers.lock().unwrap(), [0, 1, 2]);
    assert!(lease.ack().is_err());
    engine.delete_topic("topic").unwrap();
    assert_balanced(&subscription);
}

/// Does this, once, where it is woken; nothing before it is told what.
#[derive(Default)]
struct Task(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let next = self.0.lock().expect("no panic").take();
        if let Some(next) = next {
            next();
        }
    }
}

impl Task {
    #[track_caller]
    fn sleeps_on<F: Future>(self: &Arc<Self>, future: Pin<&mut F>) {
        let waker = Waker::from(Arc::clone(self));
        assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
    }

    fn is_to(&self, next: impl FnOnce() + Send + 'static) {
        *self.0.lock().expect("no panic") = Some(Box::new(next));
    }

    #[track_caller]
    fn was_woken(&self) {
        assert!(self.0.lock().expect("no panic").is_none(), "it was not woken");
    }
}

/// One sleeps for data, for a receipt, or for credit; and enqueues, to the lane that is just being emptied.
#[test]
fn what_a_lane_wakes_enqueues_to_it() {
    for what in ["data", "receipt", "credit"] {
        let (_engine, _clock, publisher, quick) = single(8);
        let slow = stuck(&quick);
        let limits =
            PublisherConfig::default().max_outstanding_messages(2).limit_exceeded(LimitExceeded::Block);
        let publisher = Arc::new(if what == "credit" {
            quick.topic().publisher_with(limits).unwrap()
        } else {
            publisher
        });
        let mut receipt = publisher.enqueue(message(8)).unwrap();
        drop(publisher.enqueue(message(9)).unwrap());
        let task = Arc::new(Task::default());
        let mut stream = quick.stream();
        let mut waiting = pin!(publisher.publish_async(message(10)));
        match what {
            "data" => {
                assert_eq!(receive_all(&quick).len(), 7);
                task.sleeps_on(pin!(stream.next()));
            }
            "receipt" => task.sleeps_on(pin!(&mut receipt)),
            _ => task.sleeps_on(waiting.as_mut()),
        }
        // Room, and yet a backlog.
        for subscription in [&quick, &slow] {
            subscription.pull(4).unwrap().into_iter().for_each(|delivery| delivery.ack().unwrap());
        }
        let again = Arc::clone(&publisher);
        task.is_to(move || drop(again.enqueue(message(11)).unwrap()));
        publisher.flush().unwrap();
        task.was_woken();
        if what == "credit" {
            assert!(waiting.poll(&mut Context::from_waker(Waker::noop())).is_ready());
        }
        let received = receive_all(&slow);
        let of_credit: &[_] = if what == "credit" { &[11, 10] } else { &[11] };
        assert_eq!((&received[4..6], &received[6..]), (&[8, 9][..], of_credit), "{what}");
        drop(receipt);
    }
}

/// A subscription that comes tells of room, as may be; so does one that takes from a full ring, with message ordering while
/// nobody else may take.
#[test]
fn what_room_wakes_subscribes_and_receives() {
    for ordered in [false, true] {
        let (_engine, _clock, publisher, subscription) =
            single_with(1, if ordered { ordering() } else { config() });
        publisher.publish(message(0)).unwrap();
        let task = Arc::new(Task::default());
        let mut waiting = pin!(publisher.publish_async(message(1)));
        task.sleeps_on(waiting.as_mut());
        let topic = subscription.topic();
        if ordered {
            let other = subscription.clone();
            task.is_to(move || assert!(other.try_recv().unwrap().is_none()));
            subscription.recv().unwrap().ack().unwrap();
        } else {
            let again = topic.clone();
            task.is_to(move || drop(again.create_subscription("other", config()).unwrap()));
            topic.create_subscription("one", config()).unwrap().detach();
        }
        task.was_woken();
    }
}

/// A flush waits for room. When there is some, another is faster: publishes what the flush waits for, and enqueues the next,
/// for which there is no room again. That was not there before the flush, which returns.
#[test]
fn a_flush_does_not_wait_for_what_was_enqueued_after_it() {
    let (_engine, _clock, _publisher, quick) = single(8);
    let slow = stuck(&quick);
    quick.pull(4).unwrap().into_iter().for_each(|delivery| delivery.ack().unwrap());
    let limits = PublisherConfig::default().max_outstanding_messages(2).limit_exceeded(LimitExceeded::Block);
    let publisher = Arc::new(quick.topic().publisher_with(limits).unwrap());
    let mut staged = publisher.enqueue(message(8)).unwrap();
    drop(publisher.enqueue(message(9)).unwrap());
    // Who waits for credit is told when a call waits for room: this one, for its flush.
    let (task, (tells, told)) = (Arc::new(Task::default()), std::sync::mpsc::channel());
    task.is_to(move || tells.send(()).unwrap());
    let mut waiting = pin!(publisher.publish_async(message(11)));
    task.sleeps_on(waiting.as_mut());
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| publisher.flush());
        told.recv().unwrap();
        let again = Arc::clone(&publisher);
        task.is_to(move || {
            let mut context = Context::from_waker(Waker::noop());
            assert!(pin!(&mut staged).poll(&mut context).is_ready());
            drop(again.enqueue(message(10)).unwrap());
        });
        slow.pull(2).unwrap().into_iter().for_each(|delivery| delivery.ack().unwrap());
        task.was_woken();
        flush.join().unwrap().unwrap();
    });
    assert_eq!(quick.topic().stats().published, 10, "the next is staged");
}

/// One takes a message off a full ring, without credit for it. Who waits for room is woken by that, acks, and sees to it that another
/// one looks for something to do: the message is in nobody's place just then.
#[test]
fn what_is_handed_back_wakes_who_looked_meanwhile() {
    let config = config().max_outstanding_bytes(100);
    let (_engine, _clock, publisher, subscription) = single_with(1, config);
    let large = || Message::new(vec![1; 60]);
    publisher.publish(large()).unwrap();
    let first = subscription.recv().unwrap();
    publisher.publish(large()).unwrap();
    let task = Arc::new(Task::default());
    let mut room = pin!(publisher.publish_async(large()));
    task.sleeps_on(room.as_mut());
    let sleeper = Arc::new(Mutex::new(ByHand::new(&subscription)));
    let inside = Arc::clone(&sleeper);
    task.is_to(move || {
        first.ack().unwrap();
        inside.lock().unwrap().sleeps();
    });
    assert!(subscription.try_recv().unwrap().is_none(), "there was no credit");
    task.was_woken();
    sleeper.lock().unwrap().woken_to_yield().ack().unwrap();
}

/// Leases are being expired, as of a moment ago, when somebody looks at the clock again.
#[test]
fn a_tick_in_the_midst_of_an_expiry_is_not_lost() {
    let (engine, clock, publisher, subscription) = with(config());
    let half = DEADLINE / 2;
    for until_next in [half, Duration::ZERO] {
        publisher.publish(message(0)).unwrap();
        let _id = subscription.recv().unwrap().into_ack_id();
        clock.advance(until_next);
    }
    let task = Arc::new(Task::default());
    let mut stream = pin!(subscription.stream());
    let mut next = stream.next();
    task.sleeps_on(Pin::new(&mut next));
    let (inner, later) = (engine.clone(), clock.clone());
    task.is_to(move || {
        later.advance(half);
        std::thread::scope(|scope| scope.spawn(|| inner.tick()).join()).unwrap();
    });
    clock.advance(half);
    engine.tick();
    task.was_woken();
    let stats = subscription.stats();
    assert_eq!((stats.expired, stats.outstanding), (2, 0));
}
