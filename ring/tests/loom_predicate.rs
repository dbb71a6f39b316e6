//! Predicates of lossy cursors, every schedule: producers evaluate them while cursors read, leave and come.
//!
//! The checker watches the cell that a predicate is kept in, and what the predicate owns: its calls read that, and its
//! drop writes it.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use models::spinning;
use ringmain_ring::sync::{Mutex, UnsafeCell, lock};
use ringmain_ring::{LossyCursor, LossyRead, Multi, OnFull, Ring};
use std::sync::Arc;

/// What a predicate owns.
struct Watched(UnsafeCell<bool>);

// SAFETY: not by itself: that its users are ordered is what is being checked.
unsafe impl Sync for Watched {}
// SAFETY: as above.
unsafe impl Send for Watched {}

impl Watched {
    fn new() -> Self {
        Self(UnsafeCell::new(true))
    }

    fn is_there(&self) -> bool {
        // SAFETY: the checker fails the model when a write is not ordered with this.
        self.0.with(|there| unsafe { *there })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // SAFETY: the checker fails the model when a use is not ordered with this.
        self.0.with_mut(|there| unsafe { *there = false });
    }
}

/// A cursor whose predicate matches what can be divided by `divisor`.
fn attach(ring: &Ring<u64>, on_full: OnFull, divisor: u64) -> LossyCursor<u64, Multi> {
    let watched = Watched::new();
    ring.lossy_cursor_where(on_full, move |value| watched.is_there() && value % divisor == 0)
}

/// Read, lost and skipped.
#[derive(Debug, Default)]
struct Account {
    read: Vec<u64>,
    lost: u64,
    skipped: u64,
}

impl Account {
    /// Reads until there is nothing more.
    fn take(&mut self, cursor: &LossyCursor<u64, Multi>) {
        loop {
            match cursor.read(1, |_, value| self.read.push(*value)) {
                LossyRead::Read(0) | LossyRead::Detached => break,
                LossyRead::Read(_) => {}
                LossyRead::Lagged(gap) => self.lost += gap,
                other => panic!("{other:?}"),
            }
        }
        self.skipped += cursor.take_skipped();
    }

    fn sum(&self) -> u64 {
        self.read.len() as u64 + self.lost + self.skipped
    }
}

fn publish(ring: &Ring<u64>, values: std::ops::RangeInclusive<u64>) -> u64 {
    values.take_while(|value| ring.try_publish(*value).is_ok()).count() as u64
}

model!(
    /// A producer pushes the cursor past values of both kinds, while it reads.
    predicate_push_against_read,
    broken by ["lossy.push_held", "lossy.read_held", "lossy.lost.uncounted", "lossy.skipped.uncounted"], {
        let ring = spinning(1);
        let cursor = attach(&ring, OnFull::DropOldest, 2);
        let mut published = publish(&ring, 1..=1);
        let other = ring.clone();
        let producer = spawn(move || publish(&other, 2..=3));
        let mut account = Account::default();
        account.take(&cursor);
        published += producer.join().unwrap();
        account.take(&cursor);
        assert_eq!(account.sum(), published, "{account:?}");
        let even = account.read.iter().filter(|value| *value % 2 == 0).count() as u64;
        assert_eq!(even + account.lost, published / 2, "{account:?}");
    }
);

model!(
    /// Two producers want the same room: each value is looked at once.
    predicate_two_producers_push, broken by ["lossy.push_held", "lossy.skipped.uncounted"], {
        let ring = spinning(1);
        let cursor = attach(&ring, OnFull::DropOldest, 2);
        let mut published = publish(&ring, 1..=1);
        let producers = [2, 3].map(|value| {
            let ring = ring.clone();
            spawn(move || publish(&ring, value..=value))
        });
        published += producers.map(|producer| producer.join().unwrap()).iter().sum::<u64>();
        let mut account = Account::default();
        account.take(&cursor);
        assert_eq!(account.sum(), published, "{account:?}");
    }
);

model!(
    /// Dropped while a producer evaluates its predicate, and its gate used again by a cursor with another.
    predicate_drop_and_attach_again,
    broken by [
        "lossy.leave_held", "lossy.push_held", "lossy.holder.acquire", "lossy.holder.release", "attach.holder.release",
    ], {
        let ring = spinning(1);
        let first = attach(&ring, OnFull::DropOldest, 7);
        let mut published = publish(&ring, 1..=1);
        let other = ring.clone();
        let producer = spawn(move || publish(&other, 2..=3));
        drop(first);
        let second = attach(&ring, OnFull::DropOldest, 1);
        let start = second.position().number();
        published += producer.join().unwrap();
        let mut account = Account::default();
        account.take(&second);
        assert_eq!(second.position().number(), published);
        assert!(start + account.sum() >= published, "{account:?} from {start}");
        assert_eq!(account.skipped, 0, "its own predicate matches all");
    }
);

model!(
    /// The same, on a cursor that the producer detaches: its predicate goes at once, whoever comes later.
    predicate_detached_and_attached_again,
    broken by ["lossy.drop.acquire", "lossy.detach.release", "lossy.push_held"], {
        let ring = spinning(1);
        let first = attach(&ring, OnFull::Detach, 7);
        let mut published = publish(&ring, 1..=1);
        let other = ring.clone();
        let producer = spawn(move || publish(&other, 2..=2));
        drop(first);
        let second = attach(&ring, OnFull::DropOldest, 1);
        published += producer.join().unwrap();
        published += publish(&ring, 3..=3);
        let mut account = Account::default();
        account.take(&second);
        assert_eq!((second.position().number(), account.skipped), (published, 0));
    }
);

model!(
    /// A predicate drops its own cursor. Its gate may be used again only when the predicate has returned.
    predicate_drops_its_cursor, broken by ["lossy.mine_at_once"], {
        let ring = spinning(1);
        let kept = Arc::new(Mutex::new(None));
        let (within, watched) = (Arc::clone(&kept), Watched::new());
        let cursor = ring.lossy_cursor_where(OnFull::DropOldest, move |_| {
            drop(lock(&within).take());
            watched.is_there()
        });
        *lock(&kept) = Some(cursor);
        publish(&ring, 1..=1);
        let other = ring.clone();
        let producer = spawn(move || publish(&other, 2..=2));
        let next = attach(&ring, OnFull::DropOldest, 1);
        producer.join().unwrap();
        assert!(lock(&kept).is_none());
        publish(&ring, 3..=3);
        let mut account = Account::default();
        account.take(&next);
        assert_eq!((next.position().number(), account.skipped), (3, 0));
    }
);
