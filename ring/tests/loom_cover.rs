//! Covers, every schedule: turns, cursors handed over and back, and detached under a turn.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use models::{parking, spinning};
use ringmain_ring::{Cover, Multi, SharedCursor};

/// What one turn reads of all cursors.
fn turn(cover: &mut Cover<u64, Multi>) -> Vec<u64> {
    let mut seen = Vec::new();
    let turn = cover.turn();
    for index in 0..turn.len() {
        if let Some(view) = turn.claim(index, 9) {
            view.for_each(|_, value| seen.push(*value));
        }
    }
    seen
}

/// Takes what is ready by itself.
fn take(cursor: &SharedCursor<u64, Multi>) -> Vec<u64> {
    let mut seen = Vec::new();
    while let Some(batch) = cursor.claim(1) {
        batch.view().for_each(|_, value| seen.push(*value));
    }
    seen
}

model!(
    /// A turn reads in place what the cursor has left: the cover's gate holds producers back.
    cover_turn_against_publish, broken by ["cover.gate_first", "gate.position.release"], {
        let ring = spinning(1);
        let mut cover = ring.cover();
        cover.add(ring.shared_cursor()).unwrap();
        ring.try_publish(1).unwrap();
        let producer = spawn(move || ring.try_publish(2).is_ok());
        let mut seen = turn(&mut cover);
        let last = 1 + u64::from(producer.join().unwrap());
        seen.extend(turn(&mut cover));
        assert_eq!(seen, (1..=last).collect::<Vec<_>>());
    }
);

model!(
    /// Handed over to a cover while a producer scans: it must see the one gate or the other.
    cover_add_against_scan,
    broken by ["handover.no_version", "cover.add.off_first", "handover.version.release", "scan.version.acquire"], {
        let ring = spinning(1);
        let cursor = ring.shared_cursor();
        let mut cover = ring.cover();
        ring.try_publish(1).unwrap();
        let producing = ring.clone();
        let producer = spawn(move || producing.try_publish(2).is_ok());
        cover.add(cursor).unwrap();
        assert_eq!(turn(&mut cover), [1]);
        producer.join().unwrap();
    }
);

model!(
    /// Handed to a cover that serves another already, further on: the gate goes back.
    cover_add_an_earlier_cursor, broken by ["handover.no_version"], {
        let ring = spinning(1);
        // In this order: a scan looks at the cover's gate first.
        let mut cover = ring.cover();
        let early = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        cover.add(ring.shared_cursor()).unwrap();
        let producing = ring.clone();
        let producer = spawn(move || producing.try_publish(2).is_ok());
        cover.add(early).unwrap();
        let seen = turn(&mut cover);
        assert!(seen == [1] || seen == [1, 2] || seen == [2, 1], "{seen:?}");
        producer.join().unwrap();
    }
);

model!(
    /// Handed back while a producer scans: the cover's gate goes on to where its other cursor stands.
    cover_remove_against_scan, broken by ["handover.no_version", "cover.release.forgets"], {
        let ring = spinning(1);
        let mut cover = ring.cover();
        cover.add(ring.shared_cursor()).unwrap();
        ring.try_publish(1).unwrap();
        cover.add(ring.shared_cursor()).unwrap();
        let producing = ring.clone();
        let producer = spawn(move || producing.try_publish(2).is_ok());
        let cursor = cover.swap_remove(0).unwrap();
        let seen = take(&cursor);
        assert!(seen == [1] || seen == [1, 2], "{seen:?}");
        producer.join().unwrap();
    }
);

model!(
    /// Dropped with its cursors while a producer scans: they count by themselves again.
    cover_drop_against_scan, broken by ["cover.release.forgets"], {
        let ring = spinning(1);
        let mut cover = ring.cover();
        let cursor = ring.shared_cursor();
        cover.add(cursor.clone()).unwrap();
        ring.try_publish(1).unwrap();
        let producing = ring.clone();
        let producer = spawn(move || producing.try_publish(2).is_ok());
        drop(cover);
        let seen = take(&cursor);
        assert!(seen == [1] || seen == [1, 2], "{seen:?}");
        producer.join().unwrap();
    }
);

model!(
    /// Detached under a turn, or between two: the producer that waits for it goes on, though nobody turns any more.
    cover_detach_against_turn, broken by ["cover.detach_leaves_no_word", "cover.detach_not_refreshed"], {
        let ring = parking(1);
        let mut cover = ring.cover();
        let cursor = ring.shared_cursor();
        cover.add(cursor.clone()).unwrap();
        ring.try_publish(1).unwrap();
        let producer = spawn(move || ring.publish(2).unwrap());
        let detacher = spawn(move || cursor.detach());
        drop(cover.turn()); // reads nothing
        assert!(detacher.join().unwrap());
        producer.join().unwrap();
    }
);

