//! `firehose`: bursts of small and large messages, as fast as they can be published.
//!
//! Four cases for each length of burst. Without a subscription nothing is kept, so that the rate is labelled "not
//! stored"; with one that drains, everything arrives. And either the payload is published by reference, which
//! moves no byte of it, whatever its size, or it is written anew for every message and checksummed by the reader.
//! The written form is held against what memory carries on this machine, measured in the same run, and refused where
//! it is above that. (Not stored, it is written into one buffer again and again, which stays in the cache; there the
//! limit is a plain copy into such a buffer, as it is everywhere into as much memory as the ring spans.) Passes when p99 of the publish calls is below a millisecond in every case, and the ledger
//! balances. Bursts are repeated until p99 has enough calls behind it.

use std::time::Duration;

use super::parts::Parts;
use super::{Bench, Outcome, pace, unless_interrupted};
use crate::cli::payloads::Payload;
use crate::cli::settings::Settings;
use crate::cli::units::size_text;
use crate::fault::Fault;
use crate::interrupt;
use crate::latency::{Recorder, samples_needed};
use crate::num;
use crate::payload::Read;
use crate::report::progress::Progress;
use crate::result::Ran;
use crate::result::metrics::{Firehose, FirehoseCase, Iteration, MemoryBandwidth, ScenarioMetrics};
use crate::sample::Load;

/// p99 of the publish calls must be below this, in milliseconds.
pub(crate) const P99_MS: f64 = 1.0;
/// Bursts of fewer bytes than this are repeated so many times for the median.
const REPEATS: u64 = 5;
const SMALL: u64 = 1 << 30;
/// What a burst takes beside its bytes, and in how many cases there is one.
const BURST: Duration = Duration::from_millis(9);
const CASES: u64 = 4;
/// Bursts of more bytes than this are left out of a quick run.
const QUICK: u64 = 8 << 30;

/// The bytes of one payload.
fn length(settings: &Settings) -> usize {
    match settings.payload {
        Payload::Generated(length) | Payload::Referenced(length) => length,
        Payload::Mixed(_) | Payload::Input { .. } => 0,
    }
}

/// The bursts that are run, in messages.
fn bursts(settings: &Settings) -> Vec<u64> {
    let fits = |&&messages: &&u64| {
        !settings.quick || settings.bursts.len() == 1 || bytes(messages, length(settings)) <= QUICK
    };
    settings.bursts.iter().filter(fits).copied().collect()
}

/// What a burst writes; more than can be counted is the most that can.
fn bytes(messages: u64, length: usize) -> u64 {
    messages.saturating_mul(num::count(length))
}

/// How often a burst is repeated.
fn repeats(messages: u64, length: usize, quick: bool) -> u64 {
    let small = !quick && bytes(messages, length) <= SMALL;
    samples_needed(0.99).div_ceil(messages).max(if small { REPEATS } else { 1 })
}

/// Runs all cases.
pub(crate) fn run(settings: &Settings, progress: &mut Progress) -> Result<Ran, Fault> {
    let mut parts = Parts::default();
    let (mut cases, mut nanos) = (Vec::new(), 0);
    let mut memory = None;
    'all: for subscriptions in [0, 1] {
        for payload in [Payload::Referenced(length(settings)), settings.payload.clone()] {
            let own = Settings { subscriptions, payload, ..settings.clone() };
            let by_reference = matches!(own.payload, Payload::Referenced(_));
            // A reader of references has nothing to check but which one it got.
            let own = if by_reference { Settings { read: Read::Ends, ..own } } else { own };
            let mut bench = Bench::open(&own, progress)?;
            let memory = *memory.get_or_insert_with(|| bench.memory_bandwidth());
            bench.time_calls();
            let failed = bursts(settings).into_iter().try_for_each(|messages| {
                case(&mut bench, messages, memory, &mut nanos).map(|case| cases.push(case))
            });
            parts.add(&label(&own), bench.close_part(failed.as_ref().err(), Vec::new()));
            if failed.is_err() || interrupt::requested() {
                break 'all;
            }
        }
    }
    parts.finish(memory.and_then(|memory| outcome(cases, memory, nanos)))
}

