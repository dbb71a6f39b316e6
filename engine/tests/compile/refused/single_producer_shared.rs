//! One producer is one: it is not cloned, and publishes by a reference that nobody else has.

use ringmain_ring::{Ring, SingleProducer};

fn publish(producer: &SingleProducer<u64>) {
    let _ = producer.try_publish(1);
}

fn main() {
    let (producer, _ring) = Ring::single(8, || 0u64).unwrap();
    let other = producer.clone();
    publish(&other);
}
