//! Padding made to get at what slots held, and readers that are moved past it.
#![cfg(not(any(ringmain_loom, ringmain_shuttle)))]

use ringmain_ring::{LossyRead, Multi, OnFull, Ring, SharedCursor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

fn ring(capacity: usize) -> Ring<u64> {
    Ring::multi(capacity, || 0).expect("a power of two")
}

fn take(cursor: &SharedCursor<u64, Multi>, limit: usize) -> Vec<u64> {
    let mut seen = Vec::new();
    if let Some(batch) = cursor.claim(limit) {
        batch.view().for_each(|_, value| seen.push(*value));
    }
    seen
}

#[test]
fn a_claim_given_up_changes_what_its_slots_held_and_no_reader_is_shown_it() {
    let ring = ring(4);
    let mut cursor = ring.cursor();
    (1..=4).for_each(|value| drop(ring.try_publish(value)));
    assert_eq!(cursor.poll(4, |_, _| ()), 4);
    let mut claim = ring.try_claim(3).unwrap();
    assert_eq!(claim.push(10), Ok(1));
    let mut held = Vec::new();
    claim.pad_each(|slot| held.push(std::mem::take(slot)));
    assert_eq!(held, [2, 3], "behind what was written");
    let mut seen = Vec::new();
    assert_eq!(cursor.poll(4, |sequence, value| seen.push((sequence.number(), *value))), 1);
    assert_eq!(seen, [(4, 10)]);
    // A lap later they hold what they were left with.
    assert_eq!((0..4).map(|_| ring.try_exchange(7).unwrap().1).collect::<Vec<_>>(), [4, 10, 0, 0]);
}

#[test]
fn who_detaches_leaves_values_behind_and_no_padding() {
    let plan = [Some(1), None, None, Some(2), None, Some(3)];
    for read in 0..=plan.len() as u64 {
        let values = |plan: &[Option<u64>]| plan.iter().flatten().count() as u64;
        let left = |read: u64| values(&plan[usize::try_from(read).expect("six")..]);
        let ring = ring(8);
        let (shared, lossy) = (ring.shared_cursor(), ring.lossy_cursor(OnFull::Detach));
        let overrun = ring.lossy_cursor(OnFull::Detach);
        publish(&ring, &plan);
        (0..read).for_each(|_| assert!(shared.claim(1).is_some()));
        let slots = usize::try_from(read).expect("six");
        assert!(matches!(lossy.read(slots, |_, _| ()), LossyRead::Read(_)));
        assert_eq!((shared.detach_counting(), lossy.detach_counting()), (Some(left(read)), left(read)));
        assert_eq!(shared.detach_counting(), None, "it is detached");
        publish(&ring, &[None, Some(4), Some(5)]);
        assert!(overrun.is_detached(), "a ring behind");
        assert_eq!(overrun.detach_counting(), 3 + 2, "and what came since");
    }
}

/// Publishes what `plan` says, slot by slot: a value, or padding.
fn publish(ring: &Ring<u64>, plan: &[Option<u64>]) {
    for value in plan {
        let mut claim = ring.try_claim(1).expect("room");
        if let Some(value) = value {
            claim.push(*value).expect("one slot");
        }
    }
}

#[test]
fn padding_between_values_is_shown_to_no_kind_of_reader_however_they_look() {
    let plan = [Some(1), None, Some(2), Some(3), None, None, Some(4), Some(5)];
    let values: Vec<u64> = plan.iter().flatten().copied().collect();
    for step in 1..=8 {
        let ring = ring(8);
        let (mut cursor, shared) = (ring.cursor(), ring.shared_cursor());
        let mut cover = ring.cover();
        // One that is covered from the beginning, and one that comes when others have passed the padding.
        cover.add(ring.shared_cursor()).expect("the same ring");
        let late = ring.shared_cursor();
        publish(&ring, &plan);
        let (mut own, mut taken, mut covered) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
        let mut late = Some(late);
        for round in 0..16 {
            cursor.poll(step, |_, value| own.push(*value));
            taken.extend(take(&shared, step));
            if round == 8 {
                cover.add(late.take().expect("once")).expect("the same ring");
            }
            let turn = cover.turn();
            for (index, covered) in covered.iter_mut().enumerate().take(turn.len()) {
                if let Some(view) = turn.claim(index, step) {
                    let read = view.for_each(|_, value| covered.push(*value));
                    assert_eq!(view.count_values(), read as u64);
                    assert_eq!(view.iter().count(), read);
                }
            }
        }
        assert_eq!((&own, &taken, &covered), (&values, &values, &[values.clone(), values.clone()]), "{step}");
        // What comes behind the padding has none.
        publish(&ring, &[Some(6), Some(7)]);
        let batch = shared.claim(8).expect("two values");
        assert_eq!(batch.view().iter().map(|(_, value)| *value).collect::<Vec<_>>(), [6, 7]);
    }
}

/// That nothing was read means that there is nothing, whatever padding comes first.
#[test]
fn a_lossy_read_goes_on_behind_padding() {
    for padding in 0..8 {
        for limit in 1..=8 {
            let ring = ring(8);
            let lossy = ring.lossy_cursor(OnFull::DropOldest);
            ring.try_publish(0).unwrap();
            assert_eq!(lossy.read(1, |_, _| ()), LossyRead::Read(1), "it begins anywhere in the ring");
            publish(&ring, &vec![None; padding]);
            publish(&ring, &(padding as u64..8).map(Some).collect::<Vec<_>>());
            let mut seen = Vec::new();
            loop {
                let before = seen.len();
                let read = lossy.read(limit, |_, value| seen.push(*value));
                assert_eq!(read, LossyRead::Read(seen.len() - before));
                assert!(seen.len() - before <= limit);
                if seen.len() == before {
                    break;
                }
            }
            assert_eq!(seen, (padding as u64..8).collect::<Vec<_>>(), "{padding} before, {limit} at once");
        }
    }
    // A whole ring of it.
    let ring = ring(8);
    let lossy = ring.lossy_cursor(OnFull::DropOldest);
    publish(&ring, &[None; 8]);
    assert_eq!((lossy.read(1, |_, _| ()), lossy.position().number()), (LossyRead::Read(0), 8));
}

#[test]
fn a_panic_in_the_change_strands_nobody() {
    let ring = Ring::multi(4, || Arc::new(0)).unwrap();
    let mut cursor = ring.cursor();
    let claim = ring.try_claim(4).unwrap();
    let panics = catch_unwind(AssertUnwindSafe(|| claim.pad_each(|_| panic!("in passing"))));
    assert!(panics.is_err());
    assert_eq!(cursor.poll(4, |_, _| ()), 0);
    ring.try_publish(Arc::new(5)).unwrap();
    assert_eq!(cursor.poll(4, |_, value| assert_eq!(**value, 5)), 1);
}

#[test]
fn readers_pass_padding_up_to_the_first_value() {
    let ring = ring(8);
    let (shared, lossy) = (ring.shared_cursor(), ring.lossy_cursor(OnFull::Detach));
    let positions = || (shared.position().number(), lossy.position().number());
    let pass = || {
        shared.pass_padding();
        lossy.pass_padding();
    };
    pass();
    assert_eq!(positions(), (0, 0));
    ring.try_claim(3).unwrap().pad_each(|_| ());
    ring.try_publish(1).unwrap();
    ring.try_claim(2).unwrap().pad_each(|_| ());
    pass();
    assert_eq!(positions(), (3, 3));
    pass();
    assert_eq!(positions(), (3, 3), "there is something to read");
    assert_eq!(take(&shared, 1), [1]);
    assert_eq!(lossy.read(1, |_, value| assert_eq!(*value, 1)), LossyRead::Read(1));
    pass();
    assert_eq!(positions(), (6, 6));
    // So a whole lap of padding after another passes them by, and the one that may be detached is not.
    for _ in 0..5 {
        ring.try_claim(8).unwrap().pad_each(|_| ());
        pass();
    }
    assert_eq!(positions(), (46, 46));
    (0..8).for_each(|value| drop(ring.try_publish(value)));
    assert_eq!(take(&shared, 8).len(), 8);
    assert_eq!(lossy.read(8, |_, _| ()), LossyRead::Read(8));
    // The detached stay where they are.
    assert!(shared.detach());
    lossy.detach();
    ring.try_claim(8).unwrap().pad_each(|_| ());
    pass();
    assert_eq!(lossy.read(8, |_, _| ()), LossyRead::Detached);
}

#[test]
fn a_cursor_under_a_cover_passes_padding_and_producers_see_it() {
    let ring = ring(4);
    let mut cover = ring.cover();
    let cursor = ring.shared_cursor();
    cover.add(cursor.clone()).unwrap();
    for _ in 0..5 {
        ring.try_claim(4).unwrap().pad_each(|_| ());
        cursor.pass_padding();
    }
    ring.try_publish(9).unwrap();
    let turn = cover.turn();
    let view = turn.claim(0, 4).expect("a value");
    assert_eq!(view.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [9]);
}
