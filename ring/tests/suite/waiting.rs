//! What waiting tells, and who is in which list when: sleepers, deadlines, wait strategies, the end.
#![cfg(not(ringmain_loom))]

use ringmain_ring::sync::{AtomicUsize, Ordering, thread};
use ringmain_ring::{
    Builder, LossyRead, Notify, OnFull, Ring, Sequence, Single, Sleeper, WaitStrategy, WakeLater, now,
    spin_until, wait_any,
};
use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn waker() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (Arc::clone(&count), Waker::from(count))
}

#[test]
fn a_sleeper_is_in_the_list_until_it_is_taken_out_or_woken() {
    let notify = Notify::new();
    assert!(!notify.has_sleepers());
    let (count, waker) = waker();
    let (one, other) = (Sleeper::task(&waker), Sleeper::task(&waker));
    // Dropped, a registration takes its own out and no other.
    let first = notify.register(&one);
    let second = notify.register(&other);
    drop(first);
    assert!(notify.has_sleepers());
    drop(second);
    assert!(!notify.has_sleepers());
    notify.notify();
    assert_eq!((count.0.load(Ordering::Relaxed), one.is_woken(), other.is_woken()), (0, false, false));
    // It may stay, until it is taken out,
    notify.register(&one).stay();
    assert!(notify.has_sleepers());
    notify.unregister(&other);
    assert!(notify.has_sleepers(), "that was another one");
    notify.unregister(&one);
    assert!(!notify.has_sleepers());
    // or woken, with all the others.
    notify.register(&one).stay();
    notify.register(&other).stay();
    notify.notify();
    assert_eq!((count.0.load(Ordering::Relaxed), one.is_woken(), other.is_woken()), (2, true, true));
    assert!(!notify.has_sleepers());
    notify.notify();
    assert_eq!(count.0.load(Ordering::Relaxed), 2, "once");
}

/// With two places on one list, it has the other until that goes, too.
#[test]
fn one_of_two_places_of_a_sleeper_goes_alone() {
    let (list, sleeper) = (Notify::new(), Sleeper::thread());
    let [one, two] = [(); 2].map(|()| list.register(&sleeper));
    drop(one);
    list.notify();
    assert!(sleeper.is_woken());
    drop(two);
}

#[test]
fn a_place_that_is_gone_takes_none_other_with_it() {
    let (list, sleeper) = (Notify::new(), Sleeper::thread());
    let gone = list.register(&sleeper);
    list.notify();
    let next = list.register(&sleeper);
    drop(gone);
    assert!(list.has_sleepers());
    drop(next);
    assert!(!list.has_sleepers());
}

/// What it drops there may come back to the list.
#[test]
fn a_waker_that_is_dropped_with_its_place_finds_the_list_free() {
    struct Comes(Arc<Notify>);
    impl Wake for Comes {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Comes {
        fn drop(&mut self) {
            self.0.register(&Sleeper::thread()).stay();
        }
    }
    let list = Arc::new(Notify::new());
    let place = list.register(&Sleeper::task(&Waker::from(Arc::new(Comes(Arc::clone(&list))))));
    drop(place);
    assert!(list.has_sleepers());
}

#[test]
fn who_is_woken_later_is_woken_at_the_end_of_the_outermost() {
    let (notify, (count, waker)) = (Notify::new(), waker());
    let is_woken_by_now = |sleepers: &[Arc<Sleeper>]| sleepers.iter().filter(|one| one.is_woken()).count();
    let sleepers = [0; 3].map(|_| Sleeper::task(&waker));
    let outer = WakeLater::begin();
    for sleeper in &sleepers {
        notify.register(sleeper).stay();
        let inner = WakeLater::begin();
        notify.notify();
        drop(inner);
        assert!(!notify.has_sleepers() && is_woken_by_now(&sleepers) == 0);
    }
    // On this thread only.
    let other = Sleeper::task(&waker);
    notify.register(&other).stay();
    std::thread::scope(|scope| drop(scope.spawn(|| notify.notify())));
    assert!(other.is_woken());
    drop(outer);
    assert_eq!((is_woken_by_now(&sleepers), count.0.load(Ordering::Relaxed)), (3, 4));
    // And now at once again, as when nobody was to be woken.
    drop(WakeLater::begin());
    let last = Sleeper::task(&waker);
    notify.register(&last).stay();
    notify.notify();
    assert!(last.is_woken());
}

/// A thread ends, and these run when what it has to itself is dropped.
struct AtEnd(Vec<Box<dyn FnOnce()>>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.drain(..).for_each(|run| run());
    }
}

thread_local!(static AT_END: RefCell<AtEnd> = const { RefCell::new(AtEnd(Vec::new())) });

fn at_end(run: impl FnOnce() + 'static) {
    AT_END.with(|at_end| at_end.borrow_mut().0.push(Box::new(run)));
}

