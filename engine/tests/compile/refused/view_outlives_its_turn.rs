//! A view of a cover's turn ends with it.

use ringmain_ring::Ring;

fn main() {
    let ring = Ring::multi(8, || 0u64).unwrap();
    let mut cover = ring.cover();
    cover.add(ring.shared_cursor()).unwrap();
    ring.publish(1).unwrap();
    let turn = cover.turn();
    let view = turn.claim(0, 8).unwrap();
    drop(turn);
    assert_eq!(view.len(), 1);
}
