//! What a run will do: defaults filled in, contradictions and options without effect refused.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::checks::{self, SAMPLE, within};
use super::options;
use super::payloads::{self, Payload};
use super::units::{Capacity, size_text};
use super::{Arguments, Color, Mode, OverflowPolicy, ReadDepth, Scenario, Wait};
use crate::inject::Inject;
use crate::num;
use crate::payload;
use crate::pin::{self, Pinning};
use crate::scenario::pace;

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
    /// The numbers of subscriptions that a `fanout` goes through.
    pub(crate) counts: Vec<usize>,
    pub(crate) consumers: usize,
    pub(crate) messages: Option<u64>,
    /// The lengths of the bursts of a `firehose`, in messages.
    pub(crate) bursts: Vec<u64>,
    /// Ordering keys that the messages of each publisher are dealt onto.
    pub(crate) keys: Option<usize>,
    /// The recorded times, for a `replay` that keeps them.
    pub(crate) replay: Option<Replay>,
    /// Length of a sample; of the whole run for a `soak`.
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
    /// A fault on purpose.
    pub(crate) inject: Option<Inject>,
    /// What tells this run from its siblings when a list was given; goes into the file name.
    pub(crate) variant: Option<String>,
}

impl Settings {
    /// Messages that a closed loop sends at least, all publishers together.
    pub(crate) fn least(&self) -> u64 {
        RINGS * num::count(self.ring) * num::count(self.shards)
    }
}

/// When the lines of a file are due.
#[derive(Debug, Clone)]
pub(crate) struct Replay {
    pub(crate) field: String,
    pub(crate) speed: f64,
    /// Nanoseconds after the start, at that speed.
    pub(crate) offsets: Arc<[u64]>,
}

/// The runs that were asked for, and what is common to them.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) runs: Vec<Settings>,
    pub(crate) results: PathBuf,
    pub(crate) hdr_log: bool,
    pub(crate) strict: bool,
    pub(crate) dry_run: bool,
    pub(crate) color: Color,
    /// Whether a table of all runs comes at the end.
    pub(crate) summary: bool,
    /// What the person should know before the run starts.
    pub(crate) notes: Vec<String>,
}

/// Turns arguments into a plan, or into one line that says what would be right.
pub(crate) fn plan(arguments: &Arguments) -> Result<Plan, String> {
    options::check(arguments)?;
    let mut notes = Vec::new();
    let mut runs = Vec::new();
    for scenario in arguments.scenario.parts(arguments.input.is_some()) {
        let own = options::of(scenario, arguments);
        checks::check(&own)?;
        runs.append(&mut runs_of(&own, &mut notes)?);
    }
    notes.extend(runs.iter().filter_map(crowded_spin));
    notes.extend(runs.iter().filter_map(pace::slow_quick));
    notes.dedup();
    Ok(Plan {
        runs,
        results: arguments.results.clone(),
        hdr_log: arguments.hdr_log,
        strict: arguments.strict,
        dry_run: arguments.dry_run,
        color: arguments.color,
        summary: arguments.scenario == Scenario::All,
        notes,
    })
}

/// The runs of one scenario: one for each payload, and, but for a fan-out, each number of subscriptions.
fn runs_of(arguments: &Arguments, notes: &mut Vec<String>) -> Result<Vec<Settings>, String> {
    let payloads = payloads::of(arguments)?;
    let given = &arguments.subscriptions;
    given.iter().try_for_each(|&count| within("--subscriptions", count, 1, 10_000))?;
    let default = match arguments.scenario {
        Scenario::ThunderingHerd => 10,
        Scenario::Soak => 3,
        _ => 1,
    };
    let (each, counts) = match arguments.scenario {
        Scenario::Fanout if given.is_empty() => (vec![50], vec![10, 20, 30, 50]),
        Scenario::Fanout => (vec![given.iter().copied().max().unwrap_or(1)], given.clone()),
        _ if given.is_empty() => (vec![default], Vec::new()),
        _ => (given.clone(), Vec::new()),
    };
    let mut runs = Vec::new();
    for payload in &payloads {
        for &subscriptions in &each {
            let mut names = Vec::new();
            if let (Payload::Generated(bytes), true) = (payload, payloads.len() > 1) {
                names.push(size_text(*bytes));
            }
            if each.len() > 1 {
                names.push(format!("{subscriptions}sub"));
            }
            let variant = (!names.is_empty()).then(|| names.join("-"));
            let mut run = settings(arguments, payload.clone(), subscriptions, notes);
            run.replay = replay(arguments, payload, notes)?;
            if run.replay.is_some() {
                run.iterations = arguments.iterations.unwrap_or(1);
            }
            (run.counts, run.variant) = (counts.clone(), variant);
            runs.push(run);
        }
    }
    Ok(runs)
}

