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
