//! Parking and waking, every schedule. Nothing here has a time-out: a wake-up that is lost is a deadlock.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use models::{next, parking};
use ringmain_ring::sync::{AtomicBool, Ordering};
use ringmain_ring::{Notify, Registration, Sleeper, before_sleep, wait_any};
use std::sync::Arc;

model!(
    /// What the rings are built on: a flag and a notification, nothing else that could order them.
    notify_and_wait, broken by ["notify.no_fence", "sleep.no_fence", "wait.no_recheck"], {
        let shared = Arc::new((Notify::new(), AtomicBool::new(false)));
        let other = Arc::clone(&shared);
        let notifier = spawn(move || {
            other.1.store(true, Ordering::Relaxed);
            other.0.notify();
        });
        assert!(shared.0.wait_until(None, || shared.1.load(Ordering::Relaxed)));
        notifier.join().unwrap();
    }
);

model!(
    /// Two sleepers of one notification: both wake.
    notify_wakes_all, broken by ["notify.no_fence", "sleep.no_fence", "notify.wakes_one"], {
        let shared = Arc::new((Notify::new(), AtomicBool::new(false)));
        let sleepers = [0, 1].map(|_| {
            let shared = Arc::clone(&shared);
            spawn(move || assert!(shared.0.wait_until(None, || shared.1.load(Ordering::Relaxed))))
        });
        shared.1.store(true, Ordering::Relaxed);
        shared.0.notify();
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
    }
);

model!(
    /// A sleeper of two notifications, either of which may be the one.
    wait_for_any_of_two, broken by ["notify.no_fence", "sleep.no_fence", "wait.no_recheck"], {
        let shared = Arc::new(([Notify::new(), Notify::new()], [AtomicBool::new(false), AtomicBool::new(false)]));
        let notifiers = [0, 1].map(|which| {
            let shared = Arc::clone(&shared);
            spawn(move || {
                let (notifies, flags) = &*shared;
                flags[which].store(true, Ordering::Relaxed);
                notifies[which].notify();
            })
        });
        // In a thread that joins none: the model checker takes a wake-up that is left over for the join's.
        let sleeper = spawn(move || {
            let (notifies, flags) = &*shared;
            let both: Vec<_> = notifies.iter().collect();
            assert!(wait_any(&both, None, &mut || flags.iter().all(|flag| flag.load(Ordering::Relaxed))));
        });
        sleeper.join().unwrap();
        for notifier in notifiers {
            notifier.join().unwrap();
        }
    }
);

model!(
    /// A sleeper that stays registered, as a task does, is woken by whatever comes after; here it parks by hand.
    registration_stays, broken by ["notify.no_fence", "sleep.no_fence"], {
        let shared = Arc::new((Notify::new(), AtomicBool::new(false)));
        let other = Arc::clone(&shared);
        let notifier = spawn(move || {
            other.1.store(true, Ordering::Relaxed);
            other.0.notify();
        });
        let sleeper = Sleeper::thread();
        let registration: Registration<'_> = shared.0.register(&sleeper);
        registration.stay();
        before_sleep();
        if !shared.1.load(Ordering::Relaxed) {
            sleeper.park(None);
            assert!(shared.1.load(Ordering::Relaxed), "it was woken for a reason");
        }
        notifier.join().unwrap();
    }
);

model!(park_for_data, broken by ["notify.no_fence", "sleep.no_fence", "wait.no_recheck", "data.not_notified"], {
    let ring = parking(2);
    let mut cursor = ring.cursor();
    let producer = spawn(move || ring.try_publish(1).unwrap());
    assert_eq!(next(&mut cursor), 1);
    producer.join().unwrap();
});

model!(park_for_room, broken by ["notify.no_fence", "sleep.no_fence", "room.not_notified"], {
    let ring = parking(1);
    let mut cursor = ring.cursor();
    ring.try_publish(1).unwrap();
    let producer = spawn(move || ring.publish(2).unwrap());
    assert_eq!(cursor.poll(1, |_, value| assert_eq!(*value, 1)), 1);
    producer.join().unwrap();
    assert_eq!(next(&mut cursor), 2);
});

model!(park_for_data_and_for_room, broken by ["notify.no_fence", "sleep.no_fence", "room.not_notified", "data.not_notified"], {
    let ring = parking(1);
    let mut cursor = ring.cursor();
    let producer = spawn(move || {
        for value in 1..=3 {
            ring.publish(value).unwrap();
        }
    });
    for value in 1..=3 {
        assert_eq!(next(&mut cursor), value);
    }
    producer.join().unwrap();
});

model!(
    /// The reader has left the slot, but a producer of the last lap has not published it: its publish makes the room.
    park_for_another_producer, broken by ["room.not_from_producers", "data.not_notified"], {
        let ring = parking(1);
        let (one, two) = (ring.clone(), ring.clone());
        let producers = [spawn(move || one.publish(1).unwrap()), spawn(move || two.publish(2).unwrap())];
        for producer in producers {
            producer.join().unwrap();
        }
        assert_eq!(ring.tail().number(), 2);
    }
);
