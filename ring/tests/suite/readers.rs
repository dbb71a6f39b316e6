//! Readers on real threads: lossy cursors, covers handed cursors over and back, buffers recycled through slots, and what
//! a careless user may do to them.
#![cfg(not(any(ringmain_loom, ringmain_shuttle)))]

use ringmain_ring::sync::{AtomicBool, AtomicUsize, Ordering};
use ringmain_ring::{
    Buffer, Builder, LossyRead, OnFull, Ring, Sequence, Sleeper, UniqueBuffer, WaitStrategy,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread;

const N: u64 = if cfg!(miri) { 70 } else { 50_000 };

#[test]
fn a_lossy_cursor_accounts_for_every_value_while_producers_race() {
    for start in [Sequence::new(0), Sequence::new((1 << 63) - 9)] {
        for capacity in [1, 2, 16] {
            let ring = Builder::new(capacity).start(start).multi(|| 0u64).unwrap();
            let cursor = ring.lossy_cursor(OnFull::DropOldest);
            let producers: Vec<_> = (0..2)
                .map(|_| {
                    let ring = ring.clone();
                    thread::spawn(move || {
                        for value in 0..N {
                            ring.publish(value).unwrap();
                        }
                    })
                })
                .collect();
            let closer = ring.clone();
            let closes = thread::spawn(move || {
                for producer in producers {
                    producer.join().unwrap();
                }
                closer.close();
            });
            let mut accounted = 0;
            while cursor.wait(None) {
                match cursor.read(5, |_, _| ()) {
                    LossyRead::Read(count) => accounted += count as u64,
                    LossyRead::Lagged(lost) => accounted += lost,
                    other => panic!("{other:?}"),
                }
            }
            closes.join().unwrap();
            assert_eq!(accounted, 2 * N, "capacity {capacity}");
        }
    }
}

#[test]
fn lossy_cursors_come_and_go_while_producers_lap() {
    let ring = Ring::multi(2, || 0u64).unwrap();
    let producers: Vec<_> = (0..2)
        .map(|_| {
            let ring = ring.clone();
            thread::spawn(move || {
                let mut value = 0;
                while ring.publish(value).is_ok() {
                    value += 1;
                }
            })
        })
        .collect();
    for round in 0..N / 10 {
        let cursor = ring.lossy_cursor(if round % 2 == 0 { OnFull::DropOldest } else { OnFull::Detach });
        // It may have been pushed on before we look, so its first gap is at least what we see of it.
        let start = cursor.position();
        let (mut next, mut lost) = (None, 0);
        for _ in 0..4 {
            let read = cursor.read(1, |sequence, _| {
                let seen = start.until(sequence);
                let expected = next.map_or(seen.min(lost), |next| start.until(next) + lost);
                assert_eq!(seen, expected, "the gap is exact");
                (next, lost) = (Some(sequence.plus(1)), 0);
            });
            if let LossyRead::Lagged(gap) = read {
                lost += gap;
            }
        }
    }
    ring.close();
    for producer in producers {
        producer.join().unwrap();
    }
}

#[test]
fn a_panic_while_reading_a_lossy_cursor_lets_go_of_it() {
    let ring = Ring::multi(1, || 0u64).unwrap();
    let cursor = ring.lossy_cursor(OnFull::DropOldest);
    ring.try_publish(1).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| cursor.read(1, |_, _| panic!("on purpose")))).is_err());
    ring.try_publish(2).unwrap();
    assert_eq!(cursor.read(1, |_, _| ()), LossyRead::Lagged(1));
}

#[test]
fn consumers_of_a_lossy_cursor_all_stop_at_the_close_and_not_before() {
    let ring = Ring::multi(64, || 0u64).unwrap();
    let cursor = Arc::new(ring.lossy_cursor(OnFull::DropOldest));
    let consumers: Vec<_> = (0..3)
        .map(|_| {
            let (cursor, ring) = (Arc::clone(&cursor), ring.clone());
            thread::spawn(move || {
                let mut accounted = 0;
                while cursor.wait(None) {
                    match cursor.read(1, |_, _| ()) {
                        LossyRead::Read(count) => accounted += count as u64,
                        LossyRead::Lagged(lost) => accounted += lost,
                        other => panic!("{other:?}"),
                    }
                }
                assert!(ring.is_closed(), "stopped, though it was not closed");
                accounted
            })
        })
        .collect();
    for value in 0..N {
        ring.publish(value).unwrap();
    }
    ring.close();
    assert_eq!(consumers.into_iter().map(|consumer| consumer.join().unwrap()).sum::<u64>(), N);
}

