//! Peeking: the next unread value is shown where it stands, stays unread, and is held only while it is shown.
#![cfg(not(any(ringmain_loom, ringmain_shuttle)))]

use ringmain_ring::sync::{AtomicBool, Ordering};
use ringmain_ring::{Builder, LossyRead, OnFull, Ring, Sequence, TryPublishError, WaitStrategy};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

const N: u64 = if cfg!(miri) { 50 } else { 50_000 };

fn pair(sequence: Sequence, value: &u64) -> (u64, u64) {
    (sequence.number(), *value)
}

/// Publishes `values`, and then `padding` slots of padding.
fn publish(ring: &Ring<u64>, values: &[u64], padding: u64) {
    let mut claim = ring.try_claim(values.len() as u64 + padding).expect("there is room");
    for value in values {
        claim.push(*value).expect("claimed so many");
    }
}

#[test]
fn a_shared_cursor_shows_what_is_taken_next_and_does_not_move() {
    let ring = Ring::multi(8, || 0u64).unwrap();
    let cursor = ring.shared_cursor();
    assert_eq!(cursor.peek(pair), None);
    publish(&ring, &[10, 11], 2);
    publish(&ring, &[12], 0);
    for _ in 0..3 {
        assert_eq!(cursor.peek(pair), Some((0, 10)));
    }
    assert_eq!((cursor.position().number(), cursor.unread()), (0, 3));
    assert_eq!(cursor.claim(2).map(|batch| batch.view().len()), Some(2));
    assert_eq!(cursor.peek(pair), Some((4, 12)), "past the padding");
    assert_eq!((cursor.position().number(), cursor.unread()), (2, 1));
    drop(cursor.claim(8));
    publish(&ring, &[], 2);
    assert_eq!(cursor.peek(pair), None, "padding only");
    publish(&ring, &[13], 0);
    assert_eq!(cursor.peek(pair), Some((7, 13)));
    cursor.detach();
    assert_eq!(cursor.peek(pair), None, "there is nothing for it any more");
}

#[test]
fn a_lossy_cursor_shows_what_is_read_next_and_does_not_move() {
    let ring = Ring::multi(8, || 0u64).unwrap();
    let cursor = ring.lossy_cursor(OnFull::DropOldest);
    assert_eq!(cursor.peek(pair), None);
    publish(&ring, &[], 2);
    assert_eq!(cursor.peek(pair), None, "padding only");
    publish(&ring, &[10, 11, 12, 13, 14, 15], 0);
    for _ in 0..3 {
        assert_eq!(cursor.peek(pair), Some((2, 10)));
    }
    publish(&ring, &[16, 17], 0); // over the padding, and the value after it
    assert_eq!((cursor.position().number(), cursor.lost()), (3, 1));
    assert_eq!(cursor.peek(pair), Some((3, 11)), "whatever is still to be told");
    assert_eq!(cursor.read(8, |_, _| ()), LossyRead::Lagged(1));
    assert_eq!(cursor.read(8, |_, _| ()), LossyRead::Read(7));
    cursor.detach();
    assert_eq!(cursor.peek(pair), None);
}

#[test]
fn a_ring_with_one_producer_shows_too() {
    let (mut producer, ring) = Ring::single(2, || 0u64).unwrap();
    let (shared, lossy) = (ring.shared_cursor(), ring.lossy_cursor(OnFull::DropOldest));
    for value in 0..2 {
        producer.try_publish(value).unwrap();
    }
    assert_eq!((shared.peek(pair), lossy.peek(pair)), (Some((0, 0)), Some((0, 0))));
    assert!(producer.try_publish(2).is_err());
    drop(shared.claim(1));
    producer.try_publish(2).unwrap();
    assert_eq!((shared.peek(pair), lossy.peek(pair)), (Some((1, 1)), Some((1, 1))));
}

#[test]
fn what_is_shown_is_held_while_it_is_shown_and_no_longer() {
    let ring = Ring::multi(2, || 0u64).unwrap();
    let cursor = ring.shared_cursor();
    publish(&ring, &[1, 2], 0);
    let shown = cursor.peek(|_, value| {
        // Others may take it meanwhile, but nobody writes there.
        drop(cursor.claim(2));
        assert_eq!(cursor.peek(pair), None);
        assert!(matches!(ring.try_publish(3), Err(TryPublishError::Full(3))));
        *value
    });
    assert_eq!(shown, Some(1));
    publish(&ring, &[3, 4], 0);
    drop(cursor);
    let cursor = ring.lossy_cursor(OnFull::DropOldest);
    publish(&ring, &[5, 6], 0);
    let shown = cursor.peek(|_, value| (*value, ring.try_publish(7).is_ok()));
    assert_eq!(shown, Some((5, false)));
    publish(&ring, &[7], 0);
    assert_eq!(cursor.read(1, |_, _| ()), LossyRead::Lagged(1));
}

#[test]
fn a_panic_while_it_is_shown_lets_go_of_it() {
    let ring = Ring::multi(1, || 0u64).unwrap();
    let (shared, lossy) = (ring.shared_cursor(), ring.lossy_cursor(OnFull::DropOldest));
    publish(&ring, &[1], 0);
    let panics = |_: Sequence, _: &u64| resume_unwind(Box::new("show"));
    assert!(catch_unwind(AssertUnwindSafe(|| shared.peek::<()>(panics))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| lossy.peek::<()>(panics))).is_err());
    assert_eq!(shared.claim(1).map(|batch| batch.view().len()), Some(1));
    publish(&ring, &[2], 0);
    assert_eq!(lossy.read(1, |_, _| ()), LossyRead::Lagged(1));
}

#[test]
fn nobody_peeks_at_what_is_being_written_and_nobody_sleeps_on_for_a_peek() {
    for wait in [WaitStrategy::Park, WaitStrategy::Spin] {
        let ring = Builder::new(2).wait(wait).multi(|| (0u64, 0u64)).unwrap();
        let (shared, lossy) = (ring.shared_cursor(), ring.lossy_cursor(OnFull::DropOldest));
        let done = AtomicBool::new(false);
        let whole = |_: Sequence, (one, other): &(u64, u64)| assert_eq!(one, other);
        thread::scope(|scope| {
            scope.spawn(|| (0..N).for_each(|value| assert!(ring.publish((value, value)).is_ok())));
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    shared.peek(whole);
                    lossy.peek(whole);
                    thread::yield_now();
                }
            });
            let mut taken = 0;
            while taken < N {
                match shared.claim(1) {
                    Some(batch) => taken += batch.view().for_each(whole) as u64,
                    None => thread::yield_now(),
                }
            }
            done.store(true, Ordering::Release);
        });
    }
}
