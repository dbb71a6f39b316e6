//! Receivers: each sees everything from its attach on, whoever else comes and goes; clones compete.

use ringmain_fanout::{Channel, ChannelBuilder, Overflow, ReceiveError, Receiver, Sequence};
use ringmain_ring::sync::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const MESSAGES: u64 = if cfg!(miri) { 100 } else { 20_000 };
const ROUNDS: u64 = if cfg!(miri) { 20 } else { 100_000 };

fn channel(capacity: usize) -> Channel<u64> {
    Channel::new(capacity, || 0).expect("a power of two")
}

/// Everything there is now.
fn drain(receiver: &mut Receiver<u64>) -> Vec<u64> {
    let mut seen = Vec::new();
    while receiver.has_work() && receiver.poll(16, |_, value| seen.push(*value)).is_ok() {}
    seen
}

#[test]
fn every_receiver_sees_every_message_in_order() {
    let channel = channel(8);
    let mut receivers: Vec<_> = (0..5).map(|_| channel.receiver()).collect();
    for round in 0..10 {
        let expected: Vec<_> = (round * 7..round * 7 + 7).collect();
        for value in &expected {
            channel.publish(*value).unwrap();
        }
        for receiver in &mut receivers {
            assert_eq!(drain(receiver), expected);
        }
    }
}

#[test]
fn a_new_receiver_sees_nothing_from_before_and_everything_after() {
    let channel = channel(8);
    channel.publish(1).unwrap();
    let mut first = channel.receiver();
    channel.publish(2).unwrap();
    let mut second = channel.receiver();
    channel.publish(3).unwrap();
    assert_eq!(drain(&mut first), [2, 3]);
    assert_eq!(drain(&mut second), [3]);
}

#[test]
fn poll_returns_how_many_messages_there_were_and_read_how_many_slots() {
    let channel = channel(8);
    let mut receiver = channel.receiver();
    let claim_two_of_three = || {
        let mut claim = channel.claim(3).unwrap();
        claim.push(1).unwrap();
        claim.push(2).unwrap();
    };
    claim_two_of_three();
    assert_eq!(receiver.poll(8, |_, _| ()), Ok(2));
    claim_two_of_three();
    assert_eq!(receiver.read(8, |batch| assert_eq!((batch.len(), batch.for_each(|_, _| ())), (3, 2))), Ok(3));
    claim_two_of_three();
    assert_eq!(receiver.take(8, |_, _| ()), Ok(2));
}

#[test]
fn unread_counts_messages_and_backlog_counts_slots() {
    let channel = channel(8);
    let mut receiver = channel.receiver();
    let mut claim = channel.claim(4).unwrap();
    claim.push(1).unwrap();
    drop(claim);
    assert_eq!((receiver.unread(), receiver.backlog()), (1, 4));
    assert_eq!(drain(&mut receiver), [1]);
    assert_eq!((receiver.unread(), receiver.backlog()), (0, 0));
}

#[test]
fn a_channel_works_across_the_end_of_its_numbers() {
    let start = Sequence::new(u64::MAX >> 1).minus(3);
    let channel = ChannelBuilder::new(4).start(start).build(|| 0u64).unwrap();
    let mut receiver = channel.receiver();
    for value in 0..20 {
        channel.publish(value).unwrap();
        assert_eq!(drain(&mut receiver), [value]);
    }
}

#[test]
fn receivers_come_and_go_while_others_publish() {
    let channel = channel(16);
    let published = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut steady = channel.receiver();
        scope.spawn(|| {
            for value in 0..MESSAGES {
                channel.publish(value).unwrap();
                published.store(value + 1, Ordering::Release);
            }
            done.store(true, Ordering::Release);
            channel.close();
        });
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let before = published.load(Ordering::Acquire);
                let mut passing = channel.receiver();
                let mut next = None;
                for _ in 0..3 {
                    let read = passing.poll(5, |_, value| {
                        // Nothing whose publish had returned before the attach, and no gap after it.
                        assert!(*value >= before);
                        assert_eq!(*value, next.unwrap_or(*value));
                        next = Some(value + 1);
                    });
                    read.unwrap();
                    thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while steady.wait(None) {
            let read = steady.poll(7, |_, value| {
                assert_eq!(*value, expected);
                expected += 1;
            });
            read.unwrap();
        }
        assert_eq!(expected, MESSAGES);
    });
}

