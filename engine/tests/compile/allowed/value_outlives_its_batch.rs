//! The neighbour of the case refused: a copy.

use ringmain_ring::Ring;

#[test]
fn main() {
    let ring = Ring::multi(8, String::new).unwrap();
    let shared = ring.shared_cursor();
    ring.publish("value".to_owned()).unwrap();
    let pinned = shared.claim(1).unwrap();
    let value = pinned.view().iter().next().unwrap().1.clone();
    drop(pinned);
    assert_eq!(value, "value");
}