#[test]
fn waking_is_put_off_at_a_threads_end_too() {
    let (notify, sleeper) = (Arc::new(Notify::new()), Sleeper::thread());
    notify.register(&sleeper).stay();
    let woken = Arc::new(Mutex::new(Vec::new()));
    let in_order = Arc::clone(&woken);
    let ends = move || {
        // First of all, so that it is dropped last.
        at_end(move || {
            let later = WakeLater::begin();
            notify.notify();
            in_order.lock().unwrap().push(sleeper.is_woken());
            drop(later);
            in_order.lock().unwrap().push(sleeper.is_woken());
        });
        let other = Notify::new();
        other.register(&Sleeper::thread()).stay();
        let _later = WakeLater::begin();
        other.notify();
    };
    std::thread::spawn(ends).join().unwrap();
    assert_eq!(*woken.lock().unwrap(), [false, true]);
}

#[test]
fn who_is_put_off_until_a_threads_end_is_woken_there() {
    let (notify, sleeper) = (Arc::new(Notify::new()), Sleeper::thread());
    notify.register(&sleeper).stay();
    let ends = move || {
        let later = WakeLater::begin();
        at_end(move || drop(later));
        notify.notify();
    };
    std::thread::spawn(ends).join().unwrap();
    assert!(sleeper.is_woken());
}

#[test]
fn a_sleeper_knows_whom_it_wakes() {
    let ((_, mine), (_, others)) = (waker(), waker());
    let sleeper = Sleeper::task(&mine);
    assert!(sleeper.wakes(&mine) && sleeper.wakes(&mine.clone()) && !sleeper.wakes(&others));
    assert!(!Sleeper::thread().wakes(&mine));
}

#[test]
fn a_thread_that_is_woken_before_it_parks_does_not_park() {
    let notify = Notify::new();
    let sleeper = Sleeper::thread();
    notify.register(&sleeper).stay();
    notify.notify();
    assert!(sleeper.is_woken());
    sleeper.park(None); // returns
    sleeper.park(Some(Duration::from_secs(600)));
    let start = now();
    Sleeper::thread().park(Some(MOMENT));
    assert!(start.elapsed() < Duration::from_secs(60), "a time-out ends it");
}

#[test]
fn a_wait_says_what_it_saw_last_and_ends_at_its_deadline() {
    let notifies = [Notify::new(), Notify::new()];
    let both: Vec<_> = notifies.iter().collect();
    let mut looks = 0;
    assert!(wait_any(&both, None, &mut || {
        looks += 1;
        true
    }));
    assert_eq!(looks, 1, "what is ready is not waited for");
    let mut looks = 0;
    assert!(wait_any(&both, None, &mut || {
        looks += 1;
        assert_eq!(notifies.iter().filter(|notify| notify.has_sleepers()).count(), 2 * (looks - 1));
        looks == 2
    }));
    let start = now();
    assert!(!wait_any(&both, Some(start + MOMENT), &mut || false));
    assert!(start.elapsed() >= MOMENT);
    assert!(!wait_any(&both, Some(start), &mut || false), "long over");
    assert!(notifies.iter().all(|notify| !notify.has_sleepers()));
    assert!(notifies[0].wait_until(Some(start), || true));
}

#[test]
fn each_strategy_spins_as_far_as_it_says() {
    use WaitStrategy::{Park, Spin, SpinThenPark};
    assert_eq!([Spin, SpinThenPark, Park].map(WaitStrategy::parks), [false, true, true]);
    let after = |strategy, deadline, count| {
        let mut looks = 0;
        let ready = spin_until(strategy, deadline, || {
            looks += 1;
            looks > count
        });
        (ready, looks)
    };
    for strategy in [Spin, SpinThenPark, Park] {
        assert_eq!(after(strategy, None, 0), (true, 1), "{strategy:?}: ready at once");
    }
    assert_eq!(after(Park, None, 8), (true, 9), "it gives way a few times");
    assert_eq!(after(Park, None, usize::MAX), (false, 17), "and no more");
    assert_eq!(after(Spin, None, 1_000), (true, 1_001), "it spins for as long as it takes");
    assert!(!after(Spin, Some(now() + MOMENT), usize::MAX).0, "or until the deadline");
    let start = now();
    let (ready, looks) = after(SpinThenPark, None, usize::MAX);
    assert!(!ready && looks > 1 && start.elapsed() < Duration::from_secs(60), "it spins for a while");
}

