//! Settings: any values, set one by one or read from JSON, are refused with the setting's name, or can be used.
//!
//! Bytes that are text are up to three lines of JSON (a topic's settings, a subscription's, a publisher's); others are
//! taken for values. What is valid is said here once more, by the documentation of the fields.
#![no_main]

#[path = "../support/using.rs"]
mod using;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use ringmain::{
    LimitExceeded, Overflow, PublisherConfig, RetryPolicy, SubscriptionConfig, TopicConfig, WaitStrategy,
};
use std::time::Duration;

#[derive(Debug)]
struct Settings {
    topic: TopicConfig,
    subscription: SubscriptionConfig,
    publisher: PublisherConfig,
}

/// Values that are often near a limit.
fn count(bytes: &mut Unstructured<'_>) -> arbitrary::Result<usize> {
    Ok(match bytes.arbitrary::<u8>()? {
        0..=63 => 1 << bytes.int_in_range(0..=63)?,
        64..=191 => bytes.arbitrary::<u8>()?.into(),
        _ => bytes.arbitrary()?,
    })
}

fn duration(bytes: &mut Unstructured<'_>) -> arbitrary::Result<Duration> {
    Ok(match bytes.arbitrary::<u8>()? {
        0..=99 => Duration::from_secs(bytes.arbitrary::<u16>()?.into()),
        100..=149 => Duration::from_nanos(bytes.arbitrary::<u32>()?.into()),
        150..=199 => Duration::from_secs(7 * 86_400)
            .saturating_sub(Duration::from_nanos(bytes.arbitrary::<u8>()?.into())),
        _ => bytes.arbitrary()?,
    })
}

fn values(bytes: &mut Unstructured<'_>) -> arbitrary::Result<Settings> {
    let wait = *bytes.choose(&[WaitStrategy::Spin, WaitStrategy::SpinThenPark, WaitStrategy::Park])?;
    let topic = TopicConfig::default()
        .ring_slots(count(bytes)?)
        .shards(count(bytes)?)
        .wait(wait)
        .batch(count(bytes)?, count(bytes)?)
        .ring_bytes(count(bytes)?);
    let mut subscription = SubscriptionConfig::default()
        .ack_deadline(duration(bytes)?)
        .overflow(*bytes.choose(&[Overflow::Block, Overflow::DropOldest, Overflow::Detach])?)
        .max_outstanding_messages(count(bytes)?)
        .max_outstanding_bytes(count(bytes)?)
        .allow_excess(bytes.arbitrary()?)
        .max_held_messages(count(bytes)?)
        .max_held_bytes(count(bytes)?);
    if bytes.arbitrary()? {
        subscription = subscription.max_lease(duration(bytes)?);
    }
    if bytes.arbitrary()? {
        subscription = subscription.retry(duration(bytes)?, duration(bytes)?);
    }
    if bytes.arbitrary()? {
        subscription = subscription.message_ordering();
    }
    if bytes.arbitrary()? {
        subscription = subscription.filter("attributes:k");
    }
    let publisher = PublisherConfig::default()
        .max_outstanding_messages(count(bytes)?)
        .max_outstanding_bytes(count(bytes)?)
        .limit_exceeded(*bytes.choose(&[
            LimitExceeded::Ignore,
            LimitExceeded::Block,
            LimitExceeded::Error,
        ])?);
    Ok(Settings { topic, subscription, publisher })
}

fn read<T: serde::de::DeserializeOwned + serde::Serialize>(line: Option<&str>) -> Option<T> {
    let read = serde_json::from_str(line.unwrap_or("{}")).ok()?;
    // What was read is written, and read again as the same.
    let written = serde_json::to_value::<&T>(&read).expect("settings can be written");
    let again: T = serde_json::from_value(written.clone()).expect("and read again");
    assert_eq!(serde_json::to_value(again).ok(), Some(written));
    Some(read)
}

fn json(text: &str) -> Option<Settings> {
    let mut lines = text.lines();
    Some(Settings {
        topic: read(lines.next())?,
        subscription: read(lines.next())?,
        publisher: read(lines.next())?,
    })
}

