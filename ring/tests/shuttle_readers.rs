//! Covers, lossy cursors and leases under random schedules.
#![cfg(all(ringmain_shuttle, ringmain_twins))]

mod schedules;

use ringmain_ring::{LossyRead, Multi, OnFull, SharedCursor, Slab, StaleLease};
use schedules::{choose, parking};
use shuttle::thread::spawn;
use std::sync::{Arc, Mutex};

const DAY: u64 = 86_400_000_000_000;

fn take(cursor: &SharedCursor<u64, Multi>, limit: usize) -> Vec<u64> {
    let mut seen = Vec::new();
    if let Some(batch) = cursor.claim(limit) {
        batch.view().for_each(|_, value| seen.push(*value));
    }
    seen
}

schedules!(
    /// A cover serves two cursors, another consumer takes from one of them and the other is detached; the producers, who
    /// wait for the cover's gate, go on.
    a_cover_beside_consumers, 1000 of each,
    broken by ["cover.not_helped", "shared.no_pin", "wait.no_recheck", "cover.detach_not_refreshed"], {
        let ring = parking(2);
        let mut cover = ring.cover();
        let (one, two) = (ring.shared_cursor(), ring.shared_cursor());
        cover.add(one.clone()).unwrap();
        cover.add(two.clone()).unwrap();
        let producers: Vec<_> = (0..2)
            .map(|producer| {
                let ring = ring.clone();
                spawn(move || (0..4).for_each(|number| _ = ring.publish(producer * 100 + number).unwrap()))
            })
            .collect();
        let consuming = one.clone();
        let consumer = spawn(move || {
            let mut seen = Vec::new();
            while seen.len() < 8 && !consuming.is_detached() {
                seen.extend(take(&consuming, 2));
                shuttle::thread::yield_now();
            }
            seen
        });
        // The cover turns a few times, and then sleeps for ever, but keeps its cursors.
        let mut seen = Vec::new();
        for _ in 0..choose(6) {
            let turn = cover.turn();
            if let Some(view) = turn.claim(0, 1) {
                view.for_each(|_, value| seen.push(*value));
            }
            drop(turn.claim(1, 2));
        }
        two.detach();
        // From here on the other consumer alone moves what is left.
        while seen.len() < 8 && one.position().number() < 8 {
            shuttle::thread::yield_now();
        }
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        while one.position().number() < 8 {
            shuttle::thread::yield_now();
        }
        one.detach();
        seen.extend(consumer.join().unwrap());
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 100, 101, 102, 103]);
        drop(cover);
    }
);

schedules!(
    /// Two producers push a lossy cursor on while two threads read it: what is read and what is lost make all of it, in
    /// order; nobody waits for the cursor.
    a_lossy_cursor_is_told_the_gap, 1000 of each,
    broken by ["lossy.push_held", "lossy.read_held", "lossy.lost.uncounted", "lossy.not_pushed_is_ignored"], {
        let ring = parking(2);
        let cursor = Arc::new(ring.lossy_cursor(OnFull::DropOldest));
        let drain = |cursor: &ringmain_ring::LossyCursor<u64, Multi>, patience: usize| {
            let (mut seen, mut lost, mut vain) = (Vec::new(), 0, 0);
            while vain < patience {
                match cursor.read(1 + choose(2) as usize, |place, _| seen.push(place.number())) {
                    LossyRead::Read(0) => vain += 1,
                    LossyRead::Read(_) => {}
                    LossyRead::Lagged(gap) => lost += gap,
                    other => panic!("{other:?}"),
                }
            }
            assert!(seen.is_sorted(), "{seen:?}");
            (seen.len() as u64, lost)
        };
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let cursor = Arc::clone(&cursor);
                spawn(move || drain(&cursor, 3))
            })
            .collect();
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let ring = ring.clone();
                spawn(move || (0..5).for_each(|number| _ = ring.publish(number).unwrap()))
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        let mut sum = 0;
        for reader in readers {
            let (seen, lost) = reader.join().unwrap();
            sum += seen + lost;
        }
        let (seen, lost) = drain(&cursor, 1);
        assert_eq!(sum + seen + lost, 10);
    }
);

schedules!(
    /// Leases begin, are taken, extended and expire at once, in a table of a few entries: each value comes out once, and
    /// none is forgotten.
    leases_end_once, 1000 of each,
    broken by ["slab.take.unchecked", "slab.extend.unchecked"], {
        let slab = Arc::new(Slab::new());
        let ids = Arc::new(Mutex::new(Vec::new()));
        let out = Arc::new(Mutex::new(Vec::new()));
        let add = |list: &Mutex<Vec<u64>>, value: u64| list.lock().expect("nobody panics").push(value);
        let begins: Vec<_> = (0..2)
            .map(|thread| {
                let (slab, ids) = (Arc::clone(&slab), Arc::clone(&ids));
                spawn(move || {
                    for number in 0..4 {
                        let id = slab.insert(thread * 10 + number, (1 + choose(2)) * DAY);
                        ids.lock().expect("nobody panics").push(id);
                    }
                })
            })
            .collect();
        let ends: Vec<_> = (0..2)
            .map(|_| {
                let (slab, ids, out) = (Arc::clone(&slab), Arc::clone(&ids), Arc::clone(&out));
                spawn(move || {
                    for _ in 0..6 {
                        let known = ids.lock().expect("nobody panics").clone();
                        if known.is_empty() {
                            shuttle::thread::yield_now();
                            continue;
                        }
                        let id = known[choose(known.len() as u64) as usize];
                        if choose(3) == 0 {
                            let _late = slab.extend(id, 0, 3 * DAY);
                        } else if let Ok(value) = slab.take(id, Some(0)) {
                            add(&out, value);
                            assert_eq!(slab.take(id, None), Err(StaleLease::Ended));
                        }
                    }
                })
            })
            .collect();
        let expires = (0..2).map(|_| {
            let (slab, out) = (Arc::clone(&slab), Arc::clone(&out));
            spawn(move || {
                for _ in 0..3 {
                    slab.expire(Some(DAY + DAY / 2), |_, value| add(&out, value));
                }
            })
        });
        let expires: Vec<_> = expires.collect();
        begins.into_iter().chain(ends).chain(expires).for_each(|thread| thread.join().unwrap());
        // In order: what a scan says is the earliest is when the next one finds something.
        let mut time = DAY + DAY / 2;
        while let Some(earliest) = slab.expire(Some(time), |_, value| add(&out, value)) {
            assert!(earliest > time && earliest <= 3 * DAY, "{earliest} after {time}");
            time = earliest + DAY / 1000;
        }
        assert_eq!(slab.live(), 0);
        let mut out = std::mem::take(&mut *out.lock().expect("nobody panics"));
        out.sort_unstable();
        assert_eq!(out, [0, 1, 2, 3, 10, 11, 12, 13]);
    }
);
