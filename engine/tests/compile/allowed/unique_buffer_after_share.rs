//! The neighbour of the case refused: it is had back first.

use ringmain_ring::UniqueBuffer;

#[test]
fn main() {
    let shared = UniqueBuffer::new(8, ()).share();
    let mut buffer = shared.into_unique().unwrap();
    buffer.resize(1)[0] = 7;
}
