//! A claim is published once.

use ringmain_ring::Ring;

fn main() {
    let ring = Ring::multi(8, || 0u64).unwrap();
    let mut claim = ring.claim(2).unwrap();
    claim.push(1).unwrap();
    claim.publish();
    claim.push(2).unwrap();
}
