//! The neighbour of the case refused: what it uses is its own.

use ringmain::{Dispatcher, Subscription, Verdict};

fn dispatcher(subscription: &Subscription) -> Dispatcher {
    let mut count = 0;
    Dispatcher::new().add(subscription, move |_| {
        count += 1;
        if count > 9 { Verdict::Nack } else { Verdict::Ack }
    })
}

#[test]
fn main() {
    let _ = dispatcher;
}
