//! `replay`: the messages of a file, in their order or at their recorded times.
//!
//! In their order they are published as fast as the engine takes them, once a pass. With `--time-field` each line is
//! due when it was recorded, from the first on, faster or slower by `--speed`; a publisher that falls behind skips
//! nothing, and latencies count from the due time. Lines are told by their order (with `--key-field`: the order of
//! their key), so that a lost or swapped one shows. Passes when the ledger balances.

use std::time::Duration;

use super::{Bench, Outcome, pace, unless_interrupted};
use crate::cli::payloads::Payload;
use crate::cli::settings::Settings;
use crate::fault::Fault;
use crate::latency::Recorder;
use crate::num;
use crate::result::metrics::{self, Iteration, ScenarioMetrics};
use crate::sample::Load;

fn lines(settings: &Settings) -> u64 {
    match &settings.payload {
        Payload::Input { lines, .. } => num::count(lines.count()),
        Payload::Generated(_) | Payload::Mixed(_) | Payload::Referenced(_) => 0,
    }
}

/// How long the recording is, in nanoseconds; `None` when only its order is kept.
fn recorded(settings: &Settings) -> Option<u64> {
    settings.replay.as_ref().map(|replay| replay.offsets.last().copied().unwrap_or(0))
}

/// Runs the passes.
pub(crate) fn run(bench: &mut Bench<'_>) -> Result<Outcome, Fault> {
    let settings = bench.settings;
    let load = match &settings.replay {
        Some(replay) => {
            bench.replay_at(&replay.offsets);
            Load::Recorded
        }
        None => Load::Count { messages: lines(settings) },
    };
    let (mut rates, mut times, mut latency) = (Vec::new(), Vec::new(), Recorder::new());
    let mut iterations = Vec::new();
    for number in 1..=settings.iterations {
        let label = format!("pass {number} of {}", settings.iterations);
        let sample = bench.sample_once(&label, load);
        let Some(sample) = unless_interrupted(sample, rates.is_empty())? else { break };
        rates.push(sample.rate());
        times.push(num::float(sample.nanos));
        if let Some(one) = &sample.latency {
            latency.merge(one);
            iterations.push(Iteration::of(&sample, one));
        }
    }
    let (rate, time) = whole(&rates, &times).ok_or_else(|| Fault::new("nothing was replayed"))?;
    Ok(Outcome {
        messages_per_sec: rate,
        nanos: num::whole(times.iter().sum()),
        latency: Some(latency.summary()),
        failures: Vec::new(),
        doubts: Vec::new(),
        metrics: ScenarioMetrics::Replay(metrics::Replay {
            messages: lines(settings),
            passes: rates.len(),
            bytes_per_sec: rate * bench.mean_length(),
            recorded_ms: recorded(settings).map(|nanos| num::millis(num::float(nanos))),
            replayed_ms: num::millis(time),
            samples: rates,
            iterations,
        }),
    })
}

/// The rate of all passes, and the time of the median one, to which it belongs: of unlike passes the median of the rates is
/// that of another time. `None` without a pass.
fn whole(rates: &[f64], times: &[f64]) -> Option<(f64, f64)> {
    let replayed: Vec<f64> = rates.iter().zip(times).map(|(rate, nanos)| rate * nanos).collect();
    let time = num::median(times)?;
    Some((num::median(&replayed)? / time.max(1.0), time))
}

/// How long it takes.
pub(crate) fn estimate(settings: &Settings) -> Duration {
    let pass =
        recorded(settings).map_or_else(|| pace::messages(settings, lines(settings)), Duration::from_nanos);
    pass.mul_f64(num::float(num::count(settings.iterations)))
}

/// What would run.
pub(crate) fn steps(settings: &Settings) -> Vec<String> {
    let lines = num::grouped(lines(settings));
    let how = settings.replay.as_ref().map_or_else(
        || "in their order, as fast as it goes".to_owned(),
        |replay| {
            let speed =
                if replay.speed == 1.0 { String::new() } else { format!(", {} times as fast", replay.speed) };
            let time = num::seconds(recorded(settings).unwrap_or(0));
            format!("at the times in '{}'{speed}: {time}", replay.field)
        },
    );
    let passes = if settings.iterations == 1 { "once" } else { &format!("{} times", settings.iterations) };
    vec![format!("{lines} messages {how}, {passes}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_time_it_stands_beside() {
        let times = [30_000.0, 520_000.0];
        let rates = times.map(|nanos| 3.0 * 1e9 / nanos);
        let (rate, time) = whole(&rates, &times).unwrap();
        assert!(
            (time - 275_000.0).abs() < 1e-6 && (rate * time / 1e9 - 3.0).abs() < 1e-6,
            "{rate} in {time}"
        );
        assert_eq!(whole(&[], &[]), None);
    }
}
