//! What does something only when it is used, or dropped, is not to be dropped unseen.

#![deny(unused_must_use)]

use ringmain::*;

fn ignores(subscription: &Subscription, delivery: Delivery, publisher: &Publisher) -> Result<(), Box<dyn std::error::Error>> {
    subscription.recv()?;
    delivery.ack();
    publisher.publish_async(Message::new("data"));
    publisher.enqueue(Message::new("data"))?;
    subscription.stream();
    Dispatcher::new().add(subscription, |_| Verdict::Ack);
    Message::new("data").attribute("k", "v");
    Ok(())
}

fn main() {
    let _ = ignores;
}
