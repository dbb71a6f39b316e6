//! Publishing and reading, every schedule: claims, stamps, batches, padding, and a lap.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use models::{next, parking, rest, spinning, spinning_single};

model!(multi_publish_read, broken by ["multi.stamp.release", "multi.stamp.acquire"], {
    let ring = spinning(2);
    let mut cursor = ring.cursor();
    let producer = spawn(move || {
        ring.try_publish(1).unwrap();
        ring.try_publish(2).unwrap();
    });
    let mut seen = rest(&mut cursor);
    producer.join().unwrap();
    seen.extend(rest(&mut cursor));
    assert_eq!(seen, [1, 2]);
});

model!(multi_two_producers, broken by ["multi.stamp.release", "multi.stamp.acquire"], {
    let ring = spinning(2);
    let mut cursor = ring.cursor();
    let producers = [1, 2].map(|value| {
        let ring = ring.clone();
        spawn(move || ring.try_publish(value).unwrap())
    });
    let mut seen = rest(&mut cursor);
    for producer in producers {
        producer.join().unwrap();
    }
    seen.extend(rest(&mut cursor));
    assert!(seen == [1, 2] || seen == [2, 1], "{seen:?}");
});

model!(
    /// A batch is seen whole, since its first slot is stamped last.
    multi_batch_is_seen_whole, broken by ["multi.batch.forward", "multi.stamp.release"], {
        let ring = spinning(2);
        let mut cursor = ring.cursor();
        let producer = spawn(move || {
            let mut claim = ring.try_claim(2).unwrap();
            claim.push(1).unwrap();
            claim.push(2).unwrap();
            claim.publish();
        });
        let mut sum = 0;
        let count = cursor.poll(2, |_, value| sum += value);
        assert!((count, sum) == (0, 0) || (count, sum) == (2, 3), "{count} values");
        producer.join().unwrap();
    }
);

model!(
    /// Two producers that claim more than one slot each: whole, one after the other, and nothing twice.
    multi_two_batches, broken by ["multi.claim.not_swapped"], {
        let ring = spinning(4);
        let mut cursor = ring.cursor();
        let producers = [10, 20].map(|value| {
            let ring = ring.clone();
            spawn(move || {
                let mut claim = ring.try_claim(2).unwrap();
                claim.push(value).unwrap();
                claim.push(value + 1).unwrap();
                claim.publish();
            })
        });
        for producer in producers {
            producer.join().unwrap();
        }
        let seen = rest(&mut cursor);
        assert!(seen == [10, 11, 20, 21] || seen == [20, 21, 10, 11], "{seen:?}");
    }
);

model!(
    /// A claim that is given up becomes padding, and does not stop the one behind it.
    padding_of_a_dropped_claim, broken by ["claim.drop.forgets", "view.padding_unseen"], {
        let ring = parking(4);
        let mut cursor = ring.cursor();
        let other = ring.clone();
        let gives_up = spawn(move || drop(other.try_claim(2).unwrap()));
        let publishes = spawn(move || ring.try_publish(7).unwrap());
        assert_eq!(next(&mut cursor), 7);
        gives_up.join().unwrap();
        publishes.join().unwrap();
    }
);

model!(multi_lap_of_one_slot,
    broken by ["gate.position.release", "multi.gate.ignored"], {
        let ring = spinning(1);
        let mut cursor = ring.cursor();
        ring.try_publish(1).unwrap();
        let producer = spawn(move || ring.try_publish(2).is_ok());
        let mut seen = rest(&mut cursor);
        if producer.join().unwrap() {
            seen.extend(rest(&mut cursor));
            assert_eq!(seen, [1, 2]);
        } else {
            assert_eq!(seen, [1]);
        }
    }
);

model!(
    /// One producer scans the gates, the other goes by what the first remembered.
    multi_lap_by_the_cached_gate, broken by ["gate.cached.acquire"], {
        let ring = spinning(2);
        let mut cursor = ring.cursor();
        ring.try_publish(1).unwrap();
        ring.try_publish(2).unwrap();
        let producers = [3, 4].map(|value| {
            let ring = ring.clone();
            spawn(move || ring.try_publish(value).is_ok())
        });
        assert_eq!(cursor.poll(2, |_, _| ()), 2);
        for producer in producers {
            producer.join().unwrap();
        }
    }
);

model!(
    /// Nobody reads: what holds a producer back is the other one, who has not published yet.
    multi_lap_without_readers,
    broken by ["gate.cache.backwards", "multi.gate.ignored", "room.not_from_producers"], {
        let ring = parking(1);
        let other = ring.clone();
        let three = spawn(move || {
            for value in 1..=3 {
                other.publish(value).unwrap();
            }
        });
        ring.publish(4).unwrap();
        three.join().unwrap();
        ring.publish(5).unwrap();
        assert_eq!(ring.tail().number(), 5);
    }
);

model!(single_publish_read, broken by ["single.published.release", "single.published.acquire"], {
    let (mut producer, ring) = spinning_single(2);
    let mut cursor = ring.cursor();
    let producer = spawn(move || {
        producer.try_publish(1).unwrap();
        producer.try_publish(2).unwrap();
    });
    let mut seen = rest(&mut cursor);
    producer.join().unwrap();
    seen.extend(rest(&mut cursor));
    assert_eq!(seen, [1, 2]);
});

model!(single_lap_of_one_slot, broken by ["gate.position.release"], {
    let (mut producer, ring) = spinning_single(1);
    let mut cursor = ring.cursor();
    producer.try_publish(1).unwrap();
    let producer = spawn(move || producer.try_publish(2).is_ok());
    let mut seen = rest(&mut cursor);
    if producer.join().unwrap() {
        seen.extend(rest(&mut cursor));
        assert_eq!(seen, [1, 2]);
    } else {
        assert_eq!(seen, [1]);
    }
});

model!(
    /// With one producer, what is not written is claimed again, and never seen.
    single_batch_partly_written, broken by ["single.published.release", "single.published.acquire"], {
        let (mut producer, ring) = spinning_single(2);
        let mut cursor = ring.cursor();
        let producer = spawn(move || {
            let mut claim = producer.try_claim(2).unwrap();
            claim.push(1).unwrap();
            claim.publish();
            producer.try_publish(2).unwrap();
        });
        let mut seen = rest(&mut cursor);
        producer.join().unwrap();
        seen.extend(rest(&mut cursor));
        assert_eq!(seen, [1, 2]);
    }
);
