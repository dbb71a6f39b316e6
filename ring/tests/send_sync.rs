//! Which types may cross threads: every public one has a row, which the compiler is asked about.
#![cfg(not(any(ringmain_loom, ringmain_shuttle)))]

mod matrix;

use matrix::{check, faults, table};
use ringmain_ring::sync::UnsafeCell;
use ringmain_ring::*;
use std::cell::Cell;
use std::rc::Rc;

/// Not types but traits.
const TRAITS: [&str; 1] = ["Sequencer"];

#[test]
fn every_type_says_whether_it_crosses_threads() {
    let mut rows = table! {
        // Handles: of values that may be shared, which is all that a ring takes.
        Ring<u64, Multi> => Send Sync;
        Ring<u64, Single> => Send Sync;
        SingleProducer<u64> => Send Sync;
        Cursor<u64, Multi> => Send Sync;
        SharedCursor<u64, Multi> => Send Sync;
        LossyCursor<u64, Multi> => Send Sync;
        Cover<u64, Multi> => Send Sync;
        Batch<'static, u64, Multi> => Send Sync;
        View<'static, u64, Single> => Send Sync;
        // Of what may not: a view is shared references.
        View<'static, Rc<u64>, Single> => - -;
        PinnedBatch<'static, u64, Multi> => Send Sync;
        Turn<'static, u64, Multi> => Send Sync;
        Claim<u64, &'static Ring<u64, Multi>> => Send Sync;
        Claim<u64, &'static mut SingleProducer<u64>> => Send Sync;
        // Waiting.
        Notify => Send Sync;
        Sleeper => Send Sync;
        Registration<'static> => Send Sync;
        WakeLater => - -; // what it puts off is its thread's
        // Buffers: clones share the header, and the last one drops it.
        Buffer<u64> => Send Sync;
        UniqueBuffer<u64> => Send Sync;
        Labels<'static> => Send Sync;
        Handles<u64> => Send Sync;
        Handles<Cell<u64>> => - -;
        UniqueBuffer<Cell<u64>> => Send -;
        UniqueBuffer<Rc<u64>> => - -;
        Buffer<u64, Cell<u64>> => - -;
        UniqueBuffer<u64, Cell<u64>> => Send -;
        UniqueBuffer<u64, Rc<u64>> => - -;
        // What holds values for whoever takes them out.
        Slab<Cell<u64>> => Send Sync;
        Ending<'static, Cell<u64>> => Send Sync;
        Shelf<Cell<u64>> => Send Sync;
        Shelf<u64, Cell<u64>> => Send Sync;
        Shelf<Rc<u64>> => - -;
        Shelf<u64, Rc<u64>> => - -;
        TryLock<Cell<u64>> => Send Sync;
        TryLock<Rc<u64>> => - -;
        TryLockGuard<'static, u64> => Send Sync;
        TryLockGuard<'static, Cell<u64>> => Send -;
        TryLockGuard<'static, Rc<u64>> => - -;
        // One thread's, whichever: the value moves there once. Its guard stays.
        OwnerCell<Cell<u64>> => Send Sync;
        OwnerCell<Rc<u64>> => - -;
        OwnerGuard<'static, u64> => - -;
        // Plain values.
        Builder => Send Sync;
        BuildError => Send Sync;
        ClaimError => Send Sync;
        Closed<u64> => Send Sync;
        Closed<Rc<u64>> => - -;
        TryPublishError<u64> => Send Sync;
        TryPublishError<Rc<u64>> => - -;
        LossyRead => Send Sync;
        OnFull => Send Sync;
        Sequence => Send Sync;
        Multi => Send Sync;
        Single => Send Sync;
        LeaseId => Send Sync;
        StaleLease => Send Sync;
        WaitStrategy => Send Sync;
    };
    rows.extend(holes());
    check(&rows, concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs"), &TRAITS);
}

/// The rows that builds with `--cfg ringmain_holes` break.
fn holes() -> Vec<matrix::Row> {
    table! {
        Buffer<Cell<u64>> => - -;
        Buffer<Rc<u64>> => - -;
    }
}

#[test]
fn what_holds_something_unshareable_stays_on_its_thread() {
    assert!(holes().iter().all(|row| row.is == row.must_be), "clones on two threads would share a cell");
    let cell = table! { UnsafeCell<u64> => Send -; };
    assert_eq!(cell[0].is, cell[0].must_be);
}

#[test]
fn the_table_can_fail() {
    let lib = "//! Told.\npub use a::{First, Second as Other, function};\n#[cfg(x)]\npub use b::Third;\n";
    let faults = |rows: &[matrix::Row]| faults(rows, lib, &["Third", "Second"]).len();
    struct First(Cell<u64>);
    struct Other;
    let all = table! { First => Send -; Other => Send Sync; };
    assert_eq!(faults(&all), 0);
    assert_eq!(faults(&all[..1]), 1, "one has no row");
    assert_eq!(faults(&table! { First => Send Sync; Other => - Sync; }), 2, "two are wrong");
    assert_eq!(faults(&table! { First => Send -; Other => Send Sync; u64 => Send Sync; }), 1, "not exported");
    assert!(First(Cell::new(1)).0.get() > 0);
}