#[test]
fn clones_compete_for_each_message() {
    let channel = channel(16);
    let receiver = channel.receiver();
    let sums: u64 = thread::scope(|scope| {
        let consumers: Vec<_> = (0..3)
            .map(|_| {
                let mut receiver = receiver.clone();
                scope.spawn(move || {
                    let (mut sum, mut last) = (0, None);
                    while receiver.wait(None) {
                        let read = receiver.poll(1, |_, value| {
                            assert!(last < Some(*value), "each consumer reads in order");
                            last = Some(*value);
                            sum += value;
                        });
                        read.unwrap();
                    }
                    assert!(receiver.channel().is_closed(), "it waits on when another one is faster");
                    sum
                })
            })
            .collect();
        for value in 1..=MESSAGES {
            channel.publish(value).unwrap();
            // Now and then all of them wait for the same message.
            while value % 4 == 0 && receiver.has_work() {
                thread::yield_now();
            }
        }
        channel.close();
        consumers.into_iter().map(|consumer| consumer.join().unwrap()).sum()
    });
    assert_eq!(sums, MESSAGES * (MESSAGES + 1) / 2);
}

#[test]
fn a_detached_receiver_says_so_and_so_do_its_clones() {
    let channel = channel(4);
    let mut receiver = channel.receiver();
    let mut clone = receiver.clone();
    channel.publish(1).unwrap();
    receiver.detach();
    assert!(clone.is_detached());
    assert_eq!(receiver.poll(4, |_, _| ()), Err(ReceiveError::Detached));
    assert_eq!(clone.poll(4, |_, _| ()), Err(ReceiveError::Detached));
    assert_eq!(clone.unread(), 0);
    assert!(clone.wait(None), "there is something to be told");
    for value in 0..20 {
        channel.publish(value).unwrap(); // and nobody waits for it
    }
}

#[test]
fn slowest_names_the_reader_that_publishers_wait_for() {
    let channel = channel(8);
    let mut fast = channel.named_receiver("fast");
    let slow = channel.named_receiver("slow");
    let gone = channel.named_receiver("gone");
    let lossy = channel.receiver_with("lossy", Overflow::DropOldest);
    for value in 0..5 {
        channel.publish(value).unwrap();
    }
    fast.poll(3, |_, _| ()).unwrap();
    let name = || channel.slowest().map(|slowest| (slowest.name, slowest.behind));
    drop(gone);
    assert_eq!(name(), Some(("slow".into(), 5)));
    slow.detach(); // still held by us, but nobody waits for it
    assert_eq!(name(), Some(("fast".into(), 2)));
    drop(fast);
    assert_eq!(name(), None, "nobody waits for a lossy one");
    drop(lossy);
}

#[test]
fn peeking_shows_the_next_message_and_leaves_it_unread() {
    for overflow in [Overflow::Block, Overflow::DropOldest, Overflow::Detach] {
        let channel = channel(8);
        let mut receiver = channel.receiver_with("", overflow);
        let peek = |receiver: &Receiver<u64>| receiver.peek(|sequence, value| (sequence.number(), *value));
        assert_eq!(peek(&receiver), None);
        drop(channel.claim(2).unwrap()); // padding
        channel.publish(7).unwrap();
        channel.publish(8).unwrap();
        for _ in 0..2 {
            assert_eq!((peek(&receiver), receiver.unread()), (Some((2, 7)), 2), "{overflow:?}");
        }
        assert_eq!(receiver.poll(3, |_, value| assert_eq!(*value, 7)), Ok(1));
        assert_eq!(peek(&receiver.clone()), Some((3, 8)), "a clone stands where the others do");
        assert_eq!(drain(&mut receiver), [8]);
        assert_eq!(peek(&receiver), None);
        channel.publish(9).unwrap();
        receiver.detach();
        assert_eq!(peek(&receiver), None, "{overflow:?}");
    }
}

#[test]
fn a_panic_while_reading_counts_the_batch_as_read() {
    let channel = channel(8);
    let mut receiver = channel.receiver();
    channel.publish(1).unwrap();
    channel.publish(2).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        receiver.poll(8, |_, _| std::panic::resume_unwind(Box::new("reader")))
    }));
    assert!(panicked.is_err());
    for value in 3..11 {
        channel.try_publish(value).unwrap();
    }
    assert_eq!(drain(&mut receiver), (3..11).collect::<Vec<_>>());
}

/// Whoever asks which receiver is slowest may be the last to hold one, whose predicate goes then. It may ask in its turn.
#[test]
fn what_goes_with_a_receiver_may_ask_for_the_slowest() {
    struct Asks(Channel<u64>);
    impl Drop for Asks {
        fn drop(&mut self) {
            drop(self.0.slowest());
        }
    }
    let channel = channel(4);
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let ends = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    drop(channel.slowest());
                }
            });
            for _ in 0..ROUNDS {
                let asks = Asks(channel.clone());
                let matches = move |value: &u64| *value > 0 || asks.0.is_closed();
                drop(channel.receiver_where("asks", Overflow::DropOldest, matches));
            }
            ends.store(true, Ordering::Relaxed);
        });
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(20)).expect("nobody waits for its own thread");
}
