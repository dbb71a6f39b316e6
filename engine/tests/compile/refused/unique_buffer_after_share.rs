//! Nobody writes a buffer that is shared.

use ringmain_ring::UniqueBuffer;

fn main() {
    let mut buffer = UniqueBuffer::new(8, ());
    let shared = buffer.share();
    buffer.resize(1)[0] = 7;
    drop(shared);
}
