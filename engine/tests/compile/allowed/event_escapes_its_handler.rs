//! The neighbour of the case refused: the values are kept.

use ringmain_fanout::{Channel, Dispatcher, Event};

#[test]
fn main() {
    let channel = Channel::new(8, || 0u64).unwrap();
    let mut dispatcher = Dispatcher::new(&channel);
    let mut kept: Vec<u64> = Vec::new();
    let keep = move |event: Event<'_, u64>| {
        if let Event::Batch(batch) = event {
            batch.for_each(|_, value| kept.push(*value));
        }
    };
    dispatcher.add(channel.receiver(), keep).unwrap();
}
