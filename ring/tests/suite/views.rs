//! What readers tell of themselves: positions, lengths, what is unread, who is detached; and what they take at most.
#![cfg(not(ringmain_loom))]

use ringmain_ring::{Builder, LossyRead, OnFull, Ring, Sequence, View};

/// Near the ends of slots and numbers, and where rings start.
const STARTS: [u64; 3] = [0, (1 << 62) - 3, (1 << 63) - 3];

fn ring(start: u64) -> Ring<u64> {
    Builder::new(8).start(Sequence::new(start)).multi(|| 0).expect("a power of two")
}

/// Publishes 1, two slots of padding, and 2: four slots, of which two hold values.
fn publish(ring: &Ring<u64>) {
    ring.try_publish(1).expect("room");
    drop(ring.try_claim(2).expect("room"));
    ring.try_publish(2).expect("room");
}

/// Checks a view of what `publish` published at `start`.
fn check(view: &View<'_, u64, ringmain_ring::Multi>, start: Sequence) {
    let values = [(start, 1), (start.plus(3), 2)];
    assert_eq!((view.start(), view.end(), view.len(), view.is_empty()), (start, start.plus(4), 4, false));
    assert_eq!(
        (view.count_values(), view.iter().map(|(at, value)| (at, *value)).collect()),
        (2, values.to_vec())
    );
    let mut seen = Vec::new();
    assert_eq!(view.for_each(|at, value| seen.push((at, *value))), 2);
    assert_eq!(seen, values);
    for skip in 0..=5 {
        let rest = view.after(skip);
        let begins = skip.min(4);
        assert_eq!((rest.start(), rest.end()), (start.plus(begins as u64), start.plus(4)));
        assert_eq!((rest.len(), rest.is_empty()), (4 - begins, begins == 4));
        let left = values.iter().filter(|(at, _)| !at.is_before(rest.start())).count();
        assert_eq!((rest.count_values(), rest.for_each(|_, _| ())), (left as u64, left));
    }
}

#[test]
fn a_cursor_reads_at_most_what_is_asked_for_and_stands_behind_it() {
    for start in STARTS {
        let ring = ring(start);
        let mut cursor = ring.cursor();
        let at = |count| Sequence::new(start).plus(count);
        assert_eq!((cursor.position(), cursor.poll(9, |_, _| ())), (at(0), 0));
        assert!(cursor.batch(9).is_none());
        publish(&ring);
        assert!(cursor.batch(0).is_none());
        let batch = cursor.batch(9).unwrap();
        check(&batch.view(), at(0));
        drop(batch);
        assert_eq!(cursor.position(), at(4));
        publish(&ring);
        publish(&ring);
        for (count, values) in (1..).zip([1, 0, 0, 1]) {
            // Slots are counted, not values.
            assert_eq!((cursor.poll(1, |_, _| ()), cursor.position()), (values, at(4 + count)));
        }
        assert_eq!((cursor.poll(99, |_, _| ()), cursor.position()), (2, at(12)));
        assert_eq!(cursor.ring().tail(), ring.tail());
    }
}

#[test]
fn a_shared_cursor_tells_where_it_stands_and_what_is_left() {
    for start in STARTS {
        let ring = ring(start);
        let cursor = ring.shared_cursor();
        let at = |count| Sequence::new(start).plus(count);
        assert_eq!((cursor.position(), cursor.unread(), cursor.is_drained()), (at(0), 0, true));
        assert!(cursor.claim(9).is_none());
        publish(&ring);
        assert_eq!((cursor.unread(), cursor.is_drained(), cursor.is_detached()), (2, false, false));
        assert_eq!(cursor.peek(|at, value| (at, *value)), Some((at(0), 1)));
        assert!(cursor.claim(0).is_none());
        let batch = cursor.claim(1).unwrap();
        assert_eq!((batch.view().len(), cursor.position(), cursor.unread()), (1, at(1), 1));
        drop(batch);
        let batch = cursor.claim(99).unwrap();
        assert_eq!(
            (batch.view().start(), batch.view().end(), batch.view().count_values()),
            (at(1), at(4), 1)
        );
        drop(batch);
        assert_eq!((cursor.unread(), cursor.is_drained(), cursor.peek(|_, _| ())), (0, true, None));
        publish(&ring);
        check(&cursor.claim(9).unwrap().view(), at(4));
        publish(&ring);
        assert!(cursor.detach());
        assert!(!cursor.detach(), "it was already");
        assert!(cursor.is_detached() && cursor.clone().is_detached() && cursor.is_drained());
        assert_eq!((cursor.unread(), cursor.peek(|_, _| ())), (0, None));
        assert!(cursor.claim(9).is_none());
    }
}

