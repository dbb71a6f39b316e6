//! Lossy cursors with a predicate: what is passed over is split into lost and skipped, exactly, whatever the predicate
//! does; it goes when the cursor does. And what comes of it when a cursor is called from within.
#![cfg(not(any(ringmain_loom, ringmain_shuttle)))]

use ringmain_ring::sync::{AtomicBool, AtomicU64, Ordering};
use ringmain_ring::{Builder, LossyCursor, LossyRead, Multi, OnFull, Ring, Sequence, TryPublishError};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::thread;

const N: u64 = if cfg!(miri) { 50 } else { 50_000 };

fn ring(capacity: usize) -> Ring<u64> {
    Ring::multi(capacity, || 0).expect("a power of two")
}

fn publish(ring: &Ring<u64>, values: impl IntoIterator<Item = u64>) {
    for value in values {
        ring.try_publish(value).expect("nobody is in the way");
    }
}

/// Closes the ring when a test is done with it, or fails: its producers must end either way.
struct Closing<'a>(&'a Ring<u64>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Everything there is to read or to be told now: the values, and how many were lost.
fn drain(cursor: &LossyCursor<u64, Multi>) -> (Vec<u64>, u64) {
    let (mut seen, mut lost) = (Vec::new(), 0);
    while cursor.has_work() {
        match cursor.read(3, |_, value| seen.push(*value)) {
            LossyRead::Lagged(gap) => {
                assert!(gap > 0, "a gap of nothing is not told");
                lost += gap;
            }
            LossyRead::Detached => break,
            _ => {}
        }
    }
    (seen, lost)
}

#[test]
fn what_is_passed_over_is_split_by_the_predicate_padding_left_out() {
    for start in [Sequence::new(0), Sequence::new((1 << 63) - 21)] {
        let ring = Builder::new(8).start(start).multi(|| 0u64).unwrap();
        let cursor = ring.lossy_cursor_where(OnFull::DropOldest, |value| value % 3 == 0);
        let (mut seen, mut lost, mut skipped, mut published) = (Vec::new(), 0, 0, 0);
        for round in 0..60 {
            let mut claim = ring.try_claim(1 + round % 4).unwrap();
            for _ in 0..round % 3 {
                published += u64::from(claim.push(published).is_ok());
            }
            drop(claim);
            if round % 11 == 0 {
                match cursor.read(2, |_, value| seen.push(*value)) {
                    LossyRead::Lagged(gap) => lost += gap,
                    LossyRead::Read(_) => {}
                    other => panic!("{other:?}"),
                }
            }
            if round % 7 == 0 {
                skipped += cursor.take_skipped();
            }
            let untaken = cursor.take_skipped();
            skipped += untaken;
            let read = seen.len() as u64;
            assert_eq!(read + lost + cursor.lost() + skipped + cursor.unread(), published, "round {round}");
        }
        let (rest, gap) = drain(&cursor);
        seen.extend(rest);
        let matching = seen.iter().filter(|value| *value % 3 == 0).count() as u64;
        assert_eq!(matching + lost + gap, published.div_ceil(3), "those that match are read or lost");
        assert!(lost > 0 && skipped > lost, "{lost} lost, {skipped} skipped");
    }
}

#[test]
fn a_gap_in_which_nothing_matches_is_not_told() {
    let ring = ring(8);
    let cursor = ring.lossy_cursor_where(OnFull::DropOldest, |value| *value >= 20);
    publish(&ring, 0..16);
    assert_eq!((cursor.lost(), cursor.position().number()), (0, 8));
    let (seen, lost) = drain(&cursor);
    assert_eq!((seen, lost), ((8..16).collect(), 0), "what is read is not filtered");
    assert_eq!((cursor.take_skipped(), cursor.take_skipped()), (8, 0));
}

#[test]
fn a_ring_with_one_producer_splits_too() {
    let (mut producer, ring) = Ring::single(4, || 0u64).unwrap();
    let cursor = ring.lossy_cursor_where(OnFull::DropOldest, |value| value % 2 == 0);
    for value in 0..9 {
        producer.try_publish(value).unwrap();
    }
    assert_eq!(cursor.read(9, |_, _| ()), LossyRead::Lagged(3));
    assert_eq!(cursor.take_skipped(), 2);
    assert_eq!(cursor.read(9, |_, _| ()), LossyRead::Read(4));
}

