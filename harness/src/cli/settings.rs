//! What a run will do: defaults filled in, contradictions and options without effect refused.

use std::path::PathBuf;
use std::time::Duration;

use super::payloads::{self, Payload};
use super::units::{Capacity, size_text};
use super::{Arguments, Color, Mode, OverflowPolicy, ReadDepth, Scenario, Wait};
use crate::num;
use crate::payload;
use crate::pin::{self, Pinning};

/// The shortest sample that is not called quick.
const SAMPLE: Duration = Duration::from_secs(2);
/// The shortest sample at all.
const QUICK_SAMPLE: Duration = Duration::from_millis(100);
/// Rings' worth of messages that a sample sends at least.
pub(crate) const RINGS: u64 = 4;

/// What one run is made of.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) scenario: Scenario,
    pub(crate) levels: Vec<f64>,
    pub(crate) capacity: Capacity,
    pub(crate) payload: Payload,
    pub(crate) publishers: usize,
    pub(crate) subscriptions: usize,
    pub(crate) consumers: usize,
    pub(crate) messages: Option<u64>,
    pub(crate) sample: Duration,
    pub(crate) warmup: Duration,
    pub(crate) iterations: usize,
    pub(crate) mode: Mode,
    pub(crate) shards: usize,
    pub(crate) ring: usize,
    pub(crate) overflow: OverflowPolicy,
    pub(crate) wait: Wait,
    pub(crate) batch: u64,
    pub(crate) pin: Pinning,
    pub(crate) read: payload::Read,
    pub(crate) quick: bool,
    /// What tells this run from its siblings when a list was given; goes into the file name.
    pub(crate) variant: Option<String>,
}

/// The runs that were asked for, and what is common to them.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) runs: Vec<Settings>,
    pub(crate) results: PathBuf,
    pub(crate) strict: bool,
    pub(crate) dry_run: bool,
    pub(crate) color: Color,
    /// What the person should know before the run starts.
    pub(crate) notes: Vec<String>,
}

/// Turns arguments into a plan, or into one line that says what would be right.
pub(crate) fn plan(arguments: &Arguments) -> Result<Plan, String> {
    let mut notes = Vec::new();
    check(arguments)?;
    let payloads = payloads::of(arguments)?;
    let subscriptions =
        if arguments.subscriptions.is_empty() { vec![1] } else { arguments.subscriptions.clone() };
    let mut runs = Vec::new();
    for payload in &payloads {
        for &subscriptions in &subscriptions {
            within("--subscriptions", subscriptions, 1, 10_000)?;
            let mut names = Vec::new();
            if let (Payload::Generated(bytes), true) = (payload, payloads.len() > 1) {
                names.push(size_text(*bytes));
            }
            if arguments.subscriptions.len() > 1 {
                names.push(format!("{subscriptions}sub"));
            }
            let variant = (!names.is_empty()).then(|| names.join("-"));
            runs.push(settings(arguments, payload.clone(), subscriptions, variant, &mut notes)?);
        }
    }
    notes.dedup();
    Ok(Plan {
        runs,
        results: arguments.results.clone(),
        strict: arguments.strict,
        dry_run: arguments.dry_run,
        color: arguments.color,
        notes,
    })
}

/// Refuses a number out of its range.
pub(super) fn within(option: &str, value: usize, least: usize, most: usize) -> Result<(), String> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(format!("{option} {value} is out of range; give {least} to {most}"))
    }
}

/// Refuses what contradicts itself, does not exist, or would do nothing.
fn check(arguments: &Arguments) -> Result<(), String> {
    within("--publishers", arguments.publishers, 1, 1_024)?;
    within("--consumers", arguments.consumers, 1, 1_024)?;
    within("--shards", arguments.shards, 1, 256)?;
    within("--batch", num::index(arguments.batch), 1, 4_096)?;
    within("--ring", arguments.ring, 64, 1 << 22)?;
    if !arguments.ring.is_power_of_two() {
        let near = arguments.ring.next_power_of_two();
        return Err(format!("--ring {} is not a power of two; give {} or {near}", arguments.ring, near / 2));
    }
    if let Some(iterations) = arguments.iterations {
        within("--iterations", iterations, 1, 1_000)?;
    }
    if arguments.messages == Some(0) {
        return Err("--messages 0 measures nothing; give at least 1".to_owned());
    }
    match arguments.scenario {
        Scenario::Throughput if !arguments.levels.is_empty() => {
            return Err(
                "--levels belongs to --scenario saturation; throughput runs at the maximum rate".to_owned()
            );
        }
        Scenario::Throughput if arguments.capacity.is_some() => {
            return Err(
                "--capacity belongs to --scenario saturation; throughput runs at the maximum rate".to_owned()
            );
        }
        Scenario::Saturation if arguments.messages.is_some() => {
            return Err(
                "--messages belongs to --scenario throughput; saturation takes --duration per sample"
                    .to_owned(),
            );
        }
        Scenario::Throughput | Scenario::Saturation => {}
    }
    if arguments.overflow == OverflowPolicy::DropOldest && arguments.consumers > 1 {
        return Err(
            "--overflow drop-oldest takes one consumer per subscription; leave out --consumers".to_owned()
        );
    }
    if let Pinning::Cpus(cpus) = &arguments.pin {
        let available = pin::available();
        if let Some(missing) = cpus.iter().find(|cpu| !available.contains(cpu)) {
            let list: Vec<String> = available.iter().map(usize::to_string).collect();
            return Err(format!(
                "--pin names CPU {missing}, which does not exist here; give of {}",
                list.join(",")
            ));
        }
    }
    let least = if arguments.quick { QUICK_SAMPLE } else { SAMPLE };
    if let Some(duration) = arguments.duration.filter(|duration| *duration < least) {
        let remedy = if arguments.quick { "" } else { ", or add --quick" };
        return Err(format!("--duration {duration:?} is too short to tell; give at least {least:?}{remedy}"));
    }
    Ok(())
}

