//! Lossy cursors, every schedule: pushed on while they read, told the exact gap, holding nobody up for longer.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use models::{parking, spinning};
use ringmain_ring::{LossyCursor, LossyRead, OnFull, Sequencer};
use std::sync::Arc;

/// Reads until there is nothing more: the values, and how many were lost.
fn drain<S: Sequencer>(cursor: &LossyCursor<u64, S>) -> (Vec<u64>, u64) {
    let (mut seen, mut lost) = (Vec::new(), 0);
    loop {
        match cursor.read(1, |_, value| seen.push(*value)) {
            LossyRead::Read(0) | LossyRead::Detached => return (seen, lost),
            LossyRead::Read(_) => {}
            LossyRead::Lagged(gap) => lost += gap,
            other => panic!("{other:?}"),
        }
    }
}

model!(
    /// A producer that finds the cursor held does not push it, and does not wait.
    lossy_push_against_read,
    broken by ["lossy.push_held", "lossy.read_held", "lossy.not_pushed_is_ignored", "gate.position.release"], {
        let ring = spinning(1);
        let cursor = ring.lossy_cursor(OnFull::DropOldest);
        ring.try_publish(1).unwrap();
        let other = ring.clone();
        let producer = spawn(move || other.try_publish(2).is_ok());
        let (mut seen, mut lost) = drain(&cursor);
        let published = 1 + u64::from(producer.join().unwrap());
        let (rest, more) = drain(&cursor);
        seen.extend(rest);
        lost += more;
        assert_eq!(seen.len() as u64 + lost, published, "{seen:?} read, {lost} lost");
        assert!(seen.is_sorted());
    }
);

model!(
    /// Whoever holds the cursor next finds it where the last holder left it, so the gap is exact.
    lossy_exact_gap, broken by ["lossy.holder.release", "lossy.holder.acquire", "lossy.lost.uncounted"], {
        let ring = spinning(2);
        let cursor = ring.lossy_cursor(OnFull::DropOldest);
        ring.try_publish(1).unwrap();
        ring.try_publish(2).unwrap();
        let other = ring.clone();
        let producer = spawn(move || (3..=4).filter(|value| other.try_publish(*value).is_ok()).count());
        let (mut seen, mut lost) = drain(&cursor);
        let published = 2 + producer.join().unwrap();
        let (rest, more) = drain(&cursor);
        seen.extend(rest);
        lost += more;
        assert_eq!(seen.len() + usize::try_from(lost).unwrap(), published, "{seen:?} read, {lost} lost");
    }
);

model!(
    /// Two producers want the same room: the cursor is pushed, and its loss counted, once.
    lossy_two_producers_push, broken by ["lossy.push_held", "lossy.lost.uncounted"], {
        let ring = spinning(1);
        let cursor = ring.lossy_cursor(OnFull::DropOldest);
        ring.try_publish(1).unwrap();
        let producers = [2, 3].map(|value| {
            let ring = ring.clone();
            spawn(move || usize::from(ring.try_publish(value).is_ok()))
        });
        let published = 1 + producers.map(|producer| producer.join().unwrap()).iter().sum::<usize>();
        let (seen, lost) = drain(&cursor);
        assert_eq!(seen.len() + usize::try_from(lost).unwrap(), published, "{seen:?} read, {lost} lost");
    }
);

model!(
    /// What one producer saw the cursor leave, another overwrites, going by the remembered gate.
    lossy_read_then_cached_gate, broken by ["gate.cache.release", "gate.cached.acquire"], {
        let ring = spinning(2);
        let cursor = ring.lossy_cursor(OnFull::DropOldest);
        ring.try_publish(1).unwrap();
        ring.try_publish(2).unwrap();
        let producers = [3, 4].map(|value| {
            let ring = ring.clone();
            spawn(move || ring.try_publish(value).is_ok())
        });
        let _read = cursor.read(2, |_, _| ());
        for producer in producers {
            producer.join().unwrap();
        }
    }
);

model!(lossy_detached_when_full, broken by ["lossy.push_held"], {
    let ring = spinning(1);
    let cursor = ring.lossy_cursor(OnFull::Detach);
    ring.try_publish(1).unwrap();
    let other = ring.clone();
    let producer = spawn(move || other.try_publish(2).is_ok());
    let (seen, lost) = drain(&cursor);
    let published = producer.join().unwrap();
    assert_eq!(lost, 0);
    assert!(cursor.is_detached() || seen.first() == Some(&1));
    assert!(published || !cursor.is_detached());
});

