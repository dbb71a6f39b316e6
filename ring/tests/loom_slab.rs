//! [`Slab`]: whoever ends a lease first has its value, and nobody else does.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use ringmain_ring::{LeaseId, Slab, StaleLease};
use std::sync::Arc;

const DAY: u64 = 86_400_000_000_000;

model!(
    /// Acked and expired at once: exactly one has the value.
    slab_ack_against_expire, broken by ["slab.take.unchecked", "slab.take.acquire", "slab.insert.release"], {
        let slab = Arc::new(Slab::new());
        let inserting = Arc::clone(&slab);
        let (id, seen) = (slab.insert(7, DAY), Arc::clone(&slab));
        let inserter = spawn(move || inserting.insert(8, DAY));
        let acker = spawn(move || usize::from(seen.take(id, None).is_ok_and(|value| value == 7)));
        let mut values = Vec::new();
        slab.expire(Some(2 * DAY), |_, value| values.push(value));
        let acked = acker.join().unwrap();
        inserter.join().unwrap();
        slab.expire(None, |_, value| values.push(value));
        assert_eq!(acked + values.len(), 2, "{acked} acked, {values:?} expired");
        assert_eq!(slab.live(), 0);
    }
);

model!(
    /// Extended while it expires: either it is late, or it lives on and its new deadline is told.
    slab_extend_against_expire, broken by ["slab.expire.forgets_extended", "slab.extend.unchecked"], {
        let slab = Arc::new(Slab::new());
        let id = slab.insert(7, DAY);
        let extending = Arc::clone(&slab);
        // To its own clock it is in time; the expirer's is ahead.
        let extender = spawn(move || extending.extend(id, 0, 3 * DAY));
        let mut expired = 0;
        let earliest = slab.expire(Some(2 * DAY), |which, value| {
            assert_eq!((which, value), (id, 7));
            expired += 1;
        });
        match extender.join().unwrap() {
            Ok(()) if expired == 0 => {
                let deadline = earliest.expect("it lives on");
                assert!(3 * DAY - deadline < 1 << 15, "{deadline}");
                assert_eq!(slab.take(id, None), Ok(7));
            }
            Ok(()) => panic!("expired though extended"),
            Err(error) => assert_eq!((error, expired, earliest), (StaleLease::Ended, 1, None)),
        }
    }
);

model!(
    /// Extended while it is acked: the value goes to the acker, whatever the deadline.
    slab_extend_against_ack, broken by ["slab.take.unchecked", "slab.extend.unchecked"], {
        let slab = Arc::new(Slab::new());
        let id = slab.insert(7, DAY);
        let extending = Arc::clone(&slab);
        let extender = spawn(move || extending.extend(id, 0, 3 * DAY));
        assert_eq!(slab.take(id, Some(0)), Ok(7));
        let _either = extender.join().unwrap();
        assert_eq!(slab.take(id, None), Err(StaleLease::Ended));
        assert_eq!(slab.live(), 0);
    }
);

model!(
    /// An entry used again: what its last lease left is gone, and its old id means nothing.
    slab_entry_used_again, broken by ["slab.take.release", "slab.insert.acquire", "slab.generation.kept"], {
        let slab = Arc::new(Slab::new());
        // Four entries, round robin: after three more it is the first one's turn again.
        let two = [slab.insert(0, DAY), slab.insert(0, DAY)];
        assert_eq!(two.map(|id| slab.take(id, None)), [Ok(0), Ok(0)]);
        let first = slab.insert(1, DAY);
        for _ in 0..3 {
            slab.take(slab.insert(0, DAY), None).unwrap();
        }
        let taking = Arc::clone(&slab);
        let taker = spawn(move || assert_eq!(taking.take(first, None), Ok(1)));
        let second = slab.insert(2, DAY);
        taker.join().unwrap();
        assert_eq!(slab.take(first, None), Err(StaleLease::Ended));
        assert_eq!(slab.take(second, None), Ok(2));
    }
);

model!(
    /// Two receivers insert at once, into a table that grows.
    slab_two_inserts, broken by ["slab.len.release"], {
        let slab = Arc::new(Slab::new());
        let inserting = Arc::clone(&slab);
        // Four are once around the table while it grows. The model is two hundred times as large then.
        let many = if models::long() { 4 } else { 3 };
        let inserter = spawn(move || {
            for value in 1..=many {
                assert_eq!(inserting.take(inserting.insert(value, DAY), None), Ok(value));
            }
        });
        let mine = slab.insert(7, DAY);
        assert_eq!(slab.take(mine, None), Ok(7));
        inserter.join().unwrap();
        assert_eq!(slab.live(), 0);
    }
);

model!(
    /// Two receivers insert at once, one of them once around the table: no entry is given twice.
    slab_insert_around, broken by ["slab.insert.unchecked"], {
        let slab = Arc::new(Slab::new());
        // Four entries, round robin.
        let two = [slab.insert(0, DAY), slab.insert(0, DAY)];
        assert_eq!(two.map(|id| slab.take(id, None)), [Ok(0), Ok(0)]);
        let inserting = Arc::clone(&slab);
        let inserter = spawn(move || {
            for value in 1..=4 {
                assert_eq!(inserting.take(inserting.insert(value, DAY), None), Ok(value));
            }
        });
        let mine = slab.insert(7, DAY);
        assert_eq!(slab.take(mine, None), Ok(7));
        inserter.join().unwrap();
        assert_eq!(slab.live(), 0);
    }
);