#[test]
fn room_is_waited_for_until_there_is_some_or_the_end() {
    for strategy in [WaitStrategy::Spin, WaitStrategy::SpinThenPark, WaitStrategy::Park] {
        let ring = Builder::new(2).wait(strategy).multi(|| 0u64).unwrap();
        assert_eq!((ring.wait_strategy(), ring.capacity()), (strategy, 2));
        let mut cursor = ring.cursor();
        let soon = || Some(now() + MOMENT);
        assert!(ring.wait_for_room(2, soon()) && ring.wait_for_room(99, soon()), "it is empty");
        ring.publish(1).unwrap();
        assert!(ring.wait_for_room(1, soon()) && !ring.wait_for_room(2, soon()));
        ring.publish(2).unwrap();
        assert!(!ring.wait_for_room(1, soon()));
        assert_eq!(cursor.poll(1, |_, _| ()), 1);
        assert!(ring.wait_for_room(1, soon()) && !ring.wait_for_room(2, soon()));
        ring.publish(3).unwrap();
        assert!(!ring.wait_for_room(1, soon()));
        ring.close();
        assert!(ring.wait_for_room(1, None), "closed, which is worth a look");
    }
}

fn ends<S: ringmain_ring::Sequencer>(ring: &Ring<u64, S>, mut publish: impl FnMut(u64)) {
    let start = ring.tail();
    let mut cursor = ring.cursor();
    publish(1);
    publish(2);
    assert_eq!((ring.tail(), ring.is_closed()), (start.plus(2), false));
    assert!(!ring.is_at_end(start.plus(2)), "not closed");
    ring.close();
    assert!(ring.is_closed() && ring.clone().is_closed());
    assert_eq!([0, 1, 2].map(|read| ring.is_at_end(start.plus(read))), [false, false, true]);
    assert!(cursor.wait(None), "there is something yet");
    assert_eq!(cursor.poll(9, |_, _| ()), 2);
    assert_eq!(cursor.position(), start.plus(2));
    assert!(!cursor.wait(None), "it has ended");
}

#[test]
fn a_ring_is_at_its_end_when_it_is_closed_and_read() {
    for start in [0, (1 << 63) - 1].map(Sequence::new) {
        let ring = Builder::new(4).start(start).multi(|| 0).unwrap();
        ends(&ring, |value| _ = ring.publish(value).unwrap());
        let (mut producer, ring): (_, Ring<u64, Single>) = Builder::new(4).start(start).single(|| 0).unwrap();
        assert_eq!(producer.ring().tail(), start);
        ends(&ring, |value| _ = producer.publish(value).unwrap());
    }
}

#[test]
fn room_that_comes_later_than_anybody_spins_is_waited_for() {
    for strategy in [WaitStrategy::Spin, WaitStrategy::SpinThenPark, WaitStrategy::Park] {
        let ring = Builder::new(2).wait(strategy).multi(|| 0u64).unwrap();
        let mut cursor = ring.cursor();
        (0..2).for_each(|_| _ = ring.try_publish(0).unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                thread::park_timeout(MOMENT);
                assert_eq!(cursor.poll(1, |_, _| ()), 1);
            });
            assert!(ring.wait_for_room(1, None), "{strategy:?}");
        });
        assert!(ring.try_publish(0).is_ok(), "{strategy:?}");
    }
}

#[test]
fn who_sleeps_for_room_or_for_data_is_woken_by_it() {
    let ring = Builder::new(2).wait(WaitStrategy::Park).multi(|| 0u64).unwrap();
    let mut cursor = ring.cursor();
    let (_count, waker) = waker();
    let (data, room) = (Sleeper::task(&waker), Sleeper::task(&waker));
    let _data = ring.data().register(&data);
    let _room = ring.room().register(&room);
    ring.try_publish(0).expect("room");
    assert_eq!((data.is_woken(), room.is_woken()), (true, false));
    assert_eq!(cursor.poll(1, |_, _| ()), 1);
    assert!(room.is_woken());
}

#[test]
fn data_that_comes_later_than_anybody_spins_is_waited_for_and_no_longer_than_asked() {
    for strategy in [WaitStrategy::Spin, WaitStrategy::SpinThenPark, WaitStrategy::Park] {
        let ring = Builder::new(2).wait(strategy).multi(|| 0u64).unwrap();
        let (mut cursor, lossy) = (ring.cursor(), ring.lossy_cursor(OnFull::DropOldest));
        assert!(!cursor.wait(Some(now() + MOMENT)) && !lossy.wait(Some(now() + MOMENT)), "{strategy:?}");
        let later = |value| {
            let ring = ring.clone();
            move || {
                thread::park_timeout(MOMENT);
                assert!(ring.try_publish(value).is_ok());
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(later(1));
            assert!(cursor.wait(None), "{strategy:?}");
            assert_eq!(cursor.poll(9, |_, value| assert_eq!(*value, 1)), 1);
        });
        assert_eq!(lossy.read(9, |_, _| ()), LossyRead::Read(1));
        std::thread::scope(|scope| {
            scope.spawn(later(2));
            assert!(lossy.wait(None), "{strategy:?}");
            assert_eq!(lossy.read(9, |_, value| assert_eq!(*value, 2)), LossyRead::Read(1));
        });
        assert!(!lossy.has_work());
        lossy.detach();
        assert!(lossy.has_work() && lossy.wait(None), "that it was detached is to be told");
    }
}