#[test]
fn every_value_is_accounted_for_once_while_producers_race() {
    for capacity in [1, 2, 16] {
        let ring = ring(capacity);
        let cursor = ring.lossy_cursor_where(OnFull::DropOldest, |value| value % 3 == 0);
        let (mut read, mut matching, mut lost, mut skipped) = (0, 0, 0, 0);
        thread::scope(|scope| {
            let producers = [(); 2]
                .map(|()| scope.spawn(|| (0..N).for_each(|value| assert!(ring.publish(value).is_ok()))));
            scope.spawn(|| {
                for producer in producers {
                    producer.join().unwrap();
                }
                ring.close();
            });
            while cursor.wait(None) {
                let result = cursor.read(5, |_, value| {
                    read += 1;
                    matching += u64::from(value % 3 == 0);
                });
                if let LossyRead::Lagged(gap) = result {
                    lost += gap;
                }
                skipped += cursor.take_skipped();
            }
        });
        skipped += cursor.take_skipped();
        assert_eq!(read + lost + skipped, 2 * N, "capacity {capacity}");
        assert_eq!(matching + lost, 2 * N.div_ceil(3), "capacity {capacity}");
    }
}

#[test]
fn cursors_with_predicates_come_and_go_while_producers_lap() {
    /// A predicate that must not be called once it is dropped.
    struct Alive(AtomicBool);
    impl Drop for Alive {
        fn drop(&mut self) {
            *self.0.get_mut() = false;
        }
    }
    let ring = ring(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..).take_while(|value| ring.publish(*value).is_ok()).count());
        }
        let _closing = Closing(&ring);
        for round in 0..N / 5 {
            let alive = Alive(AtomicBool::new(true));
            let calls = Arc::new(AtomicU64::new(0));
            let called = Arc::clone(&calls);
            let on_full = if round % 3 == 0 { OnFull::Detach } else { OnFull::DropOldest };
            let cursor = ring.lossy_cursor_where(on_full, move |_| {
                assert!(alive.0.load(Ordering::Relaxed));
                called.fetch_add(1, Ordering::Relaxed);
                round % 2 == 0
            });
            if round % 4 == 0 {
                thread::yield_now();
            }
            let result = cursor.read(1, |_, _| ());
            drop(cursor);
            // A producer that detached the cursor drops the predicate, maybe only just now.
            while on_full == OnFull::Detach && Arc::strong_count(&calls) > 1 {
                thread::yield_now();
            }
            let gone = Arc::try_unwrap(calls).map(AtomicU64::into_inner);
            let calls =
                gone.unwrap_or_else(|_| panic!("the predicate goes with the cursor, in round {round}"));
            match result {
                LossyRead::Lagged(gap) => assert!(round % 2 == 0 && (1..=calls).contains(&gap)),
                LossyRead::Detached => assert_eq!((round % 3, calls), (0, 0)),
                _ => {}
            }
        }
    });
}

#[test]
fn a_predicate_that_panics_loses_the_value_and_strands_nobody() {
    let ring = ring(8);
    let cursor = ring.lossy_cursor_where(OnFull::DropOldest, |value| match value {
        1 | 3 => resume_unwind(Box::new("predicate")),
        value => *value == 0,
    });
    publish(&ring, 0..16);
    assert_eq!(cursor.read(8, |_, _| ()), LossyRead::Lagged(3), "0, which matches, and 1 and 3");
    assert_eq!(cursor.take_skipped(), 5);
    assert_eq!(drain(&cursor).0, (8..16).collect::<Vec<_>>());
    publish(&ring, 16..40);
}

