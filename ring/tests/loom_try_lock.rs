//! [`TryLock`]: one at a time, and what the last one did happened before.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use ringmain_ring::TryLock;
use std::sync::Arc;

model!(try_lock_excludes, broken by ["try_lock.acquire", "try_lock.release", "try_lock.open"], {
    let lock = Arc::new(TryLock::new(0));
    let others = [0, 1].map(|_| {
        let lock = Arc::clone(&lock);
        spawn(move || lock.try_lock().map(|mut value| *value += 1).is_some())
    });
    let mine = lock.try_lock().map(|mut value| *value += 1).is_some();
    let entered = usize::from(mine) + others.map(|other| usize::from(other.join().unwrap())).iter().sum::<usize>();
    assert!(entered > 0);
    assert_eq!(*lock.try_lock().unwrap(), entered);
});

model!(try_lock_waits_its_turn, broken by ["try_lock.acquire", "try_lock.release", "try_lock.open"], {
    let lock = Arc::new(TryLock::new(0));
    let other = Arc::clone(&lock);
    let adds = spawn(move || *other.lock() += 1);
    *lock.lock() += 1;
    adds.join().unwrap();
    assert_eq!(*lock.try_lock().unwrap(), 2);
});