model!(
    /// A producer finds the cursor held, and goes to sleep: letting go wakes it.
    lossy_hold_wakes_a_producer, broken by ["lossy.not_notified"], {
        let ring = parking(1);
        let cursor = ring.lossy_cursor(OnFull::DropOldest);
        ring.try_publish(1).unwrap();
        let other = ring.clone();
        let producer = spawn(move || other.publish(2).unwrap());
        // Reads nothing, so that nothing but the holding holds anybody up.
        assert_ne!(cursor.read(0, |_, _| ()), LossyRead::Detached);
        producer.join().unwrap();
    }
);

model!(
    /// A cursor that is attached while producers lap: its gap begins where it starts, and its position never goes back.
    lossy_attach_against_laps, broken by ["attach.lossy_not_held", "attach.holder.release"], {
        let ring = spinning(1);
        let other = ring.clone();
        let producer = spawn(move || (1..=3).filter(|value| other.try_publish(*value).is_ok()).count());
        let cursor = ring.lossy_cursor(OnFull::DropOldest);
        let attached = cursor.position().number();
        let published = producer.join().unwrap() as u64;
        let (seen, lost) = drain(&cursor);
        assert!(seen.len() as u64 + lost <= published, "{seen:?} read, {lost} lost of {published} from {attached}");
        if published > 0 {
            assert_eq!(cursor.position().number(), published, "all is read");
        }
    }
);

model!(
    /// The same, with a producer that waits: the attach wakes it when it lets go.
    lossy_attach_wakes_a_producer, broken by ["attach.not_notified"], {
        let ring = parking(1);
        let other = ring.clone();
        let producer = spawn(move || (1..=2).for_each(|value| assert!(other.publish(value).is_ok())));
        let cursor = ring.lossy_cursor(OnFull::DropOldest);
        producer.join().unwrap();
        drop(cursor);
    }
);

model!(
    /// Dropped while a producer pushes it, and its gate used again.
    lossy_drop_and_attach_again, broken by ["lossy.push_held"], {
        let ring = spinning(1);
        let cursor = ring.lossy_cursor(OnFull::DropOldest);
        ring.try_publish(1).unwrap();
        let other = ring.clone();
        let producer = spawn(move || (2..=3).filter(|value| other.try_publish(*value).is_ok()).count());
        drop(cursor);
        let cursor = ring.lossy_cursor(OnFull::DropOldest);
        let (_, first) = drain(&cursor);
        let published = 1 + producer.join().unwrap() as u64;
        let (_, second) = drain(&cursor);
        assert!(first + second < published);
        assert_eq!(cursor.position().number(), published);
    }
);

model!(
    /// Read, and then detached by one producer that wants more room than another: the other finds it detached, and
    /// overwrites what was read.
    lossy_detached_by_another, broken by ["lossy.detached.acquire", "lossy.detach.release"], {
        let ring = spinning(2);
        let cursor = ring.lossy_cursor(OnFull::Detach);
        ring.try_publish(1).unwrap();
        ring.try_publish(2).unwrap();
        let wants = ring.clone();
        let detaches = spawn(move || wants.wait_for_room(2, Some(ringmain_ring::now())));
        let producer = spawn(move || ring.try_publish(3).is_ok());
        let read = cursor.read(1, |_, value| assert_eq!(*value, 1));
        assert!(matches!(read, LossyRead::Read(1) | LossyRead::Detached));
        assert!(detaches.join().unwrap());
        producer.join().unwrap();
    }
);

model!(
    /// A thread that finds the cursor held by another waits for it, though it held the cursor before itself.
    lossy_held_by_another_is_waited_for, broken by ["lossy.busy_is_mine", "lossy.read_held"], {
        let ring = spinning(4);
        let cursor = Arc::new(ring.lossy_cursor(OnFull::DropOldest));
        (1..=3).for_each(|value| assert!(ring.try_publish(value).is_ok()));
        let other = Arc::clone(&cursor);
        let consumer = spawn(move || (0..2).for_each(|_| assert_eq!(other.read(1, |_, _| ()), LossyRead::Read(1))));
        assert_eq!(cursor.read(1, |_, _| ()), LossyRead::Read(1));
        consumer.join().unwrap();
        assert_eq!(cursor.read(1, |_, _| ()), LossyRead::Read(0));
    }
);

model!(
    /// As `lossy_attach_against_laps`, the other way round, for the checker's sake.
    lossy_laps_against_attach, broken by ["attach.lossy_not_held"], {
        let ring = spinning(1);
        let attaching = ring.clone();
        let attacher = spawn(move || attaching.lossy_cursor(OnFull::DropOldest));
        let published = (1..=3).filter(|value| ring.try_publish(*value).is_ok()).count() as u64;
        let cursor = attacher.join().unwrap();
        let (seen, lost) = drain(&cursor);
        assert!(seen.len() as u64 + lost <= published, "{seen:?} read, {lost} lost of {published}");
        assert_eq!(cursor.position().number(), published, "all is read");
    }
);
