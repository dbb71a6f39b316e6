//! What is wrong with arguments before anything is made of them: out of range, contradictory, or not there.

use std::time::Duration;

use super::units::size_text;
use super::{Arguments, OverflowPolicy, Scenario};
use crate::num;
use crate::pin::{self, Pinning};

/// The shortest sample that is not called quick.
pub(super) const SAMPLE: Duration = Duration::from_secs(2);
/// The shortest sample at all.
const QUICK_SAMPLE: Duration = Duration::from_millis(100);
/// The most messages of a burst or a sample: a billion a second for a quarter of an hour.
const MESSAGES: u64 = 1_000_000_000_000;
/// The shortest soak: below, there is no plateau to tell growth from.
const SOAK: Duration = Duration::from_secs(5);

/// Refuses a number out of its range.
pub(super) fn within(option: &str, value: usize, least: usize, most: usize) -> Result<(), String> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(format!("{option} {value} is out of range; give {least} to {most}"))
    }
}

/// Refuses what contradicts itself or does not exist.
pub(super) fn check(arguments: &Arguments) -> Result<(), String> {
    let given = |option: &str, value: Option<usize>, most: usize| {
        value.map_or(Ok(()), |value| within(option, value, 1, most))
    };
    given("--publishers", arguments.publishers, 1_024)?;
    given("--consumers", arguments.consumers, 1_024)?;
    given("--shards", Some(arguments.shards), 256)?;
    given("--batch", arguments.batch.map(num::index), 4_096)?;
    given("--iterations", arguments.iterations, 1_000)?;
    given("--ordering-keys", arguments.ordering_keys, 100_000)?;
    within("--ring", arguments.ring, 64, 1 << 22)?;
    if !arguments.ring.is_power_of_two() {
        let near = arguments.ring.next_power_of_two();
        return Err(format!("--ring {} is not a power of two; give {} or {near}", arguments.ring, near / 2));
    }
    if arguments.messages == Some(0) {
        return Err("--messages 0 measures nothing; give at least 1".to_owned());
    }
    if let Some(messages) = arguments.messages.filter(|messages| *messages > MESSAGES) {
        return Err(format!("--messages {messages} is out of range; give 1 to {MESSAGES}"));
    }
    let percent = |level: &f64| format!("{} %", num::percent(*level));
    each_once("--levels", &arguments.levels, percent, "50,75,90")?;
    each_once("--subscriptions", &arguments.subscriptions, usize::to_string, "10,20")?;
    each_once("--payload", &arguments.payload, |size| size_text(*size), "1KB,10KB")?;
    overflow(arguments)?;
    keys(arguments)?;
    cpus(arguments)?;
    lengths(arguments)
}

/// What is named twice would have two results that nothing tells apart.
fn each_once<T: PartialEq>(
    option: &str,
    values: &[T],
    text: impl Fn(&T) -> String,
    example: &str,
) -> Result<(), String> {
    let twice = values.iter().enumerate().find(|(index, value)| values[..*index].contains(value));
    twice.map_or(Ok(()), |(_, value)| {
        Err(format!("{option} names {} twice; name each once, such as {example}", text(value)))
    })
}

fn overflow(arguments: &Arguments) -> Result<(), String> {
    let drops = arguments.overflow == Some(OverflowPolicy::DropOldest);
    if drops && arguments.consumers.unwrap_or(1) > 1 {
        return Err(
            "--overflow drop-oldest takes one consumer per subscription; leave out --consumers".to_owned()
        );
    }
    Ok(())
}

fn keys(arguments: &Arguments) -> Result<(), String> {
    if arguments.ordering_keys.is_none() && arguments.key_field.is_none() {
        return Ok(());
    }
    if arguments.batch.unwrap_or(1) > 1 {
        return Err("--batch does nothing with ordering keys, which are published one by one; leave it out"
            .to_owned());
    }
    if arguments.overflow.is_some_and(|policy| policy != OverflowPolicy::Block) {
        return Err("ordering keys are checked for gaps; use --overflow block, which drops none".to_owned());
    }
    Ok(())
}

fn cpus(arguments: &Arguments) -> Result<(), String> {
    let Some(Pinning::Cpus(cpus)) = &arguments.pin else { return Ok(()) };
    let available = pin::available();
    let Some(missing) = cpus.iter().find(|cpu| !available.contains(cpu)) else { return Ok(()) };
    let list: Vec<String> = available.iter().map(usize::to_string).collect();
    Err(format!("--pin names CPU {missing}, which does not exist here; give of {}", list.join(",")))
}

fn lengths(arguments: &Arguments) -> Result<(), String> {
    let Some(duration) = arguments.duration else { return Ok(()) };
    if arguments.scenario == Scenario::Soak {
        return if duration < SOAK {
            Err(format!("--duration {duration:?} is too short to soak; give at least {SOAK:?}"))
        } else {
            Ok(())
        };
    }
    let least = if arguments.quick { QUICK_SAMPLE } else { SAMPLE };
    if duration < least {
        let remedy = if arguments.quick { "" } else { ", or add --quick" };
        return Err(format!("--duration {duration:?} is too short to tell; give at least {least:?}{remedy}"));
    }
    Ok(())
}
