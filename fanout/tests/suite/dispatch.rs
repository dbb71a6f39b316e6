//! Dispatchers: many receivers on one thread, how they end, and what a bad handler does to the others.

use ringmain_fanout::{Channel, ChannelBuilder, CursorSet, Dispatcher, Event, Overflow, WaitStrategy};
use ringmain_ring::sync::{AtomicU64, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

const RECEIVERS: u64 = if cfg!(miri) { 5 } else { 200 };
const MESSAGES: u64 = if cfg!(miri) { 50 } else { 2_000 };

fn channel(capacity: usize) -> Channel<u64> {
    Channel::new(capacity, || 0).expect("a power of two")
}

/// A handler that adds up what it reads, and checks that it comes in order.
fn adder(sum: &Arc<AtomicU64>) -> impl FnMut(Event<'_, u64>) + Send + 'static {
    let sum = Arc::clone(sum);
    let mut last = None;
    move |event| {
        if let Event::Batch(batch) = event {
            batch.for_each(|sequence, value| {
                assert!(last.is_none_or(|last| sequence.distance_from(last) > 0));
                last = Some(sequence);
                sum.fetch_add(*value, Ordering::Relaxed);
            });
        }
    }
}

#[test]
fn many_receivers_each_get_everything_and_close_drains() {
    for wait in [WaitStrategy::Spin, WaitStrategy::SpinThenPark, WaitStrategy::Park] {
        let channel = ChannelBuilder::new(64).wait(wait).build(|| 0u64).unwrap();
        let sum = Arc::new(AtomicU64::new(0));
        let mut dispatcher = Dispatcher::new(&channel).turn_limit(10);
        for _ in 0..RECEIVERS {
            dispatcher.add(channel.receiver(), adder(&sum)).unwrap();
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                for value in 1..=MESSAGES {
                    channel.publish(value).unwrap();
                }
                channel.close();
            });
            dispatcher.run();
        });
        assert_eq!(sum.load(Ordering::Relaxed), RECEIVERS * MESSAGES * (MESSAGES + 1) / 2);
    }
}

#[test]
fn whatever_was_published_before_the_close_is_read_before_run_ends() {
    for _ in 0..if cfg!(miri) { 5 } else { 300 } {
        let channel = channel(64);
        let sum = Arc::new(AtomicU64::new(0));
        let mut dispatcher = Dispatcher::new(&channel);
        dispatcher.add(channel.receiver(), adder(&sum)).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..10 {
                    channel.publish(1).unwrap();
                }
                channel.close();
            });
            dispatcher.run();
        });
        assert_eq!(sum.load(Ordering::Relaxed), 10);
    }
}

#[test]
fn whatever_was_accepted_during_the_close_is_read_before_run_ends() {
    for _ in 0..if cfg!(miri) { 5 } else { 300 } {
        let channel = channel(64);
        let sum = Arc::new(AtomicU64::new(0));
        let mut dispatcher = Dispatcher::new(&channel);
        dispatcher.add(channel.receiver(), adder(&sum)).unwrap();
        let accepted = thread::scope(|scope| {
            let publishers: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| (1..).take_while(|_| channel.publish(1).is_ok()).count() as u64))
                .collect();
            scope.spawn(|| {
                while channel.tail().number() < 20 {
                    thread::yield_now();
                }
                channel.close();
            });
            dispatcher.run();
            publishers.into_iter().map(|publisher| publisher.join().unwrap()).sum::<u64>()
        });
        assert_eq!(sum.load(Ordering::Relaxed), accepted);
    }
}

#[test]
fn a_stop_handle_ends_run_for_good_and_from_a_handler_too() {
    let channel = ChannelBuilder::new(8).wait(WaitStrategy::Park).build(|| 0u64).unwrap();
    let mut dispatcher = Dispatcher::new(&channel);
    let stop = dispatcher.stop_handle();
    let inside = stop.clone();
    dispatcher.add(channel.receiver(), move |_| inside.stop()).unwrap();
    channel.publish(1).unwrap();
    dispatcher.run();
    dispatcher.run();

    let mut asleep = Dispatcher::new(&channel);
    let stop = asleep.stop_handle();
    thread::scope(|scope| {
        scope.spawn(move || asleep.run());
        while !channel.data().has_sleepers() {
            thread::yield_now();
        }
        stop.stop();
    });
}

#[test]
fn a_handler_that_panics_loses_its_batch_and_nobody_elses() {
    let channel = channel(8);
    let (before, after) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut dispatcher = Dispatcher::new(&channel);
    dispatcher.add(channel.receiver(), adder(&before)).unwrap();
    dispatcher.add(channel.receiver(), |_| resume_unwind(Box::new("handler"))).unwrap();
    dispatcher.add(channel.receiver(), adder(&after)).unwrap();
    for value in [1, 10, 100] {
        channel.publish(value).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| dispatcher.poll())).is_err());
    }
    while dispatcher.poll() > 0 {}
    assert_eq!((before.load(Ordering::Relaxed), after.load(Ordering::Relaxed)), (111, 111));
    for _ in 0..8 {
        channel.try_publish(0).unwrap(); // nothing is held by what panicked
    }
}

