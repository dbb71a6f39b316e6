//! Retry with backoff, and a dead-letter topic for what keeps failing.
//!
//! ```sh
//! cargo run --example dead_letter_and_retry
//! ```
//!
//! A mail that nobody can deliver waits 10, 20, 40 and 80 seconds between its five attempts, and then moves to a topic
//! of its own, with a note of where it comes from. Time moves by hand, so it takes no time at all.

use ringmain::{Engine, ManualClock, Message, SubscriptionConfig, TopicConfig};
use std::error::Error;
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(1);

fn main() -> Result<(), Box<dyn Error>> {
    let clock = ManualClock::new();
    let engine = Engine::builder().clock(clock.clock()).build();

    // What cannot be sent ends up here. The topic wants a subscription before anything is sent there: a topic that
    // nobody subscribes to keeps nothing.
    let undeliverable = engine.create_topic("undeliverable", TopicConfig::default())?;
    let postmaster = undeliverable.create_subscription("postmaster", SubscriptionConfig::default())?;

    let mails = engine.create_topic("mails", TopicConfig::default())?;
    let config = SubscriptionConfig::default()
        .retry(Duration::from_secs(10), Duration::from_secs(600))
        .dead_letter(&undeliverable, 5);
    let sender = mails.create_subscription("sender", config)?;
    let publisher = mails.publisher();
    let id = publisher.publish(Message::new("Dear nobody").attribute("to", "nobody@example.org"))?;
    publisher.publish(Message::new("Dear friend").attribute("to", "friend@example.org"))?;

    let mut backoff = Duration::from_secs(10);
    for attempt in 1..=5 {
        let mail = sender.try_recv()?.ok_or("the mail is due")?;
        let to = mail.attribute("to").unwrap_or_default().to_owned();
        assert_eq!((&*to, mail.delivery_attempt()), ("nobody@example.org", attempt));
        mail.nack()?;
        if attempt == 1 {
            // A message in backoff is off the ring: it holds up nobody.
            let other = sender.try_recv()?.ok_or("the other mail")?;
            assert_eq!(other.data(), b"Dear friend");
            other.ack()?;
        }
        if attempt < 5 {
            println!("attempt {attempt} for {to} failed; the next one in {backoff:?}");
            clock.advance(backoff - MOMENT);
            assert!(sender.try_recv()?.is_none(), "not a moment too early");
            clock.advance(MOMENT);
            backoff *= 2;
        } else {
            println!("attempt {attempt} for {to} failed; it was the last one");
        }
    }

    let letter = postmaster.try_recv()?.ok_or("the dead letter")?;
    println!("the postmaster gets {:?}:", String::from_utf8_lossy(letter.data()));
    for (key, value) in letter.attributes() {
        println!("    {key} = {value}");
    }
    assert_eq!(letter.data(), b"Dear nobody");
    assert_eq!(letter.attribute("to"), Some("nobody@example.org"));
    assert_eq!(letter.attribute("CloudPubSubDeadLetterSourceSubscription"), Some("sender"));
    assert_eq!(letter.attribute("CloudPubSubDeadLetterSourceDeliveryCount"), Some("5"));
    assert_eq!(letter.attribute("CloudPubSubDeadLetterSourceMessageId"), Some(&*id.to_string()));
    letter.ack()?;

    let stats = sender.stats();
    println!("sender: {} delivered, {} sent, {} given up", stats.delivered, stats.acked, stats.dead_lettered);
    assert_eq!((stats.delivered, stats.acked, stats.nacked, stats.dead_lettered), (6, 1, 5, 1));
    assert_eq!(stats.backlog(), 0);
    Ok(())
}
