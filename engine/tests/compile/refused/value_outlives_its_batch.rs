//! A value that was read in place is anybody's once its batch is gone.

use ringmain_ring::Ring;

fn main() {
    let ring = Ring::multi(8, || String::new()).unwrap();
    let shared = ring.shared_cursor();
    ring.publish("value".to_owned()).unwrap();
    let pinned = shared.claim(1).unwrap();
    let (_, value) = pinned.view().iter().next().unwrap();
    drop(pinned);
    assert_eq!(value, "value");
}
