//! `thundering-herd`: a thousand publishers, one message each, released together.
//!
//! As threads and as tasks (see [`crate::sample::herd`]), with subscriptions attached. Beside each herd runs its
//! floor: the same publishers, released by the same barrier, only add one to a counter. What is above the floor is
//! the engine's; the floor itself is what it costs to wake so many. Passes when no publisher failed and everything
//! was delivered to every subscription.

use std::time::Duration;

use super::{Bench, Outcome, unless_interrupted};
use crate::cli::settings::Settings;
use crate::fault::Fault;
use crate::latency::Recorder;
use crate::num;
use crate::result::metrics::{HerdForm, Iteration, ScenarioMetrics, ThunderingHerd};
use crate::sample::{Herd, Load, herd};

/// About how long a herd takes, threads started and ended, for the estimate.
const GUESS: Duration = Duration::from_millis(250);

/// What the herds of both kinds came to.
#[derive(Debug, Default)]
struct Count {
    expected: u64,
    received: u64,
    succeeded: f64,
    publishers: f64,
    nanos: u64,
}

/// Runs both kinds.
pub(crate) fn run(bench: &mut Bench<'_>) -> Result<Outcome, Fault> {
    let mut count = Count::default();
    let threads = form(bench, Herd::Threads, &mut count)?;
    let tasks = unless_interrupted(form(bench, Herd::Tasks, &mut count), false)?;
    Ok(outcome(threads, tasks, &count))
}

/// The samples of one kind.
fn form(bench: &mut Bench<'_>, herd: Herd, count: &mut Count) -> Result<HerdForm, Fault> {
    let settings = bench.settings;
    let publishers = settings.publishers;
    let name = if herd == Herd::Threads { "threads" } else { "tasks" };
    let (mut rates, mut published, mut delivered, mut floors) = (vec![], vec![], vec![], vec![]);
    let (mut latency, mut refusals, mut iterations) = (Recorder::new(), Vec::new(), Vec::new());
    // The first herd pays for its memory, and does not count.
    bench.warm_up(|_| Load::Herd(herd))?;
    for number in 1..=settings.iterations {
        floors.push(num::float(herd::floor(bench.clock(), herd, publishers)?));
        let label = format!("{publishers} {name}, {number} of {}", settings.iterations);
        let sample = bench.sample_once(&label, Load::Herd(herd));
        let Some(sample) = unless_interrupted(sample, rates.is_empty())? else { break };
        rates.push(sample.rate());
        published.push(num::float(sample.publishing));
        delivered.push(num::float(sample.nanos));
        if let Some(one) = &sample.latency {
            latency.merge(one);
            iterations.push(Iteration::of(&sample, one));
        }
        count.nanos += sample.nanos;
        count.publishers += num::float(num::count(publishers));
        count.succeeded += num::float(sample.delivered());
        count.expected += num::count(publishers) * num::count(settings.subscriptions);
        count.received += sample.deliveries();
        refusals.extend(sample.refusals);
    }
    let median = |values: &[f64]| num::median(values).ok_or_else(|| Fault::new("no herd was released"));
    let (publishing, floor) = (median(&published)?, median(&floors)?);
    Ok(HerdForm {
        messages_per_sec: median(&rates)?,
        published_ms: num::millis(publishing),
        delivered_ms: num::millis(median(&delivered)?),
        floor_ms: num::millis(floor),
        floor_ratio: publishing / floor,
        latency: latency.summary(),
        refusals,
        iterations,
    })
}

fn outcome(threads: HerdForm, tasks: Option<HerdForm>, count: &Count) -> Outcome {
    let mut failures = Vec::new();
    for (name, form) in [("threads", Some(&threads)), ("tasks", tasks.as_ref())] {
        if let Some(first) = form.and_then(|form| form.refusals.first()) {
            let many = form.map_or(0, |form| form.refusals.len());
            let many = num::counted(many, "publisher");
            failures.push(format!("{many} as {name} failed, as with: {first}"));
        }
    }
    if count.received != count.expected {
        let [received, expected] = [count.received, count.expected].map(num::grouped);
        failures.push(format!("{received} of {expected} deliveries were made"));
    }
    Outcome {
        messages_per_sec: threads.messages_per_sec,
        nanos: count.nanos,
        // As the rate is: the other form has its own.
        latency: Some(threads.latency.clone()),
        failures,
        doubts: Vec::new(),
        metrics: ScenarioMetrics::ThunderingHerd(Box::new(ThunderingHerd {
            success_rate: count.succeeded / count.publishers,
            expected: count.expected,
            received: count.received,
            threads,
            tasks,
        })),
    }
}

/// How long it usually takes.
pub(crate) fn estimate(settings: &Settings) -> Duration {
    GUESS.mul_f64(4.0 * (1.0 + num::float(num::count(settings.iterations))))
}

/// What would run.
pub(crate) fn steps(settings: &Settings) -> Vec<String> {
    ["threads", "tasks"]
        .map(|kind| {
            format!(
                "{} as {kind}, released together, {}; each time also only counting, as the floor",
                num::counted(settings.publishers, "publisher"),
                num::counted(settings.iterations, "time")
            )
        })
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(refusals: Vec<String>) -> HerdForm {
        HerdForm {
            messages_per_sec: 1.0,
            published_ms: 2.0,
            delivered_ms: 3.0,
            floor_ms: 1.0,
            floor_ratio: 2.0,
            latency: Recorder::new().summary(),
            refusals,
            iterations: vec![],
        }
    }

    #[test]
    fn a_publisher_that_failed_or_a_delivery_that_was_not_made_fails_the_run() {
        let count = |received| Count { expected: 20, received, succeeded: 9.0, publishers: 10.0, nanos: 1 };
        let fine = outcome(form(vec![]), Some(form(vec![])), &count(20));
        assert!(fine.failures.is_empty(), "{:?}", fine.failures);
        let ScenarioMetrics::ThunderingHerd(metrics) = fine.metrics else { unreachable!() };
        assert!((metrics.success_rate - 0.9).abs() < 1e-9);
        let refused = outcome(form(vec!["full".to_owned()]), None, &count(20));
        assert!(refused.failures[0].contains("1 publisher as threads failed, as with: full"));
        assert!(outcome(form(vec![]), None, &count(19)).failures[0].contains("19 of 20"));
    }
}
