//! A dispatcher may run on any thread, with its handlers.

use ringmain::{Dispatcher, Subscription, Verdict};
use std::{cell::Cell, rc::Rc};

fn dispatcher(subscription: &Subscription, count: Rc<Cell<u64>>) -> Dispatcher {
    Dispatcher::new().add(subscription, move |_| {
        count.set(count.get() + 1);
        Verdict::Ack
    })
}

fn main() {
    let _ = dispatcher;
}
