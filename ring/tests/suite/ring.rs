//! What a ring promises, on real threads. (The same under every schedule: tests/loom_*.rs.)
#![cfg(not(any(ringmain_loom, ringmain_shuttle)))]

use ringmain_ring::{Builder, ClaimError, LossyRead, OnFull, Ring, Sequence, TryPublishError, WaitStrategy};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

const N: u64 = if cfg!(miri) { 80 } else { 100_000 };

/// Starts from which the numbers wrap within a test.
fn starts() -> [Sequence; 3] {
    [Sequence::new(0), Sequence::new((1 << 62) - 5), Sequence::new((1 << 63) - 5)]
}

#[test]
fn capacity_is_a_power_of_two() {
    for capacity in [0, 3, 1000, (1 << 30) + 1, 1 << 31, 1 << 40] {
        let error = Ring::multi(capacity, || ()).unwrap_err().to_string();
        assert!(error.contains("power of two") && error.contains(&capacity.to_string()), "{error}");
    }
    for (capacity, instead) in [(1000, "1024"), (0, "1"), (1 << 31, "1073741824")] {
        let error = Ring::multi(capacity, || ()).unwrap_err().to_string();
        assert!(error.contains(&format!("; {instead} would do")), "{error}");
    }
}

#[test]
fn one_producer_one_reader_every_value_in_order_across_the_wrap() {
    for start in starts() {
        let (mut producer, ring) = Builder::new(4).start(start).single(|| 0u64).unwrap();
        let mut cursor = ring.cursor();
        let writer = thread::spawn(move || {
            for value in 0..N {
                producer.publish(value).unwrap();
            }
        });
        let mut next = 0;
        while next < N {
            cursor.wait(None);
            cursor.poll(3, |sequence, value| {
                assert_eq!((*value, sequence), (next, start.plus(next)));
                next += 1;
            });
        }
        writer.join().unwrap();
    }
}

#[test]
fn how_far_ahead_producers_fetch_changes_nothing_that_is_read() {
    // (Miri has no such instruction, and the indexes alone are seen in small rings as well.)
    let capacities: &[usize] = if cfg!(miri) { &[1, 16] } else { &[1, 2, 64, 256] };
    for &capacity in capacities {
        for bytes in [0, 1, 128, 1 << 20, usize::MAX] {
            let builder = Builder::new(capacity).fetch_ahead(bytes);
            let ring = builder.multi(|| [0u64; 9]).unwrap();
            let (mut producer, single) = builder.single(|| 0u64).unwrap();
            let (mut cursor, mut of_single) = (ring.cursor(), single.cursor());
            for value in 0..3 * capacity as u64 {
                ring.try_publish([value; 9]).unwrap();
                producer.try_publish(value).unwrap();
                assert_eq!(cursor.poll(2, |_, read| assert_eq!(*read, [value; 9])), 1);
                assert_eq!(of_single.poll(2, |_, read| assert_eq!(*read, value)), 1);
            }
        }
    }
}

#[test]
fn many_producers_lose_and_repeat_nothing_and_keep_their_own_order() {
    for wait in [WaitStrategy::Spin, WaitStrategy::SpinThenPark, WaitStrategy::Park] {
        for start in starts() {
            let n = N / 20;
            let ring = Builder::new(8).start(start).wait(wait).multi(|| (0u64, 0u64)).unwrap();
            let mut cursor = ring.cursor();
            let writers: Vec<_> = (0..3u64)
                .map(|who| {
                    let ring = ring.clone();
                    thread::spawn(move || {
                        for value in 0..n {
                            if value % 5 == 4 {
                                let mut claim = ring.claim(2).unwrap();
                                claim.push((who, value)).unwrap(); // and one padding
                            } else {
                                ring.publish((who, value)).unwrap();
                            }
                        }
                    })
                })
                .collect();
            let mut next = [0; 3];
            while next.iter().sum::<u64>() < 3 * n {
                cursor.wait(None);
                cursor.poll(64, |_, &(who, value)| {
                    let next = &mut next[usize::try_from(who).unwrap()];
                    assert_eq!(value, *next);
                    *next += 1;
                });
            }
            for writer in writers {
                writer.join().unwrap();
            }
            assert_eq!(cursor.poll(64, |_, _| ()), 0);
        }
    }
}

