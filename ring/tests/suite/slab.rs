//! Leases: deadlines, stale ids, generations that run out, and many threads at once.
#![cfg(not(any(ringmain_loom, ringmain_shuttle)))]

use ringmain_ring::{LeaseId, Slab, StaleLease};
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

const SECOND: u64 = 1_000_000_000;
/// Deadlines are kept in ticks of this many nanoseconds, rounded down.
const TICK: u64 = 1 << 14;
const DAY: u64 = 86_400 * SECOND;

#[test]
fn a_lease_ends_once_and_its_id_stays_stale() {
    let slab = Slab::new();
    let id = slab.insert("a", SECOND);
    assert_eq!((slab.live(), slab.take(id, Some(0))), (1, Ok("a")));
    assert_eq!((slab.live(), slab.take(id, Some(0))), (0, Err(StaleLease::Ended)));
    for _ in 0..100 {
        let again = slab.insert("b", SECOND);
        assert_ne!(again, id);
        assert_eq!(slab.take(id, None), Err(StaleLease::Ended));
        assert_eq!(slab.extend(id, 0, SECOND), Err(StaleLease::Ended));
        assert_eq!(slab.take(again, None), Ok("b"));
    }
}

#[test]
fn a_late_ack_is_refused_whether_anybody_expired_it_or_not() {
    let slab = Slab::new();
    let id = slab.insert(7, SECOND);
    assert_eq!(slab.extend(id, SECOND, 2 * SECOND), Err(StaleLease::Late));
    assert_eq!(slab.take(id, Some(SECOND)), Err(StaleLease::Late));
    assert_eq!(slab.take(id, Some(SECOND - TICK)), Ok(7), "in time, and nobody had collected it");
    let id = slab.insert(8, SECOND);
    assert_eq!(slab.take(id, Some(2 * SECOND)), Err(StaleLease::Late));
    assert_eq!(slab.take(id, None), Ok(8), "whoever asks for no deadline gets it still");
}

#[test]
fn expire_ends_what_is_due_and_tells_the_next_deadline() {
    let slab = Slab::new();
    let ids: Vec<_> = (1..=5).map(|second| slab.insert(second, second * SECOND)).collect();
    let mut expired = Vec::new();
    let next = slab.expire(Some(2 * SECOND), |id, value| expired.push((id, value))).expect("three are left");
    assert_eq!(expired, [(ids[0], 1), (ids[1], 2)]);
    assert!(next <= 3 * SECOND && next + TICK > 3 * SECOND, "{next}");
    slab.extend(ids[2], 2 * SECOND, 9 * SECOND).unwrap();
    let next = slab.expire(Some(2 * SECOND), |_, _| panic!("nothing is due")).expect("three are left");
    assert!(next <= 4 * SECOND && next + TICK > 4 * SECOND, "{next}");
    expired.clear();
    assert_eq!(slab.expire(None, |id, value| expired.push((id, value))), None);
    assert_eq!((expired.len(), slab.live()), (3, 0));
    assert_eq!(slab.expire(Some(99 * SECOND), |_, _| panic!("nothing is left")), None);
}

#[test]
fn deadlines_hold_across_the_wrap_of_their_ticks() {
    // 38 bits of ticks last 52 days.
    for now in [51 * DAY, 52 * DAY, 53 * DAY, 104 * DAY + SECOND] {
        let slab = Slab::new();
        let id = slab.insert((), now + 20 * DAY);
        let next = slab.expire(Some(now), |_, ()| panic!("20 days are left")).expect("one is left");
        assert!(next <= now + 20 * DAY && next + 2 * TICK > now + 20 * DAY, "{next} of {now}");
        assert_eq!(slab.take(id, Some(now + 20 * DAY)), Err(StaleLease::Late));
        let mut expired = 0;
        slab.expire(Some(now + 20 * DAY), |_, ()| expired += 1);
        assert_eq!(expired, 1);
    }
}

#[test]
fn ids_survive_a_trip_as_numbers_and_any_number_is_safe() {
    let slab = Slab::new();
    let id = slab.insert(1, SECOND);
    assert_eq!(LeaseId::from_bits(id.to_bits()), id);
    for bits in [1, 15, 16, 0xffff_ffff, 1 << 32, u64::MAX, id.to_bits() | 1 << 63] {
        assert_eq!(slab.take(LeaseId::from_bits(bits), None), Err(StaleLease::Ended), "{bits:#x}");
        assert_eq!(slab.extend(LeaseId::from_bits(bits), 0, 1), Err(StaleLease::Ended), "{bits:#x}");
    }
    assert_eq!(slab.take(id, None), Ok(1));
}

