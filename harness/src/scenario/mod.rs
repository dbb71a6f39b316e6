//! Scenarios: what each offers to the engine, and what it makes of the samples.
//!
//! All of them stand on a [`Bench`]: a topic with its subscriptions, the layout of threads, and the books. A scenario
//! asks it for samples and returns an [`Outcome`]; the bench then closes the books against the engine's counters and
//! makes a result of it all. Where a run compares several topics it has a bench for each, one after the other, and
//! puts them together as parts. To add a scenario, add a module with a `run`, an `estimate` and its `steps`, and a line
//! in each function here.

mod bench;
pub(crate) mod fanout;
pub(crate) mod firehose;
pub(crate) mod pace;
mod parts;
pub(crate) mod replay;
pub(crate) mod saturation;
pub(crate) mod soak;
pub(crate) mod throughput;
pub(crate) mod thundering_herd;

pub(crate) use bench::{Bench, DISTURBED};

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use crate::cli::Scenario;
use crate::cli::settings::Settings;
use crate::fault::Fault;
use crate::latency::Summary;
use crate::report::progress::Progress;
use crate::result::{Ran, ScenarioMetrics};

/// What a scenario measured, before the books are closed.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The headline rate.
    pub(crate) messages_per_sec: f64,
    /// Measured time, without warm-up.
    pub(crate) nanos: u64,
    pub(crate) latency: Option<Summary>,
    pub(crate) metrics: ScenarioMetrics,
    /// Why the run failed its criteria; empty when it passed.
    pub(crate) failures: Vec<String>,
    /// Why the machine as a whole is not to be trusted, beyond what single samples say.
    pub(crate) doubts: Vec<String>,
}

/// A scenario that is a single part.
type Single = fn(&mut Bench<'_>) -> Result<Outcome, Fault>;

/// Runs one scenario from beginning to end.
///
/// On a thread of its own: a bench pins whoever coordinates, threads start where the one that starts them may be, and
/// the next scenario has another layout, or leaves placement to the system.
pub(crate) fn measure(settings: &Settings, progress: &mut Progress) -> Result<Ran, Fault> {
    thread::scope(|scope| {
        let coordinator = thread::Builder::new().spawn_scoped(scope, || coordinate(settings, progress));
        let coordinator =
            coordinator.map_err(|error| Fault::new(format!("the system gave no thread: {error}")))?;
        coordinator.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn coordinate(settings: &Settings, progress: &mut Progress) -> Result<Ran, Fault> {
    let single: Single = match settings.scenario {
        Scenario::Throughput => throughput::run,
        Scenario::Saturation => saturation::run,
        Scenario::ThunderingHerd => thundering_herd::run,
        Scenario::Replay => replay::run,
        Scenario::Fanout => return fanout::run(settings, progress),
        Scenario::Firehose => return firehose::run(settings, progress),
        Scenario::Soak => return soak::run(settings, progress),
        Scenario::All => return Err(Fault::new("all of them are run one by one")),
    };
    let mut bench = Bench::open(settings, progress)?;
    let outcome = single(&mut bench);
    Ok(bench.close(outcome))
}

/// How long a run will take, for the plan and the time left.
pub(crate) fn estimate(settings: &Settings) -> Duration {
    match settings.scenario {
        Scenario::Throughput => throughput::estimate(settings),
        Scenario::Firehose => firehose::estimate(settings),
        Scenario::Fanout => fanout::estimate(settings),
        Scenario::ThunderingHerd => thundering_herd::estimate(settings),
        Scenario::Saturation => saturation::estimate(settings),
        Scenario::Replay => replay::estimate(settings),
        Scenario::Soak => soak::estimate(settings),
        Scenario::All => Duration::ZERO,
    }
}

/// Whether what a scenario fails by, its books aside, are rates, costs and latencies, which a noisy machine may have made.
/// The others fail by what was refused, or memory that grew. (A delivery that a fan-out misses is in its books, too.)
pub(crate) fn is_judged_by_time(scenario: Scenario) -> bool {
    match scenario {
        Scenario::Throughput
        | Scenario::Firehose
        | Scenario::Fanout
        | Scenario::Saturation
        | Scenario::Replay => true,
        Scenario::ThunderingHerd | Scenario::Soak | Scenario::All => false,
    }
}

/// The steps of a run, for `--dry-run`.
pub(crate) fn steps(settings: &Settings) -> Vec<String> {
    match settings.scenario {
        Scenario::Throughput => throughput::steps(settings),
        Scenario::Firehose => firehose::steps(settings),
        Scenario::Fanout => fanout::steps(settings),
        Scenario::ThunderingHerd => thundering_herd::steps(settings),
        Scenario::Saturation => saturation::steps(settings),
        Scenario::Replay => replay::steps(settings),
        Scenario::Soak => soak::steps(settings),
        Scenario::All => Vec::new(),
    }
}

/// Tells Ctrl-C from other faults: `None` when the samples taken before are to be reported, of which there must be
/// some.
fn unless_interrupted<T>(outcome: Result<T, Fault>, none_yet: bool) -> Result<Option<T>, Fault> {
    match outcome {
        Err(fault) if fault.is_interrupt() && !none_yet => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Arguments, settings};
    use crate::pin;
    use clap::Parser;

    #[test]
    fn how_long_a_run_takes_counts_the_four_rings_that_each_closed_loop_sends() {
        let seconds = |line: &str| {
            let words = ["harness", "--scenario"].into_iter().chain(line.split_whitespace());
            let plan = settings::plan(&Arguments::try_parse_from(words).unwrap()).unwrap();
            estimate(&plan.runs[0]).as_secs_f64()
        };
        for scenario in ["throughput", "saturation", "fanout"] {
            let of = |options: &str| seconds(&format!("{scenario} --quick {options}"));
            let usual = of("");
            assert!((1.0..30.0).contains(&usual), "{scenario}: {usual} s");
            assert!((of("--ring 64") - usual).abs() < usual / 4.0, "{scenario}: a small ring changes little");
            assert!(of("--ring 4194304") > 45.0, "{scenario}: {} s", of("--ring 4194304"));
        }
        // 16,384 times 10 MB, twice: nobody writes and reads so much in seconds.
        assert!(seconds("throughput --quick --payload 10MB --iterations 1 --duration 100ms") > 60.0);
        assert!(seconds("saturation --quick --payload 10MB --capacity 1000") > 60.0);
    }

    #[test]
    fn whoever_runs_a_scenario_may_be_where_it_was_before() {
        let cpu = pin::available()[0];
        let line = format!(
            "harness --scenario throughput --quick --duration 100ms --warmup 0s --iterations 1 --ring 64 --pin {cpu}"
        );
        let arguments = Arguments::try_parse_from(line.split_whitespace()).unwrap();
        let run = settings::plan(&arguments).unwrap().runs.remove(0);
        let mut progress = Progress::new("throughput", Duration::ZERO);
        measure(&run, &mut progress).unwrap();
        let allowed: Vec<usize> = core_affinity::get_core_ids().unwrap().iter().map(|core| core.id).collect();
        assert_eq!(allowed, pin::available());
    }
}
