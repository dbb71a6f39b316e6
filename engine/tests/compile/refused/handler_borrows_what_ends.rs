//! A handler may outlive whoever adds it, and so holds nothing of his.

use ringmain::{Dispatcher, Subscription, Verdict};

fn dispatcher(subscription: &Subscription) -> Dispatcher {
    let mut count = 0;
    Dispatcher::new().add(subscription, |_| {
        count += 1;
        Verdict::Ack
    })
}

fn main() {
    let _ = dispatcher;
}
