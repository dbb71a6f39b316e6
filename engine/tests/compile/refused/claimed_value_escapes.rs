//! A slot is the claimant's while it writes.

use ringmain_ring::Ring;

fn main() {
    let ring = Ring::multi(8, || 0u64).unwrap();
    let mut kept = None;
    let mut claim = ring.claim(1).unwrap();
    claim.write(|value| kept = Some(value)).unwrap();
    claim.publish();
    *kept.unwrap() = 2;
}