#[test]
fn a_cover_tells_what_it_serves_and_takes_at_most_what_is_asked_for() {
    for start in STARTS {
        let ring = ring(start);
        let at = |count| Sequence::new(start).plus(count);
        let mut cover = ring.cover();
        assert!(cover.is_empty() && !cover.has_work() && cover.turn().is_empty());
        let (first, second) = (ring.shared_cursor(), ring.shared_cursor());
        assert_eq!((cover.add(first.clone()).unwrap(), cover.add(second.clone()).unwrap()), (0, 1));
        assert_eq!((cover.len(), cover.is_empty(), cover.has_work()), (2, false, false));
        let foreign = self::ring(start).shared_cursor();
        assert!(cover.add(foreign).is_err(), "it stands on another ring");
        publish(&ring);
        assert!(cover.has_work());
        let turn = cover.turn();
        assert_eq!((turn.len(), turn.is_empty(), turn.available()), (2, false, at(4)));
        assert!(turn.claim(2, 9).is_none(), "there are two");
        assert!(turn.claim(0, 0).is_none());
        check(&turn.claim(0, 9).unwrap(), at(0));
        assert!(turn.claim(0, 9).is_none(), "it has read all there is");
        assert_eq!(turn.claim(1, 1).unwrap().end(), at(1));
        drop(turn);
        assert_eq!((first.position(), second.position(), cover.has_work()), (at(4), at(1), true));
        // The one furthest behind holds producers back.
        (0..5).for_each(|value| _ = ring.try_publish(value).unwrap());
        assert!(ring.try_publish(5).is_err());
        assert!(cover.swap_remove(2).is_none());
        assert_eq!(cover.swap_remove(0).unwrap().position(), at(4));
        assert_eq!(cover.len(), 1);
        assert_eq!(cover.turn().claim(0, 99).unwrap().start(), at(1));
        assert!(!cover.has_work());
        assert_eq!(cover.ring().tail(), ring.tail());
        (5..8).for_each(|value| _ = ring.try_publish(value).unwrap());
        assert!(ring.try_publish(8).is_err(), "now the one that was taken out");
        first.detach();
        ring.try_publish(8).unwrap();
    }
}

#[test]
fn a_lossy_cursor_tells_where_it_stands_and_what_it_lost() {
    for start in STARTS {
        let ring = ring(start);
        let cursor = ring.lossy_cursor(OnFull::DropOldest);
        let at = |count| Sequence::new(start).plus(count);
        assert_eq!(
            (cursor.position(), cursor.has_work(), cursor.unread(), cursor.lost()),
            (at(0), false, 0, 0)
        );
        assert_eq!((cursor.read(9, |_, _| ()), cursor.peek(|_, _| ())), (LossyRead::Read(0), None));
        publish(&ring);
        assert_eq!((cursor.has_work(), cursor.unread(), cursor.is_detached()), (true, 2, false));
        assert_eq!(cursor.peek(|at, value| (at, *value)), Some((at(0), 1)));
        assert_eq!((cursor.read(0, |_, _| ()), cursor.position()), (LossyRead::Read(0), at(0)));
        assert_eq!((cursor.read(2, |_, _| ()), cursor.position()), (LossyRead::Read(1), at(2)));
        assert_eq!(
            (cursor.read(99, |_, value| assert_eq!(*value, 2)), cursor.position()),
            (LossyRead::Read(1), at(4))
        );
        (0..20).for_each(|value| _ = ring.try_publish(value).unwrap());
        let lost = cursor.lost();
        assert_eq!((cursor.position(), cursor.unread()), (at(4 + lost), 20 - lost));
        assert!(lost >= 12 && cursor.has_work());
        assert_eq!(cursor.read(99, |_, _| ()), LossyRead::Lagged(lost));
        assert_eq!((cursor.lost(), cursor.take_skipped()), (0, 0));
        cursor.detach();
        cursor.detach();
        assert_eq!((cursor.is_detached(), cursor.has_work(), cursor.unread()), (true, true, 0));
        assert_eq!((cursor.read(9, |_, _| ()), cursor.peek(|_, _| ())), (LossyRead::Detached, None));
    }
}

#[test]
fn what_is_unread_on_a_ring_of_one_producer_is_counted_too() {
    let (mut producer, ring) = Ring::single(8, || 0u64).unwrap();
    let (shared, lossy) = (ring.shared_cursor(), ring.lossy_cursor(OnFull::DropOldest));
    for published in 0..5 {
        assert_eq!((shared.unread(), lossy.unread()), (published, published));
        producer.try_publish(published).unwrap();
    }
    assert_eq!(shared.claim(3).map(|batch| batch.view().len()), Some(3));
    assert_eq!((shared.unread(), lossy.unread()), (2, 5));
}