/// What is done with messages, and how payloads are made.
fn label(settings: &Settings) -> String {
    let stored = if settings.subscriptions == 0 { "not stored" } else { "one subscription" };
    match settings.payload {
        Payload::Referenced(_) => format!("{stored}, by reference"),
        _ if settings.subscriptions == 0 => format!("{stored}, written"),
        _ => format!("{stored}, written and checksummed"),
    }
}

/// Bursts of `messages`.
fn case(
    bench: &mut Bench<'_>,
    messages: u64,
    memory: MemoryBandwidth,
    nanos: &mut u64,
) -> Result<FirehoseCase, Fault> {
    let settings = bench.settings;
    let (length, stored) = (length(settings), settings.subscriptions > 0);
    let label = label(settings);
    bench.warm_up(|_| Load::Count { messages: messages.min(1_000) })?;
    let (mut rates, mut calls, mut latency) = (Vec::new(), Recorder::new(), Recorder::new());
    let mut iterations = Vec::new();
    let repeats = repeats(messages, length, settings.quick);
    for number in 1..=repeats {
        let shown = format!("{label}: {} messages, {number} of {repeats}", num::grouped(messages));
        let sample = bench.sample_once(&shown, Load::Count { messages });
        let Some(sample) = unless_interrupted(sample, rates.is_empty())? else { break };
        *nanos += sample.nanos;
        rates.push(if stored { sample.rate() } else { sample.publish_rate() });
        sample.calls.iter().for_each(|one| calls.merge(one));
        if let Some(one) = sample.latency.as_ref().filter(|_| stored) {
            latency.merge(one);
            iterations.push(Iteration::of(&sample, one));
        }
    }
    let rate = num::median(&rates).ok_or_else(|| Fault::new("no burst was run"))?;
    let written = matches!(settings.payload, Payload::Generated(_));
    let bytes = rate * num::float(num::count(length));
    if written && stored && bytes > memory.bytes_per_sec && !in_cache(settings, length) {
        return Err(Fault::new(format!(
            "{label}: {:.1} GB/s is above the {:.1} GB/s that memory carries here: the payloads were not written",
            bytes / 1e9,
            memory.bytes_per_sec / 1e9
        )));
    }
    Ok(FirehoseCase {
        label,
        stored,
        form: if written { "written" } else { "reference" },
        payload_bytes: length,
        messages,
        bursts: rates.len(),
        messages_per_sec: rate,
        bytes_per_sec: written.then_some(bytes),
        memory_bandwidth_share: (written && stored).then_some(bytes / memory.bytes_per_sec),
        copy_limit_share: written.then(|| rate / bench.limits.writes),
        publish_latency: calls.summary(),
        latency: stored.then(|| latency.summary()),
        iterations,
    })
}

/// Whether the payloads of a whole ring fit into the cache of one CPU, so that memory is no limit.
fn in_cache(settings: &Settings, length: usize) -> bool {
    crate::environment::private_cache().is_some_and(|cache| settings.ring * settings.shards * length <= cache)
}

/// What the cases come to; `None` without any.
fn outcome(cases: Vec<FirehoseCase>, memory: MemoryBandwidth, nanos: u64) -> Option<Outcome> {
    // The headline is what reaches a reader and was written, in the longest burst; failing that, the last case.
    let told = cases.iter().filter(|case| case.stored && case.form == "written");
    let headline = told.max_by_key(|case| case.messages).or(cases.last())?.clone();
    let slow = |case: &FirehoseCase| {
        let what = format!("{}, {} messages", case.label, num::grouped(case.messages));
        match case.publish_latency.p99 {
            None => Some(format!("{what}: too few publish calls for a p99")),
            Some(p99) if p99 >= P99_MS => {
                Some(format!("{what}: p99 of publish is {}; below 1 ms was wanted", num::time(p99 * 1e6)))
            }
            Some(_) => None,
        }
    };
    Some(Outcome {
        messages_per_sec: headline.messages_per_sec,
        nanos,
        latency: headline.latency.clone(),
        failures: cases.iter().filter_map(slow).collect(),
        doubts: Vec::new(),
        metrics: ScenarioMetrics::Firehose(Firehose {
            publish_latency: headline.publish_latency,
            memory_bandwidth: memory,
            cases,
        }),
    })
}

