//! Back-pressure: what happens when a subscription is a whole ring behind.
//!
//! ```sh
//! cargo run --example back_pressure
//! ```
//!
//! By default its publishers wait, and nothing is lost. A subscription that may lose messages says so, and is told how
//! many; one that must not be waited for can be detached instead. Each policy costs the others nothing.

use ringmain::{Engine, Message, Overflow, PublishError, RecvError, SubscriptionConfig, Topic, TopicConfig};
use std::error::Error;
use std::thread;
use std::time::Duration;

/// Slots of the ring: few, so that it is full soon.
const SLOTS: u8 = 8;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let engine = Engine::new();
    let topic = |name| engine.create_topic(name, TopicConfig::default().ring_slots(SLOTS.into()));
    block(&topic("blocking")?)?;
    drop_oldest(&topic("lossy")?)?;
    detach(&topic("detaching")?)
}

/// The default: nothing is lost, so publishers wait.
fn block(topic: &Topic) -> Result<(), Failure> {
    let slow = topic.create_subscription("slow", SubscriptionConfig::default().overflow(Overflow::Block))?;
    let publisher = topic.publisher();
    for number in 0..SLOTS {
        publisher.publish(Message::new(vec![number]))?;
    }
    // One who never waits gets the message back, and decides.
    let Err(PublishError::Full(back)) = publisher.try_publish(Message::new(vec![SLOTS])) else {
        return Err("the ring is full".into());
    };
    println!("Block: the ring is full; message {:?} came back", back.data().as_ref());
    let slowest = topic.stats().slowest.ok_or("somebody holds the publishers up")?;
    println!("Block: {:?} is {} slots behind", slowest.name, slowest.behind);
    assert!(publisher.publish_timeout(back.clone(), Duration::from_millis(5)).is_err(), "still nobody reads");

    thread::scope(|scope| -> Result<(), Failure> {
        // One who waits goes on as soon as there is room: a slot is free once its message is leased.
        let waiting = scope.spawn(|| publisher.publish(back));
        for expected in 0..=SLOTS {
            let delivery = slow.recv()?;
            assert_eq!(delivery.data(), [expected]);
            delivery.ack()?;
        }
        waiting.join().expect("a publisher that does not panic")?;
        println!("Block: all {} arrived, in order", SLOTS + 1);
        Ok(())
    })
}

/// The publisher never waits; the subscription loses the oldest messages, and is told the exact gap.
fn drop_oldest(topic: &Topic) -> Result<(), Failure> {
    let config = SubscriptionConfig::default().overflow(Overflow::DropOldest);
    let lossy = topic.create_subscription("dashboard", config)?;
    let publisher = topic.publisher();
    for number in 0..50 {
        publisher.try_publish(Message::new(vec![number]))?; // always room
    }
    let Err(RecvError::Lagged(lost)) = lossy.try_recv() else { return Err("a gap comes first".into()) };
    let mut rest = Vec::new();
    while let Some(delivery) = lossy.try_recv()? {
        rest.push(u64::from(delivery.data()[0]));
        delivery.ack()?;
    }
    println!("DropOldest: of 50 messages, {lost} were lost, and the rest is {rest:?}");
    assert_eq!(rest, (lost..50).collect::<Vec<_>>(), "the gap is exact, and what follows it is whole");
    Ok(())
}

/// The publisher never waits; the subscription is detached, and told so.
fn detach(topic: &Topic) -> Result<(), Failure> {
    let detached =
        topic.create_subscription("preview", SubscriptionConfig::default().overflow(Overflow::Detach))?;
    let publisher = topic.publisher();
    for number in 0..=SLOTS {
        publisher.try_publish(Message::new(vec![number]))?;
    }
    let told = detached.recv().map(|_| ());
    println!("Detach: after {} messages: {told:?}", SLOTS + 1);
    assert_eq!(told, Err(RecvError::Detached));
    let stats = detached.stats();
    assert_eq!((stats.accepted, stats.discarded), (u64::from(SLOTS) + 1, u64::from(SLOTS) + 1));
    Ok(())
}
