//! The neighbour of the case refused: lent to another thread, and used there alone.

use ringmain_ring::{Ring, SingleProducer};

fn publish(producer: &mut SingleProducer<u64>) {
    let _ = producer.try_publish(1);
}

#[test]
fn main() {
    let (mut producer, _ring) = Ring::single(8, || 0u64).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| publish(&mut producer));
    });
}