fn settings(
    arguments: &Arguments,
    payload: Payload,
    subscriptions: usize,
    variant: Option<String>,
    notes: &mut Vec<String>,
) -> Result<Settings, String> {
    let quick = arguments.quick;
    let default = if quick { Duration::from_millis(500) } else { SAMPLE };
    let iterations = arguments.iterations.unwrap_or(match arguments.scenario {
        _ if quick => 2,
        Scenario::Throughput => 5,
        Scenario::Saturation => 3,
    });
    let least = RINGS * num::count(arguments.ring) * num::count(arguments.shards);
    if let Some(messages) = arguments.messages.filter(|messages| *messages < least) {
        notes.push(format!("--messages {messages} raised to {least}, which is {RINGS} rings' worth"));
    }
    let levels = if arguments.levels.is_empty() {
        vec![50.0, 75.0, 90.0, 100.0, 110.0, 125.0]
    } else {
        arguments.levels.clone()
    };
    Ok(Settings {
        scenario: arguments.scenario,
        levels,
        capacity: arguments.capacity.unwrap_or(Capacity::Auto),
        payload,
        publishers: arguments.publishers,
        subscriptions,
        consumers: arguments.consumers,
        messages: arguments.messages.map(|messages| messages.max(least)),
        sample: arguments.duration.unwrap_or(default),
        warmup: arguments.warmup.unwrap_or(Duration::from_millis(if quick { 100 } else { 300 })),
        iterations,
        mode: arguments.mode,
        shards: arguments.shards,
        ring: arguments.ring,
        overflow: arguments.overflow,
        wait: arguments.wait,
        batch: arguments.batch,
        pin: arguments.pin.clone(),
        read: match arguments.read {
            ReadDepth::Ends => payload::Read::Ends,
            ReadDepth::All => payload::Read::All,
        },
        quick,
        variant,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn planned(line: &str) -> Result<Plan, String> {
        let words = std::iter::once("harness").chain(line.split_whitespace());
        plan(&Arguments::try_parse_from(words).map_err(|error| error.to_string())?)
    }

    #[test]
    fn the_documented_command_needs_nothing_else() {
        let plan = planned("--scenario saturation --levels 50,75,90,100,110,125").unwrap();
        let run = &plan.runs[0];
        assert_eq!(run.levels, [50.0, 75.0, 90.0, 100.0, 110.0, 125.0]);
        assert_eq!((run.capacity, run.sample, run.ring), (Capacity::Auto, SAMPLE, 4_096));
    }

    #[test]
    fn lists_become_one_run_each() {
        let plan = planned("--scenario throughput --payload 1KB,10KB --subscriptions 1,10").unwrap();
        let variants: Vec<_> = plan.runs.iter().filter_map(|run| run.variant.clone()).collect();
        assert_eq!(variants, ["1KB-1sub", "1KB-10sub", "10KB-1sub", "10KB-10sub"]);
    }

    #[test]
    fn what_would_do_nothing_is_refused_in_one_line() {
        for wrong in [
            "--scenario throughput --levels 50",
            "--scenario throughput --capacity 1M",
            "--scenario saturation --messages 5",
            "--scenario throughput --ring 1000",
            "--scenario throughput --payload 8",
            "--scenario throughput --payload 11MB",
            "--scenario throughput --pin 4000",
            "--scenario throughput --publishers 0",
            "--scenario throughput --subscriptions 0",
            "--scenario throughput --messages 0",
            "--scenario saturation --duration 1s",
            "--scenario saturation --input /no/such/file",
            "--scenario saturation --input /dev/null",
        ] {
            let error = planned(wrong).map(|_| ()).unwrap_err();
            assert!(!error.contains('\n') && !error.is_empty(), "{wrong}: {error}");
        }
    }

    #[test]
    fn few_messages_are_raised_to_four_rings() {
        let plan = planned("--scenario throughput --messages 10 --ring 1024").unwrap();
        assert_eq!(plan.runs[0].messages, Some(4_096));
        assert!(plan.notes[0].contains("raised"));
    }
}