/// The names of the settings that break their rule, as documented.
fn wrong_of_topic(topic: &TopicConfig) -> Vec<&'static str> {
    let rules = [
        ("ring_slots", topic.ring_slots.is_power_of_two() && topic.ring_slots <= 1 << 30),
        ("shards", topic.shards >= 1 && topic.shards <= 1024),
        ("batch_messages", topic.batch_messages >= 1),
        ("batch_bytes", topic.batch_bytes >= 1),
        ("ring_bytes", topic.ring_bytes >= 1),
    ];
    broken(&rules)
}

fn wrong_of_publisher(publisher: &PublisherConfig) -> Vec<&'static str> {
    let rules = [
        ("max_outstanding_messages", publisher.max_outstanding_messages >= 1),
        ("max_outstanding_bytes", publisher.max_outstanding_bytes >= 1),
    ];
    broken(&rules)
}

/// With a manual clock, whose ack deadlines may be short.
fn wrong_of_subscription(subscription: &SubscriptionConfig) -> Vec<&'static str> {
    let longest = Duration::from_secs(600);
    let RetryPolicy { minimum_backoff, maximum_backoff, .. } = subscription.retry.unwrap_or_default();
    let deadline = subscription.ack_deadline;
    let week = Duration::from_secs(7 * 86_400);
    let rules = [
        ("ack_deadline", deadline <= longest),
        ("max_lease", subscription.max_lease.is_none_or(|most| deadline <= most && most <= week)),
        ("minimum_backoff", minimum_backoff <= longest),
        ("maximum_backoff", minimum_backoff <= maximum_backoff && maximum_backoff <= longest),
        ("max_outstanding_messages", subscription.max_outstanding_messages >= 1),
        ("max_outstanding_bytes", subscription.max_outstanding_bytes >= 1),
        ("max_held_messages", subscription.max_held_messages >= 1),
        ("max_held_bytes", subscription.max_held_bytes >= 1),
    ];
    broken(&rules)
}

fn broken(rules: &[(&'static str, bool)]) -> Vec<&'static str> {
    rules.iter().filter(|(_, holds)| !holds).map(|(name, _)| *name).collect()
}

/// What was said must be a setting that is wrong, or, for a subscription's filter, where it is.
fn named(error: &dyn std::error::Error, wrong: &[&str], filter: Option<&str>) {
    let said = error.to_string();
    let of_filter = filter.is_some() && said.contains("filter is wrong at column");
    let is_named = |name: &&str| said.starts_with(&format!("{name} must be "));
    assert!(of_filter || wrong.iter().any(is_named), "{said}, and wrong is {wrong:?}");
}

fuzz_target!(|bytes: &[u8]| {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.starts_with('{'));
    let settings = match text {
        Some(text) => json(text),
        None => values(&mut Unstructured::new(bytes)).ok(),
    };
    let Some(Settings { topic, subscription, publisher }) = settings else { return };
    let engine = using::Bench::new();
    let wrong = wrong_of_topic(&topic);
    let small = topic.ring_slots.saturating_mul(topic.shards) <= 1 << 12;
    match engine.topic(topic) {
        Err(error) => named(&error, &wrong, None),
        Ok(topic) => {
            assert_eq!(wrong, [""; 0], "accepted");
            // A ring that is made is as large as it says.
            if small {
                let wrong = (wrong_of_subscription(&subscription), wrong_of_publisher(&publisher));
                let filter = subscription.filter.clone();
                match (topic.create_subscription("sub", subscription), topic.publisher_with(publisher)) {
                    (Err(error), _) => named(&error, &wrong.0, filter.as_deref()),
                    (_, Err(error)) => named(&error, &wrong.1, None),
                    (Ok(subscription), Ok(publisher)) => {
                        assert_eq!(wrong, (vec![], vec![]), "accepted");
                        engine.run(&subscription, &publisher);
                    }
                }
            }
        }
    }
});