#[test]
fn it_grows_and_forgets_nothing() {
    let n = if cfg!(miri) { 100 } else { 10_000 };
    let slab = Slab::new();
    let ids: Vec<_> = (0..n).map(|value| slab.insert(value, SECOND)).collect();
    assert_eq!(slab.live(), n);
    for (value, id) in ids.into_iter().enumerate().rev() {
        assert_eq!(slab.take(id, Some(0)), Ok(value));
    }
}

#[test]
fn what_is_left_is_dropped_with_the_table() {
    let witness = Arc::new(());
    let slab = Slab::new();
    let _one = slab.insert(Arc::clone(&witness), SECOND);
    let two = slab.insert(Arc::clone(&witness), SECOND);
    drop(slab.take(two, None));
    assert_eq!(Arc::strong_count(&witness), 2);
    drop(slab);
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn what_expires_is_not_live_while_it_is_given_out() {
    let slab = Slab::new();
    (0..3).for_each(|value| _ = slab.insert(value, SECOND));
    let mut live = Vec::new();
    slab.expire(Some(SECOND), |_, _| live.push(slab.live()));
    assert_eq!(live, [2, 1, 0]);
}

#[test]
fn a_panic_while_expiring_loses_nothing_else() {
    let slab = Slab::new();
    for value in 0..3 {
        slab.insert(value, SECOND);
    }
    let expiring = std::panic::AssertUnwindSafe(|| slab.expire(None, |_, _| panic!("on purpose")));
    assert!(std::panic::catch_unwind(expiring).is_err());
    let mut rest = Vec::new();
    slab.expire(None, |_, value| rest.push(value));
    assert_eq!((rest, slab.live()), (vec![1, 2], 0));
}

#[test]
fn what_a_panic_kept_from_expiring_expires_next_time() {
    let slab = Slab::new();
    (0..300).for_each(|value| _ = slab.insert(value, SECOND + value * TICK));
    let expiring = || slab.expire(Some(2 * SECOND), |_, value| assert_ne!(value, 100, "on purpose"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(expiring)).is_err());
    let mut rest = Vec::new();
    assert_eq!(slab.expire(Some(2 * SECOND), |_, value| rest.push(value)), None);
    assert_eq!(rest, (101..300).collect::<Vec<_>>());
    assert_eq!(slab.live(), 0);
}

#[test]
fn every_value_comes_out_once_whoever_ends_its_lease() {
    let n: usize = if cfg!(miri) { 60 } else { 30_000 };
    let slab = Slab::new();
    let outstanding = Mutex::new(Vec::new());
    let came_out = Mutex::new(vec![0u8; n]);
    let ended = |value: usize| came_out.lock().unwrap()[value] += 1;
    let all_out = || came_out.lock().unwrap().iter().all(|count| *count > 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for value in 0..n {
                // A few are late already.
                let id = slab.insert(value, if value % 7 == 0 { 0 } else { DAY });
                outstanding.lock().unwrap().push(id);
            }
        });
        for acker in 0..2 {
            let (slab, outstanding, ended) = (&slab, &outstanding, &ended);
            scope.spawn(move || {
                let mut at = acker;
                for _ in 0..2 * n {
                    let id = outstanding.lock().unwrap().get(at).copied();
                    match id {
                        Some(id) if at % 3 == 0 => {
                            at += usize::from(slab.extend(id, SECOND, 2 * DAY).is_ok()) + 1
                        }
                        Some(id) => {
                            if let Ok(value) = slab.take(id, Some(SECOND)) {
                                ended(value);
                            }
                            at += 1;
                        }
                        None => thread::yield_now(),
                    }
                }
            });
        }
        scope.spawn(|| {
            for round in 0..if cfg!(miri) { 5 } else { 200 } {
                slab.expire(Some(SECOND + round), |_, value| ended(value));
                thread::yield_now();
            }
        });
    });
    slab.expire(None, |_, value| ended(value));
    assert!(all_out() && came_out.lock().unwrap().iter().all(|count| *count == 1), "each exactly once");
    assert_eq!(slab.live(), 0);
}

/// Any history of leases that begin, end, are extended or shortened and expire: what is due expires, nothing else does,
/// and the deadline that is told is the earliest there is.
#[test]
fn a_scan_finds_exactly_what_is_due() {
    let mut seed = 7_u64;
    let mut below = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % limit
    };
    let slab = Slab::new();
    let mut leases: Vec<(LeaseId, u64)> = Vec::new();
    let mut now = 0;
    let time = |ticks: usize| ticks as u64 * TICK;
    for step in 0..if cfg!(miri) { 100 } else { 20_000_u64 } {
        let deadline = now + time(1 + below(1_000));
        match below(8) {
            // Some hundreds at a time: several blocks, most of which a scan need not look at.
            0..=3 if leases.len() < 700 => leases.push((slab.insert(step, deadline), deadline)),
            4 | 5 if !leases.is_empty() => {
                let (id, _) = leases.swap_remove(below(leases.len()));
                slab.take(id, Some(now)).unwrap();
            }
            6 if !leases.is_empty() => {
                let index = below(leases.len());
                slab.extend(leases[index].0, now, deadline).unwrap();
                leases[index].1 = deadline;
            }
            _ => {
                now += time(below(3));
                let mut expired = Vec::new();
                let next = slab.expire(Some(now), |id, _| expired.push(id));
                let mut due: Vec<_> =
                    leases.iter().filter(|(_, deadline)| *deadline <= now).map(|(id, _)| *id).collect();
                leases.retain(|(_, deadline)| *deadline > now);
                due.sort_by_key(|id| id.to_bits());
                expired.sort_by_key(|id| id.to_bits());
                assert_eq!(expired, due, "at {now}");
                assert_eq!(next, leases.iter().map(|(_, deadline)| *deadline).min(), "at {now}");
            }
        }
    }
}

