//! A batch stands where its cursor stood.

use ringmain_ring::Ring;

fn main() {
    let ring = Ring::multi(8, || 0u64).unwrap();
    ring.publish(1).unwrap();
    let mut cursor = ring.cursor();
    let batch = cursor.batch(8).unwrap();
    drop(cursor);
    batch.for_each(|_, value| assert_eq!(*value, 1));
}