/// How long it usually takes.
pub(crate) fn estimate(settings: &Settings) -> Duration {
    let length = length(settings);
    let bursts = bursts(settings).into_iter().map(|messages| {
        let repeats = repeats(messages, length, settings.quick);
        let written = 2.0 * num::float(bytes(messages, length)) * num::float(repeats);
        Duration::from_secs_f64(written / pace::BYTES) + BURST.mul_f64(num::float(CASES * repeats))
    });
    Duration::from_secs(2) + bursts.sum::<Duration>()
}

/// What would run.
pub(crate) fn steps(settings: &Settings) -> Vec<String> {
    let length = length(settings);
    let mut steps = vec!["a copy loop, for the bandwidth of memory".to_owned()];
    for messages in bursts(settings) {
        steps.push(format!(
            "{} of {}, {} each: not stored and stored, by reference and written",
            num::counted(num::index(messages), "message"),
            size_text(length),
            num::counted(num::index(repeats(messages, length, settings.quick)), "time")
        ));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Arguments, settings};
    use crate::report;
    use clap::Parser;

    fn case(stored: bool, form: &'static str, messages: u64, p99: u64) -> FirehoseCase {
        let mut calls = Recorder::new();
        (0..10_000).for_each(|_| calls.record(p99));
        FirehoseCase {
            label: String::new(),
            stored,
            form,
            payload_bytes: 1_024,
            messages,
            bursts: 1,
            messages_per_sec: num::float(messages),
            bytes_per_sec: None,
            memory_bandwidth_share: None,
            copy_limit_share: None,
            publish_latency: calls.summary(),
            latency: None,
            iterations: vec![],
        }
    }

    const MEMORY: MemoryBandwidth =
        MemoryBandwidth { bytes_per_sec: 2e9, copied_bytes_per_sec: 1e9, threads: 1, buffer: 1.0 };

    #[test]
    fn a_burst_is_repeated_until_p99_has_enough_behind_it() {
        assert_eq!(repeats(1_000, 1_024, false), 10);
        assert_eq!(repeats(100_000, 1_024, false), REPEATS);
        assert_eq!(repeats(100_000, 1 << 20, false), 1);
        assert_eq!(repeats(100_000, 1_024, true), 1);
    }

    #[test]
    fn a_burst_of_more_bytes_than_can_be_counted_is_long_and_too_many_messages_are_refused() {
        assert_eq!(repeats(u64::MAX / 2, 1_024, false), 1);
        let planned = |messages: &str| {
            let words = ["harness", "--scenario", "firehose", "--payload", "10MB", "--messages", messages];
            settings::plan(&Arguments::try_parse_from(words).unwrap())
        };
        let most = planned("1000000000000").unwrap();
        assert!(estimate(&most.runs[0]) > Duration::from_secs(1_000_000_000));
        let error = planned("18446744073709551615").map(|_| ()).unwrap_err();
        assert!(error.contains("is out of range; give 1 to 1000000000000"), "{error}");
    }

    #[test]
    fn a_slow_publish_fails_and_so_does_one_that_cannot_be_told() {
        let fine = outcome(vec![case(true, "written", 1_000, 900_000)], MEMORY, 1).unwrap();
        assert!(fine.failures.is_empty(), "{:?}", fine.failures);
        let slow = outcome(vec![case(true, "written", 1_000, 1_100_000)], MEMORY, 1).unwrap();
        assert!(slow.failures[0].contains("below 1 ms was wanted"));
        let mut few = case(true, "written", 1_000, 5);
        few.publish_latency.p99 = None;
        assert!(outcome(vec![few], MEMORY, 1).unwrap().failures[0].contains("too few"));
    }

    #[test]
    fn the_heading_says_that_every_byte_written_is_read() {
        let words = ["harness", "--scenario", "firehose"];
        let plan = settings::plan(&Arguments::try_parse_from(words).unwrap()).unwrap();
        let heading = report::text::heading(&plan.runs[0]);
        assert!(heading.contains(", read all of what is written,"), "{heading}");
    }

    #[test]
    fn the_headline_is_what_was_written_and_read() {
        let cases = vec![
            case(true, "written", 1_000, 1),
            case(true, "written", 5_000, 1),
            case(false, "reference", 9_000, 1),
        ];
        assert!((outcome(cases, MEMORY, 1).unwrap().messages_per_sec - 5_000.0).abs() < 1e-9);
        assert!(outcome(vec![], MEMORY, 1).is_none());
    }
}
