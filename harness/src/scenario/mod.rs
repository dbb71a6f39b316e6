//! Scenarios: what each offers to the engine, and what it makes of the samples.
//!
//! All of them stand on a [`Bench`]: a topic with its subscriptions that lives as long as the run, the layout of
//! threads, and the books. A scenario asks it for samples and returns an [`Outcome`]; the bench then closes the
//! books against the engine's counters and makes a result file of it all. To add a scenario, add a module with a
//! `run` and a line in [`measure`].

mod bench;
pub(crate) mod saturation;
pub(crate) mod throughput;

pub(crate) use bench::Bench;

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

/// Runs one scenario from beginning to end.
pub(crate) fn measure(settings: &Settings, progress: &mut Progress) -> Result<Ran, Fault> {
    let mut bench = Bench::open(settings, progress)?;
    let outcome = match settings.scenario {
        Scenario::Throughput => throughput::run(&mut bench),
        Scenario::Saturation => saturation::run(&mut bench),
    };
    bench.close(outcome)
}

/// How long a run will take, for the plan and the time left.
pub(crate) fn estimate(settings: &Settings) -> Duration {
    match settings.scenario {
        Scenario::Throughput => throughput::estimate(settings),
        Scenario::Saturation => saturation::estimate(settings),
    }
}

/// The steps of a run, for `--dry-run`.
pub(crate) fn steps(settings: &Settings) -> Vec<String> {
    match settings.scenario {
        Scenario::Throughput => throughput::steps(settings),
        Scenario::Saturation => saturation::steps(settings),
    }
}
