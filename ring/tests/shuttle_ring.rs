//! Rings under random schedules: what loom cannot reach, since it is too long or has too many threads.
#![cfg(all(ringmain_shuttle, ringmain_twins))]

mod schedules;

use ringmain_ring::{Builder, Cursor, Ring, Sequencer, SharedCursor, WaitStrategy};
use schedules::{choose, parking};
use shuttle::thread::spawn;
use std::collections::BTreeMap;

/// What producer `producer` publishes as its `number`th.
fn value(producer: u64, number: u64) -> u64 {
    producer * 100 + number
}

/// Checks that the values of each producer stand in their order, and without a gap.
fn in_order(seen: &[u64]) {
    let mut last = BTreeMap::new();
    for value in seen {
        let (producer, number) = (value / 100, value % 100);
        if let Some(before) = last.insert(producer, number) {
            assert_eq!(number, before + 1, "of producer {producer}, in {seen:?}");
        }
    }
}

/// Reads to the end, which comes when the ring is closed.
fn to_the_end<S: Sequencer>(cursor: &mut Cursor<u64, S>) -> Vec<u64> {
    let mut seen = Vec::new();
    while cursor.wait(None) {
        cursor.poll(1 + choose(3) as usize, |_, value| seen.push(*value));
    }
    seen
}

/// Takes to the end, in competition with others.
fn take_to_the_end(ring: &Ring<u64>, cursor: &SharedCursor<u64, ringmain_ring::Multi>) -> Vec<u64> {
    let mut seen = Vec::new();
    loop {
        let at_end = || cursor.is_detached() || ring.is_at_end(cursor.position());
        ring.data().wait_until(None, || !cursor.is_drained() || at_end());
        match cursor.claim(1 + choose(2) as usize) {
            Some(batch) => _ = batch.view().for_each(|_, value| seen.push(*value)),
            None if at_end() => return seen,
            None => {}
        }
    }
}

