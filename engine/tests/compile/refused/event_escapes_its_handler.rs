//! What a channel's handler is shown lies in the ring.

use ringmain_fanout::{Channel, Dispatcher, Event};

fn main() {
    let channel = Channel::new(8, || 0u64).unwrap();
    let mut dispatcher = Dispatcher::new(&channel);
    let mut kept: Vec<Event<'static, u64>> = Vec::new();
    dispatcher.add(channel.receiver(), move |event: Event<'_, u64>| kept.push(event)).unwrap();
}
