//! A publisher asleep on a full ring wakes, whatever makes the room; a receiver asleep wakes at a message or a close.
//!
//! No time-out rescues anybody here: a wake-up that is lost hangs the test.

use ringmain_fanout::{Channel, ChannelBuilder, Dispatcher, Overflow, WaitStrategy};
use ringmain_ring::sync::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;

const ROUNDS: u64 = if cfg!(miri) { 20 } else { 2_000 };

fn full(capacity: u64) -> Channel<u64> {
    let slots = usize::try_from(capacity).expect("small");
    ChannelBuilder::new(slots).wait(WaitStrategy::Park).build(|| 0).expect("a power of two")
}

/// Fills the ring, has a publisher go to sleep on it, and runs `release`, which must wake it; returns what it got.
fn wakes(channel: &Channel<u64>, release: impl FnOnce()) -> bool {
    while channel.try_publish(0).is_ok() {}
    thread::scope(|scope| {
        let publisher = scope.spawn(|| channel.publish(7).is_ok());
        while !channel.room().has_sleepers() {
            thread::yield_now();
        }
        release();
        publisher.join().expect("no panic")
    })
}

#[test]
fn on_a_poll() {
    let channel = full(4);
    let mut receiver = channel.receiver();
    assert!(wakes(&channel, || assert_eq!(receiver.poll(1, |_, _| ()), Ok(1))));
}

#[test]
fn on_a_take() {
    let channel = full(4);
    let receiver = channel.receiver();
    assert!(wakes(&channel, || assert_eq!(receiver.take(1, |_, _| ()), Ok(1))));
}

#[test]
fn on_a_dispatchers_poll() {
    let channel = full(4);
    let mut dispatcher = Dispatcher::new(&channel);
    dispatcher.add(channel.receiver(), |_| ()).unwrap();
    dispatcher.add(channel.receiver(), |_| ()).unwrap();
    assert!(wakes(&channel, || assert_eq!(dispatcher.poll(), 8)));
}

#[test]
fn on_a_detach() {
    let channel = full(4);
    let receiver = channel.receiver();
    assert!(wakes(&channel, || receiver.detach()));
}

#[test]
fn on_a_detach_of_a_dispatchers_receiver() {
    let channel = full(4);
    let receiver = channel.receiver();
    let mut dispatcher = Dispatcher::new(&channel);
    dispatcher.add(receiver.clone(), |_| ()).unwrap();
    assert!(wakes(&channel, || receiver.detach()));
}

#[test]
fn on_the_drop_of_the_last_receiver() {
    let channel = full(4);
    let receiver = channel.receiver();
    assert!(wakes(&channel, move || drop(receiver)));
}

#[test]
fn on_the_drop_of_a_dispatcher() {
    let channel = full(4);
    let mut dispatcher = Dispatcher::new(&channel);
    dispatcher.add(channel.receiver(), |_| ()).unwrap();
    assert!(wakes(&channel, move || drop(dispatcher)));
}

#[test]
fn not_on_the_drop_of_a_dispatcher_whose_receiver_lives_on() {
    let channel = full(4);
    let mut receiver = channel.receiver();
    let mut dispatcher = Dispatcher::new(&channel);
    dispatcher.add(receiver.clone(), |_| ()).unwrap();
    while channel.try_publish(0).is_ok() {}
    drop(dispatcher);
    assert!(channel.try_publish(1).is_err(), "the receiver gates again");
    assert_eq!(receiver.poll(8, |_, _| ()), Ok(4));
    channel.try_publish(1).unwrap();
}

#[test]
fn on_a_close_with_the_value() {
    let channel = full(4);
    let _receiver = channel.receiver();
    assert!(!wakes(&channel, || channel.close()));
    assert_eq!(channel.publish(9).unwrap_err().0, 9);
}

#[test]
fn never_needed_where_everybody_is_lossy() {
    let channel = full(4);
    let _lossy = channel.receiver_with("", Overflow::DropOldest);
    let _detach = channel.receiver_with("", Overflow::Detach);
    for value in 0..20 {
        channel.try_publish(value).unwrap();
    }
}

#[test]
fn a_receiver_wakes_at_each_message_and_at_the_close() {
    let (there, back) = (full(1), full(1));
    let mut first = there.receiver();
    let mut second = back.receiver();
    thread::scope(|scope| {
        scope.spawn(|| {
            while first.wait(None) {
                first.poll(1, |_, value| _ = back.publish(*value).unwrap()).unwrap();
            }
            back.close();
        });
        for value in 0..ROUNDS {
            there.publish(value).unwrap();
            assert!(second.wait(None));
            assert_eq!(second.poll(1, |_, echoed| assert_eq!(*echoed, value)), Ok(1));
        }
        there.close();
        assert!(!second.wait(None), "closed and read to its end");
    });
}

#[test]
fn publishers_and_a_dispatcher_pass_a_full_ring_back_and_forth() {
    let channel = full(2);
    let sum = Arc::new(AtomicU64::new(0));
    let mut dispatcher = Dispatcher::new(&channel);
    for _ in 0..3 {
        let sum = Arc::clone(&sum);
        let handler = move |event: ringmain_fanout::Event<'_, u64>| {
            if let ringmain_fanout::Event::Batch(batch) = event {
                batch.for_each(|_, value| _ = sum.fetch_add(*value, Ordering::Relaxed));
            }
        };
        dispatcher.add(channel.receiver(), handler).unwrap();
    }
    thread::scope(|scope| {
        let publishers: Vec<_> =
            (0..2).map(|_| scope.spawn(|| (0..ROUNDS).for_each(|_| drop(channel.publish(1))))).collect();
        scope.spawn(move || dispatcher.run());
        for publisher in publishers {
            publisher.join().unwrap();
        }
        channel.close();
    });
    assert_eq!(sum.load(Ordering::Relaxed), 3 * 2 * ROUNDS);
}