model!(
    /// An id that came from anywhere, while the table grows to where it points.
    slab_id_from_anywhere, broken by ["table.segment.release", "table.segment.acquire"], {
        let slab = Arc::new(Slab::new());
        let guessing = Arc::clone(&slab);
        let guesser = spawn(move || guessing.take(LeaseId::from_bits(0), None));
        let id = slab.insert(1, DAY);
        let guessed = guesser.join().unwrap();
        assert_eq!(slab.take(id, None).ok().or(guessed.ok()), Some(1));
    }
);

model!(
    /// A lease begins while the table is scanned: this scan tells its deadline, or the next one finds it when it is due.
    slab_insert_against_scan, broken by ["slab.lower.no_fence", "slab.scan.no_fence"], {
        let slab = Arc::new(Slab::new());
        slab.take(slab.insert(0, DAY), None).unwrap();
        let inserting = Arc::clone(&slab);
        let inserter = spawn(move || inserting.insert(1, 3 * DAY));
        // The minimum of the lease that ended is due, so its block is looked at.
        slab.expire(Some(2 * DAY), |_, value| panic!("{value} is not due"));
        inserter.join().unwrap();
        let mut expired = 0;
        slab.expire(Some(4 * DAY), |_, value| expired += value);
        assert_eq!(expired, 1, "its deadline was forgotten");
    }
);

model!(
    /// A deadline is brought forward while the table is scanned: the next scan finds it when it is due.
    slab_shorten_against_scan, broken by ["slab.lower.no_fence", "slab.scan.no_fence"], {
        let slab = Arc::new(Slab::new());
        slab.take(slab.insert(0, DAY), None).unwrap();
        let id = slab.insert(1, 9 * DAY);
        let _other_block = slab.insert(0, 6 * DAY);
        let shortening = Arc::clone(&slab);
        let extender = spawn(move || shortening.extend(id, 2 * DAY, 3 * DAY).unwrap());
        slab.expire(Some(2 * DAY), |_, value| panic!("{value} is not due"));
        extender.join().unwrap();
        // The other block is looked at, and its earliest deadline comes before the one that was brought forward.
        slab.take(slab.insert(0, 4 * DAY), None).unwrap();
        let mut expired = 0;
        slab.expire(Some(5 * DAY), |_, value| expired += value);
        assert_eq!(expired, 1, "its deadline was forgotten");
    }
);

model!(
    /// Acked twice at once, or acked and nacked, which is the same here: one has the value.
    slab_ack_against_ack, broken by ["slab.take.unchecked"], {
        let slab = Arc::new(Slab::new());
        let id = slab.insert(7, DAY);
        let other = Arc::clone(&slab);
        let acker = spawn(move || other.take(id, Some(0)).is_ok());
        let mine = slab.take(id, Some(0)).is_ok();
        assert!(mine ^ acker.join().unwrap(), "one of the two has it");
        assert_eq!(slab.live(), 0);
    }
);

model!(
    /// Extended twice at once, and then acked: both were in time, or the second is told that it is too late, and nothing
    /// is left.
    slab_extend_against_extend, broken by ["slab.extend.unchecked"], {
        let slab = Arc::new(Slab::new());
        let id = slab.insert(7, DAY);
        let other = Arc::clone(&slab);
        let extender = spawn(move || other.extend(id, 0, 2 * DAY));
        slab.extend(id, 0, 4 * DAY).unwrap();
        assert_eq!(slab.take(id, None), Ok(7));
        let _either = extender.join().unwrap();
        assert_eq!(slab.take(id, None), Err(StaleLease::Ended));
        assert_eq!(slab.live(), 0);
    }
);

model!(
    /// Two scans at once: each lease is given to one of them. (What lives on is for `ring/tests/shuttle_readers.rs`: the
    /// model checker does not order a minimum's plain store after a swap that it did not see.)
    slab_expire_against_expire, broken by ["slab.take.unchecked"], {
        let slab = Arc::new(Slab::new());
        slab.insert(7, DAY);
        slab.insert(8, DAY);
        let other = Arc::clone(&slab);
        let scan = |slab: &Slab<u64>| {
            let mut sum = 0;
            slab.expire(Some(2 * DAY), |_, value| sum += value);
            sum
        };
        let scanner = spawn(move || scan(&other));
        assert_eq!(scan(&slab) + scanner.join().unwrap(), 15);
        assert_eq!(slab.live(), 0);
    }
);

model!(
    /// Two leases that end with one count, while one of them expires: each has one end, and each is counted.
    slab_ending_against_expire, broken by ["slab.take.unchecked", "slab.ending.uncounted"], {
        let slab = Arc::new(Slab::new());
        let ids = [slab.insert(1, DAY), slab.insert(2, 3 * DAY)];
        let acking = Arc::clone(&slab);
        let acker = spawn(move || {
            let mut ending = acking.ending();
            ids.into_iter().filter_map(|id| ending.take(id, None).ok()).sum::<u64>()
        });
        let mut expired = 0;
        slab.expire(Some(2 * DAY), |_, value| expired += value);
        let acked = acker.join().unwrap();
        assert_eq!(acked + expired, 3, "{acked} acked, {expired} expired");
        assert_eq!(slab.live(), 0);
    }
);