/// The table is looked at in blocks, of which each has an earliest deadline: a lease that is moved to the front of another
/// block than the one that is due is not passed over.
#[test]
fn a_deadline_that_is_moved_forward_is_found_in_any_block() {
    let slab = Slab::new();
    // Entries are taken in order, so the last ones lie in blocks of their own.
    let ids: Vec<_> =
        (0..500).map(|value| slab.insert(value, if value == 5 { 2 } else { 100 } * SECOND)).collect();
    assert!(slab.expire(Some(SECOND), |_, _| panic!("nothing is due")).is_some());
    for moved in [70, 130, 499] {
        slab.extend(ids[moved], SECOND, 2 * SECOND + moved as u64 * TICK).unwrap();
    }
    let mut expired = Vec::new();
    let next = slab.expire(Some(3 * SECOND), |_, value| expired.push(value)).expect("the others are left");
    expired.sort_unstable();
    assert_eq!(expired, [5, 70, 130, 499]);
    assert!(next <= 100 * SECOND && next + TICK > 100 * SECOND, "{next}");
    assert_eq!(slab.live(), 496);
}

#[test]
fn what_is_due_is_found_in_a_table_however_large() {
    let n = if cfg!(miri) { 100 } else { 20_000 };
    let slab = Slab::new();
    // The first ones last, so that those at the end are found only if somebody knows that they are there.
    for value in 0..n {
        slab.insert(value, if value < n / 2 { 100 * SECOND } else { SECOND + value as u64 * TICK });
    }
    let mut expired = Vec::new();
    slab.expire(Some(50 * SECOND), |_, value| expired.push(value)).expect("half of them are left");
    expired.sort_unstable();
    assert_eq!(expired, (n / 2..n).collect::<Vec<_>>());
}

/// Each entry is one thread's that begins a lease in it, from the moment on that it was found vacant.
#[test]
fn leases_that_begin_at_the_same_time_lose_no_value() {
    let n: usize = if cfg!(miri) { 40 } else { 20_000 };
    let slab = Slab::new();
    let values = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for beginner in 0..4 {
            let (slab, values) = (&slab, &values);
            scope.spawn(move || {
                // A few at a time, so that the same entries are used again and again, by all of them.
                for first in (0..n).step_by(4) {
                    let ids: Vec<_> =
                        (first..first + 4).map(|one| slab.insert(4 * one + beginner, DAY)).collect();
                    let taken = ids.into_iter().map(|id| slab.take(id, None).expect("nobody else has it"));
                    let taken: Vec<_> = taken.collect();
                    values.lock().unwrap().extend(taken);
                }
            });
        }
    });
    let mut values = values.into_inner().unwrap();
    values.sort_unstable();
    assert_eq!((values, slab.live()), ((0..4 * n).collect(), 0));
}

/// A table that has grown never shrinks, and every look at all leases has that much more to look at.
#[test]
fn it_grows_by_what_is_live_and_not_by_what_ended_while_somebody_was_held_up() {
    const EACH: usize = if cfg!(miri) {
        100
    } else if cfg!(debug_assertions) {
        50_000
    } else {
        500_000
    };
    let slab = Slab::new();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let id = slab.insert((), SECOND);
                    assert!(id.to_bits() & 0xffff_ffff < 32, "at most eight are live: {id:?}");
                    slab.take(id, None).unwrap();
                }
            });
        }
    });
}

/// Of the values that are left, and of the table's segments.
#[test]
fn a_value_that_panics_when_it_is_dropped_with_the_table_leaves_none_behind() {
    struct Bomb(Option<Arc<()>>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0.is_none() {
                std::panic::resume_unwind(Box::new("a value"));
            }
        }
    }
    let witness = Arc::new(());
    let slab = Slab::new();
    slab.insert(Bomb(None), SECOND);
    (0..9).for_each(|_| _ = slab.insert(Bomb(Some(Arc::clone(&witness))), SECOND));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(slab))).expect_err("it panics");
    assert_eq!(Arc::strong_count(&witness), 1);
}
