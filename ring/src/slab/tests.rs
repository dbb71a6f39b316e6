//! What the table keeps to itself: which entries it takes, when it grows, what its words mean.

use super::*;

#[test]
fn a_generation_is_used_once_and_an_entry_that_has_used_all_is_retired() {
    let slab = Slab::new();
    slab.grow(16);
    for index in 0..16 {
        let last = word(GENERATIONS - 1, 0, VACANT);
        slab.entries.at(index).expect("grown above").word.store(last, Ordering::Relaxed);
    }
    let mut ids = Vec::new();
    for value in 0..40 {
        let id = slab.insert(value, 1 << 40);
        assert!(!ids.contains(&id), "an id stands for one lease for ever");
        assert_eq!(slab.take(id, Some(0)), Ok(value));
        ids.push(id);
    }
    let of_the_last = ids.iter().filter(|id| u64::from(id.generation) == GENERATIONS - 1).count();
    assert_eq!(of_the_last, 16, "each of the sixteen once more, and then others");
    assert!(slab.len.load(Ordering::Relaxed) > 16, "the table grew past what is retired");
    for id in ids {
        assert_eq!(slab.take(id, None), Err(StaleLease::Ended));
    }
}

#[test]
fn deadlines_are_compared_by_their_distance() {
    let end = DEADLINE;
    for (deadline, now, due) in
        [(5, 5, true), (5, 4, false), (3, end, false), (end, 3, true), (end, end - 1, false), (0, end, false)]
    {
        assert_eq!(is_due(word(7, deadline, LIVE), now), due, "{deadline} at {now}");
    }
}

#[test]
fn a_word_holds_generation_deadline_and_state() {
    assert_eq!(DEADLINE, (1 << 38) - 1);
    assert_eq!(GENERATIONS, 1 << 24);
    let word = word(0x00ab_cdef, 0x21_1111_1111, RESERVED);
    assert_eq!(word, 0xabcdef << 40 | 0x21_1111_1111 << 2 | 1);
    assert_eq!((generation(word), word & STATE), (0x00ab_cdef, RESERVED));
    // A deadline too long loses its high bits, and spoils nothing.
    assert_eq!(super::word(1, u64::MAX, VACANT), 1 << 40 | DEADLINE << 2);
    assert_eq!((ticks(5 << 14), ticks(u64::MAX), ticks((5 << 14) - 1)), (5, DEADLINE, 4));
}

#[test]
fn entries_are_tried_round_robin_then_anywhere_then_all_of_them() {
    for len in [16, 64, 1024] {
        for begun in [0, 1, 5, len - 1, len, 7 * len + 3, usize::MAX] {
            assert_eq!(place(begun, 0, len), begun % len);
            // The last tries are all there are, in order: whatever is vacant is found.
            for probe in PROBES..PROBES + len {
                assert_eq!(place(begun, probe, len), begun.wrapping_add(probe) % len);
            }
            // In between they are scattered: far from where it is crowded, and in the table.
            let tries: Vec<_> = (1..PROBES).map(|probe| place(begun, probe, len)).collect();
            assert!(tries.iter().all(|index| *index < len));
            let near = tries.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1).count();
            assert!(near < PROBES / 4, "{near} of {tries:?} in {len}");
        }
    }
}

#[test]
fn it_grows_when_more_than_half_is_in_use() {
    let slab = Slab::new();
    let len = || slab.len.load(Ordering::Relaxed);
    assert_eq!((len(), slab.live()), (0, 0));
    let mut ids = Vec::new();
    for (leases, entries) in [(1, 16), (8, 16), (9, 32), (16, 32), (17, 64), (33, 128)] {
        while ids.len() < leases {
            ids.push(slab.insert((), 1 << 40));
        }
        assert_eq!((len(), slab.live()), (entries, leases));
        let reach = (slab.entries.at(entries - 1).is_some(), slab.entries.at(2 * entries).is_some());
        assert_eq!(reach, (true, false), "as many as it says");
    }
    // What has ended is used again.
    ids.into_iter().for_each(|id| slab.take(id, None).unwrap());
    (0..1_000).for_each(|_| slab.take(slab.insert((), 1 << 40), None).unwrap());
    assert_eq!((len(), slab.live()), (128, 0));
}