schedules!(
    /// Three producers, two readers, a ring of four: nobody sleeps for ever, and everybody reads the same.
    producers_and_readers, 1000 of each,
    broken by ["wait.no_recheck", "data.not_notified", "room.not_notified", "multi.gate.ignored", "multi.claim.not_swapped"], {
        let ring = parking(4);
        let readers: Vec<_> = (0..2).map(|_| ring.cursor()).map(|mut cursor| spawn(move || to_the_end(&mut cursor))).collect();
        let producers: Vec<_> = (0..3)
            .map(|producer| {
                let ring = ring.clone();
                spawn(move || (0..5).for_each(|number| _ = ring.publish(value(producer, number)).unwrap()))
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        ring.close();
        let seen: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert_eq!(seen[0].len(), 15);
        assert_eq!(seen[0], seen[1]);
        in_order(&seen[0]);
    }
);

schedules!(
    /// Batches, of which some are given up, by two producers on a ring of four.
    batches_and_padding, 1000 of each, broken by ["multi.batch.forward", "claim.drop.forgets", "wait.no_recheck"], {
        let ring = parking(4);
        let mut cursor = ring.cursor();
        let reader = spawn(move || {
            let mut seen = Vec::new();
            while cursor.wait(None) {
                // A batch is seen whole: its two values come together.
                let count = cursor.poll(usize::MAX, |_, value| seen.push(*value));
                assert_eq!(count % 2, 0, "{seen:?}");
            }
            seen
        });
        let producers: Vec<_> = (0..2)
            .map(|producer| {
                let ring = ring.clone();
                spawn(move || {
                    let mut number = 0;
                    for _ in 0..4 {
                        let mut claim = ring.claim(2).unwrap();
                        if choose(3) == 0 {
                            continue; // dropped: padding
                        }
                        claim.push(value(producer, number)).unwrap();
                        claim.push(value(producer, number + 1)).unwrap();
                        claim.publish();
                        number += 2;
                    }
                    number as usize
                })
            })
            .collect();
        let published: usize = producers.into_iter().map(|producer| producer.join().unwrap()).sum();
        ring.close();
        let seen = reader.join().unwrap();
        assert_eq!(seen.len(), published);
        in_order(&seen);
    }
);

schedules!(
    /// Readers come and go on a ring of two: each reads without a gap from where it starts, and the producers, who wait
    /// for whoever is there, go on.
    readers_come_and_go, 1000 of each,
    broken by ["detach.not_notified", "detach.stays"], {
        let ring = parking(2);
        let producers: Vec<_> = (0..2)
            .map(|producer| {
                let ring = ring.clone();
                spawn(move || (0..6).for_each(|number| _ = ring.publish(value(producer, number)).unwrap()))
            })
            .collect();
        let visitors: Vec<_> = (0..3)
            .map(|_| {
                let ring = ring.clone();
                spawn(move || {
                    for _ in 0..2 {
                        let mut cursor = ring.cursor();
                        let start = cursor.position();
                        let (mut seen, mut places) = (Vec::new(), Vec::new());
                        for _ in 0..choose(4) {
                            cursor.poll(1, |place, value| {
                                places.push(place.number());
                                seen.push(*value);
                            });
                        }
                        in_order(&seen);
                        assert_eq!(places, (start.number()..start.number() + places.len() as u64).collect::<Vec<_>>());
                    }
                })
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
        assert_eq!(ring.tail().number(), 12);
    }
);

schedules!(
    /// Three consumers share a cursor on a ring of two: every value goes to one of them, and nobody writes where one reads.
    consumers_compete, 1000 of each,
    broken by ["shared.no_pin", "shared.advance.unchecked", "pin.not_notified", "wait.no_recheck"], {
        let ring = parking(2);
        let cursor = ring.shared_cursor();
        let consumers: Vec<_> = (0..3)
            .map(|_| {
                let (ring, cursor) = (ring.clone(), cursor.clone());
                spawn(move || take_to_the_end(&ring, &cursor))
            })
            .collect();
        let producers: Vec<_> = (0..2)
            .map(|producer| {
                let ring = ring.clone();
                spawn(move || (0..5).for_each(|number| _ = ring.publish(value(producer, number)).unwrap()))
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        ring.close();
        let mut seen = Vec::new();
        for consumer in consumers {
            let mine = consumer.join().unwrap();
            assert!(mine.is_sorted_by(|a, b| a / 100 != b / 100 || a < b), "{mine:?}");
            seen.extend(mine);
        }
        seen.sort_unstable();
        let all: Vec<_> = (0..2).flat_map(|producer| (0..5).map(move |number| value(producer, number))).collect();
        assert_eq!(seen, all);
    }
);

schedules!(
    /// Closed in the midst of it all: every call returns, and what was accepted is read by everybody.
    closed_in_the_middle, 1000 of each,
    broken by ["close.not_notified", "multi.seal.forgotten", "close.end_unseen", "multi.seal.bias_kept"], {
        let ring = parking(2);
        let shared = ring.shared_cursor();
        let mut own = ring.cursor();
        let reader = spawn(move || to_the_end(&mut own));
        let consumers: Vec<_> = (0..2)
            .map(|_| {
                let (ring, cursor) = (ring.clone(), shared.clone());
                spawn(move || take_to_the_end(&ring, &cursor).len())
            })
            .collect();
        let producers: Vec<_> = (0..2)
            .map(|producer| {
                let ring = ring.clone();
                spawn(move || (0..4).take_while(|number| ring.publish(value(producer, *number)).is_ok()).count())
            })
            .collect();
        for _ in 0..choose(8) {
            shuttle::thread::yield_now();
        }
        ring.close();
        let published: usize = producers.into_iter().map(|producer| producer.join().unwrap()).sum();
        let seen = reader.join().unwrap();
        in_order(&seen);
        assert_eq!(seen.len(), published);
        assert_eq!(consumers.into_iter().map(|consumer| consumer.join().unwrap()).sum::<usize>(), published);
    }
);

schedules!(
    /// The ring of one producer: batches against a reader, readers that come and go, and a close.
    a_single_producer, 1000 of each, broken by ["wait.no_recheck", "close.not_notified", "single.claim.not_taken_back"], {
        let (mut producer, ring) =
            Builder::new(2).wait(WaitStrategy::Park).single(|| 0).expect("a power of two");
        let mut cursor = ring.cursor();
        let reader = spawn(move || to_the_end(&mut cursor));
        let visiting = ring.clone();
        let visitor = spawn(move || {
            for _ in 0..3 {
                let mut cursor = visiting.cursor();
                let mut seen = Vec::new();
                cursor.poll(2, |_, value| seen.push(*value));
                in_order(&seen);
            }
        });
        let closer = ring.clone();
        let produces = spawn(move || {
            let mut published = 0;
            while published < 8 && producer.publish(value(0, published)).is_ok() {
                published += 1;
            }
            published as usize
        });
        for _ in 0..choose(40) {
            shuttle::thread::yield_now();
        }
        closer.close();
        let published = produces.join().unwrap();
        visitor.join().unwrap();
        let seen = reader.join().unwrap();
        in_order(&seen);
        assert_eq!(seen.len(), published);
    }
);
