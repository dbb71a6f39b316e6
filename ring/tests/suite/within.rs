//! What a predicate or a waker does to the ring that calls it, in the midst of a claim or of a turn's end. It should not, but
//! nobody's slot is lost by it and nobody waits for itself.
#![cfg(not(any(ringmain_loom, ringmain_shuttle)))]

use ringmain_ring::{LossyRead, OnFull, Ring, Sleeper};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Wake, Waker};
use std::time::Duration;

/// Does something, once, when it is woken.
struct Does(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Does {
    fn waker(what: impl FnOnce() + Send + 'static) -> Waker {
        Waker::from(Arc::new(Self(Mutex::new(Some(Box::new(what))))))
    }
}

impl Wake for Does {
    fn wake(self: Arc<Self>) {
        let what = self.0.lock().expect("no panic").take();
        what.into_iter().for_each(|what| what());
    }
}

#[test]
fn a_predicate_that_publishes_gets_a_slot_and_so_does_the_claim_that_called_it() {
    let ring = Ring::multi(8, || 0u64).unwrap();
    let (inner, once) = (ring.clone(), Mutex::new(Some(())));
    let _lossy = ring.lossy_cursor_where(OnFull::DropOldest, move |_| {
        let first = once.lock().unwrap().take();
        first.is_none() || inner.try_publish(100).is_ok()
    });
    (0..4).for_each(|value| _ = ring.try_publish(value).unwrap());
    let mut cursor = ring.cursor();
    let mut claim = ring.try_claim(7).unwrap();
    assert_eq!(claim.start().number(), 5, "the predicate published the fourth");
    (0..7).for_each(|value| _ = claim.push(value).unwrap());
    claim.publish();
    let mut seen = Vec::new();
    while cursor.poll(9, |_, value| seen.push(*value)) > 0 {}
    assert_eq!(seen, [100, 0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_waker_that_publishes_gets_a_slot_and_so_does_the_publish_that_called_it() {
    let ring = Ring::multi(8, || 0u64).unwrap();
    let lossy = ring.lossy_cursor(OnFull::DropOldest);
    (0..8).for_each(|value| _ = ring.try_publish(value).unwrap());
    let inner = ring.clone();
    let waker = Does::waker(move || _ = inner.try_publish(100).unwrap());
    ring.room().register(&Sleeper::task(&waker)).stay();
    ring.try_publish(101).unwrap();
    let mut seen = Vec::new();
    while lossy.read(9, |_, value| seen.push(*value)) != LossyRead::Read(0) {}
    assert_eq!(seen[seen.len() - 2..], [100, 101]);
    assert_eq!(ring.tail().number(), 10);
}

/// A producer that finds the ring full moves a cover on whose cursors others have read, which wakes whoever waits for room.
#[test]
fn a_waker_that_takes_the_turn_of_the_cover_that_wakes_it_does_not_wait_for_itself() {
    let ring = Ring::multi(4, || 0u64).unwrap();
    let cursor = ring.shared_cursor();
    let mut cover = ring.cover();
    cover.add(cursor.clone()).unwrap();
    (0..4).for_each(|value| _ = ring.try_publish(value).unwrap());
    assert_eq!(cursor.claim(4).unwrap().view().len(), 4);
    let (tell, told) = mpsc::channel();
    let producer = ring.clone();
    std::thread::spawn(move || {
        let cover = Mutex::new(cover);
        let waker = Does::waker(move || drop(cover.lock().unwrap().turn()));
        producer.room().register(&Sleeper::task(&waker)).stay();
        tell.send(producer.try_publish(4)).unwrap();
    });
    let published = told.recv_timeout(Duration::from_secs(20)).expect("it does not wait for itself");
    assert_eq!(published.unwrap().number(), 4);
}