#[test]
fn the_predicate_goes_when_the_cursor_does() {
    let witness = Arc::new(());
    let ring = ring(4);
    let attach = |on_full| {
        let kept = Arc::clone(&witness);
        ring.lossy_cursor_where(on_full, move |_| Arc::strong_count(&kept) > 0)
    };
    let is_gone = || Arc::strong_count(&witness) == 1;
    let cursor = attach(OnFull::DropOldest);
    publish(&ring, 0..20);
    assert!(!is_gone());
    cursor.detach();
    assert!(is_gone(), "detached by its owner");
    drop(cursor);
    drop(attach(OnFull::DropOldest));
    assert!(is_gone(), "dropped");
    let cursor = attach(OnFull::Detach);
    publish(&ring, 0..5);
    assert!(cursor.is_detached() && is_gone(), "detached by a producer");
    drop(cursor);
    let cursor = attach(OnFull::DropOldest);
    drop((ring, cursor));
    assert!(is_gone(), "with the ring");
}

#[test]
fn a_gate_that_is_used_again_has_the_new_cursors_predicate_or_none() {
    let ring = ring(4);
    let first = ring.lossy_cursor_where(OnFull::DropOldest, |_| false);
    publish(&ring, 0..8);
    drop(first); // with four that nobody took
    let second = ring.lossy_cursor_where(OnFull::DropOldest, |value| value % 2 == 0);
    assert_eq!(second.take_skipped(), 0);
    publish(&ring, 0..8);
    assert_eq!((second.read(1, |_, _| ()), second.take_skipped()), (LossyRead::Lagged(2), 2));
    drop(second);
    let third = ring.lossy_cursor(OnFull::DropOldest);
    publish(&ring, 0..8);
    assert_eq!((third.read(1, |_, _| ()), third.take_skipped()), (LossyRead::Lagged(4), 0));
}

#[test]
fn a_cursor_that_is_detached_is_pushed_past_nothing() {
    let ring = ring(4);
    let cursor = ring.lossy_cursor_where(OnFull::Detach, |_| panic!("nothing is passed over"));
    publish(&ring, 0..4);
    assert_eq!(cursor.read(1, |_, _| ()), LossyRead::Read(1));
    publish(&ring, 4..6);
    assert!(cursor.is_detached());
    assert_eq!(cursor.read(1, |_, _| ()), LossyRead::Detached);
    // Read, lost, skipped and unread; the rest, behind the position, was given up.
    assert_eq!((cursor.lost(), cursor.take_skipped(), cursor.unread()), (0, 0, 0));
    assert_eq!(1 + cursor.position().until(ring.tail()), 6);
}

#[test]
fn a_predicate_whose_drop_panics_leaves_everything_in_order() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            resume_unwind(Box::new("drop"));
        }
    }
    let ring = ring(4);
    for on_full in [OnFull::Detach, OnFull::DropOldest] {
        let panics = Panics;
        let cursor = ring.lossy_cursor_where(on_full, move |_| std::ptr::from_ref(&panics).is_aligned());
        publish(&ring, 0..9);
        drop(cursor);
        publish(&ring, 0..9);
    }
}

#[test]
fn from_within_its_own_read_a_cursor_reads_and_sees_nothing() {
    let ring = ring(4);
    let cursor = ring.lossy_cursor(OnFull::DropOldest);
    publish(&ring, 0..4);
    let mut seen = Vec::new();
    let read = cursor.read(2, |_, value| {
        seen.push(*value);
        assert_eq!(cursor.read(9, |_, _| panic!("nothing to read")), LossyRead::Read(0));
        assert_eq!(cursor.peek(|_, _| ()), None);
        assert_eq!((cursor.has_work(), cursor.unread(), cursor.position().number()), (true, 4, 0));
        assert!(matches!(ring.try_publish(4), Err(TryPublishError::Full(4))), "it is held");
    });
    assert_eq!((read, seen), (LossyRead::Read(2), vec![0, 1]));
    let peeked = cursor.peek(|_, value| (*value, cursor.peek(|_, _| ()), cursor.read(1, |_, _| ())));
    assert_eq!(peeked, Some((2, None, LossyRead::Read(0))));
    assert_eq!(cursor.read(9, |_, _| ()), LossyRead::Read(2));
}