/// What is to be said of a run in which more roles spin than there are CPUs. The engine cannot say it, since it does not
/// know how many threads will come.
fn crowded_spin(run: &Settings) -> Option<String> {
    let roles = run.publishers + run.subscriptions * run.consumers;
    let cpus = match &run.pin {
        Pinning::Cpus(cpus) => cpus.len(),
        Pinning::Auto | Pinning::Off => pin::available().len(),
    };
    (run.wait == Wait::Spin && roles > cpus).then(|| {
        format!(
            "--wait spin with {roles} publishers and consumers on {cpus} CPU{}: whoever spins keeps a CPU from those it \
             waits for; take spin-then-park, or fewer",
            if cpus == 1 { "" } else { "s" }
        )
    })
}

/// The recorded times, if they are asked for.
fn replay(
    arguments: &Arguments,
    payload: &Payload,
    notes: &mut Vec<String>,
) -> Result<Option<Replay>, String> {
    let (Some(field), Payload::Input { path, lines }) = (&arguments.time_field, payload) else {
        return Ok(None);
    };
    let (times, earlier) =
        lines.times(field).map_err(|error| format!("--input {}: {error}", path.display()))?;
    if earlier > 0 {
        notes.push(format!(
            "--input {}: {} has a time before that of a line above it, and goes with that one",
            path.display(),
            num::counted(earlier, "line")
        ));
    }
    let speed = arguments.speed.unwrap_or(1.0);
    let offsets = times.iter().map(|&nanos| num::whole(num::float(nanos) / speed)).collect();
    Ok(Some(Replay { field: field.clone(), speed, offsets }))
}

/// Where the roles of a scenario run unless `--pin` says otherwise.
pub(crate) fn usual_pinning(scenario: Scenario) -> Pinning {
    match scenario {
        // They have more threads than there are CPUs, which the system places better.
        Scenario::ThunderingHerd | Scenario::Soak => Pinning::Off,
        _ => Pinning::Auto,
    }
}