model!(
    /// Detached under a turn that has read from it: what was read stays until the turn ends.
    cover_detach_keeps_what_is_read, broken by ["cover.detach_waits", "cover.end.release"], {
        let ring = spinning(1);
        let mut cover = ring.cover();
        let cursor = ring.shared_cursor();
        cover.add(cursor.clone()).unwrap();
        ring.try_publish(1).unwrap();
        let detacher = spawn(move || cursor.detach());
        let producer = spawn(move || ring.try_publish(2).is_ok());
        turn(&mut cover);
        assert!(detacher.join().unwrap());
        producer.join().unwrap();
    }
);

model!(
    /// Added while it is being detached: whichever comes first, it holds nobody up.
    cover_add_against_detach,
    broken by ["cover.detach_not_refreshed", "cover.again.acquire", "cover.detach"], {
        let ring = parking(1);
        let mut cover = ring.cover();
        let cursor = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        let other = cursor.clone();
        let detacher = spawn(move || other.detach());
        cover.add(cursor).unwrap();
        assert!(detacher.join().unwrap());
        assert!(ring.try_publish(2).is_ok());
    }
);

model!(
    /// Two cursors of one cover detached at once: neither mark is lost.
    cover_two_detach_at_once, broken by ["cover.detach_not_refreshed", "cover.end.stores"], {
        let ring = parking(1);
        let mut cover = ring.cover();
        let cursors = [ring.shared_cursor(), ring.shared_cursor()];
        for cursor in &cursors {
            cover.add(cursor.clone()).unwrap();
        }
        ring.try_publish(1).unwrap();
        let detachers = cursors.map(|cursor| spawn(move || cursor.detach()));
        for detacher in detachers {
            assert!(detacher.join().unwrap());
        }
        ring.try_publish(2).unwrap();
    }
);

model!(
    /// A covered cursor that another consumer takes from under a pin.
    cover_beside_a_consumer, broken by ["shared.no_pin", "gate.position.acquire", "gate.live.acquire"], {
        let ring = spinning(1);
        let mut cover = ring.cover();
        let cursor = ring.shared_cursor();
        cover.add(cursor.clone()).unwrap();
        // From now on there is a pin, and making it orders nothing any more.
        ring.try_publish(1).unwrap();
        assert_eq!(take(&cursor), [1]);
        drop(cover.turn());
        ring.try_publish(2).unwrap();
        let producer = spawn(move || ring.try_publish(3).is_ok());
        let consumer = spawn(move || cursor.claim(1).map_or(0, |batch| batch.view().for_each(|_, _| ())));
        let read = turn(&mut cover).len();
        assert!(producer.join().unwrap() || consumer.join().unwrap() + read == 1);
    }
);

model!(
    /// A cover that is left without a live cursor is out of the way for good, not for one lap.
    cover_left_without_cursors, broken by ["cover.stays"], {
        let ring = parking(1);
        let mut cover = ring.cover();
        let cursor = ring.shared_cursor();
        cover.add(cursor.clone()).unwrap();
        let producer = spawn(move || (1..=3).for_each(|value| assert!(ring.publish(value).is_ok())));
        cursor.detach();
        producer.join().unwrap();
        drop(cover);
    }
);

model!(
    /// Another consumer moves the cursor while the cover is in a turn, or past it, and will not turn again. A producer
    /// that waits for the cover's gate moves it, or is sure that the turn's end does.
    cover_caught_up_by_a_producer, broken by ["cover.not_helped", "cover.busy_is_not_told", "cover.end.stores"], {
        let ring = parking(1);
        let mut cover = ring.cover();
        let cursor = ring.shared_cursor();
        cover.add(cursor.clone()).unwrap();
        ring.try_publish(1).unwrap();
        let producer = spawn(move || ring.publish(2).unwrap());
        let consumer = spawn(move || take(&cursor).first().copied());
        drop(cover.turn()); // reads nothing
        assert_eq!(consumer.join().unwrap(), Some(1));
        producer.join().unwrap();
        drop(cover);
    }
);

model!(
    /// A producer catches a cover up while its thread begins a turn: what the turn reads stays.
    cover_caught_up_against_turn, broken by ["cover.detach_waits", "cover.begin.acquire"], {
        let ring = spinning(2);
        let mut cover = ring.cover();
        let cursor = ring.shared_cursor();
        cover.add(cursor.clone()).unwrap();
        ring.try_publish(1).unwrap();
        ring.try_publish(2).unwrap();
        assert_eq!(cursor.claim(1).map_or(0, |batch| batch.view().for_each(|_, _| ())), 1);
        let producer = spawn(move || (3..=4).filter(|value| ring.try_publish(*value).is_ok()).count());
        let seen = turn(&mut cover);
        assert!(seen.starts_with(&[2]), "{seen:?}");
        assert!(producer.join().unwrap() <= 2);
    }
);
