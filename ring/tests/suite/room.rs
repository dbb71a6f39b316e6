//! Whatever a reader does that may make room wakes who waits for it.
#![cfg(not(ringmain_loom))]

use ringmain_ring::{Notify, OnFull, Ring, Sleeper, before_sleep};
use std::task::Waker;

/// Whether `what` wakes who sleeps on `room`.
fn wakes<R>(room: &Notify, what: impl FnOnce() -> R) -> bool {
    let sleeper = Sleeper::task(Waker::noop());
    let _place = room.register(&sleeper);
    before_sleep();
    what();
    sleeper.is_woken()
}

#[test]
fn readers_that_move_on_or_let_go() {
    let ring = Ring::multi(4, || 0u64).unwrap();
    let publish = || ring.try_publish(1).unwrap();

    let mut cursor = ring.cursor();
    publish();
    assert!(wakes(ring.room(), || cursor.poll(1, |_, _| ())));
    assert!(wakes(ring.room(), || drop(cursor)));

    let shared = ring.shared_cursor();
    publish();
    assert!(wakes(ring.room(), || shared.peek(|_, _| ())));
    assert!(wakes(ring.room(), || drop(shared.claim(1))));
    assert!(wakes(ring.room(), || shared.detach()));

    let lossy = ring.lossy_cursor(OnFull::DropOldest);
    publish();
    assert!(wakes(ring.room(), || lossy.peek(|_, _| ())));
    assert!(wakes(ring.room(), || lossy.read(1, |_, _| ())));
    assert!(wakes(ring.room(), || lossy.detach()));
}

#[test]
fn covers_that_move_on_or_stand_for_nobody_any_more() {
    let ring = Ring::multi(4, || 0u64).unwrap();
    let mut cover = ring.cover();
    let cursors = [ring.shared_cursor(), ring.shared_cursor()];
    let indices = cursors.clone().map(|cursor| cover.add(cursor).unwrap());
    ring.try_publish(1).unwrap();
    for (index, last) in indices.into_iter().zip([false, true]) {
        let claim = || assert_eq!(cover.turn().claim(index, 1).map(|view| view.len()), Some(1));
        assert_eq!(wakes(ring.room(), claim), last, "it is where its last cursor is");
    }
    let [first, second] = cursors;
    assert!(wakes(ring.room(), || first.detach()));
    assert!(wakes(ring.room(), || second.detach()));
    assert!(!wakes(ring.room(), || drop(cover.turn())), "that made no room");
}

#[test]
fn who_detaches_from_a_lone_producers_ring_says_what_is_left() {
    let (mut producer, ring) = Ring::single(8, || 0u64).unwrap();
    let cursor = ring.shared_cursor();
    for value in 0..5 {
        producer.publish(value).unwrap();
    }
    drop(cursor.claim(2));
    assert_eq!(cursor.detach_counting(), Some(3));
}