#[test]
fn detached_from_within_its_own_read_it_is_when_that_returns() {
    let ring = ring(4);
    let cursor = ring.lossy_cursor_where(OnFull::DropOldest, |_| true);
    publish(&ring, 0..4);
    let read = cursor.read(2, |_, _| {
        cursor.detach();
        assert!(!cursor.is_detached());
    });
    assert_eq!(read, LossyRead::Read(2));
    assert!(cursor.is_detached());
    assert_eq!(cursor.read(2, |_, _| ()), LossyRead::Detached);
    publish(&ring, 0..9);
}

#[test]
fn a_predicate_may_come_back_to_its_cursor_and_even_drop_it() {
    type Kept = Arc<Mutex<Option<LossyCursor<u64, Multi>>>>;
    let acts: [fn(&Kept); 3] = [
        |kept| {
            let kept = kept.lock().unwrap();
            let Some(cursor) = &*kept else { return };
            assert_eq!(cursor.read(9, |_, _| ()), LossyRead::Read(0));
            assert_eq!(cursor.peek(|_, _| ()), None);
        },
        |kept| {
            if let Some(cursor) = &*kept.lock().unwrap() {
                cursor.detach();
            }
        },
        |kept| drop(kept.lock().unwrap().take()),
    ];
    for (act, number) in acts.into_iter().zip(0..) {
        let ring = ring(8);
        let kept = Kept::default();
        let within = Arc::clone(&kept);
        let cursor = ring.lossy_cursor_where(OnFull::DropOldest, move |_| {
            act(&within);
            false
        });
        *kept.lock().unwrap() = Some(cursor);
        publish(&ring, 0..40);
        let left = kept.lock().unwrap().take();
        match &left {
            Some(cursor) if number == 0 => assert_eq!(cursor.take_skipped(), 32),
            Some(cursor) => assert!(number == 1 && cursor.is_detached()),
            None => assert_eq!(number, 2),
        }
        drop(left);
        assert_eq!(Arc::strong_count(&kept), 1, "the predicate is gone");
        // Its gate is in order again.
        let next = ring.lossy_cursor(OnFull::DropOldest);
        publish(&ring, 0..16);
        assert_eq!(next.read(1, |_, _| ()), LossyRead::Lagged(8));
    }
}

#[test]
fn another_threads_read_waits_rather_than_finds_nothing() {
    for _ in 0..N / 50 {
        let ring = ring(4);
        let cursor = ring.lossy_cursor(OnFull::DropOldest);
        publish(&ring, 0..2);
        let (held, comes) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !held.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                comes.store(true, Ordering::Release);
                assert_eq!(cursor.read(1, |_, value| assert_eq!(*value, 1)), LossyRead::Read(1));
            });
            let read = cursor.read(1, |_, value| {
                assert_eq!(*value, 0);
                held.store(true, Ordering::Release);
                while !comes.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                (0..3).for_each(|_| thread::yield_now());
            });
            assert_eq!(read, LossyRead::Read(1));
        });
    }
}

#[test]
fn who_detaches_and_is_dropped_then_gives_its_place_to_one_other_and_not_to_two() {
    let ring = Ring::multi(8, || 0u64).unwrap();
    let cursor = ring.lossy_cursor(OnFull::DropOldest);
    cursor.detach();
    drop(cursor);
    let (one, other) = (ring.lossy_cursor(OnFull::DropOldest), ring.lossy_cursor(OnFull::DropOldest));
    (0..3).for_each(|value| _ = ring.try_publish(value).unwrap());
    assert_eq!(one.read(2, |_, _| ()), LossyRead::Read(2));
    assert_eq!((one.unread(), other.unread()), (1, 3));
}

#[test]
fn only_who_is_in_the_way_is_pushed_on() {
    let ring = Ring::multi(64, || 0u64).unwrap();
    let (behind, ahead) = (ring.lossy_cursor(OnFull::DropOldest), ring.lossy_cursor(OnFull::DropOldest));
    (0..4).for_each(|value| _ = ring.try_publish(value).unwrap());
    assert_eq!(ahead.read(4, |_, _| ()), LossyRead::Read(4));
    (4..65).for_each(|value| _ = ring.try_publish(value).unwrap());
    assert!(behind.lost() > 0, "it stood in the slot that was needed");
    assert_eq!((ahead.lost(), ahead.unread()), (0, 61), "four slots further nobody is in the way yet");
}
