//! The neighbour of the case refused: all is written, and then published.

use ringmain_ring::Ring;

#[test]
fn main() {
    let ring = Ring::multi(8, || 0u64).unwrap();
    let mut claim = ring.claim(2).unwrap();
    claim.push(1).unwrap();
    claim.push(2).unwrap();
    claim.publish();
}
