//! [`Shelf`]: a buffer that was put there has one next owner, who sees all that was done with it before.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use ringmain_ring::sync::UnsafeCell;
use ringmain_ring::{Shelf, UniqueBuffer};
use std::sync::Arc;

/// A number that the model checker watches.
struct Watched(UnsafeCell<u64>);

// SAFETY: the cell is touched by the buffer's one owner only; that there is one at a time is what is checked.
unsafe impl Send for Watched {}

impl Watched {
    fn exchange(&self, value: u64) -> u64 {
        // SAFETY: the model checker fails before a race is one.
        self.0.with_mut(|cell| unsafe { std::ptr::replace(cell, value) })
    }
}

fn buffer(number: u64) -> UniqueBuffer<Watched> {
    UniqueBuffer::new(1, Watched(UnsafeCell::new(number)))
}

model!(
    /// What was done with it before it was put there lies before what is done with it when it was taken.
    shelf_hands_over, broken by ["shelf.put.release", "shelf.take.acquire"], {
        let shelf = Arc::new(Shelf::new(1));
        let putting = Arc::clone(&shelf);
        let putter = spawn(move || {
            let buffer = buffer(1);
            buffer.exchange(2);
            assert!(putting.put(buffer).is_ok(), "there is room");
        });
        if let Some(buffer) = shelf.take() {
            assert_eq!(buffer.exchange(3), 2);
        }
        putter.join().unwrap();
    }
);

model!(
    /// Two want it at once: one has it.
    shelf_taken_once, broken by ["shelf.take.unchecked"], {
        let shelf = Arc::new(Shelf::new(1));
        shelf.put(buffer(1)).ok().expect("room");
        let taking = Arc::clone(&shelf);
        let taker = spawn(move || taking.take());
        let mine = shelf.take();
        let other = taker.join().unwrap();
        if mine.is_some() && other.is_some() {
            // (Not to be freed twice, which would end more than the model.)
            std::mem::forget((mine, other));
            panic!("both have it");
        }
        assert!(mine.is_some() || other.is_some(), "nobody has it");
    }
);

model!(
    /// Two put one where there is room for one: one of them has his back.
    shelf_room_for_one, broken by ["shelf.put.unchecked"], {
        let shelf = Arc::new(Shelf::new(1));
        let putting = Arc::clone(&shelf);
        let putter = spawn(move || putting.put(buffer(1)).is_err());
        let mine = shelf.put(buffer(2)).is_err();
        let other = putter.join().unwrap();
        assert!(mine ^ other, "one of the two has room");
        let left = shelf.take().expect("the other's");
        assert_eq!(left.exchange(0), if mine { 1 } else { 2 });
    }
);