#[test]
fn a_full_ring_gives_the_value_back_and_a_closed_one_too() {
    let ring = Ring::multi(2, String::new).unwrap();
    let mut cursor = ring.cursor();
    ring.try_publish("a".into()).unwrap();
    ring.try_publish("b".into()).unwrap();
    let Err(TryPublishError::Full(back)) = ring.try_publish("c".into()) else { panic!("it was full") };
    assert_eq!(back, "c");
    assert!(matches!(ring.try_claim(1), Err(ClaimError::Full)));
    assert_eq!(ring.try_claim(3).unwrap_err(), ClaimError::TooLarge { count: 3, capacity: 2 });
    assert_eq!(cursor.poll(1, |_, value| assert_eq!(value, "a")), 1);
    ring.try_publish(back).unwrap();
    ring.close();
    assert!(matches!(ring.try_publish("d".into()), Err(TryPublishError::Closed(d)) if d == "d"));
    assert_eq!(ring.publish("d".into()).unwrap_err().0, "d");
    let mut rest = Vec::new();
    while cursor.wait(None) {
        cursor.poll(9, |_, value| rest.push(value.clone()));
    }
    assert_eq!(rest, ["b", "c"], "closing loses nothing that was published");
}

#[test]
fn a_panic_in_a_claim_is_padding_and_others_go_on() {
    let ring = Ring::multi(8, || 0u64).unwrap();
    let mut cursor = ring.cursor();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut claim = ring.claim(3).unwrap();
        claim.push(1).unwrap();
        claim.write(|_| panic!("on purpose")).unwrap();
    }));
    assert!(panicked.is_err());
    ring.publish(2).unwrap();
    let mut seen = Vec::new();
    cursor.poll(64, |sequence, value| seen.push((sequence.number(), *value)));
    assert_eq!(seen, [(0, 1), (3, 2)]);
    // With one producer nothing else was claimed, so there is no padding at all.
    let (mut producer, ring) = Ring::single(8, || 0u64).unwrap();
    let mut cursor = ring.cursor();
    let mut claim = producer.claim(3).unwrap();
    claim.push(1).unwrap();
    assert_eq!(claim.remaining(), 2);
    drop(claim);
    producer.publish(2).unwrap();
    seen.clear();
    cursor.poll(64, |sequence, value| seen.push((sequence.number(), *value)));
    assert_eq!(seen, [(0, 1), (1, 2)]);
}

#[test]
fn the_old_value_comes_back_for_reuse_and_each_is_dropped_once() {
    let witness = Arc::new(());
    let ring = Ring::multi(2, || None).unwrap();
    let cursor = ring.cursor();
    drop(cursor); // nobody reads: the ring moves on by what is published
    for _ in 0..5 {
        ring.publish(Some(Arc::clone(&witness))).unwrap();
    }
    assert_eq!(Arc::strong_count(&witness), 3, "two in the slots, and ours");
    let (_, old) = ring.exchange(None).unwrap();
    assert!(old.is_some());
    drop((ring, old));
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn a_cursor_reads_nothing_from_before_and_everything_from_after() {
    let ring = Ring::multi(4, || 0u64).unwrap();
    for value in 0..10 {
        ring.publish(value).unwrap();
    }
    let mut cursor = ring.cursor();
    ring.publish(10).unwrap();
    let mut seen = Vec::new();
    cursor.poll(9, |_, value| seen.push(*value));
    assert_eq!(seen, [10]);
}

#[test]
fn consumers_of_a_shared_cursor_share_the_messages() {
    let ring = Ring::multi(16, || 0u64).unwrap();
    let cursor = ring.shared_cursor();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (cursor, ring) = (cursor.clone(), ring.clone());
            thread::spawn(move || {
                let mut sum = 0;
                loop {
                    let closed = ring.is_closed();
                    match cursor.claim(4) {
                        Some(batch) => {
                            batch.view().for_each(|_, value| sum += value);
                        }
                        None if closed => return sum,
                        None => thread::yield_now(),
                    }
                }
            })
        })
        .collect();
    for value in 0..N {
        ring.publish(value).unwrap();
    }
    ring.close();
    let sum: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
    assert_eq!(sum, N * (N - 1) / 2);
}

