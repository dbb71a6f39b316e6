//! Attaching and detaching under fire, every schedule.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use models::{next, parking, rest, spinning, spinning_single};
use ringmain_ring::sync::{AtomicU64, Ordering};
use std::sync::Arc;

model!(
    /// A cursor reads nothing whose publish ended before the attach began, and misses nothing whose publish began after
    /// the attach ended; and from its start on nothing is overwritten, though producers lap.
    attach_against_publish,
    broken by ["attach.no_fence"], {
        let ring = spinning(2);
        let words = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let (producing, shared) = (ring.clone(), Arc::clone(&words));
        let producer = spawn(move || {
            let (published, attached) = &*shared;
            let mut after = u64::MAX;
            for value in 1..=3 {
                if attached.load(Ordering::Acquire) == 1 {
                    after = after.min(value);
                }
                if producing.try_publish(value).is_err() {
                    return (after, value - 1);
                }
                published.store(value, Ordering::Release);
            }
            (after, 3)
        });
        let before = words.0.load(Ordering::Acquire);
        let mut cursor = ring.cursor();
        words.1.store(1, Ordering::Release);
        let mut seen = rest(&mut cursor);
        let (after, last) = producer.join().unwrap();
        seen.extend(rest(&mut cursor));
        let first = seen.first().copied().unwrap_or(last + 1);
        assert!(before < first && first <= after, "{before} {first} {after}");
        assert_eq!(seen, (first..=last).collect::<Vec<_>>());
    }
);

model!(
    /// The same with a producer of its own kind, which remembers a gate.
    attach_against_single_producer, broken by ["scan.no_fence", "attach.no_fence", "attach.no_version"], {
        let (mut producer, ring) = spinning_single(1);
        let producer = spawn(move || (1..=2).take_while(|value| producer.try_publish(*value).is_ok()).last().unwrap());
        let mut cursor = ring.cursor();
        let mut seen = rest(&mut cursor);
        let last = producer.join().unwrap();
        seen.extend(rest(&mut cursor));
        let first = seen.first().copied().unwrap_or(last + 1);
        assert_eq!(seen, (first..=last).collect::<Vec<_>>());
    }
);

model!(
    /// A cursor starts behind a claim that is not written yet: nobody laps that one.
    attach_behind_an_unpublished_claim, broken by ["attach.unproven"], {
        let ring = spinning(1);
        let (slow, fast) = (ring.clone(), ring.clone());
        let claims = spawn(move || slow.try_publish(1).is_ok());
        let laps = spawn(move || fast.try_publish(2).is_ok());
        let mut cursor = ring.cursor();
        rest(&mut cursor);
        claims.join().unwrap();
        laps.join().unwrap();
    }
);

model!(
    /// One producer proves that all before the cursor is published; another relies on that.
    attach_proven_by_another, broken by ["attach.unproven"], {
        let ring = spinning(1);
        let (slow, fast) = (ring.clone(), ring.clone());
        let claims = spawn(move || slow.try_publish(1).is_ok());
        let scans = spawn(move || fast.wait_for_room(1, Some(ringmain_ring::now())));
        let cursor = ring.cursor();
        let laps = ring.try_publish(2).is_ok();
        let _scanned = scans.join().unwrap();
        assert!(claims.join().unwrap() || laps);
        drop(cursor);
    }
);

model!(
    /// The gate stands too early for a moment. A producer that went to sleep for that moment is woken.
    attach_wakes_a_producer, broken by ["attach.not_notified"], {
        let ring = parking(1);
        let other = ring.clone();
        let producer = spawn(move || {
            other.publish(1).unwrap();
            other.publish(2).unwrap();
        });
        let cursor = ring.cursor();
        if cursor.position().number() > 0 {
            // There is room for both values, and the cursor has nothing to do.
            producer.join().unwrap();
            drop(cursor);
        } else {
            drop(cursor);
            producer.join().unwrap();
        }
    }
);

model!(detach_wakes_a_producer, broken by ["detach.not_notified", "detach.stays"], {
    let ring = parking(1);
    let cursor = ring.cursor();
    ring.try_publish(1).unwrap();
    let other = ring.clone();
    let producer = spawn(move || other.publish(2).unwrap());
    drop(cursor);
    producer.join().unwrap();
});

