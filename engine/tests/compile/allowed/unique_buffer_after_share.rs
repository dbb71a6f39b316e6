//! The neighbour of the case refused: it is had back first.

use ringmain_ring::UniqueBuffer;

fn main() {
    let shared = UniqueBuffer::new(8, ()).share();
    let mut buffer = shared.into_unique().unwrap();
    buffer.resize(1)[0] = 7;
}