#[test]
fn a_cover_serves_many_cursors_while_they_come_and_go() {
    let ring = Ring::multi(16, || 0u64).unwrap();
    let first = ring.shared_cursor();
    let mut cover = ring.cover();
    for value in 0..5 {
        ring.publish(value).unwrap();
    }
    let second = ring.shared_cursor();
    let late = cover.add(second.clone()).unwrap();
    let early = cover.add(first).unwrap();
    assert_ne!(late, early);
    let mut sums = [0; 2];
    for value in 5..N {
        while ring.try_publish(value).is_err() {
            let turn = cover.turn();
            for (index, sum) in sums.iter_mut().enumerate() {
                if let Some(view) = turn.claim(index, 64) {
                    view.for_each(|_, value| *sum += value);
                }
            }
        }
    }
    // Taken back from the cover, the cursor holds producers back by itself again.
    let second = cover.swap_remove(late).unwrap();
    let mut turn = cover.turn();
    while let Some(view) = turn.claim(0, 64) {
        view.for_each(|_, value| sums[1] += value);
        drop(turn);
        turn = cover.turn();
    }
    drop(turn);
    while let Some(batch) = second.claim(64) {
        batch.view().for_each(|_, value| sums[0] += value);
    }
    let all = N * (N - 1) / 2;
    assert_eq!(sums, [all - 10, all]);
    for value in 0..16 {
        ring.try_publish(value).unwrap();
    }
    assert!(ring.try_publish(16).is_err());
    second.detach();
    assert!(second.claim(1).is_none());
    assert!(ring.try_publish(16).is_err(), "the covered one is still behind");
    drop(cover.swap_remove(0));
    ring.try_publish(16).unwrap();
}

#[test]
fn a_covered_cursor_that_is_detached_lets_producers_go_though_nobody_turns() {
    let ring = Ring::multi(2, || 0u64).unwrap();
    let cursor = ring.shared_cursor();
    let mut cover = ring.cover();
    cover.add(cursor.clone()).unwrap();
    ring.publish(1).unwrap();
    ring.publish(2).unwrap();
    assert!(ring.try_publish(3).is_err());
    cursor.detach();
    ring.try_publish(3).unwrap();
}

#[test]
fn lossy_cursors_tell_the_exact_gap_and_hold_nobody_up() {
    let ring = Ring::multi(8, || 0u64).unwrap();
    let cursor = ring.lossy_cursor(OnFull::DropOldest);
    drop(ring.claim(1).unwrap()); // padding is no message
    for value in 0..20 {
        ring.try_publish(value).unwrap();
    }
    let LossyRead::Lagged(lost) = cursor.read(64, |_, _| ()) else { panic!("it lagged") };
    let mut seen = Vec::new();
    while let LossyRead::Read(n @ 1..) = cursor.read(3, |_, value| seen.push(*value)) {
        assert!(n <= 3);
    }
    assert_eq!(seen, (lost..20).collect::<Vec<_>>());
    let cursor = ring.lossy_cursor(OnFull::Detach);
    for value in 0..9 {
        ring.try_publish(value).unwrap();
    }
    assert_eq!(cursor.read(64, |_, _| ()), LossyRead::Detached);
}

#[test]
fn a_lossy_cursor_loses_nothing_for_the_sake_of_a_claim_that_fails_anyway() {
    let ring = Ring::multi(4, || 0u64).unwrap();
    let slow = ring.cursor();
    let lossy = ring.lossy_cursor(OnFull::DropOldest);
    for value in 0..4 {
        ring.publish(value).unwrap();
    }
    assert!(ring.try_publish(4).is_err());
    assert_eq!(lossy.read(64, |_, _| ()), LossyRead::Read(4));
    drop(slow);
}

#[test]
fn a_cover_that_sleeps_holds_nobody_up_when_others_read_for_it() {
    let ring = Ring::multi(4, || 0u64).unwrap();
    let cursor = ring.shared_cursor();
    let mut covers = [ring.cover(), ring.cover()];
    for cover in &mut covers {
        cover.add(cursor.clone()).unwrap();
    }
    for value in 0..4 {
        ring.try_publish(value).unwrap();
    }
    // The first cover reads everything; the second never has a turn again.
    let mut sum = 0;
    covers[0].turn().claim(0, 64).unwrap().for_each(|_, value| sum += value);
    assert_eq!(sum, 6);
    ring.try_publish(4).unwrap();
    // The same for a consumer without a cover.
    cursor.claim(64).unwrap();
    for value in 0..4 {
        ring.try_publish(value).unwrap();
    }
}