model!(
    /// What a cursor read before it was dropped was read before a producer writes there.
    detach_against_scan, broken by ["gates.clear.release"], {
        let ring = spinning(1);
        let mut cursor = ring.cursor();
        ring.try_publish(1).unwrap();
        let other = ring.clone();
        let producer = spawn(move || other.try_publish(2).is_ok());
        // Read, and go without having moved on.
        let batch = cursor.batch(1).unwrap();
        batch.for_each(|_, value| assert_eq!(*value, 1));
        forget(batch);
        drop(cursor);
        producer.join().unwrap();
    }
);

#[expect(clippy::mem_forget, reason = "as a careless user might")]
fn forget<T>(value: T) {
    std::mem::forget(value);
}

model!(
    /// A gate that is used again, while a producer still looks at it for the sake of its last owner.
    detach_and_attach_again, broken by ["scan.no_fence", "attach.no_version"], {
        let ring = spinning(1);
        let first = ring.cursor();
        ring.try_publish(1).unwrap();
        let other = ring.clone();
        let producer = spawn(move || (2..=3).filter(|value| other.try_publish(*value).is_ok()).count());
        drop(first);
        let mut second = ring.cursor();
        let start = second.position().number();
        let mut seen = rest(&mut second);
        producer.join().unwrap();
        seen.extend(rest(&mut second));
        assert_eq!(seen.len() as u64, ring.tail().number() - start);
    }
);

model!(
    /// Two cursors attached at once, and a producer: each reads on from where it starts, without a gap.
    two_attach_at_once, broken by ["scan.no_fence"], {
        let ring = spinning(1);
        let producing = ring.clone();
        let producer = spawn(move || (1..=2).filter(|value| producing.try_publish(*value).is_ok()).count() as u64);
        let other = ring.clone();
        let attaches = spawn(move || other.cursor());
        let mut cursors = [ring.cursor(), attaches.join().unwrap()];
        let last = producer.join().unwrap();
        for cursor in &mut cursors {
            let start = cursor.position().number();
            assert_eq!(rest(cursor).len() as u64, last - start);
        }
    }
);

model!(
    /// A reader attaches, reads and leaves while a producer waits for room: nothing hangs.
    attach_read_detach, broken by ["detach.not_notified"], {
        let ring = parking(1);
        let other = ring.clone();
        let producer = spawn(move || (1..=3).for_each(|value| assert!(other.publish(value).is_ok())));
        let mut cursor = ring.cursor();
        if cursor.position().number() < 2 {
            next(&mut cursor);
        }
        drop(cursor);
        producer.join().unwrap();
    }
);

model!(
    /// The fifth gate is the first of a new piece of the table: whoever finds it on the list finds it made.
    attach_in_a_new_segment, broken by ["gates.set.release", "gates.on.acquire"], {
        let ring = spinning(1);
        let _four = [ring.cursor(), ring.cursor(), ring.cursor(), ring.cursor()];
        ring.try_publish(1).unwrap();
        let other = ring.clone();
        let producer = spawn(move || assert!(other.try_publish(2).is_err()));
        let fifth = ring.cursor();
        producer.join().unwrap();
        drop(fifth);
    }
);

model!(
    /// As `attach_against_publish`, the other way round, for the checker's sake.
    publish_against_attach,
    broken by ["scan.no_fence", "attach.no_fence", "attach.no_version", "attach.version.release"], {
        let ring = spinning(1);
        let attaching = ring.clone();
        let attacher = spawn(move || {
            let mut cursor = attaching.cursor();
            (rest(&mut cursor), cursor)
        });
        let last = (1..=2).take_while(|value| ring.try_publish(*value).is_ok()).last().unwrap();
        let (mut seen, mut cursor) = attacher.join().unwrap();
        seen.extend(rest(&mut cursor));
        let first = seen.first().copied().unwrap_or(last + 1);
        assert_eq!(seen, (first..=last).collect::<Vec<_>>());
    }
);
