//! `throughput`: publish, receive, acknowledge, as fast as it goes.
//!
//! A closed loop: the publisher sends the next message as soon as the engine has taken the last, and waits when the
//! ring is full. Each message carries the time of its publish call; at the maximum rate the ring is full most of
//! the time, so that the latency tells how long a ring takes to pass, not how fast a lone message is. Passes when
//! everything sent was received once and acknowledged.

use std::time::Duration;

use super::{Bench, Outcome, pace, unless_interrupted};
use crate::cli::settings::Settings;
use crate::fault::Fault;
use crate::latency::Recorder;
use crate::num;
use crate::result::metrics::{self, Iteration, ScenarioMetrics};
use crate::sample::Load;

/// Runs the iterations.
pub(crate) fn run(bench: &mut Bench<'_>) -> Result<Outcome, Fault> {
    let settings = bench.settings;
    let least = bench.least();
    let closed = |length| Load::Closed { length, messages: least, stamped: true };
    let load = settings.messages.map_or_else(|| closed(settings.sample), |messages| Load::Count { messages });
    let warmup = bench.warm_up(closed)?;
    let mut iterations = Vec::new();
    let mut latency = Recorder::new();
    let mut nanos = 0;
    for number in 1..=settings.iterations {
        let sample = bench.sample(&format!("iteration {number} of {}", settings.iterations), load);
        let Some(sample) = unless_interrupted(sample, iterations.is_empty())? else { break };
        let recorded =
            sample.latency.as_ref().ok_or_else(|| Fault::new("a stamped load came back without times"))?;
        latency.merge(recorded);
        nanos += sample.nanos;
        iterations.push(Iteration::of(&sample, recorded));
    }
    let rates: Vec<f64> = iterations.iter().map(|iteration| iteration.messages_per_sec).collect();
    let rate = num::median(&rates).ok_or_else(|| Fault::new("no iteration was run"))?;
    Ok(Outcome {
        messages_per_sec: rate,
        nanos,
        latency: Some(latency.summary()),
        metrics: ScenarioMetrics::Throughput(metrics::Throughput {
            deliveries_per_sec: rate * num::float(num::count(settings.subscriptions)),
            bytes_per_sec: rate * bench.mean_length(),
            warmup_ms: num::millis(num::float(warmup)),
            iterations,
        }),
        failures: Vec::new(),
        doubts: Vec::new(),
    })
}

/// How long it takes.
pub(crate) fn estimate(settings: &Settings) -> Duration {
    let sample = settings.messages.map_or_else(
        || pace::closed_loop(settings, settings.sample),
        |messages| pace::messages(settings, messages),
    );
    pace::closed_loop(settings, settings.warmup)
        + sample.saturating_mul(u32::try_from(settings.iterations).unwrap_or(u32::MAX))
}

/// What would run.
pub(crate) fn steps(settings: &Settings) -> Vec<String> {
    let sample = settings
        .messages
        .map_or_else(|| format!("{:?}", settings.sample), |n| format!("{} messages", num::grouped(n)));
    vec![
        format!("warm-up: closed loop, {:?}, discarded", settings.warmup),
        format!(
            "{}: closed loop at the maximum rate, {sample} each; the median is reported",
            num::counted(settings.iterations, "iteration")
        ),
    ]
}
