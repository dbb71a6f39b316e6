//! The neighbour of the case refused: first the batch goes.

use ringmain_ring::Ring;

#[test]
fn main() {
    let ring = Ring::multi(8, || 0u64).unwrap();
    let mut cursor = ring.cursor();
    ring.publish(1).unwrap();
    let batch = cursor.batch(8).unwrap();
    batch.for_each(|_, value| assert_eq!(*value, 1));
    drop(batch);
    drop(cursor);
}
