//! How fast messages may go, before anything is measured: for the plan and the time left.
//!
//! Guesses, and low ones: a machine twice as fast is done sooner than it was said. What matters is that a closed loop sends
//! four rings' worth however long that takes, which is no time with the usual ring, and minutes with a large one.

use std::time::Duration;

use crate::cli::Scenario;
use crate::cli::payloads::Payload;
use crate::cli::settings::{RINGS, Settings};
use crate::num;

/// What a quick run takes at most.
const QUICK: Duration = Duration::from_secs(30);
/// How much longer a run takes for its rings for that to be said.
const RINGS_TELL: f64 = 1.25;
/// Messages a second.
const MESSAGES: f64 = 1e6;
/// Deliveries a second, of all subscriptions together.
const DELIVERIES: f64 = 4e7;
/// Bytes written and read a second.
pub(super) const BYTES: f64 = 2e9;

/// How long so many messages take.
pub(super) fn messages(settings: &Settings, messages: u64) -> Duration {
    let bytes = match &settings.payload {
        Payload::Generated(bytes) => num::float(num::count(*bytes)),
        Payload::Mixed(mix) => {
            let bytes = mix.0.iter().map(|&(weight, bytes)| weight * num::count(bytes)).sum();
            num::float(bytes) / num::float(mix.0.iter().map(|&(weight, _)| weight).sum())
        }
        Payload::Referenced(_) => 0.0,
        Payload::Input { lines, .. } => lines.mean_length(),
    };
    let deliveries = num::float(num::count(settings.subscriptions));
    let each = (1.0 / MESSAGES).max(bytes / BYTES).max(deliveries / DELIVERIES);
    Duration::from_secs_f64(num::float(messages) * each)
}

/// How long four rings' worth takes; `None` where samples are not held to send as much.
fn rings(settings: &Settings) -> Option<Duration> {
    match settings.scenario {
        Scenario::Throughput | Scenario::Fanout | Scenario::Saturation => {
            Some(messages(settings, settings.least()))
        }
        Scenario::Firehose | Scenario::ThunderingHerd | Scenario::Soak | Scenario::Replay | Scenario::All => {
            None
        }
    }
}

/// How long a closed loop of `length` takes; of none, none.
pub(super) fn closed_loop(settings: &Settings, length: Duration) -> Duration {
    if length.is_zero() { length } else { length.max(rings(settings).unwrap_or_default()) }
}

/// How long an open loop at `rate` is: its `length`, or as long as it takes to send four rings' worth.
pub(super) fn open_loop(settings: &Settings, rate: f64, length: Duration) -> Duration {
    // A quick run would rather be quick.
    if settings.quick {
        return length;
    }
    let rings = num::float(settings.least()) / rate;
    length.max(Duration::try_from_secs_f64(rings).unwrap_or(length))
}

/// What is to be said of a quick run that is not quick, since each of its closed loops sends four rings' worth.
pub(crate) fn slow_quick(run: &Settings) -> Option<String> {
    let rings = rings(run)?;
    let time = super::estimate(run);
    // What is long for other reasons was asked for.
    let otherwise = super::estimate(&Settings { ring: 1, shards: 1, ..run.clone() });
    (run.quick && time > QUICK && time > otherwise.mul_f64(RINGS_TELL)).then(|| {
        format!(
            "--quick takes about {:.0} s here: each closed loop sends {RINGS} rings' worth, {} messages, which takes about \
             {:.1} s; give a smaller --ring",
            time.as_secs_f64(),
            num::grouped(run.least()),
            rings.as_secs_f64()
        )
    })
}

#[cfg(test)]
mod tests {
    use crate::cli::{Arguments, settings};
    use clap::Parser;

    #[test]
    fn a_quick_run_whose_four_rings_take_long_says_so() {
        let notes = |line: &str| {
            let words = ["harness", "--quick", "--scenario"].into_iter().chain(line.split_whitespace());
            settings::plan(&Arguments::try_parse_from(words).unwrap()).unwrap().notes.join("; ")
        };
        let long = notes("saturation --ring 4194304");
        assert!(long.contains("4 rings' worth") && long.contains("smaller --ring"), "{long}");
        assert!(notes("throughput --payload 10MB").contains("16,384 messages"));
        assert!(notes("saturation --ring 65536").contains("262,144 messages"), "many short ones");
        for usual in ["saturation", "throughput", "fanout", "all", "throughput --iterations 1000"] {
            assert_eq!(notes(usual), "", "{usual}");
        }
    }

    #[test]
    fn open_loops_of_a_low_rate_are_known_to_take_as_long_as_four_rings() {
        const SLOW: &str = "--capacity 1000";
        let run = |more: &str| {
            let line = format!("harness --scenario saturation --levels 50 --iterations 1 {more}");
            settings::plan(&Arguments::try_parse_from(line.split_whitespace()).unwrap())
                .unwrap()
                .runs
                .remove(0)
        };
        let seconds = |more: &str| super::super::estimate(&run(more)).as_secs_f64();
        assert!((40.0..50.0).contains(&seconds(SLOW)), "16,384 messages at 500 a second: {}", seconds(SLOW));
        assert!(seconds("--capacity 1000 --quick") < 5.0, "{}", seconds("--capacity 1000 --quick"));
        let steps = super::super::steps(&run(SLOW));
        assert!(steps.iter().any(|step| step.contains("until 16,384 messages are sent")), "{steps:?}");
        let fast = super::super::steps(&run("--capacity 10M"));
        assert!(!fast.iter().any(|step| step.contains("until")), "{fast:?}");
    }
}