#[test]
fn how_many_are_live_is_looked_at_only_when_it_matters() {
    let slab = Slab::new();
    let ids: Vec<_> = (0..6).map(|_| slab.insert((), 1 << 40)).collect();
    ids[..4].iter().for_each(|id| slab.take(*id, None).unwrap());
    slab.begun.ended.store(0, Ordering::Relaxed);
    assert_eq!(slab.live_at_most(6), 6, "at most, as far as was seen");
    assert_eq!(slab.live_at_most(5), 2, "and exactly, where that is more than enough");
    assert_eq!(slab.live_at_most(6), 2, "which is remembered");
    assert_eq!(slab.live(), 2);
}

#[test]
fn the_least_mark_is_that_of_a_live_lease() {
    let slab = Slab::default();
    assert_eq!(slab.least_mark(), None);
    let [seven, five, nine] = [7, 5, 9].map(|mark| slab.insert_marked((), 1 << 40, mark));
    assert_eq!(slab.least_mark(), Some(5));
    slab.take(five, None).unwrap();
    assert_eq!(slab.least_mark(), Some(7));
    slab.take(seven, None).unwrap();
    assert_eq!(slab.least_mark(), Some(9));
    slab.take(nine, None).unwrap();
    assert_eq!(slab.least_mark(), None);
}

/// Entries by hand: one of each state, all of which but the live one count for nothing.
#[test]
fn what_is_not_live_is_neither_taken_extended_nor_expired() {
    for state in [VACANT, RESERVED, RETIRED] {
        let slab = Slab::<u64>::new();
        slab.grow(16);
        slab.entries.at(3).unwrap().word.store(word(4, 0, state), Ordering::Relaxed);
        let id = LeaseId { index: 3, generation: 4 };
        assert_eq!(slab.take(id, None), Err(StaleLease::Ended));
        assert_eq!(slab.extend(id, 0, 1 << 40), Err(StaleLease::Ended));
        assert_eq!(slab.expire(None, |_, _| panic!("nothing is live")), None);
        assert_eq!((slab.least_mark(), slab.live()), (None, 0));
    }
}

/// Sixty-four entries have a minimum in common, and no more is allocated for it.
#[test]
fn there_are_as_many_minima_as_blocks() {
    let slab = Slab::new();
    (0..64).for_each(|_| _ = slab.insert((), 1 << 40));
    assert_eq!(slab.len.load(Ordering::Relaxed), 128);
    assert!(slab.minima.block(1).is_some() && slab.minima.block(4).is_none(), "two, in a segment of four");
    (64..10_000).for_each(|_| _ = slab.insert((), 1 << 40));
    assert_eq!(slab.len.load(Ordering::Relaxed), 32_768);
    assert!(slab.minima.block(511).is_some() && slab.minima.block(1_020).is_none());
}

#[test]
fn an_id_is_carried_as_a_number_and_comes_back_as_it_was() {
    let slab = Slab::new();
    let mut numbers = std::collections::HashSet::new();
    for round in 0..5 {
        let ids: Vec<_> = (0..40).map(|value| slab.insert(value, 0)).collect();
        for (value, id) in ids.into_iter().enumerate() {
            assert!(numbers.insert(id.to_bits()), "another id than all before, in round {round}");
            assert_eq!(LeaseId::from_bits(id.to_bits()), id);
            assert_eq!(slab.take(LeaseId::from_bits(id.to_bits()), None), Ok(value));
        }
    }
}

#[test]
fn what_ended_while_somebody_was_held_up_is_not_live() {
    assert!(is_believed(9, 0) && is_believed(100, 10));
    assert!(!is_believed(4, 2));
    // As long as others take for fifty thousand leases.
    assert!(!is_believed(50_004, 50_000));
}

#[test]
fn what_ends_together_is_counted_together() {
    let slab = Slab::new();
    let ids: Vec<_> = (0..4).map(|value| slab.insert(value, 1 << 40)).collect();
    let mut ending = slab.ending();
    assert_eq!((ending.take(ids[0], None), ending.take(ids[1], None)), (Ok(0), Ok(1)));
    assert_eq!(ending.take(ids[1], None), Err(StaleLease::Ended));
    assert_eq!(ending.take(ids[2], Some(1 << 41)), Err(StaleLease::Late));
    assert_eq!(slab.live(), 4, "not counted yet");
    ending.count();
    assert_eq!(slab.live(), 2);
    assert_eq!(ending.take(ids[3], None), Ok(3));
    drop(ending);
    assert_eq!(slab.live(), 1, "each once");
    assert_eq!(slab.take(ids[2], None), Ok(2));
    assert_eq!(slab.live(), 0);
}
