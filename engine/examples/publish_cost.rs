//! What a publish costs, in instructions: for counting with callgrind, which no other load on the machine disturbs.
//!
//! ```sh
//! cargo build --release -p ringmain --example publish_cost
//! for mode in publish enqueue publish-idle enqueue-idle attributed keyed fifty referred slice written leased acked-at-once; do
//!     for messages in 100000 200000; do
//!         valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/publish_cost $mode $messages 2>&1 |
//!             grep -E 'Collected'
//!     done
//! done
//! ```
//!
//! The difference between the two counts of a mode, by the difference in messages, is what one message costs, publish
//! and in-place delivery together, but without reading a clock. Busy modes let a backlog of 64 messages or more stand; idle
//! ones deliver each at once. All these publish a few bytes, which are copied; `attributed` with an attribute, by which they are
//! filtered; `keyed` with one of 64 ordering keys in turn, by which they are handled in order; `fifty` to fifty subscriptions;
//! `referred` publishes a reference to a KiB, busy. `slice` copies 1 KiB into a buffer of the ring's, as the plain path does; `written` has such a buffer and writes
//! next to nothing into it, since how many instructions a copy takes differs between CPUs; `leased` does as `written`, and
//! pulls and acks instead of handling in place, one by one, or `acked-at-once`. `.ci/instructions` compares with what they
//! cost before.

use ringmain::{
    Bytes, Delivery, Dispatcher, Engine, ManualClock, Message, SubscriptionConfig, TopicConfig, Verdict,
};
use std::error::Error;

const MODES: &str = "publish, enqueue, publish-idle, enqueue-idle, attributed, keyed, fifty, referred, slice, written, leased or acked-at-once";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().unwrap_or_else(|| "publish".to_owned());
    let messages: u64 = arguments.next().map_or(Ok(10_000), |count| count.parse())?;

    // The real clock is calibrated for as long as it takes, which is no number of instructions.
    let engine = Engine::builder().clock(ManualClock::new().clock()).build();
    let topic = engine.create_topic("topic", TopicConfig::default())?;
    let attributed = mode == "attributed";
    let config = SubscriptionConfig::default();
    let config = match &*mode {
        "attributed" => config.filter(r#"attributes.region = "eu""#),
        "keyed" => config.message_ordering(),
        _ => config,
    };
    let subscription = topic.create_subscription("subscription", config)?;
    let publisher = topic.publisher();
    let (few, kib) = (Bytes::from_static(b"a payload of a few bytes"), Bytes::from_static(&[7; 1024]));
    let payload = if mode == "referred" { kib } else { few };
    let mut dispatcher = Dispatcher::new().turn_limit(64).add(&subscription, |_| Verdict::Ack);
    for number in 1..if mode == "fifty" { 50 } else { 1 } {
        let other =
            topic.create_subscription(&format!("subscription-{number}"), SubscriptionConfig::default())?;
        dispatcher = dispatcher.add(&other, |_| Verdict::Ack);
    }

    let (enqueues, idle) = match &*mode {
        "publish" | "attributed" | "keyed" | "fifty" | "referred" | "slice" | "written" | "leased"
        | "acked-at-once" => (false, false),
        "enqueue" => (true, false),
        "publish-idle" => (false, true),
        "enqueue-idle" => (true, true),
        other => return Err(format!("{MODES}, not {other}").into()),
    };
    let at_once = mode == "acked-at-once";
    let leased = at_once || mode == "leased";
    let written = leased || mode == "written";
    let kilobyte = (mode == "slice").then(|| vec![7; 1024]);
    let labelled = attributed || mode == "keyed";
    let label = |number: u64| {
        let message = Message::new(payload.clone());
        if attributed {
            message.attribute("region", "eu")
        } else {
            message.ordering_key(format!("{:02}", number % 64))
        }
    };
    let mut deliveries = Vec::new();
    if !idle {
        // A backlog that is never read to its end, so that somebody always has something to read.
        for number in 0..200 {
            publisher.publish(if labelled { label(number) } else { Message::new(payload.clone()) })?;
        }
        dispatcher.poll();
    }
    for index in 0..messages {
        if let Some(kilobyte) = &kilobyte {
            publisher.publish_slice(kilobyte)?;
        } else if written {
            publisher.publish_with(1024, |buffer| buffer[0] = 7)?;
        } else if enqueues {
            drop(publisher.enqueue(Message::new(payload.clone()))?);
        } else if labelled {
            publisher.publish(label(index))?;
        } else {
            publisher.publish(Message::new(payload.clone()))?;
        }
        if idle {
            while dispatcher.poll() > 0 {}
        } else if leased && index % 64 == 63 {
            subscription.pull_into(64, &mut deliveries)?;
            if at_once {
                Delivery::ack_all(&mut deliveries)?;
            }
            deliveries.drain(..).try_for_each(|delivery| delivery.ack())?;
        } else if index % 64 == 63 {
            dispatcher.poll();
        }
    }
    publisher.flush()?;
    while dispatcher.poll() > 0 {}
    assert!(subscription.stats().acked >= messages, "every message was delivered");
    Ok(())
}
