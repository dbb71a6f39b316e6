//! What a cover stands for, and what it tells.
#![cfg(not(ringmain_loom))]

use ringmain_ring::Ring;

#[test]
fn a_cursor_that_was_detached_under_a_cover_holds_nobody_back_when_it_comes_out() {
    let ring = Ring::multi(2, || 0u64).unwrap();
    let mut cover = ring.cover();
    let index = cover.add(ring.shared_cursor()).unwrap();
    let cursor = cover.swap_remove(index).unwrap();
    let index = cover.add(cursor.clone()).unwrap();
    assert!(cursor.detach());
    assert!(cover.swap_remove(index).is_some());
    (0..10).for_each(|value| _ = ring.try_publish(value).expect("nobody reads any more"));
}

#[test]
fn a_cover_has_news_until_it_has_looked() {
    let ring = Ring::multi(4, || 0u64).unwrap();
    let mut cover = ring.cover();
    let index = cover.add(ring.shared_cursor()).unwrap();
    assert!(!cover.has_news());
    for value in 0..10 {
        ring.try_publish(value).unwrap();
        assert!(cover.has_news());
        assert_eq!(cover.turn().claim(index, 4).map(|view| view.len()), Some(1));
        assert!(!cover.has_news());
    }
}

/// As when dispatchers sleep while other consumers of their subscriptions do not.
#[test]
fn covers_in_the_way_are_moved_on_one_after_the_other() {
    let ring = Ring::multi(4, || 0u64).unwrap();
    let mut empty = ring.cover();
    let index = empty.add(ring.shared_cursor()).unwrap();
    assert!(empty.swap_remove(index).is_some(), "a cover that stands for nobody is in nobody's way");
    let cursors = [(); 3].map(|()| ring.shared_cursor());
    let _covers = cursors.clone().map(|cursor| {
        let mut cover = ring.cover();
        cover.add(cursor).unwrap();
        cover
    });
    (0..4).for_each(|value| _ = ring.try_publish(value).unwrap());
    for cursor in &cursors {
        assert!(ring.try_publish(4).is_err(), "one has not read");
        assert_eq!(cursor.claim(2).map(|batch| batch.view().len()), Some(2));
    }
    (4..6).for_each(|value| _ = ring.try_publish(value).expect("all have read two"));
    assert!(ring.try_publish(6).is_err());
}