fn settings(
    arguments: &Arguments,
    payload: Payload,
    subscriptions: usize,
    notes: &mut Vec<String>,
) -> Settings {
    let (quick, scenario) = (arguments.quick, arguments.scenario);
    let sample = match scenario {
        Scenario::Soak => Duration::from_secs(if quick { 10 } else { 60 }),
        _ if quick => Duration::from_millis(500),
        _ => SAMPLE,
    };
    let iterations = match scenario {
        _ if quick => 2,
        Scenario::Saturation | Scenario::Fanout | Scenario::Replay => 3,
        _ => 5,
    };
    let publishers = match scenario {
        Scenario::ThunderingHerd => 1_000,
        Scenario::Soak => 2,
        _ => 1,
    };
    let least = RINGS * num::count(arguments.ring) * num::count(arguments.shards);
    let few = arguments.messages.filter(|messages| scenario == Scenario::Throughput && *messages < least);
    if let Some(messages) = few {
        notes.push(format!("--messages {messages} raised to {least}, which is {RINGS} rings' worth"));
    }
    let levels = if arguments.levels.is_empty() {
        vec![50.0, 75.0, 90.0, 100.0, 110.0, 125.0]
    } else {
        arguments.levels.clone()
    };
    Settings {
        scenario,
        levels,
        capacity: arguments.capacity.unwrap_or(Capacity::Auto),
        payload,
        publishers: arguments.publishers.unwrap_or(publishers),
        subscriptions,
        counts: Vec::new(),
        consumers: arguments.consumers.unwrap_or(1),
        messages: arguments.messages.map(|messages| messages.max(least)),
        bursts: arguments.messages.map_or_else(|| vec![1_000, 100_000], |messages| vec![messages]),
        keys: arguments.ordering_keys,
        replay: None,
        sample: arguments.duration.unwrap_or(sample),
        warmup: arguments.warmup.unwrap_or(Duration::from_millis(if quick { 100 } else { 300 })),
        iterations: arguments.iterations.unwrap_or(iterations),
        mode: arguments.mode.unwrap_or(Mode::InPlace),
        shards: arguments.shards,
        ring: arguments.ring,
        overflow: arguments.overflow.unwrap_or(OverflowPolicy::Block),
        wait: arguments.wait,
        batch: arguments.batch.unwrap_or(1),
        pin: arguments.pin.clone().unwrap_or_else(|| usual_pinning(scenario)),
        read: match arguments.read {
            Some(ReadDepth::All) => payload::Read::All,
            // What it is about; by reference there is nothing to read but which one it is.
            None if scenario == Scenario::Firehose => payload::Read::All,
            Some(ReadDepth::Ends) | None => payload::Read::Ends,
        },
        quick,
        inject: arguments.inject,
        variant: None,
    }
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
            "--scenario saturation --levels 50,75,50",
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
            "--scenario throughput --mix 1x8",
            "--scenario throughput --mix 1x1KB --payload 1KB",
            "--scenario throughput --mix 1x1KB,1x2KB --batch 4",
            "--scenario throughput --batch 33 --ring 64",
            "--scenario fanout --batch 4 --payload 10MB",
            "--scenario throughput --ordering-keys 0",
            "--scenario throughput --ordering-keys 5 --batch 4",
            "--scenario fanout --subscriptions 10,0",
            "--scenario fanout --subscriptions 10,20,10",
            "--scenario throughput --payload 1KB,1024",
            "--scenario soak --duration 1s",
            "--scenario replay",
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

    #[test]
    fn a_firehose_reads_every_byte_that_is_written() {
        let read = |line: &str| planned(line).unwrap().runs.remove(0).read;
        assert_eq!(read("--scenario firehose"), payload::Read::All);
        assert_eq!(read("--scenario throughput"), payload::Read::Ends);
    }

    #[test]
    fn more_spinners_than_cpus_are_warned_of() {
        let one_cpu = format!("--scenario throughput --pin {} --wait", pin::available()[0]);
        let notes = |wait: &str| planned(&format!("{one_cpu} {wait}")).unwrap().notes;
        assert!(notes("spin")[0].contains("2 publishers and consumers on 1 CPU:"), "{:?}", notes("spin"));
        assert!(notes("spin-then-park").is_empty() && notes("park").is_empty());
        let cpus = pin::available().len();
        let roles = |consumers: usize| {
            let line = format!("--scenario throughput --wait spin --subscriptions {consumers}");
            planned(&line).unwrap().notes.len()
        };
        assert_eq!((roles(cpus), roles((cpus - 1).max(1))), (1, usize::from(cpus == 1)));
    }

    #[test]
    fn a_fanout_goes_through_its_list_in_one_run() {
        let plan = planned("--scenario fanout").unwrap();
        assert_eq!((plan.runs.len(), &plan.runs[0].counts[..]), (1, &[10, 20, 30, 50][..]));
        let plan = planned("--scenario fanout --subscriptions 1000,10 --payload 1KB,10KB").unwrap();
        assert_eq!(plan.runs.len(), 2);
        assert_eq!((plan.runs[1].subscriptions, &plan.runs[1].counts[..]), (1_000, &[1_000, 10][..]));
    }

    #[test]
    fn all_is_a_run_of_every_scenario() {
        let plan = planned("--scenario all --quick").unwrap();
        let mut names: Vec<_> = plan.runs.iter().map(|run| run.scenario.name()).collect();
        names.dedup();
        assert_eq!(names, ["throughput", "firehose", "fanout", "thundering-herd", "saturation", "soak"]);
    }
}
