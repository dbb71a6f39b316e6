//! Fan-out: every subscription of a topic gets every message, and nothing is copied on the way.
//!
//! ```sh
//! cargo run --example fan_out
//! ```
//!
//! Three subscriptions receive one message each under lease and find the very same bytes. (Those that the publisher handed over, if
//! they are many; few are copied once, for all of them.) Then one thread serves fifty more, in place.

use ringmain::{Dispatcher, Engine, Message, SubscriptionConfig, TopicConfig, Verdict};
use std::error::Error;
use std::sync::mpsc;

const OUTLETS: usize = 50;
const MESSAGES: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::new();
    let prices = engine.create_topic("prices", TopicConfig::default())?;
    let publisher = prices.publisher();
    publisher.publish(Message::new("before anybody listens"))?; // kept for nobody: a subscription sees what comes after

    // Leased: a delivery is an owned value, to be acked within its deadline.
    let subscriptions = ["billing", "audit", "search"]
        .map(|name| prices.create_subscription(name, SubscriptionConfig::default()));
    publisher.publish(Message::new("EURUSD 1.0842").attribute("source", "frankfurt"))?;
    let mut places = Vec::new();
    for subscription in subscriptions {
        let subscription = subscription?;
        let delivery = subscription.recv()?;
        println!(
            "{:>7}: {:?} from {:?}, at {:p}",
            subscription.name(),
            String::from_utf8_lossy(delivery.data()),
            delivery.attribute("source").unwrap_or("?"),
            delivery.data().as_ptr(),
        );
        places.push(delivery.data().as_ptr());
        assert_eq!(places.last(), places.first(), "the same bytes, and no copy for each");
        delivery.ack()?;
        assert!(subscription.try_recv()?.is_none(), "one message each");
        subscription.detach(); // a subscription that nobody reads would hold up the publisher in the end
    }

    // In place: the handler reads the message in the ring. One thread, as many subscriptions as you like.
    let (sender, received) = mpsc::channel();
    let mut dispatcher = Dispatcher::new();
    for outlet in 0..OUTLETS {
        let subscription =
            prices.create_subscription(&format!("outlet-{outlet}"), SubscriptionConfig::default())?;
        let (sender, mut count, mut bytes) = (sender.clone(), 0, 0);
        dispatcher = dispatcher.add(&subscription, move |message| {
            count += 1;
            bytes += message.data().len();
            if count == MESSAGES {
                sender.send(bytes).expect("somebody waits for the result");
            }
            Verdict::Ack
        });
    }
    drop(sender);
    let stop = dispatcher.stop_handle();
    let outlets = std::thread::spawn(move || dispatcher.run());
    for _ in 0..MESSAGES {
        publisher.publish_slice(b"GBPUSD 1.2711")?;
    }
    for bytes in received.iter().take(OUTLETS) {
        assert_eq!(bytes, MESSAGES * b"GBPUSD 1.2711".len());
    }
    stop.stop();
    outlets.join().expect("handlers that panic do not end the dispatcher");
    println!("{OUTLETS} outlets on one thread: {} deliveries of {MESSAGES} messages", OUTLETS * MESSAGES);
    Ok(())
}