/// Whatever a turn claims from, and in which order: nobody writes into what a cursor has not read.
#[test]
fn a_turn_that_leaves_cursors_out_holds_producers_back_for_them() {
    for order in [&[0_usize][..], &[1], &[1, 0], &[0, 0], &[0, 0, 1], &[0, 1]] {
        let ring = Ring::multi(1, || 0_u64).unwrap();
        let mut cover = ring.cover();
        for _ in 0..2 {
            cover.add(ring.shared_cursor()).unwrap();
        }
        ring.try_publish(1).unwrap();
        let turn = cover.turn();
        let read: Vec<_> = order.iter().filter(|index| turn.claim(**index, 1).is_some()).collect();
        drop(turn);
        let all = read.len() == 2;
        assert_eq!(ring.try_publish(2).is_ok(), all, "claimed from {order:?}");
    }
}

#[test]
fn cursors_are_handed_to_covers_and_back_under_fire() {
    let ring = Builder::new(4).wait(WaitStrategy::Park).multi(|| 0u64).unwrap();
    let cursor = ring.shared_cursor();
    let producing = ring.clone();
    let producer = thread::spawn(move || (1..=N).for_each(|value| assert!(producing.publish(value).is_ok())));
    let mut cover = ring.cover();
    let (mut next, mut round) = (1, 0u64);
    while next <= N {
        round += 1;
        if round % 3 == 0 {
            let index = cover.add(cursor.clone()).unwrap();
            if let Some(view) = cover.turn().claim(index, 3) {
                view.for_each(|_, value| {
                    assert_eq!(*value, next);
                    next += 1;
                });
            }
            assert!(cover.swap_remove(index).is_some());
        } else if let Some(batch) = cursor.claim(2) {
            batch.view().for_each(|_, value| {
                assert_eq!(*value, next);
                next += 1;
            });
        } else {
            thread::yield_now();
        }
    }
    producer.join().unwrap();
}

#[test]
fn a_forgotten_turn_is_gone_on_with() {
    let ring = Ring::multi(2, || 0u64).unwrap();
    let mut cover = ring.cover();
    let cursor = ring.shared_cursor();
    cover.add(cursor.clone()).unwrap();
    ring.try_publish(1).unwrap();
    #[expect(clippy::mem_forget, reason = "as a careless user might")]
    std::mem::forget(cover.turn());
    cursor.detach();
    assert_eq!(cover.turn().len(), 1);
    (2..9).for_each(|value| assert!(ring.try_publish(value).is_ok()));
}

#[test]
fn forgotten_claims_pins_and_batches_are_safe() {
    #![expect(clippy::mem_forget, reason = "as a careless user might")]
    let ring = Ring::multi(2, String::new).unwrap();
    let cursor = ring.shared_cursor();
    ring.try_publish("a".into()).unwrap();
    std::mem::forget(cursor.claim(1));
    ring.try_publish("b".into()).unwrap();
    assert!(ring.try_publish("c".into()).is_err(), "what is pinned stays");
    let ring = Ring::multi(2, String::new).unwrap();
    let mut cursor = ring.cursor();
    std::mem::forget(ring.try_claim(1).unwrap());
    ring.try_publish("b".into()).unwrap();
    assert_eq!(cursor.poll(9, |_, _| ()), 0, "nothing is read past a claim that nobody publishes");
    assert!(ring.try_publish("c".into()).is_err());
    ring.close();
    assert!(!ring.is_at_end(cursor.position()), "what was claimed is waited for, closed or not");
}

#[test]
fn values_without_size_and_odd_layouts_work() {
    #[derive(Debug, Clone, Copy, PartialEq, Default)]
    #[repr(align(128))]
    struct Wide(u8);
    let (mut producer, ring) = Ring::single(2, || ()).unwrap();
    let mut cursor = ring.cursor();
    (0..2).for_each(|_| assert!(producer.try_publish(()).is_ok()));
    assert!(producer.try_publish(()).is_err());
    assert_eq!(cursor.poll(9, |_, ()| ()), 2);
    let ring = Ring::multi(1, Wide::default).unwrap();
    let mut cursor = ring.cursor();
    for value in 0..5 {
        ring.try_publish(Wide(value)).unwrap();
        assert_eq!(cursor.poll(9, |_, seen| assert_eq!(*seen, Wide(value))), 1);
    }
}