#[test]
fn receivers_of_another_channel_are_refused_and_come_back() {
    let (here, there) = (channel(8), channel(8));
    let mut set = CursorSet::new(&here);
    for overflow in [Overflow::Block, Overflow::DropOldest] {
        let receiver = there.receiver_with("", overflow);
        let refused = set.add(receiver).unwrap_err();
        assert!(refused.to_string().contains("another channel"));
        let mut back = refused.0;
        there.publish(5).unwrap();
        assert_eq!(back.poll(8, |_, value| assert_eq!(*value, 5)), Ok(1));
    }
    assert!(set.is_empty());
    assert_eq!(set.add(here.receiver()).unwrap(), 0);
}

#[test]
fn a_receiver_competes_with_its_clone_in_a_dispatcher() {
    let channel = channel(8);
    let mut outside = channel.receiver();
    let sum = Arc::new(AtomicU64::new(0));
    let mut dispatcher = Dispatcher::new(&channel);
    dispatcher.add(outside.clone(), adder(&sum)).unwrap();
    for value in [1, 2, 4, 8] {
        channel.publish(value).unwrap();
    }
    outside.poll(2, |_, value| _ = sum.fetch_add(*value << 8, Ordering::Relaxed)).unwrap();
    assert_eq!(dispatcher.poll(), 2);
    assert_eq!(sum.load(Ordering::Relaxed), (3 << 8) + 12);
}

#[test]
fn dispatchers_that_compete_hold_nobody_up_while_they_sleep() {
    let channel = ChannelBuilder::new(4).wait(WaitStrategy::Park).build(|| 0u64).unwrap();
    let receiver = channel.receiver();
    let sum = Arc::new(AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            let mut dispatcher = Dispatcher::new(&channel);
            dispatcher.add(receiver.clone(), adder(&sum)).unwrap();
            scope.spawn(move || dispatcher.run());
        }
        let mut beside = receiver.clone();
        scope.spawn(move || {
            while beside.wait(None) {
                let value = AtomicU64::new(0);
                beside.poll(2, |_, read| _ = value.fetch_add(*read, Ordering::Relaxed)).unwrap();
            }
        });
        for _ in 0..MESSAGES {
            channel.publish(1).unwrap();
        }
        channel.close();
    });
    assert_eq!(receiver.unread(), 0);
}

#[test]
fn detached_members_are_told_once_and_hold_nobody_up() {
    let channel = channel(4);
    let told = Arc::new(AtomicU64::new(0));
    let receiver = channel.receiver();
    let mut dispatcher = Dispatcher::new(&channel);
    let count = Arc::clone(&told);
    let add = dispatcher.add(receiver.clone(), move |event| {
        assert!(matches!(event, Event::Detached));
        count.fetch_add(1, Ordering::Relaxed);
    });
    add.unwrap();
    receiver.detach();
    for _ in 0..3 {
        assert_eq!(dispatcher.poll(), 0);
    }
    assert_eq!(told.load(Ordering::Relaxed), 1);
    for value in 0..20 {
        channel.try_publish(value).unwrap();
    }
}

#[test]
fn a_dispatcher_that_nobody_polls_holds_nobody_up_when_its_last_member_is_detached() {
    let channel = channel(4);
    let receiver = channel.receiver();
    let mut dispatcher = Dispatcher::new(&channel);
    dispatcher.add(receiver.clone(), |_| ()).unwrap();
    receiver.detach();
    for value in 0..20 {
        channel.try_publish(value).unwrap();
    }
}

#[test]
fn receivers_are_added_while_messages_wait_for_them() {
    let channel = channel(8);
    let receivers: Vec<_> = (0..3).map(|_| channel.receiver()).collect();
    let sum = Arc::new(AtomicU64::new(0));
    let mut dispatcher = Dispatcher::new(&channel);
    for (value, receiver) in [1, 10, 100].into_iter().zip(receivers) {
        channel.publish(value).unwrap();
        dispatcher.add(receiver, adder(&sum)).unwrap();
        dispatcher.poll();
    }
    while dispatcher.poll() > 0 {}
    assert_eq!(sum.load(Ordering::Relaxed), 3 * 111);
}

/// What a value refers to is taken over with its slot's line, once, however many receivers read it.
#[test]
fn the_only_dispatcher_takes_over_what_its_receivers_have_read() {
    let take = |value: &Arc<AtomicU64>| _ = value.fetch_add(1, Ordering::Relaxed);
    let channel = ChannelBuilder::new(8).build_taking(Arc::default, take).unwrap();
    let mut dispatcher = Dispatcher::new(&channel);
    for _ in 0..3 {
        dispatcher.add(channel.receiver(), |_| ()).unwrap();
    }
    let values = [(); 3].map(|()| Arc::<AtomicU64>::default());
    for value in &values {
        channel.publish(Arc::clone(value)).unwrap();
    }
    assert_eq!(dispatcher.poll(), 9);
    assert_eq!(values.map(|value| value.load(Ordering::Relaxed)), [1; 3]);
}
