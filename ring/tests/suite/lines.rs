//! Which lines a reader takes over: what it calls with the values tells.
#![cfg(not(ringmain_loom))]

use ringmain_ring::sync::{AtomicU32, Ordering};
use ringmain_ring::{Builder, Cursor, Multi, Ring, WaitStrategy, spin_until};

#[derive(Debug, Default)]
struct Taken(AtomicU32);

fn ring() -> Ring<Taken> {
    let take = |value: &Taken| _ = value.0.fetch_add(1, Ordering::Relaxed);
    Builder::new(8).wait(WaitStrategy::Spin).multi_taking(Taken::default, take).expect("a power of two")
}

fn publish(ring: &Ring<Taken>, count: usize) {
    (0..count).for_each(|_| _ = ring.try_publish(Taken::default()).expect("room"));
}

fn spin_for_a_millisecond() {
    let end = ringmain_ring::now() + std::time::Duration::from_millis(1);
    assert!(!spin_until(WaitStrategy::Spin, Some(end), || false));
}

/// How often the values that are on the ring have been taken: publishes a lap, or as much of it as there is room for.
fn lap(ring: &Ring<Taken>) -> u32 {
    let old = |_| Some(ring.try_exchange(Taken::default()).ok()?.1.0.load(Ordering::Relaxed));
    (0..8).filter_map(old).sum()
}

/// Reads everything; how often the values that were there before have been taken since.
fn taken(ring: &Ring<Taken>, cursor: &mut Cursor<Taken, Multi>) -> u32 {
    while cursor.poll(1, |_, _| ()) > 0 {}
    let taken = lap(ring);
    while cursor.poll(8, |_, _| ()) > 0 {}
    taken
}

#[test]
fn the_only_reader_takes_over_what_it_has_read_if_it_has_caught_up() {
    let ring = ring();
    let mut cursor = ring.cursor();
    publish(&ring, 3);
    assert_eq!(taken(&ring, &mut cursor), 3);
    publish(&ring, 7);
    assert_eq!(taken(&ring, &mut cursor), 4, "from where half of the ring is left to read");
}

#[test]
fn nothing_is_taken_from_other_readers() {
    let ring = ring();
    let mut cursor = ring.cursor();
    let other = ring.shared_cursor();
    publish(&ring, 3);
    while cursor.poll(1, |_, _| ()) > 0 {}
    drop(other);
    assert_eq!(taken(&ring, &mut cursor), 0);
    publish(&ring, 3);
    assert_eq!(taken(&ring, &mut cursor), 3);
}

/// A line that is taken over reaches the next publish later, if that is all there is to wait for.
#[test]
fn nothing_is_taken_after_a_long_wait() {
    let ring = ring();
    let mut cursor = ring.cursor();
    (0..64).for_each(|_| assert_eq!(cursor.poll(1, |_, _| ()), 0));
    publish(&ring, 1);
    assert_eq!(taken(&ring, &mut cursor), 0);
    publish(&ring, 1);
    assert_eq!(taken(&ring, &mut cursor), 1);
    spin_for_a_millisecond();
    publish(&ring, 1);
    assert_eq!(taken(&ring, &mut cursor), 0);
}

#[test]
fn a_cover_takes_nothing_after_a_long_wait_and_nothing_that_it_has_not_seen() {
    let ring = ring();
    let mut cover = ring.cover();
    let cursor = ring.shared_cursor();
    let index = cover.add(cursor.clone()).unwrap();
    publish(&ring, 1);
    {
        let turn = cover.turn();
        assert_eq!(turn.claim(index, 1).unwrap().len(), 1);
        publish(&ring, 2);
        assert_eq!(cursor.claim(8).unwrap().view().len(), 2, "by another consumer, in the midst of the turn");
    }
    spin_for_a_millisecond();
    publish(&ring, 1);
    assert_eq!(cover.turn().claim(index, 1).unwrap().len(), 1);
    assert_eq!(lap(&ring), 1, "what the first turn saw");
}

#[test]
fn a_cover_takes_over_what_all_of_its_cursors_have_read_and_padding_never() {
    let ring = ring();
    let mut cover = ring.cover();
    let cursors = [(); 2].map(|()| cover.add(ring.shared_cursor()).unwrap());
    publish(&ring, 2);
    drop(ring.try_claim(1).unwrap());
    publish(&ring, 1);
    {
        let turn = cover.turn();
        assert_eq!(cursors.map(|index| turn.claim(index, 4).unwrap().for_each(|_, _| ())), [3, 3]);
    }
    publish(&ring, 2);
    {
        let turn = cover.turn();
        assert_eq!(turn.claim(cursors[0], 4).unwrap().for_each(|_, _| ()), 2);
    }
    drop(cover);
    let old = |_| ring.try_exchange(Taken::default()).map(|(_, old)| old.0.load(Ordering::Relaxed));
    assert_eq!(
        (0..8).filter_map(|index| old(index).ok()).sum::<u32>(),
        3,
        "the other cursor has two to read"
    );
}

/// The cover's gate held nobody back from them.
#[test]
fn a_forgotten_turn_of_a_cover_without_cursors_takes_nothing_from_who_comes_next() {
    let ring = ring();
    let mut cover = ring.cover();
    publish(&ring, 3);
    #[expect(clippy::mem_forget, reason = "as a careless user might")]
    std::mem::forget(cover.turn());
    cover.add(ring.shared_cursor()).unwrap();
    assert_eq!(lap(&ring), 0);
}