#[test]
fn buffers_are_recycled_through_slots_while_readers_keep_some() {
    let ring = Ring::multi(4, || None::<Buffer<u64>>).unwrap();
    let mut cursor = ring.cursor();
    let producing = ring.clone();
    let producer = thread::spawn(move || {
        let (mut spare, mut recycled) = (None, 0);
        for number in 0..N {
            let mut buffer = spare.take().unwrap_or_else(|| UniqueBuffer::new(16, 0));
            *buffer = number;
            let len = usize::try_from(number % 16).unwrap();
            buffer.resize(len).fill(number.to_le_bytes()[0]);
            let (_, old) = producing.exchange(Some(buffer.share())).unwrap();
            spare = old.and_then(|old| old.into_unique().ok());
            recycled += u64::from(spare.is_some());
        }
        recycled
    });
    let (mut kept, mut next) = (Vec::new(), 0);
    while next < N {
        cursor.wait(None);
        cursor.poll(2, |_, buffer| {
            let buffer = buffer.as_ref().expect("each is published with one");
            assert_eq!((**buffer, buffer.bytes().len() as u64), (next, next % 16));
            if next % 5 == 0 {
                kept.push(buffer.clone());
            }
            next += 1;
        });
        kept.truncate(8);
    }
    for buffer in &kept {
        assert!(
            buffer.bytes().iter().all(|byte| *byte == buffer.to_le_bytes()[0]),
            "nobody wrote what we hold"
        );
    }
    assert!(producer.join().unwrap() > 0);
}

#[test]
fn a_waker_that_panics_keeps_nobody_else_asleep_and_fails_nobody() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("on purpose");
        }
    }
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let ring = Ring::multi(2, || 0u64).unwrap();
    let counts = Arc::new(Counts(AtomicUsize::new(0)));
    for waker in
        [Waker::from(Arc::clone(&counts)), Waker::from(Arc::new(Panics)), Waker::from(Arc::clone(&counts))]
    {
        ring.data().register(&Sleeper::task(&waker)).stay();
    }
    assert!(ring.try_publish(1).is_ok(), "it is nothing to a publisher");
    assert_eq!(counts.0.load(Ordering::Relaxed), 2);
}

#[test]
fn no_wake_up_is_lost_in_a_ping_pong() {
    // Every round sleeps on both sides, and nothing has a time-out: one that is lost hangs the test.
    let rounds = if cfg!(miri) { 12 } else { 20_000 };
    let (ping, pong) =
        (Ring::multi(1, || 0u64).unwrap(), Builder::new(1).wait(WaitStrategy::Park).multi(|| 0u64).unwrap());
    let (mut from_ping, mut from_pong) = (ping.cursor(), pong.cursor());
    let replies = pong.clone();
    let other = thread::spawn(move || {
        while from_ping.wait(None) {
            let mut got = 0;
            from_ping.poll(1, |_, value| got = *value);
            replies.publish(got + 1).unwrap();
        }
    });
    for round in 0..rounds {
        ping.publish(round).unwrap();
        assert!(from_pong.wait(None));
        assert_eq!(from_pong.poll(1, |_, value| assert_eq!(*value, round + 1)), 1);
    }
    ping.close();
    other.join().unwrap();
}

#[test]
fn a_wait_for_more_room_than_there_is_waits_for_all_of_it() {
    let ring = Ring::multi(2, || 0u64).unwrap();
    assert!(ring.wait_for_room(u64::MAX, None), "nobody reads: the whole ring is free");
    let _stuck = ring.cursor();
    ring.try_publish(1).unwrap();
    assert!(!ring.wait_for_room(3, Some(ringmain_ring::now())));
}

#[test]
fn cursors_attach_and_detach_while_producers_wait_for_room() {
    let ring = Builder::new(2).wait(WaitStrategy::Park).multi(|| 0u64).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let producers: Vec<_> = (0..2)
        .map(|_| {
            let ring = ring.clone();
            thread::spawn(move || (0..N).for_each(|value| assert!(ring.publish(value).is_ok())))
        })
        .collect();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (ring, done) = (ring.clone(), Arc::clone(&done));
            thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let mut cursor = ring.cursor();
                    let mut expected = cursor.position();
                    for _ in 0..3 {
                        cursor.poll(2, |sequence, _| {
                            assert_eq!(sequence, expected);
                            expected = sequence.plus(1);
                        });
                    }
                    drop(cursor);
                    thread::yield_now();
                }
            })
        })
        .collect();
    for producer in producers {
        producer.join().unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
}

/// More than the bits of two words, in which is noted whose gates count.
#[test]
fn of_many_readers_each_holds_the_producers_back() {
    let ring = Ring::multi(2, || 0u64).unwrap();
    let lasts: &[usize] = if cfg!(miri) { &[63, 64] } else { &[0, 1, 63, 64, 65, 127, 128, 129] };
    let mut cursors: Vec<_> = (0..=lasts[lasts.len() - 1]).map(|_| ring.cursor()).collect();
    for &last in lasts {
        while ring.try_publish(0).is_ok() {}
        for (_, cursor) in cursors.iter_mut().enumerate().filter(|(index, _)| *index != last) {
            assert!(cursor.poll(64, |_, _| ()) > 0);
        }
        assert!(ring.try_publish(0).is_err(), "number {last} has not read");
        assert!(cursors[last].poll(64, |_, _| ()) > 0);
        assert!(ring.try_publish(0).is_ok(), "number {last} has");
    }
}
