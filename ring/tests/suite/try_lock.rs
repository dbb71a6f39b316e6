//! [`TryLock`] and [`Notify`] on real threads.
#![cfg(not(any(ringmain_loom, ringmain_shuttle)))]

use ringmain_ring::sync::{AtomicU64, Ordering};
use ringmain_ring::{Notify, TryLock, wait_any};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

#[test]
fn nothing_is_lost_between_threads() {
    let n = if cfg!(miri) { 100 } else { 50_000 };
    let lock = Arc::new(TryLock::new((0u64, 0u64)));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || {
                for _ in 0..n {
                    let mut both = lock.lock();
                    both.0 += 1;
                    both.1 = both.0;
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(*lock.lock(), (4 * n, 4 * n));
}

#[test]
fn a_panic_gives_it_free_and_a_forgotten_guard_never_does() {
    let lock = TryLock::new(1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _held = lock.try_lock().unwrap();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    #[expect(clippy::mem_forget, reason = "as a careless user might")]
    std::mem::forget(lock.try_lock().expect("the panic gave it free"));
    assert!(lock.try_lock().is_none());
}

#[test]
fn a_wait_ends_at_its_deadline_and_leaves_nobody_registered() {
    let notify = Notify::new();
    let deadline = ringmain_ring::now() + Duration::from_millis(5);
    assert!(!notify.wait_until(Some(deadline), || false));
    assert!(ringmain_ring::now() >= deadline);
    assert!(!notify.has_sleepers());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut looks = 0;
        notify.wait_until(None, || {
            looks += 1;
            assert!(looks < 2, "on purpose, while registered");
            false
        })
    }));
    assert!(panicked.is_err());
    assert!(!notify.has_sleepers(), "unwinding took it out again");
}

#[test]
fn no_wake_up_is_lost_between_many() {
    // Each waits for its turn, which whoever comes before it brings; nothing has a time-out.
    let (rounds, threads) = if cfg!(miri) { (40, 3) } else { (20_000, 4) };
    let shared = Arc::new(([Notify::new(), Notify::new()], AtomicU64::new(0)));
    let threads: Vec<_> = (0..threads)
        .map(|who| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (notifies, turn) = &*shared;
                let both: Vec<_> = notifies.iter().collect();
                for mine in (who..rounds).step_by(usize::try_from(threads).unwrap()) {
                    assert!(wait_any(&both, None, &mut || turn.load(Ordering::Relaxed) == mine));
                    turn.store(mine + 1, Ordering::Relaxed);
                    notifies[usize::from(mine % 2 == 0)].notify();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(shared.1.load(Ordering::Relaxed), rounds);
}
